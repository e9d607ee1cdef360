"""A run's streams from the database as arrays; route and conditions of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import psycopg

from analytics.clock import ClockQuality, clock_quality
from analytics.clock_record import ClockSamples
from analytics.conditions import LinkConditions, by_condition
from analytics.exclusions import without
from analytics.families.device import (
    DEVICE_STREAMS,
    track_of,
)
from analytics.probes import COLUMNS, ProbeArrays, probe_arrays
from analytics.requirements import load_requirements
from analytics.route import Grid, RouteCell, route_cells
from analytics.series import Series, series
from analytics.spans import Span
from storage.columnar import ArrayColumn
from storage.errors import NoDataError
from storage.exclusions import list_exclusions
from storage.long_reader import read_long
from storage.reader import link_ids, read_columns
from storage.runs import RunRecord

_CLOCK_MARGIN_US = 60_000_000

ProbeColumns = dict[str, ArrayColumn]


def run_window_us(run: RunRecord) -> tuple[int, int]:
    """Return start and end of a run in Unix microseconds; a run that goes on ends now."""
    end = run.ended_at or datetime.now(tz=UTC)
    return round(run.started_at.timestamp() * 1e6), round(end.timestamp() * 1e6)


def load_probe_columns(connection: psycopg.Connection, link_id: int, start_us: int, end_us: int) -> ProbeColumns:
    """Read the probe rows of one link."""
    return read_long(connection, "probe", COLUMNS, link_ids=[link_id], start_us=start_us, end_us=end_us)


def load_probes(
    connection: psycopg.Connection, link_id: int, start_us: int, end_us: int, excluded: Sequence[Span] = ()
) -> ProbeArrays:
    """Read the probe rows of one link, without the excluded intervals."""
    return probe_arrays(without(load_probe_columns(connection, link_id, start_us, end_us), excluded))


@dataclass(frozen=True, slots=True)
class Exclusions:
    """What is left out of a run: start and end in Unix microseconds, and the link ("" means all)."""

    intervals: tuple[tuple[int, int, str], ...]

    def of(self, *links: str) -> list[Span]:
        """Return the intervals that concern any of some links."""
        return [(start, end) for start, end, only in self.intervals if only in {"", *links}]


def load_exclusions(connection: psycopg.Connection, run: RunRecord) -> Exclusions:
    """Read what is left out of a run."""
    return Exclusions(tuple(
        (round(each.started_at.timestamp() * 1e6), round(each.ended_at.timestamp() * 1e6), each.link)
        for each in list_exclusions(connection, run, revoked=False)
    ))  # fmt: skip


def load_clock(connection: psycopg.Connection, link_id: int | None, start_us: int, end_us: int) -> ClockSamples | None:
    """Read the clock samples of a device (its own link "") or of a link's far end; None where there is no such link."""
    if link_id is None:
        return None
    columns = read_columns(
        connection, "clock", ["synced", "bound_us", "method"], link_ids=[link_id],
        start_us=start_us - _CLOCK_MARGIN_US, end_us=end_us + _CLOCK_MARGIN_US,
    )  # fmt: skip
    bound = columns["bound_us"]
    bound_us = bound.values.astype(np.float64)
    if bound.valid is not None:
        bound_us[~bound.valid] = np.nan
    return ClockSamples(
        columns["t_us"].values, columns["synced"].values.astype(np.bool_), bound_us,
        np.asarray(columns["method"].values == "declared", np.bool_),
    )  # fmt: skip


def load_clock_quality(  # noqa: PLR0917 - two clocks, and the time they are judged for
    connection: psycopg.Connection, own_id: int | None, far_id: int, start_us: int, end_us: int,
    limit_us: float | None = None, excluded: Sequence[Span] = (),
) -> ClockQuality:  # fmt: skip
    """Judge the clocks of both ends of a link (`analytics.clock.clock_quality`)."""
    own = load_clock(connection, own_id, start_us, end_us)
    far = load_clock(connection, far_id, start_us, end_us)
    return clock_quality(own, far, start_us, end_us, limit_us, excluded)


