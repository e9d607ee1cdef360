"""How delay and loss of a link depend on radio quality, speed and cell: one row for each class. Pure.

A class is a range of what was measured next to the packet, or a serving cell. Packets without a measurement nearby are
a class of their own, so that the rows of one condition add up to all packets: what was sent in a tunnel, where the
modem says nothing, must not vanish from the table.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from analytics.probes import ProbeArrays, absent, lost_in
from analytics.results import Direction
from analytics.series import NEAR_US, Bools, Floats, Series, near_values, nearest
from analytics.serving import serving_cells
from analytics.statistics import (
    Interval,
    effective_n,
    histogram,
    proportion_interval,
    quantile_interval,
    rank,
    share_of,
)
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
    """The rows of one link; `direction` says whose delays they give: round trips where there are any."""

    device: str
    link: str
    direction: Direction
    rows: list[ConditionRow]


def by_condition(
    probes: ProbeArrays, radio: Series | None, path: Track | None, vehicle: Series | None = None
) -> tuple[Direction, list[ConditionRow]]:
    """Return the rows of a link, and the direction of their delays; a condition that was never measured has no rows.

    The speed is that of GNSS, or the vehicle's own where there is none.
    """
    packets = _Packets(probes)
    rows: list[ConditionRow] = []
    levels: dict[Basis, Floats] = {
        "rsrp_dbm": near_values(radio, "rsrp_dbm", packets.t_us),
        "sinr_db": near_values(radio, "sinr_db", packets.t_us),
        "speed_mps": _speed(path, vehicle, packets.t_us),
    }
    for basis, values in levels.items():
        if np.isfinite(values).any():
            rows += _by_range(packets, basis, values)
    if radio is not None:
        rows += _by_cell(packets, radio)
    return packets.direction, rows


def _speed(path: Track | None, vehicle: Series | None, at_us: npt.NDArray[np.int64]) -> Floats:
    own = np.abs(near_values(vehicle, "speed_mps", at_us))
    if path is None or not path.t_us.size:
        return own
    speed = places(path, at_us)[3]
    return np.where(np.isfinite(speed), speed, own)


class _Packets:
    """The packets of a link in order of time."""

    def __init__(self, probes: ProbeArrays) -> None:
        order = np.argsort(probes.t_us, kind="stable")
        ways: tuple[Direction, ...] = ("round_trip", "up", "down")
        self.direction: Direction = next((way for way in ways if probes.has(way)), "round_trip")
        self.t_us = probes.t_us[order]
        self.is_lost = probes.lost[order] > 0
        delay = probes.delays[self.direction]
        self.is_gone = lost_in(probes.lost, self.direction)[order]
        self.has_delay = delay.valid[order] & ~self.is_gone
        self.delay_us = delay.us[order]
        self.is_blind = not self.is_lost.any() and absent(probes) > 0

    def row(self, basis: Basis, inside: Bools, **where: float | str | None) -> ConditionRow:
        """Return the figures of some packets."""
        lost = self.is_lost[inside]
        delays = self.delay_us[inside & self.has_delay]
        n, count = int(lost.size), int(lost.sum())
        worth = effective_n(delays)
        # Where nothing or everything was lost the losses have no correlation to see; that of the delays stands in.
        n_eff = effective_n(lost) if 0 < count < n else min(max(worth, 1), n)
        loss = Interval(None, None) if self.is_blind else proportion_interval(count, n, n_eff)
        gone = int(self.is_gone[inside].sum())
        hidden = n - gone - int(delays.size) if self.direction != "round_trip" else 0
        counted, at_worst = histogram(delays, gone), histogram(delays, gone + hidden)
        numbers: dict[str, float | None] = {}
        for statistic in _QUANTILES:
            q = share_of(statistic)
            value = counted.at([rank(q, counted.n)])[0] if counted.n else math.inf
            # What was lost elsewhere may have been as late as never: that widens the interval upwards.
            low, high = (
                quantile_interval(each, q, max(worth * each.n // max(delays.size, 1), 1))
                for each in (counted, at_worst)
            )
            for end, number in (("", value), ("_low", low.low), ("_high", high.high)):
                is_given = number is not None and math.isfinite(number)
                numbers[f"{statistic}{end}_ms"] = number / 1000 if is_given and number is not None else None
        notes = [str(where.pop("reason", "")), _ABSENT if self.is_blind else "",
                 f"遅延が不明 {hidden} / {hidden} with unknown delay" if hidden else "",
                 _LOST if numbers["p99_ms"] is None and gone else ""]  # fmt: skip
        return msgspec.convert(
            {"basis": basis, "n": n, "n_eff": n_eff, "loss": None if self.is_blind else count / n,
             "loss_low": loss.low, "loss_high": loss.high, "reason": "; ".join(filter(None, notes)), **where,
             **numbers},
            ConditionRow,
        )  # fmt: skip


def _by_range(packets: _Packets, basis: Basis, values: Floats) -> Iterator[ConditionRow]:
    for low, high in itertools.pairwise(EDGES[basis]):
        inside = (values >= low) & (values < high)
        if inside.any():
            yield packets.row(
                basis, inside, low=low if math.isfinite(low) else None, high=high if math.isfinite(high) else None
            )
    unknown = ~np.isfinite(values)
    if unknown.any():
        yield packets.row(basis, unknown, reason=NOT_NEAR)


def _by_cell(packets: _Packets, radio: Series) -> Iterator[ConditionRow]:
    """Yield a row for each serving cell, the one with most packets first.

    Where an anchor serves beside NR, the packet is told by the cell of NR, and by the anchor's where NR has none.
    """
    every = serving_cells(radio)
    if not every:
        return
    cells = np.full(packets.t_us.size, "", object)
    for serving in every:
        place, is_near = nearest(serving.t_us, packets.t_us, NEAR_US)
        label = f"{serving.rat} " if len(every) > 1 else ""
        mine = is_near & (cells == "")
        cells[mine] = label + serving.cells[place[mine]]
    found, counts = np.unique(cells[cells != ""].astype(str), return_counts=True)
    for cell in found[np.argsort(-counts, kind="stable")].tolist():
        yield packets.row("cell", np.asarray(cells == cell, bool), cell=cell)
    if (cells == "").any():
        yield packets.row("cell", np.asarray(cells == "", bool), reason=NOT_NEAR)


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
