"""All requirements at once: a second that failed is never dropped because everything failed in it."""

import numpy as np
import pytest

from analytics.clock import ClockQuality
from analytics.families.all_met import evaluate_all_met
from analytics.families.asked import asked_of
from analytics.probe_seconds import probe_seconds
from analytics.requirements import (
    NO_REQUIREMENTS,
    Parameters,
    Profile,
    Requirement,
    load_requirements,
    shipped_profiles,
)
from analytics.track import track
from tests.analytics.families.making import drive, make_series
from tests.analytics.making import T0_US, probes, subject

START_S = T0_US // 1_000_000


def required(*rows, **parameters):
    """Make a profile of (kpi, direction, statistic, limit)."""
    return Profile(
        name="test", ja="", en="", status="", parameters=Parameters(**parameters),
        requirement=tuple(Requirement(kpi=kpi, direction=way, statistic=statistic, limit=limit, source="test")
                          for kpi, way, statistic, limit in rows),
    )  # fmt: skip


def driving(seconds=60, mode="AUTONOMOUS", **columns):
    """Ten rows a second at 10 m/s."""
    n = 10 * seconds
    modes = {} if mode is None else {"drive_mode": [mode] * n}
    return make_series(np.arange(n) / 10, **{"speed_mps": [10.0] * n, **modes, **columns})


def packets(seconds=60, lost=(), rtt_us=20_000, **columns):
    """Ten packets a second; `lost` are seconds in which all are."""
    rows = []
    for number in range(10 * seconds):
        delays = {"lost": 3} if number // 10 in lost else {"rtt_us": rtt_us, **columns}
        rows.append({"seq": number, "t_us": T0_US + 100_000 * number, **delays})
    return probe_seconds(probes(rows))


def camera(seconds, name="front", interval_s=1, **columns):
    """A row at the end of each interval (`seconds` are the ends), with 30 frames a second and 100 ms."""
    n = len(seconds)
    made = {"fps": [30.0] * n, "delay_us": [100_000] * n, **columns}
    return make_series(seconds, camera=[name] * n, interval_s=[float(interval_s)] * n, **made)


def met(seconds, streams, vehicle=None, profile=NO_REQUIREMENTS, **changes):
    """Return the results by link."""
    device = {"vehicle": driving() if vehicle is None else vehicle}
    found = evaluate_all_met(seconds, streams, device, subject(profile), **changes)
    return {result.link: result for result in found}


ENDS = [*range(1, 61)]


def test_a_total_outage_fails_its_seconds():
    """60 s of driving, 10 s in which every packet is lost and no video comes: 50 of 60."""
    out = range(20, 30)
    video = camera([end for end in ENDS if end - 1 not in out])
    found = met({"l5g": packets(lost=out)}, {"l5g": {"video": video}})["l5g"]
    assert (50 / 60, 60) == (found.value, found.n)


def test_a_link_on_which_nothing_arrived_failed_in_every_second():
    """It has no delay at all, so that only its video was asked: 1.0, where every packet was lost."""
    found = met({"l5g": packets(lost=range(60))}, {"l5g": {"video": camera(ENDS)}})["l5g"]
    assert (0.0, 60) == (found.value, found.n)
    up = required(("owd", "up", "p99", 100.0))
    clocks = {"l5g": ClockQuality("良", 100.0)}
    assert 0.0 == met({"l5g": packets(lost=range(60))}, {}, profile=up, clocks=clocks)["l5g"].value


def test_no_picture_fails_though_it_has_no_delay():
    """fps 0 with a null delay: a picture that does not come is infinitely late, whichever of the two is asked."""
    fps, delay = [30.0] * 50 + [0.0] * 10, [100_000] * 50 + [None] * 10
    for row in (("video_fps", "", "p5", 10.0), ("video_delay", "", "p95", 400.0)):
        found = met({}, {"l5g": {"video": camera(ENDS, fps=fps, delay_us=delay)}}, profile=required(row))["l5g"]
        assert (50 / 60, 60) == (found.value, found.n)


def test_video_that_moved_to_the_other_link_fails_here_and_holds_there():
    """The link alone failed half the drive; with the other one it never did, and without packets there it would."""
    streams = {"l5g": {"video": camera(ENDS[:30])}, "lte": {"video": camera(ENDS[30:])}}
    found = met({"l5g": packets(), "lte": packets()}, streams)
    assert (0.5, 0.5, 1.0) == tuple(found[link].value for link in ("l5g", "lte", "l5g+lte"))
    assert 60 == found["l5g+lte"].n
    worse = met({"l5g": packets(), "lte": packets(lost=range(40, 50))}, streams)
    assert 50 / 60 == worse["l5g+lte"].value


