"""Models of the pattern of loss of one link as results: parameters, intervals, and which describes it best. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from analytics.gilbert_elliott import PARAMETERS, GilbertElliott, gilbert_elliott
from analytics.link import Link
from analytics.loss_models import LEAST_RUNS_TO_BLOCK, NOTHING_LOST, Fits, NoModel, gilbert
from analytics.loss_runs import LossRuns
from analytics.results import KpiResult
from analytics.statistics import proportion_interval
from analytics.subject import NONE

TRANSITIONS = "Clopper-Pearson on transitions"
BLOCKS = "block bootstrap of runs of losses"
WALD = "Wald on logits, observed information"

NO_TRANSITION = "該当する遷移なし / no such transition was seen"
FEW_RUNS = (
    f"区間なし: 連続損失が{LEAST_RUNS_TO_BLOCK}回未満 / no interval: fewer than {LEAST_RUNS_TO_BLOCK} runs of losses"
)
AT_BOUND = "境界値のため区間なし / at its bound, where it has no interval"
NO_INTERVAL = "区間なし: 同じデータの尤度の差 / no interval: a difference of likelihoods of the same data"
_NAMES = {
    "independent": "独立 / independent losses",
    "two_states": "2状態 / two states",
    "gilbert_elliott": "4パラメータ / four parameters",
}


def loss_model_kpis(link: Link, runs: LossRuns) -> Iterator[KpiResult]:
    """Yield the two-state, the three- and the four-parameter model of the fates of a link's packets.

    A model that cannot be fitted is one null row with its reason.
    """
    yield from _two_states(link, runs)
    yield from _gilbert(link, runs)
    yield from _gilbert_elliott(link, runs)


def _two_states(link: Link, runs: LossRuns) -> Iterator[KpiResult]:
    """Yield the two-state model; its transitions are independent by the model, so the intervals are exact."""
    if not runs.lost_packets:
        yield link.make("loss_model", "round_trip", "p", None, n=runs.n, reason=NOTHING_LOST)
        return
    found = runs.transitions()
    for statistic, hits, of in (("p", found.good_bad, found.after_good), ("q", found.bad_good, found.after_bad)):
        yield link.make(
            "loss_model", "round_trip", statistic, hits / of if of else None, n=of, n_eff=of or None,
            interval=proportion_interval(hits, of), method=TRANSITIONS, reason="" if of else NO_TRANSITION,
        )  # fmt: skip


def _gilbert(link: Link, runs: LossRuns) -> Iterator[KpiResult]:
    found = gilbert(runs)
    if isinstance(found, NoModel):
        yield link.make("loss_gilbert", "round_trip", "p", None, n=runs.n, reason=found.reason)
        return
    values = zip(("p", "r", "h"), (found.p, found.r, found.h), found.intervals, strict=True)
    for statistic, value, interval in values:
        yield link.make(
            "loss_gilbert", "round_trip", statistic, value, n=runs.n, interval=interval, method=BLOCKS,
            reason=FEW_RUNS if interval == NONE else "",
        )  # fmt: skip


def _gilbert_elliott(link: Link, runs: LossRuns) -> Iterator[KpiResult]:
    found, kpi = gilbert_elliott(runs), "loss_gilbert_elliott"
    n = runs.n if found.fits is None else found.fits.gilbert_elliott.n
    filters = "" if n == runs.n else f"全体から等間隔の標本 {n}/{runs.n} / evenly spread sample of the packets"
    if isinstance(found, GilbertElliott):
        values = zip(PARAMETERS, found.states.values().tolist(), found.intervals, strict=False)
        for statistic, value, interval in values:
            yield link.make(
                kpi, "round_trip", statistic, value, n=n, interval=interval, method=WALD, filters=filters,
                reason=AT_BOUND if interval == NONE else "",
            )  # fmt: skip
    else:
        yield link.make(kpi, "round_trip", "p", None, n=n, reason=found.reason, filters=filters)
    if found.fits is not None:
        yield link.make(
            kpi, "round_trip", "delta_bic", found.fits.delta_bic, n=n, reason=_verdict(found.fits), filters=filters
        )


def _verdict(fits: Fits) -> str:
    """Say which model has the smallest BIC, by which likelihoods, and why there is no interval."""
    logs = ", ".join(f"{name} {getattr(fits, name).log_likelihood:.2f}" for name in _NAMES)
    ja, _, en = _NAMES[fits.best].partition(" / ")
    best = f"BIC最小: {ja} / smallest BIC: {en}"
    return f"{best}; 対数尤度: {logs} / log-likelihood: {logs}; {NO_INTERVAL}"
