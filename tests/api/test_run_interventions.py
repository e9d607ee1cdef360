"""A monitored drive from the database: interventions by cause in KPIs and workbook, all requirements at once, video."""

from datetime import UTC, datetime, timedelta

import openpyxl
import pytest

from analytics.report.intervention_sheet import SHEET
from analytics.report.workbook import write_workbook
from analytics.run_loader import evaluate_run
from api.run_interventions import run_interventions
from api.run_report import run_report
from storage.exclusions import exclude
from storage.runs import start_run
from tests.api.conftest import batch

START = datetime(2026, 6, 10, 1, 0, 0, tzinfo=UTC)
T0_US = round(START.timestamp() * 1e6)
SECONDS = 120
LOST = range(30, 40)
VIDEO = {"l5g": range(60), "lte": range(60, 100)}
"""Seconds of which each link carried the picture; nobody did after 100 s."""


def at(second):
    return T0_US + round(second * 1_000_000)


def state(second):
    return "MRM_OPERATING" if 80 <= second < 83 else "MRM_FAILED" if 83 <= second < 90 else "NORMAL"


@pytest.fixture
def drive(db):
    """Two minutes at 10 m/s: packets of l5g lost for 10 s, video that moves and then stops, two interventions."""
    writer = db.writer()
    seconds = range(SECONDS)
    made = []
    for number, link in enumerate(VIDEO):
        lost = [link == "l5g" and k // 10 in LOST for k in range(SECONDS * 10)]
        made.append(
            batch(
                2 * number + 1, "probe", [at(k / 10) for k in range(SECONDS * 10)], link=link,
                session=[1] * len(lost), seq=list(range(len(lost))), rtt_us=[None if gone else 21_000 for gone in lost],
                copy=[int(not gone) for gone in lost], lost=[3 if gone else 0 for gone in lost],
            )
        )  # fmt: skip
        n = len(VIDEO[link])
        made.append(
            batch(
                2 * number + 2, "video", [at(second + 1) for second in VIDEO[link]], link=link, camera=["front"] * n,
                interval_s=[1.0] * n, fps=[20.0] * n, delay_us=[100_000] * n, freezes=[0] * n, freeze_s=[0.0] * n,
            )
        )  # fmt: skip
    told = [(30.2, "vehicle.intervention", '{"cause": "路上駐車"}'), (84.0, "vehicle.mrm", '{"cause": "通信断"}')]
    made += [
        batch(
            5, "vehicle", [at(second) for second in seconds], speed_mps=[10.0] * SECONDS,
            drive_mode=["AUTONOMOUS"] * SECONDS, mrm_state=[state(second) for second in seconds],
            intervention=[(second > 30) + (second > 90) for second in seconds],
        ),
        batch(6, "event", [at(second) for second, *_ in told], name=[name for _, name, _ in told],
              severity=["warning"] * 2, message=["x"] * 2, detail=[detail for *_, detail in told]),
        batch(7, "position", [at(second) for second in seconds], lat_deg=[38.0 + second * 10 / 111_195
              for second in seconds], lon_deg=[140.0] * SECONDS, speed_mps=[10.0] * SECONDS, mode=[3] * SECONDS),
        batch(8, "radio", [at(second) for second in seconds], link="l5g", rsrp_dbm=[-95.5] * SECONDS),
    ]  # fmt: skip
    writer.commit(made)
    return writer.connection, start_run(
        writer.connection, name="drive", site="site-a", started_at=START, ended_at=START + timedelta(seconds=SECONDS)
    )


def keyed(results):
    return {(each.id, each.link, each.statistic, each.variant): each for each in results}


def test_the_list_of_interventions_has_what_the_kpis_count(drive, tmp_path):
    """Time, cause, outcome, speed, place and the links before each; the one without an event is 不明."""
    connection, run = drive
    report = run_report(connection, run, profile=None, made_at=START, raw="none")
    found = keyed(report.kpis)
    assert [2.0, 1.0, 1.0] == [
        found["interventions", "", "count", part].value for part in ("", "原因: 路上駐車", "原因: 不明")
    ]  # fmt: skip
    assert (1.0, 0.0, 1.0) == tuple(
        found["mrm", "", *rest].value for rest in (("failed", ""), ("succeeded", ""), ("count", "原因: 通信断"))
    )
    assert 2 / 1.19 == pytest.approx(found["interventions", "", "per_km", ""].value, rel=1e-3)

    write_workbook(report, tmp_path / "run.xlsx")
    rows = [row for row in openpyxl.load_workbook(tmp_path / "run.xlsx")[SHEET].iter_rows(values_only=True)
            if isinstance(row[0], int)]  # fmt: skip
    assert [("手動介入", "路上駐車", "-"), ("MRM", "通信断", "失敗"), ("手動介入", "不明", "-")] == [
        (row[2], row[5], row[6]) for row in rows
    ]
    assert (36.0, 38.0027) == (rows[0][9], pytest.approx(rows[0][7], abs=1e-4))
    assert "l5g: RSRP -95.5 dBm、往復遅延 中央値 21.0 ms、損失 2/50" in rows[0][10]
    assert "lte: 往復遅延 中央値 21.0 ms、損失 0/50" in rows[0][10]


def test_all_requirements_at_once_of_each_link_and_of_both(drive):
    """l5g: lost for 10 s and without video from 60 s on; lte has it from 60 to 100 s; after that nobody."""
    connection, run = drive
    found = keyed(evaluate_run(connection, run, None))
    shares = [found["all_met", link, "ratio", ""] for link in ("l5g", "lte", "l5g+lte")]
    assert [50 / 120, 40 / 120, 90 / 120] == [share.value for share in shares]
    assert [120] * 3 == [share.n for share in shares]


def test_what_comes_after_the_waiting_time_holds_in_no_second(drive, tmp_path):
    """All at once is of the packets that the loss beside it is of: every answer takes 21 ms, and 20 are waited for.

    So is what is said of the links just before an intervention.
    """
    connection, run = drive
    path = tmp_path / "strict.toml"
    path.write_text('name="s"\nja="例"\nen="s"\nstatus=""\n[parameters]\nlost_after_ms=20.0\n', encoding="utf-8")
    found = keyed(evaluate_run(connection, run, str(path)))
    for link in ("l5g", "lte", "l5g+lte"):
        assert found["all_met", link, "ratio", ""].value == 0.0
    assert found["loss", "l5g", "ratio", ""].value == 1.0
    late = {link: found["all_met", link, "ratio", ""].filter.split("; ")[-1] for link in ("l5g", "lte", "l5g+lte")}
    assert late["l5g"] in found["loss", "l5g", "ratio", ""].filter
    assert (late["lte"], late["l5g+lte"]) == tuple(
        f"20 ms を超えて届いた {n} パケットを損失とした / {n} packets later than 20 ms counted as lost"
        for n in (1200, 2300)
    )  # fmt: skip
    first = run_interventions(connection, run, str(path))[0]
    assert [(each.link, each.rtt_ms, each.lost, each.sent) for each in first.links] == [
        ("l5g", None, 50, 50), ("lte", None, 50, 50)
    ]  # fmt: skip


def test_a_camera_that_moved_is_not_frozen_and_one_that_stopped_is(drive):
    """The picture left l5g for lte, and lte for good: frozen until the last sample, 19 s after its last row."""
    connection, run = drive
    found = keyed(evaluate_run(connection, run, None))
    ratio = {link: found["video_freeze", link, "ratio", "カメラ: front"].value for link in VIDEO}
    assert {"l5g": 0.0, "lte": 19 / 59} == pytest.approx(ratio)


def test_excluded_time_has_no_interventions_no_way_and_no_failed_seconds(drive):
    """The first intervention, 20 s of the way and the outage lie in it; the value with them stands beside."""
    connection, run = drive
    span = {"started_at": START + timedelta(seconds=25), "ended_at": START + timedelta(seconds=45)}
    exclude(connection, run, **span, reason="給電断", excluded_by="lead")
    found = keyed(evaluate_run(connection, run, None))
    count = found["interventions", "", "count", ""]
    assert (1.0, 2.0) == (count.value, count.value_of_all)
    assert 1 / 0.98 == pytest.approx(found["interventions", "", "per_km", ""].value, rel=1e-2)
    assert ("interventions", "", "count", "原因: 路上駐車") not in found
    whole = found["all_met", "l5g+lte", "ratio", ""]
    # The row of the second before the cut ends in it.
    assert (79 / 99, 99, 90 / 120) == (whole.value, whole.n, whole.value_of_all)
