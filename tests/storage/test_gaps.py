"""The classifier of gaps: pure functions on tables of cases."""

from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.gap_evidence import SourceEvent, StateChange, from_silence, from_sources, from_states, under_way
from storage.gap_reasons import REASONS, ReasonId, reasons_md
from storage.gaps import (
    BatchGap,
    EpochLedger,
    Evidence,
    Interval,
    classify_numbers,
    classify_pause,
    longest_pause_s,
    merged,
    pauses,
    share_time,
)


def ledger(absent, first=1, last=100, **more):
    """Make a ledger; `absent` as the database has it, ascending and without overlaps."""
    return EpochLedger(device="car-1", epoch="e1", first_seq=first, last_seq=last, absent=absent, **more)


def numbers(given_ledger):
    """Return the gaps in a form that reads as a table."""
    return [
        (gap.first_seq, gap.last_seq, gap.reason + ("*" if gap.edge else "")) for gap in classify_numbers(given_ledger)
    ]


@pytest.mark.parametrize(
    ("given_ledger", "expected"),
    [
        (ledger([]), []),
        # Nobody speaks for the outbox: an import, or a life that has ended.
        (ledger([(5, 7)]), [(5, 7, "lost")]),
        (ledger([(5, 7)], quarantined=[(6, 6)]), [(5, 5, "lost"), (6, 6, "quarantined"), (7, 7, "lost")]),
        (ledger([(5, 30)], dropped=[(1, 20), (25, 26)]),
         [(5, 20, "dropped"), (21, 24, "lost"), (25, 26, "dropped"), (27, 30, "lost")]),
        (ledger([(5, 30)], dropped=[(1, 20)], damaged=[(7, 7), (29, 29)]),
         [(5, 6, "dropped"), (7, 7, "damaged"), (8, 20, "dropped"), (21, 28, "lost"), (29, 29, "damaged"),
          (30, 30, "lost")]),
        # The outbox says that it holds as many as are absent, or fewer: then the oldest are gone.
        (ledger([(5, 7), (50, 59)], told_taken=100, told_pending=13), [(5, 7, "in_outbox"), (50, 59, "in_outbox")]),
        (ledger([(5, 7), (50, 59)], told_taken=100, told_pending=4),
         [(5, 7, "lost"), (50, 55, "lost"), (56, 59, "in_outbox")]),
        (ledger([(5, 7)], told_taken=100, told_pending=0), [(5, 7, "lost")]),
        # Given after the last life sign: on their way.
        (ledger([(90, 99)], told_taken=94, told_pending=0), [(90, 94, "lost"), (95, 99, "in_outbox")]),
        (ledger([(98, 99)], told_taken=94), [(98, 99, "in_outbox")]),
        # Edges: up to the next number that arrived in another run, and the tail.
        (ledger([(3, 9), (101, 120)], first=10, told_taken=120, told_pending=20),
         [(3, 9, "lost*"), (101, 120, "in_outbox*")]),
        (ledger([(3, 8), (150, 160)], first=10), []),
        (ledger([(8, 12)], first=10), [(8, 9, "lost*"), (10, 12, "lost")]),
        # What the outbox holds beyond the run takes its share of what it says it holds.
        (ledger([(5, 6), (150, 160)], told_taken=200, told_pending=11), [(5, 6, "lost")]),
        # Nothing of this life has arrived.
        (ledger([(1, 40)], first=None, last=None, told_taken=40, told_pending=30, dropped=[(1, 10)]),
         [(1, 10, "dropped*"), (11, 40, "in_outbox*")]),
    ],
)  # fmt: skip
def test_each_absent_number_has_its_reason(given_ledger, expected):
    """Reasons follow from the ledger, the drop reports and the last life sign."""
    assert expected == numbers(given_ledger)


ranges = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 8)), max_size=6).map(
    lambda pairs: merged((first, first + more) for first, more in pairs)
)


@given(
    absent=ranges,
    explained=st.fixed_dictionaries(
        {
            "quarantined": ranges,
            "dropped": ranges,
            "damaged": ranges,
            "told_taken": st.integers(0, 70) | st.none(),
            "told_pending": st.integers(0, 30),
        }
    ),
    first=st.integers(1, 60),
    more=st.integers(0, 20),
)
def test_the_classes_add_up_to_what_is_absent(absent, explained, first, more):
    """Every absent number of the run and its edges is in exactly one range, and nothing else is."""
    given_ledger = ledger(absent, first, first + more, **explained)
    listed = [n for gap in classify_numbers(given_ledger) for n in range(gap.first_seq, gap.last_seq + 1)]

    gone = {n for a, b in absent for n in range(a, b + 1)}
    inside = {n for n in gone if first <= n <= first + more}
    edges = {n for a, b in absent if a <= first - 1 <= b for n in range(a, first)}
    edges |= {n for a, b in absent if a <= first + more + 1 <= b for n in range(first + more + 1, b + 1)}
    assert sorted(inside | edges) == listed


