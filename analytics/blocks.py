"""Accumulators that take a long series of integers block by block. Pure.

A block of 65,536 four-byte integers and what is derived from it stay in the processor's cache (2 MB). Steps over whole
arrays of 10 M packets spend most of their time on memory: a temporary of four bytes a packet costs 0.7 ns a packet for
its pages alone, one of eight bytes 1.5, where a block costs 0.1 to 0.4 for the arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

BLOCK = 1 << 16
_LEAST_PIECE = 1 << 17
_FAR = 16
"""One in so many values of a block may lie far from the others and is counted apart: with 0.1 % of 10 M delays up to
20 s long, all KPIs took 0.70 s where one dense count held them all."""

_MOST_FAR = 1 << 20
_INT32_END = 1 << 31
_EIGHT, _LONG = 8, 64
_ONES, _TO_LAST_BYTE = np.uint64(0x0101010101010101), np.uint64(56)
_WIDE = 8
_CELLS_A_VALUE = 16
"""Width of a range for each value counted beyond which sorting the values is faster than clearing and reading counts of
all that could be: forty delays of which one took 8 s are not 64 MB."""
_DENSE_RANGE = 50_000_000
"""Widest range of microseconds (50 s) that is counted densely: 400 MB of counts at most."""

Ints = npt.NDArray[Any]


def block_slices(n: int, size: int = BLOCK) -> Iterator[slice]:
    """Return slices that cover 0..n."""
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def may_overflow(values: Ints) -> bool:
    """Tell whether a difference of two of the values may not fit into their type; numbers from 0 on never overflow."""
    if values.dtype.itemsize >= _WIDE or not values.size:
        return False
    low = int(values.min())
    return low < 0 and int(values.max()) - low > np.iinfo(values.dtype).max


class Counts:
    """How often each integer came.

    Measured with 10 M delays, a few thousand distinct: numpy.bincount of the whole array 4.4 ns a value (it makes a
    copy of eight bytes first), in blocks of 65,536 1.8, of 16,384 2.3; a partition of the array 12, sorting it 37.
    """

    def __init__(self) -> None:
        self._low = 0
        self._n = 0
        self._dense = np.empty(0, np.int64)
        self._sparse: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] = []
        self._far: list[Ints] = []
        self._far_n = 0
        self._waiting: list[Ints] = []
        self._waiting_n = 0

    def add(self, values: Ints) -> None:
        """Count some values. They are kept until a call of `result` where they lie far apart: do not change them."""
        if not values.size:
            return
        if values.dtype.itemsize < 4:  # noqa: PLR2004 - two bytes have no room for differences
            values = values.astype(np.int32)
        low, high = int(values.min()), int(values.max())
        if not self._waiting and high - low >= _LEAST_PIECE:
            # Most delays lie near the smallest, and a few far away: those are set aside.
            is_near = values < low + _LEAST_PIECE
            if np.count_nonzero(is_near) * _FAR >= values.size * (_FAR - 1):
                self._set_aside(values[~is_near])
                values = values[is_near]
                high = int(values.max())
        if not self._waiting and high - low < _LEAST_PIECE:
            self._count(values, low, high)
            return
        # Counting a few values of a wide range means clearing and adding all of it each time: gather some more.
        self._waiting.append(values)
        self._waiting_n += values.size
        if self._waiting_n >= max(high - low, _LEAST_PIECE):
            self._flush()

    def _set_aside(self, values: Ints) -> None:
        """Keep values that lie far from the others, counted where they become many."""
        self._far.append(values)
        self._far_n += values.size
        if self._far_n >= _MOST_FAR:
            self._count_far()

    def _count_far(self) -> None:
        found, counts = np.unique(np.concatenate(self._far), return_counts=True)
        self._far, self._far_n = [], 0
        self._sparse.append((found.astype(np.int64), counts.astype(np.int64)))

    def add_many(self, value: int, n: int) -> None:
        """Count one value `n` times."""
        self._place(value, np.array([n], np.int64))

    def _flush(self) -> None:
        if self._waiting:
            values = np.concatenate(self._waiting)
            self._waiting, self._waiting_n = [], 0
            self._count(values, int(values.min()), int(values.max()))

    def _count(self, values: Ints, low: int, high: int) -> None:
        self._n += values.size
        if high - low > self._widest():
            found, counts = np.unique(values, return_counts=True)
            self._sparse.append((found.astype(np.int64), counts.astype(np.int64)))
            return
        self._place(low, np.bincount(values - values.dtype.type(low) if low else values))

    def _widest(self) -> int:
        """Return the widest range that is counted densely now."""
        return min(_DENSE_RANGE, max(_CELLS_A_VALUE * self._n, _LEAST_PIECE))

    def _place(self, low: int, dense: npt.NDArray[np.int64]) -> None:
        """Add the counts of the integers from `low` on."""
        if not self._dense.size:
            self._low, self._dense = low, dense.astype(np.int64, copy=False)
            return
        new_low, new_end = min(low, self._low), max(low + dense.size, self._low + self._dense.size)
        if new_end - new_low > max(self._dense.size, self._widest()):
            present = np.flatnonzero(dense)
            self._sparse.append((present + low, dense[present].astype(np.int64)))
            return
        if new_end - new_low > self._dense.size:
            # Room for as much again: a slow drift of the delay does not copy everything with every block.
            room = min(new_end - new_low, _LEAST_PIECE) if low >= self._low else 0
            wider = np.zeros(new_end - new_low + room, np.int64)
            at = self._low - new_low
            wider[at : at + self._dense.size] = self._dense
            self._low, self._dense = new_low, wider
        self._dense[low - self._low : low - self._low + dense.size] += dense

    def result(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the distinct values, ascending, and how often each came."""
        self._flush()
        if self._far:
            self._count_far()
        present = np.flatnonzero(self._dense)
        values, counts = present + self._low, self._dense[present]
        if not self._sparse:
            return values, counts
        parts = [(values, counts), *self._sparse]
        merged, places = np.unique(np.concatenate([part for part, _ in parts]), return_inverse=True)
        totals = np.zeros(merged.size, np.int64)
        np.add.at(totals, places, np.concatenate([part for _, part in parts]))
        return merged, totals


