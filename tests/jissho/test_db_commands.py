"""`jissho db` as the person who looks after the database meets it."""

import uuid
from datetime import UTC, datetime

import pytest

from contract.streams import STREAMS
from storage.connect import connect
from tests.fix_db import _with_database
from tests.jissho.shell import Shell
from tests.storage.test_retention import at, on_day
from tests.storage.test_writer import probe_batch


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


def test_retention_spares_evidence_and_says_what_it_did(jissho, db):
    """Tried, done, and seen in completeness; a run that is evidence keeps its samples."""
    writer = db.writer()
    writer.commit([on_day(day, day + 1) for day in range(4)])
    started = jissho("run", "start", "drive-1", "--site", "site-a", "--evidence", "--at", at(1).isoformat())
    jissho("run", "stop", "drive-1", "--at", at(1.5).isoformat())
    jissho("run", "start", "drive-2", "--site", "site-a", "--at", at(0).isoformat())
    jissho("run", "stop", "drive-2", "--at", at(4).isoformat())
    # Half a day after day 2.
    hours = int((datetime.now(tz=UTC) - at(2.5)).total_seconds() // 3600)
    age = f"{hours}h"
    tried = {d["stream"]: d for d in jissho.json("db", "retention", "--older-than", age, "--dry-run")}
    shown = jissho("db", "retention", "--older-than", age, "--stream", "probe")
    after = {d["stream"]: d for d in jissho.json("db", "retention", "--older-than", age)}

    assert started.returncode == 0, started.stderr
    assert (tried["probe"]["rows"], tried["probe"]["kept_rows"], after["probe"]["rows"]) == (20, 10, 0)
    assert shown.returncode == 0, shown.stderr
    assert "Kept as evidence" in shown.stdout
    (whole,) = jissho.json("completeness", "drive-2")
    assert (whole["ratio"], whole["missing"], whole["deleted"]) == (1.0, 0, 2)
    assert "削除 deleted" in jissho("completeness", "drive-2").stdout
    assert jissho.json("completeness", "drive-1")[0]["deleted"] == 0
    assert jissho.json("run", "show", "drive-1")[0]["evidence"] is True
    assert "保存 kept" in jissho("run", "list").stdout
    assert "as any other" in jissho("run", "evidence", "drive-1", "--off").stdout
    assert jissho.json("run", "show", "drive-1")[0]["evidence"] is False


def test_policies_are_set_shown_and_taken_away(jissho):
    """--policy answers with what holds now, and a dry run goes by it."""
    none = jissho("db", "retention")
    every = jissho.json("db", "retention", "--policy", "365d")
    both = jissho.json("db", "retention", "--policy", "2w", "--stream", "probe")
    planned = jissho.json("db", "retention", "--dry-run")
    table = jissho("db", "retention")
    left = jissho.json("db", "retention", "--policy", "off")

    assert "kept for ever" in none.stdout
    assert [(policy["stream"], policy["older_than"]) for policy in every] == [("", "P365D")]
    assert [(policy["stream"], policy["older_than"]) for policy in both] == [("", "P365D"), ("probe", "P14D")]
    assert len(planned) == len(STREAMS)
    assert "365 d" in table.stdout
    assert [policy["stream"] for policy in left] == ["probe"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("retention", "--older-than", "180"), ["'180'", "180d"]),
        (("retention", "--older-than", "1d", "--stream", "prob"), ["'prob'", "probe"]),
        (("retention", "--older-than", "1d", "--policy", "1d"), ["--policy", "without --older-than"]),
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
