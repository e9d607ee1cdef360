"""Reordering against the worked examples of RFC 4737 and against its definition, packet by packet."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics import overtaken
from analytics.evaluate import evaluate_link
from analytics.overtaken import later_before
from analytics.packet_order import OrderScanner, reordering
from tests.analytics.making import by_name, probes, round_trips, subject

TABLES = {
    "table 1": ([1, 2, 3, 5, 6, 7, 8, 4, 9, 10], [68, 88, 108, 148, 168, 188, 208, 210, 228, 248], {4: (4, 62)}),
    "table 2": ([1, 2, 3, 4, 7, 5, 6, 8, 9, 10], [68, 88, 108, 128, 188, 189, 190, 208, 228, 248],
                {5: (1, 1), 6: (2, 2)}),
    "table 3": ([1, 2, 3, 7, 8, 9, 10, 4, 5, 6, 11], [68, 88, 108, 188, 208, 228, 248, 250, 252, 256, 268],
                {4: (4, 62), 5: (5, 64), 6: (6, 68)}),
}  # fmt: skip


def in_arrival_order(seqs, arrivals_us, sent_every_us=20_000):
    """Return probes whose packets arrived in this order at these times."""
    first = min(seqs)
    rows = [
        {"seq": seq, "ul_us": at - (seq - first) * sent_every_us, "t_us": (seq - first) * sent_every_us}
        for seq, at in zip(seqs, arrivals_us, strict=True)
    ]
    return probes(rows)


@pytest.mark.parametrize(("seqs", "at_ms", "expected"), TABLES.values(), ids=TABLES)
def test_the_tables_of_the_rfc(seqs, at_ms, expected):
    """Which packets are reordered, their extent and how late they were, as RFC 4737 works them out."""
    found = reordering(in_arrival_order(seqs, [at * 1000 for at in at_ms]), "up")
    reordered = np.array(sorted(seqs))[found.is_reordered].tolist()

    assert reordered == sorted(expected)
    assert found.extents.tolist() == [expected[seq][0] for seq in reordered]
    assert found.late_us.tolist() == [expected[seq][1] * 1000 for seq in reordered]


@pytest.mark.parametrize("rtts", [[10.0, 10.0, None, 12.0], [None, None], [10.0]])
def test_what_comes_in_order_is_not_reordered(rtts):
    """In order, all lost, one packet: nothing is reordered."""
    found = reordering(round_trips(rtts), "round_trip")
    assert (found.is_reordered.any(), found.extents.size, found.late_us.size) == (False, 0, 0)


@pytest.mark.parametrize(("seqs", "degrees"), [
    ([1, 2, 3, 5, 6, 7, 8, 4, 9, 10], {4: 4}), ([1, 2, 3, 4, 7, 5, 6, 8, 9, 10], {5: 1, 6: 0}),
    ([1, 2, 3, 7, 8, 9, 10, 4, 5, 6, 11], {4: 4, 5: 0, 6: 0}), ([1, 2, 3, 7, 8, 9, 4, 5, 6], {4: 3, 5: 0, 6: 0}),
])  # fmt: skip
def test_the_n_reordering_of_the_rfc(seqs, degrees):
    """Tables 1 to 3 and the example of 5.3: how many packets just before were all sent later."""
    found = reordering(in_arrival_order(seqs, [1000 * (at + 500) for at in range(len(seqs))]), "up")
    assert (
        dict(zip(np.array(sorted(seqs))[found.is_reordered].tolist(), found.degrees.tolist(), strict=True)) == degrees
    )


def test_a_packet_overtaken_by_hundreds_is_found_among_thousands():
    """The stretch that is looked at grows until nobody outside was overtaken."""
    arrivals = np.arange(20_000) * 100
    arrivals[5_000] += 70_000
    found = reordering(in_arrival_order(list(range(20_000)), arrivals.tolist(), sent_every_us=100), "up")

    assert np.flatnonzero(found.is_reordered).tolist() == [5_000]
    assert (found.extents.tolist(), found.late_us.tolist()) == ([699], [69_900])


@given(st.lists(st.tuples(st.integers(0, 1), st.one_of(st.none(), st.integers(0, 60_000))), min_size=1, max_size=40))
def test_the_definition_packet_by_packet(packets):
    """NextExp counted by hand, session by session, gives the same; ties are in order."""
    rows = [{"seq": at, "session": session, "rtt_us": rtt} for at, (session, rtt) in enumerate(packets)]
    made = probes(rows)
    found = reordering(made, "round_trip")

    late = []
    for session in (0, 1):
        there = [row for row in rows if row["session"] == session and row["rtt_us"] is not None]
        order = sorted(there, key=lambda row: (10_000 * row["seq"] + row["rtt_us"], row["seq"]))
        arrived = [row["seq"] for row in order]
        for place, seq in enumerate(arrived):
            if any(other > seq for other in arrived[:place]):
                first = next(j for j, other in enumerate(arrived) if other > seq)
                degree = next((n for n in range(place) if arrived[place - n - 1] < seq), place)
                late.append((session, seq, place - first, degree, sum(other > seq for other in arrived[:place]), place))
    for number, name in enumerate(("extents", "degrees", "held", "places"), start=2):
        assert getattr(found, name).tolist() == [each[number] for each in sorted(late)], name


@given(st.lists(st.tuples(st.integers(0, 2), st.one_of(st.none(), st.integers(0, 60_000))), min_size=1, max_size=40))
def test_runs_and_gaps_packet_by_packet(packets):
    """Walking through the arrivals of one session after the other gives the same runs, discontinuities and gaps."""
    rows = [{"seq": at, "session": session, "rtt_us": rtt} for at, (session, rtt) in enumerate(packets)]
    scanner = OrderScanner("round_trip")
    scanner.add(probes(rows))
    scanned = scanner.result()
    pattern = scanned.pattern

    runs, gaps, early, sizes = [], [], 0, []
    for session in range(3):
        there = [row for row in rows if row["session"] == session and row["rtt_us"] is not None]
        order = sorted(there, key=lambda row: (10_000 * row["seq"] + row["rtt_us"], row["seq"]))
        arrived, run, last, seen = [row["seq"] for row in order], 0, None, set()
        for place, seq in enumerate(arrived):
            if any(other > seq for other in arrived[:place]):
                runs.append(run)
                run = 0
                seen.add(next(at for at, other in enumerate(arrived) if other > seq))
            else:
                run += 1
        expected = [min((row["seq"] for row in rows if row["session"] == session), default=0)]
        expected += [max(arrived[: at + 1]) + 1 for at in range(len(arrived))]
        for at in sorted(seen):
            sizes.append(arrived[at] - expected[at])
            gaps += [] if last is None else [at - last]
            last = at
        early += len(seen)
    assert (runs, gaps, early) == (pattern.runs.tolist(), pattern.gaps.tolist(), pattern.early.size)
    assert sorted(sizes) == sorted(scanned.sizes.tolist())


@pytest.mark.parametrize(
    ("arrived", "sizes"),
    [
        ([1, 2, 3, 5, 6, 7, 8, 4, 9, 10], [1]),
        ([1, 2, 3, 4, 7, 5, 6, 8, 9, 10], [2]),
        ([1, 2, 3, 7, 8, 9, 10, 4, 5, 6, 11], [3]),
        ([1, 2, 3, 6, 7, 4, 5, 8, 9, 10, 12, 13, 11, 14, 15, 16], [2, 1]),
        ([1, 2, 3, 6, 7, 5, 8, 10], [2]),
        ([3, 1, 2], [2]),
    ],
    ids=["table 1", "table 2", "table 3", "table 4", "4 and 9 are lost", "the first of all"],
)
def test_the_size_of_a_discontinuity_is_how_far_it_is_ahead_of_the_next_number_expected(arrived, sizes):
    """RFC 4737 3.4, s - NextExp, of the RFC's tables; lost numbers count too, but alone make no discontinuity."""
    at = {seq: 1_000_000 + 20_000 * place for place, seq in enumerate(arrived)}
    rows = [
        {"seq": seq, "t_us": 1000 * seq, "rtt_us": at[seq] - 1000 * seq if seq in at else None}
        for seq in range(1, max(arrived) + 1)
    ]
    found = by_name(evaluate_link(probes(rows), subject()))
    assert np.mean(sizes) == found["reordering_discontinuity_size", "round_trip", "mean"].value
    assert max(sizes) == found["reordering_discontinuity_size", "round_trip", "max"].value
    assert len(sizes) == found["reordering_discontinuity", "round_trip", "count"].value


