"""How trials of glass-to-glass delay were recorded, for tests."""

import msgspec

from contract.video_trials import VideoSetup

KNOWN = {
    "method": "stopwatch", "camera": "front", "camera_model": "X", "camera_fps": 30.0, "monitor_hz": 60.0,
    "reading_ms": 1.0, "resolution": "1920x1080", "codec": "H.264", "measured_by": "A", "measured_on": "2026-06-01",
}  # fmt: skip

SETUP = """
like = "g2g_csv"

[g2g]
method = "stopwatch"
camera = "front"
camera_model = "不明"
camera_fps = 30
monitor_hz = 60
reading_ms = 1
resolution = "1920x1080"
codec = "H.264"
measured_by = "測定班A"
measured_on = 2026-06-01
"""
"""The same as people write it: a profile over the shipped one."""


def setup(**changes):
    return msgspec.convert({**KNOWN, **changes}, VideoSetup)
