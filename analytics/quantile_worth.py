"""How many independent values a series is worth for each of its quantiles, read block by block. Pure.

A quantile is off by as much as the share of values below it is: what counts is the correlation of the indicator
"above the quantile", not that of the values. Of a radio link's delays the two differ by a factor of five and more: the
drift of an hour that makes the mean uncertain hardly moves the 99.9th percentile.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.statistics import Histogram, rank
from analytics.worth import SeriesWorth

Ints = npt.NDArray[Any]
_KEPT = 1 << 19
"""Values kept as they are: a run of three hours at 50 packets/s. The quantiles of longer ones are looked for where
those of the first values were; which share really lies above is known in the end."""

_SUMS = 1 << 14
"""Most sums of groups that are correlated: half a millisecond a quantile, where 524,288 take ten."""

_LEAST_HITS = 30
"""Fewer values on the smaller side say nothing of how they cluster; then the next quantile towards the median does."""

_FAR = 3.0
"""A level with more than three times the odds of the quantile it stands for, or less than a third, is not near it."""


class QuantileWorth:
    """Accumulates one series; infinite values (lost packets) may be given as any integer above all others."""

    def __init__(self, shares: Sequence[str]) -> None:
        self._shares = sorted(shares, key=float)
        self._kept: list[Ints] = []
        self._kept_n = 0
        self._levels: _Levels | None = None

    def add(self, values: Ints) -> None:
        """Add the next values."""
        if self._levels is not None:
            self._levels.add(values)
            return
        room = _KEPT - self._kept_n
        self._kept.append(values[:room].copy())
        self._kept_n += min(values.size, room)
        if values.size > room:
            self._levels = self._levels_of(_counted(self._kept))
            self._levels.add(values[room:])

    def _levels_of(self, counted: Histogram) -> _Levels:
        n = counted.n
        middle = min(range(len(self._shares)), key=lambda place: abs(float(self._shares[place]) - 0.5))
        levels = _Levels(counted.at([rank(share, n) for share in self._shares]), middle)
        for kept in self._kept:
            levels.add(kept)
        self._kept = []
        return levels

    def result(self) -> dict[str, float]:
        """Return the worth of a value by share; a share of which nothing can be said, of few values, is left out."""
        if self._levels is None:
            if not self._kept_n:
                return {}
            self._levels = self._levels_of(_counted(self._kept))
        n, found = self._levels.n, self._levels.result()
        known: dict[str, float] = {}
        for share, (hits, worth) in zip(self._shares, found, strict=True):
            odds, wanted = hits / max(n - hits, 1), (1 - float(share)) / float(share)
            is_near = 1 / _FAR <= odds / wanted <= _FAR
            if min(hits, n - hits) >= _LEAST_HITS and is_near:
                known[share] = worth / n
        by_distance = sorted(known, key=lambda share: abs(float(share) - 0.5))
        for share in self._shares:
            inner = [each for each in by_distance if abs(float(each) - 0.5) <= abs(float(share) - 0.5)]
            if share not in known and inner:
                known[share] = known[inner[-1]]
        return known


def _counted(parts: Sequence[Ints]) -> Histogram:
    return Histogram(*np.unique(np.concatenate(parts), return_counts=True))


class _Levels:
    """Marks values above ascending levels, below the middle one those that are not: the smaller side is cheap."""

    def __init__(self, levels: Sequence[float], middle: int) -> None:
        self._levels, self._middle = levels, middle
        self._marks = [SeriesWorth(hits=place != self._middle, most=_SUMS) for place in range(len(levels))]
        self._hits = [0] * len(levels)
        self.n = 0

    def add(self, values: Ints) -> None:
        if not values.size:
            return
        self.n += values.size
        middle = values > self._levels[self._middle]
        self._hits[self._middle] += int(np.count_nonzero(middle))
        self._marks[self._middle].add(middle)
        for places in (range(self._middle - 1, -1, -1), range(self._middle + 1, len(self._levels))):
            rows: npt.NDArray[np.intp] | None = None
            for place in places:
                some = values if rows is None else values[rows]
                is_hit = some > self._levels[place] if place > self._middle else some <= self._levels[place]
                rows = np.flatnonzero(is_hit) if rows is None else rows[is_hit]
                self._hits[place] += rows.size if place > self._middle else values.size - rows.size
                self._marks[place].add_places(rows, values.size)

    def result(self) -> list[tuple[int, int]]:
        """Return for each level how many values lie above it, and the worth."""
        return [
            (hits, marks.result(math.sqrt(hits / self.n * (1 - hits / self.n))))
            for hits, marks in zip(self._hits, self._marks, strict=True)
        ]
