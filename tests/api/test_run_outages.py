"""The outages of a run from the database: in the workbook, the API and the terminal the same."""

from datetime import UTC, datetime, timedelta

import openpyxl
import pytest

from analytics.outage_rows import COLUMNS
from analytics.report.outage_sheet import SHEET
from analytics.report.workbook import write_workbook
from api.app import ApiSettings
from api.run_report import run_report
from storage.runs import get_run, start_run
from tests.api.conftest import batch, serving
from tests.jissho.shell import Shell

START = datetime(2026, 6, 10, 1, 0, 0, tzinfo=UTC)
T0_US = round(START.timestamp() * 1e6)
SECONDS = 120
DOWN = {"l5g": [(30, 36), (80, 95)], "carrier": []}


def drive(writer, *, is_moving=True):
    """Commit a drive of two minutes: two links at 10 packets/s, radio, place and speed once a second."""
    seconds = range(SECONDS)
    t_us = [T0_US + second * 1_000_000 for second in seconds]
    made = []
    for number, (link, down) in enumerate(DOWN.items()):
        lost = [any(low <= k / 10 < high for low, high in down) for k in range(SECONDS * 10)]
        rtt = [None if gone else 21_000 + k * 7 % 900 for k, gone in enumerate(lost)]
        made.append(
            batch(
                number + 1, "probe", [T0_US + k * 100_000 for k in range(SECONDS * 10)], link=link,
                session=[1] * len(rtt), seq=list(range(len(rtt))), rtt_us=rtt, copy=[int(not gone) for gone in lost],
                lost=[3 if gone else 0 for gone in lost],
            )
        )  # fmt: skip
    made.append(
        batch(
            3, "radio", t_us, link="l5g", pci=[12 if second < 90 else 40 for second in seconds],
            cell_id=[4097 if second < 90 else 8193 for second in seconds],
            rsrp_dbm=[-80.0 - second % 31 for second in seconds], rsrq_db=[-10.5] * SECONDS,
            sinr_db=[20.0 - second % 31 for second in seconds],
        )
    )  # fmt: skip
    if is_moving:
        made.append(
            batch(
                4, "position", t_us, lat_deg=[38.2545 + second * 1e-4 for second in seconds],
                lon_deg=[140.8396] * SECONDS, speed_mps=[11.1] * SECONDS, mode=[3] * SECONDS,
            )
        )  # fmt: skip
        made.append(
            batch(
                5, "vehicle", t_us, speed_mps=[11.0] * SECONDS,
                drive_mode=["AUTONOMOUS" if second < 60 else "MANUAL" for second in seconds],
                mrm_state=["NORMAL" if second < 80 else "MRM_OPERATING" for second in seconds],
            )
        )  # fmt: skip
    writer.commit(made)
    return start_run(
        writer.connection, name="drive", site="site-a", started_at=START, ended_at=START + timedelta(seconds=SECONDS)
    )


def cells(connection, run, path):
    report = run_report(connection, run, profile=None, made_at=START, raw="none")
    write_workbook(report, path)
    return [
        [cell for cell in row if cell is not None]
        for row in openpyxl.load_workbook(path)[SHEET].iter_rows(values_only=True)
    ]


def _tables(rows):
    """Return the numbered rows of the two tables: the sums of the links, and the outages."""
    split = rows.index(["通信断"])
    return [[row for row in part if row and isinstance(row[0], int)] for part in (rows[:split], rows[split:])]


def listed(path):
    """Return the outages of a workbook by heading."""
    rows = list(openpyxl.load_workbook(path)[SHEET].iter_rows(values_only=True))
    (head,) = [place for place, row in enumerate(rows) if "通信断の開始" in row]
    return [
        dict(zip((name.split("\n")[0] for name in rows[head] if name), row, strict=False)) for row in rows[head + 1 :]
    ]


def test_every_outage_has_its_time_place_radio_and_vehicle(db, tmp_path):
    """Two outages on one link, none on the other; times in JST, the second with a change of cell and of driver."""
    writer = db.writer()
    rows = cells(writer.connection, drive(writer), tmp_path / "drive.xlsx")

    sums, _ = _tables(rows)
    assert sums == [
        [1, "bus-1", "carrier", "2分00秒", "0.0秒", 0, "往復"],
        [2, "bus-1", "l5g", "2分00秒", "18.6秒", 2, "往復", pytest.approx(13.82135)],
        [3, "bus-1", "carrier+l5g", "2分00秒", "0.0秒", 0, "往復"],
    ]
    first, second = listed(tmp_path / "drive.xlsx")
    assert first == {
        "No.": 1, "測定端末": "bus-1", "回線": "l5g", "方向": "往復", "通信断の開始": "2026-06-10 10:00:31.200",
        "復旧": "2026-06-10 10:00:36.021", "継続時間": pytest.approx(4.82172), "最初の不達": "2026-06-10 10:00:30.000",
        "不達": 60, "うち損失": 60, "緯度": pytest.approx(38.2575), "経度": 140.8396,
        "キロ程": pytest.approx(333, abs=2), "速度": 39.96, "運転モード": "自動", "MRM状態": "通常",
        "直前のRSRP": -110.0, "直前のRSRQ": -10.5, "直前のSINR": -10.0, "直前のセル": "PCI 12 / ID 4097",
        "復旧後のセル": "PCI 12 / ID 4097", "備考": None,
    }  # fmt: skip
    assert (second["通信断の開始"], second["復旧"]) == ("2026-06-10 10:01:21.200", "2026-06-10 10:01:35.021")
    assert (second["継続時間"], second["不達"], second["うち損失"]) == (pytest.approx(13.82135), 150, 150)
    assert (second["運転モード"], second["MRM状態"]) == ("手動", "作動中")
    assert (second["直前のセル"], second["復旧後のセル"]) == ("PCI 12 / ID 4097", "PCI 40 / ID 8193")
    assert second["備考"] == "前後でセルが異なる"


