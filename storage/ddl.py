"""SQL of the stream tables, rendered from the contract's table of streams.

`make docs` rewrites `sql/0002_streams.sql` and `sql/0004_hypertables.timescale.sql` during development of the first
revision. Once a revision is released its migration is frozen (the runner checks its hash), and a later
column gets a migration of its own; a test holds the tables of a migrated database against the contract.
"""

from __future__ import annotations

from pathlib import Path

from contract.columns import Column, Kind, Stream
from contract.streams import STREAMS

SQL_TYPE: dict[Kind, str] = {
    "i2": "smallint",
    "i4": "integer",
    "i8": "bigint",
    "f4": "real",
    "f8": "double precision",
    "bool": "boolean",
    "text": "text",
    "json": "jsonb",
}
KEY_COLUMNS = ("t", "link_id", "batch_id")
"""Columns that every stream table has before its own."""

REGISTER_TABLES = (
    "device",
    "link",
    "ledger",
    "batch",
    "quarantine",
    "device_status",
    "device_status_log",
    "run",
    "exclusion",
    "run_pair",
    "foreign_message",
    "retention_policy",
    "retention_log",
)
"""Every table beside the streams' and the migrations' own, those that others refer to first. A test holds this against
a migrated database, since a table that is left out here is left out of a backup."""

MIGRATION_TABLES = ("schema_migration", "partition_width")
"""Tables that migrations fill: every database has its own, and no backup holds them."""

DERIVED_TABLES = ("probe_part", "probe_part_due", "probe_part_state")
"""Tables that are computed from the others and made anew after a restore; no backup holds them."""

OWN_COLUMNS = {"batch": ("xid",)}
"""Columns that mean something only inside one server, such as a transaction's number; no backup holds them."""

SQL_FOLDER = Path(__file__).parent / "sql"
_CHUNK = {"probe": "1 day"}
_CHUNK_OTHERS = "7 days"


def column_sql(column: Column) -> str:
    """Return one line of a CREATE TABLE."""
    return f"{column.name} {SQL_TYPE[column.kind]}{'' if column.nullable else ' NOT NULL'}"


def stream_sql(stream: Stream) -> str:
    """Return the statements that create the table of `stream` as of revision 1, with its index and its comments.

    The only index is a BRIN on the time: a B-tree on time alone halves the write rate (1.34 M to 0.53 M rows/s in
    batches of 10,000), a unique one takes it to 0.51 M, and the exactly-once promise is the ledger's.
    """
    lines = [
        "t timestamptz NOT NULL",
        "link_id integer NOT NULL",
        "batch_id bigint NOT NULL",
        *(column_sql(column) for column in stream.columns if column.since == 1),
    ]
    body = ",\n    ".join(lines)
    comments = "".join(
        f"COMMENT ON COLUMN {stream.name}.{column.name} IS '{_escaped(column)}';\n"
        for column in stream.columns
        if column.since == 1
    )
    return (
        f"CREATE TABLE {stream.name} (\n    {body}\n);\n"
        f"CREATE INDEX {stream.name}_t ON {stream.name} USING brin (t) WITH (pages_per_range = 32);\n{comments}"
    )


def _escaped(column: Column) -> str:
    unit = f" [{column.unit}]" if column.unit else ""
    return f"{column.ja} / {column.en}{unit}".replace("'", "''")


def streams_sql() -> str:
    """Return the whole of `0002_streams.sql`."""
    head = "-- Rendered from contract/streams.py by `make docs`. One table a stream.\n\n"
    return head + "\n".join(stream_sql(stream) for stream in STREAMS.values())


def hypertables_sql() -> str:
    """Return the whole of `0004_hypertables.timescale.sql`."""
    head = (
        "-- Rendered by `make docs`. Chunks of a day hold what two sites probe at 1,000 packets/s in\n"
        "-- memory's reach (86 M rows took 746 MB compressed); the slow streams would make too many small chunks.\n\n"
    )
    return head + "".join(
        f"SELECT create_hypertable('{name}', by_range('t', interval '{_CHUNK.get(name, _CHUNK_OTHERS)}'),"
        " create_default_indexes => false);\n"
        for name in STREAMS
    )


BACKLOG_HORIZON = "7 days"
"""Chunks are compressed only when they are older than any backlog that is still expected: a device that was out of
reach for a week delivers into row storage, and what comes later still is accepted, only more slowly."""

_SEGMENTS = {"video": "link_id, camera", "metric": "link_id, name"}
"""What the rows of a segment share: what queries ask for by equality."""


def columnstore_sql() -> str:
    """Return the whole of `0006_columnstore.timescale.sql`."""
    head = (
        "-- Rendered by `make docs`. Old chunks become columns, one segment a link in the order of time: packets took\n"
        "-- 8.6 bytes a row instead of 68, and were read at 2.9 M rows/s instead of 1.2 M.\n\n"
    )
    return head + "".join(
        f"ALTER TABLE {name} SET (timescaledb.enable_columnstore, timescaledb.orderby = 't',"
        f" timescaledb.segmentby = '{_SEGMENTS.get(name, 'link_id')}');\n"
        f"CALL add_columnstore_policy('{name}', after => interval '{BACKLOG_HORIZON}');\n"
        for name in STREAMS
    )
