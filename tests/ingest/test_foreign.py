"""Messages of foreign devices in the database: each once, all of it or nothing, or after a correction."""

import json
import threading
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.foreign import ForeignMapping, ForeignMappings, load_foreign_mappings, parse_foreign_profile
from ingest.decode import decode
from ingest.foreign import process_foreign, sort_foreign
from ingest.pipeline import Message
from ingest.replay import replay
from storage.completeness import run_completeness
from storage.quarantine import list_entries
from storage.runs import get_run, start_run
from tests.ingest.test_pipeline import message as own_message

RECEIVED_US = 1_748_736_100_000_000
T_S = 1_748_736_000


def profiles(**changes):
    return ForeignMappings([
        ForeignMapping(parse_foreign_profile("test", {
            "topics": ["cpe/{site}/{device}/status"],
            "names": {"link": {"const": "l5g"}},
            "time": {"from": "t", "unit": "s"},
            "stream": "radio",
            "columns": {"rsrp_dbm": {"from": "rsrp"}},
            **changes,
        }))
    ])  # fmt: skip


def message(number, device="cpe-1", received_us=RECEIVED_US, is_retained=False, **fields):
    body = {"t": T_S + number, "rsrp": -90.5, **fields}
    kept = {key: value for key, value in body.items() if value is not None}
    return Message(f"cpe/yokohama/{device}/status", json.dumps(kept).encode(), received_us, is_retained)


def count(connection, what="radio"):
    return connection.execute(f"SELECT count(*) FROM {what}").fetchone()[0]


def test_each_message_counts_once(db):
    """The same message again, in the same handful, later or by another process, adds nothing; another one does."""
    writer = db.writer()
    first = process_foreign(writer, [message(1), message(1), message(2)], profiles())
    again = process_foreign(db.writer(), [message(2), message(3)], profiles())

    assert (first.rows, len(first.duplicates)) == (2, 1)
    assert (again.rows, len(again.duplicates)) == (1, 1)
    assert count(writer.connection) == 3
    assert count(writer.connection, "foreign_message") == 3


def test_ledger_and_batches_look_like_those_of_any_device(db):
    """Batches get numbers without a hole, their source names the profile, and the row leads to its batch."""
    writer = db.writer()
    process_foreign(writer, [message(1), message(2, "cpe-2"), message(3)], profiles())
    process_foreign(writer, [message(4)], profiles())

    ledger = writer.connection.execute(
        "SELECT device, epoch, committed::text, announced FROM ledger JOIN device USING (device_id) ORDER BY device"
    ).fetchall()
    assert ledger == [("cpe-1", "foreign", "{[1,4)}", 3), ("cpe-2", "foreign", "{[1,2)}", 1)]
    seqs = writer.connection.execute(
        "SELECT extract(epoch FROM radio.t)::int8 - %s, seq, source LIKE 'foreign/test@%%', link FROM radio"
        " JOIN batch USING (batch_id) JOIN link_name ON link_name.link_id = radio.link_id"
        " WHERE device = 'cpe-1' ORDER BY seq",
        (T_S,),
    ).fetchall()
    assert seqs == [(1, 1, True, "l5g"), (3, 2, True, "l5g"), (4, 3, True, "l5g")]


def test_a_message_for_several_devices_is_one_message(db):
    """A gateway's report becomes a batch for each device, stored together or not at all."""
    made = profiles(
        topics=["gw/{site}/report"],
        each="list.*",
        names={"device": {"from": "id"}, "link": {"const": "l5g"}},
        time={"from": "$.t", "unit": "s"},
    )
    body = {"t": T_S, "list": [{"id": f"car-{n % 3}", "rsrp": -80 - n} for n in range(6)]}
    report = Message("gw/yokohama/report", json.dumps(body).encode(), RECEIVED_US)
    writer = db.writer()
    outcome = process_foreign(writer, [report, report], made)

    assert sorted((key.device, key.seq) for key in outcome.committed) == [("car-0", 1), ("car-1", 1), ("car-2", 1)]
    assert (outcome.rows, count(writer.connection)) == (6, 6)


