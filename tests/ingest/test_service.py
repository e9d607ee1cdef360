"""The ingest service on a real broker: receipts after commit, patience with broker and database."""

import threading
import time

import msgspec
import paho.mqtt.client as mqtt
import pytest

from contract.envelope import Receipt, Status
from contract.topics import receipt_topic, status_topic
from ingest.lines import open_writer
from ingest.service import IngestService, IngestSettings
from tests.ingest.test_pipeline import message

DEADLINE_S = 20


class Device:
    """What a collector is to the broker: publishes batches and hears receipts."""

    def __init__(self, port):
        self.receipts = []
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        subscribed = threading.Event()
        self.client.on_connect = lambda client, *_: client.subscribe(receipt_topic("site-a", "car-1"), qos=1)
        self.client.on_subscribe = lambda *_: subscribed.set()
        self.client.on_message = lambda *a: self.receipts.append(msgspec.json.decode(a[2].payload, type=Receipt))
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert subscribed.wait(10)

    def send(self, *messages):
        for each in messages:
            self.client.publish(each.topic, each.payload, qos=1).wait_for_publish(10)

    def committed(self):
        return {seq for receipt in self.receipts for low, high in receipt.committed for seq in range(low, high + 1)}

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


def wait_until(condition):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def line(db, broker):
    """A running service and a device on the same broker."""
    service = IngestService(IngestSettings(database_url=db.url, mqtt_port=broker.port))
    service.start()
    assert service.subscribed.wait(10)
    device = Device(broker.port)
    yield service, device
    device.close()
    service.stop()


def test_a_receipt_comes_after_the_commit(line, db):
    """When the receipt is heard, the rows are there."""
    _, device = line
    device.send(message(1), message(2))

    wait_until(lambda: device.committed() == {1, 2})

    with db.connect() as connection:
        assert connection.execute("SELECT count(*) FROM event").fetchone() == (2,)


def test_what_is_refused_is_receipted_as_quarantined(line):
    """A batch of another contract version is answered with its reason."""
    _, device = line
    device.send(message(1, v=2))

    wait_until(lambda: device.receipts)

    assert device.receipts[0].quarantined[0].seq == 1
    assert device.receipts[0].quarantined[0].reason.startswith("unknown_version")


def test_a_database_that_goes_away_is_waited_for(line, db, caplog):
    """While its connection is cut nothing is receipted; afterwards everything is, once, with one warning a try."""
    service, device = line
    device.send(message(1))
    wait_until(lambda: device.committed() == {1})
    with db.connect() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'jissho-ingest'"
        )
        device.send(message(2))
        wait_until(lambda: device.committed() == {1, 2})
        assert connection.execute("SELECT count(*) FROM event").fetchone() == (2,)
    assert service.counts.rows == 2
    assert "trying again in 0.5 s" in caplog.text


def test_the_committing_connection_may_not_hold_its_locks_in_silence(db):
    """The ledger's row is free again after 10 s if ingest vanishes in the middle of a transaction."""
    writer = open_writer(db.url, name="jissho-ingest")
    with writer.connection as connection:
        assert connection.execute("SHOW idle_in_transaction_session_timeout").fetchone() == ("10s",)


def test_a_broker_that_restarts_is_found_again(line, broker):
    """After the broker was killed and started, the service is subscribed again by itself."""
    service, device = line
    broker.kill()
    wait_until(lambda: not service.subscribed.is_set())
    broker.start()
    wait_until(service.subscribed.is_set)

    device.close()
    again = Device(broker.port)
    again.send(message(7))
    wait_until(lambda: again.committed() == {7})
    again.close()


def test_an_unreachable_broker_is_one_line_and_no_traceback(db, caplog):
    """Starting without a broker warns once and keeps trying."""
    service = IngestService(IngestSettings(database_url=db.url, mqtt_port=1))
    service.start()
    wait_until(lambda: "127.0.0.1:1 not reachable" in caplog.text)
    service.stop()

    assert "Traceback" not in caplog.text


def test_two_services_of_a_group_share_the_work_and_the_ledger_stays_exact(db, broker):
    """Each batch, sent twice, is committed once; both services commit some; a retained life sign is heard too."""
    device = Device(broker.port)
    status = Status(state="offline", at_ns=1, epoch="e1", taken=200)
    device.client.publish(status_topic("site-a", "car-1"), msgspec.json.encode(status), qos=1, retain=True)
    pair = [
        IngestService(IngestSettings(database_url=db.url, mqtt_port=broker.port, share_group="pair")) for _ in range(2)
    ]
    for service in pair:
        service.start()
        assert service.subscribed.wait(10)

    device.send(*(message(seq) for seq in range(1, 201)), *(message(seq) for seq in range(1, 201)))
    wait_until(lambda: sum(service.counts.batches + service.counts.duplicates for service in pair) == 400)
    wait_until(lambda: device.committed() == set(range(1, 201)))
    device.close()
    for service in pair:
        service.stop()

    assert min(service.counts.batches for service in pair) > 0
    assert sum(service.counts.batches for service in pair) == 200
    assert sum(service.counts.duplicates for service in pair) == 200
    with db.connect() as connection:
        assert connection.execute("SELECT count(*), count(DISTINCT batch_id) FROM event").fetchone() == (200, 200)
        assert connection.execute("SELECT committed::text FROM ledger").fetchone() == ("{[1,201)}",)
        assert connection.execute("SELECT state FROM device_status").fetchone() == ("offline",)


def test_a_share_group_needs_mqtt_5(db):
    """MQTT 3.1.1 knows no shared subscriptions, and says so before anything connects."""
    with pytest.raises(ValueError, match="needs MQTT 5"):
        IngestService(IngestSettings(database_url=db.url, mqtt_version="3.1.1", share_group="pair"))


def test_the_next_messages_are_read_while_the_database_works(line, db):
    """While one transaction waits for a lock, what came later is ready for the next; stopping commits all of it."""
    service, device = line
    with db.connect() as blocker:
        with blocker.transaction():
            blocker.execute("LOCK TABLE event IN EXCLUSIVE MODE")
            device.send(message(1))
            wait_until(lambda: count_waiting(db) == 1)
            device.send(message(2))
            wait_until(service._prepared.full)
            device.send(message(3))
            wait_until(lambda: service._inbox.bytes == 0)
            stopping = threading.Thread(target=service.stop)
            stopping.start()
        stopping.join(DEADLINE_S)
        assert blocker.execute("SELECT count(*) FROM event").fetchone() == (3,)


def count_waiting(db):
    """Return how many sessions of the database wait for a lock."""
    with db.connect() as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        return connection.execute(query).fetchone()[0]
