"""The wall clock and the monotonic clock read as one, so that a step of the wall clock can be told from a delay."""

from __future__ import annotations

import time
from typing import NamedTuple

_CLOSE_NS = 20_000  # three readings take 0.2 us; a thread that lost the processor in between was away for longer
_TRIES = 4


class Reading(NamedTuple):
    """One moment on both clocks: Unix time, and the monotonic clock, which a clock step does not move."""

    wall_ns: int
    mono_ns: int


def read_clocks() -> Reading:
    """Return one moment on both clocks, to within 20 us unless the machine is stalled throughout."""
    for _ in range(_TRIES):
        before_ns, wall_ns, after_ns = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        if after_ns - before_ns < _CLOSE_NS:
            break
    return Reading(wall_ns, (before_ns + after_ns) // 2)
