"""The publisher: sends what the outbox holds, live batches first, and deletes on receipts only.

At most `window` batches are on their way without a receipt; the backlog may use all but `_LIVE_RESERVE` of them, newest
first, and no faster than `backlog_batches_per_s`, so that live data stay less than two seconds behind while hours of
backlog drain. A batch without a receipt is sent again after a while; the server counts it once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import aiomqtt
import msgspec
from paho.mqtt.reasoncodes import ReasonCode

from collectors.outbox import OutboxError, OutboxStatistics
from collectors.outbox_record import StoredBatch
from contract.envelope import Receipt, Refusal, Status
from contract.topics import data_topic, receipt_topic, status_topic

log = logging.getLogger("jissho.collect")

FIRST_RETRY_S, LAST_RETRY_S = 0.5, 30.0
STATUS_EVERY_S = 10.0
_LIVE_RESERVE = 8
_LIVE_LIMIT = 1_000
_BACKLOG_READ = 32
_DELETE_EVERY_S = 0.05
"""Receipts are gathered this long before their batches are deleted: one fsync for all of them."""
_DELETE_AGAIN_S = 5.0
_RESEND_CHECK_S = 0.5
_MANY_CALLS = 10_000
_CALL_TIMEOUT_S = 10.0
_UNSUPPORTED_VERSION = 132
_TRIAL_TIMEOUT_S = 3.0
"""How long a broker may take to answer while it is not known which version it speaks: amqtt never answers MQTT 5."""


class MqttConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `[mqtt]` table: where the broker is and how to send.

    `password_env` names an environment variable and `password_file` a file that hold the password; it never stands in
    the configuration itself. `version` "auto" tries MQTT 5, and 3.1.1 with a broker that does not speak it.

    `window` and `backlog_batches_per_s`, measured on two cores with batches of 500 rows and live ones beside: 64 and
    200/s drain 98,000 rows/s, 64 and 300/s 117,000, 128 and 300/s 145,000, 256 and 1,000/s 444,000; live batches were
    at most 0.4 s behind each time. A wider window is more that a narrow uplink must send before the next live batch.
    """

    host: str = "127.0.0.1"
    port: int = 1883
    version: Literal["auto", "5", "3.1.1"] = "auto"
    username: str = ""
    password_env: str = ""
    password_file: str = ""
    tls: bool = False
    ca_file: str = ""
    keepalive_s: int = 20
    window: int = 64
    backlog_batches_per_s: float = 300.0
    receipt_timeout_s: float = 10.0


class OutboxDoor(Protocol):
    """What the publisher asks of the outbox; the agent answers from the outbox's own thread."""

    epoch: str

    async def newest_before(self, seq: int, limit: int) -> list[StoredBatch]:
        """Return stored batches below `seq`, newest first."""

    async def delete(self, ranges: Sequence[tuple[int, int]]) -> None:
        """Delete what has a receipt."""

    async def statistics(self) -> OutboxStatistics:
        """Return the outbox's state."""


@dataclass(slots=True)
class _OnItsWay:
    batch: StoredBatch
    send_again_s: float
    tries: int = 1


