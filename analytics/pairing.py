"""Packets of two links as pairs: each other's nearest in sending time, and what the faster of both was. Pure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from analytics.probes import DelayColumn, ProbeArrays, concatenated, lost_in
from analytics.series import nearest

_FAR_US = 1 << 62


def matched(
    a_us: npt.NDArray[np.int64], b_us: npt.NDArray[np.int64], within_us: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the places of packets of `a` and `b` that are each other's nearest in time, in order of time.

    Whether a packet arrived has no say in it. Of two equally near ones `a` takes the earlier and `b` the later, so that
    two links probed in turn at equal distances are paired all the way.
    """
    order_a, order_b = (_order(t_us) for t_us in (a_us, b_us))
    a_us, b_us = a_us[order_a], b_us[order_b]
    if not a_us.size or not b_us.size:
        return order_a[:0], order_b[:0]
    # Something far away at the end: which of two packets of one instant is taken does not depend on what ends there.
    theirs, is_near = nearest(np.append(b_us, _FAR_US), a_us, within_us)
    backwards, _ = nearest(np.append(-a_us[::-1], _FAR_US), -b_us, within_us)
    mine = a_us.size - 1 - backwards
    theirs = np.minimum(theirs, b_us.size - 1)
    rows = np.flatnonzero(is_near & (mine[theirs] == np.arange(a_us.size)))
    return order_a[rows], order_b[theirs[rows]]


def _order(t_us: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    # As a rule packets lie in order of time already.
    return np.arange(t_us.size) if (np.diff(t_us) >= 0).all() else np.argsort(t_us, kind="stable")


def by_time(probes: ProbeArrays) -> ProbeArrays:
    """Return packets in order of time, without copies; of one instant in the order they have."""
    return _at(probes, _order(probes.t_us))


class PairMatcher:
    """Pairs packets of two links, both of which come stretch of time by stretch of time, as `matched` pairs the whole.

    Who is nearest is known once both links are known to twice the distance beyond a packet; what may still be of
    consequence waits, four times the distance at most.
    """

    def __init__(self, within_us: int) -> None:
        self._within_us = within_us
        self._waiting: tuple[ProbeArrays, ProbeArrays] | None = None
        self._paired_us = -_FAR_US

    def add(self, a: ProbeArrays, b: ProbeArrays, until_us: int) -> tuple[ProbeArrays, ProbeArrays]:
        """Take packets of both links, in order of time, and return those paired by now, row by row.

        All of `a` and `b` was sent up to `until_us`, and all that comes later is sent after it.
        """
        if self._waiting is not None:
            a, b = (concatenated(pair) for pair in zip(self._waiting, (a, b), strict=True))
        found = self._paired(a, b, until_us - 2 * self._within_us)
        needed_us = until_us - 4 * self._within_us
        first, second = (each.rows(slice(int(np.searchsorted(each.t_us, needed_us, "right")), None)) for each in (a, b))
        self._waiting = first, second
        return found

    def finish(self) -> tuple[ProbeArrays, ProbeArrays] | None:
        """Return the last pairs, nothing more being sent; None where nothing was ever added."""
        return None if self._waiting is None else self._paired(*self._waiting, _FAR_US)

    def _paired(self, a: ProbeArrays, b: ProbeArrays, until_us: int) -> tuple[ProbeArrays, ProbeArrays]:
        rows = matched(a.t_us, b.t_us, self._within_us)
        sent_us = a.t_us[rows[0]]
        is_new = (sent_us > self._paired_us) & (sent_us <= until_us)
        self._paired_us = max(self._paired_us, until_us)
        return _at(a, rows[0][is_new]), _at(b, rows[1][is_new])


def _at(probes: ProbeArrays, rows: npt.NDArray[np.intp]) -> ProbeArrays:
    if rows.size and int(rows[-1]) - int(rows[0]) == rows.size - 1 and (np.diff(rows) == 1).all():
        return probes.rows(slice(int(rows[0]), int(rows[-1]) + 1))
    delays = {name: DelayColumn(each.us[rows], each.valid[rows]) for name, each in probes.delays.items()}
    return ProbeArrays(
        probes.t_us[rows], probes.session[rows], probes.seq[rows], probes.refl_seq[rows], probes.lost[rows], delays, {}
    )


def arrived(probes: ProbeArrays, direction: str) -> DelayColumn:
    """Return the delays of one direction of packets that arrived."""
    delay = probes.delays[direction]
    return DelayColumn(delay.us, delay.valid & (probes.lost == 0))


def lost_together(a: ProbeArrays, b: ProbeArrays) -> npt.NDArray[np.int16]:
    """Return which way each pair was lost, 0 where either arrived, 3 where they were lost on different ways."""
    is_lost = (a.lost > 0) & (b.lost > 0)
    return np.where(is_lost, np.where(a.lost == b.lost, a.lost, 3), 0).astype(np.int16)


def faster(a: ProbeArrays, b: ProbeArrays, direction: str) -> DelayColumn:
    """Return the delay of whichever packet of each pair was faster.

    Where one arrived without a measured delay, or was lost the other way, how fast the pair was is not known.
    """
    one, other = arrived(a, direction), arrived(b, direction)
    gone = [lost_in(probes.lost, direction) for probes in (a, b)]
    is_known = (one.valid | gone[0]) & (other.valid | gone[1]) & (one.valid | other.valid)
    never = np.int64(np.iinfo(np.int64).max)
    smaller = np.minimum(np.where(one.valid, one.us, never), np.where(other.valid, other.us, never))
    return DelayColumn(np.where(is_known, smaller, 0).astype(np.int64), is_known)
