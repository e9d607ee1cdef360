"""Gaps, classified: pure functions from what is known of a run to what is missing in it and why.

Two views of the same absence. By number: each seq that is not committed has one reason. By time: each second of a link
is covered by a sample or lies in one gap with one reason. Seconds are Unix seconds; intervals are half-open.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import msgspec
import numpy as np
import numpy.typing as npt

from storage.gap_reasons import ReasonId

Range = tuple[int, int]
"""Numbers from first to last, both inclusive."""

Seconds = npt.NDArray[np.int64]

PERIODS_PROBE, PERIODS_OTHERS = 20, 3
"""A pause is a gap when it is longer than so many sampling intervals. Probes may come with exponential gaps: more than
20 means happens once in 500 million; 10 means would show a false gap every seven hours at 1 packet/s."""

LEAST_PAUSE_S = 2
"""Shorter pauses are not told apart from a busy machine: a batch is closed every half second."""


class BatchGap(msgspec.Struct, frozen=True, kw_only=True):
    """Consecutive numbers that are not in the database, with one reason.

    `edge`: before the run's first or after its last batch, so they may belong to the run, and `missing` does not count
    them. Measured after `after` and before `before`, to the second; None where nothing bounds them.
    """

    device: str
    epoch: str
    first_seq: int
    last_seq: int
    reason: ReasonId
    edge: bool
    after: datetime | None = None
    before: datetime | None = None

    @property
    def batches(self) -> int:
        """How many."""
        return self.last_seq - self.first_seq + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochLedger:
    """What is known of the numbers of one outbox life.

    `first_seq` to `last_seq` are the run's own batches; None where none arrived. `absent` is every range up to the
    highest number ever heard of that is not committed; `quarantined`, `damaged` and `dropped` explain parts of it.
    `told_taken`
    and `told_pending` are the last life sign's: the outbox had given numbers up to the one and still held the other;
    None where no life sign of this epoch is the device's last.
    """

    device: str
    epoch: str
    first_seq: int | None
    last_seq: int | None
    absent: Sequence[Range]
    quarantined: Sequence[Range] = ()
    dropped: Sequence[Range] = ()
    damaged: Sequence[Range] = ()
    told_taken: int | None = None
    told_pending: int = 0


def classify_numbers(ledger: EpochLedger) -> list[BatchGap]:
    """Return the ranges of a run that are absent from the database, each with its reason, ascending.

    An outbox loses from its old end, so of the numbers that nothing else explains the newest `told_pending` are still
    in it, and what is older is lost. Numbers above `told_taken` were given after the last life sign: on their way.
    """
    found: list[tuple[int, int, ReasonId]] = []
    unexplained: list[Range] = []
    for whole in ledger.absent:
        left = [whole]
        for reason, known in (
            ("quarantined", ledger.quarantined), ("damaged", ledger.damaged), ("dropped", ledger.dropped)
        ):  # fmt: skip
            found += [(*part, reason) for part in _common(left, known)]  # type: ignore[misc]
            left = _without(left, known)
        unexplained += left
    room = ledger.told_pending
    for first, last in reversed(unexplained):
        if ledger.told_taken is None:
            found.append((first, last, "lost"))
            continue
        # From the newest down: on their way, then what the outbox says it holds, then nothing that explains them.
        sent_first = min(max(first, ledger.told_taken + 1), last + 1)
        held = min(room, sent_first - first)
        room -= held
        split = sent_first - held
        if split <= last:
            found.append((split, last, "in_outbox"))
        if first < split:
            found.append((first, split - 1, "lost"))
    return [gap for each in sorted(found) for gap in _of_run(ledger, each)]


def _of_run(ledger: EpochLedger, found: tuple[int, int, ReasonId]) -> list[BatchGap]:
    """Cut a range to the run: what lies inside, and the edges that reach up to the next batch of another run."""
    first, last, reason = found
    parts: list[tuple[int, int, bool]] = []
    if ledger.first_seq is None or ledger.last_seq is None:
        parts = [(first, last, True)]
    else:
        low, high = _edges(ledger.absent, ledger.first_seq, ledger.last_seq)
        for start, end, edge in (
            (low, ledger.first_seq - 1, True),
            (ledger.first_seq, ledger.last_seq, False),
            (ledger.last_seq + 1, high, True),
        ):
            parts += [(a, b, edge) for a, b in _common([(first, last)], [(start, end)])]
    return [
        BatchGap(device=ledger.device, epoch=ledger.epoch, first_seq=a, last_seq=b, reason=reason, edge=edge)
        for a, b, edge in parts
    ]


def _edges(absent: Sequence[Range], first_seq: int, last_seq: int) -> Range:
    """Return how far the absent numbers reach down from the run's first batch, and up from its last."""
    low = next((a for a, b in absent if a < first_seq <= b + 1), first_seq)
    high = next((b for a, b in absent if a - 1 <= last_seq < b), last_seq)
    return low, high


def _common(ranges: Iterable[Range], others: Iterable[Range]) -> list[Range]:
    """Return the numbers that lie in both, ascending, where each side has no overlaps."""
    both = [(max(a, c), min(b, d)) for a, b in ranges for c, d in others]
    return sorted((a, b) for a, b in both if a <= b)


