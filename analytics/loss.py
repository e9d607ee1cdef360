"""Loss: how much, in which direction, in how long runs. Pure functions on the packets of one link."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analytics.probes import ProbeArrays


@dataclass(frozen=True, slots=True)
class LossCounts:
    """Losses by direction; `undecided` are those that the sequence numbers cannot place.

    `up` of `sent` were lost on the way up; `down` of `reflected` on the way back.
    """

    sent: int
    lost: int
    up: int
    down: int
    undecided: int

    @property
    def reflected(self) -> int:
        """Packets that the reflector answered, as far as it is known."""
        return self.sent - self.up - self.undecided


def count_losses(probes: ProbeArrays) -> LossCounts:
    """Count losses; runs lost partly up and partly down are counted by the reflector's own numbers (RFC 8762 4).

    Between two delivered packets with m lost ones between them, the reflector numbered r' - r - 1 others: those reached
    it and were lost on the way down, the rest on the way up. Which packets they were stays unknown.
    """
    lost = probes.lost > 0
    up, down = int((probes.lost == 1).sum()), int((probes.lost == 2).sum())  # noqa: PLR2004 - contract LOST_CODES
    unknown = int((probes.lost == 3).sum())  # noqa: PLR2004 - likewise
    if unknown:
        mixed_up, mixed_down = _mixed_runs(probes)
        up, down, unknown = up + mixed_up, down + mixed_down, unknown - mixed_up - mixed_down
    return LossCounts(probes.n, int(lost.sum()), up, down, unknown)


def _mixed_runs(probes: ProbeArrays) -> tuple[int, int]:
    known = np.flatnonzero((probes.lost == 0) & (probes.refl_seq >= 0))
    left, right = known[:-1], known[1:]
    between = right - left - 1
    # Only runs whose every packet has a row: an absent number could have gone either way.
    whole = (probes.session[left] == probes.session[right]) & (probes.seq[right] - probes.seq[left] - 1 == between)
    codes = np.concatenate([[0], np.cumsum(probes.lost == 3)])  # noqa: PLR2004 - contract LOST_CODES
    mixed = whole & (between > 0) & (codes[right] - codes[left + 1] == between)
    reached = np.clip(probes.refl_seq[right] - probes.refl_seq[left] - 1, 0, between)
    down = int(reached[mixed].sum())
    return int(between[mixed].sum()) - down, down


def loss_periods(probes: ProbeArrays) -> npt.NDArray[np.int64]:
    """Return the lengths of the runs of consecutive losses (RFC 3357 6.3); a session's border ends a run."""
    lost = probes.lost > 0
    if not lost.any():
        return np.empty(0, np.int64)
    joined = np.concatenate([[False], (np.diff(probes.session) == 0) & (np.diff(probes.seq) == 1)])
    begins = lost & ~(joined & np.concatenate([[False], lost[:-1]]))
    number = np.cumsum(begins)[lost]
    return np.bincount(number)[1:].astype(np.int64)


@dataclass(frozen=True, slots=True)
class GilbertModel:
    """Two-state Markov model of loss; None where the data have no transition to tell it from."""

    p: float | None
    q: float | None


def fit_gilbert(lost: npt.NDArray[np.bool_]) -> GilbertModel:
    """Return p = P(loss | delivered before) and q = P(delivered | loss before) of one unbroken series."""
    before, after = lost[:-1], lost[1:]
    good, bad = int((~before).sum()), int(before.sum())
    return GilbertModel(
        p=float((~before & after).sum()) / good if good else None,
        q=float((before & ~after).sum()) / bad if bad else None,
    )
