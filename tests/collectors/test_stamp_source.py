"""The sender over real sockets: a reflector, a relay that drops known packets, and nobody at all."""

import asyncio
import contextlib
import json
import socket
import struct
import time
import tomllib
from pathlib import Path

import msgspec
import pytest

import collectors.stamp
from collectors.stamp import session as session_module
from collectors.stamp.clocks import Reading
from collectors.stamp.config import StampConfig, split_target
from collectors.stamp.packet import UNSYNCHRONISED, ErrorEstimate
from collectors.stamp.reflector import run_reflector
from collectors.stamp.source import StampSource
from contract.samples import sample_faults

GOOD = ErrorEstimate.from_bound_us(50.0)


class Recorder:
    """Takes what a source emits, and holds it against the contract."""

    def __init__(self):
        self.samples = []

    def __call__(self, stream, t_ns, sample, *, link=None):
        assert sample_faults(stream, sample) == []
        self.samples.append((stream, t_ns, dict(sample)))

    def of(self, stream):
        return [sample for name, _, sample in self.samples if name == stream]

    def events(self, name):
        return [json.loads(sample["detail"]) for sample in self.of("event") if sample["name"] == name]


async def until(condition, within_s=10.0):
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, "waited in vain"
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def reflector(host="127.0.0.1", estimate=GOOD):
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        run_reflector(host, 0, error_estimate=lambda: estimate, on_ready=ready.set_result, stop=stop)
    )
    try:
        yield await asyncio.wait_for(ready, 5)
    finally:
        stop.set()
        await task


@contextlib.asynccontextmanager
async def measuring(port, *, host="127.0.0.1", last_seq=2**31 - 1, **config):
    recorder = Recorder()
    source = StampSource(StampConfig(target=f"{host}:{port}", seed=1, **config), last_seq=last_seq)
    task = asyncio.create_task(source.run(recorder))
    recorder.task = task
    try:
        yield recorder
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Relay(asyncio.DatagramProtocol):
    """A path of its own between sender and reflector; `up` and `down` say how many copies of packet seq go on."""

    def __init__(self, reflector_port, up, down, delay_s=0.0):
        self.target = ("127.0.0.1", reflector_port)
        self.up, self.down, self.delay_s = up, down, delay_s
        self.behind = None
        self.sender = None

    async def start(self):
        loop = asyncio.get_running_loop()
        self.front, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        relay = self

        class Behind(asyncio.DatagramProtocol):
            def datagram_received(self, data, _addr):
                (seq,) = struct.unpack_from("!I", data, 24)
                for _ in range(relay.down(seq)):
                    loop.call_later(relay.delay_s, relay.front.sendto, data, relay.sender)

        self.behind, _ = await loop.create_datagram_endpoint(Behind, local_addr=("127.0.0.1", 0))
        return self.front.get_extra_info("sockname")[1]

    def datagram_received(self, data, addr):
        self.sender = addr
        (seq,) = struct.unpack_from("!I", data)
        for _ in range(self.up(seq)):
            self.behind.sendto(data, self.target)

    def close(self):
        self.front.close()
        self.behind.close()


@contextlib.asynccontextmanager
async def relay(reflector_port, up, down, **options):
    made = Relay(reflector_port, up, down, **options)
    try:
        yield await made.start()
    finally:
        made.close()


