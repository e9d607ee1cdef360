"""The outages of a link one by one, with where the vehicle was and what the radio said just before. Pure.

When they begin and end is `analytics.availability`'s; here each is given its packets and its surroundings. Surroundings
are taken at the first packet that did not arrive in time, which is the deadline and the survival time before the
outage begins: in 1.2 s at 40 km/h a vehicle has left the place by 13 m.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.availability import Availability
from analytics.probes import ProbeArrays, Values
from analytics.spans import Spans

NEAR_US = 10_000_000
"""Place, speed and radio are sampled about once a second; what is older than ten seconds is not "just before"."""

CELL_US = 60_000_000
"""A cell is told again only when the modem is back, which takes longer than the radio link."""

Times = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Track:
    """Samples in the order of time: `t_us` and columns by name, NaN where null."""

    t_us: Times = field(default_factory=lambda: np.empty(0, np.int64))
    columns: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)

    def before(self, name: str, at_us: int, within_us: int) -> float | None:
        """Return the last value of a column at or before an instant, if it is not older than `within_us`."""
        return self._nearest(name, self.t_us <= at_us, -1, at_us, within_us)

    def after(self, name: str, at_us: int, within_us: int) -> float | None:
        """Return the first value of a column at or after an instant, if it is not later than `within_us`."""
        return self._nearest(name, self.t_us >= at_us, 0, at_us, within_us)

    def _nearest(self, name: str, side: npt.NDArray[np.bool_], which: int, at_us: int, within_us: int) -> float | None:
        if name not in self.columns:
            return None
        rows = np.flatnonzero(side & (np.abs(self.t_us - at_us) <= within_us) & ~np.isnan(self.columns[name]))
        return float(self.columns[name][rows[which]]) if rows.size else None


def track(columns: Mapping[str, Values]) -> Track:
    """Make a track from columns as the reader gives them; "t_us" is the time."""
    values = {}
    for name, column in columns.items():
        if name != "t_us":
            values[name] = column.values.astype(np.float64)
            if column.valid is not None:
                values[name][~column.valid] = np.nan
    return Track(columns["t_us"].values, values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What was sampled beside the probes; a track without samples where a stream is absent."""

    position: Track = field(default_factory=Track)
    vehicle: Track = field(default_factory=Track)
    radio: Track = field(default_factory=Track)


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
    lat_deg: float | None
    lon_deg: float | None
    speed_mps: float | None
    rsrp_dbm: float | None
    sinr_db: float | None
    cell_before: Cell | None
    cell_after: Cell | None

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
        before = around.radio.before
        outages.append(
            Outage(
                failed_us=failed_us,
                start_us=start_us,
                end_us=end_us,
                failed=int(mine.size),
                lost=int(is_lost[mine].sum()),
                is_open=bool((found.window_end_us == end_us).any()),
                lat_deg=around.position.before("lat_deg", failed_us, NEAR_US),
                lon_deg=around.position.before("lon_deg", failed_us, NEAR_US),
                speed_mps=_speed(around, failed_us),
                rsrp_dbm=before("rsrp_dbm", failed_us, NEAR_US),
                sinr_db=before("sinr_db", failed_us, NEAR_US),
                cell_before=_cell(before("pci", failed_us, CELL_US), before("cell_id", failed_us, CELL_US)),
                cell_after=_cell(
                    around.radio.after("pci", end_us, CELL_US), around.radio.after("cell_id", end_us, CELL_US)
                ),
            )
        )
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


def list_joint_outages(  # noqa: PLR0917 - two links, what is asked of them, and what lay around
    links: Sequence[ProbeArrays], direction: str, windows: Spans, both: Spans, around: Surroundings, t_max_us: int
) -> list[Outage]:
    """Return the times in which both links were down, with the packets of both that failed in them.

    `windows` is the time observed on both, `both` the outages. Place and speed are those at the beginning; `failed_us`
    is the beginning itself, for each link failed at a moment of its own.
    """
    sent_us, is_lost, is_late = (
        np.concatenate(each)
        for each in zip(
            *((probes.t_us, probes.lost > 0, ~probes.delays[direction].valid | (probes.delays[direction].us > t_max_us))
              for probes in links), strict=True
        )
    )  # fmt: skip
    outages = []
    for start_us, end_us in zip(both[0].tolist(), both[1].tolist(), strict=True):
        inside = (sent_us >= start_us) & (sent_us < end_us)
        outages.append(
            Outage(
                failed_us=start_us, start_us=start_us, end_us=end_us, failed=int((inside & (is_lost | is_late)).sum()),
                lost=int((inside & is_lost).sum()), is_open=bool((windows[1] == end_us).any()),
                lat_deg=around.position.before("lat_deg", start_us, NEAR_US),
                lon_deg=around.position.before("lon_deg", start_us, NEAR_US), speed_mps=_speed(around, start_us),
                rsrp_dbm=None, sinr_db=None, cell_before=None, cell_after=None,
            )
        )  # fmt: skip
    return outages


def _speed(around: Surroundings, at_us: int) -> float | None:
    """Return the speed by GNSS, or what the vehicle says where there is none."""
    speed = around.position.before("speed_mps", at_us, NEAR_US)
    return around.vehicle.before("speed_mps", at_us, NEAR_US) if speed is None else speed


def _cell(pci: float | None, cell_id: float | None) -> Cell | None:
    if pci is None and cell_id is None:
        return None
    return Cell(pci=None if pci is None else int(pci), cell_id=None if cell_id is None else int(cell_id))
