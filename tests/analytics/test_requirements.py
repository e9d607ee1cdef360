"""Requirement profiles: shipped ones load and are examples; every mistake is named."""

import pytest

from analytics.definitions import BY_ID, DEFINITIONS, definitions_hash
from analytics.requirements import (
    NO_REQUIREMENTS,
    Parameters,
    RequirementError,
    load_requirements,
    parse_requirements,
    shipped_profiles,
)

GOOD = {"kpi": "rtt", "statistic": "p99", "limit": 100.0, "source": "test plan 3.2"}


def profile(**changes):
    """A decoded profile with one requirement; None leaves a key out."""
    entry = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    return {"name": "x", "ja": "例", "en": "x", "status": "要確認", "requirement": [GOOD, entry]}


@pytest.mark.parametrize("name", shipped_profiles())
def test_every_shipped_profile_loads_and_asks_to_be_confirmed(name):
    """They are examples: the profile and each value's source say 要確認."""
    loaded = load_requirements(name)
    assert (loaded.name, loaded.status) == (name, "要確認")
    assert loaded.requirement
    assert all("要確認" in requirement.source for requirement in loaded.requirement)
    assert "要確認" in (loaded.parameters.ip_source or "要確認")


def test_there_are_shipped_profiles():
    """The use cases of the demonstration, and the flows of the standards that state a number for them."""
    assert shipped_profiles() == [
        "5qi_2", "5qi_7", "5qi_79", "5qi_84", "5qi_86", "multi_camera", "remote_driving", "remote_monitoring",
        "tr22847_tactile_video", "tr22856_command", "tr22856_teleoperation", "ts22104_mobile_robot",
        "ts22186_remote_driving", "ts22261_ntn_propagation", "ts22261_ntn_vehicular", "ts22261_ntn_video",
        "y1540_availability",
    ]  # fmt: skip


@pytest.mark.parametrize("name", shipped_profiles())
def test_no_requirement_of_a_shipped_profile_hides_another(name):
    """The first that fits a result is taken: two for one KPI, direction, statistic and link would be one too many."""
    keys = [(each.kpi, each.direction, each.statistic, each.link) for each in load_requirements(name).requirement]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("name", shipped_profiles())
def test_a_required_share_in_time_and_a_required_delay_of_one_profile_mean_the_same_bound(name):
    """A one-way reliability is within `owd_within_ms`: where the profile also limits that delay, the limits agree."""
    profile = load_requirements(name)
    shares = {each.direction for each in profile.requirement if each.kpi == "reliability"} & {"up", "down"}
    limits = {each.limit for each in profile.requirement if each.kpi == "owd" and each.direction in shares}
    assert limits <= {profile.parameters.owd_within_ms}


def test_the_numbers_of_the_standards_are_in_the_profiles():
    """Delay budget and packet error rate of each 5QI, and the bounds of remote driving."""
    budgets = {"2": (150, 1e-3), "7": (100, 1e-3), "79": (50, 1e-2), "84": (30, 1e-5), "86": (5, 1e-4)}
    for number, (budget_ms, errors) in budgets.items():
        profile = load_requirements(f"5qi_{number}")
        assert (profile.parameters.owd_within_ms, profile.find("loss", "round_trip", "ratio", "x").limit) == (
            budget_ms,
            errors,
        )
        assert profile.find("reliability", "up", "ratio", "x").limit == pytest.approx(1 - errors)
    satellite = load_requirements("ts22261_ntn_propagation")
    limits = [satellite.find("owd", "up", "min", link) for link in ("leo-1", "sat-geo", "l5g")]
    assert [None if each is None else each.limit for each in limits] == [30.0, 280.0, None]


MISTAKES = [
    ({"kpi": "latency"}, "number 2.*unknown KPI 'latency'.*rtt"),
    ({"statistic": "p42"}, "number 2.*rtt has no statistic 'p42'.*p99"),
    ({"kpi": "absent", "statistic": "count"}, "number 2.*absent has no good side"),
    ({"source": " "}, "number 2.*source .*出典"),
    ({"source": None}, "source"),
    ({"limits": 3}, "limits"),
    ({"limit": "fast"}, "limit"),
    ({"direction": "sideways"}, "sideways"),
    ({"limit": -1.0}, r"number 2: rtt p99: limit = -1 must be finite and at least 0 \(ms\)"),
    ({"limit": float("nan")}, "number 2: rtt p99: limit = nan must be finite"),
    ({"limit": float("inf")}, "limit = inf must be finite"),
    ({"kpi": "reliability", "statistic": "ratio", "limit": 99.9}, "limit = 99.9 must lie between 0 and 1 .*0.999"),
    ({"kpi": "loss", "statistic": "ratio", "limit": -0.1}, "limit = -0.1 must lie between 0 and 1"),
    ({"kpi": "delay_cdf", "statistic": "le_10ms", "limit": 99.0}, "between 0 and 1"),
    ({"kpi": "lpwa_per", "statistic": "p95", "limit": 5.0}, "between 0 and 1"),
    ({"kpi": "loss", "statistic": "count", "limit": -5.0}, "at least 0 .a number"),
    ({"kpi": "rsrp", "statistic": "p50", "limit": float("-inf")}, r"must be finite \(dB\[mW\]\)"),
    ({"kpi": "rsrp", "statistic": "std", "limit": -1.0}, "at least 0"),
]


