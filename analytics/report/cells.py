"""Raw chunks to cell values: the one place that decides what a stored value looks like in a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analytics.report.jst import iso_texts
from analytics.report.model import Chunk, RawStream
from analytics.report.units import Header, column_heading
from contract.columns import Column

Cell = float | int | str | bool | None

_LEADING: dict[Header, tuple[str, str, str]] = {
    "name": ("t_jst", "device", "link"),
    "ja": ("時刻(JST)", "測定端末", "回線"),
    "en": ("Time (JST)", "Device", "Link"),
}


def headings(raw: RawStream, header: Header) -> list[str]:
    """Return the header row of a raw series: time, device and link, then the stream's columns."""
    return [*_LEADING[header], *(column_heading(column, header) for column in raw.stream.columns)]


def cell_columns(raw: RawStream) -> Iterator[list[Sequence[Cell]]]:
    """Yield each chunk as lists of cells, one list a column, in the order of `headings`. Null is None."""
    for chunk in raw.chunks:
        sources = [raw.links[link_id] for link_id in chunk["link_id"].values.tolist()]
        yield [
            iso_texts(chunk["t_us"].values),
            [device for device, _ in sources],
            [link for _, link in sources],
            *(_cells(column, chunk) for column in raw.stream.columns),
        ]


def _cells(column: Column, chunk: Chunk) -> list[Cell]:
    source = chunk[column.name]
    cells: list[Cell]
    if column.kind == "f4":
        # Through text: the nearest double of a 4-byte -95.3 prints as -95.30000305175781.
        cells = [float(text) for text in source.values.astype("U").tolist()]
    else:
        cells = source.values.tolist()
    if source.valid is not None:
        for row in (~source.valid).nonzero()[0].tolist():
            cells[row] = None
    return cells
