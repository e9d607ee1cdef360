"""A run whose packets lie in TimescaleDB's columnstore is evaluated as one whose packets lie in rows."""

from functools import partial

import numpy as np
import pytest

from analytics import packet_loader
from storage import columnstore_reader
from storage.columnar import ArrayColumn
from storage.long_reader import iterate_long
from storage.migrate import database_mode
from tests.analytics.test_executors import evaluated, excluded
from tests.analytics.test_loader import make_probes, measured
from tests.storage.test_columnstore import compress

__all__ = ["measured"]


def test_compressed_packets_give_the_same_results(measured, monkeypatch):
    """Both links and their pair, with an exclusion, and with packets that came after the compression."""
    connection, run, _, outbox = measured
    if database_mode(connection) != "timescale":
        pytest.skip("plain PostgreSQL has no columnstore")
    excluded(connection, run)
    compress(connection)
    t_us, columns = make_probes(9)
    late = {
        name: ArrayColumn(one.values[:200], None if one.valid is None else one.valid[:200])
        for name, one in columns.items()
    }
    late["session"] = ArrayColumn(np.full(200, 8, np.int32))
    outbox.write("probe", "lte", t_us[:200] + 50_000, **late)

    undone, undo = [], columnstore_reader.integers
    monkeypatch.setattr(columnstore_reader, "integers", lambda *given: undone.append(1) or undo(*given))
    # One chunk a batch: each of them has more rows than this.
    monkeypatch.setattr(packet_loader, "iterate_long", partial(iterate_long, chunk_rows=50))
    monkeypatch.setattr("storage.long_reader.LEAST_CHUNKS", 1)
    compressed = evaluated(connection, run)
    assert undone
    for (chunk,) in connection.execute("SELECT show_chunks('probe')::text").fetchall():
        connection.execute(f"CALL convert_to_rowstore('{chunk}')".encode())
    undone.clear()
    assert evaluated(connection, run) == compressed
    assert not undone
