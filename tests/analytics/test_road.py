"""The road under a track: as long as it is however often it was driven, and a place is the same place for every run."""

import numpy as np
import pytest

from analytics.road import SAME_M, road_of
from analytics.track import track
from simulators.world import World
from tests.analytics.families.making import make_series
from tests.analytics.making import T0_US

METRE = np.degrees(1 / 6_371_008.8)


def driven(east_m, north_m, *, hz=1, speed_mps=10.0, sigma_m=0.0, seed=1):
    """Make the track of places in metres from a point in Japan, with noise."""
    rng = np.random.default_rng(seed)
    east, north = (np.asarray(each, float) + rng.normal(0, sigma_m, len(each)) for each in (east_m, north_m))
    t_s = np.arange(east.size) / hz
    return track(make_series(
        t_s, lat_deg=35 + north * METRE, lon_deg=139 + east * METRE / np.cos(np.radians(35)), mode=[3] * t_s.size,
        speed_mps=[speed_mps] * t_s.size,
    ))  # fmt: skip


def there_and_back(length_m, times, step_m=10.0):
    """Return the places of so many journeys there and back."""
    out = np.arange(0, length_m + step_m / 2, step_m)
    once = np.concatenate([out[:-1], out[::-1][:-1]])
    return np.append(np.tile(once, times), 0.0)


@pytest.mark.parametrize("sigma_m", [0.0, 2.0])
def test_a_road_driven_there_and_back_is_one_road(sigma_m):
    """Three times 200 m there and back: 200 m of road, and each fix is where it was on the way out."""
    north = there_and_back(200, 3)
    path = driven(np.zeros(north.size), north, sigma_m=sigma_m)
    road = road_of(path)
    assert road.length_m == pytest.approx(200, abs=15)
    assert np.median(np.abs(road.along(path) - north)) <= 1 + 2 * sigma_m
    assert np.nanmax(road.along(path)) <= 215


def test_laps_of_a_circuit_are_one_lap():
    """A square of 300 m sides, four laps: 1,200 m of road."""
    side = np.arange(0, 300, 10.0)
    zero, full = np.zeros(30), np.full(30, 300.0)
    east, north = np.concatenate([zero, side, full, 300 - side]), np.concatenate([side, full, 300 - side, zero])
    path = driven(np.tile(east, 4), np.tile(north, 4))
    road = road_of(path)
    assert road.length_m == pytest.approx(1200, abs=30)
    lap = road.along(path).reshape(4, 120)
    assert np.abs(lap[1:] - lap[0])[:, 3:-3].max() < 12


def test_another_run_finds_the_same_places():
    """It begins 500 m further on, in the other direction and lane."""
    first = driven(np.zeros(201), np.arange(201) * 10.0)
    other = driven(np.full(151, 6.0), 2000 - np.arange(151) * 10.0)
    road = road_of(first)
    assert np.abs(road.along(other) - (2000 - np.arange(151) * 10.0)).max() < 1


def test_what_is_off_the_road_has_no_place_on_it():
    """A parallel road 50 m away is another one; one that branches off is added at the end."""
    first = driven(np.zeros(101), np.arange(101) * 10.0)
    assert np.isnan(road_of(first).along(driven(np.full(101, 50.0), np.arange(101) * 10.0))).all()
    with_branch = driven(
        np.concatenate([np.zeros(101), np.zeros(50), np.arange(1, 51) * 10.0]),
        np.concatenate([np.arange(101) * 10.0, np.arange(99, 49, -1) * 10.0, np.full(50, 500.0)]),
    )
    road = road_of(with_branch)
    assert road.length_m == pytest.approx(1500, abs=SAME_M + 15)
    assert np.nanmin(road.along(with_branch)[-40:]) > 1000


def test_instants_between_the_fixes_are_between_the_places():
    """Half a second after a fix; nothing where no fix is near."""
    path = driven(np.zeros(101), np.arange(101) * 10.0)
    at = road_of(path).at(path, T0_US + np.array([10_500_000, 90_000_000, 200_000_000]))
    assert at[:2] == pytest.approx([105, 900], abs=1)
    assert np.isnan(at[2])


def test_the_simulated_bus_finds_its_road_again():
    """Forty minutes there and back with noisy fixes: the road is 2.9 km, and a place is found again within 10 m."""
    world = World(3).series(2400, T0_US * 1000)
    series = world.stream("position")
    names = ("lat_deg", "lon_deg", "speed_mps", "mode")
    path = track(make_series((series.t_ns - T0_US * 1000) / 1e9, **{name: series.columns[name] for name in names}))
    road = road_of(path)
    assert road.length_m == pytest.approx(world.route.along_m[-1], abs=40)
    truth = np.interp(path.t_us, T0_US + np.arange(world.motion.along_m.size) * 100_000, world.motion.along_m)
    found = road.along(path)
    assert np.isfinite(found).mean() > 0.99
    assert np.nanpercentile(np.abs(found - truth), 99) < 12


def test_without_a_fix_there_is_no_road():
    """Nothing, not an error."""
    path = track(make_series([0], lat_deg=[None], lon_deg=[None], mode=[1]))
    assert road_of(path).length_m == 0.0
    assert np.isnan(road_of(path).at(path, np.array([T0_US]))).all()
    assert road_of(path).along(path).size == 0
