"""The box plot of effective speeds over measuring points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nicegui import ui

from analytics.boxes import Box, boxes
from analytics.results import KpiResult
from dashboards.page.charts import FAINT, GRID, INK, PALETTE
from dashboards.page.texts import Language, text

_WIDTH_PX = [14, 40]


class BoxPanel:
    """One box a link, direction and protocol; nothing where no test was made at a measuring point."""

    def __init__(self, language: Language) -> None:
        """Lay it out, hidden, in the current slot."""
        self.language = language
        with ui.column().classes("panel w-full") as self._panel:
            ui.label(text(language, "boxes")).classes("panel-title")
            self._chart = ui.echart({}).classes("w-full").style("height: 230px")
        self._panel.set_visibility(False)

    def show(self, results: Sequence[KpiResult]) -> None:
        """Show the boxes of some results."""
        drawn = boxes(results)
        self._panel.set_visibility(bool(drawn))
        option = box_chart(drawn, self.language)
        if drawn and option != self._chart.options:
            self._chart.options.clear()
            self._chart.options.update(option)
            self._chart.update()


def box_chart(drawn: Sequence[Box], language: Language) -> dict[str, Any]:
    """Return the options of the chart: one box a link, direction and protocol, up and down in two colours."""
    several = len({box.device for box in drawn}) > 1
    names = [_name(box, language, with_device=several) for box in drawn]
    words = [text(language, key) for key in ("box_min", "box_p25", "box_p50", "box_p75", "box_max")]
    # ECharts puts the place of the category before the five values.
    shown = "<br>".join(f"{word}: ${{p.value[{place}].toFixed(1)}} Mbit/s" for place, word in enumerate(words, start=1))
    return {
        "animation": False,
        "textStyle": {"color": INK},
        "grid": {"left": 48, "right": 16, "top": 30, "bottom": 40},
        "tooltip": {
            "trigger": "item", "confine": True, "textStyle": {"fontSize": 12},
            ":formatter": f"p => `${{p.name.replaceAll('\\n', ' ')}}<br>{shown}`",
        },
        "xAxis": {
            "type": "category", "data": names, "axisTick": {"show": False},
            "axisLabel": {"color": INK, "fontSize": 11, "interval": 0, "lineHeight": 14},
        },
        "yAxis": {
            "type": "value", "min": 0, "name": "Mbit/s", "nameGap": 10, "splitNumber": 4,
            "nameTextStyle": {"color": FAINT, "align": "left", "padding": [0, 0, 0, -40]},
            "axisLabel": {"color": FAINT, "fontSize": 11}, "splitLine": {"lineStyle": {"color": GRID}},
        },
        "series": [{
            "type": "boxplot", "boxWidth": _WIDTH_PX,
            "data": [
                {
                    "name": name, "value": [round(value, 3) for value in box.values],
                    "itemStyle": {"color": "#fff", "borderColor": PALETTE[box.direction == "up"], "borderWidth": 2},
                }
                for name, box in zip(names, drawn, strict=True)
            ],
        }],
    }  # fmt: skip


def _name(box: Box, language: Language, *, with_device: bool) -> str:
    whose = f"{box.device}/{box.link}" if with_device else box.link
    return f"{whose} {text(language, box.direction)} {box.protocol}\n{text(language, 'box_points', count=box.points)}"
