"""Writing a backup: every table as of one instant, while ingest goes on."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import psycopg
from psycopg import sql

from contract.streams import STREAMS
from storage.backup_files import (
    BLOCK_BYTES,
    FORMAT,
    MANIFEST,
    BackupError,
    Manifest,
    Progress,
    TableFile,
    write_manifest,
)
from storage.ddl import OWN_COLUMNS, REGISTER_TABLES
from storage.migrate import database_mode, pending_migrations, schema_number
from storage.pgcopy import HEADER, TRAILER

TABLES = (*REGISTER_TABLES, *STREAMS)
SLICE_ROWS = 1_000_000
"""Rows of a stream that are read at a time: what the progress bar moves by. Slices are cut in time, so that a restored
table lies in the order of time, which its BRIN index lives on, without a sort."""
_GZIP_LEVEL = 1
"""0.76 M rows/s and 20 bytes a row (3 M packets, two cores); level 6 took 0.30 M rows/s for 16 bytes, no compression
1.2 M for 94. Restoring read 1.6 M rows/s."""

_COLUMNS = """
SELECT attname, format_type(atttypid, atttypmod), attidentity <> '' FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum
"""
_SLICES = """
SELECT min(t_first) FROM (
    SELECT t_first, (sum(n) OVER (ORDER BY t_first, batch_id) - 1) / %s AS slice FROM batch WHERE stream = %s) AS cut
GROUP BY slice ORDER BY 1
"""


def write_backup(connection: psycopg.Connection, folder: Path, progress: Progress | None = None) -> Manifest:
    """Write every table of the database into `folder`, which must be empty or not there, and return the manifest.

    All tables are of one instant. Raises BackupError; what was written of a backup that fails is taken away again.
    """
    if pending := pending_migrations(connection):
        raise BackupError(
            f"the schema is not up to date ({len(pending)} migrations pending): `jissho db migrate` first"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BackupError(f"{folder} is not an empty folder: name a new one, backups are never overwritten")
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        manifest = _write_tables(connection, folder, progress)
        write_manifest(folder, manifest)
    except BaseException:
        for name in (*(file_name(table) for table in TABLES), MANIFEST, f"{MANIFEST}.tmp"):
            (folder / name).unlink(missing_ok=True)
        if is_new:
            folder.rmdir()
        raise
    return manifest


def file_name(table: str) -> str:
    """Return the name of a table's file."""
    return f"{table}.pgcopy.gz"


def columns_of(connection: psycopg.Connection, table: str) -> list[tuple[str, str, bool]]:
    """Return name, SQL type, and whether the database numbers it, of each column of a table that a backup holds."""
    own = OWN_COLUMNS.get(table, ())
    return [(row[0], row[1], row[2]) for row in connection.execute(_COLUMNS, (table,)) if row[0] not in own]


def _write_tables(connection: psycopg.Connection, folder: Path, progress: Progress | None) -> Manifest:
    was_autocommit = connection.autocommit
    connection.autocommit = True
    try:
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            # Before the snapshot is taken: compressing a chunk, and retention, empty a table in a way that an older
            # snapshot does not survive (TRUNCATE is not transactional for others). They wait; ingest does not.
            connection.execute(
                sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(sql.SQL(", ").join(map(sql.Identifier, TABLES)))
            )
            return _read_snapshot(connection, folder, progress)
    finally:
        connection.autocommit = was_autocommit


def _read_snapshot(connection: psycopg.Connection, folder: Path, progress: Progress | None) -> Manifest:
    row = connection.execute("SELECT current_setting('server_version'), now()").fetchone()
    assert row is not None
    expected = _expected_rows(connection)
    total = sum(expected.values())
    files: list[TableFile] = []
    sequences: dict[str, int] = {}
    for table in TABLES:
        before = sum(file.rows for file in files)

        def tell(rows: int, table: str = table, before: int = before) -> None:
            if progress is not None:
                progress(table, before + rows, max(total, before + rows))

        columns = columns_of(connection, table)
        files.append(_write_table(connection, folder, table, columns, tell))
        for name, _, is_identity in columns:
            if is_identity:
                sequences[f"{table}.{name}"] = _last_number(connection, table, name)
    return Manifest(
        format=FORMAT,
        schema=schema_number(),
        mode=database_mode(connection) or "plain",
        server=f"PostgreSQL {row[0]}",
        made_at=row[1].astimezone(UTC),
        tables=files,
        sequences=sequences,
    )


