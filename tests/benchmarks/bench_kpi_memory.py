"""KPIs from arrays in memory, on one core: a simulated run of 10 M packets, round trip.

`kpi_memory` is the full set: columns as the reader gives them, put in order, hashed and evaluated (delay, variation,
loss, reliability, availability, with intervals). `kpi_memory_directions` is the same with delays up and down.
`kpi_memory_quantiles` is p50, p95, p99, p99.9 over all packets sent (lost = inf), the loss ratio and the share within
a bound, beside DuckDB and Polars on the same arrays, which must give the same numbers. The process is pinned to one
processor, and the peers are told to use one thread; `cpu_s` is processor time of all threads beside `wall_s`.
"""

import importlib.util
import os
import resource
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from analytics.clock import ClockQuality
from analytics.evaluate import evaluate_link
from analytics.probes import probe_arrays
from analytics.requirements import NO_REQUIREMENTS
from analytics.statistics import histogram, rank
from analytics.subject import Subject
from storage.columnar import ArrayColumn

PACKETS = int(os.environ.get("JISSHO_TEST_BENCH_PACKETS", "10000000"))
STEP_US = 10_000
START_US = 1_780_012_800_000_000
LOST = 0.001
BURST = 5.0
WITHIN_US = 20_000
ROUNDS = 7
QUANTILES = ("0.5", "0.95", "0.99", "0.999")
CLOCK = ClockQuality("良", 50.0)


class Timed(NamedTuple):
    """Wall and processor seconds of the fastest of the rounds after a first one: others may be using the machine."""

    wall_s: float
    cpu_s: float
    result: Any


