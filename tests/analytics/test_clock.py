"""Clock quality: the sum of both ends' bounds, unknown as soon as one end is, and what it leaves of a verdict."""

import numpy as np
import pytest

from analytics.clock import ClockQuality, clock_quality
from analytics.clock_record import ClockSamples
from analytics.evaluate import evaluate_link
from analytics.requirements import Parameters, Profile, Requirement
from tests.analytics.making import UNKNOWN_CLOCK, by_name, probes, subject

S = 1_000_000
START, END = 1000 * S, 1600 * S


def clock(step_s=10, bound_us=100.0, first_s=900, last_s=1700, **changes):
    """Samples of a clock; `unsynced_s`, `unknown_s` and `missing_s` name spans (low, high) in s."""
    t_s = np.arange(first_s, last_s, step_s)
    gone = changes.get("missing_s", (0, 0))
    t_s = t_s[(t_s < gone[0]) | (t_s >= gone[1])]
    low, high = changes.get("unsynced_s", (0, 0))
    synced = (t_s < low) | (t_s >= high)
    bound = np.full(t_s.size, bound_us)
    low, high = changes.get("unknown_s", (0, 0))
    bound[(t_s >= low) & (t_s < high)] = np.nan
    return ClockSamples(t_s.astype(np.int64) * S, synced, bound)


def test_the_uncertainty_is_the_sum_of_both_ends():
    """Two known clocks are good up to 1 ms together and coarse above; each drifts by 150 us in 10 s (15 ppm)."""
    good = clock_quality(clock(), clock(bound_us=250.0), START, END)
    coarse = clock_quality(clock(bound_us=600.0), clock(bound_us=101.0), START, END)
    assert (good.word, good.bound_us, good.is_known) == ("良", 650.0, True)
    assert (coarse.word, coarse.bound_us, coarse.is_known) == ("粗", 1001.0, True)


def test_the_largest_bound_of_the_window_counts():
    """A clock that was worse for a while makes the whole window so much worse."""
    samples = clock()
    samples.bound_us[samples.t_us == 1300 * S] = 5000.0
    samples.bound_us[samples.t_us == 900 * S] = 9_000_000.0
    assert clock_quality(samples, clock(), START, END).bound_us == 5150.0 + 250.0


BAD = [
    ("missing", None),
    ("empty", clock(first_s=0, last_s=0)),
    ("stale", clock(last_s=900, first_s=100)),
    ("after", clock(first_s=1700, last_s=2000)),
    ("unsynced", clock(unsynced_s=(1300, 1301))),
    ("unknown bound", clock(unknown_s=(1300, 1301))),
    ("gap", clock(missing_s=(1200, 1270))),
    ("starts late", clock(first_s=1070)),
    ("ends early", clock(last_s=1530)),
    ("gap over the border", clock(missing_s=(950, 1050))),
]


@pytest.mark.parametrize(("name", "samples"), BAD, ids=[name for name, _ in BAD])
@pytest.mark.parametrize("end", ["own", "far"])
def test_one_unknown_end_makes_the_clock_unknown(name, samples, end):
    """Whichever end it is, the reason names it, and what makes it known: a record, or synchronisation of one."""
    pair = (samples, clock()) if end == "own" else (clock(), samples)
    quality = clock_quality(*pair, START, END)
    assert (quality.word, quality.bound_us, quality.is_known) == ("不明", None, False), name
    assert f"{end} clock" in quality.reason
    ja, _, en = quality.doubt(1_000.0).partition(" / ")
    record = {"own": ('kind = "clock"', 'kind "clock"'), "far": ("jissho reflect", "jissho reflect")}[end]
    words = ("GNSS PPS", "GNSS PPS") if "not synchronised" in quality.reason else record
    assert ja.startswith("参考値: ")
    assert "対策: " in ja
    assert (words[0] in ja, words[1] in en) == (True, True)
    assert ("事後補正" in ja, "--correct-offset" in en) == (True, True)


def test_slow_clocks_are_measured_by_their_own_interval():
    """A clock that reports every 64 s may miss two reports, not three."""
    assert clock_quality(clock(step_s=64, missing_s=(1200, 1300)), clock(), START, END).is_known
    assert not clock_quality(clock(step_s=64, missing_s=(1200, 1400)), clock(), START, END).is_known


def test_a_short_window_between_two_samples_is_known():
    """A window of seconds, or of one packet, needs no sample of its own."""
    assert clock_quality(clock(), clock(), 1001 * S, 1002 * S).is_known
    assert clock_quality(clock(), clock(), 1001 * S, 1001 * S).is_known
    assert clock_quality(clock(first_s=1000, last_s=1001), clock(), START, START).is_known


PROFILE = Profile(
    name="x", ja="", en="", status="要確認", parameters=Parameters(owd_within_ms=100.0),
    requirement=(
        Requirement(kpi="owd", statistic="p95", direction="up", limit=100.0, source="test"),
        Requirement(kpi="reliability", statistic="ratio", direction="up", limit=0.9, source="test"),
        Requirement(kpi="rtt", statistic="p95", limit=100.0, source="test"),
    ),
)  # fmt: skip
SENT = [{"ul_us": 5000 + 100 * (number % 7), "dl_us": 4000, "rtt_us": 9000 + number % 7} for number in range(5000)]


def test_an_unknown_clock_makes_one_way_values_reference_only():
    """The value is given, marked 参考値, and never 達成; the round trip needs no clock."""
    results = by_name(evaluate_link(probes(SENT), subject(PROFILE, UNKNOWN_CLOCK)))
    known = by_name(evaluate_link(probes(SENT), subject(PROFILE)))
    for key in (("owd", "up", "p95"), ("reliability", "up", "ratio")):
        assert known[key].verdict == "達成"
        assert "参考値" not in known[key].reason
        assert results[key].value == known[key].value
        assert (results[key].verdict, results[key].clock, results[key].clock_bound_us) == ("判定不能", "不明", None)
        assert "参考値" in results[key].reason
    assert results["rtt", "round_trip", "p95"].verdict == "達成"
    assert (results["rtt", "round_trip", "p95"].clock, results["rtt", "round_trip", "p95"].reason) == ("", "")


def test_a_coarse_clock_decides_only_what_it_can():
    """A bound as large as the room below the limit leaves the verdict open."""
    wide = subject(PROFILE, ClockQuality("粗", 96_000.0))
    results = by_name(evaluate_link(probes(SENT), wide))
    assert results["owd", "up", "p95"].verdict == "判定不能"
    assert (results["owd", "up", "p95"].clock, results["owd", "up", "p95"].clock_bound_us) == ("粗", 96_000.0)
    # No packet is surely in time, and none surely late.
    assert results["reliability", "up", "ratio"].verdict == "判定不能"
    assert (results["reliability", "up", "ratio"].ci_low, results["reliability", "up", "ratio"].ci_high) == (0.0, 1.0)
