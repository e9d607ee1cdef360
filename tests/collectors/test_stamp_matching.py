"""What becomes of each packet, against known answers and against the truth of drawn histories."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import collectors.stamp
from collectors.stamp.matching import Matching, Pending, Sent, reached_reflector
from collectors.stamp.packet import Answer, ErrorEstimate, ntp_stamp
from contract.samples import sample_faults

CASES = json.loads((Path(collectors.stamp.__file__).parent / "testcases" / "directional_loss.json").read_text())
T0 = 1_767_225_600_000_000_000
MS = 1_000_000
TIMEOUT = 100 * MS
GAP = MS
GOOD = ErrorEstimate(True, 10, 1)


def sent(seq):
    return Sent(seq, ntp_stamp(T0 + seq * GAP), T0 + seq * GAP, seq * GAP)


def answer(seq, refl_seq, *, t2=None, t3=None, estimate=GOOD, ssid=9, stamp=None):
    t1 = T0 + seq * GAP
    t2 = t1 + 30 * MS if t2 is None else t2
    t3 = t2 + MS if t3 is None else t3
    return Answer(
        refl_seq, ntp_stamp(t3), estimate, ssid, ntp_stamp(t2), seq, ntp_stamp(t1) if stamp is None else stamp, 1, 255
    )


def matching(packets, **options):
    made = Matching(7, TIMEOUT, ssid=9, **options)
    for seq in range(packets):
        made.sent(sent(seq))
    return made


def take(made, seq, refl_seq, *, after=52 * MS, **fields):
    return made.take(answer(seq, refl_seq, **fields), T0 + seq * GAP + after, seq * GAP + after)


def codes(rows):
    return {row.sample["seq"]: row.sample["lost"] for row in rows}


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_direction_of_loss_of_each_case(case):
    made = matching(case["sent"])
    for seq, refl_seq in case["answers"].items():
        assert take(made, int(seq), refl_seq).row is not None
    rows = made.expire(10 * TIMEOUT)
    assert {int(seq): code for seq, code in case["lost"].items()} == codes(rows)
    assert None is made.pending()


@pytest.mark.parametrize(
    ("lost", "before", "after", "accounted", "reached"),
    [
        (3, 0, 1, 0, 0),
        (3, 0, 4, 0, 3),
        (3, 0, 3, 0, 2),
        (1, 0, 9, 0, 1),
        (2, 5, 5, 0, None),
        (2, 5, 4, 0, None),
        (1, 0, 2, 1, 0),
    ],
)
def test_how_many_reached_the_reflector(lost, before, after, accounted, reached):
    assert reached == reached_reflector(lost, before, after, accounted)


def test_delays_of_the_standard_and_of_a_reflector_5_ms_ahead():
    t1 = T0
    plain = take(matching(1), 0, 0, t2=t1 + 30 * MS, t3=t1 + 31 * MS).row.sample
    ahead = take(matching(1), 0, 0, t2=t1 + 35 * MS, t3=t1 + 36 * MS).row.sample
    assert (30_000, 21_000, 51_000) == (plain["ul_us"], plain["dl_us"], plain["rtt_us"])
    assert (35_000, 16_000, 51_000) == (ahead["ul_us"], ahead["dl_us"], ahead["rtt_us"])


def test_negative_one_way_delays_are_kept():
    sample = take(matching(1), 0, 0, t2=T0 - 10 * MS).row.sample
    assert (-10_000, 51_000) == (sample["ul_us"], sample["rtt_us"])


@given(st.integers(-(10**18), 10**18), st.integers(0, 10**6))
def test_up_and_down_make_the_round_trip_whatever_the_far_clock_says(offset_ns, dwell_ns):
    t2 = T0 + 20 * MS + offset_ns
    sample = take(matching(1), 0, 0, t2=t2, t3=t2 + dwell_ns).row.sample
    assert (52 * MS - dwell_ns) / 1000 == pytest.approx(sample["rtt_us"], abs=0.51)
    if sample["ul_us"] is not None and sample["dl_us"] is not None:
        assert sample["rtt_us"] == pytest.approx(sample["ul_us"] + sample["dl_us"], abs=1)
    assert [] == sample_faults("probe", sample)


@pytest.mark.parametrize(
    "fields",
    [{"t2": T0 + 30 * MS, "t3": T0 + 29 * MS}, {"t2": T0, "t3": T0 + 60 * MS}],
    ids=["T3 before T2", "dwell longer than the round trip"],
)
def test_times_that_contradict_themselves_deliver_without_delays(fields):
    taken = take(matching(1), 0, 0, **fields)
    assert taken.unusable
    assert (None, None, None, 0, 1) == tuple(
        taken.row.sample[name] for name in ("ul_us", "dl_us", "rtt_us", "lost", "copy")
    )


def test_ptp_stamps_give_the_round_trip_only():
    t2 = ((T0 + 30 * MS) // 10**9 << 32) + (T0 + 30 * MS) % 10**9
    given_answer = answer(0, 0)._replace(receive_stamp=t2, transmit_stamp=t2 + MS, estimate=GOOD._replace(ptp=True))
    sample = matching(1).take(given_answer, T0 + 52 * MS, 52 * MS).row.sample
    assert (None, None, 51_000) == (sample["ul_us"], sample["dl_us"], sample["rtt_us"])


@pytest.mark.parametrize("step_ns", [-3600 * 10**9, -2 * MS, 2 * MS, 3600 * 10**9])
def test_a_clock_step_leaves_the_monotonic_round_trip(step_ns):
    taken = matching(1).take(answer(0, 0), T0 + 52 * MS + step_ns, 52 * MS)
    assert taken.stepped
    assert (None, None, 51_000) == tuple(taken.row.sample[name] for name in ("ul_us", "dl_us", "rtt_us"))


def test_half_a_millisecond_is_no_clock_step():
    taken = matching(1).take(answer(0, 0), T0 + 52 * MS + MS // 2, 52 * MS)
    assert (False, 51_500) == (taken.stepped, taken.row.sample["rtt_us"])


def test_further_answers_are_copies_in_rows_of_their_own():
    made = matching(1)
    rows = [take(made, 0, number, after=after).row for number, after in ((0, 50 * MS), (1, 51 * MS), (2, 60 * MS))]
    assert [(1, 0), (2, 1), (3, 2)] == [(row.sample["copy"], row.sample["refl_seq"]) for row in rows]
    assert {T0} == {row.t_ns for row in rows}
    assert [] == made.expire(10 * TIMEOUT)
    assert (1, 2) == (made.counts.delivered, made.counts.further_copies)


def test_a_copy_made_on_the_way_up_does_not_turn_a_loss_up_into_one_down():
    made = matching(3)
    take(made, 0, 0)
    take(made, 0, 1)
    take(made, 2, 2)
    assert {1: 1} == codes(made.expire(10 * TIMEOUT))


def test_what_answers_none_of_ours_is_told_apart():
    made = matching(2)
    assert "unknown" == take(made, 5, 0).ignored
    assert "foreign" == take(made, 0, 0, stamp=ntp_stamp(T0 - 1)).ignored
    assert "foreign" == take(made, 0, 0, ssid=8).ignored
    assert take(made, 0, 0, ssid=0).row is not None
    assert "late" == take(made, 1, 1, after=TIMEOUT + 1).ignored
    assert {1: 3} == codes(made.expire(10 * TIMEOUT))
    assert "late" == take(made, 0, 2).ignored


def test_a_packet_is_lost_only_when_its_own_timeout_has_passed():
    made = matching(3)
    assert [] == made.expire(TIMEOUT)
    assert {0: 3} == codes(made.expire(TIMEOUT + 1))
    assert Pending(2, 1, 2) == made.pending()
    row = made.expire(TIMEOUT + GAP + 1)[0]
    assert T0 + GAP == row.t_ns
    assert {"session": 7, "seq": 1, "copy": 0, "lost": 3} == row.sample


def test_what_this_computer_could_not_send_is_lost_up_at_once_and_only_once():
    made = matching(2)
    assert {0: 1} == codes([made.refused(0)])
    take(made, 1, 0)
    assert [] == made.expire(10 * TIMEOUT)
    assert (1, 1, 2) == (made.counts.lost_up, made.counts.delivered, made.counts.sent)


def test_a_stateless_reflector_proves_no_direction():
    made = matching(3, stateful=False)
    assert None is take(made, 0, 0).row.sample["refl_seq"]
    take(made, 2, 2)
    assert {1: 3} == codes(made.expire(10 * TIMEOUT))


def test_numbers_must_follow_each_other():
    with pytest.raises(ValueError, match="0 is next"):
        Matching(1, TIMEOUT).sent(sent(1))


def test_a_restarted_reflector_is_counted_and_directions_are_known_again_afterwards():
    made = Matching(7, TIMEOUT, ssid=9)
    number = 0
    rows = []
    for seq in range(1000):
        made.sent(sent(seq))
        if seq == 500:
            number = 0
        if seq % 10 == 5:
            rows += made.expire(seq * GAP)
            continue  # lost on the way up
        take(made, seq, number)
        number += 1
    rows += made.expire(10**12)
    assert 1 == made.counts.reflector_restarts
    assert 100 == len(rows)
    assert {1} == {row.sample["lost"] for row in rows}


@st.composite
def histories(draw):
    """Packets with fates, the reflector's numbers as it would give them, and when each answer comes."""
    packets = draw(st.integers(1, 60))
    burst = random.Random(draw(st.integers(0, 2**32)))
    weights = draw(st.sampled_from([(1, 1, 1), (8, 1, 1), (1, 8, 8), (20, 1, 0), (20, 0, 1)]))
    fates = []
    while len(fates) < packets:
        fates += burst.choices(["delivered", "up", "down"], weights) * burst.randint(1, 6)
    delay = [burst.randint(5, 90) * MS for _ in range(packets)]
    return fates[:packets], delay, draw(st.integers(0, packets * GAP + 2 * TIMEOUT))


