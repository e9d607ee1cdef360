"""What stops an agent, a broker and a full outbox each leave a gap with its own reason."""

import time
from datetime import UTC, datetime

import pytest

from tests.e2e.line import SITE, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

SOURCES = """
[[source]]
kind = "stamp"
link = "l5g"
target = "127.0.0.1:{port}"
rate_pps = 20
schedule = "periodic"
timeout_s = 2.0
[[source]]
kind = "host"
interval_s = 1.0
"""
QUOTA = "max_bytes = 8000\n"
OUTAGE_S = 13  # longer than what counts as late, and than what the small outbox holds


def test_each_gap_has_the_reason_that_made_it(line, db):
    """Agent killed: 収集停止. Broker cut: 回線断, nothing missing. Small outbox and broker cut: 上限による破棄."""
    sources = SOURCES.format(port=line.reflector_port)

    def rows(stream="host"):
        with db.connect() as connection:
            return connection.execute(f"SELECT count(*) FROM {stream}").fetchone()[0]

    def measure_a_while():
        before = rows()
        wait_until(lambda: rows() >= before + 4)

    def cut_the_broker():
        cut_at = datetime.now(tz=UTC)
        line.broker.kill()
        time.sleep(OUTAGE_S)
        line.broker.start()
        line.wait_for_empty_outbox()
        return cut_at, datetime.now(tz=UTC)

    line.start_reflector()
    line.start_ingest()
    began = datetime.now(tz=UTC)
    line.start_collect(sources)
    measure_a_while()
    killed = datetime.now(tz=UTC)
    line.kill("collect")
    time.sleep(6)
    line.start_collect(sources)
    returned = datetime.now(tz=UTC)
    measure_a_while()
    cut, restored = cut_the_broker()
    measure_a_while()
    line.end("collect")
    line.start_collect(QUOTA + sources)
    measure_a_while()
    full, drained = cut_the_broker()
    measure_a_while()
    line.end("collect")

    line.run("run", "start", "gaps", "--site", SITE, "--at", began.strftime("%Y-%m-%dT%H:%M:%S"))
    line.run("run", "stop", "gaps")
    found = line.run_json("completeness", "gaps")[0]

    def within(gap, start, end):
        starts, ends = (datetime.fromisoformat(gap[name]) for name in ("start", "end"))
        return starts.timestamp() >= start.timestamp() - 3 and ends.timestamp() <= end.timestamp() + 3

    stopped = [gap for gap in found["time_gaps"] if within(gap, killed, returned)]
    assert {("l5g", "probe", "agent_down"), ("", "host", "agent_down")} == {
        (gap["link"], gap["stream"], gap["reason"]) for gap in stopped
    }
    assert not [gap for gap in found["time_gaps"] if within(gap, cut, restored)]
    late = [each for each in found["late"] if within(each, cut, restored)]
    assert {"link_down"} == {each["reason"] for each in late}
    assert 1 == len(late)
    assert OUTAGE_S - 2 <= late[0]["duration_s"] <= (restored - cut).total_seconds() + 2
    dropped = [gap for gap in found["time_gaps"] if within(gap, full, drained)]
    assert {("l5g", "probe", "dropped"), ("", "host", "dropped")} == {
        (gap["link"], gap["stream"], gap["reason"]) for gap in dropped
    }
    assert {"dropped"} == {gap["reason"] for gap in found["batch_gaps"]}
    assert found["missing"] == sum(gap["last_seq"] - gap["first_seq"] + 1 for gap in found["batch_gaps"])
    for row in found["coverage"]:
        assert row["run_s"] == row["covered_s"] + row["gap_s"]
        gaps = [gap for gap in found["time_gaps"] if (gap["link"], gap["stream"]) == (row["link"], row["stream"])]
        assert row["gap_s"] == sum(gap["duration_s"] for gap in gaps)
    shown = line.run("completeness", "gaps")
    assert "上限による破棄" in shown
    assert "収集停止" in shown
