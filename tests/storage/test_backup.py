"""Backup and restore: every row and number comes back, in either mode, or nothing does."""

import gzip
import hashlib
import itertools
import json
import threading
import uuid

import msgspec
import numpy as np
import psycopg
import pytest

from contract.streams import STREAMS
from ingest.pipeline import Message, process
from storage.backup import TABLES, columns_of, file_name, write_backup
from storage.backup_files import BackupError, read_manifest
from storage.columnar import NUMPY_DTYPE, ArrayColumn, BatchKey, ColumnBatch
from storage.connect import connect
from storage.ddl import DERIVED_TABLES, MIGRATION_TABLES
from storage.migrate import database_mode, migrate, schema_number
from storage.restore import restore_backup
from storage.runs import get_run, start_run
from storage.writer import Writer
from tests.fix_db import _with_database
from tests.storage.test_columnstore import compress
from tests.storage.test_writer import T0_US, probe_batch

SAMPLE = {
    "i2": 2,
    "i4": -7,
    "i8": 2**40,
    "f4": 0.1,
    "f8": -1e-300,
    "bool": True,
    "text": "走行 \\N\t\"'",
    "json": '{"a":1}',
}


def batch_of(stream, seq):
    """Two rows of any stream: one with every value, one with as many nulls as the stream allows."""
    columns = {}
    for column in STREAMS[stream].columns:
        values = np.array([SAMPLE[column.kind]] * 2, NUMPY_DTYPE[column.kind])
        columns[column.name] = ArrayColumn(values, np.array([True, False]) if column.nullable else None)
    key = BatchKey("site-a", "car-1", "all", seq)
    return ColumnBatch(key, stream, "l5g", "test/1", 2, np.array([T0_US, T0_US + 1]), columns, T0_US)


def fill(writer):
    """Something in every table, in several chunks and slices."""
    day_us = 86_400_000_000
    writer.commit([probe_batch(seq, n=50, lost_every=7, t0_us=T0_US + seq * day_us) for seq in (1, 2, 3, 5, 9)])
    writer.commit([batch_of(stream, seq) for seq, stream in enumerate(STREAMS, 1)])
    process(writer, [Message("jissho/1/site-a/car-2/probe", b"rubbish \x00\xff", 1)])
    process(writer, [Message(
        "jissho/1/site-a/car-2/status",
        b'{"state":"online","at_ns":1,"epoch":"e9","taken":4,"pending":1,"agent":"jissho/0","sources":["stamp"]}', 1,
    )])  # fmt: skip
    start_run(writer.connection, name="drive-1", site="site-a", started_at=get_time(writer), devices=["car-1"])
    writer.connection.execute(
        "INSERT INTO retention_policy (stream, older_than) VALUES ('', '365 days');"
        "INSERT INTO retention_log (stream, link_id, before, deleted, rows, cause)"
        " VALUES ('probe', 1, now(), '{[2020-01-01,2020-02-01)}', 5, 'policy');"
        "INSERT INTO foreign_message (sha256, received_at, source) VALUES ('\\x01', now(), 'test');"
        "INSERT INTO exclusion (run_id, started_at, ended_at, reason, excluded_by)"
        " SELECT run_id, now(), now() + interval '1 minute', 'r', 'b' FROM run;"
        "INSERT INTO run_pair (name, baseline_id, changed_id, link, other_link)"
        " SELECT 'operators', run_id, run_id, 'l5g', 'lte' FROM run;"
        # The highest run number was given out and is gone: it must not be given out again.
        "INSERT INTO run (name, site, started_at) VALUES ('gone', 'x', now()); DELETE FROM run WHERE name = 'gone'"
    )


def get_time(writer):
    return writer.connection.execute("SELECT now()").fetchone()[0]


def content(connection):
    """Rows and an order-free hash of the text of every row, by table."""
    found = {}
    for table in TABLES:
        names = ", ".join(f'"{name}"' for name, _, _ in columns_of(connection, table))
        found[table] = connection.execute(
            f"SELECT count(*), coalesce(sum(hashtextextended(row({names})::text, 0)::numeric), 0) FROM {table}"
        ).fetchone()
    return found


@pytest.fixture
def make_database(database_server):
    """Makes migrated, empty databases of a given mode on the same server."""
    names, opened = [], []

    def make(mode):
        names.append(f"jissho_test_{uuid.uuid4().hex[:12]}")
        with connect(database_server) as server:
            server.execute(f"CREATE DATABASE {names[-1]}".encode())
        opened.append(connect(_with_database(database_server, names[-1])))
        migrate(opened[-1], mode=mode)
        return opened[-1]

    yield make
    for connection in opened:
        connection.close()
    with connect(database_server) as server:
        for name in names:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_the_list_of_tables_is_that_of_a_migrated_database(db):
    """A table that a migration adds is in the backup, or this test says that it is not."""
    found = db.connect().execute(
        "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')"
        " AND NOT relispartition"
    )
    assert {row[0] for row in found} - {*MIGRATION_TABLES, *DERIVED_TABLES} == set(TABLES)