@pytest.mark.parametrize(("changes", "message"), MISTAKES)
def test_a_mistake_is_named(changes, message):
    """File, entry, and what is allowed."""
    with pytest.raises(RequirementError, match=rf"plan\.toml.*{message}"):
        parse_requirements(profile(**changes), "plan.toml")


ALLOWED = [
    ("rsrp", "p50", -110.0), ("loss", "count", 30.0), ("loss_burst", "max", 12.0), ("video_freeze", "max", 3.5),
    ("interventions", "per_km", 2.5), ("availability", "ratio", 1.0), ("loss", "ratio", 0.0),
    ("throughput_tcp", "p5", 300.0), ("outage", "count", 3.0), ("tcp_transfer_time_ratio", "mean", 1.5),
    ("tcp_buffer_delay", "ratio", 2.8), ("reordering_held", "max", 5.0), ("reordering_free_run", "weighted", 900.0),
    ("reordering_gap", "min", 20.0), ("inter_loss_period", "min", 50.0), ("burst_duration", "count", 3.0),
    ("burst_duration", "max", 500.0), ("burst_density", "ratio", 0.5),
]  # fmt: skip


@pytest.mark.parametrize(("kpi", "statistic", "limit"), ALLOWED)
def test_limits_that_can_be_held_against_are_taken(kpi, statistic, limit):
    """Levels below zero, numbers above one, and the ends of a ratio."""
    found = parse_requirements(profile(kpi=kpi, statistic=statistic, limit=limit), "plan.toml")
    assert found.requirement[1].limit == limit


PARAMETERS = [
    ("t_max_ms", 0.0, r"finite and above 0 \(ms\)"), ("rtt_within_ms", -5.0, "above 0"), ("section_m", 0, "above 0"),
    ("survival_ms", -1.0, r"finite and at least 0 \(ms\)"), ("outage_s", 0.0, r"above 0 \(s\)"),
    ("required_up_mbps", float("inf"), r"finite and above 0 \(mbps\)"), ("pair_within_ms", float("nan"), "finite"),
    ("coverage_rsrp_dbm", 110.0, r"between -200 and 50 \(dBm\)"), ("loss_constraint", 0, "at least 1 .packets"),
    ("clock_within_ms", 0.0, "above 0"), ("tcp_ideal_up_mbps", 0.0, r"above 0 \(mbps\)"),
    ("tcp_ideal_down_mbps", float("nan"), "finite"), ("tcp_segment_bytes", -1448.0, r"above 0 \(bytes\)"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "message"), PARAMETERS)
def test_a_parameter_that_cannot_be_is_named_with_what_is_allowed(name, value, message):
    """Windows and lengths of nothing, and what is not finite; a survival time of nothing may be."""
    with pytest.raises(RequirementError, match=rf"plan\.toml: \[parameters\] {name} = .* must .*{message}"):
        parse_requirements({**profile(), "parameters": {name: value}}, "plan.toml")
    assert parse_requirements({**profile(), "parameters": {"survival_ms": 0.0}}, "x").parameters.survival_ms == 0.0


@pytest.mark.parametrize("extra", [{"parameter": {}}, {"parameters": {"t_max_s": 1}}])
def test_an_unknown_key_is_named(extra):
    """A misspelt table or bound is refused, not ignored."""
    with pytest.raises(RequirementError, match="parameter|t_max_s"):
        parse_requirements({**profile(), **extra}, "plan.toml")


IP = {"ip_unavailable_loss": 0.2, "ip_interval_s": 60, "ip_least_packets": 500, "ip_source": "計画書 4.2"}


