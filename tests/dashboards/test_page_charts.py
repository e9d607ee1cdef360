"""The page's pure parts: what ECharts is given, and the words and numbers of the KPI table."""

import math
from datetime import UTC, datetime, timedelta

import pytest

from analytics.map_box import map_box
from analytics.requirements import Profile, Requirement
from analytics.results import KpiResult
from analytics.unmeasured import with_unmeasured
from dashboards.page import charts, map_chart
from dashboards.page.device_cards import age, device_facts
from dashboards.page.kpi_table import in_language, shown_words, sources, table_columns, table_rows, verdict_counts
from dashboards.page.snapshot import Snapshot
from dashboards.page.texts import TEXTS, text
from storage.runs import RunRecord

START = datetime(2026, 5, 1, 3, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
END = START + 60 * SECOND
LINKS = {1: "", 2: "lte", 3: "l5g"}
DEVICES = {1: "car-1", 2: "car-1", 3: "car-1"}


def probe_row(second, *, link_id=3, n=10, lost=0, quantiles_us=(20_000, 30_000)):
    return {
        "at": START + second * SECOND, "link_id": link_id, "n": n, "lost": lost,
        "quantiles_us": list(quantiles_us) if quantiles_us else None,
    }  # fmt: skip


def radio_row(second, *, link_id=3, rsrp_dbm=-95.0, sinr_db=10.0, pci=12):
    return {
        "at": START + second * SECOND, "link_id": link_id, "rsrp_dbm": rsrp_dbm, "sinr_db": sinr_db, "pci": pci,
    }  # fmt: skip


def position_row(second, lat_deg, lon_deg, *, link_id=1):
    return {"at": START + second * SECOND, "link_id": link_id, "lat_deg": lat_deg, "lon_deg": lon_deg}


def delay(rows, step=SECOND):
    return charts.delay_chart(rows, LINKS, START, END, step)


def values(series):
    """Return the numbers of a series; a lone point carries its dot beside it."""
    return [(point["value"] if isinstance(point, dict) else point)[1] for point in series["data"]]


def series_named(option, name):
    return next(series for series in option["series"] if series["name"] == name)


# --- lines


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


# --- serving cells


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


# --- map


@pytest.mark.parametrize("ratio", [0.8, 1.5, 2.5])
@pytest.mark.parametrize(
    "points", [[[139.70, 35.60], [139.74, 35.601]], [[139.70, 35.60], [139.701, 35.64]], [[139.7, 35.6]]]
)
def test_the_map_keeps_metres_equal_and_all_points_inside(points, ratio):
    """A kilometre north is as long on the screen as one east, whatever the shape of way and panel."""
    west, east, south, north = map_box(points, ratio)

    east_m = (east - west) * math.cos(math.radians((south + north) / 2))
    assert ratio == pytest.approx(east_m / (north - south), rel=1e-3)
    assert all(west < lon < east and south < lat < north for lon, lat in points)


def test_the_map_of_nothing_has_no_limits_and_no_scale():
    """Without positions there is an empty grid."""
    option = map_chart.map_chart([], "目安")

    assert (None, None, None, None) == map_box([], 2.0)
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


# --- KPI table


def kpi(**more):
    given = {
        "id": "loss", "link": "l5g", "direction": "up", "statistic": "ratio", "value": 0.0125, "unit": "1", "n": 12_345,
        "definition": "RFC 7680 2.4; jissho loss rev 1", "name_ja": "パケット損失率", "name_en": "Packet loss", **more,
    }  # fmt: skip
    return KpiResult(**given)


def cell(result, column, language="ja"):
    return table_rows([result], language, everything=True)[0][column]


def test_no_results_are_no_rows():
    """Nothing measured, nothing judged."""
    assert [] == table_rows([], "ja")
    assert not verdict_counts([], "ja")


def test_a_requirement_that_was_never_measured_is_a_row_and_counts():
    """It belongs to no device: the links of a single device keep their names."""
    asked = Requirement(kpi="video_g2g", statistic="p95", limit=300.0, source="要確認")
    profile = Profile(name="x", ja="", en="", status="", requirement=(asked,))
    results = with_unmeasured([kpi(device="car-1", verdict="達成")], profile, None, None)

    rows = table_rows(results, "en")

    assert [(row["link"], row["value"], row["verdict"], row["note"]) for row in rows] == [
        ("l5g", "1.25 %", "Met", ""), ("", "–", "Undecided", "not measured"),
    ]  # fmt: skip
    assert rows[1]["required"] == "≤ 300 ms"
    assert "達成 1 · 未達 0 · 判定不能 1" == verdict_counts(results, "ja")


def test_ratios_are_percent_and_a_clause_stands_beside():
    """0.0125 is 1.25 %; our own revision is left to the report."""
    result = kpi(ci_low=0.01, ci_high=None, required=0.02, verdict="達成", required_source="要確認")

    row = table_rows([result], "ja")[0]

    assert ("1.25 %", "1 – …", "≤ 2 %", "12,345") == (row["value"], row["interval"], row["required"], row["n"])
    assert "RFC 7680 2.4" == row["definition"]
    assert ["要確認"] == sources([result, kpi(), result])


def test_a_limit_says_on_which_side_it_lies():
    """Delays must not be above, availability must not be below."""
    assert "≤ 100 ms" == cell(kpi(id="rtt", statistic="p95", unit="ms", value=20.0, required=100.0), "required")
    assert "≥ 99 %" == cell(kpi(id="availability", value=1.0, required=0.99), "required")
    assert not cell(kpi(), "required")


def test_every_share_is_percent_and_the_statistics_words_are_the_workbooks():
    """A distribution function and the loss elsewhere are shares too; what a ratio is says its KPI."""
    within = kpi(id="delay_cdf", statistic="le_10ms", value=0.985)
    elsewhere = kpi(id="leo_grid_loss", statistic="elsewhere", value=0.01)

    assert ("98.5 %", "1 %") == (cell(within, "value"), cell(elsewhere, "value"))
    assert ["10ms以下", "割合(それ以外)", "95%値", ""] == [
        cell(result, "statistic") for result in (within, elsewhere, kpi(id="rtt", statistic="p95", unit="ms"), kpi())
    ]
    assert ["le_10ms", ""] == [cell(result, "statistic", "en") for result in (within, kpi())]


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [(1.0, "100 %"), (0.99996, "99.996 %"), (0.9999999, "99.9999 %"), (0.999999999999, "99.9999 %"),
     (0.9995, "99.95 %"), (0.0, "0 %"), (1e-7, "0.00001 %")],
)  # fmt: skip
def test_less_than_all_is_never_shown_as_100(ratio, shown):
    """100 % stands only where nothing is missing; and no exponent is shown."""
    assert shown == cell(kpi(value=ratio), "value")


