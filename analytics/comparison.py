"""Comparison of two runs, two links or two conditions: the effect with its interval, by block bootstrap.

Both sides are cut into blocks of elapsed time, or into sections of the same route. Whole blocks are drawn, so that the
autocorrelation inside them is kept; where both sides have the same block (the same second of the run, the same section
of the road) it is drawn for both at once, and what they share, such as the place, cancels out. Packets are never drawn
one by one: their burstiness would be lost and the interval far too narrow. Lost packets are infinite delays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from analytics.bootstrap import percentile_interval, weights
from analytics.definitions import BY_ID
from analytics.probes import ProbeArrays
from analytics.results import Direction
from analytics.statistics import histogram, rank
from analytics.track import Track, places, sections

REPLICATES = 1_000
LEAST_BLOCKS = 8
"""With fewer blocks on a side there is no interval: percentile intervals of so few units cover far less than 95 %."""
_BUCKET = math.log(1.002)
_STATISTICS = ("p50", "p95", "p99")
_DIRECTIONS: tuple[Direction, ...] = ("round_trip", "up", "down")

Blocks = npt.NDArray[np.int64]
Matrix = npt.NDArray[np.float64]


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison: `difference` is b - a with its 95 % interval; `is_clear` when the interval leaves out zero.

    `blocks` counts the units drawn: shared ones where `is_paired`, else the smaller side's. `reason` says why there is
    no value or no interval.
    """

    id: str
    direction: Direction
    statistic: str
    unit: str
    a: float | None
    b: float | None
    difference: float | None
    ci_low: float | None = None
    ci_high: float | None = None
    is_clear: bool = False
    n_a: int
    n_b: int
    blocks: int
    is_paired: bool
    method: str
    reason: str = ""
    name_ja: str = ""
    name_en: str = ""
    definition: str = ""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two runs or links and the effects of b against a."""

    a: str
    b: str
    link_a: str
    link_b: str
    align: str
    effects: list[Effect]


@dataclass(frozen=True, slots=True)
class Side:
    """One side: packets, and the block of each (-1: in none, and left out)."""

    probes: ProbeArrays
    block: Blocks


def time_blocks(probes: ProbeArrays, block_s: float, start_us: int | None = None) -> Blocks:
    """Return the block of each packet: elapsed time since `start_us` (default: the first packet) by block length."""
    start = int(probes.t_us.min()) if start_us is None and probes.n else (start_us or 0)
    return np.asarray((probes.t_us - start) // round(block_s * 1e6), np.int64)


def section_blocks(probes: ProbeArrays, path: Track, section_m: float) -> Blocks:
    """Return the section of the route in which each packet was sent, -1 where the place is not known."""
    _, _, distance_m, _ = places(path, probes.t_us)
    return sections(distance_m, section_m)


def usual_block_s(a: ProbeArrays, b: ProbeArrays) -> float:
    """Return a block length that gives some sixty blocks on the shorter side, between 1 and 60 s.

    Blocks must outlast the correlation (bursts and handovers of some seconds) and be many: sixty blocks of the usual
    ten-minute run are ten seconds each.
    """
    spans = [float(np.ptp(each.t_us)) / 1e6 if each.n else 0.0 for each in (a, b)]
    return min(max(min(spans) / 60, 1.0), 60.0)


def compare(
    a: Side, b: Side, *, is_paired: bool, unit_name: str, within_ms: float, statistics: Sequence[str] = _STATISTICS
) -> list[Effect]:
    """Compare delay quantiles and mean, loss and reliability in every direction that both sides measured."""
    common = np.intersect1d(a.block[a.block >= 0], b.block[b.block >= 0]) if is_paired else None
    effects: list[Effect] = []
    for direction in _DIRECTIONS:
        if a.probes.has(direction) and b.probes.has(direction):
            effects += _delays(a, b, common, direction, unit_name, statistics)
    effects += _ratio(a, b, common, "loss", "round_trip", unit_name, _lost)
    for direction in _DIRECTIONS[:1]:
        if a.probes.has(direction) and b.probes.has(direction):
            effects += _ratio(
                a, b, common, "reliability", direction, unit_name, lambda probes: _timely(probes, within_ms)
            )
    return effects


def _lost(probes: ProbeArrays) -> npt.NDArray[np.bool_]:
    return np.asarray(probes.lost > 0)


def _timely(probes: ProbeArrays, within_ms: float) -> npt.NDArray[np.bool_]:
    delay = probes.delays["round_trip"]
    return np.asarray((probes.lost == 0) & delay.valid & (delay.us <= within_ms * 1000))


def _draws(a: Blocks, b: Blocks, common: Blocks | None) -> tuple[Blocks, Blocks, Matrix | None, Matrix | None]:
    """Return the blocks of both sides and how often each was drawn; None where there are too few to draw from."""
    if common is not None:
        if common.size < LEAST_BLOCKS:
            return common, common, None, None
        drawn = weights(common.size, replicates=REPLICATES)
        return common, common, drawn, drawn
    left, right = np.unique(a[a >= 0]), np.unique(b[b >= 0])
    if min(left.size, right.size) < LEAST_BLOCKS:
        return left, right, None, None
    return left, right, weights(left.size, replicates=REPLICATES), weights(right.size, replicates=REPLICATES, seed=7)


def _within(block: Blocks, units: Blocks) -> tuple[npt.NDArray[np.bool_], Blocks]:
    """Return which packets lie in the units, and the place of each one's unit."""
    place = np.minimum(np.searchsorted(units, block), max(units.size - 1, 0))
    inside = (block >= 0) & (units[place] == block) if units.size else np.zeros(block.size, np.bool_)
    return inside, place[inside]


