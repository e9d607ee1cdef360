"""A run in a real database: what is evaluated is what was written, link by link, with its clocks."""

from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pytest

from analytics.clock import clock_quality
from analytics.evaluate import evaluate_link, ping_convention
from analytics.loader import load_clock, load_probes, run_window_us
from analytics.probes import COLUMNS, probe_arrays
from analytics.redundancy import Leg, evaluate_pairs
from analytics.requirements import RequirementError, load_requirements
from analytics.run_loader import evaluate_run
from analytics.subject import Subject
from analytics.unmeasured import with_unmeasured
from contract.streams import STREAMS
from storage.columnar import NUMPY_DTYPE, ArrayColumn, BatchKey, ColumnBatch
from storage.exclusions import exclude
from storage.reader import link_ids
from storage.runs import start_run
from tests.analytics.making import T0_US

N = 600
START = datetime.fromtimestamp(T0_US / 1e6, tz=UTC)
LAST_US = T0_US + (N - 1) * 100_000


class Outbox:
    """Writes batches of one device to the database."""

    def __init__(self, writer, device="car-1"):
        self.writer, self.device, self.seq = writer, device, 0

    def write(self, stream, link, t_us, **given):
        """Commit one batch; columns that are not given are null."""
        self.seq += 1
        columns = {}
        for column in STREAMS[stream].columns:
            value = given.get(column.name)
            if value is None:
                dtype = NUMPY_DTYPE[column.kind]
                value = ArrayColumn(np.full(t_us.size, "" if dtype.hasobject else 0, dtype), np.zeros(t_us.size, bool))
            columns[column.name] = value
        key = BatchKey("site-a", self.device, "e1", self.seq)
        batch = ColumnBatch(key, stream, link, "test/1", t_us.size, t_us, columns, int(t_us[-1]))
        self.writer.commit([batch])

    def write_clock(self, link, bound_us, *, synced=True, method=None, lost_s=None):
        """One sample every 10 s over the run and a little more; one of them, `lost_s` after the start, not synced."""
        t_us = np.arange(T0_US - 20_000_000, LAST_US + 20_000_000, 10_000_000)
        method = np.full(t_us.size, method or ("stamp" if link else "chrony"), object)
        bound = ArrayColumn(np.full(t_us.size, bound_us)) if bound_us is not None else None
        flags = ArrayColumn(synced & (t_us != T0_US + (lost_s or -1) * 1_000_000))
        self.write("clock", link, t_us, method=ArrayColumn(method), synced=flags, bound_us=bound)


def make_probes(seed):
    """Ten packets a second for a minute, some lost, some answered twice."""
    rng = np.random.default_rng(seed)
    ul, dl = (rng.integers(4_000, 30_000, N).astype(np.int32) for _ in range(2))
    lost = np.where(rng.random(N) < 0.03, 3, 0).astype(np.int16)
    numbers = np.arange(N, dtype=np.int32)
    arrays = {
        "session": np.full(N, 7, np.int32), "seq": numbers, "refl_seq": numbers,
        "ul_us": ul, "dl_us": dl, "rtt_us": ul + dl, "copy": (lost == 0).astype(np.int16), "lost": lost,
    }  # fmt: skip
    twice = np.flatnonzero(lost == 0)[::50]
    t_us = T0_US + 100_000 * np.arange(N, dtype=np.int64)
    rows = np.concatenate([np.arange(N), twice])
    arrays = {name: values[rows] for name, values in arrays.items()}
    arrays["copy"][N:] = 2
    is_valid = arrays["lost"] == 0
    nullable = {"refl_seq", "ul_us", "dl_us", "rtt_us"}
    columns = {name: ArrayColumn(values, is_valid if name in nullable else None) for name, values in arrays.items()}
    return t_us[rows], columns


@pytest.fixture
def measured(db):
    """A run over two links, with clocks on both ends of one and a worse far end on the other."""
    outbox = Outbox(db.writer())
    data = {link: make_probes(seed) for seed, link in enumerate(("l5g", "lte"))}
    for link, (t_us, columns) in data.items():
        outbox.write("probe", link, t_us, **columns)
    outbox.write_clock("", 40.0)
    outbox.write_clock("l5g", 60.0)
    outbox.write_clock("lte", 3000.0)
    connection = db.connect()
    run = start_run(
        connection, name="run-1", site="site-a", started_at=START, ended_at=START + timedelta(seconds=N / 10)
    )
    return connection, run, data, outbox