def _expected_rows(connection: psycopg.Connection) -> dict[str, int]:
    """Return about how many rows each table has, for the progress bar only."""
    counts = dict.fromkeys(TABLES, 0)
    for stream, rows in connection.execute("SELECT stream, sum(n)::int8 FROM batch GROUP BY stream"):
        counts[stream] = rows
    for stream, rows in connection.execute("SELECT stream, sum(rows)::int8 FROM retention_log GROUP BY stream"):
        counts[stream] = max(counts[stream] - rows, 0)
    row = connection.execute("SELECT count(*) FROM batch").fetchone()
    assert row is not None
    counts["batch"] = row[0]
    return counts


def _last_number(connection: psycopg.Connection, table: str, column: str) -> int:
    sequence = connection.execute("SELECT pg_get_serial_sequence(%s, %s)", (table, column)).fetchone()
    assert sequence is not None
    row = connection.execute(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence[0]}".encode())
    found = row.fetchone()
    assert found is not None
    return int(found[0])


def _write_table(
    connection: psycopg.Connection,
    folder: Path,
    table: str,
    columns: list[tuple[str, str, bool]],
    tell: Callable[[int], None],
) -> TableFile:
    path = folder / file_name(table)
    names = sql.SQL(", ").join(sql.Identifier(name) for name, _, _ in columns)
    rows = 0
    with path.open("xb") as raw:
        hashed = _HashedFile(raw)
        with gzip.GzipFile(filename="", mode="wb", compresslevel=_GZIP_LEVEL, fileobj=hashed, mtime=0) as file:
            file.write(HEADER)
            for condition in _slices(connection, table):
                query = sql.SQL("COPY (SELECT {} FROM {} WHERE {}) TO STDOUT (FORMAT binary)").format(
                    names, sql.Identifier(table), condition
                )
                rows += _copy_rows(connection, query, file)
                tell(rows)
            file.write(TRAILER)
        raw.flush()
        os.fsync(raw.fileno())
    return TableFile(
        table=table,
        file=path.name,
        columns=[(name, kind) for name, kind, _ in columns],
        rows=rows,
        bytes=hashed.written,
        sha256=hashed.digest.hexdigest(),
    )


def _slices(connection: psycopg.Connection, table: str) -> Iterator[sql.Composable]:
    """Yield conditions that part a table's rows: a stream in stretches of time, any other table whole."""
    edges: list[datetime] = []
    if table in STREAMS:
        edges = [row[0] for row in connection.execute(_SLICES, (SLICE_ROWS, table))]
    # The first stretch has no beginning and the last no end: whatever the register does not know of is taken too.
    for low, high in itertools.pairwise([None, *edges[1:], None]):
        parts: list[sql.Composable] = [sql.SQL("true")]
        if low is not None:
            parts.append(sql.SQL("t >= {}").format(sql.Literal(low)))
        if high is not None:
            parts.append(sql.SQL("t < {}").format(sql.Literal(high)))
        yield sql.SQL(" AND ").join(parts)


def _copy_rows(connection: psycopg.Connection, query: sql.Composed, file: gzip.GzipFile) -> int:
    """Append the rows of one COPY without its header and trailer; return how many they are."""
    with connection.cursor() as cursor:
        held = bytearray()
        is_first = True
        with cursor.copy(query) as copy:
            for message in copy:
                held += message
                if len(held) < BLOCK_BYTES:
                    continue
                # The last two bytes may be the trailer: they wait for the next block.
                file.write(held[len(HEADER) if is_first else 0 : -len(TRAILER)])
                del held[: -len(TRAILER)]
                is_first = False
        file.write(held[len(HEADER) if is_first else 0 : -len(TRAILER)])
        return cursor.rowcount


class _HashedFile:
    """A file that is hashed and counted as it is written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.written = 0

    def write(self, block: bytes) -> int:
        self.digest.update(block)
        self.written += len(block)
        return self._file.write(block)

    def flush(self) -> None:
        self._file.flush()
