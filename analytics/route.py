"""Route fitness: how each section of the road, or each mesh of the area, serves the application. Pure.

In the spirit of ITU-T Y.1545.2 (spatially resolved measurements say whether a route is fit for an application); the
figures are ours, not the Recommendation's. A cell is judged by the share of packets delivered within the bound against
the profile's requirement for reliability, with the interval of its own packets. A cell without packets is not
measured, which is neither fit nor unfit. Many seconds in one place are one experience: passes are counted beside n.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from analytics.class_tally import CELL_SUMS, DelayTally, HitTally, PacketFeed, Packets, Places, SparseCounts, grouped
from analytics.clock import NO_RECORD, ClockQuality
from analytics.link import blind_words
from analytics.probes import ProbeArrays
from analytics.requirements import Profile, Requirement
from analytics.results import UNDECIDED, Direction, Verdict
from analytics.road import SAME_M, road_of
from analytics.series import Floats, Series, Times, near_values
from analytics.statistics import MOST_VALUES, Histogram, Interval, proportion_interval, rank
from analytics.track import MESH_SIZES_M, Place, Track, first_place, grid_cells, mesh_codes, places
from analytics.verdict import judge

Grid = Literal["section", "mesh", "grid"]
USUAL_SIZE_M: dict[Grid, float] = {"section": 50.0, "mesh": 125.0, "grid": 20.0}
"""Sections of the route, JIS X 0410 meshes (125 m and up), and a square grid for 5 to 50 m."""
_PLACES = 1e9
"""Degrees are added up in whole parts of a tenth of a millimetre."""
_LEVELS = ("rsrp_dbm", "sinr_db")


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


def route_cells(
    probes: ProbeArrays, path: Track, radio: Series | None, profile: Profile, *, grid: Grid = "section",
    size_m: float | None = None, link: str = "", clock: ClockQuality = NO_RECORD,
) -> list[RouteCell]:  # fmt: skip
    """Return the cells in which packets were sent, in order of first visit. As `RouteScan`, of packets all here."""
    scan = RouteScan(
        path, radio, profile, grid=grid, size_m=size_m, link=link, clock=clock
    )  # fmt: skip
    scan.add(probes)
    return scan.result()


class RouteScan:
    """Reads the packets of one link chunk by chunk, in order of sending, and keeps counts of each cell.

    One-way delays, where there are no round trips,
    are judged by the `clock`: unknown or beyond the limit, they are for reference and decide nothing. Packets later
    than the waiting time of the `profile`, if it has one, are lost. `path` and `radio` are those of the whole run.
    Raises ValueError for a size that no mesh has.
    """

    def __init__(
        self, path: Track, radio: Series | None, profile: Profile, *, grid: Grid = "section",
        size_m: float | None = None, link: str = "", clock: ClockQuality = NO_RECORD,
    ) -> None:  # fmt: skip
        """Lay out the cells."""
        self._size_m = USUAL_SIZE_M[grid] if size_m is None else size_m
        if self._size_m <= 0:
            raise ValueError("the size of a cell must be positive (metres)")
        if grid == "mesh" and self._size_m not in MESH_SIZES_M:
            sizes = ", ".join(map(str, MESH_SIZES_M))
            raise ValueError(f"no JIS X 0410 mesh of {self._size_m:g} m; there are {sizes}")
        self._path, self._radio, self._grid = path, radio, grid
        self._road = road_of(path).chainage(path) if grid == "section" else None
        self._origin_deg: Place | None = None
        self._feed = PacketFeed(profile, clock)
        self._rules = _Rules(profile, link, clock)
        self._cells: dict[int, _Cell] = {}
        self._passes = _Passes(min(self._size_m / 2, SAME_M))
        self._usual: dict[Direction, DelayTally] = {}
        self._last_cell = -1

    @property
    def n(self) -> int:
        """Packets so far, in cells or not."""
        return self._feed.n

    @property
    def waiting_words(self) -> str:
        """Say from when on packets count as lost; nothing without a waiting time."""
        return self._feed.waiting_words

    def add(self, probes: ProbeArrays) -> None:
        """Add the next packets."""
        if not probes.n:
            return
        if before := self._feed.absent_before(probes):
            self._add_absent(self._last_cell, before)
        packets = self._feed.take(probes)
        lat, lon, distance, _ = places(self._path, packets.t_us)
        cells = self._numbers(packets.t_us, lat, lon)
        missing = _absent_after(probes)[packets.order]
        # Which cell the numbers after the last packet are counted in is asked when the next ones come.
        self._last_cell = int(cells[np.flatnonzero(packets.order == probes.n - 1)[0]])
        known = np.flatnonzero(cells >= 0)
        if not known.size:
            return
        for key in cells[known[np.sort(np.unique(cells[known], return_index=True)[1])]].tolist():
            self._cells.setdefault(key, _Cell())
        self._passes.add(cells[known], distance[known])
        for direction in self._feed.directions:
            us, has_delay, _ = packets.delays(direction)
            usual = self._usual.setdefault(direction, DelayTally(MOST_VALUES))
            usual.add(us[known][has_delay[known]])
        levels = {name: near_values(self._radio, name, packets.t_us) for name in _LEVELS}
        for key, rows in grouped(cells[known]):
            mine, at = self._cells[key], known[rows]
            mine.add(packets, at, self._feed.directions, self._rules)
            mine.add_place(lat[at], lon[at], {name: values[at] for name, values in levels.items()})
            mine.absent += int(missing[at].sum())

    def _numbers(self, t_us: Times, lat: Floats, lon: Floats) -> npt.NDArray[np.int64]:
        if self._road is not None:
            return self._road.sections(t_us, self._size_m)
        if self._grid == "mesh":
            return mesh_codes(lat, lon, int(self._size_m))
        self._origin_deg = self._origin_deg or first_place(lat, lon)
        return grid_cells(lat, lon, self._size_m, self._origin_deg)

    def _add_absent(self, cell: int, missing: int) -> None:
        if cell in self._cells:
            self._cells[cell].absent += missing

    def result(self) -> list[RouteCell]:
        """Return the cells in order of first visit."""
        if not self._cells:
            return []
        counted, worth = self._usual[self._feed.direction].result()
        usual = worth / counted.n if counted.n else 0.0
        passes = self._passes.result()
        is_section = self._grid == "section"
        return [
            RouteCell(
                cell=key, distance_m=float(key) * self._size_m if is_section else None, passes=passes[key],
                **cell.place(), **cell.figures(self._feed, self._rules, usual),
            )
            for key, cell in self._cells.items()
        ]  # fmt: skip


def _absent_after(probes: ProbeArrays) -> npt.NDArray[np.int64]:
    """Return how many numbers have no row between each packet and the next of its session."""
    found = np.zeros(probes.n, np.int64)
    is_same = probes.session[1:] == probes.session[:-1]
    found[:-1] = np.where(is_same, np.diff(probes.seq.astype(np.int64)) - 1, 0)
    return found


class _Rules:
    """What a cell's packets are held against."""

    def __init__(self, profile: Profile, link: str, clock: ClockQuality) -> None:
        self._profile, self._link, self._clock = profile, link, clock

    def limit_us(self, direction: Direction) -> float:
        """Return the bound of the delay."""
        parameters = self._profile.parameters
        return 1000 * (parameters.rtt_within_ms if direction == "round_trip" else parameters.owd_within_ms)

    def bound_us(self, direction: Direction) -> float:
        """Return how far delays may be off by the clocks."""
        return 0.0 if direction == "round_trip" else self._clock.bound_us or 0.0

    def requirement(self, direction: Direction) -> Requirement | None:
        """Return what is required of the share delivered within the bound."""
        return self._profile.find("reliability", direction, "ratio", self._link)


