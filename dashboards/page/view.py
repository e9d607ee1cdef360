"""The page itself: NiceGUI elements that show snapshots, refreshed every second, mounted on the API's app."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import quote

from fastapi import FastAPI
from nicegui import run as workers
from nicegui import ui

from analytics.results import KpiResult
from dashboards.page.box_panel import BoxPanel
from dashboards.page.chart_panels import ChartPanels
from dashboards.page.definition_panel import DefinitionPanel
from dashboards.page.device_cards import DeviceCards
from dashboards.page.exclusion_panel import ExclusionPanel
from dashboards.page.kpi_panel import KpiPanel
from dashboards.page.outage_panel import OutagePanel
from dashboards.page.queries import Picture
from dashboards.page.snapshot import LIVE_MINUTES, Snapshot, Snapshots
from dashboards.page.style import CSS
from dashboards.page.texts import Language, text
from dashboards.page.times import jst
from storage.connect import open_pool

_REFRESH_EVERY_S = 1.0
_KPI_EVERY_S = 10.0


class PageSettings(Protocol):
    """What the page needs of the server's settings."""

    @property
    def database_url(self) -> str:
        """Where the data are."""

    @property
    def profile(self) -> str | None:
        """Requirement profile for the verdicts."""


_mounted: dict[str, Snapshots] = {}
_mounted_pages: set[str] = set()


def mount(app: FastAPI, settings: PageSettings) -> None:
    """Serve the page at / of `app`; routes that the app already has keep their paths.

    NiceGUI has one set of pages a process, so a second call only changes which database is shown.
    """
    pool = getattr(app.state, "pool", None) or open_pool(settings.database_url, name="jissho-page")
    _mounted["snapshots"] = Snapshots(pool, settings.profile)
    if "page" not in _mounted_pages:
        ui.page("/", title="jissho 実証", favicon="📡", language="ja")(_index)
        _mounted_pages.add("page")
    ui.run_with(app, mount_path="/", show_welcome_message=False)


def _index(lang: str = "ja", run: str = "") -> None:
    _View(_mounted["snapshots"], "en" if lang == "en" else "ja", run).build()


