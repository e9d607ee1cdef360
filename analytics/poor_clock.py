"""Packets in time of poor clocks: they give a round trip and their loss, but no one-way delay (RFC 7679 3.7). Pure.

Nothing is left out for that. A lost packet is lost by any clock. The delay of a delivered one is hidden: it widens an
interval as far as it can, from nothing to the packet's own round trip, which no way of it is longer than and which is
measured by one clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analytics.blocks import Counts
from analytics.exclusions import outside
from analytics.probes import Bools, DelayColumn, Ints, ProbeArrays
from analytics.spans import Span
from analytics.statistics import Histogram

_ONE_WAY = ("up", "down")


@dataclass(frozen=True, slots=True)
class Clouded:
    """Delivered packets whose delay in one direction poor clocks hide.

    `measured` is what those clocks made of it; `at_most` the packets' round trips, infinite where none was measured.
    """

    measured: Histogram
    at_most: Histogram

    @property
    def n(self) -> int:
        """How many they are."""
        return self.measured.n


class CloudedCounts:
    """Counts hidden delays, packets or pairs of packets one chunk after the other."""

    def __init__(self) -> None:
        self._measured, self._most = Counts(), Counts()

    def add(self, measured_us: Ints, most_us: Ints) -> None:
        """Count hidden delays, and the bounds of those that have one."""
        self._measured.add(measured_us)
        self._most.add(most_us)

    def result(self) -> Clouded:
        """Return what was hidden so far."""
        measured, most = (Histogram(*each.result()) for each in (self._measured, self._most))
        return Clouded(measured, replace(most, infinite=measured.n - most.n))


_NONE = Histogram(np.empty(0, np.int64), np.empty(0, np.int64))
NOTHING = Clouded(_NONE, _NONE)
"""No packet is hidden."""


class PoorTime:
    """Hides the one-way delays of packets sent in some spans, chunk by chunk, and counts what they were."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._spans = spans
        self._counts = {direction: CloudedCounts() for direction in _ONE_WAY}
        self._has = dict.fromkeys(_ONE_WAY, False)

    def hide(self, probes: ProbeArrays) -> ProbeArrays:
        """Return the packets without the delays; the very same where none is to be hidden."""
        rows = self.rows(probes)
        if rows is None:
            return probes
        hidden = {name: probes.delays[name] for name in _ONE_WAY}
        hidden = {name: DelayColumn(delay.us, delay.valid & ~rows) for name, delay in hidden.items()}
        return replace(probes, delays={**probes.delays, **hidden})

    def add(self, whole: ProbeArrays, hidden: ProbeArrays) -> None:
        """Count the delays that `whole` has and `hidden` has not, of packets that are delivered in `hidden`."""
        if not self._spans:
            return
        trip = hidden.delays["round_trip"]
        for direction in _ONE_WAY:
            gone = _hidden(whole, hidden, direction)
            self._counts[direction].add(whole.delays[direction].us[gone], trip.us[gone & trip.valid])
            self._has[direction] = self._has[direction] or bool(gone.any())

    def has(self, direction: str) -> bool:
        """Tell whether any delay of a direction was hidden."""
        return self._has.get(direction, False)

    def result(self, direction: str) -> Clouded:
        """Return what was hidden of one direction; the round trip needs no second clock."""
        return self._counts[direction].result() if direction in self._counts else NOTHING

    def rows(self, probes: ProbeArrays) -> Bools | None:
        """Return which packets were sent in the spans; None where none was."""
        if not self._spans or not probes.n:
            return None
        low_us, high_us = int(probes.t_us.min()), int(probes.t_us.max())
        if not any(start <= high_us and end > low_us for start, end in self._spans):
            return None
        return ~outside(probes.t_us, self._spans)


def restored(whole: ProbeArrays, hidden: ProbeArrays, direction: str, *, are_fast: bool = False) -> ProbeArrays:
    """Return the packets with the hidden delays of a direction as poor clocks measured them.

    `are_fast`: as nothing instead, the best that they leave open.
    """
    delay = hidden.delays[direction]
    gone = _hidden(whole, hidden, direction)
    us = np.where(gone, 0, delay.us) if are_fast else whole.delays[direction].us
    return hidden.with_delay(direction, DelayColumn(us, delay.valid | gone))


def hides(whole: ProbeArrays, hidden: ProbeArrays, direction: str) -> bool:
    """Tell whether poor clocks hide the delay of any delivered packet in a direction."""
    return bool(_hidden(whole, hidden, direction).any())


def _hidden(whole: ProbeArrays, hidden: ProbeArrays, direction: str) -> Bools:
    """Return which delivered packets have a delay in `whole` only."""
    return np.asarray(whole.delays[direction].valid & ~hidden.delays[direction].valid & (hidden.lost == 0))
