"""The source: processor, memory, disk, network counters, temperature, and what waits in the outbox."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil

from collectors.outbox import OutboxStatistics
from collectors.source import Emit, Source, SourceConfig, SourceKind
from collectors.ticks import ticks
from contract.samples import Value


class HostConfig(SourceConfig, frozen=True, kw_only=True, tag="host"):
    """See sample.toml."""

    interval_s: float = 5.0

    def __post_init__(self) -> None:
        """Refuse an interval that is none."""
        super().__post_init__()
        if self.interval_s <= 0:
            raise ValueError("interval_s must be greater than 0")


class HostSource:
    """Emits one `host` sample a tick."""

    def __init__(self, config: HostConfig) -> None:
        """Keep the configuration; the agent attaches the outbox."""
        self._config = config
        self._statistics: Callable[[], Awaitable[OutboxStatistics]] | None = None
        self._folder = Path.cwd()

    def attach_outbox(self, statistics: Callable[[], Awaitable[OutboxStatistics]], folder: Path) -> None:
        """Keep how to ask for the outbox's state, and where it lies."""
        self._statistics = statistics
        self._folder = folder

    async def run(self, emit: Emit) -> None:
        """Measure until cancelled."""
        psutil.cpu_percent()  # the first call only sets the point to measure from
        async for _ in ticks(self._config.interval_s):
            waiting = None if self._statistics is None else await self._statistics()
            emit("host", time.time_ns(), machine_sample(self._folder) | outbox_sample(waiting, time.time_ns()))


def machine_sample(folder: Path) -> dict[str, Value]:
    """Return what psutil says of this machine; `folder` is where free disk is asked for."""
    network = psutil.net_io_counters()
    return {
        "cpu_ratio": min(psutil.cpu_percent() / 100, 1.0),
        "memory_ratio": psutil.virtual_memory().percent / 100,
        "disk_free_bytes": psutil.disk_usage(str(folder)).free,
        "temperature_c": hottest_c(),
        "sent_bytes": network.bytes_sent if network else None,
        "received_bytes": network.bytes_recv if network else None,
        "uptime_s": time.time() - psutil.boot_time(),
    }


def hottest_c() -> float | None:
    """Return the highest temperature that any sensor reports, or None where there is no sensor."""
    sensors: dict[str, list[Any]] = getattr(psutil, "sensors_temperatures", dict)()
    readings = [float(entry.current) for entries in sensors.values() for entry in entries if entry.current]
    return max(readings, default=None)


def outbox_sample(waiting: OutboxStatistics | None, now_ns: int) -> dict[str, Value]:
    """Return the outbox columns; empty where no outbox is attached."""
    if waiting is None:
        return {}
    age_s = max((now_ns - waiting.oldest_ns) / 1e9, 0.0) if waiting.oldest_ns else 0.0
    return {"outbox_batches": waiting.batches, "outbox_bytes": waiting.bytes, "outbox_age_s": age_s}


def _build(config: HostConfig) -> Source:
    return HostSource(config)


KIND = SourceKind(name="host", version=1, streams=("host",), config=HostConfig, build=_build)
