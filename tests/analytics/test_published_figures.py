"""Real measurements whose authors or tools published figures: ours are equal to them, within the digits printed."""

import ast
import csv
import gzip
import json
import re
from itertools import pairwise

import msgspec
import numpy as np
import pytest

from analytics.evaluate import evaluate_link, ping_convention
from analytics.families.throughput import evaluate_throughput
from analytics.families.video import evaluate_video
from analytics.probes import probe_arrays
from analytics.statistics import Histogram, histogram, mean_interval, rank
from contract.recording.reader import read_recording
from tests.analytics.families.making import make_figures, make_series
from tests.analytics.making import UNKNOWN_CLOCK, Column, by_name, probes, round_trips, subject


def data(test_data, *parts):
    """Return a path of the real measurements, or skip in one line."""
    path = test_data.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{path} not found: its published figures are not tested")
    return path


@pytest.mark.parametrize(
    ("variant", "low_ns", "high_ns", "mean_ns", "interval_ns"),
    [
        ("nocross_vlan", 4420, 4660, 4547.48, (4545, 4550)),
        ("nocross", 4410, 4670, 4546.40, None),
        ("cross900mbps", 4430, 16_800, 15_561.87, None),
    ],
)  # fmt: skip
def test_a_wired_bridge_has_the_delays_of_its_readme(test_data, variant, low_ns, high_ns, mean_ns, interval_ns):  # noqa: PLR0917 - one figure each
    """DETERMINISTIC6G PD-Wired: 4,420 to 4,660 ns, mean in 4,545 to 4,550 ns at 95 %, joined by packet id.

    The other two of its captures have no figure in the README; theirs were recomputed elsewhere.
    """
    stamps = []
    for side in ("upstream", "downstream"):
        path = data(test_data, "deterministic6g", "PD-Wired", "raw", f"{side}-{variant}-10pkt_per_sec.csv")
        with path.open() as file:
            stamps.append({packet: int(at_ns) for at_ns, packet in csv.reader(file)})
    delays_ns = np.array([stamps[1][packet] - at_ns for packet, at_ns in stamps[0].items()])
    counted = histogram(delays_ns)
    interval = mean_interval(counted.mean, counted.deviation, counted.n)

    assert (1000, low_ns, high_ns) == (counted.n, *counted.at([1, counted.n]))
    assert mean_ns == pytest.approx(counted.mean, abs=0.005)
    assert interval_ns in {None, (round(interval.low), round(interval.high))}


@pytest.mark.parametrize(
    ("folder", "name", "expected"),
    [
        ("2a", "5G-midband-Downlink_PD-Wireless-5G-2a", (5.256, 10.755, 11.319)),
        ("2a", "5G-midband-Uplink_PD-Wireless-5G-2a", (6.378, 9.880, 11.631)),
        ("3a", "5G-URLLC-mmW-Downlink_PD-Wireless-5G-3a", (0.7539, 1.0586, 1.6957)),
        ("3a", "5G-URLLC-mmW-Uplink_PD-Wireless-5G-3a", (0.6739, 0.9123, 0.9272)),
        ("4a", "5G-mmW-DL-histData", (1.4994, 2.3382, 5.6235)),
        ("4a", "5G-mmW-UL-histData", (2.295, 2.685, 2.880)),
    ],
)
def test_quantiles_of_a_published_histogram(test_data, folder, name, expected):
    """Industrial 5G SA and mmWave: packets counted in bins, or their shares; the quantile is a bin's lower edge."""
    rows = np.loadtxt(data(test_data, "deterministic6g", f"PD-Wireless-5G-{folder}", "raw", f"{name}.csv"))
    total = rows[:, 1].sum()
    assert total == pytest.approx(100_000) or total == pytest.approx(1, abs=1e-3)
    counts = np.rint(rows[:, 1] * (1 if total > 2 else 1e6)).astype(np.int64)
    counted = Histogram(np.rint(rows[:, 0] * 1e6).astype(np.int64), counts)

    found = [counted.at([rank(q, counted.n)])[0] / 1e6 for q in ("0.5", "0.99", "0.999")]
    assert list(expected) == pytest.approx(found, abs=6e-4)


