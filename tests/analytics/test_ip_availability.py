"""ITU-T Y.1540 availability: known answers, what counts as measured, and counts that merge exactly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.evaluate import evaluate_link
from analytics.ip_availability import IntervalCounts, IntervalLoss, ip_availability
from analytics.requirements import NO_REQUIREMENTS, Parameters, Profile, Requirement, load_requirements
from analytics.statistics import effective_n, proportion_interval
from tests.analytics.making import T0_US, by_name, probes, round_trips, subject

SECOND_US = 1_000_000
SOURCE = "試験計画 4.2 (ITU-T Y.1540, 版と条項)"
KPIS = ("ip_availability", "ip_loss_available")


def asking(*requirements, c1=0.2, tav_s=1.0, least=100, **more):
    """A profile that states IP availability; making's packets are 10 ms apart, 100 a second, from a whole second on."""
    stated = Parameters(
        ip_unavailable_loss=c1, ip_interval_s=tav_s, ip_least_packets=least, ip_source=SOURCE, **more
    )  # fmt: skip
    return Profile(name="t", ja="", en="", status="", parameters=stated, requirement=requirements)


def seconds(*lost_of_100, per_second=100):
    """Packets of whole seconds, so many lost in each, the losses first."""
    rtt_ms = [None if number < lost else 10.0 for lost in lost_of_100 for number in range(per_second)]
    return round_trips(rtt_ms)


def counted(*pieces, tav_us=SECOND_US):
    """The counts of pieces."""
    accumulated = IntervalLoss(tav_us)
    for piece in pieces:
        accumulated.add(piece)
    return accumulated.result()


def as_lists(counts: IntervalCounts):
    """Counts that can be compared."""
    lists = [counts.index.tolist(), counts.sent.tolist(), counts.lost.tolist()]
    assert all(each.dtype == np.int64 for each in (counts.index, counts.sent, counts.lost))
    return (*lists, counts.first_us, counts.last_us)


def of_link(sent, profile):
    """Both figures of a link."""
    found = by_name(evaluate_link(sent, subject(profile)))
    return [found[kpi, "round_trip", "ratio"] for kpi in KPIS]


def test_packets_are_counted_by_interval():
    """Sent and lost of three seconds, on the grid of Unix time."""
    first = T0_US // SECOND_US
    assert as_lists(counted(seconds(0, 3, 100))) == (
        [first, first + 1, first + 2], [100, 100, 100], [0, 3, 100], T0_US, T0_US + 2_990_000,
    )  # fmt: skip


def test_availability_and_loss_of_a_run():
    """Five seconds: one is down and one bad; IPLR is that of the other three, 30 of 300 and not 171 of 500."""
    found = ip_availability(counted(seconds(0, 10, 100, 20, 41)), 0.2, 100)
    assert found.is_available.tolist() == [True, True, False, True, False]
    assert (found.measured, found.not_measured, found.available, found.unavailable) == (5, 0, 3, 2)
    assert (found.pia, found.piu) == (0.6, 0.4)
    assert (found.sent, found.lost, found.iplr) == (300, 30, 0.1)


@pytest.mark.parametrize("lost", range(100))
def test_a_loss_ratio_of_exactly_c1_is_available(lost):
    """Unavailable only above c1, in decimals: 0.29 * 100 is less than 29 in floating point."""
    counts = counted(seconds(lost))
    assert ip_availability(counts, float(f"0.{lost:02d}"), 100).available == 1
    if lost:
        assert ip_availability(counts, float(f"0.{lost - 1:02d}"), 100).unavailable == 1


def test_an_interval_with_too_few_packets_is_not_measured():
    """Neither available nor unavailable, whatever it lost, and its packets are in no loss ratio."""
    few = [row for row in range(500) if not 100 <= row < 201]
    counts = counted(probes([{"seq": seq, "rtt_us": None if 200 <= seq < 300 else 9000} for seq in few]))
    found = ip_availability(counts, 0.2, 100)
    assert (found.measured, found.not_measured, found.unavailable, found.sent) == (3, 2, 0, 300)
    assert ip_availability(counts, 0.2, 99).unavailable == 1


