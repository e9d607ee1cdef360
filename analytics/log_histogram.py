"""Counts of integers in buckets of 0.1 %: what remains of a delay when a month of packets has to fit in a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

_BITS = 9
_STEPS = 1 << _BITS
RELATIVE_ERROR = 1 / (2 * _STEPS)
"""Largest relative error of a value that stands for its bucket: 2^-10, 0.098 %. Integers below 1024 are exact."""


def bucket_of(values: npt.NDArray[Any]) -> Ints:
    """Return the bucket of each integer: 512 buckets a power of two, as in an HDR histogram, mirrored below zero."""
    size = np.abs(values.astype(np.int64))
    shift = np.maximum(np.frexp(size.astype(np.float64))[1].astype(np.int64) - (_BITS + 1), 0)
    return np.asarray(np.where(values < 0, -1, 1) * (shift * _STEPS + (size >> shift)), np.int64)


def edges_of(buckets: Ints) -> tuple[Ints, Ints]:
    """Return the smallest and the largest integer of each bucket."""
    size = np.abs(buckets)
    shift = np.maximum(size // _STEPS - 1, 0)
    near = (size - shift * _STEPS) << shift
    far = near + (np.int64(1) << shift) - 1
    return np.where(buckets < 0, -far, near), np.where(buckets < 0, -near, far)


def value_of(buckets: Ints) -> Ints:
    """Return the integer that stands for each bucket: its middle, at most RELATIVE_ERROR from whatever it holds."""
    low, high = edges_of(buckets)
    middle = low + (high - low + 1) // 2
    return np.where(buckets < 0, high - (high - low + 1) // 2, middle)


@dataclass(frozen=True, slots=True, eq=False)
class LogHistogram:
    """Counts by bucket; `buckets` ascending and distinct. Merging loses nothing: the counts add up."""

    buckets: Ints
    counts: Ints

    @property
    def n(self) -> int:
        """Number of values."""
        return int(self.counts.sum())

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, LogHistogram)
            and np.array_equal(self.buckets, other.buckets)
            and np.array_equal(self.counts, other.counts)
        )

    __hash__ = None  # type: ignore[assignment]

    def at(self, rank: int) -> float:
        """Return the value of a 1-based rank, within RELATIVE_ERROR; a rank beyond the last value is infinity."""
        cumulative = np.cumsum(self.counts)
        if not cumulative.size or rank > cumulative[-1]:
            return math.inf
        return float(value_of(self.buckets[[int(np.searchsorted(cumulative, rank))]])[0])

    def at_most(self, limit: float) -> tuple[int, int]:
        """Return how many values are surely and how many perhaps <= `limit`; they differ by one bucket at most."""
        low, high = edges_of(self.buckets)
        return int(self.counts[high <= limit].sum()), int(self.counts[low <= limit].sum())


EMPTY = LogHistogram(np.empty(0, np.int64), np.empty(0, np.int64))


def log_histogram(values: npt.NDArray[Any]) -> LogHistogram:
    """Count integers."""
    if not values.size:
        return EMPTY
    return _counted(bucket_of(values), None)


def merge_histograms(parts: Sequence[LogHistogram]) -> LogHistogram:
    """Return the histogram of all values of `parts`."""
    some = [part for part in parts if part.buckets.size]
    if len(some) <= 1:
        return some[0] if some else EMPTY
    return _counted(np.concatenate([part.buckets for part in some]), np.concatenate([part.counts for part in some]))


def _counted(buckets: Ints, counts: Ints | None) -> LogHistogram:
    low = int(buckets.min())
    # Weights are added as float64, which is exact below 2^53 packets.
    dense = np.bincount(buckets - low, weights=counts)
    present = np.flatnonzero(dense)
    return LogHistogram(present + low, dense[present].astype(np.int64))
