"""The world as a whole: reproducible, inside the contract, and true to its own truth files."""

from __future__ import annotations

import csv
import json
from itertools import pairwise

import numpy as np
import pytest

from contract.samples import sample_faults
from simulators.impairment import load_profile
from simulators.route import to_geodetic
from simulators.series import feed_lines
from simulators.vehicle import interventions
from simulators.video import choose_link, freeze_after_s
from simulators.world import TICK_S, World

START_NS = 1_760_000_000_000_000_000
DURATION_S = 1500.0


@pytest.fixture(scope="module")
def series():
    return World(11, mrm_per_leg=1.0).series(DURATION_S, START_NS)


def test_every_freeze_rule_vector(test_data):
    """W3C webrtc-stats: three frames or 150 ms more than one; at 75 ms both are the same."""
    path = test_data / "rfc_vectors" / "vectors.json"
    if not path.is_file():
        pytest.skip(f"{path} not found: known answers of the standards are not tested")
    for case in json.loads(path.read_text())["vectors"]["freeze_rule"]:
        assert case["threshold_ms"] == pytest.approx(1000 * freeze_after_s(case["avg_frame_ms"] / 1000))


def rows_of_csv(path):
    with path.open(encoding="ascii", newline="") as file:
        return list(csv.DictReader(file))


def test_the_same_seed_gives_the_same_bytes_and_another_seed_gives_others(tmp_path):
    def everything(seed, folder):
        made = World(seed).series(200.0, START_NS)
        lines = b"".join(line for _, line in feed_lines(made.streams))
        return lines, [path.read_bytes() for path in made.write_truth(tmp_path / folder)]

    first, again, other = everything(1, "a"), everything(1, "b"), everything(2, "c")
    assert first == again
    assert first[0] != other[0]


def test_every_sample_of_every_stream_keeps_the_contract(series):
    seen = set()
    for each in series.streams:
        for _, sample in each.rows():
            assert [] == sample_faults(each.stream, sample)
        if len(each.t_ns):
            seen.add((each.stream, each.link))
    links = {"l5g", "lte"}
    assert {("position", ""), ("vehicle", ""), ("event", "")} <= seen
    assert {(stream, link) for stream in ("radio", "video", "event") for link in links} <= seen


def test_times_ascend_and_lie_inside_the_drive(series):
    for each in series.streams:
        assert (np.diff(each.t_ns) >= 0).all()
        assert (each.t_ns >= START_NS).all()
        assert (each.t_ns <= START_NS + DURATION_S * 1e9).all()
    times = [t_ns for t_ns, _ in feed_lines(series.streams)]
    assert sorted(times) == times


def test_streams_come_at_their_rates(series):
    assert {
        ("position", ""): 5 * 1500,
        ("vehicle", ""): 5 * 1500,
        ("radio", "l5g"): 2 * 1500,
        ("radio", "lte"): 2 * 1500,
    } == {
        (name, link): len(series.stream(name, link).t_ns)
        for name, link in [("position", ""), ("vehicle", ""), ("radio", "l5g"), ("radio", "lte")]
    }
    assert 4 * 1500 == sum(len(series.stream("video", link).t_ns) for link in ("l5g", "lte"))


def test_shifting_moves_times_and_nothing_else(series):
    moved = series.shifted(START_NS + 5_000)
    for before, after in zip(series.streams, moved.streams, strict=True):
        assert (before.t_ns + 5_000).tolist() == after.t_ns.tolist()
        assert before.columns is after.columns


def test_links_are_called_as_the_caller_says():
    made = World(1, links=("site5g", "carrier")).series(30.0, START_NS)
    assert {"", "site5g", "carrier"} == {each.link for each in made.streams}


@pytest.mark.parametrize(
    "wrong", [{"links": ("one",)}, {"links": ("a", "a")}, {"links": ("A b", "c")}, {"position_hz": 3.0}]
)
def test_parameters_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match=r"link|position_hz"):
        World(1, **wrong)


def test_reported_positions_lie_near_the_true_ones_and_are_absent_without_a_fix(series):
    position = series.stream("position").columns
    fixed = position["mode"] > 1
    assert 0 < (~fixed).sum() < 0.1 * len(fixed)
    assert np.isnan(position["lat_deg"][~fixed]).all()
    along_m = series.motion.along_m[::2]
    east_m, north_m = (series.route.at(axis, along_m) for axis in (series.route.east_m, series.route.north_m))
    latitude, longitude = to_geodetic(east_m, north_m)
    off_m = np.hypot((position["lat_deg"] - latitude) * 111_000, (position["lon_deg"] - longitude) * 90_000)
    assert np.nanmedian(off_m) < 2.0
    assert np.nanmax(off_m) < 6.0


