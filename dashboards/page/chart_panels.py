"""The charts of what is shown: delay, loss, radio, the way on a map, and the clocks."""

from __future__ import annotations

from typing import Any

from nicegui import ui
from nicegui.events import GenericEventArguments

from dashboards.page import charts, map_chart
from dashboards.page.queries import Picture
from dashboards.page.texts import Language, text


class ChartPanels:
    """All charts of one picture; the clocks' stand apart from the others."""

    def __init__(self, language: Language) -> None:
        """Lay all but the clocks' out in the current slot."""
        self.language = language
        self._map_link: int | None = None
        self._map_width_px = 600.0
        self._picture: Picture | None = None
        with ui.element("div").classes("charts"):
            self._delay = self._chart("delay", 218)
            self._loss = self._chart("loss", 218)
            with ui.column().classes("panel w-full"):
                ui.label(self._say("radio")).classes("panel-title")
                self._rsrp = ui.echart({}).classes("w-full").style("height: 136px")
                self._sinr = ui.echart({}).classes("w-full").style("height: 136px")
            self._lay_out_map()

    def _say(self, key: str, **values: object) -> str:
        return text(self.language, key, **values)

    def _chart(self, title: str, height_px: int) -> ui.echart:
        with ui.column().classes("panel w-full"):
            ui.label(self._say(title)).classes("panel-title")
            return ui.echart({}).classes("w-full").style(f"height: {height_px}px")

    def _lay_out_map(self) -> None:
        with ui.column().classes("panel w-full"):
            with ui.row().classes("w-full items-center justify-between no-wrap").style("height: 19px"):
                ui.label(self._say("map")).classes("panel-title")
                self._map_links = ui.toggle({}, on_change=self._choose_map).props("dense flat no-caps size=sm")
            self._map = ui.echart({}).classes("w-full").style("height: 272px")
            ui.element("q-resize-observer").on("resize", self._resize_map)

    def lay_out_clocks(self) -> None:
        """Lay the chart of the clocks out in the current slot."""
        with ui.column().classes("panel w-full") as self._clock_panel:
            ui.label(self._say("clock")).classes("panel-title")
            self._clock = ui.echart({}).classes("w-full").style("height: 112px")

    def forget_link(self) -> None:
        """Let the map choose its link anew."""
        self._map_link = None

    def _choose_map(self) -> None:
        if self._map_links.value is not None and self._map_links.value != self._map_link:
            self._map_link = self._map_links.value
            self._show_map()

    def _resize_map(self, event: GenericEventArguments) -> None:
        self._map_width_px = float(event.args["width"])
        self._show_map()

    def show(self, picture: Picture | None) -> None:
        """Show a picture, or empty charts."""
        self._picture = picture
        self._clock_panel.set_visibility(picture is not None and bool(picture.clock))
        if picture is None:
            for chart in (self._delay, self._loss, self._rsrp, self._sinr, self._clock):
                _set(chart, {"series": []})
        else:
            window = picture.window
            start = charts.shown_start(picture.delay or picture.radio, window.start, window.end)
            common = (window.links, start, window.end, window.step)
            nothing = "" if picture.delay else self._say("no_probe")
            _set(self._delay, charts.delay_chart(picture.delay, *common), nothing)
            _set(self._loss, charts.loss_chart(picture.delay, *common), nothing)
            nothing = "" if picture.radio else self._say("no_radio")
            _set(self._rsrp, charts.radio_chart(picture.radio, *common, column="rsrp_dbm", unit="RSRP dBm"), nothing)
            _set(self._sinr, charts.radio_chart(picture.radio, *common, column="sinr_db", unit="SINR dB"), nothing)
            own = {number: self._say("own_clock", device=device) for number, device in window.devices.items()}
            _set(self._clock, charts.clock_chart(picture.clock, *common, own=own))
        self._show_map()

    def _show_map(self) -> None:
        picture = self._picture
        if picture is None:
            self._map_links.set_visibility(False)
            _set(self._map, {"series": []})
            return
        names = picture.window.links
        measured = {number: names[number] for number in {row["link_id"] for row in picture.radio} if names.get(number)}
        options = dict(sorted(measured.items(), key=lambda item: item[1]))
        if self._map_link not in options:
            self._map_link = min(options, default=None)
        if options != self._map_links.options or self._map_links.value != self._map_link:
            self._map_links.set_options(options, value=self._map_link)
        self._map_links.set_visibility(bool(options))
        points = map_chart.map_points(picture.position, picture.radio, self._map_link, picture.window.devices)
        option = map_chart.map_chart(points, self._say("guide"), width_px=self._map_width_px)
        _set(self._map, option, "" if points else self._say("no_position"))


def _set(chart: ui.echart, option: dict[str, Any], nothing: str = "") -> None:
    """Give a chart its options if they are others than before; `nothing` is written where it has no data."""
    words = {"text": nothing, "left": "center", "top": "middle"}
    option = {
        **option,
        "title": {**words, "textStyle": {"fontSize": 12, "fontWeight": "normal", "color": charts.FAINT}},
    }
    if option != chart.options:
        chart.options.clear()
        chart.options.update(option)
        chart.update()
