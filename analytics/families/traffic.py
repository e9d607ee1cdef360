"""AI verification: what the AI saves and what it costs, from paired scenes with AI off and on. Pure.

A scene counts only where both treatments were measured. Volumes are compared per time, since the two runs of a scene
need not be equally long. The scene is the unit of the interval: the bytes of one scene are not independent trials.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from analytics.bootstrap import percentile_interval, resampled
from analytics.families.throughput import rates_bps
from analytics.figures import Figures
from analytics.results import KpiResult
from analytics.series import Floats, Series
from analytics.special import poisson_lower, poisson_upper
from analytics.statistics import Interval, effective_n, proportion_interval
from analytics.subject import BINOMIAL, NONE

_MBIT = 1e6
_BOOTSTRAP = "bootstrap of scenes"
OF_RATIO = "ratio of two Clopper-Pearson intervals"
_COUNTS = ("true_positives", "false_positives", "false_negatives")
NOTHING_TO_DETECT = "検知対象なし / nothing to detect"
NOT_COUNTED = "誤検知数または見逃し数の記録なし / false positives or false negatives were not counted"
FEW_SCENES = 5
"""Fewer pairs say nothing of the spread between scenes; the interval is left open."""


def evaluate_traffic(traffic: Series, uplink_bps: Floats, figures: Figures, protocol: str = "") -> list[KpiResult]:
    """Return the KPIs of a link's traffic; `uplink_bps` are the rates of its uplink tests by `protocol` (or none)."""
    results: list[KpiResult] = []
    if not traffic.n:
        return results
    treatment = traffic.text("treatment")
    off, on = (traffic.where(np.asarray(treatment == word, bool)) for word in ("off", "on"))
    results += _savings(off, on, figures)
    for word, rows in (("off", off), ("on", on)):
        if rows.n:
            results += figures.spread(f"bitrate_{word}", rates_bps(rows) / _MBIT, mean=_mean_mbps(rows), at_least=0.0)
    results += _streams(on, uplink_bps, figures, protocol)
    results += _detection(off, on, figures)
    delays = on.number("added_delay_us")
    if np.isfinite(delays).any():
        results += figures.spread("ai_delay", delays / 1000, at_least=0.0)
    return results


def _mean_mbps(rows: Series) -> float | None:
    seconds = float(np.nansum(rows.number("interval_s")))
    return 8 * float(np.nansum(rows.number("bytes"))) / seconds / _MBIT if seconds else None


def paired_scenes(off: Series, on: Series) -> tuple[list[str], Floats, Floats]:
    """Return the scenes measured with both treatments, and their mean rates in Mbit/s without and with AI."""

    def by_scene(rows: Series) -> dict[str, float]:
        scenes = np.array([scene or "" for scene in rows.text("scene")], object)
        found = {str(scene): _mean_mbps(rows.where(np.asarray(scenes == scene, bool))) for scene in set(scenes)}
        return {scene: rate for scene, rate in found.items() if rate is not None}

    without, with_ai = by_scene(off), by_scene(on)
    names = sorted(scene for scene, rate in without.items() if scene in with_ai and rate > 0)
    return names, np.array([without[name] for name in names]), np.array([with_ai[name] for name in names])


def _savings(off: Series, on: Series, figures: Figures) -> Iterator[KpiResult]:
    names, without, with_ai = paired_scenes(off, on)
    unpaired = len({*off.text("scene"), *on.text("scene")}) - len(names)
    note = (
        f"対のないシーン {unpaired} を含まない / {unpaired} scenes without a pair not counted" if unpaired > 0 else ""
    )
    if not names:
        for kpi in ("traffic_reduction", "compression"):
            yield figures.make(
                kpi, "ratio", None, n=0, reason="AIなし・ありの両方を測ったシーンがない / no scene has both treatments"
            )
        return
    ratio = float(with_ai.sum() / without.sum())
    interval = NONE
    if len(names) >= FEW_SCENES:
        picks = resampled(len(names))
        interval = percentile_interval(with_ai[picks].sum(axis=1) / without[picks].sum(axis=1), units=len(names))
    method = _BOOTSTRAP if interval != NONE else ""
    if not method:
        note = "; ".join(filter(None, [note, f"{FEW_SCENES}対未満: 区間なし / fewer than {FEW_SCENES} pairs"]))
    yield figures.make("compression", "ratio", ratio, n=len(names), interval=interval, method=method, reason=note)
    mirrored = Interval(*(None if end is None else 1 - end for end in (interval.high, interval.low)))
    yield figures.make(
        "traffic_reduction", "ratio", 1 - ratio, n=len(names), interval=mirrored, method=method, reason=note
    )


