"""The outages of what is shown: one row each, with place, radio and vehicle just before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nicegui import ui

from analytics.outage_rows import OutageColumn, OutageList, columns_of, rows_of
from dashboards.page.tables import table_column
from dashboards.page.texts import Language, text

SHOWN = 200
"""Rows of the table, the longest outages: a browser draws them every time they change. The API gives all."""

_NUMBERS = ("duration_s", "lat_deg", "lon_deg", "road_m", "speed_mps", "rsrp_dbm", "rsrq_db", "sinr_db")


class OutagePanel:
    """The outages of every link; where none was observed, the words that say so."""

    def __init__(self, language: Language) -> None:
        """Lay it out, hidden, in the current slot."""
        self.language = language
        with ui.column().classes("panel w-full listing") as self._panel:
            with ui.row().classes("w-full items-center").style("gap: 2px 14px"):
                ui.label(text(language, "outages")).classes("panel-title")
                self._counts = ui.label().classes("small text-weight-bold")
                ui.label(text(language, "outage_rule")).classes("small")
            self._sums = ui.label().classes("small")
            self._table = ui.table(columns=outage_columns(language), rows=[], row_key="id", pagination=0)
            self._table.classes("w-full").props('dense flat hide-bottom separator="horizontal"')
        self._panel.set_visibility(False)

    def show(self, lists: Sequence[OutageList] | str | None) -> None:
        """Show the outages, or why they cannot be told; nothing before they are known, or where nothing was sent."""
        self._panel.set_visibility(bool(lists))
        if not lists:
            return
        if isinstance(lists, str):
            self._counts.set_text("")
            self._sums.set_text(text(self.language, "outages_failed", reason=lists))
            rows: list[dict[str, Any]] = []
        else:
            self._counts.set_text(outage_counts(lists, self.language))
            self._sums.set_text(outage_sums(lists, self.language))
            rows = outage_rows(lists, self.language)
        self._table.set_visibility(bool(rows))
        if rows != self._table.rows:
            self._table.rows = rows


def outage_columns(language: Language) -> list[dict[str, Any]]:
    """Return the columns of the table: those of `analytics.outage_rows` that a screen has room for."""
    return [_column(column, language) for column in columns_of("page")]


def _column(column: OutageColumn, language: Language) -> dict[str, Any]:
    align = "right" if column.name in _NUMBERS else "left"
    made = table_column(language, column.name, "outages", align, is_wrapped=column.is_wrapped)
    return {**made, "label": column.heading(language)}


def outage_rows(lists: Sequence[OutageList], language: Language) -> list[dict[str, Any]]:
    """Return one row an outage in the order of time; of more than 200 the longest."""
    rows = rows_of(lists)
    if len(rows) > SHOWN:
        least_s = sorted(row.duration_s for row in rows)[-SHOWN]
        rows = [row for row in rows if row.duration_s >= least_s][:SHOWN]
    return [
        {"id": number, **{column.name: column.text(row, language) for column in columns_of("page")}}
        for number, row in enumerate(rows, start=1)
    ]


def outage_counts(lists: Sequence[OutageList], language: Language) -> str:
    """Return how many outages there are, and whether the table shows all of them; that there is none, in words."""
    count = sum(each.count for each in lists)
    if not count:
        return text(language, "no_outages" if any(each.observed_s for each in lists) else "outages_unobserved")
    key = "outage_counts" if count <= SHOWN else "outage_counts_more"
    return text(language, key, count=f"{count:,}", shown=SHOWN)


def outage_sums(lists: Sequence[OutageList], language: Language) -> str:
    """Return observed time and outages of each link."""
    is_one_device = len({each.device for each in lists}) == 1
    parts = []
    for each in lists:
        name = each.link if is_one_device else f"{each.device}/{each.link}"
        values = {"link": name, "direction": text(language, each.direction), "count": f"{each.count:,}"}
        values |= {"total": f"{each.total_s:,.1f}", "observed": f"{each.observed_s:,.0f}"}
        key = "outage_sum" if each.observed_s else "outage_sum_unobserved"
        notes = [_in(language, part) for part in (each.reason, each.excluded, each.filter) if part]
        parts.append(" ".join([text(language, key, **values), *(f"({note})" for note in notes)]))
    return " · ".join(parts)


def _in(language: Language, words: str) -> str:
    """Return the Japanese or the English half of "日本語 / English"."""
    ja, _, en = words.partition(" / ")
    return ja if language == "ja" or not en else en
