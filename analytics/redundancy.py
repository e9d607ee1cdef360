"""What two links of one device gave together, and what the better one alone gave: every pair of links. Pure.

Two views. In time: the pair is down only while both links are, over the time in which both were observed. By packet:
packets sent over both links at about the same time are one message, lost when both are, as fast as the faster one.
Whether losses of two links coincide (one mast, one tunnel) is what a product of two loss ratios cannot know, so
nothing here is multiplied: every figure is of what was measured at the same time.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import msgspec
import numpy as np
import numpy.typing as npt

from analytics.availability import availability
from analytics.bootstrap import percentile_interval, weights
from analytics.clock import ClockQuality
from analytics.comparison import LEAST_BLOCKS, REPLICATES, Effect, Side, compare, time_blocks, usual_block_s
from analytics.data_hash import data_hash
from analytics.delay_kpis import quantile
from analytics.dictionary.redundancy import PAIR_QUANTILES
from analytics.link import Link
from analytics.pairing import common_direction, faster, infinite_delay, matched, only
from analytics.probes import ProbeArrays, absent
from analytics.requirements import Profile
from analytics.results import MS, Direction, KpiResult
from analytics.spans import Spans, covered_us, overlaps, seconds_of, total_us
from analytics.special import poisson_lower, poisson_upper
from analytics.statistics import CONFIDENCE, Interval, effective_n, histogram, proportion_interval, rank, share_of
from analytics.subject import BINOMIAL, NONE, Subject
from analytics.uptime import METHOD, assumed_s, said, uptime_worth

JOINT = "+"
"""Between the names of two links; no link's own name has it."""
NEVER_TOGETHER = "同時に観測した時間なし / never observed at the same time"
NO_PAIRS = "送信時刻の近いパケットの組なし / no packets were sent at about the same time"
NO_COMMON = "両回線で共通して測定した方向がない / no direction was measured on both links"
BLIND = "欠番が未測定か損失か区別できない回線を含む / a link's absent numbers may be lost or not measured"
NONE_SAVED = "救われた分なし: 上限は二項分布による / nothing was saved: the upper bound is binomial"
BEST = "最良の組 / best pair"
_BOOTSTRAP = f"block bootstrap, {REPLICATES} replicates"


@dataclass(frozen=True, slots=True)
class Leg:
    """One link of a device with its packets and the quality of its clocks."""

    link: str
    probes: ProbeArrays
    clock: ClockQuality


def evaluate_pairs(legs: Sequence[Leg], device: str, profile: Profile) -> list[KpiResult]:
    """Return the KPIs of every pair of links; the best pair of several is named in the reason of its results."""
    pairs = [_Pair(a, b, device, profile).results() for a, b in itertools.combinations(legs, 2)]
    ranked = sorted((pair for pair in pairs if pair[0].value is not None), key=_rank)
    if len(ranked) > 1:
        best = ranked[0][0].link
        pairs = [[_named(result) for result in pair] if pair[0].link == best else pair for pair in pairs]
    return [result for pair in pairs for result in pair]


def _named(result: KpiResult) -> KpiResult:
    return msgspec.structs.replace(result, reason="; ".join(filter(None, [BEST, result.reason])))


def _rank(pair: list[KpiResult]) -> tuple[float, float, float]:
    """Order pairs by availability, then loss, then the 99th percentile of the delay; no value is the worst."""
    values = {(result.id, result.statistic): result.value for result in pair}
    up, lost, slow = (values.get(key) for key in (
        ("redundant_availability", "ratio"), ("redundant_loss", "ratio"), ("redundant_delay", "p99")
    ))  # fmt: skip
    return -(up or 0.0), 1.0 if lost is None else lost, math.inf if slow is None else slow


def down_together(
    links: Sequence[ProbeArrays], direction: str, t_max_us: int, survival_us: int
) -> tuple[Spans, list[Spans], Spans]:
    """Return when both links were observed, the outages of each inside that time, and those of both at once."""
    found = [availability(probes, direction, t_max_us, survival_us) for probes in links]
    windows = overlaps(*((each.window_start_us, each.window_end_us) for each in found))
    down = [overlaps((each.start_us, each.end_us), windows) for each in found]
    return windows, down, overlaps(*down)


