"""The page itself: NiceGUI elements that show snapshots, refreshed every second, mounted on the API's app."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import quote

from fastapi import FastAPI
from nicegui import run as workers
from nicegui import ui
from nicegui.events import GenericEventArguments

from analytics.boxes import POINT_KPIS
from analytics.requirements import RequirementError, load_requirements
from analytics.results import KpiResult
from dashboards.page import charts, map_chart
from dashboards.page.box_panel import BoxPanel
from dashboards.page.definition_panel import DefinitionPanel
from dashboards.page.device_cards import DeviceCards
from dashboards.page.exclusion_panel import ExclusionPanel
from dashboards.page.kpi_table import shown_words, sources, table_columns, table_rows, verdict_counts
from dashboards.page.outage_panel import OutagePanel
from dashboards.page.point_panel import PointPanel
from dashboards.page.queries import Picture
from dashboards.page.snapshot import LIVE_MINUTES, Snapshot, Snapshots
from dashboards.page.style import CSS
from dashboards.page.texts import TEXTS, Language, text
from dashboards.page.times import jst
from storage.completeness import Completeness
from storage.connect import open_pool
from storage.runs import RunRecord

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
        self.map_link: int | None = None
        self.map_width_px = 600.0
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
        with ui.element("div").classes("charts"):
            self.delay = self._chart("delay", 218)
            self.loss = self._chart("loss", 218)
            with ui.column().classes("panel w-full"):
                ui.label(self.say("radio")).classes("panel-title")
                self.rsrp = ui.echart({}).classes("w-full").style("height: 136px")
                self.sinr = ui.echart({}).classes("w-full").style("height: 136px")
            self._map()
        self.boxes = BoxPanel(self.language)
        self.points = PointPanel(self.language)
        self.exclusions = ExclusionPanel(self.language)
        self._kpis()
        with ui.column().classes("panel w-full") as self.clock_panel:
            ui.label(self.say("clock")).classes("panel-title")
            self.clock = ui.echart({}).classes("w-full").style("height: 112px")
        self.outages = OutagePanel(self.language)
        self.definitions = DefinitionPanel(self.language)
        self.empty.set_text(self.message)
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

    def _chart(self, title: str, height_px: int) -> ui.echart:
        with ui.column().classes("panel w-full"):
            ui.label(self.say(title)).classes("panel-title")
            return ui.echart({}).classes("w-full").style(f"height: {height_px}px")

    def _map(self) -> None:
        with ui.column().classes("panel w-full"):
            with ui.row().classes("w-full items-center justify-between no-wrap").style("height: 19px"):
                ui.label(self.say("map")).classes("panel-title")
                self.map_links = ui.toggle({}, on_change=self._choose_map).props("dense flat no-caps size=sm")
            self.map = ui.echart({}).classes("w-full").style("height: 272px")
            ui.element("q-resize-observer").on("resize", self._resize_map)

    def _kpis(self) -> None:
        with ui.column().classes("panel w-full listing"):
            with ui.row().classes("w-full items-center").style("gap: 2px 14px"):
                ui.label(self.say("kpi")).classes("panel-title")
                self.counts = ui.label().classes("small text-weight-bold")
                self.period = ui.label().classes("small")
                ui.space()
                self.completeness = ui.label().classes("small text-weight-bold")
                with ui.row().style("gap: 10px") as self.exports:
                    self.workbook = ui.link(self.say("export_xlsx")).classes("small")
                    self.raw = ui.link(self.say("export_csv")).classes("small")
                self.shown = ui.label().classes("small")
                self.everything = ui.checkbox(self.say("everything"), on_change=self._fill_table)
                self.everything.props("dense size=xs").classes("small")
            self.conditions = ui.label().classes("small")
            self.table = ui.table(columns=table_columns(self.language), rows=[], row_key="id", pagination=0)
            self.table.classes("w-full").props('dense flat hide-bottom separator="horizontal"')
            self.empty = ui.label().classes("small q-pa-md")
            ui.label(self.say("verdict_rule")).classes("small")
            ui.label(_limits(self.snapshots.profile, self.language)).classes("small")
            self.sources = ui.label().classes("small")
        self._point_links()

    def _point_links(self) -> None:
        """Make the links lead to what is shown, and the address name it, so that it survives a reload."""
        name = quote(self.run_name, safe="")
        other = "en" if self.language == "ja" else "ja"
        self.other_language.props(f'href="/?lang={other}&run={name}"')
        if hasattr(self, "exports"):
            self.exports.set_visibility(bool(self.run_name))
            self.workbook.props(f'href="/v1/runs/{name}/export.xlsx"')
            self.raw.props(f'href="/v1/runs/{name}/export.csv?stream=probe"')

    async def _choose(self) -> None:
        if (self.chooser.value or "") == self.run_name:
            return
        self.run_name = self.chooser.value or ""
        self.results, self.message, self.map_link = [], self.say("computing"), None
        self._fill_table()
        self.exclusions.show(None)
        self.outages.show(None)
        self.points.show([])
        self._point_links()
        ui.navigate.history.replace(f"/?lang={self.language}&run={quote(self.run_name, safe='')}")
        await self.refresh()
        await self.compute()

    def _choose_map(self) -> None:
        if self.map_links.value is not None and self.map_links.value != self.map_link:
            self.map_link = self.map_links.value
            self._show_map()

    def _resize_map(self, event: GenericEventArguments) -> None:
        self.map_width_px = float(event.args["width"])
        self._show_map()

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
                    await self._show_points(wanted)
                    listed = await workers.io_bound(self.snapshots.outages, wanted)
                    if wanted == self.run_name and not self.banner.is_deleted:
                        self.outages.show(listed)
        finally:
            self.is_computing = False

    async def _show_points(self, wanted: str) -> None:
        has_points = any(result.id in POINT_KPIS for result in self.results)
        rows = await workers.io_bound(self.snapshots.points, wanted) if has_points else []
        if rows is not None and wanted == self.run_name and not self.banner.is_deleted:
            self.points.show(rows)

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
        self._show_charts()
        self._show_period(shown.run)
        self.exclusions.show(shown.exclusions)
        self._show_completeness(shown.completeness)

    def _show_banner(self, shown: Snapshot) -> None:
        words = ""
        if shown.problem:
            words = f"{self.say(shown.problem)} [{shown.error}]"
        elif shown.is_unknown:
            words = self.say("unknown_run", name=self.run_name)
        self.exports.set_visibility(bool(self.run_name) and not shown.is_unknown)
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

    def _show_charts(self) -> None:
        picture = self.picture
        self.clock_panel.set_visibility(picture is not None and bool(picture.clock))
        if picture is None:
            for chart in (self.delay, self.loss, self.rsrp, self.sinr, self.clock):
                _set(chart, {"series": []})
        else:
            window = picture.window
            start = charts.shown_start(picture.delay or picture.radio, window.start, window.end)
            common = (window.links, start, window.end, window.step)
            nothing = "" if picture.delay else self.say("no_probe")
            _set(self.delay, charts.delay_chart(picture.delay, *common), nothing)
            _set(self.loss, charts.loss_chart(picture.delay, *common), nothing)
            nothing = "" if picture.radio else self.say("no_radio")
            _set(self.rsrp, charts.radio_chart(picture.radio, *common, column="rsrp_dbm", unit="RSRP dBm"), nothing)
            _set(self.sinr, charts.radio_chart(picture.radio, *common, column="sinr_db", unit="SINR dB"), nothing)
            own = {number: self.say("own_clock", device=device) for number, device in window.devices.items()}
            _set(self.clock, charts.clock_chart(picture.clock, *common, own=own))
        self._show_map()

    def _show_map(self) -> None:
        picture = self.picture
        if picture is None:
            self.map_links.set_visibility(False)
            _set(self.map, {"series": []})
            return
        names = picture.window.links
        measured = {number: names[number] for number in {row["link_id"] for row in picture.radio} if names.get(number)}
        options = dict(sorted(measured.items(), key=lambda item: item[1]))
        if self.map_link not in options:
            self.map_link = min(options, default=None)
        if options != self.map_links.options or self.map_links.value != self.map_link:
            self.map_links.set_options(options, value=self.map_link)
        self.map_links.set_visibility(bool(options))
        points = map_chart.map_points(picture.position, picture.radio, self.map_link, picture.window.devices)
        option = map_chart.map_chart(points, self.say("guide"), width_px=self.map_width_px)
        _set(self.map, option, "" if points else self.say("no_position"))

    def _show_period(self, run: RunRecord | None) -> None:
        words = ""
        if run is not None:
            words = self.say("kpi_period", start=jst(run.started_at), end=jst(run.ended_at or datetime.now(tz=UTC)))
        self.period.set_text(words)
        facts = [] if run is None else [run.purpose, run.weather, run.note, *run.tags]
        self.conditions.set_text(" · ".join(filter(None, facts)))
        self.conditions.set_visibility(any(facts))

    def _show_completeness(self, found: Completeness | None) -> None:
        if found is None or found.ratio is None:
            self.completeness.set_text("")
            return
        # Cut, not rounded: 100 % stands only where nothing is missing.
        parts = [f"{self.say('completeness')} {int(found.ratio * 10_000) / 100:.2f} %"]
        parts.append(self.say("taken", taken=f"{found.taken:,}", committed=f"{found.committed:,}"))
        counts = {"missing": found.missing, "quarantined": found.quarantined, "pending": found.pending}
        counts["deleted"] = found.deleted
        parts += [self.say(key, **{key: f"{count:,}"}) for key, count in counts.items() if count]
        self.completeness.set_text(" · ".join(parts))

    def _fill_table(self) -> None:
        everything = bool(self.everything.value)
        rows = table_rows(self.results, self.language, everything=everything)
        self.shown.set_text(shown_words(len(rows), len(self.results), self.language, everything=everything))
        self.table.set_visibility(bool(rows))
        self.empty.set_visibility(not rows)
        self.empty.set_text(self.message)
        self.boxes.show(self.results)
        found = sources(self.results)
        self.definitions.show({result.id for result in self.results})
        self.sources.set_text(self.say("sources", sources="; ".join(found)) if found else "")
        self.counts.set_text(verdict_counts(self.results, self.language))
        if rows != self.table.rows:
            self.table.rows = rows


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


def _set(chart: ui.echart, option: dict[str, Any], nothing: str = "") -> None:
    """Give a chart its options if they are others than before; `nothing` is written where it has no data."""
    words = {"text": nothing, "left": "center", "top": "middle"}
    option = {
        **option,
        "title": {**words, "textStyle": {"fontSize": 12, "fontWeight": "normal", "color": charts.FAINT}},
    }
    if option != chart.options:
        chart.options.clear()
        chart.options.update(option)
        chart.update()
