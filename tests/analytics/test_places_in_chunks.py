"""However a run is cut into chunks of time, places and conditions are those of the whole run."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.chunks import PacketChunks
from analytics.class_tally import DelayTally, HitTally, SparseCounts, grouped
from analytics.conditions import ConditionScan
from analytics.requirements import Parameters, Profile, Requirement
from analytics.route import RouteScan, route_cells
from analytics.statistics import effective_n, histogram
from analytics.track import track
from tests.analytics.families.making import make_series
from tests.analytics.making import GOOD_CLOCK, T0_US, UNKNOWN_CLOCK, probes
from tests.analytics.test_chunks import cut, recordings

REQUIRED = tuple(
    Requirement(kpi="reliability", direction=way, statistic="ratio", limit=0.7, source="test")
    for way in ("round_trip", "up", "down")
)


def profile(lost_after_ms=None):
    parameters = Parameters(rtt_within_ms=15.0, owd_within_ms=5.0, lost_after_ms=lost_after_ms)
    return Profile(name="t", ja="", en="", status="", parameters=parameters, requirement=REQUIRED)


def surroundings(seconds, seed):
    """Make a drive there and back with a halt, and a modem that names cells and levels now and then."""
    rng = np.random.default_rng(seed)
    t_s = np.arange(seconds)
    speed = np.where((t_s // 7) % 3 == 2, 0.0, 8.0)
    north = np.abs(np.cumsum(speed) % 400 - 200)
    has_fix = rng.random(seconds) < 0.9
    path = track(make_series(
        t_s, lat_deg=35 + np.degrees(north / 6_371_008.8), lon_deg=[139.0] * seconds, speed_mps=speed.tolist(),
        mode=np.where(has_fix, 3, 1).tolist(),
    ))  # fmt: skip
    radio = make_series(
        t_s, rsrp_dbm=np.where(rng.random(seconds) < 0.8, -100 + 25 * np.sin(t_s / 9), np.nan).round(1),
        sinr_db=np.full(seconds, np.nan), pci=rng.integers(1, 4, seconds).astype(float),
    )  # fmt: skip
    return path, radio


def scanned_in(scan, some, edges):
    packets = PacketChunks()
    for chunk in cut(some, edges):
        scan.add(packets.add(chunk))
    return scan


drives = given(
    drawn=recordings(), seed=st.integers(0, 2**31), clock=st.sampled_from([GOOD_CLOCK, UNKNOWN_CLOCK]),
    lost_after_ms=st.sampled_from([None, 8.0]),
)  # fmt: skip


def seconds_of(some):
    return min(int((some["t_us"].values[-1] - T0_US) / 1e6) + 2, 600)


@settings(max_examples=60, deadline=None)
@drives
def test_conditions_are_those_of_the_whole(drawn, seed, clock, lost_after_ms):
    """Every row: counts, worth, intervals, reasons, in the same order."""
    (some, edges), (path, radio) = drawn, surroundings(seconds_of(drawn[0]), seed)

    def found(edges):
        scan = ConditionScan(radio, path, profile=profile(lost_after_ms), clock=clock)
        return scanned_in(scan, some, edges).result()

    direction, rows = found(edges)
    assert found([]) == (direction, rows)
    assert rows


@settings(max_examples=60, deadline=None)
@drives
@pytest.mark.parametrize("grid", ["section", "mesh", "grid"])
def test_places_are_those_of_the_whole(grid, drawn, seed, clock, lost_after_ms):
    """Every cell: counts, passes, mean place, median levels, verdict, in order of first visit."""
    (some, edges), (path, radio) = drawn, surroundings(seconds_of(drawn[0]), seed)

    def found(edges):
        scan = RouteScan(path, radio, profile(lost_after_ms), grid=grid, clock=clock)
        return scanned_in(scan, some, edges).result()

    assert found([]) == found(edges)


def test_packets_later_than_the_waiting_time_are_lost_in_places_and_conditions():
    """Every tenth round trip takes 30 ms: lost for a waiting time of 20 ms, and both say how many."""
    sent = probes([{"seq": number, "rtt_us": 30_000 if number % 10 == 0 else 9_000} for number in range(1000)])
    path, radio = surroundings(12, 1)
    for limit_ms, loss, words in ((None, 0.0, ""), (20.0, 0.1, "ms を超えて届いた")):
        scan = ConditionScan(radio, path, profile=profile(limit_ms))
        scan.add(sent)
        rows = [row for row in scan.result()[1] if row.basis == "rsrp_dbm"]
        assert sum(row.loss * row.n for row in rows) == pytest.approx(1000 * loss)
        cells = route_cells(sent, path, radio, profile(limit_ms))
        assert sum(cell.loss * cell.n for cell in cells) == pytest.approx(sum(cell.n for cell in cells) * loss, abs=1)
        assert all(words in each.reason and ("損失とした" in each.reason) == bool(words) for each in (*rows, *cells))


def test_absent_numbers_between_chunks_belong_to_the_cell_before_them():
    """A blind recording cut just where numbers are absent: the interval of that cell alone reaches over them."""
    sent = probes([{"seq": number, "rtt_us": 9_000 + number % 7} for number in range(1000) if not 500 <= number < 600])
    t_s = np.arange(12)
    path = track(make_series(
        t_s, lat_deg=35 + np.degrees(t_s * 10.0 / 6_371_008.8), lon_deg=[139.0] * 12, speed_mps=[10.0] * 12,
        mode=[3] * 12,
    ))  # fmt: skip
    scan = RouteScan(path, None, profile())
    for rows in (slice(0, 500), slice(500, None)):
        scan.add(sent.rows(rows))
    assert scan.result() == route_cells(sent, path, None, profile())
    assert [cell.ci_low < 0.9 for cell in scan.result()] == [True, False]


def test_long_classes_keep_sums_and_say_the_same():
    """A class of 200,000 packets: counts exact, the worth within a tenth of that of the series itself."""
    rng = np.random.default_rng(3)
    noise = rng.normal(size=200_000)
    us = (20_000 + 500 * np.convolve(noise, np.ones(200) / 14, "same")).astype(np.int64)
    tally, hits = DelayTally(1 << 14), HitTally(1 << 14)
    for part in np.array_split(us, 37):
        tally.add(part)
        hits.add(part > 20_500)
    counted, worth = tally.result()
    assert counted.n == us.size
    assert counted.at([1000, 150_000]) == histogram(us).at([1000, 150_000])
    assert worth == pytest.approx(effective_n(us), rel=0.1)
    assert hits.result() == pytest.approx(effective_n(us > 20_500), rel=0.1)


def test_sparse_counts_are_those_of_the_whole():
    """Integers and levels, added in many pieces."""
    rng = np.random.default_rng(5)
    for values in (rng.integers(0, 10**9, 60_000), rng.normal(-90, 8, 60_000).round(1)):
        counts = SparseCounts()
        for part in np.array_split(values, 113):
            counts.add(part)
        expected = np.unique(values, return_counts=True)
        assert all(np.array_equal(each, other) for each, other in zip(counts.result(), expected, strict=True))


@given(st.lists(st.integers(-2, 5), max_size=80))
def test_classes_are_grouped_in_order(classes):
    """Each place once, under its class."""
    found = {key: rows.tolist() for key, rows in grouped(np.array(classes, np.int64))}
    assert found == {key: [at for at, each in enumerate(classes) if each == key] for key in sorted(set(classes))}


def test_rows_of_other_profiles_are_equal_where_nothing_is_late():
    """A waiting time that nothing exceeds changes neither cells nor rows."""
    sent = probes([{"seq": number, "rtt_us": 9_000 + number % 50} for number in range(500)])
    path, radio = surroundings(7, 2)
    plain, waiting = (route_cells(sent, path, radio, each) for each in (profile(), profile(1000.0)))
    assert [msgspec.structs.asdict(each) for each in plain] == [msgspec.structs.asdict(each) for each in waiting]