class _Pair:
    """Two links, their packets paired once."""

    def __init__(self, a: Leg, b: Leg, device: str, profile: Profile) -> None:
        self.legs = (a, b)
        self.profile = profile
        self.direction = common_direction(a.probes, b.probes)
        within_us = round(profile.parameters.pair_within_ms * MS)
        rows = matched(a.probes.t_us, b.probes.t_us, within_us)
        way = self.direction or "round_trip"
        self.singles = (only(a.probes, rows[0], way), only(b.probes, rows[1], way))
        self.together = faster(*self.singles, way)
        ends = [(int(leg.probes.t_us.min()), int(leg.probes.t_us.max())) for leg in self.legs]
        low, high = max(each[0] for each in ends), min(each[1] for each in ends)
        self.subject = Subject(
            device=device, link=f"{a.link}{JOINT}{b.link}", profile=profile, clock=_worse(a.clock, b.clock),
            started_at=datetime.fromtimestamp(low / 1e6, tz=UTC),
            ended_at=datetime.fromtimestamp(max(low, high) / 1e6, tz=UTC),
        )  # fmt: skip
        digest = hashlib.sha256("".join(data_hash(leg.probes) for leg in self.legs).encode()).hexdigest()[:16]
        self.link = Link(self.together, self.subject, data_hash=digest)
        self.block_s = usual_block_s(a.probes, b.probes)

    def results(self) -> list[KpiResult]:
        """Return all KPIs of the pair; the first is its availability."""
        if any(not (leg.probes.lost > 0).any() and absent(leg.probes) for leg in self.legs):
            return [self._none(kpi, BLIND) for kpi in ("redundant_availability", "redundant_loss", "redundant_delay")]
        in_time = self._in_time() if self.direction else [self._none("redundant_availability", NO_COMMON)]
        return [*in_time, *self._by_packet()]

    def _none(self, kpi: str, reason: str, filters: str = "") -> KpiResult:
        statistic = "p50" if kpi == "redundant_delay" else "ratio"
        return self.link.make(kpi, self.direction or "round_trip", statistic, None, n=0, reason=reason, filters=filters)

    def _down(self, direction: Direction, t_max_us: int) -> tuple[Spans, list[Spans], Spans]:
        survival_us = round(self.profile.parameters.survival_ms * MS)
        return down_together([leg.probes for leg in self.legs], direction, t_max_us, survival_us)

    def _in_time(self) -> Iterator[KpiResult]:
        parameters, direction, make = self.profile.parameters, self.direction, self.link.make
        assert direction is not None
        filters = f"Tmax {parameters.t_max_ms:g} ms, 生存時間 survival {parameters.survival_ms:g} ms"
        t_max_us, bound_us = round(parameters.t_max_ms * MS), round(self.link.bound_us(direction))
        windows, down, both = self._down(direction, t_max_us)
        observed_us = total_us(windows)
        if not observed_us:
            yield self._none("redundant_availability", NEVER_TOGETHER, filters)
            return
        cells = seconds_of(windows)
        lengths = cells[1] - cells[0]
        up = [1 - covered_us(spans, cells) / lengths for spans in (both, *down)]
        n = int(lengths.size)
        # Without pairs of packets nothing tells how long their fates hang together.
        assumed = assumed_s(parameters, observed_us / 1e6, self._loss_n_eff() if self.together.n else n)
        worths = [
            uptime_worth(share, spans[1] - spans[0], observed_us, assumed)
            for share, spans in zip(up, (both, *down), strict=True)
        ]
        n_eff = worths[0]
        ratio = 1 - total_us(both) / observed_us
        ratios = [ratio]
        if bound_us:
            for shifted_us in (max(t_max_us - bound_us, 0), t_max_us + bound_us):
                seen, _, joint = self._down(direction, shifted_us)
                ratios.append(1 - total_us(joint) / max(total_us(seen), 1))
                shares = 1 - covered_us(joint, cells) / lengths
                n_eff = min(n_eff, uptime_worth(shares, joint[1] - joint[0], max(total_us(seen), 1), assumed))

        def interval(total: int) -> Interval:
            """Return the interval that `total` seconds like these would give."""
            worth = max(n_eff * total // n, 1)
            low, high = (proportion_interval(each * total, total, worth) for each in (min(ratios), max(ratios)))
            return Interval(low.low, high.high)

        yield make(
            "redundant_availability", direction, "ratio", ratio, n=n, interval=interval(n), n_eff=n_eff,
            filters=filters, method=METHOD, project=interval,
            reason=f"n は観測秒数 / n counts seconds; {said(int(both[0].size), assumed)}",
        )  # fmt: skip
        yield self._time_gained(cells, up, filters, min(worths[1:]))
        count, seconds = int(both[0].size), observed_us / 1e6
        longest = float((both[1] - both[0]).max()) / 1e6 if count else 0.0
        tail = (1 + CONFIDENCE) / 2
        observed = f"{seconds:.0f} s 同時観測 / both observed for {seconds:.0f} s"
        yield make(
            "redundant_outage", direction, "count", float(count), n=count, method="Poisson (exact)", filters=filters,
            interval=Interval(poisson_lower(count, tail), poisson_upper(count, tail)), reason=observed, unit="1",
        )  # fmt: skip
        for statistic, value in (("max", longest), ("total", total_us(both) / 1e6)):
            yield make("redundant_outage", direction, statistic, value, n=count, filters=filters, reason=observed)

    def _time_gained(
        self, cells: Spans, up: list[npt.NDArray[np.float64]], filters: str, alone_n_eff: int
    ) -> KpiResult:
        """Return the gain of availability over the better single link, with its interval by blocks of time.

        `alone_n_eff` is what the time is worth by the outages of either link.
        """
        lengths = cells[1] - cells[0]
        whole = [float((each * lengths).sum() / lengths.sum()) for each in up]
        better = 1 if whole[1] >= whole[2] else 2
        block_us = round(self.block_s * 1e6)
        units, place = np.unique((cells[0] - cells[0].min()) // block_us, return_inverse=True)
        interval = NONE
        reason = f"区間なし: ブロックが {units.size} 個({LEAST_BLOCKS} 個必要) / too few blocks for an interval"
        if units.size >= LEAST_BLOCKS:
            drawn = weights(units.size, replicates=REPLICATES)
            size = drawn @ np.bincount(place, lengths, minlength=units.size)
            share = [drawn @ np.bincount(place, each * lengths, minlength=units.size) / size for each in up]
            interval, reason = percentile_interval(share[0] - share[better], units=units.size), ""
        n, method = int(lengths.size), _BOOTSTRAP
        if whole[0] == whole[better]:
            interval, method, reason = proportion_interval(0, n, alone_n_eff), METHOD, NONE_SAVED
        return self.link.make(
            "redundant_availability_gain", self.direction or "", "ratio", whole[0] - whole[better], n=n,
            interval=interval, method=method, reason=reason,
            filters=f"{filters}; {self._better(better - 1, f'{whole[better]:.6g}')}",
        )  # fmt: skip

    def _better(self, which: int, value: str) -> str:
        better = f"良い方の単独回線 better single link: {self.legs[which].link} ({value})"
        return f"{better}; ブロック blocks {self.block_s:.3g} s"

    def _by_packet(self) -> Iterator[KpiResult]:
        link, direction, probes = self.link, self.direction, self.together
        within_ms = self.profile.parameters.pair_within_ms
        filters = f"送信時刻差 {within_ms:g} ms 以内の組 / pairs sent within {within_ms:g} ms"
        if not probes.n:
            for kpi in ("redundant_loss", "redundant_delay"):
                yield self._none(kpi, NO_PAIRS, filters)
            return
        alone = [leg.probes.n - probes.n for leg in self.legs]
        note = (
            f"組にならない {sum(alone)} を除く / {sum(alone)} packets without a partner left out" if any(alone) else ""
        )
        lost, n, n_eff = int((probes.lost > 0).sum()), probes.n, self._loss_n_eff()

        def interval(total: int) -> Interval:
            """Return the interval that `total` pairs like these would give."""
            return proportion_interval(lost * total / n, total, max(n_eff * total // n, 1))

        yield link.make(
            "redundant_loss", "round_trip", "ratio", lost / n, n=n, interval=interval(n), n_eff=n_eff, method=BINOMIAL,
            reason=note, filters=filters, project=interval,
        )  # fmt: skip
        gains = self._gains()
        yield self._gain("redundant_loss_gain", "round_trip", "ratio", gains["loss", "ratio"], filters)
        if direction is None:
            yield self._none("redundant_delay", NO_COMMON, filters)
            return
        values = probes.delays[direction].us[probes.delays[direction].valid]
        counted = histogram(values, int(infinite_delay(probes, direction).sum()))
        kind = "rtt" if direction == "round_trip" else "owd"
        for statistic in PAIR_QUANTILES:
            what: tuple[str, Direction, str] = ("redundant_delay", direction, statistic)
            worth = link.quantile_n_eff(direction, share_of(statistic), counted.n)
            found = quantile(link, what, counted, worth, note, probes.n - counted.n)
            yield msgspec.structs.replace(found, filter=f"{filters}, 損失は無限大 lost = inf")
        if values.size:
            for statistic in PAIR_QUANTILES:
                yield self._gain("redundant_delay_gain", direction, statistic, gains[kind, statistic], filters)

    def _loss_n_eff(self) -> int:
        """Return what the pairs are worth for a proportion: where both never failed together, what each link's are."""
        lost = self.together.lost > 0
        return effective_n(lost) if lost.any() and not lost.all() else self._alone_n_eff()

    def _alone_n_eff(self) -> int:
        """Return what the pairs are worth by the losses of each link, by the delays where neither lost anything."""
        series = [probes.lost > 0 for probes in self.singles]
        varying = [effective_n(lost) for lost in series if lost.any() and not lost.all()]
        return min(varying, default=self.link.loss_n_eff)

    def _gains(self) -> dict[tuple[str, str], tuple[int, Effect]]:
        """Return for each statistic the better single link and the pair against it."""
        better = self._better_ones()
        found: dict[int, dict[tuple[str, str], Effect]] = {}
        for place in set(better.values()):
            single = replace(self.singles[place], t_us=self.together.t_us)
            sides = [Side(probes, time_blocks(probes, self.block_s, int(self.together.t_us[0]))) for probes in
                     (single, self.together)]  # fmt: skip
            effects = compare(
                *sides, is_paired=True, unit_name=f"blocks of {self.block_s:g} s", statistics=PAIR_QUANTILES,
                within_ms=self.profile.parameters.rtt_within_ms,
            )  # fmt: skip
            found[place] = {(effect.id, effect.statistic): effect for effect in effects}
        return {key: (place, found[place][key]) for key, place in better.items() if key in found[place]}

    def _better_ones(self) -> dict[tuple[str, str], int]:
        """Return for each statistic which single link has the smaller value."""
        direction = self.direction
        lost = [float((probes.lost > 0).mean()) for probes in self.singles]
        better = {("loss", "ratio"): int(lost[1] < lost[0])}
        if direction is None:
            return better
        kind = "rtt" if direction == "round_trip" else "owd"
        counted = [
            histogram(probes.delays[direction].us[probes.delays[direction].valid],
                      int(infinite_delay(probes, direction).sum()))
            for probes in self.singles
        ]  # fmt: skip
        for statistic in PAIR_QUANTILES:
            q = share_of(statistic)
            values = [each.at([rank(q, each.n)])[0] if each.n else math.inf for each in counted]
            # Where neither has a value, the one of which anything arrived can at least be compared.
            equal = values[0] == values[1]
            better[kind, statistic] = int(counted[1].finite > counted[0].finite if equal else values[1] < values[0])
        return better

    def _gain(
        self, kpi: str, direction: Direction, statistic: str, found: tuple[int, Effect], filters: str
    ) -> KpiResult:
        which, effect = found
        value = None if effect.difference is None else 0.0 - effect.difference
        ends = (effect.ci_high, effect.ci_low)
        interval = Interval(*(None if end is None else 0.0 - end for end in ends))
        method, reason = _BOOTSTRAP, effect.reason
        if kpi == "redundant_loss_gain" and value == 0.0:
            # What is saved is the share of packets lost on the better link and not on the other: 0 of n. Resampling
            # would say exactly zero.
            interval = proportion_interval(0, effect.n_b, self._alone_n_eff())
            method, reason = BINOMIAL, NONE_SAVED
        scale = f"{effect.a:.6g}" if effect.a is not None else "損失 lost"
        return self.link.make(
            kpi, direction, statistic, value, n=effect.n_b, method=method, reason=reason, interval=interval,
            filters=f"{filters}; {self._better(which, scale)}",
        )  # fmt: skip


def _worse(a: ClockQuality, b: ClockQuality) -> ClockQuality:
    """Return the quality that holds for both: the larger bound, unknown where one is."""
    if not a.is_known or not b.is_known:
        return b if a.is_known else a
    return max(a, b, key=lambda each: each.bound_us or 0.0)
