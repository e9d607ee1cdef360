"""What two links of one device give together: the KPIs of redundant communication (remote monitoring, Level 4)."""

from __future__ import annotations

from analytics.dictionary.definition import KpiDefinition
from analytics.dictionary.sources import CLOCK_BOUND, DELAY, LOST, ROUND_TRIP, WAYS

PAIR_QUANTILES = ("p50", "p99", "p99.9")
_DELAY_COLUMNS = ("ul_us", "dl_us", "rtt_us", "lost")

REDUNDANCY: tuple[KpiDefinition, ...] = (
    KpiDefinition(
        id="redundant_availability", name_ja="冗長回線の可用性", name_en="Availability of two links together", unit="1",
        better="larger", clause="3GPP TS 22.104 C.3; jissho: down only while both links are",
        columns=("rtt_us", "lost"), statistics=("ratio",),
        directions=WAYS, needs=(LOST, DELAY), links=2, main=("ratio",),
        meaning_ja="2回線のうち少なくとも一方が稼働していた時間の割合。両方を観測した時間に対する。各回線の停止は可用性と同じ定義",
        meaning_en="Share of the time in which both links were observed that at least one of them was up; each is down "
        "by the definition of availability.",
    ),
    KpiDefinition(
        id="redundant_availability_gain", name_ja="冗長化による可用性の改善",
        name_en="Availability gained by the second link", unit="1", better="larger",
        clause="jissho: pair minus the better single link, over the same time",
        columns=("rtt_us", "lost"), statistics=("ratio",),
        directions=WAYS, needs=(LOST, DELAY), links=2, main=("ratio",),
        meaning_ja="冗長回線の可用性から、同じ時間における良い方の単独回線の可用性を引いた値",
        meaning_en="Availability of the pair minus that of the better single link over the same time.",
    ),
    KpiDefinition(
        id="redundant_outage", name_ja="両回線の同時断", name_en="Outages of both links at once", unit="s",
        better="smaller", clause="3GPP TS 22.104 C.3; jissho: both links down", columns=("rtt_us", "lost"),
        statistics=("count", "max", "total"),
        directions=WAYS, needs=(LOST, DELAY), links=2, main=("max",),
        meaning_ja="両回線が同時に停止していた回数、最長、合計時間",
        meaning_en="Number, longest and total duration of the times in which both links were down.",
    ),
    KpiDefinition(
        id="redundant_loss", name_ja="冗長回線の損失率", name_en="Packet loss of two links together", unit="1",
        better="smaller", clause="RFC 7680 2.4, 4.1; jissho: lost on both links", columns=("lost",),
        statistics=("ratio",),
        directions=ROUND_TRIP, needs=(LOST,), links=2, main=("ratio",),
        meaning_ja="ほぼ同時に両回線へ送信したパケットの組のうち、両方とも届かなかった割合。組は送信時刻が互いに最も近い2パケット",
        meaning_en="Share of pairs of packets sent over both links at about the same time of which neither arrived; a "
        "pair is two packets that are each other's nearest in sending time.",
    ),
    KpiDefinition(
        id="redundant_loss_gain", name_ja="冗長化による損失率の改善", name_en="Loss saved by the second link", unit="1",
        better="larger", clause="jissho: better single link minus pair, over the same packets", columns=("lost",),
        statistics=("ratio",),
        directions=ROUND_TRIP, needs=(LOST,), links=2, main=("ratio",),
        meaning_ja="同じパケットの組における良い方の単独回線の損失率から、冗長回線の損失率を引いた値",
        meaning_en="Loss ratio of the better single link minus that of the pair, over the same pairs of packets.",
    ),
    KpiDefinition(
        id="redundant_delay", name_ja="冗長回線の遅延(早い方)", name_en="Delay of the faster of two links", unit="ms",
        better="smaller", clause="RFC 2681 2.4, 4.1; RFC 7679 3.4; RFC 2330 11.3; jissho: smaller of both",
        columns=_DELAY_COLUMNS, statistics=PAIR_QUANTILES,
        directions=WAYS, needs=(LOST, DELAY), links=2, also=(CLOCK_BOUND,), main=("p50", "p99"),
        meaning_ja="パケットの組のうち先に届いた方の遅延。両方とも損失した組は無限大",
        meaning_en="Delay of whichever packet of the pair was faster; infinite where both were lost.",
    ),
    KpiDefinition(
        id="redundant_delay_gain", name_ja="冗長化による遅延の改善", name_en="Delay saved by the second link",
        unit="ms", better="larger", clause="jissho: better single link minus pair, over the same packets",
        columns=_DELAY_COLUMNS, statistics=PAIR_QUANTILES,
        directions=WAYS, needs=(LOST, DELAY), links=2, also=(CLOCK_BOUND,), main=("p99",),
        meaning_ja="同じパケットの組における良い方の単独回線の遅延の分位点から、冗長回線のそれを引いた値",
        meaning_en="Quantile of the better single link minus that of the pair, over the same pairs of packets.",
    ),
)  # fmt: skip
