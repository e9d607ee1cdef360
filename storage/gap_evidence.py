"""What the records of a device prove about stretches of time, as evidence for `storage.gaps.classify_pause`. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from storage.gap_reasons import ReasonId
from storage.gaps import PERIODS_OTHERS, BatchGap, Evidence, Seconds, longest_pause_s, pauses

_MARGIN_S = 2
"""Whole seconds on either side: an event and the sample beside it may fall into neighbouring ones."""


class StateChange(NamedTuple):
    """A line of the device's status log; `at_s` by the device's clock."""

    state: str
    at_s: int


class SourceEvent(NamedTuple):
    """source.started, .failed or .finished, or probe.pending, of one link. `again_in_s`: until the next try."""

    t_s: int
    name: str
    again_in_s: float = 0.0


def from_numbers(gaps: Sequence[BatchGap], start_s: int, end_s: int) -> list[Evidence]:
    """Return where the samples of absent batches would lie."""
    found = []
    for gap in gaps:
        low = start_s if gap.after is None else max(int(gap.after.timestamp()), start_s)
        high = end_s if gap.before is None else min(int(gap.before.timestamp()) + 1, end_s)
        if low < high:
            found.append(Evidence(gap.reason, low, high))
    # Where stretches overlap, what is known for certain comes before what is only waited for.
    order = {"dropped": 0, "damaged": 1, "quarantined": 2, "lost": 3, "in_outbox": 4}
    return sorted(found, key=lambda each: (order[each.reason], each.start_s))


def from_states(changes: Sequence[StateChange], end_s: int) -> list[Evidence]:
    """Return when the device had said goodbye."""
    ends = [*(change.at_s for change in changes[1:]), end_s]
    return [
        Evidence("agent_down", change.at_s, until_s)
        for change, until_s in zip(changes, ends, strict=False)
        if change.state == "offline" and change.at_s < until_s
    ]


def from_sources(events: Sequence[SourceEvent], stream: str, seconds: Seconds) -> list[Evidence]:
    """Return when the source of a link said that it could not measure, or was not running.

    `events` in the order of time, `seconds` those that hold a sample. A source that fails tries again with growing
    pauses: from its last sample or its start to its failure, and from there to the next start, it did not measure. For
    probes that is the link's fault (no route, no name, no far end), for others the source's.
    """
    why: ReasonId = "link_down" if stream == "probe" else "agent_down"
    found: list[Evidence] = []
    for event, after in pairwise([*events, None]):
        assert event is not None
        if event.name == "source.failed":
            # The agent may have died in the pause: it would have started again by then.
            latest_s = event.t_s + int(event.again_in_s) + _MARGIN_S
            found.append(Evidence(why, event.t_s, latest_s if after is None else min(after.t_s + 1, latest_s)))
        elif event.name == "source.started" and after is not None and after.name == "source.failed":
            found.append(Evidence(why, max(event.t_s, _last_before(seconds, after.t_s, event.t_s)), after.t_s + 1))
        elif event.name == "probe.pending" and stream == "probe":
            # Packets that were under way when the sender stopped: sent in vain, and without a row.
            found.append(Evidence(why, max(_last_before(seconds, event.t_s, 0), 0), event.t_s + 1))
        elif event.name == "source.finished":
            found.append(Evidence("agent_down", event.t_s, after.t_s + 1 if after is not None else _FOREVER_S))
    started = next((event.t_s for event in events if event.name == "source.started"), None)
    if started is not None and (not seconds.size or seconds[0] >= started - _MARGIN_S):
        found.append(Evidence("agent_down", 0, started + _MARGIN_S))
    return found


_FOREVER_S = 2**40


def _last_before(seconds: Seconds, at_s: int, otherwise_s: int) -> int:
    """Return the second after the last one with a sample up to `at_s`."""
    before = int(np.searchsorted(seconds, at_s, side="right"))
    return int(seconds[before - 1]) + 1 if before else otherwise_s


def under_way(silence: Sequence[Evidence], settle_s: float) -> list[Evidence]:
    """Return the stretches before a device fell silent whose probes it still waited for: their rows went with it."""
    return [Evidence(each.reason, each.start_s - int(settle_s), each.start_s) for each in silence if settle_s]


def from_silence(alive: Seconds, start_s: int, end_s: int, last_heard_s: int | None) -> list[Evidence]:
    """Return when a device took nothing at all: its numbers have no hole (else other evidence came before this).

    `alive` are the seconds with any sample of any of its links. After `last_heard_s` it may be measuring unheard; None
    for data that no agent sent, which end where they end.
    """
    longest_s = longest_pause_s(alive[(alive >= start_s) & (alive < end_s)], periods=PERIODS_OTHERS)
    heard_s = end_s if last_heard_s is None else min(max(last_heard_s + 1, start_s), end_s)
    found = []
    for low, high in pauses(alive, start_s, end_s, longest_s=longest_s):
        # A life sign just after the last sample proves no stop.
        unheard_s = low if low < heard_s <= low + longest_s else heard_s
        if low < unheard_s:
            found.append(Evidence("agent_down", low, min(high, unheard_s)))
        if max(low, unheard_s) < high:
            found.append(Evidence("unreachable", max(low, unheard_s), high))
    return found
