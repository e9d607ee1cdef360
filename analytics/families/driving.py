"""The drive itself: share of autonomous driving, interventions and minimal risk manoeuvres by cause. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from analytics.figures import POISSON, Figures
from analytics.interventions import Happening, interventions_of, mrms_of
from analytics.results import CAUSE_VARIANT, KpiResult
from analytics.series import Series, durations_s
from analytics.spans import Span, crosses
from analytics.statistics import Interval
from analytics.track import Track
from analytics.vehicle_speed import STANDING_MPS, own_speeds_mps

ONE_READING = "計数値が1回のみ: 増分が分からない / one reading of the counter shows no increment"


def evaluate_driving(
    vehicle: Series | None, path: Track | None, figures: Figures, *, events: Series | None = None,
    cuts: Sequence[Span] = (),
) -> list[KpiResult]:  # fmt: skip
    """Return the KPIs of the drive; `cuts` were left out of all streams.

    The distance is that of the track by GNSS, or of the vehicle's own speed where there is none. Requirements are held
    against the whole, not against the share of one cause.
    """
    results = [] if vehicle is None or not vehicle.n else list(_autonomy(vehicle, path, figures))
    kilometres, witness = _kilometres(vehicle, path, cuts)
    driven = f"走行距離 {kilometres:.4g} km ({witness}) / {kilometres:.4g} km driven"
    readings = 0 if vehicle is None else int(np.isfinite(vehicle.number("intervention")).sum())
    interventions = interventions_of(vehicle, events, cuts)
    if readings == 1 and not interventions:
        results.append(figures.make("interventions", "count", None, n=0, reason=ONE_READING))
    elif readings > 1 or interventions:
        results += _counted("interventions", interventions, kilometres, driven, figures)
    manoeuvres = mrms_of(vehicle, events, cuts)
    states = [] if vehicle is None else vehicle.text("mrm_state").tolist()
    if manoeuvres or any(state is not None for state in states):
        results += _counted("mrm", manoeuvres, kilometres, driven, figures)
        results += [
            figures.events(
                "mrm", sum(one.times for one in manoeuvres if one.outcome == outcome), statistic=outcome,
                n=sum(one.times for one in manoeuvres), reason=_open(manoeuvres),
            )
            for outcome in ("succeeded", "failed")
        ]  # fmt: skip
    return results


def _autonomy(vehicle: Series, path: Track | None, figures: Figures) -> Iterator[KpiResult]:
    modes = vehicle.text("drive_mode")
    moving = np.nan_to_num(own_speeds_mps(vehicle, path)) > STANDING_MPS
    known = moving & np.asarray([mode is not None for mode in modes], bool)
    if known.any():
        yield figures.share(
            "autonomy", np.asarray(modes[known] == "AUTONOMOUS", bool), weights=durations_s(vehicle.t_us)[known],
            filters="走行中 / driving",
        )  # fmt: skip


def _kilometres(vehicle: Series | None, path: Track | None, cuts: Sequence[Span]) -> tuple[float, str]:
    if path is not None and path.length_m:
        return path.length_m / 1000, "GNSS"
    if vehicle is None or not vehicle.n:
        return 0.0, "-"
    speed, stands_s = np.abs(vehicle.number("speed_mps")), durations_s(vehicle.t_us)
    stands_s = np.where(np.append(crosses(vehicle.t_us, cuts), False), 0.0, stands_s)
    moves = np.nan_to_num(speed) > STANDING_MPS
    return float((speed[moves] * stands_s[moves]).sum()) / 1000, "車速 speed"


def _counted(
    kpi: str, happenings: list[Happening], kilometres: float, driven: str, figures: Figures
) -> Iterator[KpiResult]:
    """Yield the number and the rate of all, then of each cause, the commonest first."""

    def rows(number: int, reason: str, filters: str = "") -> Iterator[KpiResult]:
        count = figures.events(kpi, number, filters=filters, reason=reason, is_judged=not filters)
        yield count
        if kilometres:
            low, high = (None if end is None else end / kilometres for end in (count.ci_low, count.ci_high))
            yield figures.make(
                kpi, "per_km", number / kilometres, n=number, method=POISSON, unit="1/km", filters=filters,
                interval=Interval(low, high), is_judged=not filters, reason="; ".join(filter(None, [driven, reason])),
            )  # fmt: skip

    told = sum(one.times for one in happenings if one.is_told_only)
    reason = f"うち事象のみによる {told} / {told} of them by an event alone" if told else ""
    yield from rows(sum(one.times for one in happenings), reason)
    by_cause: dict[str, int] = {}
    for one in happenings:
        by_cause[one.cause] = by_cause.get(one.cause, 0) + one.times
    for cause, number in sorted(by_cause.items(), key=lambda pair: (-pair[1], pair[0])):
        variant = CAUSE_VARIANT.format(cause)
        yield from (msgspec.structs.replace(result, variant=variant) for result in rows(number, "", variant))


def _open(manoeuvres: list[Happening]) -> str:
    number = sum(one.times for one in manoeuvres if not one.outcome)
    return f"結果の記録がないもの {number} / {number} without an outcome" if number else ""
