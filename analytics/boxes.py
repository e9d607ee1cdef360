"""The boxes of a box plot from results: effective speed over the measuring points of each link. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from analytics.results import Direction, KpiResult

POINT_KPIS = {"point_throughput_tcp": "TCP", "point_throughput_udp": "UDP"}
STATISTICS = ("min", "p25", "p50", "p75", "max")
"""What a box shows, as MIC's guideline on effective speeds has it: whiskers to the extremes, box from 25 % to 75 %."""


class Box(NamedTuple):
    """One box: whose it is, over how many points, and its five values in Mbit/s, in the order of STATISTICS."""

    device: str
    link: str
    direction: Direction
    protocol: str
    points: int
    values: tuple[float, ...]


def boxes(results: Sequence[KpiResult]) -> list[Box]:
    """Return the box of each link, direction and protocol that has points with a value, in the order of the results."""
    found: dict[tuple[str, str, Direction, str], dict[str, KpiResult]] = {}
    for result in results:
        if result.id in POINT_KPIS:
            key = (result.device, result.link, result.direction, POINT_KPIS[result.id])
            found.setdefault(key, {})[result.statistic] = result
    drawn = []
    for key, by_statistic in found.items():
        values = [by_statistic[name].value for name in STATISTICS if name in by_statistic]
        known = tuple(value for value in values if value is not None)
        if len(known) == len(STATISTICS):
            drawn.append(Box(*key, by_statistic["p50"].n, known))
    return drawn
