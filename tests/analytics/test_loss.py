"""Loss, its direction and its runs; absent packets, duplicates and repeated rows."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.data_hash import data_hash
from analytics.evaluate import evaluate_link
from analytics.loss import LossCounts, Transitions, count_losses, loss_distances, loss_periods, lost_places, transitions
from analytics.loss_runs import loss_runs
from analytics.probes import absent, probe_arrays
from analytics.requirements import Parameters, Profile
from analytics.statistics import proportion_interval
from tests.analytics.lawful import check_all
from tests.analytics.making import by_name, columns, probes, round_trips, subject

PERIODS = "0001001110100111"


def from_bits(bits):
    """Probes of which those marked 1 were lost."""
    return round_trips([None if int(bit) else 10 for bit in bits])


def test_the_ratio_of_rfc_7680():
    """One of five lost is 0.2."""
    results = by_name(evaluate_link(from_bits("00100"), subject()))
    assert (results["loss", "round_trip", "ratio"].value, results["loss", "round_trip", "count"].value) == (0.2, 1.0)


@pytest.mark.parametrize(("bits", "lengths"), [(PERIODS, [1, 3, 1, 3]), ("0100101011", [1, 1, 1, 2]), ("000", [])])
def test_the_periods_of_rfc_3357(bits, lengths):
    """RFC 3357 4 and 6.5."""
    assert lengths == loss_periods(from_bits(bits)).tolist()


def test_every_loss_vector(vectors):
    """Ratios, period lengths and the Gilbert fit from the vectors."""
    for case in vectors["vectors"]["loss_ratio"]:
        counts = count_losses(from_bits(case["lost"]))
        assert case["ratio"] == counts.lost / counts.sent
    for case in vectors["vectors"]["loss_pattern"]:
        if "lost" in case:
            assert case["period_lengths"] == loss_periods(from_bits(case["lost"])).tolist()
            check_periods(case)
    for case in vectors["statistics"]["gilbert"]:
        assert (case["p"], case["q"]) == model_of(case["lost"])


def check_periods(case):
    """RFC 3357 5.4.3 and 6.2 to 6.4 of one sequence: where periods start, their number, and how far apart they are."""
    runs = loss_runs(from_bits(case["lost"]))
    starts = np.cumsum(runs.good + runs.lost) - runs.lost
    if "loss_period_start_index0" in case:
        assert case["loss_period_start_index0"] == starts.tolist()
    if "period" in case:
        number = np.zeros(len(case["lost"]), int)
        for place, (start, length) in enumerate(zip(starts.tolist(), runs.lost.tolist(), strict=True), start=1):
            number[start : start + length] = place
        assert case["period"] == number.tolist()
    results = by_name(evaluate_link(from_bits(case["lost"]), subject()))
    assert case.get("period_total", len(case["period_lengths"])) == results["loss_burst", "round_trip", "count"].value
    # The first period has none before it: RFC 3357 says 0, and it is left out.
    apart = case.get("inter_loss_period_lengths", [0, *np.diff(starts) - runs.lost[:-1] + 1])[1:]
    assert list(apart) == runs.apart.tolist()
    for name, expected in (("mean", np.mean(apart)), ("min", min(apart)), ("max", max(apart))):
        assert expected == results["inter_loss_period", "round_trip", name].value


def test_periods_have_no_distance_over_what_was_not_recorded():
    """Over an absent number or to another session nobody knows; a single period has no distance either."""
    rows = [(1, 0), (1, 2), (1, 3), (2, 0), (2, 1)]
    marks = [{}, {}, {"rtt_us": 5}, {"rtt_us": 5}, {}]
    sent = probes([
        {"session": session, "seq": seq, "t_us": at} | mark
        for at, ((session, seq), mark) in enumerate(zip(rows, marks, strict=True))
    ])  # fmt: skip
    assert loss_runs(sent).apart.size == 0
    assert ("inter_loss_period", "round_trip", "mean") not in by_name(evaluate_link(sent, subject()))


def test_a_burst_reaches_the_results():
    """Number, mean and largest length of loss periods."""
    results = by_name(evaluate_link(from_bits(PERIODS), subject()))
    assert [results["loss_burst", "round_trip", name].value for name in ("count", "mean", "max")] == [4.0, 2.0, 3.0]


def lost_at(numbers):
    """Probes of which those with these numbers were lost."""
    return round_trips([None if number in numbers else 10 for number in range(max(numbers) + 2)])


def distances(sent):
    """Loss distances of probes."""
    return loss_distances(sent, lost_places(sent)).tolist()


def test_the_distances_of_rfc_3357():
    """The example of 5.4.3 with its noticeable rate for a loss constraint of two (6.1)."""
    sent = from_bits("0100101011")
    assert distances(sent) == [0, 3, 2, 2, 1]
    results = by_name(evaluate_link(sent, subject(constrained(2))))
    found = {name: results["loss_distance", "round_trip", name].value for name in ("mean", "min", "p50", "max")}
    assert found == {"mean": 2.0, "min": 1.0, "p50": 2.0, "max": 3.0}
    noticeable = results["loss_noticeable", "round_trip", "ratio"]
    assert (noticeable.value, noticeable.n) == (0.6, 5)
    assert "delta = 2 packets" in noticeable.filter


def constrained(delta):
    """A profile with this loss constraint."""
    return Profile(name="x", ja="", en="", status="", parameters=Parameters(loss_constraint=delta))


def test_every_noticeable_vector(vectors):
    """Distances and noticeable rates of RFC 3357 5.4.3, 6.1 and 6.5, those worked out in its text with the default."""
    for case in vectors["vectors"]["loss_pattern"]:
        sent = from_bits(case["lost"]) if "lost" in case else lost_at(case["lost_seq"])
        if "distance" in case:
            places = np.flatnonzero(case["lost"]).tolist()
            assert [case["distance"][place] for place in places] == distances(sent)
        rate = case.get("noticeable_rate", {"delta": case.get("delta", 99)})
        found = by_name(evaluate_link(sent, subject(constrained(rate["delta"]))))[
            "loss_noticeable", "round_trip", "ratio"
        ]
        if "value" in rate:
            assert rate["value"] == found.value
        elif "noticeable" in case:
            # The text of 6.1 counts the first of the burst of three after the distance of 75.
            assert case["noticeable"] == round(found.value * found.n)


def test_means_of_few_losses_have_no_interval_below_what_can_be():
    """Three losses far from each other: Student's interval of the two distances reached 6,000 packets below nothing."""
    sent = probes([{"seq": number, "lost": 3} if number in {100, 600, 2100} else {"seq": number, "rtt_us": 9000}
                   for number in range(3000)])  # fmt: skip
    results = by_name(evaluate_link(sent, subject()))
    check_all([*results.values()])
    for kpi in ("loss_distance", "inter_loss_period"):
        mean = results[kpi, "round_trip", "mean"]
        assert (mean.value, mean.ci_low) == (pytest.approx(1000, abs=1), 1.0)
        assert mean.ci_high > 3000


