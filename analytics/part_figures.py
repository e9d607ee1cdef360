"""Figures of a part: the probe KPIs of any window, each with what it counts over and how exact it is."""

from __future__ import annotations

import math

import msgspec

from analytics.definitions import BY_ID, QUANTILES
from analytics.log_histogram import LogHistogram
from analytics.part_segments import DIRECTIONS, Outages, outages
from analytics.partials import Part
from analytics.requirements import Parameters
from analytics.statistics import rank, share_of

MS = 1000.0
_MICRO = 1e6
EXACT = ""
DEFAULTS = Parameters()
BUCKETS = "0.1 % 以内 / within 0.1 %"
AMONG_LOST = "到達せず: この順位は損失パケットに当たる / the rank lies among lost packets"
NOT_MEASURED = "遅延の測定なし / no delay was measured"
NOT_OBSERVED = "観測時間が0 / nothing observed"
UNJUDGED_CLOCK = "時計品質は未判定 / the clocks were not judged"
OVERLAPS = "通し番号が前後するセッションがあり近似 / approximate: a session's numbers do not grow with time"


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One KPI of a window. `precision` "" is exact; `note` says why a value is null or what it leaves out."""

    id: str
    direction: str
    statistic: str
    name_ja: str
    name_en: str
    unit: str
    value: float | None
    n: int
    precision: str
    note: str


def _figure(
    kpi: str, direction: str, statistic: str, value: float | None, n: int,
    *, precision: str = EXACT, note: str = "", unit: str = "",
) -> Figure:  # fmt: skip
    definition = BY_ID[kpi]
    return Figure(
        id=kpi, direction=direction, statistic=statistic, name_ja=definition.name_ja, name_en=definition.name_en,
        unit=unit or definition.unit, value=value, n=n, precision=precision, note=note,
    )  # fmt: skip


def figures(part: Part, parameters: Parameters = DEFAULTS) -> list[Figure]:
    """Return the KPIs of a part, as `analytics.evaluate` defines them; nothing where nothing was sent.

    `parameters` give the bounds of reliability; deadline and survival time are those that the part was made with.
    """
    if not part.losses.sent:
        return []
    measured = [direction for direction in DIRECTIONS_BY_RANK if direction in part.delays]
    found: list[Figure] = []
    for direction in measured:
        found += _delay(part, direction)
    found += _loss(part)
    found += [_reliability(part, direction, parameters) for direction in measured]
    found += _availability(part, (measured or ["round_trip"])[0])
    return found


DIRECTIONS_BY_RANK = ("round_trip", *(direction for direction in DIRECTIONS if direction != "round_trip"))


def quantile_us(histogram: LogHistogram, infinite: int, q: str, low_us: int, high_us: int) -> float:
    """Return the q-quantile of a histogram and of `infinite` lost packets (RFC 2330 11.3), infinity among those."""
    n = histogram.n + infinite
    value = histogram.at(rank(q, n)) if n else math.inf
    return value if math.isinf(value) else min(max(value, low_us), high_us)


def quantile_ms(part: Part, direction: str, q: str) -> float | None:
    """Return a quantile of a direction over the packets sent; None among the lost, or where no delay was measured."""
    delay = part.delays.get(direction)
    if delay is None:
        return None
    value = quantile_us(delay.histogram, lost_in(part, direction), q, delay.min_us, delay.max_us)
    return None if math.isinf(value) else value / MS


def lost_in(part: Part, direction: str) -> int:
    """Return how many packets have an infinite delay in this direction."""
    return {"round_trip": part.losses.lost, "up": part.losses.up, "down": part.losses.down}[direction]


def _delay(part: Part, direction: str) -> list[Figure]:
    kpi = "rtt" if direction == "round_trip" else "owd"
    delay = part.delays[direction]
    delivered, lost = delay.histogram.n, lost_in(part, direction)
    remark = "" if kpi == "rtt" else UNJUDGED_CLOCK
    found = [
        _figure(kpi, direction, "mean", delay.sum_us / delivered / MS, delivered, note=remark),
        _figure(kpi, direction, "min", delay.min_us / MS, delivered, note=remark),
    ]
    for statistic in QUANTILES:
        q = share_of(statistic)
        value = quantile_ms(part, direction, q)
        found.append(
            _figure(
                kpi,
                direction,
                statistic,
                value,
                delivered + lost,
                precision=BUCKETS,
                note=AMONG_LOST if value is None else remark,
            )
        )
    return [*found, _figure(kpi, direction, "max", delay.max_us / MS, delivered, note=remark)]


def _loss(part: Part) -> list[Figure]:
    losses = part.losses
    approximate = OVERLAPS if losses.overlaps else EXACT
    if not losses.lost and part.absent:
        total = losses.sent + part.absent
        note = f"欠番 {part.absent}/{total}: 未測定か損失か区別できない / absent: not measured or lost, nobody knows"
        found = [
            _figure(
                "loss",
                "round_trip" if "round_trip" in part.delays else "up",
                "ratio",
                None,
                total,
                precision=approximate,
                note=note,
            )
        ]
    else:
        found = [
            _figure("loss", "round_trip", "ratio", losses.lost / losses.sent, losses.sent),
            _figure("loss", "round_trip", "count", float(losses.lost), losses.sent),
        ]
        if part.has_numbers:
            undecided = f"方向不明 {losses.unknown} / undecided {losses.unknown}" if losses.unknown else ""
            of = {"up": (losses.up, losses.sent - losses.unknown)}
            of["down"] = (losses.down, losses.sent - losses.unknown - losses.up)
            found += [
                _figure("loss", direction, "ratio", lost / sent, sent, precision=approximate, note=undecided)
                for direction, (lost, sent) in of.items()
                if sent
            ]
        found.append(
            _figure("loss_burst", "round_trip", "count", float(losses.runs), losses.sent, precision=approximate)
        )
        if losses.runs:
            mean, longest = losses.lost / losses.runs, float(losses.longest_run)
            found += [
                _figure("loss_burst", "round_trip", "mean", mean, losses.runs, precision=approximate),
                _figure("loss_burst", "round_trip", "max", longest, losses.runs, precision=approximate),
            ]
    if part.delivered:
        found.append(_figure("duplication", "round_trip", "ratio", part.duplicates / part.delivered, part.delivered))
    if part.absent:
        found.append(_figure("absent", "", "count", float(part.absent), losses.sent + part.absent))
    return found


def _reliability(part: Part, direction: str, parameters: Parameters) -> Figure:
    within_ms = parameters.rtt_within_ms if direction == "round_trip" else parameters.owd_within_ms
    histogram = part.delays[direction].histogram
    surely, perhaps = histogram.at_most(within_ms * MS)
    sent = histogram.n + lost_in(part, direction)
    unsure = f"{perhaps - surely} 個が境界の0.1 %内 / {perhaps - surely} within 0.1 % of the bound, counted as late"
    notes = [f"所要遅延 {within_ms:g} ms 以内 / within {within_ms:g} ms"]
    if direction != "round_trip":
        notes.append(UNJUDGED_CLOCK)
    return _figure(
        "reliability",
        direction,
        "ratio",
        surely / sent,
        sent,
        precision=EXACT if surely == perhaps else unsure,
        note="; ".join(notes),
    )


def interval_us(part: Part) -> int:
    """Return the median gap in sending, within 0.1 %; 0 where there is no gap."""
    n = part.gaps.n
    return int((part.gaps.at((n + 1) // 2) + part.gaps.at(n // 2 + 1)) / 2) if n else 0


def outages_of(part: Part, direction: str) -> Outages:
    """Return time observed and outages of a part by one direction's delays."""
    return outages(part.segments, direction, part.deadlines, interval_us(part))


