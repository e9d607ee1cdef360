"""What other streams ask of a link's packets, read in the same pass: gaps around moments, loss by a clock. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from analytics.blocks import Counts
from analytics.probes import Bools, Ints, ProbeArrays
from analytics.results import DIRECTIONS
from analytics.spans import Span
from analytics.statistics import Histogram
from analytics.worth import SeriesWorth

Times = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def arrivals_us(probes: ProbeArrays) -> Times:
    """Return when delivered packets arrived, ascending: by the first delay known of each, else when it was sent."""
    us: Ints = np.zeros(probes.n, np.int64)
    is_known = np.zeros(probes.n, np.bool_)
    for direction in DIRECTIONS:
        delay = probes.delays[direction]
        if not is_known.all() and delay.valid.any():
            us = np.where(delay.valid & ~is_known, delay.us, us)
            is_known |= delay.valid
    return np.sort((probes.t_us + us)[probes.delivered])


class ArrivalGaps:
    """Longest gaps between arrivals around some intervals: of the arrivals, only those around them are kept."""

    def __init__(self, start_us: Times, end_us: Times) -> None:
        self.start_us, self.end_us = start_us, end_us
        self._kept: list[Times] = []

    def add(self, probes: ProbeArrays) -> None:
        """Add the next packets."""
        times = arrivals_us(probes)
        if not times.size or not self.start_us.size:
            return
        mine = (self.end_us >= times[0]) & (self.start_us <= times[-1])
        low = np.maximum(np.searchsorted(times, self.start_us[mine], "right") - 1, 0)
        high = np.minimum(np.searchsorted(times, self.end_us[mine], "left"), times.size - 1)
        depth = np.bincount(low, minlength=times.size + 1) - np.bincount(high + 1, minlength=times.size + 1)
        is_kept = np.cumsum(depth[:-1]) > 0
        is_kept[[0, -1]] = True
        self._kept.append(times[is_kept])

    def longest_us(self, start_us: Times, end_us: Times) -> Floats:
        """Return for some of the intervals the longest gap of arrivals that overlaps it, NaN where none surround it.

        When something changed is known only to the interval, so this bounds an interruption from above.
        """
        times = np.sort(np.concatenate([np.empty(0, np.int64), *self._kept]))
        gaps = np.full(start_us.size, np.nan)
        low = np.searchsorted(times, start_us, "right") - 1
        high = np.searchsorted(times, end_us, "left")
        for number in np.flatnonzero((low >= 0) & (high < times.size) & (high > low)).tolist():
            gaps[number] = np.diff(times[low[number] : high[number] + 1]).max()
        return gaps


@dataclass(slots=True)
class LossShare:
    """How many of some packets were lost, and what they are worth."""

    n: int = 0
    lost: int = 0
    _worth: SeriesWorth = field(default_factory=lambda: SeriesWorth(hits=True))

    def add(self, lost: Bools) -> None:
        """Add the next packets."""
        self.n += int(lost.size)
        self.lost += int(np.count_nonzero(lost))
        self._worth.add(lost)

    @property
    def n_eff(self) -> int:
        """Worth of the packets for the ratio."""
        share = self.lost / self.n if self.n else 0.0
        return self._worth.result(math.sqrt(share * (1 - share)))


class GridLoss:
    """Loss within `width_s` of a grid in UTC (every `every_s`, at `phase_s`), and that of all other packets."""

    def __init__(self, every_s: float, phase_s: float, width_s: float) -> None:
        self._every_us, self._phase_us, self._width_us = (round(s * 1e6) for s in (every_s, phase_s, width_s))
        self.near, self.elsewhere = LossShare(), LossShare()

    def add(self, probes: ProbeArrays) -> None:
        """Add the next packets."""
        half = self._every_us // 2
        is_near = np.abs((probes.t_us - self._phase_us + half) % self._every_us - half) <= self._width_us
        lost = probes.lost > 0
        self.near.add(lost[is_near])
        self.elsewhere.add(lost[~is_near])


class TransferDelays:
    """Round trips of the packets sent while something was transferred, by direction, and those of all others.

    `busy` and the spans of `by_direction` are sorted and do not touch. Of the packets sent outside of any transfer,
    `idle_sent`, `idle_lost` were lost.
    """

    def __init__(self, busy: Sequence[Span], by_direction: Mapping[str, Sequence[Span]]) -> None:
        self._busy = _sides(busy)
        self._spans = {direction: _sides(spans) for direction, spans in by_direction.items()}
        self._counts = {direction: Counts() for direction in by_direction}
        self._worth = {direction: SeriesWorth() for direction in by_direction}
        self._idle = Counts()
        self.idle_sent = self.idle_lost = 0

    def add(self, probes: ProbeArrays) -> None:
        """Add the next packets."""
        delay = probes.delays["round_trip"]
        t_us, us = probes.t_us[delay.valid], delay.us[delay.valid]
        for direction, spans in self._spans.items():
            mine = us[_is_in(t_us, spans)]
            self._counts[direction].add(mine)
            self._worth[direction].add(mine)
        self._idle.add(us[~_is_in(t_us, self._busy)])
        lost = probes.lost[~_is_in(probes.t_us, self._busy)] > 0
        self.idle_sent += int(lost.size)
        self.idle_lost += int(np.count_nonzero(lost))

    def idle(self) -> Histogram:
        """Return the round trips outside of any transfer."""
        return Histogram(*self._idle.result())

    def during(self, direction: str) -> tuple[Histogram, int] | None:
        """Return the round trips during the transfers of a direction and what they are worth; None: there are none."""
        if direction not in self._counts:
            return None
        counted = Histogram(*self._counts[direction].result())
        return (counted, self._worth[direction].result(counted.deviation)) if counted.n else None


def _sides(spans: Sequence[Span]) -> tuple[Times, Times]:
    starts, ends = np.array(spans, np.int64).reshape(-1, 2).T
    return starts, ends


def _is_in(t_us: Ints, spans: tuple[Times, Times]) -> Bools:
    """Return which instants lie in one of the spans; packets are mostly in order of sending, and spans are few."""
    starts, ends = spans
    if not (t_us[1:] < t_us[:-1]).any():
        found = np.zeros(t_us.size, np.bool_)
        for low, high in zip(np.searchsorted(t_us, starts).tolist(), np.searchsorted(t_us, ends).tolist(), strict=True):
            found[low:high] = True
        return found
    place = np.searchsorted(ends, t_us, side="right")
    return np.asarray((place < ends.size) & (np.append(starts, 0)[place] <= t_us))


@dataclass(slots=True)
class PacketWatch:
    """What the other streams of a link ask of its packets; None: they do not ask. `data_hash` names the packets."""

    gaps: ArrivalGaps | None = None
    grid: GridLoss | None = None
    transfers: TransferDelays | None = None
    data_hash: str = ""

    def add(self, probes: ProbeArrays) -> None:
        """Add the next packets."""
        for each in (self.gaps, self.grid, self.transfers):
            if each is not None:
                each.add(probes)
