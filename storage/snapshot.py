"""Several connections that see the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from storage.connect import connect

_ONE_STATE = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"


@contextmanager
def export_snapshot(connection: psycopg.Connection) -> Iterator[str]:
    """Begin a transaction and give the name of what it sees, for as long as it lasts; it must be the outermost."""
    with connection.transaction():
        connection.execute(_ONE_STATE)
        row = connection.execute("SELECT pg_export_snapshot()").fetchone()
        assert row is not None
        yield row[0]


@contextmanager
def connect_to_snapshot(url: str, snapshot: str, *, name: str = "jissho") -> Iterator[psycopg.Connection]:
    """Open a connection that sees what `export_snapshot` named. Raises UnreachableError."""
    with connect(url, name=name) as connection, connection.transaction():
        connection.execute(_ONE_STATE)
        connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(snapshot))
        yield connection
