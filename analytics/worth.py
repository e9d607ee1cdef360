"""How many independent values a correlated series is worth, the series being read piece by piece. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.blocks import GroupSums, HitSums
from analytics.statistics import MOST_VALUES, group_of, worth_of_groups


class SeriesWorth:
    """What `analytics.statistics.effective_n` says of a series, without the series: of its group sums alone.

    `hits`: the series is an indicator, whose pieces are masks; `most` sums are correlated in the end. How long it will
    be need not be known: groups are doubled as it grows, so that it never holds more than about twice as many sums, and
    in the end they are those of a series whose length was known from the start.
    """

    def __init__(self, *, hits: bool = False, most: int = MOST_VALUES) -> None:
        self._most = most
        self._sums: HitSums | GroupSums = HitSums() if hits else GroupSums()

    @property
    def n(self) -> int:
        """Values so far."""
        return self._sums.n

    def add(self, values: npt.NDArray[Any]) -> None:
        """Add the next values."""
        # Marks are grouped before they are added, numbers after: their groups go on from where they are.
        self._coarsen(values.size if isinstance(self._sums, HitSums) else 0)
        self._sums.add(values)

    def add_places(self, places: npt.NDArray[np.intp], n: int) -> None:
        """Add the next `n` of an indicator, of which those at `places` are true."""
        assert isinstance(self._sums, HitSums)
        self._coarsen(n)
        self._sums.add_places(places, n)

    def _coarsen(self, more: int = 0) -> None:
        while self._sums.n + more > 2 * self._most * self._sums.group and self._sums.coarsen():
            pass

    def result(self, deviation: float) -> int:
        """Return the worth; `deviation` is the standard deviation of the values."""
        n, group, sums = self._sums.n, self._sums.group, self._sums.result()
        while group < group_of(n, self._most):
            sums = sums[: sums.size // 2 * 2]
            sums, group = sums[0::2] + sums[1::2], 2 * group
        return worth_of_groups(n, group, sums, deviation)
