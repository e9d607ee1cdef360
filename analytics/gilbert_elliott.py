"""The four-parameter model of loss (Elliott 1963), fitted by Baum-Welch, beside the simpler models. Pure.

`analytics.loss_states` gives likelihood and expected counts; here the likeliest states are searched, and it is decided
where to begin, whether the data determine what was found, and how exact it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from analytics.loss_models import ALL_LOST, NOTHING_LOST, Fits, Gilbert, NoModel, fits, gilbert, two_states
from analytics.loss_runs import LossRuns
from analytics.loss_states import Expected, FateChain, HiddenStates
from analytics.statistics import CONFIDENCE, Interval
from analytics.subject import NONE

Floats = npt.NDArray[np.float64]

PARAMETERS = ("p", "r", "loss_good", "loss_bad")
MOST_LINES = 1 << 15
"""Runs of losses, and stretches, that are fitted at most: 0.3 to 0.5 s. Four times as many take 0.6 to 2.9 s and halve
the intervals, of which those of p and r reach 1 to 4 % either way where the states differ well."""
LEAST_RUNS = 50
LEAST_CHANGES = 5
LEAST_GAIN = 1e-3
"""A cycle that gains less ends the search. Of 24 simulated recordings (50 to 32,000 runs of losses) 22 were then within
0.01 of the greatest log-likelihood, a tenth of a parameter's standard error, after 9 to 35 steps. A cycle that gains
less than 0.01 leaves up to 0.3; plain Baum-Welch took up to 970 steps, logits extrapolated up to 350."""
MOST_STEPS = 400
_START_LINES = 1 << 12
_START_STEPS = 5
_APART = (2, 8, 32, 128, 1024)
"""With these guesses, the best after five steps, 140 simulated recordings out of 140 came to within 0.1 of the greatest
log-likelihood that any guess led to; with four guesses and three steps 2 of 76 missed it, by up to 35. The two-state
model as a guess missed it in 44 of 127, most of all where the bad state loses few packets."""
_INSIDE = (1e-6, 1 - 1e-3)
_BOUNDS = {"loss_good": 0.0, "loss_bad": 1.0, "r": 1.0}
_CLOSE = 0.01
_LOGIT_STEP = 1e-3
_Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)

TOO_FEW = f"連続損失が{LEAST_RUNS}回未満 / fewer than {LEAST_RUNS} runs of losses"
INDEPENDENT = "独立な損失と区別できない / not told apart from independent losses"
RARE = f"状態の変化が{LEAST_CHANGES}回未満 / the state changes fewer than {LEAST_CHANGES} times"
TWO_STATE = "2状態モデル (loss_model) で足りる / the two-state model (loss_model) says as much"
FLAT = "尤度が平坦で定まらない / the likelihood is flat: nothing is determined"


@dataclass(frozen=True, slots=True)
class Climb:
    """Where a search came to: `log_likelihoods` after each cycle, and how many Baum-Welch steps it took."""

    states: HiddenStates
    expected: Expected
    log_likelihoods: tuple[float, ...]
    steps: int
    has_converged: bool


@dataclass(frozen=True, slots=True)
class GilbertElliott:
    """The likeliest parameters of `fits.gilbert_elliott.n` packets, and their intervals in the order of PARAMETERS.

    An interval is NONE where the parameter lies at its bound.
    """

    states: HiddenStates
    intervals: tuple[Interval, ...]
    fits: Fits
    climb: Climb


def gilbert_elliott(runs: LossRuns) -> GilbertElliott | NoModel:
    """Fit the model to at most MOST_LINES runs of losses, evenly spread over all.

    Intervals are Wald's on the logits, from the observed information; how stretches begin counts as known. They reach
    to a parameter's bound where the likelihood ratio does not exclude it.
    """
    if not runs.lost_packets or not runs.delivered:
        return NoModel(ALL_LOST if runs.lost_packets else NOTHING_LOST)
    if runs.lost.size < LEAST_RUNS:
        return NoModel(TOO_FEW)
    runs = runs.sample(MOST_LINES)
    chain = FateChain(runs)
    found = _at_bounds(chain, runs, _likeliest(chain, runs))
    compared, states = fits(runs, found.expected.log_likelihood), found.states
    if compared.gilbert_elliott.bic >= compared.independent.bic:
        return NoModel(INDEPENDENT if compared.best == "independent" else TWO_STATE, compared)
    if (states.loss_good, states.loss_bad) == (0.0, 1.0):
        return NoModel(TWO_STATE, compared)
    if min(found.expected.moves[0, 1], found.expected.moves[1, 0]) < LEAST_CHANGES:
        return NoModel(RARE, compared)
    intervals = _intervals(chain, found) if found.has_converged else None
    return NoModel(FLAT, compared) if intervals is None else GilbertElliott(states, intervals, compared, found)


def climb(
    chain: FateChain, states: HiddenStates, most_steps: int = MOST_STEPS, held: Mapping[str, float] | None = None
) -> Climb:
    """Search the likeliest states by Baum-Welch, from some states on; the likelihood never falls.

    Two steps are extrapolated to where their differences would shrink to nothing (SQUAREM: Varadhan, Roland 2008), and
    the third begins there if that is likelier than where the first came to. Parameters that are `held` keep a value.
    """
    fixed = held or {}
    states = replace(states, **fixed)
    expected = chain.expect(states)
    reached, steps, has_converged = [expected.log_likelihood], 1, False
    while steps < most_steps and not has_converged:
        once = replace(expected.likeliest(), **fixed)
        expected_once = chain.expect(once)
        twice = replace(expected_once.likeliest(), **fixed)
        states = replace(_extrapolated(states.values(), once.values(), twice.values()), **fixed)
        expected = chain.expect(states)
        steps += 2
        if not expected.log_likelihood >= expected_once.log_likelihood:
            states, expected, steps = twice, chain.expect(twice), steps + 1
        has_converged = expected.log_likelihood - reached[-1] < LEAST_GAIN
        reached.append(expected.log_likelihood)
    return Climb(states, expected, tuple(reached), steps, has_converged)


def _extrapolated(start: Floats, once: Floats, twice: Floats) -> HiddenStates:
    """Return the states that three in a row point to; a tenth of the last's way to a bound that they would pass."""
    step, bend = once - start, twice - 2 * once + start
    length = max(math.sqrt(float((step**2).sum()) / max(float((bend**2).sum()), 1e-300)), 1.0)
    aim = start + 2 * length * step + length**2 * bend
    return HiddenStates.of(np.where(aim <= 0, twice / 10, np.where(aim >= 1, 1 - (1 - twice) / 10, aim)))


