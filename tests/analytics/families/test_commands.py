"""Commands: what was never answered is never left out, and orders to stop are known by their names."""

import pytest

from analytics.families.commands import evaluate_commands
from analytics.requirements import Requirement, RequirementError, parse_requirements
from analytics.stop_names import STOP_NAMES, plain_name
from tests.analytics.families.making import make_figures, make_series
from tests.analytics.making import by_name


def test_commands_none_of_which_was_answered_have_a_response_without_a_value():
    """Each quantile is null with its reason and missed its requirement; execution is not judged by silence."""
    limits = [Requirement(kpi=f"command_{name}", statistic="p99", limit=200.0, source="test") for name in
              ("response", "execution")]  # fmt: skip
    commands = make_series(range(400), name=["stop"] * 400, acked_us=[None] * 400, executed_us=[None] * 400)
    found = by_name(evaluate_commands(commands, make_figures(*limits)))
    response, execution = (found[f"command_{name}", "", "p99"] for name in ("response", "execution"))
    assert (None, 400, "未達") == (response.value, response.n, response.verdict)
    assert "never came" in response.reason
    assert (None, 0, "判定不能") == (execution.value, execution.n, execution.verdict)
    assert "not recorded" in execution.reason
    assert 0.0 == found["stop_delivery", "", "ratio"].value


@pytest.mark.parametrize("name", [*STOP_NAMES, "STOP", "Emergency-Stop", "emergency stop", "vehicle.stop", "ＳＴＯＰ"])
def test_orders_to_stop_are_known_by_their_names(name):
    """Case, width, "-", spaces and what precedes a dot do not matter."""
    commands = make_series(range(2), name=[name, "resume"], acked_us=[1000, 1000])
    assert 1 == by_name(evaluate_commands(commands, make_figures()))["stop_delivery", "", "ratio"].n


def test_a_profile_may_name_its_own_orders_to_stop():
    """Then those of the table are none."""
    commands = make_series(range(3), name=["路肩停止", "stop", "resume"], acked_us=[1000] * 3)
    found = by_name(evaluate_commands(commands, make_figures(stop_names=("路肩停止",))))
    assert 1 == found["stop_delivery", "", "ratio"].n


def test_names_of_the_table_are_in_plain_form():
    """What is printed is what is compared."""
    assert list(STOP_NAMES) == [plain_name(name) for name in STOP_NAMES]


def test_names_of_a_profile_are_read_and_blank_ones_refused():
    """A list without any name would find no order to stop, and nobody would notice."""
    profile = {"name": "x", "ja": "", "en": "", "status": ""}
    given = {"stop_names": ["路肩停止", "pull_over"]}
    assert ("路肩停止", "pull_over") == parse_requirements(profile | {"parameters": given}, "x").parameters.stop_names
    for names in ([], ["stop", " "]):
        with pytest.raises(RequirementError, match="names a command at least"):
            parse_requirements(profile | {"parameters": {"stop_names": names}}, "x.toml")
