"""Parts as bytes: little-endian arrays behind a version, small enough for a row and read without a loop over packets.

A part is several cells: the head (counts and open ends), and one cell for each direction whose delays were measured,
so that a chart of one direction reads no other.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from analytics.log_histogram import EMPTY, LogHistogram
from analytics.part_segments import WIDTH, Deadlines
from analytics.part_sessions import LossSums, Piece
from analytics.partials import WITHIN_US, DelayPart, Part

VERSION = 2
READABLE = (1, VERSION)
"""Version 2 keeps the fates of neighbouring packets and the counts up to fixed delays. Parts of version 1 are read as
they are, without: what retention has deleted since can never be counted again."""
_HEADS = {1: struct.Struct("<B?2q8qqII"), VERSION: struct.Struct("<B?2q12qqII")}
"""Version, has_numbers, deadline and survival time, LossSums, duplicates, pieces, segments."""
_DELAY = struct.Struct("<Bq16sqq")
_COUNTS = struct.Struct("<IB")
_WIDTHS: tuple[np.dtype[Any], ...] = (np.dtype("<u1"), np.dtype("<u2"), np.dtype("<u4"), np.dtype("<u8"))
_BUCKET = np.dtype("<i2")
_WORD = np.dtype("<i8")
_PIECE = len(Piece._fields)
_SUMS = len(dataclasses.fields(LossSums))


class PartVersionError(ValueError):
    """Raised for cells that another version of the program wrote; `jissho parts rebuild` makes them anew."""


def pack_histogram(histogram: LogHistogram) -> bytes:
    """Return buckets and counts; counts in as many bytes each as the largest needs."""
    place = _place(int(histogram.counts.max(initial=0)))
    return b"".join(
        (
            _COUNTS.pack(histogram.buckets.size, place),
            histogram.buckets.astype(_BUCKET).tobytes(),
            histogram.counts.astype(_WIDTHS[place]).tobytes(),
        )
    )


def _place(largest: int) -> int:
    """Return which of _WIDTHS the largest count needs."""
    return next(number for number, width in enumerate(_WIDTHS) if largest < 1 << 8 * width.itemsize)


def unpack_histogram(cell: bytes, offset: int = 0) -> LogHistogram:
    """Return the histogram at `offset`."""
    n, place = _COUNTS.unpack_from(cell, offset)
    if not n:
        return EMPTY
    offset += _COUNTS.size
    buckets = np.frombuffer(cell, _BUCKET, n, offset)
    counts = np.frombuffer(cell, _WIDTHS[place], n, offset + buckets.nbytes)
    return LogHistogram(buckets.astype(np.int64), counts.astype(np.int64))


def pack_delay(delay: DelayPart) -> bytes:
    """Return the cell of one direction."""
    squares = delay.squares_us2.to_bytes(16, "little")
    # A sum that a part of version 1 went into has no counts, and is of that version itself.
    version = 1 if delay.within is None else VERSION
    counts = b""
    if delay.within is not None:
        place = _place(max(delay.within))
        counts = bytes([place]) + np.array(delay.within, _WIDTHS[place]).tobytes()
    fixed = _DELAY.pack(version, delay.sum_us, squares, delay.min_us, delay.max_us)
    return b"".join((fixed, counts, pack_histogram(delay.histogram)))


def unpack_delay(cell: bytes) -> DelayPart:
    """Return one direction's delays. Raises PartVersionError."""
    _check(cell)
    version, sum_us, squares, min_us, max_us = _DELAY.unpack_from(cell)
    offset, within = _DELAY.size, None
    if version > 1:
        counts = np.frombuffer(cell, _WIDTHS[cell[offset]], len(WITHIN_US), offset + 1)
        within = tuple(counts.tolist())
        offset += 1 + counts.nbytes
    squares_us2 = int.from_bytes(squares, "little")
    return DelayPart(unpack_histogram(cell, offset), sum_us, squares_us2, min_us, max_us, within)


def pack_head(part: Part) -> bytes:
    """Return the cell of everything but the delays."""
    losses = part.losses
    sums = (losses.sent, losses.lost, losses.up, losses.down, losses.unknown, losses.runs, losses.longest_run,
            losses.overlaps, losses.pairs, losses.good_bad, losses.bad_good, losses.unpaired)  # fmt: skip
    fixed = _HEADS[VERSION].pack(
        VERSION, part.has_numbers, part.deadlines.t_max_us, part.deadlines.survival_us, *sums, part.duplicates,
        len(part.pieces), len(part.segments),
    )  # fmt: skip
    pieces = np.array(part.pieces, _WORD).tobytes()
    segments = part.segments.astype(_WORD).tobytes()
    return b"".join((fixed, pieces, segments, pack_histogram(part.gaps)))


def unpack_part(start_us: int, end_us: int, head: bytes, delays: Mapping[str, bytes | None]) -> Part:
    """Return the part of a head and its directions' cells. Raises PartVersionError."""
    version, has_numbers, t_max_us, survival_us, *sums, duplicates, n_pieces, n_segments = _fixed(head)
    offset = _HEADS[version].size
    pieces = np.frombuffer(head, _WORD, n_pieces * _PIECE, offset).reshape(-1, _PIECE).tolist()
    offset += n_pieces * _PIECE * _WORD.itemsize
    segments = np.frombuffer(head, _WORD, n_segments * WIDTH, offset).reshape(-1, WIDTH)
    offset += n_segments * WIDTH * _WORD.itemsize
    return Part(
        start_us=start_us,
        end_us=end_us,
        deadlines=Deadlines(t_max_us, survival_us),
        losses=_loss_sums(sums),
        duplicates=duplicates,
        has_numbers=bool(has_numbers),
        delays={direction: unpack_delay(cell) for direction, cell in delays.items() if cell is not None},
        gaps=unpack_histogram(head, offset),
        pieces=tuple(Piece(*piece) for piece in pieces),
        segments=segments.astype(np.int64, copy=False),
    )


def _fixed(head: bytes) -> tuple[int, ...]:
    _check(head)
    return _HEADS[head[0]].unpack_from(head)


def _loss_sums(sums: Sequence[int]) -> LossSums:
    found = LossSums(*sums)
    if len(sums) < _SUMS:
        found.unpaired = found.sent
    return found


def _check(cell: bytes) -> None:
    if cell[0] not in READABLE:
        raise PartVersionError(
            f"a part was written in version {cell[0]}, this program reads {READABLE}: run `jissho parts rebuild`"
        )
