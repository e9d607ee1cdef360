"""Quantiles, ranks, intervals and the worth of a correlated sample."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from analytics.statistics import (
    Interval,
    autocorrelation,
    effective_n,
    histogram,
    mean_interval,
    order_ranks,
    proportion_interval,
    quantile_interval,
    rank,
)

DELAYS = hnp.arrays(np.int32, st.integers(0, 60), elements=st.integers(-2_000_000_000, 2_000_000_000))
SAFE_Q = ["0.5", "0.9", "0.95", "0.99", "0.999", "0.9999"]


def quantile(values, q, lost=0):
    counted = histogram(np.array(values), lost)
    return counted.at([rank(q, counted.n)])[0]


@pytest.mark.parametrize(("q", "expected"), [("0.5", 4), ("0.25", -2), ("1", 18), ("0.15", -5)])
def test_the_percentiles_of_rfc_2330(q, expected):
    """RFC 2330 11.3; p15 is -5 by the definition (the text's -infinity is a misprint)."""
    assert expected == quantile([-2, 7, 7, 4, 18, -5], q)


def test_every_percentile_vector(vectors):
    """RFC 2330 11.3 and RFC 7679 5.1, with lost packets as infinity."""
    for case in vectors["vectors"]["percentile"]:
        values = [value for value in case["sample"] if value is not None]
        for percent, expected in case.get("percentile", {}).items():
            q = f"{int(percent) / 100:g}"
            assert expected == quantile(values, q, len(case["sample"]) - len(values)), case["source"]
        counted = histogram(np.array(values), len(case["sample"]) - len(values))
        for x, share in case.get("edf", {}).items():
            assert share == counted.up_to(float(x)) / counted.n
        for x, share in case.get("inverse_percentile", {}).items():
            assert share == counted.up_to(float(x)) / counted.n
        if "median" in case:
            assert case["median"] == counted.median
        assert case.get("minimum", counted.values[0]) == counted.values[0]


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=30), st.integers(0, 5))
def test_a_median_is_numpys(values, lost):
    """Numpy's own median, the mean of both middle values, where it has no infinity; with one of them it is infinite."""
    together = np.array([*values, *[math.inf] * lost], float)
    assert np.median(together) == histogram(np.array(values), lost).median


def test_a_lost_packet_is_infinite():
    """RFC 7679 5.1: 100, 110, lost, 90, 500 has p50 = 110 and p90 = infinity; all lost has only infinity."""
    assert quantile([100, 110, 90, 500], "0.5", lost=1) == 110
    assert quantile([100, 110, 90, 500], "0.9", lost=1) == math.inf
    assert quantile(np.empty(0, np.int64), "0.5", lost=3) == math.inf


@pytest.mark.parametrize(("q", "n", "expected"), [("0.07", 100, 7), (0.07, 100, 7), ("0.29", 100, 29), ("0.999", 1, 1)])
def test_ranks_are_computed_in_fractions(q, n, expected):
    """ceil(0.07 * 100) is 8 in floating point."""
    assert expected == rank(q, n)


@settings(deadline=None)
@given(values=DELAYS.filter(len), lost=st.integers(0, 10), q=st.sampled_from(SAFE_Q))
def test_quantiles_are_numpy_inverted_cdf(values, lost, q):
    """The same order statistic as numpy's definition of RFC 2330's percentile, infinities included."""
    whole = np.concatenate([values.astype(np.float64), np.full(lost, np.inf)])
    assert float(np.quantile(whole, float(q), method="inverted_cdf")) == quantile(values, q, lost)


@settings(deadline=None)
@given(parts=st.lists(st.tuples(DELAYS, st.integers(0, 5)), min_size=1, max_size=5))
def test_merged_parts_are_the_whole(parts):
    """Histograms of parts, merged in any grouping, are exactly that of all values."""
    whole = histogram(np.concatenate([values for values, _ in parts]), sum(lost for _, lost in parts))
    merged = histogram(np.empty(0, np.int32))
    for values, lost in parts:
        merged = merged.merge(histogram(values, lost))
    assert whole.values.tolist() == merged.values.tolist()
    assert whole.counts.tolist() == merged.counts.tolist()
    assert (whole.n, whole.infinite) == (merged.n, merged.infinite)


