"""The workbook of a run: what a report writer opens to copy tables and charts from, and to hand in the raw data with.

Sheets for people come first (cover, main results, all KPIs, charts, outages, conditions, measuring points, definitions,
completeness, events), those for programs after them. Rows go to disk as they are written, so that a workbook's memory
does not grow with its rows: 25,000 probe rows/s, 11 columns each.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO

import xlsxwriter

from analytics.report.charts import write_charts
from analytics.report.comparison_sheet import write_comparisons
from analytics.report.condition_sheet import write_conditions
from analytics.report.cover import open_cover, write_cover
from analytics.report.definition_sheet import write_definitions
from analytics.report.exclusion_sheet import write_exclusions
from analytics.report.intervention_sheet import write_interventions
from analytics.report.jst import JST_NOTE
from analytics.report.kpi_sheet import write_kpis, write_main
from analytics.report.model import RunReport
from analytics.report.outage_sheet import write_outages
from analytics.report.point_sheet import write_points
from analytics.report.raw_sheets import EXCEL_ROWS, RawSheet, write_raw
from analytics.report.sheet import Book
from analytics.report.tables import open_data_items, write_completeness, write_data_items, write_events, write_truth


def write_workbook(report: RunReport, target: Path | str | IO[bytes], *, sheet_rows: int = EXCEL_ROWS) -> list[str]:
    """Write the workbook and return the names of its sheets. `sheet_rows` is the most rows a raw sheet may have."""
    options = {"constant_memory": True, "nan_inf_to_errors": False}
    with xlsxwriter.Workbook(str(target) if isinstance(target, Path) else target, options) as workbook:
        # From the report, not from the clock: the same report gives the same file.
        created = report.made_at.replace(tzinfo=None)
        workbook.set_properties({"title": f"実証 測定結果 {report.run.name}", "comments": JST_NOTE, "created": created})
        return _write(Book(workbook, footer=f"{report.run.name}  {JST_NOTE}"), report, sheet_rows)


def _write(book: Book, report: RunReport, sheet_rows: int) -> list[str]:
    cover = open_cover(book)
    contents = [(write_main(book, report), "所要値と判定、主な統計量(報告書に転記する表)")]
    contents.append((write_kpis(book, report), "全ての統計量の値、信頼区間、所要値、判定、定義"))
    if report.truth is not None:
        contents.append((write_truth(book, report), "模擬環境の真値との比較"))
    charts = write_charts(book, report.series)
    contents += charts
    contents.append((write_outages(book, report), "通信断毎の時刻、継続時間、位置、直前の無線品質"))
    if report.interventions is not None:
        contents.append((write_interventions(book, report), "手動介入とMRM毎の時刻、位置、原因、直前の回線の状態"))
    contents.append((write_conditions(book, report), "無線品質、速度、セル毎の遅延と損失"))
    if report.points:
        contents.append((write_points(book, report), "測定点毎の試行と値、箱ひげ図、位置の図"))
    if report.pairs:
        contents.append((write_comparisons(book, report), "組にした走行の差とその信頼区間"))
    contents.append((write_definitions(book, report), "評価項目の定義と根拠となる条項"))
    contents.append((write_completeness(book, report), "端末毎の到達率と欠番"))
    if report.exclusions:
        contents.append((write_exclusions(book, report), "評価から除外した区間と理由"))
    contents.append((write_events(book, report), "測定中に起きた事象"))
    items = open_data_items(book)
    contents.append((items.name, "生データの項目、単位、範囲"))
    raw: list[RawSheet] = []
    streams = [omitted.stream for omitted in report.omitted]
    for one in report.raw:
        streams.append(one.stream)
        raw += write_raw(book, one, sheet_rows=sheet_rows)
    write_data_items(items, streams)
    write_cover(cover, report, contents, raw)
    return [worksheet.get_name() for worksheet in book.book.worksheets()]
