"""The ingest service: an MQTT subscriber that feeds the pipeline, and answers with receipts after COMMIT.

Three threads: paho's network thread only queues messages, the reading thread takes what came within `commit_age_s` (or
`commit_bytes`) and turns it into columns, the committing thread stores that and publishes receipts: while the database
works on one handful, the next is read. Nothing is acknowledged by hand: a message that this process loses was never
receipted, so the device still has it and sends it again. A fourth thread applies retention once a day.
"""

from __future__ import annotations

import logging
import queue
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from contract.topics import ALL_DATA, RECEIPT, STATUS, check_name
from ingest.health import IngestHealth, SelfReport, serve_metrics
from ingest.inbox import Inbox
from ingest.lines import DatabaseLine, make_client, start_client
from ingest.pipeline import Handful, Message, Processed, commit, prepare
from ingest.upkeep import Upkeep
from storage.writer import Writer

log = logging.getLogger("jissho.ingest")

_SESSION_EXPIRY_S = 3600
_ALL_STATUS = f"jissho/+/+/+/{STATUS}"
_RECEIPT_ENDING = f"/{RECEIPT}"


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestSettings:
    """Where to listen and how to commit.

    `commit_age_s`: a message waits at most this long for company, so that a sample is in the database within a second
    of being measured; `commit_bytes` bounds a transaction, `queue_bytes` the memory whatever the backlog is.
    `metrics_port` serves Prometheus (0: not), and every `report_every_s` the health is written as rows (0: never).
    `share_group`: ingest processes with the same group share the messages (MQTT 5 only; empty: one process has all).
    """

    database_url: str
    mqtt_host: str = "127.0.0.1"
    mqtt_port: int = 1883
    mqtt_username: str | None = None
    mqtt_password: str | None = field(default=None, repr=False)
    mqtt_tls: bool = False
    mqtt_version: str = "5"
    client_id: str = "jissho-ingest"
    share_group: str = ""
    commit_age_s: float = 0.2
    commit_bytes: int = 8_000_000
    queue_bytes: int = 64_000_000
    metrics_port: int = 0
    report_every_s: float = 0.0


def check_group(settings: IngestSettings) -> None:
    """Raise ValueError for a share group that cannot be: with MQTT 3.1.1, or with a name that no topic may hold."""
    if settings.share_group:
        check_name("share group", settings.share_group)
        if settings.mqtt_version != "5":
            raise ValueError("a share group needs MQTT 5")


