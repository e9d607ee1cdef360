"""The probe stream of one link as arrays: packets sent, further copies, and what their sequence numbers prove."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from analytics.blocks import block_slices

Ints = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]

COLUMNS = ("session", "seq", "refl_seq", "ul_us", "dl_us", "rtt_us", "copy", "lost")
DELAY_COLUMN = {"up": "ul_us", "down": "dl_us", "round_trip": "rtt_us"}
_KEYS = ("t_us", "session", "seq", "copy", "lost")
_WIDE = 8
_LARGEST = 2.0**62
"""Floating-point values from here on are no microseconds and no numbers of anything: they count as not finite."""


class NotInOrderError(ValueError):
    """Raised where packets that come chunk by chunk must be seen all at once, since one chunk reaches into another."""


class Values(Protocol):
    """A column as the reader gives it: values, and which of them are not null (None: all)."""

    @property
    def values(self) -> npt.NDArray[Any]:
        """The values; placeholders where null."""

    @property
    def valid(self) -> npt.NDArray[np.bool_] | None:
        """Which values are not null."""


@dataclass(frozen=True, slots=True)
class DelayColumn:
    """Delays of n packets in microseconds; `valid` is False where lost or not measured."""

    us: Ints
    valid: Bools


@dataclass(frozen=True, slots=True)
class IntegerColumn:
    """A column of integers; `valid` None: none is null."""

    values: Ints
    valid: Bools | None = None

    def take(self, rows: Ints | Bools) -> IntegerColumn:
        """Return the column of some rows, by place or by mask."""
        return IntegerColumn(self.values[rows], None if self.valid is None else self.valid[rows])


@dataclass(frozen=True, slots=True)
class ProbeArrays:
    """Packets sent on one link, one element each, sorted by session and sequence number.

    `t_us` int64 sending time; `lost` (0 delivered, 1 up, 2 down, 3 unknown); `refl_seq` is -1 where null; `delays` by
    direction. `further` are the rows of further copies (duplicates), whether or not they had a delay, `replicated` the
    places of the packets that arrived of which there are any, ascending, and `copies` how many there are of each.
    `not_finite` values were NaN or infinite and are null (a row without time, session, number, copy or loss is left
    out). `late` of the lost packets came, but after a waiting time applied afterwards (`analytics.waiting_time`).
    """

    t_us: Ints
    session: Ints
    seq: Ints
    refl_seq: Ints
    lost: Ints
    delays: Mapping[str, DelayColumn]
    further: Mapping[str, IntegerColumn]
    not_finite: int = 0
    replicated: Ints = field(default_factory=lambda: np.empty(0, np.intp))
    copies: Ints = field(default_factory=lambda: np.empty(0, np.intp))
    late: int = 0

    @property
    def n(self) -> int:
        """Packets sent, as far as the data say."""
        return int(self.t_us.size)

    @property
    def delivered(self) -> Bools:
        """Which packets arrived."""
        return np.asarray(self.lost == 0)

    @property
    def duplicates(self) -> int:
        """Further copies that arrived."""
        return int(self.further["seq"].values.size) if self.further else 0

    @property
    def copies_us(self) -> Ints:
        """Round-trip delays of further copies, where they have one."""
        if not self.further:
            return np.empty(0, np.int64)
        column = self.further["rtt_us"]
        return column.values if column.valid is None else column.values[column.valid]

    def rows(self, rows: slice | Bools) -> ProbeArrays:
        """Return some of the packets, a stretch or those marked, without copies."""
        return ProbeArrays(
            self.t_us[rows], self.session[rows], self.seq[rows], self.refl_seq[rows], self.lost[rows],
            {name: DelayColumn(delay.us[rows], delay.valid[rows]) for name, delay in self.delays.items()}, {},
        )  # fmt: skip

    def sessions(self) -> Iterator[slice]:
        """Return where each session begins and ends."""
        if not self.n or self.session[0] == self.session[-1]:
            return iter([slice(0, self.n)] if self.n else [])
        borders = np.flatnonzero(self.session[1:] != self.session[:-1]) + 1
        return itertools.starmap(slice, itertools.pairwise([0, *borders.tolist(), self.n]))

    def with_delay(self, direction: str, delay: DelayColumn) -> ProbeArrays:
        """Return the same packets with other delays in one direction."""
        return replace(self, delays={**self.delays, direction: delay})

    def has(self, direction: str) -> bool:
        """Tell whether any delay of this direction was measured."""
        return bool(self.delays[direction].valid.any())


def probe_arrays(columns: Mapping[str, Values]) -> ProbeArrays:
    """Build the arrays from the columns of the probe stream (`t_us` and COLUMNS), rows in any order.

    A row that repeats session, seq and copy of another (two copies of the same file under two names) counts once, and a
    packet that is once delivered and once lost is delivered (RFC 7680 2.4). Columns that are in order already are not
    copied: the result may share memory with `columns`.
    """
    whole, not_finite = _integers(columns)
    is_further = whole["copy"].values > 1
    further = np.flatnonzero(is_further)
    sent = _distinct(whole, ~is_further if further.size else None, "lost", are_one=True)
    extra = _distinct(whole, further, "copy", are_one=False)
    replicated, copies = _replicated(sent, extra)
    return ProbeArrays(
        t_us=sent["t_us"].values,
        session=sent["session"].values,
        seq=sent["seq"].values,
        refl_seq=_filled(sent["refl_seq"], -1),
        lost=sent["lost"].values,
        delays={
            direction: DelayColumn(sent[name].values, _valid(sent[name])) for direction, name in DELAY_COLUMN.items()
        },
        further=extra,
        not_finite=not_finite,
        replicated=replicated,
        copies=copies,
    )


def _integers(columns: Mapping[str, Values]) -> tuple[dict[str, IntegerColumn], int]:
    """Return the columns as integers and how many values were not finite: those are null, or their row is left out."""
    whole, bad = {}, 0
    usable: Bools | None = None
    for name in ("t_us", *COLUMNS):
        values, valid = columns[name].values, columns[name].valid
        if values.dtype.kind == "f":
            is_finite = np.abs(values) < _LARGEST
            bad += int(np.count_nonzero(~is_finite if valid is None else valid & ~is_finite))
            values = np.rint(np.where(is_finite, values, 0)).astype(np.int64)
            valid = is_finite if valid is None else valid & is_finite
            if name in _KEYS:
                usable = valid if usable is None else usable & valid
        whole[name] = IntegerColumn(values.astype(np.int64) if values.dtype.kind in "ub" else values, valid)
    if usable is not None and not usable.all():
        whole = {name: column.take(np.flatnonzero(usable)) for name, column in whole.items()}
    # Four bytes have room for the differences of numbers from 0 on.
    seq = whole["seq"]
    if seq.values.dtype.itemsize < _WIDE and (seq.values.dtype != np.int32 or seq.values.min(initial=0) < 0):
        whole["seq"] = IntegerColumn(seq.values.astype(np.int64), seq.valid)
    return whole, bad


def _distinct(
    columns: Mapping[str, IntegerColumn], rows: Ints | Bools | None, third: str, *, are_one: bool
) -> dict[str, IntegerColumn]:
    """Return `rows` (None: all) sorted by session, seq and a third column, without repeats.

    `are_one`: rows that differ in the third column alone are one. Recordings are mostly in order: looking first whether
    they are takes 8 ms for 10 M rows; sorting takes 150 even if they are, and taking every column in that order more.
    """
    taken = dict(columns) if rows is None else {name: column.take(rows) for name, column in columns.items()}
    session, seq = taken["session"].values, taken["seq"].values
    if _is_ascending(session, seq):
        return taken
    order = _by_session(session)
    if not _is_ascending(session[order], seq[order]):
        keys = [session, seq, taken[third].values]
        order = np.lexsort((keys[2], keys[1], keys[0]))
        steps = [key[order][1:] != key[order][:-1] for key in (keys[:2] if are_one else keys)]
        order = order[np.concatenate([[True], np.logical_or.reduce(steps)])]
    return {name: column.take(order) for name, column in taken.items()}


def _replicated(sent: dict[str, IntegerColumn], extra: dict[str, IntegerColumn]) -> tuple[Ints, Ints]:
    """Return which packets that arrived came more than once, and how often; copies are few, and both are sorted."""
    session, seq = extra["session"].values, extra["seq"].values
    nothing = np.empty(0, np.intp)
    if not seq.size:
        return nothing, nothing
    firsts = np.flatnonzero(np.concatenate([[True], (session[1:] != session[:-1]) | (seq[1:] != seq[:-1])]))
    copies, session, seq = np.diff(firsts, append=seq.size), session[firsts], seq[firsts]
    found: list[tuple[Ints, Ints]] = [(nothing, nothing)]
    for number in np.unique(session):
        first, end = np.searchsorted(sent["session"].values, [number, number + 1])
        mine = session == number
        places = first + np.searchsorted(sent["seq"].values[first:end], seq[mine])
        is_inside = places < end
        places, numbers, times = places[is_inside], seq[mine][is_inside], copies[mine][is_inside]
        arrived = (sent["seq"].values[places] == numbers) & (sent["lost"].values[places] == 0)
        found.append((places[arrived], times[arrived]))
    return np.concatenate([places for places, _ in found]), np.concatenate([times for _, times in found])


def _is_ascending(session: Ints, seq: Ints) -> bool:
    """Tell whether rows are sorted by session and number, none twice."""
    for part in block_slices(session.size):
        rows = slice(max(part.start - 1, 0), part.stop)
        mine, numbers = session[rows], seq[rows]
        is_rising, is_same = numbers[1:] > numbers[:-1], mine[1:] == mine[:-1]
        if not (is_rising & is_same).all() and not ((mine[1:] > mine[:-1]) | (is_same & is_rising)).all():
            return False
    return True


def _by_session(session: Ints) -> Ints:
    """Return the order that brings each session's rows together and leaves them as they were.

    Sessions are few: their ranks in two bytes are sorted by radix, which takes a tenth of sorting the numbers.
    """
    heads = np.concatenate([[0], np.flatnonzero(session[1:] != session[:-1]) + 1])
    known = np.unique(session[heads])
    ranks = np.searchsorted(known, session)
    return np.argsort(ranks.astype(np.uint16) if known.size <= 1 << 16 else ranks, kind="stable")


def _valid(column: IntegerColumn) -> Bools:
    return np.ones(column.values.size, np.bool_) if column.valid is None else np.asarray(column.valid, np.bool_)


def _filled(column: IntegerColumn, null: int) -> Ints:
    """Return the values with `null` where they are null."""
    return (
        column.values if column.valid is None else np.where(column.valid, column.values, column.values.dtype.type(null))
    )


def concatenated(parts: Sequence[ProbeArrays]) -> ProbeArrays:
    """Return packets that follow each other, without copies."""
    first = parts[0]

    def joined(columns: Iterable[Ints]) -> Ints:
        return np.concatenate(list(columns))

    return ProbeArrays(
        joined(each.t_us for each in parts), joined(each.session for each in parts), joined(each.seq for each in parts),
        joined(each.refl_seq for each in parts), joined(each.lost for each in parts),
        {
            name: DelayColumn(
                joined(each.delays[name].us for each in parts), joined(each.delays[name].valid for each in parts)
            )
            for name in first.delays
        },
        {},
    )  # fmt: skip


def neighbours_in(probes: ProbeArrays, rows: slice) -> Bools | None:
    """Return for each packet of some rows but the first whether the one before it was sent just before; None: all."""
    session, seq = probes.session[rows], probes.seq[rows]
    # Numbers rise within a session: as many as there are between the ends leave none out.
    if session.size and session[0] == session[-1] and int(seq[-1]) - int(seq[0]) == seq.size - 1:
        return None
    return np.asarray((session[1:] == session[:-1]) & (seq[1:] - seq[:-1] == 1))


def neighbours(probes: ProbeArrays) -> Bools:
    """Return for each packet but the first whether the one before it was sent just before, in the same session."""
    return np.asarray((probes.session[1:] == probes.session[:-1]) & (probes.seq[1:] - probes.seq[:-1] == 1))


def lost_in(lost: Ints, direction: str) -> Bools:
    """Return which packets have an infinite delay in a direction: those lost on that way, for the round trip all.

    What was lost on the way back arrived on the way up, and of what was lost nobody knows where the delay is unknown.
    """
    if direction == "round_trip":
        return np.asarray(lost > 0)
    return np.asarray(lost == (1 if direction == "up" else 2))


def absent(probes: ProbeArrays) -> int:
    """Return how many sequence numbers between present ones have no row: not measured or lost, nobody knows."""
    return (
        sum(int(probes.seq[part.stop - 1]) - int(probes.seq[part.start]) + 1 for part in probes.sessions()) - probes.n
    )


def in_order(probes: ProbeArrays, order: npt.NDArray[np.intp], direction: str) -> ProbeArrays:
    """Return the packets in another order, with the delays of one direction only."""
    delay = probes.delays[direction]
    return replace(
        probes, t_us=probes.t_us[order], session=probes.session[order], seq=probes.seq[order], lost=probes.lost[order],
        refl_seq=probes.refl_seq[order], delays={direction: DelayColumn(delay.us[order], delay.valid[order])},
    )  # fmt: skip


def absent_as_lost(probes: ProbeArrays) -> ProbeArrays:
    """Return the packets with every absent number as a lost packet, sent between its neighbours: the worst case."""
    steps = np.diff(probes.seq)
    gaps = np.where(np.diff(probes.session) == 0, np.maximum(steps - 1, 0), 0)
    before = np.repeat(np.arange(probes.n - 1), gaps)
    number = np.arange(before.size) - np.repeat(np.cumsum(gaps) - gaps, gaps) + 1
    share = number / (gaps[before] + 1)
    t_us = probes.t_us[before] + (share * (probes.t_us[before + 1] - probes.t_us[before])).astype(np.int64)
    seq = probes.seq[before] + number
    order = np.lexsort((np.concatenate([probes.seq, seq]), np.concatenate([probes.session, probes.session[before]])))

    def joined(known: Ints, filler: Any) -> Ints:
        return np.asarray(np.concatenate([known, np.full(before.size, filler, known.dtype)])[order])

    return replace(
        probes,
        t_us=np.concatenate([probes.t_us, t_us])[order],
        session=np.concatenate([probes.session, probes.session[before]])[order],
        seq=np.concatenate([probes.seq, seq])[order],
        refl_seq=joined(probes.refl_seq, -1),
        lost=joined(probes.lost, 3),
        delays={
            name: DelayColumn(joined(each.us, 0), joined(each.valid, False)) for name, each in probes.delays.items()
        },
    )
