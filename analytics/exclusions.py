"""Leaving intervals out of a run's samples, without making their absence look like loss. Pure.

Time that is left out is time not measured: the packets before and after it become sessions of their own, so that the
numbers between them are not "absent" and availability does not count the gap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from analytics.definitions import is_share
from analytics.probes import Values
from analytics.report.words import shown_unit
from analytics.results import KpiResult
from analytics.spans import Span, merged

_SEGMENT = 1 << 32  # sessions are 31-bit numbers


@dataclass(frozen=True, slots=True)
class Column:
    """A column after rows were left out."""

    values: npt.NDArray[Any]
    valid: npt.NDArray[np.bool_] | None


def without(columns: Mapping[str, Values], spans: Sequence[Span]) -> Mapping[str, Values]:
    """Return the columns (with `t_us`) without the samples inside the spans; `session` tells the parts apart."""
    if not spans:
        return columns
    edges = np.array(merged(spans), np.int64).ravel()
    # Even places lie between spans, odd ones inside one.
    place = np.searchsorted(edges, columns["t_us"].values, side="right")
    kept = place % 2 == 0
    found: dict[str, Values] = {}
    for name, column in columns.items():
        values = column.values[kept]
        if name == "session":
            values = values.astype(np.int64) + (place[kept] // 2) * _SEGMENT
        found[name] = Column(values, None if column.valid is None else column.valid[kept])
    return found


def outside(t_us: npt.NDArray[np.int64], spans: Sequence[Span]) -> npt.NDArray[np.bool_]:
    """Return which instants lie in none of the spans."""
    edges = np.array(merged(spans), np.int64).ravel()
    return np.asarray(np.searchsorted(edges, t_us, side="right") % 2 == 0)


def total_s(spans: Sequence[Span], window: Span) -> float:
    """Return how many seconds of the window the spans leave out."""
    return sum(max(min(end, window[1]) - max(start, window[0]), 0) for start, end in merged(spans)) / 1e6


def stated(spans: Sequence[Span], window: Span) -> str:
    """Say how many intervals of the window are left out, and how long they are; nothing where there are none."""
    if not spans:
        return ""
    return f"除外 {len(spans)} 区間 {total_s(spans, window):.6g} s / {len(spans)} intervals excluded"


def beside(
    kept: Sequence[KpiResult], whole: Sequence[KpiResult], spans: Sequence[Span], window: Span
) -> list[KpiResult]:
    """Return the results without the excluded time, each with the value that all of the data would have given."""
    values = {_key(result): result.value for result in whole}
    seconds = f"{total_s(spans, window):.6g} s"
    found = []
    for result in kept:
        all_value = values.get(_key(result))
        ja, en = ("なし", "none") if all_value is None else (_stated(result, all_value),) * 2
        note = (
            f"除外 {len(spans)} 区間 {seconds}、除外しない値: {ja} / "
            f"excluded {seconds} (intervals: {len(spans)}), value with them: {en}"
        )
        reason = "; ".join(filter(None, [result.reason, note]))
        found.append(msgspec.structs.replace(result, reason=reason, value_of_all=all_value, excluded=len(spans)))
    return found


def _stated(result: KpiResult, value: float) -> str:
    """Return a value as people read it beside the result: a share in percent, as everywhere on paper."""
    scale = 100.0 if is_share(result.id, result.unit, result.statistic) else 1.0
    return f"{scale * value:.6g} {shown_unit(result.id, result.unit, result.statistic)}".strip()


def _key(result: KpiResult) -> tuple[str, ...]:
    # Not by `filter`: it also states figures that the excluded time may have changed.
    return result.id, result.device, result.link, result.direction, result.statistic, result.variant
