"""Lines over time: what ECharts is given."""

from datetime import UTC, datetime

import pytest

from dashboards.page import charts
from tests.dashboards.chart_rows import END, LINKS, SECOND, START, probe_row, radio_row


def delay(rows, step=SECOND):
    return charts.delay_chart(rows, LINKS, START, END, step)


def values(series):
    """Return the numbers of a series; a lone point carries its dot beside it."""
    return [(point["value"] if isinstance(point, dict) else point)[1] for point in series["data"]]


def series_named(option, name):
    return next(series for series in option["series"] if series["name"] == name)


def test_a_chart_without_data_has_axes_and_no_series():
    """An empty database gives empty charts, not errors."""
    for option in (
        delay([]),
        charts.loss_chart([], LINKS, START, END, SECOND),
        charts.radio_chart([], LINKS, START, END, SECOND, column="rsrp_dbm", unit="RSRP dBm"),
    ):
        assert [] == option["series"]
        assert 60_000 == option["xAxis"]["max"] - option["xAxis"]["min"]


def test_times_are_japanese_whatever_the_browser():
    """The chart shows UTC of a time moved by nine hours, and says JST."""
    option = delay([probe_row(0)])

    shown = datetime.fromtimestamp(option["xAxis"]["min"] / 1000, tz=UTC)
    assert (12, 0) == (shown.hour, shown.minute)
    assert option["useUTC"]
    assert "JST" == option["xAxis"]["name"]


def test_delay_is_shown_in_milliseconds_with_its_unit():
    """20,000 us are 20 ms; the dashed line is the 95 % value."""
    option = delay([probe_row(0), probe_row(1)])

    assert [20.0, 20.0] == values(series_named(option, "l5g"))
    assert [30.0, 30.0] == values(series_named(option, "l5g 95%"))
    assert "dashed" == series_named(option, "l5g 95%")["lineStyle"]["type"]
    assert "ms" == option["yAxis"]["name"]
    assert ["l5g", "l5g 95%"] == option["legend"]["data"]


def test_a_gap_breaks_the_line():
    """Three seconds without a row are a break, not a straight line that nobody measured."""
    option = delay([probe_row(second) for second in (0, 1, 2, 3, 4, 5, 9, 10, 11)])

    assert [20.0] * 6 + [None] + [20.0] * 3 == values(series_named(option, "l5g"))
    assert not series_named(option, "l5g")["connectNulls"]


def test_each_link_has_its_own_gaps():
    """Another link's rows do not bridge a gap."""
    rows = [probe_row(s) for s in (0, 1, 2, 3, 8, 9)] + [probe_row(s, link_id=2) for s in range(10)]
    rows.sort(key=lambda row: row["at"])

    option = delay(rows)

    assert None in values(series_named(option, "l5g"))
    assert None not in values(series_named(option, "lte"))


def test_a_modem_that_reports_every_five_seconds_is_one_line():
    """The link's own rhythm is no gap; a silence of several reports is."""
    rows = [radio_row(second) for second in (*range(0, 30, 5), *range(50, 70, 5))]

    option = charts.radio_chart(rows, LINKS, START, END, SECOND, column="rsrp_dbm", unit="RSRP dBm")

    assert [-95.0] * 6 + [None] + [-95.0] * 4 == values(option["series"][0])


def test_the_clocks_of_both_ends_have_their_lines_and_break_where_nobody_knows():
    """Milliseconds; the device's own clock, which has no link, is dashed and has a colour that no link has."""
    rows = [
        {"at": START + second * SECOND, "link_id": link_id, "bound_us": bound_us}
        for second, own_us in ((0, 250.0), (10, None), (20, 0.0))
        for link_id, bound_us in ((1, own_us), (3, 40.0))
    ]

    option = charts.clock_chart(rows, LINKS, START, END, SECOND, own={1: "端末 car-1", 3: "端末 car-1"})

    own, far = series_named(option, "端末 car-1"), series_named(option, "l5g")
    assert ([0.25, None, 0.0], [0.04] * 3) == (values(own), values(far))
    assert ("dashed", "solid") == (own["lineStyle"]["type"], far["lineStyle"]["type"])
    assert own["itemStyle"] not in [{"color": charts.PALETTE[colour]} for colour in charts.link_colours(LINKS).values()]


def test_two_rows_minutes_apart_are_never_joined():
    """However slow the rhythm seems, an hour between two rows is a gap."""
    option = delay([probe_row(0), probe_row(3600)])

    assert [20.0, None, 20.0] == values(series_named(option, "l5g"))


