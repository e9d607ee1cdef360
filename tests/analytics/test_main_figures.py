"""Which results a report states first, by the column of the table of KPIs that says so."""

import random

import pytest

from analytics.definitions import BY_ID, DEFINITIONS, FAMILIES, FAMILY_OF
from analytics.main_figures import asked_first, in_order, main_figures
from analytics.results import CAMERA_VARIANT, KpiResult


def kpi(kpi_id, statistic, value=1.0, **changes):
    definition = BY_ID[kpi_id]
    known = {"id": kpi_id, "device": "bus-1", "link": "l5g", "direction": "", "statistic": statistic, "value": value,
             "unit": definition.unit, "n": 100, "definition": definition.citation}  # fmt: skip
    return KpiResult(**{**known, **changes})


def test_main_statistics_are_those_of_the_table_and_what_is_required_is_always_there():
    """A required statistic is stated whichever it is, also where it has no value."""
    every = [kpi("rtt", name) for name in BY_ID["rtt"].statistics]
    required = kpi("jitter_rfc3550", "p95", None, required=10.0, verdict="判定不能")

    assert [each.statistic for each in main_figures(every)] == ["p50", "p95", "p99"]
    assert main_figures([kpi("jitter_rfc3550", "mean"), required]) == [required]
    assert main_figures([*every, required], with_asked=False) == main_figures(every)


def test_a_kpi_without_any_value_keeps_the_one_row_that_says_why():
    """Its only row may be of a statistic that is none of the main ones; of a KPI that has none, nothing is stated."""
    why = kpi("video_delay", "mean", None, reason="値なし / no values")
    again = kpi("video_delay", "max", None, reason="値なし / no values")

    assert main_figures([why, again]) == [why]
    assert main_figures([why, kpi("video_delay", "p50", 90.0)]) == [kpi("video_delay", "p50", 90.0)]
    assert main_figures([kpi("pdv", "mean", None, reason="x")]) == []


def test_cameras_stand_behind_the_figure_of_them_all():
    """With one camera its figures are those of the link; what is required of each camera is stated of each."""
    front, rear = (kpi("video_delay", "p95", variant=CAMERA_VARIANT.format(name)) for name in ("front", "rear"))
    worst = kpi("video_delay", "p95")
    judged = kpi("video_delay", "p95", variant=CAMERA_VARIANT.format("left"), required=400.0, verdict="達成")

    assert main_figures([front]) == [front]
    assert main_figures([worst, front, rear, judged]) == [worst, judged]
    elsewhere = kpi("video_delay", "p95", link="lte", variant=CAMERA_VARIANT.format("front"))
    assert main_figures([worst, front, elsewhere]) == [worst, elsewhere]


def test_the_order_is_that_of_the_table_with_links_side_by_side():
    """However the results come, and with what is required before all else."""
    expected = [
        kpi(name, statistic, link=link, direction=way)
        for name, ways, statistics in (("owd", ("up", "down"), ("p50", "p99")), ("rtt", ("round_trip",), ("p50",)))
        for way in ways for statistic in statistics for link in ("l5g", "lte")
    ]  # fmt: skip
    asked = kpi("rtt", "p99", direction="round_trip", required=100.0, verdict="未達")
    mixed = [*expected, asked]
    random.Random(1).shuffle(mixed)

    assert in_order(random.Random(2).sample(expected, len(expected))) == expected
    assert asked_first(mixed) == ([asked], expected)


def test_every_kpi_is_of_one_family_and_every_family_has_main_figures():
    """No family is missing from the first page of a report."""
    assert [each.id for family in FAMILIES for each in family.definitions] == [each.id for each in DEFINITIONS]
    assert set(FAMILY_OF) == set(BY_ID)
    for family in FAMILIES:
        assert any(each.main for each in family.definitions), family.en


@pytest.mark.parametrize("language", ["ja", "en"])
def test_needs_are_told_in_words(language):
    """Alternatives, what goes together, what helps, and that two links are needed."""
    told = {each.id: each.needs_text(language) for each in DEFINITIONS}

    assert told["coverage_distance"] == {
        "ja": "(radio.rsrp_dbm または radio.rx_power_dbm)、かつ position.lat_deg+lon_deg+mode。"
              "あれば radio.cell_id、radio.pci",
        "en": "(radio.rsrp_dbm or radio.rx_power_dbm); and position.lat_deg+lon_deg+mode; where there is any: "
              "radio.cell_id, radio.pci",
    }[language]  # fmt: skip
    assert told["redundant_loss"] == {
        "ja": "2回線以上の端末の probe.lost", "en": "of a device with two links or more: probe.lost"
    }[language]  # fmt: skip
    assert BY_ID["delay_distance"].streams == ("video", "position", "vehicle")
