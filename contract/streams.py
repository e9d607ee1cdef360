"""The table of streams: every column that may travel, with its unit, its valid range and its two labels.

Database tables, documentation, exports, dashboards and the validation at both ends are generated from or checked
against this table. Every stream also has the time column `t`, the source's UTC time of the sample in nanoseconds.
Columns may be added with a default; they are never renamed and never get another meaning (docs/data-contract.md).
"""

from __future__ import annotations

from contract.columns import Column, Stream

CONTRACT_VERSION = 1
"""Major version: stands in the topic and in every envelope. A payload with another one is quarantined."""

CONTRACT_REVISION = 1
"""Counts additions; `since` of a column or stream refers to it."""

_DELAY_US = 2_000_000_000  # 33 min: what 4 bytes of microseconds hold; the largest in real data is 11 s
_TS38133 = "3GPP TS 38.133"
_GEODETIC = "WGS 84 / JGD2011"
_TYPE = "storage"
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


def _ratio(name: str, ja: str, en: str) -> Column:
    return Column(name=name, kind="f4", unit="1", ja=ja, en=en, low=0, high=1, source=_PHYSICS)


def _count(name: str, ja: str, en: str, *, kind: str = "i4", nullable: bool = True) -> Column:
    return Column(
        name=name,
        kind="i8" if kind == "i8" else "i4",
        unit="1",
        ja=ja,
        en=en,
        low=0,
        source=_PHYSICS,
        nullable=nullable,
    )


def _delay(name: str, ja: str, en: str, *, signed: bool = False) -> Column:
    return Column(
        name=name,
        kind="i4",
        unit="us",
        ja=ja,
        en=en,
        low=-_DELAY_US if signed else 0,
        high=_DELAY_US,
        source=_TYPE,
    )


def _text(name: str, ja: str, en: str, *, nullable: bool = True, choices: tuple[str, ...] = ()) -> Column:
    return Column(name=name, kind="text", unit="", ja=ja, en=en, nullable=nullable, choices=choices)


_PROBE = Stream(
    name="probe",
    scope="link",
    ja="区間測定(パケット毎)",
    en="Link probe: one row per packet sent, and one per further copy received (RFC 8762)",
    columns=(
        Column(
            name="session",
            kind="i4",
            unit="1",
            ja="測定セッション",
            en="Life of the sender; sequence numbers compare only inside one",
            low=0,
            source=_TYPE,
            nullable=False,
        ),
        _count("seq", "送信順序番号", "Sending sequence number", nullable=False),
        _count("refl_seq", "反射側順序番号", "Stateful reflector's own sequence number"),
        _delay("ul_us", "片方向遅延(上り)", "One-way delay up, T2-T1; negative values are kept", signed=True),
        _delay("dl_us", "片方向遅延(下り)", "One-way delay down, T4-T3; negative values are kept", signed=True),
        _delay("rtt_us", "往復遅延", "Round-trip delay (T4-T1)-(T3-T2); null when lost or not measured"),
        Column(
            name="copy",
            kind="i2",
            unit="1",
            ja="何番目の受信か",
            en="0 lost, 1 first answer; 2 and more: a further answer to the same packet, in a row of its own",
            low=0,
            source="RFC 5560 3.2",
            nullable=False,
        ),
        Column(
            name="lost",
            kind="i2",
            unit="1",
            ja="損失区分",
            en="0 delivered, 1 lost up, 2 lost down, 3 lost with unknown direction",
            low=0,
            high=3,
            source="RFC 8762 4; RFC 7680 2.4",
            nullable=False,
        ),
    ),
)

