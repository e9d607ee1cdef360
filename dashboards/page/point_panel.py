"""The map of the measuring points: where each is, and what was measured there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any
from unicodedata import east_asian_width

from nicegui import ui
from nicegui.events import GenericEventArguments

from analytics.map_box import map_box
from analytics.point_places import PointMap, PointMark, point_maps
from analytics.points import PointRow
from dashboards.page.charts import INK
from dashboards.page.map_chart import degrees_axis, scale_bar
from dashboards.page.texts import Language, text

_MARGINS_PX, _PLOT_HEIGHT_PX = (64, 178), 262
_NAMED = 10
_LABELLED = 60
"""More names than that leave no room for the points: then they stand in the tooltips only."""
_HALF_PX, _LINE_PX, _TOP_PX = 9, 13, 14

_BAR_PX = 30
"""Room for the scale below the points."""

_Rectangle = tuple[float, float, float, float]
_Side = str | tuple[float, float]


class PointPanel:
    """One link, direction and protocol at a time; nothing where no test was made at a measuring point."""

    def __init__(self, language: Language) -> None:
        """Lay it out, hidden, in the current slot."""
        self.language = language
        self._maps: list[PointMap] = []
        self._width_px = 600.0
        with ui.column().classes("panel w-full") as self._panel:
            with ui.row().classes("w-full items-center justify-between no-wrap").style("min-height: 19px"):
                ui.label(text(language, "point_map")).classes("panel-title")
                self._choice = ui.toggle({}, on_change=self._draw).props("dense flat no-caps size=sm")
            self._chart = ui.echart({}).classes("w-full").style("height: 306px")
            self._words = ui.label().classes("small")
            ui.element("q-resize-observer").on("resize", self._resize)
        self._panel.set_visibility(False)

    def show(self, rows: Sequence[PointRow] | str) -> None:
        """Show the points of a run, or nothing where they cannot be told: the table of KPIs says why."""
        self._maps = [] if isinstance(rows, str) else point_maps(rows)
        self._panel.set_visibility(bool(self._maps))
        names = dict(enumerate(map_names(self._maps, self.language)))
        if names != self._choice.options:
            self._choice.set_options(names, value=0 if names else None)
        self._choice.set_visibility(len(names) > 1)
        self._draw()

    def _resize(self, event: GenericEventArguments) -> None:
        self._width_px = float(event.args["width"])
        self._draw()

    def _draw(self) -> None:
        if not self._maps:
            return
        shown = self._maps[min(self._choice.value or 0, len(self._maps) - 1)]
        option = point_chart(shown, self.language, width_px=self._width_px)
        # Without a place there is nothing to draw: the words alone say so.
        self._chart.set_visibility(bool(shown.marks))
        self._words.set_text(place_words(shown, self.language))
        if option != self._chart.options:
            self._chart.options.clear()
            self._chart.options.update(option)
            self._chart.update()


def map_names(maps: Sequence[PointMap], language: Language) -> list[str]:
    """Return what the choice calls each map."""
    several = len({each.device for each in maps}) > 1
    return [
        f"{f'{each.device}/' if several else ''}{each.link} {text(language, each.direction)} {each.protocol.upper()}"
        for each in maps
    ]


def place_words(shown: PointMap, language: Language) -> str:
    """Return how the places are known, and which points have none, and why."""
    words = []
    if shown.surveyed:
        words.append(text(language, "places_surveyed", count=shown.surveyed))
    if measured := len(shown.marks) - shown.surveyed:
        words.append(text(language, "places_measured", count=measured))
    if shown.unplaced:
        names = ", ".join(shown.unplaced[:_NAMED]) + (" ..." if len(shown.unplaced) > _NAMED else "")
        words.append(text(language, "places_unknown", count=len(shown.unplaced), names=names))
    return " · ".join(words)


def point_chart(shown: PointMap, language: Language, *, width_px: float = 600) -> dict[str, Any]:
    """Draw the points on a plain grid of longitude and latitude, as the map of the way is; needs no tile server.

    `width_px` is the width of the whole chart in the browser: metres are equal both ways only if it is known.
    """
    left, right = _MARGINS_PX
    places = [(mark.lon_deg, mark.lat_deg) for mark in shown.marks]
    plot_px = (max(width_px - left - right, 100), _PLOT_HEIGHT_PX)
    west, east, south, north = map_box(places, plot_px[0] / (plot_px[1] - _BAR_PX))
    if south is not None and north is not None:
        south -= (north - south) * _BAR_PX / (plot_px[1] - _BAR_PX)
    sides = label_sides(shown.marks, (west or 0, east or 0, south or 0, north or 0), plot_px)
    return {
        "animation": False,
        "textStyle": {"color": INK},
        "grid": {"left": left, "right": right, "top": _TOP_PX, "height": _PLOT_HEIGHT_PX},
        "tooltip": {"confine": True, "textStyle": {"fontSize": 12}, ":formatter": "p => p.data.tip"},
        "legend": {
            "orient": "vertical", "right": 0, "top": 8, "itemWidth": 14, "itemHeight": 11, "selectedMode": False,
            "textStyle": {"fontSize": 11},
        },
        "xAxis": degrees_axis(west, east),
        "yAxis": degrees_axis(south, north),
        "series": [
            *(_series(shown, number, sides, language) for number in range(len(shown.grades))),
            scale_bar(places, west, east, south, north),
        ],
    }  # fmt: skip


def label_sides(
    marks: Sequence[PointMark], box: tuple[float, float, float, float], plot_px: tuple[float, float]
) -> dict[str, _Side]:
    """Return {name: side of its mark on which its label covers neither a mark nor another label}, where there is one.

    `box` is west, east, south and north, `plot_px` width and height of the plot.
    """
    west, east, south, north = box
    if len(marks) > _LABELLED or not marks:
        return {}
    at = {
        mark: (
            (mark.lon_deg - west) / (east - west) * plot_px[0],
            (north - mark.lat_deg) / (north - south) * plot_px[1],
        )
        for mark in marks
    }
    # Who comes first has the choice: of some orders the one is taken that leaves the fewest without a label.
    orders = (list(marks), list(marks)[::-1], sorted(at, key=lambda mark: at[mark][1]), sorted(at, key=at.__getitem__))
    return max((_sides(order, at, plot_px) for order in orders), key=len)


def _sides(
    order: Sequence[PointMark], at: dict[PointMark, tuple[float, float]], plot_px: tuple[float, float]
) -> dict[str, _Side]:
    marks = {
        mark: (x - _HALF_PX, y - _HALF_PX, x + _HALF_PX, y + _HALF_PX) for mark, (x, y) in at.items()
    }  # fmt: skip
    labels: list[_Rectangle] = []
    sides: dict[str, _Side] = {}
    for mark in order:
        others = [*labels, *(rectangle for other, rectangle in marks.items() if other != mark)]
        for side, label in _choices(mark, *at[mark]):
            left, top, right, bottom = label
            is_inside = left >= 0 and top >= -_TOP_PX and right <= plot_px[0] and bottom <= plot_px[1]
            if is_inside and not any(_covers(label, other) for other in others):
                labels.append(label)
                sides[mark.name] = side
                break
    return sides


def _choices(mark: PointMark, x: float, y: float) -> Iterator[tuple[_Side, _Rectangle]]:
    """Yield the sides of a mark and the rectangle of a label there: beside it, above, below, then at its corners."""
    wide, tall = max(map(_width_px, _label(mark).split("\n"))), 2 * _LINE_PX
    for side, left, top in (
        ("right", x + _HALF_PX, y - tall / 2), ("left", x - _HALF_PX - wide, y - tall / 2),
        ("top", x - wide / 2, y - _HALF_PX - tall), ("bottom", x - wide / 2, y + _HALF_PX),
    ):  # fmt: skip
        yield side, (left, top, left + wide, top + tall)
    for across, down in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        right = across * _HALF_PX / 2 - (wide if across < 0 else 0)
        below = down * _HALF_PX / 2 - (tall if down < 0 else 0)
        # ECharts counts from the upper left corner of the mark.
        yield (right + _HALF_PX, below + _HALF_PX), (x + right, y + below, x + right + wide, y + below + tall)


def _width_px(line: str) -> float:
    """Return about how wide a line is at 11 px: kanji and kana are as wide as high."""
    return sum(11 if east_asian_width(character) in "WF" else 5.6 for character in line)


def _covers(one: _Rectangle, other: _Rectangle) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _label(mark: PointMark) -> str:
    return f"{mark.name}\n{mark.median_text} (n={mark.tests})"


def _series(shown: PointMap, number: int, sides: dict[str, _Side], language: Language) -> dict[str, Any]:
    grade = shown.grades[number]
    marks = [mark for mark in shown.marks if mark.grade == number]
    return {
        "type": "scatter", "name": grade.ja if language == "ja" else grade.en, "symbolSize": 15, "z": 3,
        "symbol": grade.shape,
        "itemStyle": {
            "color": "#fff" if grade.is_hollow else grade.colour, "borderWidth": 2 if grade.is_hollow else 1,
            "borderColor": grade.colour if grade.is_hollow else INK,
        },
        "label": {
            "color": INK, "fontSize": 11, "lineHeight": _LINE_PX, "textBorderColor": "#fff", "textBorderWidth": 2,
        },
        "data": [_datum(mark, sides.get(mark.name), language) for mark in marks],
    }  # fmt: skip


def _datum(mark: PointMark, side: _Side | None, language: Language) -> dict[str, Any]:
    how = text(language, "place_surveyed" if mark.is_surveyed else "place_measured")
    tip = text(language, "point_tip", median=mark.median_text, tests=mark.tests)
    return {
        "name": mark.name, "value": [round(mark.lon_deg, 6), round(mark.lat_deg, 6)],
        "label": {"show": side is not None, "position": side or "right", "formatter": _label(mark)},
        "tip": f"<b>{escape(mark.name)}</b><br>{tip}<br>{mark.lat_deg:.5f}°N {mark.lon_deg:.5f}°E ({how})",
    }  # fmt: skip
