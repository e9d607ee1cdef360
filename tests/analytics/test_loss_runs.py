"""Fates in run-length form: against plain loops, whole and chunk by chunk, and never over a gap."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.loss import Transitions, loss_periods, transitions
from analytics.loss_models import moment_counts
from analytics.loss_runs import LossRunsBuilder, between, loss_runs
from analytics.probes import ProbeArrays
from tests.analytics.making import probes

SOME = settings(max_examples=80, deadline=None)
PERIODS = "0001001110100111"
STEPS = st.sampled_from(["next"] * 10 + ["absent", "session"])
FATES = st.sampled_from([0, 0, 0, 1, 2, 3])


def sent(lost, seq=None, session=None) -> ProbeArrays:
    """Probes with these fates (0 delivered), numbers and sessions."""
    n = len(lost)
    nothing = np.zeros(n, np.int32)
    return ProbeArrays(
        t_us=np.zeros(n, np.int64), session=nothing if session is None else np.array(session, np.int32),
        seq=np.arange(n, dtype=np.int32) if seq is None else np.array(seq, np.int32), refl_seq=nothing,
        lost=np.array(lost, np.int16), delays={}, further={},
    )  # fmt: skip


def of_bits(bits) -> ProbeArrays:
    """Probes of one session without gaps, of which those marked 1 were lost."""
    return sent([3 * int(bit) for bit in bits])


def rows(probes, part) -> ProbeArrays:
    """Some of the packets."""
    columns = {name: getattr(probes, name)[part] for name in ("t_us", "session", "seq", "refl_seq", "lost")}
    return replace(probes, **columns)


@st.composite
def recordings(draw):
    """Packets of a few sessions with gaps, sorted by session and number."""
    lost, seq, session = [], [], []
    at, mine = draw(st.integers(0, 5)), draw(st.integers(0, 3))
    for _ in range(draw(st.integers(0, 60))):
        step = draw(STEPS)
        at, mine = (draw(st.integers(0, 5)), mine + draw(st.integers(1, 4))) if step == "session" else (at + 1, mine)
        at += draw(st.integers(1, 3)) if step == "absent" else 0
        lost.append(draw(FATES))
        seq.append(at)
        session.append(mine)
    return sent(lost, seq, session)


def stretches(probes):
    """The fates of each stretch, by a plain loop."""
    found = []
    for row in range(probes.n):
        follows = row and probes.session[row] == probes.session[row - 1] and probes.seq[row] == probes.seq[row - 1] + 1
        if not follows:
            found.append([])
        found[-1].append(int(probes.lost[row] > 0))
    return found


def spelled(runs):
    """The fates of each stretch, as the runs say."""
    found = []
    for stretch, (first, end) in enumerate(itertools.pairwise(runs.first.tolist())):
        fates = [[0] * int(runs.good[run]) + [1] * int(runs.lost[run]) for run in range(first, end)]
        found.append([*itertools.chain(*fates), *[0] * int(runs.tail[stretch])])
    return found


def same(one, other):
    """Tell whether two recordings have the same runs."""
    return all(
        getattr(one, name).tolist() == getattr(other, name).tolist() for name in ("good", "lost", "first", "tail")
    )


def test_the_periods_of_rfc_3357():
    """RFC 3357 4: n00 = n01 = 4, n10 = 3, n11 = 4."""
    runs = loss_runs(of_bits(PERIODS))
    assert (runs.good.tolist(), runs.lost.tolist(), runs.tail.tolist()) == ([3, 2, 1, 2], [1, 3, 1, 3], [0])
    assert runs.transitions() == Transitions(good_good=4, good_bad=4, bad_good=3, bad_bad=4)
    assert (runs.n, runs.lost_packets, runs.delivered, runs.stretches, runs.starts_lost) == (16, 8, 8, 1, 0)


@SOME
@given(probes=recordings())
def test_runs_spell_what_was_sent(probes):
    """Fate by fate, and never over a gap or a session's border."""
    runs = loss_runs(probes)
    assert stretches(probes) == spelled(runs)
    assert (probes.n, int((probes.lost > 0).sum())) == (runs.n, runs.lost_packets)
    assert transitions(probes) == runs.transitions()
    assert loss_periods(probes).tolist() == runs.lost.tolist()
    assert runs.starts_lost == sum(fates[0] for fates in stretches(probes))


@SOME
@given(probes=recordings())
def test_patterns_are_those_of_a_plain_loop(probes):
    """1, 11, 10, 111 and 101, over the packets of each stretch."""
    fates = stretches(probes)
    counted = [sum(len(each) for each in fates), sum(sum(each) for each in fates)]
    for pattern in ((1, 1), (1, 0), (1, 1, 1), (1, 0, 1)):
        places = (each[at : at + len(pattern)] for each in fates for at in range(len(each)))
        counted.append(sum(tuple(found) == pattern for found in places))
    assert counted == moment_counts(loss_runs(probes)).sum(axis=1).tolist()


