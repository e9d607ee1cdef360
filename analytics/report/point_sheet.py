"""The sheet 測定点: box plot and map of effective speeds at the measuring points, and every point with its tests.

Excel has no box plot that older versions and other programs show, so the boxes are stacked columns: nothing up to 25 %,
then to the median, then to 75 %, with error bars as whiskers. The report writer can restyle them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from analytics.boxes import Box, boxes
from analytics.point_places import PointMap, point_maps
from analytics.points import PointRow
from analytics.report.cells import Cell
from analytics.report.jst import JST_NOTE, clock_text
from analytics.report.model import RunReport
from analytics.report.point_map import GRADES, MAP_ROWS, point_map_chart
from analytics.report.sheet import FONT, Book, Sheet
from analytics.report.words import DIRECTION, in_japanese

SHEET = "測定点"
_BOX_HEAD = [
    "測定端末", "回線", "方向", "プロトコル", "地点数", "最小\n[Mbps]", "25%値\n[Mbps]", "中央値\n[Mbps]",
    "75%値\n[Mbps]", "最大\n[Mbps]", "図の凡例", "中央値\n-25%値", "75%値\n-中央値", "25%値\n-最小", "最大\n-75%値",
]  # fmt: skip
_POINT_HEAD = [
    "測定端末", "回線", "方向", "プロトコル", "試行数", "測定点", "最初の試行", "平均\n[Mbps]", "中央値\n[Mbps]",
    "所要値\n[Mbps]", "試行毎の値 [Mbps]", "所要帯域", "緯度\n[度]", "経度\n[度]", "位置の根拠", "備考",
    "図の経度", *(f"図の緯度{number}" for number in range(1, GRADES + 1)),
]  # fmt: skip
_WIDTHS = [13, 10, 7, 10, 8, 11, 20, 10, 10, 10, 26, 10, 11, 11, 12, 34, *[10] * (GRADES + 1)]
_PRINTED, _LONGITUDE, _FIRST_GRADE = 16, 16, 17
"""Columns that are printed; where the maps' longitudes stand (a text among them would make Excel count 1, 2, 3)."""
_NOTES = (
    "測定点の値は、その地点の試行の平均。箱ひげ図は、測定点の値の最小・25%値・中央値・75%値・最大を示す。",
    "総務省の実効速度計測ガイドライン(2015)の示し方により、25%値から75%値までが公表用の実効速度に当たる。",
    "地点数は図に含めた測定点の数。値のある試行の数が足りない測定点は値を持たず、図に含めない(備考に理由を示す)。",
    "測定点の位置は、測量・計画の値。ない場合は、試行中の端末の測位の中央値とする(位置の根拠に示す)。",
    "地図の色は、所要値がある場合はその判定、ない場合は試行の中央値による。「図の経度」から右は、そのための値である。",
    "箱は積み上げ縦棒、ひげは誤差範囲で描いている。「図の凡例」から右は、そのための値である。",
)
_CHART_ROWS = 18
_NAMED = 10
_PLACE = {"surveyed": "測量・計画", "measured": "測位", "": "不明"}
_ENOUGH = {True: "充足", False: "不足", None: "-"}


def write_points(book: Book, report: RunReport) -> str:
    """Write the box plot with its numbers, the maps, and below them one row a point."""
    sheet = book.open(SHEET, widths=_WIDTHS)
    sheet.line(["測定点の実効速度"], "title", height=26)
    for note in (*_NOTES, JST_NOTE):
        sheet.line([note], "plain")
    drawn = boxes(report.kpis)
    if drawn:
        _write_boxes(book, sheet, drawn)
    else:
        sheet.line(["値を持つ測定点がないため、箱ひげ図はない。"], "plain")
    sheet.skip()
    maps = point_maps(report.points)
    _write_maps(book, sheet, maps)
    sheet.line(["測定点の一覧"], "section")
    for left_out in dict.fromkeys(f"{row.link}: {in_japanese(row.filter)}" for row in report.points if row.filter):
        sheet.line([left_out], "plain")
    sheet.line(_POINT_HEAD, "head", height=30)
    grades = {
        (shown.device, shown.link, shown.direction, shown.protocol, mark.name): mark.grade
        for shown in maps
        for mark in shown.marks
    }
    for row in report.points:
        _write_point(sheet, row, grades.get((row.device, row.link, row.direction, row.protocol, row.point)))
    sheet.worksheet.print_area(0, 0, sheet.row - 1, _PRINTED - 1)
    return sheet.name


def _write_maps(book: Book, sheet: Sheet, maps: Sequence[PointMap]) -> None:
    """Insert the maps above the list of the points, from whose rows, still to be written, they draw."""
    sheet.line(["測定点の位置"], "section")
    for shown in maps:
        if shown.unplaced:
            names = "、".join(shown.unplaced[:_NAMED]) + ("ほか" if len(shown.unplaced) > _NAMED else "")
            whose = f"{shown.device} {shown.link} {DIRECTION[shown.direction]} {shown.protocol.upper()}"
            sheet.line([f"図に示せない測定点 {whose}: {names}(測量した位置も、試行中の測位の記録もない)"], "plain")
    first = sheet.row + MAP_ROWS * sum(bool(shown.marks) for shown in maps) + 2
    for shown in maps:
        last = first + len(shown.names) - 1
        if shown.marks:
            chart = point_map_chart(book, SHEET, shown, (first, last), (_LONGITUDE, _FIRST_GRADE))
            sheet.worksheet.insert_chart(sheet.row, 0, chart, {"description": "測定点の位置と実効速度"})
            sheet.skip(MAP_ROWS)
        first = last + 1


