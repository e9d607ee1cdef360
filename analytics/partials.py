"""Exact partial results of the probe KPIs: what a minute leaves behind, so that a month is the merge of its minutes.

A part holds one link over one interval of sending time. Whatever the time axis is cut into, the merge of the parts
equals the part of the whole: counts, sums, histograms, loss periods, the direction of losses and outages. Packets
belong to the part in which they were sent, all rows of a packet (further copies, repeats) too: they carry the same
sending time. Sessions are cut freely; sequence numbers are joined again within each (`analytics.part_sessions`).

Delay quantiles come from a histogram with buckets of 0.1 % (`analytics.log_histogram`), the standard deviation from an
exact sum of squares, the distribution function from exact counts at its fixed delays. What has no parts is in
`analytics.part_figures.WITHOUT_PARTS`, with the reason; confidence intervals have none either: a run's figures, which
carry them, are computed from its packets.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analytics.definitions import CDF_MS
from analytics.log_histogram import EMPTY, LogHistogram, log_histogram, merge_histograms
from analytics.part_segments import (
    DIRECTIONS,
    FIRST_US,
    LAST_US,
    SESSION,
    Deadlines,
    Segments,
    join_segments,
    segments_of,
)
from analytics.part_segments import EMPTY as NO_SEGMENTS
from analytics.part_sessions import LossSums, Piece, join_pieces, loss_sums, pieces_of
from analytics.probes import ProbeArrays, Values, probe_arrays

Ints = npt.NDArray[np.int64]

WITHIN_US = tuple(ms * 1000 for ms in CDF_MS.values())
"""Delays up to which packets are counted exactly. Stored by place: another list is another version of the codec."""


@dataclass(frozen=True, slots=True)
class DelayPart:
    """Delays of one direction: histogram, and the exact sum, sum of squares, smallest and largest in microseconds.

    `within` counts those that are no more than each of WITHIN_US, exactly: delays are often whole milliseconds, and a
    bucket would not tell 5 ms from a little more. None where a part of version 1 went into it.
    """

    histogram: LogHistogram
    sum_us: int
    squares_us2: int
    min_us: int
    max_us: int
    within: tuple[int, ...] | None

    def at_most(self, limit_us: float) -> tuple[int, int]:
        """Return how many delays surely and how many perhaps are <= a limit; the same at those of WITHIN_US."""
        if self.within is not None and limit_us in WITHIN_US:
            count = self.within[WITHIN_US.index(int(limit_us))]
            return count, count
        return self.histogram.at_most(limit_us)


@dataclass(frozen=True, slots=True)
class Part:
    """One link over start_us <= t < end_us (Unix microseconds).

    `losses` counts inside the part; `pieces` by session and `segments` in order of time are its open ends. `delays`
    has the directions in which any delay was measured; `gaps` are those in sending within a session. `has_numbers`
    tells whether the reflector numbered any packet, without which losses have no direction.
    """

    start_us: int
    end_us: int
    deadlines: Deadlines
    losses: LossSums
    duplicates: int
    has_numbers: bool
    delays: Mapping[str, DelayPart]
    gaps: LogHistogram
    pieces: tuple[Piece, ...]
    segments: Segments

    @property
    def delivered(self) -> int:
        """Packets that arrived."""
        return self.losses.sent - self.losses.lost

    @property
    def absent(self) -> int:
        """Sequence numbers without a row between those of a session that have one."""
        return sum(piece.last_seq - piece.first_seq + 1 - piece.n for piece in self.pieces)

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing was sent or received."""
        return not self.losses.sent and not self.duplicates

    def __eq__(self, other: object) -> bool:
        """Compare all that figures are made of."""
        return isinstance(other, Part) and self._key() == other._key()

    __hash__ = None  # type: ignore[assignment]

    def _key(self) -> tuple[object, ...]:
        return (
            self.start_us, self.end_us, self.deadlines, self.losses, self.duplicates, self.has_numbers,
            dict(self.delays), self.gaps, self.pieces, self.segments.tobytes(),
        )  # fmt: skip


def part_of(probes: ProbeArrays, start_us: int, end_us: int, deadlines: Deadlines) -> Part:
    """Return the part of packets that were all sent in the interval."""
    segments, gaps = segments_of(probes, deadlines)
    delays = {}
    for direction in DIRECTIONS:
        delay = probes.delays[direction]
        if delay.valid.any():
            delays[direction] = _delay_part(delay.us[delay.valid].astype(np.int64))
    return Part(
        start_us=start_us, end_us=end_us, deadlines=deadlines, losses=loss_sums(probes), duplicates=probes.duplicates,
        has_numbers=bool((probes.refl_seq >= 0).any()), delays=delays, gaps=log_histogram(gaps),
        pieces=tuple(pieces_of(probes)), segments=segments,
    )  # fmt: skip


