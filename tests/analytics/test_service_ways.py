"""Availability, outages and time between failures of up and down beside the round trip, each by its own packets."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings

from analytics.availability import observed
from analytics.clock import ClockQuality
from analytics.evaluate import evaluate_link
from analytics.link_scan import scanned
from analytics.main_figures import main_figures
from analytics.probes import DelayColumn, ProbeArrays, probe_arrays
from analytics.requirements import NO_REQUIREMENTS, Parameters, Profile, Requirement
from analytics.service_scan import ServiceScanner
from tests.analytics.lawful import check_all
from tests.analytics.making import GOOD_CLOCK, T0_US, by_name, probes, subject
from tests.analytics.recordings import recordings

N = 4000
"""Packets, one every 10 ms: 40 s."""
PROFILE = Profile(
    name="x", ja="", en="", status="", parameters=Parameters(t_max_ms=100.0, survival_ms=100.0, outage_s=0.5),
    requirement=(
        Requirement(kpi="availability", direction="up", statistic="ratio", limit=0.9, source="test"),
        Requirement(kpi="availability", direction="down", statistic="ratio", limit=0.9, source="test"),
        Requirement(kpi="outage", direction="up", statistic="max", limit=1.0, source="test"),
        Requirement(kpi="outage", direction="down", statistic="max", limit=1.0, source="test"),
    ),
)  # fmt: skip


def sent(rows=(), *, without=()):
    """Make packets of 20 ms up and 10 ms down; `rows` are (first, end, what differs)."""
    found = [{"ul_us": 20_000, "dl_us": 10_000, "rtt_us": 30_000, "refl_seq": number} for number in range(N)]
    for low, high, change in rows:
        for number in range(low, high):
            if "lost" in change:
                found[number] = {"refl_seq": None, "copy": 0, **change}
            else:
                found[number].update(change)
    return probes([{name: value for name, value in each.items() if name not in without} for each in found])


def judged(packets, profile=PROFILE, clock=GOOD_CLOCK):
    """Return the results by (id, direction, statistic), which hold to the laws."""
    found = evaluate_link(packets, subject(profile, clock))
    check_all(found)
    return by_name(found)


def seconds(found, direction):
    """Return how long the service of a direction was observed, and down: as measured, at best and at worst."""
    total = found["outage", direction, "total"]
    return found["availability", direction, "ratio"].n, total.value, total.ci_low, total.ci_high


def test_what_is_lost_on_the_way_up_is_an_outage_up_and_was_never_sent_down():
    """Eight seconds of the uplink: down is not observed meanwhile, and as good as it was; the round trip is down."""
    found = judged(sent([(1000, 1800, {"lost": 1})]))
    down_s = pytest.approx(8 - 0.2 + 0.02, abs=0.001)
    assert seconds(found, "up") == (40, down_s, down_s, down_s)
    assert seconds(found, "round_trip") == (40, *[pytest.approx(8 - 0.2 + 0.03, abs=0.001)] * 3)
    assert seconds(found, "down")[1:] == (0.0, 0.0, 0.0)
    assert found["availability", "down", "ratio"].n in {32, 33}
    assert found["availability", "up", "ratio"].value == pytest.approx(1 - 7.82 / 40, abs=1e-4)
    assert found["mtbf", "up", "mean"].value == pytest.approx(40 - 7.82, abs=0.02)
    assert [found["outage", way, "max"].verdict for way in ("round_trip", "up", "down")] == [None, "未達", "達成"]
    assert [found["availability", way, "ratio"].required for way in ("round_trip", "up", "down")] == [None, 0.9, 0.9]


def test_what_is_lost_on_the_way_back_did_arrive_up_nobody_knows_when():
    """Three seconds of the downlink: up as measured it goes on, at worst it was down as long; down it was."""
    found = judged(sent([(1000, 1300, {"lost": 2})]))
    down_s = pytest.approx(3 - 0.2 + 0.01, abs=0.001)
    assert seconds(found, "down") == (40, down_s, down_s, down_s)
    assert seconds(found, "up") == (40, 0.0, 0.0, pytest.approx(3 - 0.2 + 0.02, abs=0.001))
    assert "300 with unknown arrival this way widen the interval" in found["availability", "up", "ratio"].reason
    assert "unknown arrival" not in found["availability", "round_trip", "ratio"].reason
    up = found["availability", "up", "ratio"]
    assert up.ci_low < 0.93 < up.value == 1.0


def test_a_loss_nobody_knows_where_fails_both_ways_but_at_best_neither():
    """Three seconds lost in unknown directions."""
    found = judged(sent([(1000, 1300, {"lost": 3})]))
    for way, last_s in (("up", 0.02), ("down", 0.01)):
        down_s = pytest.approx(3 - 0.2 + last_s, abs=0.001)
        assert seconds(found, way) == (40, down_s, 0.0, down_s), way
        assert found["outage", way, "count"].ci_low == 0.0
        assert found["availability", way, "ratio"].verdict == "判定不能"


def test_slow_one_way_is_an_outage_of_that_way_only():
    """Three seconds of 150 ms down and 20 ms up: by 100 ms up is fine, and by the sum the round trip is not."""
    found = judged(sent([(1000, 1300, {"dl_us": 150_000, "rtt_us": 170_000})]))
    assert [found["outage", way, "count"].value for way in ("round_trip", "up", "down")] == [1.0, 0.0, 1.0]
    assert found["outage", "up", "count"].ci_low == 0.0
    assert found["outage", "down", "max"].verdict == "未達"


def test_a_way_is_observed_from_its_first_delay_on_and_from_the_start_if_that_was_measured():
    """A clock that gave no delay for 20 s says nothing of the service; an outage at the start does."""
    late = sent([(0, 100, {"lost": 1}), (100, 2000, {"ul_us": None, "dl_us": None})])
    found = judged(late)
    assert seconds(found, "up")[:2] == (20, 0.0)
    early = judged(sent([(0, 1000, {"lost": 1})]))
    assert seconds(early, "up") == (40, *[pytest.approx(10 - 0.2 + 0.02, abs=0.001)] * 3)


def test_clocks_widen_a_way_and_leave_the_round_trip_alone():
    """Two seconds of poor clocks that measured 2.6 s up: down as measured, up at best, and nothing by round trips."""
    slow = sent([(1000, 1200, {"ul_us": 2_600_000})])
    span = (T0_US + 10_000_000, T0_US + 12_000_000)
    found = judged(slow, clock=ClockQuality("良", 200.0, poor=(span,)))
    assert seconds(found, "up")[1:] == (
        pytest.approx(2 - 0.2 + 0.02, abs=0.001), 0.0, pytest.approx(2 - 0.2 + 0.02, abs=0.001)
    )  # fmt: skip
    assert found["outage", "round_trip", "total"].ci_high == 0.0
    unknown = judged(slow, clock=ClockQuality("不明", None, "x"))
    assert "参考値" in unknown["availability", "up", "ratio"].reason
    assert "参考値" not in unknown["availability", "round_trip", "ratio"].reason


def test_absent_numbers_of_a_recording_that_never_says_lost_are_the_worst_case_of_each_way():
    """Three seconds without rows: one way as by round trips."""
    packets = sent()
    keep = np.r_[0:1000, 1300:N]
    delays = {name: DelayColumn(each.us[keep], each.valid[keep]) for name, each in packets.delays.items()}
    holed = ProbeArrays(
        packets.t_us[keep], packets.session[keep], packets.seq[keep], packets.refl_seq[keep], packets.lost[keep],
        delays, {},
    )  # fmt: skip
    found = judged(holed)
    for way, last_s in (("round_trip", 0.03), ("up", 0.02), ("down", 0.01)):
        assert seconds(found, way)[1:] == (0.0, 0.0, pytest.approx(3 - 0.2 + last_s, abs=0.001)), way


def test_without_round_trips_up_is_the_service_of_all_packets():
    """As before: a packet without a delay up failed, wherever it was lost; down stands beside it."""
    found = judged(sent([(1000, 1300, {"lost": 2})], without=("rtt_us",)))
    assert seconds(found, "up")[1] == pytest.approx(3 - 0.2 + 0.02, abs=0.001)
    assert seconds(found, "down")[1] == pytest.approx(3 - 0.2 + 0.01, abs=0.001)


def test_only_the_first_direction_stands_among_the_main_figures():
    """Three times availability, outages and their longest would bury the rest; what is required is stated anyway."""
    packets = sent([(1000, 1300, {"lost": 2})])
    plain = main_figures(evaluate_link(packets, subject(NO_REQUIREMENTS)))
    ways = {(each.id, each.direction) for each in plain}
    assert {way for kpi, way in ways if kpi in {"availability", "outage"}} == {"round_trip"}
    assert {way for kpi, way in ways if kpi == "reliability"} == {"round_trip", "up", "down"}
    asked = main_figures(evaluate_link(packets, subject(PROFILE)))
    assert {(each.direction, each.statistic) for each in asked if each.id == "availability"} == {
        ("round_trip", "ratio"), ("up", "ratio"), ("down", "ratio")
    }  # fmt: skip
    one_way = main_figures(evaluate_link(sent(without=("rtt_us",)), subject(NO_REQUIREMENTS)))
    assert {each.direction for each in one_way if each.id == "availability"} == {"up"}


def plainly(packets, direction, t_max_us, survival_us, take):
    """Read a direction row by row; a packet that neither arrived nor failed is "fail", "fast" or left out ("")."""
    here, elsewhere = (1, 2) if direction == "up" else (2, 1)
    delay, rows = packets.delays[direction], []
    delivered = np.flatnonzero(packets.lost == 0)
    start = 0
    if delivered.size and not delay.valid[delivered[0]]:
        start = delivered[delay.valid[delivered]][0]
    for number in range(start, packets.n):
        lost, valid = packets.lost[number], delay.valid[number]
        if direction == "down" and lost == 1:
            continue
        if valid and lost in {0, elsewhere}:
            rows.append((number, int(delay.us[number])))
        elif lost == here or (lost == 3 and take != "fast"):
            rows.append((number, None))
        elif take:
            rows.append((number, 0 if take == "fast" else None))
    places = np.array([number for number, _ in rows], np.intp)
    valid = np.array([us is not None for _, us in rows], bool)
    us = np.array([us or 0 for _, us in rows], np.int64)
    kept = replace(
        packets, t_us=packets.t_us[places], session=packets.session[places], seq=packets.seq[places],
        refl_seq=packets.refl_seq[places], lost=np.where(valid, 0, 3), further={},
        delays={direction: DelayColumn(us, valid)},
    )  # fmt: skip
    scanner = ServiceScanner(direction, t_max_us, survival_us, 0.0)
    scanner.add(kept)
    return observed(scanner)


@settings(max_examples=60, deadline=None)
@given(recording=recordings())
def test_each_way_is_what_its_packets_say_one_by_one(recording):
    """As measured, worst and best beside a plain reading of every row."""
    packets = probe_arrays(recording[0])
    profile = Profile(name="x", ja="", en="", status="", parameters=Parameters(t_max_ms=20.0, survival_ms=10.0))
    exact = ClockQuality("良", 0.0)
    for way in ("up", "down"):
        assume((packets.delays[way].valid & (packets.lost == 0)).any())
        scan = scanned([packets], subject(profile, exact))
        cases = scan.service(way, is_first=False, is_blind=False, absent_n=0)
        for case, take in zip(cases, ("", "fail", "fast"), strict=True):
            expected = plainly(packets, way, 20_000, 10_000, take)
            assert case.observed_us == expected.observed_us
            assert case.start_us.tolist() == expected.start_us.tolist()
            assert case.end_us.tolist() == expected.end_us.tolist()
