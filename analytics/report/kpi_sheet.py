"""The sheets of figures: the main results, whose table goes into the report, and all of them behind it."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from math import isinf

from analytics.definitions import BY_ID, FAMILY_OF
from analytics.main_figures import asked_first, in_order, main_figures
from analytics.report.cells import Cell
from analytics.report.jst import JST_NOTE
from analytics.report.model import RunReport
from analytics.report.sheet import Book, Sheet, exact_format, number_format, scaled
from analytics.report.words import BETTER, DIRECTION, INTERVAL, in_japanese, paper_scale, statistic_word
from analytics.results import MET, MISSED, UNDECIDED, KpiResult

_COLUMNS = (
    ("評価項目", 24),
    ("区分\n(方向)", 7),
    ("測定端末", 11),
    ("回線", 11),
    ("統計量", 9),
    ("単位", 6),
    ("値", 10),
    ("95%信頼\n区間 下限", 10),
    ("95%信頼\n区間 上限", 10),
    ("n", 9),
    ("有効n", 9),
    ("所要値", 9),
    ("判定", 9),
    ("時刻品質", 10),
    ("定義(条項)", 42),
    ("備考", 46),
)
_MAIN_WIDTHS = {"測定端末": 0, "有効n": 0, "回線": 12, "定義(条項)": 34, "備考": 40}
"""Widths of the main results where they differ; what is 0 wide is left to the sheet of all results."""
_LINE_HEIGHT = 13.5
# Without colour the three still differ: bold, bold and underlined, italic on a dotted ground.
_VERDICT_RULES = {
    MET: {"bold": True, "bg_color": "#C6EFCE"},
    MISSED: {"bold": True, "underline": 1, "bg_color": "#FFC7CE"},
    UNDECIDED: {"italic": True, "bg_color": "#D9D9D9", "fg_color": "#FFFFFF", "pattern": 17},
}
_NOTES = (
    f"{JST_NOTE}。遅延の分位点は送信した全パケットを母数とし、損失を無限大の遅延として含む。平均は到達分のみ。",
    "判定: 達成=信頼区間の全体が所要値を満たす。未達=全体が満たさない。判定不能=どちらとも言えない。",
    "「-」は値がないことを示し、理由を備考に記す。分位点の順位が損失したパケットに当たるときも値はない。",
    "「定まらず」は、標本数が足りないか損失のため、信頼区間のその端が定まらないことを示す。",
    "信頼区間の「-」は区間を定めない統計量(理由は指標の定義シート)。区間が求まらなかったときは理由を備考に記す。",
    "所要値は利用者が定めたものである。出典に「要確認」とあるものは例示であり、確認のうえ用いること。",
)
_N_EFF_NOTE = "有効nは、連続する標本の相関を考えたときの独立な標本の数に相当する値。信頼区間はこれによる。"
_MAIN_NOTE = (
    "本表は所要値のある項目と、指標の定義で主な統計量としたものである。"
    "全ての統計量、有効n、区間の求め方、カメラ毎・原因毎の値はKPIシートに示す。"
)


def write_main(book: Book, report: RunReport) -> str:
    """Write what a report states first: the requirements with their verdicts, then the main figures by family."""
    columns = [
        (heading, _MAIN_WIDTHS.get(heading, width)) for heading, width in _COLUMNS if _MAIN_WIDTHS.get(heading, width)
    ]
    sheet = book.open("主要結果", widths=[width for _, width in columns])
    sheet.line([f"主要結果 {report.run.name}"], "title", height=26)
    head = sheet.head([heading for heading, _ in columns], height=30)
    sheet.worksheet.freeze_panes(head + 1, 1)
    several = len({kpi.device for kpi in report.kpis if kpi.device}) > 1
    asked, _ = asked_first(report.kpis)
    sections: dict[str, list[KpiResult]] = {"所要値と判定": asked} if asked else {}
    # What is required and main stands in both: a table of a family must be whole where it is copied from.
    for kpi in in_order(main_figures(report.kpis, with_asked=False)):
        sections.setdefault(FAMILY_OF[kpi.id].ja if kpi.id in FAMILY_OF else "その他", []).append(kpi)
    for number, (title, kpis) in enumerate(sections.items(), start=1):
        row = sheet.line([f"{number}. {title}", *[None] * (len(columns) - 1)], "group", height=18)
        sheet.merge(row, 0, len(columns) - 1, f"{number}. {title}", "group")
        for kpi in kpis:
            _write_row(sheet, columns, _main_cells(kpi, several=several, with_source=kpis is asked))
    _finish(sheet, columns, head, (*_NOTES, _MAIN_NOTE), has_rows=bool(sections))
    return sheet.name


def write_kpis(book: Book, report: RunReport) -> str:
    """Write one row a result. A value that could not be had is "-" with its reason beside it, never 0."""
    sheet = book.open("KPI", widths=[width for _, width in _COLUMNS])
    sheet.line([f"評価項目の測定結果 {report.run.name}"], "title", height=26)
    head = sheet.head([heading for heading, _ in _COLUMNS], height=30)
    sheet.worksheet.freeze_panes(head + 1, 1)
    for kpi in report.kpis:
        _write_row(sheet, _COLUMNS, _cells(kpi))
    if report.kpis:
        sheet.worksheet.autofilter(head, 0, sheet.row - 1, len(_COLUMNS) - 1)
    _finish(sheet, _COLUMNS, head, (*_NOTES, _N_EFF_NOTE), has_rows=bool(report.kpis))
    return sheet.name


def _write_row(sheet: Sheet, columns: Sequence[tuple[str, int]], cells: dict[str, tuple[Cell, str]]) -> None:
    chosen = [cells[heading] for heading, _ in columns]
    widths = [width for _, width in columns]
    sheet.line([cell for cell, _ in chosen], [name for _, name in chosen], height=_height(chosen, widths))


def _finish(
    sheet: Sheet, columns: Sequence[tuple[str, int]], head: int, notes: Sequence[str], *, has_rows: bool
) -> None:
    """Mark the verdicts and write the notes below the table."""
    if has_rows:
        place = [heading for heading, _ in columns].index("判定")
        for verdict, properties in _VERDICT_RULES.items():
            rule = {"type": "cell", "criteria": "==", "value": f'"{verdict}"', "format": sheet.book.rule(**properties)}
            sheet.worksheet.conditional_format(head + 1, place, sheet.row - 1, place, rule)
    else:
        sheet.line(["算出した評価項目はない。", *[None] * (len(columns) - 1)])
    sheet.skip()
    for number, note in enumerate(notes, start=1):
        sheet.line([f"注{number}) {note}"], "plain")


def _height(chosen: Sequence[tuple[Cell, str]], widths: Sequence[int]) -> float:
    """Return a row height that shows wrapped text whole: spreadsheets fit heights only when a person edits a row."""
    lines = max(
        -(-wide(cell) // (width - 1)) for (cell, _), width in zip(chosen, widths, strict=True) if isinstance(cell, str)
    )
    return _LINE_HEIGHT * max(lines, 1) + 2


def wide(words: str) -> int:
    """Return the width of a text in columns of half-width characters; Japanese ones take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WFA" else 1 for character in words)


