"""`jissho foreign` and `jissho import` as the person sees them who has a stranger's device to connect."""

import json

import pytest

from tests.contract.test_foreign_mapping import TESTCASES
from tests.jissho.shell import Shell

PROFILE = """
topics = ["cpe/{site}/{device}/status"]
stream = "radio"
[names]
link = { const = "l5g" }
[time]
from = "t"
unit = "s"
[columns]
rsrp_dbm = { from = "rsrp" }
pci = { from = "pci" }
"""


@pytest.fixture
def jissho(tmp_path):
    """The command line, without a database."""
    return Shell("postgresql://127.0.0.1:1/none", tmp_path)


def test_list_names_what_is_shipped(jissho):
    """Name, topics and streams, for people and programs."""
    assert "telegraf/{site}/{device}/+" in jissho("foreign", "list").stdout
    records = {record["name"]: record for record in jissho.json("foreign", "list")}
    assert records["cpe_status"]["streams"] == ["radio", "position", "host"]


@pytest.mark.parametrize("name", ["cpe_status", "telegraf", "sparkplug_json"])
def test_check_shows_what_a_capture_becomes(jissho, name):
    """The shipped profiles take their captures; the rows stand in the output."""
    outcome = jissho("foreign", "check", name, TESTCASES / f"{name}.txt")

    assert outcome.returncode == 0, outcome.stderr
    assert "0 would be quarantined" in outcome.stdout
    assert "2025-06-01 09:00:00 JST" in outcome.stdout


def test_check_names_every_complaint_and_fails(jissho, tmp_path):
    """Three faults of one message are three lines with their remedies; the exit status is 1."""
    (tmp_path / "mine.toml").write_text(PROFILE)
    (tmp_path / "capture.txt").write_text(
        'cpe/yokohama/cpe-1/status {"t": 1748736000, "rsrp": -90, "pci": 1}\n'
        'cpe/yokohama/CPE-1/status {"t": 1748736000000, "rsrp": -90}\n'
        'cpe/yokohama/cpe-1/status {"t": 1748736000, "rsrp": -90, "pci": 1}\n'
    )
    outcome = jissho("foreign", "check", "mine.toml", "capture.txt")
    verdicts = [
        json.loads(line)
        for line in jissho("foreign", "check", "mine.toml", "capture.txt", "--json").stdout.splitlines()
    ]

    assert outcome.returncode == 1
    assert "3 messages, 2 rows, 1 would be quarantined" in outcome.stdout
    reasons = [complaint["reason"] for complaint in verdicts[1]["complaints"]]
    assert reasons == ["missing_column", "identity_mismatch", "bad_time"]
    for word in ("optional = true", "CPE-1", "time.unit", "the same as line 1"):
        assert word in outcome.stdout


