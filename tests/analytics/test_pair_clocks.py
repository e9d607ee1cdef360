"""Clocks of pairs of links, judged where and when they apply: what poor time of either hides, and what it leaves."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.clock import ClockQuality
from analytics.leg_scan import asked_leg
from analytics.pair_scan import PairsScan
from analytics.redundancy import NONE_CLEAR, Leg, evaluate_pairs, pair_kpis
from analytics.requirements import NO_REQUIREMENTS, Parameters, Profile, Requirement
from tests.analytics.lawful import check_all
from tests.analytics.making import GOOD_CLOCK, T0_US, probes
from tests.analytics.test_chunks import plain
from tests.analytics.test_pair_chunks import devices, results

S = 1_000_000
N = 4000
"""Packets of each link, one every 10 ms: 40 s."""
PROFILE = Profile(
    name="x", ja="", en="", status="", parameters=Parameters(
        owd_within_ms=100.0, t_max_ms=100.0, survival_ms=100.0, outage_s=0.5,
    ),
    requirement=(
        Requirement(kpi="redundant_delay", statistic="p50", limit=100.0, source="test"),
        Requirement(kpi="redundant_availability", statistic="ratio", limit=0.9, source="test"),
    ),
)  # fmt: skip
DELAY, UP, GAIN = ("redundant_delay", "p50"), ("redundant_availability", "ratio"), ("redundant_delay_gain", "p50")


def sent(rng, up_ms=(5, 30), *, trips=True, loss=0.002):
    """Packets of independent delays, some lost on the way up. Round trips are slower by 20 ms, which is not measured.

    Of a pair of links the first direction both measured counts: round trips, unless one link has none.
    """
    rows = []
    for _ in range(N):
        up = int(rng.integers(*(1000 * ms for ms in up_ms)))
        rows.append({"lost": 1, "copy": 0} if rng.random() < loss else {"ul_us": up, "rtt_us": up + 20_000})
    packets = probes(rows)
    trip = packets.delays["round_trip"]
    return packets if trips else packets.with_delay("round_trip", replace(trip, valid=np.zeros(N, bool)))


def ahead(packets, spans, offset_us):
    """Return the packets as a far clock measured them that was ahead in some spans of seconds."""
    is_off = np.zeros(packets.n, bool)
    for low_s, high_s in spans:
        is_off |= (packets.t_us >= T0_US + low_s * S) & (packets.t_us < T0_US + high_s * S)
    up = packets.delays["up"]
    return packets.with_delay("up", replace(up, us=up.us + np.where(is_off, offset_us, 0)))


def gone(packets, low_s, high_s):
    """Return the packets with all of a span of seconds lost on the way up."""
    is_gone = (packets.t_us >= T0_US + low_s * S) & (packets.t_us < T0_US + high_s * S)
    delays = {name: replace(delay, valid=delay.valid & ~is_gone) for name, delay in packets.delays.items()}
    return replace(packets, lost=np.where(is_gone, 1, packets.lost), delays=delays)


def poor(*spans, bound_us=200.0):
    """Clocks that are good but for some spans of seconds."""
    return ClockQuality("良", bound_us, poor=tuple((T0_US + low * S, T0_US + high * S) for low, high in spans))


def judged(a, b, clocks, profile=PROFILE):
    """Return the results by (id, statistic), which hold to the laws."""
    found = evaluate_pairs([Leg("a", a, clocks[0]), Leg("b", b, clocks[1])], "car-1", profile)
    check_all(found)
    return {(each.id, each.statistic): each for each in found}


def two(seed):
    """Two links; only the first has round trips, so that the way up is what both measured."""
    rng = np.random.default_rng(seed)
    return sent(rng), sent(rng, trips=False)


def test_one_bad_spell_of_a_clock_does_not_spoil_the_pairs_of_a_run():
    """Two seconds of 40: what was 達成 stays so, values hardly move, and each figure says what was hidden."""
    a, b = two(1)
    wrong = ahead(a, [(20, 22)], 2_640_000)
    whole, found = judged(a, b, [poor(), poor()]), judged(wrong, b, [poor((20, 22)), poor()])
    for key in (DELAY, UP):
        assert (whole[key].verdict, found[key].verdict) == ("達成", "達成"), key
        assert found[key].value == pytest.approx(whole[key].value, rel=0.02), key
        assert found[key].ci_low <= whole[key].value <= found[key].ci_high, key
        assert "参考値" not in found[key].reason, key
    # One of the two hundred is known all the same: the other link's packet arrived alone.
    assert "パケットの組 199 の片方向遅延は、区間では往復遅延以下" in found[DELAY].reason
    assert "whatever the clocks: " in found[DELAY].reason
    assert "パケット 199 の片方向遅延" in found[UP].reason
    assert "パケットの組 200 を除く" in found[GAIN].reason
    assert found[GAIN].n == N - 200
    assert found[GAIN].value == pytest.approx(whole[GAIN].value, rel=0.05)
    for key in (("redundant_loss", "ratio"), ("redundant_loss_gain", "ratio")):
        assert (found[key].value, found[key].n, found[key].filter) == (whole[key].value, N, whole[key].filter), key


def test_where_a_clock_is_poor_all_the_time_the_pair_is_for_reference():
    """The limit holds for pairs as for links, whichever of the two has the bad clock."""
    a, b = two(2)
    for clocks in ([ClockQuality("粗", 2_660_356.6), poor()], [poor(), ClockQuality("粗", 2_660_356.6)]):
        found = judged(a, b, clocks)
        for key in (DELAY, UP):
            assert found[key].verdict == "判定不能"
            assert "参考値: 時計の誤差上限 ±2660 ms が限度 ±10 ms を超える" in found[key].reason


def test_the_other_link_bounds_a_pair_better_than_a_round_trip():
    """The first link's delays are hidden and its trips are long: what the second one measured bounds the pair."""
    rng = np.random.default_rng(3)
    slow, fast = sent(rng, up_ms=(300, 400), loss=0), sent(rng, trips=False, loss=0)
    found = judged(slow, fast, [poor((5, 35)), poor()])
    assert found[DELAY].ci_high <= 30.3
    assert found[DELAY].verdict == "達成"
    # The other way round nothing but the slow link's round trips is left.
    found = judged(sent(rng, up_ms=(300, 400), loss=0), fast, [poor(), poor((5, 35))])
    assert found[DELAY].ci_high > 300.0
    assert found[DELAY].verdict == "判定不能"


