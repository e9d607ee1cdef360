"""From MQTT to committed rows, beside what one writes first, what one writes next, and the bare COPY."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ingest.pipeline import Processed
from ingest.service import IngestService, IngestSettings
from storage.connect import connect
from storage.embedded import embedded_server
from storage.migrate import migrate
from tests.benchmarks.load import measure, peak_rss_mb
from tests.benchmarks.peers import METHODS, bare_copy, serve_peer
from tests.fix_broker import Broker, find_mosquitto

SECONDS = float(os.environ.get("JISSHO_TEST_BENCH_SECONDS", "10"))
PEER_SECONDS = min(SECONDS, 5.0)
WINDOW_MESSAGES = {500: 1_500, 10: 6_000}
"""Messages on their way without a COMMIT: half a second and more of them, or the window is what is measured."""


def serve_jissho(  # noqa: PLR0917 - the arguments of a process
    url: str, port: int, group: str, number: int, committed: Any, report: Any, ready: Any, stop: Any
) -> None:
    """Run the ingest service in a process of its own."""

    def count(processed: Processed) -> None:
        with committed.get_lock():
            committed.value += processed.outcome.rows

    settings = IngestSettings(
        database_url=url, mqtt_port=port, client_id=f"jissho-ingest-{number}", share_group=group
    )  # fmt: skip
    service = IngestService(settings, on_commit=count)
    service.start()
    service.subscribed.wait()
    ready.set()
    stop.wait()
    service.stop()
    counts = service.counts
    report[number] = {
        "rss_peak_mb": peak_rss_mb(),
        "messages_per_commit": max(1, round(counts.messages / max(counts.commits, 1))),
        "refused": counts.refused,
        "duplicates": counts.duplicates,
    }


@contextmanager
def fresh_database(url: str) -> Iterator[str]:
    """Make a database of our own on the server at `url`, and drop it."""
    name = f"jissho_bench_{os.getpid()}"
    with connect(url) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
        connection.execute(f"CREATE DATABASE {name}".encode())
    try:
        yield make_conninfo(**{**conninfo_to_dict(url), "dbname": name})
    finally:
        with connect(url) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())


@contextmanager
def embedded_database() -> Iterator[str]:
    """Run an embedded server for one benchmark."""
    home = Path(tempfile.mkdtemp(prefix="jissho-bench-"))
    home.chmod(0o755)
    try:
        with embedded_server(home) as server:
            yield server.url
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _emptied(connection: psycopg.Connection, rows: int) -> None:
    """Check that every row is there once, and make the tables empty for the next."""
    found = connection.execute("SELECT count(*) FROM probe").fetchone()
    if found != (rows,):
        raise AssertionError(f"{rows} rows were sent, the database has {found}")
    connection.execute("TRUNCATE probe, batch, ledger")


def bench(url: str, name: str, rows: int, unit: str, *, peers: list[str]) -> dict[str, Any]:
    """Measure our ingest and its peers on one database; every figure is rows/s unless `unit` is messages/s."""
    scale = rows if unit == "messages/s" else 1
    with connect(url) as connection, Broker() as broker:
        migrate(connection)
        rate, sent, report = measure(
            serve_jissho, (url, broker.port, ""), port=broker.port, rows=rows, seconds=SECONDS, is_json=False,
            window=WINDOW_MESSAGES[rows],
        )  # fmt: skip
        _emptied(connection, sent)
        said = report[0]
        pair, sent, _ = measure(
            serve_jissho, (url, broker.port, "bench"), port=broker.port, rows=rows, seconds=PEER_SECONDS,
            is_json=False, window=WINDOW_MESSAGES[rows], subscribers=2,
        )  # fmt: skip
        _emptied(connection, sent)
        found = {}
        for peer in peers:
            found[peer], sent, _ = measure(
                serve_peer, (peer, url, broker.port, rows), port=broker.port, rows=rows, seconds=PEER_SECONDS,
                is_json=True, window=200,
            )  # fmt: skip
            _emptied(connection, sent)
        found["bare COPY, same transactions"] = bare_copy(url, rows, said["messages_per_commit"], SECONDS)
        connection.execute("TRUNCATE probe")
    return {
        "bench": name,
        "value": round(rate / scale),
        "unit": unit,
        "peers": {peer: round(figure / scale) for peer, figure in found.items()},
        "rows_per_s": round(rate),
        "rows_per_message": rows,
        "seconds": SECONDS,
        "two_processes": round(pair / scale),
        **said,
        "cpus": os.cpu_count(),
    }


def run() -> Iterator[dict[str, Any]]:
    """Yield `ingest_rows`, `ingest_messages`, and where a TimescaleDB is given `ingest_rows_timescale`."""
    if find_mosquitto() is None:
        print("bench ingest left out: no mosquitto (apt install mosquitto)", file=sys.stderr)
        return
    with embedded_database() as url:
        yield bench(url, "ingest_rows", 500, "rows/s", peers=list(METHODS))
        yield bench(url, "ingest_messages", 10, "messages/s", peers=["paho, one INSERT a message"])
    if server := os.environ.get("JISSHO_TEST_TIMESCALE_URL"):
        with fresh_database(server) as url:
            # A unique index on a hypertable would be its staging peer's; measured on the plain table only.
            peers = [name for name in METHODS if "staging" not in name]
            yield bench(url, "ingest_rows_timescale", 500, "rows/s", peers=peers)
    else:
        print("bench ingest_rows_timescale left out: JISSHO_TEST_TIMESCALE_URL is not set", file=sys.stderr)
