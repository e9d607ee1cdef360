"""Bursts of loss and the gaps between them, of one link. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from analytics.bursts import Bursts, bursts_of
from analytics.definitions import GMIN
from analytics.link import Link
from analytics.results import MS, KpiResult
from analytics.statistics import effective_n, proportion_interval
from analytics.subject import BINOMIAL

NO_BURST = "バーストなし / no burst"
ONLY_BURSTS = "全てバースト / all of it is bursts"
NO_INTERVAL = "送信間隔が不明 / the interval of sending is not known"
_FILTER = f"Gmin = {GMIN}"


def burst_kpis(link: Link) -> Iterator[KpiResult]:
    """Yield density and duration of bursts and of gaps; a burst is one sample for what was lost in it."""
    found, note = bursts_of(link.lost.runs, GMIN), link.absent_note
    packets, count = int(found.packets.sum()), int(found.packets.size)
    if count:
        lost = int(found.lost.sum())
        # How far each burst is from the density of all, in whole numbers: bursts alike do not vary at all.
        worth = effective_n(found.lost * packets - found.packets * lost)
        yield link.make(
            "burst_density", "round_trip", "ratio", lost / packets, n=packets, n_eff=worth, method=BINOMIAL,
            interval=proportion_interval(lost, packets, worth), reason=note, filters=_FILTER,
        )  # fmt: skip
    else:
        yield link.make("burst_density", "round_trip", "ratio", None, n=0, reason=NO_BURST, filters=_FILTER)
    if found.gap_packets:
        worth = max(link.loss_n_eff * found.gap_packets // link.n, 1)
        yield link.make(
            "gap_density", "round_trip", "ratio", found.gap_lost / found.gap_packets, n=found.gap_packets,
            n_eff=worth, method=BINOMIAL, interval=proportion_interval(found.gap_lost, found.gap_packets, worth),
            reason=note, filters=_FILTER,
        )  # fmt: skip
    else:
        yield link.make("gap_density", "round_trip", "ratio", None, n=0, reason=ONLY_BURSTS, filters=_FILTER)
    yield from _durations(link, found)


def _durations(link: Link, found: Bursts) -> Iterator[KpiResult]:
    interval_us, note = link.lost.interval_us, link.absent_note
    count = int(found.packets.size)
    yield link.count(
        "burst_duration", "round_trip", count, link.n, link.worth_of(found.starts, link.n), unit="1", reason=note,
        filters=_FILTER,
    )  # fmt: skip
    if interval_us is None:
        for kpi, n in (("burst_duration", count), ("gap_duration", found.gaps.size)):
            if n:
                yield link.make(kpi, "round_trip", "mean", None, n=n, reason=NO_INTERVAL, filters=_FILTER)
        return
    each_ms = interval_us / MS
    if found.packets.size:
        yield link.mean(
            "burst_duration", "round_trip", found.packets, scale=each_ms, reason=note, filters=_FILTER
        )  # fmt: skip
        yield link.make(
            "burst_duration", "round_trip", "max", float(found.packets.max()) * each_ms, n=found.packets.size,
            reason=note, filters=_FILTER,
        )  # fmt: skip
    if found.gaps.size:
        yield link.mean("gap_duration", "round_trip", found.gaps, scale=each_ms, reason=note, filters=_FILTER)
