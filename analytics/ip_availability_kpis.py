"""Availability of the IP service of one link, and its loss in available time (ITU-T Y.1540). Pure.

Computed only where the profile states c1, Tav, the least number of packets and where they come from.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from analytics.ip_availability import IntervalCounts, IpAvailability, ip_availability
from analytics.link import Link
from analytics.requirements import Parameters
from analytics.results import KpiResult
from analytics.statistics import Interval, effective_n, proportion_interval
from analytics.subject import BINOMIAL

NONE_AVAILABLE = "稼働と判定した区間なし / no interval was available"


class _Asked(NamedTuple):
    c1: float
    tav_s: float
    least_packets: int
    source: str

    @property
    def words(self) -> str:
        """What a result says of how it came about."""
        return (
            f"c1 {self.c1:g}, Tav {self.tav_s:g} s; 最少パケット数 {self.least_packets} / "
            f"least packets {self.least_packets}; 出典: {self.source} / source: {self.source}"
        )


def _asked(parameters: Parameters) -> _Asked | None:
    """Return what the profile states; None where it does not."""
    c1, tav_s, least = parameters.ip_unavailable_loss, parameters.ip_interval_s, parameters.ip_least_packets
    if c1 is None or tav_s is None or least is None or not parameters.ip_source:
        return None
    return _Asked(c1, tav_s, least, parameters.ip_source)


def ip_availability_kpis(link: Link, counts: IntervalCounts | None) -> Iterator[KpiResult]:
    """Yield PIA and the loss ratio in available time; nothing where the profile does not state how.

    A packet lost in either direction is lost, as in `loss` of the round trip; a recording that cannot say "lost" has
    neither figure. n of the availability counts intervals, that of the loss the packets of the available ones.
    """
    asked = _asked(link.subject.profile.parameters)
    if asked is None or counts is None:
        return
    found = ip_availability(counts, asked.c1, asked.least_packets)
    if link.is_blind or not found.measured:
        reason = _blind(link) if link.is_blind else _none_measured(found, asked)
        for kpi in ("ip_availability", "ip_loss_available"):
            yield link.make(kpi, "round_trip", "ratio", None, n=0, reason=reason, filters=asked.words)
        return
    yield _availability(link, found, asked)
    yield _loss(link, found, asked)


def _blind(link: Link) -> str:
    return f"欠番 {link.absent}: 未測定か損失か区別できない / {link.absent} absent numbers: not measured or lost"


def _none_measured(found: IpAvailability, asked: _Asked) -> str:
    return (
        f"{found.not_measured} 区間のいずれも未測定({asked.least_packets} パケット未満または端の欠け) / none of "
        f"{found.not_measured} intervals was measured: fewer than {asked.least_packets} packets, or cut short"
    )


def _availability(link: Link, found: IpAvailability, asked: _Asked) -> KpiResult:
    n, n_eff = found.measured, effective_n(found.is_available)

    def interval(total: int) -> Interval:
        """Return the interval that `total` intervals like these would give."""
        return proportion_interval(found.available * total / n, total, max(n_eff * total // n, 1))

    counted = (
        f"n は区間数: 稼働 {found.available}, 不稼働 {found.unavailable}, 未測定 {found.not_measured} / n counts "
        f"intervals: {found.available} available, {found.unavailable} unavailable, {found.not_measured} not measured; "
        f"PIU {found.piu:.6g}"
    )
    return link.make(
        "ip_availability", "round_trip", "ratio", found.pia, n=n, interval=interval(n), n_eff=n_eff,
        method=f"{BINOMIAL} intervals", reason="; ".join(filter(None, [counted, link.absent_note])),
        filters=asked.words, project=interval,
    )  # fmt: skip


def _loss(link: Link, found: IpAvailability, asked: _Asked) -> KpiResult:
    n, lost = found.sent, found.lost
    if not n:
        return link.make(
            "ip_loss_available", "round_trip", "ratio", None, n=0, reason=NONE_AVAILABLE, filters=asked.words
        )
    # Bursts of the whole run, the unavailable time among it: rather too few than too many.
    n_eff = max(int(link.loss_n_eff * n / link.n), 1)

    def interval(total: int) -> Interval:
        """Return the interval that `total` packets like these would give."""
        return proportion_interval(lost * total / n, total, max(n_eff * total // n, 1))

    counted = f"稼働 {found.available} 区間のパケット / packets of {found.available} available intervals"
    return link.make(
        "ip_loss_available", "round_trip", "ratio", found.iplr, n=n, interval=interval(n), n_eff=n_eff,
        method=BINOMIAL, reason="; ".join(filter(None, [counted, link.absent_note])), filters=asked.words,
        project=interval,
    )  # fmt: skip
