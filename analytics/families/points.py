"""Effective speed over measuring points, by protocol and direction: a point is one sample, its tests are not. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import msgspec
import numpy as np
import numpy.typing as npt

from analytics.definitions import BY_ID
from analytics.doubt import Doubt
from analytics.figures import Figures
from analytics.points import Points, points_of
from analytics.results import Direction, KpiResult
from analytics.series import Floats, Series
from analytics.statistics import (
    Histogram,
    Interval,
    effective_n,
    is_quantile,
    mean_interval,
    proportion_interval,
    quantile_interval,
    rank,
    share_of,
)
from analytics.subject import BINOMIAL, NONE, ORDER, STUDENT

_MBIT = 1e6
_NAMED = 10
MIGHT_DECIDE = "値のない地点の結果次第で判定が変わる / points without a value could turn the verdict"
_PLAIN: dict[str, Callable[[Floats], float]] = {
    "min": lambda values: float(values.min()),
    "max": lambda values: float(values.max()),
}


def evaluate_points(tests: Series, figures: Figures) -> list[KpiResult]:
    """Return the effective speeds of a link over its measuring points; nothing where no test was made at one."""
    directions: tuple[Direction, ...] = ("up", "down")
    return [
        result
        for direction in directions
        for protocol in ("tcp", "udp")
        if (points := points_of(tests, direction, protocol)) is not None
        for result in _of_one(points, direction, protocol, figures)
    ]


def lacking(points: Points, least: int) -> str:
    """Return which points have too few tests to count, "" where all have enough."""
    short = [
        f"{name}({count}回)"
        for name, count, enough in zip(
            points.names, points.tests.tolist(), points.is_complete(least).tolist(), strict=True
        )
        if not enough
    ]
    if not short:
        return ""
    named = ", ".join(short[:_NAMED]) + (" ..." if len(short) > _NAMED else "")
    return (
        f"値のある試行が{least}回未満の地点 {len(short)}: {named} を除く / without {len(short)} points that have fewer "
        f"than {least} tests with a value: {named}"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """The speeds (Mbit/s) of the points that have one, in order of time, and how many points have none."""

    speeds: Floats
    missing: int
    confidence: float

    @property
    def n(self) -> int:
        return int(self.speeds.size)

    def n_eff(self) -> int:
        """Points next to one another are tested one after the other, and fare alike."""
        return effective_n(self.speeds)

    def figure(self, statistic: str) -> tuple[float, Interval, str]:
        """Return value, interval and method of one statistic."""
        if is_quantile(statistic):
            counted, q = _counted(self.speeds), share_of(statistic)
            interval = quantile_interval(counted, q, self.n_eff(), self.confidence)
            return counted.at([rank(q, counted.n)])[0], interval, ORDER
        if statistic == "mean":
            mean = float(self.speeds.mean())
            deviation = float(self.speeds.std())
            return mean, mean_interval(mean, deviation, self.n_eff(), self.confidence, at_least=0.0), STUDENT
        return _PLAIN[statistic](self.speeds), NONE, ""

    def doubt(self, statistic: str) -> Doubt | None:
        """Return where a statistic lies whatever the missing points would have given: nothing at all, or any speed."""
        if not self.missing:
            return None
        if not self.n:
            return Doubt(NONE, MIGHT_DECIDE)
        worst = np.concatenate([self.speeds, np.zeros(self.missing)])
        if is_quantile(statistic):
            q, worth = share_of(statistic), self._worth(self.n_eff())
            low = quantile_interval(_counted(worst), q, worth, self.confidence).low
            high = quantile_interval(_counted(self.speeds, self.missing), q, worth, self.confidence).high
            return Doubt(Interval(low, high), MIGHT_DECIDE)
        if statistic == "mean":
            deviation = float(worst.std())
            low = mean_interval(float(worst.mean()), deviation, self._worth(self.n_eff()), self.confidence).low
            return Doubt(Interval(low, None), MIGHT_DECIDE)
        return Doubt(NONE, MIGHT_DECIDE)

    def doubt_of_share(self, hits: int, n_eff: int) -> Doubt | None:
        """Return where a share of the points lies whether none of the missing ones is a hit, or all of them are."""
        if not self.missing:
            return None
        every, worth = self.n + self.missing, self._worth(n_eff)
        low = proportion_interval(hits, every, worth, self.confidence).low
        high = proportion_interval(hits + self.missing, every, worth, self.confidence).high
        return Doubt(Interval(low, high), MIGHT_DECIDE)

    def _worth(self, n_eff: int) -> int:
        return max(n_eff * (self.n + self.missing) // self.n, 1)


def _of_one(points: Points, direction: Direction, protocol: str, figures: Figures) -> Iterator[KpiResult]:
    least = figures.subject.profile.parameters.point_tests
    complete = points.is_complete(least)
    sample = _Sample(
        speeds=points.mean_bps[complete] / _MBIT, missing=int((~complete).sum()), confidence=figures.confidence
    )
    reason = lacking(points, least)
    tests = int(points.tests[complete].sum())
    filters = (
        f"{sample.n} 地点、試行 {tests} 回(1地点 {least} 回以上)、地点の値は試行の平均 / "
        f"{sample.n} points, {tests} tests ({least} at least a point), a point being the mean of its tests"
    )
    kpi = f"point_throughput_{protocol}"
    for statistic in BY_ID[kpi].statistics:
        value, interval, method = sample.figure(statistic) if sample.n else (None, NONE, "")
        yield figures.make(
            kpi, statistic, value, n=sample.n, direction=direction, interval=interval, method=method,
            n_eff=sample.n_eff() if method else None, reason=reason, filters=filters, doubt=sample.doubt(statistic),
        )  # fmt: skip
    required = getattr(figures.subject.profile.parameters, f"required_{direction}_mbps")
    if required is not None:
        filters = f"{protocol.upper()} ≧ {required:g} Mbit/s; {filters}"
        found = _sufficiency(sample, required, direction, figures)
        yield msgspec.structs.replace(found, variant=protocol, filter=filters, reason=_joined(found.reason, reason))


def _sufficiency(sample: _Sample, required: float, direction: Direction, figures: Figures) -> KpiResult:
    kpi, statistic = "point_sufficiency", "ratio"
    if not sample.n:
        return figures.make(kpi, statistic, None, n=0, direction=direction, doubt=Doubt(NONE, MIGHT_DECIDE))
    reached = sample.speeds >= required
    hits, n = int(reached.sum()), sample.n
    # That all reach it, or none, is no sign of independence: the share is worth no more than the speeds.
    n_eff = min(sample.n_eff(), effective_n(reached.astype(np.float64)))
    return figures.make(
        kpi, statistic, hits / n, n=n, direction=direction, n_eff=n_eff, method=BINOMIAL,
        interval=proportion_interval(hits, n, n_eff, figures.confidence), doubt=sample.doubt_of_share(hits, n_eff),
    )  # fmt: skip


def _joined(*parts: str) -> str:
    return "; ".join(filter(None, parts))


def _counted(values: Floats, infinite: int = 0) -> Histogram:
    distinct, counts = np.unique(values, return_counts=True)
    return Histogram(cast("npt.NDArray[np.int64]", distinct), counts.astype(np.int64), infinite)