def test_there_is_no_distance_over_a_sessions_border():
    """Numbers of two sessions do not compare; an absent number between two losses counts as distance."""
    rows = [(1, 0), (1, 1), (2, 2), (2, 4), (2, 5)]
    sent = probes([{"session": session, "seq": seq, "t_us": 10 * seq} for session, seq in rows])
    assert distances(sent) == [0, 1, 0, 2, 1]


def test_one_loss_has_no_distance_and_is_not_noticeable():
    """Nothing to measure from; without a loss there is no rate either."""
    results = by_name(evaluate_link(from_bits("0010"), subject()))
    assert ("loss_distance", "round_trip", "mean") not in results
    assert results["loss_noticeable", "round_trip", "ratio"].value == 0.0
    assert ("loss_noticeable", "round_trip", "ratio") not in by_name(evaluate_link(from_bits("0000"), subject()))


def test_loss_periods_end_at_session_borders_and_at_absent_numbers():
    """What was not recorded between two losses cannot join them."""
    rows = [(1, 0), (1, 1), (2, 2), (2, 4), (2, 5)]
    sent = probes([{"session": session, "seq": seq, "t_us": 10 * seq} for session, seq in rows])
    assert loss_periods(sent).tolist() == [2, 1, 2]


def model_of(bits):
    """Return p and q, None without a transition to count."""
    found = transitions(from_bits(bits))
    return tuple(
        hits / of if of else None
        for hits, of in ((found.good_bad, found.after_good), (found.bad_good, found.after_bad))
    )


