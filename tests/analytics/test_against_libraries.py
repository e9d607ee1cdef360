"""Formulas that others have too: ours against scipy, statsmodels, numpy and plain loops over random input."""

import itertools
import math
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import signal, stats
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW
from statsmodels.tsa.stattools import acf

from analytics.availability import availability
from analytics.bootstrap import percentile_interval, resampled
from analytics.evaluate import evaluate_link
from analytics.families.driving import evaluate_driving
from analytics.families.radio import evaluate_radio
from analytics.families.throughput import evaluate_throughput
from analytics.families.traffic import evaluate_traffic
from analytics.families.video import evaluate_video
from analytics.geodesy import haversine_m
from analytics.loss import loss_periods, transitions
from analytics.packet_order import reordering
from analytics.series import durations_s
from analytics.statistics import autocorrelation, effective_n, mean_interval, proportion_interval
from analytics.track import mesh_codes
from tests.analytics.families.making import make_figures, make_series
from tests.analytics.making import by_name, probes, round_trips, subject

SOME = settings(max_examples=60, deadline=None)
SEED = st.integers(0, 2**31)
VALUES = hnp.arrays(np.float64, st.integers(2, 200), elements=st.floats(-150, 150, allow_subnormal=False))
DELAYS_MS = st.lists(st.one_of(st.none(), st.integers(0, 300)), min_size=1, max_size=60)


@SOME
@given(n=st.integers(1, 200_000), share=st.floats(0, 1), confidence=st.sampled_from([0.9, 0.95, 0.99]))
def test_clopper_pearson_is_that_of_statsmodels_and_of_scipy(n, share, confidence):
    """proportion_confint by the beta distribution to nine digits, and binomtest as far as it searches."""
    k = round(share * n)
    ours = proportion_interval(k, n, confidence=confidence)
    theirs = proportion_confint(k, n, alpha=1 - confidence, method="beta")
    searched = stats.binomtest(k, n).proportion_ci(confidence, "exact")

    assert list(theirs) == pytest.approx([ours.low, ours.high], rel=1e-9, abs=1e-15)
    assert [searched.low, searched.high] == pytest.approx([ours.low, ours.high], rel=1e-6, abs=1e-9)


@SOME
@given(values=VALUES)
def test_the_interval_of_a_mean_is_that_of_statsmodels(values):
    """DescrStatsW.tconfint_mean, for a sample that is worth its length."""
    ours = mean_interval(float(values.mean()), float(values.std()), values.size)
    theirs = DescrStatsW(values).tconfint_mean(0.05)
    assert list(theirs) == pytest.approx([ours.low, ours.high], rel=1e-9, abs=1e-9)


@SOME
@given(seed=SEED, n=st.integers(3, 5000), phi=st.floats(-0.9, 0.99))
def test_autocorrelation_is_that_of_statsmodels(seed, n, phi):
    """Every lag of acf by FFT."""
    series = _autoregressive(seed, n, phi)
    assert acf(series, nlags=n - 1, fft=True) == pytest.approx(autocorrelation(series), abs=1e-9)


@SOME
@given(seed=SEED, n=st.integers(3, 3000), phi=st.floats(-0.9, 0.99))
def test_the_worth_of_a_series_is_geyers_sum_over_the_acf_of_statsmodels(seed, n, phi):
    """Pairs of lags are added until one is not positive."""
    series = _autoregressive(seed, n, phi)
    rho = acf(series, nlags=n - 1, fft=True)
    total = 0.0
    for pair in zip(rho[0::2], rho[1::2], strict=False):
        if sum(pair) <= 0:
            break
        total += sum(pair)
    assert min(n / max(2 * total - 1, 1.0), n) == pytest.approx(effective_n(series), abs=1.0)


def _autoregressive(seed, n, phi):
    noise = np.random.default_rng(seed).normal(size=n)
    return np.array(list(itertools.accumulate(noise, lambda before, step: phi * before + step)))


