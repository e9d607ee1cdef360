"""Parts and the database: keeping them up to date, and answering any window from days, hours, minutes and packets.

Beside `analytics.loader` the only door to the database. An answer is exact at any moment, however far the refresher
has come: minutes whose packets changed since are computed from the packets.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Generator, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import psycopg

from analytics.part_codec import READABLE, VERSION, pack_delay, pack_head, unpack_part
from analytics.part_segments import DIRECTIONS, Deadlines
from analytics.partials import Part, empty_part, merge, part_of, split
from analytics.probes import COLUMNS, probe_arrays
from analytics.requirements import load_requirements
from storage.partials import (
    LEVEL_US,
    PartRow,
    PartState,
    Range,
    begin_anew,
    changed_minutes,
    clear_due,
    due_hours,
    note_changes,
    only_refresher,
    read_parts,
    read_state,
    set_version,
    write_parts,
)
from storage.reader import iterate_columns, read_columns

MINUTE, HOUR, DAY = range(3)
PACKETS = -1
"""The level below the minute: no part, the packets themselves."""


class Refreshed(NamedTuple):
    """One hour of one link brought up to date; `left` hours still are not."""

    link_id: int
    hour_us: int
    minutes: int
    left: int


def profile_deadlines(profile: str | None) -> Deadlines:
    """Return the deadlines of a requirement profile (name, path, or None). Raises RequirementError."""
    parameters = load_requirements(profile).parameters
    return Deadlines(round(parameters.t_max_ms * 1000), round(parameters.survival_ms * 1000))


def stored_deadlines(connection: psycopg.Connection) -> Deadlines:
    """Return the deadlines that the stored parts were made with."""
    return _deadlines(read_state(connection))


def rebuild_parts(connection: psycopg.Connection, deadlines: Deadlines) -> None:
    """Forget all parts, so that the next refresh makes them anew with these deadlines."""
    begin_anew(connection, VERSION, deadlines.t_max_us, deadlines.survival_us)


def refresh_parts(
    connection: psycopg.Connection, deadlines: Deadlines | None = None, *, is_patient: bool = False
) -> Generator[Refreshed]:
    """Bring all parts up to date and yield after each hour, newest first; stop whenever you like, nothing is lost.

    `connection` is in autocommit mode. `deadlines` are for parts that are made for the first time; parts that exist
    keep theirs (`rebuild_parts` changes them). Where another process refreshes already, nothing is done, unless this
    one is patient: then it waits. Packets that are deleted are not noticed: their parts stay.
    """
    with only_refresher(connection, is_patient=is_patient) as is_mine:
        if not is_mine:
            return
        state = read_state(connection)
        if state is None or state.version not in READABLE:
            kept = deadlines or (Deadlines() if state is None else Deadlines(state.t_max_us, state.survival_us))
            rebuild_parts(connection, kept)
        elif state.version != VERSION:
            set_version(connection, VERSION)
        note_changes(connection)
        used = _deadlines(read_state(connection))
        hours = due_hours(connection)
        for number, (link_id, hour_us, minutes_us) in enumerate(hours, 1):
            # The parts of all levels and the note that they are due change together.
            with connection.transaction():
                _refresh_hour(connection, link_id, hour_us, minutes_us, used)
            yield Refreshed(link_id, hour_us, len(minutes_us), len(hours) - number)


def _deadlines(state: PartState | None) -> Deadlines:
    return Deadlines() if state is None else Deadlines(state.t_max_us, state.survival_us)


def _refresh_hour(
    connection: psycopg.Connection, link_id: int, hour_us: int, minutes_us: Sequence[int], deadlines: Deadlines
) -> None:
    for low_us, high_us in _runs(minutes_us, LEVEL_US[MINUTE]):
        columns = read_columns(connection, "probe", COLUMNS, link_ids=[link_id], start_us=low_us, end_us=high_us)
        edges_us = range(low_us, high_us + 1, LEVEL_US[MINUTE])
        _store(connection, link_id, MINUTE, list(split(columns, edges_us, deadlines)))
    for level in (HOUR, DAY):
        start_us = hour_us // LEVEL_US[level] * LEVEL_US[level]
        within = Range(level - 1, start_us, start_us + LEVEL_US[level])
        below = [_unpacked(row) for row in read_parts(connection, link_id, [within], DIRECTIONS)]
        whole = _spanning(below, start_us, start_us + LEVEL_US[level], deadlines)
        _store(connection, link_id, level, [whole])
    clear_due(connection, link_id, minutes_us)


def _runs(starts_us: Sequence[int], width_us: int) -> Iterator[tuple[int, int]]:
    """Return ascending units as [start, end) of what is contiguous."""
    low_us = high_us = starts_us[0]
    for start_us in starts_us:
        if start_us > high_us:
            yield low_us, high_us
            low_us = start_us
        high_us = start_us + width_us
    yield low_us, high_us


def _spanning(parts: Sequence[Part], start_us: int, end_us: int, deadlines: Deadlines) -> Part:
    """Return the merge of parts that lie in an interval, as the part of all of it."""
    if not parts:
        return empty_part(start_us, end_us, deadlines)
    return dataclasses.replace(merge(parts), start_us=start_us, end_us=end_us)


def _store(connection: psycopg.Connection, link_id: int, level: int, parts: Sequence[Part]) -> None:
    rows = [
        PartRow(level, part.start_us, pack_head(part), *(_cell(part, name) for name in PartRow._fields[3:]))
        for part in parts
        if not part.is_empty
    ]
    write_parts(connection, link_id, rows, [(level, part.start_us) for part in parts if part.is_empty])


def _cell(part: Part, direction: str) -> bytes | None:
    return pack_delay(part.delays[direction]) if direction in part.delays else None


def _unpacked(row: PartRow) -> Part:
    delays = {"round_trip": row.round_trip, "up": row.up, "down": row.down}
    return unpack_part(row.start_us, row.start_us + LEVEL_US[row.level], row.head, delays)


def cover(start_us: int, end_us: int, changed_us: npt.NDArray[np.int64], level: int = DAY) -> Iterator[Range]:
    """Cut a window into the largest units that hold no changed minute, in order of time; the rest is PACKETS."""
    if start_us >= end_us:
        return
    if level == PACKETS:
        yield Range(PACKETS, start_us, end_us)
        return
    width = LEVEL_US[level]
    first, last = -(-start_us // width) * width, end_us // width * width
    if first >= last:
        yield from cover(start_us, end_us, changed_us, level - 1)
        return
    yield from cover(start_us, first, changed_us, level - 1)
    inside = changed_us[(changed_us >= first) & (changed_us < last)]
    at_us = first
    for unit in np.unique(inside // width).tolist():
        if at_us < unit * width:
            yield Range(level, at_us, unit * width)
        at_us = (unit + 1) * width
        yield from cover(unit * width, at_us, changed_us, level - 1)
    if at_us < last:
        yield Range(level, at_us, last)
    yield from cover(last, end_us, changed_us, level - 1)


def window_parts(
    connection: psycopg.Connection,
    link_id: int,
    edges_us: Sequence[int],
    directions: Sequence[str] = DIRECTIONS,
) -> list[Part]:
    """Return the part between each two of `edges_us` (ascending, Unix microseconds), of the given directions' delays.

    `connection` is in a REPEATABLE READ transaction, so that parts and packets are of one moment.
    """
    state = read_state(connection)
    deadlines = _deadlines(state)
    windows = list(itertools.pairwise(edges_us))
    if state is None or state.seen is None or state.version not in READABLE:
        ranges = [[Range(PACKETS, start_us, end_us)] for start_us, end_us in windows]
    else:
        changed = changed_minutes(connection, state, link_id, edges_us[0], edges_us[-1])
        ranges = [list(cover(start_us, end_us, changed)) for start_us, end_us in windows]
    stored = [one for found in ranges for one in found if one.level != PACKETS]
    parts = [_unpacked(row) for row in read_parts(connection, link_id, _joined(stored), directions)]
    for one in _joined([one for found in ranges for one in found if one.level == PACKETS]):
        cuts = [edge for edge in edges_us if one.start_us < edge < one.end_us]
        for low_us, high_us in itertools.pairwise([one.start_us, *cuts, one.end_us]):
            found = _parts_of_packets(connection, link_id, low_us, high_us, deadlines)
            parts += [_of_directions(part, directions) for part in found]
    parts.sort(key=lambda part: part.start_us)
    starts = np.array([part.start_us for part in parts], np.int64)
    places = np.searchsorted(starts, np.asarray(edges_us, np.int64)).tolist()
    return [
        _spanning(parts[low:high], start_us, end_us, deadlines)
        for (low, high), (start_us, end_us) in zip(itertools.pairwise(places), windows, strict=True)
    ]


_STEPS_US = tuple(LEVEL_US[MINUTE] * minutes for minutes in (1, 2, 5, 10, 15, 20, 30, 60, 120, 180, 360, 720, 1440))


def series_edges(start_us: int, end_us: int, points: int) -> list[int]:
    """Return the edges of a chart's steps: at most `points` steps and one, whole in minutes, hours or days.

    Steps that hours can be cut into are what makes long charts fast: 30 days in steps of 2 h are read from 720 hours,
    in steps of 144 min from 14,400 minutes besides, which takes ten times as long.
    """
    span_us = max(end_us - start_us, 1)
    day_us = LEVEL_US[DAY]
    whole_days_us = day_us * -(-span_us // (day_us * points))
    step_us = next((step for step in _STEPS_US if span_us <= step * points), whole_days_us)
    return list(range(start_us // step_us * step_us, -(-end_us // step_us) * step_us + 1, step_us))


def _joined(ranges: Sequence[Range]) -> list[Range]:
    """Join ranges of the same level that touch."""
    joined: list[Range] = []
    for one in sorted(ranges):
        if joined and joined[-1].level == one.level and joined[-1].end_us == one.start_us:
            joined[-1] = joined[-1]._replace(end_us=one.end_us)
        else:
            joined.append(one)
    return joined


def _of_directions(part: Part, directions: Sequence[str]) -> Part:
    delays = {direction: delay for direction, delay in part.delays.items() if direction in directions}
    return dataclasses.replace(part, delays=delays)


def _parts_of_packets(
    connection: psycopg.Connection, link_id: int, start_us: int, end_us: int, deadlines: Deadlines
) -> Iterator[Part]:
    """Yield the parts of packets in chunks, so that memory is bounded however long the stretch is."""
    for chunk in iterate_columns(connection, "probe", COLUMNS, link_ids=[link_id], start_us=start_us, end_us=end_us):
        t_us = chunk["t_us"].values
        yield part_of(probe_arrays(chunk), int(t_us[0]), int(t_us[-1]) + 1, deadlines)
