"""The kernels that read long series block by block, each against a plain straightforward reference."""

import itertools
import math
import tracemalloc
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import blocks, delay_scan
from analytics.blocks import Counts, GroupSums, HitSums
from analytics.data_hash import _ColumnHash
from analytics.delay import arrival_order, ipdv_us, rfc3550_jitter_us
from analytics.delay_scan import scan
from analytics.evaluate import evaluate_link
from analytics.jitter import Jitter
from analytics.probes import probe_arrays
from analytics.statistics import MOST_VALUES, effective_n, group_of, worth_of_groups
from tests.analytics.making import T0_US, Column, by_name, columns, probes, subject

PIECES = st.lists(
    st.tuples(st.integers(-(10**7), 10**8), st.integers(1, 10**6), st.integers(0, 300)), min_size=0, max_size=6
)


def series(pieces, seed, dtype=np.int64):
    """Return blocks of integers, each in a range of its own."""
    rng = np.random.default_rng(seed)
    return [rng.integers(low, low + width, n).astype(dtype) for low, width, n in pieces]


@settings(max_examples=100, deadline=None)
@given(pieces=PIECES, seed=st.integers(0, 2**31), dtype=st.sampled_from([np.int32, np.int64]))
def test_counts_are_those_of_unique(pieces, seed, dtype):
    """Near and far ranges, in any order of blocks, are counted as numpy.unique counts the whole."""
    parts = series(pieces, seed, dtype)
    counted = Counts()
    for part in parts:
        counted.add(part)
    expected = np.unique(np.concatenate([np.empty(0, dtype), *parts]), return_counts=True)

    assert [each.tolist() for each in expected] == [each.tolist() for each in counted.result()]


def test_few_values_far_apart_take_no_room_for_what_lies_between():
    """Forty delays, of which one took 40 s, are not 320 MB of counts."""
    tracemalloc.start()
    counted = Counts()
    counted.add(np.array([*range(2000, 2020), 30_000_000], np.int32))
    counted.add(np.array([*range(2020, 2038)], np.int32))
    counted.add(np.array([40_000_000], np.int32))
    values, counts = counted.result()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert (40_000_000, 40, 40) == (values[-1], values.size, counts.sum())
    assert peak < 1 << 20


def test_two_bytes_are_counted_over_their_whole_range():
    """Differences of int16 do not fit into int16."""
    counted = Counts()
    counted.add(np.array([-32768, 32767, 32767], np.int16))

    assert ([-32768, 32767], [1, 2]) == tuple(each.tolist() for each in counted.result())


