"""Loads what the gaps of a run are judged by, and returns the completeness of the run with every gap explained."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, overload

import msgspec
import numpy as np
import psycopg

from storage import gap_queries
from storage.completeness import Completeness, run_completeness
from storage.gap_evidence import (
    SourceEvent,
    StateChange,
    from_numbers,
    from_silence,
    from_sources,
    from_states,
    under_way,
)
from storage.gap_reasons import ReasonId
from storage.gaps import (
    PERIODS_OTHERS,
    PERIODS_PROBE,
    BatchGap,
    EpochLedger,
    Evidence,
    Range,
    Seconds,
    classify_numbers,
    classify_pause,
    longest_pause_s,
    merged,
    pauses,
    share_time,
)
from storage.pending import settle_seconds
from storage.reader import link_ids
from storage.runs import RunRecord

PERIODIC_STREAMS = ("probe", "host")
"""Streams that come at an interval, so that a second without a sample says something."""

LATE_S = 10
"""Samples are in the database a second after they were measured; ten are no hiccup of a busy server any more."""

_TIMEOUT_S = 15
"""A lost probe is written when its timeout is over, so it is that much later without being late. The collector's
default; a longer one in use is in the event probe.session."""

_SETTLE_S = 5
_NEIGHBOURS = 4
"""Batches looked at on either side of an absent range: one alone may hold only probes that were given up, which are as
old as their timeout."""


class TimeGap(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of a run in which a stream of a link has no samples. `link` is empty for the device's own stream."""

    device: str
    link: str
    stream: str
    reason: ReasonId
    start: datetime
    end: datetime
    duration_s: int


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a run a stream of a link covers: `covered_s` + `gap_s` = `run_s`, in whole seconds."""

    device: str
    link: str
    stream: str
    run_s: int
    covered_s: int
    gap_s: int


class LateData(msgspec.Struct, frozen=True, kw_only=True):
    """What a device measured from `start` on and delivered together from `end` on: nothing of it is missing.

    `batches` came more than ten seconds late, at most `latest_s`. `reason` is always link_down: the way from the device
    to the database was cut, be it at the radio link, the broker or the server.
    """

    device: str
    reason: ReasonId = "link_down"
    start: datetime
    end: datetime
    duration_s: int
    batches: int
    latest_s: float


class ExplainedCompleteness(Completeness, frozen=True, kw_only=True):
    """The completeness of a run with a reason for each gap.

    `batch_gaps` hold every number that is not in the database once; those that are no `edge` and not quarantined add
    up to `missing`. `time_gaps` with `coverage` account for every second of each periodic stream.
    """

    batch_gaps: list[BatchGap]
    time_gaps: list[TimeGap]
    coverage: list[Coverage]
    late: list[LateData]


def explained_completeness(connection: psycopg.Connection, run: RunRecord) -> ExplainedCompleteness:
    """Return the completeness of `run` as the database has it now, with every gap explained."""
    found = run_completeness(connection, run)
    facts = _Facts(connection, run, found.as_of)
    batch_gaps = facts.batch_gaps()
    time_gaps, coverage = facts.time_gaps(batch_gaps)
    return ExplainedCompleteness(
        **msgspec.structs.asdict(found),
        batch_gaps=batch_gaps,
        time_gaps=time_gaps,
        coverage=coverage,
        late=facts.late(),
    )


class _Facts:
    """One run's evidence, read over one connection."""

    def __init__(self, connection: psycopg.Connection, run: RunRecord, now: datetime) -> None:
        """Look up who took part."""
        self._connection, self._run = connection, run
        self._links = link_ids(connection, run.site, run.devices, run.links)
        self._link_names = {link_id: names for names, link_id in self._links.items()}
        self._is_open = run.ended_at is None or run.ended_at > now
        end = min(run.ended_at or now, now)
        rows = connection.execute(
            "SELECT device_id, device FROM device WHERE site = %s AND device = ANY(%s)",
            (run.site, sorted({device for device, _ in self._links})),
        )
        self._devices: dict[int, str] = dict(rows.fetchall())
        self._start_s, self._end_s = int(run.started_at.timestamp()), int(np.ceil(end.timestamp()))
        self._parameters: dict[str, Any] = {
            "links": list(self._links.values()),
            "own": [link_id for (_, link), link_id in self._links.items() if not link],
            "devices": list(self._devices),
            "start": run.started_at,
            "end": run.ended_at or now,
            "neighbours": _NEIGHBOURS,
            "late": LATE_S,
            "timeout": _TIMEOUT_S,
        }

    def _rows(self, query: str, **more: object) -> list[Any]:
        return self._connection.execute(query.encode(), {**self._parameters, **more}).fetchall()

    def batch_gaps(self) -> list[BatchGap]:
        """Return the absent numbers of the run's outbox lives, with the times between which they were taken."""
        dropped: dict[int, list[Range]] = defaultdict(list)
        damaged: dict[int, list[Range]] = defaultdict(list)
        for epoch_id, detail in self._rows(gap_queries.DROPPED):
            reason, told = _dropped_ranges(detail)
            (damaged if reason == "damaged" else dropped)[epoch_id] += told
        found = []
        for epoch_id, device_id, device, epoch, first, last, absent, quarantined, taken, pending, at_s in self._rows(
            gap_queries.LEDGERS
        ):
            gaps = classify_numbers(
                EpochLedger(
                    device=device,
                    epoch=epoch,
                    first_seq=first,
                    last_seq=last,
                    absent=[(part.lower, part.upper - 1) for part in absent],
                    quarantined=[(part.lower, part.upper - 1) for part in quarantined],
                    dropped=merged(dropped[epoch_id]),
                    damaged=merged(damaged[epoch_id]),
                    told_taken=taken,
                    told_pending=pending or 0,
                )
            )
            found += self._bounded(gaps, epoch_id, device_id, at_s)
        return found

    def _bounded(
        self, gaps: Sequence[BatchGap], epoch_id: int, device_id: int, told_at_s: int | None
    ) -> list[BatchGap]:
        if not gaps:
            return []
        base = epoch_id << 40
        low, high = ([base + gap.first_seq for gap in gaps], [base + gap.last_seq for gap in gaps])
        bounds = self._rows(gap_queries.BOUNDS, low=low, high=high)
        open_end_s = told_at_s
        if open_end_s is None:
            row = self._connection.execute(gap_queries.NEXT_LIFE.encode(), (device_id, epoch_id)).fetchone()
            open_end_s = row[0] if row else None
        return share_time(
            [
                msgspec.structs.replace(gap, after=_utc(after), before=_utc(open_end_s if before is None else before))
                for gap, (after, before) in zip(gaps, bounds, strict=True)
            ]
        )

    def time_gaps(self, batch_gaps: Sequence[BatchGap]) -> tuple[list[TimeGap], list[Coverage]]:
        """Return the classified pauses of every periodic stream of the run, and how much each covers."""
        by_device = self._device_evidence(batch_gaps)
        events: dict[int, list[SourceEvent]] = defaultdict(list)
        for link_id, t_s, name, detail in self._rows(gap_queries.SOURCES):
            events[link_id].append(SourceEvent(t_s, name, _again_in_s(detail)))
        gaps: list[TimeGap] = []
        coverage: list[Coverage] = []
        settle = settle_seconds(self._connection, list(self._link_names))
        run_s = self._end_s - self._start_s
        for stream in PERIODIC_STREAMS:
            for link_id, (seconds, counts) in self._seconds(stream).items():
                device, link = self._link_names[link_id]
                numbers, others = by_device.get(device, ([], []))
                settle_s = settle.get(link_id, 0) if stream == "probe" else 0
                sources = from_sources(events[link_id], stream, seconds)
                evidence = [*numbers, *sources, *others, *under_way(others, settle_s)]
                periods = PERIODS_PROBE if stream == "probe" else PERIODS_OTHERS
                longest_s = longest_pause_s(seconds, counts, periods=periods)
                intervals = [
                    interval
                    for start_s, end_s in pauses(
                        seconds, self._start_s, self._end_s, longest_s=longest_s,
                        settle_s=max(_SETTLE_S, int(settle_s)) if self._is_open else 0,
                    )
                    for interval in classify_pause(start_s, end_s, evidence, longest_s=longest_s)
                ]  # fmt: skip
                gaps += [
                    TimeGap(
                        device=device, link=link, stream=stream, reason=each.reason, start=_utc(each.start_s),
                        end=_utc(each.end_s), duration_s=each.end_s - each.start_s,
                    )
                    for each in intervals
                ]  # fmt: skip
                gap_s = sum(each.end_s - each.start_s for each in intervals)
                coverage.append(
                    Coverage(device=device, link=link, stream=stream, run_s=run_s, covered_s=run_s - gap_s, gap_s=gap_s)
                )
        return sorted(gaps, key=lambda gap: (gap.device, gap.link, gap.stream, gap.start)), coverage

    def _seconds(self, stream: str) -> dict[int, tuple[Seconds, Seconds]]:
        """Return seconds and counts of each link that should have this stream: it has some, or the run names it."""
        found: dict[int, tuple[Seconds, Seconds]] = {}
        for link_id, second, count in self._group(gap_queries.SECONDS.format(stream=stream)):
            found[link_id] = (second, count)
        if stream == "probe":
            for (_, link), link_id in self._links.items():
                if link in self._run.links and link_id not in found:
                    found[link_id] = (np.empty(0, np.int64), np.empty(0, np.int64))
        return found

    def _group(self, query: str) -> list[tuple[int, Seconds, Seconds]]:
        table = np.array(self._rows(query), dtype=np.int64).reshape(-1, 3)
        keys, firsts = np.unique(table[:, 0], return_index=True)
        parts = np.split(table, firsts[1:]) if keys.size else []
        return [(int(key), part[:, 1], part[:, 2]) for key, part in zip(keys, parts, strict=True)]

    def _device_evidence(self, batch_gaps: Sequence[BatchGap]) -> dict[str, tuple[list[Evidence], list[Evidence]]]:
        """Return for each device the evidence of its numbers, and that of its states and its silence."""
        alive: dict[int, list[int]] = defaultdict(list)
        for device_id, second in self._rows(gap_queries.ALIVE):
            alive[device_id].append(second)
        states: dict[int, list[StateChange]] = defaultdict(list)
        for device_id, state, at_s in self._rows(gap_queries.STATES):
            states[device_id].append(StateChange(state, at_s))
        heard = dict(self._rows(gap_queries.HEARD))
        for device_id, changes in states.items():
            if changes[-1].state == "offline":  # it said goodbye: nobody waits for a sign
                heard.pop(device_id, None)
        return {
            device: (
                from_numbers([gap for gap in batch_gaps if gap.device == device], self._start_s, self._end_s),
                [
                    *from_states(states[device_id], self._end_s),
                    *from_silence(
                        np.array(alive[device_id], np.int64), self._start_s, self._end_s, heard.get(device_id)
                    ),
                ],
            )
            for device_id, device in self._devices.items()
        }

    def late(self) -> list[LateData]:
        """Return the stretches that came later than they were measured, one for each backlog."""
        found: list[LateData] = []
        for device_id, second, batches, after_s, arrived_s in self._rows(gap_queries.LATE):
            device, start, end = self._devices[device_id], _utc(second), _utc(int(np.ceil(arrived_s)))
            before = found[-1] if found else None
            # One cut, one arrival: what was measured before the earliest arrival of the backlog belongs to it.
            if before is not None and before.device == device and start <= before.end:
                found[-1] = _joined(before, end, batches, after_s)
            else:
                late = LateData(device=device, start=start, end=end, duration_s=0, batches=0, latest_s=0.0)
                found.append(_joined(late, end, batches, after_s))
        return found


