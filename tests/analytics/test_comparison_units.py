"""A side of a comparison in bounded memory: however its packets are cut, what units add up to is that of the whole."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.burstiness import WorthScan
from analytics.chunks import PacketChunks
from analytics.comparison.figures import spread_of
from analytics.comparison.packet_units import PacketUnits
from analytics.comparison.packets import compare_packets
from analytics.comparison.units import Drawn, blocks_of
from analytics.probes import absent, lost_in, probe_arrays
from analytics.statistics import effective_n
from analytics.waiting_time import late_as_lost
from tests.analytics.making import T0_US, Column, columns
from tests.analytics.test_chunks import cut, recordings

BLOCK_S = 0.5


def kept(chunks, units, lost_after_us=None):
    """Return what the units of some packets add up to."""
    found = PacketUnits(units, 5.0)
    for probes in chunks:
        waited = probes if lost_after_us is None else late_as_lost(probes, lost_after_us)[0]
        found.add(waited, blocks_of(waited.t_us, BLOCK_S, T0_US))
    return found


@settings(max_examples=60, deadline=None)
@given(drawn=recordings(), lost_after_us=st.sampled_from([None, 8000]), gap=st.booleans())
def test_a_side_is_the_same_however_it_is_cut(drawn, lost_after_us, gap):
    """Every effect against another side is equal to the last digit: value, interval, n; so are loss and worth."""
    some, edges = drawn
    whole = probe_arrays(some)
    units = np.unique(blocks_of(whole.t_us, BLOCK_S, T0_US))
    units = units[units % 2 == 0] if gap else units
    packets = PacketChunks()
    cut_up = kept([packets.add(chunk) for chunk in cut(some, edges)], units, lost_after_us)
    at_once = kept([PacketChunks().add(some)], units, lost_after_us)
    other = kept([probe_arrays(columns([
        {"t_us": T0_US + 50_000 * seq, "seq": seq, "rtt_us": 9000 + 37 * (seq % 50)} for seq in range(2000)
    ]))], units)  # fmt: skip
    draws = Drawn(units, units, is_paired=True, unit_name="blocks", least=1)
    assert compare_packets(cut_up, other, draws) == compare_packets(at_once, other, draws)
    assert (cut_up.n, cut_up.late, cut_up.absent, cut_up.is_blind) == (
        at_once.n, at_once.late, at_once.absent, at_once.is_blind
    )  # fmt: skip
    assert cut_up.absent == absent(whole)


@settings(max_examples=40, deadline=None)
@given(drawn=recordings(), q=st.sampled_from(["0.05", "0.5", "0.95"]))
def test_units_say_what_the_packets_in_them_do(drawn, q):
    """Against the plain way: every packet held in memory, each unit looked at on its own."""
    some, _ = drawn
    probes = probe_arrays(some)
    block = blocks_of(probes.t_us, BLOCK_S, T0_US)
    units = np.unique(block)[::2]
    found, inside = kept([probes], units), np.isin(block, units)
    assert found.sent.tolist() == [int((block == unit).sum()) for unit in units]
    assert found.lost.tolist() == [int((probes.lost[block == unit] > 0).sum()) for unit in units]
    for direction, delay in probes.delays.items():
        mine, gone = delay.valid & inside, lost_in(probes.lost, direction) & inside
        delays = found.delays[direction]
        assert (delays.measured, delays.infinite) == (int(mine.sum()), int(gone.sum()))
        if not delays.measured:
            continue
        ordered = np.sort(np.concatenate([delay.us[mine] / 1000, np.full(int(gone.sum()), np.inf)]))
        expected = ordered[int(np.ceil(round(float(q) * ordered.size, 9))) - 1]
        assert delays.quantile_ms(q) == (None if np.isinf(expected) else pytest.approx(expected))
        assert delays.mean(None).value == pytest.approx(delay.us[mine].mean() / 1000)
        order = np.argsort(probes.t_us[mine], kind="stable")
        assert delays.worth() == max(effective_n(delay.us[mine][order].astype(np.int64)), 1)
        # The bucket of a replicate that draws every unit once is 0.1 % away at most.
        once = delays.spread().quantile(q, np.ones((1, units.size))).replicates[0]
        assert once == (np.inf if np.isinf(expected) else pytest.approx(expected, rel=1e-3, abs=1e-9))


@settings(max_examples=40, deadline=None)
@given(drawn=recordings())
def test_a_plan_takes_the_worth_of_the_whole_from_its_chunks(drawn):
    """The losses' where these vary, else the delays', by all packets in order of time."""
    some, edges = drawn
    packets, scan = PacketChunks(), WorthScan()
    for chunk in cut(some, edges):
        scan.add(packets.add(chunk))
    probes = PacketChunks().add(some)
    lost = probes.lost > 0
    delay = probes.delays["round_trip" if probes.has("round_trip") else "up"]
    varies = lost.any() and not lost.all()
    assert scan.n_eff() == effective_n(lost if varies else delay.us[delay.valid].astype(np.int64))
    assert (scan.n, scan.first_us, scan.last_us) == (probes.n, probes.t_us.min(), probes.t_us.max())


def test_memory_does_not_grow_with_the_packets():
    """Three million packets in sixty blocks, whose columns alone would be 90 MB."""
    rng, n, held = np.random.default_rng(2), 100_000, []
    found = PacketUnits(np.arange(60), 100.0)
    tracemalloc.start()
    for number in range(30):
        seq = np.arange(number * n, (number + 1) * n, dtype=np.int32)
        nothing = Column(np.zeros(n, np.int32), np.zeros(n, bool))
        probes = probe_arrays({
            "t_us": Column(T0_US + 200 * seq.astype(np.int64)), "session": Column(np.ones(n, np.int32)),
            "seq": Column(seq), "refl_seq": nothing, "ul_us": nothing, "dl_us": nothing,
            "rtt_us": Column(rng.gamma(4, 4000, n).astype(np.int32)), "copy": Column(np.ones(n, np.int16)),
            "lost": Column(np.zeros(n, np.int16)),
        })  # fmt: skip
        found.add(probes, blocks_of(probes.t_us, 10.0, T0_US))
        del probes, seq, nothing
        held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert found.n == 3_000_000
    # Counts that wait to be merged are 16 MB at most.
    assert max(held) < 20e6


@pytest.mark.parametrize("n", [5000, 60_000])
def test_many_distinct_values_stand_in_groups_and_their_quantiles_stay_exact(n):
    """More than 8,192 distinct decibels: the value is the order statistic, a replicate's rank is off by little."""
    rng = np.random.default_rng(1)
    values = rng.normal(size=n)
    spread = spread_of(values, np.arange(n) % 50, 50)
    found = spread.quantile("0.95", np.ones((1, 50)))
    ordered = np.sort(values)
    assert found.value == ordered[int(np.ceil(0.95 * n)) - 1]
    rank = np.searchsorted(ordered, found.replicates[0])
    assert abs(rank - 0.95 * n) <= n / 8192 + 1
