-- Rendered from contract/streams.py by `make docs`. One table a stream.

CREATE TABLE probe (
    t timestamptz NOT NULL,
    link_id integer NOT NULL,
    batch_id bigint NOT NULL,
    session integer NOT NULL,
    seq integer NOT NULL,
    refl_seq integer,
    ul_us integer,
    dl_us integer,
    rtt_us integer,
    copy smallint NOT NULL,
    lost smallint NOT NULL
);
CREATE INDEX probe_t ON probe USING brin (t) WITH (pages_per_range = 32);
COMMENT ON COLUMN probe.session IS '測定セッション / Life of the sender; sequence numbers compare only inside one [1]';
COMMENT ON COLUMN probe.seq IS '送信順序番号 / Sending sequence number [1]';
COMMENT ON COLUMN probe.refl_seq IS '反射側順序番号 / Stateful reflector''s own sequence number [1]';
COMMENT ON COLUMN probe.ul_us IS '片方向遅延(上り) / One-way delay up, T2-T1; negative values are kept [us]';
COMMENT ON COLUMN probe.dl_us IS '片方向遅延(下り) / One-way delay down, T4-T3; negative values are kept [us]';
COMMENT ON COLUMN probe.rtt_us IS '往復遅延 / Round-trip delay (T4-T1)-(T3-T2); null when lost or not measured [us]';
COMMENT ON COLUMN probe.copy IS '何番目の受信か / 0 lost, 1 first answer, 2 ... a further answer, in a row of its own [1]';
COMMENT ON COLUMN probe.lost IS '損失区分 / 0 delivered, 1 lost up, 2 lost down, 3 lost with unknown direction [1]';

CREATE TABLE radio (
    t timestamptz NOT NULL,
    link_id integer NOT NULL,
    batch_id bigint NOT NULL,
    rat text,
    pci integer,
    arfcn integer,
    band text,
    bandwidth_mhz real,
    cell_id bigint,
    rsrp_dbm real,
    rsrq_db real,
    sinr_db real,
    rssi_dbm real,
    rx_power_dbm real,
    cqi smallint,
    mcs smallint,
    rank smallint,
    bler_ratio real,
    tx_power_dbm real
);
CREATE INDEX radio_t ON radio USING brin (t) WITH (pages_per_range = 32);
COMMENT ON COLUMN radio.rat IS '無線方式 / Radio access technology (NR-SA, NR-NSA, LTE, ...)';
COMMENT ON COLUMN radio.pci IS 'PCI / Physical cell id [1]';
COMMENT ON COLUMN radio.arfcn IS 'ARFCN / Channel number [1]';
COMMENT ON COLUMN radio.band IS 'バンド / Band (n79, n257, B3, ...)';
COMMENT ON COLUMN radio.bandwidth_mhz IS '帯域幅 / Channel bandwidth [MHz]';
COMMENT ON COLUMN radio.cell_id IS 'セルID / NR cell identity [1]';
COMMENT ON COLUMN radio.rsrp_dbm IS 'RSRP / Reference signal received power, per resource element [dB[mW]]';
COMMENT ON COLUMN radio.rsrq_db IS 'RSRQ / Reference signal received quality [dB]';
COMMENT ON COLUMN radio.sinr_db IS 'SINR / Signal to noise and interference ratio [dB]';
COMMENT ON COLUMN radio.rssi_dbm IS 'RSSI / Received signal strength incl. traffic and noise [dB[mW]]';
COMMENT ON COLUMN radio.rx_power_dbm IS '受信電力 / Total received power in the occupied bandwidth; not RSRP [dB[mW]]';
COMMENT ON COLUMN radio.cqi IS 'CQI / Channel quality indicator [1]';
COMMENT ON COLUMN radio.mcs IS 'MCS / Modulation and coding scheme index [1]';
COMMENT ON COLUMN radio.rank IS 'ランク / Transmission rank [1]';
COMMENT ON COLUMN radio.bler_ratio IS 'BLER / Block error ratio [1]';
COMMENT ON COLUMN radio.tx_power_dbm IS '送信電力 / Transmit power of the terminal [dB[mW]]';

