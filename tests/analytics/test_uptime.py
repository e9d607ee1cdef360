"""Intervals of availability cover as often as they say, and those that take seconds for events do not: simulated."""

import numpy as np
import pytest

from analytics.evaluate import evaluate_link
from analytics.probes import probe_arrays
from analytics.requirements import Parameters
from analytics.spans import covered_us, seconds_of, total_us
from analytics.statistics import effective_n, proportion_interval
from analytics.uptime import assumed_s, outage_scale_s, said, uptime_worth
from tests.analytics.making import T0_US, Column, by_name, subject

REPETITIONS = 200
ASSUMED_S = 10.0


def outages(rng, observed_s, availability, mean_s):
    """Return start and end (us) of the down times of a two-state process, exponential in both states."""
    up_s = mean_s * availability / (1 - availability)
    is_down, at_s, found = rng.random() > availability, 0.0, []
    while at_s < observed_s:
        end_s = min(at_s + rng.exponential(mean_s if is_down else up_s), observed_s)
        found += [(at_s, end_s)] if is_down else []
        at_s, is_down = end_s, not is_down
    edges = np.round(np.array(found, np.float64).reshape(-1, 2) * 1e6).astype(np.int64)
    return edges[:, 0], edges[:, 1]


def covered(observed_s, availability, mean_s, assumed=ASSUMED_S):
    """Return how often our interval and the naive one hold the true availability."""
    rng = np.random.default_rng(20_260_402)
    cells = seconds_of((np.array([0]), np.array([observed_s * 1_000_000])))
    ours = naive = 0
    for _ in range(REPETITIONS):
        down = outages(rng, observed_s, availability, mean_s)
        up = 1 - covered_us(down, cells) / 1e6
        ratio = 1 - total_us(down) / 1e6 / observed_s
        worth = uptime_worth(up, down[1] - down[0], observed_s * 1_000_000, assumed)
        for n_eff, is_ours in ((worth, True), (effective_n(up), False)):
            interval = proportion_interval(ratio * observed_s, observed_s, n_eff)
            held = interval.low <= availability <= interval.high
            ours, naive = ours + (held and is_ours), naive + (held and not is_ours)
    return ours / REPETITIONS, naive / REPETITIONS


HOUR = 3600
CASES = [
    (HOUR, 0.9, 10), (HOUR, 0.98, 10), (HOUR, 0.99, 10), (HOUR, 0.995, 10), (HOUR, 0.998, 10), (HOUR, 0.999, 10),
    (HOUR, 0.98, 2), (HOUR, 0.995, 2), (HOUR, 0.998, 2), (HOUR, 0.9, 60), (HOUR, 0.998, 60),
    (8 * HOUR, 0.98, 10), (8 * HOUR, 0.99, 10), (8 * HOUR, 0.998, 10), (8 * HOUR, 0.999, 10), (8 * HOUR, 0.998, 2),
    (8 * HOUR, 0.999, 2), (8 * HOUR, 0.98, 60),
]  # fmt: skip


@pytest.mark.parametrize(("observed_s", "availability", "mean_s"), CASES)
def test_the_interval_of_an_availability_covers(observed_s, availability, mean_s):
    """Nominal 95 %: at least 93 % where outages are no longer than assumed, or some five are expected."""
    assert covered(observed_s, availability, mean_s)[0] >= 0.93


@pytest.mark.parametrize(("availability", "most"), [(0.998, 0.6), (0.995, 0.85)])
def test_seconds_as_events_do_not_cover(availability, most):
    """An hour with outages of 10 s: of those without one the naive interval claims 99.9 % at least."""
    assert covered(HOUR, availability, 10)[1] < most


@pytest.mark.parametrize(("observed_s", "availability", "mean_s"), [(HOUR, 0.98, 60), (8 * HOUR, 0.998, 60)])
def test_outages_longer_than_assumed_and_hardly_seen_are_not_covered_until_they_are_assumed(
    observed_s, availability, mean_s
):
    """One outage of a minute expected: a third of such runs see none, and nothing in them tells of a minute."""
    assert covered(observed_s, availability, mean_s)[0] < 0.8
    assert covered(observed_s, availability, mean_s, assumed=60.0)[0] >= 0.93


def test_the_interval_of_a_link_covers_from_its_packets_on():
    """Five packets a second for an hour, lost in outages of 10 s on average, 0.2 % of the time."""
    rng, per_s, repetitions = np.random.default_rng(20_260_403), 5, 100
    sent_us = np.arange(HOUR * per_s, dtype=np.int64) * (1_000_000 // per_s)
    nothing = Column(np.zeros(sent_us.size, np.int32), np.zeros(sent_us.size, bool))
    results, clean = [], 0
    for _ in range(repetitions):
        down = outages(rng, HOUR, 0.998, 10)
        place = np.searchsorted(down[0], sent_us, "right") - 1
        lost = (place >= 0) & (sent_us < np.append(down[1], 0)[place])
        columns = {
            "t_us": Column(T0_US + sent_us), "session": Column(np.ones(sent_us.size, np.int32)),
            "seq": Column(np.arange(sent_us.size, dtype=np.int32)), "refl_seq": nothing, "ul_us": nothing,
            "dl_us": nothing, "rtt_us": Column(rng.integers(15_000, 25_000, sent_us.size).astype(np.int32), ~lost),
            "copy": Column((~lost).astype(np.int16)), "lost": Column(np.where(lost, 3, 0).astype(np.int16)),
        }  # fmt: skip
        result = by_name(evaluate_link(probe_arrays(columns), subject()))["availability", "round_trip", "ratio"]
        results.append(result)
        clean += result.value == 1.0
    truth = 1 - 0.002 * np.exp(-1.2 / 10)
    assert sum(each.ci_low <= truth <= each.ci_high for each in results) >= 0.95 * repetitions
    assert clean > 0.3 * repetitions
    assert all("outage" in each.ci_method for each in results)


def test_what_is_assumed_is_the_largest_scale_and_is_said():
    """The profile's, the deadline with the survival time, or the time over which packets hang together."""
    assert assumed_s(Parameters(), 3600, 3600) == 10.0
    assert assumed_s(Parameters(outage_s=0.5, survival_ms=3000), 3600, 36_000) == pytest.approx(3.2)
    assert assumed_s(Parameters(), 3600, 13) == pytest.approx(3600 / 13)
    assert "one is assumed to last 10 s" in said(0, 10.0)
    assert "one more outage of 10 s" in said(2, 10.0)


def test_the_assumption_fades_with_what_was_seen():
    """None: as assumed. Many alike: hardly more than twice their mean. One very long: what was seen."""
    assert outage_scale_s(np.empty(0), 10.0) == 10.0
    assert outage_scale_s(np.full(1, 2.0), 10.0) == pytest.approx(12.0)
    assert outage_scale_s(np.full(99, 2.0), 10.0) == pytest.approx(2 * (198 + 10) / 100)
    assert outage_scale_s(np.array([*np.full(99, 1.0), 900.0]), 10.0) > 800
