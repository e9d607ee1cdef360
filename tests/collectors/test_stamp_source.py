"""The session-sender on real sockets: what the network did to each packet is what the rows say."""

import asyncio
import contextlib
import json
import math
import random
import socket
import statistics
import time
from itertools import islice, pairwise

import pytest
from scipy import stats

from collectors.stamp.packet import Answer, ErrorEstimate, to_ntp
from collectors.stamp.reflector import run_reflector
from collectors.stamp.schedule import periodic, poisson
from collectors.stamp.sending import SKIP_LATE_S, SendingThread, SentPacket
from collectors.stamp.source import KIND, StampConfig, delays, parse_target
from contract.samples import sample_faults

GOOD = ErrorEstimate.from_bound_us(50.0)
DEADLINE_S = 20.0


class Emitted:
    """An emit that keeps everything, and refuses what the agent would refuse."""

    def __init__(self):
        self.probes, self.clocks, self.events = [], [], []

    def __call__(self, stream, t_ns, sample, *, link=None):
        assert [] == sample_faults(stream, sample)
        assert link is None, "the configured link stands"
        kept = {"probe": self.probes, "clock": self.clocks, "event": self.events}[stream]
        kept.append({"t_ns": t_ns, **sample})

    def event(self, name):
        return [json.loads(event["detail"]) for event in self.events if event["name"] == name]

    @property
    def packets(self):
        """Rows of the packets sent, in the order of sending."""
        return sorted((row for row in self.probes if row["copy"] <= 1), key=lambda row: row["seq"])


async def until(condition):
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s, "the deadline passed"
        await asyncio.sleep(0.01)


async def cancelled(task):
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@contextlib.asynccontextmanager
async def reflector(error=GOOD):
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    running = asyncio.create_task(
        run_reflector("127.0.0.1", 0, error_estimate=lambda: error, on_ready=ready.set_result, stop=stop)
    )
    try:
        yield await asyncio.wait_for(ready, 5)
    finally:
        stop.set()
        await running


class Relay(asyncio.DatagramProtocol):
    """One side of a UDP path between a sender and a reflector; `fate` says what becomes of a packet.

    `fate(direction, seq)` returns the delays in seconds after which copies leave: () is a lost packet.
    """

    def __init__(self, direction, fate):
        self.direction, self.fate = direction, fate
        self.transport = self.onward = self.sender = None

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.sender = addr
        place = 0 if self.direction == "up" else 24
        for delay_s in self.fate(self.direction, int.from_bytes(data[place : place + 4], "big")):
            if delay_s:
                asyncio.get_running_loop().call_later(delay_s, self.onward, data)
            else:
                self.onward(data)


@contextlib.asynccontextmanager
async def relay(port, fate):
    """Yield the port of a relay in front of `port`."""
    loop = asyncio.get_running_loop()
    near, up = await loop.create_datagram_endpoint(lambda: Relay("up", fate), local_addr=("127.0.0.1", 0))
    far, down = await loop.create_datagram_endpoint(lambda: Relay("down", fate), remote_addr=("127.0.0.1", port))
    up.onward, down.onward = far.sendto, lambda data: near.sendto(data, up.sender)
    try:
        yield near.get_extra_info("sockname")[1]
    finally:
        near.close()
        far.close()


def source(port, **changes):
    settings = {"rate_pps": 200.0, "timeout_s": 0.5, "seed": 7} | changes
    return KIND.build(StampConfig(target=f"127.0.0.1:{port}", **settings))


@contextlib.asynccontextmanager
async def measuring(port, **changes):
    """A source that measures against `port` until the block ends, and what it has emitted."""
    emitted = Emitted()
    task = asyncio.create_task(source(port, **changes).run(emitted))
    try:
        yield emitted
    finally:
        await cancelled(task)


# Over loopback


