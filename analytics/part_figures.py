"""Figures of a part: the probe KPIs of any window, each with what it counts over and how exact it is."""

from __future__ import annotations

import math

import msgspec

from analytics.definitions import BY_ID, CDF_MS, QUANTILES
from analytics.log_histogram import LogHistogram
from analytics.loss_model_kpis import NO_TRANSITION
from analytics.loss_models import NOTHING_LOST
from analytics.part_segments import DIRECTIONS, Outages, outages
from analytics.part_sessions import LossSums
from analytics.partials import DelayPart, Part
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
UNPAIRED = (
    "旧版の部分結果 {n} パケットは遷移を持たない / no transitions were kept of {n} packets; "
    "`jissho parts rebuild` counts those that are still there"
)
NO_FAILURE = "停止なし / no failure"
OVERLAPS = "通し番号が前後するセッションがあり近似 / approximate: a session's numbers do not grow with time"
WITHOUT_PARTS = {
    "ipdv": "方向ごとにもう一つヒストグラムが要り、保存量が倍になる / needs one more histogram for each direction: "
    "twice the bytes",
    "pdv": "遅延の0.1 %の誤差が最小遅延との差を上回りうる / "
    "0.1 % of a delay may be more than its excess over the smallest",
    "jitter_rfc3550": "到着順の漸化式で、区間の始まりごとに値が変わる / a recursion in the order of arrival: "
    "it begins anew with every window",
    "reordering": "どの後続にも追い越されうるので、境界で到着時刻をすべて残すことになる / "
    "any later packet may overtake one: a border would have to keep every arrival",
    "reordering_extent": "reordering と同じ / as reordering",
    "reordering_late": "reordering と同じ / as reordering",
    "n_reordering": "reordering と同じ / as reordering",
    "reordering_held": "reordering と同じ / as reordering",
    "reordering_byte_offset": "reordering と同じ / as reordering",
    "reordering_discontinuity": "reordering と同じ / as reordering",
    "reordering_discontinuity_size": "reordering と同じ / as reordering",
    "reordering_gap": "reordering と同じ / as reordering",
    "reordering_free_run": "reordering と同じ / as reordering",
    "inter_loss_period": "loss_gilbert_elliott と同じ / as loss_gilbert_elliott",
    "burst_density": "loss_gilbert_elliott と同じ / as loss_gilbert_elliott",
    "burst_duration": "loss_gilbert_elliott と同じ / as loss_gilbert_elliott",
    "gap_density": "loss_gilbert_elliott と同じ / as loss_gilbert_elliott",
    "gap_duration": "loss_gilbert_elliott と同じ / as loss_gilbert_elliott",
    "loss_distance": "損失の位置をすべて残すことになる / a part would have to keep the place of every loss",
    "loss_noticeable": "loss_distance と同じ / as loss_distance",
    "loss_gilbert": "三連続の損失パターンの数を残すことになる / "
    "a part would have to keep counts of three in a row, and what its borders cut of them",
    "loss_gilbert_elliott": "損失と受信の長さをすべて残すことになる / "
    "a part would have to keep the length of every run",
    "replication": "重複したパケットの番号をすべて残すことになる / "
    "a part would have to keep the number of every packet that came twice",
    "ip_availability": "区間 Tav は要求値プロファイルが定め、部分結果の境界と合うとは限らない / "
    "the interval Tav is the profile's: parts need not end where it does",
    "ip_loss_available": "ip_availability と同じ / as ip_availability",
    "clock_offset": "測定全体の最小遅延からの推定、要求時のみ / estimated over a whole run, on request only",
    "clock_drift": "clock_offset と同じ / as clock_offset",
    "ping_rtt": "pingの計算方法、要求時のみ / ping's own convention, on request only",
}
"""KPIs of the probe stream that no part gives, each with the reason: they are computed from a run's packets."""


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One KPI of a window. `precision` "" is exact; `note` says why a value is null or what it leaves out.

    `low` and `high` are what the value may be where parts leave that open by more than `precision` says in words.
    """

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
    low: float | None = None
    high: float | None = None


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
        found += _distribution(part, direction)
    found += _loss(part)
    found += [_reliability(part, direction, parameters) for direction in measured or ["round_trip"]]
    found += _availability(part, (measured or ["round_trip"])[0])
    return found


DIRECTIONS_BY_RANK = ("round_trip", *(direction for direction in DIRECTIONS if direction != "round_trip"))


def quantile_us(histogram: LogHistogram, infinite: int, q: str, low_us: int, high_us: int) -> float:
    """Return the q-quantile of a histogram and of `infinite` lost packets (RFC 2330 11.3), infinity among those."""
    n = histogram.n + infinite
    value = histogram.at(rank(q, n)) if n else math.inf
    return value if math.isinf(value) else min(max(value, low_us), high_us)


def _median_ms(part: Part, direction: str) -> float | None:
    """Return the middle delay of the packets sent, the mean of both in the middle (RFC 2681 4.2); None among the lost.

    Each of the two is within 0.1 % of its own value.
    """
    delay, lost = part.delays[direction], lost_in(part, direction)
    n = delay.histogram.n + lost
    middle = [delay.histogram.at(rank) for rank in ((n + 1) // 2, n // 2 + 1)]
    return None if math.isinf(middle[1]) else sum(min(max(us, delay.min_us), delay.max_us) for us in middle) / 2 / MS


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
        _figure(kpi, direction, "std", _deviation_us(delay) / MS, delivered, note=remark),
        _figure(kpi, direction, "min", delay.min_us / MS, delivered, note=remark),
    ]
    for statistic in (*QUANTILES, "median"):
        value = (
            _median_ms(part, direction) if statistic == "median" else quantile_ms(part, direction, share_of(statistic))
        )
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


def _deviation_us(delay: DelayPart) -> float:
    """Return the root of the mean squared deviation; whole numbers until the root, so that nothing cancels."""
    n = delay.histogram.n
    return math.sqrt(n * delay.squares_us2 - delay.sum_us**2) / n


def _distribution(part: Part, direction: str) -> list[Figure]:
    remark = "" if direction == "round_trip" else UNJUDGED_CLOCK
    return [_within(part, "delay_cdf", direction, statistic, ms, remark) for statistic, ms in CDF_MS.items()]


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
            for direction, (lost, sent) in of.items():
                if sent:
                    for statistic, value in (("ratio", lost / sent), ("count", float(lost))):
                        one = _figure("loss", direction, statistic, value, sent, precision=approximate, note=undecided)
                        found.append(one)
        found.append(
            _figure("loss_burst", "round_trip", "count", float(losses.runs), losses.sent, precision=approximate)
        )
        if losses.runs:
            mean, longest = losses.lost / losses.runs, float(losses.longest_run)
            found += [
                _figure("loss_burst", "round_trip", "mean", mean, losses.runs, precision=approximate),
                _figure("loss_burst", "round_trip", "max", longest, losses.runs, precision=approximate),
            ]
        found += _model(losses)
    if part.delivered:
        found.append(_figure("duplication", "round_trip", "ratio", part.duplicates / part.delivered, part.delivered))
    if part.absent:
        found.append(_figure("absent", "", "count", float(part.absent), losses.sent + part.absent))
    return found


def _model(losses: LossSums) -> list[Figure]:
    """Return the two-state model of loss, as `analytics.loss_model_kpis` does."""
    found = losses.transitions
    if not losses.lost or found is None:
        note = UNPAIRED.format(n=losses.unpaired) if losses.lost else NOTHING_LOST
        return [_figure("loss_model", "round_trip", "p", None, losses.sent, note=note)]
    approximate = OVERLAPS if losses.overlaps else EXACT
    return [
        _figure("loss_model", "round_trip", statistic, hits / of if of else None, of, precision=approximate,
                note="" if of else NO_TRANSITION)
        for statistic, hits, of in (("p", found.good_bad, found.after_good), ("q", found.bad_good, found.after_bad))
    ]  # fmt: skip


def _reliability(part: Part, direction: str, parameters: Parameters) -> Figure:
    within_ms = parameters.rtt_within_ms if direction == "round_trip" else parameters.owd_within_ms
    notes = [f"所要遅延 {within_ms:g} ms 以内 / within {within_ms:g} ms"]
    if direction != "round_trip":
        notes.append(UNJUDGED_CLOCK)
    return _within(part, "reliability", direction, "ratio", within_ms, "; ".join(notes))


def _within(  # noqa: PLR0917 - what, of which part, and what is said beside it
    part: Part, kpi: str, direction: str, statistic: str, within_ms: float, note: str
) -> Figure:
    """Return the share of packets sent that were surely delivered within a bound."""
    sent, surely, perhaps = lost_in(part, direction), 0, 0
    if direction in part.delays:
        sent += part.delays[direction].histogram.n
        surely, perhaps = part.delays[direction].at_most(within_ms * MS)
    if not sent:
        return _figure(kpi, direction, statistic, None, 0, note=NOT_MEASURED)
    unsure = f"{perhaps - surely} 個が境界の0.1 %内 / {perhaps - surely} within 0.1 % of the bound, counted as late"
    return _figure(
        kpi, direction, statistic, surely / sent, sent, precision=EXACT if surely == perhaps else unsure, note=note
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
    delay = part.delays[direction]
    surely, perhaps = delay.at_most(limit_us)
    return delay.histogram.n - perhaps, delay.histogram.n - surely


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
    up_s = max(found.observed_us - found.down_us, 0) / _MICRO
    return [
        _figure("availability", direction, "ratio", found.ratio, found.seconds, precision=rounding, note=note),
        _figure("outage", direction, "count", float(found.count), found.count, precision=rounding, unit="1"),
        _figure("outage", direction, "max", found.longest_us / _MICRO, found.count, precision=rounding),
        _figure("outage", direction, "total", found.down_us / _MICRO, found.count, precision=rounding),
        _figure(
            "mtbf",
            direction,
            "mean",
            up_s / found.count if found.count else None,
            found.count,
            precision=rounding,
            note="" if found.count else NO_FAILURE,
        ),
    ]
