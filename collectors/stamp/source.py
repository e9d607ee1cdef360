"""The session-sender: sends probes, matches answers, and emits one row a packet."""

from __future__ import annotations

import asyncio
import json
import math
import random
import secrets
import socket
import time
from typing import Literal, NamedTuple

from collectors.source import Emit, Source, SourceConfig, SourceKind
from collectors.stamp.datagrams import open_socket, receive
from collectors.stamp.matching import Matcher, Row
from collectors.stamp.packet import SENDER_BYTES, Answer, ErrorEstimate, PacketError, decode_answer
from collectors.stamp.schedule import periodic, poisson
from collectors.stamp.sending import SendingThread, SentPacket, read_clocks
from contract.samples import Value

DEFAULT_PORT = 862
MAX_RATE_PPS = 1000
_LAST_SEQ = 2**31 - 1
_TICK_S = 0.05
_CLOCK_EVERY_S = 10.0
_REPORT_EVERY_S = 60.0
_DRAIN_S = 1.0
_READ_AT_ONCE = 256
_STEP_NS = 1_000_000
_LARGEST_US = 2_000_000_000
"""The delay that a row can hold (data contract): 33 min. More than that is a far clock that was never set."""
_SLEW = 600e-6
"""The kernel slews a clock by 500 ppm at most; more than this share of the elapsed time, and 1 ms, is a step."""


class StampConfig(SourceConfig, frozen=True, kw_only=True, tag="stamp"):
    """See sample.toml."""

    target: str
    rate_pps: float = 10.0
    schedule: Literal["poisson", "periodic"] = "poisson"
    timeout_s: float = 15.0
    payload_bytes: int = 44
    bind_address: str = ""
    interface: str = ""
    dscp: int = 0
    ssid: int = 0
    seed: int | None = None

    def __post_init__(self) -> None:
        """Refuse values that cannot be measured with."""
        super().__post_init__()
        if not 0 < self.rate_pps <= MAX_RATE_PPS:
            raise ValueError(f"rate_pps must be more than 0 and at most {MAX_RATE_PPS}")
        if not 0 < self.timeout_s <= 120:  # noqa: PLR2004 - RFC 6703 derives 51 s as more than enough
            raise ValueError("timeout_s must be more than 0 and at most 120")
        if self.payload_bytes != SENDER_BYTES and not 48 <= self.payload_bytes <= 9000:  # noqa: PLR2004 - a jumbo frame
            raise ValueError("payload_bytes must be 44, or 48 to 9000 (padding has a head of 4 bytes)")
        if not 0 <= self.dscp <= 63:  # noqa: PLR2004 - six bits
            raise ValueError("dscp must be 0 to 63")
        if not 0 <= self.ssid <= 65_535:  # noqa: PLR2004 - two bytes
            raise ValueError("ssid must be 0 to 65535")
        parse_target(self.target)


def parse_target(target: str) -> tuple[str, int]:
    """Return (host, port) of "host" or "host:port". Raises ValueError."""
    host, _, port = target.partition(":")
    if not host or (port and not (port.isdigit() and 0 < int(port) < 65_536)):  # noqa: PLR2004 - the range of ports
        raise ValueError(f"target {target!r} must be host or host:port")
    return host, int(port) if port else DEFAULT_PORT


class Delays(NamedTuple):
    """The delays of one answer in microseconds, and by how much the clock stepped meanwhile (0: it did not)."""

    columns: dict[str, Value]
    stepped_ns: int


def delays(answer: Answer, sent: SentPacket, arrived_ns: int, read_ns: int, read_mono_ns: int) -> Delays:
    """Return the delays of `answer`: up T2-T1, down T4-T3, round trip (T4-T1)-(T3-T2), rounded to microseconds.

    The round trip needs one clock only, and that clock may be set while the packet is away. The monotonic clock tells:
    if the wall clock gained or lost time against it, the round trip is taken from the monotonic clock and the one-way
    delays are left out. A delay that no row can hold is left out too: the packet was delivered all the same.
    """
    gained_ns = (read_ns - sent.t_ns) - (read_mono_ns - sent.mono_ns)
    dwell_ns = answer.sent_ns - answer.received_ns
    if abs(gained_ns) > _STEP_NS + _SLEW * (read_mono_ns - sent.mono_ns):
        rtt_ns = read_mono_ns - sent.mono_ns - dwell_ns
        return Delays({"ul_us": None, "dl_us": None, "rtt_us": _delay_us(max(rtt_ns, 0))}, gained_ns)
    rtt_ns = arrived_ns - sent.t_ns - dwell_ns
    columns: dict[str, Value] = {
        "ul_us": _delay_us(answer.received_ns - sent.t_ns),
        "dl_us": _delay_us(arrived_ns - answer.sent_ns),
        "rtt_us": _delay_us(max(rtt_ns, 0)),
    }
    return Delays(columns, 0)


