"""The shape of one entry of the stream table: what a column is, and what it may hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["i2", "i4", "i8", "f4", "f8", "bool", "text", "json"]
"""Storage type of a column: signed integers and IEEE floats by their bytes, booleans, text, JSON text."""

Scope = Literal["link", "device"]
"""Whether a sample belongs to one radio link of the device, or to the device as a whole (link name empty)."""

INTEGER_BOUNDS: dict[str, tuple[int, int]] = {
    "i2": (-(2**15), 2**15 - 1),
    "i4": (-(2**31), 2**31 - 1),
    "i8": (-(2**63), 2**63 - 1),
}
NUMERIC_KINDS = frozenset({"i2", "i4", "i8", "f4", "f8"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a stream.

    `unit` is a UCUM code ("1" for ratios and counts, "" for text). `low` and `high` are inclusive bounds, and `source`
    says where they come from: a clause, or "physics", or "storage" where only the type limits the value. `choices`
    closes a text column. A column that came after contract revision 1 is nullable or has a `default`: that is the
    whole evolution rule, since a payload of an older collector does not carry it.
    """

    name: str
    kind: Kind
    unit: str
    ja: str
    en: str
    low: float | None = None
    high: float | None = None
    source: str = ""
    nullable: bool = True
    choices: tuple[str, ...] = ()
    default: float | str | bool | None = None
    since: int = 1

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """Inclusive bounds (low, high): the stated range, else what the integer type can hold, else open."""
        type_low, type_high = INTEGER_BOUNDS.get(self.kind, (None, None))
        return (
            self.low if self.low is not None else type_low,
            self.high if self.high is not None else type_high,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One stream: a table of the database, a last topic level, a worksheet of the export."""

    name: str
    scope: Scope
    ja: str
    en: str
    columns: tuple[Column, ...]
    since: int = 1

    def column(self, name: str) -> Column:
        """Return the column called `name`; raise KeyError if the stream has none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of all columns, without the time column `t`, which every stream has."""
        return tuple(column.name for column in self.columns)
