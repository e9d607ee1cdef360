"""The service of one direction as measured, and by the extremes of what the data leave open, chunk by chunk. Pure.

The first direction that a link measured is the service of all its packets: one that has no delay in it failed. Beside
it, up and down are services of their own, of the packets that were sent that way. Lost on the way up, a packet was
never sent down. A delivered packet without a delay that way, and one that did reach the far end but was lost on the way
back, arrived nobody knows when: it neither fails nor restores the service, which the worst and the best case take it
for. What was lost nobody knows where failed, but in the best case.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from analytics.availability import Availability, observed
from analytics.blocks import block_slices
from analytics.poor_clock import restored
from analytics.probes import Bools, DelayColumn, Ints, ProbeArrays, absent, absent_as_lost, concatenated
from analytics.requirements import Parameters
from analytics.results import MS, Direction
from analytics.service_scan import ServiceScanner

Service = tuple[Availability, Availability | None, Availability]
"""As measured, the worst and the best that the clocks' bound and absent numbers allow; None: the worst has no bound."""

TOO_MANY = 10
"""Absent numbers beyond ten for each packet are a counter that jumped: no worst case is built from them."""

_MOST_AT_ONCE = 5_000_000
"""Absent numbers in one chunk of which a worst case is built, however few its packets are: 200 MB."""

Places = npt.NDArray[np.intp]
_UP, _DOWN = 1, 2
"""contract LOST_CODES"""


class Clocked(NamedTuple):
    """What clocks do to the delays of a direction: they may be off by `bound_us`, and cannot be below `least_us`.

    None: any can. `is_poor`: clocks are poor for some of the time, which hides delays.
    """

    bound_us: float
    least_us: float | None
    is_poor: bool


class ServiceCases:
    """Outages of one direction."""

    _is_open = False
    """Whether there are packets of which nobody knows how they fared."""

    def __init__(self, direction: Direction, parameters: Parameters, clocked: Clocked) -> None:
        self._direction, self._parameters, self._clocked = direction, parameters, clocked
        self._has_lost = False
        self._begin()

    def _begin(self) -> None:
        parameters, (bound_us, least_us, is_poor) = self._parameters, self._clocked
        t_max_us, survival_us = round(parameters.t_max_ms * MS), round(parameters.survival_ms * MS)
        shift_us = round(bound_us)
        self._found = ServiceScanner(self._direction, t_max_us, survival_us, least_us)
        self._worst = self._best = self._found
        if shift_us or is_poor or self._is_open:
            self._worst = ServiceScanner(self._direction, max(t_max_us - shift_us, 0), survival_us, least_us)
            self._best = ServiceScanner(self._direction, t_max_us + shift_us, survival_us, least_us)
        self._blind: ServiceScanner | None = None
        self._is_unbounded = False
        self._last: ProbeArrays | None = None

    def add(self, probes: ProbeArrays, whole: ProbeArrays, *, has_lost: bool) -> None:
        """Add the next packets; `whole` has the delays too that poor clocks measured: it is found what they say.

        `has_lost`: the recording said "lost" of some packet.
        """
        self._add_absent(probes, has_lost=has_lost)
        measured = restored(whole, probes, self._direction) if self._clocked.is_poor else probes
        if self._worst is self._found:
            self._found.add(measured)
            return
        self._found.add(self._as_found(measured))
        self._worst.add(self._at_worst(probes))
        fast = restored(whole, probes, self._direction, are_fast=True) if self._clocked.is_poor else probes
        self._best.add(self._at_best(fast))

    def _as_found(self, probes: ProbeArrays) -> ProbeArrays:
        return probes

    def _at_worst(self, probes: ProbeArrays) -> ProbeArrays:
        return probes

    def _at_best(self, probes: ProbeArrays) -> ProbeArrays:
        return probes

    def _add_absent(self, probes: ProbeArrays, *, has_lost: bool) -> None:
        """Follow the worst case of a recording that never says "lost": absent numbers are lost packets in it."""
        self._has_lost = self._has_lost or has_lost
        if self._has_lost or self._is_unbounded:
            self._blind = None
            return
        last, self._last = self._last, probes.rows(slice(-1, None))
        missing = absent(probes)
        if last is not None and last.session[0] == probes.session[0]:
            missing += int(probes.seq[0]) - int(last.seq[0]) - 1
        if missing > max(TOO_MANY * probes.n, _MOST_AT_ONCE):
            self._is_unbounded, self._blind = True, None
        elif missing and self._blind is None:
            self._blind = copy.deepcopy(self._worst)
        if self._blind is None:
            return
        if missing and last is not None:
            known = absent_as_lost(concatenated([last, probes])).rows(slice(1, None))
        else:
            known = absent_as_lost(probes) if missing else probes
        self._blind.add(self._at_worst(known))

    def result(self, *, is_blind: bool, is_bounded: bool) -> Service:
        """Return all three; `is_blind`: absent numbers may be lost packets."""
        found = observed(self._found)
        best = found if self._best is self._found else observed(self._best)
        if is_blind:
            return found, observed(self._blind) if self._blind is not None and is_bounded else None, best
        return found, found if self._worst is self._found else observed(self._worst), best


