"""What a comparison keeps of the packets of one side, unit by unit, however many they are. Pure.

Kept are, for each unit, packets sent, lost and in time, and of each direction the sum of the delays and their counts in
buckets of 0.1 to 0.2 % (`analytics.log_histogram`; one-way delays may be negative, buckets mirror at zero). Beside them
stand exact counts of the delays by microsecond, for the exact order statistics of the side as a whole.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.blocks import Counts
from analytics.comparison.figures import Spread, ratio_of_sums
from analytics.comparison.units import Blocks, Matrix, Replicated, places_in
from analytics.log_histogram import bucket_of, value_of
from analytics.probes import Bools, Ints, ProbeArrays, lost_in
from analytics.results import DIRECTIONS, MS, Direction
from analytics.statistics import Histogram, rank
from analytics.worth import SeriesWorth

_KEY = 1 << 17
"""Buckets of 62-bit integers lie between -28,672 and 28,672."""
_DENSE = 1 << 22
_MOST_WAITING = 1 << 20


class PacketUnits:
    """Reads the packets of one side, which may be several runs, chunk by chunk; those in no unit are left out.

    `units` are the numbers of the units that are drawn, ascending; `within_ms` is the bound of reliability.
    """

    def __init__(self, units: Blocks, within_ms: float) -> None:
        self.units = units
        self._within_us = within_ms * MS
        self.sent, self.lost, self.timely = (np.zeros(units.size) for _ in range(3))
        self.delays: dict[str, DelayUnits] = {direction: DelayUnits(units.size) for direction in DIRECTIONS}
        self.n = self.late = self._lost_n = 0
        self._numbers: dict[tuple[int, int], tuple[int, int, int]] = {}

    def add(self, probes: ProbeArrays, block: Blocks, run: int = 0) -> None:
        """Add the next packets of a run with the unit of each (-1: none)."""
        if not probes.n:
            return
        self.n += probes.n
        self.late += probes.late
        self._lost_n += int(np.count_nonzero(probes.lost))
        self._add_numbers(probes, run)
        inside, place = places_in(self.units, block)
        if not place.size:
            return
        size = self.units.size
        is_lost = probes.lost[inside] > 0
        trip = probes.delays["round_trip"]
        in_time = ~is_lost & trip.valid[inside] & (trip.us[inside] <= self._within_us)
        self.sent += np.bincount(place, minlength=size)
        self.lost += np.bincount(place[is_lost], minlength=size)
        self.timely += np.bincount(place[in_time], minlength=size)
        t_us = probes.t_us[inside]
        order = np.argsort(t_us, kind="stable") if (t_us[1:] < t_us[:-1]).any() else None
        for direction, kept in self.delays.items():
            delay = probes.delays[direction]
            gone = lost_in(probes.lost[inside], direction)
            kept.add(delay.us[inside], delay.valid[inside], gone, place, order)

    def _add_numbers(self, probes: ProbeArrays, run: int) -> None:
        for part in probes.sessions():
            key = (run, int(probes.session[part.start]))
            low, _, n = self._numbers.get(key, (int(probes.seq[part.start]), 0, 0))
            self._numbers[key] = (low, int(probes.seq[part.stop - 1]), n + part.stop - part.start)

    @property
    def absent(self) -> int:
        """Sequence numbers between present ones that have no row: not measured or lost, nobody knows."""
        return sum(high - low + 1 - n for low, high, n in self._numbers.values())

    @property
    def is_blind(self) -> bool:
        """Whether the recording never says "lost" and has absent numbers; what was late is lost by its delay."""
        return self._lost_n <= self.late and self.absent > 0

    def has(self, direction: str) -> bool:
        """Tell whether any delay of a direction was measured in the units."""
        return bool(self.delays[direction].measured)

    def worth(self) -> int:
        """Return what the packets are worth by their delays, in order of time; 1 where there is none."""
        found = [each.worth() for each in self.delays.values() if each.measured]
        return min(found, default=1)


class DelayUnits:
    """Delays of one direction, in ms; lost packets are infinite."""

    def __init__(self, units: int) -> None:
        self._sums, self._counts, self._lost = (np.zeros(units) for _ in range(3))
        self._exact = Counts()
        self._buckets = _BucketCounts(units)
        self._worth = SeriesWorth()
        self._histogram: Histogram | None = None

    def add(self, us: Ints, valid: Bools, gone: Bools, place: Blocks, order: npt.NDArray[np.intp] | None) -> None:
        """Add delays with the place of each one's unit; `order` brings them into that of time (None: they are)."""
        size = self._sums.size
        self._histogram = None
        self._lost += np.bincount(place[gone], minlength=size)
        known, places = us[valid].astype(np.int64), place[valid]
        if not known.size:
            return
        self._sums += np.bincount(places, known, minlength=size)
        self._counts += np.bincount(places, minlength=size)
        self._exact.add(known)
        self._buckets.add(bucket_of(known), places)
        self._worth.add(known if order is None else us[order][valid[order]].astype(np.int64))

    @property
    def measured(self) -> int:
        """How many delays there are."""
        return int(self._counts.sum())

    @property
    def infinite(self) -> int:
        """How many packets have none since they were lost on this way."""
        return int(self._lost.sum())

    @property
    def n(self) -> int:
        """All of them."""
        return self.measured + self.infinite

    def worth(self) -> int:
        """Return what the delays are worth, at least 1."""
        return max(self._worth.result(self._counted().deviation), 1)

    def _counted(self) -> Histogram:
        if self._histogram is None:
            self._histogram = Histogram(*self._exact.result(), self.infinite)
        return self._histogram

    def mean(self, drawn: Matrix | None) -> Replicated:
        """Return the mean of what arrived."""
        return ratio_of_sums(self._sums / MS, self._counts, drawn)

    def quantile_ms(self, q: str) -> float | None:
        """Return the exact order statistic, None among lost packets."""
        value = self._counted().at([rank(q, self.n)])[0]
        return None if math.isinf(value) else value / MS

    def spread(self) -> Spread:
        """Return the counts of the units."""
        found, counts = self._buckets.result()
        return Spread(value_of(found) / MS, counts, self._lost, self.quantile_ms)