async def test_two_seconds_at_200_pps_are_all_delivered_in_order_with_their_delays():
    async with reflector() as port, measuring(port, rate_pps=200) as recorder:
        await asyncio.sleep(2.0)
    rows = recorder.of("probe")
    # A Poisson count of mean 400 is outside 300 ... 500 once in a million plans.
    assert 300 < len(rows) < 500
    assert list(range(len(rows))) == [row["seq"] for row in rows] == [row["refl_seq"] for row in rows]
    assert {(1, 0)} == {(row["copy"], row["lost"]) for row in rows}
    assert 1 == len({row["session"] for row in rows})
    for row in rows:
        assert 0 <= row["rtt_us"] < 1_000_000
        assert row["rtt_us"] == pytest.approx(row["ul_us"] + row["dl_us"], abs=1)
    assert 5000 > sorted(row["rtt_us"] for row in rows)[len(rows) // 2]


async def test_the_session_is_announced_with_its_type_p_and_the_far_clock_told_once():
    async with reflector() as port, measuring(port, rate_pps=50, payload_bytes=200, dscp=46) as recorder:
        await until(lambda: len(recorder.of("probe")) > 5)
    (announced,) = recorder.events("probe.session")
    expected = {"payload_bytes": 200, "dscp": 46, "schedule": "poisson", "rate_pps": 50.0, "timeout_s": 15.0, "seed": 1}
    assert expected == {name: announced[name] for name in expected}
    assert announced["session"] == recorder.of("probe")[0]["session"]
    assert {"t1": "user", "t4": "kernel"} == announced["timestamping"]
    (clock,) = recorder.of("clock")
    assert ("stamp", True, f"127.0.0.1:{port}") == (clock["method"], clock["synced"], clock["reference"])
    assert GOOD.error_us == clock["bound_us"] >= 50.0


async def test_a_reflector_that_is_not_synchronised_has_no_bound():
    async with reflector(estimate=UNSYNCHRONISED) as port, measuring(port, rate_pps=50) as recorder:
        await until(lambda: recorder.of("clock"))
    assert (False, None) == (recorder.of("clock")[0]["synced"], recorder.of("clock")[0]["bound_us"])


async def test_a_path_that_drops_and_copies_known_packets_gives_exact_counts():
    lost_up, lost_down = {0, 3, 10, 11, 12, 40}, {5, 20, 21, 22, 41}

    def up(seq):
        return 0 if seq in lost_up else 1

    def down(seq):
        return 0 if seq in lost_down else 2 if seq % 10 == 8 else 1

    async with (
        reflector() as far,
        relay(far, up, down) as port,
        measuring(port, rate_pps=100, timeout_s=0.3) as recorder,
    ):
        await until(lambda: {row["seq"] for row in recorder.of("probe")} >= set(range(60)))
    rows = [row for row in recorder.of("probe") if row["seq"] < 60]
    found = {code: {row["seq"] for row in rows if row["lost"] == code} for code in (1, 2, 3)}
    # 40 and 41 are one run with a loss in each direction: counts known, packets not.
    assert {1: lost_up - {40}, 2: lost_down - {41}, 3: {40, 41}} == found
    assert {8, 18, 28, 38, 48, 58} == {row["seq"] for row in rows if row["copy"] == 2}
    assert 60 == sum(row["copy"] <= 1 for row in rows)
    assert all(row.get("rtt_us") is None for row in rows if row["lost"])


async def test_at_the_end_packets_under_way_are_pending_and_in_no_row(monkeypatch):
    monkeypatch.setattr(session_module, "DRAIN_S", 0.5)
    async with (
        reflector() as far,
        relay(far, lambda seq: int(seq < 10), lambda _: 1) as port,
        measuring(port, rate_pps=100, timeout_s=30.0) as recorder,
    ):
        await until(lambda: len(recorder.of("probe")) == 10)
        await asyncio.sleep(0.2)
    rows = recorder.of("probe")
    (pending,) = recorder.events("probe.pending")
    assert list(range(10)) == [row["seq"] for row in rows]
    assert 10 == pending["first_seq"]
    assert pending["packets"] == pending["last_seq"] - 9 > 0


async def test_at_the_end_what_the_timeout_decides_is_waited_for():
    """A packet lost just before the end is lost, not missing: everything sent has a row."""
    async with (
        reflector() as far,
        relay(far, lambda seq: int(seq < 10), lambda _: 1) as port,
        measuring(port, rate_pps=100, timeout_s=1.5) as recorder,
    ):
        await until(lambda: len(recorder.of("probe")) == 10)
        await asyncio.sleep(0.2)
        assert not any(row["lost"] for row in recorder.of("probe"))
    rows = recorder.of("probe")
    assert [] == recorder.events("probe.pending")
    assert list(range(len(rows))) == sorted(row["seq"] for row in rows)
    assert len([row for row in rows if row["lost"]]) == len(rows) - 10 > 0


async def test_being_stopped_again_does_not_shorten_the_end():
    """An agent cancels a source every second until it has ended."""
    recorder = Recorder()
    async with reflector() as far, relay(far, lambda seq: int(seq < 10), lambda _: 1) as port:
        config = msgspec.convert(
            {"link": "l5g", "target": f"127.0.0.1:{port}", "rate_pps": 100, "timeout_s": 1.0}, StampConfig
        )
        task = asyncio.create_task(StampSource(config).run(recorder))
        await until(lambda: len(recorder.of("probe")) == 10)
        while not task.done():
            task.cancel()
            await asyncio.sleep(0.2)
    assert task.cancelled()
    rows = recorder.of("probe")
    assert [] == recorder.events("probe.pending")
    assert list(range(len(rows))) == sorted(row["seq"] for row in rows)


async def test_at_the_end_answers_on_their_way_are_waited_for():
    async with reflector() as far, relay(far, lambda _: 1, lambda _: 1, delay_s=0.4) as port:
        async with measuring(port, rate_pps=100) as recorder:
            await until(lambda: len(recorder.of("probe")) > 20)
            before = len(recorder.of("probe"))
        assert len(recorder.of("probe")) > before + 10
        assert [] == recorder.events("probe.pending")


async def test_answers_after_the_timeout_are_counted_and_have_no_second_row():
    async with (
        reflector() as far,
        relay(far, lambda _: 1, lambda _: 1, delay_s=0.3) as port,
        measuring(port, rate_pps=50, timeout_s=0.1) as recorder,
    ):
        await until(lambda: len(recorder.of("probe")) > 30)
    assert {0} == {row["copy"] for row in recorder.of("probe")}
    late = recorder.events("probe.late")
    assert sum(event["count"] for event in late) > 5
    assert 300 <= late[0]["last_after_ms"] < 2000
    assert len(late) <= 2


async def test_nobody_at_the_far_end_is_lost_with_unknown_direction():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        async with measuring(held.getsockname()[1], rate_pps=100, timeout_s=0.1) as recorder:
            await until(lambda: len(recorder.of("probe")) > 20)
    assert {(0, 3)} == {(row["copy"], row["lost"]) for row in recorder.of("probe")}


async def test_what_cannot_be_sent_is_lost_on_the_way_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        # Without SO_BROADCAST Linux refuses every packet to a broadcast address (EACCES), as it does without a route.
        async with measuring(held.getsockname()[1], host="255.255.255.255", rate_pps=100) as recorder:
            await until(lambda: len(recorder.of("probe")) > 10)
    assert {(0, 1)} == {(row["copy"], row["lost"]) for row in recorder.of("probe")}
    assert "EACCES" == recorder.events("probe.refused")[0]["errno"]
    assert [] == recorder.events("probe.pending")


async def test_a_new_session_begins_when_the_numbers_are_used_up():
    async with reflector() as port, measuring(port, rate_pps=200, last_seq=19) as recorder:
        await until(lambda: len(recorder.of("probe")) >= 60)
    sessions = [event["session"] for event in recorder.events("probe.session")]
    assert len(set(sessions)) == len(sessions) >= 3
    for session in sessions[:2]:
        seqs = [row["seq"] for row in recorder.of("probe") if row["session"] == session]
        assert list(range(20)) == seqs


async def test_a_step_of_the_wall_clock_is_told_and_leaves_the_round_trip(monkeypatch):
    async with (
        reflector() as far,
        relay(far, lambda _: 1, lambda _: 1, delay_s=0.2) as port,
        measuring(port, rate_pps=100) as recorder,
    ):
        await until(lambda: len(recorder.of("probe")) > 20)
        real_read, real_receive = session_module.read_clocks, session_module.StampedSocket.receive
        hour = 3600 * 10**9

        def stepped_read():
            now = real_read()
            return Reading(now.wall_ns + hour, now.mono_ns)

        def stepped_receive(stamped):
            arrival = real_receive(stamped)
            return arrival and arrival._replace(wall_ns=arrival.wall_ns + hour)

        monkeypatch.setattr(session_module, "read_clocks", stepped_read)
        monkeypatch.setattr(session_module.StampedSocket, "receive", stepped_receive)
        before = len(recorder.of("probe"))
        await until(lambda: len(recorder.of("probe")) > before + 10)
        rows = recorder.of("probe")[before : before + 10]
    assert {(None, None)} == {(row["ul_us"], row["dl_us"]) for row in rows}
    assert all(150_000 < row["rtt_us"] < 2_000_000 for row in rows)
    (step,) = recorder.events("clock.step")
    assert 3_600_000 == pytest.approx(step["step_ms"], abs=1)


async def test_a_blocked_event_loop_is_in_no_delay():
    async with reflector() as port, measuring(port, rate_pps=100, schedule="periodic", timeout_s=0.2) as recorder:
        await until(lambda: len(recorder.of("probe")) > 10)
        before = len(recorder.of("probe"))
        time.sleep(0.5)  # noqa: ASYNC251 - the loop is to be blocked, and the reflector with it
        await until(lambda: len(recorder.of("probe")) > before + 60)
    # Sending went on meanwhile. T2 and T4 are the kernel's, so half a second of standing still is in neither delay.
    for column in ("ul_us", "dl_us"):
        delays_us = sorted(row[column] for row in recorder.of("probe") if not row["lost"])
        # Not the largest: another program may hold the processor between a stamp and its sending.
        assert delays_us[len(delays_us) * 9 // 10] < 50_000


async def test_ipv6_and_a_chosen_interface_and_address():
    try:
        async with (
            reflector("::1") as port,
            measuring(port, host="[::1]", rate_pps=100, bind_interface="lo", bind_address="::1") as recorder,
        ):
            await until(lambda: len(recorder.of("probe")) > 5 or recorder.task.done())
    except OSError as error:
        pytest.skip(f"this machine has no IPv6: {error}")
    if (
        recorder.task.done()
        and not recorder.task.cancelled()
        and isinstance(recorder.task.exception(), PermissionError)
    ):
        pytest.skip("binding to an interface is not permitted here")
    assert {0} == {row["lost"] for row in recorder.of("probe")}


@pytest.mark.parametrize(
    "options",
    [{"bind_interface": "no-such-if0"}, {"bind_address": "192.0.2.77"}],
    ids=["interface", "address"],
)
async def test_what_is_not_there_is_an_oserror(options):
    with pytest.raises(OSError):  # noqa: PT011 - the message is the system's
        await StampSource(StampConfig(target="127.0.0.1:862", **options)).run(Recorder())


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("far.example", ("far.example", 862)),
        ("far.example:9000", ("far.example", 9000)),
        ("[2001:db8::1]:9000", ("2001:db8::1", 9000)),
        ("[::1]", ("::1", 862)),
        ("2001:db8::1", ("2001:db8::1", 862)),
    ],
)
def test_targets(target, expected):
    assert expected == split_target(target)


