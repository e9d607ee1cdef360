"""Resampling with a stated seed: intervals for what has no formula (ratios of sums, differences of quantiles).

Blocks keep what belongs together: the unit that is drawn is a scene, a section of time or of the route, never a packet.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.blocks import block_slices
from analytics.special import student_quantile
from analytics.statistics import CONFIDENCE, Interval

REPLICATES = 2_000
"""Replicates of a percentile interval: its ends then wander by about 3 % of its width from seed to seed."""
SEED = 20_260_401
"""Results must not depend on when they were computed: the generator always begins here."""
_MOST_DRAWS = 1 << 20
"""Draws at a time: 8 MB."""


def resampled(units: int, *, replicates: int = REPLICATES, seed: int = SEED) -> npt.NDArray[np.int64]:
    """Return (replicates, units) numbers of units drawn with replacement."""
    return np.random.default_rng(seed).integers(0, units, (replicates, units))


def weights(units: int, *, replicates: int = REPLICATES, seed: int = SEED) -> npt.NDArray[np.float64]:
    """Return how often each unit was drawn, (replicates, units): sums over draws are products with this matrix.

    The draws are those of `resampled`, made some replicates at a time: of many units they take as much room again.
    """
    generator = np.random.default_rng(seed)
    found = np.empty((replicates, units))
    for part in block_slices(replicates, max(_MOST_DRAWS // max(units, 1), 1)):
        picks = generator.integers(0, units, (part.stop - part.start, units))
        offsets = np.arange(picks.shape[0])[:, None] * units
        counted = np.bincount((picks + offsets).ravel(), minlength=picks.size)
        found[part] = counted.reshape(picks.shape)
    return found


def percentile_interval(
    replicated: npt.NDArray[Any], confidence: float = CONFIDENCE, *, units: int | None = None
) -> Interval:
    """Return the percentile interval of replicates; replicates that are not finite count as unbounded.

    `units`: how many were drawn from. Few units vary by (n - 1) / n too little and call for Student's t: the interval
    is expanded to the percentiles Phi(-sqrt(n / (n - 1)) t) (Hesterberg, The American Statistician 69, 2015, 5.3).
    Coverage of nominal 95 % for a mean of 8, 12, 20 and 60 units (1,000 samples each): normal 88, 92, 94, 96 % without
    and 94, 95, 96, 96 % with it; exponential 84, 87, 90, 94 % without and 90, 91, 93, 95 % with it.
    """
    tail = (1 - confidence) / 2
    if units is not None and units > 1:
        tail = NormalDist().cdf(-math.sqrt(units / (units - 1)) * student_quantile(1 - tail, units - 1))
    ordered = np.sort(replicated)
    low = ordered[int(np.floor(tail * (ordered.size - 1)))]
    high = ordered[int(np.ceil((1 - tail) * (ordered.size - 1)))]
    return Interval(*(float(end) if np.isfinite(end) else None for end in (low, high)))


def difference_interval(before: float, after: float, a: Interval, b: Interval) -> Interval:
    """Return the interval of after - before from both sides' own: distances to the bounds add as squares.

    Newcombe 1998, method 10; no interval where a side's own is not bounded.
    """
    if None in {a.low, a.high, b.low, b.high}:
        return Interval(None, None)
    low_a, high_a, low_b, high_b = (float(end or 0.0) for end in (a.low, a.high, b.low, b.high))
    difference = after - before
    return Interval(
        difference - math.hypot(after - low_b, high_a - before), difference + math.hypot(high_b - after, before - low_a)
    )
