"""The table of panels: what each shows and the SQL behind it. A test runs every statement against the database.

Grafana's macros: `$__timeFilter(t)` is the shown interval, `$__interval` the width of a point. Variables: `$site`,
`$device`, `$link`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from storage.pending import WAITING

Kind = Literal["timeseries", "stat", "table", "geomap"]
Format = Literal["time_series", "table"]

_CHOSEN = "site = '$site' AND device IN (${device:sqlstring})"
_LINK = f"{_CHOSEN} AND link IN (${{link:sqlstring}})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel on a grid 24 columns wide. `unit` is Grafana's name of a unit."""

    title: str
    kind: Kind
    sql: str
    unit: str = "short"
    width: int = 12
    height: int = 8
    format: Format = "time_series"
    minimum: float | None = None
    maximum: float | None = None
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One choice at the head of the dashboard."""

    name: str
    label: str
    sql: str
    multi: bool


VARIABLES: tuple[Variable, ...] = (
    Variable(name="site", label="拠点 Site", sql="SELECT DISTINCT site FROM device ORDER BY 1", multi=False),
    Variable(
        name="device",
        label="測定端末 Device",
        sql="SELECT device FROM device WHERE site = '$site' ORDER BY 1",
        multi=True,
    ),
    Variable(
        name="link",
        label="回線 Link",
        sql=f"SELECT DISTINCT link FROM link_name WHERE {_CHOSEN} AND link <> '' ORDER BY 1",
        multi=True,
    ),
)

ANNOTATION_SQL = (
    "SELECT started_at AS time, coalesce(ended_at, now()) AS timeend, name || ' ' || weather AS text, tags"
    " FROM run WHERE site = '$site' AND started_at <= $__timeTo() AND coalesce(ended_at, now()) >= $__timeFrom()"
)
"""Runs as shaded intervals."""


def _per_link(table: str, expressions: str, where: str = "true", *, time: str = "t") -> str:
    return (
        f"SELECT time_bucket('$__interval', {time}) AS time, link AS metric, {expressions}"
        f" FROM {table} JOIN link_name USING (link_id) WHERE $__timeFilter({time}) AND {_LINK} AND {where}"
        " GROUP BY 1, 2 ORDER BY 1"
    )


def _per_device(table: str, expressions: str, where: str = "true") -> str:
    return (
        f"SELECT time_bucket('$__interval', t) AS time, device AS metric, {expressions}"
        f" FROM {table} JOIN link_name USING (link_id) WHERE $__timeFilter(t) AND {_CHOSEN} AND {where}"
        " GROUP BY 1, 2 ORDER BY 1"
    )


_SETTLED_SECONDS = f"probe_1s LEFT JOIN ({' '.join(WAITING.split())}) AS waiting USING (link_id)"
_IS_SETTLED = "(settle_s IS NULL OR bucket <= now() - (settle_s + 1) * interval '1 second')"
"""Losses are counted up to where the sender's timeout has passed: the newest packets can only be delivered ones."""


def _quantile(q: str, column: str) -> str:
    return f"percentile_disc({q}) WITHIN GROUP (ORDER BY {column})"


def _share(lost: str, name: str) -> str:
    """Share of the packets sent, from the counts by second: 0.37 s, not 0.67 s, for 2.9 M rows on plain PostgreSQL."""
    return f"sum({lost})::float8 / nullif(sum(sent), 0) AS {name}"


