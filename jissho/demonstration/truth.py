"""The measured values beside the simulator's truth of the same packets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from simulators.path_truth import load_truth, packets

QUANTILES = (0.5, 0.95, 0.99)
TOLERANCE = 0.01
"""Delay quantiles must agree within one percent: what the path held a packet, and what the probes saw, differ by the
time that two sockets and a scheduler take, some tens of microseconds on delays of ten milliseconds."""

_LOST_NAMES = {1: ("上り損失数", "up"), 2: ("下り損失数", "down")}
_SECTIONS = {"ul_us": ("up", "up_us"), "dl_us": ("down", "down_us"), "rtt_us": ("round_trip", "round_trip_us")}


class TruthRow(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison. `difference` is measured - truth for counts and (measured - truth) / truth for delays."""

    link: str
    quantity: str
    direction: str
    unit: str
    n: int
    measured: float
    truth: float
    difference: float
    agrees: bool


def _counted(link: str, quantity: str, direction: str, n: int, measured: int, truth: int) -> TruthRow:
    return TruthRow(
        link=link, quantity=quantity, direction=direction, unit="1", n=n, measured=measured, truth=truth,
        difference=measured - truth, agrees=measured == truth,
    )  # fmt: skip


def compare(link: str, probes: Mapping[str, NDArray[Any]], truth_path: Path) -> list[TruthRow]:
    """Compare the probe rows of one link with the truth file of its path, packet by packet.

    `probes`: arrays `seq`, `lost`, `ul_us`, `dl_us`, `rtt_us` of the packets sent (copy <= 1), in any order, of one
    session. Packets that were still under way when the measurement ended have no row and are left out on both sides.
    """
    truth = packets(load_truth(truth_path))
    common, mine, theirs = np.intersect1d(probes["seq"], truth["seq"], return_indices=True)
    lost, truly_lost = probes["lost"][mine], truth["lost"][theirs]
    n = len(common)
    rows = [
        _counted(link, "送信数", "", n, len(probes["seq"]), n),
        _counted(link, "損失数", "round_trip", n, int((lost > 0).sum()), int((truly_lost > 0).sum())),
    ]
    # A run of losses in both directions at once has known counts but no known packets: code 3.
    undecided = int((lost == 3).sum())  # noqa: PLR2004 - contract.streams.LOST_CODES
    for code, (name, direction) in _LOST_NAMES.items():
        found, real = int((lost == code).sum()), int((truly_lost == code).sum())
        row = _counted(link, name, direction, n, found, real)
        rows.append(msgspec.structs.replace(row, agrees=found <= real <= found + undecided))
    both = (lost == 0) & (truly_lost == 0)
    for column, (direction, section) in _SECTIONS.items():
        measured, real_us = probes[column][mine][both], truth[section][theirs][both]
        if not measured.size:
            continue
        for quantile in QUANTILES:
            seen = float(np.quantile(measured, quantile, method="inverted_cdf"))
            is_so = float(np.quantile(real_us, quantile, method="inverted_cdf"))
            difference = (seen - is_so) / is_so
            rows.append(
                TruthRow(
                    link=link,
                    quantity=f"遅延 p{quantile * 100:g}",
                    direction=direction,
                    unit="ms",
                    n=int(both.sum()),
                    measured=seen / 1000,
                    truth=is_so / 1000,
                    difference=difference,
                    agrees=abs(difference) <= TOLERANCE,
                )  # fmt: skip
            )
    return rows
