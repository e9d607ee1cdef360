"""The sheet 通信断一覧: every outage of every link, with place, speed and radio just before it."""

from __future__ import annotations

from datetime import UTC, datetime

from analytics.outages import Cell, Outage
from analytics.report.cells import Cell as CellValue
from analytics.report.jst import JST_NOTE, clock_text, duration_text
from analytics.report.model import LinkOutages, RunReport
from analytics.report.sheet import Book, Sheet
from analytics.report.words import DIRECTION

SHEET = "通信断一覧"
_SHOWN = 10_000
_KMH = 3.6
_HEAD = [
    "No.", "測定端末", "回線", "通信断の開始", "復旧", "継続時間\n[s]", "不達\n[個]", "うち損失\n[個]", "緯度[度]",
    "経度[度]", "速度\n[km/h]", "直前の\nRSRP\n[dBm]", "直前の\nSINR\n[dB]", "直前のセル", "復旧後のセル", "備考",
]  # fmt: skip
_WIDTHS = [5, 13, 10, 22, 22, 9, 7, 8, 11, 12, 8, 8, 8, 17, 17, 26]
_FORMATS = [
    "int", "cell", "cell", "center", "center", "0.000", "int", "int", "0.000000", "0.000000", "0.0", "0.0", "0.0",
    "center", "center", "wrap",
]  # fmt: skip


def write_outages(book: Book, report: RunReport) -> str:
    """Write the sums of each link, then every outage; a run without outages says so."""
    sheet = book.open(SHEET, widths=_WIDTHS)
    sheet.line([f"通信断の一覧({JST_NOTE})"], "title", height=26)
    _write_notes(sheet, report)
    sheet.line(["回線毎の集計"], "section")
    _write_sums(sheet, report)
    sheet.skip()
    sheet.line(["通信断"], "section")
    rows = sorted(
        ((one, outage) for one in report.outages for outage in one.outages), key=lambda pair: pair[1].start_us
    )
    if not rows:
        told = (
            "この測定に通信断はない。" if any(one.observed_s for one in report.outages) else "区間測定のデータがない。"
        )
        sheet.line([told], "plain")
        return sheet.name
    # Not kept in view, as `Sheet.head` would: with the notes and sums above it would fill the screen.
    sheet.worksheet.repeat_rows(sheet.line(_HEAD, "head", height=38))
    for number, (one, outage) in enumerate(rows[:_SHOWN], start=1):
        sheet.line(_row(number, one, outage), _FORMATS)
    if len(rows) > _SHOWN:
        sheet.line([f"他{len(rows) - _SHOWN:,}件"], "plain")
    return sheet.name


def _write_notes(sheet: Sheet, report: RunReport) -> None:
    bounds = sorted({(one.t_max_ms, one.survival_ms) for one in report.outages})
    told = "、".join(f"待ち時間 {t_max:g} ms、生存時間 {survival:g} ms" for t_max, survival in bounds)
    for note in (
        f"通信断: 送信から待ち時間以内に届かないパケットが続き、生存時間を超えた時間(可用性のKPIと同じ定義)。{told}。",
        "不達は待ち時間以内に届かなかったパケット、損失はそのうち最後まで届かなかったもの。通信断の開始より前の不達を含む。",
        "回線名「a+b」は両回線が同時に断となった時間であり、各回線の通信断にも含まれる。不達・損失は両回線の、その時間に送信した分。",
        "評価から除外した区間は観測時間に含めず、その中の通信断は数えない(可用性のKPIと同じ)。",
        "位置、速度、RSRP、SINRは最初の不達パケットを送信した時点の直前10秒以内の値。空欄は測定値がないことを示す。",
    ):
        sheet.line([note], "plain")
    sheet.skip()


def _write_sums(sheet: Sheet, report: RunReport) -> None:
    sheet.line(
        ["No.", "測定端末", "回線", "観測時間", "通信断の合計", "件数", "方向", "最長\n[s]", "備考"], "head", height=26
    )
    for number, one in enumerate(report.outages, start=1):
        lengths = [outage.duration_s for outage in one.outages]
        sheet.line(
            [
                number,
                one.device,
                one.link,
                duration_text(one.observed_s),
                duration_text(sum(lengths)),
                len(lengths),
                DIRECTION[one.direction],
                max(lengths) if lengths else None,
                "; ".join(filter(None, [one.reason, one.excluded])) or None,
            ],
            ["int", "cell", "cell", "right", "right", "int", "center", "0.000", "cell"],
        )


def _row(number: int, one: LinkOutages, outage: Outage) -> list[CellValue]:
    return [
        number,
        one.device,
        one.link,
        _time(outage.start_us),
        _time(outage.end_us),
        outage.duration_s,
        outage.failed,
        outage.lost,
        outage.lat_deg,
        outage.lon_deg,
        _single(outage.speed_mps, _KMH),
        _single(outage.rsrp_dbm),
        _single(outage.sinr_db),
        _cell(outage.cell_before),
        _cell(outage.cell_after),
        _remark(outage),
    ]


def _single(value: float | None, factor: float = 1.0) -> float | None:
    """Return a 4-byte number in its printed unit with the digits that it has: -95.3, not -95.30000305175781."""
    return None if value is None else float(f"{value * factor:.6g}")


def _time(t_us: int) -> str:
    return clock_text(datetime.fromtimestamp(t_us / 1e6, tz=UTC))


def _cell(cell: Cell | None) -> str | None:
    if cell is None:
        return None
    parts = [f"PCI {cell.pci}"] if cell.pci is not None else []
    parts += [f"ID {cell.cell_id}"] if cell.cell_id is not None else []
    return " / ".join(parts)


def _remark(outage: Outage) -> str | None:
    notes = []
    if outage.is_open:
        notes.append("測定の終了(中断)まで復旧せず")
    if outage.cell_before and outage.cell_after and outage.cell_before != outage.cell_after:
        notes.append("前後でセルが異なる")
    return "。".join(notes) or None
