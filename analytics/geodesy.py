"""Distances on the globe, and metres east and north in the neighbourhood of a place. Pure."""

from __future__ import annotations

import numpy as np

from analytics.series import Floats

EARTH_M = 6_371_008.8
"""Mean radius (IUGG R1): within 0.5 % of the ellipsoid everywhere."""


def haversine_m(lat_a: Floats | float, lon_a: Floats | float, lat_b: Floats, lon_b: Floats) -> Floats:
    """Return great-circle distances in metres; degrees in."""
    lat1, lon1, lat2, lon2 = (np.radians(each) for each in (lat_a, lon_a, lat_b, lon_b))
    half = np.sin((lat2 - lat1) / 2) ** 2 + np.cos(lat1) * np.cos(lat2) * np.sin((lon2 - lon1) / 2) ** 2
    return np.asarray(2 * EARTH_M * np.arcsin(np.sqrt(np.clip(half, 0, 1))))


def plane_m(lat_deg: Floats, lon_deg: Floats, origin_deg: tuple[float, float]) -> tuple[Floats, Floats]:
    """Return metres east and north of an origin (latitude, longitude): good to 0.1 % within some tens of km."""
    east = np.radians((lon_deg - origin_deg[1] + 180.0) % 360.0 - 180.0) * EARTH_M * np.cos(np.radians(origin_deg[0]))
    return np.asarray(east), np.asarray(np.radians(lat_deg - origin_deg[0]) * EARTH_M)
