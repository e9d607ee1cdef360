"""Reordering of one direction's packets (RFC 4737): which came after a later one, by how many and by how long. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analytics.blocks import block_slices
from analytics.probes import Bools, ProbeArrays

Times = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Reordering:
    """What arrived out of order: `is_reordered` by packet that arrived, in the order of sending.

    Of each reordered packet, `extents` counts the packets by which it was late (4.2.3, e = i - j for the earliest
    arrival j of a later packet) and `late_us` the time since that arrival (4.3.3).
    """

    is_reordered: Bools
    extents: Times
    late_us: Times


def reordering(probes: ProbeArrays, direction: str) -> Reordering | None:
    """Return what arrived out of order, None where everything came in order: the usual case, found in one cheap pass.

    Arrival is the time of sending plus the delay: a constant offset of the clocks changes nothing. Two packets that
    arrive in the same microsecond are in order. Packets lost or without a delay do not count, copies neither (4.1).
    """
    if not any(_is_disordered(probes, direction, part) for part in probes.sessions()):
        return None
    found = [_of_session(probes, direction, part) for part in probes.sessions()]
    return Reordering(
        np.concatenate([each.is_reordered for each in found]),
        np.concatenate([each.extents for each in found]),
        np.concatenate([each.late_us for each in found]),
    )


def _is_disordered(probes: ProbeArrays, direction: str, session: slice) -> bool:
    delay = probes.delays[direction]
    last_us: int | None = None
    for inner in block_slices(session.stop - session.start):
        part = slice(session.start + inner.start, session.start + inner.stop)
        arrival_us = probes.t_us[part] + delay.us[part]
        here = delay.valid[part]
        if not here.all():
            arrival_us = arrival_us[here]
        if not arrival_us.size:
            continue
        if (last_us is not None and int(arrival_us[0]) < last_us) or (arrival_us[1:] < arrival_us[:-1]).any():
            return True
        last_us = int(arrival_us[-1])
    return False


def _of_session(probes: ProbeArrays, direction: str, part: slice) -> Reordering:
    delay = probes.delays[direction]
    here = delay.valid[part]
    arrival_us = (probes.t_us[part] + delay.us[part])[here].astype(np.int64)
    # A later packet came before it: the earliest arrival of all later ones lies before its own.
    earliest = np.minimum.accumulate(arrival_us[::-1])[::-1]
    is_reordered = np.zeros(arrival_us.size, np.bool_)
    is_reordered[:-1] = earliest[1:] < arrival_us[:-1]
    late = np.flatnonzero(is_reordered)
    order = np.argsort(arrival_us, kind="stable")
    place = np.empty(order.size, np.int64)
    place[order] = np.arange(order.size)
    newest = np.maximum.accumulate(order)
    overtaker = np.searchsorted(newest, late, side="right")
    return Reordering(is_reordered, place[late] - overtaker, arrival_us[late] - arrival_us[order[overtaker]])