def test_the_interval_is_never_rounded_up_to_100():
    """The same holds for the ends of the interval."""
    assert "99.99 – 99.9999" == cell(kpi(value=0.99995, ci_low=0.9999, ci_high=0.9999999), "interval")


def test_counts_are_shown_in_full():
    """Four significant digits are for measured values, not for counted ones."""
    assert "12,346" == cell(kpi(statistic="count", value=12_346.0), "value")
    assert "23.46 ms" == cell(kpi(id="rtt", statistic="p95", unit="ms", value=23.4567), "value")


def test_a_missing_value_is_a_dash_with_its_reason():
    """A value that does not exist is not 0."""
    result = kpi(value=None, reason="欠番 3/9: 区別できない / not measured or lost: 0 to 0.3")

    assert "–" == cell(result, "value")
    assert "欠番 3/9: 区別できない" == cell(result, "note")
    assert "not measured or lost: 0 to 0.3" == cell(result, "note", "en")


@pytest.mark.parametrize(
    ("reason", "ja", "en"),
    [
        ("", "", ""),
        ("遅延の測定なし / no delay was measured", "遅延の測定なし", "no delay was measured"),
        ("甲 / a; 乙 / b", "甲; 乙", "a; b"),
        ("参考値: 端末側の時刻記録なし / own clock: no record", "参考値: 端末側の時刻記録なし",
         "reference only: own clock: no record"),
        ("plain", "plain", "plain"),
    ],
)  # fmt: skip
def test_a_reason_is_said_in_one_language(reason, ja, en):
    """Each part keeps the reader's half; "for reference" is not lost in English."""
    assert ja == in_language(reason, "ja")
    assert en == in_language(reason, "en")


def test_what_is_too_small_to_show_is_nought():
    """A bound of 1e-79 % is printed as a number, not as "0."."""
    assert cell(kpi(ci_low=9e-81, ci_high=0.372), "interval") == "0 – 37.2"