@SOME
@given(values=VALUES)
def test_statistics_of_a_radio_value_are_those_of_numpy(values):
    """Quantiles by inverted_cdf (never a value between two), mean, deviation and extremes; mean of powers."""
    results = by_name(evaluate_radio(make_series(np.arange(values.size), sinr_db=values), None, None, make_figures()))
    for percent in (5, 50, 95):
        name = f"p{percent}"
        if ("sinr", "", name) in results:
            assert np.quantile(values, percent / 100, method="inverted_cdf") == results["sinr", "", name].value
    for name, plain in (("mean", values.mean()), ("std", values.std()), ("min", values.min()), ("max", values.max()),
                        ("mean_linear", 10 * np.log10(np.mean(10 ** (values / 10))))):  # fmt: skip
        if ("sinr", "", name) in results:
            assert plain == pytest.approx(results["sinr", "", name].value, rel=1e-9, abs=1e-9)


@SOME
@given(delays=DELAYS_MS)
def test_the_delay_of_a_link_is_that_of_numpy_and_scipy(delays):
    """Quantiles over all sent with infinity for lost, the distribution function of scipy's ecdf, plain mean and std."""
    sent = np.array([math.inf if each is None else float(each) for each in delays])
    arrived = sent[np.isfinite(sent)]
    results = by_name(evaluate_link(round_trips(delays), subject()))

    for percent, name in ((5, "p5"), (50, "p50"), (95, "p95"), (99, "p99")):
        expected = np.quantile(sent, percent / 100, method="inverted_cdf")
        assert (expected if math.isfinite(expected) else None) == results["rtt", "round_trip", name].value
    if not arrived.size:
        return
    assert arrived.mean() == pytest.approx(results["rtt", "round_trip", "mean"].value)
    assert arrived.std() == pytest.approx(results["rtt", "round_trip", "std"].value, abs=1e-9)
    for limit in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000):
        expected = stats.ecdf(np.minimum(sent, 1e12)).cdf.evaluate(limit)
        assert expected == pytest.approx(results["delay_cdf", "round_trip", f"le_{limit}ms"].value)


@SOME
@given(delays=DELAYS_MS)
def test_the_median_of_a_link_is_that_of_numpy(delays):
    """Over all sent with infinity for lost: the mean of both in the middle where there is no single one."""
    expected = float(np.median([math.inf if each is None else each for each in delays]))
    found = by_name(evaluate_link(round_trips(delays), subject()))["rtt", "round_trip", "median"]
    assert (expected if math.isfinite(expected) else None) == found.value


@SOME
@given(delays=DELAYS_MS)
def test_variation_is_that_of_numpy_and_of_scipys_filter(delays):
    """|IPDV| as differences of neighbours that both arrived; J of RFC 3550 as a first-order filter of scipy.signal."""
    # A second apart nothing overtakes: the order of arrival is that of sending.
    rows = [{"t_us": 1_000_000 * at} | ({} if ms is None else {"rtt_us": 1000 * ms}) for at, ms in enumerate(delays)]
    results = by_name(evaluate_link(probes(rows), subject()))
    values = np.array([math.nan if each is None else float(each) for each in delays])
    steps = np.abs(np.diff(values))
    steps = steps[np.isfinite(steps)]
    if steps.size:
        for name, plain in (("mean", steps.mean()), ("std", steps.std()), ("min", steps.min()), ("max", steps.max())):
            assert plain == pytest.approx(results["ipdv", "round_trip", name].value, abs=1e-9)
    arrived = values[np.isfinite(values)]
    if arrived.size > 1:
        jitter = signal.lfilter([1 / 16], [1, -15 / 16], np.abs(np.diff(arrived)))
        for name, plain in (("mean", jitter.mean()), ("max", jitter.max())):
            assert plain == pytest.approx(results["jitter_rfc3550", "round_trip", name].value, rel=1e-9, abs=1e-9)
        for name, percent in (("p50", 50), ("p95", 95)):
            plain = np.quantile(arrived - arrived.min(), percent / 100, method="inverted_cdf")
            assert plain == results["pdv", "round_trip", name].value