class WayCases(ServiceCases):
    """Up or down as a service of its own, beside another direction that was measured before it.

    Observed from the first packet on, or where the first that was delivered has no delay this way, from the first that
    has one. `open_n` packets fared nobody knows how.
    """

    _is_open = True

    def __init__(self, direction: Direction, parameters: Parameters, clocked: Clocked) -> None:
        super().__init__(direction, parameters, clocked)
        self.open_n = 0
        self._looked_at: tuple[ProbeArrays, tuple[ProbeArrays, _Special]] | None = None
        self._is_begun: bool | None = None
        """None while nothing was delivered."""

    def add(self, probes: ProbeArrays, whole: ProbeArrays, *, has_lost: bool) -> None:
        """Add the next packets."""
        measured = whole.delays[self._direction].valid
        if self._is_begun is None and (first := _first(probes.lost, 0)) is not None:
            self._is_begun = bool(measured[first])
            if not self._is_begun:
                # What was lost before this way was measured is not of it.
                self.open_n = 0
                self._begin()
        if self._is_begun is False:
            if not measured.any() or (first := _first(measured & (probes.lost == 0), True)) is None:
                return
            self._is_begun = True
            rows = slice(first, None)
            probes, whole = probes.rows(rows), whole.rows(rows)
        super().add(probes, whole, has_lost=has_lost)
        self._looked_at = None

    def _as_found(self, probes: ProbeArrays) -> ProbeArrays:
        sent, special = self._sent(probes)
        open_places = special.places[~special.has_arrived & ~special.has_failed]
        self.open_n += open_places.size
        found = self._at(sent, special.places[special.has_arrived])
        if not open_places.size:
            return found
        is_known = np.ones(sent.n, np.bool_)
        is_known[open_places] = False
        return found.rows(is_known)

    def _at_worst(self, probes: ProbeArrays) -> ProbeArrays:
        sent, special = self._sent(probes)
        return self._at(sent, special.places[special.has_arrived])

    def _at_best(self, probes: ProbeArrays) -> ProbeArrays:
        sent, special = self._sent(probes)
        arrived = special.places[special.has_arrived]
        at_once = special.places[~special.has_arrived & (sent.lost[special.places] != self._code)]
        return self._at(self._at(sent, arrived), at_once, is_at_once=True)

    @property
    def _code(self) -> int:
        """Of packets that were lost this way."""
        return _UP if self._direction == "up" else _DOWN

    def _sent(self, probes: ProbeArrays) -> tuple[ProbeArrays, _Special]:
        """Return the packets that were sent this way, as far as it is known, and those without a plain delay."""
        # Where no time is poor all three cases look at the same packets.
        if self._looked_at is None or self._looked_at[0] is not probes:
            self._looked_at = probes, self._told_apart(probes)
        return self._looked_at[1]

    def _told_apart(self, probes: ProbeArrays) -> tuple[ProbeArrays, _Special]:
        if self._direction == "down" and (lost_before := probes.lost == _UP).any():
            probes = probes.rows(~lost_before)
        delay, lost = probes.delays[self._direction], probes.lost
        found = [np.flatnonzero(~delay.valid[part] | (lost[part] != 0)) + part.start for part in block_slices(probes.n)]
        places = np.concatenate([np.empty(0, np.intp), *found])
        # Of one that was lost on the way back because it came too late, the delay up was measured.
        is_elsewhere = lost[places] == (_DOWN if self._direction == "up" else _UP)
        has_arrived = delay.valid[places] & is_elsewhere
        return probes, _Special(places, has_arrived, (lost[places] != 0) & ~is_elsewhere)

    def _at(self, sent: ProbeArrays, places: Places, *, is_at_once: bool = False) -> ProbeArrays:
        """Return the packets with some of them as arrived: after their delay, or as soon as they were sent."""
        if not places.size:
            return sent
        delay, lost = sent.delays[self._direction], sent.lost.copy()
        us, valid = delay.us, delay.valid
        lost[places] = 0
        if is_at_once:
            us, valid = us.copy(), valid.copy()
            us[places], valid[places] = 0, True
        return replace(sent, lost=lost, further={}, delays={self._direction: DelayColumn(us, valid)})


class _Special(NamedTuple):
    """Packets that were lost or have no delay: which did arrive after a known one, and which failed for all we know."""

    places: Places
    has_arrived: Bools
    has_failed: Bools


def _first(values: Ints, value: object) -> int | None:
    """Return the first place of a value; looks no further."""
    for part in block_slices(values.size):
        is_it = values[part] == value
        if is_it.any():
            return int(part.start) + int(is_it.argmax())
    return None
