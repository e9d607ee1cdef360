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

    `starts` says with which packet each burst begins, of all stretches one after the other, `packets` and `lost` are
    its own; `gaps` are the packets of each piece before, between and after bursts in a stretch, in their order, of
    which `gap_lost` were lost, each of them alone.
    """

    starts: Ints
    packets: Ints
    lost: Ints
    gaps: Ints
    gap_lost: int

    @property
    def gap_packets(self) -> int:
        """Packets of all gaps."""
        return int(self.gaps.sum())


def bursts_of(runs: LossRuns, gmin: int) -> Bursts:
    """Return the bursts: each starts and ends with a lost packet and has nowhere `gmin` delivered ones in turn.

    A single lost packet with `gmin` delivered ones before and after it is none: it lies in a gap. Every stretch is
    taken as preceded and followed by `gmin` delivered packets. `gmin` is 16 as a rule; raises ValueError below 1.
    """
    if gmin < 1:
        raise ValueError(f"gmin must be at least 1 delivered packet, not {gmin}")
    is_first = np.zeros(runs.lost.size + 1, np.bool_)
    is_first[runs.first[:-1]] = True
    is_head = is_first[:-1] | (runs.good >= gmin)
    heads = np.flatnonzero(is_head)
    inner = np.where(is_head, 0, runs.good)
    # No sums of no groups, which reduceat would refuse.
    lost, inner = (np.add.reduceat(each, heads) if heads.size else each for each in (runs.lost, inner))
    packets = lost + inner
    is_burst = lost > 1
    starts, packets, lost = runs.starts[heads][is_burst], packets[is_burst], lost[is_burst]
    # A stretch that a burst begins or ends has no gap there.
    edges = np.concatenate([[0], np.cumsum(runs.sizes)])
    gaps = np.sort(np.concatenate([starts, edges[1:]])) - np.sort(np.concatenate([edges[:-1], starts + packets]))
    return Bursts(starts, packets, lost, gaps[gaps > 0], runs.lost_packets - int(lost.sum()))
