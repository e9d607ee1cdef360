"""All KPIs of one link: edge cases, and what holds for any probes at all."""

import json
import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.clock import ClockQuality
from analytics.definitions import BY_ID, definitions_hash
from analytics.evaluate import evaluate_link, ping_convention
from analytics.probes import probe_arrays
from analytics.requirements import Parameters, Profile, Requirement, load_requirements, shipped_profiles
from analytics.results import KpiResult
from tests.analytics.making import (
    GOOD_CLOCK,
    T0_US,
    UNKNOWN_CLOCK,
    Column,
    by_name,
    columns,
    probes,
    round_trips,
    subject,
)


def test_no_packets_give_nulls_with_a_reason():
    """Nothing is made up."""
    results = evaluate_link(probes([]), subject())
    assert {"rtt", "loss", "reliability", "availability"} == {result.id for result in results}
    for result in results:
        assert (result.value, result.n, result.ci_low, result.ci_high) == (None, 0, None, None)
        assert "no packets" in result.reason


def test_all_lost_packets_are_a_loss_of_one_and_infinite_delay():
    """There is no mean of nothing delivered, no smallest delay and no variation."""
    results = by_name(evaluate_link(round_trips([None] * 500), subject()))
    assert results["loss", "round_trip", "ratio"].value == 1.0
    assert results["reliability", "round_trip", "ratio"].value == 0.0
    for statistic in ("p50", "p95", "p99", "p99.9"):
        result = results["rtt", "round_trip", statistic]
        assert (result.value, result.ci_low, result.ci_high, result.n) == (None, None, None, 500)
        assert "lost" in result.reason
    assert not {"mean", "min", "max"} & {statistic for kpi, _, statistic in results if kpi == "rtt"}
    assert not {"ipdv", "pdv", "jitter_rfc3550", "duplication"} & {kpi for kpi, _, _ in results}


def test_packets_without_any_delay_have_no_reliability():
    """Nine arrived, nobody knows when, and one was lost: 0 % would be of the lost one alone."""
    sent = probes([{"lost": 0, "copy": 1}] * 9 + [{"lost": 3, "copy": 0}])
    found = by_name(evaluate_link(sent, subject()))["reliability", "round_trip", "ratio"]
    assert (found.value, found.n) == (None, 0)
    assert "no delay was measured" in found.reason


def test_one_packet_has_values_and_no_intervals():
    """One value is its own quantile, and bounds nothing."""
    results = by_name(evaluate_link(round_trips([12.345]), subject()))
    for statistic in ("mean", "min", "p50", "p99.9", "max"):
        assert results["rtt", "round_trip", statistic].value == 12.345
    assert results["rtt", "round_trip", "mean"].ci_low is None
    assert results["rtt", "round_trip", "p50"].ci_high is None
    assert results["loss", "round_trip", "ratio"].value == 0.0
    assert results["loss", "round_trip", "ratio"].ci_high == pytest.approx(0.975)


def test_negative_delays_within_the_clocks_bound_are_kept():
    """A clock error may make a delay negative; within what the clocks say of themselves it is neither dropped nor 0."""
    sent = probes([{"ul_us": us, "dl_us": 9000 - us, "rtt_us": 9000} for us in (-3000, -1000, 0, 2000)])
    results = by_name(evaluate_link(sent, subject(clock=ClockQuality("粗", 5000.0))))
    assert results["owd", "up", "min"].value == -3.0
    assert results["owd", "up", "p50"].value == -1.0
    assert results["owd", "up", "mean"].value == -0.5
    assert results["pdv", "up", "p99"].value == 5.0


def test_delays_that_cannot_be_are_left_out_with_their_count_and_nothing_is_met():
    """Below minus the bound of both clocks: the clocks lied. The figure is for reference, variation keeps them."""
    limit = Requirement(kpi="owd", direction="up", statistic="p50", limit=100.0, source="test")
    strict = Profile(name="t", ja="", en="", status="", requirement=(limit,))
    sent = probes([{"ul_us": us, "dl_us": 9000 - us, "rtt_us": 9000} for us in (-3000, -1000, *[2000] * 100)])
    median = by_name(evaluate_link(sent, subject(strict)))["owd", "up", "p50"]
    results = by_name(evaluate_link(sent, subject()))
    assert (median.value, median.n, median.verdict) == (2.0, 100, "判定不能")
    assert "参考値" in median.reason
    assert "2 delays below minus the clock bound excluded" in median.reason
    assert results["owd", "up", "min"].value == 2.0
    assert results["pdv", "up", "p99"].value == 5.0
    assert results["ipdv", "up", "mean"].n == 101
    assert results["rtt", "round_trip", "p50"].reason == ""


