"""The road: a made-up route of about 3 km through a fictitious campus in Japan, and places along it.

Horizontal coordinates are metres east and north of `ORIGIN_DEG`; `along_m` is the distance from terminal A.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

ORIGIN_DEG = (36.0788, 140.1012)
"""Latitude and longitude of terminal A."""

ALTITUDE_M = 26.0
SPACING_M = 1.0
"""Grid along the route on which curves, speed limits and radio maps live."""

BUS_STOPS_M = (610.0, 1190.0, 1780.0, 2330.0)
SIGNALS_M = (420.0, 980.0, 1540.0, 2080.0)
UNDERPASS_M = (1395.0, 1440.0)
"""Under a road bridge: no position fix, and 12 dB less signal."""

DEPOT_M = 90.0
"""The first metres lie in the depot: outside the operational design domain, driven by hand."""

_CORNERS_M = (
    (0.0, 0.0),
    (270.0, 25.0),
    (440.0, 175.0),
    (465.0, 480.0),
    (710.0, 655.0),
    (1060.0, 670.0),
    (1265.0, 865.0),
    (1250.0, 1150.0),
    (1435.0, 1345.0),
    (1790.0, 1375.0),
    (2040.0, 1245.0),
    (2230.0, 1330.0),
)
_CUTS = 4  # rounds of corner cutting: bends get a radius of 160 m or more instead of a point
_EQUATOR_M = 6_378_137.0
_FLATTENING = 1.0 / 298.257223563


@dataclass(frozen=True, slots=True)
class Route:
    """A polyline resampled every `SPACING_M`: arrays over the distance from terminal A.

    `heading_deg` is towards terminal B, clockwise from north and unwrapped (it may leave 0..360);
    `curvature_per_m` is positive in left bends.
    """

    along_m: Floats
    east_m: Floats
    north_m: Floats
    heading_deg: Floats
    curvature_per_m: Floats

    @property
    def length_m(self) -> float:
        """Distance from terminal A to terminal B."""
        return float(self.along_m[-1])

    def at(self, values: Floats, along_m: Floats) -> Floats:
        """Interpolate an array over the route's grid at distances `along_m`."""
        result: Floats = np.interp(along_m, self.along_m, values)
        return result


def build_route(corners_m: ArrayLike = _CORNERS_M) -> Route:
    """Round the corners (Chaikin's corner cutting) and resample; `corners_m` has shape (n, 2), east and north."""
    line = np.asarray(corners_m, dtype=np.float64)
    for _ in range(_CUTS):
        first, second = line[:-1], line[1:]
        cut = np.stack([0.75 * first + 0.25 * second, 0.25 * first + 0.75 * second], axis=1).reshape(-1, 2)
        line = np.concatenate([line[:1], cut, line[-1:]])
    distance = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    along_m = np.arange(0.0, distance[-1], SPACING_M)
    east_m, north_m = (np.interp(along_m, distance, axis) for axis in line.T)
    heading = np.unwrap(np.arctan2(np.gradient(east_m), np.gradient(north_m)))
    window = np.ones(11) / 11.0  # 11 m, about the length of a bus: a polyline has no curvature of its own
    heading = np.convolve(np.pad(heading, 5, mode="edge"), window, mode="valid")
    return Route(along_m, east_m, north_m, np.degrees(heading), -np.gradient(heading, SPACING_M))


def to_geodetic(east_m: ArrayLike, north_m: ArrayLike) -> tuple[Floats, Floats]:
    """Return latitude and longitude in degrees (WGS 84) of places near `ORIGIN_DEG`.

    Tangent plane at the origin: off by less than 1 m within 3 km.
    """
    latitude, longitude = ORIGIN_DEG
    e2 = _FLATTENING * (2.0 - _FLATTENING)
    w2 = 1.0 - e2 * math.sin(math.radians(latitude)) ** 2
    meridian_m = _EQUATOR_M * (1.0 - e2) / w2**1.5
    parallel_m = _EQUATOR_M / math.sqrt(w2) * math.cos(math.radians(latitude))
    return (
        latitude + np.degrees(np.asarray(north_m, dtype=np.float64) / meridian_m),
        longitude + np.degrees(np.asarray(east_m, dtype=np.float64) / parallel_m),
    )
