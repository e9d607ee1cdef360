"""What the table of KPIs says that each needs, against what evaluation reads: a device on which all is measured."""

import json
from dataclasses import replace
from functools import cache

import msgspec
import numpy as np
import pytest

from analytics.clock import clock_quality
from analytics.clock_record import ClockSamples
from analytics.definitions import BY_ID, DEFINITIONS
from analytics.dictionary.other_radios import METRIC_OF
from analytics.evaluate import evaluate_link, ping_convention
from analytics.families.all_met import evaluate_all_met
from analytics.families.device import evaluate_device_streams, evaluate_link_streams, track_of
from analytics.families.switching import link_switches
from analytics.figures import Figures
from analytics.probe_seconds import probe_seconds
from analytics.probes import probe_arrays
from analytics.redundancy import Leg, evaluate_pairs
from analytics.requirements import Parameters, Profile, Requirement
from contract.streams import STREAMS
from tests.analytics.families.making import make_series
from tests.analytics.making import T0_US, column, offset_corrected, subject
from tests.analytics.test_coverage import gilbert_elliott

SECONDS, RATE = 120, 25
PROFILE = Profile(
    name="all", ja="", en="", status="",
    parameters=Parameters(
        coverage_rsrp_dbm=-100.0, coverage_power_dbm=-100.0, required_up_mbps=10.0, required_down_mbps=10.0,
        ip_unavailable_loss=0.2, ip_interval_s=10.0, ip_least_packets=10, ip_source="test", payload_bytes=100,
        tcp_ideal_up_mbps=100.0, tcp_ideal_down_mbps=100.0, tcp_segment_bytes=1448, clock_within_ms=5.0,
    ),
)  # fmt: skip
ASKED = {
    "probe.rtt_us": ("rtt", "round_trip", "p99"), "probe.lost": ("loss", "round_trip", "ratio"),
    "video.delay_us": ("video_delay", "", "p95"), "video.fps": ("video_fps", "", "p5"),
    "command.acked_us": ("command_response", "", "p95"),
}  # fmt: skip
"""What a profile asks of each second, by the source that answers it."""
ABSENCE_IS_THE_FINDING = {"stop_delivery", "all_met"}
"""Of whose last group absence is failure, not "no value": a stop that nobody answered or executed was not delivered, a
picture that is due and does not come fails its second."""
FIRST_ONLY = {
    "availability", "mtbf", "outage", "redundant_availability", "redundant_availability_gain", "redundant_outage",
    "redundant_delay", "redundant_delay_gain",
}  # fmt: skip
"""Of the first direction that was measured."""
AT_POINTS = {"point_throughput_tcp", "point_throughput_udp", "point_sufficiency"}
"""The points of this device were tested on the way up only."""
DIGITS = {"i2": np.int16, "i4": np.int32, "i8": np.int64}


