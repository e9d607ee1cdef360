"""Bursts of loss and gaps: the worked example of RFC 3611, the definition packet by packet, and the results."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.burst_kpis import NO_BURST, NO_INTERVAL, ONLY_BURSTS
from analytics.bursts import bursts_of
from analytics.evaluate import evaluate_link
from analytics.loss_runs import loss_runs
from tests.analytics.making import by_name, probes, round_trips, subject

KPIS = ("burst_density", "burst_duration", "gap_density", "gap_duration")


def from_marks(marks):
    """Return probes of which those marked 1 arrived."""
    return round_trips([10 if mark == "1" else None for mark in marks])


def results_of(sent):
    """Return the results of bursts and gaps by name and statistic."""
    found = by_name(evaluate_link(sent, subject()))
    return {(kpi, statistic): each for (kpi, _, statistic), each in found.items() if kpi in KPIS}


def test_the_worked_example_of_rfc_3611(vectors):
    """Lost and discarded alike: a burst of 12 packets, 4 of them bad, of 120 ms, between gaps of 23 and 28 packets."""
    for case in vectors["vectors"]["burst_gap"]:
        sent = from_marks(case["pattern"])
        found = bursts_of(loss_runs(sent), case["gmin"])
        assert ([case["burst_packets"]], [case["burst_bad"]]) == (found.packets.tolist(), found.lost.tolist())
        assert (len(case["gap_packets"]), sum(case["gap_packets"]), case["gap_bad"]) == (
            found.gaps.size, found.gap_packets, found.gap_lost
        )  # fmt: skip
        assert case["gap_packets"] == found.gaps.tolist()
        assert case["loss_count"] + case["discard_count"] == int(found.lost.sum()) + found.gap_lost

        results = results_of(sent)
        assert case["burst_density"] == results["burst_density", "ratio"].value
        assert case["gap_bad"] / sum(case["gap_packets"]) == results["gap_density", "ratio"].value
        assert case["burst_ms"] == results["burst_duration", "mean"].value == results["burst_duration", "max"].value
        # The text's 520 ms in all are of 52 packets; the string that it prints has 51 in two gaps.
        assert case["text_gap_ms"] - case["spacing_ms"] == pytest.approx(2 * results["gap_duration", "mean"].value)
        assert (1.0, 2) == (results["burst_duration", "count"].value, results["gap_duration", "mean"].n)
        assert (12, 51) == (results["burst_density", "ratio"].n, results["gap_density", "ratio"].n)


def spelled(stretches, gmin):
    """Find bursts and gaps packet by packet, as RFC 3611 words them."""
    packets, lost, gaps, gap_lost = [], [], [], 0
    for fates in stretches:
        padded = [1] * gmin + fates + [1] * gmin
        bad = [place for place, good in enumerate(padded) if not good]
        in_burst = np.zeros(len(padded), bool)
        for start in bad:
            for stop in bad:
                inside = "".join(map(str, padded[start : stop + 1]))
                if stop > start and "1" * gmin not in inside:
                    in_burst[start : stop + 1] = True
        marks = in_burst[gmin : gmin + len(fates)]
        pieces = np.split(np.arange(marks.size), np.flatnonzero(np.diff(marks)) + 1)
        for piece in pieces:
            missing = sum(not fates[at] for at in piece.tolist())
            if marks[piece[0]]:
                packets.append(piece.size)
                lost.append(missing)
            else:
                gap_lost += missing
                gaps.append(piece.size)
    return packets, lost, gaps, gap_lost


@given(
    st.lists(st.lists(st.sampled_from([0, 1, 1, 1]), min_size=1, max_size=30), min_size=1, max_size=4),
    st.integers(1, 6),
)
def test_the_definition_packet_by_packet(stretches, gmin):
    """Sessions one after the other, no burst reaching over their borders; every Gmin."""
    rows = [
        {"session": session, "seq": seq, "t_us": 1000 * session + seq} | ({"rtt_us": 10} if good else {})
        for session, fates in enumerate(stretches)
        for seq, good in enumerate(fates)
    ]
    found = bursts_of(loss_runs(probes(rows)), gmin)
    assert spelled(stretches, gmin) == (
        found.packets.tolist(), found.lost.tolist(), found.gaps.tolist(), found.gap_lost
    )  # fmt: skip


@pytest.mark.parametrize("gmin", [1, 16])
def test_a_gap_loses_no_more_than_one_in_gmin_and_one(gmin):
    """RFC 3611 4.7.2: isolated losses at the closest that a gap allows."""
    marks = ("1" * gmin + "0") * 50 + "1" * gmin
    found = bursts_of(loss_runs(from_marks(marks)), gmin)
    assert (0, 1, 50) == (found.packets.size, found.gaps.size, found.gap_lost)
    assert found.gap_lost / found.gap_packets <= 1 / (gmin + 1)


def test_an_absent_number_bounds_a_burst():
    """What was not recorded joins no losses: two bursts, where the numbers alone would make one of them."""
    rows = [{"seq": seq} for seq in (0, 1, 3, 4)]
    found = bursts_of(loss_runs(probes(rows)), 16)
    assert ([2, 2], [2, 2], 0) == (found.packets.tolist(), found.lost.tolist(), found.gaps.size)


@pytest.mark.parametrize(
    ("marks", "density", "reason", "gap", "gap_reason"),
    [
        ("1" * 40, None, NO_BURST, 0.0, ""),
        ("1" * 20 + "0" + "1" * 20, None, NO_BURST, 1 / 41, ""),
        ("00000", 1.0, "", None, ONLY_BURSTS),
        ("0", None, NO_BURST, 1.0, ""),
    ],
)
def test_without_a_burst_or_without_a_gap_there_is_no_density(marks, density, reason, gap, gap_reason):
    """Nothing lost, one loss alone, all lost, a single packet: null with its reason, and never a made-up 0."""
    results = results_of(from_marks(marks))
    burst, rest = results["burst_density", "ratio"], results["gap_density", "ratio"]
    assert (density, reason) == (burst.value, burst.reason)
    assert (gap, gap_reason) == (rest.value, rest.reason)
    assert float(bool(density)) == results["burst_duration", "count"].value
    assert bool(density) == (("burst_duration", "max") in results)


def test_a_burst_is_one_sample_of_its_density():
    """Thirty bursts alike say no more than thirty trials do, however many packets they have."""
    results = results_of(from_marks(("0001000" + "1" * 20) * 30))
    density = results["burst_density", "ratio"]
    assert (6 / 7, 210, 30) == (density.value, density.n, density.n_eff)
    assert density.ci_low < 0.75
    assert density.filter == "Gmin = 16"


def test_the_interval_of_sending_is_that_within_sessions():
    """An hour between two sessions is no time between packets; where all were sent at once there is none."""
    rows = [
        {"session": session, "seq": seq, "t_us": 3_600_000_000 * session + 20_000 * seq}
        | ({} if seq in {20, 21} else {"rtt_us": 10})
        for session in (0, 1)
        for seq in range(40)
    ]
    assert 40.0 == results_of(probes(rows))["burst_duration", "mean"].value

    at_once = results_of(probes([row | {"t_us": 0, "session": 0, "seq": at} for at, row in enumerate(rows)]))
    assert (None, NO_INTERVAL) == tuple(
        getattr(at_once["burst_duration", "mean"], name) for name in ("value", "reason")
    )
    assert ("burst_duration", "max") not in at_once


def test_no_gmin_is_no_burst():
    """A burst that any delivered packet, or none, would end is not defined."""
    with pytest.raises(ValueError, match="at least 1"):
        bursts_of(loss_runs(from_marks("1010")), 0)
