"""A ping log to probe samples: one for each packet sent, one for each further answer, and what ping itself printed.

RFC 2681 2.4: the first answer counts, so further ones are rows of their own (copy 2, 3, ...) that no delay figure
touches; ping(8) puts them into its average. Both can be told from these rows, and the printed summary stands beside
them in the event "ping.summary". What a log does not say is not made up: see `_span` and `_unread_answers`.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from contract.recording.files import session_of
from contract.recording.ping_lines import NOT_PRINTED, PingRun, parse_runs, text_lines
from contract.recording.profile import Profile
from contract.recording.table import RecordedSample
from contract.recording.times import decimal_ns

_DEFAULT_INTERVAL_NS = 1_000_000_000
"""What every ping waits between two packets when nobody says otherwise."""
_DIRECTION_UNKNOWN = 3
_MAX_ABSENT_NAMED = 20


@dataclass(frozen=True, slots=True)
class _Span:
    """Packets of a run: [first, last] by number, and the numbers in it that have no row because nothing is known."""

    first: int
    last: int
    lost: frozenset[int]
    absent: frozenset[int]


def read_ping(path: Path, profile: Profile, digest: bytes) -> Iterator[RecordedSample]:
    """Yield the samples of a ping log in the order of sending; `digest` is the SHA-256 of the file."""
    runs = parse_runs(text_lines(path, profile.ping.encoding))
    spans = [_span(run) for run in runs]
    clocks = _clocks(path, profile, runs, spans)
    for part, (run, span, clock) in enumerate(zip(runs, spans, clocks, strict=True)):
        session = session_of(digest, part)
        yield from _notes(run, span, clock, profile)
        yield from _probe_rows(run, span, clock, session)
        yield _summary(run, span, clock, session)


def _span(run: PingRun) -> _Span:
    answered = set(run.seq)
    known = answered | run.refused.keys()
    printed = run.printed
    # Without its head a log does not say what was sent before its first line, without summary what after its last.
    first = run.first_seq if run.has_header or printed else min(known, default=0)
    last = max(known, default=first - 1)
    if printed:
        last = max(last, first + printed.transmitted - 1)
    missing = frozenset(range(first, last + 1)) - answered
    if printed and _unread_answers(run, len(answered)) > 0:
        lost = frozenset(missing & run.refused.keys())
        return _Span(first, last, lost, missing - lost)
    return _Span(first, last, missing, frozenset())


def _unread_answers(run: PingRun, answered: int) -> int:
    """Return how many answers ping counted that the log does not show (ping -q, damaged lines).

    Which packets they belong to is not known, so that none of the silent ones may be called lost. Windows counts
    "Reply from ...: Destination host unreachable" as received, though it means that the packet was lost.
    """
    if run.printed is None:
        return 0
    errors_counted = run.errors if run.dialect == "windows" else 0
    return run.printed.received - answered - errors_counted


class _Clock:
    """When each packet of a run was sent: from time stamps (-D) where there are any, else from start and interval."""

    def __init__(self, run: PingRun, span: _Span, interval_ns: int | None) -> None:
        anchors: dict[int, int] = {}
        for seq, stamp_ns in run.waiting.items():
            # iputils prints "no answer yet" for the previous packet just before it sends the next one.
            if stamp_ns != NOT_PRINTED:
                anchors[seq + 1] = stamp_ns
        stamped: set[int] = set()
        for seq, rtt_us, stamp_ns in zip(run.seq, run.rtt_us, run.stamp_ns, strict=True):
            if stamp_ns != NOT_PRINTED and seq not in stamped:
                stamped.add(seq)
                anchors[seq] = stamp_ns - max(rtt_us, 0) * 1000
        self.seqs = sorted(anchors)
        self.times = [anchors[seq] for seq in self.seqs]
        self.first, self.last = span.first, span.last
        self.start_ns = 0
        self.is_stamped = bool(anchors)
        self.is_interval_known = True
        # The step as a fraction, so that nothing drifts: the printed total of 1,024,857 ms over 981 intervals.
        sent = run.printed.transmitted if run.printed else 0
        if interval_ns is not None:
            self.step = (interval_ns, 1)
        elif run.printed and run.printed.time_ms and sent > 1:
            self.step = (run.printed.time_ms * 1_000_000, sent - 1)
        elif len(self.seqs) > 1:
            self.step = (self.times[-1] - self.times[0], self.seqs[-1] - self.seqs[0])
        else:
            self.step = (_DEFAULT_INTERVAL_NS, 1)
            self.is_interval_known = self.last <= self.first

    def steps_ns(self, count: int) -> int:
        """Return how long `count` intervals take."""
        return (count * self.step[0] + self.step[1] // 2) // self.step[1]

    def sent_ns(self, seq: int) -> int:
        """Return when packet `seq` was sent."""
        if not self.is_stamped:
            return self.start_ns + self.steps_ns(seq - self.first)
        place = bisect.bisect_left(self.seqs, seq)
        if place < len(self.seqs) and self.seqs[place] == seq:
            return self.times[place]
        if place == 0:
            return self.times[0] - self.steps_ns(self.seqs[0] - seq)
        if place == len(self.seqs):
            return self.times[-1] + self.steps_ns(seq - self.seqs[-1])
        left, right = self.seqs[place - 1], self.seqs[place]
        gap_ns = self.times[place] - self.times[place - 1]
        return self.times[place - 1] + gap_ns * (seq - left) // (right - left)

    @property
    def duration_ns(self) -> int:
        """From the first packet of the run to the moment the next run could begin."""
        return self.steps_ns(max(self.last - self.first + 1, 1))


def _clocks(path: Path, profile: Profile, runs: Sequence[PingRun], spans: Sequence[_Span]) -> list[_Clock]:
    interval_s = profile.ping.interval_s
    interval_ns = None if interval_s is None else decimal_ns(interval_s, "s")
    clocks = [_Clock(run, span, interval_ns) for run, span in zip(runs, spans, strict=True)]
    floating = [clock for clock in clocks if not clock.is_stamped]
    start_ns = profile.start_ns
    if start_ns is None:
        # ping writes its last line when it ends, so a log that was not touched since ends at its modification time.
        start_ns = path.stat().st_mtime_ns - sum(clock.duration_ns for clock in floating)
    for clock in floating:
        clock.start_ns = start_ns
        start_ns += clock.duration_ns
    return clocks


def _probe_rows(run: PingRun, span: _Span, clock: _Clock, session: int) -> Iterator[RecordedSample]:
    order = sorted(range(len(run.seq)), key=run.seq.__getitem__)  # stable: copies stay in the order of their arrival
    place = 0
    for seq in range(span.first, span.last + 1):
        t_ns = clock.sent_ns(seq)
        if seq in span.lost:
            yield _probe(t_ns, session, seq, None, copy=0, lost=_DIRECTION_UNKNOWN)
        copy = 0
        while place < len(order) and run.seq[order[place]] == seq:
            copy += 1
            rtt_us = run.rtt_us[order[place]]
            yield _probe(t_ns, session, seq, None if rtt_us == NOT_PRINTED else rtt_us, copy=copy, lost=0)
            place += 1


def _probe(t_ns: int, session: int, seq: int, rtt_us: int | None, *, copy: int, lost: int) -> RecordedSample:
    values = {"session": session, "seq": seq, "rtt_us": rtt_us, "copy": copy, "lost": lost}
    return RecordedSample(t_ns, "probe", None, values)


def _event(t_ns: int, name: str, severity: str, message: str, detail: dict[str, object]) -> RecordedSample:
    values = {
        "name": name,
        "severity": severity,
        "message": message,
        "detail": msgspec.json.encode(detail).decode(),
    }
    return RecordedSample(t_ns, "event", None, values)


def _notes(run: PingRun, span: _Span, clock: _Clock, profile: Profile) -> Iterator[RecordedSample]:
    """Yield one event for each thing that had to be assumed or left out."""
    t_ns = clock.sent_ns(span.first)
    if not clock.is_stamped and not profile.start:
        yield _event(
            t_ns, "ping.start_assumed", "warning",
            "The log has no times: its start is its modification time minus its duration; give the option start",
            {"start_ns": t_ns, "duration_s": clock.duration_ns / 1e9},
        )  # fmt: skip
    if not clock.is_interval_known:
        yield _event(
            t_ns, "ping.interval_assumed", "warning",
            "The log does not say how long it ran: 1 s between packets is assumed; give the option interval_s",
            {"interval_s": 1.0},
        )  # fmt: skip
    if run.printed is None:
        waiting = sorted(seq for seq in run.waiting if seq > span.last)
        yield _event(
            t_ns, "ping.no_summary", "warning",
            f"The log ends without ping's summary: what was sent after packet {span.last} is not known, and nothing "
            "is counted lost there",
            {"last_seq": span.last, "cut_in_a_line": run.is_cut, "unanswered_at_the_end": len(waiting)},
        )  # fmt: skip
    if span.absent:
        unread = _unread_answers(run, len(set(run.seq)))
        yield _event(
            t_ns, "ping.answers_not_shown", "warning",
            f"ping counted {unread} answers that the log does not show; {len(span.absent)} packets without a readable "
            "answer are left out, neither measured nor lost",
            {"not_shown": unread, "left_out": len(span.absent), "seq": sorted(span.absent)[:_MAX_ABSENT_NAMED]},
        )  # fmt: skip
    if run.below_resolution:
        yield _event(
            t_ns, "ping.below_resolution", "info",
            f'{run.below_resolution} answers are printed as "<1ms" and stand as 0: this ping cuts to whole '
            "milliseconds",
            {"answers": run.below_resolution, "resolution_us": 1000},
        )  # fmt: skip
    if run.unread:
        yield _event(
            t_ns, "ping.lines_not_read", "warning",
            f"{run.unread} lines of the log could not be read",
            {"lines": run.unread, "first": run.unread_lines},
        )  # fmt: skip


def _summary(run: PingRun, span: _Span, clock: _Clock, session: int) -> RecordedSample:
    answered = len(set(run.seq))
    read = {
        "sent": answered + len(span.lost),
        "received": answered,
        "duplicates": len(run.seq) - answered,
        "lost": len(span.lost),
        "left_out": len(span.absent),
        "errors": run.errors,
        "corrupted": run.corrupted,
    }
    detail: dict[str, object] = {"session": session, "target": run.target, "dialect": run.dialect, "read": read}
    t_ns = clock.sent_ns(max(span.last, span.first))
    printed = run.printed
    if printed is None:
        return _event(t_ns, "ping.summary", "info", "ping printed no summary", {**detail, "printed": None})
    detail["printed"] = {
        "transmitted": printed.transmitted,
        "received": printed.received,
        "duplicates": printed.duplicates,
        "corrupted": printed.corrupted,
        "errors": printed.errors,
        "loss_percent": printed.loss_percent or None,
        "time_ms": printed.time_ms,
        **{f"{name}_ms": float(text) for name, text in printed.delays_ms.items()},
    }
    agrees = (printed.transmitted, printed.received) == (read["sent"], read["received"])
    loss = f", {printed.loss_percent}% loss" if printed.loss_percent else ""
    message = f"ping printed: {printed.transmitted} sent, {printed.received} received{loss}"
    if not agrees:
        message += f"; the lines of the log show {read['sent']} sent, {read['received']} received"
    return _event(t_ns, "ping.summary", "info" if agrees else "warning", message, detail)
