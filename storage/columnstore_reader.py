"""Reading chunks of TimescaleDB's columnstore as they lie there: compressed, undone by numpy instead of the server.

The server takes 0.6 us of a processor to pack a row that it has to take out of its columns first, which bounds reading
at some 2 M rows/s; compressed rows are sent at 50 ns a row, most of it for finding them, and undone here at 100 to 200.
Its own function that gives a compressed column as an array takes 740 ns a row for a probe's columns.

How a compressed row looks is TimescaleDB's own matter and may change. So what cannot be vouched for is read as rows:
chunks cut otherwise than by link in the order of time, columns that are no integers, tables that may not be read. And
where what was undone does not agree with what the compressed row says of itself, that is told once, and the rest of the
window is read as rows, too.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import psycopg
from psycopg import sql

from contract.columns import Column
from storage.columnar import NUMPY_DTYPE, ArrayColumn
from storage.compressed_rows import integers
from storage.pgcopy import POSTGRES_EPOCH_US
from storage.reader import INSTANT, Chunk, Window, fetch_chunk, fetch_packed, in_order_of_time, joined
from storage.simple8b import Ints, MalformedError

_LOG = logging.getLogger(__name__)

_INTEGERS = frozenset({"i2", "i4", "i8"})
_META = ("_ts_meta_count", "_ts_meta_min_1", "_ts_meta_max_1")

_CAN_BE = """
SELECT to_regclass('timescaledb_information.chunks') IS NOT NULL
   AND current_setting('transaction_isolation') IN ('repeatable read', 'serializable')
"""
_CHUNKS = """
SELECT (extract(epoch FROM chunk.range_start) * 1e6)::int8, (extract(epoch FROM chunk.range_end) * 1e6)::int8,
       relation.oid::regclass::text, settings.compress_relid::regclass::text
FROM timescaledb_information.chunks AS chunk
JOIN pg_namespace AS namespace ON namespace.nspname = chunk.chunk_schema
JOIN pg_class AS relation ON relation.relname = chunk.chunk_name AND relation.relnamespace = namespace.oid
JOIN _timescaledb_catalog.compression_settings AS settings ON settings.relid = relation.oid
WHERE format('%%I.%%I', chunk.hypertable_schema, chunk.hypertable_name)::regclass = %(stream)s::regclass
  AND chunk.range_start < {end} AND chunk.range_end > {start}
  AND settings.segmentby = '{{link_id}}' AND settings.orderby = '{{t}}'
  AND has_table_privilege(settings.compress_relid, 'SELECT')
  AND %(needed)s <@ ARRAY(SELECT attname::text FROM pg_attribute
                          WHERE attrelid = settings.compress_relid AND NOT attisdropped)