def test_one_way_availability_follows_the_clocks():
    """Delays of 100 ms against Tmax 100 ms: a bound of 1 ms leaves open whether the service was up at all."""
    sent = probes([{"ul_us": 100_000} for _ in range(1000)])
    tight = Profile(name="t", ja="", en="", status="", parameters=Parameters(t_max_ms=100.0, survival_ms=0.0))
    known = by_name(evaluate_link(sent, subject(tight, ClockQuality("良", 1000.0))))["availability", "up", "ratio"]
    assert known.value == 1.0
    assert known.ci_low < 0.01
    unknown = by_name(evaluate_link(sent, subject(tight, UNKNOWN_CLOCK)))["availability", "up", "ratio"]
    assert "参考値" in unknown.reason


def test_absent_packets_of_a_blind_recording_may_all_have_been_lost():
    """Nine seconds of a hundred are absent and no loss was ever recorded: availability may be as low as that."""
    rows = [{"seq": number, "ul_us": 5000, "t_us": T0_US + number * 10_000} for number in range(10_000)
            if not 4_000 <= number < 4_900]  # fmt: skip
    results = by_name(evaluate_link(probes(rows), subject()))
    ratio = results["availability", "up", "ratio"]
    assert ratio.ci_low < 0.92
    assert ratio.ci_high > 0.99
    outage = results["outage", "up", "total"]
    assert (outage.value, outage.ci_low) == (0.0, 0.0)
    assert outage.ci_high == pytest.approx(9.0 - 1.0 - 0.2, abs=0.05)
    assert results["mtbf", "up", "mean"].ci_low < 100 / 4.7
    assert results["owd", "up", "p99"].ci_high is None


def test_losses_of_unknown_direction_widen_both_directions():
    """Ten of a thousand are lost and nobody knows where: up and down may each have none or all of them."""
    rows = [{"seq": number, "rtt_us": 9000, "ul_us": 4000, "dl_us": 5000, "refl_seq": number} for number in range(1000)]
    for number in range(990, 1000):
        rows[number] = {"seq": number, "lost": 3}
    results = by_name(evaluate_link(probes(rows), subject()))
    for direction in ("up", "down"):
        ratio = results["loss", direction, "ratio"]
        assert ratio.value == 0.0
        assert ratio.ci_low == 0.0
        assert ratio.ci_high > 10 / 1000
    assert results["owd", "up", "p99.9"].ci_high is None


def test_a_required_total_of_outages_can_be_decided():
    """What was observed is a fact: 0 s of outage meets 1 s."""
    limit = Requirement(kpi="outage", statistic="total", limit=1.0, source="test")
    strict = Profile(name="t", ja="", en="", status="", requirement=(limit,))
    found = by_name(evaluate_link(round_trips([10] * 1000), subject(strict)))["outage", "round_trip", "total"]
    assert (found.value, found.verdict) == (0.0, "達成")


def test_a_quantile_among_lost_packets_is_null_and_says_so():
    """RFC 7679 5.1: 100, 110, lost, 90, 500 ms; p95 lies at the lost one."""
    results = by_name(evaluate_link(round_trips([100, 110, None, 90, 500]), subject()))
    assert results["rtt", "round_trip", "p50"].value == 110.0
    assert results["rtt", "round_trip", "p95"].value is None
    assert "lost" in results["rtt", "round_trip", "p95"].reason
    assert (results["rtt", "round_trip", "mean"].value, results["rtt", "round_trip", "mean"].n) == (200.0, 4)


def test_delays_of_one_direction_count_only_its_own_losses_as_infinite():
    """A packet lost on the way back did arrive: its delay up is unknown, not infinite, and widens reliability."""
    delivered = {"ul_us": 5000, "dl_us": 4000, "rtt_us": 9000}
    rows = [{**delivered, "refl_seq": 0}, {"lost": 2}, {"lost": 2}, {**delivered, "refl_seq": 3}]
    results = by_name(evaluate_link(probes(rows), subject()))
    assert (results["owd", "up", "p99"].value, results["owd", "up", "p99"].n) == (5.0, 2)
    assert (results["owd", "down", "p99"].value, results["owd", "down", "p99"].n) == (None, 4)
    reliability = results["reliability", "up", "ratio"]
    assert (reliability.value, reliability.n, reliability.ci_high) == (1.0, 2, 1.0)
    assert reliability.ci_low < 0.1
    assert "2 with unknown delay" in reliability.reason


