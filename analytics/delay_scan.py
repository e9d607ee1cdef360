"""One pass over the delays of one direction, block by block: all that delay, variation and reliability need. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.blocks import Counts, GroupSums, HitSums, block_slices
from analytics.delay import arrival_order
from analytics.jitter import Jitter
from analytics.probes import Bools, DelayColumn, ProbeArrays, neighbours_in
from analytics.statistics import Histogram, group_of, worth_of_groups

Ints = npt.NDArray[Any]
_WIDE = 8


@dataclass(frozen=True, slots=True)
class Spread:
    """Values of a series, and how many independent ones they are worth."""

    counted: Histogram
    n_eff: int


@dataclass(frozen=True, slots=True)
class DelayScan:
    """What one direction's delays are, in microseconds.

    `possible` are those that can be, `on_time_n_eff` what their being within the bound is worth, `measured` all of
    them; `steps` the absolute differences of packets sent one after the other (IPDV).
    """

    possible: Spread
    on_time_n_eff: int
    measured: Histogram
    steps: Spread
    jitter: Jitter


class _Series:
    """Accumulates one series."""

    def __init__(self, most: int) -> None:
        self._group = group_of(most)
        self._counts, self._sums = Counts(), GroupSums(self._group)

    def add(self, values: Ints) -> None:
        self._counts.add(values)
        self._sums.add(values)

    def result(self) -> Spread:
        counted = Histogram(*self._counts.result())
        n = counted.n
        return Spread(counted, worth_of_groups(n, self._group, self._sums.result(), counted.deviation if n else 0.0))


def scan(probes: ProbeArrays, direction: str, least_us: float | None, limit_us: float) -> DelayScan:
    """Read the delays of a direction once.

    A delay below `least_us` cannot be (None: any can); `limit_us` is the bound of reliability.
    """
    delay = probes.delays[direction]
    most = int(np.count_nonzero(delay.valid))
    possible, steps, impossible = _Series(most), _Series(most), Counts()
    late = HitSums(group_of(most), most)
    arrivals = _Arrivals()
    for part in block_slices(probes.n):
        here = delay.valid[part]
        is_whole = bool(here.all())
        values = delay.us[part] if is_whole else delay.us[part][here]
        if values.size:
            arrivals.add(probes, part, values, None if is_whole else here)
            if least_us is not None and int(values.min()) < least_us:
                impossible.add(values[values < least_us])
                values = values[values >= least_us]
            possible.add(values)
            late.add(values > limit_us)
        steps.add(_steps(probes, delay, part))
    if not arrivals.is_in_order:
        arrivals.jitter = Jitter()
        for_all = arrival_order(probes, direction)
        for part in block_slices(for_all.size):
            arrivals.jitter.add(for_all[part])
    found, out = possible.result(), Histogram(*impossible.result())
    share = late.n and found.counted.up_to(limit_us) / late.n
    on_time = group_of(most) - late.result()
    return DelayScan(
        possible=found,
        on_time_n_eff=worth_of_groups(late.n, group_of(most), on_time, math.sqrt(share * (1 - share))),
        measured=found.counted.merge(out) if out.n else found.counted,
        steps=steps.result(),
        jitter=arrivals.jitter,
    )


def _steps(probes: ProbeArrays, delay: DelayColumn, part: slice) -> Ints:
    """Return |D(i) - D(i-1)| of a block's packets and the one before it."""
    rows = slice(max(part.start - 1, 0), part.stop)
    us, valid = delay.us[rows], delay.valid[rows]
    if us.dtype.itemsize < _WIDE and int(us.max()) - int(us.min()) > np.iinfo(us.dtype).max:
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
    """Feeds the jitter while packets arrive in the order in which they were sent."""

    def __init__(self) -> None:
        self.jitter = Jitter()
        self.is_in_order = True
        self._last: tuple[Any, int] | None = None

    def add(self, probes: ProbeArrays, part: slice, us: Ints, here: Bools | None) -> None:
        if not self.is_in_order:
            return
        sent_us, session = probes.t_us[part], probes.session[part]
        is_one_session = session[0] == session[-1]
        arrival_us = (sent_us if here is None else sent_us[here]) + us
        is_ahead = arrival_us[1:] < arrival_us[:-1]
        if not is_one_session:
            session = session if here is None else session[here]
            is_ahead &= session[1:] == session[:-1]
        first, last = (session[0], int(arrival_us[0])), (session[-1], int(arrival_us[-1]))
        goes_back = self._last is not None and self._last[0] == first[0] and first[1] < self._last[1]
        self._last = last
        self.is_in_order = not goes_back and not is_ahead.any()
        self.jitter.add(us)
