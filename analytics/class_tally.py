"""Packets counted by class (sections of a road, ranges of a level, serving cells), read chunk by chunk. Pure.

Of a class remain the counts of its delays, group sums of its series and a few numbers: as much as it has distinct
delays, however many packets it has.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.as_counted import AsCounted
from analytics.clock import ClockQuality
from analytics.poor_clock import hides
from analytics.probes import Bools, Ints, ProbeArrays, absent, lost_in
from analytics.requirements import Profile
from analytics.results import DIRECTIONS, Direction
from analytics.statistics import Histogram
from analytics.waiting_time import Waited, waiting_words
from analytics.worth import SeriesWorth

Places = npt.NDArray[np.intp]
_LEAST_WAITING = 1 << 14
"""Values of a class that wait to be counted together: sorting a few at a time would merge all counts each time."""

CLASS_SUMS = 1 << 16
"""Values of one class that are correlated as they are, eleven minutes at 100 packets/s; of more, sums of groups, as for
a link beyond eight times as many. A class then keeps 1.5 MB at most: a run has some fifty."""

CELL_SUMS = 1 << 14
"""The same for one section or mesh of a road, of which a run has hundreds: 0.7 MB at most. A vehicle at 20 km/h
sends as many in 18 passes of 50 m."""


class SparseCounts:
    """How often each value came, in memory that its distinct values take; `analytics.blocks.Counts` is faster for one.

    That counts densely over the whole range, which for hundreds of classes at once would be gigabytes.
    """

    def __init__(self) -> None:
        self._waiting: list[npt.NDArray[Any]] = []
        self._waiting_n = 0
        self._values: npt.NDArray[Any] = np.empty(0, np.int64)
        self._counts = np.empty(0, np.int64)

    def add(self, values: npt.NDArray[Any]) -> None:
        """Count some values, of one type throughout; they are copied."""
        if values.size:
            self._waiting.append(values.copy())
            self._waiting_n += values.size
            if self._waiting_n > max(_LEAST_WAITING, self._values.size):
                self._merge()

    def _merge(self) -> None:
        if not self._waiting:
            return
        found, counts = np.unique(np.concatenate(self._waiting), return_counts=True)
        self._waiting, self._waiting_n = [], 0
        if self._values.size:
            found, places = np.unique(np.concatenate([self._values, found]), return_inverse=True)
            totals = np.zeros(found.size, np.int64)
            np.add.at(totals, places, np.concatenate([self._counts, counts]))
            counts = totals
        self._values, self._counts = found, counts.astype(np.int64)

    def result(self) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
        """Return the distinct values, ascending, and how often each came."""
        self._merge()
        return self._values, self._counts


class DelayTally:
    """The delays of one class in one direction, in microseconds and in order of sending."""

    def __init__(self, most: int) -> None:
        self._counts, self._worth = SparseCounts(), SeriesWorth(most=most)

    @property
    def n(self) -> int:
        """Delays so far."""
        return self._worth.n

    def add(self, us: Ints) -> None:
        """Add the next delays."""
        self._counts.add(us)
        self._worth.add(us)

    def result(self) -> tuple[Histogram, int]:
        """Return the exact counts, and how many independent delays they are worth."""
        values, counts = self._counts.result()
        counted = Histogram(values.astype(np.int64), counts)
        return counted, self._worth.result(counted.deviation if counted.n else 0.0)


class HitTally:
    """An indicator over the packets of one class, in order of sending."""

    def __init__(self, most: int) -> None:
        self.hits = 0
        self._worth = SeriesWorth(hits=True, most=most)

    @property
    def n(self) -> int:
        """Packets so far."""
        return self._worth.n

    def add(self, hits: Bools) -> None:
        """Add the next packets."""
        self.hits += int(np.count_nonzero(hits))
        self._worth.add(hits)

    @property
    def is_mixed(self) -> bool:
        """Whether some are hits and some are not: only then does the indicator itself say what it is worth."""
        return 0 < self.hits < self.n

    def result(self) -> int:
        """Return how many independent packets they are worth."""
        share = self.hits / self.n if self.n else 0.0
        return self._worth.result(float(np.sqrt(share * (1 - share))))


class Packets:
    """Some packets in order of time, those that were late lost; `is_late` tells which (None: none).

    `probes` are the same in order of sessions and numbers.
    """

    def __init__(self, sent: ProbeArrays, probes: ProbeArrays) -> None:
        """`sent` as they were measured, `probes` by the waiting time."""
        self.probes = probes
        self.order: Places = (
            np.argsort(probes.t_us, kind="stable")
            if (probes.t_us[1:] < probes.t_us[:-1]).any()
            else np.arange(probes.n)
        )
        self.t_us = probes.t_us[self.order]
        self.lost = probes.lost[self.order]
        self._delays: dict[Direction, tuple[Ints, Bools, Bools]] = {}
        self.is_late: Bools | None = None
        if probes is not sent:
            self.is_late = np.asarray((self.lost > 0) & (sent.lost[self.order] == 0))

    def delays(self, direction: Direction) -> tuple[Ints, Bools, Bools]:
        """Return the delays of a direction, which packets have one, and which are infinitely late in it."""
        if direction not in self._delays:
            delay = self.probes.delays[direction]
            is_gone = lost_in(self.lost, direction)
            self._delays[direction] = delay.us[self.order], delay.valid[self.order] & ~is_gone, is_gone
        return self._delays[direction]


class PacketFeed:
    """Takes the packets of a link chunk by chunk and applies the waiting time of a profile; knows what all have alike.

    `direction` is that whose delays count: of round trips where there are any, else the way up, else the way down. In
    time of poor clocks packets have no one-way delay, as for the KPIs of a link.
    """

    def __init__(self, profile: Profile, clock: ClockQuality) -> None:
        self._limit_ms, self._clock_limit_us = profile.parameters.lost_after_ms, profile.parameters.clock_limit_us
        self._clock, self._taken = clock, AsCounted(profile.parameters, clock)
        self.n = self.lost = self.absent = 0
        self._is_measured: dict[Direction, bool] = dict.fromkeys(DIRECTIONS, False)
        self._last: tuple[int, int] | None = None

    def take(self, sent: ProbeArrays) -> Packets:
        """Take the next packets, sorted by session and number."""
        probes = self._taken.take(sent)
        self.n += probes.n
        self.lost += int(np.count_nonzero(probes.lost))
        self.absent += absent(probes) + self.absent_before(probes)
        if probes.n:
            self._last = int(probes.session[-1]), int(probes.seq[-1])
        for direction in DIRECTIONS:
            is_measured = probes.has(direction) or (self.is_clouded and hides(sent, probes, direction))
            self._is_measured[direction] = self._is_measured[direction] or is_measured
        return Packets(sent, probes)

    def absent_before(self, probes: ProbeArrays) -> int:
        """Return how many numbers have no row between the last packet that was taken and the first of others."""
        if self._last is None or not probes.n or self._last[0] != probes.session[0]:
            return 0
        return int(probes.seq[0]) - self._last[1] - 1

    @property
    def directions(self) -> tuple[Direction, ...]:
        """The directions that may still turn out to be the one: none after the first that was measured."""
        for place, direction in enumerate(DIRECTIONS):
            if self._is_measured[direction]:
                return DIRECTIONS[: place + 1]
        return DIRECTIONS

    @property
    def direction(self) -> Direction:
        """The direction whose delays count."""
        return next((each for each in DIRECTIONS if self._is_measured[each]), DIRECTIONS[0])

    def measures(self, direction: Direction) -> bool:
        """Tell whether any delay of a direction was measured."""
        return self._is_measured[direction]

    @property
    def waited(self) -> Waited:
        """How many packets were late."""
        return self._taken.waited

    @property
    def is_clouded(self) -> bool:
        """Whether some time of the clocks is poor."""
        return bool(self._clock.poor)

    @property
    def is_blind(self) -> bool:
        """Whether the recording never says "lost" and skips numbers: nobody knows what became of those."""
        return self.absent > 0 and self.lost == self.waited.late

    @property
    def doubt(self) -> str:
        """Why figures are for reference only: they, or which packets were late, rest on clocks known too little."""
        is_clocked = self.direction != "round_trip" or self.waited.by_one_way > 0
        return self._clock.doubt(self._clock_limit_us) if is_clocked else ""

    @property
    def waiting_words(self) -> str:
        """Say from when on packets count as lost, and how many do; nothing without a waiting time."""
        return waiting_words(self._limit_ms, self.waited)

    def late_words(self, late: int) -> str:
        """Say how many packets of a class were late."""
        if self._limit_ms is None or not late:
            return ""
        return (
            f"{self._limit_ms:g} ms を超えて届いた {late} を損失とした / "
            f"{late} later than {self._limit_ms:g} ms counted as lost"
        )


def grouped(classes: npt.NDArray[Any]) -> Iterator[tuple[int, Places]]:
    """Yield each class with the places of its packets, in ascending order of both.

    Neighbours are mostly of one class: only where it changes is anything looked up. The packets themselves are sorted
    by radix, in 2 ms for 250,000.
    """
    if not classes.size:
        return
    heads = np.concatenate([[0], np.flatnonzero(classes[1:] != classes[:-1]) + 1])
    keys, ranks = np.unique(classes[heads], return_inverse=True)
    if keys.size == 1:
        yield int(keys[0]), np.arange(classes.size)
        return
    rank = np.repeat(ranks, np.diff(np.append(heads, classes.size)))
    order = np.argsort(rank.astype(np.uint16) if keys.size <= 1 << 16 else rank, kind="stable")
    start = 0
    for key, count in zip(keys.tolist(), np.bincount(rank).tolist(), strict=True):
        yield key, order[start : start + count]
        start += count
