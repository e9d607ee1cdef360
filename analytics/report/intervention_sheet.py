"""The sheet 介入一覧: every intervention and minimal risk manoeuvre: time, place, cause, and the links before it."""

from __future__ import annotations

from analytics.report.cells import Cell
from analytics.report.jst import JST_NOTE, clock_text
from analytics.report.model import InterventionRow, LinkBefore, RunReport
from analytics.report.sheet import Book

SHEET = "介入一覧"
_SHOWN = 10_000
_KMH = 3.6
_KIND = {"intervention": "手動介入", "mrm": "MRM"}
_OUTCOME = {"succeeded": "成功", "failed": "失敗", "": "-"}
_HEAD = ["No.", "測定端末", "種別", "時刻", "回数", "原因", "MRMの結果", "緯度[度]", "経度[度]", "速度\n[km/h]",
         "直前の回線の状態", "備考"]  # fmt: skip
_WIDTHS = [5, 13, 10, 22, 6, 22, 10, 11, 12, 8, 60, 26]
_FORMATS = ["int", "cell", "center", "center", "int", "wrap", "center", "0.000000", "0.000000", "0.0", "wrap", "wrap"]


def write_interventions(book: Book, report: RunReport) -> str:
    """Write the list; a drive without any says so."""
    sheet = book.open(SHEET, widths=_WIDTHS)
    rows = report.interventions or ()
    sheet.line([f"手動介入とMRMの一覧({JST_NOTE})"], "title", height=26)
    for note in (
        "手動介入は介入回数(累計)の増加または事象(vehicle.intervention)、MRMはMRM状態または事象(vehicle.mrm)による。KPIと同じ数え方。",
        "原因は事象の detail.cause。記録がないものは不明。除外区間内のものは含まない。",
        "位置、速度、RSRP、SINRは直前10秒以内の値、往復遅延と損失は直前5秒間に送信したパケットの値。空欄は測定値がないことを示す。",
    ):
        sheet.line([note], "plain")
    sheet.skip()
    if not rows:
        sheet.line(["この測定に手動介入、MRMはない。"], "plain")
        return sheet.name
    sheet.worksheet.repeat_rows(sheet.line(_HEAD, "head", height=26))
    for number, row in enumerate(rows[:_SHOWN], start=1):
        states = [_state(each) for each in row.links]
        sheet.line(_cells(number, row, "\n".join(states)), _FORMATS, height=13.5 * max(len(states), 1) + 2)
    if len(rows) > _SHOWN:
        sheet.line([f"他{len(rows) - _SHOWN:,}件"], "plain")
    return sheet.name


def _cells(number: int, row: InterventionRow, links: str) -> list[Cell]:
    return [
        number, row.device, _KIND[row.kind], clock_text(row.at), row.times, row.cause,
        _OUTCOME[row.outcome] if row.kind == "mrm" else "-", row.lat_deg, row.lon_deg,
        None if row.speed_mps is None else float(f"{row.speed_mps * _KMH:.6g}"), links or None,
        "事象の記録のみ" if row.is_told_only else None,
    ]  # fmt: skip


def _state(link: LinkBefore) -> str:
    told = []
    if link.rsrp_dbm is not None:
        told.append(f"RSRP {link.rsrp_dbm:.1f} dBm")
    if link.sinr_db is not None:
        told.append(f"SINR {link.sinr_db:.1f} dB")
    if link.rtt_ms is not None:
        told.append(f"往復遅延 中央値 {link.rtt_ms:.1f} ms")
    if link.sent:
        told.append(f"損失 {link.lost}/{link.sent}")
    return f"{link.link}: {'、'.join(told) or '測定値なし'}"
