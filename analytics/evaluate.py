"""All KPIs of one link over one window: from arrays to results with interval, clock quality and verdict.

Pure: no I/O, no clock. `analytics.loader` brings the arrays.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.availability import Availability, availability
from analytics.clock import ClockQuality
from analytics.definitions import BY_ID, QUANTILES, definitions_hash
from analytics.delay import arrival_order, ipdv_us, pdv_us, rfc3550_jitter_us
from analytics.loss import count_losses, loss_periods
from analytics.probes import ProbeArrays, absent
from analytics.requirements import Profile
from analytics.results import MISSED, REFERENCE_ONLY, UNDECIDED, Direction, KpiResult
from analytics.special import poisson_lower, poisson_upper
from analytics.statistics import (
    CONFIDENCE,
    Histogram,
    Interval,
    effective_n,
    histogram,
    mean_interval,
    proportion_interval,
    quantile_interval,
    rank,
)
from analytics.verdict import judge

MS = 1000.0
DIRECTIONS: tuple[Direction, ...] = ("round_trip", "up", "down")
_NONE = Interval(None, None)
_ORDER = "order statistics on n_eff (Geyer)"
_BINOMIAL = "Clopper-Pearson on n_eff (Geyer)"
_STUDENT = "Student on n_eff (Geyer)"
NO_PACKETS = "測定データなし / no packets"
NOT_MEASURED = "遅延の測定なし / no delay was measured"
AMONG_LOST = "到達せず: この順位は損失パケットに当たる / the rank lies among lost packets"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is evaluated: who, when, under which requirements, and how good the clocks are."""

    device: str
    link: str
    started_at: datetime
    ended_at: datetime
    profile: Profile
    clock: ClockQuality


def _quantile_name(statistic: str) -> str:
    return f"{float(statistic[1:]) / 100:.6g}"


class _Link:
    """One link's packets with what several KPIs need, computed once."""

    def __init__(self, probes: ProbeArrays, subject: Subject) -> None:
        self.probes = probes
        self.subject = subject
        self.losses = count_losses(probes)
        self.absent = absent(probes)
        self.definitions_hash = definitions_hash()
        self._delay_n_eff: dict[str, int] = {}

    @cached_property
    def loss_n_eff(self) -> int:
        """Worth of the packets for a proportion: the loss indicator's, or the delays' where nothing was lost."""
        lost = self.probes.lost > 0
        if lost.any() and not lost.all():
            return effective_n(lost)
        return min((self.delay_n_eff(direction) for direction in self.directions()), default=self.probes.n)

    @property
    def is_blind(self) -> bool:
        """A recording that never says "lost" and skips numbers cannot tell a lost packet from one not measured."""
        return not self.losses.lost and self.absent > 0

    @cached_property
    def absent_note(self) -> str:
        """What is said beside every ratio and quantile that absent packets could have changed."""
        return f"欠番 {self.absent} を含まない / {self.absent} absent numbers not counted" if self.absent else ""

    def directions(self) -> list[Direction]:
        """Directions in which any delay was measured; the round trip also where everything was lost."""
        found = [direction for direction in DIRECTIONS if self.probes.has(direction)]
        return found or (["round_trip"] if self.probes.n else [])

    def delay_n_eff(self, direction: str) -> int:
        """Worth of the delivered packets' delays."""
        if direction not in self._delay_n_eff:
            delay = self.probes.delays[direction]
            self._delay_n_eff[direction] = effective_n(delay.us[delay.valid])
        return self._delay_n_eff[direction]

    def make(
        self, kpi: str, direction: Direction, statistic: str, value: float | None, *, n: int,
        interval: Interval = _NONE, n_eff: int | None = None, method: str = "", reason: str = "", filters: str = "",
        unit: str = "",
    ) -> KpiResult:  # fmt: skip
        """Build one result and judge it; infinities (lost packets) are judged as such and given as None."""
        definition = BY_ID[kpi]
        subject = self.subject
        is_one_way = kpi in {"owd", "reliability"} and direction in {"up", "down"}
        requirement = subject.profile.find(kpi, direction, statistic, subject.link)
        verdict = needed = None
        if requirement is not None and definition.better:
            judged = judge(value, _widened(interval, subject, is_one_way, kpi), requirement.limit, definition.better, n)
            verdict, needed = judged.verdict, judged.needed_n
            if is_one_way and not subject.clock.is_known:
                # Neither met nor missed by a clock that nobody knows; packets that never came need no clock.
                is_certain = verdict == MISSED and value is not None and math.isinf(value)
                verdict, needed = (verdict if is_certain else UNDECIDED), None
        value, bounds = _finite(value), Interval(_finite(interval.low), _finite(interval.high))
        notes = [reason] if reason else []
        if is_one_way and not subject.clock.is_known:
            notes.insert(0, f"{REFERENCE_ONLY}: {subject.clock.reason}")
        return KpiResult(
            id=kpi, device=subject.device, link=subject.link, direction=direction, statistic=statistic,
            value=value, unit=unit or definition.unit, ci_low=bounds.low, ci_high=bounds.high, n=n, verdict=verdict,
            definition=definition.citation, reason="; ".join(notes),
            required=None if requirement is None else requirement.limit,
            required_source="" if requirement is None else requirement.source, needed_n=needed, n_eff=n_eff,
            ci_method=method if bounds != _NONE else "", clock=subject.clock.word if is_one_way else "",
            clock_bound_us=subject.clock.bound_us if is_one_way else None, started_at=subject.started_at,
            ended_at=subject.ended_at, filter=filters, name_ja=definition.name_ja, name_en=definition.name_en,
            data_hash=self.probes.data_hash, definition_hash=self.definitions_hash,
        )  # fmt: skip