@settings(max_examples=60, deadline=None)
@given(pieces=PIECES, seed=st.integers(0, 2**31), power=st.integers(0, 7))
def test_group_sums_are_sums_of_slices(pieces, seed, power):
    """However a series is cut into blocks; the incomplete group at its end is left out."""
    group, parts = 2**power, series(pieces, seed)
    sums, hits = GroupSums(group), HitSums(group)
    for part in parts:
        sums.add(part)
        hits.add(part % 3 == 0)
    whole = np.concatenate([np.empty(0, np.int64), *parts])
    whole = whole[: whole.size // group * group].reshape(-1, group)

    assert whole.sum(axis=1).tolist() == sums.result().tolist()
    assert (whole % 3 == 0).sum(axis=1).tolist() == hits.result().tolist()


@settings(max_examples=100, deadline=None)
@given(sizes=st.lists(st.integers(0, 700), max_size=6), seed=st.integers(0, 2**31), spread=st.integers(0, 10**6))
def test_jitter_by_blocks_is_the_recursion(sizes, seed, spread):
    """Mean and maximum of J, however the series is cut; now and then a step that is much larger."""
    rng = np.random.default_rng(seed)
    parts = [(rng.integers(0, spread + 1, n) * (1 + 9 * (rng.random(n) < 0.02))).astype(np.int32) for n in sizes]
    jitter = Jitter()
    for part in parts:
        jitter.add(part)
    whole = [int(us) for part in parts for us in part]
    value, values = 0.0, []
    for before, after in itertools.pairwise(whole):
        value += (abs(after - before) - value) / 16
        values.append(value)
    mean_us, max_us = jitter.result()

    assert len(values) == jitter.n
    if values:
        assert max(values) == pytest.approx(max_us, rel=1e-12)
        assert sum(values) / len(values) == pytest.approx(mean_us, rel=1e-9, abs=1e-9)
        assert values == pytest.approx(rfc3550_jitter_us(np.array(whole)).tolist(), rel=1e-12)
    else:
        assert math.isnan(mean_us)


ROW = st.fixed_dictionaries({
    "session": st.integers(1, 3), "seq": st.integers(0, 60), "t_us": st.integers(T0_US, T0_US + 2_000_000),
    "rtt_us": st.one_of(st.none(), st.integers(0, 900_000)),
    "ul_us": st.one_of(st.none(), st.integers(-5000, 2**31 - 1)),
    "copy": st.integers(0, 3),
})  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(rows=st.lists(ROW, min_size=1, max_size=90), least_us=st.sampled_from([None, -100.5, 0.0]),
       size=st.sampled_from([1, 3, 16, 1 << 16]), overtaken=st.sampled_from([0, 2, 1024]))  # fmt: skip
def test_a_scan_by_blocks_gives_what_whole_arrays_give(rows, least_us, size, overtaken):
    """Any rows: unsorted, repeated, lost, absent, of several sessions, overtaking, one packet; any block size."""
    sent = probes(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delay_scan, "block_slices", lambda n: blocks.block_slices(n, size))
        patch.setattr(delay_scan, "_OVERTAKEN", overtaken)
        for direction in ("round_trip", "up"):
            found = scan(sent, direction, least_us, 300_000.0)
            delay = sent.delays[direction]
            measured = delay.us[delay.valid].astype(np.int64)
            possible = measured if least_us is None else measured[measured >= least_us]
            steps = np.abs(ipdv_us(sent, direction))
            for expected, counted in (
                (possible, found.possible.counted), (measured, found.measured), (steps, found.steps.counted)
            ):  # fmt: skip
                assert np.sort(expected).tolist() == np.repeat(counted.values, counted.counts).tolist()
            assert effective_n(possible) == found.possible.n_eff
            assert effective_n(possible > 300_000) == found.on_time_n_eff
            assert effective_n(steps) == found.steps.n_eff
            jitter = rfc3550_jitter_us(arrival_order(sent, direction))
            assert jitter.size == found.jitter.n
            if jitter.size:
                expected = (float(jitter.mean()), float(jitter.max()))
                assert expected == pytest.approx(found.jitter.result(), rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.99])
def test_groups_keep_the_worth_of_a_long_series(phi):
    """An autoregressive series of 2 M values is worth n (1 - phi) / (1 + phi), grouped or not, within five percent."""
    n = 2_000_000
    noise = np.random.default_rng(3).normal(0.0, 1000.0, n)
    powers = phi ** np.arange(2000)
    padded = np.fft.rfft(np.concatenate([noise, np.zeros(2000)]))
    values = np.rint(np.fft.irfft(padded * np.fft.rfft(powers, n + 2000), n + 2000)[2000:n]).astype(np.int64)
    plain = worth_of_groups(values.size, 1, values.astype(np.float64), float(values.std()))
    expected = values.size * (1 - phi) / (1 + phi)

    assert group_of(values.size) == 64
    assert group_of(MOST_VALUES) == 1
    assert expected == pytest.approx(effective_n(values), rel=0.05)
    assert plain == pytest.approx(effective_n(values), rel=0.05)


def test_a_long_indicator_is_worth_what_its_numbers_are():
    """Booleans are grouped by their hits, integers by adding; both say the same."""
    rng = np.random.default_rng(5)
    hits = np.repeat(rng.random(250_000) < 0.01, 5)

    assert effective_n(hits.astype(np.int64)) == effective_n(hits)
    assert hits.size / 5 == pytest.approx(effective_n(hits), rel=0.05)


@settings(max_examples=60, deadline=None)
@given(values=st.lists(st.one_of(st.none(), st.integers(0, 2**31 - 1)), max_size=30), other=st.integers(0, 2**31 - 1),
       at=st.integers(0, 29), name=st.sampled_from(["t_us", "seq", "rtt_us"]))  # fmt: skip
