"""What the requirements of a profile ask of a single second, and which of them cannot be asked of one. Pure.

A requirement on the tail of a distribution (p90 and above, or the maximum; of a frame rate p10 and below, or the
minimum) is asked of every packet, row or command of the second, the strictest form there is. A frame rate is a mean
over its interval already, so one on its mean or median is asked of it too. Ratios are those of the second.
Of several requirements on one KPI and direction the one furthest out in the tail is taken: p50 <= 50 ms beside
p99 <= 200 ms does not ask for 50 ms of every packet. What is a matter of the whole drive (availability, length of an
outage, throughput tests) cannot be asked of a second and is named.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from analytics.definitions import BY_ID
from analytics.requirements import Parameters, Profile, Requirement
from analytics.results import Direction
from analytics.statistics import is_quantile, share_of

About = Literal["delay", "loss", "video", "command"]

_TAIL = 0.9
_WAY: dict[str, str] = {"round_trip": "往復", "up": "上り", "down": "下り", "": ""}
_VIDEO_TAIL = {"video_delay": "delay", "video_g2g": "delay", "video_jitter": "jitter"}
_VIDEO_SHARES = {
    ("video_freeze", "ratio"): "freeze",
    ("video_freeze", "max"): "frozen_s",
    ("video_loss", "ratio"): "loss",
}
_COMMAND = {"command_response": "acked_us", "command_execution": "executed_us"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One part of what a second must hold: `column` of `subject` not worse than `limit`, in the column's own unit.

    Units: delay, jitter and commands in ms; loss and freeze ratio 0 to 1; frame rate in 1/s; longest freeze in s.
    `needs` names the direction of packets.
    """

    kpi: str
    subject: About
    column: str
    limit: float
    label: str
    needs: Direction = ""


def asked_of(profile: Profile, link: str) -> tuple[list[Asked], list[str]]:
    """Return what a second of a link must hold, and the names of the requirements that no second can be asked for.

    A profile without any requirement asks for the bounds of its `[parameters]`: round trip, video delay, frame rate.
    """
    mine = [
        each for each in profile.requirement if each.kpi != "all_met" and fnmatch.fnmatchcase(link, each.link)
    ]  # fmt: skip
    if not profile.requirement:
        return list(_by_parameters(profile.parameters)), []
    best: dict[tuple[str, str, str], tuple[float, Requirement, Asked]] = {}
    refused = []
    for requirement in mine:
        found = list(_forms(requirement, profile.parameters))
        if not found:
            refused.append(_name(requirement))
        for reach, asked in found:
            key = (asked.kpi, asked.column, asked.needs)
            if key not in best or reach > best[key][0]:
                if key in best:
                    refused.append(_name(best[key][1]))
                best[key] = (reach, requirement, asked)
            else:
                refused.append(_name(requirement))
    return [asked for _, _, asked in best.values()], list(dict.fromkeys(refused))


def _name(requirement: Requirement) -> str:
    way = _WAY[requirement.direction]
    return f"{BY_ID[requirement.kpi].name_ja}{f'({way})' if way else ''} {requirement.statistic}"


def _by_parameters(parameters: Parameters) -> Iterator[Asked]:
    yield Asked(kpi="rtt", subject="delay", column="delay", limit=parameters.rtt_within_ms, needs="round_trip",
                label=f"往復遅延 全パケット ≦ {parameters.rtt_within_ms:g} ms")  # fmt: skip
    yield Asked(kpi="video_delay", subject="video", column="delay", limit=parameters.video_within_ms,
                label=f"映像遅延 ≦ {parameters.video_within_ms:g} ms")  # fmt: skip
    yield Asked(kpi="video_fps", subject="video", column="fps", limit=parameters.fps_at_least,
                label=f"フレームレート ≧ {parameters.fps_at_least:g}")  # fmt: skip


