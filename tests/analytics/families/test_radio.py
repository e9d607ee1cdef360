"""Radio KPIs: what decibels average to, what coverage counts, and when a change of cell is a handover."""

import math

import numpy as np
import pytest

from analytics.families.radio import evaluate_radio, medians_by, stretches_m
from analytics.track import track
from tests.analytics.families.making import drive, make_figures, make_series
from tests.analytics.making import by_name, probes


def evaluated(radio, path=None, sent=None, **parameters):
    return by_name(evaluate_radio(radio, path, sent, make_figures(**parameters)))


def test_the_two_means_of_decibels_are_both_given_and_named():
    """-80 and -100 dBm: -90 in decibels, and half of -80 dBm's power, -82.97, in milliwatts."""
    found = evaluated(make_series([0, 1], rsrp_dbm=[-80, -100]))
    assert found["rsrp", "", "mean"].value == -90.0
    assert found["rsrp", "", "mean_linear"].value == pytest.approx(10 * math.log10((1e-8 + 1e-10) / 2))
    assert found["rsrp", "", "std"].value == 10.0
    assert found["rsrp", "", "mean"].unit == "dB[mW]"


def test_quantiles_of_a_radio_value_are_order_statistics():
    """The median of an even number of values is the lower middle one (RFC 2330 11.3), never a value nobody measured."""
    found = evaluated(make_series(range(4), sinr_db=[20, 3, 11, 7]))
    assert found["sinr", "", "p50"].value == 7.0
    assert found["sinr", "", "p5"].value == 3.0


def test_a_column_that_was_not_measured_gives_no_kpi():
    """Absent is not zero."""
    found = evaluated(make_series([0, 1], rsrp_dbm=[-80, None]))
    assert not {"rsrq", "sinr", "rx_power"} & {kpi for kpi, _, _ in found}
    assert found["rsrp", "", "min"].n == 1


def test_coverage_is_not_computed_without_a_threshold():
    """The threshold is the user's value; there is no default."""
    found = evaluated(make_series([0, 1], rsrp_dbm=[-80, -100]))
    assert not any(kpi.startswith("coverage") for kpi, _, _ in found)


def test_a_parked_car_does_not_flood_the_coverage_by_distance():
    """100 s standing under the mast and 100 s of driving out of coverage: half the time, none of the way."""
    parked, moving = drive(100, 0.0), drive(100, 10.0)
    t_s = np.arange(202)
    place = make_series(
        t_s, lat_deg=[*parked.number("lat_deg"), *moving.number("lat_deg")], lon_deg=[139.0] * 202,
        speed_mps=[*parked.number("speed_mps"), *moving.number("speed_mps")], mode=[3] * 202,
    )  # fmt: skip
    radio = make_series(t_s, rsrp_dbm=[-70] * 101 + [-130] * 101)
    found = evaluated(radio, track(place), coverage_rsrp_dbm=-110.0)
    assert found["coverage_time", "", "ratio"].value == pytest.approx(0.5, abs=0.01)
    assert found["coverage_distance", "", "ratio"].value == pytest.approx(0.0, abs=0.01)
    assert "-110" in found["coverage_time", "", "ratio"].filter


def test_coverage_without_a_gap_is_worth_what_the_level_is():
    """Nothing fell below the threshold on a drive away from the mast: that is one experience, not 200."""
    place, t_s = drive(200, 10.0), np.arange(201)
    found = evaluated(make_series(t_s, rsrp_dbm=-60.0 - 0.2 * t_s), track(place), coverage_rsrp_dbm=-110.0)
    for kpi in ("coverage_time", "coverage_distance", "coverage_mesh"):
        assert found[kpi, "", "ratio"].value == 1.0
        assert found[kpi, "", "ratio"].n_eff < 10
        assert found[kpi, "", "ratio"].ci_low < 0.7


def test_coverage_by_mesh_counts_each_mesh_once():
    """Two and a half kilometres north: the southern half covered; the share of meshes, whatever the time spent."""
    path = track(drive(250, 10.0))
    t_s = np.arange(251)
    radio = make_series(t_s, rsrp_dbm=np.where(t_s < 125, -80.0, -120.0))
    found = evaluated(radio, path, coverage_rsrp_dbm=-100.0)
    mesh = found["coverage_mesh", "", "ratio"]
    assert mesh.n in {22, 23}  # a 1/8 mesh is 3.75 arc seconds of latitude: 115.6 m
    assert mesh.value == pytest.approx(0.5, abs=0.05)


def test_stretches_share_the_way_between_neighbours_and_skip_unknown_places():
    """Half of each step belongs to either end; across a missing fix nobody measured."""
    lengths = stretches_m(np.array([0.0, 10.0, 30.0, np.nan, 60.0, 70.0]))
    assert lengths.tolist() == [5.0, 15.0, 10.0, 0.0, 5.0, 5.0]


def test_medians_by_group_keep_the_order_of_the_first_visit():
    """Neighbouring places stay neighbours, so that autocorrelation along the route can be seen."""
    assert medians_by(np.array([7, 7, 3, 3, 3, -1]), np.array([4.0, 2.0, 9.0, 8.0, 7.0, 0.0])).tolist() == [2.0, 8.0]


def test_changes_of_cell_are_counted_with_dwell_and_ping_pong():
    """1 1 2 1 1 3: three changes, of which the second goes back within five seconds."""
    found = evaluated(make_series([0, 10, 12, 14, 24, 30], cell_id=[1, 1, 2, 1, 1, 3]))
    assert found["handover", "", "count"].value == 3.0
    assert found["ping_pong", "", "ratio"].value == pytest.approx(1 / 3)
    assert found["cell_dwell", "", "min"].value == 2.0
    assert found["cell_dwell", "", "p50"].value == 2.0


def test_a_pause_between_samples_is_not_a_handover():
    """Nobody knows what happened in eleven seconds without a sample."""
    found = evaluated(make_series([0, 11, 12], pci=[1, 2, 2]))
    assert found["handover", "", "count"].value == 0.0


def test_the_interruption_is_the_longest_gap_of_arrivals_around_the_change():
    """Packets every 10 ms, none between 1.0 and 1.4 s; the cell changes between the samples at 1.0 and 1.5 s."""
    rows = [
        {"seq": number, "rtt_us": 1000} if not 100 < number < 140 else {"seq": number, "lost": 3}
        for number in range(300)
    ]
    found = evaluated(make_series([0, 0.5, 1.0, 1.5, 2.0], pci=[5, 5, 5, 6, 6]), sent=probes(rows))
    assert found["handover_interruption", "", "max"].value == pytest.approx(400.0)
