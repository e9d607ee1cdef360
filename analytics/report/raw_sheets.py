"""Sheets of raw series: what a program reads. One header row, one value a cell, no merged cells, no decoration.

MIC's rules for machine-readable tables (2020-12-18). A stream that is longer than a sheet goes on in
"probe (2)", with the header row again; the cover sheet says where it continues.
"""

from __future__ import annotations

from dataclasses import dataclass

from xlsxwriter.worksheet import Worksheet

from analytics.report.cells import cell_columns, headings
from analytics.report.model import RawStream
from analytics.report.sheet import Book, Sheet, put

EXCEL_ROWS = 1_048_576
"""Rows of a worksheet, header included."""

_PLAIN = 10**9  # integers below this need no look at Excel's 15 digits
_SHORT = 1000  # texts below this need no look at Excel's longest cell
_WIDTH_TIME = 33
_WIDTH_OTHER = 14


@dataclass(frozen=True, slots=True)
class RawSheet:
    """One written sheet: its name, its data rows, and where it comes from and goes on."""

    name: str
    stream_ja: str
    rows: int
    part: int
    parts: int


def write_raw(book: Book, raw: RawStream, *, sheet_rows: int = EXCEL_ROWS) -> list[RawSheet]:
    """Write one stream to as many sheets as it takes; a stream without rows gets a sheet with its header."""
    counts: list[tuple[str, int]] = []
    sheet = _open(book, raw, 1)
    for columns in cell_columns(raw):
        for cells in zip(*columns, strict=True):
            if sheet.row == sheet_rows:
                counts.append((sheet.name, sheet.row - 1))
                sheet = _open(book, raw, len(counts) + 1)
            _write_row(sheet.worksheet, sheet.row, cells)
            sheet.row += 1
    counts.append((sheet.name, sheet.row - 1))
    return [RawSheet(name, raw.stream.ja, rows, part, len(counts)) for part, (name, rows) in enumerate(counts, start=1)]


def _open(book: Book, raw: RawStream, part: int) -> Sheet:
    names = headings(raw, "ja")
    name = raw.stream.name if part == 1 else f"{raw.stream.name} ({part})"
    sheet = book.open(name, widths=[_WIDTH_TIME, *[_WIDTH_OTHER] * (len(names) - 1)])
    sheet.line(names, "raw_head")
    sheet.worksheet.freeze_panes(1, 1)
    sheet.worksheet.repeat_rows(0)
    return sheet


def _write_row(worksheet: Worksheet, row: int, cells: tuple[object, ...]) -> None:
    # The two commonest types first and without `put`: a workbook of a drive has millions of these cells.
    for column, cell in enumerate(cells):
        if cell is None:
            continue
        if type(cell) is int and -_PLAIN < cell < _PLAIN:
            worksheet.write_number(row, column, cell)
        elif type(cell) is str and len(cell) < _SHORT:
            worksheet.write_string(row, column, cell)
        else:
            put(worksheet, row, column, cell)  # type: ignore[arg-type]
