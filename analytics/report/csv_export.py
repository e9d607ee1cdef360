"""Raw series as CSV: UTF-8 with BOM and CRLF, since that is what opens unbroken in a Japanese Excel.

One header row and one value a cell, numbers as numbers, empty where nothing was measured (MIC's rules for
machine-readable tables, 2020-12-18). The header is by default the contract's column names: they carry their unit
(`rtt_us`), they are the words of the database and the API, and they never change, so that files of different
versions can be joined. A second row with units was rejected, for every reader would take it for data; a file for
the annex of a report gets 「往復遅延[μs]」 in its one header row with `header="ja"`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analytics.report.cells import Cell, cell_columns, headings
from analytics.report.model import RawStream
from analytics.report.units import Header

BOM = b"\xef\xbb\xbf"
_NEEDS_QUOTES = frozenset('",\r\n')
_STARTS_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_bytes(raw: RawStream, *, header: Header = "name") -> Iterator[bytes]:
    """Yield the file piece by piece: BOM and header row, then one piece a chunk."""
    yield BOM + _line([_text(heading) for heading in headings(raw, header)])
    text = {index for index, column in enumerate(raw.stream.columns, start=3) if column.kind in {"text", "json"}}
    for columns in cell_columns(raw):
        texts = [
            [_text(cell) for cell in cells] if index in text else _plain(cells) for index, cells in enumerate(columns)
        ]
        yield "".join(f"{','.join(row)}\r\n" for row in zip(*texts, strict=True)).encode()


def _line(texts: Sequence[str]) -> bytes:
    return f"{','.join(texts)}\r\n".encode()


def _plain(cells: Sequence[Cell]) -> list[str]:
    if cells and isinstance(next((cell for cell in cells if cell is not None), None), bool):
        return ["" if cell is None else "true" if cell else "false" for cell in cells]
    return ["" if cell is None else str(cell) for cell in cells]


def _text(cell: Cell) -> str:
    """Quote where needed. A text that Excel would run as a formula gets a leading apostrophe: it came from outside."""
    if cell is None:
        return ""
    text = str(cell)
    if text.startswith(_STARTS_FORMULA) and not _is_number(text):
        text = f"'{text}"
    if _NEEDS_QUOTES.isdisjoint(text):
        return text
    return f'"{text.replace(chr(34), chr(34) * 2)}"'


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