def test_a_minimal_risk_manoeuvre_is_told_alike_by_states_counter_and_events(series):
    vehicle = series.stream("vehicle").columns
    happened = [at_s for at_s in interventions(series.drive) if at_s < DURATION_S]
    assert happened
    assert len(happened) == vehicle["intervention"][-1]
    names = series.stream("event").columns["name"].tolist()
    assert len(happened) == names.count("vehicle.intervention")
    assert {"NORMAL", "MRM_OPERATING", "MRM_SUCCEEDED"} == set(vehicle["mrm_state"])
    assert {"MANUAL", "AUTONOMOUS", "STOP", "REMOTE"} == set(vehicle["drive_mode"])
    braking = vehicle["mrm_state"] == "MRM_OPERATING"
    assert (vehicle["accel_mps2"][braking] < -1.5).all()
    succeeded = vehicle["mrm_state"] == "MRM_SUCCEEDED"
    assert (vehicle["speed_mps"][succeeded] == 0.0).all()


def test_doors_open_only_at_a_standstill_and_the_battery_only_drains(series):
    vehicle = series.stream("vehicle").columns
    assert vehicle["door_open"].any()
    assert (vehicle["speed_mps"][vehicle["door_open"]] == 0.0).all()
    assert (np.diff(vehicle["battery_ratio"]) <= 0.0).all()


def test_video_counts_are_consistent_and_a_dead_link_shows_nothing(series):
    for link in ("l5g", "lte"):
        video = series.stream("video", link).columns
        shown = video["frames_received"] - video["frames_dropped"]
        assert (shown >= 0).all()
        assert np.allclose(shown, video["fps"])
        assert (video["freeze_s"] <= video["interval_s"]).all()
        assert ((video["freeze_s"] > 0) == (video["freezes"] > 0)).all()
        dark = video["fps"] == 0.0
        assert all(value is None for value in video["delay_us"][dark])
        assert all(value > 80_000 for value in video["delay_us"][~dark])


def test_video_moves_between_links_with_hysteresis():
    sinr = np.concatenate([np.full(100, 20.0), np.full(100, 1.0), np.full(100, -10.0), np.full(100, 1.0)])
    served = choose_link(sinr, 0.1)
    changes = np.flatnonzero(np.diff(served.astype(int), prepend=0)).tolist()
    assert [0] == [at for at in changes if at < 200]
    assert 1 == len([at for at in changes if 200 <= at < 230])
    assert not served[230:].any()


def test_the_truth_files_tell_cells_handovers_and_failures_as_the_streams_do(series, tmp_path):
    written = {path.name: path for path in series.write_truth(tmp_path)}
    assert {"truth-vehicle.csv", "truth-radio-l5g.csv", "truth-radio-lte.csv", "truth-events.ndjson"} == set(written)
    events = [json.loads(line) for line in written["truth-events.ndjson"].read_text(encoding="utf-8").splitlines()]
    assert len(events) == sum(len(series.stream("event", link).t_ns) for link in ("", "l5g", "lte"))
    for link in ("l5g", "lte"):
        truth = rows_of_csv(written[f"truth-radio-{link}.csv"])
        assert round(DURATION_S / TICK_S) == len(truth)
        handovers = {
            int(after["t_ns"]): (int(before["pci"]), int(after["pci"]))
            for before, after in pairwise(truth)
            if before["pci"] != after["pci"] and after["down"] == "0"
        }
        told = {
            event["t_ns"]: (event["detail"]["from_pci"], event["detail"]["to_pci"])
            for event in events
            if event["name"] == "radio.handover" and event["link"] == link
        }
        assert handovers == told
        failures = [
            int(after["t_ns"]) for before, after in pairwise(truth) if (before["down"], after["down"]) == ("0", "1")
        ]
        assert failures == [e["t_ns"] for e in events if e["name"] == "link.down" and e["link"] == link]
        radio = series.stream("radio", link)
        true_at = {int(row["t_ns"]): row for row in truth}
        for t_ns, sample in radio.rows():
            assert int(true_at[t_ns]["pci"]) == sample["pci"]
            assert abs(float(true_at[t_ns]["sinr_db"]) - sample["sinr_db"]) < 4.0 or sample["sinr_db"] == -23.0


def test_a_path_gets_the_outages_of_the_radio_world(series):
    base = load_profile("lte")
    profile = series.path_profile("l5g", base)
    radio = series.radio["l5g"]
    outages = profile.up.outages
    total_s = sum(each.duration_s for each in outages)
    assert pytest.approx(radio.down.sum() * TICK_S + radio.handover_s.sum()) == total_s
    assert profile.down.outages == outages
    assert base.up.delay == profile.up.delay


@pytest.mark.parametrize("duration_s", [0.1, 0.5, 1.0])
def test_a_very_short_drive_is_a_drive(duration_s):
    made = World(1).series(duration_s, START_NS)
    assert 1 <= len(made.stream("position").t_ns)
    assert list(feed_lines(made.streams))
