"""Columns in memory on the server: what ingest hands to the writer and the reader hands to analytics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from contract.columns import Kind

NUMPY_DTYPE: dict[Kind, np.dtype[Any]] = {
    "i2": np.dtype(np.int16),
    "i4": np.dtype(np.int32),
    "i8": np.dtype(np.int64),
    "f4": np.dtype(np.float32),
    "f8": np.dtype(np.float64),
    "bool": np.dtype(np.bool_),
    "text": np.dtype(object),
    "json": np.dtype(object),
}
"""How each kind of column stands in numpy. Text and JSON are object arrays of `str`; they are never on a hot path."""


@dataclass(frozen=True, slots=True)
class ArrayColumn:
    """One column of n values. `valid` is a boolean array of n, or None when no value is null.

    Where `valid` is False the value is a placeholder and means nothing.
    """

    values: npt.NDArray[Any]
    valid: npt.NDArray[np.bool_] | None = None


class BatchKey(NamedTuple):
    """Identity of a batch: which outbox life it came from, and its number there."""

    site: str
    device: str
    epoch: str
    seq: int


@dataclass(frozen=True, slots=True)
class ColumnBatch:
    """A decoded, validated batch of n >= 1 samples. `t_us`: int64[n], microseconds since the Unix epoch, UTC.

    `first_us` and `last_us`: its earliest and latest sample, found once.
    """

    key: BatchKey
    stream: str
    link: str
    source: str
    n: int
    t_us: npt.NDArray[np.int64]
    columns: dict[str, ArrayColumn]
    received_at_us: int
    first_us: int = field(init=False)
    last_us: int = field(init=False)

    def __post_init__(self) -> None:
        """Find the span of the samples, which ingest, writer and partitions all ask for."""
        object.__setattr__(self, "first_us", int(self.t_us.min()))
        object.__setattr__(self, "last_us", int(self.t_us.max()))


@dataclass(frozen=True, slots=True)
class ForeignMessage:
    """A message without epoch and seq: its batches, and the `digest` by which it is told apart from every other.

    The batches have seq 0; the writer numbers them when it stores them.
    """

    digest: bytes
    received_at_us: int
    source: str
    batches: tuple[ColumnBatch, ...]


@dataclass(frozen=True, slots=True)
class RefusedPayload:
    """A payload that could not become a batch: kept whole, with the reason. `key` is known if it could be read."""

    topic: str
    payload: bytes
    reason: str
    detail: str
    received_at_us: int
    key: BatchKey | None = None