def late_us(part: Part, direction: str, limit_us: float) -> tuple[int, int]:
    """Return how many delivered packets were surely and how many perhaps later than a limit."""
    histogram = part.delays[direction].histogram
    surely, perhaps = histogram.at_most(limit_us)
    return histogram.n - perhaps, histogram.n - surely


def _availability(part: Part, direction: str) -> list[Figure]:
    found = outages_of(part, direction)
    if found.ratio is None or (part.delivered and direction not in part.delays):
        note = NOT_OBSERVED if found.ratio is None else NOT_MEASURED
        return [_figure("availability", direction, "ratio", None, 0, note=note)]
    deadlines = part.deadlines
    note = (
        f"Tmax {deadlines.t_max_us / MS:g} ms, 生存時間 survival {deadlines.survival_us / MS:g} ms; "
        "n は観測秒数 / n counts seconds"
    )
    rounding = "観測区間ごとに送信間隔の0.1 % / 0.1 % of a sending interval for each stretch observed"
    return [
        _figure("availability", direction, "ratio", found.ratio, found.seconds, precision=rounding, note=note),
        _figure("outage", direction, "count", float(found.count), found.count, precision=rounding, unit="1"),
        _figure("outage", direction, "max", found.longest_us / _MICRO, found.count, precision=rounding),
        _figure("outage", direction, "total", found.down_us / _MICRO, found.count, precision=rounding),
    ]