class _BucketCounts:
    """How often each unit has each bucket."""

    def __init__(self, units: int) -> None:
        self._units = units
        self._parts: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] = []
        self._waiting = 0

    def add(self, buckets: Ints, places: Blocks) -> None:
        """Count some values."""
        low, first = int(buckets.min()), int(places.min())
        width, height = int(buckets.max()) - low + 1, int(places.max()) - first + 1
        if width * height <= _DENSE:
            cells, counts = _counted((places - first) * width + (buckets - low), width * height)
            keys = (cells // width + first) * _KEY + cells % width + low
        else:
            keys, counts = np.unique(places * _KEY + buckets, return_counts=True)
        self._parts.append((keys, counts))
        self._waiting += keys.size
        if self._waiting > _MOST_WAITING:
            self._merge()

    def _merge(self) -> None:
        keys = np.concatenate([keys for keys, _ in self._parts])
        merged, where = np.unique(keys, return_inverse=True)
        counts = np.bincount(where, np.concatenate([counts for _, counts in self._parts]))
        self._parts = [(merged, counts.astype(np.int64))]
        # What is merged waits for as much again.
        self._waiting = 0

    def result(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the buckets that came, ascending, and the counts by unit and bucket."""
        if not self._parts:
            return np.empty(0, np.int64), np.zeros((self._units, 0), np.int64)
        self._merge()
        keys, counts = self._parts[0]
        # A place times _KEY plus a bucket that may be negative.
        places = (keys + _KEY // 2) // _KEY
        found, where = np.unique(keys - places * _KEY, return_inverse=True)
        table = np.zeros((self._units, found.size), np.int64)
        table[places, where] = counts
        return found, table


def _counted(cells: npt.NDArray[Any], size: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    dense = np.bincount(cells, minlength=size)
    present = np.flatnonzero(dense)
    return present, dense[present]


def shared_directions(a: PacketUnits, b: PacketUnits) -> list[Direction]:
    """Return the directions that both sides measured."""
    return [direction for direction in DIRECTIONS if a.has(direction) and b.has(direction)]
