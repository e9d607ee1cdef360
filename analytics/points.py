"""Tests at measuring points, put together point by point: the convention of MIC's effective speeds. Pure.

A point counts with the mean of its tests (three by MIC's guideline of 2015-07-31 on effective speeds, which publishes
maximum, 75 %, median, 25 % and minimum over points). A point with fewer tests has no value: neither is what it lacks
guessed, nor is it left out unseen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from analytics.families.throughput import at_points, rates_bps
from analytics.requirements import Parameters
from analytics.results import Direction
from analytics.series import Bools, Floats, Series, Times

_MBIT = 1e6
Counted = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """m measuring points in order of their first test, all of one direction and protocol.

    `started_us` is when that test ended its first row, `tests` how many have a value and `failed` how many have none,
    `mean_bps` the mean of the former (NaN without any); `rates_bps` are all tests of each in order of time, NaN where
    one failed. `lat_deg` and `lon_deg` are where it is, by its first test that says so (NaN: none does).
    """

    names: list[str]
    started_us: Times
    tests: Counted
    failed: Counted
    mean_bps: Floats
    rates_bps: list[Floats]
    lat_deg: Floats
    lon_deg: Floats

    @property
    def n(self) -> int:
        """Number of points."""
        return len(self.names)

    def is_complete(self, least: int) -> Bools:
        """Tell which points have at least so many tests with a value."""
        return np.asarray(self.tests >= least)


def points_of(tests: Series, direction: Direction, protocol: str) -> Points | None:
    """Return the points at which a link was tested in one direction and protocol; None where there are none.

    Rows of one point and trial number are parts of one test, whose rate is weighted by their lengths; a row without a
    number is a test of its own. A test of which any part has no rate has failed.
    """
    wanted = (tests.text("direction") == direction) & (tests.text("protocol") == protocol) & at_points(tests)
    rows = tests.where(np.asarray(wanted, np.bool_))
    if not rows.n:
        return None
    names, at = np.unique(rows.text("point").astype(str), return_inverse=True)
    numbers = rows.number("trial")
    distinct, number = np.unique(np.where(np.isfinite(numbers), numbers, -1.0 - np.arange(rows.n)), return_inverse=True)
    _, first, of = np.unique(at * distinct.size + number, return_index=True, return_inverse=True)
    rate = _rates(rows, of, first.size)
    point, start_us = at[first], rows.t_us[first]
    order = np.lexsort((start_us, point))
    point, start_us, rate = point[order], start_us[order], rate[order]
    edges = np.flatnonzero(np.diff(point, prepend=-1))
    has_value = np.isfinite(rate)
    tested = np.bincount(point[has_value], minlength=names.size)
    total = np.bincount(point[has_value], rate[has_value], minlength=names.size)
    mean = np.divide(total, tested, out=np.full(names.size, np.nan), where=tested > 0)
    by_time = np.argsort(start_us[edges], kind="stable")
    each = np.split(rate, edges[1:])
    return Points(
        names=[str(names[place]) for place in by_time],
        started_us=start_us[edges][by_time],
        tests=tested[by_time].astype(np.int64),
        failed=(np.bincount(point, minlength=names.size) - tested)[by_time].astype(np.int64),
        mean_bps=mean[by_time],
        rates_bps=[each[place] for place in by_time],
        lat_deg=_first_known(rows.number("lat_deg"), at, names.size)[by_time],
        lon_deg=_first_known(rows.number("lon_deg"), at, names.size)[by_time],
    )


def _first_known(values: Floats, at: npt.NDArray[np.intp], points: int) -> Floats:
    known = np.flatnonzero(np.isfinite(values))
    found = np.full(points, np.nan)
    found[at[known[::-1]]] = values[known[::-1]]  # of several writes to one place the last stays
    return found


def _rates(rows: Series, of: npt.NDArray[np.intp], tests: int) -> Floats:
    """Return the rate of each test, NaN where any of its rows has none."""
    rate = rates_bps(rows)
    length_s = np.nan_to_num(rows.number("interval_s"))
    # Parts of no length are told apart by nothing: they count alike.
    total_s = np.bincount(of, length_s, minlength=tests)
    weight = np.where(total_s[of] > 0, length_s, 1.0)
    return np.asarray(np.bincount(of, rate * weight, minlength=tests) / np.bincount(of, weight, minlength=tests))


class PointRow(msgspec.Struct, frozen=True, kw_only=True):
    """One measuring point of a link in one direction and protocol, as it stands in a table of results.

    `lat_deg` and `lon_deg` are where it is, `place` how that is known: "surveyed" (the table or the plan says so),
    "measured" (where the device stood during its tests), or "" where nobody knows. `rates_mbps` are its tests in order
    of time, None where one failed; `tests` counts those with a value. `mean_mbps`, the point's value, and `median_mbps`
    are None where those are too few, and `reason` says so. `is_enough`: whether the mean reaches the required rate;
    None where either is not known. `filter` says what is left out of all.
    """

    device: str
    link: str
    direction: Direction
    protocol: str
    point: str
    started_at: datetime
    lat_deg: float | None = None
    lon_deg: float | None = None
    place: Literal["surveyed", "measured", ""] = ""
    rates_mbps: list[float | None]
    tests: int
    mean_mbps: float | None = None
    median_mbps: float | None = None
    required_mbps: float | None = None
    is_enough: bool | None = None
    reason: str = ""
    filter: str = ""


def point_rows(
    tests: Series, parameters: Parameters, *, device: str, link: str, filters: str = ""
) -> Iterator[PointRow]:  # fmt: skip
    """Yield the measuring points of a link, direction by direction, protocol by protocol, in order of time."""
    directions: tuple[Direction, ...] = ("up", "down")
    for direction in directions:
        for protocol in ("tcp", "udp"):
            points = points_of(tests, direction, protocol)
            if points is not None:
                required: float | None = getattr(parameters, f"required_{direction}_mbps")
                common = {"device": device, "link": link, "direction": direction, "protocol": protocol,
                          "filter": filters}  # fmt: skip
                yield from (
                    PointRow(**common, **_told(points, place, parameters.point_tests, required))  # type: ignore[arg-type]
                    for place in range(points.n)
                )


def _degrees(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _told(points: Points, place: int, least: int, required: float | None) -> dict[str, Any]:
    rates_mbps = [None if np.isnan(rate) else float(rate) / _MBIT for rate in points.rates_bps[place]]
    tests = int(points.tests[place])
    found: dict[str, Any] = {
        "point": points.names[place],
        "started_at": datetime.fromtimestamp(int(points.started_us[place]) / 1e6, tz=UTC),
        "lat_deg": _degrees(points.lat_deg[place]),
        "lon_deg": _degrees(points.lon_deg[place]),
        "rates_mbps": rates_mbps,
        "tests": tests,
        "required_mbps": required,
    }
    if tests < least:
        reason = f"値のある試行が{tests}回({least}回必要) / {tests} tests with a value, {least} are needed"
        return {**found, "reason": reason}
    mean = float(points.mean_bps[place]) / _MBIT
    return {
        **found,
        "mean_mbps": mean,
        # Of an even number the mean of the two in the middle, as a table by hand has it.
        "median_mbps": float(np.nanmedian(points.rates_bps[place])) / _MBIT,
        "is_enough": None if required is None else mean >= required,
    }
