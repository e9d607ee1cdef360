"""How trials of glass-to-glass delay were recorded, and how far off that leaves a single reading.

A reading is a difference of two times, and each of the two may stand for a whole period: what a screen shows is as old
as its last refresh, a picture stands for any moment of its frame. `uncertainty_ms` is the sum of those periods, the
most that a reading can be off (own derivation: the worst case and no standard deviation, so nothing cancels out).
"""

from __future__ import annotations

import re
from datetime import date
from typing import Literal, NamedTuple

import msgspec

METRIC = "video.g2g"
"""Name of these trials in the stream `metric`."""

Method = Literal["stopwatch", "led", "qr"]
Part = Literal["camera", "monitor", "reading", "clock"]
_MOST_HZ = 100_000.0
_PIXELS = re.compile(r"[1-9]\d*x[1-9]\d*\Z")


class MethodRow(NamedTuple):
    """A method: its names, the periods that its readings may be off by, and why."""

    ja: str
    en: str
    parts: tuple[Part, ...]
    why: str


METHODS: dict[Method, MethodRow] = {
    "stopwatch": MethodRow(
        "画面のストップウォッチ", "stopwatch on a screen", ("camera", "monitor", "reading"),
        "both times are read from what screens show, and the picture stands for any moment of its frame",
    ),
    "led": MethodRow(
        "LEDとフォトダイオード", "LED and photodiode", ("reading",),
        "the unit sees both lights itself: waiting for a frame or a refresh is part of the delay, not of its error",
    ),
    "qr": MethodRow(
        "時刻のQRコード", "time stamps as QR codes", ("camera", "monitor", "reading", "clock"),
        "the stamp is as old as the refresh that drew it, the picture stands for any moment of its frame, and two "
        "computers have two clocks",
    ),
}  # fmt: skip
"""The methods by the word that a profile uses."""

PART_WORDS: dict[Part, tuple[str, str]] = {
    "camera": ("カメラのフレーム周期", "frame period of the camera"),
    "monitor": ("モニタの更新周期", "refresh period of the monitor"),
    "reading": ("読取りの刻み", "step of the reading"),
    "clock": ("時計差", "difference of the clocks"),
}


class VideoSetup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The table `[g2g]` of a profile: what was measured with what, by whom and when.

    `camera` names the camera as the results do, `camera_fps` is its frame rate and `monitor_hz` the refresh rate of the
    screen (stopwatch, qr: that which shows the time). `reading_ms` is the smallest step that the reading resolves: the
    digit of the stopwatch or the exposure of the photograph, whichever is longer; the sampling time and threshold of
    the photodiode's unit. `clock_ms` bounds the difference of two computers' clocks, 0 where one does both. Raises
    ValueError for what cannot be.
    """

    method: Method
    camera: str
    camera_model: str
    camera_fps: float
    monitor_hz: float
    reading_ms: float
    resolution: str
    codec: str
    measured_by: str
    measured_on: date
    clock_ms: float | None = None
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be, with what would do."""
        for name in ("camera_fps", "monitor_hz"):
            if not 0 < getattr(self, name) <= _MOST_HZ:
                raise ValueError(f"{name} is {getattr(self, name)!r}: a rate lies above 0 Hz, e.g. 30")
        if not 0 < self.reading_ms <= 1000:  # noqa: PLR2004 - a second
            raise ValueError(f"reading_ms is {self.reading_ms!r}: no reading resolves everything; it is above 0 ms")
        for name in ("camera", "camera_model", "codec", "measured_by"):
            if not getattr(self, name).strip():
                raise ValueError(f"{name} is blank: write 不明 where nobody knows")
        if not _PIXELS.match(self.resolution):
            raise ValueError(f"resolution is {self.resolution!r}: write it as 1920x1080")
        if "clock" in METHODS[self.method].parts and self.clock_ms is None:
            raise ValueError("clock_ms is missing: by how much may the two computers' clocks differ (one computer: 0)?")
        if self.clock_ms is not None and not 0 <= self.clock_ms <= 1000:  # noqa: PLR2004 - a second
            raise ValueError(f"clock_ms is {self.clock_ms!r}: it lies between 0 and 1000 ms")

    @property
    def parts_ms(self) -> dict[Part, float]:
        """What a reading may be off by, part by part, in milliseconds."""
        whole: dict[Part, float] = {
            "camera": 1000 / self.camera_fps,
            "monitor": 1000 / self.monitor_hz,
            "reading": self.reading_ms,
            "clock": self.clock_ms or 0.0,
        }
        return {part: whole[part] for part in METHODS[self.method].parts}

    @property
    def uncertainty_ms(self) -> float:
        """The most that a single reading can be off, in milliseconds."""
        return sum(self.parts_ms.values())
