"""The outbox: what it took survives a kill, keeps its numbers, and is given up only by quota, with a record."""

import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

from collectors.outbox import Drop, NewBatch, Outbox, OutboxError
from collectors.outbox_reader import OutboxReader
from contract.codec import decode_batch

WRITER = """
import sys
from pathlib import Path
from collectors.outbox import NewBatch, Outbox
outbox = Outbox(Path(sys.argv[1]), site="site-a", device="car-1")
number = outbox.taken
while True:
    columns = [{"t": [0], "name": ["x"], "value": [float(number + i)], "unit": ["1"]} for i in range(1, 4)]
    batches = [NewBatch("metric", "l5g", "t/1", 1, 0, each) for each in columns]
    stored, _ = outbox.append(batches)
    number = stored[-1].seq
    print(number, flush=True)
"""


def new_batch(value=1.0, padding=""):
    columns = {"t": [0], "name": ["x" + padding], "value": [value], "unit": ["1"]}
    return NewBatch("metric", "l5g", "test/1", 1, 1_780_000_000_000_000_000, columns)


@pytest.fixture
def path(tmp_path):
    """Where the outbox lies."""
    return tmp_path / "outbox.sqlite"


def open_outbox(path, **changes):
    return Outbox(path, **{"site": "site-a", "device": "car-1", **changes})


def test_numbers_and_epoch_go_on_after_a_restart(path):
    """The same epoch, and seq without a hole; deleted batches stay deleted."""
    first = open_outbox(path)
    first.append([new_batch(), new_batch()])
    first.delete([(1, 1)])
    first.close()
    second = open_outbox(path)
    stored, drop = second.append([new_batch()])

    assert (second.epoch, stored[0].seq, drop) == (first.epoch, 3, None)
    assert [batch.seq for batch in second.newest_before(99, 10)] == [3, 2]
    envelope = decode_batch(stored[0].payload)
    assert (envelope.site, envelope.device, envelope.epoch, envelope.seq) == ("site-a", "car-1", first.epoch, 3)
    second.close()


def test_what_was_acknowledged_survives_kill_9(path):
    """A writer is killed 15 times at random moments: no acknowledged batch is missing, no number is skipped."""
    rng = random.Random(5)
    acknowledged = 0
    for _ in range(15):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
        acknowledged = int(writer.stdout.readline())
        time.sleep(rng.uniform(0, 0.05))
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().splitlines()
        acknowledged = int(rest[-1]) if rest and rest[-1].strip() else acknowledged
        writer.wait()
        writer.stdout.close()
    outbox = open_outbox(path)
    seqs = [batch.seq for batch in outbox.newest_before(10**9, 10**6)]

    assert outbox.taken >= acknowledged >= 45
    assert seqs == list(range(outbox.taken, 0, -1))
    assert decode_batch(outbox.newest_before(acknowledged + 1, 1)[0].payload).seq == acknowledged
    outbox.close()


def test_only_one_process_owns_an_outbox(path):
    """A second owner is refused with the remedy; after the first closes it may have it."""
    first = open_outbox(path)
    with pytest.raises(OutboxError, match="in use by another jissho collect"):
        open_outbox(path)
    first.close()

    open_outbox(path).close()


def test_an_outbox_belongs_to_its_device(path):
    """Opening it as another device is refused and says whose it is."""
    open_outbox(path).close()

    with pytest.raises(OutboxError, match="belongs to site-a/car-1"):
        open_outbox(path, device="car-2")
    open_outbox(path).close()


def test_a_broken_file_is_moved_aside_and_a_new_epoch_begins(path):
    """Damage in the middle of the file never stops the agent, and the old bytes are kept."""
    first = open_outbox(path)
    first.append([new_batch(padding="y" * 5000) for _ in range(50)])
    first.close()
    data = bytearray(path.read_bytes())
    data[4096 : 4096 * 3] = os.urandom(4096 * 2)
    path.write_bytes(data)

    second = open_outbox(path)

    assert second.moved_aside is not None
    assert second.moved_aside.read_bytes() == bytes(data)
    assert second.epoch != first.epoch
    assert (second.taken, second.statistics().batches) == (0, 0)
    second.close()


