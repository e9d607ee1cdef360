"""Comparison of what a link's streams say beside its packets: levels, rates, video, commands, AI. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from analytics.comparison.effects import Effect
from analytics.comparison.figures import Spread, ratio_of_sums, spread_of, sums_by
from analytics.comparison.measures import MEASURES, Levels, Shares
from analytics.comparison.scenes import SCENES, compare_ai, scenes_of
from analytics.comparison.units import UNIT, Blocks, Drawn, Replicated, places_in, units_of
from analytics.definitions import BY_ID
from analytics.results import Direction
from analytics.series import Bools, Floats, Series
from analytics.statistics import is_quantile, share_of
from analytics.subject import NONE

_AI = "traffic"
NEVER_CAME = "分位点は値のないものを無限大とする / what never came is infinite among the quantiles"


def with_units(samples: Series, block: Blocks) -> Series:
    """Return a series with the unit of each of its samples (-1: none)."""
    return replace(samples, numbers={**samples.numbers, UNIT: block.astype(np.float64)})


def compare_streams(
    a: Mapping[str, Series], b: Mapping[str, Series], *, is_paired: bool, unit_name: str
) -> list[Effect]:
    """Compare every KPI of `analytics.comparison.measures` that both sides have; samples know their unit.

    Rows of the AI's stream are paired by their scene where both sides name the same scenes.
    """
    shared = [name for name in a if name in b]
    sides = [{name: side[name] for name in shared} for side in (a, b)]
    scenes = scenes_of(*(side[_AI] for side in sides)) if _AI in shared else None
    if scenes is not None:
        sides = [{**side, _AI: with_units(side[_AI], block)} for side, block in zip(sides, scenes, strict=True)]

    def is_by_scene(stream: str) -> bool:
        return scenes is not None and stream == _AI

    effects: list[Effect] = []
    for measure in MEASURES:
        if measure.stream in shared:
            by_scene = is_by_scene(measure.stream)
            effects += _compare(
                measure, [side[measure.stream] for side in sides], is_paired=is_paired or by_scene,
                unit_name=SCENES if by_scene else unit_name, is_ordered=not by_scene,
            )  # fmt: skip
    if _AI in shared:
        effects += compare_ai(
            *(side[_AI] for side in sides), is_paired=is_paired, unit_name=unit_name, is_by_scene=is_by_scene(_AI)
        )
    return effects


def _compare(
    measure: Levels | Shares, sides: Sequence[Series], *, is_paired: bool, unit_name: str, is_ordered: bool
) -> Iterator[Effect]:
    """Yield the effects of every direction and variant that both sides have."""
    a, b = ({(direction, variant): rows for direction, variant, rows in measure.of(side)} for side in sides)
    for direction, variant in a:
        if (direction, variant) not in b:
            continue
        samples = [_Samples(measure, rows[direction, variant]) for rows in (a, b)]
        if not all(each.has_value for each in samples):
            continue
        drawn = Drawn(
            *(each.units for each in samples), is_paired=is_paired, unit_name=unit_name, is_ordered=is_ordered
        )
        for each, units in zip(samples, drawn.units, strict=True):
            each.take(units)
        yield from _effects(measure, samples, drawn, direction, variant)


def _effects(
    measure: Levels | Shares, samples: Sequence[_Samples], drawn: Drawn, direction: Direction, variant: str
) -> Iterator[Effect]:
    counts = [each.n for each in samples]
    spreads = [each.spread() for each in samples] if isinstance(measure, Levels) else []
    for statistic in BY_ID[measure.kpi].statistics:
        reason = ""
        if spreads and is_quantile(statistic):
            found = [
                each.quantile(share_of(statistic), weights)
                for each, weights in zip(spreads, drawn.each_weights, strict=True)
            ]
            reason = NEVER_CAME if isinstance(measure, Levels) and measure.is_infinite else ""
        elif statistic in {"mean", "mean_linear"} or isinstance(measure, Shares):
            found = [_ratio(each, statistic, drawn, number) for number, each in enumerate(samples)]
        else:
            continue
        is_whole = drawn.is_drawn and all(each.value is not None for each in found)
        interval = drawn.of_difference(*found) if is_whole else NONE
        yield drawn.effect((measure.kpi, direction, statistic), found, interval, counts, reason=reason, variant=variant)


def _ratio(samples: _Samples, statistic: str, drawn: Drawn, side: int) -> Replicated:
    over, under = samples.sums(is_linear=statistic == "mean_linear")
    weights = drawn.each_weights[side]
    if statistic == "mean_linear":
        return ratio_of_sums(over, under, weights, lambda linear: 10 * np.log10(linear))
    return ratio_of_sums(over, under, weights)


class _Samples:
    """The samples of one KPI, direction and variant of one side: values, or what each adds to two sums."""

    def __init__(self, measure: Levels | Shares, rows: Series) -> None:
        self._measure = measure
        self._block = units_of(rows)
        if isinstance(measure, Shares):
            self._values, self._weights = measure.sums(rows)
            self._is_share, self._is_infinite = True, False
        else:
            self._values = measure.values(rows, measure.kpi)
            self._weights = rows.number("interval_s") if measure.is_by_time else np.ones(rows.n)
            self._is_share, self._is_infinite = False, measure.is_infinite
        is_finite = np.isfinite(self._values)
        self.has_value = bool(is_finite.any())
        self._is_known: Bools = np.ones(rows.n, np.bool_) if self._is_infinite else is_finite
        self._place: Blocks = np.empty(0, np.int64)
        self._size = 0

    @property
    def units(self) -> Blocks:
        """The units that have a sample, ascending."""
        return np.unique(self._block[self._is_known & (self._block >= 0)])

    def take(self, units: Blocks) -> None:
        """Keep the samples of some units."""
        inside, _ = places_in(units, self._block)
        kept = inside & self._is_known
        self._size, self._place = units.size, np.searchsorted(units, self._block[kept])
        self._values, self._weights = self._values[kept], self._weights[kept]

    @property
    def n(self) -> int:
        """Samples; of a share, what it is a share of."""
        if isinstance(self._measure, Shares):
            return self._measure.n(self._values, self._weights)
        return int(self._values.size)

    def sums(self, *, is_linear: bool = False) -> tuple[Floats, Floats]:
        """Return for each unit the sums whose ratio is the share or the mean; `is_linear`: of what decibels stand for.

        A value without the length of its interval has its place among the quantiles, and no weight in time.
        """
        over, under = self._values, self._weights
        if not self._is_share:
            is_known = np.isfinite(over) & np.isfinite(under)
            under = np.where(is_known, under, 0.0)
            over = np.where(is_known, 10 ** (over / 10) if is_linear else over, 0.0) * under
        return sums_by(self._place, over, self._size), sums_by(self._place, under, self._size)

    def spread(self) -> Spread:
        """Return the values counted by unit."""
        return spread_of(self._values, self._place, self._size)
