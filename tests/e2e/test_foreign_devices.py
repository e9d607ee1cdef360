"""A stranger's devices, a real broker, and an ingest process that is killed: every message is in the database, once."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.ingest.test_foreign import count, message
from tests.ingest.test_foreign_service import Cpe
from tests.jissho.shell import Shell
from tests.jissho.test_foreign import PROFILE

pytestmark = pytest.mark.e2e
DEADLINE_S = 60


class Ingest:
    """`jissho ingest` as a process of its own."""

    def __init__(self, environment, folder):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jissho", "ingest"], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
        )
        self.process.stdout.readline()
        self.taking = self.process.stdout.readline()

    def end(self, number):
        self.process.send_signal(number)
        said = self.process.communicate(timeout=DEADLINE_S)[0]
        return self.process.returncode, said


@pytest.fixture
def ingest(db, broker, tmp_path):
    """Start `jissho ingest` with the profile mine.toml; whatever still runs is ended after the test."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("JISSHO_")}
    environment = {
        **clean,
        "JISSHO_DATABASE_URL": db.url,
        "JISSHO_MQTT_PORT": str(broker.port),
        "JISSHO_FOREIGN_PROFILES": "mine.toml",
    }
    running = []

    def start():
        running.append(Ingest(environment, tmp_path))
        return running[-1]

    yield start
    for each in running:
        if each.process.poll() is None:
            each.end(signal.SIGKILL)


def wait_for(condition):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_killed_ingest_loses_and_doubles_nothing(db, broker, tmp_path, ingest):
    """kill -9 in the middle of the stream, a restart, a second process, a wrong profile corrected, a replay."""
    (tmp_path / "mine.toml").write_text(PROFILE.replace('pci = { from = "pci" }', ""))
    connection = db.connect()
    cpe = Cpe(broker.port)
    first = ingest()
    assert "foreign devices on cpe/+/+/status" in first.taking
    # The subscription must exist before the first message: a broker keeps nothing for who never came.
    cpe.send(message(0))
    started = time.monotonic()
    while not count(connection):
        cpe.send(message(0))
        assert time.monotonic() - started < DEADLINE_S
    for n in range(1, 400):
        each = message(n, f"cpe-{n % 4}")
        cpe.client.publish(each.topic, each.payload, qos=1)
        if n == 200:
            wait_for(lambda: count(connection) > 20)
            first.end(signal.SIGKILL)
    second = ingest()
    cpe.send(*(message(n, f"cpe-{n % 4}") for n in range(390, 400)))  # the device repeats itself after a reconnection
    broken = [message(n, rsrp=None, RSRP=-905) for n in range(400, 403)]
    cpe.send(*broken, broken[0])
    seen = "SELECT coalesce(sum(seen), 0) FROM quarantine"
    wait_for(lambda: count(connection) == 400 and connection.execute(seen).fetchone() == (4,))
    code, said = second.end(signal.SIGTERM)
    cpe.close()

    assert code == 0
    assert "messages of foreign devices" in said
    assert "4 in quarantine" in said
    jissho = Shell(db.url, tmp_path)
    jissho.environment["JISSHO_FOREIGN_PROFILES"] = "mine.toml"
    (tmp_path / "mine.toml").write_text(
        PROFILE.replace('pci = { from = "pci" }', "").replace('from = "rsrp"', 'from = "RSRP", unit = "0.1 dBm"')
    )
    (replayed,) = jissho.json("quarantine", "replay")
    assert (replayed["replayed"], replayed["rows"], replayed["refused"]) == (3, 3, 0)
    (again,) = jissho.json("quarantine", "replay")
    assert again["tried"] == 0
    assert count(connection) == 403
    times = connection.execute("SELECT count(DISTINCT t) FROM radio").fetchone()
    assert times == (403,)
    assert connection.execute(
        "SELECT sum(upper(r) - lower(r))::int8 FROM ledger, unnest(committed) AS r"
    ).fetchone() == (403,)
    assert json.loads(jissho("quarantine", "list", "--all", "--json").stdout.splitlines()[0])["device"] == ""
