"""Loss, loss periods, duplication and absence of one link. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from analytics.burst_kpis import burst_kpis
from analytics.link import NO_PACKETS, Link, blind_words, times
from analytics.loss_model_kpis import loss_model_kpis
from analytics.results import Direction, KpiResult
from analytics.statistics import (
    Histogram,
    Interval,
    effective_n,
    proportion_interval,
    quantile_interval,
    rank,
)
from analytics.subject import BINOMIAL, NONE, ORDER


def loss_kpis(link: Link) -> Iterator[KpiResult]:
    """Yield everything that counts packets which did not arrive, or arrived twice."""
    losses = link.losses
    if link.is_blind:
        reason = "; ".join(filter(None, [blind_words(link.n, link.absent, losses.lost), link.unusable_note]))
        yield link.make(
            "loss", "round_trip" if link.packets.measured["round_trip"] else "up", "ratio", None,
            n=link.n + link.absent, reason=reason,
        )  # fmt: skip
    else:
        yield from _ratio(link, "round_trip", losses.lost, losses.sent, 0, link.absent_note)
        if link.lost.has_numbers:
            unknown = losses.undecided
            note = f"方向不明 {unknown} / undecided {unknown}" if unknown else ""
            yield from _ratio(link, "up", losses.up, losses.sent - unknown, unknown, note)
            yield from _ratio(link, "down", losses.down, losses.reflected, unknown, note)
        periods = link.lost.runs.lost
        starts = link.lost.runs.starts
        yield link.count("loss_burst", "round_trip", periods.size, losses.sent, link.worth_of(starts, losses.sent))
        if periods.size:
            yield link.mean("loss_burst", "round_trip", periods)
            yield link.make("loss_burst", "round_trip", "max", float(periods.max()), n=periods.size)
        apart = link.lost.runs.apart
        if apart.size:
            yield link.mean("inter_loss_period", "round_trip", apart, reason=link.absent_note)
            for statistic, value in (("min", apart.min()), ("max", apart.max())):
                yield link.make(
                    "inter_loss_period", "round_trip", statistic, float(value), n=apart.size, reason=link.absent_note
                )  # fmt: skip
        yield from _distances(link, link.lost.distances)
        yield from burst_kpis(link)
        yield from loss_model_kpis(link, link.lost.runs)
    delivered = link.lost.delivered
    if delivered:
        yield from _copies(link, delivered)
    if link.absent:
        yield link.make("absent", "", "count", float(link.absent), n=link.n + link.absent)


def _distances(link: Link, distances: npt.NDArray[np.int64]) -> Iterator[KpiResult]:
    """Yield how far apart losses were, and how many were too near to the one before; each session begins anew."""
    known = distances[distances > 0]
    if not distances.size:
        return
    if known.size:
        counted = Histogram(*np.unique(known, return_counts=True))
        n, worth = int(known.size), effective_n(known)
        yield link.mean("loss_distance", "round_trip", known, reason=link.absent_note)
        for statistic, value, interval, method in (
            ("min", float(counted.values[0]), NONE, ""),
            ("p50", counted.at([rank("0.5", n)])[0], quantile_interval(counted, "0.5", worth), ORDER),
            ("max", float(counted.values[-1]), NONE, ""),
        ):
            yield link.make(
                "loss_distance", "round_trip", statistic, value, n=n, n_eff=worth if method else None,
                interval=interval, method=method, reason=link.absent_note,
            )  # fmt: skip
    delta = link.subject.profile.parameters.loss_constraint
    is_noticeable = (distances > 0) & (distances <= delta)
    hits, total = int(np.count_nonzero(is_noticeable)), int(distances.size)
    worth = effective_n(is_noticeable)
    yield link.make(
        "loss_noticeable", "round_trip", "ratio", hits / total, n=total, n_eff=worth, method=BINOMIAL,
        interval=proportion_interval(hits, total, worth), reason=link.absent_note,
        filters=f"損失制約 δ = {delta} パケット / loss constraint delta = {delta} packets",
        project=lambda n: proportion_interval(hits * n / total, n, max(worth * n // total, 1)),
    )  # fmt: skip


def _copies(link: Link, delivered: int) -> Iterator[KpiResult]:
    """Yield the further copies of a packet that arrived, and the share of packets of which there were any.

    Worth is that of coming more than once; where all packets fared alike, what losses are worth. Copies of one packet
    come together: they are as many events as equal numbers of copies with the same mean and spread would be. Some
    copies may have come too late to count, so that they would be of more packets than were delivered.
    """
    packets = link.packets
    worth = packets.replicated_n_eff()
    n_eff = min(link.loss_n_eff if worth is None else worth, delivered)
    each = packets.copies_each
    ratio = packets.duplicates / delivered
    events = min(ratio / each, 1.0)

    def interval(total: int) -> Interval:
        """Return the interval that `total` packets like these would give."""
        around = proportion_interval(events * total, total, max(n_eff * total // delivered, 1))
        return Interval(
            *(
                None if end is None else bound(end * each, ratio)
                for bound, end in ((min, around.low), (max, around.high))
            )
        )

    yield link.make(
        "duplication", "round_trip", "ratio", ratio, n=delivered, n_eff=n_eff, method=BINOMIAL,
        interval=interval(delivered), project=interval,
    )  # fmt: skip
    hits = min(packets.replicated, delivered)
    yield link.make(
        "replication", "round_trip", "ratio", hits / delivered, n=delivered, n_eff=n_eff, method=BINOMIAL,
        interval=proportion_interval(hits, delivered, n_eff),
    )  # fmt: skip


def _ratio(  # noqa: PLR0917 - counts of one direction
    link: Link, direction: Direction, lost: int, sent: int, unknown: int, note: str
) -> Iterator[KpiResult]:
    """Yield ratio and count; `unknown` further losses may all be of this direction, or none of them."""
    if not sent:
        yield link.make("loss", direction, "ratio", None, n=0, reason=NO_PACKETS)
        return
    n_eff = max(int(link.loss_n_eff * sent / link.n), 1)

    def interval(total: int) -> Interval:
        """Return the interval that `total` packets like these would give."""
        scale, worth = total / sent, max(n_eff * total // sent, 1)
        low = proportion_interval(lost * scale, total, worth).low
        high = proportion_interval((lost + unknown) * scale, round((sent + unknown) * scale), worth).high
        return Interval(low, high)

    around = interval(sent)
    yield link.make(
        "loss", direction, "ratio", lost / sent, n=sent, interval=around, n_eff=n_eff, method=BINOMIAL, reason=note,
        project=interval,
    )  # fmt: skip
    yield link.make(
        "loss", direction, "count", float(lost), n=sent, interval=times(around, sent), n_eff=n_eff, method=BINOMIAL,
        reason=note,
    )  # fmt: skip
