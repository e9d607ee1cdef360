"""Reliability, availability, outages and time between failures of one link. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from analytics.availability import Availability
from analytics.link import NOT_MEASURED, Link
from analytics.requirements import Parameters
from analytics.results import MS, Direction, KpiResult
from analytics.special import poisson_lower, poisson_upper
from analytics.statistics import CONFIDENCE, Interval, proportion_interval
from analytics.subject import BINOMIAL
from analytics.uptime import METHOD, assumed_s, said, uptime_worth
from analytics.within import within

NOTHING = "観測時間が0 / nothing observed"


def deadline_words(parameters: Parameters) -> str:
    """Say from when on a service counts as down."""
    t_max, survival = f"{parameters.t_max_ms:g} ms", f"{parameters.survival_ms:g} ms"
    return f"Tmax {t_max}、生存時間 {survival} / Tmax {t_max}, survival time {survival}"


def reliability_kpi(link: Link, direction: Direction) -> KpiResult:
    """Share of packets delivered within the bound; what clock, loss elsewhere or a blind recording hides widens it."""
    parameters = link.subject.profile.parameters
    within_ms = parameters.rtt_within_ms if direction == "round_trip" else parameters.owd_within_ms
    found = within(link, direction, within_ms * MS)
    sent = found.sent
    filters = f"所要遅延 {within_ms:g} ms 以内 / within {within_ms:g} ms"
    # Of packets that arrived nobody knows when: the lost ones alone would make it 0.
    is_untimed = not link.packets.measured[direction] and bool(link.lost.delivered)
    if found.value is None or is_untimed:
        return link.make("reliability", direction, "ratio", None, n=0, reason=NOT_MEASURED, filters=filters)
    hidden = link.hidden(direction)
    n_eff = max(min(int(link.loss_n_eff * sent / link.n), link.scan(direction).on_time_n_eff), 1)
    elsewhere = hidden - (link.absent if link.is_blind else 0) - link.clouded(direction).n
    notes = [f"他方向で損失し遅延が不明 {elsewhere} / {elsewhere} with unknown delay" if elsewhere else "",
             link.absent_note, found.note]  # fmt: skip
    return link.make(
        "reliability", direction, "ratio", found.value, n=sent, interval=found.interval(sent, n_eff), n_eff=n_eff,
        method=BINOMIAL, filters=filters, reason="; ".join(filter(None, notes)),
        project=lambda total: found.interval(total, n_eff),
    )  # fmt: skip


def availability_kpis(link: Link, direction: Direction) -> Iterator[KpiResult]:
    """Yield availability, outages and MTBF; their intervals reach over what clock and absent packets leave open."""
    parameters = link.subject.profile.parameters
    filters = deadline_words(parameters)
    found, worst, best = link.service(direction)
    is_untimed = not link.packets.measured[direction] and bool(link.lost.delivered)
    if found.ratio is None or is_untimed:
        reason = NOT_MEASURED if is_untimed else NOTHING
        yield link.make("availability", direction, "ratio", None, n=0, reason=reason, filters=filters)
        return
    n = max(int(found.up_ratio_by_second.size), 1)
    assumed = assumed_s(parameters, found.observed_us / 1e6, link.loss_n_eff)
    cases = [case for case in (found, worst, best) if case is not None]
    n_eff = min(
        uptime_worth(case.up_ratio_by_second, case.end_us - case.start_us, case.observed_us, assumed) for case in cases
    )
    lowest = None if worst is None else min(worst.ratio or 0.0, found.ratio)
    highest = max(best.ratio or 0.0, found.ratio)

    def interval(total: int) -> Interval:
        """Return the interval that `total` seconds like these would give."""
        worth = max(n_eff * total // n, 1)
        low = 0.0 if lowest is None else proportion_interval(lowest * total, total, worth).low
        return Interval(low, proportion_interval(highest * total, total, worth).high)

    notes = ["n は観測秒数 / n counts seconds", said(int(found.start_us.size), assumed), _open_note(link, direction),
             link.absent_note]  # fmt: skip
    yield link.make(
        "availability", direction, "ratio", found.ratio, n=n, interval=interval(n), n_eff=n_eff, filters=filters,
        method=METHOD, reason="; ".join(filter(None, notes)), project=interval,
    )  # fmt: skip
    yield from _outages(link, direction, (found, worst, best), filters)


def _open_note(link: Link, direction: Direction) -> str:
    """Say of how many packets nobody knows how they fared, where a direction has a service of its own."""
    n = 0 if link.is_first(direction) else link.packets.open_in(direction)
    return (
        f"この方向の着時刻が不明な {n} は区間に含む / {n} with unknown arrival this way widen the interval" if n else ""
    )


def _outages(
    link: Link, direction: Direction, cases: tuple[Availability, Availability | None, Availability], filters: str
) -> Iterator[KpiResult]:
    found, worst, best = cases
    count, most, least = (None if case is None else int(case.start_us.size) for case in cases)
    assert count is not None
    assert least is not None
    tail = (1 + CONFIDENCE) / 2
    fewest, largest = min(count, least), None if most is None else max(count, most, least)
    seconds = found.observed_us / 1e6
    observed = "; ".join(filter(None, [f"{seconds:.0f} s 観測 / observed for {seconds:.0f} s", link.absent_note]))
    yield link.make(
        "outage", direction, "count", float(count), n=count, method="Poisson (exact)", filters=filters,
        interval=Interval(poisson_lower(fewest, tail), None if largest is None else poisson_upper(largest, tail)),
        reason=observed, unit="1",
    )  # fmt: skip
    for statistic, measure in (("max", _longest_s), ("total", _total_s)):
        # What was observed is a fact of the run; only what clock and absent packets leave open widens it.
        interval = Interval(
            min(measure(best), measure(found)), None if worst is None else max(measure(worst), measure(found))
        )
        yield link.make("outage", direction, statistic, measure(found), n=count, filters=filters, reason=observed,
                        interval=interval)  # fmt: skip
    up_s = max(seconds - _total_s(found), 0.0)
    least_up_s = 0.0 if worst is None or largest is None else max(worst.observed_us / 1e6 - _total_s(worst), 0.0)
    lower = 0.0 if largest is None else least_up_s / poisson_upper(largest, CONFIDENCE)
    reason = "" if count else "停止なし: 下限のみ / no failure: only the lower bound is known"
    yield link.make(
        "mtbf", direction, "mean", up_s / count if count else None, n=count, filters=filters,
        interval=Interval(lower, None), method="one-sided 95 %, chi-squared",
        reason="; ".join(filter(None, [reason, link.absent_note])),
    )  # fmt: skip


def _longest_s(case: Availability) -> float:
    return float((case.end_us - case.start_us).max()) / 1e6 if case.start_us.size else 0.0


def _total_s(case: Availability) -> float:
    return case.down_us / 1e6