def _write_boxes(book: Book, sheet: Sheet, drawn: Sequence[Box]) -> None:
    sheet.line(_BOX_HEAD, "head", height=30)
    first = sheet.row
    for box in drawn:
        low, quarter, median, three, high = box.values
        name = " ".join([*([box.device] if len({each.device for each in drawn}) > 1 else []), box.link,
                         DIRECTION[box.direction], box.protocol])  # fmt: skip
        sheet.line(
            [
                box.device, box.link, DIRECTION[box.direction], box.protocol, box.points, *box.values,
                f"{name}\n{box.points}地点", median - quarter, three - median, quarter - low, high - three,
            ],
            ["cell", "cell", "center", "center", "int", *["0.0"] * 5, "wrap", *["0.0"] * 4],
            height=26,
        )  # fmt: skip
    sheet.skip()
    chart = _chart(book, first, sheet.row - 2, axis_end(max(box.values[-1] for box in drawn)))
    sheet.worksheet.insert_chart(sheet.row, 0, chart, {"description": "測定点の実効速度の箱ひげ図"})
    sheet.skip(_CHART_ROWS)


def axis_end(largest: float) -> float:
    """Return a round number above a value: left to itself the axis ends at the boxes and cuts the whiskers off."""
    if largest <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(largest))
    return next(step * power for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if step * power >= largest)


def _chart(book: Book, first: int, last: int, end: float) -> Any:
    def cells(column: int) -> list[Any]:
        return [SHEET, first, column, last, column]

    def formula(column: str) -> str:
        return f"='{SHEET}'!${column}${first + 1}:${column}${last + 1}"

    whisker = {"color": "#404040", "width": 1.25}
    filled = {"border": {"color": "#404040", "width": 1}, "gap": 90}
    chart = book.book.add_chart({"type": "column", "subtype": "stacked"})
    chart.add_series({
        "name": "25%値まで", "categories": cells(10), "values": cells(6), "fill": {"none": True},
        "border": {"none": True}, "gap": 90,
        "y_error_bars": {"type": "custom", "direction": "minus", "minus_values": formula("N"),
                         "plus_values": formula("N"), "line": whisker},
    })  # fmt: skip
    chart.add_series({
        "name": "25%値〜中央値", "categories": cells(10), "values": cells(11), "fill": {"color": "#9DC3E6"}, **filled
    })  # fmt: skip
    chart.add_series({
        "name": "中央値〜75%値", "categories": cells(10), "values": cells(12), "fill": {"color": "#DEEBF7"}, **filled,
        "y_error_bars": {"type": "custom", "direction": "plus", "plus_values": formula("O"),
                         "minus_values": formula("O"), "line": whisker},
    })  # fmt: skip
    title = "測定点の実効速度(箱: 25%値・中央値・75%値、ひげ: 最小・最大)"
    chart.set_title({"name": title, "name_font": {"name": FONT, "size": 11}, "overlay": False})
    chart.set_x_axis({"num_font": {"name": FONT, "size": 9}})
    chart.set_y_axis({
        "name": "実効速度 [Mbps]", "name_font": {"name": FONT, "size": 9}, "num_font": {"name": FONT, "size": 9},
        "min": 0, "max": end, "num_format": "0",
        "major_gridlines": {"visible": True, "line": {"color": "#BFBFBF", "width": 0.5}},
    })  # fmt: skip
    chart.set_legend({"position": "bottom", "font": {"name": FONT, "size": 9}, "delete_series": [0]})
    chart.set_size({"width": 960, "height": 340})
    return chart


def _write_point(sheet: Sheet, row: PointRow, grade: int | None) -> None:
    """Write one point; its latitude stands once more in the column of its grade on the map."""
    shown = ", ".join("失敗" if rate is None else f"{rate:.4g}" for rate in row.rates_mbps)
    numbers: list[Cell] = ["-" if value is None else value for value in (row.mean_mbps, row.median_mbps)]
    places: list[Cell] = ["-" if value is None else value for value in (row.lat_deg, row.lon_deg)]
    required: Cell = "-" if row.required_mbps is None else row.required_mbps
    sheet.line(
        [
            row.device, row.link, DIRECTION[row.direction], row.protocol.upper(), row.tests, row.point,
            clock_text(row.started_at), *numbers, required,
            shown, "判定不能" if row.reason else _ENOUGH[row.is_enough], *places, _PLACE[row.place],
            row.reason.split(" / ")[0] or None, row.lon_deg,
            *(row.lat_deg if number == grade else None for number in range(GRADES)),
        ],
        [
            "cell", "cell", "center", "center", "int", "cell", "center",
            *("right" if isinstance(value, str) else "0.0" for value in (*numbers, required)),
            "wrap", "center", *("right" if isinstance(value, str) else "0.000000" for value in places),
            "center", "wrap", *["0.000000"] * (GRADES + 1),
        ],
    )  # fmt: skip
