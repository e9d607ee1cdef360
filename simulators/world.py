"""The whole world of one vehicle: drive, position, radio of two links, video, events, and the truth of all of it.

`World(seed).series(duration_s, start_ns)` is deterministic: the same arguments give the same samples, bit for bit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from contract.topics import check_name
from simulators.gnss import position_columns
from simulators.impairment import ImpairmentProfile, Outage, PathProfile
from simulators.motion import Drive, MotionState, plan_drive
from simulators.path_loss import Floats
from simulators.radio import CARRIER_LTE, LOCAL_5G, RadioSeries, simulate_radio, uplink_capacity_bps
from simulators.radio_report import radio_columns, radio_events
from simulators.route import Route, build_route, to_geodetic
from simulators.series import StreamSeries, texts
from simulators.vehicle import Event, vehicle_columns, vehicle_events
from simulators.video import CAMERAS, SWITCH_S, LinkConditions, camera_columns, choose_link

TICK_S = 0.1
RADIO_TICKS, VEHICLE_TICKS, VIDEO_TICKS = 5, 2, 10
"""Ticks between samples: radio at 2 Hz per link, vehicle at 5 Hz, video every second per camera."""

_NETWORK_US = (12_000.0, 35_000.0)  # idle one-way delay of local 5G and of the carrier


@dataclass(frozen=True, slots=True)
class WorldSeries:
    """All samples of a drive, and the truth behind them.

    `radio` holds the true radio series per link, at every tick of `TICK_S` from `start_ns` on, like `motion`.
    `serves_video` is true where the first link carries the video. `events` are all that happened.
    """

    start_ns: int
    streams: tuple[StreamSeries, ...]
    route: Route
    drive: Drive
    motion: MotionState
    radio: dict[str, RadioSeries]
    serves_video: NDArray[np.bool_]
    events: tuple[Event, ...]

    def stream(self, name: str, link: str = "") -> StreamSeries:
        """Return the samples of one stream of one link; raise KeyError if there are none."""
        for each in self.streams:
            if (each.stream, each.link) == (name, link):
                return each
        raise KeyError((name, link))

    def shifted(self, start_ns: int) -> WorldSeries:
        """Return the same world begun at `start_ns`."""
        by_ns = start_ns - self.start_ns
        return replace(self, start_ns=start_ns, streams=tuple(each.shifted(by_ns) for each in self.streams))

    def path_profile(self, link: str, base: PathProfile) -> PathProfile:
        """Return `base` with the outages that this world's radio gives `link`: failures and handover interruptions.

        Times count from the start of the world, so start the path and the world together.
        """
        radio = self.radio[link]
        edges = np.diff(radio.down.astype(np.int8), prepend=0, append=0)
        starts, ends = np.flatnonzero(edges > 0), np.flatnonzero(edges < 0)
        spans = [(start * TICK_S, (end - start) * TICK_S) for start, end in zip(starts, ends, strict=True)]
        spans += zip((radio.handover_tick * TICK_S).tolist(), radio.handover_s.tolist(), strict=True)
        outages = tuple(Outage(start_s=float(start), duration_s=float(length)) for start, length in sorted(spans))

        def with_outages(way: ImpairmentProfile) -> ImpairmentProfile:
            return msgspec.structs.replace(way, outages=way.outages + outages)

        return msgspec.structs.replace(base, up=with_outages(base.up), down=with_outages(base.down))

    def write_truth(self, folder: Path) -> list[Path]:
        """Write what really was into `folder` and return the files.

        `truth-vehicle.csv` and `truth-radio-<link>.csv` have one line a tick; `truth-events.ndjson` one object an
        event. Levels are true ones, without measurement error. Raises OSError if a file cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        t_ns = self.start_ns + _tick_ns(len(self.motion.along_m))
        latitude, longitude = self._place()
        table = {
            "t_ns": t_ns,
            "along_m": self.motion.along_m.round(3),
            "lat_deg": latitude.round(8),
            "lon_deg": longitude.round(8),
            "speed_mps": self.motion.speed_mps.round(4),
            "first_link_carries_video": self.serves_video.astype(np.int64),
        }
        written = [_write_csv(folder / "truth-vehicle.csv", table)]
        for link, radio in self.radio.items():
            pci = np.array([cell.pci for cell in radio.system.cells])
            table = {
                "t_ns": t_ns,
                "pci": pci[radio.serving],
                "rsrp_dbm": radio.rsrp_dbm.round(3),
                "sinr_db": radio.sinr_db.round(3),
                "down": radio.down.astype(np.int64),
            }
            written.append(_write_csv(folder / f"truth-radio-{link}.csv", table))
        events = folder / "truth-events.ndjson"
        lines = [
            json.dumps({"t_ns": self.start_ns + round(event.time_s * 1e9)} | event._asdict()) for event in self.events
        ]
        events.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        return [*written, events]

    def _place(self) -> tuple[Floats, Floats]:
        east_m = self.route.at(self.route.east_m, self.motion.along_m)
        return to_geodetic(east_m, self.route.at(self.route.north_m, self.motion.along_m))


