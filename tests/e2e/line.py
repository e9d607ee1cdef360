"""The whole line as real processes, for end-to-end tests: what a site and a server run, on loopback."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.fix_broker import Broker, free_port
from tests.fix_db import Database
from tests.jissho.shell import run_command

SITE, DEVICE = "site-a", "car-1"


def wait_until(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    """Wait until `condition` holds, or fail."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.05)


class Line:
    """Starts `jissho` commands as children and ends them."""

    def __init__(self, folder: Path, db: Database, broker: Broker) -> None:
        self.folder, self.db, self.broker = folder, db, broker
        self.reflector_port = free_port()
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def environment(self) -> dict[str, str]:
        """Environment of every command."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("JISSHO_")}
        # Tests count what the device sent, so ingest's own rows are left out.
        own = {"JISSHO_MQTT_PORT": str(self.broker.port), "JISSHO_INGEST_REPORT_S": "0"}
        return {**clean, "JISSHO_DATABASE_URL": self.db.url, **own}

    def start(self, name: str, *arguments: str, ready: str) -> None:
        """Start a command and wait until its log holds `ready` once more than before."""
        log = self.folder / f"{name}.log"
        before = log.read_text(errors="replace").count(ready) if log.exists() else 0
        with log.open("ab") as output:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", "jissho", *arguments],
                stdout=output,
                stderr=output,
                env={**self.environment(), "PYTHONUNBUFFERED": "1"},
            )
        wait_until(lambda: log.read_text(errors="replace").count(ready) > before)

    def start_ingest(self) -> None:
        """Start ingest and wait for its subscription."""
        self.start("ingest", "ingest", ready="connected")

    def start_reflector(self) -> None:
        """Start the reflector."""
        arguments = ("reflect", "--host", "127.0.0.1", "--port", str(self.reflector_port), "--clock-bound-us", "50")
        self.start("reflect", *arguments, ready="reflecting on")

    def start_collect(self, sources: str, *, head: str = "") -> None:
        """Start the agent with the given `[[source]]` tables."""
        config = self.folder / "collect.toml"
        config.write_text(
            f'site = "{SITE}"\ndevice = "{DEVICE}"\n{head}\n'
            f"[mqtt]\nport = {self.broker.port}\nreceipt_timeout_s = 2.0\n"
            f'[outbox]\npath = "{self.folder}/outbox.sqlite"\n{sources}',
            encoding="utf-8",
        )
        self.start("collect", "collect", "--config", str(config), ready="connected")

    def end(self, name: str, number: int = signal.SIGTERM) -> int:
        """End a command and return its exit status."""
        process = self._running.pop(name)
        process.send_signal(number)
        return process.wait(60)

    def wait(self, name: str) -> None:
        """Wait until a command has ended by itself, in order."""
        assert self._running.pop(name).wait(60) == 0

    def kill(self, name: str) -> None:
        """End a command without a word."""
        self.end(name, signal.SIGKILL)

    def kill_ingest(self) -> None:
        """Kill ingest and start another."""
        self.kill("ingest")
        self.start_ingest()

    def restart_broker(self) -> None:
        """Kill the broker, which remembers nothing, and start it again."""
        self.broker.kill()
        time.sleep(0.5)  # long enough that both ends notice
        self.broker.start()

    def wait_for_empty_outbox(self) -> None:
        """Wait until every batch has its receipt."""

        def is_empty() -> bool:
            with closing(sqlite3.connect(self.folder / "outbox.sqlite")) as outbox:
                return outbox.execute("SELECT count(*) FROM batch").fetchone() == (0,)

        wait_until(is_empty)

    def run(self, *arguments: str) -> str:
        """Run a command to its end and return what it printed."""
        outcome = run_command([*arguments], self.folder, self.environment())
        assert outcome.returncode == 0, outcome.stderr
        return outcome.stdout

    def run_json(self, *arguments: str) -> list[Any]:
        """Run a read command with --json and return its objects."""
        return [json.loads(text) for text in self.run(*arguments, "--json").splitlines()]

    def end_all(self) -> None:
        """End whatever still runs."""
        for name in list(self._running):
            self.kill(name)
