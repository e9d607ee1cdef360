"""Foreign devices over a real broker: nothing is acknowledged before it is stored, and nothing is stored twice."""

import subprocess
import sys
import uuid

import paho.mqtt.client as mqtt
import pytest

from contract.foreign import load_foreign_mappings
from ingest.foreign_service import ForeignService
from ingest.service import IngestSettings
from tests.ingest.test_foreign import count, message, profiles
from tests.ingest.test_service import wait_until


class Cpe:
    """A third party's device: publishes and knows nothing of receipts."""

    def __init__(self, port):
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def send(self, *messages, retain=False):
        for each in messages:
            self.client.publish(each.topic, each.payload, qos=1, retain=retain).wait_for_publish(20)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def cpe(broker):
    device = Cpe(broker.port)
    yield device
    device.close()


@pytest.fixture
def start(db, broker):
    """Start services on the same broker and database; all are stopped after the test."""
    running = []

    def _start(made=None, **changes):
        settings = IngestSettings(database_url=db.url, mqtt_port=broker.port, **changes)
        service = ForeignService(settings, made or profiles())
        service.start()
        running.append(service)
        assert service.subscribed.wait(20)
        return service

    yield _start
    for service in running:
        service.stop()


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_messages_become_rows_and_a_repetition_none(start, cpe, db, version):
    """What a device publishes is in the database; the same message published again is a duplicate."""
    service = start(mqtt_version=version)
    cpe.send(*(message(n) for n in range(50)))
    cpe.send(message(7))
    wait_until(lambda: service.counts.messages == 51)

    with db.connect() as connection:
        assert count(connection) == 50
    assert (service.counts.rows, service.counts.duplicates) == (50, 1)


def test_what_comes_while_ingest_is_away_waits_at_the_broker(start, cpe, db):
    """After a stop and a start everything that was published in between is there, once."""
    service = start()
    cpe.send(message(1))
    wait_until(lambda: service.counts.rows == 1)
    service.stop()
    cpe.send(message(2), message(3))
    again = start()
    wait_until(lambda: again.counts.rows == 2)

    with db.connect() as connection:
        assert count(connection) == 3


def test_what_was_not_committed_is_delivered_again(start, cpe, db, caplog):
    """While the database refuses, nothing is acknowledged; the next process gets it and stores it once."""
    with db.connect() as connection:
        connection.execute("ALTER TABLE radio RENAME TO radio_away")
        service = start()
        cpe.send(*(message(n) for n in range(5)))
        wait_until(lambda: "messages wait, trying again" in caplog.text)
        service.stop()
        assert service.counts.commits == 0
        connection.execute("ALTER TABLE radio_away RENAME TO radio")
        again = start()
        wait_until(lambda: again.counts.rows == 5)
        assert count(connection) == 5
        assert count(connection, "quarantine") == 0


def test_two_processes_that_both_get_everything_store_it_once(start, cpe, db):
    """Each counts half as duplicates, in whatever mixture."""
    one, two = start(client_id="ingest-a"), start(client_id="ingest-b")
    cpe.send(*(message(n, f"cpe-{n % 3}") for n in range(60)))
    wait_until(lambda: one.counts.messages + two.counts.messages == 120)

    assert one.counts.rows + two.counts.rows == 60
    assert one.counts.duplicates + two.counts.duplicates == 60
    with db.connect() as connection:
        assert count(connection) == 60


def test_members_of_a_group_share_the_messages_and_store_each_once(start, cpe, db):
    """No message comes to both, both get some, and a repetition is a duplicate whoever gets it."""
    one, two = start(share_group="ingest"), start(share_group="ingest")
    cpe.send(*(message(n, f"cpe-{n % 3}") for n in range(60)), *(message(n, f"cpe-{n % 3}") for n in range(5)))
    wait_until(lambda: one.counts.messages + two.counts.messages == 65)

    assert one.counts.rows > 0
    assert two.counts.rows > 0
    assert (one.counts.rows + two.counts.rows, one.counts.duplicates + two.counts.duplicates) == (60, 5)
    with db.connect() as connection:
        assert count(connection) == 60