def _finite(value: float | None) -> float | None:
    return None if value is None or math.isinf(value) else value


def _widened(interval: Interval, subject: Subject, is_one_way: bool, kpi: str) -> Interval:
    """Add the clock's uncertainty to a one-way delay's interval; a reliability's interval holds it already."""
    if not is_one_way or kpi != "owd" or not subject.clock.bound_us:
        return interval
    shift = subject.clock.bound_us / MS
    return Interval(
        None if interval.low is None else interval.low - shift, None if interval.high is None else interval.high + shift
    )


def evaluate_link(probes: ProbeArrays, subject: Subject) -> list[KpiResult]:
    """Return every KPI of one link. Without packets each is null with its reason; nothing is made up."""
    link = _Link(probes, subject)
    if not probes.n:
        return [
            link.make(kpi, "round_trip", statistic, None, n=0, reason=NO_PACKETS)
            for kpi in ("rtt", "loss", "reliability", "availability")
            for statistic in BY_ID[kpi].statistics
        ]
    results: list[KpiResult] = []
    for direction in link.directions():
        results += _delay(link, direction)
        results += _variation(link, direction)
    results += _loss(link)
    for direction in link.directions():
        results.append(_reliability(link, direction))
    results += _availability(link, link.directions()[0])
    return results


def _ms(value: float | None) -> float | None:
    return None if value is None else value / MS


def _in_ms(interval: Interval) -> Interval:
    return Interval(_ms(interval.low), _ms(interval.high))


def _delay(link: _Link, direction: Direction) -> Iterator[KpiResult]:
    kpi = "rtt" if direction == "round_trip" else "owd"
    delay = link.probes.delays[direction]
    values = delay.us[delay.valid]
    lost = _lost_in(link, direction)
    counted = histogram(values, lost)
    n_eff = max(int(link.delay_n_eff(direction) * counted.n / max(values.size, 1)), 1)
    elsewhere = link.losses.undecided if direction != "round_trip" else 0
    undecided = f"方向不明の損失 {elsewhere} を含まない / {elsewhere} losses of unknown direction not counted"
    note = "; ".join(filter(None, [undecided if elsewhere else "", link.absent_note]))
    if values.size:
        mean, deviation = float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))
        yield link.make(
            kpi, direction, "mean", mean / MS, n=values.size, n_eff=link.delay_n_eff(direction), method=_STUDENT,
            interval=_in_ms(mean_interval(mean, deviation, link.delay_n_eff(direction))), filters="到達分 delivered",
            reason=note,
        )  # fmt: skip
        yield link.make(kpi, direction, "min", float(values.min()) / MS, n=values.size, filters="到達分 delivered")
    for statistic in QUANTILES:
        yield _quantile(link, (kpi, direction, statistic), counted, n_eff, note)
    if values.size:
        yield link.make(kpi, direction, "max", float(values.max()) / MS, n=values.size, filters="到達分 delivered")


def _quantile(link: _Link, what: tuple[str, Direction, str], counted: Histogram, n_eff: int, note: str) -> KpiResult:
    kpi, direction, statistic = what
    q = _quantile_name(statistic)
    value = counted.at([rank(q, counted.n)])[0]
    interval = quantile_interval(counted, q, n_eff)
    if math.isinf(value):
        note = AMONG_LOST if counted.n else NOT_MEASURED
    filters = "送信全数 all sent (lost = inf)" if kpi in {"rtt", "owd"} else "到達分 delivered"
    return link.make(
        kpi, direction, statistic, _ms(value) if counted.n else None, n=counted.n, interval=_in_ms(interval),
        n_eff=n_eff, method=_ORDER, filters=filters, reason=note,
    )  # fmt: skip