_RADIO = Stream(
    name="radio",
    scope="link",
    ja="無線品質",
    en="Radio quality of the serving cell",
    columns=(
        _text("rat", "無線方式", "Radio access technology (NR-SA, NR-NSA, LTE, ...)"),
        Column(
            name="pci", kind="i4", unit="1", ja="PCI", en="Physical cell id", low=0, high=1007, source="3GPP TS 38.211"
        ),
        Column(
            name="arfcn",
            kind="i4",
            unit="1",
            ja="ARFCN",
            en="Channel number",
            low=0,
            high=3_279_165,
            source="3GPP TS 38.104",
        ),
        _text("band", "バンド", "Band (n79, n257, B3, ...)"),
        Column(
            name="bandwidth_mhz",
            kind="f4",
            unit="MHz",
            ja="帯域幅",
            en="Channel bandwidth",
            low=0,
            high=2000,
            source=_TS38133,
        ),
        Column(
            name="cell_id",
            kind="i8",
            unit="1",
            ja="セルID",
            en="NR cell identity",
            low=0,
            high=2**36 - 1,
            source="3GPP TS 38.413",
        ),
        Column(
            name="rsrp_dbm",
            kind="f4",
            unit="dB[mW]",
            ja="RSRP",
            en="Reference signal received power, per resource element",
            low=-156,
            high=-31,
            source=f"{_TS38133} 10.1.6",
        ),
        Column(
            name="rsrq_db",
            kind="f4",
            unit="dB",
            ja="RSRQ",
            en="Reference signal received quality",
            low=-43,
            high=20,
            source=f"{_TS38133} 10.1.11",
        ),
        Column(
            name="sinr_db",
            kind="f4",
            unit="dB",
            ja="SINR",
            en="Signal to noise and interference ratio",
            low=-23,
            high=40,
            source=f"{_TS38133} 10.1.16",
        ),
        Column(
            name="rssi_dbm",
            kind="f4",
            unit="dB[mW]",
            ja="RSSI",
            en="Received signal strength incl. traffic and noise",
            low=-150,
            high=30,
            source=_PHYSICS,
        ),
        Column(
            name="rx_power_dbm",
            kind="f4",
            unit="dB[mW]",
            ja="受信電力",
            en="Total received power in the occupied bandwidth; not RSRP",
            low=-150,
            high=30,
            source=_PHYSICS,
        ),
        Column(
            name="cqi",
            kind="i2",
            unit="1",
            ja="CQI",
            en="Channel quality indicator",
            low=0,
            high=15,
            source="3GPP TS 38.214",
        ),
        Column(
            name="mcs",
            kind="i2",
            unit="1",
            ja="MCS",
            en="Modulation and coding scheme index",
            low=0,
            high=31,
            source="3GPP TS 38.214",
        ),
        Column(
            name="rank",
            kind="i2",
            unit="1",
            ja="ランク",
            en="Transmission rank",
            low=1,
            high=8,
            source="3GPP TS 38.214",
        ),
        _ratio("bler_ratio", "BLER", "Block error ratio"),
        Column(
            name="tx_power_dbm",
            kind="f4",
            unit="dB[mW]",
            ja="送信電力",
            en="Transmit power of the terminal",
            low=-60,
            high=60,
            source=_PHYSICS,
        ),
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
        Column(
            name="interval_s",
            kind="f4",
            unit="s",
            ja="測定区間長",
            en="Length of the interval that ends at t",
            low=0,
            high=86_400,
            source=_PHYSICS,
            nullable=False,
        ),
        _count("bytes", "転送量", "Payload bytes received", kind="i8"),
        Column(
            name="rate_bps",
            kind="f8",
            unit="bit/s",
            ja="スループット",
            en="Payload rate",
            low=0,
            high=1e12,
            source=_PHYSICS,
        ),
        _count("parallel", "並列数", "Parallel connections"),
        _count("retransmits", "再送数", "TCP retransmissions"),
        _count("packets", "パケット数", "UDP packets expected"),
        _count("lost_packets", "損失パケット数", "UDP packets lost"),
        _delay("jitter_us", "RFC 3550 ジッタ", "Jitter by RFC 3550 6.4.1"),
    ),
)

_POSITION = Stream(
    name="position",
    scope="device",
    ja="測位",
    en="Position by GNSS",
    columns=(
        Column(
            name="lat_deg",
            kind="f8",
            unit="deg",
            ja="緯度",
            en="Latitude",
            low=-90,
            high=90,
            source=_GEODETIC,
        ),
        Column(
            name="lon_deg",
            kind="f8",
            unit="deg",
            ja="経度",
            en="Longitude",
            low=-180,
            high=180,
            source=_GEODETIC,
        ),
        Column(name="alt_m", kind="f4", unit="m", ja="高度", en="Altitude", low=-1000, high=100_000, source=_PHYSICS),
        Column(
            name="speed_mps",
            kind="f4",
            unit="m/s",
            ja="対地速度",
            en="Speed over ground",
            low=0,
            high=200,
            source=_PHYSICS,
        ),
        Column(
            name="heading_deg",
            kind="f4",
            unit="deg",
            ja="進行方位",
            en="Course over ground, true north",
            low=0,
            high=360,
            source=_PHYSICS,
        ),
        Column(
            name="mode",
            kind="i2",
            unit="1",
            ja="測位状態",
            en="Fix: 0 unknown, 1 none, 2 two-dimensional, 3 three-dimensional",
            low=0,
            high=3,
            source="gpsd TPV mode",
            nullable=False,
        ),
        _count("satellites", "衛星数", "Satellites used"),
        Column(
            name="err_m",
            kind="f4",
            unit="m",
            ja="水平測位誤差",
            en="Estimated horizontal error",
            low=0,
            high=100_000,
            source="gpsd TPV eph",
        ),
    ),
)

