"""However the run of a device is cut into stretches of time, what its pairs of links gave is that of the whole."""

import itertools
import tracemalloc

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.chunks import PacketChunks
from analytics.clock import ClockQuality
from analytics.exclusions import without
from analytics.leg_scan import asked_leg
from analytics.pair_blocks import BlockDelays, runs_of
from analytics.pair_scan import PairsScan
from analytics.pairing import PairMatcher, by_time, matched
from analytics.probes import NotInOrderError, concatenated
from analytics.redundancy import BLIND, pair_kpis
from analytics.requirements import NO_REQUIREMENTS
from tests.analytics.lawful import check_all
from tests.analytics.making import GOOD_CLOCK, T0_US, UNKNOWN_CLOCK, Column, columns
from tests.analytics.test_chunks import plain, recordings

NOTHING = columns([])


def cut(some, edges):
    """Return columns in chunks, one for each stretch between the edges; some may hold nothing."""
    t_us = some["t_us"].values
    places = [0, *np.searchsorted(t_us, sorted(edges)).tolist(), t_us.size]
    for low, high in itertools.pairwise(places):
        rows = slice(low, high)
        yield {
            name: Column(each.values[rows], None if each.valid is None else each.valid[rows])
            for name, each in some.items()
        }


def scanned(links, edges, profile=NO_REQUIREMENTS, clock=GOOD_CLOCK, excluded=()):
    """Return the scan of links whose columns come cut at some instants; `clock` may be one for each link."""
    extents = [(int(each["t_us"].values[0]), int(each["t_us"].values[-1])) for each in links]
    clocks = [clock] * 3 if isinstance(clock, ClockQuality) else clock
    scan = PairsScan([
        asked_leg("car-1", name, extent, profile, its)
        for name, extent, its in zip("abc", extents, clocks, strict=False)
    ])  # fmt: skip
    packets = [PacketChunks() for _ in links]
    for stretch in zip(*(cut(each, edges) for each in links), strict=True):
        scan.add([made.add(without(chunk, excluded)) for made, chunk in zip(packets, stretch, strict=True)])
    return scan


def results(*arguments, **more):
    """Return what pairs gave."""
    return pair_kpis(scanned(*arguments, **more))


@st.composite
def devices(draw):
    """Draw two or three links of one device and where their run is cut."""
    found = [draw(recordings()) for _ in range(draw(st.integers(2, 3)))]
    return [some for some, _ in found], [edge for _, edges in found for edge in edges]


@settings(max_examples=40, deadline=None)
@given(drawn=devices(), clock=st.sampled_from([GOOD_CLOCK, UNKNOWN_CLOCK]), t_max_ms=st.sampled_from([5.0, 25.0]),
       survival_ms=st.sampled_from([0.0, 50.0]), within_ms=st.sampled_from([1.0, 50.0, 3_000.0]),
       lost_after_ms=st.sampled_from([None, None, 8.0]))  # fmt: skip
def test_every_kpi_of_a_pair_is_that_of_the_whole(  # noqa: PLR0917 - drawn by name
    drawn, clock, t_max_ms, survival_ms, within_ms, lost_after_ms
):  # fmt: skip
    """Packets wait for partners across borders, links begin late and end early: value, interval, n_eff and hash."""
    links, edges = drawn
    parameters = msgspec.structs.replace(
        NO_REQUIREMENTS.parameters, t_max_ms=t_max_ms, survival_ms=survival_ms, pair_within_ms=within_ms,
        lost_after_ms=lost_after_ms,
    )  # fmt: skip
    profile = msgspec.structs.replace(NO_REQUIREMENTS, parameters=parameters)
    whole, found = (results(links, each, profile, clock) for each in ([], edges))

    check_all(found)
    assert plain(whole) == [msgspec.structs.asdict(each) for each in found]