class _Fates:
    """Of one cell and direction: the delays, and which packets of known fate were in time and which arrived at all."""

    def __init__(self) -> None:
        self.delays = DelayTally(CELL_SUMS)
        self.timely, self.arrived = HitTally(CELL_SUMS), HitTally(CELL_SUMS)

    def worth(self, delay_worth: int, usual: float) -> int:
        """Return what the packets are worth for the share in time.

        Where all fared alike that says nothing of how far their fates depended on each other: then they are worth what
        their delays are, in order of time, and what their losses are where only some were lost. Where nothing arrived,
        what the delays of the link usually are (`usual`, a packet).
        """
        if self.timely.is_mixed:
            return self.timely.result()
        if not self.arrived.hits:
            return max(int(usual * self.arrived.n), 1)
        return min(delay_worth, self.arrived.result()) if self.arrived.is_mixed else delay_worth


class _Cell:
    """The packets of one cell."""

    def __init__(self) -> None:
        self.absent = 0
        self._n = self._lost = self._late = 0
        self._fates: dict[Direction, _Fates] = {}
        self._sums = [0, 0]
        self._levels = {name: SparseCounts() for name in _LEVELS}

    def add(self, packets: Packets, rows: Places, directions: Sequence[Direction], rules: _Rules) -> None:
        """Add the packets at some places, which are in order of time."""
        self._n += rows.size
        self._lost += int(np.count_nonzero(packets.lost[rows]))
        if packets.is_late is not None:
            self._late += int(np.count_nonzero(packets.is_late[rows]))
        for direction in directions:
            us, has_delay, is_gone = (each[rows] for each in packets.delays(direction))
            mine = self._fates.setdefault(direction, _Fates())
            known = has_delay | is_gone
            mine.delays.add(us[has_delay])
            mine.arrived.add(has_delay[known])
            mine.timely.add((has_delay & (us <= rules.limit_us(direction)))[known])

    def add_place(self, lat_deg: Floats, lon_deg: Floats, levels: Mapping[str, Floats]) -> None:
        """Add where they were sent, and the levels measured near them."""
        # Whole numbers add up to the same however they are cut.
        for axis, values in enumerate((lat_deg, lon_deg)):
            self._sums[axis] += int(np.rint(values * _PLACES).astype(np.int64).sum())
        for name, values in levels.items():
            self._levels[name].add(values[np.isfinite(values)])

    def place(self) -> dict[str, Any]:
        """Return the mean place and the median levels."""
        lat, lon = (round(each / self._n / _PLACES, 7) for each in self._sums)
        return {"lat_deg": lat, "lon_deg": lon} | {name: _median(each) for name, each in self._levels.items()}

    def figures(self, feed: PacketFeed, rules: _Rules, usual: float) -> dict[str, Any]:
        """Return what a cell says of its packets."""
        way = feed.direction
        mine = self._fates[way]
        counted, delay_worth = mine.delays.result()
        n = mine.arrived.n
        unknown = self._n - n
        delays = Histogram(counted.values, counted.counts, n - counted.n)
        limit_us, bound_us = rules.limit_us(way), rules.bound_us(way)
        low, high = None, None
        if n:
            # As for the reliability of a link: what clock and unknown fates hide widens the interval, and shifts none.
            hidden = unknown + (self.absent if feed.is_blind else 0)
            worth, total = mine.worth(delay_worth, usual), n + hidden
            low = proportion_interval(delays.up_to(limit_us - bound_us), total, worth).low
            high = proportion_interval(delays.up_to(limit_us + bound_us) + hidden, total, worth).high
        requirement = rules.requirement(way)
        verdict: Verdict | None = None
        if requirement is not None:
            verdict = UNDECIDED
            if n and not feed.doubt:
                share = mine.timely.hits / n
                verdict = judge(share, Interval(low, high), requirement.limit, "larger", n).verdict
        notes = [feed.doubt, f"遅延が不明 {unknown} / {unknown} with unknown delay" if unknown else "",
                 feed.late_words(self._late),
                 blind_words(feed.n, feed.absent, feed.waited.late) if feed.is_blind else ""]  # fmt: skip
        return {
            "n": self._n, "direction": way, "p50_ms": _quantile_ms(delays, "0.5"),
            "p95_ms": _quantile_ms(delays, "0.95"), "loss": None if feed.is_blind else self._lost / self._n,
            "unknown": unknown, "within": mine.timely.hits / n if n else None, "ci_low": low, "ci_high": high,
            "verdict": verdict, "reason": "; ".join(filter(None, notes)),
        }  # fmt: skip


