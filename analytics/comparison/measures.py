"""Which KPIs of the streams beside the packets are compared: which rows, and what is counted of them.

Columns, unit and statistics of a KPI are those of its definition (`analytics.dictionary`); what stands here is only
which rows are its own and what tells them apart. Statistics that no drawing of blocks can give (extremes, standard
deviations, counts of events) are not compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from analytics.definitions import BY_ID
from analytics.dictionary.other_radios import METRIC_OF
from analytics.families.levels import LEVELS
from analytics.families.other_radios import SCALE
from analytics.families.throughput import rates_bps
from analytics.results import CAMERA_VARIANT, Direction
from analytics.series import Floats, Series
from contract.streams import STREAMS

_FACTOR: dict[tuple[str, str], float] = {("us", "ms"): 1e-3, ("bit/s", "Mbit/s"): 1e-6}
"""From the unit of a column to that of a KPI."""
_LENGTH = "interval_s"
_DIRECTIONS: tuple[Direction, ...] = ("up", "down")


def _column(rows: Series, kpi: str) -> Floats:
    """Return the first column of the definition in the KPI's unit."""
    definition = BY_ID[kpi]
    column = STREAMS[definition.stream].column(definition.columns[0])
    return np.asarray(rows.number(column.name) * _FACTOR.get((column.unit, definition.unit), 1.0))


def _rate(rows: Series, kpi: str) -> Floats:
    return rates_bps(rows) * _FACTOR["bit/s", BY_ID[kpi].unit]


def _metric(rows: Series, kpi: str) -> Floats:
    """Return a metric in the KPI's unit, NaN where its own cannot be turned into it."""
    wanted = BY_ID[kpi].unit
    units, values = rows.text("unit"), rows.number("value").copy()
    for unit in set(units.tolist()):
        values[units == unit] *= 1.0 if unit == wanted else SCALE.get((unit, wanted), np.nan)
    return values


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The rows of a KPI: those with a word in each of some columns, apart by the words of `by` ("": all together)."""

    kpi: str
    only: Mapping[str, str] = field(default_factory=dict)
    by: str = ""

    @property
    def stream(self) -> str:
        """The stream they are in."""
        return BY_ID[self.kpi].stream

    def of(self, series: Series) -> Iterator[tuple[Direction, str, Series]]:
        """Yield direction, variant and rows of what the KPI has values of its own for."""
        mine = np.ones(series.n, np.bool_)
        for column, word in self.only.items():
            mine &= np.asarray(series.text(column) == word, np.bool_)
        rows = series.where(mine)
        if not self.by:
            yield "", "", rows
            return
        words = rows.text(self.by)
        if self.by == "direction":
            for direction in _DIRECTIONS:
                yield direction, "", rows.where(np.asarray(words == direction, np.bool_))
            return
        for word in sorted(set(words.tolist()), key=str):
            yield (
                "",
                CAMERA_VARIANT.format("不明" if word is None else word),
                rows.where(np.asarray(words == word, np.bool_)),
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels(Rows):
    """A KPI that is a distribution. `is_infinite`: a sample without a value never came."""

    values: Callable[[Series, str], Floats] = _column
    is_infinite: bool = False

    @property
    def is_by_time(self) -> bool:
        """Whether its mean is weighted by the length of the intervals."""
        return _LENGTH in BY_ID[self.kpi].columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares(Rows):
    """A KPI that is a ratio of two sums of columns, each times a factor; a negative count is none."""

    over: Mapping[str, float]
    under: Mapping[str, float]

    def sums(self, rows: Series) -> tuple[Floats, Floats]:
        """Return what each row adds above and below, NaN where a column of either is not known."""
        above, below = (
            np.sum([factor * np.maximum(rows.number(name), 0) for name, factor in side.items()], axis=0)
            for side in (self.over, self.under)
        )
        known = np.isfinite(above) & np.isfinite(below)
        return np.where(known, above, np.nan), np.where(known, below, np.nan)

    def n(self, over: Floats, under: Floats) -> int:
        """Return how much the ratio is of: what is below, or, of a rate in time, the events above."""
        is_rate = _LENGTH in self.under
        return round(float(over.sum()) / max(self.over.values()) if is_rate else float(under.sum()))


_ON = {"treatment": "on"}
_FOUND, _WRONG, _MISSED = "true_positives", "false_positives", "false_negatives"
F_SCORE = Shares(kpi="f_score", only=_ON, over={_FOUND: 2}, under={_FOUND: 2, _WRONG: 1, _MISSED: 1})

MEASURES: tuple[Levels | Shares, ...] = (
    *(Levels(kpi=kpi) for kpi in LEVELS),
    *(
        Levels(kpi=f"throughput_{protocol}", only={"protocol": protocol}, by="direction", values=_rate)
        for protocol in ("tcp", "udp")
    ),
    Shares(kpi="udp_loss", only={"protocol": "udp"}, by="direction", over={"lost_packets": 1}, under={"packets": 1}),
    *(Levels(kpi=kpi, by="camera") for kpi in ("video_delay", "video_fps", "video_rate", "video_jitter")),
    Shares(kpi="video_loss", by="camera", over={"packets_lost": 1}, under={"packets_received": 1, "packets_lost": 1}),
    *(Levels(kpi=kpi, is_infinite=True) for kpi in ("command_response", "command_execution")),
    *(
        Levels(kpi=f"bitrate_{treatment}", only={"treatment": treatment}, values=_rate)
        for treatment in ("off", "on")
    ),
    Shares(kpi="precision", only=_ON, over={_FOUND: 1}, under={_FOUND: 1, _WRONG: 1}),
    Shares(kpi="recall", only=_ON, over={_FOUND: 1}, under={_FOUND: 1, _MISSED: 1}),
    F_SCORE,
    Shares(kpi="missed", only=_ON, over={_MISSED: 1}, under={_FOUND: 1, _MISSED: 1}),
    Shares(kpi="false_alarms", only=_ON, over={_WRONG: 3600}, under={_LENGTH: 1}),
    Levels(kpi="ai_delay", only=_ON),
    *(Levels(kpi=kpi, only={"name": metric}, values=_metric) for kpi, metric in METRIC_OF.items()),
)  # fmt: skip
"""In the order in which the effects are shown."""


def _columns() -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for measure in MEASURES:
        sums = (*measure.over, *measure.under) if isinstance(measure, Shares) else ()
        names = (*BY_ID[measure.kpi].columns, *measure.only, *sums, measure.by)
        found.setdefault(measure.stream, {}).update(dict.fromkeys(filter(None, names)))
    return {stream: tuple(names) for stream, names in found.items()}


COLUMNS = _columns()
"""Columns that the measures read, by stream."""
