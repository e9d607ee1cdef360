"""The session-reflector (RFC 8762 4.3), stateful: each session's packets are numbered from 0 as they come.

From the two numbers of an answer the sender tells losses on the way up from those on the way down. Any number of
senders at once; a session is what comes from one address and port with one session identifier (RFC 8972 3).
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from collectors.stamp.arrival import Address, Arrival, StampedSocket
from collectors.stamp.packet import (
    BASE_BYTES,
    ErrorEstimate,
    PacketError,
    Request,
    decode_request,
    encode_answer,
    ntp_stamp,
    stamp_answer,
)
from collectors.stamp.tlv import answered

_log = logging.getLogger("jissho.reflect")

SESSION_IDLE_S = 900.0
"""A session that was silent for so long is forgotten, as TWAMP's REFWAIT has it (RFC 5357 4.2)."""

MAX_SESSIONS = 10_000
"""3 MB. Beyond it new sessions go unanswered until old ones expire: forged senders must not take the memory."""

_SWEEP_S = 60.0
_READ_AT_ONCE = 64


@dataclass(slots=True)
class ReflectorCounts:
    """What came and what became of it. Every datagram received is in exactly one of the others but `sessions`."""

    received: int = 0
    answered: int = 0
    too_short: int = 0
    corrupt: int = 0
    no_room: int = 0
    not_sent: int = 0
    sessions: int = 0

    def __str__(self) -> str:
        """Say it in a line."""
        garbage = self.too_short + self.corrupt
        return (
            f"{self.answered} of {self.received} packets answered in {self.sessions} sessions; "
            f"{garbage} were no STAMP packets, {self.no_room} found no room, {self.not_sent} could not be sent"
        )


@dataclass(slots=True)
class _Session:
    next_seq: int
    seen_s: float


class SessionTable:
    """The sessions and their counters. Pure: the caller gives the monotonic time."""

    def __init__(self, *, idle_s: float = SESSION_IDLE_S, max_sessions: int = MAX_SESSIONS) -> None:
        """Begin without sessions."""
        self._idle_s, self._max_sessions = idle_s, max_sessions
        self._sessions: dict[tuple[Address, int], _Session] = {}
        self._swept_s = float("-inf")
        self.begun = 0

    def __len__(self) -> int:
        return len(self._sessions)

    def number(self, sender: Address, ssid: int, now_s: float) -> int | None:
        """Return the number of the session's next packet, from 0; None if there is no room for another session."""
        session = self._sessions.get((sender, ssid))
        if session is None or now_s - session.seen_s > self._idle_s:
            if now_s - self._swept_s >= _SWEEP_S:
                self._sweep(now_s)
            if session is None and len(self._sessions) >= self._max_sessions:
                return None
            session = self._sessions[sender, ssid] = _Session(0, now_s)
            self.begun += 1
        number = session.next_seq
        session.next_seq += 1
        session.seen_s = now_s
        return number

    def _sweep(self, now_s: float) -> None:
        self._swept_s = now_s
        for key in [key for key, session in self._sessions.items() if now_s - session.seen_s > self._idle_s]:
            del self._sessions[key]


class Reflector:
    """Answers datagrams. `error_estimate` is asked for each answer: what this clock is worth now."""

    def __init__(self, error_estimate: Callable[[], ErrorEstimate], *, sessions: SessionTable | None = None) -> None:
        """Begin without sessions."""
        self.counts = ReflectorCounts()
        self._error_estimate = error_estimate
        self._sessions = SessionTable() if sessions is None else sessions

    def prepare(self, arrival: Arrival, now_s: float) -> bytearray | None:
        """Return the answer but for its sending time, or None if the datagram gets none; either way it is counted."""
        self.counts.received += 1
        try:
            request = decode_request(arrival.payload)
        except PacketError as error:
            if error.reason == "too_short":
                self.counts.too_short += 1
            else:
                self.counts.corrupt += 1
            return None
        number = self._sessions.number(arrival.sender, request.ssid, now_s)
        self.counts.sessions = self._sessions.begun
        if number is None:
            self.counts.no_room += 1
            return None
        return self._encode(request, number, arrival)

    def _encode(self, request: Request, number: int, arrival: Arrival) -> bytearray:
        return encode_answer(
            request,
            number,
            ntp_stamp(arrival.wall_ns),
            self._error_estimate()._replace(ptp=False),
            ttl=arrival.ttl,
            trailer=answered(arrival.payload[BASE_BYTES:]),
        )


async def run_reflector(
    host: str,
    port: int,
    *,
    error_estimate: Callable[[], ErrorEstimate],
    on_ready: Callable[[int], None] | None = None,
    stop: asyncio.Event,
) -> ReflectorCounts:
    """Answer probes until `stop` is set and return the counts; `on_ready` gets the port (for `port` 0: the one chosen).

    `host` "0.0.0.0" or "::" stands for all addresses; an answer leaves from the one to which its request came. Raises
    OSError if the port cannot be had.
    """
    loop = asyncio.get_running_loop()
    family, _, _, _, address = (await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM))[0]
    stamped = StampedSocket(family, bind=cast("Address", address), tells_destination=True)
    if not stamped.has_kernel_times:
        _log.warning("no arrival times from the kernel here: they are read in the program, some 0.1 ms late")
    reflector = Reflector(error_estimate)
    loop.add_reader(stamped.udp, _answer_waiting, stamped, reflector)
    try:
        if on_ready is not None:
            on_ready(stamped.port)
        await stop.wait()
    finally:
        loop.remove_reader(stamped.udp)
        stamped.close()
    return reflector.counts


def _answer_waiting(stamped: StampedSocket, reflector: Reflector) -> None:
    for _ in range(_READ_AT_ONCE):
        try:
            arrival = stamped.receive()
        except OSError as error:
            _log.warning("a datagram could not be read: %s", error)
            return
        if arrival is None:
            return
        answer = reflector.prepare(arrival, time.monotonic())
        if answer is None:
            continue
        # Nothing may come between the stamp and the sending: what does is counted as delay on the way down.
        stamp_answer(answer, ntp_stamp(time.time_ns()))
        try:
            stamped.answer(answer, arrival)
        except OSError as error:
            reflector.counts.not_sent += 1
            if reflector.counts.not_sent == 1:
                _log.warning("an answer to %s could not be sent: %s; further ones are counted", arrival.sender, error)
        else:
            reflector.counts.answered += 1
