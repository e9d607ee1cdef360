"""How far two clocks may have been off at any moment, from their samples: by definition, and in a real chrony's log."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.clock import clock_quality
from analytics.clock_kpis import bound_at, poor_share
from analytics.clock_record import ClockSamples, clock_record

S = 1_000_000


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(), count=st.integers(1, 12),
    excluded=st.lists(st.tuples(st.integers(0, 300), st.integers(1, 60)), max_size=2),
)  # fmt: skip
def test_no_moment_of_good_time_is_worse_than_its_samples_allow(data, count, excluded):
    """By second and by definition: poor is what is unknown or beyond the limit at that moment, and nothing else."""
    steps = data.draw(st.lists(st.integers(1, 150), min_size=count, max_size=count))
    t_s = np.cumsum(steps)
    bound = np.array(data.draw(st.lists(st.sampled_from([100.0, 900.0, 5000.0, np.nan]), min_size=count,
                                        max_size=count)))  # fmt: skip
    samples = ClockSamples(t_s * S, np.isfinite(bound), bound)
    declared = ClockSamples(np.array([0, 400 * S]), np.ones(2, bool), np.zeros(2), np.ones(2, bool))
    spans = [(low * S, (low + length) * S) for low, length in excluded]
    record = clock_record(samples, declared, 0, 400 * S, spans)
    age_s = max(3 * float(np.median(np.diff(t_s))) if count > 1 else 0.0, 60.0)
    left_us = 0
    for at in np.arange(400) + 0.5:
        if any(low <= at * S < high for low, high in spans):
            continue
        left_us += S
        before = np.flatnonzero(t_s <= at)
        place = np.flatnonzero((record.start_us <= at * S) & (record.end_us > at * S))
        stated = float(record.bound_us[place[0]])
        if not before.size:
            expected = bound[0] + 15 * (t_s[0] - at) if t_s[0] - at <= age_s else np.nan
        elif at - t_s[before[-1]] > age_s:
            expected = np.nan
        else:
            expected = bound[before[-1]] + 15 * (at - t_s[before[-1]])
            if before[-1] + 1 < count and t_s[before[-1] + 1] - t_s[before[-1]] <= age_s:
                expected = np.maximum(expected, bound[before[-1] + 1])
        if np.isnan(expected) or np.isnan(stated):
            # Only where declared clocks have a gap of their own, or the sample does, is nothing known.
            assert np.isnan(stated)
        else:
            assert expected <= stated + 1e-6
    assert int(record.length_us.sum()) == left_us


def test_the_figures_of_the_clocks_are_weighted_by_time():
    """100 s at 0.3 ms, 30 s at 4.3 ms and 20 s unknown: median, worst, and the share beyond 2 ms."""
    t_s = np.arange(0, 151, 10)
    bound = np.where(t_s < 110, 0.0, np.where(t_s < 130, 4000.0, 0.0))
    synced = t_s != 140
    own = ClockSamples(t_s * S, synced, bound)
    far = ClockSamples(t_s * S, np.ones(t_s.size, bool), np.zeros(t_s.size))
    record = clock_record(own, far, 0, 150 * S)
    assert bound_at(record, "0.5") == 300.0
    assert bound_at(record, "0.85") == 4300.0
    assert bound_at(record, "0.95") == np.inf
    assert poor_share(record, 2000.0) == pytest.approx(50 / 150)
    excluded = clock_record(own, far, 0, 150 * S, [(100 * S, 150 * S)])
    assert (bound_at(excluded, "1"), poor_share(excluded, 2000.0)) == (300.0, 0.0)


PERFECT = ClockSamples(np.array([0]), np.ones(1, bool), np.zeros(1), np.ones(1, bool))
"""A clock that is declared to be right, sampled once: it says so for a minute around."""


def test_a_declared_bound_does_not_grow_and_any_other_does():
    """15 ppm for 30 s are 450 us; who vouches for a clock does so at any time."""
    one = ClockSamples(np.array([0]), np.ones(1, bool), np.array([50.0]))
    assert clock_record(PERFECT, PERFECT, 0, 30 * S).bound_us.tolist() == [0.0]
    assert clock_record(one, PERFECT, 0, 30 * S).bound_us.tolist() == [500.0]
    assert clock_record(one, PERFECT, -10 * S, 0).bound_us.tolist() == [200.0]
    assert np.isnan(clock_record(one, PERFECT, 0, 61 * S).bound_us[-1])


@pytest.fixture(scope="module")
def tracking(test_data):
    """The log of a real chrony from a cold start over NTP to a PPS: time (us), bound and its own maximum error (us)."""
    path = test_data / "chrony" / "tracking.log"
    if not path.is_file():
        pytest.skip(f"{path} not found: the log of a real chrony is not tested")
    rows = [line.split() for line in path.read_text().splitlines() if line.startswith("2")]
    t_us = [round(datetime.fromisoformat(f"{row[0]}T{row[1]}").replace(tzinfo=UTC).timestamp() * 1e6) for row in rows]
    # At an update the clock is off by what was measured and what was still to be corrected, which has the other sign.
    off, delay, dispersion = (np.array([float(row[place]) for row in rows]) for place in (6, 11, 12))
    left, worst = (np.array([float(row[place]) for row in rows]) for place in (10, 13))
    bound_us = (np.abs(off - left) + dispersion + delay / 2) * 1e6
    return ClockSamples(np.array(t_us), np.array([row[7] == "N" for row in rows]), bound_us), worst * 1e6


def test_between_its_updates_a_real_chrony_was_never_worse_than_the_bound(tracking):
    """Its column of the largest error since the last update, from the PPS on."""
    samples, worst_us = tracking
    far = ClockSamples(samples.t_us, samples.synced | True, np.zeros(samples.t_us.size), samples.synced | True)
    for place in range(4, samples.t_us.size - 1):
        record = clock_record(samples, far, int(samples.t_us[place]), int(samples.t_us[place + 1]))
        assert record.bound_us.size == 1
        assert worst_us[place + 1] <= record.bound_us[0] < worst_us[place + 1] + 1000.0


def test_a_cold_start_is_poor_until_the_pps_and_good_after(tracking):
    """Leap status "Normal" while it is 47.8 s off; 2 min 55 s later the PPS is there, good to 5 ms at once."""
    samples, _ = tracking
    far = ClockSamples(samples.t_us, samples.synced | True, np.zeros(samples.t_us.size), samples.synced | True)
    start_us, end_us = int(samples.t_us[0]), int(samples.t_us[-1])
    quality = clock_quality(samples, far, start_us, end_us, 5_000.0)
    ((low_us, high_us),) = quality.poor
    assert low_us < start_us
    assert high_us == samples.t_us[4] == start_us + 175 * S
    assert (quality.word, round(quality.bound_us)) == ("粗", 4529)
    assert poor_share(quality.record, 5_000.0) == pytest.approx(175 / 527)
    assert not clock_quality(samples, far, start_us, end_us).is_known
