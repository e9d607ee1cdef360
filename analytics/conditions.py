"""How delay and loss of a link depend on radio quality, speed and cell: one row for each class. Pure.

A class is a range of what was measured next to the packet, or a serving cell. Packets without a measurement nearby are
a class of their own, so that the rows of one condition add up to all packets: what was sent in a tunnel, where the
modem says nothing, must not vanish from the table.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from analytics.class_tally import CLASS_SUMS, DelayTally, HitTally, PacketFeed, Packets, Places, grouped
from analytics.clock import NO_RECORD, ClockQuality
from analytics.probes import ProbeArrays
from analytics.requirements import NO_REQUIREMENTS, Profile
from analytics.results import Direction
from analytics.series import NEAR_US, Floats, Series, Times, near_values, nearest
from analytics.serving import ServingCells, serving_cells
from analytics.statistics import Histogram, Interval, proportion_interval, quantile_interval, rank, share_of
from analytics.track import Track, places

Basis = Literal["rsrp_dbm", "sinr_db", "speed_mps", "cell"]
_KMH = 3.6
STANDING_MPS = 0.5
EDGES: dict[Basis, tuple[float, ...]] = {
    "rsrp_dbm": (-math.inf, -120.0, -110.0, -100.0, -90.0, -80.0, math.inf),
    "sinr_db": (-math.inf, 0.0, 5.0, 10.0, 15.0, 20.0, math.inf),
    # Standing, and the speeds at which Level 4 services are permitted: 12, 20, 35 and 50 km/h.
    "speed_mps": (0.0, STANDING_MPS, 12 / _KMH, 20 / _KMH, 35 / _KMH, 50 / _KMH, math.inf),
}
"""Classes: low <= value < high."""
NOT_NEAR = "近くに測定値なし / nothing measured nearby"
_ABSENT = "欠番のため損失率は不明 / absent numbers: the loss ratio is not known"
_LOST = "分位が損失に当たる / a quantile lies among lost packets"
_QUANTILES = ("p50", "p95", "p99")
_UNKNOWN = -2
"""Instead of the number of a class: nothing was measured nearby."""


class ConditionRow(msgspec.Struct, frozen=True, kw_only=True):
    """Packets sent under one condition: `low` <= value < `high` (None: open), or the serving cell `cell`.

    A row with neither holds the packets without a measurement nearby. Quantiles in ms run over all packets of the row,
    a lost one infinite (None: among the lost); every figure has its 95 % interval, None where it is not bounded.
    `n_eff` is what the packets are worth for the loss ratio.
    """

    basis: Basis
    low: float | None = None
    high: float | None = None
    cell: str = ""
    n: int
    n_eff: int
    loss: float | None
    loss_low: float | None
    loss_high: float | None
    p50_ms: float | None
    p50_low_ms: float | None
    p50_high_ms: float | None
    p95_ms: float | None
    p95_low_ms: float | None
    p95_high_ms: float | None
    p99_ms: float | None
    p99_low_ms: float | None
    p99_high_ms: float | None
    reason: str = ""


class LinkConditions(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of one link; `direction` says whose delays they give: round trips where there are any.

    `filter` says which packets count as lost, and what is left out beside excluded intervals.
    """

    device: str
    link: str
    direction: Direction
    rows: list[ConditionRow]
    filter: str = ""


def by_condition(
    probes: ProbeArrays, radio: Series | None, path: Track | None, vehicle: Series | None = None, *,
    profile: Profile = NO_REQUIREMENTS, clock: ClockQuality = NO_RECORD,
) -> tuple[Direction, list[ConditionRow]]:  # fmt: skip
    """Return the rows of a link, and the direction of their delays; a condition that was never measured has no rows.

    The speed is that of GNSS, or the vehicle's own where there is none. Packets later than the waiting time of the
    `profile`, if it has one, are lost.
    """
    scan = ConditionScan(radio, path, vehicle, profile=profile, clock=clock)
    scan.add(probes)
    return scan.result()


