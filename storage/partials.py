"""Rows of partial results, and which minutes changed since they were made: bytes and times, nothing of their meaning.

What is new is asked of snapshots: each batch carries the transaction that brought it, and the state keeps the snapshot
up to which batches were noted. A batch is new if that snapshot did not see its transaction, whatever the order in which
transactions begin and commit. (A clock or a growing number would miss a transaction that commits late.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import psycopg

LEVEL_US = (60_000_000, 3_600_000_000, 86_400_000_000)
"""Length of a part of each level: minute, hour, day."""

_LOCK_KEY = 0x6A6973706172  # "jispar": one refresher at a time, whatever process it is in
_LOOSE = "interval '1 hour'"
"""Batches that span more are looked up row by row: a minute's packet and a year's would make half a million due."""

_NEW_MINUTES = f"""
WITH fresh AS (
    {{new}}),
minutes AS (
    SELECT link_id, minute FROM fresh, generate_series(date_trunc('minute', t_first), t_last, '1 minute') AS minute
    WHERE t_last - t_first <= {_LOOSE}
    UNION
    SELECT fresh.link_id, minute FROM fresh CROSS JOIN LATERAL (
        SELECT DISTINCT date_trunc('minute', probe.t) AS minute FROM probe
        WHERE probe.t BETWEEN fresh.t_first AND fresh.t_last AND probe.link_id = fresh.link_id
              AND probe.batch_id = fresh.batch_id) AS sparse
    WHERE t_last - t_first > {_LOOSE})
