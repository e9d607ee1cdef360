"""Trials by hand: tests at measuring points and glass-to-glass delays, as people write them into a table."""

import msgspec
import pytest

from contract.recording import ProfileError, RecordingError, load_profile, read_recording
from contract.video_trials import METHODS, PART_WORDS, VideoSetup
from tests.contract.trials import SETUP, setup


@pytest.fixture
def read(tmp_path):
    """Write a CSV file, and a profile unless a shipped one is named; return (samples, unreadable rows)."""

    def _read(text, profile=SETUP, written="utf-8", **options):
        if "\n" in profile:
            (tmp_path / "p.toml").write_text(profile, encoding="utf-8")
            profile = tmp_path / "p.toml"
        (tmp_path / "file.csv").write_bytes(text.encode(written))
        unreadable = []
        samples = read_recording(tmp_path / "file.csv", profile, options, on_unreadable=unreadable.append)
        return list(samples), unreadable

    return _read


@pytest.mark.parametrize(
    ("changes", "uncertainty_ms"),
    [
        ({}, 1000 / 30 + 1000 / 60 + 1),  # 51 ms: a frame, a refresh and a digit
        ({"camera_fps": 60.0, "monitor_hz": 144.0, "reading_ms": 10.0}, 16.6667 + 6.9444 + 10),
        ({"method": "led", "reading_ms": 0.5}, 0.5),  # the unit sees both lights itself
        ({"method": "qr", "clock_ms": 2.0}, 53.0),
        ({"method": "qr", "clock_ms": 0.0}, 51.0),
    ],
)
def test_a_reading_may_be_off_by_the_periods_that_its_method_cannot_see_into(changes, uncertainty_ms):
    assert uncertainty_ms == pytest.approx(setup(**changes).uncertainty_ms, abs=1e-3)


def test_every_part_of_every_method_has_its_words():
    assert {part for row in METHODS.values() for part in row.parts} == set(PART_WORDS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"camera_fps": 0.0}, "camera_fps is 0.0: a rate lies above 0 Hz"),
        ({"monitor_hz": float("nan")}, "monitor_hz is nan"),
        ({"reading_ms": 0.0}, "no reading resolves everything"),
        ({"measured_by": " "}, "measured_by is blank: write 不明"),
        ({"resolution": "フルHD"}, "write it as 1920x1080"),
        ({"method": "qr"}, "clock_ms is missing"),
        ({"method": "eye"}, "Invalid enum value 'eye'"),
        ({"fps": 30}, "unknown field `fps`"),
    ],
)
def test_a_setup_that_cannot_be_is_refused_with_what_would_do(changes, message):
    with pytest.raises(msgspec.ValidationError, match=message):
        setup(**changes)


def test_the_error_of_a_profile_names_its_file_and_table(tmp_path):
    path = tmp_path / "front.toml"
    path.write_text(SETUP.replace('codec = "H.264"\n', ""), encoding="utf-8")
    with pytest.raises(ProfileError, match=r"front.toml: .*missing required field `codec` - at `\$.g2g`"):
        load_profile(path)
    path.write_text(SETUP.replace('like = "g2g_csv"', 'format = "csv"\nstream = "metric"\n[time]\nfrom = "t"'))
    with pytest.raises(ProfileError, match=r"columns.value: the profile does not say where the delay"):
        load_profile(path)
    with pytest.raises(ProfileError, match="g2g_csv.toml: how the trials were recorded is not said"):
        load_profile("g2g_csv")


def test_a_trial_carries_how_it_was_recorded(read):
    """Japanese headings, a byte order mark, times without seconds, an empty row of the spreadsheet."""
    samples, unreadable = read("\ufeff日時,遅延[ms],備考\r\n2026/6/1 10:05,182,\r\n2026/6/1 10:06,175.5,曇り\r\n,,\r\n")
    assert [] == unreadable
    assert [("video.g2g", 182.0, "ms"), ("video.g2g", 175.5, "ms")] == [
        (row.values["name"], row.values["value"], row.values["unit"]) for row in samples
    ]
    assert 1_780_275_900_000_000_000 == samples[0].t_ns  # 10:05 JST
    kept = msgspec.json.decode(samples[0].values["detail"], type=VideoSetup)
    assert ("stopwatch", "front", "測定班A", 51.0) == (kept.method, kept.camera, kept.measured_by, kept.uncertainty_ms)
    assert [2, 3] == [row.line for row in samples]


def test_a_trial_that_cannot_be_is_refused_by_its_line_with_the_remedy(read):
    samples, unreadable = read(
        "time,delay_ms\n2026-06-01T10:05:00,182\n2026-06-01T10:06:00,\n2026-06-01T10:07:00,0.18\n10:08,170\n"
        "2026-06-01T10:09:00,-5\n"
    )
    assert [182.0] == [row.values["value"] for row in samples]
    assert [
        (3, "delay_ms (遅延[ms], 映像遅延[ms], G2G遅延[ms]) is empty: fill it in, or leave the row out"),
        (4, "delay_ms (遅延[ms], 映像遅延[ms], G2G遅延[ms]) is below 1: check the value and its unit"),
        (5, "'10:08' is not an ISO 8601 date and time"),
        (6, "delay_ms (遅延[ms], 映像遅延[ms], G2G遅延[ms]) is below 1: check the value and its unit"),
    ] == [(row.line, row.reason) for row in unreadable]


def test_points_are_read_by_japanese_headings_in_shift_jis(read):
    samples, unreadable = read(
        "測定点,試行,日時,方向,プロトコル,スループット[Mbps],測定時間[s],備考\r\n"
        "P-01,1,2026/6/1 13:00,上り,TCP,82.5,30,\r\nP-01,2,2026/6/1 13:01,DL,UDP,,30,切断\r\n"
        ",3,2026/6/1 13:02,上り,TCP,80,30,\r\n",
        profile="throughput_points", written="cp932", encoding="cp932",
    )  # fmt: skip
    names = ("point", "trial", "direction", "protocol", "rate_bps", "interval_s", "bytes")
    assert [("P-01", 1, "up", "tcp", 82.5e6, 30.0, None), ("P-01", 2, "down", "udp", None, 30.0, None)] == [
        tuple(row.values[name] for name in names) for row in samples
    ]
    assert [(4, "point (測定点, 測定点番号, 地点) is empty: fill it in, or leave the row out")] == [
        (row.line, row.reason) for row in unreadable
    ]


def test_a_missing_heading_is_told_with_all_that_would_do(read):
    with pytest.raises(RecordingError, match="no column 'delay_ms' or '遅延\\[ms\\]' or .*; it has 日時, 遅延"):
        read("日時,遅延\n2026/6/1 10:05,182\n")
    with pytest.raises(RecordingError, match="2 columns called 'time' or '測定日時' or '日時'"):
        read("日時,測定日時,delay_ms\n2026/6/1 10:05,2026/6/1 10:05,182\n")
