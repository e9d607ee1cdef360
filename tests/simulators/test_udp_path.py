"""The relay over real sockets: its truth is what both ends see."""

from __future__ import annotations

import asyncio
import collections
import socket
import struct
import time

import msgspec
import numpy as np
import pytest

from simulators.impairment import (
    DelayProfile,
    ExtraShare,
    ImpairmentProfile,
    LossProfile,
    Outage,
    PathProfile,
    load_profile,
)
from simulators.path_truth import load_truth, packets, summarise_truth
from simulators.udp_path import UdpPath


def profile(up: ImpairmentProfile, down: ImpairmentProfile) -> PathProfile:
    return PathProfile(name="test", ja="試験", en="Test", up=up, down=down)


def constant(base_us: float) -> ImpairmentProfile:
    return ImpairmentProfile(delay=DelayProfile(base_us=base_us))


@pytest.fixture
def truth_path(tmp_path):
    return tmp_path / "run" / "truth-l5g.csv"


async def test_both_ends_count_exactly_what_the_truth_says(reflector, stamp_exchange, truth_path):
    up = ImpairmentProfile(
        delay=DelayProfile(base_us=6000, distribution="gamma", mean_us=4000, spike_ratio=0.01, spike_us=30_000),
        loss=LossProfile(p=0.05, r=0.4),
        outages=(Outage(start_s=0.3, duration_s=0.1),),
        reordering=ExtraShare(ratio=0.03, extra_us=10_000),
        copies=ExtraShare(ratio=0.05, extra_us=500),
    )
    down = msgspec.structs.replace(up, loss=LossProfile(p=0.03, r=0.5), outages=())
    async with UdpPath(profile(up, down), reflector.address, truth_path, seed=7, link="l5g") as path:
        answers = await asyncio.to_thread(stamp_exchange, path.port, 400, 0.002)
    truth = load_truth(truth_path)
    summary = summarise_truth(truth)
    table = packets(truth)

    assert 400 == summary.sent
    assert (0, 0, 0) == (summary.overflow_up, summary.overflow_down, summary.unanswered)
    assert 400 - len(set(reflector.seen)) == summary.lost_up > 0
    assert len(set(reflector.seen)) - len({each.seq for each in answers}) == summary.lost_down > 0
    assert len(answers) - len({each.seq for each in answers}) == summary.duplicates > 0
    received = collections.Counter(each.seq for each in answers)
    assert received == {int(seq): int(n) for seq, n in zip(table["seq"], table["answers"], strict=True) if n}
    up_rows = truth["direction"] == "up"
    assert int(((truth["fate"] == "outage") & up_rows).sum()) > 0
    reached = truth["seq"][up_rows & (truth["fate"] == "delivered")]
    by_release = np.argsort(truth["release_ns"][up_rows & (truth["fate"] == "delivered")])
    assert reflector.seen == reached[by_release].tolist()


async def test_holds_are_as_drawn_and_the_ends_measure_them(reflector, stamp_exchange, truth_path):
    async with UdpPath(load_profile("local5g"), reflector.address, truth_path, seed=3, link="l5g") as path:
        answers = await asyncio.to_thread(stamp_exchange, path.port, 300, 0.003)
    truth = load_truth(truth_path)
    gone = truth["fate"] == "delivered"
    hold_us = ((truth["release_ns"] - truth["arrival_ns"]) / 1000.0)[gone]
    wanted_us = truth["wanted_us"][gone]
    close = np.abs(hold_us - wanted_us) <= np.maximum(0.01 * wanted_us, 100.0)
    # 9 of 10 on an idle machine, 7 of 10 beside four busy loops on two cores; their truth says by how much.
    assert close.mean() > 0.5
    assert (hold_us > wanted_us - 2.0).all()

    summary = summarise_truth(truth)
    measured = {
        "up": [(each.t2_ns - each.t1_ns) / 1000.0 for each in answers],
        "down": [(each.t4_ns - each.t3_ns) / 1000.0 for each in answers],
        "round_trip": [(each.t4_ns - each.t1_ns - each.t3_ns + each.t2_ns) / 1000.0 for each in answers],
    }
    assert summary.duplicates == 0
    for section, values in measured.items():
        for q, tolerance in ((0.5, 0.01), (0.9, 0.02)):
            found = float(np.quantile(values, q, method="inverted_cdf"))
            assert pytest.approx(summary.quantiles_us[section][q], rel=tolerance) == found, (section, q)


