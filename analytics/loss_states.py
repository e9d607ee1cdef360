"""Two hidden states behind packets' fates: their likelihood and the expected counts of Baum and Welch. Pure.

A packet is lost with a probability of the state it meets, and the state changes from packet to packet (Elliott 1963). A
run of equal fates is a power of one 2 x 2 matrix, which its eigenvalues give at once, and so are the sums over its
packets that expectation maximisation needs: the cost is that of the runs, not of the packets. Over the runs a scan of
matrix products by halves gives what is known before and after each (Blelloch 1990). Measured on one core: 12 ms for
100,000 runs of losses and 1 ms for 300.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analytics.loss_runs import LossRuns

Floats = npt.NDArray[np.float64]
_LEAST = 1e-300
_LEAST_RATIO = 1e-150
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
    """The powers M^k of a matrix over its greatest eigenvalue's, for the lengths k of runs."""

    def __init__(self, matrix: Floats, lengths: _Lengths) -> None:
        self._greatest, least, self.right, self.left = _eigen(matrix)
        self._matrix, self._lengths = matrix, lengths
        ratio, k = least / self._greatest, lengths.distinct
        powers = np.power(ratio, k)
        # One less of each power, without taking powers again: they are what takes the time here.
        lower = powers / ratio if abs(ratio) > _LEAST_RATIO else (k == 1).astype(np.float64)
        self.powers: Floats = powers[lengths.places]
        # Sums of a^i b^(k-1-i) over i, for both eigenvalues and for the lesser alone.
        self._mixed: Floats = ((1 - powers) / (self._greatest - least))[lengths.places]
        self._least: Floats = (k * lower / self._greatest)[lengths.places]
        self.log_scale = lengths.total * math.log(self._greatest)

    def steps(self, before: Floats, after: Floats) -> Floats:
        """Return how often each step of the matrix is taken, of all runs.

        `before` (2, runs) is what comes before each run, as coordinates by `right`, and `after` what follows, as those
        by `left`; both such that their product over the run is 1.
        """
        greatest = np.einsum("j,j,j->", before[0], after[0], self._lengths.each) / self._greatest
        mixed = [np.einsum("j,j,j->", before[a], after[1 - a], self._mixed) for a in (0, 1)]
        sums = np.array([[greatest, mixed[0]], [mixed[1], np.einsum("j,j,j->", before[1], after[1], self._least)]])
        return np.asarray(np.maximum(self._matrix * (self.left.T @ sums @ self.right.T), 0.0))


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
        p, r = max(states.p, LEAST_CHANCE), max(states.r, LEAST_CHANCE)
        move = np.array([[1 - p, p], [r, 1 - r]])
        loss = np.clip([states.loss_good, states.loss_bad], LEAST_CHANCE, 1 - LEAST_CHANCE)
        good, lost = _Powers(move * (1 - loss), self._good), _Powers(move * loss, self._lost)
        between = good.left @ lost.right
        x, y = good.powers, lost.powers
        paths = np.einsum("am,mn,nb->abmn", good.right, between, lost.left).reshape(2, 2, 4)
        steps = np.einsum("abm,mj->abj", paths, np.stack([np.ones_like(x), y, x, x * y]))
        start = np.array([1 - states.start_bad, states.start_bad])
        entry = start[:, None] * np.where(self._first_lost, loss[:, None], 1 - loss[:, None])
        steps[:, :, self._begins] = np.einsum("aj,abj->bj", entry, steps[:, :, self._begins])
        before, after = _scan(np.maximum(steps, 0.0, out=steps))
        log_likelihood = float(np.log(np.einsum("aj,abj->j", before, steps)).sum()) + good.log_scale + lost.log_scale

        before[:, self._begins] = entry
        into, after_lost = _turned(good.right.T, before), _turned(lost.left, after)
        after_good = _turned(between, _scaled(after_lost, y))
        into_lost = _turned(between.T, _scaled(into, x))
        into /= (whole := np.maximum(into[0] * after_good[0] + x * into[1] * after_good[1], _LEAST))
        moves = good.steps(into, after_good), lost.steps(into_lost / whole, after_lost)
        rest = _turned(good.right, _scaled(after_good, x)[:, self._begins])
        begun = np.maximum(entry * rest / whole[self._begins], 0.0)
        fates = np.stack([
            moves[is_lost].sum(axis=0) + begun[:, self._first_lost == is_lost].sum(axis=1) for is_lost in (0, 1)
        ])  # fmt: skip
        return Expected(log_likelihood, moves[0] + moves[1], fates, begun.sum(axis=1))


def _turned(matrix: Floats, vectors: Floats) -> Floats:
    """Return the products of a matrix and (2, n) vectors.

    Not by `@`: BLAS would take threads for it, which on a busy machine made a step four times slower, and sum in an
    order that depends on them.
    """
    return np.asarray(np.einsum("ab,bj->aj", matrix, vectors))


def _scaled(vectors: Floats, second: Floats) -> Floats:
    """Return vectors whose second coordinate is scaled."""
    return np.stack([vectors[0], second * vectors[1]])


def _scan(steps: Floats) -> tuple[Floats, Floats]:
    """Return the row vector before and the column vector after each of (2, 2, n) steps, each scaled to a sum of 1."""
    levels = [_even(steps)]
    while levels[-1].shape[2] > 1:
        levels.append(_even(_product(levels[-1])))
    before, after = np.full((2, 1), 0.5), np.full((2, 1), 0.5)
    for level in reversed(levels[:-1]):
        left, right = level[:, :, 0::2], level[:, :, 1::2]
        before, after = before[:, : left.shape[2]], after[:, : left.shape[2]]
        before = _interleaved(before, before[0] * left[0] + before[1] * left[1])
        after = _interleaved(right[:, 0] * after[0] + right[:, 1] * after[1], after)
    n = steps.shape[2]
    return before[:, :n], after[:, :n]


def _even(steps: Floats) -> Floats:
    """Return an even number of steps, or one: a step that changes nothing is added."""
    if steps.shape[2] % 2 == 0 or steps.shape[2] == 1:
        return steps
    return np.concatenate([steps, np.eye(2)[:, :, None]], axis=2)


def _product(steps: Floats) -> Floats:
    """Return the products of two neighbours each, scaled to a sum of 1."""
    left, right = steps[:, :, 0::2], steps[:, :, 1::2]
    both = left[:, 0, None] * right[None, 0] + left[:, 1, None] * right[None, 1]
    both /= both[0, 0] + both[0, 1] + both[1, 0] + both[1, 1]
    return np.asarray(both)


def _interleaved(even: Floats, odd: Floats) -> Floats:
    both = np.empty((2, 2 * even.shape[1]))
    both[:, 0::2], both[:, 1::2] = even, odd
    both /= both[0] + both[1]
    return both
