"""The agent on a real broker: nothing is deleted before its receipt, live data go first, and nothing ends it."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing

import msgspec
import paho.mqtt.client as mqtt
import pytest

from collectors.agent import Agent
from collectors.config import CollectConfig, OutboxConfig
from collectors.outbox import NewBatch, Outbox, OutboxError, OutboxStatistics
from collectors.publisher import MqttConfig, Publisher
from collectors.source import SourceConfig, SourceKind
from contract.codec import decode_batch
from contract.envelope import MAX_PAYLOAD_BYTES, Receipt, Refusal, Status
from contract.topics import receipt_topic, status_topic

DEADLINE_S = 20


class Server:
    """Stands in for ingest: hears batches and answers with receipts when told to."""

    def __init__(self, port):
        self.batches, self.statuses, self.sizes = [], [], [0]
        self.answers = True
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self.client.on_connect = lambda client, *_: client.subscribe("jissho/#", qos=1)
        self.ready = threading.Event()
        self.client.on_subscribe = lambda *_: self.ready.set()
        self.client.on_message = self._heard
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert self.ready.wait(10)

    def _heard(self, _client, _data, message):
        kind = message.topic.rsplit("/", 1)[1]
        if kind == "status":
            self.statuses.append(msgspec.json.decode(message.payload, type=Status))
        elif kind != "receipt":
            batch = decode_batch(message.payload)
            self.sizes.append(len(message.payload))
            self.batches.append((time.monotonic(), batch))
            if self.answers:
                self.receipt(batch.epoch, committed=[(batch.seq, batch.seq)])

    def receipt(self, epoch, **fields):
        payload = msgspec.json.encode(Receipt(epoch=epoch, **fields))
        self.client.publish(receipt_topic("site-a", "car-1"), payload, qos=1)

    def seqs(self):
        return [batch.seq for _, batch in self.batches]

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def server(broker):
    """The other end."""
    running = Server(broker.port)
    yield running
    running.close()


class TestSourceConfig(SourceConfig, frozen=True, kw_only=True, tag="for-tests"):
    """A source that runs what a test gives it."""

    __test__ = False


@pytest.fixture
def agent(broker, tmp_path, monkeypatch):
    """Return a function that makes an agent around a coroutine function `measure(emit)`."""
    made = []

    def make(measure=None, *, port=None, **mqtt_changes):
        async def idle(_emit):
            await asyncio.Event().wait()

        class Source:
            async def run(self, emit):
                await (measure or idle)(emit)

        kind = SourceKind("for-tests", 1, ("metric",), TestSourceConfig, lambda _config: Source())
        monkeypatch.setattr("collectors.agent.kind_of", lambda _config: kind)
        made.append(
            Agent(CollectConfig(
                site="site-a", device="car-1", max_age_s=0.05, drain_s=5.0, source=(TestSourceConfig(link="l5g"),),
                mqtt=MqttConfig(port=port or broker.port, **{"receipt_timeout_s": 1.0, **mqtt_changes}),
                outbox=OutboxConfig(path=str(tmp_path / "outbox.sqlite")),
            ))
        )  # fmt: skip
        return made[-1]

    return make


async def until(condition):
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.02)


def waiting(tmp_path):
    with closing(sqlite3.connect(tmp_path / "outbox.sqlite")) as outbox:
        return outbox.execute("SELECT count(*) FROM batch").fetchone()[0]


def numbers_in(tmp_path):
    with closing(sqlite3.connect(tmp_path / "outbox.sqlite")) as outbox:
        return {seq for (seq,) in outbox.execute("SELECT seq FROM batch")}


def metric(emit, value):
    emit("metric", time.time_ns(), {"name": "x", "value": float(value), "unit": "1"})


async def numbers(emit):
    for number in range(1, 10**6):
        metric(emit, number)
        await asyncio.sleep(0.02)


async def test_a_batch_is_deleted_only_after_its_receipt(agent, server, tmp_path):
    """Without receipts everything is sent, sent again, and kept; with them the outbox empties."""
    server.answers = False
    stop = asyncio.Event()
    running = asyncio.create_task(agent(numbers).run(stop))
    await until(lambda: max(Counter(server.seqs()).values(), default=0) >= 2)
    assert waiting(tmp_path) == len(set(server.seqs()) | set(range(1, waiting(tmp_path) + 1)))
    server.answers = True
    stop.set()
    await running

    assert waiting(tmp_path) == 0
    assert sorted(set(server.seqs())) == list(range(1, max(server.seqs()) + 1))


async def test_a_broker_that_dies_costs_nothing(agent, server, broker, tmp_path, caplog):
    """Killed and started again in the middle: every batch arrives, each state change is one line."""
    stop = asyncio.Event()
    running = asyncio.create_task(agent(numbers).run(stop))
    await until(lambda: len(server.batches) >= 3)
    broker.kill()
    await asyncio.sleep(0.5)
    before = waiting(tmp_path)
    broker.start()
    await until(lambda: max(server.seqs()) > 3 + before)
    stop.set()
    await running

    assert waiting(tmp_path) == 0
    assert set(server.seqs()) == set(range(1, max(server.seqs()) + 1))
    assert "not reachable" in caplog.text
    assert "Traceback" not in caplog.text


async def test_a_receipt_for_what_was_never_sent_deletes_nothing(agent, server, tmp_path):
    """It is for a copy of this outbox on another computer: what waits here was committed by nobody."""
    server.answers = False
    stop = asyncio.Event()
    collector = agent(numbers, window=4)
    running = asyncio.create_task(collector.run(stop))
    await until(lambda: collector._file.taken > 30 and 1 in server.seqs())
    assert max(server.seqs()) <= 20
    server.receipt(collector._outbox.epoch, committed=[(21, 25)], quarantined=[Refusal(seq=26, reason="test")])
    server.receipt(collector._outbox.epoch, committed=[(1, 1)])
    await until(lambda: 1 not in numbers_in(tmp_path))

    assert set(range(2, 31)) <= numbers_in(tmp_path)
    server.answers = True
    stop.set()
    await running
    assert waiting(tmp_path) == 0
    told = [name for _, batch in server.batches if batch.stream == "event" for name in batch.columns["name"]]
    assert "batch.quarantined" not in told


async def test_what_the_quota_costs_is_logged_once_a_minute_and_told_in_full(agent, server, broker, tmp_path, caplog):
    """A small outbox overflows for seconds without a broker: a line at once, one at the stop, and every number told."""
    collector = agent(numbers)
    collector._file.max_bytes = 3_000
    broker.kill()
    stop = asyncio.Event()
    running = asyncio.create_task(collector.run(stop))
    began_s = time.monotonic()
    await until(lambda: collector._file.statistics().dropped > 15 and time.monotonic() - began_s > 2.5)
    assert caplog.text.count("dropped so far") == 1
    broker.start()
    await until(lambda: collector.publisher.is_connected)
    stop.set()
    await running

    events = [batch.columns for _, batch in server.batches if batch.stream == "event"]
    told = [
        tuple(each)
        for columns in events
        for name, detail in zip(columns["name"], columns["detail"], strict=True)
        if name == "outbox.dropped"
        for each in json.loads(detail)["ranges"]
    ]
    with closing(sqlite3.connect(tmp_path / "outbox.sqlite")) as outbox:
        dropped = outbox.execute("SELECT first_seq, last_seq FROM dropped ORDER BY 1").fetchall()
        total = outbox.execute("SELECT sum(batches) FROM dropped").fetchone()[0]
    assert set(dropped) <= set(told)
    assert caplog.text.count("dropped so far") <= 2
    assert f"{total} batches dropped so far" in caplog.text


async def test_a_report_that_cannot_be_stored_does_not_store_the_samples_twice(agent, server, tmp_path, monkeypatch):
    """The disk fills between a batch and the report of what the quota dropped: the report is owed, the batch is in."""
    collector = agent(numbers)
    collector._file.max_bytes = 3_000
    append, refused, values = collector._file.append, [], []

    def full_for_reports(batches, *, reporting=()):
        if reporting and len(refused) < 2:
            refused.append(reporting)
            raise OutboxError("outbox cannot be written: disk full")
        stored = append(batches, reporting=reporting)
        values.extend(value for batch in batches if batch.stream == "metric" for value in batch.columns["value"])
        return stored

    monkeypatch.setattr(collector._file, "append", full_for_reports)
    server.answers = False
    stop = asyncio.Event()
    running = asyncio.create_task(collector.run(stop))
    await until(lambda: len(refused) == 2 and not collector._file.unreported())
    server.answers = True
    stop.set()
    await running

    assert values == sorted(set(values))
    assert len(values) > 20


async def test_hundreds_of_damaged_records_are_told_in_reports_that_the_contract_allows(agent, server, tmp_path):
    """Every second of 1,200 batches is damaged: the others arrive, all numbers are named, no message is too large."""
    outbox = Outbox(tmp_path / "outbox.sqlite", site="site-a", device="car-1")
    old = {"t": [0], "name": ["old"], "value": [0.0], "unit": ["1"]}
    outbox.append([NewBatch("metric", "l5g", "t/1", 1, 0, old) for _ in range(1200)])
    outbox.close()
    with closing(sqlite3.connect(outbox.path, isolation_level=None)) as db:
        db.execute("UPDATE batch SET payload = x'00' WHERE seq % 2 = 0")
    stop = asyncio.Event()
    running = asyncio.create_task(agent(backlog_batches_per_s=2000.0).run(stop))
    await until(lambda: set(range(1, 1201, 2)) <= set(server.seqs()))
    stop.set()
    await running

    assert waiting(tmp_path) == 0
    events = [batch for _, batch in server.batches if batch.stream == "event"]
    assert max(server.sizes) < MAX_PAYLOAD_BYTES / 2
    details = [
        json.loads(detail)
        for batch in events
        for name, detail in zip(batch.columns["name"], batch.columns["detail"], strict=True)
        if name == "outbox.dropped"
    ]
    assert {each["first_seq"] for each in details} == set(range(2, 1201, 2))


async def test_a_damaged_record_is_never_sent_and_its_number_is_told(agent, server, tmp_path, caplog):
    """A bit flips in a waiting batch: the others arrive, an event names it, and nothing is sent for ever."""
    outbox = Outbox(tmp_path / "outbox.sqlite", site="site-a", device="car-1")
    values = [{"t": [0], "name": ["old"], "value": [float(n)], "unit": ["1"]} for n in range(60)]
    outbox.append([NewBatch("metric", "l5g", "t/1", 1, 0, each) for each in values])
    outbox.close()
    with closing(sqlite3.connect(outbox.path, isolation_level=None)) as db:
        (payload,) = db.execute("SELECT payload FROM batch WHERE seq = 20").fetchone()
        # Still a readable batch, but of another device's outbox: no receipt could name it here.
        db.execute("UPDATE batch SET payload = ? WHERE seq = 20", (payload.replace(b"car-1", b"car-3"),))
    stop = asyncio.Event()
    running = asyncio.create_task(agent().run(stop))
    await until(lambda: set(range(1, 61)) - {20} <= set(server.seqs()))
    stop.set()
    await running

    assert waiting(tmp_path) == 0
    assert 20 not in server.seqs()
    assert "1 batches are not as they were written" in caplog.text
    events = [batch.columns for _, batch in server.batches if batch.stream == "event"]
    details = [json.loads(each["detail"][0]) for each in events if each["name"] == ["outbox.dropped"]]
    assert details == [{"first_seq": 20, "last_seq": 20, "batches": 1, "reason": "damaged", "ranges": [[20, 20]]}]


async def test_what_cannot_be_deleted_now_is_deleted_later(agent, server, tmp_path, monkeypatch, caplog):
    """A full disk when receipts come: one line, the connection stays, and the batches go once there is room."""
    monkeypatch.setattr("collectors.publisher._DELETE_AGAIN_S", 0.2)
    server.answers = False
    stop = asyncio.Event()
    collector = agent(numbers)
    running = asyncio.create_task(collector.run(stop))
    await until(lambda: server.batches)
    delete, failures = collector._file.delete, []

    def fails_twice(ranges):
        failures.append(ranges)
        if len(failures) < 3:
            raise OutboxError("outbox cannot be written: disk full")
        return delete(ranges)

    monkeypatch.setattr(collector._file, "delete", fails_twice)
    server.receipt(collector._outbox.epoch, committed=[(1, 1)])
    await until(lambda: len(failures) >= 3)
    server.answers = True
    stop.set()
    await running

    assert waiting(tmp_path) == 0
    assert "deleting what was delivered waits" in caplog.text
    assert "Traceback" not in caplog.text


async def test_live_data_overtake_the_backlog(agent, server, tmp_path):
    """With 2,000 batches waiting, what is measured now arrives long before the backlog is through."""
    outbox = Outbox(tmp_path / "outbox.sqlite", site="site-a", device="car-1")
    old = {"t": [0], "name": ["old"], "value": [0.0], "unit": ["1"]}
    outbox.append([NewBatch("metric", "l5g", "t/1", 1, 0, old) for _ in range(2000)])
    outbox.close()

    async def measure(emit):
        await asyncio.sleep(1.0)
        await numbers(emit)

    stop = asyncio.Event()
    running = asyncio.create_task(agent(measure, backlog_batches_per_s=200.0).run(stop))
    await until(lambda: sum(seq > 2001 for seq in server.seqs()) >= 20)
    drained = sum(seq <= 2000 for seq in server.seqs())
    stop.set()
    await running

    first_live = next(index for index, seq in enumerate(server.seqs()) if seq > 2001)
    assert drained < 2000
    assert first_live < 600
    assert next(seq for seq in server.seqs() if seq <= 2000) == 2000, "the backlog begins with the newest"


@pytest.mark.parametrize("turns", range(5))
async def test_the_publisher_can_be_cancelled_at_any_moment(broker, tmp_path, turns):
    """Also in the very turn of the event loop in which new batches wake it: Python 3.11's wait_for would go on."""

    class Door:
        epoch = "e1"

        async def newest_before(self, _seq, _limit):
            return []

        async def delete(self, _ranges):
            """Nothing is stored here."""

        async def statistics(self):
            return OutboxStatistics(epoch="e1", taken=0, batches=0, bytes=0, oldest_ns=0, dropped=0)

    publisher = Publisher(
        MqttConfig(port=broker.port), Door(), site="site-a", device="car-1", agent="test", sources=[],
        on_refused=lambda _refusal: None,
    )  # fmt: skip
    running = asyncio.create_task(publisher.run())
    await until(lambda: publisher.is_connected)
    await asyncio.sleep(0.1)
    publisher.offer([])
    for _ in range(turns):
        await asyncio.sleep(0)
    running.cancel()
    done, _ = await asyncio.wait([running], timeout=3)
    assert done == {running}
    assert running.cancelled()


