"""KPI results as rows of the page's table. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analytics.results import KpiResult
from dashboards.page.texts import Language, text

MAIN = {
    "rtt": ("p50", "p95", "p99"),
    "owd": ("p50", "p95", "p99"),
    "loss": ("ratio",),
    "reliability": ("ratio",),
    "availability": ("ratio",),
    "outage": ("count", "max"),
    "absent": ("count",),
}
"""What is shown before anybody asks for more."""

_COLUMNS = (
    ("verdict", "col_verdict", "center"),
    ("link", "col_link", "left"),
    ("kpi", "col_kpi", "left"),
    ("direction", "col_direction", "left"),
    ("statistic", "col_statistic", "left"),
    ("value", "col_value", "right"),
    ("interval", "col_interval", "right"),
    ("required", "col_required", "right"),
    ("n", "col_n", "right"),
    ("definition", "col_definition", "left"),
    ("note", "col_note", "left"),
)


_WRAPPED = {"definition", "note"}


def table_columns(language: Language) -> list[dict[str, Any]]:
    """Return the columns of the table."""
    return [
        {
            "name": name,
            "field": name,
            "label": text(language, label),
            "align": align,
            "sortable": name in {"link", "kpi"},
        }
        for name, label, align in _COLUMNS
    ]


def table_rows(results: Sequence[KpiResult], language: Language, *, everything: bool = False) -> list[dict[str, Any]]:
    """Return one row a result; results with a verdict come first, as an evaluator reads them."""
    chosen = [
        result
        for result in results
        if everything or result.verdict is not None or result.statistic in MAIN.get(result.id, ())
    ]
    chosen.sort(key=lambda result: result.verdict is None)
    return [_row(number, result, language) for number, result in enumerate(chosen)]


def _row(number: int, result: KpiResult, language: Language) -> dict[str, Any]:
    scale, unit = (100.0, "%") if result.statistic == "ratio" else (1.0, "" if result.unit == "1" else result.unit)
    note = in_language(result.reason, language)
    if result.needed_n is not None:
        more = f"あと約 {result.needed_n:,} 標本" if language == "ja" else f"about {result.needed_n:,} more samples"
        note = f"{note}; {more}" if note else more
    return {
        "id": number,
        "verdict": result.verdict or "",
        "link": result.link,
        "kpi": result.name_ja if language == "ja" else result.name_en,
        "direction": text(language, result.direction) if result.direction else "",
        "statistic": "" if result.statistic == "ratio" else result.statistic,
        "value": "–" if result.value is None else f"{_number(result.value * scale)} {unit}".strip(),
        "interval": _interval(result, scale),
        "required": "" if result.required is None else f"{_number(result.required * scale)} {unit}".strip(),
        "n": f"{result.n:,}",
        "definition": result.definition.split("; jissho")[0],
        "note": note,
    }


def in_language(reason: str, language: Language) -> str:
    """Return one language of a reason: its parts stand as "Japanese / English", one after the other by ";"."""
    parts = [part.split(" / ") for part in reason.split("; ") if part]
    return "; ".join(part[0] if language == "ja" else part[-1] for part in parts)


def _interval(result: KpiResult, scale: float) -> str:
    if result.ci_low is None and result.ci_high is None:
        return ""
    low, high = (("…" if end is None else _number(end * scale)) for end in (result.ci_low, result.ci_high))
    return f"{low} – {high}"


def _number(value: float) -> str:
    """Return four significant digits, and never 100 for what is not quite all of it."""
    rounded = f"{value:.4g}"
    return f"{value:.6g}" if rounded == "100" and value < 100 else rounded  # noqa: PLR2004 - percent
