"""A waiting time shorter than the collector's: packets that came later are lost (RFC 6703 4.1.2, RFC 7680 2.4). Pure.

Applied before anything is computed, packet by packet, so that the packets of a run may come in any pieces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from analytics.blocks import block_slices
from analytics.clock import ClockQuality
from analytics.probes import Bools, DelayColumn, ProbeArrays
from analytics.results import UNDECIDED, KpiResult
from analytics.subject import Subject

Places = npt.NDArray[np.intp]
_MS = 1000.0
_UP, _DOWN, _UNKNOWN = 1, 2, 3
"""contract LOST_CODES"""


def late_as_lost(probes: ProbeArrays, limit_us: int, clock_us: float | None = None) -> tuple[ProbeArrays, int]:
    """Return the packets with those that came later than `limit_us` microseconds as lost, and how many they are.

    A delivered packet is late when its round trip was longer than the limit; where no round trip was measured, when its
    delay up or its delay down was. A delay of exactly the limit is in time. Where nothing is late the very same object
    is returned. Delays are compared as they were measured; `clock_us` is the bound of both clocks in microseconds, None
    where it is not known.

    Which way it was lost, by the packet alone:

    * up, where the delay up shows it: longer than the limit by more than the clocks' bound, or any delay up above the
      limit where no round trip was measured. It was not at the reflector in time (RFC 7680 2.4 for the way up).
    * down, where it did reach the reflector: that numbered it, as it does not number what is lost on the way up
      (RFC 8762 4), or the delay up was in time by more than the clocks' bound; and where no round trip was measured and
      the delay down alone is late.
    * unknown otherwise. `analytics.loss` may still place it by the reflector's numbers around it.

    Without known clocks this counts what a collector with that timeout would have counted: its own losses are up where
    the reflector numbered none of them, and down where it did. The reflector's number stays, so that losses beside a
    late packet are placed as before. The delay up stays unless it was lost there: it was measured, and a packet lost on
    the way down did arrive; delays of the way down and of the round trip go. Further copies came after the first, so
    they are late too, and no copy makes a packet delivered; how many came stays as counted (`duplicates`, `replicated`
    and `copies_us` tell nothing of which packets they were copies of).
    """
    places = _late(probes, limit_us)
    if not places.size:
        return probes, 0
    codes = _codes(probes, places, limit_us, clock_us)
    lost = probes.lost.copy()
    lost[places] = codes
    gone = {"round_trip": places, "down": places, "up": places[codes == _UP]}
    delays = {name: _without(delay, gone[name]) for name, delay in probes.delays.items()}
    late = int(places.size)
    return replace(probes, lost=lost, delays=delays, late=probes.late + late), late


def _late(probes: ProbeArrays, limit_us: int) -> Places:
    found = []
    for part in block_slices(probes.n):
        has_trip, is_late = _over(probes.delays["round_trip"], part, limit_us)
        if not has_trip.all():
            one_way = _over(probes.delays["up"], part, limit_us)[1] | _over(probes.delays["down"], part, limit_us)[1]
            is_late |= one_way & ~has_trip
        if is_late.any():
            found.append(np.flatnonzero(is_late & (probes.lost[part] == 0)) + part.start)
    return np.concatenate(found) if found else np.empty(0, np.intp)


def _over(delay: DelayColumn, rows: Any, limit_us: float) -> tuple[Bools, Bools]:
    """Return which packets have a delay and which of those have one above a limit."""
    valid = delay.valid[rows]
    return valid, valid & (delay.us[rows] > limit_us)


def _codes(probes: ProbeArrays, places: Places, limit_us: int, clock_us: float | None) -> npt.NDArray[Any]:
    """Return which way each of the late packets was lost."""
    has_trip = probes.delays["round_trip"].valid[places]
    has_up, is_up_over = _over(probes.delays["up"], places, limit_us)
    is_up = ~has_trip & is_up_over
    is_down = (probes.refl_seq[places] >= 0) | ~has_trip
    if clock_us is not None:
        is_up |= _over(probes.delays["up"], places, limit_us + clock_us)[1]
        is_down |= has_up & ~_over(probes.delays["up"], places, limit_us - clock_us)[1]
    return np.where(is_up, _UP, np.where(is_down, _DOWN, _UNKNOWN)).astype(probes.lost.dtype)


def _without(delay: DelayColumn, places: Places) -> DelayColumn:
    valid = delay.valid.copy()
    valid[places] = False
    return DelayColumn(delay.us, valid)


class Waited(NamedTuple):
    """How many packets were late, and how many were judged by a one-way delay; those of pieces add up."""

    late: int = 0
    by_one_way: int = 0

    def and_of(self, *others: Waited) -> Waited:
        """Return those of these and of others together."""
        return Waited(*(sum(counts) for counts in zip(self, *others, strict=True)))


def waited_out(probes: ProbeArrays, limit_ms: float | None, clock: ClockQuality) -> tuple[ProbeArrays, Waited]:
    """Apply a waiting time, if any; where nothing is late the very same object is returned."""
    if limit_ms is None:
        return probes, Waited()
    in_time, late = late_as_lost(probes, round(limit_ms * _MS), clock.bound_us)
    return in_time, Waited(late, _judged_by_one_way(probes))


def _judged_by_one_way(probes: ProbeArrays) -> int:
    found = 0
    trip, up, down = (probes.delays[name].valid for name in ("round_trip", "up", "down"))
    for part in block_slices(probes.n):
        if not trip[part].all():
            found += int(np.count_nonzero((probes.lost[part] == 0) & ~trip[part] & (up[part] | down[part])))
    return found


def with_waiting_time(results: Sequence[KpiResult], subject: Subject, waited: Waited) -> list[KpiResult]:
    """Return the results with the waiting time and the number of late packets in their filter.

    Where one-way delays were compared and the clocks are not good enough for that, every figure is for reference: loss
    too depends on them then. Without a waiting time the results stay as they are.
    """
    stated = waiting_words(subject.profile.parameters.lost_after_ms, waited)
    if not stated:
        return [*results]
    doubt = ""
    if waited.by_one_way:
        doubt = subject.clock.doubt(subject.profile.parameters.clock_limit_us)
    return [_stated(result, stated, doubt) for result in results]


def waiting_words(limit_ms: float | None, waited: Waited) -> str:
    """Say from when on packets count as lost, and how many do; nothing without a waiting time."""
    if limit_ms is None:
        return ""
    return (
        f"{limit_ms:g} ms を超えて届いた {waited.late} パケットを損失とした / "
        f"{waited.late} packets later than {limit_ms:g} ms counted as lost"
    )


def _stated(result: KpiResult, stated: str, doubt: str) -> KpiResult:
    filters = "; ".join(filter(None, [result.filter, stated]))
    if not doubt:
        return msgspec.structs.replace(result, filter=filters)
    reason = result.reason if doubt in result.reason else "; ".join(filter(None, [doubt, result.reason]))
    verdict = None if result.verdict is None else UNDECIDED
    return msgspec.structs.replace(result, filter=filters, reason=reason, verdict=verdict, needed_n=None)
