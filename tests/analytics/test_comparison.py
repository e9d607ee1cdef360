"""Comparison: the effect is exact, its interval knows about bursts and pairs, and says when it cannot be had."""

from dataclasses import replace

import numpy as np
import pytest

from analytics.bootstrap import percentile_interval, weights
from analytics.comparison import ALL_OR_NONE, LEAST_BLOCKS, Side, compare, time_blocks, usual_block_s
from analytics.comparison.units import usual_length_s
from analytics.link import blind_words
from analytics.probes import DelayColumn, probe_arrays
from analytics.road import road_of
from analytics.track import track
from tests.analytics.families.making import make_series
from tests.analytics.making import T0_US, Column
from tests.analytics.test_coverage import wandering


def made(rtt_us, *, step_us=10_000, seq=None):
    """Make probes from round trips in microseconds, negative for lost."""
    rtt_us = np.asarray(rtt_us)
    n, lost = rtt_us.size, rtt_us < 0
    half = Column(np.zeros(n, np.int32), np.zeros(n, bool))
    return probe_arrays({
        "t_us": Column(T0_US + np.arange(n, dtype=np.int64) * step_us), "session": Column(np.ones(n, np.int32)),
        "seq": Column(np.arange(n, dtype=np.int32) if seq is None else seq), "refl_seq": half, "ul_us": half,
        "dl_us": half,
        "rtt_us": Column(np.where(lost, 0, rtt_us).astype(np.int32), ~lost), "copy": Column((~lost).astype(np.int16)),
        "lost": Column(np.where(lost, 3, 0).astype(np.int16)),
    })  # fmt: skip


def one_way(up_us, *, step_us=10_000):
    """Make probes from delays upwards in microseconds, which may be negative; none lost."""
    up_us = np.asarray(up_us)
    whole = made(np.zeros(up_us.size), step_us=step_us)
    nothing = DelayColumn(np.zeros(up_us.size, np.int32), np.zeros(up_us.size, bool))
    delays = {
        "round_trip": nothing,
        "down": nothing,
        "up": DelayColumn(up_us.astype(np.int32), np.ones(up_us.size, bool)),
    }
    return replace(whole, delays=delays)


def compared(a, b, *, is_paired=False, block_s=1.0):
    sides = [Side(each, time_blocks(each, block_s)) for each in (a, b)]
    effects = compare(*sides, is_paired=is_paired, unit_name="blocks of 1 s", within_ms=100.0)
    return {(effect.id, effect.statistic): effect for effect in effects}


def test_the_difference_is_that_of_the_exact_values():
    """b is 5 ms slower than a; the order statistics differ by exactly that, and the interval leaves out zero."""
    rng = np.random.default_rng(3)
    delays = rng.gamma(4, 4000, 6000).astype(int) + 5000
    found = compared(made(delays), made(delays + 5000))
    for statistic in ("mean", "p50", "p95", "p99"):
        effect = found["rtt", statistic]
        assert effect.difference == pytest.approx(5.0)
        assert effect.is_clear
        assert effect.ci_low < 5.0 < effect.ci_high
    assert found["loss", "ratio"].difference == 0.0
    assert not found["loss", "ratio"].is_clear


def test_a_shared_place_cancels_out_when_blocks_are_paired():
    """Delay swings by 50 ms along the way on both sides; b is 1 ms slower. Only pairs can tell."""
    rng = np.random.default_rng(4)
    swing = np.repeat(rng.uniform(0, 50_000, 60), 100).astype(int)
    a, b = (made(20_000 + swing + rng.integers(0, 500, 6000) + shift) for shift in (0, 1000))
    alone, paired = compared(a, b)["rtt", "mean"], compared(a, b, is_paired=True)["rtt", "mean"]
    assert not alone.is_clear
    assert paired.is_clear
    assert paired.is_paired
    assert paired.ci_high - paired.ci_low < (alone.ci_high - alone.ci_low) / 20


def test_bursts_widen_the_interval():
    """The same loss ratio, once spread evenly and once in bursts of a hundred."""
    n = 20_000
    even = np.full(n, 10_000)
    even[::50] = -1
    bursty = np.full(n, 10_000)
    for start in np.random.default_rng(5).choice(200, 4, replace=False):
        bursty[start * 100 : (start + 1) * 100] = -1
    wide = compared(made(even), made(bursty))["loss", "ratio"]
    narrow = compared(made(even), made(even))["loss", "ratio"]
    assert wide.a == wide.b == pytest.approx(0.02)
    assert wide.ci_high - wide.ci_low > 10 * (narrow.ci_high - narrow.ci_low)