def test_what_cannot_be_mapped_waits_for_a_better_profile(db):
    """It is quarantined whole with its reason, and replayed once after the correction, however often it came."""
    writer = db.writer()
    bad = [message(n, rsrp=None, RSRP=-900 - n) for n in range(3)]
    process_foreign(writer, [*bad, bad[0], message(7)], profiles())
    entries = list_entries(writer.connection)
    assert {(entry.reason, entry.device) for entry in entries} == {("missing_column", "")}
    assert sorted(entry.seen for entry in entries) == [1, 1, 2]

    still = replay(writer, entries, profiles())
    assert (still.tried, still.replayed, still.reasons) == (3, 0, {"missing_column": 3})
    without = replay(writer, list_entries(writer.connection))
    assert without.reasons == {"nothing_mapped": 3}
    better = profiles(columns={"rsrp_dbm": {"from": "RSRP", "unit": "0.1 dBm"}})
    done = replay(writer, list_entries(writer.connection), better)

    assert (done.replayed, done.committed, done.rows) == (3, 3, 3)
    assert list_entries(writer.connection) == []
    assert count(writer.connection) == 4
    assert process_foreign(writer, bad, better).rows == 0


def test_replay_takes_own_and_foreign_entries_in_one_go(db):
    """A quarantine that holds both is worked off with one command."""
    writer = db.writer()
    process_foreign(writer, [message(1)], ForeignMappings())
    from ingest.pipeline import process  # noqa: PLC0415 - only here

    process(writer, [own_message(1, v=2)])
    outcome = replay(writer, list_entries(writer.connection), profiles())

    assert (outcome.tried, outcome.replayed, outcome.reasons) == (2, 1, {"unknown_version": 1})


