"""Interventions and minimal risk manoeuvres: how many, why, per kilometre, and what does not count."""

import itertools
import json

import numpy as np
import pytest
from scipy import stats

from analytics.families.device import evaluate_device_streams
from analytics.families.driving import evaluate_driving
from analytics.interventions import UNKNOWN, interventions_of, mrms_of
from analytics.requirements import Requirement
from analytics.track import track
from tests.analytics.families.making import drive, make_figures, make_series
from tests.analytics.making import T0_US, subject


def events(*told):
    """Make events from (second, name, cause)."""
    return make_series(
        [second for second, *_ in told], name=[name for _, name, _ in told],
        detail=[json.dumps({} if cause is None else {"cause": cause}, ensure_ascii=False) for *_, cause in told],
    )  # fmt: skip


def cut(first_s, last_s):
    return T0_US + round(first_s * 1e6), T0_US + round(last_s * 1e6)


def keyed(results):
    return {(result.id, result.statistic, result.variant): result for result in results}


def test_interventions_have_the_cause_that_the_event_names():
    """Three rises, two of them told: 路上駐車, GPS不具合, and one 不明; each with its Poisson interval."""
    vehicle = make_series(range(100), intervention=[0] * 20 + [1] * 30 + [2] * 30 + [3] * 20, speed_mps=[10] * 100)
    told = events((20, "vehicle.intervention", "路上駐車"), (51, "vehicle.intervention", "GPS不具合"))
    found = keyed(evaluate_driving(vehicle, track(drive(99, 10.0)), make_figures(), events=told))
    assert 3.0 == found["interventions", "count", ""].value
    for cause in ("路上駐車", "GPS不具合", UNKNOWN):
        one = found["interventions", "count", f"原因: {cause}"]
        assert (1.0, pytest.approx(stats.chi2.ppf(0.975, 4) / 2)) == (one.value, one.ci_high)
        assert pytest.approx(1 / 0.99, rel=1e-6) == found["interventions", "per_km", f"原因: {cause}"].value


def test_the_causes_add_up_to_the_whole():
    """Whatever rises and events there are, each happening has one cause."""
    rng = np.random.default_rng(5)
    for _ in range(50):
        vehicle = make_series(range(60), intervention=np.cumsum(rng.integers(0, 3, 60) * (rng.random(60) < 0.1)))
        told = events(
            *((int(second), "intervention", rng.choice(["a", "b"])) for second in sorted(rng.integers(0, 60, 4)))
        )
        found = keyed(evaluate_driving(vehicle, None, make_figures(), events=told))
        whole = found["interventions", "count", ""].value
        rises = sum(max(b - a, 0) for a, b in itertools.pairwise(vehicle.number("intervention")))
        assert max(rises, 4) <= whole <= rises + 4
        assert whole == sum(
            result.value for (_, statistic, part), result in found.items() if part and statistic == "count"
        )


def test_an_event_without_a_rise_counts_and_says_so():
    """The counter never moved, or is not recorded: the event happened all the same."""
    told = events((30, "vehicle.intervention", None))
    for vehicle in (None, make_series(range(100), intervention=[7] * 100)):
        found = keyed(evaluate_driving(vehicle, None, make_figures(), events=told))
        assert (1.0, True) == (
            found["interventions", "count", ""].value, "by an event alone" in found["interventions", "count", ""].reason
        )  # fmt: skip
        assert 1.0 == found["interventions", "count", f"原因: {UNKNOWN}"].value


def test_the_counter_is_not_differenced_over_a_cut():
    """An intervention inside an excluded interval does not count, one outside does; nor is the cut's line driven."""
    seconds = np.concatenate([np.arange(30), np.arange(60, 100)])
    vehicle = make_series(seconds, intervention=[0] * 30 + [4] * 20 + [5] * 20, speed_mps=[10] * 70,
                          mrm_state=["NORMAL"] * 30 + ["MRM_SUCCEEDED"] * 5 + ["NORMAL"] * 35)  # fmt: skip
    position = drive(99, 10.0)
    position = position.where((position.t_us < T0_US + 30_000_000) | (position.t_us >= T0_US + 60_000_000))
    found = keyed(
        evaluate_device_streams({"vehicle": vehicle, "position": position}, subject(), [cut(29.5, 59.5)])
    )  # fmt: skip
    assert 1.0 == found["interventions", "count", ""].value
    assert pytest.approx(1 / 0.68, rel=1e-6) == found["interventions", "per_km", ""].value
    assert 0.0 == found["mrm", "count", ""].value
    whole = keyed(evaluate_device_streams({"vehicle": vehicle, "position": position}, subject()))
    assert 5.0 == whole["interventions", "count", ""].value