@pytest.mark.parametrize(
    "wrong",
    [
        {"target": ""},
        {"target": "far:0"},
        {"target": "far:x"},
        {"target": "far:70000"},
        {"target": "far", "rate_pps": 1001},
        {"target": "far", "rate_pps": 0.5},
        {"target": "far", "payload_bytes": 45},
        {"target": "far", "payload_bytes": 1473},
        {"target": "far", "dscp": 64},
        {"target": "far", "timeout_s": 0},
        {"target": "far", "link": "Not A Name"},
        {"target": "far", "rate": 10},
    ],
)
def test_what_cannot_be_measured_with_is_refused(wrong):
    with pytest.raises(ValueError):  # noqa: PT011 - msgspec words it
        msgspec.convert({"kind": "stamp", **wrong}, StampConfig)


def test_the_values_in_comments_of_the_sample_are_the_defaults():
    sample = (Path(collectors.stamp.__file__).parent / "sample.toml").read_text()
    plain = tomllib.loads(sample)["source"][0]
    full = tomllib.loads(sample.replace("\n# ", "\n"))["source"][0]
    assert msgspec.convert(plain, StampConfig) == msgspec.convert(full, StampConfig)
    assert {"link", "ssid", "seed"} == set(StampConfig.__struct_fields__) - set(full) | {"link"}
