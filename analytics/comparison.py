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

from analytics.bootstrap import difference_interval, percentile_interval, weights
from analytics.definitions import BY_ID
from analytics.link import blind_words
from analytics.log_histogram import RELATIVE_ERROR, bucket_of, value_of
from analytics.probes import ProbeArrays, absent
from analytics.results import DIRECTIONS, Direction
from analytics.road import Road
from analytics.statistics import Interval, effective_n, histogram, proportion_interval, rank, share_of
from analytics.subject import NONE, widened
from analytics.track import Track

REPLICATES = 1_000
LEAST_BLOCKS = 20
"""With fewer blocks on a side there is no interval: of 20 exponential units 93 % of nominal 95 % cover, of 12 only 91
(`analytics.bootstrap.percentile_interval`)."""
ALL_OR_NONE = "全数または0の側は二項分布による / a side of which all or none is binomial"
_STATISTICS = ("p50", "p95", "p99")

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
    """Two runs or links and the effects of b against a. `note` says what is left out of either side, if anything."""

    a: str
    b: str
    link_a: str
    link_b: str
    align: str
    effects: list[Effect]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Side:
    """One side: packets, and the block of each (-1: in none, and left out)."""

    probes: ProbeArrays
    block: Blocks


def time_blocks(probes: ProbeArrays, block_s: float, start_us: int | None = None) -> Blocks:
    """Return the block of each packet: elapsed time since `start_us` (default: the first packet) by block length."""
    start = int(probes.t_us.min()) if start_us is None and probes.n else (start_us or 0)
    return np.asarray((probes.t_us - start) // round(block_s * 1e6), np.int64)


def section_blocks(probes: ProbeArrays, road: Road, path: Track, section_m: float) -> Blocks:
    """Return the section of a road in which each packet was sent, -1 off it or where the place is not known.

    Both sides are laid on the same road: equal numbers are the same place, wherever either began, and however often
    and in which direction it came by (passes are pooled). Sections driven only in part are left out.
    """
    return road.whole_sections(path, probes.t_us, section_m)


def usual_block_s(a: ProbeArrays, b: ProbeArrays) -> float:
    """Return a block length that gives some sixty blocks on the shorter side, between 1 and 60 s.

    Blocks must outlast the correlation (bursts and handovers of some seconds) and be many: sixty blocks of the usual
    ten-minute run are ten seconds each.
    """
    return usual_length_s(*(float(np.ptp(each.t_us)) / 1e6 if each.n else 0.0 for each in (a, b)))


def usual_length_s(*sides_s: float) -> float:
    """Return the usual block length for sides that lasted so many seconds."""
    return min(max(min(sides_s) / 60, 1.0), 60.0)


def compare(
    a: Side, b: Side, *, is_paired: bool, unit_name: str, within_ms: float, statistics: Sequence[str] = _STATISTICS
) -> list[Effect]:
    """Compare delay quantiles and mean, loss and reliability in every direction that both sides measured."""
    pair = _Pair(a, b, is_paired=is_paired, unit_name=unit_name)
    shared = [direction for direction in DIRECTIONS if a.probes.has(direction) and b.probes.has(direction)]
    effects = [effect for direction in shared for effect in pair.delays(direction, statistics)]
    effects.append(pair.ratio("loss", _lost))
    if "round_trip" in shared:
        effects.append(pair.ratio("reliability", lambda probes: _timely(probes, within_ms)))
    return effects


def _lost(probes: ProbeArrays) -> npt.NDArray[np.bool_]:
    return np.asarray(probes.lost > 0)


def _timely(probes: ProbeArrays, within_ms: float) -> npt.NDArray[np.bool_]:
    delay = probes.delays["round_trip"]
    return np.asarray((probes.lost == 0) & delay.valid & (delay.us <= within_ms * 1000))


class _Pair:
    """Both sides, the units drawn from each, and how often each replicate drew them: the same for every figure."""

    def __init__(self, a: Side, b: Side, *, is_paired: bool, unit_name: str) -> None:
        self._sides = (a, b)
        self._is_paired = is_paired
        self._unit_name = unit_name
        units = [np.unique(side.block[side.block >= 0]) for side in self._sides]
        if is_paired:
            units = [np.intersect1d(units[0], units[1], assume_unique=True)] * 2
        self._units = units
        self._blocks = min(each.size for each in units)
        self._drawn: list[Matrix] | None = None
        if self._blocks >= LEAST_BLOCKS:
            first = weights(units[0].size, replicates=REPLICATES)
            other = first if is_paired else weights(units[1].size, replicates=REPLICATES, seed=7)
            self._drawn = [first, other]
        self._places = [_within(side.block, each) for side, each in zip(self._sides, units, strict=True)]

    def ratio(self, kpi: str, indicator: Callable[[ProbeArrays], npt.NDArray[np.bool_]]) -> Effect:
        """Return the difference of the shares of packets for which `indicator` holds.

        Recordings that cannot say "lost" have none. Where it holds for all packets of a side, or for none, drawing
        blocks would say that this is so for certain: such a side has a binomial interval on the worth of its delays,
        and the two sides' distances to their bounds are added as squares (Newcombe 1998, method 10).
        """
        blind = [
            f"{name}: {blind_words(side.probes.n, absent(side.probes))}"
            for name, side in zip("AB", self._sides, strict=True)
            if not (side.probes.lost > 0).any() and absent(side.probes)
        ]
        hits, sent = [], []
        for side, units, (inside, place) in zip(self._sides, self._units, self._places, strict=True):
            hits.append(np.bincount(place, indicator(side.probes)[inside], minlength=units.size).astype(np.float64))
            sent.append(np.bincount(place, minlength=units.size).astype(np.float64))
        values = [
            float(hit.sum() / total.sum()) if total.sum() and not blind else None
            for hit, total in zip(hits, sent, strict=True)
        ]
        what: tuple[str, Direction, str] = (kpi, "round_trip", "ratio")
        counts = [int(total.sum()) for total in sent]
        before, after = values
        if self._drawn is None or before is None or after is None:
            return self._effect(what, values, NONE, counts, "; ".join(blind))
        with np.errstate(invalid="ignore", divide="ignore"):
            shares = [(drawn @ hit) / (drawn @ all_) for drawn, hit, all_ in zip(self._drawn, hits, sent, strict=True)]
        if not {before, after} & {0.0, 1.0}:
            return self._effect(what, values, self._percentiles(shares[1] - shares[0]), counts)
        a, b = (
            proportion_interval(value * n, n, self._worth(place)) if value in {0.0, 1.0} else self._percentiles(share)
            for place, (value, n, share) in enumerate(zip((before, after), counts, shares, strict=True))
        )
        return self._effect(what, values, difference_interval(before, after, a, b), counts, ALL_OR_NONE)

    def _percentiles(self, replicated: Matrix) -> Interval:
        return percentile_interval(replicated, units=self._blocks)

    def _worth(self, place: int) -> int:
        """Return what the packets of a side are worth by their delays, in order of time; 1 where there is none."""
        probes, inside = self._sides[place].probes, self._places[place][0]
        rows = np.flatnonzero(inside)
        rows = rows[np.argsort(probes.t_us[rows], kind="stable")]
        delays = (probes.delays[direction] for direction in DIRECTIONS if probes.has(direction))
        return min((max(effective_n(each.us[rows][each.valid[rows]]), 1) for each in delays), default=1)

    def delays(self, direction: Direction, statistics: Sequence[str]) -> Iterator[Effect]:
        """Yield the differences of mean and quantiles of one direction."""
        kpi = "rtt" if direction == "round_trip" else "owd"
        sides = [
            _Delays(side, place, units.size, direction)
            for side, place, units in zip(self._sides, self._places, self._units, strict=True)
        ]
        counts = [each.n for each in sides]
        pairs = [] if self._drawn is None or not min(counts) else list(zip(sides, self._drawn, strict=True))
        for statistic in ("mean", *statistics):
            rounding = 0.0
            if statistic == "mean":
                values = [each.mean_ms for each in sides]
                replicated = [each.mean_of(times) for each, times in pairs]
            else:
                q = share_of(statistic)
                values = [each.quantile_ms(q) for each in sides]
                rounding = RELATIVE_ERROR * sum(abs(value or 0.0) for value in values)
                replicated = [each.quantile_of(q, times) for each, times in pairs]
            with np.errstate(invalid="ignore"):
                interval = self._percentiles(replicated[1] - replicated[0]) if replicated else NONE
            # Values in buckets are off by as much, those of the replicates too.
            interval = widened(interval, rounding)
            yield self._effect((kpi, direction, statistic), values, interval, counts)

    def _effect(
        self, what: tuple[str, Direction, str], values: list[float | None], interval: Interval, counts: list[int],
        reason: str = "",
    ) -> Effect:  # fmt: skip
        kpi, direction, statistic = what
        definition = BY_ID[kpi]
        before, after = values
        difference = None if before is None or after is None else after - before
        low, high = (None, None) if difference is None else (interval.low, interval.high)
        if difference is None:
            reason = reason or "片方または両方に値がない(損失または測定なし) / one side has no value"
        elif self._drawn is None:
            few = f"{self._unit_name} が {self._blocks} 個({LEAST_BLOCKS} 個必要)"
            reason = f"区間なし: {few} / too few blocks for an interval"
        drawn = f"{'paired ' if self._is_paired else ''}{self._unit_name}"
        return Effect(
            id=kpi, direction=direction, statistic=statistic, unit=definition.unit, a=before, b=after,
            difference=difference, ci_low=low, ci_high=high,
            is_clear=(low is not None and low > 0) or (high is not None and high < 0),
            n_a=counts[0], n_b=counts[1], blocks=self._blocks, is_paired=self._is_paired,
            method=f"block bootstrap, {REPLICATES} replicates of {drawn}",
            reason=reason, name_ja=definition.name_ja, name_en=definition.name_en, definition=definition.citation,
        )  # fmt: skip


def _within(block: Blocks, units: Blocks) -> tuple[npt.NDArray[np.bool_], Blocks]:
    """Return which packets lie in the units, and the place of each one's unit."""
    place = np.minimum(np.searchsorted(units, block), max(units.size - 1, 0))
    inside = (block >= 0) & (units[place] == block) if units.size else np.zeros(block.size, np.bool_)
    return inside, place[inside]


class _Delays:
    """Delays of one side in one direction, counted by block in buckets of 0.1 to 0.2 % width for the replicates.

    One-way delays may be negative: clocks differ. Buckets mirror at zero (`analytics.log_histogram`).
    """

    def __init__(
        self, side: Side, places: tuple[npt.NDArray[np.bool_], Blocks], units: int, direction: Direction
    ) -> None:
        delay = side.probes.delays[direction]
        inside, place = places
        valid, lost = delay.valid[inside], (side.probes.lost > 0)[inside]
        if direction != "round_trip":
            # What was lost elsewhere has no delay here and is not infinite.
            lost &= side.probes.lost[inside] == (1 if direction == "up" else 2)
        self.us = delay.us[inside][valid].astype(np.int64)
        self.infinite = int(lost.sum())
        self.n = int(self.us.size) + self.infinite
        self._sums = np.bincount(place[valid], self.us, minlength=units)
        self._counts = np.bincount(place[valid], minlength=units).astype(np.float64)
        found, where = np.unique(bucket_of(self.us), return_inverse=True)
        # The bucket stands for its middle; its edges are 0.1 % away at most.
        self._middle_ms = value_of(found) / 1000
        cells = place[valid] * max(found.size, 1) + where
        self._buckets = np.bincount(cells, minlength=units * found.size).reshape(units, found.size)
        self._lost = np.bincount(place[lost], minlength=units).astype(np.float64)

    @property
    def mean_ms(self) -> float | None:
        return float(self.us.mean()) / 1000 if self.us.size else None

    def quantile_ms(self, q: str) -> float | None:
        """Return the exact order statistic in ms, None among lost packets."""
        if not self.n:
            return None
        value = histogram(self.us, self.infinite).at([rank(q, self.n)])[0]
        return None if math.isinf(value) else value / 1000

    def mean_of(self, drawn: Matrix) -> Matrix:
        """Return the mean of each replicate in ms."""
        with np.errstate(invalid="ignore"):
            return np.asarray(drawn @ self._sums / (drawn @ self._counts) / 1000)

    def quantile_of(self, q: str, drawn: Matrix) -> Matrix:
        """Return the quantile of each replicate in ms; infinite among lost packets."""
        cumulative = np.cumsum(drawn @ self._buckets, axis=1)
        sizes = cumulative[:, -1] + drawn @ self._lost
        wanted = np.maximum(np.ceil(float(q) * sizes), 1)
        # The first bucket at which the count reaches the rank, for each replicate.
        places = (cumulative < wanted[:, None]).sum(axis=1)
        middles = np.append(self._middle_ms, np.inf)
        return np.asarray(middles[places])
