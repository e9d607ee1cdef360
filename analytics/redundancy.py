"""What two links of one device gave together, and what the better one alone gave: every pair of links. Pure.

Two views. In time: the pair is down only while both links are, over the time in which both were observed. By packet:
packets sent over both links at about the same time are one message, lost when both are, as fast as the faster one.
Whether losses of two links coincide (one mast, one tunnel) is what a product of two loss ratios cannot know, so
nothing here is multiplied: every figure is of what was measured at the same time.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from analytics.availability import Availability, availability
from analytics.bootstrap import percentile_interval, weights
from analytics.clock import ClockQuality
from analytics.comparison import LEAST_BLOCKS, REPLICATES
from analytics.delay_kpis import quantile
from analytics.delay_scan import DelayScan
from analytics.dictionary.redundancy import PAIR_QUANTILES
from analytics.leg_scan import AskedLeg, Case, asked_leg
from analytics.link import Link, clouded_words
from analytics.link_scan import LinkScan
from analytics.pair_gains import Gain, PairGains
from analytics.pair_scan import JOINT, PairScan, PairsScan
from analytics.probes import ProbeArrays
from analytics.requirements import Profile
from analytics.results import Direction, KpiResult
from analytics.service_kpis import deadline_words
from analytics.spans import Spans, covered_us, overlaps, seconds_of, total_us
from analytics.special import poisson_lower, poisson_upper
from analytics.statistics import CONFIDENCE, Interval, proportion_interval, share_of
from analytics.subject import BINOMIAL, NONE
from analytics.uptime import METHOD, assumed_s, said, uptime_worth
from analytics.waiting_time import Waited, with_waiting_time

__all__ = ["JOINT", "Leg", "down_together", "evaluate_pairs", "pair_kpis"]

NEVER_TOGETHER = "同時に観測した時間なし / never observed at the same time"
NO_PAIRS = "送信時刻の近いパケットの組なし / no packets were sent at about the same time"
NO_COMMON = "両回線で共通して測定した方向がない / no direction was measured on both links"
BLIND = "欠番が未測定か損失か区別できない回線を含む / a link's absent numbers may be lost or not measured"
NONE_CLEAR = (
    "両回線の時計が限度内の間に遅延のわかる組なし / no delays of pairs while both links' clocks were within the limit"
)
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
    """Return the KPIs of every pair of links whose packets are all here."""
    scan = PairsScan([_asked(leg, device, profile) for leg in legs])
    scan.add([leg.probes for leg in legs])
    return pair_kpis(scan)


def _asked(leg: Leg, device: str, profile: Profile) -> AskedLeg:
    extent_us = (int(leg.probes.t_us.min()), int(leg.probes.t_us.max())) if leg.probes.n else (0, 0)
    return asked_leg(device, leg.link, extent_us, profile, leg.clock)


def pair_kpis(scan: PairsScan) -> list[KpiResult]:
    """Return the KPIs of every pair that was read; the best pair of several is named in the reason of its results."""
    pairs = [_Pair(each).results() for each in scan.finish()]
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
    return _together([availability(probes, direction, t_max_us, survival_us) for probes in links])


def _together(found: Sequence[Availability]) -> tuple[Spans, list[Spans], Spans]:
    windows = overlaps(*((each.window_start_us, each.window_end_us) for each in found))
    down = [overlaps((each.start_us, each.end_us), windows) for each in found]
    return windows, down, overlaps(*down)


def _up(down: Sequence[Spans], observed_us: int) -> list[float]:
    """Return the share of the observed time that each was up, of those whose outages are given."""
    return [1 - total_us(each) / observed_us for each in down]


class _Pair:
    """The results of two links, their packets paired."""

    def __init__(self, scan: PairScan) -> None:
        self.scan, self.legs, self.profile = scan, scan.legs, scan.profile
        self.direction = scan.direction
        self.way = scan.ways[self.direction or "round_trip"]
        self.subject = scan.subject
        digest = hashlib.sha256("".join(leg.data_hash() for leg in self.legs).encode()).hexdigest()[:16]
        way = self.direction or "round_trip"
        delays: dict[str, DelayScan] = {way: self.way.together.scan()}
        self.clouded = self.way.clouded
        self.link = Link(
            LinkScan(self.subject), self.subject, data_hash=digest, delays=delays, clouded={way: self.clouded}
        )  # fmt: skip

    def results(self) -> list[KpiResult]:
        """Return all KPIs of the pair; the first is its availability."""
        late = Waited().and_of(*(leg.waited for leg in self.legs))
        return with_waiting_time(self._results(), self.subject, late)

    def _results(self) -> list[KpiResult]:
        if any(leg.is_blind for leg in self.legs):
            return [self._none(kpi, BLIND) for kpi in ("redundant_availability", "redundant_loss", "redundant_delay")]
        in_time = self._in_time() if self.direction else [self._none("redundant_availability", NO_COMMON)]
        return [self._with_hidden(result) for result in (*in_time, *self._by_packet())]

    def _with_hidden(self, result: KpiResult) -> KpiResult:
        """Say what poor clocks hide of the figure, if anything."""
        if result.direction not in {"up", "down"}:
            return result
        limit_us = self.profile.parameters.clock_limit_us
        if result.id == "redundant_delay_gain":
            n, said_of = self.way.left_out, {"are_pairs": True, "are_left_out": True}
        elif result.id == "redundant_delay":
            n, said_of = self.clouded.n, {"are_pairs": True}
        else:
            n, said_of = sum(leg.clouded(result.direction) for leg in self.legs), {}
        note = clouded_words(n, limit_us, **said_of) if n else ""
        return msgspec.structs.replace(result, reason="; ".join(filter(None, [note, result.reason])))

    def _none(self, kpi: str, reason: str, filters: str = "") -> KpiResult:
        statistic = "p50" if kpi in {"redundant_delay", "redundant_delay_gain"} else "ratio"
        return self.link.make(kpi, self.direction or "round_trip", statistic, None, n=0, reason=reason, filters=filters)

    def _down(self, direction: Direction, case: Case) -> tuple[Spans, list[Spans], Spans]:
        return _together([leg.service(direction, case) for leg in self.legs])

    def _in_time(self) -> Iterator[KpiResult]:
        parameters, direction, make = self.profile.parameters, self.direction, self.link.make
        assert direction is not None
        filters = deadline_words(parameters)
        case, *others = self.scan.cases(direction)
        windows, down, both = self._down(direction, case)
        observed_us = total_us(windows)
        if not observed_us:
            yield self._none("redundant_availability", NEVER_TOGETHER, filters)
            return
        cells = seconds_of(windows)
        lengths = cells[1] - cells[0]
        up = [1 - covered_us(spans, cells) / lengths for spans in (both, *down)]
        n = int(lengths.size)
        # Without pairs of packets nothing tells how long their fates hang together.
        assumed = assumed_s(parameters, observed_us / 1e6, self._loss_n_eff() if self.scan.n else n)
        worths = [
            uptime_worth(share, spans[1] - spans[0], observed_us, assumed)
            for share, spans in zip(up, (both, *down), strict=True)
        ]
        n_eff = worths[0]
        cases, shares_up = [both], [_up((both, *down), observed_us)]
        for other in others:
            seen, alone, joint = self._down(direction, other)
            cases.append(joint)
            shares_up.append(_up((joint, *alone), max(total_us(seen), 1)))
            shares = 1 - covered_us(joint, cells) / lengths
            n_eff = min(n_eff, uptime_worth(shares, joint[1] - joint[0], max(total_us(seen), 1), assumed))
        ratios = [each[0] for each in shares_up]

        def interval(total: int) -> Interval:
            """Return the interval that `total` seconds like these would give."""
            worth = max(n_eff * total // n, 1)
            low, high = (proportion_interval(each * total, total, worth) for each in (min(ratios), max(ratios)))
            return Interval(low.low, high.high)

        yield make(
            "redundant_availability", direction, "ratio", ratios[0], n=n, interval=interval(n), n_eff=n_eff,
            filters=filters, method=METHOD, project=interval,
            reason=f"n は観測秒数 / n counts seconds; {said(int(both[0].size), assumed)}",
        )  # fmt: skip
        yield self._time_gained(cells, up, filters, min(worths[1:]), shares_up)
        yield from self._outages(direction, cases, observed_us, filters)

    def _outages(
        self, direction: Direction, cases: Sequence[Spans], observed_us: int, filters: str
    ) -> Iterator[KpiResult]:
        """Yield the outages of both as measured, the first of the cases; the others are what clocks leave open."""
        counts = [int(case[0].size) for case in cases]
        tail = (1 + CONFIDENCE) / 2
        observed = f"{observed_us / 1e6:.0f} s 同時観測 / both observed for {observed_us / 1e6:.0f} s"
        yield self.link.make(
            "redundant_outage", direction, "count", float(counts[0]), n=counts[0], method="Poisson (exact)",
            interval=Interval(poisson_lower(min(counts), tail), poisson_upper(max(counts), tail)), reason=observed,
            filters=filters, unit="1",
        )  # fmt: skip
        longest = [float((case[1] - case[0]).max()) / 1e6 if case[0].size else 0.0 for case in cases]
        totals = [total_us(case) / 1e6 for case in cases]
        for statistic, values in (("max", longest), ("total", totals)):
            # What was observed is a fact of the run; only what clocks leave open widens it.
            yield self.link.make(
                "redundant_outage", direction, statistic, values[0], n=counts[0], filters=filters, reason=observed,
                interval=Interval(min(values), max(values)),
            )  # fmt: skip

    def _time_gained(
        self, cells: Spans, up: list[npt.NDArray[np.float64]], filters: str, alone_n_eff: int,
        shares_up: Sequence[Sequence[float]],
    ) -> KpiResult:  # fmt: skip
        """Return the gain of availability over the better single link, with its interval by blocks of time.

        `alone_n_eff` is what the time is worth by the outages of either link; `shares_up` of the pair and each link
        are those of the case that was measured and of the others that clocks leave open, over which it reaches.
        """
        lengths = cells[1] - cells[0]
        whole = [float((each * lengths).sum() / lengths.sum()) for each in up]
        better = 1 if whole[1] >= whole[2] else 2
        block_us = round(self.scan.block_s * 1e6)
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
        pair, alone = ([each[place] for each in shares_up] for place in (0, better))
        less, more = pair[0] - min(pair) + max(alone) - alone[0], max(pair) - pair[0] + alone[0] - min(alone)
        if interval.low is not None and interval.high is not None:
            # The two are never worse than one of them.
            interval = Interval(max(interval.low - less, min(interval.low, 0.0)), min(interval.high + more, 1.0))
        return self.link.make(
            "redundant_availability_gain", self.direction or "", "ratio", whole[0] - whole[better], n=n,
            interval=interval, method=method, reason=reason,
            filters=f"{filters}; {self._better(better - 1, whole[better])}",
        )  # fmt: skip

    def _better(self, which: int, value: float | None) -> str:
        link, block = self.legs[which].subject.link, f"{self.scan.block_s:.3g} s"
        ja, en = ("損失", "lost") if value is None else (f"{value:.6g}",) * 2
        better = f"良い方の単独回線 {link} ({ja}) / better single link {link} ({en})"
        return f"{better}; ブロック {block} / blocks of {block}"

    def _by_packet(self) -> Iterator[KpiResult]:
        link, direction, n = self.link, self.direction, self.scan.n
        within_ms = self.profile.parameters.pair_within_ms
        filters = f"送信時刻差 {within_ms:g} ms 以内の組 / pairs sent within {within_ms:g} ms"
        if not n:
            for kpi in ("redundant_loss", "redundant_delay"):
                yield self._none(kpi, NO_PAIRS, filters)
            return
        alone = [leg.n - n for leg in self.legs]
        note = (
            f"組にならない {sum(alone)} を除く / {sum(alone)} packets without a partner left out" if any(alone) else ""
        )
        lost, n_eff = self.scan.lost.lost, self._loss_n_eff()

        def interval(total: int) -> Interval:
            """Return the interval that `total` pairs like these would give."""
            return proportion_interval(lost * total / n, total, max(n_eff * total // n, 1))

        yield link.make(
            "redundant_loss", "round_trip", "ratio", lost / n, n=n, interval=interval(n), n_eff=n_eff, method=BINOMIAL,
            reason=note, filters=filters, project=interval,
        )  # fmt: skip
        gains = PairGains(self.scan, direction or "round_trip")
        yield self._gain("redundant_loss_gain", "round_trip", "ratio", gains.loss(), filters)
        if direction is None:
            yield self._none("redundant_delay", NO_COMMON, filters)
            return
        counted = self.way.together.counted()
        for statistic in PAIR_QUANTILES:
            what: tuple[str, Direction, str] = ("redundant_delay", direction, statistic)
            worth = link.quantile_n_eff(direction, share_of(statistic), counted.n)
            found = quantile(link, what, counted, worth, note, n - counted.n, self.clouded)
            yield msgspec.structs.replace(found, filter=f"{filters}; 損失は無限大 / lost = inf")
        if self.way.compared.counted().finite:
            for statistic, gain in gains.delays().items():
                yield self._gain("redundant_delay_gain", direction, statistic, gain, filters)
        elif self.way.left_out:
            yield self._none("redundant_delay_gain", NONE_CLEAR, filters)

    def _loss_n_eff(self) -> int:
        """Return what the pairs are worth for a proportion: where both never failed together, what each link's are."""
        n_eff = self.scan.lost.n_eff()
        return self._alone_n_eff() if n_eff is None else n_eff

    def _alone_n_eff(self) -> int:
        """Return what the pairs are worth by the losses of each link, by the delays where neither lost anything."""
        varying = [n_eff for each in self.scan.single_lost if (n_eff := each.n_eff()) is not None]
        return min(varying, default=max(self.link.delay_n_eff(self.direction or "round_trip"), 1))

    def _gain(self, kpi: str, direction: Direction, statistic: str, gain: Gain, filters: str) -> KpiResult:
        interval, method, reason = gain.interval, _BOOTSTRAP, gain.reason
        if kpi == "redundant_loss_gain" and gain.value == 0.0:
            # What is saved is the share of packets lost on the better link and not on the other: 0 of n. Resampling
            # would say exactly zero.
            interval = proportion_interval(0, gain.n, self._alone_n_eff())
            method, reason = BINOMIAL, NONE_SAVED
        return self.link.make(
            kpi, direction, statistic, gain.value, n=gain.n, method=method, reason=reason, interval=interval,
            filters=f"{filters}; {self._better(gain.better, gain.alone)}",
        )  # fmt: skip
