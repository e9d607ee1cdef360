"""The distribution functions against scipy, over the sizes that measurements reach."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from analytics.special import (
    beta_cdf,
    beta_quantile,
    binomial_cdf,
    poisson_cdf,
    poisson_lower,
    poisson_upper,
    student_quantile,
)

SHAPES = st.floats(-0.3, 7).map(lambda exponent: 10**exponent)
SMALL_SHAPES = st.floats(-2, 7).map(lambda exponent: 10**exponent)
SIGMAS = st.floats(-6, 6)
PROBABILITIES = st.floats(0.001, 0.999)


def near_mean(a, b, sigmas):
    """A point of the beta distribution that is some standard deviations from its mean."""
    mean = a / (a + b)
    return min(max(mean + sigmas * math.sqrt(mean * (1 - mean) / (a + b + 1)), 1e-12), 1 - 1e-6)


@settings(max_examples=150, deadline=None)
@given(a=SHAPES, b=SHAPES, sigmas=SIGMAS)
def test_the_incomplete_beta_function_agrees_with_scipy(a, b, sigmas):
    """From shapes of one half to ten million, also far out in the tails."""
    x = near_mean(a, b, sigmas)
    assert beta_cdf(x, a, b) == pytest.approx(float(special.betainc(a, b, x)), rel=2e-9, abs=1e-14)


@settings(max_examples=300, deadline=None)
@given(a=SMALL_SHAPES, b=SMALL_SHAPES, p=PROBABILITIES)
def test_a_beta_quantile_agrees_with_scipy(a, b, p):
    """The inverse, as Clopper-Pearson needs it, is as good as the function, however small it is."""
    expected = float(special.betaincinv(a, b, p))
    assert beta_quantile(p, a, b) == pytest.approx(expected, rel=1e-9, abs=1e-300)


@settings(max_examples=150, deadline=None)
@given(n=st.integers(1, 10_000_000), p=PROBABILITIES, sigmas=SIGMAS)
def test_a_binomial_probability_agrees_with_scipy(n, p, sigmas):
    """Also the small probabilities that decide about order-statistic ranks."""
    k = round(n * p + sigmas * math.sqrt(n * p * (1 - p)))
    assert binomial_cdf(k, n, p) == pytest.approx(float(stats.binom.cdf(k, n, p)), rel=2e-9, abs=1e-14)


@pytest.mark.parametrize("p", [1e-9, 1e-6, 1 - 1e-9])
def test_rare_events_keep_their_digits(p):
    """P(no failure at all in n packets) is exact for the probabilities that reliability is about."""
    for n in (1, 1000, 5_000_000):
        assert binomial_cdf(0, n, p) == pytest.approx(math.exp(n * math.log1p(-p)), rel=1e-9, abs=1e-300)


def test_the_ends_of_the_distributions_are_exact():
    """Outside the support and at its ends there is no rounding."""
    assert [beta_cdf(x, 2, 3) for x in (-1.0, 0.0, 1.0, 2.0)] == [0.0, 0.0, 1.0, 1.0]
    assert [binomial_cdf(k, 5, 0.3) for k in (-1, 5, 6)] == [0.0, 1.0, 1.0]
    assert [binomial_cdf(2, 5, p) for p in (0.0, 1.0)] == [1.0, 0.0]
    assert [poisson_cdf(-1, 2.0), poisson_cdf(3, 0.0)] == [0.0, 1.0]


@settings(max_examples=60, deadline=None)
@given(degrees=st.integers(1, 10_000_000), p=st.floats(0.55, 0.9995))
def test_student_quantiles_agree_with_scipy(degrees, p):
    """From one degree of freedom to ten million."""
    assert student_quantile(p, degrees) == pytest.approx(float(stats.t.ppf(p, degrees)), rel=1e-8)


@settings(max_examples=40, deadline=None)
@given(k=st.integers(0, 300), confidence=st.sampled_from([0.9, 0.95, 0.975, 0.99]))
def test_poisson_bounds_are_those_of_chi_squared(k, confidence):
    """The exact one-sided bounds of a count of events."""
    upper = float(stats.chi2.ppf(confidence, 2 * k + 2)) / 2
    lower = float(stats.chi2.ppf(1 - confidence, 2 * k)) / 2 if k else 0.0
    assert poisson_upper(k, confidence) == pytest.approx(upper, rel=1e-9)
    assert poisson_lower(k, confidence) == pytest.approx(lower, rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(k=st.integers(0, 300), mean=st.floats(0.01, 400))
def test_poisson_probabilities_agree_with_scipy(k, mean):
    """The distribution function that the bounds invert."""
    assert poisson_cdf(k, mean) == pytest.approx(float(stats.poisson.cdf(k, mean)), rel=1e-9, abs=1e-15)


COUNTS = [factor * 10**power for power in range(13) for factor in (1, 3)]


@pytest.mark.parametrize("k", COUNTS)
def test_poisson_probabilities_keep_their_digits_whatever_the_count(k):
    """Up to 3e12 events. Within four sigmas, since farther out scipy itself leaves off its series too early."""
    for sigmas in (-4, -2, -1, -0.1, 0, 0.1, 1, 2, 4):
        mean = k + sigmas * math.sqrt(k)
        if mean > 0:
            assert poisson_cdf(k, mean) == pytest.approx(float(stats.poisson.cdf(k, mean)), rel=1e-12, abs=1e-300)


@pytest.mark.parametrize("k", [9_998, 9_999, 10_000, 30_000])
@pytest.mark.parametrize("share", [0.5, 0.89, 0.9, 0.91, 0.97, 1.03, 1.09, 1.1, 1.11, 1.5])
def test_poisson_probabilities_have_no_seam(k, share):
    """The expansion begins at a shape of 10,000 and ends 10 % from the mean; both sides agree with scipy."""
    assert poisson_cdf(k, share * k) == pytest.approx(float(stats.poisson.cdf(k, share * k)), rel=1e-12, abs=1e-300)


@pytest.mark.parametrize("k", COUNTS)
@pytest.mark.parametrize("confidence", [0.95, 0.975])
def test_poisson_bounds_hold_for_any_count(k, confidence):
    """Both bounds to a hundred millionth of a standard deviation."""
    expected = [float(stats.chi2.ppf(confidence, 2 * k + 2)) / 2, float(stats.chi2.ppf(1 - confidence, 2 * k)) / 2]
    found = [poisson_upper(k, confidence), poisson_lower(k, confidence)]
    assert found == pytest.approx(expected, abs=1e-8 * math.sqrt(k))


@pytest.mark.parametrize(("failures", "divisor"), [(0, 2.9957), (1, 4.7439), (2, 6.2958), (3, 7.7537), (5, 10.5130)])
def test_the_divisors_of_the_mtbf_bound(failures, divisor):
    """Time over this is the one-sided 95 % lower bound of MTBF with r failures."""
    assert round(poisson_upper(failures, 0.95), 4) == divisor


def test_the_published_divisors_to_all_digits(vectors):
    """The same divisors as in the vectors."""
    for case in vectors["statistics"]["mtbf_lower_95_one_sided"]:
        assert poisson_upper(case["failures"], 0.95) == pytest.approx(case["divisor"], rel=1e-12)
