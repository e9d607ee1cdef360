"""The planner against the table of the exact binomial bound."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from analytics.evaluate import evaluate_link
from analytics.planner import TARGETS, packets_for, plan
from analytics.requirements import Profile, Requirement
from analytics.statistics import proportion_interval
from analytics.verdict import judge
from tests.analytics.making import by_name, round_trips, subject

KNOWN = {
    0.99: (299, 473, 628, 773, 1_049, 1_693),
    0.999: (2_995, 4_742, 6_294, 7_752, 10_511, 16_959),
    0.9999: (29_956, 47_437, 62_956, 77_535, 105_128, 169_619),
    0.99999: (299_572, 474_385, 629_578, 775_364, 1_051_301, 1_696_219),
    0.999999: (2_995_731, 4_743_863, 6_295_792, 7_753_655, 10_513_033, 16_962_216),
}


@pytest.mark.parametrize("target", KNOWN)
def test_packets_needed_are_those_of_the_exact_bound(target):
    """For 0, 1, 2, 3, 5 and 10 failures; one packet fewer would not do (checked with scipy)."""
    found = tuple(packets_for(target, failures) for failures in (0, 1, 2, 3, 5, 10))
    assert found == KNOWN[target]
    for failures, packets in zip((0, 1, 2, 3, 5, 10), found, strict=True):
        assert binom.cdf(failures, packets, 1 - target) <= 0.05 < binom.cdf(failures, packets - 1, 1 - target)


def test_bursty_packets_stretch_the_plan():
    """2,710 packets worth 199: 99.999 % takes 13.6 times as long, at 100 packets/s about 14 hours for 達成.

    By the one-sided bound, which a verdict does not use, it were 11.3.
    """
    line = plan(100.0, 199 / 2710, targets=(0.99999,), failures=(0,))[0]
    assert (line.packets, line.packets_verdict) == (299_572, 368_887)
    assert line.packets_needed == pytest.approx(368_887 * 2710 / 199, abs=1)
    assert line.hours == pytest.approx(13.95, abs=0.01)
    assert line.packets / line.worth / 100 / 3600 == pytest.approx(11.33, abs=0.01)


@given(
    target=st.sampled_from(TARGETS[:4]), failures=st.integers(0, 12),
    worth=st.one_of(st.just(1.0), st.floats(0.001, 1.0)),
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_a_plan_that_was_followed_leads_to_the_verdict(target, failures, worth):
    """As many failures as were allowed: 達成 with the packets planned; independent, not with one fewer."""
    line = plan(10.0, worth, targets=(target,), failures=(failures,))[0]

    def verdict(packets, n_eff):
        interval = proportion_interval(n_eff - failures, n_eff)
        return judge(1 - failures / n_eff, interval, target, "larger", packets).verdict

    assert verdict(line.packets_needed, int(line.packets_needed * worth)) == "達成"
    assert verdict(line.packets_verdict, line.packets_verdict) == "達成"
    assert verdict(line.packets_verdict - 1, line.packets_verdict - 1) == "判定不能"
    assert verdict(line.packets, line.packets) == "判定不能"


def test_packets_as_planned_and_none_lost_are_judged_so():
    """The whole way: 2,995 packets in time are not enough for the verdict on 99.9 %, and the 3,688 planned are."""
    required = Requirement(kpi="reliability", statistic="ratio", limit=0.999, source="plan")
    profile = Profile(name="x", ja="", en="", status="", requirement=(required,))
    line = plan(10.0, targets=(0.999,), failures=(0,))[0]
    for n, verdict in ((line.packets, "判定不能"), (line.packets_needed, "達成")):
        found = by_name(evaluate_link(round_trips([10] * n), subject(profile)))["reliability", "round_trip", "ratio"]
        assert (found.n_eff, found.verdict) == (n, verdict)
    assert (line.packets, line.packets_needed) == (2_995, 3_688)


@pytest.mark.parametrize(("arguments", "message"), [((0,), "rate"), ((10, 0), "worth"), ((10, 1, (1.0,)), "target")])
def test_what_cannot_be_planned_is_said(arguments, message):
    """A reliability of 100 % cannot be demonstrated by any number of packets."""
    with pytest.raises(ValueError, match=message):
        plan(*arguments)
