"""The source: samples of a recorded file, emitted as they were measured, in real time or faster.

The file is read by `contract.recording`, the same code that imports it on the server, so that a replay and an import
of one file give the same samples.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import math
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from collectors.source import Emit, Source, SourceConfig, SourceKind
from contract.recording import Profile, RecordedSample, Unreadable, load_profile, read_recording
from contract.samples import Sample
from contract.streams import STREAMS

log = logging.getLogger("jissho.collect")

_READ_ROWS = 500
"""Samples read in one go, in a thread: 9 ms of parsing, at 57,000 CSV rows/s."""

FASTEST_ROWS_S = 20_000
"""Pace of speed 0, which takes 57 % of one core (reading CSV 57,000 rows/s, checking and batching 170,000). Unpaced,
the event loop would answer nobody else, and rows would pile up in memory before the outbox."""

_LOOP_PAUSE_S = 1.0
_SESSION_MASK = 0x7FFF_FFFF


class ReplayConfig(SourceConfig, frozen=True, kw_only=True, tag="replay"):
    """See sample.toml."""

    path: str
    profile: str
    options: dict[str, str] = msgspec.field(default_factory=dict)
    speed: float = 1.0
    shift: Literal["original", "now"] = "original"
    loop: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be played; a profile that is wrong is told here and not at the first sample."""
        super().__post_init__()
        if not 0 <= self.speed < math.inf:
            raise ValueError(f"speed must be 0 (as fast as possible) or greater, not {self.speed}")
        if self.shift == "now" and not 0 < self.speed <= 1:
            raise ValueError('shift = "now" needs a speed of at most 1: faster, samples would lie in the future')
        if self.loop and self.shift != "now":
            raise ValueError('loop needs shift = "now": the same samples at the same times would count twice')
        load_profile(self.profile, self.options)


class ReplaySource:
    """Emits the samples of one file and returns at its end."""

    def __init__(self, config: ReplayConfig) -> None:
        """Load the profile. Raises ProfileError."""
        self._config = config
        self._path = Path(config.path)
        self._profile: Profile = load_profile(config.profile, config.options)
        self._unreadable: Counter[str] = Counter()
        self._first_unreadable: Unreadable | None = None

    async def run(self, emit: Emit) -> None:
        """Play the file once, or for ever with `loop`. Raises OSError for a file that is not there."""
        while True:
            played = await self._play(emit)
            if not self._config.loop:
                log.info("replay of %s has ended: %d samples", self._path, played)
                return
            await asyncio.sleep(_LOOP_PAUSE_S)  # also keeps an empty file from spinning

    async def _play(self, emit: Emit) -> int:
        self._unreadable.clear()
        samples = read_recording(self._path, self._profile, on_unreadable=self._note_unreadable)
        pace = _Pace(self._config.speed, self._config.shift)
        played = 0
        last_ns = time.time_ns()
        try:
            while chunk := await asyncio.to_thread(_take, samples, _READ_ROWS):
                if not played:
                    pace.begin(chunk[0].t_ns)
                    self._announce(emit, pace.shifted_ns(chunk[0].t_ns))
                for sample in chunk:
                    await pace.wait_for(sample.t_ns)
                    last_ns = pace.shifted_ns(sample.t_ns)
                    link = "" if STREAMS[sample.stream].scope == "device" else sample.link
                    emit(sample.stream, last_ns, pace.renewed(sample.values), link=link)
                played += len(chunk)
        finally:
            with contextlib.suppress(ValueError):  # cancelled while the thread still reads: it closes with its end
                samples.close()
        self._report_unreadable(emit, last_ns)
        return played

    def _announce(self, emit: Emit, t_ns: int) -> None:
        detail: dict[str, object] = {
            "file": self._path.name,
            "bytes": self._path.stat().st_size,
            "profile": self._profile.name,
            "speed": self._config.speed,
            "shift": self._config.shift,
        }
        message = f"recording {self._path.name} is played back, not measured"
        emit("event", t_ns, _event("replay.file", "info", message, detail))

    def _note_unreadable(self, row: Unreadable) -> None:
        self._unreadable[row.reason] += 1
        self._first_unreadable = self._first_unreadable or row

    def _report_unreadable(self, emit: Emit, t_ns: int) -> None:
        if not self._unreadable or self._first_unreadable is None:
            return
        rows = self._unreadable.total()
        detail: dict[str, object] = {
            "file": self._path.name,
            "rows": rows,
            "reasons": dict(self._unreadable),
            "first_line": self._first_unreadable.line,
        }
        message = f"{rows} rows of {self._path.name} could not be read"
        emit("event", t_ns, _event("replay.rows_not_read", "warning", message, detail))


class _Pace:
    """Due times of samples on the event loop's clock, counted from the first one, so that delays do not add up."""

    def __init__(self, speed: float, shift: str) -> None:
        self._speed, self._shift = speed, shift
        self._first_ns = self._offset_ns = 0
        self._began_s = 0.0
        self._emitted = 0
        # Played as if measured now, it is a new life of the sender: its numbers must not meet those of the recording.
        self._session_step = random.getrandbits(31) if shift == "now" else 0

    def begin(self, first_ns: int) -> None:
        """Start: the sample of `first_ns` is due at once."""
        self._first_ns = first_ns
        self._offset_ns = time.time_ns() - first_ns if self._shift == "now" else 0
        self._began_s = asyncio.get_running_loop().time()

    def shifted_ns(self, t_ns: int) -> int:
        """Return the time that a sample gets."""
        return t_ns + self._offset_ns

    def renewed(self, values: Sample) -> Sample:
        """Return the sample with its session moved, where it has one."""
        session = values.get("session")
        if not self._session_step or not isinstance(session, int):
            return values
        return {**values, "session": (session + self._session_step) & _SESSION_MASK}

    async def wait_for(self, t_ns: int) -> None:
        """Wait until a sample of `t_ns` is due; one that is late or out of order is due at once."""
        since_s = (t_ns - self._first_ns) / 1e9 / self._speed if self._speed else self._emitted / FASTEST_ROWS_S
        self._emitted += 1
        delay_s = self._began_s + since_s - asyncio.get_running_loop().time()
        if delay_s > 0 and (self._speed or not self._emitted % 100):
            await asyncio.sleep(delay_s)
        elif not self._emitted % 100:
            await asyncio.sleep(0)


def _take(samples: Iterator[RecordedSample], count: int) -> list[RecordedSample]:
    return list(itertools.islice(samples, count))


def _event(name: str, severity: str, message: str, detail: dict[str, object]) -> Sample:
    text = json.dumps(detail, ensure_ascii=False)
    return {"name": name, "severity": severity, "message": message, "detail": text}


def _build(config: ReplayConfig) -> Source:
    return ReplaySource(config)


KIND = SourceKind(name="replay", version=1, streams=tuple(STREAMS), config=ReplayConfig, build=_build)
