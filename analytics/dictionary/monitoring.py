"""Remote monitoring of Level-4 vehicles: video, commands, driving."""

from __future__ import annotations

from analytics.dictionary.definition import KpiDefinition, NoInterval
from analytics.dictionary.sources import CLOCK_BOUND, ONE_WAY, SPEED

_WEBRTC = "W3C webrtc-stats"
_ASKED = ("probe.rtt_us", "probe.lost", "video.delay_us", "video.fps", "command.acked_us")
"""What a profile may ask of a second: any of it will do, and what it asks for must be measured."""

MONITORING: tuple[KpiDefinition, ...] = (
    KpiDefinition(
        id="video_delay", name_ja="映像遅延(伝送区間)", name_en="Video delay, transmission part", unit="ms",
        better="smaller", clause=f"{_WEBRTC}; capture stamp to decode", stream="video", columns=("delay_us",),
        statistics=("mean", "p50", "p95", "p99", "max"),
        revision=2,
        needs=(("video.delay_us",),), main=("p50", "p95"),
        meaning_ja="撮像時刻から復号まで。光学系と表示を含まない(Glass-to-Glassではない)。カメラ毎と、最悪のカメラ(信頼区間は"
        "カメラ数で補正)。所要値はカメラ毎と最悪のカメラの両方に対して判定する",
        meaning_en="Capture stamp to decode; optics and display are not included: this is not glass-to-glass. Of each "
        "camera, and of the worst one with an interval that holds for all at once (Bonferroni); so are frame rate, "
        "jitter, loss and delay distance. A requirement is held against each camera and against the worst.",
    ),
    KpiDefinition(
        id="video_g2g", name_ja="映像遅延(Glass-to-Glass)", name_en="Glass-to-glass delay, imported trials", unit="ms",
        better="smaller", clause="imported trials (metric video.g2g); uncertainty: jissho, own derivation",
        stream="metric", columns=("value", "detail"), statistics=("mean", "p50", "p95", "max"), revision=2,
        needs=(("metric.value",),), also=("metric.detail",), main=("p50", "p95"),
        meaning_ja="カメラ入光から表示までの実測値(別途測定した試行の取り込み)。カメラ毎。1回の読取りの分解能の上限は、画面の"
        "ストップウォッチではカメラのフレーム周期+モニタの更新周期+読取りの刻み、LEDとフォトダイオードでは読取りの刻み、"
        "時刻のQRコードではストップウォッチと同じ和+時計差。判定は信頼区間を分解能だけ両側に広げて行う。"
        "測定条件の記録がない試行は判定不能",
        meaning_en="Camera light to display light, from trials measured apart and imported as metric video.g2g; of "
        "each camera. A single reading is off by no more than frame period of the camera + refresh period of the "
        "monitor + step of the reading (stopwatch on a screen), the step alone (LED and photodiode), or the "
        "stopwatch's sum and the difference of the clocks (QR time stamps). The verdict rests on the interval, wider "
        "by that on either side; trials without a record of how they were made are undecided.",
    ),
    KpiDefinition(
        id="video_fps", name_ja="実フレームレート", name_en="Frame rate", unit="1/s", better="larger",
        clause=f"{_WEBRTC} framesPerSecond", stream="video", columns=("fps", "interval_s"),
        statistics=("mean", "p5", "p50", "min"),
        revision=2,
        needs=(("video.fps",),), main=("mean", "p5"),
        meaning_ja="復号されたフレーム数/秒。平均は時間で重み付け。カメラ毎と、最悪のカメラ",
        meaning_en="Frames decoded a second; the mean is weighted by time. Of each camera, and of the worst.",
    ),
    KpiDefinition(
        id="video_freeze", name_ja="フリーズ率", name_en="Freeze ratio", unit="1", better="smaller",
        clause=f"{_WEBRTC} totalFreezesDuration", stream="video", columns=("freeze_s", "interval_s"),
        revision=2, statistics=("ratio", "count", "max"),
        needs=(("video.freeze_s",),), also=("video.freezes", "video.fps"), main=("ratio", "max"),
        no_interval=(
            NoInterval(
                ("count",), "停止は固まって起こり、回数のばらつきが分からない。停止時間の割合の区間を見る",
                "Freezes come in clusters: see the interval of the share of time",
            ),
        ),
        meaning_ja="映像が停止していた時間の割合、回数、1区間での最長(秒)。復帰しない停止(終端のフレームのない区間と、最終行から"
        "測定終了まで)を含む。カメラ毎と、全体(割合と最長は最悪のカメラ、回数は合計)",
        meaning_en="Share of time frozen, number of freezes, and the longest frozen time of an interval in seconds. A "
        "freeze that never ends counts: rows at the end without a frame, and the time from a camera's last row over "
        "any link to the last sample of anything the device measured. Of each camera; of the whole, ratio and longest "
        "are those of the worst camera, the number that of all.",
    ),
    KpiDefinition(
        id="video_rate", name_ja="映像ビットレート", name_en="Video bit rate", unit="Mbit/s", better="",
        clause=f"{_WEBRTC} bytesReceived", stream="video", columns=("rate_bps", "interval_s"),
        statistics=("mean", "p5", "p50", "max"),
        revision=2,
        needs=(("video.rate_bps",),), main=("mean",),
        meaning_ja="受信ビットレート。カメラ毎と、全カメラの毎秒の合計",
        meaning_en="Received bit rate of each camera, and the sum of all cameras in each second.",
    ),
    KpiDefinition(
        id="video_loss", name_ja="RTP損失率", name_en="RTP loss", unit="1", better="smaller",
        clause="RFC 3550 6.4.1, A.3", stream="video", columns=("packets_received", "packets_lost"),
        statistics=("ratio",),
        revision=2,
        needs=(("video.packets_received+packets_lost",),), main=("ratio",),
        meaning_ja="RTPパケットの損失率(負の増分は重複であり0として数える)。カメラ毎と、最悪のカメラ",
        meaning_en="RTP packets lost over expected; a negative count (duplicates) is none lost. Of each camera, and of "
        "the worst.",
    ),
    KpiDefinition(
        id="video_jitter", name_ja="RTPジッタ", name_en="RTP jitter", unit="ms", better="smaller",
        clause="RFC 3550 6.4.1", stream="video", columns=("jitter_us",), statistics=("mean", "p95", "max"),
        revision=2,
        needs=(("video.jitter_us",),),
        meaning_ja="RFC 3550の到着間隔ジッタ。カメラ毎と、最悪のカメラ",
        meaning_en="Interarrival jitter of RFC 3550. Of each camera, and of the worst.",
    ),
    KpiDefinition(
        id="command_response", name_ja="指令応答時間", name_en="Command response time", unit="ms", better="smaller",
        clause="jissho: sending to acknowledgement; no answer = infinite", stream="command", columns=("acked_us",),
        statistics=("mean", "p50", "p95", "p99", "max"),
        needs=(("command.acked_us",),), main=("p50", "p95"),
        meaning_ja="指令の送信から応答まで。分位点は送信した全指令に対し、応答なしを無限大とする",
        meaning_en="Sending to acknowledgement. Quantiles run over all commands sent, an unanswered one is infinite; "
        "where none was answered they have no value and say so.",
    ),
    KpiDefinition(
        id="command_execution", name_ja="指令実行時間", name_en="Command execution time", unit="ms", better="smaller",
        clause="jissho: sending to execution; not executed = infinite", stream="command", columns=("executed_us",),
        statistics=("mean", "p50", "p95", "p99", "max"),
        needs=(("command.executed_us",),), main=("p95",),
        meaning_ja="指令の送信から実行まで。時刻同期が必要",
        meaning_en="Sending to execution; needs synchronised clocks.",
    ),
    KpiDefinition(
        id="stop_delivery", name_ja="停止指令の到達率", name_en="Delivery of stop commands", unit="1", better="larger",
        clause="jissho: stop commands executed within the bound over those sent", stream="command",
        columns=("name", "executed_us", "acked_us"), statistics=("ratio",),
        needs=(("command.name",), ("command.executed_us", "command.acked_us")), main=("ratio",),
        meaning_ja="定めた時間内に実行(記録がなければ応答)された停止指令の割合。停止指令の名称は下表",
        meaning_en="Share of stop commands executed (or acknowledged, where execution is not recorded) in time. What "
        "they are called stands in the table below and in the profile's stop_names.",
    ),
    KpiDefinition(
        id="delay_distance", name_ja="遅延走行距離", name_en="Distance travelled during the delay", unit="m",
        better="smaller", clause="jissho: speed times video delay at the same time", stream="video",
        columns=("delay_us",), statistics=("mean", "p50", "p95", "max"),
        revision=2,
        needs=(("video.delay_us",), SPEED), also=("position.speed_mps",), main=("p95",),
        meaning_ja="映像遅延の間に車両が進む距離。速度×遅延。速度はGNSS、なければ車両の速度",
        meaning_en="How far the vehicle goes during the video delay: speed times delay. The speed is that by GNSS, or "
        "the vehicle's own where there is no fix within two seconds.",
    ),
    KpiDefinition(
        id="all_met", name_ja="全所要値の同時充足率", name_en="All requirements at once", unit="1", better="larger",
        clause="jissho: share of driving seconds in which every part of the profile held", revision=2, stream="vehicle",
        columns=("drive_mode", "speed_mps"), statistics=("ratio",),
        needs=(("vehicle",), SPEED, _ASKED), main=("ratio",),
        also=("vehicle.drive_mode", *ONE_WAY, CLOCK_BOUND, "video.freeze_s", "command.executed_us"),
        meaning_ja="自動走行中の各1秒について、適用した所要値のうち1秒毎に問えるもの全てを満たした割合。測定した項目が1つでも"
        "満たさなければ不充足、不充足がなく測定のない項目があれば母数に含めない。来るべき映像が来ない秒は不充足。回線毎と、"
        "いずれかの回線で満たした割合(冗長化後)",
        meaning_en="Share of the seconds of autonomous driving (drive_mode where recorded, and moving) in which all of "
        "the profile's requirements that can be asked of a second held. A second failed if any measured part failed; "
        "it is in neither number only if nothing failed and a part was not measured. Video that is due and absent "
        "failed: from a camera's first row over any link to its last, or to the end of the measurement where it fell "
        "silent. Asked of every packet, row and command of the second; the filter names what was asked and what cannot "
        "be asked of a second, the reason each part's own share. A profile without requirements asks for its "
        "parameters (round trip, video delay, frame rate). Of each link, and as a+b where any link will do.",
    ),
    KpiDefinition(
        id="autonomy", name_ja="自動走行割合", name_en="Autonomous driving ratio", unit="1", better="larger",
        clause="Autoware AD API operation mode", stream="vehicle", columns=("drive_mode", "speed_mps"),
        statistics=("ratio",),
        needs=(("vehicle.drive_mode",), SPEED), main=("ratio",),
        meaning_ja="走行時間のうち自動運転モードの割合。速度は車両、なければGNSS",
        meaning_en="Share of the driving time in autonomous mode; the speed is the vehicle's, or that by GNSS.",
    ),
    KpiDefinition(
        id="interventions", name_ja="手動介入", name_en="Interventions", unit="1", better="smaller",
        clause="jissho: increments of the counter, causes by event", revision=2, stream="vehicle",
        columns=("intervention",), statistics=("count", "per_km"),
        needs=(("vehicle.intervention", "event.name"),), also=("event.detail", *SPEED), main=("count", "per_km"),
        meaning_ja="介入回数と走行1km当たりの回数。原因別(事象の detail.cause、記録がなければ不明)も示す。除外区間内の"
        "介入と距離は数えない",
        meaning_en="Interventions, and how many a kilometre; also by cause: detail.cause of the event of that moment "
        "(vehicle.intervention), 不明 where the counter rose without one. An event without a rise counts. The counter "
        "is not differenced over excluded time, nor is its straight line driven. Requirements are for the whole.",
    ),
    KpiDefinition(
        id="mrm", name_ja="MRM作動", name_en="Minimal risk manoeuvres", unit="1", better="smaller", revision=2,
        clause="Autoware AD API MRM state", stream="vehicle", columns=("mrm_state",),
        statistics=("count", "per_km", "succeeded", "failed"),
        needs=(("vehicle.mrm_state", "event.name"),), also=("event.detail", *SPEED), main=("count",),
        meaning_ja="ミニマル・リスク・マヌーバの回数、走行1km当たりの回数、成功と失敗の回数。原因別も示す",
        meaning_en="Minimal risk manoeuvres, how many a kilometre, and how many succeeded and failed; also by cause. "
        "One lasts from the first state that is not NORMAL to the next NORMAL; an outcome alone is one as well.",
    ),
)  # fmt: skip
