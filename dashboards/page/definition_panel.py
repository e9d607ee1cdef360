"""What the figures mean: the rows of the dictionary, with clause, revision and the meaning in both languages."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from nicegui import ui

from analytics.definitions import DEFINITIONS, KpiDefinition
from analytics.report.words import shown_unit
from dashboards.page.tables import table_column
from dashboards.page.texts import Language, text

_COLUMNS = (
    ("kpi", "col_kpi", "left"),
    ("unit", "col_unit", "center"),
    ("better", "col_better", "center"),
    ("directions", "col_direction", "center"),
    ("meaning", "col_meaning", "left"),
    ("needs", "col_needs", "left"),
    ("clause", "col_definition", "left"),
    ("revision", "col_revision", "right"),
    ("id", "col_id", "left"),
)
_WRAPPED = {"kpi", "directions", "meaning", "needs", "clause"}


class DefinitionPanel:
    """The definitions behind what is shown, folded away until somebody asks."""

    def __init__(self, language: Language) -> None:
        """Lay it out, closed, with the whole dictionary."""
        self.language = language
        with ui.expansion(text(language, "definitions")).classes("panel w-full listing").props("dense"):
            self._table = ui.table(
                columns=definition_columns(language), rows=definition_rows((), language), row_key="id", pagination=0
            )
            self._table.classes("w-full").props('dense flat hide-bottom separator="horizontal"')
            with ui.row().classes("items-center").style("gap: 2px 14px"):
                ui.label(text(language, "definition_rule")).classes("small")
                ui.link(text(language, "all_definitions", count=len(DEFINITIONS)), "/v1/definitions").classes("small")

    def show(self, ids: Collection[str]) -> None:
        """Show the definitions of these KPIs, or all where there are none."""
        rows = definition_rows(ids, self.language)
        if rows != self._table.rows:
            self._table.rows = rows


def definition_columns(language: Language) -> list[dict[str, Any]]:
    """Return the columns of the table."""
    return [table_column(language, name, label, align, is_wrapped=name in _WRAPPED) for name, label, align in _COLUMNS]


def definition_rows(ids: Collection[str], language: Language) -> list[dict[str, Any]]:
    """Return the rows of the dictionary for some KPIs, in its order; for none, all of them."""
    return [_row(each, language) for each in DEFINITIONS if not ids or each.id in ids]


def _row(each: KpiDefinition, language: Language) -> dict[str, Any]:
    def both(ja: str, en: str) -> str:
        return f"{ja}\n{en}" if language == "ja" else f"{en}\n{ja}"

    return {
        "kpi": both(each.name_ja, each.name_en),
        "unit": shown_unit(each.id, each.unit, each.statistics[0]) or "–",
        "better": text(language, each.better) if each.better else "–",
        "directions": "\n".join(text(language, direction) for direction in each.directions) or "–",
        "meaning": both(f"{each.meaning_ja}。", each.meaning_en),
        "needs": each.needs_text(language),
        "clause": each.clause,
        "revision": each.revision,
        "id": each.id,
    }
