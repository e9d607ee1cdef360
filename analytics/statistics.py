"""Quantiles by RFC 2330 and intervals that know how much a correlated sample is worth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.blocks import Counts, GroupSums, HitSums, block_slices
from analytics.special import ANSWERS_KEPT, beta_quantile, binomial_cdf, student_quantile

Array = npt.NDArray[Any]
CONFIDENCE = 0.95
MOST_VALUES = 1 << 15
"""Values whose autocorrelation is taken as they are. Longer series are summed in groups first."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A two-sided 95 % interval; None on a side that is not bounded."""

    low: float | None
    high: float | None


def rank(q: str | float, n: int) -> int:
    """Return the 1-based rank of the q-quantile of n values: the smallest k with k/n >= q (RFC 2330 11.3).

    Computed in fractions: ceil(0.07 * 100) is 8 in floating point.
    """
    return max(math.ceil(Fraction(str(q)) * n), 1)


def is_quantile(statistic: str) -> bool:
    """Tell whether a statistic is a quantile: "p99.9" is, "mean" is not."""
    return statistic.startswith("p") and statistic[1:].replace(".", "", 1).isdigit()


def share_of(statistic: str) -> str:
    """Return the share that a quantile's name says, in decimals: "p99.9" is "0.999"."""
    return f"{float(statistic[1:]) / 100:.6g}"