def test_adjoining_ranges_share_the_time_between_the_batches_that_arrived():
    """Thirty dropped, then ten waiting, between two batches 40 s apart; a range apart from them keeps its own."""
    at = [datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC) for second in (0, 30, 40, 50, 55)]

    def gap(first, last, reason, after, before):
        return BatchGap(
            device="car-1", epoch="e1", first_seq=first, last_seq=last, reason=reason, edge=False, after=after,
            before=before,
        )  # fmt: skip

    given_gaps = [
        gap(1, 30, "dropped", at[0], at[2]),
        gap(31, 40, "in_outbox", at[0], at[2]),
        gap(50, 50, "lost", at[3], at[4]),
    ]
    assert [(at[0], at[1]), (at[1], at[2]), (at[3], at[4])] == [
        (each.after, each.before) for each in share_time(given_gaps)
    ]
    unknown = [msgspec.structs.replace(each, before=None) for each in given_gaps]
    assert unknown == share_time(unknown)


@pytest.mark.parametrize(
    ("seconds", "longest_s", "settle_s", "expected"),
    [
        (range(100, 110), 2, 0, []),
        ([], 2, 0, [(100, 110)]),
        ([100, 101, 107, 108, 109], 2, 0, [(102, 107)]),
        ([100, 103, 106, 109], 2, 0, []),
        ([100, 103, 106, 109], 1, 0, [(101, 103), (104, 106), (107, 109)]),
        (range(104, 110), 2, 0, [(100, 104)]),
        (range(100, 105), 2, 0, [(105, 110)]),
        (range(100, 105), 2, 5, []),
        ([90, *range(100, 110), 120], 2, 0, []),
    ],
)
def test_pauses_are_what_sampling_does_not_explain(seconds, longest_s, settle_s, expected):
    """Stretches longer than the longest pause; at the end of a run that goes on a little more is allowed."""
    found = pauses(np.array(list(seconds), np.int64), 100, 110, longest_s=longest_s, settle_s=settle_s)
    assert expected == found


@pytest.mark.parametrize(
    ("seconds", "counts", "periods", "expected"),
    [
        (range(50), [10] * 50, 20, 2),  # 10 a second
        (range(50), [1] * 50, 20, 20),  # one a second, perhaps with exponential gaps
        (range(0, 50, 5), [1] * 10, 3, 15),  # host: one in five seconds
        ([7], [1], 3, 2),
        ([], [], 3, 2),
    ],
)
def test_the_longest_pause_follows_the_sampling_interval(seconds, counts, periods, expected):
    """Some intervals, and at least two seconds."""
    found = longest_pause_s(np.array(list(seconds), np.int64), np.array(counts, np.int64), periods=periods)
    assert expected == found


def test_a_pause_is_cut_where_the_reason_changes():
    """Earlier evidence wins, what none covers is lost, and neighbours with one reason are one."""
    evidence = [Evidence("dropped", 12, 14), Evidence("agent_down", 13, 20), Evidence("agent_down", 20, 25)]

    assert [
        Interval(10, 12, "lost"), Interval(12, 14, "dropped"), Interval(14, 25, "agent_down"), Interval(25, 30, "lost"),
    ] == classify_pause(10, 30, evidence)  # fmt: skip


def test_a_short_stretch_beside_an_explained_one_belongs_to_it():
    """The last samples of two streams need not fall into one second; alone, or longer, such a stretch is lost."""
    evidence = [Evidence("agent_down", 12, 20)]

    assert [Interval(10, 23, "agent_down")] == classify_pause(10, 23, evidence, longest_s=3)
    assert [
        Interval(10, 20, "agent_down"), Interval(20, 24, "lost"),
    ] == classify_pause(10, 24, evidence, longest_s=3)  # fmt: skip
    assert [Interval(30, 32, "lost")] == classify_pause(30, 32, evidence, longest_s=3)
    assert [Interval(10, 12, "lost")] == classify_pause(10, 12, [Evidence("lost", 10, 12)], longest_s=3)


