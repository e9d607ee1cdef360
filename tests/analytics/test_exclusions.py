"""Leaving time out: what is left is what would have been measured without it, and no loss is made up."""

import numpy as np

from analytics.evaluate import evaluate_link
from analytics.exclusions import beside, total_s, without
from analytics.families.radio import evaluate_radio
from analytics.families.throughput import evaluate_throughput
from analytics.probes import absent, probe_arrays
from analytics.spans import merged
from tests.analytics.families.making import make_figures, make_series
from tests.analytics.making import T0_US, by_name, columns, subject

SECOND = 1_000_000


def test_spans_that_touch_or_overlap_are_one():
    """Time left out twice counts once."""
    assert merged([(5, 9), (0, 3), (3, 4), (6, 7)]) == [(0, 4), (5, 9)]
    assert total_s([(0, 3 * SECOND), (2 * SECOND, 4 * SECOND)], (SECOND, 10 * SECOND)) == 3.0


def test_excluded_packets_are_neither_lost_nor_absent():
    """Ten seconds, the fifth with all packets lost and left out: no loss, no absence, and 9 s observed."""
    rows = [{"rtt_us": 5000} if not 400 <= number < 500 else {"lost": 3} for number in range(1000)]
    made = columns(rows)
    span = (T0_US + 4 * SECOND, T0_US + 5 * SECOND)
    kept = probe_arrays(without(made, [span]))
    assert kept.n == 900
    assert absent(kept) == 0
    found = by_name(evaluate_link(kept, subject()))
    assert found["loss", "round_trip", "ratio"].value == 0.0
    assert found["availability", "round_trip", "ratio"].value == 1.0
    assert found["availability", "round_trip", "ratio"].n == 9 or found["availability", "round_trip", "ratio"].n == 10
    assert by_name(evaluate_link(probe_arrays(made), subject()))["loss", "round_trip", "ratio"].value == 0.1


def test_the_end_of_an_exclusion_is_not_in_it():
    """A packet sent at the very end counts."""
    made = {"t_us": columns([{"rtt_us": 1}] * 3)["t_us"]}
    kept = without(made, [(T0_US, T0_US + 10_000)])
    assert np.asarray(kept["t_us"].values).tolist() == [T0_US + 10_000, T0_US + 20_000]


def test_results_state_both_values():
    """Without and with the excluded time, and how much it was."""
    rows = [{"rtt_us": 5000 if number < 900 else 50_000} for number in range(1000)]
    made = columns(rows)
    span = (T0_US + 9 * SECOND, T0_US + 10 * SECOND)
    whole = evaluate_link(probe_arrays(made), subject())
    kept = evaluate_link(probe_arrays(without(made, [span])), subject())
    results = by_name(beside(kept, whole, [span], (T0_US, T0_US + 10 * SECOND)))
    found, within = results["rtt", "round_trip", "max"], results["delay_cdf", "round_trip", "le_10ms"]
    assert (found.value, found.value_of_all, found.excluded) == (5.0, 50.0, 1)
    assert "除外 1 区間 1 s、除外しない値: 50 ms / excluded 1 s (intervals: 1), value with them: 50 ms" in found.reason
    assert "除外しない値: 90 % / " in within.reason


def test_results_that_differ_in_protocol_or_quantity_only_keep_their_own_values():
    """TCP and UDP, RSRP and received power: each beside its own value with the excluded time."""
    tests = make_series(
        range(8), direction=["up"] * 8, protocol=["tcp", "udp"] * 4, interval_s=[1] * 8, parallel=[1, 1, 2, 2] * 2,
        rate_bps=[20e6, 20e6, 20e6, 20e6, 5e6, 20e6, 5e6, 20e6],
    )  # fmt: skip
    radio = make_series(range(8), rsrp_dbm=[-90] * 4 + [-120] * 4, rx_power_dbm=[-80] * 8, pci=[1] * 8)
    figures = make_figures(required_up_mbps=10.0, coverage_rsrp_dbm=-100.0, coverage_power_dbm=-84.6)
    first_half = np.arange(8) < 4
    whole, kept = (
        [*evaluate_throughput(tests.where(rows), figures), *evaluate_radio(radio.where(rows), None, None, figures)]
        for rows in (np.ones(8, bool), first_half)
    )
    found = {
        (each.id, each.variant): (each.value, each.value_of_all)
        for each in beside(kept, whole, [(T0_US + 4 * SECOND, T0_US + 8 * SECOND)], (T0_US, T0_US + 8 * SECOND))
        if each.id in {"bandwidth_sufficiency", "coverage_time"}
    }
    assert found == {
        ("bandwidth_sufficiency", "tcp"): (1.0, 0.5), ("bandwidth_sufficiency", "udp"): (1.0, 1.0),
        ("coverage_time", "rsrp"): (1.0, 0.5), ("coverage_time", "rx_power"): (1.0, 1.0),
    }  # fmt: skip
