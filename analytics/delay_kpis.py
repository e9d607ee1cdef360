"""Delay and its variation of one link. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from analytics.definitions import CDF_MS, QUANTILES
from analytics.jitter import Jitter
from analytics.link import AMONG_LOST, NOT_MEASURED, Link, in_ms
from analytics.poor_clock import NOTHING, Clouded
from analytics.results import MS, Direction, KpiResult
from analytics.statistics import (
    Histogram,
    Interval,
    mean_interval,
    quantile_interval,
    rank,
    share_of,
)
from analytics.subject import BINOMIAL, ORDER, ORDER_OF_SHARE, STUDENT
from analytics.within import within

DELIVERED, ALL_SENT = "到達分 / delivered", "送信全数(損失は無限大) / all sent (lost = inf)"
EVERY_16TH = "16パケットごとの値 / its value after every 16th packet"


def delay_kpis(link: Link, direction: Direction) -> Iterator[KpiResult]:
    """Yield mean, extremes and quantiles of one direction; quantiles run over all packets sent."""
    kpi = "rtt" if direction == "round_trip" else "owd"
    delivered = link.scan(direction).possible.counted
    size = delivered.n
    counted = replace(delivered, infinite=link.lost_in(direction))
    clouded = link.clouded(direction)
    worth = link.delay_n_eff(direction)
    hidden = link.hidden(direction)
    elsewhere = link.losses.undecided if direction != "round_trip" else 0
    undecided = f"方向不明の損失 {elsewhere} を含まない / {elsewhere} losses of unknown direction not counted"
    note = "; ".join(filter(None, [undecided if elsewhere else "", link.absent_note]))
    filters = DELIVERED
    if size:
        mean, deviation = delivered.mean, delivered.deviation
        known = clouded_mean(Interval(mean, mean), size, clouded)
        value = min(max(mean, known.low or 0.0), math.inf if known.high is None else known.high)
        # By two clocks a delay may be below nothing (RFC 7679 3.5).
        at_least = 0.0 if direction == "round_trip" else -math.inf
        of_all = link.of_all(f"{delivered.merge(clouded.measured).mean / MS:.6g} ms")
        yield link.make(
            kpi, direction, "mean", value / MS, n=size, n_eff=worth, method=STUDENT, filters=filters,
            interval=in_ms(clouded_mean(mean_interval(mean, deviation, worth, at_least=at_least), size, clouded)),
            reason="; ".join(filter(None, [note, of_all if clouded.n else ""])),
            project=lambda total: in_ms(clouded_mean(
                mean_interval(mean, deviation, max(worth * total // size, 1), at_least=at_least), size, clouded
            )),
        )  # fmt: skip
        yield link.make(kpi, direction, "std", deviation / MS, n=size, filters=filters, reason=note)
        yield link.make(kpi, direction, "min", float(delivered.values[0]) / MS, n=size, filters=filters)
    for statistic in QUANTILES:
        n_eff = link.quantile_n_eff(direction, share_of(statistic), counted.n)
        yield quantile(link, (kpi, direction, statistic), counted, n_eff, note, hidden, clouded)
    n_eff = link.quantile_n_eff(direction, "0.5", counted.n)
    yield quantile(link, (kpi, direction, "median"), counted, n_eff, note, hidden, clouded)
    if size:
        yield link.make(kpi, direction, "max", float(delivered.values[-1]) / MS, n=size, filters=filters)


def cdf_kpis(link: Link, direction: Direction) -> Iterator[KpiResult]:
    """Yield the share of packets sent whose delay was no more than each stated one, lost ones included.

    As with reliability, what the clocks may be off by and packets of which nobody knows widen the interval.
    """
    size = link.scan(direction).possible.counted.n
    if not size:
        return
    n_eff = max(int(link.delay_n_eff(direction) * (size + link.lost_in(direction)) / size), 1)
    for statistic, limit_ms in CDF_MS.items():
        found = within(link, direction, limit_ms * MS)
        sent = found.sent
        yield link.make(
            "delay_cdf", direction, statistic, found.value, n=sent, interval=found.interval(sent, n_eff),
            n_eff=n_eff, method=BINOMIAL, filters=ALL_SENT,
            reason="; ".join(filter(None, [link.absent_note, found.note])),
            project=partial(found.interval, n_eff=n_eff),
        )  # fmt: skip


def quantile(  # noqa: PLR0917 - what, of which values, and what is not known of them
    link: Link, what: tuple[str, Direction, str], counted: Histogram, n_eff: int, note: str = "", hidden: int = 0,
    clouded: Clouded = NOTHING,
) -> KpiResult:  # fmt: skip
    """Return one quantile; `hidden` further packets may have been faster than all others, or lost.

    Of those, `clouded` were delivered, no later than their round trips.
    """
    kpi, direction, statistic = what
    q = "0.5" if statistic == "median" else share_of(statistic)
    value = _estimate(counted, q, hidden, clouded)
    if statistic == "median" and value is not None and not clouded.n:
        value = counted.median
    if value is None:
        note = NOT_MEASURED
    elif math.isinf(value):
        note = AMONG_LOST
    elif clouded.n:
        every = counted.merge(clouded.measured)
        of_all = every.at([rank(q, every.n)])[0] / MS
        note = "; ".join(filter(None, [note, link.of_all("-" if math.isinf(of_all) else f"{of_all:.6g} ms")]))
    filters = ALL_SENT if kpi in {"rtt", "owd"} else DELIVERED
    size = max(counted.n, 1)
    return link.make(
        kpi, direction, statistic, None if value is None else value / MS, n=counted.n, n_eff=n_eff,
        method=ORDER if kpi == "ipdv" else ORDER_OF_SHARE,
        interval=in_ms(_interval(counted, q, n_eff, hidden, clouded)), filters=filters, reason=note,
        project=lambda total: in_ms(_interval(counted, q, max(n_eff * total // size, 1), hidden, clouded)),
    )  # fmt: skip


def _estimate(counted: Histogram, q: str, hidden: int, clouded: Clouded) -> float | None:
    """Return a quantile of all packets sent, None where no delay says what it is.

    Delivered packets that poor clocks hide are taken to be as fast as the others, as far as their round trips allow.
    """
    if not counted.n or (clouded.n and not counted.values.size):
        return None
    if not clouded.n:
        return counted.at([rank(q, counted.n)])[0]
    place, seen = rank(q, counted.n + clouded.n), counted.finite
    if place > seen + clouded.n:
        return math.inf
    value = counted.at([-(-place * seen // (seen + clouded.n))])[0]
    fastest, slowest = _extremes(counted, hidden, clouded)
    return min(max(value, fastest.at([rank(q, fastest.n)])[0]), slowest.at([rank(q, slowest.n)])[0])


def _extremes(counted: Histogram, hidden: int, clouded: Clouded) -> tuple[Histogram, Histogram]:
    """Return the delays with hidden packets as the fastest of all, and as lost or as late as their round trips."""
    fastest = counted.counts.copy()
    fastest[0] += hidden - clouded.n
    fast = Histogram(counted.values, fastest, counted.infinite)
    slow = replace(counted, infinite=counted.infinite + hidden - clouded.n)
    if not clouded.n:
        return fast, slow
    least = np.array([min(int(counted.values[0]), 0)])
    return fast.merge(Histogram(least, np.array([clouded.n]))), slow.merge(clouded.at_most)


def _interval(counted: Histogram, q: str, n_eff: int, hidden: int, clouded: Clouded) -> Interval:
    """Return the interval of a quantile; hidden packets as the fastest of all for its low end, as lost for its high."""
    if not counted.values.size:
        return Interval(None, None) if clouded.n else quantile_interval(counted, q, n_eff)
    if not hidden:
        return quantile_interval(counted, q, n_eff)
    more = max(n_eff * (counted.n + hidden) // max(counted.n, 1), 1)
    fast, slow = _extremes(counted, hidden, clouded)
    return Interval(quantile_interval(fast, q, more).low, quantile_interval(slow, q, more).high)


def clouded_mean(known: Interval, n: int, clouded: Clouded) -> Interval:
    """Return the interval of a mean of `n` delays and those that poor clocks hide, in microseconds."""
    if not clouded.n or known.low is None or known.high is None:
        return known
    total, most = n + clouded.n, clouded.at_most
    latest_us = float((most.values * most.counts).sum())
    return Interval(known.low * n / total, None if most.infinite else (known.high * n + latest_us) / total)


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
        interval=in_ms(mean_interval(mean, deviation, worth, at_least=0.0)),
        project=lambda total: in_ms(mean_interval(mean, deviation, max(worth * total // n, 1), at_least=0.0)),
    )  # fmt: skip
    yield link.make(kpi, direction, "std", deviation / MS, n=n)
    yield link.make(kpi, direction, "min", float(counted.values[0]) / MS, n=n)
    for statistic in QUANTILES:
        yield quantile(link, (kpi, direction, statistic), counted, quantile_worth(share_of(statistic)))
    yield link.make(kpi, direction, "max", float(counted.values[-1]) / MS, n=n)


def _jitter(link: Link, direction: Direction, jitter: Jitter) -> Iterator[KpiResult]:
    """Yield mean and maximum of J after each packet, and the quantiles of J after every sixteenth."""
    mean_us, max_us = jitter.result()
    deviation_us, sampled_worth = jitter.sampled_worth()
    worth = max(sampled_worth, 1)
    yield link.make(
        "jitter_rfc3550", direction, "mean", mean_us / MS, n=jitter.n, n_eff=worth, method=STUDENT,
        interval=in_ms(mean_interval(mean_us, deviation_us, worth, at_least=0.0)),
        project=lambda n: in_ms(mean_interval(mean_us, deviation_us, max(worth * n // jitter.n, 1), at_least=0.0)),
    )  # fmt: skip
    sampled, worths = Histogram(*jitter.sampled()), jitter.sampled_n_eff(sampled_worth)
    for statistic in QUANTILES if sampled.n else ():
        q = share_of(statistic)
        value, n_eff = sampled.at([rank(q, sampled.n)])[0], worths[q]
        yield link.make(
            "jitter_rfc3550", direction, statistic, value / MS, n=sampled.n, filters=EVERY_16TH, n_eff=n_eff,
            interval=in_ms(quantile_interval(sampled, q, n_eff)), method=ORDER_OF_SHARE,
        )  # fmt: skip
    yield link.make("jitter_rfc3550", direction, "max", max_us / MS, n=jitter.n)
