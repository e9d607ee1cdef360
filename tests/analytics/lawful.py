"""What holds for every result, whatever was measured."""

import json
import math

import msgspec
import pytest

from analytics.definitions import BY_ID
from analytics.results import KpiResult
from analytics.subject import NO_INTERVAL

NOT_SHARES = {"duplication", "compression", "traffic_reduction", "accuracy_retention", "redundant_availability_gain",
              "redundant_loss_gain", "loss_distance", "replication", "tcp_buffer_delay"}  # fmt: skip
"""What may leave 0 to 1: copies over packets, quotients and differences of two measurements, numbers of packets."""
EVENTS = {"outage", "redundant_outage", "interventions", "false_alarms", "mrm", "handover", "link_switch"}
"""Counts of what happened in a time that was observed: n is their number, and none is a fact."""

NEVER_NEGATIVE = {"rtt", "ipdv", "pdv", "loss_distance", "inter_loss_period", "burst_duration"}
"""Times by one clock and numbers of packets: an interval below nothing says what cannot be."""


def is_share(result: KpiResult) -> bool:
    """Tell whether a value is a share of something: between 0 and 1."""
    definition = BY_ID[result.id]
    is_number = result.statistic in {"count", "mean", "max", "min", "weighted", "delta_bic"}
    is_other = definition.stream == "metric" or result.id in NOT_SHARES | EVENTS
    return result.unit == "1" and not is_number and not is_other


def check_result(result: KpiResult) -> None:
    """Hold one result against the laws."""
    definition = BY_ID[result.id]
    assert result.statistic in definition.statistics, result
    assert (result.definition, result.name_ja) == (definition.citation, definition.name_ja)
    assert result.n >= 0, result
    assert result.n_eff is None or result.n_eff >= 1, result
    numbers = [result.value, result.ci_low, result.ci_high, result.clock_bound_us, result.value_of_all]
    numbers.append(result.uncertainty)
    assert all(number is None or math.isfinite(number) for number in numbers), result
    assert result.value is not None or result.reason, result
    has_interval = (result.ci_low, result.ci_high) != (None, None)
    without = {name for each in definition.unbounded for name in each.statistics}
    assert result.value is None or has_interval or result.statistic in without or NO_INTERVAL in result.reason, result
    assert result.n or result.value is None or result.id in EVENTS, result
    assert bool(result.ci_method) <= (result.ci_low is not None or result.ci_high is not None), result
    slack = 1e-9 * max(abs(result.value or 0.0), 1e-6)
    if result.ci_low is not None and result.ci_high is not None:
        assert result.ci_low <= result.ci_high + slack, result
    if result.value is not None and result.ci_low is not None:
        assert result.ci_low <= result.value + slack, result
    if result.value is not None and result.ci_high is not None:
        assert result.value - slack <= result.ci_high, result
    if result.id in NEVER_NEGATIVE and result.value is not None and result.value >= 0 and result.ci_low is not None:
        assert result.ci_low >= 0, result
    if is_share(result):
        assert all(0.0 <= number <= 1.0 for number in numbers[:3] if number is not None), result
    assert (result.verdict is None) == (result.required is None), result
    assert result.needed_n is None or (result.verdict == "判定不能" and result.needed_n > 0), result


def check_all(results: list[KpiResult]) -> None:
    """Hold results against the laws: each of them, no key twice, and JSON that a strict reader takes unchanged."""
    for result in results:
        check_result(result)
    keys = [(each.id, each.link, each.direction, each.statistic, each.variant, each.filter) for each in results]
    assert len(set(keys)) == len(keys), sorted(key for key in keys if keys.count(key) > 1)
    encoded = msgspec.json.encode(results)
    json.loads(encoded, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
    assert msgspec.json.decode(encoded, type=list[KpiResult]) == results
