"""Child processes of the demonstration: started with a log each, and none left behind whatever happens."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_PR_SET_PDEATHSIG = 1
_GRACE_S = 15.0


class ChildError(RuntimeError):
    """Raised when a child did not become ready or died; the message ends with its last log lines."""


def _die_with_parent() -> None:
    """Ask the kernel to end this child when its parent is gone, even by SIGKILL, and leave Ctrl-C to the parent."""
    os.setpgid(0, 0)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Children:
    """Starts children in order and stops them in reverse."""

    def __init__(self, log_folder: Path) -> None:
        """Keep the folder in which each child gets a `NAME.log`."""
        self.log_folder = log_folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        """Nothing is started yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop whatever still runs."""
        for name in reversed(list(self._running)):
            self.stop(name)

    def log_path(self, name: str) -> Path:
        """Return where a child writes what it has to say."""
        return self.log_folder / f"{name}.log"

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Start a child."""
        with self.log_path(name).open("wb") as log:
            self._running[name] = subprocess.Popen(  # noqa: S603 - our own commands
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - the parent starts its threads later
            )

    def start_jissho(self, name: str, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        """Start a child that is a command of ours."""
        self.start(name, [sys.executable, "-m", "jissho", *arguments], environment)

    def wait_until(self, name: str, is_ready: Callable[[], bool], *, timeout_s: float = 30.0) -> None:
        """Wait until a child is ready. Raises ChildError with the end of its log if it dies or takes too long."""
        deadline = time.monotonic() + timeout_s
        while not is_ready():
            if not self.is_alive(name):
                raise ChildError(f"{name} ended at once:\n{self.tail(name)}")
            if time.monotonic() > deadline:
                raise ChildError(f"{name} was not ready after {timeout_s:.0f} s:\n{self.tail(name)}")
            time.sleep(0.05)

    def is_alive(self, name: str) -> bool:
        """Tell whether a child runs."""
        return name in self._running and self._running[name].poll() is None

    def check(self) -> None:
        """Raise ChildError if a child has ended by itself."""
        for name in self._running:
            if not self.is_alive(name):
                raise ChildError(f"{name} ended by itself:\n{self.tail(name)}")

    def log_has(self, name: str, text: str) -> bool:
        """Tell whether a child has said `text`."""
        return text in self.log_path(name).read_text(errors="replace")

    def tail(self, name: str, characters: int = 1500) -> str:
        """Return the end of a child's log."""
        return self.log_path(name).read_text(errors="replace")[-characters:]

    def stop(self, name: str) -> int | None:
        """Ask a child to end, insist after a while, and return its exit status."""
        child = self._running.pop(name, None)
        if child is None:
            return None
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                child.kill()
        return child.wait()

    def kill(self, name: str) -> None:
        """End a child without a word, as a power cut would."""
        child = self._running.pop(name)
        child.kill()
        child.wait()
