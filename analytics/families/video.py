"""Video of remote monitoring, camera by camera, and of all cameras of a link. Pure.

Every camera has figures of its own, with the worth (n_eff) of its own series. Beside them stand those of the whole: the
worst camera (delay, frame rate, jitter, freezes, loss), the sum of all bit rates in each second, and the number of all
freezes. The interval of a worst camera holds for all of them at once (Bonferroni: m cameras, each at 1 - 0.05 / m).
A requirement is held against each camera and against the whole. A link with one camera has its figures only.

A stream that stops is a frozen stream: rows at the end without a frame, and the time after a camera's last row until
the measurement ends, are time frozen (W3C webrtc-stats counts a freeze when the next picture comes, which never does).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np

from analytics.definitions import BY_ID
from analytics.figures import Figures
from analytics.results import CAMERA_VARIANT, KpiResult
from analytics.series import Floats, Series
from analytics.spans import Span, merged
from analytics.statistics import CONFIDENCE, Interval, effective_n, proportion_interval
from analytics.subject import BINOMIAL
from analytics.track import Track
from analytics.vehicle_speed import speeds_mps

_MS = 1000.0
_MBIT = 1e6
_OVERDUE = 2.0
"""A row is missing when it did not come two intervals after the last one."""

FROZEN_BEFORE = "測定開始前からの停止を含む: 1とする / frozen since before the measurement: taken as all of it"
NEVER_BACK = "復帰しない停止を含む / a freeze that never ended is included"
ONLY_LAST = "freeze_sの記録なし: 復帰しない停止のみ / freeze_s not recorded: only the freeze that never ended"
FAMILYWISE = "Bonferroni over cameras"


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizon:
    """Until when a camera's video should have gone on.

    `end_us`: the last sample of anything that the device measured (0: the last row of any camera). `elsewhere_us`: the
    last row of each camera over the other links, to which it may have moved. `excluded` time is nobody's.
    """

    end_us: int = 0
    elsewhere_us: Mapping[str, int] = field(default_factory=dict)
    excluded: Sequence[Span] = ()

    def silent_us(self, camera: str, last_us: int, interval_s: float) -> int:
        """Return how long a camera was silent after its last row, 0 where it moved or its next row is not overdue."""
        if self.elsewhere_us.get(camera, last_us) > last_us:
            return 0
        left_out = sum(max(min(end, self.end_us) - max(start, last_us), 0) for start, end in merged(self.excluded))
        silent_us = max(self.end_us - last_us, 0) - left_out
        return silent_us if silent_us > _OVERDUE * interval_s * 1e6 else 0


def cameras_of(video: Series) -> dict[str, Series]:
    """Return the rows of each camera."""
    names = np.array(["不明" if name is None else str(name) for name in video.text("camera").tolist()], object)
    return {name: video.where(np.asarray(names == name, bool)) for name in sorted(set(names.tolist()))}


def usual_interval_s(camera: Series) -> float:
    """Return the usual length of a camera's intervals, 0 where none is known."""
    length_s = camera.number("interval_s")
    return float(np.nanmedian(length_s)) if np.isfinite(length_s).any() else 0.0


def evaluate_video(
    video: Series,
    path: Track | None,
    figures: Figures,
    *,
    vehicle: Series | None = None,
    horizon: Horizon | None = None,
) -> list[KpiResult]:
    """Return the video KPIs of a link: of all its cameras, then of each.

    The speed for `delay_distance` is that by GNSS, or the vehicle's own where there is none.
    """
    if not video.n:
        return []
    horizon = horizon or Horizon()
    if not horizon.end_us:
        horizon = replace(horizon, end_us=int(video.t_us[-1]))
    cameras = cameras_of(video)

    def of_each(made: Figures) -> list[list[KpiResult]]:
        return [
            [
                msgspec.structs.replace(result, variant=CAMERA_VARIANT.format(name))
                for result in _of_camera(name, rows, speeds_mps(rows.t_us, path, vehicle), made, horizon)
            ]
            for name, rows in cameras.items()
        ]  # fmt: skip

    each = of_each(figures)
    whole: list[KpiResult] = []
    if len(cameras) > 1:
        together = of_each(replace(figures, confidence=1 - (1 - CONFIDENCE) / len(cameras)))
        whole = list(_whole(video, together, list(cameras), figures))
    return [*whole, *(result for results in each for result in results)]


