"""Pairs of links from a real database: read in step of time, a chunk at a time, they are those of the whole arrays."""

from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec
import numpy as np
import pytest

from analytics import packet_loader
from analytics.exclusions import beside
from analytics.loader import load_clock_quality, load_exclusions, load_probes, run_window_us
from analytics.outage_loader import outages_of_run
from analytics.packet_loader import packets_in_step
from analytics.redundancy import Leg, evaluate_pairs
from analytics.requirements import NO_REQUIREMENTS
from analytics.run_loader import evaluate_run
from storage.columnar import ArrayColumn
from storage.exclusions import exclude
from storage.long_reader import iterate_long
from storage.reader import link_ids
from storage.runs import start_run
from tests.analytics.making import T0_US
from tests.analytics.test_loader import Outbox

N, STEP_US, BATCH = 2_400, 50_000, 60
START = datetime.fromtimestamp(T0_US / 1e6, tz=UTC)
LINKS = ("l5g", "leo", "lte")


def packets(seed, *, senders=1):
    """Return two minutes of a link, some lost, some slow; of two senders each sends every other packet."""
    rng = np.random.default_rng(seed)
    lost = np.convolve(rng.random(N) < 0.01, np.ones(4))[:N] > 0
    seq = (np.arange(N) // senders).astype(np.int32)
    rtt_us = (rng.gamma(2.0, 8_000, N) + 60_000 * (rng.random(N) < 0.02)).astype(np.int32)
    return T0_US + seed * 3_000 + STEP_US * np.arange(N, dtype=np.int64), {
        "session": ArrayColumn((1 + np.arange(N) % senders).astype(np.int32)), "seq": ArrayColumn(seq),
        "refl_seq": ArrayColumn(seq, ~lost), "ul_us": ArrayColumn(rtt_us // 3, ~lost),
        "dl_us": ArrayColumn(rtt_us - rtt_us // 3, ~lost), "rtt_us": ArrayColumn(rtt_us, ~lost),
        "copy": ArrayColumn((~lost).astype(np.int16)), "lost": ArrayColumn(np.where(lost, 3, 0).astype(np.int16)),
    }  # fmt: skip


@pytest.fixture
def site(db, monkeypatch):
    """Three links of one vehicle, written in batches of three seconds; chunks of some seconds are read."""
    outbox = Outbox(db.writer())
    for seed, link in enumerate(LINKS):
        t_us, columns = packets(seed, senders=2 if link == "lte" else 1)
        for low in range(0, N, BATCH):
            rows = slice(low, low + BATCH)
            cut = {
                name: ArrayColumn(each.values[rows], None if each.valid is None else each.valid[rows])
                for name, each in columns.items()
            }
            outbox.write("probe", link, t_us[rows], **cut)
    for link, bound_us in (("", 40.0), ("l5g", 60.0), ("leo", 900.0), ("lte", 3_000.0)):
        outbox.write_clock(link, bound_us)
    monkeypatch.setattr(packet_loader, "iterate_long", partial(iterate_long, chunk_rows=500))
    return db.connect()


def run_of(connection, links, low_s=0.0, high_s=N * STEP_US / 1e6):
    """Return a run over some of the time."""
    return start_run(
        connection, name=f"run-{len(links)}-{round(low_s)}", site="site-a", links=list(links),
        started_at=START + timedelta(seconds=low_s), ended_at=START + timedelta(seconds=high_s),
    )  # fmt: skip


def of_arrays(connection, run, excluded=lambda link: (), profile=NO_REQUIREMENTS):
    """Return what the pairs of a run's links give, their packets being all here."""
    ids, legs = link_ids(connection, run.site, run.devices, run.links), []
    for (device, link), link_id in ids.items():
        if link:
            probes = load_probes(connection, link_id, *run_window_us(run), excluded(link))
            ends = int(probes.t_us.min()), int(probes.t_us.max())
            clock = load_clock_quality(
                connection, ids[device, ""], link_id, *ends, profile.parameters.clock_limit_us, excluded(link)
            )
            legs.append(Leg(link, probes, clock))
    return evaluate_pairs(legs, "car-1", profile)


def of_run(connection, run, profile=None):
    """Return what the pairs of a run gave."""
    return [each for each in evaluate_run(connection, run, profile) if "+" in each.link]


def plain(results):
    """Return results as plain values."""
    return [msgspec.to_builtins(each) for each in results]


def test_pairs_read_in_chunks_are_those_of_the_arrays(site):
    """Two links that lie in order, cut into a dozen stretches: every result, with interval, worth and hash."""
    ids = link_ids(site, "site-a")
    ends = {ids["car-1", "l5g"]: T0_US + 10**9, ids["car-1", "leo"]: T0_US + 10**9}
    assert len([*packets_in_step(site, ends, T0_US, is_at_once=False)]) > 8
    run = run_of(site, ("l5g", "leo"))
    found = of_run(site, run)
    assert plain(found) == plain(of_arrays(site, run))
    assert {(each.link, each.value is None) for each in found if each.id == "redundant_loss"} == {("l5g+leo", False)}


def test_two_senders_on_one_of_the_links_are_read_at_once(site):
    """Chunks reach into each other: all three pairs are those of the arrays all the same."""
    run = run_of(site, LINKS)
    found = of_run(site, run)
    assert {each.link for each in found} == {"l5g+leo", "l5g+lte", "leo+lte"}
    assert plain(found) == plain(of_arrays(site, run))


def test_a_run_that_cuts_its_batches_has_the_blocks_of_its_packets(site):
    """The batches say that it is a little longer than its first and last packet: it is read once more."""
    run = run_of(site, ("l5g", "leo"), 10.021, 100.013)
    found = of_run(site, run)
    assert plain(found) == plain(of_arrays(site, run))
    assert any("blocks of 1.5 s" in each.filter for each in found)


def test_what_is_excluded_of_one_link_is_left_out_of_the_stretches(site):
    """From the first packet on, so that the link begins later; beside each value stands that of all packets."""
    run = run_of(site, ("l5g", "leo"))
    for low, high in ((0, 9), (40, 52)):
        span = {"started_at": START + timedelta(seconds=low), "ended_at": START + timedelta(seconds=high)}
        exclude(site, run, **span, reason="給電断", excluded_by="lead", link="leo")
    exclusions = load_exclusions(site, run)
    expected = beside(
        of_arrays(site, run, exclusions.of), of_arrays(site, run), exclusions.of("l5g", "leo"), run_window_us(run)
    )
    assert plain(of_run(site, run)) == plain(expected)
    assert {each.excluded for each in expected} == {2}


def test_each_link_is_read_until_its_own_end(site):
    """What of a link is not settled yet is not there, whatever the other one has."""
    ids = link_ids(site, "site-a")
    first, second = ids["car-1", "l5g"], ids["car-1", "leo"]
    for is_at_once in (False, True):
        found = {first: 0, second: 0}
        for columns in packets_in_step(
            site, {first: T0_US + 1_000_000, second: T0_US + 40_003_000}, T0_US, is_at_once=is_at_once
        ):
            for link_id, each in columns.items():
                assert "link_id" not in each
                found[link_id] += each["t_us"].values.size
        assert found == {first: 20, second: 800}


def test_the_waiting_time_of_a_profile_reaches_the_pairs_of_a_run(site, tmp_path):
    """Packets slower than 60 ms are lost on either link, and every result of the pair says so."""
    profile = tmp_path / "strict.toml"
    profile.write_text('name = "strict"\nja = "x"\nen = "x"\nstatus = "test"\n[parameters]\nlost_after_ms = 60.0\n')
    run = run_of(site, ("l5g", "leo"))
    late = sum(int((packets(seed)[1]["rtt_us"].values > 60_000)[packets(seed)[1]["rtt_us"].valid].sum())
               for seed in range(2))  # fmt: skip
    found = of_run(site, run, str(profile))
    assert late > 50
    assert all(f"{late} packets later than 60 ms counted as lost" in each.filter for each in found)
    loss, before = (
        next(each for each in results if (each.id, each.statistic) == ("redundant_loss", "ratio"))
        for results in (found, of_run(site, run))
    )
    assert loss.value > before.value


def test_poor_clocks_hide_what_they_measured_of_pairs_and_nothing_else_of_a_run(db, monkeypatch):
    """One link's far clock is not synchronised at 50 s: twenty seconds of its one-way delays do not count."""
    outbox = Outbox(db.writer())
    for seed, link in enumerate(("l5g", "leo")):
        t_us, columns = packets(seed)
        none = ArrayColumn(np.zeros(N, np.int32), np.zeros(N, bool))
        for low in range(0, N, BATCH):
            rows = slice(low, low + BATCH)
            cut = {
                name: ArrayColumn(each.values[rows], None if each.valid is None else each.valid[rows])
                for name, each in {**columns, "rtt_us": none, "dl_us": none}.items()
            }
            outbox.write("probe", link, t_us[rows], **cut)
    outbox.write_clock("", 40.0)
    outbox.write_clock("l5g", 60.0, lost_s=50)
    outbox.write_clock("leo", 900.0)
    monkeypatch.setattr(packet_loader, "iterate_long", partial(iterate_long, chunk_rows=500))
    connection = db.connect()
    run = run_of(connection, ("l5g", "leo"), 0.0, 70.0)
    found = of_run(connection, run)
    assert plain(found) == plain(of_arrays(connection, run))
    delay = next(each for each in found if (each.id, each.statistic) == ("redundant_delay", "p50"))
    assert (delay.direction, delay.clock_bound_us is not None, "参考値" in delay.reason) == ("up", True, False)
    assert "pairs of packets sent while the clocks were unknown or beyond ±10 ms" in delay.reason
    assert 900 < delay.n < 1400
    listed = next(each for each in outages_of_run(connection, run, None) if "+" in each.link)
    assert (listed.direction, listed.reason) == ("up", "")
