"""Where measuring points are, and how a map shows them: one mark each, graded by verdict or median speed. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Literal, NamedTuple

import msgspec
import numpy as np

from analytics.points import PointRow
from analytics.results import Direction
from analytics.series import Series

_FIXED = 2
"""gpsd's mode of a fix in two dimensions; below there is none."""
_STEPS = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
_CLASSES = 4
_SHADES = ("#c6dbef", "#6baed6", "#2171b5", "#08306b")
"""Light to dark, slow to fast: without a requirement no colour may look like a verdict."""

Place = tuple[float, float]


class Grade(NamedTuple):
    """One kind of mark with its meaning; hollow where there is no value to colour it by.

    Kinds differ by shape, or from light to dark, as well as by colour, for a print in black and white.
    """

    ja: str
    en: str
    colour: str
    shape: Literal["circle", "triangle", "diamond"] = "circle"
    is_hollow: bool = False


_ENOUGH = Grade("所要値以上", "reaches the required speed", "#0072B2")
_SHORT = Grade("所要値未満", "below the required speed", "#D55E00", "triangle")
_UNDECIDED = Grade("判定不能", "undecided", "#7b8794", "diamond", is_hollow=True)
_NO_VALUE = Grade("値なし(試行不足)", "no value (too few tests)", "#7b8794", "diamond", is_hollow=True)


class PointMark(NamedTuple):
    """One point of a map; `grade` counts in the map's grades, `median_mbps` is None where its tests are too few."""

    name: str
    lat_deg: float
    lon_deg: float
    is_surveyed: bool
    tests: int
    median_mbps: float | None
    grade: int

    @property
    def median_text(self) -> str:
        """The median as a map has room for it."""
        if self.median_mbps is None:
            return "–"
        return f"{self.median_mbps:.1f}" if self.median_mbps >= 1 else f"{self.median_mbps:.2g}"


class PointMap(NamedTuple):
    """The points of a link in one direction and protocol; `grades` say what each colour means.

    `names` are all of its points, `marks` those whose place is known; `unplaced` names the others.
    """

    device: str
    link: str
    direction: Direction
    protocol: str
    names: list[str]
    grades: list[Grade]
    marks: list[PointMark]
    unplaced: list[str]

    @property
    def surveyed(self) -> int:
        """Number of marks whose place was surveyed."""
        return sum(mark.is_surveyed for mark in self.marks)


def median_places(tests: Series, position: Series) -> dict[str, Place]:
    """Return {point: (latitude, longitude)} in degrees, the medians of the device's fixes during the tests there.

    `tests` are rows of `throughput` at points, each `interval_s` long until its time; `position` those of the device. A
    point during whose tests there was no fix is left out.
    """
    mode, lat, lon = position.number("mode"), position.number("lat_deg"), position.number("lon_deg")
    fixes = position.where((np.isnan(mode) | (mode >= _FIXED)) & np.isfinite(lat) & np.isfinite(lon))
    began_us = tests.t_us - np.round(np.nan_to_num(tests.number("interval_s")) * 1e6).astype(np.int64)
    first = np.searchsorted(fixes.t_us, began_us, "left")
    end = np.searchsorted(fixes.t_us, tests.t_us, "right")
    names = tests.text("point")
    places = {}
    for name in sorted({str(name) for name in names if name is not None}):
        # A difference of counts tells the fixes inside any of the intervals, however they overlap.
        rows = np.flatnonzero(names == name)
        steps = np.bincount(first[rows], minlength=fixes.n + 1) - np.bincount(end[rows], minlength=fixes.n + 1)
        inside = np.cumsum(steps)[: fixes.n] > 0
        if inside.any():
            places[name] = (
                float(np.median(fixes.number("lat_deg")[inside])), float(np.median(fixes.number("lon_deg")[inside]))
            )  # fmt: skip
    return places


def located(rows: Sequence[PointRow], measured: Mapping[tuple[str, str, str], Place]) -> list[PointRow]:
    """Return the rows with their places: as surveyed, else by {(device, link, point): place}, else none."""
    found = []
    for row in rows:
        if row.lat_deg is not None and row.lon_deg is not None:
            found.append(msgspec.structs.replace(row, place="surveyed"))
        elif place := measured.get((row.device, row.link, row.point)):
            found.append(msgspec.structs.replace(row, place="measured", lat_deg=place[0], lon_deg=place[1]))
        else:
            found.append(row)
    return found


def point_maps(rows: Sequence[PointRow]) -> list[PointMap]:
    """Return a map for each link, direction and protocol, in the order of the rows, which come group by group."""
    return [
        _map(list(group), key)
        for key, group in groupby(rows, lambda row: (row.device, row.link, row.direction, row.protocol))
    ]


def _map(rows: Sequence[PointRow], key: tuple[str, str, Direction, str]) -> PointMap:
    grades, grade_of = _graded(rows)
    marks = [
        PointMark(
            name=row.point, lat_deg=row.lat_deg, lon_deg=row.lon_deg, is_surveyed=row.place == "surveyed",
            tests=row.tests, median_mbps=row.median_mbps, grade=grade,
        )
        for row, grade in zip(rows, grade_of, strict=True)
        if row.lat_deg is not None and row.lon_deg is not None
    ]  # fmt: skip
    unplaced = [row.point for row in rows if row.lat_deg is None or row.lon_deg is None]
    return PointMap(*key, [row.point for row in rows], grades, marks, unplaced)


def _graded(rows: Sequence[PointRow]) -> tuple[list[Grade], list[int]]:
    """Return the grades and which one each row has: by the requirement where there is one, else by its median."""
    if any(row.required_mbps is not None for row in rows):
        verdicts = {True: 0, False: 1, None: 2}
        return [_ENOUGH, _SHORT, _UNDECIDED], [verdicts[row.is_enough] for row in rows]
    medians = [row.median_mbps for row in rows]
    width = _width(max((median for median in medians if median is not None), default=0.0))
    grades = [
        Grade(
            f"{width * step:g}〜{width * (step + 1):g} Mbit/s",
            f"{width * step:g} to {width * (step + 1):g} Mbit/s",
            shade,
        )
        for step, shade in enumerate(_SHADES)
    ]
    return [*grades, _NO_VALUE], [
        _CLASSES if median is None else min(int(median / width), _CLASSES - 1) for median in medians
    ]


def _width(largest: float) -> float:
    """Return a round width such that four classes reach a value."""
    if largest <= 0:
        return 1.0
    wanted = largest / _CLASSES
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(step * power for step in _STEPS if step * power >= wanted)
