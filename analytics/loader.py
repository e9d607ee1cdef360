"""The one door from analytics to the database: a run's probes and clocks as arrays, evaluated link by link."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import psycopg

from analytics.clock import ClockQuality, ClockSamples, clock_quality
from analytics.evaluate import Subject, evaluate_link, ping_convention
from analytics.probes import COLUMNS, ProbeArrays, probe_arrays
from analytics.requirements import load_requirements
from analytics.results import KpiResult
from storage.pending import settle_seconds
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


def evaluate_run(
    connection: psycopg.Connection, run: RunRecord, profile: str | None, *, is_live: bool | None = None
) -> list[KpiResult]:
    """Evaluate every link of a run that has probes, against a requirement profile (name, path, or None).

    A live window (by default a run without an end) ends at the newest packet whose fate is settled: those after it are
    neither absent nor all delivered, they are under way. Raises RequirementError for a profile that cannot be used.
    """
    requirements = load_requirements(profile)
    ids = link_ids(connection, run.site, run.devices, run.links)
    start_us, end_us = run_window_us(run)
    is_open = run.ended_at is None if is_live is None else is_live
    settle_s = settle_seconds(connection, list(ids.values())) if is_open else {}
    results: list[KpiResult] = []
    for (device, link), link_id in ids.items():
        if not link:
            continue
        probes = load_probes(connection, link_id, start_us, end_us - round(settle_s.get(link_id, 0) * 1e6))
        if not probes.n:
            continue
        first_us, last_us = int(probes.t_us.min()), int(probes.t_us.max())
        subject = Subject(
            device=device,
            link=link,
            started_at=datetime.fromtimestamp(first_us / 1e6, tz=UTC),
            ended_at=datetime.fromtimestamp(last_us / 1e6, tz=UTC),
            profile=requirements,
            clock=load_clock_quality(connection, ids.get((device, "")), link_id, first_us, last_us),
        )
        results += evaluate_link(probes, subject)
        if _is_from_ping(connection, link_id, start_us, end_us):
            results += ping_convention(probes, subject)
    return results


def _is_from_ping(connection: psycopg.Connection, link_id: int, start_us: int, end_us: int) -> bool:
    """Tell whether the link's probes were read from a ping log, which says so in an event."""
    row = connection.execute(
        "SELECT 1 FROM event WHERE link_id = %s AND name = 'ping.summary' AND t >= to_timestamp(%s / 1e6)"
        " AND t <= to_timestamp(%s / 1e6) LIMIT 1",
        (link_id, start_us, end_us),
    ).fetchone()
    return row is not None