def _delay_us(nanoseconds: int) -> int | None:
    microseconds = (nanoseconds + 500) // 1000
    return microseconds if abs(microseconds) <= _LARGEST_US else None


class StampSource:
    """Measures one link. Each `run` is at least one session of its own."""

    def __init__(self, config: StampConfig) -> None:
        """Keep the configuration."""
        self._config = config

    async def run(self, emit: Emit) -> None:
        """Measure until cancelled. Raises OSError where the target's name is unknown or a socket cannot be had."""
        config = self._config
        host, port = parse_target(config.target)
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, family=socket.AF_INET, type=socket.SOCK_DGRAM)
        address = found[0][4]
        seed = secrets.randbits(64) if config.seed is None else config.seed
        rng = random.Random(seed)  # noqa: S311 - sending times, not secrets
        while True:
            udp = open_socket(bind=(config.bind_address, 0), interface=config.interface, dscp=config.dscp)
            try:
                udp.connect(address)
                session = rng.getrandbits(31) if config.seed is not None else secrets.randbits(31)
                plan = (poisson if config.schedule == "poisson" else periodic)(config.rate_pps, rng)
                sender = SendingThread(
                    udp, plan, ErrorEstimate.from_bound_us(None), ssid=config.ssid,
                    payload_bytes=config.payload_bytes, limit=_LAST_SEQ,
                )  # fmt: skip
                await _Session(config, session, udp, sender, emit).run()
            finally:
                udp.close()


