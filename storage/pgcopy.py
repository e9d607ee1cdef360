"""PGCOPY binary format from numpy columns: whole tables of bytes, no Python object per row where all is fixed width.

Own code because it is the hot path: a structured big-endian array costs a tenth of the client CPU of row-by-row COPY
(0.6 s against 4.3 s for 5 M rows; Arrow-based encoders 1.0 s and 176 MB of libraries). Rows that hold nulls are
grouped by which columns are null, since a null is a missing field and so changes the row's width; order inside a COPY
carries no meaning. Streams with text join ready-made cells instead.
"""

from __future__ import annotations

from collections.abc import Sequence
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


def encode_rows(columns: Sequence[CopyColumn], n: int) -> bytes:
    """Encode n rows, without header and trailer."""
    if any(column.kind in {"text", "json"} for column in columns):
        return _encode_with_text(columns, n)
    nullable = [index for index, column in enumerate(columns) if column.column.valid is not None]
    if not nullable:
        return _encode_fixed(columns, n, range(len(columns)), None)
    # One bit for each column that has nulls: rows with the same bits share a row layout.
    pattern = np.zeros(n, dtype=np.int64)
    for bit, index in enumerate(nullable):
        valid = columns[index].column.valid
        assert valid is not None
        pattern |= (~valid).astype(np.int64) << bit
    # Nearly all rows lack nothing: those are cut out of one table, which is cheaper than gathering each column.
    has_null = pattern != 0
    parts = [_fixed_table(columns, n, range(len(columns)), None)[~has_null].tobytes()]
    for bits in np.unique(pattern[has_null]):
        null_columns = {index for bit, index in enumerate(nullable) if bits >> bit & 1}
        rows = np.flatnonzero(pattern == bits)
        present = [index for index in range(len(columns)) if index not in null_columns]
        parts.append(_encode_fixed(columns, rows.size, present, rows))
    return b"".join(parts)


def _wire_values(column: CopyColumn, rows: npt.NDArray[np.intp] | None) -> npt.NDArray[Any]:
    values = column.column.values if rows is None else column.column.values[rows]
    return values - POSTGRES_EPOCH_US if column.kind == "t" else values


def _encode_fixed(
    columns: Sequence[CopyColumn], n: int, present: Sequence[int], rows: npt.NDArray[np.intp] | None
) -> bytes:
    """Encode n rows in which exactly the columns `present` are not null."""
    return _fixed_table(columns, n, present, rows).tobytes()


def _fixed_table(
    columns: Sequence[CopyColumn], n: int, present: Sequence[int], rows: npt.NDArray[np.intp] | None
) -> npt.NDArray[Any]:
    """Return n rows as they travel, of the columns at `present` (and, where given, the rows at `rows`)."""
    is_present = set(present)
    layout, template = _row_layout(tuple(c.kind if i in is_present else "" for i, c in enumerate(columns)))
    table = np.full(n, template, dtype=layout)
    for index in present:
        table[f"value{index}"] = _wire_values(columns[index], rows)
    return table


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
