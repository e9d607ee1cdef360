"""The KPI sheet, whose table goes into the report, and the sheet with the definitions behind it."""

from __future__ import annotations

import unicodedata
from math import isinf

from analytics.definitions import BY_ID, definitions_hash
from analytics.report.cells import Cell
from analytics.report.jst import JST_NOTE
from analytics.report.model import RunReport
from analytics.report.sheet import Book, exact_format, number_format, scaled
from analytics.report.words import BETTER, DIRECTION, INTERVAL, paper_scale, statistic_word
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
_LINE_HEIGHT = 13.5
_HEADINGS = [heading for heading, _ in _COLUMNS]
_VERDICT = _HEADINGS.index("判定")
# Without colour the three still differ: bold, bold and underlined, italic on a dotted ground.
_VERDICT_RULES = {
    MET: {"bold": True, "bg_color": "#C6EFCE"},
    MISSED: {"bold": True, "underline": 1, "bg_color": "#FFC7CE"},
    UNDECIDED: {"italic": True, "bg_color": "#D9D9D9", "fg_color": "#FFFFFF", "pattern": 17},
}
_NOTES = (
    f"注1) {JST_NOTE}。遅延の分位点は送信した全パケットを母数とし、損失を無限大の遅延として含む。平均は到達分のみ。",
    "注2) 判定: 達成=信頼区間の全体が所要値を満たす。未達=全体が満たさない。判定不能=どちらとも言えない。",
    "注3) 「-」は値がないことを示し、理由を備考に記す。分位点の順位が損失したパケットに当たるときも値はない。",
    "注4) 「定まらず」は、標本数が足りないか損失のため、信頼区間のその端が定まらないことを示す。",
    "注5) 有効nは、連続する標本の相関を考えたときの独立な標本の数に相当する値。信頼区間はこれによる。",
    "注6) 所要値は利用者が定めたものである。出典に「要確認」とあるものは例示であり、確認のうえ用いること。",
)


def write_kpis(book: Book, report: RunReport) -> str:
    """Write one row a result. A value that could not be had is "-" with its reason beside it, never 0."""
    sheet = book.open("KPI", widths=[width for _, width in _COLUMNS])
    sheet.line([f"評価項目の測定結果 {report.run.name}"], "title", height=26)
    head = sheet.head(_HEADINGS, height=30)
    sheet.worksheet.freeze_panes(head + 1, 1)
    for kpi in report.kpis:
        cells, formats = _row(kpi)
        sheet.line(cells, formats, height=_height(cells))
    if report.kpis:
        last = sheet.row - 1
        sheet.worksheet.autofilter(head, 0, last, len(_HEADINGS) - 1)
        for verdict, properties in _VERDICT_RULES.items():
            rule = {"type": "cell", "criteria": "==", "value": f'"{verdict}"', "format": book.rule(**properties)}
            sheet.worksheet.conditional_format(head + 1, _VERDICT, last, _VERDICT, rule)
    else:
        sheet.line(["算出した評価項目はない。", *[None] * (len(_HEADINGS) - 1)])
    sheet.skip()
    for note in _NOTES:
        sheet.line([note], "plain")
    return sheet.name


def _height(cells: list[Cell]) -> float:
    """Return a row height that shows wrapped text whole: spreadsheets fit heights only when a person edits a row."""
    lines = max(
        -(-wide(cell) // (width - 1)) for cell, (_, width) in zip(cells, _COLUMNS, strict=True) if isinstance(cell, str)
    )
    return _LINE_HEIGHT * max(lines, 1) + 2


def wide(words: str) -> int:
    """Return the width of a text in columns of half-width characters; Japanese ones take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WFA" else 1 for character in words)


def _row(kpi: KpiResult) -> tuple[list[Cell], list[str]]:
    unit, factor = paper_scale(kpi.unit, kpi.statistic)
    value, low, high, required = (
        scaled(number, factor) for number in (kpi.value, kpi.ci_low, kpi.ci_high, kpi.required)
    )
    # A minimum or a count has no interval at all; one that was sought and is open at an end is something else.
    open_end = "定まらず" if kpi.ci_method or kpi.n_eff is not None else "-"
    number = number_format([value, low, high], unit, n=kpi.n)
    cells: list[Cell] = [
        f"{kpi.name_ja or kpi.id} {kpi.variant}".rstrip(),
        DIRECTION[kpi.direction],
        kpi.device or "-",
        kpi.link or "-",
        statistic_word(kpi.statistic),
        unit,
        _value(value, "-"),
        *(_value(bound, open_end) for bound in (low, high)),
        kpi.n,
        "-" if kpi.n_eff is None else kpi.n_eff,
        "-" if required is None else required,
        kpi.verdict or "-",
        _clock(kpi),
        kpi.definition,
        _remark(kpi),
    ]
    sign = BETTER[BY_ID[kpi.id].better][1] if kpi.id in BY_ID else ""
    limit = f'"{sign}"{exact_format(required)}' if required is not None else "right"
    return cells, [
        *("wrap", "center", "cell", "cell", "center", "center"),
        *("right" if isinstance(cell, str) else number for cell in cells[6:9]),
        *("int", "right" if isinstance(cells[10], str) else "int", limit),
        *("center", "center", "wrap", "wrap"),
    ]


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
        parts.append(f"値なし: {kpi.reason or '理由の記録なし'}")
    elif kpi.reason:
        parts.append(kpi.reason)
    if kpi.required is not None:
        parts.append(f"所要値の出典: {kpi.required_source or '記載なし'}")
    if kpi.needed_n is not None:
        parts.append(f"判定に必要なn: {kpi.needed_n:,}")
    if kpi.filter:
        parts.append(f"条件: {kpi.filter}")
    if kpi.ci_method:
        parts.append(f"区間: {INTERVAL.get(kpi.ci_method, kpi.ci_method)}")
    return "。".join(parts)


def write_definitions(book: Book, report: RunReport) -> str:
    """Write the table of definitions that the results refer to, those of this run first."""
    sheet = book.open("指標の定義", widths=[16, 26, 26, 6, 10, 22, 44, 44, 30, 6])
    sheet.line(["指標の定義"], "title", height=26)
    headings = ["ID", "評価項目", "英語名", "単位", "よい方向", "統計量", "意味", "意味(英語)", "根拠となる条項", "版"]
    sheet.head(headings, height=18)
    for definition in report.definitions:
        statistics = ", ".join(statistic_word(statistic) for statistic in definition.statistics)
        unit, _ = paper_scale(definition.unit, definition.statistics[0])
        sheet.line(
            [
                definition.id,
                definition.name_ja,
                definition.name_en,
                unit,
                BETTER[definition.better][0],
                statistics,
                definition.meaning_ja,
                definition.meaning_en,
                definition.clause,
                definition.revision,
            ],
            ["cell", "wrap", "wrap", "center", "center", *["wrap"] * 4, "int"],
        )
    sheet.skip()
    sheet.line([f"定義表のハッシュ: {definitions_hash()}"], "plain")
    return sheet.name
