"""A link's packets from the database, chunk by chunk, read once for all that is made of them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol, TypeVar

import numpy as np
import psycopg

from analytics.chunks import PacketChunks
from analytics.exclusions import outside, without
from analytics.link_scan import LinkScan
from analytics.packet_watch import PacketWatch
from analytics.probes import COLUMNS, Ints, NotInOrderError, ProbeArrays
from analytics.spans import Span
from analytics.subject import Subject
from storage.columnar import ArrayColumn
from storage.long_reader import iterate_long, read_long
from storage.reader import batch_extent

PROBE = "probe"


def probe_extent(connection: psycopg.Connection, link_id: int, start_us: int, end_us: int) -> Span | None:
    """Return the first and the last instant of a link's packets in a window, to a batch; None where there is none."""
    return batch_extent(connection, PROBE, link_id, start_us, end_us)


@dataclass(frozen=True, slots=True)
class PacketJob:
    """What is made of a link's packets: the KPIs of a subject, without the excluded intervals.

    `watch` sees the packets too, as they count for the KPIs, for streams that are evaluated together with them.
    """

    subject: Subject
    excluded: Sequence[Span] = ()
    watch: PacketWatch = field(default_factory=PacketWatch)


@dataclass(frozen=True, slots=True)
class Packets:
    """What was read of a link's packets. `is_at_once`: they could not be read in chunks."""

    scan: LinkScan
    watch: PacketWatch
    is_at_once: bool = False

    @property
    def subject(self) -> Subject:
        """The subject, from the first to the last packet."""
        return replace(
            self.scan.subject, started_at=datetime.fromtimestamp(self.scan.first_us / 1e6, tz=UTC),
            ended_at=datetime.fromtimestamp(self.scan.last_us / 1e6, tz=UTC),
        )  # fmt: skip


def read_packets(
    connection: psycopg.Connection, link_id: int, window_us: Span, jobs: Sequence[PacketJob]
) -> list[Packets]:
    """Read a link's packets once, for several jobs.

    Memory is bounded by the chunk, unless chunks reach into each other (two senders at once, packets that overtook
    thousands): then they are read again, all at once.
    """
    try:
        found = _in_chunks(connection, link_id, window_us, jobs)
    except NotInOrderError:
        found = []
        columns = _whole(connection, link_id, window_us)
        for job in jobs:
            scan, watch, probes = (
                LinkScan(job.subject),
                deepcopy(job.watch),
                PacketChunks().add(without(columns, job.excluded)),
            )
            watch.add(scan.add(probes))
            found.append(Packets(scan, watch, is_at_once=True))
    for each in found:
        each.watch.data_hash = each.scan.data_hash()
    return found


def _in_chunks(
    connection: psycopg.Connection, link_id: int, window_us: Span, jobs: Sequence[PacketJob]
) -> list[Packets]:
    # Watches are copied: where chunks do not suffice, what they saw is forgotten.
    found = [(job, PacketChunks(), Packets(LinkScan(job.subject), deepcopy(job.watch))) for job in jobs]
    chunks = iterate_long(
        connection, PROBE, COLUMNS, link_ids=[link_id], start_us=window_us[0], end_us=window_us[1]
    )  # fmt: skip
    with closing(chunks):
        for columns in chunks:
            for job, packets, read in found:
                probes = packets.add(without(columns, job.excluded))
                read.watch.add(read.scan.add(probes))
    return [read for _, _, read in found]


def _whole(connection: psycopg.Connection, link_id: int, window_us: Span) -> dict[str, ArrayColumn]:
    return read_long(connection, PROBE, COLUMNS, link_ids=[link_id], start_us=window_us[0], end_us=window_us[1])