@SOME
@given(probes=recordings(), cuts=st.lists(st.integers(0, 60), max_size=8))
def test_chunks_give_what_the_whole_gives(probes, cuts):
    """Wherever a chunk ends: inside a run, a stretch or a session, or before the first packet."""
    builder = LossRunsBuilder()
    edges = [0, *sorted(min(cut, probes.n) for cut in cuts), probes.n]
    for start, end in itertools.pairwise(edges):
        builder.add(rows(probes, slice(start, end)))
        assert spelled(builder.result()) == stretches(rows(probes, slice(0, end)))
    assert same(loss_runs(probes), builder.result())


def test_sessions_that_overlap_in_time_are_put_together():
    """Two senders whose packets come in turns: chunk by chunk each goes on where it was."""
    whole = sent([0, 1, 1, 0, 1, 1], seq=[0, 1, 2, 0, 1, 2], session=[5] * 3 + [2] * 3)
    builder = LossRunsBuilder()
    for chunk in ([0], [3, 4], [1, 2], [5]):
        builder.add(rows(whole, np.array(chunk)))
    assert spelled(builder.result()) == [[0, 1, 1], [0, 1, 1]]
    assert same(loss_runs(rows(whole, np.array([3, 4, 5, 0, 1, 2]))), builder.result())


def test_blocks_do_not_show():
    """Runs over the borders of blocks of 65,536 packets, and gaps just there."""
    rng = np.random.default_rng(4)
    lost = rng.random(200_000) < 0.01
    lost[65_530:65_540] = lost[131_000:131_080] = True
    gaps = np.cumsum(np.isin(np.arange(lost.size), [65_536, 131_072, 150_000]))
    for seq in (np.arange(lost.size), np.arange(lost.size) + gaps):
        probes = sent(lost, seq)
        runs = loss_runs(probes)
        assert transitions(probes) == runs.transitions()
        assert loss_periods(probes).tolist() == runs.lost.tolist()
        assert runs.stretches == 1 + (int(gaps[-1]) if seq[-1] >= lost.size else 0)


def test_a_chunk_of_before_is_refused():
    """Numbers of a session must rise, also from chunk to chunk."""
    builder = LossRunsBuilder()
    builder.add(of_bits("0011"))
    with pytest.raises(ValueError, match="chunks must come in order of their numbers: 0 after 3"):
        builder.add(of_bits("0"))


def test_the_places_of_losses_are_enough():
    """One piece for each lost packet gives the runs; stretches begin where they are said to."""
    places = np.flatnonzero([int(bit) for bit in PERIODS])
    assert same(loss_runs(of_bits(PERIODS)), between(places, places + 1, np.array([0]), len(PERIODS)))
    assert spelled(between(places, places + 1, np.array([0, 7, 14]), 16)) == [
        [0, 0, 0, 1, 0, 0, 1], [1, 1, 0, 1, 0, 0, 1], [1, 1],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("starts", "ends", "borders", "n", "message"),
    [
        ([0], [1], [], 0, "one stretch"),
        ([0], [1], [1], 2, "borders must ascend from 0"),
        ([0], [1], [0, 2], 2, "borders must ascend from 0"),
        ([0], [1], [0, 1, 1], 2, "borders must ascend from 0"),
        ([1, 1], [2, 3], [0], 5, "not overlap"),
        ([1], [1], [0], 5, "have a length"),
        ([-1], [1], [0], 5, "must ascend"),
        ([1], [3], [0, 2], 5, "one stretch"),
        ([4], [6], [0], 5, "one stretch"),
    ],
)
def test_places_that_do_not_fit_together_are_refused(starts, ends, borders, n, message):
    """Each with what is wrong."""
    with pytest.raises(ValueError, match=message):
        between(*(np.array(each, np.int64) for each in (starts, ends, borders)), n)


def test_nothing_sent_has_no_runs():
    """No packets, no stretch."""
    runs = loss_runs(probes([]))
    assert (runs.n, runs.stretches, runs.lost.size, runs.first.tolist()) == (0, 0, 0, [0])
    assert runs.transitions() == Transitions(0, 0, 0, 0)


@SOME
@given(probes=recordings(), most=st.integers(1, 20))
def test_a_sample_is_taken_from_the_stretches(probes, most):
    """At most so many lines; every stretch of a sample is a piece of one that was recorded."""
    runs = loss_runs(probes)
    sample = runs.sample(most)
    lines = runs.lines()[0].size
    assert sample.lines()[0].size == min(most, lines)
    pieces = ["".join(map(str, fates)) for fates in spelled(runs)]
    assert all(any("".join(map(str, fates)) in piece for piece in pieces) for fates in spelled(sample))
    assert same(sample, runs) or lines > most


def test_a_sample_is_spread_over_the_whole():
    """Windows of 512 lines, the first at the beginning and the last at the end."""
    lost = np.zeros(200_000, int)
    lost[::10] = 1
    runs = loss_runs(sent(lost))
    sample = runs.sample(4096)
    assert (sample.stretches, sample.lines()[0].size) == (8, 4096)
    assert (sample.good[0], sample.tail[-1]) == (0, 9)
    assert sample.lost_packets / sample.n == pytest.approx(0.1, rel=1e-3)
