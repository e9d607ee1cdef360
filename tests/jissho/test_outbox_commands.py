"""A backlog on a USB stick: looked at and exported while the agent runs, imported once however often it comes."""

import sqlite3
import subprocess
import sys
import time

import pytest

from collectors.outbox import NewBatch, Outbox
from contract.topics import data_topic
from ingest.pipeline import Message, process
from tests.jissho.shell import Shell

OWNER = """
import sys
from pathlib import Path
from collectors.outbox import NewBatch, Outbox
outbox = Outbox(Path(sys.argv[1]), site="site-a", device="car-1")
while True:
    columns = {"t": [0], "name": ["x"], "value": [float(outbox.taken)], "unit": ["1"]}
    outbox.append([NewBatch("metric", "l5g", "t/1", 1, 1_780_000_000_000_000_000, columns)] * 3)
    print(outbox.taken, flush=True)
    if outbox.taken >= 300:
        sys.stdin.readline()
        outbox.append([NewBatch("metric", "l5g", "t/1", 1, 1_780_000_000_000_000_000, columns)])
        print(outbox.taken, flush=True)
        break
"""


@pytest.fixture
def device(tmp_path):
    """The command line on a device: no database."""
    return Shell("postgresql://nobody@127.0.0.1:1/none", tmp_path)


def new_batch(value=1.0):
    columns = {"t": [0, 1000], "name": ["x", "x"], "value": [value, value], "unit": ["1", "1"]}
    return NewBatch("metric", "l5g", "test/1", 2, 1_780_000_000_000_000_000, columns)


@pytest.fixture
def outbox(tmp_path):
    """An outbox with ten batches of which the second is delivered, owned by this process."""
    owned = Outbox(tmp_path / "outbox.sqlite", site="site-a", device="car-1")
    owned.append([new_batch(float(number)) for number in range(10)])
    owned.delete([(2, 2)])
    yield owned
    owned.close()


def rows(db):
    with db.connect() as connection:
        return connection.execute("SELECT count(*) FROM metric").fetchone()[0]


def test_the_outbox_can_be_read_and_exported_while_the_agent_writes(device, tmp_path):
    """Neither lock nor read holds the owner up, and what it writes afterwards is stored as before."""
    path = tmp_path / "outbox.sqlite"
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout.readline()
    (during,) = device.json("outbox", "status", "--path", path)
    exported = device("outbox", "export", "a.jissho", "--path", path)
    taken = 0
    while taken < 300:
        taken = int(owner.stdout.readline())
    (after,) = device.json("outbox", "status", "--path", path)
    owner.stdin.write("\n")
    owner.stdin.flush()
    last = int(owner.stdout.readline())
    assert owner.wait(10) == 0
    owner.stdin.close()
    owner.stdout.close()

    assert exported.returncode == 0, exported.stderr
    assert 3 <= during["taken"] == during["batches"]
    assert (after["taken"], after["batches"], last) == (300, 300, 301)
    assert device.json("outbox", "status", "--path", path)[0]["batches"] == 301


