"""Rows to ECharts options. Pure, so that tests see what the browser will."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#F0E442", "#000000")
"""Okabe and Ito's colours, told apart with every kind of colour vision; lines differ by dash and symbol as well."""

INK, FAINT, GRID = "#1f2933", "#7b8794", "#e4e7eb"
_SLOWEST = timedelta(seconds=30)
"""No modem reports less often; two rows farther apart than 1.5 times this are never joined."""

_TIME_LABELS = {
    "year": "{yyyy}", "month": "{yyyy}-{MM}", "day": "{M}/{d}", "hour": "{HH}:{mm}", "minute": "{HH}:{mm}",
    "second": "{HH}:{mm}:{ss}", "millisecond": "{HH}:{mm}:{ss}", "none": "{HH}:{mm}:{ss}",
}  # fmt: skip

_NAMED_CHANGES = 6

Row = dict[str, Any]
Point = list[Any]


def _milliseconds(moment: datetime) -> int:
    """Return a time as ECharts takes it, moved to JST: the chart shows UTC, whatever the browser's zone is."""
    return round(moment.timestamp() * 1000) + 9 * 3_600_000


def lines_by_link(
    rows: Sequence[Row], links: dict[int, str], value: Callable[[Row], float | None], step: timedelta
) -> dict[str, list[Point]]:
    """Return {link: [[time, value], ...]}; where rows are missing the line is broken by a null, never joined.

    Rows are missing where more time passed than the step and the link's own rhythm ask for: a modem that reports every
    5 s is no gap in a chart with a point a second.
    """
    moments: dict[int, list[Row]] = {}
    for row in rows:
        if links.get(row["link_id"]):
            moments.setdefault(row["link_id"], []).append(row)
    lines = {}
    for link_id in sorted(moments, key=lambda number: links[number]):
        found = moments[link_id]
        longest = 1.5 * max(step, _rhythm([row["at"] for row in found]))
        line: list[Point] = []
        last: datetime | None = None
        for row in found:
            if last is not None and row["at"] - last > longest:
                line.append([_milliseconds(last + step), None])
            number = value(row)
            line.append([_milliseconds(row["at"]), None if number is None else round(number, 3)])
            last = row["at"]
        lines[links[link_id]] = line
    return lines


def link_colours(links: dict[int, str]) -> dict[str, int]:
    """Return {link: number of its colour}: the same in every chart and at every moment, whatever data there are."""
    return {link: number for number, link in enumerate(sorted({name for name in links.values() if name}))}


