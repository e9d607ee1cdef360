"""The one door from analytics to the database: a run's probes and clocks as arrays, evaluated link by link."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
import psycopg

from analytics.clock import ClockQuality, ClockSamples, clock_quality
from analytics.evaluate import Subject, evaluate_link, ping_convention
from analytics.families.device import DEVICE_STREAMS, LINK_STREAMS, evaluate_device_streams, evaluate_link_streams
from analytics.probes import COLUMNS, ProbeArrays, probe_arrays
from analytics.requirements import Profile, load_requirements
from analytics.results import KpiResult
from analytics.series import Series, series
from storage.reader import link_ids, read_columns
from storage.runs import RunRecord

_CLOCK_MARGIN_US = 60_000_000


def run_window_us(run: RunRecord) -> tuple[int, int]:
    """Return start and end of a run in Unix microseconds; a run that goes on ends now."""
    end = run.ended_at or datetime.now(tz=UTC)
    return round(run.started_at.timestamp() * 1e6), round(end.timestamp() * 1e6)


def load_probes(connection: psycopg.Connection, link_id: int, start_us: int, end_us: int) -> ProbeArrays:
    """Read the probe rows of one link."""
    return probe_arrays(
        read_columns(connection, "probe", COLUMNS, link_ids=[link_id], start_us=start_us, end_us=end_us)
    )


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


def evaluate_run(connection: psycopg.Connection, run: RunRecord, profile: str | None) -> list[KpiResult]:
    """Evaluate every link of a run that has probes, against a requirement profile (name, path, or None).

    Raises RequirementError for a profile that cannot be used.
    """
    requirements = load_requirements(profile)
    ids = link_ids(connection, run.site, run.devices, run.links)
    window = run_window_us(run)
    results: list[KpiResult] = []
    for device in sorted({name for name, _ in ids}):
        own_id = ids.get((device, ""))
        about = load_streams(connection, DEVICE_STREAMS, own_id, *window) if own_id is not None else {}
        for (name, link), link_id in ids.items():
            if name == device:
                results += _evaluate_link(connection, (device, link, link_id, own_id), window, requirements, about)
        if about:
            results += evaluate_device_streams(about, _subject(device, "", requirements, *_span(about.values())))
    return results


def load_streams(
    connection: psycopg.Connection, wanted: Mapping[str, Sequence[str]], link_id: int, start_us: int, end_us: int
) -> dict[str, Series]:
    """Read the named columns of several streams of one link; a stream without a sample is left out."""
    found = {}
    for stream, names in wanted.items():
        samples = series(read_columns(connection, stream, names, link_ids=[link_id], start_us=start_us, end_us=end_us))
        if samples.n:
            found[stream] = samples
    return found


def _evaluate_link(
    connection: psycopg.Connection, who: tuple[str, str, int, int | None], window: tuple[int, int], profile: Profile,
    about: Mapping[str, Series],
) -> list[KpiResult]:  # fmt: skip
    device, link, link_id, own_id = who
    results: list[KpiResult] = []
    probes = load_probes(connection, link_id, *window) if link else None
    if probes is not None and probes.n:
        first_us, last_us = int(probes.t_us.min()), int(probes.t_us.max())
        clock = load_clock_quality(connection, own_id, link_id, first_us, last_us)
        subject = _subject(device, link, profile, first_us, last_us, clock)
        results += evaluate_link(probes, subject)
        if _is_from_ping(connection, link_id, *window):
            results += ping_convention(probes, subject)
    streams = load_streams(connection, LINK_STREAMS, link_id, *window)
    if streams:
        subject = _subject(device, link, profile, *_span(streams.values()))
        results += evaluate_link_streams(streams, probes, about, subject)
    return results


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
