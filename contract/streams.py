"""The table of streams: every column that may travel, with its unit, its valid range and its two labels.

Database tables, documentation, exports, dashboards and the validation at both ends are generated from or checked
against this table. Every stream also has the time column `t`, the source's UTC time of the sample in nanoseconds.
Columns may be added with a default; they are never renamed and never get another meaning (docs/data-contract.md).
"""

from __future__ import annotations

from contract.columns import Column, Kind, Stream

CONTRACT_VERSION = 1
"""Major version: stands in the topic and in every envelope. A payload with another one is quarantined."""

CONTRACT_REVISION = 2
"""Counts additions; `since` of a column or stream refers to it."""

_DELAY_US = 2_000_000_000  # 33 min: what 4 bytes of microseconds hold; the largest in real data is 11 s
_TS38133 = "3GPP TS 38.133"
_GEODETIC = "WGS 84 / JGD2011"
_STORAGE = "storage"
_PHYSICS = "physics"
_MODES = ("MANUAL", "AUTONOMOUS", "REMOTE", "STOP")
_MRM_STATES = ("NORMAL", "MRM_OPERATING", "MRM_SUCCEEDED", "MRM_FAILED")

LOST_CODES: dict[int, tuple[str, str]] = {
    0: ("到達", "delivered"),
    1: ("上り損失", "lost on the way up"),
    2: ("下り損失", "lost on the way down"),
    3: ("損失(方向不明)", "lost, direction unknown"),
}
"""Values of `probe.lost`. 1 and 2 are set only where the reflector's own sequence numbers prove the direction."""

SERVED_BY = ("rsrp_dbm", "rsrq_db", "sinr_db", "rssi_dbm", "rx_power_dbm", "cell_id", "pci")
"""Columns of `radio` of which a modem in service states at least one: a row without any of them says out of service
(圏外). A row that leaves out only some says that those were not measured, and no row at all that nothing was."""


def _number(  # noqa: PLR0917 - a row of a table reads best without names
    name: str, kind: Kind, unit: str, low: float | None, high: float | None, source: str, ja: str, en: str,
    *, nullable: bool = True, since: int = 1,
) -> Column:  # fmt: skip
    return Column(
        name=name, kind=kind, unit=unit, ja=ja, en=en, low=low, high=high, source=source, nullable=nullable, since=since
    )


def _ratio(name: str, ja: str, en: str) -> Column:
    return _number(name, "f4", "1", 0, 1, _PHYSICS, ja, en)


def _count(name: str, ja: str, en: str, *, kind: Kind = "i4", nullable: bool = True, since: int = 1) -> Column:
    return _number(name, kind, "1", 0, None, _PHYSICS, ja, en, nullable=nullable, since=since)


def _delay(name: str, ja: str, en: str, *, signed: bool = False) -> Column:
    return _number(name, "i4", "us", -_DELAY_US if signed else 0, _DELAY_US, _STORAGE, ja, en)


def _text(
    name: str, ja: str, en: str, *, nullable: bool = True, choices: tuple[str, ...] = (), since: int = 1
) -> Column:
    return Column(name=name, kind="text", unit="", ja=ja, en=en, nullable=nullable, choices=choices, since=since)


def _flag(name: str, ja: str, en: str, *, nullable: bool = True) -> Column:
    return Column(name=name, kind="bool", unit="", ja=ja, en=en, nullable=nullable)


# fmt: off
_PROBE = Stream(
    name="probe",
    scope="link",
    ja="区間測定(パケット毎)",
    en="Link probe: one row per packet sent, and one per further copy received (RFC 8762)",
    columns=(
        _number("session", "i4", "1", 0, None, _STORAGE,
            "測定セッション", "Life of the sender; sequence numbers compare only inside one", nullable=False),
        _count("seq", "送信順序番号", "Sending sequence number", nullable=False),
        _count("refl_seq", "反射側順序番号", "Stateful reflector's own sequence number"),
        _delay("ul_us", "片方向遅延(上り)", "One-way delay up, T2-T1; negative values are kept", signed=True),
        _delay("dl_us", "片方向遅延(下り)", "One-way delay down, T4-T3; negative values are kept", signed=True),
        _delay("rtt_us", "往復遅延", "Round-trip delay (T4-T1)-(T3-T2); null when lost or not measured"),
        _number("copy", "i2", "1", 0, None, "RFC 5560 3.2",
            "何番目の受信か", "0 lost, 1 first answer, 2 ... a further answer, in a row of its own", nullable=False),
        _number("lost", "i2", "1", 0, 3, "RFC 8762 4; RFC 7680 2.4",
            "損失区分", "0 delivered, 1 lost up, 2 lost down, 3 lost with unknown direction", nullable=False),
    ),
)

