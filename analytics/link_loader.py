"""The KPIs of one link from the database: of its packets, its other streams, and of a device what has no link."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import psycopg

from analytics.clock import ClockQuality
from analytics.evaluate import evaluate_link, ping_convention
from analytics.exclusions import beside
from analytics.families.all_met import measured_until_us
from analytics.families.device import (
    LINK_STREAMS,
    OF_PACKETS,
    evaluate_device_streams,
    evaluate_link_streams,
    packets_asked,
)
from analytics.families.video import Horizon, cameras_of
from analytics.loader import Exclusions, about_device, load_clock_quality, load_streams
from analytics.offset_kpis import with_offset_corrected
from analytics.packet_loader import PacketJob, Packets, packet_chunks, probe_extent, read_packets
from analytics.probes import NotInOrderError
from analytics.requirements import Profile
from analytics.results import KpiResult
from analytics.series import Series, ends_us
from analytics.spans import Span
from analytics.subject import Subject
from analytics.waiting_time import with_waiting_time


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkWork:
    """The KPIs of one link; of the link "", those of the device itself and of what it sent without a link.

    `settled_us` is the end of the part of the window in which every packet's fate is known; `others` are name and
    number of the device's other links.
    """

    device: str
    link: str
    link_id: int
    own_id: int | None
    window: Span
    settled_us: int
    exclusions: Exclusions
    profile: Profile
    correct_offset: bool
    others: tuple[tuple[str, int], ...] = ()

    def run(self, connection: psycopg.Connection) -> list[KpiResult]:
        """Read and evaluate; with excluded intervals, twice, the packets being read once."""
        spans = self.exclusions.of(self.link)
        asked = [self._asked(connection, each) for each in ([spans, ()] if spans else [()])]
        packets: list[Packets | None] = [None] * len(asked)
        if self.link and (extent_us := probe_extent(connection, self.link_id, self.window[0], self.settled_us)):
            limit_us = self.profile.parameters.clock_limit_us
            jobs = [
                PacketJob(
                    self._subject(*extent_us, load_clock_quality(
                        connection, self.own_id, self.link_id, *extent_us, limit_us, each.excluded
                    )),
                    each.excluded, packets_asked(each.streams),
                )
                for each in asked
            ]  # fmt: skip
            window_us = self.window[0], self.settled_us
            packets = [*read_packets(connection, self.link_id, window_us, jobs)]
        is_ping = bool(self.link) and _is_from_ping(connection, self.link_id, *self.window)
        found = [
            self._evaluate(connection, each, read, is_ping=is_ping) for each, read in zip(asked, packets, strict=True)
        ]
        return beside(found[0], found[1], spans, self.window) if spans else found[0]

    def _asked(self, connection: psycopg.Connection, excluded: Sequence[Span]) -> _Asked:
        about = about_device(connection, self.own_id, self.window, excluded)
        return _Asked(excluded, about, load_streams(connection, LINK_STREAMS, self.link_id, self.window, excluded))

    def _evaluate(
        self, connection: psycopg.Connection, asked: _Asked, packets: Packets | None, *, is_ping: bool
    ) -> list[KpiResult]:
        results: list[KpiResult] = []
        if packets is not None and packets.scan.n:
            subject = packets.subject
            results += evaluate_link(packets.scan, subject)
            if is_ping:
                results += ping_convention(packets.scan, subject)
            if self.correct_offset:
                results = self._corrected(connection, results, packets, asked.excluded)
        streams, about = asked.streams, asked.about
        if streams:
            watch = None if packets is None else packets.watch
            horizon = self._horizon(connection, streams, about, asked.excluded) if "video" in streams else None
            found = evaluate_link_streams(streams, watch, about, self._subject(*ends_us(streams.values())), horizon)
            results += found if packets is None else _with_waiting_time(found, packets)
        if not self.link and about:
            results += evaluate_device_streams(about, self._subject(*ends_us(about.values())), asked.excluded)
        return results

    def _corrected(
        self, connection: psycopg.Connection, results: list[KpiResult], packets: Packets, excluded: Sequence[Span]
    ) -> list[KpiResult]:
        """Read the packets once more for their offset, and again with their delays corrected for it."""

        def corrected(*, is_at_once: bool) -> list[KpiResult]:
            window_us = self.window[0], self.settled_us
            chunks = partial(
                packet_chunks, connection, self.link_id, window_us, excluded, is_at_once=is_at_once
            )  # fmt: skip
            return with_offset_corrected(results, packets.scan, chunks, packets.subject)

        try:
            return corrected(is_at_once=packets.is_at_once)
        except NotInOrderError:
            return corrected(is_at_once=True)

    def _horizon(
        self, connection: psycopg.Connection, streams: Mapping[str, Series], about: Mapping[str, Series],
        excluded: Sequence[Span],
    ) -> Horizon:  # fmt: skip
        """Return until when video was due: it may have gone on over another link, and the device measured on."""
        elsewhere_us: dict[str, int] = {}
        for link, link_id in self.others:
            spans = self.exclusions.of(link) if excluded else ()
            video = load_streams(connection, {"video": ("camera",)}, link_id, self.window, spans).get("video")
            for camera, rows in {} if video is None else cameras_of(video).items():
                elsewhere_us[camera] = max(elsewhere_us.get(camera, 0), int(rows.t_us[-1]))
        end_us = max([measured_until_us({}, {self.link: streams}, about), *elsewhere_us.values()])
        return Horizon(end_us=end_us, elsewhere_us=elsewhere_us, excluded=excluded)

    def _subject(self, first_us: int, last_us: int, clock: ClockQuality | None = None) -> Subject:
        return Subject(
            device=self.device, link=self.link, profile=self.profile,
            started_at=datetime.fromtimestamp(first_us / 1e6, tz=UTC),
            ended_at=datetime.fromtimestamp(last_us / 1e6, tz=UTC), clock=clock or ClockQuality("不明", None),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is evaluated beside a link's packets: its streams and those of its device, without excluded intervals."""

    excluded: Sequence[Span]
    about: Mapping[str, Series]
    streams: Mapping[str, Series]


def _with_waiting_time(results: Sequence[KpiResult], packets: Packets) -> list[KpiResult]:
    """Return the results of other streams, those that rest on packets with what counts as lost of these."""
    return [
        each
        for result in results
        for each in (
            with_waiting_time([result], packets.subject, packets.scan.waited) if result.id in OF_PACKETS else [result]
        )
    ]


def _is_from_ping(connection: psycopg.Connection, link_id: int, start_us: int, end_us: int) -> bool:
    """Tell whether the link's probes were read from a ping log, which says so in an event."""
    row = connection.execute(
        "SELECT 1 FROM event WHERE link_id = %s AND name = 'ping.summary' AND t >= to_timestamp(%s / 1e6)"
        " AND t <= to_timestamp(%s / 1e6) LIMIT 1",
        (link_id, start_us, end_us),
    ).fetchone()
    return row is not None
