"""One worksheet as the rest of the package sees it: formats by name, A4 set-up, and rows written from top to bottom.

The workbook runs in constant-memory mode, in which a row is on disk as soon as the next one starts; so every sheet
writes its rows in order, and a cell that is a text is always written as text (a message "=1+1" is no formula).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import xlsxwriter
from xlsxwriter.worksheet import Worksheet

from analytics.report.cells import Cell

FONT = "游ゴシック"
"""Comes with Excel for Windows and macOS since 2016; other programs fall back to their own Japanese gothic."""

_MAX_TEXT = 32_767  # characters Excel takes in a cell
_CUT = "…(以下省略)"
_MAX_DIGITS = 10**15  # Excel keeps 15 digits of a number
_BASE = {"font_name": FONT, "font_size": 9, "valign": "vcenter"}
_GRID = {**_BASE, "border": 1, "border_color": "#7F7F7F"}
FORMATS: dict[str, dict[str, Any]] = {
    "title": {**_BASE, "font_size": 16, "bold": True},
    "section": {**_BASE, "font_size": 11, "bold": True, "bottom": 2},
    "plain": _BASE,
    "note": {**_BASE, "text_wrap": True, "valign": "top"},
    "head": {**_GRID, "bold": True, "bg_color": "#D9D9D9", "align": "center", "text_wrap": True},
    "group": {**_GRID, "bold": True, "bg_color": "#F2F2F2"},
    "raw_head": {**_BASE, "bold": True, "bottom": 1},
    "cell": _GRID,
    "wrap": {**_GRID, "text_wrap": True, "valign": "top"},
    "center": {**_GRID, "align": "center"},
    "right": {**_GRID, "align": "right"},
    "int": {**_GRID, "num_format": "#,##0"},
    "datetime": {**_BASE, "num_format": "yyyy-mm-dd hh:mm:ss"},
    "link": {**_GRID, "font_color": "#0000FF", "underline": 1},
}
"""Formats by name; `number_format` adds those that depend on the value."""


class Book:
    """The open workbook with its formats. Sheets appear in the file in the order in which they are opened."""

    def __init__(self, book: xlsxwriter.Workbook, *, footer: str) -> None:
        """Make the formats; `footer` stands at the left of every printed page."""
        self.book = book
        self._footer = footer.replace("&", "&&")
        self._formats = {name: book.add_format(properties) for name, properties in FORMATS.items()}

    def format(self, name: str) -> Any:
        """Return a format by its name, or by a number format such as "0.0"."""
        if name not in self._formats:
            self._formats[name] = self.book.add_format({**_GRID, "num_format": name})
        return self._formats[name]

    def rule(self, **properties: Any) -> Any:
        """Return a format for a conditional rule, which only changes what it names."""
        return self.book.add_format(properties)

    def open(self, name: str, *, widths: Sequence[float], landscape: bool = True) -> Sheet:
        """Add a sheet that prints on A4, one page wide."""
        worksheet = self.book.add_worksheet(name)
        for column, width in enumerate(widths):
            worksheet.set_column(column, column, width)
        worksheet.set_paper(9)  # A4
        if landscape:
            worksheet.set_landscape()
        worksheet.fit_to_pages(1, 0)
        worksheet.set_margins(left=0.5, right=0.5, top=0.7, bottom=0.7)
        worksheet.set_header("&R&9&A")
        worksheet.set_footer(f"&L&9{self._footer}&R&9&P / &N")
        return Sheet(self, worksheet)


class Sheet:
    """A worksheet that is written row by row."""

    def __init__(self, book: Book, worksheet: Worksheet) -> None:
        """Start at the first row."""
        self.book = book
        self.worksheet = worksheet
        self.row = 0

    @property
    def name(self) -> str:
        """The name on the sheet's tab."""
        return str(self.worksheet.get_name())

    def line(self, cells: Sequence[Cell], formats: Sequence[str] | str = "cell", *, height: float | None = None) -> int:
        """Write one row and return its index. None leaves an empty cell that keeps its border."""
        names = [formats] * len(cells) if isinstance(formats, str) else formats
        if height is not None:
            self.worksheet.set_row(self.row, height)
        for column, (cell, name) in enumerate(zip(cells, names, strict=True)):
            put(self.worksheet, self.row, column, cell, self.book.format(name))
        self.row += 1
        return self.row - 1

    def skip(self, rows: int = 1) -> None:
        """Leave rows empty."""
        self.row += rows

    def merge(self, row: int, first: int, last: int, cell: Cell, name: str) -> None:
        """Let one cell of the row just written spread over the columns `first` to `last`."""
        self.worksheet.merge_range(row, first, row, last, "", self.book.format(name))
        put(self.worksheet, row, first, cell, self.book.format(name))

    def head(self, cells: Sequence[str], *, height: float = 26) -> int:
        """Write the header row of a table, keep it in view, and repeat it on every printed page."""
        index = self.line(cells, "head", height=height)
        self.worksheet.freeze_panes(index + 1, 0)
        self.worksheet.repeat_rows(index)
        return index


def put(worksheet: Worksheet, row: int, column: int, cell: Cell, cell_format: Any = None) -> None:
    """Write one cell by the type of its value."""
    if cell is None:
        if cell_format is not None:
            worksheet.write_blank(row, column, None, cell_format)
    elif isinstance(cell, bool):
        worksheet.write_boolean(row, column, cell, cell_format)
    elif isinstance(cell, str):
        worksheet.write_string(row, column, fit_text(cell), cell_format)
    elif isinstance(cell, int) and abs(cell) >= _MAX_DIGITS:
        worksheet.write_string(row, column, str(cell), cell_format)
    else:
        worksheet.write_number(row, column, cell, cell_format)


def scaled(value: float | None, factor: float) -> float | None:
    """Return a value in its printed unit, without the digits that only binary arithmetic adds (99.99900000000001)."""
    return None if value is None else float(f"{value * factor:.12g}")


def exact_format(value: float) -> str:
    """Return the number format that shows every digit of a stated value: a limit of 99.999 must not read 100.00."""
    decimals = len(f"{value:.12f}".rstrip("0").partition(".")[2])
    return f"#,##0.{'0' * decimals}" if decimals else "#,##0"


def fit_text(text: str) -> str:
    """Return `text` as far as a cell holds it, with a mark where it was cut."""
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - len(_CUT)] + _CUT


def number_format(values: Sequence[float | None], unit: str, *, n: int | None = None) -> str:
    """Return the number format in which a row of values of one unit is printed.

    One decimal for ms and dBm, three significant digits for rates, by the habit of Japanese reports; more where the
    value would otherwise read 0.0. Percentages get the decimals that n resolves (RFC 2330 11.3: below 1/n there is
    nothing to see).
    """
    largest = max((abs(value) for value in values if value is not None), default=0.0)
    if unit == "%":
        decimals = 2 if not n else min(max(len(str(n)) - 2, 1), 6)
        return f"0.{'0' * decimals}"
    if unit in {"", "-", "回", "個"} and all(value is None or float(value).is_integer() for value in values):
        return "#,##0"
    if unit.endswith("bps"):
        return "#,##0" if largest >= 100 else "0.0" if largest >= 10 else "0.00"  # noqa: PLR2004 - digits
    return "#,##0.0" if largest >= 1 or largest == 0 else "0.000" if largest >= 0.01 else "0.00000"  # noqa: PLR2004
