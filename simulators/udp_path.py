"""A UDP relay that is a radio link: between a STAMP sender and its reflector, with the truth of every packet.

The sender sends to the path's port; the path holds each packet as the profile says and sends it on to the reflector
from a socket of its own per sender, and likewise back. One thread does it all, so that a busy event loop does not
delay packets. Like a sniffer on the wire it reads sequence numbers and the sender's timestamp, and changes nothing.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import select
import socket
import struct
import threading
import time
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import numpy as np

from simulators.impairment import FifoQueue, PacketFates, PathProfile
from simulators.kernel_stamps import Address, Datagram, StampedSocket
from simulators.path_truth import TruthRow, TruthWriter

_log = logging.getLogger(__name__)

MAX_SENDERS = 256
"""Senders with a socket of their own. select() knows 1,024 descriptors, and the process needs some for itself."""

_READ_AT_ONCE = 32
"""Datagrams read from one socket before due ones are released: 32 take 0.2 ms."""

_IDLE_S = 0.25
_FLUSH_S = 0.5
_SPIN_NS = 120_000
"""select() alone releases 95 us late (median, on an idle machine), which is 1 % of 10 ms. The last 120 us are spent
looking at the clock instead: 4 us late in the median, for 1 % of a core at 100 packets a second."""

_CLOCK_READ_NS = 2_000  # three readings take 0.2 us

_REQUEST = struct.Struct("!IQ")  # sequence number, timestamp: the head of a sender's packet (RFC 8762 4.2.1)
_ANSWER = struct.Struct("!I20xIQ")  # own sequence number ... sender's sequence number, sender's timestamp (4.3.1)


@dataclass(order=True, slots=True)
class _Held:
    """A packet on its way; ordered by release time, then by arrival."""

    release_ns: int
    turn: int
    row: TruthRow = field(compare=False)
    payload: bytes = field(compare=False)
    leaves_by: StampedSocket = field(compare=False)
    to: Address | None = field(compare=False)


class _Direction:
    """One way: its fates, its queue, its packet count."""

    def __init__(self, name: str, fates: PacketFates) -> None:
        self.name = name
        self.fates = fates
        self.queue = FifoQueue()
        self.count = 0


class UdpPath:
    """The relay. `await start()` gives the port for the sender; `await stop()` completes the truth file.

    `reflector` is (host, port); `truth_path` conventionally `truth-<link>.csv`, its columns are those of `path_truth`.
    `seed` and `link` decide every fate, so two links of one demonstration may share the seed. Works as an
    asynchronous context manager too.
    """

    def __init__(
        self,
        profile: PathProfile,
        reflector: tuple[str, int],
        truth_path: Path,
        *,
        seed: int,
        link: str,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        """Prepare the path; nothing is opened before `start`."""
        self.link = link
        self.port = port
        self.truth_path = truth_path
        self._profile = profile
        self._reflector = reflector
        self._host = host
        self._seed = np.random.SeedSequence([seed, zlib.crc32(link.encode())])
        self._thread: threading.Thread | None = None
        self._relay: _Relay | None = None

    async def start(self) -> int:
        """Open the port, begin to relay, and return the port; elapsed time of outages counts from here.

        Raises OSError if the port or the truth file cannot be opened or the reflector's name is unknown.
        """
        if self._thread is not None:
            raise RuntimeError("the path is already running")
        listen, reflector = await _resolve(self._host, self.port), await _resolve(*self._reflector)
        up_seed, down_seed = self._seed.spawn(2)
        up = _Direction("up", PacketFates(self._profile.up, up_seed))
        down = _Direction("down", PacketFates(self._profile.down, down_seed))
        front = StampedSocket(listen[0])
        try:
            front.socket.bind(listen[1])
            writer = TruthWriter(self.truth_path)
        except OSError:
            front.close()
            raise
        self._relay = _Relay(front=front, reflector=reflector, up=up, down=down, writer=writer)
        self.port = self._relay.port
        self._thread = threading.Thread(target=self._relay.run, name=f"udp-path-{self.link}", daemon=True)
        self._thread.start()
        return self.port

    async def stop(self) -> None:
        """Stop relaying, note packets on their way as cut, close the truth file. May be called twice.

        Raises what ended the relay if it ended by itself.
        """
        thread, relay = self._thread, self._relay
        if thread is None or relay is None:
            return
        self._thread = self._relay = None
        relay.stop()
        await asyncio.to_thread(thread.join)
        if relay.error is not None:
            raise relay.error

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


SocketAddress = tuple[socket.AddressFamily, Address]


async def _resolve(host: str, port: int) -> SocketAddress:
    """Return family and address of a UDP end point; raise OSError if the name is unknown."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    family, _, _, _, address = found[0]
    return family, cast("Address", address)


