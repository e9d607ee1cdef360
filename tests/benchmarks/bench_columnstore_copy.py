"""COPY straight into TimescaleDB's columnstore, beside COPY into rows that are compressed afterwards, by our writer."""

import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg

from storage.columnar import BatchKey, ColumnBatch
from storage.connect import connect
from storage.migrate import migrate
from storage.writer import Writer
from tests.benchmarks.bench_ingest import fresh_database
from tests.benchmarks.bench_partials import START_US, STEP_US, packets

ROWS = 2_000_000
BATCH_ROWS = 500
LINKS = 4
SETTINGS = ("timescaledb.enable_direct_compress_copy", "timescaledb.enable_direct_compress_copy_sort_batches")
COMMITS = {"ingest, 1,000 rows": 2, "ingest, 10,000 rows": 20, "import, 100,000 rows": 200}
"""Rows a transaction, as live data come (a few messages), as a busy ingest commits, and as an import does."""


def batches(first: int, n: int) -> Iterator[ColumnBatch]:
    """Yield `n` batches of four links in turn, as messages of several links come."""
    for number in range(first, first + n):
        link, place = number % LINKS, number // LINKS
        columns = packets(place * BATCH_ROWS, BATCH_ROWS, 8_000.0, number)
        t_us = columns.pop("t_us").values
        key = BatchKey("bench", f"car-{link}", "bench", place + 1)
        yield ColumnBatch(key, "probe", "l5g", "bench/1", BATCH_ROWS, t_us, columns, int(t_us[-1]))


def measure(url: str, messages: int, *, is_direct: bool) -> dict[str, Any]:
    """Commit all rows, compress what is not yet, and say what it took and what is there."""
    made = list(batches(0, ROWS // BATCH_ROWS))
    with connect(url) as connection:
        connection.execute("TRUNCATE probe, batch, ledger")
        for setting in SETTINGS if is_direct else ():
            connection.execute(f"SET {setting} = on".encode())
        writer = Writer(connection)
        started = time.monotonic()
        for first in range(0, len(made), messages):
            writer.commit(made[first : first + messages])
        copied_s = time.monotonic() - started
        before = size(connection)
        started = time.monotonic()
        chunks = [row[0] for row in connection.execute("SELECT show_chunks('probe')::text")]
        for chunk in chunks:
            connection.execute(f"CALL convert_to_columnstore('{chunk}', if_not_columnstore => true)".encode())
        compressed_s = time.monotonic() - started
        again = writer.commit(made[:messages])
        found = connection.execute(
            "SELECT count(*), count(DISTINCT (batch_id, seq)), sum(rtt_us) FROM probe"
        ).fetchone()
        expected = sum(int(batch.columns["rtt_us"].values[batch.columns["rtt_us"].valid].sum()) for batch in made)
        assert found == (ROWS, ROWS, expected), found
        assert not again.committed
        return {
            "rows_per_s": round(ROWS / copied_s), "bytes_a_row": round(before / ROWS, 1),
            "rows_per_s_with_compression": round(ROWS / (copied_s + compressed_s)),
            "bytes_a_row_compressed": round(size(connection) / ROWS, 1), "chunks": len(chunks),
        }  # fmt: skip


def size(connection: psycopg.Connection) -> int:
    """Return the bytes of the probe table with all that belongs to it."""
    row = connection.execute("SELECT hypertable_size('probe')").fetchone()
    assert row is not None
    return int(row[0])


def run() -> Iterator[dict[str, Any]]:
    """Yield one object for each size of transaction."""
    server = os.environ.get("JISSHO_TEST_TIMESCALE_URL")
    if not server:
        print("bench columnstore_copy left out: JISSHO_TEST_TIMESCALE_URL is not set", file=sys.stderr)
        return
    with fresh_database(server) as url:
        with connect(url) as connection:
            migrate(connection)
            # Its jobs would take part at times of their own.
            connection.execute("SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs")
        for name, messages in COMMITS.items():
            direct, rows = (measure(url, messages, is_direct=is_direct) for is_direct in (True, False))
            yield {
                "bench": f"columnstore_copy, {name}", "value": direct["rows_per_s"], "unit": "rows/s",
                "peers": {"row store": rows["rows_per_s"]}, "direct": direct, "row_store": rows,
                "span_s": ROWS // LINKS * STEP_US / 1e6, "from_us": START_US, "cpus": os.cpu_count(),
                "numpy": np.__version__,
            }  # fmt: skip
