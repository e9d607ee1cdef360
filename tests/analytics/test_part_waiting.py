"""Long windows by a waiting time, beside the evaluation of the same packets: its value, bounds of it, or why not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.evaluate import evaluate_link
from analytics.log_histogram import RELATIVE_ERROR
from analytics.part_figures import WITHOUT_PARTS
from analytics.part_waiting import MIXED, SHORT, UNSURE, WHICH, window_figures
from analytics.probes import probe_arrays
from analytics.requirements import Parameters, Profile
from tests.analytics.making import UNKNOWN_CLOCK, by_name, columns, subject
from tests.analytics.recordings import recordings
from tests.analytics.test_part_figures import by_parts, is_timed

SECOND_US = 1_000_000


def waiting(limit_ms, **more):
    """A profile with a waiting time."""
    return Profile(name="x", ja="", en="", status="", parameters=Parameters(lost_after_ms=limit_ms, **more))


def compare(cells, profile, width_us=SECOND_US, *, is_one_sender=True):
    """Assert that each figure is the value of the packets, or that its bounds hold it; return the figures by name.

    Where several senders overlap parts tell the time otherwise than a run: it must be as without a waiting time.
    """
    raw = by_name(evaluate_link(probe_arrays(cells), subject(profile, UNKNOWN_CLOCK)))
    found = by_name(window_figures(by_parts(cells, width_us), profile.parameters))
    plain = by_name(window_figures(by_parts(cells, width_us), Parameters()))
    for key, figure in found.items():
        assert figure.value is not None or figure.note, key
        if figure.value is None or key not in raw:
            # What is not of the packets any more has no value: all were late.
            assert figure.value is None, key
            continue
        value = raw[key].value
        if is_timed(key) and not is_one_sender:
            assert figure.value == plain[key].value
            continue
        if figure.low is not None:
            slack = RELATIVE_ERROR * abs(figure.high) if key[0] in {"rtt", "owd"} else 1e-9
            assert figure.low <= figure.value <= figure.high, key
            assert value is not None, key
            assert figure.low - slack <= value <= figure.high + slack, (key, value, figure)
            continue
        if "within 0.1 % of the bound" in figure.precision:
            # Some of the bucket of the bound may have been in time.
            assert figure.value - 1e-12 <= value, key
            continue
        near = 1e-3 * abs(value) if is_timed(key) or key[0] in {"rtt", "owd"} else 0.0
        assert figure.value == pytest.approx(value, rel=0, abs=near + 1e-9), key
    return found, raw


def trips(rtt_us, **every):
    """Make columns of round trips, None for lost ones; up and down are thirds of them."""
    return columns([
        {"rtt_us": us, "ul_us": None if us is None else us // 3, "dl_us": None if us is None else us - us // 3, **every}
        for us in rtt_us
    ])  # fmt: skip


def slow(seed, n=3000):
    """Round trips of which some are slow, and some packets are lost."""
    rng = np.random.default_rng(seed)
    us = rng.integers(20_000, 90_000, n) + np.where(rng.random(n) < 0.05, rng.integers(0, 400_000, n), 0)
    return [None if lost else int(each) for each, lost in zip(us, rng.random(n) < 0.02, strict=True)]


@pytest.mark.parametrize("width_us", [7 * SECOND_US // 10, 60 * SECOND_US])
@pytest.mark.parametrize("limit_ms", [200.0, 250.0, 87.123])
def test_late_packets_of_a_window_are_lost_as_in_a_run(limit_ms, width_us):
    """Loss, quantiles, distribution, reliability and duplication; what cannot be told says so."""
    found, raw = compare(trips(slow(1)), waiting(limit_ms), width_us)
    late = sum(each is not None and each > limit_ms * 1000 for each in slow(1))
    assert late > 10
    loss = found["loss", "round_trip", "ratio"]
    low, high = (loss.value, loss.value) if loss.low is None else (loss.low, loss.high)
    assert low <= raw["loss", "round_trip", "ratio"].value <= high
    assert high - low <= 5 / 3000
    assert f"later than {limit_ms:g} ms counted as lost" in loss.note
    for key in (
        ("rtt", "round_trip", "p50"), ("rtt", "round_trip", "mean"), ("rtt", "round_trip", "max"),
        ("delay_cdf", "round_trip", "le_50ms"), ("reliability", "round_trip", "ratio"),
    ):  # fmt: skip
        assert found[key].value is not None, key
    for key in (("loss_burst", "round_trip", "count"), ("loss_model", "round_trip", "p"), ("owd", "up", "p50")):
        assert (found[key].value, WHICH in found[key].note) == (None, True), key


def test_a_limit_that_is_counted_exactly_needs_no_bounds():
    """200 ms is one of the fixed delays of the distribution function."""
    found, raw = compare(trips([*slow(2), 200_000, 200_001]), waiting(200.0))
    loss = found["loss", "round_trip", "ratio"]
    assert (loss.value, loss.low, loss.precision) == (raw["loss", "round_trip", "ratio"].value, None, "")
    assert found["loss", "round_trip", "count"].value == raw["loss", "round_trip", "count"].value


def test_a_limit_inside_a_bucket_gives_the_bounds_of_that_bucket():
    """A thousand packets of 150.15 ms and a limit of 150.1 ms: in time or late, by buckets of 0.1 %."""
    found, raw = compare(trips([30_000] * 1000 + [150_150] * 1000 + [300_000] * 10), waiting(150.1))
    loss = found["loss", "round_trip", "ratio"]
    assert (loss.low, loss.high) == (10 / 2010, 1010 / 2010)
    assert raw["loss", "round_trip", "ratio"].value == loss.value == loss.high
    assert UNSURE in found["rtt", "round_trip", "p95"].note
    assert "10 to 1010 packets later than 150.1 ms counted as lost" in loss.note


def test_availability_stays_where_the_limit_is_no_shorter_than_the_deadline():
    """What comes later than Tmax failed already; with a shorter limit nobody knows when packets were late."""
    down = [30_000] * 500 + [250_000] * 300 + [30_000] * 500
    found, raw = compare(trips(down), waiting(220.0))
    assert raw["outage", "round_trip", "count"].value == found["outage", "round_trip", "count"].value == 1.0
    found, _ = compare(trips(down), waiting(120.0))
    assert SHORT in found["availability", "round_trip", "ratio"].note
    assert found["mtbf", "round_trip", "mean"].value is None


def test_nothing_late_leaves_every_figure_and_says_so():
    """A limit beyond every delay."""
    cells = trips(slow(3))
    plain = by_name(window_figures(by_parts(cells, SECOND_US), Parameters()))
    found, _ = compare(cells, waiting(10_000.0))
    assert found.keys() == plain.keys()
    for key, figure in found.items():
        assert figure.value == plain[key].value
        assert key[0] == "absent" or "0 packets later than 10000 ms counted as lost" in figure.note


def test_packets_without_a_round_trip_beside_some_with_one_are_not_guessed_at():
    """Their own ways tell of each whether it was late, and parts have no packets."""
    cells = columns([{"rtt_us": 30_000, "ul_us": 10_000}, {"ul_us": 500_000}] * 100)
    found, _ = compare(cells, waiting(250.0))
    assert {MIXED in figure.note for key, figure in found.items() if not is_timed(key)} == {True}
    assert found["availability", "round_trip", "ratio"].value is not None


def test_one_way_delays_alone_tell_what_was_late():
    """Without round trips and the other way, a late packet was lost that way."""
    cells = columns([{"ul_us": 500_000 if number % 10 == 0 else 20_000} for number in range(1000)])
    found, raw = compare(cells, waiting(250.0))
    assert found["loss", "round_trip", "ratio"].value == 0.1
    assert found["owd", "up", "p50"].value == pytest.approx(raw["owd", "up", "p50"].value, rel=1e-3)
    assert found["reliability", "up", "ratio"].value == raw["reliability", "up", "ratio"].value == 0.9


def test_a_recording_that_never_says_lost_has_no_loss_ratio_in_a_window_either():
    """Late packets are lost, absent ones perhaps."""
    cells = columns([
        {"seq": number, "rtt_us": 500_000 if number % 10 == 0 else 20_000} for number in range(1000) if number % 7
    ])  # fmt: skip
    found, raw = compare(cells, waiting(250.0))
    assert (found["loss", "round_trip", "ratio"].value, raw["loss", "round_trip", "ratio"].value) == (None, None)
    assert "not measured or lost" in found["loss", "round_trip", "ratio"].note


@settings(max_examples=60, deadline=None)
@given(recording=recordings(), limit_ms=st.sampled_from([1.0, 8.0, 20.0, 30.5, 55.0, 200.0, 5000.0]))
def test_whatever_was_recorded_a_window_says_what_its_packets_say_or_why_not(recording, limit_ms):
    """Any losses, absent numbers, copies, sessions and delays; a value is that of the packets or bounds it."""
    cells, _ = recording
    if not cells["t_us"].values.size:
        return
    found, raw = compare(cells, waiting(limit_ms), is_one_sender=False)
    missing = {key for key in raw if key[0] not in WITHOUT_PARTS and key not in found}
    first = next((key[1] for key in found if is_timed(key)), "")
    missing = {key for key in missing if not (is_timed(key) and key[1] != first)}
    if any(figure.value not in {None, 1.0} for key, figure in found.items() if key == ("loss", "round_trip", "ratio")):
        assert not {key for key in missing if raw[key].value is not None}, missing


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 100), limit_ms=st.floats(15.0, 500.0), width_us=st.sampled_from([300_000, 7_000_000]))
def test_wherever_the_limit_lies_the_bounds_hold_the_value_and_are_one_bucket_wide(seed, limit_ms, width_us):
    """Every packet has a round trip, so that all that counts packets is told."""
    us = slow(seed, 600)
    found, raw = compare(trips(us), waiting(limit_ms), width_us)
    loss = found["loss", "round_trip", "ratio"]
    assert loss.value is not None
    near = sum(each is not None and abs(each / 1000 / limit_ms - 1) < 4 * RELATIVE_ERROR for each in us)
    if loss.low is not None:
        assert loss.high - loss.low <= near / 600 + 1e-12
    else:
        assert loss.value == pytest.approx(raw["loss", "round_trip", "ratio"].value, abs=1e-12)
