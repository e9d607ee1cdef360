"""Real ping logs: figures recomputed from our rows against what ping printed, and against another project's parser.

Tolerances are bounds, not fits. iputils prints a delay with three digits, cut (as in CentOS 7) or rounded (as in
Fedora 32), so a printed delay is off by less than one unit of its last digit, and the mean by less than the mean of
those units; the standard deviation moves by no more than the root mean square of the errors. iputils computes the
variance from an average cut to whole microseconds, which adds at most 2 * average us to it.
"""

import csv
import json
import math

import pytest

from contract.recording import read_recording

PRINTED_MS = 0.001
DOCTORED = {
    # Lines were replaced by nonsense to test a parser; the summary still counts them.
    "centos-7.7__ping-ip-O-unparsedlines",
    "centos-7.7__ping6-ip-O-p-unparsable",
    "osx-10.14.6__ping6-ip-unparsable",
    # Written by hand: a deviation of 1.000 ms over three equal delays, and an answer that the summary leaves out.
    "ubuntu-22.04__ping-hostname-source-ip",
    "ubuntu-22.04__ping-ip-source-ip",
    "ubuntu-22.04__ping6-ip-source-ip",
}


@pytest.fixture(scope="module")
def logs(test_data):
    """Every ping log of the three data sets: name -> (probe rows, detail of ping.summary, events)."""
    files = [
        *test_data.glob("deterministic6g/ProcessingDelayDistribution1/raw/*/*.txt"),
        *test_data.glob("ugv_private5g_gdansk/*.log"),
        *test_data.glob("ping_fixtures/jc/*.out"),
        *test_data.glob("ping_fixtures/pingparsing/*.txt"),
    ]
    found = {}
    for path in sorted(files):
        samples = list(read_recording(path, "ping"))
        events = {sample.values["name"]: sample.values for sample in samples if sample.stream == "event"}
        probes = [sample for sample in samples if sample.stream == "probe"]
        found[path.stem] = (probes, json.loads(events["ping.summary"]["detail"]), events)
    assert 83 == len(found)
    return found


def ping_convention(probes):
    """ping(8): duplicates are in the average and the deviation. Milliseconds."""
    delays = [row.values["rtt_us"] / 1000 for row in probes if row.values["rtt_us"] is not None]
    copies = [row.values["copy"] for row in probes]
    figures = {
        "sent": sum(copy <= 1 for copy in copies),
        "received": copies.count(1),
        "duplicates": sum(copy > 1 for copy in copies),
    }
    if delays:
        mean = sum(delays) / len(delays)
        variance = max(sum(delay * delay for delay in delays) / len(delays) - mean * mean, 0)
        figures |= {"min": min(delays), "avg": mean, "max": max(delays), "mdev": math.sqrt(variance)}
    return figures, delays


def resolutions_ms(delays, dialect):
    """One unit of the last printed digit of each delay."""
    if dialect == "windows":
        return [1.0] * len(delays)
    if dialect != "iputils":
        return [PRINTED_MS] * len(delays)
    return [1.0 if delay >= 100 else 0.1 if delay >= 10 else 0.01 if delay >= 1 else 0.001 for delay in delays]


def disagreements(name, probes, detail):
    printed, dialect = detail["printed"], detail["dialect"]
    figures, delays = ping_convention(probes)
    counts = {"sent": "transmitted", "received": "received", "duplicates": "duplicates"}
    wrong = [f"{name} {key}" for key, theirs in counts.items() if figures[key] != printed[theirs]]
    if printed["loss_percent"] is not None and figures["sent"]:
        # iputils of that time cuts the percentage to whole ones, BSD rounds to one decimal: within one unit anyway.
        unit = 0.1 if "." in printed["loss_percent"] else 1.0
        loss = 100 * (1 - figures["received"] / figures["sent"])
        if not abs(loss - float(printed["loss_percent"])) < unit:
            wrong.append(f"{name} loss {loss}")
    if "avg_ms" not in printed:
        return wrong
    units = resolutions_ms(delays, dialect)
    spread = math.sqrt(sum(unit * unit for unit in units) / len(units))
    variance_cut = 2 * printed["avg_ms"] * PRINTED_MS if dialect == "iputils" else 0
    bounds = {
        "min": max(units),
        "avg": sum(units) / len(units) + PRINTED_MS,
        "max": max(units),
        "mdev": spread + PRINTED_MS + math.sqrt(figures["mdev"] ** 2 + variance_cut) - figures["mdev"],
    }
    for key, bound in bounds.items():
        if f"{key}_ms" in printed and abs(figures[key] - printed[f"{key}_ms"]) > bound:
            wrong.append(f"{name} {key}: {figures[key]} against {printed[f'{key}_ms']} +- {bound}")
    return wrong


def test_recomputed_figures_agree_with_the_printed_summary_of_every_log(logs):
    """83 logs of Linux, macOS, FreeBSD, Alpine and Windows; 6 of them were written to disagree and do."""
    wrong, agreed = [], 0
    for name, (probes, detail, _) in logs.items():
        if name in DOCTORED or detail["printed"] is None or name == "ping":  # "ping" is quiet: no lines
            continue
        wrong += disagreements(name, probes, detail)
        agreed += 1
    assert [] == wrong
    assert 75 == agreed
    assert DOCTORED == {name for name in DOCTORED if disagreements(name, *logs[name][:2])}


