"""Parts in a real database: any window is answered as its packets would, whatever came late or is not yet computed."""

import itertools

import numpy as np
import pytest

from analytics.part_codec import VERSION
from analytics.part_figures import figures
from analytics.part_loader import cover, rebuild_parts, refresh_parts, window_parts
from analytics.part_segments import Deadlines
from analytics.partials import part_of
from analytics.probes import COLUMNS, probe_arrays
from storage.partials import Range, only_refresher, read_state
from storage.reader import link_ids, read_columns
from tests.analytics.probe_batches import DAY_US, HOUR_US, MINUTE_US, START_US, batch

DEADLINES = Deadlines()


def hours_of_probes(hours, *, step_us=2_000_000):
    """Make batches of ten minutes, some packets lost, each batch its own list of times."""
    rng = np.random.default_rng(5)
    n = 600_000_000 // step_us
    for number in range(hours * 6):
        t_us = START_US + number * 600_000_000 + np.arange(n) * step_us
        lost = set(np.flatnonzero(rng.random(n) < 0.05).tolist()) | ({*range(n - 5, n)} if number % 7 == 0 else set())
        yield batch(number + 1, t_us.tolist(), seq=number * n, lost=lost | ({0, 1} if number % 7 == 1 else set()))


def filled(db, hours):
    writer = db.writer()
    writer.commit(list(hours_of_probes(hours)))
    connection = db.connect()
    return writer, connection, link_ids(connection, "site-a")["car-1", "l5g"]


@pytest.fixture
def measured(db):
    """Five hours of probes every two seconds, across midnight."""
    return filled(db, 5)


def by_parts(connection, link_id, *edges_us):
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return window_parts(connection, link_id, edges_us)


def by_packets(connection, link_id, start_us, end_us, deadlines=DEADLINES):
    found = read_columns(connection, "probe", COLUMNS, link_ids=[link_id], start_us=start_us, end_us=end_us)
    return part_of(probe_arrays(found), start_us, end_us, deadlines)


def stored(connection):
    rows = connection.execute("SELECT level, count(*) FROM probe_part GROUP BY 1 ORDER BY 1").fetchall()
    return dict(rows)


def refresh(connection, deadlines=None):
    return sum(one.minutes for one in refresh_parts(connection, deadlines))


def test_any_window_is_answered_as_its_packets_would(db):
    """Days, hours, minutes and the packets at both edges give what the packets alone give, before and after."""
    _, connection, link_id = filled(db, 27)
    rng = np.random.default_rng(11)
    whole = (START_US - DAY_US, START_US + 3 * DAY_US)
    windows = [whole, *(sorted(rng.integers(START_US - HOUR_US, START_US + 28 * HOUR_US, 2)) for _ in range(12))]
    windows = [(int(start), int(end)) for start, end in windows]
    before = [by_parts(connection, link_id, *window)[0] for window in windows[:2]]
    assert 1621 == refresh(connection)
    after = [by_parts(connection, link_id, *window)[0] for window in windows]
    expected = [by_packets(connection, link_id, *window) for window in windows]
    assert before == expected[:2]
    assert after == expected
    assert [figures(one) for one in after] == [figures(one) for one in expected]
    assert {0: 1621, 1: 28, 2: 3} == stored(connection)


