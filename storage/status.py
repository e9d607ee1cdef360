"""The state of the database, for the person who looks after it: schema, sizes, age, aggregates, gaps.

Counting the samples would read them all; the batch register knows how many came, and the retention log how many went.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import psycopg
from psycopg.rows import class_row

from contract.streams import STREAMS
from storage.migrate import Mode, database_mode, pending_migrations

RANGES_SHOWN = 20
"""Missing ranges named for each outbox life; a device that lost every second batch would fill pages."""


class StreamState(msgspec.Struct, frozen=True, kw_only=True):
    """One stream. `rows` is what the batch register holds less what retention deleted: nothing is counted.

    `oldest` and `latest` are times of samples. The columnstore's figures are None where nothing is compressed;
    `compression_ratio` is before / after.
    """

    label: str
    rows: int
    bytes: int
    oldest: datetime | None
    latest: datetime | None
    columnstore_before_bytes: int | None = None
    columnstore_after_bytes: int | None = None
    compression_ratio: float | None = None


class AggregateState(msgspec.Struct, frozen=True, kw_only=True):
    """One aggregate. `lag_s`: how far what is materialised ends behind the newest raw sample; None while empty.

    A plain view is computed when it is read and never lags. `is_realtime`: what lags is computed when it is read.
    """

    name: str
    kind: str
    is_realtime: bool
    newest: datetime | None
    newest_raw: datetime | None
    lag_s: float | None


class JobState(msgspec.Struct, frozen=True, kw_only=True):
    """One background job of TimescaleDB. `failures` counts since it was made."""

    job_id: int
    job: str
    target: str
    is_scheduled: bool
    last_status: str | None
    last_success: datetime | None
    next_start: datetime | None
    failures: int


class LifeGaps(msgspec.Struct, frozen=True, kw_only=True):
    """What of one outbox life is not in the database, in batches.

    `missing` lie before the newest batch that arrived, `pending` after it. Either may still be with the device.
    """

    site: str
    device: str
    epoch: str
    taken: int
    committed: int
    quarantined: int
    missing: int
    missing_ranges: list[tuple[int, int]]
    pending: int
    last_at: datetime


class DatabaseState(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. `quarantine` counts payloads still refused; `disk_free_bytes` is known of an embedded server."""

    server: str
    mode: Mode | None
    timescale: str | None
    bytes: int
    applied: list[str]
    pending: list[str]
    streams: dict[str, StreamState]
    aggregates: list[AggregateState]
    jobs: list[JobState]
    lives: list[LifeGaps]
    quarantine: int
    disk_free_bytes: int | None = None


def database_state(connection: psycopg.Connection, *, disk_free_bytes: int | None = None) -> DatabaseState:
    """Return the state of a database. Where migrations are pending only server and schema are told."""
    mode = database_mode(connection)
    applied = [] if mode is None else _column(connection, "SELECT name FROM schema_migration ORDER BY number, name")
    pending = pending_migrations(connection)
    server, size = _row(connection, "SELECT current_setting('server_version'), pg_database_size(current_database())")
    version = _column(connection, "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")
    is_ready = mode is not None and not pending
    streams = _streams(connection, mode) if is_ready else {}
    return DatabaseState(
        server=f"PostgreSQL {server}",
        mode=mode,
        timescale=version[0] if version else None,
        bytes=size,
        applied=applied,
        pending=pending,
        streams=streams,
        aggregates=_aggregates(connection, mode, streams) if is_ready else [],
        jobs=_jobs(connection) if is_ready and mode == "timescale" else [],
        lives=life_gaps(connection) if is_ready else [],
        quarantine=_row(connection, "SELECT count(*) FROM quarantine WHERE replayed_at IS NULL")[0] if is_ready else 0,
        disk_free_bytes=disk_free_bytes,
    )


_BATCHES = """
SELECT batch.stream, sum(n)::int8,
       min(t_first) FILTER (WHERE deleted IS NULL OR NOT deleted @> tstzrange(t_first, t_last, '[]')), max(t_last)
FROM batch LEFT JOIN deleted_period USING (stream, link_id) GROUP BY batch.stream
"""
_SIZES: dict[Mode, str] = {
    "timescale": "SELECT hypertable_size(%(stream)s::regclass), before_compression_total_bytes::int8,"
    " after_compression_total_bytes::int8 FROM (SELECT) AS one"
    " LEFT JOIN hypertable_columnstore_stats(%(stream)s::regclass) ON number_compressed_chunks > 0",
    # A table without partitions is its own and only leaf.
    "plain": "SELECT sum(pg_total_relation_size(coalesce(leaf, %(stream)s::regclass)))::int8, NULL, NULL"
    " FROM (SELECT) AS one LEFT JOIN (SELECT relid AS leaf FROM pg_partition_tree(%(stream)s::regclass) WHERE isleaf)"
    " AS leaves ON true",
}


def _streams(connection: psycopg.Connection, mode: Mode | None) -> dict[str, StreamState]:
    batches = {row[0]: row[1:] for row in connection.execute(_BATCHES)}
    deleted = {
        row[0]: row[1] for row in connection.execute("SELECT stream, sum(rows)::int8 FROM retention_log GROUP BY 1")
    }
    states = {}
    for name, stream in STREAMS.items():
        rows, oldest, latest = batches.get(name, (0, None, None))
        rows -= deleted.get(name, 0)
        size, before, after = _row(connection, _SIZES[mode or "plain"], {"stream": name})
        if oldest is not None:
            # Retention may have cut this batch in two; its own few samples are quickly looked at.
            (first,) = _row(connection, f"SELECT min(t) FROM {name} WHERE t BETWEEN %s AND %s + interval '1 h'",
                            (oldest, oldest))  # fmt: skip
            oldest = first or oldest
        states[name] = StreamState(
            label=stream.ja,
            rows=rows,
            bytes=size,
            oldest=oldest,
            latest=latest if rows else None,
            columnstore_before_bytes=before,
            columnstore_after_bytes=after,
            compression_ratio=before / after if before and after else None,
        )
    return states