def _likeliest(chain: FateChain, runs: LossRuns) -> Climb:
    """Search from where a small sample leads, and there from the guess that a few steps make the best."""
    small = runs.sample(_START_LINES)
    guesses = [_clustered(small, apart) for apart in _APART]
    three = gilbert(small)
    if isinstance(three, Gilbert):
        guesses.append(HiddenStates(three.p, three.r, three.p / 100, 1 - three.h, 0.5))
    near = chain if small is runs else FateChain(small)
    climbs = [climb(near, HiddenStates.of(np.clip(each.values(), *_INSIDE)), _START_STEPS) for each in guesses]
    best = max(climbs, key=lambda each: each.log_likelihoods[-1])
    found = climb(near, best.states)
    return found if near is chain else climb(chain, found.states)


def _clustered(runs: LossRuns, apart: int) -> HiddenStates:
    """Return the states where runs of losses with fewer than `apart` delivered packets between them are one visit.

    A visit has two losses at least; the others are those of the good state.
    """
    good, lost, begins = runs.lines()
    is_run = lost > 0
    joins = ((good < apart) & ~begins)[is_run]
    joins[:1] = False
    heads = np.flatnonzero(~joins)
    visits = np.add.reduceat(lost[is_run], heads)
    lengths = visits + np.add.reduceat(np.where(joins, good[is_run], 0), heads)
    is_visit = visits > 1
    number, bad, bad_lost = int(np.count_nonzero(is_visit)), int(lengths[is_visit].sum()), int(visits[is_visit].sum())
    p, r = (number + 1) / (runs.n - bad + 2), (number + 1) / (bad + 2)
    return HiddenStates(p, r, (runs.lost_packets - bad_lost) / (runs.n - bad + 1), (bad_lost + 1) / (bad + 2), 0.5)


def _at_bounds(chain: FateChain, runs: LossRuns, found: Climb) -> Climb:
    """Return the search's end by its right names, each parameter at its bound if that is as likely.

    The two-state model is one of these, too: where it is as likely, or likelier than what was found, it is the end.
    """
    least, simple = found.expected.log_likelihood - _CLOSE, two_states(runs)
    if simple.p and simple.q:
        two = HiddenStates(simple.p, simple.q, 0.0, 1.0, runs.starts_lost / runs.stretches)
        expected = chain.expect(two)
        if expected.log_likelihood >= least:
            return replace(found, states=two, expected=expected)
    states = found.states.named()
    expected = found.expected if states == found.states else chain.expect(states)
    for name, bound in _BOUNDS.items():
        there = replace(states, **{name: bound})
        expected_there = chain.expect(there)
        if expected_there.log_likelihood >= least:
            states, expected = there, expected_there
    return replace(found, states=states, expected=expected)


def _intervals(chain: FateChain, found: Climb) -> tuple[Interval, ...] | None:
    """Return the intervals of the parameters; None where the likelihood has no summit in them."""
    values = found.states.values()[: len(PARAMETERS)]
    inside = np.flatnonzero((values > 0) & (values < 1))
    logits = np.log(values[inside] / (1 - values[inside]))
    steps = _LOGIT_STEP * np.eye(inside.size)
    slopes = [[_slope(chain, found.states, inside, logits + sign * step) for step in steps] for sign in (-1, 1)]
    information = np.array(slopes[0]) - np.array(slopes[1])
    information /= 2 * _LOGIT_STEP
    information = (information + information.T) / 2
    if np.linalg.eigvalsh(information)[0] <= 0:
        return None
    half = _Z * np.sqrt(np.diag(np.linalg.inv(information)))
    intervals = [NONE] * len(PARAMETERS)
    for place, middle, reach in zip(inside, logits, half, strict=True):
        interval = Interval(*(float(end) for end in _shares(middle + reach * np.array([-1, 1]))))
        name = PARAMETERS[place]
        bound = _BOUNDS.get(name)
        # Logits never reach a bound: where values on their own scale would, the likelihood is asked.
        if bound is not None and reach * abs(1 - bound - values[place]) >= 1:
            held = climb(chain, found.states, held={name: bound})
            if found.expected.log_likelihood - held.expected.log_likelihood <= _Z**2 / 2:
                interval = Interval(0.0, interval.high) if bound == 0 else Interval(interval.low, 1.0)
        intervals[place] = interval
    return tuple(intervals)


def _slope(chain: FateChain, states: HiddenStates, inside: npt.NDArray[np.intp], logits: Floats) -> Floats:
    values = states.values()
    values[inside] = _shares(logits)
    there = HiddenStates.of(values)
    return chain.expect(there).score(there)[inside]


def _shares(logits: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-logits)))
