"""Models of the pattern of loss: known answers, plain loops, likelihoods that never fall, and truths that come back."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.evaluate import evaluate_link
from analytics.gilbert_elliott import (
    INDEPENDENT,
    LEAST_GAIN,
    PARAMETERS,
    RARE,
    TOO_FEW,
    TWO_STATE,
    GilbertElliott,
    climb,
    gilbert_elliott,
)
from analytics.loss_models import (
    ALL_LOST,
    NO_TRIPLES,
    NOTHING_LOST,
    Gilbert,
    NoModel,
    _by_moments,
    fits,
    gilbert,
    two_states,
)
from analytics.loss_runs import between, loss_runs
from analytics.loss_states import LEAST_CHANCE, FateChain, HiddenStates
from tests.analytics.lawful import check_all
from tests.analytics.making import by_name, round_trips, subject
from tests.analytics.test_loss_runs import PERIODS, of_bits, recordings, sent, stretches

SOME = settings(max_examples=60, deadline=None)
CHANCE = st.floats(0.001, 0.999)
STATES = st.builds(
    HiddenStates, p=CHANCE, r=CHANCE, loss_good=st.one_of(st.just(0.0), CHANCE),
    loss_bad=st.one_of(st.just(1.0), CHANCE), start_bad=CHANCE,
)  # fmt: skip


def walk(rng, n, p, r, loss_good, loss_bad):  # noqa: PLR0917 - the model's own four
    """Fates of n packets of the four-parameter model, True lost, from the good state on."""
    visits = int(1.5 * n / (1 / p + 1 / r)) + 100
    lengths = np.ravel((rng.geometric(p, visits), rng.geometric(r, visits)), "F")
    is_bad = np.repeat(np.tile([False, True], visits), lengths)[:n]
    assert is_bad.size == n
    return rng.random(n) < np.where(is_bad, loss_bad, loss_good)


def runs_of(lost, borders=(0,)):
    """Run lengths of fates."""
    places = np.flatnonzero(lost)
    return between(places, places + 1, np.array(borders), len(lost))


def forward(fates, states):
    """Log-likelihood and expected counts of stretches by plain forward and backward steps over every packet."""
    move = np.array([[1 - states.p, states.p], [states.r, 1 - states.r]])
    loss = np.array([states.loss_good, states.loss_bad])
    begin = np.array([1 - states.start_bad, states.start_bad])
    total, moves, counts, starts = 0.0, np.zeros((2, 2)), np.zeros((2, 2)), np.zeros(2)
    for mine in fates:
        chance = [loss if lost else 1 - loss for lost in mine]
        before = [begin * chance[0]]
        for each in chance[1:]:
            before.append(before[-1] @ move * each)
        after = [np.ones(2)]
        for each in chance[:0:-1]:
            after.insert(0, move @ (each * after[0]))
        likelihood = before[-1].sum()
        if not likelihood:
            return -math.inf, moves, counts, starts
        total += math.log(likelihood)
        starts += before[0] * after[0] / likelihood
        for place, lost in enumerate(mine):
            counts[lost] += before[place] * after[place] / likelihood
            if place:
                moves += before[place - 1][:, None] * move * (chance[place] * after[place]) / likelihood
    return total, moves, counts, starts


def test_the_two_state_model_of_the_standard():
    """p = 4/8 and q = 3/7: 0.538462 lost in the long run, in runs of 7/3."""
    found = two_states(loss_runs(of_bits(PERIODS)))
    assert (found.p, found.q) == (0.5, 3 / 7)
    assert (found.loss, found.mean_burst) == (pytest.approx(0.538462, abs=5e-7), pytest.approx(7 / 3))


@pytest.mark.parametrize(
    ("bits", "p", "q"),
    [("0000", 0.0, None), ("111", None, 0.0), ("0", None, None), ("", None, None), ("10", None, 1.0)],
)
def test_without_a_transition_there_is_no_parameter(bits, p, q):
    """Never a made-up 0, nor a loss or a burst made of it."""
    found = two_states(loss_runs(of_bits(bits)))
    assert (found.p, found.q, found.loss) == (p, q, None)
    assert found.mean_burst == (1.0 if q else None)


@SOME
@given(probes=recordings())
def test_the_moments_are_those_of_plain_arithmetic(probes):
    """a, b and c counted packet by packet, and the formulas of Gilbert 1960 for them."""
    fates = stretches(probes)
    lost, n = sum(map(sum, fates)), sum(map(len, fates))
    pairs = [pair for each in fates for pair in itertools.pairwise(each)]
    threes = [three for each in fates for three in zip(each, each[1:], each[2:], strict=False)]
    found = gilbert(loss_runs(probes))
    both, three, outer = pairs.count((1, 1)), threes.count((1, 1, 1)), threes.count((1, 0, 1))
    if lost in {0, n}:
        assert found == NoModel(ALL_LOST if lost else NOTHING_LOST)
    elif not three:
        assert found == NoModel(NO_TRIPLES)
    elif isinstance(found, Gilbert):
        a, b, c = lost / n, both / (both + pairs.count((1, 0))), three / (three + outer)
        r = 1 - (a * c - b * b) / (2 * a * c - b * (a + c))
        h = 1 - b / (1 - r)
        assert (found.p, found.r, found.h) == pytest.approx((a * r / (1 - h - a), r, h))


@SOME
@given(p=CHANCE, r=CHANCE, h=CHANCE)
def test_exact_moments_give_their_parameters_back(p, r, h):
    """The chances of 1, 11, 10, 111 and 101 under the model, from its matrices."""
    move, arrives = np.array([[1 - p, p], [r, 1 - r]]), np.array([1.0, h])
    step = {1: move * (1 - arrives), 0: move * arrives}
    of = [
        np.linalg.multi_dot([[r / (p + r), p / (p + r)], *(step[fate] for fate in fates), [1, 1]])
        for fates in ((1,), (1, 1), (1, 0), (1, 1, 1), (1, 0, 1))
    ]
    if abs(1 - p - r) > 0.05:
        assert _by_moments(np.array([1, *of])) == pytest.approx((p, r, h), rel=1e-4)


def test_gilberts_parameters_come_back():
    """4 M packets: within 3 %, and inside of intervals that reach 5 % either way."""
    found = gilbert(runs_of(walk(np.random.default_rng(1), 4_000_000, 0.02, 0.25, 0, 0.6)))
    assert (found.p, found.r, found.h) == pytest.approx((0.02, 0.25, 0.4), rel=0.03)
    for value, interval in zip((0.02, 0.25, 0.4), found.intervals, strict=True):
        assert interval.low < value < interval.high
        assert interval.high - interval.low < 0.1 * value


def test_moments_outside_of_the_model_are_refused():
    """Single losses between which one packet arrives: no state keeps that up."""
    found = gilbert(loss_runs(of_bits("0001110000101010100111000010100001")))
    assert isinstance(found, NoModel)
    assert found.reason.endswith("outside 0 to 1: the losses are not of this model")


@SOME
@given(probes=recordings(), states=STATES)
def test_expected_counts_are_those_of_forward_and_backward_steps(probes, states):
    """Likelihood, moves between states, fates in each and starts, of every packet in a plain loop."""
    fates = stretches(probes)
    loss_good, loss_bad = np.clip([states.loss_good, states.loss_bad], LEAST_CHANCE, 1 - LEAST_CHANCE)
    expected = forward(fates, replace(states, loss_good=loss_good, loss_bad=loss_bad))
    if not fates or not math.isfinite(expected[0]):
        return
    found = FateChain(loss_runs(probes)).expect(states)
    assert found.log_likelihood == pytest.approx(expected[0], rel=1e-6, abs=1e-6)
    for one, other in zip((found.moves, found.fates, found.starts), expected[1:], strict=True):
        assert one == pytest.approx(other, rel=1e-5, abs=1e-5)


def test_long_runs_do_not_underflow():
    """A million packets delivered, ten thousand lost: the two-state model as four parameters has its own likelihood."""
    lost = np.zeros(1_010_000, bool)
    lost[500_000:510_000] = True
    runs = runs_of(lost)
    simple = two_states(runs)
    found = FateChain(runs).expect(HiddenStates(simple.p, simple.q, 0.0, 1.0, 0.0))
    assert found.log_likelihood == pytest.approx(fits(runs, 0.0).two_states.log_likelihood, abs=1e-4)
    assert found.moves == pytest.approx(np.array([[999_998, 1], [1, 9_999]]), abs=1e-3)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), states=STATES)
def test_the_likelihood_never_falls(seed, states):
    """From anywhere, step by step and cycle by cycle, also where a parameter is held."""
    rng = np.random.default_rng(seed)
    lost = walk(rng, 3_000, 0.01, 0.1, 0.01, rng.uniform(0.2, 1.0))
    chain = FateChain(runs_of(lost, (0, 1_000)))
    once = chain.expect(states)
    assert chain.expect(once.likeliest()).log_likelihood >= once.log_likelihood - 1e-6
    for held in ({}, {"loss_good": 0.0}):
        found = climb(chain, states, 60, held)
        assert np.diff(found.log_likelihoods).min() >= -1e-6
        assert not found.has_converged or found.log_likelihoods[-1] - found.log_likelihoods[-2] < LEAST_GAIN
        assert all(getattr(found.states, name) == value for name, value in held.items())


def test_scores_are_the_slopes_of_the_likelihood():
    """Each logit moved by 1e-4 to either side."""
    chain = FateChain(runs_of(walk(np.random.default_rng(2), 20_000, 0.01, 0.1, 0.005, 0.5), (0, 7_000)))
    at = HiddenStates(0.02, 0.08, 0.01, 0.4, 0.3)
    for place, slope in enumerate(chain.expect(at).score(at)):
        reached = []
        for step in (-1e-4, 1e-4):
            values = at.values()
            values[place] = 1 / (1 + math.exp(-(math.log(values[place] / (1 - values[place])) + step)))
            reached.append(chain.expect(HiddenStates.of(values)).log_likelihood)
        assert (reached[1] - reached[0]) / 2e-4 == pytest.approx(slope, rel=1e-3, abs=1e-2)


TRUTHS = [(0.001, 0.1, 0.0001, 0.5), (0.01, 0.05, 0.001, 0.2), (0.001, 0.01, 0.001, 0.1), (0.0002, 0.001, 0.001, 0.02)]


@pytest.mark.parametrize("truth", TRUTHS)
def test_the_four_parameters_come_back(truth):
    """A million packets: each within 40 % and within five standard errors; far better than two states."""
    found = gilbert_elliott(runs_of(walk(np.random.default_rng(7), 1_000_000, *truth)))
    assert isinstance(found, GilbertElliott)
    assert found.climb.has_converged
    values = found.states.values()
    for name, value, true, interval in zip(PARAMETERS, values, truth, found.intervals, strict=False):
        assert value == pytest.approx(true, rel=0.4), name
        reach = 2.5 * (math.log(interval.high / (1 - interval.high)) - math.log(interval.low / (1 - interval.low))) / 2
        assert abs(math.log(value / (1 - value)) - math.log(true / (1 - true))) < reach, name
    assert (found.fits.best, found.fits.delta_bic > 100) == ("gilbert_elliott", True)
    assert found.fits.gilbert_elliott.aic < found.fits.two_states.aic < found.fits.independent.aic


def test_the_intervals_hold_the_true_values():
    """40 recordings, four parameters each: 90 to 99 % of the 160 intervals."""
    truth, rng, held = (0.005, 0.1, 0.001, 0.5), np.random.default_rng(11), 0
    for _ in range(40):
        found = gilbert_elliott(runs_of(walk(rng, 30_000, *truth)))
        held += sum(each.low <= true <= each.high for each, true in zip(found.intervals, truth, strict=True))
    assert 0.9 <= held / 160 <= 0.99, held


def test_an_interval_reaches_to_its_bound_where_that_is_not_excluded():
    """Nothing is lost in the good state: 0 is in the interval, or it is the value and has none."""
    rng = np.random.default_rng(12)
    for _ in range(8):
        found = gilbert_elliott(runs_of(walk(rng, 60_000, 0.02, 0.4, 0.0, 0.7)))
        place = PARAMETERS.index("loss_good")
        assert (found.states.loss_good == 0.0) == (found.intervals[place].high is None)
        assert found.intervals[place].low in {0.0, None}


def test_losses_of_two_states_need_no_more():
    """The two-state model has the smaller BIC, with q and p as the four-parameter model finds them."""
    runs = runs_of(walk(np.random.default_rng(3), 300_000, 0.02, 0.4, 0.0, 1.0))
    found, simple = gilbert_elliott(runs), two_states(runs)
    assert (found.fits.best, found.fits.delta_bic < 0) == ("two_states", True)
    if isinstance(found, GilbertElliott):
        assert (found.states.p, found.states.r) == pytest.approx((simple.p, simple.q), rel=0.05)
    else:
        assert found.reason == TWO_STATE


def test_the_start_of_stretches_is_free():
    """Stretches that all begin in the middle of a bad time do not make the good state lose."""
    rng = np.random.default_rng(8)
    pieces = [np.concatenate([rng.random(20) < 0.5, walk(rng, 2_000, 0.002, 0.1, 0.0002, 0.5)]) for _ in range(100)]
    found = gilbert_elliott(runs_of(np.concatenate(pieces), np.arange(100) * 2_020))
    assert found.states.start_bad > 0.9
    assert found.states.loss_bad == pytest.approx(0.5, abs=0.05)


FIXED = np.random.default_rng(5)
REFUSED = [
    (np.zeros(1000, bool), NOTHING_LOST),
    (np.ones(1000, bool), ALL_LOST),
    (np.zeros(0, bool), NOTHING_LOST),
    (np.arange(1000) % 25 == 0, TOO_FEW),
    (FIXED.random(100_000) < 0.01, INDEPENDENT),
    (FIXED.random(60_000) < np.where(np.arange(60_000) < 30_000, 0.001, 0.05), RARE),
]


@pytest.mark.parametrize(("lost", "reason"), REFUSED, ids=["nothing", "all", "empty", "few", "independent", "rare"])
def test_what_the_losses_do_not_determine_is_not_given(lost, reason):
    """Null with its reason."""
    found = gilbert_elliott(runs_of(lost) if lost.size else runs_of(lost, ()))
    assert isinstance(found, NoModel)
    assert found.reason == reason


def test_losses_at_equal_distances_are_no_error():
    """Every tenth packet, every second, all but every tenth: the chance of going on or of a state's end is 1 or 0."""
    for lost in (np.arange(5_000) % 10 == 0, np.arange(5_000) % 2 == 0, np.arange(5_000) % 10 != 0):
        found = gilbert_elliott(runs_of(lost))
        assert found.reason == TWO_STATE
        assert found.fits.gilbert_elliott.log_likelihood >= found.fits.two_states.log_likelihood - 0.02
        results_of(lost)


