"""Partitions of the stream tables on plain PostgreSQL: their SQL, and the writer's memory of which are there.

TimescaleDB cuts a hypertable into chunks by itself; there the same functions exist and do nothing, so that no caller
asks which server it is on. `make docs` rewrites `sql/0007_partitions.*.sql` until their revision is released.

Measured, PostgreSQL 18, COPY of 10,000-row batches into the probe table: 1.53 M rows/s unpartitioned, 1.43 M into
weekly partitions, 1.42 M with the two bucket expressions in the index too (batches of 1,000: 410, 395 and 380 k).
"""

from __future__ import annotations

import time

import numpy as np
import psycopg

from contract.streams import STREAMS
from storage.columnar import ColumnBatch

WIDTH_DAYS = {"probe": 7}
WIDTH_DAYS_OTHERS = 28
"""Days a partition, counted from Monday 2000-01-03 UTC, so that its bounds are plain arithmetic in every time zone.

A week of two links at 100 Hz, eight hours a day, is 2.7 GB of probe rows: a size at which dropping or moving one
partition is a small matter. With 106 of them (two years) a window's query is planned in 0.18 ms, as with 28, since all
others are pruned; a query by bucket, which cannot prune, in 3.0 ms against 1.0 ms. The other streams bring a
hundredth of the rows: four weeks keep two years at 27 partitions each.
"""

AHEAD = "14 days"
"""How far ahead partitions are made at every migration; what lies beyond, or back, is made when its first batch comes.
"""

_HEAD = """\
-- Rendered from contract/streams.py by `make docs`. The stream tables become partitioned by time, with their rows.
-- A late batch of two years ago gets a partition of its own when it comes (jissho_cover). What a wrong clock stamps
-- outside 2000 to 2100, and what comes while a partition cannot be made, goes to the DEFAULT partition: nothing is
-- refused and nothing waits. Rows in DEFAULT move as soon as their partition is made.

CREATE TABLE partition_width (
    stream text PRIMARY KEY,
    days   integer NOT NULL CHECK (days > 0)
);
"""

_FUNCTIONS = """
CREATE FUNCTION jissho_cover(stream_name text, at timestamptz) RETURNS tstzrange
LANGUAGE plpgsql SET lock_timeout = '1s' SET timezone = 'UTC' AS $$
DECLARE
    first_day constant timestamptz := '2000-01-03 00:00:00+00';
    last_day  constant timestamptz := '2100-01-04 00:00:00+00';
    width     interval;
    low       timestamptz;
    high      timestamptz;
    part      text;
BEGIN
    IF at < first_day THEN
        RETURN tstzrange(NULL, first_day);
    ELSIF at >= last_day THEN
        RETURN tstzrange(last_day, NULL);
    END IF;
    SELECT make_interval(hours => 24 * days) INTO STRICT width FROM partition_width WHERE stream = stream_name;
    low := date_bin(width, at, first_day);
    high := least(low + width, last_day);
    part := stream_name || to_char(low, '"_p"YYYYMMDD');
    IF to_regclass(part) IS NOT NULL THEN
        RETURN tstzrange(low, high);
    END IF;
    -- This lock keeps a second maker out, and lets others write and read on, as ATTACH does and CREATE ... PARTITION OF
    -- does not. A lock of the table, since the session sees what the first maker made only after one.
    EXECUTE format('LOCK TABLE ONLY %I IN SHARE UPDATE EXCLUSIVE MODE', stream_name);
    IF to_regclass(part) IS NOT NULL THEN
        RETURN tstzrange(low, high);
    END IF;
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', stream_name || '_default');
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', part, stream_name);
    EXECUTE format('WITH moved AS (DELETE FROM %I WHERE t >= $1 AND t < $2 RETURNING *)'
                   ' INSERT INTO %I SELECT * FROM moved', stream_name || '_default', part) USING low, high;
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', stream_name, part, low, high);
    RETURN tstzrange(low, high);
EXCEPTION WHEN lock_not_available THEN
    RETURN NULL;
END $$;
COMMENT ON FUNCTION jissho_cover(text, timestamptz) IS
    'make the partition that holds `at`; returns the time for which nothing more is to be made, NULL: not now';

CREATE FUNCTION jissho_make_partitions(until timestamptz) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    entry  record;
    at     timestamptz;
    span   tstzrange;
    before integer := (SELECT count(*) FROM pg_inherits);
BEGIN
    FOR entry IN SELECT stream FROM partition_width ORDER BY stream LOOP
        at := now();
        WHILE at <= until LOOP
            span := jissho_cover(entry.stream, at);
            EXIT WHEN span IS NULL OR upper_inf(span);
            at := upper(span);
        END LOOP;
        -- What waits in DEFAULT because its partition could not be made when it came.
        at := '2000-01-03 00:00:00+00';
        LOOP
            EXECUTE format('SELECT min(t) FROM %I WHERE t >= $1', entry.stream || '_default') INTO at USING at;
            EXIT WHEN at IS NULL;
            span := jissho_cover(entry.stream, at);
            EXIT WHEN span IS NULL OR upper_inf(span);
            at := upper(span);
        END LOOP;
    END LOOP;
    RETURN (SELECT count(*) FROM pg_inherits) - before;
END $$;
COMMENT ON FUNCTION jissho_make_partitions(timestamptz) IS
    'make the partitions from now to `until` and those that rows in DEFAULT wait for; returns how many relations';

CREATE FUNCTION pg_temp.convert(stream_name text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    before text := stream_name || '_before';
    at     timestamptz;
    span   tstzrange;
BEGIN
    EXECUTE format('ALTER TABLE %I RENAME TO %I', stream_name, before);
    EXECUTE format('DROP INDEX %I', stream_name || '_t');
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL) PARTITION BY RANGE (t)', stream_name, before);
    EXECUTE format('CREATE INDEX %I ON %I USING brin (INDEX_COLUMNS)'
                   ' WITH (pages_per_range = 32)', stream_name || '_t', stream_name);
    EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', stream_name || '_default', stream_name);
    at := '-infinity';
    LOOP
        EXECUTE format('SELECT min(t) FROM %I WHERE t >= $1', before) INTO at USING at;
        EXIT WHEN at IS NULL;
        span := jissho_cover(stream_name, at);
        EXIT WHEN upper_inf(span);
        at := upper(span);
    END LOOP;
    EXECUTE format('INSERT INTO %I SELECT * FROM %I', stream_name, before);
    EXECUTE format('DROP TABLE %I', before);
END $$;
"""


