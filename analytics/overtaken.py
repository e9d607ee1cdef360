"""What a receiver must hold to put packets in order, and how long order lasts between reorderings (RFC 4737). Pure.

All of it is of the reordered packets alone: where nothing is reordered nothing is computed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.int64]
_NEAR = 256
"""Places that are looked through one after the other; where a packet came later than that, digits are counted."""


def later_before(order: Places, place: Places, furthest: int) -> Places:
    """Return for each packet, in order of arrival, how many sent later arrived before it.

    `order` says which packet arrived as the first, second and so on, `place` is its inverse, and no packet arrived by
    more than `furthest` places after one sent later. Those packets are what the reordering byte offset is the sum of
    (RFC 4737 4.4.3): whoever puts them in order holds them until this one comes.
    """
    if furthest > _NEAR:
        return _by_digits(place)[order]
    found = np.zeros(order.size, np.int64)
    for back in range(1, min(furthest + 1, order.size)):
        found[back:] += order[:-back] > order[back:]
    return found


def _by_digits(place: Places) -> Places:
    """Return the same in order of sending: O(n log m) where the longest stretch out of order has m packets."""
    found = np.zeros(place.size, np.int64)
    # Nobody left a stretch that ends where all so far came before all others.
    ends = np.flatnonzero(np.maximum.accumulate(place) == np.arange(place.size)) + 1
    lengths = np.diff(ends, prepend=0)
    rows = np.flatnonzero(np.repeat(lengths > 1, lengths))
    if not rows.size:
        return found
    lengths = lengths[lengths > 1]
    end = np.repeat(np.cumsum(lengths), lengths)
    start = end - np.repeat(lengths, lengths)
    value = place[rows] - rows[start]
    # Packets stand in groups whose arrivals lie together, each in order of sending. Whoever has a 1 in the digit came
    # after all of its group that have a 0: those sent later are counted, and the group is split in two.
    at = np.arange(rows.size)
    for digit in reversed(range(int(lengths.max() - 1).bit_length())):
        is_one = (value >> digit & 1).astype(np.bool_)
        zeros = np.concatenate([[0], np.cumsum(~is_one)])
        before, split = zeros[:-1] - zeros[start], start + zeros[end] - zeros[start]
        found[rows[is_one]] += (split - start - before)[is_one]
        then = np.empty_like(at)
        then[np.where(is_one, split + at - start - before, start + before)] = at
        start, end = np.where(is_one, split, start), np.where(is_one, end, split)
        rows, value, start, end = rows[then], value[then], start[then], end[then]
    return found


@dataclass(frozen=True, slots=True)
class OrderPattern:
    """How reordering is spread over a run.

    `runs` are the lengths of the reordering-free runs, of packets in order between two reordered ones or before the
    first of a session; the one that nothing ended is not among them (4.6.3). `early` are the places, in the order of
    arrival of all sessions one after the other, of the packets that arrived too early, since reordered ones came after
    them, and `gaps` says by how many packets each of those follows the one before it in its session (4.5.4).
    """

    runs: Places
    early: Places
    gaps: Places


def order_pattern(places: Places, extents: Places, sessions: Places) -> OrderPattern:
    """Return how reordering is spread.

    `places` say where each reordered packet stands in the order of arrival, all sessions one after the other, and
    `sessions` at which place each of those begins. An extent leads from a packet back to the one that overtook it
    first: that is the discontinuity.
    """
    early = np.unique(places - extents)
    places = np.sort(places)
    begins = sessions[np.searchsorted(sessions, places, side="right") - 1]
    follows = np.concatenate([[0], places[:-1] + 1])[: places.size]
    own = np.searchsorted(sessions, early, side="right")
    return OrderPattern(places - np.maximum(follows, begins), early, np.diff(early)[own[1:] == own[:-1]])