"""
_FRESH = "SELECT batch_id, link_id, t_first, t_last FROM batch WHERE stream = 'probe'"
_AFTER_SEEN = f"""{_FRESH} AND xid >= pg_snapshot_xmin(%(seen)s::pg_snapshot)
    AND NOT pg_visible_in_snapshot(xid, %(seen)s::pg_snapshot)"""
_OF_LINK = (
    " AND link_id = %(link)s AND t_first < to_timestamp(%(end)s / 1e6) AND t_last >= to_timestamp(%(start)s / 1e6)"
)
_MICROSECONDS = "(extract(epoch FROM {}) * 1e6)::int8"


class PartRow(NamedTuple):
    """One part as it is stored: its level, its start (Unix microseconds), and its cells."""

    level: int
    start_us: int
    head: bytes
    round_trip: bytes | None
    up: bytes | None
    down: bytes | None


class Range(NamedTuple):
    """Parts of one level with start_us <= start < end_us."""

    level: int
    start_us: int
    end_us: int


@dataclass(frozen=True, slots=True)
class PartState:
    """What the parts were made with. `seen` is the snapshot up to which batches were noted; None: not begun."""

    seen: str | None
    version: int
    t_max_us: int
    survival_us: int


@contextmanager
def only_refresher(connection: psycopg.Connection, *, is_patient: bool = False) -> Iterator[bool]:
    """Yield whether this connection is the one that refreshes until the block ends; a patient one waits to be it."""
    if is_patient:
        connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK_KEY,))
        is_held = True
    else:
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK_KEY,)).fetchone()
        is_held = row is not None and bool(row[0])
    try:
        yield is_held
    finally:
        if is_held and not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK_KEY,))


def read_state(connection: psycopg.Connection) -> PartState | None:
    """Return the state, None before the first refresh.

    `seen` is None also where its transactions lie in the future: a dump was restored on another server, which numbers
    them from a lower number.
    """
    row = connection.execute(
        "SELECT CASE WHEN pg_snapshot_xmax(seen) <= pg_snapshot_xmax(pg_current_snapshot()) THEN seen::text END,"
        " version, t_max_us, survival_us FROM probe_part_state"
    ).fetchone()
    return None if row is None else PartState(*row)


def begin_anew(connection: psycopg.Connection, version: int, t_max_us: int, survival_us: int) -> None:
    """Forget all parts; the next `note_changes` makes every minute due. Waits for a refresh that goes on."""
    with connection.transaction():
        # A refresher that goes on would store parts of the old kind and call them done.
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK_KEY,))
        # DELETE, not TRUNCATE: readers that began before go on with what they see.
        connection.execute("DELETE FROM probe_part")
        connection.execute("DELETE FROM probe_part_due")
        connection.execute(
            "INSERT INTO probe_part_state (version, t_max_us, survival_us) VALUES (%(v)s, %(t)s, %(s)s)"
            " ON CONFLICT (is_only) DO UPDATE SET seen = NULL, version = %(v)s, t_max_us = %(t)s, survival_us = %(s)s",
            {"v": version, "t": t_max_us, "s": survival_us},
        )


def set_version(connection: psycopg.Connection, version: int) -> None:
    """Say that new parts are written in a version that reads the stored ones too; those stay as they are."""
    connection.execute("UPDATE probe_part_state SET version = %s", (version,))


def note_changes(connection: psycopg.Connection) -> int:
    """Make due the minutes of all batches that came since the last call; return how many minutes that were."""
    with connection.transaction():
        # One snapshot for the batches and for what is remembered as seen.
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        state = read_state(connection)
        seen = None if state is None else state.seen
        query = _NEW_MINUTES.format(new=_AFTER_SEEN if seen else _FRESH)
        noted = connection.execute(
            f"{query} INSERT INTO probe_part_due SELECT link_id, minute FROM minutes ON CONFLICT DO NOTHING".encode(),
            {"seen": seen},
        ).rowcount
        connection.execute("UPDATE probe_part_state SET seen = pg_current_snapshot()")
    return noted


def due_hours(connection: psycopg.Connection) -> list[tuple[int, int, list[int]]]:
    """Return (link_id, hour, its due minutes) in Unix microseconds, the newest hours first."""
    hour, minute = _MICROSECONDS.format("hour"), _MICROSECONDS.format("start")
    rows = connection.execute(
        f"SELECT link_id, {hour}, array_agg({minute} ORDER BY start)"
        " FROM (SELECT link_id, start, date_trunc('hour', start) AS hour FROM probe_part_due) AS due"
        " GROUP BY link_id, hour ORDER BY hour DESC, link_id".encode()
    )
    return [(link_id, hour_us, minutes) for link_id, hour_us, minutes in rows]


def changed_minutes(
    connection: psycopg.Connection, state: PartState, link_id: int, start_us: int, end_us: int
) -> npt.NDArray[np.int64]:
    """Return the minutes of a link, ascending, whose parts may lack packets that this connection sees.

    Begin a REPEATABLE READ transaction first and read parts and packets in it too.
    """
    query = _NEW_MINUTES.format(new=_AFTER_SEEN + _OF_LINK)
    rows = connection.execute(
        f"{query} SELECT {_MICROSECONDS.format('minute')} FROM minutes UNION"
        f" SELECT {_MICROSECONDS.format('start')} FROM probe_part_due WHERE link_id = %(link)s"
        " ORDER BY 1".encode(),
        {"seen": state.seen, "link": link_id, "start": start_us, "end": end_us},
    ).fetchall()
    return np.array([minute for (minute,) in rows], np.int64)


def read_parts(
    connection: psycopg.Connection, link_id: int, ranges: Sequence[Range], directions: Iterable[str]
) -> list[PartRow]:
    """Return the stored parts of a link within `ranges`, in order of time; other directions' cells are left out."""
    if not ranges:
        return []
    wanted = set(directions)
    cells = [name if name in wanted else "NULL" for name in ("round_trip", "up", "down")]
    # OFFSET 0 keeps one index scan for each range, in place of a join of all that the link has.
    query = f"""
        SELECT found.* FROM unnest(%s::int2[], %s::int8[], %s::int8[]) AS wanted(level, low, high)
        CROSS JOIN LATERAL (
            SELECT level, {_MICROSECONDS.format("start")}, head, {", ".join(cells)} FROM probe_part
            WHERE link_id = %s AND probe_part.level = wanted.level AND start >= to_timestamp(wanted.low / 1e6)
                  AND start < to_timestamp(wanted.high / 1e6) OFFSET 0) AS found
        ORDER BY 2"""
    levels, lows, highs = (list(values) for values in zip(*ranges, strict=True))
    with connection.cursor(binary=True) as cursor:
        return [PartRow(*row) for row in cursor.execute(query.encode(), (levels, lows, highs, link_id))]


def write_parts(
    connection: psycopg.Connection, link_id: int, rows: Sequence[PartRow], emptied: Sequence[tuple[int, int]]
) -> None:
    """Store parts, and delete those of (level, start_us) that have become empty."""
    with connection.cursor(binary=True) as cursor:
        cursor.executemany(
            "INSERT INTO probe_part VALUES (%s, %s, to_timestamp(%s / 1e6), %s, %s, %s, %s)"
            " ON CONFLICT (link_id, level, start) DO UPDATE SET head = excluded.head,"
            " round_trip = excluded.round_trip, up = excluded.up, down = excluded.down",
            [(link_id, *row) for row in rows],
        )
        if emptied:
            cursor.executemany(
                "DELETE FROM probe_part WHERE link_id = %s AND level = %s AND start = to_timestamp(%s / 1e6)",
                [(link_id, *key) for key in emptied],
            )


def clear_due(connection: psycopg.Connection, link_id: int, minutes_us: Sequence[int]) -> None:
    """Mark minutes as done, in the transaction that wrote their parts."""
    connection.execute(
        "DELETE FROM probe_part_due WHERE link_id = %s AND start = ANY(SELECT to_timestamp(m / 1e6)"
        " FROM unnest(%s::int8[]) AS m)",
        (link_id, list(minutes_us)),
    )
