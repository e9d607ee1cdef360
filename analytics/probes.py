"""The probe stream of one link as arrays: packets sent, further copies, and what their sequence numbers prove."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]

COLUMNS = ("session", "seq", "refl_seq", "ul_us", "dl_us", "rtt_us", "copy", "lost")
DELAY_COLUMN = {"up": "ul_us", "down": "dl_us", "round_trip": "rtt_us"}


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
class ProbeArrays:
    """Packets sent on one link, one element each, sorted by session and sequence number.

    `t_us` int64 sending time; `lost` int8 (0 delivered, 1 up, 2 down, 3 unknown); `refl_seq` int64, -1 where null;
    `delays` by direction. `copies_us` holds the round-trip delays of further copies (duplicates), `duplicates` how
    many there were, whether or not they had a delay.
    """

    t_us: Ints
    session: Ints
    seq: Ints
    refl_seq: Ints
    lost: Ints
    delays: Mapping[str, DelayColumn]
    duplicates: int
    copies_us: Ints
    data_hash: str

    @property
    def n(self) -> int:
        """Packets sent, as far as the data say."""
        return int(self.t_us.size)

    @property
    def delivered(self) -> Bools:
        """Which packets arrived."""
        return np.asarray(self.lost == 0)

    def with_delay(self, direction: str, delay: DelayColumn) -> ProbeArrays:
        """Return the same packets with other delays in one direction."""
        return replace(self, delays={**self.delays, direction: delay})

    def has(self, direction: str) -> bool:
        """Tell whether any delay of this direction was measured."""
        return bool(self.delays[direction].valid.any())


def probe_arrays(columns: Mapping[str, Values]) -> ProbeArrays:
    """Build the arrays from the columns of the probe stream (`t_us` and COLUMNS), rows in any order.

    A row that repeats session, seq and copy of another (two copies of the same file under two names) counts once, and a
    packet that is once delivered and once lost is delivered (RFC 7680 2.4).
    """
    copy = columns["copy"].values
    is_sent = copy <= 1
    order = _distinct(columns, np.flatnonzero(is_sent), "lost", are_one=True)
    session, seq = columns["session"].values[order], columns["seq"].values[order]
    refl_seq = columns["refl_seq"].values[order].astype(np.int64)
    refl_seq[~_valid(columns["refl_seq"], order)] = -1
    delays = {
        direction: DelayColumn(columns[name].values[order], _valid(columns[name], order))
        for direction, name in DELAY_COLUMN.items()
    }
    extra = _distinct(columns, np.flatnonzero(~is_sent), "copy", are_one=False)
    with_delay = extra[_valid(columns["rtt_us"], extra)]
    return ProbeArrays(
        t_us=columns["t_us"].values[order],
        session=session,
        seq=seq.astype(np.int64),
        refl_seq=refl_seq,
        lost=columns["lost"].values[order],
        delays=delays,
        duplicates=int(extra.size),
        copies_us=columns["rtt_us"].values[with_delay],
        data_hash=_hash(columns, np.concatenate([order, extra])),
    )


def _distinct(columns: Mapping[str, Values], rows: Ints, third: str, *, are_one: bool) -> Ints:
    """Return `rows` sorted by session, seq and a third column, without repeats; `are_one`: the third makes none new."""
    keys = [columns[name].values[rows] for name in ("session", "seq", third)]
    order = np.lexsort((keys[2], keys[1], keys[0]))
    if not order.size:
        return rows
    steps = [np.diff(key[order]) != 0 for key in (keys[:2] if are_one else keys)]
    return np.asarray(rows[order][np.concatenate([[True], np.logical_or.reduce(steps)])])


def _valid(column: Values, rows: Ints) -> Bools:
    if column.valid is None:
        return np.ones(rows.size, np.bool_)
    return np.asarray(column.valid[rows], np.bool_)


def _hash(columns: Mapping[str, Values], rows: Ints) -> str:
    """Hash what the results depend on, in an order that does not depend on how the rows arrived."""
    digest = hashlib.sha256()
    for name in ("t_us", *COLUMNS):
        column = columns[name]
        values = column.values[rows].astype(np.int64)
        if column.valid is not None:
            values[~column.valid[rows]] = np.iinfo(np.int64).min
        digest.update(name.encode() + values.tobytes())
    return digest.hexdigest()[:16]


def neighbours(probes: ProbeArrays) -> Bools:
    """Return for each packet but the first whether the one before it was sent just before, in the same session."""
    return np.asarray((np.diff(probes.session) == 0) & (np.diff(probes.seq) == 1))


def absent(probes: ProbeArrays) -> int:
    """Return how many sequence numbers between present ones have no row: not measured or lost, nobody knows."""
    if probes.n < 2:  # noqa: PLR2004 - nothing lies between
        return 0
    steps = np.diff(probes.seq)
    return int((steps[np.diff(probes.session) == 0] - 1).sum())


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
