"""The source: watches gpsd and emits one position a fix."""

from __future__ import annotations

import asyncio
import json
import time

from collectors.gpsd.reports import position_sample, report_time_ns, satellites_used
from collectors.source import Emit, Source, SourceConfig, SourceKind

_WATCH = b'?WATCH={"enable":true,"json":true};\n'
_LINE_LIMIT = 1 << 20


class GpsdConfig(SourceConfig, frozen=True, kw_only=True, tag="gpsd"):
    """See sample.toml."""

    host: str = "127.0.0.1"
    port: int = 2947
    silence_s: float = 30.0


class GpsdSource:
    """One connection to gpsd."""

    def __init__(self, config: GpsdConfig) -> None:
        """Keep the configuration."""
        self._config = config

    async def run(self, emit: Emit) -> None:
        """Measure until cancelled. Raises OSError when gpsd is not there, ends the connection, or falls silent."""
        config = self._config
        reader, writer = await asyncio.open_connection(config.host, config.port, limit=_LINE_LIMIT)
        try:
            writer.write(_WATCH)
            await writer.drain()
            await self._read(reader, emit)
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader, emit: Emit) -> None:
        satellites: int | None = None
        last_ns = 0
        while True:
            try:
                line = await asyncio.wait_for(reader.readline(), self._config.silence_s)
            except TimeoutError:
                raise OSError(f"gpsd said nothing for {self._config.silence_s:g} s; is a receiver connected?") from None
            except ValueError as error:
                raise OSError(f"gpsd sent a line without an end: {error}") from error
            if not line:
                raise OSError(f"gpsd at {self._config.host}:{self._config.port} closed the connection")
            try:
                report = json.loads(line)
            except ValueError:
                continue  # NMEA or a line cut short: gpsd may mix them in
            kind = report.get("class") if isinstance(report, dict) else None
            if kind == "SKY":
                satellites = satellites_used(report) if satellites_used(report) is not None else satellites
            elif kind == "TPV":
                t_ns = report_time_ns(report)
                # gpsd repeats a fix when only part of it changed; the same instant again is no new measurement. An
                # earlier one is: a receiver may begin with a wrong date (week rollover) and correct it.
                if t_ns is None or t_ns != last_ns:
                    emit("position", time.time_ns() if t_ns is None else t_ns, position_sample(report, satellites))
                    last_ns = t_ns or last_ns


def _build(config: GpsdConfig) -> Source:
    return GpsdSource(config)


KIND = SourceKind(name="gpsd", version=1, streams=("position",), config=GpsdConfig, build=_build)
