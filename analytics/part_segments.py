"""What a part must keep of the time in which a link was observed, so that outages go on across its borders.

A segment is time observed without a break: one session, no gap in sending of more than PAUSE_S. Gaps between PAUSE_S
and the pause limit of a slow sender are bridged when availability is asked for, since the limit needs the sending
interval of the whole window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.availability import PAUSE_INTERVALS, PAUSE_S
from analytics.probes import DELAY_COLUMN, ProbeArrays

DIRECTIONS = tuple(DELAY_COLUMN)
NEVER = np.iinfo(np.int64).min
_PAUSE_US = int(PAUSE_S * 1e6)

SEGMENT = np.dtype(
    [
        ("session", np.int64),
        ("first_us", np.int64),
        ("last_us", np.int64),
        # By direction, in the order of DIRECTIONS.
        ("fails_first", np.bool_, (len(DIRECTIONS),)),
        ("timely_us", np.int64, (len(DIRECTIONS),)),
        ("failing_us", np.int64, (len(DIRECTIONS),)),
        ("outages", np.int64, (len(DIRECTIONS),)),
        ("down_us", np.int64, (len(DIRECTIONS),)),
        ("longest_us", np.int64, (len(DIRECTIONS),)),
    ]
)
"""One segment: when its first and last packet were sent; whether the first fails; when the first timely one arrived
(NEVER); when the first of the failing packets at its end was sent (NEVER); and the outages between timely packets."""

Segments = npt.NDArray[Any]


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
        return np.empty(0, SEGMENT), np.empty(0, np.int64)
    gaps = np.diff(sent_us)
    is_same = np.diff(session) == 0
    breaks = np.flatnonzero(~is_same | (gaps > _PAUSE_US)) + 1
    starts, ends = np.concatenate([[0], breaks]), np.concatenate([breaks, [sent_us.size]])
    segments = np.zeros(starts.size, SEGMENT)
    segments["session"], segments["first_us"], segments["last_us"] = session[starts], sent_us[starts], sent_us[ends - 1]
    for place, direction in enumerate(DIRECTIONS):
        delay = probes.delays[direction]
        is_timely = (delay.valid & (delay.us <= deadlines.t_max_us) & (probes.lost == 0))[order]
        arrival_us = sent_us + delay.us[order]
        for segment, low, high in zip(segments, starts, ends, strict=True):
            rows = slice(int(low), int(high))
            _judge(segment, place, sent_us[rows], arrival_us[rows], is_timely[rows], grace_us=deadlines.grace_us)
    return segments, gaps[is_same & (gaps > 0)]


def _judge(
    segment: Any, place: int, sent_us: npt.NDArray[np.int64], arrival_us: npt.NDArray[np.int64],
    is_timely: npt.NDArray[np.bool_], *, grace_us: int,
) -> None:  # fmt: skip
    timely = np.flatnonzero(is_timely)
    segment["fails_first"][place] = not is_timely[0]
    segment["timely_us"][place] = arrival_us[timely[0]] if timely.size else NEVER
    last = int(timely[-1]) if timely.size else -1
    segment["failing_us"][place] = sent_us[last + 1] if last + 1 < sent_us.size else NEVER
    # Between two timely packets with failed ones between them.
    follows = np.flatnonzero(np.diff(timely) > 1)
    lengths = arrival_us[timely[follows + 1]] - (sent_us[timely[follows] + 1] + grace_us)
    lengths = lengths[lengths > 0]
    segment["outages"][place] = lengths.size
    segment["down_us"][place] = lengths.sum()
    segment["longest_us"][place] = lengths.max(initial=0)


def join_segments(parts: Sequence[Segments], deadlines: Deadlines, limit_us: int = _PAUSE_US) -> Segments:
    """Return the segments of consecutive parts, those joined that no pause of more than `limit_us` divides."""
    joined: list[Segments] = []
    for part in parts:
        if not part.size:
            continue
        if joined and _is_joined(joined[-1][-1], part[0], limit_us):
            before = joined.pop()
            part = part.copy()  # noqa: PLW2901 - the first segment grows backwards, the caller's does not
            part[0] = _joined(before[-1], part[0], deadlines.grace_us)
            joined.append(before[:-1])
        joined.append(part)
    return np.concatenate(joined) if joined else np.empty(0, SEGMENT)


def _is_joined(a: Any, b: Any, limit_us: int) -> bool:
    return bool(a["session"] == b["session"] and b["first_us"] - a["last_us"] <= limit_us)


def _joined(a: Any, b: Any, grace_us: int) -> Any:
    both = a.copy()
    both["last_us"] = b["last_us"]
    for name in ("outages", "down_us"):
        both[name] = a[name] + b[name]
    both["longest_us"] = np.maximum(a["longest_us"], b["longest_us"])
    for place in range(len(DIRECTIONS)):
        failing_us, timely_us = a["failing_us"][place], b["timely_us"][place]
        if failing_us == NEVER and b["fails_first"][place]:
            failing_us = b["first_us"]
        if timely_us == NEVER:
            # Nothing of b was timely: what failed before goes on failing to its end.
            both["failing_us"][place] = failing_us
            continue
        if a["timely_us"][place] == NEVER:
            both["timely_us"][place] = timely_us
        elif failing_us != NEVER and (length := timely_us - failing_us - grace_us) > 0:
            both["outages"][place] += 1
            both["down_us"][place] += length
            both["longest_us"][place] = max(both["longest_us"][place], length)
        both["failing_us"][place] = b["failing_us"][place]
    return both


@dataclass(frozen=True, slots=True)
class Outages:
    """Time observed, and the outages in it, in microseconds."""

    observed_us: int
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
    limit_us = max(PAUSE_INTERVALS * interval_us, _PAUSE_US)
    if limit_us > _PAUSE_US:
        segments = join_segments([segments[row : row + 1] for row in range(segments.size)], deadlines, limit_us)
    place = DIRECTIONS.index(direction)
    timely_us, failing_us = segments["timely_us"][:, place], segments["failing_us"][:, place]
    head = np.where(
        segments["fails_first"][:, place] & (timely_us != NEVER),
        timely_us - segments["first_us"] - deadlines.grace_us,
        0,
    )
    # NEVER is far below every time: what is subtracted must not wrap around.
    began_us = np.where(failing_us == NEVER, 0, failing_us)
    end_us = segments["last_us"] + deadlines.t_max_us + interval_us
    tail = np.where(failing_us != NEVER, end_us - began_us - deadlines.grace_us, 0)
    edges = np.concatenate([head, tail])
    edges = edges[edges > 0]
    longest = segments["longest_us"][:, place]
    return Outages(
        observed_us=int((segments["last_us"] - segments["first_us"] + interval_us).sum()),
        count=int(segments["outages"][:, place].sum()) + int(edges.size),
        down_us=int(segments["down_us"][:, place].sum()) + int(edges.sum()),
        longest_us=int(max(longest.max(initial=0), edges.max(initial=0))),
    )