def test_status_says_how_long_the_outbox_lasts_and_takes_to_drain(device, outbox, tmp_path):
    """Age, growth over the last minute, hours to the quota and time to drain follow from the file and the config."""
    (tmp_path / "collect.toml").write_text(
        'site = "site-a"\ndevice = "car-1"\n[mqtt]\nbacklog_batches_per_s = 3.0\n'
        '[outbox]\nmax_bytes = 1_000_000\n[[source]]\nkind = "host"\n',
        encoding="utf-8",
    )
    with sqlite3.connect(outbox.path, isolation_level=None) as db:
        two_hours_ago_ns = time.time_ns() - 7200 * 10**9
        db.execute("UPDATE batch SET created_ns = ? WHERE seq <= 5", (two_hours_ago_ns,))
        db.execute("INSERT INTO dropped VALUES (1, 4, 4, ?, 'quota', NULL)", (two_hours_ago_ns,))
        db.execute("INSERT INTO dropped VALUES (7, 7, 1, ?, 'damaged', NULL)", (two_hours_ago_ns,))
    db.close()
    (found,) = device.json("outbox", "status")

    sizes = [len(batch.payload) for batch in outbox.newest_before(99, 99)]
    assert (found["epoch"], found["taken"], found["batches"]) == (outbox.epoch, 10, 9)
    assert found["bytes"] == sum(sizes)
    assert found["oldest_age_s"] == pytest.approx(7200, abs=30)
    assert found["bytes_per_s"] == pytest.approx(sum(sizes[:5]) / 60)
    assert found["hours_to_quota"] == pytest.approx((1_000_000 - sum(sizes)) / found["bytes_per_s"] / 3600)
    assert found["drain_s"] == pytest.approx(3.0)
    assert (found["dropped"], found["dropped_ranges"][0]["last_seq"]) == (5, 4)
    shown = device("outbox", "status", "--config", "collect.toml")
    assert shown.returncode == 0, shown.stderr
    assert "1-4" in shown.stdout
    assert "1 (damaged)" in shown.stdout
    assert "2 h 0 min ago" in shown.stdout


def test_a_damaged_batch_is_not_exported(jissho, db, outbox):
    """What flipped on the disk stays behind, and the export says how many; the rest is imported."""
    with sqlite3.connect(outbox.path, isolation_level=None) as file:
        file.execute("UPDATE batch SET payload = CAST(replace(payload, 'car-1', 'car-3') AS BLOB) WHERE seq = 5")
    file.close()
    exported = jissho("outbox", "export", "a.jissho", "--path", outbox.path)

    assert exported.returncode == 0, exported.stderr
    assert "8 batches of site-a/car-1" in exported.stdout
    assert "1 batches are damaged on the disk and left out" in exported.stdout
    assert jissho("import", "a.jissho").returncode == 0
    assert rows(db) == 16


def test_an_export_is_imported_once_and_deletes_nothing(jissho, db, outbox, tmp_path):
    """The first import commits what is in the file, the second finds it there, and the outbox keeps its batches."""
    exported = jissho("outbox", "export", "car-1.jissho", "--path", outbox.path)
    first = jissho("import", "car-1.jissho")
    (second,) = jissho.json("import", "car-1.jissho")

    assert "9 batches of site-a/car-1" in exported.stdout
    assert first.returncode == 0, first.stderr
    assert "9 batches new (18 rows), 0 already there, 0 in quarantine" in first.stdout
    assert (second["committed"], second["duplicates"], second["quarantined"]) == (0, 9, 0)
    assert rows(db) == 18
    assert len(outbox.newest_before(99, 99)) == 9
    assert not (tmp_path / "car-1.jissho.part").exists()
    with db.connect() as connection:
        assert connection.execute("SELECT epoch, committed::text FROM ledger").fetchall() == [
            (outbox.epoch, "{[1,2),[3,11)}")
        ]


def test_what_mqtt_has_delivered_is_a_duplicate_and_the_other_way_round(jissho, db, outbox):
    """Some by the network before, some after the stick: each batch counts once."""
    stored = outbox.newest_before(99, 99)
    messages = [Message(data_topic("site-a", "car-1", batch.stream), batch.payload, 1) for batch in stored]
    process(db.writer(), messages[:4])
    jissho("outbox", "export", "car-1.jissho", "--path", outbox.path)
    (outcome,) = jissho.json("import", "car-1.jissho")
    late = process(db.writer(), messages).outcome

    assert (outcome["committed"], outcome["duplicates"]) == (5, 4)
    assert (len(late.committed), len(late.duplicates)) == (0, 9)
    assert rows(db) == 18


