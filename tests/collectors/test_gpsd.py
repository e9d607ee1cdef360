"""Positions from gpsd: each fix once, at its own time, and none before there is one."""

import asyncio
import contextlib
import json
import time
from collections import Counter
from pathlib import Path

import pytest

import collectors.gpsd
from collectors.gpsd.reports import position_sample, report_time_ns, satellites_used
from collectors.gpsd.source import KIND, GpsdConfig
from contract.samples import sample_faults

DRIVE = Path(collectors.gpsd.__file__).parent / "testcases" / "drive.ndjson"
JUNE_NS = 1_780_272_000_000_000_000  # 2026-06-01T00:00:00Z
LOGS = ["neo-m8n", "nmea-rtk", "quectel-eg25-g", "quectel", "telit-pls83-w", "ublox-zed-f9p-rtk"]


class Emitted:
    """An emit that keeps everything, and refuses what the agent would refuse."""

    def __init__(self):
        self.samples = []

    def __call__(self, stream, t_ns, sample, *, link=None):
        assert ("position", None) == (stream, link)
        assert [] == sample_faults(stream, sample)
        self.samples.append((t_ns, dict(sample)))


@contextlib.asynccontextmanager
async def gpsd(content, *, hold=False):
    """A server that says `content` to whoever watches, then closes, or keeps the connection in silence."""
    asked, stop = [], asyncio.Event()

    async def serve(reader, writer):
        asked.append(await reader.readline())
        writer.write(content)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
            if hold:
                await stop.wait()
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], asked
    finally:
        stop.set()
        server.close()
        await server.wait_closed()


async def watched(content):
    """Positions of what gpsd says until it closes."""
    emitted = Emitted()
    async with gpsd(content) as (port, _):
        with pytest.raises(OSError, match=f"gpsd at 127.0.0.1:{port} closed the connection"):
            await KIND.build(GpsdConfig(port=port)).run(emitted)
    return emitted.samples


def lines(*reports):
    return b"".join(json.dumps(report).encode() + b"\n" for report in reports)


def tpv(second, **fields):
    return {
        "class": "TPV",
        "mode": 3,
        "time": f"2026-06-01T00:00:{second:02}.000Z",
        "lat": 36.0,
        "lon": 140.0,
        **fields,
    }


async def test_a_drive_gives_one_sample_a_fix():
    """No position before the fix, the repeated instant once, NMEA between passed over, satellites from SKY."""
    began_ns = time.time_ns()
    first, second, third = await watched(DRIVE.read_bytes())
    assert {"mode": 1, "satellites": None} == first[1]
    assert began_ns <= first[0] <= time.time_ns(), "a report without a time has that of its arrival"
    expected = {
        "mode": 3, "satellites": 9, "lat_deg": 36.08, "lon_deg": 140.11, "alt_m": 66.5, "speed_mps": 8.25,
        "heading_deg": 91.0, "err_m": 1.9,
    }  # fmt: skip
    assert (JUNE_NS + 200_000_000, expected) == second
    assert (JUNE_NS + 400_000_000, 2, 36.081) == (third[0], third[1]["mode"], third[1]["lat_deg"])
    assert third[1]["speed_mps"] is None


@pytest.mark.parametrize("name", LOGS)
async def test_real_receivers_positions_are_those_of_gpsds_log(name, test_data):
    path = test_data / "gpsd_logs" / f"{name}.log.chk"
    if not path.is_file():
        pytest.skip(f"{path.name} is not among the real measurements")
    content = path.read_bytes()
    timed, untimed = {}, 0
    for line in content.split(b"\n"):
        with contextlib.suppress(ValueError):
            report = json.loads(line)
            if report.get("class") == "TPV" and "time" in report:
                timed.setdefault(report["time"], report)
            elif report.get("class") == "TPV":
                untimed += 1
    began_ns = time.time_ns()
    samples = await watched(content)
    # Receivers with a wrong date report the future: what gpsd's log names is known by its time.
    times_ns = {report_time_ns(report): report for report in timed.values()}
    found = {t_ns: sample for t_ns, sample in samples if t_ns in times_ns}
    assert len(timed) + untimed == len(samples)
    assert list(times_ns) == list(found)
    for t_ns, report in times_ns.items():
        sample, has_fix = found[t_ns], report["mode"] >= 2
        assert report["mode"] == sample["mode"]
        for column, field in [("lat_deg", "lat"), ("lon_deg", "lon"), ("speed_mps", "speed"), ("alt_m", "altHAE")]:
            assert (report.get(field) if has_fix else None) == sample.get(column)
    arrived = [sample for t_ns, sample in samples if t_ns not in times_ns and t_ns >= began_ns]
    assert untimed == len(arrived)
    assert all("lat_deg" not in sample for _, sample in samples if sample["mode"] < 2)


