"""Reading columns back for analytics: numpy arrays, never a Python object per value for numbers.

The server packs the columns of a chunk into one bytea a word with the types' binary send functions, and numpy reads
them: 2.9 M rows/s from the columnstore and 1.2 M from row storage, where fetching rows gives 0.3 to 0.5 M and psycopg's
COPY reading 0.9 to 1.0 M (three columns, 10 M rows). What does not depend on order should be counted on the server
instead of being moved at all.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import psycopg
from psycopg import sql

from contract.columns import Column
from contract.streams import STREAMS
from storage.columnar import NUMPY_DTYPE, ArrayColumn
from storage.packed_columns import Word, words_of
from storage.pgcopy import POSTGRES_EPOCH_US

Chunk = dict[str, ArrayColumn]
"""Columns of rows that follow each other in time, by name, with "t_us"."""

CHUNK_ROWS = 65_536
"""Rows a chunk, about: 3 MB for a probe's columns, so that memory is bounded by the chunk, here and on the server."""

_AT_ONCE_ROWS = 16_384
"""Rows asked for at once, about. Over two connections the first 3 M packets of a day came from the columnstore at 3.1 M
rows/s in 16,000 at once, 2.8 M in 8,000, and 2.0 M in 65,000, of which what is packed no longer stays in the caches. Of
10 M packets, later ones of which take longer to find, it is 2.1, 2.3 and 1.9 M."""

_FIRST_OF_CHUNKS = """
SELECT min(t_us) FROM (
    SELECT (extract(epoch FROM t_first) * 1e6)::int8 AS t_us,
           (sum(n) OVER (ORDER BY t_first, batch_id) - 1) / %(rows)s AS chunk
    FROM batch
    WHERE stream = %(stream)s AND link_id = ANY(%(links)s) AND t_first < {end} AND t_last >= {start}) AS counted
GROUP BY chunk ORDER BY 1
"""
_EXTENT = """
SELECT (extract(epoch FROM min(t_first)) * 1e6)::int8, (extract(epoch FROM max(t_last)) * 1e6)::int8 FROM batch
WHERE stream = %(stream)s AND link_id = ANY(%(links)s) AND t_first < {end} AND t_last >= {start}
"""
INSTANT = "(timestamptz 'epoch' + %({name})s * interval '1 microsecond')"
_WINDOW = f"t >= {INSTANT.format(name='start')} AND t < {INSTANT.format(name='end')} AND link_id = ANY(%(links)s)"

_LINK_ID = Column(name="link_id", kind="i4", unit="1", ja="回線", en="Link", nullable=False)


def link_ids(
    connection: psycopg.Connection, site: str, devices: Sequence[str] = (), links: Sequence[str] = ()
) -> dict[tuple[str, str], int]:
    """Return {(device, link): link_id} of a site; empty `devices` or `links` mean all.

    The device's own entry (link "") is always among them.
    """
    rows = connection.execute(
        "SELECT device, link, link_id FROM link_name WHERE site = %s AND (%s::text[] = '{}' OR device = ANY(%s))"
        " AND (%s::text[] = '{}' OR link = ANY(%s) OR link = '') ORDER BY device, link",
        (site, list(devices), list(devices), list(links), list(links)),
    )
    return {(device, link): link_id for device, link, link_id in rows}


def read_columns(
    connection: psycopg.Connection,
    stream: str,
    names: Sequence[str],
    *,
    link_ids: Sequence[int],
    start_us: int,
    end_us: int,
) -> dict[str, ArrayColumn]:
    """Return `names` and "t_us" of the samples with start <= t < end (Unix microseconds), sorted by time."""
    chunks = iterate_columns(connection, stream, names, link_ids=link_ids, start_us=start_us, end_us=end_us)
    return joined(list(chunks), stream_columns(stream, names))


