"""RFC 3550 jitter of a long series of delays, block by block: its mean, its maximum, and what they are worth. Pure."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.blocks import Counts, block_slices, may_overflow
from analytics.definitions import QUANTILES
from analytics.quantile_worth import QuantileWorth
from analytics.statistics import Histogram, share_of
from analytics.worth import SeriesWorth

_ROW = 16
_ROWS = 32
_DECAY = 15 / 16
_AT_ONCE = 512
"""Rows looked into at once: what is found in them spares others, and the products stay small."""

Floats = npt.NDArray[np.float64]


def _sums(decay: float, size: int) -> Floats:
    """Return the matrix by which rows of `size` values become their sums so far, all before decaying at each step."""
    steps = np.arange(size) - np.arange(size)[:, None]
    return np.where(steps >= 0, decay ** np.maximum(steps, 0), 0.0)


_IN_ROW = _DECAY ** np.arange(1, _ROW + 1)
_IN_ROW_SUMS = _sums(_DECAY, _ROW) / 16
_OF_ROWS = (_DECAY**_ROW) ** np.arange(1, _ROWS + 1)
_OF_ROWS_SUMS = _sums(_DECAY**_ROW, _ROWS)
_WEIGHTS = np.stack([_DECAY ** np.arange(_ROW - 1, -1, -1) / 16, np.full(_ROW, 1 / 16)], axis=1)


class Jitter:
    """Mean and maximum of J after each packet but the first (RFC 3550 6.4.1): J += (|D| - J) / 16.

    The mean needs no J at all: the recursion, summed, gives sum J = sum |D| - 15 J_last. For the maximum, J is computed
    after every 16 packets; between two of those it grows by sum |D| / 16 at most, so only the few rows where that
    reaches above the greatest J known are looked into. 3 ns a packet; all J by cumulative sums of scaled differences
    (`analytics.delay.rfc3550_jitter_us`) take 17 ns and eight bytes. The products with matrices stay below the size
    from which OpenBLAS starts threads, whose waiting cost a third more processor time elsewhere.
    """

    def __init__(self) -> None:
        self.n = 0
        self._steps_sum = 0.0
        self._last = 0.0
        self._max = 0.0
        self._previous: list[int] = []
        self._rest: Floats = np.empty(0)
        self._sampled = Counts()
        self._waiting: list[npt.NDArray[np.int64]] = []
        self._quantiles = QuantileWorth([share_of(statistic) for statistic in QUANTILES])
        self._sampled_worth = SeriesWorth()

    def add(self, transit_us: npt.NDArray[Any]) -> None:
        """Add the next delays, in order of arrival."""
        if not transit_us.size:
            return
        # Differences of integers before they become floating-point numbers: half the bytes.
        if may_overflow(transit_us):
            transit_us = transit_us.astype(np.int64)
        inner = transit_us[1:] - transit_us[:-1]
        old = self._rest.size
        known = old + len(self._previous)
        steps = np.empty(known + inner.size)
        steps[:old] = self._rest
        steps[old:known] = abs(int(transit_us[0]) - self._previous[0]) if self._previous else 0
        np.abs(inner, out=inner)
        steps[known:] = inner
        self._previous = transit_us[-1:].tolist()
        self.n += steps.size - old
        whole = steps.size // _ROW * _ROW
        self._rest = steps[whole:].copy()
        if not whole:
            return
        rows = steps[:whole].reshape(-1, _ROW)
        ends, growth = (rows @ _WEIGHTS).T
        self._steps_sum += float(growth.sum()) * 16
        after = self._after_rows(ends)
        before = np.concatenate([[self._last], after[:-1]])
        self._max = max(self._max, float(after.max()))
        sampled = np.rint(after).astype(np.int64)
        self._sampled.add(sampled)
        self._waiting.append(sampled)
        if len(self._waiting) == _ROW:
            self._weigh()
        reach = before + growth
        high = np.flatnonzero(reach > self._max)
        for part in block_slices(high.size, _AT_ONCE):
            some = high[part]
            some = some[reach[some] > self._max]
            if some.size:
                inside = rows[some] @ _IN_ROW_SUMS + before[some, None] * _IN_ROW
                self._max = max(self._max, float(inside.max()))
        self._last = float(after[-1])

    def _after_rows(self, ends: Floats) -> Floats:
        """Return J after each row, from what each row adds to it."""
        padded = np.zeros(-(-ends.size // _ROWS) * _ROWS)
        padded[: ends.size] = ends
        sums = padded.reshape(-1, _ROWS) @ _OF_ROWS_SUMS
        carried, before, decay = np.empty(len(sums)), self._last, float(_OF_ROWS[-1])
        for number, total in enumerate(sums[:, -1].tolist()):
            carried[number] = before
            before = before * decay + total
        return np.asarray((sums + carried[:, None] * _OF_ROWS).ravel()[: ends.size])

    def sampled(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the distinct values of J after every 16th packet, in whole microseconds, and how often each was."""
        return self._sampled.result()

    def _weigh(self) -> None:
        """Take what waits into account, sixteen blocks at once: a block has but a sixteenth of its packets here."""
        if self._waiting:
            sampled = np.concatenate(self._waiting)
            self._quantiles.add(sampled)
            self._sampled_worth.add(sampled)
            self._waiting = []

    def sampled_n_eff(self, plain: int) -> dict[str, int]:
        """Return by share what those values are worth for a quantile, `plain` being that for the mean."""
        if not plain:
            return {}
        n, worth = self._sampled_worth.n, self._quantiles.result()
        shares = [share_of(statistic) for statistic in QUANTILES]
        return {share: max(int(worth[share] * n), 1) if share in worth else plain for share in shares}

    def sampled_worth(self) -> tuple[float, int]:
        """Return standard deviation (microseconds) and worth of those values; NaN and 0 of none.

        Their mean is as uncertain as that of J after every packet: 16 packets on, a third of J is still what it was.
        """
        self._weigh()
        counted = Histogram(*self._sampled.result())
        if not counted.n:
            return math.nan, 0
        return counted.deviation, self._sampled_worth.result(counted.deviation)

    def result(self) -> tuple[float, float]:
        """Return mean and maximum in microseconds; NaN where fewer than two packets arrived."""
        if not self.n:
            return math.nan, math.nan
        last, highest, steps_sum = self._last, self._max, self._steps_sum
        for step in self._rest.tolist():
            last += (step - last) / 16
            highest, steps_sum = max(highest, last), steps_sum + step
        return (steps_sum - 15 * last) / self.n, highest
