"""The plain tables of the workbook: definitions, data items, completeness, events, comparison with the truth."""

from __future__ import annotations

from collections.abc import Sequence

from analytics.definitions import BY_ID
from analytics.report.gap_tables import write_gaps
from analytics.report.jst import JST_NOTE, clock_text
from analytics.report.model import EpochFacts, RunReport
from analytics.report.sheet import Book, Sheet, number_format, scaled
from analytics.report.units import column_unit
from analytics.report.words import DIRECTION, paper_scale, statistic_word
from contract.columns import Column, Stream
from contract.streams import LOST_CODES

_SHOWN_RANGES = 200
_COMMON = (
    ("t_jst", "時刻(JST)", f"Time of the sample in Japan Standard Time, ISO 8601 with microseconds ({JST_NOTE})"),
    ("device", "測定端末", "Device that measured"),
    ("link", "回線", "Link of the device; empty for the device as a whole"),
)
_SOURCE = {"physics": "物理的な範囲", "storage": ""}
_SEVERITY = {"info": "情報", "warning": "注意", "error": "異常"}


def write_completeness(book: Book, report: RunReport) -> str:
    """Write what each outbox life took against what is in the database, with the missing numbers."""
    sheet = book.open("完全性", widths=[14, 26, 10, 10, 10, 10, 10, 10, 10, 12, 10, 44])
    sheet.line(["データの完全性(測定した全バッチがデータベースにあるかの照合)"], "title", height=26)
    as_of = clock_text(report.completeness.as_of)
    sheet.line([f"照合時刻 {as_of}。{JST_NOTE}。到達率 = データベース登録数 / 測定したバッチ数。"], "plain")
    sheet.head(
        [
            "測定端末",
            "エポック(記憶装置の世代)",
            "最初の番号",
            "最後の番号",
            "測定\n[バッチ]",
            "登録済\n[バッチ]",
            "隔離\n[バッチ]",
            "未着\n[バッチ]",
            "残留\n[バッチ]",
            "行数",
            "到達率\n[%]",
            "欠番",
        ]
    )
    formats = ["cell", "cell", *["int"] * 8, "0.000", "wrap"]
    for epoch in report.completeness.epochs:
        sheet.line([epoch.device, epoch.epoch, epoch.first_seq, epoch.last_seq, *_counts(epoch), _gaps(epoch)], formats)
    whole = report.completeness.whole
    sheet.line(
        ["合計", None, None, None, *_counts(whole), None if report.completeness.epochs else "データなし"], formats
    )
    sheet.skip()
    for note in (
        "注1) 番号は端末の記憶装置が1から欠けなく付ける。途中の番号がないことは未着を示す。",
        "注2) 隔離: 規約に合わないため別に保管したバッチ。",
        "注3) 残留: 端末が取得を告げ、まだ届いていないバッチ。測定の後の分を含みうる。",
        "注4) パケットの損失(回線の性能)とは別のものである。損失はKPIシートに示す。",
        *(
            [f"注5) 登録済のうち{whole.deleted:,}バッチの生データは、保存期間の経過により削除した。"]
            if whole.deleted
            else []
        ),
    ):
        sheet.line([note], "plain")
    write_gaps(sheet, report.completeness)
    return sheet.name


def _counts(epoch: EpochFacts) -> list[float | str | None]:
    # Cut, not rounded, so that 100.000 appears only where nothing is missing.
    percent = "-" if epoch.ratio is None else int(epoch.ratio * 100_000) / 1000
    return [
        epoch.taken,
        epoch.committed,
        epoch.quarantined,
        epoch.missing,
        epoch.pending,
        epoch.rows,
        percent,
    ]


def _gaps(epoch: EpochFacts) -> str:
    if not epoch.missing_ranges:
        return "なし"
    shown = [str(low) if low == high else f"{low}-{high}" for low, high in epoch.missing_ranges[:_SHOWN_RANGES]]
    more = len(epoch.missing_ranges) - len(shown)
    return ", ".join(shown) + (f" 他{more}区間" if more else "")


