"""The lower part of the sheet 完全性: every gap with its reason, by number and by time, and what came late."""

from __future__ import annotations

from collections.abc import Sequence

from analytics.report.cells import Cell
from analytics.report.jst import clock_text
from analytics.report.model import CompletenessFacts, NumberGap, TimeSpan
from analytics.report.sheet import Sheet

_SHOWN = 1000
_STREAM = {"probe": "区間測定", "host": "端末状態", "": "全て"}
_COLUMNS = 12  # of the sheet
_REMEDY_HEIGHT = 28


def write_gaps(sheet: Sheet, facts: CompletenessFacts) -> None:
    """Write the three lists below the table of the outbox lives; a list without rows says so."""
    sheet.skip()
    sheet.line(["登録されていない番号とその理由"], "section")
    _table(
        sheet,
        [
            "測定端末",
            "エポック",
            "最初の番号",
            "最後の番号",
            "バッチ数",
            "測定の時間(この間)",
            "",
            "",
            "理由",
            "",
            "対処",
            "",
        ],
        [_number_row(gap) for gap in facts.number_gaps],
        ["cell", "cell", "int", "int", "int", "center", "center", "center", "center", "center", "wrap", "wrap"],
        "登録されていない番号はない。",
    )
    sheet.skip()
    sheet.line(["データのない時間とその理由(1秒単位)"], "section")
    _table(sheet, _TIME_HEAD, [_time_row(gap) for gap in facts.time_gaps], _TIME_FORMATS, "データのない時間はない。")
    sheet.skip()
    sheet.line(["後から届いたデータ(測定時に届かず、回復後に届いた。欠けはない)"], "section")
    _table(sheet, _TIME_HEAD, [_time_row(gap) for gap in facts.late], _TIME_FORMATS, "遅れて届いたデータはない。")


_TIME_HEAD = ["測定端末", "回線", "対象", "開始(JST)", "", "終了(JST)", "", "秒", "理由", "", "対処", ""]
_TIME_FORMATS = ["cell", "cell", *["center"] * 5, "int", "center", "center", "wrap", "wrap"]


def _number_row(gap: NumberGap) -> list[Cell]:
    between = " - ".join("不明" if one is None else clock_text(one)[5:-4] for one in (gap.after, gap.before))
    reason = f"{gap.reason}{'(測定外を含みうる)' if gap.edge else ''}"
    return [
        gap.device, gap.epoch, gap.first_seq, gap.last_seq, gap.last_seq - gap.first_seq + 1, between, None, None,
        reason, None, gap.todo, None,
    ]  # fmt: skip


def _time_row(gap: TimeSpan) -> list[Cell]:
    times = [clock_text(one)[:-4] for one in (gap.start, gap.end)]
    return [
        gap.device, gap.link or "-", _STREAM.get(gap.stream, gap.stream), times[0], None, times[1], None,
        gap.duration_s, gap.reason, None, gap.todo, None,
    ]  # fmt: skip


def _table(
    sheet: Sheet, head: Sequence[str], rows: Sequence[Sequence[Cell]], formats: Sequence[str], empty: str
) -> None:
    """Write one table in the columns that the sheet has: a cell followed by empty ones spreads over them."""
    if not rows:
        sheet.line([empty], "plain")
        return
    _spread(sheet, head, ["head"] * _COLUMNS, 18)
    for row in rows[:_SHOWN]:
        _spread(sheet, row, formats, _REMEDY_HEIGHT)
    if len(rows) > _SHOWN:
        sheet.line([f"他{len(rows) - _SHOWN:,}件。全件は jissho completeness --json で得られる。"], "plain")


def _spread(sheet: Sheet, cells: Sequence[Cell], formats: Sequence[str], height: float) -> None:
    row = sheet.line([None if cell == "" else cell for cell in cells], list(formats), height=height)
    first = 0
    while first < len(cells):
        last = first
        while last + 1 < len(cells) and cells[last + 1] in {None, ""}:
            last += 1
        if last > first:
            sheet.merge(row, first, last, cells[first], formats[first])
        first = last + 1
