"""The units that a comparison draws: blocks of elapsed time, sections of a road, scenes. Pure.

Whole units are drawn, so that the autocorrelation inside them is kept; where both sides have the same one (the same
second of the run, the same section of the road) it is drawn for both at once, and what they share, such as the place,
cancels out. Samples are never drawn one by one: their burstiness would be lost and the interval far too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.bootstrap import percentile_interval, weights
from analytics.comparison.effects import NO_VALUE, Effect
from analytics.definitions import BY_ID
from analytics.results import Direction
from analytics.series import Series
from analytics.statistics import Interval

REPLICATES = 1_000
LEAST_BLOCKS = 20
"""With fewer blocks on a side there is no interval: of 20 exponential units 93 % of nominal 95 % cover, of 12 only 91
(`analytics.bootstrap.percentile_interval`)."""
USUAL_BLOCKS = 60
MOST_BLOCKS = 1_440
"""A day in blocks of a minute; what is longer has longer blocks, so that memory does not grow with a run."""
_MOST_CORRELATED = 0.9
UNIT = " unit"
"""Column of a series in which the unit of each sample stands; no stream has one of that name."""

Blocks = npt.NDArray[np.int64]
Matrix = npt.NDArray[np.float64]


def usual_length_s(*sides_s: float) -> float:
    """Return a block length for sides that lasted so many seconds: some sixty blocks on the shorter side.

    Between 1 and 60 s, longer only where the longer side would have more than 1,440 blocks. Blocks must outlast the
    correlation (bursts and handovers of some seconds) and be many: sixty blocks of the usual ten-minute run are ten
    seconds each.
    """
    usual_s = min(max(min(sides_s) / USUAL_BLOCKS, 1.0), 60.0)
    return max(usual_s, max(sides_s) / MOST_BLOCKS)


def blocks_of(t_us: npt.NDArray[Any], block_s: float, start_us: int) -> Blocks:
    """Return the block of each instant: elapsed time since `start_us` by block length."""
    return np.asarray((t_us - start_us) // round(block_s * 1e6), np.int64)


def units_of(samples: Series) -> Blocks:
    """Return the unit of each sample of a series that knows them."""
    return samples.number(UNIT).astype(np.int64)


def places_in(units: Blocks, block: Blocks) -> tuple[npt.NDArray[np.bool_], Blocks]:
    """Return which samples lie in some units (ascending), and of those the place of each one's unit."""
    place = np.minimum(np.searchsorted(units, block), max(units.size - 1, 0))
    inside = (block >= 0) & (units[place] == block) if units.size else np.zeros(block.size, np.bool_)
    return inside, place[inside]


@dataclass(frozen=True, slots=True)
class Replicated:
    """A figure of one side: its value, that of every replicate, and what each unit moves it by (up to a factor)."""

    value: float | None
    replicates: Matrix | None = None
    influence: Matrix | None = None


