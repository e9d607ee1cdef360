"""However a run is cut into chunks of time, every KPI is that of the whole: value, interval, worth and hash."""

import itertools
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import packet_order
from analytics.blocks import block_slices
from analytics.chunks import PacketChunks
from analytics.delay_scan import DelayScanner
from analytics.evaluate import evaluate_link, ping_convention
from analytics.exclusions import without
from analytics.link_scan import LinkScan, scanned
from analytics.offset import OffsetScanner, estimate_offset
from analytics.packet_watch import ArrivalGaps, GridLoss
from analytics.probes import NotInOrderError, concatenated
from analytics.statistics import MOST_VALUES, effective_n
from analytics.worth import SeriesWorth
from tests.analytics.making import GOOD_CLOCK, T0_US, UNKNOWN_CLOCK, Column, columns, subject


def cut(some, edges):
    """Return columns, sorted by time, in chunks at some instants."""
    t_us = some["t_us"].values
    places = [0, *np.searchsorted(t_us, sorted(edges)).tolist(), t_us.size]
    for low, high in itertools.pairwise(places):
        if low < high:
            rows = slice(low, high)
            yield {
                name: Column(each.values[rows], None if each.valid is None else each.valid[rows])
                for name, each in some.items()
            }


def in_chunks(some, edges, who, excluded=()):
    """Return the scan of columns that come in chunks."""
    packets = PacketChunks()
    return scanned((packets.add(without(chunk, excluded)) for chunk in cut(some, edges)), who)


def plain(results):
    """Return results so that they compare; floating-point sums may differ in the last digits."""
    return [
        {key: pytest.approx(value, rel=1e-9) if isinstance(value, float) else value
         for key, value in msgspec.structs.asdict(each).items()}
        for each in results
    ]  # fmt: skip


@st.composite
def recordings(draw):
    """Draw a run: sessions one after the other, packets lost, late, absent, duplicated, overtaken; slow and fast."""
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    has_loss, has_one_way = draw(st.booleans()), draw(st.booleans())
    rows, t_us, step_us = [], T0_US, draw(st.sampled_from([1_000, 20_000, 400_000]))
    for session in draw(st.permutations([5, 2, 9]))[: draw(st.integers(1, 3))]:
        seq, refl, bad = 0, 0, False
        for _ in range(int(rng.integers(1, 60))):
            pause = rng.random() < 0.03
            t_us += step_us * int(rng.integers(1, 4)) + (8_000_000 if pause else 0)
            seq += int(rng.choice([1, 2, 5], p=[0.94, 0.04, 0.02]))
            bad = rng.random() < (0.7 if bad else 0.1)
            up, down = (int(rng.integers(-300, 9_000)) for _ in range(2))
            late = 30_000 if rng.random() < 0.2 else 0
            row = {"t_us": t_us, "session": session, "seq": seq}
            if bad and has_loss:
                rows.append({**row, "lost": int(rng.integers(1, 4)), "copy": 0})
                continue
            refl += 1
            row |= {"rtt_us": abs(up + down) + late, "refl_seq": refl if rng.random() < 0.9 else None}
            rows.append(row | ({"ul_us": up + late, "dl_us": down} if has_one_way and rng.random() < 0.95 else {}))
            if rng.random() < 0.05:
                rows.append({**rows[-1], "copy": 2})
        t_us += int(rng.integers(1, 3)) * 1_000_000
    edges = [T0_US + int(at * (t_us - T0_US)) for at in rng.random(draw(st.integers(0, 6)))]
    return columns(rows), edges


@settings(max_examples=60, deadline=None)
@given(drawn=recordings(), clock=st.sampled_from([GOOD_CLOCK, UNKNOWN_CLOCK]), t_max_ms=st.sampled_from([5.0, 25.0]),
       survival_ms=st.sampled_from([0.0, 50.0]), lost_after_ms=st.sampled_from([None, None, 8.0]))  # fmt: skip
