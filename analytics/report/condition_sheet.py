"""The sheet 条件別: delay and loss of each link by class of RSRP, SINR and speed, and by serving cell."""

from __future__ import annotations

import re

from analytics.conditions import BASIS_WORDS, ConditionRow, LinkConditions, range_words
from analytics.report.cells import Cell
from analytics.report.model import RunReport
from analytics.report.sheet import Book, number_format
from analytics.report.words import DIRECTION, in_japanese

SHEET = "条件別"
_HEAD = [
    "測定端末", "回線", "方向", "条件", "階級", "n", "有効n", "損失率\n[%]", "下限", "上限",
    "中央値\n[ms]", "下限", "上限", "95%値\n[ms]", "下限", "上限", "99%値\n[ms]", "下限", "上限", "備考",
]  # fmt: skip
_WIDTHS = [13, 10, 6, 14, 18, 9, 9, *[9] * 12, 40]
_NOTES = (
    "各階級は、パケットの送信時刻に最も近い(2秒以内)測定値による。近くに測定値のないパケットは「不明」に数える。",
    "下限・上限は95%信頼区間(自己相関を考慮)。分位点は送信した全パケットを母数とし、損失を無限大の遅延とする。",
    "「-」は値または信頼区間の端が定まらないことを示す。階級間の差が条件のためであるとは限らない(場所、時刻も異なる)。",
)

_ENGLISH = re.compile(r" [a-z]+$")
"""The English word after the Japanese one, which the terminal shows too; a cell's own words end in a number."""


def write_conditions(book: Book, report: RunReport) -> str:
    """Write one row a class; a run beside which no condition was measured says so."""
    sheet = book.open(SHEET, widths=_WIDTHS)
    sheet.line(["無線品質・速度・セル毎の遅延と損失"], "title", height=26)
    filters = dict.fromkeys(f"{each.link}: {in_japanese(each.filter)}" for each in report.conditions if each.filter)
    for note in (*_NOTES, *filters):
        sheet.line([note], "plain")
    sheet.head(_HEAD, height=30)
    rows = [(each, row) for each in report.conditions for row in each.rows]
    for each, row in rows:
        sheet.line(*_row(each, row))
    if not rows:
        sheet.line(["RSRP、SINR、速度、セルのいずれも測定していない。", *[None] * (len(_HEAD) - 1)])
    return sheet.name


def _row(link: LinkConditions, row: ConditionRow) -> tuple[list[Cell], list[str]]:
    name, unit = BASIS_WORDS[row.basis]
    name, where = (_ENGLISH.sub("", text) for text in (name, range_words(row)))
    loss = [None if value is None else value * 100 for value in (row.loss, row.loss_low, row.loss_high)]
    delays = [
        row.p50_ms, row.p50_low_ms, row.p50_high_ms, row.p95_ms, row.p95_low_ms, row.p95_high_ms, row.p99_ms,
        row.p99_low_ms, row.p99_high_ms,
    ]  # fmt: skip
    formats = [number_format(loss, "%", n=row.n)] * 3 + [number_format(delays, "ms")] * 9
    return [
        link.device, link.link, DIRECTION[link.direction], f"{name} [{unit}]" if unit else name, where,
        row.n, row.n_eff, *("-" if value is None else value for value in (*loss, *delays)),
        in_japanese(row.reason) or None,
    ], [
        "cell", "cell", "center", "cell", "cell", "int", "int",
        *("right" if value is None else form for value, form in zip((*loss, *delays), formats, strict=True)), "wrap",
    ]  # fmt: skip
