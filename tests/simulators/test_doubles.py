"""The doubles on their real interfaces, met by raw TCP clients."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from contract.samples import sample_faults
from simulators.feed_double import FeedDouble
from simulators.gpsd_double import GpsdDouble
from simulators.line_server import LineServer
from simulators.vehicle_double import VehicleDouble
from simulators.world import World

PATIENCE_S = 5.0
WATCH = b'?WATCH={"enable":true,"json":true};\r\n'


@pytest.fixture(scope="module")
def series():
    return World(3, position_hz=10.0).series(600.0, 0)


class Wire:
    """A raw client that reads JSON lines."""

    def __init__(self, reader, writer):
        self._reader, self.writer = reader, writer

    @classmethod
    async def to(cls, port):
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def line(self):
        return await asyncio.wait_for(self._reader.readline(), PATIENCE_S)

    async def next(self):
        return json.loads(await self.line())

    async def until(self, stream_class):
        while (found := await self.next())["class"] != stream_class:
            pass
        return found

    async def close(self):
        self.writer.close()
        await self.writer.wait_closed()


@pytest.fixture
async def gpsd(series):
    double = GpsdDouble(series.stream("position"), speed=20.0)
    port = await double.start()
    yield port
    await double.stop()


async def test_gpsd_greets_with_its_version_and_is_silent_until_watched(gpsd):
    wire = await Wire.to(gpsd)
    banner = await wire.line()
    assert banner.endswith(b"\r\n")
    assert {"class": "VERSION", "proto_major": 3} == {
        key: value for key, value in json.loads(banner).items() if key in {"class", "proto_major"}
    }
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(wire.line(), 0.1)
    await wire.close()


async def test_gpsd_answers_watch_and_reports_fixes_in_its_units(gpsd):
    wire = await Wire.to(gpsd)
    await wire.next()
    wire.writer.write(WATCH)
    devices, watch = await wire.next(), await wire.next()
    assert ("DEVICES", "WATCH", True, True) == (devices["class"], watch["class"], watch["enable"], watch["json"])
    fix = await wire.until("TPV")
    assert fix["mode"] == 3
    assert 36.0 < fix["lat"] < 36.2
    assert 140.0 < fix["lon"] < 140.2
    assert fix["time"].endswith("Z")
    assert {"track", "speed", "eph", "epv", "alt", "altMSL", "altHAE", "ept", "device"} <= set(fix)
    sky = await wire.until("SKY")
    assert sum(each["used"] for each in sky["satellites"]) == sky["uSat"]
    assert len(sky["satellites"]) == sky["nSat"]
    times = [(await wire.until("TPV"))["time"] for _ in range(5)]
    assert sorted(times) == times
    await wire.close()


async def test_gpsd_tells_a_lost_fix_by_mode_1_without_a_position(series):
    position = series.stream("position")
    lost_at = int(position.t_ns[(position.columns["mode"] == 1).argmax()])
    double = GpsdDouble(position.shifted(time.time_ns() - lost_at))
    wire = await Wire.to(await double.start(time.time_ns() - lost_at))
    wire.writer.write(WATCH)
    fix = await wire.until("TPV")
    while fix["mode"] != 1:
        fix = await wire.until("TPV")
    assert {"class", "device", "mode", "time"} == set(fix)
    await wire.close()
    await double.stop()


@pytest.mark.parametrize(
    ("command", "answer_class"),
    [
        (b"?VERSION;", "VERSION"),
        (b"?DEVICES;\n", "DEVICES"),
        (b"?WATCH;\r\n", "WATCH"),
        (b"?POLL;", "POLL"),
        (b"?NONSENSE;", "ERROR"),
        (b"?WATCH={broken;", "ERROR"),
    ],
)
async def test_gpsd_answers_each_command(gpsd, command, answer_class):
    wire = await Wire.to(gpsd)
    await wire.next()
    wire.writer.write(command)
    assert answer_class == (await wire.next())["class"]
    await wire.close()


async def test_gpsd_stops_when_the_watch_is_disabled(gpsd):
    wire = await Wire.to(gpsd)
    wire.writer.write(WATCH)
    await wire.until("TPV")
    wire.writer.write(b'?WATCH={"enable":false};')
    assert not (await wire.until("WATCH"))["enable"] or not (await wire.until("WATCH"))["enable"]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(wire.line(), 0.1)
    await wire.close()


async def test_the_feed_says_contract_samples_to_every_client(series):
    double = FeedDouble(series.streams, speed=50.0)
    port = await double.start()
    wires = [await Wire.to(port) for _ in range(3)]
    for wire in wires:
        streams = set()
        last_ns = 0
        while not {"radio", "vehicle", "video", "event"} <= streams:
            sample = await wire.next()
            stream, t_ns, link = (sample.pop(key) for key in ("stream", "t_ns", "link"))
            assert [] == sample_faults(stream, sample)
            assert link in {"", "l5g", "lte"}
            assert t_ns >= last_ns
            last_ns = t_ns
            streams.add(stream)
        await wire.close()
    await double.stop()


async def test_lines_come_in_real_time():
    made = World(1).series(5.0, 0)
    double = FeedDouble(made.streams)
    wire = await Wire.to(await double.start())
    for _ in range(10):
        sample = await wire.next()
        assert abs(time.time_ns() - sample["t_ns"]) < 500_000_000
    await wire.close()
    await double.stop()


async def test_the_vehicle_tells_one_story_on_both_interfaces_and_writes_its_truth(tmp_path):
    async with VehicleDouble(World(5), duration_s=60.0, speed=10.0, truth_folder=tmp_path) as vehicle:
        gpsd, feed = await Wire.to(vehicle.gpsd_port), await Wire.to(vehicle.feed_port)
        gpsd.writer.write(WATCH)
        fix = await gpsd.until("TPV")
        sample = await feed.next()
        start_ns = vehicle.series.start_ns
        assert start_ns % 100_000_000 == 0
        assert abs(time.time_ns() - start_ns) < PATIENCE_S * 1e9
        assert start_ns <= sample["t_ns"] <= start_ns + 60 * 10**9
        moment = time.strptime(fix["time"][:19], "%Y-%m-%dT%H:%M:%S")
        assert moment.tm_year == time.gmtime().tm_year
        await gpsd.close()
        await feed.close()
    assert 4 == len(list(tmp_path.iterdir()))
    await vehicle.stop()


async def test_a_taken_port_is_an_error_and_leaves_nothing_open(series):
    taken = FeedDouble(series.streams)
    port = await taken.start()
    vehicle = VehicleDouble(World(5), feed_port=port, duration_s=10.0)
    with pytest.raises(OSError, match="in use"):
        await vehicle.start()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", vehicle.gpsd_port)
    await taken.stop()


async def test_a_client_that_does_not_read_is_cut_off_and_the_others_go_on():
    begin_ns = time.time_ns()
    line = b"x" * 65_535 + b"\n"
    server = LineServer(lambda: ((begin_ns + i * 2_000_000, line) for i in range(2000)))
    port = await server.start(begin_ns)
    lazy, eager = await Wire.to(port), await Wire.to(port)
    deadline = time.monotonic() + PATIENCE_S
    while len(server._clients) > 1:
        assert line == await eager.line()
        assert time.monotonic() < deadline
    assert line == await eager.line()
    await eager.close()
    lazy.writer.transport.abort()
    await server.stop()


async def test_a_timeline_that_fails_is_reported_at_the_stop():
    def broken():
        yield 0, b"one\n"
        raise LookupError("no more lines")

    server = LineServer(broken)
    await server.start(0)
    await asyncio.wait([server._player], timeout=PATIENCE_S)
    with pytest.raises(LookupError):
        await server.stop()


def test_a_speed_of_zero_is_refused():
    with pytest.raises(ValueError, match="speed"):
        LineServer(lambda: iter(()), speed=0.0)
