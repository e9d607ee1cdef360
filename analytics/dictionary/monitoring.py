"""Remote monitoring of Level-4 vehicles: video, commands, driving."""

from __future__ import annotations

from analytics.dictionary.definition import KpiDefinition

_WEBRTC = "W3C webrtc-stats"

MONITORING: tuple[KpiDefinition, ...] = (
    KpiDefinition(
        id="video_delay", name_ja="映像遅延(伝送区間)", name_en="Video delay, transmission part", unit="ms",
        better="smaller", clause=f"{_WEBRTC}; capture stamp to decode", stream="video", columns=("delay_us",),
        statistics=("mean", "p50", "p95", "p99", "max"),
        meaning_ja="撮像時刻から復号まで。光学系と表示を含まない(Glass-to-Glassではない)",
        meaning_en="Capture stamp to decode; optics and display are not included: this is not glass-to-glass.",
    ),
    KpiDefinition(
        id="video_g2g", name_ja="映像遅延(Glass-to-Glass)", name_en="Glass-to-glass delay, imported trials", unit="ms",
        better="smaller", clause="imported trials (metric video.g2g)", stream="metric", columns=("value",),
        statistics=("mean", "p50", "p95", "max"),
        meaning_ja="カメラ入光から表示までの実測値(別途測定した試行の取り込み)",
        meaning_en="Camera light to display light, from trials measured apart and imported as metric video.g2g.",
    ),
    KpiDefinition(
        id="video_fps", name_ja="実フレームレート", name_en="Frame rate", unit="1/s", better="larger",
        clause=f"{_WEBRTC} framesPerSecond", stream="video", columns=("fps", "interval_s"),
        statistics=("mean", "p5", "p50", "min"),
        meaning_ja="復号されたフレーム数/秒。平均は時間で重み付け",
        meaning_en="Frames decoded a second; the mean is weighted by time.",
    ),
    KpiDefinition(
        id="video_freeze", name_ja="フリーズ率", name_en="Freeze ratio", unit="1", better="smaller",
        clause=f"{_WEBRTC} totalFreezesDuration", stream="video", columns=("freeze_s", "interval_s"),
        statistics=("ratio", "count", "max"),
        meaning_ja="映像が停止していた時間の割合、回数、1区間での最長(秒)",
        meaning_en="Share of time frozen, number of freezes, and the longest frozen time of an interval in seconds.",
    ),
    KpiDefinition(
        id="video_rate", name_ja="映像ビットレート", name_en="Video bit rate", unit="Mbit/s", better="",
        clause=f"{_WEBRTC} bytesReceived", stream="video", columns=("rate_bps", "interval_s"),
        statistics=("mean", "p5", "p50", "max"),
        meaning_ja="受信ビットレート(カメラ1台当たり)",
        meaning_en="Received bit rate of a camera.",
    ),
    KpiDefinition(
        id="video_loss", name_ja="RTP損失率", name_en="RTP loss", unit="1", better="smaller",
        clause="RFC 3550 6.4.1, A.3", stream="video", columns=("packets_received", "packets_lost"),
        statistics=("ratio",),
        meaning_ja="RTPパケットの損失率(負の増分は重複であり0として数える)",
        meaning_en="RTP packets lost over expected; a negative count (duplicates) is none lost.",
    ),
    KpiDefinition(
        id="video_jitter", name_ja="RTPジッタ", name_en="RTP jitter", unit="ms", better="smaller",
        clause="RFC 3550 6.4.1", stream="video", columns=("jitter_us",), statistics=("mean", "p95", "max"),
        meaning_ja="RFC 3550の到着間隔ジッタ",
        meaning_en="Interarrival jitter of RFC 3550.",
    ),
    KpiDefinition(
        id="command_response", name_ja="指令応答時間", name_en="Command response time", unit="ms", better="smaller",
        clause="jissho: sending to acknowledgement; no answer = infinite", stream="command", columns=("acked_us",),
        statistics=("mean", "p50", "p95", "p99", "max"),
        meaning_ja="指令の送信から応答まで。分位点は送信した全指令に対し、応答なしを無限大とする",
        meaning_en="Sending to acknowledgement. Quantiles run over all commands sent, an unanswered one is infinite.",
    ),
    KpiDefinition(
        id="command_execution", name_ja="指令実行時間", name_en="Command execution time", unit="ms", better="smaller",
        clause="jissho: sending to execution; not executed = infinite", stream="command", columns=("executed_us",),
        statistics=("mean", "p50", "p95", "p99", "max"),
        meaning_ja="指令の送信から実行まで。時刻同期が必要",
        meaning_en="Sending to execution; needs synchronised clocks.",
    ),
    KpiDefinition(
        id="stop_delivery", name_ja="停止指令の到達率", name_en="Delivery of stop commands", unit="1", better="larger",
        clause="jissho: stop commands executed within the bound over those sent", stream="command",
        columns=("name", "executed_us", "acked_us"), statistics=("ratio",),
        meaning_ja="定めた時間内に実行(記録がなければ応答)された停止指令の割合",
        meaning_en="Share of stop commands executed (or acknowledged, where execution is not recorded) in time.",
    ),
    KpiDefinition(
        id="delay_distance", name_ja="遅延走行距離", name_en="Distance travelled during the delay", unit="m",
        better="smaller", clause="jissho: speed times video delay at the same time", stream="video",
        columns=("delay_us",), statistics=("mean", "p50", "p95", "max"),
        meaning_ja="映像遅延の間に車両が進む距離。速度×遅延",
        meaning_en="How far the vehicle goes during the video delay: speed times delay.",
    ),
    KpiDefinition(
        id="all_met", name_ja="全所要値の同時充足率", name_en="All requirements at once", unit="1", better="larger",
        clause="jissho: share of driving seconds in which every part of the profile held", stream="vehicle",
        columns=("drive_mode", "speed_mps"), statistics=("ratio",),
        meaning_ja="自動走行中の各1秒について、往復遅延・損失・映像遅延・フレームレートの全てが所要値を満たした割合",
        meaning_en="Share of driving seconds in which round trip, loss, video delay and frame rate all held; a second "
        "in which one of them was not measured is in neither part.",
    ),
    KpiDefinition(
        id="autonomy", name_ja="自動走行割合", name_en="Autonomous driving ratio", unit="1", better="larger",
        clause="Autoware AD API operation mode", stream="vehicle", columns=("drive_mode", "speed_mps"),
        statistics=("ratio",),
        meaning_ja="走行時間のうち自動運転モードの割合",
        meaning_en="Share of the driving time in autonomous mode.",
    ),
    KpiDefinition(
        id="interventions", name_ja="手動介入", name_en="Interventions", unit="1", better="smaller",
        clause="jissho: increments of the counter", stream="vehicle", columns=("intervention",),
        statistics=("count", "per_km"),
        meaning_ja="介入回数と走行1km当たりの回数",
        meaning_en="Interventions, and how many a kilometre.",
    ),
    KpiDefinition(
        id="mrm", name_ja="MRM作動", name_en="Minimal risk manoeuvres", unit="1", better="smaller",
        clause="Autoware AD API MRM state", stream="vehicle", columns=("mrm_state",), statistics=("count",),
        meaning_ja="ミニマル・リスク・マヌーバの開始回数",
        meaning_en="How often a minimal risk manoeuvre began.",
    ),
)  # fmt: skip