def test_the_gilbert_model_counts_transitions():
    """n00 = n01 = 4, n10 = 3, n11 = 4; without a transition to count there is no parameter."""
    assert model_of(PERIODS) == (0.5, 3 / 7)
    assert model_of("00000") == (0.0, None)
    assert model_of("11111") == (None, 0.0)
    assert model_of("0") == (None, None)


def test_transitions_end_at_session_borders_and_at_absent_numbers():
    """A pair of packets that were not sent one after the other is no transition."""
    rows = [(1, 0, None), (1, 1, 5), (2, 2, None), (2, 4, None), (2, 5, None), (2, 6, 5), (2, 7, 5)]
    sent = probes([{"session": session, "seq": seq, "t_us": 10 * seq, "rtt_us": rtt} for session, seq, rtt in rows])
    assert transitions(sent) == Transitions(good_good=1, good_bad=0, bad_good=2, bad_bad=1)


def test_the_models_intervals_hold_the_true_values():
    """Two-state losses with known p and q: the 95 % intervals hold each in 93 to 98 % of 400 runs.

    Of every fortieth run they are those of its results; of the others they are made of the transitions alone.
    """
    p, q, rng = 0.02, 0.4, np.random.default_rng(5)
    held = {"p": 0, "q": 0}
    for number in range(400):
        good, bad = rng.geometric(p, 200), rng.geometric(q, 200)
        lost = np.repeat(np.tile([False, True], 200), np.ravel((good, bad), "F"))[:2_000]
        steps = 2 * lost[:-1] + lost[1:]
        good_good, good_bad, bad_good, bad_bad = np.bincount(steps, minlength=4).tolist()
        intervals = {
            "p": proportion_interval(good_bad, good_good + good_bad),
            "q": proportion_interval(bad_good, bad_good + bad_bad),
        }
        if number % 40 == 0:
            results = by_name(evaluate_link(from_bits(lost.astype(int)), subject()))
            for name, interval in intervals.items():
                found = results["loss_model", "round_trip", name]
                assert (interval.low, interval.high) == (found.ci_low, found.ci_high)
        for name, truth in (("p", p), ("q", q)):
            held[name] += intervals[name].low <= truth <= intervals[name].high
    assert {name: 0.93 <= count / 400 <= 0.98 for name, count in held.items()} == {"p": True, "q": True}, held


def test_without_a_loss_there_is_no_model():
    """Nothing lost: null with its reason, never a made-up 0."""
    found = by_name(evaluate_link(from_bits("0000"), subject()))["loss_model", "round_trip", "p"]
    assert (found.value, found.ci_low, found.reason.split(":")[0]) == (None, None, "損失なし")


def reflected(fates):
    """Rows as the collector writes them: fates d (delivered), u (lost up), x (lost down), and the truth."""
    refl_seq, rows = 0, []
    for fate in fates:
        rows.append({"refl_seq": refl_seq, "rtt_us": 10, "ul_us": 5, "dl_us": 5} if fate == "d" else {})
        refl_seq += fate != "u"
    known = [index for index, fate in enumerate(fates) if fate == "d"]
    for left, right in itertools.pairwise(known):
        run = fates[left + 1 : right]
        reached = rows[right]["refl_seq"] - rows[left]["refl_seq"] - 1
        for row in rows[left + 1 : right]:
            row["lost"] = 1 if reached == 0 else 2 if reached == len(run) else 3
    return rows, known


