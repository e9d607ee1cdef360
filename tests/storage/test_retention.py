"""Retention: what is old goes, evidence stays, and what went is told from what is missing."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from storage.completeness import run_completeness
from storage.leaves import stream_leaves
from storage.migrate import database_mode
from storage.retention import RetentionError, delete_older, parse_age
from storage.retention_policy import apply_policies, list_policies, policy_limits, set_policy
from storage.runs import get_run, mark_evidence, start_run
from storage.status import database_state
from tests.storage.test_columnstore import compress
from tests.storage.test_writer import T0_US, probe_batch

DAY_US = 86_400_000_000
T0 = datetime.fromtimestamp(T0_US / 1e6, tz=UTC)


def at(days):
    return T0 + timedelta(days=days)


def on_day(day, seq, **changes):
    """A batch of ten samples in one second of a day."""
    return probe_batch(seq, t0_us=T0_US + round(day * DAY_US) - seq * 1_000_000, **changes)


def rows_by_day(connection):
    """How many probes there are by day since T0 and device."""
    found = connection.execute(
        "SELECT device, floor(extract(epoch FROM t - %s) / 86400)::int4, count(*)::int4"
        " FROM probe JOIN link_name USING (link_id) GROUP BY 1, 2 ORDER BY 1, 2",
        (T0,),
    )
    return {(device, day): rows for device, day, rows in found}


def ledger(connection):
    return connection.execute("SELECT epoch_id, committed::text, announced FROM ledger ORDER BY 1").fetchall()


def make_partitions(connection, *, days, width_days):
    """Turn the probe table of plain PostgreSQL into partitions of some days, unless its schema has some of its own."""
    if connection.execute("SELECT relkind FROM pg_class WHERE oid = 'probe'::regclass").fetchone() != ("r",):
        return
    connection.execute(
        "ALTER TABLE probe RENAME TO probe_old;"
        "CREATE TABLE probe (LIKE probe_old INCLUDING ALL) PARTITION BY RANGE (t);"
        "CREATE TABLE probe_rest PARTITION OF probe DEFAULT"
    )
    for day in range(0, days, width_days):
        connection.execute(
            f"CREATE TABLE probe_{day} PARTITION OF probe"
            f" FOR VALUES FROM ('{at(day).isoformat()}') TO ('{at(day + width_days).isoformat()}')"
        )


@pytest.fixture(params=["as migrated", "other layout"])
def writer(db, request):
    """A writer; the other layout is partitions on plain PostgreSQL, and compressed chunks (later) on TimescaleDB."""
    writer = db.writer()
    writer.layout = request.param
    if request.param == "other layout" and database_mode(writer.connection) == "plain":
        make_partitions(writer.connection, days=40, width_days=7)
    return writer


def settle(writer):
    """Compress what there is, in the other layout on TimescaleDB."""
    if writer.layout == "other layout" and database_mode(writer.connection) == "timescale":
        compress(writer.connection)


def test_old_rows_go_and_the_ledger_stays(writer):
    """A dry run tells what the deletion then does; a second deletion finds nothing; other streams are not touched."""
    connection = writer.connection
    writer.commit([on_day(day, day + 1) for day in range(20)])
    settle(writer)
    before = ledger(connection)
    (planned,) = delete_older(connection, {"probe": at(15)}, dry_run=True)
    untouched = sum(rows_by_day(connection).values())
    (done,) = delete_older(connection, {"probe": at(15)})
    (again,) = delete_older(connection, {"probe": at(15)})

    assert (planned.rows, planned.chunks, done.rows, untouched) == (150, done.chunks, 150, 200)
    assert rows_by_day(connection) == {("car-1", day): 10 for day in range(15, 20)}
    assert (again.rows, again.chunks, again.kept_rows) == (0, 0, 0)
    assert ledger(connection) == before
    assert connection.execute("SELECT count(*) FROM batch").fetchone() == (20,)
    state = database_state(connection).streams["probe"]
    assert (state.rows, state.oldest, state.latest.date()) == (50, at(15), at(19).date())
    if database_mode(connection) == "timescale" or writer.layout == "other layout":
        assert done.chunks > 0
        assert done.freed_bytes > 0


def test_evidence_stays_with_its_device_and_its_clock(writer):
    """Of a run that is evidence its links and the device's own samples are kept, and a margin; of others nothing."""
    connection = writer.connection
    writer.commit([on_day(day, day + 1) for day in range(10)])
    writer.commit([on_day(day, day + 1, epoch="own", link="") for day in range(10)])
    writer.commit([on_day(day, day + 1, epoch="lte", link="lte") for day in range(10)])
    writer.commit([on_day(day, day + 1, device="car-2") for day in range(10)])
    # Day 3 only, by a run that begins just after its samples.
    start_run(
        connection, name="drive-1", site="site-a", devices=["car-1"], links=["l5g"], evidence=True,
        started_at=at(3) + timedelta(minutes=5), ended_at=at(3) + timedelta(hours=1),
    )  # fmt: skip
    start_run(connection, name="other", site="site-a", started_at=at(0), ended_at=at(2))
    settle(writer)
    (done,) = delete_older(connection, {"probe": at(9)})

    assert rows_by_day(connection) == {("car-1", 3): 20, ("car-1", 9): 30, ("car-2", 9): 10}
    left = connection.execute(
        "SELECT DISTINCT link FROM probe JOIN link_name USING (link_id) WHERE t < %s ORDER BY 1", (at(4),)
    )
    assert left.fetchall() == [("",), ("l5g",)]
    assert (done.rows, done.kept_rows) == (400 - 60, 20)


