"""Delay and loss by condition: every packet is in one class of each condition, and the truth of each class is found."""

import numpy as np
import pytest

from analytics.conditions import NOT_NEAR, by_condition, range_words
from analytics.statistics import effective_n, proportion_interval
from analytics.track import track
from tests.analytics.families.making import drive, make_series
from tests.analytics.making import T0_US, probes


def packets(rtt_ms, *, step_s=0.1):
    """Make probes from round trips in ms, None for lost ones, ten a second."""
    rows = [
        {"t_us": T0_US + round(number * step_s * 1e6), "seq": number,
         "rtt_us": None if rtt is None else round(rtt * 1000)}
        for number, rtt in enumerate(rtt_ms)
    ]  # fmt: skip
    return probes(rows)


def test_loss_and_delay_of_each_class_are_those_of_its_packets():
    """A strong first minute with 20 ms and no loss, a weak second one with 60 ms and every fifth packet lost."""
    rtt = [20.0] * 600 + [None if number % 5 == 0 else 60.0 for number in range(600)]
    radio = make_series(np.arange(0, 120), rsrp_dbm=np.repeat([-85.0, -115.0], 60), sinr_db=np.repeat([17.0, -3.0], 60))
    direction, rows = by_condition(packets(rtt), radio, None)
    found = {(row.basis, row.low, row.high): row for row in rows}

    assert direction == "round_trip"
    assert set(found) == {
        ("rsrp_dbm", -90.0, -80.0), ("rsrp_dbm", -120.0, -110.0), ("sinr_db", 15.0, 20.0), ("sinr_db", None, 0.0)
    }  # fmt: skip
    strong, weak = found["rsrp_dbm", -90.0, -80.0], found["rsrp_dbm", -120.0, -110.0]
    # The sample nearest to the packet decides: up to 59.5 s (included) it is one of the first minute.
    assert (strong.n, weak.n) == (596, 604)
    assert (strong.loss, strong.p50_ms, strong.p99_ms) == (0.0, 20.0, 20.0)
    lost = np.array([each is None for each in rtt[596:]])
    interval = proportion_interval(int(lost.sum()), lost.size, effective_n(lost))
    assert (weak.loss, weak.loss_low, weak.loss_high) == (lost.mean(), interval.low, interval.high)
    assert weak.loss_low < 0.2 < weak.loss_high
    assert (weak.p50_ms, weak.p95_ms, weak.p99_ms) == (60.0, None, None)
    assert "損失" in weak.reason
    assert found["sinr_db", None, 0.0].n == weak.n


def test_every_packet_is_in_one_class_of_each_condition():
    """Where the modem said nothing for more than two seconds the packets are a class of their own."""
    rng = np.random.default_rng(5)
    radio = make_series(np.arange(0, 50), rsrp_dbm=rng.uniform(-130, -70, 50), pci=rng.integers(1, 4, 50))
    _, rows = by_condition(packets([30.0] * 1000), radio, track(drive(100, 5.0)))
    for basis in ("rsrp_dbm", "cell", "speed_mps"):
        assert sum(row.n for row in rows if row.basis == basis) == 1000
    unknown = [row for row in rows if row.basis == "rsrp_dbm" and row.reason == NOT_NEAR]
    assert [(row.low, row.high, row.n) for row in unknown] == [(None, None, 1000 - 511)]  # up to 51.0 s
    assert {row.basis for row in rows if row.basis == "sinr_db"} == set()


def test_speed_is_of_gnss_or_the_vehicles_own():
    """Without a fix the vehicle's speed counts; standing is a class of its own."""
    vehicle = make_series(np.arange(0, 101), speed_mps=np.r_[np.zeros(50), np.full(51, 10.0)])
    _, by_vehicle = by_condition(packets([30.0] * 1000), None, None, vehicle)
    _, by_gnss = by_condition(packets([30.0] * 1000), None, track(drive(100, 5.0)), vehicle)

    assert [(range_words(row), row.n) for row in by_vehicle] == [("停止 standing", 496), ("35 – 50", 504)]
    assert [(range_words(row), row.n) for row in by_gnss] == [("12 – 20", 1000)]


def test_cells_are_named_as_the_modem_names_them_and_the_busiest_comes_first():
    """By cell id, else by PCI and channel."""
    radio = make_series(
        np.arange(0, 100), pci=np.repeat([5, 9], [30, 70]), arfcn=np.repeat([632_448.0, np.nan], [30, 70])
    )
    _, rows = by_condition(packets([30.0] * 1000), radio, None)
    assert [row.cell for row in rows] == ["PCI 9", "PCI 5 ARFCN 632448"]
    _, (row,) = by_condition(packets([30.0] * 10), make_series([0, 1], cell_id=[123_456, 123_456]), None)
    assert row.cell == "ID 123456"


def test_what_was_not_measured_has_no_rows():
    """Neither radio nor position: an empty table, not one of unknowns."""
    assert by_condition(packets([30.0] * 10), None, None) == ("round_trip", [])


def test_a_recording_that_cannot_say_lost_has_delays_and_no_loss_ratio():
    """Numbers are absent and nothing is marked lost: 0 % would be a claim."""
    made = probes([{"seq": 2 * number, "rtt_us": 1000 + number} for number in range(100)])
    (row,) = by_condition(made, make_series([0, 1], rsrp_dbm=[-95.0, -95.0]), None)[1]
    assert (row.loss, row.loss_low, row.loss_high) == (None, None, None)
    assert "欠番" in row.reason
    assert row.p50_ms == pytest.approx(1.049)


def test_one_burst_of_loss_widens_the_interval_of_its_class():
    """Twenty losses in a row are worth less than twenty scattered ones."""
    scattered = [None if number % 50 == 0 else 30.0 for number in range(1000)]
    burst = [None if 400 <= number < 420 else 30.0 for number in range(1000)]
    radio = make_series(np.arange(0, 101), rsrp_dbm=np.full(101, -95.0))
    (even,), (odd,) = (by_condition(packets(each), radio, None)[1] for each in (scattered, burst))
    assert even.loss == odd.loss == 0.02
    assert odd.n_eff < even.n_eff / 5
    assert odd.loss_high > 1.5 * even.loss_high


def test_beside_an_anchor_the_packets_are_told_by_the_cell_of_nr():
    """LTE and NR rows at the same instants: each packet once, and by the anchor only where NR is silent."""
    t_s = np.repeat(np.arange(0, 100), 2)
    pci = np.where(np.arange(200) % 2, 7.0, 300.0)
    pci[101::2] = np.nan
    radio = make_series(t_s, rat=["LTE", "NR-NSA"] * 100, pci=pci)
    _, rows = by_condition(packets([30.0] * 1000), radio, None)
    assert {row.cell: row.n for row in rows} == {"NR-NSA PCI 7": 511, "LTE PCI 300": 489}


def test_a_packet_lost_on_the_way_down_is_not_late_on_the_way_up():
    """A tenth lost down: p95 of the way up is 10 ms, its upper bound open; a tenth lost up: among the lost."""

    def of(way):
        rows = [{"seq": number, **({"lost": way} if number % 10 == 0 else {"ul_us": 10_000})} for number in range(1000)]
        direction, (row,) = by_condition(probes(rows), make_series(range(11), rsrp_dbm=[-95.0] * 11), None)
        assert (direction, row.loss) == ("up", 0.1)
        return row

    down, up = of(2), of(1)
    assert (down.p95_ms, down.p95_high_ms, up.p95_ms) == (10.0, None, None)
    assert "100 with unknown delay" in down.reason
    assert "unknown" not in up.reason