def test_dense_and_sparse_counting_agree():
    """A range too wide to count densely gives the same as sorting."""
    values = np.array([-5, 3, 3, 2_000_000_000, -5, -5], np.int32)
    assert [(-5, 3), (3, 2), (2_000_000_000, 1)] == list(
        zip(histogram(values).values.tolist(), histogram(values).counts.tolist(), strict=True)
    )


RANKS = [
    (10, "0.5", 2, 9), (20, "0.5", 6, 15), (100, "0.5", 40, 61), (100, "0.9", 84, 96), (1000, "0.95", 936, 964),
    (1000, "0.99", 983, 997), (1000, "0.999", 997, None), (10_000, "0.99", 9880, 9920), (10_000, "0.999", 9983, 9997),
    (10_000, "0.9999", 9997, None), (100_000, "0.9999", 99_983, 99_997),
]  # fmt: skip


@pytest.mark.parametrize(("n", "q", "low", "high"), RANKS)
def test_the_table_of_order_statistic_ranks(n, q, low, high):
    """The exact ranks of the standard intervals, None where no order statistic bounds the quantile."""
    assert (low, high) == order_ranks(n, q)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 3000), q=st.sampled_from(SAFE_Q))
def test_order_ranks_agree_with_scipy(n, q):
    """The interval of scipy's quantile test on the values 1..n is the ranks."""
    interval = stats.quantile_test(np.arange(1, n + 1), p=float(q)).confidence_interval()
    expected = [None if math.isnan(bound) else int(bound) for bound in (interval.low, interval.high)]
    assert expected == list(order_ranks(n, q))


@settings(max_examples=150, deadline=None)
@given(values=DELAYS.filter(len), lost=st.integers(0, 8), q=st.sampled_from(SAFE_Q), share=st.floats(0.01, 1))
def test_a_quantile_lies_in_its_interval(values, lost, q, share):
    """However little the sample is worth, the interval holds the value that it is about."""
    counted = histogram(values, lost)
    interval = quantile_interval(counted, q, max(int(share * counted.n), 1))
    value = quantile(values, q, lost)
    assert interval.low is None or interval.low <= value
    assert interval.high is None or interval.high >= value


def test_a_bound_among_lost_packets_is_infinite():
    """With a tenth lost, p95 lies among the lost, and even the interval's lower end does."""
    interval = quantile_interval(histogram(np.arange(900), 100), "0.95", 1000)
    assert Interval(math.inf, math.inf) == interval


def test_less_worth_widens_a_quantile_interval():
    """A sample of 10,000 that is worth 100 values has the interval of 100 values."""
    counted = histogram(np.arange(1, 10_001))
    assert Interval(3901.0, 6100.0) == quantile_interval(counted, "0.5", 100)
    assert Interval(None, None) == quantile_interval(histogram(np.empty(0, np.int64)), "0.5", 0)


PROPORTIONS = [
    (81, 263, 0.95, 0.2527, 0.3676), (15, 148, 0.95, 0.0578, 0.1617), (0, 20, 0.95, 0.0, 0.1684),
    (1, 29, 0.95, 0.0009, 0.1776), (4, 20, 0.90, 0.0714, 0.4010),
]  # fmt: skip


@pytest.mark.parametrize(("k", "n", "confidence", "low", "high"), PROPORTIONS)
def test_the_table_of_clopper_pearson_intervals(k, n, confidence, low, high):
    """Newcombe 1998 and NIST 7.2.4.1."""
    interval = proportion_interval(k, n, confidence=confidence)
    assert (low, high) == (round(interval.low, 4), round(interval.high, 4))