def _delay_part(us: Ints) -> DelayPart:
    # Squares of half an hour in microseconds overflow 64 bits when summed; those of the halves do not.
    high, low = us >> 16, us & 0xFFFF
    squares = (int((high * high).sum()) << 32) + (int((high * low).sum()) << 17) + int((low * low).sum())
    within = tuple(int(np.count_nonzero(us <= limit_us)) for limit_us in WITHIN_US)
    return DelayPart(log_histogram(us), int(us.sum()), squares, int(us.min()), int(us.max()), within)


def split(columns: Mapping[str, Values], edges_us: Sequence[int], deadlines: Deadlines) -> Iterator[Part]:
    """Cut rows of the probe stream, sorted by time, at `edges_us` and yield the part between each two edges."""
    t_us = columns["t_us"].values
    places = np.searchsorted(t_us, np.asarray(edges_us, np.int64)).tolist()
    for number, (start_us, end_us) in enumerate(itertools.pairwise(edges_us)):
        rows = slice(places[number], places[number + 1])
        cut: dict[str, Values] = {name: _Cut(column, rows) for name, column in columns.items()}
        yield part_of(probe_arrays(cut), start_us, end_us, deadlines)


class _Cut:
    """Some rows of a column."""

    def __init__(self, column: Values, rows: slice) -> None:
        self.values = column.values[rows]
        self.valid = None if column.valid is None else column.valid[rows]


def empty_part(start_us: int, end_us: int, deadlines: Deadlines) -> Part:
    """Return the part of an interval in which nothing was sent."""
    return Part(
        start_us=start_us, end_us=end_us, deadlines=deadlines, losses=LossSums(), duplicates=0, has_numbers=False,
        delays={}, gaps=EMPTY, pieces=(), segments=NO_SEGMENTS,
    )  # fmt: skip


def merge(parts: Sequence[Part]) -> Part:
    """Return the part of the interval from the first to the last; a part left out in between was empty.

    Raises ValueError for no parts, parts that are not in order of time, and parts made with other deadlines.
    """
    if not parts:
        raise ValueError("nothing to merge: an empty interval has an empty part")
    deadlines = parts[0].deadlines
    if any(part.deadlines != deadlines for part in parts):
        raise ValueError("parts made with different deadlines do not merge: `jissho parts rebuild` makes them anew")
    if any(after.start_us < before.end_us for before, after in itertools.pairwise(parts)):
        raise ValueError("parts must follow each other in time")
    losses, pieces = _merged_losses(parts)
    return Part(
        start_us=parts[0].start_us,
        end_us=parts[-1].end_us,
        deadlines=deadlines,
        losses=losses,
        duplicates=sum(part.duplicates for part in parts),
        has_numbers=any(part.has_numbers for part in parts),
        delays={
            direction: _merged_delays(found)
            for direction in DIRECTIONS
            if (found := [part.delays[direction] for part in parts if direction in part.delays])
        },
        gaps=merge_histograms([*(part.gaps for part in parts), log_histogram(_gaps_between(parts))]),
        pieces=pieces,
        segments=join_segments([part.segments for part in parts], deadlines),
    )


def _merged_losses(parts: Sequence[Part]) -> tuple[LossSums, tuple[Piece, ...]]:
    sums, found = LossSums(), dict[int, Piece]()
    for part in parts:
        sums.add(part.losses)
        for piece in part.pieces:
            before = found.get(piece.session)
            found[piece.session] = piece if before is None else join_pieces(before, piece, sums)
    return sums, tuple(found[session] for session in sorted(found))


def _merged_delays(parts: Sequence[DelayPart]) -> DelayPart:
    return DelayPart(
        histogram=merge_histograms([part.histogram for part in parts]),
        sum_us=sum(part.sum_us for part in parts),
        squares_us2=sum(part.squares_us2 for part in parts),
        min_us=min(part.min_us for part in parts),
        max_us=max(part.max_us for part in parts),
        within=_summed([part.within for part in parts]),
    )


def _summed(counts: Sequence[tuple[int, ...] | None]) -> tuple[int, ...] | None:
    known = [each for each in counts if each is not None]
    return tuple(map(sum, zip(*known, strict=True))) if len(known) == len(counts) else None


def _gaps_between(parts: Sequence[Part]) -> Ints:
    some = [part.segments for part in parts if part.segments.size]
    gaps = [
        int(after[0, FIRST_US] - before[-1, LAST_US])
        for before, after in itertools.pairwise(some)
        if before[-1, SESSION] == after[0, SESSION]
    ]
    return np.array([gap for gap in gaps if gap > 0], np.int64)
