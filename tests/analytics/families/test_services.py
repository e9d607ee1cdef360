"""Throughput, remote monitoring, AI verification and other radios: known answers and what must never be made up."""

import re

import numpy as np
import pytest

from analytics.definitions import BY_ID
from analytics.families.commands import evaluate_commands
from analytics.families.device import evaluate_link_streams
from analytics.families.driving import evaluate_driving
from analytics.families.other_radios import evaluate_metrics, grid_loss
from analytics.families.throughput import evaluate_throughput, uplink_bps
from analytics.families.traffic import evaluate_traffic, f_score
from analytics.families.video import evaluate_video
from analytics.requirements import Requirement
from analytics.track import track
from tests.analytics.families.making import drive, make_figures, make_series
from tests.analytics.making import by_name, probes, round_trips, subject

NO_UPLINK = np.empty(0)


def throughput(rate_mbps, interval_s, **changes):
    columns = {
        "direction": ["up"] * len(rate_mbps), "protocol": ["tcp"] * len(rate_mbps), "interval_s": interval_s,
        "rate_bps": [None if rate is None else rate * 1e6 for rate in rate_mbps], **changes,
    }  # fmt: skip
    return make_series(range(len(rate_mbps)), **columns)


def test_the_mean_rate_weighs_the_shorter_last_interval_less():
    """10 s at 100 and 1 s at 10 Mbit/s: 1,010 Mbit in 11 s."""
    found = by_name(evaluate_throughput(throughput([100, 10], [10, 1]), make_figures()))
    assert found["throughput_tcp", "up", "mean"].value == pytest.approx(1010 / 11)
    assert found["throughput_tcp", "up", "max"].value == 100.0


def test_a_rate_that_is_not_recorded_is_bytes_over_seconds():
    """1.25 MB in one second is 10 Mbit/s."""
    found = by_name(evaluate_throughput(throughput([None], [1.0], bytes=[1_250_000]), make_figures()))
    assert found["throughput_tcp", "up", "p50"].value == 10.0


def test_bandwidth_sufficiency_is_a_share_of_time_and_needs_a_required_rate():
    """Without the user's value there is no such KPI."""
    tests = throughput([20, 5], [30, 10])
    assert "bandwidth_sufficiency" not in {kpi for kpi, *_ in by_name(evaluate_throughput(tests, make_figures()))}
    found = by_name(evaluate_throughput(tests, make_figures(required_up_mbps=10.0)))
    assert found["bandwidth_sufficiency", "up", "ratio"].value == 0.75


def test_udp_loss_under_load_counts_intervals_not_packets_as_samples():
    """Three intervals are three samples, however many packets they carried: the interval stays wide."""
    tests = throughput([9, 9, 9], [1, 1, 1], protocol=["udp"] * 3, packets=[1000] * 3, lost_packets=[0, 30, 0])
    found = by_name(evaluate_throughput(tests, make_figures()))["udp_loss", "up", "ratio"]
    assert (found.value, found.n) == (0.01, 3000)
    assert found.ci_high > 0.5


def video(**columns):
    n = len(next(iter(columns.values())))
    return make_series(range(n), camera=["front"] * n, interval_s=[1.0] * n, **columns)


def test_freezes_are_a_share_of_time_with_count_and_longest():
    """0.5 s and 1 s frozen of 10 s."""
    frozen = video(freeze_s=[0, 0.5, 1.0, *[0] * 7], freezes=[0, 1, 2, *[0] * 7])
    found = by_name(evaluate_video(frozen, None, make_figures()))
    assert found["video_freeze", "", "ratio"].value == pytest.approx(0.15)
    assert found["video_freeze", "", "count"].value == 3.0
    assert (found["video_freeze", "", "max"].value, found["video_freeze", "", "max"].unit) == (1.0, "s")


def test_negative_rtp_loss_is_duplicates_and_none_lost():
    """RFC 3550 A.3: expected minus received may be negative."""
    found = by_name(evaluate_video(video(packets_received=[100, 90], packets_lost=[-2, 10]), None, make_figures()))
    assert found["video_loss", "", "ratio"].value == pytest.approx(10 / 200)


