"""Video camera by camera: no camera hides behind the others, and a stream that stops is a frozen one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.families.video import NEVER_BACK, Horizon, evaluate_video, sum_of_rates_bps
from analytics.requirements import Requirement
from analytics.statistics import effective_n
from tests.analytics.families.making import make_figures, make_series
from tests.analytics.making import T0_US, by_name

SIX = ("front", "left", "rear", "right", "roof", "inside")


def rows(cameras, n, first_s=1, **columns):
    """Make a row a second of each camera, which ends at a whole second; columns are lists of lists by camera."""
    t_s = np.tile(np.arange(first_s, first_s + n), len(cameras))
    order = np.argsort(t_s, kind="stable")
    joined = {name: np.concatenate([np.asarray(each, object) for each in values]) for name, values in columns.items()}
    made = {"camera": np.repeat(np.array(cameras, object), n), "interval_s": np.ones(t_s.size, object), **joined}
    return make_series(t_s[order], **{name: list(values[order]) for name, values in made.items()})


def split(results):
    """Return the results of the whole, and those of each camera by its name."""
    cameras = {}
    for result in results:
        cameras.setdefault(result.variant.removeprefix("カメラ: "), []).append(result)
    return {name: by_name(found) for name, found in cameras.items()}


def ar1(rng, n, phi):
    values = np.empty(n)
    values[0] = rng.normal() / np.sqrt(1 - phi**2)
    for place in range(1, n):
        values[place] = phi * values[place - 1] + rng.normal()
    return values


def test_cameras_with_other_means_are_not_worth_more_than_each_is():
    """Two AR(1) cameras, phi 0.99, means 100 and 300 ms: pooled they alternate and seem worth thousands."""
    rng = np.random.default_rng(3)
    delays = [1000 * (mean + ar1(rng, 3600, 0.99)) for mean in (100, 300)]
    found = split(evaluate_video(rows(("a", "b"), 3600, delay_us=delays), None, make_figures()))
    pooled = effective_n(np.stack(delays, axis=1).ravel())
    assert pooled > 1000
    for name, delay in zip("ab", delays, strict=True):
        assert effective_n(delay) == found[name]["video_delay", "", "mean"].n_eff
    assert found["a"]["video_delay", "", "mean"].n_eff + found["b"]["video_delay", "", "mean"].n_eff < 100
    whole = found[""]["video_delay", "", "mean"]
    assert (3600, found["b"]["video_delay", "", "mean"].n_eff) == (whole.n, whole.n_eff)
    assert found["b"]["video_delay", "", "mean"].value == whole.value


def test_one_frozen_camera_of_six_is_not_a_sixth():
    """Five cameras at 30 frames a second, one frozen throughout: the whole is as bad as the worst."""
    fps = [[30.0] * 60] * 5 + [[0.0] * 60]
    frozen = [[0.0] * 60] * 5 + [[1.0] * 60]
    video = rows(SIX, 60, fps=fps, freeze_s=frozen, freezes=[[0] * 60] * 6)
    found = split(evaluate_video(video, None, make_figures()))
    assert (1.0, 0.0, 1.0) == tuple(
        found[""][key].value for key in (("video_freeze", "", "ratio"), ("video_fps", "", "p50"),
                                         ("video_freeze", "", "count"))
    )  # fmt: skip
    assert (0.0, 30.0) == (
        found["front"]["video_freeze", "", "ratio"].value,
        found["front"]["video_fps", "", "p50"].value,
    )
    assert 1.0 == found["inside"]["video_freeze", "", "ratio"].value
    assert "inside" in found[""]["video_freeze", "", "ratio"].reason
    assert set(SIX) | {""} == set(found)


def test_a_requirement_is_held_against_each_camera_and_the_worst():
    """Limit 200 ms: the fast camera meets it, the slow one and with it the whole do not."""
    limit = Requirement(kpi="video_delay", statistic="p50", limit=200.0, source="test")
    rng = np.random.default_rng(1)
    delays = [rng.normal(mean, 5_000, 600) for mean in (100_000, 300_000)]
    found = split(evaluate_video(rows(("fast", "slow"), 600, delay_us=delays), None, make_figures(limit)))
    assert ("達成", "未達", "未達") == tuple(
        found[name]["video_delay", "", "p50"].verdict for name in ("fast", "slow", "")
    )  # fmt: skip


def test_the_interval_of_the_worst_camera_is_wider_than_its_own():
    """It holds for all cameras at once."""
    rng = np.random.default_rng(1)
    delays = [rng.normal(100_000, 5_000, 600) for _ in range(4)]
    found = split(evaluate_video(rows(SIX[:4], 600, delay_us=delays), None, make_figures()))
    whole = found[""]["video_delay", "", "mean"]
    highest = max(found[name]["video_delay", "", "mean"].ci_high for name in SIX[:4])
    assert whole.ci_high > highest
    assert "Bonferroni" in whole.ci_method


def test_one_camera_has_one_set_of_rows():
    """The whole of one camera is that camera."""
    found = split(evaluate_video(rows(("front",), 10, fps=[[30.0] * 10]), None, make_figures()))
    assert {"front"} == set(found)


def test_bit_rates_are_summed_second_by_second():
    """2 and 3 Mbit/s are 5; the second camera begins 5 s later, and until then there are 2."""
    early, late = rows(("a",), 10, rate_bps=[[2e6] * 10]), rows(("b",), 5, first_s=6, rate_bps=[[3e6] * 5])
    both = make_series(
        (np.concatenate([early.t_us, late.t_us]) - T0_US) / 1e6, camera=["a"] * 10 + ["b"] * 5, interval_s=[1.0] * 15,
        rate_bps=[2e6] * 10 + [3e6] * 5,
    )  # fmt: skip
    order = np.argsort(both.t_us, kind="stable")
    both = type(both)(
        both.t_us[order],
        {name: values[order] for name, values in both.numbers.items()},
        {name: values[order] for name, values in both.texts.items()},
    )
    assert [2e6] * 5 + [5e6] * 5 == pytest.approx(sum_of_rates_bps(both).tolist())
    assert 3.5 == pytest.approx(split(evaluate_video(both, None, make_figures()))[""]["video_rate", "", "mean"].value)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_the_sum_of_rates_is_that_of_a_loop(seed):
    """Rows of any length and place, against an integral of each row over each second."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 15))
    end_s, length_s, rate = np.sort(rng.uniform(0, 12, n)), rng.uniform(0.1, 4, n), rng.uniform(0, 9e6, n)
    video = make_series(end_s, camera=["a"] * n, interval_s=length_s, rate_bps=rate)
    end_s = (video.t_us - T0_US) / 1e6
    start_s = end_s - length_s
    expected = []
    for second in range(int(np.ceil(start_s.min())), int(np.floor(end_s.max()))):
        shared = np.maximum(np.minimum(end_s, second + 1) - np.maximum(start_s, second), 0)
        if shared.sum() > 0.9901:
            expected.append((shared * rate).sum())
        elif shared.sum() > 0.9899:
            return
    assert expected == pytest.approx(sum_of_rates_bps(video).tolist(), rel=1e-6, abs=1.0)


