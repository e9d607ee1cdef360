"""Loss: how much, in which direction, in how long runs. Pure functions on the packets of one link."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analytics.blocks import block_slices
from analytics.probes import ProbeArrays, neighbours_in


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
    # Only between packets that the reflector numbered, and only runs whose every packet has a row: an absent number
    # could have gone either way. An answer that came too late to count (`analytics.waiting_time`) has its number still.
    refl_left, refl_right = (probes.refl_seq[side].astype(np.int64) for side in (left, right))
    is_known = (refl_left >= 0) & (refl_right >= 0)
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


def lost_places(probes: ProbeArrays) -> npt.NDArray[np.intp]:
    """Return where the lost packets are, ascending: what the pattern of loss is made of."""
    return np.flatnonzero(probes.lost > 0)


def loss_distances(probes: ProbeArrays, places: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
    """Return for each lost packet by how many numbers the lost one before it lies back (RFC 3357 5.4.1).

    0 for the first of each session: numbers of two sessions have no distance. `places` as of `lost_places`. Absent
    numbers in between count as distance, so that some of those distances may be too long.
    """
    if not places.size:
        return np.empty(0, np.int64)
    session, seq = probes.session[places], probes.seq[places].astype(np.int64)
    return np.concatenate([[0], np.where(session[1:] == session[:-1], seq[1:] - seq[:-1], 0)])


def loss_periods(probes: ProbeArrays, places: npt.NDArray[np.intp] | None = None) -> npt.NDArray[np.int64]:
    """Return the lengths of the runs of consecutive losses (RFC 3357 6.3); a session's border ends a run."""
    places = lost_places(probes) if places is None else places
    if not places.size:
        return np.empty(0, np.int64)
    is_same = np.diff(probes.session[places]) == 0
    joined = (np.diff(places) == 1) & is_same & (np.diff(probes.seq[places]) == 1)
    starts = np.flatnonzero(np.concatenate([[True], ~joined]))
    return np.diff(np.concatenate([starts, [places.size]])).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Transitions:
    """How often a packet's fate followed its predecessor's: `good_bad` are packets lost after a delivered one."""

    good_good: int
    good_bad: int
    bad_good: int
    bad_bad: int

    @property
    def after_good(self) -> int:
        """Packets sent just after a delivered one."""
        return self.good_good + self.good_bad

    @property
    def after_bad(self) -> int:
        """Packets sent just after a lost one."""
        return self.bad_good + self.bad_bad


def transitions(probes: ProbeArrays) -> Transitions:
    """Count the transitions between packets with consecutive numbers, for the two-state model of loss (Gilbert 1960).

    p = good_bad / after_good and q = bad_good / after_bad are its maximum likelihood estimates. Looks only at the
    places of losses, and once at the numbers.
    """
    pairs = 0
    for block in block_slices(probes.n):
        rows = slice(max(block.start - 1, 0), block.stop)
        known = neighbours_in(probes, rows)
        pairs += rows.stop - rows.start - 1 if known is None else int(np.count_nonzero(known))
    places = lost_places(probes)
    before, after = places[places > 0], places[places < probes.n - 1]
    has_before = _are_neighbours(probes, before - 1)
    has_after = _are_neighbours(probes, after)
    bad_bad = int(np.count_nonzero(has_before & (probes.lost[before - 1] > 0)))
    good_bad = int(np.count_nonzero(has_before)) - bad_bad
    bad_good = int(np.count_nonzero(has_after)) - bad_bad
    return Transitions(pairs - good_bad - bad_good - bad_bad, good_bad, bad_good, bad_bad)


def _are_neighbours(probes: ProbeArrays, first: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """Return whether each packet at `first` and the one after it were sent one after the other."""
    is_same = probes.session[first] == probes.session[first + 1]
    return np.asarray(is_same & (probes.seq[first + 1] - probes.seq[first] == 1))