class IngestService:
    """Runs until `stop`; survives a broker or a database that goes away and says so once a change."""

    def __init__(self, settings: IngestSettings, *, on_commit: Callable[[Processed], None] | None = None) -> None:
        """Prepare, without connecting. `on_commit` is called in the committing thread after each transaction.

        Raises ValueError for a share group that cannot be: with MQTT 3.1.1, or with a name that no topic may hold.
        """
        check_group(settings)
        self.settings = settings
        self.health = IngestHealth()
        self.counts = self.health.counts
        every_s = settings.report_every_s
        self._report = SelfReport(self.health, settings.database_url, every_s) if every_s else None
        self._on_commit = on_commit
        self._inbox = Inbox(settings.queue_bytes)
        self._prepared: queue.Queue[Handful | None] = queue.Queue(maxsize=1)
        self._stopping = threading.Event()
        self.subscribed = threading.Event()
        self._is_v5 = settings.mqtt_version == "5"
        self._client = self._make_client()
        self._reader = threading.Thread(target=self._read_forever, name="jissho-ingest-read", daemon=True)
        self._committer = threading.Thread(target=self._commit_forever, name="jissho-ingest-commit", daemon=True)
        self._upkeep = Upkeep(settings.database_url)
        self._is_broker_lost = False

    def start(self) -> None:
        """Start the threads. A broker or database that is not there yet is waited for.

        Raises OSError where the port for the metrics is taken.
        """
        if self.settings.metrics_port:
            serve_metrics(self.health, self.settings.metrics_port)
        self._reader.start()
        self._committer.start()
        self._upkeep.start()
        if self._report is not None:
            self._report.start()
        is_shared = bool(self.settings.share_group)
        # An old session is kept, so what the broker held while this process was away comes at once; but not in a
        # group, where a session whose process is gone would go on being given its share.
        start_client(
            self._client, self.settings, session_s=0 if is_shared else _SESSION_EXPIRY_S, is_new=is_shared
        )  # fmt: skip

    def stop(self) -> None:
        """Take no more messages, commit what is queued, and disconnect."""
        if self._client.is_connected():
            self._client.unsubscribe([topic for topic, _ in self._subscriptions()])
        self._stopping.set()
        self._upkeep.stop()
        if self._report is not None:
            self._report.stop()
        self._committer.join(timeout=30)
        self._client.disconnect()
        self._client.loop_stop()

    def _make_client(self) -> mqtt.Client:
        # Members of a group need names of their own, or the broker would disconnect one for the other.
        suffix = f"-{secrets.token_hex(6)}" if self.settings.share_group else ""
        client = make_client(self.settings, self.settings.client_id + suffix)
        client.on_connect = self._connected
        client.on_connect_fail = self._not_connected
        client.on_disconnect = self._disconnected
        client.on_subscribe = self._subscribed
        client.on_message = self._received
        return client

    def _subscriptions(self) -> list[tuple[str, SubscribeOptions]]:
        if not self.settings.share_group:
            # noLocal: this process's own receipts match the subscription too.
            return [(ALL_DATA, SubscribeOptions(qos=1, noLocal=True))]
        # A shared subscription may not be noLocal (MQTT 5, 3.8.3.1) and brings no retained messages (4.8.2): the life
        # signs are heard by each process, since a device may have gone offline while none of them was there.
        return [
            (f"$share/{self.settings.share_group}/{ALL_DATA}", SubscribeOptions(qos=1)),
            (_ALL_STATUS, SubscribeOptions(qos=1)),
        ]

    def _address(self) -> str:
        return f"{self.settings.mqtt_host}:{self.settings.mqtt_port}"

    def _connected(
        self, client: mqtt.Client, _data: Any, _flags: mqtt.ConnectFlags, reason: ReasonCode, _properties: Any
    ) -> None:
        if reason.is_failure:
            log.error("broker %s refused the connection: %s; check user name, password and MQTT version",
                      self._address(), reason)  # fmt: skip
            return
        log.info("broker %s connected", self._address())
        self._is_broker_lost = False
        if self._is_v5:
            client.subscribe(self._subscriptions())
        else:
            client.subscribe(ALL_DATA, qos=1)

    def _not_connected(self, _client: mqtt.Client, _data: Any) -> None:
        if not self._is_broker_lost:
            log.warning("broker %s not reachable; trying again with growing pauses", self._address())
            self._is_broker_lost = True

    def _disconnected(
        self, _client: mqtt.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any
    ) -> None:
        self.subscribed.clear()
        if not self._stopping.is_set():
            log.warning("broker %s lost (%s); trying again with growing pauses", self._address(), reason)
            self._is_broker_lost = True

    def _subscribed(self, *_arguments: Any) -> None:
        self.subscribed.set()

    def _received(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        if message.topic.endswith(_RECEIPT_ENDING):
            return
        if not self._inbox.put(Message(message.topic, bytes(message.payload), time.time_ns() // 1000)):
            if self.counts.overflowed == 0:
                log.error("the database does not keep up: messages are left to be sent again by the devices")
            self.health.overflow()

    def _read_forever(self) -> None:
        while True:
            messages = self._inbox.take(self.settings.commit_age_s, self.settings.commit_bytes)
            if messages:
                self._prepared.put(prepare(messages))
            elif self._stopping.is_set():
                break
        self._prepared.put(None)

    def _commit_forever(self) -> None:
        database = DatabaseLine(self.settings.database_url, name="jissho-ingest", stopping=self._stopping, log=log)
        while (handful := self._prepared.get()) is not None:
            self._commit(database, handful)
        database.close()

    def _commit(self, database: DatabaseLine, handful: Handful) -> None:
        """Commit until it succeeds, then answer."""
        messages = len(handful.messages)

        def timed(writer: Writer) -> tuple[Processed, float]:
            started = time.monotonic()
            return commit(writer, handful), time.monotonic() - started

        done = database.run(timed, messages=messages)
        if done is None:
            return
        processed, took_s = done
        self.health.committed(processed, messages, took_s)
        self.health.waiting(self._inbox.bytes)
        self._answer(processed)

    def _answer(self, processed: Processed) -> None:
        for refused in processed.outcome.refused:
            log.warning("quarantined: %s on %s: %s", refused.reason, refused.topic, refused.detail)
        for answer in processed.answers:
            self._client.publish(answer.topic, answer.payload, qos=1)
        if self._on_commit is not None:
            self._on_commit(processed)
