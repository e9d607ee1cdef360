"""Retention: raw samples older than an age are deleted, except those of runs that are evidence.

Where a whole chunk or partition may go it goes whole, which frees its disk at once; what surrounds evidence is deleted
row by row. The ledger and the batch register stay, and what went is logged with its times, so that completeness tells
"deleted by retention" from "missing".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

import msgspec
import psycopg
from psycopg import sql

from contract.streams import STREAMS
from storage.errors import StorageError
from storage.leaves import Leaf, stream_leaves

Cause = Literal["command", "policy"]
Progress = Callable[[str, int, int], None]
"""Called with a stream, how many of its chunks are done, and how many there are."""

_LOCK_KEY = 0x6A69737361676F  # two retentions at once would count what the other deletes
_LOCK_WAIT = "5s"
"""A chunk in use (a backup reads it, a policy compresses it) is left for the next time: whoever waits for it makes
everybody else wait behind."""
_AGE = re.compile(r"(\d{1,5})\s*([hdwy])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1), "y": timedelta(days=365)}


class RetentionError(StorageError):
    """Raised when retention is asked for what it cannot do; the message says what it can."""


class StreamDeletion(msgspec.Struct, frozen=True, kw_only=True):
    """What was deleted of one stream, or would be.

    `kept_rows` are those of batches that are older than `before` but evidence, by the batch register.
    `freed_bytes` went back to the disk with whole chunks; `reusable_bytes`, about, is room for new rows inside the
    others. `busy` chunks were in use and are left for the next time.
    """

    stream: str
    before: datetime
    rows: int = 0
    kept_rows: int = 0
    chunks: int = 0
    freed_bytes: int = 0
    reusable_bytes: int = 0
    busy: int = 0


class _Task(NamedTuple):
    """One leaf of one stream to be cleared of what is older than `before`."""

    stream: str
    leaf: Leaf
    before: datetime
    cause: Cause
    is_dry_run: bool

    @property
    def is_past(self) -> bool:
        """Whether the leaf ends before `before`, and may go whole."""
        return self.leaf.is_part and self.leaf.high is not None and self.leaf.high <= self.before

    @property
    def high(self) -> datetime:
        """Until where rows may go."""
        return self.before if self.leaf.high is None else min(self.before, self.leaf.high)


class _Share(NamedTuple):
    """Old rows of one link in a leaf. `kept`: its evidence as text of a tstzmultirange, None where it has none."""

    link_id: int
    rows: int
    kept_rows: int
    first: datetime | None
    last: datetime | None
    kept: str | None


def parse_age(text: str) -> timedelta:
    """Return the age that `180d`, `26w`, `1y` or `48h` means. Raises RetentionError for anything else."""
    match = _AGE.fullmatch(text.strip().lower())
    age = int(match[1]) * _UNITS[match[2]] if match else timedelta()
    if not age:
        raise RetentionError(f"age {text!r}: write a number and a unit (h, d, w, y), e.g. 180d")
    return age


def known_stream(name: str) -> str:
    """Return `name` if it is a stream. Raises RetentionError that lists the streams."""
    if name not in STREAMS:
        raise RetentionError(f"no stream {name!r}; there are: {', '.join(STREAMS)}")
    return name


def delete_older(
    connection: psycopg.Connection,
    before: dict[str, datetime],
    *,
    cause: Cause = "command",
    dry_run: bool = False,
    progress: Progress | None = None,
) -> list[StreamDeletion]:
    """Delete the raw samples of each stream from before the time given for it, or count them with `dry_run`.

    Each chunk is a transaction of its own with its log, so that what breaks off can be done again. `connection` must be
    in autocommit mode. Raises RetentionError where another retention is at work.
    """
    with _alone(connection):
        found = []
        for stream, limit in before.items():
            tasks = [_Task(stream, leaf, limit, cause, dry_run) for leaf in stream_leaves(connection, stream, limit)]
            total = StreamDeletion(stream=stream, before=limit, kept_rows=_kept_rows(connection, stream, limit))
            for number, task in enumerate(tasks, 1):
                total = _sum(total, _delete_of_leaf(connection, task))
                if progress is not None:
                    progress(stream, number, len(tasks))
            found.append(total)
        return found


@contextmanager
def _alone(connection: psycopg.Connection) -> Iterator[None]:
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK_KEY,)).fetchone()
    if row != (True,):
        raise RetentionError("retention is at work already (by a command or by ingest): try again when it is done")
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK_KEY,))


_KEPT = """
SELECT coalesce(sum(n), 0)::int8 FROM batch
JOIN evidence_period USING (link_id) LEFT JOIN deleted_period USING (stream, link_id)
WHERE stream = %s AND t_last < %s AND kept @> tstzrange(t_first, t_last, '[]')
  AND (deleted IS NULL OR NOT deleted @> tstzrange(t_first, t_last, '[]'))