_CONTINUOUS = """
SELECT user_view_name AS name, mat_hypertable_id, raw_hypertable_id, raw.table_name AS raw, NOT materialized_only,
       nullif(_timescaledb_functions.cagg_watermark(mat_hypertable_id),
              _timescaledb_functions.get_internal_time_min('timestamptz'::regtype)) AS watermark_us
FROM _timescaledb_catalog.continuous_agg JOIN _timescaledb_catalog.hypertable AS raw ON raw.id = raw_hypertable_id
WHERE user_view_schema = current_schema() ORDER BY user_view_name
"""


def _aggregates(
    connection: psycopg.Connection, mode: Mode | None, streams: dict[str, StreamState]
) -> list[AggregateState]:
    if mode != "timescale":
        views = _column(
            connection, "SELECT viewname FROM pg_views WHERE schemaname = current_schema() ORDER BY viewname"
        )
        return [
            AggregateState(name=view, kind="view", is_realtime=True, newest=latest, newest_raw=latest, lag_s=0.0)
            for view in views
            if (stream := view.rpartition("_")[0]) in streams and view.endswith(("s", "min", "h", "d"))
            for latest in [streams[stream].latest]
        ]
    rows = connection.execute(_CONTINUOUS).fetchall()
    sources = {mat_id: (raw_id, raw) for _, mat_id, raw_id, raw, _, _ in rows}
    states = []
    for name, mat_id, _, _, is_realtime, watermark_us in rows:
        source_id, raw = sources[mat_id]
        while source_id in sources:  # an aggregate of an aggregate
            source_id, raw = sources[source_id]
        latest = streams[raw].latest if raw in streams else None
        newest = None
        # Before any sample the watermark is the beginning of time, which no datetime can hold.
        if watermark_us is not None and watermark_us > 0:
            (newest,) = _row(connection, "SELECT _timescaledb_functions.to_timestamp(%s::int8)", (watermark_us,))
        states.append(
            AggregateState(
                name=name,
                kind="continuous aggregate",
                is_realtime=is_realtime,
                newest=newest,
                newest_raw=latest,
                lag_s=max((latest - newest).total_seconds(), 0.0) if latest and newest else None,
            )
        )
    return states


_JOBS = """
SELECT job_id, proc_name AS job,
       coalesce(aggregate.user_view_name, hypertable.table_name, '') AS target, scheduled AS is_scheduled,
       last_run_status AS last_status,
       CASE WHEN isfinite(last_successful_finish) THEN last_successful_finish END AS last_success,
       CASE WHEN isfinite(stats.next_start) THEN stats.next_start END AS next_start,
       coalesce(total_failures, 0) AS failures
FROM timescaledb_information.jobs AS jobs
LEFT JOIN timescaledb_information.job_stats AS stats USING (job_id)
LEFT JOIN _timescaledb_catalog.continuous_agg AS aggregate
    ON mat_hypertable_id = coalesce(config ->> 'mat_hypertable_id', config ->> 'hypertable_id')::integer
LEFT JOIN _timescaledb_catalog.hypertable AS hypertable ON hypertable.id = (config ->> 'hypertable_id')::integer
WHERE config ? 'hypertable_id' OR config ? 'mat_hypertable_id' ORDER BY job_id
"""


def _jobs(connection: psycopg.Connection) -> list[JobState]:
    with connection.cursor(row_factory=class_row(JobState)) as cursor:
        return cursor.execute(_JOBS).fetchall()


def _count(multirange: str) -> str:
    return f"(SELECT coalesce(sum(upper(r) - lower(r)), 0)::int8 FROM unnest({multirange}) AS r)"


_LIVES = f"""
WITH life AS (
    SELECT epoch_id, site, device, epoch, committed, quarantined, announced, last_at,
           coalesce(upper(committed + quarantined) - 1, 0) AS newest
    FROM ledger JOIN device USING (device_id)),
cut AS (SELECT *, int8multirange(int8range(1, newest, '[]')) - committed - quarantined AS hole FROM life)
SELECT site, device, epoch, greatest(announced, newest),
       {_count("committed")}, {_count("quarantined")}, {_count("hole")},
       (SELECT array_agg(ARRAY[lower(r), upper(r) - 1] ORDER BY lower(r))
        FROM (SELECT r FROM unnest(hole) AS r ORDER BY r LIMIT %(limit)s) AS first_ones),
       greatest(announced - newest, 0), last_at
FROM cut ORDER BY site, device, epoch_id
"""


def life_gaps(connection: psycopg.Connection) -> list[LifeGaps]:
    """Return for each outbox life what the ledger lacks, at most RANGES_SHOWN ranges of it by number."""
    return [
        LifeGaps(
            site=site,
            device=device,
            epoch=epoch,
            taken=taken,
            committed=committed,
            quarantined=quarantined,
            missing=missing,
            missing_ranges=[(low, high) for low, high in ranges or []],
            pending=pending,
            last_at=last_at,
        )
        for site, device, epoch, taken, committed, quarantined, missing, ranges, pending, last_at in connection.execute(
            _LIVES.encode(), {"limit": RANGES_SHOWN}
        )
    ]


def _row(connection: psycopg.Connection, query: str, parameters: Any = None) -> tuple[Any, ...]:
    row = connection.execute(query.encode(), parameters).fetchone()
    assert row is not None
    return row


def _column(connection: psycopg.Connection, query: str) -> list[str]:
    return [row[0] for row in connection.execute(query.encode())]
