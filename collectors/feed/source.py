"""The source: connects to a program on board and takes its lines as samples."""

from __future__ import annotations

import asyncio
import json
import time

from collectors.feed.lines import LineError, parse_line
from collectors.source import Emit, Source, SourceConfig, SourceKind

_LINE_LIMIT = 1 << 20
_SHOWN_CHARACTERS = 200
_REPORT_EVERY_S = 60.0


class FeedConfig(SourceConfig, frozen=True, kw_only=True, tag="feed"):
    """See sample.toml."""

    host: str = "127.0.0.1"
    port: int = 7100


class FeedSource:
    """One connection to a program that writes lines."""

    def __init__(self, config: FeedConfig) -> None:
        """Keep the configuration."""
        self._config = config
        self._malformed = 0
        self._reported_s = float("-inf")

    async def run(self, emit: Emit) -> None:
        """Take lines until cancelled. Raises OSError when the program is not there or ends the connection."""
        config = self._config
        reader, writer = await asyncio.open_connection(config.host, config.port, limit=_LINE_LIMIT)
        try:
            while True:
                try:
                    line = await reader.readline()
                except ValueError as error:
                    raise OSError(f"the feed sent a line of more than {_LINE_LIMIT} bytes") from error
                if not line:
                    raise OSError(f"feed {config.host}:{config.port} closed the connection")
                if line.strip():
                    self._take(line.decode(errors="replace").strip(), emit)
        finally:
            writer.close()

    def _take(self, line: str, emit: Emit) -> None:
        try:
            sample = parse_line(line)
        except LineError as error:
            self._malformed += 1
            self._tell(line, error, emit)
            return
        t_ns = time.time_ns() if sample.t_ns is None else sample.t_ns
        emit(sample.stream, t_ns, sample.values, link=sample.link)

    def _tell(self, line: str, error: LineError, emit: Emit) -> None:
        """Report malformed lines once a minute at most; a broken program must not flood the uplink."""
        now_s = time.monotonic()
        if now_s - self._reported_s < _REPORT_EVERY_S:
            return
        self._reported_s = now_s
        # A NUL is no text to a database; the event about it must get there.
        shown = line[:_SHOWN_CHARACTERS].replace("\0", "\ufffd")
        detail = {"line": shown, "malformed_so_far": self._malformed}
        emit("event", time.time_ns(), {
            "name": "feed.malformed", "severity": "warning", "message": str(error)[:_SHOWN_CHARACTERS],
            "detail": json.dumps(detail, ensure_ascii=False),
        })  # fmt: skip


def _build(config: FeedConfig) -> Source:
    return FeedSource(config)


KIND = SourceKind(
    name="feed",
    version=1,
    streams=("radio", "vehicle", "video", "command", "event", "metric"),
    config=FeedConfig,
    build=_build,
)