def test_the_delay_distance_is_speed_times_delay():
    """At 35 km/h 200 ms are 1.94 m, 400 ms 3.89 m."""
    path = track(drive(3, 35 / 3.6))
    found = by_name(evaluate_video(video(delay_us=[200_000, 400_000]), path, make_figures()))
    assert found["delay_distance", "", "max"].value == pytest.approx(3.89, abs=0.005)
    assert found["delay_distance", "", "p50"].value == pytest.approx(1.94, abs=0.005)


def test_an_unanswered_command_is_infinite_delay():
    """One of four stop commands was never answered: p50 exists, p99 lies among what never came."""
    commands = make_series(range(4), name=["stop"] * 4, acked_us=[50_000, 60_000, 150_000, None])
    found = by_name(evaluate_commands(commands, make_figures(stop_within_ms=100.0)))
    assert found["command_response", "", "p50"].value == 60.0
    assert found["command_response", "", "p99"].value is None
    assert "never came" in found["command_response", "", "p99"].reason
    assert (found["stop_delivery", "", "ratio"].value, found["stop_delivery", "", "ratio"].n) == (0.5, 4)


def test_stops_that_all_came_in_time_are_worth_what_their_response_times_are():
    """Forty stops while the response time drifts; and ten of which none was answered: one outage explains that."""
    answered = make_series(range(40), name=["stop"] * 40, acked_us=[50_000 + 500 * number for number in range(40)])
    never = make_series(range(10), name=["stop"] * 10, acked_us=[None] * 10)
    good, bad = (
        by_name(evaluate_commands(each, make_figures(stop_within_ms=100.0)))["stop_delivery", "", "ratio"]
        for each in (answered, never)
    )
    assert (good.value, bad.value, bad.n_eff) == (1.0, 0.0, 1)
    assert good.n_eff < 10


def test_interventions_are_increments_of_the_counter_a_kilometre():
    """The counter went from 3 to 5 and began anew: two interventions; 2 km."""
    vehicle = make_series(range(201), intervention=[3] * 50 + [4] * 50 + [5] * 51 + [0] * 50, speed_mps=[10] * 201,
                          drive_mode=["AUTONOMOUS"] * 101 + ["MANUAL"] * 100)  # fmt: skip
    found = by_name(evaluate_driving(vehicle, track(drive(200, 10.0)), make_figures()))
    assert found["interventions", "", "count"].value == 2.0
    assert found["interventions", "", "per_km"].value == pytest.approx(1.0, rel=1e-6)
    assert found["autonomy", "", "ratio"].value == pytest.approx(101 / 201)


def test_a_minimal_risk_manoeuvre_counts_once_however_long_it_lasts():
    """Two beginnings."""
    states = ["NORMAL", "MRM_OPERATING", "MRM_OPERATING", "MRM_SUCCEEDED", "NORMAL", "MRM_OPERATING"]
    found = by_name(evaluate_driving(make_series(range(6), mrm_state=states), None, make_figures()))
    assert found["mrm", "", "count"].value == 2.0


def traffic(scenes, off_bytes, on_bytes, **columns):
    n = len(scenes)
    return make_series(range(2 * n), scene=[*scenes, *scenes], treatment=["off"] * n + ["on"] * n,
                       interval_s=[10.0] * 2 * n, bytes=[*off_bytes, *on_bytes], **columns)  # fmt: skip


def test_traffic_reduction_and_compression_say_which_is_which():
    """100 MB without, 20 MB with: 80 % less, a compression of 0.2."""
    names = [f"scene {number}" for number in range(8)]
    found = by_name(evaluate_traffic(traffic(names, [1e8] * 8, [2e7] * 8), NO_UPLINK, make_figures()))
    reduction = found["traffic_reduction", "", "ratio"]
    assert (reduction.value, reduction.n) == (pytest.approx(0.8), 8)
    assert (reduction.ci_low, reduction.ci_high) == (pytest.approx(0.8), pytest.approx(0.8))
    assert found["compression", "", "ratio"].value == pytest.approx(0.2)