def test_without_a_time_the_second_of_arrival_counts(db):
    """The same state reported a second later is another measurement; within the second it is a redelivery."""
    made = profiles(time={"from": "@received"})
    arrivals = [RECEIVED_US, RECEIVED_US + 999_999, RECEIVED_US + 1_000_000]
    writer = db.writer()
    outcome = process_foreign(writer, [message(1, received_us=each) for each in arrivals], made)

    assert (outcome.rows, len(outcome.duplicates)) == (2, 1)
    times = writer.connection.execute("SELECT extract(epoch FROM t)::int8 FROM radio ORDER BY t").fetchall()
    assert times == [(RECEIVED_US // 10**6,), (RECEIVED_US // 10**6 + 1,)]


def test_a_retained_message_without_time_is_no_measurement(db):
    """Nobody knows how old it is; one with its own time is stored like any other."""
    retained = message(1, is_retained=True)

    assert sort_foreign([retained], profiles(time={"from": "@received"})).ignored == 1
    assert process_foreign(db.writer(), [retained], profiles()).rows == 1


def test_a_value_that_only_the_database_refuses_spoils_no_other_message(db):
    """The others are committed, the guilty one is quarantined, and its claim is not kept."""
    writer = db.writer()
    writer.connection.execute("ALTER TABLE radio ADD CONSTRAINT nope CHECK (rsrp_dbm > -100)")
    outcome = process_foreign(writer, [message(1), message(2, rsrp=-101), message(3)], profiles())

    assert (outcome.rows, [item.reason for item in outcome.refused]) == (2, ["rejected_by_database"])
    writer.connection.execute("ALTER TABLE radio DROP CONSTRAINT nope")
    assert replay(writer, list_entries(writer.connection), profiles()).rows == 1


def test_a_broken_transaction_leaves_no_claim(db):
    """After the connection broke in the middle, the same message is stored by the next try."""
    writer = db.writer()
    writer.connection.execute("ALTER TABLE radio RENAME TO radio_away")
    with pytest.raises(psycopg.errors.UndefinedTable):
        process_foreign(writer, [message(1)], profiles())
    writer.connection.execute("ALTER TABLE radio_away RENAME TO radio")

    assert process_foreign(writer, [message(1)], profiles()).rows == 1


def test_processes_that_get_the_same_messages_at_once_store_each_once(db):
    """Four writers with the same handfuls in different orders neither lock each other out nor store anything twice."""
    made = profiles()
    stream = [message(n, f"cpe-{n % 5}") for n in range(200)]
    rows, failures = [], []

    def work(part, writer):
        try:
            for first in range(0, 200, 20):
                handful = stream[first : first + 20]
                rows.append(process_foreign(writer, handful[::-1] if part % 2 else handful, made).rows)
        except psycopg.Error as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(part, db.writer())) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert failures == []
    assert sum(rows) == 200
    with db.connect() as connection:
        assert count(connection) == 200
        ledger = connection.execute("SELECT DISTINCT committed::text FROM ledger").fetchall()
    assert ledger == [("{[1,41)}",)]


def test_the_completeness_proof_does_not_count_what_numbers_nothing(db):
    """Rows of a foreign device are told, but no share of them is claimed to be complete."""
    writer = db.writer()
    process_foreign(writer, [message(1), message(2)], profiles())
    began = datetime.fromtimestamp(T_S, tz=UTC)
    start_run(writer.connection, name="r", site="yokohama", started_at=began, ended_at=began + timedelta(seconds=60))
    found = run_completeness(writer.connection, get_run(writer.connection, "r"))

    assert (found.epochs, found.ratio, found.foreign_rows) == ([], None, 2)


LEAF = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from([10**400, 2**63, 2**64, -(2**63) - 1, 1e308, "1e400", "\0", "\ud800", T_S, T_S * 1000, "serving"])
)  # fmt: skip
KEYS = st.sampled_from(
    ["t", "time", "rsrp", "name", "value", "cells", "role", "metrics", "fields", "timestamp", "system"]
)
JSON = st.recursive(LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6))
SHIPPED = load_foreign_mappings("cpe_status,telegraf,sparkplug_json")


@settings(max_examples=300)
@given(st.sampled_from(SHIPPED.mappings), JSON | st.binary(max_size=40))
def test_nothing_that_a_stranger_sends_stops_ingest(mapping, body):
    """Every message ends among those to be stored, refused or passed over; what is refused can be told and kept."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    found = sort_foreign([Message(mapping.patterns[0].example, payload, RECEIVED_US)], SHIPPED)

    assert len(found.messages) + len(found.refused) + found.ignored == 1
    assert all(item.detail.encode() and "\0" not in item.detail for item in found.refused)


def test_very_deep_or_long_messages_are_refused():
    """Neither the depth of the nesting nor the length of a number is anybody's to choose."""
    deep = b'{"t": 1748736001, "rsrp": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    long = b'{"t": 1748736001, "rsrp": ' + b"9" * 100_000 + b"}"
    less = b'{"t": 1748736001, "rsrp": ' + b"[" * 900 + b"]" * 900 + b"}"
    sent = [Message("cpe/yokohama/cpe-1/status", each, RECEIVED_US) for each in (deep, long, less)]

    assert len(sort_foreign(sent, profiles()).refused) == 3
    events = profiles(stream="event", columns={
        "name": {"const": "x"}, "severity": {"const": "info"}, "message": {"const": "x"}, "detail": {"from": "rsrp"},
    })  # fmt: skip
    assert len(sort_foreign(sent, events).refused) in {2, 3}


def test_no_outbox_may_use_the_epoch_of_foreign_devices():
    """A batch that claims it is refused: its number could be one that the server gave."""
    with pytest.raises(ValueError, match="identity_mismatch"):
        decode(own_message(1, epoch="foreign").payload, topic=None, received_at_us=0)
