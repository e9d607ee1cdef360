"""gpsd's reports as positions: a case of our own, real receivers' logs, and a server that speaks the protocol."""

import asyncio
import contextlib
import json
import time
from datetime import datetime
from pathlib import Path

import pytest

import collectors.gpsd
from collectors.gpsd.reports import NO_FIX, Reports, read_report
from collectors.gpsd.source import GpsdConfig, GpsdSource
from contract.samples import sample_faults

CASE = Path(collectors.gpsd.__file__).parent / "testcases" / "cold_start.jsonl"
ARRIVED = 1_768_438_800_000_000_000
T = 1_768_438_800_000_000_000  # 2026-01-15T01:00:00Z
LOGS = ("neo-m8n", "nmea-rtk", "quectel-eg25-g", "quectel", "telit-pls83-w", "ublox-zed-f9p-rtk")


def positions(lines, reports, step_ns=200_000_000):
    found = []
    for number, line in enumerate(lines):
        report = read_report(line)
        if report is not None and (position := reports.take(report, ARRIVED + number * step_ns)):
            assert sample_faults("position", position.sample) == []
            found.append(position)
    return found


def test_a_cold_start_gives_no_position_then_fixes_with_the_satellites_known_then():
    reports = Reports()
    found = positions(CASE.read_bytes().splitlines(), reports)
    assert [ARRIVED + 200_000_000, T, T + 1_250_000_000, T + 2_000_000_000] == [each.t_ns for each in found]
    assert [(1, None), (2, 2), (3, 7), (1, 7)] == [(each.sample["mode"], each.sample["satellites"]) for each in found]
    expected = {"lat_deg": 35.5001, "lon_deg": 139.5, "alt_m": 20.0, "speed_mps": 5.0, "heading_deg": 0.0, "err_m": 3.0}
    assert expected == {name: found[2].sample[name] for name in expected}
    assert {"mode", "satellites"} == set(found[0].sample) == set(found[3].sample)
    assert (1, 1, 0) == (reports.counts.repeated, reports.counts.stale, reports.counts.untimed)


def tpv(**fields):
    return json.dumps({"class": "TPV", "mode": 3, "lat": 1.0, "lon": 2.0, **fields}).encode()


def test_height_above_the_ellipsoid_serves_where_sea_level_is_not_known():
    found = positions([tpv(altHAE=60.0), tpv(altHAE=60.0, altMSL=20.0)], Reports(), step_ns=10**9)
    assert [60.0, 20.0] == [each.sample["alt_m"] for each in found]


def test_untimed_reports_pass_once_a_second_and_when_the_fix_comes_or_goes():
    reports = Reports()
    lines = [tpv(mode=mode) for mode in (1, 0, 1, 1, 1, 1, 2, 2, 1)]
    assert [1, 1, 2, 1] == [each.sample["mode"] for each in positions(lines, reports)]
    assert 5 == reports.counts.untimed


def test_a_receiver_whose_date_was_corrected_is_believed_after_ten_reports():
    reports = Reports()
    lines = [tpv(time="2034-11-01T17:19:26.000Z")]
    lines += [tpv(time=f"2026-01-15T01:00:{second:02d}.000Z") for second in range(20)]
    found = positions(lines, reports)
    assert 12 == len(found)
    assert (9, 1) == (reports.counts.stale, reports.counts.time_jumps)
    assert T + 9_000_000_000 == found[1].t_ns


