"""How the vehicle moves along its route: limits, stops, red lights, and rare minimal risk manoeuvres.

A drive is made of legs between the terminals, there and back. For each leg the fastest speed profile under the
limits is computed on the route's grid; times follow from it exactly (constant acceleration from metre to metre).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.route import BUS_STOPS_M, DEPOT_M, SIGNALS_M, SPACING_M, Route

Floats = NDArray[np.float64]
HaltKind = Literal["terminal", "bus_stop", "signal", "mrm"]

CRUISE_MPS = 35.0 / 3.6
"""Speed of Level-4 buses on general roads in Japan; the depot is passed at 10 km/h."""

ACCELERATION_MPS2 = 0.8
BRAKING_MPS2 = 1.0
MRM_BRAKING_MPS2 = 2.5
"""Braking of a minimal risk manoeuvre: firm, but standing passengers stay on their feet."""

SIDEWAYS_MPS2 = 1.0
_DEPOT_MPS = 10.0 / 3.6
_DWELL_S: dict[HaltKind, tuple[float, float]] = {
    "terminal": (60.0, 120.0),
    "bus_stop": (15.0, 35.0),
    "signal": (5.0, 40.0),
    "mrm": (25.0, 60.0),
}
_RED_RATIO = 0.45


class Halt(NamedTuple):
    """A standstill: kind, place, and when (seconds from the start of the drive)."""

    kind: HaltKind
    along_m: float
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class MotionState:
    """Arrays over time. `forward` tells the direction: towards terminal B, or back."""

    along_m: Floats
    speed_mps: Floats
    acceleration_mps2: Floats
    forward: NDArray[np.bool_]

    def every(self, ticks: slice) -> MotionState:
        """Return the states at the ticks of a slice."""
        return MotionState(
            self.along_m[ticks], self.speed_mps[ticks], self.acceleration_mps2[ticks], self.forward[ticks]
        )


@dataclass(frozen=True, slots=True)
class Drive:
    """Knots of the motion: between two the acceleration along the way is constant. `sign` is +1 towards terminal B."""

    time_s: Floats
    along_m: Floats
    speed_mps: Floats
    acceleration_mps2: Floats
    sign: Floats
    halts: tuple[Halt, ...]

    def at(self, time_s: Floats) -> MotionState:
        """Return the state at times from 0 to the end of the drive."""
        knot = np.clip(np.searchsorted(self.time_s, time_s, side="right") - 1, 0, len(self.time_s) - 1)
        since_s = time_s - self.time_s[knot]
        speed = np.maximum(self.speed_mps[knot] + self.acceleration_mps2[knot] * since_s, 0.0)
        run_m = self.speed_mps[knot] * since_s + 0.5 * self.acceleration_mps2[knot] * since_s**2
        return MotionState(
            along_m=self.along_m[knot] + self.sign[knot] * run_m,
            speed_mps=speed,
            acceleration_mps2=self.acceleration_mps2[knot],
            forward=self.sign[knot] > 0.0,
        )


def plan_drive(rng: np.random.Generator, route: Route, duration_s: float, *, mrm_per_leg: float = 0.25) -> Drive:
    """Plan a drive of at least `duration_s` that starts with a short halt at terminal A."""
    knots: list[Floats] = []
    halts: list[Halt] = []
    now_s = 0.0
    forward = True
    while now_s < duration_s:
        leg, leg_halts = _plan_leg(rng, route, now_s, forward=forward, mrm_per_leg=mrm_per_leg)
        knots.append(leg)
        halts.extend(leg_halts)
        now_s = leg_halts[-1].end_s
        forward = not forward
    time_s, along_m, speed, acceleration, sign = np.concatenate(knots, axis=1)
    return Drive(time_s, along_m, speed, acceleration, sign, tuple(halts))


def _plan_leg(
    rng: np.random.Generator, route: Route, start_s: float, *, forward: bool, mrm_per_leg: float
) -> tuple[Floats, list[Halt]]:
    """Return knots (time, place, speed, acceleration, sign) and halts of one leg, both terminal halts included."""
    last = len(route.along_m) - 1
    stops = _draw_stops(rng, last, mrm_per_leg)
    curvature = np.abs(route.curvature_per_m)
    limit = np.minimum(CRUISE_MPS, np.sqrt(SIDEWAYS_MPS2 / np.maximum(curvature, 1e-6)))
    limit[route.along_m < DEPOT_M] = np.minimum(limit[route.along_m < DEPOT_M], _DEPOT_MPS)
    braking = np.full(last + 1, BRAKING_MPS2)
    for at, kind in stops.items():
        limit[at] = 0.0
        if kind == "mrm":
            back_m = int(CRUISE_MPS**2 / (2.0 * MRM_BRAKING_MPS2)) + 1
            braking[max(at - back_m, 0) : at] = MRM_BRAKING_MPS2
            braking[at : at + back_m] = MRM_BRAKING_MPS2
    along_m, sign = route.along_m, 1.0
    if not forward:
        limit, braking, along_m, sign = limit[::-1], braking[::-1], along_m[::-1], -1.0
        stops = {last - at: kind for at, kind in stops.items()}
    speed = _speed_profile(limit, braking)
    acceleration = np.append(np.diff(speed**2) / (2.0 * SPACING_M), 0.0)
    step_s = 2.0 * SPACING_M / (speed[:-1] + speed[1:])

    wait_s = np.zeros(last + 1)
    for at, kind in sorted(stops.items()):
        wait_s[at] = rng.uniform(*_DWELL_S[kind])
    if start_s > 0.0:
        wait_s[0] = 0.0  # the halt at this terminal belongs to the leg before
    else:
        wait_s[0] = min(wait_s[0], 8.0)  # nobody wants to watch a parked bus first
    come_s = start_s + np.concatenate([[0.0], np.cumsum(step_s + wait_s[:-1])])
    leave_s = come_s + wait_s
    halts = [
        Halt(kind, float(along_m[at]), float(come_s[at]), float(leave_s[at]))
        for at, kind in sorted(stops.items())
        if wait_s[at] > 0.0
    ]
    standing = np.flatnonzero(wait_s > 0.0)
    moving = np.stack([leave_s, along_m, speed, acceleration, np.full(last + 1, sign)])
    still = np.stack([come_s[standing], along_m[standing], *np.zeros((2, len(standing))), np.full(len(standing), sign)])
    both = np.concatenate([moving, still], axis=1)
    return both[:, np.argsort(both[0], kind="stable")], halts


def _draw_stops(rng: np.random.Generator, last: int, mrm_per_leg: float) -> dict[int, HaltKind]:
    """Draw where this leg stops, as grid indices. A minimal risk manoeuvre keeps clear of the other stops."""
    stops: dict[int, HaltKind] = {0: "terminal", last: "terminal"}
    stops.update({round(place / SPACING_M): "bus_stop" for place in BUS_STOPS_M})
    red = rng.random(len(SIGNALS_M)) < _RED_RATIO
    mrm_drawn, mrm_at = rng.random() < mrm_per_leg, int(rng.uniform(0.1, 0.9) * last)
    stops.update({round(place / SPACING_M): "signal" for place, stop in zip(SIGNALS_M, red, strict=True) if stop})
    if mrm_drawn and all(abs(mrm_at - at) > 60 for at in stops):  # noqa: PLR2004 - metres, twice the braking distance
        stops[mrm_at] = "mrm"
    return stops


def _speed_profile(limit: Floats, braking: Floats) -> Floats:
    """Return the fastest speed at each grid place under `limit`, given how it may gain and lose speed."""
    speed2 = (limit**2).tolist()
    for i in range(len(speed2) - 1):
        speed2[i + 1] = min(speed2[i + 1], speed2[i] + 2.0 * ACCELERATION_MPS2 * SPACING_M)
    for i in range(len(speed2) - 1, 0, -1):
        speed2[i - 1] = min(speed2[i - 1], speed2[i] + 2.0 * braking[i - 1] * SPACING_M)
    profile: Floats = np.sqrt(np.array(speed2))
    return profile