@pytest.mark.parametrize("modes", list(itertools.product(["plain", "timescale"], repeat=2)), ids="-to-".join)
def test_a_round_trip_keeps_every_row_and_ingest_goes_on(make_database, db, tmp_path, monkeypatch, modes):
    """Plain and TimescaleDB, each into each: equal content, known batches stay known, new numbers collide with none."""
    source_mode, target_mode = modes
    if "timescale" in modes and database_mode(db.connect()) == "plain":
        pytest.skip("this server has no TimescaleDB")
    monkeypatch.setattr("storage.backup.SLICE_ROWS", 60)
    source, target = make_database(source_mode), make_database(target_mode)
    fill(Writer(source))
    if source_mode == "timescale":
        compress(source)
    seen = []
    written = write_backup(source, tmp_path / "b", lambda *told: seen.append(told))
    restored = restore_backup(target, tmp_path / "b")

    assert written == restored == read_manifest(tmp_path / "b")
    assert {table.table: table.rows for table in written.tables}["probe"] == 252
    assert seen[-1][1] == seen[-1][2] == written.rows
    before = content(source)
    assert min(rows for rows, _ in before.values()) > 0
    assert before == content(target)
    # The same batches again, a new one, and a new device: exactly once, under numbers of their own.
    same = probe_batch(1, n=50, lost_every=7, t0_us=T0_US + 86_400_000_000)
    again = Writer(target).commit([same, probe_batch(4), probe_batch(1, device="car-9", link="lte")])
    assert sorted((key.device, key.seq) for key in again.committed) == [("car-1", 4), ("car-9", 1)]
    assert [key.seq for key in again.duplicates] == [1]
    assert start_run(target, name="drive-2", site="site-a", started_at=get_run(target, 1).started_at).run_id == 3
    process(Writer(target), [Message("jissho/1/site-a/car-2/probe", b"rubbish 2", 1)])
    assert target.execute("SELECT count(*) FROM quarantine").fetchone() == (2,)


def test_restored_rows_lie_in_partitions(db, make_database, tmp_path):
    """Partitions are made for what the backup holds, as ingest makes them for what arrives."""
    writer = db.writer()
    if writer.connection.execute("SELECT to_regprocedure('jissho_cover(text, timestamptz)')").fetchone() == (None,):
        pytest.skip("this schema has no partitions")
    fill(writer)
    write_backup(writer.connection, tmp_path)
    target = make_database("plain")
    restore_backup(target, tmp_path)

    assert target.execute("SELECT count(*) FROM probe_default").fetchone() == (0,)
    assert content(target)["probe"] == content(writer.connection)["probe"]


def test_continuous_aggregates_are_computed_after_a_restore(db, make_database, tmp_path):
    """Their policies look back only a while, so that what is older would stay unseen."""
    writer = db.writer()
    if database_mode(writer.connection) == "plain":
        pytest.skip("plain PostgreSQL has no continuous aggregates")
    writer.commit([probe_batch(1, n=20)])
    write_backup(writer.connection, tmp_path)
    target = make_database("timescale")
    target.execute(
        "CREATE MATERIALIZED VIEW probe_7s WITH (timescaledb.continuous, timescaledb.materialized_only) AS"
        " SELECT time_bucket('7 s', t) AS t, count(*) AS n FROM probe GROUP BY 1 WITH NO DATA"
    )
    restore_backup(target, tmp_path)

    assert target.execute("SELECT sum(n) FROM probe_7s").fetchone() == (20,)


def test_a_policy_at_work_on_an_aggregate_is_waited_for(db, make_database, tmp_path, monkeypatch):
    """TimescaleDB refuses a second refresh meanwhile; where the first does not end, what is left to do is said."""
    if database_mode(db.connect()) == "plain":
        pytest.skip("plain PostgreSQL has no continuous aggregates")
    write_backup(db.connect(), tmp_path)
    target = make_database("timescale")
    policy = connect(target.info.dsn)
    begin = (
        "INSERT INTO _timescaledb_catalog.continuous_aggs_jobs_refresh_ranges"
        " SELECT mat_hypertable_id, -1000000, 1000000, pg_backend_pid(), 0, now()"
        " FROM _timescaledb_catalog.continuous_agg WHERE user_view_name = 'probe_1min'"
    )
    end = "DELETE FROM _timescaledb_catalog.continuous_aggs_jobs_refresh_ranges WHERE pid = pg_backend_pid()"
    with policy:
        policy.execute(begin)
        timer = threading.Timer(1.0, policy.execute, [end])
        timer.start()
        restore_backup(target, tmp_path)
        assert timer.finished.is_set()
        timer.join()
        policy.execute(begin)
        monkeypatch.setattr("storage.restore._PAUSES_S", (0.1,))
        with pytest.raises(BackupError, match=r"all rows are restored, but public\.probe_1min is still"):
            restore_backup(target, tmp_path)


