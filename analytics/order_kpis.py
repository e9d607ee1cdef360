"""Reordering of one link, where its direction's arrival is known. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analytics.definitions import N_REORDERING
from analytics.link import Link
from analytics.packet_order import OrderScan
from analytics.results import MS, Direction, KpiResult
from analytics.statistics import proportion_interval
from analytics.subject import BINOMIAL


def order_kpis(link: Link, direction: Direction) -> Iterator[KpiResult]:
    """Yield how many packets came out of order, and how far; the way back is left out: its sending order is not kept.

    Without a delay there is nothing to order, and nothing is yielded.
    """
    if direction == "down":
        return
    found = link.order(direction)
    delivered, late = found.delivered, found.extents.size
    if not delivered:
        return
    share = late / delivered
    n_eff = found.n_eff if late else min(link.loss_n_eff, delivered)
    yield link.make(
        "reordering", direction, "ratio", share, n=delivered, n_eff=n_eff, method=BINOMIAL,
        interval=proportion_interval(late, delivered, n_eff),
    )  # fmt: skip
    yield link.count("reordering", direction, late, delivered, n_eff)
    for statistic, degree in N_REORDERING.items():
        hits = int(np.count_nonzero(found.degrees >= degree))
        yield link.make(
            "n_reordering", direction, statistic, hits / delivered, n=delivered, n_eff=n_eff, method=BINOMIAL,
            interval=proportion_interval(hits, delivered, n_eff),
        )  # fmt: skip
    if not late:
        return
    for kpi, values, unit in (("reordering_extent", found.extents, 1.0), ("reordering_late", found.late_us, MS)):
        yield link.mean(kpi, direction, values, scale=1 / unit)
        yield link.make(kpi, direction, "max", float(values.max()) / unit, n=late)
    yield from _held(link, direction, found)
    yield from _spread(link, direction, found)


def _held(link: Link, direction: Direction, found: OrderScan) -> Iterator[KpiResult]:
    """Yield what a receiver must hold to restore the order, in packets, and in bytes where their length is known."""
    each = link.subject.profile.parameters.payload_bytes
    asked = [("reordering_held", 1, ""), ("reordering_byte_offset", each, f"ペイロード {each} B / payload of {each} B")]
    for kpi, scale, filters in asked:
        if scale is not None:
            yield link.mean(kpi, direction, found.held, scale=scale, filters=filters)
            most = float(found.held.max() * scale)
            yield link.make(kpi, direction, "max", most, n=found.held.size, filters=filters)


def _spread(link: Link, direction: Direction, found: OrderScan) -> Iterator[KpiResult]:
    """Yield how far apart reordering happened, and how long the packets between came in order."""
    runs, gaps = found.pattern.runs, found.pattern.gaps
    early = found.pattern.early
    worth = link.worth_of(early, found.delivered)
    yield link.count("reordering_discontinuity", direction, early.size, found.delivered, worth)
    yield link.mean("reordering_discontinuity_size", direction, found.sizes)
    yield link.make("reordering_discontinuity_size", direction, "max", float(found.sizes.max()), n=early.size)
    if gaps.size:
        yield link.mean("reordering_gap", direction, gaps)
        yield link.make("reordering_gap", direction, "min", float(gaps.min()), n=gaps.size)
    yield link.mean("reordering_free_run", direction, runs)
    yield link.make("reordering_free_run", direction, "max", float(runs.max()), n=runs.size)
    # What overtook the first reordered packet came in order: there is one at least.
    in_order = int(runs.sum())
    weighted = float(np.square(runs.astype(np.float64)).sum()) / in_order
    yield link.make("reordering_free_run", direction, "weighted", weighted, n=in_order)
