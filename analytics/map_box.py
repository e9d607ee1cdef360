"""The frame of a map on a plain grid of longitude and latitude: metres are equal both ways. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

_SMALLEST_HALF_DEG = 0.0002
"""22 m: a device that stands still is not magnified into its GNSS noise."""


def map_box(
    points: Sequence[Sequence[float | None]], ratio: float
) -> tuple[float | None, float | None, float | None, float | None]:
    """Return west, east, south, north such that metres are equal both ways on a plot `ratio` times as wide as high.

    `points` are [longitude, latitude, ...] in degrees; without any all four are None.
    """
    if not points:
        return None, None, None, None
    longitudes = [float(point[0] or 0) for point in points]
    latitudes = [float(point[1] or 0) for point in points]
    middle_lon, middle_lat = (min(longitudes) + max(longitudes)) / 2, (min(latitudes) + max(latitudes)) / 2
    shrink = math.cos(math.radians(middle_lat))
    tall, wide = max(latitudes) - min(latitudes), (max(longitudes) - min(longitudes)) * shrink
    half = max(tall / 2, wide / 2 / ratio, _SMALLEST_HALF_DEG) * 1.15
    across = half * ratio / shrink
    limits = (middle_lon - across, middle_lon + across, middle_lat - half, middle_lat + half)
    west, east, south, north = (round(limit, 7) for limit in limits)
    return west, east, south, north