def test_every_kpi_is_that_of_the_whole(drawn, clock, t_max_ms, survival_ms, lost_after_ms):
    """Deadlines near the delays, clocks that matter, blind recordings: all results equal, those of ping too."""
    some, edges = drawn
    who = subject(clock=clock)
    parameters = msgspec.structs.replace(
        who.profile.parameters, t_max_ms=t_max_ms, survival_ms=survival_ms, lost_after_ms=lost_after_ms,
        ip_unavailable_loss=0.2, ip_interval_s=2.0, ip_least_packets=2, ip_source="test",
    )  # fmt: skip
    who = replace(who, profile=msgspec.structs.replace(who.profile, parameters=parameters))
    whole, found = in_chunks(some, [], who), in_chunks(some, edges, who)

    assert plain(evaluate_link(whole, who)) == [msgspec.structs.asdict(each) for each in evaluate_link(found, who)]
    assert plain(ping_convention(whole, who)) == [msgspec.structs.asdict(each) for each in ping_convention(found, who)]
    assert (whole.n, whole.first_us, whole.last_us) == (found.n, found.first_us, found.last_us)
    assert (whole.duplicates, whole.replicated) == (found.duplicates, found.replicated)


@settings(max_examples=60, deadline=None)
@given(drawn=recordings(), low=st.floats(0, 1), span=st.floats(0, 0.5))
def test_an_exclusion_cuts_the_same_out_of_chunks(drawn, low, span):
    """What is left out of a run is left out of its chunks."""
    some, edges = drawn
    t_us = some["t_us"].values
    start = int(t_us[0] + low * (t_us[-1] - t_us[0]))
    excluded = [(start, start + int(span * (t_us[-1] - t_us[0])) + 1)]
    whole, found = (in_chunks(some, each, subject(), excluded) for each in ([], edges))

    assert plain(evaluate_link(whole, subject())) == [
        msgspec.structs.asdict(each) for each in evaluate_link(found, subject())
    ]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), ahead=st.sampled_from([4, 16]), view=st.sampled_from([16, 64]),
       edges=st.lists(st.floats(0, 1), max_size=5))  # fmt: skip
def test_overtaken_packets_are_found_across_the_border_or_the_whole_is_asked_for(seed, ahead, view, edges):
    """Few packets overtake far: either all is as in the whole, or it is said that chunks do not suffice."""
    rng = np.random.default_rng(seed)
    n = 300
    far = np.where(rng.random(n) < 0.05, rng.integers(0, 60_000, n), 0)
    some = columns([
        {"t_us": T0_US + 1000 * seq, "seq": seq, "ul_us": int(rng.integers(0, 1500)) + int(far[seq])}
        for seq in range(n)
    ])  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packet_order, "_AHEAD", ahead)
        patch.setattr(packet_order, "_VIEW", view)
        whole = in_chunks(some, [], subject()).order("up")
        try:
            found = in_chunks(some, [T0_US + int(at * n * 1000) for at in edges], subject()).order("up")
        except NotInOrderError:
            assert far.any()
            return
    assert (whole.delivered, whole.n_eff) == (found.delivered, found.n_eff)
    for name in ("extents", "late_us", "degrees", "held", "sizes"):
        assert getattr(whole, name).tolist() == getattr(found, name).tolist()
    assert whole.pattern.early.size == found.pattern.early.size
    for name in ("runs", "gaps"):
        assert getattr(whole.pattern, name).tolist() == getattr(found.pattern, name).tolist()