def test_api_terminal_and_workbook_give_the_same_outages(db, tmp_path):
    """What the API gives of each link is what --json prints, and the sheet has it in the units of paper."""
    writer = db.writer()
    run = drive(writer)
    cells(writer.connection, run, tmp_path / "drive.xlsx")
    with serving(ApiSettings(database_url=db.url)) as client:
        given = client.get("/v1/runs/drive/outages").json()
        of_pair = client.get("/v1/runs/drive/outages", params={"link": "carrier+l5g"}).json()
        refused = client.get("/v1/runs/drive/outages", params={"link": "a+b+c"}).status_code
    shell = Shell(db.url, tmp_path)

    assert [each["link"] for each in given] == ["carrier", "l5g", "carrier+l5g"]
    assert shell.json("outages", "drive") == given
    assert ([each["link"] for each in of_pair], refused) == (["carrier+l5g"], 422)
    rows, sheet = given[1]["outages"], listed(tmp_path / "drive.xlsx")
    assert set(rows[0]) == {field for column in COLUMNS for field in column.fields}
    for row, line in zip(rows, sheet, strict=True):
        assert line["速度"] == pytest.approx(row["speed_mps"] * 3.6, abs=0.05)
        assert (line["キロ程"], line["直前のRSRQ"]) == (pytest.approx(row["road_m"]), row["rsrq_db"])
        assert row["failed_at"].startswith("2026-06-10T01:")
    assert (rows[0]["drive_mode"], rows[1]["mrm_state"]) == ("AUTONOMOUS", "MRM_OPERATING")
    told = shell("outages", "drive").stdout
    assert all(word in told for word in ("通信断一覧", "l5g", "13.821", "自動", "PCI 40", "キロ程"))
    assert "its links are carrier, l5g" in shell("outages", "drive", "--link", "lte").stderr
    assert shell.json("outages", "drive", "--link", "l5g+carrier") == of_pair
    pair = {each["link"] for each in shell.json("kpi", "drive", "--link", "l5g+carrier")}
    assert pair == {"carrier+l5g"}


def test_a_run_without_outages_says_so(db, tmp_path):
    """On the link that never failed; absent place and vehicle leave their cells empty."""
    writer = db.writer()
    run = drive(writer, is_moving=False)
    cells(writer.connection, run, tmp_path / "l5g.xlsx")
    empty = ("緯度", "経度", "キロ程", "速度", "運転モード", "MRM状態")
    assert {row[name] for row in listed(tmp_path / "l5g.xlsx") for name in empty} == {None}

    writer.connection.execute("UPDATE run SET links = '{carrier}'")
    calm = cells(writer.connection, get_run(writer.connection, run.name), tmp_path / "carrier.xlsx")
    assert ["この測定に通信断はない。"] in calm


def test_times_in_which_both_links_were_down_are_listed_as_a_pair(db, tmp_path, monkeypatch):
    """The other link fails from 33 to 40 s too: both are down from its failure on until the first is back."""
    monkeypatch.setitem(DOWN, "carrier", [(33, 40)])
    writer = db.writer()
    run = drive(writer)
    sums, _ = _tables(cells(writer.connection, run, tmp_path / "pair.xlsx"))

    assert [(row[2], row[5]) for row in sums] == [("carrier", 1), ("l5g", 2), ("carrier+l5g", 1)]
    (pair,) = [row for row in listed(tmp_path / "pair.xlsx") if row["回線"] == "carrier+l5g"]
    # Down 1.2 s (deadline and survival time) after 33 s; up again with the first packet after 36 s, 21 ms later.
    assert pair["継続時間"] == pytest.approx(36.021 - 34.2, abs=0.001)
    assert (pair["不達"], pair["うち損失"]) == (18 + 19, 18 + 19)  # one more of the link that was still down at 36.0 s
    assert (pair["緯度"], pair["直前のRSRP"]) == (pytest.approx(38.2545 + 34e-4), None)


def test_packets_later_than_the_waiting_time_are_outages_in_the_list_as_in_the_figures(db, tmp_path):
    """Round trips above 21.5 ms come in stretches of 5.7 s: lost, and therefore outages of both."""
    path = tmp_path / "strict.toml"
    path.write_text('name="s"\nja="例"\nen="s"\nstatus=""\n[parameters]\nlost_after_ms=21.5\n', encoding="utf-8")
    writer = db.writer()
    report = run_report(writer.connection, drive(writer), profile=str(path), made_at=START, raw="none")

    counted = {kpi.link: kpi.value for kpi in report.kpis if (kpi.id, kpi.statistic) == ("outage", "count")}
    assert {one.link: one.count for one in report.outages if one.link in counted} == counted
    assert "later than 21.5 ms counted as lost" in report.outages[0].filter
    assert counted["carrier"] == 9
