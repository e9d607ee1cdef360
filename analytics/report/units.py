"""How units and column names stand on paper.

The contract states units as UCUM codes; reports print the customary signs. Only characters of JIS X 0208 are used,
so that a file survives the conversion to Shift_JIS that some offices still ask for (and holds no 機種依存文字).
"""

from __future__ import annotations

from typing import Literal

from contract.columns import Column

Header = Literal["name", "ja", "en"]
"""What a header row is made of: the contract's column names, or the Japanese or English labels with their units."""

_PAPER_JA = {
    "1": "-",
    # The Greek letter: the micro sign U+00B5 looks the same and does not exist in Shift_JIS.
    "us": "μs",
    "dB[mW]": "dBm",
    "[ppm]": "ppm",
    "Cel": "℃",
    "deg": "度",
    "1/s": "fps",
}
_PAPER_EN = {**_PAPER_JA, "us": "us", "Cel": "degC", "deg": "deg"}


def column_unit(column: Column, *, english: bool = False) -> str:
    """Return a column's unit as it is printed; "-" for dimensionless, "" for text."""
    if column.unit == "1" and column.name.endswith("bytes"):
        return "B" if english else "バイト"  # the contract counts bytes as a number of things
    return (_PAPER_EN if english else _PAPER_JA).get(column.unit, column.unit)


def column_heading(column: Column, header: Header) -> str:
    """Return the heading of one column, unit included: "rtt_us", "往復遅延[μs]" or "Round-trip delay ... [us]"."""
    if header == "name":
        return column.name
    label, unit = (column.ja, column_unit(column)) if header == "ja" else (column.en, column_unit(column, english=True))
    return f"{label}[{unit}]" if unit else label