def _rhythm(moments: Sequence[datetime]) -> timedelta:
    """Return the time that three quarters of the intervals do not exceed, at most _SLOWEST."""
    intervals = sorted(after - before for before, after in pairwise(moments))
    return min(intervals[(3 * len(intervals) - 1) // 4], _SLOWEST) if intervals else timedelta(0)


def shown_start(rows: Sequence[Row], start: datetime, end: datetime) -> datetime:
    """Return where a chart begins: with the first data, but at least a minute before the end, never before `start`."""
    if not rows:
        return start
    first: datetime = rows[0]["at"]
    return max(start, min(first, end - timedelta(minutes=1)))


def _axis(name: str, **more: Any) -> dict[str, Any]:
    style = {"color": FAINT}
    return {
        "type": "value", "name": name, "nameTextStyle": {**style, "align": "left", "padding": [0, 0, 0, -40]},
        "nameGap": 10, "splitNumber": 4, "axisLabel": {**style, "fontSize": 11},
        "splitLine": {"lineStyle": {"color": GRID}}, "scale": True, **more,
    }  # fmt: skip


def _frame(unit: str, start: datetime, end: datetime, names: Sequence[str], **axis: Any) -> dict[str, Any]:
    return {
        "animation": False,
        "useUTC": True,
        "color": list(PALETTE),
        "textStyle": {"color": INK},
        "grid": {"left": 48, "right": 38, "top": 30, "bottom": 24},
        "legend": {
            "type": "scroll", "top": 0, "left": 74, "right": 8, "itemHeight": 8, "itemWidth": 24, "itemGap": 14,
            "pageIconSize": 10, "textStyle": {"fontSize": 11}, "data": list(names),
        },
        "tooltip": {
            "trigger": "axis", "confine": True, "textStyle": {"fontSize": 12},
            ":valueFormatter": f"value => value == null ? '–' : value + ' {unit.rsplit(maxsplit=1)[-1]}'",
        },
        "xAxis": {
            "type": "time", "min": _milliseconds(start), "max": _milliseconds(end), "splitLine": {"show": False},
            "axisLabel": {"color": FAINT, "hideOverlap": True, "formatter": _TIME_LABELS},
            "name": "JST", "nameGap": 6, "nameTextStyle": {"color": FAINT, "fontSize": 10},
        },
        "yAxis": _axis(unit, **axis),
        "series": [],
    }  # fmt: skip


def _line(name: str, points: list[Point], colour: int, *, dashed: bool = False, step: bool = False) -> dict[str, Any]:
    return {
        "type": "line", "name": name, "data": _with_dots(points), "symbol": "none", "symbolSize": 5,
        "connectNulls": False, "itemStyle": {"color": PALETTE[colour % len(PALETTE)]},
        "lineStyle": {"width": 1 if dashed else 2, "type": "dashed" if dashed else "solid"},
        "step": "end" if step else False, "markLine": {"data": []},
    }  # fmt: skip


def _with_dots(points: list[Point]) -> list[Any]:
    """Return the points, with a dot where one stands alone: a line of one point is invisible."""
    values = [None, *(point[1] for point in points), None]
    return [
        {"value": point, "symbol": "circle"} if point[1] is not None and before is None and after is None else point
        for before, point, after in zip(values, points, values[2:], strict=False)
    ]


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
    colours = link_colours(links)
    for link in medians:
        option["series"].append(_line(link, medians[link], colours[link]))
        option["series"].append(_line(f"{link} 95%", highs[link], colours[link], dashed=True))
    return option


def loss_chart(
    rows: Sequence[Row], links: dict[int, str], start: datetime, end: datetime, step: timedelta
) -> dict[str, Any]:
    """Share of lost packets per link, in percent; nothing for steps whose packets may still be under way."""
    lines = lines_by_link(
        rows, links, lambda row: 100 * row["lost"] / row["n"] if row.get("is_settled", True) else None, step
    )
    option = _frame("%", start, end, list(lines), min=0, max=None if _highest(lines) > 5 else 5)  # noqa: PLR2004
    colours = link_colours(links)
    for link, points in lines.items():
        option["series"].append(_line(link, points, colours[link], step=True))
    return option


def _highest(lines: dict[str, list[Point]]) -> float:
    return max((point[1] for line in lines.values() for point in line if point[1] is not None), default=0.0)


def clock_chart(
    rows: Sequence[Row], links: dict[int, str], start: datetime, end: datetime, step: timedelta, *, own: dict[int, str]
) -> dict[str, Any]:
    """How far each clock may be off: the far end of each link, and dashed the devices' `own`; broken where unknown."""
    names = {number: links.get(number) or own.get(number, "") for number in {row["link_id"] for row in rows}}
    lines = lines_by_link(rows, names, lambda row: row["bound_us"] and row["bound_us"] / 1000, step)
    option = _frame("ms", start, end, list(lines), min=0, splitNumber=2)
    colours = link_colours(links)
    devices = {name: len(colours) + number for number, name in enumerate(sorted(set(lines) - set(colours)))}
    for name, points in lines.items():
        option["series"].append(_line(name, points, (colours | devices)[name], dashed=name in devices))
    return option


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
    option = _frame(unit, start, end, list(lines), splitNumber=3)
    changes = cell_changes(rows, links)
    colours = link_colours(links)
    for link, points in lines.items():
        series = _line(link, points, colours[link])
        marks = [{"xAxis": _milliseconds(at), "name": f"PCI {pci}"} for at, pci in changes.get(link, [])]
        if marks:
            series["markLine"] = {
                "symbol": "none", "silent": True, "animation": False, "data": marks,
                "lineStyle": {"color": PALETTE[colours[link] % len(PALETTE)], "type": "dotted", "width": 1},
                # With many changes the names would cover the line and one another: the dotted lines say enough then.
                "label": {"show": len(marks) <= _NAMED_CHANGES, "formatter": "{b}", "fontSize": 9, "color": FAINT,
                          "position": "insideEndTop"},
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