"""


def _kept_rows(connection: psycopg.Connection, stream: str, before: datetime) -> int:
    row = connection.execute(_KEPT, (stream, before)).fetchone()
    assert row is not None
    return int(row[0])


def _sum(one: StreamDeletion, other: StreamDeletion) -> StreamDeletion:
    names = ("rows", "chunks", "freed_bytes", "reusable_bytes", "busy")
    return msgspec.structs.replace(one, **{name: getattr(one, name) + getattr(other, name) for name in names})


_CANDIDATES = """
WITH arrived AS (
    SELECT stream, link_id, received_at, t_first,
           tstzrange(greatest(t_first, %(low)s), least(t_last, %(high)s - interval '1 microsecond'), '[]') AS period
    FROM batch WHERE stream = %(stream)s AND t_first < %(high)s
      AND t_last >= coalesce(%(low)s, '-infinity'::timestamptz))
SELECT EXISTS (
    SELECT FROM arrived
    LEFT JOIN deleted_period USING (stream, link_id) LEFT JOIN evidence_period USING (link_id)
    WHERE NOT coalesce(kept, '{}') + coalesce(deleted, '{}') @> period
       -- What came when it was older than retention goes may have come after it: only what was deleted since counts.
       OR (received_at - t_first > (SELECT min(deleted_at - before) FROM retention_log)
           AND NOT coalesce(kept, '{}') + coalesce(
               (SELECT range_agg(gone) FROM retention_log AS log, unnest(log.deleted) AS gone
                WHERE log.stream = arrived.stream AND log.link_id = arrived.link_id AND deleted_at >= received_at),
               '{}') @> period))
