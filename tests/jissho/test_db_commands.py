"""`jissho db` as the person who looks after the database meets it."""

import uuid

import pytest

from storage.connect import connect
from tests.fix_db import _with_database
from tests.jissho.test_quarantine import Shell
from tests.storage.test_writer import probe_batch


@pytest.fixture
def jissho(db, tmp_path):
    """The command line on this test's database."""
    return Shell(db.url, tmp_path)


@pytest.fixture
def new_url(database_server):
    """URL of a database without any table of ours."""
    name = f"jissho_test_{uuid.uuid4().hex[:12]}"
    with connect(database_server) as server:
        server.execute(f"CREATE DATABASE {name}".encode())
    yield _with_database(database_server, name)
    with connect(database_server) as server:
        server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_status_backup_and_restore_into_a_new_database(jissho, db, new_url, tmp_path):
    """The way to another server: backup, point the URL at it, restore; status is the same there."""
    db.writer().commit([probe_batch(seq) for seq in (1, 2, 4)])
    made = jissho("db", "backup", "saved")
    moved = Shell(new_url, tmp_path)
    (before,) = moved.json("db", "status")
    restored = moved("db", "restore", "saved")
    (there,) = moved.json("db", "status")
    (here,) = jissho.json("db", "status")

    assert made.returncode == 0, made.stderr
    assert "jissho db restore saved" in made.stdout
    assert (before["mode"], before["streams"], bool(before["pending"])) == (None, {}, True)
    assert restored.returncode == 0, restored.stderr
    assert there["streams"]["probe"]["rows"] == here["streams"]["probe"]["rows"] == 30
    assert there["lives"] == here["lives"]
    assert there["lives"][0]["missing_ranges"] == [[3, 3]]
    shown = jissho("db", "status")
    assert shown.returncode == 0, shown.stderr
    assert "欠番" in shown.stdout
    (manifest,) = jissho.json("db", "backup", "again")
    assert {table["table"]: table["rows"] for table in manifest["tables"]}["probe"] == 30


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("backup", "."), ["not an empty folder"]),
        (("restore", "nowhere"), ["nowhere", "no backup", "jissho db backup"]),
    ],
)
def test_errors_are_one_line_that_names_the_remedy(jissho, tmp_path, arguments, words):
    """Exit status 2 and no traceback."""
    (tmp_path / "mine.txt").touch()
    outcome = jissho("db", *arguments)

    assert outcome.returncode == 2
    assert len(outcome.stderr.strip().splitlines()) == 1
    assert all(word in outcome.stderr for word in words), outcome.stderr
