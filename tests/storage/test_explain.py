"""Gaps of a run explained from a real database: what the loader brings together."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from contract.envelope import Status
from storage.explain import explained_completeness
from storage.gap_queries import NEXT_LIFE
from storage.runs import start_run
from tests.storage.test_writer import probe_batch, text_batch

AGO_S = 100


class Drive:
    """A device that is probed at 10 packets/s, one batch a second, and a run that began 100 s ago and goes on."""

    def __init__(self, writer):
        self.writer = writer
        self.now_s = int(time.time())
        self.start_s = self.now_s - AGO_S
        self.run = start_run(
            writer.connection, name="drive", site="site-a", started_at=datetime.fromtimestamp(self.start_s, tz=UTC)
        )

    def measure(self, seconds, first_seq=1, received=None, link="l5g"):
        """Commit one batch for each of these seconds of the run; they came at once, or all in one second `received`."""
        batches = []
        for seq, second in enumerate(seconds, first_seq):
            t_us = (self.start_s + second) * 1_000_000 + np.arange(10, dtype=np.int64) * 100_000
            received_us = int(t_us[-1]) + 500_000 if received is None else (self.start_s + received) * 1_000_000
            batches.append(replace(probe_batch(seq, link=link), t_us=t_us, received_at_us=received_us))
        self.writer.commit(batches)

    def event(self, seq, second, name, detail="{}", link="l5g"):
        """Commit one event."""
        batch = text_batch(seq, "event", name=name, severity="error", message="x", detail=detail)
        t_us = np.array([(self.start_s + second) * 1_000_000], np.int64)
        self.writer.commit([replace(batch, link=link, t_us=t_us, received_at_us=int(t_us[0]))])

    def tell(self, state, second, taken=0, pending=0):
        """Announce a state of the device."""
        at_ns = (self.start_s + second) * 10**9
        status = Status(state=state, at_ns=at_ns, epoch="e1", taken=taken, pending=pending)
        self.writer.announce("site-a", "car-1", status)

    def explained(self):
        """Return the reasons by second of the run, and by number."""
        found = explained_completeness(self.writer.connection, self.run)
        for row in found.coverage:
            assert row.covered_s + row.gap_s == row.run_s
        start = datetime.fromtimestamp(self.start_s, tz=UTC)
        times = [
            (int((gap.start - start).total_seconds()), int((gap.end - start).total_seconds()), gap.reason)
            for gap in found.time_gaps
        ]
        return times, [(gap.first_seq, gap.last_seq, gap.reason) for gap in found.batch_gaps], found


@pytest.fixture
def drive(db):
    """A run that goes on."""
    return Drive(db.writer())


def test_a_lost_device_is_unreachable_until_it_is_back(drive):
    """After its last sign nobody knows whether it measures; once its backlog came, nothing was missing but late."""
    drive.measure(range(40))
    drive.tell("online", 39, taken=40)
    drive.tell("lost", 0)
    times, numbers, _ = drive.explained()
    assert ([(40, "unreachable")], []) == ([(low, reason) for low, _, reason in times], numbers)

    drive.tell("online", 90, taken=90, pending=50)
    times, numbers, _ = drive.explained()
    assert (40, "in_outbox") == (times[0][0], times[0][2])
    assert [(41, 90, "in_outbox")] == numbers

    drive.measure(range(40, 99), first_seq=41, received=99)
    times, numbers, found = drive.explained()
    assert ([], []) == (times, numbers)
    (late,) = found.late
    assert ("link_down", drive.start_s + 40, 59) == (late.reason, int(late.start.timestamp()), late.duration_s)


def test_a_stopped_device_is_stopped(drive):
    """It said goodbye; before it began nothing was measured either, and both are no alarm."""
    drive.measure(range(20, 60))
    drive.tell("online", 20, taken=1)
    drive.tell("offline", 61, taken=40)

    times, numbers, _ = drive.explained()

    assert [(0, 20, "agent_down"), (60, "agent_down")] == [times[0], times[1][::2]]
    assert [] == numbers


def test_what_no_record_explains_is_lost(drive):
    """Numbers that the outbox no longer has, by number and by time; and a source that falls silent on a live device."""
    drive.measure(range(20))
    drive.measure(range(30, 99), first_seq=31)
    drive.measure(range(60), first_seq=201, link="lte")
    drive.tell("online", 99, taken=260, pending=0)

    times, numbers, _ = drive.explained()

    assert [(21, 30, "lost"), (100, 200, "lost")] == numbers
    assert (20, 30, "lost") in times
    assert (60, "lost") in [(low, reason) for low, _, reason in times]


def test_a_link_that_cannot_be_probed_is_down(drive):
    """The device lived, and its source said that it could not measure."""
    drive.measure(range(99), first_seq=1, link="lte")
    drive.measure(range(30), first_seq=100)
    drive.event(130, 31, "source.failed", '{"again_in_s": 30.0}')
    drive.event(131, 60, "source.started")
    drive.measure(range(61, 99), first_seq=132)
    drive.tell("online", 99, taken=169)

    times, numbers, _ = drive.explained()

    assert [(30, 61, "link_down")] == times
    assert [] == numbers


def test_a_link_without_answers_raises_no_alarm_before_their_timeout(drive):
    """The device lives and the last 14 s of a link have no row: its packets are still awaited."""
    drive.measure(range(99), first_seq=1, link="lte")
    drive.measure(range(85), first_seq=100)
    drive.tell("online", 99, taken=184)
    unexplained, _, _ = drive.explained()
    drive.event(185, 1, "probe.session", '{"timeout_s": 15.0}')
    drive.tell("online", 100, taken=185)
    waiting, _, _ = drive.explained()

    assert [(85, "lost")] == [times[::2] for times in unexplained]
    assert [] == waiting


def test_a_drop_report_explains_all_it_names(drive):
    """Also what earlier reports named that were dropped themselves; a report that is none explains nothing."""
    drive.measure(range(10))
    detail = '{"first_seq": 40, "last_seq": 49, "batches": 10, "reason": "quota", "ranges": [[11, 30], [40, 49]]}'
    drive.event(60, 59, "outbox.dropped", detail, link="")
    drive.event(61, 59, "outbox.dropped", '{"first_seq": "all"}', link="")
    detail = '{"first_seq": 52, "last_seq": 52, "batches": 1, "reason": "damaged", "ranges": [[52, 52]]}'
    drive.event(62, 60, "outbox.dropped", detail, link="")
    drive.measure(range(60, 99), first_seq=63)
    drive.tell("online", 99, taken=100)

    _, numbers, found = drive.explained()

    assert [
        (11, 30, "dropped"),
        (31, 39, "lost"),
        (40, 49, "dropped"),
        (50, 51, "lost"),
        (52, 52, "damaged"),
        (53, 59, "lost"),
    ] == numbers
    assert found.missing == sum(last - first + 1 for first, last, _ in numbers)


def test_what_the_server_numbers_itself_is_no_next_life_of_an_outbox(drive):
    """Replayed conflicts lie in the past: they must not end the time that a missing tail may lie in."""

    def measure(second, epoch):
        t_us = np.array([(drive.start_s + second) * 1_000_000], np.int64)
        batch = text_batch(1, "event", name="x", severity="info", message="x", detail="{}")
        drive.writer.commit([replace(batch, key=batch.key._replace(epoch=epoch), t_us=t_us)])

    for second, epoch in ((50, "e1"), (10, "conflict-e1"), (20, "foreign"), (80, "e2")):
        measure(second, epoch)
    connection = drive.writer.connection
    device_id, epoch_id = connection.execute("SELECT device_id, epoch_id FROM ledger WHERE epoch = 'e1'").fetchone()

    assert (drive.start_s + 80,) == connection.execute(NEXT_LIFE.encode(), (device_id, epoch_id)).fetchone()


def test_recorded_data_have_no_late_batches_and_no_unreachable_device(drive):
    """An import says nothing of a device's state: where it has no samples, nothing was collected."""
    drive.measure([*range(20), *range(50, 80)], received=86_400)
    drive.writer.connection.execute(
        "UPDATE run SET ended_at = %s", (drive.run.started_at + timedelta(seconds=AGO_S - 1),)
    )

    times, numbers, found = drive.explained()

    assert [(20, 50, "agent_down"), (80, "agent_down")] == [times[0], times[1][::2]]
    assert ([], []) == (numbers, found.late)
