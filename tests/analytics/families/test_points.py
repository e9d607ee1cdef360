"""Measuring points: a point is one sample, its tests are not, and what is missing is neither guessed nor unseen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analytics.families.points import MIGHT_DECIDE, evaluate_points
from analytics.families.throughput import evaluate_throughput
from analytics.points import points_of
from analytics.requirements import Requirement
from tests.analytics.families.making import make_figures, make_series
from tests.analytics.making import by_name

# MIC's own figures of 2016 as an operator published them (Android, down): maximum 238, 75 % 162, median 126, 25 % 97,
# minimum 27 Mbit/s. Five points with those means have them as their quantiles.
PUBLISHED = (97, 238, 27, 162, 126)


def at_points(points, *, direction="down", protocol="tcp", length_s=10.0):
    """Make tests from {point: rates in Mbit/s}, None for a failed one, one a minute."""
    rows = [(name, number, rate) for name, rates in points.items() for number, rate in enumerate(rates, start=1)]
    return make_series(
        [60 * place for place in range(len(rows))], point=[name for name, _, _ in rows],
        trial=[number for _, number, _ in rows], direction=[direction] * len(rows), protocol=[protocol] * len(rows),
        interval_s=[length_s] * len(rows), rate_bps=[None if rate is None else rate * 1e6 for _, _, rate in rows],
    )  # fmt: skip


def spread_over(values):
    """Make a point of three tests around each value."""
    return at_points({f"P{place}": (value - 2, value, value + 2) for place, value in enumerate(values)})


def test_the_box_is_of_the_points_means():
    found = by_name(evaluate_points(spread_over(PUBLISHED), make_figures()))
    box = [found["point_throughput_tcp", "down", name].value for name in ("max", "p75", "p50", "p25", "min")]
    assert box == pytest.approx([238, 162, 126, 97, 27])
    median = found["point_throughput_tcp", "down", "p50"]
    assert median.n == 5
    assert median.filter.startswith("5 地点、試行 15 回(1地点 3 回以上)")
    assert (median.ci_low, median.ci_high) == (None, None)
    assert median.reason == "有効n 5 では区間なし / no interval from an effective n of 5"


def test_more_tests_at_the_same_points_make_no_interval_narrower():
    """Ten tests of what three tests said: the points are no more than they were."""
    values = np.random.default_rng(3).uniform(20, 90, 40)
    few, many = (
        by_name(
            evaluate_points(at_points({f"P{i}": [value] * count for i, value in enumerate(values)}), make_figures())
        )
        for count in (3, 10)
    )
    for statistic in ("mean", "p25", "p50", "p75"):
        one, other = (found["point_throughput_tcp", "down", statistic] for found in (few, many))
        assert (one.n, one.ci_low, one.ci_high) == pytest.approx((other.n, other.ci_low, other.ci_high))
    median = few["point_throughput_tcp", "down", "p50"]
    expected = stats.quantile_test(values, q=0, p=0.5).confidence_interval(0.95)
    assert median.n_eff == 40
    assert (median.ci_low, median.ci_high) == pytest.approx((expected.low, expected.high))


def test_points_of_twenty_have_the_known_order_statistics():
    """n = 20, q = 0.5: ranks 6 and 15 (coverage 0.9586)."""
    values = [11, 2, 18, 7, 20, 4, 13, 9, 16, 1, 12, 6, 19, 3, 15, 8, 17, 5, 14, 10]
    median = by_name(evaluate_points(spread_over(values), make_figures()))["point_throughput_tcp", "down", "p50"]
    assert (median.n, median.n_eff) == (20, 20)
    assert (median.ci_low, median.value, median.ci_high) == pytest.approx((6, 10, 15))


def test_a_point_with_too_few_tests_has_no_value_and_is_named():
    """A failed test is no test with a value; a point without three of them is in no figure."""
    found = evaluate_points(at_points({"P1": (50, 52, 54), "P2": (1, 1), "P3": (9, None, 9)}), make_figures())
    median = by_name(found)["point_throughput_tcp", "down", "p50"]
    assert (median.value, median.n) == (52.0, 1)
    assert median.reason.startswith("値のある試行が3回未満の地点 2: P2(2回), P3(2回) を除く / without 2 points")


def test_without_any_complete_point_there_is_a_reason_and_no_value():
    asked = Requirement(kpi="point_throughput_tcp", statistic="p25", limit=10.0, source="計画書")
    found = by_name(evaluate_points(at_points({"P1": (50, 52)}), make_figures(asked, required_down_mbps=10.0)))
    quarter = found["point_throughput_tcp", "down", "p25"]
    assert (quarter.value, quarter.n, quarter.verdict) == (None, 0, "判定不能")
    assert "P1(2回)" in quarter.reason
    share = found["point_sufficiency", "down", "ratio"]
    assert (share.value, share.n) == (None, 0)
    assert "P1(2回)" in share.reason


def test_how_many_tests_a_point_needs_is_the_users():
    found = by_name(evaluate_points(at_points({"P1": (50, 52)}), make_figures(point_tests=2)))
    assert (51.0, "有効n 1 では区間なし") == (found["point_throughput_tcp", "down", "p50"].value,
                          found["point_throughput_tcp", "down", "p50"].reason.partition(" / ")[0])  # fmt: skip


@pytest.mark.parametrize(
    ("short", "verdict"),
    [
        (0, "達成"),
        (1, "達成"),  # even at nothing it would be one of the lowest of many
        (12, "判定不能"),  # at nothing they would be the lower half
    ],
)
def test_points_without_a_value_decide_no_verdict_unseen(short, verdict):
    """Forty points well above the limit are met, unless those that were not measured three times could turn it."""
    asked = Requirement(kpi="point_throughput_tcp", statistic="p25", limit=30.0, source="計画書")
    order = np.random.default_rng(3).permutation(40)
    good = {f"P{place}": (40.0 + place,) * 3 for place in order}
    tests = at_points({**good, **{f"Q{place}": (50.0,) for place in range(short)}})
    quarter = by_name(evaluate_points(tests, make_figures(asked)))["point_throughput_tcp", "down", "p25"]
    assert quarter.verdict == verdict
    assert (MIGHT_DECIDE in quarter.reason) == (verdict == "判定不能")


def test_points_without_a_value_could_also_save_a_verdict():
    """Forty points below the limit are missed; with as many that nobody knows, they may be the lower half only."""
    asked = Requirement(kpi="point_throughput_tcp", statistic="p75", limit=90.0, source="計画書")
    low = {f"P{place}": (40.0 + place,) * 3 for place in np.random.default_rng(3).permutation(40)}
    for short, verdict in ((0, "未達"), (40, "判定不能")):
        tests = at_points({**low, **{f"Q{place}": (50.0,) for place in range(short)}})
        quarter = by_name(evaluate_points(tests, make_figures(asked)))["point_throughput_tcp", "down", "p75"]
        assert quarter.verdict == verdict


def test_enough_bandwidth_is_a_share_of_points():
    """Three of four points reach 50 Mbit/s; each counts once, however many tests it had."""
    tests = at_points({"P1": (60, 60, 60), "P2": (70,) * 9, "P3": (40, 45, 50), "P4": (49, 50, 51)})
    found = by_name(evaluate_points(tests, make_figures(required_down_mbps=50.0)))["point_sufficiency", "down", "ratio"]
    assert (found.value, found.n, found.variant) == (0.75, 4, "tcp")
    assert found.filter.startswith("TCP ≧ 50 Mbit/s; 4 地点、試行 18 回")
    assert "point_sufficiency" not in {kpi for kpi, *_ in by_name(evaluate_points(tests, make_figures()))}


def test_a_share_is_undecided_where_missing_points_could_turn_it():
    asked = Requirement(kpi="point_sufficiency", statistic="ratio", limit=0.8, source="計画書")
    order = np.random.default_rng(3).permutation(60)
    good = {f"P{place}": (60.0 + place,) * 3 for place in order}
    for short, verdict in ((0, "達成"), (20, "判定不能")):
        tests = at_points({**good, **{f"Q{place}": (70.0, 70.0) for place in range(short)}})
        figures = make_figures(asked, required_down_mbps=50.0)
        found = by_name(evaluate_points(tests, figures))["point_sufficiency", "down", "ratio"]
        assert (found.value, found.verdict) == (1.0, verdict)


def test_rows_of_one_trial_are_parts_of_one_test():
    """10 s at 100 and 1 s at 10 Mbit/s are one test of 1010 / 11; rows without a number are tests of their own."""
    tests = make_series(
        [0, 10, 20, 30], point=["P1"] * 4, trial=[1, 1, None, None], direction=["up"] * 4, protocol=["udp"] * 4,
        interval_s=[10, 1, 0, 5], rate_bps=[100e6, 10e6, 40e6, None],
    )  # fmt: skip
    points = points_of(tests, "up", "udp")
    assert (points.names, points.tests.tolist(), points.failed.tolist()) == (["P1"], [2], [1])
    assert points.rates_bps[0][:2] == pytest.approx([1010 / 11 * 1e6, 40e6])
    assert np.isnan(points.rates_bps[0][2])
    assert points.mean_bps == pytest.approx([(1010 / 11 + 40) / 2 * 1e6])


def test_a_point_is_where_its_first_test_that_says_so_puts_it():
    tests = make_series(
        range(4), point=["P1", "P1", "P1", "P2"], trial=[1, 2, 3, 1], direction=["up"] * 4, protocol=["tcp"] * 4,
        interval_s=[1] * 4, rate_bps=[1e6] * 4, lat_deg=[None, 35.1, 35.2, None], lon_deg=[None, 139.1, 139.2, None],
    )  # fmt: skip
    points = points_of(tests, "up", "tcp")
    assert (points.lat_deg[0], points.lon_deg[0]) == (35.1, 139.1)
    assert np.isnan([points.lat_deg[1], points.lon_deg[1]]).all()


def test_a_test_of_which_a_part_has_no_rate_has_failed():
    tests = make_series(
        [0, 1], point=["P1"] * 2, trial=[1, 1], direction=["up"] * 2, protocol=["tcp"] * 2, interval_s=[1, 1],
        rate_bps=[100e6, None],
    )  # fmt: skip
    points = points_of(tests, "up", "tcp")
    assert (points.tests.tolist(), points.failed.tolist()) == ([0], [1])


def test_tests_at_points_are_not_those_of_the_drive():
    """A drive's tests have no point; neither spoils the other. Loss under load is of both."""
    tests = make_series(
        range(4), point=["P1", "P1", "P1", None], trial=[1, 2, 3, None], direction=["up"] * 4, protocol=["udp"] * 4,
        interval_s=[10] * 4, rate_bps=[10e6, 20e6, 30e6, 90e6], packets=[100] * 4, lost_packets=[0, 0, 0, 4],
    )  # fmt: skip
    drive = by_name(evaluate_throughput(tests, make_figures()))
    assert (drive["throughput_udp", "up", "mean"].value, drive["throughput_udp", "up", "mean"].n) == (90.0, 1)
    assert drive["udp_loss", "up", "ratio"].value == 0.01
    points = by_name(evaluate_points(tests, make_figures()))
    assert (points["point_throughput_udp", "up", "mean"].value, points["point_throughput_udp", "up", "mean"].n) == (
        20,
        1,
    )
    assert evaluate_points(tests.where(np.array([False, False, False, True])), make_figures()) == []


