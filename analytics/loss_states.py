"""Two hidden states behind packets' fates: their likelihood and the expected counts of Baum and Welch. Pure.

A packet is lost with a probability of the state it meets, and the state changes from packet to packet (Elliott 1963). A
run of equal fates is a power of one 2 x 2 matrix, which its eigenvalues give at once, and so are the sums over its
packets that expectation maximisation needs: the cost is that of the runs, not of the packets. Over the runs a scan of
matrix products by halves gives what is known before and after each (Blelloch 1990). Measured on one core: 12 ms for
100,000 runs of losses and 1 ms for 300.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analytics.loss_runs import LossRuns

Floats = npt.NDArray[np.float64]
_LEAST = 1e-300
LEAST_CHANCE = 1e-12
"""No chance falls below: both states are connected, and each may lose or deliver a packet. Where one loses nothing and
the other ends with each packet, the matrix of a loss would have no two eigenvectors; a millionth of this cost half of
the digits there."""


@dataclass(frozen=True, slots=True)
class HiddenStates:
    """A good and a bad state: probabilities for each packet.

    `p` from good to bad, `r` from bad to good, `loss_good` and `loss_bad` of losing a packet, `start_bad` of a stretch
    to begin in the bad one.
    """

    p: float
    r: float
    loss_good: float
    loss_bad: float
    start_bad: float

    @staticmethod
    def of(values: Iterable[float]) -> HiddenStates:
        """Return the states of five numbers, in the order of the fields."""
        return HiddenStates(*(float(value) for value in values))

    def values(self) -> Floats:
        """Return the five numbers."""
        return np.array([self.p, self.r, self.loss_good, self.loss_bad, self.start_bad])

    def named(self) -> HiddenStates:
        """Return the same states by their right names: fewer packets are lost in the good one."""
        if self.loss_good <= self.loss_bad:
            return self
        return HiddenStates(self.r, self.p, self.loss_bad, self.loss_good, 1 - self.start_bad)


@dataclass(frozen=True, slots=True)
class Expected:
    """What is expected of the hidden states, given the fates. First index good or bad where nothing else is said.

    `moves[a, b]` steps from state a to b; `fates[0, s]` delivered and `fates[1, s]` lost packets in state s; `starts`
    stretches that begin in each.
    """

    log_likelihood: float
    moves: Floats
    fates: Floats
    starts: Floats

    def likeliest(self) -> HiddenStates:
        """Return the states under which these counts are likeliest: the second half of a Baum-Welch step."""
        moves = self.moves / np.maximum(self.moves.sum(axis=1, keepdims=True), _LEAST)
        loss = self.fates[1] / np.maximum(self.fates.sum(axis=0), _LEAST)
        start_bad = self.starts[1] / max(self.starts.sum(), _LEAST)
        return HiddenStates.of([moves[0, 1], moves[1, 0], *loss, start_bad])

    def score(self, states: HiddenStates) -> Floats:
        """Return the derivatives of the log-likelihood by the logits of p, r, loss_good and loss_bad (Fisher)."""
        (stay_good, leave_good), (leave_bad, stay_bad) = self.moves
        return np.array([
            leave_good * (1 - states.p) - stay_good * states.p,
            leave_bad * (1 - states.r) - stay_bad * states.r,
            self.fates[1, 0] * (1 - states.loss_good) - self.fates[0, 0] * states.loss_good,
            self.fates[1, 1] * (1 - states.loss_bad) - self.fates[0, 1] * states.loss_bad,
        ])  # fmt: skip


class _Lengths:
    """Lengths of runs, of which few are distinct: a power is taken of each once."""

    def __init__(self, lengths: npt.NDArray[np.int64]) -> None:
        distinct, self.places = np.unique(lengths, return_inverse=True)
        self.distinct = distinct.astype(np.float64)
        self.each = lengths.astype(np.float64)
        self.total = float(lengths.sum())


def _eigen(matrix: Floats) -> tuple[float, float, Floats, Floats]:
    """Return both eigenvalues of a 2 x 2 matrix of positive numbers, the vectors as columns, and the columns' inverse.

    In closed form, without differences of nearly equal numbers; numpy's eig, argsort and inv took a quarter of all.
    """
    (a, b), (c, d) = matrix.tolist()
    root = math.sqrt((a - d) ** 2 + 4 * b * c)
    apart = (root + abs(a - d)) / 2
    greatest = max(a, d) + b * c / apart
    # The greatest eigenvalue less the smaller of a and d is `apart`, a sum of positive numbers.
    if a >= d:
        right, left = [[apart, b], [c, -apart]], [[apart, b], [c, -apart]]
    else:
        right, left = [[b, -apart], [apart, c]], [[c, apart], [-apart, b]]
    scale = apart * apart + b * c
    return greatest, (a * d - b * c) / greatest, np.array(right), np.array(left) / scale


class _Powers:
    """The powers M^k of matrices (states, 2, 2) over their greatest eigenvalue's, for the lengths k of runs."""

    def __init__(self, matrices: Floats, lengths: _Lengths) -> None:
        greatest, least, right, left = zip(*(_eigen(matrix) for matrix in matrices), strict=True)
        self.right, self.left = np.stack(right), np.stack(left)
        self._matrices, self._lengths, self._greatest = matrices, lengths, np.array(greatest)
        top, low, k = self._greatest[:, None], np.array(least)[:, None], lengths.distinct
        powers = np.power(low / top, k)
        self.powers: Floats = powers[:, lengths.places]
        # Sums of a^i b^(k-1-i) over i, for both eigenvalues and for the lesser alone.
        self._mixed: Floats = ((1 - powers) / (top - low))[:, lengths.places]
        self._least: Floats = (k * np.power(low / top, np.maximum(k - 1, 0)) / top)[:, lengths.places]
        self.log_scale: Floats = lengths.total * np.log(self._greatest)

    def steps(self, before: Floats, after: Floats) -> Floats:
        """Return how often each step of the matrices is taken, of all runs.

        `before` (states, 2, runs) is what comes before each run, as coordinates by `right`, and `after` what follows,
        as those by `left`; both such that their product over the run is 1.
        """
        greatest = np.einsum("sj,sj,j->s", before[:, 0], after[:, 0], self._lengths.each) / self._greatest
        mixed = [np.einsum("sj,sj,sj->s", before[:, a], after[:, 1 - a], self._mixed) for a in (0, 1)]
        least = np.einsum("sj,sj,sj->s", before[:, 1], after[:, 1], self._least)
        sums = np.stack([greatest, mixed[0], mixed[1], least], axis=1).reshape(-1, 2, 2)
        return np.asarray(np.maximum(self._matrices * (_across(self.left) @ sums @ _across(self.right)), 0.0))


