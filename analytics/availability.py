"""Availability with survival time, outages and time between failures (3GPP TS 22.104 C.3; our convention for edges).

Message k is sent at s_k and must arrive by d_k = s_k + Tmax. The link is down from the deadline of the first failed
message until the arrival of the next timely one; if that lasts longer than the survival time, the service is down from
(link down + survival time) to that arrival. A late message does not restore it. Time that was not measured is in
neither part: a new session, or a pause much longer than the sending interval, begins a new segment.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analytics.probes import ProbeArrays

PAUSE_INTERVALS = 50
PAUSE_S = 5.0
"""A gap between two sent packets of more than 50 intervals and more than 5 s was not measured. Poisson gaps exceed 50
means with probability 2e-22, so no real sending gap is mistaken for a pause."""

Times = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Availability:
    """Observed time and the outages in it; times in microseconds, `start_us` since the Unix epoch."""

    observed_us: int
    start_us: Times
    end_us: Times
    up_ratio_by_second: npt.NDArray[np.float64]
    window_start_us: Times
    window_end_us: Times

    @property
    def down_us(self) -> int:
        """Time the service was down."""
        return int((self.end_us - self.start_us).sum())

    @property
    def ratio(self) -> float | None:
        """Share of observed time in which the service was up; None where nothing was observed."""
        return 1 - self.down_us / self.observed_us if self.observed_us else None


def availability(probes: ProbeArrays, direction: str, t_max_us: int, survival_us: int) -> Availability:
    """Compute the outages of one link, messages in order of sending.

    Sessions are judged each on its own. Where two overlap (two senders on one link), the service is up while either
    of them says so.
    """
    order = _by_session_and_time(probes)
    sent_us, session, delay = probes.t_us[order], probes.session[order], probes.delays[direction]
    is_timely = (delay.valid & (delay.us <= t_max_us) & (probes.lost == 0))[order]
    arrival_us = sent_us + delay.us[order]
    gaps = np.diff(sent_us)
    same = np.diff(session) == 0
    within = gaps[same & (gaps > 0)]
    interval_us = int(np.median(within)) if within.size else 0
    limit_us = max(PAUSE_INTERVALS * interval_us, int(PAUSE_S * 1e6))
    edges = [0, *(np.flatnonzero(~same | (gaps > limit_us)) + 1).tolist(), sent_us.size]
    starts, ends, windows = [], [], []
    for first, last in itertools.pairwise(edges):
        if first == last:
            continue
        low, high = int(sent_us[first]) + t_max_us, int(sent_us[last - 1]) + t_max_us + interval_us
        rows = slice(first, last)
        down, up = _outages(sent_us[rows] + t_max_us, arrival_us[rows], is_timely[rows], survival_us, high)
        starts.append(down)
        ends.append(up)
        windows.append((low, high))
    start_us = np.concatenate(starts) if starts else np.empty(0, np.int64)
    end_us = np.concatenate(ends) if ends else np.empty(0, np.int64)
    if _overlap(windows):
        windows, start_us, end_us = _together(windows, starts, ends)
    # Sessions are numbered by chance, and so they lie here.
    windows.sort()
    order_of_time = np.argsort(start_us)
    start_us, end_us = start_us[order_of_time], end_us[order_of_time]
    observed_us = sum(high - low for low, high in windows)
    return Availability(
        observed_us, start_us, end_us, _by_second(windows, start_us, end_us),
        np.array([low for low, _ in windows], np.int64), np.array([high for _, high in windows], np.int64),
    )  # fmt: skip


def _by_session_and_time(probes: ProbeArrays) -> npt.NDArray[np.intp] | slice:
    """Return the order of packets by session and time; as a rule they lie so already."""
    same = np.diff(probes.session) == 0
    if bool((np.diff(probes.t_us)[same] >= 0).all()) and bool((np.diff(probes.session) >= 0).all()):
        return slice(None)
    return np.lexsort((probes.t_us, probes.session))


def _overlap(windows: list[tuple[int, int]]) -> bool:
    ordered = sorted(windows)
    return any(later[0] < earlier[1] for earlier, later in itertools.pairwise(ordered))


def _together(
    windows: list[tuple[int, int]], starts: list[Times], ends: list[Times]
) -> tuple[list[tuple[int, int]], Times, Times]:
    """Return the joint windows, and the outages in which every session that observed was down."""
    up: list[tuple[int, int]] = []
    for (low, high), down, restored in zip(windows, starts, ends, strict=True):
        edges = [low, *np.column_stack([down, restored]).ravel().tolist(), high]
        up += [(begin, end) for begin, end in zip(edges[::2], edges[1::2], strict=True) if begin < end]
    observed, above = _union(windows), _union(up)
    gaps: list[tuple[int, int]] = []
    for low, high in observed:
        at = low
        for begin, end in above:
            if begin >= high or end <= low:
                continue
            gaps += [(at, begin)] if at < begin else []
            at = max(at, end)
        gaps += [(at, high)] if at < high else []
    return observed, np.array([low for low, _ in gaps], np.int64), np.array([high for _, high in gaps], np.int64)


def _union(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for low, high in sorted(spans):
        if found and low <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return found


def _outages(
    deadline_us: Times, arrival_us: Times, is_timely: npt.NDArray[np.bool_], survival_us: int, window_end_us: int
) -> tuple[Times, Times]:
    """Return start and end of the outages of one segment."""
    failed = ~is_timely
    begins = np.flatnonzero(failed & np.concatenate([[True], is_timely[:-1]]))
    if not begins.size:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    # The next timely message after each run of failures, or the end of what was observed.
    timely = np.flatnonzero(is_timely)
    place = np.searchsorted(timely, begins)
    restored_us = np.full(begins.size, window_end_us, np.int64)
    found = place < timely.size
    restored_us[found] = arrival_us[timely[place[found]]]
    down_us = deadline_us[begins] + survival_us
    is_outage = restored_us > down_us
    return down_us[is_outage], np.minimum(restored_us[is_outage], window_end_us)


def _by_second(windows: list[tuple[int, int]], start_us: Times, end_us: Times) -> npt.NDArray[np.float64]:
    """Return the share of each observed second in which the service was up, for the interval's autocorrelation."""
    parts = []
    for low, high in windows:
        edges = np.arange(low, high, 1_000_000)
        if not edges.size:
            continue
        mine = (end_us > low) & (start_us < high)
        # Down time up to an instant is a broken line through the outages' edges.
        xs = np.concatenate([[low], np.column_stack([start_us[mine], end_us[mine]]).ravel(), [max(high, low + 1)]])
        lengths = np.column_stack([np.zeros(int(mine.sum())), (end_us - start_us)[mine]]).ravel()
        ys = np.concatenate([[0.0], np.cumsum(lengths), [lengths.sum()]])
        tops = np.minimum(edges + 1_000_000, high)
        parts.append(1 - (np.interp(tops, xs, ys) - np.interp(edges, xs, ys)) / (tops - edges))
    return np.concatenate(parts) if parts else np.empty(0)
