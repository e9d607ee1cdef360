"""Worked examples of the RFCs on delay, its variation, order and copies, through the whole engine and not its parts."""

import json
import math

import msgspec
import numpy as np
import pytest

from analytics.clock import ClockQuality
from analytics.definitions import BY_ID
from analytics.delay import ipdv_us, pdv_us
from analytics.evaluate import evaluate_link
from analytics.link import AMONG_LOST
from analytics.overtaken import order_pattern
from analytics.packet_order import reordering
from analytics.requirements import Parameters, Profile
from analytics.statistics import histogram, rank
from tests.analytics.making import UNKNOWN_CLOCK, by_name, probes, round_trips, subject
from tests.analytics.test_packet_order import in_arrival_order


def one_way(delays_ms, clock=UNKNOWN_CLOCK, **parameters):
    """Evaluate one-way delays in ms, None for lost on the way up."""
    rows = [
        {"lost": 1, "copy": 0} if delay is None else {"ul_us": round(delay * 1000)} for delay in delays_ms
    ]  # fmt: skip
    profile = Profile(name="test", ja="", en="", status="", parameters=Parameters(**parameters))
    return by_name(evaluate_link(probes(rows), subject(profile, clock)))


@pytest.mark.parametrize(
    ("x", "share"), [(-8, 0.0), (-5, 1 / 6), (-4.999, 1 / 6), (7, 5 / 6), (18, 1.0), (239, 1.0)]
)  # fmt: skip
def test_the_distribution_function_of_rfc_2330(x, share):
    """RFC 2330 11.3: F(x) is the share of values no larger than x."""
    sample = histogram(np.array([-2, 7, 7, 4, 18, -5]))
    assert share == sample.up_to(x) / sample.n


def test_the_percentiles_of_rfc_2330_are_those_of_a_link():
    """Delays -2, 7, 7, 4, 18, -5 ms, however odd: p50 is 4 (and not 5.5, the mean of two), p5 the smallest, p95 18."""
    results = one_way([-2, 7, 7, 4, 18, -5])
    expected = {"p5": -5.0, "p50": 4.0, "p95": 18.0, "p99": 18.0, "min": -5.0, "max": 18.0, "mean": 29 / 6}
    assert expected == pytest.approx({name: results["owd", "up", name].value for name in expected})


def test_percentile_minimum_and_inverse_percentile_of_rfc_7679():
    """100, 110, lost, 90, 500: p50 is 110; without the 500 the smallest is 90 and half of all are within 103 ms."""
    five, four = one_way([100, 110, None, 90, 500]), one_way([100, 110, None, 90], owd_within_ms=103.0)

    assert (110.0, 90.0) == (five["owd", "up", "p50"].value, five["owd", "up", "min"].value)
    assert (None, AMONG_LOST) == (five["owd", "up", "p95"].value, five["owd", "up", "p95"].reason.split("; ")[-1])
    assert (0.5, 90.0) == (four["reliability", "up", "ratio"].value, four["owd", "up", "min"].value)
    assert (0.5, 0.75) == (four["delay_cdf", "up", "le_100ms"].value, four["delay_cdf", "up", "le_200ms"].value)


def test_the_median_of_rfc_2681_is_the_mean_of_the_two_in_the_middle():
    """RFC 2330's sample has 5.5 (p50 is 4), and 100, 110, lost, 90 has 105; with half of all lost there is none."""
    odd, four = one_way([-2, 7, 7, 4, 18, -5]), one_way([100, 110, None, 90])
    half = by_name(evaluate_link(round_trips([100, 110, None, None]), subject()))

    assert (5.5, 4.0) == (odd["owd", "up", "median"].value, odd["owd", "up", "p50"].value)
    assert (105.0, 100.0) == (four["owd", "up", "median"].value, four["owd", "up", "p50"].value)
    lost = half["rtt", "round_trip", "median"]
    assert (None, AMONG_LOST) == (lost.value, lost.reason)
    assert 110.0 == half["rtt", "round_trip", "p50"].value


def test_the_interval_of_the_median_holds_it():
    """It is that of p50, whose order statistics bound the middle of an even number too; none for a few values."""
    results = by_name(evaluate_link(round_trips(range(1, 11)), subject()))
    p50, median = (results["rtt", "round_trip", name] for name in ("p50", "median"))
    assert (5.0, 5.5) == (p50.value, median.value)
    assert (p50.ci_low, p50.ci_high, p50.n_eff) == (median.ci_low, median.ci_high, median.n_eff)
    assert "送信全数(損失は無限大) / all sent (lost = inf)" == median.filter


