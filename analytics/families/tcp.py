"""TCP by RFC 6349: transfer time over the ideal one, resent bytes, queues that a transfer fills, the window. Pure.

The ideal rate and the size of a segment are facts of the path that no test tells: the requirements state them, and
without them what they are needed for is not computed. Round trips are those of the link's own probes.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from analytics.families.throughput import at_points, rates_bps
from analytics.figures import Figures
from analytics.packet_watch import TransferDelays
from analytics.results import MS, Direction, KpiResult
from analytics.series import Floats, Series
from analytics.spans import Span, merged
from analytics.statistics import Interval, effective_n, mean_interval, proportion_interval, rank
from analytics.subject import BINOMIAL, NONE, STUDENT

_MBIT = 1e6
_LONGEST_S = 86_400.0
NOTHING_SENT = "転送なし / nothing was transferred"
NO_ROUND_TRIP = "試験中の往復遅延の測定なし / no round trip was measured during the tests"
NO_BASELINE = "試験以外の時間の往復遅延なし / no round trip was measured outside of the tests"
UNSOUND = "試験以外でも経路が不良(RFC 6349 3の目安を超過) / the path itself was not sound without a test"
_MOST_LOSS, _MOST_PDV_MS = 0.05, 150.0
_DIRECTIONS: tuple[Direction, ...] = ("up", "down")


def transfers_asked(tests: Series) -> TransferDelays | None:
    """Return what must be known of the packets: round trips during TCP tests and without any; None: there is none."""
    # A test at a measuring point loads the link too: outside of any test is outside of those.
    found: dict[str, list[Span]] = {direction: _spans(_of(tests, direction)) for direction in _DIRECTIONS}
    by_direction = {direction: spans for direction, spans in found.items() if spans}
    return TransferDelays(_spans(tests), by_direction) if by_direction else None


def evaluate_tcp(tests: Series, figures: Figures, note: str = "") -> list[KpiResult]:
    """Return the KPIs that the TCP tests of a link have by themselves; `note` is said beside each (`path_note`)."""
    return [
        result for direction in _DIRECTIONS if (mine := _of(tests, direction)).n
        for result in _transfer(mine, direction, figures, note)
    ]  # fmt: skip


def tcp_queues(tests: Series, seen: TransferDelays | None, figures: Figures) -> list[KpiResult]:
    """Return what TCP tests did to the round trips of the link's packets (`seen`; None: there are no packets)."""
    return [
        result for direction in _DIRECTIONS if _of(tests, direction).n
        for result in _queues(direction, seen, figures)
    ]  # fmt: skip


def path_note(seen: TransferDelays | None) -> str:
    """Say that the path was not sound without any test, where it was not: TCP figures mean little then (RFC 6349 3).

    The RFC's guideline: a loss of 5 %, or a jitter of 150 ms, which is taken as PDV (99.9 % less the smallest).
    """
    if seen is None:
        return ""
    found, idle = [], seen.idle()
    if seen.idle_lost > _MOST_LOSS * seen.idle_sent:
        found.append(f"損失 loss {100 * seen.idle_lost / seen.idle_sent:.3g} %")
    if idle.n:
        pdv_ms = (idle.at([rank("0.999", idle.n)])[0] - float(idle.values[0])) / MS
        found += [f"PDV {pdv_ms:.4g} ms"] if pdv_ms > _MOST_PDV_MS else []
    return f"{UNSOUND}: {', '.join(found)}" if found else ""


def _of(tests: Series, direction: str) -> Series:
    """Return the TCP tests of a direction but for those at measuring points, which are of a place, not of the drive."""
    is_mine = (tests.text("direction") == direction) & (tests.text("protocol") == "tcp")
    return tests.where(np.asarray(is_mine, np.bool_) & ~at_points(tests))


def _spans(tests: Series) -> list[Span]:
    """Return when tests ran: a row ends the interval that it is of."""
    length_s = tests.number("interval_s")
    is_known = (length_s > 0) & (length_s <= _LONGEST_S)
    ends, lengths = tests.t_us[is_known], np.rint(1e6 * length_s[is_known]).astype(np.int64)
    return merged(list(zip((ends - lengths).tolist(), ends.tolist(), strict=True)))


def _ideal_bps(direction: Direction, figures: Figures) -> float | None:
    parameters = figures.subject.profile.parameters
    ideal = parameters.tcp_ideal_up_mbps if direction == "up" else parameters.tcp_ideal_down_mbps
    return None if ideal is None else ideal * _MBIT