ORDER BY 1
"""
_MICROSECONDS = "(extract(epoch FROM {}) * 1e6)::int8"


@dataclass(frozen=True, slots=True)
class ColumnstoreChunk:
    """A chunk that lies compressed: its extent, its table, the table of its compressed rows.

    `has_rows`: whether some came after it was compressed, which still lie uncompressed in its own table.
    """

    start_us: int
    end_us: int
    table: str
    compressed: str
    has_rows: bool


@dataclass(slots=True)
class Columnstore:
    """The chunks of a window that can be read compressed; none on a server that has no columnstore."""

    columns: tuple[Column, ...]
    chunks: list[ColumnstoreChunk] = field(default_factory=list)

    def fetch(self, connection: psycopg.Connection, windows: Sequence[Window]) -> Chunk | None:
        """Return what `storage.reader.fetch_chunk` does of windows that follow each other."""
        try:
            parts = [part for part in self._parts(connection, windows) if part]
        except MalformedError as error:
            if self.chunks:
                _LOG.warning(
                    "compressed rows of %s are not as they were known to be (%s): read as rows, which takes longer",
                    windows[0].stream,
                    error,
                )
            self.chunks = []
            return fetch_chunk(connection, windows, self.columns)
        if len(parts) > 1:
            return in_order_of_time(joined(parts, self.columns))
        return parts[0] if parts else None

    def _parts(self, connection: psycopg.Connection, windows: Sequence[Window]) -> Iterator[Chunk | None]:
        low_us, high_us = windows[0].start_us, windows[-1].end_us
        for chunk in self.chunks:
            if chunk.end_us <= low_us or chunk.start_us >= high_us:
                continue
            if before := _within(windows, low_us, chunk.start_us):
                yield fetch_chunk(connection, before, self.columns)
            (inside,) = _within([replace(windows[0], end_us=high_us)], max(low_us, chunk.start_us), chunk.end_us)
            yield _undone(connection, chunk, inside, self.columns)
            if chunk.has_rows:
                yield fetch_packed(connection, [inside], self.columns, only=chunk.table)
            low_us = inside.end_us
        if after := _within(windows, low_us, high_us):
            yield fetch_chunk(connection, after, self.columns)


def columnstore_of(connection: psycopg.Connection, window: Window, columns: Sequence[Column]) -> Columnstore:
    """Return what of a window lies in the columnstore, all of it kept from being moved until the transaction ends.

    None of it where `connection` is not in a transaction that sees one state throughout.
    """
    found = Columnstore(tuple(columns))
    if any(column.kind not in _INTEGERS or column.default is not None for column in columns):
        return found
    names = [column.name for column in columns]
    parameters = {**window.parameters, "needed": [*_META, "t", "link_id", *names]}
    query = _CHUNKS.format(start=INSTANT.format(name="start"), end=INSTANT.format(name="end"))
    try:
        with connection.transaction():
            if connection.execute(_CAN_BE).fetchone() != (True,):
                return found
            for start_us, end_us, table, compressed in connection.execute(query.encode(), parameters).fetchall():
                # Looking into both tables keeps them from being compressed or undone meanwhile.
                looked = connection.execute(
                    f"SELECT EXISTS (SELECT FROM ONLY {table}), EXISTS (SELECT FROM {compressed})".encode()
                ).fetchone()
                found.chunks.append(ColumnstoreChunk(start_us, end_us, table, compressed, bool(looked and looked[0])))
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.InsufficientPrivilege) as e:
        # Of another version, undone since this transaction began, or not for this user: rows can be read all the same.
        _LOG.info("the columnstore of %s is read as rows: %s", window.stream, " ".join(str(e).split()))
        found.chunks = []
    return found


def _within(windows: Sequence[Window], low_us: int, high_us: int) -> list[Window]:
    """Return what of windows lies between two instants."""
    cut = (
        replace(window, start_us=max(window.start_us, low_us), end_us=min(window.end_us, high_us)) for window in windows
    )
    return [window for window in cut if window.start_us < window.end_us]


def _undone(
    connection: psycopg.Connection, chunk: ColumnstoreChunk, window: Window, columns: Sequence[Column]
) -> Chunk | None:
    """Return a window's rows out of the compressed rows of a chunk. Raises MalformedError."""
    stored = [column for column in columns if column.name != "link_id"]
    names = [sql.Identifier(name) for name in ("t", *(column.name for column in stored))]
    ends = [sql.SQL(_MICROSECONDS).format(sql.Identifier(name)) for name in _META[1:]]
    count, low, high = (sql.Identifier(name) for name in _META)
    query = sql.SQL(
        "SELECT link_id, {count}, {ends}, {names} FROM {table}"
        " WHERE link_id = ANY(%(links)s) AND {low} < {end} AND {high} >= {start} ORDER BY {low}"
    ).format(
        count=count,
        ends=sql.SQL(", ").join(ends),
        names=sql.SQL(", ").join(names),
        table=sql.SQL(chunk.compressed),
        low=low,
        high=high,
        start=sql.SQL(INSTANT.format(name="start")),
        end=sql.SQL(INSTANT.format(name="end")),
    )
    with connection.cursor(binary=True) as cursor:
        rows = cursor.execute(query, window.parameters).fetchall()
    if not rows:
        return None
    link_ids, n, first_us, last_us, t_raw, *raws = zip(*rows, strict=True)
    counts = np.array(n, np.int64)
    t_us = _times(t_raw, counts, first_us, last_us)
    links = ArrayColumn(np.repeat(np.array(link_ids, np.int32), counts))
    by_name = dict(zip((column.name for column in stored), raws, strict=True))
    undone: Chunk = {"t_us": ArrayColumn(t_us)}
    for column in columns:
        if column.name == "link_id":
            undone[column.name] = links
            continue
        whole = integers(by_name[column.name], counts)
        if whole.valid is not None and not column.nullable:
            raise MalformedError(f"nulls in {column.name}, which cannot be null")
        undone[column.name] = ArrayColumn(whole.values.astype(NUMPY_DTYPE[column.kind], copy=False), whole.valid)
    return _between(in_order_of_time(undone), window)


def _times(raws: Sequence[Any], counts: Ints, first_us: Sequence[int], last_us: Sequence[int]) -> Ints:
    whole = integers(raws, counts)
    t_us: Ints = whole.values + POSTGRES_EPOCH_US
    starts = np.cumsum(counts) - counts
    if (
        whole.valid is not None
        or not np.array_equal(np.minimum.reduceat(t_us, starts), np.array(first_us, np.int64))
        or not np.array_equal(np.maximum.reduceat(t_us, starts), np.array(last_us, np.int64))
    ):
        raise MalformedError("instants that are not those between which the row says it lies")
    return t_us


def _between(chunk: Chunk, window: Window) -> Chunk | None:
    """Return what of rows in order of time lies in a window; None where nothing does."""
    low, high = np.searchsorted(chunk["t_us"].values, (window.start_us, window.end_us)).tolist()
    if low == high:
        return None
    return {
        name: ArrayColumn(column.values[low:high], None if column.valid is None else column.valid[low:high])
        for name, column in chunk.items()
    }