def test_the_interval_covers_as_often_as_it_says():
    """Two hundred comparisons of equal bursty sides: at least 90 % of the nominal 95 % intervals hold zero."""
    rng = np.random.default_rng(6)
    held = 0
    for _ in range(200):
        a, b = (made(np.repeat(rng.exponential(10_000, 60).astype(int), 20) + 1) for _ in range(2))
        effect = compared(a, b, block_s=0.2)["rtt", "mean"]
        held += effect.ci_low <= 0 <= effect.ci_high
    assert 0.90 <= held / 200 <= 0.99


def test_a_known_difference_is_covered_on_delays_that_drift():
    """Delays drift over five seconds, half a block; b is 2 ms slower. Nominal 95 % over mean, p50 and p95."""
    rng, rounds, held, total = np.random.default_rng(13), 100, 0, 0
    for _ in range(rounds):
        a, b = (
            made(np.rint(20_000 + slower + 4000 * wandering(rng, 6000, 50)).astype(int), step_us=100_000)
            for slower in (0, 2000)
        )
        found = compared(a, b, block_s=10.0)
        for statistic in ("mean", "p50", "p95"):
            effect = found["rtt", statistic]
            held += effect.ci_low <= 2.0 <= effect.ci_high
            total += 1
    assert 0.93 <= held / total <= 0.97


def test_too_few_blocks_give_a_difference_without_an_interval():
    """Five seconds are five blocks."""
    found = compared(made([10_000] * 500), made([12_000] * 500))["rtt", "p50"]
    assert (found.difference, found.ci_low, found.is_clear) == (2.0, None, False)
    assert "too few blocks" in found.reason


def test_a_quantile_among_lost_packets_has_no_difference():
    """Every twentieth packet lost: p99 lies among them."""
    delays = np.full(2000, 10_000)
    delays[::20] = -1
    found = compared(made([10_000] * 2000), made(delays))
    assert found["rtt", "p99"].difference is None
    assert found["rtt", "p50"].difference == 0.0
    assert found["loss", "ratio"].difference == pytest.approx(0.05)


def test_the_result_does_not_depend_on_when_it_is_computed():
    """The generator is seeded."""
    rng = np.random.default_rng(8)
    a, b = (made(rng.integers(5000, 50_000, 2000)) for _ in range(2))
    assert compared(a, b) == compared(a, b)


def test_blocks_are_some_sixty_and_never_shorter_than_a_second():
    """Ten minutes: ten seconds; ten seconds: one second; a day: a minute."""
    assert usual_block_s(*[made([1] * 600, step_us=1_000_000)] * 2) == pytest.approx(10, rel=0.01)
    assert usual_block_s(*[made([1] * 100, step_us=100_000)] * 2) == 1.0
    assert usual_block_s(*[made([1] * 100, step_us=864_000_000)] * 2) == 60.0


def test_a_month_has_no_more_blocks_than_a_day():
    """Memory must not grow with a run: blocks become longer, also where only one of the sides is long."""
    assert usual_length_s(30 * 86_400, 86_400) == usual_length_s(86_400, 30 * 86_400) == 30 * 60.0