PANELS: tuple[Panel, ...] = (
    Panel(
        title="往復遅延 Round-trip delay (p50, p95, p99)",
        kind="timeseries",
        unit="µs",
        minimum=0,
        sql=_per_link(
            "probe",
            ", ".join(f"{_quantile(f'0.{digits}', 'rtt_us')} AS p{digits}" for digits in ("50", "95", "99")),
            "copy = 1",
        ),
        description="到達したパケットの値。損失は右の図。RFC 2681。",
    ),
    Panel(
        title="パケット損失率 Packet loss",
        kind="timeseries",
        unit="percentunit",
        minimum=0,
        sql=_per_link(
            _SETTLED_SECONDS, _share("lost_up + lost_down + lost_unknown", "loss"), _IS_SETTLED, time="bucket"
        ),
        description="送信した全パケットに対する割合。応答待ちの間は結果が確定せず表示しない。RFC 7680, RFC 6673。",
    ),
    Panel(
        title="片方向遅延(上り・下り)中央値 One-way delay, median",
        kind="timeseries",
        unit="µs",
        sql=_per_link("probe", f"{_quantile('0.5', 'ul_us')} AS up, {_quantile('0.5', 'dl_us')} AS down", "copy = 1"),
        description="両端の時刻同期が必要。時刻誤差の上限の図と合わせて読む。RFC 7679。",
    ),
    Panel(
        title="上り・下りの損失 Loss per direction",
        kind="timeseries",
        unit="percentunit",
        minimum=0,
        sql=_per_link(
            _SETTLED_SECONDS, f"{_share('lost_up', 'up')}, {_share('lost_down', 'down')}", _IS_SETTLED, time="bucket"
        ),
        description="反射側の通し番号で方向が証明できた損失。RFC 8762。",
    ),
    Panel(
        title="RSRP",
        kind="timeseries",
        unit="dBm",
        sql=_per_link("radio", f"{_quantile('0.5', 'rsrp_dbm')} AS rsrp"),
        description="参照信号受信電力(リソースエレメント当たり)。受信電力ではない。",
    ),
    Panel(title="SINR", kind="timeseries", unit="dB", sql=_per_link("radio", f"{_quantile('0.5', 'sinr_db')} AS sinr")),
    Panel(
        title="スループット Throughput",
        kind="timeseries",
        unit="bps",
        minimum=0,
        sql=_per_link(
            "throughput",
            "avg(rate_bps) FILTER (WHERE direction = 'up') AS up,"
            " avg(rate_bps) FILTER (WHERE direction = 'down') AS down",
        ),
    ),
    Panel(
        title="映像 Video: fps, フリーズ freeze",
        kind="timeseries",
        unit="short",
        minimum=0,
        sql=_per_link("video", "avg(fps) AS fps, sum(freeze_s) AS freeze_s"),
    ),
    Panel(
        title="位置 Position",
        kind="geomap",
        format="table",
        height=10,
        sql=(
            "SELECT time_bucket('$__interval', t) AS time, device, avg(lat_deg) AS latitude, avg(lon_deg) AS longitude,"
            " avg(speed_mps) * 3.6 AS speed_kmh FROM position JOIN link_name USING (link_id)"
            f" WHERE $__timeFilter(t) AND mode >= 2 AND {_CHOSEN} GROUP BY 1, 2 ORDER BY 1"
        ),
    ),
    Panel(
        title="事象 Events",
        kind="table",
        format="table",
        height=10,
        sql=(
            "SELECT t AS time, device, link, severity, name, message FROM event JOIN link_name USING (link_id)"
            f" WHERE $__timeFilter(t) AND {_CHOSEN} ORDER BY t DESC LIMIT 500"
        ),
    ),
    Panel(
        title="時刻誤差の上限 Clock error bound",
        kind="timeseries",
        unit="µs",
        minimum=0,
        width=8,
        sql=(
            "SELECT time_bucket('$__interval', t) AS time, coalesce(nullif(link, ''), device) AS metric,"
            " CASE WHEN bool_and(synced AND bound_us IS NOT NULL) THEN max(bound_us) END AS bound"
            f" FROM clock JOIN link_name USING (link_id) WHERE $__timeFilter(t) AND {_CHOSEN} GROUP BY 1, 2 ORDER BY 1"
        ),
        description="端末名は端末側、回線名は対向側の時計。空白は上限が不明で、その間の片方向遅延は評価に用いない。",
    ),
    Panel(
        title="端末に残る未達バッチ Outbox pending",
        kind="timeseries",
        unit="short",
        minimum=0,
        width=8,
        sql=_per_device("host", "max(outbox_batches) AS pending"),
    ),
    Panel(
        title="取込遅れ Ingest lag",
        kind="timeseries",
        unit="s",
        minimum=0,
        width=8,
        sql=(
            "SELECT time_bucket('$__interval', received_at) AS time, device AS metric,"
            " max(extract(epoch FROM received_at - t_last))::float8 AS lag FROM batch JOIN link_name USING (link_id)"
            f" WHERE $__timeFilter(received_at) AND {_CHOSEN} GROUP BY 1, 2 ORDER BY 1"
        ),
        description="測定から受信までの時間。回線断からの回復時は大きくなる。",
    ),
    Panel(
        title="完全性 Completeness",
        kind="table",
        format="table",
        width=24,
        height=6,
        sql=(
            "SELECT device, left(epoch, 12) AS epoch,"
            " (SELECT coalesce(sum(upper(r) - lower(r)), 0)::int8 FROM unnest(committed) AS r) AS committed,"
            " (SELECT coalesce(sum(upper(r) - lower(r)), 0)::int8 FROM unnest(quarantined) AS r) AS quarantined,"
            " announced, announced - (SELECT coalesce(sum(upper(r) - lower(r)), 0)::int8"
            " FROM unnest(committed + quarantined) AS r) AS outstanding, last_at"
            f" FROM ledger JOIN device USING (device_id) WHERE {_CHOSEN} ORDER BY last_at DESC LIMIT 50"
        ),
        description="announced: 端末が測定したバッチ数。outstanding: まだ届いていない数(端末に残る分を含む)。",
    ),
)
