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
        id="tcp_transfer_time_ratio", name_ja="TCP転送時間比", name_en="TCP transfer time ratio", unit="1",
        better="smaller", clause="RFC 6349 4.1", stream="throughput", columns=("rate_bps", "bytes", "interval_s"),
        statistics=("mean",),
        meaning_ja="実際の転送時間÷理想の転送時間。理想は達成し得る最大のTCPスループット"
        "(要求値の tcp_ideal_up_mbps、tcp_ideal_down_mbps)によるもので、それらが無いときは算出しない",
        meaning_en="Actual over ideal transfer time; ideal is the largest TCP throughput that the path allows "
        "(`tcp_ideal_up_mbps`, `tcp_ideal_down_mbps` of the requirements), without which it is not computed.",
    ),
    KpiDefinition(
        id="tcp_efficiency", name_ja="TCP効率", name_en="TCP efficiency", unit="1", better="larger",
        clause="RFC 6349 4.2", stream="throughput", columns=("bytes", "retransmits"), statistics=("ratio",),
        meaning_ja="(送信バイト数-再送バイト数)÷送信バイト数。再送バイト数は再送件数にセグメント長"
        "(要求値の tcp_segment_bytes)を掛けた値で、それが無いときは算出しない",
        meaning_en="Bytes sent less those resent, over bytes sent. Resent are segments times their size "
        "(`tcp_segment_bytes` of the requirements), without which it is not computed.",
    ),
    KpiDefinition(
        id="tcp_buffer_delay", name_ja="TCPバッファ遅延", name_en="TCP buffer delay", unit="1", better="smaller",
        clause="RFC 6349 4.3", stream="throughput", columns=("interval_s", "rtt_us"), statistics=("ratio",),
        meaning_ja="TCP試験中の平均往復遅延の、基準値からの増加率。往復遅延は区間測定による。"
        "基準値は試験を行っていない時間の最小値",
        meaning_en="By how much the mean round trip during TCP tests exceeds the baseline, over the baseline: the "
        "smallest round trip outside of any test. Round trips are those of the link's probes.",
    ),
    KpiDefinition(
        id="tcp_window", name_ja="TCPの必要ウィンドウ", name_en="TCP window needed", unit="kB", better="",
        clause="RFC 6349 3.3.1", stream="throughput", columns=("rtt_us",), statistics=("min",),
        meaning_ja="理想のスループットに必要な最小の受信ウィンドウ(帯域幅遅延積÷8、1 kB = 1000 B)。"
        "往復遅延は tcp_buffer_delay の基準値",
        meaning_en="Smallest receive window that the ideal throughput takes: bandwidth-delay product over 8 (1 kB is "
        "1000 B), with the baseline of tcp_buffer_delay as round trip.",
    ),
    KpiDefinition(
        id="udp_jitter", name_ja="UDPジッタ(負荷時)", name_en="UDP jitter under load", unit="ms", better="smaller",
        clause="RFC 3550 6.4.1, A.8; under load", stream="throughput", columns=("jitter_us",),
        statistics=("mean", "p50", "p95", "max"),
        meaning_ja="UDPスループット試験の各区間の終わりにおける RFC 3550 ジッタ(受信側の報告値)",
        meaning_en="Interarrival jitter of RFC 3550 at the end of each interval of UDP tests, as the receiver says it.",
    ),
    KpiDefinition(
        id="udp_loss", name_ja="UDP損失率(負荷時)", name_en="UDP loss under load", unit="1", better="smaller",
        clause="RFC 7680 2.4; under load", stream="throughput", columns=("packets", "lost_packets"),
        statistics=("ratio",),
        meaning_ja="UDPスループット試験中の損失率。負荷をかけた状態の値であり、区間測定の損失率とは異なる",
        meaning_en="Loss during UDP tests, under load: not the loss of the link probe.",
    ),
)  # fmt: skip