def test_clopper_pearson_to_all_digits(vectors):
    """The same intervals against the vectors, and one-sided bounds as the end of a two-sided 90 % interval."""
    for case in vectors["statistics"]["proportion_ci"]:
        interval = proportion_interval(case["k"], case["n"], confidence=case["level"])
        assert case["clopper_pearson"] == pytest.approx([interval.low, interval.high], rel=1e-9), case
    for case in vectors["statistics"]["one_sided_upper_95"]:
        assert case["upper"] == pytest.approx(proportion_interval(case["k"], case["n"], confidence=0.9).high, rel=1e-9)


def test_the_packets_that_demonstrate_a_reliability(vectors):
    """With the tabulated n the one-sided 95 % bound reaches the reliability, with one packet less it does not."""
    for case in vectors["statistics"]["demonstration_n"]:
        for failures, n in case["n_by_allowed_failures"].items():
            bound = [1 - proportion_interval(int(failures), size, confidence=0.9).high for size in (n, n - 1)]
            assert bound[0] >= case["reliability"] > bound[1], (case["reliability"], failures)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 100_000), share=st.floats(0, 1))
def test_clopper_pearson_agrees_with_scipy(n, share):
    """The quantiles of scipy's beta distribution (its own proportion_ci stops its search at 1e-12)."""
    k = round(share * n)
    low = stats.beta.ppf(0.025, k, n - k + 1) if k else 0.0
    high = stats.beta.ppf(0.975, k + 1, n - k) if k < n else 1.0
    interval = proportion_interval(k, n)
    assert [low, high] == pytest.approx([interval.low, interval.high], rel=1e-9)


def test_no_trials_have_no_interval():
    """0 of 0 is undefined, not [0, 1]."""
    assert Interval(None, None) == proportion_interval(0, 0)


def test_a_dependent_sample_has_a_wider_interval():
    """A proportion of a sample worth a tenth has the interval of a tenth."""
    assert proportion_interval(5, 100) == proportion_interval(50, 1000, 100)


@settings(max_examples=50, deadline=None)
@given(values=st.lists(st.floats(-1e4, 1e4), min_size=2, max_size=200).filter(lambda values: np.ptp(values) > 1e-3))
def test_the_interval_of_a_mean_is_students(values):
    """For independent values it is exactly the textbook interval, with the sample's own deviation."""
    mean, n = float(np.mean(values)), len(values)
    expected = stats.t.interval(0.95, n - 1, loc=mean, scale=stats.sem(values))
    interval = mean_interval(mean, float(np.std(values)), n)
    assert list(expected) == pytest.approx([interval.low, interval.high], rel=1e-7, abs=1e-7)


def test_one_value_has_no_interval_of_its_mean():
    """One value has no spread."""
    assert Interval(None, None) == mean_interval(5.0, 0.0, 1)


@pytest.mark.parametrize("phi", [0.0, 0.3, 0.655, 0.9])
def test_the_worth_of_an_autoregressive_series(phi):
    """An AR(1) series of n values is worth n (1 - phi) / (1 + phi); several blocks long."""
    n = 200_000
    noise = np.random.default_rng(5).normal(size=n)
    series = np.empty(n)
    series[0] = noise[0]
    for index in range(1, n):
        series[index] = phi * series[index - 1] + noise[index]
    assert effective_n(series) == pytest.approx(n * (1 - phi) / (1 + phi), rel=0.1)
    assert autocorrelation(series)[1] == pytest.approx(phi, abs=0.01)


def test_autocorrelation_is_the_sum_of_products():
    """The FFT gives what the definition gives."""
    series = np.random.default_rng(1).integers(0, 100, 300)
    centred = series - series.mean()
    expected = [float((centred[: 300 - lag] * centred[lag:]).sum() / (centred**2).sum()) for lag in range(20)]
    assert expected == pytest.approx(autocorrelation(series)[:20].tolist(), abs=1e-12)


@pytest.mark.parametrize(("series", "expected"), [([], 0), ([3], 1), ([3] * 50, 50), ([0, 1] * 50, 100)])
def test_the_worth_of_simple_series(series, expected):
    """No value is worth none, a constant series its length, and an alternating one never more than its length."""
    assert expected == effective_n(np.array(series))
