"""Outages one by one: their packets, and what was sampled beside them."""

import numpy as np
import pytest

from analytics.availability import availability
from analytics.outages import Cell, Surroundings, Track, list_outages, track
from tests.analytics.making import T0_US, column, probes, round_trips

T_MAX_US, SURVIVAL_US = 200_000, 1_000_000
OK, LATE, LOST = 20, 300, None


def outages(given, around=None):
    found = availability(given, "round_trip", T_MAX_US, SURVIVAL_US)
    around = around or Surroundings()
    return list_outages(given, "round_trip", found, around, t_max_us=T_MAX_US, survival_us=SURVIVAL_US)


def test_an_outage_counts_every_packet_that_failed_from_the_first_on():
    """100 packets/s: 250 fail after 50 good ones, 240 of them for good; the outage begins 1.2 s after the first."""
    (found,) = outages(round_trips([OK] * 50 + [LATE] * 10 + [LOST] * 240 + [OK] * 50))

    assert (found.failed, found.lost, found.is_open) == (250, 240, False)
    assert found.failed_us == T0_US + 500_000
    assert found.start_us == T0_US + 1_700_000
    assert found.end_us == T0_US + 3_000_000 + OK * 1000
    assert found.duration_s == pytest.approx(1.32)


def test_short_failures_are_no_outage():
    """What the survival time bridges is not in the list."""
    assert [] == outages(round_trips([OK] * 50 + [LOST] * 90 + [OK] * 50))


def test_two_outages_have_their_own_packets():
    """One timely packet ends the first."""
    found = outages(round_trips([OK] + [LOST] * 200 + [OK] + [LOST] * 300 + [OK]))
    assert [(200, 200, False), (300, 300, False)] == [(one.failed, one.lost, one.is_open) for one in found]


def test_an_outage_may_outlast_the_measurement_or_a_session():
    """Then it is open: its end is only that of what was observed, and packets of the next session are not its own."""
    (open_end,) = outages(round_trips([OK] * 50 + [LOST] * 200))
    assert (open_end.failed, open_end.is_open) == (200, True)

    rows = [{"seq": n, "session": 1 + n // 250, "rtt_us": 20_000 if n < 50 else None} for n in range(500)]
    first, second = outages(probes(rows))
    assert (first.failed, first.is_open) == (200, True)
    assert (second.failed, second.is_open) == (250, True)


def test_surroundings_are_those_just_before_the_first_failure():
    """Place, speed and radio at or before it, not older than ten seconds; the cell after it once the radio is back."""
    second = np.arange(-30, 30) * 1_000_000 + T0_US
    position = Track(second, {"lat_deg": np.arange(60.0), "lon_deg": np.full(60, 139.0)})
    vehicle = Track(second, {"speed_mps": np.full(60, 10.0)})
    radio = track(
        {
            "t_us": column([T0_US - 20_000_000, T0_US - 9_000_000, T0_US - 1_000_000, T0_US + 9_000_000], np.int64),
            "rsrp_dbm": column([-80.0, -95.5, None, -70.0], np.float32),
            "sinr_db": column([3.0, None, None, None], np.float32),
            "pci": column([12, 12, None, 40]),
            "cell_id": column([None, None, None, 777], np.int64),
        }
    )
    around = Surroundings(position=position, vehicle=vehicle, radio=radio)
    (found,) = outages(round_trips([OK] * 50 + [LOST] * 250 + [OK] * 50), around)

    assert (found.lat_deg, found.lon_deg, found.speed_mps) == (30.0, 139.0, 10.0)
    assert (found.rsrp_dbm, found.sinr_db) == (-95.5, None)
    assert (found.cell_before, found.cell_after) == (Cell(pci=12, cell_id=None), Cell(pci=40, cell_id=777))


def test_nothing_is_made_up_where_nothing_was_sampled():
    """Absent streams leave their fields empty."""
    (found,) = outages(round_trips([OK] * 50 + [LOST] * 250 + [OK] * 50))
    assert {None} == {
        getattr(found, name)
        for name in ("lat_deg", "lon_deg", "speed_mps", "rsrp_dbm", "sinr_db", "cell_before", "cell_after")
    }


def test_an_outage_that_begins_when_the_other_sender_stops_names_its_first_failure():
    """Two senders; one fails for good after 5 s, the other is up until it stops at 10 s: down from there."""
    rows = [
        {"session": session, "seq": number, "t_us": T0_US + number * 100_000,
         "rtt_us": 10_000 if session == 2 or number < 50 else None}
        for session, packets in ((1, 200), (2, 100)) for number in range(packets)
    ]  # fmt: skip
    sent = probes(rows)
    found = availability(sent, "round_trip", 40_000, 50_000)
    (outage,) = list_outages(sent, "round_trip", found, Surroundings(), t_max_us=40_000, survival_us=50_000)

    assert (T0_US + 5_000_000, T0_US + 10_040_000) == (outage.failed_us, outage.start_us)
    assert outage.is_open
    assert (150, 150) == (outage.failed, outage.lost)
