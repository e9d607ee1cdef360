"""The source `feed`: reads samples from a program on board, one JSON object a line."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated

from msgspec import Meta

from collectors.feed.lines import LineError, parse_line
from collectors.notices import Notices
from collectors.source import Emit, Source, SourceConfig, SourceKind
from contract.streams import STREAMS

_LINE_BYTES = 1_000_000
_SHOWN_CHARACTERS = 200
_FLUSH_S = 10.0


class FeedConfig(SourceConfig, frozen=True, kw_only=True, tag="feed"):
    """See sample.toml."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535)] = 7100


class FeedSource:
    """One program that listens and writes lines to who connects."""

    def __init__(self, config: FeedConfig) -> None:
        """Keep the configuration."""
        self._config = config

    async def run(self, emit: Emit) -> None:
        """Read until cancelled. Raises OSError when the program is not there or ends the connection."""
        config = self._config
        reader, writer = await asyncio.open_connection(config.host, config.port, limit=_LINE_BYTES)
        notices = Notices(emit)
        try:
            await self._read(reader, emit, notices)
        finally:
            notices.flush(everything=True)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader, emit: Emit, notices: Notices) -> None:
        while True:
            try:
                async with asyncio.timeout(_FLUSH_S):
                    line = await reader.readline()
            except TimeoutError:
                notices.flush()
                continue
            except ValueError:
                _malformed(notices, f"a line of more than {_LINE_BYTES} bytes", b"")
                continue
            if not line:
                raise ConnectionResetError(f"the feed at {self._config.host}:{self._config.port} closed the connection")
            if line.isspace():
                continue
            try:
                sample = parse_line(line)
            except LineError as error:
                _malformed(notices, str(error), line)
            else:
                emit(sample.stream, sample.t_ns, sample.values, link=sample.link)
            notices.flush()


def _malformed(notices: Notices, reason: str, line: bytes) -> None:
    text = line.decode("utf-8", "replace").strip()[:_SHOWN_CHARACTERS]
    notices.note("feed.malformed", "warning", reason[:_SHOWN_CHARACTERS], {"line": text})


def _build(config: FeedConfig) -> Source:
    return FeedSource(config)


KIND = SourceKind(name="feed", version=1, streams=tuple(STREAMS), config=FeedConfig, build=_build)