def _without(ranges: Iterable[Range], others: Sequence[Range]) -> list[Range]:
    left: list[Range] = []
    for whole_first, whole_last in ranges:
        start = whole_first
        for a, b in sorted(others):
            if b < start or a > whole_last:
                continue
            if start < a:
                left.append((start, a - 1))
            start = b + 1
        if start <= whole_last:
            left.append((start, whole_last))
    return left


def share_time(gaps: Sequence[BatchGap]) -> list[BatchGap]:
    """Return the gaps of one outbox life with the time of adjoining ones divided between them by their numbers.

    Adjoining ranges (dropped, then still waiting) lie between the same two batches that arrived. Batches are closed at
    a steady rate, so each has about its share of that time, in the order of the numbers.
    """
    shared: list[BatchGap] = []
    chain: list[BatchGap] = []
    for gap in [*gaps, None]:
        if chain and (gap is None or gap.first_seq != chain[-1].last_seq + 1):
            shared += _shared(chain)
            chain = []
        if gap is not None:
            chain.append(gap)
    return shared


def _shared(chain: Sequence[BatchGap]) -> list[BatchGap]:
    after, before = chain[0].after, chain[-1].before
    if len(chain) == 1 or after is None or before is None or before <= after:
        return list(chain)
    total = chain[-1].last_seq - chain[0].first_seq + 1
    edges = [after]
    for gap in chain:
        passed = (gap.last_seq - chain[0].first_seq + 1) / total
        edges.append(after + timedelta(seconds=round((before - after).total_seconds() * passed)))
    return [
        msgspec.structs.replace(gap, after=low, before=high)
        for gap, (low, high) in zip(chain, pairwise(edges), strict=True)
    ]


def merged(ranges: Iterable[Range]) -> list[Range]:
    """Return the ranges without overlaps, adjacent ones joined."""
    joined: list[Range] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return joined


@dataclass(frozen=True, slots=True)
class Evidence:
    """Something known of a stretch of time: if samples are missing in it, `reason` is why."""

    reason: ReasonId
    start_s: int
    end_s: int


@dataclass(frozen=True, slots=True)
class Interval:
    """One classified gap, `start_s` <= t < `end_s`."""

    start_s: int
    end_s: int
    reason: ReasonId


def longest_pause_s(seconds: Seconds, counts: npt.NDArray[np.int64] | None = None, *, periods: int) -> int:
    """Return the longest pause that sampling itself explains, from the seconds that hold samples.

    `counts` are the samples of each second, for rates above 1 Hz; the sampling interval is the median.
    """
    if seconds.size < 2:  # noqa: PLR2004 - two samples make an interval
        return LEAST_PAUSE_S
    step_s = float(np.median(np.diff(seconds)))
    if step_s <= 1 and counts is not None:
        step_s = 1 / float(np.median(counts))
    return max(LEAST_PAUSE_S, int(np.ceil(periods * step_s)))


def pauses(seconds: Seconds, start_s: int, end_s: int, *, longest_s: int, settle_s: int = 0) -> list[Range]:
    """Return the half-open stretches of [start_s, end_s) without a sample that are longer than `longest_s`.

    `seconds` (ascending, unique) are those that hold a sample. The last stretch may be longer by `settle_s`: in a run
    that goes on, the newest samples are still on their way.
    """
    inside = seconds[(seconds >= start_s) & (seconds < end_s)]
    edges = np.concatenate([[start_s - 1], inside, [end_s]])
    found = [(int(a) + 1, int(b)) for a, b in pairwise(edges) if b - a - 1 > longest_s]
    if found and found[-1][1] == end_s and found[-1][1] - found[-1][0] <= longest_s + settle_s:
        found.pop()
    return found


def classify_pause(start_s: int, end_s: int, evidence: Sequence[Evidence], *, longest_s: int = 0) -> list[Interval]:
    """Cut a pause into intervals with one reason each; earlier evidence wins, and what none covers is "lost".

    Beside an explained stretch an unexplained one of at most `longest_s` belongs to it: by itself it would be no gap,
    and the streams of a device that stops do not all have their last sample in the same second.
    """
    cuts = {start_s, end_s}
    for each in evidence:
        cuts |= {edge for edge in (each.start_s, each.end_s) if start_s < edge < end_s}
    parts: list[tuple[int, int, ReasonId | None]] = []
    for low, high in pairwise(sorted(cuts)):
        reason = next((each.reason for each in evidence if each.start_s <= low and high <= each.end_s), None)
        first_s = parts.pop()[0] if parts and parts[-1][2] == reason else low
        parts.append((first_s, high, reason))
    found: list[Interval] = []
    for number, (low, high, reason) in enumerate(parts):
        known = reason
        if known is None and high - low <= longest_s:
            beside = [*parts[number + 1 : number + 2], *parts[max(number - 1, 0) : number]]
            known = next((each[2] for each in beside), None)
        known = known or "lost"
        if found and found[-1].reason == known:
            found[-1] = Interval(found[-1].start_s, high, known)
        else:
            found.append(Interval(low, high, known))
    return found
