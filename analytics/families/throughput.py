"""Throughput of one link, by protocol and direction. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from analytics.definitions import BY_ID
from analytics.figures import Figures
from analytics.results import MS, Direction, KpiResult
from analytics.series import Bools, Floats, Series

_MBIT = 1e6
NO_LENGTHS = "測定区間の長さなし / no length of an interval was recorded"


def evaluate_throughput(tests: Series, figures: Figures) -> list[KpiResult]:
    """Return the throughput KPIs of a link; tests at measuring points are those of `analytics.families.points`."""
    results: list[KpiResult] = []
    words, protocols = tests.text("direction"), tests.text("protocol")
    directions: tuple[Direction, ...] = ("up", "down")
    for direction in directions:
        for protocol in ("tcp", "udp"):
            mine = tests.where(np.asarray((words == direction) & (protocols == protocol), bool))
            moving = mine.where(~at_points(mine))
            if moving.n:
                results += _rates(moving, protocol, direction, figures)
            elif mine.n:
                results += _only_at_points(protocol, direction, figures)
            if protocol == "udp":
                results += _losses(mine, direction, figures)
    return results


def at_points(tests: Series) -> Bools:
    """Tell which rows are of a test at a measuring point."""
    return np.asarray(np.not_equal(tests.text("point"), np.array(None, object)), np.bool_)


def rates_bps(rows: Series) -> Floats:
    """Return the rate of each interval of a stream: as recorded, else its bytes over its length; NaN without either."""
    rate, interval_s = rows.number("rate_bps"), rows.number("interval_s")
    derived = np.divide(
        8 * rows.number("bytes"), interval_s, out=np.full(rows.n, np.nan), where=np.nan_to_num(interval_s) > 0
    )
    return np.asarray(np.where(np.isfinite(rate), rate, derived))


def uplink_bps(tests: Series) -> tuple[Floats, str]:
    """Return the rates of the uplink tests and their protocol: UDP where there is any, for video is sent so, else TCP.

    Never both: TCP yields to loss and to its own start, UDP sends what it was told to.
    """
    words, protocols = tests.text("direction"), tests.text("protocol")
    for protocol in ("udp", "tcp"):
        rates = rates_bps(tests.where(np.asarray((words == "up") & (protocols == protocol), bool)))
        if np.isfinite(rates).any():
            return rates, protocol
    return np.empty(0), ""


def _only_at_points(protocol: str, direction: Direction, figures: Figures) -> Iterator[KpiResult]:
    """Yield what is required of the drive's tests where there are none: "not measured" would hide those at points."""
    kpi = f"throughput_{protocol}"
    reason = f"測定点での試行のみ: point_{kpi} を見る / tests at measuring points only: see point_{kpi}"
    for statistic in BY_ID[kpi].statistics:
        if figures.subject.profile.find(kpi, direction, statistic, figures.subject.link) is not None:
            yield figures.make(kpi, statistic, None, n=0, direction=direction, reason=reason)


def _rates(tests: Series, protocol: str, direction: Direction, figures: Figures) -> Iterator[KpiResult]:
    rate, length_s = rates_bps(tests), tests.number("interval_s")
    # A rate without the length of its interval has its place among the quantiles, and no weight in time.
    known = np.isfinite(rate) & np.isfinite(length_s)
    total_s = float(length_s[known].sum())
    # The last interval of a test is shorter: bytes over seconds, not the mean of the rates.
    mean = float((rate[known] * length_s[known]).sum()) / total_s / _MBIT if total_s else None
    parallel = tests.number("parallel")
    streams = f"並列 {np.nanmin(parallel):.0f} から {np.nanmax(parallel):.0f}" if np.isfinite(parallel).any() else ""
    yield from figures.spread(
        f"throughput_{protocol}", rate / _MBIT, direction=direction, mean=mean, filters=streams, at_least=0.0
    )
    required: Any = getattr(figures.subject.profile.parameters, f"required_{direction}_mbps")
    if required is not None and np.isfinite(rate).any():
        sufficiency = figures.share(
            "bandwidth_sufficiency", rate[known] >= required * _MBIT, weights=length_s[known], direction=direction,
            filters=f"{protocol.upper()} ≧ {required:g} Mbit/s", reason="" if total_s else NO_LENGTHS,
        )  # fmt: skip
        yield msgspec.structs.replace(sufficiency, variant=protocol)


def _losses(tests: Series, direction: Direction, figures: Figures) -> Iterator[KpiResult]:
    jitter_us = tests.number("jitter_us")
    if np.isfinite(jitter_us).any():
        yield from figures.spread("udp_jitter", jitter_us / MS, direction=direction, at_least=0.0)
    packets, lost = tests.number("packets"), tests.number("lost_packets")
    counted = np.isfinite(packets) & np.isfinite(lost) & (packets > 0)
    if counted.any():
        yield figures.pooled("udp_loss", lost[counted], packets[counted], direction=direction)