def _forms(requirement: Requirement, parameters: Parameters) -> Iterator[tuple[float, Asked]]:
    """Yield how far out in the tail a requirement lies, and what it asks of a second; nothing where it asks nothing."""
    for of in (_of_packets, _of_video, _of_commands):
        yield from of(requirement, parameters)


def _of_packets(requirement: Requirement, parameters: Parameters) -> Iterator[tuple[float, Asked]]:
    kpi, limit, statistic = requirement.kpi, requirement.limit, requirement.statistic
    tail = _tail(statistic)
    if kpi in {"rtt", "owd"} and tail >= _TAIL:
        for way in _ways(kpi, requirement.direction):
            label = f"{_WAY[way]}遅延 全パケット ≦ {limit:g} ms ({statistic})"
            yield tail, Asked(kpi=kpi, subject="delay", column="delay", limit=limit, needs=way, label=label)
    elif kpi == "reliability":
        for way in _ways(kpi, requirement.direction):
            within = parameters.rtt_within_ms if way == "round_trip" else parameters.owd_within_ms
            label = f"{_WAY[way]} 全パケットが所要遅延 {within:g} ms 以内"
            yield 1.0, Asked(kpi=kpi, subject="delay", column="delay", limit=within, needs=way, label=label)
    elif kpi == "loss" and statistic == "ratio":
        lost_in: Direction = requirement.direction or "round_trip"
        label = f"{_WAY[lost_in]}損失率 ≦ {limit * 100:g} %"
        yield 1.0, Asked(kpi=kpi, subject="loss", column="loss", limit=limit, needs=lost_in, label=label)


def _of_video(requirement: Requirement, _parameters: Parameters) -> Iterator[tuple[float, Asked]]:
    kpi, limit, statistic = requirement.kpi, requirement.limit, requirement.statistic
    tail, name = _tail(statistic), BY_ID[requirement.kpi].name_ja
    if kpi in _VIDEO_TAIL and tail >= _TAIL:
        label = f"{name} ≦ {limit:g} ms ({statistic})"
        if kpi == "video_g2g":
            # The transmission part is less than the whole: above the limit it is too late, below it may still be.
            label = f"映像遅延(伝送区間) ≦ {limit:g} ms (Glass-to-Glass {statistic} の必要条件)"
        yield tail, Asked(kpi=kpi, subject="video", column=_VIDEO_TAIL[kpi], limit=limit, label=label)
    elif kpi == "video_fps":
        reach = 1.0 if statistic == "min" else 1 - tail if is_quantile(statistic) else 0.0
        label = f"{name} ≧ {limit:g} ({statistic})"
        yield reach, Asked(kpi=kpi, subject="video", column="fps", limit=limit, label=label)
    elif (kpi, statistic) in _VIDEO_SHARES:
        label = f"{name} {statistic} ≦ {limit:g}"
        yield 1.0, Asked(kpi=kpi, subject="video", column=_VIDEO_SHARES[kpi, statistic], limit=limit, label=label)


def _of_commands(requirement: Requirement, parameters: Parameters) -> Iterator[tuple[float, Asked]]:
    kpi, limit, tail = requirement.kpi, requirement.limit, _tail(requirement.statistic)
    if kpi in _COMMAND and tail >= _TAIL:
        label = f"{BY_ID[kpi].name_ja} 全指令 ≦ {limit:g} ms ({requirement.statistic})"
        yield tail, Asked(kpi=kpi, subject="command", column=_COMMAND[kpi], limit=limit, label=label)
    elif kpi == "stop_delivery":
        limit, label = parameters.stop_within_ms, f"停止指令 全指令 ≦ {parameters.stop_within_ms:g} ms"
        yield 1.0, Asked(kpi=kpi, subject="command", column="stop", limit=limit, label=label)


def _ways(kpi: str, direction: Direction) -> tuple[Direction, ...]:
    if direction:
        return (direction,)
    return ("up", "down") if kpi == "owd" else ("round_trip",)


def _tail(statistic: str) -> float:
    if statistic == "max":
        return 1.0
    return float(share_of(statistic)) if is_quantile(statistic) else 0.0