@SOME
@given(seed=SEED, n=st.integers(2, 200), spread=st.floats(0.1, 100))
def test_packets_held_are_the_discordant_pairs_of_kendall(seed, n, spread):
    """Kendall's tau of two orders without ties is 1 - 2 D / pairs; D counts who was overtaken by whom."""
    arrivals = np.random.default_rng(seed).uniform(0, spread, n) + np.arange(n)
    arrivals_us = np.argsort(np.argsort(arrivals)) * 1000
    found = reordering(probes([{"seq": at, "t_us": at, "rtt_us": int(us)} for at, us in enumerate(arrivals_us)]),
                       "round_trip")  # fmt: skip
    pairs = n * (n - 1) / 2
    discordant = (1 - stats.kendalltau(np.arange(n), arrivals_us + np.arange(n)).statistic) * pairs / 2
    assert discordant == pytest.approx(int(found.held.sum()), abs=1e-6 * pairs)


@SOME
@given(
    values=VALUES.map(np.abs),
    seed=SEED,
    columns=st.sampled_from([("video_fps", "fps", 1.0), ("video_rate", "rate_bps", 1e6)]),
)
def test_means_weighted_by_time_are_those_of_statsmodels(values, seed, columns):
    """Frame rate and bit rate of a camera, throughput of a test: DescrStatsW with the lengths as weights."""
    kpi, name, scale = columns
    length_s = np.random.default_rng(seed).uniform(0.1, 3, values.size)
    expected = DescrStatsW(values, length_s).mean
    video = make_series(np.arange(values.size), interval_s=length_s, **{name: values * scale})
    tests = make_series(
        np.arange(values.size), interval_s=length_s, rate_bps=values * 1e6, direction=["up"] * values.size,
        protocol=["tcp"] * values.size,
    )  # fmt: skip

    assert expected == pytest.approx(by_name(evaluate_video(video, None, make_figures()))[kpi, "", "mean"].value)
    assert expected == pytest.approx(
        by_name(evaluate_throughput(tests, make_figures()))["throughput_tcp", "up", "mean"].value
    )


@SOME
@given(seed=SEED, n=st.integers(2, 100))
def test_coverage_by_time_is_the_weighted_share(seed, n):
    """The weighted mean of an indicator, worth at most Kish's (sum w)^2 / sum w^2."""
    rng = np.random.default_rng(seed)
    t_s = np.cumsum(rng.uniform(0.5, 2, n))
    level = rng.uniform(-120, -60, n)
    radio = make_series(t_s, rsrp_dbm=level)
    found = by_name(evaluate_radio(radio, None, None, make_figures(coverage_rsrp_dbm=-90.0)))[
        "coverage_time", "", "ratio"
    ]
    weights = durations_s(radio.t_us)

    assert DescrStatsW((level >= -90).astype(float), weights).mean == pytest.approx(found.value)
    assert found.n_eff <= max(math.floor(weights.sum() ** 2 / (weights**2).sum() + 1e-9), 1)


@pytest.mark.parametrize("seed", range(3))
def test_the_bootstrap_of_a_ratio_of_sums_is_that_of_scipy(seed):
    """The percentile interval of paired scenes; two generators of 2,000 and 10,000 replicates differ by noise alone."""
    rng = np.random.default_rng(seed)
    without = rng.uniform(5, 20, 40)
    with_ai = without * rng.uniform(0.1, 0.6, 40)
    picks = resampled(40)
    ours = percentile_interval(with_ai[picks].sum(axis=1) / without[picks].sum(axis=1))
    theirs = stats.bootstrap(
        (with_ai, without), lambda a, b, axis: a.sum(axis) / b.sum(axis), paired=True, vectorized=True,
        method="percentile", n_resamples=10_000, rng=rng,
    ).confidence_interval  # fmt: skip
    width = theirs.high - theirs.low
    assert [theirs.low, theirs.high] == pytest.approx([ours.low, ours.high], abs=0.1 * width)


