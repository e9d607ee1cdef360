"""The table of KPIs: what each number is called, what it means, and the clause that says so.

Workbook, API, page and `docs/kpi.md` read their names and texts here; the rows stand in `analytics.dictionary`. A
change of meaning is a new revision, which travels in every result.
"""

from __future__ import annotations

import hashlib
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
    "BY_ID", "CDF_MS", "DEFINITIONS", "GMIN", "N_REORDERING", "QUANTILES", "Better", "KpiDefinition",
    "definitions_hash",
]  # fmt: skip

DEFINITIONS: tuple[KpiDefinition, ...] = (
    *LINK, *PATTERN, *CLOCK, *REDUNDANCY, *RADIO, *THROUGHPUT, *MONITORING, *TRAFFIC, *OTHER_RADIOS,
)  # fmt: skip

BY_ID: dict[str, KpiDefinition] = {definition.id: definition for definition in DEFINITIONS}


@cache
def definitions_hash() -> str:
    """Return a hash of the whole table: two results with the same one were defined alike."""
    return hashlib.sha256(msgspec.json.encode(DEFINITIONS)).hexdigest()[:16]