def test_with_everything_lost_every_percentile_is_not_delivered():
    """No percentile has a value, each says why, and the loss is 100 %."""
    results = by_name(evaluate_link(round_trips([None] * 7), subject()))
    for statistic in ("p5", "p50", "median", "p95", "p99", "p99.9", "p99.99"):
        found = results["rtt", "round_trip", statistic]
        assert (None, AMONG_LOST, 7) == (found.value, found.reason, found.n)
    assert 1.0 == results["loss", "round_trip", "ratio"].value
    assert ("rtt", "round_trip", "mean") not in results


def test_a_rank_is_the_seventh_of_a_hundred_and_not_the_eighth():
    """ceil(0.07 * 100) is 8 in floating point; so is numpy's answer, and the definition's is 7."""
    values = np.arange(1, 101)
    assert (7, 7.0) == (rank("0.07", 100), histogram(values).at([rank("0.07", 100)])[0])
    assert np.percentile(values, 7, method="inverted_cdf") == 8


def test_skewed_clocks_move_variation_by_what_rfc_5481_says():
    """RFC 5481 6.3: 50 ppm are 0.05 ms of IPDV at a packet a second, and 3 ms of PDV over a minute."""
    rows = [{"ul_us": 10_000 + 50 * second, "t_us": second * 1_000_000} for second in range(61)]
    results = by_name(evaluate_link(probes(rows), subject(clock=UNKNOWN_CLOCK)))

    assert (0.05, 0.05) == (results["ipdv", "up", "mean"].value, results["ipdv", "up", "p99"].value)
    assert 3.0 == results["pdv", "up", "p99.9"].value


def test_the_sum_of_both_ways_is_the_round_trip_whatever_the_offset(vectors):
    """STAMP's T1 0, T2 30, T3 31, T4 52 ms: 30, 21 and 51 ms; the far clock 5 ms ahead gives 35, 16 and 51 ms."""
    for case in vectors["vectors"]["stamp_timing"]:
        assert [0, 30, 31, 52] == [1000 * case[name] for name in ("T1", "T2", "T3", "T4")]
        assert [30, 21, 51] == [1000 * case[name] for name in ("forward", "reverse", "rtt")]
    for ahead_ms, up, down in ((0, 30.0, 21.0), (5, 35.0, 16.0)):
        t1, t2, t3, t4 = 0, 30 + ahead_ms, 31 + ahead_ms, 52
        row = {"ul_us": 1000 * (t2 - t1), "dl_us": 1000 * (t4 - t3), "rtt_us": 1000 * ((t4 - t1) - (t3 - t2))}
        results = by_name(evaluate_link(probes([row]), subject(clock=UNKNOWN_CLOCK)))
        found = [results["owd", way, "p50"].value for way in ("up", "down")]
        assert ([up, down], 51.0, 51.0) == (found, sum(found), results["rtt", "round_trip", "p50"].value)


def test_an_uncertain_clock_gives_the_range_that_rfc_7679_allows():
    """Within 10 ms by +-1 ms: 8 ms surely, 9.5 and 10.5 perhaps, 12 surely not; reliability lies in 1/4 to 3/4."""
    results = one_way([8, 9.5, 10.5, 12] * 2500, ClockQuality("良", 1000.0), owd_within_ms=10.0)
    found = results["reliability", "up", "ratio"]
    assert 0.5 == found.value
    assert 0.2 < found.ci_low < 0.25
    assert 0.75 < found.ci_high < 0.8


def test_negative_delays_are_kept_at_minus_the_bound_and_counted_below_it():
    """With a bound of 2 ms, -2 ms is a delay and -2.001 ms a broken bound: left out with a count, kept as delivered."""
    results = one_way([-2, -2.001, 5, 7], ClockQuality("粗", 2000.0))
    found = results["owd", "up", "min"]
    assert (-2.0, 3, True) == (found.value, found.n, "1 delays below minus the clock bound" in found.reason)
    assert 0.0 == results["loss", "round_trip", "ratio"].value


@pytest.mark.parametrize("place", range(7))
def test_each_figure_of_rfc_5481_reaches_the_results(vectors, place):
    """Mean |IPDV| and the upper quantiles of IPDV and PDV are those of the figure's own numbers."""
    case = vectors["vectors"]["delay_variation"][place]
    sent = round_trips(case["delay_ms"])
    steps = sorted(abs(step) for step in case["ipdv_ms"] if step is not None)
    offsets = sorted(offset for offset in case["pdv_ms"] if offset is not None)
    results = by_name(evaluate_link(sent, subject()))

    assert sorted(ipdv_us(sent, "round_trip").tolist()) == sorted(
        1000 * step for step in case["ipdv_ms"] if step is not None
    )
    assert sorted(pdv_us(sent.delays["round_trip"]).tolist()) == [1000 * offset for offset in offsets]
    assert offsets[-1] == results["pdv", "round_trip", "p99.9"].value
    if not steps:
        assert ("ipdv", "round_trip", "mean") not in results
        return
    assert sum(steps) / len(steps) == pytest.approx(results["ipdv", "round_trip", "mean"].value)
    assert steps[-1] == results["ipdv", "round_trip", "p99"].value
    assert len(steps) == results["ipdv", "round_trip", "mean"].n


