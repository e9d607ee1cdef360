"""What the charts of a workbook draw: delay and loss over time in equal intervals, and the exact distribution.

Rows come in chunks in the order of time and are let go again: an interval is computed when it is complete, and the
distribution is kept as exact counts per microsecond, so that a day of packets needs no more memory than a minute.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analytics.spans import Span
from analytics.statistics import histogram

MAX_INTERVALS = 300
"""Points of a time series. At A4 width more than about 300 points print as one black band."""

CDF_POINTS = 200
"""Points of a distribution, evenly spaced in share, and denser at the upper end where the requirement lies."""

_P95_LEAST_N = 20
"""With fewer packets the 95th percentile is the maximum by another name."""

_NICE_INTERVALS_S = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)


@dataclass(frozen=True, slots=True, kw_only=True)
class DelaySeries:
    """Delay of one direction of one link. NaN: no packet was sent; inf: the quantile lies among the lost packets.

    `start_us`: int64[m], beginnings of the intervals. `sent`, `lost`: int64[m], of all packets. `median_us`, `p95_us`:
    float64[m], with loss as infinite delay (RFC 7679 5.1), p95 NaN below 20 packets. `cdf_delay_us`, `cdf_share`:
    float64[k], share of the packets that arrived within the delay; it ends below 1 where packets were lost, and is
    empty where no delay was measured. `unmeasured` packets arrived without a delay of this direction; quantiles and
    distribution leave them out.
    """

    device: str
    link: str
    direction: str
    interval_s: int
    start_us: npt.NDArray[np.int64]
    sent: npt.NDArray[np.int64]
    lost: npt.NDArray[np.int64]
    median_us: npt.NDArray[np.float64]
    p95_us: npt.NDArray[np.float64]
    cdf_delay_us: npt.NDArray[np.float64]
    cdf_share: npt.NDArray[np.float64]
    unmeasured: int
    is_reference: bool = False
    """Whether the clocks leave these delays unproven (参考値)."""
    excluded: tuple[Span, ...] = ()
    """Intervals of the run that are left out, start and end in Unix microseconds."""


def choose_interval_s(duration_s: float) -> int:
    """Return the shortest round interval that cuts `duration_s` into at most MAX_INTERVALS."""
    for interval_s in _NICE_INTERVALS_S:
        if duration_s <= interval_s * MAX_INTERVALS:
            return interval_s
    return int(-(-duration_s // (3600 * MAX_INTERVALS))) * 3600


class SeriesBuilder:
    """Builds one `DelaySeries` from chunks in the order of time."""

    def __init__(self, *, device: str, link: str, direction: str, interval_s: int) -> None:
        """Name the series; `interval_s` is the width of its intervals, which start at whole multiples of it."""
        self._device = device
        self._link = link
        self._direction = direction
        self._interval_s = interval_s
        self._open_t = np.empty(0, np.int64)
        self._open_delay = np.empty(0, np.float64)
        self._parts: list[dict[str, npt.NDArray[np.float64]]] = []
        self._counted = histogram(np.empty(0, np.int64))
        self._unmeasured = 0

    def add(
        self,
        t_us: npt.NDArray[np.int64],
        delay_us: npt.NDArray[np.int32],
        *,
        has_delay: npt.NDArray[np.bool_],
        is_lost: npt.NDArray[np.bool_],
    ) -> None:
        """Take the next rows, one a packet sent (no further copies), not earlier than those before."""
        if not t_us.size:
            return
        delay = np.where(is_lost, np.inf, np.where(has_delay, delay_us.astype(np.float64), np.nan))
        self._count(delay)
        all_t, all_delay = np.concatenate([self._open_t, t_us]), np.concatenate([self._open_delay, delay])
        width_us = self._interval_s * 1_000_000
        split = int(np.searchsorted(all_t, all_t[-1] // width_us * width_us))
        self._close(all_t[:split], all_delay[:split])
        self._open_t, self._open_delay = all_t[split:], all_delay[split:]

    def finish(self) -> DelaySeries | None:
        """Return the series, or None if no packet was sent."""
        self._close(self._open_t, self._open_delay)
        if not self._parts:
            return None
        joined = {name: np.concatenate([part[name] for part in self._parts]) for name in self._parts[0]}
        cdf_delay_us, cdf_share = self._distribution()
        return DelaySeries(
            device=self._device,
            link=self._link,
            direction=self._direction,
            interval_s=self._interval_s,
            start_us=joined["start"].astype(np.int64),
            sent=joined["sent"].astype(np.int64),
            lost=joined["lost"].astype(np.int64),
            median_us=joined["median"],
            p95_us=joined["p95"],
            cdf_delay_us=cdf_delay_us,
            cdf_share=cdf_share,
            unmeasured=self._unmeasured,
        )

    def _count(self, delay: npt.NDArray[np.float64]) -> None:
        self._unmeasured += int(np.isnan(delay).sum())
        finite = delay[np.isfinite(delay)].astype(np.int64)
        self._counted = self._counted.merge(histogram(finite, infinite=int(np.isinf(delay).sum())))

    def _close(self, t_us: npt.NDArray[np.int64], delay: npt.NDArray[np.float64]) -> None:
        if not t_us.size:
            return
        interval = t_us // (self._interval_s * 1_000_000)
        order = np.lexsort((delay, interval))
        delay = delay[order]
        starts, first = np.unique(interval[order], return_index=True)
        sent = np.diff(np.append(first, delay.size))
        # NaN sorts last, so the sample is the first part of each interval. Smallest value with F(x) >= q
        # (RFC 2330 11.3), ranks in integers since 0.95 * n is not exact.
        sample = sent - np.add.reduceat(np.isnan(delay).astype(np.int64), first)
        median = np.where(sample > 0, delay[first + np.maximum((sample + 1) // 2 - 1, 0)], np.nan)
        p95 = np.where(sample >= _P95_LEAST_N, delay[first + np.maximum((19 * sample + 19) // 20 - 1, 0)], np.nan)
        lost = np.add.reduceat(np.isinf(delay).astype(np.int64), first)
        self._parts.append(
            {
                "start": starts.astype(np.float64) * self._interval_s * 1e6,
                "sent": sent.astype(np.float64),
                "lost": lost.astype(np.float64),
                "median": median,
                "p95": p95,
            }
        )

    def _distribution(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        counted = self._counted
        if not counted.counts.size:
            return np.empty(0), np.empty(0)
        delays, share = counted.values.astype(np.float64), np.cumsum(counted.counts) / counted.n
        if share.size > CDF_POINTS:
            even = np.linspace(share[0], share[-1], CDF_POINTS // 2)
            tail = share[-1] - np.geomspace(max(share[-1] - share[0], 1e-9), 1 / counted.n, CDF_POINTS // 2)
            wanted = np.unique(np.searchsorted(share, np.concatenate([even, tail, share[[0, -1]]])))
            wanted = wanted[wanted < share.size]
            return delays[wanted], share[wanted]
        return delays, share
