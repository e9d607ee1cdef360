"""STAMP packets, unauthenticated mode (RFC 8762 4.2.1 and 4.3.1), byte for byte.

Times are integers: nanoseconds since the Unix epoch here, NTP 32.32 fixed point on the wire (0.23 ns a step, so a
nanosecond survives to within one).
"""

from __future__ import annotations

import math
import struct
from typing import NamedTuple

SENDER_BYTES = 44
REFLECTOR_BYTES = 44
TWAMP_SENDER_BYTES = 14
"""What a TWAMP Light sender's packet has at least (RFC 5357 4.1.2); a reflector answers it too."""

_NTP_UNIX_S = 2_208_988_800
_ERA_S = 2**32
_SENDER = struct.Struct("!IQHH28x")
_SENDER_HEAD = struct.Struct("!IQH")
_REFLECTOR = struct.Struct("!IQHHQIQHHB3x")
_SYNCED, _PTP = 0x8000, 0x4000
_SCALE_MAX, _MULTIPLIER_MAX = 63, 255


def to_ntp(unix_ns: int) -> int:
    """Return a Unix time as NTP 32.32 fixed point, modulo the era of 2036."""
    seconds, fraction_ns = divmod(unix_ns, 1_000_000_000)
    # Rounded up, so that the way back, which rounds down, returns the same nanosecond.
    fraction = -(-(fraction_ns << 32) // 1_000_000_000)
    return (((seconds + _NTP_UNIX_S) << 32) + fraction) & (2**64 - 1)


def from_ntp(ntp: int) -> int:
    """Return NTP 32.32 fixed point as a Unix time; times before 1970 on the wire belong to the era after 2036."""
    seconds = ntp >> 32
    if seconds < _NTP_UNIX_S:
        seconds += _ERA_S
    return (seconds - _NTP_UNIX_S) * 1_000_000_000 + ((ntp & 0xFFFFFFFF) * 1_000_000_000 >> 32)


class ErrorEstimate(NamedTuple):
    """What a host says of its clock (RFC 4656 4.1.2): error = multiplier * 2^(scale - 32) seconds.

    `is_synced`: disciplined to UTC by an outside source. `is_ptp`: timestamps are in PTP's format.
    """

    is_synced: bool
    scale: int
    multiplier: int
    is_ptp: bool = False

    @property
    def error_us(self) -> float:
        """The error in microseconds."""
        return self.multiplier * 2.0 ** (self.scale - 32) * 1e6

    @classmethod
    def from_bound_us(cls, bound_us: float | None) -> ErrorEstimate:
        """Return the smallest estimate that is not below `bound_us`; None is an unsynchronised clock.

        A bound beyond what the word can hold (17 000 years) is none. Raises ValueError for a negative bound.
        """
        if bound_us is None:
            # Not synchronised: the error is unknown, and the multiplier must not be zero.
            return cls(False, _SCALE_MAX, _MULTIPLIER_MAX)
        if bound_us < 0 or not math.isfinite(bound_us):
            raise ValueError(f"a clock bound of {bound_us} us is none: it must be 0 or more")
        units = bound_us * 1e-6 * 2**32
        scale = max(math.ceil(math.log2(units / 255)), 0) if units > 0 else 0
        multiplier = max(math.ceil(units / 2.0**scale), 1)
        # Rounding in `units` and in the logarithm may leave the word one step too small.
        if multiplier * 2.0 ** (scale - 32) * 1e6 < bound_us:
            multiplier += 1
        if multiplier > _MULTIPLIER_MAX:
            scale, multiplier = scale + 1, _MULTIPLIER_MAX // 2 + 1
        return cls(True, scale, multiplier) if scale <= _SCALE_MAX else cls.from_bound_us(None)

    def encode(self) -> int:
        """Return the 16-bit word."""
        flags = (_SYNCED if self.is_synced else 0) | (_PTP if self.is_ptp else 0)
        return flags | (self.scale & 0x3F) << 8 | self.multiplier & 0xFF

    @classmethod
    def decode(cls, word: int) -> ErrorEstimate:
        """Return what a 16-bit word says; a multiplier of 0 is invalid and left to the caller to refuse."""
        return cls(bool(word & _SYNCED), word >> 8 & 0x3F, word & 0xFF, bool(word & _PTP))


class PacketError(ValueError):
    """Raised when bytes are not a STAMP packet; the message says why."""


class Request(NamedTuple):
    """A sender's packet, as a reflector needs it. `sent_ntp` is given back untouched."""

    seq: int
    sent_ntp: int
    error_word: int
    ssid: int


class Answer(NamedTuple):
    """A reflector's packet. Times in nanoseconds since the Unix epoch."""

    refl_seq: int
    sent_ns: int
    error: ErrorEstimate
    ssid: int
    received_ns: int
    seq: int
    sender_ntp: int
    sender_ttl: int


def encode_request(seq: int, sent_ns: int, error: ErrorEstimate, *, ssid: int = 0, payload_bytes: int = 44) -> bytes:
    """Return a sender's packet; beyond 44 bytes it carries an Extra Padding TLV (RFC 8972 4.1).

    That TLV has four bytes at least, so 45 to 47 become 48.
    """
    base = _SENDER.pack(seq, to_ntp(sent_ns), error.encode(), ssid)
    padding = payload_bytes - SENDER_BYTES
    if padding <= 0:
        return base
    # A TLV needs four bytes of its own: U flag set by the sender, type 1, length of the value.
    value = max(padding - 4, 0)
    return base + struct.pack("!BBH", 0x80, 1, value) + bytes(value)


def decode_request(packet: bytes) -> Request:
    """Read a sender's packet. Raises PacketError if it is too short to be answered."""
    if len(packet) < TWAMP_SENDER_BYTES:
        raise PacketError(f"{len(packet)} bytes, a request has at least {TWAMP_SENDER_BYTES}")
    seq, sent_ntp, error_word = _SENDER_HEAD.unpack_from(packet)
    ssid = int.from_bytes(packet[14:16], "big") if len(packet) >= SENDER_BYTES else 0
    return Request(seq, sent_ntp, error_word, ssid)


def encode_answer(
    request: Request,
    refl_seq: int,
    received_ns: int,
    sent_ns: int,
    error: ErrorEstimate,
    *,
    ttl: int = 255,
    rest: bytes = b"",
) -> bytes:
    """Return the reflector's packet. `rest` is what followed the base of the request and is given back."""
    return (
        _REFLECTOR.pack(
            refl_seq & 0xFFFFFFFF, to_ntp(sent_ns), error.encode(), request.ssid, to_ntp(received_ns),
            request.seq, request.sent_ntp, request.error_word, 0, ttl,
        )
        + rest
    )  # fmt: skip


def decode_answer(packet: bytes) -> Answer:
    """Read a reflector's packet. Raises PacketError if it is too short or its error estimate is corrupt."""
    if len(packet) < REFLECTOR_BYTES:
        raise PacketError(f"{len(packet)} bytes, an answer has {REFLECTOR_BYTES}")
    refl_seq, sent, error_word, ssid, received, seq, sender_ntp, _, _, ttl = _REFLECTOR.unpack_from(packet)
    error = ErrorEstimate.decode(error_word)
    if error.multiplier == 0:
        raise PacketError("error estimate with multiplier 0: corrupt (RFC 4656 4.1.2)")
    if error.is_ptp:
        raise PacketError("timestamps in PTP format are not supported; set the reflector to NTP format")
    if sent == 0 or received == 0:
        raise PacketError("a timestamp is zero")
    return Answer(refl_seq, from_ntp(sent), error, ssid, from_ntp(received), seq, sender_ntp, ttl)
