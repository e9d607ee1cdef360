"""What people see of the demonstration: progress while it measures, tables at the end, and where to look."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from analytics.report.model import TruthRow
from analytics.report.workbook import write_workbook
from analytics.results import KpiResult
from analytics.run_loader import evaluate_run
from api.run_report import run_report
from jissho.commands.kpi import print_kpis
from jissho.demonstration.line import LINKS, SITE, Line
from jissho.demonstration.truth import agrees, compare
from jissho.output import print_table
from storage.completeness import Completeness, run_completeness
from storage.migrate import database_mode
from storage.reader import link_ids, read_columns
from storage.runs import RunRecord, get_run, start_run, stop_run

PROFILE = "remote_monitoring"
_TERMINAL_KPIS = {"rtt", "owd", "loss", "reliability", "availability", "absent"}
_TERMINAL_STATISTICS = {"p50", "p95", "p99", "ratio", "count"}
_BATCHES = "SELECT count(*), coalesce(sum(n), 0)::int8 FROM batch WHERE received_at >= %s"


def announce(line: Line, connection: psycopg.Connection) -> None:
    """Say where to look, and in one line each what is left out and how to get it."""
    replay = line.trace or "なし none (--trace FILE で指定)"
    print(f"画面 page: {line.page_url}   ブローカ broker: {line.broker}   記録の再生 replay: {replay}")
    if line.broker != "mosquitto":
        print("mosquitto がないため内蔵ブローカを使います / without mosquitto: apt install mosquitto")
    if database_mode(connection) == "plain":
        print("TimescaleDB のない PostgreSQL です / plain PostgreSQL; for TimescaleDB set JISSHO_DATABASE_URL")


def measure(line: Line, connection: psycopg.Connection, seconds: float, name: str) -> RunRecord:
    """Register a run, watch the line measure for `seconds` with progress bars, and end the run."""
    run = start_run(
        connection,
        name=name,
        site=SITE,
        devices=[line.device],
        started_at=datetime.now(tz=UTC),
        purpose="動作確認(シミュレータによる実演)",
        weather="模擬",
        note="jissho demo",
        tags=["demo", "impairment"],
    )
    try:
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[state]}"),
            TimeRemainingColumn(),
        ) as progress:
            measuring = progress.add_task("測定 measuring", total=seconds, state="")
            committing = progress.add_task("確定 committed", total=None, state="")
            began_s = time.monotonic()
            while (passed_s := time.monotonic() - began_s) < seconds:
                line.children.check()
                row = connection.execute(_BATCHES, (run.started_at,)).fetchone()
                assert row is not None
                progress.update(measuring, completed=passed_s, state=f"{passed_s:.0f}/{seconds:.0f} s")
                progress.update(committing, state=f"{row[0]:,} batches, {row[1]:,} rows")
                time.sleep(0.25)
            progress.update(measuring, completed=seconds, description="送り切る draining", state="")
            line.stop_measuring()
            progress.update(measuring, description="測定 measured")
    finally:
        # Interrupted or not, a run that nobody measures any more has an end.
        stop_run(connection, run.name, ended_at=datetime.now(tz=UTC))
    return get_run(connection, run.name)


def truth_rows(line: Line, connection: psycopg.Connection, run: RunRecord) -> list[TruthRow]:
    """Compare every simulated link with its truth file."""
    ids = link_ids(connection, SITE)
    start_us, end_us = round(run.started_at.timestamp() * 1e6), round(datetime.now(tz=UTC).timestamp() * 1e6)
    rows: list[TruthRow] = []
    for link in LINKS:
        names = ["seq", "lost", "ul_us", "dl_us", "rtt_us", "copy"]
        # The agent may have sent its first probes before the run began: they are in the truth and count too.
        columns = read_columns(
            connection, "probe", names, link_ids=[ids[line.device, link]], start_us=start_us - 60_000_000, end_us=end_us
        )
        sent = (columns["copy"].values <= 1) & (columns["t_us"].values >= line.started_at.timestamp() * 1e6)
        rows += compare(link, {name: columns[name].values[sent] for name in names}, line.truth_paths[link])
    return rows


def print_results(results: Sequence[KpiResult], truth: Sequence[TruthRow], found: Completeness) -> None:
    """Print the KPI table, the comparison with the truth, and the completeness."""
    chosen = [result for result in results if result.id in _TERMINAL_KPIS and result.statistic in _TERMINAL_STATISTICS]
    print_kpis("KPI(抜粋 excerpt)", chosen)
    print_table(
        "真値との比較 Measured beside the simulator's truth",
        ["回線\nLink", "項目\nQuantity", "方向\nDir.", "測定値\nMeasured", "真値\nTruth", "差\nDiff.",
         "一致\nAgrees"],
        [
            (
                row.link, f"{row.kpi} {row.statistic}", row.direction, f"{row.measured:.6g} {_unit(row)}",
                f"{row.truth:.6g} {_unit(row)}", _difference(row), "○" if agrees(row) else "×",
            )
            for row in truth
        ],
        note="件数は完全一致、遅延は1%以内で一致 counts agree exactly, delays within 1 %",
    )  # fmt: skip
    ratio = 0.0 if found.ratio is None else found.ratio
    Console().print(
        f"完全性 completeness: {ratio:.2%} ({found.committed:,}/{found.taken:,} batches, {found.rows:,} rows; "
        f"欠番 missing {found.missing}, 隔離 quarantined {found.quarantined})"
    )


def _unit(row: TruthRow) -> str:
    return "" if row.unit == "1" else row.unit


def _difference(row: TruthRow) -> str:
    if row.difference is None or not row.truth:
        return "" if row.difference is None else f"{row.difference:g}"
    return f"{row.difference:+g}" if row.statistic == "count" else f"{row.difference / row.truth:+.3%}"


def report(
    line: Line, connection: psycopg.Connection, run: RunRecord, folder: Path
) -> tuple[Path, Sequence[TruthRow], Completeness]:
    """Print the tables and write the workbook; return its path, the comparison and the completeness."""
    results = evaluate_run(connection, run, PROFILE)
    truth = truth_rows(line, connection, run)
    found = run_completeness(connection, run)
    print_results(results, truth, found)
    path = folder / f"{run.name}.xlsx"
    write_workbook(run_report(connection, run, profile=PROFILE, made_at=datetime.now(tz=UTC), truth=truth), path)
    return path, truth, found
