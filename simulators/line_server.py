"""A TCP server that says prepared lines at their time to everyone who listens, and answers short commands."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_log = logging.getLogger(__name__)

MAX_BACKLOG_BYTES = 1_000_000
"""A client that leaves more than this unread is cut off, as gpsd does: live data have no use for a late reader."""

_MAX_COMMAND_BYTES = 8192
_LINES_AT_ONCE = 200  # after a pause of the machine the backlog goes out in pieces, so that others get their turn
_COMMAND_END = re.compile(rb"[;\r\n]")


@dataclass(eq=False, slots=True)
class Client:
    """One connection; it gets lines while `listens` is true."""

    writer: asyncio.StreamWriter
    listens: bool


Timeline = Callable[[], Iterator[tuple[int, bytes]]]
"""Gives pairs of Unix time in ns, ascending, and the line that is due then."""

Answer = Callable[[Client, str], bytes]
"""Takes a command (without its end, ';' or a line feed) and returns what to answer; may change `client.listens`."""


def nothing(_client: Client, _command: str) -> bytes:
    """Answer nothing to any command."""
    return b""


class LineServer:
    """Serves one timeline to any number of clients; who comes late gets what is said from then on.

    The line of time t goes out at `start_ns + (t - start_ns) / speed`. The server may be started once.
    """

    def __init__(
        self,
        timeline: Timeline,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        speed: float = 1.0,
        greeting: bytes = b"",
        listens_at_once: bool = True,
        answer: Answer = nothing,
    ) -> None:
        """Keep the parts; nothing is opened before `start`. Raises ValueError unless `speed` is positive."""
        if speed <= 0.0:
            raise ValueError("speed must be positive")
        self._timeline = timeline
        self._host, self._port = host, port
        self._speed = speed
        self._greeting = greeting
        self._listens_at_once = listens_at_once
        self._answer = answer
        self._clients: set[Client] = set()
        self._handlers: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._player: asyncio.Task[None] | None = None

    async def start(self, start_ns: int) -> int:
        """Open the port, begin to play at `start_ns`, and return the port; raise OSError if it cannot be opened."""
        self._server = await asyncio.start_server(self._serve, self._host, self._port)
        self._player = asyncio.create_task(self._play(start_ns), name=f"play lines on {self._host}")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Close the port and all connections. May be called twice. Raises what made the timeline fail, if it did."""
        if self._server is None or self._player is None:
            return
        self._server.close()
        self._player.cancel()
        for client in list(self._clients):
            client.writer.close()
        await asyncio.gather(*self._handlers, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None
        (ended,) = await asyncio.gather(self._player, return_exceptions=True)
        if isinstance(ended, Exception):
            raise ended

    async def _play(self, start_ns: int) -> None:
        begin = time.monotonic() + (start_ns - time.time_ns()) / 1e9
        for count, (t_ns, line) in enumerate(self._timeline()):
            wait_s = begin + (t_ns - start_ns) / 1e9 / self._speed - time.monotonic()
            if wait_s > 0.0:
                await asyncio.sleep(wait_s)
            elif count % _LINES_AT_ONCE == 0:
                await asyncio.sleep(0)
            for client in list(self._clients):
                if client.listens:
                    self._say(client, line)

    def _say(self, client: Client, line: bytes) -> None:
        if client.writer.transport.get_write_buffer_size() > MAX_BACKLOG_BYTES:
            _log.warning("client %s does not read: cut off", client.writer.get_extra_info("peername"))
            self._clients.discard(client)
            client.writer.transport.abort()
        elif not client.writer.is_closing():
            client.writer.write(line)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._handlers.add(task)
        client = Client(writer, self._listens_at_once)
        self._clients.add(client)
        try:
            writer.write(self._greeting)
            await self._listen_to(client, reader)
        except ConnectionError:
            pass  # a client that goes away without goodbye is none of our business
        finally:
            self._clients.discard(client)
            self._handlers.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _listen_to(self, client: Client, reader: asyncio.StreamReader) -> None:
        rest = b""
        while chunk := await reader.read(4096):
            *commands, rest = _COMMAND_END.split(rest + chunk)
            if len(rest) > _MAX_COMMAND_BYTES:
                return
            for command in commands:
                if text := command.decode("utf-8", "replace").strip():
                    client.writer.write(self._answer(client, text))