def route_of_run(
    connection: psycopg.Connection, run: RunRecord, link: str, profile: str | None, *, grid: Grid = "section",
    size_m: float | None = None, moving_only: bool = False,
) -> dict[str, list[RouteCell]]:  # fmt: skip
    """Return the cells of the route of each link (or of the one named), excluded intervals left out.

    Raises NoDataError where there is no position or no probe, ValueError for a size that a grid does not have.
    """
    requirements = load_requirements(profile)
    ids, window = link_ids(connection, run.site, run.devices, run.links), run_window_us(run)
    exclusions = load_exclusions(connection, run)
    found: dict[str, list[RouteCell]] = {}
    for (device, name), link_id in ids.items():
        if not name or link not in ("", name):
            continue
        path = track_of(about_device(connection, ids.get((device, "")), window))
        probes = load_probes(connection, link_id, *window, exclusions.of(name))
        if path is None or not path.t_us.size or not probes.n:
            continue
        radio = load_streams(connection, {"radio": ("rsrp_dbm", "sinr_db")}, link_id, window).get("radio")
        ends = (int(probes.t_us.min()), int(probes.t_us.max()))
        clock = load_clock_quality(connection, ids.get((device, "")), link_id, *ends)
        key = name if len({who for who, _ in ids}) == 1 else f"{device}/{name}"
        found[key] = route_cells(
            probes,
            path,
            radio,
            requirements,
            grid=grid,
            size_m=size_m,
            moving_only=moving_only,
            link=name,
            clock=clock,
        )
    if not found:
        raise NoDataError(
            f"run {run.name} has no link with both probes and positions: collect the gpsd source beside the probes,"
            " or import a recording with a position"
        )
    return found


def conditions_of_run(connection: psycopg.Connection, run: RunRecord, link: str = "") -> list[LinkConditions]:
    """Return how delay and loss of each link (or of the one named) depend on RSRP, SINR, speed and cell.

    Excluded intervals are left out. A link beside which nothing of that was measured has no rows.
    """
    ids, window = link_ids(connection, run.site, run.devices, run.links), run_window_us(run)
    exclusions = load_exclusions(connection, run)
    found = []
    for (device, name), link_id in ids.items():
        if not name or link not in ("", name):
            continue
        probes = load_probes(connection, link_id, *window, exclusions.of(name))
        if not probes.n:
            continue
        about = about_device(connection, ids.get((device, "")), window)
        wanted = {"radio": ("rat", "rsrp_dbm", "sinr_db", "cell_id", "pci", "arfcn")}
        radio = load_streams(connection, wanted, link_id, window).get("radio")
        direction, rows = by_condition(probes, radio, track_of(about), about.get("vehicle"))
        found.append(LinkConditions(device=device, link=name, direction=direction, rows=rows))
    return found


def load_streams(
    connection: psycopg.Connection, wanted: Mapping[str, Sequence[str]], link_id: int, window: Span,
    excluded: Sequence[Span] = (),
) -> dict[str, Series]:  # fmt: skip
    """Read the named columns of several streams of one link; a stream without a sample is left out."""
    start_us, end_us = window
    found = {}
    for stream, names in wanted.items():
        columns = read_columns(connection, stream, names, link_ids=[link_id], start_us=start_us, end_us=end_us)
        samples = series(without(columns, excluded))
        if samples.n:
            found[stream] = samples
    return found


def about_device(
    connection: psycopg.Connection, own_id: int | None, window: Span, excluded: Sequence[Span] = ()
) -> dict[str, Series]:
    """Read the streams of a device itself; nothing where it sent none."""
    return {} if own_id is None else load_streams(connection, DEVICE_STREAMS, own_id, window, excluded)
