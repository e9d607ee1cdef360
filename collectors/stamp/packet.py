"""STAMP test packets, unauthenticated mode: RFC 8762 4.2.1 and 4.3.1, with the session identifier of RFC 8972 3.

Pure. On the wire a time is a 64-bit stamp: NTP 32.32 fixed point since 1900, or, where the error estimate says so,
PTP's 32 bits of seconds and 32 of nanoseconds. In the program it is integer nanoseconds since the Unix epoch.
"""

from __future__ import annotations

import struct
from fractions import Fraction
from math import ceil
from typing import NamedTuple

BASE_BYTES = 44
"""Both base packets are as long, so that both directions carry the same."""

TWAMP_REQUEST_BYTES = 14
"""Least length of a TWAMP sender's packet (RFC 5357 4.1.2); a STAMP reflector answers it too (RFC 8762 4.6)."""

TWAMP_ANSWER_BYTES = 41
"""Least length of a TWAMP Light reflector's packet (RFC 5357 4.2.1)."""

MAX_PAYLOAD_BYTES = 1472
"""One IPv4 packet of 1500 bytes. A fragmented probe would be lost if any fragment is, and measure something else."""

_NS = 1_000_000_000
_NTP_TO_UNIX_NS = 2_208_988_800 * _NS
_HALF_STEP = 1 << 31
_MASK_32, _MASK_64 = 2**32 - 1, 2**64 - 1

_REQUEST = struct.Struct("!IQHH28x")
_REQUEST_HEAD = struct.Struct("!IQH")
_ANSWER = struct.Struct("!IQHHQIQHHB3x")
_ANSWER_HEAD = struct.Struct("!IQHHQIQHHB")
_STAMP, _TRANSMIT_OFFSET = struct.Struct("!Q"), 4
_SSID, _SSID_OFFSET = struct.Struct("!H"), 14

_SYNCED, _PTP = 0x8000, 0x4000
_MAX_SCALE, _MAX_MULTIPLIER = 63, 255


class PacketError(ValueError):
    """Raised when bytes are no STAMP packet. `reason` is a short code to count by."""

    def __init__(self, reason: str, detail: str) -> None:
        """Keep `reason`; the message is for people."""
        super().__init__(detail)
        self.reason = reason


