"""The collector as a child: the real agent with a source that counts, and a log of what its outbox took.

`python -m tests.e2e.faults.collector CONFIG LOG`: LOG gets one line for each batch that the outbox has made durable
(epoch, seq, samples, sum of their values), written before anything else can happen to the batch.
"""

import asyncio
import logging
import os
import signal
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

import aiomqtt

from collectors.agent import Agent
from collectors.config import CollectConfig
from collectors.outbox import NewBatch, Outbox
from collectors.source import SourceConfig, SourceKind
from tests.e2e.faults.points import is_armed, passing

WHO = "collector"
SAMPLES_PER_S = 200
_FULL_S = 1.0


class CountingConfig(SourceConfig, frozen=True, kw_only=True, tag="counting"):
    """A source whose samples are numbers that never repeat."""


class Counting:
    """Emits SAMPLES_PER_S numbers a second, going on from the clock so that no two lives give the same ones."""

    async def run(self, emit: Any) -> None:
        value = time.time_ns() // 5_000_000
        while True:
            emit("metric", time.time_ns(), {"name": "count", "value": float(value), "unit": "1"})
            value += 1
            await asyncio.sleep(1 / SAMPLES_PER_S)


def wrap(log: int) -> None:
    """Put the points into the outbox and the client."""
    append, delete, publish = Outbox.append, Outbox.delete, aiomqtt.Client.publish

    def logged_append(self: Outbox, batches: Any, **options: Any) -> Any:
        passing(WHO, "appending")
        if is_armed(WHO, "disk_full"):
            self._db = FullDisk(self._db)  # type: ignore[assignment]
            passing(WHO, "disk_full")
        stored, drop = append(self, batches, **options)
        lines = [f"{self.epoch} {one.seq} {new.n} {_sum(new):.0f}\n" for one, new in zip(stored, batches, strict=True)]
        os.write(log, "".join(lines).encode())
        passing(WHO, "appended")
        return stored, drop

    def pointed_delete(self: Outbox, ranges: Any) -> int:
        passing(WHO, "receipted")
        if is_armed(WHO, "deleting"):
            self._db.execute("BEGIN IMMEDIATE")
            for low, high in ranges:
                self._db.execute("DELETE FROM batch WHERE seq BETWEEN ? AND ?", (low, high))
            passing(WHO, "deleting")
        return delete(self, ranges)

    async def pointed_publish(self: aiomqtt.Client, topic: str, *arguments: Any, **options: Any) -> None:
        await publish(self, topic, *arguments, **options)
        if topic.endswith("/metric"):
            passing(WHO, "published")

    Outbox.append = logged_append  # type: ignore[method-assign]
    Outbox.delete = pointed_delete  # type: ignore[method-assign]
    aiomqtt.Client.publish = pointed_publish  # type: ignore[method-assign]


class FullDisk:
    """Stands before the outbox's connection and refuses to grow, as SQLite does on a full disk, for a second."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._until_s = time.monotonic() + _FULL_S

    def executemany(self, *arguments: Any) -> Any:
        if time.monotonic() < self._until_s:
            raise sqlite3.OperationalError("database or disk is full")
        return self._db.executemany(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


def _sum(batch: NewBatch) -> float:
    if batch.stream != "metric":
        return 0.0
    return sum(float(value) for value in batch.columns["value"] if value is not None)  # type: ignore[arg-type]


async def main(config: CollectConfig) -> None:
    """Run the agent until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await Agent(config).run(stop)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    import collectors.agent
    from collectors.config import parse_config  # noqa: F401 - shows that the real configuration is importable

    KIND = SourceKind("counting", 1, ("metric",), CountingConfig, lambda _config: Counting())
    collectors.agent.kind_of = lambda _config: KIND  # type: ignore[assignment]
    wrap(os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT))
    import msgspec

    raw = msgspec.json.decode(Path(sys.argv[1]).read_bytes())
    settings = msgspec.convert({**raw, "source": []}, CollectConfig)
    asyncio.run(main(msgspec.structs.replace(settings, source=(CountingConfig(link="l5g"),))))