class World:
    """A vehicle on its route with two links: `links` names the local 5G and the carrier's LTE, in this order."""

    def __init__(
        self,
        seed: int,
        *,
        links: Sequence[str] = ("l5g", "lte"),
        position_hz: float = 5.0,
        mrm_per_leg: float = 0.25,
    ) -> None:
        """Keep the parameters; raise ValueError for a bad link name or position rate."""
        if len(links) != 2 or len(set(links)) != 2:  # noqa: PLR2004 - two radio systems
            raise ValueError("the world has two links: name the local 5G and the carrier's LTE")
        ticks = 1.0 / (position_hz * TICK_S)
        if position_hz <= 0.0 or ticks < 1.0 or ticks != round(ticks):
            raise ValueError("position_hz must divide 10: 1, 2, 5 or 10")
        self.links = tuple(check_name("link", link) for link in links)
        self.position_ticks = round(ticks)
        self.seed = seed
        self.mrm_per_leg = mrm_per_leg
        self.route = build_route()

    def series(self, duration_s: float, start_ns: int) -> WorldSeries:
        """Return everything that happens in `duration_s` from `start_ns` (Unix time) on. One hour takes 0.15 s."""
        seeds = np.random.SeedSequence(self.seed).spawn(7 + len(CAMERAS))
        rngs = [np.random.default_rng(each) for each in seeds]
        drive_rng, vehicle_rng, position_rng, report_rng = rngs[:4]
        drive = plan_drive(drive_rng, self.route, duration_s, mrm_per_leg=self.mrm_per_leg)
        time_s = np.arange(round(duration_s / TICK_S), dtype=np.float64) * TICK_S
        motion = drive.at(time_s)
        radio = {
            link: simulate_radio(rng, system, self.route, motion.along_m, TICK_S)
            for link, system, rng in zip(self.links, (LOCAL_5G, CARRIER_LTE), rngs[4:6], strict=True)
        }
        first = radio[self.links[0]]
        serves_video = choose_link(np.where(first.down, -30.0, first.reported_sinr_db), TICK_S)
        t_ns = start_ns + _tick_ns(len(time_s))
        vehicle, position = slice(None, None, VEHICLE_TICKS), slice(None, None, self.position_ticks)
        positions = position_columns(position_rng, self.route, motion.every(position), TICK_S * self.position_ticks)
        streams = [
            StreamSeries("position", "", t_ns[position], positions),
            StreamSeries(
                "vehicle",
                "",
                t_ns[vehicle],
                vehicle_columns(vehicle_rng, drive, self.route, time_s[vehicle], motion.every(vehicle)),
            ),
        ]
        for link, series in radio.items():
            columns = radio_columns(report_rng, series, slice(None, None, RADIO_TICKS))
            streams.append(StreamSeries("radio", link, t_ns[::RADIO_TICKS], columns))
        streams += self._video(rngs[6:], radio, serves_video, t_ns)
        happened = vehicle_events(drive) + radio_events(radio, TICK_S) + _switch_events(self.links, serves_video)
        events = tuple(sorted((event for event in happened if event.time_s < duration_s), key=itemgetter(0, 1, 2)))
        streams += [_event_series(link, events, start_ns) for link in ("", *self.links)]
        return WorldSeries(start_ns, tuple(streams), self.route, drive, motion, radio, serves_video, events)

    def _video(
        self,
        rngs: Sequence[np.random.Generator],
        radio: dict[str, RadioSeries],
        serves_video: NDArray[np.bool_],
        t_ns: NDArray[np.int64],
    ) -> list[StreamSeries]:
        """Return the video streams: per camera and link the intervals in which that link carried the video."""
        n = len(serves_video) // VIDEO_TICKS
        first = serves_video[: n * VIDEO_TICKS : VIDEO_TICKS]
        end_ns = t_ns[: n * VIDEO_TICKS : VIDEO_TICKS] + round(VIDEO_TICKS * TICK_S * 1e9)
        switch_s = np.where(np.diff(first, prepend=first[:1]), rngs[-1].uniform(*SWITCH_S, size=n), 0.0)
        series = []
        for link, network_us in zip(self.links, _NETWORK_US, strict=True):
            mine = first if link == self.links[0] else ~first
            conditions = _conditions(radio[link], switch_s, network_us)
            merged: list[dict[str, NDArray[Any]]] = []
            for camera, rng in zip(CAMERAS, rngs, strict=False):
                columns = camera_columns(rng, camera, conditions, VIDEO_TICKS * TICK_S)
                merged.append({name: values[mine] for name, values in columns.items()})
            times = np.tile(end_ns[mine], len(CAMERAS))
            order = np.argsort(times, kind="stable")
            joined = {name: np.concatenate([each[name] for each in merged])[order] for name in merged[0]}
            series.append(StreamSeries("video", link, times[order], joined))
        return series


