"""The KPIs of what is shown: verdicts, period, completeness, exports, and one row each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import quote

from nicegui import ui

from analytics.requirements import RequirementError, load_requirements
from analytics.results import KpiResult
from dashboards.page.kpi_table import shown_words, sources, table_columns, table_rows, verdict_counts
from dashboards.page.texts import TEXTS, Language, text
from dashboards.page.times import jst
from storage.completeness import Completeness
from storage.runs import RunRecord


class KpiPanel:
    """The table of KPIs and what is said above and below it."""

    def __init__(self, language: Language, profile: str | None, message: str) -> None:
        """Lay it out in the current slot; `message` stands where there are no rows."""
        self.language = language
        self._results: Sequence[KpiResult] = []
        with ui.column().classes("panel w-full listing"):
            with ui.row().classes("w-full items-center").style("gap: 2px 14px"):
                ui.label(self._say("kpi")).classes("panel-title")
                self._counts = ui.label().classes("small text-weight-bold")
                self._period = ui.label().classes("small")
                ui.space()
                self._completeness = ui.label().classes("small text-weight-bold")
                with ui.row().style("gap: 10px") as self._exports:
                    self._workbook = ui.link(self._say("export_xlsx")).classes("small")
                    self._raw = ui.link(self._say("export_csv")).classes("small")
                self._shown = ui.label().classes("small")
                self._everything = ui.checkbox(self._say("everything"), on_change=self._fill)
                self._everything.props("dense size=xs").classes("small")
            self._conditions = ui.label().classes("small")
            self._table = ui.table(columns=table_columns(language), rows=[], row_key="id", pagination=0)
            self._table.classes("w-full").props('dense flat hide-bottom separator="horizontal"')
            self._empty = ui.label(message).classes("small q-pa-md")
            ui.label(self._say("verdict_rule")).classes("small")
            ui.label(_limits(profile, language)).classes("small")
            self._sources = ui.label().classes("small")

    def _say(self, key: str, **values: object) -> str:
        return text(self.language, key, **values)

    def lead_to(self, run_name: str) -> None:
        """Make the exports those of a run; live data have none."""
        name = quote(run_name, safe="")
        self.show_exports(bool(run_name))
        self._workbook.props(f'href="/v1/runs/{name}/export.xlsx"')
        self._raw.props(f'href="/v1/runs/{name}/export.csv?stream=probe"')

    def show_exports(self, is_shown: bool) -> None:
        """Show or hide the exports."""
        self._exports.set_visibility(is_shown)

    def show(self, results: Sequence[KpiResult], message: str) -> None:
        """Show the results, or the message where there are none."""
        self._results = results
        self._empty.set_text(message)
        found = sources(results)
        self._sources.set_text(self._say("sources", sources="; ".join(found)) if found else "")
        self._counts.set_text(verdict_counts(results, self.language))
        self._fill()

    def _fill(self) -> None:
        everything = bool(self._everything.value)
        rows = table_rows(self._results, self.language, everything=everything)
        self._shown.set_text(shown_words(len(rows), len(self._results), self.language, everything=everything))
        self._table.set_visibility(bool(rows))
        self._empty.set_visibility(not rows)
        if rows != self._table.rows:
            self._table.rows = rows

    def show_period(self, run: RunRecord | None) -> None:
        """Say which time the results are of, and what is written of the run."""
        words = ""
        if run is not None:
            words = self._say("kpi_period", start=jst(run.started_at), end=jst(run.ended_at or datetime.now(tz=UTC)))
        self._period.set_text(words)
        facts = [] if run is None else [run.purpose, run.weather, run.note, *run.tags]
        self._conditions.set_text(" · ".join(filter(None, facts)))
        self._conditions.set_visibility(any(facts))

    def show_completeness(self, found: Completeness | None) -> None:
        """Say how much of the run is in the database; nothing where that is not known."""
        if found is None or found.ratio is None:
            self._completeness.set_text("")
            return
        # Cut, not rounded: 100 % stands only where nothing is missing.
        parts = [f"{self._say('completeness')} {int(found.ratio * 10_000) / 100:.2f} %"]
        parts.append(self._say("taken", taken=f"{found.taken:,}", committed=f"{found.committed:,}"))
        counts = {"missing": found.missing, "quarantined": found.quarantined, "pending": found.pending}
        counts["deleted"] = found.deleted
        parts += [self._say(key, **{key: f"{count:,}"}) for key, count in counts.items() if count]
        self._completeness.set_text(" · ".join(parts))


def _limits(profile: str | None, language: Language) -> str:
    """Return which limits the verdicts rest on, and whether somebody has confirmed them."""
    try:
        found = load_requirements(profile)
    except RequirementError as error:
        return str(error)
    if not found.requirement:
        return text(language, "no_limits")
    name = found.ja if language == "ja" else found.en
    status = text(language, found.status) if found.status in TEXTS else found.status
    return text(language, "limits_status" if status else "limits", name=name, status=status)