def test_a_run_is_evaluated_as_its_arrays_are(measured):
    """Every result of both links is equal to that of the arrays that were written, with the clocks' quality."""
    connection, run, data, _ = measured
    results = evaluate_run(connection, run, "remote_driving")

    expected, legs = [], []
    for link, (t_us, columns) in data.items():
        probes = probe_arrays({"t_us": ArrayColumn(t_us), **{name: columns[name] for name in COLUMNS}})
        ids = link_ids(connection, "site-a")
        clocks = [load_clock(connection, ids["car-1", name], T0_US, LAST_US) for name in ("", link)]
        end = datetime.fromtimestamp(LAST_US / 1e6, tz=UTC)
        subject = Subject(
            device="car-1", link=link, started_at=START, ended_at=end, profile=load_requirements("remote_driving"),
            clock=clock_quality(*clocks, T0_US, LAST_US),
        )  # fmt: skip
        expected += evaluate_link(probes, subject)
        legs.append(Leg(link, probes, subject.clock))
    expected += evaluate_pairs(legs, "car-1", load_requirements("remote_driving"))

    expected = with_unmeasured(expected, load_requirements("remote_driving"), run.started_at, run.ended_at)

    assert [msgspec.to_builtins(result) for result in expected] == [msgspec.to_builtins(result) for result in results]
    clock = {
        (result.link, result.clock, result.clock_bound_us)
        for result in results
        if result.id == "owd" and result.statistic == "p99"
    }
    assert clock == {("l5g", "良", 400.0), ("lte", "粗", 3340.0)}
    assert {result.verdict for result in results if result.required is not None} <= {"達成", "未達", "判定不能"}


def test_what_is_read_is_what_was_written(measured):
    """Nulls, duplicates and lost packets come back as they were."""
    connection, run, data, _ = measured
    ids = link_ids(connection, "site-a")
    probes = load_probes(connection, ids["car-1", "lte"], *run_window_us(run))
    _, columns = data["lte"]
    assert probes.n == N
    assert int((columns["copy"].values == 2).sum()) == probes.duplicates
    assert columns["lost"].values[:N].tolist() == probes.lost.tolist()
    assert columns["rtt_us"].values[:N][probes.lost == 0].tolist() == (
        probes.delays["round_trip"].us[probes.delays["round_trip"].valid].tolist()
    )


@pytest.mark.parametrize(("own", "synced"), [(None, True), (40.0, False)])
def test_a_clock_that_is_not_known_makes_one_way_delays_reference_only(db, own, synced):
    """A null bound or a lost synchronisation on the device's side, though the far end is fine."""
    outbox = Outbox(db.writer())
    t_us, columns = make_probes(1)
    outbox.write("probe", "l5g", t_us, **columns)
    outbox.write_clock("", own, synced=synced)
    outbox.write_clock("l5g", 60.0)
    connection = db.connect()
    run = start_run(connection, name="r", site="site-a", started_at=START, ended_at=START + timedelta(seconds=60))
    one_way = [result for result in evaluate_run(connection, run, None) if result.id == "owd"]
    assert one_way
    assert all(result.clock == "不明" and "参考値" in result.reason for result in one_way)


def test_one_sample_of_a_lost_clock_costs_the_time_around_it_and_excluding_that_nothing(db):
    """20 s of 60 are poor: a third of the packets have no one-way delay, and the round trip has all."""
    outbox = Outbox(db.writer())
    t_us, columns = make_probes(1)
    outbox.write("probe", "l5g", t_us, **columns)
    outbox.write_clock("", 40.0, method="declared")
    outbox.write_clock("l5g", 60.0, lost_s=30)
    connection = db.connect()
    run = start_run(connection, name="r", site="site-a", started_at=START, ended_at=START + timedelta(seconds=60))

    def found():
        return {(each.id, each.direction, each.statistic): each for each in evaluate_run(connection, run, None)}

    before = found()
    delivered = int((columns["lost"].values[:N] == 0).sum())
    assert before["rtt", "round_trip", "mean"].n == delivered
    assert (before["owd", "up", "mean"].clock, before["owd", "up", "mean"].clock_bound_us) == ("良", 250.0)
    assert delivered - before["owd", "up", "mean"].n == int((columns["lost"].values[200:400] == 0).sum())
    assert "参考値" not in before["owd", "up", "p50"].reason
    assert before["clock_poor", "", "ratio"].value == pytest.approx(20 / 60, rel=0.01)
    assert before["clock_bound", "", "p50"].value == 0.25
    span = {"started_at": START + timedelta(seconds=20), "ended_at": START + timedelta(seconds=40)}
    exclude(connection, run, **span, reason="時刻同期断", excluded_by="lead", link="")
    after = found()
    assert (after["clock_poor", "", "ratio"].value, after["clock_poor", "", "ratio"].value_of_all) == (
        0.0, before["clock_poor", "", "ratio"].value,
    )  # fmt: skip
    assert after["owd", "up", "mean"].n == before["owd", "up", "mean"].n == after["rtt", "round_trip", "mean"].n
    assert "時計の誤差上限が限度" not in after["owd", "up", "mean"].reason