def test_a_link_that_never_carries_the_video_takes_it_from_the_one_that_does():
    """Probes alone do not make a second hold while the picture is frozen elsewhere."""
    streams = {"l5g": {"video": camera(ENDS[:30])}}
    found = met({"l5g": packets(), "lte": packets()}, streams)
    assert (0.5, 1.0, 0.5) == tuple(found[link].value for link in ("l5g", "lte", "l5g+lte"))
    asked, not_asked = found["lte"].filter.split("; ")
    assert "映像" not in asked
    assert "映像遅延 ≦ 400 ms (測定なし)" in not_asked


def test_a_stream_that_stops_is_frozen_until_the_end_and_one_that_has_not_begun_is_not_measured():
    """From 20 to 40 s there is video of 60 s: the first 20 are in neither number, the last 20 failed."""
    found = met({}, {"l5g": {"video": camera(ENDS[20:40])}})["l5g"]
    assert (0.5, 40) == (found.value, found.n)
    assert "20 seconds not measured" in found.reason


def test_a_second_that_failed_in_one_part_counts_whatever_was_not_measured():
    """Before the video began packets were lost: failed, not left out."""
    found = met({"l5g": packets(lost=range(5))}, {"l5g": {"video": camera(ENDS[10:])}})["l5g"]
    assert (50 / 55, 55) == (found.value, found.n)


@pytest.mark.parametrize(("mode", "expected"), [("AUTONOMOUS", 60), (None, 60), ("MANUAL", None), ("REMOTE", None)])
def test_only_autonomous_driving_counts(mode, expected):
    """Manual driving is not asked for; where no mode is recorded driving is, and the filter says so."""
    found = met({"l5g": packets()}, {}, driving(mode=mode)).get("l5g")
    assert expected == (found.n if found else None)
    if found:
        assert ("AUTONOMOUS" in found.filter) == (mode is not None)


def test_half_of_the_drive_by_hand():
    """Loss while a person drives does not count."""
    vehicle = driving(drive_mode=["AUTONOMOUS"] * 300 + ["MANUAL"] * 300)
    found = met({"l5g": packets(lost=range(40, 50))}, {}, vehicle)["l5g"]
    assert (1.0, 30) == (found.value, found.n)


def test_standing_time_is_no_driving_time():
    """Without driving there is nothing to say."""
    assert {} == met({"l5g": packets()}, {}, driving(speed_mps=[0.0] * 600))


def test_the_speed_of_the_receiver_tells_where_the_vehicle_has_none():
    """Rows without a speed beside a track."""
    vehicle = make_series(range(60), drive_mode=["AUTONOMOUS"] * 60)
    assert 60 == met({"l5g": packets()}, {}, vehicle, path=track(drive(60, 10.0)))["l5g"].n


def test_a_row_of_five_seconds_stands_for_the_five_before_it():
    """interval_s = 5, ends at 5, 10, ...: the row that ends at 20 and is late fails the seconds 15 to 19."""
    delay = [100_000] * 3 + [900_000] + [100_000] * 8
    found = met({}, {"l5g": {"video": camera(range(5, 61, 5), interval_s=5, delay_us=delay)}})["l5g"]
    assert (55 / 60, 60) == (found.value, found.n)
    packets_lost = met({"l5g": packets(lost=range(15, 20))}, {"l5g": {"video": camera(
        range(5, 61, 5), interval_s=5, delay_us=delay)}})["l5g"]  # fmt: skip
    assert 55 / 60 == packets_lost.value


def test_a_row_that_comes_a_little_late_says_nothing_of_the_next_second():
    """Rows that end 30 ms after the second: 60 seconds, none of them twice."""
    delay = [100_000] * 30 + [900_000] + [100_000] * 29
    found = met({}, {"l5g": {"video": camera([end + 0.03 for end in ENDS], delay_us=delay)}})["l5g"]
    assert (59 / 60, 60) == (found.value, found.n)


def test_every_camera_must_hold():
    """The rear camera failed for 10 s, the front one never."""
    front, rear = camera(ENDS), camera(ENDS, name="rear", fps=[30.0] * 20 + [2.0] * 10 + [30.0] * 30)
    both = make_series(
        (np.concatenate([front.t_us, rear.t_us]) - T0_US) / 1e6, camera=["front"] * 60 + ["rear"] * 60,
        interval_s=[1.0] * 120, fps=[*front.number("fps"), *rear.number("fps")], delay_us=[100_000] * 120,
    )  # fmt: skip
    order = np.argsort(both.t_us, kind="stable")
    both = type(both)(both.t_us[order], {name: each[order] for name, each in both.numbers.items()},
                      {name: each[order] for name, each in both.texts.items()})  # fmt: skip
    found = met({}, {"l5g": {"video": both}})["l5g"]
    assert 50 / 60 == found.value
    assert "カメラ rear: 0.8333 (10秒)" in found.reason
    assert "フレームレート ≧ 10 カメラ front: 1 (0秒)" in found.reason


