"""What may follow the base packet: type-length-value blocks (RFC 8972 4). Only Extra Padding is known here.

One byte of flags, one of type, two for the length of the value, the value. The sender sets U; the reflector clears it
where it knows the type, sets M where the length does not fit, and sends everything back.
"""

from __future__ import annotations

import os
import struct

EXTRA_PADDING = 1
HEADER_BYTES = 4

UNRECOGNISED, MALFORMED = 0x80, 0x40
_HEADER = struct.Struct("!BBH")


def extra_padding(total_bytes: int) -> bytes:
    """Return an Extra Padding block of `total_bytes` with its header; random, so that no link compresses it away.

    Raises ValueError if that is less than a header.
    """
    if total_bytes < HEADER_BYTES:
        raise ValueError(f"{total_bytes} bytes cannot hold the {HEADER_BYTES} bytes of a header")
    value_bytes = total_bytes - HEADER_BYTES
    return _HEADER.pack(UNRECOGNISED, EXTRA_PADDING, value_bytes) + os.urandom(value_bytes)


def answered(blocks: bytes) -> bytes:
    """Return what a reflector sends back for the blocks of a request: as long, with the flags set (RFC 8972 4).

    A rest too short for a header goes back as it came.
    """
    reply = bytearray(blocks)
    start = 0
    while start + HEADER_BYTES <= len(reply):
        flags, kind, value_bytes = _HEADER.unpack_from(reply, start)
        end = start + HEADER_BYTES + value_bytes
        if end > len(reply):
            reply[start] = flags | MALFORMED
            break
        reply[start] = flags & ~UNRECOGNISED if kind == EXTRA_PADDING else flags | UNRECOGNISED
        start = end
    return bytes(reply)
