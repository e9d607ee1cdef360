"""When to send: periodic (RFC 3432) or Poisson (RFC 2330 11.1.1).

Local 5G is TDD, and a period that divides its frame samples one phase only; Poisson gaps see all of them, and a
periodic stream begins at a random time for the same reason.
"""

from __future__ import annotations

import random
from collections.abc import Iterator


def periodic(rate_pps: float, rng: random.Random) -> Iterator[float]:
    """Yield sending times in seconds after the start: k / rate after a start drawn within one period."""
    first_s = rng.random() / rate_pps
    number = 0
    while True:
        yield first_s + number / rate_pps
        number += 1


def poisson(rate_pps: float, rng: random.Random) -> Iterator[float]:
    """Yield sending times in seconds after the start, with exponential gaps of mean 1 / rate."""
    at_s = 0.0
    while True:
        at_s += rng.expovariate(rate_pps)
        yield at_s