class Drawn:
    """The units of both sides and how often each replicate drew them.

    Replicates of as many units are the same draws for every figure: the generator is seeded. `is_ordered`: units that
    follow each other in time or along a road may be alike, and the interval is stretched by what they are worth less.
    """

    def __init__(
        self, a: Blocks, b: Blocks, *, is_paired: bool, unit_name: str, least: int = LEAST_BLOCKS,
        is_ordered: bool = True,
    ) -> None:  # fmt: skip
        """Take the units in which each side has anything, ascending and distinct."""
        self.is_paired, self.unit_name = is_paired, unit_name
        self._least, self._is_ordered = least, is_ordered
        self.units = [np.intersect1d(a, b, assume_unique=True)] * 2 if is_paired else [a, b]
        self.blocks = min(each.size for each in self.units)
        self.weights: list[Matrix] = []
        if self.blocks >= least:
            first = weights(self.units[0].size, replicates=REPLICATES)
            self.weights = [first, first if is_paired else weights(self.units[1].size, replicates=REPLICATES, seed=7)]

    @property
    def is_drawn(self) -> bool:
        """Whether there are units enough for an interval."""
        return bool(self.weights)

    @property
    def each_weights(self) -> list[Matrix | None]:
        """How often each replicate drew each unit, by side; None where there are too few of them."""
        return [*self.weights] if self.weights else [None, None]

    def interval(self, replicates: Matrix) -> Interval:
        """Return the percentile interval of replicates."""
        return percentile_interval(replicates, units=self.blocks)

    def of_difference(self, a: Replicated, b: Replicated) -> Interval:
        """Return the interval of b - a; both have replicates and a value."""
        assert a.replicates is not None
        assert b.replicates is not None
        assert a.value is not None
        assert b.value is not None
        with np.errstate(invalid="ignore"):
            found = self.interval(b.replicates - a.replicates)
        difference, stretch = b.value - a.value, self._stretch(a, b)
        low, high = (
            None if end is None else difference + stretch * (end - difference) for end in (found.low, found.high)
        )
        return Interval(low, high)

    def _stretch(self, a: Replicated, b: Replicated) -> float:
        """Return by how much units that are like their neighbours widen the interval; never below 1.

        Units are taken as an autoregression of the first order: (1 + r) / (1 - r) times the variance. Without it the
        means of 60 blocks of a level that wanders over a fifth, a half, or a whole block covered 92, 86 and 75 % of
        nominal 95 (600 samples each), with it 94, 95 and 95; over three blocks quantiles still cover only 90.
        """
        if not self._is_ordered or a.influence is None or b.influence is None:
            return 1.0
        spreads = [_spread(each.replicates) for each in (a, b)]
        moves = [_scaled(each.influence, spread) for each, spread in zip((a, b), spreads, strict=True)]
        if self.is_paired:
            return math.sqrt(_inflation(moves[1] - moves[0]))
        total = sum(spread**2 for spread in spreads)
        if not total or not math.isfinite(total):
            return 1.0
        return math.sqrt(sum(spread**2 * _inflation(each) for spread, each in zip(spreads, moves, strict=True)) / total)

    def effect(
        self, what: tuple[str, Direction, str], sides: Sequence[Replicated], interval: Interval, counts: Sequence[int],
        *, reason: str = "", variant: str = "", clock: str = "",
    ) -> Effect:  # fmt: skip
        """Return an effect of a KPI, direction and statistic, which says what is missing."""
        kpi, direction, statistic = what
        definition = BY_ID[kpi]
        before, after = (each.value for each in sides)
        difference = None if before is None or after is None else after - before
        low, high = (None, None) if difference is None else (interval.low, interval.high)
        if difference is None:
            reason = reason or NO_VALUE
        elif not self.is_drawn:
            few = (
                f"区間なし: {self.unit_name} が {self.blocks} 個({self._least} 個必要) / too few blocks for an interval"
            )
            reason = "; ".join(filter(None, [few, reason]))
        drawn = f"{'paired ' if self.is_paired else ''}{self.unit_name}"
        return Effect(
            id=kpi, direction=direction, statistic=statistic, variant=variant,
            unit="dB" if (definition.unit, statistic) == ("dB[mW]", "std") else definition.unit,
            a=before, b=after, difference=difference, ci_low=low, ci_high=high,
            is_clear=(low is not None and low > 0) or (high is not None and high < 0),
            n_a=counts[0], n_b=counts[1], blocks=self.blocks, is_paired=self.is_paired,
            method=f"block bootstrap, {REPLICATES} replicates of {drawn}", clock=clock,
            reason=reason, name_ja=definition.name_ja, name_en=definition.name_en, definition=definition.citation,
        )  # fmt: skip


def _spread(replicates: Matrix | None) -> float:
    """Return the standard deviation of replicates, 0 where some have no value."""
    return 0.0 if replicates is None or not np.isfinite(replicates).all() else float(replicates.std())


def _scaled(influence: Matrix | None, spread: float) -> Matrix:
    """Return the moves of the units scaled so that drawing them gives as much spread as the replicates have."""
    assert influence is not None
    own = float(influence.std()) / math.sqrt(max(influence.size, 1))
    return influence * (spread / own) if own else np.zeros(influence.size)


def _inflation(moves: Matrix) -> float:
    """Return (1 + r) / (1 - r) of a series of units, r being its correlation with the next one, and 1 below zero."""
    centred = moves - moves.mean()
    power = float(np.square(centred).sum())
    if power <= 0:
        return 1.0
    r = min(max(float((centred[1:] * centred[:-1]).sum()) / power, 0.0), _MOST_CORRELATED)
    return (1 + r) / (1 - r)