class ConditionScan:
    """Reads the packets of one link chunk by chunk, in order of sending, and keeps counts of each class."""

    def __init__(
        self, radio: Series | None, path: Track | None, vehicle: Series | None = None, *,
        profile: Profile = NO_REQUIREMENTS, clock: ClockQuality = NO_RECORD,
    ) -> None:  # fmt: skip
        """`radio`, `path` and `vehicle` are those of the whole run."""
        self._radio, self._path, self._vehicle = radio, path, vehicle
        self._feed = PacketFeed(profile, clock)
        self._cells = [] if radio is None else serving_cells(radio)
        self._names: list[str] = []
        self._codes = [self._coded(each) for each in self._cells]
        self._classes: dict[tuple[Basis, int], _Class] = {}

    @property
    def n(self) -> int:
        """Packets so far."""
        return self._feed.n

    def add(self, probes: ProbeArrays) -> None:
        """Add the next packets."""
        packets = self._feed.take(probes)
        if not packets.t_us.size:
            return
        levels: dict[Basis, Floats] = {
            "rsrp_dbm": near_values(self._radio, "rsrp_dbm", packets.t_us),
            "sinr_db": near_values(self._radio, "sinr_db", packets.t_us),
            "speed_mps": _speed(self._path, self._vehicle, packets.t_us),
        }
        for basis, values in levels.items():
            numbers = np.searchsorted(EDGES[basis], values, side="right") - 1
            self._add_classes(basis, np.where(np.isfinite(values), numbers, _UNKNOWN), packets)
        if self._cells:
            self._add_classes("cell", self._cell_numbers(packets.t_us), packets)

    def _add_classes(self, basis: Basis, numbers: npt.NDArray[np.int64], packets: Packets) -> None:
        for number, rows in grouped(numbers):
            mine = self._classes.get((basis, number))
            if mine is None:
                mine = self._classes[basis, number] = _Class()
            mine.add(packets, rows, self._feed.directions)

    def _coded(self, serving: ServingCells) -> npt.NDArray[np.int64]:
        """Return the number of the cell of each sample of one technology."""
        label = f"{serving.rat} " if len(self._cells) > 1 else ""
        known, places = np.unique(serving.cells.astype(str), return_inverse=True)
        first = len(self._names)
        self._names += [label + cell for cell in known.tolist()]
        return np.asarray(places + first, np.int64)

    def _cell_numbers(self, t_us: Times) -> npt.NDArray[np.int64]:
        """Return the number of the serving cell of each packet.

        Where an anchor serves beside NR, the packet is told by the cell of NR, and by the anchor's where NR has none.
        """
        numbers = np.full(t_us.size, _UNKNOWN, np.int64)
        for serving, codes in zip(self._cells, self._codes, strict=True):
            place, is_near = nearest(serving.t_us, t_us, NEAR_US)
            mine = is_near & (numbers == _UNKNOWN)
            numbers[mine] = codes[place[mine]]
        return numbers

    @property
    def waiting_words(self) -> str:
        """Say from when on packets count as lost; nothing without a waiting time."""
        return self._feed.waiting_words

    def result(self) -> tuple[Direction, list[ConditionRow]]:
        """Return the direction of the delays and the rows: ranges from the lowest on, cells from the busiest on."""
        rows: list[ConditionRow] = []
        for basis, edges in EDGES.items():
            if not any(each == basis and number != _UNKNOWN for each, number in self._classes):
                continue
            for number, (low, high) in enumerate(itertools.pairwise(edges)):
                rows += self._row(basis, number, low=_end(low), high=_end(high))
            rows += self._row(basis, _UNKNOWN, reason=NOT_NEAR)
        if self._cells:
            known = sorted(
                (name, number) for number, name in enumerate(self._names) if ("cell", number) in self._classes
            )
            for name, number in sorted(known, key=lambda cell: -self._classes["cell", cell[1]].lost.n):
                rows += self._row("cell", number, cell=name)
            rows += self._row("cell", _UNKNOWN, reason=NOT_NEAR)
        return self._feed.direction, rows

    def _row(self, basis: Basis, number: int, *, reason: str = "", **where: float | str | None) -> list[ConditionRow]:
        mine = self._classes.get((basis, number))
        return [] if mine is None else [mine.row(basis, self._feed, reason, where)]


