"""`jissho point` on a device: no database, no broker, and every refusal says what to do."""

import os

import pytest

from collectors.field_book import FieldBook, book_path
from tests.jissho.shell import Shell

CONFIG = """
site = "site-a"
device = "car-1"

[[source]]
kind = "stamp"
link = "l5g"
target = "127.0.0.1:8620"

[[point]]
name = "P1"
lat_deg = 35.4437
lon_deg = 139.638

[[point]]
name = "交差点A"
"""
IPERF3 = """#!/bin/sh
case " $* " in *" -R "*) rate={down} ;; *) rate={up} ;; esac
echo '{{"end": {{"sum_received": {{"seconds": 10.0, "bytes": 1000, "bits_per_second": '$rate'}}}}}}'
"""


@pytest.fixture
def device(tmp_path):
    """The command line on a device whose configuration plans two points."""
    (tmp_path / "collect.toml").write_text(CONFIG, encoding="utf-8")
    return Shell("postgresql://nobody@127.0.0.1:1/none", tmp_path)


def with_iperf3(folder, *, up="9e7", down="2e8"):
    """Put a program that reports as iperf3 does in front of the PATH: the command's side, without a server."""
    program = folder / "bin" / "iperf3"
    program.parent.mkdir()
    program.write_text(IPERF3.format(up=up, down=down))
    program.chmod(0o755)
    return {"PATH": f"{program.parent}:{os.environ['PATH']}"}


def refused(outcome, *words):
    assert outcome.returncode == 2, outcome.stdout
    assert outcome.stderr.count("\n") == 1
    assert all(word in outcome.stderr for word in words), outcome.stderr


def test_a_team_marks_where_it_stands(device):
    outcome = device("point", "arrive", "P1")
    assert outcome.returncode == 0, outcome.stderr
    assert "測定点P1にいます / at point P1" in outcome.stdout
    assert "`jissho collect` does not run here" in outcome.stdout
    assert "at point P1 since" in device("point", "status").stdout
    refused(device("point", "arrive", "交差点A"), "still at point P1", "jissho point leave --at TIME")
    assert device("point", "leave").returncode == 0
    refused(device("point", "leave"), "at no measuring point", "jissho point arrive NAME")
    assert "points without a test: P1, 交差点A" in device("point", "status").stdout


def test_an_unknown_point_is_refused_unless_it_is_meant(device):
    refused(device("point", "arrive", "P7"), "'P7' is no point", "設定にない測定点です", "P1, 交差点A", "--new")
    assert device("point", "arrive", "P7", "--new").returncode == 0


def test_a_time_that_cannot_be_is_refused(device):
    refused(device("point", "arrive", "P1", "--at", "2099-01-01T00:00:00"), "still to come", "UTC")
    assert device("point", "arrive", "P1", "--at", "2026-01-01T10:00:00+09:00").returncode == 0
    refused(device("point", "leave", "--at", "2026-01-01T00:59:00"), "before the arrival at P1")


def test_a_point_that_is_elsewhere_is_asked_about(device, tmp_path):
    device("point", "arrive", "P1")
    with FieldBook(book_path(tmp_path / "outbox.sqlite")) as book:
        book.fixed(book.open_stay().number, 35.4537, 139.638)  # as the agent notes it
    text = device("point", "status").stdout.replace("\n", "")
    assert "P1の測量位置から1113 m離れています" in text
    assert "is it the right point?" in text


def test_a_forgotten_end_is_found_before_tests_are_made(device, tmp_path):
    device("point", "arrive", "P1", "--at", "2026-01-01T10:00:00+09:00")
    outcome = device("point", "test", "--server", "127.0.0.1", **with_iperf3(tmp_path))
    refused(outcome, "marked at 2026-01-01T10:00:00+09:00 and never left", "出発の記録なし", "leave --at TIME")