class _Relay:
    """What the thread runs."""

    def __init__(
        self, *, front: StampedSocket, reflector: SocketAddress, up: _Direction, down: _Direction, writer: TruthWriter
    ) -> None:
        self._up, self._down, self._writer = up, down, writer
        self._reflector = reflector
        self._front = front
        self.port: int = front.socket.getsockname()[1]
        self._behind: dict[Address, StampedSocket] = {}
        self._sender_of: dict[int, Address] = {}
        self._wake, self._waker = socket.socketpair()
        self._heap: list[_Held] = []
        self._turn = 0
        self._started_ns = time.monotonic_ns()
        self._flush_at_ns = 0
        self._stopping = False
        self.error: Exception | None = None

    def stop(self) -> None:
        """Ask the thread to end; may be called from any thread."""
        self._stopping = True
        self._waker.send(b"x")

    def run(self) -> None:
        """Relay until asked to stop."""
        try:
            while not self._stopping:
                self._turn_once()
        except Exception as error:  # noqa: BLE001 - it is kept for stop(), where the owner of the path meets it
            self.error = error
        try:
            self._finish()
        except Exception as error:  # noqa: BLE001 - likewise
            self.error = self.error or error

    def _turn_once(self) -> None:
        self._release_due()
        wait_s = _IDLE_S
        if self._heap:
            wait_s = (self._heap[0].release_ns - time.monotonic_ns() - _SPIN_NS) / 1e9
        if wait_s > 0.0:
            self._flush_if_time()
        sockets: list[StampedSocket | socket.socket] = [self._front, *self._behind.values(), self._wake]
        readable, _, _ = select.select(sockets, [], [], max(wait_s, 0.0))
        for ready in readable:
            if isinstance(ready, StampedSocket):
                self._read(ready)

    def _read(self, source: StampedSocket) -> None:
        for _ in range(_READ_AT_ONCE):
            try:
                datagram = source.receive()
            except ConnectionRefusedError:
                continue  # nobody listened at the reflector's port: the packet left the path, that is all we know
            if datagram is None:
                return
            if source is self._front:
                self._take_up(datagram)
            else:
                self._take_down(datagram, source)

    def _take_up(self, datagram: Datagram) -> None:
        seq, stamp = _REQUEST.unpack_from(datagram.payload) if len(datagram.payload) >= _REQUEST.size else (-1, 0)
        row = _row("up", datagram.sender[1], (seq, stamp, -1), datagram.arrival_ns)
        exit_socket = self._exit_for(datagram.sender)
        if exit_socket is None:
            self._writer.add(row._replace(fate="overflow"))
            return
        self._hold(self._up, row, datagram, exit_socket, None)

    def _take_down(self, datagram: Datagram, source: StampedSocket) -> None:
        refl_seq, seq, stamp = (
            _ANSWER.unpack_from(datagram.payload) if len(datagram.payload) >= _ANSWER.size else (-1, -1, 0)
        )
        sender = self._sender_of[source.fileno()]
        row = _row("down", sender[1], (seq, stamp, refl_seq), datagram.arrival_ns)
        self._hold(self._down, row, datagram, self._front, sender)

    def _exit_for(self, sender: Address) -> StampedSocket | None:
        known = self._behind.get(sender)
        if known is None and len(self._behind) < MAX_SENDERS:
            known = StampedSocket(self._reflector[0])
            known.socket.connect(self._reflector[1])
            self._behind[sender] = known
            self._sender_of[known.fileno()] = sender
        return known

    def _hold(
        self, way: _Direction, row: TruthRow, datagram: Datagram, leaves_by: StampedSocket, to: Address | None
    ) -> None:
        arrival_ns = _monotonic_of(datagram.arrival_ns)
        fate = way.fates.fate(way.count, (arrival_ns - self._started_ns) / 1e9)
        way.count += 1
        if not fate.delays_us:
            self._writer.add(row._replace(fate=fate.kind))
            return
        release_ns = 0
        for copy, delay_us in enumerate(fate.delays_us, start=1):
            in_order = copy == 1 and not fate.reordered
            release_ns = max(release_ns, way.queue.release_ns(arrival_ns, delay_us, keeps_order=in_order))
            self._turn += 1
            copy_row = row._replace(
                copy=copy, wanted_us=(release_ns - arrival_ns) / 1000.0, reordered=fate.reordered and copy == 1
            )
            heapq.heappush(self._heap, _Held(release_ns, self._turn, copy_row, datagram.payload, leaves_by, to))

    def _release_due(self) -> None:
        while self._heap and self._heap[0].release_ns - time.monotonic_ns() <= _SPIN_NS:
            held = heapq.heappop(self._heap)
            while time.monotonic_ns() < held.release_ns:
                pass
            try:
                left_ns = held.leaves_by.send(held.payload, held.to)
            except BlockingIOError:
                self._writer.add(held.row._replace(fate="overflow"))
            else:
                self._writer.add(held.row._replace(release_ns=left_ns))

    def _flush_if_time(self) -> None:
        now_ns = time.monotonic_ns()
        if now_ns >= self._flush_at_ns:
            self._flush_at_ns = now_ns + round(_FLUSH_S * 1e9)
            self._note_drops()
            self._writer.flush()

    def _note_drops(self) -> None:
        """Give each packet that a full receive buffer swallowed a row: it is lost, and must not be a mystery."""
        for way, sockets in ((self._up, [self._front]), (self._down, list(self._behind.values()))):
            for each in sockets:
                drops = each.new_drops()
                if drops:
                    _log.warning("path: %d packets %s lost in a full receive buffer of this machine", drops, way.name)
                for _ in range(drops):
                    self._writer.add(_row(way.name, 0, (-1, 0, -1), time.time_ns())._replace(fate="overflow"))

    def _finish(self) -> None:
        for held in sorted(self._heap):
            self._writer.add(held.row._replace(fate="cut"))
        self._note_drops()
        self._writer.close()
        for stamped in (self._front, *self._behind.values()):
            stamped.close()
        self._wake.close()
        self._waker.close()


def _monotonic_of(unix_ns: int) -> int:
    """Return the monotonic time of a recent moment: the kernel stamps in Unix time, the schedule is monotonic.

    Both clocks are read together; read again if this thread lost the processor in between, since packets would leave
    early by that much (38 us were seen).
    """
    for _ in range(4):
        before_ns, now_ns, after_ns = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        if after_ns - before_ns < _CLOCK_READ_NS:
            break
    return before_ns - max(now_ns - unix_ns, 0)


def _row(direction: str, port: int, identity: tuple[int, int, int], arrival_ns: int) -> TruthRow:
    """Return the row of a packet that has come and not left; `identity` is (seq, stamp, refl_seq)."""
    return TruthRow(direction, port, *identity, 0, "delivered", arrival_ns, 0, 0.0, reordered=False)
