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

from analytics.clock import ClockQuality
from analytics.link import blind_words
from analytics.probes import ProbeArrays, absent, lost_in
from analytics.requirements import Profile
from analytics.results import UNDECIDED, Direction, Verdict
from analytics.road import SAME_M, road_of
from analytics.series import Floats, Series, Times, near_values
from analytics.statistics import Interval, effective_n, proportion_interval
from analytics.track import MESH_SIZES_M, Track, grid_cells, mesh_codes, places
from analytics.verdict import judge

Grid = Literal["section", "mesh", "grid"]
USUAL_SIZE_M: dict[Grid, float] = {"section": 50.0, "mesh": 125.0, "grid": 20.0}
"""Sections of the route, JIS X 0410 meshes (125 m and up), and a square grid for 5 to 50 m."""
_STANDING_MPS = 0.5
UNKNOWN = ClockQuality("不明", None, "時刻記録なし / no record of the clocks")


class RouteCell(msgspec.Struct, frozen=True, kw_only=True):
    """One section or mesh. `cell` is its number or JIS code; `distance_m` where a section begins, None for meshes.

    A section is one of the road (`analytics.road`): the way back and every further lap are passes of the same ones.
    Delays in ms are of all packets sent there in `direction`, a lost one infinite (None: among the lost); `unknown`
    packets have no known delay in it (lost elsewhere). `within` is the share of the others delivered within the bound,
    with an interval of 95 % that also holds what the clocks' bound and those packets leave open; `verdict` holds it
    against the profile's requirement, and `reason` says why there is none to be had. `loss` is None where the
    recording cannot say "lost": the interval then reaches over absent numbers.
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


def route_cells(
    probes: ProbeArrays, path: Track, radio: Series | None, profile: Profile, *, grid: Grid = "section",
    size_m: float | None = None, moving_only: bool = False, link: str = "", clock: ClockQuality = UNKNOWN,
) -> list[RouteCell]:  # fmt: skip
    """Return the cells in which packets were sent, in order of first visit.

    `moving_only` leaves out what was measured while the vehicle stood. One-way delays, where there are no round trips,
    are judged by the `clock`: unknown or beyond the limit, they are for reference and decide nothing. Raises ValueError
    for a size that no mesh has.
    """
    size = USUAL_SIZE_M[grid] if size_m is None else size_m
    if size <= 0:
        raise ValueError("the size of a cell must be positive (metres)")
    order = np.argsort(probes.t_us, kind="stable")
    t_us = probes.t_us[order]
    lat, lon, distance, speed = places(path, t_us)
    cells = _cells(grid, size, path, t_us, (lat, lon))
    if moving_only:
        cells = np.where(np.nan_to_num(speed) >= _STANDING_MPS, cells, -1)
    known = cells >= 0
    keys, first, where = np.unique(cells[known], return_index=True, return_inverse=True)
    if not keys.size:
        return []
    packets = _Packets(probes, order[known], profile, link, clock)
    levels = {name: near_values(radio, name, t_us[known]) for name in ("rsrp_dbm", "sinr_db")}
    passes = _passes(where, distance[known], keys.size, size)
    found = []
    for place in np.argsort(first, kind="stable").tolist():
        rows = np.flatnonzero(where == place)
        found.append(RouteCell(
            cell=int(keys[place]), distance_m=float(keys[place]) * size if grid == "section" else None,
            lat_deg=round(float(lat[known][rows].mean()), 7), lon_deg=round(float(lon[known][rows].mean()), 7),
            n=int(rows.size), passes=int(passes[place]), rsrp_dbm=_median(levels["rsrp_dbm"][rows]),
            sinr_db=_median(levels["sinr_db"][rows]), **packets.figures(rows),
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


def _absent_after(probes: ProbeArrays) -> npt.NDArray[np.int64]:
    """Return how many numbers have no row between each packet and the next of its session."""
    found = np.zeros(probes.n, np.int64)
    is_same = probes.session[1:] == probes.session[:-1]
    found[:-1] = np.where(is_same, np.diff(probes.seq.astype(np.int64)) - 1, 0)
    return found


class _Packets:
    """The packets of known places, and how those of a cell are judged."""

    def __init__(
        self, probes: ProbeArrays, order: npt.NDArray[np.intp], profile: Profile, link: str, clock: ClockQuality
    ) -> None:
        ways: tuple[Direction, ...] = ("round_trip", "up", "down")
        self._way: Direction = next((way for way in ways if probes.has(way)), "round_trip")
        lost, delay = probes.lost[order], probes.delays[self._way]
        self._is_lost = lost > 0
        gone = lost_in(lost, self._way)
        valid = delay.valid[order] & ~gone
        self._delay_us = np.where(gone, np.inf, np.where(valid, delay.us[order].astype(np.float64), np.nan))
        parameters = profile.parameters
        is_round = self._way == "round_trip"
        self._limit_us = 1000 * (parameters.rtt_within_ms if is_round else parameters.owd_within_ms)
        self._bound_us = 0.0 if is_round else clock.bound_us or 0.0
        self._doubt = "" if is_round else clock.doubt(parameters.clock_limit_us)
        self._requirement = profile.find("reliability", self._way, "ratio", link)
        missing = absent(probes)
        self._is_blind = missing > 0 and not (probes.lost > 0).any()
        self._blind_words = blind_words(probes.n, missing) if self._is_blind else ""
        self._absent = _absent_after(probes)[order]
        arrived_us = self._delay_us[np.isfinite(self._delay_us)]
        self._usual = effective_n(arrived_us) / arrived_us.size if arrived_us.size else 0.0

    def figures(self, rows: npt.NDArray[np.intp]) -> dict[str, Any]:
        """Return what a cell says of its packets."""
        every = self._delay_us[rows]
        values = every[~np.isnan(every)]
        n, unknown = int(values.size), int(np.isnan(every).sum())
        timely = values <= self._limit_us
        low, high = None, None
        if n:
            # As for the reliability of a link: what clock and unknown fates hide widens the interval, and shifts none.
            hidden = unknown + (int(self._absent[rows].sum()) if self._is_blind else 0)
            worth, total = _worth(values, timely, self._usual), n + hidden
            surely, perhaps = (int((values <= self._limit_us + sign * self._bound_us).sum()) for sign in (-1, 1))
            low = proportion_interval(surely, total, worth).low
            high = proportion_interval(perhaps + hidden, total, worth).high
        verdict: Verdict | None = None
        if self._requirement is not None:
            verdict = UNDECIDED
            if n and not self._doubt:
                share = float(timely.mean())
                verdict = judge(share, Interval(low, high), self._requirement.limit, "larger", n).verdict
        notes = [self._doubt, f"遅延が不明 {unknown} / {unknown} with unknown delay" if unknown else "",
                 self._blind_words]  # fmt: skip
        return {
            "direction": self._way, "p50_ms": _quantile_ms(values, 0.5), "p95_ms": _quantile_ms(values, 0.95),
            "loss": None if self._is_blind else float(self._is_lost[rows].mean()), "unknown": unknown,
            "within": float(timely.mean()) if n else None, "ci_low": low, "ci_high": high, "verdict": verdict,
            "reason": "; ".join(filter(None, notes)),
        }  # fmt: skip


def _cells(grid: Grid, size_m: float, path: Track, t_us: Times, place: tuple[Floats, Floats]) -> npt.NDArray[np.int64]:
    if grid == "section":
        return road_of(path).sections(path, t_us, size_m)
    if grid == "mesh":
        if size_m not in MESH_SIZES_M:
            raise ValueError(f"no JIS X 0410 mesh of {size_m:g} m; there are {', '.join(map(str, MESH_SIZES_M))}")
        return mesh_codes(*place, int(size_m))
    return grid_cells(*place, size_m)


def _passes(where: npt.NDArray[Any], distance_m: Floats, size: int, size_m: float) -> npt.NDArray[np.int64]:
    """Count how often each cell was entered; who drove less than 20 m (half a small cell) elsewhere never left it."""
    enters = np.flatnonzero(np.concatenate([[True], np.diff(where) != 0]))
    leaves = np.append(enters[1:] - 1, where.size - 1)
    left_m, passes = np.full(size, -np.inf), np.zeros(size, np.int64)
    for first, last in zip(enters.tolist(), leaves.tolist(), strict=True):
        cell = where[first]
        passes[cell] += distance_m[first] - left_m[cell] >= min(size_m / 2, SAME_M)
        left_m[cell] = distance_m[last]
    return passes


def _quantile_ms(values_us: Floats, q: float) -> float | None:
    if not values_us.size:
        return None
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
