"""What the reader of ping logs makes of logs written for this purpose, line by line."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.recording import ProfileError, load_profile, read_recording
from contract.recording.ping_lines import parse_runs
from contract.samples import sample_faults

HEADER = "PING 10.0.0.1 (10.0.0.1) 56(84) bytes of data.\n"
START = "2025-10-01T09:00:00+09:00"
START_NS = 1_759_276_800_000_000_000


@pytest.fixture
def read(tmp_path):
    """Write a log and return (probe values, events by name, samples)."""

    def _read(text, encoding="utf-8", **options):
        log = tmp_path / "ping.log"
        log.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        os.utime(log, ns=(START_NS, START_NS))
        samples = list(read_recording(log, "ping", options))
        for sample in samples:
            assert [] == sample_faults(sample.stream, sample.values)
        probes = [sample for sample in samples if sample.stream == "probe"]
        events = {sample.values["name"]: sample.values for sample in samples if sample.stream == "event"}
        return probes, events, samples

    return _read


def reply(seq, ms="10.0", tail=""):
    return f"64 bytes from 10.0.0.1: icmp_seq={seq} ttl=64 time={ms} ms{tail}\n"


def summary(sent, received, rest="", time_ms=2000):
    return (
        f"\n--- 10.0.0.1 ping statistics ---\n{sent} packets transmitted, {received} received{rest}, time {time_ms}ms\n"
    )


def outcome(probes):
    return [(row.values["seq"], row.values["copy"], row.values["lost"], row.values["rtt_us"]) for row in probes]


def detail(events, name):
    return json.loads(events[name]["detail"])


def test_each_packet_up_to_the_printed_number_has_a_row_and_those_without_answer_are_lost(read):
    probes, _, _ = read(HEADER + reply(2, "1.25") + reply(4, "123") + summary(5, 2))
    assert [(1, 0, 3, None), (2, 1, 0, 1250), (3, 0, 3, None), (4, 1, 0, 123_000), (5, 0, 3, None)] == outcome(probes)


def test_a_further_answer_is_a_row_of_its_own_with_the_next_copy_index(read):
    text = HEADER + reply(1, "0.5") + reply(1, "3.0", " (DUP!)") + reply(2, "0.6") + reply(1, "9.0", " (DUP!)")
    probes, events, _ = read(text + summary(2, 2, ", +2 duplicates"))
    assert [(1, 1, 0, 500), (1, 2, 0, 3000), (1, 3, 0, 9000), (2, 1, 0, 600)] == outcome(probes)
    assert 2 == detail(events, "ping.summary")["read"]["duplicates"]


def test_a_late_answer_after_no_answer_yet_is_delivered_and_not_lost(read):
    text = HEADER + reply(1) + "no answer yet for icmp_seq=2\n" + reply(3) + reply(2, "1500") + summary(3, 3)
    assert [(1, 1, 0, 10_000), (2, 1, 0, 1_500_000), (3, 1, 0, 10_000)] == outcome(read(text)[0])


def test_without_summary_gaps_are_lost_and_the_tail_is_unknown(read):
    text = HEADER + reply(2) + reply(4) + "no answer yet for icmp_seq=5\n64 bytes from 10.0.0.1: icmp_seq=6 ttl=64 ti"
    probes, events, _ = read(text)
    assert [(1, 0), (2, 1), (3, 0), (4, 1)] == [row[:2] for row in outcome(probes)]
    assert {"last_seq": 4, "cut_in_a_line": True, "unanswered_at_the_end": 1} == detail(events, "ping.no_summary")


def test_a_packet_refused_by_a_router_at_the_end_of_a_cut_log_is_lost(read):
    text = HEADER + reply(1) + "From 10.0.0.9 icmp_seq=2 Destination Host Unreachable\n"
    assert [(1, 1), (2, 0)] == [row[:2] for row in outcome(read(text)[0])]


def test_a_redirect_is_not_taken_for_a_loss(read):
    text = HEADER + "From 10.0.0.9: icmp_seq=1 Redirect Host(New nexthop: 10.0.0.8)\n"
    assert [] == outcome(read(text)[0])


def test_quiet_ping_yields_its_summary_and_no_invented_losses(read):
    probes, events, _ = read(HEADER + summary(60, 58, ", 3.33333% packet loss"))
    assert [] == outcome(probes)
    assert 58 == detail(events, "ping.answers_not_shown")["not_shown"]
    assert "3.33333" == detail(events, "ping.summary")["printed"]["loss_percent"]


def test_an_answer_with_a_bad_checksum_counts_as_not_received(read):
    text = HEADER + reply(1, tail=" (BAD CHECKSUM!)") + reply(2) + summary(2, 1, ", +1 corrupted")
    assert [(1, 0, 3, None), (2, 1, 0, 10_000)] == outcome(read(text)[0])


def test_answers_too_small_for_a_time_stamp_are_delivered_without_delay(read):
    text = HEADER + "16 bytes from 10.0.0.1: icmp_seq=1 ttl=64\n" + summary(1, 1)
    assert [(1, 1, 0, None)] == outcome(read(text)[0])


def test_sequence_numbers_go_on_after_65535_also_where_answers_cross_it_out_of_order(read):
    seqs = [*range(65_000, 65_535), 0, 65_535, 1, 3, 2]
    probes, _, _ = read("".join(reply(seq) for seq in seqs))
    assert list(range(65_000, 65_540)) == [row[0] for row in outcome(probes)]


def test_an_outage_of_more_than_half_the_number_range_is_not_a_step_back(read):
    probes, _, _ = read(HEADER + reply(1) + reply(40_000))
    assert (40_000, 39_998) == (len(probes), sum(row.values["copy"] == 0 for row in probes))


@pytest.mark.parametrize(
    ("header", "seq_name", "first"),
    [
        ("PING 10.0.0.1 (10.0.0.1) 56(84) bytes of data.", "icmp_seq", 1),
        ("PING 10.0.0.1 (10.0.0.1): 56 data bytes", "seq", 0),
        ("PING 10.0.0.1 (10.0.0.1): 56 data bytes", "icmp_seq", 0),
        ("PING fe80::1%eth0(fe80::1%eth0) 56 data bytes", "icmp_seq", 1),
    ],
    ids=["iputils", "busybox", "bsd", "iputils6"],
)
def test_the_first_number_depends_on_the_program(read, header, seq_name, first):
    counts = "3 packets transmitted, 1 packets received, 66.7% packet loss\n"
    probes, _, _ = read(f"{header}\n64 bytes from 10.0.0.1: {seq_name}=2 ttl=64 time=1.5 ms\n\n{counts}")
    assert [first, first + 1, first + 2] == sorted({row[0] for row in outcome(probes)})


def test_sending_times_come_from_start_and_printed_total_time_without_drift(read):
    probes, events, _ = read(HEADER + reply(1) + reply(4) + summary(4, 2, time_ms=3001), start=START)
    step_ns = [0, 1_000_333_333, 2_000_666_667, 3_001_000_000]
    assert [START_NS + step for step in step_ns] == [row.t_ns for row in probes]
    assert ["ping.summary"] == list(events)


def test_an_interval_option_wins_over_the_printed_total_time(read):
    probes, _, _ = read(HEADER + reply(1) + reply(2) + summary(2, 2, time_ms=999), start=START, interval_s="0.2")
    assert 200_000_000 == probes[1].t_ns - probes[0].t_ns


def test_without_any_time_the_log_ends_at_its_modification_time_and_says_so(read):
    probes, events, _ = read(HEADER + reply(1) + reply(2))
    assert START_NS - 2_000_000_000 == probes[0].t_ns
    assert {"ping.start_assumed", "ping.interval_assumed", "ping.no_summary"} <= set(events)


def test_time_stamps_of_answers_give_sending_times_and_lost_packets_stand_between(read):
    text = f"{HEADER}[1759276800.500000] {reply(1, '100')}[1759276803.450000] {reply(4, '50.0')}{summary(5, 2)}"
    probes, events, _ = read(text)
    sent_ns = [START_NS + ns for ns in (400_000_000, 1_400_000_000, 2_400_000_000, 3_400_000_000, 3_900_000_000)]
    assert sent_ns == [row.t_ns for row in probes]
    assert "ping.start_assumed" not in events


def test_time_stamps_of_no_answer_lines_time_a_log_without_any_answer(read):
    text = "".join(f"[{1_759_276_801 + seq}.000000] no answer yet for icmp_seq={seq}\n" for seq in (1, 2))
    probes, _, _ = read(HEADER + text + summary(3, 0, time_ms=2000))
    assert [START_NS + second * 10**9 for second in (1, 2, 3)] == [row.t_ns for row in probes]


def test_several_runs_in_one_log_are_sessions_of_their_own_one_after_the_other(read):
    one = HEADER + reply(1) + reply(2) + summary(2, 2, time_ms=1000)
    probes, _, samples = read(one + one, start=START)
    sessions = list(dict.fromkeys(row.values["session"] for row in probes))
    assert [START_NS + second * 10**9 for second in (0, 1, 2, 3)] == [row.t_ns for row in probes]
    assert 2 == len(sessions)
    assert 2 == sum(sample.values.get("name") == "ping.summary" for sample in samples)


def test_the_session_is_a_property_of_the_content(read):
    session = {read(HEADER + reply(1))[0][0].values["session"] for _ in range(2)}
    assert 1 == len(session)
    assert session != {read(HEADER + reply(2))[0][0].values["session"]}


def test_printed_and_read_counts_that_differ_make_the_summary_a_warning(read):
    _, events, _ = read(HEADER + reply(1) + "64 bytes from 10.0.0.1: damaged\n" + summary(2, 2))
    assert "warning" == events["ping.summary"]["severity"]
    assert ["64 bytes from 10.0.0.1: damaged"] == detail(events, "ping.lines_not_read")["first"]


JAPANESE_LINUX = """PING 10.0.0.1 (10.0.0.1) 56(84) バイトのデータ
64 バイト応答 送信元 10.0.0.1: icmp_seq=1 ttl=64 時間=1.25ミリ秒
64 バイト応答 送信元 10.0.0.1: icmp_seq=1 ttl=64 時間=123 ミリ秒 (重複!)
icmp_seq=2 が未応答です
送信元 10.0.0.9 icmp_seq=3 目的のホストへ届きません。