def test_a_deletion_that_fails_deletes_nothing_and_can_be_repeated(path):
    """On a read-only medium the error is ours, no transaction stays open, and the next try succeeds."""
    outbox = open_outbox(path)
    outbox.append([new_batch(), new_batch()])
    outbox._db.execute("PRAGMA query_only = on")
    with pytest.raises(OutboxError, match="cannot be written"):
        outbox.delete([(1, 2)])
    outbox._db.execute("PRAGMA query_only = off")

    assert outbox.statistics().batches == 2
    outbox.append([new_batch()])
    assert outbox.delete([(1, 2)]) == 2
    outbox.close()


def test_a_full_quota_drops_the_oldest_and_says_which(path):
    """The newest data win; what was dropped is returned, counted and never handed out again."""
    outbox = open_outbox(path, max_bytes=10_000)
    drops = []
    for number in range(20):
        _, drop = outbox.append([new_batch(float(number), padding="z" * 1000)])
        drops += [drop] if drop else []
    statistics = outbox.statistics()

    assert statistics.bytes <= 10_000
    assert statistics.taken == 20
    assert statistics.dropped == sum(drop.batches for drop in drops) == 20 - statistics.batches
    assert drops[0].first_seq == 1
    # Room is freed for more than the next batch, and what is dropped in a row is one range.
    assert len(drops) < statistics.dropped
    assert outbox.dropped_ranges() == [(1, drops[-1].last_seq)]
    assert outbox.newest_before(99, 99)[-1].seq == drops[-1].last_seq + 1
    outbox.close()


