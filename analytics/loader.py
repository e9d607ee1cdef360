"""A run's streams from the database as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import psycopg

from analytics.clock import ClockQuality, clock_quality
from analytics.clock_record import ClockSamples
from analytics.exclusions import without
from analytics.families.device import DEVICE_STREAMS
from analytics.probes import COLUMNS, ProbeArrays, probe_arrays
from analytics.series import Series, series
from analytics.spans import Span
from storage.columnar import ArrayColumn
from storage.exclusions import list_exclusions
from storage.long_reader import read_long
from storage.reader import read_columns
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
        """Return the intervals that concern any of some links, each once."""
        found = [(start, end) for start, end, only in self.intervals if only in {"", *links}]
        return list(dict.fromkeys(found))

    def and_of(self, links: Sequence[str], spans: Sequence[Span]) -> Exclusions:
        """Return these and more intervals, left out of some links only: not of what a device itself says."""
        return Exclusions(self.intervals + tuple((start, end, link) for link in links for start, end in spans))


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