class _Passes:
    """Counts how often each cell was entered; who drove less than 20 m (half a small cell) elsewhere never left it."""

    def __init__(self, least_m: float) -> None:
        self._least_m = least_m
        self._passes: dict[int, int] = {}
        self._left_m: dict[int, float] = {}
        self._cell, self._at_m = -1, 0.0

    def add(self, cells: npt.NDArray[np.int64], distance_m: Floats) -> None:
        """Add the cells of the next packets, and how far the vehicle had driven."""
        enters = np.flatnonzero(np.concatenate([[cells[0] != self._cell], cells[1:] != cells[:-1]]))
        leaves_m = np.where(enters > 0, distance_m[enters - 1], self._at_m).tolist()
        for cell, at_m, left_m in zip(cells[enters].tolist(), distance_m[enters].tolist(), leaves_m, strict=True):
            self._left_m[self._cell] = left_m
            is_new = at_m - self._left_m.get(cell, -np.inf) >= self._least_m
            self._passes[cell] = self._passes.get(cell, 0) + is_new
            self._cell = cell
        self._at_m = float(distance_m[-1])

    def result(self) -> dict[int, int]:
        """Return the passes of each cell."""
        return self._passes


def _quantile_ms(delays: Histogram, q: str) -> float | None:
    if not delays.n:
        return None
    value = delays.at([rank(q, delays.n)])[0]
    return None if np.isinf(value) else value / 1000


def _median(levels: SparseCounts) -> float | None:
    values, counts = levels.result()
    if not values.size:
        return None
    return float(values[np.searchsorted(np.cumsum(counts), (int(counts.sum()) + 1) // 2)])


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
