"""The two lines that every ingest service holds: to the broker, and to the database that may go away."""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import paho.mqtt.client as mqtt
import psycopg
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from storage.connect import IDLE_IN_TRANSACTION_S, connect
from storage.errors import UnreachableError
from storage.writer import Writer

if TYPE_CHECKING:
    from ingest.service import IngestSettings

FIRST_RETRY_S, LAST_RETRY_S = 0.5, 30.0
_KEEPALIVE_S = 20
_T = TypeVar("_T")


def make_client(settings: IngestSettings, client_id: str, *, manual_ack: bool = False) -> mqtt.Client:
    """Return a client for the settings' broker and MQTT version, not connected yet; the session is kept."""
    is_v5 = settings.mqtt_version == "5"
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        clean_session=None if is_v5 else False,
        protocol=MQTTProtocolVersion.MQTTv5 if is_v5 else MQTTProtocolVersion.MQTTv311,
        manual_ack=manual_ack,
    )
    if settings.mqtt_username:
        client.username_pw_set(settings.mqtt_username, settings.mqtt_password)
    if settings.mqtt_tls:
        client.tls_set_context(ssl.create_default_context())
    client.reconnect_delay_set(min_delay=1, max_delay=int(LAST_RETRY_S))
    return client


def start_client(
    client: mqtt.Client, settings: IngestSettings, *, session_s: int, receive_maximum: int = 0, is_new: bool = False
) -> None:
    """Connect in the background and start the network thread; a broker that is not there yet is waited for.

    The broker keeps the session for `session_s` (MQTT 5), and sends at most `receive_maximum` messages without an
    acknowledgement, if that is given. `is_new`: what it kept from before is not wanted.
    """
    is_v5 = settings.mqtt_version == "5"
    properties = None
    if is_v5:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = session_s
        if receive_maximum:
            properties.ReceiveMaximum = receive_maximum
    client.connect_async(
        settings.mqtt_host,
        settings.mqtt_port,
        keepalive=_KEEPALIVE_S,
        clean_start=is_new if is_v5 else mqtt.MQTT_CLEAN_START_FIRST_ONLY,
        properties=properties,
    )
    client.loop_start()


def open_writer(url: str, *, name: str) -> Writer:
    """Return a writer whose locks the server takes back when we fall silent in a transaction."""
    return Writer(connect(url, name=name, idle_in_transaction_s=IDLE_IN_TRANSACTION_S))


class DatabaseLine:
    """A writer that is opened when it is needed and opened again when its connection broke. For one thread."""

    def __init__(self, url: str, *, name: str, stopping: threading.Event, log: logging.Logger) -> None:
        """Keep where to connect; `log` hears of each failure in one line."""
        self._url, self._name, self._stopping, self._log = url, name, stopping, log
        self._writer: Writer | None = None

    @property
    def is_open(self) -> bool:
        """Whether the last call succeeded."""
        return self._writer is not None

    def run(self, work: Callable[[Writer], _T], *, messages: int) -> _T | None:
        """Call `work` with the writer until it succeeds, after growing pauses; `messages` wait for it meanwhile.

        While stopping one try is enough, and None says that it failed: what is not committed was neither receipted nor
        acknowledged, and comes again.
        """
        pause_s = FIRST_RETRY_S
        while True:
            try:
                if self._writer is None:
                    self._writer = open_writer(self._url, name=self._name)
                return work(self._writer)
            except (UnreachableError, psycopg.Error) as error:
                reason = " ".join(str(error).split())
                self._log.warning("database: %s; %d messages wait, trying again in %.1f s", reason, messages, pause_s)
                self.close()
                if self._stopping.wait(pause_s) and pause_s > FIRST_RETRY_S:
                    return None
                pause_s = min(pause_s * 2, LAST_RETRY_S)

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._writer is not None:
            self._writer.connection.close()
            self._writer = None
