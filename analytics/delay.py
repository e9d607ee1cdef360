"""Delay variation: IPDV, PDV, RFC 3550 jitter. Pure functions on arrays of microseconds.

Plain definitions on whole arrays. The KPIs are computed by `analytics.delay_scan`, block by block, and tested against
these.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.probes import DelayColumn, ProbeArrays, neighbours

Floats = npt.NDArray[np.float64]
_JITTER_BLOCK = 512
"""Packets a step of the jitter recursion: (16/15)^512 is 2e14, so the scaled sums stay exact to 15 digits."""


def ipdv_us(probes: ProbeArrays, direction: str) -> npt.NDArray[np.int64]:
    """Return D(i) - D(i-1) of packets sent one after the other, both delivered (RFC 3393 2.4, RFC 5481 4.1)."""
    delay = probes.delays[direction]
    both = neighbours(probes) & delay.valid[1:] & delay.valid[:-1]
    us = delay.us.astype(np.int64)
    return np.asarray((us[1:] - us[:-1])[both])


def pdv_us(delay: DelayColumn) -> npt.NDArray[np.int64]:
    """Return D(i) - Dmin of the delivered packets (RFC 5481 4.2)."""
    values = delay.us[delay.valid].astype(np.int64)
    return values - values.min() if values.size else values


def rfc3550_jitter_us(transit_us: npt.NDArray[Any]) -> Floats:
    """Return J after each packet but the first; `transit_us` in order of arrival (RFC 3550 6.4.1).

    J += (|D| - J) / 16. The recursion is solved in blocks: within one, J_k = a^(k+1) (J_before + sum |D_i|/16 a^-(i+1))
    with a = 15/16.
    """
    steps = np.abs(np.diff(transit_us.astype(np.float64))) / 16
    jitter = np.empty(steps.size)
    decay = (15 / 16) ** np.arange(1, _JITTER_BLOCK + 1)
    before = 0.0
    for start in range(0, steps.size, _JITTER_BLOCK):
        block = steps[start : start + _JITTER_BLOCK]
        a = decay[: block.size]
        jitter[start : start + block.size] = a * (before + np.cumsum(block / a))
        before = float(jitter[start + block.size - 1])
    return jitter


def arrival_order(probes: ProbeArrays, direction: str) -> npt.NDArray[Any]:
    """Return the delays of the delivered packets in order of arrival, session after session."""
    delay = probes.delays[direction]
    arrival_us = probes.t_us[delay.valid] + delay.us[delay.valid]
    return delay.us[delay.valid][np.lexsort((arrival_us, probes.session[delay.valid]))]
