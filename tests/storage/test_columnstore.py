"""TimescaleDB's columnstore: old chunks become columns, and what comes late still counts once."""

import numpy as np
import pytest

from storage.columnstore import copy_into_columns
from storage.migrate import database_mode
from storage.reader import link_ids, read_columns
from tests.storage.test_writer import T0_US, probe_batch

ALL_TIME = {"start_us": 0, "end_us": 4_000_000_000_000_000}


@pytest.fixture
def timescale(db):
    """A writer on TimescaleDB."""
    writer = db.writer()
    if database_mode(writer.connection) != "timescale":
        pytest.skip("plain PostgreSQL has no columnstore")
    return writer


def compress(connection, table="probe"):
    """Turn every chunk of a table into columns; return how many there are."""
    chunks = [row[0] for row in connection.execute("SELECT show_chunks(%s::regclass)", (table,))]
    for chunk in chunks:
        connection.execute("CALL convert_to_columnstore(%s::regclass)", (str(chunk),))
    return len(chunks)


def read(connection):
    ids = list(link_ids(connection, "site-a").values())
    return read_columns(connection, "probe", ["seq", "rtt_us", "lost"], link_ids=ids, **ALL_TIME)


def test_every_stream_is_compressed_only_behind_the_backlog_horizon(timescale):
    """Each table has a policy of seven days, and each segments by its link."""
    rows = timescale.connection.execute(
        "SELECT hypertable_name, config ->> 'compress_after' FROM timescaledb_information.jobs"
        " WHERE proc_name = 'policy_compression' OR proc_name LIKE '%columnstore%'"
    ).fetchall()
    tables = {
        row[0]
        for row in timescale.connection.execute("SELECT hypertable_name FROM timescaledb_information.hypertables")
    }

    of_samples = {name: after for name, after in rows if name in tables}
    assert set(of_samples) == tables
    assert set(of_samples.values()) == {"7 days"}


def test_columns_read_back_equal(timescale):
    """Compression changes no value and no null."""
    timescale.commit([probe_batch(seq, n=200, lost_every=9) for seq in range(1, 21)])
    before = read(timescale.connection)
    assert compress(timescale.connection) >= 1
    after = read(timescale.connection)

    for name, column in before.items():
        assert np.array_equal(column.values, after[name].values), name
        assert (column.valid is None) == (after[name].valid is None)
        assert column.valid is None or np.array_equal(column.valid, after[name].valid)


def test_late_rows_into_a_compressed_chunk_count_once(timescale):
    """A backlog that arrives after compression is committed exactly once, resends included."""
    timescale.commit([probe_batch(seq, n=100) for seq in (1, 3, 5)])
    compress(timescale.connection)
    outcome = timescale.commit([probe_batch(seq, n=100) for seq in (1, 2, 3, 4, 5)])
    again = timescale.commit([probe_batch(seq, n=100) for seq in (2, 4)])

    assert sorted(key.seq for key in outcome.committed) == [2, 4]
    assert again.committed == []
    found = read(timescale.connection)
    assert found["t_us"].values.size == 500
    assert (np.diff(found["t_us"].values) > 0).all()
    assert int(found["t_us"].values[0]) == T0_US + 1_000_000


def test_two_samples_in_the_same_microsecond_are_both_kept(timescale):
    """Time is never the key, in rows and in columns."""
    first, second = probe_batch(1, n=5), probe_batch(2, n=5, t0_us=T0_US - 1_000_000)
    assert np.array_equal(first.t_us, second.t_us)
    timescale.commit([first])
    compress(timescale.connection)
    timescale.commit([second])

    assert read(timescale.connection)["t_us"].values.size == 10


def test_what_is_imported_is_columns_at_once_and_counts_once(timescale):
    """An import's rows are columns before any policy ran; offered again, and by a live writer, they count once."""
    batches = [probe_batch(seq, n=200, lost_every=9) for seq in range(1, 21)]
    copy_into_columns(timescale.connection)
    timescale.commit(batches[:15])
    status = "SELECT DISTINCT compression_status FROM chunk_columnstore_stats('probe')"
    assert timescale.connection.execute(status).fetchall() == [("Compressed",)]

    live = type(timescale)(timescale.connection)
    timescale.connection.execute("SET timescaledb.enable_direct_compress_copy = off")
    outcome = live.commit(batches[10:])
    there = read(timescale.connection)
    compress(timescale.connection)

    assert (len(outcome.committed), len(outcome.duplicates)) == (5, 5)
    assert there["seq"].values.size == 4_000
    assert np.array_equal(there["rtt_us"].values, read(timescale.connection)["rtt_us"].values)


def test_a_server_without_columns_goes_on_storing_rows(db):
    """Plain PostgreSQL takes an import as it takes everything."""
    writer = db.writer()
    copy_into_columns(writer.connection)

    assert writer.commit([probe_batch(1)]).rows > 0
