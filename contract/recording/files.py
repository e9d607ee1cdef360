"""Rows of CSV and Parquet files, a few at a time, and the content hash of any file."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from contract.recording.errors import RecordingError
from contract.recording.profile import FileCsv, TimeRule
from contract.recording.table import Row

_PARQUET_ROWS = 10_000


def sha256_of(path: Path) -> bytes:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def session_of(digest: bytes, part: int = 0) -> int:
    """Return 31 bits of a content hash: the same session for the same file. `part` numbers sessions in one file."""
    if part:
        digest = hashlib.sha256(digest + part.to_bytes(4, "big")).digest()
    return int.from_bytes(digest[:4], "big") & 0x7FFF_FFFF


def csv_rows(path: Path, rule: FileCsv, wanted: Sequence[str], optional: frozenset[str]) -> Iterator[Row]:
    """Yield the cells of the columns `wanted`. A row that is too short, as where power went, comes with its fault.

    Raises RecordingError for a file without the columns, or in another encoding.
    """
    try:
        with path.open(encoding=rule.encoding, newline="") as file:
            for _ in range(rule.skip_lines):
                file.readline()
            reader = csv.reader(file, delimiter=rule.delimiter)
            header = rule.names or [name.strip() for name in next(reader, [])]
            places = _places(path, header, wanted, optional, rule.also)
            for cells in reader:
                if not any(cells):  # nor the empty rows that spreadsheets leave below a table
                    continue
                line = reader.line_num + rule.skip_lines
                if len(cells) < len(header) or any(cells[len(header) :]):
                    yield Row(line, cells, f"the row has not {len(header)} cells")
                    continue
                yield Row(line, [None if place is None else cells[place] for place in places])
    except UnicodeError as error:
        raise RecordingError(
            f"{path.name} is not {rule.encoding}: give the option `encoding` (cp932 for Shift_JIS): {error}"
        ) from error
    except LookupError as error:
        raise RecordingError(f"encoding {rule.encoding!r} is not known") from error
    except csv.Error as error:
        raise RecordingError(f"{path.name} is not readable as CSV: {error}") from error


def _places(
    path: Path, header: Sequence[str], wanted: Sequence[str], optional: frozenset[str],
    also: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> list[int | None]:  # fmt: skip
    places: list[int | None] = []
    for name in wanted:
        known = (name, *also.get(name, ()))
        found = [place for place, heading in enumerate(header) if heading in known]
        called = " or ".join(map(repr, known))
        if len(found) > 1:
            raise RecordingError(f"{path.name} has {len(found)} columns called {called}")
        if not found and name not in optional:
            shown = ", ".join(header) or "nothing: the file is empty"
            raise RecordingError(f"{path.name} has no column {called}; it has {shown}")
        places.append(found[0] if found else None)
    return places


def parquet_rows(path: Path, time: TimeRule, wanted: Sequence[str], optional: frozenset[str]) -> Iterator[Row]:
    """Yield the cells of the columns `wanted`, one row group after the other; time stamp columns become nanoseconds.

    Raises RecordingError for a file without the columns, or where pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra, which the edge does not have
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError as error:
        raise RecordingError("reading Parquet needs pyarrow: pip install 'jissho[report]'") from error
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            places = _places(path, names, wanted, optional)
            present = list(dict.fromkeys(name for name, place in zip(wanted, places, strict=True) if place is not None))
            line = 0
            for part in file.iter_batches(batch_size=_PARQUET_ROWS, columns=present):
                columns = {name: _values(part.column(name), path, name, time) for name in present}
                nothing = [None] * part.num_rows
                for cells in zip(*(columns.get(name, nothing) for name in wanted), strict=True):
                    line += 1
                    yield Row(line, cells)
    except pa.ArrowException as error:
        raise RecordingError(f"{path.name} is not readable as Parquet: {error}") from error


def _values(column: Any, path: Path, name: str, time: TimeRule) -> list[Any]:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    if not pa.types.is_timestamp(column.type):
        return list(column.to_pylist())
    if time.unit != "ns":
        raise RecordingError(f'column {name!r} of {path.name} holds time stamps: the profile\'s time unit must be "ns"')
    if column.type.tz is None:
        if not time.timezone:
            raise RecordingError(f"column {name!r} of {path.name} has times without offset: give a `timezone`")
        column = pc.assume_timezone(column, "UTC" if time.timezone == "Z" else time.timezone.replace("JST", "+09:00"))
    return list(column.cast(pa.timestamp("ns", tz="UTC")).cast(pa.int64()).to_pylist())
