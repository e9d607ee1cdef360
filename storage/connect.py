"""Connections: one way to open them, with an error that a person can act on."""

from __future__ import annotations

import re

import psycopg
from psycopg_pool import ConnectionPool

from storage.errors import UnreachableError

CONNECT_TIMEOUT_S = 5
_PASSWORD = re.compile(r"(://[^:/@]*):[^@]*@|(password=)\S+")


def without_password(url: str) -> str:
    """Return `url` as it may be printed."""
    return _PASSWORD.sub(lambda match: f"{match[1]}:***@" if match[1] else f"{match[2]}***", url)


def connect(url: str, *, autocommit: bool = True, name: str = "jissho") -> psycopg.Connection:
    """Open a connection whose time zone is UTC. Raises UnreachableError in one line that names the address."""
    try:
        connection = psycopg.connect(
            url,
            autocommit=autocommit,
            connect_timeout=CONNECT_TIMEOUT_S,
            application_name=name,
            options="-c TimeZone=UTC",
        )
    except psycopg.OperationalError as error:
        reason = " ".join(str(error).split())
        raise UnreachableError(
            f"database {without_password(url)} not reachable: {reason}; check JISSHO_DATABASE_URL and that it runs"
        ) from error
    except psycopg.ProgrammingError as error:
        raise UnreachableError(
            f"JISSHO_DATABASE_URL {without_password(url)!r} is not a PostgreSQL URL: {error}"
        ) from error
    return connection


def open_pool(url: str, *, size: int = 4, name: str = "jissho") -> ConnectionPool:
    """Return an open pool for the API and the page; it waits for a server that is away and recovers by itself."""
    return ConnectionPool(
        url,
        min_size=1,
        max_size=size,
        timeout=CONNECT_TIMEOUT_S,
        open=True,
        check=ConnectionPool.check_connection,
        kwargs={
            "autocommit": True,
            "application_name": name,
            "connect_timeout": CONNECT_TIMEOUT_S,
            "options": "-c TimeZone=UTC",
        },
    )