def _streams(on: Series, uplink_bps: Floats, figures: Figures, protocol: str) -> Iterator[KpiResult]:
    known = np.sort(uplink_bps[np.isfinite(uplink_bps)])
    streams = on.number("streams")
    total = _mean_mbps(on) if on.n else None
    carried = float(np.nanmean(streams)) if np.isfinite(streams).any() else 1.0
    if not known.size or not total or not carried:
        return
    slow_mbps = float(known[max(math.ceil(0.05 * known.size) - 1, 0)]) / _MBIT
    yield figures.make(
        "streams_possible", "count", float(math.floor(slow_mbps / (total / carried))), n=int(known.size),
        filters=f"上り{protocol.upper()} 5%値 {slow_mbps:.3g} Mbit/s ÷ 1ストリーム {total / carried:.3g} Mbit/s",
    )  # fmt: skip


def _sums(rows: Series, *names: str) -> list[float] | None:
    """Return the sums of columns over the rows that have all of them, None where no row does."""
    columns = [rows.number(name) for name in names]
    known = np.logical_and.reduce([np.isfinite(column) for column in columns])
    return [float(column[known].sum()) for column in columns] if known.any() else None


def f_score(right: float, wrong: float, missed: float) -> float | None:
    """Return 2 TP / (2 TP + FP + FN), None where there was nothing to detect and nothing detected."""
    total = 2 * right + wrong + missed
    return 2 * right / total if total else None


def _f_interval(counts: Sequence[float], n_eff: int) -> Interval:
    """Return the interval of the F score: of x = TP / (TP + FP + FN), with which 2 x / (1 + x) rises."""
    total = int(sum(counts))
    around = proportion_interval(counts[0], total, n_eff)
    return Interval(*(None if end is None else 2 * end / (1 + end) for end in (around.low, around.high)))


def _of_quotient(after: float, a: Interval, before: float, b: Interval) -> Interval:
    """Return the interval of after / before from both sides' own: distances of logarithms add as squares.

    Zou, Donner 2008. Scenes that both sides saw make it wider than it need be; `jissho compare` takes them in pairs.
    """
    ends: list[float | None] = []
    for end, far, is_low in ((a.low, b.high, True), (a.high, b.low, False)):
        if end is None or far is None:
            ends.append(None)
        elif not min(end, far, after):
            ends.append(0.0 if is_low else None)
        else:
            reach = math.exp(math.hypot(math.log(end / after), math.log(far / before)))
            ends.append(after / before / reach if is_low else after / before * reach)
    return Interval(*ends)


def _detection(off: Series, on: Series, figures: Figures) -> Iterator[KpiResult]:
    found = on.number("true_positives")
    if not np.isfinite(found).any():
        return
    hit_ratio = np.nan_to_num(found)
    worth = effective_n(hit_ratio) / hit_ratio.size
    # What was not counted is not zero: without false positives there is no precision of 100 %.
    alarmed = _sums(on, "true_positives", "false_positives")
    missed = _sums(on, "true_positives", "false_negatives")
    for kpi, sums, place in (("precision", alarmed, 0), ("recall", missed, 0), ("missed", missed, 1)):
        total = sum(sums) if sums else 0.0
        if sums is None or not total:
            reason = NOT_COUNTED if sums is None else NOTHING_TO_DETECT
            yield figures.make(kpi, "ratio", None, n=0, reason=reason)
            continue
        n_eff = max(int(total * worth), 1)
        yield figures.make(
            kpi, "ratio", sums[place] / total, n=int(total), n_eff=n_eff, method=BINOMIAL,
            interval=proportion_interval(sums[place], int(total), n_eff),
        )  # fmt: skip
    counts = _sums(on, *_COUNTS)
    score = None if counts is None else f_score(*counts)
    n = 0 if counts is None else int(sum(counts))
    reason = NOT_COUNTED if counts is None else NOTHING_TO_DETECT if score is None else ""
    n_eff = max(int(n * worth), 1)
    after_interval = NONE if counts is None or score is None else _f_interval(counts, n_eff)
    yield figures.make(
        "f_score", "ratio", score, n=n, n_eff=None if score is None else n_eff, interval=after_interval,
        method=BINOMIAL, reason=reason,
    )  # fmt: skip
    without = _sums(off, *_COUNTS)
    before = None if without is None else f_score(*without)
    if without is not None and score is not None and before:
        right = np.nan_to_num(off.number("true_positives"))
        before_interval = _f_interval(without, max(int(sum(without) * effective_n(right) / right.size), 1))
        yield figures.make(
            "accuracy_retention", "ratio", score / before, n=n, n_eff=n_eff, method=OF_RATIO,
            interval=_of_quotient(score, after_interval, before, before_interval),
        )  # fmt: skip
    timed = _sums(on, "false_positives", "interval_s")
    if timed is not None and timed[1] > 0:
        wrong, hours = int(timed[0]), timed[1] / 3600
        bounds = Interval(poisson_lower(wrong, 0.975) / hours, poisson_upper(wrong, 0.975) / hours)
        yield figures.make(
            "false_alarms", "rate", wrong / hours, n=wrong, interval=bounds, method="Poisson (exact)",
            filters=f"{hours:.3g} h",
        )  # fmt: skip
