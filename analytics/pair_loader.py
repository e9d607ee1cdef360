"""The pairs of a device's links from the database, all links being read in step of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import psycopg

from analytics.chunks import PacketChunks
from analytics.exclusions import beside, without
from analytics.leg_scan import AskedLeg, asked_leg
from analytics.loader import Exclusions, load_clock_quality
from analytics.packet_loader import packets_in_step, probe_extent
from analytics.pair_scan import PairsScan
from analytics.probes import NotInOrderError
from analytics.redundancy import pair_kpis
from analytics.requirements import Profile
from analytics.results import KpiResult
from analytics.spans import Span


@dataclass(frozen=True, slots=True)
class _Job:
    """Links to be read as pairs, without what is excluded of each."""

    exclusions: Exclusions
    legs: Sequence[AskedLeg]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairWork:
    """What every pair of a device's links gave together; `links` by name, number and the end of what is settled."""

    device: str
    links: tuple[tuple[str, int, int], ...]
    own_id: int | None
    window: Span
    exclusions: Exclusions
    profile: Profile

    def run(self, connection: psycopg.Connection) -> list[KpiResult]:
        """Read and evaluate; with excluded intervals, twice, the packets being read once.

        They are read once more where the first or the last batch of a link was not all of the run: the clocks, or the
        length of the blocks, may then be others than was assumed.
        """
        extents = {link: probe_extent(connection, link_id, self.window[0], end) for link, link_id, end in self.links}
        extents_us = {link: extent for link, extent in extents.items() if extent is not None}
        if len(extents_us) < 2:  # noqa: PLR2004 - a pair
            return []
        every = self.exclusions.of(*(link for link, *_ in self.links))
        asked = [
            _Job(each, self._legs(connection, extents_us, each))
            for each in ([self.exclusions, Exclusions(())] if every else [self.exclusions])
        ]
        scans = self._read(connection, asked)
        right = [self._right(connection, job, scan) for job, scan in zip(asked, scans, strict=True)]
        if wrong := [place for place, job in enumerate(right) if job is not asked[place]]:
            for place, scan in zip(wrong, self._read(connection, [right[place] for place in wrong]), strict=True):
                scans[place] = scan
        found = [pair_kpis(scan) for scan in scans]
        return beside(found[0], found[1], every, self.window) if every else found[0]

    def _legs(
        self, connection: psycopg.Connection, extents_us: Mapping[str, Span], exclusions: Exclusions
    ) -> list[AskedLeg]:
        ids = {link: link_id for link, link_id, _ in self.links}
        limit_us = self.profile.parameters.clock_limit_us
        return [
            asked_leg(
                self.device, link, extent_us, self.profile,
                load_clock_quality(connection, self.own_id, ids[link], *extent_us, limit_us, exclusions.of(link)),
            )
            for link, extent_us in extents_us.items()
        ]  # fmt: skip

    def _right(self, connection: psycopg.Connection, job: _Job, scan: PairsScan) -> _Job:
        """Return the job as it should have been by what was read; the same one where that makes no difference."""
        if all(leg.extent_us == leg.asked.extent_us for leg in scan.legs if leg.n):
            return job
        extents_us = {leg.subject.link: leg.extent_us if leg.n else leg.asked.extent_us for leg in scan.legs}
        found = _Job(job.exclusions, self._legs(connection, extents_us, job.exclusions))
        return job if PairsScan(found.legs).assumed == scan.assumed else found

    def _read(self, connection: psycopg.Connection, jobs: Sequence[_Job]) -> list[PairsScan]:
        """Read the packets of all links once, for several jobs; at once where chunks reach into each other."""
        try:
            return self._scanned(connection, jobs, is_at_once=False)
        except NotInOrderError:
            return self._scanned(connection, jobs, is_at_once=True)

    def _scanned(self, connection: psycopg.Connection, jobs: Sequence[_Job], *, is_at_once: bool) -> list[PairsScan]:
        found = [PairsScan(job.legs) for job in jobs]
        numbers = {link: (link_id, end_us) for link, link_id, end_us in self.links}
        wanted = [numbers[leg.subject.link] for leg in jobs[0].legs]
        packets = [{link_id: PacketChunks() for link_id, _ in wanted} for _ in jobs]
        with closing(packets_in_step(connection, dict(wanted), self.window[0], is_at_once=is_at_once)) as stretches:
            for columns in stretches:
                for job, scan, made in zip(jobs, found, packets, strict=True):
                    scan.add([
                        made[number].add(without(columns[number], job.exclusions.of(leg.subject.link)))
                        for leg, (number, _) in zip(job.legs, wanted, strict=True)
                    ])  # fmt: skip
        return found
