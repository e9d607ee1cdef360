"""KPI results as rows of the page's table. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from analytics.definitions import BY_ID, is_share
from analytics.main_figures import asked_first, main_figures
from analytics.report.words import shown_unit, statistic_word
from analytics.results import MET, MISSED, REFERENCE_ONLY, UNDECIDED, KpiResult
from dashboards.page.tables import table_column
from dashboards.page.texts import Language, text

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


_WRAPPED = {"kpi", "definition", "note"}

_VERDICT_CLASS: dict[str, str] = {
    MET: "verdict verdict-met",
    MISSED: "verdict verdict-missed",
    UNDECIDED: "verdict verdict-undecided",
}
_LIMIT_SIGN = {"smaller": "≤", "larger": "≥"}


def table_columns(language: Language) -> list[dict[str, Any]]:
    """Return the columns of the table."""
    return [
        table_column(language, name, label, align, is_wrapped=name in _WRAPPED, is_sortable=name in {"link", "kpi"},
                     class_field="verdict_class" if name == "verdict" else "")
        for name, label, align in _COLUMNS
    ]  # fmt: skip


def table_rows(results: Sequence[KpiResult], language: Language, *, everything: bool = False) -> list[dict[str, Any]]:
    """Return one row a main result, or a result; those that are required come first, as an evaluator reads them.

    Where several devices measured, the link is named "device/link".
    """
    asked, others = asked_first(results if everything else main_figures(results))
    several = len({result.device for result in results if result.device}) > 1
    return [_row(number, result, language, several=several) for number, result in enumerate([*asked, *others])]


def verdict_counts(results: Sequence[KpiResult], language: Language) -> str:
    """Return how many results met, missed and could not be decided, or "" where nothing was judged."""
    counts = {word: sum(result.verdict == word for result in results) for word in (MET, MISSED, UNDECIDED)}
    if not any(counts.values()):
        return ""
    return " · ".join(f"{text(language, word)} {count}" for word, count in counts.items())


def shown_words(shown: int, count: int, language: Language, *, everything: bool) -> str:
    """Say how many of the results are shown, so that nobody takes the main ones for all; "" where there are none."""
    if not count:
        return ""
    return text(language, "all_shown" if everything else "main_shown", shown=shown, count=count)


def sources(results: Sequence[KpiResult]) -> list[str]:
    """Return where the required values come from (出典), each once."""
    return list(dict.fromkeys(result.required_source for result in results if result.required_source))


def _row(number: int, result: KpiResult, language: Language, *, several: bool) -> dict[str, Any]:
    scale = 100.0 if is_share(result.id, result.unit, result.statistic) else 1.0
    unit = shown_unit(result.id, result.unit, result.statistic)
    note = in_language(result.reason, language)
    if result.needed_n is not None:
        more = text(language, "more_samples", count=f"{result.needed_n:,}")
        note = f"{note}; {more}" if note else more
    return {
        "id": number,
        "verdict": text(language, result.verdict) if result.verdict else "",
        "verdict_class": _VERDICT_CLASS.get(result.verdict or "", ""),
        "link": f"{result.device}/{result.link}" if several and result.device else result.link,
        "kpi": f"{result.name_ja if language == 'ja' else result.name_en} {result.variant}".rstrip(),
        "direction": text(language, result.direction) if result.direction else "",
        "statistic": _statistic(result.statistic, language),
        "value": "–" if result.value is None else f"{_number(result.value * scale)} {unit}".strip(),
        "interval": _interval(result, scale),
        "required": _required(result, scale, unit),
        "n": f"{result.n:,}",
        "definition": result.definition.split("; jissho")[0],
        "note": note,
    }


def _statistic(statistic: str, language: Language) -> str:
    """Return the word of a statistic; a ratio is the KPI itself and needs none."""
    if statistic == "ratio":
        return ""
    return statistic_word(statistic) if language == "ja" else statistic


def in_language(reason: str, language: Language) -> str:
    """Return one language of a reason: its parts stand as "Japanese / English", one after the other by ";".

    "参考値: " before a part holds for both languages and is translated.
    """
    words = []
    for part in filter(None, reason.split("; ")):
        ja, _, en = part.partition(" / ")
        is_reference = ja.startswith(f"{REFERENCE_ONLY}: ") and en
        prefix = f"{text(language, 'reference_only')}: " if is_reference and language == "en" else ""
        words.append(ja if language == "ja" else prefix + (en or ja))
    return "; ".join(words)


def _required(result: KpiResult, scale: float, unit: str) -> str:
    if result.required is None:
        return ""
    sign = _LIMIT_SIGN.get(BY_ID[result.id].better, "") if result.id in BY_ID else ""
    return f"{sign} {_number(result.required * scale)} {unit}".strip()


def _interval(result: KpiResult, scale: float) -> str:
    if result.ci_low is None and result.ci_high is None:
        return ""
    low, high = (("…" if end is None else _number(end * scale)) for end in (result.ci_low, result.ci_high))
    return f"{low} – {high}"


def _number(value: float) -> str:
    """Return four significant digits (whole numbers in full), and never 100 for what is not quite all of it."""
    if value.is_integer() or abs(value) >= 1000:  # noqa: PLR2004 - from here on four digits would cut the whole part
        return f"{value:,.0f}"
    rounded = f"{value:.4g}"
    if rounded == "100" and value < 100:  # noqa: PLR2004 - percent
        return f"{math.floor(value * 10_000) / 10_000:.4f}".rstrip("0")
    return rounded if "e" not in rounded else f"{value:.12f}".rstrip("0").rstrip(".")
