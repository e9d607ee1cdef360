"""Clock quality of a window: how far one-way delays may be off, from the `clock` stream of both ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

GOOD_US = 1_000.0
"""Up to this bound a one-way delay of a mobile link is called good: a tenth of the smallest delays that matter."""

MAX_AGE_INTERVALS = 3
MIN_AGE_US = 60_000_000


@dataclass(frozen=True, slots=True)
class ClockSamples:
    """Samples of one clock, sorted by time: `t_us`, `synced`, `bound_us` (NaN where unknown)."""

    t_us: npt.NDArray[np.int64]
    synced: npt.NDArray[np.bool_]
    bound_us: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ClockQuality:
    """What may be said of one-way delays: a word, and the uncertainty in microseconds (None: unknown).

    `word` is "良" (good), "粗" (known but coarse) or "不明" (unknown). Unknown one-way figures are 参考値.
    """

    word: str
    bound_us: float | None
    reason: str = ""

    @property
    def is_known(self) -> bool:
        """Whether the uncertainty is known."""
        return self.bound_us is not None


def clock_quality(own: ClockSamples | None, far: ClockSamples | None, start_us: int, end_us: int) -> ClockQuality:
    """Judge a window by both clocks: the sum of their largest bounds in it (RFC 7679 3.7).

    Unknown as soon as one end has no sample near the window, was ever unsynchronised in it, or left a gap of more than
    three of its own intervals (and more than a minute) without a sample.
    """
    total = 0.0
    for (name_ja, name_en), samples in ((("端末側", "own clock"), own), (("対向側", "far clock"), far)):
        bound, reason = _bound(samples, start_us, end_us)
        if bound is None:
            return ClockQuality("不明", None, f"{name_ja}の{reason[0]} / {name_en}: {reason[1]}")
        total += bound
    return ClockQuality("良" if total <= GOOD_US else "粗", total)


def _bound(samples: ClockSamples | None, start_us: int, end_us: int) -> tuple[float | None, tuple[str, str]]:
    if samples is None or not samples.t_us.size:
        return None, ("時刻記録なし", "no record")
    steps = np.diff(samples.t_us)
    allowed = max(MAX_AGE_INTERVALS * (float(np.median(steps)) if steps.size else 0.0), MIN_AGE_US)
    inside = (samples.t_us >= start_us - allowed) & (samples.t_us <= end_us + allowed)
    if not inside.any():
        return None, ("時刻記録が区間付近になし", "no record near the window")
    near = samples.t_us[inside]
    # A sample before the window ages until the next one; a border with no sample beyond it ends the record.
    edges = np.array([start_us] * int(near[0] > start_us) + [end_us] * int(near[-1] < end_us), np.int64)
    if float(np.diff(np.sort(np.concatenate([near, edges]))).max(initial=0)) > allowed:
        return None, ("時刻記録に途切れ", "record has gaps")
    if not samples.synced[inside].all() or np.isnan(samples.bound_us[inside]).any():
        return None, ("時計が非同期", "not synchronised")
    return float(samples.bound_us[inside].max()), ("", "")
