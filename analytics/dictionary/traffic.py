"""What AI saves and what it costs: the KPIs of the traffic stream, AI off against AI on in the same scenes."""

from __future__ import annotations

from analytics.dictionary.definition import KpiDefinition, NoInterval
from analytics.dictionary.sources import RATE, TREATED, VOLUME

_COLUMNS = ("scene", "treatment", "bytes", "interval_s")
_DETECTION = ("true_positives", "false_positives", "false_negatives")
_PRECISE = (TREATED, ("traffic.true_positives+false_positives",))
_FOUND = (TREATED, ("traffic.true_positives+false_negatives",))
_BOTH = (TREATED, ("traffic.true_positives+false_positives+false_negatives",))

TRAFFIC: tuple[KpiDefinition, ...] = (
    KpiDefinition(
        id="traffic_reduction", name_ja="通信量削減率", name_en="Traffic reduction", unit="1", better="larger",
        clause="jissho: 1 - V_on / V_off, paired by scene", stream="traffic", columns=_COLUMNS, statistics=("ratio",),
        needs=(TREATED, VOLUME), also=("traffic.scene",), main=("ratio",),
        meaning_ja="(1 - AIあり通信量/AIなし通信量)。同じシーンの対で比べ、時間当たりの量による",
        meaning_en="One minus the traffic with AI over that without, per time, in the scenes that have both.",
    ),
    KpiDefinition(
        id="compression", name_ja="圧縮率", name_en="Compression ratio", unit="1", better="smaller",
        clause="jissho: V_on / V_off, paired by scene", stream="traffic", columns=_COLUMNS, statistics=("ratio",),
        needs=(TREATED, VOLUME), also=("traffic.scene",),
        meaning_ja="AIあり通信量/AIなし通信量",
        meaning_en="Traffic with AI over traffic without.",
    ),
    *(
        KpiDefinition(
            id=f"bitrate_{treatment}", name_ja=f"ビットレート(AI{ja})", name_en=f"Bit rate, AI {treatment}",
            unit="Mbit/s", better="", clause="jissho: bytes of an interval over its length", stream="traffic",
            columns=_COLUMNS, statistics=("mean", "p50", "p99", "max"),
            needs=(TREATED, VOLUME), main=("mean",),
            meaning_ja="集計区間ごとのビットレート。ピークは99%値",
            meaning_en="Bit rate of the intervals; p99 is the peak.",
        )
        for treatment, ja in (("off", "なし"), ("on", "あり"))
    ),
    KpiDefinition(
        id="streams_possible", name_ja="同時伝送可能ストリーム数", name_en="Streams the link could carry", unit="1",
        better="larger", clause="jissho: floor(p5 of the uplink rate / mean bit rate of one stream)", revision=2,
        stream="traffic", columns=_COLUMNS, statistics=("count",),
        needs=(TREATED, VOLUME, RATE), main=("count",),
        no_interval=(
            NoInterval(
                ("count",), "区間のある2つの値の商を切り捨てた整数",
                "Two figures with intervals, divided and rounded down",
            ),
        ),
        meaning_ja="上りスループット(UDP、なければTCP)の5%値を1ストリームの平均ビットレート(AIあり)で割った整数",
        meaning_en="The p5 of the uplink (UDP, else TCP) over the mean bit rate of one stream with AI, rounded down.",
    ),
    *(
        KpiDefinition(
            id=id_, name_ja=ja, name_en=en, unit="1", better=better, clause=clause,  # type: ignore[arg-type]
            stream="traffic", columns=_DETECTION, needs=needs, main=main,
            statistics=("ratio",), meaning_ja=meaning_ja, meaning_en=meaning_en,
        )
        for id_, ja, en, better, clause, needs, main, meaning_ja, meaning_en in (
            ("precision", "適合率", "Precision", "larger", "TP / (TP + FP)", _PRECISE, ("ratio",),
             "検知したもののうち正しい割合(AIあり)", "Share of detections that were right, AI on."),
            ("recall", "再現率", "Recall", "larger", "TP / (TP + FN)", _FOUND, ("ratio",),
             "あるべきもののうち検知した割合(AIあり)", "Share of objects that were detected, AI on."),
            ("f_score", "F値", "F score", "larger", "2 TP / (2 TP + FP + FN)", _BOTH, (),
             "適合率と再現率の調和平均(AIあり)", "Harmonic mean of precision and recall, AI on."),
            ("accuracy_retention", "精度維持率", "Retention of accuracy", "larger", "F_on / F_off", _BOTH, ("ratio",),
             "AIあり(削減後)のF値/AIなしのF値", "F score with AI over that without."),
            ("missed", "見逃し率", "Missed objects", "smaller", "FN / (TP + FN)", _FOUND, (),
             "検知されなかった割合(AIあり)", "Share of objects not detected, AI on."),
        )
    ),
    KpiDefinition(
        id="false_alarms", name_ja="誤検知", name_en="False alarms", unit="1/h", better="smaller",
        clause="FP per hour", stream="traffic", columns=("false_positives", "interval_s"), statistics=("rate",),
        needs=(TREATED, ("traffic.true_positives+false_positives",)), main=("rate",),
        meaning_ja="1時間当たりの誤検知数(AIあり)",
        meaning_en="False detections an hour, AI on.",
    ),
    KpiDefinition(
        id="ai_delay", name_ja="AI処理遅延", name_en="Delay added by the AI", unit="ms", better="smaller",
        clause="jissho: as the application reports it", stream="traffic", columns=("added_delay_us",),
        statistics=("mean", "p50", "p95", "max"),
        needs=(TREATED, ("traffic.added_delay_us",)), main=("p95",),
        meaning_ja="AI処理によって加わる遅延",
        meaning_en="Delay that the AI adds.",
    ),
)  # fmt: skip