def test_what_a_member_got_and_did_not_store_is_stored_by_its_next_start(start, cpe, db):
    """Both members stall on the database and stop: nothing was acknowledged, all of it comes again and counts once."""
    with db.connect() as connection:
        connection.execute("ALTER TABLE radio RENAME TO radio_away")
        members = [start(share_group="ingest"), start(share_group="ingest")]
        cpe.send(*(message(n) for n in range(30)))
        for member in members:
            member.stop()
        cpe.send(*(message(n) for n in range(30, 60)))
        connection.execute("ALTER TABLE radio_away RENAME TO radio")
        again = [start(share_group="ingest"), start(share_group="ingest")]
        wait_until(lambda: sum(member.counts.rows for member in again) == 60)
        assert count(connection) == 60


def test_a_group_needs_mqtt_5(db):
    """MQTT 3.1.1 has no shared subscriptions."""
    with pytest.raises(ValueError, match="needs MQTT 5"):
        ForeignService(IngestSettings(database_url=db.url, share_group="ingest", mqtt_version="3.1.1"), profiles())


PROCESS = """
import sys, threading
from ingest.foreign_service import ForeignService
from ingest.service import IngestSettings
from tests.ingest.test_foreign import profiles
settings = IngestSettings(database_url=sys.argv[1], mqtt_port=int(sys.argv[2]), share_group=sys.argv[3])
service = ForeignService(settings, profiles())
service.start()
assert service.subscribed.wait(20)
print("ready", flush=True)
threading.Event().wait()
"""


def test_a_member_that_is_killed_costs_nothing(cpe, db, broker):
    """Of two processes one dies by SIGKILL in the middle; its next start gets the rest of its part."""

    def member():
        command = [sys.executable, "-c", PROCESS, db.url, str(broker.port), group]
        running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        processes.append(running)
        assert running.stdout.readline() == "ready\n"
        return running

    processes, group = [], f"g{uuid.uuid4().hex[:8]}"
    try:
        first, _ = member(), member()
        for n in range(200):
            each = message(n)
            cpe.client.publish(each.topic, each.payload, qos=1)
            if n == 100:
                first.kill()
                first.wait(10)
        member()
        with db.connect() as connection:
            wait_until(lambda: count(connection) == 200)
            assert connection.execute("SELECT count(DISTINCT t) FROM radio").fetchone() == (200,)
    finally:
        for each in processes:
            each.kill()
            each.wait(10)
            each.stdout.close()


def test_a_broker_that_restarts_and_a_retained_message_that_comes_again(start, cpe, db, broker):
    """A retained message with its own time comes at every subscription and counts once."""
    cpe.send(message(1), retain=True)
    service = start()
    wait_until(lambda: service.counts.rows == 1)
    again = start(client_id="another")
    wait_until(lambda: again.counts.duplicates == 1)
    broker.kill()
    wait_until(lambda: not service.subscribed.is_set())
    broker.start()
    wait_until(service.subscribed.is_set)
    after = Cpe(broker.port)
    after.send(message(2))
    wait_until(lambda: service.counts.rows + again.counts.rows == 2)
    after.close()

    with db.connect() as connection:
        assert count(connection) == 2


def test_a_flood_through_the_brokers_small_window(start, cpe, db, caplog):
    """Acknowledging after COMMIT does not hold the line up: a thousand messages, all stored, some refused, no error."""
    service = start()
    for n in range(1000):
        each = message(n, rsrp=-300 if n % 100 == 0 else -90)
        cpe.client.publish(each.topic, each.payload, qos=1)
    wait_until(lambda: service.counts.rows + service.counts.refused == 1000)

    assert service.counts.refused == 10
    assert caplog.text.count("quarantined: out_of_range") == 10
    with db.connect() as connection:
        assert (count(connection), count(connection, "quarantine")) == (990, 10)


def test_the_shipped_profiles_together(start, cpe, db):
    """Three kinds of foreign devices at once, each into its streams."""
    from tests.contract.test_foreign_mapping import TESTCASES  # noqa: PLC0415 - only here

    start(load_foreign_mappings("cpe_status, telegraf, sparkplug_json"))
    for file in sorted(TESTCASES.glob("*.txt")):
        for line in file.read_text().splitlines():
            topic, _, payload = line.partition(" ")
            cpe.client.publish(topic, payload, qos=1).wait_for_publish(20)
    with db.connect() as connection:
        streams = ("radio", "position", "host", "vehicle", "metric")
        wait_until(lambda: [count(connection, each) for each in streams] == [3, 1, 3, 2, 3])
        assert count(connection, "quarantine") == 0