class Publisher:
    """Keeps a connection to the broker for as long as `run` runs."""

    def __init__(
        self,
        config: MqttConfig,
        outbox: OutboxDoor,
        *,
        site: str,
        device: str,
        agent: str,
        sources: list[str],
        on_refused: Callable[[Refusal], None],
    ) -> None:
        """Prepare; `on_refused` hears of each batch that the server put into quarantine."""
        self._config = config
        self._outbox = outbox
        self._site, self._device = site, device
        self._agent, self._sources = agent, sources
        self._on_refused = on_refused
        self._live: deque[StoredBatch] = deque()
        self._window: dict[int, _OnItsWay] = {}
        self._sent: set[int] = set()
        self._backlog_below = 0
        self._read_ahead: deque[StoredBatch] = deque()
        self._backlog_tokens = 0.0
        self._received: list[tuple[int, int]] = []
        self._wake = asyncio.Event()
        self._versions = {"auto": ["5", "3.1.1"], "5": ["5"], "3.1.1": ["3.1.1"]}[config.version]
        self._is_version_known = len(self._versions) == 1
        self.is_connected = False
        self.emptied = asyncio.Event()

    def offer(self, batches: Sequence[StoredBatch]) -> None:
        """Take batches that were just stored; while there is no connection they simply wait in the outbox."""
        self.emptied.clear()
        if self.is_connected:
            self._live.extend(batches)
            if len(self._live) > _LIVE_LIMIT:
                # The link cannot carry what is measured: these become backlog, newest first.
                self._live.clear()
                self._backlog_below = 0
                self._read_ahead.clear()
            self._wake.set()

    async def run(self) -> None:
        """Connect, send, and connect again, until cancelled. Each change of state is one log line."""
        pause_s = FIRST_RETRY_S
        while True:
            try:
                await self._connection(self._versions[0])
            except (aiomqtt.MqttError, OSError) as error:
                was_connected, self.is_connected = self.is_connected, False
                if was_connected:
                    pause_s = FIRST_RETRY_S
                elif _speaks_another_version(error, is_version_known=self._is_version_known):
                    self._versions = [*self._versions[1:], self._versions[0]]
                log.warning(
                    "broker %s:%d not reachable: %s; trying again in %.1f s",
                    self._config.host, self._config.port, error, pause_s,
                )  # fmt: skip
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, LAST_RETRY_S)

    def _client(self, version: str) -> aiomqtt.Client:
        config = self._config
        is_v5 = version == "5"
        will = Status(state="lost", at_ns=time.time_ns(), epoch=self._outbox.epoch, agent=self._agent)
        client = aiomqtt.Client(
            config.host,
            config.port,
            username=config.username or None,
            password=read_password(config),
            identifier=f"jissho-{self._site}-{self._device}",
            protocol=aiomqtt.ProtocolVersion.V5 if is_v5 else aiomqtt.ProtocolVersion.V311,
            will=aiomqtt.Will(status_topic(self._site, self._device), msgspec.json.encode(will), qos=1, retain=True),
            clean_session=None if is_v5 else True,
            keepalive=config.keepalive_s,
            timeout=_CALL_TIMEOUT_S if self._is_version_known else _TRIAL_TIMEOUT_S,
            tls_context=ssl.create_default_context(cafile=config.ca_file or None) if config.tls else None,
        )
        client.pending_calls_threshold = _MANY_CALLS
        return client

    async def _connection(self, version: str) -> None:
        async with self._client(version) as client:
            await client.subscribe(receipt_topic(self._site, self._device), qos=1)
            log.info("broker %s:%d connected (MQTT %s)", self._config.host, self._config.port, version)
            # Nothing that was under way on the old connection can be relied upon: all of it is backlog now.
            self._window.clear()
            self._live.clear()
            self._read_ahead.clear()
            self._backlog_below = 0
            self.is_connected = self._is_version_known = True
            self._wake.set()
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._listen(client), name="jissho receipts")
                    tasks.create_task(self._delete_received(), name="jissho delete")
                    tasks.create_task(self._tell_status(client), name="jissho status")
                    tasks.create_task(self._send(client, tasks), name="jissho send")
            except* (aiomqtt.MqttError, OSError) as group:
                raise _first(group) from None

    async def goodbye(self, statistics: OutboxStatistics) -> None:
        """Leave the retained "offline" over a short connection of its own (the will must not be sent)."""
        with contextlib.suppress(aiomqtt.MqttError, OSError):
            async with asyncio.timeout(2.0), self._client(self._versions[0]) as client:
                await client.publish(*self._status("offline", statistics), qos=1, retain=True)

    def _status(self, state: str, statistics: OutboxStatistics) -> tuple[str, bytes]:
        status = Status(
            state=state, at_ns=time.time_ns(), epoch=statistics.epoch, taken=statistics.taken,
            pending=statistics.batches, agent=self._agent, sources=self._sources,
        )  # fmt: skip
        return status_topic(self._site, self._device), msgspec.json.encode(status)

    async def _tell_status(self, client: aiomqtt.Client) -> None:
        while True:
            await client.publish(*self._status("online", await self._outbox.statistics()), qos=1, retain=True)
            _heed_cancel()
            await asyncio.sleep(STATUS_EVERY_S)

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            try:
                receipt = msgspec.json.decode(_bytes(message.payload), type=Receipt)
            except msgspec.DecodeError as error:
                log.warning("receipt not understood: %s", error)
                continue
            if receipt.epoch != self._outbox.epoch:
                continue
            # What this process never sent nobody can have committed: such a receipt is for a copy of this outbox, and
            # what waits here under that number would be lost. Sent by an earlier process, it is sent once more.
            for refusal in receipt.quarantined:
                if refusal.seq in self._sent:
                    self._on_refused(refusal)
            ranges = [*receipt.committed, *((refusal.seq, refusal.seq) for refusal in receipt.quarantined)]
            delivered = {seq for seq in self._sent if any(low <= seq <= high for low, high in ranges)}
            self._sent -= delivered
            for seq in delivered:
                self._window.pop(seq, None)
            self._received += _as_ranges(delivered)
            self._wake.set()

    async def _delete_received(self) -> None:
        while True:
            await asyncio.sleep(_DELETE_EVERY_S)
            if self._received:
                ranges, self._received = self._received, []
                try:
                    await self._outbox.delete(ranges)
                except OutboxError as error:
                    # The receipts stay good, and the connection too: sending again would only bring them once more.
                    self._received = ranges + self._received
                    log.error("%s; deleting what was delivered waits %.0f s", error, _DELETE_AGAIN_S)  # noqa: TRY400 - no fault of ours
                    await asyncio.sleep(_DELETE_AGAIN_S)
                    continue
                if (await self._outbox.statistics()).batches == 0:
                    self.emptied.set()

    async def _send(self, client: aiomqtt.Client, tasks: asyncio.TaskGroup) -> None:
        last_s = time.monotonic()
        while True:
            now_s = time.monotonic()
            rate = self._config.backlog_batches_per_s
            self._backlog_tokens = min(self._backlog_tokens + (now_s - last_s) * rate, max(rate * 0.1, 1.0))
            last_s = now_s
            batch = await self._next(now_s)
            if batch is None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.02 if self._has_backlog() else _RESEND_CHECK_S):
                        await self._wake.wait()
                self._wake.clear()
                continue
            topic = data_topic(self._site, self._device, batch.stream)
            tasks.create_task(client.publish(topic, batch.payload, qos=1), name=f"jissho publish {batch.seq}")

    def _has_backlog(self) -> bool:
        return self._backlog_below != 1 or bool(self._read_ahead)

    async def _next(self, now_s: float) -> StoredBatch | None:
        """Choose what to send now: a live batch, one whose receipt is overdue, or one of the backlog."""
        room = self._config.window - len(self._window)
        if self._live and room > 0:
            return self._send_first(self._live.popleft(), now_s)
        for entry in self._window.values():
            if entry.send_again_s <= now_s:
                entry.tries += 1
                entry.send_again_s = now_s + min(self._config.receipt_timeout_s * 2 ** (entry.tries - 1), 60.0)
                return entry.batch
        if room > min(_LIVE_RESERVE, self._config.window - 1) and self._backlog_tokens >= 1.0 and self._has_backlog():
            if not self._read_ahead:
                await self._read_backlog()
            while self._read_ahead:
                batch = self._read_ahead.popleft()
                if batch.seq not in self._window:
                    self._backlog_tokens -= 1.0
                    return self._send_first(batch, now_s)
        return None

    async def _read_backlog(self) -> None:
        below = self._backlog_below or 2**62
        found = await self._outbox.newest_before(below, _BACKLOG_READ)
        live = {batch.seq for batch in self._live}
        self._read_ahead.extend(batch for batch in found if batch.seq not in live and batch.seq not in self._window)
        self._backlog_below = found[-1].seq if found else 1

    def _send_first(self, batch: StoredBatch, now_s: float) -> StoredBatch:
        self._sent.add(batch.seq)
        self._window[batch.seq] = _OnItsWay(batch, now_s + self._config.receipt_timeout_s)
        return batch