def play(fates, delays, end_ns):
    """Return the matching and its rows after all answers up to `end_ns`, with expiry looked at each 10 ms."""
    made = Matching(7, TIMEOUT, ssid=9)
    happenings, number = [], 0
    for seq, (fate, delay) in enumerate(zip(fates, delays, strict=True)):
        happenings.append((seq * GAP, 0, seq, 0))
        if fate != "up":
            if fate == "delivered":
                happenings.append((seq * GAP + delay, 1, seq, number))
            number += 1
    happenings += [(tick, 2, 0, 0) for tick in range(0, end_ns, 10 * MS)]
    rows = []
    for at, kind, seq, refl_seq in sorted(happenings):
        if at > end_ns:
            break
        if kind == 0:
            made.sent(sent(seq))
        elif kind == 1:
            rows.append(take(made, seq, refl_seq, after=at - seq * GAP).row)
        else:
            rows += made.expire(at)
    return made, rows


@given(histories())
@settings(max_examples=200, deadline=None)
def test_each_packet_sent_is_delivered_lost_or_pending_and_in_one_row_at_most(history):
    made, rows = play(*history)
    counts, pending = made.counts, made.pending()
    lost = counts.lost_up + counts.lost_down + counts.lost_unknown
    assert counts.sent == counts.delivered + lost + (pending.packets if pending else 0)
    seqs = [row.sample["seq"] for row in rows]
    assert len(set(seqs)) == len(seqs) == counts.delivered + lost
    assert all(not sample_faults("probe", row.sample) for row in rows)


