"""Cutting the tables by time: on both servers nothing is lost or blocked, whatever the clocks say."""

import numpy as np
import pytest

from contract.streams import STREAMS
from storage import partitions
from storage.columnar import BatchKey, ColumnBatch
from storage.migrate import database_mode, migrate, read_migrations
from storage.partitions import Coverage, make_partitions
from storage.reader import link_ids, read_columns
from tests.storage.test_writer import T0_US, count, probe_batch

DAY_US = 86_400_000_000
CLOCK_1970_US = 5_000_000
CLOCK_2100_US = 4_102_444_800_000_000 + 30 * DAY_US
TWO_YEARS = range(1, 2 * 365 + 1)


@pytest.fixture
def plain(db):
    """A writer on plain PostgreSQL."""
    writer = db.writer()
    if database_mode(writer.connection) != "plain":
        pytest.skip("TimescaleDB makes chunks by itself")
    return writer


def at(t_us, seq, **options):
    """Make a probe batch whose first sample is at `t_us`."""
    return probe_batch(seq, t0_us=t_us - seq * 1_000_000, **options)


def tables(connection, stream="probe"):
    """Return the names of the partitions of a stream."""
    return {
        row[0]
        for row in connection.execute(
            "SELECT relid::regclass::text FROM pg_partition_tree(%s::regclass) WHERE isleaf", (stream,)
        )
    }


def scanned(connection, start, end):
    """Return the tables that a window's query touches, partitions or chunks."""
    plan = connection.execute(
        "EXPLAIN (FORMAT json) SELECT t, rtt_us FROM probe"
        f" WHERE t >= timestamptz '{start}' AND t < timestamptz '{end}' AND link_id = ANY('{{1,2}}')"
    ).fetchone()[0]
    found, nodes = set(), [plan[0]["Plan"]]
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", [])
        if "Relation Name" in node:
            found.add(node["Relation Name"])
    return found


def test_two_years_of_days_are_taken_and_a_narrow_window_touches_few_tables(db):
    """One row a day over two years is stored and read in order, and a day's query touches one or two tables of 100."""
    writer = db.writer()
    batches = [at(T0_US - day * DAY_US, day, n=1) for day in TWO_YEARS]
    for start in range(0, len(batches), 100):
        writer.commit(batches[start : start + 100])

    ids = list(link_ids(writer.connection, "site-a").values())
    back = read_columns(
        writer.connection, "probe", ["rtt_us"], link_ids=ids, start_us=T0_US - 800 * DAY_US, end_us=T0_US
    )
    assert np.array_equal([T0_US - day * DAY_US for day in reversed(TWO_YEARS)], back["t_us"].values)
    assert np.array_equal([day * 1000 for day in reversed(TWO_YEARS)], back["rtt_us"].values)
    touched = scanned(writer.connection, "2025-03-05 10:00+00", "2025-03-06 10:00+00")
    assert 1 <= len(touched) <= 2
    assert "probe_default" not in touched


def test_wrong_clocks_are_stored_and_block_nothing(db):
    """Samples of 1970 and of 2100 stand beside today's, in one transaction, and later batches still come in."""
    writer = db.writer()
    first = writer.commit([at(CLOCK_1970_US, 1), at(CLOCK_2100_US, 2), at(T0_US, 3)])
    second = writer.commit([at(T0_US - 700 * DAY_US, 4), at(CLOCK_1970_US, 5), at(T0_US, 6)])
    migrate(writer.connection)

    assert (3, 3) == (len(first.committed), len(second.committed))
    ids = list(link_ids(writer.connection, "site-a").values())
    back = read_columns(writer.connection, "probe", ["seq"], link_ids=ids, start_us=0, end_us=2 * CLOCK_2100_US)
    assert back["t_us"].values.size == 60
    assert back["t_us"].values[0] == CLOCK_1970_US
    assert back["t_us"].values[-1] == CLOCK_2100_US + 9_000


