"""Reordering of one direction's packets (RFC 4737): which came after a later one, by how many and by how long. Pure."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.blocks import block_slices
from analytics.overtaken import OrderPattern, later_before, order_pattern
from analytics.probes import Bools, NotInOrderError, ProbeArrays
from analytics.worth import SeriesWorth

Times = npt.NDArray[np.int64]
MOST_DEGREES = 64
"""Degrees of n-reordering are counted so far: a sender of TCP takes a packet for lost after three."""

_AHEAD = 1024
_VIEW = 4096
"""Packets looked at after those that wait, and before them: one and four seconds at 1,000 packets/s."""

_OF_EACH = ("extents", "late_us", "degrees", "held", "places", "ahead", "skipped")
"""What is known of each reordered packet."""
_LONG_AGO = int(np.iinfo(np.int64).min)
_NEAR = 16
"""Packets looked at before and after a step back in time; more where they do not suffice."""


@dataclass(frozen=True, slots=True)
class Reordering:
    """What arrived out of order: `is_reordered` by packet that arrived, in the order of sending.

    Of each reordered packet, `extents` counts the packets by which it was late (4.2.3, e = i - j for the earliest
    arrival j of a later packet) and `late_us` the time since that arrival (4.3.3). `degrees` are the largest n for
    which it is n-reordered (5.3: each of the n packets that arrived just before it was sent later), counted up to
    `MOST_DEGREES`; 0 where the packet just before it was sent earlier. `held` counts the packets sent later that had
    arrived by then (4.4.3), and `places` says as the how manieth of its session it arrived, from 0. Of the packet that
    overtook it first, `ahead` says as the how manieth of those that arrived it was sent, from 0, and `skipped` how many
    sent before it had not arrived yet but did later.
    """

    is_reordered: Bools
    extents: Times
    late_us: Times
    degrees: Times
    held: Times
    places: Times
    ahead: Times
    skipped: Times


def reordering(probes: ProbeArrays, direction: str) -> Reordering:
    """Return what arrived out of order.

    Arrival is the time of sending plus the delay: a constant offset of the clocks changes nothing. Two packets that
    arrive in the same microsecond are in order. Packets lost or without a delay do not count, copies neither (4.1).
    """
    found = [_of_session(np.concatenate([*_arrivals(probes, direction, part)])) for part in probes.sessions()]
    return _joined(found, np.concatenate([np.empty(0, np.bool_), *(each.is_reordered for each in found)]))


def _joined(found: list[Reordering], is_reordered: Bools) -> Reordering:
    """Return what was found piece by piece."""
    nothing = np.empty(0, np.int64)
    return Reordering(
        is_reordered, *(np.concatenate([nothing, *(getattr(each, name) for each in found)]) for name in _OF_EACH)
    )


@dataclass(frozen=True, slots=True)
class OrderScan:
    """What arrived out of order of `delivered` packets; `n_eff` is the worth of being reordered.

    Of each reordered packet as in `Reordering`; `pattern` says how they are spread, and `sizes` by how many numbers
    each packet that came too early was ahead of the next one expected (3.4, s - NextExp), lost ones
    among them.
    """

    delivered: int
    extents: Times
    late_us: Times
    degrees: Times
    held: Times
    pattern: OrderPattern
    sizes: Times
    n_eff: int


class OrderScanner:
    """Reads what arrived out of order, chunk by chunk, in order of sending.

    A session's packets wait until the next chunk shows what overtook them, and the last ones before them stay in view,
    since extents count what arrived in between. Raises NotInOrderError where that does not suffice.
    """

    def __init__(self, direction: str) -> None:
        self._direction = direction
        self._session: Any = None
        self._waiting_us: Times = np.empty(0, np.int64)
        self._view_us: Times = np.empty(0, np.int64)
        self._settled_us = self._gone_us = _LONG_AGO
        self._found: list[Reordering] = []
        self._sessions: list[int] = []
        self._worth = SeriesWorth(hits=True)
        self._missing = _Missing(direction)
        self._rises = True

    def add(self, probes: ProbeArrays) -> None:
        """Add the next packets, block by block; where that does not suffice, those of a session at once."""
        self._missing.add(probes)
        if not probes.delays[self._direction].valid.any():
            return
        for part in probes.sessions():
            if probes.session[part.start] != self._session:
                self._settle(self._waiting_us[:0])
                self._session = probes.session[part.start]
                self._sessions.append(self._worth.n)
                self._view_us, self._settled_us, self._gone_us = self._view_us[:0], _LONG_AGO, _LONG_AGO
            before = self._state()
            try:
                for block_us in _arrivals(probes, self._direction, part):
                    self._add_arrivals(block_us)
            except NotInOrderError:
                self._return_to(before)
                self._add_arrivals(np.concatenate([*_arrivals(probes, self._direction, part)]))

    def _state(self) -> tuple[Any, ...]:
        settled = self._waiting_us, self._rises, self._view_us, self._settled_us, self._gone_us
        return *settled, len(self._found), copy.deepcopy(self._worth)

    def _return_to(self, state: tuple[Any, ...]) -> None:
        self._waiting_us, self._rises, self._view_us, self._settled_us, self._gone_us, found, self._worth = state
        del self._found[found:]

    def _add_arrivals(self, arrival_us: Times) -> None:
        if not arrival_us.size:
            return
        rises = _rises(arrival_us)
        self._refuse(arrival_us, rises=rises)
        if 0 < self._waiting_us.size < _AHEAD:
            self._rises = rises and self._rises and bool(self._waiting_us[-1] <= arrival_us[0])
            self._waiting_us = np.concatenate([self._waiting_us, arrival_us])
        else:
            self._settle(arrival_us[:_AHEAD])
            self._refuse(arrival_us[_AHEAD:], rises=rises)
            self._waiting_us, self._rises = arrival_us, rises

    def _refuse(self, arrival_us: Times, *, rises: bool) -> None:
        if arrival_us.size and int(arrival_us[0] if rises else arrival_us.min()) < self._settled_us:
            raise NotInOrderError("packets overtook many others: their order must be found all at once")

    def _settle(self, ahead_us: Times) -> None:
        """Take what is known of the packets that wait, of which the next ones are `ahead_us`."""
        n, before = self._waiting_us.size, self._view_us.size
        if not n:
            return
        if n >= _VIEW and self._rises and self._in_order(ahead_us):
            self._worth.add_places(np.empty(0, np.intp), n)
            self._settled_us, self._gone_us = int(self._waiting_us[-1]), int(self._waiting_us[-_VIEW - 1 :][0])
            self._view_us, self._waiting_us = self._waiting_us[-_VIEW:].copy(), self._waiting_us[:0]
            return
        around = before or ahead_us.size
        window_us = np.concatenate([self._view_us, self._waiting_us, ahead_us]) if around else self._waiting_us
        found = _of_session(window_us)
        rows = np.flatnonzero(found.is_reordered)
        mine = (rows >= before) & (rows < before + n)
        if mine.any() and int(window_us[before:].min()) < self._gone_us:
            raise NotInOrderError("packets arrived long after others: their order must be found all at once")
        if mine.any():
            # All that came before the window arrived before these.
            passed = self._worth.n - before
            new = Reordering(found.is_reordered[:0], *(getattr(found, name)[mine] for name in _OF_EACH))
            self._found.append(replace(new, places=new.places + passed, ahead=new.ahead + passed))
        self._worth.add_places(rows[mine] - before, n)
        self._settled_us = max(self._settled_us, int(self._waiting_us.max()))
        settled_us = window_us[: before + n]
        if gone := max(before + n - _VIEW, 0):
            self._gone_us = max(self._gone_us, int(settled_us[:gone].max()))
        self._view_us, self._waiting_us = settled_us[gone:].copy(), self._waiting_us[:0]

    def _in_order(self, ahead_us: Times) -> bool:
        """Tell whether nobody overtook those that wait: the usual case, of which nothing need be kept."""
        parts = [each for each in (self._view_us, self._waiting_us, ahead_us) if each.size]
        is_joined = all(left[-1] <= right[0] for left, right in itertools.pairwise(parts))
        return is_joined and _rises(self._view_us) and _rises(ahead_us)

    def result(self) -> OrderScan:
        """Return what was read."""
        self._settle(self._waiting_us[:0])
        found = _joined(self._found, np.empty(0, np.bool_))
        n, share = self._worth.n, found.extents.size / max(self._worth.n, 1)
        # Packets that the same one overtook first make one discontinuity.
        ahead, which = np.unique(found.ahead, return_index=True)
        skipped = found.skipped[which]
        return OrderScan(
            delivered=n, extents=found.extents, late_us=found.late_us, degrees=found.degrees, held=found.held,
            pattern=order_pattern(found.places, found.extents, np.array([0, *self._sessions[1:]])),
            sizes=skipped + self._missing.between(ahead - skipped, ahead),
            n_eff=self._worth.result(math.sqrt(share * (1 - share))),
        )  # fmt: skip


class _Missing:
    """Numbers between packets that arrived that did not, session by session: lost ones, and those without a row."""

    def __init__(self, direction: str) -> None:
        self._direction = direction
        self._n = 0
        self._next: dict[int, int] = {}
        self._since: dict[int, int] = {}
        self._places: list[Times] = [np.empty(0, np.int64)]
        self._counts: list[Times] = [np.empty(0, np.int64)]

    def add(self, probes: ProbeArrays) -> None:
        """Add the next packets. Of those that came only how many is looked at: 10 M packets take 5 ms, not 300."""
        valid = probes.delays[self._direction].valid
        for part in probes.sessions():
            number, first, last = (int(each) for each in (
                probes.session[part.start], probes.seq[part.start], probes.seq[part.stop - 1]
            ))  # fmt: skip
            expected = self._next.get(number, first)
            self._next[number] = last + 1
            here = valid[part]
            if not here.any():
                self._since[number] = self._since.get(number, 0) + last - expected + 1
                continue
            missing = np.flatnonzero(~here)
            arrived = here.size - missing.size
            places, counts = missing - np.arange(missing.size), np.ones(missing.size, np.int64)
            if last - expected + 1 != here.size:
                absent = np.diff(probes.seq[part].astype(np.int64), prepend=expected - 1) - 1
                rows = np.flatnonzero(absent)
                places = np.concatenate([places, rows - np.searchsorted(missing, rows)])
                order = np.argsort(places, kind="stable")
                places, counts = places[order], np.concatenate([counts, absent[rows]])[order]
            # What is missing at the end is before whatever of the session arrives next, if anything does.
            inside = int(np.searchsorted(places, arrived))
            if since := self._since.get(number, 0):
                places, counts, inside = np.append(0, places), np.append(since, counts), inside + 1
            self._since[number] = int(counts[inside:].sum())
            firsts = np.flatnonzero(np.diff(places[:inside], prepend=-1))
            if firsts.size:
                self._places.append(places[firsts] + self._n)
                self._counts.append(np.add.reduceat(counts[:inside], firsts))
            self._n += arrived

    def between(self, first: Times, last: Times) -> Times:
        """Return how many did not arrive just before a packet from `first` to `last` (places of those that did)."""
        places = np.concatenate(self._places)
        sums = np.concatenate([[0], *self._counts]).cumsum()
        return np.asarray(sums[np.searchsorted(places, last, side="right")] - sums[np.searchsorted(places, first)])


def _rises(arrival_us: Times) -> bool:
    return not (arrival_us[1:] < arrival_us[:-1]).any()


def _arrivals(probes: ProbeArrays, direction: str, session: slice) -> Iterator[Times]:
    """Return when the packets of a session arrived, in the order of sending, block by block."""
    delay = probes.delays[direction]
    for inner in block_slices(session.stop - session.start):
        part = slice(session.start + inner.start, session.start + inner.stop)
        us, here = probes.t_us[part] + delay.us[part], delay.valid[part]
        yield us if here.all() else us[here]


def _of_session(arrival_us: Times) -> Reordering:
    """Look closely only at the stretches around steps back in time.

    10 M packets, four of them reordered: 0.05 s with the arrivals; sorting all of them took 0.3 s.
    """
    is_reordered = np.zeros(arrival_us.size, np.bool_)
    back = np.concatenate([
        np.flatnonzero(arrival_us[part][1:] < arrival_us[part][:-1]) + part.start
        for part in (slice(each.start, each.stop + 1) for each in block_slices(arrival_us.size))
    ]) if arrival_us.size else np.empty(0, np.intp)  # fmt: skip
    if not back.size:
        return Reordering(is_reordered, *(np.empty(0, np.int64) for _ in _OF_EACH))
    rows = _stretches(arrival_us, back)
    near_us = arrival_us[rows]
    # A later packet came before it: the earliest arrival of all later ones lies before its own.
    earliest = np.minimum.accumulate(near_us[::-1])[::-1]
    late = np.flatnonzero(earliest[1:] < near_us[:-1])
    order = np.argsort(near_us, kind="stable")
    place = np.empty(order.size, np.int64)
    place[order] = np.arange(order.size)
    overtaker = np.searchsorted(np.maximum.accumulate(order), late, side="right")
    is_reordered[rows[late]] = True
    places = place[late]
    extents = places - overtaker
    held = later_before(order, place, int(extents.max()))[places]
    late_us = near_us[late] - near_us[order[overtaker]]
    # Whoever overtakes first is the latest sent so far: the latest sent before it says what was expected next.
    furthest = np.concatenate([[-1], np.maximum.accumulate(order)])[overtaker]
    skipped = order[overtaker] - furthest - 1
    return Reordering(
        is_reordered, extents, late_us, _degrees(order, places), held, rows[places], rows[order[overtaker]], skipped
    )


def _degrees(order: npt.NDArray[np.intp], places: Times) -> Times:
    """Return how many packets just before each of `places` in the order of arrival were sent later."""
    degrees = np.zeros(places.size, np.int64)
    still = np.arange(places.size)
    for n in range(1, MOST_DEGREES + 1):
        still = still[places[still] >= n]
        still = still[order[places[still] - n] > order[places[still]]]
        if not still.size:
            break
        degrees[still] = n
    return degrees


def _stretches(arrival_us: Times, back: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Return the packets of the stretches around the steps back at `back`, which nobody outside overtook or was by.

    Between the stretches arrivals rise; a stretch is closed when its first packet came first and its last one last.
    """
    n, width = arrival_us.size, _NEAR
    while True:
        starts, ends = np.maximum(back - width, 0), np.minimum(back + width + 2, n)
        is_apart = starts[1:] > ends[:-1]
        low, high = starts[np.concatenate([[True], is_apart])], ends[np.concatenate([is_apart, [True]])]
        borders = np.ravel((low, high), "F")
        borders = borders[:-1] if borders[-1] == n else borders
        least, most = (reduce.reduceat(arrival_us, borders)[::2] for reduce in (np.minimum, np.maximum))
        if ((arrival_us[low] <= least).all() and (arrival_us[high - 1] >= most).all()) or width >= n:
            lengths = high - low
            return np.asarray(np.arange(lengths.sum()) + np.repeat(low - np.cumsum(lengths) + lengths, lengths))
        width *= 8