def test_a_camera_that_stops_for_good_is_frozen_until_the_end():
    """10 s of video, then nothing for 30 s while the device measures on: 30 of 40 s, one freeze."""
    video = rows(("front",), 10, freeze_s=[[0.0] * 10], freezes=[[0] * 10])
    horizon = Horizon(end_us=T0_US + 40_000_000)
    found = by_name(evaluate_video(video, None, make_figures(), horizon=horizon))
    assert (0.75, 1.0, 30.0) == tuple(
        found["video_freeze", "", name].value for name in ("ratio", "count", "max")
    )  # fmt: skip
    assert NEVER_BACK in found["video_freeze", "", "ratio"].reason


def test_a_camera_that_stops_while_another_goes_on_is_frozen():
    """Without a horizon the last row of any camera is the end."""
    video = rows(("a", "b"), 40, freeze_s=[[0.0] * 40] * 2)
    stopped = video.where((video.text("camera") == "b") | (video.t_us <= T0_US + 10_000_000))
    found = split(evaluate_video(stopped, None, make_figures()))
    assert (0.75, 0.0) == tuple(found[name]["video_freeze", "", "ratio"].value for name in "ab")


@pytest.mark.parametrize(
    "horizon",
    [
        Horizon(end_us=T0_US + 40_000_000, elsewhere_us={"front": T0_US + 39_000_000}),
        Horizon(end_us=T0_US + 11_900_000),
        Horizon(end_us=T0_US + 40_000_000, excluded=[(T0_US + 10_500_000, T0_US + 50_000_000)]),
    ],
    ids=["moved to another link", "next row not overdue", "excluded"],
)
def test_what_is_no_freeze_at_the_end(horizon):
    """A camera that goes on elsewhere, whose next row is still due, or whose rest is excluded."""
    video = rows(("front",), 10, freeze_s=[[0.0] * 10], freezes=[[0] * 10])
    found = by_name(evaluate_video(video, None, make_figures(), horizon=horizon))
    assert (0.0, 0.0) == tuple(found["video_freeze", "", name].value for name in ("ratio", "count"))


def test_rows_without_a_frame_at_the_end_are_frozen_though_nobody_counted_them():
    """W3C webrtc-stats counts a freeze when the next picture comes: 5 of 20 s show no frame and no freeze."""
    video = rows(("front",), 20, fps=[[30.0] * 15 + [0.0] * 5], freeze_s=[[0.0] * 20], freezes=[[0] * 20])
    found = by_name(evaluate_video(video, None, make_figures()))
    assert (0.25, 1.0, 5.0) == tuple(found["video_freeze", "", name].value for name in ("ratio", "count", "max"))


def test_the_delay_distance_takes_the_vehicles_speed_where_there_is_no_fix():
    """10 m/s and 200 ms are 2 m, also without GNSS."""
    video = rows(("front",), 10, delay_us=[[200_000] * 10])
    vehicle = make_series(range(12), speed_mps=[10.0] * 12)
    found = by_name(evaluate_video(video, None, make_figures(), vehicle=vehicle))
    assert 2.0 == pytest.approx(found["delay_distance", "", "max"].value)
    none = by_name(evaluate_video(video, None, make_figures()))
    assert ("delay_distance", "", "max") not in none
