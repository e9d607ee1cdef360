"""Fates of packets: reproducible, of the stated statistics, in order where order is kept."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.impairment import (
    BLOCK_PACKETS,
    DelayProfile,
    ExtraShare,
    Fate,
    FifoQueue,
    ImpairmentProfile,
    LossProfile,
    Outage,
    PacketFates,
    RandomOutages,
    load_profile,
    shipped_profiles,
)

SIGMAS = 6.0


def fates(profile: ImpairmentProfile, count: int, *, seed: int = 1, interval_s: float = 0.0) -> list[Fate]:
    drawn = PacketFates(profile, np.random.SeedSequence(seed))
    return [drawn.fate(index, index * interval_s) for index in range(count)]


def first_delays(drawn: list[Fate]) -> np.ndarray:
    return np.array([fate.delays_us[0] for fate in drawn if fate.delays_us])


@pytest.mark.parametrize("name", shipped_profiles())
def test_every_shipped_profile_loads_and_delivers_most_packets(name):
    profile = load_profile(name)
    assert name == profile.name
    assert profile.ja
    assert profile.en
    for way in (profile.up, profile.down):
        delivered = first_delays(fates(way, 2000))
        assert len(delivered) > 1600
        assert delivered.min() >= 5000.0


def test_the_promised_profiles_are_shipped():
    assert {"clean", "harsh", "local5g", "lte"} <= set(shipped_profiles())


def test_a_profile_file_of_the_users_own_loads_by_its_path(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\nja = "自作"\nen = "Mine"\n[up.loss]\np = 0.1\n', encoding="utf-8")
    assert LossProfile(p=0.1) == load_profile(path).up.loss


def test_a_misspelt_key_is_an_error_that_names_it(tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text('name = "w"\nja = "w"\nen = "w"\n[up.delay]\nbase_ms = 5\n', encoding="utf-8")
    with pytest.raises(msgspec.ValidationError, match="base_ms"):
        load_profile(path)


def test_an_unknown_name_lists_the_shipped_ones():
    with pytest.raises(FileNotFoundError, match="local5g"):
        load_profile("no-such-link")


def test_a_random_delay_without_width_is_refused():
    with pytest.raises(ValueError, match="mean_us"):
        DelayProfile(distribution="gamma")


def test_same_seed_same_fates_whatever_the_timing():
    profile = load_profile("harsh").up
    profile = msgspec.structs.replace(profile, outages=(), random_outages=RandomOutages())
    assert fates(profile, 3000, interval_s=0.0) == fates(profile, 3000, interval_s=1.7)


def test_another_seed_gives_other_fates():
    profile = load_profile("lte").up
    assert fates(profile, 100, seed=1) != fates(profile, 100, seed=2)


def test_switching_one_impairment_on_leaves_the_others_as_they_were():
    plain = ImpairmentProfile(delay=DelayProfile(distribution="gamma", mean_us=5000.0), loss=LossProfile(p=0.05, r=0.4))
    more = msgspec.structs.replace(plain, copies=ExtraShare(ratio=0.5, extra_us=100.0))
    with_copies = fates(more, 1500)
    assert first_delays(fates(plain, 1500)).tolist() == first_delays(with_copies).tolist()
    assert any(len(fate.delays_us) == 2 for fate in with_copies)


def test_a_packet_before_the_current_block_has_no_fate_any_more():
    drawn = PacketFates(ImpairmentProfile(), np.random.SeedSequence(1))
    drawn.fate(BLOCK_PACKETS, 0.0)
    with pytest.raises(ValueError, match="before"):
        drawn.fate(0, 0.0)


def burst_lengths(lost: np.ndarray) -> np.ndarray:
    edges = np.diff(np.concatenate([[0], lost.astype(int), [0]]))
    return np.flatnonzero(edges < 0) - np.flatnonzero(edges > 0)


@settings(max_examples=25, deadline=None)
@given(
    p=st.floats(0.005, 0.2),
    r=st.floats(0.1, 0.9),
    seed=st.integers(0, 2**32 - 1),
)
def test_gilbert_elliott_has_the_stationary_loss_and_the_mean_burst(p, r, seed):
    n = 20_000
    drawn = fates(ImpairmentProfile(loss=LossProfile(p=p, r=r)), n, seed=seed)
    lost = np.array([fate.kind == "dropped" for fate in drawn])
    expected = p / (p + r)
    memory = 1.0 - p - r
    deviation = math.sqrt(expected * (1.0 - expected) / n * (1.0 + memory) / (1.0 - memory))
    assert abs(lost.mean() - expected) < SIGMAS * deviation
    bursts = burst_lengths(lost)
    assert abs(bursts.mean() - 1.0 / r) < SIGMAS * math.sqrt(1.0 - r) / r / math.sqrt(len(bursts)) + 2.0 / len(bursts)


def test_loss_in_both_states_mixes_by_their_shares():
    loss = LossProfile(p=0.05, r=0.2, loss_good=0.01, loss_bad=0.6)
    lost = np.array([fate.kind == "dropped" for fate in fates(ImpairmentProfile(loss=loss), 60_000)])
    assert pytest.approx(0.8 * 0.01 + 0.2 * 0.6) == loss.loss_ratio
    assert pytest.approx(loss.loss_ratio, rel=0.06) == lost.mean()


@pytest.mark.parametrize("distribution", ["gamma", "lognormal"])
@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_delays_have_the_stated_mean_variation_and_correlation(distribution, correlation):
    delay = DelayProfile(
        base_us=4000.0, distribution=distribution, mean_us=6000.0, variation=0.6, correlation=correlation
    )
    delays = first_delays(fates(ImpairmentProfile(delay=delay), 60_000)) - 4000.0
    assert pytest.approx(6000.0, rel=0.05) == delays.mean()
    assert pytest.approx(3600.0, rel=0.08) == delays.std()
    assert pytest.approx(correlation, abs=0.08) == np.corrcoef(delays[:-1], delays[1:])[0, 1]


def test_delays_of_a_tdd_link_lie_on_its_grid():
    delay = DelayProfile(base_us=6000.0, distribution="gamma", mean_us=2500.0, slot_us=2500.0)
    delays = first_delays(fates(ImpairmentProfile(delay=delay), 5000))
    assert np.array_equal((delays - 6000.0) % 2500.0, np.zeros(5000))
    assert len(np.unique(delays)) > 2


def test_spikes_are_as_rare_and_as_long_as_stated():
    delay = DelayProfile(base_us=1000.0, spike_ratio=0.02, spike_us=50_000.0)
    waits = first_delays(fates(ImpairmentProfile(delay=delay), 50_000)) - 1000.0
    assert pytest.approx(0.02, rel=0.15) == (waits > 0.0).mean()
    assert pytest.approx(50_000.0, rel=0.15) == waits[waits > 0.0].mean()


def test_an_outage_takes_what_comes_in_its_time_and_nothing_else():
    spans = ((1.0, 0.5), (1.25, 0.5), (3.0, 1.0))  # the first two overlap
    outages = tuple(Outage(start_s=start_s, duration_s=length_s) for start_s, length_s in spans)
    kinds = [fate.kind for fate in fates(ImpairmentProfile(outages=outages), 500, interval_s=1 / 64)]
    out = [index for index, kind in enumerate(kinds) if kind == "outage"]
    assert [*range(64, 112), *range(192, 256)] == out


def test_random_outages_come_at_their_rate_and_do_not_depend_on_the_packet_rate():
    profile = ImpairmentProfile(random_outages=RandomOutages(rate_per_h=360.0, mean_s=0.5))
    dense = [fate.kind == "outage" for fate in fates(profile, 72_000, interval_s=0.05)]
    sparse = [fate.kind == "outage" for fate in fates(profile, 7200, interval_s=0.5)]
    assert dense[::10] == sparse
    assert pytest.approx(360 * 0.5 / 3600 / (1.0 + 0.05), rel=0.25) == np.mean(dense)


@given(
    st.lists(
        st.tuples(st.integers(0, 5_000_000), st.floats(0, 50_000), st.booleans()),
        max_size=60,
    )
)
def test_a_queue_keeps_order_and_never_releases_early(packets):
    queue = FifoQueue()
    arrival_ns = 0
    last_ns = 0
    for gap_ns, delay_us, reordered in packets:
        arrival_ns += gap_ns
        release_ns = queue.release_ns(arrival_ns, delay_us, keeps_order=not reordered)
        wanted_ns = arrival_ns + round(delay_us * 1000)
        if reordered:
            assert wanted_ns == release_ns
        else:
            assert max(wanted_ns, last_ns) == release_ns
            last_ns = release_ns
