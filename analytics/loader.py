"""The one door from analytics to the database: a run's probes and clocks as arrays, evaluated link by link."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
import psycopg

from analytics.clock import ClockQuality, ClockSamples, clock_quality
from analytics.comparison import Comparison, Side, compare, section_blocks, time_blocks, usual_block_s
from analytics.conditions import LinkConditions, by_condition
from analytics.evaluate import evaluate_link, ping_convention
from analytics.exclusions import beside, without
from analytics.families.device import (
    DEVICE_STREAMS,
    LINK_STREAMS,
    evaluate_device_streams,
    evaluate_link_streams,
    track_of,
)
from analytics.offset_kpis import with_offset_corrected
from analytics.probes import COLUMNS, ProbeArrays, probe_arrays
from analytics.redundancy import Leg, evaluate_pairs
from analytics.requirements import Profile, load_requirements
from analytics.results import KpiResult
from analytics.route import Grid, RouteCell, route_cells
from analytics.series import Series, series
from analytics.spans import Span
from analytics.statistics import effective_n
from analytics.subject import Subject
from storage.errors import NoDataError
from storage.exclusions import list_exclusions
from storage.pending import settle_seconds
from storage.reader import link_ids, read_columns
from storage.runs import RunRecord

_CLOCK_MARGIN_US = 60_000_000


def run_window_us(run: RunRecord) -> tuple[int, int]:
    """Return start and end of a run in Unix microseconds; a run that goes on ends now."""
    end = run.ended_at or datetime.now(tz=UTC)
    return round(run.started_at.timestamp() * 1e6), round(end.timestamp() * 1e6)


def load_probes(
    connection: psycopg.Connection, link_id: int, start_us: int, end_us: int, excluded: Sequence[Span] = ()
) -> ProbeArrays:
    """Read the probe rows of one link, without the excluded intervals."""
    columns = read_columns(connection, "probe", COLUMNS, link_ids=[link_id], start_us=start_us, end_us=end_us)
    return probe_arrays(without(columns, excluded))


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


def evaluate_run(
    connection: psycopg.Connection, run: RunRecord, profile: str | None, *, is_live: bool | None = None,
    correct_offset: bool = False,
) -> list[KpiResult]:  # fmt: skip
    """Evaluate every link of a run that has probes, against a requirement profile (name, path, or None).

    A live window (by default a run without an end) ends at the newest packet whose fate is settled: those after it are
    neither absent nor all delivered, they are under way. `correct_offset`: one-way figures are corrected afterwards for
    the offset of the clocks, and say so. Raises RequirementError for a profile that cannot be used.
    """
    requirements = load_requirements(profile)
    ids = link_ids(connection, run.site, run.devices, run.links)
    window = run_window_us(run)
    is_open = run.ended_at is None if is_live is None else is_live
    settle_s = settle_seconds(connection, list(ids.values())) if is_open else {}
    exclusions = [(_microseconds(each.started_at), _microseconds(each.ended_at), each.link)
                  for each in list_exclusions(connection, run, revoked=False)]  # fmt: skip
    evaluate = _evaluate_corrected if correct_offset else _evaluate_link
    results: list[KpiResult] = []
    for device in sorted({name for name, _ in ids}):
        own_id = ids.get((device, ""))
        for (name, link), link_id in ids.items():
            if name == device:
                spans = [(start, end) for start, end, only in exclusions if only in ("", link)]
                who = (device, link, link_id, own_id)
                settled = (window[0], window[1] - round(settle_s.get(link_id, 0) * 1e6))
                asked = (window, settled, requirements)
                found = evaluate(connection, who, asked, spans)
                if spans:
                    found = beside(found, evaluate(connection, who, asked, ()), spans, window)
                results += found
        links = [(link, link_id) for (name, link), link_id in ids.items() if name == device and link]
        ends = {link_id: window[1] - round(settle_s.get(link_id, 0) * 1e6) for _, link_id in links}
        results += _evaluate_pairs(connection, device, links, own_id, (window, ends, exclusions, requirements))
    return results


def _evaluate_pairs(
    connection: psycopg.Connection, device: str, links: Sequence[tuple[str, int]], own_id: int | None,
    asked: tuple[Span, Mapping[int, int], Sequence[tuple[int, int, str]], Profile],
) -> list[KpiResult]:  # fmt: skip
    """Return what every pair of a device's links gave together.

    `asked`: the window, the end of it by link up to which fates are known, the exclusions and the requirements.
    """
    window, ends, exclusions, profile = asked
    if len(links) < 2:  # noqa: PLR2004 - a pair
        return []
    found = []
    for are_excluded in (True, False) if exclusions else (False,):
        legs = []
        for link, link_id in links:
            spans = [(start, end) for start, end, only in exclusions if only in ("", link) and are_excluded]
            probes = load_probes(connection, link_id, window[0], ends[link_id], spans)
            if probes.n:
                first_us, last_us = int(probes.t_us.min()), int(probes.t_us.max())
                clock = load_clock_quality(connection, own_id, link_id, first_us, last_us)
                legs.append(Leg(link, probes, clock))
        found.append(evaluate_pairs(legs, device, profile))
    every = [(start, end) for start, end, only in exclusions if only in {"", *(link for link, _ in links)}]
    return beside(found[0], found[1], every, window) if every else found[0]


def _microseconds(at: datetime) -> int:
    return round(at.timestamp() * 1e6)


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
            about = _about(connection, ids.get((key[0], "")), window) if align == "distance" else {}
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
    exclusions = list_exclusions(connection, run, revoked=False)
    found: dict[str, list[RouteCell]] = {}
    for (device, name), link_id in ids.items():
        if not name or link not in ("", name):
            continue
        spans = [(_microseconds(each.started_at), _microseconds(each.ended_at))
                 for each in exclusions if each.link in ("", name)]  # fmt: skip
        path = track_of(_about(connection, ids.get((device, "")), window))
        probes = load_probes(connection, link_id, *window, spans)
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
    exclusions = list_exclusions(connection, run, revoked=False)
    found = []
    for (device, name), link_id in ids.items():
        if not name or link not in ("", name):
            continue
        spans = [(_microseconds(each.started_at), _microseconds(each.ended_at))
                 for each in exclusions if each.link in ("", name)]  # fmt: skip
        probes = load_probes(connection, link_id, *window, spans)
        if not probes.n:
            continue
        about = _about(connection, ids.get((device, "")), window)
        wanted = {"radio": ("rsrp_dbm", "sinr_db", "cell_id", "pci", "arfcn")}
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


def _about(
    connection: psycopg.Connection, own_id: int | None, window: Span, excluded: Sequence[Span] = ()
) -> dict[str, Series]:
    """Read the streams of a device itself; nothing where it sent none."""
    return {} if own_id is None else load_streams(connection, DEVICE_STREAMS, own_id, window, excluded)


def _evaluate_link(
    connection: psycopg.Connection, who: tuple[str, str, int, int | None], asked: tuple[Span, Span, Profile],
    excluded: Sequence[Span],
) -> list[KpiResult]:  # fmt: skip
    """Return the KPIs of one link; of the link "", those of the device itself and of what it sent without a link.

    `asked`: the window, the part of it in which every packet's fate is known, and the requirements.
    """
    device, link, link_id, own_id = who
    window, settled, profile = asked
    about = _about(connection, own_id, window, excluded)
    results: list[KpiResult] = []
    probes = load_probes(connection, link_id, *settled, excluded) if link else None
    if probes is not None and probes.n:
        first_us, last_us = int(probes.t_us.min()), int(probes.t_us.max())
        clock = load_clock_quality(connection, own_id, link_id, first_us, last_us)
        subject = _subject(device, link, profile, first_us, last_us, clock)
        results += evaluate_link(probes, subject)
        if _is_from_ping(connection, link_id, *window):
            results += ping_convention(probes, subject)
    streams = load_streams(connection, LINK_STREAMS, link_id, window, excluded)
    if streams:
        subject = _subject(device, link, profile, *_span(streams.values()))
        results += evaluate_link_streams(streams, probes, about, subject)
    if not link and about:
        results += evaluate_device_streams(about, _subject(device, "", profile, *_span(about.values())))
    return results


def _evaluate_corrected(
    connection: psycopg.Connection, who: tuple[str, str, int, int | None], asked: tuple[Span, Span, Profile],
    excluded: Sequence[Span],
) -> list[KpiResult]:  # fmt: skip
    """Return what `_evaluate_link` does, with the one-way figures corrected for the offset of the clocks."""
    device, link, link_id, own_id = who
    _, settled, profile = asked
    results = _evaluate_link(connection, who, asked, excluded)
    probes = load_probes(connection, link_id, *settled, excluded) if link else None
    if probes is None or not probes.n:
        return results
    first_us, last_us = int(probes.t_us.min()), int(probes.t_us.max())
    clock = load_clock_quality(connection, own_id, link_id, first_us, last_us)
    return with_offset_corrected(results, probes, _subject(device, link, profile, first_us, last_us, clock))


def _subject(  # noqa: PLR0917 - who, which requirements, when, how good the clocks
    device: str, link: str, profile: Profile, first_us: int, last_us: int, clock: ClockQuality | None = None
) -> Subject:
    return Subject(
        device=device, link=link, profile=profile, started_at=datetime.fromtimestamp(first_us / 1e6, tz=UTC),
        ended_at=datetime.fromtimestamp(last_us / 1e6, tz=UTC), clock=clock or ClockQuality("不明", None),
    )  # fmt: skip


def _span(streams: Iterable[Series]) -> tuple[int, int]:
    ends = [(int(each.t_us[0]), int(each.t_us[-1])) for each in streams]
    return min(low for low, _ in ends), max(high for _, high in ends)


def _is_from_ping(connection: psycopg.Connection, link_id: int, start_us: int, end_us: int) -> bool:
    """Tell whether the link's probes were read from a ping log, which says so in an event."""
    row = connection.execute(
        "SELECT 1 FROM event WHERE link_id = %s AND name = 'ping.summary' AND t >= to_timestamp(%s / 1e6)"
        " AND t <= to_timestamp(%s / 1e6) LIMIT 1",
        (link_id, start_us, end_us),
    ).fetchone()
    return row is not None
