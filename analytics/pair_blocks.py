"""Packets of a pair of links by block of time: all that the interval of a gain is drawn from. Pure.

Blocks are those of `analytics.comparison`, which draws from packets that are all there. Here they come piece by piece,
in order of time, and of each block only counts are kept: four to six bytes for each bucket of 0.1 % that it has.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analytics.log_histogram import bucket_of, value_of
from analytics.probes import Bools, Ints

Floats = npt.NDArray[np.float64]
_MOST_CELLS = 8
"""Cells a value beyond which distinct ones are sorted, not counted densely."""
_PARTS_AT_ONCE = 16
"""Pieces whose blocks are drawn together: of 100,000 packets each at 100 a second they have 280 blocks."""


@dataclass(frozen=True, slots=True)
class Runs:
    """Rows of each block in a piece: `blocks` ascending and distinct, and the first row of each."""

    blocks: npt.NDArray[np.int64]
    starts: npt.NDArray[np.intp]
    n: int

    def rank(self) -> npt.NDArray[np.intp]:
        """Return for each row the place of its block."""
        return np.repeat(np.arange(self.starts.size), np.diff(np.append(self.starts, self.n)))


def runs_of(block: npt.NDArray[np.int64]) -> Runs:
    """Return the runs of a piece whose blocks do not fall; it has one row at least."""
    starts = np.concatenate([[0], np.flatnonzero(block[1:] != block[:-1]) + 1])
    return Runs(block[starts], starts, block.size)


class BlockCounts:
    """Rows by block, and how many of them each of several marks holds for."""

    def __init__(self) -> None:
        self._parts: list[tuple[npt.NDArray[np.int64], Floats]] = []

    def add(self, runs: Runs, marks: Sequence[Bools]) -> None:
        """Add a piece of rows and its marks."""
        sizes = np.diff(np.append(runs.starts, runs.n))
        held = [np.add.reduceat(mark, runs.starts, dtype=np.int64) for mark in marks]
        self._parts.append((runs.blocks, np.stack([sizes, *held]).astype(np.float64)))

    def result(self) -> tuple[npt.NDArray[np.int64], Floats]:
        """Return the blocks that have rows, ascending, and by row: how many, and how many of each mark."""
        if not self._parts:
            return np.empty(0, np.int64), np.empty((1, 0))
        blocks, place = np.unique(np.concatenate([each for each, _ in self._parts]), return_inverse=True)
        counts = np.concatenate([each for _, each in self._parts], axis=1)
        return blocks, np.stack([np.bincount(place, row, minlength=blocks.size) for row in counts])


class BlockDelays:
    """Delays by block, in buckets of 0.1 to 0.2 % width (`analytics.log_histogram`), and infinite ones."""

    def __init__(self) -> None:
        self._parts: list[tuple[Runs, Ints, Ints, Ints]] = []
        """Blocks of a piece; where each one's buckets begin, the buckets, and how often each came."""
        self._lost = BlockCounts()

    def add(self, runs: Runs, us: Ints, valid: Bools, gone: Bools) -> None:
        """Add a piece: delays in microseconds, which of them are known, and which are infinite."""
        self._lost.add(runs, [gone])
        buckets = bucket_of(us[valid])
        if not buckets.size:
            return
        low = int(buckets.min())
        width = int(buckets.max()) - low + 1
        cells = runs.rank()[valid] * width + (buckets - low)
        if runs.starts.size * width <= _MOST_CELLS * cells.size:
            dense = np.bincount(cells)
            found = np.flatnonzero(dense)
            counts = dense[found]
        else:
            found, counts = np.unique(cells, return_counts=True)
        begins = np.searchsorted(found, np.arange(runs.starts.size) * width)
        # 28,160 is the bucket of 2^62: two bytes hold any.
        kept = (found % width + low).astype(np.int16)
        self._parts.append((runs, begins, kept, counts.astype(np.uint16 if counts.max() < 1 << 16 else np.int64)))

    def above(self, us: float, blocks: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Return for each of `blocks` (ascending) how many delays it has, and how many in a bucket above that of `us`.

        Infinite ones are above.
        """
        every, late = np.zeros(blocks.size), np.zeros(blocks.size)
        limit = int(bucket_of(np.array([us], np.int64))[0]) if math.isfinite(us) else np.iinfo(np.int64).max
        for runs, begins, buckets, counts in self._parts:
            sums = np.concatenate([np.zeros((2, 1)), np.cumsum([counts, counts * (buckets > limit)], axis=1)], axis=1)
            place = np.searchsorted(blocks, runs.blocks)
            for found, total in zip(
                (every, late), np.diff(sums[:, np.append(begins, buckets.size)], axis=1), strict=True
            ):
                np.add.at(found, place, total)
        mine, lost = self._lost.result()
        place = np.searchsorted(blocks, mine)
        every[place] += lost[1]
        late[place] += lost[1]
        return every, late

    def quantiles_ms(self, shares: Sequence[str], blocks: npt.NDArray[np.int64], drawn: Floats) -> list[Floats]:
        """Return quantiles of each replicate in ms; infinite among lost packets.

        `drawn` says how often each replicate drew each of `blocks`. A bucket stands for its middle; its edges are 0.1 %
        away at most.
        """
        found = np.unique(np.concatenate([np.empty(0, np.int16), *(buckets for _, _, buckets, _ in self._parts)]))
        cumulative = np.zeros((drawn.shape[0], found.size))
        for low in range(0, len(self._parts), _PARTS_AT_ONCE):
            parts = self._parts[low : low + _PARTS_AT_ONCE]
            mine = np.concatenate([runs.blocks for runs, *_ in parts])
            sizes = np.concatenate([np.diff(np.append(begins, buckets.size)) for _, begins, buckets, _ in parts])
            places = np.searchsorted(found, np.concatenate([buckets for _, _, buckets, _ in parts]))
            table = np.zeros((mine.size, found.size))
            table[np.repeat(np.arange(mine.size), sizes), places] = np.concatenate([counts for *_, counts in parts])
            cumulative += drawn[:, np.searchsorted(blocks, mine)] @ table
        np.cumsum(cumulative, axis=1, out=cumulative)
        mine, lost = self._lost.result()
        infinite = drawn[:, np.searchsorted(blocks, mine)] @ lost[1] if mine.size else np.zeros(drawn.shape[0])
        sizes = infinite + (cumulative[:, -1] if found.size else 0.0)
        middles_ms = np.append(value_of(found.astype(np.int64)) / 1000, np.inf)
        return [middles_ms[_places(cumulative, np.maximum(np.ceil(float(q) * sizes), 1))] for q in shares]


def _places(cumulative: Floats, wanted: Floats) -> npt.NDArray[np.intp]:
    """Return for each row the first place at which its count is reached, one beyond the last where none is.

    All rows are halved at once, which takes a seventh of searching them one by one.
    """
    most, rows = cumulative.shape[1], np.arange(cumulative.shape[0])
    places = np.zeros(rows.size, np.intp)
    for bit in reversed(range(most.bit_length())):
        further = np.minimum(places + (1 << bit), most)
        is_less = cumulative[rows, further - 1] < wanted
        places = np.where(is_less, further, places)
    return places
