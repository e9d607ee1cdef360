"""The command line as a user meets it: real processes, a real database, and errors that name the remedy."""

import subprocess
import sys

import pytest

KPI_KEYS = {"id", "link", "direction", "statistic", "value", "unit", "ci_low", "ci_high", "n", "verdict", "definition"}


@pytest.fixture
def ping_log(tmp_path):
    """A ping log of our own making, with one loss and one duplicate."""
    path = tmp_path / "ping.log"
    path.write_text(
        "PING 192.0.2.1 (192.0.2.1) 56(84) bytes of data.\n"
        "64 bytes from 192.0.2.1: icmp_seq=1 ttl=64 time=10.0 ms\n"
        "64 bytes from 192.0.2.1: icmp_seq=2 ttl=64 time=20.0 ms\n"
        "64 bytes from 192.0.2.1: icmp_seq=2 ttl=64 time=24.0 ms (DUP!)\n"
        "64 bytes from 192.0.2.1: icmp_seq=4 ttl=64 time=12.0 ms\n"
        "\n--- 192.0.2.1 ping statistics ---\n"
        "4 packets transmitted, 3 received, +1 duplicates, 25% packet loss, time 3004ms\n"
        "rtt min/avg/max/mdev = 10.000/16.500/24.000/5.722 ms\n",
        encoding="utf-8",
    )
    return path


def test_a_recorded_file_becomes_kpis_and_importing_it_twice_adds_nothing(jissho, ping_log):
    """`import` makes the run; `kpi --json` prints one object a KPI; the second import is all duplicates."""
    arguments = ("import", ping_log, "--profile", "ping", "--run", "walk-1", "--site", "lab", "--link", "wifi")
    first = jissho.alone(*arguments)
    again = jissho(*arguments)

    assert first.returncode == 0, first.stderr
    assert " 0 new" in again.stdout
    kpis = jissho.json("kpi", "walk-1")
    assert all(set(kpi) >= KPI_KEYS for kpi in kpis)
    found = {(kpi["id"], kpi["statistic"]): kpi["value"] for kpi in kpis}
    assert found["loss", "ratio"] == 0.25
    assert found["rtt", "mean"] == pytest.approx(14.0)
    assert found["ping_rtt", "mean"] == pytest.approx(16.5)
    assert found["ping_rtt", "mdev"] == pytest.approx(5.722, abs=0.001)
    assert found["duplication", "ratio"] == pytest.approx(1 / 3)


def test_a_run_is_started_listed_shown_and_stopped(jissho):
    """The register keeps what was said at the start; --json is one object a line."""
    started = jissho("run", "start", "drive-1", "--site", "lab", "--weather", "晴れ", "--tag", "a", "--tag", "b")
    stopped = jissho("run", "stop", "drive-1")
    (run,) = jissho.json("run", "list")

    assert (started.returncode, stopped.returncode) == (0, 0)
    assert (run["name"], run["weather"], run["tags"]) == ("drive-1", "晴れ", ["a", "b"])
    assert run["ended_at"] is not None
    assert jissho.json("run", "show", "1") == [run]
    assert "drive-1" in jissho("run", "list").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "show", "nothing"), ["no run 'nothing'", "jissho run list"]),
        (("run", "start", "Bad Name", "--site", "lab"), ["Bad Name", "lower-case"]),
        (("kpi", "drive-1", "--profile", "no_such"), ["no_such", "remote_monitoring"]),
        (("kpi", "drive-1", "--executor", "threads"), ["threads", "processes:N"]),
        (("import", "missing.log", "--profile", "ping", "--run", "x", "--site", "lab"), ["missing.log"]),
        (("import", "collect.toml", "--profile", "pong", "--run", "x", "--site", "lab"), ["pong", "ping"]),
        (("export", "drive-1", "--csv", "x.csv", "--stream", "nonsense"), ["nonsense", "probe"]),
        (("collect", "--config", "missing.toml"), ["missing.toml", "no such file"]),
        (("collect", "--config", "collect.toml"), ["collect.toml", "unknown key 'prot'", "mqtt", "port"]),
    ],
)
def test_errors_are_one_line_that_names_the_remedy(jissho, tmp_path, arguments, words):
    """No traceback, exit status 2, and the words that a user needs."""
    jissho("run", "start", "drive-1", "--site", "lab")
    (tmp_path / "collect.toml").write_text(
        'site = "lab"\ndevice = "car-1"\n[mqtt]\nprot = 1883\n[[source]]\nkind = "host"\n', encoding="utf-8"
    )
    outcome = jissho(*arguments)

    assert outcome.returncode == 2, outcome.stdout + outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert len(outcome.stderr.strip().splitlines()) == 1
    assert all(word in outcome.stderr for word in words), outcome.stderr


