"""How fast the vehicle was at some instants, by whichever of its two witnesses was there. Pure."""

from __future__ import annotations

import numpy as np

from analytics.series import Floats, Series, Times, nearest
from analytics.track import FIX_AGE_US, Track, places

STANDING_MPS = 0.5
"""Slower than this a vehicle stands."""


def speeds_mps(at_us: Times, path: Track | None, vehicle: Series | None) -> Floats:
    """Return the speed at each instant in m/s: by GNSS, else the vehicle's own, at most two seconds off, or NaN."""
    found = np.full(at_us.size, np.nan)
    if path is not None and path.t_us.size:
        found = places(path, at_us)[3]
    if vehicle is not None and not np.isfinite(found).all():
        speed = vehicle.number("speed_mps")
        known = np.isfinite(speed)
        place, is_near = nearest(vehicle.t_us[known], at_us, FIX_AGE_US)
        if known.any():
            found = np.where(np.isfinite(found) | ~is_near, found, np.abs(speed[known][place]))
    return found


def own_speeds_mps(vehicle: Series, path: Track | None) -> Floats:
    """Return the absolute speed of each row of the stream `vehicle` in m/s, by GNSS where the row has none."""
    speed = np.abs(vehicle.number("speed_mps"))
    if np.isfinite(speed).all() or path is None:
        return speed
    return np.where(np.isfinite(speed), speed, speeds_mps(vehicle.t_us, path, None))
