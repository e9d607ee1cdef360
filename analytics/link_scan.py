"""One pass over a link's packets, chunk by chunk: all that its KPIs need, in memory that a run's length hardly grows.

What is kept: counts of delays, sums of groups, lost packets with their neighbours, outages, what came out of order.
100 M packets with 0.1 % of loss leave behind some ten megabytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from analytics.as_counted import AsCounted
from analytics.blocks import block_slices
from analytics.data_hash import DataHash
from analytics.delay_scan import DelayScan, DelayScanner
from analytics.ip_availability import IntervalCounts, IntervalLoss
from analytics.loss_scan import LossScan, LossScanner
from analytics.packet_order import OrderScan, OrderScanner
from analytics.poor_clock import Clouded
from analytics.probes import Ints, ProbeArrays
from analytics.results import DIRECTIONS, MS, Direction
from analytics.service_cases import TOO_MANY, Clocked, Service, ServiceCases, WayCases
from analytics.subject import Subject
from analytics.waiting_time import Waited
from analytics.worth import SeriesWorth

ORDERED: tuple[Direction, ...] = ("round_trip", "up")
"""Directions whose order of sending is known: the reflector's is not kept."""

ONE_WAY: tuple[Direction, ...] = ("up", "down")


class LinkScan:
    """Reads the packets of one link, in order of sending, for one subject (its bounds and the quality of its clocks).

    Raises NotInOrderError where chunks reach into each other; packets that come in one chunk may lie in any way.
    """

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.n = self.duplicates = self.replicated = self.not_finite = 0
        self._copies = self._copies_squared = 0
        self._replicated = SeriesWorth(hits=True)
        self.first_us = self.last_us = 0
        self.measured: dict[str, bool] = dict.fromkeys(DIRECTIONS, False)
        self._copies_us: list[Ints] = []
        self._losses = LossScanner()
        self._delays: dict[str, DelayScanner] = {
            direction: DelayScanner(direction, self.least_us(direction), self.within_us(direction))
            for direction in DIRECTIONS
        }
        self._orders: dict[str, OrderScanner] = {direction: OrderScanner(direction) for direction in ORDERED}
        self._services: dict[str, ServiceCases] = {
            direction: ServiceCases(direction, subject.profile.parameters, self._clocked(direction))
            for direction in DIRECTIONS
        }
        self._ways: dict[str, WayCases] = {
            way: WayCases(way, subject.profile.parameters, self._clocked(way)) for way in ONE_WAY
        }
        self._hash = DataHash()
        self._taken = AsCounted(subject.profile.parameters, subject.clock)
        tav_s = subject.profile.parameters.ip_interval_s
        self._intervals = None if tav_s is None else IntervalLoss(round(tav_s * 1e6))

    def _clocked(self, direction: str) -> Clocked:
        is_poor = direction != "round_trip" and bool(self.subject.clock.poor)
        return Clocked(self.bound_us(direction), self.least_us(direction), is_poor)

    def bound_us(self, direction: str) -> float:
        """How far delays of a direction may be off by the clocks; 0 for the round trip, and where it is not known."""
        return 0.0 if direction == "round_trip" else self.subject.clock.bound_us or 0.0

    def within_us(self, direction: str) -> float:
        """Return the bound of reliability."""
        parameters = self.subject.profile.parameters
        return (parameters.rtt_within_ms if direction == "round_trip" else parameters.owd_within_ms) * MS

    def least_us(self, direction: str) -> float | None:
        """Return the least delay that can be; None: any can (RFC 7679 3.7)."""
        is_clocked = direction != "round_trip" and self.subject.clock.is_known
        return -self.bound_us(direction) if is_clocked else None

    def add(self, probes: ProbeArrays) -> ProbeArrays:
        """Add the next packets, which are sorted by session and number; return them as they count.

        Those that were late are lost from here on, and have no one-way delay where they were sent in poor time.
        """
        self._add_copies(probes)
        if not probes.n:
            return probes
        self._hash.add(probes)
        whole = probes
        probes, poor = self._taken.take(probes), self._taken.poor
        poor.add(whole, probes)
        low_us, high_us = _ends(probes.t_us)
        self.first_us = min(self.first_us, low_us) if self.n else low_us
        self.last_us = max(self.last_us, high_us) if self.n else high_us
        self.n += probes.n
        self._losses.add(probes)
        for direction, scanner in self._delays.items():
            scanner.add(probes)
            self.measured[direction] = self.measured[direction] or probes.has(direction) or poor.has(direction)
        for each in self._orders.values():
            each.add(probes)
        has_lost = int(np.count_nonzero(probes.lost)) > probes.late
        for direction in DIRECTIONS:
            self._services[direction].add(probes, whole, has_lost=has_lost)
            if self.measured[direction]:
                break
        for way in self._ways.values():
            way.add(probes, whole, has_lost=has_lost)
        if self._intervals is not None:
            self._intervals.add(probes)
        return probes

    def _add_copies(self, probes: ProbeArrays) -> None:
        self.duplicates += probes.duplicates
        self.replicated += int(probes.replicated.size)
        self._copies += int(probes.copies.sum())
        self._copies_squared += int(np.square(probes.copies).sum())
        self._replicated.add_places(probes.replicated, probes.n)
        self.not_finite += probes.not_finite
        if probes.copies_us.size:
            self._copies_us.append(probes.copies_us)

    @property
    def waited(self) -> Waited:
        """How many packets were late."""
        return self._taken.waited

    @property
    def copies_us(self) -> Ints:
        """Round-trip delays of further copies."""
        return np.concatenate([np.empty(0, np.int64), *self._copies_us])

    @property
    def copies_each(self) -> float:
        """Further copies that come with one: the mean over copies of how many there were of their packet, 1 or more."""
        return self._copies_squared / self._copies if self._copies else 1.0

    def replicated_n_eff(self) -> int | None:
        """Return the worth of a packet's coming more than once; None where all packets fared alike."""
        if not 0 < self.replicated < self.n:
            return None
        share = self.replicated / self.n
        return self._replicated.result(math.sqrt(share * (1 - share)))

    def losses(self) -> LossScan:
        """Return what was lost."""
        return self._losses.result()

    def delays(self, direction: str) -> DelayScan:
        """Return what the delays of a direction are."""
        return self._delays[direction].result()

    def clouded(self, direction: str) -> Clouded:
        """Return what poor clocks hide of a direction."""
        return self._taken.poor.result(direction)

    def order(self, direction: str) -> OrderScan:
        """Return what arrived out of order."""
        return self._orders[direction].result()

    def service(self, direction: str, *, is_first: bool, is_blind: bool, absent_n: int) -> Service:
        """Return when the service was observed and down, of all packets by the first direction that was measured."""
        cases = self._services[direction] if is_first else self._ways[direction]
        return cases.result(is_blind=is_blind, is_bounded=absent_n <= TOO_MANY * self.n)

    def open_in(self, direction: str) -> int:
        """Return of how many packets nobody knows how they fared in a direction that is not the first."""
        return self._ways[direction].open_n

    def intervals(self) -> IntervalCounts | None:
        """Return the packets by interval Tav; None where the profile does not state it."""
        return None if self._intervals is None else self._intervals.result()

    def data_hash(self) -> str:
        """Return the hash of everything that was read."""
        return self._hash.result()


def _ends(times_us: Ints) -> tuple[int, int]:
    """Return the first and the last time, read once: 10 M of them do not stay in the processor's cache."""
    ends = [(int(block.min()), int(block.max())) for block in (times_us[part] for part in block_slices(times_us.size))]
    return min(low for low, _ in ends), max(high for _, high in ends)


def scanned(chunks: Iterable[ProbeArrays], subject: Subject) -> LinkScan:
    """Read the packets of one link."""
    scan = LinkScan(subject)
    for chunk in chunks:
        scan.add(chunk)
    return scan