def _joined(late: LateData, end: datetime, batches: int, after_s: float) -> LateData:
    end = min(late.end, end)
    return msgspec.structs.replace(
        late,
        end=end,
        duration_s=int((end - late.start).total_seconds()),
        batches=late.batches + batches,
        latest_s=max(late.latest_s, round(after_s, 1)),
    )


class _Drops(msgspec.Struct):
    """What a drop report says: the range just dropped, all so far, and whether by quota or as damaged."""

    first_seq: int
    last_seq: int
    ranges: list[tuple[int, int]] = []
    reason: str = "quota"


class _Failure(msgspec.Struct):
    again_in_s: float = 0.0


def _dropped_ranges(detail: object) -> tuple[str, list[Range]]:
    """Read a drop report; an event of that name with another detail explains nothing."""
    try:
        drops = msgspec.convert(detail, _Drops)
    except msgspec.ValidationError:
        return "", []
    return drops.reason, [each for each in [(drops.first_seq, drops.last_seq), *drops.ranges] if each[0] <= each[1]]


def _again_in_s(detail: object) -> float:
    try:
        return msgspec.convert(detail, _Failure).again_in_s
    except msgspec.ValidationError:
        return 0.0


@overload
def _utc(second: int) -> datetime: ...
@overload
def _utc(second: None) -> None: ...
def _utc(second: int | None) -> datetime | None:
    return None if second is None else datetime.fromtimestamp(second, tz=UTC)
