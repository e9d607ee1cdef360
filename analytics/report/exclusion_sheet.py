"""The sheet of intervals that the figures leave out: a reader must see what was left out, why, and by whom."""

from __future__ import annotations

from analytics.report.jst import JST_NOTE, clock_text
from analytics.report.model import RunReport
from analytics.report.sheet import Book

_HEADINGS = ["No.", "回線", "開始", "終了", "時間[s]", "理由", "決定者", "決定日時", "取消", "取消理由"]
_FORMATS = ["int", "cell", "center", "center", "0.000", "wrap", "cell", "center", "cell", "wrap"]


def write_exclusions(book: Book, report: RunReport) -> str:
    """Write every exclusion of the run, those taken back too."""
    sheet = book.open("除外区間", widths=[6, 14, 24, 24, 12, 48, 16, 24, 40, 40])
    sheet.line([f"評価から除外した区間({JST_NOTE})"], "title", height=26)
    sheet.line(["KPIシートの値は除外後のものであり、除外しない値を備考に併記する。データは削除していない。"], "plain")
    sheet.head(_HEADINGS, height=18)
    for number, each in enumerate(report.exclusions, start=1):
        revoked = "" if each.revoked_at is None else f"{clock_text(each.revoked_at)} {each.revoked_by}"
        sheet.line(
            [
                number, each.link or "すべて", clock_text(each.started_at), clock_text(each.ended_at),
                (each.ended_at - each.started_at).total_seconds(), each.reason, each.excluded_by,
                clock_text(each.excluded_at), revoked or "-", each.revoke_reason or "-",
            ],
            _FORMATS,
        )  # fmt: skip
    return sheet.name
