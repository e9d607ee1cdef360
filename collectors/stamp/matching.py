"""Answers matched with what was sent: each packet ends as delivered, lost (up, down, unknown), or pending. Pure.

One row per packet sent, and one per further answer to it (`contract.streams`, stream `probe`). A packet is lost when no
answer came within the timeout (Tmax, RFC 7680 2.4). Where it got lost follows from the stateful reflector's numbers of
its delivered neighbours (RFC 8762 4): the reflector numbers what reaches it, so a number that never came back is
a packet that got there.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import NamedTuple

from collectors.stamp.packet import Answer
from contract.columns import INTEGER_BOUNDS
from contract.samples import Value

DELIVERED, LOST_UP, LOST_DOWN, LOST_UNKNOWN = 0, 1, 2, 3
"""Codes of `probe.lost`."""

CLOCK_STEP_NS = 1_000_000
"""A round trip that the wall clock and the monotonic clock measure differently by more than this saw a clock step.
Both run at the rate to which NTP slews them, and are read within 20 us of each other, so nothing else comes near."""

_MAX_DELAY_US = 2_000_000_000  # what the contract holds
_MAX_REFL_SEQ = INTEGER_BOUNDS["i4"][1]
_MAX_COPY = INTEGER_BOUNDS["i2"][1]


class Row(NamedTuple):
    """One row for the stream `probe`, at the packet's sending time."""

    t_ns: int
    sample: dict[str, Value]


class Sent(NamedTuple):
    """A packet as it left: its T1 on both clocks, and as the stamp that an answer must give back."""

    seq: int
    stamp: int
    wall_ns: int
    mono_ns: int


class Taken(NamedTuple):
    """What became of an answer: its row, or in `ignored` why it has none.

    `ignored` is "late" (after the timeout), "unknown" (never sent), "foreign" (it gives back another T1 or session
    identifier than were sent: an answer to another session) or "copies" (more than can be counted).
    `stepped`: the wall clock was set while the packet was under way. `unusable`: the answer's times contradict
    themselves; it counts as delivered, without delays.
    """

    row: Row | None = None
    ignored: str = ""
    stepped: bool = False
    unusable: bool = False


class Pending(NamedTuple):
    """Packets whose timeout had not passed when the session ended: neither delivered nor lost."""

    packets: int
    first_seq: int
    last_seq: int


@dataclass(slots=True)
class Counts:
    """Packets by what became of them; `delivered` + all lost + those pending = `sent`."""

    sent: int = 0
    delivered: int = 0
    lost_up: int = 0
    lost_down: int = 0
    lost_unknown: int = 0
    further_copies: int = 0
    reflector_restarts: int = 0


@dataclass(slots=True)
class _Packet:
    sent: Sent
    numbers: list[int] = field(default_factory=list)  # the reflector's, one an answer
    copies: int = 0
    refused: bool = False
    life: int = 0


class _Neighbour(NamedTuple):
    """A delivered packet next to a run of lost ones: its seq, and the reflector's number on the side of the run."""

    seq: int
    number: int
    life: int


def reached_reflector(lost: int, before: int, after: int, accounted: int = 0) -> int | None:
    """Return how many of `lost` packets in a row reached the reflector; None where its numbers prove nothing.

    `before` and `after` are the numbers that it gave to the delivered packets around them, of which `accounted` in
    between belong to other answers (overtaking packets, copies). Numbers that do not rise were reordered, or
    the reflector began anew.
    """
    if after <= before:
        return None
    return min(max(after - before - 1 - accounted, 0), lost)


