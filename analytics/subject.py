"""What is evaluated, and the one place where a result of it is made and held against its requirement. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from analytics.clock import ClockQuality
from analytics.definitions import BY_ID, definitions_hash
from analytics.doubt import Doubt, shifted
from analytics.requirements import Profile
from analytics.results import MISSED, UNDECIDED, Direction, KpiResult
from analytics.statistics import Interval
from analytics.verdict import judge

NONE = Interval(None, None)
NO_INTERVAL = "区間なし"
"""Stands in the reason of each value that has no interval, unless its definition says so of all of its kind."""
ORDER = "order statistics on n_eff (Geyer)"
ORDER_OF_SHARE = "order statistics on n_eff of lying above (Geyer)"
BINOMIAL = "Clopper-Pearson on n_eff (Geyer)"
STUDENT = "Student on n_eff (Geyer)"
_CLOCK_DECIDES = "時計の誤差上限が判定を左右する / what the clocks may be off by decides the verdict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is evaluated: who, when, under which requirements, and how good the clocks are."""

    device: str
    link: str
    started_at: datetime
    ended_at: datetime
    profile: Profile
    clock: ClockQuality


@dataclass(frozen=True, slots=True)
class TwoClocks:
    """How a figure that compares two clocks depends on them.

    Its value may be off by `shift` in its own unit; `doubts` say why it is for reference only, if it is. `is_bounded`:
    the interval with the shift holds nevertheless, so that what lies on the bad side throughout is missed.
    """

    shift: float = 0.0
    doubts: Sequence[str] = ()
    is_bounded: bool = False


def result_of(
    subject: Subject, kpi: str, direction: Direction, statistic: str, value: float | None, *, data_hash: str, n: int,
    interval: Interval = NONE, n_eff: int | None = None, method: str = "", reason: str = "", filters: str = "",
    unit: str = "", project: Callable[[int], Interval] | None = None, clocks: TwoClocks | None = None,
    is_judged: bool = True, doubt: Doubt | None = None,
) -> KpiResult:  # fmt: skip
    """Build one result and judge it; infinities (lost packets) are judged as such and given as None.

    `project(n)` is the interval that n samples like these would give, for the samples still needed. `clocks` is given
    for what compares two clocks. `is_judged` False: no requirement is for it, since it is one share of a sum. `doubt`:
    the verdict rests on a wider interval than the one that is given.
    """
    definition = BY_ID[kpi]
    requirement = subject.profile.find(kpi, direction, statistic, subject.link) if is_judged else None
    shift, doubts = (0.0, ()) if clocks is None else (clocks.shift, clocks.doubts)
    is_bounded = clocks is not None and clocks.is_bounded
    verdict = needed = None
    if requirement is not None and definition.better:
        judged = judge(
            value, widened(interval, shift), requirement.limit, definition.better, n,
            None if project is None else lambda total: widened(project(total), shift),
        )  # fmt: skip
        verdict, needed = judged.verdict, judged.needed_n
        if doubt is not None:
            alone = verdict
            verdict = judge(value, doubt.interval, requirement.limit, definition.better, n).verdict
            reason = "; ".join(filter(None, [reason, doubt.words if verdict != alone else ""]))
        if doubts:
            # Neither met nor missed by a clock that nobody knows; packets that never came need no clock.
            is_certain = verdict == MISSED and (is_bounded or (value is not None and math.isinf(value)))
            verdict, needed = (verdict if is_certain else UNDECIDED), None
        elif verdict == UNDECIDED and shift:
            known = judge(value, interval, requirement.limit, definition.better, n).verdict
            reason = "; ".join(filter(None, ["" if known == UNDECIDED else _CLOCK_DECIDES, reason]))
    bounds = Interval(_finite(interval.low), _finite(interval.high))
    if bounds == NONE and n_eff is not None and _finite(value) is not None and NO_INTERVAL not in reason:
        few = f"有効n {n_eff} では{NO_INTERVAL} / no interval from an effective n of {n_eff}"
        reason = "; ".join(filter(None, [reason, few]))
    return KpiResult(
        id=kpi, device=subject.device, link=subject.link, direction=direction, statistic=statistic,
        value=_finite(value), unit=unit or definition.unit, ci_low=bounds.low, ci_high=bounds.high, n=n,
        verdict=verdict, definition=definition.citation, reason="; ".join(filter(None, [*doubts, reason])),
        required=None if requirement is None else requirement.limit,
        required_source="" if requirement is None else requirement.source, needed_n=needed, n_eff=n_eff,
        ci_method=method if bounds != NONE else "", clock="" if clocks is None else subject.clock.word,
        clock_bound_us=None if clocks is None else subject.clock.bound_us, started_at=subject.started_at,
        ended_at=subject.ended_at, filter=filters, name_ja=definition.name_ja, name_en=definition.name_en,
        data_hash=data_hash, definition_hash=definitions_hash(),
        uncertainty=None if doubt is None else doubt.uncertainty,
    )  # fmt: skip


def _finite(value: float | None) -> float | None:
    return None if value is None or math.isinf(value) else value


def widened(interval: Interval, shift: float) -> Interval:
    """Add the clocks' uncertainty to both ends."""
    return shifted(interval, shift)