@SOME
@given(counts=st.lists(st.tuples(*[st.integers(0, 50)] * 3), min_size=1, max_size=20))
def test_detection_scores_are_the_plain_formulas(counts):
    """Precision TP / (TP + FP), recall TP / (TP + FN), F their harmonic mean; of nothing there is none."""
    right, wrong, missed = (sum(column) for column in zip(*counts, strict=True))
    rows = make_series(
        np.arange(len(counts)), treatment=["on"] * len(counts), interval_s=[1.0] * len(counts),
        true_positives=[each[0] for each in counts], false_positives=[each[1] for each in counts],
        false_negatives=[each[2] for each in counts],
    )  # fmt: skip
    results = by_name(evaluate_traffic(rows, np.empty(0), make_figures()))
    precision, recall, f_score, missing = (
        results[name, "", "ratio"].value for name in ("precision", "recall", "f_score", "missed")
    )

    assert precision == (right / (right + wrong) if right + wrong else None)
    assert recall == (right / (right + missed) if right + missed else None)
    assert missing == (missed / (right + missed) if right + missed else None)
    if precision and recall:
        assert 2 * precision * recall / (precision + recall) == pytest.approx(f_score)
    elif right + wrong + missed:
        assert 0.0 == f_score
    else:
        assert f_score is None


@SOME
@given(counter=st.lists(st.integers(0, 9), min_size=2, max_size=30))
def test_interventions_have_the_interval_of_chi_squared(counter):
    """The exact interval of the count of rises."""
    number = sum(max(b - a, 0) for a, b in itertools.pairwise(counter))
    drive = make_series(np.arange(len(counter)), intervention=counter)
    found = by_name(evaluate_driving(drive, None, make_figures()))["interventions", "", "count"]
    low = stats.chi2.ppf(0.025, 2 * number) / 2 if number else 0.0
    assert [number, low, stats.chi2.ppf(0.975, 2 * number + 2) / 2] == pytest.approx(
        [found.value, found.ci_low, found.ci_high]
    )


@settings(max_examples=40, deadline=None)
@given(packets=st.lists(st.one_of(st.none(), st.integers(0, 100_000)), min_size=1, max_size=150))
def test_reordering_is_what_comparing_all_pairs_gives(packets):
    """RFC 4737: reordered iff a later packet came before; extent and late time are to the first that did."""
    arrivals = [(1000 * seq + delay, seq) for seq, delay in enumerate(packets) if delay is not None]
    in_order = [seq for _, seq in sorted(arrivals)]
    at_us = {seq: at for at, seq in arrivals}
    expected = {}
    for i, seq in enumerate(in_order):
        later = [j for j in range(i) if in_order[j] > seq and at_us[in_order[j]] < at_us[seq]]
        if later:
            expected[seq] = (i - later[0], at_us[seq] - at_us[in_order[later[0]]])
    rows = [{"seq": seq, "t_us": 1000 * seq, "rtt_us": delay} for seq, delay in enumerate(packets)]
    found = reordering(probes(rows), "round_trip")

    late = np.flatnonzero(found.is_reordered).tolist()
    sent = [seq for seq, delay in enumerate(packets) if delay is not None]
    assert sorted(expected) == [sent[place] for place in late]
    assert [expected[seq] for seq in sorted(expected)] == list(
        zip(found.extents.tolist(), found.late_us.tolist(), strict=True)
    )


@SOME
@given(delays=DELAYS_MS)
def test_periods_and_transitions_of_loss_are_those_of_itertools(delays):
    """Runs by groupby, transitions by pairwise."""
    lost = [each is None for each in delays]
    sent = round_trips(delays)
    runs = [len(list(group)) for is_lost, group in itertools.groupby(lost) if is_lost]
    pairs = Counter(itertools.pairwise(lost))
    found = transitions(sent)

    assert runs == loss_periods(sent).tolist()
    assert [pairs[key] for key in ((False, False), (False, True), (True, False), (True, True))] == [
        found.good_good, found.good_bad, found.bad_good, found.bad_bad
    ]  # fmt: skip


@SOME
@given(
    delays=st.lists(st.one_of(st.none(), st.integers(0, 30)), min_size=2, max_size=60),
    t_max_ms=st.integers(1, 25),
    survival_ms=st.integers(0, 60),
)
def test_availability_is_that_of_a_clock_that_ticks(delays, t_max_ms, survival_ms):
    """A millisecond at a time, 10 ms from message to message: down from the first missed deadline plus survival."""
    start, end = t_max_ms, 10 * len(delays) + t_max_ms
    down = sum(_is_down(at, delays, t_max_ms, survival_ms) for at in range(start, end))
    found = availability(round_trips(delays), "round_trip", 1000 * t_max_ms, 1000 * survival_ms)

    assert (1000 * (end - start), 1000 * down) == (found.observed_us, found.down_us)