@pytest.mark.parametrize("log", LOGS)
def test_real_receivers_give_each_moment_once_and_no_position_without_a_fix(log, test_data):
    lines = (test_data / "gpsd_logs" / f"{log}.log.chk").read_bytes().splitlines()
    found = positions(lines, Reports(), step_ns=10**9)
    timed = [json.loads(line)["time"] for line in lines if b'"class":"TPV"' in line and b'"time"' in line]
    moments = {round(datetime.fromisoformat(text).timestamp() * 1000) for text in timed}
    times_ms = [each.t_ns // 1_000_000 for each in found]
    assert moments <= set(times_ms)
    assert all(times_ms.count(moment) == 1 for moment in moments)
    assert all(("lat_deg" in each.sample) == (each.sample["mode"] > NO_FIX) for each in found)


class Recorder:
    def __init__(self):
        self.samples = []

    def __call__(self, stream, t_ns, sample, *, link=None):
        assert sample_faults(stream, sample) == []
        self.samples.append((stream, t_ns, dict(sample), link))

    def of(self, stream):
        return [sample for name, _, sample, _ in self.samples if name == stream]

    def names(self):
        return [sample["name"] for sample in self.of("event")]


@contextlib.asynccontextmanager
async def gpsd(lines, *, ends=False):
    """A gpsd that is silent until it is watched, then says `lines`, and stays or ends."""
    handlers = set()

    async def serve(reader, writer):
        handlers.add(asyncio.current_task())
        command = await reader.readline()
        assert command.startswith(b"?WATCH=")
        assert {"enable": True, "json": True} == json.loads(command.removeprefix(b"?WATCH=").rstrip(b";\n"))
        writer.write(b"".join(line + b"\r\n" for line in lines))
        await writer.drain()
        if not ends:
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.gather(*handlers, return_exceptions=True)
        await server.wait_closed()


@contextlib.asynccontextmanager
async def watching(port, *, silent_s=10.0, **config):
    recorder = Recorder()
    task = asyncio.create_task(GpsdSource(GpsdConfig(port=port, **config), silent_s=silent_s).run(recorder))
    try:
        yield recorder
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition, within_s=5.0):
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, "waited in vain"
        await asyncio.sleep(0.01)


async def test_the_source_watches_and_emits_what_a_real_modem_reports(test_data):
    lines = (test_data / "gpsd_logs" / "quectel-eg25-g.log.chk").read_bytes().splitlines()
    expected = [each for each in positions(lines, Reports(), step_ns=0) if "lat_deg" in each.sample]
    async with gpsd(lines) as port, watching(port) as recorder:
        await until(lambda: sum("lat_deg" in sample for sample in recorder.of("position")) == len(expected))
    found = [(t_ns, sample) for name, t_ns, sample, _ in recorder.samples if name == "position" and "lat_deg" in sample]
    assert [each.sample["lat_deg"] for each in expected] == [sample["lat_deg"] for _, sample in found]
    # The log is years old, so the two clocks disagree: said at once, and at the end with a count.
    assert 2 == recorder.names().count("gnss.time_differs")


async def test_lines_that_are_no_reports_are_told_once_and_harm_nothing():
    lines = [b"{not json", b"$GNRMC,,V*4D", b"[1]", b'{"class":"TPV","mode":"x"}', b'{"class":"TPV","time":"soon"}']
    lines += [b"x" * 2_000_000, tpv(time="2026-01-15T01:00:00.000Z")]
    async with gpsd(lines) as port, watching(port) as recorder:
        await until(lambda: recorder.of("position"))
    assert 35.0 > recorder.of("position")[0]["lat_deg"] == 1.0
    events = [json.loads(each["detail"]) for each in recorder.of("event") if each["name"] == "gpsd.malformed"]
    assert "{not json" == events[0]["line"]
    assert 4 <= sum(event["count"] for event in events)


async def test_only_the_chosen_receiver_is_listened_to():
    lines = [
        tpv(device="/dev/a", time="2026-01-15T01:00:00Z"),
        tpv(device="/dev/b", lat=9.0, time="2026-01-15T01:00:00Z"),
    ]
    async with gpsd(lines) as port, watching(port, device="/dev/b") as recorder:
        await until(lambda: recorder.of("position"))
    assert [9.0] == [sample["lat_deg"] for sample in recorder.of("position")]


async def test_a_silent_gpsd_is_told():
    async with gpsd([]) as port, watching(port, silent_s=0.1) as recorder:
        await until(lambda: "gnss.silent" in recorder.names())
    assert [] == recorder.of("position")


async def test_a_gpsd_that_ends_or_is_not_there_is_an_oserror():
    async with gpsd([], ends=True) as port:
        with pytest.raises(OSError, match="closed the connection"):
            await GpsdSource(GpsdConfig(port=port)).run(Recorder())
    with pytest.raises(OSError, match=str(port)):
        await GpsdSource(GpsdConfig(port=port)).run(Recorder())
