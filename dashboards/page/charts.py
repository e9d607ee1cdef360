"""Rows to ECharts options. Pure, so that tests see what the browser will."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

JST = ZoneInfo("Asia/Tokyo")
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#F0E442", "#000000")
"""Okabe and Ito's colours, told apart with every kind of colour vision; lines differ by dash and symbol as well."""

INK, FAINT, GRID = "#1f2933", "#7b8794", "#e4e7eb"
RSRP_BINS_DBM = ((-80, "#00441b"), (-90, "#238b45"), (-100, "#a1d99b"), (-110, "#fdae6b"), (None, "#a63603"))
"""Rule-of-thumb bins of drive tests (目安): from -80 dBm on, ... , below -110 dBm. Not a requirement."""

Row = dict[str, Any]
Point = list[Any]


def _milliseconds(moment: datetime) -> int:
    """Return a time as ECharts takes it, moved to JST: the chart shows UTC, whatever the browser's zone is."""
    return round(moment.timestamp() * 1000) + 9 * 3_600_000


def lines_by_link(
    rows: Sequence[Row], links: dict[int, str], value: Callable[[Row], float | None], step: timedelta
) -> dict[str, list[Point]]:
    """Return {link: [[time, value], ...]}; where a step has no row the line is broken by a null, never joined."""
    lines: dict[str, list[Point]] = {}
    last: dict[str, datetime] = {}
    for row in rows:
        name = links.get(row["link_id"])
        if not name:
            continue
        line = lines.setdefault(name, [])
        if name in last and row["at"] - last[name] > step * 1.5:
            line.append([_milliseconds(last[name] + step), None])
        number = value(row)
        line.append([_milliseconds(row["at"]), None if number is None else round(number, 3)])
        last[name] = row["at"]
    return lines


def shown_start(rows: Sequence[Row], start: datetime, end: datetime) -> datetime:
    """Return where a chart begins: with the first data, but at least a minute before the end, never before `start`."""
    if not rows:
        return start
    first: datetime = rows[0]["at"]
    return max(start, min(first, end - timedelta(minutes=1)))


def _axis(name: str, **more: Any) -> dict[str, Any]:
    style = {"color": FAINT}
    return {
        "type": "value", "name": name, "nameTextStyle": {**style, "align": "left"}, "axisLabel": style,
        "splitLine": {"lineStyle": {"color": GRID}}, "scale": True, **more,
    }  # fmt: skip


def _frame(unit: str, start: datetime, end: datetime, names: Sequence[str], **axis: Any) -> dict[str, Any]:
    return {
        "animation": False,
        "useUTC": True,
        "color": list(PALETTE),
        "textStyle": {"color": INK},
        "grid": {"left": 52, "right": 16, "top": 34, "bottom": 26},
        "legend": {"top": 2, "right": 8, "itemHeight": 8, "textStyle": {"fontSize": 11}, "data": list(names)},
        "tooltip": {"trigger": "axis"},
        "xAxis": {
            "type": "time", "min": _milliseconds(start), "max": _milliseconds(end), "axisLabel": {"color": FAINT},
            "splitLine": {"show": False},
        },
        "yAxis": _axis(unit, **axis),
        "series": [],
    }  # fmt: skip


def _line(name: str, points: list[Point], colour: int, *, dashed: bool = False, step: bool = False) -> dict[str, Any]:
    return {
        "type": "line", "name": name, "data": points, "showSymbol": False, "connectNulls": False,
        "lineStyle": {"width": 1 if dashed else 2, "type": "dashed" if dashed else "solid"},
        "itemStyle": {"color": PALETTE[colour % len(PALETTE)]}, **({"step": "end"} if step else {}),
    }  # fmt: skip


def delay_chart(
    rows: Sequence[Row], links: dict[int, str], start: datetime, end: datetime, step: timedelta
) -> dict[str, Any]:
    """Median and 95 % of the delay per link."""

    def quantile(index: int) -> Callable[[Row], float | None]:
        # A step in which everything was lost has no quantile: the line breaks, and the loss chart says why.
        return lambda row: (
            None
            if row["quantiles_us"] is None or row["quantiles_us"][index] is None
            else row["quantiles_us"][index] / 1000
        )

    medians, highs = (lines_by_link(rows, links, quantile(index), step) for index in (0, 1))
    names = [name for link in medians for name in (link, f"{link} 95%")]
    option = _frame("ms", start, end, names, min=0)
    for colour, link in enumerate(medians):
        option["series"].append(_line(link, medians[link], colour))
        option["series"].append(_line(f"{link} 95%", highs[link], colour, dashed=True))
    return option


def loss_chart(
    rows: Sequence[Row], links: dict[int, str], start: datetime, end: datetime, step: timedelta
) -> dict[str, Any]:
    """Share of lost packets per link, in percent."""
    lines = lines_by_link(rows, links, lambda row: 100 * row["lost"] / row["n"], step)
    option = _frame("%", start, end, list(lines), min=0, max=None if _highest(lines) > 5 else 5)  # noqa: PLR2004
    for colour, (link, points) in enumerate(lines.items()):
        option["series"].append(_line(link, points, colour, step=True))
    return option


def _highest(lines: dict[str, list[Point]]) -> float:
    return max((point[1] for line in lines.values() for point in line if point[1] is not None), default=0.0)


