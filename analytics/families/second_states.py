"""How each second of a drive stood with one part of what is asked of it: held, failed, unmeasured, not asked. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analytics.families.asked import Asked
from analytics.families.commands import stops_of, taken_us
from analytics.probe_seconds import ProbeSeconds
from analytics.series import Bools, Floats, Series, Times
from analytics.spans import Span

States = npt.NDArray[np.int8]
NOT_ASKED, UNMEASURED, FAILED, HELD = 0, 1, 2, 3
"""In this order: of several links (any of them will do) the largest counts."""

_SECOND_US = 1_000_000
_TOUCH = 0.1
"""A row that reaches into a second by less than a tenth of it (or of the row) says nothing of that second."""

_COVERED_US = 500_000
"""A second of which rows cover less than a half has no video."""


def all_of(parts: list[States], n: int) -> States:
    """Return how seconds stand with several parts that must hold together: one that failed fails the second."""
    if not parts:
        return np.full(n, NOT_ASKED, np.int8)
    together = np.stack(parts)
    found = np.where((together == HELD).any(axis=0), HELD, NOT_ASKED)
    found = np.where((together == UNMEASURED).any(axis=0), UNMEASURED, found)
    return np.where((together == FAILED).any(axis=0), FAILED, found).astype(np.int8)


def of_packets(asked: Asked, packets: ProbeSeconds, seconds: Times, bound_us: float | None) -> States | None:
    """Return the states of a part about packets, None where the link does not measure it.

    `bound_us` of both clocks for one-way delays, None where nothing may be judged by them: then nobody can say. A
    second in which the bound decides is not measured. A lost packet is infinitely late.
    """
    place = np.searchsorted(packets.seconds, seconds)
    place = np.minimum(place, max(packets.seconds.size - 1, 0))
    if not packets.seconds.size:
        return None
    was_sent = packets.seconds[place] == seconds
    if asked.subject == "loss":
        ratio = (packets.lost(asked.needs) / packets.sent)[place]
        return _states(was_sent, ratio <= asked.limit, ratio > asked.limit)
    doubt_us = 0.0 if asked.needs == "round_trip" else bound_us
    if not packets.has(asked.needs) or doubt_us is None:
        return None
    largest_us, limit_us = packets.largest_us(asked.needs)[place], asked.limit * 1000
    return _states(was_sent, largest_us + doubt_us <= limit_us, largest_us - doubt_us > limit_us)


def _states(was_there: Bools, is_good: Bools, is_bad: Bools) -> States:
    found = np.where(is_good, HELD, np.where(is_bad, FAILED, UNMEASURED))
    return np.where(was_there, found, UNMEASURED).astype(np.int8)


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraRows:
    """The rows of one camera over one link, and from when until when its picture is due (over any link).

    `cuts` were left out of the link: rows that end in one are gone, and what they covered before it is not due.
    """

    rows: Series
    due_from_us: int
    due_until_us: int
    cuts: Sequence[Span] = ()


def of_camera(asked: Asked, camera: CameraRows, seconds: Times) -> States | None:
    """Return the states of a part about one camera, None where it is not recorded.

    A row stands for [t - interval, t). A second that is due and has no rows failed: a stream that stops is frozen.
    """
    values, limit = _video_values(asked, camera.rows)
    known = ~np.isnan(values)
    if not known.any():
        return None
    length_us = np.nan_to_num(camera.rows.number("interval_s")) * 1e6
    end_us = camera.rows.t_us
    start_us = end_us - np.maximum(length_us, 0).astype(np.int64)
    first = np.searchsorted(seconds, start_us // _SECOND_US)
    counts = np.maximum(np.searchsorted(seconds, (end_us - 1) // _SECOND_US, side="right") - first, 0)
    row = np.repeat(np.arange(end_us.size), counts)
    place = np.arange(row.size) - np.repeat(np.cumsum(counts) - counts, counts) + first[row]
    from_us = seconds[place] * _SECOND_US
    shared_us = np.minimum(end_us[row], from_us + _SECOND_US) - np.maximum(start_us[row], from_us)
    touches = shared_us >= _TOUCH * np.minimum(_SECOND_US, np.maximum(length_us[row], 1))
    row, place, shared_us = row[touches], place[touches], shared_us[touches]
    covered_us = np.bincount(place, weights=shared_us, minlength=seconds.size)
    is_good, is_bad = np.zeros(seconds.size, bool), np.zeros(seconds.size, bool)
    told = known[row]
    is_good[place[told]] = True
    is_bad[place[told & (values[row] > limit)]] = True
    is_due = (seconds * _SECOND_US >= camera.due_from_us) & (seconds * _SECOND_US < camera.due_until_us)
    for start, end in camera.cuts:
        is_due &= (seconds * _SECOND_US >= end) | ((seconds + 1) * _SECOND_US + np.median(length_us) <= start)
    is_missing = is_due & (covered_us < _COVERED_US)
    found = np.where(is_bad | is_missing, FAILED, np.where(is_good, HELD, UNMEASURED))
    return found.astype(np.int8)


def _video_values(asked: Asked, rows: Series) -> tuple[Floats, float]:
    """Return values of which more is worse, NaN where not measured, and their limit; no frame is infinitely late."""
    fps, length_s = rows.number("fps"), rows.number("interval_s")
    is_dark = fps == 0
    if asked.column == "fps":
        return -fps, -asked.limit
    if asked.column == "loss":
        lost = np.maximum(rows.number("packets_lost"), 0)
        total = rows.number("packets_received") + lost
        return np.divide(lost, total, out=np.full(rows.n, np.nan), where=total > 0), asked.limit
    if asked.column in {"freeze", "frozen_s"}:
        frozen_s = np.where(is_dark, length_s, rows.number("freeze_s"))
        return (frozen_s if asked.column == "frozen_s" else frozen_s / np.maximum(length_s, 1e-9)), asked.limit
    values = rows.number("delay_us" if asked.column == "delay" else "jitter_us") / 1000
    return (np.where(is_dark & np.isnan(values), np.inf, values) if asked.column == "delay" else values), asked.limit


def of_commands(asked: Asked, commands: Series, seconds: Times, stop_names: tuple[str, ...]) -> States | None:
    """Return the states of a part about commands by the second of sending, None where nothing like it is recorded.

    A second in which nothing was sent is not asked. A command without an answer failed.
    """
    if asked.column == "stop":
        is_mine, taken = stops_of(commands, stop_names), taken_us(commands)
    else:
        is_mine, taken = np.ones(commands.n, bool), commands.number(asked.column)
        if asked.column == "executed_us" and not np.isfinite(taken).any():
            return None
    if not is_mine.any():
        return None
    second, taken = commands.t_us[is_mine] // _SECOND_US, np.nan_to_num(taken[is_mine], nan=np.inf)
    place = np.searchsorted(seconds, second)
    inside = (place < seconds.size) & (seconds[np.minimum(place, seconds.size - 1)] == second)
    found = np.full(seconds.size, NOT_ASKED, np.int8)
    found[place[inside]] = HELD
    found[place[inside & (taken > asked.limit * 1000)]] = FAILED
    return found


def due(rows_by_link: Mapping[str, Series], end_us: int, *, is_silent: bool) -> tuple[int, int]:
    """Return from when until when a camera's picture is due, by its rows over all links that ever carried it.

    From the start of its first row to its last one, or to the end of the measurement where it then fell silent.
    """
    firsts = [
        int(rows.t_us[0] - np.nan_to_num(rows.number("interval_s")[0]) * 1e6) for rows in rows_by_link.values()
    ]  # fmt: skip
    last = max(int(rows.t_us[-1]) for rows in rows_by_link.values())
    # The last second of the drive began before its end, and is due as a whole.
    return min(firsts), max(end_us, last) + _SECOND_US if is_silent else last