--- 10.0.0.1 ping 統計 ---
送信パケット数 3, 受信パケット数 1, +1 重複, +1 エラー, パケット損失 66.6667%, 時間 2003ミリ秒
rtt 最小/平均/最大/mdev = 1.250/62.125/123.000/60.875ミリ秒
"""


def test_japanese_iputils_reads_like_the_english_one(read):
    probes, events, _ = read(JAPANESE_LINUX, start=START)
    assert [(1, 1, 0, 1250), (1, 2, 0, 123_000), (2, 0, 3, None), (3, 0, 3, None)] == outcome(probes)
    printed = {
        "transmitted": 3, "received": 1, "duplicates": 1, "corrupted": 0, "errors": 1, "loss_percent": "66.6667",
        "time_ms": 2003, "min_ms": 1.25, "avg_ms": 62.125, "max_ms": 123.0, "mdev_ms": 60.875,
    }  # fmt: skip
    assert printed == detail(events, "ping.summary")["printed"]
    assert ["ping.summary"] == list(events)


WINDOWS = """
Pinging 10.0.0.1 with 32 bytes of data:
Reply from 10.0.0.1: bytes=32 time=87ms TTL=51
Request timed out.
Reply from 10.0.0.9: Destination host unreachable.
Reply from 10.0.0.1: bytes=32 time<1ms TTL=51

