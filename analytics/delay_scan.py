"""One pass over the delays of one direction, block by block: all that delay, variation and reliability need. Pure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.blocks import Counts, block_slices, may_overflow
from analytics.definitions import QUANTILES
from analytics.delay import arrival_order
from analytics.jitter import Jitter
from analytics.probes import Bools, DelayColumn, NotInOrderError, ProbeArrays, concatenated, lost_in, neighbours_in
from analytics.quantile_worth import QuantileWorth
from analytics.statistics import Histogram, share_of
from analytics.worth import SeriesWorth

Ints = npt.NDArray[Any]
_NEVER = np.int32(np.iinfo(np.int32).max)
_OVERTAKEN = 1024
"""Packets at the end of a block that wait for the next: a second at 1,000 packets/s. With a gap of 1 ms and delays that
vary by several, 10 M packets then need no sorting of the whole, which takes 14 ns a packet and the jitter again."""

_MOST_SESSIONS = 64
"""Sessions in a block beyond which all packets are sorted at once."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Values of a series, and how many independent ones they are worth."""

    counted: Histogram
    n_eff: int


@dataclass(frozen=True, slots=True)
class DelayScan:
    """What one direction's delays are, in microseconds.

    `possible` are those that can be, `on_time_n_eff` what their being within the bound is worth, `measured` all of
    them; `steps` the absolute differences of packets sent one after the other (IPDV). `quantile_worth` is the worth of
    a packet for some quantiles, those lost on this way among them as infinitely late.
    """

    possible: Spread
    quantile_worth: Mapping[str, float]
    on_time_n_eff: int
    measured: Histogram
    steps: Spread
    jitter: Jitter


class _Series:
    """Accumulates one series."""

    def __init__(self) -> None:
        self._counts, self._worth = Counts(), SeriesWorth()

    def add(self, values: Ints) -> None:
        self._counts.add(values)
        self._worth.add(values)

    def result(self) -> Spread:
        counted = Histogram(*self._counts.result())
        return Spread(counted, self._worth.result(counted.deviation if counted.n else 0.0))


class DelayScanner:
    """Reads the delays of one direction, chunk by chunk, in order of sending.

    A delay below `least_us` cannot be (None: any can); `limit_us` is the bound of reliability. 16 ns a packet for 10 M
    packets, of which the two counts take 4, the jitter 2.3, finding overtaken packets 3. Blocks of 32,768 and 131,072
    packets took 6 and 1 % longer than those of 65,536; steps over whole arrays (a float copy, lexsort by arrival, FFTs
    of all) took 150.
    """

    def __init__(self, direction: str, least_us: float | None, limit_us: float) -> None:
        self._direction, self._least_us, self._limit_us = direction, least_us, limit_us
        self._possible, self._steps, self._impossible = _Series(), _Series(), Counts()
        self._late = SeriesWorth(hits=True)
        self._quantiles = QuantileWorth([share_of(statistic) for statistic in QUANTILES])
        self._arrivals = _Arrivals()
        self._chunks = self._lost_before = 0
        self._is_measured = False
        self._first: ProbeArrays | None = None
        self._before: ProbeArrays | None = None

    def add(self, probes: ProbeArrays) -> None:
        """Add the next packets. Raises NotInOrderError where some arrived after much of a later chunk did."""
        delay = probes.delays[self._direction]
        self._chunks += 1
        self._refuse_disorder()
        self._first = probes if self._chunks == 1 else None
        if self._before is not None:
            joint = concatenated([self._before, probes.rows(slice(1))])
            self._steps.add(_steps(joint, joint.delays[self._direction]))
        self._before = probes.rows(slice(-1, None))
        if not delay.valid.any():
            self._only_lost(probes)
            return
        self._quantiles.add(np.full(self._lost_before, _NEVER))
        self._lost_before, self._is_measured = 0, True
        for part in block_slices(probes.n):
            here = delay.valid[part]
            is_whole = bool(here.all())
            values = delay.us[part] if is_whole else delay.us[part][here]
            if values.size:
                self._arrivals.add(probes, part, values, None if is_whole else here)
                if self._least_us is not None and int(values.min()) < self._least_us:
                    self._impossible.add(values[values < self._least_us])
                    values = values[values >= self._least_us]
                self._possible.add(values)
                self._late.add(values > self._limit_us)
            self._quantiles.add(values if is_whole else self._with_lost(probes, part, here))
            rows = slice(max(part.start - 1, 0), part.stop)
            self._steps.add(_steps(probes, delay, rows))
        self._refuse_disorder()

    def _refuse_disorder(self) -> None:
        if not self._arrivals.is_in_order and self._chunks > 1:
            raise NotInOrderError("packets arrived after many that were sent later: they must be sorted all at once")

    def _only_lost(self, probes: ProbeArrays) -> None:
        """Add packets none of which has a delay; before the first that has one they are but counted."""
        gone = int(np.count_nonzero(lost_in(probes.lost, self._direction)))
        if self._is_measured:
            self._quantiles.add(np.full(gone, _NEVER))
        else:
            self._lost_before += gone

    def _with_lost(self, probes: ProbeArrays, part: slice, here: Bools) -> Ints:
        """Return the delays of a block, those that were lost on this way above all others."""
        places = np.flatnonzero(~here)
        is_gone = lost_in(probes.lost[part][places], self._direction)
        us = probes.delays[self._direction].us[part].copy()
        us[places] = _NEVER
        if not is_gone.all():
            us = np.delete(us, places[~is_gone])
        is_any = self._least_us is None or not us.size or int(us.min()) >= self._least_us
        return us if is_any else us[us >= self._least_us]

    def result(self) -> DelayScan:
        """Return what was read."""
        if self._arrivals.is_in_order:
            self._arrivals.finish()
            jitter = self._arrivals.jitter
        else:
            assert self._first is not None
            jitter, ordered_us = Jitter(), arrival_order(self._first, self._direction)
            for part in block_slices(ordered_us.size):
                jitter.add(ordered_us[part])
        found, out, late = self._possible.result(), Histogram(*self._impossible.result()), self._late
        share = late.n and found.counted.up_to(self._limit_us) / late.n
        return DelayScan(
            possible=found,
            quantile_worth=self._quantiles.result(),
            # What is worth as much: being late, and being in time.
            on_time_n_eff=late.result(math.sqrt(share * (1 - share))),
            measured=found.counted.merge(out) if out.n else found.counted,
            steps=self._steps.result(),
            jitter=jitter,
        )