@settings(max_examples=200, deadline=None)
@given(fates=st.text("ddux", min_size=1, max_size=40))
def test_directional_loss_is_the_truth_between_delivered_packets(fates):
    """Also in mixed runs, where it is known how many were lost each way though not which."""
    rows, known = reflected(fates)
    counts = count_losses(probes(rows))
    inner = fates[known[0] : known[-1]] if known else ""
    assert (inner.count("u"), inner.count("x")) == (counts.up, counts.down)
    assert counts.undecided == len(fates) - len(known) - counts.up - counts.down
    assert counts.lost == len(fates) - len(known)


@settings(max_examples=50, deadline=None)
@given(lives=st.lists(st.text("ddux", min_size=1, max_size=15), min_size=2, max_size=4))
def test_sessions_are_counted_each_by_itself(lives):
    """A new life of the sender starts its numbers anew: runs do not reach over the border."""
    rows, up, down = [], 0, 0
    for session, fates in enumerate(lives):
        mine, _ = reflected(fates)
        alone = count_losses(probes(mine))
        up, down = up + alone.up, down + alone.down
        rows += [{"session": session, "seq": seq, **row} for seq, row in enumerate(mine)]
    counts = count_losses(probes(rows))
    assert (up, down) == (counts.up, counts.down)


def test_a_mixed_run_with_an_absent_number_stays_undecided():
    """The absent packet could have gone either way."""
    delivered = {"rtt_us": 10, "refl_seq": 0}
    sent = probes([delivered, {"seq": 1}, {"seq": 2}, {"seq": 4, "rtt_us": 10, "refl_seq": 2}])
    assert LossCounts(sent=4, lost=2, up=0, down=0, undecided=2) == count_losses(sent)


def test_direction_reaches_the_results():
    """Up is of the packets sent, down of those reflected."""
    rows, _ = reflected("dduxddddxxdudd")
    results = by_name(evaluate_link(probes(rows), subject()))
    assert (results["loss", "up", "count"].value, results["loss", "up", "ratio"].n) == (2.0, 14)
    assert (results["loss", "down", "count"].value, results["loss", "down", "ratio"].n) == (3.0, 12)
    assert results["loss", "round_trip", "count"].value == 5.0


def test_losses_of_unknown_direction_are_said_and_left_out_of_both():
    """At the end of a session nothing tells where packets were lost."""
    rows, _ = reflected("ddddxx")
    results = by_name(evaluate_link(probes(rows), subject()))
    assert (results["loss", "up", "ratio"].value, results["loss", "up", "ratio"].n) == (0.0, 4)
    assert "undecided 2" in results["loss", "up", "ratio"].reason
    assert "2 losses of unknown direction" in results["owd", "up", "p99"].reason
    assert results["loss", "round_trip", "ratio"].value == 2 / 6


def test_absent_numbers_are_a_third_state():
    """They are neither delivered nor lost, and every ratio beside them says so."""
    sent = probes([{"seq": 0, "rtt_us": 10}, {"seq": 1}, {"seq": 5, "rtt_us": 10}, {"seq": 9, "rtt_us": 11}])
    results = by_name(evaluate_link(sent, subject()))
    assert absent(sent) == 6
    assert results["absent", "", "count"].value == 6.0
    assert results["loss", "round_trip", "ratio"].value == 0.25
    for key in (("loss", "round_trip", "ratio"), ("rtt", "round_trip", "p50"), ("reliability", "round_trip", "ratio")):
        assert "6 absent" in results[key].reason, key
    assert "6 absent" in results["availability", "round_trip", "ratio"].reason


