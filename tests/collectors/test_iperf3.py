"""What iperf3 reports becomes a row of `throughput`, a failure a row without a rate."""

import json

import pytest

from collectors.iperf3 import Plan, arguments, read_report
from contract.samples import sample_faults

GOOD = {
    "end": {
        "sum_sent": {"seconds": 10.0, "bytes": 130_000_000, "bits_per_second": 104e6, "retransmits": 3},
        "sum_received": {"seconds": 10.04, "bytes": 125_500_000, "bits_per_second": 100e6},
    }
}


def test_a_real_report_gives_what_the_receiver_got(test_data):
    path = test_data / "iperf3_json" / "iperf3_python_results_tcp.json"
    if not path.exists():
        pytest.skip(f"{path} not found")
    row, failure = read_report(path.read_text(), "up", 1)
    assert failure == ""
    assert row == {
        "direction": "up", "protocol": "tcp", "interval_s": 13.0001, "parallel": 1, "rate_bps": 934_268_000.0,
        "bytes": 1_518_193_248, "retransmits": 0,
    }  # fmt: skip
    assert sample_faults("throughput", row) == []


def test_a_line_after_the_report_does_no_harm():
    row, failure = read_report(json.dumps(GOOD) + "\niperf3: interrupt - the client has terminated\n", "down", 2)
    assert (row["rate_bps"], row["bytes"], row["parallel"], failure) == (100e6, 125_500_000, 2, "")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"start": {}, "error": "unable to connect to server: Connection refused"}', "Connection refused"),
        ('{"end": {"sum_received": {"seconds": 0, "bytes": 0, "bits_per_second": -nan}}}', "no rate"),
        ('{"end": {"sum_received": [1]}}', "no rate"),
        ('{"end": ', "cannot be read"),
        ("", "no rate"),
    ],
)
def test_a_test_that_failed_has_no_rate_and_a_reason(text, why):
    row, failure = read_report(text, "down", 1)
    assert why in failure
    assert (row["rate_bps"], sample_faults("throughput", row)) == (None, [])


def test_down_is_reversed_and_the_address_picks_the_link():
    plan = Plan("server.example", 5202, seconds=5, parallel=4, bind_address="10.0.0.2")
    assert arguments(plan, "down")[-3:] == ["-R", "-B", "10.0.0.2"]
    assert "-R" not in arguments(plan, "up")