def iterate_columns(
    connection: psycopg.Connection,
    stream: str,
    names: Sequence[str],
    *,
    link_ids: Sequence[int],
    start_us: int,
    end_us: int,
    chunk_rows: int = CHUNK_ROWS,
) -> Iterator[dict[str, ArrayColumn]]:
    """Yield the same as `read_columns` in chunks of about `chunk_rows`, so that a long export runs in bounded memory.

    `names` may hold "link_id" beside the stream's columns. The chunks are cut in time by what the batch table says.
    """
    columns = stream_columns(stream, names)
    window = Window(stream, tuple(link_ids), start_us, end_us)
    for windows in chunk_windows(connection, window, chunk_rows):
        if chunk := fetch_chunk(connection, windows, columns):
            yield chunk


def batch_extent(
    connection: psycopg.Connection, stream: str, link_id: int, start_us: int, end_us: int
) -> tuple[int, int] | None:
    """Return the first and the last instant of a link's samples in a window, by its batches; None where it has none.

    Batches that reach over the window's ends count up to them. No sample is read: minima of 10 M rows take a second.
    """
    query = _EXTENT.format(start=INSTANT.format(name="start"), end=INSTANT.format(name="end"))
    row = connection.execute(query.encode(), Window(stream, (link_id,), start_us, end_us).parameters).fetchone()
    if row is None or row[0] is None:
        return None
    return max(row[0], start_us), min(row[1], end_us)


@dataclass(frozen=True, slots=True)
class Window:
    """What is read: a stream's samples of some links with start <= t < end (Unix microseconds)."""

    stream: str
    link_ids: tuple[int, ...]
    start_us: int
    end_us: int

    @property
    def parameters(self) -> dict[str, Any]:
        """What the queries call it."""
        return {"stream": self.stream, "links": list(self.link_ids), "start": self.start_us, "end": self.end_us}


def chunk_windows(connection: psycopg.Connection, window: Window, chunk_rows: int = CHUNK_ROWS) -> list[list[Window]]:
    """Return the windows of chunks of about `chunk_rows`, by the batch table; none where it names no batch.

    Each chunk is read window by window, of about as many rows as are quickest to ask for at once.
    """
    query = _FIRST_OF_CHUNKS.format(start=INSTANT.format(name="start"), end=INSTANT.format(name="end"))
    at_once = min(chunk_rows, _AT_ONCE_ROWS)
    rows = connection.execute(query.encode(), {**window.parameters, "rows": at_once})
    edges = sorted({min(max(row[0], window.start_us), window.end_us) for row in rows})
    if not edges:
        return []
    # Whatever lies before the first batch's first sample or after the last edge still belongs to the window.
    bounds = [window.start_us, *edges[1:], window.end_us]
    windows = [replace(window, start_us=low, end_us=high) for low, high in itertools.pairwise(bounds) if low < high]
    size = chunk_rows // at_once
    return [windows[first : first + size] for first in range(0, len(windows), size)]


def fetch_chunk(connection: psycopg.Connection, windows: Sequence[Window], columns: Sequence[Column]) -> Chunk | None:
    """Return what lies in windows that follow each other as arrays; None where they hold no sample."""
    if any(column.kind in {"text", "json"} for column in columns):
        found = [_fetch_rows(connection, window.stream, columns, window.parameters) for window in windows]
        some = [chunk for chunk in found if chunk]
        return joined(some, columns) if some else None
    return fetch_packed(connection, windows, columns)


def stream_columns(stream: str, names: Sequence[str]) -> list[Column]:
    """Return what the contract says of some columns of a stream; they may hold "link_id"."""
    return [_LINK_ID if name == "link_id" else STREAMS[stream].column(name) for name in names]


def joined(chunks: Sequence[dict[str, ArrayColumn]], columns: Sequence[Column]) -> dict[str, ArrayColumn]:
    """Return chunks as one, with "t_us"; without any, empty columns."""
    if not chunks:
        empty = {column.name: ArrayColumn(np.empty(0, NUMPY_DTYPE[column.kind])) for column in columns}
        return {"t_us": ArrayColumn(np.empty(0, np.int64)), **empty}
    return {name: _join([chunk[name] for chunk in chunks]) for name in chunks[0]}


