"""The carry file: an outbox's batches in one file, for the way that leads over a USB stick instead of a network.

A line of JSON (`CarryHeader`), then `count` records, then the SHA-256 of everything before it, 32 bytes. A record is
seq (8 bytes), length of the payload (4), length of the stream's name (2), CRC-32 of seq,
name and payload (4), all big-endian, then the name and the payload as it lay in the outbox. The hash says whether the
file is whole; the CRC says of a torn file which records may still be believed. Neither proves who wrote it.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from contract.topics import check_name

CARRY_VERSION = 1
MAGIC = b'{"jissho_carry":'
"""How every carry file begins: the header's first key."""

MAX_RECORD_BYTES = 64_000_000
"""A record's length beyond this is damage, not data: payloads have at most 1 MB."""

_RECORD = struct.Struct(">QIHI")
_NUMBER = struct.Struct(">Q")
_MAX_HEADER_BYTES = 10_000
_BLOCK_BYTES = 1_000_000


class CarryError(ValueError):
    """Raised when a file is no carry file, or is torn or altered; one line that names the file."""


class CarryHeader(msgspec.Struct, frozen=True, kw_only=True):
    """The first line. `jissho_carry` is the version of the format; `taken` the highest seq the outbox ever gave.

    `written_ns` is when it was written, in nanoseconds since the Unix epoch by the device's own clock.
    """

    jissho_carry: int = CARRY_VERSION
    site: str
    device: str
    epoch: str
    count: int
    taken: int
    written_ns: int


class CarriedBatch(NamedTuple):
    """One record: a batch as it lay in the outbox."""

    seq: int
    stream: str
    payload: bytes


def write_carry(file: BinaryIO, header: CarryHeader, batches: Iterable[CarriedBatch]) -> int:
    """Write header, records and hash; return the bytes written.

    Raises ValueError if there are not `header.count` batches, or one is too large: the file is worth nothing then.
    """
    digest = hashlib.sha256()
    written = 0
    line = msgspec.json.encode(header) + b"\n"
    digest.update(line)
    size = file.write(line)
    for batch in batches:
        name = batch.stream.encode()
        if len(batch.payload) > MAX_RECORD_BYTES:
            raise ValueError(
                f"batch {batch.seq} has {len(batch.payload)} bytes, at most {MAX_RECORD_BYTES} are carried"
            )
        head = _RECORD.pack(batch.seq, len(batch.payload), len(name), _checksum(batch.seq, name, batch.payload))
        for block in (head, name, batch.payload):
            digest.update(block)
            size += file.write(block)
        written += 1
    if written != header.count:
        raise ValueError(f"{written} batches where the header says {header.count}")
    return size + file.write(digest.digest())


def is_carry(path: Path) -> bool:
    """Tell by its first bytes whether a file is a carry file. Raises OSError if it cannot be read."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def verify_carry(path: Path) -> CarryHeader:
    """Read a file whole and return its header. Raises CarryError if one bit of it is not as it was written."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        header = _header(file, path)
        left = path.stat().st_size - digest.digest_size
        if left < file.tell():
            raise _torn(path, header, 0)
        file.seek(0)
        while left:
            block = file.read(min(_BLOCK_BYTES, left))
            if not block:
                break
            digest.update(block)
            left -= len(block)
        if not left and file.read() == digest.digest():
            return header
    # The hash does not match. Which of the two it is matters to whoever holds the stick: copy again, or do not trust.
    whole = sum(1 for _ in read_carry(path))
    if whole < header.count:
        raise _torn(path, header, whole)
    raise CarryError(f"{path}: altered after it was written (its SHA-256 does not match): export or copy it again")


def read_header(path: Path) -> CarryHeader:
    """Return the header alone, unverified. Raises CarryError."""
    with path.open("rb") as file:
        return _header(file, path)


def read_carry(path: Path) -> Iterator[CarriedBatch]:
    """Yield the records up to the first that is torn or altered; after `verify_carry`, that is all of them."""
    with path.open("rb") as file:
        header = _header(file, path)
        for _ in range(header.count):
            head = file.read(_RECORD.size)
            if len(head) < _RECORD.size:
                return
            seq, payload_bytes, name_bytes, checksum = _RECORD.unpack(head)
            if payload_bytes > MAX_RECORD_BYTES:
                return
            name, payload = file.read(name_bytes), file.read(payload_bytes)
            if len(payload) < payload_bytes or _checksum(seq, name, payload) != checksum:
                return
            yield CarriedBatch(seq, name.decode(errors="replace"), payload)


def _checksum(seq: int, name: bytes, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(name, zlib.crc32(_NUMBER.pack(seq))))


def _header(file: BinaryIO, path: Path) -> CarryHeader:
    line = file.readline(_MAX_HEADER_BYTES)
    if not line.startswith(MAGIC):
        raise CarryError(f"{path}: not a file of `jissho outbox export`")
    try:
        header = msgspec.json.decode(line, type=CarryHeader)
        check_name("site", header.site)
        check_name("device", header.device)
    except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        raise CarryError(f"{path}: its first line is damaged: {error}") from error
    if header.jissho_carry != CARRY_VERSION:
        raise CarryError(
            f"{path}: carry format {header.jissho_carry}, this program reads {CARRY_VERSION}: update jissho"
        )
    return header


def _torn(path: Path, header: CarryHeader, whole: int) -> CarryError:
    return CarryError(
        f"{path}: torn or damaged after {whole} of {header.count} batches; nothing was read: copy it again, "
        "or take what is whole with --partial"
    )
