"""UDP sockets that say when a datagram arrived, as the kernel saw it.

A reading of the clock in Python comes after the process was woken: tens of microseconds later on an idle machine,
milliseconds on a busy one. SO_TIMESTAMPNS is taken when the packet reaches the socket.
"""

from __future__ import annotations

import socket
import struct
import time
from typing import NamedTuple

SO_TIMESTAMPNS = 35
_IP_RECVTTL = 12  # Linux; the socket module has no name for it
_TIMESPEC = struct.Struct("@qq")
_ANCILLARY_BYTES = 128
_LARGEST = 9216


class Datagram(NamedTuple):
    """One datagram. `is_kernel_time` tells whether `arrived_ns` (Unix) is the kernel's or was read afterwards."""

    payload: bytes
    sender: tuple[str, int]
    arrived_ns: int
    is_kernel_time: bool
    ttl: int


def open_socket(
    *, bind: tuple[str, int] = ("", 0), interface: str = "", dscp: int = 0, receive_buffer: int = 1 << 20
) -> socket.socket:
    """Return a non-blocking IPv4 socket with arrival times. Raises OSError where it cannot be bound."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        udp.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        udp.setsockopt(socket.IPPROTO_IP, _IP_RECVTTL, 1)
        if dscp:
            udp.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, dscp << 2)
        if interface:
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
        udp.bind(bind)
        udp.setblocking(False)
    except OSError:
        udp.close()
        raise
    return udp


def receive(udp: socket.socket) -> Datagram | None:
    """Return the next datagram, or None if there is none now. Raises OSError where the socket broke."""
    try:
        payload, ancillary, _flags, sender = udp.recvmsg(_LARGEST, _ANCILLARY_BYTES)
    except (BlockingIOError, InterruptedError):
        return None
    arrived_ns, is_kernel_time, ttl = time.time_ns(), False, 255
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(data) >= _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            arrived_ns, is_kernel_time = seconds * 1_000_000_000 + nanoseconds, True
        elif level == socket.IPPROTO_IP and kind == socket.IP_TTL:
            ttl = int.from_bytes(data[:4], "little")
    return Datagram(payload, sender, arrived_ns, is_kernel_time, ttl)