@given(histories())
@settings(max_examples=200, deadline=None)
def test_directions_agree_with_the_truth_without_reordering(history):
    fates, delays, _ = history
    _, rows = play(fates, delays, 10**10)
    truth = dict(enumerate(fates))
    by_seq = {row.sample["seq"]: row.sample for row in rows}
    assert len(fates) == len(by_seq)
    for seq, sample in by_seq.items():
        assert (truth[seq] == "delivered") == (sample["lost"] == 0)
        assert {1: "up", 2: "down"}.get(sample["lost"], truth[seq]) == truth[seq]
    # What is left open is a run with both, or the tail; the numbers around a run still tell its counts.
    before = (-1, -1)
    for seq in range(len(fates)):
        if by_seq[seq]["lost"]:
            continue
        run = fates[before[0] + 1 : seq]
        reached = reached_reflector(len(run), before[1], by_seq[seq]["refl_seq"])
        assert run.count("down") == reached
        assert all(by_seq[each]["lost"] != 3 for each in range(before[0] + 1, seq)) or len(set(run)) == 2
        before = (seq, by_seq[seq]["refl_seq"])
    assert all(by_seq[seq]["lost"] in {0, 3} for seq in range(before[0] + 1, len(fates)))


def test_memory_is_bounded_by_the_timeout():
    made = Matching(7, TIMEOUT, ssid=9)
    for seq in range(5000):
        made.sent(sent(seq))
        if seq % 3:
            take(made, seq, seq - seq // 3 - 1)
        made.expire(seq * GAP)
    assert len(made._window) <= TIMEOUT // GAP + 1
    assert len(made._numbers) <= TIMEOUT // GAP + 1
    assert len(made._delivered_ahead) <= TIMEOUT // GAP + 10
