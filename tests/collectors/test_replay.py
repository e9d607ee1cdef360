"""Recorded files played back: the samples are those of the file, at their times, at their pace."""

import asyncio
import json
import re
import time
import tomllib
from pathlib import Path

import msgspec
import pytest

import collectors.replay
from collectors.replay.source import FASTEST_ROWS_S, KIND, ReplayConfig
from contract.recording import read_recording
from contract.samples import sample_faults

FOLDER = Path(collectors.replay.__file__).parent
CASES = FOLDER / "testcases"
FIRST_NS = 1_764_219_785_000_000_000


class Played:
    """An emit that keeps what it was given, and when."""

    def __init__(self):
        self.samples, self.at_s, self.events = [], [], {}
        self.began_s = time.monotonic()

    def __call__(self, stream, t_ns, sample, *, link=None):
        assert [] == sample_faults(stream, sample)
        if stream == "event":
            self.events[sample["name"]] = (t_ns, json.loads(sample["detail"]))
            return
        self.samples.append((t_ns, stream, link, dict(sample)))
        self.at_s.append(time.monotonic() - self.began_s)


def vehicle(**changes):
    return ReplayConfig(path=str(CASES / "vehicle.csv"), profile=str(CASES / "vehicle.toml"), **changes)


async def play(config):
    played = Played()
    await KIND.build(config).run(played)
    return played


@pytest.mark.parametrize(("name", "profile"), [("vehicle.csv", str(CASES / "vehicle.toml")), ("link.ping", "ping")])
async def test_each_case_plays_to_its_expected_samples(name, profile):
    played = await play(ReplayConfig(path=str(CASES / name), profile=profile, speed=0))
    lines = (CASES / name).with_suffix(".expected.jsonl").read_text().splitlines()
    expected = [json.loads(line) for line in lines]
    got = []
    for (t_ns, stream, link, values), line in zip(played.samples, expected, strict=True):
        assert line["values"].keys() <= values.keys()
        known = {key: values[key] for key in line["values"]}
        got.append({"t_ns": t_ns, "stream": stream, "link": link, "values": known})
    assert expected == got


async def test_recorded_intervals_are_kept_and_no_sample_comes_early():
    played = await play(vehicle())
    for at_s, (t_ns, *_) in zip(played.at_s, played.samples, strict=True):
        assert at_s >= (t_ns - FIRST_NS) / 1e9
    assert 0.3 <= played.at_s[-1] < 2


async def test_a_faster_replay_keeps_recorded_times_and_shortens_the_waiting():
    played = await play(vehicle(speed=10.0))
    assert [FIRST_NS + tenths * 100_000_000 for tenths in range(4)] == [t_ns for t_ns, *_ in played.samples]
    assert 0.03 <= played.at_s[-1] < 0.3


async def test_a_receiver_that_holds_up_one_sample_does_not_delay_the_later_ones():
    """Due times count from the first sample: 0.35 s lost at the second are made up for by the fourth, due at 0.6 s."""
    played = Played()

    def emit(stream, t_ns, sample, *, link=None):
        played(stream, t_ns, sample, link=link)
        if len(played.samples) == 2:
            time.sleep(0.35)

    await KIND.build(vehicle(speed=0.5)).run(emit)
    distance_s = played.at_s[3] - played.at_s[0]
    assert 0.59 <= distance_s < 0.6 + 0.3


async def test_shift_now_moves_the_first_sample_to_now_and_gives_a_new_session():
    config = ReplayConfig(path=str(CASES / "link.ping"), profile="ping", shift="now")
    before_ns = time.time_ns()
    played = await play(config)
    offset_ns = played.samples[0][0] - FIRST_NS
    assert before_ns <= played.samples[0][0] <= time.time_ns()
    recorded = [sample for sample in read_recording(config.path, "ping") if sample.stream == "probe"]
    assert [sample.t_ns + offset_ns for sample in recorded] == [t_ns for t_ns, *_ in played.samples]
    [session] = {values["session"] for *_, values in played.samples}
    assert session != recorded[0].values["session"]


