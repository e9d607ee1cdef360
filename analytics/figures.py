"""From arrays to results: the statistics that every family of KPIs shares, each with its interval and its verdict.

Pure. Delay, loss and availability of a link have rules of their own and live in their own modules.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from analytics.definitions import BY_ID
from analytics.doubt import Doubt
from analytics.results import Direction, KpiResult
from analytics.series import Floats
from analytics.special import poisson_lower, poisson_upper
from analytics.statistics import (
    CONFIDENCE,
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
from analytics.subject import BINOMIAL, NONE, ORDER, STUDENT, Subject, result_of

NO_VALUES = "値なし / no values"
ALL_ALIKE = "全て同じ結果: 独立性が分からず区間なし / all fared alike: no interval without knowing what they are worth"
POISSON = "Poisson (exact)"
UNANSWERED = "応答なし: この順位は応答のない指令に当たる / the rank lies among what never came"
ABOVE = "内訳が総数を超える: 記録の矛盾 / more than there were: the record contradicts itself"
_PLAIN: dict[str, Callable[[Floats], float]] = {
    "min": lambda values: float(values.min()),
    "max": lambda values: float(values.max()),
    "std": lambda values: float(values.std()),
}


@dataclass(frozen=True, slots=True)
class Figures:
    """Makes the results of one subject from one set of data; `confidence` is that of the intervals."""

    subject: Subject
    data_hash: str
    confidence: float = CONFIDENCE

    def make(
        self, kpi: str, statistic: str, value: float | None, *, n: int, direction: Direction = "",
        interval: Interval = NONE, n_eff: int | None = None, method: str = "", reason: str = "", filters: str = "",
        unit: str = "", is_judged: bool = True, doubt: Doubt | None = None,
    ) -> KpiResult:  # fmt: skip
        """Build one result and judge it (`analytics.subject.result_of`)."""
        return result_of(
            self.subject, kpi, direction, statistic, value, data_hash=self.data_hash, n=n,
            interval=interval, n_eff=n_eff, method=method, reason=reason, filters=filters, unit=unit,
            is_judged=is_judged, doubt=doubt,
        )  # fmt: skip

    def spread(
        self, kpi: str, values: Floats, *, direction: Direction = "", filters: str = "", infinite: int = 0,
        mean: float | None = None, reason: str = "", at_least: float = -math.inf,
        doubt: Callable[[Interval], Doubt] | None = None,
    ) -> Iterator[KpiResult]:  # fmt: skip
        """Yield the statistics that the definition names of values in order of time; NaN are left out.

        `infinite` more values never came; `mean` replaces the plain mean where another weighting is the right one;
        no bound of an interval goes below `at_least` (a delay is never negative, whatever Student's formula says).
        `doubt` gives what else an interval may be off by.
        Known statistics: mean, mean_linear (of decibels), std, min, max and pQ.
        """
        known = values[np.isfinite(values)]
        if not known.size and not infinite:
            yield self.make(
                kpi, BY_ID[kpi].statistics[0], None, n=0, direction=direction, reason=reason or NO_VALUES,
                filters=filters,
            )  # fmt: skip
            return
        n_eff = effective_n(known)
        distinct, counts = np.unique(known, return_counts=True)
        # A histogram counts microseconds by its types; the order statistics of decibels are found the same way.
        counted = Histogram(cast("npt.NDArray[np.int64]", distinct), counts.astype(np.int64), infinite)
        unit = BY_ID[kpi].unit
        for statistic in BY_ID[kpi].statistics:
            interval, method, n, worth = NONE, "", int(known.size), None
            note = reason
            if is_quantile(statistic):
                q = share_of(statistic)
                n = counted.n
                worth = max(int(n_eff * n / max(known.size, 1)), 1)
                value: float | None = counted.at([rank(q, n)])[0]
                interval, method = quantile_interval(counted, q, worth, self.confidence), ORDER
                if value is not None and math.isinf(value):
                    note = UNANSWERED
            elif not known.size:
                continue
            elif statistic == "mean":
                value = float(known.mean()) if mean is None else mean
                interval = mean_interval(value, float(known.std()), n_eff, self.confidence)
                method, worth = STUDENT, n_eff
            elif statistic == "mean_linear":
                value, interval, method, worth = *_linear(known, n_eff, self.confidence), STUDENT, n_eff
            else:
                value = _PLAIN[statistic](known)
            if interval.low is not None and interval.low < at_least:
                interval = Interval(at_least if value is None else min(at_least, value), interval.high)
            yield self.make(
                kpi, statistic, value, n=n, direction=direction, interval=interval, n_eff=worth, method=method,
                reason=note, filters=filters, unit="dB" if (statistic, unit) == ("std", "dB[mW]") else "",
                doubt=None if doubt is None else doubt(interval),
            )  # fmt: skip

    def share(
        self, kpi: str, hits: npt.NDArray[Any], *, weights: Floats | None = None, level: Floats | None = None,
        direction: Direction = "", statistic: str = "ratio", filters: str = "", reason: str = "",
    ) -> KpiResult:  # fmt: skip
        """Return the (weighted) share of true values, in order of time or place, as a ratio with its interval.

        `level` is what was held against a threshold, NaN where there was nothing: the share is worth no more than it.
        That nothing fell below the threshold, or only once, is no sign of independence. Without any known level and
        with all true or none, the share is worth one.
        """
        n = int(hits.size)
        total = float(n if weights is None else weights.sum())
        if not n or not total:
            return self.make(
                kpi, statistic, None, n=0, direction=direction, reason=reason or NO_VALUES, filters=filters
            )
        held = hits.astype(np.float64)
        ratio = float(held.mean() if weights is None else (held * weights).sum() / total)
        n_eff = effective_n(held)
        if level is not None:
            known = level[np.isfinite(level)]
            if known.size:
                n_eff = max(min(n_eff, effective_n(known) * n // known.size), 1)
            elif (held == held[0]).all():
                n_eff = 1
        if weights is not None:
            # Unequal weights are worth fewer samples (Kish): (sum w)^2 / sum w^2.
            n_eff = max(int(n_eff * total**2 / float((weights**2).sum()) / n), 1)
        interval = proportion_interval(ratio * n, n, n_eff, self.confidence)
        return self.make(
            kpi, statistic, ratio, n=n, direction=direction, interval=interval, n_eff=n_eff, method=BINOMIAL,
            reason=reason, filters=filters,
        )  # fmt: skip

    def counted(
        self, kpi: str, hits: int, n: int, n_eff: int, *, direction: Direction = "", statistic: str = "ratio"
    ) -> KpiResult:
        """Return a share that was counted elsewhere; where all fared alike nothing says what they are worth."""
        if not n:
            return self.make(kpi, statistic, None, n=0, direction=direction, reason=NO_VALUES)
        if hits in {0, n}:
            return self.make(kpi, statistic, hits / n, n=n, direction=direction, reason=ALL_ALIKE)
        return self.make(
            kpi, statistic, hits / n, n=n, direction=direction, interval=proportion_interval(hits, n, n_eff),
            n_eff=n_eff, method=BINOMIAL,
        )  # fmt: skip

    def events(
        self, kpi: str, number: int, *, n: int | None = None, statistic: str = "count", filters: str = "",
        reason: str = "", is_judged: bool = True,
    ) -> KpiResult:  # fmt: skip
        """Return how often something happened, none of it for another's sake, with the exact interval of Poisson's law.

        `n` is what the result states as its n: the number itself unless it is given.
        """
        tail = (1 + self.confidence) / 2
        return self.make(
            kpi, statistic, float(number), n=number if n is None else n, method=POISSON, filters=filters, reason=reason,
            interval=Interval(poisson_lower(number, tail), poisson_upper(number, tail)), is_judged=is_judged,
        )  # fmt: skip

    def pooled(
        self, kpi: str, hits: Floats, totals: Floats, *, direction: Direction = "", filters: str = ""
    ) -> KpiResult:
        """Return the ratio of two sums over intervals; an interval counts as one sample: its packets are no trials."""
        if hits.sum() > totals.sum():
            return self.make(
                kpi, "ratio", None, n=int(totals.sum()), direction=direction, filters=filters, reason=ABOVE
            )
        n_eff = effective_n(hits / totals)
        ratio = float(hits.sum() / totals.sum())
        return self.make(
            kpi, "ratio", ratio, n=int(totals.sum()), direction=direction, n_eff=n_eff, method=BINOMIAL,
            interval=proportion_interval(ratio * n_eff, n_eff, confidence=self.confidence), filters=filters,
            reason="区間ごとに1標本とみなす / an interval is one sample",
        )  # fmt: skip


def _linear(decibels: Floats, n_eff: int, confidence: float) -> tuple[float, Interval]:
    """Return the mean in the linear domain, in decibels, with its interval."""
    # Relative to the largest, so that no power is beyond what a double holds.
    largest = float(decibels.max())
    with np.errstate(over="ignore", under="ignore"):
        linear = 10 ** ((decibels - largest) / 10)
    interval = mean_interval(float(linear.mean()), float(linear.std()), n_eff, confidence)
    low = None if interval.low is None or interval.low <= 0 else largest + 10 * math.log10(interval.low)
    high = None if interval.high is None else largest + 10 * math.log10(interval.high)
    return largest + 10 * math.log10(float(linear.mean())), Interval(low, high)