def test_the_jitter_of_rfc_3550_reaches_the_results(vectors):
    """Mean and largest of J after each packet, for transit times in the order of arrival."""
    for case in vectors["vectors"]["rfc3550_jitter"]:
        # A second apart nothing overtakes: the order of arrival is that of the list.
        rows = [{"t_us": place * 1_000_000, "rtt_us": 1000 * transit} for place, transit in enumerate(case["transit"])]
        results = by_name(evaluate_link(probes(rows), subject()))
        assert np.mean(case["J_float"]) == pytest.approx(
            results["jitter_rfc3550", "round_trip", "mean"].value, abs=1e-6
        )
        assert max(case["J_float"]) == pytest.approx(results["jitter_rfc3550", "round_trip", "max"].value, abs=1e-6)
        # What RTCP reports is J cut to whole units; the integers of A.8 hold sixteen times J within one.
        assert case["reported"] == [math.floor(each) for each in case["J_float"]]
        assert case["j_int_state"] == pytest.approx([16 * each for each in case["J_float"]], abs=1)


def test_every_reordering_vector(vectors):
    """RFC 4737 tables 1 to 4 and the text of 5.3: which packets, how far, how late, and which share."""
    for case in vectors["vectors"]["reordering"]:
        seqs = case["arrival_seq"]
        # Where the table has no times, packets sent every 10 ms arrive one every millisecond after all were sent.
        sent_ms = dict(zip(seqs, case["src_ms"], strict=True)) if "src_ms" in case else {seq: 10 * seq for seq in seqs}
        at_ms = case.get("dst_ms") or [1000 + place for place in range(len(seqs))]
        rows = [
            {"seq": seq, "t_us": 1000 * sent_ms[seq], "ul_us": 1000 * (at - sent_ms[seq])}
            for seq, at in zip(seqs, at_ms, strict=True)
        ]
        sent = probes(rows)
        found = reordering(sent, "up")
        late = np.sort(seqs)[found.is_reordered].tolist()
        expected = case.get("reordered") or case.get("extent") or case["n_reordering"]
        assert sorted(map(int, expected)) == late, case["source"]
        results = by_name(evaluate_link(sent, subject(clock=UNKNOWN_CLOCK)))
        assert len(expected) / len(seqs) == results["reordering", "up", "ratio"].value
        if "extent" in case:
            assert [case["extent"][str(seq)] for seq in late] == found.extents.tolist()
        if "reordered" in case:
            assert case["reordered_ratio"] == pytest.approx(results["reordering", "up", "ratio"].value, abs=1e-12)
            wanted = [case["reordered"][str(seq)] for seq in late]
            assert [each["extent"] for each in wanted] == found.extents.tolist()
            assert [1000 * each["late_ms"] for each in wanted] == found.late_us.tolist()
            assert [each["n_reordering"] for each in wanted] == found.degrees.tolist()
            assert [each["byte_offset"] for each in wanted] == (case["payload_bytes"] * found.held).tolist()
        if "next_exp" in case:
            # NextExp before each arrival: one more than the largest number so far.
            largest = np.maximum.accumulate(seqs)
            assert case["next_exp"] == [min(seqs), *(largest[:-1] + 1).tolist()]
            assert late == sorted(seq for seq, at in zip(seqs, case["next_exp"], strict=True) if seq < at)
        if "runs" in case:
            pattern = order_pattern(found.places, found.extents, np.array([0]))
            early = np.unique(found.places - found.extents)
            assert (case["runs"], case["discontinuity_at_seq"], list(case["gap"].values())) == (
                pattern.runs.tolist(), np.array(seqs)[early].tolist(), pattern.gaps.tolist()
            )  # fmt: skip


def test_the_byte_offset_of_the_tables_reaches_the_results(vectors):
    """RFC 4737 4.4.3, tables 1 to 3 with payloads of 100 byte: what is held back, in packets and in bytes."""
    who = subject(Profile(name="x", ja="", en="", status="", parameters=Parameters(payload_bytes=100)))
    for case in vectors["vectors"]["reordering"][:3]:
        rows = [
            {"seq": seq, "t_us": 1000 * sent, "ul_us": 1000 * (at - sent)}
            for seq, sent, at in zip(case["arrival_seq"], case["src_ms"], case["dst_ms"], strict=True)
        ]
        results = by_name(evaluate_link(probes(rows), who))
        offsets = [each["byte_offset"] for each in case["reordered"].values()]
        for name, expected in (("mean", np.mean(offsets)), ("max", max(offsets))):
            assert (expected, expected / 100) == (
                results["reordering_byte_offset", "up", name].value, results["reordering_held", "up", name].value
            )  # fmt: skip
        assert "payload of 100 B" in results["reordering_byte_offset", "up", "max"].filter