def test_time_in_which_nothing_was_sent_is_not_measured():
    """A pause of an hour is 3,600 intervals that nobody looked at."""
    rows = [{"seq": seq, "rtt_us": 9000} for seq in (*range(100), *range(360_100, 360_200))]
    found = ip_availability(counted(probes(rows)), 0.2, 100)
    assert (found.measured, found.not_measured, found.pia) == (2, 3_600, 1.0)


@pytest.mark.parametrize(
    ("first", "last", "measured"),
    [(0, 299, 3), (1, 299, 3), (2, 299, 2), (0, 298, 3), (0, 297, 2), (50, 250, 1), (10, 90, 0), (0, 99, 1)],
)
def test_ends_cut_short_are_not_measured(first, last, measured):
    """Both ends reach the border of their interval by Tav / least packets (20 ms), or they were not seen for Tav."""
    rows = [{"seq": seq, "rtt_us": 9000, "t_us": T0_US + 5_000 + 10_000 * seq} for seq in range(first, last + 1)]
    found = ip_availability(counted(probes(rows)), 0.2, 50)
    assert (found.measured, found.measured + found.not_measured) == (measured, last // 100 - first // 100 + 1)


def test_evenly_sent_packets_that_just_reach_the_minimum_measure_both_ends():
    """A packet every Tav / least packets, from the border on: the last one lies that far from the end."""
    assert ip_availability(counted(seconds(0, 0)), 0.2, 100).measured == 2


def test_nothing_sent_is_nothing_measured():
    """No share of nothing."""
    found = ip_availability(counted(probes([])), 0.2, 1)
    assert (found.measured, found.not_measured, found.pia, found.piu, found.iplr) == (0, 0, None, None, None)


@pytest.mark.parametrize("tav_us", [0, -1])
def test_an_interval_has_a_length(tav_us):
    """Refused at once."""
    with pytest.raises(ValueError, match="at least 1 us"):
        IntervalLoss(tav_us)


def test_intervals_of_two_lengths_are_not_added():
    """Another Tav is another grid."""
    with pytest.raises(ValueError, match="2000000 us cannot be added to intervals of 1000000 us"):
        IntervalLoss(SECOND_US).merge(IntervalLoss(2 * SECOND_US))


SENDING = st.lists(
    st.tuples(
        st.one_of(st.integers(-50, 50), st.integers(-(10**7), 10**7), st.sampled_from([-(10**14), 10**14, 10**15])),
        st.booleans(),
    ),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(sending=SENDING, tav_us=st.sampled_from([1, 7, 1000, SECOND_US]), data=st.data())
def test_chunks_in_any_order_give_the_counts_of_a_plain_loop(sending, tav_us, data):
    """Cut anywhere, shuffled, counted by two accumulators and merged: exactly the same, ends included."""
    rows = [
        {"seq": seq, "t_us": t_us, "rtt_us": None if is_lost else 9000} for seq, (t_us, is_lost) in enumerate(sending)
    ]
    expected = {}
    for t_us, is_lost in sending:
        sent, lost = expected.get(t_us // tav_us, (0, 0))
        expected[t_us // tav_us] = sent + 1, lost + is_lost
    order = data.draw(st.permutations(range(len(rows))))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=4)))
    chunks = [[rows[place] for place in order[low:high]] for low, high in zip([0, *cuts], [*cuts, None], strict=True)]
    parts = [IntervalLoss(tav_us), IntervalLoss(tav_us)]
    for chunk in chunks:
        parts[data.draw(st.integers(0, 1))].add(probes(chunk))
    parts[0].merge(parts[1])
    times = [t_us for t_us, _ in sending] or [0]
    assert as_lists(parts[0].result()) == (
        sorted(expected), [expected[index][0] for index in sorted(expected)],
        [expected[index][1] for index in sorted(expected)], min(times), max(times),
    )  # fmt: skip


def test_many_intervals_are_joined_on_the_way():
    """A packet in each of 120,000 intervals, in chunks and at once."""
    sent = round_trips([None if number % 3 else 10.0 for number in range(120_000)])
    rows = np.arange(120_000)
    pieces = [
        probes([{"seq": seq, "rtt_us": None if seq % 3 else 9000} for seq in rows[start::4].tolist()])
        for start in range(4)
    ]
    whole = counted(sent, tav_us=10_000)
    assert as_lists(whole) == as_lists(counted(*pieces, tav_us=10_000))
    assert (whole.index.size, int(whole.lost.sum())) == (120_000, 80_000)


def test_the_figures_of_a_link_say_how_they_came_about():
    """PIA over intervals with its interval, loss over the packets of available ones; c1, Tav and source beside both."""
    sent = seconds(*[0] * 17, 1, 100, 21)
    availability, loss = of_link(sent, asking())
    is_available = np.array([True] * 18 + [False] * 2)
    n_eff = effective_n(is_available)
    expected = proportion_interval(18, 20, n_eff)
    assert (availability.value, availability.n, availability.n_eff) == (0.9, 20, n_eff)
    assert (availability.ci_low, availability.ci_high) == (expected.low, expected.high)
    assert "18 available, 2 unavailable, 0 not measured; PIU 0.1" in availability.reason
    assert (loss.value, loss.n) == (1 / 1800, 1800)
    assert 1 <= loss.n_eff < 1800
    assert loss.ci_low < loss.value < loss.ci_high
    for result in (availability, loss):
        assert all(word in result.filter for word in ("c1 0.2", "Tav 1 s", "least packets 100", SOURCE))


def test_without_the_parameters_there_are_no_such_figures():
    """Nothing is computed by numbers that nobody stated."""
    ids = {result.id for result in evaluate_link(seconds(0, 0), subject(NO_REQUIREMENTS))}
    assert not ids & set(KPIS)


def test_a_recording_that_cannot_say_lost_has_none():
    """Absent numbers and never a loss: null, as loss itself."""
    sent = probes([{"seq": seq, "rtt_us": 9000} for seq in range(300) if seq % 10 != 5])
    for result in of_link(sent, asking(least=50)):
        assert (result.value, result.n) == (None, 0)
        assert "30 absent" in result.reason


def test_a_run_without_a_measured_interval_has_none():
    """Shorter than Tav: null with the number of intervals that it touched."""
    for result in of_link(seconds(0, 0), asking(tav_s=60.0)):
        assert (result.value, "none of 1 intervals was measured" in result.reason) == (None, True)


def test_a_run_that_was_never_available_has_no_loss_in_available_time():
    """PIA is 0, and loss has no packets to be counted over."""
    availability, loss = of_link(seconds(100, 50), asking())
    assert (availability.value, availability.n) == (0.0, 2)
    assert (loss.value, loss.n, "no interval was available" in loss.reason) == (None, 0, True)


def test_both_can_be_required():
    """Met, missed, or the number of intervals still needed."""
    limits = [
        Requirement(kpi="ip_availability", statistic="ratio", limit=0.5, source="test"),
        Requirement(kpi="ip_loss_available", statistic="ratio", limit=1e-4, source="test"),
    ]
    availability, loss = of_link(seconds(*[0] * 50), asking(*limits))
    assert (availability.verdict, loss.verdict) == ("達成", "判定不能")
    assert loss.needed_n > 5000


def test_the_shipped_example_measures_a_minute_and_says_that_it_was_not_checked():
    """Two minutes at 100 packets/s from a whole minute on, the second down."""
    start_us = T0_US - T0_US % (60 * SECOND_US)
    rows = [
        {"seq": seq, "t_us": start_us + 10_000 * seq, "rtt_us": 9000 if seq < 6000 else None} for seq in range(12_000)
    ]
    availability, loss = of_link(probes(rows), load_requirements("y1540_availability"))
    assert (availability.value, availability.n, loss.value, loss.n) == (0.5, 2, 0.0, 6000)
    assert "要確認" in availability.filter
