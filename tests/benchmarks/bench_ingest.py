"""From MQTT to committed rows, beside what one writes first: a callback with one INSERT a message."""

import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as mqtt
import psycopg

from contract.codec import encode_batch
from contract.envelope import Batch
from contract.topics import data_topic
from ingest.service import IngestService, IngestSettings
from storage.connect import connect
from storage.embedded import embedded_server
from storage.migrate import migrate
from tests.fix_broker import Broker, find_mosquitto

ROWS_PER_MESSAGE = 500
MESSAGES = 2_000
BASELINE_MESSAGES = 60
TIMEOUT_S = 180
COLUMNS = ("session", "seq", "refl_seq", "ul_us", "dl_us", "rtt_us", "copy", "lost")


def probe_message(seq: int, rows: int = ROWS_PER_MESSAGE, *, payload_format: str = "msgpack") -> bytes:
    """Return one batch as a collector would send it, with delays that vary and one loss in a hundred."""
    generator = np.random.default_rng(seq)
    rtt = generator.integers(8_000, 60_000, rows)
    is_lost = generator.random(rows) < 0.01
    delays = [None if lost else int(value) for lost, value in zip(is_lost, rtt, strict=True)]
    halves = [None if value is None else value // 2 for value in delays]
    batch = Batch(
        site="bench", device="car-1", epoch="bench", seq=seq, stream="probe", link="l5g", source="bench/1", n=rows,
        t0_ns=1_780_000_000_000_000_000 + seq * rows * 1_000_000,
        columns={
            "t": [row * 1_000_000 for row in range(rows)],
            "session": [1] * rows,
            "seq": list(range(seq * rows, (seq + 1) * rows)),
            "refl_seq": [None if value is None else row for row, value in enumerate(delays)],
            "ul_us": halves,
            "dl_us": halves,
            "rtt_us": delays,
            "copy": [int(not lost) for lost in is_lost],
            "lost": [3 * int(lost) for lost in is_lost],
        },
    )  # fmt: skip
    return encode_batch(batch, payload_format)


def publish(port: int, topic: str, payloads: list[bytes]) -> None:
    """Publish all payloads with QoS 1 and return when the broker has them."""
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.max_inflight_messages_set(40)
    client.connect("127.0.0.1", port)
    client.loop_start()
    for payload in payloads:
        info = client.publish(topic, payload, qos=1)
    info.wait_for_publish(TIMEOUT_S)
    client.disconnect()
    client.loop_stop()


def rate_until_committed(connection: psycopg.Connection, rows: int, send: Callable[[], None]) -> float:
    """Return rows/s from the first publish until `rows` are committed."""
    started = time.monotonic()
    sender = threading.Thread(target=send)
    sender.start()
    while connection.execute("SELECT count(*) FROM probe").fetchone()[0] < rows:
        if time.monotonic() - started > TIMEOUT_S:
            raise TimeoutError(f"{rows} rows were not committed within {TIMEOUT_S} s")
        time.sleep(0.05)
    took_s = time.monotonic() - started
    sender.join()
    return rows / took_s


def serve_jissho(url: str, port: int, ready: Any, stop: Any) -> None:
    """Run the ingest service in a process of its own."""
    service = IngestService(IngestSettings(database_url=url, mqtt_port=port))
    service.start()
    service.subscribed.wait()
    ready.set()
    stop.wait()
    service.stop()


def serve_baseline(url: str, port: int, ready: Any, stop: Any) -> None:
    """What one writes first: in the callback, one INSERT with the rows of the message, committed at once."""
    connection = connect(url)
    link_id, batch_id = 1, 1
    marks = "(to_timestamp(%s), %s, %s, " + ", ".join(["%s"] * len(COLUMNS)) + ")"

    def on_message(_client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        batch = json.loads(message.payload)
        columns = [batch["columns"][name] for name in COLUMNS]
        base_s = batch["t0_ns"] / 1e9
        values: list[Any] = []
        for row, offset in enumerate(batch["columns"]["t"]):
            values += [base_s + offset / 1e9, link_id, batch_id, *(column[row] for column in columns)]
        names = ", ".join(("t", "link_id", "batch_id", *COLUMNS))
        connection.execute(f"INSERT INTO probe ({names}) VALUES {', '.join([marks] * batch['n'])}".encode(), values)

    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.on_connect = lambda *_: client.subscribe("jissho/#", qos=1)
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = on_message
    client.connect("127.0.0.1", port)
    client.loop_start()
    stop.wait()
    client.disconnect()
    client.loop_stop()


@contextmanager
def serving(target: Callable[..., None], url: str, port: int) -> Iterator[None]:
    """Run a subscriber process until the block ends."""
    context = multiprocessing.get_context("spawn")
    ready, stop = context.Event(), context.Event()
    process = context.Process(target=target, args=(url, port, ready, stop))
    process.start()
    if not ready.wait(30):
        raise TimeoutError("the subscriber did not start")
    try:
        yield
    finally:
        stop.set()
        process.join(60)


def run() -> Iterator[dict[str, Any]]:
    """Yield `ingest_rows`."""
    if find_mosquitto() is None:
        print("bench ingest_rows left out: no mosquitto (apt install mosquitto)", file=sys.stderr)
        return
    home = Path(tempfile.mkdtemp(prefix="jissho-bench-"))
    home.chmod(0o755)
    messages = [probe_message(seq) for seq in range(1, MESSAGES + 1)]
    as_json = [probe_message(seq, payload_format="json") for seq in range(1, BASELINE_MESSAGES + 1)]
    topic = data_topic("bench", "car-1", "probe")
    try:
        with embedded_server(home) as server, connect(server.url) as connection, Broker() as broker:
            migrate(connection)
            with serving(serve_jissho, server.url, broker.port):
                rate = rate_until_committed(
                    connection, MESSAGES * ROWS_PER_MESSAGE, lambda: publish(broker.port, topic, messages)
                )
            connection.execute("TRUNCATE probe, batch, ledger")
            with serving(serve_baseline, server.url, broker.port):
                baseline = rate_until_committed(
                    connection, BASELINE_MESSAGES * ROWS_PER_MESSAGE, lambda: publish(broker.port, topic, as_json)
                )
    finally:
        shutil.rmtree(home, ignore_errors=True)
    yield {
        "bench": "ingest_rows",
        "value": round(rate),
        "unit": "rows/s",
        "peers": {"paho callback, one INSERT per message": round(baseline)},
        "rows_per_message": ROWS_PER_MESSAGE,
        "cpus": os.cpu_count(),
    }
