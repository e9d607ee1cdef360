"""The table of faults: a name, what it does to the running line, and how often it is drawn."""

import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from random import Random

import paho.mqtt.client as mqtt

from contract.topics import data_topic
from storage.connect import connect
from tests.e2e.faults.invariants import Proof
from tests.e2e.faults.points import arm
from tests.e2e.faults.stage import DEVICE, SITE, Stage, wait_until

SHORT_S, LONG_S = 0.3, 1.5
_TORN_BYTES = 5_000
TOPIC = data_topic(SITE, DEVICE, "metric")
OLD_PAYLOAD = (
    '{"v":1,"site":"%s","device":"%s","epoch":"%s","seq":%d,"stream":"metric","n":1,"t0_ns":1780000000000000000,'
    '"columns":{"t":[0],"name":["old"],"value":[1],"unit":["1"]}}'
)
"""As a collector of the first revision wrote it: JSON, without link and source."""


@dataclass(frozen=True)
class Fault:
    """One kind of fault. `strike` brings it about and leaves the line able to go on by itself."""

    name: str
    strike: Callable[[Stage, Proof, Random], None]
    weight: int = 2


def _at_point(who: str, point: str) -> Callable[[Stage, Proof, Random], None]:
    def strike(stage: Stage, _proof: Proof, _random: Random) -> None:
        armed = arm(stage.control, who, point)
        wait_until(lambda: not armed.exists(), f"{who} passes {point}")
        stage.wait_for_death(who)

    return strike


def _stall_at(who: str, point: str, seconds: float) -> Callable[[Stage, Proof, Random], None]:
    def strike(stage: Stage, _proof: Proof, _random: Random) -> None:
        armed = arm(stage.control, who, point, f"stall:{seconds}")
        wait_until(lambda: not armed.exists(), f"{who} passes {point}")
        time.sleep(seconds)

    return strike


def _kill(who: str) -> Callable[[Stage, Proof, Random], None]:
    def strike(stage: Stage, _proof: Proof, random: Random) -> None:
        time.sleep(random.uniform(0, SHORT_S))
        stage.kill(who)

    return strike


def _pause(who: str) -> Callable[[Stage, Proof, Random], None]:
    return lambda stage, _proof, random: stage.pause(who, random.uniform(SHORT_S, LONG_S))


def _kill_broker(stage: Stage, _proof: Proof, random: Random) -> None:
    stage.broker.kill()
    time.sleep(random.uniform(0, SHORT_S))
    stage.broker.start()


def _crash_database(stage: Stage, _proof: Proof, _random: Random) -> None:
    stage.crash_database()


def _reset_in_copy(stage: Stage, _proof: Proof, _random: Random) -> None:
    """Ingest holds its transaction open after COPY; its connection is ended on the server."""
    armed = arm(stage.control, "ingest", "copied", "stall:0.5")
    wait_until(lambda: not armed.exists(), "ingest passes copied")
    with connect(stage.database_url) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'jissho-ingest'"
        )


def _proxy(name: str, action: str) -> Callable[[Stage, Proof, Random], None]:
    def strike(stage: Stage, _proof: Proof, random: Random) -> None:
        proxy = getattr(stage, name)
        if action == "cut":
            proxy.cut()
            return
        {"stall": proxy.stall, "silent": proxy.drop_silently, "slow": lambda: proxy.throttle(20_000)}[action]()
        time.sleep(random.uniform(SHORT_S, LONG_S))
        proxy.heal(forget=action == "silent")

    return strike


def _quota(stage: Stage, proof: Proof, _random: Random) -> None:
    """The broker is away and the outbox may hold 30 kB: the oldest batches are dropped, counted and named."""
    before = stage.outbox_rows("SELECT coalesce(sum(batches), 0) FROM dropped")[0][0]
    proof.check()
    stage.kill("collector")
    stage.edge.stall()
    stage.max_bytes = 30_000
    stage.start_collector()
    wait_until(
        lambda: stage.outbox_rows("SELECT coalesce(sum(batches), 0) FROM dropped")[0][0] > before, "the quota drops"
    )
    stage.kill("collector")
    stage.max_bytes = 200_000_000
    stage.edge.heal(forget=True)


def _torn(stage: Stage, proof: Proof, _random: Random) -> None:
    """The disk loses the end of the journal that it had promised to keep: the outbox goes back in time."""
    proof.rewound.add(stage.taken()[0])
    stage.kill("collector")
    # Opening the file now would fold the journal into it.
    journal = stage.outbox.with_name(stage.outbox.name + "-wal")
    size = journal.stat().st_size if journal.exists() else 0
    if size > _TORN_BYTES:
        with journal.open("r+b") as file:
            file.truncate(size - _TORN_BYTES)
    proof.expected_quarantine += 200
    stage.start_collector()
    proof.check()
    stage.new_outbox()


