"""The table of KPIs: what each number is called, what it means, and the clause that says so.

Workbook, API, page and `docs/kpi.md` read their names and texts here; the rows stand in `analytics.dictionary`. A
change of meaning is a new revision, which travels in every result.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache

import msgspec

from analytics.dictionary.clock import CLOCK
from analytics.dictionary.definition import Better, KpiDefinition
from analytics.dictionary.link import CDF_MS, LINK, N_REORDERING, QUANTILES
from analytics.dictionary.monitoring import MONITORING
from analytics.dictionary.other_radios import OTHER_RADIOS
from analytics.dictionary.pattern import GMIN, PATTERN
from analytics.dictionary.radio import RADIO
from analytics.dictionary.redundancy import REDUNDANCY
from analytics.dictionary.throughput import THROUGHPUT
from analytics.dictionary.traffic import TRAFFIC

__all__ = [
    "BY_ID", "CDF_MS", "DEFINITIONS", "FAMILIES", "FAMILY_OF", "GMIN", "N_REORDERING", "QUANTILES", "Better", "Family",
    "KpiDefinition", "definitions_hash", "is_share",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Family:
    """KPIs that a report states together, under one heading."""

    ja: str
    en: str
    definitions: tuple[KpiDefinition, ...]


FAMILIES: tuple[Family, ...] = (
    Family("遅延・損失・可用性", "Delay, loss, availability", (*LINK, *PATTERN)),
    Family("時刻同期", "Clocks", CLOCK),
    Family("冗長回線", "Redundant links", REDUNDANCY),
    Family("無線品質・エリア・移動", "Radio, coverage, mobility", RADIO),
    Family("スループット", "Throughput", THROUGHPUT),
    Family("遠隔監視・自動走行", "Remote monitoring and driving", MONITORING),
    Family("AIによる通信量削減", "Traffic saved by AI", TRAFFIC),
    Family("その他の無線", "Other radios", OTHER_RADIOS),
)
"""In the order in which they are shown everywhere."""

DEFINITIONS: tuple[KpiDefinition, ...] = tuple(each for family in FAMILIES for each in family.definitions)

BY_ID: dict[str, KpiDefinition] = {definition.id: definition for definition in DEFINITIONS}
FAMILY_OF: dict[str, Family] = {each.id: family for family in FAMILIES for each in family.definitions}


def is_share(kpi: str, unit: str, statistic: str) -> bool:
    """Tell whether a figure is a share of something, which people read in percent: not so a plain number."""
    if unit != "1":
        return False
    is_one = statistic in {"ratio", "elsewhere"} or statistic.startswith(("le_", "ge_"))
    return is_one or (kpi in BY_ID and BY_ID[kpi].is_share)


@cache
def definitions_hash() -> str:
    """Return a hash of the whole table: two results with the same one were defined alike."""
    return hashlib.sha256(msgspec.json.encode(DEFINITIONS)).hexdigest()[:16]