def _lost_in(link: _Link, direction: Direction) -> int:
    """Packets whose delay in this direction is infinite; those lost elsewhere have no delay here and do not count."""
    if direction == "round_trip":
        return link.losses.lost
    return link.losses.up if direction == "up" else link.losses.down


def _variation(link: _Link, direction: Direction) -> Iterator[KpiResult]:
    delay = link.probes.delays[direction]
    pdv = pdv_us(delay)
    steps = np.abs(ipdv_us(link.probes, direction))
    if steps.size:
        n_eff = effective_n(steps)
        mean, deviation = float(steps.mean()), float(steps.std())
        counted = histogram(steps)
        yield link.make(
            "ipdv", direction, "mean", mean / MS, n=steps.size, n_eff=n_eff, method=_STUDENT,
            interval=_in_ms(mean_interval(mean, deviation, n_eff)),
        )  # fmt: skip
        for statistic in ("p95", "p99"):
            yield _quantile(link, ("ipdv", direction, statistic), counted, n_eff, "")
    if pdv.size > 1:
        counted = histogram(pdv)
        for statistic in ("p95", "p99", "p99.9"):
            yield _quantile(link, ("pdv", direction, statistic), counted, link.delay_n_eff(direction), "")
        jitter = rfc3550_jitter_us(arrival_order(link.probes, direction))
        yield link.make("jitter_rfc3550", direction, "mean", float(jitter.mean()) / MS, n=jitter.size)
        yield link.make("jitter_rfc3550", direction, "max", float(jitter.max()) / MS, n=jitter.size)


def _loss(link: _Link) -> Iterator[KpiResult]:
    probes, losses = link.probes, link.losses
    if link.is_blind:
        total = probes.n + link.absent
        low, high = 0.0, link.absent / total
        reason = f"欠番 {link.absent}/{total}: 未測定か損失か区別できない / not measured or lost: {low:g} to {high:.4g}"
        yield link.make(
            "loss", "round_trip" if probes.has("round_trip") else "up", "ratio", None, n=total, reason=reason
        )
    else:
        yield from _loss_of(link, "round_trip", losses.lost, losses.sent, link.absent_note)
        if (probes.refl_seq >= 0).any():
            undecided = f"方向不明 {losses.undecided} / undecided {losses.undecided}" if losses.undecided else ""
            yield from _loss_of(link, "up", losses.up, losses.sent - losses.undecided, undecided)
            yield from _loss_of(link, "down", losses.down, losses.reflected, undecided)
        periods = loss_periods(probes)
        yield link.make("loss_burst", "round_trip", "count", float(periods.size), n=losses.sent)
        if periods.size:
            yield link.make("loss_burst", "round_trip", "mean", float(periods.mean()), n=periods.size)
            yield link.make("loss_burst", "round_trip", "max", float(periods.max()), n=periods.size)
    delivered = int(probes.delivered.sum())
    if delivered:
        yield link.make("duplication", "round_trip", "ratio", probes.duplicates / delivered, n=delivered)
    if link.absent:
        yield link.make("absent", "", "count", float(link.absent), n=probes.n + link.absent)


def _loss_of(link: _Link, direction: Direction, lost: int, sent: int, note: str) -> Iterator[KpiResult]:
    if not sent:
        yield link.make("loss", direction, "ratio", None, n=0, reason=NO_PACKETS)
        return
    n_eff = max(int(link.loss_n_eff * sent / link.probes.n), 1)
    interval = proportion_interval(lost, sent, n_eff)
    yield link.make(
        "loss", direction, "ratio", lost / sent, n=sent, interval=interval, n_eff=n_eff, method=_BINOMIAL, reason=note
    )
    yield link.make("loss", direction, "count", float(lost), n=sent, reason=note)


