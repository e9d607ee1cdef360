"""Figures of one side of a comparison from what its units add up to: ratios of sums, and quantiles. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from analytics.comparison.units import Matrix, Replicated
from analytics.series import Floats
from analytics.statistics import rank

_MOST_VALUES = 8_192


def ratio_of_sums(
    over: Floats, under: Floats, drawn: Matrix | None, transform: Callable[[Floats], Floats] | None = None
) -> Replicated:
    """Return sum(over) / sum(under) of the units: a mean, a share, or a rate. None where there is nothing below."""
    total = float(under.sum())
    if not total:
        return Replicated(None)
    value = float(over.sum()) / total

    def shown(values: Floats) -> Floats:
        return values if transform is None else transform(values)

    with np.errstate(invalid="ignore", divide="ignore"):
        plain = float(shown(np.array([value]))[0])
        if drawn is None:
            return Replicated(plain if math.isfinite(plain) else None)
        return Replicated(
            plain if math.isfinite(plain) else None, shown((drawn @ over) / (drawn @ under)), over - value * under
        )


def sums_by(place: npt.NDArray[np.int64], values: Floats, units: int) -> Floats:
    """Return the sum of some values in each of so many units, given the place of each one's."""
    return np.bincount(place, values, minlength=units).astype(np.float64)


class Spread:
    """Values counted by unit: `counts` is (units, values), `values` ascending; `infinite` more of each unit never came.

    `exact` returns the quantile of all values where the buckets are coarser than they.
    """

    def __init__(
        self, values: Floats, counts: npt.NDArray[np.int64], infinite: Floats,
        exact: Callable[[str], float | None] | None = None,
    ) -> None:  # fmt: skip
        self._values, self._infinite = values, infinite
        # (values, units), since a replicate looks at a dozen values and at all units of each.
        self._up_to = np.ascontiguousarray(np.cumsum(counts, axis=1).T, np.float64)
        self._exact = exact

    @property
    def n(self) -> int:
        """Number of values, infinite ones included."""
        return int(self._finite.sum()) + int(self._infinite.sum())

    @property
    def _finite(self) -> Floats:
        """How many values came in each unit."""
        return self._up_to[-1] if self._values.size else np.zeros(self._infinite.size)

    def quantile(self, q: str, drawn: Matrix | None) -> Replicated:
        """Return the q-quantile (RFC 2330 11.3) and that of each replicate; infinite among what never came."""
        if not self.n:
            return Replicated(None)
        value = self._at(q, np.ones((1, self._infinite.size)))[0]
        own = float(value) if math.isfinite(value) else None
        shown = own if self._exact is None else self._exact(q)
        if drawn is None:
            return Replicated(shown)
        below = np.searchsorted(self._values, value, side="right") - 1
        sizes = self._finite + self._infinite
        above = sizes - (self._up_to[below] if below >= 0 else 0.0)
        return Replicated(shown, self._at(q, drawn), above - sizes * float(above.sum()) / float(sizes.sum()))

    def _at(self, q: str, drawn: Matrix) -> Matrix:
        """Return the quantile of each replicate: the first value at which its count reaches the rank, by bisection."""
        sizes = drawn @ (self._finite + self._infinite)
        # Rounded: 0.07 of 100 is 7, not the next integer above 7.000000000000001.
        wanted = np.maximum(np.ceil(np.round(float(q) * sizes, 6)), 1)
        low, high = np.zeros(drawn.shape[0], np.intp), np.full(drawn.shape[0], self._values.size)
        while (low < high).any():
            middle = np.minimum((low + high) // 2, self._values.size - 1)
            reaches = np.einsum("ru,ru->r", drawn, self._up_to[middle]) >= wanted
            high = np.where((low < high) & reaches, middle, high)
            low = np.where((low < high) & ~reaches, middle + 1, low)
        return np.append(self._values, np.inf)[low]


def spread_of(values: Floats, place: npt.NDArray[np.int64], units: int) -> Spread:
    """Count values by unit, given the place of each one's unit; what is not finite never came.

    More than 8,192 distinct values stand in groups for the replicates: their ranks are off by a 16,384th at most.
    """
    is_finite = np.isfinite(values)
    infinite = np.bincount(place[~is_finite], minlength=units).astype(np.float64)
    place, values = place[is_finite], values[is_finite]
    shown, where, times = np.unique(values, return_inverse=True, return_counts=True)
    exact = None
    if shown.size > _MOST_VALUES:
        before = np.cumsum(times) - times
        _, first, group, sizes = np.unique(
            before * _MOST_VALUES // values.size, return_index=True, return_inverse=True, return_counts=True
        )
        shown, where = shown[first + (sizes - 1) // 2], group[where]
        exact = _order_statistics(np.sort(values), values.size + int(infinite.sum()))
    counts = np.bincount(place * shown.size + where, minlength=units * shown.size).reshape(units, shown.size)
    return Spread(shown, counts, infinite, exact)


def _order_statistics(ordered: Floats, n: int) -> Callable[[str], float | None]:
    def at(q: str) -> float | None:
        place = rank(q, n) - 1
        return float(ordered[place]) if place < ordered.size else None

    return at
