"""Packets of two links as pairs: each other's nearest in sending time, and what the faster of both was. Pure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from analytics.probes import DelayColumn, ProbeArrays, lost_in
from analytics.results import DIRECTIONS, Direction
from analytics.series import nearest


def matched(
    a_us: npt.NDArray[np.int64], b_us: npt.NDArray[np.int64], within_us: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the places of packets of `a` and `b` that are each other's nearest in time, in order of time.

    Whether a packet arrived has no say in it. Of two equally near ones `a` takes the earlier and `b` the later, so that
    two links probed in turn at equal distances are paired all the way.
    """
    order_a, order_b = (
        # As a rule packets lie in order of time already.
        np.arange(t_us.size) if (np.diff(t_us) >= 0).all() else np.argsort(t_us, kind="stable")
        for t_us in (a_us, b_us)
    )
    a_us, b_us = a_us[order_a], b_us[order_b]
    if not a_us.size or not b_us.size:
        return order_a[:0], order_b[:0]
    theirs, is_near = nearest(b_us, a_us, within_us)
    backwards, _ = nearest(-a_us[::-1], -b_us, within_us)
    mine = a_us.size - 1 - backwards
    rows = np.flatnonzero(is_near & (mine[theirs] == np.arange(a_us.size)))
    return order_a[rows], order_b[theirs[rows]]


def only(probes: ProbeArrays, rows: npt.NDArray[np.intp], direction: str) -> ProbeArrays:
    """Return some packets, as one session in that order, with the delays of one direction."""
    n = rows.size
    nothing = DelayColumn(np.zeros(n, np.int32), np.zeros(n, np.bool_))
    delay = probes.delays[direction]
    chosen = DelayColumn(delay.us[rows], delay.valid[rows] & (probes.lost[rows] == 0))
    return replace(
        probes, t_us=probes.t_us[rows], session=np.ones(n, np.int64), seq=np.arange(n), refl_seq=np.full(n, -1),
        lost=probes.lost[rows], delays={name: chosen if name == direction else nothing for name in DIRECTIONS},
        further={},
    )  # fmt: skip


def infinite_delay(probes: ProbeArrays, direction: str) -> npt.NDArray[np.bool_]:
    """Return which packets have an infinite delay this way: of one way only those known to be lost on it."""
    return lost_in(probes.lost, direction)


def faster(a: ProbeArrays, b: ProbeArrays, direction: str) -> ProbeArrays:
    """Return pairs of packets as one packet each: lost when both were, as fast as the faster one.

    Where one arrived without a measured delay, or was lost the other way, how fast the pair was is not known.
    """
    one, other = a.delays[direction], b.delays[direction]
    is_lost = (a.lost > 0) & (b.lost > 0)
    gone = [infinite_delay(probes, direction) for probes in (a, b)]
    is_known = (one.valid | gone[0]) & (other.valid | gone[1]) & (one.valid | other.valid)
    never = np.int64(np.iinfo(np.int64).max)
    smaller = np.minimum(np.where(one.valid, one.us, never), np.where(other.valid, other.us, never))
    delay = DelayColumn(np.where(is_known, smaller, 0).astype(np.int64), is_known)
    code = np.where(is_lost, np.where(a.lost == b.lost, a.lost, 3), 0).astype(np.int16)
    return replace(a.with_delay(direction, delay), lost=code)


def common_direction(a: ProbeArrays, b: ProbeArrays) -> Direction | None:
    """Return the first direction measured on both links; a link on which nothing arrived goes with any."""
    for direction in DIRECTIONS:
        if all(probes.has(direction) or not probes.delivered.any() for probes in (a, b)):
            return direction
    return None
