"""Figures of KPIs as the command line prints them: shares in percent, as everywhere on paper."""

from __future__ import annotations

from typing import Any

from analytics.report.words import in_percent
from jissho.output import interval_text

_ALL = 100.0


def shown_value(figure: Any, value: float | None, form: str = ".5g") -> str | None:
    """Return a value of a figure beside its unit; never 100 % for what is not quite all of it."""
    if value is None:
        return None
    shown = in_percent(figure, value)
    text = f"{shown:{form}}"
    return f"{shown:.9g}" if shown < _ALL and float(text) == _ALL else text


def shown_interval(figure: Any, form: str = ".5g") -> str:
    """Return the interval of a figure beside its unit."""
    low, high = (None if end is None else in_percent(figure, end) for end in (figure.ci_low, figure.ci_high))
    return interval_text(low, high, form)
