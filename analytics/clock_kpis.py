"""How good the clocks of a link were over the time that was measured. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from analytics.clock_record import ClockRecord
from analytics.definitions import BY_ID
from analytics.link import Link
from analytics.results import MS, KpiResult
from analytics.statistics import Interval, share_of
from analytics.subject import NONE

WEIGHTED = "測定時間で重み付け / weighted by time"


def clock_kpis(link: Link) -> Iterator[KpiResult]:
    """Yield the bound of both clocks together and the share of time beyond the limit.

    Only where a one-way delay was measured. They are facts of the run: no sampling widens them.
    """
    record = link.subject.clock.record
    if record is None or not (link.packets.measured["up"] or link.packets.measured["down"]):
        return
    limit_us = link.subject.profile.parameters.clock_limit_us
    filters = f"限度 ±{limit_us / MS:.4g} ms / limit ±{limit_us / MS:.4g} ms"
    if not record.n:
        for kpi in ("clock_bound", "clock_poor"):
            for statistic in BY_ID[kpi].statistics:
                yield link.make(kpi, "", statistic, None, n=0, reason=record.reason, filters=filters)
        return
    for statistic in BY_ID["clock_bound"].statistics:
        value_us = bound_at(record, "1" if statistic == "max" else share_of(statistic))
        is_known = math.isfinite(value_us)
        value = value_us / MS if is_known else None
        yield link.make(
            "clock_bound", "", statistic, value, n=record.n, filters=WEIGHTED,
            interval=Interval(value, value) if is_known else NONE, reason=_ends(record) if is_known else record.reason,
        )  # fmt: skip
    share = poor_share(record, limit_us)
    yield link.make(
        "clock_poor", "", "ratio", share, n=record.n, interval=Interval(share, share), filters=filters,
        reason=record.reason,
    )  # fmt: skip


def bound_at(record: ClockRecord, q: str) -> float:
    """Return the smallest bound (us) that holds for at least the share `q` of the time; infinite where unknown."""
    bound_us = np.where(np.isfinite(record.bound_us), record.bound_us, np.inf)
    order = np.argsort(bound_us)
    until_us = np.cumsum(record.length_us[order])
    least_us = math.ceil(Fraction(q) * int(until_us[-1])) if until_us.size else 0
    return float(bound_us[order][np.searchsorted(until_us, least_us)]) if until_us.size else math.inf


def poor_share(record: ClockRecord, limit_us: float) -> float:
    """Return the share of the time in which the bound is unknown or beyond the limit."""
    is_poor = ~(record.bound_us <= limit_us)
    return float(record.length_us[is_poor].sum() / record.length_us.sum()) if record.length_us.size else 1.0


def _ends(record: ClockRecord) -> str:
    own, far = ("-" if us is None else f"±{us / MS:.4g} ms" for us in (record.own_us, record.far_us))
    return f"最大 端末側 {own}、対向側 {far} / largest: own {own}, far {far}"