@pytest.mark.parametrize("furthest", [3, 40, 400, 3_000])
def test_what_is_held_is_counted_alike_near_and_far(furthest):
    """Places looked through one after the other and digits counted over all at once: the same, and the definition."""
    rng = np.random.default_rng(furthest)
    order = np.argsort(np.arange(4_000) + rng.uniform(0, furthest, 4_000), kind="stable")
    place = np.argsort(order)
    found = later_before(order, place, 4_000)

    assert later_before(order, place, overtaken._NEAR).tolist() == found.tolist() or furthest > overtaken._NEAR
    for at in rng.integers(0, 4_000, 50).tolist():
        assert found[at] == np.count_nonzero(order[:at] > order[at])


def test_the_pattern_of_order_in_chunks_of_many_sessions():
    """Sessions that come one after the other in chunks: no run and no gap reaches over their border."""
    arrivals = [0, 30, 20, 50, 80, 60, 90]
    made = [
        probes([{"session": session, "seq": seq, "t_us": 10 * seq, "rtt_us": at - 10 * seq + 1000}
                for seq, at in enumerate(arrivals)])
        for session in (1, 2)
    ]  # fmt: skip
    scanner = OrderScanner("round_trip")
    for each in made:
        scanner.add(each)
    found = scanner.result()
    assert ([2, 2, 2, 2], [3, 3], 4) == (
        found.pattern.runs.tolist(), found.pattern.gaps.tolist(), found.pattern.early.size
    )  # fmt: skip


