"""Exclusions in the register: who, when and why, and nothing is ever deleted."""

from datetime import UTC, datetime, timedelta

import pytest

from storage.errors import StorageError
from storage.exclusions import exclude, list_exclusions, revoke
from storage.runs import start_run

START = datetime(2026, 4, 1, 9, tzinfo=UTC)


@pytest.fixture
def run(db):
    """A run of an hour, with a connection to its database."""
    connection = db.connect()
    hour = timedelta(hours=1)
    return connection, start_run(connection, name="drive-1", site="s", started_at=START, ended_at=START + hour)


def span(first_min, last_min):
    return {"started_at": START + timedelta(minutes=first_min), "ended_at": START + timedelta(minutes=last_min)}


def test_an_exclusion_is_kept_with_its_trail(run):
    """Revoking leaves the row, with who took it back."""
    connection, record = run
    made = exclude(connection, record, **span(5, 6), reason="給電断", excluded_by="lead")
    assert list_exclusions(connection, record, revoked=False) == [made]
    taken_back = revoke(connection, record, made.exclusion_id, revoked_by="evaluator", reason="logged otherwise")
    assert list_exclusions(connection, record, revoked=False) == []
    (kept,) = list_exclusions(connection, record)
    assert kept == taken_back
    assert (kept.reason, kept.excluded_by, kept.revoked_by) == ("給電断", "lead", "evaluator")
    with pytest.raises(StorageError, match="no exclusion"):
        revoke(connection, record, made.exclusion_id, revoked_by="x", reason="y")


@pytest.mark.parametrize(("who", "why"), [("", "r"), ("lead", " "), ("", "")])
def test_taking_back_needs_a_person_and_a_reason(run, who, why):
    """Otherwise the trail has a hole, and the exclusion holds on."""
    connection, record = run
    made = exclude(connection, record, **span(5, 6), reason="r", excluded_by="lead")
    with pytest.raises(StorageError, match="must not be empty"):
        revoke(connection, record, made.exclusion_id, revoked_by=who, reason=why)
    assert list_exclusions(connection, record, revoked=False) == [made]


def test_a_link_that_the_run_does_not_have_is_refused(run):
    """It would leave nothing out while saying so; the links of the run are named."""
    connection, record = run
    with pytest.raises(StorageError, match="no link 'l5g': none of its links has sent"):
        exclude(connection, record, **span(5, 6), reason="r", excluded_by="lead", link="l5g")
    connection.execute("INSERT INTO device (site, device) VALUES ('s', 'car-1')")
    connection.execute(
        "INSERT INTO link (device_id, link) SELECT device_id, unnest('{\"\",l5g,lte}'::text[]) FROM device"
    )
    with pytest.raises(StorageError, match="no link 'typo': its links are l5g, lte"):
        exclude(connection, record, **span(5, 6), reason="r", excluded_by="lead", link="typo")
    assert exclude(connection, record, **span(5, 6), reason="r", excluded_by="lead", link="lte").link == "lte"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reason": " "}, "--reason must not be empty"),
        ({"excluded_by": ""}, "--by must not be empty"),
        (span(6, 5), "swap --start and --end"),
        (span(-20, -10), "outside run drive-1"),
        (span(60, 70), "outside run drive-1"),
    ],
)
def test_what_cannot_be_defended_is_refused(run, changes, message):
    """An exclusion needs a reason, a person, and time inside the run."""
    connection, record = run
    with pytest.raises(StorageError, match=message):
        exclude(connection, record, **{**span(5, 6), "reason": "r", "excluded_by": "b", **changes})
