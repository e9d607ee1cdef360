"""The interventions and minimal risk manoeuvres of a run from the database, for the workbook."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import psycopg

from analytics.clock import NO_RECORD
from analytics.interventions import Happening, interventions_of, mrms_of
from analytics.loader import about_device, load_exclusions, load_probes, run_window_us
from analytics.outages import NEAR_US, Surroundings, Track, track
from analytics.report.model import InterventionRow, LinkBefore
from analytics.requirements import load_requirements
from analytics.waiting_time import waited_out
from storage.reader import link_ids, read_columns
from storage.runs import RunRecord

_JUST_BEFORE_US = 5_000_000
_MOST = 2_000
"""What stood before more of them than this is not looked up: the counter is broken."""


def run_interventions(
    connection: psycopg.Connection, run: RunRecord, profile: str | None = None
) -> list[InterventionRow] | None:
    """Return what the KPIs count, in order of time; None where no vehicle was measured and no event tells of any.

    Packets of the links just before that came later than the waiting time of the `profile` are lost.
    """
    limit_ms = load_requirements(profile).parameters.lost_after_ms
    ids, window = link_ids(connection, run.site, run.devices, run.links), run_window_us(run)
    cuts = load_exclusions(connection, run).of("")
    found: list[InterventionRow] | None = None
    for device in sorted({name for name, _ in ids}):
        own = ids.get((device, ""))
        about = about_device(connection, own, window, cuts)
        vehicle, events = about.get("vehicle"), about.get("event")
        happenings = [*interventions_of(vehicle, events, cuts), *mrms_of(vehicle, events, cuts)]
        if vehicle is None and not happenings:
            continue
        found = found or []
        links = [(link, number) for (name, link), number in ids.items() if name == device and link]
        around = _Around(connection, own, links, window, limit_ms) if happenings else None
        found += [
            _row(device, one, None if place >= _MOST else around)
            for place, one in enumerate(sorted(happenings, key=lambda one: one.t_us))
        ]
    return None if found is None else sorted(found, key=lambda row: row.at)


class _Around:
    """What was sampled around the happenings of one device."""

    def __init__(
        self, connection: psycopg.Connection, own: int | None, links: Sequence[tuple[str, int]],
        window: tuple[int, int], limit_ms: float | None,
    ) -> None:  # fmt: skip
        self._connection, self._links, self._limit_ms = connection, links, limit_ms
        start_us, end_us = window[0] - NEAR_US, window[1]

        def sampled(stream: str, names: Sequence[str], link_id: int | None) -> Track:
            if link_id is None:
                return Track()
            return track(read_columns(connection, stream, names, link_ids=[link_id], start_us=start_us, end_us=end_us))

        self.device = Surroundings(
            position=sampled("position", ("lat_deg", "lon_deg", "speed_mps"), own),
            vehicle=sampled("vehicle", ("speed_mps",), own),
        )
        self._radio = {link: sampled("radio", ("rsrp_dbm", "sinr_db"), number) for link, number in links}

    def speed_mps(self, at_us: int) -> float | None:
        """Return the vehicle's speed, or that by GNSS."""
        own = self.device.vehicle.before("speed_mps", at_us, NEAR_US)
        return self.device.position.before("speed_mps", at_us, NEAR_US) if own is None else own

    def links(self, at_us: int) -> list[LinkBefore]:
        """Return how each link stood just before."""
        found = []
        for link, number in self._links:
            sent = load_probes(self._connection, number, at_us - _JUST_BEFORE_US, at_us)
            probes, _ = waited_out(sent, self._limit_ms, NO_RECORD)
            delay = probes.delays["round_trip"]
            rtt_us = delay.us[delay.valid & (probes.lost == 0)]
            radio = self._radio[link]
            found.append(
                LinkBefore(
                    link=link, rsrp_dbm=radio.before("rsrp_dbm", at_us, NEAR_US),
                    sinr_db=radio.before("sinr_db", at_us, NEAR_US),
                    rtt_ms=float(np.median(rtt_us)) / 1000 if rtt_us.size else None, sent=probes.n,
                    lost=int(np.count_nonzero(probes.lost)),
                )
            )  # fmt: skip
        return found


def _row(device: str, one: Happening, around: _Around | None) -> InterventionRow:
    position = Track() if around is None else around.device.position
    return InterventionRow(
        at=datetime.fromtimestamp(one.t_us / 1e6, tz=UTC), device=device, kind=one.kind, cause=one.cause,
        outcome=one.outcome, times=one.times, is_told_only=one.is_told_only,
        lat_deg=position.before("lat_deg", one.t_us, NEAR_US), lon_deg=position.before("lon_deg", one.t_us, NEAR_US),
        speed_mps=None if around is None else around.speed_mps(one.t_us),
        links=[] if around is None else around.links(one.t_us),
    )  # fmt: skip
