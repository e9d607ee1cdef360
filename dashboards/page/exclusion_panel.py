"""The intervals that a run's figures leave out: which, why, who decided, and whether the decision holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nicegui import ui

from dashboards.page.tables import table_column
from dashboards.page.texts import Language, text
from dashboards.page.times import jst, span_jst
from storage.exclusions import Exclusion

_COLUMNS = (
    ("state", "col_state", "center"),
    ("number", "col_number", "right"),
    ("link", "col_link", "left"),
    ("interval", "col_excluded", "left"),
    ("length", "col_length", "right"),
    ("reason", "col_reason", "left"),
    ("decided", "col_decided", "left"),
    ("revoked", "col_revoked", "left"),
)
_WRAPPED = {"reason", "decided", "revoked"}


class ExclusionPanel:
    """The exclusions of the run that is shown, those taken back too; of no run, nothing."""

    def __init__(self, language: Language) -> None:
        """Lay it out, hidden, in the current slot."""
        self.language = language
        with ui.column().classes("panel w-full listing") as self._panel:
            with ui.row().classes("w-full items-center").style("gap: 2px 14px"):
                ui.label(text(language, "exclusions")).classes("panel-title")
                self._counts = ui.label().classes("small text-weight-bold")
                self._words = ui.label().classes("small")
            self._table = ui.table(columns=exclusion_columns(language), rows=[], row_key="number", pagination=0)
            self._table.classes("w-full").props('dense flat hide-bottom separator="horizontal"')
        self._panel.set_visibility(False)

    def show(self, exclusions: Sequence[Exclusion] | None) -> None:
        """Show the exclusions of a run; None where no run is shown."""
        self._panel.set_visibility(exclusions is not None)
        exclusions = exclusions or []
        rows = exclusion_rows(exclusions, self.language)
        self._counts.set_text(exclusion_counts(exclusions, self.language))
        self._counts.set_visibility(bool(rows))
        self._words.set_text(exclusion_rule(exclusions, self.language))
        self._table.set_visibility(bool(rows))
        if rows != self._table.rows:
            self._table.rows = rows


def exclusion_columns(language: Language) -> list[dict[str, Any]]:
    """Return the columns of the table."""
    return [
        table_column(language, name, label, align, is_wrapped=name in _WRAPPED,
                     class_field="state_class" if name == "state" else "row_class")
        for name, label, align in _COLUMNS
    ]  # fmt: skip


def exclusion_rows(exclusions: Sequence[Exclusion], language: Language) -> list[dict[str, Any]]:
    """Return one row an exclusion, in the order given; `number` is the one that `jissho exclusion revoke` takes."""
    return [_row(each, language) for each in exclusions]


def exclusion_counts(exclusions: Sequence[Exclusion], language: Language) -> str:
    """Return how many hold and how many were taken back, or "" where there are none."""
    revoked = sum(each.revoked_at is not None for each in exclusions)
    holding = len(exclusions) - revoked
    return text(language, "exclusion_counts", holding=holding, revoked=revoked) if exclusions else ""


def exclusion_rule(exclusions: Sequence[Exclusion], language: Language) -> str:
    """Return what the exclusions mean for the figures; also where none holds, so that silence is never the answer."""
    return text(language, "exclusion_rule" if any(each.revoked_at is None for each in exclusions) else "no_exclusions")


def _row(each: Exclusion, language: Language) -> dict[str, Any]:
    seconds = (each.ended_at - each.started_at).total_seconds()
    revoked: list[str] = []
    if each.revoked_at is not None:
        revoked = [each.revoked_by or "", jst(each.revoked_at), each.revoke_reason or ""]
    return {
        "state": text(language, "revoked" if revoked else "in_force"),
        "state_class": "revoked" if revoked else "in-force",
        "row_class": "revoked" if revoked else "",
        "number": each.exclusion_id,
        "link": each.link or text(language, "all_links"),
        "interval": span_jst(each.started_at, each.ended_at),
        "length": f"{seconds:,.3f}".rstrip("0").rstrip(".") + " s",
        "reason": each.reason,
        "decided": f"{each.excluded_by}\n{jst(each.excluded_at)}",
        "revoked": "\n".join(filter(None, revoked)) or "–",
    }