def _ratio(  # noqa: PLR0917 - a comparison has two sides and a name
    a: Side,
    b: Side,
    common: Blocks | None,
    kpi: str,
    direction: Direction,
    unit_name: str,
    indicator: Callable[[ProbeArrays], npt.NDArray[np.bool_]],
) -> Iterator[Effect]:
    units_a, units_b, drawn_a, drawn_b = _draws(a.block, b.block, common)
    sides = []
    for side, units in ((a, units_a), (b, units_b)):
        inside, place = _within(side.block, units)
        hits = np.bincount(place, indicator(side.probes)[inside], minlength=units.size).astype(np.float64)
        sides.append((hits, np.bincount(place, minlength=units.size).astype(np.float64)))
    values = [float(hits.sum() / sent.sum()) if sent.sum() else None for hits, sent in sides]
    replicated = None
    if drawn_a is not None and drawn_b is not None and None not in values:
        with np.errstate(invalid="ignore", divide="ignore"):
            replicated = _over(drawn_b, sides[1]) - _over(drawn_a, sides[0])
    counts = [int(sent.sum()) for _, sent in sides]
    yield _effect(kpi, direction, "ratio", values, replicated, counts, (units_a, units_b), common, unit_name)


def _over(drawn: Matrix, side: tuple[Matrix, Matrix]) -> Matrix:
    return np.asarray((drawn @ side[0]) / (drawn @ side[1]))


def _delays(  # noqa: PLR0917 - see _ratio
    a: Side, b: Side, common: Blocks | None, direction: Direction, unit_name: str, statistics: Sequence[str]
) -> Iterator[Effect]:
    kpi = "rtt" if direction == "round_trip" else "owd"
    units_a, units_b, drawn_a, drawn_b = _draws(a.block, b.block, common)
    sides = [_Delays(side, units, direction) for side, units in ((a, units_a), (b, units_b))]
    counts = [each.n for each in sides]
    can_draw = drawn_a is not None and drawn_b is not None and min(counts) > 0
    pair = ((sides[0], drawn_a), (sides[1], drawn_b))
    for statistic in ("mean", *statistics):
        if statistic == "mean":
            values = [each.mean_ms for each in sides]
            replicated = [each.mean_of(drawn) for each, drawn in pair] if can_draw else None
        else:
            q = f"{float(statistic[1:]) / 100:.6g}"
            values = [each.quantile_ms(q) for each in sides]
            replicated = [each.quantile_of(q, drawn) for each, drawn in pair] if can_draw else None
        with np.errstate(invalid="ignore"):
            steps = None if replicated is None else replicated[1] - replicated[0]
        yield _effect(kpi, direction, statistic, values, steps, counts, (units_a, units_b), common, unit_name)


