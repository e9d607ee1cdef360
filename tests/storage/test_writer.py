"""The exactly-once writer and the columnar reader against a real PostgreSQL."""

import threading

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.envelope import Status
from contract.streams import STREAMS
from storage.columnar import NUMPY_DTYPE, ArrayColumn, BatchKey, ColumnBatch, RefusedPayload
from storage.reader import iterate_columns, link_ids, read_columns
from storage.writer import Writer

T0_US = 1_780_000_000_000_000
ALL_TIME = {"start_us": 0, "end_us": 4_000_000_000_000_000}


def probe_batch(seq, *, n=10, device="car-1", link="l5g", epoch="e1", t0_us=T0_US, lost_every=0):
    """Make a probe batch whose rows can be told from those of any other seq."""
    rtt = np.arange(n, dtype=np.int32) + seq * 1000
    is_lost = np.zeros(n, bool) if not lost_every else np.arange(n) % lost_every == 0
    valid = None if not is_lost.any() else ~is_lost
    t_us = t0_us + seq * 1_000_000 + np.arange(n, dtype=np.int64) * 1000
    return ColumnBatch(
        key=BatchKey("site-a", device, epoch, seq),
        stream="probe",
        link=link,
        source="stamp/1",
        n=n,
        t_us=t_us,
        columns={
            "session": ArrayColumn(np.full(n, 7, np.int32)),
            "seq": ArrayColumn(np.arange(n, dtype=np.int32) + seq * n),
            "refl_seq": ArrayColumn(np.zeros(n, np.int32), np.zeros(n, bool)),
            "ul_us": ArrayColumn(rtt // 2 - 1, valid),
            "dl_us": ArrayColumn(-rtt, valid),
            "rtt_us": ArrayColumn(rtt, valid),
            "copy": ArrayColumn((~is_lost).astype(np.int16)),
            "lost": ArrayColumn(np.where(is_lost, 3, 0).astype(np.int16)),
        },
        received_at_us=int(t_us[-1]) + 1,
    )


def text_batch(number, stream="event", /, **values):
    """Make a one-row batch of any stream from keyword values; absent columns are null."""
    columns = {}
    for column in STREAMS[stream].columns:
        value = values.get(column.name)
        dtype = NUMPY_DTYPE[column.kind]
        array = np.empty(1, dtype)
        array[0] = value if value is not None or dtype.hasobject else 0
        columns[column.name] = ArrayColumn(array, None if value is not None else np.array([False]))
    return ColumnBatch(
        BatchKey("site-a", "car-1", "e1", number), stream, "", "test/1", 1, np.array([T0_US]), columns, T0_US
    )


def count(connection, table="probe"):
    return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def test_a_batch_is_committed_once_however_often_it_comes(db):
    """A resend in the same or a later transaction adds no row and is reported as a duplicate."""
    writer = db.writer()
    batch = probe_batch(1)

    first = writer.commit([batch, probe_batch(1), probe_batch(2)])
    again = writer.commit([batch, probe_batch(3)])

    assert [key.seq for key in first.committed] == [1, 2]
    assert [key.seq for key in first.duplicates] == [1]
    assert [key.seq for key in again.committed] == [3]
    assert [key.seq for key in again.duplicates] == [1]
    assert count(writer.connection) == 30
    assert writer.connection.execute("SELECT committed::text, announced FROM ledger").fetchone() == ("{[1,4)}", 3)


def test_rows_come_back_as_they_went_in(db):
    """Values, nulls, negative numbers and microseconds survive the way through COPY and back."""
    writer = db.writer()
    batches = [probe_batch(seq, n=50, lost_every=7) for seq in (3, 1, 2)]
    writer.commit(batches)
    ids = link_ids(writer.connection, "site-a")

    back = read_columns(
        writer.connection, "probe", list(STREAMS["probe"].column_names), link_ids=[ids["car-1", "l5g"]], **ALL_TIME
    )

    ordered = sorted(batches, key=lambda batch: batch.key.seq)
    assert np.array_equal(np.concatenate([batch.t_us for batch in ordered]), back["t_us"].values)
    for name in ("seq", "dl_us", "rtt_us", "lost"):
        sent = np.concatenate([batch.columns[name].values for batch in ordered])
        valid = back[name].valid
        if name in ("dl_us", "rtt_us"):
            assert np.array_equal(valid, back["lost"].values == 0)
            assert np.array_equal(sent[valid], back[name].values[valid])
        else:
            assert np.array_equal(sent, back[name].values)
    assert not back["refl_seq"].valid.any()


def test_chunks_of_a_long_read_make_up_the_whole(db):
    """Reading in small chunks gives every row once, in order, with bounded chunks."""
    writer = db.writer()
    writer.commit([probe_batch(seq, n=100) for seq in range(1, 41)])
    ids = list(link_ids(writer.connection, "site-a").values())

    chunks = list(iterate_columns(writer.connection, "probe", ["rtt_us"], link_ids=ids, chunk_rows=500, **ALL_TIME))

    assert max(chunk["t_us"].values.size for chunk in chunks) <= 600
    times = np.concatenate([chunk["t_us"].values for chunk in chunks])
    assert times.size == 4000
    assert (np.diff(times) > 0).all()


def test_a_window_is_half_open(db):
    """A sample at the start belongs to the window, one at the end does not."""
    writer = db.writer()
    batch = probe_batch(1, n=5)
    writer.commit([batch])
    ids = list(link_ids(writer.connection, "site-a").values())
    start, end = int(batch.t_us[1]), int(batch.t_us[3])

    back = read_columns(writer.connection, "probe", ["rtt_us"], link_ids=ids, start_us=start, end_us=end)

    assert [start, start + 1000] == back["t_us"].values.tolist()


def test_text_and_json_columns_survive(db):
    """Japanese text, JSON detail and null pass through the row encoder for text."""
    writer = db.writer()
    writer.commit([
        text_batch(1, name="marker", severity="info", message="停車:右折待ち'\"\\", detail='{"人": [1, null]}'),
        text_batch(2, name="marker", severity="error", message="", detail=None),
    ])  # fmt: skip
    rows = writer.connection.execute(
        "SELECT message, detail FROM event JOIN batch USING (batch_id) ORDER BY seq"
    ).fetchall()

    assert rows == [("停車:右折待ち'\"\\", {"人": [1, None]}), ("", None)]


def test_every_stream_can_be_written_with_nulls_and_without(db):
    """Each table takes a row whose nullable columns are null, and a row with all of them set."""
    writer = db.writer()
    for index, (name, stream) in enumerate(STREAMS.items()):
        values = {}
        for column in stream.columns:
            sample = {"text": "x", "json": "{}", "bool": True}.get(column.kind, max(column.low or 0, 0))
            values[column.name] = column.choices[0] if column.choices else sample
        writer.commit([text_batch(2 * index + 1, name, **values)])
        required = {c.name: values[c.name] for c in stream.columns if not c.nullable}
        writer.commit([text_batch(2 * index + 2, name, **required)])
        assert count(writer.connection, name) == 2


def test_two_writers_at_once_commit_each_batch_once(db):
    """Two connections that race for the same batches neither lose nor double one."""
    writers = [db.writer(), db.writer()]
    outcomes = [[], []]

    def work(index):
        for start in range(1, 60, 3):
            outcomes[index].append(writers[index].commit([probe_batch(seq) for seq in range(start, start + 5)]))

    threads = [threading.Thread(target=work, args=(index,)) for index in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    committed = [key.seq for side in outcomes for outcome in side for key in outcome.committed]
    assert sorted(committed) == list(range(1, 63))
    assert count(writers[0].connection) == 62 * 10


def test_nothing_of_a_failed_transaction_remains(db):
    """When the database rejects one row, neither rows nor ledger of the same transaction stay."""
    writer = db.writer()
    good, bad = (
        text_batch(1, name="a", severity="info", message="x"),
        text_batch(2, name="a", severity="info", message="x"),
    )
    bad.columns["detail"] = ArrayColumn(np.array(["{broken"], dtype=object))

    with pytest.raises(psycopg.DataError):
        writer.commit([good, bad])

    assert count(writer.connection, "event") == 0
    assert writer.connection.execute("SELECT committed::text FROM ledger").fetchone() == ("{}",)


def test_a_refused_batch_that_arrives_sound_later_leaves_the_quarantined_set(db):
    """Quarantine marks the seq; the same seq arriving sound is committed, and the mark goes."""
    writer = db.writer()
    key = BatchKey("site-a", "car-1", "e1", 5)
    refused = RefusedPayload("jissho/1/site-a/car-1/probe", b"\x80bad", "malformed", "why", T0_US, key)

    writer.commit([], [refused])
    writer.commit([], [refused])
    marked = writer.connection.execute("SELECT quarantined::text FROM ledger").fetchone()[0]
    writer.commit([probe_batch(5)])

    assert marked == "{[5,6)}"
    assert writer.connection.execute("SELECT quarantined::text, committed::text FROM ledger").fetchone() == (
        "{}",
        "{[5,6)}",
    )
    assert writer.connection.execute("SELECT seen, payload FROM quarantine").fetchall() == [(2, b"\x80bad")]


def test_a_status_tells_how_many_batches_to_expect(db):
    """A life sign raises the announced seq of its epoch; an older one does not overwrite a newer."""
    writer = db.writer()
    writer.commit([probe_batch(1)])
    writer.announce("site-a", "car-1", Status(state="online", at_ns=2_000_000_000, epoch="e1", taken=9, pending=8))
    writer.announce("site-a", "car-1", Status(state="online", at_ns=1_000_000_000, epoch="e1", taken=3))

    assert writer.connection.execute("SELECT announced FROM ledger").fetchone() == (9,)
    assert writer.connection.execute("SELECT state, pending FROM device_status").fetchone() == ("online", 8)


def test_a_will_tells_the_loss_and_nothing_else(db):
    """The broker's word for a lost device is older than its last life sign and counts all the same, but for no figure.

    After a goodbye it is the word of an earlier connection, and no news.
    """
    writer = db.writer()
    state = "SELECT state, taken, pending, extract(epoch FROM at)::int FROM device_status"
    will = Status(state="lost", at_ns=1_000_000_000, epoch="e1")
    writer.announce("site-a", "car-1", Status(state="online", at_ns=2_000_000_000, epoch="e1", taken=9, pending=8))
    writer.announce("site-a", "car-1", will)
    lost = writer.connection.execute(state).fetchone()
    writer.announce("site-a", "car-1", Status(state="offline", at_ns=3_000_000_000, epoch="e1", taken=9))
    writer.announce("site-a", "car-1", will)

    assert lost == ("lost", 9, 8, 2)
    assert writer.connection.execute(state).fetchone() == ("offline", 9, 0, 3)


def test_only_changes_of_state_are_logged(db):
    """Life signs that say the same leave one line; a change of state or of outbox life leaves one each."""
    writer = db.writer()
    for at_s, (state, epoch) in enumerate(
        [*[("online", "e1")] * 5, *[("lost", "e1")] * 3, ("online", "e1"), ("online", "e2"), ("offline", "e2")], 1
    ):
        writer.announce("site-a", "car-1", Status(state=state, at_ns=at_s * 10**9, epoch=epoch, taken=at_s))

    logged = writer.connection.execute(
        "SELECT state, epoch, extract(epoch FROM at)::int, taken FROM device_status_log ORDER BY change_id"
    ).fetchall()
    assert logged == [
        ("online", "e1", 1, 1),
        ("lost", "e1", 5, 5),
        ("online", "e1", 9, 9),
        ("online", "e2", 10, 10),
        ("offline", "e2", 11, 11),
    ]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.lists(st.integers(1, 12), min_size=1, max_size=40), size=st.integers(1, 6))
def test_any_order_of_resends_leaves_each_batch_once(db, order, size):
    """Whatever order and repetition, the table holds each batch once and the ledger knows exactly those."""
    writer = Writer(db.connect())
    writer.connection.execute("TRUNCATE probe, batch; UPDATE ledger SET committed = '{}'")
    for start in range(0, len(order), size):
        writer.commit([probe_batch(seq, n=3) for seq in order[start : start + size]])

    assert count(writer.connection) == 3 * len(set(order))
    known = writer.connection.execute(
        "SELECT s FROM ledger, unnest(committed) r, generate_series(lower(r), upper(r)-1) s"
    )
    assert {row[0] for row in known} == set(order)
    writer.connection.close()