def _transfer(tests: Series, direction: Direction, figures: Figures, note: str) -> Iterator[KpiResult]:
    """Yield the transfer time ratio and the efficiency."""
    ideal_bps = _ideal_bps(direction, figures)
    if ideal_bps is not None:
        ratio_of_times = _time_ratio(rates_bps(tests), tests.number("interval_s"), ideal_bps, direction, figures)
        yield (
            ratio_of_times
            if ratio_of_times.value is None
            else msgspec.structs.replace(ratio_of_times, reason="; ".join(filter(None, [note, ratio_of_times.reason])))
        )
    segment_bytes = figures.subject.profile.parameters.tcp_segment_bytes
    sent, resent = tests.number("bytes"), tests.number("retransmits")
    is_known = np.isfinite(sent) & np.isfinite(resent)
    if segment_bytes is None or not is_known.any():
        return
    useful = sent[is_known] / segment_bytes
    total = useful + resent[is_known]
    filters = f"再送1件 = {segment_bytes:g} B / a segment resent is {segment_bytes:g} B"
    if not total.any():
        yield figures.make("tcp_efficiency", "ratio", None, n=0, direction=direction, reason=NOTHING_SENT)
        return
    useful, total = useful[total > 0], total[total > 0]
    ratio, worth = float(useful.sum() / total.sum()), effective_n(useful / total)
    # An interval is one sample: what is resent comes in bursts.
    yield figures.make(
        "tcp_efficiency", "ratio", ratio, n=int(total.size), direction=direction, n_eff=worth, method=BINOMIAL,
        interval=proportion_interval(ratio * worth, worth, confidence=figures.confidence), filters=filters,
        reason=note,
    )  # fmt: skip


def _time_ratio(rates: Floats, length_s: Floats, ideal_bps: float, direction: Direction, figures: Figures) -> KpiResult:
    """Return how much longer the transfer took than at the ideal rate: the ideal rate over that of all the bytes."""
    is_known = np.isfinite(rates) & np.isfinite(length_s)
    rates, length_s = rates[is_known], length_s[is_known]
    bits, n = float((rates * length_s).sum()), int(rates.size)
    filters = f"理想 {ideal_bps / _MBIT:g} Mbit/s / ideal"
    if bits <= 0:
        return figures.make(
            "tcp_transfer_time_ratio", "mean", None, n=0, direction=direction, reason=NOTHING_SENT, filters=filters
        )
    mean_bps, worth = bits / float(length_s.sum()), effective_n(rates)
    around = mean_interval(mean_bps, float(rates.std()), worth, figures.confidence)
    interval = NONE
    if around.low is not None and around.high is not None:
        # A rate whose lower bound is nothing leaves the time unbounded.
        interval = Interval(ideal_bps / around.high, ideal_bps / around.low if around.low > 0 else None)
    return figures.make(
        "tcp_transfer_time_ratio", "mean", ideal_bps / mean_bps, n=n, direction=direction, interval=interval,
        n_eff=worth, method=STUDENT, filters=filters,
    )  # fmt: skip


def _queues(direction: Direction, seen: TransferDelays | None, figures: Figures) -> Iterator[KpiResult]:
    """Yield the delay of the buffers that a transfer fills, and the window that the ideal rate asks for."""
    during = None if seen is None else seen.during(direction)
    idle = None if seen is None else seen.idle()
    idle_us = float(idle.values[0]) if idle is not None and idle.n else 0.0
    if idle is None or during is None or idle_us <= 0:
        reason = NO_ROUND_TRIP if during is None else NO_BASELINE
        yield figures.make("tcp_buffer_delay", "ratio", None, n=0, direction=direction, reason=reason)
        return
    counted, worth = during
    filters = f"基準 {idle_us / MS:g} ms / baseline"
    around = mean_interval(counted.mean, counted.deviation, worth, figures.confidence)
    yield figures.make(
        "tcp_buffer_delay", "ratio", counted.mean / idle_us - 1, n=counted.n, direction=direction, n_eff=worth,
        method=STUDENT, filters=filters, reason=path_note(seen),
        interval=Interval(*(None if end is None else max(end, 0.0) / idle_us - 1 for end in (around.low, around.high))),
    )  # fmt: skip
    ideal_bps = _ideal_bps(direction, figures)
    if ideal_bps is not None:
        kilobytes = ideal_bps * idle_us / 1e6 / 8 / 1000
        filters = f"理想 {ideal_bps / _MBIT:g} Mbit/s / ideal; {filters}"
        yield figures.make("tcp_window", "min", kilobytes, n=idle.n, direction=direction, filters=filters)