def _of_camera(name: str, video: Series, speed_mps: Floats, figures: Figures, horizon: Horizon) -> Iterator[KpiResult]:
    filters = CAMERA_VARIANT.format(name)
    length_s = video.number("interval_s")
    for kpi, column, scale in (
        ("video_delay", "delay_us", 1 / _MS), ("video_fps", "fps", 1.0), ("video_rate", "rate_bps", 1 / _MBIT),
        ("video_jitter", "jitter_us", 1 / _MS),
    ):  # fmt: skip
        values = video.number(column) * scale
        known = np.isfinite(values) & np.isfinite(length_s)
        if not np.isfinite(values).any():
            continue
        total_s = float(length_s[known].sum())
        weighted = float((values[known] * length_s[known]).sum()) / total_s if total_s > 0 else None
        yield from figures.spread(
            kpi, values, mean=weighted if kpi in {"video_fps", "video_rate"} else None, filters=filters, at_least=0.0
        )
    yield from _freezes(name, video, filters, figures, horizon)
    received, lost = video.number("packets_received"), np.maximum(video.number("packets_lost"), 0)
    known = np.isfinite(received) & np.isfinite(lost) & (received + lost > 0)
    if known.any():
        yield figures.pooled("video_loss", lost[known], received[known] + lost[known], filters=filters)
    metres = speed_mps * video.number("delay_us") / 1e6
    if np.isfinite(metres).any():
        told = f"{filters}; 速度 × 映像遅延(伝送区間)"
        yield from figures.spread("delay_distance", np.abs(metres), filters=told, at_least=0.0)


def _freezes(name: str, video: Series, filters: str, figures: Figures, horizon: Horizon) -> Iterator[KpiResult]:
    frozen_s, length_s = video.number("freeze_s").copy(), video.number("interval_s")
    is_recorded = bool(np.isfinite(frozen_s).any())
    alive = np.flatnonzero(video.number("fps") != 0)
    dead = np.arange(video.n) >= (alive[-1] + 1 if alive.size else 0)
    frozen_s[dead] = np.fmax(frozen_s[dead], length_s[dead])
    usual_s = usual_interval_s(video)
    silent_s = horizon.silent_us(name, int(video.t_us[-1]), usual_s) / 1e6
    last_s = float(np.nansum(frozen_s[dead])) + silent_s
    if not is_recorded:
        if not last_s:
            return
        frozen_s = np.where(np.isfinite(frozen_s), frozen_s, 0.0)
    known = np.isfinite(frozen_s) & np.isfinite(length_s)
    total_s = float(length_s[known].sum()) + silent_s
    if not total_s:
        return
    missing = min(round(silent_s / usual_s), 1_000_000) if usual_s > 0 else int(silent_s > 0)
    share = np.clip(frozen_s[known] / np.maximum(length_s[known], 1e-9), 0, 1)
    share = np.concatenate([share, np.ones(missing)])
    n, n_eff = int(share.size), effective_n(share)
    ratio = (float(frozen_s[known].sum()) + silent_s) / total_s
    # A freeze is recorded in the interval in which it ends (webrtc-stats): it may have begun before the first.
    reasons = [FROZEN_BEFORE if ratio > 1 else "", NEVER_BACK if last_s else "", "" if is_recorded else ONLY_LAST]
    ratio = min(ratio, 1.0)
    reason = "; ".join(filter(None, reasons))
    yield figures.make(
        "video_freeze", "ratio", ratio, n=n, n_eff=n_eff, method=BINOMIAL, filters=filters, reason=reason,
        interval=proportion_interval(ratio * n, n, n_eff, figures.confidence),
    )  # fmt: skip
    freezes = video.number("freezes")
    if np.isfinite(freezes).any():
        # One that never ended was never counted by the receiver.
        count = float(np.nansum(freezes)) + (last_s > 0 and not np.nansum(freezes[dead]))
        count = max(count, float(ratio > 0))
        yield figures.make("video_freeze", "count", count, n=n, filters=filters, reason=NEVER_BACK if last_s else "")
    longest = max(float(frozen_s[known].max()) if known.any() else 0.0, last_s)
    yield figures.make("video_freeze", "max", longest, n=n, filters=filters, unit="s",
                       reason=NEVER_BACK if last_s else "")  # fmt: skip