class FateChain:
    """The fates of packets as a chain of runs, to hold hidden states against."""

    def __init__(self, runs: LossRuns) -> None:
        good, lost, begins = runs.lines()
        self._begins = np.flatnonzero(begins)
        self._first_lost = good[self._begins] == 0
        # The first packet of a stretch comes from nowhere: it is no power of a step.
        good[self._begins] -= ~self._first_lost
        lost[self._begins] -= self._first_lost
        self._good, self._lost = _Lengths(good), _Lengths(lost)

    def expect(self, states: HiddenStates) -> Expected:
        """Return likelihood and expected counts: the first half of a Baum-Welch step."""
        return self.expect_each([states])[0]

    def expect_each(self, every: Sequence[HiddenStates]) -> list[Expected]:
        """Return those of several states, which takes half as long as one after the other."""
        p, r = (np.maximum([getattr(each, name) for each in every], LEAST_CHANCE) for name in ("p", "r"))
        move = np.stack([1 - p, p, r, 1 - r], axis=1).reshape(-1, 2, 2)
        loss = np.clip([[each.loss_good, each.loss_bad] for each in every], LEAST_CHANCE, 1 - LEAST_CHANCE)
        good = _Powers(move * (1 - loss)[:, None], self._good)
        lost = _Powers(move * loss[:, None], self._lost)
        between = good.left @ lost.right
        x, y = good.powers, lost.powers
        paths = np.einsum("sam,smn,snb->sabmn", good.right, between, lost.left).reshape(-1, 2, 2, 4)
        steps = np.einsum("sabm,smj->sabj", paths, np.stack([np.ones_like(x), y, x, x * y], axis=1))
        start = np.array([[1 - each.start_bad, each.start_bad] for each in every])
        entry = start[:, :, None] * np.where(self._first_lost, loss[:, :, None], 1 - loss[:, :, None])
        steps[..., self._begins] = np.einsum("saj,sabj->sbj", entry, steps[..., self._begins])[:, None]
        before, after = _scan(np.maximum(steps, 0.0, out=steps))
        log_likelihood = np.log(np.einsum("saj,sabj->sj", before, steps)).sum(axis=1) + good.log_scale + lost.log_scale

        before[..., self._begins] = entry
        into, after_lost = _turned(_across(good.right), before), _turned(lost.left, after)
        after_good = _turned(between, _scaled(after_lost, y))
        into_lost = _turned(_across(between), _scaled(into, x))
        whole = np.maximum(into[:, 0] * after_good[:, 0] + x * into[:, 1] * after_good[:, 1], _LEAST)[:, None]
        into /= whole
        moves = good.steps(into, after_good), lost.steps(into_lost / whole, after_lost)
        rest = _turned(good.right, _scaled(after_good, x)[..., self._begins])
        begun = np.maximum(entry * rest / whole[..., self._begins], 0.0)
        fates = np.stack([
            moves[is_lost].sum(axis=1) + begun[..., self._first_lost == is_lost].sum(axis=2) for is_lost in (0, 1)
        ], axis=1)  # fmt: skip
        return [
            Expected(float(log_likelihood[s]), moves[0][s] + moves[1][s], fates[s], begun[s].sum(axis=1))
            for s in range(len(every))
        ]


