"""The box plot of the page: what it draws, and that a browser shows it."""

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.boxes import STATISTICS, Box, boxes
from analytics.point_places import Grade, PointMap, PointMark
from dashboards.page.box_panel import box_chart
from dashboards.page.point_panel import _choices, _covers, label_sides, map_names, place_words, point_chart
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


def shown_map(count=5, *, unplaced=(), step=0.002, name="P-{}"):
    grades = [Grade("遅い", "slow", "#c6dbef"), Grade("速い", "fast", "#08306b")]
    marks = [
        PointMark(name.format(number), 35.44 + step * (number % 3), 139.6 + step * number, number % 2 == 0, 3,
                  10.0 * number, number % 2)
        for number in range(count)
    ]  # fmt: skip
    return PointMap(
        "laptop", "l5g", "down", "tcp", [*(mark.name for mark in marks), *unplaced], grades, marks, [*unplaced]
    )


def test_the_map_marks_each_point_in_the_colour_of_its_grade():
    option = point_chart(shown_map(), "en", width_px=900)
    slow, fast, scale = option["series"]
    assert [(series["name"], len(series["data"])) for series in (slow, fast)] == [("slow", 3), ("fast", 2)]
    assert slow["itemStyle"]["color"] == "#c6dbef"
    point = fast["data"][0]
    assert (point["value"], point["label"]["formatter"]) == ([139.602, 35.442], "P-1\n10.0 (n=3)")
    assert "median 10.0 Mbit/s of 3 tests" in point["tip"]
    assert "(measured)" in point["tip"]
    assert scale["data"][1]["label"]["formatter"] == "200 m"


def test_metres_are_equal_both_ways_and_the_scale_covers_no_point():
    shown = shown_map()
    option = point_chart(shown, "ja", width_px=900)
    (x, y), wide, tall = (option["xAxis"], option["yAxis"]), 900 - 64 - 178, option["grid"]["height"]
    across = (x["max"] - x["min"]) * math.cos(math.radians((y["max"] + y["min"]) / 2)) / wide
    assert across == pytest.approx((y["max"] - y["min"]) / tall, rel=0.01)
    assert option["series"][-1]["data"][0]["value"][1] < min(mark.lat_deg for mark in shown.marks)


@given(
    st.lists(
        st.tuples(st.floats(35.4, 35.41), st.floats(139.6, 139.63), st.sampled_from(["P", "交差点の東側"])),
        min_size=1,
        max_size=25,
    )
)
def test_no_label_covers_a_mark_or_another_label(places):
    marks = [
        PointMark(f"{word}{number}", lat, lon, False, 3, 123.4, 0) for number, (lat, lon, word) in enumerate(places)
    ]  # fmt: skip
    box, plot = (139.59, 139.64, 35.395, 35.415), (700.0, 260.0)
    at = {
        mark: ((mark.lon_deg - box[0]) / 0.05 * plot[0], (box[3] - mark.lat_deg) / 0.02 * plot[1]) for mark in marks
    }  # fmt: skip
    sides = label_sides(marks, box, plot)
    boxes_px = [dict(_choices(mark, *at[mark]))[sides[mark.name]] for mark in marks if mark.name in sides]
    for number, one in enumerate(boxes_px):
        assert not any(_covers(one, other) for other in boxes_px[:number])
    for mark, (x, y) in at.items():
        others = [dict(_choices(each, *at[each]))[sides[each.name]] for each in marks
                  if each is not mark and each.name in sides]  # fmt: skip
        assert not any(left < x < right and top < y < bottom for left, top, right, bottom in others)
    assert len(marks) > 1 or sides == {marks[0].name: "right"}


def test_of_many_points_the_names_stand_in_the_tooltips():
    option = point_chart(shown_map(80), "ja")
    assert not any(point["label"]["show"] for series in option["series"][:2] for point in series["data"])


def test_how_the_places_are_known_is_said_and_which_are_not():
    assert place_words(shown_map(3, unplaced=["P-9"]), "ja") == (
        "位置が測量・計画の値 2地点 · 位置が試行中の端末の測位の中央値 1地点 · "
        "図に示せない 1地点: P-9(測量した位置も、試行中の測位の記録もない)"
    )
    many = place_words(shown_map(0, unplaced=[f"P-{number}" for number in range(20)]), "en")
    assert many.startswith("Not on the map, 20: P-0, ")
    assert "P-9 ... (neither" in many


def test_names_cannot_become_markup():
    option = point_chart(shown_map(1, name="<img src=x>"), "ja")
    assert "<img" not in option["series"][0]["data"][0]["tip"]


def test_a_map_is_named_by_its_link_and_by_the_device_where_there_are_several():
    one = shown_map()
    assert map_names([one], "ja") == ["l5g 下り TCP"]
    assert map_names([one, one._replace(device="phone", direction="up")], "en") == [
        "laptop/l5g down TCP", "phone/l5g up TCP"
    ]  # fmt: skip


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
    page.wait_for_selector("text=測定点の位置と実効速度", state="visible", timeout=30_000)
    words = page.inner_text("body")
    assert all(word in words for word in ("位置が測量・計画の値 5地点", "図に示せない 1地点: P-06(測量した位置も"))
    page.goto(f"{address}/?run=bare")
    page.wait_for_selector(".verdict", timeout=30_000)
    assert not page.is_visible("text=測定点の実効速度(箱:")
    assert not page.is_visible("text=測定点の位置と実効速度")
