"""A short name for a set of packets: the same for the same values, however wide and in whatever order they came."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from analytics.blocks import block_slices

_RISING = {"t_us", "seq", "refl_seq"}
"""Columns whose steps are smaller than they are."""

_FEW_VALUES = 1 << 8
_WIDTHS = ((1 << 8, "<u1"), (1 << 16, "<u2"), (1 << 32, "<u4"))


class Column(Protocol):
    """A column of integers, with which of them are not null (None: all)."""

    @property
    def values(self) -> npt.NDArray[Any]:
        """The values; placeholders where null."""

    @property
    def valid(self) -> npt.NDArray[np.bool_] | None:
        """Which values are not null."""


def data_hash(columns: Mapping[str, Sequence[Column]]) -> str:
    """Return 16 hexadecimal digits of the values of columns, each given as parts in an order that is always the same.

    Hashing takes 1 ns a byte (BLAKE2b; SHA-256 1.9), so a block is first written in as few bytes as its range needs:
    steps instead of values where a column rises, places instead of values where a mark seldom changes. 10 M packets in
    order take 0.07 s; SHA-256 over nine columns of eight bytes took 1.66.
    """
    digest = hashlib.blake2b(digest_size=8)
    for name, parts in columns.items():
        for part in parts:
            digest.update(f"{name} {part.values.size};".encode())
            for rows in block_slices(part.values.size):
                _add(digest, part.values[rows], None if part.valid is None else part.valid[rows], name in _RISING)
    return digest.hexdigest()


def _add(digest: Any, values: npt.NDArray[Any], valid: npt.NDArray[np.bool_] | None, is_rising: bool) -> None:
    """Add one block, so that different values are different bytes."""
    if valid is not None and not valid.all():
        digest.update(b"some;" + np.packbits(valid).tobytes() if valid.any() else b"null;")
        values = values[valid]
        if not values.size:
            return
    if is_rising:
        digest.update(f"from {int(values[0])};".encode())
        values = values[1:] - values[:-1]
        if not values.size:
            return
    low, high = int(values.min()), int(values.max())
    digest.update(f"{low} to {high};".encode())
    if low == high:
        return
    if high - low < _FEW_VALUES:
        # A mark that is almost always the same, as of loss: where it is another, and which.
        other = np.flatnonzero(values != values[0])
        if other.size * 8 < values.size:
            marks = (values[other] - low).astype("<u1")
            digest.update(f"but {int(values[0])} {other.size};".encode() + other.astype("<u4").tobytes())
            digest.update(marks.tobytes())
            return
    # The lowest bits of a number name it within a range that is no wider: no difference need be taken.
    width = next((width for end, width in _WIDTHS if high - low < end), "<i8")
    digest.update(np.ascontiguousarray(values.astype(width)).data)
