"""Answers matched with what was sent: which packet is delivered, lost, a further copy, or still under way.

Pure: the caller says what happened and when. Emission order is the order in which things become known.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from contract.samples import Value

LOST_UP, LOST_DOWN, LOST_UNKNOWN = 1, 2, 3
_KEPT_NEIGHBOURS = 4096


class Row(NamedTuple):
    """One row for the probe stream, with the packet's sending time."""

    t_ns: int
    sample: dict[str, Value]


@dataclass(slots=True)
class _Sent:
    seq: int
    t_ns: int
    deadline_s: float
    copies: int = 0


def direction_of_loss(gap: int, reached: int) -> int:
    """Say where the packets of a run of `gap` lost ones got lost, of which `reached` came to the reflector.

    All or none of them is proof; a mixed run has known counts but no known packets.
    """
    if reached <= 0:
        return LOST_UP
    return LOST_DOWN if reached >= gap else LOST_UNKNOWN


class Matcher:
    """The state of one session. `timeout_s`: an answer later than this counts as lost (Tmax, RFC 7680 2.4)."""

    def __init__(self, session: int, timeout_s: float) -> None:
        """Begin a session that has sent nothing."""
        self.session = session
        self.timeout_s = timeout_s
        self.late = 0
        self._waiting: dict[int, _Sent] = {}
        self._order: deque[_Sent] = deque()
        # Delivered packets in the order of sending: neighbours that tell where the lost ones between them got lost.
        self._delivered: list[tuple[int, int]] = []

    def sent(self, seq: int, t_ns: int, now_s: float) -> None:
        """Note a packet as sent at `t_ns` (Unix) and `now_s` (monotonic)."""
        entry = _Sent(seq, t_ns, now_s + self.timeout_s)
        self._waiting[seq] = entry
        self._order.append(entry)

    def answered(self, seq: int, refl_seq: int, arrived_s: float, delays_us: dict[str, Value]) -> Row | None:
        """Note an answer; return its row, or None if its packet's time was over (it is counted as late).

        `arrived_s` is monotonic; `delays_us` holds `ul_us`, `dl_us` and `rtt_us`.
        """
        entry = self._waiting.get(seq)
        if entry is None or arrived_s > entry.deadline_s:
            self.late += 1
            return None
        entry.copies += 1
        if entry.copies == 1:
            insort(self._delivered, (seq, refl_seq))
        sample: dict[str, Value] = {
            "session": self.session,
            "seq": seq,
            "refl_seq": refl_seq,
            "copy": entry.copies,
            "lost": 0,
            **delays_us,
        }
        return Row(entry.t_ns, sample)

    def expired(self, now_s: float) -> list[Row]:
        """Return the rows of the packets whose time is over and that no answer came for."""
        rows = []
        while self._order and self._order[0].deadline_s <= now_s:
            entry = self._order.popleft()
            del self._waiting[entry.seq]
            if entry.copies == 0:
                rows.append(self._lost(entry))
        self._forget()
        return rows

    def waits_for(self, seq: int) -> bool:
        """Tell whether the time of a packet is not over yet."""
        return seq in self._waiting

    def pending(self) -> list[int]:
        """Return the numbers of the packets that are neither answered nor over time."""
        return [entry.seq for entry in self._order if entry.copies == 0]

    def _lost(self, entry: _Sent) -> Row:
        place = bisect_left(self._delivered, (entry.seq, 0))
        code = LOST_UNKNOWN
        if 0 < place < len(self._delivered):
            (before, refl_before), (after, refl_after) = self._delivered[place - 1], self._delivered[place]
            code = direction_of_loss(after - before - 1, refl_after - refl_before - 1)
        sample: dict[str, Value] = {"session": self.session, "seq": entry.seq, "copy": 0, "lost": code}
        return Row(entry.t_ns, sample)

    def _forget(self) -> None:
        """Drop neighbours that no waiting packet can need."""
        if len(self._delivered) > 2 * _KEPT_NEIGHBOURS:
            first = self._order[0].seq if self._order else self._delivered[-1][0]
            place = min(bisect_left(self._delivered, (first, 0)), len(self._delivered) - _KEPT_NEIGHBOURS)
            del self._delivered[: max(place - 1, 0)]
