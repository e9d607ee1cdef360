"""What a backup looks like on disk: one compressed file a table, and a manifest that is written last.

Each file is PostgreSQL's binary COPY stream under gzip, so that a backup moves between plain PostgreSQL and
TimescaleDB in either direction, which pg_dump's does not: its hypertables are catalog rows of the extension.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec

from storage.errors import StorageError

FORMAT = 1
MANIFEST = "manifest.json"
BLOCK_BYTES = 1 << 20

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is (rows or bytes)."""


class BackupError(StorageError):
    """Raised when a backup cannot be made or used; the message says what to do."""


class TableFile(msgspec.Struct, frozen=True, kw_only=True):
    """One table. `columns`: name and SQL type, in the order of the file. `sha256` is of the file as it lies there."""

    table: str
    file: str
    columns: list[tuple[str, str]]
    rows: int
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The whole backup. `sequences`: last number given out by "table.column"."""

    format: int
    schema: int
    mode: str
    server: str
    made_at: datetime
    tables: list[TableFile]
    sequences: dict[str, int]

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(table.rows for table in self.tables)

    @property
    def bytes(self) -> int:
        """Bytes of all files on disk."""
        return sum(table.bytes for table in self.tables)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest; a folder without one is no backup."""
    temporary = folder / f"{MANIFEST}.tmp"
    temporary.write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
    temporary.replace(folder / MANIFEST)


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a backup. Raises BackupError where there is none that this program can read."""
    path = folder / MANIFEST
    if not path.exists():
        raise BackupError(
            f"{folder} holds no backup ({MANIFEST} is missing): "
            "name the folder that `jissho db backup` wrote; a backup that broke off has no manifest"
        )
    try:
        version = msgspec.json.decode(path.read_bytes(), type=dict[str, object]).get("format")
        if isinstance(version, int) and version > FORMAT:
            raise BackupError(f"{folder} is a backup of format {version}, this program reads {FORMAT}: update jissho")
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BackupError(f"{path} is damaged ({error}): use another backup") from error
    for table in manifest.tables:
        # The manifest names files beside it and nothing else.
        if Path(table.file).name != table.file:
            raise BackupError(f"{path} is damaged (file {table.file!r}): use another backup")
    return manifest


def verify_files(folder: Path, manifest: Manifest, progress: Progress | None = None) -> None:
    """Read every file and compare it with the manifest. Raises BackupError that names the first that differs."""
    done = 0
    for table in manifest.tables:
        path = folder / table.file
        if not path.exists():
            raise BackupError(f"{path} is missing: use another backup; nothing was restored")
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
                done += len(block)
                if progress is not None:
                    progress("verify", done, manifest.bytes)
        if digest.hexdigest() != table.sha256:
            raise BackupError(
                f"{path} is damaged (its SHA-256 is not that of the manifest): use another backup; nothing was restored"
            )
