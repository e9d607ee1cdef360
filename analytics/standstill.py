"""When the vehicle of a run stood, to leave that time out of what is said of its links while driving. Pure.

A vehicle at a stop measures one place again and again: an hour at the depot beside the antenna says nothing of the
route, and weighs more than all of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np

from analytics.results import KpiResult
from analytics.series import Series, durations_s
from analytics.spans import Span, merged
from analytics.track import Track
from analytics.vehicle_speed import STANDING_MPS, speeds_mps

LEAST_HALT_S = 10.0
"""A halt of less is driving: a stop line or a queue that creeps takes seconds, a stop or a light tens of them. Every
halt that is left out also cuts what was measured in two, so that an outage over its edge is not seen whole."""

UNKNOWN_SPEED = "走行中のみ: 速度の記録がなく停車を除外していない / moving only: no speed recorded, nothing left out"


@dataclass(frozen=True, slots=True)
class Standstill:
    """The halts of a device; `is_known` is False where its speed was never recorded: then no halt is known."""

    spans: tuple[Span, ...] = ()
    is_known: bool = False

    @property
    def words(self) -> str:
        """Say what is left out of figures that are of driving only."""
        if not self.is_known:
            return UNKNOWN_SPEED
        count, seconds, kmh = len(self.spans), sum(end - start for start, end in self.spans) / 1e6, STANDING_MPS * 3.6
        return (
            f"走行中のみ: 停車({kmh:g} km/h 未満が {LEAST_HALT_S:g} 秒以上){count} 回 {seconds:.6g} s を除外、"
            f"速度不明の時間は含む / moving only: {count} halts (below {kmh:g} km/h for {LEAST_HALT_S:g} s and more),"
            f" {seconds:.6g} s, left out, time of unknown speed kept"
        )


def standstill(path: Track | None, vehicle: Series | None) -> Standstill:
    """Return the halts: speed below 0.5 m/s for ten seconds and more, by GNSS, else the vehicle's own.

    A sample stands until the next one, at most three of the usual intervals. Where the speed is not known the vehicle
    may be moving (in a tunnel, where the link is worst): that is no halt.
    """
    known = [np.empty(0, np.int64)] if path is None else [path.t_us]
    if vehicle is not None:
        known.append(vehicle.t_us[np.isfinite(vehicle.number("speed_mps"))])
    t_us = np.unique(np.concatenate(known))
    speed = speeds_mps(t_us, path, vehicle)
    t_us, speed = t_us[np.isfinite(speed)], speed[np.isfinite(speed)]
    if not t_us.size:
        return Standstill()
    ends_us = t_us + np.rint(durations_s(t_us) * 1e6).astype(np.int64)
    stands = np.abs(speed) < STANDING_MPS
    halts = merged(list(zip(t_us[stands].tolist(), ends_us[stands].tolist(), strict=True)))
    return Standstill(tuple(each for each in halts if each[1] - each[0] >= LEAST_HALT_S * 1e6), is_known=True)


def while_moving(results: list[KpiResult], words: str) -> list[KpiResult]:
    """Return results that are of driving only with what was left out in their filter."""
    return [
        msgspec.structs.replace(each, filter="; ".join(filter(None, [each.filter, words]))) for each in results
    ]  # fmt: skip
