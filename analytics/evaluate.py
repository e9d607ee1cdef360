"""All KPIs of one link over one window: from arrays to results with interval, clock quality and verdict.

Pure: no I/O, no clock. `analytics.loader` brings the arrays.
"""

from __future__ import annotations

from analytics.clock_kpis import clock_kpis
from analytics.definitions import BY_ID
from analytics.delay_kpis import cdf_kpis, delay_kpis, variation_kpis
from analytics.ip_availability_kpis import ip_availability_kpis
from analytics.link import NO_PACKETS, Link
from analytics.link_scan import LinkScan
from analytics.loss_kpis import loss_kpis
from analytics.order_kpis import order_kpis
from analytics.probes import ProbeArrays
from analytics.results import MS, KpiResult
from analytics.service_kpis import availability_kpis, reliability_kpi
from analytics.statistics import histogram
from analytics.subject import Subject
from analytics.waiting_time import with_waiting_time


def evaluate_link(packets: LinkScan | ProbeArrays, subject: Subject, *, data_hash: str = "") -> list[KpiResult]:
    """Return every KPI of one link. Without packets each is null with its reason; nothing is made up.

    `packets` are all there are, or what `analytics.link_scan` read of them. `data_hash` is given where they were made
    of other data, whose name it is.
    """
    link = Link(packets, subject, data_hash=data_hash)
    if not link.n:
        return [
            link.make(kpi, "round_trip", statistic, None, n=0, reason=NO_PACKETS)
            for kpi in ("rtt", "loss", "reliability", "availability")
            for statistic in BY_ID[kpi].statistics
        ]
    results: list[KpiResult] = []
    for direction in link.directions():
        results += delay_kpis(link, direction)
        results += cdf_kpis(link, direction)
        results += variation_kpis(link, direction)
        results += order_kpis(link, direction)
    results += loss_kpis(link)
    results += [reliability_kpi(link, direction) for direction in link.directions()]
    for direction in link.directions():
        results += availability_kpis(link, direction)
    results += ip_availability_kpis(link, link.packets.intervals())
    results += clock_kpis(link)
    return with_waiting_time(results, subject, link.packets.waited)


def ping_convention(packets: LinkScan | ProbeArrays, subject: Subject) -> list[KpiResult]:
    """Return what ping itself prints: its statistics include duplicates (ping(8)), RFC 2681's do not."""
    link = Link(packets, subject)
    counted = link.scan("round_trip").measured.merge(histogram(link.packets.copies_us))
    n = counted.n
    if not n:
        return [link.make("ping_rtt", "round_trip", "mean", None, n=0, reason=NO_PACKETS)]
    numbers = {"min": float(counted.values[0]), "mean": counted.mean, "max": float(counted.values[-1]),
               "mdev": counted.deviation}  # fmt: skip
    return [link.make("ping_rtt", "round_trip", statistic, value / MS, n=n) for statistic, value in numbers.items()]
