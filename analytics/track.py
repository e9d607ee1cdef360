"""Where the vehicle was: a track of GNSS fixes, distances along it, and the cells of grids.

Samples without a two-dimensional fix have no position. How far it drove is `analytics.odometer`'s: the noise of the
fixes is no journey.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jismesh.utils as jismesh
import numpy as np
import numpy.typing as npt

from analytics.geodesy import EARTH_M, haversine_m
from analytics.odometer import driven_m
from analytics.series import Bools, Floats, Series, Times, nearest
from analytics.spans import Span, crosses

FIX_AGE_US = 2_000_000
"""A position older than this says nothing: 28 m at 50 km/h, about one mesh of the finest grid."""
_MESH_LEVEL = {10_000: 2, 1_000: 3, 500: 4, 250: 5, 125: 6}
"""JIS X 0410 meshes by their size in metres, with the level that jismesh gives them; finer ones are not in the JIS."""
MESH_SIZES_M = tuple(_MESH_LEVEL)
Place = tuple[float, float]
"""Latitude and longitude in degrees."""
_MESH_END_LAT_DEG = 66.66
_MESH_LON_DEG = (100.0, 180.0)
"""JIS X 0410 numbers places up to 66.66 degrees north and from 100 degrees east on; others have no mesh."""


@dataclass(frozen=True, slots=True)
class Track:
    """Fixes sorted by time: `t_us`, `lat_deg`, `lon_deg`, `speed_mps`, and `distance_m` driven since the first."""

    t_us: Times
    lat_deg: Floats
    lon_deg: Floats
    speed_mps: Floats
    distance_m: Floats

    @property
    def length_m(self) -> float:
        """Length of the journey."""
        return float(self.distance_m[-1]) if self.distance_m.size else 0.0


def track(position: Series, cuts: Sequence[Span] = ()) -> Track:
    """Build the track of a position series (`mode`, `lat_deg`, `lon_deg`, `speed_mps`).

    `cuts` were left out of it: the straight line over one is no way that was driven.
    """
    lat, lon = position.number("lat_deg"), position.number("lon_deg")
    has_fix = (position.number("mode") >= 2) & np.isfinite(lat) & np.isfinite(lon)  # noqa: PLR2004 - gpsd: 2D fix
    kept = position.where(has_fix)
    lat, lon, speed = kept.number("lat_deg"), kept.number("lon_deg"), kept.number("speed_mps")
    if not kept.n:
        return Track(kept.t_us, lat, lon, speed, np.empty(0))
    steps_m = haversine_m(lat[:-1], lon[:-1], lat[1:], lon[1:])
    steps_s = np.diff(kept.t_us) / 1e6
    derived = np.divide(steps_m, steps_s, out=np.zeros_like(steps_m), where=steps_s > 0)
    distance = driven_m(kept.t_us, lat, lon, speed)
    if cuts:
        # The straight line over what was left out is no way that was driven.
        steps = np.where(crosses(kept.t_us, cuts), 0.0, np.diff(distance))
        distance = np.concatenate([[0.0], np.cumsum(steps)])
    # What the receiver says of the speed is better than the difference of two noisy fixes.
    speed = np.where(np.isfinite(speed), speed, np.append(derived, derived[-1:]) if derived.size else speed)
    return Track(kept.t_us, lat, lon, speed, distance)


def freshness(path: Track, at_us: Times) -> tuple[npt.NDArray[np.intp], Bools]:
    """Return the fix nearest to each instant, and whether it is fresh enough to say where the vehicle was."""
    return nearest(path.t_us, at_us, FIX_AGE_US)


def places(path: Track, at_us: Times) -> tuple[Floats, Floats, Floats, Floats]:
    """Return latitude, longitude, distance along the route and speed at each instant, NaN without a fresh fix."""
    _, is_fresh = freshness(path, at_us)
    if not path.t_us.size:
        nothing = np.full(at_us.size, np.nan)
        return nothing, nothing, nothing, nothing
    at = at_us.astype(np.float64)
    known = path.t_us.astype(np.float64)
    found = (
        np.where(is_fresh, np.interp(at, known, values), np.nan)
        for values in (path.lat_deg, path.lon_deg, path.distance_m, path.speed_mps)
    )
    lat, lon, distance, speed = found
    return lat, lon, distance, speed


def sections(distance_m: Floats, section_m: float) -> npt.NDArray[np.int64]:
    """Return the number of the section of the route in which each distance lies, -1 where it is not known."""
    known = np.isfinite(distance_m)
    numbers = np.full(distance_m.size, -1, np.int64)
    numbers[known] = np.floor(distance_m[known] / section_m).astype(np.int64)
    return numbers


def mesh_codes(lat_deg: Floats, lon_deg: Floats, size_m: int) -> npt.NDArray[np.int64]:
    """Return JIS X 0410 mesh codes of 10,000, 1,000, 500, 250 or 125 m, -1 where the place is not known or has none.

    Raises ValueError for another size.
    """
    if size_m not in _MESH_LEVEL:
        raise ValueError(f"no JIS X 0410 mesh of {size_m} m; there are {', '.join(map(str, MESH_SIZES_M))}")
    codes = np.full(lat_deg.size, -1, np.int64)
    # Comparisons with NaN are false: a place that is not known is outside.
    known = (
        (lat_deg >= 0) & (lat_deg < _MESH_END_LAT_DEG) & (lon_deg >= _MESH_LON_DEG[0]) & (lon_deg < _MESH_LON_DEG[1])
    )
    if known.any():
        # jismesh 2.1 turns a single place into a scalar with a function that numpy 2 no longer has: never give it one.
        lat, lon = (np.append(values[known], values[known][0]) for values in (lat_deg, lon_deg))
        codes[known] = jismesh.to_meshcode(lat, lon, _MESH_LEVEL[size_m])[:-1]
    return codes


def grid_cells(lat_deg: Floats, lon_deg: Floats, size_m: float, origin_deg: Place | None = None) -> npt.NDArray[Any]:
    """Return numbers of the cells of a square metre grid (for 5 to 50 m, finer than the JIS), -1 without a place.

    The grid hangs on the equator and the meridian of `origin_deg` (latitude, longitude), by default the first place;
    equal numbers are equal cells for the same origin.
    """
    codes = np.full(lat_deg.size, -1, np.int64)
    known = np.isfinite(lat_deg) & np.isfinite(lon_deg)
    if known.any():
        first = first_place(lat_deg, lon_deg) if origin_deg is None else origin_deg
        assert first is not None
        lat0, lon0 = np.radians(first)
        lat, lon = np.radians(lat_deg[known]), np.radians(lon_deg[known])
        row = np.floor(lat * EARTH_M / size_m).astype(np.int64)
        column = np.floor((lon - lon0) * EARTH_M * np.cos(lat0) / size_m).astype(np.int64)
        codes[known] = row * 10_000_000 + column + 5_000_000
    return codes


def first_place(lat_deg: Floats, lon_deg: Floats) -> Place | None:
    """Return the first place that is known; None where none is."""
    known = np.flatnonzero(np.isfinite(lat_deg) & np.isfinite(lon_deg))
    return (float(lat_deg[known[0]]), float(lon_deg[known[0]])) if known.size else None
