"""Route fitness: how each section of the road, or each mesh of the area, serves the application. Pure.

In the spirit of ITU-T Y.1545.2 (spatially resolved measurements say whether a route is fit for an application); the
figures are ours, not the Recommendation's. A cell is judged by the share of packets delivered within the bound against
the profile's requirement for reliability, with the interval of its own packets. A cell without packets is not
measured, which is neither fit nor unfit. Many seconds in one place are one experience: passes are counted beside n.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from analytics.link import blind_words
from analytics.probes import ProbeArrays, absent
from analytics.requirements import Profile
from analytics.results import Verdict
from analytics.series import Floats, Series, nearest
from analytics.statistics import Interval, effective_n, proportion_interval
from analytics.track import MESH_SIZES_M, Track, grid_cells, mesh_codes, places, sections
from analytics.verdict import judge

Grid = Literal["section", "mesh", "grid"]
USUAL_SIZE_M: dict[Grid, float] = {"section": 50.0, "mesh": 125.0, "grid": 20.0}
"""Sections of the route, JIS X 0410 meshes (125 m and up), and a square grid for 5 to 50 m."""
_STANDING_MPS = 0.5
_RADIO_AGE_US = 2_000_000


class RouteCell(msgspec.Struct, frozen=True, kw_only=True):
    """One section or mesh. `cell` is its number or JIS code; `distance_m` where a section begins, None for meshes.

    Delays in ms are of all packets sent there, a lost one infinite (None: among the lost). `within` is the share
    delivered within the bound, with its 95 % interval; `verdict` holds it against the profile's requirement. `loss` is
    None where the recording cannot say "lost": `reason` says so, and the interval reaches over absent numbers.
    """

    cell: int
    distance_m: float | None
    lat_deg: float
    lon_deg: float
    n: int
    passes: int
    p50_ms: float | None
    p95_ms: float | None
    loss: float | None
    within: float
    ci_low: float | None
    ci_high: float | None
    rsrp_dbm: float | None
    sinr_db: float | None
    verdict: Verdict | None
    reason: str = ""


def route_cells(
    probes: ProbeArrays, path: Track, radio: Series | None, profile: Profile, *, grid: Grid = "section",
    size_m: float | None = None, moving_only: bool = False, link: str = "",
) -> list[RouteCell]:  # fmt: skip
    """Return the cells in which packets were sent, in order of first visit.

    `moving_only` leaves out what was measured while the vehicle stood. Raises ValueError for a size that no mesh has.
    """
    size = USUAL_SIZE_M[grid] if size_m is None else size_m
    if size <= 0:
        raise ValueError("the size of a cell must be positive (metres)")
    order = np.argsort(probes.t_us, kind="stable")
    t_us = probes.t_us[order]
    lat, lon, distance, speed = places(path, t_us)
    cells = _cells(grid, size, lat, lon, distance)
    if moving_only:
        cells = np.where(np.nan_to_num(speed) >= _STANDING_MPS, cells, -1)
    way = next((name for name in ("round_trip", "up", "down") if probes.has(name)), "round_trip")
    delay = probes.delays[way]
    arrived = (delay.valid & (probes.lost == 0))[order]
    delay_us = np.where(arrived, delay.us[order].astype(np.float64), np.inf)
    known = cells >= 0
    keys, first, where = np.unique(cells[known], return_index=True, return_inverse=True)
    if not keys.size:
        return []
    within_ms = profile.parameters.rtt_within_ms if way == "round_trip" else profile.parameters.owd_within_ms
    requirement = profile.find("reliability", way, "ratio", link)
    levels = {name: _levels(radio, name, t_us, known) for name in ("rsrp_dbm", "sinr_db")}
    passes = _passes(cells[known], where, keys.size)
    is_lost, absent_n = (probes.lost > 0)[order][known], _absent_after(probes)[order][known]
    is_blind = bool(absent_n.size) and not (probes.lost > 0).any() and bool(absent(probes))
    reason = blind_words(probes.n, absent(probes)) if is_blind else ""
    arrived_us = delay_us[np.isfinite(delay_us)]
    usual = effective_n(arrived_us) / arrived_us.size if arrived_us.size else 0.0
    found = []
    by_cell = np.argsort(where, kind="stable")
    starts = np.searchsorted(where[by_cell], np.arange(keys.size + 1))
    for place in np.argsort(first, kind="stable").tolist():
        rows = by_cell[starts[place] : starts[place + 1]]
        values = delay_us[known][rows]
        timely = values <= within_ms * 1000
        interval = _interval(timely, _worth(values, timely, usual), int(absent_n[rows].sum()) if is_blind else 0)
        share = float(timely.mean())
        verdict = None
        if requirement is not None:
            verdict = judge(share, interval, requirement.limit, "larger", rows.size).verdict
        found.append(RouteCell(
            cell=int(keys[place]), distance_m=float(keys[place] * size) if grid == "section" else None,
            lat_deg=round(float(lat[known][rows].mean()), 7), lon_deg=round(float(lon[known][rows].mean()), 7),
            n=int(rows.size), passes=int(passes[place]), p50_ms=_quantile_ms(values, 0.5),
            p95_ms=_quantile_ms(values, 0.95), loss=None if is_blind else float(is_lost[rows].mean()), within=share,
            ci_low=interval.low, ci_high=interval.high, rsrp_dbm=_median(levels["rsrp_dbm"][rows]),
            sinr_db=_median(levels["sinr_db"][rows]), verdict=verdict, reason=reason,
        ))  # fmt: skip
    return found


def _worth(delay_us: Floats, timely: npt.NDArray[np.bool_], usual: float) -> int:
    """Return what the packets of a cell are worth for the share in time.

    Where all fared alike that says nothing of how far their fates depended on each other: then they are worth what
    their delays are, in order of time, and what their losses are where only some were lost. Where nothing arrived,
    what the delays of the link usually are (`usual`, a packet).
    """
    if timely.any() and not timely.all():
        return effective_n(timely)
    arrived = np.isfinite(delay_us)
    if not arrived.any():
        return max(int(usual * delay_us.size), 1)
    worth = effective_n(delay_us[arrived])
    return worth if arrived.all() else min(worth, effective_n(arrived))


def _interval(timely: npt.NDArray[np.bool_], worth: int, hidden: int) -> Interval:
    """Return the interval of the share in time, of which `hidden` more packets may have been or not."""
    n, hits = timely.size + hidden, float(timely.sum())
    return Interval(proportion_interval(hits, n, worth).low, proportion_interval(hits + hidden, n, worth).high)


def _absent_after(probes: ProbeArrays) -> npt.NDArray[np.int64]:
    """Return how many numbers have no row between each packet and the next of its session."""
    found = np.zeros(probes.n, np.int64)
    is_same = probes.session[1:] == probes.session[:-1]
    found[:-1] = np.where(is_same, np.diff(probes.seq.astype(np.int64)) - 1, 0)
    return found


def _cells(grid: Grid, size_m: float, lat: Floats, lon: Floats, distance: Floats) -> npt.NDArray[np.int64]:
    if grid == "section":
        return sections(distance, size_m)
    if grid == "mesh":
        if size_m not in MESH_SIZES_M:
            raise ValueError(f"no JIS X 0410 mesh of {size_m:g} m; there are {', '.join(map(str, MESH_SIZES_M))}")
        return mesh_codes(lat, lon, int(size_m))
    return grid_cells(lat, lon, size_m)


def _levels(radio: Series | None, column: str, t_us: npt.NDArray[np.int64], known: npt.NDArray[np.bool_]) -> Floats:
    """Return the radio value near each packet in a known cell, NaN where none was measured within two seconds."""
    if radio is None or not radio.n:
        return np.full(int(known.sum()), np.nan)
    place, near = nearest(radio.t_us, t_us[known], _RADIO_AGE_US)
    return np.asarray(np.where(near, radio.number(column)[place], np.nan))


def _passes(cells: npt.NDArray[np.int64], where: npt.NDArray[Any], size: int) -> npt.NDArray[np.int64]:
    """Count how often each cell was entered."""
    enters = np.concatenate([[True], np.diff(cells) != 0])
    return np.bincount(where[enters], minlength=size)


def _quantile_ms(values_us: Floats, q: float) -> float | None:
    ordered = np.sort(values_us)
    value = float(ordered[max(int(np.ceil(q * ordered.size)), 1) - 1])
    return None if np.isinf(value) else value / 1000


def _median(values: Floats) -> float | None:
    known = np.sort(values[np.isfinite(values)])
    return float(known[(known.size - 1) // 2]) if known.size else None


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
