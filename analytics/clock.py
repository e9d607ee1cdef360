"""Clock quality of a window: how far one-way delays may be off, from the `clock` stream of both ends. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from analytics.clock_record import FOREVER_US, NEVER_WATCHED, ClockRecord, ClockSamples, clock_record
from analytics.results import MS, REFERENCE_ONLY
from analytics.spans import Span, merged

GOOD_US = 1_000.0
"""Up to this bound a one-way delay of a mobile link is called good: a tenth of the smallest delays that matter."""


@dataclass(frozen=True, slots=True)
class ClockQuality:
    """What may be said of one-way delays: a word, and the uncertainty in microseconds (None: unknown).

    `word` is "良" (good), "粗" (known but coarse) or "不明" (unknown). One-way figures are 参考値 where it is unknown
    or beyond the limit. `poor` is the time of which that is so and the rest is not: no one-way delay counts that was
    measured in it. `record` is what it was judged by. `remedy` says what would make it known (ja / en).
    """

    word: str
    bound_us: float | None
    reason: str = ""
    poor: tuple[Span, ...] = ()
    record: ClockRecord | None = field(default=None, compare=False, repr=False)
    remedy: str = ""

    @property
    def is_known(self) -> bool:
        """Whether the uncertainty is known."""
        return self.bound_us is not None

    def usable_us(self, limit_us: float) -> float | None:
        """Return the uncertainty where delays may be judged by it, None where it is unknown or beyond the limit."""
        return None if self.bound_us is None or self.bound_us > limit_us else self.bound_us

    def doubt(self, limit_us: float) -> str:
        """Say why one-way figures are for reference only and what helps; nothing where they are not."""
        if self.bound_us is None:
            return f"{REFERENCE_ONLY}: {_with(self.reason, self.remedy)}"
        if self.bound_us <= limit_us:
            return ""
        bound, limit = (f"±{us / MS:.4g} ms" for us in (self.bound_us, limit_us))
        return (
            f"{REFERENCE_ONLY}: 時計の誤差上限 {bound} が限度 {limit} を超える"
            "(対策: GNSS PPS・PTP・近いNTPサーバーで同期、時計差の事後補正、または clock_within_ms で限度を定める) / "
            f"the clocks' bound {bound} exceeds the limit {limit}: synchronise by GNSS PPS, PTP or a near NTP server, "
            "correct the offset afterwards, or state clock_within_ms"
        )


NO_RECORD = ClockQuality("不明", None, "時刻記録なし / no record of the clocks", remedy=NEVER_WATCHED)
"""Of a link whose clocks nobody watched."""


def _with(reason: str, remedy: str) -> str:
    """Return a reason with what helps, both as "Japanese / English"."""
    if not remedy:
        return reason
    (why_ja, _, why_en), (ja, _, en) = reason.partition(" / "), remedy.partition(" / ")
    return f"{why_ja}(対策: {ja}) / {why_en}: {en}"


def worst_clock(clocks: Sequence[ClockQuality]) -> ClockQuality:
    """Return the quality that holds for all: the largest bound, unknown where one is, and all their poor time."""
    unknown = next((each for each in clocks if not each.is_known), None)
    worst = unknown or max(clocks, key=lambda each: each.bound_us or 0.0)
    return replace(worst, poor=tuple(span for each in clocks for span in each.poor))


def clock_quality(  # noqa: PLR0917 - two clocks, and the time they are judged for
    own: ClockSamples | None, far: ClockSamples | None, start_us: int, end_us: int, limit_us: float | None = None,
    excluded: Sequence[Span] = (),
) -> ClockQuality:  # fmt: skip
    """Judge a window, without what is excluded of it, by both clocks: the sum of their largest bounds (RFC 7679 3.7).

    Without a limit the whole window is judged as one: unknown as soon as either clock is at any moment. With a limit
    the time in which the bound is unknown or larger is `poor`, and the rest is judged without it. Where nothing is left
    the window is judged as one.
    """
    record = clock_record(own, far, start_us, end_us, excluded)
    bound_us = record.bound_us
    is_good = np.isfinite(bound_us) if limit_us is None else bound_us <= limit_us
    poor: tuple[Span, ...] = ()
    if limit_us is not None and is_good.any():
        poor = _poor(record, ~is_good)
        bound_us = bound_us[is_good]
    if not bound_us.size or not np.isfinite(bound_us).all():
        return ClockQuality("不明", None, record.reason, record=record, remedy=record.remedy)
    worst_us = float(bound_us.max())
    return ClockQuality("良" if worst_us <= GOOD_US else "粗", worst_us, poor=poor, record=record)


def _poor(record: ClockRecord, is_poor: npt.NDArray[np.bool_]) -> tuple[Span, ...]:
    """Return poor time; at an end of the window it goes on beyond, where packets may lie that came in meanwhile."""
    starts, ends = record.start_us.copy(), record.end_us.copy()
    if is_poor.any():
        starts[0], ends[-1] = -FOREVER_US, FOREVER_US
    return tuple(merged([*zip(starts[is_poor].tolist(), ends[is_poor].tolist(), strict=True)]))