async def test_every_packet_over_loopback_has_one_complete_row():
    began_ns = time.time_ns()
    async with reflector() as port, measuring(port) as emitted:
        await asyncio.sleep(1.5)
    rows = emitted.packets
    assert list(range(len(rows))) == [row["seq"] for row in rows], "no number is missing"
    assert 200 < len(rows) < 420
    assert len(rows) == len(emitted.probes), "nothing came twice"
    assert 1 == len({row["session"] for row in rows})
    assert {(1, 0)} == {(row["copy"], row["lost"]) for row in rows}
    assert list(range(len(rows))) == [row["refl_seq"] for row in rows]
    for row in rows:
        assert row["ul_us"] + row["dl_us"] == pytest.approx(row["rtt_us"], abs=2)
        assert 0 < row["rtt_us"] < 500_000
        assert began_ns < row["t_ns"] < time.time_ns()
    assert statistics.median(row["rtt_us"] for row in rows) < 5000
    assert [] == emitted.event("clock.step")
    assert [] == emitted.event("probe.clock_read"), "Linux stamps arrivals in the kernel"


async def test_a_session_is_announced_with_what_is_needed_to_read_it():
    async with reflector() as port, measuring(port, dscp=46, payload_bytes=200) as emitted:
        await until(lambda: emitted.probes)
    (announced,) = emitted.event("probe.session")
    assert emitted.probes[0]["session"] == announced["session"]
    assert {"protocol": "UDP/STAMP", "payload_bytes": 200, "dscp": 46} == announced["type_p"]
    assert (200.0, "poisson", 0.5) == tuple(announced[key] for key in ("rate_pps", "schedule", "timeout_s"))
    assert "probe.session" == emitted.events[0]["name"], "before the first packet"


async def test_what_the_reflector_says_of_its_clock_becomes_a_clock_sample():
    async with reflector() as port, measuring(port) as emitted:
        await until(lambda: emitted.clocks)
    clock = emitted.clocks[0]
    assert ("stamp", True, f"127.0.0.1:{port}") == (clock["method"], clock["synced"], clock["reference"])
    assert 50.0 <= clock["bound_us"] < 50.5


async def test_an_unsynchronised_reflector_has_no_bound():
    async with reflector(ErrorEstimate.from_bound_us(None)) as port, measuring(port) as emitted:
        await until(lambda: emitted.clocks)
    assert (False, None) == (emitted.clocks[0]["synced"], emitted.clocks[0]["bound_us"])


async def test_each_run_is_a_session_of_its_own():
    async with reflector() as port:
        sessions = []
        for _ in range(2):
            async with measuring(port, seed=None) as emitted:
                await until(lambda emitted=emitted: emitted.probes)
            sessions.append(emitted.probes[0]["session"])
    assert sessions[0] != sessions[1]


# Over a path that loses and copies

LOST = {"up": {20, 30, 31, 32, 50, 80}, "down": {25, 40, 41, 51, 70, 90, 91}}
EXPECTED_CODES = {
    20: 1, 25: 2, 30: 1, 31: 1, 32: 1, 40: 2, 41: 2, 50: 3, 51: 3, 70: 2, 80: 1, 90: 2, 91: 2,
}  # fmt: skip
COPIED = {"up": {60: 2}, "down": {10: 2, 65: 3}}


def lossy(direction, seq):
    return () if seq in LOST[direction] else (0.0,) * COPIED[direction].get(seq, 1)


async def test_losses_have_their_direction_and_copies_rows_of_their_own():
    """Runs lost in one direction get it; the run 50-51, lost in both, is unknown; copies leave no packet lost."""
    async with reflector() as port, relay(port, lossy) as front, measuring(front, schedule="periodic") as emitted:
        await until(lambda: any(row["seq"] > 120 and row["copy"] for row in emitted.probes))
        await until(lambda: EXPECTED_CODES.keys() <= {row["seq"] for row in emitted.probes})
    rows = emitted.packets
    assert list(range(len(rows))) == [row["seq"] for row in rows]
    assert EXPECTED_CODES == {row["seq"]: row["lost"] for row in rows if row["lost"]}
    assert all(row["copy"] == 0 and "rtt_us" not in row for row in rows if row["lost"])
    copies = [(row["seq"], row["copy"]) for row in emitted.probes if row["copy"] > 1]
    assert [(10, 2), (60, 2), (65, 2), (65, 3)] == copies
    of_60 = [row["refl_seq"] for row in emitted.probes if row["seq"] == 60]
    of_65 = [row["refl_seq"] for row in emitted.probes if row["seq"] == 65]
    assert 1 == of_60[1] - of_60[0], "a copy made on the way up is counted by the reflector"
    assert 1 == len(set(of_65)), "a copy made on the way down is not"
    assert [] == emitted.event("probe.late")


