"""Throughput: the KPIs of the throughput stream."""

from __future__ import annotations

from analytics.dictionary.definition import KpiDefinition

THROUGHPUT: tuple[KpiDefinition, ...] = (
    *(
        KpiDefinition(
            id=f"throughput_{protocol}", name_ja=f"スループット({protocol.upper()})",
            name_en=f"{protocol.upper()} throughput", unit="Mbit/s", better="larger",
            clause="RFC 6349 (TCP); 総務省 実効速度計測の慣行(中央値・箱ひげ図)" if protocol == "tcp"
            else "RFC 9097 in spirit; payload received", stream="throughput",
            columns=("rate_bps", "bytes", "interval_s"),
            statistics=("mean", "p5", "p25", "p50", "p75", "p95", "min", "max"),
            meaning_ja="測定区間ごとの実効速度(ペイロード)。平均はバイト数÷時間",
            meaning_en="Payload rate of the test intervals. The mean is all bytes over all seconds.",
        )
        for protocol in ("tcp", "udp")
    ),
    KpiDefinition(
        id="bandwidth_sufficiency", name_ja="所要帯域充足率", name_en="Bandwidth sufficiency", unit="1",
        better="larger", clause="jissho: share of test time at or above the required rate", stream="throughput",
        columns=("rate_bps", "interval_s"), statistics=("ratio",),
        meaning_ja="所要帯域以上であった測定時間の割合",
        meaning_en="Share of the test time in which the rate reached the required one.",
    ),
    KpiDefinition(
        id="udp_loss", name_ja="UDP損失率(負荷時)", name_en="UDP loss under load", unit="1", better="smaller",
        clause="RFC 7680 2.4; under load", stream="throughput", columns=("packets", "lost_packets"),
        statistics=("ratio",),
        meaning_ja="UDPスループット試験中の損失率。負荷をかけた状態の値であり、区間測定の損失率とは異なる",
        meaning_en="Loss during UDP tests, under load: not the loss of the link probe.",
    ),
)  # fmt: skip