def test_without_any_clock_stream_the_clock_is_unknown(db):
    """No sample at all, and no own entry of the device."""
    outbox = Outbox(db.writer())
    t_us, columns = make_probes(1)
    outbox.write("probe", "l5g", t_us, **columns)
    connection = db.connect()
    run = start_run(connection, name="r", site="site-a", started_at=START)
    results = evaluate_run(connection, run, None)
    assert {result.clock for result in results if result.id == "owd"} == {"不明"}
    assert load_clock(connection, None, 0, 1) is None


def test_a_run_takes_only_its_own_time_devices_and_links(measured):
    """The window is half open; other devices and links of the site are left out."""
    connection, _, data, outbox = measured
    t_us, columns = data["l5g"]
    Outbox(outbox.writer, "car-2").write("probe", "l5g", t_us, **columns)
    end = START + timedelta(seconds=30)
    run = start_run(
        connection, name="run-2", site="site-a", started_at=START, ended_at=end, devices=["car-2"], links=["l5g"]
    )
    results = evaluate_run(connection, run, None)
    assert {(result.device, result.link) for result in results} == {("car-2", "l5g")}
    loss = next(result for result in results if (result.id, result.statistic) == ("loss", "ratio"))
    assert loss.n == 300
    assert results[0].ended_at < end


def test_a_recording_of_ping_also_gets_pings_own_numbers(measured):
    """Its summary event says that the probes were read from a ping log; the other link has none."""
    connection, run, data, outbox = measured
    text = {name: ArrayColumn(np.array([value], object)) for name, value in (
        ("name", "ping.summary"), ("severity", "info"), ("message", "600 packets"))}  # fmt: skip
    outbox.write("event", "lte", np.array([LAST_US], np.int64), **text)
    results = [result for result in evaluate_run(connection, run, None) if result.id == "ping_rtt"]

    t_us, columns = data["lte"]
    probes = probe_arrays({"t_us": ArrayColumn(t_us), **columns})
    subject = Subject(
        device="car-1", link="lte", started_at=START, ended_at=START, profile=load_requirements(None),
        clock=clock_quality(None, None, 0, 1),
    )  # fmt: skip
    assert {result.link for result in results} == {"lte"}
    assert [(r.statistic, r.value, r.n) for r in ping_convention(probes, subject)] == [
        (r.statistic, r.value, r.n) for r in results
    ]
    assert results[0].n == int((columns["lost"].values == 0).sum())


def test_what_other_streams_ask_of_packets_is_of_those_that_count(measured, tmp_path):
    """With a waiting time the satellite's loss near its grid and elsewhere add up to that of the link, and say so."""
    connection, run, _, outbox = measured
    t_us = T0_US + 10_000_000 * np.arange(6, dtype=np.int64)
    outbox.write(
        "metric", "l5g", t_us, name=ArrayColumn(np.full(6, "leo.snr", object)),
        value=ArrayColumn(np.full(6, 9.0)), unit=ArrayColumn(np.full(6, "dB", object)),
    )  # fmt: skip
    path = tmp_path / "strict.toml"
    path.write_text('name="s"\nja="例"\nen="s"\nstatus=""\n[parameters]\nlost_after_ms=30.0\n', encoding="utf-8")
    for profile in (None, str(path)):
        found = {
            (each.id, each.statistic): each for each in evaluate_run(connection, run, profile)
            if each.link == "l5g" and each.direction == "round_trip"
        }  # fmt: skip
        grid = [found["leo_grid_loss", statistic] for statistic in ("ratio", "elsewhere")]
        loss = found["loss", "ratio"]
        assert sum(each.value * each.n for each in grid) == pytest.approx(loss.value * loss.n)
        assert all(each.filter == loss.filter for each in grid)
    assert loss.value > 0.5
    assert "later than 30 ms counted as lost" in loss.filter


def test_an_empty_run_and_a_wrong_profile(measured):
    """A run without packets has no results; a profile that does not exist is an error before anything is read."""
    connection, run, _, _ = measured
    early = START - timedelta(days=1)
    empty = start_run(connection, name="empty", site="site-a", started_at=early, ended_at=early + timedelta(hours=1))
    assert evaluate_run(connection, empty, None) == []
    with pytest.raises(RequirementError, match="no-such"):
        evaluate_run(connection, run, "no-such")


def test_time_excluded_of_one_link_is_left_out_of_the_pair(measured):
    """Ten of sixty seconds: a hundred packets of the other link have no partner, and the whole value stands beside."""
    connection, run, _, _ = measured
    span = {"started_at": START + timedelta(seconds=20), "ended_at": START + timedelta(seconds=30)}
    exclude(connection, run, **span, reason="給電断", excluded_by="lead", link="lte")
    found = {
        (result.id, result.statistic): result
        for result in evaluate_run(connection, run, None)
        if result.link == "l5g+lte"
    }

    loss, up = found["redundant_loss", "ratio"], found["redundant_availability", "ratio"]
    assert (loss.n, loss.excluded, up.excluded) == (N - 100, 1, 1)
    assert loss.value_of_all is not None
    assert "100 packets without a partner" in loss.reason
    assert 49 <= up.n <= 52
