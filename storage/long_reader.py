"""Reading a long window over two connections at once, both in one snapshot.

The server packs columns on one processor a connection, and that is nearly all of the time that reading takes; a second
connection halves it where a second processor is free.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import chain
from queue import SimpleQueue

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus

from storage.columnstore_reader import columnstore_of
from storage.errors import UnreachableError
from storage.reader import CHUNK_ROWS, Chunk, Window, chunk_windows, fetch_chunk, joined, stream_columns
from storage.snapshot import connect_to_snapshot, export_snapshot

LEAST_CHUNKS = 3
"""Windows of fewer chunks are read over one connection: opening the other takes as long as 30,000 rows."""

AHEAD = 8
"""Chunks read or being read while the caller works on one: 24 MB of a probe's columns."""

UNDONE_AT_ONCE = 4
"""Chunks of which compressed rows are undone at once. Over 10 M packets of a probe that took 2.0 s in chunks of 65,000,
1.2 s in 131,000 and 1.0 s in 262,000, and the evaluation 2.6, 2.0 and 1.7 s: the fewer calls, the less the threads wait
for each other."""

Fetch = Callable[[psycopg.Connection, Sequence[Window]], Chunk | None]


def read_long(
    connection: psycopg.Connection, stream: str, names: Sequence[str], *, link_ids: Sequence[int], start_us: int,
    end_us: int, chunk_rows: int = CHUNK_ROWS,
) -> Chunk:  # fmt: skip
    """Return what `storage.reader.read_columns` does, sooner where the window is long."""
    chunks = iterate_long(
        connection, stream, names, link_ids=link_ids, start_us=start_us, end_us=end_us, chunk_rows=chunk_rows
    )
    return joined(list(chunks), stream_columns(stream, names))


def iterate_long(
    connection: psycopg.Connection, stream: str, names: Sequence[str], *, link_ids: Sequence[int], start_us: int,
    end_us: int, chunk_rows: int = CHUNK_ROWS,
) -> Generator[Chunk]:  # fmt: skip
    """Yield what `storage.reader.iterate_columns` does, chunks being read ahead while the caller works on others.

    `connection` is busy until the last chunk was taken. Within a transaction of the caller's, or where the server gives
    no second connection, only one is read over.
    """
    columns, window = stream_columns(stream, names), Window(stream, tuple(link_ids), start_us, end_us)
    chunks = chunk_windows(connection, window, chunk_rows)
    with ExitStack() as opened:
        readers = [connection]
        fetch: Fetch = partial(fetch_chunk, columns=columns)
        ahead = AHEAD
        if len(chunks) >= LEAST_CHUNKS:
            if connection.info.transaction_status == TransactionStatus.IDLE:
                readers = opened.enter_context(in_one_snapshot(connection))
            if (columnstore := columnstore_of(connection, window, columns)).chunks:
                fetch, ahead = columnstore.fetch, AHEAD // UNDONE_AT_ONCE
                starts = range(0, len(chunks), UNDONE_AT_ONCE)
                chunks = [list(chain(*chunks[start : start + UNDONE_AT_ONCE])) for start in starts]
        idle = SimpleQueue[psycopg.Connection]()
        for reader in readers:
            idle.put(reader)

        def read(windows: Sequence[Window]) -> Chunk | None:
            reader = idle.get()
            try:
                return fetch(reader, windows)
            finally:
                idle.put(reader)

        threads = opened.enter_context(ThreadPoolExecutor(len(readers), thread_name_prefix="read"))
        # Where the caller stops early, what was not begun is not read.
        opened.callback(threads.shutdown, wait=True, cancel_futures=True)
        waiting: deque[Future[Chunk | None]] = deque()
        for windows in chunks:
            waiting.append(threads.submit(read, windows))
            if len(waiting) > ahead and (chunk := waiting.popleft().result()):
                yield chunk
        while waiting:
            if chunk := waiting.popleft().result():
                yield chunk


@contextmanager
def in_one_snapshot(connection: psycopg.Connection) -> Iterator[list[psycopg.Connection]]:
    """Give the connection and, if there is one, a second that sees the same rows."""
    with export_snapshot(connection) as snapshot, ExitStack() as opened:
        readers = [connection]
        with suppress(UnreachableError):
            url = make_conninfo(connection.info.dsn, password=connection.info.password or None)
            readers.append(opened.enter_context(connect_to_snapshot(url, snapshot)))
        yield readers
