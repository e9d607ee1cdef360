"""Two links together: known truths of independent and of shared failures, and honest reasons where nothing is known."""

from dataclasses import replace

import numpy as np
import pytest

from analytics.clock import ClockQuality
from analytics.pairing import matched
from analytics.probes import DelayColumn, probe_arrays
from analytics.redundancy import (
    BEST,
    BLIND,
    NEVER_TOGETHER,
    NO_COMMON,
    NO_PAIRS,
    NONE_SAVED,
    Leg,
    evaluate_pairs,
)
from analytics.requirements import NO_REQUIREMENTS, Parameters, Profile, Requirement
from analytics.spans import covered_us
from tests.analytics.making import GOOD_CLOCK, T0_US, UNKNOWN_CLOCK, Column
from tests.analytics.test_coverage import gilbert_elliott, wandering
from tests.analytics.test_uptime import outages

N = 60_000
STEP_US = 20_000


def made(rtt_us, *, first_us=T0_US, step_us=STEP_US, way="rtt_us", seq=None):
    """Make probes from delays in microseconds, negative for lost."""
    rtt_us = np.asarray(rtt_us)
    n, lost = rtt_us.size, rtt_us < 0
    nothing = Column(np.zeros(n, np.int32), np.zeros(n, bool))
    columns = {
        "t_us": Column(first_us + np.arange(n, dtype=np.int64) * step_us), "session": Column(np.ones(n, np.int32)),
        "seq": Column(np.arange(n, dtype=np.int32) if seq is None else seq), "refl_seq": nothing, "ul_us": nothing,
        "dl_us": nothing, "rtt_us": nothing, "copy": Column((~lost).astype(np.int16)),
        "lost": Column(np.where(lost, 3, 0).astype(np.int16)),
    }  # fmt: skip
    return probe_arrays({**columns, way: Column(np.where(lost, 0, rtt_us).astype(np.int32), ~lost)})


def pair(a, b, *, clock=GOOD_CLOCK, profile=NO_REQUIREMENTS):
    """Return the results of two links by (id, statistic)."""
    results = evaluate_pairs([Leg("l5g", a, clock), Leg("lte", b, clock)], "car-1", profile)
    assert {(result.device, result.link) for result in results} == {("car-1", "l5g+lte")}
    return {(result.id, result.statistic): result for result in results}


def bursts(rng, n=N):
    """Return which packets a Gilbert-Elliott channel loses: 1/41 of them, in bursts of five on average."""
    return gilbert_elliott(rng, n, 0.005, 0.2, 1.0)


@pytest.mark.parametrize("shift_us", [0, 7_000, 10_000])
def test_independent_links_lose_the_product_of_what_each_loses(shift_us):
    """The truth (1/41)^2 lies in the intervals as often as it must; so does the gain, which is clear every time.

    Both links lost the same packet in 13 bursts a run on average: with so few the interval covers 91 % (of 200 runs).
    """
    rng = np.random.default_rng(11)
    truth, repetitions = (1 / 41) ** 2, 20
    losses, gains = [], []
    for _ in range(repetitions):
        a, b = (np.where(bursts(rng), -1, 20_000) for _ in range(2))
        found = pair(made(a), made(b, first_us=T0_US + shift_us))
        losses.append(found["redundant_loss", "ratio"])
        gains.append(found["redundant_loss_gain", "ratio"])
        assert losses[-1].n >= N - 1
        assert gains[-1].value == pytest.approx(min((a < 0).mean(), (b < 0).mean()) - losses[-1].value, abs=2e-5)
        assert gains[-1].ci_low > 0

    assert np.mean([loss.value for loss in losses]) == pytest.approx(truth, rel=0.3)
    assert sum(loss.ci_low < truth < loss.ci_high for loss in losses) >= 0.8 * repetitions
    # The better link is the luckier one of two alike: its loss lies below 1/41 by half a standard deviation.
    assert sum(gain.ci_low < 1 / 41 - truth < gain.ci_high for gain in gains) >= 0.8 * repetitions


