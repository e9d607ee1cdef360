"""IPDV, PDV and RFC 3550 jitter against the figures of RFC 5481 and RFC 3550."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from analytics.delay import arrival_order, ipdv_us, pdv_us, rfc3550_jitter_us
from analytics.evaluate import evaluate_link
from tests.analytics.making import by_name, probes, round_trips, subject

U = None
FIGURES = [
    ("1", [20, 10, 20, 25, 20], [U, -10, 10, 5, -5], [10, 0, 10, 15, 10]),
    ("2A", [100, 110, 120, 130, 140, 150, 140, 130, 120, 110, 100], [U, *[10] * 5, *[-10] * 5],
     [0, 10, 20, 30, 40, 50, 40, 30, 20, 10, 0]),
    ("2B", [100, 110, 150, U, 120, 100, 110, 150, 130, 120, 100], [U, 10, 40, U, U, -20, 10, 40, -20, -10, -20],
     [0, 10, 50, U, 20, 0, 10, 50, 30, 20, 0]),
    ("3", [3, U, 5, U, 4, U, 3, U, 4, U], [U] * 10, [0, U, 2, U, 1, U, 0, U, 1, U]),
    ("4", [3, 4, U, U, U, U, U, 5, 4, 3], [U, 1, U, U, U, U, U, U, -1, -1], [0, 1, U, U, U, U, U, 2, 1, 0]),
    ("5", [4, 4, 4, 4, 9, 9, 9, 9, 9], [U, 0, 0, 0, 5, 0, 0, 0, 0], [0, 0, 0, 0, 5, 5, 5, 5, 5]),
    ("6", [3, 4, 3, 3, U, U, 8, 9, 8], [U, 1, -1, 0, U, U, U, 1, -1], [0, 1, 0, 0, U, U, 5, 6, 5]),
]  # fmt: skip
JITTER = [
    ([20, 10, 20, 25, 20], [0.625, 1.210938, 1.447754, 1.669769]),
    ([68] * 7 + [150, 68, 68], [0.0] * 6 + [5.125, 9.929688, 9.309082]),
]


def defined_us(values_ms):
    return [value * 1000 for value in values_ms if value is not None]


@pytest.mark.parametrize(("figure", "delays", "ipdv", "pdv"), FIGURES, ids=[row[0] for row in FIGURES])
def test_the_figures_of_rfc_5481(figure, delays, ipdv, pdv):
    """IPDV needs both neighbours, PDV only the packet itself (2 B's sixth IPDV is -20: the -10 there is a misprint)."""
    sent = round_trips(delays)
    assert defined_us(ipdv) == ipdv_us(sent, "round_trip").tolist(), figure
    assert defined_us(pdv) == pdv_us(sent.delays["round_trip"]).tolist(), figure


def test_every_delay_variation_vector(vectors):
    """The same from the vectors."""
    for case in vectors["vectors"]["delay_variation"]:
        sent = round_trips(case["delay_ms"])
        assert defined_us(case["ipdv_ms"]) == ipdv_us(sent, "round_trip").tolist(), case["source"]
        assert defined_us(case["pdv_ms"]) == pdv_us(sent.delays["round_trip"]).tolist(), case["source"]


def test_variation_does_not_bridge_absent_numbers_or_sessions():
    """Two packets that were not sent one after the other have no IPDV."""
    rows = [(1, 0, 10), (1, 1, 20), (1, 3, 50), (1, 4, 55), (2, 5, 90), (2, 6, 91)]
    sent = probes([{"session": session, "seq": seq, "rtt_us": rtt} for session, seq, rtt in rows])
    assert ipdv_us(sent, "round_trip").tolist() == [10, 5, 1]


def test_variation_of_extreme_delays_does_not_overflow():
    """Delays at both ends of the contract's range differ by more than four bytes hold."""
    sent = probes([{"ul_us": -2_000_000_000}, {"ul_us": 2_000_000_000}])
    assert ipdv_us(sent, "up").tolist() == [4_000_000_000]
    assert pdv_us(sent.delays["up"]).tolist() == [0, 4_000_000_000]
    assert by_name(evaluate_link(sent, subject()))["pdv", "up", "p99"].value == 4_000_000.0


@pytest.mark.parametrize(("transit", "expected"), JITTER)
def test_the_jitter_of_rfc_3550(transit, expected):
    """J after each packet, by the published rule on two published inputs."""
    assert expected == pytest.approx(rfc3550_jitter_us(np.array(transit)).tolist(), abs=6e-7)


def test_every_jitter_vector(vectors):
    """The same from the vectors."""
    for case in vectors["vectors"]["rfc3550_jitter"]:
        assert case["J_float"] == pytest.approx(rfc3550_jitter_us(np.array(case["transit"])).tolist(), abs=6e-7)


def loop_jitter(transit):
    """The recursion as RFC 3550 A.8 writes it."""
    jitter, out = 0.0, []
    for before, now in itertools.pairwise(transit):
        jitter += (abs(float(now) - float(before)) - jitter) / 16
        out.append(jitter)
    return out


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    n=st.integers(1001, 3000),
    spikes=hnp.arrays(np.int64, 5, elements=st.integers(0, 2_000_000_000)),
)
def test_jitter_in_blocks_is_the_plain_recursion(seed, n, spikes):
    """Over many blocks, also after a delay of half an hour in the middle of small ones."""
    rng = np.random.default_rng(seed)
    transit = rng.integers(5_000, 30_000, n)
    transit[rng.integers(0, n, 5)] = spikes
    assert loop_jitter(transit) == pytest.approx(rfc3550_jitter_us(transit).tolist(), rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("transit", [[], [5]])
def test_fewer_than_two_packets_have_no_jitter(transit):
    """There is nothing to compare."""
    assert rfc3550_jitter_us(np.array(transit)).size == 0


def test_jitter_takes_packets_as_they_arrive():
    """A packet that was overtaken is compared in the order of arrival (RFC 4737 table 1); a lost one is skipped."""
    sent_ms = [0, 20, 40, 60, 80, 100, 120, 140, 160, 180, 200]
    arrived_ms = [68, 88, 108, 210, 148, 168, 188, 208, 228, 248, None]
    sent = probes([
        {"t_us": at * 1000, "rtt_us": None if arrived is None else (arrived - at) * 1000}
        for at, arrived in zip(sent_ms, arrived_ms, strict=True)
    ])  # fmt: skip
    assert arrival_order(sent, "round_trip").tolist() == [68_000] * 7 + [150_000, 68_000, 68_000]