def test_what_the_profile_requires_is_asked_and_what_no_second_can_tell_is_named():
    """Loss and round trip of the profile, no parameter beside them; availability is no matter of a second."""
    profile = required(
        ("rtt", "round_trip", "p95", 100.0), ("rtt", "round_trip", "p50", 1.0), ("loss", "", "ratio", 0.5),
        ("availability", "", "ratio", 0.99), ("command_response", "", "p99", 50.0),
    )  # fmt: skip
    found = met({"l5g": packets(lost=[7])}, {"l5g": {"video": camera([1], fps=[0.0])}}, profile=profile)["l5g"]
    assert (59 / 60, 60) == (found.value, found.n)
    for told in (
        "往復遅延 全パケット ≦ 100 ms (p95)",
        "往復損失率 ≦ 50 %",
        "可用性",
        "往復遅延(往復) p50",
        "指令応答時間",
    ):
        assert told in found.filter
    assert "映像" not in found.filter


@pytest.mark.parametrize(
    ("bound_us", "limit_ms", "share", "n"),
    [
        (1000.0, 30.0, 1.0, 60),
        (1000.0, 10.0, 0.0, 60),
        (9_000.0, 25.0, None, 0),
        (15_000.0, 30.0, None, None),
        (None, 30.0, None, None),
    ],
)
def test_one_way_delays_are_asked_only_as_far_as_the_clocks_allow(bound_us, limit_ms, share, n):
    """20 ms: within 30 by 1 ms of doubt, not within 10, undecided by 9 ms; not asked beyond 10 ms, a tenth of 100."""
    clocks = {"l5g": ClockQuality("良", bound_us)}
    found = met({"l5g": packets(ul_us=20_000)}, {}, profile=required(("owd", "up", "p95", limit_ms),
                ("rtt", "", "p95", 900.0)), clocks=clocks)["l5g"]  # fmt: skip
    if n is None:
        assert "時刻同期が不明か限度超過" in found.filter
    else:
        assert (share, n) == (found.value, found.n)


def test_commands_are_asked_in_the_seconds_in_which_they_were_sent():
    """Three commands: answered in time, late, and never; the other 57 seconds are not asked."""
    commands = make_series([10.5, 20.5, 30.5], name=["stop"] * 3, acked_us=[10_000, 300_000, None])
    profile = required(("command_response", "", "p95", 200.0))
    found = met({}, {"l5g": {"command": commands}}, profile=profile)["l5g"]
    assert (1 / 3, 3) == (found.value, found.n)
    stops = required(("stop_delivery", "", "ratio", 1.0), stop_within_ms=400.0)
    assert 2 / 3 == met({}, {"l5g": {"command": commands}}, profile=stops)["l5g"].value


def test_a_command_that_failed_on_the_only_link_that_sent_it_fails_the_second_of_both():
    """Of the other link it was not asked in that second."""
    profile = required(("command_response", "", "p95", 200.0), ("rtt", "", "p95", 900.0))
    streams = {
        "l5g": {"command": make_series([10.5], name=["stop"], acked_us=[None])},
        "lte": {"command": make_series([20.5], name=["stop"], acked_us=[1000])},
    }
    found = met({"l5g": packets(), "lte": packets()}, streams, profile=profile)
    assert (59 / 60, 1.0, 59 / 60) == tuple(found[link].value for link in ("l5g", "lte", "l5g+lte"))


def test_excluded_seconds_of_a_link_are_in_neither_number():
    """The link's outage is excluded: its seconds are not failed for want of video."""
    out = range(20, 30)
    video = camera([end for end in ENDS if end - 1 not in out])
    spans = {"l5g": [(T0_US + 20_000_000, T0_US + 30_000_000)]}
    found = met({"l5g": packets(lost=out)}, {"l5g": {"video": video}}, excluded=spans)["l5g"]
    assert (1.0, 50) == (found.value, found.n)


def test_the_share_is_judged():
    """A profile may require the share itself."""
    profile = required(("rtt", "", "p95", 100.0), ("all_met", "", "ratio", 0.95))
    assert "未達" == met({"l5g": packets(lost=range(0, 60, 2))}, {}, profile=profile)["l5g"].verdict


@pytest.mark.parametrize("name", shipped_profiles())
def test_every_requirement_of_a_shipped_profile_is_asked_or_named(name):
    """None is dropped without a word."""
    profile = load_requirements(name)
    asked, refused = asked_of(profile, "leo-1")
    told = {one.kpi for one in asked}
    for each in [each for each in profile.requirement if each.link in {"*", "*leo*"}]:
        assert each.kpi in told or any(f"{each.statistic}" in words for words in refused)