def test_a_full_disk_is_an_error_and_loses_nothing_stored(path):
    """When the file may not grow the append fails as a whole; later appends go on with the next number."""
    outbox = open_outbox(path)
    outbox.append([new_batch(padding="a" * 2000)])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, limits[1]))
    try:
        with pytest.raises(OutboxError, match="is the disk full"):  # noqa: PT012 - which append fails is the file system's
            for _ in range(100):
                outbox.append([new_batch(padding="b" * 20_000)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    taken = outbox.taken
    stored, _ = outbox.append([new_batch()])

    assert stored[0].seq == taken + 1
    assert [batch.seq for batch in outbox.newest_before(10**6, 10**6)] == list(range(taken + 1, 0, -1))
    outbox.close()


def test_statistics_count_what_waits(path):
    """Batches, bytes and the age of the oldest follow append and delete."""
    outbox = open_outbox(path)
    before = time.time_ns()
    stored, _ = outbox.append([new_batch(), new_batch()])
    waiting = outbox.statistics()
    deleted = outbox.delete([(1, 2), (7, 9)])

    assert (waiting.batches, waiting.bytes) == (2, sum(len(batch.payload) for batch in stored))
    assert waiting.oldest_ns >= before
    assert deleted == 2
    assert (outbox.statistics().batches, outbox.statistics().bytes, outbox.statistics().oldest_ns) == (0, 0, 0)
    outbox.close()


def flip_a_bit(path, column, seq, bit):
    """Change one bit of a record as a bad disk does: SQLite's own checks see nothing of it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        (value,) = db.execute(f"SELECT CAST({column} AS BLOB) FROM batch WHERE seq = ?", (seq,)).fetchone()
        broken = bytearray(value)
        broken[bit // 8 % len(broken)] ^= 1 << bit % 8
        kind = "CAST(? AS TEXT)" if column == "stream" else "?"
        db.execute(f"UPDATE batch SET {column} = {kind} WHERE seq = ?", (bytes(broken), seq))


@pytest.mark.parametrize("column", ["payload", "stream"])
@pytest.mark.parametrize("bit", [0, 7, 100, 1003])
def test_a_flipped_bit_is_found_and_the_record_given_up_with_a_record_of_its_own(path, column, bit):
    """Whichever byte it hits, also one that leaves a readable batch or a stream's name that is no text."""
    outbox = open_outbox(path)
    stored, _ = outbox.append([new_batch(float(number)) for number in range(5)])
    flip_a_bit(path, column, 3, bit)

    assert [each for each in reversed(stored) if each.seq != 3] == outbox.newest_before(99, 10)
    assert outbox.unreported() == [Drop(3, 3, 1, "damaged")]
    statistics = outbox.statistics()
    assert (statistics.batches, statistics.dropped, statistics.damaged) == (4, 1, 1)
    outbox.append([new_batch()], reporting=outbox.unreported())
    assert outbox.unreported() == []
    assert (outbox.dropped_ranges("damaged"), outbox.dropped_ranges()) == ([(3, 3)], [])
    outbox.close()


def test_a_number_that_was_damaged_is_found_too(path):
    """A record that lies under another number than it was given: its receipt could never find it."""
    outbox = open_outbox(path)
    outbox.append([new_batch(), new_batch()])
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE batch SET seq = 6 WHERE seq = 2")

    assert [batch.seq for batch in outbox.newest_before(99, 10)] == [1]
    assert outbox.statistics().damaged == 1
    outbox.close()


def test_sound_batches_behind_many_damaged_ones_are_found(path):
    """Reading goes on until something can be sent; damaged neighbours are one range, apart from what the quota cost."""
    outbox = open_outbox(path, max_bytes=10_000)
    for number in range(20):
        outbox.append([new_batch(float(number), padding="z" * 1000)])
    oldest = outbox.newest_before(99, 99)[-1].seq
    for seq in range(oldest + 1, 21):
        flip_a_bit(path, "payload", seq, 5000)

    assert [batch.seq for batch in outbox.newest_before(99, 2)] == [oldest]
    assert outbox.newest_before(oldest, 2) == []
    assert outbox.unreported() == [
        Drop(oldest + 1, 20, 20 - oldest, "damaged"), Drop(1, oldest - 1, oldest - 1, "quota")
    ]  # fmt: skip
    outbox.close()


def test_damaged_records_on_a_full_disk_are_passed_over_and_given_up_later(path):
    """What cannot be recorded now is not sent either, and is not forgotten."""
    outbox = open_outbox(path)
    outbox.append([new_batch(), new_batch(), new_batch()])
    flip_a_bit(path, "payload", 2, 50)
    outbox._db.execute("PRAGMA query_only = on")
    assert [batch.seq for batch in outbox.newest_before(99, 10)] == [3, 1]
    outbox._db.execute("PRAGMA query_only = off")

    assert outbox.statistics().damaged == 0
    assert [batch.seq for batch in outbox.newest_before(99, 10)] == [3, 1]
    assert outbox.statistics().damaged == 1
    outbox.close()


def test_a_file_without_checksums_is_upgraded_in_place(path):
    """What lies in it is sent as it is; what is taken from now on is checked."""
    outbox = open_outbox(path)
    old, _ = outbox.append([new_batch(1.0), new_batch(2.0)])
    outbox.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("ALTER TABLE batch DROP COLUMN checksum")

    with OutboxReader(path) as reader:
        assert [tuple(each) for each in reader.batches()] == [tuple(each) for each in old]
    upgraded = open_outbox(path)
    assert (upgraded.epoch, upgraded.moved_aside) == (outbox.epoch, None)
    new, _ = upgraded.append([new_batch(3.0), new_batch(4.0)])
    flip_a_bit(path, "payload", 3, 50)
    assert [new[1], old[1], old[0]] == upgraded.newest_before(99, 10)
    upgraded.close()


def test_a_drop_is_owed_until_a_batch_tells_of_it(path):
    """Also when the process dies in between, and when the telling batch is dropped in its turn."""
    outbox = open_outbox(path, max_bytes=5_000)
    for number in range(10):
        outbox.append([new_batch(float(number), padding="z" * 1000)])
    owed = outbox.unreported()
    assert [(drop.first_seq, drop.last_seq) for drop in owed] == [(1, owed[0].batches)]
    outbox.close()

    again = open_outbox(path, max_bytes=5_000)
    assert again.unreported() == owed
    told, _ = again.append([new_batch()], reporting=owed)
    assert not [drop for drop in again.unreported() if drop.first_seq <= owed[0].last_seq]
    while again.newest_before(99, 99)[-1].seq <= told[0].seq:
        again.append([new_batch(padding="z" * 1000)])
    assert again.unreported()[0].first_seq == 1
    again.close()
