"""Samples on the edge: the check that every source's output passes before it may enter a batch."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from contract.columns import Column
from contract.streams import STREAMS

Value = int | float | str | bool | None
Sample = Mapping[str, Value]
"""One measurement: column name to value. The time is not in it; it travels beside it as `t_ns`."""


def _fault(column: Column, value: Value) -> str | None:  # noqa: PLR0911 - one return for each rule reads best
    if value is None:
        return None if column.nullable else "must not be null"
    if column.kind in {"text", "json"}:
        return _text_fault(column, value)
    if column.kind == "bool":
        return None if isinstance(value, bool) else f"must be true or false, not {value!r}"
    if isinstance(value, bool | str):
        return f"must be a number, not {value!r}"
    if isinstance(value, float) and not math.isfinite(value):
        return f"must be finite, not {value!r}"
    if column.kind.startswith("i") and not isinstance(value, int):
        return f"must be a whole number, not {value!r}"
    low, high = column.bounds
    # Compared as they are: a float would lose the last digits of an 8-byte integer, and overflow beyond that.
    if (low is not None and value < low) or (high is not None and value > high):
        return f"{value!r} is outside {low} .. {high} {column.unit} ({column.source})"
    return None


def _text_fault(column: Column, value: Value) -> str | None:
    if not isinstance(value, str):
        return f"must be text, not {type(value).__name__}"
    if "\0" in value:
        return "must not hold a NUL character"
    if column.kind == "json":
        # What the database's jsonb does not take would send the whole batch to quarantine.
        try:
            msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError) as error:
            return f"must be JSON: {error}"
        if "\\u0000" in value:
            return "must not hold a NUL character"
    return None if not column.choices or value in column.choices else f"must be one of {', '.join(column.choices)}"


def sample_faults(stream_name: str, sample: Sample) -> list[str]:
    """Return what is wrong with `sample`, one sentence a column; an empty list if it may enter a batch."""
    stream = STREAMS[stream_name]
    known = {column.name for column in stream.columns}
    faults = [f"{name} is not a column of {stream_name}" for name in sample if name not in known]
    for column in stream.columns:
        if column.name not in sample:
            if not column.nullable and column.default is None:
                faults.append(f"{column.name} is missing")
            continue
        if (fault := _fault(column, sample[column.name])) is not None:
            faults.append(f"{column.name} {fault}")
    return faults
