"""Remote monitoring of Level-4 vehicles: video, commands, driving, and all requirements at once. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from analytics.figures import Figures
from analytics.probes import ProbeArrays
from analytics.results import KpiResult
from analytics.series import Bools, Floats, Series, Times, durations_s
from analytics.special import poisson_lower, poisson_upper
from analytics.statistics import Interval, effective_n, proportion_interval
from analytics.subject import BINOMIAL
from analytics.track import Track, places

_MS = 1000.0
_MBIT = 1e6
_STANDING_MPS = 0.5
ONE_READING = "計数値が1回のみ: 増分が分からない / one reading of the counter shows no increment"
FROZEN_BEFORE = "測定開始前からの停止を含む: 1とする / frozen since before the measurement: taken as all of it"
_STOP = ("stop", "emergency_stop", "estop")


def evaluate_video(video: Series, path: Track | None, figures: Figures) -> list[KpiResult]:
    """Return the video KPIs of a link, all its cameras together."""
    if not video.n:
        return []
    cameras = sorted({str(camera) for camera in video.text("camera")})
    filters = f"カメラ {len(cameras)} 台 cameras: {', '.join(cameras)}"
    length_s = video.number("interval_s")
    results: list[KpiResult] = []
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
        results += figures.spread(
            kpi, values, mean=weighted if kpi in {"video_fps", "video_rate"} else None, filters=filters, at_least=0.0
        )
    results += _freezes(video, filters, figures)
    results += _rtp_loss(video, filters, figures)
    if path is not None and path.t_us.size:
        *_, speed_mps = places(path, video.t_us)
        metres = speed_mps * video.number("delay_us") / 1e6
        if np.isfinite(metres).any():
            results += figures.spread("delay_distance", metres, filters="速度 × 映像遅延(伝送区間)", at_least=0.0)
    return results


def _freezes(video: Series, filters: str, figures: Figures) -> Iterator[KpiResult]:
    frozen_s, length_s = video.number("freeze_s"), video.number("interval_s")
    known = np.isfinite(frozen_s) & np.isfinite(length_s)
    total_s = float(length_s[known].sum())
    if not total_s:
        return
    share = np.clip(frozen_s[known] / np.maximum(length_s[known], 1e-9), 0, 1)
    n, n_eff = int(known.sum()), effective_n(share)
    ratio = float(frozen_s[known].sum()) / total_s
    # A freeze is recorded in the interval in which it ends (webrtc-stats): it may have begun before the first.
    reason = FROZEN_BEFORE if ratio > 1 else ""
    ratio = min(ratio, 1.0)
    yield figures.make(
        "video_freeze", "ratio", ratio, n=n, n_eff=n_eff, interval=proportion_interval(ratio * n, n, n_eff),
        method=BINOMIAL, filters=filters, reason=reason,
    )  # fmt: skip
    freezes = video.number("freezes")
    if np.isfinite(freezes).any():
        yield figures.make("video_freeze", "count", float(np.nansum(freezes)), n=n, filters=filters)
    yield figures.make("video_freeze", "max", float(frozen_s[known].max()), n=n, filters=filters, unit="s")


def _rtp_loss(video: Series, filters: str, figures: Figures) -> Iterator[KpiResult]:
    received, lost = video.number("packets_received"), np.maximum(video.number("packets_lost"), 0)
    known = np.isfinite(received) & np.isfinite(lost) & (received + lost > 0)
    if not known.any():
        return
    yield figures.pooled("video_loss", lost[known], received[known] + lost[known], filters=filters)


def evaluate_commands(commands: Series, figures: Figures) -> list[KpiResult]:
    """Return response, execution and stop delivery; a command without an answer is infinite delay, never dropped."""
    results: list[KpiResult] = []
    for kpi, column in (("command_response", "acked_us"), ("command_execution", "executed_us")):
        delay_ms = commands.number(column) / _MS
        answered = np.isfinite(delay_ms)
        if answered.any():
            results += figures.spread(kpi, delay_ms, infinite=int((~answered).sum()), filters="送信全数 all sent",
                                      at_least=0.0)  # fmt: skip
    stops = commands.where(np.array([str(name).lower() in _STOP for name in commands.text("name")], bool))
    if stops.n:
        limit_ms = figures.subject.profile.parameters.stop_within_ms
        executed, acked = stops.number("executed_us"), stops.number("acked_us")
        taken_us = executed if np.isfinite(commands.number("executed_us")).any() else acked
        in_time = np.nan_to_num(taken_us, nan=np.inf) <= limit_ms * _MS
        filters = f"{limit_ms:g} ms 以内 within"
        results.append(figures.share("stop_delivery", in_time, level=taken_us, filters=filters))
    return results


def evaluate_driving(vehicle: Series, path: Track | None, figures: Figures) -> list[KpiResult]:
    """Return the KPIs of the drive itself: share of autonomous driving, interventions, minimal risk manoeuvres."""
    results: list[KpiResult] = []
    if not vehicle.n:
        return results
    modes = vehicle.text("drive_mode")
    moving = np.nan_to_num(np.abs(vehicle.number("speed_mps"))) > _STANDING_MPS
    known = moving & np.asarray([mode is not None for mode in modes], bool)
    if known.any():
        stands_s = durations_s(vehicle.t_us)
        results.append(figures.share(
            "autonomy", np.asarray(modes[known] == "AUTONOMOUS", bool), weights=stands_s[known],
            filters="走行中 driving",
        ))  # fmt: skip
    counter = vehicle.number("intervention")
    counted = counter[np.isfinite(counter)]
    if counted.size == 1:
        results.append(figures.make("interventions", "count", None, n=0, reason=ONE_READING))
    elif counted.size:
        number = int(np.maximum(np.diff(counted), 0).sum())
        bounds = Interval(poisson_lower(number, 0.975), poisson_upper(number, 0.975))
        results.append(figures.make("interventions", "count", float(number), n=number, interval=bounds,
                                    method="Poisson (exact)"))  # fmt: skip
        kilometres = path.length_m / 1000 if path is not None else 0.0
        if kilometres:
            per_km = Interval(*(None if end is None else end / kilometres for end in (bounds.low, bounds.high)))
            results.append(figures.make(
                "interventions", "per_km", number / kilometres, n=number, interval=per_km, method="Poisson (exact)",
                unit="1/km", filters=f"走行 {kilometres:.3g} km",
            ))  # fmt: skip
    states = np.array([state if state is not None else "" for state in vehicle.text("mrm_state")], object)
    if np.any(states != ""):
        active = np.asarray(states == "MRM_OPERATING", bool)
        began = int(np.count_nonzero(active & ~np.concatenate([[False], active[:-1]])))
        results.append(figures.make("mrm", "count", float(began), n=vehicle.n))
    return results


def second_by_second(
    t_us: Times, values: Floats, seconds: npt.NDArray[np.int64]
) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return for each second the largest value in it (NaN are none) and how many values there were."""
    known = np.isfinite(values)
    places_ = np.searchsorted(seconds, t_us[known] // 1_000_000)
    inside = (places_ < seconds.size) & (seconds[np.minimum(places_, seconds.size - 1)] == t_us[known] // 1_000_000)
    worst = np.full(seconds.size, -np.inf)
    np.maximum.at(worst, places_[inside], values[known][inside])
    counts = np.bincount(places_[inside], minlength=seconds.size)
    return np.where(counts > 0, worst, np.nan), counts


def all_met(vehicle: Series, probes: ProbeArrays, video: Series, figures: Figures) -> KpiResult | None:
    """Return the share of driving seconds in which round trip, loss, video delay and frame rate all held.

    A part that the link does not measure at all is not asked for; which parts were is stated.
    """
    parameters = figures.subject.profile.parameters
    driving = np.nan_to_num(np.abs(vehicle.number("speed_mps"))) > _STANDING_MPS
    seconds = np.unique(vehicle.t_us[driving] // 1_000_000)
    if not seconds.size:
        return None
    held, asked = np.ones(seconds.size, bool), np.ones(seconds.size, bool)
    parts: list[str] = []

    def ask(name: str, good: Bools, measured: Bools) -> None:
        held[:] &= good
        asked[:] &= measured
        parts.append(name)

    if probes.n and probes.has("round_trip"):
        delay = probes.delays["round_trip"]
        # A lost packet is infinitely late: the second fails by it, whatever the others did.
        worst_us, count = second_by_second(
            probes.t_us, np.where(delay.valid & (probes.lost == 0), delay.us.astype(np.float64), 1e15), seconds
        )
        in_time = np.nan_to_num(worst_us) <= parameters.rtt_within_ms * _MS
        ask(f"往復 ≦ {parameters.rtt_within_ms:g} ms 全パケット", in_time, count > 0)
    for name, column, limit, sign in (
        (f"映像遅延 ≦ {parameters.video_within_ms:g} ms", "delay_us", parameters.video_within_ms * _MS, 1.0),
        (f"フレームレート ≧ {parameters.fps_at_least:g}", "fps", parameters.fps_at_least, -1.0),
    ):
        values = video.number(column)
        if np.isfinite(values).any():
            worst, count = second_by_second(video.t_us, sign * values, seconds)
            ask(name, np.nan_to_num(worst, nan=np.inf) <= sign * limit, count > 0)
    if not parts:
        return None
    return figures.share("all_met", held[asked], filters=f"走行中の各1秒: {', '.join(parts)}")
