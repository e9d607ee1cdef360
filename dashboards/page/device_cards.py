"""The strip of devices: a card each, changed in place so that nothing flickers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nicegui import ui

from dashboards.page.texts import Language, text

_STATES = ("online", "offline", "lost")
_MINUTE_S, _HOUR_S = 60, 3600
_MILLISECOND_US = 1000


class DeviceCards:
    """The devices with their state, the age of their data, what is left in their outbox, and their clock."""

    def __init__(self, language: Language) -> None:
        """Lay the empty strip out in the current slot."""
        self.language = language
        self._cards: dict[tuple[str, str], tuple[ui.column, ui.label, ui.label]] = {}
        self._names: list[tuple[str, str]] | None = None
        with ui.row().classes("w-full panel items-center").style("gap: 6px 18px"):
            ui.label(text(language, "devices")).classes("panel-title")
            self._none = ui.label(text(language, "no_devices")).classes("small")
            self._row = ui.row().classes("items-center").style("gap: 6px 18px")

    def show(self, devices: Sequence[dict[str, Any]]) -> None:
        """Show rows of `queries.devices`; cards are made anew only where the devices are others than before."""
        rows = {(device["site"], device["device"]): device for device in devices}
        names = sorted(rows)
        if names != self._names:
            self._build(names)
        several = len({site for site, _ in names}) > 1
        for name, device in rows.items():
            card, title, facts = self._cards[name]
            state = device["state"] if device["state"] in _STATES else "offline"
            card.classes(add=state, remove=" ".join(other for other in _STATES if other != state))
            shown = "/".join(name) if several else name[1]
            # A device that never sent a life sign, as one whose recordings were imported, has no state to show.
            title.set_text(f"{shown}  {text(self.language, state)}" if device["state"] else shown)
            facts.set_text(" · ".join(device_facts(device, self.language)))

    def _build(self, names: list[tuple[str, str]]) -> None:
        self._names = names
        self._none.set_visibility(not names)
        self._row.clear()
        self._cards = {}
        with self._row:
            for name in names:
                with ui.column().classes("device") as card:
                    title = ui.label().classes("text-weight-bold").style("font-size: 13px; white-space: pre")
                    self._cards[name] = (card, title, ui.label().classes("small"))


def device_facts(device: dict[str, Any], language: Language) -> list[str]:
    """Return what is said of one device, a row of `queries.devices`."""
    facts = []
    if device["seen_at"] is not None:
        age_s = (device["now"] - device["seen_at"]).total_seconds()
        facts.append(text(language, "seen", age=age(age_s, language)))
    if device["pending"]:
        facts.append(text(language, "outbox", pending=f"{device['pending']:,}"))
    bound = device["bound_us"]
    known = bound is not None
    facts.append(text(language, "clock_good", bound=_microseconds(bound)) if known else text(language, "clock_unknown"))
    return facts


def age(seconds: float, language: Language) -> str:
    """Return an age as people say it."""
    for unit_s, limit_s, ja, en in ((1, _MINUTE_S, "秒前", "s ago"), (_MINUTE_S, _HOUR_S, "分前", "min ago")):
        if seconds < limit_s:
            return f"{max(seconds, 0) / unit_s:.0f} {ja if language == 'ja' else en}"
    hours = seconds / _HOUR_S
    return f"{hours:.1f} 時間前" if language == "ja" else f"{hours:.1f} h ago"


def _microseconds(bound_us: float) -> str:
    return f"{bound_us / 1000:.3g} ms" if bound_us >= _MILLISECOND_US else f"{bound_us:.0f} µs"
