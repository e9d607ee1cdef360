"""What stands beside our ingest: subscribers as one writes them first, and later; and the bare COPY as the limit."""

import queue
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np
import paho.mqtt.client as mqtt
import psycopg

from contract.codec import encode_batch
from contract.streams import STREAMS
from ingest.decode import decode
from storage.columnar import ArrayColumn, ColumnBatch
from storage.connect import connect
from storage.pgcopy import HEADER, TRAILER, CopyColumn, encode_rows
from tests.benchmarks.load import COLUMNS, probe_batch

NAMES = ", ".join(("t", "link_id", "batch_id", *COLUMNS))
_MARKS = "(to_timestamp(%s), %s, %s, " + ", ".join(["%s"] * len(COLUMNS)) + ")"
_TYPES = ("timestamptz", "int4", "int8", *["int4"] * 6, "int2", "int2")
_STAGING = "CREATE TEMP TABLE staging (LIKE probe); CREATE UNIQUE INDEX probe_once ON probe (link_id, t, seq)"


def _rows(payloads: list[bytes]) -> Iterator[tuple[Any, ...]]:
    for payload in payloads:
        batch = msgspec.json.decode(payload)
        columns = [batch["columns"][name] for name in COLUMNS]
        base_us = batch["t0_ns"] // 1000
        for row, offset in enumerate(batch["columns"]["t"]):
            yield (base_us + offset // 1000, 1, batch["seq"], *(column[row] for column in columns))


def insert(connection: psycopg.Connection, payloads: list[bytes]) -> None:
    """One INSERT with the rows of the message."""
    rows = [(row[0] / 1e6, *row[1:]) for row in _rows(payloads)]
    values = [value for row in rows for value in row]
    connection.execute(f"INSERT INTO probe ({NAMES}) VALUES {', '.join([_MARKS] * len(rows))}".encode(), values)


def executemany(connection: psycopg.Connection, payloads: list[bytes]) -> None:
    """One INSERT a row, sent with executemany."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO probe ({NAMES}) VALUES {_MARKS}".encode(),
            [(row[0] / 1e6, *row[1:]) for row in _rows(payloads)],
        )


def _copy_rows(cursor: psycopg.Cursor, table: str, payloads: list[bytes]) -> None:
    with cursor.copy(f"COPY {table} ({NAMES}) FROM STDIN (FORMAT binary)".encode()) as copy:
        copy.set_types(_TYPES)
        for row in _rows(payloads):
            copy.write_row((np.datetime64(row[0], "us").item().astimezone(), *row[1:]))


def copy_rows(connection: psycopg.Connection, payloads: list[bytes]) -> None:
    """COPY with psycopg's write_row, everything that waits in one transaction."""
    with connection.transaction(), connection.cursor() as cursor:
        _copy_rows(cursor, "probe", payloads)


def staging(connection: psycopg.Connection, payloads: list[bytes]) -> None:
    """COPY into a staging table, then INSERT ... ON CONFLICT DO NOTHING: exactly once without a ledger."""
    with connection.transaction(), connection.cursor() as cursor:
        _copy_rows(cursor, "staging", payloads)
        cursor.execute(f"INSERT INTO probe ({NAMES}) SELECT {NAMES} FROM staging ON CONFLICT DO NOTHING".encode())
        cursor.execute("TRUNCATE staging")


METHODS: dict[str, tuple[Callable[[psycopg.Connection, list[bytes]], None], bool]] = {
    "paho, one INSERT a message": (insert, False),
    "paho, executemany": (executemany, False),
    "paho, COPY row by row": (copy_rows, True),
    "paho, staging and ON CONFLICT": (staging, True),
}
"""Name to how it writes, and whether it takes all that came in 0.2 s into one transaction (else one a message)."""


def serve_peer(  # noqa: PLR0917 - the arguments of a process
    name: str, url: str, port: int, rows: int, _number: int, committed: Any, _report: Any, ready: Any, stop: Any
) -> None:
    """Subscribe, and write what comes as `name` does."""
    write, is_gathering = METHODS[name]
    inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.on_connect = lambda *_: client.subscribe("jissho/+/+/+/+", qos=1)
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = lambda _client, _data, message: inbox.put(message.payload)
    client.connect("127.0.0.1", port)
    client.loop_start()
    with connect(url) as connection:
        if write is staging:
            connection.execute(_STAGING)
        while not stop.is_set():
            payloads = _take(inbox, 0.2 if is_gathering else 0.0)
            if payloads:
                write(connection, payloads)
                with committed.get_lock():
                    committed.value += len(payloads) * rows
        if write is staging:
            connection.execute("DROP INDEX probe_once")
    client.disconnect()
    client.loop_stop()


def _take(inbox: queue.SimpleQueue[bytes], age_s: float) -> list[bytes]:
    try:
        taken = [inbox.get(timeout=0.2)]
    except queue.Empty:
        return []
    deadline = time.monotonic() + age_s
    while (left := deadline - time.monotonic()) > 0:
        try:
            taken.append(inbox.get(timeout=left))
        except queue.Empty:
            break
    return taken


def _encoded(batch: ColumnBatch) -> bytes:
    columns = [
        CopyColumn("t", ArrayColumn(batch.t_us)),
        CopyColumn("i4", ArrayColumn(np.ones(batch.n, dtype=np.int32))),
        CopyColumn("i8", ArrayColumn(np.ones(batch.n, dtype=np.int64))),
        *(CopyColumn(column.kind, batch.columns[column.name]) for column in STREAMS["probe"].columns),
    ]
    return b"".join(bytes(part) for part in encode_rows(columns, batch.n))


def bare_copy(url: str, rows: int, messages: int, seconds: float) -> float:
    """Return rows/s of COPY alone: PGCOPY bytes prepared beforehand, `messages` of `rows` rows a transaction."""
    parts = [
        decode(encode_batch(probe_batch(1, seq + 1, rows)), topic=None, received_at_us=0) for seq in range(messages)
    ]
    body = b"".join([HEADER, *(_encoded(part) for part in parts), TRAILER])
    done, started = 0, time.monotonic()
    with connect(url) as connection, connection.cursor() as cursor:
        while time.monotonic() - started < seconds:
            with cursor.copy(f"COPY probe ({NAMES}) FROM STDIN (FORMAT binary)".encode()) as copy:
                copy.write(body)
            done += rows * messages
    return done / (time.monotonic() - started)