"""


def _has_candidates(connection: psycopg.Connection, task: _Task) -> bool:
    """Tell from the batch register whether there is anything to delete, so that old evidence is not read every day."""
    row = connection.execute(_CANDIDATES, {"stream": task.stream, "low": task.leaf.low, "high": task.high}).fetchone()
    return row == (True,)


def _delete_of_leaf(connection: psycopg.Connection, task: _Task) -> StreamDeletion:
    nothing = StreamDeletion(stream=task.stream, before=task.before)
    if not _has_candidates(connection, task):
        return nothing
    try:
        with connection.transaction():
            # What is counted is what is deleted: one snapshot for both, taken after the locks.
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            if not task.is_dry_run:
                _lock(connection, task)
            shares = _shares(connection, task)
            is_whole = task.is_past and not any(share.kept_rows for share in shares)
            if not task.is_dry_run:
                _delete_shares(connection, task, shares, is_whole=is_whole)
    except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
        # Others write into it, or a policy of TimescaleDB's is at work on it and its aggregates.
        return msgspec.structs.replace(nothing, busy=1)
    rows = sum(share.rows for share in shares)
    kept = sum(share.kept_rows for share in shares)
    if not rows:
        return nothing
    leaf = task.leaf
    return StreamDeletion(
        stream=task.stream,
        before=task.before,
        rows=rows,
        chunks=int(is_whole),
        freed_bytes=leaf.bytes if is_whole else 0,
        reusable_bytes=0 if is_whole else round(leaf.bytes * rows / max(leaf.rows, rows + kept)),
    )


def _lock(connection: psycopg.Connection, task: _Task) -> None:
    connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'".encode())
    # Nobody marks a run as evidence between the look and the deletion.
    connection.execute("LOCK TABLE run IN SHARE MODE")
    if task.is_past:
        # Nobody adds a row to what may go whole.
        connection.execute(f"LOCK TABLE {task.leaf.name} IN SHARE ROW EXCLUSIVE MODE".encode())


def _window(task: _Task) -> sql.Composed:
    """Return the condition for the old rows of a leaf, plain enough to choose chunks and compressed segments by."""
    condition = sql.SQL("t < {}").format(sql.Literal(task.high))
    low = task.leaf.low
    return condition if low is None else sql.SQL("{} AND t >= {}").format(condition, sql.Literal(low))


def _shares(connection: psycopg.Connection, task: _Task) -> list[_Share]:
    query = sql.SQL(
        "SELECT link_id, count(*) FILTER (WHERE is_old), count(*) FILTER (WHERE NOT is_old),"
        " min(t) FILTER (WHERE is_old), max(t) FILTER (WHERE is_old), kept::text"
        " FROM (SELECT link_id, t, kept, (kept IS NULL OR NOT kept @> t) AS is_old"
        " FROM {} LEFT JOIN evidence_period USING (link_id) WHERE {}) AS old GROUP BY link_id, kept"
    ).format(sql.SQL(task.leaf.source), _window(task))
    return [_Share(*row) for row in connection.execute(query)]


def _delete_shares(connection: psycopg.Connection, task: _Task, shares: list[_Share], *, is_whole: bool) -> None:
    going = [share for share in shares if share.rows]
    if not going:
        return
    leaf = task.leaf
    if not is_whole:
        _delete_rows(connection, task, going)
    elif leaf.is_chunk:
        connection.execute(
            "SELECT drop_chunks(%s::regclass, older_than => %s, newer_than => %s)", (task.stream, leaf.high, leaf.low)
        )
    else:
        # The partition stays, for what may still come late; an empty one costs nothing.
        connection.execute(f"TRUNCATE {leaf.name}".encode())
    for share in going:
        _log(connection, task, share)


def _delete_rows(connection: psycopg.Connection, task: _Task, shares: list[_Share]) -> None:
    if task.leaf.is_chunk:
        # Compressed segments are opened for it; the limit is against doing that unawares.
        connection.execute("SET LOCAL timescaledb.max_tuples_decompressed_per_dml_transaction = 0")
    delete = sql.SQL("DELETE FROM {} WHERE {} AND ").format(sql.SQL(task.leaf.source), _window(task))
    free = [share.link_id for share in shares if not share.kept_rows]
    if free:
        connection.execute(delete + sql.SQL("link_id = ANY({})").format(sql.Literal(free)))
    for share in shares:
        if share.kept_rows:
            is_kept = sql.SQL("{}::tstzmultirange @> t").format(sql.Literal(share.kept))
            connection.execute(delete + sql.SQL("link_id = {} AND NOT {}").format(sql.Literal(share.link_id), is_kept))


def _log(connection: psycopg.Connection, task: _Task, share: _Share) -> None:
    leaf = task.leaf
    # A leaf with bounds is empty of the link between them now; of one without (rows that fit no partition) only the
    # deleted rows themselves are known.
    is_bounded = leaf.low is not None or leaf.high is not None or not leaf.is_part
    low, high, brackets = (leaf.low, task.high, "[)") if is_bounded else (share.first, share.last, "[]")
    connection.execute(
        "INSERT INTO retention_log (stream, link_id, before, deleted, rows, cause)"
        " VALUES (%s, %s, %s, tstzmultirange(tstzrange(%s, %s, %s)) - coalesce(%s::tstzmultirange, '{}'), %s, %s)",
        (task.stream, share.link_id, task.before, low, high, brackets, share.kept, share.rows, task.cause),
    )
