"""Sending times: what RFC 2330 and RFC 3432 ask of them."""

import itertools
import math
import random

import pytest

from collectors.stamp.schedule import periodic_ns, poisson_ns

N = 20_000


def gaps(times):
    return [later - earlier for earlier, later in itertools.pairwise(times)]


def anderson_darling_exponential(values):
    """A² of the exponential distribution with the mean estimated from the sample (Stephens 1974, case 2)."""
    ordered, n, mean = sorted(values), len(values), sum(values) / len(values)
    total = sum((2 * i + 1) * (math.log(-math.expm1(-ordered[i] / mean)) - ordered[n - 1 - i] / mean) for i in range(n))
    return (-n - total / n) * (1 + 0.6 / n)


@pytest.mark.parametrize("rate_pps", [1.0, 33.3, 1000.0])
def test_poisson_gaps_are_exponential_with_the_asked_mean(rate_pps):
    found = gaps(itertools.islice(poisson_ns(rate_pps, random.Random(1)), N))
    assert 1e9 / rate_pps == pytest.approx(sum(found) / len(found), rel=4 / math.sqrt(N))
    # 1.321 is the 5 % point.
    assert anderson_darling_exponential([max(gap, 1) for gap in found]) < 1.321


def test_poisson_meets_every_phase_of_a_tdd_frame_alike():
    phases = [at // 1_000_000 % 10 for at in itertools.islice(poisson_ns(100, random.Random(2)), N)]
    shares = [phases.count(phase) / N for phase in range(10)]
    assert max(abs(share - 0.1) for share in shares) < 0.01


def test_periodic_meets_one_phase_of_a_tdd_frame_only():
    phases = {at // 1_000_000 % 10 for at in itertools.islice(periodic_ns(100, random.Random(2)), N)}
    assert 1 == len(phases)


@pytest.mark.parametrize("rate_pps", [1.0, 7.0, 333.3, 1000.0])
def test_periodic_gaps_are_equal_and_do_not_drift(rate_pps):
    times = list(itertools.islice(periodic_ns(rate_pps, random.Random(3)), N))
    assert all(abs(gap - 1e9 / rate_pps) <= 1 for gap in gaps(times))
    assert (N - 1) * 1e9 / rate_pps == pytest.approx(times[-1] - times[0], abs=1000)


def test_periodic_starts_anywhere_in_the_first_period():
    starts = [next(periodic_ns(10, random.Random(seed))) for seed in range(1000)]
    assert 0 <= min(starts) < 2_000_000
    assert 98_000_000 < max(starts) <= 100_000_000
    assert 50_000_000 == pytest.approx(sum(starts) / 1000, rel=0.1)


@pytest.mark.parametrize("plan", [periodic_ns, poisson_ns])
def test_a_seed_gives_the_same_plan_again(plan):
    first, second = (list(itertools.islice(plan(50, random.Random(9)), 100)) for _ in range(2))
    assert first == second