def probes(seed):
    """25 packets a second with bursts of loss, absent numbers, duplicates, and some so late that others overtake."""
    rng = np.random.default_rng(seed)
    n = SECONDS * RATE
    number = np.arange(n)
    is_lost = (gilbert_elliott(rng, n, 0.04, 0.2, 0.6)) & (number > 20)
    is_lost[(number > 300) & (number < 340)] = True
    rtt_us = 20_000 + rng.integers(0, 8_000, n) + 250_000 * (number % 41 == 7)
    keep = number % 211 != 3
    made = {
        "t_us": T0_US + number * (1_000_000 // RATE), "session": np.ones(n, int), "seq": number,
        "refl_seq": np.where(is_lost, 0, np.cumsum(~is_lost)), "ul_us": rtt_us // 2, "dl_us": rtt_us - rtt_us // 2,
        "rtt_us": rtt_us, "copy": (~is_lost).astype(int), "lost": np.where(is_lost, 3, 0),
    }  # fmt: skip
    rows = [{name: int(values[place]) for name, values in made.items()} for place in np.flatnonzero(keep)]
    nothing = dict.fromkeys(("refl_seq", "ul_us", "dl_us", "rtt_us"))
    rows = [{**row, **nothing} if row["lost"] else row for row in rows]
    rows += [{**row, "copy": 2} for row in rows if row["seq"] % 50 == 9 and not row["lost"]]
    sent_s = [(row.pop("t_us") - T0_US) / 1e6 for row in rows]
    return {"t_s": sent_s, **{name: [row[name] for row in rows] for name in rows[0]}}


def every_second(n=SECONDS, **columns):
    return {"t_s": list(range(1, n + 1)), **{name: list(values) for name, values in columns.items()}}


def throughput_tests():
    rows = []
    for protocol in ("tcp", "udp"):
        for second in range(20):
            rows += [{"direction": way, "protocol": protocol, "interval_s": 1.0, "bytes": 2_000_000 + 10_000 * second,
                      "rate_bps": 16e6 + 8e4 * second, "retransmits": second % 3, "packets": 1000, "parallel": 1,
                      "lost_packets": second % 4, "jitter_us": 900 + second, "point": None, "trial": None,
                      "t_s": 10 + second} for way in ("up", "down")]  # fmt: skip
        for point in range(6):
            rows += [{"direction": "up", "protocol": protocol, "interval_s": 1.0, "bytes": 2_000_000 + point * 1000,
                      "rate_bps": 16e6 + 8e3 * point, "retransmits": 0, "packets": 1000, "lost_packets": 1,
                      "jitter_us": 900, "parallel": 1, "point": f"P{point}", "trial": trial,
                      "t_s": 60 + 3 * point + trial} for trial in (0, 1, 2)]  # fmt: skip
    return {name: [row[name] for row in rows] for name in rows[0]}


def measured():
    """Return every stream of a device, as columns by (link, stream); the device's own link is ""."""
    wave = [(7 * second) % 11 for second in range(SECONDS)]
    cells = [1 + (second // 12) % 2 for second in range(SECONDS)]
    cells[50] = 2 if cells[49] == 1 else 1
    radio = every_second(
        rsrp_dbm=[-95.0 - each for each in wave], rsrq_db=[-10.0 - each / 10 for each in wave],
        sinr_db=[10.0 + each for each in wave], rx_power_dbm=[-70.0 - each for each in wave], cell_id=cells, pci=cells,
        arfcn=[640_000 + cell for cell in cells], rat=["NR-SA"] * SECONDS,
    )  # fmt: skip
    video = every_second(
        camera=["front"] * SECONDS, interval_s=[1.0] * SECONDS, fps=[29.0 + each / 10 for each in wave],
        rate_bps=[4e6 + 1e4 * each for each in wave], delay_us=[90_000 + 1000 * each for each in wave],
        freezes=[each % 2 for each in wave], freeze_s=[each % 2 / 10 for each in wave],
        packets_received=[400] * SECONDS, packets_lost=[each % 3 for each in wave],
        jitter_us=[1000 + each for each in wave],
    )  # fmt: skip
    before = {name: values[:60] for name, values in video.items()}
    after = {name: values[60:] for name, values in video.items()}
    answers = [40_000 + 100 * number for number in range(40)]
    command = every_second(
        40, command_id=[str(number) for number in range(40)], name=["stop"] * 40, received_us=answers,
        executed_us=answers, acked_us=answers,
    )  # fmt: skip
    scenes = [f"scene {number % 10}" for number in range(40)]
    treated = ["off" if number < 20 else "on" for number in range(40)]
    traffic = every_second(
        40, scene=scenes, treatment=treated, interval_s=[1.0] * 40, streams=[1] * 40,
        bytes=[(1_000_000 if each == "off" else 300_000) + 100 * number for number, each in enumerate(treated)],
        true_positives=[9] * 40, false_positives=[1] * 40, false_negatives=[1] * 40, added_delay_us=[8_000] * 40,
    )  # fmt: skip
    names = list(METRIC_OF.values())
    metric = {
        "t_s": [float(number) for number in range(5 * len(names))], "name": names * 5,
        "value": [10.0 + number % 7 for number in range(5 * len(names))],
        "unit": [BY_ID[kpi].unit for kpi in METRIC_OF] * 5, "detail": [None] * 5 * len(names),
    }  # fmt: skip
    position = every_second(
        lat_deg=[35.0 + second * 1e-4 for second in range(SECONDS)], lon_deg=[139.0] * SECONDS,
        speed_mps=[11.0] * SECONDS, mode=[3] * SECONDS,
    )  # fmt: skip
    vehicle = every_second(
        speed_mps=[11.0] * SECONDS, drive_mode=["AUTONOMOUS"] * SECONDS,
        mrm_state=["MRM_OPERATING" if 40 <= second < 45 else "NORMAL" for second in range(SECONDS)],
        intervention=[int(second > 70) for second in range(SECONDS)],
    )  # fmt: skip
    told = [("video.switch", {"link": "lte", "interruption_ms": 250}), ("vehicle.intervention", {"cause": "歩行者"}),
            ("vehicle.mrm", {"cause": "通信"}), ("ping.summary", {})]  # fmt: skip
    event = {"t_s": [61.0, 71.0, 40.0, 1.0], "name": [name for name, _ in told],
             "detail": [json.dumps(detail) for _, detail in told]}  # fmt: skip
    clock = every_second(synced=[1] * SECONDS, bound_us=[100.0] * SECONDS)
    return {
        ("l5g", "probe"): probes(1), ("lte", "probe"): probes(2), ("l5g", "radio"): radio, ("l5g", "video"): before,
        ("lte", "video"): after, ("l5g", "command"): command, ("l5g", "traffic"): traffic, ("l5g", "metric"): metric,
        ("l5g", "throughput"): throughput_tests(), ("", "position"): position, ("", "vehicle"): vehicle,
        ("", "event"): event, ("", "clock"): clock,
    }  # fmt: skip


MEASURED = measured()


def series_of(data, link, stream):
    found = data.get((link, stream))
    return None if found is None else make_series(found["t_s"], **{k: v for k, v in found.items() if k != "t_s"})


def packets_of(data, link):
    found = data.get((link, "probe"))
    if found is None:
        return None
    kinds = {each.name: DIGITS[each.kind] for each in STREAMS["probe"].columns}
    t_us = [T0_US + round(each * 1e6) for each in found["t_s"]]
    return probe_arrays({"t_us": column(t_us, np.int64), **{name: column(found[name], kinds[name]) for name in kinds}})


def clock_of(data):
    found = data.get(("", "clock"))
    samples = None
    if found is not None:
        samples = ClockSamples(
            np.array([T0_US + 1_000_000 * each for each in found["t_s"]]), np.array(found["synced"], bool),
            np.array([np.nan if each is None else each for each in found["bound_us"]]),
        )  # fmt: skip
    return clock_quality(samples, samples, T0_US, T0_US + 1_000_000 * SECONDS, PROFILE.parameters.clock_limit_us)


def device_of(data):
    found = {name: series_of(data, "", name) for name in ("position", "vehicle", "event")}
    return {name: each for name, each in found.items() if each is not None}


def of_packets(data):
    sent = packets_of(data, "l5g")
    if sent is None:
        return []
    who = replace(subject(PROFILE), clock=clock_of(data))
    results = offset_corrected(evaluate_link(sent, who), sent, who)
    events = data.get(("", "event"), {"name": []})["name"]
    return results + (ping_convention(sent, who) if "ping.summary" in events else [])


def of_streams(data):
    names = ("radio", "video", "command", "traffic", "metric", "throughput")
    streams = {name: each for name in names if (each := series_of(data, "l5g", name)) is not None}
    return evaluate_link_streams(streams, packets_of(data, "l5g"), device_of(data), subject(PROFILE))


def of_device(data):
    who = replace(subject(PROFILE), link="")
    video = {link: each for link in ("l5g", "lte") if (each := series_of(data, link, "video")) is not None}
    return [
        *evaluate_device_streams(device_of(data), who),
        *link_switches(series_of(data, "", "event"), video, Figures(who, "hash")),
    ]


def of_drive(data):
    sent = {link: probe_seconds(each) for link in ("l5g", "lte") if (each := packets_of(data, link)) is not None}
    streams = {
        link: {name: each for name in ("video", "command") if (each := series_of(data, link, name)) is not None}
        for link in ("l5g", "lte")
    }
    device = device_of(data)
    clocks = dict.fromkeys(("l5g", "lte"), clock_of(data))
    results = []
    for kpi, direction, statistic in ASKED.values():
        asked = Requirement(kpi=kpi, direction=direction, statistic=statistic, limit=1.0, source="test")
        who = subject(msgspec.structs.replace(PROFILE, requirement=(asked,)))
        results += evaluate_all_met(sent, streams, device, who, path=track_of(device), clocks=clocks)
    return results


def of_pairs(data):
    sent = {link: each for link in ("l5g", "lte") if (each := packets_of(data, link)) is not None}
    if len(sent) < 2:
        return []
    return evaluate_pairs([Leg(link, each, clock_of(data)) for link, each in sent.items()], "car-1", PROFILE)


PARTS = (of_packets, of_streams, of_device, of_drive, of_pairs)


@cache
def valued(part, kept, blanked):
    """Return the KPIs that a part of the evaluation has a value for.

    `kept` names all sources that are left beside what no row can be without (None: everything), `blanked` what is not.
    """
    data = {}
    for (link, stream), columns in MEASURED.items():
        nullable = {each.name for each in STREAMS[stream].columns if each.nullable}
        mine = {name for source in kept or () for of, name in parsed(source) if of == stream}
        gone = {name for source in blanked for of, name in parsed(source) if of == stream}
        if (kept is not None and not mine) or gone - nullable:  # "" is any row
            continue
        data[link, stream] = {
            name: [None] * len(values)
            if name in gone or (kept is not None and name in nullable and name not in mine)
            else values
            for name, values in columns.items()
        }
    return frozenset(result.id for result in part(data) if result.value is not None)


def parsed(source):
    """Return the (stream, column) of a source."""
    stream, _, names = source.partition(".")
    return [(stream, name) for name in names.split("+")]


@cache
def part_of(kpi):
    """Return the part of the evaluation that a KPI comes from."""
    return next((part for part in PARTS if kpi in valued(part, None, ())), None)


def test_every_kpi_of_the_table_is_measured_here():
    """What is not cannot be held against anything."""
    assert [each.id for each in DEFINITIONS if part_of(each.id) is None] == []


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda each: each.id)
def test_every_source_is_a_column_of_the_contract(definition):
    """And so are the columns that are read of the stream whose samples a KPI is of, which is one of its streams."""
    sources = [each for group in definition.needs for each in group] + list(definition.also)
    for stream, name in [pair for source in sources for pair in parsed(source)]:
        assert not name or name in STREAMS[stream].column_names
    assert definition.stream in definition.streams
    assert definition.needs
    assert set(definition.main) <= set(definition.statistics)
    assert definition.links in {1, 2}


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda each: each.id)
def test_what_is_needed_is_enough(definition):
    """By whichever of its sources: nothing else of the device is there."""
    for place, group in enumerate(definition.needs):
        for source in group:
            kept = tuple(source if place == other else each[0] for other, each in enumerate(definition.needs))
            assert definition.id in valued(part_of(definition.id), kept, ()), kept


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda each: each.id)
def test_without_what_is_needed_there_is_no_value(definition):
    """Every group in its turn is taken away, of sources that go together each column; all the rest is there."""
    for group in definition.needs[: -1 if definition.id in ABSENCE_IS_THE_FINDING else None]:
        alone = [f"{stream}.{name}" for stream, name in parsed(group[0])] if len(group) == 1 else []
        for blanked in [(each,) for each in alone] or [group]:
            assert definition.id not in valued(part_of(definition.id), None, blanked), blanked


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_figures_are_of_the_directions_of_the_table(part):
    """Of no other; and of each, for where up and down were both measured none may be missing."""
    found = {}
    for result in part(MEASURED):
        if result.value is not None:
            found.setdefault(result.id, set()).add(result.direction)
    assert found
    for kpi, directions in found.items():
        allowed = set(BY_ID[kpi].directions) or {""}
        assert directions <= allowed, kpi
        assert kpi in FIRST_ONLY | AT_POINTS or directions == allowed, kpi
