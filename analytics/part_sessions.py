"""What a part must keep of each session so that loss runs and the direction of losses go on across its borders.

Sequence numbers compare only within a session, so each session has a piece of its own, and pieces of the same session
in neighbouring parts are joined by their sequence numbers. Within a session numbers grow with the time of sending; a
recording where they do not (pieces that overlap) is counted without joining, and the part says that it is not exact.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from analytics.loss import Transitions, count_losses, loss_periods, transitions
from analytics.probes import ProbeArrays

UNDECIDED = 3
"""Contract LOST_CODES: lost, direction unknown."""


class Piece(NamedTuple):
    """One session in one part: its ends.

    `head_run` and `tail_run` are the lengths of the loss runs at both ends. `known` is a delivered packet whose number
    at the reflector is known (number -1: none): sequence number and reflector's number of the first and the last, and
    how many packets stand before the first (after the last), `undecided` of them lost with unknown direction. Without
    a known packet all stand on both sides.
    """

    session: int
    n: int
    first_seq: int
    last_seq: int
    head_run: int
    tail_run: int
    first_known_seq: int
    first_known_refl: int
    head_n: int
    head_undecided: int
    last_known_seq: int
    last_known_refl: int
    tail_n: int
    tail_undecided: int


@dataclass(slots=True)
class LossSums:
    """Sums over packets: `up`, `down` and `unknown` make up `lost`; `runs` are loss periods, `overlaps` broken joints.

    `unknown` losses between two known packets are moved to `up` and `down` when a joint decides them. `pairs` are
    packets with the number after another's, `good_bad` and `bad_good` those whose fates differ; they were not kept of
    the `unpaired` packets, whose parts an earlier version wrote.
    """

    sent: int = 0
    lost: int = 0
    up: int = 0
    down: int = 0
    unknown: int = 0
    runs: int = 0
    longest_run: int = 0
    overlaps: int = 0
    pairs: int = 0
    good_bad: int = 0
    bad_good: int = 0
    unpaired: int = 0

    @property
    def transitions(self) -> Transitions | None:
        """Fates of packets sent one after the other; None where they were not kept of some."""
        if self.unpaired:
            return None
        # Every loss but the first of its period follows a loss.
        bad_bad = self.lost - self.runs
        good_good = self.pairs - self.good_bad - self.bad_good - bad_bad
        return Transitions(good_good, self.good_bad, self.bad_good, bad_bad)

    def add(self, other: LossSums) -> None:
        """Add another part's sums, without its borders."""
        for name in _ADDED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.longest_run = max(self.longest_run, other.longest_run)


_ADDED = (
    "sent", "lost", "up", "down", "unknown", "runs", "overlaps", "pairs", "good_bad", "bad_good", "unpaired",
)  # fmt: skip


def loss_sums(probes: ProbeArrays) -> LossSums:
    """Count the losses of one part, by the same functions that judge a run."""
    losses, runs, fates = count_losses(probes), loss_periods(probes), transitions(probes)
    return LossSums(
        sent=probes.n, lost=losses.lost, up=losses.up, down=losses.down, unknown=losses.undecided,
        runs=int(runs.size), longest_run=int(runs.max()) if runs.size else 0,
        pairs=fates.after_good + fates.after_bad, good_bad=fates.good_bad, bad_good=fates.bad_good,
    )  # fmt: skip


def pieces_of(probes: ProbeArrays) -> list[Piece]:
    """Return the pieces of all sessions, by session."""
    borders = np.flatnonzero(np.diff(probes.session)) + 1
    edges = [0, *borders.tolist(), probes.n]
    return [_piece(probes, slice(low, high)) for low, high in itertools.pairwise(edges) if low < high]