async def test_answers_after_the_timeout_are_late_and_give_no_second_row():
    def slow(direction, seq):
        return (0.35,) if direction == "down" and seq in {10, 11, 20} else (0.0,)

    async with reflector() as port, relay(port, slow) as front, measuring(front, timeout_s=0.2) as emitted:
        await until(lambda: any(row["seq"] > 150 for row in emitted.probes))
    rows = emitted.packets
    assert list(range(len(rows))) == [row["seq"] for row in rows]
    assert len(rows) == len(emitted.probes)
    assert {10: 2, 11: 2, 20: 2} == {row["seq"]: row["lost"] for row in rows if row["lost"]}
    assert 3 == sum(event["new"] for event in emitted.event("probe.late"))


async def test_what_is_under_way_at_the_end_is_neither_lost_nor_delivered():
    def dies(_direction, seq):
        return (0.0,) if seq < 100 else ()

    async with reflector() as port, relay(port, dies) as front, measuring(front, timeout_s=60.0) as emitted:
        await until(lambda: any(row["seq"] == 99 for row in emitted.probes))
        await asyncio.sleep(0.1)
    assert list(range(100)) == [row["seq"] for row in emitted.packets]
    assert {0} == {row["lost"] for row in emitted.probes}
    (pending,) = emitted.event("probe.pending")
    assert 100 == pending["first_seq"]
    assert pending["last_seq"] - 99 == pending["n"]
    assert emitted.probes[0]["session"] == pending["session"]


async def test_without_a_reflector_everything_is_lost_and_nothing_breaks():
    """A closed port answers with ICMP errors; the packets are lost for an unknown reason."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
    async with measuring(port, timeout_s=0.1) as emitted:
        await until(lambda: len(emitted.probes) > 20)
    assert {(0, 3)} == {(row["copy"], row["lost"]) for row in emitted.probes}
    assert [] == emitted.clocks
    assert list(range(len(emitted.probes))) == [row["seq"] for row in emitted.packets]


async def test_answers_that_are_none_are_counted_and_not_measured():
    class Babbler(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, _data, addr):
            self.transport.sendto(b"not STAMP", addr)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Babbler, local_addr=("127.0.0.1", 0))
    try:
        async with measuring(transport.get_extra_info("sockname")[1], timeout_s=0.1) as emitted:
            await until(lambda: len(emitted.probes) > 20)
    finally:
        transport.close()
    assert {3} == {row["lost"] for row in emitted.probes}
    assert sum(event["new"] for event in emitted.event("probe.malformed")) >= len(emitted.probes)


async def test_a_target_without_an_address_is_an_error():
    with pytest.raises(OSError, match="."):
        await KIND.build(StampConfig(target="nowhere.invalid")).run(Emitted())


# Delays

T1_NS, MONO_NS = 1_780_272_000_000_000_000, 5_000_000_000


def measured(*, up_ms, dwell_ms, down_ms, ahead_ms=0.0, set_ms=0.0):
    """Delays of a packet on a path, with a far clock ahead and an own clock set while the packet is away."""
    received_ns = T1_NS + round((up_ms + ahead_ms) * 1e6)
    sent_ns = received_ns + round(dwell_ms * 1e6)
    away_ns = round((up_ms + dwell_ms + down_ms) * 1e6)
    answer = Answer(0, sent_ns, GOOD, 0, received_ns, 0, to_ntp(T1_NS), 64)
    arrived_ns = T1_NS + away_ns + round(set_ms * 1e6)
    return delays(answer, SentPacket(0, T1_NS, MONO_NS), arrived_ns, arrived_ns, MONO_NS + away_ns)


def triple(found):
    return tuple(found.columns[name] for name in ("ul_us", "dl_us", "rtt_us"))


@pytest.mark.parametrize(
    ("ahead_ms", "expected"),
    [(0.0, (30_000, 21_000, 51_000)), (5.0, (35_000, 16_000, 51_000)), (-40.0, (-10_000, 61_000, 51_000))],
    ids=["clocks agree", "reflector 5 ms ahead", "negative delays are kept"],
)
def test_delays_of_a_known_path(ahead_ms, expected):
    found = measured(up_ms=30, dwell_ms=1, down_ms=21, ahead_ms=ahead_ms)
    assert expected == triple(found)
    assert 0 == found.stepped_ns


@pytest.mark.parametrize("set_ms", [-3_600_000.0, -500.0, -2.0, 2.0, 500.0, 3_600_000.0])
def test_a_clock_set_meanwhile_costs_the_one_way_delays_and_not_the_round_trip(set_ms):
    found = measured(up_ms=30, dwell_ms=1, down_ms=21, set_ms=set_ms)
    assert (None, None, 51_000) == triple(found)
    assert set_ms * 1e6 == found.stepped_ns


@pytest.mark.parametrize(("away_ms", "set_ms"), [(50, 0.9), (50, -0.9), (10_000, 5.0), (10_000, -5.0)])
def test_a_slewed_clock_is_no_step(away_ms, set_ms):
    """The kernel slews by 500 ppm: 5 ms in 10 s."""
    found = measured(up_ms=away_ms, dwell_ms=0, down_ms=0, set_ms=set_ms)
    assert 0 == found.stepped_ns
    assert away_ms * 1000 + set_ms * 1000 == found.columns["rtt_us"]


def test_a_round_trip_is_never_negative():
    """Two readings of one clock may differ by less than the reflector says it held the packet."""
    assert 0 == measured(up_ms=0.01, dwell_ms=0.05, down_ms=-0.02).columns["rtt_us"]


def test_a_far_clock_that_was_never_set_costs_the_one_way_delays_and_not_the_packet():
    """A reflector that believes in 1970 is 56 years off: more than a row can hold, but the packet was delivered."""
    found = measured(up_ms=30, dwell_ms=1, down_ms=21, ahead_ms=-T1_NS / 1e6)
    assert (None, None, 51_000) == triple(found)
    assert [] == sample_faults("probe", {"session": 1, "seq": 0, "refl_seq": 0, "copy": 1, "lost": 0, **found.columns})


def test_delays_are_rounded_to_the_nearest_microsecond():
    assert (1, 2, 3) == triple(measured(up_ms=0.0014, dwell_ms=0, down_ms=0.0016))


# Sending


class Sink:
    """A socket that takes what a sending thread sends."""

    def __init__(self):
        self.taking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.taking.bind(("127.0.0.1", 0))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.connect(self.taking.getsockname())

    def run(self, plan, limit=10_000):
        """Send a plan to its end; return the thread's object."""
        thread = SendingThread(self.udp, iter(plan), GOOD, ssid=0, payload_bytes=44, limit=limit)
        thread.start()
        deadline_s = time.monotonic() + DEADLINE_S
        while not thread.is_over and time.monotonic() < deadline_s:
            time.sleep(0.005)
        thread.stop()
        return thread