class Matching:
    """The state of one session, whose packets are numbered from 0. All times are nanoseconds.

    `stateful`: the reflector numbers packets itself. One that gives back the sender's number proves no direction.
    Memory is bounded by rate x timeout.
    """

    def __init__(self, session: int, timeout_ns: int, *, ssid: int = 0, stateful: bool = True) -> None:
        """Begin a session that has sent nothing."""
        self.counts = Counts()
        self._session, self._timeout_ns, self._ssid, self._stateful = session, timeout_ns, ssid, stateful
        self._window: dict[int, _Packet] = {}
        self._first = 0
        # The reflector is taken to know nothing of a new session: its number before our first packet is -1.
        self._before = _Neighbour(-1, -1, 0)
        self._delivered_ahead: list[int] = []
        self._numbers: set[int] = set()
        self._highest = -1
        self._life = 0
        self._answers = 0
        self._verdict: tuple[tuple[int, int, int], int] | None = None

    def sent(self, packet: Sent) -> None:
        """Note a packet as sent. Raises ValueError if its number is not the next one."""
        if packet.seq != self.counts.sent:
            raise ValueError(f"packet {packet.seq} was noted, {self.counts.sent} is next")
        self._window[packet.seq] = _Packet(packet)
        self.counts.sent += 1

    def refused(self, seq: int) -> Row:
        """Return the row of a packet that this computer could not send: lost on the way up, beyond doubt."""
        packet = self._window[seq]
        packet.refused = True
        return self._lost(packet, LOST_UP)

    def take(self, answer: Answer, arrived_wall_ns: int, arrived_mono_ns: int) -> Taken:
        """Match an answer that arrived at that moment, which both clocks tell."""
        if answer.seq < self._first:
            return Taken(ignored="late")
        packet = self._window.get(answer.seq)
        if packet is None:
            return Taken(ignored="unknown")
        if answer.sent_stamp != packet.sent.stamp or answer.ssid not in {0, self._ssid}:
            return Taken(ignored="foreign")
        elapsed_ns = arrived_mono_ns - packet.sent.mono_ns
        if elapsed_ns > self._timeout_ns:
            return Taken(ignored="late")
        if packet.copies >= _MAX_COPY:
            return Taken(ignored="copies")
        self._note_delivery(packet, answer.refl_seq)
        stepped = abs(arrived_wall_ns - packet.sent.wall_ns - elapsed_ns) > CLOCK_STEP_NS
        delays = _delays(packet.sent, answer, arrived_wall_ns, elapsed_ns if stepped else None)
        refl_seq = answer.refl_seq if self._stateful and answer.refl_seq <= _MAX_REFL_SEQ else None
        sample: dict[str, Value] = {
            "session": self._session,
            "seq": answer.seq,
            "refl_seq": refl_seq,
            **delays,
            "copy": packet.copies,
            "lost": DELIVERED,
        }
        return Taken(Row(packet.sent.wall_ns, sample), stepped=stepped, unusable=delays["rtt_us"] is None)

    def expire(self, now_mono_ns: int) -> list[Row]:
        """Return the rows of the packets whose timeout has passed without an answer, and forget those answered."""
        rows = []
        while (packet := self._window.get(self._first)) is not None:
            if now_mono_ns - packet.sent.mono_ns <= self._timeout_ns:
                break
            if packet.copies:
                self._before = _Neighbour(self._first, max(packet.numbers), packet.life)
                if packet.life == self._life:
                    self._numbers.difference_update(packet.numbers)
            elif not packet.refused:
                rows.append(self._lost(packet, self._direction(self._first)))
            del self._window[self._first]
            self._first += 1
        return rows

    def pending(self) -> Pending | None:
        """Return which packets are neither answered nor lost yet; None if there are none."""
        waiting = [seq for seq, packet in self._window.items() if not packet.copies and not packet.refused]
        return Pending(len(waiting), waiting[0], waiting[-1]) if waiting else None

    def _note_delivery(self, packet: _Packet, number: int) -> None:
        self._answers += 1
        # Packets overtake each other by no more than what is under way: a number further back is a new life.
        if number + len(self._window) < self._highest:
            self._life += 1
            self.counts.reflector_restarts += 1
            self._numbers.clear()
            self._highest = -1
        self._highest = max(self._highest, number)
        self._numbers.add(number)
        packet.numbers.append(number)
        packet.copies += 1
        if packet.copies == 1:
            packet.life = self._life
            self.counts.delivered += 1
            heapq.heappush(self._delivered_ahead, packet.sent.seq)
        else:
            self.counts.further_copies += 1

    def _lost(self, packet: _Packet, code: int) -> Row:
        if code == LOST_UP:
            self.counts.lost_up += 1
        elif code == LOST_DOWN:
            self.counts.lost_down += 1
        else:
            self.counts.lost_unknown += 1
        sample: dict[str, Value] = {"session": self._session, "seq": packet.sent.seq, "copy": 0, "lost": code}
        return Row(packet.sent.wall_ns, sample)

    def _direction(self, seq: int) -> int:
        """Say where the packet `seq` got lost: proven if none, or all, of its run reached the reflector."""
        while self._delivered_ahead and self._delivered_ahead[0] <= seq:
            heapq.heappop(self._delivered_ahead)
        if not self._stateful or not self._delivered_ahead:
            return LOST_UNKNOWN
        after_seq = self._delivered_ahead[0]
        run = (self._before.seq, after_seq, self._answers)
        if self._verdict is None or self._verdict[0] != run:
            self._verdict = (run, self._direction_of_run(after_seq))
        return self._verdict[1]

    def _direction_of_run(self, after_seq: int) -> int:
        packet = self._window[after_seq]
        before, after = self._before, _Neighbour(after_seq, min(packet.numbers), packet.life)
        if before.life != after.life:
            return LOST_UNKNOWN
        if before.seq < 0 and after.number > after.seq:
            return LOST_UNKNOWN  # more than we have sent: the reflector knew this session before
        lost = after.seq - before.seq - 1
        accounted = self._numbers_between(before.number, after.number)
        reached = reached_reflector(lost, before.number, after.number, accounted)
        if reached is None:
            return LOST_UNKNOWN
        if reached == 0:
            return LOST_UP
        return LOST_DOWN if reached == lost else LOST_UNKNOWN

    def _numbers_between(self, low: int, high: int) -> int:
        if high - low <= len(self._numbers):
            return sum(number in self._numbers for number in range(low + 1, high))
        return sum(low < number < high for number in self._numbers)


