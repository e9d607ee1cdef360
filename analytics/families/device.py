"""Every family of one device's streams put together: what was measured decides what is computed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from analytics.data_hash import data_hash
from analytics.families.commands import evaluate_commands
from analytics.families.driving import evaluate_driving
from analytics.families.mobility import gaps_asked
from analytics.families.other_radios import evaluate_metrics, grid_loss, satellite_grid
from analytics.families.points import evaluate_points
from analytics.families.radio import evaluate_radio
from analytics.families.tcp import evaluate_tcp, path_note, tcp_queues, transfers_asked
from analytics.families.throughput import evaluate_throughput, uplink_bps
from analytics.families.traffic import evaluate_traffic
from analytics.families.video import Horizon, evaluate_video
from analytics.figures import Figures
from analytics.packet_watch import PacketWatch
from analytics.probes import ProbeArrays
from analytics.results import KpiResult
from analytics.series import Series
from analytics.spans import Span
from analytics.subject import Subject
from analytics.track import Track, track

LINK_STREAMS: dict[str, tuple[str, ...]] = {
    "radio": ("rat", "rsrp_dbm", "rsrq_db", "sinr_db", "rssi_dbm", "rx_power_dbm", "cell_id", "pci", "arfcn"),
    "throughput": ("direction", "protocol", "interval_s", "bytes", "rate_bps", "parallel", "packets", "lost_packets",
                   "retransmits", "jitter_us", "point", "trial"),
    "video": ("camera", "interval_s", "fps", "rate_bps", "delay_us", "freezes", "freeze_s", "packets_received",
              "packets_lost", "jitter_us"),
    "command": ("name", "received_us", "executed_us", "acked_us"),
    "traffic": ("scene", "treatment", "interval_s", "bytes", "streams", "true_positives", "false_positives",
                "false_negatives", "added_delay_us"),
    "metric": ("name", "value", "unit", "detail"),
}  # fmt: skip
"""Columns that the families read, by stream of a link."""
DEVICE_STREAMS: dict[str, tuple[str, ...]] = {
    "position": ("lat_deg", "lon_deg", "speed_mps", "mode"),
    "vehicle": ("speed_mps", "drive_mode", "mrm_state", "intervention"),
    "event": ("name", "detail"),
}
"""Columns that the families read, by stream of the device itself."""


def evaluate_link_streams(
    streams: Mapping[str, Series], packets: PacketWatch | ProbeArrays | None, device: Mapping[str, Series],
    subject: Subject, horizon: Horizon | None = None,
) -> list[KpiResult]:  # fmt: skip
    """Return the KPIs of one link's streams beside its packets; `device` are the streams of the device it belongs to.

    `packets` are all there are, or what `packets_asked` of these streams saw of them. `horizon` says until when video
    was due, by default until the link's last row of it.
    """
    path = track_of(device)
    results: list[KpiResult] = []
    if isinstance(packets, ProbeArrays):
        probes, packets = packets, packets_asked(streams)
        packets.add(probes)
        packets.data_hash = data_hash(probes)

    def figures(*names: str) -> Figures:
        return Figures(subject, "-".join(streams[name].data_hash for name in names))

    if "radio" in streams:
        results += evaluate_radio(streams["radio"], path, None if packets is None else packets.gaps, figures("radio"))
    if "throughput" in streams:
        results += evaluate_throughput(streams["throughput"], figures("throughput"))
        results += evaluate_points(streams["throughput"], figures("throughput"))
        seen, of_packets = (None, "") if packets is None else (packets.transfers, packets.data_hash)
        results += evaluate_tcp(streams["throughput"], figures("throughput"), path_note(seen))
        both = "-".join(filter(None, [streams["throughput"].data_hash, of_packets]))
        results += tcp_queues(streams["throughput"], seen, Figures(subject, both))
    if "video" in streams:
        results += evaluate_video(
            streams["video"], path, figures("video"), vehicle=device.get("vehicle"), horizon=horizon
        )
    if "command" in streams:
        results += evaluate_commands(streams["command"], figures("command"))
    if "traffic" in streams:
        uplink, protocol = np.empty(0), ""
        if "throughput" in streams:
            uplink, protocol = uplink_bps(streams["throughput"])
        results += evaluate_traffic(streams["traffic"], uplink, figures("traffic"), protocol)
    if "metric" in streams:
        results += _metrics(streams["metric"], packets, figures("metric"))
    return results


OF_PACKETS = {"handover_interruption", "tcp_buffer_delay", "leo_grid_loss"}
"""KPIs of other streams that rest on the link's packets."""


def packets_asked(streams: Mapping[str, Series]) -> PacketWatch:
    """Return what the streams of a link must know of its packets."""
    names = {str(name) for name in streams["metric"].text("name").tolist()} if "metric" in streams else set()
    return PacketWatch(
        gaps=gaps_asked(streams["radio"]) if "radio" in streams else None,
        transfers=transfers_asked(streams["throughput"]) if "throughput" in streams else None,
        grid=satellite_grid() if any(name.startswith("leo.") for name in names) else None,
    )


def _metrics(metrics: Series, packets: PacketWatch | None, figures: Figures) -> list[KpiResult]:
    results = evaluate_metrics(metrics, figures)
    grid = None if packets is None else packets.grid
    if packets is not None and grid is not None and grid.near.n + grid.elsewhere.n:
        results = [result for result in results if result.id != "leo_grid_loss"]
        results += grid_loss(grid, replace(figures, data_hash=packets.data_hash))
    return results


def evaluate_device_streams(
    device: Mapping[str, Series], subject: Subject, cuts: Sequence[Span] = ()
) -> list[KpiResult]:
    """Return the KPIs of the device itself; `cuts` were left out of its streams."""
    known = [device[name].data_hash for name in ("vehicle", "event") if name in device]
    if not known:
        return []
    return evaluate_driving(
        device.get("vehicle"), track_of(device, cuts), Figures(subject, "-".join(known)), events=device.get("event"),
        cuts=cuts,
    )  # fmt: skip


def track_of(device: Mapping[str, Series], cuts: Sequence[Span] = ()) -> Track | None:
    """Return where the device was, None where it was not measured; `cuts` were left out of its streams."""
    return track(device["position"], cuts) if "position" in device else None
