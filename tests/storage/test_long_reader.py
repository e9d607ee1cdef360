"""A long window read over two connections is what one connection reads."""

import numpy as np
import pytest

from storage.errors import UnreachableError
from storage.long_reader import in_one_snapshot, read_long
from storage.reader import link_ids, read_columns
from tests.storage.test_writer import ALL_TIME, probe_batch

NAMES = ("seq", "rtt_us", "refl_seq", "lost")


@pytest.fixture
def written(db):
    """A writer whose link has forty batches, which small chunks cut into eight."""
    writer = db.writer()
    writer.commit([probe_batch(seq, n=100, lost_every=7) for seq in range(1, 41)])
    return writer, list(link_ids(writer.connection, "site-a").values())


def assert_same(one, other):
    """Same columns, values and nulls, in the same order."""
    assert one.keys() == other.keys()
    for name, column in one.items():
        nulls = [None if each.valid is None else each.valid.tolist() for each in (column, other[name])]
        assert nulls[0] == nulls[1], name
        known = slice(None) if column.valid is None else column.valid
        assert np.array_equal(column.values[known], other[name].values[known]), name
        assert column.values.dtype == other[name].values.dtype, name


def test_two_connections_read_what_one_reads(written):
    """Chunks come back in the order of time, whoever read them, and the caller's connection is idle again."""
    writer, ids = written
    connection = writer.connection
    expected = read_columns(connection, "probe", NAMES, link_ids=ids, **ALL_TIME)
    assert_same(expected, read_long(connection, "probe", NAMES, link_ids=ids, chunk_rows=500, **ALL_TIME))
    assert connection.info.transaction_status == 0


def test_a_window_without_samples_and_one_inside_a_transaction(written):
    """Nothing gives empty columns; within a transaction its own rows are seen, over its own connection."""
    writer, ids = written
    connection = writer.connection
    assert read_long(connection, "probe", NAMES, link_ids=[-1], **ALL_TIME)["seq"].values.size == 0
    with connection.transaction():
        connection.execute("DELETE FROM probe WHERE seq % 2 = 0")
        expected = read_columns(connection, "probe", NAMES, link_ids=ids, **ALL_TIME)
        assert_same(expected, read_long(connection, "probe", NAMES, link_ids=ids, chunk_rows=500, **ALL_TIME))


def test_both_connections_see_the_same_rows(db, written):
    """What another commits in the meantime is seen by neither."""
    writer, _ = written
    late = db.writer()
    with in_one_snapshot(writer.connection) as readers:
        late.commit([probe_batch(41, n=100)])
        assert len(readers) == 2
        assert [each.execute("SELECT count(*) FROM probe").fetchone() for each in readers] == [(4000,), (4000,)]
    assert writer.connection.execute("SELECT count(*) FROM probe").fetchone() == (4100,)


def test_a_server_without_another_connection_is_read_over_one(written, monkeypatch):
    """A full server makes reading slower, not impossible."""

    def full(_url, **_named):
        raise UnreachableError("too many clients")

    writer, ids = written
    expected = read_columns(writer.connection, "probe", NAMES, link_ids=ids, **ALL_TIME)
    monkeypatch.setattr("storage.snapshot.connect", full)
    assert_same(expected, read_long(writer.connection, "probe", NAMES, link_ids=ids, chunk_rows=500, **ALL_TIME))
