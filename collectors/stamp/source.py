"""The source `stamp`: a session-sender (RFC 8762 4.2) that runs session after session until it is stopped."""

from __future__ import annotations

import asyncio
import random
import secrets
import socket
from typing import cast

from collectors.notices import Notices
from collectors.source import Emit, Source, SourceKind
from collectors.stamp.arrival import Address, StampedSocket
from collectors.stamp.config import StampConfig, split_target
from collectors.stamp.packet import BASE_BYTES, TWAMP_ANSWER_BYTES
from collectors.stamp.schedule import sending_times_ns
from collectors.stamp.session import Session, SessionPlan
from collectors.stamp.tlv import extra_padding

LAST_SEQ = 2**31 - 1
"""Largest number that the contract holds: after 24 days at 1,000 packets a second a new session begins."""


class StampSource:
    """Measures one link. `last_seq` ends a session; tests lower it."""

    def __init__(self, config: StampConfig, *, last_seq: int = LAST_SEQ) -> None:
        """Keep the configuration."""
        self._config, self._last_seq = config, last_seq

    async def run(self, emit: Emit) -> None:
        """Measure until cancelled. Raises OSError if the target is unknown or the socket cannot be opened or used."""
        notices = Notices(emit)
        while True:
            family, target = await _resolve(*split_target(self._config.target))
            stamped = await self._open(family)
            try:
                await self._session(stamped, target, emit, notices).run()
            finally:
                stamped.close()

    async def _open(self, family: socket.AddressFamily) -> StampedSocket:
        config = self._config
        local: Address = ("::", 0) if family == socket.AF_INET6 else ("0.0.0.0", 0)  # noqa: S104 - any own address
        if config.bind_address:
            _, local = await _resolve(config.bind_address, 0, family)
        return StampedSocket(family, bind=local, interface=config.bind_interface, dscp=config.dscp)

    def _session(self, stamped: StampedSocket, target: Address, emit: Emit, notices: Notices) -> Session:
        config = self._config
        seed = secrets.randbits(64) if config.seed is None else config.seed
        number = secrets.randbits(31)
        speaks_stamp = config.reflector != "twamp_light"
        ssid = (secrets.randbelow(2**16 - 1) + 1 if config.ssid is None else config.ssid) if speaks_stamp else 0
        plan = SessionPlan(
            number=number,
            ssid=ssid,
            # Not for secrets: a plan that can be drawn again from its seed.
            times_ns=sending_times_ns(config.schedule, config.rate_pps, random.Random(seed)),  # noqa: S311
            mean_gap_ns=round(1e9 / config.rate_pps),
            timeout_ns=round(config.timeout_s * 1e9),
            last_seq=self._last_seq,
            target=target,
            target_name=config.target,
            stateful=config.reflector == "stateful",
            least_answer_bytes=BASE_BYTES if speaks_stamp else TWAMP_ANSWER_BYTES,
            trailer=_trailer(config.payload_bytes - BASE_BYTES, speaks_stamp=speaks_stamp),
        )
        notices.say(
            "probe.session",
            "info",
            f"測定開始: {config.target}, {config.rate_pps:g} pps / measurement begins",
            {
                "session": number,
                "protocol": "TWAMP Light (RFC 5357)" if not speaks_stamp else "STAMP unauthenticated (RFC 8762)",
                "target": config.target,
                "address": f"{target[0]} port {target[1]}",
                "reflector": config.reflector,
                "schedule": config.schedule,
                "rate_pps": config.rate_pps,
                "timeout_s": config.timeout_s,
                "payload_bytes": config.payload_bytes,
                "dscp": config.dscp,
                "ssid": ssid,
                "seed": seed,
                "bind_address": config.bind_address,
                "bind_interface": config.bind_interface,
                "timestamping": {"t1": "user", "t4": "kernel" if stamped.has_kernel_times else "user"},
            },
        )
        return Session(plan, stamped, emit, notices)


def _trailer(size: int, *, speaks_stamp: bool) -> bytes:
    """Return what makes the packet longer: an Extra Padding block, or the plain padding that TWAMP has."""
    if size == 0:
        return b""
    return extra_padding(size) if speaks_stamp else bytes(size)


async def _resolve(
    host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
) -> tuple[socket.AddressFamily, Address]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, family=family, type=socket.SOCK_DGRAM)
    return found[0][0], cast("Address", found[0][4])


def _build(config: StampConfig) -> Source:
    return StampSource(config)


KIND = SourceKind(name="stamp", version=1, streams=("probe", "clock", "event"), config=StampConfig, build=_build)
