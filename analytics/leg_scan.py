"""One link as part of its device's pairs, in one pass over its packets: what pairs ask of each link alone. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, NamedTuple

import numpy as np

from analytics.as_counted import AsCounted
from analytics.availability import Availability, observed
from analytics.clock import ClockQuality
from analytics.data_hash import DataHash
from analytics.poor_clock import restored
from analytics.probes import Bools, ProbeArrays
from analytics.requirements import Profile
from analytics.results import DIRECTIONS, MS, Direction
from analytics.service_scan import ServiceScanner
from analytics.spans import Span
from analytics.subject import Subject
from analytics.waiting_time import Waited


@dataclass(frozen=True, slots=True)
class AskedLeg:
    """A link whose packets are about to come: the link with its clocks, and its first and last instant.

    Clocks and block lengths rest on those two instants (Unix microseconds), which need not be right: `LegScan` tells in
    the end what they are.
    """

    subject: Subject
    extent_us: Span

    @property
    def span_s(self) -> float:
        """Time from the first packet to the last."""
        return (self.extent_us[1] - self.extent_us[0]) / 1e6


def asked_leg(device: str, link: str, extent_us: Span, profile: Profile, clock: ClockQuality) -> AskedLeg:
    """Return a link of a device as asked for."""
    started_at, ended_at = (datetime.fromtimestamp(end / 1e6, tz=UTC) for end in extent_us)
    subject = Subject(
        device=device, link=link, started_at=started_at, ended_at=ended_at, profile=profile, clock=clock
    )  # fmt: skip
    return AskedLeg(subject, extent_us)


View = Literal["measured", "known", "fast"]
"""How packets in time of poor clocks count: by the delays that those measured, as not in time, or as there at once."""


class Case(NamedTuple):
    """One reading of the service: by which deadline, and what packets in time of poor clocks are taken for."""

    t_max_us: int
    view: View


_Asked = tuple[Direction, int, View]


class LegScan:
    """Reads the packets of one link, in order of sending.

    Raises NotInOrderError where chunks reach into each other; packets that come in one chunk may lie in any way.
    """

    def __init__(self, asked: AskedLeg) -> None:
        self.asked, self.subject = asked, asked.subject
        self.n = self.lost = self.absent = 0
        self.extent_us: Span = (0, 0)
        self.measured: dict[Direction, bool] = dict.fromkeys(DIRECTIONS, False)
        self._taken = AsCounted(self.subject.profile.parameters, self.subject.clock)
        self._hash = DataHash()
        self._last = (-1, -1)
        self._services: dict[_Asked, ServiceScanner] = {}

    def want(self, direction: Direction, case: Case) -> None:
        """Ask for the outages of one case, before the first packet comes."""
        asked = self._asked(direction, case)
        clock = self.subject.clock
        # As `analytics.link_scan` reads availability: a delay below what the clocks allow cannot be.
        is_clocked = direction != "round_trip" and clock.is_known
        least_us = -(clock.bound_us or 0.0) if is_clocked else None
        survival_us = round(self.subject.profile.parameters.survival_ms * MS)
        self._services.setdefault(asked, ServiceScanner(direction, case.t_max_us, survival_us, least_us))

    def _asked(self, direction: Direction, case: Case) -> _Asked:
        """Return what is asked for; where no time is poor, or no clock matters, all views of it are the same."""
        is_clouded = direction != "round_trip" and bool(self.subject.clock.poor)
        return direction, case.t_max_us, case.view if is_clouded else "measured"

    def add(self, probes: ProbeArrays) -> ProbeArrays:
        """Add the next packets, which are sorted by session and number; return them, the late ones lost.

        Those in time of poor clocks still have the one-way delays that these measured: `known` takes them away.
        """
        if not probes.n:
            return probes
        self._hash.add(probes)
        whole, probes = probes, self._taken.take(probes)
        self._taken.poor.add(whole, probes)
        if self.subject.clock.poor:
            for direction in ("up", "down"):
                probes = restored(whole, probes, direction)
        low_us, high_us = int(probes.t_us.min()), int(probes.t_us.max())
        self.extent_us = (
            (min(self.extent_us[0], low_us), max(self.extent_us[1], high_us)) if self.n else (low_us, high_us)
        )
        self.n += probes.n
        self.lost += int(np.count_nonzero(probes.lost))
        for direction in DIRECTIONS:
            self.measured[direction] = self.measured[direction] or probes.has(direction)
        for part in probes.sessions():
            session, low, high = (
                int(each) for each in (probes.session[part.start], probes.seq[part.start], probes.seq[part.stop - 1])
            )
            first = self._last[1] + 1 if session == self._last[0] else low
            self.absent += high - first + 1 - (part.stop - part.start)
            self._last = (session, high)
        return probes

    def known(self, probes: ProbeArrays) -> ProbeArrays:
        """Return packets that `add` gave back, in any pieces, without the delays that poor clocks measured."""
        return self._taken.poor.hide(probes)

    def in_poor_time(self, probes: ProbeArrays) -> Bools | None:
        """Return which packets were sent in time of poor clocks; None where none was."""
        return self._taken.poor.rows(probes)

    def clouded(self, direction: Direction) -> int:
        """Return how many delivered packets have a delay that poor clocks hide."""
        return self._taken.poor.result(direction).n

    def follow(self, probes: ProbeArrays, directions: Collection[Direction]) -> None:
        """Follow the outages through packets that `add` gave back; a direction once left out is left out for good."""
        self._services = {key: each for key, each in self._services.items() if key[0] in directions}
        known = self.known(probes)
        for (direction, _, view), scanner in self._services.items():
            if view == "measured" or known is probes:
                scanner.add(probes)
            else:
                scanner.add(known if view == "known" else restored(probes, known, direction, are_fast=True))

    def service(self, direction: Direction, case: Case) -> Availability:
        """Return when the service was observed and down, by a case that was asked for."""
        return observed(self._services[self._asked(direction, case)])

    @property
    def waited(self) -> Waited:
        """How many packets were late."""
        return self._taken.waited

    @property
    def is_blind(self) -> bool:
        """A recording that never says "lost" and skips numbers cannot tell a lost packet from one not measured."""
        return self.lost == self.waited.late and self.absent > 0

    def data_hash(self) -> str:
        """Return the hash of everything that was read."""
        return self._hash.result()
