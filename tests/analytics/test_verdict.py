"""The verdict: three values for both directions, and how many more samples would decide."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from analytics.evaluate import evaluate_link
from analytics.requirements import Profile, Requirement
from analytics.statistics import Interval, proportion_interval
from analytics.verdict import judge
from tests.analytics.making import by_name, round_trips, subject

CASES = [
    ("smaller", (8, 12), 20, "達成"),
    ("smaller", (8, 12), 12, "達成"),
    ("smaller", (8, 12), 11, "判定不能"),
    ("smaller", (8, 12), 8, "判定不能"),
    ("smaller", (8, 12), 7, "未達"),
    ("larger", (8, 12), 7, "達成"),
    ("larger", (8, 12), 8, "達成"),
    ("larger", (8, 12), 9, "判定不能"),
    ("larger", (8, 12), 12, "判定不能"),
    ("larger", (8, 12), 13, "未達"),
    ("smaller", (8, None), 20, "判定不能"),
    ("smaller", (8, None), 7, "未達"),
    ("smaller", (None, 12), 20, "達成"),
    ("smaller", (None, 12), 7, "判定不能"),
    ("larger", (None, 12), 13, "未達"),
    ("larger", (8, None), 7, "達成"),
    ("smaller", (None, None), 20, "判定不能"),
    ("smaller", (math.inf, math.inf), 20, "未達"),
    ("smaller", (8, math.inf), 20, "判定不能"),
]


@pytest.mark.parametrize(("better", "ends", "limit", "expected"), CASES)
def test_the_whole_interval_decides(better, ends, limit, expected):
    """Never the point: an interval that straddles the limit, or an end that is not bounded, leaves it open."""
    value = math.inf if ends[0] == math.inf else 10.0
    assert expected == judge(value, Interval(*ends), limit, better, 100).verdict


def test_no_value_but_a_bound_can_decide():
    """Without a failure only the lower bound of MTBF is known, and it may be enough."""
    assert judge(None, Interval(8.0, None), 7.0, "larger", 0).verdict == "達成"
    assert judge(None, Interval(8.0, None), 9.0, "larger", 0) == ("判定不能", None, "")


@pytest.mark.parametrize(
    ("limit", "better", "ends", "expected"),
    [
        (11, "smaller", (8, 12), 300), (9, "smaller", (8, 12), 300), (11, "larger", (8, 12), 300),
        (10, "smaller", (8, 12), None), (11, "smaller", (8, None), None), (9, "smaller", (8, None), 300),
        (11, "smaller", (8, math.inf), None), (12.0, "larger", (0, 12), 1),
    ],
)  # fmt: skip
def test_how_many_more_samples_decide(limit, better, ends, expected):
    """The end that faces the limit must come twice as near, which takes four times the samples: 300 more than 100.

    None where the value stands on the limit or where that end is not bounded.
    """

    def roots(total):
        """An interval that narrows with the root of the number of samples."""
        return Interval(*(None if end is None else 10.0 + (end - 10.0) * math.sqrt(100 / total) for end in ends))

    judged = judge(10.0, Interval(*ends), limit, better, 100, roots)
    assert judged.verdict == "判定不能"
    assert judged.needed_n == (None if expected is None else pytest.approx(expected, abs=1))


def test_the_samples_still_needed_are_those_of_the_exact_interval():
    """1,000 packets without a failure against 99.999 %: ln(0.025) / ln(0.99999), no law of roots; none at 100 %."""

    def exact(total):
        return proportion_interval(total, total)

    judged = judge(1.0, exact(1_000), 0.99999, "larger", 1_000, exact)
    assert (judged.verdict, judged.needed_n) == ("判定不能", 368_887 - 1_000)
    assert math.ceil(math.log(0.025) / math.log(0.99999)) == 368_887
    assert judge(1.0, exact(1_000), 1.0, "larger", 1_000, exact).needed_n is None
    assert judge(1.0, exact(1_000), 0.9999999999, "larger", 1_000, exact).needed_n is None


@given(
    low=st.floats(0, 100),
    width=st.floats(0, 100),
    limit=st.floats(0, 200),
    better=st.sampled_from(["smaller", "larger"]),
)
def test_a_mirrored_question_has_the_mirrored_answer(low, width, limit, better):
    """Smaller-is-better on x is larger-is-better on -x."""
    other = {"smaller": "larger", "larger": "smaller"}[better]
    value = low + width / 2
    straight = judge(value, Interval(low, low + width), limit, better, 50)
    mirrored = judge(-value, Interval(-low - width, -low), -limit, other, 50)
    assert straight == mirrored


@given(low=st.floats(0, 100), width=st.floats(0, 100), limit=st.floats(0, 200))
def test_met_for_one_side_is_missed_for_the_other(low, width, limit):
    """Off the limit, a decided verdict turns round with the good side, and an open one stays open."""
    assume(limit not in (low, low + width))
    verdicts = [judge(low, Interval(low, low + width), limit, better, 50).verdict for better in ("smaller", "larger")]
    assert verdicts in (["達成", "未達"], ["未達", "達成"], ["判定不能", "判定不能"])


def required(kpi, statistic, limit):
    """A profile with one requirement."""
    return Profile(
        name="x",
        ja="",
        en="",
        status="",
        requirement=(Requirement(kpi=kpi, statistic=statistic, limit=limit, source="s"),),
    )


def test_a_quantile_among_lost_packets_misses_any_limit():
    """With a fifth lost, p95 is infinite and surely over the limit, although it is printed as null."""
    sent = round_trips([None if number % 5 == 0 else 10 + number % 3 for number in range(2000)])
    result = by_name(evaluate_link(sent, subject(required("rtt", "p95", 100.0))))["rtt", "round_trip", "p95"]
    assert (result.value, result.ci_low, result.ci_high, result.verdict) == (None, None, None, "未達")


def test_time_without_failure_can_meet_a_required_mtbf():
    """20 s without failure show 6.7 s."""
    sent = round_trips([10 + number % 3 for number in range(2000)])
    verdicts = [
        by_name(evaluate_link(sent, subject(required("mtbf", "mean", limit))))["mtbf", "round_trip", "mean"].verdict
        for limit in (6.0, 7.0)
    ]
    assert verdicts == ["達成", "判定不能"]


def test_an_open_verdict_says_how_many_samples_are_missing():
    """1 lost of 200 neither shows nor refutes a loss of 1 %."""
    sent = round_trips([None if number == 77 else 10 for number in range(200)])
    result = by_name(evaluate_link(sent, subject(required("loss", "ratio", 0.01))))["loss", "round_trip", "ratio"]
    assert (result.verdict, result.required, result.required_source) == ("判定不能", 0.01, "s")
    assert 100 < result.needed_n < 10_000


def test_a_limit_next_to_the_value_asks_for_no_impossible_number():
    """Where the interval would have to be absurdly narrow no number of samples is named (and nothing overflows)."""
    judged = judge(1.0, Interval(0.0, 1e300), 1.0 + 1e-12, "smaller", 100)

    assert (judged.verdict, judged.needed_n) == ("判定不能", None)
