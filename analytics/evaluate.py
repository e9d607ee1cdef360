"""All KPIs of one link over one window: from arrays to results with interval, clock quality and verdict.

Pure: no I/O, no clock. `analytics.loader` brings the arrays.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.definitions import BY_ID
from analytics.delay_kpis import cdf_kpis, delay_kpis, variation_kpis
from analytics.ip_availability_kpis import interval_counts, ip_availability_kpis
from analytics.link import MS, NO_PACKETS, Link
from analytics.loss_kpis import loss_kpis
from analytics.order_kpis import order_kpis
from analytics.probes import ProbeArrays
from analytics.results import KpiResult
from analytics.service_kpis import availability_kpis, reliability_kpi
from analytics.subject import Subject
from analytics.waiting_time import with_waiting_time, within_waiting_time


def evaluate_link(probes: ProbeArrays, subject: Subject) -> list[KpiResult]:
    """Return every KPI of one link. Without packets each is null with its reason; nothing is made up."""
    probes, waited = within_waiting_time(probes, subject)
    link = Link(probes, subject)
    if not probes.n:
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
    results += availability_kpis(link, link.directions()[0])
    results += ip_availability_kpis(link, interval_counts(probes, subject.profile.parameters))
    return with_waiting_time(results, subject, waited)


def ping_convention(probes: ProbeArrays, subject: Subject) -> list[KpiResult]:
    """Return what ping itself prints: its statistics include duplicates (ping(8)), RFC 2681's do not."""
    link = Link(probes, subject)
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
