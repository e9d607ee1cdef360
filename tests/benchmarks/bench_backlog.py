"""A backlog drains from a real outbox while live batches go on: how fast, how late the live ones get, in what order."""

import asyncio
import contextlib
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg

from collectors.outbox import NewBatch, Outbox, OutboxStatistics
from collectors.outbox_record import StoredBatch
from collectors.publisher import MqttConfig, Publisher
from storage.connect import connect
from storage.migrate import migrate
from tests.benchmarks.bench_ingest import embedded_database, serve_jissho
from tests.benchmarks.load import CONTEXT, SITE, TIMEOUT_S, probe_columns, running
from tests.fix_broker import Broker, find_mosquitto

BACKLOG_BATCHES = 1_500
BACKLOG_ROWS = 500
LIVE_ROWS, LIVE_EVERY_S = 300, 0.1
"""3,000 rows/s, as a site measures."""
DEVICE = "car-1"


class Door:
    """The outbox as the publisher sees it, from a thread of its own; remembers when each receipt came."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._thread = ThreadPoolExecutor(1)
        self.epoch = outbox.epoch
        self.receipted_s: dict[int, float] = {}

    async def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    async def newest_before(self, seq: int, limit: int) -> list[StoredBatch]:
        return await self.call(self._outbox.newest_before, seq, limit)

    async def delete(self, ranges: Sequence[tuple[int, int]]) -> None:
        for low, high in ranges:
            for seq in range(low, high + 1):
                self.receipted_s.setdefault(seq, time.monotonic())
        await self.call(self._outbox.delete, ranges)

    async def statistics(self) -> OutboxStatistics:
        return await self.call(self._outbox.statistics)


def new_batch(seed: int, rows: int) -> NewBatch:
    """Return one probe batch measured now."""
    return NewBatch("probe", "l5g", "bench/1", rows, time.time_ns(), probe_columns(seed, rows))


async def drain(outbox: Outbox, port: int, config: dict[str, Any]) -> tuple[float, dict[int, float]]:
    """Send the backlog with live batches beside it; return the seconds it took, and the lag of each live batch."""
    door = Door(outbox)
    backlog = outbox.taken
    publisher = Publisher(
        MqttConfig(port=port, version="5", **config), door, site=SITE, device=DEVICE, agent="bench", sources=[],
        on_refused=lambda refusal: print(refusal, file=sys.stderr),
    )  # fmt: skip
    sending = asyncio.create_task(publisher.run())
    while not publisher.is_connected:
        await asyncio.sleep(0.01)
    started = time.monotonic()
    made_s: dict[int, float] = {}
    for tick in itertools.count():
        await asyncio.sleep(max(0.0, started + tick * LIVE_EVERY_S - time.monotonic()))
        at_s = time.monotonic()
        stored, _ = await door.call(outbox.append, [new_batch(tick, LIVE_ROWS)])
        made_s[stored[0].seq] = at_s
        publisher.offer(stored)
        if sum(seq <= backlog for seq in door.receipted_s) == backlog:
            break
        if at_s - started > TIMEOUT_S:
            raise TimeoutError("the backlog did not drain")
    async with asyncio.timeout(20):
        await publisher.emptied.wait()
    sending.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await sending
    took_s = max(door.receipted_s[seq] for seq in range(1, backlog + 1)) - started
    return took_s, {seq: door.receipted_s[seq] - at_s for seq, at_s in made_s.items()}


def proof(connection: psycopg.Connection, rows: int) -> dict[str, Any]:
    """Check that all is there once, and say in which order ingest received it."""
    assert connection.execute("SELECT count(*), count(DISTINCT (batch_id, seq)) FROM probe").fetchone() == (rows, rows)
    order = [row[0] for row in connection.execute("SELECT seq FROM batch ORDER BY received_at, batch_id")]
    assert sorted(order) == list(range(1, len(order) + 1))
    old = [seq for seq in order if seq <= BACKLOG_BATCHES]
    last_old = order.index(old[-1])
    return {
        "backlog_newest_first": old == sorted(old, reverse=True),
        "live_newest_last": (live := [seq for seq in order if seq > BACKLOG_BATCHES]) == sorted(live),
        "live_batches_before_backlog_end": sum(seq > BACKLOG_BATCHES for seq in order[:last_old]),
    }


def run() -> Iterator[dict[str, Any]]:
    """Yield `backlog_drain`, with the publisher's own settings and with wider ones."""
    if find_mosquitto() is None:
        print("bench backlog_drain left out: no mosquitto (apt install mosquitto)", file=sys.stderr)
        return
    with embedded_database() as url, connect(url) as connection:
        migrate(connection)
        found: dict[str, dict[str, Any]] = {}
        for name, config in (("defaults", {}), ("wide", {"window": 256, "backlog_batches_per_s": 1_000.0})):
            found[name] = _drain_once(url, connection, config)
            connection.execute("TRUNCATE probe, batch, ledger")
    wide = found["wide"]
    yield {
        "bench": "backlog_drain",
        "value": wide.pop("rows_per_s"),
        "unit": "rows/s",
        "peers": {"publisher's default window and rate": found["defaults"].pop("rows_per_s")},
        **wide,
        "with_defaults": found["defaults"],
        "backlog_rows": BACKLOG_BATCHES * BACKLOG_ROWS,
        "live_rows_per_s": round(LIVE_ROWS / LIVE_EVERY_S),
        "cpus": os.cpu_count(),
    }


def _drain_once(url: str, connection: psycopg.Connection, config: dict[str, Any]) -> dict[str, Any]:
    committed = CONTEXT.Value("q", 0)
    with (
        tempfile.TemporaryDirectory(prefix="jissho-bench-") as folder,
        Broker() as broker,
        CONTEXT.Manager() as manager,
    ):
        outbox = Outbox(Path(folder) / "outbox.db", site=SITE, device=DEVICE)
        made = [new_batch(seed, BACKLOG_ROWS) for seed in range(30)]
        for _ in range(BACKLOG_BATCHES // len(made)):
            outbox.append(made)
        report = manager.dict()
        with running(serve_jissho, url, broker.port, "", 0, committed, report):
            took_s, lags_s = asyncio.run(drain(outbox, broker.port, config))
        outbox.close()
        lags = sorted(lags_s.values())
        return {
            "rows_per_s": round(BACKLOG_BATCHES * BACKLOG_ROWS / took_s),
            "live_lag_worst_s": round(lags[-1], 3),
            "live_lag_median_s": round(lags[len(lags) // 2], 3),
            "rss_peak_mb": report[0]["rss_peak_mb"],
            "duplicates": report[0]["duplicates"],
            **proof(connection, BACKLOG_BATCHES * BACKLOG_ROWS + len(lags) * LIVE_ROWS),
        }
