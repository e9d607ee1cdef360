"""The verdict: three values, decided by the whole interval, never by the point (decision 6 of the architecture)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from analytics.dictionary.definition import Better
from analytics.results import MET, MISSED, UNDECIDED, Verdict
from analytics.statistics import Interval

_MOST = 10**10
"""Plans beyond ten billion samples are none: at 1,000 a second they take four months."""


class Judgement(NamedTuple):
    """A verdict, and for 判定不能 about how many further samples would decide it (None: it cannot be told)."""

    verdict: Verdict
    needed_n: int | None = None
    reason: str = ""


def judge(  # noqa: PLR0917 - the parts of one question
    value: float | None, interval: Interval, limit: float, better: Better, n: int,
    project: Callable[[int], Interval] | None = None,
) -> Judgement:  # fmt: skip
    """Hold an interval against a requirement.

    達成 when the whole interval is on the good side of `limit` (the limit itself is good), 未達 when it is on the bad
    side, 判定不能 otherwise. An end may be infinite (a rank among lost packets); `value` may be None where only a bound
    is known. `project(n)` is the interval that n samples like these would give: the samples still needed are searched
    in it, not guessed from a law of roots, which is wrong near 0 and 100 %.
    """
    verdict = _verdict(interval, limit, better)
    if verdict != UNDECIDED or value is None or math.isinf(value) or value == limit or not n or project is None:
        return Judgement(verdict)
    return Judgement(UNDECIDED, _needed(lambda total: _verdict(project(total), limit, better) != UNDECIDED, n))


def _verdict(interval: Interval, limit: float, better: Better) -> Verdict:
    sign = 1.0 if better == "smaller" else -1.0
    bad_end, good_end = (interval.high, interval.low) if better == "smaller" else (interval.low, interval.high)
    if bad_end is not None and sign * bad_end <= sign * limit:
        return MET
    if good_end is not None and sign * good_end > sign * limit:
        return MISSED
    return UNDECIDED


def _needed(decides: Callable[[int], bool], n: int) -> int | None:
    """Return how many samples beyond n decide, None where not even the most that can be planned do."""
    low, high = n, 2 * n
    while high < _MOST and not decides(high):
        low, high = high, high * 2
    if high >= _MOST and not decides(high := _MOST):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if decides(middle) else (middle, high)
    return max(high - n, 1)
