"""Reordering of one link, where its direction's arrival is known. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from analytics.definitions import N_REORDERING
from analytics.link import MS, Link
from analytics.packet_order import reordering
from analytics.results import Direction, KpiResult
from analytics.statistics import effective_n, proportion_interval
from analytics.subject import BINOMIAL


def order_kpis(link: Link, direction: Direction) -> Iterator[KpiResult]:
    """Yield how many packets came out of order, and how far; the way back is left out: its sending order is not kept.

    Without a delay there is nothing to order, and nothing is yielded.
    """
    delivered = int(np.count_nonzero(link.probes.delays[direction].valid))
    if direction == "down" or not delivered:
        return
    found = reordering(link.probes, direction)
    late = found.extents.size
    share = late / delivered
    n_eff = min(link.loss_n_eff, delivered)
    if late:
        n_eff = effective_n(found.is_reordered, math.sqrt(share * (1 - share)))
    yield link.make(
        "reordering", direction, "ratio", share, n=delivered, n_eff=n_eff, method=BINOMIAL,
        interval=proportion_interval(late, delivered, n_eff),
    )  # fmt: skip
    yield link.make("reordering", direction, "count", float(late), n=delivered)
    for statistic, degree in N_REORDERING.items():
        hits = int(np.count_nonzero(found.degrees >= degree))
        yield link.make(
            "n_reordering", direction, statistic, hits / delivered, n=delivered, n_eff=n_eff, method=BINOMIAL,
            interval=proportion_interval(hits, delivered, n_eff),
        )  # fmt: skip
    if not late:
        return
    for kpi, values, unit in (("reordering_extent", found.extents, 1.0), ("reordering_late", found.late_us, MS)):
        yield link.make(kpi, direction, "mean", float(values.mean()) / unit, n=late)
        yield link.make(kpi, direction, "max", float(values.max()) / unit, n=late)
