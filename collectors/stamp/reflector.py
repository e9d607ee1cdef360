"""The session-reflector: answers probes with its own number and the times of their arrival and departure.

Stateful (RFC 8762 4): each sender's session is numbered from 0, so that the sender can tell losses on the way up from
those on the way down.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from collectors.stamp.datagrams import Datagram, open_socket, receive
from collectors.stamp.packet import SENDER_BYTES, ErrorEstimate, PacketError, decode_request, encode_answer

log = logging.getLogger("jissho.reflect")

SESSION_IDLE_S = 900.0
MAX_SESSIONS = 10_000
_READ_AT_ONCE = 64


@dataclass(slots=True)
class ReflectorCounts:
    """What the reflector did."""

    answered: int = 0
    sessions: int = 0
    malformed: int = 0
    not_sent: int = 0


@dataclass(slots=True)
class _Session:
    next_seq: int = 0
    seen_s: float = 0.0
    latest_ntp: int = 0


class Reflector:
    """The sessions, and the answer to one datagram. `error_estimate` says how good this clock is now."""

    def __init__(self, error_estimate: Callable[[], ErrorEstimate]) -> None:
        """Begin without sessions."""
        self.counts = ReflectorCounts()
        self._error_estimate = error_estimate
        self._sessions: dict[tuple[str, int, int], _Session] = {}

    def answer(self, datagram: Datagram, now_s: float, now_ns: Callable[[], int]) -> bytes | None:
        """Return the answer to a datagram, or None if it is none of ours; `now_ns` is read last, just before sending.

        A number 0 with a later time than all before begins the session anew, so that a sender that was restarted on
        the same port finds a fresh numbering, and a copy of its first packet does not.
        """
        try:
            request = decode_request(datagram.payload)
        except PacketError:
            self.counts.malformed += 1
            return None
        key = (*datagram.sender, request.ssid)
        session = self._sessions.get(key)
        is_restart = session is not None and request.seq == 0 and request.sent_ntp > session.latest_ntp
        if session is None or is_restart or now_s - session.seen_s > SESSION_IDLE_S:
            self._make_room(now_s)
            session = self._sessions[key] = _Session()
            self.counts.sessions += 1
        session.seen_s = now_s
        session.latest_ntp = max(session.latest_ntp, request.sent_ntp)
        number = session.next_seq
        session.next_seq += 1
        rest = datagram.payload[SENDER_BYTES:]
        error = self._error_estimate()
        return encode_answer(request, number, datagram.arrived_ns, now_ns(), error, ttl=datagram.ttl, rest=rest)

    def _make_room(self, now_s: float) -> None:
        if len(self._sessions) < MAX_SESSIONS:
            return
        for key in [key for key, session in self._sessions.items() if now_s - session.seen_s > SESSION_IDLE_S]:
            del self._sessions[key]
        if len(self._sessions) >= MAX_SESSIONS:
            del self._sessions[min(self._sessions, key=lambda key: self._sessions[key].seen_s)]


async def run_reflector(
    host: str,
    port: int,
    *,
    error_estimate: Callable[[], ErrorEstimate],
    on_ready: Callable[[int], None] | None = None,
    stop: asyncio.Event,
) -> ReflectorCounts:
    """Reflect until `stop` is set and return the counts. Raises OSError where the port cannot be bound."""
    udp = open_socket(bind=(host, port))
    reflector = Reflector(error_estimate)

    def readable() -> None:
        for _ in range(_READ_AT_ONCE):
            datagram = receive(udp)
            if datagram is None:
                return
            answer = reflector.answer(datagram, time.monotonic(), time.time_ns)
            if answer is not None:
                _send(udp, answer, datagram.sender, reflector.counts)

    loop = asyncio.get_running_loop()
    loop.add_reader(udp, readable)
    if on_ready is not None:
        on_ready(udp.getsockname()[1])
    try:
        await stop.wait()
    finally:
        loop.remove_reader(udp)
        udp.close()
    return reflector.counts


def _send(udp: socket.socket, answer: bytes, to: tuple[str, int], counts: ReflectorCounts) -> None:
    try:
        udp.sendto(answer, to)
        counts.answered += 1
    except OSError as error:
        if counts.not_sent == 0:
            log.warning("answer to %s:%d not sent: %s", *to, error)
        counts.not_sent += 1
