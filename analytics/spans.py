"""Stretches of time as pairs of sorted arrays: where two lists overlap, and their share of each second. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Span = tuple[int, int]
"""Start and end in Unix microseconds; the end is not in it."""
Times = npt.NDArray[np.int64]
Spans = tuple[Times, Times]
"""Starts and ends in microseconds, sorted, without overlaps among themselves."""


def merged(spans: Sequence[Span]) -> list[Span]:
    """Return the same time as sorted spans that do not touch."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def crosses(t_us: Times, cuts: Sequence[Span]) -> npt.NDArray[np.bool_]:
    """Return for each instant but the first whether a cut lies between it and the one before."""
    if not cuts or t_us.size < 2:  # noqa: PLR2004 - one instant has none before it
        return np.zeros(max(t_us.size - 1, 0), np.bool_)
    starts, ends = np.array(merged(cuts), np.int64).T
    place = np.searchsorted(ends, t_us[:-1], side="right")
    return np.asarray((place < starts.size) & (starts[np.minimum(place, starts.size - 1)] < t_us[1:]))


def overlaps(a: Spans, b: Spans) -> Spans:
    """Return the time that lies in both lists."""
    # Each span of `a` meets those of `b` that end after it starts and start before it ends.
    first = np.searchsorted(b[1], a[0], "right")
    counts = np.maximum(np.searchsorted(b[0], a[1], "left") - first, 0)
    mine = np.repeat(np.arange(a[0].size), counts)
    theirs = np.arange(mine.size) - np.repeat(np.cumsum(counts) - counts, counts) + first[mine]
    return np.maximum(a[0][mine], b[0][theirs]), np.minimum(a[1][mine], b[1][theirs])


def total_us(spans: Spans) -> int:
    """Return how long they are together."""
    return int((spans[1] - spans[0]).sum())


def seconds_of(windows: Spans) -> Spans:
    """Return the windows cut into seconds; the last second of each may be shorter."""
    lengths = -(-(windows[1] - windows[0]) // 1_000_000)
    mine = np.repeat(np.arange(lengths.size), lengths)
    number = np.arange(mine.size) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    starts = windows[0][mine] + number * 1_000_000
    return starts, np.minimum(starts + 1_000_000, windows[1][mine])


def covered_us(spans: Spans, cells: Spans) -> Times:
    """Return how much of each cell the spans cover."""
    if not spans[0].size:
        return np.zeros(cells[0].size, np.int64)
    lengths = spans[1] - spans[0]
    before = np.concatenate([[0], np.cumsum(lengths)])

    def up_to(at: Times) -> Times:
        place = np.searchsorted(spans[0], at, "right")
        last = np.maximum(place - 1, 0)
        inside = np.where(place > 0, np.minimum(at - spans[0][last], lengths[last]), 0)
        return np.asarray(before[last] * (place > 0) + inside)

    return up_to(cells[1]) - up_to(cells[0])
