"""A small STAMP pair over real sockets, written from RFC 8762 alone, to drive the simulated path from outside."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

SO_TIMESTAMPING = 37
RX_SOFTWARE = 1 << 3 | 1 << 4


class Answer(NamedTuple):
    seq: int
    refl_seq: int
    t1_ns: int
    t2_ns: int
    t3_ns: int
    t4_ns: int


def stamped_udp(timeout_s: float) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, RX_SOFTWARE)
    sock.settimeout(timeout_s)
    return sock


def receive(sock: socket.socket) -> tuple[bytes, tuple[str, int], int]:
    payload, ancillary, _, sender = sock.recvmsg(2048, 512)
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPING):
            seconds, nanoseconds = struct.unpack_from("=qq", data)
            if seconds:
                return payload, sender, seconds * 1_000_000_000 + nanoseconds
    return payload, sender, time.time_ns()


class Reflector:
    """A stateful reflector in a thread; `seen` lists the sender's sequence numbers in the order of arrival."""

    def __init__(self) -> None:
        self._sock = stamped_udp(0.05)
        self._sock.bind(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._sock.getsockname()
        self.seen: list[int] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                payload, sender, t2_ns = receive(self._sock)
            except TimeoutError:
                continue
            seq, t1_ns = struct.unpack_from("!IQ", payload)
            answer = struct.Struct("!IQ4xQIQ8x")
            self._sock.sendto(answer.pack(len(self.seen), time.time_ns(), t2_ns, seq, t1_ns), sender)
            self.seen.append(seq)

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()
        self._sock.close()


@pytest.fixture
def reflector() -> Iterator[Reflector]:
    running = Reflector()
    yield running
    running.stop()


def exchange(port: int, count: int, interval_s: float, quiet_s: float = 0.6) -> list[Answer]:
    """Send `count` packets to `port`; return all answers until none came for `quiet_s` after the last packet."""
    sock = stamped_udp(0.02)
    sock.connect(("127.0.0.1", port))
    sent = threading.Event()

    def send() -> None:
        for seq in range(count):
            sock.send(struct.pack("!IQ32x", seq, time.time_ns()))
            time.sleep(interval_s)
        sent.set()

    sender = threading.Thread(target=send)
    sender.start()
    answers = []
    quiet_since = time.monotonic()
    while not sent.is_set() or time.monotonic() - quiet_since < quiet_s:
        try:
            payload, _, t4_ns = receive(sock)
        except (TimeoutError, ConnectionRefusedError):
            continue
        refl_seq, t3_ns, t2_ns, seq, t1_ns = struct.unpack_from("!IQ4xQIQ", payload)
        answers.append(Answer(seq, refl_seq, t1_ns, t2_ns, t3_ns, t4_ns))
        quiet_since = time.monotonic()
    sender.join()
    sock.close()
    return answers


@pytest.fixture
def stamp_exchange() -> Callable[..., list[Answer]]:
    return exchange
