"""Availability with survival time against the worked table, and what is not measured."""

import numpy as np
import pytest

from analytics.availability import availability
from analytics.evaluate import evaluate_link
from analytics.requirements import Parameters, Profile
from analytics.special import poisson_upper
from tests.analytics.making import T0_US, by_name, probes, round_trips, subject

TABLE = [
    ("none", {}, [], 1.0),
    ("one", {3: None}, [], 1.0),
    ("two apart", {3: None, 6: None}, [], 1.0),
    ("two in a row", {3: None, 4: None}, [(45, 52)], 0.93),
    ("two late", {3: 7, 4: 6}, [(45, 52)], 0.93),
    ("five in a row", dict.fromkeys(range(3, 8)), [(45, 82)], 0.63),
    ("at the end", {8: None, 9: None}, [(95, 105)], 0.9),
]
PROFILE = Profile(name="x", ja="", en="", status="", parameters=Parameters(t_max_ms=5.0, survival_ms=10.0))


def in_ms(times_us):
    return [float(time - T0_US) / 1000 for time in times_us]


@pytest.mark.parametrize(("name", "failed", "down", "ratio"), TABLE, ids=[row[0] for row in TABLE])
def test_the_table_of_outages(name, failed, down, ratio):
    """Interval 10 ms, deadline 5 ms, survival 10 ms, arrival after 2 ms; late messages do not restore."""
    sent = round_trips([failed.get(number, 2) for number in range(10)])
    found = availability(sent, "round_trip", 5000, 10_000)
    assert down == list(zip(in_ms(found.start_us), in_ms(found.end_us), strict=True)), name
    assert (found.observed_us, found.ratio) == (100_000, pytest.approx(ratio, abs=1e-12))


def test_every_availability_vector(vectors):
    """The same state machine from the vectors, given as arrival times."""
    state = vectors["vectors"]["ts22104_state"]
    for case in state["cases"]:
        delays = [
            None if arrival is None else arrival - number * state["transfer_interval_ms"]
            for number, arrival in enumerate(case["arrival_ms"])
        ]
        found = availability(
            round_trips(delays), "round_trip", state["max_latency_ms"] * 1000, state["survival_time_ms"] * 1000
        )
        assert case["down"] == [list(pair) for pair in zip(in_ms(found.start_us), in_ms(found.end_us), strict=True)]
        assert found.ratio == pytest.approx(case["availability"], abs=1e-12), case["name"]


def series(times_s, failed=(), session=1):
    """Messages at times in s with 2 ms of delay; those at the positions `failed` lost."""
    return [
        {"session": session, "seq": number, "t_us": T0_US + round(at * 1e6),
         "rtt_us": None if number in failed else 2000}
        for number, at in enumerate(times_s)
    ]  # fmt: skip


def test_a_pause_is_not_measured():
    """An hour in which nothing was sent is in neither part of the ratio, even between failures."""
    times = np.concatenate([np.arange(100) * 0.1, 3600 + np.arange(100) * 0.1])
    found = availability(probes(series(times, failed=range(90, 110))), "round_trip", 200_000, 100_000)
    assert found.observed_us == 20_000_000
    # Each side: one second of losses; the first ends with its window, the second with the next arrival.
    assert (found.end_us - found.start_us).tolist() == [900_000, 702_000]


def test_a_new_session_begins_a_new_window():
    """Time between two lives of the sender was not measured, however short."""
    rows = series(np.arange(50) * 0.1) + series(7 + np.arange(50) * 0.1, session=2)
    assert availability(probes(rows), "round_trip", 200_000, 100_000).observed_us == 10_000_000


def test_a_gap_of_a_few_intervals_is_measured():
    """Poisson gaps are no pauses: a lost message before one makes the link down until the next arrival."""
    found = availability(probes(series([0, 0.1, 0.2, 3.2, 3.3], failed=[2])), "round_trip", 200_000, 100_000)
    assert found.observed_us == 3_400_000
    assert (found.end_us - found.start_us).tolist() == [2_702_000]


def test_a_window_with_only_failures_is_down_but_for_the_survival_time():
    """The service outlives the first deadline by the survival time, and then is down to the end."""
    found = availability(round_trips([None] * 100), "round_trip", 5000, 10_000)
    assert (found.observed_us, found.down_us, found.ratio) == (1_000_000, 990_000, pytest.approx(0.01))


def test_no_survival_time_means_no_availability_at_all():
    """With a survival time of zero and only failures the ratio is exactly 0 and up time is not negative."""
    profile = Profile(name="x", ja="", en="", status="", parameters=Parameters(t_max_ms=5.0, survival_ms=0.0))
    results = by_name(evaluate_link(round_trips([None] * 77), subject(profile)))
    assert results["availability", "round_trip", "ratio"].value == 0.0
    assert results["mtbf", "round_trip", "mean"].value == 0.0


