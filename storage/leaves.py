"""The tables that a stream's rows really lie in: TimescaleDB's chunks, partitions, or the stream's own table."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import psycopg

from storage.migrate import database_mode


class Leaf(NamedTuple):
    """One table with rows of a stream. `name` is the table, quoted; `source` is where its rows are read and deleted.

    `low` <= t < `high` where the table has bounds. `rows` is the server's estimate, 0 where it has none.
    """

    name: str
    source: str
    low: datetime | None
    high: datetime | None
    bytes: int
    rows: int
    is_chunk: bool
    is_part: bool


# A chunk's rows are read and deleted through the hypertable, which knows which of them are in columns.
_CHUNKS = """
SELECT format('%%I.%%I', chunk_schema, chunk_name), quote_ident(hypertable_name), range_start, range_end, total_bytes,
       0, true, true
FROM timescaledb_information.chunks
JOIN chunks_detailed_size(%(stream)s::text::regclass) USING (chunk_schema, chunk_name)
WHERE hypertable_schema = current_schema() AND hypertable_name = %(stream)s::text AND range_start < %(before)s
ORDER BY range_start
"""
_PARTITIONS = """
WITH leaf AS (
    SELECT oid, reltuples, pg_get_expr(relpartbound, oid) AS bound, relispartition
    FROM pg_class WHERE oid IN
        (SELECT coalesce(tree.relid, %(stream)s::regclass)
         FROM (SELECT) AS one LEFT JOIN pg_partition_tree(%(stream)s::regclass) AS tree ON isleaf)),
bounded AS (
    SELECT *, (regexp_match(bound, $$FROM \\('([^']+)'\\)$$))[1]::timestamptz AS low,
           (regexp_match(bound, $$TO \\('([^']+)'\\)$$))[1]::timestamptz AS high FROM leaf)
SELECT oid::regclass::text, oid::regclass::text, low, high, pg_total_relation_size(oid),
       greatest(reltuples, 0)::int8, false, relispartition
FROM bounded WHERE low IS NULL OR low < %(before)s ORDER BY low NULLS FIRST
"""


def stream_leaves(connection: psycopg.Connection, stream: str, before: datetime) -> list[Leaf]:
    """Return the tables that may hold rows of `stream` from before a time, in the order of time."""
    query = _CHUNKS if database_mode(connection) == "timescale" else _PARTITIONS
    rows = connection.execute(query, {"stream": stream, "before": before})
    return [Leaf(*row) for row in rows]
