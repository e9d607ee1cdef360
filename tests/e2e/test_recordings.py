"""Real recordings through the whole line: a private 5G trace by replay, ping logs by import."""

import csv
from datetime import UTC, datetime

import pytest

from tests.e2e.line import DEVICE, SITE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

# What SOURCE.txt of the private 5G trace says, in ms; our store resolves 1 us.
EDAF = {
    ("owd", "mean"): 15.972788,
    ("owd", "min"): 7.463217,
    ("owd", "max"): 107.895613,
    ("owd", "p50"): 13.380290,
    ("owd", "p95"): 25.543451,
    ("owd", "p99"): 43.149233,
    ("owd", "p99.9"): 99.905968,
    ("pdv", "p99.9"): 92.442751,
    ("ipdv", "mean"): 4.738634,
}


def value(kpis, kpi, statistic):
    (found,) = [each for each in kpis if (each["id"], each["statistic"]) == (kpi, statistic)]
    return found


def test_a_private_5g_trace_keeps_its_published_values_all_the_way(line, db, test_data):
    """Replayed through outbox, MQTT, ingest and KPI: the values come out, and 105 absent numbers are named as such."""
    line.start_ingest()
    trace = test_data / "edaf_private5g" / "res.parquet"
    sources = f'[[source]]\nkind = "replay"\nlink = "edaf"\npath = "{trace}"\nprofile = "edaf"\nspeed = 0\n'
    line.start_collect(sources, head="exit_when_finished = true\ndrain_s = 30")
    line.wait("collect")
    with db.connect() as connection:
        first, last = connection.execute("SELECT min(t), max(t) FROM probe").fetchone()
    line.run("run", "start", "edaf", "--site", SITE, "--at", first.strftime("%Y-%m-%dT%H:%M:%S"))
    line.run(
        "run",
        "stop",
        "edaf",
        "--at",
        datetime.fromtimestamp(last.timestamp() + 1, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S"),
    )

    kpis = line.run_json("kpi", "edaf")

    for (kpi, statistic), expected in EDAF.items():
        # Differences of two rounded delays are off by one microsecond at most.
        assert value(kpis, kpi, statistic)["value"] == pytest.approx(expected, abs=0.001), (kpi, statistic)
    assert value(kpis, "owd", "p50")["n"] == 2710
    assert value(kpis, "ipdv", "mean")["n"] == 2612
    assert value(kpis, "absent", "count")["value"] == 105
    loss = value(kpis, "loss", "ratio")
    assert loss["value"] is None
    assert "105/2815" in loss["reason"]
    assert value(kpis, "owd", "p95")["verdict"] is None
    assert "参考値" in value(kpis, "owd", "p95")["reason"]
    report = line.run_json("completeness", "edaf")[0]
    assert (report["ratio"], report["epochs"][0]["device"]) == (1.0, DEVICE)


def test_ping_logs_keep_what_ping_printed(line, test_data):
    """Each complete log: sent, received, min, avg, max and mdev as ping printed them, RFC values beside."""
    folder = test_data / "deterministic6g"
    with (folder / "expected_from_ping_summary.tsv").open(encoding="utf-8") as file:
        expected = [row for row in csv.DictReader(file, delimiter="\t") if row["transmitted"]]
    assert len(expected) == 7
    sent = received = 0
    for number, row in enumerate(expected):
        (log,) = folder.glob(f"ProcessingDelayDistribution1/raw/*/{row['file']}")
        line.run(
            "import", str(log), "--profile", "ping", "--run", f"ping-{number}", "--site", SITE, "--link", f"p{number}"
        )
        kpis = line.run_json("kpi", f"ping-{number}")
        loss = value(kpis, "loss", "count")
        assert (loss["n"], loss["value"]) == (int(row["transmitted"]), int(row["transmitted"]) - int(row["received"]))
        sent, received = sent + loss["n"], received + loss["n"] - int(loss["value"])
        # This iputils prints three digits, cut off: 0.1 ms is lost above 10 ms and 1 ms above 100 ms.
        for statistic, column, tolerance in (
            ("min", "rtt_min_ms", 0.1),
            ("mean", "rtt_avg_ms", 0.1),
            ("mdev", "rtt_mdev_ms", 0.2),
        ):
            assert value(kpis, "ping_rtt", statistic)["value"] == pytest.approx(float(row[column]), abs=tolerance)
        assert value(kpis, "ping_rtt", "max")["value"] == pytest.approx(float(row["rtt_max_ms"]), abs=1.0)
        assert value(kpis, "rtt", "max")["value"] == value(kpis, "ping_rtt", "max")["value"]
    assert (sent, received) == (7954, 7949)


def test_a_ping_log_over_private_5g_imports_to_the_hundredth(line, test_data):
    """The UGV log: 100 of 100, 7.928/10.535/17.204/2.193 within the printed digits; a second import adds nothing."""
    log = test_data / "ugv_private5g_gdansk" / "ping_20250404-071623_rep_1.log"
    arguments = ("import", str(log), "--profile", "ping", "--run", "ugv", "--site", SITE, "--link", "n78")
    line.run(*arguments)
    assert " 0 new" in line.run(*arguments)

    kpis = line.run_json("kpi", "ugv")

    printed = {"min": 7.928, "mean": 10.535, "max": 17.204, "mdev": 2.193}
    for statistic, expected in printed.items():
        tolerance = 0.05 if statistic == "max" else 0.01
        assert value(kpis, "ping_rtt", statistic)["value"] == pytest.approx(expected, abs=tolerance)
    assert (value(kpis, "loss", "ratio")["value"], value(kpis, "loss", "ratio")["n"]) == (0.0, 100)
