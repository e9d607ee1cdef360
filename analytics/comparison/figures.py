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
_AT_ONCE = 4_000_000
"""Cumulative counts that are looked at together: 32 MB."""


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
        self._values, self._counts, self._infinite = values, counts, infinite
        self._exact = exact

    @property
    def n(self) -> int:
        """Number of values, infinite ones included."""
        return int(self._counts.sum()) + int(self._infinite.sum())

    def quantile(self, q: str, drawn: Matrix | None) -> Replicated:
        """Return the q-quantile (RFC 2330 11.3) and that of each replicate; infinite among what never came."""
        if not self.n:
            return Replicated(None)
        value = self._at(q, np.ones((1, self._counts.shape[0])))[0]
        own = float(value) if math.isfinite(value) else None
        shown = own if self._exact is None else self._exact(q)
        if drawn is None:
            return Replicated(shown)
        sizes = self._counts.sum(axis=1) + self._infinite
        above = self._counts[:, self._values > value].sum(axis=1) + self._infinite
        return Replicated(shown, self._at(q, drawn), above - sizes * float(above.sum()) / float(sizes.sum()))

    def _at(self, q: str, drawn: Matrix) -> Matrix:
        values, counts = np.append(self._values, np.inf), self._counts.astype(np.float64)
        found = np.empty(drawn.shape[0])
        step = max(_AT_ONCE // max(self._values.size, 1), 1)
        for start in range(0, drawn.shape[0], step):
            part = drawn[start : start + step]
            cumulative = np.cumsum(part @ counts, axis=1)
            sizes = part @ (counts.sum(axis=1) + self._infinite)
            # Rounded: 0.95 of 20 is 19, not the next integer above 19.000000000000004.
            wanted = np.maximum(np.ceil(np.round(float(q) * sizes, 6)), 1)
            # The first value at which the count reaches the rank, for each replicate.
            found[start : start + step] = values[(cumulative < wanted[:, None]).sum(axis=1)]
        return found


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
