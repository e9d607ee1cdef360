"""What read commands print: a table for people, or with --json one object a line for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from rich.console import Console
from rich.table import Table

JST = ZoneInfo("Asia/Tokyo")
DIRECTIONS = {"up": "上り up", "down": "下り down", "round_trip": "往復 rt", "": ""}
"""Directions of a result in a narrow column."""


def print_json(records: Iterable[Any]) -> None:
    """Print one JSON object a line."""
    for record in records:
        sys.stdout.write(msgspec.json.encode(record).decode() + "\n")


def print_table(title: str, headings: Sequence[str], rows: Iterable[Sequence[Any]], *, note: str = "") -> None:
    """Print a table; None shows as a dash, and columns that hold only numbers are aligned to the right."""
    records = [list(row) for row in rows]
    table = Table(title=title, title_justify="left", caption=note or None, caption_justify="left")
    for index, heading in enumerate(headings):
        values = [row[index] for row in records if row[index] is not None]
        is_number = bool(values) and all(isinstance(value, int | float) for value in values)
        table.add_column(heading, justify="right" if is_number else "left", overflow="fold")
    for row in records:
        table.add_row(*("-" if value is None else text(value) for value in row))
    # A file or a pipe has no width of its own; 150 columns keep the widest table on one line each.
    # Cells are what people and devices wrote: square brackets and colons in them mean themselves.
    width = None if Console().is_terminal else 150
    Console(width=width, markup=False, emoji=False).print(table)


def text(value: Any) -> str:
    """Return a value as people read it: times in JST, numbers without a tail of digits."""
    if isinstance(value, datetime):
        return f"{value.astimezone(JST):%Y-%m-%d %H:%M:%S} JST"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)


def interval_text(low: float | None, high: float | None, form: str = ".5g") -> str:
    """Return an interval as people write it; dots stand for an open side."""
    if low is None and high is None:
        return ""
    return f"{'…' if low is None else f'{low:{form}}'} – {'…' if high is None else f'{high:{form}}'}"
