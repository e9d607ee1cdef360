"""Integers packed by Simple-8b with run lengths, unpacked for many sequences at once.

A block of 64 bits holds as many integers of one width as fit, or a run of one value; four bits a block, sixteen to a
word before the blocks, say which (V. N. Anh and A. Moffat, "Index compression using 64-bit words", 2010, with a run as
the last of the selectors, as TimescaleDB stores it and its send functions give it: big-endian, after the number of
values and of blocks). No package on the registries reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Unsigned = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]

_BITS = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 21, 32, 64, 0], np.uint64)
"""Width of the integers of a block, by selector."""

_A_BLOCK = np.array([0, *(64 // int(bits) for bits in _BITS[1:15]), 0], np.int64)
_RUN = 15
_RUN_BITS = np.uint64(36)
"""A run's value has the lower 36 bits of its block, its length the others."""

_SELECTORS_A_WORD = 16
_HEAD_BYTES = 8


class MalformedError(ValueError):
    """What was read is not what its head says, or not of a form known here."""


@dataclass(frozen=True, slots=True)
class Packed:
    """Sequences as they came, one behind the other. `n`, `blocks`: int64 a sequence, how many values and blocks."""

    n: Ints
    blocks: Ints
    selector_words: bytes
    block_words: bytes


def packed_at(raws: Sequence[bytes], starts: Sequence[int]) -> tuple[Packed, list[int]]:
    """Return the sequence that begins at a byte of each of some strings, and the bytes at which they end.

    Raises MalformedError where one is cut off.
    """
    heads = b"".join([raw[start : start + _HEAD_BYTES] for raw, start in zip(raws, starts, strict=True)])
    if len(heads) != _HEAD_BYTES * len(raws):
        raise MalformedError("a sequence that ends before its blocks begin")
    n, blocks = np.frombuffer(heads, ">u4").astype(np.int64).reshape(-1, 2).T
    firsts = np.array(starts, np.int64) + _HEAD_BYTES
    middles = firsts + 8 * -(-blocks // _SELECTORS_A_WORD)
    ends = middles + 8 * blocks
    if (ends > np.array([len(raw) for raw in raws], np.int64)).any():
        raise MalformedError("a sequence of fewer blocks than it says")
    cuts = list(zip(raws, firsts.tolist(), middles.tolist(), ends.tolist(), strict=True))
    selector_words = b"".join([raw[first:middle] for raw, first, middle, _ in cuts])
    return Packed(n, blocks, selector_words, b"".join([raw[middle:end] for raw, _, middle, end in cuts])), ends.tolist()


def unpacked(packed: Packed) -> Unsigned:
    """Return the values of sequences one behind the other. Raises MalformedError where blocks and numbers disagree."""
    if ((packed.n > 0) != (packed.blocks > 0)).any():
        raise MalformedError("values without blocks, or blocks without values")
    some = packed.blocks > 0
    if not some.any():
        return np.empty(0, np.uint64)
    blocks = np.frombuffer(packed.block_words, ">u8").astype(np.uint64)
    selectors = _selectors(packed)
    is_run = selectors == _RUN
    counts = np.where(is_run, (blocks >> _RUN_BITS).view(np.int64), _A_BLOCK[selectors])
    ends = np.cumsum(packed.blocks[some])
    spare = np.add.reduceat(counts, ends - packed.blocks[some]) - packed.n[some]
    # The last block of a sequence, if it is no run, is filled up with values that are none.
    counts[ends - 1] -= spare
    if (counts <= 0).any() or (spare < 0).any() or spare[is_run[ends - 1]].any():
        raise MalformedError("blocks that do not hold as many values as their sequence")
    values = np.repeat(np.where(is_run, blocks & ((np.uint64(1) << _RUN_BITS) - np.uint64(1)), blocks), counts)
    starts = np.cumsum(counts) - counts
    for selector in np.flatnonzero(np.bincount(selectors, minlength=_RUN + 1)[:_RUN]):
        of_it = np.flatnonzero(selectors == selector)
        _put(values, blocks[of_it], starts[of_it], counts[of_it], int(selector))
    return values


def _selectors(packed: Packed) -> npt.NDArray[np.uint8]:
    """Return the selector of every block; the lowest bits of a word are those of its first block."""
    octets = np.frombuffer(packed.selector_words, np.uint8).reshape(-1, 8)[:, ::-1]
    nibbles: npt.NDArray[np.uint8] = np.stack((octets & 15, octets >> 4), axis=-1).ravel()
    places = _SELECTORS_A_WORD * -(-packed.blocks // _SELECTORS_A_WORD)
    place = np.arange(nibbles.size) - np.repeat(np.cumsum(places) - places, places)
    return nibbles[place < np.repeat(packed.blocks, places)]


def _put(values: Unsigned, blocks: Unsigned, starts: Ints, counts: Ints, selector: int) -> None:
    """Write the values of blocks of one width to where they belong."""
    full, bits = int(_A_BLOCK[selector]), _BITS[selector]
    if full == 1:
        return  # They stand there as they are.
    # A row for each place in a block: rows as long as there are blocks took a quarter of the time of short ones.
    places = np.arange(full)[:, None]
    cells = blocks >> (bits * places.astype(np.uint64))
    cells &= (np.uint64(1) << bits) - np.uint64(1)
    index = starts + places
    if (counts < full).any():
        is_value = places < counts
        cells, index = cells[is_value], index[is_value]
    values[index] = cells
