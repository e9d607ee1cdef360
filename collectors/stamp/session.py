"""One session of the sender: sends by plan, reads answers, and emits what becomes of each packet."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from collectors.notices import Notices
from collectors.source import Emit
from collectors.stamp.arrival import Address, Arrival, StampedSocket
from collectors.stamp.clocks import Reading, read_clocks
from collectors.stamp.matching import CLOCK_STEP_NS, Matching, Row, Sent
from collectors.stamp.packet import (
    BASE_BYTES,
    UNSYNCHRONISED,
    Answer,
    ErrorEstimate,
    PacketError,
    Request,
    decode_answer,
    encode_request,
    unix_ns_of_ntp,
)
from collectors.stamp.sender import Sending

TURN_S = 0.1
"""How often timeouts are looked at: losses come this much late, which matters to nobody, for 10 wake-ups a second."""

DRAIN_S = 5.0
"""At the end, answers are waited for until the timeout decides, but no longer than this; what is missing then is
pending. With one second, and timeouts of two, a packet lost just before the end had no row; where it was the only
one of its run, whether the link lost any could no longer be told."""

CLOCK_EVERY_NS = 10_000_000_000
SILENT_NS = 10_000_000_000

_MAX_CLOCK_BOUND_US = 1e15  # contract, clock.bound_us
_READ_AT_ONCE = 64

_NEVER_HEALS = {errno.ENODEV, errno.ENXIO, errno.EBADF, errno.EMSGSIZE, errno.EAFNOSUPPORT}
"""Errors of sendto() after which this socket never sends again: the interface that it is tied to is gone, or the packet
does not fit. Others (no route, no address, a full queue) are what an outage of the link looks like from here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPlan:
    """What a session sends and expects. `times_ns` counts from its start, `trailer` follows the base packet."""

    number: int
    ssid: int
    times_ns: Iterator[int]
    mean_gap_ns: int
    timeout_ns: int
    last_seq: int
    target: Address
    target_name: str
    stateful: bool = True
    least_answer_bytes: int = BASE_BYTES
    trailer: bytes = b""