_VEHICLE = Stream(
    name="vehicle",
    scope="device",
    ja="車両状態",
    en="Vehicle state",
    columns=(
        Column(name="speed_mps", kind="f4", unit="m/s", ja="速度", en="Speed", low=-30, high=150, source=_PHYSICS),
        Column(
            name="accel_mps2",
            kind="f4",
            unit="m/s2",
            ja="前後加速度",
            en="Longitudinal acceleration",
            low=-50,
            high=50,
            source=_PHYSICS,
        ),
        Column(
            name="steering_deg",
            kind="f4",
            unit="deg",
            ja="操舵角",
            en="Steering wheel angle",
            low=-1500,
            high=1500,
            source=_PHYSICS,
        ),
        _ratio("brake_ratio", "ブレーキ", "Brake pedal position"),
        _text("drive_mode", "運転モード", "Operation mode (Autoware AD API)", choices=_MODES),
        Column(name="odd_inside", kind="bool", unit="", ja="ODD内", en="Inside the operational design domain"),
        _text("mrm_state", "MRM状態", "Minimal risk manoeuvre state (Autoware AD API)", choices=_MRM_STATES),
        Column(name="door_open", kind="bool", unit="", ja="ドア開", en="A door is open"),
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
        Column(
            name="interval_s",
            kind="f4",
            unit="s",
            ja="集計区間長",
            en="Length of the interval that ends at t",
            low=0,
            high=86_400,
            source=_PHYSICS,
            nullable=False,
        ),
        _count("width_px", "横画素数", "Width in pixels"),
        _count("height_px", "縦画素数", "Height in pixels"),
        Column(
            name="fps",
            kind="f4",
            unit="1/s",
            ja="フレームレート",
            en="Frames decoded a second",
            low=0,
            high=1000,
            source="W3C webrtc-stats framesPerSecond",
        ),
        Column(
            name="target_bps",
            kind="f8",
            unit="bit/s",
            ja="目標ビットレート",
            en="Target bit rate",
            low=0,
            high=1e11,
            source=_PHYSICS,
        ),
        Column(
            name="rate_bps",
            kind="f8",
            unit="bit/s",
            ja="実ビットレート",
            en="Received bit rate",
            low=0,
            high=1e11,
            source=_PHYSICS,
        ),
        _delay("delay_us", "映像遅延(伝送区間)", "Capture stamp to decode; optics and display not included"),
        _count("frames_received", "受信フレーム数", "Frames received in the interval"),
        _count("frames_dropped", "欠落フレーム数", "Frames dropped in the interval"),
        _count("freezes", "フリーズ回数", "Freezes in the interval (W3C webrtc-stats freezeCount)"),
        Column(
            name="freeze_s",
            kind="f4",
            unit="s",
            ja="フリーズ時間",
            en="Time frozen in the interval",
            low=0,
            high=86_400,
            source="W3C webrtc-stats totalFreezesDuration",
        ),
        _count("packets_received", "RTP受信数", "RTP packets received in the interval"),
        Column(
            name="packets_lost",
            kind="i4",
            unit="1",
            ja="RTP損失数",
            en="RTP packets lost in the interval; negative with duplicates",
            low=-(2**23),
            high=2**23 - 1,
            source="RFC 3550 6.4.1",
        ),
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
        Column(
            name="synced", kind="bool", unit="", ja="同期状態", en="Disciplined by an outside source", nullable=False
        ),
        Column(
            name="offset_us",
            kind="f8",
            unit="us",
            ja="時刻誤差(推定)",
            en="Estimated error of the clock, positive = ahead of UTC",
            low=-1e15,
            high=1e15,
            source=_TYPE,
        ),
        Column(
            name="bound_us",
            kind="f8",
            unit="us",
            ja="時刻誤差上限",
            en="Bound of the error: |offset| + root dispersion + root delay / 2; null = unknown",
            low=0,
            high=1e15,
            source="chronyc(1)",
        ),
        _count("stratum", "階層", "NTP stratum"),
        Column(
            name="freq_ppm",
            kind="f8",
            unit="[ppm]",
            ja="周波数偏差",
            en="Frequency error, positive = fast",
            low=-1e6,
            high=1e6,
            source=_PHYSICS,
        ),
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
        Column(
            name="temperature_c",
            kind="f4",
            unit="Cel",
            ja="温度",
            en="Hottest sensor",
            low=-80,
            high=200,
            source=_PHYSICS,
        ),
        _count("sent_bytes", "送信量(累計)", "Bytes sent on all interfaces since boot", kind="i8"),
        _count("received_bytes", "受信量(累計)", "Bytes received on all interfaces since boot", kind="i8"),
        _count("outbox_batches", "未達バッチ数", "Batches without a receipt"),
        _count("outbox_bytes", "未達データ量", "Bytes without a receipt", kind="i8"),
        Column(
            name="outbox_age_s",
            kind="f8",
            unit="s",
            ja="最古の未達データの経過時間",
            en="Age of the oldest batch without a receipt",
            low=0,
            high=1e9,
            source=_PHYSICS,
        ),
        Column(name="uptime_s", kind="f8", unit="s", ja="稼働時間", en="Since boot", low=0, high=1e10, source=_PHYSICS),
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
        Column(
            name="interval_s",
            kind="f4",
            unit="s",
            ja="集計区間長",
            en="Length of the interval that ends at t",
            low=0,
            high=86_400,
            source=_PHYSICS,
            nullable=False,
        ),
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
        Column(name="value", kind="f8", unit="", ja="値", en="Value", source=_TYPE),
        _text("unit", "単位", "UCUM code of the unit", nullable=False),
    ),
)

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