def write_events(book: Book, report: RunReport) -> str:
    """Write what happened during the run, in the order of time."""
    sheet = book.open("事象", widths=[6, 24, 14, 14, 8, 22, 60, 44])
    sheet.line([f"事象の一覧({JST_NOTE})"], "title", height=26)
    sheet.head(["No.", "発生時刻", "測定端末", "回線", "重要度", "事象名", "内容", "詳細(JSON)"], height=18)
    for number, event in enumerate(report.events, start=1):
        sheet.line(
            [
                number,
                clock_text(event.at),
                event.device,
                event.link or "-",
                _SEVERITY.get(event.severity, event.severity),
                event.name,
                event.message,
                event.detail,
            ],
            ["int", "center", "cell", "cell", "center", "cell", "wrap", "wrap"],
        )
    if not report.events:
        sheet.line([None, "事象は記録されていない。", *[None] * 6], "cell")
    return sheet.name


def open_data_items(book: Book) -> Sheet:
    """Open the sheet of data items; it is written when the streams are known."""
    return book.open("データ項目", widths=[14, 20, 24, 10, 14, 14, 52, 30])


def write_data_items(sheet: Sheet, streams: Sequence[Stream]) -> None:
    """Write what each column of the raw sheets is: the reader of a machine sheet finds the words here."""
    sheet.line(["生データの項目の定義(空欄は、測定していないか値がないことを示す)"], "title", height=26)
    sheet.head(["ストリーム", "項目(英字)", "項目", "単位", "下限", "上限", "説明(英語)", "範囲の根拠"], height=18)
    for name, ja, en in _COMMON:
        sheet.line(["(共通)", name, ja, "-", None, None, en, ""], ["cell", "cell", "cell", "center", *["cell"] * 4])
    for stream in streams:
        for column in stream.columns:
            low, high = (None, None) if column.source == "storage" else (column.low, column.high)
            sheet.line(
                [
                    stream.name,
                    column.name,
                    column.ja,
                    column_unit(column) or "-",
                    low,
                    high,
                    _meaning(column),
                    _SOURCE.get(column.source, column.source),
                ],
                ["cell", "cell", "cell", "center", "cell", "cell", "wrap", "cell"],
            )
    if not streams:
        sheet.line([None, "この測定に生データはない。", *[None] * 6], "cell")


def _meaning(column: Column) -> str:
    if column.name == "lost":
        codes = "、".join(f"{code}={ja}" for code, (ja, _) in LOST_CODES.items())
        return f"{column.en} ({codes})"
    return f"{column.en} ({', '.join(column.choices)})" if column.choices else column.en


def write_truth(book: Book, report: RunReport) -> str:
    """Write the KPIs against the truth of the simulator that made the data."""
    sheet = book.open("真値との比較", widths=[36, 10, 16, 12, 8, 14, 14, 14, 40])
    sheet.line(["模擬環境の真値との比較(実測値ではない)"], "title", height=26)
    sheet.head(["評価項目", "方向", "回線", "統計量", "単位", "測定値", "真値", "差(測定値-真値)", "備考"])
    for row in report.truth or ():
        unit, factor = paper_scale(row.kpi, row.unit, row.statistic)
        given = (row.measured, row.truth, row.difference)
        numbers = [scaled(value, factor) for value in given]
        number = number_format(numbers, unit)
        sheet.line(
            [
                BY_ID[row.kpi].name_ja if row.kpi in BY_ID else row.kpi,
                DIRECTION[row.direction],
                row.link or "-",
                statistic_word(row.statistic),
                unit,
                *("-" if value is None else value for value in numbers),
                row.reason,
            ],
            ["wrap", "center", "cell", "center", "center", number, number, number, "wrap"],
        )
    return sheet.name