def test_what_is_required_of_the_drive_is_not_answered_by_points():
    """Neither by their speeds nor by "not measured": the row says where they are."""
    asked = Requirement(kpi="throughput_tcp", statistic="p5", limit=32.0, source="計画書")
    (row,) = evaluate_throughput(at_points({"P1": (50, 52, 54)}), make_figures(asked))
    assert (row.statistic, row.value, row.n, row.verdict) == ("p5", None, 0, "判定不能")
    assert row.reason.startswith("測定点での試行のみ: point_throughput_tcp を見る")
    assert evaluate_throughput(at_points({"P1": (50, 52, 54)}), make_figures()) == []


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.one_of(st.none(), st.integers(0, 3)), st.one_of(st.none(), st.floats(0, 500))),
        min_size=1, max_size=60,
    )
)  # fmt: skip
def test_points_are_what_a_dictionary_would_say(rows):
    tests = make_series(
        range(len(rows)), point=[f"P{point}" for point, _, _ in rows], trial=[trial for _, trial, _ in rows],
        direction=["up"] * len(rows), protocol=["tcp"] * len(rows), interval_s=[10.0] * len(rows),
        rate_bps=[rate for _, _, rate in rows],
    )  # fmt: skip
    expected: dict[str, dict] = {}
    for place, (point, trial, rate) in enumerate(rows):
        key = -1 - place if trial is None else trial
        expected.setdefault(f"P{point}", {}).setdefault(key, []).append(rate)
    found = points_of(tests, "up", "tcp")
    assert list(expected) == found.names
    for place, runs in enumerate(expected.values()):
        means = [None if None in rates else sum(rates) / len(rates) for rates in runs.values()]
        good = [mean for mean in means if mean is not None]
        assert (len(good), len(means) - len(good)) == (found.tests[place], found.failed[place])
        assert sorted(good) == pytest.approx(sorted(found.rates_bps[place][np.isfinite(found.rates_bps[place])]))
        if good:
            assert sum(good) / len(good) == pytest.approx(found.mean_bps[place])
