"""Figures of a long window by a waiting time: packets that came later are lost, as far as parts can tell. Pure.

A part has the delays of each direction in buckets of 0.1 %. How many lie above a limit is known but for the bucket that
the limit cuts; which packets those were is not. So what only counts packets has a value, with bounds where that bucket
matters, and what asks which packets they were (patterns of loss, the other directions) has none where any was late.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec
import numpy as np

from analytics.log_histogram import LogHistogram, edges_of
from analytics.part_figures import EXACT, MS, Figure, figures
from analytics.partials import WITHIN_US, DelayPart, Part
from analytics.requirements import Parameters

_RUN = "測定(run)のKPIで算出 / a run's KPIs tell"
WHICH = f"どのパケットが遅れたかは部分結果ではわからない / parts do not tell which packets were late: {_RUN}"
MIXED = (
    "往復遅延のないパケットがあり、遅れた数は部分結果ではわからない / "
    f"some packets have no round trip, and parts do not tell how many were late: {_RUN}"
)
SHORT = f"限度が Tmax より短い / the waiting time is shorter than Tmax: {_RUN}"
SQUARES = f"遅れたパケットの二乗和は部分結果にない / parts have no sum of squares of the late packets: {_RUN}"
UNSURE = f"到着か損失かが限度の0.1 %内で分かれる / in time or lost, within 0.1 % of the limit: {_RUN}"
_PATTERNS = {"loss_burst", "loss_model"}
_TIMED = {"availability", "outage", "mtbf"}
_WAYS = ("up", "down")


def window_figures(part: Part, parameters: Parameters) -> list[Figure]:
    """Return the KPIs of a part by the parameters of a profile, its waiting time too.

    A delay of exactly the limit is in time. Whether a packet was late is told by its round trip, or by its delay up or
    down where the link has no other, as `analytics.waiting_time` does.
    """
    if parameters.lost_after_ms is None:
        return figures(part, parameters)
    limit_us = parameters.lost_after_ms * MS
    if all(delay.max_us <= limit_us for delay in part.delays.values()):
        return [_stated(each, parameters.lost_after_ms, 0, 0) for each in figures(part, parameters)]
    judged_by = _judged_by(part)
    if judged_by is None:
        # By round trips a packet later than Tmax, or without one, failed already.
        is_timed = limit_us >= part.deadlines.t_max_us
        return [
            each if each.id == "absent" or (is_timed and each.id in _TIMED and each.direction == "round_trip")
            else _none(each, MIXED)
            for each in figures(part, parameters)
        ]  # fmt: skip
    surely, perhaps = part.delays[judged_by].at_most(limit_us)
    all_n = part.delays[judged_by].histogram.n
    late = _Late(part, judged_by, limit_us, all_n - perhaps, all_n - surely)
    return [_stated(each, parameters.lost_after_ms, late.least, late.most) for each in late.figures(parameters)]


def _judged_by(part: Part) -> str | None:
    """Return the direction whose delays say of every delivered packet whether it was late; None: none does."""
    known = "round_trip" if "round_trip" in part.delays or len(part.delays) > 1 else next(iter(part.delays))
    delay = part.delays.get(known)
    return known if delay is not None and delay.histogram.n == part.delivered else None


@dataclass(frozen=True, slots=True)
class _Late:
    """A part of whose packets `least` to `most` were later than a limit, by their delays in one direction."""

    part: Part
    by: str
    limit_us: float
    least: int
    most: int

    def figures(self, parameters: Parameters) -> list[Figure]:
        """Return what remains of the figures: with none and with all of the bucket that the limit cuts as late."""
        if not self.most:
            return figures(self.part, parameters)
        few, many = (figures(self._counted(late), parameters) for late in (self.least, self.most))
        by_key = {_key(each): each for each in few}
        found = [self._judged(by_key.get(_key(each)), each) for each in many]
        known = {_key(each) for each in many}
        return [*found, *(_none(each, WHICH) for each in few if _key(each) not in known)]

    def _counted(self, late: int) -> Part:
        """Return the part with so many late packets lost; how these spread over time is not in it."""
        part = self.part
        losses = replace(part.losses, lost=part.losses.lost + late)
        name = self.by if self.by in _WAYS else "unknown"
        setattr(losses, name, getattr(losses, name) + late)
        rest = _in_time(part.delays[self.by], self.limit_us, late)
        # Where all were late nothing arrived any more, in whichever direction.
        delays = {**part.delays, self.by: rest} if rest.histogram.n else {}
        return replace(part, losses=losses, delays=delays)

    def _judged(self, few: Figure | None, many: Figure) -> Figure:
        if reason := self._refused(many):
            return _none(many, reason)
        if many.id == "loss" and not self.part.losses.lost and self.part.absent:
            total = self.part.losses.sent + self.part.absent
            share = f"{self.least / total:g} to {(self.most + self.part.absent) / total:.4g}"
            note = f"欠番 {self.part.absent}/{total}: 未測定か損失か区別できない / not measured or lost: {share}"
            return _none(many, note)
        if (many.id, many.direction, many.statistic) in {("rtt", self.by, "mean"), ("owd", self.by, "mean")}:
            return self._mean(many)
        if few is None or (few.value is None) != (many.value is None):
            return _none(many, UNSURE)
        if few.value is None or many.value is None:
            return many
        low, high = sorted((few.value, many.value))
        if many.statistic == "max" and many.id in {"rtt", "owd"}:
            low, high = self._largest()
        return many if low == high else _between(many, low, high)

    def _refused(self, figure: Figure) -> str:
        """Return why a figure is not known where packets were late; nothing where it is."""
        if figure.id in _TIMED:
            # A packet later than Tmax failed already.
            is_known = figure.direction == self.by and self.limit_us >= self.part.deadlines.t_max_us
            return "" if is_known else SHORT if figure.direction == self.by else WHICH
        if figure.id in _PATTERNS:
            return WHICH
        if figure.id == "loss":
            return WHICH if figure.direction in _WAYS and self.by == "round_trip" else ""
        if figure.id in {"rtt", "owd"} and figure.statistic == "std":
            return SQUARES
        return WHICH if figure.direction in _WAYS and figure.direction != self.by else ""

    def _mean(self, figure: Figure) -> Figure:
        """Return the mean of the packets in time, between what their buckets and those of the late ones allow."""
        delay = self.part.delays[self.by]
        low, high = edges_of(delay.histogram.buckets)
        counts, ends = delay.histogram.counts, []
        for late in (self.least, self.most):
            rest = _in_time(delay, self.limit_us, late).histogram
            in_time = np.zeros_like(counts)
            in_time[np.searchsorted(delay.histogram.buckets, rest.buckets)] = rest.counts
            gone = counts - in_time
            if rest.n:
                least = max(int((in_time * low).sum()), delay.sum_us - int((gone * high).sum()))
                most = min(int((in_time * high).sum()), delay.sum_us - int((gone * low).sum()))
                ends += [least / rest.n, most / rest.n]
        low_ms, high_ms = min(ends) / MS, min(max(ends), self.limit_us) / MS
        middle = msgspec.structs.replace(figure, value=(low_ms + high_ms) / 2)
        return middle if low_ms == high_ms else _between(middle, low_ms, high_ms)

    def _largest(self) -> tuple[float, float]:
        """Return the bounds of the largest delay in time, in ms."""
        delay = self.part.delays[self.by]
        ends = []
        for late in (self.least, self.most):
            buckets = _in_time(delay, self.limit_us, late).histogram.buckets
            if buckets.size:
                low, high = edges_of(buckets[-1:])
                ends += [int(low[0]), min(int(high[0]), self.limit_us)]
        return min(ends) / MS, max(ends) / MS


def _in_time(delay: DelayPart, limit_us: float, late: int) -> DelayPart:
    """Return the delays without so many late ones, the largest; their sums are those of bucket middles."""
    low, high = edges_of(delay.histogram.buckets)
    counts = np.where(high <= limit_us, delay.histogram.counts, 0)
    cut = np.flatnonzero((low <= limit_us) & (high > limit_us))
    counts[cut] = delay.histogram.n - late - int(counts.sum())
    some = counts > 0
    rest = LogHistogram(delay.histogram.buckets[some], counts[some])
    within = None
    if delay.within is not None:
        within = tuple(
            min(count, rest.n) if within_us <= limit_us else rest.n
            for within_us, count in zip(WITHIN_US, delay.within, strict=True)
        )
    highest = int(min(high[some][-1], limit_us)) if rest.n else delay.min_us
    return DelayPart(rest, 0, 0, delay.min_us, min(highest, delay.max_us), within)


def _key(figure: Figure) -> tuple[str, str, str]:
    return figure.id, figure.direction, figure.statistic


def _none(figure: Figure, reason: str) -> Figure:
    return msgspec.structs.replace(figure, value=None, precision=EXACT, note=reason)


def _between(figure: Figure, low: float, high: float) -> Figure:
    words = f"{low:.6g} から {high:.6g} / {low:.6g} to {high:.6g}"
    precision = "; ".join(dict.fromkeys(filter(None, [figure.precision, words])))
    return msgspec.structs.replace(figure, precision=precision, low=low, high=high)


def _stated(figure: Figure, limit_ms: float, least: int, most: int) -> Figure:
    """Return a figure with the waiting time and how many came later."""
    if figure.id == "absent":
        return figure
    n_ja, n_en = (f"{least}", f"{least}") if least == most else (f"{least}〜{most}", f"{least} to {most}")
    words = (
        f"{limit_ms:g} ms を超えて届いた {n_ja} パケットを損失とした / "
        f"{n_en} packets later than {limit_ms:g} ms counted as lost"
    )
    return msgspec.structs.replace(figure, note="; ".join(filter(None, [figure.note, words])))