@pytest.mark.parametrize("left_out", IP)
def test_ip_availability_half_stated_is_refused(left_out):
    """c1, Tav, the least number of packets and their source come together: the message names what is missing."""
    some = {name: value for name, value in IP.items() if name != left_out}
    with pytest.raises(RequirementError, match=rf"plan\.toml.*together: give {left_out} too"):
        parse_requirements({**profile(), "parameters": some}, "plan.toml")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({**IP, "ip_unavailable_loss": 1.0}, "ip_unavailable_loss is 1.0: c1"),
        ({**IP, "ip_unavailable_loss": -0.1}, "c1"),
        ({**IP, "ip_unavailable_loss": float("nan")}, "c1"),
        ({**IP, "ip_interval_s": 0}, "Tav"),
        ({**IP, "ip_interval_s": float("inf")}, "Tav"),
        ({**IP, "ip_least_packets": 0}, "ip_least_packets is 0"),
        ({**IP, "ip_source": " "}, "ip_source.*出典"),
        ({"lost_after_ms": 0}, "lost_after_ms is 0"),
        ({"lost_after_ms": float("inf")}, "finite"),
        ({"lost_after_ms": float("nan")}, "finite"),
        ({"payload_bytes": 0}, "payload_bytes is 0: .*whole number of bytes"),
    ],
)
def test_a_bound_that_cannot_be_is_refused(changes, message):
    """In a file by its name, and where parameters are made without one."""
    with pytest.raises(RequirementError, match=rf"plan\.toml.*{message}"):
        parse_requirements({**profile(), "parameters": changes}, "plan.toml")
    with pytest.raises(RequirementError, match=message):
        Parameters(**changes)


def test_ip_availability_as_a_whole_is_taken():
    """c1 of 0 is lawful: then an interval with any loss is unavailable."""
    loaded = parse_requirements({**profile(), "parameters": {**IP, "ip_unavailable_loss": 0}}, "plan.toml")
    assert (loaded.parameters.ip_unavailable_loss, loaded.parameters.ip_interval_s) == (0.0, 60.0)


def test_a_profile_of_ones_own_is_a_file(tmp_path):
    """A path loads a file; bounds that it does not give keep their defaults."""
    path = tmp_path / "mine.toml"
    path.write_text(
        'name="mine"\nja="自"\nen="own"\nstatus="確認済"\n[parameters]\nt_max_ms=50\n'
        '[[requirement]]\nkpi="rtt"\nstatistic="p99"\nlimit=30\nsource="計画書"\nlink="l5g*"\n',
        encoding="utf-8",
    )
    loaded = load_requirements(str(path))
    assert (loaded.parameters.t_max_ms, loaded.parameters.survival_ms) == (50.0, 1000.0)
    assert loaded.find("rtt", "round_trip", "p99", "l5g-2").limit == 30.0
    assert loaded.find("rtt", "round_trip", "p99", "lte") is None
    assert loaded.find("rtt", "round_trip", "p95", "l5g-2") is None


def test_a_requirement_for_one_direction_is_for_that_alone():
    """Without a direction it is for all."""
    loaded = parse_requirements(profile(kpi="owd", direction="up", limit=7.0), "plan.toml")
    assert loaded.find("owd", "up", "p99", "l5g").limit == 7.0
    assert loaded.find("owd", "down", "p99", "l5g") is None
    assert loaded.find("rtt", "round_trip", "p99", "l5g").limit == 100.0


@pytest.mark.parametrize("name", [None, ""])
def test_no_name_is_no_requirements(name):
    """Evaluation without a profile gives values without verdicts."""
    assert load_requirements(name) is NO_REQUIREMENTS


def test_a_profile_that_does_not_exist_names_those_that_do():
    """The remedy is in the message."""
    with pytest.raises(RequirementError, match="no-such.*multi_camera, remote_driving, remote_monitoring, "):
        load_requirements("no-such")


@pytest.mark.parametrize("content", [b"name = ", b"\xff\xfe"])
def test_a_file_that_is_not_toml_is_named(tmp_path, content):
    """Broken syntax or encoding."""
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(RequirementError, match="broken.toml"):
        load_requirements(str(path))


def test_the_table_of_definitions_is_whole():
    """Each KPI has names and meanings in both languages and a clause, and the table has one hash."""
    assert len(BY_ID) == len(DEFINITIONS)
    for definition in DEFINITIONS:
        assert all((definition.name_ja, definition.name_en, definition.meaning_ja, definition.meaning_en))
        assert definition.citation == f"{definition.clause}; jissho {definition.id} rev {definition.revision}"
        assert definition.statistics
    assert definitions_hash() == definitions_hash()