def test_a_point_that_stands_alone_is_visible():
    """A line of one point has no length, so it gets a dot; points in a line get none."""
    option = delay([probe_row(second) for second in (0, 1, 2, 3, 8)])

    dotted = [isinstance(point, dict) for point in series_named(option, "l5g")["data"]]
    assert [False, False, False, False, False, True] == dotted


def test_steps_in_which_all_was_lost_break_the_delay_and_show_100_percent_loss():
    """No delay is invented for lost packets, and the loss chart says why."""
    rows = [probe_row(0), probe_row(1, lost=10, quantiles_us=None), probe_row(2, lost=10, quantiles_us=(None, None))]

    assert [20.0, None, None] == values(series_named(delay(rows), "l5g"))
    loss = charts.loss_chart(rows, LINKS, START, END, SECOND)
    assert [0.0, 100.0, 100.0] == values(series_named(loss, "l5g"))


def test_loss_is_not_drawn_while_packets_are_under_way():
    """The newest steps hold answered packets only: nothing is said of their loss."""
    rows = [probe_row(0, lost=1), probe_row(1) | {"is_settled": True}, probe_row(2) | {"is_settled": False}]
    loss = charts.loss_chart(rows, LINKS, START, END, SECOND)
    assert [10.0, 0.0, None] == values(series_named(loss, "l5g"))


def test_a_link_that_lost_everything_still_has_its_line():
    """With no delay at all the link stays in the legend."""
    option = delay([probe_row(second, lost=10, quantiles_us=None) for second in range(3)])

    assert [None] * 3 == values(series_named(option, "l5g"))
    assert "l5g" in option["legend"]["data"]


@pytest.mark.parametrize(("lost", "highest"), [(0, 5), (1, None)])
def test_a_little_loss_is_not_blown_up(lost, highest):
    """Up to 5 % the axis ends at 5 %; above, at what was lost."""
    option = charts.loss_chart([probe_row(0, lost=lost)], LINKS, START, END, SECOND)

    assert highest == option["yAxis"]["max"]
    assert 0 == option["yAxis"]["min"]


def test_a_link_keeps_its_colour_in_every_chart():
    """Colours belong to links, whichever of them has data or comes first."""
    both = delay([probe_row(0, link_id=2), probe_row(0)])
    one = charts.radio_chart(
        [radio_row(0, link_id=2)], LINKS, START, END, SECOND, column="sinr_db", unit="SINR dB"
    )  # fmt: skip

    assert series_named(both, "lte")["itemStyle"] == series_named(one, "lte")["itemStyle"]
    assert series_named(both, "lte")["itemStyle"] != series_named(both, "l5g")["itemStyle"]


def test_the_device_itself_is_no_link():
    """Rows of the device (link "") draw no line."""
    assert [] == delay([probe_row(0, link_id=1)])["series"]


@pytest.mark.parametrize(("first_s", "shown_s"), [(0, 0), (30, 30), (595, 540), (-5, 0)])
def test_a_live_chart_begins_with_its_data_and_is_a_minute_wide(first_s, shown_s):
    """Data of the last seconds do not fill ten minutes with emptiness, nor stretch over the whole width."""
    start = charts.shown_start([probe_row(first_s)], START, START + 600 * SECOND)

    assert START + shown_s * SECOND == start


def test_without_data_the_whole_window_is_shown():
    """Nothing to begin with."""
    assert charts.shown_start([], START, END) == START


def test_cell_changes_are_told_by_link():
    """A change of PCI is marked; the first cell and a missing PCI are none."""
    rows = [radio_row(0), radio_row(1), radio_row(2, pci=None), radio_row(3, pci=34), radio_row(3, link_id=2, pci=7)]

    assert {"l5g": [(START + 3 * SECOND, 34)]} == charts.cell_changes(rows, LINKS)


def test_cell_changes_are_dotted_lines_with_the_new_cell():
    """The mark names the cell; a chart without changes says so, or ECharts would keep the old marks."""
    rows = [radio_row(0), radio_row(1, pci=34)]
    option = charts.radio_chart(rows, LINKS, START, END, SECOND, column="rsrp_dbm", unit="RSRP dBm")
    quiet = charts.radio_chart(rows[:1], LINKS, START, END, SECOND, column="rsrp_dbm", unit="RSRP dBm")

    assert ["PCI 34"] == [mark["name"] for mark in option["series"][0]["markLine"]["data"]]
    assert [] == quiet["series"][0]["markLine"]["data"]