CREATE TABLE throughput (
    t timestamptz NOT NULL,
    link_id integer NOT NULL,
    batch_id bigint NOT NULL,
    direction text NOT NULL,
    protocol text NOT NULL,
    interval_s real NOT NULL,
    bytes bigint,
    rate_bps double precision,
    parallel integer,
    retransmits integer,
    packets integer,
    lost_packets integer,
    jitter_us integer
);
CREATE INDEX throughput_t ON throughput USING brin (t) WITH (pages_per_range = 32);
COMMENT ON COLUMN throughput.direction IS '方向 / up or down';
COMMENT ON COLUMN throughput.protocol IS 'プロトコル / tcp or udp';
COMMENT ON COLUMN throughput.interval_s IS '測定区間長 / Length of the interval that ends at t [s]';
COMMENT ON COLUMN throughput.bytes IS '転送量 / Payload bytes received [1]';
COMMENT ON COLUMN throughput.rate_bps IS 'スループット / Payload rate [bit/s]';
COMMENT ON COLUMN throughput.parallel IS '並列数 / Parallel connections [1]';
COMMENT ON COLUMN throughput.retransmits IS '再送数 / TCP retransmissions [1]';
COMMENT ON COLUMN throughput.packets IS 'パケット数 / UDP packets expected [1]';
COMMENT ON COLUMN throughput.lost_packets IS '損失パケット数 / UDP packets lost [1]';
COMMENT ON COLUMN throughput.jitter_us IS 'RFC 3550 ジッタ / Jitter by RFC 3550 6.4.1 [us]';

CREATE TABLE position (
    t timestamptz NOT NULL,
    link_id integer NOT NULL,
    batch_id bigint NOT NULL,
    lat_deg double precision,
    lon_deg double precision,
    alt_m real,
    speed_mps real,
    heading_deg real,
    mode smallint NOT NULL,
    satellites integer,
    err_m real
);
CREATE INDEX position_t ON position USING brin (t) WITH (pages_per_range = 32);
COMMENT ON COLUMN position.lat_deg IS '緯度 / Latitude [deg]';
COMMENT ON COLUMN position.lon_deg IS '経度 / Longitude [deg]';
COMMENT ON COLUMN position.alt_m IS '高度 / Altitude [m]';
COMMENT ON COLUMN position.speed_mps IS '対地速度 / Speed over ground [m/s]';
COMMENT ON COLUMN position.heading_deg IS '進行方位 / Course over ground, true north [deg]';
COMMENT ON COLUMN position.mode IS '測位状態 / Fix: 0 unknown, 1 none, 2 two-dimensional, 3 three-dimensional [1]';
COMMENT ON COLUMN position.satellites IS '衛星数 / Satellites used [1]';
COMMENT ON COLUMN position.err_m IS '水平測位誤差 / Estimated horizontal error [m]';

CREATE TABLE vehicle (
    t timestamptz NOT NULL,
    link_id integer NOT NULL,
    batch_id bigint NOT NULL,
    speed_mps real,
    accel_mps2 real,
    steering_deg real,
    brake_ratio real,
    drive_mode text,
    odd_inside boolean,
    mrm_state text,
    door_open boolean,
    battery_ratio real,
    operator text,
    vehicles_monitored integer,
    intervention integer
);
CREATE INDEX vehicle_t ON vehicle USING brin (t) WITH (pages_per_range = 32);
COMMENT ON COLUMN vehicle.speed_mps IS '速度 / Speed [m/s]';
COMMENT ON COLUMN vehicle.accel_mps2 IS '前後加速度 / Longitudinal acceleration [m/s2]';
COMMENT ON COLUMN vehicle.steering_deg IS '操舵角 / Steering wheel angle [deg]';
COMMENT ON COLUMN vehicle.brake_ratio IS 'ブレーキ / Brake pedal position [1]';
COMMENT ON COLUMN vehicle.drive_mode IS '運転モード / Operation mode (Autoware AD API)';
COMMENT ON COLUMN vehicle.odd_inside IS 'ODD内 / Inside the operational design domain';
COMMENT ON COLUMN vehicle.mrm_state IS 'MRM状態 / Minimal risk manoeuvre state (Autoware AD API)';
COMMENT ON COLUMN vehicle.door_open IS 'ドア開 / A door is open';
COMMENT ON COLUMN vehicle.battery_ratio IS '電池残量 / State of charge [1]';
COMMENT ON COLUMN vehicle.operator IS '監視者ID / Remote monitor on duty (an id, not a name)';
COMMENT ON COLUMN vehicle.vehicles_monitored IS '監視対象台数 / Vehicles that the monitor watches (1:N) [1]';
COMMENT ON COLUMN vehicle.intervention IS '介入回数(累計) / Interventions since the start of the drive [1]';

