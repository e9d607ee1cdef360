"""Probes and subjects for the KPI tests, from short lists."""

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from analytics.clock import ClockQuality
from analytics.link_scan import scanned
from analytics.offset_kpis import with_offset_corrected
from analytics.probes import ProbeArrays, probe_arrays
from analytics.requirements import NO_REQUIREMENTS, Profile
from analytics.subject import Subject

T0_US = 1_780_000_000_000_000
GOOD_CLOCK = ClockQuality("良", 100.0)
UNKNOWN_CLOCK = ClockQuality("不明", None, "時刻記録なし / no record")


@dataclass(frozen=True)
class Column:
    """A column as the reader gives it."""

    values: np.ndarray
    valid: np.ndarray | None = None


def column(values, dtype=np.int32):
    """Make a column from a list in which None is null."""
    is_valid = np.array([value is not None for value in values], bool)
    if is_valid.all():
        return Column(np.array(values, dtype))
    return Column(np.array([0 if value is None else value for value in values], dtype), is_valid)


def columns(rows: list[dict[str, Any]]) -> dict[str, Column]:
    """Make the columns of rows that name only what matters; a row without any delay is lost with direction unknown."""
    delays = {name: [row.get(name) for row in rows] for name in ("ul_us", "dl_us", "rtt_us")}
    is_lost = [all(delay is None for delay in each) for each in zip(*delays.values(), strict=True)]
    usual = {
        "t_us": (T0_US + 10_000 * row.get("seq", number) for number, row in enumerate(rows)),
        "session": itertools.repeat(1), "seq": itertools.count(), "refl_seq": itertools.repeat(None), **delays,
        "copy": (int(not lost) for lost in is_lost), "lost": (3 if lost else 0 for lost in is_lost),
    }  # fmt: skip
    kinds = {"t_us": np.int64, "copy": np.int16, "lost": np.int16}
    return {
        name: column(
            [row.get(name, value) for row, value in zip(rows, values, strict=False)], kinds.get(name, np.int32)
        )
        for name, values in usual.items()
    }


def probes(rows: list[dict[str, Any]]) -> ProbeArrays:
    """Make probes from rows."""
    return probe_arrays(columns(rows))


def round_trips(rtt_ms, **every) -> ProbeArrays:
    """Make probes from round-trip delays in ms, None for lost ones."""
    return probes([{"rtt_us": None if rtt is None else round(rtt * 1000), **every} for rtt in rtt_ms])


def subject(profile: Profile = NO_REQUIREMENTS, clock: ClockQuality = GOOD_CLOCK) -> Subject:
    """Make a subject."""
    start = datetime.fromtimestamp(T0_US / 1e6, tz=UTC)
    return Subject(device="car-1", link="l5g", started_at=start, ended_at=start, profile=profile, clock=clock)


def by_name(results):
    """Index results by (id, direction, statistic)."""
    return {(result.id, result.direction, result.statistic): result for result in results}


def offset_corrected(results, sent: ProbeArrays, who: Subject):
    """Correct the results of packets that are all here for the offset of the clocks."""
    return with_offset_corrected(results, scanned([sent], who), lambda: [sent], who)