def test_a_scene_without_its_pair_does_not_count():
    """The scene that was only run without AI is named in the note, and moves nothing."""
    rows = make_series(range(3), scene=["a", "a", "b"], treatment=["off", "on", "off"], interval_s=[1, 1, 1],
                       bytes=[100, 50, 10_000])  # fmt: skip
    found = by_name(evaluate_traffic(rows, NO_UPLINK, make_figures()))["traffic_reduction", "", "ratio"]
    assert (found.value, found.n) == (0.5, 1)
    assert "1 scenes without a pair" in found.reason
    assert (found.ci_low, found.ci_high) == (None, None)


def test_no_pair_gives_no_number():
    """Never a made-up reduction."""
    rows = make_series([0], scene=["a"], treatment=["on"], interval_s=[1], bytes=[100])
    found = by_name(evaluate_traffic(rows, NO_UPLINK, make_figures()))["traffic_reduction", "", "ratio"]
    assert (found.value, found.n) == (None, 0)


def test_detection_scores():
    """TP 8, FP 2, FN 2: precision, recall and F are 0.8; without AI F was 1: retention 0.8."""
    rows = traffic(["a"], [100], [50], true_positives=[10, 8], false_positives=[0, 2], false_negatives=[0, 2])
    found = by_name(evaluate_traffic(rows, NO_UPLINK, make_figures()))
    for kpi in ("precision", "recall", "f_score", "accuracy_retention"):
        assert found[kpi, "", "ratio"].value == pytest.approx(0.8)
    assert found["missed", "", "ratio"].value == pytest.approx(0.2)
    assert found["false_alarms", "", "rate"].value == pytest.approx(2 / (10 / 3600))
    assert f_score(0, 0, 0) is None


def test_streams_that_the_uplink_could_carry():
    """p5 of the uplink 10 Mbit/s over 3 Mbit/s a stream: three."""
    rows = make_series([0], scene=["a"], treatment=["on"], interval_s=[8], bytes=[6_000_000], streams=[2])
    found = by_name(evaluate_traffic(rows, np.array([10e6, 20e6, 30e6]), make_figures()))
    assert found["streams_possible", "", "count"].value == 3.0


@pytest.mark.parametrize(("protocols", "kept", "count"), [(("tcp", "udp"), "udp", 6.0), (("tcp",), "tcp", 3.0)])
def test_streams_are_told_from_udp_where_there_is_any(protocols, kept, count):
    """TCP 10 Mbit/s, UDP 20, streams of 3 Mbit/s: six by UDP, three by TCP alone, and which it was is stated."""
    rates = {"tcp": 10e6, "udp": 20e6}
    tests = make_series(
        range(len(protocols)), direction=["up"] * len(protocols), protocol=list(protocols),
        interval_s=[1] * len(protocols), rate_bps=[rates[each] for each in protocols],
    )  # fmt: skip
    rates_bps, protocol = uplink_bps(tests)
    rows = make_series([0], scene=["a"], treatment=["on"], interval_s=[8], bytes=[6_000_000], streams=[2])
    found = by_name(evaluate_traffic(rows, rates_bps, make_figures(), protocol))["streams_possible", "", "count"]
    assert (protocol, found.value) == (kept, count)
    assert f"上り{kept.upper()} 5%値" in found.filter


@pytest.mark.parametrize("name", ["wifi.rssi", "halow.rssi", "lpwa.rssi"])
def test_both_means_of_the_levels_of_other_radios_are_given(name):
    """-80 and -100 dBm: -90 of decibels, -82.97 of milliwatts; airtime, no level, has one mean."""
    metrics = make_series([0, 1], name=[name] * 2, value=[-80, -100], unit=["dBm"] * 2)
    found = by_name(evaluate_metrics(metrics, make_figures()))
    kpi = name.replace(".", "_")
    assert found[kpi, "", "mean"].value == -90.0
    assert found[kpi, "", "mean_linear"].value == pytest.approx(-82.967, abs=0.001)
    assert "mean_linear" not in BY_ID["halow_airtime"].statistics


