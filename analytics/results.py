"""One KPI result: a number that never stands alone."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

Direction = Literal["up", "down", "round_trip", ""]
DIRECTIONS: tuple[Direction, ...] = ("round_trip", "up", "down")
MS = 1000.0
"""Microseconds in a millisecond: delays are measured in the one and stated in the other."""
CAMERA_VARIANT, CAUSE_VARIANT = "カメラ: {}", "原因: {}"
"""Variants of results of one camera, or of one cause, of those that their KPI has in the link."""
Verdict = Literal["達成", "未達", "判定不能"]

MET: Verdict = "達成"
MISSED: Verdict = "未達"
UNDECIDED: Verdict = "判定不能"
REFERENCE_ONLY = "参考値"


class KpiResult(msgspec.Struct, frozen=True, kw_only=True):
    """One KPI of one link, direction and statistic.

    `value` is None where there is none, and `reason` says why; `reason` may also qualify a value. `ci_low` and
    `ci_high` bound it at 95 %, None where they are not bounded. `n` counts the packets (or intervals; of a number of
    events, the events) behind it and `n_eff` what they are worth given their autocorrelation. `clock` is the clock
    quality in words and `clock_bound_us` the uncertainty of one-way values. Where intervals of the run are excluded,
    `excluded` says how many and `value_of_all` what the value is with them. `variant` tells apart results of the same
    KPI, direction and statistic (protocol, quantity, radio technology, camera or cause); `filter` states it too, with
    figures that may change with the data. `uncertainty` is by how much each value behind it may be off for how it was
    read, in `unit`; None where that is not known or no matter. `definition` names clause and revision; the hashes name
    data and definitions.
    """

    id: str
    device: str = ""
    link: str
    direction: Direction
    statistic: str
    value: float | None
    unit: str
    ci_low: float | None = None
    ci_high: float | None = None
    n: int
    verdict: Verdict | None = None
    definition: str
    reason: str = ""
    required: float | None = None
    required_source: str = ""
    needed_n: int | None = None
    n_eff: int | None = None
    ci_method: str = ""
    clock: str = ""
    clock_bound_us: float | None = None
    uncertainty: float | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    filter: str = ""
    variant: str = ""
    name_ja: str = ""
    name_en: str = ""
    excluded: int = 0
    value_of_all: float | None = None
    data_hash: str = ""
    definition_hash: str = ""
