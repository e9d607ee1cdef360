"""Resampling with a stated seed: intervals for what has no formula (ratios of sums, differences of quantiles).

Blocks keep what belongs together: the unit that is drawn is a scene, a section of time or of the route, never a packet.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.statistics import CONFIDENCE, Interval

REPLICATES = 2_000
"""Replicates of a percentile interval: its ends then wander by about 3 % of its width from seed to seed."""
SEED = 20_260_401
"""Results must not depend on when they were computed: the generator always begins here."""


def resampled(units: int, *, replicates: int = REPLICATES, seed: int = SEED) -> npt.NDArray[np.int64]:
    """Return (replicates, units) numbers of units drawn with replacement."""
    return np.random.default_rng(seed).integers(0, units, (replicates, units))


def weights(units: int, *, replicates: int = REPLICATES, seed: int = SEED) -> npt.NDArray[np.float64]:
    """Return how often each unit was drawn, (replicates, units): sums over draws are products with this matrix."""
    picks = resampled(units, replicates=replicates, seed=seed)
    offsets = np.arange(replicates)[:, None] * units
    counted = np.bincount((picks + offsets).ravel(), minlength=replicates * units)
    return counted.reshape(replicates, units).astype(np.float64)


def percentile_interval(replicated: npt.NDArray[Any], confidence: float = CONFIDENCE) -> Interval:
    """Return the percentile interval of replicates; replicates that are not finite count as unbounded."""
    tail = (1 - confidence) / 2
    ordered = np.sort(replicated)
    low = ordered[int(np.floor(tail * (ordered.size - 1)))]
    high = ordered[int(np.ceil((1 - tail) * (ordered.size - 1)))]
    return Interval(*(float(end) if np.isfinite(end) else None for end in (low, high)))