async def test_a_quarantined_batch_is_let_go_and_reported(agent, server, tmp_path):
    """The server keeps the bytes: the outbox deletes the batch and an event says which and why."""
    server.answers = False

    async def once(emit):
        metric(emit, 1)
        await asyncio.Event().wait()

    stop = asyncio.Event()
    running = asyncio.create_task(agent(once).run(stop))
    await until(lambda: len(set(server.seqs())) >= 1)
    epoch = server.batches[0][1].epoch
    server.receipt(epoch, quarantined=[Refusal(seq=1, reason="out_of_range: test")])
    server.answers = True

    def reported():
        names = [batch.columns["name"] for _, batch in server.batches if batch.stream == "event"]
        return ["batch.quarantined"] in names

    await until(reported)
    stop.set()
    await running
    assert waiting(tmp_path) == 0


async def test_sources_that_fail_are_started_again(agent, server, monkeypatch):
    """An OSError and a fault of the source are events with growing pauses; neither ends the agent."""
    monkeypatch.setattr("collectors.agent.FIRST_RESTART_S", 0.05)
    tries = []

    async def failing(emit):
        tries.append(1)
        if len(tries) == 1:
            raise OSError("no device")
        if len(tries) == 2:
            raise ValueError("a fault")
        metric(emit, len(tries))
        await asyncio.Event().wait()

    stop = asyncio.Event()
    running = asyncio.create_task(agent(failing).run(stop))
    await until(lambda: any(batch.stream == "metric" for _, batch in server.batches))
    stop.set()
    await running

    events = [batch.columns for _, batch in server.batches if batch.stream == "event"]
    found = [(name, detail) for each in events for name, detail in zip(each["name"], each["detail"], strict=True)]
    failures = [json.loads(detail) for name, detail in found if name == "source.failed"]
    assert len(failures) == 2
    assert "traceback" not in failures[0]
    assert "ValueError" in failures[1]["traceback"]


