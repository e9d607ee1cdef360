"""UDP sockets that say when a datagram arrived, how, and what the kernel had to throw away.

The arrival time is the kernel's (SO_TIMESTAMPNS), taken when the packet reaches the socket. A clock read in the program
comes later by the time that it takes to be woken: see README.md for what was measured.
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from typing import NamedTuple

Address = tuple[str, int] | tuple[str, int, int, int]
Ancillary = tuple[int, int, bytes]

# Of asm-generic/socket.h and linux/in.h; the socket module of Python 3.11 does not name them.
_SO_TIMESTAMPNS = 35
_SO_RXQ_OVFL = 40
_IP_PKTINFO = 8
_IP_RECVTTL = 12

_TIMESPEC = struct.Struct("@ll")
_COUNT = struct.Struct("@I")
_NUMBER = struct.Struct("@i")
_PKTINFO_4, _PKTINFO_6 = struct.Struct("@i4s4s"), struct.Struct("@16sI")

_ANCILLARY_BYTES = 256
_DATAGRAM_BYTES = 9216  # a jumbo frame; nothing longer is sent or answered
_RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
"""Asked for; Linux gives 0.4 MB unless net.core.rmem_max says more: 0.5 s of a stalled program at 1,000 packets/s."""

_TTL_FROM_FAR = 255  # so that the TTL that the reflector saw tells the number of hops
_NS = 1_000_000_000


class Arrival(NamedTuple):
    """A received datagram. `wall_ns` is Unix time; `by_kernel` tells whether the kernel took it.

    `ttl` is 0 where unknown, `traffic_class` the octet with DSCP and ECN, `came_to` what makes an answer leave from the
    address to which the request came, `drops` how many datagrams this socket's buffer has had no room for so far.
    """

    payload: bytes
    sender: Address
    wall_ns: int
    by_kernel: bool
    ttl: int = 0
    traffic_class: int = 0
    came_to: tuple[Ancillary, ...] = ()
    drops: int = 0


class StampedSocket:
    """A non-blocking UDP socket. `has_kernel_times` is false where the platform or a sandbox does not give them."""

    def __init__(
        self,
        family: socket.AddressFamily,
        *,
        bind: Address | None = None,
        interface: str = "",
        dscp: int = 0,
        tells_destination: bool = False,
    ) -> None:
        """Open and bind. `interface` ties the socket to one network interface, whatever the routes say.

        `tells_destination` asks for `came_to`, which costs the time of one more system structure. Raises OSError.
        """
        self.udp = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self.udp.setblocking(False)
            self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
            self._mark(family, dscp)
            self.has_kernel_times = self._try(socket.SOL_SOCKET, _SO_TIMESTAMPNS)
            self._try(socket.SOL_SOCKET, _SO_RXQ_OVFL)
            self._ask_for_headers(family, tells_destination=tells_destination)
            if interface:
                self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
            if bind is not None:
                self.udp.bind(bind)
        except OSError:
            self.udp.close()
            raise
        self._drops = 0

    @property
    def port(self) -> int:
        """The local port; 0 before the first datagram of an unbound socket."""
        port: int = self.udp.getsockname()[1]
        return port

    def receive(self) -> Arrival | None:
        """Return the next datagram, or None if there is none now. Raises OSError where the socket is broken."""
        try:
            payload, ancillary, _, sender = self.udp.recvmsg(_DATAGRAM_BYTES, _ANCILLARY_BYTES)
        except (BlockingIOError, InterruptedError):
            return None
        read_ns = time.time_ns()
        kernel_ns, ttl, traffic_class = 0, 0, 0
        came_to: list[Ancillary] = []
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET:
                if kind == _SO_TIMESTAMPNS:
                    seconds, nanoseconds = _TIMESPEC.unpack_from(data)
                    kernel_ns = seconds * _NS + nanoseconds
                elif kind == _SO_RXQ_OVFL:
                    self._drops = _COUNT.unpack_from(data)[0]
            elif (level, kind) in _TTL_KINDS:
                ttl = _NUMBER.unpack_from(data)[0]
            elif (level, kind) in _CLASS_KINDS:
                traffic_class = data[0]
            elif (level, kind) in _DESTINATION_KINDS:
                came_to.append((level, kind, _from_there(kind, data)))
        return Arrival(
            payload, sender, kernel_ns or read_ns, bool(kernel_ns), ttl, traffic_class, tuple(came_to), self._drops
        )

    def answer(self, payload: bytes | bytearray, arrival: Arrival) -> None:
        """Send to where `arrival` came from, from the address and in the traffic class in which it came.

        Raises OSError where this computer cannot send it.
        """
        ancillary = list(arrival.came_to)
        if arrival.traffic_class:
            v6 = self.udp.family == socket.AF_INET6
            level, kind = (socket.IPPROTO_IPV6, socket.IPV6_TCLASS) if v6 else (socket.IPPROTO_IP, socket.IP_TOS)
            ancillary.append((level, kind, _NUMBER.pack(arrival.traffic_class)))
        self.udp.sendmsg([payload], ancillary, 0, arrival.sender)

    def close(self) -> None:
        """Close the socket."""
        self.udp.close()

    def _mark(self, family: socket.AddressFamily, dscp: int) -> None:
        if family == socket.AF_INET6:
            self.udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, _TTL_FROM_FAR)
            self.udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, dscp << 2)
        else:
            self.udp.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, _TTL_FROM_FAR)
            self.udp.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, dscp << 2)

    def _ask_for_headers(self, family: socket.AddressFamily, *, tells_destination: bool) -> None:
        if family == socket.AF_INET6:
            level = socket.IPPROTO_IPV6
            wishes, destination = (socket.IPV6_RECVHOPLIMIT, socket.IPV6_RECVTCLASS), socket.IPV6_RECVPKTINFO
        else:
            level, wishes, destination = socket.IPPROTO_IP, (_IP_RECVTTL, socket.IP_RECVTOS), _IP_PKTINFO
        for wish in (*wishes, destination) if tells_destination else wishes:
            self._try(level, wish)

    def _try(self, level: int, option: int) -> bool:
        """Switch an option on; return False where the platform does not know it, which costs precision, not probes."""
        if sys.platform != "linux":
            return False
        try:
            self.udp.setsockopt(level, option, 1)
        except OSError:
            return False
        return True


_TTL_KINDS = {(socket.IPPROTO_IP, socket.IP_TTL), (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT)}
_CLASS_KINDS = {(socket.IPPROTO_IP, socket.IP_TOS), (socket.IPPROTO_IPV6, socket.IPV6_TCLASS)}
_DESTINATION_KINDS = {(socket.IPPROTO_IP, _IP_PKTINFO), (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO)}


def _from_there(kind: int, data: bytes) -> bytes:
    """Return the packet information that sends from the address in `data`; routes choose the interface."""
    if kind == _IP_PKTINFO:
        _, local, _ = _PKTINFO_4.unpack_from(data)
        return _PKTINFO_4.pack(0, local, bytes(4))
    address, interface = _PKTINFO_6.unpack_from(data)
    # A link-local address means nothing without its interface.
    return _PKTINFO_6.pack(address, interface if address[:1] == b"\xfe" else 0)