reasons = st.sampled_from(list(REASONS))
evidences = st.lists(st.builds(Evidence, reasons, st.integers(0, 60), st.integers(0, 60)), max_size=8)


@given(st.sets(st.integers(0, 59)), st.integers(0, 6), evidences)
def test_every_second_is_covered_or_in_one_gap(seconds, longest_s, evidence):
    """Gaps do not overlap, hold no sample, and with the covered seconds make up the run."""
    found = [
        interval
        for low, high in pauses(np.array(sorted(seconds), np.int64), 0, 60, longest_s=longest_s)
        for interval in classify_pause(low, high, evidence, longest_s=longest_s)
    ]
    in_gaps = [second for each in found for second in range(each.start_s, each.end_s)]
    uncovered = set(range(60)) - set(in_gaps)

    assert len(in_gaps) == len(set(in_gaps))
    assert not set(in_gaps) & seconds
    assert seconds <= uncovered


def test_a_failing_source_is_the_links_fault_for_probes_only():
    """From its first failure to the end of its trials; after the last one no longer than its announced pause."""
    events = [
        SourceEvent(10, "source.started"),
        SourceEvent(50, "source.failed", 1),
        SourceEvent(51, "source.started"),
        SourceEvent(61, "source.failed", 2),
    ]
    seconds = np.arange(11, 47)

    expected = [(47, 51), (50, 52), (51, 62), (61, 65)]
    assert [Evidence("link_down", *span) for span in expected] == from_sources(events, "probe", seconds)[:-1]
    assert {"agent_down"} == {each.reason for each in from_sources(events, "host", seconds)}


def test_a_killed_agent_is_no_failing_source():
    """A start that no failure preceded says nothing of the link; nothing was measured before the first one."""
    events = [SourceEvent(10, "source.started"), SourceEvent(90, "source.started")]
    assert [Evidence("agent_down", 0, 12)] == from_sources(events, "probe", np.arange(10, 50))
    assert [] == from_sources(events, "probe", np.arange(5, 50))


def test_packets_under_way_when_a_sender_stopped_are_no_alarm():
    """Those whose answers it awaited have no row: unanswered at an orderly end, gone with an agent that died."""
    pending = [SourceEvent(60, "probe.pending")]
    assert [Evidence("link_down", 46, 61)] == from_sources(pending, "probe", np.arange(10, 46))
    assert [] == from_sources(pending, "host", np.arange(10, 46))
    assert [Evidence("agent_down", 43, 60)] == under_way([Evidence("agent_down", 60, 90)], 17.0)
    assert [] == under_way([Evidence("agent_down", 60, 90)], 0)


def test_goodbye_is_a_stop_until_the_device_is_back():
    """Between offline and the next word, or the end; a lost connection alone is no stop."""
    changes = [StateChange("online", 1), StateChange("offline", 10), StateChange("online", 20), StateChange("lost", 30)]
    assert [Evidence("agent_down", 10, 20)] == from_states(changes, 100)
    assert [Evidence("agent_down", 10, 100)] == from_states(changes[:2], 100)
    assert [] == from_states([], 100)


def test_silence_is_a_stop_only_while_the_device_was_heard_again():
    """After the last sign nobody knows; data that no agent sent end where they end."""
    alive = np.array([*range(20), *range(60, 80)], np.int64)
    assert [
        Evidence("agent_down", 20, 60), Evidence("agent_down", 80, 91), Evidence("unreachable", 91, 100),
    ] == from_silence(alive, 0, 100, last_heard_s=90)  # fmt: skip
    assert [Evidence("agent_down", 20, 60), Evidence("agent_down", 80, 100)] == from_silence(alive, 0, 100, None)
    # A life sign just after the last sample proves no stop.
    assert [Evidence("agent_down", 20, 60), Evidence("unreachable", 80, 100)] == from_silence(alive, 0, 100, 81)


def test_the_table_of_reasons_is_complete():
    """Each id has both names, how it is known and what to do; only the unexplained is an alarm."""
    assert set(ReasonId.__args__) == set(REASONS)
    assert ["lost"] == [reason.id for reason in REASONS.values() if reason.is_alarm]
    for reason in REASONS.values():
        texts = [reason.ja, reason.en, reason.known_ja, reason.known_en, reason.todo_ja, reason.todo_en]
        assert all(texts), reason
        assert f"`{reason.id}`" in reasons_md()
    assert msgspec.json.encode(classify_numbers(ledger([(5, 5)])))
