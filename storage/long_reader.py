"""Reading a long window over two connections at once, both in one snapshot.

The server packs columns on one processor a connection, and that is nearly all of the time that reading takes; a second
connection halves it where a second processor is free.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus

from contract.columns import Column
from storage.columnar import ArrayColumn
from storage.errors import UnreachableError
from storage.reader import CHUNK_ROWS, Window, chunk_windows, fetch_chunk, joined, stream_columns
from storage.snapshot import connect_to_snapshot, export_snapshot

LEAST_CHUNKS = 3
"""Windows of fewer chunks are read over one connection: opening the other takes as long as 30,000 rows."""

Chunk = dict[str, ArrayColumn]


def read_long(
    connection: psycopg.Connection, stream: str, names: Sequence[str], *, link_ids: Sequence[int], start_us: int,
    end_us: int, chunk_rows: int = CHUNK_ROWS,
) -> Chunk:  # fmt: skip
    """Return what `storage.reader.read_columns` does, sooner where the window is long.

    Within a transaction of the caller's, or where the server gives no second connection, only one is read over.
    """
    columns, window = stream_columns(stream, names), Window(stream, tuple(link_ids), start_us, end_us)
    windows = [
        replace(window, start_us=low, end_us=high) for low, high in chunk_windows(connection, window, chunk_rows)
    ]
    if len(windows) < LEAST_CHUNKS or connection.info.transaction_status != TransactionStatus.IDLE:
        return joined([chunk for each in windows if (chunk := fetch_chunk(connection, each, columns))], columns)
    with in_one_snapshot(connection) as readers, ThreadPoolExecutor(len(readers)) as threads:
        shared = _Shared(windows, columns)
        for done in [threads.submit(shared.read, reader) for reader in readers]:
            done.result()
    return joined([shared.found[number] for number in sorted(shared.found)], columns)


class _Shared:
    """Chunks still to be read, of which each connection takes the next one."""

    def __init__(self, windows: Sequence[Window], columns: Sequence[Column]) -> None:
        self.found: dict[int, Chunk] = {}
        self._waiting = iter(enumerate(windows))
        self._columns = columns
        self._lock = threading.Lock()

    def read(self, connection: psycopg.Connection) -> None:
        """Read until nothing waits."""
        while True:
            with self._lock:
                number, window = next(self._waiting, (-1, None))
            if window is None:
                return
            if chunk := fetch_chunk(connection, window, self._columns):
                self.found[number] = chunk


@contextmanager
def in_one_snapshot(connection: psycopg.Connection) -> Iterator[list[psycopg.Connection]]:
    """Give the connection and, if there is one, a second that sees the same rows."""
    with export_snapshot(connection) as snapshot, ExitStack() as opened:
        readers = [connection]
        with suppress(UnreachableError):
            url = make_conninfo(connection.info.dsn, password=connection.info.password or None)
            readers.append(opened.enter_context(connect_to_snapshot(url, snapshot)))
        yield readers
