"""One-way figures with the offset of the clocks corrected afterwards: on request only, and marked as such. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import msgspec
import numpy as np

from analytics.clock import GOOD_US, ClockQuality
from analytics.evaluate import evaluate_link
from analytics.link import Link
from analytics.link_scan import LinkScan, scanned
from analytics.offset import ClockOffset, OffsetScanner
from analytics.probes import DelayColumn, ProbeArrays
from analytics.results import MS, KpiResult
from analytics.statistics import Interval
from analytics.subject import Subject

CORRECTED = ("対の最小遅延から時計差を事後補正", "offset corrected afterwards from paired minima")
NOT_CORRECTED = ("時計差を補正できず", "offset not corrected")
KEPT = ("時計の誤差上限の方が小さいため事後補正せず", "offset not corrected: the clocks' own bound is smaller")
_ONE_WAY = {"owd", "delay_cdf", "ipdv", "pdv", "jitter_rfc3550", "reliability", "availability", "outage", "mtbf"}
METHOD = "lines between the hulls of both directions"


def corrected_probes(probes: ProbeArrays, offset: ClockOffset) -> ProbeArrays:
    """Return the packets with one-way delays as clocks without an offset would have measured them."""
    shift = np.rint(offset.of(probes.t_us)).astype(np.int64)
    for direction, sign in (("up", -1), ("down", 1)):
        delay = probes.delays[direction]
        moved = np.where(delay.valid, delay.us.astype(np.int64) + sign * shift, 0)
        probes = probes.with_delay(direction, DelayColumn(moved, delay.valid))
    return probes


def with_offset_corrected(
    results: Sequence[KpiResult], packets: LinkScan, chunks: Callable[[], Iterable[ProbeArrays]], subject: Subject
) -> list[KpiResult]:
    """Return the results of a link with its one-way figures corrected, and the offset and drift themselves.

    `chunks` gives the packets that were read, as often as it is called: once for the offset, once to correct them.

    The figures stay 参考値 and without a verdict unless the bound of the correction is within the profile's
    `clock_within_ms`; then the bound counts as that of the clocks. Where the clocks' own bound is smaller, or where no
    offset can be estimated, the figures stay as they were and say why.
    """
    if not (packets.measured["up"] and packets.measured["down"]):
        return [*results]
    scanner = OffsetScanner()
    for chunk in chunks():
        scanner.add(chunk)
    found = scanner.result()
    clock = subject.clock
    if isinstance(found, str):
        japanese, _, english = found.partition(" / ")
        note = f"{NOT_CORRECTED[0]}: {japanese} / {NOT_CORRECTED[1]}: {english}"
        return [*(_noted(result, note) for result in results), *_offset_rows(found, packets, subject)]
    if clock.bound_us is not None and clock.bound_us <= found.bound_us:
        return [*(_noted(result, " / ".join(KEPT)) for result in results), *_offset_rows(found, packets, subject)]
    figures = f"({found.offset_us / MS:+.4g} ms, {found.drift_ppm:+.4g} ppm, ±{found.bound_us / MS:.4g} ms)"
    note = f"{CORRECTED[0]}{figures} / {CORRECTED[1]} {figures}"
    limit_ms = subject.profile.parameters.clock_within_ms
    is_within = limit_ms is not None and found.bound_us <= limit_ms * MS
    quality = (
        ClockQuality("良" if found.bound_us <= GOOD_US else "粗", found.bound_us)
        if is_within
        else ClockQuality("不明", None, note)
    )
    corrected_subject = replace(subject, clock=quality)
    scan = scanned((corrected_probes(chunk, found) for chunk in chunks()), corrected_subject)
    evaluated = evaluate_link(scan, corrected_subject, data_hash=packets.data_hash())
    anew = {_key(each): each for each in evaluated if _is_one_way(each)}
    corrected = [anew.pop(_key(each), each) if _is_one_way(each) else each for each in results]
    return [*(_noted(each, note) for each in (*corrected, *anew.values())), *_offset_rows(found, packets, subject)]


def _key(result: KpiResult) -> tuple[str, str, str]:
    return result.id, result.direction, result.statistic


def _is_one_way(result: KpiResult) -> bool:
    return result.id in _ONE_WAY and result.direction in {"up", "down"}


def _noted(result: KpiResult, note: str) -> KpiResult:
    if not _is_one_way(result) or note in result.reason:
        return result
    return msgspec.structs.replace(result, reason="; ".join(filter(None, [note, result.reason])))


def _offset_rows(found: ClockOffset | str, packets: LinkScan, subject: Subject) -> list[KpiResult]:
    link = Link(packets, subject)
    if isinstance(found, str):
        return [link.make(kpi, "", "mean", None, n=link.n, reason=found) for kpi in ("clock_offset", "clock_drift")]
    bound, value = found.bound_us / MS, found.offset_us / MS
    note = f"最小往復 {found.round_trip_us / MS:.4g} ms / smallest round trip {found.round_trip_us / MS:.4g} ms"
    interval = Interval(value - bound, value + bound)
    return [
        link.make("clock_offset", "", "mean", value, n=found.n, interval=interval, method=METHOD, reason=note),
        link.make("clock_drift", "", "mean", found.drift_ppm, n=found.n),
    ]
