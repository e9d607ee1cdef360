"""Samples of a stream as columns over time, and their way out as rows and lines."""

from __future__ import annotations

import heapq
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contract.samples import Value

Row = tuple[int, dict[str, Value]]


@dataclass(frozen=True, slots=True)
class StreamSeries:
    """One stream of one link ("" = the device): times in Unix nanoseconds, and the contract's columns.

    A float column says null by NaN; a column of another kind that has nulls is an object array with None.
    """

    stream: str
    link: str
    t_ns: NDArray[np.int64]
    columns: dict[str, NDArray[Any]]

    def rows(self) -> Iterator[Row]:
        """Yield (t_ns, sample) in the order of time, with plain Python values."""
        names = tuple(self.columns)
        values = [_plain(column) for column in self.columns.values()]
        for t_ns, *row in zip(self.t_ns.tolist(), *values, strict=True):
            yield t_ns, dict(zip(names, row, strict=True))

    def shifted(self, by_ns: int) -> StreamSeries:
        """Return the same samples `by_ns` later."""
        return replace(self, t_ns=self.t_ns + by_ns)


def feed_lines(series: Sequence[StreamSeries]) -> Iterator[tuple[int, bytes]]:
    """Yield (t_ns, line) of several series in one order of time: a JSON object with stream, t_ns, link and columns."""
    return heapq.merge(*(_lines_of(each) for each in series), key=itemgetter(0))


def _lines_of(series: StreamSeries) -> Iterator[tuple[int, bytes]]:
    for t_ns, sample in series.rows():
        head = {"stream": series.stream, "t_ns": t_ns, "link": series.link}
        yield t_ns, json.dumps(head | sample, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _plain(column: NDArray[Any]) -> list[Value]:
    values: list[Value] = column.tolist()
    if column.dtype.kind == "f":
        return [None if isinstance(value, float) and math.isnan(value) else value for value in values]
    return values


def texts(values: Sequence[str | None]) -> NDArray[np.object_]:
    """Return a text column."""
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def integers_or_null(values: NDArray[Any], *, null: NDArray[np.bool_]) -> NDArray[np.object_]:
    """Return `values` rounded to an integer column that is null where `null` is true."""
    column = np.round(values).astype(np.int64).astype(object)
    column[null] = None
    return column
