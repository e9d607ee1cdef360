"""One link's packets with what several KPIs need, computed once. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cached_property

import numpy as np
import numpy.typing as npt

from analytics.delay_scan import DelayScan
from analytics.link_scan import LinkScan, scanned
from analytics.loss import LossCounts
from analytics.loss_scan import LossScan
from analytics.packet_order import OrderScan
from analytics.poor_clock import Clouded
from analytics.probes import ProbeArrays
from analytics.results import DIRECTIONS, MS, REFERENCE_ONLY, Direction, KpiResult
from analytics.service_cases import Service
from analytics.statistics import Interval, effective_n, mean_interval, proportion_interval
from analytics.subject import BINOMIAL, NONE, STUDENT, Subject, TwoClocks, result_of
from analytics.worth import SeriesWorth

NO_PACKETS = "測定データなし / no packets"
NOT_MEASURED = "遅延の測定なし / no delay was measured"
AMONG_LOST = "到達せず: この順位は損失パケットに当たる / the rank lies among lost packets"


def blind_words(n: int, absent: int, late: int = 0) -> str:
    """Return why a recording that never says "lost" has no loss ratio: `absent` numbers have no row, `n` have one.

    `late` of those came after the waiting time, and are lost whatever the absent ones are.
    """
    total = n + absent
    low, high = late / total, (late + absent) / total
    return f"欠番 {absent}/{total}: 未測定か損失か区別できない / not measured or lost: {low:g} to {high:.4g}"


_CLOCKED = {
    "owd", "delay_cdf", "reliability", "availability", "outage", "mtbf", "redundant_delay", "redundant_delay_gain",
    "redundant_availability", "redundant_availability_gain", "redundant_outage",
}  # fmt: skip
"""KPIs that compare the clocks of both ends where they are of one direction; variations are of one pair of clocks."""


_VARYING = {"ipdv", "pdv", "jitter_rfc3550", "reordering", "n_reordering", "reordering_extent", "reordering_late"}
"""KPIs of how delays of one direction differ, or in which order packets arrived."""


class Link:
    """One link's packets, read once, with what several KPIs need of them."""

    def __init__(
        self, packets: LinkScan | ProbeArrays, subject: Subject, *, data_hash: str = "",
        delays: Mapping[str, DelayScan] | None = None, clouded: Mapping[str, Clouded] | None = None,
    ) -> None:  # fmt: skip
        """`packets` may be all there are; `data_hash` names the data they were made of, where they are not those.

        `delays` by direction, and those that poor clocks hide, are given where they were read otherwise.
        """
        self.packets = packets if isinstance(packets, LinkScan) else scanned([packets], subject)
        self.subject = subject
        self._given_hash = data_hash
        self._scans = dict(delays or {})
        self._clouded = dict(clouded or {})
        self._says_clouded = clouded is None

    @cached_property
    def data_hash(self) -> str:
        """Hash of the packets."""
        return self._given_hash or self.packets.data_hash()

    @property
    def n(self) -> int:
        """Packets sent."""
        return self.packets.n

    @cached_property
    def lost(self) -> LossScan:
        """What was lost, and in which pattern."""
        return self.packets.losses()

    @property
    def losses(self) -> LossCounts:
        """How much was lost."""
        return self.lost.counts

    @property
    def absent(self) -> int:
        """Numbers without a row between those that have one."""
        return self.lost.absent

    def order(self, direction: str) -> OrderScan:
        """Return what arrived out of order; asked for once."""
        return self.packets.order(direction)

    def service(self, direction: str) -> Service:
        """Return when the service was up; asked for once."""
        return self.packets.service(
            direction, is_first=self.is_first(direction), is_blind=self.is_blind, absent_n=self.absent
        )  # fmt: skip

    def is_first(self, direction: str) -> bool:
        """Tell whether a direction is that of all packets' service; the others have services of their own."""
        return direction == self.directions()[0]

    @cached_property
    def loss_n_eff(self) -> int:
        """Worth of the packets for a proportion: the loss indicator's, or the delays' where nothing was lost.

        One where there is neither: nothing says how far the packets' fates depended on each other.
        """
        if self.lost.n_eff is not None:
            return self.lost.n_eff
        return min((max(self._delays_worth(direction), 1) for direction in self.directions()), default=self.n)

    @property
    def is_blind(self) -> bool:
        """A recording that never says "lost" and skips numbers cannot tell a lost packet from one not measured."""
        return self.losses.lost == self.packets.waited.late and self.absent > 0

    @cached_property
    def absent_note(self) -> str:
        """What is said beside every ratio and quantile that absent packets could have changed."""
        gap = f"欠番 {self.absent} を含まない / {self.absent} absent numbers not counted" if self.absent else ""
        return "; ".join(filter(None, [gap, self.unusable_note]))

    @property
    def unusable_note(self) -> str:
        """What is said where values were NaN or infinite."""
        bad = self.packets.not_finite
        return f"非有限値 {bad} 個を欠測とした / {bad} values not finite taken as null" if bad else ""

    def directions(self) -> list[Direction]:
        """Directions in which any delay was measured; the round trip also where everything was lost."""
        found = [direction for direction in DIRECTIONS if self.packets.measured[direction]]
        # Of packets that came too late to count only the way up may be known.
        is_all_lost = "round_trip" not in found and self.losses.lost == self.n
        return ["round_trip", *found] if self.n and (is_all_lost or not found) else found

    def bound_us(self, direction: str) -> float:
        """How far delays of a direction may be off by the clocks; 0 for the round trip, and where it is not known."""
        return self.packets.bound_us(direction)

    def within_us(self, direction: str) -> float:
        """Return the bound of reliability."""
        return self.packets.within_us(direction)

    def scan(self, direction: str) -> DelayScan:
        """Return what the delays of a direction are; a negative one beyond the clocks' bound is none (RFC 7679 3.7)."""
        if direction not in self._scans:
            self._scans[direction] = self.packets.delays(direction)
        return self._scans[direction]

    def clouded(self, direction: str) -> Clouded:
        """Return what poor clocks hide of a direction."""
        if direction not in self._clouded:
            self._clouded[direction] = self.packets.clouded(direction)
        return self._clouded[direction]

    def of_all(self, value: str) -> str:
        """Say what a value is with the packets in time of poor clocks."""
        return f"時計を問わない値 {value} / whatever the clocks: {value}"

    def impossible(self, direction: str) -> int:
        """How many delays lie below minus the clocks' bound: the clocks were worse than they said."""
        found = self.scan(direction)
        return found.measured.n - found.possible.counted.n

    def lost_in(self, direction: Direction) -> int:
        """Packets whose delay in this direction is infinite; those lost elsewhere have no delay here."""
        if direction == "round_trip":
            return self.losses.lost
        return self.losses.up if direction == "up" else self.losses.down

    def hidden(self, direction: Direction) -> int:
        """Packets of which nobody knows whether they arrived in time this way: they widen, and never shift, a figure.

        Lost with unknown direction, lost only on the way back, without a (possible) delay or with one that poor clocks
        hide, or absent from a recording that cannot say "lost".
        """
        population = self.n - (self.losses.up if direction == "down" else 0)
        known = self.scan(direction).possible.counted.n + self.lost_in(direction)
        return max(population - known, self.clouded(direction).n) + (self.absent if self.is_blind else 0)

    def _delays_worth(self, direction: str) -> int:
        """Worth of all delivered packets' delays, those that poor clocks hide being worth as much as the others."""
        known = self.scan(direction).possible
        more = self.clouded(direction).n / max(known.counted.n, 1)
        return int(known.n_eff * (1 + more)) if more else known.n_eff

    def delay_n_eff(self, direction: str) -> int:
        """Worth of the delivered packets' delays."""
        return self.scan(direction).possible.n_eff

    def quantile_n_eff(self, direction: str, q: str, n: int) -> int:
        """Worth of `n` packets for one quantile: that of being above it, or of the delays where nothing says so."""
        found = self.scan(direction)
        share = found.quantile_worth.get(q, found.possible.n_eff / max(found.possible.counted.n, 1))
        return max(min(int(share * n), n), 1)

    def make(
        self, kpi: str, direction: Direction, statistic: str, value: float | None, *, n: int,
        interval: Interval = NONE, n_eff: int | None = None, method: str = "", reason: str = "", filters: str = "",
        unit: str = "", project: Callable[[int], Interval] | None = None,
    ) -> KpiResult:  # fmt: skip
        """Build one result and judge it (`analytics.subject.result_of`)."""
        clocks = None
        if direction in {"up", "down"}:
            if kpi in _CLOCKED:
                shift = self.bound_us(direction) / MS if kpi in {"owd", "redundant_delay"} else 0.0
                clocks = TwoClocks(shift, *self._doubts(direction))
            is_concerned = self._says_clouded and (kpi in _CLOCKED or kpi in _VARYING)
            if is_concerned and (clouded := self.clouded(direction).n):
                limit_us = self.subject.profile.parameters.clock_limit_us
                note = clouded_words(clouded, limit_us, are_left_out=kpi in _VARYING)
                reason = "; ".join(filter(None, [note, reason]))
        return result_of(
            self.subject, kpi, direction, statistic, value, data_hash=self.data_hash, n=n,
            interval=interval, n_eff=n_eff, method=method, reason=reason, filters=filters, unit=unit, project=project,
            clocks=clocks,
        )  # fmt: skip

    def mean(
        self, kpi: str, direction: Direction, values: npt.NDArray[np.int64], *, scale: float = 1.0, reason: str = "",
        filters: str = "",
    ) -> KpiResult:  # fmt: skip
        """Build the mean of counts, each 1 or more and one or more of them, in the order in which they came."""
        mean, worth = float(values.mean()), effective_n(values)
        interval = mean_interval(mean, float(values.std()), worth, at_least=1.0)
        return self.make(
            kpi, direction, "mean", mean * scale, n=values.size, n_eff=worth, method=STUDENT,
            interval=times(interval, scale), reason=reason, filters=filters,
        )  # fmt: skip

    def count(
        self, kpi: str, direction: Direction, hits: int, n: int, n_eff: int, *, unit: str = "", reason: str = "",
        filters: str = "",
    ) -> KpiResult:  # fmt: skip
        """Build a number of packets, of `n`, of which something holds; its interval is that of their share times n."""
        return self.make(
            kpi, direction, "count", float(hits), n=n, n_eff=n_eff, method=BINOMIAL, unit=unit, reason=reason,
            interval=times(proportion_interval(hits, n, n_eff), n), filters=filters,
        )  # fmt: skip

    def worth_of(self, places: npt.NDArray[np.int64], n: int) -> int:
        """Return the worth of being at one of `places` (ascending) of `n`; that of losses where none is, or all are."""
        if not 0 < places.size < n:
            return max(min(self.loss_n_eff, n), 1)
        share, worth = places.size / n, SeriesWorth(hits=True)
        worth.add_places(places, n)
        return worth.result(math.sqrt(share * (1 - share)))

    def _doubts(self, direction: Direction) -> tuple[list[str], bool]:
        """Say why one-way figures are for reference only, if they are, and whether the clocks' bound holds still."""
        clock = self.subject.clock
        doubts = [clock.doubt(self.subject.profile.parameters.clock_limit_us)]
        impossible = self.impossible(direction) if clock.is_known else 0
        if impossible:
            what = f"時計の誤差上限を超える負の遅延 {impossible} を除く"
            doubts.append(f"{REFERENCE_ONLY}: {what} / {impossible} delays below minus the clock bound excluded")
        return [*filter(None, doubts)], clock.is_known and not impossible


def times(interval: Interval, factor: float) -> Interval:
    """Return an interval whose ends are so many times as large."""
    return Interval(*(None if end is None else end * factor for end in (interval.low, interval.high)))


def clouded_words(n: int, limit_us: float, *, are_left_out: bool = False, are_pairs: bool = False) -> str:
    """Say of how many packets, or pairs of packets, poor clocks hide the delay, and how that counts."""
    limit = f"±{limit_us / MS:.4g} ms"
    ja, en = "の片方向遅延は、区間では往復遅延以下の不明な値とする", "have an unknown delay up to their round trip"
    if are_left_out:
        ja, en = "を除く", "left out"
    what_ja, what_en = ("パケットの組", "pairs of packets") if are_pairs else ("パケット", "packets")
    return (
        f"時計の誤差上限が限度 {limit} を超えるか不明な間の{what_ja} {n} {ja} / "
        f"{n} {what_en} sent while the clocks were unknown or beyond {limit}: {en}"
    )


def in_ms(interval: Interval) -> Interval:
    """Return an interval of microseconds in milliseconds."""
    return Interval(*(None if end is None else end / MS for end in (interval.low, interval.high)))
