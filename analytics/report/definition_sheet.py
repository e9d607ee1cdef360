"""The sheet with the table of definitions that the results refer to."""

from __future__ import annotations

from analytics.definitions import definitions_hash
from analytics.report.model import RunReport
from analytics.report.sheet import Book
from analytics.report.words import BETTER, DIRECTION, paper_scale, statistic_word

_COLUMNS = (
    ("ID", 16),
    ("評価項目", 26),
    ("英語名", 26),
    ("単位", 6),
    ("よい方向", 10),
    ("区分(方向)", 10),
    ("統計量", 22),
    ("主な統計量", 12),
    ("信頼区間のない統計量", 34),
    ("必要なデータ", 34),
    ("意味", 44),
    ("意味(英語)", 44),
    ("根拠となる条項", 30),
    ("版", 6),
)
_NEEDS_NOTE = (
    "必要なデータはストリーム.項目で示し、+ は同じ行の項目を合わせて要することを示す(データ項目シートを参照)。"
    "「あれば」以下は、ある場合に用いるもの。"
)


def write_definitions(book: Book, report: RunReport) -> str:
    """Write every definition, with its main statistics and the data that it needs."""
    sheet = book.open("指標の定義", widths=[width for _, width in _COLUMNS])
    sheet.line(["指標の定義"], "title", height=26)
    sheet.head([heading for heading, _ in _COLUMNS], height=18)
    for definition in report.definitions:
        unit, _ = paper_scale(definition.id, definition.unit, definition.statistics[0])
        sheet.line(
            [
                definition.id,
                definition.name_ja,
                definition.name_en,
                unit,
                BETTER[definition.better][0],
                "・".join(DIRECTION[direction] for direction in definition.directions) or "-",
                ", ".join(statistic_word(statistic) for statistic in definition.statistics),
                ", ".join(statistic_word(statistic) for statistic in definition.main) or "-",
                "。".join(
                    f"{'・'.join(map(statistic_word, each.statistics))}: {each.ja}" for each in definition.unbounded
                )
                or "-",
                definition.needs_text("ja"),
                definition.meaning_ja,
                definition.meaning_en,
                definition.clause,
                definition.revision,
            ],
            ["cell", "wrap", "wrap", *["center"] * 3, *["wrap"] * 7, "int"],
        )
    sheet.skip()
    sheet.line([_NEEDS_NOTE], "plain")
    sheet.line([f"定義表のハッシュ: {definitions_hash()}"], "plain")
    return sheet.name