def test_gains_cover_where_links_wander_over_a_whole_block():
    """Delays and losses of both links rise and fall over ten seconds, as long as a block.

    Nominal 95 % of loss and median delay (500 and 200 rounds): 96 and 92 % over half a block, 94 and 94 over a whole
    one; with blocks taken for independent 93 and 88, and 88 and 85.
    """
    rng, n, rounds = np.random.default_rng(20_260_408), 3_000, 120

    def links(n):
        """Return round trips of two links, five a second, negative for lost."""
        levels = [wandering(rng, n, 50) for _ in range(2)]
        found = []
        for level, usual_us, share in zip(levels, (10_000, 13_000), (0.1, 0.2), strict=True):
            us = np.rint(usual_us * np.exp(0.3 * level + 0.1 * rng.normal(size=n)))
            found.append(np.where(rng.random(n) < share * np.exp(0.5 * level), -1, us))
        return found

    a, b = links(1_000_000)
    late_a, late_b = (np.where(each < 0, np.inf, each) for each in (a, b))
    truth = {
        ("redundant_loss_gain", "ratio"): (a < 0).mean() - ((a < 0) & (b < 0)).mean(),
        ("redundant_delay_gain", "p50"): (np.median(late_a) - np.median(np.minimum(late_a, late_b))) / 1000,
    }
    ours = 0
    for _ in range(rounds):
        found = pair(*(made(each, step_us=200_000) for each in links(n)))
        ours += sum(found[key].ci_low <= value <= found[key].ci_high for key, value in truth.items())
    assert 0.91 <= ours / rounds / len(truth) <= 0.98


def test_links_that_fail_together_gain_nothing():
    """One mast for both: the pair loses what each loses; that nothing was saved in so many packets bounds the gain."""
    rng = np.random.default_rng(12)
    rtt_us = np.where(bursts(rng), -1, 20_000)
    found = pair(made(rtt_us), made(rtt_us, first_us=T0_US + 1000))

    assert found["redundant_loss", "ratio"].value == pytest.approx((rtt_us < 0).mean())
    for key in (("redundant_loss_gain", "ratio"), ("redundant_availability_gain", "ratio")):
        assert (found[key].value, found[key].ci_low, found[key].reason) == (0.0, 0.0, NONE_SAVED)
    assert 0 < found["redundant_loss_gain", "ratio"].ci_high < 0.004
    # Twenty minutes in which a link could have been saved once, for ten seconds as is assumed.
    assert found["redundant_availability_gain", "ratio"].ci_high == pytest.approx(1 - 0.025 ** (10 / 1200), rel=0.01)
    assert found["redundant_delay_gain", "p50"].value == 0.0


