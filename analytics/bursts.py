"""Bursts of loss and the gaps between them (RFC 3611 4.7.2), from the runs of losses alone. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analytics.loss_runs import LossRuns

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Bursts:
    """Bursts and gaps of the packets of some runs.

    `packets` and `lost` are those of each burst; the `gaps` are what lies before, between and after them in a stretch,
    `gap_packets` in all, of which `gap_lost` were lost, each of them alone.
    """

    packets: Ints
    lost: Ints
    gaps: int
    gap_packets: int
    gap_lost: int


def bursts_of(runs: LossRuns, gmin: int) -> Bursts:
    """Return the bursts: each starts and ends with a lost packet and has nowhere `gmin` delivered ones in turn.

    A single lost packet with `gmin` delivered ones before and after it is none: it lies in a gap. Every stretch is
    taken as preceded and followed by `gmin` delivered packets. `gmin` is 16 as a rule; raises ValueError below 1.
    """
    if gmin < 1:
        raise ValueError(f"gmin must be at least 1 delivered packet, not {gmin}")
    if not runs.lost.size:
        nothing = np.empty(0, np.int64)
        return Bursts(nothing, nothing, runs.stretches, runs.n, 0)
    is_first = np.zeros(runs.lost.size + 1, np.bool_)
    is_first[runs.first[:-1]] = True
    is_head = is_first[:-1] | (runs.good >= gmin)
    heads = np.flatnonzero(is_head)
    lost = np.add.reduceat(runs.lost, heads)
    packets = lost + np.add.reduceat(np.where(is_head, 0, runs.good), heads)
    is_burst = lost > 1
    # A stretch has a gap more than it has bursts, less one for each end at which a burst lies.
    last = np.append(heads[1:], runs.lost.size) - 1
    ends = np.zeros(runs.lost.size, np.bool_)
    ends[runs.first[1:][runs.has_loss & (runs.tail == 0)] - 1] = True
    at_start, at_end = is_burst & (runs.good[heads] == 0), is_burst & ends[last]
    burst_packets, burst_lost = int(packets[is_burst].sum()), int(lost[is_burst].sum())
    return Bursts(
        packets[is_burst], lost[is_burst],
        runs.stretches + int(is_burst.sum()) - int(at_start.sum()) - int(at_end.sum()),
        runs.n - burst_packets, runs.lost_packets - burst_lost,
    )  # fmt: skip
