"""The subscriber for foreign devices: their messages are acknowledged to the broker only after COMMIT.

A foreign device waits for no receipt, so the broker has to keep a message until it is in the database. That is why this
is a connection of its own beside `ingest.service`: manual acknowledgement, and a session that the broker keeps while
this process is away. What comes twice for that reason is stored once. QoS 0 has no such promise.

In a share group each process gets a part of the messages. The broker keeps a member's part while it is away (mosquitto:
up to `max_queued_messages`, then the others get it), so each has a name that its next start gets again. Messages
retained from before the group subscribed do not come (MQTT 5, 4.8.2).
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from typing import Any, NamedTuple

import paho.mqtt.client as mqtt
from paho.mqtt.reasoncodes import ReasonCode

from contract.foreign import ForeignMappings
from ingest.counts import IngestCounts
from ingest.foreign import process_foreign
from ingest.lines import DatabaseLine, make_client, start_client
from ingest.membership import Membership
from ingest.pipeline import Message
from ingest.service import IngestSettings, check_group

log = logging.getLogger("jissho.ingest.foreign")

SESSION_EXPIRY_S = 7 * 86_400
"""How long the broker keeps messages while no ingest runs (MQTT 5; under 3.1.1 the broker decides)."""

_WINDOW = 1000
"""Messages that the broker may send before the first is acknowledged, if its own limit allows (mosquitto: 20)."""

_QUIET_S = 0.01
"""A commit starts when nothing came for this long: with the broker's window of 20, waiting for the full `commit_age_s`
would hold it to 100 messages a second."""


class _Arrived(NamedTuple):
    message: Message
    mid: int
    qos: int
    connection: int


class ForeignService:
    """Runs until `stop`; survives a broker or a database that goes away."""

    def __init__(self, settings: IngestSettings, profiles: ForeignMappings) -> None:
        """Prepare, without connecting. Raises as `ingest.service.IngestService` and `ingest.membership` do."""
        check_group(settings)
        self._member = Membership(settings.share_group) if settings.share_group else None
        self.settings = settings
        self.profiles = profiles
        self.counts = IngestCounts()
        self.subscribed = threading.Event()
        self._arrived: queue.Queue[_Arrived] = queue.Queue(maxsize=10 * _WINDOW)
        self._stopping = threading.Event()
        self._connection = 0
        self._client = self._make_client()
        self._committer = threading.Thread(target=self._commit_forever, name="jissho-foreign-commit", daemon=True)

    def start(self) -> None:
        """Start both threads. A broker or database that is not there yet is waited for."""
        self._committer.start()
        start_client(self._client, self.settings, session_s=SESSION_EXPIRY_S, receive_maximum=_WINDOW)

    def stop(self) -> None:
        """Commit what has come, and disconnect; the broker keeps the rest for the next start."""
        self._stopping.set()
        self._committer.join(timeout=30)
        self._client.disconnect()
        self._client.loop_stop()
        if self._member is not None:
            self._member.leave()

    def _make_client(self) -> mqtt.Client:
        place = f"-{self._member.name}" if self._member else ""
        client = make_client(self.settings, f"{self.settings.client_id}-foreign{place}", manual_ack=True)
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_subscribe = self._on_subscribed
        client.on_message = self._received
        return client

    def _connected(self, client: mqtt.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        if reason.is_failure:
            log.error("broker refused the connection for foreign devices: %s", reason)
            return
        self._connection += 1
        share = f"$share/{self.settings.share_group}/" if self.settings.share_group else ""
        client.subscribe([(share + topic, 1) for topic in self.profiles.subscriptions])

    def _disconnected(self, *_arguments: Any) -> None:
        self.subscribed.clear()

    def _on_subscribed(
        self, _client: mqtt.Client, _data: Any, _mid: int, reasons: list[ReasonCode], _properties: Any
    ) -> None:
        for topic, reason in zip(self.profiles.subscriptions, reasons, strict=False):
            if reason.is_failure:
                log.error("broker refused the subscription to %s: %s; allow it for the user of ingest", topic, reason)
        self.subscribed.set()

    def _received(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        body = Message(message.topic, bytes(message.payload), time.time_ns() // 1000, message.retain)
        arrived = _Arrived(body, message.mid, message.qos, self._connection)
        # Waiting here stalls the broker's TCP stream, which is what a database that does not keep up needs. What is
        # left out while stopping was not acknowledged.
        while not self._stopping.is_set():
            with contextlib.suppress(queue.Full):
                self._arrived.put(arrived, timeout=1)
                return

    def _take(self) -> list[_Arrived]:
        """Return what came until a short silence; empty after `commit_age_s` without anything."""
        taken: list[_Arrived] = []
        size = 0
        wait_s = self.settings.commit_age_s
        deadline = time.monotonic() + wait_s
        while size < self.settings.commit_bytes and len(taken) < _WINDOW and time.monotonic() < deadline:
            try:
                taken.append(self._arrived.get(timeout=wait_s))
            except queue.Empty:
                break
            size += len(taken[-1].message.payload)
            wait_s = _QUIET_S
        return taken

    def _commit_forever(self) -> None:
        database = DatabaseLine(self.settings.database_url, name="jissho-foreign", stopping=self._stopping, log=log)
        while True:
            arrived = self._take()
            if arrived:
                self._commit(database, arrived)
            if self._stopping.is_set() and (not arrived or not database.is_open):
                break
        database.close()

    def _commit(self, database: DatabaseLine, arrived: list[_Arrived]) -> None:
        """Commit until it succeeds, then acknowledge."""
        started = time.monotonic()
        messages = [each.message for each in arrived]
        outcome = database.run(lambda writer: process_foreign(writer, messages, self.profiles), messages=len(messages))
        if outcome is None:
            return
        for refused in outcome.refused:
            log.warning("quarantined: %s on %s: %s", refused.reason, refused.topic, refused.detail)
        self.counts.add(outcome, len(arrived), time.monotonic() - started)
        for each in arrived:
            # Under a new connection the number may mean another message; the old one was sent again.
            if each.qos and each.connection == self._connection:
                self._client.ack(each.mid, each.qos)
