"""Levels of one link: their distribution, and that of the medians of short sections of the route. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from analytics.figures import Figures
from analytics.results import KpiResult
from analytics.series import Floats, Series
from analytics.track import Track, places, sections

LEVELS = {"rsrp": "rsrp_dbm", "rsrq": "rsrq_db", "sinr": "sinr_db", "rx_power": "rx_power_dbm"}
_BY_SECTION = {"rsrp_section": "rsrp_dbm", "rx_power_section": "rx_power_dbm", "sinr_section": "sinr_db"}


def levels(radio: Series, figures: Figures) -> Iterator[KpiResult]:
    """Yield the distribution of each level that was measured."""
    for kpi, column in LEVELS.items():
        values = radio.number(column)
        if np.isfinite(values).any():
            yield from figures.spread(kpi, values)


def section_medians(radio: Series, path: Track, figures: Figures) -> Iterator[KpiResult]:
    """Yield the distribution of the medians of the short sections driven, one median for each drive through."""
    section_m = figures.subject.profile.parameters.section_m
    _, _, distance, _ = places(path, radio.t_us)
    numbers = sections(distance, section_m)
    for kpi, column in _BY_SECTION.items():
        medians = medians_by(numbers, radio.number(column))
        if medians.size:
            yield from figures.spread(kpi, medians, filters=f"短区間 {section_m:g} m / sections of {section_m:g} m")


def medians_by(groups: npt.NDArray[np.int64], values: Floats) -> Floats:
    """Return the median (lower, an order statistic) of the values of each group >= 0, in order of first visit.

    NaN are left out; -inf, a sample out of service, is a value below all others.
    """
    known = (groups >= 0) & ~np.isnan(values)
    keys, first, where = np.unique(groups[known], return_index=True, return_inverse=True)
    if not keys.size:
        return np.empty(0)
    order = np.lexsort((values[known], where))
    counts = np.bincount(where)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    medians = values[known][order][starts + (counts - 1) // 2]
    return np.asarray(medians[np.argsort(first, kind="stable")])