def test_the_hash_tells_values_apart_and_not_widths(values, other, at, name):
    """Four bytes or eight, whatever stands where a value is null; one value changed is another hash."""
    valid = np.array([value is not None for value in values], bool)

    def hashed(some, dtype, filler, marks=valid):
        filled = np.array([filler if value is None else value for value in some], dtype)
        column = _ColumnHash(is_rising=name != "rtt_us")
        column.add(filled, marks)
        return column.n, column.result()

    first = hashed(values, np.int64, 7)
    assert first == hashed(values, np.int32, 0)
    if valid.all():
        assert first == hashed(values, np.int64, 0, marks=None)
    if at < len(values) and values[at] not in (None, other):
        assert first != hashed([*values[:at], other, *values[at + 1 :]], np.int64, 7)
    assert first != hashed([*(value or 0 for value in values), 1], np.int64, 0, marks=None)


def test_values_that_are_no_numbers_are_null_and_counted():
    """NaN and infinity in a recording: a delay is not measured, a packet without a time is none, and both are said."""
    rows = [{"seq": seq, "rtt_us": 1000 + seq} for seq in range(20)]
    recorded = columns(rows)
    delays = recorded["rtt_us"].values.astype(np.float64)
    delays[3], delays[4] = np.nan, np.inf
    times = recorded["t_us"].values.astype(np.float64)
    times[7] = np.nan
    sent = probe_arrays({**recorded, "rtt_us": Column(delays), "t_us": Column(times)})
    found = by_name(evaluate_link(sent, subject()))

    assert (19, 17, 3) == (sent.n, int(sent.delays["round_trip"].valid.sum()), sent.not_finite)
    assert 17 == found["rtt", "round_trip", "mean"].n
    assert "非有限値 3" in found["rtt", "round_trip", "mean"].reason


def test_a_long_run_is_evaluated_as_its_simulation_says():
    """Past the borders of blocks and groups: 700,000 packets with known losses, delays and one outage."""
    n = 700_000
    rng = np.random.default_rng(8)
    rtt_us = rng.integers(5_000, 15_000, n).astype(np.int32)
    lost = np.zeros(n, np.int16)
    lost[131_000:131_500] = 3
    lost[200_000::1000] = 3
    there = lost == 0
    seq = np.arange(n, dtype=np.int32)
    nothing = Column(np.zeros(n, np.int32), np.zeros(n, bool))
    sent = probe_arrays({
        "t_us": Column(T0_US + 10_000 * seq.astype(np.int64)), "session": Column(np.ones(n, np.int32)),
        "seq": Column(seq), "refl_seq": nothing, "ul_us": nothing, "dl_us": nothing, "rtt_us": Column(rtt_us, there),
        "copy": Column(there.astype(np.int16)), "lost": Column(lost),
    })  # fmt: skip
    found = by_name(evaluate_link(sent, subject()))
    delivered = np.sort(rtt_us[there])
    gone = int(np.count_nonzero(lost))

    assert datetime.fromtimestamp(T0_US / 1e6, tz=UTC) == subject().started_at
    assert gone / n == found["loss", "round_trip", "ratio"].value
    assert 501 == found["loss_burst", "round_trip", "count"].value
    assert 500 == found["loss_burst", "round_trip", "max"].value
    assert delivered[math.ceil(0.99 * n) - 1] / 1000 == found["rtt", "round_trip", "p99"].value
    assert delivered.mean() / 1000 == pytest.approx(found["rtt", "round_trip", "mean"].value, rel=1e-12)
    assert delivered.size / n == found["reliability", "round_trip", "ratio"].value
    # From the deadline of the first lost one and the survival time on, to the arrival after the last.
    parameters = subject().profile.parameters
    down_ms = 500 * 10 - parameters.t_max_ms - parameters.survival_ms + rtt_us[131_500] / 1000
    assert down_ms / 1000 == pytest.approx(found["outage", "round_trip", "total"].value, rel=1e-12)
    assert 1 == found["outage", "round_trip", "count"].value


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**31), share=st.sampled_from([0.0, 0.01, 0.5]), blocks_n=st.integers(1, 5))
def test_a_few_values_far_away_are_counted_as_well(seed, share, blocks_n):
    """Outliers of up to a minute in blocks of delays near one another, few or many."""
    rng = np.random.default_rng(seed)
    parts = []
    for _ in range(blocks_n):
        far_us = (rng.random(200) < share) * rng.integers(0, 6 * 10**7, 200)
        parts.append((rng.integers(5000, 9000, 200) + far_us).astype(np.int32))
    counted = Counts()
    for part in parts:
        counted.add(part)
    expected = np.unique(np.concatenate(parts), return_counts=True)

    assert [each.tolist() for each in expected] == [each.tolist() for each in counted.result()]
