"""Connections: one way to open them, with an error that a person can act on."""

from __future__ import annotations

import re
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool

from storage.errors import UnreachableError

CONNECT_TIMEOUT_S = 5
IDLE_IN_TRANSACTION_S = 10
"""For connections that commit what devices send. Such a transaction waits on its client for milliseconds; where a NAT
forgot the connection in the middle of one, the server would hold the ledger's row until TCP gives up after two hours,
and every other ingest, and the same one over its next connection, would wait for it."""
_KEEPALIVE: dict[str, Any] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
"""Our side: a server that vanished is noticed within 25 s, not after 15 min to 2 h."""
_SERVER_KEEPALIVE = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
"""The server's side: in the middle of a COPY no other limit ends a session whose client vanished."""
_PASSWORD = re.compile(r"(://[^:/@]*):[^@]*@|(password=)\S+")


def without_password(url: str) -> str:
    """Return `url` as it may be printed."""
    return _PASSWORD.sub(lambda match: f"{match[1]}:***@" if match[1] else f"{match[2]}***", url)


def _options(idle_in_transaction_s: int | None = None) -> str:
    limit = "" if idle_in_transaction_s is None else f" -c idle_in_transaction_session_timeout={idle_in_transaction_s}s"
    return f"-c TimeZone=UTC {_SERVER_KEEPALIVE}{limit}"


def connect(
    url: str, *, autocommit: bool = True, name: str = "jissho", idle_in_transaction_s: int | None = None
) -> psycopg.Connection:
    """Open a connection whose time zone is UTC. Raises UnreachableError in one line that names the address.

    With `idle_in_transaction_s` the server ends the session when a transaction waits that long for its client.
    """
    try:
        connection = psycopg.connect(
            url,
            autocommit=autocommit,
            connect_timeout=CONNECT_TIMEOUT_S,
            application_name=name,
            options=_options(idle_in_transaction_s),
            **_KEEPALIVE,
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
            "options": _options(),
            **_KEEPALIVE,
        },
    )
