"""Runs in a real database, compared: chunk by chunk as at once, over repetitions, by place, with every stream."""

from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec
import numpy as np
import pytest

from analytics import packet_loader
from analytics.compare_loader import compare_pair, compare_repetitions, compare_runs
from storage.columnar import ArrayColumn
from storage.errors import NoDataError
from storage.exclusions import exclude
from storage.long_reader import iterate_long
from storage.pairs import UnknownPairError, pair_runs, unpair
from storage.runs import start_run
from tests.analytics.making import T0_US
from tests.analytics.test_loader import Outbox

SECONDS, HZ = 240, 10
HOUR_US = 3_600_000_000


class Site:
    """Runs of one device, one an hour, and what was measured in each."""

    def __init__(self, writer):
        self.outbox, self.connection, self.runs = Outbox(writer), writer.connection, []

    def run(self, name, **given):
        """Register a run of four minutes and measure; returns it."""
        start_us = T0_US + len(self.runs) * HOUR_US
        start = datetime.fromtimestamp(start_us / 1e6, tz=UTC)
        record = start_run(
            self.connection, name=name, site="site-a", started_at=start, ended_at=start + timedelta(seconds=SECONDS)
        )
        self.runs.append(record)
        self.measure(start_us, **given)
        return record

    def measure(self, start_us, *, rtt_ms=20.0, seed=1, link="l5g", interleaved=False, sinr_db=None, north=None):
        """Write ten packets a second, one in fifty lost, in batches of 20 s; SINR and places once a second."""
        rng, n = np.random.default_rng(seed), SECONDS * HZ
        number = np.arange(n, dtype=np.int32)
        t_us = start_us + 100_000 * number.astype(np.int64)
        rtt_us = (1000 * rtt_ms + rng.gamma(2, 2000, n)).astype(np.int32)
        arrived = number % 50 != 7
        session = number % 2 if interleaved else np.full(n, 7, np.int32)
        for rows in np.array_split(number, SECONDS // 20):
            some = {
                "session": ArrayColumn(session[rows].astype(np.int32)), "seq": ArrayColumn(number[rows]),
                "rtt_us": ArrayColumn(rtt_us[rows], arrived[rows]),
                "copy": ArrayColumn(arrived[rows].astype(np.int16)),
                "lost": ArrayColumn(np.where(arrived[rows], 0, 3).astype(np.int16)),
            }  # fmt: skip
            self.outbox.write("probe", link, t_us[rows], **some)
        seconds = start_us + 1_000_000 * np.arange(SECONDS, dtype=np.int64)
        if sinr_db is not None:
            level = (sinr_db + rng.normal(0, 3, SECONDS)).astype(np.float32)
            self.outbox.write("radio", link, seconds, sinr_db=ArrayColumn(level))
        if north is not None:
            first_m, speed_mps = north
            place_m = first_m + speed_mps * np.arange(SECONDS)
            self.outbox.write(
                "position", "", seconds, lat_deg=ArrayColumn(35 + np.degrees(place_m / 6_371_008.8)),
                lon_deg=ArrayColumn(np.full(SECONDS, 139.0)), mode=ArrayColumn(np.full(SECONDS, 3, np.int16)),
                speed_mps=ArrayColumn(np.full(SECONDS, abs(speed_mps), np.float32)),
            )  # fmt: skip


@pytest.fixture
def site(db):
    """An empty site."""
    return Site(db.writer())


def effect_of(comparison, kpi, statistic):
    (found,) = [each for each in comparison.effects if (each.id, each.statistic) == (kpi, statistic)]
    return found


@pytest.mark.parametrize("align", ["elapsed", "distance", "none"])
def test_chunks_give_what_all_packets_at_once_give(site, monkeypatch, align):
    """Two hundred rows a chunk instead of two hundred thousand: not a digit changes, wherever blocks lie."""
    a = site.run("a", seed=1, sinr_db=10.0, north=(0, 10.0))
    b = site.run("b", seed=2, rtt_ms=22.0, sinr_db=13.0, north=(2200, -9.0))
    whole = compare_runs(site.connection, a, b, align=align)
    monkeypatch.setattr(packet_loader, "iterate_long", partial(iterate_long, chunk_rows=200))
    (found,) = compare_runs(site.connection, a, b, align=align)
    assert [found] == whole
    assert effect_of(found, "rtt", "p50").difference == pytest.approx(2.0, abs=0.3)
    sinr = effect_of(found, "sinr", "p50")
    assert sinr.ci_low < sinr.difference < sinr.ci_high
    assert sinr.difference == pytest.approx(3.0, abs=1.0)
    assert sinr.is_paired == (align != "none")
    assert effect_of(found, "loss", "ratio").n_a == effect_of(found, "reliability", "ratio").n_a <= SECONDS * HZ


def test_two_senders_that_take_turns_are_read_at_once(site, monkeypatch):
    """Chunks that reach into each other: the run is read again, whole, and nothing is counted twice."""
    a, b = site.run("a"), site.run("b", interleaved=True, seed=2)
    monkeypatch.setattr(packet_loader, "iterate_long", partial(iterate_long, chunk_rows=200))
    (found,) = compare_runs(site.connection, a, b)
    loss = effect_of(found, "loss", "ratio")
    assert (loss.n_a, loss.n_b) == (SECONDS * HZ, SECONDS * HZ)
    assert loss.difference == 0.0


def test_what_comes_after_the_waiting_time_is_lost(site, tmp_path):
    """A profile with lost_after_ms: late packets are lost on both sides, and it is said how many they were."""
    a, b = site.run("a"), site.run("b", rtt_ms=25.0, seed=2)
    path = tmp_path / "strict.toml"
    path.write_text('name="s"\nja="例"\nen="s"\nstatus=""\n[parameters]\nlost_after_ms=27.0\n', encoding="utf-8")
    (plain,) = compare_runs(site.connection, a, b)
    (strict,) = compare_runs(site.connection, a, b, profile=str(path))
    assert effect_of(plain, "loss", "ratio").difference == pytest.approx(0.0, abs=1e-9)
    loss = effect_of(strict, "loss", "ratio")
    late = [round((value - 0.02) * SECONDS * HZ) for value in (loss.a, loss.b)]
    assert late[1] > 5 * late[0] > 0
    assert f"A: 27 ms を超えて届いた {late[0]} パケットを損失とした" in strict.note
    assert f"B: 27 ms を超えて届いた {late[1]} パケットを損失とした" in strict.note
    assert effect_of(strict, "rtt", "p95").b is None


def test_repetitions_of_a_pair_are_compared_together(site):
    """Three runs with and three without: blocks of all, each paired with that of its own repetition; n is their sum."""
    for number in range(3):
        # Days differ by ten milliseconds, of which pairing knows; the change costs one.
        off = site.run(f"off-{number}", rtt_ms=20.0 + 10 * number, seed=number, sinr_db=10.0 + 5 * number)
        on = site.run(f"on-{number}", rtt_ms=21.0 + 10 * number, seed=10 + number, sinr_db=12.0 + 5 * number)
        pair_runs(site.connection, "ai", off, on, condition="AI なし/あり")
    (found,) = compare_pair(site.connection, "ai")
    assert (found.pair, found.condition, found.a, found.b) == (
        "ai", "AI なし/あり", "off-0 + off-1 + off-2", "on-0 + on-1 + on-2"
    )  # fmt: skip
    mean, sinr = effect_of(found, "rtt", "mean"), effect_of(found, "sinr", "mean")
    assert mean.n_a == 3 * SECONDS * HZ
    assert mean.ci_low < 1.0 < mean.ci_high
    assert mean.ci_high - mean.ci_low < 0.5
    assert sinr.difference == pytest.approx(2.0, abs=0.6)
    assert sinr.is_clear
    # Sixty blocks of twelve seconds, twenty of each repetition, and what is left at the end of each.
    assert 60 <= mean.blocks <= 63
    (alone,) = compare_pair(site.connection, "ai", align="none")
    unpaired = effect_of(alone, "rtt", "mean")
    assert unpaired.ci_high - unpaired.ci_low > 5 * (mean.ci_high - mean.ci_low)


def test_a_repetition_without_the_link_is_left_out_and_named(site):
    """The others are compared, and the note says which is missing."""
    a, b = site.run("a"), site.run("b", seed=2)
    only = [site.run("c", link="lte"), site.run("d", link="lte")]
    (found,) = compare_repetitions(site.connection, [(a, b), (only[0], only[1])], link="l5g")
    assert (found.a, found.b) == ("a", "b")
    assert "c → d: 測定なし / not measured" in found.note
    assert effect_of(found, "loss", "ratio").n_a == SECONDS * HZ


def test_a_pair_of_two_links_of_one_run_is_compared_at_the_same_instants(site):
    """Two operators at once: the links of the pair are taken without being named again."""
    run = site.run("drive")
    site.measure(T0_US, link="lte", rtt_ms=30.0, seed=3)
    pair_runs(site.connection, "operators", run, run, link="l5g", other_link="lte")
    (found,) = compare_pair(site.connection, "operators")
    assert (found.link_a, found.link_b) == ("l5g", "lte")
    assert effect_of(found, "rtt", "mean").difference == pytest.approx(10.0, abs=0.5)


def test_links_without_packets_are_compared_by_their_streams(site):
    """A modem that was only listened to: levels have a difference, and there is nothing about packets."""
    starts = [T0_US, T0_US + HOUR_US]
    runs = []
    for name, start_us, level in (("a", starts[0], 10.0), ("b", starts[1], 12.0)):
        start = datetime.fromtimestamp(start_us / 1e6, tz=UTC)
        runs.append(start_run(site.connection, name=name, site="site-a", started_at=start,
                              ended_at=start + timedelta(seconds=SECONDS)))  # fmt: skip
        t_us = start_us + 1_000_000 * np.arange(SECONDS, dtype=np.int64)
        site.outbox.write("radio", "l5g", t_us, sinr_db=ArrayColumn(np.full(SECONDS, level, np.float32)))
    (found,) = compare_runs(site.connection, *runs)
    assert {effect.id for effect in found.effects} == {"sinr"}
    assert effect_of(found, "sinr", "p50").difference == pytest.approx(2.0)
    assert effect_of(found, "sinr", "p50").blocks == 61


def test_a_pair_that_was_taken_back_is_not_compared(site):
    """Nor one whose runs share nothing; both say what to do."""
    a, b = site.run("a"), site.run("b", link="lte")
    made = pair_runs(site.connection, "ai", a, b)
    with pytest.raises(NoDataError, match="name two links"):
        compare_pair(site.connection, "ai")
    unpair(site.connection, made.pair_id, revoked_by="lead", reason="回線が異なる")
    with pytest.raises(UnknownPairError, match="jissho run pair A B --as NAME"):
        compare_pair(site.connection, "ai")


def one_way_run(site, name, bounds_us):
    """Register a run of delays upwards of 9 ms; `bounds_us` are those of either clock, a sample in ten seconds."""
    n, start_us = SECONDS * HZ, T0_US + len(site.runs) * HOUR_US
    start = datetime.fromtimestamp(start_us / 1e6, tz=UTC)
    record = start_run(
        site.connection, name=name, site="site-a", started_at=start, ended_at=start + timedelta(seconds=SECONDS)
    )
    site.runs.append(record)
    seq = np.arange(n, dtype=np.int32)
    site.outbox.write(
        "probe", "l5g", start_us + 100_000 * seq.astype(np.int64), session=ArrayColumn(np.ones(n, np.int32)),
        seq=ArrayColumn(seq), ul_us=ArrayColumn(np.full(n, 9000, np.int32)),
        copy=ArrayColumn(np.ones(n, np.int16)), lost=ArrayColumn(np.zeros(n, np.int16)),
    )  # fmt: skip
    if bounds_us is not None:
        t_us = start_us - 20_000_000 + 10_000_000 * np.arange(bounds_us.size)
        for link in ("", "l5g"):
            site.outbox.write(
                "clock", link, t_us, method=ArrayColumn(np.full(t_us.size, "chrony", object)),
                synced=ArrayColumn(np.full(t_us.size, True)), bound_us=ArrayColumn(bounds_us),
            )  # fmt: skip
    return record


def test_one_way_figures_say_how_good_the_clocks_of_both_sides_are(site):
    """A had clocks, B had none: the difference is for reference only, and both qualities stand beside it."""
    a, b = one_way_run(site, "a", np.full(28, 250.0)), one_way_run(site, "b", None)
    (found,) = compare_runs(site.connection, a, b)
    mean = effect_of(found, "owd", "mean")
    assert mean.clock.startswith("A 良 ±0.")
    assert mean.clock.endswith(", B 不明")
    assert mean.reason.startswith("B 参考値: ")
    assert msgspec.json.encode(found)


def test_time_of_poor_clocks_gives_no_one_way_delay_but_its_losses_count(site):
    """From the middle on, A's clocks may be off by 60 ms, more than the limit of 10: half of its delays are left."""
    a = one_way_run(site, "a", np.where(np.arange(28) < 14, 250.0, 30_000.0))
    b = one_way_run(site, "b", np.full(28, 250.0))
    (found,) = compare_runs(site.connection, a, b)
    mean, loss = effect_of(found, "owd", "mean"), effect_of(found, "loss", "ratio")
    assert (loss.n_a, loss.n_b) == (SECONDS * HZ, SECONDS * HZ)
    assert (mean.n_a, mean.n_b) == (pytest.approx(SECONDS * HZ / 2, abs=150), SECONDS * HZ)
    assert "の片方向遅延を除く" in mean.clock
    assert "参考値" not in mean.reason


def test_one_way_differences_are_by_the_limit_of_the_profile(site, tmp_path):
    """40 ms is beyond a tenth of 100 ms, unless the profile allows it; so is which packets were late."""
    a, b = one_way_run(site, "a", np.full(28, 250.0)), one_way_run(site, "b", np.full(28, 20_000.0))
    path = tmp_path / "strict.toml"
    head = 'name="s"\nja="例"\nen="s"\nstatus=""\n[parameters]\nlost_after_ms=27.0\n'
    path.write_text(head, encoding="utf-8")
    (strict,) = compare_runs(site.connection, a, b, profile=str(path))
    assert effect_of(strict, "owd", "mean").reason.startswith("B 参考値: 時計の誤差上限")
    assert "B: 参考値: 時計の誤差上限" in strict.note
    assert "A: 参考値" not in strict.note
    path.write_text(f"{head}clock_within_ms=50.0\n", encoding="utf-8")
    (allowed,) = compare_runs(site.connection, a, b, profile=str(path))
    assert not effect_of(allowed, "owd", "mean").reason
    assert "参考値" not in allowed.note


def test_clocks_of_time_that_is_left_out_do_not_count(site):
    """As for the KPIs of a link: the time without synchronisation is excluded, and no one-way delay of the rest is."""
    off = np.where((np.arange(28) >= 12) & (np.arange(28) < 15), 900_000.0, 250.0)
    a, b = one_way_run(site, "a", off), one_way_run(site, "b", np.full(28, 250.0))
    low, high = (a.started_at + timedelta(seconds=second) for second in (80, 150))
    exclude(site.connection, a, started_at=low, ended_at=high, reason="時計の同期外れ", excluded_by="lead")
    (found,) = compare_runs(site.connection, a, b)
    mean = effect_of(found, "owd", "mean")
    assert ("を除く" in mean.clock, mean.reason) == (False, "")