@pytest.fixture
def sink():
    sink = Sink()
    yield sink
    sink.udp.close()
    sink.taking.close()


def test_a_plan_in_the_past_is_skipped_and_not_sent_in_a_bunch(sink):
    """Times long gone are counted; numbers go on without a hole, so skipping looks like no loss."""
    thread = sink.run([-5.0, -1.0, -2 * SKIP_LATE_S, 0.05, 0.06])
    assert 3 == thread.skipped
    assert [0, 1] == [packet.seq for packet in thread.sent]


def test_after_a_pause_the_missed_probes_are_skipped(sink):
    """A plan whose iterator hangs stands for a machine that slept: what was due meanwhile does not leave at once."""

    def plan():
        for number in range(100):
            if number == 10:
                time.sleep(0.3)
            yield number * 0.005

    thread = sink.run(plan())
    assert thread.skipped >= (0.3 - SKIP_LATE_S - 0.05) / 0.005
    assert 100 == len(thread.sent) + thread.skipped
    assert list(range(len(thread.sent))) == [packet.seq for packet in thread.sent]
    # What left after the pause was due within the last 20 ms: five probes at most, beside the one that was waited for.
    resumed_ns = thread.sent[10].mono_ns
    assert sum(packet.mono_ns - resumed_ns < 1_000_000 for packet in list(thread.sent)[10:]) <= 1 + SKIP_LATE_S / 0.005