def _whole(video: Series, each: list[list[KpiResult]], names: list[str], figures: Figures) -> Iterator[KpiResult]:
    listed = ", ".join(names)
    told = f"全カメラ {len(names)}台: {listed} / all {len(names)} cameras: {listed}"
    found: dict[tuple[str, str], list[tuple[str, KpiResult]]] = {}
    for name, results in zip(names, each, strict=True):
        for result in results:
            if result.value is not None:
                found.setdefault((result.id, result.statistic), []).append((name, result))
    rates_mbps = sum_of_rates_bps(video) / _MBIT
    if rates_mbps.size:
        yield from figures.spread(
            "video_rate", rates_mbps, filters=f"{told}; 毎秒の合計 / sum per second", at_least=0.0
        )
    for (kpi, statistic), named in found.items():
        if kpi == "video_rate":
            continue
        if (kpi, statistic) == ("video_freeze", "count"):
            yield figures.make(
                kpi, statistic, sum(result.value or 0.0 for _, result in named),
                n=sum(result.n for _, result in named), filters=f"{told}; 合計 / sum",
            )  # fmt: skip
            continue
        sign = -1.0 if BY_ID[kpi].better == "larger" else 1.0
        name, worst = max(named, key=lambda pair: sign * (pair[1].value or 0.0))
        far, near = [result.ci_high for _, result in named], [result.ci_low for _, result in named]
        pick: Callable[[list[float]], float] = max if sign > 0 else min
        low = _bound(near, pick, is_open=sign < 0)
        high = _bound(far, pick, is_open=sign > 0)
        yield figures.make(
            kpi, statistic, worst.value, n=worst.n, n_eff=worst.n_eff, interval=Interval(low, high),
            method=f"{worst.ci_method}, {FAMILYWISE}" if worst.ci_method else "", unit=worst.unit,
            filters=f"{told}; 最悪のカメラ / worst camera",
            reason="; ".join(filter(None, [f"最悪のカメラ {name} / worst camera {name}", worst.reason])),
        )  # fmt: skip


def _bound(ends: list[float | None], pick: Callable[[list[float]], float], *, is_open: bool) -> float | None:
    """Return the worst of some ends; `is_open`: on the bad side, where one that is not bounded leaves none."""
    known = [end for end in ends if end is not None]
    return None if not known or (is_open and len(known) < len(ends)) else pick(known)


def sum_of_rates_bps(video: Series) -> Floats:
    """Return the sum of all cameras' bit rates in each whole second in which any of them was received.

    A camera without a row in such a second adds nothing to it; a row stands for the interval that ends at its time.
    """
    rate, length_us = video.number("rate_bps"), video.number("interval_s") * 1e6
    known = np.isfinite(rate) & np.isfinite(length_us) & (length_us > 0)
    if not known.any():
        return np.empty(0)
    end_us = (video.t_us[known] - int(video.t_us[known][0])).astype(np.float64)
    shift = int(video.t_us[known][0]) % 1_000_000
    end_us, rate = end_us + shift, rate[known]
    start_us = end_us - length_us[known]
    first, last = np.ceil(start_us.min() / 1e6), np.floor(end_us.max() / 1e6)
    edges = np.arange(first, last + 1) * 1e6

    def received(weights: Floats) -> Floats:
        """Integrate a sum of steps of some heights up to each edge, and return what lies between the edges."""
        total = np.zeros(edges.size)
        for at_us, sign in ((start_us, 1.0), (end_us, -1.0)):
            order = np.argsort(at_us)
            heights = np.concatenate([[0.0], np.cumsum(weights[order])])
            moments = np.concatenate([[0.0], np.cumsum(weights[order] * at_us[order])])
            place = np.searchsorted(at_us[order], edges, side="right")
            total += sign * (heights[place] * edges - moments[place])
        return np.diff(total) / 1e6

    covered = received(np.ones(rate.size))
    return np.maximum(received(rate), 0.0)[covered > 0.99]  # noqa: PLR2004 - a second but for rounding