def _cells(kpi: KpiResult) -> dict[str, tuple[Cell, str]]:
    """Return the cells of a result with their formats, by the heading of their column."""
    unit, factor = paper_scale(kpi.id, kpi.unit, kpi.statistic)
    value, low, high, required = (
        scaled(number, factor) for number in (kpi.value, kpi.ci_low, kpi.ci_high, kpi.required)
    )
    # A minimum or a count has no interval at all; one that was sought and is open at an end is something else.
    open_end = "定まらず" if kpi.ci_method or kpi.n_eff is not None else "-"
    number = number_format([value, low, high], unit, n=kpi.n)
    sign = BETTER[BY_ID[kpi.id].better][1] if kpi.id in BY_ID else ""
    limit = f'"{sign}"{exact_format(required)}' if required is not None else "right"

    def figure(number_or_text: float | str) -> tuple[Cell, str]:
        return number_or_text, "right" if isinstance(number_or_text, str) else number

    return {
        "評価項目": (f"{kpi.name_ja or kpi.id} {kpi.variant}".rstrip(), "wrap"),
        "区分\n(方向)": (DIRECTION[kpi.direction], "center"),
        "測定端末": (kpi.device or "-", "cell"),
        "回線": (kpi.link or "-", "cell"),
        "統計量": (statistic_word(kpi.statistic), "center"),
        "単位": (unit, "center"),
        "値": figure(_value(value, "-")),
        "95%信頼\n区間 下限": figure(_value(low, open_end)),
        "95%信頼\n区間 上限": figure(_value(high, open_end)),
        "n": (kpi.n, "int"),
        "有効n": ("-", "right") if kpi.n_eff is None else (kpi.n_eff, "int"),
        "所要値": ("-" if required is None else required, limit),
        "判定": (kpi.verdict or "-", "center"),
        "時刻品質": (_clock(kpi), "center"),
        "定義(条項)": (kpi.definition, "wrap"),
        "備考": (_remark(kpi), "wrap"),
    }


def _main_cells(kpi: KpiResult, *, several: bool, with_source: bool) -> dict[str, tuple[Cell, str]]:
    """Return the cells of a main result; where `several` devices measured, the link says of which it is."""
    link = f"{kpi.device}/{kpi.link}".rstrip("/") if several and kpi.device else kpi.link or kpi.device or "-"
    return {**_cells(kpi), "回線": (link, "wrap"), "備考": (_main_remark(kpi, with_source=with_source), "wrap")}


def _value(number: float | None, absent: str) -> float | str:
    if number is None:
        return absent
    return ("∞" if number > 0 else "-∞") if isinf(number) else number


def _clock(kpi: KpiResult) -> str:
    if not kpi.clock:
        return "-"
    return kpi.clock if kpi.clock_bound_us is None else f"{kpi.clock} ±{kpi.clock_bound_us / 1000:.3g}ms"


def _remark(kpi: KpiResult) -> str:
    parts = []
    if kpi.value is None:
        parts.append(f"値なし: {in_japanese(kpi.reason) or '理由の記録なし'}")
    elif kpi.reason:
        parts.append(in_japanese(kpi.reason))
    if kpi.required is not None:
        parts.append(f"所要値の出典: {kpi.required_source or '記載なし'}")
    if kpi.needed_n is not None:
        parts.append(f"判定に必要なn: {kpi.needed_n:,}")
    if kpi.filter:
        parts.append(f"条件: {in_japanese(kpi.filter)}")
    if kpi.ci_method:
        parts.append(f"区間: {INTERVAL.get(kpi.ci_method, kpi.ci_method)}")
    return "。".join(parts)


def _main_remark(kpi: KpiResult, *, with_source: bool) -> str:
    """Say in Japanese only why there is no value, what qualifies it, and on which conditions it is."""
    parts = [f"値なし: {in_japanese(kpi.reason) or '理由の記録なし'}" if kpi.value is None else in_japanese(kpi.reason)]
    if kpi.needed_n is not None:
        parts.append(f"判定に必要なn: {kpi.needed_n:,}")
    if kpi.filter:
        parts.append(f"条件: {in_japanese(kpi.filter)}")
    if with_source:
        parts.append(f"所要値の出典: {kpi.required_source or '記載なし'}")
    return "。".join(filter(None, parts))