def test_a_batch_that_spans_years_has_all_its_partitions(plain):
    """One batch with samples of three months far apart makes three partitions, and nothing goes to DEFAULT."""
    batch = at(T0_US, 1, n=3)
    batch.t_us[:] = [T0_US, T0_US - 600 * DAY_US, T0_US - 300 * DAY_US]
    before = tables(plain.connection)
    plain.commit([batch])

    assert len(tables(plain.connection) - before) == 3
    assert count(plain.connection, "probe_default") == 0


def test_partitions_are_made_ahead(plain):
    """After a migration every stream has partitions from now on for two weeks, and a second call makes none."""
    for stream in STREAMS:
        assert len(tables(plain.connection, stream)) >= 2
    assert plain.connection.execute("SELECT jissho_make_partitions(now() + interval '14 days')").fetchone() == (0,)
    made = plain.connection.execute("SELECT jissho_make_partitions(now() + interval '70 days')").fetchone()[0]
    assert made > 8 * 2  # each brings its index


def test_a_reader_of_the_default_partition_blocks_no_ingest(plain, db, monkeypatch):
    """While somebody reads DEFAULT the batch goes there; afterwards its rows move to a partition of their own."""
    monkeypatch.setattr(partitions, "_TRY_AGAIN_S", 0.0)
    reader = db.connect()
    with reader.transaction():
        reader.execute("SELECT count(*) FROM probe")
        plain.commit([at(T0_US - 400 * DAY_US, 1)])
        assert count(plain.connection, "probe_default") == 10

    plain.commit([at(T0_US - 400 * DAY_US, 2)])
    assert count(plain.connection, "probe_default") == 0
    assert count(plain.connection) == 20


def test_rows_in_default_move_when_partitions_are_made(plain):
    """What another program wrote into DEFAULT is in its partition after the next start of a service."""
    plain.connection.execute(
        "INSERT INTO clock (t, link_id, batch_id, method, synced) VALUES"
        " ('2019-05-05', 1, 1, 'none', false), ('2019-09-05', 1, 1, 'none', false), ('1969-09-05', 1, 1, 'none', false)"
    )
    assert count(plain.connection, "clock_default") == 3
    make_partitions(plain.connection)

    assert count(plain.connection, "clock_default") == 1
    assert count(plain.connection, "clock") == 3


def test_two_writers_make_one_partition(plain, db):
    """A partition that another writer made in the meantime is taken as it is."""
    other, mine = Coverage(), Coverage()
    batch = ColumnBatch(BatchKey("s", "d", "e", 1), "probe", "", "", 1, np.array([T0_US - 500 * DAY_US]), {}, T0_US)
    before = tables(plain.connection)
    other.ensure(db.connect(), batch)
    mine.ensure(plain.connection, batch)

    assert len(tables(plain.connection) - before) == 1


def test_tables_with_rows_are_converted_without_loss(plain):
    """The migration keeps every row, of today, of two years ago and of wrong clocks, and the columns' comments."""
    connection = plain.connection
    connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    migrate(connection, migrations=[migration for migration in read_migrations() if migration.number < 7])
    connection.execute(
        "INSERT INTO probe SELECT t, 1, 2, 3, 4, NULL, -5, NULL, 7, 1, 0"
        " FROM unnest('{1970-01-01,2024-05-05,2026-05-05 12:00,2026-05-06,2105-01-01}'::timestamptz[]) AS t"
    )
    rows = connection.execute("SELECT * FROM probe ORDER BY t").fetchall()
    comment = "SELECT col_description('probe'::regclass, 9)"
    described = connection.execute(comment).fetchone()
    migrate(connection)

    assert rows == connection.execute("SELECT * FROM probe ORDER BY t").fetchall()
    assert described == connection.execute(comment).fetchone()
    assert count(connection, "probe_default") == 2
    assert {"probe_p20240429", "probe_p20260504"} < tables(connection)
    assert connection.execute("SELECT to_regclass('probe_before')").fetchone() == (None,)
