"""The outages of a link one by one, with where the vehicle was and what the radio said just before. Pure.

When they begin and end is `analytics.availability`'s; here each is given its packets and its surroundings. Surroundings
are taken at the first packet that did not arrive in time, which is the deadline and the survival time before the
outage begins: in 1.2 s at 40 km/h a vehicle has left the place by 13 m.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from analytics.availability import Availability
from analytics.probes import ProbeArrays, Values
from analytics.results import Direction
from analytics.road import Chainage
from analytics.spans import Spans, overlaps

NEAR_US = 10_000_000
"""Place, speed and radio are sampled about once a second; what is older than ten seconds is not "just before"."""

CELL_US = 60_000_000
"""A cell is told again only when the modem is back, which takes longer than the radio link."""

Times = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Track:
    """Samples in the order of time: `t_us`, columns of numbers by name (NaN where null) and of texts (None)."""

    t_us: Times = field(default_factory=lambda: np.empty(0, np.int64))
    columns: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    texts: Mapping[str, npt.NDArray[np.object_]] = field(default_factory=dict)

    def before(self, name: str, at_us: int, within_us: int) -> float | None:
        """Return the last value of a column at or before an instant, if it is not older than `within_us`."""
        values = self._between(self.columns.get(name), at_us - within_us, at_us)
        known = values[~np.isnan(values)]
        return float(known[-1]) if known.size else None

    def after(self, name: str, at_us: int, within_us: int) -> float | None:
        """Return the first value of a column at or after an instant, if it is not later than `within_us`."""
        values = self._between(self.columns.get(name), at_us, at_us + within_us)
        known = values[~np.isnan(values)]
        return float(known[0]) if known.size else None

    def text_before(self, name: str, at_us: int, within_us: int) -> str | None:
        """Return the last text of a column at or before an instant, if it is not older than `within_us`."""
        values = self._between(self.texts.get(name), at_us - within_us, at_us)
        return next((str(value) for value in reversed(values.tolist()) if value is not None), None)

    def _between(self, values: npt.NDArray[Any] | None, start_us: int, end_us: int) -> npt.NDArray[Any]:
        if values is None:
            return np.empty(0)
        return values[np.searchsorted(self.t_us, start_us) : np.searchsorted(self.t_us, end_us, side="right")]


def track(columns: Mapping[str, Values]) -> Track:
    """Make a track from columns as the reader gives them; "t_us" is the time."""
    values, texts = {}, {}
    for name, column in columns.items():
        if name == "t_us":
            continue
        if column.values.dtype == np.object_:
            texts[name] = column.values.copy()
            if column.valid is not None:
                texts[name][~column.valid] = None
            continue
        values[name] = column.values.astype(np.float64)
        if column.valid is not None:
            values[name][~column.valid] = np.nan
    return Track(columns["t_us"].values, values, texts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What was sampled beside the probes; a track without samples where a stream is absent."""

    position: Track = field(default_factory=Track)
    vehicle: Track = field(default_factory=Track)
    radio: Track = field(default_factory=Track)
    road: Chainage | None = None

    def road_m(self, at_us: int) -> float | None:
        """Return the metres along the road that the run drove (キロ程); None where the place is not known."""
        if self.road is None:
            return None
        along_m = float(self.road.at(np.array([at_us], np.int64))[0])
        return None if np.isnan(along_m) else along_m


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A serving cell as far as the modem named it."""

    pci: int | None
    cell_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """One outage. Times in Unix microseconds; `failed_us` is when the first packet that failed was sent.

    `failed` packets did not arrive in time from then to the end; `lost` of them never did. `is_open`: no timely packet
    came before the measurement ended or paused, so the end is that of what was observed. None where not sampled.
    """

    failed_us: int
    start_us: int
    end_us: int
    failed: int
    lost: int
    is_open: bool
    lat_deg: float | None = None
    lon_deg: float | None = None
    road_m: float | None = None
    speed_mps: float | None = None
    drive_mode: str | None = None
    mrm_state: str | None = None
    rsrp_dbm: float | None = None
    rsrq_db: float | None = None
    sinr_db: float | None = None
    cell_before: Cell | None = None
    cell_after: Cell | None = None

    @property
    def duration_s(self) -> float:
        """How long the service was down."""
        return (self.end_us - self.start_us) / 1e6


def list_outages(
    probes: ProbeArrays, direction: str, found: Availability, around: Surroundings, *, t_max_us: int, survival_us: int
) -> list[Outage]:
    """Return the outages that `availability` found, in the order of time, with the same bounds as were given to it."""
    order = np.argsort(probes.t_us, kind="stable")
    sent_us, delay = probes.t_us[order], probes.delays[direction]
    session, is_lost = probes.session[order], probes.lost[order] > 0
    is_timely = (delay.valid & (delay.us <= t_max_us))[order] & ~is_lost
    outages = []
    for start_us, end_us in zip(found.start_us.tolist(), found.end_us.tolist(), strict=True):
        first = _first_failed(sent_us, session, is_timely, start_us - survival_us - t_max_us)
        failed_us = int(sent_us[first])
        # Failures of that sender up to its next timely packet; what was sent after the end is of another segment.
        stop = int(np.searchsorted(sent_us, end_us))
        mine = np.flatnonzero(session[first:stop] == session[first]) + first
        restored = np.flatnonzero(is_timely[mine])
        mine = mine[: int(restored[0])] if restored.size else mine
        outages.append(
            outage(
                OutageTimes(failed_us, start_us, end_us), failed=int(mine.size), lost=int(is_lost[mine].sum()),
                is_open=bool((found.window_end_us == end_us).any()), around=around,
            )
        )  # fmt: skip
    return outages


def _first_failed(
    sent_us: npt.NDArray[np.int64], session: npt.NDArray[Any], is_timely: npt.NDArray[np.bool_], failed_us: int
) -> int:
    """Return the place of the packet whose failure began an outage, sent at `failed_us`.

    Where several senders overlap, the service goes down with the last of them, or when the last one that was up stops:
    then it is the first of the failures that a sender was in by then, of the sender that got into them last.
    """
    first = int(np.searchsorted(sent_us, failed_us))
    if first < sent_us.size and sent_us[first] == failed_us and not is_timely[first]:
        return first
    begun = []
    for sender in np.unique(session):
        rows = np.flatnonzero((session == sender) & (sent_us <= failed_us))
        good = np.flatnonzero(is_timely[rows])
        begun += rows[int(good[-1]) + 1 if good.size else 0 :][:1].tolist()
    return max(begun, default=min(first, sent_us.size - 1))


def joint(found: Sequence[Availability]) -> tuple[Spans, Spans]:
    """Return the time in which both of two links were observed, and that in which both were down."""
    windows = overlaps(*((each.window_start_us, each.window_end_us) for each in found))
    return windows, overlaps(*(overlaps((each.start_us, each.end_us), windows) for each in found))


class SpanFailures:
    """Counts the packets of one link that failed in some stretches of time, chunk by chunk."""

    def __init__(self, spans: Spans, direction: str, t_max_us: int) -> None:
        """`spans` are sorted and do not overlap."""
        self._spans, self._direction, self._t_max_us = spans, direction, t_max_us
        self.failed, self.lost = (np.zeros(spans[0].size, np.int64) for _ in range(2))

    def add(self, probes: ProbeArrays) -> None:
        """Add the next packets, in any order."""
        starts_us, ends_us = self._spans
        place = np.searchsorted(starts_us, probes.t_us, side="right") - 1
        rows = np.flatnonzero((place >= 0) & (probes.t_us < ends_us[place]))
        place, is_lost, delay = place[rows], probes.lost[rows] > 0, probes.delays[self._direction]
        is_late = ~delay.valid[rows] | (delay.us[rows] > self._t_max_us)
        self.failed += np.bincount(place[is_lost | is_late], minlength=starts_us.size)
        self.lost += np.bincount(place[is_lost], minlength=starts_us.size)


def joint_outages(windows: Spans, both: Spans, failures: Sequence[SpanFailures], around: Surroundings) -> list[Outage]:
    """Return the times in which both links were down, with the packets of both that failed in them.

    `windows` is the time observed on both, `both` the outages. Place and vehicle are those at the beginning;
    `failed_us` is the beginning itself, for each link failed at a moment of its own.
    """
    return [
        outage(
            OutageTimes(start_us, start_us, end_us), failed=int(sum(each.failed[place] for each in failures)),
            lost=int(sum(each.lost[place] for each in failures)), is_open=bool((windows[1] == end_us).any()),
            around=around,
        )
        for place, (start_us, end_us) in enumerate(zip(both[0].tolist(), both[1].tolist(), strict=True))
    ]  # fmt: skip


class OutageTimes(NamedTuple):
    """When the first packet that failed was sent, and start and end of an outage, in Unix microseconds."""

    failed_us: int
    start_us: int
    end_us: int


def outage(times: OutageTimes, *, failed: int, lost: int, is_open: bool, around: Surroundings) -> Outage:
    """Return an outage with what lay around it, as it was at the first packet that failed."""
    at_us, position, vehicle, radio = times.failed_us, around.position, around.vehicle, around.radio
    return Outage(
        failed_us=at_us, start_us=times.start_us, end_us=times.end_us, failed=failed, lost=lost, is_open=is_open,
        lat_deg=position.before("lat_deg", at_us, NEAR_US), lon_deg=position.before("lon_deg", at_us, NEAR_US),
        road_m=around.road_m(at_us), speed_mps=_speed(around, at_us),
        drive_mode=vehicle.text_before("drive_mode", at_us, NEAR_US),
        mrm_state=vehicle.text_before("mrm_state", at_us, NEAR_US),
        rsrp_dbm=radio.before("rsrp_dbm", at_us, NEAR_US), rsrq_db=radio.before("rsrq_db", at_us, NEAR_US),
        sinr_db=radio.before("sinr_db", at_us, NEAR_US),
        cell_before=_cell(*(radio.before(name, at_us, CELL_US) for name in ("pci", "cell_id"))),
        cell_after=_cell(*(radio.after(name, times.end_us, CELL_US) for name in ("pci", "cell_id"))),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkOutages:
    """The outages of one link, or of two at once ("l5g+lte"), in the direction and by the bounds of its availability.

    `reason` says why nothing could be observed, or qualifies what was; `excluded` says what is left out, `filter` which
    packets count as lost.
    """

    device: str
    link: str
    direction: Direction
    t_max_ms: float
    survival_ms: float
    observed_s: float
    outages: Sequence[Outage]
    reason: str = ""
    excluded: str = ""
    filter: str = ""


def _speed(around: Surroundings, at_us: int) -> float | None:
    """Return the speed by GNSS, or what the vehicle says where there is none."""
    speed = around.position.before("speed_mps", at_us, NEAR_US)
    return around.vehicle.before("speed_mps", at_us, NEAR_US) if speed is None else speed


def _cell(pci: float | None, cell_id: float | None) -> Cell | None:
    if pci is None and cell_id is None:
        return None
    return Cell(pci=None if pci is None else int(pci), cell_id=None if cell_id is None else int(cell_id))
