"""`jissho compare` and `jissho plan` as a user meets them."""

import json

import openpyxl
import pytest


def ping_log(path, rtts_ms, start_s=1_780_000_000):
    """Write a ping log with one answer a second; None is lost."""
    lines = ["PING 192.0.2.1 (192.0.2.1) 56(84) bytes of data."]
    lines += [
        f"[{start_s + number}.000000] 64 bytes from 192.0.2.1: icmp_seq={number} ttl=64 time={rtt:.1f} ms"
        for number, rtt in enumerate(rtts_ms, start=1)
        if rtt is not None
    ]
    received = sum(rtt is not None for rtt in rtts_ms)
    loss = 100 * (1 - received / len(rtts_ms))
    lines += ["", "--- 192.0.2.1 ping statistics ---",
              f"{len(rtts_ms)} packets transmitted, {received} received, {loss:g}% packet loss, time 1ms"]  # fmt: skip
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_two_recorded_runs_are_compared(jissho, tmp_path):
    """Five milliseconds slower, one packet in twenty lost: the difference of the medians is exactly that."""
    before = [10 + number % 7 for number in range(60)]
    after = [None if number % 20 == 10 else value + 5 for number, value in enumerate(before)]
    for name, rtts, start_s in (("before", before, 1_780_000_000), ("after", after, 1_780_086_400)):
        log = ping_log(tmp_path / f"{name}.log", rtts, start_s)
        done = jissho("import", log, "--profile", "ping", "--run", name, "--site", "lab", "--link", "wifi")
        assert done.returncode == 0, done.stderr
    outcome = jissho("compare", "before", "after", "--json")
    assert outcome.returncode == 0, outcome.stderr
    found = json.loads(outcome.stdout)
    effects = {(effect["id"], effect["statistic"]): effect for effect in found["effects"]}
    assert effects["rtt", "p50"]["difference"] == 5.0
    assert effects["rtt", "p50"]["is_clear"]
    assert effects["loss", "ratio"]["difference"] == 0.05
    table = jissho("compare", "before", "after").stdout
    assert "before → after" in table
    assert "block bootstrap" in table


def test_runs_are_paired_compared_by_name_exported_and_taken_back(jissho, tmp_path):
    """Two repetitions under one name: one comparison of both, a sheet in the workbook, and a trail in the end."""
    slower = {"off-1": 0, "on-1": 5, "off-2": 1, "on-2": 6}
    for place, (name, more) in enumerate(slower.items()):
        rtts = [10 + more + number % 7 for number in range(60)]
        log = ping_log(tmp_path / f"{name}.log", rtts, 1_780_000_000 + 86_400 * place)
        done = jissho("import", log, "--profile", "ping", "--run", name, "--site", "lab", "--link", "wifi")
        assert done.returncode == 0, done.stderr
    made = jissho("run", "pair", "off-1", "on-1", "--as", "ai", "--condition", "AI なし/あり", "--by", "lead")
    assert made.returncode == 0, made.stderr
    assert "jissho compare ai" in made.stdout
    again = jissho("run", "pair", "off-2", "on-2", "--as", "ai")
    assert "repetition 2" in again.stdout
    pairs = [json.loads(line) for line in jissho("run", "pairs", "--json").stdout.splitlines()]
    assert [(pair["baseline"], pair["changed"], pair["condition"]) for pair in pairs] == [
        ("off-1", "on-1", "AI なし/あり"), ("off-2", "on-2", "AI なし/あり")
    ]  # fmt: skip
    found = json.loads(jissho("compare", "ai", "--json").stdout)
    assert (found["pair"], found["a"], found["b"]) == ("ai", "off-1 + off-2", "on-1 + on-2")
    effects = {(effect["id"], effect["statistic"]): effect for effect in found["effects"]}
    assert effects["rtt", "mean"]["difference"] == pytest.approx(5.0)
    assert effects["rtt", "mean"]["n_a"] == 120
    assert "AI なし/あり" in jissho("compare", "ai").stdout
    outcome = jissho("export", "on-2", "--xlsx", tmp_path / "on.xlsx")
    assert outcome.returncode == 0, outcome.stderr
    rows = list(openpyxl.load_workbook(tmp_path / "on.xlsx")["比較"].iter_rows(values_only=True))
    assert any(row[0] == "ai" and row[8] == pytest.approx(5.0) and row[4] == "平均" for row in rows)
    refused = jissho("run", "unpair", pairs[0]["pair_id"], "--by", "evaluator", "--reason", "")
    assert refused.returncode == 2
    assert "--reason" in refused.stderr
    assert jissho("run", "unpair", pairs[0]["pair_id"], "--by", "evaluator", "--reason", "天候").returncode == 0
    assert json.loads(jissho("compare", "ai", "--json").stdout)["a"] == "off-2"
    assert "evaluator: 天候" in " ".join(jissho("run", "pairs").stdout.split())
    unknown = jissho("compare", "antenna")
    assert unknown.returncode == 2
    assert "there are: ai" in unknown.stderr


