"""gpsd's reports as `position` samples (gpsd_json(5)). Pure: the caller gives the time of arrival.

A fix is reported several times while its parts come in; the first report of a moment counts, and what repeats it or
goes back in time is dropped and counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from contract.samples import Value

NO_FIX, FIX_2D = 1, 2
"""TPV modes: below 2 there is no position, whatever else the report says."""

UNTIMED_EVERY_NS = 900_000_000
"""A receiver without a fix repeats its untimed report about five times a second (a Quectel EG25-G does): one a second
is enough to see that there is no fix."""

STALE_BEFORE_BELIEF = 10
"""So many fixes in a row from before the last one are a receiver that was reset or had a wrong date, not old news."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class _Satellite(msgspec.Struct, frozen=True):
    used: bool = False


class Report(msgspec.Struct, frozen=True, rename={"kind": "class", "used_count": "uSat"}):
    """The fields of any report that matter here. Others, and fields of other classes, are passed over."""

    kind: str
    device: str = ""
    time: str | None = None
    mode: int = 0
    lat: float | None = None
    lon: float | None = None
    altMSL: float | None = None  # noqa: N815 - gpsd's name
    altHAE: float | None = None  # noqa: N815 - gpsd's name
    speed: float | None = None
    track: float | None = None
    eph: float | None = None
    used_count: int | None = None
    satellites: tuple[_Satellite, ...] | None = None


_decode = msgspec.json.Decoder(Report).decode


def read_report(line: bytes) -> Report | None:
    """Return the report in a line; None for a raw sentence, which gpsd sends when another client asked for it.

    Raises ValueError if a line that begins like JSON is no report.
    """
    if not line.lstrip().startswith(b"{"):
        return None
    return _decode(line)


class Position(NamedTuple):
    """A sample for the stream `position`."""

    t_ns: int
    sample: dict[str, Value]


@dataclass(slots=True)
class ReportCounts:
    """What was not passed on: repeated moments, moments before the last one, and untimed reports in quick succession.

    `time_jumps` counts how often time going back was believed.
    """

    repeated: int = 0
    stale: int = 0
    untimed: int = 0
    time_jumps: int = 0


class Reports:
    """Turns the reports of one receiver into positions."""

    def __init__(self) -> None:
        """Begin with nothing known."""
        self.counts = ReportCounts()
        self._satellites: int | None = None
        self._last_ns: int | None = None
        self._stale_run = 0
        self._said_ns: int | None = None
        self._had_fix = False

    def take(self, report: Report, arrived_ns: int) -> Position | None:
        """Return the position that a report gives, or None. Raises ValueError for a time that cannot be read."""
        if report.kind == "SKY":
            self._satellites = _satellites_used(report, self._satellites)
        if report.kind != "TPV":
            return None
        has_fix = report.mode >= FIX_2D
        if report.time is None:
            t_ns = arrived_ns
            if self._said_ns is not None and has_fix == self._had_fix and arrived_ns - self._said_ns < UNTIMED_EVERY_NS:
                self.counts.untimed += 1
                return None
        else:
            t_ns = _unix_ns(report.time)
            if not self._is_news(t_ns):
                return None
        self._said_ns, self._had_fix = arrived_ns, has_fix
        return Position(t_ns, _sample(report, self._satellites))

    def _is_news(self, t_ns: int) -> bool:
        last_ns = self._last_ns
        if last_ns is not None and t_ns == last_ns:
            self.counts.repeated += 1
            return False
        if last_ns is not None and t_ns < last_ns:
            self._stale_run += 1
            if self._stale_run < STALE_BEFORE_BELIEF:
                self.counts.stale += 1
                return False
            self.counts.time_jumps += 1
        self._last_ns, self._stale_run = t_ns, 0
        return True


def _sample(report: Report, satellites: int | None) -> dict[str, Value]:
    mode = report.mode if report.mode in {0, NO_FIX, FIX_2D, 3} else 0
    sample: dict[str, Value] = {"mode": mode, "satellites": satellites}
    if mode < FIX_2D:
        return sample
    return sample | {
        "lat_deg": report.lat,
        "lon_deg": report.lon,
        "alt_m": report.altHAE if report.altMSL is None else report.altMSL,
        "speed_mps": report.speed,
        "heading_deg": report.track,
        "err_m": report.eph,
    }


def _satellites_used(report: Report, known: int | None) -> int | None:
    """Return how many satellites are in use; `known` if this report does not say (some only hold dilutions)."""
    if report.used_count is not None:
        return report.used_count
    if report.satellites is not None:
        return sum(satellite.used for satellite in report.satellites)
    return known


def _unix_ns(text: str) -> int:
    """Return an ISO 8601 time in nanoseconds since the Unix epoch, to the microsecond. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"time {text!r} has no time zone")
    return (moment - _EPOCH) // _MICROSECOND * 1000