class _Delays:
    """Delays of one side in one direction, counted by block in buckets of 0.2 % width for the replicates."""

    def __init__(self, side: Side, units: Blocks, direction: Direction) -> None:
        delay = side.probes.delays[direction]
        inside, place = _within(side.block, units)
        valid, lost = delay.valid[inside], (side.probes.lost > 0)[inside]
        if direction != "round_trip":
            # What was lost elsewhere has no delay here and is not infinite.
            lost &= side.probes.lost[inside] == (1 if direction == "up" else 2)
        self.us = delay.us[inside][valid].astype(np.int64)
        self.infinite = int(lost.sum())
        self.n = int(self.us.size) + self.infinite
        self._sums = np.bincount(place[valid], self.us, minlength=units.size)
        self._counts = np.bincount(place[valid], minlength=units.size).astype(np.float64)
        positive = np.maximum(self.us, 1)
        found, where = np.unique(np.floor(np.log(positive) / _BUCKET).astype(np.int64), return_inverse=True)
        # The bucket stands for its middle; its edges are 0.1 % away.
        self._middle_ms = np.exp((found + 0.5) * _BUCKET) / 1000
        cells = place[valid] * max(found.size, 1) + where
        self._buckets = np.bincount(cells, minlength=units.size * found.size).reshape(units.size, found.size)
        self._lost = np.bincount(place[lost], minlength=units.size).astype(np.float64)

    @property
    def mean_ms(self) -> float | None:
        return float(self.us.mean()) / 1000 if self.us.size else None

    def quantile_ms(self, q: str) -> float | None:
        """Return the exact order statistic in ms, None among lost packets."""
        if not self.n:
            return None
        value = histogram(self.us, self.infinite).at([rank(q, self.n)])[0]
        return None if math.isinf(value) else value / 1000

    def mean_of(self, drawn: Matrix | None) -> Matrix:
        assert drawn is not None
        with np.errstate(invalid="ignore"):
            return np.asarray(drawn @ self._sums / (drawn @ self._counts) / 1000)

    def quantile_of(self, q: str, drawn: Matrix | None) -> Matrix:
        """Return the quantile of each replicate in ms; infinite among lost packets."""
        assert drawn is not None
        cumulative = np.cumsum(drawn @ self._buckets, axis=1)
        sizes = cumulative[:, -1] + drawn @ self._lost
        wanted = np.maximum(np.ceil(float(q) * sizes), 1)
        # The first bucket at which the count reaches the rank, for each replicate.
        places = (cumulative < wanted[:, None]).sum(axis=1)
        middles = np.append(self._middle_ms, np.inf)
        return np.asarray(middles[places])


def _effect(  # noqa: PLR0917 - see _ratio
    kpi: str, direction: Direction, statistic: str, values: list[float | None], replicated: Matrix | None,
    counts: list[int], units: tuple[Blocks, Blocks], common: Blocks | None, unit_name: str,
) -> Effect:  # fmt: skip
    definition = BY_ID[kpi]
    before, after = values
    blocks = int(common.size) if common is not None else min(each.size for each in units)
    difference = None if before is None or after is None else after - before
    low = high = None
    reason = ""
    if difference is None:
        reason = "片方または両方に値がない(損失または測定なし) / one side has no value"
    elif replicated is None:
        reason = f"区間なし: {unit_name} が {blocks} 個({LEAST_BLOCKS} 個必要) / too few blocks for an interval"
    else:
        interval = percentile_interval(replicated)
        low, high = interval.low, interval.high
    return Effect(
        id=kpi, direction=direction, statistic=statistic, unit=definition.unit, a=before, b=after,
        difference=difference, ci_low=low, ci_high=high,
        is_clear=(low is not None and low > 0) or (high is not None and high < 0),
        n_a=counts[0], n_b=counts[1], blocks=blocks, is_paired=common is not None,
        method=f"block bootstrap, {REPLICATES} replicates of {'paired ' if common is not None else ''}{unit_name}",
        reason=reason, name_ja=definition.name_ja, name_en=definition.name_en, definition=definition.citation,
    )  # fmt: skip
