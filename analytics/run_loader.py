"""Every KPI of a run, link by link and pair by pair: pieces of work that read for themselves, here or elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

import psycopg

from analytics.clock import ClockQuality
from analytics.evaluate import evaluate_link, ping_convention
from analytics.exclusions import beside, without
from analytics.families.all_met import evaluate_all_met, measured_until_us
from analytics.families.device import (
    LINK_STREAMS,
    evaluate_device_streams,
    evaluate_link_streams,
    packets_asked,
    track_of,
)
from analytics.families.video import Horizon, cameras_of
from analytics.loader import (
    Exclusions,
    ProbeColumns,
    about_device,
    load_clock_quality,
    load_exclusions,
    load_probe_columns,
    load_streams,
    run_window_us,
)
from analytics.offset_kpis import with_offset_corrected
from analytics.packet_loader import PacketJob, Packets, packet_chunks, probe_extent, read_packets
from analytics.probe_seconds import ProbeSeconds
from analytics.probes import NotInOrderError, probe_arrays
from analytics.redundancy import Leg, evaluate_pairs
from analytics.requirements import Profile, load_requirements
from analytics.results import KpiResult
from analytics.series import Series
from analytics.spans import Span
from analytics.subject import Subject
from analytics.switch_loader import SwitchWork
from analytics.unmeasured import with_unmeasured
from storage.pending import settle_seconds
from storage.reader import link_ids
from storage.runs import RunRecord
from storage.snapshot import connect_to_snapshot, export_snapshot


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Where the pieces of a run are worked on: an executor whose workers reach the database at `database_url`."""

    executor: Executor
    database_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _LinkWork:
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
            results += evaluate_link_streams(streams, watch, about, self._subject(*_span(streams.values())), horizon)
        if not self.link and about:
            results += evaluate_device_streams(about, self._subject(*_span(about.values())), asked.excluded)
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


_AT_ONCE = ("video", "command")
"""Streams of a link that are asked for in each second of the drive, beside its packets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _DriveWork:
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

    def _seconds(
        self, connection: psycopg.Connection, link_id: int, end_us: int, excluded: Sequence[Span]
    ) -> ProbeSeconds:
        """Read the packets of a link once more, second by second."""

        def read(*, is_at_once: bool) -> ProbeSeconds:
            found = ProbeSeconds()
            window_us = self.window[0], end_us
            for chunk in packet_chunks(connection, link_id, window_us, excluded, is_at_once=is_at_once):
                found.add(chunk)
            return found

        try:
            return read(is_at_once=False)
        except NotInOrderError:
            return read(is_at_once=True)

    def _evaluate(self, connection: psycopg.Connection, exclusions: Exclusions) -> list[KpiResult]:
        about = about_device(connection, self.own_id, self.window, exclusions.of(""))
        if "vehicle" not in about:
            return []
        seconds, streams, clocks, excluded = {}, {}, {}, {}
        for link, link_id, end_us in self.links:
            excluded[link] = exclusions.of(link)
            seconds[link] = self._seconds(connection, link_id, end_us, excluded[link])
            wanted = {name: LINK_STREAMS[name] for name in _AT_ONCE}
            streams[link] = load_streams(connection, wanted, link_id, self.window, excluded[link])
            limit_us = self.profile.parameters.clock_limit_us
            clocks[link] = load_clock_quality(connection, self.own_id, link_id, *_span([about["vehicle"]]), limit_us)
        started_at, ended_at = (datetime.fromtimestamp(end / 1e6, tz=UTC) for end in _span([about["vehicle"]]))
        subject = Subject(
            device=self.device, link="", profile=self.profile, started_at=started_at, ended_at=ended_at,
            clock=ClockQuality("不明", None),
        )  # fmt: skip
        return evaluate_all_met(
            seconds, streams, about, subject, path=track_of(about), clocks=clocks, excluded=excluded
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _PairWork:
    """What every pair of a device's links gave together; `links` by name, number and the end of what is settled."""

    device: str
    links: tuple[tuple[str, int, int], ...]
    own_id: int | None
    window: Span
    exclusions: Exclusions
    profile: Profile

    def run(self, connection: psycopg.Connection) -> list[KpiResult]:
        """Read and evaluate, with and without the excluded intervals."""
        read = {link: load_probe_columns(connection, link_id, self.window[0], end_us)
                for link, link_id, end_us in self.links}  # fmt: skip
        every = self.exclusions.of(*read)
        found = self._evaluate(connection, read, self.exclusions)
        whole = self._evaluate(connection, read, Exclusions(())) if every else found
        return beside(found, whole, every, self.window) if every else found

    def _evaluate(
        self, connection: psycopg.Connection, read: dict[str, ProbeColumns], exclusions: Exclusions
    ) -> list[KpiResult]:
        legs = []
        for link, link_id, _ in self.links:
            probes = probe_arrays(without(read[link], exclusions.of(link)))
            if probes.n:
                first_us, last_us = int(probes.t_us.min()), int(probes.t_us.max())
                legs.append(Leg(link, probes, load_clock_quality(connection, self.own_id, link_id, first_us, last_us)))
        return evaluate_pairs(legs, self.device, self.profile)


