"""Series for charts: exact quantiles an interval, loss as infinite delay, gaps left open."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.report.series import MAX_INTERVALS, SeriesBuilder, choose_interval_s

SECOND = 1_000_000


def build(t_us, delay_us, has_delay, is_lost, *, cuts=(), interval_s=1):
    """Feed the rows in pieces cut at `cuts` and return the series."""
    builder = SeriesBuilder(device="bus-1", link="l5g", direction="round_trip", interval_s=interval_s)
    columns = (np.asarray(t_us, np.int64), np.asarray(delay_us, np.int32), np.asarray(has_delay), np.asarray(is_lost))
    edges = [0, *sorted(cuts), len(columns[0])]
    for low, high in itertools.pairwise(edges):
        t, delay, has, lost = (column[low:high] for column in columns)
        builder.add(t, delay, has_delay=has, is_lost=lost)
    return builder.finish()


def test_quantiles_count_lost_packets_as_infinitely_late():
    """Of 20 packets one is lost: the 95th percentile is the largest delay; with two lost it is infinite."""
    t_us = np.arange(40) * SECOND // 20
    is_lost = np.isin(np.arange(40), [5, 25, 26])
    series = build(t_us, np.arange(40) + 1000, ~is_lost, is_lost)

    assert series.start_us.tolist() == [0, SECOND]
    assert series.sent.tolist() == [20, 20]
    assert series.lost.tolist() == [1, 2]
    assert series.p95_us.tolist() == [1019.0, np.inf]
    assert series.median_us.tolist() == [1010.0, 1031.0]
    assert series.cdf_share[-1] == pytest.approx(37 / 40)


def test_packets_without_a_delay_are_neither_delay_nor_loss():
    """A direction that was not measured leaves the quantiles, and stays in what was sent."""
    has_delay = np.array([True, False, True, False])
    series = build(np.arange(4), [10, 0, 30, 0], has_delay, np.zeros(4, bool))

    assert (series.sent.tolist(), series.lost.tolist(), series.unmeasured) == ([4], [0], 2)
    assert series.median_us.tolist() == [10.0]
    assert np.isnan(series.p95_us[0])
    assert series.cdf_share.tolist() == [0.5, 1.0]


def test_a_direction_never_measured_has_no_distribution():
    """All NaN, and an empty distribution, not a row of zeros."""
    series = build(np.arange(3), [0, 0, 0], np.zeros(3, bool), np.zeros(3, bool))

    assert np.isnan(series.median_us).all()
    assert series.cdf_delay_us.size == 0


def test_nothing_sent_is_no_series():
    """A link without packets has no chart."""
    assert SeriesBuilder(device="d", link="l", direction="up", interval_s=1).finish() is None


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_chunks_may_be_cut_anywhere(data):
    """The series does not depend on how the rows were cut into chunks."""
    n = data.draw(st.integers(1, 200))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    t_us = np.sort(rng.integers(0, 8 * SECOND, n))
    is_lost = rng.random(n) < 0.1
    has_delay = ~is_lost & (rng.random(n) < 0.9)
    delay = rng.integers(-50, 5000, n)
    cuts = data.draw(st.lists(st.integers(0, n), max_size=5))

    whole = build(t_us, delay, has_delay, is_lost)
    pieces = build(t_us, delay, has_delay, is_lost, cuts=cuts)

    for name in ("start_us", "sent", "lost", "median_us", "p95_us", "cdf_delay_us", "cdf_share"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(pieces, name), err_msg=name)
    for start, median in zip(whole.start_us, whole.median_us, strict=True):
        inside = (t_us >= start) & (t_us < start + SECOND) & (has_delay | is_lost)
        sample = np.sort(np.where(is_lost, np.inf, delay)[inside])
        if sample.size:
            assert median == sample[(sample.size + 1) // 2 - 1]
        else:
            assert np.isnan(median)


def test_a_large_distribution_is_thinned_but_keeps_its_ends():
    """Hundreds of points, not a hundred thousand, with the first and the last share exact."""
    n = 50_000
    delay = np.random.default_rng(1).permutation(n)
    series = build(np.arange(n) * 100, delay, np.ones(n, bool), np.zeros(n, bool), interval_s=60)

    assert series.cdf_delay_us.size <= 210
    assert (series.cdf_delay_us[0], series.cdf_share[0]) == (0.0, 1 / n)
    assert (series.cdf_delay_us[-1], series.cdf_share[-1]) == (n - 1, 1.0)
    np.testing.assert_allclose(series.cdf_share, (series.cdf_delay_us + 1) / n)


@pytest.mark.parametrize("duration_s", [0.5, 300, 301, 3600, 86_400, 40 * 86_400])
def test_intervals_are_round_and_few_enough(duration_s):
    """Any run fits into the points of a chart."""
    assert duration_s / choose_interval_s(duration_s) <= MAX_INTERVALS
