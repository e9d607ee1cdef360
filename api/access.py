"""How a route gets at the database: one pooled connection, one read-only snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import psycopg
from fastapi import Depends, Path, Query, Request
from psycopg_pool import ConnectionPool

from analytics.requirements import shipped_profiles
from api.problems import ProblemError
from api.settings import ApiSettings
from storage.runs import RunRecord, get_run


@contextmanager
def snapshot(pool: ConnectionPool, wait_s: float) -> Iterator[psycopg.Connection]:
    """Lend a connection inside a read-only transaction, so that all of one answer is of one moment.

    Raises psycopg_pool.PoolTimeout if none can be had within `wait_s`.
    """
    with pool.connection(timeout=wait_s) as connection, connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield connection


def the_pool(request: Request) -> ConnectionPool:
    """Return the app's pool."""
    pool: ConnectionPool = request.app.state.pool
    return pool


def the_settings(request: Request) -> ApiSettings:
    """Return the app's settings."""
    settings: ApiSettings = request.app.state.settings
    return settings


Pool = Annotated[ConnectionPool, Depends(the_pool)]
Settings = Annotated[ApiSettings, Depends(the_settings)]


def _connection(pool: Pool, settings: Settings) -> Iterator[psycopg.Connection]:
    with snapshot(pool, settings.database_wait_s) as connection:
        yield connection


Connection = Annotated[psycopg.Connection, Depends(_connection)]
Name = r"^[a-z0-9][a-z0-9_-]{0,62}$"
"""Pattern of a site, device, link or run name, and of a run's number too."""


def _run(
    connection: Connection, run: Annotated[str, Path(pattern=Name, description="Name or number of the run")]
) -> RunRecord:
    return get_run(connection, run)


Run = Annotated[RunRecord, Depends(_run)]

ProfileName = Annotated[
    str | None, Query(pattern=Name, description="A shipped requirement profile; default: the server's own")
]
"""Only a name: the server's own profile may be the path of a file, which a request must not choose."""


def chosen_profile(settings: ApiSettings, asked: str | None) -> str | None:
    """Return the profile to judge with. Raises ProblemError for a name that is not among the shipped ones."""
    if asked is None:
        return settings.profile
    shipped = shipped_profiles()
    if asked not in shipped:
        raise ProblemError(422, f"no requirement profile {asked!r}", f"choose one of: {', '.join(shipped)}")
    return asked
