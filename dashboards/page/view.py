"""The page itself: NiceGUI elements that show snapshots, refreshed every second, mounted on the API's app."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Protocol

from fastapi import FastAPI
from nicegui import run as workers
from nicegui import ui

from analytics.results import KpiResult
from dashboards.page import charts
from dashboards.page.kpi_table import table_columns, table_rows
from dashboards.page.queries import Picture
from dashboards.page.snapshot import LIVE_MINUTES, Snapshot, Snapshots
from dashboards.page.texts import Language, text
from storage.connect import open_pool

_STYLE = """
body { background: #f5f7fa; color: #1f2933;
       font-family: "Noto Sans CJK JP", "Noto Sans JP", "IPAexGothic", "Hiragino Sans", "Meiryo", sans-serif; }
.nicegui-content { padding: 10px 14px; gap: 10px; }
.panel { background: #ffffff; border: 1px solid #e4e7eb; border-radius: 4px; padding: 6px 8px; gap: 0; }
.panel-title { font-size: 12.5px; font-weight: 600; color: #3e4c59; }
.small { font-size: 12px; color: #52606d; }
.device { border-left: 4px solid #9aa5b1; padding: 2px 10px; gap: 0; }
.device.online { border-left-color: #009E73; } .device.lost { border-left-color: #D55E00; }
.q-table th { font-size: 11.5px; color: #52606d; } .q-table td { font-size: 12.5px; }
.verdict { display: inline-block; min-width: 62px; padding: 1px 6px; border-radius: 3px; font-weight: 700;
           font-size: 12px; }
.verdict-met { background: #0072B2; color: #fff; }
.verdict-missed { background: #fff; color: #a8071a; border: 2px solid #a8071a; }
.verdict-undecided { background: #e4e7eb; color: #3e4c59; border: 1px dashed #7b8794; }
"""
_VERDICT_SLOT = """
<q-td :props="props">
  <span v-if="props.value" class="verdict" :class="{'verdict-met': props.value === '達成',
    'verdict-missed': props.value === '未達', 'verdict-undecided': props.value === '判定不能'}">{{ props.value }}</span>
</q-td>
"""
_MINUTE_S, _HOUR_S = 60, 3600
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


_mounted_pages: set[str] = set()


def _index(lang: str = "ja", run: str = "") -> None:
    _View(_mounted["snapshots"], "en" if lang == "en" else "ja", run).build()


class _View:
    """One browser's page."""

    def __init__(self, snapshots: Snapshots, language: Language, run_name: str) -> None:
        self.snapshots, self.language, self.run_name = snapshots, language, run_name
        self.results: list[KpiResult] = []
        self.is_busy = self.is_computing = False

    def say(self, key: str, **values: object) -> str:
        return text(self.language, key, **values)

    def build(self) -> None:
        """Lay the page out and start its clocks."""
        ui.add_css(_STYLE)
        self._header()
        self.banner = ui.label().classes("w-full panel text-weight-bold").style("color:#a8071a")
        self.banner.set_visibility(False)
        self.devices = ui.row().classes("w-full panel items-center").style("gap: 18px")
        with ui.grid(columns=2).classes("w-full").style("gap: 10px"):
            self.delay = self._chart("delay", 218)
            self.loss = self._chart("loss", 218)
            with ui.column().classes("panel w-full"):
                ui.label(f"{self.say('radio')} / {self.say('sinr')}").classes("panel-title")
                self.rsrp = ui.echart({}).classes("w-full").style("height: 142px")
                self.sinr = ui.echart({}).classes("w-full").style("height: 122px")
            self.map = self._chart("map_none", 264)
        self._kpis()
        ui.timer(1.0, self.refresh)
        ui.timer(_KPI_EVERY_S, self.compute)
        ui.timer(0.3, self.compute, once=True)

    def _header(self) -> None:
        with ui.row().classes("w-full items-center no-wrap").style("gap: 14px"):
            ui.label(self.say("title")).style("font-size: 18px; font-weight: 700")
            self.site = ui.label().classes("small")
            ui.space()
            self.chooser = ui.select(
                {"": self.say("live", minutes=LIVE_MINUTES)}, value="", label=self.say("run"), on_change=self._choose
            )
            self.chooser.props("dense outlined options-dense").style("min-width: 260px")
            self.updated = ui.label().classes("small")
            other = "en" if self.language == "ja" else "ja"
            ui.link("English" if other == "en" else "日本語", f"/?lang={other}&run={self.run_name}").classes("small")

    def _chart(self, title: str, height_px: int) -> ui.echart:
        with ui.column().classes("panel w-full"):
            label = ui.label(self.say(title)).classes("panel-title")
            chart = ui.echart({}).classes("w-full").style(f"height: {height_px}px")
        if title == "map_none":
            self.map_title = label
        return chart

    def _kpis(self) -> None:
        with ui.column().classes("panel w-full"):
            with ui.row().classes("w-full items-center").style("gap: 14px"):
                ui.label(self.say("kpi")).classes("panel-title")
                self.period = ui.label().classes("small")
                ui.space()
                self.completeness = ui.label().classes("small text-weight-bold")
                self.links = ui.row().style("gap: 10px")
                self.everything = ui.checkbox("all", on_change=self._fill_table).props("dense").classes("small")
            self.table = ui.table(columns=table_columns(self.language), rows=[], row_key="id", pagination=0)
            self.table.classes("w-full").props('dense flat hide-bottom wrap-cells separator="horizontal"')
            self.table.add_slot("body-cell-verdict", _VERDICT_SLOT)
            self.empty = ui.label(self.say("no_data")).classes("small q-pa-md")
            ui.label(f"{self.say('verdict_rule')}。{self.say('example')}").classes("small")

    async def _choose(self) -> None:
        self.run_name = self.chooser.value or ""
        self.results = []
        self._fill_table()
        await self.refresh()
        await self.compute()

    async def refresh(self) -> None:
        """Show a new snapshot; a slow database makes the page skip a beat, never queue up."""
        if self.is_busy:
            return
        self.is_busy = True
        try:
            shown = await workers.io_bound(self.snapshots.take, self.run_name)
        finally:
            self.is_busy = False
        if shown is not None:
            self._show(shown)

    async def compute(self) -> None:
        """Compute the KPIs of what is shown."""
        if self.is_computing:
            return
        self.is_computing = True
        wanted = self.run_name
        try:
            found = await workers.io_bound(self.snapshots.kpis, wanted)
        finally:
            self.is_computing = False
        if found is not None and wanted == self.run_name:
            self.results = [] if isinstance(found, str) else found
            self._fill_table()

    def _show(self, shown: Snapshot) -> None:
        self.banner.set_visibility(bool(shown.error))
        if shown.error:
            self.banner.set_text(f"{self.say('database_down')} [{shown.error}]")
            return
        self.updated.set_text(self.say("updated", time=f"{datetime.now(tz=UTC).astimezone(charts.JST):%H:%M:%S}"))
        options = {"": self.say("live", minutes=LIVE_MINUTES), **{name: name for name in shown.runs}}
        if self.run_name and self.run_name not in options:
            options[self.run_name] = self.run_name
        if options != self.chooser.options:
            self.chooser.set_options(options, value=self.run_name)
        self._show_devices(shown)
        if shown.picture is not None and shown.run is not None:
            self.site.set_text(f"拠点 site: {shown.run.site}")
            self._show_charts(shown.picture)
        self._show_completeness(shown)

    def _show_devices(self, shown: Snapshot) -> None:
        self.devices.clear()
        with self.devices:
            ui.label(self.say("devices")).classes("panel-title")
            if not shown.devices:
                ui.label(self.say("no_devices")).classes("small")
            for device in shown.devices:
                state = device["state"] if device["state"] in {"online", "offline", "lost"} else "offline"
                with ui.column().classes(f"device {state}"):
                    ui.label(f"{device['device']}  {self.say(state)}").classes("text-weight-bold").style(
                        "font-size: 13px"
                    )
                    ui.label(" · ".join(self._device_facts(device))).classes("small")

    def _device_facts(self, device: dict[str, Any]) -> list[str]:
        facts = []
        if device["seen_at"] is not None:
            facts.append(self.say("seen", age=_age((device["now"] - device["seen_at"]).total_seconds(), self.language)))
        if device["pending"]:
            facts.append(self.say("outbox", pending=device["pending"]))
        bound = device["bound_us"]
        facts.append(self.say("clock_unknown") if bound is None else self.say("clock_good", bound=_microseconds(bound)))
        return facts

    def _show_charts(self, picture: Picture) -> None:
        window = picture.window
        start = charts.shown_start(picture.delay or picture.radio, window.start, window.end)
        common = (window.links, start, window.end, window.step)
        _set(self.delay, charts.delay_chart(picture.delay, *common))
        _set(self.loss, charts.loss_chart(picture.delay, *common))
        _set(self.rsrp, charts.radio_chart(picture.radio, *common, column="rsrp_dbm", unit="RSRP dBm"))
        _set(self.sinr, charts.radio_chart(picture.radio, *common, column="sinr_db", unit="SINR dB"))
        measured = [row["link_id"] for row in picture.radio if row["link_id"] in window.links]
        link_id = min(measured, default=None)
        points = charts.map_points(picture.position, picture.radio, link_id)
        if link_id is not None:
            self.map_title.set_text(self.say("map", link=window.links[link_id]))
        _set(self.map, charts.map_chart(points, self.say("guide")))

    def _show_completeness(self, shown: Snapshot) -> None:
        found = shown.completeness
        if found is None or found.ratio is None:
            self.completeness.set_text("")
        else:
            # Cut, not rounded: 100 % stands only where nothing is missing.
            parts = [f"{self.say('completeness')} {int(found.ratio * 10_000) / 100:.2f} %"]
            parts.append(self.say("taken", taken=f"{found.taken:,}", committed=f"{found.committed:,}"))
            parts += [self.say(key, **{key: getattr(found, key)}) for key in ("missing", "quarantined", "pending")
                      if getattr(found, key)]  # fmt: skip
            self.completeness.set_text(" · ".join(parts))
        self.links.clear()
        if shown.run is not None:
            start, end = (f"{at.astimezone(charts.JST):%Y-%m-%d %H:%M:%S}" for at in
                          (shown.run.started_at, shown.run.ended_at or datetime.now(tz=UTC)))  # fmt: skip
            self.period.set_text(self.say("kpi_period", start=start, end=end))
        if self.run_name:
            with self.links:
                ui.link(self.say("export_xlsx"), f"/v1/runs/{self.run_name}/export.xlsx").classes("small")
                ui.link(self.say("export_csv"), f"/v1/runs/{self.run_name}/export.csv?stream=probe").classes("small")

    def _fill_table(self) -> None:
        rows = table_rows(self.results, self.language, everything=bool(self.everything.value))
        self.empty.set_visibility(not rows)
        self.empty.set_text(self.say("computing") if self.is_computing else self.say("no_data"))
        self.table.rows = rows


def _set(chart: ui.echart, option: dict[str, Any]) -> None:
    chart.options.clear()
    chart.options.update(option)
    chart.update()


def _age(seconds: float, language: Language) -> str:
    if seconds < _MINUTE_S:
        return f"{max(seconds, 0):.0f} 秒前" if language == "ja" else f"{max(seconds, 0):.0f} s ago"
    if seconds < _HOUR_S:
        return f"{seconds / _MINUTE_S:.0f} 分前" if language == "ja" else f"{seconds / _MINUTE_S:.0f} min ago"
    return f"{seconds / _HOUR_S:.1f} 時間前" if language == "ja" else f"{seconds / _HOUR_S:.1f} h ago"


def _microseconds(bound_us: float) -> str:
    return f"{bound_us / 1000:.3g} ms" if bound_us >= 1000 else f"{bound_us:.0f} µs"  # noqa: PLR2004 - a millisecond
