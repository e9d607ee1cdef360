"""Every pair of a device's links, in one pass over the packets of all links, one stretch of time after the other. Pure.

What is kept of a pair: packets that may yet find a partner, counts of delays, group sums, counts by block of time, and
of each link its outages. Memory grows with the minutes of a run, not with its packets.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from analytics.clock import worst_clock
from analytics.comparison.units import usual_length_s
from analytics.leg_scan import AskedLeg, Case, LegScan
from analytics.link_scan import LinkScan
from analytics.pair_blocks import BlockCounts, runs_of
from analytics.pair_series import LossSeries, WayScan
from analytics.pairing import PairMatcher, by_time, lost_together
from analytics.probes import NotInOrderError, ProbeArrays
from analytics.results import DIRECTIONS, MS, Direction
from analytics.subject import Subject

JOINT = "+"
"""Between the names of two links; no link's own name has it."""


class PairScan:
    """Reads the packets of two links as pairs.

    Which direction is theirs, the first that both measured, is known in the end: those that may be are all followed.
    """

    def __init__(self, a: LegScan, b: LegScan) -> None:
        self.legs = (a, b)
        self.profile = a.subject.profile
        self.clock = worst_clock([a.subject.clock, b.subject.clock])
        self.block_s = usual_length_s(*(leg.asked.span_s for leg in self.legs))
        self.n, self.first_us = 0, 0
        self.lost = LossSeries()
        self.single_lost = (LossSeries(), LossSeries())
        self.blocks = BlockCounts()
        """Pairs by block; of them lost on both links, on the first, on the second."""
        packets = LinkScan(self.subject)
        self.ways = {
            direction: WayScan(direction, packets.least_us(direction), is_clouded=self._is_clouded(direction))
            for direction in DIRECTIONS
        }
        for leg, direction in itertools.product(self.legs, DIRECTIONS):
            for case in self.cases(direction):
                leg.want(direction, case)
        self._matcher = PairMatcher(round(self.profile.parameters.pair_within_ms * MS))

    @property
    def subject(self) -> Subject:
        """The pair, while both links were there."""
        a, b = (leg.extent_us if leg.n else leg.asked.extent_us for leg in self.legs)
        low_us, high_us = max(a[0], b[0]), min(a[1], b[1])
        return Subject(
            device=self.legs[0].subject.device, link=JOINT.join(leg.subject.link for leg in self.legs),
            profile=self.profile, clock=self.clock, started_at=datetime.fromtimestamp(low_us / 1e6, tz=UTC),
            ended_at=datetime.fromtimestamp(max(low_us, high_us) / 1e6, tz=UTC),
        )  # fmt: skip

    def cases(self, direction: Direction) -> list[Case]:
        """Return availability as measured, and where clocks matter the worst and the best that they leave open."""
        t_max_us = round(self.profile.parameters.t_max_ms * MS)
        found = [Case(t_max_us, "measured")]
        bound_us = 0 if direction == "round_trip" else round(self.clock.bound_us or 0.0)
        if bound_us or self._is_clouded(direction):
            found += [Case(max(t_max_us - bound_us, 0), "known"), Case(t_max_us + bound_us, "fast")]
        return found

    def _is_clouded(self, direction: Direction) -> bool:
        return direction != "round_trip" and bool(self.clock.poor)

    @property
    def direction(self) -> Direction | None:
        """The first direction measured on both links so far; a link on which nothing arrived goes with any."""
        for direction in DIRECTIONS:
            if all(leg.measured[direction] or leg.lost == leg.n for leg in self.legs):
                return direction
        return None

    def narrow(self) -> None:
        """Forget the directions that come after one which both links are known to have measured."""
        known = [all(leg.measured[direction] for leg in self.legs) for direction in DIRECTIONS]
        last = known.index(True) if any(known) else len(known)
        self.ways = {each: way for each, way in self.ways.items() if DIRECTIONS.index(each) <= last}

    def add(self, a: ProbeArrays, b: ProbeArrays, until_us: int) -> None:
        """Add the next packets of both links, in order of time, all that was sent until an instant."""
        self._add(self._matcher.add(a, b, until_us))

    def finish(self) -> None:
        """Pair what was waiting."""
        if (pairs := self._matcher.finish()) is not None:
            self._add(pairs)

    def _add(self, pairs: tuple[ProbeArrays, ProbeArrays]) -> None:
        a, b = pairs
        if not a.n:
            return
        if not self.n:
            self.first_us = int(a.t_us[0])
        self.n += a.n
        lost = lost_together(a, b)
        marks = [each > 0 for each in (lost, a.lost, b.lost)]
        for series, mark in zip((self.lost, *self.single_lost), marks, strict=True):
            series.add(mark)
        runs = runs_of((a.t_us - self.first_us) // round(self.block_s * 1e6))
        self.blocks.add(runs, marks)
        one, other = (leg.known(each) for leg, each in zip(self.legs, pairs, strict=True))
        poor = [leg.in_poor_time(each) for leg, each in zip(self.legs, pairs, strict=True)]
        marked = [rows for rows in poor if rows is not None]
        is_poor = np.logical_or.reduce(marked) if marked else None
        for way in self.ways.values():
            way.add(pairs, (one, other), lost, runs, is_poor)


class PairsScan:
    """Reads the packets of all links of a device."""

    def __init__(self, legs: Sequence[AskedLeg]) -> None:
        self.legs = [LegScan(each) for each in legs]
        self.pairs = [PairScan(a, b) for a, b in itertools.combinations(self.legs, 2)]
        self._until_us: int | None = None

    @property
    def assumed(self) -> list[object]:
        """What the scan rests on beside packets and profile: the clocks of each link, and block lengths."""
        return [*(leg.subject.clock for leg in self.legs), *(pair.block_s for pair in self.pairs)]

    def add(self, packets: Sequence[ProbeArrays]) -> None:
        """Add what each link sent in the next stretch of time, in the order of the links.

        Raises NotInOrderError where some was sent before what came already.
        """
        extents = [(int(each.t_us.min()), int(each.t_us.max())) for each in packets if each.n]
        if not extents:
            return
        if self._until_us is not None and min(low for low, _ in extents) <= self._until_us:
            raise NotInOrderError("links do not come in step of time")
        self._until_us = until_us = max(high for _, high in extents)
        counted = {leg: leg.add(probes) for leg, probes in zip(self.legs, packets, strict=True)}
        for pair in self.pairs:
            pair.narrow()
        for leg, probes in counted.items():
            leg.follow(probes, {way for pair in self.pairs if leg in pair.legs for way in pair.ways})
        sent = {leg: by_time(probes) for leg, probes in counted.items()}
        for pair in self.pairs:
            a, b = (sent[leg] for leg in pair.legs)
            pair.add(a, b, until_us)

    def finish(self) -> list[PairScan]:
        """Return the pairs of links that sent anything, nothing more being sent."""
        found = [pair for pair in self.pairs if all(leg.n for leg in pair.legs)]
        for pair in found:
            pair.finish()
        return found
