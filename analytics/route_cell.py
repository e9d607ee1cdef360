"""One section of the road or mesh of the area as a result, and all of them as a map. Pure."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from analytics.results import Direction, Verdict

Grid = Literal["section", "mesh", "grid"]
USUAL_SIZE_M: dict[Grid, float] = {"section": 50.0, "mesh": 125.0, "grid": 20.0}
"""Sections of the route, JIS X 0410 meshes (125 m and up), and a square grid for 5 to 50 m."""


class RouteCell(msgspec.Struct, frozen=True, kw_only=True):
    """One section or mesh. `cell` is its number or JIS code; `distance_m` where a section begins, None for meshes.

    A section is one of the road (`analytics.road`): the way back and every further lap are passes of the same ones.
    Delays in ms are of all packets sent there in `direction`, a lost one infinite (None: among the lost); `unknown`
    packets have no known delay in it (lost elsewhere). `within` is the share of the others delivered within the bound,
    with an interval of 95 % that also holds what the clocks' bound and those packets leave open; `verdict` holds it
    against the profile's requirement, and `reason` says why there is none to be had. `loss` is None where the
    recording cannot say "lost": the interval then reaches over absent numbers. `filter` says of which packets all cells
    are: what is left out of the run, and from when on packets count as lost.
    """

    cell: int
    distance_m: float | None
    lat_deg: float
    lon_deg: float
    n: int
    passes: int
    direction: Direction
    p50_ms: float | None
    p95_ms: float | None
    loss: float | None
    unknown: int = 0
    within: float | None
    ci_low: float | None
    ci_high: float | None
    rsrp_dbm: float | None
    sinr_db: float | None
    verdict: Verdict | None
    reason: str = ""
    filter: str = ""


def geojson(cells: list[RouteCell], properties: dict[str, Any]) -> dict[str, Any]:
    """Return the cells as a GeoJSON FeatureCollection (RFC 7946, WGS 84), for QGIS and 地理院地図."""
    return {
        "type": "FeatureCollection",
        "properties": properties,
        "features": [
            {
                "type": "Feature",
                "geometry": {"type": "Point", "coordinates": [cell.lon_deg, cell.lat_deg]},
                "properties": {
                    name: value
                    for name, value in msgspec.structs.asdict(cell).items()
                    if name not in {"lat_deg", "lon_deg"}
                },
            }
            for cell in cells
        ],
    }
