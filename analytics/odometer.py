"""How far a vehicle has driven at each of its fixes. Pure.

Adding up the distances of noisy fixes makes a journey of the noise: 6,000 m became 11,869 m at 10 Hz with a standard
deviation of 1 m. So the speed that the receiver states is integrated (it comes from the Doppler shift and is good to
0.1 m/s), and where it states none, the way is added up from fix to fix only when it is longer than the noise.
"""

from __future__ import annotations

import numpy as np

from analytics.geodesy import haversine_m
from analytics.series import Bools, Floats, Times

MOVING_MPS = 0.5
"""Slower than this a vehicle stands: below walking pace, above the speed noise of a good receiver (0.1 m/s)."""
_LONGEST_STEP_S = 5.0
"""Over a longer step two speeds say less of the way than the two places: 5 s at 14 m/s are 70 m."""
LEAST_STEP_M = 25.0
"""A step across noise of sigma is too long by sigma^2 / step: 1.4 % for 3 m, 0.2 % for 1 m."""


def driven_m(t_us: Times, lat_deg: Floats, lon_deg: Floats, speed_mps: Floats) -> Floats:
    """Return the metres driven since the first fix; speeds are NaN where not stated, and below 0.5 m/s stand."""
    if not t_us.size:
        return np.empty(0)
    steps_s, speed_mps = np.diff(t_us) / 1e6, np.maximum(speed_mps, 0.0)
    slower, faster = np.fmin(speed_mps[:-1], speed_mps[1:]), np.fmax(speed_mps[:-1], speed_mps[1:])
    is_timed = np.isfinite(faster) & (steps_s <= _LONGEST_STEP_S)
    steps_m = np.where(faster >= MOVING_MPS, (slower + faster) / 2 * steps_s, 0.0)
    chords_m = haversine_m(lat_deg[:-1], lon_deg[:-1], lat_deg[1:], lon_deg[1:])
    # A long step between two known speeds, both standing, is noise as well.
    chords_m[np.isfinite(faster) & (faster < MOVING_MPS) & (chords_m < LEAST_STEP_M)] = 0.0
    is_long = np.isfinite(faster) & ~is_timed
    steps_m[is_long] = chords_m[is_long]
    for first, last in _stretches(~np.isfinite(faster)):
        steps_m[first:last] = _by_places(lat_deg[first : last + 1], lon_deg[first : last + 1])
    return np.concatenate([[0.0], np.cumsum(steps_m)])


def _stretches(is_inside: Bools) -> list[tuple[int, int]]:
    """Return first and end (exclusive) of each stretch of true values."""
    edges = np.diff(is_inside.astype(np.int8), prepend=0, append=0)
    return list(zip(np.flatnonzero(edges > 0).tolist(), np.flatnonzero(edges < 0).tolist(), strict=True))


def _by_places(lat_deg: Floats, lon_deg: Floats) -> Floats:
    """Return the steps between places without a speed: from anchor to anchor at least 25 m apart.

    What lies between two anchors gets its share by its own raw way. The rest after the last anchor counts where there
    was an anchor at all: a receiver that never left its noise has not moved.
    """
    raw_m = haversine_m(lat_deg[:-1], lon_deg[:-1], lat_deg[1:], lon_deg[1:])
    steps_m = np.zeros(raw_m.size)
    anchor, size = 0, lat_deg.size
    while anchor < size - 1:
        end, window = None, 64
        start = anchor + 1
        while start < size and end is None:
            stop = min(start + window, size)
            away = haversine_m(lat_deg[anchor], lon_deg[anchor], lat_deg[start:stop], lon_deg[start:stop])
            far = np.flatnonzero(away >= LEAST_STEP_M)
            end = start + int(far[0]) if far.size else None
            length_m = float(away[far[0]] if far.size else away[-1])
            start, window = stop, 2 * window
        if end is None:
            end, length_m = size - 1, length_m if anchor else 0.0
        share = raw_m[anchor:end]
        total = float(share.sum())
        steps_m[anchor:end] = share * (length_m / total) if total else 0.0
        anchor = end
    return steps_m
