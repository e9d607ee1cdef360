"""PGCOPY binary format from numpy columns: whole tables of bytes, no Python object per row where all is fixed width.

Own code because it is the hot path: a structured big-endian array costs a tenth of the client CPU of row-by-row COPY
(0.6 s against 4.3 s for 5 M rows; Arrow-based encoders 1.0 s and 176 MB of libraries). Rows that hold nulls are
grouped by which columns are null, since a null is a missing field and so changes the row's width; order inside a COPY
carries no meaning. Streams with text join ready-made cells instead.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from contract.columns import Kind
from storage.columnar import ArrayColumn

HEADER = b"PGCOPY\n\xff\r\n\0" + b"\0" * 8
TRAILER = b"\xff\xff"
POSTGRES_EPOCH_US = 946_684_800_000_000
"""2000-01-01 00:00 UTC in microseconds since the Unix epoch: where PostgreSQL counts timestamps from."""

_KEPT_ROWS, _KEPT_LAYOUTS = 32_000, 16
"""Bounds of what a thread keeps for the next block: 6 MB a layout at most, for the few that its streams have."""

_NULL = b"\xff\xff\xff\xff"
_WIRE_DTYPE: dict[str, str] = {
    "i2": ">i2",
    "i4": ">i4",
    "i8": ">i8",
    "f4": ">f4",
    "f8": ">f8",
    "bool": "u1",
    "t": ">i8",
}


@dataclass(frozen=True, slots=True)
class CopyColumn:
    """One column to encode. `kind` is a contract kind, or "t" for int64 Unix microseconds (timestamptz)."""

    kind: Kind | str
    column: ArrayColumn


def encode_rows(columns: Sequence[CopyColumn], n: int) -> Iterator[bytes | memoryview]:
    """Yield the bytes of n rows, without header and trailer; what was yielded before is valid no longer."""
    if any(column.kind in {"text", "json"} for column in columns):
        yield _encode_with_text(columns, n)
        return
    missing = _never_present(columns)
    nullable = [
        valid for index, column in enumerate(columns)
        if index not in missing and (valid := column.column.valid) is not None
    ]  # fmt: skip
    layout = tuple("" if index in missing else column.kind for index, column in enumerate(columns))
    table, whole = _TABLES.pair(layout, n)
    _fill(table, columns, layout, None)
    is_whole = np.logical_and.reduce(nullable) if nullable else None
    if is_whole is None or is_whole.all():
        yield _bytes_of(table)
        return
    # Nearly all rows lack nothing: those are cut out of one table, which is cheaper than gathering each column.
    rows = np.flatnonzero(is_whole)
    yield _bytes_of(np.take(table, rows, out=whole[: rows.size], mode="clip"))
    yield from _with_nulls(columns, np.flatnonzero(~is_whole))


def _bytes_of(table: npt.NDArray[Any]) -> memoryview:
    return table.view(np.uint8).data


def _never_present(columns: Sequence[CopyColumn]) -> set[int]:
    """Return which columns are null throughout, as those are that a sensor does not measure."""
    return {
        index for index, column in enumerate(columns)
        if column.column.valid is not None and not column.column.valid.any()
    }  # fmt: skip


def _with_nulls(columns: Sequence[CopyColumn], rows: npt.NDArray[np.intp]) -> Iterator[memoryview]:
    """Yield the rows at `rows`, those with the same columns null together, since they share a row layout."""
    pattern = np.zeros(rows.size, dtype=np.int64)
    for index, column in enumerate(columns):
        if column.column.valid is not None:
            pattern |= (~column.column.valid[rows]).astype(np.int64) << index
    for bits in np.unique(pattern).tolist():
        layout = tuple("" if bits >> index & 1 else column.kind for index, column in enumerate(columns))
        alike = rows[pattern == bits]
        dtype, template = _row_layout(layout)
        table = np.full(alike.size, template, dtype=dtype)
        _fill(table, columns, layout, alike)
        yield _bytes_of(table)


class _Tables(threading.local):
    """Tables of rows with counts and lengths filled in, kept by each thread: only values are written a block.

    16,000 probe rows, 1 % of them lost: 1.3 ms with new memory for each step (two thirds of it page faults, since the
    allocator gives blocks of this size back at once), 0.5 ms with kept memory.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, ...], tuple[npt.NDArray[Any], npt.NDArray[Any]]] = {}

    def pair(self, layout: tuple[str, ...], n: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return two tables of n rows: one whose values are still to be written, one to be written over."""
        kept = self._kept.get(layout)
        if kept is None or kept[0].size < n:
            dtype, template = _row_layout(layout)
            kept = np.full(n, template, dtype=dtype), np.empty(n, dtype=dtype)
            if n <= _KEPT_ROWS:
                if len(self._kept) >= _KEPT_LAYOUTS:
                    self._kept.clear()
                self._kept[layout] = kept
        return kept[0][:n], kept[1][:n]


_TABLES = _Tables()


def _wire_values(column: CopyColumn, rows: npt.NDArray[np.intp] | None) -> npt.NDArray[Any]:
    values = column.column.values if rows is None else column.column.values[rows]
    return values - POSTGRES_EPOCH_US if column.kind == "t" else values


def _fill(
    table: npt.NDArray[Any], columns: Sequence[CopyColumn], layout: tuple[str, ...], rows: npt.NDArray[np.intp] | None
) -> None:
    """Write the values of the columns that `layout` has into a table (where given, of the rows at `rows`)."""
    for index, kind in enumerate(layout):
        if kind:
            table[f"value{index}"] = _wire_values(columns[index], rows)


@lru_cache(maxsize=256)
def _row_layout(kinds: tuple[str, ...]) -> tuple[np.dtype[Any], Any]:
    """Return the layout of a row whose null columns are "" in `kinds`, and a row with count and lengths filled in."""
    fields: list[tuple[str, str]] = [("count", ">i2")]
    for index, kind in enumerate(kinds):
        fields.append((f"length{index}", ">i4"))
        if kind:
            fields.append((f"value{index}", _WIRE_DTYPE[kind]))
    template = np.zeros((), dtype=np.dtype(fields))
    template["count"] = len(kinds)
    for index, kind in enumerate(kinds):
        template[f"length{index}"] = np.dtype(_WIRE_DTYPE[kind]).itemsize if kind else -1
    return template.dtype, template


def _cells(column: CopyColumn, n: int) -> list[bytes]:
    """Ready-made fields (length and value) of one column, one bytes object a row."""
    valid = column.column.valid
    if column.kind in {"text", "json"}:
        head = b"\x01" if column.kind == "json" else b""  # version byte of jsonb
        texts = [head + str(value).encode() for value in column.column.values]
        cells = [len(text).to_bytes(4, "big") + text for text in texts]
    else:
        wire = np.dtype(_WIRE_DTYPE[column.kind])
        table = np.empty(n, dtype=[("length", ">i4"), ("value", wire)])
        table["length"] = wire.itemsize
        table["value"] = _wire_values(column, None)
        raw, width = table.tobytes(), table.dtype.itemsize
        cells = [raw[start : start + width] for start in range(0, n * width, width)]
    if valid is not None:
        for row in np.flatnonzero(~valid):
            cells[row] = _NULL
    return cells


def _encode_with_text(columns: Sequence[CopyColumn], n: int) -> bytes:
    count = [len(columns).to_bytes(2, "big")] * n
    rows = zip(count, *(_cells(column, n) for column in columns), strict=True)
    return b"".join(cell for row in rows for cell in row)