@settings(max_examples=30, deadline=None)
@given(drawn=devices(), low=st.floats(0, 1), span=st.floats(0, 0.5))
def test_an_exclusion_cuts_the_same_out_of_the_stretches_of_a_pair(drawn, low, span):
    """What is left out of a run is left out of its chunks."""
    links, edges = drawn
    t_us = links[0]["t_us"].values
    start = int(t_us[0] + low * (t_us[-1] - t_us[0]))
    excluded = [(start, start + int(span * (t_us[-1] - t_us[0])) + 1)]
    whole, found = (results(links, each, excluded=excluded) for each in ([], edges))

    assert plain(whole) == [msgspec.structs.asdict(each) for each in found]


@st.composite
def instants(draw):
    """Draw when two links sent: now and then several at once, as a rule close together, with pauses."""
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    shares = draw(st.sampled_from([(0.2, 0.3, 0.3, 0.2), (0.0, 0.1, 0.8, 0.1), (0.5, 0.2, 0.1, 0.2)]))
    return [
        np.cumsum(rng.choice([0, 1, 7, 40], rng.integers(1, 60), p=shares)) + rng.integers(0, 10) for _ in range(2)
    ]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(drawn=instants(), within=st.sampled_from([0, 1, 4, 10, 60]),
       edges=st.lists(st.integers(0, 600), max_size=40))  # fmt: skip
def test_packets_are_paired_across_borders_as_within(drawn, within, edges):
    """Each other's nearest, also of several packets of one instant, and nothing waits longer than it must."""
    a, b = (
        by_time(PacketChunks().add(columns([
            {"t_us": T0_US + int(at), "seq": seq, "rtt_us": 10 + seq} for seq, at in enumerate(t_us)
        ])))
        for t_us in drawn
    )  # fmt: skip
    matcher, found = PairMatcher(within), []
    last = max(int(a.t_us[-1]), int(b.t_us[-1])) + 1
    done = [0, 0]
    for edge in [*sorted(T0_US + edge for edge in edges), last]:
        ends = [max(int(np.searchsorted(each.t_us, edge)), low) for each, low in zip((a, b), done, strict=True)]
        parts = [each.rows(slice(low, end)) for each, low, end in zip((a, b), done, ends, strict=True)]
        done = ends
        found.append(matcher.add(*parts, edge - 1))
        assert all((each.t_us > edge - 1 - 4 * within).all() for each in matcher._waiting)
    found.append(matcher.finish())

    rows = matched(a.t_us, b.t_us, within)
    joined = [concatenated(each) for each in zip(*found, strict=True)]
    assert [each.seq.tolist() for each in joined] == [each.tolist() for each in rows]


def test_a_packet_is_not_paired_before_its_partner_is_known_to_have_no_nearer_one():
    """Sent 10 ms before the other link's, which waits: 6 ms after that one comes another."""
    at_ms = [[0, 16], [10]]
    a, b = (columns([{"t_us": T0_US + 1000 * at, "rtt_us": 5_000} for at in each]) for each in at_ms)
    profile = msgspec.structs.replace(
        NO_REQUIREMENTS, parameters=msgspec.structs.replace(NO_REQUIREMENTS.parameters, pair_within_ms=10.0)
    )
    pair = scanned([a, b], [T0_US + 14_000], profile).finish()[0]
    assert (pair.n, pair.first_us) == (1, T0_US + 16_000)


def test_a_number_absent_between_two_stretches_is_absent():
    """The only one of a recording that never says "lost": no figure of the pair is made of it."""
    a, b = (columns([{"seq": seq, "rtt_us": 5_000} for seq in range(20) if seq != skipped]) for skipped in (9, -1))
    assert {each.reason for each in results([a, b], [T0_US + 90_000])} == {BLIND}


