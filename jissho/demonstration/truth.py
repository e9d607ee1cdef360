"""The measured values beside the simulator's truth of the same packets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.report.model import TruthRow
from simulators.path_truth import load_truth, packets

QUANTILES = (0.5, 0.95, 0.99)
TOLERANCE = 0.01
"""Delay quantiles must agree within one percent: what the path held a packet, and what the probes saw, differ by the
time that two sockets and a scheduler take, some tens of microseconds on delays of ten milliseconds."""

_UNDECIDED = 3
_SECTIONS = {
    "ul_us": ("owd", "up", "up_us"),
    "dl_us": ("owd", "down", "down_us"),
    "rtt_us": ("rtt", "round_trip", "round_trip_us"),
}


def compare(link: str, probes: Mapping[str, NDArray[Any]], truth_path: Path) -> list[TruthRow]:
    """Compare the probe rows of one link with the truth file of its path, packet by packet.

    `probes`: arrays `seq`, `lost`, `ul_us`, `dl_us`, `rtt_us` of the packets sent (copy <= 1), in any order, of one
    session. Packets that were still under way when the measurement ended have no row and are left out on both sides.
    """
    truth = packets(load_truth(truth_path))
    common, mine, theirs = np.intersect1d(probes["seq"], truth["seq"], return_indices=True)
    lost, truly_lost = probes["lost"][mine], truth["lost"][theirs]
    rows = [
        _count(link, "sent", "round_trip", len(probes["seq"]), len(common)),
        _count(link, "loss", "round_trip", int((lost > 0).sum()), int((truly_lost > 0).sum())),
    ]
    # In a run of losses both up and down the counts are known but not which packet: these are in neither column.
    undecided = int((lost == _UNDECIDED).sum())
    reason = f"方向を特定できない損失 {undecided}" if undecided else ""
    for code, direction in ((1, "up"), (2, "down")):
        rows.append(
            _count(link, "loss", direction, int((lost == code).sum()), int((truly_lost == code).sum()), reason=reason)
        )
    both = (lost == 0) & (truly_lost == 0)
    for column, (kpi, direction, section) in _SECTIONS.items():
        measured, real_us = probes[column][mine][both], truth[section][theirs][both]
        if measured.size:
            rows += [_quantile(link, (kpi, direction), quantile, measured, real_us) for quantile in QUANTILES]
    return rows


def agrees(row: TruthRow) -> bool:
    """Tell whether measurement and truth agree: counts exactly (but for undecided directions), delays within 1 %."""
    if row.measured is None or row.truth is None or row.difference is None:
        return False
    if row.statistic == "count":
        return row.difference == 0 or (bool(row.reason) and 0 < -row.difference <= int(row.reason.split()[-1]))
    return abs(row.difference) <= TOLERANCE * row.truth


def _count(link: str, kpi: str, direction: str, /, *numbers: int, reason: str = "") -> TruthRow:
    measured, truth = numbers
    return TruthRow(
        kpi=kpi, link=link, direction=direction, statistic="count", unit="1", measured=measured, truth=truth,
        difference=measured - truth, reason=reason,
    )  # fmt: skip


def _quantile(
    link: str, what: tuple[str, str], quantile: float, measured_us: NDArray[Any], truth_us: NDArray[Any]
) -> TruthRow:
    measured, truth = (
        float(np.quantile(each, quantile, method="inverted_cdf")) / 1000 for each in (measured_us, truth_us)
    )
    return TruthRow(
        kpi=what[0], link=link, direction=what[1], statistic=f"p{quantile * 100:g}", unit="ms", measured=measured,
        truth=truth, difference=measured - truth,
    )  # fmt: skip
