"""Availability of the IP service by intervals Tav (ITU-T Y.1540), from packets counted on a grid of time. Pure.

An interval is unavailable when its loss ratio is above c1; PIA is the available share of the intervals measured, PIU
the rest, and loss is reported for the available time alone, which RFC 6703 3 asks for as well. c1, Tav and the least
number of packets depend on the edition of Y.1540 and were not checked against its text: nothing here has a default.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.blocks import BLOCK, block_slices
from analytics.probes import Bools, Ints, ProbeArrays

Int64s = npt.NDArray[np.int64]
_Piece = tuple[Int64s, Int64s, Int64s]
_NOTHING = np.empty(0, np.int64)
_WIDEST = 4 * BLOCK
"""So many intervals a block may span to be counted densely (2 MB of counts); beyond, its packets are sorted."""


@dataclass(frozen=True, slots=True)
class IntervalCounts:
    """Packets by interval: `index` is the number of the interval since the Unix epoch, ascending, each with a packet.

    `sent` and `lost` count packets; `first_us` and `last_us` are the sending times of the first and the last packet of
    all in Unix microseconds, 0 where there is none.
    """

    tav_us: int
    index: Int64s
    sent: Int64s
    lost: Int64s
    first_us: int
    last_us: int


class IntervalLoss:
    """Counts sent and lost packets by interval of `tav_us` microseconds, on the grid of Unix time that begins at 0.

    Packets come in chunks of any size and order, each packet in one of them; memory grows with the intervals that hold
    a packet, not with the packets. A packet belongs to the interval in which it was sent. Raises ValueError where
    `tav_us` is below 1.
    """

    def __init__(self, tav_us: int) -> None:
        if tav_us < 1:
            raise ValueError(f"an interval of {tav_us} us: Tav must be at least 1 us")
        self.tav_us = tav_us
        self._counted: _Piece = (_NOTHING, _NOTHING, _NOTHING)
        self._waiting: list[_Piece] = []
        self._waiting_n = 0
        self._ends_us: tuple[int, int] | None = None

    def add(self, chunk: ProbeArrays) -> None:
        """Count the packets of a chunk; one lost in either direction is lost."""
        for part in block_slices(chunk.n):
            t_us, lost = chunk.t_us[part], chunk.lost[part] > 0
            ends_us = int(t_us.min()), int(t_us.max())
            self._reach(ends_us)
            self._keep(_of_block(t_us, lost, ends_us, self.tav_us))

    def merge(self, other: IntervalLoss) -> None:
        """Add what another accumulator counted, as if its packets had come here. Raises ValueError for another Tav."""
        if other.tav_us != self.tav_us:
            raise ValueError(f"intervals of {other.tav_us} us cannot be added to intervals of {self.tav_us} us")
        counts = other.result()
        if counts.index.size:
            self._reach((counts.first_us, counts.last_us))
            self._keep((counts.index, counts.sent, counts.lost))

    def result(self) -> IntervalCounts:
        """Return the counts so far."""
        self._join()
        first_us, last_us = self._ends_us or (0, 0)
        return IntervalCounts(self.tav_us, *self._counted, first_us, last_us)

    def _reach(self, ends_us: tuple[int, int]) -> None:
        known = self._ends_us or ends_us
        self._ends_us = min(known[0], ends_us[0]), max(known[1], ends_us[1])

    def _keep(self, piece: _Piece) -> None:
        """Note a block's counts; they are joined when they are more than the intervals, so that joining stays cheap."""
        self._waiting.append(piece)
        self._waiting_n += piece[0].size
        if self._waiting_n > max(self._counted[0].size, BLOCK):
            self._join()

    def _join(self) -> None:
        if not self._waiting:
            return
        index, sent, lost = (np.concatenate(each) for each in zip(self._counted, *self._waiting, strict=True))
        self._waiting, self._waiting_n = [], 0
        distinct, place = np.unique(index, return_inverse=True)
        self._counted = distinct, _summed(sent, place, distinct.size), _summed(lost, place, distinct.size)


