"""The cover sheet: what was measured, under which conditions, what came out, and what is in the workbook."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from analytics.report.jst import JST_NOTE, date_text, duration_text
from analytics.report.model import RunReport
from analytics.report.raw_sheets import RawSheet
from analytics.report.sheet import Book, Sheet
from analytics.report.words import statistic_word
from analytics.unmeasured import is_unmeasured

_LABEL, _VALUE = 22, 66


def open_cover(book: Book) -> Sheet:
    """Open the first sheet; it is written last, when all others are known."""
    return book.open("表紙", widths=[_LABEL, _VALUE, 12, 34], landscape=False)


def write_cover(sheet: Sheet, report: RunReport, contents: Sequence[tuple[str, str]], raw: Sequence[RawSheet]) -> None:
    """Write the cover. `contents`: (sheet name, what it holds) of the sheets for people."""
    sheet.line([f"実証 測定結果集計表 {report.run.name}"], "title", height=28)
    sheet.line([f"{JST_NOTE}。損失したパケットの遅延は無限大として統計に含める(RFC 7679 5.1)。"], "plain")
    sheet.skip()
    _section(sheet, "測定の概要")
    for label, value in _facts(report):
        sheet.line([label, value], ["head", "wrap"])
    sheet.skip()
    _section(sheet, "結果の要約")
    for label, value in _summary(report):
        sheet.line([label, value], ["head", "wrap"])
    sheet.skip()
    _contents(sheet, report, contents, raw)


def _section(sheet: Sheet, title: str) -> None:
    sheet.line([title], "section", height=20)


def _facts(report: RunReport) -> list[tuple[str, str]]:
    run = report.run
    end = run.ended_at
    lasted = "" if end is None else duration_text((end - run.started_at).total_seconds())
    return [
        ("走行・測定名", run.name),
        ("拠点", run.site),
        ("測定端末", _names(run.devices, "拠点の全端末")),
        ("回線", _names(run.links, "端末の全回線")),
        ("開始", date_text(run.started_at)),
        ("終了", f"測定中(集計時刻 {date_text(report.made_at)} まで)" if end is None else date_text(end)),
        ("測定時間", lasted or "測定中"),
        ("目的", run.purpose or "(記載なし)"),
        ("天候", run.weather or "(記載なし)"),
        ("特記事項", run.note or "(記載なし)"),
        ("タグ", _names(run.tags, "(なし)")),
        ("有効・無効", "有効" if run.valid else "無効(評価に用いないこと)"),
        ("所要値の出所", report.profile or "(指定なし。判定は行わない)"),
        ("集計日時", date_text(report.made_at)),
        ("集計プログラム", report.program),
    ]


def _names(names: Sequence[str], everything: str) -> str:
    return ", ".join(names) or everything


def _summary(report: RunReport) -> list[tuple[str, str]]:
    verdicts: Counter[str] = Counter(kpi.verdict or "判定なし" for kpi in report.kpis)
    order = ("達成", "未達", "判定不能", "判定なし")
    told = "、".join(f"{word} {verdicts[word]}件" for word in order if verdicts[word]) or "評価項目なし"
    missing = [f"{kpi.name_ja}({statistic_word(kpi.statistic)})" for kpi in report.kpis if is_unmeasured(kpi)]
    hashes = sorted({kpi.data_hash for kpi in report.kpis if kpi.data_hash})
    return [
        ("判定", told),
        ("データの完全性", completeness_sentence(report)),
        ("算出できなかった項目", f"{sum(kpi.value is None for kpi in report.kpis)}件(理由はKPIシートの備考)"),
        *([("測定のなかった所要値", f"{len(missing)}件: {'、'.join(missing)}")] if missing else []),
        ("データのハッシュ", "\n".join(hashes) or "(なし)"),
    ]


def completeness_sentence(report: RunReport) -> str:
    """Return in a sentence what of the measured data is in the database, and in another what cannot be proven."""
    foreign_rows = report.completeness.foreign_rows
    foreign = f"他社機器の{foreign_rows:,}行は番号を持たず、照合の対象外である。" if foreign_rows else ""
    if report.completeness.whole.ratio is None and foreign:
        return foreign
    return _proven(report) + foreign


def _proven(report: RunReport) -> str:
    whole = report.completeness.whole
    if whole.ratio is None:
        return "この測定のデータはデータベースに1件もない。"
    gone = f"うち{whole.deleted:,}バッチの生データは、登録後に保存期間の経過により削除した。" if whole.deleted else ""
    if whole.committed == whole.taken and not whole.pending:
        where = "データベースに登録された" if gone else "データベースにある"
        return f"測定した全{whole.taken:,}バッチ({whole.rows:,}行)が{where}(100%)。{gone}"
    gaps = "、".join(
        part
        for part, count in (
            (f"未着 {whole.missing:,}", whole.missing),
            (f"隔離 {whole.quarantined:,}", whole.quarantined),
            (f"端末に残留または送信中 {whole.pending:,}", whole.pending),
        )
        if count
    )
    return (
        f"測定した{whole.taken:,}バッチのうち{whole.committed:,}バッチ"
        f"({_percent_below(whole.ratio)})が{'データベースに登録された' if gone else 'データベースにある'}。"
        f"{gaps}(完全性シート)。{gone}"
    )


def _percent_below(ratio: float) -> str:
    """Return a share in percent, never rounded up to 100 while something is missing."""
    return f"{int(ratio * 100_000) / 1000:.3f}%"


def _contents(sheet: Sheet, report: RunReport, contents: Sequence[tuple[str, str]], raw: Sequence[RawSheet]) -> None:
    _section(sheet, "シートの一覧")
    sheet.line(["シート", "内容", "行数", "備考"], "head")
    for name, text in contents:
        _linked(sheet, name, [text, None, None])
    for one in raw:
        _linked(sheet, one.name, [f"生データ: {one.stream_ja}(機械判読用)", one.rows, _continues(one, raw)])
    for omitted in report.omitted:
        sheet.line(
            [
                omitted.stream.name,
                f"生データ: {omitted.stream.ja}",
                omitted.rows,
                f"{omitted.reason}。CSVで取得できる。",
            ],
            ["cell", "cell", "int", "wrap"],
        )


def _continues(one: RawSheet, raw: Sequence[RawSheet]) -> str | None:
    names = {(other.stream_ja, other.part): other.name for other in raw}
    told = []
    if one.part > 1:
        told.append(f"「{names[one.stream_ja, one.part - 1]}」の続き")
    if one.part < one.parts:
        told.append(f"「{names[one.stream_ja, one.part + 1]}」に続く")
    return "、".join(told) or None


def _linked(sheet: Sheet, name: str, others: Sequence[str | int | None]) -> None:
    row = sheet.line([None, *others], ["cell", "cell", "int", "wrap"])
    # After the row's other cells, still before the next row starts: constant-memory mode keeps only one row.
    sheet.worksheet.write_url(row, 0, f"internal:'{name}'!A1", sheet.book.format("link"), name)