def test_comparing_what_was_not_measured_names_the_remedy(jissho, tmp_path):
    """One line, exit status 2."""
    log = ping_log(tmp_path / "a.log", [10, 11, 12])
    jissho("import", log, "--profile", "ping", "--run", "a", "--site", "lab", "--link", "wifi")
    outcome = jissho("compare", "a", "a", "--link", "nowhere")
    assert outcome.returncode == 2
    assert "its links are wifi" in outcome.stderr
    by_distance = jissho("compare", "a", "a", "--align", "distance")
    assert by_distance.returncode == 2
    assert "--align elapsed" in by_distance.stderr


def test_the_plan_needs_no_database(jissho):
    """99.999 % without a failure: 299,572 independent packets one-sided, 368,887 for 達成; nonsense is one line."""
    outcome = jissho("plan", "--target", "0.99999", "--rate", "10", "--json")
    lines = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert (lines[0]["packets"], lines[0]["packets_needed"]) == (299_572, 368_887)
    assert lines[0]["hours"] == pytest.approx(10.25, abs=0.01)
    table = jissho("plan").stdout
    assert "99.999 %" in table
    assert "368,887" in table
    assert "two-sided 95 %" in " ".join(table.split())
    wrong = jissho("plan", "--target", "1.0")
    assert wrong.returncode == 2
    assert "between 0 and 1" in wrong.stderr


def test_an_exclusion_changes_the_figures_and_both_are_stated(jissho, tmp_path):
    """Add, see both values, take back, and the trail stays."""
    log = ping_log(tmp_path / "a.log", [10.0] * 30 + [90.0] * 10)
    jissho("import", log, "--profile", "ping", "--run", "drive", "--site", "lab", "--link", "wifi")
    done = jissho("exclusion", "add", "drive", "--start", "2026-05-28T20:27:10.5Z", "--end", "2026-05-28T20:28:00Z",
                  "--reason", "給電断", "--by", "lead")  # fmt: skip
    assert done.returncode == 0, done.stderr

    def longest():
        lines = [json.loads(line) for line in jissho("kpi", "drive", "--json").stdout.splitlines()]
        return next(line for line in lines if (line["id"], line["statistic"]) == ("rtt", "max"))

    assert (longest()["value"], longest()["value_of_all"], longest()["excluded"]) == (10.0, 90.0, 1)
    assert "給電断" in jissho("exclusion", "list", "drive").stdout
    outcome = jissho("export", "drive", "--xlsx", tmp_path / "drive.xlsx")
    number = json.loads(jissho("exclusion", "list", "drive", "--json").stdout)["exclusion_id"]
    assert jissho("exclusion", "revoke", "drive", number, "--by", "evaluator", "--reason", "別記").returncode == 0
    assert (longest()["value"], longest()["excluded"]) == (90.0, 0)
    assert "evaluator" in jissho("exclusion", "list", "drive").stdout
    assert outcome.returncode == 0, outcome.stderr
    typo = jissho("exclusion", "add", "drive", "--start", "2026-05-28T20:27:11Z", "--end", "2026-05-28T20:28:00Z",
                  "--reason", "r", "--by", "lead", "--link", "wfii")  # fmt: skip
    assert typo.returncode == 2
    assert "its links are wifi" in typo.stderr
    refused = jissho("exclusion", "add", "drive", "--start", "2026-05-28T20:27:11Z", "--end", "2026-05-28T20:28:00Z",
                     "--reason", "", "--by", "lead")  # fmt: skip
    assert refused.returncode == 2
    assert "--reason" in refused.stderr
