"""Delays and losses of pairs of packets as series, read piece by piece: counts, worth and blocks of each. Pure."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.blocks import Counts, block_slices
from analytics.definitions import QUANTILES
from analytics.delay_scan import DelayScan, Spread
from analytics.jitter import Jitter
from analytics.pair_blocks import BlockDelays, Runs
from analytics.pairing import arrived, faster
from analytics.poor_clock import Clouded, CloudedCounts
from analytics.probes import Bools, DelayColumn, ProbeArrays, lost_in
from analytics.quantile_worth import QuantileWorth
from analytics.results import Direction
from analytics.statistics import Histogram, histogram, share_of
from analytics.worth import SeriesWorth

_NEVER = np.int64(np.iinfo(np.int64).max)
Pair = tuple[ProbeArrays, ProbeArrays]
"""Packets of two links, the first of one with the first of the other, and so on."""


class DelaySeries:
    """Delays of packets one after the other, some of them infinite."""

    def __init__(self) -> None:
        self._counts, self._worth, self._infinite = Counts(), SeriesWorth(), 0
        self.blocks = BlockDelays()

    def add(self, delay: DelayColumn, gone: Bools, runs: Runs) -> None:
        """Add the next packets: their delays, which of them are infinite, and where their blocks lie."""
        us = delay.us[delay.valid]
        for part in block_slices(us.size):
            self._counts.add(us[part])
            self._worth.add(us[part])
        self._infinite += int(np.count_nonzero(gone))
        self.blocks.add(runs, delay.us, delay.valid, gone)

    def counted(self) -> Histogram:
        """Return the delays, lost packets as infinite ones."""
        return Histogram(*self._counts.result(), self._infinite)

    def n_eff(self) -> int:
        """Return what the delays are worth, 1 where there is none."""
        counted = self.counted()
        return max(self._worth.result(counted.deviation), 1) if counted.finite else 1


class FasterSeries(DelaySeries):
    """Delays of pairs; one below `least_us` cannot be (None: any can), and does not count in what they are worth."""

    def __init__(self, least_us: float | None) -> None:
        super().__init__()
        self._least_us = least_us
        self._possible = SeriesWorth()
        self._quantiles = QuantileWorth([share_of(statistic) for statistic in QUANTILES])

    def add(self, delay: DelayColumn, gone: Bools, runs: Runs) -> None:
        """Add the next pairs."""
        super().add(delay, gone, runs)
        us = np.where(delay.valid, delay.us, _NEVER)[delay.valid | gone]
        if self._least_us is not None:
            us = us[us >= self._least_us]
        for part in block_slices(us.size):
            self._quantiles.add(us[part])
            self._possible.add(us[part][us[part] < _NEVER])

    def scan(self) -> DelayScan:
        """Return what a link's delays would be asked for, but for their order, which pairs do not have."""
        measured = Histogram(*self._counts.result())
        is_possible = measured.values >= (-math.inf if self._least_us is None else self._least_us)
        possible = Histogram(measured.values[is_possible], measured.counts[is_possible])
        n_eff = self._possible.result(possible.deviation if possible.n else 0.0)
        nothing = Spread(histogram(np.empty(0, np.int64)), 0)
        return DelayScan(
            possible=Spread(possible, n_eff), quantile_worth=self._quantiles.result(), on_time_n_eff=0,
            measured=measured, steps=nothing, jitter=Jitter(),
        )  # fmt: skip


class WayScan:
    """The pairs' delays in one direction, of the faster packet and of each link alone.

    Where a packet lies in time of poor clocks (`is_clouded`: some does), nobody knows how fast the pair was: `clouded`
    counts what it was at most. What is compared with each link alone, `compared` and `singles`, leaves all pairs of
    such time out, lost ones too, `left_out` in number: both sides then are of the same time.
    """

    def __init__(self, direction: Direction, least_us: float | None, *, is_clouded: bool = False) -> None:
        self._direction, self._is_clouded = direction, is_clouded
        self.together = FasterSeries(least_us)
        self.compared = DelaySeries() if is_clouded else self.together
        self.singles = (DelaySeries(), DelaySeries())
        self.left_out = 0
        self._counts = CloudedCounts()

    @property
    def clouded(self) -> Clouded:
        """The pairs whose delay poor clocks hide."""
        return self._counts.result()

    def add(self, measured: Pair, known: Pair, lost: npt.NDArray[Any], runs: Runs, is_poor: Bools | None) -> None:
        """Add the next pairs, and which way both of each were lost.

        `measured` have all delays, `known` those of good clocks; `is_poor` are pairs in time of poor ones (None: none).
        """
        way = self._direction
        known = known if self._is_clouded else measured
        found, gone = faster(*known, way), lost_in(lost, way)
        self.together.add(found, gone, runs)
        sides = [(arrived(each, way), lost_in(each.lost, way)) for each in known]
        if self._is_clouded:
            is_left = np.ones(lost.size, np.bool_) if is_poor is None else ~is_poor
            self.left_out += lost.size - int(np.count_nonzero(is_left))
            self._add_clouded(measured, known, found)
            self.compared.add(_of(found, is_left), gone & is_left, runs)
            sides = [(_of(delay, is_left), lost_there & is_left) for delay, lost_there in sides]
        for series, (delay, lost_there) in zip(self.singles, sides, strict=True):
            series.add(delay, lost_there, runs)

    def _add_clouded(self, measured: Pair, known: Pair, found: DelayColumn) -> None:
        """Count pairs of which only poor clocks tell how fast they were.

        They were no later than the round trip of the packet whose delay is hidden, or the known delay of the other.
        """
        by_any = faster(*measured, self._direction)
        is_hidden = by_any.valid & ~found.valid
        if not is_hidden.any():
            return
        most_us = np.full(is_hidden.size, _NEVER)
        for each in known:
            for delay in (arrived(each, self._direction), arrived(each, "round_trip")):
                np.minimum(most_us, delay.us, out=most_us, where=delay.valid)
        self._counts.add(by_any.us[is_hidden], most_us[is_hidden & (most_us < _NEVER)])


def _of(delay: DelayColumn, rows: Bools) -> DelayColumn:
    return DelayColumn(delay.us, delay.valid & rows)


class LossSeries:
    """Which of the packets one after the other were lost."""

    def __init__(self) -> None:
        self._worth, self.lost = SeriesWorth(hits=True), 0

    def add(self, lost: Bools) -> None:
        """Add the next packets."""
        places = np.flatnonzero(lost)
        self._worth.add_places(places, lost.size)
        self.lost += places.size

    @property
    def share(self) -> float:
        """Share of the packets that were lost."""
        return self.lost / self._worth.n

    def n_eff(self) -> int | None:
        """Return what the packets are worth; None where all fared alike."""
        share = self.share
        return self._worth.result(math.sqrt(share * (1 - share))) if 0 < self.lost < self._worth.n else None