def test_a_requirement_is_held_against_the_whole_and_no_cause():
    """One of three interventions is no third of a verdict."""
    limit = Requirement(kpi="interventions", statistic="count", limit=1.0, source="test")
    vehicle = make_series(range(3), intervention=[0, 10, 20])
    found = keyed(evaluate_driving(vehicle, None, make_figures(limit)))
    assert ("未達", None) == (
        found["interventions", "count", ""].verdict, found["interventions", "count", f"原因: {UNKNOWN}"].verdict
    )  # fmt: skip


@pytest.mark.parametrize(
    ("states", "outcomes"),
    [
        ("NORMAL OPERATING OPERATING SUCCEEDED NORMAL", ["succeeded"]),
        ("NORMAL OPERATING FAILED FAILED", ["failed"]),
        ("NORMAL SUCCEEDED SUCCEEDED NORMAL", ["succeeded"]),
        ("NORMAL FAILED NORMAL", ["failed"]),
        ("NORMAL OPERATING NORMAL", [""]),
        ("OPERATING SUCCEEDED OPERATING FAILED", ["succeeded", "failed"]),
        ("NORMAL ? OPERATING ? SUCCEEDED NORMAL", ["succeeded"]),
        ("NORMAL NORMAL", []),
    ],
)
def test_manoeuvres_by_their_states(states, outcomes):
    """One from the first state that is not NORMAL on; an outcome without OPERATING is one; ? is not known."""
    words = [None if state == "?" else state if state == "NORMAL" else f"MRM_{state}" for state in states.split()]
    vehicle = make_series(range(len(words)), mrm_state=words)
    assert outcomes == [one.outcome for one in mrms_of(vehicle, None)]
    found = keyed(evaluate_driving(vehicle, None, make_figures()))
    assert (len(outcomes), outcomes.count("succeeded"), outcomes.count("failed")) == tuple(
        found["mrm", name, ""].value for name in ("count", "succeeded", "failed")
    )


def test_a_manoeuvre_that_began_before_a_cut_counts_and_one_that_began_in_it_does_not():
    """The outcome after the cut belongs to the one before it."""
    vehicle = make_series([0, 1, 10, 11, 20, 21], mrm_state=["NORMAL", "MRM_OPERATING", "MRM_FAILED", "NORMAL",
                                                             "MRM_OPERATING", "MRM_SUCCEEDED"])  # fmt: skip
    found = mrms_of(vehicle, None, [cut(2, 9), cut(12, 19)])
    assert ["failed"] == [one.outcome for one in found]


def test_a_manoeuvre_takes_its_cause_from_the_event_at_its_end():
    """The vehicle double tells it at the standstill, seconds after the braking began."""
    states = ["NORMAL"] * 10 + ["MRM_OPERATING"] * 5 + ["MRM_SUCCEEDED"] * 5 + ["NORMAL"] * 5
    found = mrms_of(make_series(range(25), mrm_state=states), events((15, "vehicle.mrm", "通信断")))
    assert [("通信断", "succeeded", False)] == [(one.cause, one.outcome, one.is_told_only) for one in found]


def test_details_that_nobody_can_read_have_no_cause():
    """No JSON, no object, no cause, null: 不明."""
    told = make_series(range(0, 50, 10), name=["intervention"] * 5, detail=["{", "[1]", "{}", '{"cause": null}', "3"])
    assert [UNKNOWN] * 5 == [one.cause for one in interventions_of(None, told)]


def test_autonomy_takes_the_speed_of_the_receiver_where_the_vehicle_has_none():
    """Vehicle rows without speed: half of the driving time is autonomous."""
    vehicle = make_series(range(100), drive_mode=["AUTONOMOUS"] * 50 + ["MANUAL"] * 50)
    found = keyed(evaluate_driving(vehicle, track(drive(99, 10.0)), make_figures()))
    assert 0.5 == pytest.approx(found["autonomy", "ratio", ""].value)


def test_kilometres_are_the_vehicles_own_where_there_is_no_fix():
    """100 s at 10 m/s are 1 km."""
    vehicle = make_series(range(100), intervention=[0] * 50 + [1] * 50, speed_mps=[10.0] * 100)
    found = keyed(evaluate_driving(vehicle, None, make_figures()))
    assert 1.0 == pytest.approx(found["interventions", "per_km", ""].value)
