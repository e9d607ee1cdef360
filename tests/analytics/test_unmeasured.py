"""A requirement that nothing in the run answers is a row that says so, not a silence."""

from datetime import timedelta

import pytest

from analytics.evaluate import evaluate_link
from analytics.requirements import Profile, Requirement
from analytics.unmeasured import NO_MEASUREMENT, is_unmeasured, with_unmeasured
from tests.analytics.making import round_trips, subject


def profile(*requirements):
    return Profile(name="x", ja="", en="", status="", requirement=requirements)


def required(kpi, statistic, limit=1.0, **changes):
    return Requirement(kpi=kpi, statistic=statistic, limit=limit, source="plan 3", **changes)


def completed(*requirements):
    """Return what was measured of a link "l5g", and the rows added to it."""
    asked, start = profile(*requirements), subject().started_at
    results = evaluate_link(round_trips([10, 20, 30] * 100), subject(asked))
    whole = with_unmeasured(results, asked, start, start + timedelta(minutes=2))
    assert whole[: len(results)] == results
    return results, whole[len(results) :]


def test_what_was_never_measured_is_undecided_with_its_limit_and_source():
    """No camera: the video delay has a row of its own; the round trip has had one all along."""
    _, (row,) = completed(required("rtt", "p99", 100.0), required("video_g2g", "p95", 300.0))
    assert (row.id, row.statistic, row.value, row.n, row.verdict) == ("video_g2g", "p95", None, 0, "判定不能")
    assert (row.required, row.required_source, row.unit, row.link) == (300.0, "plan 3", "ms", "")
    assert (row.reason, is_unmeasured(row)) == (NO_MEASUREMENT, True)
    assert row.definition
    assert row.name_ja
    assert row.ended_at - row.started_at == timedelta(minutes=2)


@pytest.mark.parametrize(
    ("changes", "link", "direction"),
    [
        ({"link": "sat*"}, "sat*", ""),
        ({"direction": "up"}, "", "up"),
        ({"link": "lte", "direction": "up"}, "lte", "up"),
    ],
)
def test_another_link_or_direction_is_no_answer(changes, link, direction):
    """Only the round trip of l5g was measured."""
    kpi = ("owd", "p95") if direction else ("rtt", "p95")
    _, (row,) = completed(required(*kpi, **changes))
    assert (row.link, row.direction) == (link, direction)


def test_a_result_without_a_value_is_an_answer():
    """Its own reason says more; and so is one that another requirement judges already."""
    lost = round_trips([None] * 10)
    asked = profile(required("rtt", "p50", 100.0, link="l5g"), required("rtt", "p50", 200.0))
    results = evaluate_link(lost, subject(asked))
    assert with_unmeasured(results, asked, None, None) == results
    assert not any(is_unmeasured(result) for result in results)


def test_every_requirement_of_a_run_without_data_is_named():
    """Nothing was measured at all."""
    asked = profile(required("rtt", "p99"), required("loss", "ratio"))
    assert [row.id for row in with_unmeasured([], asked, None, None)] == ["rtt", "loss"]
    assert with_unmeasured([], profile(), None, None) == []