def _reliability(link: _Link, direction: Direction) -> KpiResult:
    """Share of packets delivered within the bound; what clock, loss elsewhere or a blind recording hides widens it."""
    parameters = link.subject.profile.parameters
    within_ms = parameters.rtt_within_ms if direction == "round_trip" else parameters.owd_within_ms
    delay = link.probes.delays[direction]
    values = delay.us[delay.valid]
    sent = values.size + _lost_in(link, direction)
    hidden = link.probes.n - sent if direction != "round_trip" else 0
    bound_us = (link.subject.clock.bound_us or 0.0) if direction != "round_trip" else 0.0
    limit_us = within_ms * MS
    timely = int((values <= limit_us).sum())
    surely = int((values + bound_us <= limit_us).sum())
    perhaps = int((values - bound_us <= limit_us).sum())
    filters = f"所要遅延 {within_ms:g} ms 以内 / within {within_ms:g} ms"
    if not sent:
        return link.make("reliability", direction, "ratio", None, n=0, reason=NOT_MEASURED, filters=filters)
    unknown = hidden + (link.absent if link.is_blind else 0)
    n_eff = max(min(int(link.loss_n_eff * sent / link.probes.n), effective_n(values <= limit_us)), 1)
    low = proportion_interval(surely, sent + unknown, n_eff).low
    high = proportion_interval(perhaps + unknown, sent + unknown, n_eff).high
    notes = [f"他方向で損失し遅延が不明 {hidden} / {hidden} with unknown delay" if hidden else "", link.absent_note]
    return link.make(
        "reliability", direction, "ratio", timely / sent, n=sent, interval=Interval(low, high), n_eff=n_eff,
        method=_BINOMIAL, filters=filters, reason="; ".join(filter(None, notes)),
    )  # fmt: skip


def _availability(link: _Link, direction: Direction) -> Iterator[KpiResult]:
    parameters = link.subject.profile.parameters
    found = availability(link.probes, direction, round(parameters.t_max_ms * MS), round(parameters.survival_ms * MS))
    filters = f"Tmax {parameters.t_max_ms:g} ms, 生存時間 survival {parameters.survival_ms:g} ms"
    seconds = found.observed_us / 1e6
    is_untimed = not link.probes.has(direction) and bool(link.probes.delivered.any())
    if found.ratio is None or is_untimed:
        reason = NOT_MEASURED if is_untimed else "観測時間が0 / nothing observed"
        yield link.make("availability", direction, "ratio", None, n=0, reason=reason, filters=filters)
        return
    n = max(int(found.up_ratio_by_second.size), 1)
    n_eff = effective_n(found.up_ratio_by_second)
    interval = proportion_interval(found.ratio * n, n, n_eff)
    yield link.make(
        "availability", direction, "ratio", found.ratio, n=n, interval=interval, n_eff=n_eff, filters=filters,
        method=f"{_BINOMIAL} seconds",
        reason="; ".join(filter(None, ["n は観測秒数 / n counts seconds", link.absent_note])),
    )  # fmt: skip
    yield from _outages(link, direction, found, seconds, filters)


def _outages(
    link: _Link, direction: Direction, found: Availability, seconds: float, filters: str
) -> Iterator[KpiResult]:
    lengths_s = (found.end_us - found.start_us) / 1e6
    count = int(lengths_s.size)
    up_s = max(seconds - float(lengths_s.sum()), 0.0)
    tail = (1 + CONFIDENCE) / 2
    rate = Interval(poisson_lower(count, tail), poisson_upper(count, tail))
    observed = f"{seconds:.0f} s 観測 observed"
    yield link.make(
        "outage", direction, "count", float(count), n=count, interval=rate, method="Poisson (exact)", filters=filters,
        reason=observed, unit="1",
    )  # fmt: skip
    longest = float(lengths_s.max()) if count else 0.0
    yield link.make("outage", direction, "max", longest, n=count, filters=filters, reason=observed,
                    interval=Interval(longest, longest))  # fmt: skip
    yield link.make("outage", direction, "total", float(lengths_s.sum()), n=count, filters=filters, reason=observed)
    lower = up_s / poisson_upper(count, CONFIDENCE)
    yield link.make(
        "mtbf", direction, "mean", up_s / count if count else None, n=count, filters=filters,
        interval=Interval(lower, None), method="one-sided 95 %, chi-squared",
        reason="" if count else "停止なし: 下限のみ / no failure: only the lower bound is known",
    )  # fmt: skip


def ping_convention(probes: ProbeArrays, subject: Subject) -> list[KpiResult]:
    """Return what ping itself prints: its statistics include duplicates (ping(8)), RFC 2681's do not."""
    link = _Link(probes, subject)
    delay = probes.delays["round_trip"]
    values: npt.NDArray[Any] = np.concatenate([delay.us[delay.valid], probes.copies_us]).astype(np.float64)
    if not values.size:
        return [link.make("ping_rtt", "round_trip", "mean", None, n=0, reason=NO_PACKETS)]
    mean = float(values.mean())
    deviation = math.sqrt(max(float((values**2).mean()) - mean * mean, 0.0))
    numbers = {"min": float(values.min()), "mean": mean, "max": float(values.max()), "mdev": deviation}
    return [
        link.make("ping_rtt", "round_trip", statistic, value / MS, n=values.size)
        for statistic, value in numbers.items()
    ]