def scan(probes: ProbeArrays, direction: str, least_us: float | None, limit_us: float) -> DelayScan:
    """Read the delays of a direction of packets that are all here."""
    scanner = DelayScanner(direction, least_us, limit_us)
    scanner.add(probes)
    return scanner.result()


def _steps(probes: ProbeArrays, delay: DelayColumn, rows: slice = slice(None)) -> Ints:
    """Return |D(i) - D(i-1)| of some packets but the first, where both are known and none is absent between them."""
    us, valid = delay.us[rows], delay.valid[rows]
    if may_overflow(us):
        us = us.astype(np.int64)
    steps = us[1:] - us[:-1]
    pairs = neighbours_in(probes, rows)
    if pairs is not None or not valid.all():
        both = valid[1:] & valid[:-1]
        if pairs is not None:
            both &= pairs
        steps = steps[both]
    return np.asarray(np.abs(steps, out=steps))


class _Arrivals:
    """Puts delays into the order of arrival and feeds them to the jitter.

    Few packets overtake, and not by far: a block is sorted if it needs to be, and what may still be overtaken by the
    next block waits for it. Where a packet comes later than that, `is_in_order` turns false and all must be sorted.
    """

    def __init__(self) -> None:
        self.jitter = Jitter()
        self.is_in_order = True
        self._session: Any = None
        self._last_us = 0
        self._waiting_us: Ints = np.empty(0, np.int64)
        self._waiting: Ints = np.empty(0, np.int64)

    def add(self, probes: ProbeArrays, part: slice, us: Ints, here: Bools | None) -> None:
        """Add the delays of a block's packets that arrived."""
        if not self.is_in_order:
            return
        sent_us, session = probes.t_us[part], probes.session[part]
        arrival_us = (sent_us if here is None else sent_us[here]) + us
        if session[0] == session[-1]:
            self._add_session(session[0], arrival_us, us)
            return
        if here is not None:
            session = session[here]
        edges = [0, *(np.flatnonzero(session[1:] != session[:-1]) + 1).tolist(), session.size]
        if len(edges) > _MOST_SESSIONS:
            self.is_in_order = False
            return
        for low, high in itertools.pairwise(edges):
            self._add_session(session[low], arrival_us[low:high], us[low:high])

    def _add_session(self, session: Any, arrival_us: Ints, us: Ints) -> None:
        if session != self._session:
            self.jitter.add(self._waiting)
            self._session = session
        else:
            least_us = int(arrival_us.min())
            if least_us < self._last_us:
                self.is_in_order = False
                return
            if self._waiting.size:
                arrival_us = np.concatenate([self._waiting_us, arrival_us])
                us = np.concatenate([self._waiting, us])
        if (arrival_us[1:] < arrival_us[:-1]).any():
            order = np.argsort(arrival_us, kind="stable")
            arrival_us, us = arrival_us[order], us[order]
        settled = max(arrival_us.size - _OVERTAKEN, 0)
        self.jitter.add(us[:settled])
        self._waiting_us, self._waiting = arrival_us[settled:], us[settled:]
        self._last_us = int(arrival_us[settled - 1]) if settled else int(np.iinfo(np.int64).min)

    def finish(self) -> None:
        """Add what waits; nothing is added after that."""
        self.jitter.add(self._waiting)
        self._waiting = self._waiting[:0]
