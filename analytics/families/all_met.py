"""全所要値の同時充足率: in which seconds of autonomous driving everything that the profile asks of a second held. Pure.

A second failed if any part of it that was measured failed; it is in neither number only if nothing failed and a part
was not measured. Video that is due and does not come failed, a lost packet was late, a command without an answer was
not taken. Each link has a figure of its own, and where a device has several, "a+b" is what redundancy made of them: a
second holds if on any link it holds. A part that a link never carries (a camera, commands) or was not asked in that
second is then taken from the links that carry it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analytics.clock import ClockQuality
from analytics.families.asked import Asked, asked_of
from analytics.families.second_states import (
    FAILED,
    HELD,
    NOT_ASKED,
    UNMEASURED,
    CameraRows,
    States,
    all_of,
    due,
    of_camera,
    of_commands,
    of_packets,
)
from analytics.families.video import Horizon, cameras_of, usual_interval_s
from analytics.figures import Figures
from analytics.probe_seconds import ProbeSeconds
from analytics.requirements import Profile
from analytics.results import KpiResult
from analytics.series import Bools, Series, Times
from analytics.spans import Span, merged
from analytics.subject import Subject
from analytics.track import Track
from analytics.vehicle_speed import STANDING_MPS, own_speeds_mps

_MODE_AGE_US = 5_000_000
JOINT = "+"
_CAMERA = " カメラ "
_BY_MODE = "自動走行中(AUTONOMOUS)の各1秒", "each second of autonomous driving"
_WITHOUT_MODE = "走行中の各1秒(運転モードの記録なし)", "each second of driving, no mode being recorded"


@dataclass(frozen=True, slots=True)
class _Sources:
    """What one link measured; `bound_us` of both its clocks, None where nothing may be judged by them.

    `poor` is the time in which nothing may, though it may in the rest.
    """

    packets: ProbeSeconds | None
    streams: Mapping[str, Series]
    cameras: Mapping[str, CameraRows]
    bound_us: float | None
    poor: Sequence[Span] = ()

    @property
    def hashes(self) -> list[str]:
        """Hashes of what is read of it."""
        found = [] if self.packets is None else [self.packets.data_hash]
        return found + [self.streams[name].data_hash for name in ("video", "command") if name in self.streams]


@dataclass(frozen=True, slots=True)
class _Side:
    """One link: the states of each part by its label, and the seconds that are left out of it."""

    parts: dict[str, States]
    is_out: Bools
    refused: list[str]


def driving_seconds(vehicle: Series, path: Track | None) -> tuple[Times, bool]:
    """Return the Unix seconds of (autonomous) driving, and whether the drive mode is recorded.

    A second counts in which the vehicle moves in the mode AUTONOMOUS at any sample. A sample without a mode has the
    last one that was told, at most five seconds old.
    """
    wanted = np.nan_to_num(own_speeds_mps(vehicle, path)) > STANDING_MPS
    modes = vehicle.text("drive_mode")
    told = np.array([mode is not None for mode in modes.tolist()], bool)
    if told.any():
        last = np.maximum.accumulate(np.where(told, np.arange(vehicle.n), -1))
        is_fresh = (last >= 0) & (vehicle.t_us - vehicle.t_us[np.maximum(last, 0)] <= _MODE_AGE_US)
        wanted &= is_fresh & np.asarray(modes[np.maximum(last, 0)] == "AUTONOMOUS", bool)
    return np.unique(vehicle.t_us[wanted] // 1_000_000), bool(told.any())


def evaluate_all_met(
    seconds: Mapping[str, ProbeSeconds], streams: Mapping[str, Mapping[str, Series]], device: Mapping[str, Series],
    subject: Subject, *, path: Track | None = None, clocks: Mapping[str, ClockQuality] | None = None,
    excluded: Mapping[str, Sequence[Span]] | None = None,
) -> list[KpiResult]:  # fmt: skip
    """Return the share of driving seconds in which all held, of each link of a device and of all of them together.

    `seconds` are the packets of its links, `streams` their streams (`video`, `command`), `device` its own (`vehicle`).
    `clocks` of the links are needed for one-way delays, `excluded` says what is left out of each link. Without a stream
    `vehicle` nobody knows when it drove: nothing is returned.
    """
    vehicle = device.get("vehicle")
    if vehicle is None or not vehicle.n:
        return []
    asked_seconds, has_mode = driving_seconds(vehicle, path)
    if not asked_seconds.size:
        return []
    links = sorted({*seconds, *streams} - {""})
    spans = {link: merged((excluded or {}).get(link, ())) for link in links}
    cameras = _cameras(seconds, streams, device, spans)
    sides: dict[str, _Side] = {}
    hashes: dict[str, list[str]] = {}
    for link in links:
        clock = (clocks or {}).get(link)
        sources = _Sources(
            seconds.get(link), streams.get(link, {}), cameras.get(link, {}),
            None if clock is None else clock.usable_us(subject.profile.parameters.clock_limit_us),
            () if clock is None else clock.poor,
        )  # fmt: skip
        side = _side(link, sources, asked_seconds, subject.profile, spans[link])
        if side.parts:
            sides[link], hashes[link] = side, sources.hashes
    mode = _BY_MODE if has_mode else _WITHOUT_MODE

    def figures(*named: str) -> Figures:
        known = [vehicle.data_hash, *(each for link in named for each in hashes[link])]
        return Figures(replace(subject, link=JOINT.join(named)), _hash(known))

    results = []
    for link, side in sides.items():
        states = np.where(side.is_out, UNMEASURED, all_of(list(side.parts.values()), asked_seconds.size))
        results.append(_result(figures(link), mode, states, side.parts, side.refused))
    if len(sides) > 1:
        states, parts = _any_link(list(sides.values()), asked_seconds.size)
        refused = list(dict.fromkeys(name for side in sides.values() for name in side.refused))
        results.append(
            _result(figures(*sides), (f"{mode[0]}、いずれかの回線で", f"{mode[1]} on any link"), states, parts, refused)
        )
    return results


def _hash(parts: list[str]) -> str:
    return hashlib.sha256("-".join(parts).encode()).hexdigest()[:16]


def measured_until_us(
    seconds: Mapping[str, ProbeSeconds], streams: Mapping[str, Mapping[str, Series]], device: Mapping[str, Series]
) -> int:
    """Return when a device measured anything for the last time: until then its video was due."""
    ends = [int(each.t_us[-1]) for one in (device, *streams.values()) for each in one.values() if each.n]
    ends += [int(each.seconds[-1]) * 1_000_000 for each in seconds.values() if each.seconds.size]
    return max(ends, default=0)


def _cameras(
    seconds: Mapping[str, ProbeSeconds], streams: Mapping[str, Mapping[str, Series]], device: Mapping[str, Series],
    spans: Mapping[str, Sequence[Span]],
) -> dict[str, dict[str, CameraRows]]:  # fmt: skip
    """Return the rows of each camera by link, with the time for which its picture is due over any link."""
    end_us = measured_until_us(seconds, streams, device)
    by_camera: dict[str, dict[str, Series]] = {}
    for link, each in streams.items():
        for camera, rows in cameras_of(each["video"]).items() if link and "video" in each else ():
            by_camera.setdefault(camera, {})[link] = rows
    found: dict[str, dict[str, CameraRows]] = {}
    for camera, by_link in by_camera.items():
        last = max(by_link, key=lambda link: int(by_link[link].t_us[-1]))
        horizon = Horizon(end_us=end_us, excluded=spans[last])
        is_silent = horizon.silent_us(camera, int(by_link[last].t_us[-1]), usual_interval_s(by_link[last])) > 0
        from_us, until_us = due(by_link, end_us, is_silent=is_silent)
        for link, rows in by_link.items():
            found.setdefault(link, {})[camera] = CameraRows(
                rows=rows, due_from_us=from_us, due_until_us=until_us, cuts=spans[link]
            )
    return found


def _side(link: str, sources: _Sources, seconds: Times, profile: Profile, spans: Sequence[Span]) -> _Side:
    wanted, refused = asked_of(profile, link)
    parts: dict[str, States] = {}
    for asked in wanted:
        found = _states(asked, sources, seconds, profile.parameters.stop_names)
        parts |= found
        if not found:
            is_clockless = asked.subject == "delay" and asked.needs != "round_trip" and sources.bound_us is None
            refused.append(f"{asked.label} ({'時刻同期が不明か限度超過' if is_clockless else '測定なし'})")
    return _Side(parts, _touched(seconds, spans), refused)


def _touched(seconds: Times, spans: Sequence[Span]) -> Bools:
    """Return into which seconds any of the spans reaches."""
    from_us = seconds * 1_000_000
    found = np.zeros(seconds.size, bool)
    for start, end in spans:
        found |= (from_us < end) & (from_us + 1_000_000 > start)
    return found


def _states(asked: Asked, sources: _Sources, seconds: Times, stop_names: tuple[str, ...]) -> dict[str, States]:
    found: dict[str, States | None] = {}
    packets, commands = sources.packets, sources.streams.get("command")
    if asked.subject in {"delay", "loss"}:
        states = None if packets is None else of_packets(asked, packets, seconds, sources.bound_us)
        if states is not None and asked.subject == "delay" and asked.needs != "round_trip":
            states = np.where(_touched(seconds, sources.poor), UNMEASURED, states).astype(np.int8)
        found[asked.label] = states
    elif asked.subject == "command":
        found[asked.label] = None if commands is None else of_commands(asked, commands, seconds, stop_names)
    else:
        for name, camera in sources.cameras.items():
            found[f"{asked.label}{_CAMERA}{name}"] = of_camera(asked, camera, seconds)
    return {label: states for label, states in found.items() if states is not None}


def _any_link(sides: list[_Side], n: int) -> tuple[States, dict[str, States]]:
    """Return how seconds stand on the best of several links, and each part on the best that carries it."""
    parts: dict[str, States] = {}
    for side in sides:
        for label, states in side.parts.items():
            seen = np.where(side.is_out, UNMEASURED, states).astype(np.int8)
            parts[label] = np.maximum(parts[label], seen) if label in parts else seen
    best = np.zeros(n, np.int8)
    for side in sides:
        own = [
            np.where(side.parts[label] == NOT_ASKED, elsewhere, side.parts[label]) if label in side.parts else elsewhere
            for label, elsewhere in parts.items()
        ]
        best = np.maximum(best, np.where(side.is_out, UNMEASURED, all_of(own, n)))
    return best, parts


def _result(
    figures: Figures, mode: tuple[str, str], states: States, parts: Mapping[str, States], refused: Sequence[str]
) -> KpiResult:
    counted = (states == HELD) | (states == FAILED)
    each = []
    for label, mine in parts.items():
        held, failed = int((mine == HELD).sum()), int((mine == FAILED).sum())
        each.append(f"{label}: {held / (held + failed):.4g} ({failed}秒)" if held + failed else f"{label}: -")
    unmeasured = int((~counted).sum())
    reasons = [
        f"単独の充足率(不充足秒数): {', '.join(each)} / each part alone (seconds failed): {', '.join(each)}",
        f"測定なし {unmeasured} 秒 / {unmeasured} seconds not measured" if unmeasured else "",
    ]
    asked = ", ".join(dict.fromkeys(label.split(_CAMERA)[0] for label in parts))
    filters = f"{mode[0]}: {asked} / {mode[1]}: {asked}"
    if refused:
        listed = ", ".join(refused)
        filters += f"; 1秒毎に問えない所要値: {listed} / not asked each second: {listed}"
    return figures.share("all_met", states[counted] == HELD, filters=filters, reason="; ".join(filter(None, reasons)))