def test_a_probe_leaves_at_its_planned_time_and_never_before(sink):
    plan = [0.1 + 0.002 * number for number in range(200)]
    began_ns = time.monotonic_ns()
    thread = sink.run(plan)
    sent = list(thread.sent)
    assert 200 == len(sent) + thread.skipped
    assert sent[0].mono_ns - began_ns >= 100_000_000
    if not thread.skipped:
        late_ms = sorted((packet.mono_ns - sent[0].mono_ns) / 1e6 - 2 * number for number, packet in enumerate(sent))
        assert abs(late_ms[len(late_ms) // 2]) < 5


def test_numbers_end_at_the_limit(sink):
    assert [0, 1, 2] == [packet.seq for packet in sink.run([0.0] * 10, limit=3).sent]


def test_a_packet_carries_the_time_that_is_noted(sink):
    thread = sink.run([0.0, 0.001])
    sink.taking.settimeout(5)
    for noted in thread.sent:
        packet = sink.taking.recv(2048)
        assert noted.seq == int.from_bytes(packet[:4], "big")
        assert to_ntp(noted.t_ns) == int.from_bytes(packet[4:12], "big")


def test_stopping_does_not_wait_for_a_probe_far_ahead(sink):
    thread = SendingThread(sink.udp, iter([3600.0]), GOOD, ssid=0, payload_bytes=44, limit=10)
    thread.start()
    began_s = time.monotonic()
    thread.stop()
    assert time.monotonic() - began_s < 2
    assert thread.is_over
    assert not thread.sent


# Schedules


def test_poisson_gaps_are_exponential_with_the_asked_mean():
    times = list(islice(poisson(200.0, random.Random(20)), 20_000))
    gaps = [after - before for before, after in pairwise(times)]
    assert 1 / 200 == pytest.approx(statistics.fmean(gaps), rel=0.03)
    assert 1 / 200 == pytest.approx(statistics.stdev(gaps), rel=0.03)
    assert stats.kstest(gaps, "expon", args=(0, 1 / 200)).pvalue > 0.01
    assert abs(statistics.correlation(gaps[:-1], gaps[1:])) < 0.03, "gaps do not depend on one another"


def test_poisson_sees_every_phase_of_a_tdd_frame():
    """Phases within 10 ms are uniform; a periodic 100 Hz stream sees one of them only."""
    phases = [at_s % 0.01 / 0.01 for at_s in islice(poisson(100.0, random.Random(21)), 10_000)]
    assert stats.kstest(phases, "uniform").pvalue > 0.01


def test_a_periodic_stream_keeps_its_period_and_does_not_drift():
    times = list(islice(periodic(100.0, random.Random(1)), 100_001))
    assert 1000.0 == pytest.approx(times[-1] - times[0], abs=1e-9)
    assert all(math.isclose(after - before, 0.01, abs_tol=1e-9) for before, after in pairwise(times[:1000]))


def test_a_periodic_stream_begins_anywhere_within_a_period():
    rng = random.Random(22)
    firsts = [next(periodic(10.0, rng)) * 10 for _ in range(2000)]
    assert all(0 <= first < 1 for first in firsts)
    assert stats.kstest(firsts, "uniform").pvalue > 0.01


# Configuration


@pytest.mark.parametrize(
    ("target", "expected"),
    [("reflector.example", ("reflector.example", 862)), ("192.0.2.1:5000", ("192.0.2.1", 5000))],
)
def test_a_target_has_the_assigned_port_unless_it_names_one(target, expected):
    assert expected == parse_target(target)


@pytest.mark.parametrize("target", ["", ":862", "host:0", "host:65536", "host:x"])
def test_a_target_that_is_none_is_refused(target):
    with pytest.raises(ValueError, match="host or host:port"):
        StampConfig(target=target)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rate_pps": 0}, "rate_pps"), ({"rate_pps": 1001}, "rate_pps"), ({"timeout_s": 0}, "timeout_s"),
        ({"timeout_s": 121}, "timeout_s"), ({"payload_bytes": 43}, "payload_bytes"),
        ({"payload_bytes": 46}, "payload_bytes"), ({"payload_bytes": 9001}, "payload_bytes"),
        ({"dscp": 64}, "dscp"), ({"ssid": 65_536}, "ssid"), ({"link": "a/b"}, "link"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_measured_with_are_refused(changes, reason):
    with pytest.raises(ValueError, match=reason):
        StampConfig(target="reflector.example", **changes)
