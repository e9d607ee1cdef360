"""What `jissho db status` knows: schema, sizes, ages, aggregates, gaps."""

import pytest

from contract.envelope import Status
from contract.streams import STREAMS
from ingest.pipeline import Message, process
from jissho.state_view import print_state, size_text
from storage.migrate import database_mode, migrate
from storage.status import RANGES_SHOWN, database_state
from tests.storage.test_columnstore import compress
from tests.storage.test_writer import T0_US, probe_batch


def test_an_empty_database_has_every_stream_and_no_gap(db):
    """Nothing is there, nothing is pending, and nothing fails on emptiness."""
    connection = db.connect()
    state = database_state(connection, disk_free_bytes=5)

    assert list(state.streams) == list(STREAMS)
    assert {stream.rows for stream in state.streams.values()} == {0}
    assert state.streams["probe"].oldest is state.streams["probe"].latest is None
    assert (state.lives, state.quarantine, state.pending, state.disk_free_bytes) == ([], 0, [], 5)
    assert state.mode == database_mode(connection)
    assert (state.timescale is None) == (state.mode == "plain")


def test_rows_size_and_age_of_a_stream(db):
    """Rows are those of the batches; oldest and latest are the samples' own times."""
    writer = db.writer()
    writer.commit([probe_batch(seq, n=100) for seq in (1, 2, 3)])
    probe = database_state(writer.connection).streams["probe"]

    assert probe.rows == 300
    assert probe.bytes > 0
    assert int(probe.oldest.timestamp() * 1e6) == T0_US + 1_000_000
    assert round(probe.latest.timestamp() * 1e6) == T0_US + 3_000_000 + 99_000
    assert probe.compression_ratio is None


def test_the_compression_of_the_columnstore_is_told(db):
    """Bytes before and after are those of the compressed chunks, and the ratio is their quotient."""
    writer = db.writer()
    if database_mode(writer.connection) != "timescale":
        pytest.skip("plain PostgreSQL has no columnstore")
    writer.commit([probe_batch(seq, n=2000) for seq in range(1, 11)])
    compress(writer.connection)
    state = database_state(writer.connection)
    probe = state.streams["probe"]

    assert probe.compression_ratio == probe.columnstore_before_bytes / probe.columnstore_after_bytes > 1
    assert {job.target for job in state.jobs} >= set(STREAMS)


def test_the_lag_of_an_aggregate_is_from_its_last_bucket_to_the_newest_sample(db):
    """A view never lags; a continuous aggregate, also one of another, ends where it was refreshed to."""
    writer = db.writer()
    connection = writer.connection
    writer.commit([probe_batch(1), probe_batch(2)])
    if database_mode(connection) == "plain":
        connection.execute("DROP VIEW IF EXISTS probe_7s")
        connection.execute("CREATE VIEW probe_7s AS SELECT time_bucket('7 s', t) AS t FROM probe GROUP BY 1")
        found = {a.name: a for a in database_state(connection).aggregates}
        assert (found["probe_7s"].kind, found["probe_7s"].lag_s) == ("view", 0.0)
        assert "link_name" not in found
        return
    for name, width, source in (("probe_7s", "7 s", "probe"), ("probe_14s", "14 s", "probe_7s")):
        connection.execute(
            f"CREATE MATERIALIZED VIEW {name} WITH (timescaledb.continuous) AS"
            f" SELECT time_bucket('{width}', t) AS t, count(*) FROM {source} GROUP BY 1 WITH NO DATA"
        )
    before = {a.name: a for a in database_state(connection).aggregates}
    connection.execute("CALL refresh_continuous_aggregate('probe_7s', NULL, NULL)")
    connection.execute("CALL refresh_continuous_aggregate('probe_14s', NULL, NULL)")
    writer.commit([probe_batch(100)])
    after = {a.name: a for a in database_state(connection).aggregates}

    assert (before["probe_14s"].newest, before["probe_14s"].lag_s) == (None, None)
    for name, width_s in (("probe_7s", 7), ("probe_14s", 14)):
        assert 98 - width_s <= after[name].lag_s <= 99


def test_what_the_ledger_lacks_is_named_for_each_life(db):
    """Missing is below the newest arrival, pending above it; refused batches are neither."""
    writer = db.writer()
    writer.commit([probe_batch(seq) for seq in (1, 2, 5, 9)])
    writer.commit([probe_batch(1, device="car-2")])
    process(writer, [Message("jissho/1/site-a/car-2/probe", b"rubbish", 1)])
    writer.announce(
        "site-a", "car-1",
        Status(state="online", at_ns=1, epoch="e1", taken=12, pending=3, agent="jissho/0", sources=["stamp"]),
    )  # fmt: skip
    state = database_state(writer.connection)
    first, second = state.lives

    assert (first.device, first.missing, first.missing_ranges, first.pending) == ("car-1", 5, [(3, 4), (6, 8)], 3)
    assert (first.taken, first.committed) == (12, 4)
    assert (second.missing, second.missing_ranges, second.pending) == (0, [], 0)
    assert state.quarantine == 1


def test_a_life_full_of_holes_is_counted_whole_and_named_in_part(db):
    """The count is exact, the list has an end."""
    writer = db.writer()
    writer.commit([probe_batch(seq, n=1) for seq in range(1, 101, 2)])
    (life,) = database_state(writer.connection).lives

    assert (life.missing, len(life.missing_ranges)) == (49, RANGES_SHOWN)


def test_a_database_that_is_not_migrated_is_only_looked_at(db):
    """Status tells what is pending and changes nothing."""
    connection = db.connect()
    mode = database_mode(connection)
    connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    state = database_state(connection)

    assert state.mode is None
    assert state.streams == {}
    assert len(state.pending) > 5
    assert connection.execute("SELECT to_regclass('probe'), to_regclass('schema_migration')").fetchone() == (None, None)
    assert migrate(connection, mode=mode) == state.pending


def test_the_tables_name_the_gaps_and_the_remedy(db, capsys):
    """What a person sees: the stream, the missing batches, where to look on."""
    writer = db.writer()
    writer.commit([probe_batch(seq) for seq in (1, 2, 5)])
    process(writer, [Message("jissho/1/site-a/car-2/probe", b"rubbish", 1)])
    print_state(database_state(writer.connection, disk_free_bytes=12_345_678_901))
    shown = capsys.readouterr().out

    for words in ("probe", "3-4", "12.3 GB left", "quarantine: 1 payloads: `jissho quarantine list`", "none pending"):
        assert words in shown
    assert [size_text(n) for n in (0, 999, 1000, 2_500_000, None)] == ["0 B", "999 B", "1.0 kB", "2.5 MB", None]
