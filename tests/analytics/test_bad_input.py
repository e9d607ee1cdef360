"""Every KPI of the dictionary on input that nobody wants: a defined answer, and never a made-up one."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.availability import availability
from analytics.clock import clock_quality
from analytics.clock_record import ClockSamples
from analytics.comparison import Side, compare, time_blocks
from analytics.conditions import by_condition
from analytics.definitions import BY_ID
from analytics.dictionary.other_radios import METRIC_OF
from analytics.evaluate import evaluate_link, ping_convention
from analytics.families.all_met import evaluate_all_met
from analytics.families.device import DEVICE_STREAMS, LINK_STREAMS, evaluate_device_streams, evaluate_link_streams
from analytics.families.switching import link_switches
from analytics.families.throughput import NO_LENGTHS
from analytics.families.video import FROZEN_BEFORE
from analytics.figures import ABOVE, Figures
from analytics.outages import Surroundings, list_outages
from analytics.probe_seconds import probe_seconds
from analytics.probes import ProbeArrays, probe_arrays
from analytics.redundancy import Leg, evaluate_pairs
from analytics.requirements import (
    Parameters,
    Profile,
    RequirementError,
    load_requirements,
    parse_requirements,
    shipped_profiles,
)
from analytics.route import route_cells
from analytics.series import series
from analytics.track import mesh_codes, track
from contract.streams import STREAMS
from tests.analytics.families.making import make_series
from tests.analytics.lawful import check_all
from tests.analytics.making import GOOD_CLOCK, T0_US, UNKNOWN_CLOCK, Column, by_name, offset_corrected, subject
from tests.contract.trials import setup

N = 240
SAMPLES = ClockSamples(T0_US + np.arange(-10, 40, 2) * 500_000, np.arange(25) != 5, np.full(25, 50.0))
POOR_CLOCK = clock_quality(SAMPLES, SAMPLES, T0_US, T0_US + 10_000_000, 10_000.0)
"""Good but for two of its ten seconds."""

TEXTS = {
    "direction": ("up", "up", "down"), "protocol": ("tcp", "udp"), "camera": ("front", "rear"),
    "name": ("stop", "resume"), "scene": tuple("abcdefg"), "treatment": ("off", "on"),
    "drive_mode": ("AUTONOMOUS", "MANUAL"), "mrm_state": ("NORMAL", "MRM_OPERATING", "MRM_FAILED"),
    "rat": ("NR-NSA", "NR-NSA", "LTE"),
    "point": ("P-1", "P-2", None, "P-3", "P-4"),
    "detail": ('{"cause": "parked"}', '{"link": "b", "interruption_ms": 40}', '{"link": 1}', "{"),
}  # fmt: skip
PARAMETERS = Parameters(
    coverage_rsrp_dbm=-90.0, coverage_power_dbm=-60.0, required_up_mbps=10.0, required_down_mbps=10.0,
    survival_ms=50.0, t_max_ms=40.0, ip_unavailable_loss=0.2, ip_interval_s=5.0, ip_least_packets=20, ip_source="test",
    payload_bytes=100, tcp_ideal_up_mbps=60.0, tcp_ideal_down_mbps=90.0, tcp_segment_bytes=1448.0,
)  # fmt: skip
PROFILE = Profile(name="test", ja="", en="", status="", parameters=PARAMETERS)


def probe_columns(seed=0):
    """Return 240 packets, ten a second: losses each way, further copies, an absent number, delays of both ways."""
    rng = np.random.default_rng(seed)
    lost = np.where(rng.random(N) < 0.1, rng.integers(1, 4, N), 0)
    lost[100:120] = 3
    arrived = lost == 0
    up, down = rng.integers(5_000, 15_000, N), rng.integers(4_000, 30_000, N)
    up[::50] += 150_000
    seq = np.arange(N) + (np.arange(N) >= 150)
    columns = {
        "t_us": T0_US + 100_000 * seq, "session": np.ones(N, int), "seq": seq, "refl_seq": np.cumsum(lost != 1),
        "ul_us": up, "dl_us": down, "rtt_us": up + down, "copy": arrived.astype(int), "lost": lost,
    }  # fmt: skip
    columns = {name: values.astype(float) for name, values in columns.items()}
    for name in ("ul_us", "dl_us", "rtt_us", "refl_seq"):
        columns[name][~arrived] = np.nan
    copies = {name: values[arrived][:5].copy() for name, values in columns.items()}
    copies["copy"] += 1
    return {name: np.concatenate([values, copies[name]]) for name, values in columns.items()}


def stream_columns(stream, names):
    """Return the columns of a stream, a sample a second, within the contract's ranges."""
    rng = np.random.default_rng(len(stream))
    columns = {"t_us": (T0_US + 1_000_000 * np.arange(N)).astype(float)}
    for name in names:
        if name in TEXTS and stream != "metric":
            words = ("vehicle.intervention", "vehicle.mrm") if (stream, name) == ("event", "name") else TEXTS[name]
            columns[name] = np.array([words[place * 7 // 5 % len(words)] for place in range(N)], object)
            continue
        columns[name] = rng.uniform(1, 20, N)
    if stream == "metric":
        metrics = [*METRIC_OF]
        kpis = [metrics[place % len(metrics)] for place in range(N)]
        columns["name"] = np.array([METRIC_OF[kpi] for kpi in kpis], object)
        columns["unit"] = np.array([BY_ID[kpi].unit for kpi in kpis], object)
        details = (*(msgspec.json.encode(setup(camera=name)).decode() for name in ("front", "rear")), None, "{", "[]")
        columns["detail"] = np.array([details[place // len(metrics) % len(details)] for place in range(N)], object)
    usual = {
        "rsrp_dbm": (-120, -60), "rsrq_db": (-20, -5), "rx_power_dbm": (-90, -40), "fps": (5, 30),
        "rate_bps": (1e6, 5e7), "bytes": (1e5, 1e7), "packets": (900, 1000), "packets_received": (900, 1000),
        "received_us": (1e4, 1e5), "executed_us": (1e4, 4e5), "acked_us": (1e4, 4e5), "delay_us": (1e4, 4e5),
        "freeze_s": (0, 0.2), "interval_s": (0.9, 1.1),
    }  # fmt: skip
    columns |= {name: rng.uniform(*usual[name], N) for name in columns if name in usual}
    counted = {"cell_id": rng.integers(1, 4, N), "pci": rng.integers(1, 4, N), "arfcn": np.full(N, 640_000),
               "mode": np.full(N, 3), "intervention": np.arange(N) // 60}  # fmt: skip
    columns |= {name: values.astype(float) for name, values in counted.items() if name in columns}
    if stream == "event":
        columns["name"] = np.array(["video.switch", "marker", "link.switch"] * (N // 3), object)
    if stream == "position":
        columns["lat_deg"] = 35 + np.arange(N) * 5 / 111_000
        columns["lon_deg"] = np.full(N, 139.0)
    return columns


def edge(name):
    """Return the smallest and the largest value that the contract lets through, or of a double."""
    found = [column for stream in STREAMS.values() for column in stream.columns if column.name == name]
    widest = max(WIDEST[column.kind] for column in found)
    low = min((column.low for column in found if column.low is not None), default=-widest)
    return low, max((column.high for column in found if column.high is not None), default=widest)


def is_counted(name):
    """Tell whether a column counts something: what is neither a fraction nor below zero."""
    return not name.endswith("_us") and any(
        column.kind.startswith("i") for stream in STREAMS.values() for column in stream.columns if column.name == name
    )


def spoil(columns, how):
    """Return columns with every number, or every row, spoiled in one way."""
    numbers = [name for name, values in columns.items() if values.dtype != object and name not in ROW_KEYS]
    values = {
        "NaN": lambda v, _: np.full(v.size, np.nan),
        "some NaN": lambda v, _: np.where(np.arange(v.size) % 3, v, np.nan),
        "infinite": lambda v, _: np.full(v.size, math.inf),
        "some infinite": lambda v, _: np.where(np.arange(v.size) % 3, v, -math.inf),
        "negative": lambda v, name: v if is_counted(name) else -np.abs(v),
        "zero": lambda v, _: np.zeros(v.size),
        "all equal": lambda v, _: np.full(v.size, v[0]),
        "smallest": lambda v, name: np.full(v.size, edge(name)[0]),
        "largest": lambda v, name: np.full(v.size, edge(name)[1]),
        "smallest and largest": lambda v, name: np.where(np.arange(v.size) % 2, *edge(name)),
        "tiny": lambda v, name: v if is_counted(name) else v * 1e-12,
    }
    if how in values:
        return columns | {name: values[how](columns[name], name) for name in numbers}
    size = columns["t_us"].size
    rows = {
        "empty": slice(0, 0), "one sample": slice(0, 1), "two samples": slice(0, 2), "twice": [*range(size)] * 2,
        "reversed rows": slice(None, None, -1), "as it is": slice(None),
    }  # fmt: skip
    if how in rows:
        return {name: each[rows[how]] for name, each in columns.items()}
    changed = dict(columns)
    if how == "time runs backwards":
        changed["t_us"] = columns["t_us"][::-1]
    elif how == "all at once":
        changed["t_us"] = np.full(size, columns["t_us"][0])
    elif how == "no time":
        changed["t_us"] = np.where(np.arange(size) % 5, columns["t_us"], columns["t_us"][0])
    elif how == "no words":
        changed |= {name: np.full(size, None, object) for name, each in columns.items() if each.dtype == object}
    elif how == "strange words":
        changed |= {name: np.full(size, "?", object) for name, each in columns.items() if each.dtype == object}
    else:
        pytest.fail(how)
    return changed


WIDEST = {"i2": 2**15 - 1, "i4": 10**6, "i8": 10**15, "f4": 3e38, "f8": 1e100, "bool": 1, "text": 0}
"""A very large value of a column to which the contract sets no end."""
ROW_KEYS = ("t_us", "session", "seq", "copy", "lost", "mode")
WAYS = (
    "as it is", "NaN", "some NaN", "infinite", "some infinite", "negative", "zero", "all equal", "smallest", "largest",
    "smallest and largest", "tiny", "empty", "one sample", "two samples", "twice", "reversed rows",
    "time runs backwards", "all at once", "no time", "no words", "strange words",
)  # fmt: skip
PROBE_WAYS = {
    "all lost": {"lost": 3, "copy": 0, "ul_us": np.nan, "dl_us": np.nan, "rtt_us": np.nan, "refl_seq": np.nan},
    "all lost up": {"lost": 1, "copy": 0, "ul_us": np.nan, "dl_us": np.nan, "rtt_us": np.nan, "refl_seq": np.nan},
    "lost with a delay": {"lost": 3},
    "delivered without a delay": {"lost": 0, "copy": 1, "ul_us": np.nan, "dl_us": np.nan, "rtt_us": np.nan},
    "reflector never counts": {"refl_seq": 0},
    "only copies": {"copy": 2},
    "one number": {"seq": 7},
}


def spoiled_probes(how) -> ProbeArrays:
    """Return the probes spoiled in one way."""
    columns = probe_columns()
    size = columns["t_us"].size
    if how in PROBE_WAYS:
        columns |= {name: np.full(size, float(value)) for name, value in PROBE_WAYS[how].items()}
    elif how == "a session each":
        columns["session"] = np.arange(size, dtype=float)
    elif how == "numbers jump":
        columns["seq"] = columns["seq"] * 1e6
    elif how == "numbers run backwards":
        columns["seq"], columns["refl_seq"] = columns["seq"][::-1], columns["refl_seq"][::-1]
    else:
        columns = spoil(columns, how)
    return probe_arrays({name: Column(values) for name, values in columns.items()})


def of_link(probes, clock):
    """Return every KPI that packets have: those of the link, ping's, of the corrected offset, and of pairs."""
    judged = subject(PROFILE, clock)
    results = evaluate_link(probes, judged)
    check_all(results)
    corrected = offset_corrected(results, probes, judged)
    check_all(corrected)
    by_ping = ping_convention(probes, judged)
    check_all(by_ping)
    found = [*corrected, *by_ping]
    for other in (probes, spoiled_probes("as it is")) if probes.n else ():
        pair = evaluate_pairs([Leg("a", probes, clock), Leg("b", other, GOOD_CLOCK)], "car-1", PROFILE)
        check_all(pair)
        found += pair
    return found


def of_streams(how, probes):
    """Return every KPI of the other streams, all of them spoiled in one way."""

    def made(streams):
        return {
            name: series({each: Column(values) for each, values in spoil(stream_columns(name, names), how).items()})
            for name, names in streams.items()
        }

    device, judged = made(DEVICE_STREAMS), subject(PROFILE)
    streams, seconds = made(LINK_STREAMS), probe_seconds(probes)
    results = [
        *evaluate_link_streams(streams, probes, device, judged), *evaluate_device_streams(device, judged),
        *evaluate_all_met({"l5g": seconds, "lte": seconds}, {"l5g": streams}, device, judged),
    ]  # fmt: skip
    check_all(results)
    others = made({"event": ("name", "detail"), "video": LINK_STREAMS["video"]})
    for events in (others["event"], None):
        switches = link_switches(events, {"a": others["video"], "b": others["video"]}, Figures(judged, "hash"))
        check_all(switches)
        results += switches
    return results


@pytest.mark.parametrize("clock", [GOOD_CLOCK, UNKNOWN_CLOCK, POOR_CLOCK], ids=["known", "unknown", "poor for a while"])
@pytest.mark.parametrize(
    "how", [*WAYS, *PROBE_WAYS, "a session each", "numbers jump", "numbers run backwards"]
)  # fmt: skip
def test_packets_that_nobody_wants_have_lawful_kpis(how, clock):
    """NaN, infinite, negative and extreme delays, nothing, one, copies, lost, backwards, jumps, borders everywhere."""
    of_link(spoiled_probes(how), clock)


@pytest.mark.parametrize("how", WAYS)
def test_samples_that_nobody_wants_have_lawful_kpis(how):
    """The same for radio, throughput, video, commands, traffic, metrics, position and vehicle."""
    of_streams(how, spoiled_probes("as it is"))
    of_streams(how, spoiled_probes("empty"))


def test_every_kpi_of_the_dictionary_is_among_them():
    """Nothing in the table of definitions escapes: on good input each KPI has a result."""
    probes = spoiled_probes("as it is")
    found = {result.id for result in [*of_link(probes, POOR_CLOCK), *of_streams("as it is", probes)]}
    assert found == set(BY_ID)


def any_columns(rng, columns):
    """Return up to a dozen rows in which every number is NaN, infinite, zero, an edge, usual, or one of a few."""
    size = int(rng.integers(0, 13))
    found = {}
    for name, values in columns.items():
        if values.dtype == object:
            found[name] = rng.choice(np.array([*dict.fromkeys(values), None, "?"], object), size)
            continue
        if name == "t_us":
            found[name] = T0_US + rng.integers(0, rng.choice([1, 10, 10_000, 30_000_000]), size).astype(float)
            continue
        low, high = edge(name)
        pool = np.array([np.nan, np.inf, 0.0, low, high, 1.0, values[0], values[1], values[2]])
        found[name] = rng.choice(pool[rng.choice(pool.size, int(rng.integers(1, 5)))], size)
    return found


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_any_samples_have_lawful_kpis(seed):
    """A dozen rows of anything in every stream: lost above sent, frozen longer than measured, no length at all."""
    rng = np.random.default_rng(seed)
    made = [
        {
            stream: series(
                {name: Column(each) for name, each in any_columns(rng, stream_columns(stream, names)).items()}
            )
            for stream, names in streams.items()
        }
        for streams in (LINK_STREAMS, DEVICE_STREAMS)
    ]
    judged = subject(PROFILE)
    packets = any_probes(rng)
    check_all(evaluate_link_streams(made[0], packets, made[1], judged))
    cuts = [(T0_US + 1_000_000, T0_US + 2_000_000)]
    check_all(evaluate_device_streams(made[1], judged, cuts))
    asked = subject(load_requirements(str(rng.choice(["", *shipped_profiles()]))))
    seconds = {"l5g": probe_seconds(packets), "lte": probe_seconds(any_probes(rng))}
    path = track(made[1]["position"], cuts)
    check_all(evaluate_all_met(seconds, {"l5g": made[0]}, made[1], asked, path=path, excluded={"lte": cuts}))


def any_probes(rng):
    """Return up to thirty packets with any mixture of loss, sessions, copies and delays, lawful together or not."""
    size = int(rng.integers(0, 31))
    sparse = lambda values: np.where(rng.random(size) < rng.random(), values, np.nan)  # noqa: E731
    columns = {
        "t_us": T0_US + rng.integers(0, rng.choice([1, 100, 10_000_000]), size), "session": rng.integers(0, 3, size),
        "seq": rng.integers(0, rng.choice([3, 40, 2**31 - 1]), size), "refl_seq": sparse(rng.integers(0, 40, size)),
        "ul_us": sparse(rng.integers(-2_000_000_000, 2_000_000_000, size)),
        "dl_us": sparse(rng.integers(-1_000, 100_000, size)), "rtt_us": sparse(rng.integers(0, 1_000_000, size)),
        "copy": rng.integers(0, 4, size), "lost": rng.integers(0, rng.choice([1, 2, 4]), size),
    }  # fmt: skip
    return probe_arrays({name: Column(values.astype(float)) for name, values in columns.items()})


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    clock=st.sampled_from([GOOD_CLOCK, UNKNOWN_CLOCK]),
    profile=st.sampled_from(["", *shipped_profiles()]),
)
def test_any_packets_have_lawful_kpis(seed, clock, profile):
    """Packets and pairs of links, also lost ones with delays, delivered ones without, and copies of nothing."""
    rng = np.random.default_rng(seed)
    a, b, judged = any_probes(rng), any_probes(rng), subject(load_requirements(profile), clock)
    results = evaluate_link(a, judged)
    check_all(results)
    check_all(offset_corrected(results, a, judged))
    check_all(ping_convention(a, judged))
    if a.n and b.n:
        check_all(evaluate_pairs([Leg("a", a, clock), Leg("b", b, GOOD_CLOCK)], "car-1", judged.profile))


VIDEO = {"camera": ["front"] * 3, "interval_s": [1.0] * 3}
TRAFFIC = {"treatment": ["on"] * 3, "interval_s": [1.0] * 3, "true_positives": [4, 3, 3]}


@pytest.mark.parametrize(
    ("stream", "columns", "kpis"),
    [
        ("video", VIDEO | {"freeze_s": [0.1, 0.0, 0.0]}, [("video_freeze", "count")]),
        ("video", VIDEO | {"packets_received": [9, 9, 9]}, [("video_loss", "ratio")]),
        ("traffic", TRAFFIC, [(name, "ratio") for name in ("precision", "recall", "missed", "f_score")]),
        ("traffic", TRAFFIC | {"false_negatives": [0, 1, 0]}, [("precision", "ratio"), ("false_alarms", "rate")]),
        ("traffic", TRAFFIC | {"false_positives": [0, 1, 0]}, [("recall", "ratio"), ("missed", "ratio")]),
        ("radio", {"cell_id": [1]}, [("handover", "count")]),
        ("vehicle", {"intervention": [3], "speed_mps": [5.0]}, [("interventions", "count")]),
    ],
    ids=["freezes not counted", "losses not counted", "only hits", "no false alarms counted", "no misses counted",
         "one cell seen", "one reading"],
)  # fmt: skip
def test_what_was_not_counted_is_not_zero(stream, columns, kpis):
    """A column that is null throughout, or one sample where two make a change: no value, never 0 or 100 %."""
    one = make_series(range(len(next(iter(columns.values())))), **columns)
    judged = subject(PROFILE)
    streams, device = ({}, {stream: one}) if stream == "vehicle" else ({stream: one}, {})
    found = by_name([*evaluate_link_streams(streams, None, device, judged), *evaluate_device_streams(device, judged)])
    for kpi, statistic in kpis:
        result = found.get((kpi, "", statistic))
        assert result is None or (result.value is None and result.reason), result


def test_a_rate_without_its_length_is_not_a_share_of_time():
    """Rates whose intervals have no length: quantiles and the plain mean, and no sufficiency."""
    tests = make_series(range(3), direction=["up"] * 3, protocol=["tcp"] * 3, rate_bps=[1e7, 2e7, 3e7])
    found = by_name(evaluate_link_streams({"throughput": tests}, None, {}, subject(PROFILE)))
    assert (20.0, 20.0) == tuple(found["throughput_tcp", "up", name].value for name in ("mean", "p50"))
    assert (None, 0, NO_LENGTHS) == tuple(
        getattr(found["bandwidth_sufficiency", "up", "ratio"], name) for name in ("value", "n", "reason")
    )


def test_more_lost_than_sent_is_no_ratio():
    """A UDP test that lost more than it had: the record contradicts itself, and says so."""
    tests = make_series(range(2), direction=["up"] * 2, protocol=["udp"] * 2, packets=[10, 10], lost_packets=[30, 0])
    found = by_name(evaluate_link_streams({"throughput": tests}, None, {}, subject(PROFILE)))["udp_loss", "up", "ratio"]
    assert (None, 20, ABOVE) == (found.value, found.n, found.reason)


def test_lost_packets_of_a_tcp_test_are_no_udp_loss():
    """Packet counts of a TCP row stay out, and each direction has one UDP loss."""
    tests = make_series(range(2), direction=["up"] * 2, protocol=["tcp", "udp"], packets=[10, 10], lost_packets=[5, 1])
    found = evaluate_link_streams({"throughput": tests}, None, {}, subject(PROFILE))
    assert [0.1] == [result.value for result in found if result.id == "udp_loss"]


def test_a_freeze_from_before_the_measurement_fills_all_of_it():
    """A freeze of 5 s is recorded where it ends: in two seconds of video it is all of the time, and says why."""
    video = make_series(range(2), **{name: values[:2] for name, values in VIDEO.items()}, freeze_s=[5.0, 0.0])
    found = by_name(evaluate_link_streams({"video": video}, None, {}, subject(PROFILE)))["video_freeze", "", "ratio"]
    assert (1.0, 1.0, FROZEN_BEFORE) == (found.value, found.ci_high, found.reason)


def test_a_place_outside_the_japanese_mesh_has_none():
    """A receiver that says 0, 0 for a moment does not stop the evaluation of a whole run."""
    lat, lon = np.array([35.0, 0.0, -35.0, 70.0, np.nan]), np.array([139.0, 0.0, 139.0, 139.0, 139.0])
    assert [True, False, False, False, False] == (mesh_codes(lat, lon, 125) >= 0).tolist()


def test_unknown_names_are_refused_with_the_remedy():
    """An unknown KPI, statistic or field of a profile: the message names what there is."""
    profile = {"name": "x", "ja": "", "en": "", "status": ""}
    asked = {"kpi": "rtt", "statistic": "p95", "limit": 1.0, "source": "x"}
    for changes, remedy in (
        ({"requirement": [asked | {"kpi": "latency"}]}, "known are owd, rtt"),
        ({"requirement": [asked | {"statistic": "p98"}]}, "it has mean"),
        ({"requirement": [asked | {"limt": 2.0}]}, "limt"),
        ({"parameters": {"rtt_within": 3.0}}, "rtt_within"),
    ):
        with pytest.raises(RequirementError, match=remedy):
            parse_requirements(profile | changes, "x.toml")
    with pytest.raises(RequirementError, match="one of .*5qi"):
        load_requirements("nowhere")


def check_row(row):
    """Hold a row of a table against the laws: JSON, no NaN, ratios of all, and intervals that hold their values."""
    fields = msgspec.to_builtins(row)
    for name, value in fields.items():
        assert not isinstance(value, float) or math.isfinite(value), row
        if name in {"loss", "within"} and value is not None:
            assert 0.0 <= value <= 1.0, row
    for name, low, high in (
        ("loss", "loss_low", "loss_high"), ("p50_ms", "p50_low_ms", "p50_high_ms"), ("within", "ci_low", "ci_high"),
        ("p95_ms", "p95_low_ms", "p95_high_ms"), ("difference", "ci_low", "ci_high"),
    ):  # fmt: skip
        if fields.get(name) is not None:
            assert fields.get(low) is None or fields[low] <= fields[name] + 1e-9, row
            assert fields.get(high) is None or fields[name] - 1e-9 <= fields[high], row


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), grid=st.sampled_from(["section", "mesh", "grid"]))
def test_tables_of_any_packets_are_lawful(seed, grid):
    """Conditions, route cells, comparison and the list of outages take the same input as the KPIs beside them."""
    rng = np.random.default_rng(seed)
    a, b = any_probes(rng), any_probes(rng)
    made = {
        name: series({each: Column(values) for each, values in any_columns(rng, stream_columns(name, columns)).items()})
        for name, columns in (("radio", LINK_STREAMS["radio"]), *DEVICE_STREAMS.items())
    }
    path = track(made["position"])
    for row in by_condition(a, made["radio"], path, made["vehicle"])[1]:
        check_row(row)
    for row in route_cells(a, path, made["radio"], PROFILE, grid=grid):
        check_row(row)
    sides = [Side(each, time_blocks(each, 1.0)) for each in (a, b)]
    if a.n and b.n:
        for effect in compare(*sides, is_paired=False, unit_name="s", within_ms=100.0):
            check_row(effect)
    if a.n:
        found = availability(a, "round_trip", 40_000, 50_000)
        listed = list_outages(a, "round_trip", found, Surroundings(), t_max_us=40_000, survival_us=50_000)
        assert len(listed) == found.start_us.size
        assert all(0 <= each.lost <= each.failed and each.failed >= 1 for each in listed), listed
        assert all(each.duration_s > 0 for each in listed)