def test_figures_of_the_private_5g_logs_agree_with_the_separate_table(logs, test_data):
    """DETERMINISTIC6G: 7,954 sent, 7,949 received; the printed loss is 0 % for all, since ping cuts it."""
    table = test_data / "deterministic6g" / "expected_from_ping_summary.tsv"
    sent = received = 0
    with table.open() as file:
        for row in csv.DictReader(file, delimiter="\t"):
            probes, detail, _ = logs[row["file"].removesuffix(".txt")]
            figures, _ = ping_convention(probes)
            assert int(row["reply_lines"]) == figures["received"] + figures["duplicates"]
            if not row["transmitted"]:
                continue
            read = (figures["sent"], figures["received"], figures["duplicates"], detail["read"]["errors"])
            assert tuple(int(row[key]) for key in ("transmitted", "received", "duplicates", "errors")) == read
            assert row["loss_pct_as_printed"] == detail["printed"]["loss_percent"]
            # These logs are of an iputils that cuts: the recomputed mean is low by up to one printed unit.
            for key in ("min", "avg", "max", "mdev"):
                assert float(row[f"rtt_{key}_ms"]) == detail["printed"][f"{key}_ms"]
            assert 0 <= float(row["rtt_avg_ms"]) - figures["avg"] <= 0.1
            sent, received = sent + figures["sent"], received + figures["received"]
    assert (7954, 7949) == (sent, received)


def test_true_loss_is_shown_where_ping_prints_zero_percent(logs):
    """874 of 878 is 0.456 % loss, which ping printed as 0 %."""
    probes, detail, _ = logs["ping-MEC-ORAN"]
    lost = [row.values["seq"] for row in probes if row.values["lost"] == 3]
    assert "0" == detail["printed"]["loss_percent"]
    assert (878, [2, 3, 4, 5]) == (len(probes), lost)
    assert 11_051_000 == max(row.values["rtt_us"] or 0 for row in probes)


def test_the_ugv_log_agrees_within_a_hundredth_of_a_millisecond(logs):
    """Gdansk UGV: this iputils rounds, and the rounding of 100 delays cancels out."""
    figures, _ = ping_convention(logs["ping_20250404-071623_rep_1"][0])
    expected = {"min": 7.928, "avg": 10.535, "max": 17.204, "mdev": 2.193}
    assert expected == {key: pytest.approx(figures[key], abs=0.01) for key in expected}


def test_the_log_that_was_cut_in_a_line_loses_nothing_it_showed_and_invents_no_tail(logs):
    probes, detail, events = logs["ping_results_MEC_ORAN"]
    assert detail["printed"] is None
    assert (1151, 1149) == (len(probes), sum(row.values["copy"] == 1 for row in probes))
    assert json.loads(events["ping.no_summary"]["detail"])["cut_in_a_line"] is True


def test_rfc_figures_stand_beside_those_of_ping(logs):
    """A broadcast ping: 19 duplicates make ping's average 504 ms, the first answers took under 1 ms (RFC 2681)."""
    probes, detail, _ = logs["centos-7.7__ping-ip-dup"]
    figures, _ = ping_convention(probes)
    first = [row.values["rtt_us"] for row in probes if row.values["copy"] == 1]
    assert [586, 861] == first
    assert 504.260 == pytest.approx(figures["avg"], abs=0.77)
    assert 504.260 == detail["printed"]["avg_ms"]


def test_lines_and_summary_agree_with_the_expectations_of_another_parser(logs, test_data):
    """Each jc/*.out has the structure that jc's own tests expect beside it."""
    compared = stamped = 0
    for path in sorted(test_data.glob("ping_fixtures/jc/*.json")):
        expected = json.loads(path.read_text())
        probes, detail, _ = logs[path.stem]
        replies = [
            line for line in expected["responses"] if line["type"] == "reply" and line.get("time_ms") is not None
        ]
        replies.sort(key=lambda line: line["icmp_seq"])
        theirs = [(line["icmp_seq"], round(line["time_ms"] * 1000), line["duplicate"]) for line in replies]
        delivered = [row for row in probes if row.values["copy"]]
        ours = [(row.values["seq"], row.values["rtt_us"], row.values["copy"] > 1) for row in delivered]
        if path.stem == "ubuntu-22.04__ping6-ip-source-ip":  # the second answer to packet 2 bears no mark there
            ours = [(*row[:2], False) for row in ours]
        assert theirs == ours, path.stem
        for line, row in zip(replies, delivered, strict=True):
            if line.get("timestamp"):
                stamped += 1
                stamp_us = round(line["timestamp"] * 1_000_000)
                assert stamp_us == pytest.approx((row.t_ns // 1000) + row.values["rtt_us"], abs=1), path.stem
        assert_summary(path.stem, expected, detail["printed"])
        compared += 1
    assert 72 == compared
    assert 240 < stamped


def assert_summary(name, expected, printed):
    pairs = {
        "packets_transmitted": "transmitted",
        "packets_received": "received",
        "duplicates": "duplicates",
        "errors": "errors",
        "time_ms": "time_ms",
        "round_trip_ms_min": "min_ms",
        "round_trip_ms_avg": "avg_ms",
        "round_trip_ms_max": "max_ms",
        "round_trip_ms_stddev": "mdev_ms",
    }
    for theirs, ours in pairs.items():
        if expected.get(theirs) is not None:
            assert expected[theirs] == printed.get(ours), f"{name} {theirs}"
    assert expected["packet_loss_percent"] == float(printed["loss_percent"]), name


def test_the_windows_log_reads_to_its_printed_figures(logs):
    """pingparsing's Windows 7 log: 10 of 10, minimum 56, maximum 194, average 107 ms (cut to whole milliseconds)."""
    probes, detail, _ = logs["ping_win7"]
    figures, _ = ping_convention(probes)
    assert (10, 10, 56.0, 194.0, 107) == (
        *[figures[key] for key in ("sent", "received", "min", "max")],
        int(figures["avg"]),
    )
    assert {"transmitted": 10, "received": 10, "avg_ms": 107.0}.items() <= detail["printed"].items()
