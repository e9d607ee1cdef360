"""Answers matched with what was sent: every packet gets one fate, and a direction only where it is proven."""

import csv
import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import collectors.stamp
from collectors.stamp.matching import LOST_DOWN, LOST_UNKNOWN, LOST_UP, Matcher, direction_of_loss
from contract.samples import sample_faults

CASES = sorted((Path(collectors.stamp.__file__).parent / "testcases").glob("*.csv"))
DELAYS = {"ul_us": 1000, "dl_us": 1000, "rtt_us": 2000}
SESSION, TIMEOUT_S = 77, 1.0


def session(count, *, spacing_s=0.01):
    matcher = Matcher(SESSION, TIMEOUT_S)
    for seq in range(count):
        matcher.sent(seq, seq * 1_000_000, seq * spacing_s)
    return matcher


def codes(answers, count):
    """Codes of `count` packets of which `answers` (seq to reflector's number) were answered, in that order."""
    matcher = session(count)
    rows = [matcher.answered(seq, refl_seq, 0.5, DELAYS) for seq, refl_seq in answers.items()]
    rows += matcher.expired(100.0)
    assert all([] == sample_faults("probe", row.sample) for row in rows)
    assert [] == matcher.pending()
    return [code for _, code in sorted((row.sample["seq"], row.sample["lost"]) for row in rows)]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_each_case_gives_its_expected_codes(path):
    lines = csv.reader(line for line in path.read_text().splitlines() if line and not line.startswith("#"))
    cases = [(int(seq), int(refl_seq) if refl_seq else None, int(code)) for seq, refl_seq, code in lines]
    answers = {seq: refl_seq for seq, refl_seq, _ in cases if refl_seq is not None}
    assert [code for *_, code in cases] == codes(answers, len(cases))


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({0: 0, 4: 1}, [0, 1, 1, 1, 0]),
        ({0: 0, 4: 4}, [0, 2, 2, 2, 0]),
        ({0: 0, 4: 2}, [0, 3, 3, 3, 0]),
        ({0: 0, 2: 1, 4: 3}, [0, 1, 0, 2, 0]),
        ({2: 0, 3: 1}, [3, 3, 0, 0, 3]),
        ({}, [3, 3, 3, 3, 3]),
        ({4: 4, 2: 2, 0: 0}, [0, 2, 0, 2, 0]),
    ],
    ids=["all up", "all down", "mixed", "one up, one down", "head and tail", "nothing answered", "answers reordered"],
)
def test_direction_of_loss(answers, expected):
    assert expected == codes(answers, 5)


@pytest.mark.parametrize(
    ("gap", "reached", "code"),
    [(1, 0, LOST_UP), (1, 1, LOST_DOWN), (3, 1, LOST_UNKNOWN), (3, 3, LOST_DOWN), (2, -1, LOST_UP), (2, 5, LOST_DOWN)],
)
def test_all_or_none_is_proof(gap, reached, code):
    assert code == direction_of_loss(gap, reached)


def test_an_answer_gives_a_row_with_the_sending_time():
    row = session(3).answered(2, 1, 0.5, DELAYS)
    assert 2_000_000 == row.t_ns
    assert {"session": SESSION, "seq": 2, "refl_seq": 1, "copy": 1, "lost": 0, **DELAYS} == row.sample


def test_a_lost_packet_has_its_sending_time_and_no_delays():
    matcher = session(1)
    assert [(0, {"session": SESSION, "seq": 0, "copy": 0, "lost": 3})] == matcher.expired(TIMEOUT_S)


def test_further_answers_are_copies_2_and_3_and_the_packet_is_not_lost():
    matcher = session(1)
    assert [1, 2, 3] == [matcher.answered(0, number, 0.1, DELAYS).sample["copy"] for number in (0, 1, 1)]
    assert [] == matcher.expired(100.0)
    assert 0 == matcher.late


def test_an_answer_after_the_timeout_is_late_and_gives_no_row():
    matcher = session(1)
    assert 1 == len(matcher.expired(TIMEOUT_S))
    assert matcher.answered(0, 0, TIMEOUT_S + 0.1, DELAYS) is None
    assert 1 == matcher.late


def test_an_answer_after_the_timeout_is_late_though_nobody_looked_yet():
    """The packet's own time decides, not when somebody asked what has expired."""
    matcher = session(1)
    assert matcher.answered(0, 0, TIMEOUT_S + 0.001, DELAYS) is None
    assert [0] == matcher.pending()
    assert [3] == [row.sample["lost"] for row in matcher.expired(TIMEOUT_S + 0.05)]
    assert 1 == matcher.late


def test_an_answer_to_nothing_is_late():
    matcher = session(1)
    assert matcher.answered(9, 0, 0.1, DELAYS) is None
    assert 1 == matcher.late


def test_a_packet_expires_at_its_own_time():
    matcher = session(3, spacing_s=0.5)
    assert [] == matcher.expired(0.99)
    assert [0] == [row.sample["seq"] for row in matcher.expired(1.4)]
    assert [1, 2] == matcher.pending()
    assert not matcher.waits_for(0)
    assert matcher.waits_for(1)


