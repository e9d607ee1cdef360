"""One link's packets with what several KPIs need, computed once; and how a result of it is made and judged. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np

from analytics.clock import ClockQuality
from analytics.definitions import BY_ID, definitions_hash
from analytics.delay_scan import DelayScan, scan
from analytics.loss import count_losses
from analytics.probes import Bools, ProbeArrays, absent
from analytics.requirements import Profile
from analytics.results import MISSED, REFERENCE_ONLY, UNDECIDED, Direction, KpiResult
from analytics.statistics import Interval, effective_n
from analytics.verdict import judge

MS = 1000.0
DIRECTIONS: tuple[Direction, ...] = ("round_trip", "up", "down")
NONE = Interval(None, None)
ORDER = "order statistics on n_eff (Geyer)"
BINOMIAL = "Clopper-Pearson on n_eff (Geyer)"
STUDENT = "Student on n_eff (Geyer)"
NO_PACKETS = "測定データなし / no packets"
NOT_MEASURED = "遅延の測定なし / no delay was measured"
AMONG_LOST = "到達せず: この順位は損失パケットに当たる / the rank lies among lost packets"
_CLOCKED = {
    "owd", "delay_cdf", "reliability", "availability", "outage", "mtbf", "redundant_delay", "redundant_availability",
}  # fmt: skip
"""KPIs that compare the clocks of both ends where they are of one direction; variations are of one pair of clocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is evaluated: who, when, under which requirements, and how good the clocks are."""

    device: str
    link: str
    started_at: datetime
    ended_at: datetime
    profile: Profile
    clock: ClockQuality


class Link:
    """One link's packets with what several KPIs need, computed once."""

    def __init__(self, probes: ProbeArrays, subject: Subject) -> None:
        self.probes = probes
        self.subject = subject
        self.losses = count_losses(probes)
        self.absent = absent(probes)
        self.definitions_hash = definitions_hash()
        self._scans: dict[str, DelayScan] = {}

    @cached_property
    def loss_n_eff(self) -> int:
        """Worth of the packets for a proportion: the loss indicator's, or the delays' where nothing was lost."""
        if 0 < self.losses.lost < self.probes.n:
            share = self.losses.lost / self.probes.n
            return effective_n(self.probes.lost > 0, math.sqrt(share * (1 - share)))
        return min((self.delay_n_eff(direction) for direction in self.directions()), default=self.probes.n)

    @property
    def is_blind(self) -> bool:
        """A recording that never says "lost" and skips numbers cannot tell a lost packet from one not measured."""
        return not self.losses.lost and self.absent > 0

    @cached_property
    def absent_note(self) -> str:
        """What is said beside every ratio and quantile that absent packets could have changed."""
        gap = f"欠番 {self.absent} を含まない / {self.absent} absent numbers not counted" if self.absent else ""
        bad = self.probes.not_finite
        unusable = f"非有限値 {bad} 個を欠測とした / {bad} values not finite taken as null" if bad else ""
        return "; ".join(filter(None, [gap, unusable]))

    def directions(self) -> list[Direction]:
        """Directions in which any delay was measured; the round trip also where everything was lost."""
        found = [direction for direction in DIRECTIONS if self.probes.has(direction)]
        return found or (["round_trip"] if self.probes.n else [])

    def bound_us(self, direction: str) -> float:
        """How far delays of a direction may be off by the clocks; 0 for the round trip, and where it is not known."""
        return 0.0 if direction == "round_trip" else self.subject.clock.bound_us or 0.0

    def within_us(self, direction: str) -> float:
        """Return the bound of reliability."""
        parameters = self.subject.profile.parameters
        return (parameters.rtt_within_ms if direction == "round_trip" else parameters.owd_within_ms) * MS

    def scan(self, direction: str) -> DelayScan:
        """Return what the delays of a direction are; a negative one beyond the clocks' bound is none (RFC 7679 3.7)."""
        if direction not in self._scans:
            self._scans[direction] = scan(
                self.probes, direction, self._least_us(direction), self.within_us(direction)
            )  # fmt: skip
        return self._scans[direction]

    def _least_us(self, direction: str) -> float | None:
        is_clocked = direction != "round_trip" and self.subject.clock.is_known
        return -self.bound_us(direction) if is_clocked else None

    def impossible(self, direction: str) -> int:
        """How many delays lie below minus the clocks' bound: the clocks were worse than they said."""
        found = self.scan(direction)
        return found.measured.n - found.possible.counted.n

    def measured(self, direction: str) -> Bools:
        """Which packets have a delay that can be."""
        delay, least_us = self.probes.delays[direction], self._least_us(direction)
        return delay.valid if least_us is None else np.asarray(delay.valid & (delay.us >= least_us))

    def lost_in(self, direction: Direction) -> int:
        """Packets whose delay in this direction is infinite; those lost elsewhere have no delay here."""
        if direction == "round_trip":
            return self.losses.lost
        return self.losses.up if direction == "up" else self.losses.down

    def hidden(self, direction: Direction) -> int:
        """Packets of which nobody knows whether they arrived in time this way: they widen, and never shift, a figure.

        Lost with unknown direction, lost only on the way back, without a (possible) delay, or absent from a recording
        that cannot say "lost".
        """
        population = self.probes.n - (self.losses.up if direction == "down" else 0)
        known = self.scan(direction).possible.counted.n + self.lost_in(direction)
        return max(population - known, 0) + (self.absent if self.is_blind else 0)

    def delay_n_eff(self, direction: str) -> int:
        """Worth of the delivered packets' delays."""
        return self.scan(direction).possible.n_eff

    def make(
        self, kpi: str, direction: Direction, statistic: str, value: float | None, *, n: int,
        interval: Interval = NONE, n_eff: int | None = None, method: str = "", reason: str = "", filters: str = "",
        unit: str = "", project: Callable[[int], Interval] | None = None,
    ) -> KpiResult:  # fmt: skip
        """Build one result and judge it; infinities (lost packets) are judged as such and given as None.

        `project(n)` is the interval that n packets like these would give, for the samples still needed.
        """
        definition = BY_ID[kpi]
        subject = self.subject
        is_one_way = kpi in _CLOCKED and direction in {"up", "down"}
        doubts = self._doubts(direction) if is_one_way else []
        requirement = subject.profile.find(kpi, direction, statistic, subject.link)
        verdict = needed = None
        if requirement is not None and definition.better:
            shift = self.bound_us(direction) / MS if kpi in {"owd", "redundant_delay"} else 0.0
            judged = judge(
                value, widened(interval, shift), requirement.limit, definition.better, n,
                None if project is None else lambda total: widened(project(total), shift),
            )  # fmt: skip
            verdict, needed = judged.verdict, judged.needed_n
            if doubts:
                # Neither met nor missed by a clock that nobody knows; packets that never came need no clock.
                is_certain = verdict == MISSED and value is not None and math.isinf(value)
                verdict, needed = (verdict if is_certain else UNDECIDED), None
        value, bounds = _finite(value), Interval(_finite(interval.low), _finite(interval.high))
        return KpiResult(
            id=kpi, device=subject.device, link=subject.link, direction=direction, statistic=statistic,
            value=value, unit=unit or definition.unit, ci_low=bounds.low, ci_high=bounds.high, n=n, verdict=verdict,
            definition=definition.citation, reason="; ".join(filter(None, [*doubts, reason])),
            required=None if requirement is None else requirement.limit,
            required_source="" if requirement is None else requirement.source, needed_n=needed, n_eff=n_eff,
            ci_method=method if bounds != NONE else "", clock=subject.clock.word if is_one_way else "",
            clock_bound_us=subject.clock.bound_us if is_one_way else None, started_at=subject.started_at,
            ended_at=subject.ended_at, filter=filters, name_ja=definition.name_ja, name_en=definition.name_en,
            data_hash=self.probes.data_hash, definition_hash=self.definitions_hash,
        )  # fmt: skip

    def _doubts(self, direction: Direction) -> list[str]:
        """Say why one-way figures are for reference only, if they are."""
        clock = self.subject.clock
        if not clock.is_known:
            return [f"{REFERENCE_ONLY}: {clock.reason}"]
        if impossible := self.impossible(direction):
            what = f"時計の誤差上限を超える負の遅延 {impossible} を除く"
            return [f"{REFERENCE_ONLY}: {what} / {impossible} delays below minus the clock bound excluded"]
        return []


def _finite(value: float | None) -> float | None:
    return None if value is None or math.isinf(value) else value


def widened(interval: Interval, shift: float) -> Interval:
    """Add the clocks' uncertainty to both ends."""
    return Interval(
        None if interval.low is None else interval.low - shift, None if interval.high is None else interval.high + shift
    )


def in_ms(interval: Interval) -> Interval:
    """Return an interval of microseconds in milliseconds."""
    return Interval(*(None if end is None else end / MS for end in (interval.low, interval.high)))
