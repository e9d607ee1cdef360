"""The way on the map, coloured by the level of a link."""

import math

import pytest

from dashboards.page import map_chart
from tests.dashboards.chart_rows import DEVICES, position_row, radio_row


@pytest.mark.parametrize("ratio", [0.8, 1.5, 2.5])
@pytest.mark.parametrize(
    "points", [[[139.70, 35.60], [139.74, 35.601]], [[139.70, 35.60], [139.701, 35.64]], [[139.7, 35.6]]]
)
def test_the_map_keeps_metres_equal_and_all_points_inside(points, ratio):
    """A kilometre north is as long on the screen as one east, whatever the shape of way and panel."""
    west, east, south, north = map_chart.map_box(points, ratio)

    east_m = (east - west) * math.cos(math.radians((south + north) / 2))
    assert ratio == pytest.approx(east_m / (north - south), rel=1e-3)
    assert all(west < lon < east and south < lat < north for lon, lat in points)


def test_the_map_of_nothing_has_no_limits_and_no_scale():
    """Without positions there is an empty grid."""
    option = map_chart.map_chart([], "目安")

    assert (None, None, None, None) == map_chart.map_box([], 2.0)
    assert all(not series["data"] for series in option["series"])
    assert not option["visualMap"]["show"]


def test_the_scale_bar_has_the_length_it_says():
    """The bar's label is its length in metres."""
    option = map_chart.map_chart([[139.70, 35.60, -90.0], [139.71, 35.605, -91.0]], "目安", width_px=700)

    left, right = option["series"][-1]["data"]
    name = right["label"]["formatter"]
    degrees = right["value"][0] - left["value"][0]
    assert "200 m" == name
    assert 200 == pytest.approx(degrees * 111_320 * math.cos(math.radians(35.6025)), rel=0.01)


def test_rsrp_bins_have_labels_and_leave_no_hole():
    """Each bin begins where the next weaker one ends."""
    pieces = map_chart.rsrp_pieces()

    assert ["≥ -80", "-90 ~ -80", "-100 ~ -90", "-110 ~ -100", "< -110"] == [piece["label"] for piece in pieces]
    assert [piece["gte"] for piece in pieces[:-1]] == [piece["lt"] for piece in pieces[1:]]


def test_a_position_carries_the_rsrp_of_its_link_at_that_moment():
    """Another link's level is not used, and a moment without a level is grey."""
    position = [position_row(0, 35.6, 139.7), position_row(1, 35.601, 139.7), position_row(2, None, None)]
    radio = [radio_row(0, rsrp_dbm=-88.0), radio_row(1, link_id=2, rsrp_dbm=-70.0)]

    points = map_chart.map_points(position, radio, 3, DEVICES)
    option = map_chart.map_chart(points, "目安")

    assert [[139.7, 35.6, -88.0], [139.7, 35.601, None]] == points
    assert [[139.7, 35.601]] == option["series"][1]["data"]
    assert [[139.7, 35.6, -88.0]] == option["series"][2]["data"]


def test_the_way_of_another_device_is_not_mixed_in():
    """Two cars at once are two ways; the map shows the one whose link is chosen."""
    devices = {1: "car-1", 3: "car-1", 8: "car-2", 9: "car-2"}
    position = [position_row(0, 35.6, 139.7), position_row(0, 36.0, 140.0, link_id=8)]

    assert [[140.0, 36.0, None]] == map_chart.map_points(position, [], 9, devices)
    assert [[139.7, 35.6, None]] == map_chart.map_points(position, [], None, devices)
