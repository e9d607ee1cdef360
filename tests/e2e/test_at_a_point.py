"""A team at measuring points: what it marks and tests there stands in the database under the point's name."""

import asyncio
import json
import shutil
import time

import pytest

from tests.e2e.line import DEVICE, SITE
from tests.fix_broker import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

FEED = """
[[source]]
kind = "feed"
link = "l5g"
port = {port}

[[point]]
name = "P1"
lat_deg = 35.4437
lon_deg = 139.638

[[point]]
name = "P2"
"""


class OnBoard:
    """A program on board that tells what it measured, as lines of JSON."""

    def __init__(self):
        self.writers = []

    async def start(self):
        self.server = await asyncio.start_server(lambda _, writer: self.writers.append(writer), "127.0.0.1", 0)
        return self.server.sockets[0].getsockname()[1]

    async def tell(self, stream, **columns):
        deadline = time.monotonic() + 20
        while not self.writers:
            assert time.monotonic() < deadline, "the agent did not come"
            await asyncio.sleep(0.05)
        line = json.dumps({"stream": stream, "t_ns": time.time_ns(), **columns})
        self.writers[-1].write(f"{line}\n".encode())
        await self.writers[-1].drain()

    async def test(self, rate_mbps, direction="down"):
        await asyncio.sleep(0.6)
        await self.tell(
            "throughput", direction=direction, protocol="tcp", interval_s=0.3, rate_bps=rate_mbps * 1e6
        )  # fmt: skip

    async def stop(self):
        for writer in self.writers:
            writer.close()
        self.server.close()
        await self.server.wait_closed()


async def test_the_tests_of_a_stay_carry_its_point_to_the_database(line):
    """Also while the server is away; and the drive that follows a forgotten end is not the point's."""
    on_board = OnBoard()
    port = await on_board.start()
    line.start_collect(FEED.format(port=port))
    config = ("--config", str(line.folder / "collect.toml"))
    line.run("run", "start", "survey-1", "--site", SITE)
    await on_board.test(11)  # on the way
    await asyncio.to_thread(line.run, "point", "arrive", "P1", *config)
    for rate in (100, 110, 120):
        await on_board.tell("position", link="", lat_deg=35.4438, lon_deg=139.6381, mode=3)
        await on_board.test(rate)
    await asyncio.to_thread(line.run, "point", "leave", *config)
    await on_board.test(12)
    await asyncio.to_thread(line.run, "point", "arrive", "P2", *config)
    await asyncio.sleep(0.3)
    for lat_deg, rate in ((35.45, 50), (35.46, 13)):
        await on_board.tell("position", link="", lat_deg=lat_deg, lon_deg=139.64, mode=3)
        await on_board.test(rate)
    line.start_ingest()  # only now: until here everything waited in the outbox
    await asyncio.sleep(0.5)
    line.wait_for_empty_outbox()
    assert line.end("collect") == 0
    await on_board.stop()
    line.run("run", "stop", "survey-1")
    one, two = line.run_json("kpi", "survey-1", "--points")
    assert (one["device"], one["point"], one["rates_mbps"], one["mean_mbps"]) == (DEVICE, "P1", [100, 110, 120], 110)
    assert (one["lat_deg"], one["lon_deg"]) == (35.4437, 139.638)
    assert (two["point"], two["rates_mbps"], two["mean_mbps"]) == ("P2", [50], None)
    assert "3 are needed" in two["reason"]
    with line.db.connect() as connection:
        events = connection.execute(
            "SELECT name, severity, detail ->> 'point', detail ->> 'ended_by' FROM event WHERE name LIKE 'point.%'"
            " ORDER BY t, name"
        ).fetchall()
        untold = connection.execute("SELECT rate_bps / 1e6 FROM throughput WHERE point IS NULL ORDER BY t").fetchall()
    assert events == [
        ("point.arrived", "info", "P1", None), ("point.left", "info", "P1", "person"),
        ("point.arrived", "info", "P2", None), ("point.left", "warning", "P2", "moved"),
    ]  # fmt: skip
    assert untold == [(11,), (12,), (13,)]


async def test_iperf3_tests_the_point_in_one_command(line):
    """A real iperf3 at both ends, three tests each way."""
    program = shutil.which("iperf3")
    if program is None:
        pytest.skip("iperf3 not found: `apt install iperf3`")
    port = free_port()
    line.start_ingest()
    line.start_collect('[[source]]\nkind = "host"\n')
    server = await asyncio.create_subprocess_exec(program, "-s", "-p", str(port), stdout=asyncio.subprocess.DEVNULL)
    try:
        line.run("run", "start", "survey-2", "--site", SITE)
        printed = await asyncio.to_thread(
            line.run, "point", "test", "P1", "--server", f"127.0.0.1:{port}", "--link", "l5g", "--seconds", "1",
            "--config", str(line.folder / "collect.toml"),
        )  # fmt: skip
    finally:
        server.terminate()
        await server.wait()
    assert "失敗" not in printed
    await asyncio.sleep(1)
    line.wait_for_empty_outbox()
    assert line.end("collect") == 0
    line.run("run", "stop", "survey-2")
    found = line.run_json("kpi", "survey-2", "--points")
    assert [(row["direction"], row["point"], row["tests"]) for row in found] == [("up", "P1", 3), ("down", "P1", 3)]
    assert all(row["mean_mbps"] > 1 for row in found)
