"""A clock that is set back inside a batch: every sample is stored with the time its source gave it."""

import itertools

import numpy as np
import pytest

from contract.codec import encode_batch
from contract.envelope import Batch
from contract.topics import data_topic
from ingest.pipeline import Message, process
from storage.reader import iterate_columns, link_ids

MS, HOUR, DAY = 1_000_000, 3_600_000_000_000, 86_400_000_000_000
T0_NS = 1_780_000_000_000_000_000
OFFSETS = [0, 10 * MS, 20 * MS, -HOUR, -HOUR + 10 * MS, 20 * MS, -40 * DAY, 20 * MS, 30 * MS]
"""Nanoseconds after T0: set back by an hour, forward again onto a time that was there before, back by 40 days."""


def stepped(seq, stream="probe", payload_format="msgpack"):
    """Make a message whose rows count from seq * 100 on, with the times of OFFSETS; each third packet is lost."""
    n = len(OFFSETS)
    numbers = [seq * 100 + row for row in range(n)]
    columns = {
        "probe": {
            "session": [1] * n,
            "seq": numbers,
            "rtt_us": [None if row % 3 == 0 else number for row, number in enumerate(numbers)],
            "copy": [int(row % 3 > 0) for row in range(n)],
            "lost": [0 if row % 3 else 3 for row in range(n)],
        },
        "event": {"name": ["x"] * n, "severity": ["info"] * n, "message": [str(number) for number in numbers]},
    }
    batch = Batch(
        site="site-a", device="car-1", epoch="e1", seq=seq, stream=stream, n=n, t0_ns=T0_NS,
        columns={"t": OFFSETS, **columns[stream]},
    )  # fmt: skip
    return Message(data_topic("site-a", "car-1", stream), encode_batch(batch, payload_format), T0_NS // 1000)


def read(connection, stream, name, start_ns=T0_NS - 50 * DAY, end_ns=T0_NS + DAY, **options):
    """Return the pairs (t in microseconds, value) in the reader's order."""
    window = {"start_us": start_ns // 1000, "end_us": end_ns // 1000}
    ids = list(link_ids(connection, "site-a").values())
    chunks = iterate_columns(connection, stream, [name], link_ids=ids, **window, **options)
    return [pair for chunk in chunks for pair in zip(chunk["t_us"].values, chunk[name].values, strict=True)]


@pytest.mark.parametrize("payload_format", ["msgpack", "json"])
def test_each_sample_keeps_its_time_and_the_reader_sorts_by_time(db, payload_format):
    """Stored pairs of time and number are those that were sent, nulls too; they are read in the order of time."""
    writer = db.writer()
    processed = process(writer, [stepped(1, payload_format=payload_format)])

    assert [key.seq for key in processed.outcome.committed] == [1]
    sent = sorted((T0_NS + offset) // 1000 for offset in OFFSETS)
    found = read(writer.connection, "probe", "seq")
    assert sent == [t_us for t_us, _ in found]
    assert sorted(((T0_NS + offset) // 1000, 100 + row) for row, offset in enumerate(OFFSETS)) == sorted(found)
    lost = writer.connection.execute("SELECT seq FROM probe WHERE rtt_us IS NULL ORDER BY seq").fetchall()
    assert [(100,), (103,), (106,)] == lost


@pytest.mark.parametrize(("stream", "name"), [("probe", "seq"), ("event", "message")])
def test_small_chunks_and_windows_hold_each_sample_once(db, stream, name):
    """However a reading is cut in time, batches that lie over one another give each sample exactly once."""
    writer = db.writer()
    process(writer, [stepped(seq, stream) for seq in (1, 2, 3)])
    whole = read(writer.connection, stream, name)

    assert len(whole) == 3 * len(OFFSETS)
    assert sorted(whole) == sorted(read(writer.connection, stream, name, chunk_rows=2))
    edges = [T0_NS - 50 * DAY, T0_NS - DAY, T0_NS - HOUR + 5 * MS, T0_NS + 20 * MS, T0_NS + DAY]
    pieces = [read(writer.connection, stream, name, start, end) for start, end in itertools.pairwise(edges)]
    assert [3, 3, 9, 12] == [len(piece) for piece in pieces]
    assert sorted(whole) == sorted(pair for piece in pieces for pair in piece)


def test_the_register_and_the_aggregates_know_the_whole_span(db):
    """The batch's entry spans its earliest and latest sample, and each sample counts in its own second."""
    writer = db.writer()
    process(writer, [stepped(1)])
    span = "SELECT (extract(epoch FROM t_first) * 1e6)::int8, (extract(epoch FROM t_last) * 1e6)::int8 FROM batch"
    assert ((T0_NS - 40 * DAY) // 1000, (T0_NS + 30 * MS) // 1000) == writer.connection.execute(span).fetchone()
    counted = writer.connection.execute("SELECT n, sent FROM probe_1s ORDER BY bucket").fetchall()
    assert [(1, 1), (2, 2), (6, 6)] == counted


def test_a_resend_of_a_stepped_batch_counts_once(db):
    """Times play no part in the exactly-once promise."""
    writer = db.writer()
    process(writer, [stepped(1)])
    processed = process(writer, [stepped(1), stepped(2)])

    assert [1] == [key.seq for key in processed.outcome.duplicates]
    assert np.unique([number for _, number in read(writer.connection, "probe", "seq")]).size == 2 * len(OFFSETS)
