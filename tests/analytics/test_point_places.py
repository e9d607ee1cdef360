"""Where measuring points are, and which mark each gets on a map."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.point_place_loader import located_points
from analytics.point_places import located, median_places, point_maps
from analytics.points import PointRow
from analytics.series import Series
from storage.runs import start_run
from tests.api.conftest import batch

S = 1_000_000
T0 = datetime(2026, 6, 1, 4, tzinfo=UTC)


def series_of(*rows):
    """Return tests as (point, end in s, length in s)."""
    names, ends, lengths = zip(*rows, strict=True)
    order = np.argsort(ends, kind="stable")
    return Series(
        np.array(ends, np.int64)[order] * S, {"interval_s": np.array(lengths, float)[order]},
        {"point": np.array(names, object)[order]},
    )  # fmt: skip


def fixes(*rows):
    """Return positions as (time in s, latitude, longitude, mode)."""
    t_s, lat, lon, mode = (np.array(column, float) for column in zip(*sorted(rows), strict=True))
    return Series((t_s * S).astype(np.int64), {"lat_deg": lat, "lon_deg": lon, "mode": mode}, {})


def row(point="P1", rates=(90.0, 100.0, 110.0), **changes):
    tests, reason = sum(rate is not None for rate in rates), changes.pop("reason", "")
    known = sorted(rate for rate in rates if rate is not None)
    value = {} if reason else {"mean_mbps": sum(known) / tests, "median_mbps": known[tests // 2]}
    given_ = {"device": "bus-1", "link": "l5g", "direction": "down", "protocol": "tcp", "started_at": T0, **value}
    return PointRow(
        **{**given_, "point": point, "rates_mbps": list(rates), "tests": tests, "reason": reason, **changes}
    )


def test_a_point_is_where_the_device_stood_during_its_tests():
    """The way to the point and back again, a lost fix and one without a number are no part of it."""
    position = fixes(
        (0, 1.0, 1.0, 3), (10, 35.0, 139.0, 3), (15, 35.2, 139.2, 3), (20, 35.1, 139.9, 2), (16, 9.0, 9.0, 1),
        (17, np.nan, 9.0, 3), (21, 2.0, 2.0, 3), (40, 35.1, 139.1, 3),
    )  # fmt: skip
    found = median_places(series_of(("P1", 20, 10), ("P1", 20, 5), ("P2", 60, 10), ("P3", 40, 0)), position)
    assert found == {"P1": (35.1, 139.2), "P3": (35.1, 139.1)}


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), min_size=1, max_size=8))
def test_each_fix_inside_any_test_counts_once(spans):
    """However tests overlap: the same as asking fix by fix."""
    position = fixes(*((t_s, t_s / 10, t_s / 5, 3) for t_s in range(-5, 70)))
    found = median_places(series_of(*(("P1", end, length) for end, length in spans)), position)
    inside = [t_s for t_s in range(-5, 70) if any(end - length <= t_s <= end for end, length in spans)]
    assert found["P1"] == pytest.approx((np.median(inside) / 10, np.median(inside) / 5))


def test_without_a_fix_there_is_no_place():
    assert median_places(series_of(("P1", 20, 10)), fixes((30, 35.0, 139.0, 3))) == {}
    assert median_places(series_of(("P1", 20, 10)), fixes((15, 35.0, 139.0, 0))) == {}


def test_what_was_surveyed_goes_before_what_was_measured():
    rows = [row("P1", lat_deg=1.0, lon_deg=2.0), row("P2"), row("P3")]
    found = located(rows, {("bus-1", "l5g", point): (3.0, 4.0) for point in ("P1", "P2")})
    assert [(each.lat_deg, each.place) for each in found] == [(1.0, "surveyed"), (3.0, "measured"), (None, "")]


def test_marks_are_graded_by_the_requirement_where_there_is_one():
    placed = {"lat_deg": 35.0, "lon_deg": 139.0, "place": "measured"}
    rows = [
        row("P1", required_mbps=50.0, is_enough=True, **placed),
        row("P2", required_mbps=50.0, is_enough=False, **placed),
        row("P3", rates=(1.0, None), required_mbps=50.0, reason="too few", **placed),
        row("P4", required_mbps=50.0, is_enough=True),
    ]  # fmt: skip
    (shown,) = point_maps(rows)
    marked = {mark.name: (shown.grades[mark.grade].ja, mark.tests, mark.median_text) for mark in shown.marks}
    assert marked == {
        "P1": ("所要値以上", 3, "100.0"), "P2": ("所要値未満", 3, "100.0"), "P3": ("判定不能", 1, "–")
    }  # fmt: skip
    assert (shown.unplaced, shown.names, shown.surveyed) == (["P4"], ["P1", "P2", "P3", "P4"], 0)


@pytest.mark.parametrize(
    ("largest", "classes"),
    [
        (238.0, ["0〜60 Mbit/s", "60〜120 Mbit/s", "120〜180 Mbit/s", "180〜240 Mbit/s"]),
        (0.4, ["0〜0.1 Mbit/s", "0.1〜0.2 Mbit/s", "0.2〜0.3 Mbit/s", "0.3〜0.4 Mbit/s"]),
        (0.0, ["0〜1 Mbit/s", "1〜2 Mbit/s", "2〜3 Mbit/s", "3〜4 Mbit/s"]),
    ],
)
def test_without_a_requirement_they_are_graded_by_round_classes_of_the_median(largest, classes):
    placed = {"lat_deg": 35.0, "lon_deg": 139.0, "place": "surveyed"}
    (shown,) = point_maps([
        row("P1", rates=(largest,) * 3, **placed), row("P2", rates=(0.0,) * 3, **placed),
        row("P3", rates=(1.0,), reason="too few", **placed),
    ])  # fmt: skip
    assert [grade.ja for grade in shown.grades] == [*classes, "値なし(試行不足)"]
    assert [mark.grade for mark in shown.marks] == [3 if largest else 0, 0, 4]


def test_each_link_direction_and_protocol_is_a_map_of_its_own():
    rows = [row("P1"), row("P2"), row("P1", direction="up"), row("P1", link="lte")]
    assert [(shown.link, shown.direction, len(shown.names)) for shown in point_maps(rows)] == [
        ("l5g", "down", 2), ("l5g", "up", 1), ("lte", "down", 1)
    ]  # fmt: skip


def test_the_places_of_a_run_come_from_the_devices_positions(db):
    """Those of another device, and of the time between the tests, do not count."""
    first_us = round(T0.timestamp() * 1e6)
    seconds = [first_us + second * S for second in range(60)]
    throughput = {
        "direction": ["down"] * 3, "protocol": ["tcp"] * 3, "interval_s": [10.0] * 3, "rate_bps": [1e8] * 3,
        "point": ["P1", "P2", "P3"], "lat_deg": [None, 35.9, None], "lon_deg": [None, 139.9, None],
    }  # fmt: skip
    db.writer().commit([
        batch(1, "throughput", [first_us + end * S for end in (20, 40, 200)], link="l5g", device="bus-1", **throughput),
        batch(2, "position", seconds, device="bus-1", lat_deg=[35 + second / 100 for second in range(60)],
              lon_deg=[139.0] * 60, mode=[3] * 60),
        batch(1, "position", seconds, device="bus-2", lat_deg=[1.0] * 60, lon_deg=[1.0] * 60, mode=[3] * 60),
    ])  # fmt: skip
    with db.connect() as connection:
        run = start_run(connection, name="survey-1", site="site-a", links=["l5g"], started_at=T0,
                        ended_at=T0 + timedelta(seconds=300))  # fmt: skip
        rows = located_points(connection, run, None)
    assert [(each.point, each.place) for each in rows] == [("P1", "measured"), ("P2", "surveyed"), ("P3", "")]
    assert (rows[0].lat_deg, rows[0].lon_deg) == pytest.approx((35.15, 139.0))
    assert (rows[1].lat_deg, rows[2].lat_deg) == (35.9, None)