class _View:
    """One browser's page."""

    def __init__(self, snapshots: Snapshots, language: Language, run_name: str) -> None:
        self.snapshots, self.language, self.run_name = snapshots, language, run_name
        self.results: list[KpiResult] = []
        self.message = self.say("computing")
        self.is_busy = self.is_computing = False
        self.picture: Picture | None = None

    def say(self, key: str, **values: object) -> str:
        return text(self.language, key, **values)

    def build(self) -> None:
        """Lay the page out and start its clocks."""
        ui.add_css(CSS)
        if self.language == "en":
            ui.add_head_html('<script>document.documentElement.lang = "en"</script>')
        self._header()
        self.banner = ui.label().classes("w-full panel alarm")
        self.banner.set_visibility(False)
        self.devices = DeviceCards(self.language)
        self.charts = ChartPanels(self.language)
        self.boxes = BoxPanel(self.language)
        self.exclusions = ExclusionPanel(self.language)
        self.kpis = KpiPanel(self.language, self.snapshots.profile, self.message)
        self._point_links()
        self.charts.lay_out_clocks()
        self.outages = OutagePanel(self.language)
        self.definitions = DefinitionPanel(self.language)
        ui.timer(_REFRESH_EVERY_S, self.refresh)
        ui.timer(_KPI_EVERY_S, self.compute)

    def _header(self) -> None:
        with ui.row().classes("w-full items-center no-wrap").style("gap: 14px"):
            ui.label(self.say("title")).style("font-size: 18px; font-weight: 700; white-space: nowrap")
            self.site = ui.label().classes("small").style("white-space: nowrap")
            self.state = ui.label().classes("run-state")
            ui.space()
            self.chooser = ui.select(
                {"": self.say("live", minutes=LIVE_MINUTES)}, value="", label=self.say("run"), on_change=self._choose
            )
            self.chooser.props("dense outlined options-dense").style("min-width: 250px")
            self.updated = ui.label().classes("small").style("white-space: nowrap")
            self.other_language = ui.link("English" if self.language == "ja" else "日本語", "/").classes("small")
            self._point_links()

    def _point_links(self) -> None:
        """Make the links lead to what is shown, and the address name it, so that it survives a reload."""
        name = quote(self.run_name, safe="")
        other = "en" if self.language == "ja" else "ja"
        self.other_language.props(f'href="/?lang={other}&run={name}"')
        if hasattr(self, "kpis"):
            self.kpis.lead_to(self.run_name)

    async def _choose(self) -> None:
        if (self.chooser.value or "") == self.run_name:
            return
        self.run_name = self.chooser.value or ""
        self.results, self.message = [], self.say("computing")
        self.charts.forget_link()
        self._fill_table()
        self.exclusions.show(None)
        self.outages.show(None)
        self._point_links()
        ui.navigate.history.replace(f"/?lang={self.language}&run={quote(self.run_name, safe='')}")
        await self.refresh()
        await self.compute()

    async def refresh(self) -> None:
        """Show a new snapshot; a slow database makes the page skip a beat, never queue up."""
        if self.is_busy:
            return
        self.is_busy = True
        wanted = self.run_name
        try:
            shown = await workers.io_bound(self.snapshots.take, wanted)
        finally:
            self.is_busy = False
        if shown is not None and wanted == self.run_name and not self.banner.is_deleted:
            self._show(shown)

    async def compute(self) -> None:
        """Compute KPIs and outages of what is shown, and again at once if something else was chosen meanwhile."""
        if self.is_computing:
            return
        self.is_computing = True
        try:
            wanted = None
            while wanted != self.run_name:
                wanted = self.run_name
                found = await workers.io_bound(self.snapshots.kpis, wanted)
                if wanted == self.run_name:
                    self._show_kpis(found)
                    listed = await workers.io_bound(self.snapshots.outages, wanted)
                    if wanted == self.run_name and not self.banner.is_deleted:
                        self.outages.show(listed)
        finally:
            self.is_computing = False

    def _show_kpis(self, found: list[KpiResult] | str | None) -> None:
        if found is None or self.banner.is_deleted:
            return
        if isinstance(found, str):
            # What was computed before stays: the period above the table says what it is of.
            self.message = self.say("kpi_failed", reason=found)
        else:
            self.results = found
            self.message = self.say("no_kpis" if self.picture is not None else "no_data")
        self._fill_table()

    def _show(self, shown: Snapshot) -> None:
        self._show_banner(shown)
        if shown.problem:
            return
        self.updated.set_text(self.say("updated", time=jst(datetime.now(tz=UTC), "%H:%M:%S")))
        self._show_runs(shown)
        self.devices.show(shown.devices)
        self.site.set_text(self.say("site", site=shown.run.site) if shown.run is not None else "")
        self.picture = shown.picture
        self.charts.show(shown.picture)
        self.kpis.show_period(shown.run)
        self.exclusions.show(shown.exclusions)
        self.kpis.show_completeness(shown.completeness)

    def _show_banner(self, shown: Snapshot) -> None:
        words = ""
        if shown.problem:
            words = f"{self.say(shown.problem)} [{shown.error}]"
        elif shown.is_unknown:
            words = self.say("unknown_run", name=self.run_name)
        self.kpis.show_exports(bool(self.run_name) and not shown.is_unknown)
        self.banner.set_text(words)
        self.banner.set_visibility(bool(words))

    def _show_runs(self, shown: Snapshot) -> None:
        going_on = shown.going_on
        words = self.say("not_measuring")
        if going_on:
            words = self.say("measuring", name=going_on[0].name, start=jst(going_on[0].started_at, "%m-%d %H:%M"))
            if len(going_on) > 1:
                words = f"{words} {self.say('measuring_more', count=len(going_on) - 1)}"
        self.state.set_text(words)
        self.state.classes(add="going-on" if going_on else "", remove="" if going_on else "going-on")
        options = {"": self.say("live", minutes=LIVE_MINUTES)}
        options |= {
            run.name: self.say("going_on", name=run.name) if run in going_on else run.name for run in shown.runs
        }
        if self.run_name:
            options.setdefault(self.run_name, self.run_name)
        if options != self.chooser.options:
            self.chooser.set_options(options, value=self.run_name)

    def _fill_table(self) -> None:
        self.kpis.show(self.results, self.message)
        self.boxes.show(self.results)
        self.definitions.show({result.id for result in self.results})
