"""What a part must keep of the time in which a link was observed, so that outages go on across its borders.

A segment is time observed without a break: one session, no gap in sending of more than PAUSE_S. Gaps between PAUSE_S
and the pause limit of a slow sender are bridged when availability is asked for, since the limit needs the sending
interval of the whole window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analytics.probes import DELAY_COLUMN, ProbeArrays
from analytics.service_scan import PAUSE_INTERVALS, PAUSE_US

DIRECTIONS = tuple(DELAY_COLUMN)
NEVER = int(np.iinfo(np.int64).min)
SESSION, FIRST_US, LAST_US = range(3)
FAILS_FIRST, TIMELY_US, FAILING_US, OUTAGES, DOWN_US, LONGEST_US = range(6)
_BLOCK = 6
WIDTH = 3 + _BLOCK * len(DIRECTIONS)
"""One segment is a row of WIDTH integers: session, sending time of the first and the last packet, and a block for each
direction: whether the first packet fails; when the first timely one arrived (NEVER); when the first of the failing
packets at its end was sent (NEVER); number, total and longest of the outages between timely packets. Plain integers,
since records of numpy cost three times as much to join: 14,000 minutes took 0.53 s of a chart's 1.5 s."""

Segments = npt.NDArray[np.int64]
EMPTY = np.empty((0, WIDTH), np.int64)