async def test_order_is_kept_unless_reordering_is_asked_for(reflector, stamp_exchange, truth_path):
    up = ImpairmentProfile(delay=DelayProfile(base_us=1000, distribution="gamma", mean_us=5000, variation=1.0))
    async with UdpPath(profile(up, up), reflector.address, truth_path, seed=1, link="l5g") as path:
        answers = await asyncio.to_thread(stamp_exchange, path.port, 200, 0.001, 0.3)
    assert list(range(200)) == reflector.seen
    assert list(range(200)) == [each.seq for each in answers]


async def test_asked_for_reordering_happens(reflector, stamp_exchange, truth_path):
    up = ImpairmentProfile(delay=DelayProfile(base_us=1000), reordering=ExtraShare(ratio=0.1, extra_us=8000))
    async with UdpPath(profile(up, constant(1000)), reflector.address, truth_path, seed=1, link="l5g") as path:
        await asyncio.to_thread(stamp_exchange, path.port, 100, 0.002, 0.3)
    assert sorted(reflector.seen) == list(range(100))
    assert reflector.seen != list(range(100))


async def test_senders_are_told_apart(reflector, stamp_exchange, truth_path):
    both = constant(2000)
    async with UdpPath(profile(both, both), reflector.address, truth_path, seed=1, link="l5g") as path:
        results = await asyncio.gather(
            *(asyncio.to_thread(stamp_exchange, path.port, 20, 0.002, 0.3) for _ in range(3))
        )
    assert [list(range(20))] * 3 == [[each.seq for each in answers] for answers in results]
    table = packets(load_truth(truth_path))
    assert [20, 20, 20] == list(collections.Counter(table["sender_port"].tolist()).values())
    assert not table["lost"].any()


async def test_the_truth_grows_while_the_path_runs(reflector, stamp_exchange, truth_path):
    both = constant(1000)
    async with UdpPath(profile(both, both), reflector.address, truth_path, seed=1, link="l5g") as path:
        await asyncio.to_thread(stamp_exchange, path.port, 10, 0.001, 0.1)
        deadline = time.monotonic() + 5.0
        while len(load_truth(truth_path)["seq"]) < 20:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)


async def test_packets_on_their_way_at_the_end_are_noted_as_cut(reflector, truth_path):
    path = UdpPath(profile(constant(5_000_000), constant(0)), reflector.address, truth_path, seed=1, link="l5g")
    port = await path.start()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for seq in range(3):
            sender.sendto(struct.pack("!IQ32x", seq, time.time_ns()), ("127.0.0.1", port))
        await asyncio.sleep(0.1)
        await path.stop()
        await path.stop()
    assert ["cut"] * 3 == load_truth(truth_path)["fate"].tolist()
    assert 3 == summarise_truth(load_truth(truth_path)).lost_up


async def test_without_a_reflector_packets_are_unanswered_not_lost_by_the_path(stamp_exchange, truth_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = unused.getsockname()
    async with UdpPath(profile(constant(500), constant(500)), nobody, truth_path, seed=1, link="l5g") as path:
        answers = await asyncio.to_thread(stamp_exchange, path.port, 10, 0.005, 0.1)
    assert [] == answers
    summary = summarise_truth(load_truth(truth_path))
    assert (10, 0, 10) == (summary.sent, summary.lost_up, summary.unanswered)


async def test_a_taken_port_is_an_error_at_the_start(truth_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        path = UdpPath(profile(constant(0), constant(0)), ("127.0.0.1", 9), truth_path, seed=1, link="l5g", port=port)
        with pytest.raises(OSError, match="in use"):
            await path.start()
        await path.stop()


async def test_same_seed_and_link_give_the_same_fates_over_sockets(reflector, stamp_exchange, tmp_path):
    up = ImpairmentProfile(delay=DelayProfile(base_us=1000), loss=LossProfile(p=0.2, r=0.5))
    lost = []
    for link in ("l5g", "l5g", "lte"):
        truth_path = tmp_path / f"truth-{len(lost)}.csv"
        async with UdpPath(profile(up, constant(0)), reflector.address, truth_path, seed=5, link=link) as path:
            await asyncio.to_thread(stamp_exchange, path.port, 60, 0.001, 0.1)
        lost.append(packets(load_truth(truth_path))["lost"].tolist())
    assert lost[0] == lost[1]
    assert lost[0] != lost[2]
