"""The command line as a child process, for tests that meet it as a user does."""

import atexit
import functools
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any


class _Preloaded:
    """The process that commands are forked from (`tests.jissho.preloaded`)."""

    def __init__(self) -> None:
        self._outputs = tempfile.TemporaryDirectory(prefix="jissho-shell-")
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.jissho.preloaded"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            cwd=Path(__file__).parents[2],
        )  # fmt: skip
        atexit.register(self._end)

    def _end(self) -> None:
        self._process.communicate()
        self._outputs.cleanup()

    def run(self, arguments: list[str], folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        streams = {name: str(Path(self._outputs.name, name)) for name in ("stdout", "stderr")}
        request = {"arguments": arguments, "folder": str(folder), "environment": environment, **streams}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            status = int(self._process.stdout.readline())
            said = {name: Path(path).read_text(encoding="utf-8") for name, path in streams.items()}
        return subprocess.CompletedProcess(arguments, status, **said)


@functools.cache
def _preloaded() -> _Preloaded:
    return _Preloaded()


def run_command(arguments: list[str], folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run one command in `folder`, in a process that need not load the libraries first."""
    return _preloaded().run(arguments, folder, environment)


class Shell:
    """Runs `jissho` against one database, from a folder of the test's, which is its JISSHO_HOME too."""

    def __init__(self, url: str, folder: Path) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("JISSHO_")}
        own = {"JISSHO_DATABASE_URL": url, "JISSHO_HOME": str(folder), "COLUMNS": "200"}
        self.environment = {**clean, **own}
        self.folder = folder

    def __call__(self, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run one command."""
        return run_command([*map(str, arguments)], self.folder, {**self.environment, **environment})

    def alone(self, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run one command just as a user's shell does."""
        return subprocess.run(
            [sys.executable, "-m", "jissho", *map(str, arguments)],
            capture_output=True, text=True, check=False, cwd=self.folder, env={**self.environment, **environment},
        )  # fmt: skip

    def json(self, *arguments: object) -> list[dict[str, Any]]:
        """Run one command with --json, and return its records."""
        outcome = self(*arguments, "--json")
        assert outcome.returncode == 0, outcome.stderr
        return [json.loads(line) for line in outcome.stdout.splitlines()]
