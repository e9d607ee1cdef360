"""The migration runner: numbered SQL files, each applied once, in order, checked by hash.

`NNNN_name.sql` runs everywhere, `NNNN_name.timescale.sql` and `NNNN_name.plain.sql` in their mode only. This is the
one place where code asks which mode the database is in. Own code (about a hundred lines) because a migration tool
would bring an ORM or state tables of its own for what is a list of files.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psycopg

from storage.ddl import SQL_FOLDER
from storage.errors import StorageError
from storage.partitions import make_partitions

Mode = Literal["timescale", "plain"]
MINIMUM_TIMESCALE = (2, 29)
_LOCK_KEY = 0x6A697373686F  # "jissho": two servers that start at once must not migrate at once
_NO_TRANSACTION = "-- no-transaction"

_BOOKKEEPING = """
CREATE TABLE IF NOT EXISTS schema_migration (
    number     integer NOT NULL,
    name       text PRIMARY KEY,
    sha256     text NOT NULL,
    mode       text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its number, its file name, the mode it is for (None: both) and its text."""

    number: int
    name: str
    mode: Mode | None
    sql: str

    @property
    def sha256(self) -> str:
        """Hash of the text, as recorded when it is applied."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read_migrations(folder: Path = SQL_FOLDER) -> list[Migration]:
    """Return all migrations of `folder`, in the order in which they are applied."""
    migrations = []
    for path in sorted(folder.glob("*.sql")):
        number, _, rest = path.name.partition("_")
        middle = rest.split(".")[1:-1]
        mode: Mode | None = "timescale" if "timescale" in middle else "plain" if "plain" in middle else None
        migrations.append(Migration(int(number), path.name, mode, path.read_text(encoding="utf-8")))
    return migrations


def detect_mode(connection: psycopg.Connection) -> Mode:
    """Return "timescale" where the server offers a recent enough extension, "plain" otherwise."""
    row = connection.execute(
        "SELECT coalesce(installed_version, default_version) FROM pg_available_extensions WHERE name = 'timescaledb'"
    ).fetchone()
    if row is None:
        return "plain"
    version = tuple(int(part) for part in str(row[0]).split("-")[0].split(".")[:2])
    if version < MINIMUM_TIMESCALE:
        wanted = ".".join(map(str, MINIMUM_TIMESCALE))
        raise StorageError(
            f"the server offers TimescaleDB {row[0]}, {wanted} or later is needed; "
            "update the extension, or remove it to use plain PostgreSQL"
        )
    return "timescale"


def migrate(
    connection: psycopg.Connection, *, mode: Mode | None = None, migrations: list[Migration] | None = None
) -> list[str]:
    """Bring the database to the newest schema and return the names of the files applied now.

    Every service migrates when it starts, so this is also where partitions are made ahead of time.
    The mode is the one the database was first migrated in, else `mode`, else what the server offers. Raises
    StorageError if an applied file was changed afterwards or the database is newer than this program.
    """
    files = read_migrations() if migrations is None else migrations
    was_autocommit = connection.autocommit
    connection.autocommit = True
    try:
        connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK_KEY,))
        try:
            applied = _apply(connection, files, mode)
            if connection.execute("SELECT to_regproc('jissho_make_partitions')").fetchone() != (None,):
                make_partitions(connection)
            return applied
        finally:
            connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK_KEY,))
    finally:
        connection.autocommit = was_autocommit


def _apply(connection: psycopg.Connection, files: list[Migration], mode: Mode | None) -> list[str]:
    connection.execute(_BOOKKEEPING)
    done: dict[str, str] = {}
    for name, sha256, used_mode in connection.execute(
        "SELECT name, sha256, mode FROM schema_migration ORDER BY number"
    ):
        done[name] = sha256
        mode = used_mode
    if mode is None:
        mode = detect_mode(connection)
    if mode == "timescale":
        connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    wanted = [file for file in files if file.mode in (None, mode)]
    _check_history(done, wanted)
    applied = []
    for file in wanted:
        if file.name in done:
            continue
        record = (file.number, file.name, file.sha256, mode)
        if file.sql.startswith(_NO_TRANSACTION):
            connection.execute(file.sql.encode())
            connection.execute("INSERT INTO schema_migration (number, name, sha256, mode) VALUES (%s,%s,%s,%s)", record)
        else:
            with connection.transaction():
                connection.execute(file.sql.encode())
                connection.execute(
                    "INSERT INTO schema_migration (number, name, sha256, mode) VALUES (%s,%s,%s,%s)", record
                )
        applied.append(file.name)
    return applied


def _check_history(done: dict[str, str], wanted: list[Migration]) -> None:
    known = {file.name: file.sha256 for file in wanted}
    for name, sha256 in done.items():
        if name not in known:
            raise StorageError(f"the database has migration {name}, which this program does not know: update jissho")
        if known[name] != sha256:
            raise StorageError(f"migration {name} was changed after it was applied: restore the released file")


def database_mode(connection: psycopg.Connection) -> Mode | None:
    """Return the mode in which the database was migrated, or None if it never was."""
    if connection.execute("SELECT to_regclass('schema_migration')").fetchone() == (None,):
        return None
    row = connection.execute("SELECT mode FROM schema_migration ORDER BY number LIMIT 1").fetchone()
    return None if row is None else row[0]


def pending_migrations(connection: psycopg.Connection, *, migrations: list[Migration] | None = None) -> list[str]:
    """Return the names of the files that `migrate` would apply now. Raises StorageError as it would."""
    files = read_migrations() if migrations is None else migrations
    mode = database_mode(connection)
    done: dict[str, str] = {}
    if mode is not None:
        done = {row[0]: row[1] for row in connection.execute("SELECT name, sha256 FROM schema_migration")}
    wanted = [file for file in files if file.mode in (None, mode or detect_mode(connection))]
    _check_history(done, wanted)
    return [file.name for file in wanted if file.name not in done]


def schema_number() -> int:
    """Return the number of the newest migration this program knows: the version of its schema, in either mode."""
    return max(migration.number for migration in read_migrations())
