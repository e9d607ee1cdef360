"""Route fitness: each place is judged by its own packets, and what was not measured is neither fit nor unfit."""

import numpy as np
import pytest

from analytics.link import blind_words
from analytics.requirements import Parameters, Profile, Requirement
from analytics.route import route_cells
from analytics.route_cell import geojson
from analytics.track import track
from tests.analytics.families.making import drive, make_series
from tests.analytics.making import GOOD_CLOCK, T0_US, UNKNOWN_CLOCK, probes

PROFILE = Profile(
    name="t", ja="", en="", status="", parameters=Parameters(rtt_within_ms=100.0),
    requirement=(Requirement(kpi="reliability", direction="round_trip", statistic="ratio", limit=0.9, source="test"),),
)  # fmt: skip


def packets(seconds, *, lost_from_s=np.inf, lost_to_s=np.inf, per_s=100, without=range(0)):
    rows = []
    for number in range(seconds * per_s):
        if number in without:
            continue
        is_lost = lost_from_s <= number / per_s < lost_to_s
        at = {"t_us": T0_US + number * (1_000_000 // per_s), "seq": number}
        rows.append({**at, **({"lost": 3} if is_lost else {"rtt_us": 20_000 + number % 7})})
    return probes(rows)


def test_a_dead_section_is_found_where_it_is():
    """100 s at 10 m/s; the packets between 300 and 400 m are lost: two sections of 50 m are unfit, the others fit."""
    found = route_cells(packets(100, lost_from_s=30, lost_to_s=40), track(drive(100, 10.0)), None, PROFILE)
    assert [cell.distance_m for cell in found] == [50.0 * number for number in range(20)]
    assert {cell.distance_m: cell.verdict for cell in found if cell.verdict != "達成"} == {300.0: "未達", 350.0: "未達"}
    assert [cell.loss for cell in found if cell.distance_m == 300.0] == [1.0]
    assert found[0].p50_ms == pytest.approx(20.003)
    assert next(cell for cell in found if cell.distance_m == 350.0).p50_ms is None


def test_few_packets_cannot_decide():
    """Five packets a section, all in time: not enough to show 90 %."""
    found = route_cells(packets(100, per_s=1), track(drive(100, 10.0)), None, PROFILE)
    assert {cell.verdict for cell in found} == {"判定不能"}


def test_a_section_without_a_failure_is_worth_what_its_delays_are():
    """Delays that drift over the whole drive: 500 packets of a section are one experience, and cannot show 90 %."""
    drift = np.sin(np.linspace(0, 12, 10_000))
    sent = probes([
        {"t_us": T0_US + number * 10_000, "seq": number, "rtt_us": 40_000 + int(20_000 * drift[number])}
        for number in range(drift.size)
    ])  # fmt: skip
    found = route_cells(sent, track(drive(100, 10.0)), None, PROFILE)
    assert {cell.within for cell in found} == {1.0}
    assert {cell.verdict for cell in found} == {"判定不能"}


def test_a_recording_that_cannot_say_lost_has_no_loss_in_any_section():
    """A number without a row between 30 and 31 s may be lost or not: it counts where the last one was sent."""
    sent = packets(100, without=range(3000, 3100))
    found = {cell.distance_m: cell for cell in route_cells(sent, track(drive(100, 10.0)), None, PROFILE)}
    assert {cell.loss for cell in found.values()} == {None}
    assert {cell.reason for cell in found.values()} == {blind_words(9900, 100)}
    assert "0 to 0.01" in found[0.0].reason
    assert {place for place, cell in found.items() if cell.verdict != "達成"} == {250.0}
    assert (found[250.0].within, found[250.0].ci_high) == (1.0, 1.0)
    assert found[250.0].ci_low < 500 / 600


def test_passes_count_visits_not_seconds():
    """Out and back: every mesh of the way but the turning one is entered twice."""
    there = drive(60, 10.0)
    lat = [*there.number("lat_deg"), *there.number("lat_deg")[::-1]]
    t_s = np.arange(len(lat))
    back = make_series(t_s, lat_deg=lat, lon_deg=[139.0] * len(lat), speed_mps=[10.0] * len(lat), mode=[3] * len(lat))
    found = route_cells(packets(len(lat) - 1), track(back), None, PROFILE, grid="mesh")
    assert {cell.passes for cell in found} == {1, 2}
    assert sum(cell.passes == 1 for cell in found) == 1
    assert all(len(str(cell.cell)) == 11 for cell in found)


def test_radio_values_stand_beside_the_packets():
    """The median of the level near the packets of the section; none where radio was not measured."""
    radio = make_series(range(101), rsrp_dbm=[-80.0] * 50 + [-100.0] * 51)
    found = route_cells(packets(100), track(drive(100, 10.0)), radio, PROFILE)
    assert (found[0].rsrp_dbm, found[-1].rsrp_dbm, found[0].sinr_db) == (-80.0, -100.0, None)


def test_packets_without_a_place_are_in_no_cell():
    """The drive has fixes for the first half only."""
    found = route_cells(packets(100), track(drive(50, 10.0)), None, PROFILE)
    assert max(cell.distance_m for cell in found) <= 500.0


def test_sizes_that_cannot_be_are_refused():
    """A mesh of 50 m is not in the JIS; a cell of nothing is no cell."""
    path = track(drive(10, 10.0))
    with pytest.raises(ValueError, match="no JIS X 0410 mesh of 50 m"):
        route_cells(packets(10), path, None, PROFILE, grid="mesh", size_m=50)
    with pytest.raises(ValueError, match="positive"):
        route_cells(packets(10), path, None, PROFILE, size_m=0)


def test_geojson_puts_longitude_first():
    """RFC 7946 3.1.1."""
    found = route_cells(packets(10), track(drive(10, 10.0)), None, PROFILE)
    feature = geojson(found, {"run": "drive-1"})["features"][0]
    assert feature["geometry"]["coordinates"][0] == pytest.approx(139.0)
    assert feature["properties"]["verdict"] == found[0].verdict


def test_a_road_driven_there_and_back_has_the_sections_of_its_length():
    """Three times 200 m there and back: four sections, the outer ones with three turns, the inner ones passed often."""
    out = np.arange(0, 200, 10.0)
    north = np.append(np.tile(np.concatenate([out, 200 - out]), 3), 0.0)
    t_s = np.arange(north.size)
    path = track(make_series(
        t_s, lat_deg=35 + np.degrees(north / 6_371_008.8), lon_deg=[139.0] * t_s.size, speed_mps=[10.0] * t_s.size,
        mode=[3] * t_s.size,
    ))  # fmt: skip
    found = sorted(route_cells(packets(t_s.size - 1), path, None, PROFILE), key=lambda cell: cell.distance_m)
    assert [cell.distance_m for cell in found] == [0.0, 50.0, 100.0, 150.0]
    assert [cell.passes for cell in found] == [4, 6, 6, 3]  # the outer ones hold the turns; at A also start and end
    assert sum(cell.n for cell in found) == (t_s.size - 1) * 100


def test_a_level_in_every_other_sample_is_a_level():
    """RSRP and SINR in turn, as some modems answer."""
    t_s = np.arange(101)
    radio = make_series(t_s, rsrp_dbm=np.where(t_s % 2, -80.0, np.nan), sinr_db=np.where(t_s % 2, np.nan, 12.0))
    found = route_cells(packets(100), track(drive(100, 10.0)), radio, PROFILE)
    assert {(cell.rsrp_dbm, cell.sinr_db) for cell in found} == {(-80.0, 12.0)}


def one_way(seconds, **every):
    return probes([
        {"t_us": T0_US + number * 10_000, "seq": number, "ul_us": 20_000, **every} for number in range(seconds * 100)
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("clock", "verdict", "words"), [(GOOD_CLOCK, "達成", ""), (UNKNOWN_CLOCK, "判定不能", "参考値")]
)
def test_one_way_delays_are_judged_by_the_clocks(clock, verdict, words):
    """The same packets: met with good clocks, for reference and undecided with unknown ones."""
    required = Requirement(kpi="reliability", direction="up", statistic="ratio", limit=0.9, source="test")
    profile = Profile(name="t", ja="", en="", status="", requirement=(required,))
    found = route_cells(one_way(100), track(drive(100, 10.0)), None, profile, clock=clock)
    assert {cell.verdict for cell in found} == {verdict}
    assert {cell.direction for cell in found} == {"up"}
    assert all(words in cell.reason for cell in found)


def test_what_was_lost_on_the_way_down_arrived_on_the_way_up():
    """A tenth lost down: the way up has its delays; a tenth lost up: p95 lies among the lost."""

    def lost(way):
        rows = [{"t_us": T0_US + number * 10_000, "seq": number,
                 **({"lost": way} if number % 10 == 0 else {"ul_us": 10_000})} for number in range(10_000)]  # fmt: skip
        return route_cells(probes(rows), track(drive(100, 10.0)), None, PROFILE, clock=GOOD_CLOCK)

    assert {(cell.p95_ms, cell.unknown > 0) for cell in lost(2)} == {(10.0, True)}
    assert {(cell.p95_ms, cell.unknown) for cell in lost(1)} == {(None, 0)}