def _across(matrices: Floats) -> Floats:
    return np.swapaxes(matrices, 1, 2)


def _turned(matrices: Floats, vectors: Floats) -> Floats:
    """Return the products of matrices (states, 2, 2) and vectors (states, 2, n).

    Not by `@`: BLAS would take threads for it, which on a busy machine made a step four times slower, and sum in an
    order that depends on them.
    """
    return np.asarray(np.einsum("sab,sbj->saj", matrices, vectors))


def _scaled(vectors: Floats, second: Floats) -> Floats:
    """Return vectors whose second coordinate is scaled."""
    return np.stack([vectors[:, 0], second * vectors[:, 1]], axis=1)


def _scan(steps: Floats) -> tuple[Floats, Floats]:
    """Return the row vector before and the column vector after each of n steps, each scaled to a sum of 1.

    The steps are (states, 2, 2, n), the vectors (states, 2, n).
    """
    levels = [_even(steps)]
    while levels[-1].shape[-1] > 1:
        levels.append(_even(_product(levels[-1])))
    before, after = (np.full((len(steps), 2, 1), 0.5) for _ in range(2))
    for level in reversed(levels[:-1]):
        left, right = level[..., 0::2], level[..., 1::2]
        before, after = before[..., : left.shape[-1]], after[..., : left.shape[-1]]
        before = _interleaved(before, before[:, :1] * left[:, 0] + before[:, 1:] * left[:, 1])
        after = _interleaved(right[:, :, 0] * after[:, :1] + right[:, :, 1] * after[:, 1:], after)
    n = steps.shape[-1]
    return before[..., :n], after[..., :n]


def _even(steps: Floats) -> Floats:
    """Return an even number of steps, or one: a step that changes nothing is added."""
    if steps.shape[-1] % 2 == 0 or steps.shape[-1] == 1:
        return steps
    return np.concatenate([steps, np.broadcast_to(np.eye(2)[:, :, None], (len(steps), 2, 2, 1))], axis=-1)


def _product(steps: Floats) -> Floats:
    """Return the products of two neighbours each, scaled to a sum of 1."""
    left, right = steps[..., 0::2], steps[..., 1::2]
    both = left[:, :, :1] * right[:, :1] + left[:, :, 1:] * right[:, 1:]
    both /= (both[:, 0, 0] + both[:, 0, 1] + both[:, 1, 0] + both[:, 1, 1])[:, None, None]
    return np.asarray(both)


def _interleaved(even: Floats, odd: Floats) -> Floats:
    both = np.empty((*even.shape[:-1], 2 * even.shape[-1]))
    both[..., 0::2], both[..., 1::2] = even, odd
    both /= (both[:, 0] + both[:, 1])[:, None]
    return both