def test_what_poor_clocks_leave_open_of_the_time_of_both_widens_every_figure_of_it():
    """One link loses 10 s, and for 2 s of them the other's clock is off: both down as measured, and perhaps not."""
    rng = np.random.default_rng(4)
    a, b = sent(rng, loss=0), gone(sent(rng, trips=False, loss=0), 10, 20)
    wrong = ahead(a, [(12, 14)], 2_640_000)
    found = judged(wrong, b, [poor((12, 14)), poor()])
    assert (found["redundant_outage", "count"].value, found["redundant_outage", "total"].value) == (
        1.0,
        pytest.approx(2 - 0.2 + 0.015, abs=0.02),
    )
    assert found["redundant_outage", "total"].ci_low == 0.0
    assert found["redundant_availability", "ratio"].ci_high == 1.0
    assert found["redundant_outage", "total"].ci_high == pytest.approx(
        found["redundant_outage", "total"].value, abs=0.001
    )


def test_a_gain_of_time_reaches_over_what_poor_clocks_leave_open():
    """The better link is down for 7 s, and for 2 s more by a clock that is off: that much of the gain is in doubt."""
    rng = np.random.default_rng(7)
    a, b = gone(sent(rng, loss=0), 25, 32), gone(sent(rng, trips=False, loss=0), 10, 20)
    wrong = ahead(a, [(34, 36)], 2_640_000)
    plainly, found = (
        judged(wrong, b, [clock, poor()])["redundant_availability_gain", "ratio"] for clock in (poor(), poor((34, 36)))
    )
    doubt = (2 - 0.2 + 0.015) / 40
    assert found.value == plainly.value == pytest.approx((7 - 0.2 + 0.015) / 40 + doubt, abs=0.001)
    assert found.ci_low == pytest.approx(max(plainly.ci_low - doubt, 0.0), abs=0.001)
    assert found.ci_high == pytest.approx(plainly.ci_high, abs=0.001)


