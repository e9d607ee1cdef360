"""The list of outages as people and programs read it: one row an outage, and the one table of its columns. Pure.

The API and `jissho outages --json` give the rows as they are; workbook, page and terminal print the columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import msgspec

from analytics.outages import Cell, LinkOutages, Outage
from analytics.report.jst import clock_text
from analytics.report.words import DIRECTION
from analytics.results import Direction

Language = Literal["ja", "en"]
Table = Literal["terminal", "page", "workbook"]
_TABLES: tuple[Table, ...] = ("terminal", "page", "workbook")
Shown = str | int | float | None
_KMH = 3.6
_UNITS_EN = {"個": "", "度": "deg"}
_MODES = {"MANUAL": "手動", "AUTONOMOUS": "自動", "REMOTE": "遠隔", "STOP": "停止"}
_MRM = {"NORMAL": "通常", "MRM_OPERATING": "作動中", "MRM_SUCCEEDED": "成功", "MRM_FAILED": "失敗"}


class OutageRow(msgspec.Struct, frozen=True, kw_only=True):
    """One outage of a link, or of two at once (`link` "l5g+lte"). None where nothing was sampled.

    `failed_at` is when the first packet that failed was sent: place, vehicle and radio are those just before it, at
    most ten seconds old (cells a minute). `failed` packets from then on did not arrive in time, `lost` of them never
    did. `road_m` are metres along the road that the run drove, from where it began (キロ程). `is_open`: the service was
    not back when the measurement ended or paused.
    """

    device: str
    link: str
    direction: Direction
    started_at: datetime
    ended_at: datetime
    duration_s: float
    failed_at: datetime
    failed: int
    lost: int
    is_open: bool
    lat_deg: float | None
    lon_deg: float | None
    road_m: float | None
    speed_mps: float | None
    drive_mode: str | None
    mrm_state: str | None
    rsrp_dbm: float | None
    rsrq_db: float | None
    sinr_db: float | None
    pci_before: int | None
    cell_id_before: int | None
    pci_after: int | None
    cell_id_after: int | None


class OutageList(msgspec.Struct, frozen=True, kw_only=True):
    """The outages of one link or pair of links, in the direction and by the bounds of its availability.

    `observed_s` is 0 where nothing was observed, for the `reason` given: then no outage is not "none". `excluded` says
    what is left out, `filter` which packets count as lost.
    """

    device: str
    link: str
    direction: Direction
    t_max_ms: float
    survival_ms: float
    observed_s: float
    count: int
    total_s: float
    longest_s: float | None
    outages: list[OutageRow]
    reason: str = ""
    excluded: str = ""
    filter: str = ""


def outage_list(found: LinkOutages) -> OutageList:
    """Return the outages of a link as rows, with their sums."""
    lengths = [outage.duration_s for outage in found.outages]
    return OutageList(
        device=found.device, link=found.link, direction=found.direction, t_max_ms=found.t_max_ms,
        survival_ms=found.survival_ms, observed_s=found.observed_s, count=len(lengths), total_s=sum(lengths),
        longest_s=max(lengths, default=None), outages=[_row(found, each) for each in found.outages],
        reason=found.reason, excluded=found.excluded, filter=found.filter,
    )  # fmt: skip


def rows_of(lists: Sequence[OutageList]) -> list[OutageRow]:
    """Return the outages of all links in the order of time."""
    return sorted((row for each in lists for row in each.outages), key=lambda row: row.started_at)


def _row(link: LinkOutages, one: Outage) -> OutageRow:
    before, after = (each or Cell(pci=None, cell_id=None) for each in (one.cell_before, one.cell_after))
    return OutageRow(
        device=link.device, link=link.link, direction=link.direction, started_at=_time(one.start_us),
        ended_at=_time(one.end_us), duration_s=one.duration_s, failed_at=_time(one.failed_us), failed=one.failed,
        lost=one.lost, is_open=one.is_open, lat_deg=one.lat_deg, lon_deg=one.lon_deg, road_m=one.road_m,
        speed_mps=_four_bytes(one.speed_mps), drive_mode=one.drive_mode, mrm_state=one.mrm_state,
        rsrp_dbm=_four_bytes(one.rsrp_dbm), rsrq_db=_four_bytes(one.rsrq_db), sinr_db=_four_bytes(one.sinr_db),
        pci_before=before.pci, cell_id_before=before.cell_id, pci_after=after.pci, cell_id_after=after.cell_id,
    )  # fmt: skip


def _four_bytes(value: float | None) -> float | None:
    """Return a number that was stored in four bytes with the digits that it has: -95.3, not -95.30000305175781."""
    return None if value is None else float(f"{value:.7g}")


def _time(t_us: int) -> datetime:
    return datetime.fromtimestamp(t_us / 1e6, tz=UTC)


@dataclass(frozen=True, slots=True)
class OutageColumn:
    """One column of the printed list.

    `shown` makes of a row what is printed, `fields` of the row are in it. Numbers have `digits` after the point.
    `width` is that in the workbook, which has all columns; `narrowest` is the narrowest table that it is in.
    """

    name: str
    ja: str
    en: str
    unit: str
    fields: tuple[str, ...]
    shown: Callable[[OutageRow, Language], Shown]
    width: float
    digits: int = 0
    is_wrapped: bool = False
    narrowest: Table = "terminal"

    def heading(self, language: Language, between: str = " ") -> str:
        """Return name and unit."""
        name, unit = (self.ja, self.unit) if language == "ja" else (self.en, _UNITS_EN.get(self.unit, self.unit))
        return f"{name}{between}[{unit}]" if unit else name

    def text(self, row: OutageRow, language: Language, none: str = "–") -> str:
        """Return what is printed as a text."""
        value = self.shown(row, language)
        return none if value is None else f"{value:,.{self.digits}f}" if isinstance(value, float) else str(value)


def _plain(name: str, factor: float = 1.0) -> Callable[[OutageRow, Language], Shown]:
    def shown(row: OutageRow, _language: Language) -> Shown:
        value = getattr(row, name)
        return float(f"{value * factor:.6g}") if factor != 1.0 and value is not None else value

    return shown


def _clock(name: str) -> Callable[[OutageRow, Language], Shown]:
    return lambda row, _language: clock_text(getattr(row, name))


def _word(name: str, words: dict[str, str]) -> Callable[[OutageRow, Language], Shown]:
    def shown(row: OutageRow, language: Language) -> Shown:
        value: str | None = getattr(row, name)
        return value if value is None or language == "en" else words.get(value, value)

    return shown


def _cell(when: str) -> Callable[[OutageRow, Language], Shown]:
    def shown(row: OutageRow, _language: Language) -> Shown:
        pci, cell_id = getattr(row, f"pci_{when}"), getattr(row, f"cell_id_{when}")
        parts = [f"{label} {value}" for label, value in (("PCI", pci), ("ID", cell_id)) if value is not None]
        return " / ".join(parts) or None

    return shown


def _note(row: OutageRow, language: Language) -> Shown:
    before, after = (row.pci_before, row.cell_id_before), (row.pci_after, row.cell_id_after)
    is_other_cell = before != (None, None) and after not in {(None, None), before}
    notes = [
        ("測定の終了(中断)まで復旧せず", "not back when the measurement ended or paused") if row.is_open else None,
        ("前後でセルが異なる", "another cell afterwards") if is_other_cell else None,
    ]
    told = [each[language == "en"] for each in notes if each is not None]
    return ("。" if language == "ja" else "; ").join(told) or None


COLUMNS = (
    OutageColumn("device", "測定端末", "Device", "", ("device",), _plain("device"), 13, narrowest="page"),
    OutageColumn("link", "回線", "Link", "", ("link",), _plain("link"), 10),
    OutageColumn("direction", "方向", "Direction", "", ("direction",),
                 lambda row, language: DIRECTION[row.direction] if language == "ja" else row.direction, 6,
                 narrowest="workbook"),
    OutageColumn("started_at", "通信断の開始", "Start (JST)", "", ("started_at",), _clock("started_at"), 22),
    OutageColumn("ended_at", "復旧", "End (JST)", "", ("ended_at", "is_open"), _clock("ended_at"), 22,
                 narrowest="workbook"),
    OutageColumn("duration_s", "継続時間", "Duration", "s", ("duration_s",), _plain("duration_s"), 9, 3),
    OutageColumn("failed_at", "最初の不達", "First failure (JST)", "", ("failed_at",), _clock("failed_at"), 22,
                 narrowest="workbook"),
    OutageColumn("failed", "不達", "Failed", "個", ("failed",), _plain("failed"), 7, narrowest="workbook"),
    OutageColumn("lost", "うち損失", "Of them lost", "個", ("lost",), _plain("lost"), 8, narrowest="workbook"),
    OutageColumn("lat_deg", "緯度", "Lat.", "度", ("lat_deg",), _plain("lat_deg"), 11, 6),
    OutageColumn("lon_deg", "経度", "Lon.", "度", ("lon_deg",), _plain("lon_deg"), 12, 6),
    OutageColumn("road_m", "キロ程", "Road", "m", ("road_m",), _plain("road_m"), 8, 1),
    OutageColumn("speed_mps", "速度", "Speed", "km/h", ("speed_mps",), _plain("speed_mps", _KMH), 8, 1),
    OutageColumn("drive_mode", "運転モード", "Mode", "", ("drive_mode",), _word("drive_mode", _MODES), 9),
    OutageColumn("mrm_state", "MRM状態", "MRM", "", ("mrm_state",), _word("mrm_state", _MRM), 9),
    OutageColumn("rsrp_dbm", "直前のRSRP", "RSRP", "dBm", ("rsrp_dbm",), _plain("rsrp_dbm"), 8, 1),
    OutageColumn("rsrq_db", "直前のRSRQ", "RSRQ", "dB", ("rsrq_db",), _plain("rsrq_db"), 8, 1, narrowest="page"),
    OutageColumn("sinr_db", "直前のSINR", "SINR", "dB", ("sinr_db",), _plain("sinr_db"), 8, 1),
    OutageColumn("cell_before", "直前のセル", "Cell before", "", ("pci_before", "cell_id_before"), _cell("before"), 17),
    OutageColumn("cell_after", "復旧後のセル", "Cell after", "", ("pci_after", "cell_id_after"), _cell("after"), 17),
    OutageColumn("note", "備考", "Note", "", ("is_open",), _note, 26, is_wrapped=True, narrowest="page"),
)  # fmt: skip
"""Every column of the printed list, in order."""


def columns_of(table: Table) -> list[OutageColumn]:
    """Return the columns of a table; a wider one has those of the narrower ones too."""
    fits = _TABLES[: _TABLES.index(table) + 1]
    return [column for column in COLUMNS if column.narrowest in fits]
