"""One cell of a table to one value of a contract column, compiled once per column of a profile.

A value that cannot become what the column holds is passed on as it is: `contract.samples.sample_faults` then says
what is wrong with it, so that there is one place that judges.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Any

from contract.columns import NUMERIC_KINDS, Column
from contract.recording.errors import ProfileError
from contract.recording.profile import DEFAULT_NULLS, ColumnRule
from contract.recording.times import decimal_of
from contract.recording.units import IDENTITY, Linear, conversion
from contract.samples import Value

_MOST_DIGITS = 40
"""More than any column holds, and what the unit table computes with."""

ReadCell = Callable[[Any], Value]
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def cell_reader(column: Column, rule: ColumnRule) -> ReadCell:
    """Return the function that reads the cells of `column`; raises ProfileError for units that do not convert."""
    nulls = frozenset(marker.casefold() for marker in (*DEFAULT_NULLS, *rule.null))
    null_numbers = frozenset(map(float, filter(_is_number, rule.null)))
    linear = _linear(column, rule)
    if column.kind in NUMERIC_KINDS:
        read = _number_reader(column, linear)
    else:
        if not linear.is_identity or rule.unit:
            raise ProfileError(f"a column of kind {column.kind} has no unit, factor or offset")
        read = _boolean if column.kind == "bool" else _text
    values = rule.values

    def read_cell(raw: Any) -> Value:
        if raw is None or raw != raw:  # noqa: PLR0124 - NaN, which tables of numbers have for "nothing measured"
            return None
        if isinstance(raw, str):
            raw = raw.strip()
            if raw.casefold() in nulls and raw not in values:
                return None
        elif raw in null_numbers and not isinstance(raw, bool):  # Parquet and JSON have numbers where CSV has text
            return None
        if values and (mapped := values.get(str(raw))) is not None:
            return mapped
        return read(raw)

    return read_cell


def _linear(column: Column, rule: ColumnRule) -> Linear:
    own = Linear(Fraction(repr(rule.factor)), Fraction(repr(rule.offset)))
    return (conversion(rule.unit, column.unit) if rule.unit else IDENTITY).after(own)


def _number_reader(column: Column, linear: Linear) -> ReadCell:
    is_integer = column.kind.startswith("i")
    # A measured quantity is rounded to the column's resolution; a count that is not whole is a wrong column.
    is_identity = linear.is_identity
    rounds = column.unit not in {"1", ""} or not is_identity

    def read(raw: Any) -> Value:
        if isinstance(raw, int) and is_identity:
            return raw
        try:
            number = decimal_of(raw)
        except ValueError:
            return raw if isinstance(raw, bool) else str(raw)
        if not number.is_finite():
            return float("nan") if number.is_nan() else float(number)
        if number.adjusted() > _MOST_DIGITS:  # "1e999999" as an integer would have a million digits
            return float(number)
        if not is_identity:
            number = linear(number)
        if is_integer:
            whole = number.to_integral_value(ROUND_HALF_EVEN)
            return int(whole) if rounds or whole == number else float(number)
        return float(number)

    return read


def _is_number(text: str) -> bool:
    try:
        return decimal_of(text).is_finite()
    except ValueError:
        return False


def _boolean(raw: Any) -> Value:
    if isinstance(raw, bool):
        return raw
    return _BOOLEANS.get(str(raw).casefold(), str(raw))


def _text(raw: Any) -> Value:
    return format(raw, "f") if isinstance(raw, Decimal) else str(raw)