def test_how_many_more_samples_would_decide():
    """What is undecided says what it would take."""
    result = kpi(verdict="判定不能", needed_n=20_000, reason="甲 / a")

    assert "甲; あと約 20,000 標本" == cell(result, "note")
    assert "a; about 20,000 more samples" == cell(result, "note", "en")


def test_requirements_come_first_and_the_rest_waits_until_asked_for():
    """Verdicts lead; a statistic that nobody asked for is shown on demand."""
    results = [kpi(), kpi(id="ipdv", statistic="mean"), kpi(link="lte", verdict="未達")]

    assert ["lte", "l5g"] == [row["link"] for row in table_rows(results, "ja")]
    assert 3 == len(table_rows(results, "ja", everything=True))
    assert "所要値のあるものと主な指標 2 / 全 3 件" == shown_words(2, 3, "ja", everything=False)
    assert "What is required and main figures: 2 of 3" == shown_words(2, 3, "en", everything=False)
    assert "全 3 件" == shown_words(3, 3, "ja", everything=True)
    assert not shown_words(0, 0, "ja", everything=False)


def test_verdicts_are_counted_and_translated():
    """English readers get English words with the same look."""
    results = [kpi(verdict="達成"), kpi(verdict="達成"), kpi(verdict="判定不能"), kpi()]

    assert "達成 2 · 未達 0 · 判定不能 1" == verdict_counts(results, "ja")
    assert "Met 2 · Missed 0 · Undecided 1" == verdict_counts(results, "en")
    assert ("Met", "verdict verdict-met") == tuple(
        table_rows(results, "en")[0][key] for key in ("verdict", "verdict_class")
    )


def test_links_of_several_devices_are_told_apart():
    """Two cars may both have a link l5g."""
    results = [kpi(device="car-1"), kpi(device="car-2")]

    assert ["car-1/l5g", "car-2/l5g"] == [row["link"] for row in table_rows(results, "ja")]
    assert "l5g" == cell(kpi(device="car-1"), "link")


def test_every_column_has_a_label_and_a_value():
    """The rows have what the columns ask for, in both languages."""
    for language in ("ja", "en"):
        row = table_rows([kpi()], language)[0]
        for column in table_columns(language):
            assert column["label"]
            assert column["field"] in row


# --- words


def test_every_text_has_both_languages_with_the_same_blanks():
    """No word is missing in one language, and no blank is filled in one only."""
    blanks = {key: [sorted(part.split("}")[0] for part in words.split("{")[1:]) for words in both]
              for key, both in TEXTS.items()}  # fmt: skip

    assert [] == [key for key, (ja, en) in TEXTS.items() if not ja or not en]
    assert [] == [key for key, (ja, en) in blanks.items() if ja != en]


def test_texts_are_filled():
    """Blanks are named."""
    assert "Live (last 10 min)" == text("en", "live", minutes=10)


@pytest.mark.parametrize(
    ("seconds", "ja", "en"),
    [(-0.4, "0 秒前", "0 s ago"), (59, "59 秒前", "59 s ago"), (150, "2 分前", "2 min ago"),
     (9000, "2.5 時間前", "2.5 h ago")],
)  # fmt: skip
def test_ages_are_said_as_people_do(seconds, ja, en):
    """A clock that is a little ahead does not make data from the future."""
    assert (ja, en) == (age(seconds, "ja"), age(seconds, "en"))


def test_a_device_says_its_data_its_outbox_and_its_clock():
    """An unknown clock is said, never left out; an empty outbox is not."""
    device = {"seen_at": START, "now": START + 3 * SECOND, "pending": 1200, "bound_us": 50.0}

    assert ["last data 3 s ago", "1,200 batches pending", "clock ±50 µs"] == device_facts(device, "en")
    silent = {"seen_at": None, "now": START, "pending": 0, "bound_us": None}
    assert ["時刻 不明(片方向は参考値)"] == device_facts(silent, "ja")
    assert "時刻 ±2.5 ms" in device_facts({**silent, "bound_us": 2500.0}, "ja")


def test_a_snapshot_knows_which_runs_go_on():
    """A run without an end goes on."""
    common = {"run_id": 1, "site": "s", "devices": [], "links": [], "purpose": "", "weather": "", "note": "",
              "tags": [], "valid": True, "started_at": START}  # fmt: skip
    ended, open_run = RunRecord(name="a", ended_at=END, **common), RunRecord(name="b", ended_at=None, **common)

    assert [open_run] == Snapshot(runs=[ended, open_run]).going_on
    assert [] == Snapshot().going_on
