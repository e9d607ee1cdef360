"""Retention policies are applied while ingest runs."""

import time
from datetime import timedelta

from ingest.service import IngestService, IngestSettings
from ingest.upkeep import Upkeep
from storage.retention_policy import list_policies, set_policy
from tests.storage.test_retention import on_day

DEADLINE_S = 30


def wait_until(condition):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def count(connection):
    return connection.execute("SELECT count(*) FROM probe").fetchone()[0]


def test_the_service_applies_a_policy(db):
    """With or without a broker; the log says by which cause."""
    writer = db.writer()
    writer.commit([on_day(-3000, 1), on_day(9000, 2)])
    set_policy(writer.connection, "", timedelta(days=365))
    service = IngestService(IngestSettings(database_url=db.url, mqtt_port=1))
    service.start()
    try:
        wait_until(lambda: list_policies(writer.connection)[0].applied_at is not None)
    finally:
        service.stop()

    assert count(writer.connection) == 10
    assert writer.connection.execute("SELECT cause, rows FROM retention_log").fetchall() == [("policy", 10)]


def test_a_policy_set_later_is_seen_and_a_fault_does_not_end_the_watch(db, caplog):
    """A database that refuses is spoken of, and tried again."""
    writer = db.writer()
    writer.commit([on_day(-3000, 1)])
    writer.connection.execute("ALTER TABLE retention_policy RENAME TO away")
    upkeep = Upkeep(db.url, check_every_s=0.1)
    upkeep.start()
    try:
        wait_until(lambda: "retention_policy" in caplog.text)
        writer.connection.execute("ALTER TABLE away RENAME TO retention_policy")
        set_policy(writer.connection, "probe", timedelta(days=365))
        wait_until(lambda: count(writer.connection) == 0)
    finally:
        upkeep.stop()


def test_stopping_does_not_wait_for_a_deletion(db, caplog):
    """A deletion that is held up is broken off, and nothing of it is half done."""
    writer = db.writer()
    writer.commit([on_day(-3000, 1)])
    set_policy(writer.connection, "", timedelta(days=365))
    blocker = db.connect()
    with blocker.transaction():
        blocker.execute("LOCK TABLE batch IN ACCESS EXCLUSIVE MODE")
        upkeep = Upkeep(db.url)
        upkeep.start()
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'jissho-upkeep'"
            " AND wait_event_type = 'Lock' AND datname = current_database()"
        )
        wait_until(lambda: writer.connection.execute(waiting).fetchone() == (1,))
        started = time.monotonic()
        upkeep.stop()
        assert time.monotonic() - started < 8

    assert count(writer.connection) == 10
    assert list_policies(writer.connection)[0].applied_at is None
    assert "retention" not in caplog.text


def test_a_database_that_is_away_is_left_to_the_committing_thread_to_speak_of(caplog):
    """One fault is logged once, not by each thread."""
    upkeep = Upkeep("postgresql://nobody@127.0.0.1:1/none", check_every_s=0.01)
    upkeep.start()
    upkeep.stop()

    assert caplog.text == ""
