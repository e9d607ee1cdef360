"""Comparison of two runs, two links or two conditions: the effect of b against a with its interval, by block bootstrap.

Units are drawn, never samples (`units`); a side keeps what its units add up to (`packet_units`, `streams`), so that the
memory of a comparison does not grow with its runs.
"""

from __future__ import annotations

from analytics.comparison.effects import ALL_OR_NONE, Comparison, Effect
from analytics.comparison.packets import Side, compare, time_blocks, usual_block_s
from analytics.comparison.units import LEAST_BLOCKS, REPLICATES, usual_length_s

__all__ = [
    "ALL_OR_NONE", "LEAST_BLOCKS", "REPLICATES", "Comparison", "Effect", "Side", "compare", "time_blocks",
    "usual_block_s", "usual_length_s",
]  # fmt: skip
