"""The feed: any program's lines as samples, and a broken program does not flood the uplink."""

import asyncio
import contextlib
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import collectors.feed
from collectors.feed.lines import LineError, parse_line
from collectors.feed.source import KIND, FeedConfig
from contract.samples import sample_faults

MIXED = Path(collectors.feed.__file__).parent / "testcases" / "mixed.ndjson"
QUARTER_NS = 1_780_272_000_250_000_000  # 2026-06-01T00:00:00.250Z


class Emitted:
    """An emit that keeps everything, and refuses what the agent would refuse."""

    def __init__(self):
        self.samples, self.malformed = [], []

    def __call__(self, stream, t_ns, sample, *, link=None):
        assert [] == sample_faults(stream, sample)
        if sample.get("name") == "feed.malformed":
            assert link is None
            self.malformed.append((sample["severity"], sample["message"], json.loads(sample["detail"])))
        else:
            self.samples.append((stream, t_ns, link, dict(sample)))


@contextlib.asynccontextmanager
async def program(content):
    async def serve(_reader, writer):
        writer.write(content)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


async def fed(content, config=FeedConfig):
    """What a program's lines become until it closes."""
    emitted = Emitted()
    async with program(content) as port:
        with pytest.raises(OSError, match="closed the connection"):
            await KIND.build(config(port=port)).run(emitted)
    return emitted


async def test_good_lines_become_samples_and_bad_ones_one_event():
    emitted = await fed(MIXED.read_bytes())
    radio, vehicle, event = emitted.samples
    assert ("radio", QUARTER_NS, "l5g", {"rsrp_dbm": -91.5, "pci": 11}) == radio
    assert ("vehicle", QUARTER_NS, None, {"speed_mps": 8.3, "drive_mode": "AUTONOMOUS"}) == vehicle
    assert ("event", QUARTER_NS, None) == event[:3]
    assert {"reason": "右折待ち"} == json.loads(event[3]["detail"])
    assert "停車" == event[3]["message"]
    ((severity, message, detail),) = emitted.malformed
    assert "warning" == severity
    assert message.startswith("not JSON")
    assert {"line": "not json", "malformed_so_far": 1} == detail


async def test_after_a_minute_the_event_says_how_many_there_were():
    emitted, source = Emitted(), KIND.build(FeedConfig())
    for _ in range(5):
        source._take("rubbish", emitted)
    assert [1] == [detail["malformed_so_far"] for *_, detail in emitted.malformed]
    source._reported_s = time.monotonic() - 61
    source._take("rubbish" * 1000, emitted)
    assert [1, 6] == [detail["malformed_so_far"] for *_, detail in emitted.malformed]
    assert 200 == len(emitted.malformed[1][2]["line"])


async def test_empty_lines_and_a_last_line_without_an_end_are_no_fault():
    emitted = await fed(
        b'\n  \r\n{"stream": "radio", "t_ns": 5, "pci": 1}\r\n\n{"stream": "radio", "t_ns": 6, "pci": 2}'
    )
    assert [5, 6] == [t_ns for _, t_ns, *_ in emitted.samples]
    assert [] == emitted.malformed


async def test_bytes_that_are_no_text_are_malformed():
    emitted = await fed(b"\xff\xfe\x00rubbish\n" + b'{"stream": "radio", "t_ns": 5, "pci": 1}\n')
    assert (1, 1) == (len(emitted.samples), len(emitted.malformed))


async def test_a_line_without_a_time_has_that_of_its_arrival():
    began_ns = time.time_ns()
    emitted = await fed(b'{"stream": "radio", "pci": 1}\n')
    assert began_ns <= emitted.samples[0][1] <= time.time_ns()


async def test_a_line_that_is_far_too_long_is_an_error():
    async with program(b"x" * (3 << 20)) as port:
        with pytest.raises(OSError, match="line of more than 1048576 bytes"):
            await KIND.build(FeedConfig(port=port)).run(Emitted())


async def test_no_program_is_an_error():
    async with program(b"") as port:
        pass
    with pytest.raises(ConnectionRefusedError):
        await KIND.build(FeedConfig(port=port)).run(Emitted())