def _join(parts: list[ArrayColumn]) -> ArrayColumn:
    values = np.concatenate([part.values for part in parts])
    if all(part.valid is None for part in parts):
        return ArrayColumn(values)
    valid = [np.ones(part.values.size, np.bool_) if part.valid is None else part.valid for part in parts]
    return ArrayColumn(values, np.concatenate(valid))


@lru_cache(maxsize=64)
def _packing(stream: str, columns: tuple[Column, ...], only: str) -> tuple[tuple[Word, ...], bytes]:
    """Return the words of columns and the query that packs them, which takes half a millisecond to put together."""
    words = tuple(words_of(columns))
    query = sql.SQL("SELECT string_agg(timestamptz_send(t), ''::bytea){words} FROM {table} WHERE {window}").format(
        words=sql.SQL("").join(sql.SQL(", {}").format(word.packed) for word in words),
        table=sql.SQL(f"ONLY {only}") if only else sql.Identifier(stream),
        window=sql.SQL(_WINDOW),
    )
    return words, query.as_bytes()


def fetch_packed(
    connection: psycopg.Connection, windows: Sequence[Window], columns: Sequence[Column], *, only: str = ""
) -> Chunk | None:
    """Read rows as they lie, without text, and sort them here if they are not in order: they mostly are.

    `only` names one table that is read instead of the stream's, without those that inherit from it.
    """
    words, query = _packing(windows[0].stream, tuple(columns), only)
    with connection.cursor(binary=True) as cursor:
        found = [cursor.execute(query, window.parameters).fetchone() for window in windows]
    rows = [row for row in found if row is not None and row[0] is not None]
    if not rows:
        return None
    t_raw, *raws = (parts[0] if len(parts) == 1 else b"".join(parts) for parts in zip(*rows, strict=True))
    chunk = {"t_us": ArrayColumn(np.frombuffer(t_raw, ">i8").astype(np.int64) + POSTGRES_EPOCH_US)}
    for word, raw in zip(words, raws, strict=True):
        chunk.update(word.unpacked(raw))
    return in_order_of_time({name: chunk[name] for name in ("t_us", *(column.name for column in columns))})


def in_order_of_time(chunk: Chunk) -> Chunk:
    """Return a chunk as it is, or sorted where it is not in order; what is of one instant keeps its order."""
    t_us = chunk["t_us"].values
    if (t_us[1:] >= t_us[:-1]).all():
        return chunk
    order = np.argsort(t_us, kind="stable")
    return {
        name: ArrayColumn(column.values[order], None if column.valid is None else column.valid[order])
        for name, column in chunk.items()
    }


def _fetch_rows(
    connection: psycopg.Connection, stream: str, columns: Sequence[Column], parameters: dict[str, Any]
) -> dict[str, ArrayColumn] | None:
    """Streams that hold text have a few rows a second: plain rows will do."""
    selected = [
        sql.SQL("{}::text" if column.kind == "json" else "{}").format(sql.Identifier(column.name)) for column in columns
    ]
    query = sql.SQL(
        "SELECT (extract(epoch FROM t) * 1e6)::int8, {names} FROM {table} WHERE {window} ORDER BY t"
    ).format(names=sql.SQL(", ").join(selected), table=sql.Identifier(stream), window=sql.SQL(_WINDOW))
    with connection.cursor(binary=True) as cursor:
        records = cursor.execute(query, parameters).fetchall()
    if not records:
        return None
    times, *others = zip(*records, strict=True)
    chunk = {"t_us": ArrayColumn(np.array(times, dtype=np.int64))}
    for column, values in zip(columns, others, strict=True):
        valid = np.array([value is not None for value in values], dtype=np.bool_)
        array = np.empty(len(values), dtype=NUMPY_DTYPE[column.kind])
        is_object = array.dtype.hasobject
        array[:] = values if is_object else [0 if value is None else value for value in values]
        chunk[column.name] = ArrayColumn(array, None if valid.all() else valid)
    return chunk