def block(direction: str) -> int:
    """Return the first column of a direction."""
    return 3 + _BLOCK * DIRECTIONS.index(direction)


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Deadline and survival time, which decide what an outage is: parts made with others do not merge."""

    t_max_us: int = 200_000
    survival_us: int = 1_000_000

    @property
    def grace_us(self) -> int:
        """From sending a message that fails to the moment the service is down."""
        return self.t_max_us + self.survival_us


def segments_of(probes: ProbeArrays, deadlines: Deadlines) -> tuple[Segments, npt.NDArray[np.int64]]:
    """Return the segments of one part in order of time, and the gaps in sending within sessions."""
    order = np.argsort(probes.t_us, kind="stable")
    sent_us, session = probes.t_us[order], probes.session[order]
    if not sent_us.size:
        return EMPTY, np.empty(0, np.int64)
    gaps = np.diff(sent_us)
    is_same = np.diff(session) == 0
    breaks = np.flatnonzero(~is_same | (gaps > PAUSE_US)) + 1
    starts, ends = np.concatenate([[0], breaks]), np.concatenate([breaks, [sent_us.size]])
    segments = np.zeros((starts.size, WIDTH), np.int64)
    segments[:, :3] = np.column_stack([session[starts], sent_us[starts], sent_us[ends - 1]])
    for direction in DIRECTIONS:
        delay, at = probes.delays[direction], block(direction)
        is_timely = (delay.valid & (delay.us <= deadlines.t_max_us) & (probes.lost == 0))[order]
        arrival_us = sent_us + delay.us[order]
        for row, low, high in zip(segments, starts.tolist(), ends.tolist(), strict=True):
            here = slice(low, high)
            row[at : at + _BLOCK] = _judged(sent_us[here], arrival_us[here], is_timely[here], deadlines.grace_us)
    return segments, gaps[is_same & (gaps > 0)]


def _judged(
    sent_us: npt.NDArray[np.int64], arrival_us: npt.NDArray[np.int64], is_timely: npt.NDArray[np.bool_], grace_us: int
) -> list[int]:
    timely = np.flatnonzero(is_timely)
    last = int(timely[-1]) if timely.size else -1
    # Between two timely packets with failed ones between them.
    follows = np.flatnonzero(np.diff(timely) > 1)
    lengths = arrival_us[timely[follows + 1]] - (sent_us[timely[follows] + 1] + grace_us)
    lengths = lengths[lengths > 0]
    return [
        int(not is_timely[0]),
        int(arrival_us[timely[0]]) if timely.size else NEVER,
        int(sent_us[last + 1]) if last + 1 < sent_us.size else NEVER,
        int(lengths.size),
        int(lengths.sum()),
        int(lengths.max(initial=0)),
    ]


def join_segments(parts: Sequence[Segments], deadlines: Deadlines, limit_us: int = PAUSE_US) -> Segments:
    """Return the segments of consecutive parts, those joined that no pause of more than `limit_us` divides."""
    done: list[Segments] = []
    last: list[int] | None = None
    for part in parts:
        if not len(part):
            continue
        first = part[0].tolist()
        if last is not None and _is_joined(last, first, limit_us):
            first = _joined(last, first, deadlines.grace_us)
        elif last is not None:
            done.append(np.array([last], np.int64))
        if len(part) == 1:
            last = first
        else:
            done += [np.array([first], np.int64), part[1:-1]]
            last = part[-1].tolist()
    if last is None:
        return EMPTY
    return np.concatenate([*done, np.array([last], np.int64)])


def _is_joined(a: list[int], b: list[int], limit_us: int) -> bool:
    return a[SESSION] == b[SESSION] and b[FIRST_US] - a[LAST_US] <= limit_us


def _joined(a: list[int], b: list[int], grace_us: int) -> list[int]:
    both = [a[SESSION], a[FIRST_US], b[LAST_US]]
    for at in range(3, WIDTH, _BLOCK):
        fails_first, timely_us, failing_us, outages_a, down_a, longest_a = a[at : at + _BLOCK]
        b_fails_first, b_timely_us, b_failing_us, outages_b, down_b, longest_b = b[at : at + _BLOCK]
        count, down_us, longest_us = outages_a + outages_b, down_a + down_b, max(longest_a, longest_b)
        if failing_us == NEVER and b_fails_first:
            failing_us = b[FIRST_US]
        if b_timely_us == NEVER:
            # Nothing of b was timely: what failed before goes on failing to its end.
            b_failing_us = failing_us
        elif timely_us == NEVER:
            timely_us = b_timely_us
        elif failing_us != NEVER and (length := b_timely_us - failing_us - grace_us) > 0:
            count, down_us, longest_us = count + 1, down_us + length, max(longest_us, length)
        both += [fails_first, timely_us, b_failing_us, count, down_us, longest_us]
    return both


@dataclass(frozen=True, slots=True)
class Outages:
    """Time observed, and the outages in it, in microseconds; `seconds` counts begun ones, stretch by stretch."""

    observed_us: int
    seconds: int
    count: int
    down_us: int
    longest_us: int

    @property
    def ratio(self) -> float | None:
        """Share of observed time in which the service was up; None where nothing was observed."""
        return 1 - self.down_us / self.observed_us if self.observed_us else None


def outages(segments: Segments, direction: str, deadlines: Deadlines, interval_us: int) -> Outages:
    """Close all segments and return what `analytics.availability` finds in the packets themselves.

    `interval_us` is the median gap in sending: a segment is observed for one interval after its last deadline.
    """
    limit_us = max(PAUSE_INTERVALS * interval_us, PAUSE_US)
    if limit_us > PAUSE_US:
        segments = join_segments(np.split(segments, len(segments)) if len(segments) else [], deadlines, limit_us)
    at = block(direction)
    first_us, last_us = segments[:, FIRST_US], segments[:, LAST_US]
    fails_first, timely_us, failing_us, count, down_us, longest_us = segments[:, at : at + _BLOCK].T
    # NEVER is far below every time: it must not be subtracted, which would wrap around.
    heads = (fails_first != 0) & (timely_us != NEVER)
    tails = failing_us != NEVER
    end_us = last_us[tails] + deadlines.t_max_us + interval_us
    edges = np.concatenate([timely_us[heads] - first_us[heads], end_us - failing_us[tails]]) - deadlines.grace_us
    edges = edges[edges > 0]
    observed_us = last_us - first_us + interval_us
    return Outages(
        observed_us=int(observed_us.sum()),
        seconds=int((-(-observed_us // 1_000_000)).sum()),
        count=int(count.sum()) + int(edges.size),
        down_us=int(down_us.sum()) + int(edges.sum()),
        longest_us=int(max(longest_us.max(initial=0), edges.max(initial=0))),
    )