def test_evidence_that_is_taken_back_goes_with_the_next_retention(writer):
    """The mark is what counts when retention is at work."""
    connection = writer.connection
    writer.commit([on_day(day, day + 1) for day in range(4)])
    start_run(connection, name="drive-1", site="site-a", started_at=at(1), ended_at=at(1.5), evidence=True)
    delete_older(connection, {"probe": at(3)})
    kept = rows_by_day(connection)
    mark_evidence(connection, "drive-1", is_evidence=False)
    delete_older(connection, {"probe": at(3)})

    assert kept == {("car-1", 1): 10, ("car-1", 3): 10}
    assert rows_by_day(connection) == {("car-1", 3): 10}


def test_completeness_says_deleted_not_missing(writer):
    """Every batch was committed, and those that retention touched are counted apart; what came after it is there."""
    connection = writer.connection
    writer.commit([on_day(day, day + 1) for day in range(6) if day != 2])
    start_run(connection, name="drive-1", site="site-a", started_at=at(0), ended_at=at(6))
    delete_older(connection, {"probe": at(4)})
    gone = run_completeness(connection, get_run(connection, "drive-1"))
    late = on_day(2, 3)
    now_us = round(datetime.now(tz=UTC).timestamp() * 1e6)
    writer.commit([type(late)(late.key, late.stream, late.link, late.source, late.n, late.t_us, late.columns, now_us)])
    arrived = run_completeness(connection, get_run(connection, "drive-1"))

    assert (gone.taken, gone.committed, gone.missing, gone.deleted, gone.ratio) == (6, 5, 1, 3, 5 / 6)
    assert (arrived.committed, arrived.missing, arrived.deleted) == (6, 0, 3)
    # It is old all the same, so the next retention takes it, and only it.
    (done,) = delete_older(connection, {"probe": at(4)})
    assert done.rows == 10
    assert run_completeness(connection, get_run(connection, "drive-1")).deleted == 4
    assert database_state(connection).streams["probe"].rows == sum(rows_by_day(connection).values()) == 20


@pytest.mark.parametrize("seed", range(4))
def test_what_is_left_is_what_a_sample_by_sample_check_leaves(writer, seed):
    """Random batches, evidence and ages in random order: rows, log and register agree with the plain definition."""
    connection = writer.connection
    rng = np.random.default_rng(seed)
    expected = []  # (t_us, device, link) of what must be there
    evidence = []
    devices, links = ["car-1", "car-2"], ["", "l5g", "lte"]
    seq = 0
    for round_number in range(4):
        batches = []
        for _ in range(12):
            seq += 1
            device, link = rng.choice(devices), rng.choice(links)
            batch = probe_batch(seq, n=int(rng.integers(1, 40)), device=str(device), link=str(link))
            # From a second to four days, so that batches lie across chunks, evidence and limits.
            step_us = int(rng.choice([1_000, 3_600_000_000, 9_000_000_000]))
            t_us = T0_US + int(rng.integers(0, 30 * DAY_US)) + np.arange(batch.n) * step_us
            received_us = round(datetime.now(tz=UTC).timestamp() * 1e6)
            batches.append(type(batch)(batch.key, "probe", batch.link, "x", batch.n, t_us, batch.columns, received_us))
            expected += [(int(t), str(device), str(link)) for t in t_us]
        writer.commit(batches)
        if round_number == 1:
            settle(writer)
        start = float(rng.uniform(0, 28))
        chosen = [str(device) for device in devices if rng.random() < 0.5]
        run = start_run(
            connection, name=f"r{round_number}", site="site-a", devices=chosen, links=["l5g"], evidence=True,
            started_at=at(start), ended_at=at(start + float(rng.uniform(0, 5))),
        )  # fmt: skip
        margin = timedelta(minutes=10)
        evidence.append((run.started_at - margin, run.ended_at + margin, chosen or devices, ["", "l5g"]))
        limit = at(float(rng.uniform(0, 30)))
        count = len(expected)
        expected = [
            (t_us, device, link)
            for t_us, device, link in expected
            for t in [datetime.fromtimestamp(0, tz=UTC) + timedelta(microseconds=t_us)]
            if t >= limit
            or any(low <= t <= high and device in who and link in what for low, high, who, what in evidence)
        ]
        (done,) = delete_older(connection, {"probe": limit})
        assert done.rows == count - len(expected)
    found = connection.execute(
        "SELECT (extract(epoch FROM t) * 1e6)::int8, device, link FROM probe JOIN link_name USING (link_id)"
    ).fetchall()
    assert sorted(found) == sorted(expected)
    assert database_state(connection).streams["probe"].rows == len(expected)