class _Session:
    """One session: from number 0 until cancelled or until the numbers are used up."""

    def __init__(
        self, config: StampConfig, session: int, udp: socket.socket, sender: SendingThread, emit: Emit
    ) -> None:
        self._config, self._udp, self._sender, self._emit = config, udp, sender, emit
        self._matcher = Matcher(session, config.timeout_s)
        self._on_the_way: dict[int, SentPacket] = {}
        self._is_kernel_time = True
        self._malformed = 0
        self._last_error: ErrorEstimate | None = None
        self._reported: dict[str, tuple[float, int]] = {}

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        self._announce()
        loop.add_reader(self._udp, self._readable)
        self._sender.start()
        next_clock_s = time.monotonic() + 1.0
        try:
            while not self._sender.is_over:
                await asyncio.sleep(_TICK_S)
                self._tick()
                if time.monotonic() >= next_clock_s:
                    next_clock_s += _CLOCK_EVERY_S
                    self._far_clock()
        finally:
            try:
                await asyncio.to_thread(self._sender.stop)
                await self._wait_for_answers()
            finally:
                loop.remove_reader(self._udp)
                self._close()

    async def _wait_for_answers(self) -> None:
        deadline_s = time.monotonic() + min(self._config.timeout_s, _DRAIN_S)
        self._tick()
        while self._matcher.pending() and time.monotonic() < deadline_s:
            await asyncio.sleep(_TICK_S)
            self._tick()

    def _tick(self) -> None:
        self._register_sent()
        for row in self._matcher.expired(time.monotonic()):
            self._put(row)
        # Numbers ascend in the dictionary as they were sent, and their time ends in the same order.
        while self._on_the_way and not self._matcher.waits_for(first := next(iter(self._on_the_way))):
            del self._on_the_way[first]
        self._report_counts(_REPORT_EVERY_S)

    def _register_sent(self) -> None:
        while self._sender.sent:
            packet = self._sender.sent.popleft()
            self._on_the_way[packet.seq] = packet
            self._matcher.sent(packet.seq, packet.t_ns, packet.mono_ns / 1e9)

    def _readable(self) -> None:
        for _ in range(_READ_AT_ONCE):
            try:
                datagram = receive(self._udp)
            except ConnectionError:
                continue  # an ICMP "port unreachable" for an earlier probe; its own timeout will tell
            if datagram is None:
                return
            read_ns, read_mono_ns = read_clocks()
            self._register_sent()
            try:
                answer = decode_answer(datagram.payload)
            except PacketError:
                self._malformed += 1
                continue
            sent = self._on_the_way.get(answer.seq)
            if sent is None:
                self._matcher.late += 1
                continue
            self._last_error = answer.error
            self._is_kernel_time &= datagram.is_kernel_time
            found = delays(answer, sent, datagram.arrived_ns, read_ns, read_mono_ns)
            if found.stepped_ns:
                self._event("clock.step", "warning", "測定中に時計が飛んだ / the clock was set while probes were away",
                            {"gained_us": found.stepped_ns / 1000, "seq": answer.seq})  # fmt: skip
            arrived_s = (read_mono_ns - max(read_ns - datagram.arrived_ns, 0)) / 1e9
            row = self._matcher.answered(answer.seq, answer.refl_seq & 0x7FFFFFFF, arrived_s, found.columns)
            if row is not None:
                self._put(row)

    def _put(self, row: Row) -> None:
        self._emit("probe", row.t_ns, row.sample)

    def _announce(self) -> None:
        config = self._config
        detail = {
            "session": self._matcher.session,
            "type_p": {"protocol": "UDP/STAMP", "payload_bytes": config.payload_bytes, "dscp": config.dscp},
            "target": config.target,
            "rate_pps": config.rate_pps,
            "schedule": config.schedule,
            "timeout_s": config.timeout_s,
        }
        self._event("probe.session", "info", f"STAMP {config.target} {config.rate_pps:g} packets/s", detail)

    def _far_clock(self) -> None:
        error = self._last_error
        if error is not None:
            sample: dict[str, Value] = {
                "method": "stamp",
                "synced": error.is_synced,
                "bound_us": error.error_us if error.is_synced else None,
                "reference": self._config.target,
            }
            self._emit("clock", time.time_ns(), sample)

    def _close(self) -> None:
        self._report_counts(0)
        self._far_clock()
        pending = self._matcher.pending()
        if pending:
            self._event(
                "probe.pending",
                "info",
                f"{len(pending)} packets were still under way; they count neither as lost nor as delivered",
                {"session": self._matcher.session, "first_seq": pending[0], "last_seq": pending[-1], "n": len(pending)},
            )
        if not self._is_kernel_time:
            self._event("probe.clock_read", "info", "arrival times were read by the program, not by the kernel", {})

    def _report_counts(self, every_s: float) -> None:
        """Report the counts that grew, each once in `every_s` at most."""
        self._report("probe.skipped", self._sender.skipped, "送信が間に合わず見送った / not sent because late", every_s)
        self._report("probe.refused", self._sender.refused, "送信できなかった / could not be sent", every_s)
        self._report("probe.late", self._matcher.late, "待ち時間の後に届いた応答 / answers after the timeout", every_s)
        self._report("probe.malformed", self._malformed, "解釈できない応答 / answers not understood", every_s)

    def _report(self, name: str, total: int, message: str, every_s: float) -> None:
        since_s, told = self._reported.get(name, (-math.inf, 0))
        now_s = time.monotonic()
        if total > told and now_s - since_s >= every_s:
            self._reported[name] = (now_s, total)
            self._event(name, "warning", f"{message}: {total - told}", {"new": total - told, "total": total})

    def _event(self, name: str, severity: str, message: str, detail: dict[str, object]) -> None:
        sample: dict[str, Value] = {
            "name": name,
            "severity": severity,
            "message": message,
            "detail": json.dumps(detail, ensure_ascii=False),
        }
        self._emit("event", time.time_ns(), sample)


def _build(config: StampConfig) -> Source:
    return StampSource(config)


KIND = SourceKind(name="stamp", version=1, streams=("probe", "clock", "event"), config=StampConfig, build=_build)