def test_a_late_packet_is_a_failure_of_reliability_and_not_a_loss():
    """TS 22.261: delivered within the time constraint, the limit itself included."""
    profile = Profile(name="x", ja="", en="", status="", parameters=Parameters(rtt_within_ms=100.0))
    results = by_name(evaluate_link(round_trips([50, 100, 100.001, None]), subject(profile)))
    assert results["reliability", "round_trip", "ratio"].value == 0.5
    assert results["loss", "round_trip", "ratio"].value == 0.25


def test_a_blind_recording_has_no_loss():
    """Absent numbers and never a lost packet: the ratio is null, and the reason gives the range it could have."""
    sent = probes([{"seq": seq, "rtt_us": 9000} for seq in range(100) if seq % 10 != 5])
    results = by_name(evaluate_link(sent, subject()))
    loss = results["loss", "round_trip", "ratio"]
    assert (loss.value, loss.ci_low, loss.n) == (None, None, 100)
    assert "10/100" in loss.reason
    assert ("loss_burst", "round_trip", "count") not in results
    assert results["absent", "", "count"].value == 10.0
    reliability = results["reliability", "round_trip", "ratio"]
    assert (reliability.value, reliability.ci_high) == (1.0, 1.0)
    assert reliability.ci_low < 0.9
    assert "10 absent" in reliability.reason


def test_a_blind_recording_says_which_values_it_could_not_use():
    """Values that were NaN are named beside the numbers that are absent."""
    cells = columns([{"seq": seq, "rtt_us": 9000} for seq in (0, 1, 5)])
    cells["rtt_us"] = Column(np.array([9000.0, np.nan, 9000.0]))
    loss = by_name(evaluate_link(probe_arrays(cells), subject()))["loss", "round_trip", "ratio"]
    assert loss.value is None
    assert "3/6" in loss.reason
    assert "1 values not finite" in loss.reason


def test_pings_own_numbers_include_duplicates():
    """ping(8) counts copies into its average; RFC 2681 does not."""
    sent = probes([{"rtt_us": 10_000}, {"rtt_us": 20_000}, {}, {"seq": 0, "copy": 2, "rtt_us": 60_000}])
    results = by_name(ping_convention(sent, subject()))
    values = {statistic: result.value for (_, _, statistic), result in results.items()}
    deviation = math.sqrt((100 + 400 + 3600) / 3 - 30**2)
    assert values == {"min": 10.0, "mean": 30.0, "max": 60.0, "mdev": pytest.approx(deviation)}
    assert by_name(evaluate_link(sent, subject()))["rtt", "round_trip", "mean"].value == 15.0


def test_ping_without_answers_has_no_numbers():
    """Null with a reason."""
    (result,) = ping_convention(round_trips([None, None]), subject())
    assert (result.value, "no packets" in result.reason) == (None, True)


def test_variation_says_that_it_is_of_delivered_packets():
    """Only delay quantiles hold the lost ones as infinite."""
    results = by_name(evaluate_link(round_trips([10, 20, None, 30, 35]), subject()))
    assert "all sent" in results["rtt", "round_trip", "p95"].filter
    for kpi in ("ipdv", "pdv"):
        assert "delivered" in results[kpi, "round_trip", "p95"].filter


def test_the_hash_of_the_data_is_of_the_data():
    """One microsecond more is other data; the definitions have a hash of their own."""
    first, second = (evaluate_link(round_trips([10, rtt]), subject())[0] for rtt in (11, 11.001))
    assert first.data_hash != second.data_hash
    assert first.definition_hash == second.definition_hash == definitions_hash()


DELAY = st.one_of(st.none(), st.integers(-2_000_000, 2_000_000), st.integers(-2_000_000_000, 2_000_000_000))
ROW = st.fixed_dictionaries({
    "session": st.integers(0, 2), "seq": st.integers(0, 30), "ul_us": DELAY, "dl_us": DELAY,
    "rtt_us": st.one_of(st.none(), st.integers(0, 2_000_000)), "refl_seq": st.one_of(st.none(), st.integers(0, 40)),
    "copy": st.integers(1, 3), "t_us": st.integers(T0_US, T0_US + 30_000_000), "lost": st.integers(1, 3),
})  # fmt: skip
PROFILES = [None, *shipped_profiles()]


def as_row(row):
    """Make a drawn row lawful: lost rows have neither delay nor copies."""
    is_lost = row["rtt_us"] is None and row["ul_us"] is None and row["dl_us"] is None
    if is_lost and row["copy"] == 1:
        return {**row, "copy": 0, "refl_seq": None}
    return {**row, "lost": 0}


