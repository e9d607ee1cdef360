"""Delay and its variation of one link. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

from analytics.definitions import CDF_MS, QUANTILES
from analytics.jitter import Jitter
from analytics.link import AMONG_LOST, NOT_MEASURED, Link, in_ms
from analytics.results import MS, Direction, KpiResult
from analytics.statistics import (
    Histogram,
    Interval,
    mean_interval,
    proportion_interval,
    quantile_interval,
    rank,
    share_of,
)
from analytics.subject import BINOMIAL, ORDER, ORDER_OF_SHARE, STUDENT

EVERY_16TH = "16パケットごとの値 / its value after every 16th packet"


def delay_kpis(link: Link, direction: Direction) -> Iterator[KpiResult]:
    """Yield mean, extremes and quantiles of one direction; quantiles run over all packets sent."""
    kpi = "rtt" if direction == "round_trip" else "owd"
    delivered = link.scan(direction).possible.counted
    size = delivered.n
    counted = replace(delivered, infinite=link.lost_in(direction))
    worth = link.delay_n_eff(direction)
    hidden = link.hidden(direction)
    elsewhere = link.losses.undecided if direction != "round_trip" else 0
    undecided = f"方向不明の損失 {elsewhere} を含まない / {elsewhere} losses of unknown direction not counted"
    note = "; ".join(filter(None, [undecided if elsewhere else "", link.absent_note]))
    filters = "到達分 delivered"
    if size:
        mean, deviation = delivered.mean, delivered.deviation
        yield link.make(
            kpi, direction, "mean", mean / MS, n=size, n_eff=worth, method=STUDENT, filters=filters,
            interval=in_ms(mean_interval(mean, deviation, worth)), reason=note,
            project=lambda total: in_ms(mean_interval(mean, deviation, max(worth * total // size, 1))),
        )  # fmt: skip
        yield link.make(kpi, direction, "std", deviation / MS, n=size, filters=filters, reason=note)
        yield link.make(kpi, direction, "min", float(delivered.values[0]) / MS, n=size, filters=filters)
    for statistic in QUANTILES:
        n_eff = link.quantile_n_eff(direction, share_of(statistic), counted.n)
        yield quantile(link, (kpi, direction, statistic), counted, n_eff, note, hidden)
    yield quantile(
        link, (kpi, direction, "median"), counted, link.quantile_n_eff(direction, "0.5", counted.n), note, hidden
    )  # fmt: skip
    if size:
        yield link.make(kpi, direction, "max", float(delivered.values[-1]) / MS, n=size, filters=filters)


def cdf_kpis(link: Link, direction: Direction) -> Iterator[KpiResult]:
    """Yield the share of packets sent whose delay was no more than each stated one, lost ones included.

    As with reliability, what the clocks may be off by and packets of which nobody knows widen the interval.
    """
    delivered = link.scan(direction).possible.counted
    size, sent = delivered.n, delivered.n + link.lost_in(direction)
    if not size:
        return
    hidden, bound_us = link.hidden(direction), link.bound_us(direction)
    n_eff = max(int(link.delay_n_eff(direction) * sent / size), 1)
    for statistic, limit_ms in CDF_MS.items():
        limit_us = limit_ms * MS
        surely, perhaps = (delivered.up_to(limit_us + shift_us) for shift_us in (-bound_us, bound_us))

        def interval(total: int, surely: int = surely, perhaps: int = perhaps) -> Interval:
            """Return the interval that `total` packets like these would give."""
            scale, worth = total / sent, max(n_eff * total // sent, 1)
            whole = max(round((sent + hidden) * scale), 1)
            low = proportion_interval(surely * scale, whole, worth).low
            return Interval(low, proportion_interval((perhaps + hidden) * scale, whole, worth).high)

        yield link.make(
            "delay_cdf", direction, statistic, delivered.up_to(limit_us) / sent, n=sent, interval=interval(sent),
            n_eff=n_eff, method=BINOMIAL, filters="送信全数 all sent (lost = inf)", reason=link.absent_note,
            project=interval,
        )  # fmt: skip


def quantile(  # noqa: PLR0917 - what, of which values, and what is not known of them
    link: Link, what: tuple[str, Direction, str], counted: Histogram, n_eff: int, note: str = "", hidden: int = 0
) -> KpiResult:
    """Return one quantile; `hidden` further packets may have been faster than all others, or lost."""
    kpi, direction, statistic = what
    q = "0.5" if statistic == "median" else share_of(statistic)
    value = counted.median if statistic == "median" else counted.at([rank(q, counted.n)])[0]
    if math.isinf(value):
        note = AMONG_LOST if counted.n else NOT_MEASURED
    filters = "送信全数 all sent (lost = inf)" if kpi in {"rtt", "owd"} else "到達分 delivered"
    size = max(counted.n, 1)
    return link.make(
        kpi, direction, statistic, value / MS if counted.n else None, n=counted.n, n_eff=n_eff,
        method=ORDER if kpi == "ipdv" else ORDER_OF_SHARE,
        interval=in_ms(_interval(counted, q, n_eff, hidden)), filters=filters, reason=note,
        project=lambda total: in_ms(_interval(counted, q, max(n_eff * total // size, 1), hidden)),
    )  # fmt: skip


def _interval(counted: Histogram, q: str, n_eff: int, hidden: int) -> Interval:
    """Return the interval of a quantile; hidden packets as the fastest of all for its low end, as lost for its high."""
    if not hidden or not counted.values.size:
        return quantile_interval(counted, q, n_eff)
    more = max(n_eff * (counted.n + hidden) // max(counted.n, 1), 1)
    fastest = counted.counts.copy()
    fastest[0] += hidden
    low = quantile_interval(Histogram(counted.values, fastest, counted.infinite), q, more).low
    high = quantile_interval(Histogram(counted.values, counted.counts, counted.infinite + hidden), q, more).high
    return Interval(low, high)


def variation_kpis(link: Link, direction: Direction) -> Iterator[KpiResult]:
    """Yield IPDV, PDV and jitter: differences of delays, to which an offset of the clocks does nothing."""
    found = link.scan(direction)
    steps, n_eff = found.steps.counted, found.steps.n_eff
    if steps.n:
        yield from _variation(link, ("ipdv", direction), steps, n_eff, lambda _: n_eff)
    if found.measured.n > 1:
        # D(i) - Dmin of the delivered packets (RFC 5481 4.2); what lies above a quantile of D does so above one of PDV.
        pdv = Histogram(found.measured.values - found.measured.values[0], found.measured.counts)
        worth = min(max(link.delay_n_eff(direction), 1), pdv.n)
        yield from _variation(
            link, ("pdv", direction), pdv, worth, lambda q: link.quantile_n_eff(direction, q, pdv.n)
        )  # fmt: skip
        yield from _jitter(link, direction, found.jitter)


def _variation(
    link: Link, what: tuple[str, Direction], counted: Histogram, worth: int, quantile_worth: Callable[[str], int]
) -> Iterator[KpiResult]:
    """Yield the statistics of differences of delays, of delivered packets."""
    kpi, direction = what
    n, mean, deviation = counted.n, counted.mean, counted.deviation
    yield link.make(
        kpi, direction, "mean", mean / MS, n=n, n_eff=worth, method=STUDENT,
        interval=in_ms(mean_interval(mean, deviation, worth)),
        project=lambda total: in_ms(mean_interval(mean, deviation, max(worth * total // n, 1))),
    )  # fmt: skip
    yield link.make(kpi, direction, "std", deviation / MS, n=n)
    yield link.make(kpi, direction, "min", float(counted.values[0]) / MS, n=n)
    for statistic in QUANTILES:
        yield quantile(link, (kpi, direction, statistic), counted, quantile_worth(share_of(statistic)))
    yield link.make(kpi, direction, "max", float(counted.values[-1]) / MS, n=n)


def _jitter(link: Link, direction: Direction, jitter: Jitter) -> Iterator[KpiResult]:
    """Yield mean and maximum of J after each packet, and the quantiles of J after every sixteenth."""
    mean_us, max_us = jitter.result()
    yield link.make("jitter_rfc3550", direction, "mean", mean_us / MS, n=jitter.n)
    sampled = Histogram(*jitter.sampled())
    for statistic in QUANTILES if sampled.n else ():
        value = sampled.at([rank(share_of(statistic), sampled.n)])[0]
        yield link.make("jitter_rfc3550", direction, statistic, value / MS, n=sampled.n, filters=EVERY_16TH)
    yield link.make("jitter_rfc3550", direction, "max", max_us / MS, n=jitter.n)
