"""Excluded intervals are left out of everything that a run gives, not of its KPIs alone, and each says so."""

from datetime import timedelta

import numpy as np
import openpyxl
import pytest

from analytics.compare_loader import burstiness, compare_runs
from analytics.point_loader import points_of_run
from analytics.report.workbook import write_workbook
from api.run_report import run_report
from storage.exclusions import exclude
from storage.runs import start_run
from tests.api.test_run_outages import SECONDS, START, T0_US, batch, cells, drive


def leave_out(connection, run, first_s, last_s, link=""):
    exclude(
        connection, run, started_at=START + timedelta(seconds=first_s), ended_at=START + timedelta(seconds=last_s),
        reason="test", excluded_by="lead", link=link,
    )  # fmt: skip


def test_the_list_of_outages_leaves_excluded_time_out(db, tmp_path):
    """The first of two outages lies in an excluded interval of its link: one is left, and the sums say so."""
    writer = db.writer()
    run = drive(writer)
    leave_out(writer.connection, run, 28, 40, link="l5g")
    rows = cells(writer.connection, run, tmp_path / "drive.xlsx")
    outages = [row for row in rows[rows.index(["通信断"]) :] if row and isinstance(row[0], int)]
    assert [(row[2], row[4][11:19]) for row in outages] == [("l5g", "10:01:21")]
    (sums,) = [row for row in rows if len(row) > 3 and row[1:3] == ["bus-1", "l5g"] and row[6:7] == ["往復"]]
    assert (sums[3], sums[5]) == ("1分48秒", 1)
    assert "除外 1 区間 12 s" in sums[-1]


def test_the_charts_leave_excluded_time_out(db, tmp_path):
    """No packet of the excluded seconds is drawn, and the rows of the data say why."""
    writer = db.writer()
    run = drive(writer)
    leave_out(writer.connection, run, 28, 40.5, link="l5g")
    report = run_report(writer.connection, run, profile=None, made_at=START, raw="none")
    (series,) = [one for one in report.series if one.link == "l5g"]
    inside = (series.start_us >= T0_US + 28_000_000) & (series.start_us < T0_US + 40_000_000)
    assert not inside.any()
    assert series.lost.sum() == 150
    write_workbook(report, tmp_path / "drive.xlsx")
    rows = list(openpyxl.load_workbook(tmp_path / "drive.xlsx")["グラフデータ"].iter_rows(values_only=True))
    assert [row[9] for row in rows if row[2] == "l5g" and row[9] and "除外" in row[9]] == ["除外区間", "一部を除外"]


def test_a_comparison_leaves_excluded_time_out_of_both_sides(db):
    """Against itself without the outages: the loss that is left out is the difference; blocks stay at their times."""
    writer = db.writer()
    run = drive(writer)
    calm = start_run(
        writer.connection, name="calm", site="site-a", started_at=START, ended_at=START + timedelta(seconds=SECONDS)
    )
    for span in ((0, 5), (28, 40), (78, 100)):
        leave_out(writer.connection, calm, *span)
    (found,) = compare_runs(writer.connection, run, calm, link="l5g", align="elapsed")
    loss = next(effect for effect in found.effects if effect.id == "loss")
    assert loss.b == 0.0
    assert "B: 除外 3 区間 39 s" in found.note
    # The delay has a period of its own: any shift of the blocks would make a difference.
    assert next(e for e in found.effects if (e.id, e.statistic) == ("rtt", "p50")).difference == pytest.approx(
        0, abs=0.05
    )
    assert sum(effect.n_b for effect in found.effects if effect.id == "loss") == (SECONDS - 39) * 10


def test_the_plan_is_made_without_excluded_time(db):
    """Ten packets a second in what is left, and the losses that are left out make it no burstier."""
    writer = db.writer()
    run = drive(writer)
    whole = burstiness(writer.connection, run, "l5g")
    for span in ((28, 40), (78, 100)):
        leave_out(writer.connection, run, *span)
    found = burstiness(writer.connection, run, "l5g")
    assert found.rate_per_s == pytest.approx(10, rel=0.01)
    assert found.worth > whole.worth
    assert "除外 2 区間 34 s" in found.note
    assert not whole.note
    assert np.isfinite(found.worth)


def test_measuring_points_say_which_time_is_left_out(db, tmp_path):
    """Of two tests one lies in an excluded interval: one is left, and row, sheet and command say so."""
    writer = db.writer()
    run = drive(writer)
    writer.commit([
        batch(
            6, "throughput", [T0_US + 20_000_000, T0_US + 60_000_000], link="l5g", direction=["down"] * 2,
            protocol=["tcp"] * 2, point=["P1"] * 2, trial=[1, 2], interval_s=[10.0] * 2, rate_bps=[5e7] * 2,
        )
    ])  # fmt: skip
    (whole,) = points_of_run(writer.connection, run, None)
    leave_out(writer.connection, run, 55, 65, link="l5g")
    (found,) = points_of_run(writer.connection, run, None)
    assert (whole.tests, whole.filter) == (2, "")
    assert (found.tests, found.filter) == (1, "除外 1 区間 10 s / 1 intervals excluded")
    write_workbook(run_report(writer.connection, run, profile=None, made_at=START, raw="none"), tmp_path / "drive.xlsx")
    cells = openpyxl.load_workbook(tmp_path / "drive.xlsx")["測定点"].iter_rows(values_only=True)
    assert "l5g: 除外 1 区間 10 s" in [row[0] for row in cells]


def test_the_plan_loses_packets_by_the_waiting_time_of_a_profile(db, tmp_path):
    """Packets slower than 21.5 ms come in turn: lost, they are worth less, and the basis says how many they are."""
    writer = db.writer()
    run = drive(writer)
    profile = tmp_path / "waits.toml"
    profile.write_text(
        'name = "waits"\nja = "待ち時間"\nen = "waits"\nstatus = "test"\n[parameters]\nlost_after_ms = 21.5\n',
        encoding="utf-8",
    )
    plain, waited = (burstiness(writer.connection, run, "l5g", each) for each in (None, str(profile)))
    assert not plain.note
    assert "21.5 ms を超えて届いた" in waited.note
    assert waited.worth != plain.worth