def test_numbers_between_sessions_are_not_absent():
    """Sequence numbers compare only inside a session."""
    assert absent(probes([{"session": 1, "seq": 0, "rtt_us": 1}, {"session": 2, "seq": 900, "rtt_us": 1}])) == 0
    assert absent(probes([{"rtt_us": 1}])) == 0


def test_duplicates_count_apart():
    """RFC 5560: copies over distinct packets; they enter neither loss nor delay."""
    rows = [{"rtt_us": 10}, {"rtt_us": 20}, {}, {"rtt_us": 30}]
    copies = [{"seq": 0, "copy": 2, "rtt_us": 900}, {"seq": 0, "copy": 3, "rtt_us": 901}, {"seq": 3, "copy": 2}]
    for copy in copies:
        copy["lost"] = 0
    results = by_name(evaluate_link(probes(rows + copies), subject()))
    assert results["duplication", "round_trip", "ratio"].value == 1.0
    assert results["rtt", "round_trip", "max"].value == 0.03
    assert results["loss", "round_trip", "ratio"].value == 0.25


def test_every_duplication_vector(vectors):
    """Duplication fraction and replicated rate of RFC 5560 5.2, 5.3 from arrivals with repeated numbers."""
    for case in vectors["vectors"]["duplication"]:
        seen, rows = {}, []
        for seq in case["arrival"]:
            seen[seq] = seen.get(seq, 0) + 1
            rows.append({"seq": seq, "copy": seen[seq], "rtt_us": 10})
        results = by_name(evaluate_link(probes(rows), subject()))
        assert case["fraction"] == results["duplication", "round_trip", "ratio"].value, case["source"]
        assert case["replicated_rate"] == results["replication", "round_trip", "ratio"].value, case["source"]


def test_replicated_packets_are_those_that_arrived_and_came_again():
    """Counted once however often and in whatever session; a copy without its first is of no packet that is known."""
    delivered = [{"session": session, "seq": seq, "rtt_us": 10} for session in (1, 2) for seq in (0, 1, 2)]
    again = [(1, 0, 2), (1, 0, 3), (2, 0, 2), (2, 2, 2), (2, 7, 2), (3, 0, 2)]
    copies = [{"session": session, "seq": seq, "copy": copy, "lost": 0, "rtt_us": 20} for session, seq, copy in again]
    sent = probes(delivered + copies)
    assert (sent.duplicates, sent.replicated.tolist(), sent.copies.tolist()) == (6, [0, 3, 5], [2, 1, 1])
    found = by_name(evaluate_link(sent, subject()))["replication", "round_trip", "ratio"]
    assert (found.value, found.n) == (0.5, 6)
    assert found.ci_low < 0.5 < found.ci_high


ROWS = [{"rtt_us": 10}, {}, {"rtt_us": 30}, {"seq": 2, "copy": 2, "rtt_us": 40}, {"seq": 2, "copy": 3, "rtt_us": 41}]


@settings(max_examples=40, deadline=None)
@given(order=st.permutations(range(10)))
def test_rows_may_come_twice_and_in_any_order(order):
    """The same recording imported twice, in any order, is the same data with the same hash."""
    once = probe_arrays(columns([{"seq": min(number, 2), **row} for number, row in enumerate(ROWS)]))
    twice = [{"seq": min(number, 2), **row} for number, row in enumerate(ROWS)] * 2
    again = probe_arrays(columns([twice[index] for index in order]))
    assert (once.n, once.duplicates, data_hash(once)) == (again.n, again.duplicates, data_hash(again))
    assert once.copies_us.tolist() == again.copies_us.tolist()


@pytest.mark.parametrize("is_lost_first", [True, False])
def test_a_good_copy_outweighs_a_lost_one(is_lost_first):
    """A packet recorded once as lost and once as delivered was delivered (RFC 7680 2.4)."""
    pair = [{"seq": 0}, {"seq": 0, "rtt_us": 10}]
    sent = probes(pair if is_lost_first else pair[::-1])
    assert (sent.n, sent.lost.tolist()) == (1, [0])