class _Class:
    """The packets of one class."""

    def __init__(self) -> None:
        self.lost = HitTally(CLASS_SUMS)
        self._late = 0
        self._gone: dict[Direction, int] = {}
        self._delays: dict[Direction, DelayTally] = {}

    def add(self, packets: Packets, rows: Places, directions: Sequence[Direction]) -> None:
        """Add the packets at some places, which are in order of time."""
        self.lost.add(packets.lost[rows] > 0)
        if packets.is_late is not None:
            self._late += int(np.count_nonzero(packets.is_late[rows]))
        for direction in directions:
            us, has_delay, is_gone = packets.delays(direction)
            self._gone[direction] = self._gone.get(direction, 0) + int(np.count_nonzero(is_gone[rows]))
            self._delays.setdefault(direction, DelayTally(CLASS_SUMS)).add(us[rows][has_delay[rows]])

    def row(self, basis: Basis, feed: PacketFeed, reason: str, where: Mapping[str, float | str | None]) -> ConditionRow:
        """Return the figures."""
        n, count, is_blind = self.lost.n, self.lost.hits, feed.is_blind
        delays, worth = self._delays[feed.direction].result()
        # Where nothing or everything was lost the losses have no correlation to see; that of the delays stands in.
        n_eff = self.lost.result() if self.lost.is_mixed else min(max(worth, 1), n)
        loss = Interval(None, None) if is_blind else proportion_interval(count, n, n_eff)
        gone = self._gone[feed.direction]
        hidden = n - gone - delays.n if feed.direction != "round_trip" else 0
        counted, at_worst = (Histogram(delays.values, delays.counts, each) for each in (gone, gone + hidden))
        # What poor clocks hide may have been as fast as nothing too.
        at_best = _with_fast(delays, gone, hidden) if feed.is_clouded else counted
        numbers: dict[str, float | None] = {}
        for statistic in _QUANTILES:
            q = share_of(statistic)
            value = counted.at([rank(q, counted.n)])[0] if counted.n else math.inf
            # What was lost elsewhere may have been as late as never: that widens the interval upwards.
            low, high = (
                quantile_interval(each, q, max(worth * each.n // max(delays.n, 1), 1)) for each in (at_best, at_worst)
            )
            for end, number in (("", value), ("_low", low.low), ("_high", high.high)):
                is_given = number is not None and math.isfinite(number)
                numbers[f"{statistic}{end}_ms"] = number / 1000 if is_given and number is not None else None
        notes = [feed.doubt, reason, _ABSENT if is_blind else "", feed.late_words(self._late),
                 f"遅延が不明 {hidden} / {hidden} with unknown delay" if hidden else "",
                 _LOST if numbers["p99_ms"] is None and gone else ""]  # fmt: skip
        return msgspec.convert(
            {"basis": basis, "n": n, "n_eff": n_eff, "loss": None if is_blind else count / n,
             "loss_low": loss.low, "loss_high": loss.high, "reason": "; ".join(filter(None, notes)), **where,
             **numbers},
            ConditionRow,
        )  # fmt: skip


def _with_fast(delays: Histogram, gone: int, hidden: int) -> Histogram:
    """Return the delays with `hidden` ones of nothing, and `gone` that are infinite."""
    least = min(0, int(delays.values[0])) if delays.n else 0
    values, counts = (
        np.concatenate([[first], rest]) for first, rest in ((least, delays.values), (hidden, delays.counts))
    )
    return Histogram(values.astype(np.int64), counts.astype(np.int64), gone)


def _end(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _speed(path: Track | None, vehicle: Series | None, at_us: Times) -> Floats:
    own = np.abs(near_values(vehicle, "speed_mps", at_us))
    if path is None or not path.t_us.size:
        return own
    speed = places(path, at_us)[3]
    return np.where(np.isfinite(speed), speed, own)


def range_words(row: ConditionRow) -> str:
    """Return the class of a row as people write it, speeds in km/h."""
    if row.cell:
        return row.cell
    factor = _KMH if row.basis == "speed_mps" else 1.0
    if row.basis == "speed_mps" and row.high == STANDING_MPS:
        return "停止 standing"
    low, high = (None if end is None else f"{end * factor:g}" for end in (row.low, row.high))
    if low is None and high is None:
        return "不明 unknown"
    return f"{high} 未満 below" if low is None else f"{low} 以上 from" if high is None else f"{low} – {high}"


BASIS_WORDS: dict[Basis, tuple[str, str]] = {
    "rsrp_dbm": ("RSRP", "dBm"), "sinr_db": ("SINR", "dB"), "speed_mps": ("速度 speed", "km/h"),
    "cell": ("セル cell", ""),
}  # fmt: skip
"""Name and printed unit of each condition."""
