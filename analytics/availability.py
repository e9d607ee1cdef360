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
from analytics.service_scan import ServiceScanner
from analytics.spans import merged

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
    scanner = ServiceScanner(direction, t_max_us, survival_us)
    scanner.add(probes)
    return observed(scanner)


def observed(scanner: ServiceScanner) -> Availability:
    """Return what a scanner found."""
    windows, starts, ends = scanner.result()
    if _overlap(windows):
        windows, start_us, end_us = _together(windows, starts, ends)
    else:
        start_us, end_us = (np.concatenate([np.empty(0, np.int64), *each]) for each in (starts, ends))
    # Sessions are numbered by chance, and so they lie here.
    windows.sort()
    order_of_time = np.argsort(start_us)
    start_us, end_us = start_us[order_of_time], end_us[order_of_time]
    observed_us = sum(high - low for low, high in windows)
    return Availability(
        observed_us, start_us, end_us, _by_second(windows, start_us, end_us),
        np.array([low for low, _ in windows], np.int64), np.array([high for _, high in windows], np.int64),
    )  # fmt: skip


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
