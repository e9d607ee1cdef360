"""The running line under test: broker, database, ingest and collector as real processes, with proxies between them."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Self

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from storage.connect import connect
from storage.embedded import _Cluster
from storage.migrate import migrate
from tests.e2e.faults.points import FOLDER
from tests.fix_broker import Broker
from tests.fix_proxy import Proxy

SITE, DEVICE = "site-a", "car-1"
PATIENCE_S = 60.0


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = PATIENCE_S) -> None:
    """Wait until `condition` holds, or fail with what was waited for."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_s:.0f} s until {what}")
        time.sleep(0.02)


class Stage:
    """Starts everything in `folder`, which others may enter (PostgreSQL runs as nobody where we are root).

    `server_url` names a PostgreSQL that runs already; a database of our own is made there. It is not ours to crash, so
    there a crash is that all sessions in that database end.
    """

    def __init__(self, folder: Path, server_url: str = "") -> None:
        self.folder = folder
        self._server_url = server_url
        self._cluster = _Cluster(folder / "postgres")
        self.control = folder / "control"
        self.log = folder / "taken.log"
        self.outbox = folder / "outbox.sqlite"
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.max_bytes = 200_000_000

    def __enter__(self) -> Self:
        self.control.mkdir(parents=True, exist_ok=True)
        self.log.touch()
        self.database_url = self._made_database()
        with connect(self.database_url) as connection:
            migrate(connection)
        self.broker = Broker().__enter__()
        self.edge = Proxy(self.broker.port)
        self.server = Proxy(self.broker.port)
        parts = conninfo_to_dict(self.database_url)
        self.database = Proxy(int(parts.get("port") or 5432), str(parts.get("host") or "127.0.0.1"))
        self.start_ingest()
        self.start_collector()
        wait_until(lambda: self.outbox.exists() and self.log.stat().st_size > 0, "the collector measures")
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self.children):
            self.kill(name)
        for proxy in (self.edge, self.server, self.database):
            proxy.close()
        self.broker.stop()
        if self._server_url:
            with connect(self._server_url) as connection:
                connection.execute(f"DROP DATABASE {self._database} WITH (FORCE)".encode())
            return
        self._stop_database()
        shutil.rmtree(self.folder / "postgres", ignore_errors=True)

    @property
    def _database(self) -> str:
        return f"jissho_faults_{os.getpid()}" if self._server_url else "jissho"

    def _made_database(self) -> str:
        """Make the database, and return its URL, past the proxy."""
        server_url = self._server_url
        if not server_url:
            self._cluster.prepare()
            self._cluster.initialise()
            self._start_database()
            server_url = self._cluster.url("postgres")
        with connect(server_url) as connection:
            connection.execute(f"CREATE DATABASE {self._database}".encode())
        return make_conninfo(**{**conninfo_to_dict(server_url), "dbname": self._database})

    def url(self) -> str:
        """Database URL through the proxy."""
        through = {"host": "127.0.0.1", "port": str(self.database.port)}
        return make_conninfo(**{**conninfo_to_dict(self.database_url), **through})

    def crash_database(self) -> None:
        """End the server as a crash does, and start it again; on a server that is not ours, end all sessions."""
        if self._server_url:
            with connect(self._server_url) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (self._database,)
                )
            return
        self._stop_database()
        self._start_database()

    def _start_database(self) -> None:
        """Start PostgreSQL; fsync off, since these faults kill processes and not machines."""
        self._cluster.start({"fsync": "off", "max_connections": "30"})

    def _stop_database(self) -> None:
        self._cluster.run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", str(self._cluster.data))

    def start_ingest(self) -> None:
        """Start ingest; the caller waits for what it needs."""
        self._start("ingest", self.url(), str(self.server.port))

    def start_collector(self, name: str = "collector", outbox: Path | None = None) -> None:
        """Start a collector on the outbox."""
        config = self.folder / f"{name}.json"
        config.write_text(json.dumps({
            "site": SITE, "device": DEVICE, "max_age_s": 0.05, "drain_s": 0.2,
            "mqtt": {"port": self.edge.port, "receipt_timeout_s": 1.0, "keepalive_s": 5},
            "outbox": {"path": str(outbox or self.outbox), "max_bytes": self.max_bytes},
        }), encoding="utf-8")  # fmt: skip
        log = self.log if outbox is None else self.folder / f"{name}.taken"
        self._start(name, str(config), str(log), module="collector")

    def _start(self, name: str, *arguments: str, module: str = "") -> None:
        with (self.folder / f"{name}.log").open("ab") as output:
            self.children[name] = subprocess.Popen(
                [sys.executable, "-m", f"tests.e2e.faults.{module or name}", *arguments],
                stdout=output, stderr=output, env={**os.environ, FOLDER: str(self.control)},
            )  # fmt: skip

    def kill(self, name: str) -> None:
        """Kill a child without a word."""
        child = self.children.pop(name)
        child.send_signal(signal.SIGKILL)
        child.wait(20)

    def wait_for_death(self, name: str) -> None:
        """Wait until a child has killed itself at its point."""
        wait_until(lambda: self.children[name].poll() is not None, f"{name} dies at its point")
        del self.children[name]

    def pause(self, name: str, seconds: float) -> None:
        """Stop a child for a while, as a machine that swaps does."""
        child = self.children[name]
        child.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        child.send_signal(signal.SIGCONT)

    def revive(self) -> None:
        """Start whatever is not running."""
        for name, start in (("ingest", self.start_ingest), ("collector", self.start_collector)):
            child = self.children.get(name)
            if child is None or child.poll() is not None:
                start()

    def new_outbox(self) -> None:
        """Let the collector begin again with an empty outbox, a new epoch."""
        if "collector" in self.children:
            self.kill("collector")
        for suffix in ("", "-wal", "-shm"):
            self.outbox.with_name(self.outbox.name + suffix).unlink(missing_ok=True)
        self.start_collector()

    def outbox_rows(self, query: str) -> list[Any]:
        """Read from the outbox file beside its owner; while it is just being made anew, try again."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                with closing(sqlite3.connect(f"file:{self.outbox}?mode=rw", uri=True, timeout=10)) as db:
                    return db.execute(query).fetchall()
            except sqlite3.Error:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def taken(self) -> tuple[str, int]:
        """Return the epoch of the outbox and the highest number it has given."""
        found: dict[str, str] = {}
        while "taken" not in found:
            found = dict(self.outbox_rows("SELECT name, value FROM meta"))
        return found["epoch"], int(found["taken"])

    def waiting(self, up_to: int) -> int:
        """Return how many batches up to this number still wait for their receipt."""
        return int(self.outbox_rows(f"SELECT count(*) FROM batch WHERE seq <= {up_to}")[0][0])
