"""The page's table of outages: the columns of the list, in both languages, and words where there is none."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from analytics.outage_rows import COLUMNS, OutageList, OutageRow, columns_of, outage_list
from analytics.outages import Cell, LinkOutages, Outage
from dashboards.page.outage_panel import SHOWN, outage_columns, outage_counts, outage_rows, outage_sums
from dashboards.page.snapshot import Snapshots
from storage.connect import open_pool
from tests.api.test_run_outages import drive
from tests.dashboards.test_page import browser, serve  # noqa: F401 - fixtures

START_US = round(datetime(2026, 5, 1, 3, 0, 5, tzinfo=UTC).timestamp() * 1e6)
ONE = Outage(
    failed_us=START_US - 1_200_000, start_us=START_US, end_us=START_US + 4_500_000, failed=57, lost=50, is_open=True,
    lat_deg=35.6, lon_deg=139.7, road_m=1234.56, speed_mps=10.0, drive_mode="AUTONOMOUS", mrm_state="MRM_OPERATING",
    rsrp_dbm=-95.30000305175781, rsrq_db=-11.0, sinr_db=3.5, cell_before=Cell(pci=12, cell_id=4097),
    cell_after=Cell(pci=40, cell_id=None),
)  # fmt: skip
LINK = LinkOutages(
    device="bus-1", link="l5g", direction="round_trip", t_max_ms=200.0, survival_ms=1000.0, observed_s=120.0,
    outages=[ONE],
)  # fmt: skip
NONE = replace(LINK, link="lte", outages=[])
BLIND = replace(NONE, link="l5g+lte", observed_s=0.0, reason="欠番 / absent numbers")


def lists(*found) -> list[OutageList]:
    return [outage_list(each) for each in found]


def test_a_row_says_when_where_and_in_which_state():
    """Times in JST, speed in km/h, words in Japanese; codes in English."""
    (row,) = outage_rows(lists(LINK), "ja")
    assert row == {
        "id": 1, "device": "bus-1", "link": "l5g", "started_at": "2026-05-01 12:00:05.000", "duration_s": "4.500",
        "lat_deg": "35.600000", "lon_deg": "139.700000", "road_m": "1,234.6",
        "speed_mps": "36.0", "drive_mode": "自動", "mrm_state": "作動中", "rsrp_dbm": "-95.3", "rsrq_db": "-11.0",
        "sinr_db": "3.5", "cell_before": "PCI 12 / ID 4097", "cell_after": "PCI 40",
        "note": "測定の終了(中断)まで復旧せず。前後でセルが異なる",
    }  # fmt: skip
    (row,) = outage_rows(lists(LINK), "en")
    assert (row["drive_mode"], row["mrm_state"]) == ("AUTONOMOUS", "MRM_OPERATING")
    assert row["note"] == "not back when the measurement ended or paused; another cell afterwards"


def test_every_field_of_a_row_is_in_a_column_and_every_column_in_the_table():
    """The table of columns is the only one: what is added to it is shown everywhere."""
    assert {field for column in COLUMNS for field in column.fields} == set(OutageRow.__struct_fields__)
    for language in ("ja", "en"):
        columns = outage_columns(language)
        assert [column["name"] for column in columns] == [column.name for column in columns_of("page")]
        (row,) = outage_rows(lists(LINK), language)
        assert all(column["label"] and column["field"] in row for column in columns)
    assert columns_of("workbook") == list(COLUMNS)
    assert {column.name for column in columns_of("terminal")} < {column.name for column in columns_of("page")}
    assert [column["label"] for column in outage_columns("ja")][4:8] == ["緯度 [度]", "経度 [度]", "キロ程 [m]",
                                                                         "速度 [km/h]"]  # fmt: skip


def test_what_was_not_sampled_is_a_dash():
    """No place, no radio, no vehicle."""
    bare = Outage(failed_us=START_US, start_us=START_US, end_us=START_US + 1, failed=1, lost=1, is_open=False)
    (row,) = outage_rows(lists(replace(LINK, outages=[bare])), "ja")
    names = ("lat_deg", "road_m", "speed_mps", "drive_mode", "mrm_state", "rsrp_dbm", "cell_before", "note")
    assert {row[name] for name in names} == {"–"}


@pytest.mark.parametrize(("language", "none", "unknown"), [("ja", "通信断はありません", "観測した時間がありません"),
                                                           ("en", "no outages", "nothing was observed")])  # fmt: skip
def test_no_outage_and_nothing_observed_are_told_apart(language, none, unknown):
    """Silence is never the answer."""
    assert outage_counts(lists(NONE), language) == none
    assert outage_counts(lists(BLIND), language) == unknown
    assert "1" in outage_counts(lists(LINK, NONE), language)


def test_each_link_has_its_sums_and_reasons():
    """Of several devices the names are told apart."""
    words = outage_sums(lists(LINK, NONE, BLIND), "ja")
    assert (
        words == "l5g 往復: 1 件 4.5 s / 観測 120 s · lte 往復: 0 件 0.0 s / 観測 120 s · l5g+lte 往復: 観測なし (欠番)"
    )
    assert "absent numbers" in outage_sums(lists(BLIND), "en")
    assert "bus-2/l5g" in outage_sums(lists(LINK, replace(LINK, device="bus-2")), "ja")


def test_of_many_outages_the_longest_are_shown():
    """In the order of time; the count says that there are more."""
    many = [replace(ONE, start_us=START_US + n * 10_000_000, end_us=START_US + n * 10_000_000 + 1000 * (n + 1))
            for n in range(SHOWN + 50)]  # fmt: skip
    rows = outage_rows(lists(replace(LINK, outages=many)), "ja")
    assert len(rows) == SHOWN
    assert rows[0]["duration_s"] == "0.051"
    assert outage_counts(lists(replace(LINK, outages=many)), "ja") == "250 件(表は長い 200 件)"


def test_the_page_asks_for_the_outages_of_a_run(db):
    """By the same definition as its KPIs; an unknown run is said, not shown as none."""
    drive(db.writer())
    with open_pool(db.url, size=1, name="jissho-test") as pool:
        snapshots = Snapshots(pool, None)
        found, unknown = snapshots.outages("drive"), snapshots.outages("nothing")
        counted = {
            kpi.link: kpi.value for kpi in snapshots.kpis("drive") if (kpi.id, kpi.statistic) == ("outage", "count")
        }
    assert {each.link: each.count for each in found if each.link in counted} == counted == {"carrier": 0.0, "l5g": 2.0}
    assert "nothing" in unknown
    assert msgspec.json.decode(msgspec.json.encode(found), type=list[OutageList]) == found
    assert found[1].outages[0].ended_at - found[1].outages[0].started_at > timedelta(seconds=4)


@pytest.mark.browser
@pytest.mark.timeout(120)
def test_an_evaluator_sees_the_outages(browser, serve, db):  # noqa: F811
    """The table stands under the KPIs, with place and vehicle of each outage."""
    drive(db.writer())
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.goto(f"{serve(db.url)}/?run=drive")
    page.wait_for_selector("td.column-road_m", timeout=60_000)
    rows = [row.inner_text() for row in page.query_selector_all("tr:has(td.column-road_m)")]
    assert len(rows) == 2
    assert all(word in rows[0] for word in ("2026-06-10 10:00:31.200", "333.0", "自動", "PCI 12 / ID 4097"))
    assert "通信断一覧" in page.inner_text("body")
