"""How far two clocks may have been off, moment by moment, from their samples. Pure.

A sample's bound holds at its moment. Until the next one the clock may drift as far as NTP assumes of any clock, unless
the bound was declared for all time; whatever disciplined it meanwhile is in the next sample. So between two samples the
larger counts of what the first has grown to and what the second says. A sample that is older than three of the clock's
intervals (and than a minute) says nothing any more, and between two samples of which one was not synchronised nobody
knows when that began.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from analytics.spans import Span, covered_us, merged

MAX_AGE_INTERVALS = 3
MIN_AGE_US = 60_000_000
DRIFT_PPM = 15.0
"""How fast a clock runs off that nothing disciplines: TOLERANCE of RFC 5905 7.2 (us/s)."""

Times = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
FOREVER_US = int(np.iinfo(np.int64).max) // 2
"""Beyond all time that is measured, with room for sums."""

_KNOWN, _NO_RECORD, _NOT_NEAR, _GAP, _NOT_SYNCED = range(5)
_WHY = {
    _NO_RECORD: ("時刻記録なし", "no record"),
    _NOT_NEAR: ("時刻記録が区間付近になし", "no record near the window"),
    _GAP: ("時刻記録に途切れ", "record has gaps"),
    _NOT_SYNCED: ("時計が非同期", "not synchronised"),
}
_ENDS = (("端末側", "own clock"), ("対向側", "far clock"))
_AFTERWARDS = "または時計差の事後補正", "or correct the offset afterwards (--correct-offset)"
_RECORD = (
    (
        '収集側の設定に kind = "clock" のソースを加え、測定中ずっと記録',
        'run a source of kind "clock" beside the probes',
    ),
    (
        "リフレクタに jissho reflect を用い、その時計を chrony 等で同期",
        "run jissho reflect on a clock that chrony disciplines",
    ),
)
_SYNCHRONISE = "GNSS PPS・PTP・近いNTPサーバーで同期", "synchronise it by GNSS PPS, PTP or a near NTP server"


@dataclass(frozen=True, slots=True)
class ClockSamples:
    """Samples of one clock, sorted by time: `t_us`, `synced`, `bound_us` (NaN where unknown).

    `declared` are those whose bound somebody vouches for at any time: it does not grow (None: none is).
    """

    t_us: Times
    synced: npt.NDArray[np.bool_]
    bound_us: Floats
    declared: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class ClockRecord:
    """Both clocks over a window, in k pieces that follow each other, each of one bound.

    `start_us` and `end_us` int64 in Unix us, `length_us` without what is excluded; `bound_us` is the sum of both, NaN
    where either is unknown. `own_us` and `far_us` are the largest known bound of each (None: never known), `n` the
    samples of both that were looked at. `reason` (ja / en) says what made a clock unknown for
    longest, and `remedy` what helps.
    """

    start_us: Times
    end_us: Times
    length_us: Times
    bound_us: Floats
    own_us: float | None
    far_us: float | None
    n: int
    reason: str = ""
    remedy: str = ""


class _Pieces(NamedTuple):
    """One clock over the window: pieces that follow each other; `why` their bound is not known."""

    start_us: Times
    bound_us: Floats
    why: npt.NDArray[np.int8]


def clock_record(
    own: ClockSamples | None, far: ClockSamples | None, start_us: int, end_us: int, excluded: Sequence[Span] = ()
) -> ClockRecord:
    """Return how far the clocks of both ends may have been off from `start_us` to `end_us`; O(samples)."""
    # A moment is as long as a microsecond.
    end_us = max(end_us, start_us + 1)
    both = [_pieces(samples, start_us, end_us) for samples in (own, far)]
    starts = np.unique(np.concatenate([each.start_us for each in both]))
    ends = np.append(starts[1:], end_us)
    length_us = ends - starts
    if excluded:
        low, high = np.array(merged(excluded), np.int64).T
        length_us -= covered_us((low, high), (starts, ends))
    is_left = length_us > 0
    starts, ends, length_us = starts[is_left], ends[is_left], length_us[is_left]
    places = [np.searchsorted(each.start_us, starts, side="right") - 1 for each in both]
    bounds = [each.bound_us[place] for each, place in zip(both, places, strict=True)]
    reason = remedy = ""
    for end, (each, place) in enumerate(zip(both, places, strict=True)):
        name_ja, name_en = _ENDS[end]
        lengths = np.bincount(each.why[place], length_us, minlength=len(_WHY) + 1)
        if not reason and lengths[_NO_RECORD:].any():
            why = int(lengths[_NO_RECORD:].argmax()) + _NO_RECORD
            japanese, english = _WHY[why]
            reason = f"{name_ja}の{japanese} / {name_en}: {english}"
            remedy = _remedy(end, is_recorded=why == _NOT_SYNCED)
    return ClockRecord(
        starts, ends, length_us, bounds[0] + bounds[1], _largest(bounds[0]), _largest(bounds[1]),
        n=sum(0 if samples is None else int(samples.t_us.size) for samples in (own, far)), reason=reason,
        remedy=remedy,
    )  # fmt: skip


def _remedy(end: int, *, is_recorded: bool) -> str:
    """Say what makes the clock of an end known next time, and what helps now."""
    ja, en = _SYNCHRONISE if is_recorded else _RECORD[end]
    return f"{ja}、{_AFTERWARDS[0]} / {en}, {_AFTERWARDS[1]}"


def _largest(bound_us: Floats) -> float | None:
    known = bound_us[np.isfinite(bound_us)]
    return float(known.max()) if known.size else None


def _pieces(samples: ClockSamples | None, start_us: int, end_us: int) -> _Pieces:
    if samples is None or not samples.t_us.size:
        return _Pieces(np.array([start_us]), np.array([np.nan]), np.array([_NO_RECORD], np.int8))
    t_us = samples.t_us.astype(np.int64)
    steps = np.diff(t_us)
    age_us = int(max(MAX_AGE_INTERVALS * (float(np.median(steps)) if steps.size else 0.0), MIN_AGE_US))
    next_us = np.append(t_us[1:], FOREVER_US)
    until_us = np.minimum(next_us, t_us + age_us)
    is_known = samples.synced & np.isfinite(samples.bound_us)
    bound_us = np.where(is_known, samples.bound_us, np.nan)
    drift = np.full(t_us.size, DRIFT_PPM)
    if samples.declared is not None:
        drift[samples.declared] = 0.0
    # Of the window only: a clock that stays alone after it has not drifted yet.
    aged_us = np.clip(np.minimum(until_us, end_us) - t_us, 0, None)
    grown_us = bound_us + drift * aged_us / 1e6
    is_followed = until_us == next_us
    follows = np.append(bound_us[1:], np.nan)
    after_us = np.where(is_followed, np.maximum(grown_us, follows), grown_us)
    # Before the first sample the clock was as good as that, but for what it drifted until then.
    first_us = int(t_us[0]) - age_us
    early_us = bound_us[0] + drift[0] * min(max(int(t_us[0]) - start_us, 0), age_us) / 1e6
    is_gap = until_us < next_us
    is_near = ((t_us >= start_us - age_us) & (t_us <= end_us + age_us)).any()
    starts = np.concatenate([[-FOREVER_US, first_us], t_us, until_us[is_gap]])
    bounds = np.concatenate([[np.nan, early_us], after_us, np.full(np.count_nonzero(is_gap), np.nan)])
    why = np.full(starts.size, _KNOWN, np.int8)
    why[1 : 2 + t_us.size][np.isnan(bounds[1 : 2 + t_us.size])] = _NOT_SYNCED
    why[0] = why[2 + t_us.size :] = _GAP if is_near else _NOT_NEAR
    order = np.argsort(starts, kind="stable")
    starts, bounds, why = starts[order], bounds[order], why[order]
    ends = np.append(starts[1:], FOREVER_US)
    is_inside = (starts < end_us) & (ends > start_us) & (ends > starts)
    return _Pieces(np.maximum(starts[is_inside], start_us), bounds[is_inside], why[is_inside])


NEVER_WATCHED = _remedy(0, is_recorded=False)
"""What helps where nobody watched any clock."""
