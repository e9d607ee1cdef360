"""The vehicle as its collectors meet it: a gpsd and a data feed that tell one story, and its truth on disk."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from simulators.feed_double import FeedDouble
from simulators.gpsd_double import GpsdDouble
from simulators.world import World, WorldSeries

_GRID_NS = 100_000_000
"""Receivers fix at whole tenths of a second; gpsd's times carry milliseconds, and so lose nothing."""


class VehicleDouble:
    """Drives one vehicle of `world` in real time and serves gpsd and the feed.

    `await start()` gives (gpsd port, feed port). After `duration_s` both fall silent and stay connected. With
    `truth_folder` the world's truth files are written there. `speed` other than 1 makes time stamps run ahead of
    the clock. Works as an asynchronous context manager too.
    """

    def __init__(
        self,
        world: World,
        gpsd_port: int = 0,
        feed_port: int = 0,
        *,
        host: str = "127.0.0.1",
        duration_s: float = 8 * 3600.0,
        speed: float = 1.0,
        truth_folder: Path | None = None,
    ) -> None:
        """Keep the parameters; nothing is computed or opened before `start`."""
        self.gpsd_port, self.feed_port = gpsd_port, feed_port
        self.series: WorldSeries | None = None
        self._world = world
        self._host = host
        self._duration_s = duration_s
        self._speed = speed
        self._truth_folder = truth_folder
        self._doubles: list[GpsdDouble | FeedDouble] = []

    async def start(self) -> tuple[int, int]:
        """Compute the world, open both ports and begin now; raise OSError if a port or the folder cannot be opened."""
        made = await asyncio.to_thread(self._world.series, self._duration_s, 0)
        start_ns = time.time_ns() // _GRID_NS * _GRID_NS
        series = made.shifted(start_ns)
        self.series = series
        gpsd = GpsdDouble(series.stream("position"), host=self._host, port=self.gpsd_port, speed=self._speed)
        feed = FeedDouble(series.streams, host=self._host, port=self.feed_port, speed=self._speed)
        try:
            self.gpsd_port = await gpsd.start(start_ns)
            self._doubles.append(gpsd)
            self.feed_port = await feed.start(start_ns)
            self._doubles.append(feed)
            if self._truth_folder is not None:
                await asyncio.to_thread(series.write_truth, self._truth_folder)
        except OSError:
            await self.stop()
            raise
        return self.gpsd_port, self.feed_port

    async def stop(self) -> None:
        """Close both. May be called twice."""
        while self._doubles:
            await self._doubles.pop().stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