def test_an_unreachable_database_and_a_misspelt_setting_are_one_line(jissho):
    """The address without its password, or the unknown variable, and what to check."""
    away = jissho("run", "list", JISSHO_DATABASE_URL="postgresql://me:secret@127.0.0.1:1/none")
    typo = jissho("run", "list", JISSHO_DATABSE_URL="x")

    assert away.returncode == typo.returncode == 2
    assert "127.0.0.1:1" in away.stderr
    assert "secret" not in away.stderr
    assert "JISSHO_DATABSE_URL" in typo.stderr
    assert len(typo.stderr.strip().splitlines()) == 1


def test_workbook_and_csv_are_written(jissho, ping_log, tmp_path):
    """`export` writes what a report writer takes away."""
    jissho("import", ping_log, "--profile", "ping", "--run", "walk-1", "--site", "lab", "--link", "wifi")
    book = jissho("export", "walk-1")
    csv = jissho("export", "walk-1", "--csv", "raw.csv")

    assert (book.returncode, csv.returncode) == (0, 0), book.stderr + csv.stderr
    assert (tmp_path / "walk-1.xlsx").stat().st_size > 5000
    assert (tmp_path / "raw.csv").read_bytes().startswith(b"\xef\xbb\xbf")


def test_state_of_database_machine_and_completeness_can_be_read(jissho, ping_log):
    """The other read commands answer in JSON and as tables."""
    jissho("import", ping_log, "--profile", "ping", "--run", "walk-1", "--site", "lab", "--link", "wifi")

    assert jissho.json("db", "status")[0]["streams"]["probe"]["rows"] == 5
    assert jissho.json("completeness", "walk-1")[0]["ratio"] == 1.0
    assert {finding["what"] for finding in jissho.json("doctor")} >= {"package contract"}
    for command in (("db", "status"), ("completeness", "walk-1"), ("doctor",), ("kpi", "walk-1")):
        assert jissho(*command).returncode == 0


def test_a_recording_beside_which_nothing_was_measured_has_no_conditions(jissho, ping_log):
    """`kpi --conditions` says so to people, and prints nothing for programs."""
    jissho("import", ping_log, "--profile", "ping", "--run", "walk-1", "--site", "lab", "--link", "wifi")
    assert jissho.json("kpi", "walk-1", "--conditions") == []
    assert "RSRP" in jissho("kpi", "walk-1", "--conditions").stdout


def test_a_link_that_the_run_does_not_have_is_named_with_those_it_has(jissho, ping_log):
    """A slip in --link is no run without packets."""
    jissho("import", ping_log, "--profile", "ping", "--run", "walk-1", "--site", "lab", "--link", "wifi")
    for command in (("kpi",), ("kpi", "--conditions"), ("kpi", "--points"), ("route",), ("outages",), ("compare",)):
        runs = ("walk-1", "walk-1") if command == ("compare",) else ("walk-1",)
        refused = jissho(*command, *runs, "--link", "lte")
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "run walk-1 has no link 'lte': its links are wifi" in refused.stderr


def test_options_that_would_be_heeded_by_nothing_are_refused(jissho, ping_log):
    """Figures must not look like those that were asked for; what is heeded is said below the table."""
    jissho("import", ping_log, "--profile", "ping", "--run", "walk-1", "--site", "lab", "--link", "wifi")
    for options in (
        ("--points", "--moving-only"),
        ("--conditions", "--correct-offset"),
        ("--conditions", "--points"),
        ("--points", "--all"),
    ):
        refused = jissho("kpi", "walk-1", *options)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert options[-1] in refused.stderr
    assert "wifi: 走行中のみ: 速度の記録がなく停車を除外していない" in jissho("kpi", "walk-1", "--moving-only").stdout


def test_a_recording_of_round_trips_has_no_offset_to_correct(jissho, ping_log):
    """`kpi --correct-offset` gives the same figures as without it."""
    jissho("import", ping_log, "--profile", "ping", "--run", "walk-1", "--site", "lab", "--link", "wifi")
    assert jissho.json("kpi", "walk-1", "--correct-offset") == jissho.json("kpi", "walk-1")


