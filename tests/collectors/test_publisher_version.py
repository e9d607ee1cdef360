"""Which MQTT version the publisher tries next: only a broker that does not speak MQTT 5 makes it try 3.1.1."""

import asyncio
import contextlib
import logging

import pytest

from collectors.outbox import OutboxStatistics
from collectors.publisher import MqttConfig, Publisher

DEADLINE_S = 20
LEVEL_OF_5, LEVEL_OF_311 = 5, 4
LEVEL_AT = 2 + 6
"""Where the protocol's level stands in a CONNECT whose length takes one byte; two bytes move it by one."""


class Door:
    """An outbox without batches."""

    epoch = "e1"

    async def newest_before(self, _seq, _limit):
        return []

    async def delete(self, _ranges):
        """Nothing is stored here."""

    async def statistics(self):
        return OutboxStatistics(epoch="e1", taken=0, batches=0, bytes=0, oldest_ns=0, dropped=0)


@contextlib.asynccontextmanager
async def publishing(port):
    publisher = Publisher(
        MqttConfig(port=port), Door(), site="site-a", device="car-1", agent="test", sources=[],
        on_refused=lambda _refusal: None,
    )  # fmt: skip
    running = asyncio.create_task(publisher.run())
    yield publisher
    while not running.done():
        running.cancel()
        await asyncio.wait([running], timeout=1)


async def until(condition):
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.fixture(autouse=True)
def _hasty(monkeypatch):
    monkeypatch.setattr("collectors.publisher.LAST_RETRY_S", 0.1)
    monkeypatch.setattr("collectors.publisher.FIRST_RETRY_S", 0.1)
    monkeypatch.setattr("collectors.publisher._TRIAL_TIMEOUT_S", 0.5)


@pytest.mark.parametrize(
    ("answer", "next_level"),
    [
        pytest.param(b"\x20\x02\x00\x01", LEVEL_OF_311, id="a 3.1.1 broker says: unacceptable version"),
        pytest.param(b"\x20\x03\x00\x84\x00", LEVEL_OF_311, id="a 5 broker says: unsupported version"),
        pytest.param(b"", LEVEL_OF_311, id="it is silent, as amqtt is"),
        pytest.param(b"\x20\x03\x00\x86\x00", LEVEL_OF_5, id="bad user name or password"),
        pytest.param(b"\x20\x03\x00\x87\x00", LEVEL_OF_5, id="not authorized"),
        pytest.param(b"\x20\x03\x00\x88\x00", LEVEL_OF_5, id="server unavailable"),
    ],
)
async def test_the_answer_to_a_connect_decides_the_next_version(answer, next_level):
    """A broker of another version is tried with the other one, one that merely refuses with the same again."""
    levels, writers = [], []

    async def broker(reader, writer):
        writers.append(writer)
        head = await reader.read(100)
        levels.append(head[LEVEL_AT + (head[1] >= 128)])
        writer.write(answer)
        await writer.drain()

    server = await asyncio.start_server(broker, "127.0.0.1", 0)
    async with publishing(server.sockets[0].getsockname()[1]):
        await until(lambda: len(levels) >= 2)
    server.close()
    for writer in writers:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    assert levels[:2] == [LEVEL_OF_5, next_level]


async def test_a_broker_that_was_away_is_found_again_with_mqtt_5(broker, caplog):
    """However often the connection was refused meanwhile, before the first time and afterwards."""
    caplog.set_level(logging.INFO)
    broker.kill()
    async with publishing(broker.port) as publisher:
        await until(lambda: caplog.text.count("not reachable") >= 3)
        broker.start()
        await until(lambda: publisher.is_connected)
        broker.kill()
        await until(lambda: caplog.text.count("not reachable") >= 6)
        broker.start()
        await until(lambda: publisher.is_connected)

    assert caplog.text.count("connected (MQTT 5)") == 2
    assert "MQTT 3.1.1" not in caplog.text
