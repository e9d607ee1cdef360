"""Route, motion and radio: formulas against hand-computed values, statistics against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.motion import CRUISE_MPS, plan_drive
from simulators.path_loss import (
    correlated_shadowing,
    line_of_sight,
    line_of_sight_probability,
    path_loss_db,
)
from simulators.radio import (
    CARRIER_LTE,
    LOCAL_5G,
    channel_quality,
    link_budget_maps,
    link_down,
    select_cells,
    simulate_radio,
)
from simulators.route import ORIGIN_DEG, build_route, to_geodetic


@pytest.mark.parametrize(
    ("scenario", "distance_m", "clear", "expected_db"),
    [
        # d3D = sqrt(100^2 + 23.5^2) = 102.724 m, before the breakpoint of 320 m:
        # 28 + 22 * 2.011672 + 20 * 0.301030
        ("UMa", 100.0, True, 78.2774),
        # beyond it: 28 + 40 * 3.000120 + 6.0206 - 9 * log10(320^2 + 23.5^2) = 9 * 5.012636
        ("UMa", 1000.0, True, 108.9117),
        # 13.54 + 39.08 * 3.000120 + 6.0206
        ("UMa", 1000.0, False, 136.8053),
        # d3D = sqrt(100^2 + 8.5^2) = 100.361 m, breakpoint 291 m: 32.4 + 21 * 2.001563 + 20 * 0.685742
        ("UMi", 100.0, True, 88.1477),
        # 35.3 * 2.001563 + 22.4 + 21.3 * 0.685742
        ("UMi", 100.0, False, 107.6615),
    ],
)
def test_path_loss_is_that_of_the_table(scenario, distance_m, clear, expected_db):
    frequency_ghz, height_m = {"UMa": (2.0, 25.0), "UMi": (4.85, 10.0)}[scenario]
    loss = path_loss_db(scenario, distance_m, frequency_ghz=frequency_ghz, base_height_m=height_m, line_of_sight=clear)
    assert pytest.approx(expected_db, abs=2e-4) == float(loss)


@pytest.mark.parametrize("scenario", ["UMa", "UMi"])
def test_path_loss_is_continuous_at_the_breakpoint_and_grows_with_distance(scenario):
    distance_m = np.arange(10.0, 3000.0, 0.5)
    for clear in (True, False):
        loss = path_loss_db(scenario, distance_m, frequency_ghz=4.85, base_height_m=10.0, line_of_sight=clear)
        steps = np.diff(loss)
        assert (steps > 0.0).all()
        assert steps[distance_m[1:] > 100.0].max() < 0.2


def test_line_of_sight_probability_is_that_of_the_table():
    assert [1.0, 1.0] == line_of_sight_probability("UMi", [5.0, 18.0]).tolist()
    assert pytest.approx(0.5 + 0.5 * math.exp(-1.0)) == float(line_of_sight_probability("UMi", 36.0))
    assert pytest.approx(18 / 63 + math.exp(-1.0) * (1 - 18 / 63)) == float(line_of_sight_probability("UMa", 63.0))


@pytest.mark.parametrize("correlation_m", [10.0, 50.0])
def test_shadowing_decorrelates_exponentially_over_distance(correlation_m):
    shadow = correlated_shadowing(np.random.default_rng(5), 200_000, 1.0, correlation_m)
    assert pytest.approx(1.0, abs=0.03) == shadow.std()
    for lag in (1, int(correlation_m), int(2 * correlation_m)):
        found = np.corrcoef(shadow[:-lag], shadow[lag:])[0, 1]
        assert pytest.approx(math.exp(-lag / correlation_m), abs=0.03) == found


def test_line_of_sight_has_its_probability_and_lasts():
    clear = line_of_sight(np.random.default_rng(1), np.full(200_000, 0.3), 1.0)
    assert pytest.approx(0.3, abs=0.03) == clear.mean()
    assert np.abs(np.diff(clear.astype(int))).mean() < 0.1


def test_the_route_is_three_kilometres_of_road_near_its_origin():
    route = build_route()
    assert 2800.0 < route.length_m < 3200.0
    steps = np.hypot(np.diff(route.east_m), np.diff(route.north_m))
    assert pytest.approx(1.0, abs=0.02) == steps.min()
    latitude, longitude = to_geodetic(route.east_m, route.north_m)
    assert ORIGIN_DEG == (latitude[0], longitude[0])
    # One minute of latitude is 1,849.4 m at 36 degrees north (WGS 84).
    assert pytest.approx(1849.4, abs=0.5) == (route.north_m[-1]) / ((latitude[-1] - latitude[0]) * 60)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_motion_obeys_speed_limit_continuity_and_stops(seed):
    route = build_route()
    drive = plan_drive(np.random.default_rng(seed), route, 1500.0, mrm_per_leg=1.0)
    time_s = np.arange(0.0, 1500.0, 0.1)
    state = drive.at(time_s)
    assert state.speed_mps.max() <= CRUISE_MPS + 1e-9
    assert 0.0 <= state.along_m.min()
    assert state.along_m.max() <= route.length_m
    travelled = np.diff(state.along_m) * np.where(state.forward[:-1], 1.0, -1.0)
    mean_speed = 0.5 * (state.speed_mps[1:] + state.speed_mps[:-1])
    assert np.abs(travelled / 0.1 - mean_speed).max() < 0.15
    for halt in drive.halts:
        standing = (time_s > halt.start_s + 0.01) & (time_s < halt.end_s - 0.01)
        assert np.array_equal(np.zeros(standing.sum()), state.speed_mps[standing])
    assert {"terminal", "bus_stop"} <= {halt.kind for halt in drive.halts}


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    hysteresis_db=st.floats(0.5, 6.0),
    time_to_trigger_s=st.sampled_from([0.1, 0.3, 0.64]),
)
def test_a_handover_happens_only_after_the_hysteresis_was_exceeded_for_the_whole_time(
    seed, hysteresis_db, time_to_trigger_s
):
    rng = np.random.default_rng(seed)
    levels = np.cumsum(rng.normal(0.0, 1.5, (3, 400)), axis=1) - 90.0
    serving = select_cells(levels, 0.1, hysteresis_db=hysteresis_db, time_to_trigger_s=time_to_trigger_s)
    wait = round(time_to_trigger_s / 0.1)
    for tick in np.flatnonzero(np.diff(serving)) + 1:
        old, new = serving[tick - 1], serving[tick]
        margin = levels[new, tick - wait + 1 : tick + 1] - levels[old, tick - wait + 1 : tick + 1]
        assert (serving[tick - wait + 1 : tick] == old).all()
        assert (margin > hysteresis_db).all()


def test_a_neighbour_within_the_hysteresis_never_takes_over():
    levels = np.stack([np.full(100, -90.0), np.full(100, -87.5)])
    levels[1, 0] = -95.0
    assert not select_cells(levels, 0.1, hysteresis_db=3.0, time_to_trigger_s=0.3).any()
    levels[1, 50:] = -86.5
    assert 52 == int(np.argmax(select_cells(levels, 0.1, hysteresis_db=3.0, time_to_trigger_s=0.3)))


def test_a_link_fails_after_the_timer_and_comes_back_with_hysteresis():
    sinr = np.concatenate([np.full(20, 0.0), np.full(9, -9.0), np.full(5, 0.0), np.full(20, -9.0), np.full(20, -7.0)])
    sinr = np.concatenate([sinr, np.full(20, -5.0)])
    down = link_down(sinr, 0.1)
    assert 34 + 9 == int(np.argmax(down))  # the nine bad ticks before were too short
    assert 74 + 9 == len(down) - int(np.argmax(down[::-1]))  # -7 dB is neither out of sync nor in sync


@pytest.mark.parametrize("system", [LOCAL_5G, CARRIER_LTE])
def test_levels_of_a_link_agree_with_each_other(system):
    route = build_route()
    along_m = np.repeat(route.along_m, 2)
    series = simulate_radio(np.random.default_rng(2), system, route, along_m, 0.1)
    elements_db = 10 * math.log10(12 * system.resource_blocks)
    signal_mw = 10 ** ((series.rsrp_dbm + elements_db) / 10)
    noise_mw = 10 ** ((system.noise_dbm + elements_db) / 10)
    assert np.allclose(10 * np.log10(signal_mw + noise_mw), series.rx_power_dbm)
    assert (series.rx_power_dbm > series.rsrp_dbm + elements_db).all()
    quality = 10 * math.log10(system.resource_blocks) + series.reported_rsrp_dbm - series.rssi_dbm
    assert np.allclose(quality, series.rsrq_db)
    assert series.sinr_db.max() < 34.0
    assert set(series.serving[series.handover_tick]) <= set(range(len(system.cells)))
    assert ((series.handover_s >= system.handover_s[0]) & (series.handover_s <= system.handover_s[1])).all()


def test_the_local_5g_covers_a_part_of_the_route_and_lte_all_of_it():
    route = build_route()
    shares = {}
    for system in (LOCAL_5G, CARRIER_LTE):
        down = [
            simulate_radio(np.random.default_rng(seed), system, route, np.repeat(route.along_m, 2), 0.1).down.mean()
            for seed in range(5)
        ]
        shares[system.rat] = float(np.mean(down))
    assert 0.1 < shares["NR-SA"] < 0.5
    assert shares["LTE"] < 0.02


def test_the_same_place_has_the_same_shadow_on_every_pass():
    route = build_route()
    there_and_back = np.concatenate([route.along_m, route.along_m[::-1]])
    both = simulate_radio(np.random.default_rng(4), CARRIER_LTE, route, there_and_back, 0.1)
    n = len(route.along_m)
    same_cell = both.serving[:n] == both.serving[n:][::-1]
    difference = (both.rsrp_dbm[:n] - both.rsrp_dbm[n:][::-1])[same_cell]
    assert difference.std() < 2.5  # what is left is fast fading, 1.2 dB on either pass


def test_shadowing_of_the_maps_has_the_spread_of_the_table():
    route = build_route()
    rng = np.random.default_rng(0)
    spread = [link_budget_maps(rng, LOCAL_5G, route) - link_budget_maps(rng, LOCAL_5G, route) for _ in range(10)]
    far = np.concatenate([each[0, 2500:] for each in spread])  # 1.9 km from the cell: no line of sight
    assert pytest.approx(7.82 * math.sqrt(2), rel=0.15) == far.std()


def test_channel_quality_grows_with_sinr_and_stays_in_range():
    quality = channel_quality(np.array([-20.0, -6.7, 0.0, 10.0, 22.0, 40.0]))
    assert [0, 1, 4, 9, 15, 15] == quality.tolist()
