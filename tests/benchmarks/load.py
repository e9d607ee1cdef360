"""The load of the ingest benchmarks: prepared probe batches, and a process that publishes them within a window."""

import json
import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import paho.mqtt.client as mqtt

from contract.codec import decode_batch, encode_batch
from contract.envelope import Batch
from contract.topics import data_topic

SITE, EPOCH = "bench", "bench"
DEVICES = 4
TEMPLATES = 32
TIMEOUT_S = 180
MAX_UNACKNOWLEDGED = 400
CONTEXT = multiprocessing.get_context("spawn")
COLUMNS = ("session", "seq", "refl_seq", "ul_us", "dl_us", "rtt_us", "copy", "lost")


def probe_columns(seed: int, rows: int) -> dict[str, list[int | None]]:
    """Return the columns of one probe batch, with delays that vary and one loss in a hundred."""
    generator = np.random.default_rng(seed)
    rtt = generator.integers(8_000, 60_000, rows)
    is_lost = generator.random(rows) < 0.01
    delays = [None if lost else int(value) for lost, value in zip(is_lost, rtt, strict=True)]
    halves = [None if value is None else value // 2 for value in delays]
    return {
        "t": [row * 1_000_000 for row in range(rows)],
        "session": [123_456_789] * rows,
        "seq": [seed * rows + row for row in range(rows)],
        "refl_seq": [None if value is None else seed * rows + row for row, value in enumerate(delays)],
        "ul_us": halves,
        "dl_us": halves,
        "rtt_us": delays,
        "copy": [int(not lost) for lost in is_lost],
        "lost": [3 * int(lost) for lost in is_lost],
    }


def probe_batch(device: int, seq: int, rows: int) -> Batch:
    """Return one batch as a collector would make it, measured now."""
    return Batch(
        site=SITE, device=f"car-{device}", epoch=EPOCH, seq=seq, stream="probe", link="l5g", source="bench/1", n=rows,
        t0_ns=time.time_ns(), columns=probe_columns(seq, rows),
    )  # fmt: skip


def templates(rows: int, *, is_json: bool) -> list[Batch]:
    """Return batches ready to be numbered; packed unless they are for a reader of JSON."""
    made = [probe_batch(index % DEVICES + 1, index + 1, rows) for index in range(TEMPLATES)]
    return made if is_json else [decode_batch(encode_batch(batch)) for batch in made]


def send_forever(  # noqa: PLR0917 - the arguments of a process
    port: int, rows: int, is_json: bool, window: int, sent: Any, committed: Any, stop: Any
) -> None:
    """Publish batches with QoS 1, at most `window` messages ahead of what is committed, as outboxes do."""
    encode = json.dumps if is_json else msgspec.msgpack.Encoder().encode
    made = templates(rows, is_json=is_json)
    topics = [data_topic(batch.site, batch.device, batch.stream) for batch in made]
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.max_inflight_messages_set(MAX_UNACKNOWLEDGED)
    done = 0

    def published(*_: Any) -> None:
        nonlocal done
        done += 1

    client.on_publish = published
    client.connect("127.0.0.1", port)
    client.loop_start()
    count = 0
    while not stop.is_set():
        # paho queues without a bound what the broker has not acknowledged; that queue would be what is measured.
        if count - committed.value // rows >= window or count - done >= MAX_UNACKNOWLEDGED:
            time.sleep(0.002)
            continue
        for _ in range(16):
            index = count % TEMPLATES
            batch = msgspec.structs.replace(made[index], seq=count // DEVICES + 1, t0_ns=time.time_ns())
            payload = encode(msgspec.structs.asdict(batch) if is_json else batch)
            info = client.publish(topics[index], payload, qos=1)
            count += 1
    info.wait_for_publish(TIMEOUT_S)
    sent.value = count * rows
    client.disconnect()
    client.loop_stop()


def peak_rss_mb() -> float:
    """Return this process's peak resident memory in MB (not the one before exec, which getrusage would count)."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM"):
            return round(int(line.split()[1]) / 1000, 1)
    raise OSError("no VmHWM in /proc/self/status")


@contextmanager
def running(target: Callable[..., None], *arguments: Any) -> Iterator[Any]:
    """Run `target(*arguments, ready, stop)` in a process of its own until the block ends."""
    ready, stop = CONTEXT.Event(), CONTEXT.Event()
    process = CONTEXT.Process(target=target, args=(*arguments, ready, stop))
    process.start()
    try:
        if not ready.wait(60):
            raise TimeoutError(f"{target.__name__} did not start")
        yield process
    finally:
        stop.set()
        process.join(60)
        if process.is_alive():
            process.kill()


def measure(
    serve: Callable[..., None], arguments: tuple[Any, ...], *, port: int, rows: int, seconds: float, is_json: bool,
    window: int, subscribers: int = 1,
) -> tuple[float, int, dict[str, Any]]:  # fmt: skip
    """Return committed rows/s over `seconds` after a second to warm up, all rows sent, and what the server reports.

    `serve(*arguments, committed, report, ready, stop)` adds to `committed.value` after each COMMIT. Returns when
    everything that was sent is committed.
    """
    committed, sent, stop = CONTEXT.Value("q", 0), CONTEXT.Value("q", -1), CONTEXT.Event()
    with CONTEXT.Manager() as manager:
        report = manager.dict()
        servers = [running(serve, *arguments, number, committed, report) for number in range(subscribers)]
        for server in servers:
            server.__enter__()
        try:
            sender = CONTEXT.Process(target=send_forever, args=(port, rows, is_json, window, sent, committed, stop))
            sender.start()
            _wait(lambda: committed.value > 0, "nothing was committed")
            time.sleep(1.0)
            first, started = committed.value, time.monotonic()
            time.sleep(seconds)
            rate = (committed.value - first) / (time.monotonic() - started)
            stop.set()
            sender.join(TIMEOUT_S)
            _wait(lambda: committed.value >= sent.value >= 0, "not everything that was sent was committed")
        finally:
            stop.set()
            for server in servers:
                server.__exit__(None, None, None)
        return rate, sent.value, dict(report)


def _wait(condition: Callable[[], bool], complaint: str) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(complaint)
        time.sleep(0.01)