def delays_us(n: int, median_us: float, rng: np.random.Generator) -> np.ndarray:
    """Return autocorrelated delays: load that drifts over a minute and a second, and each packet's own part."""
    load = np.zeros(n)
    for packets, weight in ((6_000, 0.3), (100, 0.2), (10, 0.15)):
        knots = rng.normal(0.0, weight, n // packets + 2)
        load += np.interp(np.arange(n) / packets, np.arange(knots.size), knots)
    own_us = rng.gamma(1.5, 0.1 * median_us, n)
    return (median_us * np.exp(load) + own_us).astype(np.int32)


def is_lost(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return losses in bursts of a geometric length, a Gilbert model drawn run by run."""
    runs = int(n * LOST / BURST)
    starts = np.sort(rng.integers(0, n, runs))
    lengths = rng.geometric(1 / BURST, runs)
    edges = np.zeros(n + 1, np.int64)
    np.add.at(edges, starts, 1)
    np.add.at(edges, np.minimum(starts + lengths, n), -1)
    return np.cumsum(edges[:-1]) > 0


def simulated(n: int, rng: np.random.Generator, *, has_directions: bool) -> dict[str, ArrayColumn]:
    """Return a run in order of sending: bursty loss of 0.1 %, autocorrelated integer delays."""
    lost = is_lost(n, rng)
    there = ~lost
    up, down = delays_us(n, 6_000.0, rng), delays_us(n, 4_000.0, rng)
    seq = np.arange(n, dtype=np.int32)
    return {
        "t_us": ArrayColumn(START_US + STEP_US * seq.astype(np.int64)),
        "session": ArrayColumn(np.ones(n, np.int32)),
        "seq": ArrayColumn(seq),
        "refl_seq": ArrayColumn(np.cumsum(there, dtype=np.int32), there),
        "ul_us": ArrayColumn(up, there if has_directions else np.zeros(n, np.bool_)),
        "dl_us": ArrayColumn(down, there if has_directions else np.zeros(n, np.bool_)),
        "rtt_us": ArrayColumn(np.where(there, up + down, 0), there),
        "copy": ArrayColumn(there.astype(np.int16)),
        "lost": ArrayColumn(np.where(lost, 3, 0).astype(np.int16)),
    }


def timed(work: Callable[[], Any]) -> Timed:
    """Run some rounds on one processor."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        work()
        walls, processors = [], []
        for _ in range(ROUNDS):
            wall, processor = time.perf_counter(), time.process_time()
            result = work()
            walls.append(time.perf_counter() - wall)
            processors.append(time.process_time() - processor)
    finally:
        os.sched_setaffinity(0, allowed)
    return Timed(min(walls), min(processors), result)


def full_set(columns: dict[str, ArrayColumn]) -> Callable[[], Any]:
    """Return the work that turns columns into every KPI of the link."""
    subject = Subject(
        device="car-1", link="l5g", started_at=datetime.fromtimestamp(START_US / 1e6, tz=UTC),
        ended_at=datetime.fromtimestamp((START_US + STEP_US * PACKETS) / 1e6, tz=UTC),
        profile=NO_REQUIREMENTS, clock=CLOCK,
    )  # fmt: skip
    return lambda: evaluate_link(probe_arrays(columns), subject)


def ours(rtt_us: np.ndarray, lost: np.ndarray) -> tuple[float, ...]:
    """Return the quantiles, the loss ratio and the share within the bound as the KPIs compute them."""
    missing = int(np.count_nonzero(lost))
    counted = histogram(rtt_us[lost == 0] if missing else rtt_us, missing)
    values = counted.at([rank(q, counted.n) for q in QUANTILES])
    within = int(counted.counts[: np.searchsorted(counted.values, WITHIN_US, "right")].sum())
    return (*values, missing / lost.size, within / lost.size)


def duckdb_peer(rtt_us: np.ndarray, lost: np.ndarray) -> Callable[[], tuple[float, ...]]:
    """Return the same in SQL, on the arrays themselves."""
    import duckdb  # noqa: PLC0415 - an optional peer

    connection = duckdb.connect(config={"threads": 1})
    connection.register("probe", {"rtt_us": rtt_us, "lost": lost})
    sql = (
        f"SELECT quantile_disc(CASE WHEN lost = 0 THEN rtt_us ELSE 2147483647 END, [{', '.join(QUANTILES)}]),"
        f" avg((lost > 0)::int), avg((lost = 0 AND rtt_us <= {WITHIN_US})::int) FROM probe"
    )

    def work() -> tuple[float, ...]:
        row = connection.execute(sql).fetchone()
        assert row is not None
        return (*map(float, row[0]), *row[1:])

    return work


def polars_peer(rtt_us: np.ndarray, lost: np.ndarray) -> Callable[[], tuple[float, ...]]:
    """Return the same in expressions, on a frame made of the arrays without copying them."""
    os.environ["POLARS_MAX_THREADS"] = "1"
    import polars as pl  # noqa: PLC0415 - an optional peer, told its threads before it starts

    assert pl.thread_pool_size() == 1
    frame = pl.DataFrame({"rtt_us": rtt_us, "lost": lost})
    delay = pl.when(pl.col("lost") == 0).then(pl.col("rtt_us")).otherwise(2**31 - 1)
    asked = [
        *(delay.quantile(float(q), "equiprobable").alias(q) for q in QUANTILES),
        (pl.col("lost") > 0).mean().alias("loss"),
        ((pl.col("lost") == 0) & (pl.col("rtt_us") <= WITHIN_US)).mean().alias("within"),
    ]
    return lambda: frame.lazy().select(asked).collect().row(0)


PEERS = {"duckdb": duckdb_peer, "polars": polars_peer}


def run() -> Iterator[dict[str, Any]]:
    """Yield `kpi_memory`, `kpi_memory_directions` and `kpi_memory_quantiles`."""
    for bench, has_directions in (("kpi_memory", False), ("kpi_memory_directions", True)):
        columns = simulated(PACKETS, np.random.default_rng(1), has_directions=has_directions)
        found = timed(full_set(columns))
        yield {
            "bench": bench, "value": round(PACKETS / found.wall_s), "unit": "packets/s", "peers": {},
            "packets": PACKETS, "wall_s": round(found.wall_s, 3), "cpu_s": round(found.cpu_s, 3),
            "packets_per_cpu_s": round(PACKETS / found.cpu_s),
            "results": len(found.result), "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }  # fmt: skip
    rtt_us, lost = columns["rtt_us"].values, columns["lost"].values
    del columns
    mine = timed(lambda: ours(rtt_us, lost))
    peers, seconds, skipped = {}, {}, []
    for name, make in PEERS.items():
        if importlib.util.find_spec(name) is None:
            skipped.append(name)
            continue
        peer = timed(make(rtt_us, lost))
        assert np.allclose(peer.result, mine.result, rtol=1e-12), (name, peer.result, mine.result)
        peers[name] = round(PACKETS / peer.wall_s)
        seconds[name] = {"wall_s": round(peer.wall_s, 3), "cpu_s": round(peer.cpu_s, 3)}
    yield {
        "bench": "kpi_memory_quantiles", "value": round(PACKETS / mine.wall_s), "unit": "packets/s", "peers": peers,
        "packets": PACKETS, "wall_s": round(mine.wall_s, 3), "cpu_s": round(mine.cpu_s, 3), "peer_seconds": seconds,
        "skipped": skipped, "threads": "1 each: one processor, duckdb threads = 1, POLARS_MAX_THREADS = 1",
    }  # fmt: skip
