"""The outages of a link one by one, its packets being read chunk by chunk. Pure.

Kept are the runs of failures that may be an outage, or part of one: those that outlast deadline and survival time, and
those at the ends of what was sent without a gap. Isolated losses leave nothing behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analytics.availability import Availability, observed
from analytics.class_tally import PacketFeed
from analytics.clock import ClockQuality
from analytics.outages import Outage, OutageTimes, Surroundings, outage
from analytics.poor_clock import restored
from analytics.probes import Bools, Ints, NotInOrderError, ProbeArrays
from analytics.requirements import Profile
from analytics.results import MS, Direction
from analytics.service_scan import PAUSE_US, ServiceScanner


class OutageScan:
    """Reads the packets of one link, in order of sending, for the deadline and survival time of a profile.

    The direction is the first that was measured, as for availability, unless one is given. Packets later than the
    waiting time of the profile are lost. One-way delays of time in which the clocks are poor are as those measured
    them, as in the number of outages; they make no packet lost.
    """

    def __init__(self, profile: Profile, clock: ClockQuality, direction: Direction | None = None) -> None:
        parameters = profile.parameters
        self.t_max_us, self.survival_us = (round(ms * MS) for ms in (parameters.t_max_ms, parameters.survival_ms))
        self.feed = PacketFeed(profile, clock)
        self._clock, self._given = clock, direction
        self._services: dict[Direction, tuple[ServiceScanner, _Failures]] = {}

    @property
    def direction(self) -> Direction:
        """The direction whose outages these are."""
        return self._given or self.feed.direction

    def add(self, probes: ProbeArrays) -> None:
        """Add the next packets. Raises NotInOrderError where they were not sent after those before them."""
        whole, probes = probes, self.feed.take(probes).probes
        if not probes.n:
            return
        for direction in self.feed.directions if self._given is None else (self._given,):
            if direction not in self._services:
                # As `analytics.link_scan` reads availability: a delay below what the clocks allow cannot be.
                is_clocked = direction != "round_trip" and self._clock.is_known
                least_us = -(self._clock.bound_us or 0.0) if is_clocked else None
                scanner = ServiceScanner(direction, self.t_max_us, self.survival_us, least_us)
                self._services[direction] = scanner, _Failures(direction, scanner)
            measured = restored(whole, probes, direction) if self.feed.is_clouded else probes
            for each in self._services[direction]:
                each.add(measured)

    @property
    def is_untimed(self) -> bool:
        """Whether packets arrived and no delay was measured: nothing says whether they were in time."""
        return self.feed.n > self.feed.lost and not self.feed.measures(self.direction)

    def found(self) -> Availability:
        """Return when the service was observed and when it was down."""
        return observed(self._services[self.direction][0])

    def outages(self, found: Availability, around: Surroundings) -> list[Outage]:
        """Return the outages in the order of time.

        Raises NotInOrderError where several senders overlap: which of them failed is then told by all packets at once,
        by `analytics.outages.list_outages`.
        """
        scanner, failures = self._services[self.direction]
        windows, starts, ends = scanner.result()
        if len(windows) != found.window_start_us.size:
            raise NotInOrderError("senders overlap: their outages are told by all packets at once")
        counted = failures.by_beginning([low for low, _ in windows])
        open_ends = set(found.window_end_us.tolist())
        listed = []
        for segment, (start_us, end_us) in enumerate(zip(starts, ends, strict=True)):
            for down_us, restored_us in zip(start_us.tolist(), end_us.tolist(), strict=True):
                failed_us = down_us - self.survival_us - self.t_max_us
                failed, lost = counted[segment, failed_us]
                listed.append(
                    outage(
                        OutageTimes(failed_us, down_us, restored_us), failed=failed, lost=lost,
                        is_open=restored_us in open_ends, around=around,
                    )
                )  # fmt: skip
        return sorted(listed, key=lambda each: each.start_us)


@dataclass(slots=True)
class _Run:
    """Consecutive packets that failed, of one stretch: sent without a break, as `service_scan.Stretch`."""

    stretch: int
    failed_us: int
    failed: int
    lost: int
    is_head: bool
    is_tail: bool = False


class _Failures:
    """Counts the packets of each run of failures that may be part of an outage."""

    def __init__(self, direction: Direction, scanner: ServiceScanner) -> None:
        """`scanner` has read the same packets."""
        self._direction, self._scanner = direction, scanner
        self._runs: list[_Run] = []
        self._open: _Run | None = None
        self._stretch = -1
        self._last: tuple[int, int] | None = None

    def add(self, probes: ProbeArrays) -> None:
        """Add the next packets, sorted by session and number."""
        order: Ints | slice = slice(None)
        if ((probes.t_us[1:] < probes.t_us[:-1]) & (probes.session[1:] == probes.session[:-1])).any():
            order = np.lexsort((probes.t_us, probes.session))
        t_us, session, is_lost = probes.t_us[order], probes.session[order], probes.lost[order] > 0
        delay = probes.delays[self._direction]
        us = delay.us[order]
        is_failed = ~(delay.valid[order] & (us <= self._scanner.t_max_us)) | is_lost
        is_break = np.concatenate([
            [self._last is None or self._last[0] != session[0] or int(t_us[0]) - self._last[1] > PAUSE_US],
            (session[1:] != session[:-1]) | (t_us[1:] - t_us[:-1] > PAUSE_US),
        ])  # fmt: skip
        self._last = int(session[-1]), int(t_us[-1])
        # No sooner than it was sent: what is kept beyond the outages does no harm.
        arrival_us = t_us + np.maximum(us, 0)
        if self._open is not None and is_break[0]:
            self._end(self._open, None)
        elif self._open is not None and not is_failed[0]:
            self._end(self._open, int(arrival_us[0]))
        self._add_runs(t_us, is_failed, is_lost, is_break, arrival_us)
        self._stretch += int(np.count_nonzero(is_break))

    def _add_runs(self, t_us: Ints, is_failed: Bools, is_lost: Bools, is_break: Bools, arrival_us: Ints) -> None:
        failed = np.flatnonzero(is_failed)
        if not failed.size:
            return
        is_first = np.concatenate([[True], (failed[1:] - failed[:-1] != 1) | is_break[failed[1:]]])
        begins, ends = failed[is_first], failed[np.concatenate([is_first[1:], [True]])] + 1
        lost_before = np.concatenate([[0], np.cumsum(is_lost)])
        lost = lost_before[ends] - lost_before[begins]
        goes_on = ends == t_us.size
        after = np.minimum(ends, t_us.size - 1)
        is_tail = ~goes_on & is_break[after]
        is_long = arrival_us[after] - t_us[begins] > self._scanner.t_max_us + self._scanner.survival_us
        kept = goes_on | is_tail | is_break[begins] | is_long
        kept[0] |= begins[0] == 0
        stretches = self._stretch + np.cumsum(is_break)
        for place in np.flatnonzero(kept).tolist():
            begin, end = int(begins[place]), int(ends[place])
            if begin == 0 and self._open is not None:
                run = self._open
                run.failed, run.lost = run.failed + end, run.lost + int(lost[place])
            else:
                run = _Run(
                    int(stretches[begin]), int(t_us[begin]), end - begin, int(lost[place]), bool(is_break[begin])
                )
            self._open = run
            if not goes_on[place]:
                self._end(run, None if is_tail[place] else int(arrival_us[end]))

    def _end(self, run: _Run, restored_us: int | None) -> None:
        """End the run that goes on: by a timely packet, or (None) by a break; keep it if it may matter."""
        self._open = None
        run.is_tail = restored_us is None
        least_us = self._scanner.t_max_us + self._scanner.survival_us
        if run.is_head or restored_us is None or restored_us - run.failed_us > least_us:
            self._runs.append(run)

    def by_beginning(self, window_starts_us: Sequence[int]) -> dict[tuple[int, int], tuple[int, int]]:
        """Return failed and lost packets of each run by its segment and when its first packet was sent.

        A run goes on over a break inside a segment: the gap of a slow sender. `window_starts_us` tell which stretches
        begin a segment.
        """
        segments, number = [], -1
        for stretch in self._scanner.stretches:
            is_next = number + 1 < len(window_starts_us)
            if is_next and window_starts_us[number + 1] == stretch.sent_us + self._scanner.t_max_us:
                number += 1
            segments.append(number)
        found: dict[tuple[int, int], tuple[int, int]] = {}
        before: _Run | None = None
        key = (-1, 0)
        runs = self._runs if self._open is None else [*self._runs, replace(self._open, is_tail=True)]
        for run in runs:
            goes_on = (
                before is not None and before.is_tail and run.is_head and run.stretch == before.stretch + 1
                and segments[run.stretch] == segments[before.stretch]
            )  # fmt: skip
            if not goes_on:
                key = segments[run.stretch], run.failed_us
            failed, lost = found.get(key, (0, 0))
            found[key] = failed + run.failed, lost + run.lost
            before = run
        return found
