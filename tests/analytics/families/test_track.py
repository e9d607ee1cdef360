"""Where the vehicle was: known meshes, distances, and what has no place."""

import numpy as np
import pytest

from analytics.track import MESH_SIZES_M, grid_cells, mesh_codes, places, sections, track
from simulators.world import World
from tests.analytics.families.making import drive, make_series
from tests.analytics.making import T0_US


def test_mesh_codes_of_known_places():
    """JIS X 0410, third mesh: published examples."""
    lat, lon = np.array([35.658581, 34.987574, 35.70078]), np.array([139.745433, 135.759363, 139.71475])
    assert mesh_codes(lat, lon, 1000).tolist() == [53393599, 52353680, 53394547]


@pytest.mark.parametrize("size_m", MESH_SIZES_M)
def test_a_finer_mesh_begins_with_the_coarser_one(size_m):
    """The code of a mesh is the beginning of the codes inside it."""
    lat, lon = np.array([35.7]), np.array([139.7])
    finest = str(mesh_codes(lat, lon, 125)[0])
    assert finest.startswith(str(mesh_codes(lat, lon, size_m)[0]))


def test_there_is_no_jis_mesh_finer_than_125_metres():
    """Finer cells are a metre grid, and are not called JIS."""
    with pytest.raises(ValueError, match="no JIS X 0410 mesh of 50 m"):
        mesh_codes(np.array([35.0]), np.array([139.0]), 50)


def test_distance_along_the_route_is_what_was_driven():
    """1,000 s at 10 m/s."""
    assert track(drive(1000, 10.0)).length_m == pytest.approx(10_000, rel=1e-6)


def test_the_noise_of_a_parked_receiver_is_no_journey():
    """Fixes scatter by metres while the speed says zero."""
    noise = np.random.default_rng(1).normal(0, 2e-5, 600)
    parked = make_series(range(600), lat_deg=35 + noise, lon_deg=139 + noise, speed_mps=[0.1] * 600, mode=[3] * 600)
    assert track(parked).length_m == 0.0


def test_without_a_fix_there_is_no_place():
    """gpsd mode below 2 is no fix; a stale fix does not follow the vehicle either."""
    path = track(
        make_series([0, 1, 2, 10], lat_deg=[35.0] * 4, lon_deg=[139.0] * 4, speed_mps=[0] * 4, mode=[3, 1, 3, 3])
    )
    assert path.t_us.size == 3
    lat, *_ = places(path, T0_US + np.array([1_000_000, 6_000_000]))
    assert lat[0] == pytest.approx(35.0)
    assert np.isnan(lat[1])


def test_sections_number_the_route():
    """Section 0 is the first; no place, no section."""
    assert sections(np.array([0.0, 49.9, 50.0, np.nan]), 50).tolist() == [0, 0, 1, -1]


def test_the_metre_grid_has_cells_of_its_size():
    """A kilometre north in a 20 m grid crosses 50 cells, give or take one."""
    lat = 35 + np.degrees(np.linspace(0, 1000, 2001) / 6_371_008.8)
    cells = grid_cells(lat, np.full(lat.size, 139.0), 20)
    found, counts = np.unique(cells, return_counts=True)
    assert found.size in {50, 51}
    assert np.median(counts) == 40  # a place every half metre


def noisy(hz, sigma_m, *, speed=True, seed=1):
    """Make 600 s due north at 10 m/s, 6,000 m, with fixes that scatter and a speed good to 0.1 m/s."""
    rng = np.random.default_rng(seed)
    t_s = np.arange(600 * hz + 1) / hz
    east_m, north_m = rng.normal(0, sigma_m, (2, t_s.size))
    metre = np.degrees(1 / 6_371_008.8)
    columns = {"speed_mps": 10 + rng.normal(0, 0.1, t_s.size)} if speed else {}
    return make_series(
        t_s, lat_deg=35 + (10 * t_s + north_m) * metre,
        lon_deg=139 + east_m * metre / np.cos(np.radians(35)), mode=[3] * t_s.size, **columns,
    )  # fmt: skip


@pytest.mark.parametrize(("hz", "sigma_m"), [(10, 0.3), (10, 1.0), (1, 3.0), (1, 0.0)])
def test_the_noise_of_the_fixes_makes_the_way_no_longer(hz, sigma_m):
    """6,000 m stay 6,000 m, with the receiver's speed and without."""
    assert track(noisy(hz, sigma_m)).length_m == pytest.approx(6000, rel=0.002)
    assert track(noisy(hz, sigma_m, speed=False)).length_m == pytest.approx(6000, rel=0.02)


@pytest.mark.parametrize("position_hz", [1.0, 5.0, 10.0])
def test_the_simulated_drive_is_as_long_as_it_was(position_hz):
    """Twenty minutes of stops, signals and an underpass without a fix, against the simulator's truth."""
    world = World(3, position_hz=position_hz).series(1200, T0_US * 1000)
    truth_m = np.abs(np.diff(world.motion.along_m)).sum()
    series = world.stream("position")
    columns = {name: values for name, values in series.columns.items() if name in ("lat_deg", "lon_deg", "mode")}
    t_s = (series.t_ns - T0_US * 1000) / 1e9
    with_speed = make_series(t_s, speed_mps=series.columns["speed_mps"], **columns)
    assert track(with_speed).length_m == pytest.approx(truth_m, rel=0.01)
    assert track(make_series(t_s, **columns)).length_m == pytest.approx(truth_m, rel=0.02)


def test_parked_without_a_speed_is_no_journey():
    """Ten minutes of fixes that scatter by three metres."""
    metre = np.degrees(1 / 6_371_008.8)
    scatter = np.random.default_rng(2).normal(0, 3 * metre, (2, 600))
    parked = make_series(range(600), lat_deg=35 + scatter[0], lon_deg=139 + scatter[1], mode=[3] * 600)
    assert track(parked).length_m == 0.0
