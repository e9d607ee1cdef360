"""Route fitness and conditions of a run from the database: the packets of each link read chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec
import psycopg

from analytics.clock import ClockQuality
from analytics.conditions import ConditionScan, LinkConditions
from analytics.exclusions import stated
from analytics.families.device import track_of
from analytics.loader import about_device, load_clock_quality, load_exclusions, load_streams, run_window_us
from analytics.packet_loader import probe_extent, walked
from analytics.requirements import Profile, load_requirements
from analytics.route import RouteScan
from analytics.route_cell import Grid, RouteCell
from analytics.series import Series
from analytics.spans import Span
from analytics.standstill import Standstill, standstill
from storage.errors import NoDataError
from storage.reader import link_ids
from storage.runs import RunRecord


@dataclass(frozen=True, slots=True)
class _LeftOut:
    """What is left out of a link: by hand, and the halts where only driving is asked for (None: it is not)."""

    by_hand: Sequence[Span]
    stood: Standstill | None

    @property
    def spans(self) -> list[Span]:
        """All of it."""
        return [*self.by_hand, *(() if self.stood is None else self.stood.spans)]

    def words(self, window: Span, waiting: str) -> str:
        """Say of which packets the figures are; `waiting` says from when on they count as lost."""
        stood = "" if self.stood is None else self.stood.words
        return "; ".join(filter(None, [waiting, stood, stated(self.by_hand, window)]))


@dataclass(frozen=True, slots=True)
class _Probed:
    """A link on which packets were sent, with the streams of its device over the whole run."""

    device: str
    name: str
    link_id: int
    about: dict[str, Series]
    clock: ClockQuality
    left_out: _LeftOut


def _probed(
    connection: psycopg.Connection, run: RunRecord, link: str, profile: Profile, *, moving_only: bool
) -> Iterator[_Probed]:  # fmt: skip
    ids, window = link_ids(connection, run.site, run.devices, run.links), run_window_us(run)
    exclusions, limit_us = load_exclusions(connection, run), profile.parameters.clock_limit_us
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
        stood = standstill(track_of(about[device]), about[device].get("vehicle")) if moving_only else None
        left_out = _LeftOut(exclusions.of(name), stood)
        clock = load_clock_quality(connection, own_id, link_id, *extent_us, limit_us, left_out.spans)
        yield _Probed(device, name, link_id, about[device], clock, left_out)


def _radio(
    connection: psycopg.Connection, link_id: int, window: Span, names: tuple[str, ...]
) -> Series | None:  # fmt: skip
    return load_streams(connection, {"radio": names}, link_id, window).get("radio")


def route_of_run(
    connection: psycopg.Connection, run: RunRecord, link: str, profile: str | None, *, grid: Grid = "section",
    size_m: float | None = None, moving_only: bool = False,
) -> dict[str, list[RouteCell]]:  # fmt: skip
    """Return the cells of the route of each link (or of the one named), excluded intervals left out.

    With `moving_only` so is what was measured while the vehicle stood, as for the KPIs of a run.

    Raises NoDataError where there is no position or no probe, ValueError for a size that a grid does not have.
    """
    requirements = load_requirements(profile)
    window = run_window_us(run)
    is_one_device = len({who for who, _ in link_ids(connection, run.site, run.devices, run.links)}) == 1
    found: dict[str, list[RouteCell]] = {}
    for each in _probed(connection, run, link, requirements, moving_only=moving_only):
        path = track_of(each.about)
        if path is None or not path.t_us.size:
            continue
        begin = partial(
            RouteScan, path, _radio(connection, each.link_id, window, ("rsrp_dbm", "sinr_db")), requirements,
            grid=grid, size_m=size_m, link=each.name, clock=each.clock,
        )  # fmt: skip
        scan = walked(connection, each.link_id, window, each.left_out.spans, begin)
        if scan.n:
            filters = each.left_out.words(window, scan.waiting_words)
            found[each.name if is_one_device else f"{each.device}/{each.name}"] = [
                msgspec.structs.replace(cell, filter=filters) for cell in scan.result()
            ]
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
    window, found = run_window_us(run), []
    wanted = ("rat", "rsrp_dbm", "sinr_db", "cell_id", "pci", "arfcn")
    for each in _probed(connection, run, link, requirements, moving_only=moving_only):
        begin = partial(
            ConditionScan, _radio(connection, each.link_id, window, wanted), track_of(each.about),
            each.about.get("vehicle"), profile=requirements, clock=each.clock,
        )  # fmt: skip
        scan = walked(connection, each.link_id, window, each.left_out.spans, begin)
        if scan.n:
            direction, rows = scan.result()
            filters = each.left_out.words(window, scan.waiting_words)
            found.append(
                LinkConditions(device=each.device, link=each.name, direction=direction, rows=rows, filter=filters)
            )
    return found