def _piece(probes: ProbeArrays, rows: slice) -> Piece:
    seq, lost, refl = probes.seq[rows], probes.lost[rows], probes.refl_seq[rows]
    known = np.flatnonzero((lost == 0) & (refl >= 0))
    undecided = lost == UNDECIDED
    first, last = (int(known[0]), int(known[-1])) if known.size else (seq.size, -1)
    return Piece(
        session=int(probes.session[rows.start]),
        n=int(seq.size),
        first_seq=int(seq[0]),
        last_seq=int(seq[-1]),
        head_run=_run(seq, lost > 0),
        tail_run=_run(-seq[::-1], lost[::-1] > 0),
        first_known_seq=int(seq[first]) if known.size else -1,
        first_known_refl=int(refl[first]) if known.size else -1,
        head_n=first,
        head_undecided=int(undecided[:first].sum()),
        last_known_seq=int(seq[last]) if known.size else -1,
        last_known_refl=int(refl[last]) if known.size else -1,
        tail_n=int(seq.size - last - 1),
        tail_undecided=int(undecided[last + 1 :].sum()),
    )


def _run(seq: npt.NDArray[np.int64], lost: npt.NDArray[np.bool_]) -> int:
    """Return how many packets from the first on are lost, without an absent number between them."""
    goes_on = lost & np.concatenate([[True], np.diff(seq) == 1])
    ends = np.flatnonzero(~goes_on)
    return int(ends[0]) if ends.size else int(lost.size)


def join_pieces(a: Piece, b: Piece, sums: LossSums) -> Piece:
    """Return the piece of both, `b` sent after `a`, and move in `sums` what the joint decides."""
    if b.last_seq < a.first_seq:
        a, b = b, a
    if b.first_seq <= a.last_seq:
        sums.overlaps += 1
        first, last = min(a.first_seq, b.first_seq), max(a.last_seq, b.last_seq)
        return b._replace(n=a.n + b.n, first_seq=first, last_seq=last)
    is_next = b.first_seq == a.last_seq + 1
    if is_next:
        sums.pairs += 1
        sums.good_bad += int(not a.tail_run and b.head_run > 0)
        sums.bad_good += int(a.tail_run > 0 and not b.head_run)
    if is_next and a.tail_run and b.head_run:
        sums.runs -= 1
        sums.longest_run = max(sums.longest_run, a.tail_run + b.head_run)
    _decide(a, b, sums)
    has_a, has_b = a.first_known_refl >= 0, b.first_known_refl >= 0
    return Piece(
        session=a.session,
        n=a.n + b.n,
        first_seq=a.first_seq,
        last_seq=b.last_seq,
        head_run=a.head_run + b.head_run if is_next and a.head_run == a.n else a.head_run,
        tail_run=a.tail_run + b.tail_run if is_next and b.tail_run == b.n else b.tail_run,
        first_known_seq=a.first_known_seq if has_a else b.first_known_seq,
        first_known_refl=a.first_known_refl if has_a else b.first_known_refl,
        head_n=a.head_n if has_a else a.n + b.head_n,
        head_undecided=a.head_undecided if has_a else a.head_undecided + b.head_undecided,
        last_known_seq=b.last_known_seq if has_b else a.last_known_seq,
        last_known_refl=b.last_known_refl if has_b else a.last_known_refl,
        tail_n=b.tail_n if has_b else a.tail_n + b.n,
        tail_undecided=b.tail_undecided if has_b else a.tail_undecided + b.tail_undecided,
    )


def _decide(a: Piece, b: Piece, sums: LossSums) -> None:
    """Place losses of unknown direction between two known packets, as `analytics.loss` does within a part."""
    between = a.tail_n + b.head_n
    is_enclosed = a.last_known_refl >= 0 and b.first_known_refl >= 0 and between > 0
    is_whole = b.first_known_seq - a.last_known_seq - 1 == between
    if is_enclosed and is_whole and a.tail_undecided + b.head_undecided == between:
        down = min(max(b.first_known_refl - a.last_known_refl - 1, 0), between)
        sums.down += down
        sums.up += between - down
        sums.unknown -= between
