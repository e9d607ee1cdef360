"""A double of gpsd: its JSON protocol over TCP (gpsd_json(5)), saying where the simulated vehicle is.

VERSION on connection; after `?WATCH={"enable":true,"json":true}` a TPV object per fix and a SKY object a second.
Units as gpsd has them: speed m/s, track degrees from true north, eph m, times ISO 8601 with Z. Without a fix
(mode 1) a TPV has no position.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from contract.samples import Value
from simulators.gnss import NO_FIX
from simulators.line_server import Client, LineServer
from simulators.series import StreamSeries

DEVICE = "/dev/ttyACM0"
"""What the double calls its receiver."""

_RELEASE = {"release": "3.22", "rev": "3.22", "proto_major": 3, "proto_minor": 14}
_GEOID_M = 40.1  # height of the geoid over the ellipsoid in the Kanto plain
_NS = 1_000_000_000
_GPS, _QZSS = 0, 5  # gnssid
_IN_VIEW = 18


class GpsdDouble:
    """Plays a `position` series as gpsd would. Several clients at once; each must enable its own watch."""

    def __init__(self, position: StreamSeries, *, host: str = "127.0.0.1", port: int = 0, speed: float = 1.0) -> None:
        """Prepare to play `position` (a series of the stream of that name); nothing is opened before `start`."""
        self._position = position
        self._last: dict[str, dict[str, Any]] = {}
        self._activated_ns = 0
        self._server = LineServer(
            self._timeline,
            host=host,
            port=port,
            speed=speed,
            greeting=_line({"class": "VERSION", **_RELEASE}),
            listens_at_once=False,
            answer=self._answer,
        )

    async def start(self, start_ns: int | None = None) -> int:
        """Open the port and return it; the fix of time t is said at t, the series begins at `start_ns` (default now).

        A default start moves the series to now. Raises OSError if the port cannot be opened.
        """
        if start_ns is None:
            start_ns = time.time_ns()
            self._position = self._position.shifted(start_ns - int(self._position.t_ns[0]))
        self._activated_ns = start_ns
        return await self._server.start(start_ns)

    async def stop(self) -> None:
        """Close the port and all connections."""
        await self._server.stop()

    def _timeline(self) -> Iterator[tuple[int, bytes]]:
        sky_second = -1
        for t_ns, sample in self._position.rows():
            if t_ns // _NS != sky_second:
                sky_second = t_ns // _NS
                self._last["SKY"] = sky_report(t_ns, sample)
                yield t_ns, _line(self._last["SKY"])
            self._last["TPV"] = tpv_report(t_ns, sample)
            yield t_ns, _line(self._last["TPV"])

    def _answer(self, client: Client, command: str) -> bytes:
        name, _, argument = command.partition("=")
        if name == "?VERSION":
            return _line({"class": "VERSION", **_RELEASE})
        if name == "?DEVICES":
            return _line(self._devices())
        if name == "?POLL":
            found = {key.lower(): [self._last[key]] if key in self._last else [] for key in ("TPV", "SKY")}
            return _line({"class": "POLL", "time": _iso(time.time_ns()), "active": 1, "gst": [], **found})
        if name == "?WATCH":
            return self._watch(client, argument)
        return _line({"class": "ERROR", "message": f"Unrecognized request '{command}'"})

    def _watch(self, client: Client, argument: str) -> bytes:
        try:
            wish = json.loads(argument) if argument else {}
        except ValueError:
            wish = None
        if not isinstance(wish, dict):
            return _line({"class": "ERROR", "message": "Invalid WATCH"})
        if wish:
            client.listens = bool(wish.get("enable", True)) and bool(wish.get("json", client.listens))
        state = {"class": "WATCH", "enable": client.listens, "json": client.listens, "nmea": False, "raw": 0}
        state |= {"scaled": False, "timing": False, "split24": False, "pps": False}
        return (_line(self._devices()) if wish and client.listens else b"") + _line(state)

    def _devices(self) -> dict[str, Any]:
        device = {"class": "DEVICE", "path": DEVICE, "driver": "u-blox", "activated": _iso(self._activated_ns)}
        return {"class": "DEVICES", "devices": [device | {"flags": 1, "native": 1, "bps": 115200, "cycle": 0.2}]}


def tpv_report(t_ns: int, sample: Mapping[str, Value]) -> dict[str, Any]:
    """Return the time-position-velocity object of one fix; values that are not known are left out, as gpsd does."""
    report: dict[str, Any] = {"class": "TPV", "device": DEVICE, "mode": sample["mode"], "time": _iso(t_ns)}
    if sample["mode"] == NO_FIX:
        return report
    height = sample["alt_m"]
    error = sample["err_m"]
    assert isinstance(error, float)
    if isinstance(height, float):
        report |= {"altHAE": round(height + _GEOID_M, 3), "altMSL": height, "alt": height}
        report |= {"epv": round(1.7 * error, 2), "geoidSep": _GEOID_M}
    return report | {
        "ept": 0.005,
        "leapseconds": 18,
        "lat": sample["lat_deg"],
        "lon": sample["lon_deg"],
        "track": sample["heading_deg"],
        "speed": sample["speed_mps"],
        "epx": round(0.7 * error, 2),
        "epy": round(0.7 * error, 2),
        "eps": 0.2,
        "eph": error,
    }


def sky_report(t_ns: int, sample: Mapping[str, Value]) -> dict[str, Any]:
    """Return the sky object: a made-up constellation that drifts by 15 degrees an hour, the highest ones in use."""
    used = sample["satellites"]
    assert isinstance(used, int)
    hours = t_ns / (3600 * _NS)
    satellites = []
    for number in range(_IN_VIEW):
        system = _QZSS if number < 3 else _GPS  # noqa: PLR2004 - three quasi-zenith satellites over Japan
        satellites.append(
            {
                "PRN": 193 + number if system == _QZSS else number,
                "gnssid": system,
                "svid": 1 + number if system == _QZSS else number,
                "az": round((number * 137.5 + 15.0 * hours) % 360.0, 1),
                "el": round(82.0 - 4.3 * number, 1),
                "ss": round(47.0 - 1.2 * number, 1),
                "used": number < used,
            }
        )
    dilution = {"xdop": 0.55, "ydop": 0.6, "vdop": 1.1, "tdop": 0.7, "hdop": 0.8, "gdop": 1.6, "pdop": 1.4}
    head = {"class": "SKY", "device": DEVICE, "time": _iso(t_ns)}
    return head | dilution | {"nSat": _IN_VIEW, "uSat": min(used, _IN_VIEW), "satellites": satellites}


def _iso(t_ns: int) -> str:
    seconds, rest_ns = divmod(t_ns, _NS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest_ns // 1_000_000:03d}Z"


def _line(report: dict[str, Any]) -> bytes:
    return json.dumps(report, separators=(",", ":"), allow_nan=False).encode() + b"\r\n"
