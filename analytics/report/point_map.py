"""The maps of the sheet 測定点: native scatter charts of longitude and latitude, one a link, direction and protocol.

Each colour is a series of its own, so that the legend says what it means and the report writer can restyle it; its
latitudes stand in a column of their own beside the list of points.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analytics.map_box import map_box
from analytics.point_places import PointMap
from analytics.report.sheet import FONT, Book
from analytics.report.words import DIRECTION

GRADES = 5
"""As many columns as a map has grades at most."""
MAP_ROWS = 21
_SIZE = {"width": 960, "height": 400}
_PLOT = {"x": 0.08, "y": 0.12, "width": 0.88, "height": 0.66}
_LABELLED = 60
"""More names than that cover each other and the points."""


def point_map_chart(book: Book, sheet: str, shown: PointMap, rows: tuple[int, int], columns: tuple[int, int]) -> Any:
    """Return the chart of a map whose points stand in `rows` (first and last) of a sheet, in the order of the map.

    `columns` are those of the longitude and of the first grade's latitude.
    """
    chart = book.book.add_chart({"type": "scatter"})
    longitude, latitude = columns
    labels = _labels(shown)
    for number, grade in enumerate(shown.grades):
        if not any(mark.grade == number for mark in shown.marks):
            continue
        chart.add_series({
            "name": grade.ja,
            "categories": [sheet, rows[0], longitude, rows[1], longitude],
            "values": [sheet, rows[0], latitude + number, rows[1], latitude + number],
            "marker": {
                "type": grade.shape, "size": 9, "border": {"color": grade.colour if grade.is_hollow else "#404040"},
                "fill": {"color": "#FFFFFF" if grade.is_hollow else grade.colour},
            },
            "data_labels": {
                "value": True, "position": "right", "font": {"name": FONT, "size": 8},
                "custom": [label if grade_of == number else {"delete": True} for label, grade_of in labels],
            } if len(shown.marks) <= _LABELLED else {},
        })  # fmt: skip
    title = f"測定点の位置と実効速度 {shown.device} {shown.link} {DIRECTION[shown.direction]} {shown.protocol.upper()}"
    ratio = _SIZE["width"] * _PLOT["width"] / (_SIZE["height"] * _PLOT["height"])
    west, east, south, north = map_box([(mark.lon_deg, mark.lat_deg) for mark in shown.marks], ratio)
    chart.set_title({
        "name": f"{title}(値: 試行の中央値[Mbps]、n: 試行数)", "name_font": {"name": FONT, "size": 11}, "overlay": False
    })  # fmt: skip
    chart.set_x_axis({**_axis("経度 [度]"), "min": west, "max": east, "crossing": west})
    chart.set_y_axis({**_axis("緯度 [度]"), "min": south, "max": north, "crossing": south})
    chart.set_plotarea({"layout": _PLOT})
    chart.set_legend({"position": "bottom", "font": {"name": FONT, "size": 9}})
    chart.set_size(_SIZE)
    chart.show_blanks_as("gap")
    return chart


def _labels(shown: PointMap) -> Sequence[tuple[dict[str, Any], int]]:
    """Return the label and the grade of each row of the map; a row without a place has a grade that no series has."""
    marks = {mark.name: mark for mark in shown.marks}
    found: list[tuple[dict[str, Any], int]] = []
    for name in shown.names:
        mark = marks.get(name)
        if mark is None:
            found.append(({"delete": True}, -1))
            continue
        label = f"{name} {mark.median_text} (n={mark.tests})"
        found.append(({"value": label, "font": {"name": FONT, "size": 8}}, mark.grade))
    return found


def _axis(name: str) -> dict[str, Any]:
    return {
        "name": name, "name_font": {"name": FONT, "size": 9}, "num_font": {"name": FONT, "size": 9},
        "num_format": "0.0000", "major_gridlines": {"visible": True, "line": {"color": "#D9D9D9", "width": 0.5}},
    }  # fmt: skip
