"""The outages of a run's links from the database, the packets of each link read chunk by chunk."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import psycopg

from analytics.availability import Availability
from analytics.class_tally import PacketFeed
from analytics.clock import ClockQuality, worst_clock
from analytics.exclusions import stated
from analytics.families.device import track_of
from analytics.link import NOT_MEASURED
from analytics.loader import about_device, load_clock_quality, load_exclusions, run_window_us
from analytics.outage_scan import OutageScan
from analytics.outages import (
    CELL_US,
    LinkOutages,
    Outage,
    SpanFailures,
    Surroundings,
    Track,
    joint,
    joint_outages,
    list_outages,
    track,
)
from analytics.packet_loader import packet_chunks, probe_extent, walked
from analytics.pair_scan import JOINT
from analytics.poor_clock import restored
from analytics.probes import NotInOrderError, ProbeArrays
from analytics.redundancy import BLIND, NEVER_TOGETHER, NO_COMMON
from analytics.requirements import Profile, load_requirements
from analytics.results import DIRECTIONS, Direction
from analytics.road import Chainage, road_of
from analytics.service_kpis import NOTHING
from analytics.spans import Span, Spans, total_us
from storage.pending import settle_seconds
from storage.reader import link_ids, read_columns
from storage.runs import RunRecord

_POSITION = ("lat_deg", "lon_deg", "speed_mps")
_VEHICLE = ("speed_mps", "drive_mode", "mrm_state")
_RADIO = ("rsrp_dbm", "rsrq_db", "sinr_db", "pci", "cell_id")


def outages_of_run(
    connection: psycopg.Connection, run: RunRecord, profile: str | None, link: str = "", *, is_live: bool | None = None
) -> list[LinkOutages]:
    """Return the outages of each link with packets (or of the one named), then of each pair of links, by device.

    They are in the direction and by the bounds of the availability of link or pair, without the excluded intervals and
    up to the last packet whose fate is settled (`is_live`, by default for a run without an end), as it is. A pair is
    named "l5g+lte", and may be asked for in either order.
    """
    requirements = load_requirements(profile)
    ids, window = link_ids(connection, run.site, run.devices, run.links), run_window_us(run)
    exclusions = load_exclusions(connection, run)
    is_open = run.ended_at is None if is_live is None else is_live
    settle_s = settle_seconds(connection, list(ids.values())) if is_open else {}
    found: list[LinkOutages] = []
    for device in sorted({name for name, _ in ids}):
        reader = _DeviceReader(connection, device, ids.get((device, "")), window, requirements)
        legs = []
        for (who, name), link_id in ids.items():
            if who == device and name and (not link or name in link.split(JOINT)):
                end_us = window[1] - round(settle_s.get(link_id, 0) * 1e6)
                legs += reader.legs(name, link_id, (window[0], end_us), exclusions.of(name))
        found += [reader.listed(leg) for leg in legs if link in ("", leg.name)]
        found += [
            reader.pair(a, b) for a, b in itertools.combinations(legs, 2)
            if not link or sorted(link.split(JOINT)) == sorted([a.name, b.name])
        ]  # fmt: skip
    return found


@dataclass(frozen=True, slots=True)
class _Leg:
    """One link whose packets were read."""

    name: str
    link_id: int
    settled: Span
    extent_us: Span
    excluded: Sequence[Span]
    clock: ClockQuality
    scan: OutageScan


class _DeviceReader:
    """Reads the links of one device, and what lay around their outages where there are any."""

    def __init__(
        self, connection: psycopg.Connection, device: str, own_id: int | None, window: Span, profile: Profile
    ) -> None:
        self._connection, self._device, self._own_id = connection, device, own_id
        self._window, self._profile = window, profile

    def legs(self, name: str, link_id: int, settled: Span, excluded: Sequence[Span]) -> list[_Leg]:
        """Read the packets of a link; nothing where it has none."""
        extent_us = probe_extent(self._connection, link_id, *settled)
        if extent_us is None:
            return []
        limit_us = self._profile.parameters.clock_limit_us
        clock = load_clock_quality(self._connection, self._own_id, link_id, *extent_us, limit_us, excluded)
        scan = walked(self._connection, link_id, settled, excluded, partial(OutageScan, self._profile, clock))
        return [_Leg(name, link_id, settled, extent_us, excluded, clock, scan)] if scan.feed.n else []

    def listed(self, leg: _Leg) -> LinkOutages:
        """Return the outages of a link."""
        scan = leg.scan
        if scan.is_untimed:
            return self._listed([leg], scan.direction, reason=NOT_MEASURED)
        found = scan.found()
        if not found.observed_us:
            return self._listed([leg], scan.direction, reason=NOTHING)
        outages = self._outages(leg, found) if found.start_us.size else []
        return self._listed([leg], scan.direction, outages, found.observed_us, reason=scan.feed.doubt)

    def _outages(self, leg: _Leg, found: Availability) -> list[Outage]:
        around = self._around(leg.link_id)
        try:
            return leg.scan.outages(found, around)
        except NotInOrderError:
            (sent,) = packet_chunks(self._connection, leg.link_id, leg.settled, leg.excluded, is_at_once=True)
            probes = PacketFeed(self._profile, leg.clock).take(sent).probes
            if leg.scan.feed.is_clouded:
                probes = restored(sent, probes, leg.scan.direction)
            bounds_us = {"t_max_us": leg.scan.t_max_us, "survival_us": leg.scan.survival_us}
            return list_outages(probes, leg.scan.direction, found, around, **bounds_us)

    def pair(self, a: _Leg, b: _Leg) -> LinkOutages:
        """Return the outages of two links at once."""
        legs = [a, b]
        way = next((way for way in DIRECTIONS if all(_goes(leg.scan.feed, way) for leg in legs)), None)
        if any(leg.scan.feed.is_blind for leg in legs):
            return self._listed(legs, way or "round_trip", reason=BLIND)
        if way is None:
            return self._listed(legs, "round_trip", reason=NO_COMMON)
        windows, both = joint([self._in_direction(leg, way).found() for leg in legs])
        observed_us = total_us(windows)
        if not observed_us:
            return self._listed(legs, way, reason=NEVER_TOGETHER)
        outages: list[Outage] = []
        if both[0].size:
            failures = [self._failures(leg, both, way) for leg in legs]
            outages = joint_outages(windows, both, failures, self._around(None))
        return self._listed(legs, way, outages, observed_us, reason=self._doubt(legs, way))

    def _doubt(self, legs: Sequence[_Leg], way: Direction) -> str:
        """Say why a pair is for reference only: by the worse clock of both links."""
        if way == "round_trip" and not any(leg.scan.feed.waited.by_one_way for leg in legs):
            return ""
        return worst_clock([leg.clock for leg in legs]).doubt(self._profile.parameters.clock_limit_us)

    def _in_direction(self, leg: _Leg, way: Direction) -> OutageScan:
        """Return what was read of a link, or read it once more for the direction that both links have."""
        if leg.scan.direction == way:
            return leg.scan
        begin = partial(OutageScan, self._profile, leg.clock, way)
        return walked(self._connection, leg.link_id, leg.settled, leg.excluded, begin)

    def _failures(self, leg: _Leg, spans: Spans, way: Direction) -> SpanFailures:
        def begin() -> _Waited:
            return _Waited(PacketFeed(self._profile, leg.clock), SpanFailures(spans, way, leg.scan.t_max_us), way)

        return walked(self._connection, leg.link_id, leg.settled, leg.excluded, begin).failures

    def _listed(
        self, legs: Sequence[_Leg], way: Direction, outages: Sequence[Outage] = (), observed_us: int = 0, *,
        reason: str = "",
    ) -> LinkOutages:  # fmt: skip
        parameters = self._profile.parameters
        spans = sorted({span for leg in legs for span in leg.excluded})
        return LinkOutages(
            device=self._device, link=JOINT.join(leg.name for leg in legs), direction=way,
            t_max_ms=parameters.t_max_ms, survival_ms=parameters.survival_ms, observed_s=observed_us / 1e6,
            outages=outages, reason=reason, excluded=stated(spans, self._window),
            filter="; ".join(dict.fromkeys(filter(None, (leg.scan.feed.waiting_words for leg in legs)))),
        )  # fmt: skip

    def _around(self, link_id: int | None) -> Surroundings:
        """Return what was sampled around; of two links (None) no radio."""
        position, vehicle, road = self._about
        return Surroundings(position=position, vehicle=vehicle, road=road, radio=self._track("radio", _RADIO, link_id))

    @cached_property
    def _about(self) -> tuple[Track, Track, Chainage | None]:
        path = track_of(about_device(self._connection, self._own_id, self._window))
        road = None if path is None or not path.t_us.size else road_of(path).chainage(path)
        return (
            self._track("position", _POSITION, self._own_id), self._track("vehicle", _VEHICLE, self._own_id), road
        )  # fmt: skip

    def _track(self, stream: str, names: Sequence[str], link_id: int | None) -> Track:
        if link_id is None:
            return Track()
        start_us, end_us = self._window[0] - CELL_US, self._window[1] + CELL_US
        return track(
            read_columns(self._connection, stream, names, link_ids=[link_id], start_us=start_us, end_us=end_us)
        )


def _goes(feed: PacketFeed, way: Direction) -> bool:
    """Tell whether a link can be asked for a direction: one on which nothing arrived goes with any."""
    return feed.measures(way) or feed.lost == feed.n


@dataclass(frozen=True, slots=True)
class _Waited:
    """Counts failures by the waiting time of the profile."""

    feed: PacketFeed
    failures: SpanFailures
    way: Direction

    def add(self, probes: ProbeArrays) -> None:
        counted = self.feed.take(probes).probes
        self.failures.add(restored(probes, counted, self.way) if self.feed.is_clouded else counted)
