"""Every KPI of a run from the database, beside reading the same columns and doing nothing with them.

JISSHO_TEST_BENCH_PACKETS sets the length of the run (default 2 M packets).
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psycopg

from analytics.probes import COLUMNS
from analytics.run_loader import evaluate_run
from storage.columnar import ArrayColumn, BatchKey, ColumnBatch
from storage.connect import connect
from storage.long_reader import read_long
from storage.migrate import migrate
from storage.reader import read_columns
from storage.runs import start_run
from storage.writer import Writer
from tests.benchmarks.bench_ingest import embedded_database, fresh_database
from tests.benchmarks.bench_kpi_memory import START_US, STEP_US, simulated
from tests.benchmarks.load import peak_rss_mb

PACKETS = int(os.environ.get("JISSHO_TEST_BENCH_PACKETS", "2000000"))
BATCH_ROWS, COMMIT_BATCHES = 500, 200
ROUNDS = 3


def store(connection: psycopg.Connection) -> list[int]:
    """Store the run in batches as they come by MQTT; return the link's id in a list."""
    columns = simulated(PACKETS, np.random.default_rng(1), has_directions=False)
    writer, waiting = Writer(connection), []
    for seq, first in enumerate(range(0, PACKETS, BATCH_ROWS), start=1):
        part = slice(first, first + BATCH_ROWS)
        cut = {
            name: ArrayColumn(one.values[part], None if one.valid is None else one.valid[part])
            for name, one in columns.items()
        }
        t_us = cut.pop("t_us").values
        key = BatchKey("bench", "car-1", "bench", seq)
        waiting.append(ColumnBatch(key, "probe", "l5g", "bench/1", t_us.size, t_us, cut, int(t_us[-1])))
        if len(waiting) == COMMIT_BATCHES:
            writer.commit(waiting)
            waiting = []
    writer.commit(waiting)
    connection.execute("VACUUM (ANALYZE) probe")
    rows = connection.execute("SELECT link_id FROM link_name WHERE site = 'bench' AND link = 'l5g'").fetchall()
    return [link_id for (link_id,) in rows]


def fastest(work: Callable[[], Any]) -> float:
    """Return the seconds of the fastest of some rounds."""
    took = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        took.append(time.perf_counter() - started)
    return min(took)


def bench(url: str, name: str, *, is_columnstore: bool) -> dict[str, Any]:
    """Measure on one database."""
    start = datetime.fromtimestamp(START_US / 1e6, tz=UTC)
    window = {"start_us": START_US, "end_us": START_US + STEP_US * PACKETS}
    with connect(url) as connection:
        migrate(connection)
        link_ids = store(connection)
        end = start + timedelta(microseconds=STEP_US * PACKETS)
        run = start_run(connection, name="bench", site="bench", started_at=start, ended_at=end)
        if is_columnstore:
            for (chunk,) in connection.execute("SELECT show_chunks('probe')::text").fetchall():
                connection.execute(f"CALL convert_to_columnstore('{chunk}', if_not_columnstore => true)".encode())
        one_s = fastest(lambda: read_columns(connection, "probe", COLUMNS, link_ids=link_ids, **window))
        bare_s = fastest(lambda: read_long(connection, "probe", COLUMNS, link_ids=link_ids, **window))
        results: list[Any] = []
        took_s = fastest(lambda: results.append(len(evaluate_run(connection, run, None))))
    return {
        "bench": name, "value": round(PACKETS / took_s), "unit": "packets/s",
        "peers": {
            "the same columns read to numpy": round(PACKETS / bare_s),
            "the same over one connection": round(PACKETS / one_s),
        }, "packets": PACKETS,
        "results": results[-1], "wall_s": round(took_s, 3), "peak_rss_mb": peak_rss_mb(), "cpus": os.cpu_count(),
    }  # fmt: skip


def run() -> Iterator[dict[str, Any]]:
    """Yield `kpi_database`, and with a TimescaleDB `kpi_database_columnstore`."""
    with embedded_database() as url:
        yield bench(url, "kpi_database", is_columnstore=False)
    if server := os.environ.get("JISSHO_TEST_TIMESCALE_URL"):
        with fresh_database(server) as url:
            yield bench(url, "kpi_database_columnstore", is_columnstore=True)
    else:
        print("bench kpi_database_columnstore left out: JISSHO_TEST_TIMESCALE_URL is not set", file=sys.stderr)
