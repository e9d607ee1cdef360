"""Remote monitoring video over the serving link: what each camera's receiver reports per interval.

A model of shares and queues, not of packets: capacity follows the link's SINR, the sender adapts its rate to it,
loss grows as the SINR falls towards the edge, and time without a link is time frozen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.path_loss import Floats
from simulators.series import integers_or_null, texts

CAMERAS = ("front", "rear", "left", "right")
WIDTH_PX, HEIGHT_PX = 1280, 720
FPS = 20.0
FULL_BPS = 2.0e6
LOWEST_BPS = 0.3e6
PACKET_BYTES = 1200

ENTER_DB, LEAVE_DB, WINDOW_S, HOLD_S = 6.0, -2.0, 2.0, 5.0
SWITCH_S = (0.25, 0.8)
"""How long the picture is gone when the video moves to the other link: a new connection and a key frame."""

_HEADROOM = 0.7  # share of the capacity that the senders dare to use
_CODEC_US = 70_000.0  # capture stamp to first byte, and last byte to picture
_EDGE_DB, _EDGE_WIDTH_DB, _EDGE_LOSS = 0.0, 1.6, 0.08
_FLOOR_LOSS = 5e-5
_REPAIRED = 0.9  # share of damaged frames that retransmission repairs in time


def freeze_after_s(frame_s: float) -> float:
    """Return how long a picture must stand to count as a freeze, for frames of `frame_s` on average.

    Three of them or 150 ms more than one, whichever is longer (W3C webrtc-stats, freezeCount).
    """
    return max(3 * frame_s, frame_s + 0.15)


_FREEZE_S = freeze_after_s(1 / FPS)


@dataclass(frozen=True, slots=True)
class LinkConditions:
    """What one interval after another offered: means over the interval, arrays of one length."""

    sinr_db: Floats
    capacity_bps: Floats
    lost_s: Floats
    """Time without a link in each interval, seconds."""
    network_us: float
    """One-way delay of the link when it is idle."""


def choose_link(preferred_sinr_db: Floats, tick_s: float) -> NDArray[np.bool_]:
    """Return when the preferred link carries the video, decided on what was seen before, as a real router must.

    It takes over from `ENTER_DB` up and keeps the video until it falls under `LEAVE_DB`, both of the SINR averaged
    over the last `WINDOW_S`, and not before `HOLD_S` have passed since the last change.
    """
    window = max(round(WINDOW_S / tick_s), 1)
    padded = np.concatenate([np.full(window, preferred_sinr_db[:1].sum()), preferred_sinr_db])
    total = np.concatenate([[0.0], np.cumsum(padded)])
    seen_db = (total[window:] - total[:-window])[: len(preferred_sinr_db)] / window
    hold_ticks = round(HOLD_S / tick_s)
    chosen, state, since = [], False, hold_ticks
    for level in seen_db.tolist():
        wanted = level >= (LEAVE_DB if state else ENTER_DB)
        since += 1
        if wanted != state and since >= hold_ticks:
            state, since = wanted, 0
        chosen.append(state)
    return np.array(chosen, dtype=np.bool_)


def camera_columns(
    rng: np.random.Generator, camera: str, conditions: LinkConditions, interval_s: float
) -> dict[str, NDArray[Any]]:
    """Return the columns of the stream `video` for one camera; `conditions` has one entry per interval."""
    n = len(conditions.sinr_db)
    up_s = np.clip(interval_s - conditions.lost_s, 0.0, interval_s)
    share_bps = np.maximum(conditions.capacity_bps / len(CAMERAS), 1.0)
    target_bps = np.clip(_HEADROOM * share_bps, LOWEST_BPS, FULL_BPS)
    sent_bps = target_bps * rng.normal(1.0, 0.04, n).clip(0.8, 1.2)
    crowded = np.clip(1.0 - share_bps / sent_bps, 0.0, 0.95)
    edge = _EDGE_LOSS / (1.0 + np.exp((conditions.sinr_db - _EDGE_DB) / _EDGE_WIDTH_DB))
    loss = np.clip(_FLOOR_LOSS + edge + crowded, 0.0, 0.95)

    packets = np.ceil(sent_bps * up_s / (8 * PACKET_BYTES)).astype(np.int64)
    packets_lost = rng.binomial(packets, loss)
    received = packets - packets_lost
    frames = np.floor(FPS * up_s + 1e-9).astype(np.int64)
    per_frame = np.maximum(sent_bps / FPS / (8 * PACKET_BYTES), 1.0)
    damaged = (1.0 - (1.0 - loss) ** per_frame) * (1.0 - _REPAIRED)
    dropped = rng.binomial(frames, damaged)
    shown = frames - dropped
    frozen = (conditions.lost_s > _FREEZE_S) | (dropped > np.maximum(frames // 3, 3))
    freeze_s = np.where(frozen, np.minimum(conditions.lost_s + dropped / FPS, interval_s), 0.0)

    load = np.clip(sent_bps / share_bps, 0.0, 0.97)
    queue_us = 1e6 * 8 * PACKET_BYTES * per_frame / share_bps * load / (1.0 - load)
    jitter_us = 900.0 + 0.15 * np.minimum(queue_us, 200_000.0) + rng.gamma(2.0, 300.0, n)
    delay_us = _CODEC_US + conditions.network_us + np.minimum(queue_us, 800_000.0) + rng.gamma(4.0, 2500.0, n)
    dark = shown == 0
    return {
        "camera": texts([camera] * n),
        "interval_s": np.full(n, interval_s),
        "width_px": np.full(n, WIDTH_PX),
        "height_px": np.full(n, HEIGHT_PX),
        "fps": (shown / interval_s).round(2),
        "target_bps": target_bps.round(),
        "rate_bps": (received * 8.0 * PACKET_BYTES / interval_s).round(),
        "delay_us": integers_or_null(delay_us, null=dark),
        "frames_received": frames,
        "frames_dropped": dropped,
        "freezes": frozen.astype(np.int64),
        "freeze_s": freeze_s.round(3),
        "packets_received": received,
        "packets_lost": packets_lost,
        "jitter_us": integers_or_null(jitter_us, null=dark),
    }