_NOTHING_TO_MAKE = """\
-- Rendered by `make docs`. TimescaleDB makes chunks by itself: the functions of plain PostgreSQL, with nothing to do.

CREATE FUNCTION jissho_cover(stream_name text, at timestamptz) RETURNS tstzrange
LANGUAGE sql IMMUTABLE RETURN tstzrange(NULL, NULL);
CREATE FUNCTION jissho_make_partitions(until timestamptz) RETURNS integer
LANGUAGE sql IMMUTABLE RETURN 0;
"""

_INDEX_COLUMNS = "t, " + ", ".join(
    f"date_bin(interval ''{width}'', t, timestamptz ''2000-01-03 00:00:00+00'')" for width in ("1 second", "1 minute")
)
"""The buckets of the aggregate views (0008) are in the index: a condition on `bucket` says nothing about `t` to the
planner, and without them every panel would read the whole table."""


def chunks_sql() -> str:
    """Return the whole of `0007_partitions.timescale.sql`."""
    return _NOTHING_TO_MAKE


def partitions_sql() -> str:
    """Return the whole of `0007_partitions.plain.sql`."""
    widths = ",\n".join(f"    ('{name}', {WIDTH_DAYS.get(name, WIDTH_DAYS_OTHERS)})" for name in STREAMS)
    converted = "".join(f"SELECT pg_temp.convert('{name}');\n" for name in STREAMS)
    functions = _FUNCTIONS.replace("INDEX_COLUMNS", _INDEX_COLUMNS)
    head = f"{_HEAD}INSERT INTO partition_width VALUES\n{widths};\n"
    return f"{head}{functions}\n{converted}DROP FUNCTION pg_temp.convert(text);\n"


_COVER = """
SELECT covered IS NULL,
       (extract(epoch FROM lower(covered)) * 1e6)::int8, (extract(epoch FROM upper(covered)) * 1e6)::int8
FROM jissho_cover(%s, timestamptz 'epoch' + %s * interval '1 microsecond') AS covered
"""
_EARLIEST_US, _LATEST_US = np.iinfo(np.int64).min, np.iinfo(np.int64).max
_TRY_AGAIN_S = 60.0
"""Pause after a partition could not be made because somebody reads the DEFAULT partition: each try may wait 1 s."""


class Coverage:
    """Knows for which times the stream tables have their partitions, and has missing ones made."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._covered: dict[str, list[tuple[int, int]]] = {}
        self._not_before: dict[str, float] = {}

    def ensure(self, connection: psycopg.Connection, batch: ColumnBatch) -> None:
        """Have the partitions made that the samples of `batch` fall into.

        To be called outside a transaction. What cannot be made now is left out: its rows go to the DEFAULT partition.
        """
        stream = batch.stream
        ranges = self._covered.setdefault(stream, [])
        if any(start <= batch.first_us and batch.last_us < end for start, end in ranges):
            return
        missing = batch.t_us
        while True:
            for start, end in ranges:
                missing = missing[(missing < start) | (missing >= end)]
            if not missing.size or time.monotonic() < self._not_before.get(stream, 0.0):
                return
            row = connection.execute(_COVER, (stream, int(missing.min()))).fetchone()
            assert row is not None
            is_busy, start, end = row
            if is_busy:
                self._not_before[stream] = time.monotonic() + _TRY_AGAIN_S
                return
            ranges.append((_EARLIEST_US if start is None else start, _LATEST_US if end is None else end))
            ranges.sort()


def make_partitions(connection: psycopg.Connection) -> None:
    """Have the partitions of the next days made, and those for which rows wait in DEFAULT."""
    connection.execute("SELECT jissho_make_partitions(now() + %s::interval)", (AHEAD,))