def test_metrics_are_turned_into_the_unit_of_their_definition():
    """An airtime of 8 % is a ratio of 0.08; a unit that does not fit is refused with a reason."""
    metrics = make_series(range(3), name=["halow.airtime"] * 2 + ["lpwa.snr"], value=[8, 10, 3], unit=["%", "%", "V"])
    limit = Requirement(kpi="halow_airtime", statistic="max", limit=0.1, source="test")
    found = by_name(evaluate_metrics(metrics, make_figures(limit)))
    assert found["halow_airtime", "", "max"].value == pytest.approx(0.1)
    assert found["lpwa_snr", "", "mean"].value is None
    assert "cannot be turned into dB" in found["lpwa_snr", "", "mean"].reason


def test_loss_near_the_satellite_grid_is_told_from_the_rest():
    """One packet a second; those within a second of :12, :27, :42, :57 are lost."""
    offset_s = np.arange(600)
    start_s = 1_780_000_000
    near = [abs((start_s + second - 12 + 7.5) % 15 - 7.5) <= 1 for second in offset_s]
    rows = [
        {"seq": number, "t_us": (start_s + number) * 1_000_000, **({"lost": 3} if lost else {"rtt_us": 40_000})}
        for number, lost in enumerate(near)
    ]
    found = by_name(grid_loss(probes(rows), make_figures()))
    assert found["leo_grid_loss", "round_trip", "ratio"].value == 1.0
    assert found["leo_grid_loss", "round_trip", "elsewhere"].value == 0.0
    assert found["leo_grid_loss", "round_trip", "ratio"].n == sum(near)


@pytest.mark.parametrize(
    ("sent_us", "statistic"),
    [(-1_000_001, "elsewhere"), (-1_000_000, "ratio"), (0, "ratio"), (1_000_000, "ratio"), (1_000_001, "elsewhere")],
)
def test_the_satellite_grid_is_the_one_that_its_definition_names(sent_us, statistic):
    """At every instant that the clause names, a packet a microsecond more than a second away is elsewhere."""
    instants = [int(second) for second in re.findall(r":(\d\d)", BY_ID["leo_grid_loss"].clause)]
    minute_us = 1_780_000_020 * 1_000_000  # a full minute, UTC
    sent = [minute_us + second * 1_000_000 + sent_us for second in instants]
    found = by_name(
        grid_loss(probes([{"seq": number, "t_us": t_us} for number, t_us in enumerate(sent)]), make_figures())
    )

    assert minute_us % 60_000_000 == 0
    assert instants == [12, 27, 42, 57]
    assert found["leo_grid_loss", "round_trip", statistic].n == len(instants)
    assert set(BY_ID["leo_grid_loss"].statistics) == {"ratio", "elsewhere"} == {word for *_, word in found}


@pytest.mark.parametrize(("metric", "expected"), [("leo.elevation", {"ratio", "elsewhere"}), ("wifi.snr", set())])
def test_only_links_with_a_satellites_metric_have_its_grid(metric, expected):
    """Beside probes the definition asks for a metric whose name begins with "leo."."""
    streams = {"metric": make_series([0], name=[metric], value=[3.0], unit=["dB" if metric == "wifi.snr" else "deg"])}
    found = evaluate_link_streams(streams, round_trips([1, 2, None]), {}, subject())

    assert {result.statistic for result in found if result.id == "leo_grid_loss"} == expected


def test_without_probes_the_satellites_grid_has_no_value():
    """A metric alone says nothing of loss."""
    metrics = make_series([0], name=["leo.elevation"], value=[40.0], unit=["deg"])
    found = by_name(evaluate_link_streams({"metric": metrics}, None, {}, subject()))["leo_grid_loss", "", "ratio"]

    assert (found.value, found.n, found.reason) == (None, 0, "区間測定なし / no probes")
