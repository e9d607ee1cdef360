"""Chunks read compressed and undone here are what the server gives as rows."""

import logging
from contextlib import contextmanager

import numpy as np
import psycopg
import pytest

from storage import columnstore_reader
from storage.columnar import ArrayColumn
from storage.columnstore import copy_into_columns
from storage.columnstore_reader import columnstore_of
from storage.long_reader import read_long
from storage.migrate import database_mode
from storage.reader import Window, link_ids, read_columns, stream_columns
from storage.simple8b import MalformedError
from tests.storage.test_columnstore import compress, timescale
from tests.storage.test_long_reader import assert_same
from tests.storage.test_writer import ALL_TIME, T0_US, probe_batch, text_batch

__all__ = ["timescale"]

NAMES = ("session", "seq", "refl_seq", "ul_us", "dl_us", "rtt_us", "copy", "lost")
DAY_US = 86_400_000_000
DAY = {"start_us": T0_US // DAY_US * DAY_US, "end_us": (T0_US // DAY_US + 1) * DAY_US}


@pytest.fixture
def ids(timescale):
    """Thirty batches of a link, compressed; the link's ids."""
    timescale.commit([probe_batch(seq, n=200, lost_every=seq % 5) for seq in range(1, 31)])
    compress(timescale.connection)
    return list(link_ids(timescale.connection, "site-a").values())


@contextmanager
def one_state(connection):
    """A transaction as long reading has it."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        connection.execute("SELECT count(*) FROM run")
        yield


def chunks_of(connection, ids, stream="probe", names=NAMES, *, end_us=ALL_TIME["end_us"]):
    window = Window(stream, tuple(ids), 0, end_us)
    return columnstore_of(connection, window, stream_columns(stream, names)).chunks


def assert_read_alike(connection, ids, names=NAMES, chunk_rows=500, **window):
    """Read compressed and as rows, and compare."""
    expected = read_columns(connection, "probe", names, link_ids=ids, **(ALL_TIME | window))
    found = read_long(connection, "probe", names, link_ids=ids, chunk_rows=chunk_rows, **(ALL_TIME | window))
    assert_same(expected, found)
    return found["t_us"].values.size


def of_rows_only(monkeypatch):
    """Let nothing be read as rows but what one table holds uncompressed; return which were."""
    seen, fetch = [], columnstore_reader.fetch_packed

    def fetched(*arguments, only):
        seen.append(only)
        return fetch(*arguments, only=only)

    def refused(*_):
        raise AssertionError("read as rows")

    monkeypatch.setattr(columnstore_reader, "fetch_packed", fetched)
    monkeypatch.setattr(columnstore_reader, "fetch_chunk", refused)
    return seen


def test_what_is_compressed_is_read_compressed(timescale, ids, monkeypatch):
    """Every value and null, in windows that cut compressed rows in two, and nothing of it as rows."""
    seen = of_rows_only(monkeypatch)
    assert assert_read_alike(timescale.connection, ids, **DAY) == 6000
    cut = {"start_us": T0_US + 3_000_050, "end_us": T0_US + 27_100_001}
    assert 4000 < assert_read_alike(timescale.connection, ids, **cut) < 5000
    assert assert_read_alike(timescale.connection, ids, names=("link_id", "rtt_us"), **DAY) == 6000
    assert seen == []


def test_what_came_late_is_read_beside_it(timescale, ids, monkeypatch):
    """Rows that came after the compression lie uncompressed in the same chunk, between the others in time."""
    timescale.commit([probe_batch(seq, n=50, t0_us=T0_US + 500, epoch="late") for seq in range(3, 12)])
    seen = of_rows_only(monkeypatch)
    assert assert_read_alike(timescale.connection, ids, **DAY) == 6450
    assert seen != []


def test_other_days_are_read_as_rows(timescale, ids):
    """What is not compressed yet, before and behind what is, comes in its place."""
    for day, epoch in ((-1, "before"), (1, "behind")):
        timescale.commit(
            [probe_batch(seq, n=200, t0_us=T0_US + day * DAY_US, epoch=epoch, lost_every=7) for seq in range(1, 11)]
        )
    with one_state(timescale.connection):
        (chunk,) = chunks_of(timescale.connection, ids)
    assert not chunk.has_rows
    assert assert_read_alike(timescale.connection, ids) == 10_000
    assert assert_read_alike(timescale.connection, ids, chunk_rows=3000) == 10_000


def test_a_few_links_at_once(timescale):
    """Each row keeps its link; links beside those asked for are left out."""
    for link in ("l5g", "lte", "wifi"):
        timescale.commit([probe_batch(seq, n=100, link=link, epoch=link, lost_every=3) for seq in range(1, 16)])
    compress(timescale.connection)
    by_name = link_ids(timescale.connection, "site-a")
    wanted = [by_name["car-1", link] for link in ("l5g", "wifi")]
    names = ("link_id", *NAMES)
    expected = read_columns(timescale.connection, "probe", names, link_ids=wanted, **ALL_TIME)
    found = read_long(timescale.connection, "probe", names, link_ids=wanted, chunk_rows=300, **ALL_TIME)

    def ordered(columns):
        order = np.lexsort((columns["link_id"].values, columns["t_us"].values))
        return {
            name: ArrayColumn(one.values[order], None if one.valid is None else one.valid[order])
            for name, one in columns.items()
        }

    assert set(found["link_id"].values.tolist()) == set(wanted)
    assert_same(ordered(expected), ordered(found))


@pytest.mark.parametrize("seed", range(4))
def test_any_values(timescale, seed):
    """Extremes, wild steps, uneven instants and nulls of every column that can be null."""
    rng, n = np.random.default_rng(seed), 2500
    batches = []
    for seq in range(1, 6):
        batch = probe_batch(seq, n=n)
        batch.t_us[:] = np.sort(T0_US + seq * 60_000_000 + rng.choice(50_000_000, n, replace=False))
        for name in ("refl_seq", "ul_us", "dl_us", "rtt_us"):
            values = rng.integers(0, 2 ** rng.integers(1, 31), n).astype(np.int32)
            values[rng.random(n) < 0.02] = 2**31 - 1
            batch.columns[name] = ArrayColumn(values, rng.random(n) < rng.choice([0.0, 0.3, 0.999, 1.1]))
        batches.append(batch)
    timescale.commit(batches)
    compress(timescale.connection)
    ids = list(link_ids(timescale.connection, "site-a").values())
    assert assert_read_alike(timescale.connection, ids, chunk_rows=2500) == 5 * n


def test_what_was_imported_into_columns(timescale):
    """Compressed rows of an import, which may overlap each other, are read alike."""
    copy_into_columns(timescale.connection)
    for seq in (4, 1, 9, 2, 8, 3, 10, 7, 5, 6):
        timescale.commit([probe_batch(seq, n=200, lost_every=9)])
    ids = list(link_ids(timescale.connection, "site-a").values())
    with one_state(timescale.connection):
        assert chunks_of(timescale.connection, ids)
    assert assert_read_alike(timescale.connection, ids) == 2000


def test_what_does_not_agree_is_read_as_rows_and_told_once(timescale, ids, monkeypatch, caplog):
    """A compressed row that another version would write otherwise makes reading slower, not wrong."""
    undo = columnstore_reader.integers

    def other(raws, counts):
        undo(raws, counts)
        raise MalformedError("a column compressed in a way not known here")

    monkeypatch.setattr(columnstore_reader, "integers", other)
    with caplog.at_level(logging.WARNING):
        assert assert_read_alike(timescale.connection, ids) == 6000
    (record,) = caplog.records
    assert "compressed rows of probe are not as they were known to be" in record.getMessage()


def test_instants_outside_of_what_the_row_says_are_not_believed(timescale, ids, monkeypatch, caplog):
    """Its first and its last instant stand beside the compressed ones."""
    monkeypatch.setattr(columnstore_reader, "POSTGRES_EPOCH_US", columnstore_reader.POSTGRES_EPOCH_US + 1)
    with caplog.at_level(logging.WARNING):
        assert assert_read_alike(timescale.connection, ids) == 6000
    assert "instants" in caplog.text


def test_what_cannot_be_undone_here_is_left_to_the_server(timescale, ids):
    """Floats, a table that is segmented by more than its link, and a user who may not read the compressed table."""
    connection = timescale.connection
    timescale.commit([text_batch(101, "radio", pci=7, rsrp_dbm=-90.0)])
    timescale.commit([text_batch(102, "video", camera="front", interval_s=1.0, freezes=2)])
    for table in ("radio", "video"):
        assert compress(connection, table) == 1
    with one_state(connection):
        (whole,) = chunks_of(connection, ids)
        assert chunks_of(connection, ids, end_us=T0_US - DAY_US) == []
        assert chunks_of(connection, ids, "radio", ("pci",))
        assert chunks_of(connection, ids, "radio", ("pci", "rsrp_dbm")) == []
        assert chunks_of(connection, ids, "video", ("freezes",)) == []
    connection.execute("DROP ROLE IF EXISTS jissho_test_looker")
    connection.execute("CREATE ROLE jissho_test_looker")
    try:
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO jissho_test_looker")
        connection.execute(f"REVOKE SELECT ON {whole.compressed} FROM jissho_test_looker".encode())
        with one_state(connection):
            connection.execute("SET LOCAL ROLE jissho_test_looker")
            assert chunks_of(connection, ids) == []
            assert connection.execute("SELECT count(*) FROM probe").fetchone() == (6000,)
    finally:
        connection.execute("DROP OWNED BY jissho_test_looker")
        connection.execute("DROP ROLE jissho_test_looker")


def test_within_a_transaction_of_the_caller(timescale, ids, monkeypatch):
    """One that sees one state throughout, as in a process of its own, reads what is compressed; another reads rows."""
    seen = of_rows_only(monkeypatch)
    with one_state(timescale.connection):
        whole = read_long(timescale.connection, "probe", NAMES, link_ids=ids, chunk_rows=500, **DAY)
    assert whole["t_us"].values.size == 6000
    assert seen == []
    with timescale.connection.transaction():
        assert chunks_of(timescale.connection, ids) == []
        again = read_long(timescale.connection, "probe", NAMES, link_ids=ids, chunk_rows=500, **DAY)
    assert_same(whole, again)


def test_a_chunk_undone_before_it_was_looked_at_is_read_as_rows(db, timescale, ids):
    """The transaction still sees its compressed table in the catalog, and it is gone."""
    other = db.connect()
    chunk = other.execute("SELECT show_chunks('probe')::text").fetchone()[0]
    with one_state(timescale.connection):
        other.execute(f"CALL convert_to_rowstore('{chunk}')".encode())
        assert chunks_of(timescale.connection, ids) == []
        assert timescale.connection.execute("SELECT 1").fetchone() == (1,)


def test_a_chunk_that_is_read_is_not_undone_meanwhile(db, timescale, ids):
    """Whoever wants to turn it back into rows waits until it was read."""
    other = db.connect()
    chunk = other.execute("SELECT show_chunks('probe')::text").fetchone()[0]
    other.execute("SET lock_timeout = '300ms'")
    with one_state(timescale.connection):
        assert chunks_of(timescale.connection, ids)
        with pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute(f"CALL convert_to_rowstore('{chunk}')".encode())


def test_a_server_without_columns_has_none(db):
    """Plain PostgreSQL is asked once, and read as ever."""
    connection = db.writer().connection
    if database_mode(connection) == "timescale":
        pytest.skip("here every chunk may be compressed")
    with one_state(connection):
        assert chunks_of(connection, [1]) == []
