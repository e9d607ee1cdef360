"""Positions and RSRP to the ECharts options of the map. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from analytics.map_box import map_box
from dashboards.page.charts import FAINT, GRID, INK, Row

RSRP_BINS_DBM = ((-80, "#00441b"), (-90, "#238b45"), (-100, "#a1d99b"), (-110, "#fdae6b"), (None, "#a63603"))
"""Rule-of-thumb bins of drive tests (目安): from -80 dBm on, ... , below -110 dBm. Not a requirement."""

_MAP_MARGINS_PX, _MAP_PLOT_HEIGHT_PX = (64, 104), 228
_METRES_PER_DEGREE = 111_320


def map_points(
    position: Sequence[Row], radio: Sequence[Row], link_id: int | None, devices: dict[int, str]
) -> list[list[float | None]]:
    """Return [longitude, latitude, RSRP] per step: the way of the link's device with the link's RSRP of the same step.

    `devices` is {link_id: device}. Without a link it is the way of the first device that has one, without RSRP.
    """
    device = devices.get(link_id) if link_id is not None else None
    if device is None:
        device = min((devices[row["link_id"]] for row in position if row["link_id"] in devices), default=None)
    level = {row["at"]: row["rsrp_dbm"] for row in radio if row["link_id"] == link_id}
    return [
        [round(row["lon_deg"], 6), round(row["lat_deg"], 6), level.get(row["at"])]
        for row in position
        if row["lat_deg"] is not None and devices.get(row["link_id"]) == device
    ]


def map_chart(points: Sequence[list[float | None]], guide: str, *, width_px: float = 600) -> dict[str, Any]:
    """Draw the way driven on a plain grid of longitude and latitude, coloured by RSRP; needs no tile server.

    `width_px` is the width of the whole chart in the browser: metres are equal both ways only if it is known.
    """
    left, right = _MAP_MARGINS_PX
    west, east, south, north = map_box(points, max(width_px - left - right, 100) / _MAP_PLOT_HEIGHT_PX)
    known = [point for point in points if point[2] is not None]
    unknown = [point[:2] for point in points if point[2] is None]
    last = [points[-1][:2]] if points else []
    return {
        "animation": False,
        "textStyle": {"color": INK},
        "grid": {"left": left, "right": right, "top": 10, "height": _MAP_PLOT_HEIGHT_PX},
        "tooltip": {
            "confine": True,
            ":formatter": "p => `${p.value[1].toFixed(5)}°N ${p.value[0].toFixed(5)}°E`"
                          " + (p.value[2] == null ? '' : `<br>RSRP ${p.value[2].toFixed(1)} dBm`)",
        },
        "xAxis": degrees_axis(west, east),
        "yAxis": degrees_axis(south, north),
        "series": [
            {"type": "line", "data": [point[:2] for point in points], "showSymbol": False, "silent": True,
             "lineStyle": {"color": "#cbd2d9", "width": 1}, "z": 1},
            {"type": "scatter", "data": unknown, "symbolSize": 4, "itemStyle": {"color": "#9aa5b1"}, "z": 2},
            {"type": "scatter", "data": known, "symbolSize": 7, "z": 3},
            {"type": "scatter", "data": last, "symbolSize": 13, "silent": True, "z": 4,
             "itemStyle": {"color": "rgba(0,0,0,0)", "borderColor": INK, "borderWidth": 2}},
            scale_bar(points, west, east, south, north),
        ],
        "visualMap": {
            "type": "piecewise", "pieces": rsrp_pieces(), "dimension": 2, "seriesIndex": 2, "right": 0, "top": 8,
            "itemHeight": 10, "itemWidth": 14, "showLabel": True, "textStyle": {"fontSize": 10},
            "text": [f"dBm ({guide})", ""], "hoverLink": False, "show": bool(known),
        },
    }  # fmt: skip


def degrees_axis(low: float | None, high: float | None) -> dict[str, Any]:
    """Return an axis of longitude or latitude."""
    return {
        "type": "value", "scale": True, "splitNumber": 4, "splitLine": {"lineStyle": {"color": GRID}},
        "axisLabel": {"color": FAINT, "fontSize": 10, "hideOverlap": True, "showMinLabel": False,
                      "showMaxLabel": False, ":formatter": "value => Number(value.toFixed(5)) + '°'"},
        "min": low, "max": high,
    }  # fmt: skip


def rsrp_pieces() -> list[dict[str, Any]]:
    """Return the bins of RSRP as ECharts takes them, strongest first, each with its limits as label."""
    lows = [low for low, _ in RSRP_BINS_DBM]
    pieces = []
    for upper, (low, colour) in zip([None, *lows], RSRP_BINS_DBM, strict=False):
        limits = {"gte": low, "lt": upper}
        label = f"≥ {low}" if upper is None else f"< {upper}" if low is None else f"{low} ~ {upper}"
        known = {key: limit for key, limit in limits.items() if limit is not None}
        pieces.append({**known, "color": colour, "label": label})
    return pieces


def scale_bar(
    points: Sequence[Sequence[float | None]], west: float | None, east: float | None, south: float | None,
    north: float | None,
) -> dict[str, Any]:  # fmt: skip
    """Return a line of a round length in metres for the lower left corner, with that length as its label."""
    bar: dict[str, Any] = {"type": "line", "silent": True, "symbol": "none", "data": [], "z": 5}
    if not points or west is None or east is None or south is None or north is None:
        return bar
    metres_per_degree = _METRES_PER_DEGREE * math.cos(math.radians((south + north) / 2))
    longest = (east - west) * metres_per_degree / 4
    power = 10.0 ** math.floor(math.log10(longest))
    length = max(factor * power for factor in (1, 2, 5) if factor * power <= longest)
    x, y = west + (east - west) * 0.03, south + (north - south) * 0.06
    name = f"{length:g} m" if length < 1000 else f"{length / 1000:g} km"  # noqa: PLR2004 - a kilometre
    label = {"show": True, "formatter": name, "position": "right", "fontSize": 10, "color": INK}
    end = {"value": [x + length / metres_per_degree, y], "symbol": "rect", "symbolSize": [2, 7], "label": label}
    bar["data"] = [{"value": [x, y], "symbol": "rect", "symbolSize": [2, 7]}, end]
    return {**bar, "lineStyle": {"color": INK, "width": 2}, "itemStyle": {"color": INK}}