async def test_a_modem_that_starts_without_a_fix_has_no_position_until_then(test_data):
    path = test_data / "gpsd_logs" / "quectel-eg25-g.log.chk"
    if not path.is_file():
        pytest.skip(f"{path.name} is not among the real measurements")
    samples = [sample for _, sample in await watched(path.read_bytes())]
    modes = Counter(sample["mode"] for sample in samples)
    assert modes[1] > 0 < modes[3]
    assert "lat_deg" not in samples[0]
    assert all(sample["lat_deg"] is not None for sample in samples if sample["mode"] == 3)


async def test_the_same_instant_again_is_no_new_measurement():
    samples = await watched(lines(tpv(1), tpv(1, speed=3.0), tpv(2), tpv(2)))
    assert [JUNE_NS + 10**9, JUNE_NS + 2 * 10**9] == [t_ns for t_ns, _ in samples]


async def test_a_receiver_that_corrects_a_wrong_date_goes_on():
    """After a week rollover a receiver begins years ahead; what follows its correction is measured too."""
    wrong = {"class": "TPV", "mode": 2, "time": "2045-06-01T00:00:00Z", "lat": 36.0, "lon": 140.0}
    samples = await watched(lines(wrong, tpv(1), tpv(2)))
    assert [JUNE_NS + 10**9, JUNE_NS + 2 * 10**9] == [t_ns for t_ns, _ in samples][1:]


async def test_satellites_stay_those_of_the_last_sky_report_that_told_them():
    used = {
        "class": "SKY",
        "satellites": [{"PRN": 1, "used": True}, {"PRN": 2, "used": False}, {"PRN": 3, "used": True}],
    }
    silent = {"class": "SKY", "hdop": 1.0}
    samples = await watched(lines(tpv(1), used, tpv(2), silent, tpv(3), {"class": "SKY", "uSat": 7}, tpv(4)))
    assert [None, 2, 2, 7] == [sample["satellites"] for _, sample in samples]


async def test_lines_that_are_no_report_are_passed_over():
    content = b"$GPGGA,1*00\n[1,2]\n3\n\xff\xfe\x00\n{\n" + lines({"class": "ERROR"}, {"no": "class"}, tpv(1))
    assert 1 == len(await watched(content))


async def test_gpsd_is_asked_to_watch():
    async with gpsd(b"") as (port, asked):
        with pytest.raises(OSError, match="closed"):
            await KIND.build(GpsdConfig(port=port)).run(Emitted())
    assert [b'?WATCH={"enable":true,"json":true};\n'] == asked


async def test_silence_is_an_error_that_names_the_receiver():
    emitted = Emitted()
    async with gpsd(lines(tpv(1)), hold=True) as (port, _):
        with pytest.raises(OSError, match="said nothing for 0.2 s; is a receiver connected"):
            await KIND.build(GpsdConfig(port=port, silence_s=0.2)).run(emitted)
    assert 1 == len(emitted.samples), "what came before the silence is kept"


async def test_a_line_without_an_end_is_an_error():
    async with gpsd(b"x" * (3 << 20), hold=True) as (port, _):
        with pytest.raises(OSError, match="without an end"):
            await KIND.build(GpsdConfig(port=port)).run(Emitted())


async def test_no_gpsd_is_an_error():
    async with gpsd(b"") as (port, _):
        pass
    with pytest.raises(ConnectionRefusedError):
        await KIND.build(GpsdConfig(port=port)).run(Emitted())


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("2026-06-01T00:00:00Z", JUNE_NS),
        ("2026-06-01T00:00:00.200Z", JUNE_NS + 200_000_000),
        ("2026-06-01T00:00:00.123456789Z", JUNE_NS + 123_456_789),
        ("1970-01-01T00:00:01.500Z", 1_500_000_000),
        ("yesterday", None),
        ("2026-06-01T00:00:00.xZ", None),
        (1_780_272_000.2, None),
        (None, None),
    ],
)
def test_times_are_read_to_the_nanosecond_or_not_at_all(text, nanoseconds):
    assert nanoseconds == report_time_ns({"time": text})


@pytest.mark.parametrize("mode", [0, 1, 7, "3", None])
def test_without_a_fix_there_is_no_position_whatever_else_is_said(mode):
    sample = position_sample({"mode": mode, "lat": 36.0, "lon": 140.0, "speed": 1.0}, 4)
    assert {"mode": mode if mode == 1 else 0, "satellites": 4} == sample


@pytest.mark.parametrize(
    ("heights", "expected"),
    [({"altHAE": 1.0, "altMSL": 2.0, "alt": 3}, 1.0), ({"altMSL": 2.0, "alt": 3}, 2.0), ({"alt": 3}, 3.0), ({}, None)],
)
def test_the_height_is_above_the_ellipsoid_where_it_is_given(heights, expected):
    assert expected == position_sample({"mode": 3, "lat": 1.0, "lon": 2.0, **heights}, None)["alt_m"]


def test_a_sky_report_without_satellites_does_not_say():
    assert satellites_used({"class": "SKY"}) is None
    assert 0 == satellites_used({"class": "SKY", "uSat": 0})
    assert 1 == satellites_used({"satellites": [{"used": True}, {"used": False}, "rubbish"]})
