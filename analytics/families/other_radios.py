"""KPIs of other radios from the metric stream, by name; and the satellite's 15-second grid. Pure."""

from __future__ import annotations

import numpy as np

from analytics.definitions import BY_ID
from analytics.dictionary.other_radios import GRID_NEAR_S, GRID_PHASE_S, GRID_S, METRIC_OF, SATELLITE
from analytics.families.video_trials import evaluate_trials
from analytics.figures import Figures
from analytics.packet_watch import GridLoss
from analytics.results import KpiResult
from analytics.series import Series
from contract.video_trials import METRIC

SCALE: dict[tuple[str, str], float] = {
    ("%", "1"): 0.01, ("ms", "s"): 1e-3, ("s", "ms"): 1e3, ("us", "ms"): 1e-3, ("Mbit/s", "Gbit/s"): 1e-3,
    ("bit/s", "Gbit/s"): 1e-9, ("dBm", "dB[mW]"): 1.0,
}  # fmt: skip


def evaluate_metrics(metrics: Series, figures: Figures) -> list[KpiResult]:
    """Return the distribution of every metric of the table that the link has, in the unit of its definition."""
    results: list[KpiResult] = []
    names, units, values = metrics.text("name"), metrics.text("unit"), metrics.number("value")
    for kpi, metric in METRIC_OF.items():
        mine = np.asarray(names == metric, bool)
        if not mine.any():
            continue
        wanted = BY_ID[kpi].unit
        given = set(units[mine].tolist())
        strange = sorted(str(unit) for unit in given if unit != wanted and (unit, wanted) not in SCALE)
        if strange:
            reason = f"単位 {', '.join(strange)} は {wanted} に直せない / cannot be turned into {wanted}"
            results.append(figures.make(kpi, BY_ID[kpi].statistics[0], None, n=0, reason=reason))
            continue
        factors = np.array([SCALE.get((unit, wanted), 1.0) for unit in units[mine]])
        if metric == METRIC:
            results += evaluate_trials(values[mine] * factors, metrics.text("detail")[mine], figures)
        else:
            results += figures.spread(kpi, values[mine] * factors)
    if bool(np.any([str(name).startswith(SATELLITE) for name in set(names.tolist())])):
        results.append(figures.make("leo_grid_loss", "ratio", None, n=0, reason="区間測定なし / no probes"))
    return results


def satellite_grid() -> GridLoss:
    """Return what must be known of the packets: their loss near the satellite's reported switching times."""
    return GridLoss(GRID_S, GRID_PHASE_S, GRID_NEAR_S)


def grid_loss(grid: GridLoss, figures: Figures) -> list[KpiResult]:
    """Return the loss near the satellite's reported switching times and that of all other packets."""
    return [
        figures.counted("leo_grid_loss", share.lost, share.n, share.n_eff, direction="round_trip", statistic=statistic)
        for statistic, share in (("ratio", grid.near), ("elsewhere", grid.elsewhere))
    ]
