"""The feed: lines as samples, and a program that says good and bad ones over TCP."""

import asyncio
import contextlib
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import collectors.feed
from collectors.feed.lines import FeedSample, LineError, parse_line
from collectors.feed.source import FeedConfig, FeedSource
from contract.samples import sample_faults

CASE = (Path(collectors.feed.__file__).parent / "testcases" / "lines.jsonl").read_bytes().splitlines()
T = 1_767_225_600_250_000_000
EVENT = {"name": "marker", "severity": "info", "message": "交差点A", "detail": '{"x":1}'}


def line(**fields):
    return json.dumps({"stream": "radio", **fields}).encode()


def test_the_good_lines_of_the_case_are_samples_of_one_moment():
    assert [
        FeedSample("radio", T, {"rsrp_dbm": -87.5, "sinr_db": 14}, "l5g"),
        FeedSample("vehicle", T, {"speed_mps": 5.6, "drive_mode": "AUTONOMOUS"}, None),
        FeedSample("event", T + 1, EVENT, None),
    ] == [parse_line(each) for each in CASE[:3]]


@pytest.mark.parametrize(
    ("fields", "t_ns"),
    [
        ({"t": 1767225600}, 1_767_225_600_000_000_000),
        ({"t": 1767225600.123456}, 1_767_225_600_123_456_000),
        ({"t": "2026-01-01T00:00:00Z"}, 1_767_225_600_000_000_000),
        ({"t": "2026-01-01T00:00:00.123456Z"}, 1_767_225_600_123_456_000),
        ({"t": "2026-01-01 09:00:00+09:00"}, 1_767_225_600_000_000_000),
        ({"t_ns": 1767225600123456789}, 1_767_225_600_123_456_789),
    ],
)
def test_each_form_of_time(fields, t_ns):
    assert t_ns == parse_line(line(**fields)).t_ns


@given(st.integers(10**15, 4 * 10**15))
def test_unix_seconds_are_exact_to_the_microsecond(t_us):
    assert t_us * 1000 == parse_line(f'{{"stream":"radio","t":{t_us // 10**6}.{t_us % 10**6:06d}}}'.encode()).t_ns


@pytest.mark.parametrize(
    "wrong",
    [
        *CASE[3:],
        b"",
        b"[1, 2]",
        b"\xff\xfe",
        b"[" * 100_000,
        line(),
        line(t=1, t_ns=1),
        line(t=True),
        line(t=None),
        line(t=[1]),
        line(t=1e308),
        line(t=10**30),
        line(t=-1),
        line(t="noon"),
        line(t="2026-01-01T00:00:00"),
        line(t_ns=1.5),
        line(t_ns=2**63),
        line(t=1, link="Not A Name"),
        line(t=1, link=3),
        line(t=1, rsrp_dbm=[1]),
        json.dumps({"stream": ["radio"], "t": 1}).encode(),
        json.dumps({"stream": {"a": 1}, "t": 1}).encode(),
    ],
)
def test_what_is_no_sample_is_refused_with_a_reason(wrong):
    with pytest.raises(LineError, match=r"."):
        parse_line(wrong)


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["stream", "t", "t_ns", "link", "x"]), inner),
    ).map(lambda value: json.dumps(value).encode())
)
def test_any_line_is_a_sample_or_refused(given_line):
    with contextlib.suppress(LineError):
        parse_line(given_line)


class Recorder:
    def __init__(self):
        self.samples = []

    def __call__(self, stream, t_ns, sample, *, link=None):
        self.samples.append((stream, t_ns, dict(sample), link))


@contextlib.asynccontextmanager
async def program(says):
    """A program on board that says all its lines to who connects, and then ends the connection."""

    async def serve(_reader, writer):
        writer.write(says)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


async def hear(says):
    recorder = Recorder()
    async with program(says) as port:
        with pytest.raises(OSError, match="closed the connection"):
            await asyncio.wait_for(FeedSource(FeedConfig(port=port)).run(recorder), 10)
    return recorder.samples


async def test_samples_are_emitted_with_time_and_link_between_lines_that_are_none():
    samples = await hear(b"\n".join([*CASE, b"", b"x" * 2_000_000, CASE[1]]) + b"\n")
    good = [each for each in samples if each[0] != "event" or each[2]["name"] == "marker"]
    assert [("radio", T, "l5g"), ("vehicle", T, None), ("event", T + 1, None), ("vehicle", T, None)] == [
        (stream, t_ns, link) for stream, t_ns, _, link in good
    ]
    assert all(not sample_faults(stream, sample) for stream, _, sample, _ in samples)


async def test_a_thousand_malformed_lines_are_two_events_with_their_count():
    samples = await hear(b"nonsense " * 60 + b"\n" + b"more nonsense\n" * 999)
    assert ["feed.malformed"] * 2 == [sample["name"] for _, _, sample, _ in samples]
    details = [json.loads(sample["detail"]) for _, _, sample, _ in samples]
    assert [1, 999] == [detail["count"] for detail in details]
    assert 200 == len(details[0]["line"])


async def test_the_event_about_a_line_with_nul_can_be_stored():
    ((_, _, sample, _),) = await hear(b"\x00\x01 garbage \\u0000\n")
    assert "\0" not in sample["message"]
    assert "\\u0000" not in sample["detail"]
    json.loads(sample["detail"])


async def test_a_program_that_is_not_there_is_an_oserror():
    async with program(b"") as port:
        pass
    started_s = time.monotonic()
    with pytest.raises(OSError, match=str(port)):
        await FeedSource(FeedConfig(port=port)).run(Recorder())
    assert time.monotonic() - started_s < 5
