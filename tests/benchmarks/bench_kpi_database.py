"""Every KPI of a run from the database, beside reading the same columns and doing nothing with them.

JISSHO_TEST_BENCH_PACKETS sets the length of the run (default 10 M packets; 100000000 shows that memory does not
grow with it).
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
import psycopg

from analytics.probes import COLUMNS
from analytics.run_loader import evaluate_run
from storage import long_reader
from storage.columnar import ArrayColumn, BatchKey, ColumnBatch
from storage.columnstore_reader import Columnstore
from storage.connect import connect
from storage.long_reader import read_long
from storage.migrate import migrate
from storage.reader import read_columns
from storage.runs import list_runs, start_run
from storage.writer import Writer
from tests.benchmarks.bench_ingest import embedded_database, fresh_database
from tests.benchmarks.bench_kpi_memory import START_US, STEP_US, simulated
from tests.benchmarks.load import peak_rss_mb

PACKETS = int(os.environ.get("JISSHO_TEST_BENCH_PACKETS", "10000000"))
BATCH_ROWS, COMMIT_BATCHES = 500, 200
SEGMENT = 1_000_000
MOST_AT_ONCE = 20_000_000
"""Longer runs are not read into memory at once beside: the evaluation alone is measured."""

ROUNDS = 3 if PACKETS <= MOST_AT_ONCE else 1


def segments() -> Iterator[dict[str, ArrayColumn]]:
    """Yield the run in stretches of a million packets, one session: no more of it is ever in memory."""
    rng, reached = np.random.default_rng(1), 0
    for first in range(0, PACKETS, SEGMENT):
        columns = simulated(min(SEGMENT, PACKETS - first), rng, has_directions=False)
        answered = columns["refl_seq"]
        moved = {
            "t_us": ArrayColumn(columns["t_us"].values + STEP_US * first),
            "seq": ArrayColumn((columns["seq"].values + first).astype(np.int32)),
            "refl_seq": ArrayColumn((answered.values + reached).astype(np.int32), answered.valid),
        }
        reached += int(answered.values[-1])
        yield columns | moved


def store(connection: psycopg.Connection) -> list[int]:
    """Store the run in batches as they come by MQTT; return the link's id in a list."""
    writer, waiting, seq = Writer(connection), [], 0
    for columns in segments():
        for first in range(0, columns["t_us"].values.size, BATCH_ROWS):
            part = slice(first, first + BATCH_ROWS)
            cut = {
                name: ArrayColumn(one.values[part], None if one.valid is None else one.valid[part])
                for name, one in columns.items()
            }
            t_us, seq = cut.pop("t_us").values, seq + 1
            key = BatchKey("bench", "car-1", "bench", seq)
            waiting.append(ColumnBatch(key, "probe", "l5g", "bench/1", t_us.size, t_us, cut, int(t_us[-1])))
            if len(waiting) == COMMIT_BATCHES:
                writer.commit(waiting)
                waiting = []
    writer.commit(waiting)
    connection.execute("VACUUM (ANALYZE) probe")
    rows = connection.execute("SELECT link_id FROM link_name WHERE site = 'bench' AND link = 'l5g'").fetchall()
    return [link_id for (link_id,) in rows]


def as_rows(read: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Read as if nothing lay compressed."""
    with patch.object(long_reader, "columnstore_of", lambda *_: Columnstore(())):
        return read(*arguments, **named)


def evaluate_alone(url: str) -> None:
    """Evaluate the stored run in this process and print seconds, number of results and peak memory as JSON."""
    with connect(url) as connection:
        run = list_runs(connection)[0]
        results: list[Any] = []
        took_s = fastest(lambda: results.append(len(evaluate_run(connection, run, None))))
    print(json.dumps({"took_s": took_s, "results": results[-1], "peak_rss_mb": peak_rss_mb()}))


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
        start_run(connection, name="bench", site="bench", started_at=start, ended_at=end)
        if is_columnstore:
            for (chunk,) in connection.execute("SELECT show_chunks('probe')::text").fetchall():
                connection.execute(f"CALL convert_to_columnstore('{chunk}', if_not_columnstore => true)".encode())
        # Other readers do not undo compressed rows: what this is held against is reading a columnstore as rows.
        readers = {
            "the same columns read to numpy": read_long,
            "the same as rows": partial(as_rows, read_long),
            "the same as rows over one connection": read_columns,
        }
        bare_s = {
            label: fastest(lambda read=read: read(connection, "probe", COLUMNS, link_ids=link_ids, **window))
            for label, read in readers.items()
            if PACKETS <= MOST_AT_ONCE and (is_columnstore or not isinstance(read, partial))
        }
    # A process of its own: the memory is that of the evaluation, not of what made the run.
    command = [sys.executable, "-m", "tests.benchmarks.bench_kpi_database", url]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    return {
        "bench": name, "value": round(PACKETS / found["took_s"]), "unit": "packets/s",
        "peers": {
            label: round(PACKETS / seconds) for label, seconds in bare_s.items()
        }, "packets": PACKETS, "results": found["results"], "wall_s": round(found["took_s"], 3),
        "peak_rss_mb": found["peak_rss_mb"], "cpus": os.cpu_count(),
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


if __name__ == "__main__":
    evaluate_alone(sys.argv[1])