def test_a_series_is_the_parts_of_its_steps(measured):
    """A chart's points are each the part of their own step, whether or not a step is a whole hour."""
    _, connection, link_id = measured
    refresh(connection)
    edges_us = [START_US // MINUTE_US * MINUTE_US + step * 144 * MINUTE_US for step in range(4)]
    found = by_parts(connection, link_id, *edges_us)
    assert found == [by_packets(connection, link_id, *pair) for pair in itertools.pairwise(edges_us)]


def test_late_data_are_answered_at_once_and_refreshed(measured):
    """A batch that comes a day late is in the answer before the refresh, and only its minutes are computed anew."""
    writer, connection, link_id = measured
    refresh(connection)
    late_us = START_US + 3 * HOUR_US
    window = (START_US, START_US + 40 * HOUR_US)
    writer.commit([batch(1000, [late_us + 1, late_us + 90_000_000], session=2)])
    expected = by_packets(connection, link_id, *window)
    assert expected == by_parts(connection, link_id, *window)[0]
    assert 2 == refresh(connection)
    assert expected == by_parts(connection, link_id, *window)[0]
    assert 0 == refresh(connection)


def test_a_transaction_that_commits_after_younger_ones_is_not_missed(measured):
    """A batch written before and committed after a refresh is noted by the next one."""
    writer, connection, link_id = measured
    window = (START_US, START_US + 60 * HOUR_US)
    # Both in days that have packets: TimescaleDB lets only one transaction at a time make a new chunk.
    with writer.connection.transaction():
        writer.commit([batch(1000, [START_US + 2 * HOUR_US], session=2)])
        younger = type(writer)(connection)
        younger.commit([batch(1, [START_US + 3 * HOUR_US], link="lte", epoch="e2")])
        assert 302 == refresh(connection)
        assert 0 == refresh(connection)
    assert by_packets(connection, link_id, *window) == by_parts(connection, link_id, *window)[0]
    assert 1 == refresh(connection)
    assert by_packets(connection, link_id, *window) == by_parts(connection, link_id, *window)[0]


def test_a_refresh_that_stops_halfway_answers_as_well(measured):
    """What is not yet computed is read from the packets, and the next refresh does the rest."""
    _, connection, link_id = measured
    window = (START_US, START_US + 50 * HOUR_US)
    for number, one in enumerate(refresh_parts(connection)):
        assert one.left == 5 - number
        if number == 1:
            break
    assert by_packets(connection, link_id, *window) == by_parts(connection, link_id, *window)[0]
    # The newest hour has 18 minutes.
    assert 301 - (18 + 60) == refresh(connection)
    assert {0: 301, 1: 6, 2: 2} == stored(connection)


def test_only_one_process_refreshes(db, measured):
    """A second refresher does nothing and takes nothing."""
    _, connection, _ = measured
    other = db.connect()
    with only_refresher(connection) as is_mine:
        assert is_mine
        assert 0 == refresh(other)
    assert refresh(other) > 0


def test_other_deadlines_need_a_rebuild(measured):
    """Parts keep the deadlines they were made with until they are rebuilt."""
    _, connection, link_id = measured
    tight = Deadlines(t_max_us=20_000, survival_us=0)
    window = (START_US, START_US + 4 * HOUR_US)
    refresh(connection)
    refresh(connection, tight)
    assert DEADLINES == by_parts(connection, link_id, *window)[0].deadlines
    rebuild_parts(connection, tight)
    assert by_packets(connection, link_id, *window, tight) == by_parts(connection, link_id, *window)[0]
    assert refresh(connection) > 0
    assert by_packets(connection, link_id, *window, tight) == by_parts(connection, link_id, *window)[0]


def test_parts_of_an_older_version_stay_and_are_answered(measured):
    """After an update what was counted is kept, for its packets may be deleted by now; new minutes are new."""
    writer, connection, link_id = measured
    refresh(connection)
    # Version 1 had the first eight sums of losses only.
    connection.execute("UPDATE probe_part_state SET version = 1")
    connection.execute("UPDATE probe_part SET head = '\\x01' || substr(head, 2, 81) || substr(head, 115)")
    window = (START_US - HOUR_US, START_US + 40 * HOUR_US)
    whole = by_packets(connection, link_id, *window)
    (found,) = by_parts(connection, link_id, *window)
    assert whole.losses.sent == found.losses.unpaired
    writer.commit([batch(1000, [START_US + 39 * HOUR_US], session=2)])
    assert 1 == refresh(connection)
    assert read_state(connection).version == VERSION
    (found,) = by_parts(connection, link_id, *window)
    assert (whole.losses.sent + 1, whole.losses.sent) == (found.losses.sent, found.losses.unpaired)


def test_a_snapshot_of_another_server_is_not_trusted(measured):
    """After a dump was restored where transactions have lower numbers, everything is computed anew."""
    _, connection, link_id = measured
    first = refresh(connection)
    connection.execute("UPDATE probe_part_state SET seen = '9000000000:9000000000:'")
    assert read_state(connection).seen is None
    window = (START_US, START_US + 4 * HOUR_US)
    assert by_packets(connection, link_id, *window) == by_parts(connection, link_id, *window)[0]
    assert first == refresh(connection)


def test_a_batch_over_a_year_makes_only_its_own_minutes_due(db):
    """A handful of packets far apart are a handful of minutes, not half a million."""
    writer = db.writer()
    writer.commit([batch(1, [START_US, START_US + 100 * DAY_US, START_US + 365 * DAY_US])])
    connection = db.connect()
    assert 3 == refresh(connection)
    assert {0: 3, 1: 3, 2: 3} == stored(connection)


def test_what_was_taken_away_leaves_no_part(measured):
    """A minute whose packets are gone and that is computed anew has no part any more, nor has its hour."""
    writer, connection, link_id = measured
    refresh(connection)
    hour_us = START_US // HOUR_US * HOUR_US + 2 * HOUR_US
    window = (hour_us, hour_us + HOUR_US)
    connection.execute("DELETE FROM probe WHERE t >= to_timestamp(%s) AND t < to_timestamp(%s)",
                       (hour_us / 1e6, hour_us / 1e6 + 3600))  # fmt: skip
    rebuild_parts(connection, DEADLINES)
    refresh(connection)
    assert by_parts(connection, link_id, *window)[0].is_empty
    assert {0: 241, 1: 5, 2: 2} == stored(connection)
    assert writer is not None


def test_a_window_is_cut_into_the_largest_units():
    """Packets, minutes, hours and days, in order of time, around what changed."""
    start_us, end_us = 23 * HOUR_US + 1_800_000_001, 3 * DAY_US + MINUTE_US
    changed = np.array([DAY_US + 2 * HOUR_US + MINUTE_US])
    found = list(cover(start_us, end_us, changed))
    assert [-1, 0, 1, 0, -1, 0, 1, 2, 0] == [one.level for one in found]
    assert Range(-1, int(changed[0]), int(changed[0]) + MINUTE_US) in found
    assert start_us == found[0].start_us
    assert end_us == found[-1].end_us
    assert all(a.end_us == b.start_us for a, b in itertools.pairwise(found))
