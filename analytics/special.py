"""Beta, binomial, Student and Poisson bounds, in plain Python.

Own code because scipy.stats takes 0.9 s to import and 143 MB on disk for these few functions; tests hold them against
it. The incomplete beta function is evaluated by its continued fraction (modified Lentz).
"""

from __future__ import annotations

import math
from collections.abc import Callable

_TINY = 1e-300
_EPSILON = 1e-15
_MAX_TERMS = 200_000
_BISECTIONS = 200
_SERIES_FROM = 16.0
"""From here on four terms of Stirling's series leave less than 2e-14."""


def beta_cdf(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b), for a, b > 0."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    return _beta_cdf(x, 1 - x, a, b)


def _beta_cdf(x: float, y: float, a: float, b: float) -> float:
    """Return I_x(a, b) for y = 1 - x, which the caller may know better than subtraction does."""
    front = math.exp(_log_front(x, y, a, b))
    # The fraction converges fast on this side of the mean; the other side is its mirror image.
    if x < (a + 1) / (a + b + 2):
        return front * _beta_fraction(x, a, b) / a
    return 1.0 - front * _beta_fraction(y, b, a) / b


def _log_front(x: float, y: float, a: float, b: float) -> float:
    """Return log(x^a y^b / B(a, b)).

    Three lgamma of 1e7 cancel to eight digits; Stirling's formula with the powers taken out keeps thirteen.
    """
    excess = x * b - y * a
    powers = a * _log_ratio(x * (a + b) / a, excess / a) + b * _log_ratio(y * (a + b) / b, -excess / b)
    root = math.log(a / (a + b) * b / (2 * math.pi)) / 2
    return powers + root + _stirling_rest(a + b) - _stirling_rest(a) - _stirling_rest(b)


def _log_ratio(ratio: float, excess: float) -> float:
    """Return log(ratio), where `excess` is ratio - 1 computed without cancellation."""
    return math.log1p(excess) if ratio > 0.5 else math.log(ratio)  # noqa: PLR2004 - nearer to 1 than to 0


def _stirling_rest(z: float) -> float:
    """Return lgamma(z) without (z - 1/2) log z - z + log(2 pi) / 2."""
    if z < _SERIES_FROM:
        return math.lgamma(z) - (z - 0.5) * math.log(z) + z - math.log(2 * math.pi) / 2
    return (1 / 12 - (1 / 360 - (1 / 1260 - 1 / (1680 * z * z)) / (z * z)) / (z * z)) / z


def _beta_fraction(x: float, a: float, b: float) -> float:
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1)
    d = 1 / (d if abs(d) > _TINY else _TINY)
    fraction = d
    for m in range(1, _MAX_TERMS):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 + term * d
            d = 1 / (d if abs(d) > _TINY else _TINY)
            c = 1 + term / c
            c = c if abs(c) > _TINY else _TINY
            fraction *= d * c
        if abs(d * c - 1) < _EPSILON:
            break
    return fraction


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a rising function crosses zero between `low` and `high`."""
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if function(middle) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def beta_quantile(p: float, a: float, b: float) -> float:
    """Return x with I_x(a, b) = p."""
    return _root(lambda x: beta_cdf(x, a, b) - p, 0.0, 1.0)


def binomial_cdf(k: int, n: int, p: float) -> float:
    """Return P(B <= k) of a binomial variable with n trials of probability p."""
    if k < 0:
        return 0.0
    if k >= n:
        return 1.0
    if p <= 0:
        return 1.0
    # The complement's own fraction: 1 - I_p loses the digits of a small probability.
    return _beta_cdf(1 - p, p, n - k, k + 1) if p < 1 else 0.0


def student_quantile(p: float, degrees: float) -> float:
    """Return the quantile p (> 0.5) of Student's t distribution."""

    def excess(t: float) -> float:
        return 0.5 + beta_cdf(t * t / (degrees + t * t), 0.5, degrees / 2) / 2 - p

    return _root(excess, 0.0, 1e6)


def poisson_cdf(k: int, mean: float) -> float:
    """Return P(N <= k) of a Poisson variable."""
    if k < 0:
        return 0.0
    if mean <= 0:
        return 1.0
    return math.fsum(math.exp(i * math.log(mean) - mean - math.lgamma(i + 1)) for i in range(k + 1))


def poisson_upper(k: int, confidence: float) -> float:
    """Return the mean at which k events or fewer have probability 1 - confidence: the one-sided upper bound.

    For k = 0 and 95 % this is 2.9957, half the 95 % point of chi-squared with two degrees of freedom.
    """
    return _root(lambda mean: 1 - confidence - poisson_cdf(k, mean), 0.0, 10.0 * (k + 10))


def poisson_lower(k: int, confidence: float) -> float:
    """Return the mean at which k events or more have probability 1 - confidence; 0 for k = 0."""
    if k == 0:
        return 0.0
    return _root(lambda mean: (1 - poisson_cdf(k - 1, mean)) - (1 - confidence), 0.0, 10.0 * (k + 10))
