"""The quarantine as an operator meets it: seen, understood, and taken after all once it can be read."""

import hashlib
import json

import pytest

from contract.codec import encode_batch
from contract.envelope import Batch
from contract.topics import data_topic
from ingest.pipeline import Message, process
from ingest.replay import HANDFUL_ENTRIES, replay
from jissho.payload_view import decoded_view, hexdump, printable
from storage.quarantine import list_entries

T0_NS = 1_780_000_000_000_000_000
TOPIC = data_topic("site-a", "car-1", "metric")


def payload(seq, payload_format="msgpack", **changes):
    batch = Batch(**{
        "site": "site-a", "device": "car-1", "epoch": "e1", "seq": seq, "stream": "metric", "link": "l5g", "n": 2,
        "t0_ns": T0_NS, "columns": {"t": [0, 1000], "name": ["x", "x"], "value": [1.5, float(seq)], "unit": ["1", "1"]},
        **changes,
    })  # fmt: skip
    return encode_batch(batch, payload_format)


def newer(seq):
    """A payload with a column that this server does not know."""
    message = json.loads(payload(seq, "json"))
    message["columns"]["hue_deg"] = [1.0, 2.0]
    return json.dumps(message).encode()


def refuse_as_an_older_server_did(db, seqs, topic=TOPIC):
    """File payloads that are good today as unknown_column, as a server of yesterday would have."""
    writer = db.writer()
    process(writer, [Message(topic, newer(seq), T0_NS // 1000) for seq in seqs])
    for seq in seqs:
        body = payload(seq)
        writer.connection.execute(
            "UPDATE quarantine SET payload = %s, payload_sha256 = %s WHERE seq = %s",
            (body, hashlib.sha256(body).digest(), seq),
        )
    return writer


def count(connection, what="metric"):
    return connection.execute(f"SELECT count(*) FROM {what}").fetchone()[0]


def test_after_an_update_what_was_refused_is_committed_once(jissho, db):
    """`replay` commits what can be read now, leaves the rest with its reason, and a second one adds nothing."""
    writer = refuse_as_an_older_server_did(db, [1, 2])
    process(writer, [Message(TOPIC, newer(3), 1)])

    first = jissho("quarantine", "replay")
    (second,) = jissho.json("quarantine", "replay")

    assert first.returncode == 0, first.stderr
    assert "2 of 3 replayed: 2 batches new (4 rows), 0 already there; 1 still in quarantine" in first.stdout
    assert "1: unknown_column" in first.stdout
    assert (second["tried"], second["replayed"], second["refused"]) == (1, 0, 1)
    assert count(writer.connection) == 4
    ledger = writer.connection.execute("SELECT committed::text, quarantined::text FROM ledger").fetchone()
    assert ledger == ("{[1,3)}", "{[3,4)}")
    (left,) = jissho.json("quarantine", "list")
    assert (left["seq"], left["reason"], left["seen"], left["replayed_at"]) == (3, "unknown_column", 1, None)
    assert [entry["replayed_at"] is None for entry in jissho.json("quarantine", "list", "--all")] == [
        True,
        False,
        False,
    ]
    received = writer.connection.execute("SELECT DISTINCT extract(epoch FROM received_at)::int8 FROM batch").fetchall()
    assert received == [(T0_NS // 10**9,)]


def test_what_came_by_another_way_since_is_a_duplicate(db):
    """A batch that the device sent again after the update is not counted twice by a replay."""
    writer = refuse_as_an_older_server_did(db, [1])
    process(writer, [Message(TOPIC, payload(1), 1)])
    outcome = replay(db.writer(), list_entries(writer.connection))

    assert (outcome.replayed, outcome.committed, outcome.duplicates) == (1, 0, 1)
    assert count(writer.connection) == 2
    assert list_entries(writer.connection) == []


def clone_of(seqs):
    """Payloads of a copied outbox: the same numbers, other samples."""
    return [Message(TOPIC, payload(seq, t0_ns=T0_NS + 5_000_000_000), 1) for seq in seqs]


def test_what_a_clone_measured_is_taken_when_it_is_asked_for(jissho, db):
    """Replaying all leaves it and names the remedy; asked for it is stored once, in an epoch without a hole."""
    writer = db.writer()
    process(writer, [Message(TOPIC, payload(seq), 1) for seq in range(1, 10)])
    process(writer, clone_of([2, 5, 9]))
    unasked = jissho("quarantine", "replay")
    asked = jissho("quarantine", "replay", "--reason", "identity_conflict")
    (again,) = jissho.json("quarantine", "replay", "--reason", "identity_conflict")

    assert "0 of 3 replayed" in unasked.stdout
    assert "replay --reason identity_conflict" in unasked.stdout
    assert asked.returncode == 0, asked.stderr
    assert "3 of 3 replayed: 3 batches new (6 rows), 0 already there; 0 still in quarantine" in asked.stdout
    assert "3 of them came under taken numbers" in asked.stdout
    assert again["tried"] == 0
    assert count(writer.connection) == 24
    ledgers = writer.connection.execute(
        "SELECT epoch, committed::text, quarantined::text, announced FROM ledger ORDER BY epoch_id"
    ).fetchall()
    assert ledgers == [("e1", "{[1,10)}", "{}", 9), ("conflict-e1", "{[1,4)}", "{}", 3)]
    assert writer.connection.execute("SELECT count(DISTINCT link_id) FROM metric").fetchone() == (1,)


def test_a_clone_that_sends_again_after_the_replay_counts_once(db):
    """The same payload is the same entry, taken already; and marked as not taken it would still count once."""
    writer = db.writer()
    process(writer, [Message(TOPIC, payload(1), 1)])
    process(writer, clone_of([1]))
    first = replay(writer, list_entries(writer.connection), takes_conflicts=True)
    process(writer, clone_of([1]))
    assert list_entries(writer.connection) == []
    writer.connection.execute("UPDATE quarantine SET replayed_at = NULL")
    second = replay(db.writer(), list_entries(writer.connection), takes_conflicts=True)

    assert (first.committed, first.renumbered, first.duplicates) == (1, 1, 0)
    assert (second.committed, second.renumbered, second.duplicates) == (0, 0, 1)
    assert count(writer.connection) == 4


def test_a_conflict_that_the_database_refuses_stays_with_todays_reason(db):
    """The others of the handful are taken all the same."""
    writer = db.writer()
    process(writer, [Message(TOPIC, payload(seq), 1) for seq in (1, 2)])
    process(writer, clone_of([1, 2]))
    writer.connection.execute("ALTER TABLE metric ADD CHECK (value <> 2 OR t < to_timestamp(1780000002))")
    outcome = replay(db.writer(), list_entries(writer.connection), takes_conflicts=True)

    assert (outcome.renumbered, outcome.refused, outcome.reasons) == (1, 1, {"rejected_by_database": 1})
    (left,) = list_entries(writer.connection)
    assert (left.seq, left.reason, left.seen) == (2, "rejected_by_database", 1)


def test_a_database_that_still_refuses_keeps_the_entry_as_it_was(db):
    """The others are committed; the refused one gets today's reason and is not counted as one more arrival."""
    writer = refuse_as_an_older_server_did(db, [1, 2, 3])
    writer.connection.execute("ALTER TABLE metric ADD CHECK (value <> 2)")
    outcome = replay(db.writer(), list_entries(writer.connection))

    assert (outcome.committed, outcome.refused, outcome.reasons) == (2, 1, {"rejected_by_database": 1})
    (left,) = list_entries(writer.connection)
    assert (left.seq, left.reason, left.seen) == (2, "rejected_by_database", 1)
    assert "metric" in left.detail


def test_a_broken_replay_leaves_no_entry_marked_without_its_rows(db):
    """Marks and rows are one transaction: what fails in the middle of a handful is undone whole."""
    writer = refuse_as_an_older_server_did(db, range(1, HANDFUL_ENTRIES + 3))
    writer.connection.execute(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN IF NEW.seq > 16 THEN RAISE 'broken'; END IF; RETURN NEW; END $$;"
        "CREATE TRIGGER fail BEFORE UPDATE ON quarantine FOR EACH ROW EXECUTE FUNCTION fail()"
    )
    with pytest.raises(Exception, match="broken"):
        replay(db.writer(), list_entries(writer.connection))

    assert count(writer.connection) == 2 * HANDFUL_ENTRIES
    assert [entry.seq for entry in list_entries(writer.connection)] == [18, 17]


def test_list_filters_and_show_decodes(jissho, db):
    """Reason, device and limit narrow the list; show prints columns as values, or bytes where nothing can be read."""
    writer = db.writer()
    other = data_topic("site-a", "car-2", "metric")
    process(
        writer,
        [
            Message(TOPIC, newer(1), 1),
            Message(
                TOPIC, payload(2, columns={"t": [0, 1], "name": ["x", "x"], "value": [1.5, None], "unit": ["1"]}), 1
            ),
            Message(other, b"\xc1\x00\xff" + b"[/b]\x1b[2J" * 40, 1),
        ],
    )

    assert [e["seq"] for e in jissho.json("quarantine", "list", "--reason", "unknown_column")] == [1]
    assert [e["device"] for e in jissho.json("quarantine", "list", "--device", "car-2")] == ["car-2"]
    assert len(jissho.json("quarantine", "list", "--limit", 2)) == 2
    (packed,) = jissho.json("quarantine", "show", 2)
    assert packed["decoded"]["columns"]["t"] == [0, 1]
    assert packed["hexdump"] is None
    (garbage,) = jissho.json("quarantine", "show", 3)
    assert garbage["decoded"] is None
    assert garbage["hexdump"].startswith("00000000  c1 00 ff 5b")
    for number in (1, 2, 3):
        shown = jissho("quarantine", "show", number)
        assert shown.returncode == 0, shown.stderr
        assert "\x1b[2J" not in shown.stdout
    assert "columns.hue_deg" in jissho("quarantine", "show", 1).stdout
    assert "metric" in jissho("quarantine", "list").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "7"), ["no entry 7", "jissho quarantine list"]),
        (("replay", "7"), ["no entry 7"]),
        (("list", "--reason", "unknown"), ["unknown_column"]),
        (("replay", "1", "--reason", "malformed"), ["not both"]),
        (("list", "--limit", "0"), ["--limit 0"]),
    ],
)
def test_errors_are_one_line_that_names_the_remedy(jissho, arguments, words):
    """Exit status 2 and no traceback."""
    outcome = jissho("quarantine", *arguments)

    assert outcome.returncode == 2
    assert len(outcome.stderr.strip().splitlines()) == 1
    assert all(word in outcome.stderr for word in words), outcome.stderr


def test_an_empty_quarantine_is_said_to_be_empty(jissho):
    """Neither listing nor replaying nothing is an error."""
    assert "nothing in quarantine" in jissho("quarantine", "list").stdout
    assert "0 of 0 replayed" in jissho("quarantine", "replay").stdout


@pytest.mark.parametrize(
    "content",
    [b"", b"\x80", b"[1]", b'{"a": [', b"\x81\xa1a\xc7\x01\x05\x00", b"\x81\x91\x01\x01", b"\xff" * 300, b"[" * 5000],
)
def test_any_bytes_can_be_shown(content):
    """Nothing that a stranger sends makes the view fail; what is no JSON object comes as bytes."""
    assert decoded_view(content) in (None, {})
    assert len(hexdump(content).splitlines()) <= 17


def test_text_of_strangers_does_not_steer_the_terminal():
    """Control characters come as escapes, Japanese as it is."""
    assert printable("走行\x1b[2J\n") == "走行\\x1b[2J\\n"
