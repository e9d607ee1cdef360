"""The box plot of the page: what it draws, and that a browser shows it."""

from datetime import UTC, datetime

import pytest

from analytics.boxes import STATISTICS, Box, boxes
from dashboards.page.box_panel import box_chart
from ingest.importer import import_recording
from storage.runs import start_run
from tests.analytics.report.making import kpi
from tests.dashboards.test_page import browser, serve  # noqa: F401 - fixtures
from tests.jissho.tables import BOX_MBPS, points_csv

DOWN = Box("laptop", "l5g", "down", "TCP", 5, tuple(BOX_MBPS))


def results(values, **changes):
    return [
        kpi("point_throughput_tcp", statistic, value, n=5, **{"device": "laptop", "direction": "down", **changes})
        for statistic, value in zip(STATISTICS, values, strict=True)
    ]


def test_a_box_has_five_values_of_one_link_direction_and_protocol():
    down, up = results(BOX_MBPS), results([1.0, 2.0, 3.0, 4.0, 5.0], direction="up")
    assert boxes([*down, *up]) == [DOWN, Box("laptop", "l5g", "up", "TCP", 5, (1.0, 2.0, 3.0, 4.0, 5.0))]
    assert boxes([kpi("throughput_tcp", "p50", 3.0)]) == []


def test_points_without_a_value_have_no_box():
    assert boxes(results([None] * 5)) == []


@pytest.mark.parametrize(("language", "name"), [("ja", "l5g 下り TCP\n5地点"), ("en", "l5g down TCP\n5 points")])
def test_the_chart_names_each_box_and_how_many_points_it_is_of(language, name):
    option = box_chart([DOWN], language)
    assert option["xAxis"]["data"] == [name]
    (drawn,) = option["series"]
    assert (drawn["type"], drawn["data"][0]["value"]) == ("boxplot", BOX_MBPS)


def test_up_and_down_differ_and_several_devices_are_named():
    option = box_chart([DOWN, DOWN._replace(device="phone", direction="up")], "ja")
    assert [name.split("\n")[0] for name in option["xAxis"]["data"]] == ["laptop/l5g 下り TCP", "phone/l5g 上り TCP"]
    assert len({row["itemStyle"]["borderColor"] for row in option["series"][0]["data"]}) == 2


@pytest.mark.browser
@pytest.mark.timeout(120)
def test_an_evaluator_sees_the_box_plot_of_a_run_with_points(browser, serve, db, tmp_path):  # noqa: F811
    file = tmp_path / "points.csv"
    file.write_text(points_csv(), encoding="utf-8")
    with db.connect() as connection:
        outcome = import_recording(
            db.writer(), file, "throughput_points", site="lab", device="laptop", link="l5g"
        )  # fmt: skip
        ends_us = (outcome.first_t_us, outcome.last_t_us + 1)
        first, last = (datetime.fromtimestamp(t_us / 1e6, tz=UTC) for t_us in ends_us)
        start_run(connection, name="survey-1", site="lab", started_at=first, ended_at=last)
        start_run(connection, name="bare", site="elsewhere", started_at=first, ended_at=last)
    page = browser.new_page(viewport={"width": 1440, "height": 1400})
    address = serve(db.url)
    page.goto(f"{address}/?run=survey-1")
    page.wait_for_selector("text=測定点の実効速度(箱:", state="visible", timeout=30_000)
    words = page.inner_text("body")
    assert all(word in words for word in ("測定点の実効速度(TCP)", "162 Mbit/s", "P-06(2回)"))
    page.goto(f"{address}/?run=bare")
    page.wait_for_selector(".verdict", timeout=30_000)
    assert not page.is_visible("text=測定点の実効速度(箱:")
