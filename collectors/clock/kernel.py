"""adjtimex(2): what the kernel was told about its clock, for machines without chrony."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass

from contract.samples import Value

STA_UNSYNC = 0x0040
_TIME_ERROR = 5
_FREQUENCY_SCALE = 65536.0  # parts per million in the kernel's fixed point
_LEAP = {
    0: "Normal",
    1: "Insert second",
    2: "Delete second",
    3: "Leap second",
    4: "Leap second over",
    5: "Not synchronised",
}


class _Timex(ctypes.Structure):
    """struct timex of 64-bit Linux; only the first fields are read."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 512),
    )


@dataclass(frozen=True, slots=True)
class KernelClock:
    """The fields of struct timex that matter: errors in microseconds, `state` as adjtimex returns it."""

    state: int
    status: int
    freq: int
    maxerror_us: int
    esterror_us: int


def read_kernel_clock() -> KernelClock:
    """Ask the kernel, which needs no privilege. Raises OSError where the call is not allowed or not there."""
    timex = _Timex()
    try:
        call = ctypes.CDLL(None, use_errno=True).adjtimex
    except AttributeError as error:
        raise OSError("this system has no adjtimex") from error
    state = call(ctypes.byref(timex))
    if state < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return KernelClock(state, timex.status, timex.freq, timex.maxerror, timex.esterror)


def kernel_sample(clock: KernelClock) -> dict[str, Value]:
    """Return the `clock` sample. The kernel's maximum error is the bound, and only while something disciplines it."""
    is_synced = not clock.status & STA_UNSYNC and clock.state != _TIME_ERROR
    return {
        "method": "adjtimex",
        "synced": is_synced,
        "bound_us": float(clock.maxerror_us) if is_synced else None,
        "freq_ppm": clock.freq / _FREQUENCY_SCALE,
        "leap": _LEAP.get(clock.state, str(clock.state)),
        "reference": "kernel",
    }
