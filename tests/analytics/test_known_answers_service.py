"""Worked examples on loss, reliability, availability and inference, through the whole engine and not its parts."""

import math
from pathlib import Path

import numpy as np
import pytest

from analytics.definitions import BY_ID
from analytics.evaluate import evaluate_link
from analytics.families.video import evaluate_video
from analytics.planner import FAILURES, TARGETS, packets_for
from analytics.probes import probe_arrays
from analytics.requirements import Parameters, Profile, Requirement
from analytics.special import binomial_cdf
from analytics.statistics import effective_n, order_ranks, proportion_interval
from tests.analytics.families.making import make_figures, make_series
from tests.analytics.making import T0_US, Column, by_name, probes, round_trips, subject


def judged_by(*requirements, **parameters):
    """Make a subject with parameters and requirements."""
    return subject(
        Profile(
            name="test", ja="", en="", status="", parameters=Parameters(**parameters), requirement=requirements
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    ("lost", "ratio", "periods"),
    [
        ("00100", 0.2, [1]),  # RFC 7680 4.1
        ("0001001110100111", 0.5, [1, 3, 1, 3]),  # RFC 3357 4
        ("0100101011", 0.5, [1, 1, 1, 2]),  # RFC 3357 5.4.3, 6.5
    ],
)
def test_ratio_and_periods_of_loss_reach_the_results(lost, ratio, periods):
    """The worked examples of RFC 7680 and RFC 3357."""
    results = by_name(evaluate_link(round_trips([None if bit == "1" else 10 for bit in lost]), subject()))
    found = [results["loss_burst", "round_trip", name].value for name in ("count", "mean", "max")]
    assert (ratio, [len(periods), np.mean(periods), max(periods)]) == (
        results["loss", "round_trip", "ratio"].value,
        found,
    )


def test_the_two_state_model_reaches_the_results(vectors):
    """p, q, the loss p / (p + q) and the mean burst 1 / q, from the counts of RFC 3357's sequence."""
    for case in vectors["statistics"]["gilbert"]:
        results = by_name(evaluate_link(round_trips([None if bit else 10 for bit in case["lost"]]), subject()))
        p, q = (results["loss_model", "round_trip", name] for name in ("p", "q"))
        assert (case["p"], case["n00"] + case["n01"]) == (p.value, p.n)
        assert (case["q"], case["n10"] + case["n11"]) == (q.value, q.n)
        assert (case["model_loss"], case["mean_burst_model"]) == pytest.approx(
            (p.value / (p.value + q.value), 1 / q.value)
        )


@pytest.mark.parametrize(
    ("received", "lost", "ratio"),
    [
        (95, 5, 0.05),  # RFC 3550 A.3: a fraction byte of 12 is 5 % cut to 1/256
        (102, -2, 0.0),  # RFC 3550 A.3: more came than was expected
        (334, 36, 36 / 370),  # lost over expected, where rtcstats says 36/334
    ],
)
def test_rtp_loss_is_lost_over_expected(received, lost, ratio):
    """RFC 3550 6.4.1 and A.3, in which duplicates may make the number lost negative."""
    video = make_series([1.0], interval_s=[1.0], packets_received=[received], packets_lost=[lost])
    found = by_name(evaluate_video(video, None, make_figures()))["video_loss", "", "ratio"]
    assert ratio == found.value
    assert 0 <= found.ci_low <= ratio <= found.ci_high <= 1
    if (received, lost) == (95, 5):
        assert 12 == math.floor(256 * found.value)


def test_every_rtp_loss_vector(vectors):
    """RFC 3550 A.3: the fraction as a byte is the ratio in 256ths, cut; duplicates beyond what was expected are 0."""
    for case in vectors["vectors"]["rfc3550_loss"]:
        received, expected = case["received_interval"], case["expected_interval"]
        video = make_series([1.0], interval_s=[1.0], packets_received=[received], packets_lost=[expected - received])
        found = by_name(evaluate_video(video, None, make_figures()))["video_loss", "", "ratio"]
        assert case["fraction_byte"] == math.floor(256 * found.value)


def test_pings_zero_percent_is_not_zero():
    """874 answers to 878 requests: ping prints 0 %, and it is 0.456 %."""
    results = by_name(evaluate_link(round_trips([10] * 874 + [None] * 4), subject()))
    assert 0.00456 == pytest.approx(results["loss", "round_trip", "ratio"].value, abs=5e-6)


@pytest.mark.parametrize(("case", "row"), [("late", 120.0), ("lost", None)])
def test_reliability_is_delivered_in_time_of_all_sent(case, row):
    """TS 22.261 3.1: nine of ten within the bound; the tenth late or lost, and a second copy counts for nothing."""
    rows = [{"seq": seq, "rtt_us": 100_000} for seq in range(9)]
    rows.append({"seq": 9, "rtt_us": None if row is None else round(1000 * row)})
    rows.append({"seq": 3, "copy": 2, "rtt_us": 1000})
    results = by_name(evaluate_link(probes(rows), judged_by(rtt_within_ms=100.0)))

    assert 0.9 == results["reliability", "round_trip", "ratio"].value
    assert (0.1 if case == "lost" else 0.0) == results["loss", "round_trip", "ratio"].value


@pytest.mark.parametrize(("reliability", "seed"), [(0.9, 1), (0.99, 2), (0.999, 3)])
def test_independent_failures_give_the_availability_of_annex_f(reliability, seed):
    """TS 22.104 annex F: with a survival time of one interval availability is 1 - (1 - R)^2.

    Exact in the mean where messages arrive at their deadline: a run of k failures is then k - 1 intervals of down time.
    """
    n, rng = 400_000, np.random.default_rng(seed)
    failed = rng.random(n) >= reliability
    failed[-1] = False
    rows_us = np.where(failed, -1, 5_000)
    sent = _every_ten_ms(rows_us)
    found = by_name(evaluate_link(sent, judged_by(t_max_ms=5.0, survival_ms=10.0)))[
        "availability", "round_trip", "ratio"
    ]

    twice = int((failed[1:] & failed[:-1]).sum())
    assert 1 - twice / n == pytest.approx(found.value, abs=1e-12)
    expected, deviation = (1 - reliability) ** 2, math.sqrt((1 - reliability) ** 2 * 3 / n)
    assert 1 - expected == pytest.approx(found.value, abs=4 * deviation)


def test_the_availability_of_annex_f(vectors):
    """TS 22.104 annex F, exactly: as many pairs of failures as independence gives, each one interval of down time."""
    for case in vectors["statistics"]["availability_from_reliability"]:
        missing = 1 - case["R"]
        assert 1 == case["survival_in_transfer_intervals"]
        assert case["availability"] == pytest.approx(1 - missing**2, abs=1e-15)
        if missing < 1e-3 / 2:
            continue  # one pair in 10^8 messages and more
        n = round(1 / missing**2)
        rows_us = np.full(n, 5_000)
        # The share of failures is that of R, and one of them follows another.
        places = np.arange(round(n * missing) - 1) * 999 + 500
        rows_us[places] = rows_us[places[0] + 1] = -1
        found = by_name(evaluate_link(_every_ten_ms(rows_us), judged_by(t_max_ms=5.0, survival_ms=10.0)))
        assert missing == pytest.approx(found["loss", "round_trip", "ratio"].value, rel=1e-9)
        assert case["availability"] == pytest.approx(found["availability", "round_trip", "ratio"].value, abs=1e-12)


def _every_ten_ms(rtt_us):
    """Return probes sent every 10 ms; a negative delay is a lost packet."""
    n, is_lost = rtt_us.size, rtt_us < 0
    nothing = Column(np.zeros(n, np.int32), np.zeros(n, bool))
    return probe_arrays({
        "t_us": Column(T0_US + 10_000 * np.arange(n)), "session": Column(np.ones(n, np.int32)),
        "seq": Column(np.arange(n, dtype=np.int32)), "refl_seq": nothing, "ul_us": nothing, "dl_us": nothing,
        "rtt_us": Column(np.maximum(rtt_us, 0).astype(np.int32), ~is_lost),
        "copy": Column((~is_lost).astype(np.int16)), "lost": Column(np.where(is_lost, 3, 0).astype(np.int16)),
    })  # fmt: skip


@pytest.mark.parametrize(
    ("failures", "divisor"), [(0, 2.9957), (1, 4.7439), (2, 6.2958), (3, 7.7537), (5, 10.5130)]
)  # fmt: skip
def test_time_between_failures_has_the_lower_bound_of_chi_squared(failures, divisor):
    """Up time over chi-squared's divisor; a failure-free day of messages shows 8.0 h and no more."""
    # A message every 100 s: a day of them with failures of one message each, at a survival time of zero.
    n = 864
    rtt = [None if place % 100 == 50 and place // 100 < failures else 1.0 for place in range(n)]
    rows = [{"t_us": 100_000_000 * place, "rtt_us": None if each is None else 1000} for place, each in enumerate(rtt)]
    results = by_name(evaluate_link(probes(rows), judged_by(t_max_ms=1000.0, survival_ms=0.0)))
    found, down = results["mtbf", "round_trip", "mean"], results["outage", "round_trip", "total"].value

    assert (failures, failures) == (found.n, results["outage", "round_trip", "count"].value)
    assert (86_400 - down) / divisor == pytest.approx(found.ci_low, rel=2e-5)
    assert found.value is None if not failures else (86_400 - down) / failures == pytest.approx(found.value)
    if not failures:
        assert 8.0 == round(found.ci_low / 3600, 1)


def test_availability_is_up_time_between_failures_over_all_time():
    """MTBF / (MTBF + MTTR), with the mean time to repair as total over count of the outages."""
    sent = round_trips([None if 3 <= place % 20 <= 7 else 2.0 for place in range(200)])
    results = by_name(evaluate_link(sent, judged_by(t_max_ms=5.0, survival_ms=10.0)))
    mtbf = results["mtbf", "round_trip", "mean"].value
    mttr = results["outage", "round_trip", "total"].value / results["outage", "round_trip", "count"].value

    assert 10 * 0.037 == pytest.approx(results["outage", "round_trip", "total"].value)
    assert mtbf / (mtbf + mttr) == pytest.approx(results["availability", "round_trip", "ratio"].value)


def test_the_packets_that_demonstrate_a_reliability_are_those_of_the_plan(vectors):
    """Every cell of the table: target by allowed failures."""
    cases = vectors["statistics"]["demonstration_n"]
    assert [case["reliability"] for case in cases] == list(TARGETS)
    for case in cases:
        planned = {str(failures): packets_for(case["reliability"], failures) for failures in FAILURES}
        assert case["n_by_allowed_failures"] == planned


def test_a_quantile_is_bounded_from_the_tabulated_number_of_values_on(vectors):
    """The largest of n values bounds the quantile q with one-sided 95 %: 29 for p90 to 29,956 for p99.99."""
    for q, n in vectors["statistics"]["min_n_max_bounds_quantile_95"].items():
        assert [n, None] == [order_ranks(size, q, 0.90)[1] for size in (n, n - 1)], q


def test_the_order_statistics_have_the_tabulated_coverage(vectors):
    """Ranks, and the exact probability that they hold the quantile."""
    for case in vectors["statistics"]["quantile_ci"]:
        low, high = order_ranks(case["n"], str(case["q"]))
        assert (case["rank_low"], case["rank_high"]) == (low, high)
        if high is not None:
            covered = binomial_cdf(high - 1, case["n"], case["q"]) - binomial_cdf(low - 1, case["n"], case["q"])
            assert case["coverage"] == pytest.approx(covered, abs=1e-9)


@pytest.mark.parametrize("n", [20, 100, 1000, 100_000])
def test_the_rule_of_three(n):
    """No failure in n: with one-sided 95 % at most about 3 / n, exactly 1 - 0.05^(1/n)."""
    high = proportion_interval(0, n, confidence=0.90).high
    assert 1 - 0.05 ** (1 / n) == pytest.approx(high, rel=1e-9)
    assert 3 / n == pytest.approx(high, rel=0.1)


def test_no_failure_in_a_dependent_sample_has_the_bound_of_its_worth():
    """With k = 0 the sample is worth n_eff packets, and so is the bound."""
    assert proportion_interval(0, 199) == proportion_interval(0, 2710, 199)


@pytest.mark.parametrize("phi", [0.2, 0.655, 0.9])
def test_an_autoregressive_sample_is_worth_what_the_formula_says(phi):
    """n (1 - phi) / (1 + phi), within an eighth: 50,000 values of a seeded series."""
    rng = np.random.default_rng(7)
    noise = rng.normal(size=50_000)
    values = np.empty(noise.size)
    values[0] = noise[0] / math.sqrt(1 - phi * phi)
    for place in range(1, values.size):
        values[place] = phi * values[place - 1] + noise[place]
    assert values.size * (1 - phi) / (1 + phi) == pytest.approx(effective_n(values), rel=0.125)


def test_every_known_answer_is_read_by_a_test(vectors):
    """What stands among the vectors and is named by no test would be an answer that nobody asked for."""
    tests = Path(__file__).parents[1]
    written = "".join(path.read_text() for path in sorted(tests.rglob("test_*.py")))
    names = [*vectors["vectors"], *vectors["statistics"]]
    assert [] == [name for name in names if f'["{name}"]' not in written]


def test_zero_of_zero_is_not_zero_percent():
    """Nothing sent: no ratio, no interval, and a reason."""
    found = by_name(
        evaluate_link(probes([]), judged_by(Requirement(kpi="loss", statistic="ratio", limit=0.1, source="x")))
    )
    for statistic in BY_ID["loss"].statistics:
        result = found["loss", "round_trip", statistic]
        assert (None, None, None, 0, True) == (
            result.value,
            result.ci_low,
            result.ci_high,
            result.n,
            bool(result.reason),
        )
    assert "判定不能" == found["loss", "round_trip", "ratio"].verdict