def _summed(counts: Int64s, place: npt.NDArray[np.intp], size: int) -> Int64s:
    total = np.zeros(size, np.int64)
    np.add.at(total, place, counts)
    return total


def _of_block(t_us: Ints, lost: Bools, ends_us: tuple[int, int], tav_us: int) -> _Piece:
    """Count the packets of a block by interval; most blocks lie in one or two intervals."""
    low, high = ends_us[0] // tav_us, ends_us[1] // tav_us
    if low == high:
        return tuple(np.array([each], np.int64) for each in (low, t_us.size, np.count_nonzero(lost)))  # type: ignore[return-value]
    index = t_us // tav_us
    if high - low >= _WIDEST:
        distinct, place = np.unique(index, return_inverse=True)
    else:
        distinct, place = np.arange(low, high + 1), index - low
    sent, gone = (np.bincount(rows, minlength=distinct.size) for rows in (place, place[lost]))
    held = np.flatnonzero(sent)
    return distinct[held].astype(np.int64), sent[held].astype(np.int64), gone[held].astype(np.int64)


@dataclass(frozen=True, slots=True)
class IpAvailability:
    """What the intervals were: `is_available` by interval measured, in order of time; packets of the available ones.

    `not_measured` are the other intervals from the first packet's to the last one's.
    """

    not_measured: int
    is_available: Bools
    sent: int
    lost: int

    @property
    def measured(self) -> int:
        """Intervals that were judged."""
        return int(self.is_available.size)

    @property
    def available(self) -> int:
        """Intervals whose loss ratio was no more than c1."""
        return int(np.count_nonzero(self.is_available))

    @property
    def unavailable(self) -> int:
        """Intervals whose loss ratio was above c1."""
        return self.measured - self.available

    @property
    def pia(self) -> float | None:
        """Available share of the intervals measured, 0 to 1; None where none was."""
        return self.available / self.measured if self.measured else None

    @property
    def piu(self) -> float | None:
        """Unavailable share of the intervals measured, 0 to 1; None where none was."""
        return self.unavailable / self.measured if self.measured else None

    @property
    def iplr(self) -> float | None:
        """Packet loss ratio in available time, 0 to 1; None where no interval was available."""
        return self.lost / self.sent if self.sent else None


def ip_availability(counts: IntervalCounts, c1: float, least_packets: int) -> IpAvailability:
    """Judge the intervals: unavailable where lost / sent > c1 (0 to 1), not measured with fewer than `least_packets`.

    Time without packets is not measured either: nobody looked. An end of the run that was cut short is not measured,
    however many packets it holds, for it was not observed for Tav: cut short is the first interval when its first
    packet was sent later than Tav / `least_packets` after its beginning (the widest spacing of evenly sent packets that
    reaches the minimum), and the last one when its last packet was sent earlier than that before its end. Inside the
    run the number of packets alone decides.
    """
    tav_us, sent = counts.tav_us, counts.sent
    is_measured = sent >= least_packets
    if sent.size:
        begin_us, end_us = int(counts.index[0]) * tav_us, (int(counts.index[-1]) + 1) * tav_us
        # In whole numbers: a spacing of exactly Tav / least_packets is enough.
        is_measured[0] &= (counts.first_us - begin_us) * least_packets <= tav_us
        is_measured[-1] &= (end_us - counts.last_us) * least_packets <= tav_us
    sent, lost = sent[is_measured], counts.lost[is_measured]
    # Division rounds correctly: 29 of 100 is exactly the 0.29 that a profile says, where 0.29 * 100 is less than 29.
    is_available: npt.NDArray[Any] = lost / sent <= c1
    spanned = int(counts.index[-1]) - int(counts.index[0]) + 1 if counts.index.size else 0
    return IpAvailability(
        not_measured=spanned - int(sent.size),
        is_available=is_available,
        sent=int(sent[is_available].sum()),
        lost=int(lost[is_available].sum()),
    )