def test_a_long_session_forgets_old_neighbours_and_still_knows_directions():
    """Every tenth packet is lost on the way down, in a session far longer than what is kept."""
    matcher, found = Matcher(SESSION, TIMEOUT_S), []
    for seq in range(30_000):
        now_s = seq * 0.001
        matcher.sent(seq, seq, now_s)
        if seq % 10:
            matcher.answered(seq, seq, now_s, DELAYS)
        if seq % 100 == 0:
            found += [row.sample["lost"] for row in matcher.expired(now_s)]
    assert len(matcher._delivered) < 3 * 4096
    assert LOST_UNKNOWN == found.pop(0), "nothing was delivered before the first"
    assert {LOST_DOWN} == set(found)
    assert len(found) > 2800


# Against brute force

UP, DOWN, DELIVERED, LATE = "up", "down", "delivered", "late"
TRUTH = {UP: LOST_UP, DOWN: LOST_DOWN, LATE: LOST_DOWN}
RTT_S, SPACING_S, TOO_LATE_S = 0.2, 0.1, 1.35


@st.composite
def histories(draw):
    """Fates of packets on in-order paths, times at which somebody looks, and the time of the end."""
    fates = draw(st.lists(st.sampled_from([UP, DOWN, DELIVERED, DELIVERED, DELIVERED, LATE]), max_size=40))
    copies = draw(st.lists(st.integers(1, 3), min_size=len(fates), max_size=len(fates)))
    end_s = draw(st.floats(0, len(fates) * SPACING_S + 2.5))
    ticks = draw(st.lists(st.floats(0, end_s), max_size=30))
    return fates, copies, sorted(ticks), end_s


def played(fates, copies, ticks, end_s):
    """Return (number sent, rows, pending, late) of a Matcher that lives through a history."""
    matcher, rows, numbers = Matcher(SESSION, TIMEOUT_S), [], itertools.count()
    events = [(at_s, 2, "look", 0, 0) for at_s in (*ticks, end_s)]
    for seq, fate in enumerate(fates):
        sent_s = seq * SPACING_S
        events.append((sent_s, 0, "send", seq, 0))
        if fate != UP:
            refl_seq = next(numbers)
            if fate == LATE:
                events.append((sent_s + TOO_LATE_S, 1, "answer", seq, refl_seq))
            elif fate == DELIVERED:
                # Copies made on the way down: the reflector saw the packet once.
                events += [(sent_s + RTT_S + 0.01 * copy, 1, "answer", seq, refl_seq) for copy in range(copies[seq])]
    sent = 0
    for at_s, _, what, seq, refl_seq in sorted(events):
        if at_s > end_s:
            break
        if what == "send":
            matcher.sent(seq, round(at_s * 1e9), at_s)
            sent += 1
        elif what == "answer":
            rows += [row for row in [matcher.answered(seq, refl_seq, at_s, DELAYS)] if row]
        else:
            rows += matcher.expired(at_s)
    return sent, [row.sample for row in rows], matcher.pending(), matcher.late


@given(histories())
def test_delivered_lost_and_pending_are_what_was_sent(history):
    sent, rows, pending, _ = played(*history)
    packets = [row["seq"] for row in rows if row["copy"] <= 1]
    assert len(packets) == len(set(packets)), "no packet has two fates"
    assert list(range(sent)) == sorted(packets + pending)
    assert all([] == sample_faults("probe", row) for row in rows)
    assert all((row["copy"] == 0) == (row["lost"] > 0) for row in rows)


@given(histories())
def test_codes_agree_with_the_truth_wherever_they_claim_to_know(history):
    fates = history[0]
    _, rows, _, _ = played(*history)
    for row in rows:
        if row["copy"] == 0:
            assert row["lost"] in {LOST_UNKNOWN, TRUTH[fates[row["seq"]]]}
        else:
            assert DELIVERED == fates[row["seq"]]


@given(histories())
def test_the_reflectors_numbers_give_the_counts_of_every_run(history):
    """Between two delivered packets, those that reached the reflector are known by number, mixed or not."""
    fates = history[0]
    _, rows, _, _ = played(*history)
    delivered = sorted((row["seq"], row["refl_seq"]) for row in rows if row["copy"] == 1)
    lost = {row["seq"]: row["lost"] for row in rows if row["copy"] == 0}
    for (before, refl_before), (after, refl_after) in itertools.pairwise(delivered):
        run = range(before + 1, after)
        reached = refl_after - refl_before - 1
        assert sum(fates[seq] != UP for seq in run) == reached
        known = [lost[seq] for seq in run if lost.get(seq, LOST_UNKNOWN) != LOST_UNKNOWN]
        if known:
            assert reached in {0, len(run)}


@given(histories())
def test_with_patience_only_head_tail_and_mixed_runs_are_unknown(history):
    """Once everything is over, a run between delivered packets that was lost in one direction has that direction."""
    fates, copies, _, _ = history
    _, rows, pending, late = played(fates, copies, [], 1000.0)
    assert [] == pending
    assert fates.count(LATE) == late
    answered = [seq for seq, fate in enumerate(fates) if fate == DELIVERED]
    for row in (row for row in rows if row["copy"] == 0):
        before = [seq for seq in answered if seq < row["seq"]]
        after = [seq for seq in answered if seq > row["seq"]]
        run = {TRUTH[fate] for fate in fates[before[-1] + 1 : after[0]]} if before and after else {LOST_UP, LOST_DOWN}
        assert (run.pop() if len(run) == 1 else LOST_UNKNOWN) == row["lost"]
