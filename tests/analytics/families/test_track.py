"""Where the vehicle was: known meshes, distances, and what has no place."""

import numpy as np
import pytest

from analytics.track import MESH_SIZES_M, grid_cells, mesh_codes, places, sections, track
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