def test_a_payload_alone_needs_no_topic(jissho, tmp_path):
    """JSON over several lines, or one message a line, is taken as it lies there."""
    (tmp_path / "mine.toml").write_text(PROFILE)
    one = {"t": 1748736000, "rsrp": -90, "pci": 1}
    (tmp_path / "one.json").write_text(json.dumps(one, indent=1))
    (tmp_path / "two.jsonl").write_text(f"{json.dumps(one)}\n{json.dumps({**one, 'pci': 2})}\n")

    assert "1 messages, 1 rows" in jissho("foreign", "check", "mine.toml", "one.json").stdout
    given = jissho.json("foreign", "check", "mine.toml", "two.jsonl", "--topic", "cpe/nagoya/cpe-9/status")
    assert [(verdict["rows"][0]["site"], verdict["rows"][0]["values"]["pci"]) for verdict in given] == [
        ("nagoya", 1),
        ("nagoya", 2),
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("topics = [", "topics = ['+/{site}/{device}', "), ["topics", "fixed level"]),
        (("topics = [", "topics = ['jissho/1/{site}/{device}/x', "), ["jissho"]),
        (("{site}/", "+/"), ["names.site", "{site}"]),
        (('link = { const = "l5g" }', ""), ["link", "const"]),
        (('link = { const = "l5g" }', 'link = { const = "L5G" }'), ["L5G", "lower-case"]),
        (('link = { const = "l5g" }', "link = {}"), ["names.link", "`from` and `const`"]),
        (('stream = "radio"', 'stream = "wireless"'), ["stream", "wireless", "radio"]),
        (('rsrp_dbm = { from = "rsrp" }', 'rsrp = { from = "rsrp" }'), ["columns.rsrp", "rsrp_dbm"]),
        (('"rsrp" }', '"rsrp", unit = "ms" }'), ["columns.rsrp_dbm", "does not convert"]),
        (('"rsrp" }', '"rsrp", number = "row" }'), ["columns.rsrp_dbm", "template"]),
        (('"rsrp" }', '"cells.*.rsrp" }'), ["`each` only"]),
        (('"rsrp" }', '"cells[0]" }'), ["cells[0]"]),
        (('"rsrp" }', '"@topic.vendor" }'), ["@topic.vendor", "cpe/{site}/{device}/status"]),
        (('{ from = "rsrp" }', '{ template = "{rsrp}" }'), ["columns.rsrp_dbm", "template"]),
        (('{ from = "rsrp" }', '{ template = "{a..b}" }'), ["rsrp_dbm"]),
        (('unit = "s"', 'unit = "fortnight"'), ["fortnight"]),
        (('unit = "s"', 'timezone = "Japan/Tokyo"'), ["Japan/Tokyo", "+09:00"]),
        (('from = "t"', 'from = "@received"'), ["@received"]),
        (("[time]", "[[rows]]\nstream = 'radio'\n[time]"), ["rows"]),
    ],
)
def test_a_wrong_profile_is_one_line_that_names_file_and_key(jissho, tmp_path, change, words):
    """Exit status 2, no traceback, and what to do."""
    assert change[0] in PROFILE
    (tmp_path / "mine.toml").write_text(PROFILE.replace(*change, 1))
    outcome = jissho("foreign", "check", "mine.toml")

    assert outcome.returncode == 2, outcome.stdout
    assert len(outcome.stderr.strip().splitlines()) == 1
    assert all(word in outcome.stderr for word in ["mine", *words]), outcome.stderr


def test_two_profiles_may_not_take_the_same_topics(jissho, tmp_path):
    """A message would be read twice; ingest says so at its start."""
    (tmp_path / "mine.toml").write_text(PROFILE.replace("cpe/{site}/{device}/status", "cpe/{site}/{device}/#"))
    jissho.environment["JISSHO_FOREIGN_PROFILES"] = "cpe_status, mine.toml"
    outcome = jissho("ingest")

    assert outcome.returncode == 2
    assert "same topics" in outcome.stderr


def test_one_profile_serves_a_devices_messages_and_its_files(db, tmp_path):
    """The CSV that comes by MQTT may also be imported as a file, with the same TOML."""
    (tmp_path / "logger.toml").write_text(
        'format = "csv"\ntopics = ["logger/{site}/{device}"]\nstream = "radio"\n'
        '[names]\nlink = { const = "l5g" }\n'
        '[time]\nfrom = ["日付", "時刻"]\ntimezone = "JST"\n'
        '[columns]\nrsrp_dbm = { from = "RSRP.avg", unit = "0.1 dBm", null = ["-32768"] }\n'
    )
    (tmp_path / "drive.csv").write_text(
        "日付,時刻,RSRP.avg\n2025-06-01,09:00:00,-885\n2025-06-01,09:00:01,-32768\n2025-06-01,09:00:02,-901\n"
    )
    jissho = Shell(db.url, tmp_path)
    by_message = jissho.json("foreign", "check", "logger.toml", "drive.csv")[0]["rows"]
    (imported,) = jissho.json("import", "drive.csv", "--profile", "logger.toml", "--run", "r", "--site", "yokohama",
                              "--device", "logger-1", "--link", "l5g")  # fmt: skip

    with db.connect() as connection:
        stored = connection.execute(
            "SELECT (extract(epoch FROM t) * 1e9)::int8, rsrp_dbm FROM radio ORDER BY t"
        ).fetchall()
    found = [(row["t_ns"], row["values"]["rsrp_dbm"]) for row in by_message if row["values"]["rsrp_dbm"] is not None]
    assert found == [pair for pair in stored if pair[1] is not None]
    assert imported["samples"] == 3