def packet_chunks(
    connection: psycopg.Connection, link_id: int, window_us: Span, excluded: Sequence[Span], *, is_at_once: bool
) -> Generator[ProbeArrays]:
    """Yield a link's packets once more, at once or in chunks."""
    packets = PacketChunks()
    if is_at_once:
        yield packets.add(without(_whole(connection, link_id, window_us), excluded))
        return
    chunks = iterate_long(
        connection, PROBE, COLUMNS, link_ids=[link_id], start_us=window_us[0], end_us=window_us[1]
    )  # fmt: skip
    with closing(chunks):
        for columns in chunks:
            yield packets.add(without(columns, excluded))


class Reader(Protocol):
    """Takes packets chunk by chunk, in order of sending."""

    def add(self, probes: ProbeArrays, /) -> None:
        """Add the next packets. Raises NotInOrderError where they must be seen all at once."""


R = TypeVar("R", bound=Reader)


def walked(
    connection: psycopg.Connection, link_id: int, window_us: Span, excluded: Sequence[Span], begin: Callable[[], R]
) -> R:
    """Read a link's packets in chunks with what `begin` gives; once more, all at once with another, if it must be."""
    try:
        return _walk(connection, link_id, window_us, excluded, begin(), is_at_once=False)
    except NotInOrderError:
        return _walk(connection, link_id, window_us, excluded, begin(), is_at_once=True)


def _walk(
    connection: psycopg.Connection, link_id: int, window_us: Span, excluded: Sequence[Span], reader: R, *,
    is_at_once: bool,
) -> R:  # fmt: skip
    with closing(packet_chunks(connection, link_id, window_us, excluded, is_at_once=is_at_once)) as chunks:
        for chunk in chunks:
            reader.add(chunk)
    return reader


def packets_in_step(
    connection: psycopg.Connection, ends_us: Mapping[int, int], start_us: int, *, is_at_once: bool
) -> Generator[dict[int, dict[str, ArrayColumn]]]:
    """Yield the probe rows of several links by link, in stretches of time that are the same for all, or all at once.

    `ends_us` says until when each link is read. What a stretch holds was sent before all that comes after it.
    """
    names, window = (*COLUMNS, "link_id"), {"start_us": start_us, "end_us": max(ends_us.values())}
    if is_at_once:
        yield _by_link(read_long(connection, PROBE, names, link_ids=[*ends_us], **window), ends_us)
        return
    with closing(iterate_long(connection, PROBE, names, link_ids=[*ends_us], **window)) as chunks:
        for columns in chunks:
            yield _by_link(columns, ends_us)


def _by_link(columns: dict[str, ArrayColumn], ends_us: Mapping[int, int]) -> dict[int, dict[str, ArrayColumn]]:
    t_us, link = columns["t_us"].values, columns["link_id"].values
    found = {}
    for link_id, end_us in ends_us.items():
        rows = np.flatnonzero((link == link_id) & (t_us < end_us))
        found[link_id] = {
            name: ArrayColumn(column.values[rows], None if column.valid is None else column.valid[rows])
            for name, column in columns.items()
            if name != "link_id"
        }
    return found


def sending_times(
    connection: psycopg.Connection, link_id: int, window_us: Span, excluded: Sequence[Span], every_us: int
) -> tuple[int | None, Ints]:
    """Return when the first packet was sent, excluded ones too, and when those that are not excluded were, thinned out.

    The first and the last packet of each `every_us` are kept: enough to know which longer stretches hold any.
    """
    first_us, kept = None, [np.empty(0, np.int64)]
    chunks = iterate_long(connection, PROBE, (), link_ids=[link_id], start_us=window_us[0], end_us=window_us[1])
    with closing(chunks):
        for columns in chunks:
            t_us = columns["t_us"].values
            first_us = int(t_us[0]) if first_us is None else first_us
            t_us = t_us[outside(t_us, excluded)]
            if t_us.size:
                changes = np.flatnonzero(np.diff(t_us // every_us))
                kept.append(t_us[np.unique(np.concatenate([[0], changes, changes + 1, [t_us.size - 1]]))])
    return first_us, np.concatenate(kept)