_RADIO = Stream(
    name="radio",
    scope="link",
    ja="無線品質",
    en="Radio quality of the serving cell",
    columns=(
        _text("rat", "無線方式", "Radio access technology (NR-SA, NR-NSA, LTE, ...)"),
        _number("pci", "i4", "1", 0, 1007, "3GPP TS 38.211", "PCI", "Physical cell id"),
        _number("arfcn", "i4", "1", 0, 3_279_165, "3GPP TS 38.104", "ARFCN", "Channel number"),
        _text("band", "バンド", "Band (n79, n257, B3, ...)"),
        _number("bandwidth_mhz", "f4", "MHz", 0, 2000, _TS38133, "帯域幅", "Channel bandwidth"),
        _number("cell_id", "i8", "1", 0, 2**36 - 1, "3GPP TS 38.413", "セルID", "NR cell identity"),
        _number("rsrp_dbm", "f4", "dB[mW]", -156, -31, f"{_TS38133} 10.1.6",
            "RSRP", "Reference signal received power, per resource element"),
        _number("rsrq_db", "f4", "dB", -43, 20, f"{_TS38133} 10.1.11", "RSRQ", "Reference signal received quality"),
        _number("sinr_db", "f4", "dB", -23, 40, f"{_TS38133} 10.1.16",
            "SINR", "Signal to noise and interference ratio"),
        _number("rssi_dbm", "f4", "dB[mW]", -150, 30, _PHYSICS,
            "RSSI", "Received signal strength incl. traffic and noise"),
        _number("rx_power_dbm", "f4", "dB[mW]", -150, 30, _PHYSICS,
            "受信電力", "Total received power in the occupied bandwidth; not RSRP"),
        _number("cqi", "i2", "1", 0, 15, "3GPP TS 38.214", "CQI", "Channel quality indicator"),
        _number("mcs", "i2", "1", 0, 31, "3GPP TS 38.214", "MCS", "Modulation and coding scheme index"),
        _number("rank", "i2", "1", 1, 8, "3GPP TS 38.214", "ランク", "Transmission rank"),
        _ratio("bler_ratio", "BLER", "Block error ratio"),
        _number("tx_power_dbm", "f4", "dB[mW]", -60, 60, _PHYSICS, "送信電力", "Transmit power of the terminal"),
    ),
)

_THROUGHPUT = Stream(
    name="throughput",
    scope="link",
    ja="スループット",
    en="Throughput test interval",
    columns=(
        _text("direction", "方向", "up or down", nullable=False, choices=("up", "down")),
        _text("protocol", "プロトコル", "tcp or udp", nullable=False, choices=("tcp", "udp")),
        _number("interval_s", "f4", "s", 0, 86_400, _PHYSICS,
            "測定区間長", "Length of the interval that ends at t", nullable=False),
        _count("bytes", "転送量", "Payload bytes received", kind="i8"),
        _number("rate_bps", "f8", "bit/s", 0, 1e12, _PHYSICS, "スループット", "Payload rate"),
        _count("parallel", "並列数", "Parallel connections"),
        _count("retransmits", "再送数", "TCP retransmissions"),
        _count("packets", "パケット数", "UDP packets expected"),
        _count("lost_packets", "損失パケット数", "UDP packets lost"),
        _delay("jitter_us", "RFC 3550 ジッタ", "Jitter by RFC 3550 6.4.1"),
        _text("point", "測定点", "Measuring point at which a test was made standing still; null on the move", since=2),
        _count("trial", "試行番号", "Which test at this point; rows of one number are parts of one test", since=2),
        _number("lat_deg", "f8", "deg", -90, 90, _GEODETIC, "緯度", "Latitude of the point, as surveyed", since=2),
        _number("lon_deg", "f8", "deg", -180, 180, _GEODETIC, "経度", "Longitude of the point, as surveyed", since=2),
    ),
)

_POSITION = Stream(
    name="position",
    scope="device",
    ja="測位",
    en="Position by GNSS",
    columns=(
        _number("lat_deg", "f8", "deg", -90, 90, _GEODETIC, "緯度", "Latitude"),
        _number("lon_deg", "f8", "deg", -180, 180, _GEODETIC, "経度", "Longitude"),
        _number("alt_m", "f4", "m", -1000, 100_000, _PHYSICS, "高度", "Altitude"),
        _number("speed_mps", "f4", "m/s", 0, 200, _PHYSICS, "対地速度", "Speed over ground"),
        _number("heading_deg", "f4", "deg", 0, 360, _PHYSICS, "進行方位", "Course over ground, true north"),
        _number("mode", "i2", "1", 0, 3, "gpsd TPV mode",
            "測位状態", "Fix: 0 unknown, 1 none, 2 two-dimensional, 3 three-dimensional", nullable=False),
        _count("satellites", "衛星数", "Satellites used"),
        _number("err_m", "f4", "m", 0, 100_000, "gpsd TPV eph", "水平測位誤差", "Estimated horizontal error"),
    ),
)