def test_without_the_payload_there_is_no_byte_offset():
    """How long a packet is stands in the requirements and not in the measurement: packets are told, bytes are not."""
    sent = in_arrival_order([1, 2, 4, 3], [1000 * at for at in (68, 88, 108, 110)])
    results = by_name(evaluate_link(sent, subject(clock=UNKNOWN_CLOCK)))
    assert 1.0 == results["reordering_held", "up", "max"].value
    assert ("reordering_byte_offset", "up", "max") not in results


def test_gaps_and_runs_of_table_4_reach_the_results():
    """RFC 4737 table 4: too early are 6 and 12, seven arrivals apart; 5, 0 and 5 packets come in order."""
    seqs = [1, 2, 3, 6, 7, 4, 5, 8, 9, 10, 12, 13, 11, 14, 15, 16]
    sent = in_arrival_order(seqs, [1000 * (at + 500) for at in range(len(seqs))])
    results = by_name(evaluate_link(sent, subject(clock=UNKNOWN_CLOCK)))

    found = {
        kpi: {name: results[kpi, "up", name].value for name in BY_ID[kpi].statistics}
        for kpi in ("reordering_discontinuity", "reordering_gap", "reordering_free_run")
    }
    assert {
        "reordering_discontinuity": {"count": 2.0}, "reordering_gap": {"mean": 7.0, "min": 7.0},
        "reordering_free_run": {"mean": 10 / 3, "max": 5.0, "weighted": 5.0},
    } == found  # fmt: skip


@pytest.mark.parametrize(
    ("runs", "q", "expectancy", "ratio"), [([11, 11, 11], 363, 11.0, 1.0), ([1, 1, 31], 963, 29.18, 2.65)]
)
def test_the_runs_worked_out_in_rfc_4737(runs, q, expectancy, ratio):
    """RFC 4737 4.6: 36 packets with three reordered; q is the sum of squares, q/a what a packet in order lies in."""
    seqs, last = [], 0
    for length in runs:
        # A run in order that leaves one number out, which comes as the reordered packet at its end.
        seqs += [*range(last + 1, last + length), last + length + 1, last + length]
        last += length + 1
    results = by_name(
        evaluate_link(in_arrival_order(seqs, [1000 * (at + 900) for at in range(36)]), subject(clock=UNKNOWN_CLOCK))
    )
    p, x = results["reordering", "up", "ratio"].n, results["reordering", "up", "count"].value
    run = {name: results["reordering_free_run", "up", name] for name in ("mean", "weighted")}

    assert (36, 3.0, 3, 33) == (p, x, run["mean"].n, run["weighted"].n)
    assert q == pytest.approx(run["weighted"].value * 33)
    assert expectancy == pytest.approx(run["weighted"].value, abs=0.005)
    assert ratio == pytest.approx(run["weighted"].value / run["mean"].value, abs=0.005)


def test_the_delay_of_the_reordered_packet_of_table_1():
    """RFC 4737: the reordered packet took 150 ms; copies and lost packets take no part."""
    sent = in_arrival_order([1, 2, 3, 5, 6, 7, 8, 4, 9, 10],
                            [1000 * at for at in (68, 88, 108, 148, 168, 188, 208, 210, 228, 248)])  # fmt: skip
    assert [150_000] == sent.delays["up"].us[reordering(sent, "up").is_reordered].tolist()


def test_what_is_not_delivered_is_null_in_json():
    """Infinity has no place in JSON: a strict reader takes every result."""
    results = evaluate_link(round_trips([100, 110, None, 90, 500]), subject())
    taken = json.loads(msgspec.json.encode(results), parse_constant=pytest.fail)
    assert all(each["value"] is None or math.isfinite(each["value"]) for each in taken)


def test_the_jitter_of_table_1_of_rfc_4737_is_in_the_order_of_arrival():
    """The packet that was overtaken comes eighth: J grows to 9.93 ms there, and is 9.31 ms after the last."""
    seqs = [1, 2, 3, 5, 6, 7, 8, 4, 9, 10]
    sent = in_arrival_order(seqs, [1000 * at for at in (68, 88, 108, 148, 168, 188, 208, 210, 228, 248)])
    results = by_name(evaluate_link(sent, subject(clock=UNKNOWN_CLOCK)))
    jitter = [0.0] * 6 + [5.125, 9.9296875, 9.30908203125]
    assert (max(jitter), sum(jitter) / 9) == pytest.approx(
        tuple(results["jitter_rfc3550", "up", name].value for name in ("max", "mean"))
    )
