"""Radio KPIs: what decibels average to, what coverage counts, and when a change of cell is a handover."""

import math

import numpy as np
import pytest

from analytics.families.coverage import stretches_m
from analytics.families.levels import medians_by
from analytics.families.radio import evaluate_radio
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


def dead_zone():
    """Return 200 s of a drive at 14 m/s, a sample a second, and which of them lie in the dead zone of a minute."""
    t_s = np.arange(201)
    return t_s, (t_s >= 70) & (t_s < 130), track(drive(200, 14.0))


def test_a_silent_modem_is_not_taken_as_coverage():
    """60 s without a row: in neither part, by time and by distance alike, and both are stated."""
    t_s, dead, path = dead_zone()
    found = evaluated(make_series(t_s[~dead], rsrp_dbm=[-90.0] * 141), path, coverage_rsrp_dbm=-100.0)
    by_time, by_distance = (found[f"coverage_{basis}", "", "ratio"] for basis in ("time", "distance"))
    assert (by_time.value, by_distance.value) == (1.0, 1.0)
    assert "57 s (28.5 %) not measured" in by_time.reason
    assert "812 m (29 %) not measured" in by_distance.reason
    assert "6 meshes passed without a sample" in found["coverage_mesh", "", "ratio"].reason


def test_out_of_service_is_not_covered():
    """60 s in which the modem answers and names neither level nor cell: 70 % by time and distance, and by mesh."""
    t_s, dead, path = dead_zone()
    level, cell = np.where(dead, np.nan, -90.0), np.where(dead, np.nan, 5.0)
    found = evaluated(make_series(t_s, rsrp_dbm=level, pci=cell), path, coverage_rsrp_dbm=-100.0)
    for basis in ("time", "distance", "mesh"):
        assert found[f"coverage_{basis}", "", "ratio"].value == pytest.approx(0.70, abs=0.02)
        assert "60 samples out of service" in found[f"coverage_{basis}", "", "ratio"].reason
    assert found["rsrp", "", "min"].n == 141
    nothing = evaluated(make_series(t_s, rsrp_dbm=[None] * 201), path, coverage_rsrp_dbm=-100.0)
    assert nothing["coverage_time", "", "ratio"].value == 0.0


def test_a_column_left_out_now_and_then_is_not_out_of_service():
    """Level and cell in turn: the samples with a level stand for all of the time."""
    t_s, _, path = dead_zone()
    level, cell = np.where(t_s % 2, -90.0, np.nan), np.where(t_s % 2, np.nan, 5.0)
    found = evaluated(make_series(t_s, rsrp_dbm=level, pci=cell), path, coverage_rsrp_dbm=-100.0)
    assert found["coverage_time", "", "ratio"].value == 1.0
    assert "out of service" not in found["coverage_time", "", "ratio"].reason


def test_coverage_of_two_quantities_is_told_apart():
    """RSRP and total received power, each with its own threshold."""
    radio = make_series([0, 1], rsrp_dbm=[-90, -90], rx_power_dbm=[-90, -90])
    results = evaluate_radio(radio, None, None, make_figures(coverage_rsrp_dbm=-100.0, coverage_power_dbm=-84.6))
    assert {each.variant: each.value for each in results if each.id == "coverage_time"} == {
        "rsrp": 1.0, "rx_power": 0.0,
    }  # fmt: skip


def test_stretches_share_the_way_between_neighbours_and_skip_unknown_places():
    """Half of each step belongs to either end; across a missing fix nobody measured."""
    lengths = stretches_m(np.array([0.0, 10.0, 30.0, np.nan, 60.0, 70.0]), np.arange(6) * 1_000_000)
    assert lengths.tolist() == [5.0, 15.0, 10.0, 0.0, 5.0, 5.0]


def test_each_level_has_the_medians_of_its_short_sections():
    """1,000 s at 10 m/s in sections of 50 m; SINR in every other sample, received power in all, no RSRP."""
    t_s = np.arange(101)
    radio = make_series(t_s, sinr_db=np.where(t_s % 2, t_s, np.nan), rx_power_dbm=-t_s)
    found = evaluated(radio, track(drive(100, 10.0)))
    assert found["sinr_section", "", "p50"].n == found["rx_power_section", "", "min"].n - 1 == 20
    assert found["sinr_section", "", "p10"].value == 7.0  # 1 and 3 s: 1; 5, 7, 9 s: 7; the second of twenty
    assert found["rx_power_section", "", "min"].value == -100.0
    assert ("rsrp_section", "", "p50") not in found
    assert found["sinr", "", "p10"].value == 9.0


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


@pytest.mark.parametrize("column", [("cell_id", 4097), ("arfcn", 632_448)])
def test_a_column_left_out_every_other_time_is_no_handover(column):
    """100 samples of one PCI, with identity or channel in every other one: no change of cell."""
    name, value = column
    identity = {name: [value if number % 2 else None for number in range(100)]}
    found = evaluated(make_series(range(100), pci=[12] * 100, **identity))
    assert found["handover", "", "count"].value == 0.0
    assert ("ping_pong", "", "ratio") not in found


def test_a_handover_between_samples_with_different_columns_is_seen_once():
    """The identity every other time, the PCI always: two real changes, of which the second leads back within 5 s."""
    pci = [12] * 6 + [40] * 4 + [12] * 6
    cell_id = [{12: 4097, 40: 8193}[value] if number % 2 else None for number, value in enumerate(pci)]
    found = evaluated(make_series(range(16), pci=pci, cell_id=cell_id))
    assert found["handover", "", "count"].value == 2.0
    assert found["ping_pong", "", "ratio"].value == 0.5
    # The same PCI, another cell: only the identity tells, and it was last said two seconds ago.
    reused = evaluated(make_series(range(4), pci=[12] * 4, cell_id=[4097, None, 8193, None]))
    assert reused["handover", "", "count"].value == 1.0


def test_anchor_and_nr_side_by_side_are_two_series():
    """LTE stays, NR changes once; a row of each at every instant."""
    t_s, rat = np.repeat(np.arange(100), 2), ["LTE", "NR-NSA"] * 100
    pci = [each for second in range(100) for each in (300, 7 if second < 50 else 8)]
    results = evaluate_radio(make_series(t_s, rat=rat, pci=pci), None, None, make_figures())
    assert {each.variant: each.value for each in results if each.id == "handover"} == {"LTE": 0.0, "NR-NSA": 1.0}
    assert all(each.variant in each.filter for each in results)


def test_the_interruption_is_the_longest_gap_of_arrivals_around_the_change():
    """Packets every 10 ms, none between 1.0 and 1.4 s; the cell changes between the samples at 1.0 and 1.5 s."""
    rows = [
        {"seq": number, "rtt_us": 1000} if not 100 < number < 140 else {"seq": number, "lost": 3}
        for number in range(300)
    ]
    found = evaluated(make_series([0, 0.5, 1.0, 1.5, 2.0], pci=[5, 5, 5, 6, 6]), sent=probes(rows))
    assert found["handover_interruption", "", "max"].value == pytest.approx(400.0)
