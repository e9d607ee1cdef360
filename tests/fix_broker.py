"""A real mosquitto on a port of its own, which tests may stop, kill and start again."""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

_CONF = """listener {port} 127.0.0.1
allow_anonymous true
persistence false
max_inflight_messages 0
max_queued_messages 0
"""


def find_mosquitto() -> str | None:
    """Return the path of mosquitto, which Debian puts where an ordinary PATH does not look."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    """Return a TCP port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Broker:
    """One mosquitto; a context manager. It keeps its port over restarts and forgets everything else."""

    def __init__(self) -> None:
        self.host = "127.0.0.1"
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="jissho-broker-"))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start and wait until it accepts connections."""
        program = find_mosquitto()
        assert program is not None
        conf = self._folder / "mosquitto.conf"
        conf.write_text(_CONF.format(port=self.port), encoding="utf-8")
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen([program, "-c", str(conf)], stdout=log, stderr=log)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex((self.host, self.port)) == 0:
                    return
            time.sleep(0.02)
        raise TimeoutError("mosquitto did not start")

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(10)
            self._process = None

    def stop(self) -> None:
        """Stop in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End without a word."""
        self._end(signal.SIGKILL)


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A running mosquitto that is this test's alone."""
    if find_mosquitto() is None:
        pytest.skip("no mosquitto: apt install mosquitto")
    with Broker() as running:
        yield running