_VEHICLE = Stream(
    name="vehicle",
    scope="device",
    ja="車両状態",
    en="Vehicle state",
    columns=(
        _number("speed_mps", "f4", "m/s", -30, 150, _PHYSICS, "速度", "Speed"),
        _number("accel_mps2", "f4", "m/s2", -50, 50, _PHYSICS, "前後加速度", "Longitudinal acceleration"),
        _number("steering_deg", "f4", "deg", -1500, 1500, _PHYSICS, "操舵角", "Steering wheel angle"),
        _ratio("brake_ratio", "ブレーキ", "Brake pedal position"),
        _text("drive_mode", "運転モード", "Operation mode (Autoware AD API)", choices=_MODES),
        _flag("odd_inside", "ODD内", "Inside the operational design domain"),
        _text("mrm_state", "MRM状態", "Minimal risk manoeuvre state (Autoware AD API)", choices=_MRM_STATES),
        _flag("door_open", "ドア開", "A door is open"),
        _ratio("battery_ratio", "電池残量", "State of charge"),
        _text("operator", "監視者ID", "Remote monitor on duty (an id, not a name)"),
        _count("vehicles_monitored", "監視対象台数", "Vehicles that the monitor watches (1:N)"),
        _count("intervention", "介入回数(累計)", "Interventions since the start of the drive"),
    ),
)

_COMMAND = Stream(
    name="command",
    scope="link",
    ja="遠隔指令",
    en="Remote command, one row per command sent",
    columns=(
        _text("command_id", "指令ID", "Identity of the command", nullable=False),
        _text("name", "指令", "What was ordered (stop, resume, ...)", nullable=False),
        _delay("received_us", "受信まで", "From sending to reception; null when never received"),
        _delay("executed_us", "実行まで", "From sending to execution; null when never executed"),
        _delay("acked_us", "応答まで", "From sending to the acknowledgement; null when none came"),
    ),
)

_VIDEO = Stream(
    name="video",
    scope="link",
    ja="遠隔監視映像",
    en="Remote monitoring video, per camera and interval",
    columns=(
        _text("camera", "カメラ", "Camera name", nullable=False),
        _number("interval_s", "f4", "s", 0, 86_400, _PHYSICS,
            "集計区間長", "Length of the interval that ends at t", nullable=False),
        _count("width_px", "横画素数", "Width in pixels"),
        _count("height_px", "縦画素数", "Height in pixels"),
        _number("fps", "f4", "1/s", 0, 1000, "W3C webrtc-stats framesPerSecond",
            "フレームレート", "Frames decoded a second"),
        _number("target_bps", "f8", "bit/s", 0, 1e11, _PHYSICS, "目標ビットレート", "Target bit rate"),
        _number("rate_bps", "f8", "bit/s", 0, 1e11, _PHYSICS, "実ビットレート", "Received bit rate"),
        _delay("delay_us", "映像遅延(伝送区間)", "Capture stamp to decode; optics and display not included"),
        _count("frames_received", "受信フレーム数", "Frames received in the interval"),
        _count("frames_dropped", "欠落フレーム数", "Frames dropped in the interval"),
        _count("freezes", "フリーズ回数", "Freezes in the interval (W3C webrtc-stats freezeCount)"),
        _number("freeze_s", "f4", "s", 0, 86_400, "W3C webrtc-stats totalFreezesDuration",
            "フリーズ時間", "Time frozen in the interval"),
        _count("packets_received", "RTP受信数", "RTP packets received in the interval"),
        _number("packets_lost", "i4", "1", -(2**23), 2**23 - 1, "RFC 3550 6.4.1",
            "RTP損失数", "RTP packets lost in the interval; negative with duplicates"),
        _delay("jitter_us", "RFC 3550 ジッタ", "Jitter by RFC 3550 6.4.1"),
        _ratio("recognition_ratio", "物体認識率", "Object recognition ratio (ITU-T P.1199, imported)"),
    ),
)

