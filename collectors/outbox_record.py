"""One record of the outbox and its checksum: a bit that flips on the disk must not become a measurement.

SQLite checks the shape of its file, not what lies in it. A damaged payload that still decodes would be stored as it is,
and one whose number is damaged is refused by the server under another number and would be sent for ever.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

SELECT_RECORDS = "SELECT seq, CAST(stream AS BLOB), CAST(payload AS BLOB), checksum FROM batch"
SELECT_OLD_RECORDS = "SELECT seq, CAST(stream AS BLOB), CAST(payload AS BLOB), NULL FROM batch"
"""As bytes, whatever type a damaged record claims; `read_record` decides what may be believed. Old files have no
checksums."""

_NUMBER = struct.Struct(">q")


class StoredBatch(NamedTuple):
    """A batch as it lies in the outbox."""

    seq: int
    stream: str
    payload: bytes


def record_checksum(batch: StoredBatch) -> int:
    """Return the CRC-32 of number, stream and payload."""
    return _checksum(batch.seq, batch.stream.encode(), batch.payload)


def read_record(seq: int, stream: bytes | None, payload: bytes | None, checksum: object) -> StoredBatch | None:
    """Return the batch of a row of SELECT_RECORDS; None if it is not as it was written.

    Without a checksum the batch was taken by a version that made none, and is believed.
    """
    if stream is None or payload is None:
        return None
    if checksum is not None and checksum != _checksum(seq, stream, payload):
        return None
    return StoredBatch(seq, stream.decode(errors="replace"), payload)


def _checksum(seq: int, stream: bytes, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(stream, zlib.crc32(_NUMBER.pack(seq))))
