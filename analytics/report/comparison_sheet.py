"""The sheet 比較: what changed between the runs of a pair, each difference with its interval. It judges nothing."""

from __future__ import annotations

import re
from math import isinf

from analytics.comparison import Comparison, Effect
from analytics.report.cells import Cell
from analytics.report.model import PairRow, RunReport
from analytics.report.sheet import Book, Sheet, number_format, scaled
from analytics.report.words import DIRECTION, in_japanese, paper_scale, statistic_word

SHEET = "比較"
_HEAD = [
    "組", "回線", "評価項目", "区分\n(方向)", "統計量", "単位", "基準 A", "変更後 B", "差 B-A",
    "差の95%信頼\n区間 下限", "差の95%信頼\n区間 上限", "n (A)", "n (B)", "抽出単位\nの数", "抽出単位",
    "時刻品質", "定義(条項)", "備考",
]  # fmt: skip
_WIDTHS = [14, 14, 26, 7, 10, 7, 10, 10, 10, 11, 11, 10, 10, 9, 26, 18, 42, 46]
_NOTES = (
    "差は変更後の走行 B の値から基準の走行 A の値を引いたもの。割合の差は百分率の差(ポイント)。良否の判定はしない。",
    "信頼区間は、時間または道路を区切った単位(AIの指標はシーン)を対のまま抽出するブートストラップ(1,000回)により、隣り合う単位の相関の分だけ広げる。",
    "「-」は値または区間の端が定まらないことを示し、理由を備考に記す。分位点は損失・応答なしを無限大として含む。",
    "区間が0を含まないことは差があることを示すが、それが条件のためであるとは限らない(時刻、天候、通行量も異なりうる)。",
)
_METHOD = re.compile(r"replicates of (?P<paired>paired )?(?P<unit>.*)$")
_UNITS = (
    (re.compile(r"blocks of (\S+) s"), r"\1 秒のブロック"),
    (re.compile(r"sections of (\S+) m of the road of (.+)"), r"\2 が走った道路の \1 m 区間"),
    (re.compile(r"scenes"), "シーン"),
)


def write_comparisons(book: Book, report: RunReport) -> str:
    """Write every pair that the run belongs to: its runs, then one row an effect."""
    sheet = book.open(SHEET, widths=_WIDTHS)
    sheet.line(["走行の比較"], "title", height=26)
    for note in _NOTES:
        sheet.line([note], "plain")
    for pair in report.pairs:
        runs = "、".join(f"{baseline} → {changed}" for baseline, changed in pair.repetitions)
        told = [
            f"組 {pair.name}: {runs}",
            f"条件: {pair.condition}" if pair.condition else "",
            f"比較できない: {pair.reason}" if pair.reason else "",
            *(f"{_links(each)}: {each.note}" for each in pair.comparisons if each.note),
        ]
        for line in filter(None, told):
            sheet.line([line], "plain")
    sheet.skip()
    sheet.worksheet.repeat_rows(sheet.line(_HEAD, "head", height=30))
    rows = sum(_write(sheet, pair) for pair in report.pairs)
    if not rows:
        sheet.line(["比較できる測定がない。", *[None] * (len(_HEAD) - 1)])
    return sheet.name


def _write(sheet: Sheet, pair: PairRow) -> int:
    rows = 0
    for each in pair.comparisons:
        for effect in each.effects:
            sheet.line(*_row(pair.name, each, effect))
            rows += 1
    return rows


def _links(comparison: Comparison) -> str:
    return " → ".join(dict.fromkeys([comparison.link_a, comparison.link_b]))


def _row(pair: str, comparison: Comparison, effect: Effect) -> tuple[list[Cell], list[str]]:
    unit, factor = paper_scale(effect.id, effect.unit, effect.statistic)
    values = [scaled(value, factor) for value in (effect.a, effect.b, effect.difference, effect.ci_low, effect.ci_high)]
    shown = number_format(values, unit, n=max(effect.n_a, effect.n_b))
    shown_values = ["-" if value is None or isinf(value) else value for value in values]
    cells: list[Cell] = [
        pair, _links(comparison), f"{effect.name_ja or effect.id} {effect.variant}".rstrip(),
        DIRECTION[effect.direction], statistic_word(effect.statistic), unit, *shown_values, effect.n_a, effect.n_b,
        effect.blocks, unit_word(effect.method), effect.clock or "-", effect.definition,
        in_japanese(effect.reason) or None,
    ]  # fmt: skip
    return cells, [
        "cell", "cell", "wrap", "center", "center", "center",
        *("right" if isinstance(cell, str) else shown for cell in cells[6:11]),
        "int", "int", "int", "wrap", "wrap", "wrap", "wrap",
    ]  # fmt: skip


def unit_word(method: str) -> str:
    """Return what was drawn, in Japanese, of the method of an effect; one that is not known is printed as it is."""
    found = _METHOD.search(method)
    if found is None:
        return method
    unit = found["unit"]
    for pattern, word in _UNITS:
        if pattern.fullmatch(unit):
            unit = pattern.sub(word, unit)
            break
    return f"{unit}(対)" if found["paired"] else unit
