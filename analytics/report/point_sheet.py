"""The sheet 測定点: the box plot of effective speeds over the measuring points, and every point with its tests.

Excel has no box plot that older versions and other programs show, so the boxes are stacked columns: nothing up to 25 %,
then to the median, then to 75 %, with error bars as whiskers. The report writer can restyle them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from analytics.boxes import Box, boxes
from analytics.points import PointRow
from analytics.report.cells import Cell
from analytics.report.jst import JST_NOTE, clock_text
from analytics.report.model import RunReport
from analytics.report.sheet import FONT, Book, Sheet
from analytics.report.words import DIRECTION

SHEET = "測定点"
_BOX_HEAD = [
    "測定端末", "回線", "方向", "プロトコル", "地点数", "最小\n[Mbps]", "25%値\n[Mbps]", "中央値\n[Mbps]",
    "75%値\n[Mbps]", "最大\n[Mbps]", "図の凡例", "中央値\n-25%値", "75%値\n-中央値", "25%値\n-最小", "最大\n-75%値",
]  # fmt: skip
_POINT_HEAD = [
    "測定端末", "回線", "方向", "プロトコル", "試行数", "測定点", "最初の試行", "平均\n[Mbps]", "中央値\n[Mbps]",
    "所要値\n[Mbps]", "試行毎の値 [Mbps]", "所要帯域", "緯度\n[度]", "経度\n[度]", "備考",
]  # fmt: skip
_WIDTHS = [13, 10, 7, 10, 8, 11, 20, 10, 10, 10, 26, 10, 11, 11, 10]
_NOTES = (
    "測定点の値は、その地点の試行の平均。箱ひげ図は、測定点の値の最小・25%値・中央値・75%値・最大を示す。",
    "総務省の実効速度計測ガイドライン(2015)の示し方により、25%値から75%値までが公表用の実効速度に当たる。",
    "地点数は図に含めた測定点の数。値のある試行の数が足りない測定点は値を持たず、図に含めない(備考に理由を示す)。",
    "箱は積み上げ縦棒、ひげは誤差範囲で描いている。「図の凡例」から右は、そのための値である。",
)
_CHART_ROWS = 18
_ENOUGH = {True: "充足", False: "不足", None: "-"}


def write_points(book: Book, report: RunReport) -> str:
    """Write the box plot with its numbers, and below it one row a point."""
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
    sheet.line(["測定点の一覧"], "section")
    sheet.line(_POINT_HEAD, "head", height=30)
    for row in report.points:
        _write_point(sheet, row)
    return sheet.name


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


def _write_point(sheet: Sheet, row: PointRow) -> None:
    shown = ", ".join("失敗" if rate is None else f"{rate:.4g}" for rate in row.rates_mbps)
    numbers: list[Cell] = ["-" if value is None else value for value in (row.mean_mbps, row.median_mbps)]
    places: list[Cell] = ["-" if value is None else value for value in (row.lat_deg, row.lon_deg)]
    required: Cell = "-" if row.required_mbps is None else row.required_mbps
    sheet.line(
        [
            row.device, row.link, DIRECTION[row.direction], row.protocol.upper(), row.tests, row.point,
            clock_text(row.started_at), *numbers, required,
            shown, "判定不能" if row.reason else _ENOUGH[row.is_enough], *places, row.reason.split(" / ")[0] or None,
        ],
        [
            "cell", "cell", "center", "center", "int", "cell", "center",
            *("right" if isinstance(value, str) else "0.0" for value in (*numbers, required)),
            "wrap", "center", *("right" if isinstance(value, str) else "0.000000" for value in places), "plain",
        ],
    )  # fmt: skip
