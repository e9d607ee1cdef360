"""Events that could come thousands of times a minute, said at once and then at most once a minute with a count."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from collectors.source import Emit

EVERY_S = 60.0
"""A person reads events: once a minute is enough to see that something goes on, and the counts stay complete."""

Detail = Mapping[str, object]


@dataclass(slots=True)
class _Notice:
    said_s: float
    count: int = 0
    severity: str = ""
    message: str = ""
    detail: Detail | None = None


class Notices:
    """The events of one source. `clock_s` is a monotonic clock and `now_ns` a wall clock, given so that tests can."""

    def __init__(
        self,
        emit: Emit,
        *,
        every_s: float = EVERY_S,
        clock_s: Callable[[], float] = time.monotonic,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Begin with nothing said."""
        self._emit, self._every_s, self._clock_s, self._now_ns = emit, every_s, clock_s, now_ns
        self._known: dict[str, _Notice] = {}

    def say(self, name: str, severity: str, message: str, detail: Detail) -> None:
        """Emit an event now, whatever was said before."""
        text = json.dumps(detail, ensure_ascii=False, default=str)
        # A database takes no NUL in a text, nor its escape in JSON, and an event about garbage may well hold one.
        self._emit(
            "event",
            self._now_ns(),
            {
                "name": name,
                "severity": severity,
                "message": message.replace("\0", "\ufffd"),
                "detail": text.replace("\\u0000", "\\ufffd"),
            },
        )

    def note(self, name: str, severity: str, message: str, detail: Detail | None = None, *, count: int = 1) -> None:
        """Say the event at once if it is new, else count it; what is said later carries the last message and detail."""
        notice = self._known.get(name)
        if notice is None:
            self._known[name] = _Notice(self._clock_s())
            self.say(name, severity, message, {"count": count, **(detail or {})})
            return
        notice.count += count
        notice.severity, notice.message, notice.detail = severity, message, detail
        if self._clock_s() - notice.said_s >= self._every_s:
            self._repeat(name, notice)

    def flush(self, *, everything: bool = False) -> None:
        """Say what was counted for long enough, or all of it when the source ends."""
        now_s = self._clock_s()
        for name, notice in self._known.items():
            if notice.count and (everything or now_s - notice.said_s >= self._every_s):
                self._repeat(name, notice)

    def _repeat(self, name: str, notice: _Notice) -> None:
        self.say(name, notice.severity, notice.message, {"count": notice.count, **(notice.detail or {})})
        notice.count, notice.said_s = 0, self._clock_s()
