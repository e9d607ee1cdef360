"""The drive of a device from the database: in which seconds everything held at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

import psycopg

from analytics.as_counted import AsCounted
from analytics.clock import ClockQuality, worst_clock
from analytics.exclusions import beside
from analytics.families.all_met import JOINT, evaluate_all_met
from analytics.families.device import LINK_STREAMS, track_of
from analytics.loader import Exclusions, about_device, load_clock_quality, load_streams
from analytics.packet_loader import walked
from analytics.probe_seconds import ProbeSeconds
from analytics.probes import ProbeArrays
from analytics.requirements import Parameters, Profile
from analytics.results import KpiResult
from analytics.series import ends_us
from analytics.spans import Span
from analytics.subject import Subject
from analytics.waiting_time import Waited, with_waiting_time

_AT_ONCE = ("video", "command")
"""Streams of a link that are asked for in each second of the drive, beside its packets."""


class _LinkSeconds:
    """Reads the packets of a link second by second, those that were late lost as for its own KPIs."""

    def __init__(self, parameters: Parameters, clock: ClockQuality) -> None:
        self.seconds, self.taken = ProbeSeconds(), AsCounted(parameters, clock)

    def add(self, probes: ProbeArrays, /) -> None:
        """Add the next packets."""
        self.seconds.add(self.taken.take(probes))


@dataclass(frozen=True, slots=True, kw_only=True)
class DriveWork:
    """In which seconds of a device's drive everything held at once; `links` by name, number and end of the settled."""

    device: str
    links: tuple[tuple[str, int, int], ...]
    own_id: int
    window: Span
    exclusions: Exclusions
    profile: Profile

    def run(self, connection: psycopg.Connection) -> list[KpiResult]:
        """Read and evaluate, with and without the excluded intervals."""
        every = self.exclusions.of(*(link for link, *_ in self.links))
        found = self._evaluate(connection, self.exclusions)
        return beside(found, self._evaluate(connection, Exclusions(())), every, self.window) if every else found

    def _evaluate(self, connection: psycopg.Connection, exclusions: Exclusions) -> list[KpiResult]:
        about = about_device(connection, self.own_id, self.window, exclusions.of(""))
        if "vehicle" not in about:
            return []
        seconds, streams, clocks, excluded, waited = {}, {}, {}, {}, {}
        limit_us = self.profile.parameters.clock_limit_us
        for link, link_id, end_us in self.links:
            excluded[link] = exclusions.of(link)
            clocks[link] = load_clock_quality(
                connection, self.own_id, link_id, *ends_us([about["vehicle"]]), limit_us, excluded[link]
            )
            reader = partial(_LinkSeconds, self.profile.parameters, clocks[link])
            read = walked(connection, link_id, (self.window[0], end_us), excluded[link], reader)
            seconds[link], waited[link] = read.seconds, read.taken.waited
            wanted = {name: LINK_STREAMS[name] for name in _AT_ONCE}
            streams[link] = load_streams(connection, wanted, link_id, self.window, excluded[link])
        started_at, ended_at = (datetime.fromtimestamp(end / 1e6, tz=UTC) for end in ends_us([about["vehicle"]]))
        subject = Subject(
            device=self.device, link="", profile=self.profile, started_at=started_at, ended_at=ended_at,
            clock=ClockQuality("不明", None),
        )  # fmt: skip
        results = evaluate_all_met(
            seconds, streams, about, subject, path=track_of(about), clocks=clocks, excluded=excluded
        )  # fmt: skip
        found = []
        for result in results:
            links = result.link.split(JOINT)
            judged = replace(subject, clock=worst_clock([clocks[link] for link in links]))
            found += with_waiting_time([result], judged, Waited().and_of(*(waited[link] for link in links)))
        return found