@dataclass(frozen=True, slots=True)
class Histogram:
    """Exact counts of integer values: `values` ascending and distinct, `counts` of each, and how many were infinite.

    A part of a whole: merging parts gives exactly the histogram of all values.
    """

    values: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    infinite: int = 0

    @property
    def finite(self) -> int:
        """Number of finite values."""
        return int(self.counts.sum())

    @property
    def n(self) -> int:
        """Number of values, infinite ones included."""
        return self.finite + self.infinite

    @property
    def mean(self) -> float:
        """Mean of the finite values; NaN where there is none."""
        n = self.finite
        return int((self.values * self.counts).sum()) / n if n else math.nan

    @property
    def deviation(self) -> float:
        """Root of the mean squared deviation of the finite values; NaN where there is none."""
        n, mean = self.finite, self.mean
        return math.sqrt(float((np.square(self.values - mean) * self.counts).sum()) / n) if n else math.nan

    def up_to(self, limit: float) -> int:
        """Return how many values are <= `limit`."""
        return int(self.counts[: int(np.searchsorted(self.values, limit, side="right"))].sum())

    def at(self, ranks: list[int]) -> list[float]:
        """Return the values of 1-based ranks; a rank among the infinite values is infinity."""
        cumulative = np.cumsum(self.counts)
        finite = int(cumulative[-1]) if cumulative.size else 0
        places = np.searchsorted(cumulative, [min(max(k, 1), max(finite, 1)) for k in ranks])
        return [float(self.values[place]) if k <= finite else math.inf for k, place in zip(ranks, places, strict=True)]

    @property
    def median(self) -> float:
        """Middle value, of an even number the mean of both in the middle (RFC 2681 4.2).

        Infinity where one of them is, as of no values at all.
        """
        return sum(self.at([max((self.n + 1) // 2, 1), self.n // 2 + 1])) / 2

    def merge(self, other: Histogram) -> Histogram:
        """Return the histogram of both."""
        values, places = np.unique(np.concatenate([self.values, other.values]), return_inverse=True)
        counts = np.zeros(values.size, np.int64)
        np.add.at(counts, places, np.concatenate([self.counts, other.counts]))
        return Histogram(values, counts, self.infinite + other.infinite)


def histogram(values: Array, infinite: int = 0) -> Histogram:
    """Count integer values; `infinite` more are +inf (lost packets)."""
    counted = Counts()
    for part in block_slices(values.size):
        counted.add(values[part])
    return Histogram(*counted.result(), infinite)


@lru_cache(ANSWERS_KEPT)
def order_ranks(n: int, q: str | float, confidence: float = CONFIDENCE) -> tuple[int | None, int | None]:
    """Return the ranks (low, high) of the order statistics that hold the q-quantile with `confidence`.

    Exact binomial ranks: at most (1 - confidence) / 2 on either side; None where no order statistic bounds it.
    """
    p, tail = float(Fraction(str(q))), (1 - confidence) / 2
    # largest low with P(B <= low - 1) <= tail, smallest high with P(B >= high) <= tail
    spread = math.sqrt(n * p * (1 - p))
    reach, off = NormalDist().inv_cdf(1 - tail) * spread, 2 + spread / 100
    low = _last_true(lambda k: binomial_cdf(k - 1, n, p) <= tail, 0, n, (n * p - reach, off))
    high = _last_true(lambda k: 1 - binomial_cdf(k - 1, n, p) > tail, 0, n + 1, (n * p + reach, off)) + 1
    return (low if low >= 1 else None), (high if high <= n else None)


def _last_true(holds: Any, low: int, high: int, guess: tuple[float, float]) -> int:
    """Return the last k in low..high at which a condition that turns false once still holds; `low` is assumed to.

    `guess`: about where, and how far off as a rule; looked at first, which saves two thirds of the evaluations.
    """
    for at in (guess[0] - guess[1], guess[0] + guess[1]):
        middle = min(max(round(at), low), high)
        if middle > low and middle <= high:
            low, high = (middle, high) if holds(middle) else (low, middle - 1)
    while low < high:
        middle = (low + high + 1) // 2
        if holds(middle):
            low = middle
        else:
            high = middle - 1
    return low


def quantile_interval(counted: Histogram, q: str | float, n_eff: int, confidence: float = CONFIDENCE) -> Interval:
    """Return the order-statistic interval of the q-quantile, for a sample worth `n_eff` independent values.

    With n_eff = n these are the exact ranks; otherwise the ranks of n_eff values, each standing for a block of the n
    that there are, and the interval reaches to the blocks' outer edges. A bound among infinite values is infinity.
    """
    n = counted.n
    if n == 0 or n_eff < 1:
        return Interval(None, None)
    low, high = order_ranks(n_eff, q, confidence)
    ranks = [None if low is None else (low - 1) * n // n_eff + 1, None if high is None else -(-high * n // n_eff)]
    return Interval(*(None if k is None else counted.at([k])[0] for k in ranks))


def proportion_interval(k: float, n: int, n_eff: float | None = None, confidence: float = CONFIDENCE) -> Interval:
    """Return the Clopper-Pearson interval of k out of n, for a sample worth `n_eff` independent trials."""
    if n == 0:
        return Interval(None, None)
    trials = float(n if n_eff is None else min(n_eff, n))
    hits = k * trials / n
    tail = (1 - confidence) / 2
    low = 0.0 if hits <= 0 else beta_quantile(tail, hits, trials - hits + 1)
    high = 1.0 if hits >= trials else beta_quantile(1 - tail, hits + 1, trials - hits)
    return Interval(low, high)


def mean_interval(
    mean: float, deviation: float, n_eff: int, confidence: float = CONFIDENCE, *, at_least: float = -math.inf
) -> Interval:
    """Return Student's interval of a mean with n_eff independent values, none of which can be below `at_least`.

    `deviation` is the root of the mean squared deviation (numpy's default): a sample's own mean hides one of its n_eff
    values, which the divisor n_eff - 1 makes good.
    """
    if n_eff < 2:  # noqa: PLR2004 - one value has no spread
        return Interval(None, None)
    half = student_quantile((1 + confidence) / 2, n_eff - 1) * deviation / math.sqrt(n_eff - 1)
    return Interval(max(mean - half, min(at_least, mean)), mean + half)


def autocorrelation(series: Array) -> npt.NDArray[np.float64]:
    """Return the autocorrelation of a series from lag 0 on, or an empty array where it does not vary.

    By one FFT of all: memory is bounded by MOST_VALUES, beyond which series are summed in groups first.
    """
    values = np.asarray(series, dtype=np.float64)
    centred = values - values.mean() if values.size else values
    if values.size < 2 or not np.any(centred):  # noqa: PLR2004 - one value has no lag
        return np.empty(0)
    spectrum = np.fft.rfft(centred, _quick_length(2 * values.size))
    total = np.fft.irfft(np.square(spectrum.real) + np.square(spectrum.imag))[: values.size]
    return total / total[0] if total[0] > 0 else np.empty(0)


def _quick_length(n: int) -> int:
    """Return the next length from n on whose FFT is quick."""
    return min(odd << (-(-n // odd) - 1).bit_length() for odd in (1, 3, 5, 9, 15))


def group_of(n: int, most: int = MOST_VALUES) -> int:
    """Return how many values of a series of n are summed before its autocorrelation is taken: a power of two."""
    return 1 << max(-(-n // most) - 1, 0).bit_length()


def effective_n(series: Array, deviation: float | None = None) -> int:
    """Return how many independent values a correlated series is worth (Geyer's initial positive sequence).

    n / (1 + 2 * sum of autocorrelations), where the sum ends when a pair of lags stops being positive. At most n,
    at least 1; a series that does not vary gives n. `deviation` is its standard deviation where the caller knows it.
    A long series (more than 32,768 values) is summed in groups first, see `worth_of_groups`.
    """
    n, group = len(series), group_of(len(series))
    if group == 1:
        return max(min(int(n / _inflation(series)), n), 1) if n else 0
    sums = HitSums(group) if series.dtype == np.bool_ else GroupSums(group)
    for part in block_slices(n):
        sums.add(series[part])
    return worth_of_groups(n, group, sums.result(), float(series.std()) if deviation is None else deviation)


def worth_of_groups(n: int, group: int, sums: npt.NDArray[np.float64], deviation: float) -> int:
    """Return how many independent values a series of n is worth, from the sums of its groups.

    A mean of all is the mean of the groups' means (batch means), so the worth is that of the groups times
    Var(values) / Var(group means). It takes every value into account at a fraction of the FFTs (10 M values: 0.02 s
    instead of 0.20), and correlations reach `group` times as far.
    """
    if group == 1:
        return max(min(int(n / _inflation(sums)), n), 1) if n else 0
    spread = float(sums.std()) / group
    if spread <= 0 or deviation <= 0:
        return n
    return max(min(int(n / group / _inflation(sums) * (deviation / spread) ** 2), n), 1)


def _inflation(series: Array) -> float:
    """Return by how much autocorrelation inflates the variance of the mean; 1 where nothing varies."""
    rho = autocorrelation(series)
    if rho.size < 2:  # noqa: PLR2004 - nothing to correlate
        return 1.0
    pairs = rho[: rho.size // 2 * 2].reshape(-1, 2).sum(axis=1)
    ends = np.flatnonzero(pairs <= 0)
    positive = pairs[: ends[0]] if ends.size else pairs
    return max(2 * float(positive.sum()) - 1, 1.0)