CREATE TABLE command (
    t timestamptz NOT NULL,
    link_id integer NOT NULL,
    batch_id bigint NOT NULL,
    command_id text NOT NULL,
    name text NOT NULL,
    received_us integer,
    executed_us integer,
    acked_us integer
);
CREATE INDEX command_t ON command USING brin (t) WITH (pages_per_range = 32);
COMMENT ON COLUMN command.command_id IS '指令ID / Identity of the command';
COMMENT ON COLUMN command.name IS '指令 / What was ordered (stop, resume, ...)';
COMMENT ON COLUMN command.received_us IS '受信まで / From sending to reception; null when never received [us]';
COMMENT ON COLUMN command.executed_us IS '実行まで / From sending to execution; null when never executed [us]';
COMMENT ON COLUMN command.acked_us IS '応答まで / From sending to the acknowledgement; null when none came [us]';

CREATE TABLE video (
    t timestamptz NOT NULL,
    link_id integer NOT NULL,
    batch_id bigint NOT NULL,
    camera text NOT NULL,
    interval_s real NOT NULL,
    width_px integer,
    height_px integer,
    fps real,
    target_bps double precision,
    rate_bps double precision,
    delay_us integer,
    frames_received integer,
    frames_dropped integer,
    freezes integer,
    freeze_s real,
    packets_received integer,
    packets_lost integer,
    jitter_us integer,
    recognition_ratio real
);
CREATE INDEX video_t ON video USING brin (t) WITH (pages_per_range = 32);
COMMENT ON COLUMN video.camera IS 'カメラ / Camera name';
COMMENT ON COLUMN video.interval_s IS '集計区間長 / Length of the interval that ends at t [s]';
COMMENT ON COLUMN video.width_px IS '横画素数 / Width in pixels [1]';
COMMENT ON COLUMN video.height_px IS '縦画素数 / Height in pixels [1]';
COMMENT ON COLUMN video.fps IS 'フレームレート / Frames decoded a second [1/s]';
COMMENT ON COLUMN video.target_bps IS '目標ビットレート / Target bit rate [bit/s]';
COMMENT ON COLUMN video.rate_bps IS '実ビットレート / Received bit rate [bit/s]';
COMMENT ON COLUMN video.delay_us IS '映像遅延(伝送区間) / Capture stamp to decode; optics and display not included [us]';
COMMENT ON COLUMN video.frames_received IS '受信フレーム数 / Frames received in the interval [1]';
COMMENT ON COLUMN video.frames_dropped IS '欠落フレーム数 / Frames dropped in the interval [1]';
COMMENT ON COLUMN video.freezes IS 'フリーズ回数 / Freezes in the interval (W3C webrtc-stats freezeCount) [1]';
COMMENT ON COLUMN video.freeze_s IS 'フリーズ時間 / Time frozen in the interval [s]';
COMMENT ON COLUMN video.packets_received IS 'RTP受信数 / RTP packets received in the interval [1]';
COMMENT ON COLUMN video.packets_lost IS 'RTP損失数 / RTP packets lost in the interval; negative with duplicates [1]';
COMMENT ON COLUMN video.jitter_us IS 'RFC 3550 ジッタ / Jitter by RFC 3550 6.4.1 [us]';
COMMENT ON COLUMN video.recognition_ratio IS '物体認識率 / Object recognition ratio (ITU-T P.1199, imported) [1]';

CREATE TABLE event (
    t timestamptz NOT NULL,
    link_id integer NOT NULL,
    batch_id bigint NOT NULL,
    name text NOT NULL,
    severity text NOT NULL,
    message text NOT NULL,
    detail jsonb
);
CREATE INDEX event_t ON event USING brin (t) WITH (pages_per_range = 32);
COMMENT ON COLUMN event.name IS '事象名 / Dotted lower-case name (link.down, probe.session, marker, ...)';
COMMENT ON COLUMN event.severity IS '重要度 / How much it matters';
COMMENT ON COLUMN event.message IS '内容 / What a person should read';
COMMENT ON COLUMN event.detail IS '詳細 / Machine-readable detail, a JSON object';