def test_a_requirement_that_was_never_measured_has_its_row(jissho, ping_log):
    """A ping log knows no video: table and objects say so, also of one link, also from processes."""
    jissho("import", ping_log, "--profile", "ping", "--run", "walk-1", "--site", "lab", "--link", "wifi")
    asked = ("kpi", "walk-1", "--profile", "remote_monitoring")
    for more in ((), ("--link", "wifi"), ("--executor", "processes:2")):
        (row,) = (kpi for kpi in jissho.json(*asked, *more) if kpi["id"] == "video_g2g")
        assert (row["value"], row["n"], row["verdict"]) == (None, 0, "判定不能")
    assert "測定なし" in jissho(*asked).stdout


def test_the_table_has_main_figures_until_all_are_wanted(jissho, ping_log):
    """`kpi` says how many it leaves out; `kpi --all` has them, and so has `kpi --json`."""
    jissho("import", ping_log, "--profile", "ping", "--run", "walk-1", "--site", "lab", "--link", "wifi")
    main, every = jissho("kpi", "walk-1").stdout, jissho("kpi", "walk-1", "--all").stdout
    count = len(jissho.json("kpi", "walk-1"))

    assert f"/ {count} 件" in main
    assert "--all" in main
    assert "--all" not in every
    assert "往復遅延" in main
    assert ("ジッタ" in main, "ジッタ" in every) == (False, True)


def test_processes_give_the_same_kpis(jissho, ping_log):
    """`kpi --executor processes` prints what `kpi` prints."""
    jissho("import", ping_log, "--profile", "ping", "--run", "walk-1", "--site", "lab", "--link", "wifi")
    assert jissho.json("kpi", "walk-1", "--executor", "processes:2") == jissho.json("kpi", "walk-1")


def test_the_version_and_help_need_no_database(jissho):
    """`--help` and `--version` answer at once."""
    assert jissho.alone("--version", JISSHO_DATABASE_URL="x").stdout.strip() == "0.1.0"
    assert "completeness" in jissho.alone("--help").stdout


def test_a_second_file_joins_a_run_under_its_own_link(jissho, ping_log, tmp_path):
    """A run made by an import holds the imported links only, and grows with the next import into it."""
    other = tmp_path / "other.log"
    other.write_text(ping_log.read_text(encoding="utf-8").replace("10.0 ms", "11.0 ms"), encoding="utf-8")
    for path, run, link in ((ping_log, "both", "wifi"), (other, "both", "lte"), (other, "single", "l5g")):
        outcome = jissho("import", path, "--profile", "ping", "--run", run, "--site", "lab", "--link", link)
        assert outcome.returncode == 0, outcome.stderr

    assert jissho.json("run", "show", "both")[0]["links"] == ["wifi", "lte"]
    links = {kpi["link"] for kpi in jissho.json("kpi", "both")}
    assert {link for link in links if "+" not in link} == {"wifi", "lte"}
    assert len(links) == 3  # and both together
    assert {kpi["link"] for kpi in jissho.json("kpi", "single")} == {"l5g"}


def test_a_service_waits_for_its_database(jissho, db):
    """`ingest` without a reachable database says so once a try, with growing pauses, and does not end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "jissho", "ingest"], stderr=subprocess.PIPE, text=True,
        env={**jissho.environment, "JISSHO_DATABASE_URL": "postgresql://me:secret@127.0.0.1:1/none"},
    )  # fmt: skip
    lines = [process.stderr.readline() for _ in range(3)]
    is_running = process.poll() is None
    process.kill()
    process.wait()
    process.stderr.close()

    assert is_running
    assert ["0.5 s" in lines[0], "1.0 s" in lines[1], "2.0 s" in lines[2]] == [True] * 3
    assert "127.0.0.1:1" in lines[0]
    assert "secret" not in "".join(lines)


def test_what_people_wrote_is_printed_as_they_wrote_it(jissho):
    """Square brackets and colons in a note are neither markup nor emoji."""
    note = "[/b] [red]速度[km/h] :smile:"
    jissho("run", "start", "drive-1", "--site", "lab", "--note", note)

    for command in (("run", "list"), ("run", "show", "drive-1")):
        outcome = jissho(*command)
        assert outcome.returncode == 0, outcome.stderr
        assert all(word in outcome.stdout for word in ("[/b]", "[red]速度[km/h]", ":smile:"))