def test_the_likelihood_of_independent_losses_and_of_two_states():
    """The very sums over packets, with their numbers of parameters."""
    runs = loss_runs(of_bits(PERIODS))
    compared = fits(runs, -7.0)
    assert compared.independent.log_likelihood == pytest.approx(16 * math.log(0.5))
    expected = 8 * math.log(0.5) + 3 * math.log(3 / 7) + 4 * math.log(4 / 7)
    assert compared.two_states.log_likelihood == pytest.approx(expected)
    assert compared.two_states.bic == pytest.approx(3 * math.log(16) - 2 * expected)
    assert compared.independent.aic == pytest.approx(2 - 32 * math.log(0.5))
    assert compared.delta_bic == pytest.approx(compared.two_states.bic - (5 * math.log(16) + 14))


def test_many_runs_are_fitted_to_a_sample():
    """More than 32,768: the sample's packets are counted, and its parameters are those of the whole."""
    truth = (0.02, 0.1, 0.01, 0.5)
    runs = runs_of(walk(np.random.default_rng(6), 1_000_000, *truth))
    found = gilbert_elliott(runs)
    assert runs.lost.size > 50_000
    assert found.fits.gilbert_elliott.n < runs.n
    assert found.states.values()[:4] == pytest.approx(truth, rel=0.1)