class GroupSums:
    """Sums of each `group` (a power of two) consecutive values of a series; the last, incomplete group is left out."""

    def __init__(self, group: int = 1) -> None:
        self.n = 0
        self.group = group
        self._rest: Ints = np.empty(0, np.int32)
        self._parts: list[Ints] = []

    def add(self, values: Ints) -> None:
        """Add the next values of the series, or marks of which the true ones are counted."""
        self.n += values.size
        if self._rest.size:
            head = self.group - self._rest.size
            begun, values = np.concatenate([self._rest, values[:head]]), values[head:]
            if begun.size < self.group:
                self._rest = begun
                return
            self._parts.append(_summed(begun, self.group))
        whole = values.size // self.group * self.group
        self._rest = values[whole:].copy()
        if whole:
            self._parts.append(_summed(values[:whole], self.group))

    def coarsen(self) -> bool:
        """Double the group; not while the last of the sums has no partner yet (then False)."""
        sums = np.concatenate(self._parts) if self._parts else np.empty(0, np.int32)
        self._parts = [sums]
        if sums.size % 2:
            return False
        self._parts, self.group = [_summed(sums, 2) if sums.size else sums], 2 * self.group
        return True

    def result(self) -> npt.NDArray[np.float64]:
        """Return the sums in order."""
        return np.concatenate(self._parts).astype(np.float64) if self._parts else np.empty(0)


class HitSums:
    """How many of each `group` (a power of two) consecutive packets are hits; cheap where hits are rare."""

    def __init__(self, group: int = 1) -> None:
        self.n = 0
        self.group = group
        self._sums = np.zeros(1 << 10)

    def add(self, hits: npt.NDArray[np.bool_]) -> None:
        """Add the next packets."""
        self.add_places(np.flatnonzero(hits), hits.size)

    def add_places(self, places: npt.NDArray[np.intp], n: int) -> None:
        """Add the next `n` packets, of which those at `places` are hits."""
        groups = (places + self.n) >> (self.group.bit_length() - 1)
        self.n += n
        while self._sums.size <= self.n // self.group:
            self._sums = np.concatenate([self._sums, np.zeros(self._sums.size)])
        if groups.size:
            counts = np.bincount(groups - groups[0])
            self._sums[groups[0] : groups[0] + counts.size] += counts

    def coarsen(self) -> bool:
        """Double the group."""
        self._sums = self._sums[0::2] + self._sums[1::2]
        self.group *= 2
        return True

    def result(self) -> npt.NDArray[np.float64]:
        """Return the sums in order, without the last, incomplete group."""
        return self._sums[: self.n // self.group]


def _summed(values: Ints, group: int) -> Ints:
    """Return the sums of each `group` values, of a whole number of groups; marks are counted eight at a time."""
    if values.dtype == np.bool_:
        if group < _EIGHT:
            return _folded(values.astype(np.int32), group)
        # The product's highest byte is the sum of the eight bytes, each 0 or 1.
        eights = (np.ascontiguousarray(values).view(np.uint64) * _ONES) >> _TO_LAST_BYTE
        return _folded(eights.astype(np.int32), group // _EIGHT)
    if group == 1:
        return values.copy()
    kind = np.dtype(np.int32)
    if values.dtype.itemsize < kind.itemsize:
        values = values.astype(kind)
    elif values.dtype != kind or max(int(values.max()), -int(values.min())) * group >= _INT32_END:
        values = values.astype(np.float64 if values.dtype.kind == "f" else np.int64, copy=False)
    return _folded(values, group)


def _folded(values: Ints, group: int) -> Ints:
    """Add neighbours again and again, or rows of at least 64 whole numbers at once.

    For groups of 16, 32, 64 and 128 the former takes 0.7, 0.8, 1.0 and 1.1 ns a value and the latter 1.2, 0.9, 0.5 and
    0.3; numpy.add.reduceat takes 4.5. Of floating-point numbers the sum would depend on how they are added.
    """
    if group >= _LONG and values.dtype.kind == "i":
        return np.asarray(values.reshape(-1, group).sum(axis=1, dtype=values.dtype))
    while group > 1:
        values = values[0::2] + values[1::2]
        group //= 2
    return values