def test_an_empty_database_can_be_backed_up(db, make_database, tmp_path):
    """No rows is no special case."""
    connection = db.connect()
    assert write_backup(connection, tmp_path).rows == 0
    target = make_database(database_mode(connection))
    restore_backup(target, tmp_path)
    Writer(target).commit([probe_batch(1)])


def test_a_backup_is_of_one_instant(db, tmp_path):
    """What is committed, deleted or compressed while it is being written changes nothing in it."""
    writer = db.writer()
    writer.commit([probe_batch(seq, n=20) for seq in (1, 2)])
    other = db.connect()
    other.execute("SET lock_timeout = '300ms'")
    blocked = []

    def meddle(table, *_):
        if table != "device" or blocked:
            return
        writer.commit([probe_batch(3, n=20)])
        attempts = [lambda: other.execute("TRUNCATE probe")]
        if database_mode(other) == "timescale":
            attempts.append(lambda: compress(other))
        for attempt in attempts:
            with pytest.raises(psycopg.errors.LockNotAvailable):
                attempt()
            blocked.append(attempt)

    rows = {table.table: table.rows for table in write_backup(db.connect(), tmp_path, meddle).tables}

    assert (rows["probe"], rows["batch"], rows["ledger"]) == (40, 2, 1)
    assert blocked
    assert other.execute("SELECT count(*) FROM probe").fetchone() == (60,)


def flip_a_byte(folder):
    path = folder / file_name("probe")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut_short(folder):
    path = folder / file_name("batch")
    path.write_bytes(path.read_bytes()[:-9])


def change_manifest(folder, **changes):
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, **changes}))


def break_rows_with_a_matching_hash(folder):
    """A file that is whole but holds fewer rows than were written."""
    empty = gzip.compress(b"PGCOPY\n\xff\r\n\0" + b"\0" * 8 + b"\xff\xff")
    path = folder / file_name("metric")
    path.write_bytes(empty)
    tables = json.loads((folder / "manifest.json").read_text())["tables"]
    for table in tables:
        if table["table"] == "metric":
            table["sha256"] = hashlib.sha256(empty).hexdigest()
    change_manifest(folder, tables=tables)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (flip_a_byte, ["probe.pgcopy.gz", "damaged", "another backup"]),
        (cut_short, ["batch.pgcopy.gz", "damaged"]),
        (lambda folder: (folder / file_name("event")).unlink(), ["event.pgcopy.gz", "missing"]),
        (lambda folder: (folder / "manifest.json").unlink(), ["no backup", "manifest.json"]),
        (lambda folder: (folder / "manifest.json").write_text("{"), ["manifest.json", "damaged"]),
        (lambda folder: change_manifest(folder, format=99), ["format 99", "update jissho"]),
        (lambda folder: change_manifest(folder, schema=9999), ["schema 9999", "update jissho"]),
        (break_rows_with_a_matching_hash, ["metric.pgcopy.gz", "0 rows", "manifest says 2"]),
    ],
)
def test_a_damaged_backup_writes_nothing(db, make_database, tmp_path, damage, words):
    """The error names the file and what to do, and the database is as empty as before."""
    source = db.writer()
    fill(source)
    write_backup(source.connection, tmp_path)
    damage(tmp_path)
    target = make_database(database_mode(source.connection))
    with pytest.raises(BackupError) as caught:
        restore_backup(target, tmp_path)

    assert all(word in str(caught.value) for word in words), caught.value
    assert {rows for rows, _ in content(target).values()} == {0}
    Writer(target).commit([probe_batch(1)])


def test_a_full_database_is_not_restored_into(db, tmp_path):
    """Restoring over data is refused, with the way out."""
    writer = db.writer()
    writer.commit([probe_batch(1)])
    write_backup(writer.connection, tmp_path)
    before = content(writer.connection)
    with pytest.raises(BackupError, match="not empty .*probe.*CREATE DATABASE"):
        restore_backup(writer.connection, tmp_path)

    assert content(writer.connection) == before


def test_a_backup_of_an_older_schema_is_read(db, make_database, tmp_path):
    """What the older schema did not have takes its default."""
    writer = db.writer()
    fill(writer)
    manifest = write_backup(writer.connection, tmp_path)
    tables = [
        msgspec.to_builtins(table)
        for table in manifest.tables
        if table.table not in {"retention_policy", "retention_log"}
    ]
    change_manifest(tmp_path, schema=schema_number() - 1, tables=tables)
    target = make_database(database_mode(writer.connection))
    restore_backup(target, tmp_path)

    assert content(target)["probe"] == content(writer.connection)["probe"]
    assert content(target)["retention_log"][0] == 0


def test_a_backup_never_overwrites_and_leaves_nothing_half_done(db, tmp_path):
    """A folder with anything in it is refused; a backup that breaks off takes its files away."""
    connection = db.connect()
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(BackupError, match="not an empty folder"):
        write_backup(connection, tmp_path)

    def fail(table, *_):
        if table == "probe":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_backup(connection, tmp_path / "new", fail)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert write_backup(connection, tmp_path / "new").rows == 0
