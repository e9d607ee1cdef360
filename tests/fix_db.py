"""A real PostgreSQL for tests, with a migrated database of its own for each test.

JISSHO_TEST_DATABASE_URL names a plain server to use; otherwise the embedded one is started once for the whole run.
JISSHO_TEST_TIMESCALE_URL names a server with TimescaleDB: every test with a database then runs on both.
"""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from storage.connect import connect
from storage.embedded import embedded_server
from storage.migrate import database_mode, migrate
from storage.writer import Writer


@dataclass(frozen=True)
class Database:
    """One migrated, empty database. `url` is what JISSHO_DATABASE_URL would be."""

    url: str
    opened: list[psycopg.Connection] = field(default_factory=list)

    def connect(self) -> psycopg.Connection:
        """Open an autocommit connection, which is closed after the test if the test did not."""
        self.opened.append(connect(self.url))
        return self.opened[-1]

    def writer(self) -> Writer:
        """Return a writer over a new connection."""
        return Writer(self.connect())


def _with_database(url: str, name: str) -> str:
    base, _, query = url.partition("?")
    return f"{base.rsplit('/', 1)[0]}/{name}{'?' + query if query else ''}"


SERVERS = ["plain", *(["timescale"] if os.environ.get("JISSHO_TEST_TIMESCALE_URL") else [])]


@pytest.fixture(scope="session", params=SERVERS)
def database_server(request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of a real PostgreSQL server in which databases may be created."""
    names = {"plain": "JISSHO_TEST_DATABASE_URL", "timescale": "JISSHO_TEST_TIMESCALE_URL"}
    if url := os.environ.get(names[request.param]):
        yield url
        return
    home = Path(tempfile.mkdtemp(prefix="jissho-test-"))
    home.chmod(0o755)
    # fsync off: these tests kill processes, not machines, and the page cache survives that.
    with embedded_server(home, settings={"fsync": "off", "max_connections": "100"}) as server:
        yield server.url
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def migrated_template(database_server: str) -> Iterator[str]:
    """Name of a migrated database that is copied for each test."""
    name = f"jissho_template_{uuid.uuid4().hex[:8]}"
    with connect(database_server) as server:
        server.execute(f"CREATE DATABASE {name}".encode())
    with connect(_with_database(database_server, name)) as connection:
        migrate(connection)
        if database_mode(connection) == "timescale":
            # What policies do is tested by running them: at any other moment they would stand in the way.
            connection.execute("SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs")
    # TimescaleDB's own workers would connect to it, and what others are connected to cannot be copied.
    with connect(database_server) as server:
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
    yield name
    # A server that stays would go on refreshing the aggregates of every template that was left.
    with connect(database_server) as server:
        server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def db(database_server: str, migrated_template: str) -> Iterator[Database]:
    """A migrated, empty database that is this test's alone."""
    name = f"jissho_test_{uuid.uuid4().hex[:12]}"
    with connect(database_server) as server:
        server.execute(f"CREATE DATABASE {name} TEMPLATE {migrated_template}".encode())
    database = Database(_with_database(database_server, name))
    yield database
    for connection in database.opened:
        connection.close()
    with connect(database_server) as server:
        server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
