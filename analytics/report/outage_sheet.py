"""The sheet 通信断一覧: every outage of every link, with place, speed and radio just before it."""

from __future__ import annotations

from analytics.outage_rows import COLUMNS, OutageColumn, OutageRow, rows_of
from analytics.report.cells import Cell
from analytics.report.jst import JST_NOTE, duration_text
from analytics.report.model import RunReport
from analytics.report.sheet import Book, Sheet
from analytics.report.words import DIRECTION, in_japanese

SHEET = "通信断一覧"
_SHOWN = 10_000


def write_outages(book: Book, report: RunReport) -> str:
    """Write the sums of each link, then every outage; a run without outages says so."""
    sheet = book.open(SHEET, widths=[5, *(column.width for column in COLUMNS)])
    sheet.line([f"通信断の一覧({JST_NOTE})"], "title", height=26)
    _write_notes(sheet, report)
    sheet.line(["回線毎の集計"], "section")
    _write_sums(sheet, report)
    sheet.skip()
    sheet.line(["通信断"], "section")
    rows = rows_of(report.outages)
    if not rows:
        told = (
            "この測定に通信断はない。" if any(one.observed_s for one in report.outages) else "区間測定のデータがない。"
        )
        sheet.line([told], "plain")
        return sheet.name
    # Not kept in view, as `Sheet.head` would: with the notes and sums above it would fill the screen.
    head: list[Cell] = ["No.", *(column.heading("ja", "\n") for column in COLUMNS)]
    sheet.worksheet.repeat_rows(sheet.line(head, "head", height=38))
    for number, row in enumerate(rows[:_SHOWN], start=1):
        cells: list[Cell] = [number, *(column.shown(row, "ja") for column in COLUMNS)]
        sheet.line(cells, ["int", *(_format(column, row) for column in COLUMNS)])
    if len(rows) > _SHOWN:
        sheet.line([f"他{len(rows) - _SHOWN:,}件"], "plain")
    return sheet.name


def _write_notes(sheet: Sheet, report: RunReport) -> None:
    bounds = sorted({(one.t_max_ms, one.survival_ms) for one in report.outages})
    told = "、".join(f"待ち時間 {t_max:g} ms、生存時間 {survival:g} ms" for t_max, survival in bounds)
    for note in (
        f"通信断: 送信から待ち時間以内に届かないパケットが続き、生存時間を超えた時間(可用性のKPIと同じ定義)。{told}。",
        "不達は待ち時間以内に届かなかったパケット、損失はそのうち最後まで届かなかったもの。通信断の開始より前の不達を含む。",
        "回線名「a+b」は両回線が同時に断となった時間であり、各回線の通信断にも含まれる。不達・損失は両回線の、その時間に送信した分。",
        "評価から除外した区間は観測時間に含めず、その中の通信断は数えない(可用性のKPIと同じ)。",
        "位置、速度、運転モード、MRM状態、RSRP、RSRQ、SINRは最初の不達パケットを送信した時点の直前10秒以内の値。",
        "キロ程は、この走行で通った道を走り始めからたどった距離(往復・周回は同じ道とみなす)。空欄は測定値がないことを示す。",
    ):
        sheet.line([note], "plain")
    sheet.skip()


def _write_sums(sheet: Sheet, report: RunReport) -> None:
    sheet.line(
        ["No.", "測定端末", "回線", "観測時間", "通信断の合計", "件数", "方向", "最長\n[s]", "備考"], "head", height=26
    )
    for number, one in enumerate(report.outages, start=1):
        sheet.line(
            [
                number,
                one.device,
                one.link,
                duration_text(one.observed_s),
                duration_text(one.total_s),
                one.count,
                DIRECTION[one.direction],
                one.longest_s,
                in_japanese("; ".join(filter(None, [one.reason, one.excluded, one.filter]))) or None,
            ],
            ["int", "cell", "cell", "right", "right", "int", "center", "0.000", "cell"],
        )


def _format(column: OutageColumn, row: OutageRow) -> str:
    value = column.shown(row, "ja")
    if isinstance(value, float):
        return f"0.{'0' * column.digits}" if column.digits else "int"
    return "int" if isinstance(value, int) else "wrap" if column.is_wrapped else "center"