def road_drive(from_m, to_m, speed_mps=10.0):
    """Make a drive along one road whose delay depends on the place only: its packets and its track."""
    seconds = int(abs(to_m - from_m) / speed_mps)
    t_s = np.arange(seconds + 1)
    place_m = from_m + np.sign(to_m - from_m) * speed_mps * t_s
    path = track(make_series(
        t_s, lat_deg=35 + np.degrees(place_m / 6_371_008.8), lon_deg=[139.0] * t_s.size,
        speed_mps=[speed_mps] * t_s.size, mode=[3] * t_s.size,
    ))  # fmt: skip
    sent_m = np.interp(np.arange(seconds * 100) / 100, t_s, place_m)
    return made(20_000 + 30 * sent_m.astype(int) + 5000 * (sent_m // 50 % 3).astype(int)), path


@pytest.mark.parametrize(("from_m", "to_m", "speed_mps"), [(500, 3500, 10.0), (3000, 200, 10.0), (500, 3000, 14.0)])
def test_the_same_place_is_paired_with_the_same_place(from_m, to_m, speed_mps):
    """B begins 500 m further on, comes the other way, or drives faster: no difference, and the interval holds zero."""
    (a, road_path), (b, path) = road_drive(0, 3000), road_drive(from_m, to_m, speed_mps)
    road = road_of(road_path)
    sides = [Side(each, road.whole_sections(drove, each.t_us, 50.0)) for each, drove in ((a, road_path), (b, path))]
    effects = compare(*sides, is_paired=True, unit_name="sections", within_ms=100.0)
    mean = next(effect for effect in effects if effect.statistic == "mean")
    assert abs(mean.difference) < 0.1
    assert not mean.is_clear
    assert mean.blocks >= 48


def test_no_loss_on_either_side_bounds_the_difference_by_how_much_was_measured():
    """None of 6,000 and none of 60,000: up to 0.06 % may have been lost on one side, 0.006 % on the other."""
    rng = np.random.default_rng(9)
    few, many = (made(rng.integers(10_000, 20_000, n)) for n in (6000, 60_000))
    loss = compared(few, many)["loss", "ratio"]
    assert (loss.difference, loss.is_clear, loss.reason) == (0.0, False, ALL_OR_NONE)
    assert loss.ci_low == pytest.approx(-(1 - 0.025 ** (1 / 6000)), rel=0.2)
    assert loss.ci_high == pytest.approx(1 - 0.025 ** (1 / 60_000), rel=0.2)
    # Delays that drift over the whole run: six thousand packets are one experience.
    drifting = compared(*(made(np.linspace(10_000, 20_000, 6000).astype(int)) for _ in range(2)))["loss", "ratio"]
    assert drifting.ci_high > 0.3


def test_a_side_without_loss_is_not_free_of_it_for_certain():
    """b loses a packet in a thousand, a none: in a seventh of the runs of 2,000 neither does. Nominal 95 %."""
    rng = np.random.default_rng(10)
    held = collapsed = 0
    for _ in range(100):
        a, b = (rng.integers(10_000, 20_000, 2000) for _ in range(2))
        b[rng.random(2000) < 0.001] = -1
        effect = compared(made(a), made(b))["loss", "ratio"]
        held += effect.ci_low <= 0.001 <= effect.ci_high
        collapsed += effect.a == effect.b == 0
    assert held >= 93
    assert collapsed > 5


@pytest.mark.parametrize(("low_ms", "high_ms"), [(-50, -40), (-5, 5), (30, 40)])
def test_one_way_delays_below_zero_are_compared_like_others(low_ms, high_ms):
    """Clocks differ: the later is ten milliseconds slower wherever zero lies, and the interval has its usual width."""
    rng = np.random.default_rng(11)
    noise = rng.integers(0, 2000, 6000)
    found = compared(one_way(1000 * low_ms + noise), one_way(1000 * high_ms + rng.permutation(noise)))
    for statistic in ("mean", "p50", "p95"):
        effect = found["owd", statistic]
        assert effect.difference == pytest.approx(high_ms - low_ms, abs=0.001)
        assert effect.ci_low <= effect.difference <= effect.ci_high
        assert 0.005 < effect.ci_high - effect.ci_low < 0.5
        assert effect.is_clear


def test_a_recording_that_cannot_say_lost_has_no_loss_to_compare():
    """A hundred numbers without a row on b: lost or not measured. Delays are compared all the same."""
    seq = np.delete(np.arange(6000, dtype=np.int32), slice(3000, 3100))
    found = compared(made(np.full(6000, 10_000)), made(np.full(5900, 12_000), seq=seq))
    for kpi in ("loss", "reliability"):
        effect = found[kpi, "ratio"]
        assert (effect.difference, effect.ci_low, effect.ci_high, effect.is_clear) == (None, None, None, False)
        assert effect.reason == f"B: {blind_words(5900, 100)}"
    assert found["rtt", "p50"].difference == 2.0


@pytest.mark.parametrize("draw", ["normal", "exponential"])
def test_few_blocks_cover_by_students_t_and_plain_percentiles_do_not(draw):
    """The fewest blocks that give an interval, and eight, which did once. Nominal 95 %."""
    rng, repetitions = np.random.default_rng(12), 600
    truth = 0.0 if draw == "normal" else 1.0
    ours = plain = 0
    few, fewer = (weights(units, replicates=1000) / units for units in (LEAST_BLOCKS, 8))
    for _ in range(repetitions):
        interval = percentile_interval(few @ getattr(rng, draw)(size=LEAST_BLOCKS), units=LEAST_BLOCKS)
        ours += interval.low <= truth <= interval.high
        interval = percentile_interval(fewer @ getattr(rng, draw)(size=8))
        plain += interval.low <= truth <= interval.high
    assert ours / repetitions >= (0.93 if draw == "normal" else 0.91)
    assert plain / repetitions < 0.9
