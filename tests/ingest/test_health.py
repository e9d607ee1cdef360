"""Ingest's own health, as Prometheus reads it and as rows in the database."""

import time
import urllib.request

import pytest

from ingest.counts import IngestCounts
from ingest.health import ROWS, IngestHealth, rates
from ingest.pipeline import Message, process
from ingest.service import IngestService, IngestSettings
from tests.fix_broker import free_port
from tests.ingest.test_pipeline import message


def sample(health, name, **labels):
    return health.registry.get_sample_value(f"jissho_ingest_{name}", labels)


def test_each_transaction_is_counted(db):
    """Messages, rows, duplicates, quarantine, time, lag, and when the device was last seen."""
    health, writer = IngestHealth(), db.writer()
    first = process(writer, [message(1), message(2), Message("jissho/1/site-a/car-1/event", b"rubbish", 1)])
    health.committed(first, 3, 0.25)
    health.committed(process(writer, [message(2)]), 1, 0.05)

    assert (sample(health, "messages_total"), sample(health, "rows_total"), sample(health, "batches_total")) == (
        4,
        2,
        2,
    )
    assert (sample(health, "duplicates_total"), sample(health, "quarantined_total")) == (1, 1)
    assert (sample(health, "commit_seconds_count"), sample(health, "commit_seconds_sum")) == (2, 0.3)
    assert sample(health, "lag_seconds_count") == 2
    assert health.counts == IngestCounts(
        messages=4, batches=2, rows=2, duplicates=1, refused=1, commits=2, commit_s=0.3
    )
    assert sample(health, "device_last_seen_seconds", site="site-a", device="car-1") == pytest.approx(
        time.time(), abs=60
    )


def test_rates_are_of_the_time_since_the_last_report():
    """Fifty messages and a thousand rows more in ten seconds, in two commits of 30 ms."""
    before = IngestCounts(messages=10, rows=100, commits=3, commit_s=1.0, refused=1, duplicates=0)
    now = IngestCounts(messages=60, rows=1100, commits=5, commit_s=1.06, refused=2, duplicates=4)
    found = rates(before, now, 10.0, lag_s=0.4, queue_bytes=7.0)
    assert list(found) == list(ROWS)
    assert [round(value, 9) for value in found.values()] == [5.0, 100.0, 30.0, 0.4, 7.0, 2.0, 4.0]


def test_a_running_ingest_tells_of_itself(db, broker):
    """Prometheus gets text over HTTP, and the database a row of each name, under a site that no run counts."""
    port = free_port()
    service = IngestService(
        IngestSettings(database_url=db.url, mqtt_port=broker.port, metrics_port=port, report_every_s=0.1)
    )
    service.start()
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        assert "jissho_ingest_commit_seconds_bucket" in text
        deadline = time.monotonic() + 20
        with db.connect() as connection:
            names = set()
            while names != set(ROWS) and time.monotonic() < deadline:
                time.sleep(0.05)
                names = {row[0] for row in connection.execute("SELECT DISTINCT name FROM metric")}
            sites = connection.execute("SELECT DISTINCT site FROM link_name").fetchall()
        assert names == set(ROWS)
        assert sites == [("server",)]
    finally:
        service.stop()