class Session:
    """Runs once. All but the sending happens in the event loop, so `emit` is called there only."""

    def __init__(self, plan: SessionPlan, stamped: StampedSocket, emit: Emit, notices: Notices) -> None:
        """Prepare; nothing is sent before `run`."""
        self._plan, self._stamped, self._emit, self._notices = plan, stamped, emit, notices
        self.matching = Matching(plan.number, plan.timeout_ns, ssid=plan.ssid, stateful=plan.stateful)
        self._sending = Sending(
            stamped.udp, plan.target, plan.times_ns, _encoder(plan), mean_gap_ns=plan.mean_gap_ns,
            last_seq=plan.last_seq,
        )  # fmt: skip
        self._failure: Exception | None = None
        self._skipped = self._drops = 0
        now = read_clocks()
        self._clock_offset_ns = now.wall_ns - now.mono_ns
        self._heard_mono_ns = now.mono_ns
        self._is_silent = False
        self._said_clock: tuple[bool, int] | None = None

    async def run(self) -> None:
        """Measure until cancelled or until the last number is used up; then wait a little for answers on their way.

        Raises OSError if the socket cannot send any more.
        """
        loop = asyncio.get_running_loop()
        loop.add_reader(self._stamped.udp, self._readable)
        self._sending.start()
        try:
            while self._sending.is_alive() and self._failure is None:
                await asyncio.sleep(TURN_S)
                self._turn()
            if failure := self._failure or self._sending.error:
                raise failure
        finally:
            self._sending.stop()
            draining = asyncio.create_task(self._drain())
            # It ends by itself; whoever stops a source cancels it again where it does not end at once.
            while not draining.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([draining])
            loop.remove_reader(self._stamped.udp)
            self._finish()
            draining.result()

    async def _drain(self) -> None:
        until_s = time.monotonic() + min(DRAIN_S, self._plan.timeout_ns / 1e9)
        self._note_sent()
        while self._failure is None and self.matching.pending() and time.monotonic() < until_s:
            await asyncio.sleep(TURN_S / 4)
            self._turn()

    def _finish(self) -> None:
        self._turn()
        if pending := self.matching.pending():
            self._notices.say(
                "probe.pending",
                "info",
                f"測定終了時に応答待ち{pending.packets}個(損失にも到達にも数えない) / "
                f"{pending.packets} packets were still under way at the end: neither delivered nor lost",
                {"session": self._plan.number, **pending._asdict()},
            )
        self._notices.flush(everything=True)

    def _readable(self) -> None:
        try:
            self._read(_READ_AT_ONCE)
        except Exception as error:  # noqa: BLE001 - raised by run(), where the agent meets it
            self._failure = error

    def _turn(self) -> None:
        """Do what is due. Answers are read first: one that came in time must not be called lost."""
        now = read_clocks()
        while self._read(_READ_AT_ONCE):
            pass
        self._note_sent()
        for row in self.matching.expire(now.mono_ns):
            self._emit("probe", *row)
        self._watch_clock(now)
        self._watch_silence(now)
        self._watch_sending()
        self._notices.flush()

    def _read(self, at_most: int) -> bool:
        """Take up to `at_most` datagrams; return False when there are no more."""
        for _ in range(at_most):
            try:
                arrival = self._stamped.receive()
            except ConnectionError:
                continue  # says that nobody listened at the far end, as silence does
            if arrival is None:
                return False
            self._take(arrival)
        return True

    def _take(self, arrival: Arrival) -> None:
        now = read_clocks()
        self._note_sent()
        self._watch_drops(arrival)
        if arrival.sender[:2] != self._plan.target[:2]:
            self._ignored("address", f"from {arrival.sender[0]}:{arrival.sender[1]}")
            return
        try:
            answer = decode_answer(arrival.payload, least_bytes=self._plan.least_answer_bytes)
        except PacketError as error:
            self._ignored(error.reason, str(error))
            return
        # The kernel's stamp is on the wall clock only; what passed since then leads to the monotonic one.
        arrived_mono_ns = now.mono_ns - max(now.wall_ns - arrival.wall_ns, 0)
        taken = self.matching.take(answer, arrival.wall_ns, arrived_mono_ns)
        if taken.row is not None:
            self._emit("probe", *taken.row)
            self._heard(answer.estimate, arrival, now)
        elif taken.ignored == "late":
            self._late(answer, arrival)
        else:
            self._ignored(taken.ignored, f"seq {answer.seq}, ssid {answer.ssid}")
        if taken.stepped:
            self._watch_clock(now)
        if taken.unusable:
            self._notices.note(
                "probe.unusable_times",
                "warning",
                "反射側の時刻が矛盾(遅延なしの到達として記録) / the reflector's times contradict themselves: "
                "delivered, without delays",
                {"seq": answer.seq, "target": self._plan.target_name},
            )

    def _note_sent(self) -> None:
        records = self._sending.records
        while records:
            record = records.popleft()
            if isinstance(record, Sent):
                self.matching.sent(record)
            else:
                self._refused(self.matching.refused(record.seq), record.errno)

    def _refused(self, row: Row, number: int) -> None:
        self._emit("probe", *row)
        reason = os.strerror(number)
        if number in _NEVER_HEALS and self._failure is None:
            self._failure = OSError(number, f"cannot send to {self._plan.target_name}: {reason}")
        self._notices.note(
            "probe.refused",
            "warning",
            f"この端末から送信できない(上り損失として記録): {reason} / "
            "this computer cannot send: counted as lost on the way up",
            {"errno": errno.errorcode.get(number, str(number)), "target": self._plan.target_name},
        )

    def _heard(self, estimate: ErrorEstimate, arrival: Arrival, now: Reading) -> None:
        self._heard_mono_ns = now.mono_ns
        if self._is_silent:
            self._is_silent = False
            self._notices.say(
                "probe.resumed", "info", "応答が再開 / answers come again", {"target": self._plan.target_name}
            )
        said = self._said_clock
        if said is not None and said[0] == estimate.synced and now.mono_ns - said[1] < CLOCK_EVERY_NS:
            return
        self._said_clock = (estimate.synced, now.mono_ns)
        is_known = estimate.synced and estimate.error_us <= _MAX_CLOCK_BOUND_US
        self._emit(
            "clock",
            arrival.wall_ns,
            {
                "method": "stamp",
                "synced": estimate.synced,
                "bound_us": estimate.error_us if is_known else None,
                "reference": self._plan.target_name,
            },
        )

    def _late(self, answer: Answer, arrival: Arrival) -> None:
        after_ms = (arrival.wall_ns - unix_ns_of_ntp(answer.sent_stamp)) / 1e6
        self._notices.note(
            "probe.late",
            "warning",
            f"待ち時間を過ぎた応答({after_ms:.0f} ms、損失として記録済み): timeout_s を長くする / "
            "answers after the timeout were counted as lost: raise timeout_s",
            {"last_seq": answer.seq, "last_after_ms": round(after_ms, 3)},
        )

    def _ignored(self, reason: str, what: str) -> None:
        self._notices.note(
            "probe.ignored",
            "warning",
            f"本測定の応答ではないパケットを無視({reason}) / a datagram that answers none of ours was ignored: {what}",
            {"reason": reason, "what": what},
        )

    def _watch_drops(self, arrival: Arrival) -> None:
        if arrival.drops > self._drops:
            self._notices.note(
                "probe.overflow",
                "error",
                "受信バッファあふれ: 応答が端末内で失われた(下り損失に数えられる) / "
                "answers were lost in this computer's receive buffer and look like losses on the way down: "
                "raise net.core.rmem_max, or lower rate_pps",
                count=arrival.drops - self._drops,
            )
            self._drops = arrival.drops

    def _watch_clock(self, now: Reading) -> None:
        """Say each step of the wall clock once; a second reading tells a step from a stalled first one."""
        step_ns = now.wall_ns - now.mono_ns - self._clock_offset_ns
        if abs(step_ns) <= CLOCK_STEP_NS:
            return
        again = read_clocks()
        step_ns = again.wall_ns - again.mono_ns - self._clock_offset_ns
        if abs(step_ns) <= CLOCK_STEP_NS:
            return
        self._clock_offset_ns += step_ns
        self._notices.say(
            "clock.step",
            "warning",
            f"時計が {step_ns / 1e6:+.3f} ms 変更された / the clock was stepped by {step_ns / 1e6:+.3f} ms",
            {"step_ms": step_ns / 1e6, "session": self._plan.number},
        )

    def _watch_silence(self, now: Reading) -> None:
        silent_ns = now.mono_ns - self._heard_mono_ns
        if not self._is_silent and silent_ns > SILENT_NS:
            self._is_silent = True
            self._notices.say(
                "probe.silent",
                "warning",
                f"{silent_ns / 1e9:.0f} 秒間応答なし / no answer from {self._plan.target_name} for "
                f"{silent_ns / 1e9:.0f} s: is the reflector running, and its UDP port open?",
                {"target": self._plan.target_name},
            )

    def _watch_sending(self) -> None:
        lateness = self._sending.lateness
        skipped = lateness.skipped - self._skipped
        if skipped:
            self._skipped += skipped
            self._notices.note(
                "probe.skipped",
                "warning",
                "端末の処理遅れにより送信を省略(まとめ送りはしない) / "
                "this computer was too late for planned packets and left them out",
                {"sent": lateness.sent, "worst_late_us": lateness.worst_ns // 1000},
                count=skipped,
            )


def _encoder(plan: SessionPlan) -> Callable[[int, int], bytes]:
    """Return what makes a packet of number and T1. Our own clock's quality travels in the stream `clock`, not here."""

    def encode(seq: int, stamp: int) -> bytes:
        return encode_request(Request(seq, stamp, UNSYNCHRONISED.word, plan.ssid), plan.trailer)

    return encode
