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

from analytics.blocks import Counts, block_slices
from analytics.probes import ProbeArrays, in_order
from analytics.spans import merged
from analytics.statistics import Histogram

PAUSE_INTERVALS = 50
PAUSE_S = 5.0
"""A gap between two sent packets of more than 50 intervals and more than 5 s was not measured. Poisson gaps exceed 50
means with probability 2e-22, so no real sending gap is mistaken for a pause."""

_PAUSE_US = int(PAUSE_S * 1e6)

Times = npt.NDArray[np.int64]
Places = npt.NDArray[np.intp]


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
    sending = _sending(probes)
    if sending is None:
        order = np.lexsort((probes.t_us, probes.session))
        probes = in_order(probes, order, direction)
        sending = _sending(probes)
        assert sending is not None
    gaps, pauses = sending
    interval_us = _median(gaps)
    limit_us = max(PAUSE_INTERVALS * interval_us, _PAUSE_US)
    sent_us = probes.t_us
    firsts = np.concatenate([[0], pauses.after[pauses.is_session | (pauses.gap_us > limit_us)]]).astype(np.intp)
    firsts = firsts[: probes.n]
    lasts = np.concatenate([firsts[1:] - 1, [probes.n - 1]])[: firsts.size]
    low_us, high_us = sent_us[firsts] + t_max_us, sent_us[lasts] + t_max_us + interval_us
    segment, start_us, end_us = _outages(probes, direction, (firsts, lasts, high_us), t_max_us, survival_us)
    windows = list(zip(low_us.tolist(), high_us.tolist(), strict=True))
    if _overlap(windows):
        edges = np.searchsorted(segment, np.arange(1, firsts.size))
        windows, start_us, end_us = _together(windows, np.split(start_us, edges), np.split(end_us, edges))
    # Sessions are numbered by chance, and so they lie here.
    windows.sort()
    order_of_time = np.argsort(start_us)
    start_us, end_us = start_us[order_of_time], end_us[order_of_time]
    observed_us = sum(high - low for low, high in windows)
    return Availability(
        observed_us, start_us, end_us, _by_second(windows, start_us, end_us),
        np.array([low for low, _ in windows], np.int64), np.array([high for _, high in windows], np.int64),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Breaks:
    """Where a new session begins or a long gap ends: the packet, the gap before it, and whether it is of a session."""

    after: npt.NDArray[np.intp]
    gap_us: Times
    is_session: npt.NDArray[np.bool_]


def _sending(probes: ProbeArrays) -> tuple[Histogram, _Breaks] | None:
    """Return the gaps in sending within sessions and the breaks; None where packets do not lie by session and time."""
    gaps, breaks = Counts(), []
    for part in block_slices(probes.n - 1):
        rows = slice(part.start, part.stop + 1)
        steps, session = np.diff(probes.t_us[rows]), probes.session[rows]
        least, most = int(steps.min()), int(steps.max())
        if session[0] == session[-1] and least == most > 0 and most <= _PAUSE_US:
            gaps.add_many(most, steps.size)
            continue
        is_new = session[1:] != session[:-1]
        if (is_new & (session[1:] < session[:-1])).any() or (steps[~is_new] < 0).any():
            return None
        places = np.flatnonzero(is_new | (steps > _PAUSE_US))
        if places.size:
            breaks.append((places + part.start + 1, steps[places], is_new[places]))
        gaps.add(steps[~is_new & (steps > 0)])
    found = [np.concatenate(each) for each in zip(*breaks, strict=True)] or [
        np.empty(0, np.intp), np.empty(0, np.int64), np.empty(0, np.bool_)
    ]  # fmt: skip
    return Histogram(*gaps.result()), _Breaks(*found)


def _median(gaps: Histogram) -> int:
    """Return the median gap, the mean of both where two lie in the middle; 0 where there is no gap."""
    n = gaps.n
    return int(sum(gaps.at([(n + 1) // 2, n // 2 + 1])) / 2) if n else 0


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
    observed, above = merged(windows), merged(up)
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


def _outages(
    probes: ProbeArrays, direction: str, segments: tuple[Places, Places, Times], t_max_us: int, survival_us: int
) -> tuple[Places, Times, Times]:
    """Return segment, start and end of the outages; segments by first and last packet and the end of observation.

    Only messages that failed are looked at: a failure begins a run, and the message after the run, if it is of the same
    segment, restores the link.
    """
    firsts, lasts, high_us = segments
    delay = probes.delays[direction]
    found = []
    for part in block_slices(probes.n):
        is_timely = delay.valid[part] & (delay.us[part] <= t_max_us)
        is_timely &= probes.lost[part] == 0
        found.append(np.flatnonzero(~is_timely) + part.start)
    failed = np.concatenate(found) if found else np.empty(0, np.intp)
    if not failed.size:
        return failed, np.empty(0, np.int64), np.empty(0, np.int64)
    segment = np.searchsorted(firsts, failed, side="right") - 1
    is_first = np.concatenate([[True], (np.diff(failed) != 1) | (np.diff(segment) != 0)])
    begins = failed[is_first]
    ends = failed[np.concatenate([is_first[1:], [True]])]
    mine = segment[is_first]
    # The next timely message after each run of failures, or the end of what was observed.
    restored_us = high_us[mine]
    is_restored = ends < lasts[mine]
    restores = ends[is_restored] + 1
    arrival_us = probes.t_us[restores] + delay.us[restores]
    restored_us[is_restored] = np.minimum(arrival_us, restored_us[is_restored])
    down_us = probes.t_us[begins] + (t_max_us + survival_us)
    is_outage = restored_us > down_us
    return mine[is_outage], down_us[is_outage], restored_us[is_outage]


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
