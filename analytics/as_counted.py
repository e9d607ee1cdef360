"""Packets as they count: no one-way delay where the clocks are poor, and late ones lost. Pure.

In this order: a delay that poor clocks made up makes no packet late. All that reads packets takes them from here.
"""

from __future__ import annotations

from analytics.clock import ClockQuality
from analytics.poor_clock import PoorTime
from analytics.probes import ProbeArrays
from analytics.requirements import Parameters
from analytics.waiting_time import Waited, waited_out


class AsCounted:
    """Takes the packets of one link, in any pieces, and adds up how many were late.

    `poor` is the time of poor clocks. What `take` returns is the very object it was given where nothing is hidden and
    nothing is late.
    """

    def __init__(self, parameters: Parameters, clock: ClockQuality) -> None:
        self.poor = PoorTime(clock.poor)
        self.waited = Waited()
        self._limit_ms, self._clock = parameters.lost_after_ms, clock

    def take(self, sent: ProbeArrays) -> ProbeArrays:
        """Return the next packets as they count."""
        counted, waited = waited_out(self.poor.hide(sent), self._limit_ms, self._clock)
        self.waited = self.waited.and_of(waited)
        return counted