@pytest.mark.parametrize(
    ("time_part", "expected"),
    [
        ('"t_ns": 1780272000250000001', QUARTER_NS + 1),
        ('"t": 1780272000.25', QUARTER_NS),
        ('"t": 1780272000', QUARTER_NS - 250_000_000),
        ('"t": "2026-06-01T09:00:00.250+09:00"', QUARTER_NS),
        ('"t": "2026-06-01T00:00:00.250Z"', QUARTER_NS),
        ('"t": "2026-06-01T00:00:00.999999Z"', QUARTER_NS + 749_999_000),
        ('"t_ns": 5, "t": 1780272000.25', None),
        ('"x": 1', None),
    ],
)
def test_a_time_is_read_in_each_form(time_part, expected):
    sample = parse_line(f'{{"stream": "radio", {time_part}}}')
    if '"t_ns": 5' in time_part:
        assert 5 == sample.t_ns, "nanoseconds win"
    else:
        assert expected == sample.t_ns
        assert "t" not in sample.values
    assert "t_ns" not in sample.values


@pytest.mark.parametrize(("part", "link"), [("", None), (', "link": "halow"', "halow"), (', "link": ""', "")])
def test_a_link_is_taken_from_the_line(part, link):
    """None: the configured one; the empty name: the device itself."""
    sample = parse_line(f'{{"stream": "radio", "t_ns": 1, "pci": 3{part}}}')
    assert (link, {"pci": 3}) == (sample.link, sample.values)


@pytest.mark.parametrize("detail", [{"a": [1, {"b": "右"}]}, [1, 2], {}])
def test_an_events_detail_may_be_an_object(detail):
    line = json.dumps({"stream": "event", "name": "x", "severity": "info", "message": "y", "detail": detail})
    values = parse_line(line).values
    assert detail == json.loads(values["detail"])
    assert [] == sample_faults("event", values)


def test_an_events_detail_that_is_text_stays_as_it_is():
    assert '{"a":1}' == parse_line('{"stream": "event", "name": "x", "detail": "{\\"a\\":1}"}').values["detail"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1, 2]", "not a JSON object"),
        ("5", "not a JSON object"),
        ("{}", "stream None"),
        ('{"stream": "nonsense"}', "is not one of"),
        ('{"stream": []}', "is not one of"),
        ('{"stream": {"a": 1}}', "is not one of"),
        ('{"stream": "radio", "link": "a/b"}', "not a valid name"),
        ('{"stream": "radio", "link": 5}', "not a valid name"),
        ('{"stream": "radio", "t_ns": 1.5}', "whole number"),
        ('{"stream": "radio", "t_ns": true}', "whole number"),
        ('{"stream": "radio", "t_ns": "1"}', "whole number"),
        ('{"stream": "radio", "t": "2026-06-01T09:00:00"}', "no time zone"),
        ('{"stream": "radio", "t": "noon"}', "neither Unix seconds"),
        ('{"stream": "radio", "t": NaN}', "neither Unix seconds"),
        ('{"stream": "radio", "t": true}', "neither Unix seconds"),
        ('{"stream": "radio", "t_ns": 10000000000000000000000}', "1970 to 2262"),
        ('{"stream": "radio", "t_ns": -1}', "1970 to 2262"),
        ('{"stream": "radio", "t": 1e300}', "1970 to 2262"),
        ('{"stream": "radio", "t": "0001-01-01T00:00:00+09:00"}', "1970 to 2262"),
    ],
)
def test_a_line_that_is_no_sample_says_why(line, reason):
    with pytest.raises(LineError, match=reason):
        parse_line(line)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.text()
    | json_values.map(json.dumps)
    | st.dictionaries(
        st.sampled_from(["stream", "t", "t_ns", "link", "detail", "pci"]), json_values | st.just("event")
    ).map(json.dumps)
)
def test_any_line_is_a_sample_or_refused(line):
    """Whatever a program writes raises LineError and nothing else."""
    with contextlib.suppress(LineError):
        parse_line(line)
