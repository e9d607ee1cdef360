"""Route fitness: how each section of the road, or each mesh of the area, serves the application. Pure.

In the spirit of ITU-T Y.1545.2 (spatially resolved measurements say whether a route is fit for an application); the
figures are ours, not the Recommendation's. A cell is judged by the share of packets delivered within the bound against
the profile's requirement for reliability, with the interval of its own packets. A cell without packets is not
measured, which is neither fit nor unfit. Many seconds in one place are one experience: passes are counted beside n.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from analytics.cell_tally import LEVELS, CellTally, Rules
from analytics.class_tally import DelayTally, PacketFeed, grouped
from analytics.clock import NO_RECORD, ClockQuality
from analytics.probes import ProbeArrays
from analytics.requirements import Profile
from analytics.results import Direction
from analytics.road import SAME_M, road_of
from analytics.route_cell import USUAL_SIZE_M, Grid, RouteCell
from analytics.series import Floats, Series, Times, near_values
from analytics.statistics import MOST_VALUES
from analytics.track import MESH_SIZES_M, Place, Track, first_place, grid_cells, mesh_codes, places


def route_cells(
    probes: ProbeArrays, path: Track, radio: Series | None, profile: Profile, *, grid: Grid = "section",
    size_m: float | None = None, link: str = "", clock: ClockQuality = NO_RECORD,
) -> list[RouteCell]:  # fmt: skip
    """Return the cells in which packets were sent, in order of first visit. As `RouteScan`, of packets all here."""
    scan = RouteScan(path, radio, profile, grid=grid, size_m=size_m, link=link, clock=clock)
    scan.add(probes)
    return scan.result()


class RouteScan:
    """Reads the packets of one link chunk by chunk, in order of sending, and keeps counts of each cell.

    One-way delays, where there are no round trips, are judged by the `clock`: unknown or beyond the limit, they are for
    reference and decide nothing. Packets later than the waiting time of the `profile`, if it has one, are lost. `path`
    and `radio` are those of the whole run. Raises ValueError for a size that no mesh has.
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
        self._rules = Rules(profile, link, clock)
        self._cells: dict[int, CellTally] = {}
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
            self._cells.setdefault(key, CellTally())
        self._passes.add(cells[known], distance[known])
        for direction in self._feed.directions:
            us, has_delay, _ = packets.delays(direction)
            usual = self._usual.setdefault(direction, DelayTally(MOST_VALUES))
            usual.add(us[known][has_delay[known]])
        levels = {name: near_values(self._radio, name, packets.t_us) for name in LEVELS}
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
