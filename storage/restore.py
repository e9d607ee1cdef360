"""Reading a backup into an empty database, of either mode, in one transaction."""

from __future__ import annotations

import gzip
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg import sql

from storage.backup import TABLES, columns_of
from storage.backup_files import BLOCK_BYTES, BackupError, Manifest, Progress, TableFile, read_manifest, verify_files
from storage.migrate import pending_migrations, schema_number

_PAUSES_S = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)


def restore_backup(connection: psycopg.Connection, folder: Path, progress: Progress | None = None) -> Manifest:
    """Load the backup in `folder` into the migrated, empty database of `connection`, and return its manifest.

    Checks every file before the first row is written, and writes all rows or none. Numbers that the database gives
    out go on where they stopped. Raises BackupError that names what is wrong and what to do.
    """
    manifest = read_manifest(folder)
    if pending := pending_migrations(connection):
        raise BackupError(
            f"the schema is not up to date ({len(pending)} migrations pending): `jissho db migrate` first"
        )
    if manifest.schema > schema_number():
        raise BackupError(
            f"the backup has schema {manifest.schema}, this program knows {schema_number()}: update jissho, "
            "then restore"
        )
    _check_columns(connection, manifest)
    _check_empty(connection)
    verify_files(folder, manifest, progress)
    was_autocommit = connection.autocommit
    connection.autocommit = True
    try:
        _load_tables(connection, folder, manifest, progress)
        _refresh_aggregates(connection)
        connection.execute("ANALYZE")
    finally:
        connection.autocommit = was_autocommit
    return manifest


def _check_columns(connection: psycopg.Connection, manifest: Manifest) -> None:
    """Binary rows fit only columns of the very same type."""
    for table in manifest.tables:
        if table.table not in TABLES:
            raise BackupError(f"the backup has a table {table.table!r} that this program does not know: update jissho")
        there = {(name, kind) for name, kind, _ in columns_of(connection, table.table)}
        for name, kind in table.columns:
            if (name, kind) not in there:
                raise BackupError(
                    f"column {table.table}.{name} ({kind}) of the backup is not in this schema: restore it with the "
                    "release that wrote it, then `jissho db migrate`"
                )


def _check_empty(connection: psycopg.Connection) -> None:
    full = []
    for table in TABLES:
        row = connection.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(table))).fetchone()
        if row is not None and row[0]:
            full.append(table)
    if full:
        raise BackupError(
            f"the database is not empty ({', '.join(full)}): restore into a new database, e.g. CREATE DATABASE "
            "jissho_restored, with JISSHO_DATABASE_URL pointing at it; nothing was restored"
        )


def _load_tables(connection: psycopg.Connection, folder: Path, manifest: Manifest, progress: Progress | None) -> None:
    with connection.transaction():
        # From here on nobody else writes; an ingest that came first shows in the second look.
        names = sql.SQL(", ").join(map(sql.Identifier, TABLES))
        connection.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(names))
        _check_empty(connection)
        done = 0
        for table in manifest.tables:

            def tell(read: int, table: TableFile = table, before: int = done) -> None:
                if progress is not None:
                    progress(table.table, before + read, manifest.bytes)

            _load_table(connection, folder, table, tell)
            done += table.bytes
            if table.table == "batch":
                _make_partitions(connection)
        for key, number in manifest.sequences.items():
            table_name, _, column = key.partition(".")
            if number:
                connection.execute(
                    "SELECT setval(pg_get_serial_sequence(%s, %s), %s::int8)", (table_name, column, number)
                )


def _make_partitions(connection: psycopg.Connection) -> None:
    """Make the partitions for what the batch register tells of, where streams have partitions: rows follow it."""
    if connection.execute("SELECT to_regprocedure('jissho_cover(text, timestamptz)')").fetchone() == (None,):
        return
    connection.execute(
        "SELECT jissho_cover(stream, day) FROM ("
        "SELECT DISTINCT stream, generate_series(date_trunc('day', t_first), t_last, interval '1 day') AS day"
        " FROM batch) AS days"
    )


def _load_table(connection: psycopg.Connection, folder: Path, table: TableFile, tell: Callable[[int], None]) -> None:
    """Copy one table in; `tell` is told how many bytes of its file are read."""
    query = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
        sql.Identifier(table.table), sql.SQL(", ").join(sql.Identifier(name) for name, _ in table.columns)
    )
    try:
        with connection.cursor() as cursor, (folder / table.file).open("rb") as raw:
            with cursor.copy(query) as copy, gzip.GzipFile(fileobj=raw) as file:
                while block := file.read(BLOCK_BYTES):
                    copy.write(block)
                    tell(raw.tell())
            rows = cursor.rowcount
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BackupError(f"{folder / table.file} is damaged ({error}): use another backup") from error
    if rows != table.rows:
        raise BackupError(
            f"{folder / table.file} holds {rows} rows where the manifest says {table.rows}: use another backup"
        )


def _refresh_aggregates(connection: psycopg.Connection) -> None:
    """Compute TimescaleDB's continuous aggregates, whose policies look back only a while; those of others last."""
    if connection.execute("SELECT to_regclass('_timescaledb_catalog.continuous_agg')").fetchone() == (None,):
        return
    names = connection.execute(
        "SELECT format('%I.%I', user_view_schema, user_view_name) FROM _timescaledb_catalog.continuous_agg"
        " ORDER BY mat_hypertable_id"
    ).fetchall()
    for (name,) in names:
        _refresh(connection, name)


def _refresh(connection: psycopg.Connection, name: str) -> None:
    """Compute one, once its policy, which may have begun in the meantime, is done with it."""
    for pause_s in (0.0, *_PAUSES_S):
        time.sleep(pause_s)
        try:
            connection.execute("CALL refresh_continuous_aggregate(%s::regclass, NULL, NULL)", (name,))
        except psycopg.errors.LockNotAvailable:
            continue
        return
    raise BackupError(
        f"all rows are restored, but {name} is still being refreshed by others: when they are done, "
        f"CALL refresh_continuous_aggregate('{name}', NULL, NULL)"
    )