def _conditions(radio: RadioSeries, switch_s: Floats, network_us: float) -> LinkConditions:
    """Return the link's conditions per video interval; `switch_s` is what moving the video cost in each."""
    n = len(switch_s)
    lost = np.where(radio.down, TICK_S, 0.0)
    np.add.at(lost, radio.handover_tick, radio.handover_s)

    def per_interval(values: Floats) -> Floats:
        return values[: n * VIDEO_TICKS].reshape(n, VIDEO_TICKS)

    return LinkConditions(
        sinr_db=per_interval(radio.sinr_db).mean(axis=1),
        capacity_bps=per_interval(uplink_capacity_bps(radio)).mean(axis=1),
        lost_s=np.minimum(per_interval(lost).sum(axis=1) + switch_s, VIDEO_TICKS * TICK_S),
        network_us=network_us,
    )


def _switch_events(links: Sequence[str], first_serves: NDArray[np.bool_]) -> list[Event]:
    events = []
    for tick in (np.flatnonzero(np.diff(first_serves)) + 1).tolist():
        link = links[0] if first_serves[tick] else links[1]
        text = f"Video moved to link {link}"
        events.append(Event(round(tick * TICK_S, 3), "", "video.switch", "info", text, {"link": link}))
    return events


def _event_series(link: str, events: Sequence[Event], start_ns: int) -> StreamSeries:
    mine = [event for event in events if event.link == link]
    columns: dict[str, NDArray[Any]] = {
        "name": texts([event.name for event in mine]),
        "severity": texts([event.severity for event in mine]),
        "message": texts([event.message for event in mine]),
        "detail": texts([json.dumps(event.detail) for event in mine]),
    }
    times = np.array([start_ns + round(event.time_s * 1e9) for event in mine], dtype=np.int64)
    return StreamSeries("event", link, times, columns)


def _tick_ns(n: int) -> NDArray[np.int64]:
    return np.arange(n, dtype=np.int64) * round(TICK_S * 1e9)


def _write_csv(path: Path, table: dict[str, NDArray[Any]]) -> Path:
    rows = zip(*(column.tolist() for column in table.values()), strict=True)
    text = ",".join(table) + "\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)
    path.write_text(text, encoding="ascii")
    return path