def test_the_share_of_each_second_adds_up():
    """The seconds whose autocorrelation is taken hold the same down time as the outages."""
    rng = np.random.default_rng(3)
    found = availability(round_trips([None if lost else 2 for lost in rng.random(3000) < 0.4]), "round_trip", 5000, 0)
    assert found.up_ratio_by_second.size == 30
    assert found.up_ratio_by_second.mean() == pytest.approx(found.ratio, abs=1e-12)


def test_one_message_observes_nothing():
    """A single message has no interval: the ratio is null with a reason."""
    assert availability(round_trips([2]), "round_trip", 5000, 0).ratio is None
    result = by_name(evaluate_link(round_trips([2]), subject()))["availability", "round_trip", "ratio"]
    assert (result.value, result.ci_low, bool(result.reason)) == (None, None, True)


def test_outages_and_time_between_failures_reach_the_results():
    """One outage of 37 ms in 100 ms."""
    results = by_name(evaluate_link(round_trips([2, 2, 2, *[None] * 5, 2, 2]), subject(PROFILE)))
    assert [results["outage", "round_trip", name].value for name in ("count", "max", "total")] == [1.0, 0.037, 0.037]
    assert results["mtbf", "round_trip", "mean"].value == pytest.approx(0.063)
    assert results["mtbf", "round_trip", "mean"].ci_low == pytest.approx(0.063 / 4.743865, rel=1e-6)


def test_without_a_failure_only_the_lower_bound_of_mtbf_is_known():
    """A failure-free time T shows MTBF >= T / 2.9957 and no value."""
    result = by_name(evaluate_link(round_trips([2] * 100), subject(PROFILE)))["mtbf", "round_trip", "mean"]
    assert (result.value, result.ci_high) == (None, None)
    assert result.ci_low == pytest.approx(1.0 / poisson_upper(0, 0.95))
    assert result.reason


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_recording_of_one_direction_is_judged_by_it(direction):
    """Availability runs over the direction that was measured, not over a round trip that nobody measured."""
    name = {"up": "ul_us", "down": "dl_us"}[direction]
    results = by_name(evaluate_link(probes([{name: 2000}] * 50), subject()))
    assert results["availability", direction, "ratio"].value == 1.0


def test_deliveries_without_any_delay_are_not_called_outages():
    """When no delay was measured, nothing tells whether messages were in time."""
    results = by_name(evaluate_link(probes([{"lost": 0, "copy": 1}] * 50), subject()))
    assert results["availability", "round_trip", "ratio"].value is None
    assert results["rtt", "round_trip", "p50"].value is None
    assert results["loss", "round_trip", "ratio"].value == 0.0
    for result in results.values():
        assert result.value is not None or "no " in result.reason, result.id


def test_two_senders_at_once_do_not_cut_each_other_short():
    """Two sessions of ten seconds at the same time; one of them fails for four seconds, the other gets through."""
    rows = []
    for session in (1, 2):
        for number in range(1000):
            failed = session == 1 and 300 <= number < 700
            at = {"session": session, "seq": number, "t_us": T0_US + number * 10_000 + session}
            rows.append({**at, **({"lost": 3} if failed else {"rtt_us": 1000})})
    found = availability(probes(rows), "round_trip", 100_000, 500_000)
    assert found.observed_us == pytest.approx(10_000_000, abs=20_000)
    assert found.ratio == 1.0
    both = [{**row, "lost": 3, "rtt_us": None} if 300 <= row["seq"] < 700 else row for row in rows]
    down = availability(probes(both), "round_trip", 100_000, 500_000)
    assert down.start_us.size == 1
    assert down.down_us == pytest.approx(4_000_000 - 600_000, abs=30_000)


def test_outages_come_in_the_order_of_time_whatever_the_sessions_are_called():
    """Session numbers are drawn by chance: the later one may have the smaller number."""
    rows = []
    for session, start_us in ((9, T0_US), (2, T0_US + 60_000_000)):
        for number in range(1000):
            at = {"session": session, "seq": number, "t_us": start_us + number * 10_000}
            rows.append({**at, **({"lost": 3} if 300 <= number < 700 else {"rtt_us": 1000})})
    found = availability(probes(rows), "round_trip", 100_000, 500_000)
    assert found.start_us.size == 2
    assert found.start_us[0] < T0_US + 60_000_000 < found.start_us[1]
    assert found.ratio == pytest.approx(1 - 2 * 3.4 / 20, abs=0.01)