def test_what_is_kept_of_a_pair_hardly_grows_with_its_packets():
    """Twice as many packets, of twice the time: sums are of groups twice as large, and only blocks and seconds add."""
    n, rng, kept = 1 << 17, np.random.default_rng(16), []
    asked = [asked_leg("car-1", name, (T0_US, T0_US + 16 * n * 1000), NO_REQUIREMENTS, GOOD_CLOCK) for name in "ab"]
    tracemalloc.start()
    scan, packets = PairsScan(asked), (PacketChunks(), PacketChunks())
    for number in range(16):
        seq = (number * n + np.arange(n)).astype(np.int32)
        lost, nothing = rng.random((2, n)) < 0.001, Column(np.zeros(n, np.int32), np.zeros(n, bool))
        scan.add([
            made.add({
                "t_us": Column(T0_US + 1000 * seq.astype(np.int64)), "session": Column(np.ones(n, np.int32)),
                "seq": Column(seq), "refl_seq": nothing, "ul_us": nothing, "dl_us": nothing,
                "rtt_us": Column(rng.integers(8_000, 12_000, n).astype(np.int32), ~gone),
                "copy": Column((~gone).astype(np.int16)), "lost": Column(np.where(gone, 3, 0).astype(np.int16)),
            })
            for made, gone in zip(packets, lost, strict=True)
        ])  # fmt: skip
        kept.append(tracemalloc.get_traced_memory()[0])

    tracemalloc.stop()
    assert scan.finish()[0].n == 16 * n
    # Groups of sums are doubled now and then: in between memory rises a little.
    assert max(kept) < 1.5 * kept[7]


def test_links_that_do_not_come_in_step_are_not_paired_in_part():
    """What was sent before a stretch that is over may have been a partner of what was paired already."""
    some = columns([{"seq": seq, "rtt_us": 5_000} for seq in range(10)])
    early, late = cut(some, [T0_US + 50_000])
    scan = PairsScan([asked_leg("car-1", name, (T0_US, T0_US + 90_000), NO_REQUIREMENTS, GOOD_CLOCK) for name in "ab"])
    first, second = PacketChunks(), PacketChunks()
    scan.add([first.add(early), second.add(NOTHING)])
    scan.add([first.add(late), second.add(NOTHING)])

    with pytest.raises(NotInOrderError, match="in step"):
        scan.add([first.add(NOTHING), second.add(early)])


def test_a_direction_that_one_link_measured_late_is_still_that_of_the_pair():
    """Round trips of the second link come in the last stretch only: one-way delays before are not what the pair has."""
    a = columns([{"seq": seq, "rtt_us": 9_000, "ul_us": 4_000} for seq in range(40)])
    b = columns([
        {"seq": seq, "ul_us": 3_000} | ({"rtt_us": 8_000} if seq >= 30 else {}) for seq in range(40)
    ])  # fmt: skip
    found = {(each.id, each.statistic): each for each in results([a, b], [T0_US + 100_000, T0_US + 250_000])}

    assert found["redundant_delay", "p50"].direction == "round_trip"
    assert (found["redundant_delay", "p50"].n, found["redundant_delay", "p50"].value) == (10, 8.0)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), spread=st.sampled_from([3, 500, 10**6]), pieces=st.integers(1, 5))
def test_quantiles_of_blocks_are_those_of_their_rows(seed, spread, pieces):
    """Each replicate's quantile beside a plain sort of the rows it drew; buckets are 0.1 % off at most."""
    rng = np.random.default_rng(seed)
    n, units = 300, 5
    us, block = rng.integers(1, spread, n), np.sort(rng.integers(0, units, n)) * 7
    gone = rng.random(n) < 0.1
    valid = ~gone & (rng.random(n) < 0.9)
    delays = BlockDelays()
    for part in np.array_split(np.arange(n), pieces):
        delays.add(runs_of(block[part]), us[part], valid[part], gone[part])
    blocks = np.unique(block)
    drawn = rng.integers(0, 3, (20, blocks.size)).astype(float)
    drawn[:, 0] += 1
    found = delays.quantiles_ms(["0.5", "0.99"], blocks, drawn)

    for replicate, median, high in zip(drawn, *found, strict=True):
        times = replicate[np.searchsorted(blocks, block)].astype(int)
        rows = np.sort(np.concatenate([np.repeat(us[valid], times[valid]) / 1000, np.full(times[gone].sum(), np.inf)]))
        expected = [rows[max(int(np.ceil(q * rows.size)), 1) - 1] if rows.size else np.inf for q in (0.5, 0.99)]
        assert [median, high] == pytest.approx(expected, rel=0.001)
