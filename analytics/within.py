"""The share of packets sent whose delay is within a limit, and what clocks and unknown fates leave open of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from analytics.link import Link
from analytics.results import Direction
from analytics.statistics import Interval, proportion_interval


@dataclass(frozen=True, slots=True)
class Within:
    """A share, None where no delay was measured, of `sent` packets whose fate is known; `note` qualifies it.

    `surely` and `perhaps` of `whole` packets were within the limit, those of unknown fate among them.
    """

    value: float | None
    sent: int
    surely: int
    perhaps: int
    whole: int
    note: str = ""

    def interval(self, total: int, n_eff: int) -> Interval:
        """Return the interval that `total` packets like the `sent`, which are worth `n_eff`, would give."""
        scale, worth = total / self.sent, max(n_eff * total // self.sent, 1)
        whole = max(round(self.whole * scale), 1)
        low = proportion_interval(self.surely * scale, whole, worth).low
        return Interval(low, proportion_interval(self.perhaps * scale, whole, worth).high)


def within(link: Link, direction: Direction, limit_us: float) -> Within:
    """Return the share of one direction.

    A packet in time of poor clocks is surely in time where its round trip was, and perhaps otherwise. The share is that
    of delivered packets with good clocks times that of delivered packets, as far as the bounds of both leave it room.
    """
    delivered, lost, bound_us = link.scan(direction).possible.counted, link.lost_in(direction), link.bound_us(direction)
    clouded, hidden = link.clouded(direction), link.hidden(direction)
    sent = delivered.n + lost
    timely = delivered.up_to(limit_us)
    surely = delivered.up_to(limit_us - bound_us) + clouded.at_most.up_to(limit_us)
    perhaps, whole = delivered.up_to(limit_us + bound_us) + hidden, sent + hidden
    if not sent or (clouded.n and not delivered.n):
        return Within(None, sent, surely, perhaps, whole)
    if not clouded.n:
        return Within(timely / sent, sent, surely, perhaps, whole)
    value = timely / delivered.n * (delivered.n + clouded.n) / (sent + clouded.n)
    value = min(max(value, surely / whole), perhaps / whole)
    every = (timely + clouded.measured.up_to(limit_us)) / (sent + clouded.n)
    return Within(value, sent, surely, perhaps, whole, link.of_all(f"{100 * every:.6g} %"))