def check(result, clock):
    """What holds for every result, whatever the probes."""
    definition = BY_ID[result.id]
    assert result.statistic in definition.statistics
    assert (result.definition, result.name_ja) == (definition.citation, definition.name_ja)
    assert result.value is not None or result.reason
    numbers = [result.value, result.ci_low, result.ci_high, result.clock_bound_us]
    assert all(number is None or math.isfinite(number) for number in numbers)
    slack = 1e-9 * abs(result.value or 0.0)
    if result.value is not None and result.ci_low is not None:
        assert result.ci_low <= result.value + slack, result
    if result.value is not None and result.ci_high is not None:
        assert result.value - slack <= result.ci_high, result
    if result.unit == "1" and result.statistic == "ratio" and result.id != "duplication" and result.value is not None:
        assert 0.0 <= result.value <= 1.0
    if not clock.is_known and result.id in {"owd", "reliability"} and result.direction in {"up", "down"}:
        assert result.verdict != "達成"
        assert "参考値" in result.reason
    assert (result.verdict is None) == (result.required is None)
    assert result.needed_n is None or (result.verdict == "判定不能" and result.needed_n > 0)


@settings(max_examples=250, deadline=None)
@given(
    rows=st.lists(ROW, max_size=40),
    clock=st.sampled_from([GOOD_CLOCK, UNKNOWN_CLOCK]),
    profile=st.sampled_from(PROFILES),
)
def test_any_probes_give_lawful_results(rows, clock, profile):
    """Every result is in the table of definitions, finite, inside its own interval, and survives JSON."""
    sent = probes([as_row(row) for row in rows])
    results = evaluate_link(sent, subject(load_requirements(profile), clock))
    assert len(by_name(results)) == len(results)
    for result in results:
        check(result, clock)
    # JSON has neither infinity nor NaN: a parser that refuses them must take it, and nothing may change on the way.
    encoded = msgspec.json.encode(results)
    json.loads(encoded, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
    assert msgspec.json.decode(encoded, type=list[KpiResult]) == results


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), loss=st.sampled_from([0.0, 0.001, 0.2, 0.97]), phi=st.sampled_from([0.0, 0.99]))
def test_long_correlated_series_give_lawful_results(seed, loss, phi):
    """Whole runs with bursts: the same laws where n_eff is far below n."""
    rng = np.random.default_rng(seed)
    wander = np.zeros(1500)
    for index in range(1, wander.size):
        wander[index] = phi * wander[index - 1] + rng.normal()
    delays = np.where(rng.random(wander.size) < loss, np.nan, 20 + np.abs(wander))
    sent = round_trips([None if math.isnan(delay) else delay for delay in delays])
    for result in evaluate_link(sent, subject(load_requirements("multi_camera"))):
        check(result, GOOD_CLOCK)


def test_the_distribution_function_counts_all_packets_sent():
    """Four of five packets arrive; two of them within 10 ms, the limit itself included; the lost one is never."""
    results = by_name(evaluate_link(round_trips([1, 10, 10.001, None, 300]), subject()))
    shares = {ms: results["delay_cdf", "round_trip", f"le_{ms}ms"] for ms in (1, 2, 10, 20, 200, 500, 1000)}
    assert {1: 0.2, 2: 0.2, 10: 0.4, 20: 0.6, 200: 0.6, 500: 0.8, 1000: 0.8} == {
        ms: share.value for ms, share in shares.items()
    }
    assert all(share.n == 5 and share.ci_low <= share.value <= share.ci_high for share in shares.values())


def test_the_distribution_function_of_one_way_delays_knows_its_clocks():
    """A bound of 0.1 ms on the clocks widens the share at a limit that lies on the delays; none leaves it 参考値."""
    rows = [{"ul_us": 4950 + us, "rtt_us": 20_000} for us in range(100)]
    share = by_name(evaluate_link(probes(rows), subject()))["delay_cdf", "up", "le_5ms"]
    assert share.value == 0.51
    assert (share.ci_low, share.ci_high) == (0.0, 1.0)
    unknown = by_name(evaluate_link(probes(rows), subject(clock=UNKNOWN_CLOCK)))["delay_cdf", "up", "le_5ms"]
    assert "参考値" in unknown.reason


def test_the_spread_and_the_far_quantiles_of_a_delay():
    """Standard deviation of what arrived; 5 % and 99.99 % by rank over 20,000 packets."""
    results = by_name(evaluate_link(round_trips([1 + number / 1000 for number in range(20_000)]), subject()))
    deviation = math.sqrt((20_000**2 - 1) / 12) / 1000
    assert results["rtt", "round_trip", "std"].value == pytest.approx(deviation, rel=1e-12)
    assert results["rtt", "round_trip", "p5"].value == 1.999
    assert results["rtt", "round_trip", "p99.99"].value == 20.997
