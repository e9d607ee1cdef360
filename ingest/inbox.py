"""Messages between the thread that receives and the one that reads them: bounded in bytes, taken by the handful."""

from __future__ import annotations

import queue
import threading
import time

from ingest.pipeline import Message

_WAIT_FOR_ROOM_S = 5.0
_LEAST_MESSAGE_BYTES = 2_000
"""What a small message counts at least, in a transaction and in the queue: decoded, 10 probe rows take about 3 kB, and
committing costs 0.13 ms a message. By payload alone 8 MB are 21,000 of them: transactions of nearly three seconds."""


def _cost_bytes(message: Message) -> int:
    return max(len(message.payload), _LEAST_MESSAGE_BYTES)


class Inbox:
    """Messages between two threads, bounded in bytes."""

    def __init__(self, limit_bytes: int) -> None:
        """Take messages as long as fewer than `limit_bytes` wait."""
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._room = threading.Condition()
        self._bytes = 0
        self._limit = limit_bytes

    @property
    def bytes(self) -> int:
        """What waits, in bytes."""
        return self._bytes

    def put(self, message: Message) -> bool:
        """Queue a message; waits for room, which stalls the broker's TCP stream, and gives up after a while."""
        with self._room:
            has_room = self._room.wait_for(lambda: self._bytes < self._limit, timeout=_WAIT_FOR_ROOM_S)
            if not has_room:
                return False
            self._bytes += _cost_bytes(message)
        self._messages.put(message)
        return True

    def take(self, age_s: float, limit_bytes: int) -> list[Message]:
        """Return what comes within `age_s` of the first message, at most about `limit_bytes`; empty after `age_s`."""
        taken: list[Message] = []
        size = 0
        deadline = time.monotonic() + age_s
        while size < limit_bytes and (left := deadline - time.monotonic()) > 0:
            try:
                message = self._messages.get(timeout=left)
            except queue.Empty:
                break
            if not taken:
                deadline = time.monotonic() + age_s
            taken.append(message)
            size += _cost_bytes(message)
        if size:
            with self._room:
                self._bytes -= size
                self._room.notify_all()
        return taken