def ntp_stamp(unix_ns: int) -> int:
    """Return a Unix time as an NTP stamp, to the nearest 0.23 ns; from 2036-02-07T06:28:16Z on in era 1."""
    return (((unix_ns + _NTP_TO_UNIX_NS) << 32) + _NS // 2) // _NS & _MASK_64


def unix_ns_of_ntp(stamp: int) -> int:
    """Return the Unix time of an NTP stamp. The first bit tells the era: set for 1968 to 2036, clear for 2036 to 2104.

    Exact inverse of `ntp_stamp` in those years, since a step of the stamp is finer than a nanosecond.
    """
    if not stamp >> 63:
        stamp += 1 << 64
    return ((stamp * _NS + _HALF_STEP) >> 32) - _NTP_TO_UNIX_NS


def unix_ns_of_ptp(stamp: int) -> int:
    """Return the time of a truncated PTP stamp in nanoseconds since 1970, on whichever time scale its clock keeps."""
    return (stamp >> 32) * _NS + (stamp & _MASK_32)


class ErrorEstimate(NamedTuple):
    """What a host says of its clock: `multiplier` * 2^(`scale` - 32) seconds (RFC 4656 4.1.2, RFC 8762 4.2.1).

    `synced`: disciplined to UTC by an outside source. `ptp`: the stamps of this packet are in PTP's format.
    """

    synced: bool
    scale: int
    multiplier: int
    ptp: bool = False

    @property
    def error_us(self) -> float:
        """The error in microseconds."""
        return self.multiplier * 2.0 ** (self.scale - 32) * 1e6

    @property
    def word(self) -> int:
        """The 16 bits of the packet."""
        return (_SYNCED * self.synced) | (_PTP * self.ptp) | self.scale << 8 | self.multiplier

    @classmethod
    def from_word(cls, word: int) -> ErrorEstimate:
        """Read the 16 bits of a packet. Raises PacketError for a multiplier of 0, which stands for a corrupt one."""
        multiplier = word & _MAX_MULTIPLIER
        if multiplier == 0:
            raise PacketError("error_estimate", "error estimate with multiplier 0 (RFC 4656 4.1.2: corrupt)")
        return cls(bool(word & _SYNCED), word >> 8 & _MAX_SCALE, multiplier, bool(word & _PTP))

    @classmethod
    def from_bound_us(cls, bound_us: float | None) -> ErrorEstimate:
        """Return the least estimate that does not understate `bound_us`; None is a clock that nobody vouches for.

        So is one that may be off by more than the word can hold (17,000 years). Raises ValueError for a bound that is
        negative or not finite.
        """
        if bound_us is None:
            return UNSYNCHRONISED
        try:
            steps = ceil(Fraction(bound_us) * 2**32 / 1_000_000)
        except (ValueError, OverflowError):
            steps = -1
        if steps < 0:
            raise ValueError(f"a clock bound must be a number of microseconds from 0 up, not {bound_us}")
        scale = max(steps.bit_length() - 8, 0)
        multiplier = max(-(-steps >> scale), 1)
        if multiplier > _MAX_MULTIPLIER:  # rounding up reached 256 steps: half as many of twice the size
            scale, multiplier = scale + 1, -(-multiplier // 2)
        return cls(True, scale, multiplier) if scale <= _MAX_SCALE else UNSYNCHRONISED


UNSYNCHRONISED = ErrorEstimate(synced=False, scale=_MAX_SCALE, multiplier=_MAX_MULTIPLIER)
"""Not synchronised, and an error as large as can be said, so that nobody takes it for a promise."""


class Request(NamedTuple):
    """A session-sender's packet. `sent_stamp` (T1) and `estimate_word` go back to the sender untouched."""

    seq: int
    sent_stamp: int
    estimate_word: int
    ssid: int


class Answer(NamedTuple):
    """A session-reflector's packet: T2 is `receive_stamp`, T3 `transmit_stamp`, T1 `sent_stamp`."""

    refl_seq: int
    transmit_stamp: int
    estimate: ErrorEstimate
    ssid: int
    receive_stamp: int
    seq: int
    sent_stamp: int
    sender_estimate_word: int
    sender_ttl: int

    def times_ns(self) -> tuple[int, int]:
        """Return (T2, T3) in nanoseconds since the Unix epoch, on the reflector's time scale."""
        convert = unix_ns_of_ptp if self.estimate.ptp else unix_ns_of_ntp
        return convert(self.receive_stamp), convert(self.transmit_stamp)


def encode_request(request: Request, trailer: bytes = b"") -> bytes:
    """Return the packet; `trailer` holds TLVs (see `collectors.stamp.tlv`) or a TWAMP peer's padding."""
    return _REQUEST.pack(*request) + trailer


def decode_request(packet: bytes) -> Request:
    """Read a sender's packet of STAMP or, if it is shorter, of TWAMP Light, which knows no session identifier.

    Raises PacketError ("too_short", "error_estimate").
    """
    if len(packet) < TWAMP_REQUEST_BYTES:
        raise PacketError("too_short", f"{len(packet)} bytes; a request has at least {TWAMP_REQUEST_BYTES}")
    seq, sent_stamp, estimate_word = _REQUEST_HEAD.unpack_from(packet)
    ErrorEstimate.from_word(estimate_word)
    ssid = _SSID.unpack_from(packet, _SSID_OFFSET)[0] if len(packet) >= BASE_BYTES else 0
    return Request(seq, sent_stamp, estimate_word, ssid)


def encode_answer(
    request: Request, refl_seq: int, receive_stamp: int, estimate: ErrorEstimate, *, ttl: int, trailer: bytes = b""
) -> bytearray:
    """Return the reflector's packet without its sending time, which `stamp_answer` sets at the last moment.

    `refl_seq` may run on: it is cut to 32 bits. `ttl` is that of the request as it arrived, 0 if unknown.
    """
    base = _ANSWER.pack(
        refl_seq & _MASK_32, 0, estimate.word, request.ssid, receive_stamp,
        request.seq, request.sent_stamp, request.estimate_word, 0, ttl,
    )  # fmt: skip
    return bytearray(base + trailer)


def stamp_answer(packet: bytearray, transmit_stamp: int) -> None:
    """Write the sending time (T3) into a packet of `encode_answer`."""
    _STAMP.pack_into(packet, _TRANSMIT_OFFSET, transmit_stamp)


def decode_answer(packet: bytes, *, least_bytes: int = BASE_BYTES) -> Answer:
    """Read a reflector's packet; `least_bytes` is TWAMP_ANSWER_BYTES for a TWAMP Light peer.

    Raises PacketError ("too_short", "error_estimate"). Octets that must be zero are not looked at.
    """
    if len(packet) < least_bytes:
        raise PacketError("too_short", f"{len(packet)} bytes; an answer has at least {least_bytes}")
    refl_seq, transmit, word, ssid, receive, seq, sent, sender_word, _, ttl = _ANSWER_HEAD.unpack_from(packet)
    return Answer(refl_seq, transmit, ErrorEstimate.from_word(word), ssid, receive, seq, sent, sender_word, ttl)