def results_of(lost):
    """The results of a link whose packets had these fates."""
    results = evaluate_link(round_trips([None if each else 10 for each in lost]), subject())
    check_all(results)
    return by_name(results)


def test_the_models_are_results():
    """Every statistic with its interval, and which model describes the losses best."""
    found = results_of(walk(np.random.default_rng(9), 20_000, 0.01, 0.1, 0.001, 0.6))
    for statistic, true in zip(PARAMETERS, (0.01, 0.1, 0.001, 0.6), strict=True):
        result = found["loss_gilbert_elliott", "round_trip", statistic]
        assert result.ci_low < true < result.ci_high
        assert (result.n, result.ci_method) == (20_000, "Wald on logits, observed information")
    better = found["loss_gilbert_elliott", "round_trip", "delta_bic"]
    assert better.value > 10
    assert "BIC最小: 4パラメータ / smallest BIC: four parameters; " in better.reason
    assert found["loss_gilbert", "round_trip", "h"].ci_method == "block bootstrap of runs of losses"
    assert found["loss_model", "round_trip", "p"].ci_method == "Clopper-Pearson on transitions"


@pytest.mark.parametrize(("lost", "reason"), [([0] * 30, NOTHING_LOST), ([1] * 30, ALL_LOST)])
def test_without_a_model_there_is_one_null_row_each(lost, reason):
    """And no second one that repeats the reason."""
    found = results_of(lost)
    for kpi in ("loss_gilbert", "loss_gilbert_elliott"):
        rows = [result for key, result in found.items() if key[0] == kpi]
        assert [(result.statistic, result.value, result.reason) for result in rows] == [("p", None, reason)]


def test_models_do_not_reach_over_a_gap():
    """Every number between two stretches absent: no transition, no triple, and 50 starts."""
    lost = [1, 1] * 50
    runs = loss_runs(sent(lost, seq=[3 * (row // 2) + row % 2 for row in range(100)]))
    assert (runs.stretches, runs.transitions().bad_bad, runs.lost.max()) == (50, 50, 2)
    mixed = loss_runs(sent([1, 0] * 60, seq=[3 * (row // 2) + row % 2 for row in range(120)]))
    assert gilbert(mixed) == NoModel(NO_TRIPLES)
    assert two_states(mixed).p is None
