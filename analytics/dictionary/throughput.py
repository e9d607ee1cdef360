"""Throughput: the KPIs of the throughput stream."""

from __future__ import annotations

from analytics.dictionary.definition import KpiDefinition
from analytics.dictionary.sources import RATE, UP_DOWN

_MIC = "総務省 移動系の実効速度計測ガイドライン(2015-07-31、二次資料による by secondary sources)"

THROUGHPUT: tuple[KpiDefinition, ...] = (
    *(
        KpiDefinition(
            id=f"throughput_{protocol}", name_ja=f"スループット({protocol.upper()})",
            name_en=f"{protocol.upper()} throughput", unit="Mbit/s", better="larger",
            clause="RFC 6349 (TCP); 総務省 実効速度計測の慣行(中央値・箱ひげ図)" if protocol == "tcp"
            else "RFC 9097 in spirit; payload received", stream="throughput",
            columns=("rate_bps", "bytes", "interval_s"), revision=2,
            statistics=("mean", "p5", "p25", "p50", "p75", "p95", "min", "max"),
            directions=UP_DOWN, needs=(RATE,), also=("throughput.parallel",), main=("p5", "p50"),
            meaning_ja="測定区間ごとの実効速度(ペイロード)。平均はバイト数÷時間。測定点での試行は含めない"
            f"(point_throughput_{protocol})",
            meaning_en="Payload rate of the test intervals. The mean is all bytes over all seconds. Tests at measuring "
            f"points are not in it (point_throughput_{protocol}).",
        )
        for protocol in ("tcp", "udp")
    ),
    *(
        KpiDefinition(
            id=f"point_throughput_{protocol}", name_ja=f"測定点の実効速度({protocol.upper()})",
            name_en=f"Effective speed over measuring points, {protocol.upper()}", unit="Mbit/s", better="larger",
            clause=_MIC, stream="throughput", columns=("point", "trial", "rate_bps", "bytes", "interval_s"),
            statistics=("mean", "min", "p5", "p25", "p50", "p75", "p95", "max"),
            directions=UP_DOWN, needs=(("throughput.point",), RATE), also=("throughput.trial",),
            main=("p25", "p50", "p75"),
            meaning_ja="測定点ごとの値(その地点の試行の平均)の、全測定点の分布。n は地点数で、試行数は条件に示す。"
            "区間は地点を標本とする(試行は標本ではない)。総務省の示し方では1地点3回の平均を地点の値とし、"
            "箱ひげ図(最大・75%値・中央値・25%値・最小)で示し、25%値から75%値までを実効速度とする。値のある試行が"
            "所定回数(要求値の point_tests、既定3)に満たない地点は値を持たず、その地点名を示し、"
            "その結果次第で判定が変わるときは判定不能とする",
            meaning_en="Distribution over all measuring points of the point's value, which is the mean of its tests. n "
            "counts points, the filter says how many tests; the interval takes points as samples, never tests. MIC's "
            "guideline takes the mean of three tests a point, shows maximum, 75 %, median, 25 % and minimum as a box "
            "plot, and publishes 25 % to 75 % as the effective speed. A point with fewer tests that have a value than "
            "`point_tests` of the requirements (3 unless stated) has none and is named; where it could turn the "
            "verdict, that is undecided.",
        )
        for protocol in ("tcp", "udp")
    ),
    KpiDefinition(
        id="point_sufficiency", name_ja="所要帯域を満たす測定点の割合",
        name_en="Measuring points with enough bandwidth", unit="1", better="larger",
        clause="jissho: share of points whose value reaches the required rate", stream="throughput",
        columns=("point", "trial", "rate_bps", "bytes", "interval_s"), statistics=("ratio",),
        directions=UP_DOWN, needs=(("throughput.point",), RATE), also=("throughput.trial",), main=("ratio",),
        meaning_ja="値(試行の平均)が所要帯域以上である測定点の割合。試行が足りない地点は含めない",
        meaning_en="Share of the measuring points whose value, the mean of their tests, reaches the required rate; "
        "points with too few tests are not in it.",
    ),
    KpiDefinition(
        id="bandwidth_sufficiency", name_ja="所要帯域充足率", name_en="Bandwidth sufficiency", unit="1",
        better="larger", clause="jissho: share of test time at or above the required rate", stream="throughput",
        columns=("rate_bps", "interval_s"), statistics=("ratio",), revision=2,
        directions=UP_DOWN, needs=(RATE,), main=("ratio",),
        meaning_ja="所要帯域以上であった測定時間の割合。測定点での試行は含めない(point_sufficiency)",
        meaning_en="Share of the test time in which the rate reached the required one. Tests at measuring points are "
        "not in it (point_sufficiency).",
    ),
    KpiDefinition(
        id="tcp_transfer_time_ratio", name_ja="TCP転送時間比", name_en="TCP transfer time ratio", unit="1",
        better="smaller", clause="RFC 6349 4.1", stream="throughput", columns=("rate_bps", "bytes", "interval_s"),
        statistics=("mean",),
        directions=UP_DOWN, needs=(RATE,),
        revision=2,
        meaning_ja="実際の転送時間÷理想の転送時間。理想は達成し得る最大のTCPスループット"
        "(要求値の tcp_ideal_up_mbps、tcp_ideal_down_mbps)によるもので、それらが無いときは算出しない。"
        "測定点での試験は含めない",
        meaning_en="Actual over ideal transfer time; ideal is the largest TCP throughput that the path allows "
        "(`tcp_ideal_up_mbps`, `tcp_ideal_down_mbps` of the requirements), without which it is not computed. "
        "Tests at measuring points are left out.",
    ),
    KpiDefinition(
        id="tcp_efficiency", name_ja="TCP効率", name_en="TCP efficiency", unit="1", better="larger",
        clause="RFC 6349 4.2", stream="throughput", columns=("bytes", "retransmits"), statistics=("ratio",),
        directions=UP_DOWN, needs=(("throughput.bytes",), ("throughput.retransmits",)),
        revision=2,
        meaning_ja="(送信バイト数-再送バイト数)÷送信バイト数。再送バイト数は再送件数にセグメント長"
        "(要求値の tcp_segment_bytes)を掛けた値で、それが無いときは算出しない。測定点での試験は含めない",
        meaning_en="Bytes sent less those resent, over bytes sent. Resent are segments times their size "
        "(`tcp_segment_bytes` of the requirements), without which it is not computed. Tests at measuring points are "
        "left out.",
    ),
    KpiDefinition(
        id="tcp_buffer_delay", name_ja="TCPバッファ遅延", name_en="TCP buffer delay", unit="1", better="smaller",
        clause="RFC 6349 4.3", stream="throughput", columns=("interval_s", "rtt_us"), statistics=("ratio",),
        directions=UP_DOWN, needs=(("throughput.interval_s",), ("probe.rtt_us",)),
        revision=2,
        meaning_ja="TCP試験中の平均往復遅延の、基準値からの増加率。往復遅延は区間測定による。"
        "基準値は試験を行っていない時間の最小値。測定点での試験は含めず、その時間は基準値にも用いない",
        meaning_en="By how much the mean round trip during TCP tests exceeds the baseline, over the baseline: the "
        "smallest round trip outside of any test. Round trips are those of the link's probes. "
        "Tests at measuring points are left out, and the time of them is none without a test.",
    ),
    KpiDefinition(
        id="tcp_window", name_ja="TCPの必要ウィンドウ", name_en="TCP window needed", unit="kB", better="",
        clause="RFC 6349 3.3.1", stream="throughput", columns=("rtt_us",), statistics=("min",),
        directions=UP_DOWN, needs=(("throughput.interval_s",), ("probe.rtt_us",)),
        meaning_ja="理想のスループットに必要な最小の受信ウィンドウ(帯域幅遅延積÷8、1 kB = 1000 B)。"
        "往復遅延は tcp_buffer_delay の基準値",
        meaning_en="Smallest receive window that the ideal throughput takes: bandwidth-delay product over 8 (1 kB is "
        "1000 B), with the baseline of tcp_buffer_delay as round trip.",
    ),
    KpiDefinition(
        id="udp_jitter", name_ja="UDPジッタ(負荷時)", name_en="UDP jitter under load", unit="ms", better="smaller",
        clause="RFC 3550 6.4.1, A.8; under load", stream="throughput", columns=("jitter_us",),
        statistics=("mean", "p50", "p95", "max"),
        directions=UP_DOWN, needs=(("throughput.jitter_us",),),
        meaning_ja="UDPスループット試験の各区間の終わりにおける RFC 3550 ジッタ(受信側の報告値)",
        meaning_en="Interarrival jitter of RFC 3550 at the end of each interval of UDP tests, as the receiver says it.",
    ),
    KpiDefinition(
        id="udp_loss", name_ja="UDP損失率(負荷時)", name_en="UDP loss under load", unit="1", better="smaller",
        clause="RFC 7680 2.4; under load", stream="throughput", columns=("packets", "lost_packets"),
        statistics=("ratio",),
        directions=UP_DOWN, needs=(("throughput.packets+lost_packets",),), main=("ratio",),
        meaning_ja="UDPスループット試験中の損失率。負荷をかけた状態の値であり、区間測定の損失率とは異なる",
        meaning_en="Loss during UDP tests, under load: not the loss of the link probe.",
    ),
)  # fmt: skip
