"""Ingest's own health: Prometheus metrics of the process, and the same as rows that dashboards can draw.

The rows go through the ordinary ledger as a device of their own (site "server"), so that a dashboard needs no second
source and a gap in them is the gap of ingest itself. They are written directly, never published: no loop.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import psycopg
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from contract.streams import STREAMS
from contract.topics import NAME
from ingest.counts import IngestCounts
from storage.columnar import ArrayColumn, BatchKey, ColumnBatch
from storage.connect import connect
from storage.errors import StorageError
from storage.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ingest.pipeline import Processed

log = logging.getLogger("jissho.ingest")

SITE = "server"
_LAG_BUCKETS_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 30.0, 300.0, 3600.0, 86_400.0)
"""Around the promise of one second, and up to a backlog of a day."""
ROWS: dict[str, tuple[str, str]] = {
    "ingest.messages_per_s": ("1/s", "受信メッセージ数"),
    "ingest.rows_per_s": ("1/s", "登録行数"),
    "ingest.commit_ms": ("ms", "コミット時間(平均)"),
    "ingest.lag_s": ("s", "測定から登録までの遅れ(最新)"),
    "ingest.queue_bytes": ("By", "受信待ち"),
    "ingest.quarantined": ("1", "隔離数(累計)"),
    "ingest.duplicates": ("1", "重複数(累計)"),
}
"""Names, units and labels of the rows; sums count from the start of the process."""


class IngestHealth:
    """Counts what the committing thread does; reading and counting may be in different threads.

    `counts` are the same numbers as the Prometheus ones, for this process itself.
    """

    def __init__(self) -> None:
        """Begin at zero, in a registry of its own: two services in one process must not share numbers."""
        self.registry = CollectorRegistry()

        def counter(name: str, text: str) -> Counter:
            return Counter(f"jissho_ingest_{name}", text, registry=self.registry)

        self._messages = counter("messages", "MQTT messages taken into transactions")
        self._rows = counter("rows", "Rows committed")
        self._batches = counter("batches", "Batches committed")
        self._duplicates = counter("duplicates", "Batches that were there already")
        self._conflicts = counter("conflicts", "Batches under the number of another one: a cloned device")
        self._quarantined = counter("quarantined", "Payloads filed in quarantine")
        self._overflowed = counter("overflowed", "Messages left to be sent again, the database did not keep up")
        self._commit_s = Histogram("jissho_ingest_commit_seconds", "Time of a transaction", registry=self.registry)
        self._lag_s = Histogram(
            "jissho_ingest_lag_seconds", "From the newest sample of a transaction to its commit",
            buckets=_LAG_BUCKETS_S, registry=self.registry,
        )  # fmt: skip
        self._queue = Gauge("jissho_ingest_queue_bytes", "Bytes that wait for a transaction", registry=self.registry)
        self._seen = Gauge(
            "jissho_ingest_device_last_seen_seconds", "When a batch of the device was last taken (Unix time)",
            ("site", "device"), registry=self.registry,
        )  # fmt: skip
        self._lock = threading.Lock()
        self.counts = IngestCounts()
        self._last_lag_s = 0.0

    def committed(self, processed: Processed, messages: int, took_s: float) -> None:
        """Count one transaction."""
        outcome, now_s = processed.outcome, time.time()
        self._messages.inc(messages)
        self._rows.inc(outcome.rows)
        self._batches.inc(len(outcome.committed))
        self._duplicates.inc(len(outcome.duplicates))
        self._conflicts.inc(len(outcome.conflicts))
        self._quarantined.inc(len(outcome.refused))
        self._commit_s.observe(took_s)
        for site, device in {(key.site, key.device) for key in outcome.committed}:
            self._seen.labels(site, device).set(now_s)
        with self._lock:
            if processed.newest_us:
                self._last_lag_s = max(now_s - processed.newest_us / 1e6, 0.0)
                self._lag_s.observe(self._last_lag_s)
            self.counts.add(outcome, messages, took_s)

    def waiting(self, queue_bytes: int) -> None:
        """Note how much waits for a transaction."""
        self._queue.set(queue_bytes)

    def overflow(self) -> None:
        """Count a message that was left to be sent again."""
        self._overflowed.inc()
        with self._lock:
            self.counts.overflowed += 1

    def sums(self) -> tuple[IngestCounts, float]:
        """Return a copy of the counts of this moment, and the lag of the newest sample committed last."""
        with self._lock:
            return replace(self.counts), self._last_lag_s


class SelfReport:
    """Writes ingest's health as rows every `every_s`, on a thread and a connection of its own."""

    def __init__(self, health: IngestHealth, database_url: str, every_s: float) -> None:
        """Prepare, without connecting. The device is named after the machine."""
        self._health = health
        self._url = database_url
        self._every_s = every_s
        host = socket.gethostname().split(".")[0].lower().replace("_", "-")
        self.device = host if NAME.match(host) else "ingest"
        self._epoch = uuid.uuid4().hex
        self._seq = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jissho-ingest-health", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._stopping.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        before, _ = self._health.sums()
        began_s = time.monotonic()
        while not self._stopping.wait(self._every_s):
            now, lag_s = self._health.sums()
            elapsed_s = time.monotonic() - began_s
            began_s += elapsed_s
            queue = self._health.registry.get_sample_value("jissho_ingest_queue_bytes") or 0.0
            values = rates(before, now, elapsed_s, lag_s=lag_s, queue_bytes=queue)
            before = now
            try:
                with connect(self._url, name="jissho-ingest-health") as connection:
                    self._seq += 1
                    Writer(connection).commit([self._batch(values)])
            except (StorageError, psycopg.Error) as error:
                # The committing thread says that the database is away; these few rows are let go.
                log.debug("health not written: %s", error)

    def _batch(self, values: Mapping[str, float]) -> ColumnBatch:
        at_us, n = time.time_ns() // 1000, len(values)
        told = {
            "name": ArrayColumn(np.array(list(values), object)),
            "value": ArrayColumn(np.array(list(values.values()), np.float64)),
            "unit": ArrayColumn(np.array([ROWS[name][0] for name in values], object)),
        }
        others = [column.name for column in STREAMS["metric"].columns if column.name not in told]
        return ColumnBatch(
            key=BatchKey(SITE, self.device, self._epoch, self._seq), stream="metric", link="", source="ingest/1", n=n,
            t_us=np.full(n, at_us, np.int64), received_at_us=at_us,
            columns=told | {name: ArrayColumn(np.full(n, "", object), np.zeros(n, np.bool_)) for name in others},
        )  # fmt: skip


def rates(
    before: IngestCounts, now: IngestCounts, elapsed_s: float, *, lag_s: float, queue_bytes: float
) -> dict[str, float]:
    """Return the rows of one report: rates over `elapsed_s`, sums since the start."""
    commits, commit_s = now.commits - before.commits, now.commit_s - before.commit_s
    return {
        "ingest.messages_per_s": (now.messages - before.messages) / elapsed_s,
        "ingest.rows_per_s": (now.rows - before.rows) / elapsed_s,
        "ingest.commit_ms": 1000 * commit_s / commits if commits else 0.0,
        "ingest.lag_s": lag_s,
        "ingest.queue_bytes": queue_bytes,
        "ingest.quarantined": now.refused,
        "ingest.duplicates": now.duplicates,
    }


def serve_metrics(health: IngestHealth, port: int, host: str = "127.0.0.1") -> None:
    """Serve the metrics for Prometheus on a daemon thread. Raises OSError where the port is taken."""
    start_http_server(port, addr=host, registry=health.registry)