CREATE TABLE clock (
    t timestamptz NOT NULL,
    link_id integer NOT NULL,
    batch_id bigint NOT NULL,
    method text NOT NULL,
    synced boolean NOT NULL,
    offset_us double precision,
    bound_us double precision,
    stratum integer,
    freq_ppm double precision,
    leap text,
    reference text
);
CREATE INDEX clock_t ON clock USING brin (t) WITH (pages_per_range = 32);
COMMENT ON COLUMN clock.method IS '同期方式 / Who says so (chrony, adjtimex, stamp, declared, none)';
COMMENT ON COLUMN clock.synced IS '同期状態 / Disciplined by an outside source';
COMMENT ON COLUMN clock.offset_us IS '時刻誤差(推定) / Estimated error of the clock, positive = ahead of UTC [us]';
COMMENT ON COLUMN clock.bound_us IS '時刻誤差上限 / Bound of the error: |offset| + root dispersion + root delay / 2; null = unknown [us]';
COMMENT ON COLUMN clock.stratum IS '階層 / NTP stratum [1]';
COMMENT ON COLUMN clock.freq_ppm IS '周波数偏差 / Frequency error, positive = fast [[ppm]]';
COMMENT ON COLUMN clock.leap IS 'うるう秒状態 / Leap status';
COMMENT ON COLUMN clock.reference IS '参照元 / Reference source';

CREATE TABLE host (
    t timestamptz NOT NULL,
    link_id integer NOT NULL,
    batch_id bigint NOT NULL,
    cpu_ratio real,
    memory_ratio real,
    disk_free_bytes bigint,
    temperature_c real,
    sent_bytes bigint,
    received_bytes bigint,
    outbox_batches integer,
    outbox_bytes bigint,
    outbox_age_s double precision,
    uptime_s double precision
);
CREATE INDEX host_t ON host USING brin (t) WITH (pages_per_range = 32);
COMMENT ON COLUMN host.cpu_ratio IS 'CPU使用率 / CPU in use [1]';
COMMENT ON COLUMN host.memory_ratio IS 'メモリ使用率 / Memory in use [1]';
COMMENT ON COLUMN host.disk_free_bytes IS 'ディスク空き / Free bytes where the outbox lies [1]';
COMMENT ON COLUMN host.temperature_c IS '温度 / Hottest sensor [Cel]';
COMMENT ON COLUMN host.sent_bytes IS '送信量(累計) / Bytes sent on all interfaces since boot [1]';
COMMENT ON COLUMN host.received_bytes IS '受信量(累計) / Bytes received on all interfaces since boot [1]';
COMMENT ON COLUMN host.outbox_batches IS '未達バッチ数 / Batches without a receipt [1]';
COMMENT ON COLUMN host.outbox_bytes IS '未達データ量 / Bytes without a receipt [1]';
COMMENT ON COLUMN host.outbox_age_s IS '最古の未達データの経過時間 / Age of the oldest batch without a receipt [s]';
COMMENT ON COLUMN host.uptime_s IS '稼働時間 / Since boot [s]';

CREATE TABLE traffic (
    t timestamptz NOT NULL,
    link_id integer NOT NULL,
    batch_id bigint NOT NULL,
    scene text,
    treatment text NOT NULL,
    interval_s real NOT NULL,
    bytes bigint NOT NULL,
    streams integer,
    true_positives integer,
    false_positives integer,
    false_negatives integer,
    added_delay_us integer
);
CREATE INDEX traffic_t ON traffic USING brin (t) WITH (pages_per_range = 32);
COMMENT ON COLUMN traffic.scene IS 'シーン / Scene that the paired runs share';
COMMENT ON COLUMN traffic.treatment IS '処理条件 / AI off or on';
COMMENT ON COLUMN traffic.interval_s IS '集計区間長 / Length of the interval that ends at t [s]';
COMMENT ON COLUMN traffic.bytes IS '通信量 / Bytes sent in the interval [1]';
COMMENT ON COLUMN traffic.streams IS '同時ストリーム数 / Streams carried at once [1]';
COMMENT ON COLUMN traffic.true_positives IS '正検知数 / Detections that were right [1]';
COMMENT ON COLUMN traffic.false_positives IS '誤検知数 / Detections that were wrong [1]';
COMMENT ON COLUMN traffic.false_negatives IS '見逃し数 / Objects not detected [1]';
COMMENT ON COLUMN traffic.added_delay_us IS 'AI処理遅延 / Delay that the AI adds [us]';

CREATE TABLE metric (
    t timestamptz NOT NULL,
    link_id integer NOT NULL,
    batch_id bigint NOT NULL,
    name text NOT NULL,
    value double precision,
    unit text NOT NULL
);
CREATE INDEX metric_t ON metric USING brin (t) WITH (pages_per_range = 32);
COMMENT ON COLUMN metric.name IS '指標名 / Dotted lower-case name (halow.airtime, leo.obstructed, ...)';
COMMENT ON COLUMN metric.value IS '値 / Value';
COMMENT ON COLUMN metric.unit IS '単位 / UCUM code of the unit';
