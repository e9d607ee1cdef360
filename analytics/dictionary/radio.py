"""Radio quality, coverage and mobility: the KPIs of the radio stream."""

from __future__ import annotations

from analytics.dictionary.definition import KpiDefinition
from analytics.dictionary.sources import CELL, DELAY, LOST, PLACE

LEVELS = ("mean_linear", "mean", "p5", "p10", "p50", "p95", "min", "max", "std")
MEAN_JA = "「真値平均」(mean_linear)は真数(dBmならmW)に直した平均、「平均」(mean)はdBのままの平均"
MEAN_EN = "mean_linear averages milliwatts (of dB: plain ratios), mean averages decibels"
_LEVEL = ("radio.rsrp_dbm", "radio.rx_power_dbm")
_BASIS_EN = (
    "Time: each sample stands until the next, three of the usual intervals at most; distance: the metres driven in "
    "that time; mesh: median of each mesh."
)

RADIO: tuple[KpiDefinition, ...] = (
    KpiDefinition(
        id="rsrp", name_ja="RSRP", name_en="Reference signal received power", unit="dB[mW]", better="larger",
        clause="3GPP TS 38.215 5.1.1; TS 38.133 10.1.6", stream="radio", columns=("rsrp_dbm",), statistics=LEVELS,
        needs=(("radio.rsrp_dbm",),), main=("p5", "p50"),
        meaning_ja=f"在圏セルの参照信号受信電力(リソースエレメント当たり)。{MEAN_JA}",
        meaning_en=f"Reference signal power per resource element of the serving cell; {MEAN_EN}.",
    ),
    KpiDefinition(
        id="rsrq", name_ja="RSRQ", name_en="Reference signal received quality", unit="dB", better="larger",
        clause="3GPP TS 38.215 5.1.3; TS 38.133 10.1.11", stream="radio", columns=("rsrq_db",), statistics=LEVELS,
        needs=(("radio.rsrq_db",),),
        meaning_ja=f"参照信号受信品質。{MEAN_JA}",
        meaning_en=f"Reference signal received quality; {MEAN_EN}.",
    ),
    KpiDefinition(
        id="sinr", name_ja="SINR", name_en="Signal to interference and noise ratio", unit="dB", better="larger",
        clause="3GPP TS 38.215 5.1.5; TS 38.133 10.1.16", stream="radio", columns=("sinr_db",), statistics=LEVELS,
        needs=(("radio.sinr_db",),), main=("p5", "p50"),
        meaning_ja=f"信号対干渉雑音比。{MEAN_JA}",
        meaning_en=f"Signal to interference and noise ratio; {MEAN_EN}.",
    ),
    KpiDefinition(
        id="rx_power", name_ja="受信電力", name_en="Received power", unit="dB[mW]", better="larger",
        clause="電波法関係審査基準(カバーエリアの基準量); 占有帯域の総受信電力", stream="radio",
        columns=("rx_power_dbm",), statistics=LEVELS,
        needs=(("radio.rx_power_dbm",),), main=("p5", "p50"),
        meaning_ja=f"占有周波数帯域の総受信電力。RSRPではない。{MEAN_JA}",
        meaning_en=f"Total received power in the occupied bandwidth, not RSRP; {MEAN_EN}.",
    ),
    *(
        KpiDefinition(
            id=f"{kpi}_section", name_ja=f"{ja}(短区間中央値)", name_en=f"Short-section medians of {en}", unit=unit,
            better="larger", clause="短区間中央値処理(電波伝搬測定の慣行)", stream="radio",
            columns=(column,), statistics=("p5", "p10", "p50", "p95", "min"),
            needs=((f"radio.{column}",), PLACE), also=("position.speed_mps",),
            meaning_ja="走行距離で区切った短区間ごとの中央値の分布。停車時間の偏りを受けない。同じ道を再び走れば別の区間",
            meaning_en="Distribution of the medians of short sections of the way driven: standing still does not "
            "weigh. A road driven again is a further section.",
        )
        for kpi, ja, en, unit, column in (
            ("rsrp", "RSRP", "RSRP", "dB[mW]", "rsrp_dbm"),
            ("rx_power", "受信電力", "received power", "dB[mW]", "rx_power_dbm"),
            ("sinr", "SINR", "SINR", "dB", "sinr_db"),
        )
    ),
    *(
        KpiDefinition(
            id=f"coverage_{basis}", name_ja=f"カバー率({ja})", name_en=f"Coverage ratio by {basis}", unit="1",
            better="larger", clause="jissho: share at or above the stated threshold", revision=2, stream="radio",
            columns=("rsrp_dbm", "rx_power_dbm"), statistics=("ratio",),
            needs=(_LEVEL,) if basis == "time" else (_LEVEL, PLACE), also=CELL, main=("ratio",),
            meaning_ja=f"しきい値以上であった{what}の割合。圏外(レベルもセルも無い標本)はカバーされていない。"
            "未測定は分母に含めず、その量を併記する",
            meaning_en="Share at or above the threshold. Out of service (a sample with neither a level nor a cell) is "
            f"not covered; what was not measured is in neither part, and how much it was is stated. {_BASIS_EN}",
        )
        for basis, ja, what in (
            ("time", "時間", "時間"), ("distance", "距離", "走行距離"),
            ("mesh", "面積", "JIS X 0410 1/8地域メッシュ(中央値)"),
        )
    ),
    KpiDefinition(
        id="handover", name_ja="ハンドオーバー", name_en="Handovers", unit="1", better="",
        clause="jissho: change of the serving cell between neighbouring samples", revision=2, stream="radio",
        columns=("rat", "cell_id", "pci", "arfcn"), statistics=("count",),
        needs=(CELL,), also=("radio.arfcn", "radio.rat"), main=("count",),
        meaning_ja="在圏セルが変わった回数。前後の両方で分かっている識別子(セルID、なければPCI、周波数番号)が異なるときだけ数える。"
        "無線方式が複数あるときは方式ごと。方式自体の切替は含めない",
        meaning_en="How often the serving cell changed: something that identifies it (identity, else PCI, channel) is "
        "known before and after, and differs. Of each technology where there are several; a change of technology is "
        "none.",
    ),
    KpiDefinition(
        id="handover_interruption", name_ja="ハンドオーバー断時間", name_en="Handover interruption", unit="ms",
        better="smaller", clause="jissho: longest gap of arrivals around the change of cell", stream="radio",
        columns=("cell_id", "pci"), statistics=("p50", "p95", "max"),
        needs=(CELL, LOST), also=DELAY, main=("p95",),
        meaning_ja="セル変化の前後の無線サンプルの間で、到達パケットの間隔が最も長かった時間(上限値)",
        meaning_en="Longest gap between arriving packets between the radio samples around a change: an upper bound.",
    ),
    KpiDefinition(
        id="cell_dwell", name_ja="セル滞在時間", name_en="Cell dwell time", unit="s", better="",
        clause="jissho: time between two changes of cell", stream="radio", columns=("cell_id", "pci"),
        statistics=("mean", "p50", "min"),
        needs=(CELL,), also=("radio.arfcn", "radio.rat"),
        meaning_ja="セルが変わってから次に変わるまでの時間(始めと終わりの途中のものを除く)",
        meaning_en="Time from one change of cell to the next; the first and last stay are incomplete and left out.",
    ),
    KpiDefinition(
        id="ping_pong", name_ja="ピンポン率", name_en="Ping-pong handover ratio", unit="1", better="smaller",
        clause="jissho: return to the cell before within the stated time", stream="radio",
        columns=("cell_id", "pci"), statistics=("ratio",),
        needs=(CELL,), also=("radio.arfcn", "radio.rat"),
        meaning_ja="定めた時間内に元のセルへ戻ったハンドオーバーの割合",
        meaning_en="Share of handovers that went back to the cell before within the stated time.",
    ),
    KpiDefinition(
        id="link_switch", name_ja="回線切替", name_en="Link switches", unit="1", better="",
        clause="jissho: events video.switch, link.switch; else the link that carries the video", stream="event",
        columns=("name", "detail"), statistics=("count",),
        needs=(("event.name", "video.camera"),), links=2, main=("count",),
        meaning_ja="遠隔監視映像(または通信)を運ぶ回線が変わった回数。事象の記録がなければ映像の行のある回線の変化から数える",
        meaning_en="How often another link took over the monitoring video (or the traffic): by the events, and without "
        "any by the link that has the rows of the video.",
    ),
    KpiDefinition(
        id="link_switch_time", name_ja="回線切替時間", name_en="Link switching time", unit="s", better="smaller",
        clause="jissho: interruption_ms of the event; else freeze in the first video interval on the new link",
        stream="video", columns=("camera", "interval_s", "freeze_s"), statistics=("p50", "p95", "max"),
        needs=(("event.name+detail", "video.camera+freeze_s"),), links=2, main=("p95",),
        meaning_ja="切替に伴う中断。事象が述べる値、なければ切替後の最初の映像区間で最も長く静止したカメラの静止時間",
        meaning_en="The interruption by a switch: as the event states it, else how long the picture stood in the first "
        "video interval on the new link, of the camera that stood longest.",
    ),
)  # fmt: skip
