"""Position by GNSS: the columns of the stream `position`, with errors that last and a loss of the fix.

The error of a receiver drifts over tens of seconds (satellites move, reflections change); it is not new each sample.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.motion import MotionState
from simulators.path_loss import autoregressive
from simulators.route import ALTITUDE_M, UNDERPASS_M, Route, to_geodetic

NO_FIX, FIX_2D, FIX_3D = 1, 2, 3
"""Values of `mode`, as gpsd counts."""

POSITION_ERROR_M = 0.8
_MEMORY_S = 20.0
_REGAIN_S = 3.0  # after the underpass the fix is two-dimensional first


def position_columns(
    rng: np.random.Generator, route: Route, motion: MotionState, interval_s: float
) -> dict[str, NDArray[Any]]:
    """Return the columns of the stream `position` for a vehicle in the states `motion`, one every `interval_s`."""
    n = len(motion.along_m)
    memory = math.exp(-interval_s / _MEMORY_S)
    east_error, north_error, up_error = (POSITION_ERROR_M * autoregressive(rng, n, memory) for _ in range(3))
    latitude, longitude = to_geodetic(
        route.at(route.east_m, motion.along_m) + east_error,
        route.at(route.north_m, motion.along_m) + north_error,
    )
    heading = route.at(route.heading_deg, motion.along_m) + np.where(motion.forward, 0.0, 180.0)
    heading = np.mod(heading + rng.normal(0.0, 0.7, n), 360.0)
    blocked = (motion.along_m >= UNDERPASS_M[0]) & (motion.along_m < UNDERPASS_M[1])
    regain = max(round(_REGAIN_S / interval_s), 1)
    recent = np.convolve(blocked, np.ones(regain + 1))[:n] > 0
    mode = np.where(blocked, NO_FIX, np.where(recent, FIX_2D, FIX_3D))
    no_fix = mode == NO_FIX
    return {
        "lat_deg": np.where(no_fix, np.nan, latitude.round(9)),
        "lon_deg": np.where(no_fix, np.nan, longitude.round(9)),
        "alt_m": np.where(mode == FIX_3D, (ALTITUDE_M + 2.0 * up_error).round(3), np.nan),
        "speed_mps": np.where(no_fix, np.nan, np.abs(motion.speed_mps + rng.normal(0.0, 0.04, n)).round(3)),
        "heading_deg": np.where(no_fix, np.nan, heading.round(2)),
        "mode": mode,
        "satellites": np.where(no_fix, 2, np.where(mode == FIX_2D, 5, rng.integers(11, 17, n))),
        "err_m": np.where(no_fix, np.nan, (1.9 + 0.4 * np.abs(east_error) + np.where(recent, 6.0, 0.0)).round(2)),
    }
