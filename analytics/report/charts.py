"""Native charts, which the report writer can restyle, and the sheets of the numbers they draw.

Lines differ by dash as well as by colour, so that a black-and-white print can be read; the colours are of the Color
Universal Design set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isinf, isnan
from typing import Any

from analytics.report.series import DelaySeries
from analytics.report.sheet import FONT, Book, Sheet
from analytics.report.words import DIRECTION

_COLOURS = ("#005AFF", "#FF4B00", "#03AF7A", "#990099", "#84919E", "#F6AA00", "#4DC4FF")
_DASHES = ("solid", "dash", "round_dot", "long_dash_dot", "square_dot", "dash_dot", "long_dash")
_JST_DAYS = 9 / 24
_UNIX_EPOCH_DAYS = 25_569  # 1970-01-01 as Excel counts days
_DAY_US = 86_400_000_000
_CHART_ROWS = 19
_SIZE = {"width": 960, "height": 360}
_ONE_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class _Block:
    """Rows of one series on a data sheet, first and last inclusive."""

    series: DelaySeries
    first: int
    last: int


def write_charts(book: Book, series: Sequence[DelaySeries]) -> list[tuple[str, str]]:
    """Write the chart sheet and its two data sheets; return (sheet name, what it holds)."""
    charts = book.open("グラフ", widths=[9] * 15)
    charts.line(["グラフ(元の数値は「グラフデータ」「累積分布データ」シート)"], "title", height=26)
    if not series:
        charts.line(["この測定には区間測定(probe)のデータがない。"], "plain")
        return [(charts.name, "グラフ(データなし)")]
    blocks = _write_series(book, series)
    distributions = _write_distributions(book, series)
    row = 2
    for link in dict.fromkeys((one.device, one.link) for one in series):
        of_link = [block for block in blocks if (block.series.device, block.series.link) == link]
        charts.worksheet.insert_chart(row, 0, _delay_chart(book, of_link), {"description": "遅延の時系列"})
        row += _CHART_ROWS
    charts.worksheet.insert_chart(row, 0, _loss_chart(book, blocks), {"description": "損失率の時系列"})
    row += _CHART_ROWS
    if distributions:  # not where every packet was lost
        chart = _distribution_chart(book, distributions)
        charts.worksheet.insert_chart(row, 0, chart, {"description": "遅延の累積分布"})
    return [
        (charts.name, "遅延と損失率の時系列、遅延の累積分布"),
        ("グラフデータ", f"時系列グラフの数値({series[0].interval_s}秒毎)"),
        ("累積分布データ", "累積分布グラフの数値(損失を無限大の遅延として含む)"),
    ]


def _write_series(book: Book, series: Sequence[DelaySeries]) -> list[_Block]:
    sheet = book.open("グラフデータ", widths=[20, 14, 14, 8, 10, 10, 12, 14, 14, 36])
    sheet.line(
        [
            "時刻(JST)",
            "測定端末",
            "回線",
            "方向",
            "送信数",
            "損失数",
            "損失率[%]",
            "遅延中央値[ms]",
            "遅延95%値[ms]",
            "備考",
        ],
        "raw_head",
    )
    sheet.worksheet.freeze_panes(1, 0)
    return [_write_block(sheet, one) for one in series]


def _write_block(sheet: Sheet, one: DelaySeries) -> _Block:
    first = sheet.row
    names = [one.device, one.link, DIRECTION[one.direction]]
    width_us = one.interval_s * 1_000_000
    formats = ["datetime", *["plain"] * 9]
    expected: int | None = None
    rows = (one.start_us, one.sent, one.lost, one.median_us, one.p95_us)
    for start_us, sent, lost, median_us, p95_us in zip(*(column.tolist() for column in rows), strict=True):
        if expected is not None and start_us != expected:
            # One empty row, so that the line breaks: an interval without packets is neither a delay nor a loss.
            gap = "除外区間" if _excluded_us(one, expected, start_us) else "送信なし"
            sheet.line([_excel_time(expected), *names, 0, 0, None, None, None, gap], formats)
        percent = lost / sent * 100
        notes = ["空欄の遅延は損失側(無限大)"] if isinf(median_us) or isinf(p95_us) else []
        if one.is_reference:
            notes.append("時刻の精度が不明のため参考値")
        if _excluded_us(one, start_us, start_us + width_us):
            notes.append("一部を除外")
        note = "。".join(notes) or None
        sheet.line(
            [_excel_time(start_us), *names, sent, lost, percent, _milliseconds(median_us), _milliseconds(p95_us), note],
            formats,
        )
        expected = start_us + width_us
    return _Block(one, first, sheet.row - 1)


def _excluded_us(one: DelaySeries, start_us: int, end_us: int) -> int:
    return sum(max(min(end, end_us) - max(start, start_us), 0) for start, end in one.excluded)


def _direction(one: DelaySeries) -> str:
    return f"{DIRECTION[one.direction]}{'(参考値)' if one.is_reference else ''}"


def _excel_time(t_us: int) -> float:
    return t_us / _DAY_US + _JST_DAYS + _UNIX_EPOCH_DAYS


def _milliseconds(delay_us: float) -> float | None:
    return None if isnan(delay_us) or isinf(delay_us) else delay_us / 1000


def _write_distributions(book: Book, series: Sequence[DelaySeries]) -> list[_Block]:
    sheet = book.open("累積分布データ", widths=[14, 14, 8, 14, 14])
    sheet.line(["測定端末", "回線", "方向", "遅延[ms]", "累積割合[%]"], "raw_head")
    sheet.worksheet.freeze_panes(1, 0)
    blocks = []
    for one in series:
        first = sheet.row
        names = [one.device, one.link, DIRECTION[one.direction]]
        for delay_us, share in zip(one.cdf_delay_us.tolist(), one.cdf_share.tolist(), strict=True):
            sheet.line([*names, delay_us / 1000, share * 100], "plain")
        if sheet.row > first:
            blocks.append(_Block(one, first, sheet.row - 1))
    return blocks


def _delay_chart(book: Book, blocks: Sequence[_Block]) -> Any:
    one = blocks[0].series
    left_out = "。除外区間を除く" if one.excluded else ""
    chart = _scatter(book, f"遅延の時系列 {one.device} {one.link}({one.interval_s}秒毎{left_out})", "遅延 [ms]")
    for index, block in enumerate(blocks):
        for column, word, dash in ((7, "中央値", "solid"), (8, "95%値", "dash")):
            name = f"{_direction(block.series)} {word}"
            chart.add_series(_line("グラフデータ", block, (0, column), name, (_COLOURS[index], dash)))
    _time_axis(chart, blocks)
    return chart


def _loss_chart(book: Book, blocks: Sequence[_Block]) -> Any:
    chart = _scatter(book, "パケット損失率の時系列(往復。全回線)", "損失率 [%]")
    first_of_links = {(block.series.device, block.series.link): block for block in reversed(blocks)}
    for index, ((device, link), block) in enumerate(sorted(first_of_links.items())):
        style = (_COLOURS[index % len(_COLOURS)], _DASHES[index % len(_DASHES)])
        chart.add_series(_line("グラフデータ", block, (0, 6), f"{device} {link}", style))
    _time_axis(chart, blocks)
    chart.set_y_axis({**_axis("損失率 [%]"), "min": 0})
    return chart


def _distribution_chart(book: Book, blocks: Sequence[_Block]) -> Any:
    chart = _scatter(book, "遅延の累積分布(損失は無限大の遅延とし、100%に届かない分が損失)", "累積割合 [%]")
    for index, block in enumerate(blocks):
        one = block.series
        name = f"{one.device} {one.link} {_direction(one)}"
        style = (_COLOURS[index % len(_COLOURS)], _DASHES[index % len(_DASHES)])
        chart.add_series(_line("累積分布データ", block, (3, 4), name, style))
    chart.set_x_axis(_axis("遅延 [ms]"))
    chart.set_y_axis({**_axis("累積割合 [%]"), "min": 0, "max": 100})
    return chart


def _scatter(book: Book, title: str, y_name: str) -> Any:
    chart = book.book.add_chart({"type": "scatter", "subtype": "straight"})
    chart.set_title({"name": title, "name_font": {"name": FONT, "size": 11}, "overlay": False})
    chart.set_y_axis(_axis(y_name))
    chart.set_legend({"position": "bottom", "font": {"name": FONT, "size": 9}})
    chart.set_size(_SIZE)
    chart.show_blanks_as("gap")
    return chart


def _axis(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "name_font": {"name": FONT, "size": 9},
        "num_font": {"name": FONT, "size": 9},
        "major_gridlines": {"visible": True, "line": {"color": "#BFBFBF", "width": 0.5}},
    }


def _time_axis(chart: Any, blocks: Sequence[_Block]) -> None:
    low = min(int(block.series.start_us[0]) for block in blocks)
    high = max(int(block.series.start_us[-1]) + block.series.interval_s * 1_000_000 for block in blocks)
    is_long = high - low > _ONE_DAY_S * 1_000_000
    chart.set_x_axis(
        {
            **_axis("時刻(JST)"),
            "min": _excel_time(low),
            "max": _excel_time(high),
            "num_format": "mm/dd hh:mm" if is_long else "hh:mm:ss",
        }
    )


def _line(sheet: str, block: _Block, columns: tuple[int, int], name: str, style: tuple[str, str]) -> dict[str, Any]:
    (x, y), (colour, dash) = columns, style
    return {
        "name": name,
        "categories": [sheet, block.first, x, block.last, x],
        "values": [sheet, block.first, y, block.last, y],
        "line": {"color": colour, "width": 1.5, "dash_type": dash},
        "marker": {"type": "none"},
    }
