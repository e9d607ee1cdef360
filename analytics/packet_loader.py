"""A link's packets from the database, chunk by chunk, read once for all that is made of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import psycopg

from analytics.chunks import PacketChunks
from analytics.exclusions import without
from analytics.link_scan import LinkScan
from analytics.probes import COLUMNS, NotInOrderError, ProbeArrays, concatenated
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

    `is_whole`: the packets themselves are wanted too, for streams that are evaluated together with them.
    """

    subject: Subject
    excluded: Sequence[Span] = ()
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class Packets:
    """What was read of a link's packets; `whole` is all of them, where they were wanted.

    `is_at_once`: they could not be read in chunks.
    """

    scan: LinkScan
    whole: ProbeArrays | None
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

    Memory is bounded by the chunk, unless the packets themselves are wanted or chunks reach into each other (two
    senders at once, packets that overtook thousands): then they are read again, all at once.
    """
    try:
        return _in_chunks(connection, link_id, window_us, jobs)
    except NotInOrderError:
        columns = _whole(connection, link_id, window_us)
        found = []
        for job in jobs:
            scan, whole = LinkScan(job.subject), PacketChunks().add(without(columns, job.excluded))
            scan.add(whole)
            found.append(Packets(scan, whole if job.is_whole else None, is_at_once=True))
        return found


def _in_chunks(
    connection: psycopg.Connection, link_id: int, window_us: Span, jobs: Sequence[PacketJob]
) -> list[Packets]:
    makers = [(job, PacketChunks(), LinkScan(job.subject), list[ProbeArrays]()) for job in jobs]
    chunks = iterate_long(
        connection, PROBE, COLUMNS, link_ids=[link_id], start_us=window_us[0], end_us=window_us[1]
    )  # fmt: skip
    with closing(chunks):
        for columns in chunks:
            for job, packets, scan, kept in makers:
                probes = packets.add(without(columns, job.excluded))
                scan.add(probes)
                if job.is_whole:
                    kept.append(probes)
    return [Packets(scan, concatenated(kept) if kept else None) for _, _, scan, kept in makers]


def _whole(connection: psycopg.Connection, link_id: int, window_us: Span) -> dict[str, ArrayColumn]:
    return read_long(connection, PROBE, COLUMNS, link_ids=[link_id], start_us=window_us[0], end_us=window_us[1])


def packet_chunks(
    connection: psycopg.Connection, link_id: int, window_us: Span, excluded: Sequence[Span], *, is_at_once: bool
) -> Iterator[ProbeArrays]:
    """Yield a link's packets once more, at once or in chunks."""
    packets = PacketChunks()
    if is_at_once:
        yield packets.add(without(_whole(connection, link_id, window_us), excluded))
        return
    for columns in iterate_long(
        connection, PROBE, COLUMNS, link_ids=[link_id], start_us=window_us[0], end_us=window_us[1]
    ):  # fmt: skip
        yield packets.add(without(columns, excluded))
