"""A run's streams from the database as arrays; comparison, route and conditions of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import psycopg

from analytics.clock import ClockQuality, ClockSamples, clock_quality
from analytics.comparison import Comparison, Side, compare, section_blocks, time_blocks, usual_block_s
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
from analytics.statistics import effective_n
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
    return ClockSamples(columns["t_us"].values, columns["synced"].values.astype(np.bool_), bound_us)


def load_clock_quality(
    connection: psycopg.Connection, own_id: int | None, far_id: int, start_us: int, end_us: int
) -> ClockQuality:
    """Judge the clocks of both ends of a link."""
    own = load_clock(connection, own_id, start_us, end_us)
    far = load_clock(connection, far_id, start_us, end_us)
    return clock_quality(own, far, start_us, end_us)


def compare_runs(
    connection: psycopg.Connection, a: RunRecord, b: RunRecord, *, link: str = "", other_link: str = "",
    align: str = "elapsed", profile: str | None = None,
) -> list[Comparison]:  # fmt: skip
    """Compare two runs link by link (or two links, also of one run): b against a, each effect with its interval.

    `align`: "elapsed" pairs the same time since the start (the same instant where both are one run), "distance" the
    same section of the route, "none" draws both sides on their own. Raises RequirementError for the profile,
    NoDataError where a link or a position is missing.
    """
    parameters = load_requirements(profile).parameters
    own, other = (link_ids(connection, run.site, run.devices, run.links) for run in (a, b))
    wanted = [key for key in own if key[1] and link in ("", key[1])]
    found = []
    for device, name in wanted:
        far = next((key for key in other if key == (device, other_link or name)), None)
        far = far or next((key for key in other if key[1] == (other_link or name)), None)
        if far is None:
            continue
        sides = []
        for run, ids, key in ((a, own, (device, name)), (b, other, far)):
            window = run_window_us(run)
            probes = load_probes(connection, ids[key], *window)
            about = about_device(connection, ids.get((key[0], "")), window) if align == "distance" else {}
            sides.append((probes, track_of(about)))
        (left, left_path), (right, right_path) = sides
        if not left.n or not right.n:
            continue
        if align == "distance":
            if left_path is None or right_path is None:
                raise NoDataError("no positions to align by distance: use --align elapsed, or collect the gpsd source")
            blocks = [section_blocks(probes, path, parameters.section_m) for probes, path in
                      ((left, left_path), (right, right_path))]  # fmt: skip
            unit_name = f"sections of {parameters.section_m:g} m"
        else:
            block_s = usual_block_s(left, right)
            same = a.run_id == b.run_id and align == "elapsed"
            start = min(int(left.t_us.min()), int(right.t_us.min())) if same else None
            blocks = [time_blocks(probes, block_s, start) for probes in (left, right)]
            unit_name = f"blocks of {block_s:g} s"
        found.append(Comparison(
            a=a.name, b=b.name, link_a=name, link_b=far[1], align=align,
            effects=compare(Side(left, blocks[0]), Side(right, blocks[1]), is_paired=align != "none",
                            unit_name=unit_name, within_ms=parameters.rtt_within_ms),
        ))  # fmt: skip
    if not found:
        raise NoDataError(
            f"nothing to compare: {a.name} and {b.name} have no link with probes in common; name two links with"
            " --link and --other-link"
        )
    return found


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
        key = name if len({who for who, _ in ids}) == 1 else f"{device}/{name}"
        found[key] = route_cells(
            probes, path, radio, requirements, grid=grid, size_m=size_m, moving_only=moving_only, link=name
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


def burstiness(connection: psycopg.Connection, run: RunRecord, link: str = "") -> tuple[str, float, float]:
    """Return link, worth of a packet (n_eff / n) and packets a second of a run's link: the first, or the one named.

    Raises NoDataError.
    """
    for (_, name), link_id in link_ids(connection, run.site, run.devices, run.links).items():
        if not name or link not in ("", name):
            continue
        probes = load_probes(connection, link_id, *run_window_us(run))
        span_s = float(np.ptp(probes.t_us)) / 1e6 if probes.n else 0.0
        if span_s:
            order = np.argsort(probes.t_us, kind="stable")
            lost = probes.lost[order] > 0
            delay = probes.delays["round_trip"] if probes.has("round_trip") else probes.delays["up"]
            varies = lost.any() and not lost.all()
            worth = effective_n(lost if varies else delay.us[order][delay.valid[order]]) / probes.n
            return name, min(worth, 1.0), probes.n / span_s
    raise NoDataError(f"run {run.name} has no probes{f' on link {link}' if link else ''} to take the burstiness from")


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
