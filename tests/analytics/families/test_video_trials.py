"""Glass-to-glass trials: quantiles of what was read, and verdicts no finer than the reading."""

import msgspec
import numpy as np
import pytest

from analytics.families.other_radios import evaluate_metrics
from analytics.families.video_trials import NOT_RECORDED, TOO_COARSE
from analytics.requirements import Requirement
from tests.analytics.families.making import make_figures, make_series
from tests.analytics.making import by_name
from tests.contract.trials import setup

# n = 20, q = 0.5: ranks 6 and 15; 5 % and 95 % of twenty are not bounded above.
READ_MS = [171, 162, 178, 167, 180, 164, 173, 169, 176, 161, 172, 166, 179, 163, 175, 168, 177, 165, 174, 170]


def trials(delays_ms=READ_MS, *setups, unit="ms"):
    details = [msgspec.json.encode(each).decode() if each else None for each in setups or (setup(),)]
    n = len(delays_ms)
    return make_series(
        range(n), name=["video.g2g"] * n, value=delays_ms, unit=[unit] * n,
        detail=[*details, *[details[-1]] * (n - len(details))] if any(details) else [None] * n,
    )  # fmt: skip


def g2g(metrics, statistic, *requirements, camera=None):
    found = [row for row in evaluate_metrics(metrics, make_figures(*requirements)) if row.statistic == statistic]
    (row,) = [row for row in found if camera is None or row.variant == f"カメラ: {camera}"]
    return row


def within(limit, statistic="p50"):
    return Requirement(kpi="video_g2g", statistic=statistic, limit=limit, source="計画書")


def test_quantiles_of_trials_have_order_statistics_and_the_resolution_beside_them():
    """A frame at 30 fps, a refresh at 60 Hz and a digit of 1 ms are 51 ms; the interval is that of sampling."""
    median = g2g(trials(), "p50")
    assert (median.n, median.value, median.ci_low, median.ci_high) == (20, 170.0, 166.0, 175.0)
    assert median.uncertainty == pytest.approx(51.0)
    assert median.reason == "読取りの分解能 ±51 ms / a reading resolves ±51 ms"
    assert median.filter.startswith("カメラ: front; 画面のストップウォッチ stopwatch on a screen, X, 30 fps, 60 Hz")
    assert g2g(trials(), "max").value == 180.0


@pytest.mark.parametrize(
    ("limit", "method", "verdict", "is_too_coarse"),
    [
        (230.0, "stopwatch", "達成", False),  # 175 + 51 = 226
        (226.0, "stopwatch", "達成", False),
        (225.9, "stopwatch", "判定不能", True),  # sampling alone would say 達成
        (120.0, "stopwatch", "判定不能", True),  # 166 - 51 = 115: sampling alone would say 未達
        (114.9, "stopwatch", "未達", False),
        (170.0, "stopwatch", "判定不能", False),  # the interval itself straddles it
        (176.0, "led", "達成", False),  # the same readings, resolved to 1 ms
        (175.5, "led", "判定不能", True),
    ],
)
def test_a_verdict_is_undecided_where_the_resolution_reaches_across_the_limit(limit, method, verdict, is_too_coarse):
    median = g2g(trials(READ_MS, setup(method=method)), "p50", within(limit))
    assert median.verdict == verdict
    assert (TOO_COARSE in median.reason) == is_too_coarse


def test_trials_that_nobody_recorded_how_are_undecided():
    for metrics in (trials(READ_MS, None), trials(READ_MS, None).where(np.ones(20, bool))):
        median = g2g(metrics, "p50", within(1000.0))
        assert (median.value, median.verdict, median.uncertainty) == (170.0, "判定不能", None)
        assert NOT_RECORDED in median.reason


def test_a_detail_of_another_program_is_no_record():
    metrics = make_series([0, 1], name=["video.g2g"] * 2, value=[170, 171], unit=["ms"] * 2,
                          detail=['{"lens":"wide"}', "[1]"])  # fmt: skip
    assert NOT_RECORDED in g2g(metrics, "p50").reason


def test_each_camera_has_its_own_figures_and_resolution():
    coarse, fine = setup(camera="rear", camera_fps=10.0), setup(method="led")
    metrics = trials([300, 170, 171], coarse, fine)
    assert [g2g(metrics, "max", camera=name).value for name in ("rear", "front")] == [300.0, 171.0]
    assert g2g(metrics, "max", camera="rear").uncertainty == pytest.approx(100 + 1000 / 60 + 1)
    assert g2g(metrics, "max", camera="front").uncertainty == 1.0


def test_the_coarsest_setup_of_a_camera_stands_for_all_its_trials():
    metrics = trials([170, 171, 172], setup(method="led"), setup())
    row = g2g(metrics, "p50")
    assert row.uncertainty == pytest.approx(51.0)
    assert {"LEDとフォトダイオード", "画面のストップウォッチ"} <= set(row.filter.replace(" ", ";").split(";"))


def test_seconds_become_milliseconds():
    assert (
        by_name(evaluate_metrics(trials([0.17, 0.18], unit="s"), make_figures()))["video_g2g", "", "max"].value == 180
    )
