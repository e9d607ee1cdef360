"""What a pair of links gained over the better of the two alone, over the same pairs of packets. Pure.

Blocks of time are drawn as `analytics.comparison` draws them, the same for the pair and the link: what both share
cancels out, and where blocks are like their neighbours the interval is stretched. Which link is the better one is asked
for each figure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from analytics.bootstrap import difference_interval
from analytics.comparison import ALL_OR_NONE, LEAST_BLOCKS
from analytics.comparison.units import Drawn, Replicated
from analytics.dictionary.redundancy import PAIR_QUANTILES
from analytics.log_histogram import RELATIVE_ERROR
from analytics.pair_scan import PairScan
from analytics.pair_series import DelaySeries
from analytics.results import MS, Direction
from analytics.statistics import Histogram, Interval, proportion_interval, rank, share_of
from analytics.subject import NONE, widened

Floats = npt.NDArray[np.float64]
NO_VALUE = "片方または両方に値がない(損失または測定なし) / one side has no value"


@dataclass(frozen=True, slots=True)
class Gain:
    """The better link by its place in the pair, its own figure, and by how much the pair's is smaller.

    `alone` and `value` are None where the figure lies among lost packets; delays in ms. `reason` says why there is no
    interval, or what it rests on.
    """

    better: int
    alone: float | None
    value: float | None
    interval: Interval
    n: int
    reason: str


class PairGains:
    """The gains of one pair."""

    def __init__(self, pair: PairScan, way: Direction) -> None:
        self._pair, self._way = pair, pair.ways[way]

    @cached_property
    def _blocks(self) -> tuple[npt.NDArray[np.int64], Floats]:
        return self._pair.blocks.result()

    @cached_property
    def _drawn(self) -> Drawn:
        """The blocks, drawn for both sides at once."""
        blocks = self._blocks[0]
        return Drawn(blocks, blocks, is_paired=True, unit_name=f"blocks of {self._pair.block_s:g} s")

    @property
    def _weights(self) -> Floats:
        """How often each replicate drew each block."""
        return self._drawn.weights[0]

    @property
    def _too_few(self) -> str:
        if self._drawn.is_drawn:
            return ""
        block, count = f"{self._pair.block_s:g} s", self._drawn.blocks
        return (
            f"区間なし: {block} のブロックが {count} 個({LEAST_BLOCKS} 個必要) / "
            f"no interval: {count} blocks of {block}, {LEAST_BLOCKS} are needed"
        )

    def loss(self) -> Gain:
        """Return the gain of the loss ratio.

        A side that lost all or nothing has a binomial interval on the worth of its delays.
        """
        pair = self._pair
        better = int(pair.single_lost[1].share < pair.single_lost[0].share)
        sides = (pair.single_lost[better].share, pair.lost.share)
        if not self._drawn.is_drawn:
            return self._gain(better, sides, NONE, pair.n)
        sent, both, *alone = self._blocks[1]
        drawn = self._weights
        with np.errstate(invalid="ignore", divide="ignore"):
            shares = [
                Replicated(side, drawn @ hits / (drawn @ sent), hits - side * sent)
                for side, hits in zip(sides, (alone[better], both), strict=True)
            ]
        if not {*sides} & {0.0, 1.0}:
            return self._gain(better, sides, self._drawn.of_difference(*shares), pair.n)
        worths = [each.n_eff() for each in (self._way.singles[better], self._way.compared)]
        a, b = (
            proportion_interval(side * pair.n, pair.n, worth)
            if side in {0.0, 1.0} or share.replicates is None
            else self._drawn.interval(share.replicates)
            for side, share, worth in zip(sides, shares, worths, strict=True)
        )
        return self._gain(better, sides, difference_interval(*sides, a, b), pair.n, ALL_OR_NONE)

    def delays(self) -> dict[str, Gain]:
        """Return the gains of quantiles of the delay."""
        together, singles = self._way.compared.counted(), [each.counted() for each in self._way.singles]
        better = {statistic: _faster(singles, statistic) for statistic in PAIR_QUANTILES}
        drawn = {place: self._replicates(self._way.singles[place]) for place in set(better.values())}
        joint = self._replicates(self._way.compared)
        found = {}
        for statistic, place in better.items():
            alone, value = (_quantile_ms(each, statistic) for each in (singles[place], together))
            interval = NONE
            if joint and alone is not None and value is not None:
                sides = [
                    Replicated(side, replicates[statistic], self._moves(series, side))
                    for series, side, replicates in (
                        (self._way.singles[place], alone, drawn[place]), (self._way.compared, value, joint)
                    )
                ]  # fmt: skip
                # Values in buckets are off by as much, those of the replicates too.
                interval = widened(self._drawn.of_difference(*sides), RELATIVE_ERROR * (abs(alone) + abs(value)))
            found[statistic] = self._gain(place, (alone, value), interval, together.n)
        return found

    def _replicates(self, series: DelaySeries) -> dict[str, Floats]:
        """Return the quantiles of each replicate, nothing where there are too few blocks."""
        if not self._drawn.is_drawn:
            return {}
        shares = [share_of(statistic) for statistic in PAIR_QUANTILES]
        return dict(
            zip(PAIR_QUANTILES, series.blocks.quantiles_ms(shares, self._blocks[0], self._weights), strict=True)
        )

    def _moves(self, series: DelaySeries, value_ms: float) -> Floats:
        """Return what each block moves a quantile by, up to a factor: how many more lie above it than on average."""
        every, late = series.blocks.above(value_ms * MS, self._blocks[0])
        return np.asarray(late - every * (late.sum() / max(every.sum(), 1.0)))

    def _gain(
        self, better: int, sides: tuple[float | None, float | None], interval: Interval, n: int, reason: str = ""
    ) -> Gain:
        alone, together = sides
        if alone is None or together is None:
            return Gain(
                better, alone, None, NONE, n, "片方または両方に値がない(損失または測定なし) / one side has no value"
            )
        # The pair minus the link is what the comparison draws: a gain is its opposite, and never minus zero.
        ends = (None if end is None else 0.0 - end for end in (interval.high, interval.low))
        return Gain(better, alone, 0.0 - (together - alone), Interval(*ends), n, self._too_few or reason)


def _quantile_ms(counted: Histogram, statistic: str) -> float | None:
    """Return the exact order statistic in ms, None among lost packets."""
    value = counted.at([rank(share_of(statistic), counted.n)])[0]
    return None if math.isinf(value) else value / MS


def _faster(singles: list[Histogram], statistic: str) -> int:
    """Return which single link has the smaller value."""
    values = [each.at([rank(share_of(statistic), each.n)])[0] if each.n else math.inf for each in singles]
    # Where neither has a value, the one of which anything arrived can at least be compared.
    is_equal = values[0] == values[1]
    return int(singles[1].finite > singles[0].finite if is_equal else values[1] < values[0])