def test_no_time_in_which_both_clocks_are_good_gives_a_reason_instead_of_a_gain():
    """One clock is poor in the first half, the other one in the second: every pair has one delay at most."""
    rng = np.random.default_rng(5)
    a, b = sent(rng, loss=0), sent(rng, trips=False, loss=0)
    found = judged(a, b, [poor((0, 20)), poor((20, 41))])
    assert (found[GAIN].value, found[GAIN].n) == (None, 0)
    assert NONE_CLEAR in found[GAIN].reason
    assert found[DELAY].value is None


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 50), offset_ms=st.integers(-3000, 3000),
    spans=st.lists(st.tuples(st.integers(0, 39), st.integers(1, 12)), min_size=1, max_size=3),
    of_second=st.booleans(),
)  # fmt: skip
def test_the_truth_lies_in_the_interval_whatever_poor_clocks_measured(seed, offset_ms, spans, of_second):
    """Figures by good clocks lie in the intervals by clocks that made anything of some of the packets."""
    a, b = two(seed)
    seconds = [(low, low + length) for low, length in spans]
    clouded = [ahead(b if of_second else a, seconds, 1000 * offset_ms), b if not of_second else a]
    pair = clouded[::-1] if of_second else clouded
    clocks = [poor(*seconds), poor()]
    truth = judged(a, b, [poor(), poor()])
    found = judged(*pair, clocks[::-1] if of_second else clocks)
    for key in [("redundant_delay", statistic) for statistic in ("p50", "p99")] + [UP]:
        low, high = found[key].ci_low, found[key].ci_high
        assert low is None or low <= truth[key].value, key
        assert high is None or truth[key].value <= high, key


@settings(max_examples=40, deadline=None)
@given(
    drawn=devices(), t_max_ms=st.sampled_from([5.0, 25.0]), within_ms=st.sampled_from([1.0, 50.0, 3_000.0]),
    lost_after_ms=st.sampled_from([None, 8.0]), bound_us=st.sampled_from([0.0, 200.0]),
    parts=st.lists(st.tuples(st.integers(0, 2), st.floats(0, 1), st.floats(0, 0.5)), max_size=4),
)  # fmt: skip
def test_however_a_run_is_cut_poor_time_hides_the_same_of_its_pairs(  # noqa: PLR0917 - drawn by name
    drawn, t_max_ms, within_ms, lost_after_ms, bound_us, parts
):  # fmt: skip
    """Poor time of each link of its own that begins and ends anywhere in the chunks."""
    links, edges = drawn
    low, high = (end(int(end(each["t_us"].values)) for each in links) for end in (min, max))
    spans = [
        (number, (low + round(at * (high - low)), low + round((at + part) * (high - low)) + 1))
        for number, at, part in parts
    ]
    clocks = [
        ClockQuality("良", bound_us, poor=tuple(span for of, span in spans if of == number)) for number in range(3)
    ]
    parameters = msgspec.structs.replace(
        NO_REQUIREMENTS.parameters, t_max_ms=t_max_ms, pair_within_ms=within_ms, lost_after_ms=lost_after_ms
    )
    profile = msgspec.structs.replace(NO_REQUIREMENTS, parameters=parameters)
    whole, found = (results(links, each, profile, clocks) for each in ([], edges))
    check_all(found)
    assert plain(whole) == [msgspec.structs.asdict(each) for each in found]


def test_a_link_without_poor_time_counts_its_outages_once():
    """Every case is a scanner of its own that reads all packets: only where poor time makes a difference."""
    a, b = two(6)
    extents = [(int(each.t_us.min()), int(each.t_us.max())) for each in (a, b)]
    scan = PairsScan([
        asked_leg("car-1", name, extent, PROFILE, clock)
        for name, extent, clock in zip("ab", extents, [poor((1, 2), bound_us=0.0), GOOD_CLOCK], strict=True)
    ])  # fmt: skip
    assert [len(leg._services) for leg in scan.legs] == [1 + 2 * 3, 1 + 2 * 3]
    scan = PairsScan([
        asked_leg("car-1", name, extent, PROFILE, replace(GOOD_CLOCK, bound_us=0.0))
        for name, extent in zip("ab", extents, strict=True)
    ])  # fmt: skip
    assert [len(leg._services) for leg in scan.legs] == [3, 3]
    scan.add([a, b])
    assert pair_kpis(scan)