def radio_chart(
    rows: Sequence[Row],
    links: dict[int, str],
    start: datetime,
    end: datetime,
    step: timedelta,
    *,
    column: str,
    unit: str,
) -> dict[str, Any]:
    """One radio quantity per link, with a mark at each change of the serving cell."""
    lines = lines_by_link(rows, links, lambda row: row[column], step)
    option = _frame(unit, start, end, list(lines))
    changes = cell_changes(rows, links)
    for colour, (link, points) in enumerate(lines.items()):
        series = _line(link, points, colour)
        marks = [{"xAxis": _milliseconds(at), "name": f"PCI {pci}"} for at, pci in changes.get(link, [])]
        if marks:
            series["markLine"] = {
                "symbol": "none", "silent": True, "data": marks,
                "lineStyle": {"color": PALETTE[colour % len(PALETTE)], "type": "dotted", "width": 1},
                "label": {"formatter": "{b}", "fontSize": 9, "color": FAINT, "position": "insideEndTop"},
            }  # fmt: skip
        option["series"].append(series)
    return option


def cell_changes(rows: Sequence[Row], links: dict[int, str]) -> dict[str, list[tuple[datetime, int]]]:
    """Return {link: [(time, new PCI), ...]}."""
    changes: dict[str, list[tuple[datetime, int]]] = {}
    serving: dict[str, int] = {}
    for row in rows:
        name = links.get(row["link_id"])
        if not name or row["pci"] is None:
            continue
        if name in serving and serving[name] != row["pci"]:
            changes.setdefault(name, []).append((row["at"], row["pci"]))
        serving[name] = row["pci"]
    return changes


def map_points(position: Sequence[Row], radio: Sequence[Row], link_id: int | None) -> list[list[float | None]]:
    """Return [longitude, latitude, RSRP] per step: positions joined with one link's RSRP of the same step."""
    level = {row["at"]: row["rsrp_dbm"] for row in radio if row["link_id"] == link_id}
    return [
        [round(row["lon_deg"], 6), round(row["lat_deg"], 6), level.get(row["at"])]
        for row in position
        if row["lat_deg"] is not None
    ]


def map_chart(points: Sequence[list[float | None]], guide: str) -> dict[str, Any]:
    """Draw the way driven on a plain grid of longitude and latitude, coloured by RSRP; needs no tile server."""
    box = _box(points)
    known = [point for point in points if point[2] is not None]
    unknown = [point[:2] for point in points if point[2] is None]
    pieces = []
    upper: float | None = None
    for low, colour in RSRP_BINS_DBM:
        label = f"≥ {low}" if low is not None else f"< {upper:g}"
        piece: dict[str, Any] = {"color": colour, "label": label}
        piece.update({"gte": low} if low is not None else {"lt": upper})
        if upper is not None and low is not None:
            piece["lt"] = upper
        pieces.append(piece)
        upper = low
    axis = {
        "axisLabel": {"color": FAINT, "fontSize": 10, "hideOverlap": True},
        "splitLine": {"lineStyle": {"color": GRID}},
    }
    option: dict[str, Any] = {
        "animation": False,
        "textStyle": {"color": INK},
        "grid": {"left": 62, "right": 96, "top": 16, "bottom": 28},
        "tooltip": {},
        "xAxis": {"type": "value", "scale": True, **axis, "min": box[0], "max": box[1]},
        "yAxis": {"type": "value", "scale": True, **axis, "min": box[2], "max": box[3]},
        "series": [
            {"type": "line", "data": [point[:2] for point in points], "showSymbol": False, "silent": True,
             "lineStyle": {"color": "#cbd2d9", "width": 1}, "z": 1},
            {"type": "scatter", "data": unknown, "symbolSize": 4, "itemStyle": {"color": "#cbd2d9"}, "z": 2},
            {"type": "scatter", "data": known, "symbolSize": 7, "z": 3},
        ],
        "visualMap": {
            "type": "piecewise", "pieces": pieces, "dimension": 2, "seriesIndex": 2, "right": 0, "top": 12,
            "itemHeight": 10, "showLabel": True, "textStyle": {"fontSize": 10}, "text": [f"dBm ({guide})", ""],
        },
    }  # fmt: skip
    if points:
        last = points[-1]
        option["series"].append(
            {"type": "effectScatter", "data": [last[:2]], "symbolSize": 10, "itemStyle": {"color": INK}, "z": 4}
        )
    return option


def _box(points: Sequence[list[float | None]]) -> tuple[float | None, float | None, float | None, float | None]:
    """Return limits of longitude and latitude that keep metres equal both ways, for a panel twice as wide as high."""
    if not points:
        return None, None, None, None
    longitudes = [float(point[0] or 0) for point in points]
    latitudes = [float(point[1] or 0) for point in points]
    middle_lon, middle_lat = (min(longitudes) + max(longitudes)) / 2, (min(latitudes) + max(latitudes)) / 2
    shrink = math.cos(math.radians(middle_lat))
    half = (
        max((max(latitudes) - min(latitudes)) / 2, (max(longitudes) - min(longitudes)) / 2 * shrink / 1.8, 0.0005)
        * 1.15
    )
    wide = half * 1.8 / shrink
    return tuple(round(x, 5) for x in (middle_lon - wide, middle_lon + wide, middle_lat - half, middle_lat + half))  # type: ignore[return-value]
