"""What observed time is worth for an availability: outages are the events, not seconds. Pure.

An availability is a sum of durations. Where outages begin at random (Poisson) that sum has the variance u s / T: u the
share of time down, T the observed time, s = E[d^2] / E[d] the mean duration of the outage that a random instant of down
time lies in (compound Poisson; twice the mean for exponential durations). So the time is worth T / s independent
trials. Few outages say little about s, and none says nothing: what an outage would have lasted is then assumed, and
stated beside the figure.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.requirements import Parameters
from analytics.results import MS
from analytics.statistics import effective_n

METHOD = "Clopper-Pearson on time / outage duration"


def assumed_s(parameters: Parameters, observed_s: float, n_eff: int) -> float:
    """Return how long (s) an outage is assumed to last where too few were seen to tell.

    The largest of what the profile says, what makes an outage at all (Tmax and survival time), and the time over which
    the packets' fates hang together: `n_eff` is the worth of all packets in that time (`Link.loss_n_eff`).
    """
    least_s = (parameters.t_max_ms + parameters.survival_ms) / MS
    return max(parameters.outage_s, least_s, observed_s / max(n_eff, 1))


def outage_scale_s(durations_s: npt.NDArray[np.float64], assumed: float) -> float:
    """Return s, the mean duration (s) of the outage in which a random instant of down time lies.

    None seen: as assumed. Otherwise the larger of what was seen, and of twice the mean (exponential durations) with one
    more outage as long as the longest or the assumed one, which matters less the more were seen.
    """
    if not durations_s.size:
        return assumed
    total, longest = float(durations_s.sum()), float(durations_s.max())
    seen = float(np.square(durations_s).sum()) / total
    return max(seen, 2 * (total + max(longest, assumed)) / (durations_s.size + 1))


def uptime_worth(
    up_by_second: npt.NDArray[Any], durations_us: npt.NDArray[np.int64], observed_us: int, assumed: float
) -> int:
    """Return how many independent trials the observed time is worth: by its outages, or less where they crowd.

    `up_by_second` is the share of each observed second in which the service was up; `assumed` in s.
    """
    lasted_s = durations_us[durations_us > 0] / 1e6
    by_outages = int(observed_us / 1e6 / outage_scale_s(lasted_s, assumed))
    return max(min(by_outages, effective_n(up_by_second)), 1)


def said(outages: int, assumed: float) -> str:
    """Return what was assumed, in words."""
    if outages:
        return f"少数の停止には1件 {assumed:.3g} s を加味 / one more outage of {assumed:.3g} s reckoned with"
    return f"停止なし: 1件 {assumed:.3g} s と仮定 / no outage: one is assumed to last {assumed:.3g} s"
