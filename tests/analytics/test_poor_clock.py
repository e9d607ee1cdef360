"""Clocks judged where and when they apply: the limit, time of poor clocks, and what packets in it still say."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from analytics.clock import ClockQuality, clock_quality
from analytics.clock_record import ClockSamples
from analytics.evaluate import evaluate_link
from analytics.link_scan import scanned
from analytics.poor_clock import PoorTime
from analytics.probes import DELAY_COLUMN, probe_arrays
from analytics.requirements import NO_REQUIREMENTS, Parameters, Profile, Requirement
from tests.analytics.lawful import check_all
from tests.analytics.making import T0_US, by_name, probes, subject
from tests.analytics.recordings import recordings

S = 1_000_000
PROFILE = Profile(
    name="x", ja="", en="", status="要確認", parameters=Parameters(owd_within_ms=100.0, t_max_ms=100.0),
    requirement=(
        Requirement(kpi="owd", statistic="mean", limit=100.0, source="test"),
        Requirement(kpi="owd", statistic="p50", limit=100.0, source="test"),
        Requirement(kpi="owd", statistic="p95", limit=100.0, source="test"),
        Requirement(kpi="owd", statistic="p99", limit=100.0, source="test"),
        Requirement(kpi="reliability", statistic="ratio", limit=0.9, source="test"),
        Requirement(kpi="delay_cdf", statistic="le_100ms", limit=0.9, source="test"),
        Requirement(kpi="availability", statistic="ratio", limit=0.9, source="test"),
        Requirement(kpi="rtt", statistic="p95", limit=300.0, source="test"),
    ),
)  # fmt: skip
ONE_WAY = [
    ("owd", "up", "mean"), ("owd", "up", "p50"), ("owd", "up", "p95"), ("reliability", "up", "ratio"),
    ("delay_cdf", "up", "le_100ms"),
]  # fmt: skip
N = 4000
"""Packets, one every 10 ms: 40 s."""


def sent(rng, ul_ms=(5, 30), dl_ms=(5, 30), loss=0.002, rtt=True):
    """Packets of independent delays, some of them lost on the way up."""
    rows = []
    for number in range(N):
        if rng.random() < loss:
            rows.append({"lost": 1, "copy": 0, "refl_seq": None})
            continue
        ul, dl = (int(rng.integers(*(1000 * ms for ms in span))) for span in (ul_ms, dl_ms))
        rows.append({"ul_us": ul, "dl_us": dl, "rtt_us": ul + dl if rtt else None, "refl_seq": number})
    return probes(rows)


def ahead(packets, low_s, high_s, offset_us):
    """Return the packets as a far clock that is `offset_us` ahead for a while measured them."""
    is_off = (packets.t_us >= T0_US + low_s * S) & (packets.t_us < T0_US + high_s * S)
    delays = dict(packets.delays)
    for direction, sign in (("up", 1), ("down", -1)):
        delay = delays[direction]
        delays[direction] = replace(delay, us=delay.us + np.where(is_off, sign * offset_us, 0))
    return replace(packets, delays=delays)


def poor(low_s, high_s, bound_us=200.0):
    """Clocks that are good but for some seconds."""
    return ClockQuality("良", bound_us, poor=((T0_US + low_s * S, T0_US + high_s * S),))


def judged(packets, clock, profile=PROFILE):
    """Return the results by name, which hold to the laws."""
    results = evaluate_link(packets, subject(profile, clock))
    check_all(results)
    return by_name(results)


def test_a_bound_beyond_the_limit_is_never_met_however_fast_the_packets():
    """2.66 s, the second capture of a real chrony: 達成 of 100 ms by negative delays, before there was a limit."""
    fast = ahead(sent(np.random.default_rng(1)), 0, 40, -2_640_070)
    found = judged(fast, ClockQuality("粗", 2_660_356.6), replace_limit(3000.0))
    assert {found[key].verdict for key in ONE_WAY} == {"判定不能"}
    for key in ONE_WAY:
        assert "参考値: 時計の誤差上限 ±2660 ms が限度 ±10 ms を超える" in found[key].reason
        assert "clock_within_ms" in found[key].reason
        assert found[key].needed_n is None
    assert (found["rtt", "round_trip", "p95"].verdict, found["rtt", "round_trip", "p95"].reason) == ("達成", "")


def replace_limit(limit_ms):
    """Return the profile with another limit of the delays."""
    delays = tuple(
        Requirement(kpi=each.kpi, statistic=each.statistic, limit=limit_ms, source="test")
        if each.kpi == "owd"
        else each
        for each in PROFILE.requirement
    )
    return Profile(name="x", ja="", en="", status="要確認", parameters=PROFILE.parameters, requirement=delays)


def test_what_a_coarse_clock_shows_to_be_late_is_missed():
    """A known bound holds beyond the limit too: a bad clock is no way out of 未達."""
    slow = sent(np.random.default_rng(2), ul_ms=(150, 200))
    assert judged(slow, ClockQuality("粗", 20_000.0))["owd", "up", "p50"].verdict == "未達"
    assert judged(slow, ClockQuality("粗", 90_000.0))["owd", "up", "p50"].verdict == "判定不能"
    assert judged(slow, ClockQuality("不明", None, "x"))["owd", "up", "p50"].verdict == "判定不能"


def test_the_limit_is_the_profiles_or_a_tenth_of_the_delay_that_is_asked():
    """±15 ms is beyond a tenth of 100 ms; a profile that allows 20 ms is judged by the interval alone."""
    packets, clock = sent(np.random.default_rng(3)), ClockQuality("粗", 15_000.0)
    assert Parameters(owd_within_ms=20.0).clock_limit_us == 2000.0
    assert judged(packets, clock)["owd", "up", "p95"].verdict == "判定不能"
    allowed = Profile(
        name="x", ja="", en="", status="", requirement=PROFILE.requirement,
        parameters=Parameters(owd_within_ms=100.0, clock_within_ms=20.0),
    )  # fmt: skip
    found = judged(packets, clock, allowed)["owd", "up", "p95"]
    assert (found.verdict, "参考値" in found.reason) == ("達成", False)


def test_a_bound_within_the_limit_that_decides_says_so():
    """A 95th percentile of 29 ms against 30 ms by ±5 ms: packets do not decide that, clocks would."""
    found = judged(sent(np.random.default_rng(4)), ClockQuality("粗", 5000.0), replace_limit(30.0))["owd", "up", "p95"]
    assert found.verdict == "判定不能"
    assert "時計の誤差上限が判定を左右する" in found.reason
    sure = judged(sent(np.random.default_rng(4)), ClockQuality("良", 50.0), replace_limit(30.0))["owd", "up", "p95"]
    assert (sure.verdict, sure.reason) == ("達成", "")


@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 5), slow_ms=st.integers(10, 150), bounds=st.lists(st.floats(0, 2e5), min_size=2, max_size=4),
    limit_ms=st.sampled_from([5.0, 20.0, 200.0]),
)  # fmt: skip
def test_more_uncertainty_never_makes_anything_met(seed, slow_ms, bounds, limit_ms):
    """Verdicts over rising bounds, unknown last: what is decided is decided alike, until nothing is any more."""
    packets = sent(np.random.default_rng(seed), ul_ms=(5, 5 + slow_ms)).rows(slice(1000))
    profile = Profile(
        name="x", ja="", en="", status="", requirement=PROFILE.requirement,
        parameters=Parameters(owd_within_ms=100.0, clock_within_ms=limit_ms),
    )  # fmt: skip
    clocks = [*(ClockQuality("粗", bound_us) for bound_us in sorted(bounds)), ClockQuality("不明", None, "x")]
    found = [judged(packets, clock, profile) for clock in clocks]
    for key in ONE_WAY:
        verdicts = [each[key].verdict for each in found]
        decided = [verdict for verdict in verdicts if verdict != "判定不能"]
        assert verdicts[: len(decided)] == decided, key
        assert len(set(decided)) <= 1, key


def test_one_bad_spell_of_a_clock_does_not_spoil_the_run():
    """Two seconds of 40 are 5 %: what was 達成 stays so where the round trips allow it, and says what was left out."""
    packets = sent(np.random.default_rng(5))
    wrong = ahead(packets, 20, 22, 2_640_000)
    whole, found = judged(packets, poor(0, 0)), judged(wrong, poor(20, 22))
    for key in ONE_WAY:
        assert (whole[key].verdict, found[key].verdict) == ("達成", "達成"), key
        assert found[key].value == pytest.approx(whole[key].value, rel=0.02), key
        assert found[key].ci_low <= whole[key].value <= found[key].ci_high, key
        assert "パケット 200 の片方向遅延は、区間では往復遅延以下" in found[key].reason, key
        assert "参考値" not in found[key].reason, key
    mean = found["owd", "up", "mean"]
    assert mean.ci_high > whole["owd", "up", "mean"].ci_high
    assert "時計を問わない値 149" in mean.reason
    for key, result in judged(wrong, poor(0, 0)).items():
        if key[1] == "round_trip":
            assert result == found[key], key


def test_packets_of_poor_time_are_bounded_by_their_round_trips_and_by_nothing_else():
    """Without a round trip half a minute of 40 s leaves everything open; with one as much as that says."""
    rng = np.random.default_rng(6)
    bounded = judged(sent(rng), poor(5, 35))
    open_ended = judged(sent(rng, rtt=False), poor(5, 35))
    assert bounded["owd", "up", "p50"].verdict == "達成"
    assert bounded["reliability", "up", "ratio"].verdict == "達成"
    for key in ONE_WAY:
        assert open_ended[key].verdict == "判定不能", key
    assert open_ended["owd", "up", "p50"].ci_high is None
    slow_trips = judged(sent(rng, dl_ms=(150, 200)), poor(5, 35))
    assert slow_trips["owd", "up", "p50"].verdict == "判定不能"
    assert slow_trips["owd", "up", "p50"].ci_high > 100.0


def test_losses_in_poor_time_stay_losses():
    """Half of all packets are lost while the clock is bad: a clock is no excuse, and no figure improves by it."""
    packets = sent(np.random.default_rng(7), loss=0.0)
    is_gone = (packets.t_us >= T0_US + 10 * S) & (packets.t_us < T0_US + 30 * S)
    delays = {name: replace(delay, valid=delay.valid & ~is_gone) for name, delay in packets.delays.items()}
    holed = replace(packets, lost=np.where(is_gone, 1, packets.lost), delays=delays)
    good, bad = (judged(holed, clock) for clock in (poor(0, 0), poor(10, 30)))
    for key in ONE_WAY[1:]:
        assert (good[key].value, good[key].verdict) == (bad[key].value, bad[key].verdict), key
    assert bad["reliability", "up", "ratio"].value == 0.5
    assert good["loss", "round_trip", "ratio"] == bad["loss", "round_trip", "ratio"]


def test_availability_by_one_way_delays_holds_what_poor_clocks_leave_open():
    """Without round trips it rests on the way up: 10 s whose clock says 2.6 s too much may be down or up."""
    packets = sent(np.random.default_rng(8), rtt=False, loss=0.0)
    packets = replace(packets, delays={**packets.delays, "down": packets.delays["round_trip"]})
    found = judged(ahead(packets, 10, 20, 2_640_000), poor(10, 20))["availability", "up", "ratio"]
    assert (found.ci_low < 0.76, found.ci_high > 0.98) == (True, True)
    assert found.verdict == "判定不能"
    good = judged(packets, poor(0, 0))["availability", "up", "ratio"]
    assert (good.value, good.verdict) == (
        1.0,
        judged(packets, ClockQuality("良", 200.0))["availability", "up", "ratio"].verdict,
    )


@settings(max_examples=12, deadline=None)
@given(recording=recordings(), parts=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 0.5)), max_size=3))
def test_whatever_was_recorded_poor_time_keeps_the_laws_and_leaves_round_trips_alone(recording, parts):
    """Absent numbers, copies, sessions, delays that are missing or negative: values lie in their intervals."""
    packets = probe_arrays(recording[0])
    assume(packets.n)
    low, length = int(packets.t_us.min()), int(np.ptp(packets.t_us)) + 1
    spans = tuple((low + round(start * length), low + round((start + part) * length) + 1) for start, part in parts)
    found = judged(packets, ClockQuality("良", 200.0, poor=spans), NO_REQUIREMENTS)
    for key, result in judged(packets, ClockQuality("良", 200.0), NO_REQUIREMENTS).items():
        if key[1] == "round_trip" and key[0] in {"rtt", "loss", "ipdv", "pdv", "reliability", "availability"}:
            assert (found[key].value, found[key].n) == (result.value, result.n), key


def test_poor_clocks_all_the_time_are_not_poor_time_but_a_poor_clock():
    """There is nothing to fall back on: figures of everything, for reference."""
    t_us = T0_US + np.arange(-20, 61, 10) * S
    coarse = ClockSamples(t_us, np.ones(t_us.size, bool), np.full(t_us.size, 50_000.0))
    quality = clock_quality(coarse, coarse, T0_US, T0_US + 40 * S, 10_000.0)
    assert (quality.poor, quality.bound_us) == ((), 100_300.0)
    assert "参考値" in judged(sent(np.random.default_rng(9)), quality)["owd", "up", "p50"].reason


def test_results_tell_how_good_the_clocks_were():
    """Rows of their own, judged like any other, and only where a one-way delay was measured."""
    t_us = T0_US + np.arange(-20, 61, 10) * S
    own = ClockSamples(t_us, np.ones(t_us.size, bool), np.full(t_us.size, 300.0))
    far = ClockSamples(t_us, t_us != T0_US + 20 * S, np.full(t_us.size, 500.0))
    quality = clock_quality(own, far, T0_US, T0_US + 50 * S, 10_000.0)
    asked = Profile(name="x", ja="", en="", status="", requirement=(
        Requirement(kpi="clock_bound", statistic="p50", limit=1.2, source="test"),
        Requirement(kpi="clock_bound", statistic="max", limit=1.2, source="test"),
        Requirement(kpi="clock_poor", statistic="ratio", limit=0.1, source="test"),
    ))  # fmt: skip
    found = judged(sent(np.random.default_rng(10)), quality, asked)
    median, worst, share = (found[key] for key in (
        ("clock_bound", "", "p50"), ("clock_bound", "", "max"), ("clock_poor", "", "ratio")
    ))  # fmt: skip
    assert (median.value, median.verdict, worst.value, worst.verdict) == (1.1, "達成", None, "判定不能")
    assert "対向側の時計が非同期" in worst.reason
    assert (share.value, share.verdict) == (pytest.approx(0.4), "未達")
    assert ("clock_bound", "", "p50") not in judged(probes([{"rtt_us": 9000}] * 50), quality)


def test_chunks_hide_the_same_packets_as_the_whole():
    """Poor time that begins and ends inside chunks; round trips are never hidden."""
    packets, who = sent(np.random.default_rng(11)), subject(PROFILE, poor(13, 27))
    parts = [packets.rows(slice(low, low + 700)) for low in range(0, N, 700)]
    whole, cut = scanned([packets], who), scanned(parts, who)
    for direction in DELAY_COLUMN:
        a, b = whole.clouded(direction), cut.clouded(direction)
        assert np.array_equal(a.measured.values, b.measured.values)
        assert np.array_equal(a.at_most.counts, b.at_most.counts)
        assert bool(a.n) == (direction != "round_trip")
    assert evaluate_link(cut, who) == evaluate_link(whole, who)


def test_packets_outside_of_poor_time_are_not_copied():
    """Most chunks have none: they cost a look at their ends."""
    packets = sent(np.random.default_rng(12))
    assert PoorTime(()).hide(packets) is packets
    assert PoorTime(((T0_US + 50 * S, T0_US + 60 * S),)).hide(packets) is packets
