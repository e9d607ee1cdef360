"""A real uvicorn over a real database that holds one small run."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
import numpy as np
import pytest
import uvicorn

from api.app import ApiSettings, create_app
from contract.envelope import Status
from contract.streams import STREAMS
from storage.columnar import NUMPY_DTYPE, ArrayColumn, BatchKey, ColumnBatch, RefusedPayload
from storage.runs import start_run

PACKETS = 600
LOST_EVERY = 50


def batch(number, stream, t_us, /, *, link="", device="bus-1", **columns):
    """Make a batch from lists of values; a column that is not given is null."""
    n = len(t_us)
    made = {}
    for column in STREAMS[stream].columns:
        given = columns.get(column.name, [None] * n)
        valid = np.array([value is not None for value in given])
        array = np.empty(n, NUMPY_DTYPE[column.kind])
        array[:] = given if array.dtype == object else [0 if value is None else value for value in given]
        made[column.name] = ArrayColumn(array, None if valid.all() else valid)
    times = np.array(t_us, np.int64)
    return ColumnBatch(
        BatchKey("site-a", device, "e1", number), stream, link, "test/1", n, times, made, int(times[-1]) + 1000
    )


def spread_us(number):
    """Return 0 to 599 in an order without pattern, so that packets count as independent."""
    return number * 7919 % PACKETS


def probes(seq, t0_us, *, link, rtt_us):
    """Make PACKETS probes at 10 Hz, every fiftieth of them lost with unknown direction."""
    is_lost = [number % LOST_EVERY == LOST_EVERY - 1 for number in range(PACKETS)]
    delays = [None if lost else rtt_us + spread_us(number) for number, lost in enumerate(is_lost)]
    return batch(
        seq,
        "probe",
        [t0_us + number * 100_000 for number in range(PACKETS)],
        link=link,
        session=[7] * PACKETS,
        seq=list(range(PACKETS)),
        refl_seq=[None] * PACKETS,
        ul_us=[None if delay is None else delay // 2 + 1000 for delay in delays],
        dl_us=[None if delay is None else delay - (delay // 2 + 1000) for delay in delays],
        rtt_us=delays,
        copy=[0 if lost else 1 for lost in is_lost],
        lost=[3 if lost else 0 for lost in is_lost],
    )


@dataclass
class Site:
    """What the database holds: a run of one minute that ended just now, on two links of one device."""

    url: str
    started_at: datetime
    ended_at: datetime


@pytest.fixture
def site(db) -> Site:
    """Fill the database: batch 5 never came, batch 8 is in quarantine, the device announced one more."""
    end = datetime.now(tz=UTC) + timedelta(seconds=1)
    start = end - timedelta(seconds=60)
    t0_us = int(start.timestamp() * 1e6) + 500_000
    seconds = [t0_us + number * 1_000_000 for number in range(60)]
    refused = BatchKey("site-a", "bus-1", "e1", 8)
    writer = db.writer()
    writer.commit(
        [
            probes(1, t0_us, link="l5g", rtt_us=20_000),
            probes(2, t0_us, link="carrier", rtt_us=60_000),
            batch(3, "radio", seconds, link="l5g", rat=["NR-SA"] * 60, pci=[12] * 60, rsrp_dbm=[-95.3] * 60),
            batch(4, "position", seconds, lat_deg=[35.6] * 60, lon_deg=[139.7] * 60, mode=[3] * 60),
            batch(6, "event", [t0_us + 30_000_000], link="l5g", name=["link.down"], severity=["warning"],
                  message=["=回線断"], detail=['{"cause": "tunnel"}']),
            batch(7, "clock", seconds[:2], method=["chrony"] * 2, synced=[True] * 2, bound_us=[250.0] * 2),
        ],
        [RefusedPayload("jissho/1/site-a/bus-1/radio", b"x", "out_of_range", "x", t0_us, refused)],
    )  # fmt: skip
    writer.commit([batch(9, "host", [t0_us + 59_000_000], cpu_ratio=[0.5])])
    status = Status(state="online", at_ns=t0_us * 1000, epoch="e1", taken=10, pending=1, agent="test/1")
    writer.announce("site-a", "bus-1", status)
    start_run(
        writer.connection, name="run-1", site="site-a", started_at=start, ended_at=end, weather="晴れ",
        purpose="回線品質の測定", note="試験走行", tags=["平日"],
    )  # fmt: skip
    writer.connection.close()
    return Site(db.url, start, end)


@contextmanager
def serving(settings: ApiSettings) -> Iterator[httpx.Client]:
    """Run the API on a free port in a thread and yield a client of it."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(settings), log_level="error", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="uvicorn")
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not server.started and time.monotonic() < deadline and thread.is_alive():
            time.sleep(0.01)
        assert server.started, "uvicorn did not start"
        with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=60) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        listener.close()


@pytest.fixture
def client(site) -> Iterator[httpx.Client]:
    """A client of the API over the filled database."""
    with serving(ApiSettings(database_url=site.url)) as client:
        yield client