def test_ping_over_private_5g_prints_what_we_compute(test_data):
    """Seven logs of DETERMINISTIC6G: counts exactly, min, avg, max and mdev to the digits of ping's own summary."""
    folder = data(test_data, "deterministic6g")
    with (folder / "expected_from_ping_summary.tsv").open() as file:
        table = [row for row in csv.DictReader(file, delimiter="\t") if row["transmitted"]]
    assert 7 == len(table)
    for row in table:
        (path,) = folder.glob(f"ProcessingDelayDistribution1/raw/*/{row['file']}")
        rows = [sample for sample in read_recording(path, "ping") if sample.stream == "probe"]
        names = ("session", "seq", "copy", "lost", "rtt_us")
        columns = {name: [sample.values.get(name) for sample in rows] for name in names}
        columns["t_us"] = [sample.t_ns // 1000 for sample in rows]
        columns |= {name: [None] * len(rows) for name in ("ul_us", "dl_us", "refl_seq")}
        sent = probe_arrays({name: _column(values) for name, values in columns.items()})
        found = by_name(ping_convention(sent, subject()))
        printed = {"min": "rtt_min_ms", "mean": "rtt_avg_ms", "max": "rtt_max_ms", "mdev": "rtt_mdev_ms"}

        assert (int(row["transmitted"]), int(row["received"])) == (sent.n, int(sent.delivered.sum())), row["file"]
        # The summary is of microseconds; each reply is cut to three digits, and so ours may be off by one unit of them.
        delays_ms = sent.delays["round_trip"].us[sent.delivered] / 1000
        units = np.where(delays_ms >= 100, 1.0, np.where(delays_ms >= 10, 0.1, 0.01))
        slack = {"min": units.min(), "mean": units.mean(), "max": units.max(), "mdev": np.sqrt((units**2).mean())}
        for statistic, column in printed.items():
            value = found["ping_rtt", "round_trip", statistic].value
            assert abs(float(row[column]) - value) <= slack[statistic] + 5e-4, (row["file"], statistic)


def _column(values):
    return Column(np.array([np.nan if value is None else value for value in values], float))


def test_an_emulated_voip_stream_has_the_windows_of_its_receiver(test_data):
    """Flent test-voip-1up: D-ITG's mean delay of three windows of 20 packets, and the first's mean |IPDV| as jitter."""
    sent = _voip(data(test_data, "flent_testdata", "test-voip-1up.flent.gz"))
    whole = by_name(evaluate_link(sent, subject(clock=UNKNOWN_CLOCK)))

    assert (14_913, 0.0) == (sent.n, whole["loss", "round_trip", "ratio"].value)
    assert 0.0 == whole["reordering", "up", "ratio"].value
    expected = {"min": 24.250981, "mean": 24.953701, "max": 25.661230}
    assert expected == pytest.approx({name: whole["owd", "up", name].value for name in expected}, abs=5.1e-4)
    means = [_window(sent, place)["owd", "up", "mean"].value for place in range(3)]
    assert [24.771, 24.800, 24.859] == pytest.approx(means, abs=1e-3)
    assert 0.116 == pytest.approx(_window(sent, 0)["ipdv", "up", "mean"].value, abs=1e-3)


def test_voip_under_load_has_its_first_window(test_data):
    """Flent test-voip-rrul: 24.843 ms and a jitter of 0.163 ms."""
    sent = _voip(data(test_data, "flent_testdata", "test-voip-rrul.flent.gz"))
    first = _window(sent, 0)
    assert 14_911 == sent.n
    assert (24.843, 0.163) == pytest.approx(
        (first["owd", "up", "mean"].value, first["ipdv", "up", "mean"].value), abs=1e-3
    )


def _voip(path):
    """Return the one-way delays of a D-ITG stream."""
    rows = json.loads(gzip.decompress(path.read_bytes()))["raw_values"]["VoIP"]
    delay_us = np.array([1000 * row["val"] for row in rows])
    nothing = Column(np.full(delay_us.size, np.nan))
    return probe_arrays({
        "t_us": Column(np.rint(np.array([1e6 * row["t"] for row in rows]) - delay_us)),
        "session": Column(np.ones(delay_us.size)), "seq": Column(np.array([row["seq"] for row in rows], float)),
        "refl_seq": nothing, "ul_us": Column(delay_us), "dl_us": nothing, "rtt_us": nothing,
        "copy": Column(np.ones(delay_us.size)), "lost": Column(np.zeros(delay_us.size)),
    })  # fmt: skip


def _window(sent, place, size=20):
    """Return the results of one window of packets."""
    rows = [
        {"seq": seq, "ul_us": int(us)} for seq, us in enumerate(sent.delays["up"].us[place * size : (place + 1) * size])
    ]
    return by_name(evaluate_link(probes(rows), subject(clock=UNKNOWN_CLOCK)))


def test_ping_inside_flent_has_its_own_summary(test_data):
    """Flent test-rrul-icmp: 747 replies, mean 49.856, 49.572 to 50.869 ms; each reply is cut to 0.1 ms."""
    raw = json.loads(gzip.decompress(data(test_data, "flent_testdata", "test-rrul-icmp.flent.gz").read_bytes()))
    replies = [each["val"] for each in raw["raw_values"]["Ping (ms) ICMP"]]
    printed = raw["metadata"]["SERIES_META"]["Ping (ms) ICMP"]
    found = by_name(ping_convention(round_trips(replies), subject()))

    assert 747 == found["ping_rtt", "round_trip", "mean"].n
    for statistic, name in (("min", "MIN_VALUE"), ("mean", "MEAN_VALUE"), ("max", "MAX_VALUE")):
        assert -1e-9 <= printed[name] - found["ping_rtt", "round_trip", statistic].value < 0.1


def test_iperf3_over_udp_has_its_end_of_test(test_data):
    """1 of 30,421 lost, 0.068 ms of jitter after the last packet, and the receiver's 32.03 Mbit/s.

    The sender's count of bytes stands under end.sum; the jitter of the end is that of the last interval.
    """
    raw = json.loads(data(test_data, "iperf3_json", "opte_mac-iperf-receiver.json").read_text())
    found = by_name(evaluate_throughput(_iperf3(raw, "udp", "down"), make_figures()))
    loss, end = found["udp_loss", "down", "ratio"], raw["end"]

    assert (30_421, end["sum"]["lost_percent"]) == (loss.n, pytest.approx(100 * loss.value, rel=1e-12))
    last = by_name(evaluate_throughput(_iperf3(raw, "udp", "down", slice(-1, None)), make_figures()))
    assert (1, pytest.approx(end["sum"]["jitter_ms"])) == (
        last["udp_jitter", "down", "max"].n, last["udp_jitter", "down", "max"].value
    )  # fmt: skip
    assert 0.0683 == round(end["sum"]["jitter_ms"], 4)
    assert 11 == found["udp_jitter", "down", "max"].n
    assert max(each["sum"]["jitter_ms"] for each in raw["intervals"]) == pytest.approx(
        found["udp_jitter", "down", "max"].value
    )
    rate = end["sum_received"]["bits_per_second"] / 1e6
    assert rate == pytest.approx(found["throughput_udp", "down", "mean"].value, rel=1e-6)


def test_iperf3_over_tcp_has_its_end_of_test(test_data):
    """The sender's intervals add up to its 204.77 Mbit/s, the last one being shorter."""
    raw = json.loads(data(test_data, "iperf3_json", "opte_mac-iperf-sender.json").read_text())
    found = by_name(evaluate_throughput(_iperf3(raw, "tcp", "up"), make_figures()))
    rate = raw["end"]["sum_sent"]["bits_per_second"] / 1e6
    assert rate == pytest.approx(found["throughput_tcp", "up", "mean"].value, rel=1e-6)


def _iperf3(raw, protocol, direction, rows=slice(None)):
    sums = [interval["sum"] for interval in raw["intervals"]][rows]
    return make_series(
        [each["end"] for each in sums], direction=[direction] * len(sums), protocol=[protocol] * len(sums),
        bytes=[each["bytes"] for each in sums], interval_s=[each["seconds"] for each in sums],
        jitter_us=[1000 * each["jitter_ms"] if "jitter_ms" in each else None for each in sums],
        packets=[each.get("packets") for each in sums], lost_packets=[each.get("lost_packets") for each in sums],
    )  # fmt: skip


def test_irtts_three_packets_have_its_statistics(test_data):
    """One of three lost on the way up; round trip, both ways and IPDV to the microsecond below irtt's nanoseconds."""
    text = data(test_data, "irtt_sample", "irtt-client.md").read_text()
    stats = {name: _irtt_mean(text, name) for name in ("rtt", "send_delay", "receive_delay", "ipdv_round_trip",
                                                       "ipdv_send", "ipdv_receive")}  # fmt: skip
    trips = re.findall(r'"receive": (\d+),\s+"rtt": (\d+),\s+"send": (\d+)', text)
    rows = [
        {"seq": seq, "refl_seq": seq, "dl_us": round(int(down) / 1000), "rtt_us": round(int(rtt) / 1000),
         "ul_us": round(int(up) / 1000), "t_us": 200_000 * seq}
        for seq, (down, rtt, up) in enumerate(trips)
    ]  # fmt: skip
    results = by_name(evaluate_link(probes([*rows, {"seq": 2, "lost": 1, "copy": 0, "t_us": 400_000}]), subject()))

    assert 2 == len(rows)
    lost = [results["loss", way, "ratio"].value for way in ("round_trip", "up", "down")]
    printed = [float(re.search(rf'"{name}": ([\d.]+)', text)[1]) / 100 for name in
               ("packet_loss_percent", "upstream_loss_percent", "downstream_loss_percent")]  # fmt: skip
    assert printed == pytest.approx(lost)
    for name, key in (
        ("rtt", ("rtt", "round_trip", "mean")), ("send_delay", ("owd", "up", "mean")),
        ("receive_delay", ("owd", "down", "mean")), ("ipdv_round_trip", ("ipdv", "round_trip", "mean")),
        ("ipdv_send", ("ipdv", "up", "mean")), ("ipdv_receive", ("ipdv", "down", "mean")),
    ):  # fmt: skip
        assert stats[name] / 1e6 == pytest.approx(results[key].value, abs=0.0011), name


def _irtt_mean(text, name):
    return int(re.search(rf'"{name}": {{[^}}]*"mean": (\d+)', text)[1])


def test_ripe_atlas_results_have_the_figures_of_its_own_parser(test_data):
    """Sent, received, duplicates, and min, average, max and median of thirteen results, lost and doubled ones too."""
    text = data(test_data, "ripe_atlas_ping", "sagan_tests_ping.py.txt").read_text()
    compared = 0
    for body in re.findall(r"def test_ping_\w+\(\):\n(.*?)(?=\ndef |\Z)", text, re.DOTALL):
        raw = json.loads(ast.literal_eval(re.search(r"Result\.get\(('.*?')\)\n", body)[1]))
        expected = {
            name: ast.literal_eval(value)
            for name, value in re.findall(r"assert\(result\.(rtt_\w+|duplicates|packets_\w+) (?:==|is) ([^)]*)\)", body)
        }
        if "result" not in raw or not expected:
            continue
        sent = probes(_atlas_rows(raw["result"]))
        results = by_name(evaluate_link(sent, subject()))
        compared += 1
        assert (expected["packets_sent"], expected["packets_received"], expected["duplicates"]) == (
            sent.n, int(sent.delivered.sum()), sent.duplicates
        )  # fmt: skip
        names = {"rtt_min": "min", "rtt_average": "mean", "rtt_max": "max", "rtt_median": "median"}
        for name, statistic in names.items():
            found = results.get(("rtt", "round_trip", statistic))
            if statistic == "median" and 2 * sent.delivered.sum() <= sent.n:
                # Their median is of what arrived; that of all sent is infinite where half of them are lost (RFC 2681).
                assert found.value is None
                continue
            value = None if found is None else found.value
            assert expected[name] == (None if value is None else pytest.approx(value, abs=5.1e-4)), (name, raw["fw"])
    assert 12 <= compared


def _atlas_rows(result):
    """Return the probe rows of a result's packets; a duplicate is a further copy of the packet before it."""
    rows, copies = [], 1
    for each in result:
        if "dup" in each:
            copies += 1
            rows.append({"seq": rows[-1]["seq"], "copy": copies, "lost": 0, "rtt_us": round(1000 * each["rtt"])})
            continue
        copies = 1
        seq = rows[-1]["seq"] + 1 if rows else 0
        rows.append({"seq": seq} if "x" in each else {"seq": seq, "rtt_us": round(1000 * each["rtt"])})
    return rows


@pytest.mark.parametrize(
    ("dump", "report", "received", "lost"),
    [
        ("google-standard-stats-p2p", ("PC_0", 250981789), 2645, 0),
        ("google-standard-stats-p2p", ("PC_0", 2864088180), 9585, 0),
        ("google-standard-stats-p2p", ("PC_1", 1527498116), 334, 36),
    ],
)  # fmt: skip
def test_rtp_loss_of_a_real_call(test_data, dump, report, received, lost):
    """rtcstats: the packets are theirs; the ratio is lost over expected, 36/370, where theirs is lost over received."""
    polls = _polls(data(test_data, "rtcstats_dumps", "dumps", dump), report[0], lambda each: (
        each.get("type") == "inbound-rtp" and each.get("ssrc") == report[1]
    ))  # fmt: skip
    counts = [(poll.get("packetsReceived", 0), poll.get("packetsLost", 0)) for _, poll in polls]
    steps = np.diff(np.array([(0, 0), *counts]), axis=0)
    video = make_series(range(len(steps)), interval_s=[1.0] * len(steps), packets_received=steps[:, 0],
                        packets_lost=steps[:, 1])  # fmt: skip
    found = by_name(evaluate_video(video, None, make_figures()))["video_loss", "", "ratio"]

    assert (received + lost, lost / (received + lost)) == (found.n, pytest.approx(found.value))


@pytest.mark.parametrize(
    ("track", "count", "frozen_s", "played_s"),
    [("29", 6, 1.535, 134.2), ("27", 1, 0.271, 227.196), ("30", 2, 0.542, 227.182), ("28", 0, 0.0, None)],
)
def test_freezes_of_a_real_call(test_data, track, count, frozen_s, played_s):
    """rtcstats, Safari: number and time of the freezes of four videos, as a share of the time that was played."""
    polls = _polls(data(test_data, "rtcstats_dumps", "dumps", "safari-standard-stats"), "PC_0", lambda each: (
        each["id"] == f"RTCMediaStreamTrack_receiver_{track}"
    ))  # fmt: skip
    names = ("freezeCount", "totalFreezesDuration", "totalFramesDuration")
    sums = np.array([(0.0, 0.0, 0.0), *([poll.get(name, 0.0) for name in names] for _, poll in polls)])
    steps = np.diff(sums, axis=0)
    t_s = [(at_ms - polls[0][0]) / 1000 for at_ms, _ in polls]
    video = make_series(t_s, freezes=steps[:, 0], freeze_s=steps[:, 1], interval_s=steps[:, 2])
    found = by_name(evaluate_video(video, None, make_figures()))
    ratio = found["video_freeze", "", "ratio"]

    assert float(count) == found["video_freeze", "", "count"].value
    assert frozen_s == pytest.approx(ratio.value * sums[-1, 2], abs=5e-4)
    if played_s is not None:
        assert frozen_s / played_s == pytest.approx(ratio.value, abs=1e-5)


def _polls(path, connection, wanted):
    """Return time and state of one report at each poll; a dump repeats only what changed."""
    states, found = {}, []
    for line in path.read_text().splitlines():
        event = msgspec.json.decode(line)
        if event[:2] != ["getstats", connection]:
            continue
        for name, changes in event[2].items():
            if isinstance(changes, dict):
                states.setdefault(name, {"id": name}).update(changes)
        mine = [dict(state) for state in states.values() if wanted(state)]
        found += [(event[-1], state) for state in mine[:1]]
    assert all(later[0] >= earlier[0] for earlier, later in pairwise(found))
    return found


@pytest.mark.parametrize("region", ["T", "V"])
def test_quantiles_of_a_published_distribution_of_rsrp(test_data, region):
    """INFOCOM 2023: reading 10, 25, 50, 75 and 90 % from the distribution gives the authors' box plot to 0.001 dB."""
    folder = data(test_data, "infocom23_5gmeas")
    levels = np.loadtxt(folder / f"{region}_sub6_rsrp_cdf_noaggr.csv", delimiter=",")
    below = np.rint(levels[:, 1] * 1e9).astype(np.int64)
    counted = Histogram(np.rint(levels[:, 0] * 1000).astype(np.int64), np.diff(below, prepend=0))
    with (folder / f"{region}_rsrp_boxplot_noaggr.csv").open() as file:
        (printed,) = [row for row in csv.DictReader(file) if row["rat"] == "sub6"]

    found = {
        f"rsrp_{percent}": counted.at([rank(f"0.{percent}", counted.n)])[0] / 1000 for percent in (10, 25, 50, 75, 90)
    }
    assert {name: float(printed[name]) for name in found} == pytest.approx(found, abs=1e-3)


def test_shares_of_grid_cells_are_those_of_the_authors(test_data):
    """INFOCOM 2023: in each of the grid's cells the share of a network is its samples over all samples."""
    (path,) = data(test_data, "infocom23_5gmeas").glob("T-R13_connectivity_ratio_*.csv")
    with path.open() as file:
        rows = list(csv.DictReader(file))[:200]
    for row in rows:
        total, hits = int(row["total_sample"]), int(row["sub6_sample"])
        found = make_figures().share("coverage_time", np.arange(total) < hits)
        assert float(row["sub6_ratio"]) == pytest.approx(found.value, rel=1e-12)
