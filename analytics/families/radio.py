"""Radio quality, coverage and mobility of one link. Pure."""

from __future__ import annotations

from analytics.families.coverage import coverage
from analytics.families.levels import levels, section_medians
from analytics.families.mobility import mobility
from analytics.figures import Figures
from analytics.probes import ProbeArrays
from analytics.results import KpiResult
from analytics.series import Series
from analytics.track import Track


def evaluate_radio(radio: Series, path: Track | None, probes: ProbeArrays | None, figures: Figures) -> list[KpiResult]:
    """Return the radio KPIs of a link; `path` and `probes` add what needs a place or packets."""
    results = [*levels(radio, figures), *coverage(radio, path, figures)]
    if path is not None and path.length_m:
        results += section_medians(radio, path, figures)
    return [*results, *mobility(radio, probes, figures)]
