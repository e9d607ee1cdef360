"""Migrations: applied once, in order, guarded against change, and true to the contract."""

import threading

import pytest

from contract.streams import STREAMS
from storage.connect import connect, without_password
from storage.errors import StorageError, UnreachableError
from storage.migrate import Migration, database_mode, migrate, read_migrations


@pytest.fixture
def empty(db):
    """Connection to a database without any table of ours."""
    with db.connect() as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        yield connection


def test_tables_are_those_of_the_contract(db):
    """Every stream has its table with exactly the contract's columns, types and nullability."""
    with db.connect() as connection:
        for name, stream in STREAMS.items():
            found = connection.execute(
                "SELECT column_name, udt_name, is_nullable FROM information_schema.columns WHERE table_name = %s"
                " ORDER BY ordinal_position",
                (name,),
            ).fetchall()
            udt = {"i2": "int2", "i4": "int4", "i8": "int8", "f4": "float4", "f8": "float8", "json": "jsonb"}
            expected = [("t", "timestamptz", "NO"), ("link_id", "int4", "NO"), ("batch_id", "int8", "NO")]
            expected += [(c.name, udt.get(c.kind, c.kind), "YES" if c.nullable else "NO") for c in stream.columns]
            assert expected == found


def test_migrations_are_applied_once(empty):
    """A second call applies nothing."""
    applied = migrate(empty)

    assert [m.name for m in read_migrations() if m.mode in (None, database_mode(empty))] == applied
    assert migrate(empty) == []


def test_a_changed_migration_is_refused(empty):
    """A file changed after it was applied stops the runner and is named."""
    original = [Migration(1, "0001_a.sql", None, "CREATE TABLE a (x int)")]
    migrate(empty, migrations=original)

    with pytest.raises(StorageError, match="0001_a.sql was changed"):
        migrate(empty, migrations=[Migration(1, "0001_a.sql", None, "CREATE TABLE a (y int)")])


def test_a_newer_database_is_refused(empty):
    """A migration that this program does not know means the program is too old."""
    migrate(
        empty, migrations=[Migration(1, "0001_a.sql", None, "SELECT 1"), Migration(9, "0009_z.sql", None, "SELECT 1")]
    )

    with pytest.raises(StorageError, match="0009_z.sql.*update jissho"):
        migrate(empty, migrations=[Migration(1, "0001_a.sql", None, "SELECT 1")])


def test_a_failing_migration_leaves_nothing_behind(empty):
    """A file is applied whole or not at all."""
    broken = [Migration(1, "0001_a.sql", None, "CREATE TABLE a (x int); SELECT no_such_function()")]

    with pytest.raises(Exception, match="no_such_function"):
        migrate(empty, migrations=broken)

    assert empty.execute("SELECT to_regclass('a')").fetchone() == (None,)


@pytest.mark.usefixtures("empty")
def test_two_servers_that_start_at_once_migrate_once(db):
    """The advisory lock lets one migrate while the other waits and then finds nothing to do."""
    results = []

    def work():
        with connect(db.url) as connection:
            results.append(migrate(connection))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(map(len, results))[:2] == [0, 0]
    assert len(max(results, key=len)) > 0


def test_an_unreachable_database_is_one_line_without_the_password():
    """The error names the address and the remedy, and never the password."""
    with pytest.raises(UnreachableError) as caught:
        connect("postgresql://me:secret@127.0.0.1:1/none")

    message = str(caught.value)
    assert "127.0.0.1:1" in message
    assert "JISSHO_DATABASE_URL" in message
    assert "secret" not in message
    assert "\n" not in message
    assert "secret" not in without_password("host=a password=secret")
