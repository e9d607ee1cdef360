"""The road that a track drove, as one line on which places are found again: by the next lap, the way back, another run.

A track is laid out in steps of 10 m. A step that comes within 20 m of what is there already is the same road, in
whatever direction and lane; one that is not makes the road longer. So a road driven there and back is as long as it is,
and a place has one number of metres however often and from wherever a vehicle came. Two roads closer than 20 m, such as
the legs of a hairpin, count as one. Metres run in the order of the first drive: a branch that was driven later follows
after the end of what was there before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analytics.geodesy import plane_m
from analytics.series import Floats, Times
from analytics.track import Track, freshness, sections

STEP_M = 10.0
SAME_M = 20.0
"""Places closer than this are one: lanes, and twice the noise of a receiver in a street (3 m) many times over."""
_WHOLE = 0.9
_BEHIND_M = 3 * SAME_M
"""So much of the road behind its end is near by being behind, not by having been driven before."""


@dataclass(frozen=True, slots=True)
class Road:
    """Points of the line: metres east and north of `origin_deg`, metres along, and which ones begin a branch."""

    origin_deg: tuple[float, float]
    east_m: Floats
    north_m: Floats
    along_m: Floats
    begins: npt.NDArray[np.bool_]

    @property
    def length_m(self) -> float:
        """Metres of road."""
        return float(self.along_m[-1]) if self.along_m.size else 0.0

    def along(self, path: Track) -> Floats:
        """Return where on the road each fix of a track lies, in metres; NaN further than 20 m from it.

        Up to 10 m before its beginning and beyond its end the metres go on.
        """
        line = _Line(self)
        number, east, north, _ = _steps(path, self.origin_deg)
        found = [line.nearest(*place) for place in zip(east.tolist(), north.tolist(), strict=True)]
        steps_m = np.array([along if away <= SAME_M else np.nan for away, along, _ in found] or [np.nan])
        return _between(path, number, steps_m)

    def chainage(self, path: Track) -> Chainage:
        """Return the metres along the road (キロ程) of a track, for any instants."""
        return Chainage(path, self.along(path), self.length_m)

    def at(self, path: Track, at_us: Times) -> Floats:
        """Return where on the road the vehicle of a track was at each instant; NaN without a fresh fix, or off it."""
        return self.chainage(path).at(at_us)

    def sections(self, path: Track, at_us: Times, section_m: float) -> npt.NDArray[np.int64]:
        """Return the number of the section of road in which the vehicle was at each instant, -1 where not known."""
        return self.chainage(path).sections(at_us, section_m)

    def whole_sections(self, path: Track, at_us: Times, section_m: float) -> npt.NDArray[np.int64]:
        """Return the same, -1 also in sections that were driven only in part (less than nine tenths).

        A run that begins, ends or is cut in the middle of a section has not met its delays as one that drove through.
        """
        along = self.at(path, at_us)
        numbers = sections(np.where((along >= 0) & (along < self.length_m), along, np.nan), section_m)
        known = np.flatnonzero(numbers >= 0)
        if not known.size:
            return numbers
        along = along[known]
        keys, where = np.unique(numbers[known], return_inverse=True)
        low, high = np.full(keys.size, np.inf), np.full(keys.size, -np.inf)
        np.minimum.at(low, where, along)
        np.maximum.at(high, where, along)
        apart_m = float(np.median(np.abs(np.diff(along)))) if along.size > 1 else 0.0
        # The last section of the road may be shorter than the others.
        size_m = np.minimum(section_m, self.length_m - keys * section_m)
        numbers[known[(high - low < _WHOLE * size_m - apart_m)[where]]] = -1
        return numbers


@dataclass(frozen=True, slots=True)
class Chainage:
    """Where along a road the fixes of a track lie (`along_m`, NaN off it): found once, asked chunk by chunk."""

    path: Track
    along_m: Floats
    length_m: float

    def at(self, at_us: Times) -> Floats:
        """Return where on the road the vehicle was at each instant; NaN without a fresh fix, or off it."""
        path, along = self.path, self.along_m
        place, is_fresh = freshness(path, at_us)
        if not path.t_us.size:
            return np.full(at_us.size, np.nan)
        after = np.clip(np.searchsorted(path.t_us, at_us), 1, max(path.t_us.size - 1, 1))
        after = np.minimum(after, path.t_us.size - 1)
        before = np.maximum(after - 1, 0)
        span_us = np.maximum(path.t_us[after] - path.t_us[before], 1)
        share = np.clip((at_us - path.t_us[before]) / span_us, 0, 1)
        between = along[before] + share * (along[after] - along[before])
        # Where the line jumps from branch to branch there is nothing in between.
        is_smooth = (
            np.abs(along[after] - along[before]) <= np.abs(path.distance_m[after] - path.distance_m[before]) + SAME_M
        )
        return np.where(is_fresh, np.where(is_smooth, between, along[place]), np.nan)

    def sections(self, at_us: Times, section_m: float) -> npt.NDArray[np.int64]:
        """Return the number of the section of road in which the vehicle was at each instant, -1 where not known."""
        # What turns round a few metres beyond the end of the road is in its last section.
        return sections(np.clip(self.at(at_us), 0.0, math.nextafter(self.length_m, 0.0)), section_m)


def road_of(path: Track) -> Road:
    """Return the road that a track drove."""
    if not path.t_us.size:
        nothing = np.empty(0)
        return Road((0.0, 0.0), nothing, nothing, nothing, np.empty(0, bool))
    origin = (float(path.lat_deg[0]), float(path.lon_deg[0]))
    _, east, north, driven = _steps(path, origin)
    line = _Line()
    before_m, is_open, is_growing = 0.0, False, False
    for x, y, at_m in zip(east.tolist(), north.tolist(), driven.tolist(), strict=True):
        away, _, _ = line.nearest(x, y, until_m=line.end_m - _BEHIND_M if is_open else math.inf)
        if away <= SAME_M:
            is_open = is_growing = False
        else:
            away, _, is_ahead = line.nearest(x, y)
            is_growing_before, is_growing = is_growing, is_ahead or away > SAME_M
            if is_growing:
                # Road is as long as the vehicle drove on it: the line between noisy points would be longer.
                grown_m = at_m - before_m if is_growing_before or not is_open else line.from_end(x, y)
                line.add(x, y, line.end_m + grown_m, begins=not is_open)
                is_open = True
        before_m = at_m
    return line.road(origin)


def _steps(path: Track, origin_deg: tuple[float, float]) -> tuple[npt.NDArray[np.intp], Floats, Floats, Floats]:
    """Return the number of the 10 m step of each fix, and the mean place and distance driven of each step.

    A mean of all fixes of a step, those of a halt among them, is less noisy than any of them.
    """
    east, north = plane_m(path.lat_deg, path.lon_deg, origin_deg)
    _, number, counts = np.unique(np.floor(path.distance_m / STEP_M), return_inverse=True, return_counts=True)
    means = [np.bincount(number, each) / np.maximum(counts, 1) for each in (east, north, path.distance_m)]
    return number, means[0], means[1], means[2]


def _between(path: Track, number: npt.NDArray[np.intp], steps_m: Floats) -> Floats:
    """Return the metres of each fix from those of the steps: between two steps by the distance driven."""
    if not path.t_us.size:
        return np.empty(0)
    counts = np.maximum(np.bincount(number), 1)
    driven_m = np.bincount(number, path.distance_m) / counts
    offset = path.distance_m - driven_m[number]
    other = np.clip(number + np.sign(offset).astype(np.intp), 0, steps_m.size - 1)
    run_m = driven_m[other] - driven_m[number]
    climb_m = steps_m[other] - steps_m[number]
    is_smooth = (run_m != 0) & (np.abs(climb_m) <= np.abs(run_m) + SAME_M)
    slope = np.divide(climb_m, run_m, out=np.zeros_like(run_m), where=is_smooth)
    return np.asarray(steps_m[number] + slope * offset)


class _Line:
    """A line that grows, with a grid of its points to find the nearest stretch."""

    def __init__(self, road: Road | None = None) -> None:
        self._points: list[tuple[float, float, float, bool]] = []
        self._cells: dict[tuple[int, int], list[int]] = {}
        if road is not None:
            columns = (road.east_m, road.north_m, road.along_m, road.begins)
            for east, north, along, begins in zip(*(each.tolist() for each in columns), strict=True):
                self.add(east, north, along, begins=begins)

    @property
    def size(self) -> int:
        """Number of points."""
        return len(self._points)

    @property
    def end_m(self) -> float:
        """Metres of its end."""
        return self._points[-1][2] if self._points else 0.0

    def from_end(self, east: float, north: float) -> float:
        """Return how far a place is from its end."""
        return math.hypot(east - self._points[-1][0], north - self._points[-1][1])

    def add(self, east: float, north: float, along: float, *, begins: bool) -> None:
        """Add a point; unless it begins a branch, the line runs to it from the point before."""
        number = len(self._points)
        self._points.append((east, north, along, begins))
        if begins:
            self._mark(east, north, number)
            return
        before_e, before_n, _, _ = self._points[-2]
        pieces = max(math.ceil(math.hypot(east - before_e, north - before_n) / SAME_M), 1)
        for piece in range(pieces + 1):
            share = piece / pieces
            self._mark(before_e + share * (east - before_e), before_n + share * (north - before_n), number)

    def _mark(self, east: float, north: float, number: int) -> None:
        inside = self._cells.setdefault((math.floor(east / SAME_M), math.floor(north / SAME_M)), [])
        if not inside or inside[-1] != number:
            inside.append(number)

    def nearest(self, east: float, north: float, *, until_m: float = math.inf) -> tuple[float, float, bool]:
        """Return how far the line is (infinite: further than 20 m), the metres there, and whether that is its end.

        Before the first and beyond the last point of a branch the metres go on for one step, and are NaN further out.
        `until_m` leaves out what lies further along.
        """
        column, row = math.floor(east / SAME_M), math.floor(north / SAME_M)
        best = (math.inf, math.nan, False)
        last = len(self._points) - 1
        numbers = {
            number
            for across in (column - 1, column, column + 1)
            for up in (row - 1, row, row + 1)
            for number in self._cells.get((across, up), ())
        }
        for number in sorted(numbers):
            x, y, along, begins = self._points[number]
            if along > until_m:
                continue
            start_x, start_y, start_along = (x, y, along) if begins else self._points[number - 1][:3]
            run_x, run_y = x - start_x, y - start_y
            length2 = run_x**2 + run_y**2
            raw = ((east - start_x) * run_x + (north - start_y) * run_y) / length2 if length2 else 0.0
            share = min(max(raw, 0.0), 1.0)
            away = math.hypot(east - start_x - share * run_x, north - start_y - share * run_y)
            if away >= best[0]:
                continue
            is_end = number == last and (begins or raw >= 1.0)
            is_first = begins or self._points[number - 1][3]
            ends = number == last or self._points[number + 1][3]
            reach = STEP_M / max(math.sqrt(length2), STEP_M)
            low, high = (-reach if is_first else 0.0), 1.0 + (reach if ends else 0.0)
            is_beyond = (is_first and raw < low) or (ends and raw > high)
            open_share = math.nan if is_beyond else min(max(raw, low), high)
            best = (away, start_along + open_share * (along - start_along), is_end)
        return best

    def road(self, origin_deg: tuple[float, float]) -> Road:
        """Return what has grown."""
        east, north, along, begins = (np.array(column) for column in zip(*self._points, strict=True))
        return Road(origin_deg, east, north, along, begins.astype(bool))