def _delays(sent: Sent, answer: Answer, arrived_wall_ns: int, stepped_elapsed_ns: int | None) -> dict[str, Value]:
    """Return `ul_us`, `dl_us`, `rtt_us`, null where not measured.

    A step of the wall clock leaves the round trip, by `stepped_elapsed_ns` of the monotonic clock. Stamps in PTP's
    format do so too: whether they count leap seconds is not said in the packet. Times that contradict themselves
    leave nothing.
    """
    received_ns, answered_ns = answer.times_ns()
    elapsed_ns = arrived_wall_ns - sent.wall_ns if stepped_elapsed_ns is None else stepped_elapsed_ns
    rtt_us = _microseconds(elapsed_ns - (answered_ns - received_ns))
    is_sound = answer.receive_stamp != 0 and answer.transmit_stamp != 0 and received_ns <= answered_ns
    if not is_sound or rtt_us is None or rtt_us < 0:
        return {"ul_us": None, "dl_us": None, "rtt_us": None}
    if stepped_elapsed_ns is not None or answer.estimate.ptp:
        return {"ul_us": None, "dl_us": None, "rtt_us": rtt_us}
    return {
        "ul_us": _microseconds(received_ns - sent.wall_ns),
        "dl_us": _microseconds(arrived_wall_ns - answered_ns),
        "rtt_us": rtt_us,
    }


def _microseconds(nanoseconds: int) -> int | None:
    """Return whole microseconds, to nearest; None beyond what the contract holds: such a clock measures nothing."""
    rounded = (nanoseconds + 500) // 1000
    return rounded if abs(rounded) <= _MAX_DELAY_US else None