def _is_down(at_ms, delays, t_max_ms, survival_ms):
    """Tell whether the service is down in the millisecond from `at_ms` on, straight from the definition."""
    failed = [delay is None or delay > t_max_ms for delay in delays]
    first = None
    for place, is_failed in enumerate(failed):
        if is_failed and first is None:
            first = 10 * place + t_max_ms
        elif not is_failed and first is not None:
            if first + survival_ms <= at_ms < 10 * place + delays[place]:
                return True
            first = None
    return first is not None and first + survival_ms <= at_ms


@SOME
@given(lat=st.floats(-89, 89), lon=st.floats(-180, 180), north=st.floats(-1, 1), east=st.floats(-1, 1))
def test_distances_are_those_of_vectors_on_the_sphere(lat, lon, north, east):
    """atan2 of cross and dot product, which is exact near and far."""

    def vector(lat_deg, lon_deg):
        a, b = math.radians(lat_deg), math.radians(lon_deg)
        return np.array([math.cos(a) * math.cos(b), math.cos(a) * math.sin(b), math.sin(a)])

    a, b = vector(lat, lon), vector(lat + north, lon + east)
    expected = 6_371_008.8 * math.atan2(float(np.linalg.norm(np.cross(a, b))), float(a @ b))
    found = haversine_m(*(np.array([each]) for each in (lat, lon, lat + north, lon + east)))
    assert expected == pytest.approx(found[0], rel=1e-9, abs=1e-6)


def _plain_mesh(lat_deg, lon_deg, size_m):
    """Return a mesh code by the arithmetic of JIS X 0410: 40' by 1 degree, in eighths, tenths and halves."""
    lat, lon = lat_deg * 1.5, lon_deg - 100
    code = f"{int(lat):02d}{int(lon):02d}"
    lat, lon = (lat % 1) * 8, (lon % 1) * 8
    code += f"{int(lat)}{int(lon)}"
    if size_m == 10_000:
        return int(code)
    lat, lon = (lat % 1) * 10, (lon % 1) * 10
    code += f"{int(lat)}{int(lon)}"
    for size in (500, 250, 125):
        if size_m > size:
            break
        lat, lon = (lat % 1) * 2, (lon % 1) * 2
        code += str(1 + 2 * int(lat) + int(lon))
    return int(code)


@pytest.mark.parametrize("size_m", [10_000, 1_000, 500, 250, 125])
def test_mesh_codes_are_those_of_the_plain_arithmetic(size_m):
    """500 random places of Japan."""
    dice = random.Random(size_m)
    places = [(dice.uniform(24, 45.9), dice.uniform(123, 149)) for _ in range(500)]
    lat, lon = (np.array(each) for each in zip(*places, strict=True))
    assert [_plain_mesh(*place, size_m) for place in places] == mesh_codes(lat, lon, size_m).tolist()


@settings(max_examples=40, deadline=None)
@given(lengths=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 40)), min_size=3, max_size=60))
def test_means_of_counts_have_student_s_interval(lengths):
    """How long losses last and how far they are apart: scipy's interval of what they are worth, from 1 on."""
    marks = [mark for lost, arrived in lengths for mark in [None] * lost + [10] * arrived]
    found = by_name(evaluate_link(round_trips(marks), subject()))
    periods = np.array([lost for lost, _ in lengths])
    apart = np.array([arrived + 1 for _, arrived in lengths[:-1]])
    for kpi, values in (("loss_burst", periods), ("inter_loss_period", apart)):
        result, worth = found[kpi, "round_trip", "mean"], effective_n(values)
        assert (result.value, result.n, result.n_eff) == (pytest.approx(values.mean()), values.size, worth)
        if worth < 2:
            assert (result.ci_low, result.ci_high) == (None, None)
            continue
        half = stats.t.ppf(0.975, worth - 1) * values.std() / np.sqrt(worth - 1)
        expected = max(values.mean() - half, 1.0), values.mean() + half
        assert (result.ci_low, result.ci_high) == pytest.approx(expected, rel=1e-9)
