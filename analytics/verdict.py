"""The verdict: three values, decided by the whole interval, never by the point (decision 6 of the architecture)."""

from __future__ import annotations

import math
from typing import NamedTuple

from analytics.dictionary.definition import Better
from analytics.results import MET, MISSED, UNDECIDED, Verdict
from analytics.statistics import Interval

_HOPELESS = 1e4
"""An interval that would have to be ten thousand times narrower asks for 10^8 times the samples: that is no plan."""


class Judgement(NamedTuple):
    """A verdict, and for 判定不能 about how many further samples would decide it (None: it cannot be told)."""

    verdict: Verdict
    needed_n: int | None = None
    reason: str = ""


def judge(value: float | None, interval: Interval, limit: float, better: Better, n: int) -> Judgement:
    """Hold an interval against a requirement.

    達成 when the whole interval is on the good side of `limit` (the limit itself is good), 未達 when it is on the bad
    side, 判定不能 otherwise. An end may be infinite (a rank among lost packets); `value` may be None where only a bound
    is known. The number of samples assumes that the interval narrows with the root of n.
    """
    sign = 1.0 if better == "smaller" else -1.0
    bad_end, good_end = (interval.high, interval.low) if better == "smaller" else (interval.low, interval.high)
    if bad_end is not None and sign * bad_end <= sign * limit:
        return Judgement(MET)
    if good_end is not None and sign * good_end > sign * limit:
        return Judgement(MISSED)
    if value is None or math.isinf(value):
        return Judgement(UNDECIDED)
    return Judgement(UNDECIDED, _needed(value, bad_end if sign * value <= sign * limit else good_end, limit, n))


def _needed(value: float, facing_end: float | None, limit: float, n: int) -> int | None:
    """Return how many more samples bring the end that faces the limit to it; None where that end is not known."""
    distance = abs(limit - value)
    if not distance or facing_end is None or math.isinf(facing_end) or not n:
        return None
    narrowing = abs(facing_end - value) / distance
    return None if narrowing > _HOPELESS else max(math.ceil(n * narrowing**2) - n, 1)