def test_sessions_that_overlap_are_not_taken_apart():
    """Two senders at once: the second chunk goes back to the first session, and says so."""
    rows = [{"t_us": T0_US + 1000 * at, "session": 1 + at % 2, "seq": at // 2, "rtt_us": 500} for at in range(10)]
    packets = PacketChunks()
    first, second = cut(columns(rows), [T0_US + 5000])
    packets.add(first)

    with pytest.raises(NotInOrderError, match="another began"):
        packets.add(second)


def test_packets_that_come_back_in_time_are_not_taken_apart():
    """A session whose times fall is sorted where it is whole; in chunks it is not known what comes next."""
    made = [columns([{"t_us": T0_US + at, "seq": seq, "rtt_us": 500}]) for seq, at in ((1, 2_000_000), (2, 1_000_000))]
    packets, scan = PacketChunks(), LinkScan(subject())
    scan.add(packets.add(made[0]))

    with pytest.raises(NotInOrderError, match="order of sending"):
        scan.add(packets.add(made[1]))


@pytest.mark.parametrize("n", [1000, MOST_VALUES + 3, 5 * MOST_VALUES])
@pytest.mark.parametrize("pieces", [1, 7])
def test_a_series_read_in_pieces_is_worth_what_it_is_worth_whole(n, pieces):
    """Short and long, numbers and marks: groups that were doubled on the way are those of the whole."""
    rng = np.random.default_rng(n)
    values = np.repeat(rng.integers(0, 1000, n // 5 + 1), 5)[:n].astype(np.int32)
    hits = values < 100
    numbers, marks = SeriesWorth(), SeriesWorth(hits=True)
    for part in np.array_split(np.arange(n), pieces):
        numbers.add(values[part])
        marks.add(hits[part])

    assert effective_n(values) == pytest.approx(numbers.result(float(values.std())), abs=1)
    assert effective_n(hits) == pytest.approx(marks.result(float(hits.std())), abs=1)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), edges=st.lists(st.floats(0, 1), max_size=5))
def test_the_offset_of_chunks_is_that_of_the_whole(seed, edges):
    """The fastest packets of each window do not depend on where the run was cut."""
    rng = np.random.default_rng(seed)
    n = 400
    t_us = T0_US + np.cumsum(rng.integers(20_000, 120_000, n))
    some = columns([
        {"t_us": int(t_us[at]), "seq": at, "ul_us": 9_000 + int(rng.integers(0, 4_000)),
         "dl_us": int(rng.integers(-5_000, 0)), "rtt_us": 5_000}
        for at in range(n)
    ])  # fmt: skip
    packets, scanner = PacketChunks(), OffsetScanner()
    for chunk in cut(some, [T0_US + int(at * (t_us[-1] - T0_US)) for at in edges]):
        scanner.add(packets.add(chunk))

    assert estimate_offset(PacketChunks().add(some)) == scanner.result()


@settings(max_examples=60, deadline=None)
@given(drawn=recordings(), seed=st.integers(0, 2**31))
def test_gaps_and_grid_losses_of_chunks_are_those_of_the_whole(drawn, seed):
    """What other streams ask of the packets does not depend on where the run was cut."""
    some, edges = drawn
    rng = np.random.default_rng(seed)
    span_us = int(some["t_us"].values[-1] - T0_US) + 1
    start_us = np.sort(T0_US + rng.integers(-span_us // 5, span_us + span_us // 5, 8))
    found = []
    for each in ([], edges):
        gaps, grid, packets = ArrivalGaps(start_us[:-1], start_us[1:]), GridLoss(15.0, 12.0, 1.0), PacketChunks()
        for chunk in cut(some, each):
            probes = packets.add(chunk)
            gaps.add(probes)
            grid.add(probes)
        found.append(
            (
                gaps.longest_us(start_us[:-1], start_us[1:]),
                [(share.n, share.lost, share.n_eff) for share in (grid.near, grid.elsewhere)],
            )
        )

    assert np.array_equal(found[0][0], found[1][0], equal_nan=True)
    assert found[0][1] == found[1][1]


def test_packets_joined_again_are_what_they_were():
    """Chunks put together are the packets of the whole, without their copies."""
    some = columns([{"seq": seq, "rtt_us": 1000 + seq} for seq in range(20)])
    packets = PacketChunks()
    joined = concatenated([packets.add(chunk) for chunk in cut(some, [T0_US + 70_000, T0_US + 120_000])])

    assert joined.seq.tolist() == list(range(20))
    assert joined.delays["round_trip"].us.tolist() == [1000 + seq for seq in range(20)]


def test_a_chunk_without_delays_after_one_out_of_order_asks_for_the_whole(monkeypatch):
    """What the first chunk alone could sort, it cannot once another follows, though nothing of that one arrived."""
    monkeypatch.setattr("analytics.delay_scan._OVERTAKEN", 2)
    monkeypatch.setattr("analytics.delay_scan.block_slices", lambda n: block_slices(n, 4))
    rows = [{"seq": seq, "rtt_us": 200_000 if seq < 4 else 500} for seq in range(20)]
    scanner, packets = DelayScanner("round_trip", None, 1e9), PacketChunks()
    chunks = list(cut(columns([*rows, *({"seq": seq} for seq in range(20, 25))]), [T0_US + 200_000]))
    scanner.add(packets.add(chunks[0]))

    with pytest.raises(NotInOrderError, match="sorted all at once"):
        scanner.add(packets.add(chunks[1]))