def test_reordering_reaches_the_results():
    """Ratio, extent and late time of the first table, and none without anything out of order."""
    seqs, at_ms, _ = TABLES["table 1"]
    results = by_name(evaluate_link(in_arrival_order(seqs, [at * 1000 for at in at_ms]), subject()))
    assert results["reordering", "up", "ratio"].value == 0.1
    assert results["reordering_extent", "up", "max"].value == 4.0
    assert results["reordering_late", "up", "max"].value == 62.0
    assert [results["n_reordering", "up", f"ge_{n}"].value for n in (1, 2, 3)] == [0.1, 0.1, 0.1]

    ordered = by_name(evaluate_link(round_trips([10.0] * 50), subject()))
    assert ordered["reordering", "round_trip", "ratio"].value == 0.0
    assert ordered["reordering", "round_trip", "ratio"].ci_high > 0.05
    assert ("reordering_extent", "round_trip", "max") not in ordered
    assert ordered["n_reordering", "round_trip", "ge_3"].value == 0.0


def test_what_tcp_retransmits_is_late_by_three():
    """The example of 5.3 and a swap of two: two of eleven are reordered by one or more, one by three."""
    seqs = [1, 2, 3, 7, 8, 9, 4, 5, 6, 11, 10]
    results = by_name(evaluate_link(in_arrival_order(seqs, [1000 * (at + 500) for at in range(len(seqs))]), subject()))
    assert [results["n_reordering", "up", f"ge_{n}"].value for n in (1, 2, 3)] == [2 / 11, 1 / 11, 1 / 11]
