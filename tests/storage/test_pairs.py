"""Pairs in the register: what was compared, repetitions of it, and nothing is ever deleted."""

from datetime import UTC, datetime, timedelta

import pytest

from storage.errors import StorageError
from storage.pairs import UnknownPairError, get_pair, list_pairs, pair_runs, pairs_of_run, unpair
from storage.runs import start_run

START = datetime(2026, 4, 1, 9, tzinfo=UTC)


@pytest.fixture
def drives(db):
    """Four runs of an hour on two links, with a connection to their database."""
    connection = db.connect()
    connection.execute("INSERT INTO device (site, device) VALUES ('s', 'car-1')")
    connection.execute(
        "INSERT INTO link (device_id, link) SELECT device_id, unnest('{\"\",l5g,lte}'::text[]) FROM device"
    )
    hour = timedelta(hours=1)
    return connection, [
        start_run(connection, name=name, site="s", started_at=START + number * hour,
                  ended_at=START + (number + 1) * hour)
        for number, name in enumerate(("off-1", "on-1", "off-2", "on-2"))
    ]  # fmt: skip


def test_repetitions_of_a_pair_share_its_name_condition_and_links(drives):
    """The second one need not say again what differs; the order is that in which they were made."""
    connection, (off_1, on_1, off_2, on_2) = drives
    first = pair_runs(connection, "ai", off_1, on_1, condition="AI なし/あり", link="l5g", paired_by="lead")
    second = pair_runs(connection, "ai", off_2, on_2)
    assert get_pair(connection, "ai") == [first, second]
    assert (first.baseline, first.changed, first.paired_by) == ("off-1", "on-1", "lead")
    assert (second.condition, second.link, second.other_link) == ("AI なし/あり", "l5g", "")
    assert pairs_of_run(connection, on_2) == ["ai"]
    with pytest.raises(StorageError, match="has --condition 'AI なし/あり', not 'antenna'"):
        pair_runs(connection, "ai", off_2, on_2, condition="antenna")
    with pytest.raises(StorageError, match="--link 'l5g', not 'lte'"):
        pair_runs(connection, "ai", off_2, on_2, link="lte")


def test_a_pair_taken_back_leaves_its_trail_and_its_runs_free(drives):
    """It no longer holds; who took it back and why stays; the same runs may be paired again."""
    connection, (off, on, *_) = drives
    made = pair_runs(connection, "ai", off, on)
    taken_back = unpair(connection, made.pair_id, revoked_by="evaluator", reason="走行条件が異なる")
    assert list_pairs(connection) == [taken_back]
    assert (taken_back.revoked_by, taken_back.revoke_reason) == ("evaluator", "走行条件が異なる")
    assert pairs_of_run(connection, off) == []
    with pytest.raises(UnknownPairError, match="there are: none yet"):
        get_pair(connection, "ai")
    again = pair_runs(connection, "ai", off, on, condition="antenna")
    assert list_pairs(connection, revoked=False) == [again]
    with pytest.raises(StorageError, match="no pair has the number"):
        unpair(connection, made.pair_id, revoked_by="x", reason="y")


@pytest.mark.parametrize(("who", "why", "missing"), [("", "r", "--by"), ("lead", " ", "--reason")])
def test_taking_back_needs_a_person_and_a_reason(drives, who, why, missing):
    """Otherwise the trail has a hole, and the pair holds on."""
    connection, (off, on, *_) = drives
    made = pair_runs(connection, "ai", off, on)
    with pytest.raises(StorageError, match=f"{missing} must not be empty"):
        unpair(connection, made.pair_id, revoked_by=who, reason=why)
    assert get_pair(connection, "ai") == [made]


def test_a_run_may_be_compared_with_itself_over_two_links_only(drives):
    """Two operators measured at once are a pair; a run against itself is none."""
    connection, (run, *_) = drives
    for links in ({}, {"link": "l5g"}, {"link": "l5g", "other_link": "l5g"}):
        with pytest.raises(StorageError, match="paired with itself"):
            pair_runs(connection, "operators", run, run, **links)
    made = pair_runs(connection, "operators", run, run, link="l5g", other_link="lte")
    assert (made.baseline, made.changed) == ("off-1", "off-1")


def test_what_cannot_be_a_pair_is_refused(drives):
    """A run twice in one pair would count twice; a link that is not there; a name that fits no path."""
    connection, (off, on, other, _) = drives
    pair_runs(connection, "ai", off, on)
    for a, b in ((off, other), (other, on), (on, other)):
        with pytest.raises(StorageError, match="is in pair ai already"):
            pair_runs(connection, "ai", a, b)
    assert pair_runs(connection, "antenna", off, other).name == "antenna"
    with pytest.raises(StorageError, match="no link 'typo': its links are l5g, lte"):
        pair_runs(connection, "b", off, on, link="l5g", other_link="typo")
    with pytest.raises(StorageError, match="lower-case"):
        pair_runs(connection, "A/B", off, on)