class _Work(Protocol):
    def run(self, connection: psycopg.Connection) -> list[KpiResult]:
        """Read and evaluate."""


def evaluate_run(
    connection: psycopg.Connection, run: RunRecord, profile: str | None, *, is_live: bool | None = None,
    correct_offset: bool = False, elsewhere: Elsewhere | None = None,
) -> list[KpiResult]:  # fmt: skip
    """Evaluate every link of a run that has probes, against a requirement profile (name, path, or None).

    A live window (by default a run without an end) ends at the newest packet whose fate is settled: those after it are
    neither absent nor all delivered, they are under way. `correct_offset`: one-way figures are corrected afterwards for
    the offset of the clocks, and say so. `elsewhere`: the pieces are worked on by its executor, all in the snapshot of
    this connection, which must be in autocommit mode; the results are the same, in the same order. Requirements that
    no result answers have a row of their own at the end. Raises RequirementError for a profile that cannot be used.
    """
    requirements = load_requirements(profile)
    if elsewhere is None:
        works = _works(connection, run, requirements, is_live=is_live, correct_offset=correct_offset)
        results = [result for work in works for result in work.run(connection)]
        return with_unmeasured(results, requirements, run.started_at, run.ended_at)
    with export_snapshot(connection) as snapshot:
        works = _works(connection, run, requirements, is_live=is_live, correct_offset=correct_offset)
        # The transaction, and with it the snapshot, stays until the last piece is done.
        waiting = [elsewhere.executor.submit(_work, elsewhere.database_url, snapshot, work) for work in works]
        try:
            results = [result for each in waiting for result in each.result()]
            return with_unmeasured(results, requirements, run.started_at, run.ended_at)
        finally:
            for each in waiting:
                each.cancel()


def _works(
    connection: psycopg.Connection, run: RunRecord, profile: Profile, *, is_live: bool | None, correct_offset: bool
) -> list[_Work]:
    ids = link_ids(connection, run.site, run.devices, run.links)
    window = run_window_us(run)
    is_open = run.ended_at is None if is_live is None else is_live
    settle_s = settle_seconds(connection, list(ids.values())) if is_open else {}
    ends_us = {link_id: window[1] - round(settle_s.get(link_id, 0) * 1e6) for link_id in ids.values()}
    exclusions = load_exclusions(connection, run)
    works: list[_Work] = []
    for device in sorted({name for name, _ in ids}):
        own_id = ids.get((device, ""))
        mine = [(link, link_id, ends_us[link_id]) for (name, link), link_id in ids.items() if name == device]
        works += [
            _LinkWork(
                device=device, link=link, link_id=link_id, own_id=own_id, window=window, settled_us=settled_us,
                exclusions=exclusions, profile=profile, correct_offset=correct_offset,
                others=tuple((name, number) for name, number, _ in mine if name and name != link),
            )
            for link, link_id, settled_us in mine
        ]  # fmt: skip
        links = tuple(each for each in mine if each[0])
        if links and own_id is not None:
            works.append(
                _DriveWork(
                    device=device, links=links, own_id=own_id, window=window, exclusions=exclusions, profile=profile
                )
            )
        if len(links) > 1:
            both = tuple((link, link_id) for link, link_id, _ in mine)
            works.append(SwitchWork(device=device, links=both, window=window, exclusions=exclusions, profile=profile))
            works.append(
                _PairWork(
                    device=device, links=links, own_id=own_id, window=window, exclusions=exclusions, profile=profile
                )
            )
    return works


def _work(database_url: str, snapshot: str, work: _Work) -> list[KpiResult]:
    """Do one piece in another process, seeing the same rows as all others."""
    with connect_to_snapshot(database_url, snapshot, name="jissho-worker") as connection:
        return work.run(connection)


def _span(streams: Iterable[Series]) -> tuple[int, int]:
    ends = [(int(each.t_us[0]), int(each.t_us[-1])) for each in streams]
    return min(low for low, _ in ends), max(high for _, high in ends)


def _is_from_ping(connection: psycopg.Connection, link_id: int, start_us: int, end_us: int) -> bool:
    """Tell whether the link's probes were read from a ping log, which says so in an event."""
    row = connection.execute(
        "SELECT 1 FROM event WHERE link_id = %s AND name = 'ping.summary' AND t >= to_timestamp(%s / 1e6)"
        " AND t <= to_timestamp(%s / 1e6) LIMIT 1",
        (link_id, start_us, end_us),
    ).fetchone()
    return row is not None