def read_password(config: MqttConfig) -> str | None:
    """Return the password from where the configuration says it is, or None."""
    if config.password_env:
        return os.environ.get(config.password_env)
    if config.password_file:
        return Path(config.password_file).read_text(encoding="utf-8").strip()
    return None


def _speaks_another_version(error: Exception, *, is_version_known: bool) -> bool:
    """Tell from a failed connection whether the broker does not speak the version that was tried.

    It says so (paho gives MQTT 3.1.1's "unacceptable protocol version" the code of MQTT 5 too), or takes the TCP
    connection and is silent. A broker that is away, or refuses name or password, is no reason to give MQTT 5 up.
    """
    if isinstance(error, aiomqtt.MqttCodeError):
        return isinstance(error.rc, ReasonCode) and error.rc.value == _UNSUPPORTED_VERSION
    # The silence is aiomqtt's own timeout, without a text; the kernel's and the socket's have one.
    silence = error.__context__
    return not is_version_known and isinstance(silence, TimeoutError) and not silence.args


def _as_ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Return the inclusive ranges that numbers make up, ascending."""
    found: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def _heed_cancel() -> None:
    """Raise the cancellation that a call of aiomqtt may have kept to itself.

    It waits with `asyncio.wait_for`, which on Python 3.11 returns its result and forgets a cancellation of the same
    moment; our own code waits under `asyncio.timeout`, which does not.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _bytes(payload: Any) -> bytes:
    return payload if isinstance(payload, bytes) else str(payload).encode()
