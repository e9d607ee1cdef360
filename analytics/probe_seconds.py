"""What became of the packets that were sent in each second of one link, read chunk by chunk. Pure.

Kept for each second in which anything was sent: packets sent, packets lost and the largest delay by direction, 56 bytes
a second however many packets there are. Sums and maxima do not depend on how the packets were cut into chunks, so the
result is exactly that of all packets at once.
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analytics.blocks import block_slices
from analytics.probes import Bools, Ints, ProbeArrays
from analytics.results import DIRECTIONS, Direction
from analytics.series import Floats, Times

_SECOND_US = 1_000_000
_NONE = np.iinfo(np.int64).min
"""Largest delay of a second in which no delay was measured."""

_COLUMNS = 1 + 2 * len(DIRECTIONS)
_LOST, _LARGEST = slice(1, 1 + len(DIRECTIONS)), slice(1 + len(DIRECTIONS), _COLUMNS)
_AT_ONCE = 1 << 17
"""Packets at a time: a second takes some fixed work a block, and a block should stay in the cache."""

_MOST_FALLS = 16
_MOST_WAITING = 1 << 16

_BIT: dict[Direction, int] = {"up": 1, "down": 2}

Table = npt.NDArray[np.int64]
Places = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class _Part:
    """Seconds in ascending order, and for each: sent, lost by direction, largest delay by direction."""

    seconds: Times
    table: Table


class ProbeSeconds:
    """Packets sent, lost and the largest delay of every second (by time of sending, Unix seconds UTC).

    `add` takes the next packets of a link; chunks of a session come in order of sending, a second may be split between
    two of them, and sessions may overlap. A packet lost in a direction is infinitely late in it.
    """

    def __init__(self) -> None:
        self._parts: list[_Part] = []
        self._waiting = 0
        self._whole = _Part(np.empty(0, np.int64), np.empty((0, _COLUMNS), np.int64))

    def add(self, chunk: ProbeArrays) -> None:
        """Add the next packets."""
        for rows in block_slices(chunk.n, _AT_ONCE):
            t_us, lost = chunk.t_us[rows], chunk.lost[rows]
            delays = [(chunk.delays[each].us[rows], chunk.delays[each].valid[rows]) for each in DIRECTIONS]
            is_back = t_us[1:] < t_us[:-1]
            falls = np.flatnonzero(is_back) + 1 if is_back.any() else np.empty(0, np.intp)
            if falls.size > _MOST_FALLS:
                # Sessions that take turns, a few packets each: rare, and sorted at 100 ns a packet.
                order = np.argsort(t_us, kind="stable")
                t_us, lost, falls = t_us[order], lost[order], falls[:0]
                delays = [(us[order], is_valid[order]) for us, is_valid in delays]
            borders = [0, *falls.tolist(), t_us.size]
            for start, end in itertools.pairwise(borders):
                mine = slice(start, end)
                part = _reduced(t_us[mine], lost[mine], [(us[mine], is_valid[mine]) for us, is_valid in delays])
                self._parts.append(part)
                self._waiting += part.seconds.size
        if self._waiting > max(_MOST_WAITING, self._whole.seconds.size):
            self._merge()

    def _merge(self) -> None:
        if self._parts:
            self._whole = _merged([self._whole, *self._parts])
            self._parts, self._waiting = [], 0

    @property
    def seconds(self) -> Times:
        """The seconds in which packets were sent, ascending."""
        self._merge()
        return self._whole.seconds

    @property
    def sent(self) -> Times:
        """Packets sent in each of `seconds`."""
        self._merge()
        return self._whole.table[:, 0]

    def lost(self, direction: Direction) -> Times:
        """Return how many packets of each of `seconds` were lost in a direction."""
        self._merge()
        return self._whole.table[:, _LOST][:, DIRECTIONS.index(direction)]

    def largest_us(self, direction: Direction) -> Floats:
        """Return the largest delay of each of `seconds` in microseconds: infinite with a loss, NaN without any."""
        self._merge()
        largest = self._whole.table[:, _LARGEST][:, DIRECTIONS.index(direction)]
        measured = np.where(largest == _NONE, np.nan, largest.astype(np.float64))
        return np.where(self.lost(direction) > 0, np.inf, measured)

    def has(self, direction: Direction) -> bool:
        """Tell whether any delay of this direction was measured, or all packets were lost in it: infinitely late."""
        self._merge()
        is_measured = (self._whole.table[:, _LARGEST][:, DIRECTIONS.index(direction)] != _NONE).any()
        sent = int(self.sent.sum())
        return bool(is_measured) or 0 < sent == int(self.lost(direction).sum())

    @property
    def data_hash(self) -> str:
        """Hash of everything in it, the same however the packets were cut."""
        self._merge()
        return hashlib.sha256(self._whole.seconds.tobytes() + self._whole.table.tobytes()).hexdigest()[:16]


def _reduced(t_us: Ints, lost: Ints, delays: list[tuple[Ints, Ints]]) -> _Part:
    """Reduce packets in order of time to their seconds."""
    first, last = int(t_us[0]) // _SECOND_US, int(t_us[-1]) // _SECOND_US
    if last - first <= t_us.size:
        edges = np.arange(first, last + 2) * _SECOND_US
        places = np.searchsorted(t_us, edges[1:-1])
        bounds = np.concatenate([[0], places, [t_us.size]])
        is_used = bounds[1:] > bounds[:-1]
        starts, seconds = bounds[:-1][is_used], np.arange(first, last + 1)[is_used]
    else:
        every = t_us // _SECOND_US
        starts = np.concatenate([[0], np.flatnonzero(every[1:] != every[:-1]) + 1])
        seconds = every[starts].astype(np.int64)
    table = np.empty((starts.size, _COLUMNS), np.int64)
    table[:, 0] = np.diff(np.append(starts, t_us.size))
    places = np.flatnonzero(lost != 0)
    table[:, _LOST] = _lost_by_second(places, lost[places], np.append(starts, t_us.size))
    for place, (us, is_valid) in enumerate(delays):
        table[:, _LARGEST.start + place] = _largest_by_second(us, is_valid, places, starts)
    return _Part(seconds, table)


def _largest_by_second(us: Ints, is_valid: Bools, lost: Places, starts: Places) -> Times | int:
    """Return the largest valid delay of each second, `_NONE` where there is none; `lost` are places of lost packets."""
    invalid = us.size - np.count_nonzero(is_valid)
    if invalid == us.size:
        return _NONE
    if not invalid:
        return np.maximum.reduceat(us, starts).astype(np.int64)
    none = np.iinfo(us.dtype).min
    # As a rule it is the lost packets that have no delay: no pass over all is needed to find them.
    is_that_of_lost = invalid == lost.size and not is_valid[lost].any()
    known = us.copy()
    known[lost if is_that_of_lost else np.flatnonzero(~is_valid)] = none
    largest = np.maximum.reduceat(known, starts).astype(np.int64)
    return np.where(largest == none, _NONE, largest)


def _lost_by_second(places: Places, codes: Ints, bounds: Places) -> Table:
    """Count losses by direction: codes 1 (up), 2 (down) and 3 (unknown, held against both) of `probe.lost` are bits."""
    found = np.zeros((bounds.size - 1, len(DIRECTIONS)), np.int64)
    if not places.size:
        return found
    found[:] = np.diff(np.searchsorted(places, bounds))[:, None]
    for name, bit in _BIT.items():
        is_mine = (codes & bit) != 0
        if not is_mine.all():
            found[:, DIRECTIONS.index(name)] = np.diff(np.searchsorted(places[is_mine], bounds))
    return found


def _merged(parts: list[_Part]) -> _Part:
    """Put parts together: seconds ascending, none twice; sums are added and the largest of the largest taken."""
    seconds = np.concatenate([part.seconds for part in parts])
    table = np.concatenate([part.table for part in parts])
    if not seconds.size:
        return parts[0]
    if not (seconds[1:] >= seconds[:-1]).all():
        order = np.argsort(seconds, kind="stable")
        seconds, table = seconds[order], table[order]
    starts = np.concatenate([[0], np.flatnonzero(seconds[1:] != seconds[:-1]) + 1])
    return _Part(
        seconds[starts],
        np.concatenate(
            [np.add.reduceat(table[:, : _LARGEST.start], starts), np.maximum.reduceat(table[:, _LARGEST], starts)],
            axis=1,
        ),
    )


def probe_seconds(probes: ProbeArrays) -> ProbeSeconds:
    """Return the seconds of packets that are all there."""
    found = ProbeSeconds()
    if probes.n:
        found.add(probes)
    return found