def _broken_outbox(stage: Stage, proof: Proof, _random: Random) -> None:
    """The outbox file itself is unreadable: it is moved aside and a new epoch begins."""
    proof.check()
    stage.kill("collector")
    wait = stage.taken()
    with closing(sqlite3.connect(stage.outbox)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        left = [seq for (seq,) in db.execute("SELECT seq FROM batch")]
    proof.may_be_quarantined |= {(wait[0], seq) for seq in left}
    with stage.outbox.open("r+b") as file:
        file.seek(0)
        file.write(b"\xff" * 100)


def _bit_flip(stage: Stage, _proof: Proof, random: Random) -> None:
    """A bit of a waiting batch changes on the disk: it is dropped and named, never stored and never quarantined."""
    stage.edge.stall()
    time.sleep(SHORT_S)
    with closing(sqlite3.connect(stage.outbox, timeout=10)) as db:
        row = db.execute("SELECT seq, payload FROM batch WHERE stream = 'metric' ORDER BY seq DESC LIMIT 1").fetchone()
        if row is not None:
            seq, payload = row
            broken = bytearray(payload)
            bit = random.randrange(8 * len(broken))
            broken[bit // 8] ^= 1 << bit % 8
            db.execute("UPDATE batch SET payload = ? WHERE seq = ?", (bytes(broken), seq))
            db.commit()
    # What was under way when the link stalled may have left whole, and is sent again from memory.
    stage.edge.heal(forget=True)


def _garbage(stage: Stage, proof: Proof, random: Random) -> None:
    """Somebody publishes what is no batch."""
    _publish(stage, random.randbytes(random.randint(1, 2_000)))
    proof.expected_quarantine += 1


def _old_client(stage: Stage, proof: Proof, random: Random) -> None:
    """A collector of the first revision sends a batch, and once more: it counts once."""
    epoch = f"old-{random.getrandbits(32)}"
    payload = (OLD_PAYLOAD % (SITE, DEVICE, epoch, 1)).encode()
    _publish(stage, payload)
    _publish(stage, payload)

    def count() -> int:
        with connect(stage.database_url) as connection:
            row = connection.execute(
                "SELECT count(*) FROM metric JOIN batch USING (batch_id) JOIN ledger USING (epoch_id) WHERE epoch = %s",
                (epoch,),
            ).fetchone()
            return int(row[0]) if row else 0

    wait_until(lambda: count() > 0, "the old client's batch is there")
    assert count() == 1, "the old client's batch is there twice"
    del proof


def _clone(stage: Stage, proof: Proof, _random: Random) -> None:
    """The collector's disk is copied to a second machine, and both measure under one name and one epoch."""
    stage.kill("collector")
    copy = stage.folder / "clone.sqlite"
    for suffix in ("", "-wal"):
        source = stage.outbox.with_name(stage.outbox.name + suffix)
        if source.exists():
            shutil.copy(source, copy.with_name(copy.name + suffix))
    proof.expected_quarantine += 1_000
    proof.rewound.add(stage.taken()[0])
    stage.start_collector()
    stage.start_collector("clone", copy)
    wait_until(lambda: _conflicts(stage) > 0, "the clone is noticed")
    stage.kill("clone")
    for suffix in ("", "-wal", "-shm", ".lock"):
        copy.with_name(copy.name + suffix).unlink(missing_ok=True)
    # The remedy: each machine its own outbox.
    stage.new_outbox()


def _conflicts(stage: Stage) -> int:
    with connect(stage.database_url) as connection:
        row = connection.execute("SELECT count(*) FROM quarantine WHERE reason = 'identity_conflict'").fetchone()
        return int(row[0]) if row else 0


def _publish(stage: Stage, payload: bytes) -> None:
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", stage.broker.port)
    client.loop_start()
    client.publish(TOPIC, payload, qos=1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


FAULTS: tuple[Fault, ...] = (
    *(Fault(f"collector dies: {point}", _at_point("collector", point))
      for point in ("appending", "appended", "published", "receipted", "deleting")),
    *(Fault(f"ingest dies: {point}", _at_point("ingest", point)) for point in ("copied", "committed", "answered")),
    Fault("collector is killed", _kill("collector")),
    Fault("ingest is killed", _kill("ingest")),
    Fault("collector is paused", _pause("collector"), 1),
    Fault("ingest is paused", _pause("ingest"), 1),
    Fault("ingest stalls before the receipt", _stall_at("ingest", "committed", 1.5), 1),
    Fault("broker is killed", _kill_broker),
    Fault("database crashes", _crash_database, 1),
    Fault("connection is reset in COPY", _reset_in_copy),
    *(Fault(f"{name} link: {action}", _proxy(name, action), 1)
      for name in ("edge", "server", "database") for action in ("cut", "stall", "silent", "slow")),
    Fault("disk is full", _stall_at("collector", "disk_full", 0.0), 1),
    Fault("quota is reached", _quota, 1),
    Fault("last record is torn", _torn, 1),
    Fault("outbox is unreadable", _broken_outbox, 1),
    Fault("bytes change on the disk", _bit_flip, 1),
    Fault("garbage is published", _garbage),
    Fault("an old client sends", _old_client),
    Fault("the device is cloned", _clone, 1),
)  # fmt: skip
"""Every fault that the line must survive; each is drawn at least once before any is drawn again."""
