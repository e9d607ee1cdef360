"""Drift-free ticks: the k-th falls at start + k * period, however long the work between them took."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass


@dataclass(slots=True)
class TickCount:
    """How many ticks fell and how many were missed because the work took longer than a period."""

    fallen: int = 0
    missed: int = 0


def next_tick(start_s: float, period_s: float, now_s: float, last: int) -> int:
    """Return the number of the tick to wait for after tick `last`: missed ones are skipped, never bunched."""
    return max(last + 1, math.ceil((now_s - start_s) / period_s))


async def ticks(
    period_s: float, count: TickCount | None = None, *, clock_s: Callable[[], float] = time.monotonic
) -> AsyncIterator[int]:
    """Yield tick numbers, the first at once. `count` is kept up to date."""
    tally = count if count is not None else TickCount()
    start_s = clock_s()
    number = 0
    while True:
        tally.fallen += 1
        yield number
        following = next_tick(start_s, period_s, clock_s(), number)
        tally.missed += following - number - 1
        number = following
        await asyncio.sleep(max(start_s + number * period_s - clock_s(), 0))
