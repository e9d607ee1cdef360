"""Glass-to-glass delay from trials that were measured apart, each read only as finely as its method allows. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from analytics.doubt import Doubt, shifted
from analytics.figures import Figures
from analytics.results import CAMERA_VARIANT, KpiResult
from analytics.series import Floats
from analytics.statistics import Interval
from analytics.subject import NONE
from contract.video_trials import METHODS, VideoSetup

_KPI = "video_g2g"
NOT_RECORDED = "測定条件の記録なし: 分解能が不明 / how it was measured is not recorded: the resolution is unknown"
TOO_COARSE = "分解能が所要値をまたぐ / the resolution reaches across the limit"


def evaluate_trials(
    delays_ms: Floats, details: npt.NDArray[np.object_], figures: Figures
) -> list[KpiResult]:  # fmt: skip
    """Return the delay of each camera: n trials in milliseconds, in order of time, and how each was recorded (JSON).

    All trials of a camera are taken to be off by as much as the coarsest of them.
    """
    setups = {detail: _setup(detail) for detail in set(details.tolist())}
    cameras = np.array([setup.camera if (setup := setups[detail]) else "" for detail in details.tolist()], object)
    results: list[KpiResult] = []
    for camera in sorted(set(cameras.tolist())):
        mine = np.asarray(cameras == camera, np.bool_)
        used = [setup for detail in dict.fromkeys(details[mine].tolist()) if (setup := setups[detail])]
        variant = CAMERA_VARIANT.format(camera) if camera else ""
        found = figures.spread(
            _KPI, delays_ms[mine], filters="; ".join(filter(None, [variant, *_recorded(used)])),
            reason=_resolution(used), at_least=0.0, doubt=_doubt(used),
        )  # fmt: skip
        results += (msgspec.structs.replace(result, variant=variant) for result in found)
    return results


def _setup(detail: Any) -> VideoSetup | None:
    try:
        return msgspec.json.decode(detail, type=VideoSetup)
    except (msgspec.DecodeError, TypeError):  # another program's, or none
        return None


def _doubt(used: Sequence[VideoSetup]) -> Callable[[Interval], Doubt]:
    if not used:
        return lambda _interval: Doubt(NONE, "")
    worst_ms = max(setup.uncertainty_ms for setup in used)
    return lambda interval: Doubt(shifted(interval, worst_ms), TOO_COARSE, worst_ms)


def _resolution(used: Sequence[VideoSetup]) -> str:
    if not used:
        return NOT_RECORDED
    worst_ms = max(setup.uncertainty_ms for setup in used)
    return f"読取りの分解能 ±{worst_ms:.3g} ms / a reading resolves ±{worst_ms:.3g} ms"


def _recorded(used: Sequence[VideoSetup]) -> Iterator[str]:
    """Yield with what the trials of a camera were recorded."""
    for each in used:
        yield (
            f"{METHODS[each.method].ja} {METHODS[each.method].en}, {each.camera_model}, {each.camera_fps:g} fps, "
            f"{each.monitor_hz:g} Hz, {each.resolution}, {each.codec}, {each.measured_by}, {each.measured_on}"
        )
