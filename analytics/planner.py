"""How much must be measured: packets and hours that can demonstrate a reliability, given the burstiness.

Two numbers, for as many failures as one is prepared to see. The usual table is that of the one-sided exact binomial
bound at 95 % (Clopper-Pearson). A verdict takes more: 達成 asks the whole two-sided 95 % interval to lie above the
target, which is the one-sided bound at 97.5 %. The plan is for the verdict. Packets that come in bursts are worth
fewer: the measured worth (n_eff / n) stretches the plan, and then a failure is a burst. Choose both before measuring;
stopping when the number looks good is no demonstration.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from analytics.special import binomial_cdf
from analytics.statistics import CONFIDENCE

TARGETS = (0.99, 0.999, 0.9999, 0.99999, 0.999999)
FAILURES = (0, 1, 2, 3, 5, 10)
VERDICT_CONFIDENCE = (1 + CONFIDENCE) / 2
"""One-sided level of the lower end of the two-sided interval that a verdict looks at."""
_LARGEST = 10**12


class PlanError(ValueError):
    """Raised when nothing can be planned; the message says what is asked for."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a plan.

    `packets`: independent ones whose one-sided 95 % bound shows the target. `packets_verdict`: independent ones whose
    two-sided 95 % interval does, which is what 達成 takes. `packets_needed` and `hours`: those with the measured worth.
    """

    target: float
    failures: int
    packets: int
    packets_verdict: int
    worth: float
    packets_needed: int
    rate_per_s: float
    hours: float


def packets_for(target: float, failures: int, confidence: float = CONFIDENCE) -> int:
    """Return the fewest independent packets that show `target` with so many failures, one-sided.

    At 95 % these are the usual table; at VERDICT_CONFIDENCE they are what 達成 takes.
    Raises PlanError for a target outside ]0, 1[.
    """
    if not 0 < target < 1:
        raise PlanError(f"target {target:g} must lie between 0 and 1, e.g. 0.999")
    if failures == 0:
        return math.ceil(math.log(1 - confidence) / math.log(target))
    low, high = failures, failures + 1
    while binomial_cdf(failures, high, 1 - target) > 1 - confidence:
        low, high = high, high * 2
        if high > _LARGEST:
            raise PlanError(f"target {target:g} needs more than {_LARGEST:g} packets")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if binomial_cdf(failures, middle, 1 - target) <= 1 - confidence else (middle, high)
    return high


def plan(
    rate_per_s: float, worth: float = 1.0, targets: Sequence[float] = TARGETS, failures: Sequence[int] = FAILURES
) -> list[Plan]:
    """Return the plans for every target and number of failures.

    `worth` is n_eff / n of a measurement like the planned one (1: independent packets). Raises PlanError.
    """
    if rate_per_s <= 0:
        raise PlanError("the rate must be positive: packets a second")
    if not 0 < worth <= 1:
        raise PlanError("the worth of a packet must lie in ]0, 1]: n_eff / n of a measured run")
    lines = []
    for target in targets:
        for failed in failures:
            packets = packets_for(target, failed)
            for_verdict = packets_for(target, failed, VERDICT_CONFIDENCE)
            needed = math.ceil(for_verdict / worth)
            # A worth such as 1/3 rounds.
            needed += int(needed * worth) < for_verdict
            hours = needed / rate_per_s / 3600
            line = Plan(
                target=target, failures=failed, packets=packets, packets_verdict=for_verdict, worth=worth,
                packets_needed=needed, rate_per_s=rate_per_s, hours=hours,
            )  # fmt: skip
            lines.append(line)
    return lines
