"""A double of the vehicle computer's data feed: newline-delimited JSON over TCP.

Each line is one object: `stream` (radio, vehicle, video or event), `t_ns` (Unix time), `link` ("" = the vehicle),
and the contract's columns of that stream beside them. A client just connects and reads.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from simulators.line_server import LineServer
from simulators.series import StreamSeries, feed_lines

FEED_STREAMS = ("radio", "vehicle", "video", "event")


class FeedDouble:
    """Plays series of samples as lines in real time (or `speed` times as fast) to any number of clients."""

    def __init__(
        self, series: Sequence[StreamSeries], *, host: str = "127.0.0.1", port: int = 0, speed: float = 1.0
    ) -> None:
        """Prepare to play those of `series` that belong into the feed; nothing is opened before `start`."""
        self._series = [each for each in series if each.stream in FEED_STREAMS]
        self._server = LineServer(self._timeline, host=host, port=port, speed=speed)

    async def start(self, start_ns: int | None = None) -> int:
        """Open the port and return it; the sample of time t is said at t, the series begin at `start_ns`.

        The default moves the first sample to now. Raises OSError if the port cannot be opened.
        """
        if start_ns is None:
            start_ns = time.time_ns()
            first_ns = min((int(each.t_ns[0]) for each in self._series if len(each.t_ns)), default=start_ns)
            self._series = [each.shifted(start_ns - first_ns) for each in self._series]
        return await self._server.start(start_ns)

    async def stop(self) -> None:
        """Close the port and all connections."""
        await self._server.stop()

    def _timeline(self) -> Iterator[tuple[int, bytes]]:
        return feed_lines(self._series)