async def test_a_loop_goes_on_with_another_session_each_time():
    config = ReplayConfig(path=str(CASES / "link.ping"), profile="ping", shift="now", loop=True)
    played = Played()
    task = asyncio.create_task(KIND.build(config).run(played))
    async with asyncio.timeout(20):
        while len(played.samples) < 10:
            await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    first, second = ({values["session"] for *_, values in played.samples[part : part + 5]} for part in (0, 5))
    assert first.isdisjoint(second)
    assert played.samples[5][0] > played.samples[4][0]


async def test_the_data_are_marked_as_played_back_and_unreadable_rows_are_told():
    played = await play(vehicle(speed=0))
    assert {
        "file": "vehicle.csv",
        "bytes": (CASES / "vehicle.csv").stat().st_size,
        "profile": "vehicle",
        "speed": 0,
        "shift": "original",
    } == played.events["replay.file"][1]
    rows = {"file": "vehicle.csv", "rows": 1, "reasons": {"the time is missing": 1}, "first_line": 5}
    assert rows == played.events["replay.rows_not_read"][1]


async def test_as_fast_as_possible_is_still_paced_and_leaves_the_loop_to_others(tmp_path):
    rows = "".join(f"2025-01-01T00:00:00Z,1,{seq},500,1,0\n" for seq in range(6000))
    (tmp_path / "long.csv").write_text(f"t_jst,session,seq,rtt_us,copy,lost\n{rows}")
    turns = 0

    async def watch():
        nonlocal turns
        while True:
            await asyncio.sleep(0.001)
            turns += 1

    watcher = asyncio.create_task(watch())
    played = await play(ReplayConfig(path=str(tmp_path / "long.csv"), profile="probe_csv", speed=0))
    watcher.cancel()
    assert 6000 == len(played.samples)
    assert played.at_s[-1] >= 5900 / FASTEST_ROWS_S
    assert turns >= 30  # 60 pauses, one each 100 samples


async def test_a_file_that_is_not_there_is_an_oserror_for_the_agent_to_report():
    with pytest.raises(FileNotFoundError):
        await play(ReplayConfig(path=str(CASES / "absent.csv"), profile="probe_csv"))


async def test_an_empty_recording_ends_at_once(tmp_path):
    (tmp_path / "empty.ping").write_text("")
    played = await play(ReplayConfig(path=str(tmp_path / "empty.ping"), profile="ping"))
    assert ([], {}) == (played.samples, played.events)


async def test_a_replay_can_be_cancelled_while_it_waits():
    task = asyncio.create_task(KIND.build(vehicle(speed=0.001)).run(Played()))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"speed": -1.0}, "speed must be 0"),
        ({"speed": float("inf")}, "speed must be 0"),
        ({"shift": "now", "speed": 2.0}, "samples would lie in the future"),
        ({"shift": "now", "speed": 0.0}, "samples would lie in the future"),
        ({"loop": True}, 'loop needs shift = "now"'),
        ({"profile": "pong"}, "profile 'pong' is neither a file nor one of edaf, g2g_csv, ping, probe_csv"),
        ({"options": {"begin": "2025"}}, "option 'begin' is not one of"),
        ({"link": "Local 5G"}, "link 'Local 5G' is not a valid name"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_when_it_is_read(changes, message):
    with pytest.raises(msgspec.ValidationError, match=re.escape(message)):
        msgspec.convert({"kind": "replay", "path": "x", "profile": "ping", **changes}, ReplayConfig)


def test_the_sample_is_valid_and_its_commented_values_are_the_defaults():
    text = (FOLDER / "sample.toml").read_text()
    [table] = tomllib.loads(text)["source"]
    [full] = tomllib.loads(re.sub(r"(?m)^# ", "", text))["source"]
    assert msgspec.convert(table, ReplayConfig) == msgspec.convert(full, ReplayConfig)
    fields = {field.encode_name for field in msgspec.structs.fields(ReplayConfig)}
    assert {"kind", *fields} == set(full)