def test_old_evidence_is_not_read_again(writer, monkeypatch):
    """The register tells that nothing else is left there: months of evidence would take hours a day."""
    connection = writer.connection
    writer.commit([on_day(day, day + 1) for day in range(4)])
    start_run(connection, name="drive-1", site="site-a", started_at=at(1), ended_at=at(1.5), evidence=True)
    delete_older(connection, {"probe": at(3)})
    monkeypatch.setattr("storage.retention._shares", lambda *_: pytest.fail("read again"))

    assert delete_older(connection, {"probe": at(3)})[0].rows == 0


def test_a_chunk_in_use_is_left_for_the_next_time(writer, db, monkeypatch):
    """A backup or a compression holds it: retention goes on with the others and says so."""
    connection = writer.connection
    monkeypatch.setattr("storage.retention._LOCK_WAIT", "200ms")
    writer.commit([on_day(day, seq) for seq, day in enumerate((0.5, 8.5, 30), 1)])
    parts = [leaf for leaf in stream_leaves(connection, "probe", at(20)) if leaf.low]
    held = next((leaf.name for leaf in parts if leaf.low <= at(8.5) < leaf.high), "run")
    with db.connect() as reader, reader.transaction():
        reader.execute(f"LOCK TABLE {held} IN ROW EXCLUSIVE MODE")
        (done,) = delete_older(connection, {"probe": at(20)})
    (again,) = delete_older(connection, {"probe": at(20)})

    assert done.busy == 1
    assert (again.busy, done.rows + again.rows) == (0, 20)


def test_a_chunk_where_each_waits_for_the_other_is_left_for_the_next_time(writer, db):
    """As with a policy at work on a chunk and its aggregates: retention is the one that steps back."""
    connection = writer.connection
    writer.commit([on_day(day, seq) for seq, day in enumerate((0.5, 1.5), 1)])
    connection.execute("SET deadlock_timeout = '100ms'")
    looker, is_held = db.connect(), False
    with db.connect() as other, other.transaction(), ThreadPoolExecutor(1) as threads:
        other.execute("SET LOCAL deadlock_timeout = '1h'")
        other.execute("LOCK TABLE retention_log IN SHARE ROW EXCLUSIVE MODE")
        deleting = threads.submit(delete_older, connection, {"probe": at(20)})
        while not is_held and not deleting.done():
            held = "relation = 'run'::regclass AND mode = 'ShareLock' AND granted"
            (is_held,) = looker.execute(f"SELECT EXISTS (SELECT FROM pg_locks WHERE {held})".encode()).fetchone()
        other.execute("LOCK TABLE run IN ROW EXCLUSIVE MODE")
        (done,) = deleting.result(30)
        assert done.busy >= 1
    (again,) = delete_older(connection, {"probe": at(20)})

    assert (again.busy, done.rows + again.rows) == (0, 20)


def test_two_retentions_do_not_work_at_once(db):
    """The second one says so; a dry run too, since it would count what is going."""
    first, second = db.connect(), db.connect()
    first.execute("SELECT pg_advisory_lock(%s)", (0x6A69737361676F,))
    with pytest.raises(RetentionError, match="at work already"):
        delete_older(second, {"probe": at(0)}, dry_run=True)


def test_a_policy_is_applied_once_a_day(db):
    """A stream's own policy goes before that for all; without one, and before a day is over, nothing is deleted."""
    writer = db.writer()
    connection = writer.connection
    now = at(20) + timedelta(hours=3)
    writer.commit([on_day(day, day + 1) for day in range(20)])
    none = apply_policies(connection, now=now)
    set_policy(connection, "", timedelta(days=2))
    set_policy(connection, "probe", timedelta(days=10))
    limits = policy_limits(list_policies(connection), now)
    first = apply_policies(connection, now=now)
    soon = apply_policies(connection, now=now + timedelta(hours=23))
    next_day = apply_policies(connection, now=now + timedelta(hours=25))
    set_policy(connection, "probe", None)
    causes = connection.execute("SELECT DISTINCT cause FROM retention_log").fetchall()

    assert none == soon == []
    assert (limits["probe"], limits["radio"]) == (now - timedelta(days=10), now - timedelta(days=2))
    assert {d.stream: d.rows for d in first if d.rows} == {"probe": 110}
    assert {d.stream: d.rows for d in next_day if d.rows} == {"probe": 10}
    assert [policy.stream for policy in list_policies(connection)] == [""]
    assert causes == [("policy",)]


@pytest.mark.parametrize(
    ("text", "age"),
    [("180d", timedelta(days=180)), ("26 W", timedelta(weeks=26)), ("48h", timedelta(hours=48)),
     ("1y", timedelta(days=365))],
)  # fmt: skip
def test_ages_are_a_number_and_a_unit(text, age):
    """Hours, days, weeks and years of 365 days."""
    assert age == parse_age(text)


@pytest.mark.parametrize("text", ["", "180", "0d", "-3d", "3m", "1.5d", "d", "999999y"])
def test_other_ages_are_refused(text):
    """A month is refused, since it may be a minute; the error shows what to write."""
    with pytest.raises(RetentionError, match="180d"):
        parse_age(text)
