"""Messages to commits and receipts: what is delivered, what is refused, and what the device hears of it."""

import msgspec
import psycopg
import pytest

from contract.codec import encode_batch
from contract.envelope import Batch, Receipt, Status
from contract.topics import data_topic, status_topic
from ingest import pipeline
from ingest.pipeline import Message, process, ranges

T0_NS = 1_780_000_000_000_000_000
TOPIC = data_topic("site-a", "car-1", "event")


def message(seq, *, topic=TOPIC, detail="{}", payload_format="msgpack", **changes):
    batch = Batch(**{
        "site": "site-a", "device": "car-1", "epoch": "e1", "seq": seq, "stream": "event", "n": 1, "t0_ns": T0_NS,
        "columns": {"t": [0], "name": ["x"], "severity": ["info"], "message": [f"no. {seq}"], "detail": [detail]},
        **changes,
    })  # fmt: skip
    return Message(topic, encode_batch(batch, payload_format), T0_NS // 1000)


def receipts_of(processed):
    return {answer.topic: msgspec.json.decode(answer.payload, type=Receipt) for answer in processed.answers}


def test_receipts_cover_new_and_known_batches(db):
    """A batch that was committed before is receipted again, so that the device can let it go."""
    writer = db.writer()
    process(writer, [message(1), message(2)])
    processed = process(writer, [message(2), message(3), message(5)])

    receipt = receipts_of(processed)["jissho/1/site-a/car-1/receipt"]
    assert receipt.committed == [(2, 3), (5, 5)]
    assert receipt.quarantined == []
    assert processed.outcome.rows == 2


def test_each_outbox_life_gets_its_own_receipt(db):
    """Two devices, and two epochs of one device, are answered separately."""
    other = message(1, topic=data_topic("site-a", "car-2", "event"), device="car-2")
    processed = process(db.writer(), [message(1), message(1, epoch="e2"), other])

    found = sorted((answer.topic, msgspec.json.decode(answer.payload)["epoch"]) for answer in processed.answers)
    assert found == [
        ("jissho/1/site-a/car-1/receipt", "e1"),
        ("jissho/1/site-a/car-1/receipt", "e2"),
        ("jissho/1/site-a/car-2/receipt", "e1"),
    ]


def test_bad_payloads_go_to_quarantine_whole_and_do_not_hold_up_the_good(db):
    """Garbage, another version, out-of-range and foreign identities are kept with their reason; good ones commit."""
    writer = db.writer()
    radio = message(
        4, topic=data_topic("site-a", "car-1", "radio"), stream="radio", columns={"t": [0], "rsrp_dbm": [-300.0]}
    )
    foreign = message(5, device="car-9", payload_format="json")
    garbage = Message(TOPIC, b"\xc1\x00\xff", 1)
    newer = message(6, v=2)
    oversized = Message(TOPIC, b'{"site": "' + b"x" * 1_000_001, 1)
    not_ours = Message("jissho/hello", b"x", 1)

    processed = process(writer, [message(1), radio, foreign, garbage, newer, oversized, not_ours, message(2)])

    kept = writer.connection.execute("SELECT reason, seq, payload FROM quarantine ORDER BY quarantine_id").fetchall()
    assert [(reason, seq) for reason, seq, _ in kept] == [
        ("out_of_range", 4),
        ("identity_mismatch", None),
        ("malformed", None),
        ("unknown_version", 6),
        ("oversized", None),
        ("identity_mismatch", None),
    ]
    assert kept[2][2] == garbage.payload
    assert kept[4][2] == oversized.payload
    receipt = receipts_of(processed)["jissho/1/site-a/car-1/receipt"]
    assert receipt.committed == [(1, 2)]
    assert [(refusal.seq, refusal.reason.split(":")[0]) for refusal in receipt.quarantined] == [
        (4, "out_of_range"),
        (6, "unknown_version"),
    ]


@pytest.mark.parametrize("epoch", ["foreign", "conflict-e1"])
def test_no_device_marks_numbers_that_the_server_gives(db, epoch):
    """A payload under an epoch of the server's own is kept, and the server's ledger does not hear of it."""
    writer = db.writer()

    processed = process(writer, [message(7, epoch=epoch)])

    assert [item.reason for item in processed.outcome.refused] == ["identity_mismatch"]
    assert processed.answers == []
    assert writer.connection.execute("SELECT count(*) FROM ledger").fetchone() == (0,)


def test_the_same_garbage_again_is_counted_not_stored_twice(db):
    """A device that repeats an unreadable payload does not fill the disk."""
    writer = db.writer()
    for _ in range(5):
        process(writer, [Message(TOPIC, b"\xc1", 1)])

    assert writer.connection.execute("SELECT seen FROM quarantine").fetchall() == [(5,)]


def test_a_batch_that_only_the_database_refuses_is_found_and_quarantined(db):
    """If a value passes every check and the database still refuses it, only its batch goes to quarantine."""
    writer = db.writer()
    writer.connection.execute("ALTER TABLE event ADD CHECK (message <> 'no. 2')")

    processed = process(writer, [message(1), message(2), message(3)])

    assert sorted(key.seq for key in processed.outcome.committed) == [1, 3]
    reason, seq = writer.connection.execute("SELECT reason, seq FROM quarantine").fetchone()
    assert (reason, seq) == (pipeline.REJECTED_BY_DATABASE, 2)
    assert receipts_of(processed)["jissho/1/site-a/car-1/receipt"].quarantined[0].seq == 2


def hours_late(seq, hours):
    """Make a message whose sample is that much older than the others'."""
    return message(seq, t0_ns=T0_NS - hours * 3_600_000_000_000)


def test_a_backlog_is_committed_apart_from_live_data(db):
    """Stretches of time far from each other have transactions of their own, the newest first; one receipt names all."""
    writer = db.writer()
    late = [hours_late(seq, 72) for seq in (4, 5)]
    processed = process(writer, [hours_late(1, 6), *late, message(2), message(3), message(3), Message(TOPIC, b"x", 1)])

    assert sorted(key.seq for key in processed.outcome.committed) == [1, 2, 3, 4, 5]
    assert [key.seq for key in processed.outcome.duplicates] == [3]
    assert len(processed.outcome.refused) == 1
    assert processed.outcome.rows == 5
    assert receipts_of(processed)["jissho/1/site-a/car-1/receipt"].committed == [(1, 5)]
    transactions = writer.connection.execute(
        "SELECT array_agg(seq ORDER BY seq) FROM batch GROUP BY xmin::text ORDER BY xmin::text::int8"
    ).fetchall()
    assert [([2, 3],), ([1],), ([4, 5],)] == transactions


def test_batches_scattered_over_years_need_few_transactions(db):
    """However many stretches of time come at once, the number of transactions is bounded and all are committed."""
    writer = db.writer()
    process(writer, [hours_late(seq, 24 * seq) for seq in range(1, 41)])

    assert writer.connection.execute("SELECT count(*), count(DISTINCT xmin::text) FROM batch").fetchone() == (40, 8)


def test_a_refused_value_beside_a_backlog_costs_only_its_batch(db):
    """If the database refuses a batch of the last stretch, what was committed before it is still new and receipted."""
    writer = db.writer()
    writer.connection.execute("ALTER TABLE event ADD CHECK (message <> 'no. 2')")

    processed = process(writer, [message(1), hours_late(2, 72), hours_late(3, 72), Message(TOPIC, b"x", 1)])

    assert sorted(key.seq for key in processed.outcome.committed) == [1, 3]
    assert processed.outcome.duplicates == []
    assert processed.outcome.rows == 2
    kept = writer.connection.execute("SELECT seq, seen FROM quarantine ORDER BY seq").fetchall()
    assert [(2, 1), (None, 1)] == kept


def test_statuses_are_stored_and_receipts_of_others_ignored(db):
    """A life sign reaches the device table; a receipt seen by another ingest is no data."""
    writer = db.writer()
    status = msgspec.json.encode(Status(state="online", at_ns=T0_NS, epoch="e1", taken=7, pending=7, agent="t"))
    receipt = Message("jissho/1/site-a/car-1/receipt", b"{}", 1)

    processed = process(writer, [Message(status_topic("site-a", "car-1"), status, 1), receipt])

    assert processed.answers == []
    assert writer.connection.execute("SELECT state, taken FROM device_status").fetchone() == ("online", 7)
    assert writer.connection.execute("SELECT announced FROM ledger").fetchone() == (7,)
    assert writer.connection.execute("SELECT count(*) FROM quarantine").fetchone() == (0,)


def test_a_broken_connection_commits_nothing_and_can_be_repeated(db):
    """After the connection breaks in the middle, the same messages commit once over a new one."""
    writer = db.writer()
    process(writer, [message(1)])
    with db.connect() as other:
        other.execute("SELECT pg_terminate_backend(%s)", (writer.connection.info.backend_pid,))

    with pytest.raises(psycopg.OperationalError):
        process(writer, [message(1), message(2)])

    again = db.writer()
    processed = process(again, [message(1), message(2)])
    assert [key.seq for key in processed.outcome.committed] == [2]
    assert again.connection.execute("SELECT count(*) FROM event").fetchone() == (2,)


def test_a_database_that_may_not_be_written_quarantines_nothing(db):
    """A missing table is not the batch's fault: the error is raised, nothing is refused, and later all is committed."""
    writer = db.writer()
    writer.connection.execute("ALTER TABLE event RENAME TO event_away")
    with pytest.raises(psycopg.errors.UndefinedTable):
        process(writer, [message(1)])
    writer.connection.execute("ALTER TABLE event_away RENAME TO event")

    assert writer.connection.execute("SELECT count(*) FROM quarantine").fetchone() == (0,)
    assert [key.seq for key in process(writer, [message(1)]).outcome.committed] == [1]


def test_ranges_of_numbers():
    """Numbers become the fewest inclusive ranges."""
    assert ranges({5, 1, 2, 3, 9, 10}) == [(1, 3), (5, 5), (9, 10)]
    assert ranges(set()) == []


def test_another_batch_under_the_same_number_is_set_aside_not_swallowed(db):
    """A cloned device counts on under the numbers of the first: its data would be lost as duplicates, unseen."""
    writer = db.writer()
    process(writer, [message(1), message(2)])
    clone = message(2, t0_ns=T0_NS + 5_000_000_000)
    processed = process(writer, [clone, message(2), message(3)])

    assert [batch.key.seq for batch in processed.outcome.conflicts] == [2]
    assert [key.seq for key in processed.outcome.duplicates] == [2]
    receipt = receipts_of(processed)["jissho/1/site-a/car-1/receipt"]
    assert [refusal.seq for refusal in receipt.quarantined] == [2]
    assert "identity_conflict" in receipt.quarantined[0].reason
    with db.connect() as connection:
        assert connection.execute("SELECT reason, payload FROM quarantine").fetchall() == [
            ("identity_conflict", clone.payload)
        ]
        assert connection.execute("SELECT committed::text, quarantined::text FROM ledger").fetchone() == (
            "{[1,4)}",
            "{}",
        )
        assert connection.execute("SELECT count(*) FROM event").fetchone() == (3,)