_EVENT = Stream(
    name="event",
    scope="link",
    ja="事象",
    en="Something that happened, with its time",
    columns=(
        _text("name", "事象名", "Dotted lower-case name (link.down, probe.session, marker, ...)", nullable=False),
        _text("severity", "重要度", "How much it matters", nullable=False, choices=("info", "warning", "error")),
        _text("message", "内容", "What a person should read", nullable=False),
        Column(name="detail", kind="json", unit="", ja="詳細", en="Machine-readable detail, a JSON object"),
    ),
)

_CLOCK = Stream(
    name="clock",
    scope="link",
    ja="時刻同期",
    en="Quality of a clock: the device's own (link empty), or that of the far end of a link, as its answers state it",
    columns=(
        _text("method", "同期方式", "Who says so (chrony, adjtimex, stamp, declared, none)", nullable=False),
        _flag("synced", "同期状態", "Disciplined by an outside source", nullable=False),
        _number("offset_us", "f8", "us", -1e15, 1e15, _STORAGE,
            "時刻誤差(推定)", "Estimated error of the clock, positive = ahead of UTC"),
        _number("bound_us", "f8", "us", 0, 1e15, "chronyc(1)",
            "時刻誤差上限", "Bound of the error: |offset| + root dispersion + root delay / 2; null = unknown"),
        _count("stratum", "階層", "NTP stratum"),
        _number("freq_ppm", "f8", "[ppm]", -1000000.0, 1000000.0, _PHYSICS,
            "周波数偏差", "Frequency error, positive = fast"),
        _text("leap", "うるう秒状態", "Leap status"),
        _text("reference", "参照元", "Reference source"),
    ),
)

_HOST = Stream(
    name="host",
    scope="device",
    ja="端末状態",
    en="Health of the measuring computer and its outbox",
    columns=(
        _ratio("cpu_ratio", "CPU使用率", "CPU in use"),
        _ratio("memory_ratio", "メモリ使用率", "Memory in use"),
        _count("disk_free_bytes", "ディスク空き", "Free bytes where the outbox lies", kind="i8"),
        _number("temperature_c", "f4", "Cel", -80, 200, _PHYSICS, "温度", "Hottest sensor"),
        _count("sent_bytes", "送信量(累計)", "Bytes sent on all interfaces since boot", kind="i8"),
        _count("received_bytes", "受信量(累計)", "Bytes received on all interfaces since boot", kind="i8"),
        _count("outbox_batches", "未達バッチ数", "Batches without a receipt"),
        _count("outbox_bytes", "未達データ量", "Bytes without a receipt", kind="i8"),
        _number("outbox_age_s", "f8", "s", 0, 1e9, _PHYSICS,
            "最古の未達データの経過時間", "Age of the oldest batch without a receipt"),
        _number("uptime_s", "f8", "s", 0, 1e10, _PHYSICS, "稼働時間", "Since boot"),
    ),
)

_TRAFFIC = Stream(
    name="traffic",
    scope="link",
    ja="通信量(AI検証)",
    en="Traffic of an application with and without AI, per interval",
    columns=(
        _text("scene", "シーン", "Scene that the paired runs share"),
        _text("treatment", "処理条件", "AI off or on", nullable=False, choices=("off", "on")),
        _number("interval_s", "f4", "s", 0, 86_400, _PHYSICS,
            "集計区間長", "Length of the interval that ends at t", nullable=False),
        _count("bytes", "通信量", "Bytes sent in the interval", kind="i8", nullable=False),
        _count("streams", "同時ストリーム数", "Streams carried at once"),
        _count("true_positives", "正検知数", "Detections that were right"),
        _count("false_positives", "誤検知数", "Detections that were wrong"),
        _count("false_negatives", "見逃し数", "Objects not detected"),
        _delay("added_delay_us", "AI処理遅延", "Delay that the AI adds"),
    ),
)

_METRIC = Stream(
    name="metric",
    scope="link",
    ja="その他の指標",
    en="Open stream for other radios (Wi-Fi HaLow, LPWA, satellite, ...)",
    columns=(
        _text("name", "指標名", "Dotted lower-case name (halow.airtime, leo.obstructed, ...)", nullable=False),
        _number("value", "f8", "", None, None, _STORAGE, "値", "Value"),
        _text("unit", "単位", "UCUM code of the unit", nullable=False),
        Column(name="detail", kind="json", unit="", ja="測定条件", en="How it was measured, a JSON object", since=2),
    ),
)

# fmt: on
STREAMS: dict[str, Stream] = {
    stream.name: stream
    for stream in (
        _PROBE,
        _RADIO,
        _THROUGHPUT,
        _POSITION,
        _VEHICLE,
        _COMMAND,
        _VIDEO,
        _EVENT,
        _CLOCK,
        _HOST,
        _TRAFFIC,
        _METRIC,
    )
}
"""All streams by name, in the order in which people expect to read them."""