Ping statistics for 10.0.0.1:
    Packets: Sent = 4, Received = 3, Lost = 1 (25% loss),
Approximate round trip times in milli-seconds:
    Minimum = 0ms, Maximum = 87ms, Average = 43ms
"""

JAPANESE_WINDOWS = """
10.0.0.1 に ping を送信しています 32 バイトのデータ:
10.0.0.1 からの応答: バイト数 =32 時間 =87ms TTL=51
要求がタイムアウトしました。
10.0.0.9 からの応答: 宛先ホストに到達できません。
10.0.0.1 からの応答: バイト数 =32 時間 <1ms TTL=51

10.0.0.1 の ping 統計:
    パケット数: 送信 = 4、受信 = 3、損失 = 1 (25% の損失)、
ラウンド トリップの概算時間 (ミリ秒):
    最小 = 0ms、最大 = 87ms、平均 = 43ms
"""


@pytest.mark.parametrize(
    ("text", "encoding"),
    [(WINDOWS, "ascii"), (JAPANESE_WINDOWS, "cp932"), (JAPANESE_WINDOWS, "utf-16"), (JAPANESE_WINDOWS, "utf-8-sig")],
)
def test_windows_lines_are_the_packets_and_unreachable_is_lost_though_windows_counts_it_received(read, text, encoding):
    probes, events, _ = read(text.replace("\n", "\r\n"), encoding, start=START)
    assert [(0, 1, 0, 87_000), (1, 0, 3, None), (2, 0, 3, None), (3, 1, 0, 0)] == outcome(probes)
    assert 3 == detail(events, "ping.summary")["printed"]["received"]
    assert 2 == detail(events, "ping.summary")["read"]["received"]
    assert {"answers": 1, "resolution_us": 1000} == detail(events, "ping.below_resolution")


def test_an_empty_file_and_foreign_text_yield_nothing(read):
    assert [] == read("")[2]
    assert [] == read("nothing of ping\nat all\n")[2]


def test_a_start_without_offset_is_refused():
    with pytest.raises(ProfileError, match="has no offset from UTC"):
        _ = load_profile("ping", {"start": "2025-10-01T09:00:00"}).start_ns


@given(st.lists(st.lists(st.integers(0, 12_000_000), max_size=3), min_size=1, max_size=30), st.randoms())
def test_whatever_came_back_in_whatever_order_is_read_back_as_it_was(answers, chance):
    """For each packet a list of delays in us, printed to the microsecond; copies of one packet keep their order."""
    turns = [seq for seq, delays in enumerate(answers, start=1) for _ in delays]
    chance.shuffle(turns)
    left = {seq: list(delays) for seq, delays in enumerate(answers, start=1)}
    lines = [HEADER]
    for seq in turns:
        delay_us = left[seq].pop(0)
        lines.append(reply(seq, f"{delay_us // 1000}.{delay_us % 1000:03d}"))
    received = sum(bool(delays) for delays in answers)
    [run] = parse_runs(iter("".join([*lines, summary(len(answers), received)]).splitlines(keepends=True)))
    read = {seq: [] for seq in left}
    for seq, rtt_us in zip(run.seq, run.rtt_us, strict=True):
        read[seq].append(rtt_us)
    assert list(answers) == list(read.values())
    assert (len(answers), received, 0) == (run.printed.transmitted, run.printed.received, run.unread)
