"""Beta, binomial, Student and Poisson bounds, in plain Python.

Own code because scipy.stats takes 0.9 s to import and 143 MB on disk for these few functions; tests hold them against
it. The incomplete beta function is evaluated by its continued fraction (modified Lentz), the incomplete gamma function
by its sum or, for large counts, by Temme's expansion.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist

_TINY = 1e-300
_EPSILON = 1e-15
_MAX_TERMS = 200_000
_BISECTIONS = 200
_ULP = 2.0**-53
_LAST_STEP = 1e-5
_MOST_EXPONENT = 700.0
ANSWERS_KEPT = 4096
"""The figures of one link ask for half of their bounds again: as many packets, the same quantile."""
_SERIES_FROM = 16.0
"""From here on four terms of Stirling's series leave less than 2e-14."""
_UNIFORM_FROM, _UNIFORM_WITHIN = 10_000.0, 0.1
_TEMME = (
    (-1 / 3, 1 / 12, -2 / 135, 1 / 864, 1 / 2835, -139 / 777_600, 1 / 25_515, -571 / 261_273_600),
    (-1 / 540, -1 / 288, 1 / 378, -77 / 77_760, 1 / 4860),
    (25 / 6048, -139 / 51_840, 1 / 1296),
)
"""Coefficients of DLMF 8.12.9 to 8.12.12 in powers of eta, a row each power of 1/a. Up to 10 % from an `a` of 10,000 or
more, what is left out is below 1e-14 of the leading term."""


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
    """Return the continued fraction of I_x(a, b), by Lentz; written out, since it is what intervals take most time for.

    No denominator is 0 but by chance: those are moved off it.
    """
    c, d = 1.0, 1 / (1.0 - (a + b) * x / (a + 1) or _TINY)
    fraction, both = d, a + b
    for m in range(1, _MAX_TERMS):
        even = a + 2 * m
        term = m * (b - m) * x / ((even - 1) * even)
        d = 1 / (1 + term * d or _TINY)
        c = 1 + term / c or _TINY
        fraction *= d * c
        term = -(a + m) * (both + m) * x / (even * (even + 1))
        d = 1 / (1 + term * d or _TINY)
        c = 1 + term / c or _TINY
        step = d * c
        fraction *= step
        if -_EPSILON < step - 1 < _EPSILON:
            break
    return fraction


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a rising function crosses zero between `low` and `high`, to the last digits.

    Chandrupatla's method (Advances in Engineering Software 28, 1997): inverse quadratic interpolation where the three
    points allow it, else bisection. About 10 evaluations where bisection alone took 60.
    """
    a, b, value_a, value_b = low, high, function(low), function(high)
    if value_a >= 0:
        return low
    if value_b <= 0:
        return high
    c, value_c, share = a, value_a, 0.5
    for _ in range(_BISECTIONS):
        at = a + share * (b - a)
        value = function(at)
        if (value < 0) == (value_a < 0):
            c, value_c = a, value_a
        else:
            c, value_c, b, value_b = b, value_b, a, value_a
        a, value_a = at, value
        best = a if abs(value_a) < abs(value_b) else b
        tolerance = 2 * _ULP * abs(best) + _TINY
        least = tolerance / abs(b - a) if b != a else 1.0
        if least > 0.5 or value_a == 0:  # noqa: PLR2004 - half the bracket
            return best
        share = _interpolated(a, b, c, (value_a, value_b, value_c))
        share = min(max(share, least), 1 - least)
    return best


def _interpolated(a: float, b: float, c: float, values: tuple[float, float, float]) -> float:
    """Return how far from a to b the next point lies."""
    value_a, value_b, value_c = values
    if c == b or value_c == value_b or value_a in (value_b, value_c):
        return 0.5
    xi, phi = (a - b) / (c - b), (value_a - value_b) / (value_c - value_b)
    if not 1 - math.sqrt(max(1 - xi, 0.0)) < phi < math.sqrt(max(xi, 0.0)):
        return 0.5
    return value_a / (value_b - value_a) * value_c / (value_b - value_c) + (c - a) / (b - a) * value_a / (
        value_c - value_a
    ) * value_b / (value_c - value_b)


@lru_cache(ANSWERS_KEPT)
def beta_quantile(p: float, a: float, b: float) -> float:
    """Return x with I_x(a, b) = p.

    Halley's steps from an approximation by the normal distribution, inside a bracket: two evaluations on average, where
    bracketing alone took 28 (and the 60 intervals of a run's KPIs 50 ms).
    """
    low, high, at = 0.0, 1.0, _beta_quantile_near(p, a, b)
    deviation = math.sqrt(a / (a + b) * b / (a + b) / (a + b + 1))
    for _ in range(_BISECTIONS):
        if not low < at < high:
            at = (low + high) / 2
        excess = beta_cdf(at, a, b) - p
        low, high = (at, high) if excess < 0 else (low, at)
        density = math.exp(_log_front(at, 1 - at, a, b)) / (at * (1 - at)) if 0 < at < 1 else 0.0
        if excess == 0 or high - low <= 2 * _ULP * at:
            return at
        if density <= 0:
            at = (low + high) / 2
            continue
        step = excess / density
        step /= 1 - max(-1.0, min(1.0, step * ((a - 1) / at - (b - 1) / (1 - at)))) / 2
        # What a step leaves is of its third power.
        if abs(step) <= max(_LAST_STEP * min(at, 1 - at, deviation), 2 * _ULP * at):
            return at - step
        at -= step
    # A quantile too small for a double: the last step may lead out of the bracket.
    return min(max(at, low), high)


def _beta_quantile_near(p: float, a: float, b: float) -> float:
    """Return about where I_x(a, b) is p (Abramowitz, Stegun 26.5.22); for a or b below 1 by the tails' own powers."""
    if a >= 1 and b >= 1:
        z = -NormalDist().inv_cdf(p)
        skew, inner_a, inner_b = (z * z - 3) / 6, 1 / (2 * a - 1), 1 / (2 * b - 1)
        width = 2 / (inner_a + inner_b)
        log_odds = z * math.sqrt(max(skew + width, 0.0)) / width - (inner_b - inner_a) * (
            skew + 5 / 6 - 2 / (3 * width)
        )
        return a / (a + b * math.exp(min(2 * log_odds, _MOST_EXPONENT)))
    below, above = math.exp(a * math.log(a / (a + b))) / a, math.exp(b * math.log(b / (a + b))) / b
    both = below + above
    return math.pow(a * both * p, 1 / a) if p < below / both else 1 - math.pow(b * both * (1 - p), 1 / b)


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


@lru_cache(ANSWERS_KEPT)
def student_quantile(p: float, degrees: float) -> float:
    """Return the quantile p (> 0.5) of Student's t distribution."""

    def excess(t: float) -> float:
        return 0.5 + beta_cdf(t * t / (degrees + t * t), 0.5, degrees / 2) / 2 - p

    return _root(excess, 0.0, 1e6)


def poisson_cdf(k: int, mean: float) -> float:
    """Return P(N <= k) of a Poisson variable: the regularised incomplete gamma function Q(k + 1, mean).

    Near a large mean by Temme's expansion, since a sum has some 9 sqrt(mean) terms there; elsewhere by the sum, whose
    terms fall fast.
    """
    if k < 0:
        return 0.0
    if mean <= 0:
        return 1.0
    shape = k + 1.0
    if shape >= _UNIFORM_FROM and abs(mean - shape) <= _UNIFORM_WITHIN * shape:
        return _gamma_upper(shape, mean)
    first = math.exp(_log_poisson(k, mean))
    if mean <= k:
        return 1 - _falling(first * mean / (k + 1), lambda step: mean / (k + 1 + step))
    return _falling(first, lambda step: (k + 1 - step) / mean)


def _log_poisson(k: int, mean: float) -> float:
    """Return log P(N = k); k log(mean), mean and lgamma of 1e9 would cancel to six digits."""
    if k == 0:
        return -mean
    above = mean - k
    return k * _log_ratio(mean / k, above / k) - above - math.log(2 * math.pi * k) / 2 - _stirling_rest(k)


def _falling(first: float, ratio: Callable[[int], float]) -> float:
    """Sum terms that fall from `first` on until they add nothing; the ratios are below one and get smaller."""
    total = term = first
    step = 0
    while term > total * _EPSILON / 100:
        step += 1
        term *= ratio(step)
        total += term
    return total


def _gamma_upper(a: float, x: float) -> float:
    """Return Q(a, x) for a large a and an x near it (DLMF 8.12.4, 8.12.7), to some 1e-14."""
    half_square = _log1p_rest((x - a) / a)
    eta = math.copysign(math.sqrt(2 * half_square), x - a)
    rest = sum(
        math.fsum(factor * eta**power for power, factor in enumerate(factors)) / a**order
        for order, factors in enumerate(_TEMME)
    )
    return math.erfc(eta * math.sqrt(a / 2)) / 2 + math.exp(-a * half_square) / math.sqrt(2 * math.pi * a) * rest


def _log1p_rest(mu: float) -> float:
    """Return mu - log(1 + mu) for a small mu, where subtraction would leave few digits."""
    total, power, n = 0.0, mu * mu, 2
    while abs(power) > n * total * _ULP:
        total += power / n
        power *= -mu
        n += 1
    return total


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
