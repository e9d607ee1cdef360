"""The link switches of a device, from the database: its events and the video rows of all its links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg

from analytics.clock import ClockQuality
from analytics.exclusions import beside
from analytics.families.switching import link_switches
from analytics.figures import Figures
from analytics.loader import Exclusions, load_streams
from analytics.requirements import Profile
from analytics.results import KpiResult
from analytics.series import Series, ends_us, joined
from analytics.spans import Span
from analytics.subject import Subject

_EVENT, _VIDEO = ("name", "detail"), ("camera", "interval_s", "freeze_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchWork:
    """The switches of one device; `links` by name and number, the device's own ("") among them."""

    device: str
    links: tuple[tuple[str, int], ...]
    window: Span
    exclusions: Exclusions
    profile: Profile

    def run(self, connection: psycopg.Connection) -> list[KpiResult]:
        """Read and evaluate, with and without the excluded intervals."""
        spans = self.exclusions.of(*(link for link, _ in self.links))
        found = self._evaluate(connection, spans)
        return beside(found, self._evaluate(connection, ()), spans, self.window) if spans else found

    def _evaluate(self, connection: psycopg.Connection, excluded: Sequence[Span]) -> list[KpiResult]:
        events: list[Series] = []
        video: dict[str, Series] = {}
        for link, link_id in self.links:
            read = load_streams(connection, {"event": _EVENT, "video": _VIDEO}, link_id, self.window, excluded)
            events += [read["event"]] if "event" in read else []
            if "video" in read:
                video[link] = read["video"]
        every = [*events, *video.values()]
        if not every:
            return []
        ends = ends_us(every)
        subject = Subject(
            device=self.device, link="", profile=self.profile, clock=ClockQuality("不明", None),
            started_at=datetime.fromtimestamp(ends[0] / 1e6, tz=UTC),
            ended_at=datetime.fromtimestamp(ends[1] / 1e6, tz=UTC),
        )  # fmt: skip
        figures = Figures(subject, "-".join(each.data_hash for each in every))
        return link_switches(joined(events), video, figures)