def test_a_batch_that_breaks_the_contract_is_quarantined_as_ever(jissho, db, outbox):
    """What the server does not take goes to quarantine, with its number; the others are committed."""
    outbox.append([NewBatch("radio", "l5g", "t/1", 1, 0, {"t": [0], "rsrp_dbm": [-300.0]})])
    jissho("outbox", "export", "car-1.jissho", "--path", outbox.path)
    (outcome,) = jissho.json("import", "car-1.jissho")

    assert (outcome["committed"], outcome["quarantined"]) == (9, 1)
    (entry,) = jissho.json("quarantine", "list")
    assert (entry["topic"], entry["seq"], entry["reason"]) == ("jissho/1/site-a/car-1/radio", 11, "out_of_range")


def test_a_torn_file_is_refused_and_read_up_to_the_tear_only_on_demand(jissho, db, outbox, tmp_path):
    """Nothing is written from a torn file, unless --partial; the whole file later adds the rest."""
    jissho("outbox", "export", "car-1.jissho", "--path", outbox.path)
    content = (tmp_path / "car-1.jissho").read_bytes()
    (tmp_path / "torn.jissho").write_bytes(content[: len(content) // 2])
    refused = jissho("import", "torn.jissho")
    before = rows(db)
    partial = jissho("import", "torn.jissho", "--partial")
    (torn,) = jissho.json("import", "torn.jissho", "--partial")
    (rest,) = jissho.json("import", "car-1.jissho")

    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    assert "torn or damaged after" in refused.stderr
    assert before == 0
    assert "the file is torn" in partial.stdout
    assert 0 < torn["duplicates"] == 9 - torn["unread"] < 9
    assert rest["committed"] == torn["unread"]
    assert rows(db) == 18


def test_an_altered_file_is_refused(jissho, db, outbox, tmp_path):
    """One byte of a value changed: the hash tells."""
    jissho("outbox", "export", "car-1.jissho", "--path", outbox.path)
    content = bytearray((tmp_path / "car-1.jissho").read_bytes())
    content[-1] ^= 1
    (tmp_path / "car-1.jissho").write_bytes(content)
    outcome = jissho("import", "car-1.jissho")

    assert outcome.returncode == 2
    assert "altered" in outcome.stderr
    assert rows(db) == 0


def test_errors_are_one_line_that_names_the_remedy(jissho, outbox, tmp_path):
    """No outbox, no outbox of ours, a file that exists, and options that do not fit the file."""
    (tmp_path / "text.sqlite").write_text("not a database, and long enough to be read as one" * 40, encoding="utf-8")
    sqlite3.connect(tmp_path / "other.sqlite").close()
    (tmp_path / "ping.log").write_text("PING", encoding="utf-8")
    jissho("outbox", "export", "car-1.jissho", "--path", outbox.path)
    for arguments, words in (
        (("outbox", "status", "--path", "none.sqlite"), ["none.sqlite", "no such file"]),
        (("outbox", "status", "--path", "text.sqlite"), ["text.sqlite", "not an outbox"]),
        (("outbox", "status", "--path", "other.sqlite"), ["other.sqlite", "not an outbox"]),
        (("outbox", "status"), ["collect.toml", "no such file"]),
        (("outbox", "status", "--path", "a", "--config", "b"), ["not both"]),
        (("outbox", "export", "car-1.jissho", "--path", outbox.path), ["car-1.jissho", "exists already"]),
        (("outbox", "export", "away/x.jissho", "--path", outbox.path), ["away/x.jissho", "cannot be written"]),
        (("import", "car-1.jissho", "--run", "drive-1"), ["exported outbox", "--run"]),
        (("import", "ping.log"), ["ping.log", "--profile"]),
        (("import", "ping.log", "--profile", "ping", "--run", "x", "--partial"), ["--partial"]),
    ):
        outcome = jissho(*arguments)
        assert outcome.returncode == 2, outcome.stdout + outcome.stderr
        assert len(outcome.stderr.strip().splitlines()) == 1, outcome.stderr
        assert all(word in outcome.stderr for word in words), outcome.stderr
