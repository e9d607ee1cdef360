"""The source `gpsd`: watches a gpsd and emits where the vehicle is."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Annotated

from msgspec import Meta

from collectors.gpsd.reports import Report, Reports, read_report
from collectors.notices import Notices
from collectors.source import Emit, Source, SourceConfig, SourceKind

SILENT_S = 10.0
"""A receiver reports at least once a second, with or without a fix."""

TIME_DIFFERS_NS = 5_000_000_000
"""Beyond this the receiver's time and this computer's cannot both be right, and position and probes do not match."""

_WATCH = b'?WATCH={"enable":true,"json":true};\n'
_LINE_BYTES = 1_000_000  # a SKY of 60 satellites takes 8 kB
_SHOWN_CHARACTERS = 200


class GpsdConfig(SourceConfig, frozen=True, kw_only=True, tag="gpsd"):
    """See sample.toml."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535)] = 2947
    device: str = ""


class GpsdSource:
    """One gpsd."""

    def __init__(self, config: GpsdConfig, *, silent_s: float = SILENT_S) -> None:
        """Keep the configuration."""
        self._config, self._silent_s = config, silent_s

    async def run(self, emit: Emit) -> None:
        """Measure until cancelled. Raises OSError when gpsd is not there or ends the connection."""
        config = self._config
        reader, writer = await asyncio.open_connection(config.host, config.port, limit=_LINE_BYTES)
        notices = Notices(emit)
        try:
            writer.write(_WATCH)
            await writer.drain()
            await self._read(reader, emit, notices)
        finally:
            notices.flush(everything=True)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader, emit: Emit, notices: Notices) -> None:
        reports = Reports()
        spoken_s = time.monotonic()
        while True:
            try:
                async with asyncio.timeout(self._silent_s):
                    line = await reader.readline()
            except TimeoutError:
                _silent(notices, time.monotonic() - spoken_s)
                continue
            except ValueError as error:
                _malformed(notices, error, b"")
                continue
            if not line:
                raise ConnectionResetError(f"gpsd at {self._config.host}:{self._config.port} closed the connection")
            if not line.endswith(b"\n"):
                continue  # cut off by the end of the connection
            try:
                report = read_report(line)
                if report is not None and self._is_meant(report):
                    spoken_s = time.monotonic() if report.kind == "TPV" else spoken_s
                    _take(reports, report, emit, notices)
            except ValueError as error:
                _malformed(notices, error, line)
            if time.monotonic() - spoken_s > self._silent_s:
                _silent(notices, time.monotonic() - spoken_s)
            notices.flush()

    def _is_meant(self, report: Report) -> bool:
        return not self._config.device or report.device == self._config.device


def _take(reports: Reports, report: Report, emit: Emit, notices: Notices) -> None:
    arrived_ns = time.time_ns()
    stale, jumps = reports.counts.stale, reports.counts.time_jumps
    position = reports.take(report, arrived_ns)
    if reports.counts.stale > stale:
        notices.note(
            "gnss.stale",
            "warning",
            "前の測位より古い時刻の測位を破棄 / fixes from before the last one were dropped",
            {"time": report.time},
        )
    if reports.counts.time_jumps > jumps:
        notices.note(
            "gnss.time_jump",
            "warning",
            "受信機の時刻が戻った / the receiver's time went back and stayed there",
            {"time": report.time},
        )
    if position is None:
        return
    emit("position", position.t_ns, position.sample)
    if abs(position.t_ns - arrived_ns) > TIME_DIFFERS_NS:
        notices.note(
            "gnss.time_differs",
            "warning",
            "受信機とこの端末の時刻が合わない / the receiver's time and this computer's differ",
            {"receiver_ahead_s": (position.t_ns - arrived_ns) / 1e9},
        )


def _silent(notices: Notices, silent_s: float) -> None:
    notices.note(
        "gnss.silent",
        "warning",
        "受信機から報告がない / gpsd reports nothing: is a receiver connected?",
        {"silent_s": round(silent_s, 1)},
    )


def _malformed(notices: Notices, error: ValueError, line: bytes) -> None:
    text = line.decode("utf-8", "replace").strip()[:_SHOWN_CHARACTERS]
    notices.note("gpsd.malformed", "warning", f"gpsd: {error}", {"line": text})


def _build(config: GpsdConfig) -> Source:
    return GpsdSource(config)


KIND = SourceKind(name="gpsd", version=1, streams=("position", "event"), config=GpsdConfig, build=_build)
