"""Route fitness and conditions of a run from the database: the packets of each link read chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import psycopg

from analytics.clock import ClockQuality
from analytics.conditions import ConditionScan, LinkConditions
from analytics.families.device import track_of
from analytics.loader import Exclusions, about_device, load_clock_quality, load_exclusions, load_streams, run_window_us
from analytics.packet_loader import probe_extent, walked
from analytics.requirements import load_requirements
from analytics.route import Grid, RouteCell, RouteScan
from analytics.series import Series
from analytics.spans import Span
from analytics.standstill import Standstill, standstill
from storage.errors import NoDataError
from storage.reader import link_ids
from storage.runs import RunRecord


@dataclass(frozen=True, slots=True)
class _Probed:
    """A link on which packets were sent, with the streams of its device over the whole run."""

    device: str
    name: str
    link_id: int
    about: dict[str, Series]
    clock: ClockQuality


def _probed(connection: psycopg.Connection, run: RunRecord, link: str) -> Iterator[_Probed]:
    ids, window = link_ids(connection, run.site, run.devices, run.links), run_window_us(run)
    about: dict[str, dict[str, Series]] = {}
    for (device, name), link_id in ids.items():
        if not name or link not in ("", name):
            continue
        extent_us = probe_extent(connection, link_id, *window)
        if extent_us is None:
            continue
        own_id = ids.get((device, ""))
        if device not in about:
            about[device] = about_device(connection, own_id, window)
        clock = load_clock_quality(connection, own_id, link_id, *extent_us)
        yield _Probed(device, name, link_id, about[device], clock)


def _radio(
    connection: psycopg.Connection, link_id: int, window: Span, names: tuple[str, ...]
) -> Series | None:  # fmt: skip
    return load_streams(connection, {"radio": names}, link_id, window).get("radio")


def route_of_run(
    connection: psycopg.Connection, run: RunRecord, link: str, profile: str | None, *, grid: Grid = "section",
    size_m: float | None = None, moving_only: bool = False,
) -> dict[str, list[RouteCell]]:  # fmt: skip
    """Return the cells of the route of each link (or of the one named), excluded intervals left out.

    Raises NoDataError where there is no position or no probe, ValueError for a size that a grid does not have.
    """
    requirements = load_requirements(profile)
    exclusions, window = load_exclusions(connection, run), run_window_us(run)
    is_one_device = len({who for who, _ in link_ids(connection, run.site, run.devices, run.links)}) == 1
    found: dict[str, list[RouteCell]] = {}
    for each in _probed(connection, run, link):
        path = track_of(each.about)
        if path is None or not path.t_us.size:
            continue
        begin = partial(
            RouteScan, path, _radio(connection, each.link_id, window, ("rsrp_dbm", "sinr_db")), requirements,
            grid=grid, size_m=size_m, moving_only=moving_only, link=each.name, clock=each.clock,
        )  # fmt: skip
        scan = walked(connection, each.link_id, window, exclusions.of(each.name), begin)
        if scan.n:
            found[each.name if is_one_device else f"{each.device}/{each.name}"] = scan.result()
    if not found:
        raise NoDataError(
            f"run {run.name} has no link with both probes and positions: collect the gpsd source beside the probes,"
            " or import a recording with a position"
        )
    return found


def conditions_of_run(
    connection: psycopg.Connection, run: RunRecord, link: str = "", profile: str | None = None, *,
    moving_only: bool = False,
) -> list[LinkConditions]:  # fmt: skip
    """Return how delay and loss of each link (or of the one named) depend on RSRP, SINR, speed and cell.

    Excluded intervals are left out, and with `moving_only` what was measured while the vehicle stood; the waiting time
    of the profile, if it has one, says what is lost. A link beside which nothing of that was measured has no rows.
    """
    requirements = load_requirements(profile)
    exclusions: Exclusions = load_exclusions(connection, run)
    window, found = run_window_us(run), []
    wanted = ("rat", "rsrp_dbm", "sinr_db", "cell_id", "pci", "arfcn")
    for each in _probed(connection, run, link):
        begin = partial(
            ConditionScan, _radio(connection, each.link_id, window, wanted), track_of(each.about),
            each.about.get("vehicle"), profile=requirements, clock=each.clock,
        )  # fmt: skip
        stood = standstill(track_of(each.about), each.about.get("vehicle")) if moving_only else Standstill()
        excluded = [*exclusions.of(each.name), *stood.spans]
        scan = walked(connection, each.link_id, window, excluded, begin)
        if scan.n:
            direction, rows = scan.result()
            filters = "; ".join(filter(None, [scan.waiting_words, stood.words if moving_only else ""]))
            found.append(
                LinkConditions(device=each.device, link=each.name, direction=direction, rows=rows, filter=filters)
            )
    return found