async def test_an_unreachable_broker_is_a_warning_and_the_data_wait(agent, tmp_path, caplog):
    """Without a broker the agent measures on, says so in one line a try, and keeps everything."""
    stop = asyncio.Event()
    running = asyncio.create_task(agent(numbers, port=1).run(stop))
    await until(lambda: caplog.text.count("broker 127.0.0.1:1 not reachable") >= 2)
    stop.set()
    await running

    assert waiting(tmp_path) > 0
    assert "Traceback" not in caplog.text
    assert "trying again in 0.5 s" in caplog.text
    assert "trying again in 1.0 s" in caplog.text


async def test_birth_and_death_are_retained(agent, server):
    """Online with what was taken, offline at an orderly stop; a late listener finds the last word."""
    stop = asyncio.Event()
    running = asyncio.create_task(agent(numbers).run(stop))
    await until(lambda: server.statuses)
    stop.set()
    await running
    await until(lambda: server.statuses[-1].state == "offline")

    assert server.statuses[0].state == "online"
    assert server.statuses[-1].pending == 0
    assert server.statuses[-1].taken == max(server.seqs())
    assert status_topic("site-a", "car-1").endswith("/status")


async def test_a_killed_agent_leaves_its_will(server, broker, tmp_path):
    """After SIGKILL the broker says "lost" in the agent's name."""
    config = tmp_path / "collect.toml"
    config.write_text(
        f'site = "site-a"\ndevice = "car-1"\n[mqtt]\nport = {broker.port}\n[outbox]\npath = "{tmp_path}/o.sqlite"\n'
        '[[source]]\nkind = "host"\ninterval_s = 0.2\n',
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "jissho", "collect", "--config", str(config)]
    with subprocess.Popen(command, env=os.environ, stderr=subprocess.DEVNULL) as process:  # noqa: ASYNC220 - to be killed
        await until(lambda: len(server.batches) > 2)
        process.send_signal(signal.SIGKILL)
    await until(lambda: server.statuses[-1].state == "lost")
