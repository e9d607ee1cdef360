"""When to send: periodic with a random start (RFC 3432), or with exponential gaps (RFC 2330 11.1.1). Pure.

Local 5G is TDD, and terminals sleep in cycles (DRX): a period that is a multiple of the frame of 10 ms meets the same
slot each time and sees one of several delays. Exponential gaps see them all, in their true shares.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import count
from typing import Literal

Schedule = Literal["periodic", "poisson"]

_NS = 1_000_000_000


def periodic_ns(rate_pps: float, rng: random.Random) -> Iterator[int]:
    """Yield sending times in nanoseconds after the start: T0 + k / rate, T0 drawn from the first period."""
    first_ns = round(rng.random() * _NS / rate_pps)
    for number in count():
        yield first_ns + round(number * _NS / rate_pps)


def poisson_ns(rate_pps: float, rng: random.Random) -> Iterator[int]:
    """Yield sending times in nanoseconds after the start, with independent exponential gaps of mean 1 / rate."""
    at_ns = 0
    while True:
        at_ns += round(rng.expovariate(rate_pps) * _NS)
        yield at_ns


def sending_times_ns(schedule: Schedule, rate_pps: float, rng: random.Random) -> Iterator[int]:
    """Yield the sending times of `schedule`, in nanoseconds after the start."""
    return (periodic_ns if schedule == "periodic" else poisson_ns)(rate_pps, rng)
