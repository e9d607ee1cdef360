"""TCP tests by RFC 6349: its worked examples, what must be stated, and round trips beside the transfers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.data_hash import data_hash
from analytics.families.device import evaluate_link_streams
from analytics.families.tcp import (
    NO_BASELINE,
    NO_ROUND_TRIP,
    NOTHING_SENT,
    UNSOUND,
    evaluate_tcp,
    tcp_queues,
    transfers_asked,
)
from analytics.families.throughput import evaluate_throughput
from analytics.probes import concatenated
from analytics.subject import NO_INTERVAL
from tests.analytics.families.making import make_figures, make_series
from tests.analytics.making import T0_US, by_name, probes, subject


def transfer(t_s, *, direction="down", protocol="tcp", **columns):
    """Make rows of one test, each a second long unless told otherwise."""
    n = len(t_s)
    return make_series(t_s, direction=[direction] * n, protocol=[protocol] * n, **({"interval_s": [1.0] * n} | columns))


def round_trips_at(rtt_ms, every_s=0.1):
    """Make packets sent every 100 ms."""
    return probes([{"t_us": T0_US + round(1e6 * every_s * at), "rtt_us": round(1000 * rtt)}
                   for at, rtt in enumerate(rtt_ms)])  # fmt: skip


def test_every_tcp_vector(vectors):
    """RFC 6349 3.3.1, 4.1, 4.2 and 4.3: window, transfer time ratio, efficiency, buffer delay and the largest rate."""
    seen = set()
    for case in vectors["vectors"]["tcp"]:
        if "bdp_bits" in case:
            assert case["bdp_bits"] == pytest.approx(8000 * case["min_rwnd_kB"])
            assert case["min_rwnd_kB"] == pytest.approx(window_kb(case["bb_mbps"], case["rtt_ms"]))
            seen.add("window")
        elif "tput_mbps" in case:
            assert case["rwnd_kB"] == pytest.approx(window_kb(case["tput_mbps"], case["rtt_ms"]))
            seen.add("rate of a window")
        elif "ideal_s" in case:
            # 100 Mbit at 12.5 Mbit/s take the ideal 8 s; they took the actual 12 s.
            test = transfer([case["actual_s"]], bytes=[12_500_000], interval_s=[case["actual_s"]])
            found = by_name(evaluate_tcp(test, make_figures(tcp_ideal_down_mbps=100 / case["ideal_s"])))
            assert case["ratio"] == found["tcp_transfer_time_ratio", "down", "mean"].value
            seen.add("time")
        elif "tx_bytes" in case:
            useful = case["tx_bytes"] - case["retx_bytes"]
            test = transfer([1], bytes=[useful], retransmits=[2])
            found = by_name(evaluate_tcp(test, make_figures(tcp_segment_bytes=case["retx_bytes"] / 2)))
            result = found["tcp_efficiency", "down", "ratio"]
            assert case["efficiency_pct"] == pytest.approx(100 * result.value)
            # The text prints 98.03 %, cut and not rounded.
            assert case["printed"] == np.floor(1e4 * result.value) / 100
            seen.add("efficiency")
        elif "buffer_delay_pct" in case:
            found = by_name(queues([case["base_rtt_ms"]] * 10 + [case["avg_rtt_ms"]] * 10))
            assert case["buffer_delay_pct"] == pytest.approx(100 * found["tcp_buffer_delay", "down", "ratio"].value)
            seen.add("buffer")
        else:
            test = transfer([1], bytes=[case["frames_per_s"] * case["payload_bits"] / 8])
            mean = by_name(evaluate_throughput(test, make_figures()))["throughput_tcp", "down", "mean"].value
            assert case["max_tcp_mbps"] == pytest.approx(mean)
            assert case["printed"] == round(mean, 1)
            seen.add("largest rate")
    assert {"window", "rate of a window", "time", "efficiency", "buffer", "largest rate"} == seen


def queues(rtt_ms, t_s=(2.0,), figures=None, **columns):
    """Return what tests ending at `t_s` did to the round trips of packets sent every 100 ms."""
    tests = transfer(t_s, **columns)
    watch = transfers_asked(tests)
    watch.add(round_trips_at(rtt_ms))
    return tcp_queues(tests, watch, figures or make_figures())


def window_kb(ideal_mbps, rtt_ms):
    """Return the window that a rate takes, of a link that is idle for a second and tested for another."""
    found = by_name(queues([rtt_ms] * 20, figures=make_figures(tcp_ideal_down_mbps=ideal_mbps)))
    return found["tcp_window", "down", "min"].value


def test_the_baseline_is_the_smallest_round_trip_outside_of_any_test():
    """A UDP test and the other direction load the path too; the mean is that of the packets sent during the test."""
    tests = make_series([2, 3, 4], direction=["down", "up", "down"], protocol=["tcp", "tcp", "udp"],
                        interval_s=[1.0] * 3)  # fmt: skip
    watch = transfers_asked(tests)
    watch.add(round_trips_at([*[50, 40] * 5, *[100] * 10, *[60] * 10, *[10] * 10, 45]))
    found = by_name(tcp_queues(tests, watch, make_figures()))

    assert (1.5, 0.5) == tuple(found["tcp_buffer_delay", way, "ratio"].value for way in ("down", "up"))
    assert "40 ms" in found["tcp_buffer_delay", "up", "ratio"].filter
    assert (10, 10) == tuple(found["tcp_buffer_delay", way, "ratio"].n for way in ("down", "up"))


def test_packets_in_chunks_give_what_the_whole_gives():
    """Wherever the packets are cut."""
    rng = np.random.default_rng(4)
    tests = transfer([1, 2, 4], direction="up")
    sent = round_trips_at(rng.integers(20, 200, 60))
    whole, parts = transfers_asked(tests), transfers_asked(tests)
    whole.add(sent)
    for low, high in ((0, 7), (7, 15), (15, 60)):
        parts.add(concatenated([sent.rows(slice(low, high))]))
    assert tcp_queues(tests, whole, make_figures()) == tcp_queues(tests, parts, make_figures())


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 99)), min_size=1, max_size=30),
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), min_size=1, max_size=4),
)
def test_round_trips_are_those_of_the_packets_sent_in_a_test(sent, ended):
    """Packet by packet, sent in order or not: an interval has its beginning and not its end."""
    tests = transfer([end / 10 for end, _ in ended], interval_s=[length / 10 for _, length in ended])
    rows = [{"seq": seq, "t_us": T0_US + 100_000 * at, "rtt_us": ms} for seq, (at, ms) in enumerate(sent)]
    watch = transfers_asked(tests)
    watch.add(probes(rows))
    is_in = [any(end - length <= at < end for end, length in ended) for at, _ in sent]
    during = [ms for (_, ms), here in zip(sent, is_in, strict=True) if here]
    idle = [ms for (_, ms), here in zip(sent, is_in, strict=True) if not here]

    found = watch.during("down")
    assert (len(during), sum(during)) == ((0, 0) if found is None else (found[0].n, round(found[0].mean * found[0].n)))
    assert sorted(idle) == np.repeat(watch.idle().values, watch.idle().counts).tolist()
    assert (len(idle), 0) == (watch.idle_sent, watch.idle_lost)


@pytest.mark.parametrize(
    ("idle_ms", "words"),
    [
        ([20] * 95 + [None] * 5, ""), ([20] * 94 + [None] * 6, "損失 loss 6 %"), ([20] * 99 + [170], ""),
        ([20] * 99 + [171], "PDV 151 ms"), ([20] * 90 + [None] * 9 + [400], "損失 loss 9 %, PDV 380 ms"),
    ],
)  # fmt: skip
def test_a_path_that_is_not_sound_without_a_test_is_told(idle_ms, words):
    """RFC 6349 3: beyond 5 % of loss or 150 ms the figures stand, with that note; what a test does is no part of it."""
    tests = transfer([12.0], interval_s=[2.0], bytes=[1e6], retransmits=[3])
    sent = probes([
        {"t_us": T0_US + 100_000 * at} | ({} if ms is None else {"rtt_us": 1000 * ms})
        for at, ms in enumerate([*idle_ms, *[900, None] * 10])
    ])  # fmt: skip
    profile = make_figures(tcp_ideal_down_mbps=10.0, tcp_segment_bytes=1448.0).subject.profile
    results = evaluate_link_streams({"throughput": tests}, sent, {}, subject(profile))
    reasons = {result.id: result.reason for result in results if result.id.startswith("tcp_")}

    assert {"tcp_buffer_delay", "tcp_efficiency", "tcp_transfer_time_ratio", "tcp_window"} == reasons.keys()
    for kpi in reasons.keys() - {"tcp_window"}:
        # One test has no interval, which its figures say too.
        told = [part for part in reasons[kpi].split("; ") if NO_INTERVAL not in part]
        assert (f"{UNSOUND}: {words}" if words else "") == "; ".join(told)


@pytest.mark.parametrize(
    ("rtt_ms", "reason"), [([], NO_ROUND_TRIP), ([30] * 10, NO_ROUND_TRIP), ([*[0] * 10, *[30] * 10], NO_BASELINE)]
)
def test_without_round_trips_there_is_no_buffer_delay(rtt_ms, reason):
    """No packets, none during the test, and a baseline of nothing: null with the reason."""
    (found,) = queues(rtt_ms)
    assert (None, 0, reason) == (found.value, found.n, found.reason)


def test_a_test_that_never_pauses_has_no_baseline():
    """All packets were sent during it."""
    (found,) = queues([30] * 10, t_s=[1.0])
    assert (None, NO_BASELINE) == (found.value, found.reason)


def test_without_packets_it_is_said_that_no_round_trip_was_measured():
    """A link with tests and without probes."""
    found = by_name(evaluate_link_streams({"throughput": transfer([1], rate_bps=[1e6])}, None, {}, subject()))
    assert NO_ROUND_TRIP == found["tcp_buffer_delay", "down", "ratio"].reason


def test_a_link_holds_its_tests_beside_its_own_packets():
    """The streams of a link with its packets: the result names the data of both."""
    tests, sent = transfer([2.0], rate_bps=[1e6]), round_trips_at([20] * 10 + [50] * 10)
    found = by_name(evaluate_link_streams({"throughput": tests}, sent, {}, subject()))
    result = found["tcp_buffer_delay", "down", "ratio"]
    assert (1.5, 10) == (result.value, result.n)
    assert f"{tests.data_hash}-{data_hash(sent)}" == result.data_hash


def test_what_nobody_stated_is_not_computed():
    """Without the ideal rate and the size of a segment there is neither ratio, efficiency nor window."""
    tests = transfer([1.0, 2.0], bytes=[1e6, 1e6], retransmits=[1, 2])
    assert [] == evaluate_tcp(tests, make_figures())
    assert {"tcp_buffer_delay"} == {result.id for result in queues([30] * 20)}


def test_a_transfer_of_nothing_has_no_ratio():
    """Connected, and not a byte came through."""
    tests = transfer([1.0, 2.0], bytes=[0, 0], retransmits=[0, 0])
    found = evaluate_tcp(tests, make_figures(tcp_ideal_down_mbps=10.0, tcp_segment_bytes=1448.0))
    assert {"tcp_transfer_time_ratio", "tcp_efficiency"} == {result.id for result in found}
    assert {(None, 0, NOTHING_SENT)} == {(result.value, result.n, result.reason) for result in found}


def test_an_interval_is_one_sample_of_the_efficiency():
    """A thousand segments a second say no more than the seconds do: resent ones come together."""
    transfers = transfer([1, 2, 3], bytes=[1e6, 1e6, 1e6], retransmits=[0, 100, 0])
    found = by_name(evaluate_tcp(transfers, make_figures(tcp_segment_bytes=1000.0)))["tcp_efficiency", "down", "ratio"]
    assert (3000 / 3100, 3, 3) == (pytest.approx(found.value), found.n, found.n_eff)
    assert found.ci_low < 0.5


def test_the_interval_of_the_time_ratio_is_that_of_the_rate_turned_round():
    """The slower the rate may be, the longer the transfer may have taken."""
    tests = transfer(range(1, 41), rate_bps=[8e6, 12e6] * 20)
    results = by_name(evaluate_tcp(tests, make_figures(tcp_ideal_down_mbps=20.0)))
    found = results["tcp_transfer_time_ratio", "down", "mean"]
    rate = by_name(evaluate_throughput(tests, make_figures()))["throughput_tcp", "down", "mean"]
    assert 2.0 == found.value
    assert (20 / rate.ci_high, 20 / rate.ci_low) == pytest.approx((found.ci_low, found.ci_high))


def test_only_tcp_tests_ask_for_round_trips():
    """UDP tests, and intervals without a length, ask for nothing."""
    assert transfers_asked(transfer([1.0], protocol="udp")) is None
    assert transfers_asked(transfer([1.0], interval_s=[None])) is None


def test_a_test_at_a_measuring_point_is_none_of_the_drive_and_no_time_without_a_test():
    """Its rate and its queue are of the place where the vehicle stood; its load is no idle path all the same."""
    tests = make_series([2, 4], direction=["down"] * 2, protocol=["tcp"] * 2, interval_s=[1.0] * 2, point=[None, "P1"],
                        bytes=[1_250_000, 250_000], retransmits=[0, 100])  # fmt: skip
    figures = make_figures(tcp_ideal_down_mbps=20.0, tcp_segment_bytes=1250)
    watch = transfers_asked(tests)
    watch.add(round_trips_at([*[50] * 10, *[100] * 10, *[50] * 10, *[10] * 10, 50]))
    found = by_name([*evaluate_tcp(tests, figures), *tcp_queues(tests, watch, figures)])
    assert (2.0, 1.0, 1.0) == (
        found["tcp_transfer_time_ratio", "down", "mean"].value, found["tcp_efficiency", "down", "ratio"].value,
        found["tcp_buffer_delay", "down", "ratio"].value,
    )  # fmt: skip
    only = tests.where(np.array([False, True]))
    assert transfers_asked(only) is None
    assert [] == [*evaluate_tcp(only, figures), *tcp_queues(only, None, figures)]
