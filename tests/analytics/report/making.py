"""A report of a small run with everything in it, and the rows of its sheets."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from analytics.definitions import BY_ID, DEFINITIONS
from analytics.report.model import CompletenessFacts, EpochFacts, EventRow, RawStream, RunFacts, RunReport
from analytics.report.series import SeriesBuilder
from analytics.results import KpiResult
from contract.streams import STREAMS
from storage.columnar import ArrayColumn

START = datetime(2025, 11, 27, 5, 3, 5, tzinfo=UTC)  # 14:03:05 JST
T0_US = int(START.timestamp()) * 1_000_000 + 123_456
PACKETS = 40


def kpi(kpi_id, statistic, value, **changes):
    definition = BY_ID[kpi_id]
    known = {
        "id": kpi_id, "device": "bus-1", "link": "l5g", "direction": "round_trip", "statistic": statistic,
        "value": value, "unit": definition.unit, "n": 12_000, "definition": definition.citation,
        "name_ja": definition.name_ja, "name_en": definition.name_en, "data_hash": "d41d8cd9",
    }  # fmt: skip
    return KpiResult(**{**known, **changes})


KPIS = [
    kpi("rtt", "mean", 28.9134, ci_low=28.1, ci_high=29.7, n_eff=900, ci_method="Student"),
    kpi("rtt", "p99", 88.123, ci_low=80.1, n_eff=900, ci_method="order", required=100.0,
        required_source="要確認: 例示値", verdict="判定不能", needed_n=40_000),
    kpi("rtt", "p99.9", None, reason="到達せず: この順位は損失パケットに当たる", n_eff=900),
    kpi("loss", "ratio", 0.0101, ci_low=0.008, ci_high=0.0125, n_eff=900, ci_method="Clopper-Pearson", required=0.01,
        required_source="実施計画書 表3", verdict="未達"),
    kpi("reliability", "ratio", 0.99999, ci_low=0.9999, ci_high=1.0, n_eff=900, required=0.99999, verdict="達成",
        filter="所要遅延 100 ms 以内"),
    kpi("owd", "p95", 12.345, direction="up", clock="粗", clock_bound_us=2500.0),
    kpi("jitter_rfc3550", "mean", 0.0345),
    kpi("loss_burst", "count", 3.0),
]  # fmt: skip  # fmt: skip


def probe_chunk(n=PACKETS, *, first=0):
    """Make n probes at 10 Hz, every tenth of them lost."""
    number = np.arange(first, first + n)
    is_lost = number % 10 == 9
    arrived = ~is_lost
    int32 = {name: ArrayColumn(number.astype(np.int32), arrived) for name in ("refl_seq", "ul_us", "dl_us", "rtt_us")}
    return {
        "t_us": ArrayColumn(T0_US + number * 100_000),
        "link_id": ArrayColumn(np.full(n, 3, np.int32)),
        "session": ArrayColumn(np.full(n, 7, np.int32)),
        "seq": ArrayColumn(number.astype(np.int32)),
        **int32,
        "copy": ArrayColumn(arrived.astype(np.int16)),
        "lost": ArrayColumn(np.where(is_lost, 3, 0).astype(np.int16)),
    }


def probe_stream(*chunks):
    return RawStream(stream=STREAMS["probe"], links={3: ("bus-1", "l5g")}, chunks=chunks)


def series(rows, *, direction="round_trip", link="l5g"):
    chunk = probe_chunk()
    is_lost = chunk["lost"].values > 0
    builder = SeriesBuilder(device="bus-1", link=link, direction=direction, interval_s=1)
    builder.add(
        chunk["t_us"].values[rows], chunk["rtt_us"].values[rows] + 20_000, has_delay=~is_lost[rows],
        is_lost=is_lost[rows],
    )  # fmt: skip
    return builder.finish()


def report(**changes):
    epoch = EpochFacts(
        device="bus-1", epoch="e1", first_seq=1, last_seq=200, taken=200, committed=196, quarantined=1, missing=3,
        missing_ranges=[(5, 5), (9, 10)], pending=1, rows=12_345,
    )  # fmt: skip
    made = RunReport(
        run=RunFacts(
            name="run-1", site="sendai", devices=["bus-1"], started_at=START, ended_at=START + timedelta(minutes=2),
            purpose="回線品質の測定", weather="晴れ", note="=1+1", tags=["平日"],
        ),
        kpis=KPIS,
        definitions=DEFINITIONS,
        completeness=CompletenessFacts(epochs=[epoch], as_of=START + timedelta(hours=1)),
        made_at=START + timedelta(hours=1),
        program="jissho 0",
        profile="遠隔監視の例 [remote_monitoring] 要確認",
        events=[
            EventRow(at=START, device="bus-1", link="", name="marker", severity="info", message="=停車",
                     detail='{"a":1}')
        ],
        series=[series(np.r_[0:10, 30:40])],
        raw=[probe_stream(probe_chunk())],
    )  # fmt: skip
    return replace(made, **changes)


def table(sheet, head):
    """Return the rows below the header row `head` (1-based) as dictionaries by heading, down to the first empty row."""
    headings = [cell.value for cell in sheet[head]]
    rows = []
    for row in sheet.iter_rows(min_row=head + 1):
        if all(cell.value is None for cell in row):
            break
        rows.append(dict(zip(headings, row, strict=True)))
    return rows
