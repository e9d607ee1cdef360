"""The clocks of both ends of a link, by which one-way delays are measured: how good they were, how far apart."""

from __future__ import annotations

from analytics.dictionary.definition import KpiDefinition, NoInterval
from analytics.dictionary.sources import CLOCK_BOUND, ONE_WAY

CLOCK: tuple[KpiDefinition, ...] = (
    KpiDefinition(
        id="clock_bound", name_ja="時計の誤差上限(両端の和)", name_en="Bound of the clocks, both ends together",
        unit="ms", better="smaller", clause="RFC 7679 3.7; chronyc(1) tracking; RFC 5905 7.2 (15 ppm between samples)",
        stream="clock", columns=("bound_us", "synced"), statistics=("p50", "p95", "max"),
        needs=((CLOCK_BOUND,), ONE_WAY), main=("p95",),
        meaning_ja="端末側と対向側の時計の誤差上限の和。測定時間で重み付けした分位点。記録と記録の間は 15 ppm で増える"
        "とし、記録がないか同期していない時間は無限大とする。片方向遅延を測定したときのみ算出",
        meaning_en="Sum of how far the clocks of both ends may be off, quantiles over the time measured. Between two "
        "samples it grows by 15 ppm; time without samples or synchronisation counts as infinite. Computed where a "
        "one-way delay was measured.",
    ),
    KpiDefinition(
        id="clock_poor", name_ja="時計が限度を超えるか不明な時間の割合",
        name_en="Share of time with clocks unknown or beyond the limit", unit="1", better="smaller",
        clause="RFC 7679 3.7; jissho: bound of both ends > clock_within_ms", stream="clock",
        columns=("bound_us", "synced"), statistics=("ratio",),
        needs=(("clock",), ONE_WAY), also=(CLOCK_BOUND,), main=("ratio",),
        meaning_ja="時計の誤差上限(両端の和)が、要求値プロファイルの clock_within_ms(なければ owd_within_ms の1割)を"
        "超えるか不明な時間の割合。その間のパケットの片方向遅延は評価に用いない。すべての時間がそうであれば参考値とする",
        meaning_en="Share of the time measured in which the bound of both clocks is unknown or larger than "
        "clock_within_ms of the profile (without it a tenth of owd_within_ms). One-way delays of packets sent in it "
        "are not used; where that is all of the time, figures are for reference only.",
    ),
    KpiDefinition(
        id="clock_offset", name_ja="時計差(事後推定)", name_en="Offset of the clocks, estimated afterwards", unit="ms",
        better="", clause="RFC 5905 8 (symmetric path); Moon, Skelly, Towsley 1999; RFC 7679 3.7",
        columns=("ul_us", "dl_us"), statistics=("mean",),
        needs=(("probe.ul_us",), ("probe.dl_us",)),
        meaning_ja="対向側の時計 - 端末側の時計(測定の中央)。両方向の最小遅延が等しいと仮定した推定値。"
        "区間は非対称でも成り立つ上限。要求したときのみ算出",
        meaning_en="Far clock minus own clock in the middle of the measurement, assuming equal smallest delays of both "
        "directions; the interval holds for any asymmetry. Computed on request only.",
    ),
    KpiDefinition(
        id="clock_drift", name_ja="時計の周波数差(事後推定)",
        name_en="Drift of the clocks, estimated afterwards", unit="ppm", better="",
        clause="Moon, Skelly, Towsley 1999", columns=("ul_us", "dl_us"), statistics=("mean",),
        needs=(("probe.ul_us",), ("probe.dl_us",)),
        no_interval=(
            NoInterval(
                ("mean",), "時計差(clock_offset)の区間に含めて示す",
                "Part of what the interval of the offset (clock_offset) holds",
            ),
        ),
        meaning_ja="対向側の時計が端末側の時計に対して進む速さ。要求したときのみ算出",
        meaning_en="How much faster the far clock runs than the own one. Computed on request only.",
    ),
)  # fmt: skip
