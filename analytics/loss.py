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
    codes = probes.lost[np.flatnonzero(probes.lost > 0)]
    up, down, unknown = (int(np.count_nonzero(codes == code)) for code in (1, 2, 3))  # contract LOST_CODES
    if unknown:
        mixed_up, mixed_down = _mixed_runs(probes)
        up, down, unknown = up + mixed_up, down + mixed_down, unknown - mixed_up - mixed_down
    return LossCounts(probes.n, int(codes.size), up, down, unknown)


def _mixed_runs(probes: ProbeArrays) -> tuple[int, int]:
    first, last = runs(np.flatnonzero(probes.lost == 3))  # noqa: PLR2004 - contract LOST_CODES
    is_inside = (first > 0) & (last < probes.n - 1)
    left, right = first[is_inside] - 1, last[is_inside] + 1
    between = right - left - 1
    # Only between packets that were answered, and only runs whose every packet has a row: an absent number could have
    # gone either way.
    refl_left, refl_right = (probes.refl_seq[side].astype(np.int64) for side in (left, right))
    is_known = (probes.lost[left] == 0) & (probes.lost[right] == 0) & (refl_left >= 0) & (refl_right >= 0)
    is_whole = (probes.session[left] == probes.session[right]) & (probes.seq[right] - probes.seq[left] - 1 == between)
    mixed = is_known & is_whole
    reached = np.clip(refl_right - refl_left - 1, 0, between)
    down = int(reached[mixed].sum())
    return int(between[mixed].sum()) - down, down


def runs(places: npt.NDArray[np.intp]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return first and last of each run of consecutive numbers; `places` ascending."""
    if not places.size:
        return places, places
    breaks = np.flatnonzero(np.diff(places) != 1)
    return places[np.concatenate([[0], breaks + 1])], places[np.concatenate([breaks, [places.size - 1]])]


def loss_periods(probes: ProbeArrays) -> npt.NDArray[np.int64]:
    """Return the lengths of the runs of consecutive losses (RFC 3357 6.3); a session's border ends a run."""
    places = np.flatnonzero(probes.lost > 0)
    if not places.size:
        return np.empty(0, np.int64)
    is_same = np.diff(probes.session[places]) == 0
    joined = (np.diff(places) == 1) & is_same & (np.diff(probes.seq[places]) == 1)
    starts = np.flatnonzero(np.concatenate([[True], ~joined]))
    return np.diff(np.concatenate([starts, [places.size]])).astype(np.int64)


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