def test_three_tests_each_way_in_one_command(device, tmp_path):
    outcome = device("point", "test", "P1", "--server", "127.0.0.1", **with_iperf3(tmp_path))
    assert outcome.returncode == 0, outcome.stderr
    assert "P1 l5g 上り up 3/3: 90.0 Mbit/s" in outcome.stdout
    down, up = device.json("point", "status")
    assert (down["point"], down["link"], down["direction"], down["rates_mbps"]) == ("P1", "l5g", "down", [200.0] * 3)
    assert (up["direction"], up["rates_mbps"]) == ("up", [90.0] * 3)
    text = device("point", "status").stdout
    assert "測定点にはいません" in text  # the command said both that it came and that it left
    assert "6 tests wait for `jissho collect`" in text
    assert "points without a test: 交差点A" in text


def test_a_failed_test_is_kept_and_told(device, tmp_path):
    path = with_iperf3(tmp_path, up='0, \\"x\\": 0', down="-nan")
    device("point", "arrive", "P1")
    outcome = device("point", "test", "--server", "127.0.0.1", "--tests", 1, "--direction", "down", **path)
    assert "失敗 failed: iperf3 reported no rate" in outcome.stdout
    assert [row["rates_mbps"] for row in device.json("point", "status")] == [[None]]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--server", "host:0"], ["'host:0' must be a host, or host:port"]),
        (["--server", "host", "--tests", 0], ["1 and more"]),
        (["--server", "host"], ["at no measuring point", "どの測定点にもいません", "jissho point test NAME"]),
        (["P7", "--server", "host"], ["'P7' is no point"]),
        (["P1", "--server", "host", "--link", "L5G"], ["lower-case"]),
    ],
)
def test_what_cannot_be_tested_is_refused(device, tmp_path, given, words):
    refused(device("point", "test", *given, **with_iperf3(tmp_path)), *words)


def test_without_iperf3_the_way_to_get_it_is_named(device, tmp_path):
    refused(
        device("point", "test", "P1", "--server", "h", PATH=str(tmp_path)), "apt install iperf3", "jissho point arrive"
    )


def test_the_link_must_be_said_where_there_are_several(device, tmp_path):
    config = tmp_path / "collect.toml"
    config.write_text(CONFIG.replace("[[point]]", '[[source]]\nkind = "feed"\nlink = "lte"\n\n[[point]]', 1))
    path = with_iperf3(tmp_path)
    refused(device("point", "test", "P1", "--server", "h", **path), "--link is missing", "l5g, lte")
    outcome = device("point", "test", "P1", "--server", "h", "--link", "l5q", "--tests", 1, **path)
    assert "no source of the configuration measures link l5q" in outcome.stdout


def test_what_ended_after_the_time_of_leaving_is_named_with_its_remedy(device, tmp_path):
    device("point", "arrive", "P1", "--at", "2026-01-01T10:00:00+09:00")
    with FieldBook(book_path(tmp_path / "outbox.sqlite")) as book:
        stay = book.open_stay()
        for minute in (1, 4, 6):
            row = {"direction": "up", "protocol": "tcp", "interval_s": 10.0}
            book.add_test(stay, "l5g", stay.arrived_ns + minute * 60_000_000_000, row)
    outcome = device("point", "leave", "--at", "2026-01-01T10:03:00+09:00")
    assert "2 rows that ended after that time carry P1 already" in outcome.stdout
    remedy = "exclusion add RUN --start 2026-01-01T10:03:00+09:00 --end 2026-01-01T10:06:01+09:00 --reason"
    assert remedy in outcome.stdout


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("lon_deg = 139.638", ""), ["lat_deg and lon_deg go together"]),
        (('"交差点A"', '"P1"'), ["'P1' stands there twice"]),
        (("lat_deg", "latitude"), ["unknown key 'latitude'"]),
        (("35.4437", "95"), ["point[0].lat_deg", "<= 90"]),
        (('"交差点A"', '" "'), ["cannot name a measuring point"]),
    ],
)
def test_a_plan_that_cannot_be_is_refused(device, tmp_path, change, words):
    config = tmp_path / "collect.toml"
    config.write_text(CONFIG.replace(*change), encoding="utf-8")
    refused(device("point", "status"), "collect.toml", *words)
