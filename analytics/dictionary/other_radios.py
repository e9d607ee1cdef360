"""Other radios: Wi-Fi HaLow, Wi-Fi 6E/7, LPWA, 60 GHz, LEO satellites, by their names in the metric stream.

A metric that is not in this table is kept and shown as a time series; it becomes a KPI by one row here.
"""

from __future__ import annotations

from analytics.dictionary.definition import KpiDefinition
from analytics.dictionary.radio import MEAN_EN, MEAN_JA
from analytics.dictionary.sources import ROUND_TRIP

_DECIBELS = {"dB", "dB[mW]"}
_SPREAD = ("mean", "p5", "p10", "p50", "p95", "min", "max")
_RADIOS = (
    # metric, ja, en, unit, better, clause
    ("halow.airtime", "送信時間率(HaLow)", "Airtime ratio (HaLow)", "1", "smaller", "ARIB STD-T108 (10 %, 要確認)"),
    ("halow.reconnect", "再接続時間(HaLow)", "Reconnect time (HaLow)", "s", "smaller", "jissho: loss of link to data"),
    ("halow.rssi", "RSSI(HaLow)", "RSSI (HaLow)", "dB[mW]", "larger", "IEEE 802.11ah"),
    ("halow.snr", "SNR(HaLow)", "SNR (HaLow)", "dB", "larger", "IEEE 802.11ah"),
    ("wifi.rssi", "RSSI(Wi-Fi)", "RSSI (Wi-Fi)", "dB[mW]", "larger", "IEEE 802.11"),
    ("wifi.snr", "SNR(Wi-Fi)", "SNR (Wi-Fi)", "dB", "larger", "IEEE 802.11"),
    ("wifi.retry", "再送率(Wi-Fi)", "Retry ratio (Wi-Fi)", "1", "smaller", "IEEE 802.11"),
    ("wifi.channel_busy", "チャネル利用率(Wi-Fi)", "Channel utilisation (Wi-Fi)", "1", "smaller", "IEEE 802.11"),
    ("wifi.roaming", "ローミング時間(Wi-Fi)", "Roaming time (Wi-Fi)", "ms", "smaller", "jissho: last to first packet"),
    ("lpwa.rssi", "RSSI(LPWA)", "RSSI (LPWA)", "dB[mW]", "larger", "LoRaWAN / LTE-M / NB-IoT"),
    ("lpwa.snr", "SNR(LPWA)", "SNR (LPWA)", "dB", "larger", "LoRaWAN"),
    ("lpwa.airtime", "送信時間(LPWA)", "Airtime a message (LPWA)", "ms", "smaller", "LoRaWAN"),
    ("lpwa.per", "PER(LPWA)", "Packet error rate (LPWA)", "1", "smaller", "1 - received / sent"),
    ("wigig.rssi", "RSSI(60GHz)", "RSSI (60 GHz)", "dB[mW]", "larger", "IEEE 802.11ad/ay"),
    ("wigig.rate", "スループット(60GHz)", "Throughput (60 GHz)", "Gbit/s", "larger", "IEEE 802.11ad/ay"),
    ("leo.obstructed", "遮蔽割合(衛星)", "Obstructed share (satellite)", "1", "smaller", "terminal's own status"),
    (
        "leo.ping_latency",
        "衛星区間の遅延",
        "Latency to the gateway (satellite)",
        "ms",
        "smaller",
        "terminal's own status",
    ),
    ("leo.ping_drop", "衛星区間の損失率", "Loss to the gateway (satellite)", "1", "smaller", "terminal's own status"),
    ("leo.elevation", "衛星仰角", "Elevation (satellite)", "deg", "", "terminal's own status"),
)
METRIC_OF = {metric.replace(".", "_"): metric for metric, *_ in _RADIOS} | {"video_g2g": "video.g2g"}
"""KPI id to the name in the metric stream."""

SATELLITE = "leo."
"""Links with a metric whose name begins so are judged on the satellite's grid."""
GRID_S, GRID_PHASE_S, GRID_NEAR_S = 15, 12, 1
"""The satellite's reported grid in seconds: period, first instant in a minute, and what still counts as near."""
_INSTANTS = [f"{second}" for second in range(GRID_PHASE_S, 60, GRID_S)]

OTHER_RADIOS: tuple[KpiDefinition, ...] = (
    *(
        KpiDefinition(
            id=metric.replace(".", "_"), name_ja=ja, name_en=en, unit=unit, better=better, clause=clause,  # type: ignore[arg-type]
            is_share=unit == "1", stream="metric", columns=("name", "value", "unit"),
            statistics=("mean", "mean_linear", *_SPREAD[1:]) if unit in _DECIBELS else _SPREAD,
            needs=(("metric.name+value",),), main=("p50" if unit in _DECIBELS else "mean",),
            meaning_ja=f"指標 {metric} の分布" + (f"。{MEAN_JA}" if unit in _DECIBELS else ""),
            meaning_en=f"Distribution of the metric {metric}" + (f"; {MEAN_EN}." if unit in _DECIBELS else "."),
        )
        for metric, ja, en, unit, better, clause in _RADIOS
    ),
    KpiDefinition(
        id="leo_grid_loss", name_ja="15秒切替時刻の損失率(衛星)", name_en="Loss near the 15 s grid (satellite)",
        unit="1", better="smaller", clause=f"reported reconfiguration at :{' :'.join(_INSTANTS)} (要確認)", revision=2,
        stream="probe", columns=("lost",), statistics=("ratio", "elsewhere"),
        directions=ROUND_TRIP, needs=(("probe.lost",), ("metric.name",)), main=("ratio", "elsewhere"),
        meaning_ja=f"割合: 送信時刻が毎分{','.join(_INSTANTS)}秒(UTC、{GRID_S}秒周期)の前後{GRID_NEAR_S}秒以内"
        "(両端を含む)であるパケットの損失率。割合(それ以外): 残りのパケットの損失率。損失は方向を問わず数え、"
        "記録のない番号と複製は数えない。"
        f"区間測定(probe)のほかに、名前が {SATELLITE} で始まる指標(metric)がある回線についてのみ求める",
        meaning_en=f"Ratio: loss of the packets sent at most {GRID_NEAR_S} s before or after :{', :'.join(_INSTANTS)} "
        f"of a minute (UTC, every {GRID_S} s). Elsewhere: loss of all other packets. A loss in whichever direction "
        "counts; numbers without a record and further copies do not. Only of links that have, beside probes (stream "
        f"probe), a metric whose name begins with {SATELLITE} (stream metric).",
    ),
)  # fmt: skip
