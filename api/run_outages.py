"""The outages of a run's links from the database, for the workbook."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from analytics.availability import availability
from analytics.exclusions import stated
from analytics.loader import load_exclusions, load_probes, run_window_us
from analytics.outages import CELL_US, Surroundings, Track, list_joint_outages, list_outages, track
from analytics.redundancy import JOINT, down_together
from analytics.report.model import LinkOutages
from analytics.requirements import load_requirements
from analytics.results import KpiResult
from analytics.spans import total_us
from analytics.unmeasured import is_unmeasured
from analytics.waiting_time import late_as_lost
from storage.reader import link_ids, read_columns
from storage.runs import RunRecord

_POSITION = ("lat_deg", "lon_deg", "speed_mps")
_RADIO = ("rsrp_dbm", "sinr_db", "pci", "cell_id")
_PARAMETERS_US = 1000


def run_outages(
    connection: psycopg.Connection, run: RunRecord, profile: str | None, kpis: Sequence[KpiResult]
) -> list[LinkOutages]:
    """Return the outages of each link, and of each pair of links, whose availability is among `kpis`.

    They are in the direction and by the bounds of that availability, without the excluded intervals, as it is.
    """
    parameters = load_requirements(profile).parameters
    t_max_us, survival_us = (
        round(value_ms * _PARAMETERS_US) for value_ms in (parameters.t_max_ms, parameters.survival_ms)
    )
    ids = link_ids(connection, run.site, run.devices, run.links)
    start_us, end_us = run_window_us(run)
    exclusions = load_exclusions(connection, run)
    found = []
    for kpi in kpis:
        is_wanted = (kpi.id, kpi.statistic) in {("availability", "ratio"), ("redundant_availability", "ratio")}
        if not is_wanted or is_unmeasured(kpi):
            continue
        observed_us, outages = 0, []
        names = kpi.link.split(JOINT) if kpi.id == "redundant_availability" else [kpi.link]
        if kpi.value is not None and len(names) > 1:
            legs = [
                load_probes(connection, ids[kpi.device, name], start_us, end_us, exclusions.of(name)) for name in names
            ]
            windows, _, both = down_together(legs, kpi.direction, t_max_us, survival_us)
            observed_us = total_us(windows)
            around = Surroundings()
            if both[0].size:
                own, window = ids.get((kpi.device, "")), (start_us - CELL_US, end_us + CELL_US)
                around = Surroundings(
                    position=_track(connection, "position", _POSITION, own, window),
                    vehicle=_track(connection, "vehicle", ("speed_mps",), own, window),
                )
            outages = list_joint_outages(legs, kpi.direction, windows, both, around, t_max_us)
        elif kpi.value is not None:
            excluded = exclusions.of(kpi.link)
            probes = load_probes(connection, ids[kpi.device, kpi.link], start_us, end_us, excluded)
            if parameters.lost_after_ms is not None:
                probes, _ = late_as_lost(probes, round(parameters.lost_after_ms * _PARAMETERS_US))
            observed = availability(probes, kpi.direction, t_max_us, survival_us)
            observed_us = observed.observed_us
            around = Surroundings()
            if observed.start_us.size:
                own, link = ids.get((kpi.device, "")), ids[kpi.device, kpi.link]
                window = (start_us - CELL_US, end_us + CELL_US)
                around = Surroundings(
                    position=_track(connection, "position", _POSITION, own, window),
                    vehicle=_track(connection, "vehicle", ("speed_mps",), own, window),
                    radio=_track(connection, "radio", _RADIO, link, window),
                )
            outages = list_outages(probes, kpi.direction, observed, around, t_max_us=t_max_us, survival_us=survival_us)
        found.append(
            LinkOutages(
                device=kpi.device,
                link=kpi.link,
                direction=kpi.direction,
                t_max_ms=parameters.t_max_ms,
                survival_ms=parameters.survival_ms,
                observed_s=observed_us / 1e6,
                outages=outages,
                reason=kpi.reason if kpi.value is None else "",
                excluded=stated(exclusions.of(*names), (start_us, end_us)),
            )
        )
    return found


def _track(
    connection: psycopg.Connection, stream: str, names: Sequence[str], link_id: int | None, window_us: tuple[int, int]
) -> Track:
    if link_id is None:
        return Track()
    start_us, end_us = window_us
    return track(read_columns(connection, stream, names, link_ids=[link_id], start_us=start_us, end_us=end_us))