def test_the_faster_of_both_counts_and_only_a_pair_lost_on_both_is_infinite():
    """Each link is slow on every other packet and loses some: the pair is always fast; its gain is the slow part."""
    fast, slow = 10_000, 50_000
    a, b = np.tile([fast, slow], N // 2), np.tile([slow, fast], N // 2)
    a[:620:2], b[300:900] = -1, -1
    found = pair(made(a), made(b))

    both = int(((a < 0) & (b < 0)).sum())
    assert found["redundant_loss", "ratio"].value == both / N
    assert found["redundant_delay", "p50"].value == fast / 1000
    assert found["redundant_delay", "p99"].value == slow / 1000  # where the fast one was lost
    # Of each link alone a little less than half is fast: some of that was lost.
    assert found["redundant_delay_gain", "p50"].value == (slow - fast) / 1000
    assert (found["redundant_delay", "p99.9"].n, found["redundant_delay", "p99.9"].value) == (N, None)
    assert "損失" in found["redundant_delay", "p99.9"].reason


def test_the_pair_is_down_only_while_both_are():
    """Outages of 10 s on each link that share 4 s: one outage of both, the rest is gained."""
    t_s = np.arange(N // 10) * STEP_US / 1e6
    rtt_us = [np.where((t_s >= start) & (t_s < start + 10), -1, 20_000) for start in (30.0, 36.0)]
    found = pair(*(made(each) for each in rtt_us))

    observed_s = t_s.size * STEP_US / 1e6
    assert found["redundant_outage", "count"].value == 1
    # The second link is down from the deadline and the survival time after 36 s on, the first is up again at 40 s.
    assert found["redundant_outage", "total"].value == pytest.approx(40.0 + 0.02 - (36.0 + 0.2 + 1.0), abs=0.001)
    assert found["redundant_outage", "max"].value == found["redundant_outage", "total"].value
    up = found["redundant_availability", "ratio"]
    assert up.value == pytest.approx(1 - found["redundant_outage", "total"].value / observed_s, abs=1e-6)
    assert up.ci_low < up.value < up.ci_high
    assert found["redundant_availability_gain", "ratio"].value == pytest.approx(6.0 / observed_s, abs=0.001)


def test_the_availability_of_both_covers_where_no_outage_of_both_was_seen():
    """An hour, one mast: 0.2 % down in outages of 10 s. Nearly half of the hours see none, and claimed 99.9 %."""
    rng, step_us = np.random.default_rng(14), 500_000
    sent_us = np.arange(3600 * 2) * step_us
    results = []
    for _ in range(30):
        down = outages(rng, 3600, 0.998, 10)
        lost = covered_us(down, (sent_us, sent_us + 1)) > 0
        rtt_us = np.where(lost, -1, 20_000 + rng.integers(0, 5000, lost.size))
        found = pair(made(rtt_us, step_us=step_us), made(rtt_us, first_us=T0_US + 1000, step_us=step_us))
        results.append(found["redundant_availability", "ratio"])
    truth = 1 - 0.002 * np.exp(-1.2 / 10)
    assert sum(each.ci_low <= truth <= each.ci_high for each in results) >= 29
    assert sum(each.value == 1.0 for each in results) > 9
    assert all("outage of" in each.reason or "no outage" in each.reason for each in results)


def test_links_that_were_never_measured_at_the_same_time_have_reasons_and_no_values():
    """One after the other: no time in common and no pairs of packets."""
    first = made(np.full(500, 20_000))
    found = pair(first, made(np.full(500, 20_000), first_us=T0_US + 3_600_000_000))

    assert {result.value for result in found.values()} == {None}
    assert NEVER_TOGETHER in found["redundant_availability", "ratio"].reason
    assert NO_PAIRS in found["redundant_loss", "ratio"].reason
    assert NO_PAIRS in found["redundant_delay", "p50"].reason


def test_a_recording_that_cannot_say_lost_gives_no_figure_of_a_pair():
    """Absent numbers on one link may be losses: then nobody knows what the pair lost."""
    seq = np.delete(np.arange(501, dtype=np.int32), 250)
    found = pair(made(np.full(500, 20_000), seq=seq), made(np.full(500, 20_000)))
    assert {(result.value, result.reason) for result in found.values()} == {(None, BLIND)}


def test_links_measured_in_different_directions_share_only_their_losses():
    """A round trip beside a one-way delay: there is no faster one of the two."""
    found = pair(made(np.full(500, 20_000)), made(np.full(500, 20_000), way="ul_us"))
    assert NO_COMMON in found["redundant_availability", "ratio"].reason
    assert NO_COMMON in found["redundant_delay", "p50"].reason
    assert found["redundant_loss", "ratio"].value == 0.0


def test_one_way_figures_of_a_pair_are_for_reference_where_a_clock_is_not_known():
    """The worse clock of both links counts, for verdict and words."""
    required = Requirement(kpi="redundant_delay", statistic="p50", limit=100.0, source="plan")
    profile = Profile(name="x", ja="", en="", status="", requirement=(required,))
    a, b = (made(np.full(2000, 20_000), way="ul_us") for _ in range(2))
    known, unknown = (pair(a, b, clock=clock, profile=profile) for clock in (GOOD_CLOCK, UNKNOWN_CLOCK))

    assert known["redundant_delay", "p50"].verdict == "達成"
    assert unknown["redundant_delay", "p50"].verdict == "判定不能"
    assert "参考値" in unknown["redundant_delay", "p50"].reason
    mixed = evaluate_pairs([Leg("a", a, GOOD_CLOCK), Leg("b", b, ClockQuality("粗", 7000.0))], "car-1", profile)
    assert {result.clock_bound_us for result in mixed if result.id == "redundant_delay"} == {7000.0}


def test_outages_of_a_pair_are_decided_as_those_of_a_link_are():
    """Both down for 10 s: a fact by one clock; one way by unknown clocks it is for reference, and so are the gains."""
    down = [-1 if 2000 <= number < 2500 else 9_000 for number in range(4000)]
    profile = Profile(
        name="x", ja="", en="", status="", requirement=(
            Requirement(kpi="redundant_outage", statistic="total", limit=20.0, source="test"),
        ),
    )  # fmt: skip
    trips = pair(made(down), made(down), profile=profile)["redundant_outage", "total"]
    assert (trips.verdict, trips.ci_low, trips.ci_high) == ("達成", trips.value, trips.value)
    one_way = made(down, way="ul_us"), made(down, way="ul_us")
    known, unknown = (pair(*one_way, clock=clock, profile=profile) for clock in (GOOD_CLOCK, UNKNOWN_CLOCK))
    assert known["redundant_outage", "total"].verdict == "達成"
    assert known["redundant_outage", "count"].ci_low <= 1 <= known["redundant_outage", "count"].ci_high
    assert unknown["redundant_outage", "total"].verdict == "判定不能"
    for key in (
        ("redundant_outage", "count"), ("redundant_availability_gain", "ratio"), ("redundant_delay_gain", "p99"),
    ):  # fmt: skip
        assert ("参考値" in known[key].reason, "参考値" in unknown[key].reason) == (False, True)


def test_of_several_pairs_the_best_is_named():
    """Three links: the two that never fail together are the best pair."""
    t_s = np.arange(3000) * STEP_US / 1e6
    early, late = (np.where((t_s >= start) & (t_s < start + 10), -1, 20_000) for start in (10.0, 40.0))
    legs = [Leg(name, made(each), GOOD_CLOCK) for name, each in (("a", early), ("b", early), ("c", late))]
    legs[1] = replace(legs[1], probes=made(np.where(t_s < 8, -1, early)))
    results = evaluate_pairs(legs, "car-1", NO_REQUIREMENTS)

    assert {result.link for result in results} == {"a+b", "a+c", "b+c"}
    assert {result.link for result in results if BEST in result.reason} == {"a+c"}


def test_no_packet_is_used_twice_and_none_is_further_away_than_allowed():
    """Packets pair with each other's nearest; two links probed in turn at equal distances pair all the way."""
    rng = np.random.default_rng(13)
    a, b = (np.sort(rng.integers(0, 10_000_000, 1000)) for _ in range(2))
    mine, theirs = matched(a, b, 5_000)
    assert np.unique(mine).size == np.unique(theirs).size == mine.size
    assert np.abs(a[mine] - b[theirs]).max() <= 5_000
    regular = np.arange(100) * 10_000
    assert [each.tolist() for each in matched(regular, regular + 5_000, 5_000)] == [[*range(1, 100)], [*range(99)]]
    assert matched(regular, regular + 5_000_000, 5_000)[0].size == 0


def test_how_far_apart_packets_of_a_pair_may_be_is_the_profiles():
    """Twenty milliseconds apart are a pair by default and none within one millisecond; the bound is stated."""
    profile = Profile(name="x", ja="", en="", status="", parameters=Parameters(pair_within_ms=1.0))
    a, b = made(np.full(100, 5000), step_us=1_000_000), made(np.full(100, 5000), first_us=T0_US + 20_000, step_us=10**6)
    assert pair(a, b)["redundant_loss", "ratio"].n == 100
    assert "50 ms" in pair(a, b)["redundant_loss", "ratio"].filter
    assert NO_PAIRS in pair(a, b, profile=profile)["redundant_loss", "ratio"].reason


def test_one_way_a_packet_lost_on_the_way_back_has_no_known_delay():
    """Lost down is neither fast nor infinite on the way up: only what is known counts, and the interval says so."""
    n = 1000
    a, b = made(np.full(n, 20_000), way="ul_us"), made(np.full(n, 30_000), way="ul_us")
    gone = np.arange(n) < 100
    delays = {"up": DelayColumn(a.delays["up"].us, ~gone)}
    answered_not, arrived_not = (
        replace(a, lost=np.where(gone, code, 0).astype(np.int16), delays={**a.delays, **delays}) for code in (2, 1)
    )
    unknown, known = pair(answered_not, b)["redundant_delay", "p99"], pair(arrived_not, b)["redundant_delay", "p99"]
    assert (unknown.n, unknown.value, known.n, known.value) == (900, 20.0, 1000, 30.0)
    assert unknown.ci_high is None


def waiting(limit_ms, **more):
    """A profile with a waiting time."""
    return Profile(name="x", ja="", en="", status="", parameters=Parameters(lost_after_ms=limit_ms, **more))


def test_a_packet_that_came_too_late_is_lost_in_a_pair_too():
    """A tenth late on each link, a hundredth on both: lost, infinitely slow, and down while both stay so."""
    n = 2000
    late = [np.arange(n) % 10 == 3, np.arange(n) % 100 == 3]
    late[0][1000:1200], late[1][1050:1300] = True, True
    both = late[0] & late[1]
    a, b = (made(np.where(each, 90_000, base)) for each, base in zip(late, (20_000, 30_000), strict=True))
    found = pair(a, b, profile=waiting(80.0, survival_ms=200.0))

    assert found["redundant_loss", "ratio"].value == both.mean()
    assert found["redundant_delay", "p50"].value == 20.0
    assert (found["redundant_delay", "p99"].value, found["redundant_delay", "p99"].n) == (None, n)
    # Both are down from the deadline and the survival time after packet 1050 on; 1200 restores the first.
    assert found["redundant_outage", "total"].value == pytest.approx(150 * 0.02 + 0.02 - 0.4, abs=0.001)
    said = f"{sum(int(each.sum()) for each in late)} packets later than 80 ms counted as lost"
    assert all(said in result.filter for result in found.values())
    assert pair(a, b)["redundant_loss", "ratio"].value == 0.0


def test_a_waiting_time_that_nothing_reaches_changes_only_what_is_said():
    """The same figures and intervals, and a filter that says that no packet was late."""
    rng = np.random.default_rng(15)
    a, b = (made(np.where(bursts(rng, 6000), -1, rng.integers(10_000, 40_000, 6000))) for _ in range(2))
    plainly, waited = pair(a, b), pair(a, b, profile=waiting(10_000.0))
    assert [(each.value, each.ci_low, each.ci_high, each.data_hash) for each in plainly.values()] == [
        (each.value, each.ci_low, each.ci_high, each.data_hash) for each in waited.values()
    ]
    assert all("0 packets later than 10000 ms" in each.filter for each in waited.values())


def test_a_late_packet_does_not_tell_what_absent_numbers_are():
    """A recording that never says "lost" stays so, though a packet of it counts as lost."""
    seq = np.delete(np.arange(501, dtype=np.int32), 250)
    rtt_us = np.full(500, 20_000)
    rtt_us[100] = 90_000
    found = pair(made(rtt_us, seq=seq), made(np.full(500, 20_000)), profile=waiting(80.0))
    assert {(result.value, result.reason) for result in found.values()} == {(None, BLIND)}


def test_a_pair_that_one_way_delays_of_unknown_clocks_decide_is_for_reference():
    """Whether a packet was late was read off a clock that nobody knows: loss of the pair is neither met nor missed."""
    required = Requirement(kpi="redundant_loss", statistic="ratio", limit=0.5, source="plan")
    profile = Profile(
        name="x", ja="", en="", status="", parameters=Parameters(lost_after_ms=80.0), requirement=(required,)
    )
    a, b = (made(np.full(2000, 20_000), way="ul_us") for _ in range(2))
    known, unknown = (
        pair(a, b, clock=clock, profile=profile)["redundant_loss", "ratio"] for clock in (GOOD_CLOCK, UNKNOWN_CLOCK)
    )
    assert (known.verdict, unknown.verdict) == ("達成", "判定不能")
    assert "参考値" in unknown.reason
