"""Outages one by one, the packets being read in chunks: those that all packets at once give."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.availability import availability
from analytics.chunks import PacketChunks
from analytics.outage_scan import OutageScan
from analytics.outages import SpanFailures, Surroundings, joint, joint_outages, list_outages
from analytics.probes import NotInOrderError
from analytics.requirements import Parameters, Profile
from analytics.results import DIRECTIONS
from analytics.waiting_time import waited_out
from tests.analytics.making import GOOD_CLOCK, T0_US, UNKNOWN_CLOCK, columns, probes
from tests.analytics.test_chunks import cut, recordings


def profile(**parameters):
    return Profile(name="t", ja="", en="", status="", parameters=Parameters(**parameters))


def scanned(some, edges, rules, clock=UNKNOWN_CLOCK, direction=None):
    scan, packets = OutageScan(rules, clock, direction), PacketChunks()
    for chunk in cut(some, edges):
        scan.add(packets.add(chunk))
    return scan


@settings(max_examples=150, deadline=None)
@given(drawn=recordings(), t_max_ms=st.sampled_from([5.0, 25.0]), survival_ms=st.sampled_from([0.0, 50.0, 5000.0]),
       lost_after_ms=st.sampled_from([None, 8.0]), direction=st.sampled_from([None, *DIRECTIONS]))  # fmt: skip
def test_the_list_is_that_of_all_packets_at_once(drawn, t_max_ms, survival_ms, lost_after_ms, direction):
    """Times, failed and lost packets, open ends: whatever the cuts, pauses and slow senders."""
    some, edges = drawn
    rules = profile(t_max_ms=t_max_ms, survival_ms=survival_ms, lost_after_ms=lost_after_ms)
    scan = scanned(some, edges, rules, direction=direction)
    bounds = {"t_max_us": round(t_max_ms * 1000), "survival_us": round(survival_ms * 1000)}
    whole, _ = waited_out(PacketChunks().add(some), lost_after_ms, UNKNOWN_CLOCK)
    found = availability(whole, scan.direction, *bounds.values())
    expected = list_outages(whole, scan.direction, found, Surroundings(), **bounds)

    assert scan.found().down_us == found.down_us
    assert scan.outages(scan.found(), Surroundings()) == expected


@settings(max_examples=60, deadline=None)
@given(drawn=recordings(), seed=st.integers(0, 2**31))
def test_runs_of_failures_that_no_timely_packet_divides_are_one(drawn, seed):
    """Dense failures: whole sessions fail, and outages reach over chunks that hold nothing else."""
    some, edges = drawn
    rng = np.random.default_rng(seed)
    is_lost = np.repeat(rng.random(-(-some["t_us"].values.size // 15)) < 0.6, 15)[: some["t_us"].values.size]
    is_lost &= some["copy"].values <= 1
    some = {**some, "lost": replace(some["lost"], values=np.where(is_lost, 3, some["lost"].values).astype(np.int16))}
    rules = profile(t_max_ms=25.0, survival_ms=10.0)
    scan = scanned(some, edges, rules, direction="round_trip")
    whole = PacketChunks().add(some)
    found = availability(whole, "round_trip", 25_000, 10_000)
    expected = list_outages(whole, "round_trip", found, Surroundings(), t_max_us=25_000, survival_us=10_000)
    assert scan.outages(scan.found(), Surroundings()) == expected


def test_one_way_delays_below_what_the_clocks_allow_are_read_as_availability_reads_them():
    """A packet that seems to arrive before it was sent arrived when it was sent: the outage ends there."""
    sent = [{"seq": number, "ul_us": 1000} for number in range(100)]
    sent += [{"seq": number, "lost": 1} for number in range(100, 400)]
    sent += [{"seq": number, "ul_us": -50_000} for number in range(400, 500)]
    (found,) = (
        scan.outages(scan.found(), Surroundings())
        for scan in [scanned(columns(sent), [], profile(t_max_ms=100.0, survival_ms=0.0), GOOD_CLOCK)]
    )
    assert [(each.end_us - T0_US, each.failed, each.lost) for each in found] == [(4_000_000, 300, 300)]


def test_overlapping_senders_ask_for_all_packets_at_once():
    """Two sessions at the same time: which of them failed is not told in chunks."""
    rows = [
        {"session": session, "seq": number, "t_us": T0_US + number * 100_000 + session,
         "rtt_us": None if 50 <= number < 100 else 10_000}
        for session in (1, 2) for number in range(200)
    ]  # fmt: skip
    scan = scanned(columns(rows), [], profile())
    with pytest.raises(NotInOrderError, match="senders overlap"):
        scan.outages(scan.found(), Surroundings())


def test_packets_that_arrived_without_any_delay_were_neither_in_time_nor_late():
    """Then nothing is an outage, and the scan says so."""
    untimed = scanned(columns([{"seq": number, "lost": 0, "copy": 1} for number in range(10)]), [], profile())
    timed = scanned(columns([{"seq": number, "rtt_us": 1000} for number in range(10)]), [], profile())
    assert (untimed.is_untimed, timed.is_untimed) == (True, False)


@given(st.integers(0, 2**31), st.integers(1, 8))
def test_packets_that_failed_in_stretches_are_counted_in_any_pieces(seed, pieces):
    """Each packet sent in [start, end) that was lost or late."""
    rng = np.random.default_rng(seed)
    sent = probes([
        {"seq": number, **({"lost": 3} if rng.random() < 0.3 else {"rtt_us": int(rng.integers(1, 100_000))})}
        for number in range(200)
    ])  # fmt: skip
    edges = T0_US + np.sort(rng.choice(2_000_000, 6, replace=False))
    spans = (edges[::2], edges[1::2])
    counted = SpanFailures(spans, "round_trip", 40_000)
    for rows in np.array_split(np.arange(200), pieces):
        counted.add(sent.rows(slice(int(rows[0]), int(rows[-1]) + 1)))
    for place, (start, end) in enumerate(zip(*spans, strict=True)):
        inside = (sent.t_us >= start) & (sent.t_us < end)
        delay = sent.delays["round_trip"]
        is_bad = (sent.lost > 0) | ~delay.valid | (delay.us > 40_000)
        assert counted.failed[place] == np.count_nonzero(inside & is_bad)
        assert counted.lost[place] == np.count_nonzero(inside & (sent.lost > 0))


def test_both_links_are_down_while_either_outage_lasts():
    """5 to 9 s and 7 to 12 s: both from 8.2 s, when the second outage begins, to 9.01 s, when the first ends."""

    def link(low, high):
        return probes([
            {"seq": number, "rtt_us": None if low <= number / 100 < high else 10_000} for number in range(2000)
        ])  # fmt: skip

    legs = [link(5, 9), link(7, 12)]
    found = [availability(each, "round_trip", 200_000, 1_000_000) for each in legs]
    windows, both = joint(found)
    counts = [SpanFailures(both, "round_trip", 200_000) for _ in legs]
    for each, leg in zip(counts, legs, strict=True):
        each.add(leg)
    (one,) = joint_outages(windows, both, counts, Surroundings())
    assert (one.start_us - T0_US, one.end_us - T0_US) == (8_200_000, 9_010_000)
    assert (one.failed, one.lost, one.is_open) == (80 + 81, 80 + 81, False)
