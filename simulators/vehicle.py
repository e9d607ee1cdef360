"""The state of the monitored vehicle over time: motion, mode, doors, battery, and who watches it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.motion import BRAKING_MPS2, CRUISE_MPS, MRM_BRAKING_MPS2, Drive, Halt, MotionState
from simulators.path_loss import Floats
from simulators.route import DEPOT_M, Route
from simulators.series import texts

OPERATOR = "rm-1"
"""Id of the remote monitor on duty."""

VEHICLES_MONITORED = 2
REACTION_S = 4.0
"""From the standstill of a minimal risk manoeuvre to the remote monitor's intervention."""

CAUSES = ("路上駐車", "通信品質の低下", "GPS等の不具合", "すれ違い")
"""Why a minimal risk manoeuvre and the intervention after it came about; by the place, so that none is drawn."""

REMOTE_S = 12.0
"""How long the vehicle then stands and moves off under remote control before it drives by itself again."""

_MRM_BRAKING_S = CRUISE_MPS / MRM_BRAKING_MPS2 + 1.0  # the longest that one brakes, and a margin
_DOOR_MARGIN_S = 2.0
_WHEELBASE_M = 5.5
_STEERING_RATIO = 17.0
_FULL_BRAKE_MPS2 = 5.0
_BATTERY_FULL_RATIO = 0.92
_BATTERY_PER_KM = 0.006
_BATTERY_PER_H = 0.03
_BATTERY_FLOOR_RATIO = 0.15


class Event(NamedTuple):
    """Something that happened `time_s` after the start of the drive; `link` is "" for the vehicle itself."""

    time_s: float
    link: str
    name: str
    severity: str
    message: str
    detail: dict[str, str | int | float]


def interventions(drive: Drive) -> list[float]:
    """Return when the remote monitor intervened, in seconds from the start of the drive."""
    return [halt.start_s + REACTION_S for halt in drive.halts if halt.kind == "mrm"]


def vehicle_columns(
    rng: np.random.Generator, drive: Drive, route: Route, time_s: Floats, motion: MotionState
) -> dict[str, NDArray[Any]]:
    """Return the columns of the stream `vehicle` at `time_s`, where the vehicle is in the state `motion`."""
    n = len(time_s)
    moving = motion.speed_mps > 0.0
    curvature = route.at(route.curvature_per_m, motion.along_m) * np.where(motion.forward, 1.0, -1.0)
    steering = np.degrees(np.arctan(_WHEELBASE_M * curvature)) * _STEERING_RATIO
    acceleration = motion.acceleration_mps2 + np.where(moving, 0.05, 0.01) * rng.standard_normal(n)
    brake = np.where(moving, np.clip(-motion.acceleration_mps2 / _FULL_BRAKE_MPS2, 0.0, 1.0), 0.2)
    run_km = np.cumsum(motion.speed_mps) * (time_s[1] - time_s[0] if n > 1 else 0.0) / 1000.0
    battery = _BATTERY_FULL_RATIO - _BATTERY_PER_KM * run_km - _BATTERY_PER_H * time_s / 3600.0

    mrm = np.full(n, "NORMAL", dtype=object)
    mode = np.where(motion.along_m < DEPOT_M, "MANUAL", "AUTONOMOUS").astype(object)
    door = np.zeros(n, dtype=np.bool_)
    for halt in drive.halts:
        inside = (time_s >= halt.start_s) & (time_s < halt.end_s)
        if halt.kind in {"terminal", "bus_stop"}:
            door |= (time_s >= halt.start_s + _DOOR_MARGIN_S) & (time_s < halt.end_s - _DOOR_MARGIN_S)
        if halt.kind == "terminal":
            mode[inside] = "STOP"
        if halt.kind == "mrm":
            _mark_mrm(halt, time_s, motion, mrm, mode)
    return {
        "speed_mps": np.maximum(motion.speed_mps + np.where(moving, 0.03, 0.0) * rng.standard_normal(n), 0.0).round(3),
        "accel_mps2": acceleration.round(3),
        "steering_deg": (steering + 0.4 * rng.standard_normal(n)).round(2),
        "brake_ratio": brake.round(3),
        "drive_mode": mode,
        "odd_inside": motion.along_m >= DEPOT_M,
        "mrm_state": mrm,
        "door_open": door,
        "battery_ratio": np.maximum(battery, _BATTERY_FLOOR_RATIO).round(4),
        "operator": texts([OPERATOR] * n),
        "vehicles_monitored": np.full(n, VEHICLES_MONITORED),
        "intervention": np.searchsorted(np.array(interventions(drive)), time_s, side="right"),
    }


def _mark_mrm(
    halt: Halt, time_s: Floats, motion: MotionState, mrm: NDArray[np.object_], mode: NDArray[np.object_]
) -> None:
    """Write one minimal risk manoeuvre into the states: braking, standing, remote control, back to normal."""
    harder = motion.acceleration_mps2 < -0.5 * (BRAKING_MPS2 + MRM_BRAKING_MPS2)
    mrm[harder & (time_s < halt.start_s) & (time_s >= halt.start_s - _MRM_BRAKING_S)] = "MRM_OPERATING"
    mrm[(time_s >= halt.start_s) & (time_s < halt.start_s + REACTION_S)] = "MRM_SUCCEEDED"
    mode[(time_s >= halt.start_s + REACTION_S) & (time_s < halt.end_s + REMOTE_S)] = "REMOTE"


def vehicle_events(drive: Drive) -> list[Event]:
    """Return what happened to the vehicle, in the order of time."""
    events = []
    for halt in drive.halts:
        place = {"along_m": round(halt.along_m, 1)}
        if halt.kind == "mrm":
            cause = CAUSES[int(halt.along_m) % len(CAUSES)]
            text = "Minimal risk manoeuvre: the vehicle has stopped"
            events.append(Event(halt.start_s, "", "vehicle.mrm", "error", text, {**place, "cause": cause}))
            at_s, text = halt.start_s + REACTION_S, f"Remote monitor {OPERATOR} intervened"
            events.append(
                Event(at_s, "", "vehicle.intervention", "warning", text, {"operator": OPERATOR, "cause": cause})
            )
        elif halt.kind == "terminal" and halt.start_s > 0.0:
            events.append(Event(halt.start_s, "", "vehicle.terminal", "info", "Arrived at a terminal", dict(place)))
    return events
