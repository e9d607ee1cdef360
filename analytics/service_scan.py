"""When the service of a link was observed and when it was down, in one pass over its packets. Pure.

Definitions and conventions are those of `analytics.availability`, which reads whole runs by the same class.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.blocks import Counts, block_slices
from analytics.probes import NotInOrderError, ProbeArrays, in_order
from analytics.statistics import Histogram

PAUSE_INTERVALS = 50
PAUSE_S = 5.0
"""A gap between two sent packets of more than 50 intervals and more than 5 s was not measured. Poisson gaps exceed 50
means with probability 2e-22, so no real sending gap is mistaken for a pause."""

PAUSE_US = int(PAUSE_S * 1e6)

_GOES_ON = -1
"""Instead of the gap before a piece that goes on with the last stretch."""

Times = npt.NDArray[np.int64]
Places = npt.NDArray[np.intp]


@dataclass(slots=True)
class Stretch:
    """Packets of one session sent without a gap of more than PAUSE_S: sending time of the first and the last.

    `gap_us` before it, None where it begins a session. `head` is the run of failures that the first packet begins, as
    [first failed sent, arrival of the timely one after it or None], `tail` the run that goes on at its end, likewise
    (the same list where every packet failed); None where that packet was timely. `first_us` is the arrival of the
    first packet if it was timely.
    """

    gap_us: int | None
    sent_us: int
    last_us: int
    head: list[int | None] | None = None
    tail: list[int | None] | None = None
    arrival_us: int | None = None


class _Piece:
    """Consecutive packets: when they were sent, and when those that arrived did."""

    def __init__(self, sent_us: Times, us: Any, least_us: float | None) -> None:
        self.sent_us, self._us, self._least_us = sent_us, us, least_us

    def arrivals_us(self, places: Places) -> Times:
        """Return when packets arrived; never before they were sent because of clocks that are off by too much."""
        us = self._us[places]
        return np.asarray(
            self.sent_us[places] + (us if self._least_us is None else np.where(us < self._least_us, 0, us))
        )

    def arrival_us(self, place: int) -> int:
        """Return when one packet arrived."""
        return int(self.arrivals_us(np.array([place]))[0])


class ServiceScanner:
    """Reads outages of one direction by one deadline and survival time, chunk by chunk, in order of sending.

    Outages between two timely packets of a stretch are decided at once; those at its ends wait for what the sending
    interval of the whole says about pauses. A delay below `least_us` cannot be: such a packet did arrive, and no sooner
    than it was sent.
    """

    def __init__(self, direction: str, t_max_us: int, survival_us: int, least_us: float | None = None) -> None:
        self._direction, self.t_max_us, self.survival_us = direction, t_max_us, survival_us
        self._least_us = least_us
        self._gaps = Counts()
        self._session: Any = None
        self.stretches: list[Stretch] = []
        self._inside: list[tuple[int, Times, Times]] = []

    def add(self, probes: ProbeArrays) -> None:
        """Add the next packets. Raises NotInOrderError where they were not sent after those before them."""
        if not probes.n:
            return
        is_begun = bool(self.stretches)
        try:
            pieces = self._pieces(probes)
        except NotInOrderError:
            if is_begun:
                raise
            self._gaps = Counts()
            probes = in_order(probes, np.lexsort((probes.t_us, probes.session)), self._direction)
            pieces = self._pieces(probes)
        for low, high, gap_us in pieces:
            self._add_stretch(probes, slice(low, high), gap_us)

    def _pieces(self, probes: ProbeArrays) -> list[tuple[int, int, int | None]]:
        """Return first, end and gap before of each piece that no break divides.

        Gaps in sending are counted on the way.
        """
        begins: list[tuple[int, int | None]] = [(0, self._gap_before(probes))]
        for block in block_slices(probes.n - 1):
            rows = slice(block.start, block.stop + 1)
            sent_us, session = probes.t_us[rows], probes.session[rows]
            steps = sent_us[1:] - sent_us[:-1]
            least, most = int(steps.min()), int(steps.max())
            is_one = session[0] == session[-1]
            if is_one and least == most > 0 and most <= PAUSE_US:
                self._gaps.add_many(most, steps.size)
                continue
            is_new = session[1:] != session[:-1]
            if (is_new & (session[1:] < session[:-1])).any() or (steps[~is_new] < 0).any():
                raise NotInOrderError("packets do not lie in order of sending")
            places = np.flatnonzero(is_new | (steps > PAUSE_US))
            begins += [
                (block.start + place + 1, None if is_new[place] else int(steps[place])) for place in places.tolist()
            ]
            self._gaps.add(steps[~is_new & (steps > 0)])
        ends = [low for low, _ in begins[1:]] + [probes.n]
        return [(low, high, gap_us) for (low, gap_us), high in zip(begins, ends, strict=True)]

    def _gap_before(self, probes: ProbeArrays) -> int | None:
        if not self.stretches or probes.session[0] != self._session:
            if self.stretches and probes.session[0] < self._session:
                raise NotInOrderError("sessions do not follow each other")
            return None
        gap_us = int(probes.t_us[0]) - self.stretches[-1].last_us
        if gap_us < 0:
            raise NotInOrderError("packets do not lie in order of sending")
        if gap_us:
            self._gaps.add_many(gap_us, 1)
        return gap_us if gap_us > PAUSE_US else _GOES_ON

    def _add_stretch(self, probes: ProbeArrays, rows: slice, gap_us: int | None) -> None:
        piece = _Piece(probes.t_us[rows], probes.delays[self._direction].us[rows], self._least_us)
        self._session = probes.session[rows.start]
        if is_new := gap_us != _GOES_ON:
            first_us = int(piece.sent_us[0])
            self.stretches.append(Stretch(gap_us, first_us, first_us))
        stretch = self.stretches[-1]
        stretch.last_us = int(piece.sent_us[-1])
        failed = self._failed(probes, rows)
        if not failed.size or failed[0]:
            if is_new:
                stretch.arrival_us = piece.arrival_us(0)
            elif stretch.tail is not None:
                self._restore(stretch, piece.arrival_us(0))
        if failed.size:
            self._add_runs(stretch, piece, failed, is_new=is_new)

    def _add_runs(self, stretch: Stretch, piece: _Piece, failed: Places, *, is_new: bool) -> None:
        """Add runs of failures: the first may go on from before, the last may go on, those between are decided."""
        is_first = np.concatenate([[True], np.diff(failed) != 1])
        begins, ends = failed[is_first], failed[np.concatenate([is_first[1:], [True]])]
        is_begun, goes_on = begins[0] == 0, ends[-1] == piece.sent_us.size - 1
        if is_begun:
            if stretch.tail is None:
                stretch.tail = [int(piece.sent_us[0]), None]
            if is_new:
                stretch.head = stretch.tail
            if begins.size > 1 or not goes_on:
                self._restore(stretch, piece.arrival_us(int(ends[0]) + 1))
        inside = slice(int(is_begun), begins.size - int(goes_on))
        down_us = piece.sent_us[begins[inside]] + (self.t_max_us + self.survival_us)
        restored_us = piece.arrivals_us(ends[inside] + 1)
        is_outage = restored_us > down_us
        if is_outage.any():
            self._inside.append((len(self.stretches) - 1, down_us[is_outage], restored_us[is_outage]))
        if goes_on and (begins.size > 1 or not is_begun):
            stretch.tail = [int(piece.sent_us[begins[-1]]), None]

    def _failed(self, probes: ProbeArrays, rows: slice) -> Places:
        delay = probes.delays[self._direction]
        found = []
        for block in block_slices(rows.stop - rows.start):
            part = slice(rows.start + block.start, rows.start + block.stop)
            is_timely = delay.valid[part] & (delay.us[part] <= self.t_max_us)
            is_timely &= probes.lost[part] == 0
            found.append(np.flatnonzero(~is_timely) + block.start)
        return np.concatenate(found) if found else np.empty(0, np.intp)

    def _restore(self, stretch: Stretch, arrival_us: int) -> None:
        """End the run that goes on: an outage if it lasted, unless it began the stretch, which is judged later."""
        run = stretch.tail
        assert run is not None
        run[1] = arrival_us
        stretch.tail = None
        if run is not stretch.head and (outage := self._outage(run, arrival_us)):
            self._inside.append((len(self.stretches) - 1, np.array(outage[:1]), np.array(outage[1:])))

    def _outage(self, run: list[int | None], restored_us: int) -> tuple[int, int] | None:
        assert run[0] is not None
        down_us = run[0] + self.t_max_us + self.survival_us
        return (down_us, restored_us) if restored_us > down_us else None

    def result(self) -> tuple[list[tuple[int, int]], list[Times], list[Times]]:
        """Return the windows of observation, one for each segment, and start and end of the outages in each.

        Stretches of one session between which no pause lies are one segment.
        """
        interval_us = _median(Histogram(*self._gaps.result()))
        limit_us = max(PAUSE_INTERVALS * interval_us, PAUSE_US)
        inside: dict[int, list[tuple[Times, Times]]] = {}
        for number, *outages_us in self._inside:
            inside.setdefault(number, []).append((outages_us[0], outages_us[1]))
        windows: list[tuple[int, int]] = []
        starts: list[Times] = []
        ends: list[Times] = []
        is_joined = [each.gap_us is not None and each.gap_us <= limit_us for each in self.stretches]
        borders = [number for number, joined in enumerate(is_joined) if not joined] + [len(self.stretches)]
        for low, high in itertools.pairwise(borders):
            segment = self.stretches[low:high]
            until_us = segment[-1].last_us + self.t_max_us + interval_us
            windows.append((segment[0].sent_us + self.t_max_us, until_us))
            edges = np.array(self._edges(segment, until_us), np.int64).reshape(-1, 2)
            found = [each for number in range(low, high) for each in inside.get(number, [])]
            start_us = np.concatenate([edges[:, 0], *(each for each, _ in found)])
            stop_us = np.concatenate([edges[:, 1], *(each for _, each in found)])
            order = np.argsort(start_us)
            starts.append(start_us[order])
            ends.append(stop_us[order])
        return windows, starts, ends

    def _edges(self, segment: list[Stretch], end_us: int) -> list[tuple[int, int]]:
        """Return the outages at the ends of a segment's stretches; one may go on across the gap of a slow sender."""
        found, open_run = [], None
        for stretch in segment:
            head = stretch.head
            if open_run is not None:
                if head is None:
                    assert stretch.arrival_us is not None
                    found.append(self._outage(open_run, stretch.arrival_us))
                    open_run = None
                else:
                    head = [open_run[0], head[1]]
            if head is not None and head[1] is not None:
                found.append(self._outage(head, head[1]))
                head = None
            open_run = head if stretch.tail is stretch.head else stretch.tail
        if open_run is not None:
            found.append(self._outage(open_run, end_us))
        return [each for each in found if each is not None]


def _median(gaps: Histogram) -> int:
    """Return the median gap, the mean of both where two lie in the middle; 0 where there is no gap."""
    n = gaps.n
    return int(sum(gaps.at([(n + 1) // 2, n // 2 + 1])) / 2) if n else 0
