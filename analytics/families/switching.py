"""Which link of a device carries the monitoring video, when that changes, and what a change costs. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np

from analytics.figures import Figures
from analytics.results import KpiResult
from analytics.series import Series

_EVENTS = ("video.switch", "link.switch")
_NEAR_US = 10_000_000
"""The first picture on the new link, or the next row of video, comes within ten seconds, or says nothing of it."""
_LONGEST_MS = 86_400_000
"""A day: what is longer is no interruption by a switch."""
NO_NEIGHBOURS = "10秒以内に続く映像区間なし / no two video intervals of one link within 10 s could show a change"
BY_EVENTS, BY_VIDEO = "事象による / by events", "映像の行による / by the rows of the video"

_Switches = list[tuple[int, str, float]]
"""When (Unix microseconds), to which link ("": not said), and how long it took in seconds (NaN: not known)."""


def link_switches(events: Series | None, video: Mapping[str, Series], figures: Figures) -> list[KpiResult]:
    """Return the switches of one device; nothing where neither events nor video say which link was in use.

    `events` are those of the device itself and of its links, `video` the rows of each link.
    """
    told = _by_events(events)
    if not told and not any(rows.n for rows in video.values()):
        return []
    switches, basis = (told, BY_EVENTS) if told else (_by_video(video), BY_VIDEO)
    if switches is None:
        return [figures.make("link_switch", "count", None, n=0, filters=basis, reason=NO_NEIGHBOURS)]
    taken_s = np.array([
        length_s if np.isfinite(length_s) else _freeze_s(video, link, at_us) for at_us, link, length_s in switches
    ])  # fmt: skip
    results = [figures.events("link_switch", len(switches), filters=basis)]
    if np.isfinite(taken_s).any():
        unknown = int(np.isnan(taken_s).sum())
        reason = f"時間が不明な切替 {unknown} / {unknown} switches of unknown length" if unknown else ""
        results += figures.spread("link_switch_time", taken_s, at_least=0.0, filters=basis, reason=reason)
    return results


def _by_events(events: Series | None) -> _Switches:
    found: _Switches = []
    if events is None:
        return found
    details = events.text("detail")
    for place in np.flatnonzero(np.isin(events.text("name").astype(str), _EVENTS)).tolist():
        detail = _object(details[place])
        length_ms = detail.get("interruption_ms")
        is_length = (
            isinstance(length_ms, int | float) and not isinstance(length_ms, bool) and 0 <= length_ms < _LONGEST_MS
        )
        link = detail.get("link")
        found.append((
            int(events.t_us[place]), link if isinstance(link, str) else "",
            float(length_ms) / 1000 if is_length and isinstance(length_ms, int | float) else np.nan,
        ))  # fmt: skip
    return found


def _object(text: object) -> dict[str, object]:
    """Return the detail of an event as an object; what is none says nothing."""
    if isinstance(text, dict):
        return text
    try:
        made = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return {}
    return made if isinstance(made, dict) else {}


def _by_video(video: Mapping[str, Series]) -> _Switches | None:
    """Return the instants before which another link carried the video; None where no two rows could show a change.

    Where two links carried it at once, none took over.
    """
    links = sorted(link for link, rows in video.items() if rows.n)
    t_us = np.concatenate([video[link].t_us for link in links])
    numbers = np.repeat(np.arange(len(links)), [video[link].n for link in links])
    times, where = np.unique(t_us, return_inverse=True)
    low, high = np.full(times.size, len(links)), np.full(times.size, -1)
    np.minimum.at(low, where, numbers)
    np.maximum.at(high, where, numbers)
    alone = low == high
    changed = np.diff(low) != 0
    is_near = alone[1:] & alone[:-1] & (np.diff(times) <= _NEAR_US)
    if not is_near.any():
        return None
    seen = is_near & changed
    return [(int(times[place]), links[low[place + 1]], np.nan) for place in np.flatnonzero(seen).tolist()]


def _freeze_s(video: Mapping[str, Series], link: str, at_us: int) -> float:
    """Return how long the picture stood in the first video interval on a link that ends after an instant."""
    rows = video.get(link)
    if rows is None:
        return np.nan
    first = int(np.searchsorted(rows.t_us, at_us, "right"))
    if first >= rows.n or rows.t_us[first] - at_us > _NEAR_US:
        return np.nan
    frozen_s = rows.number("freeze_s")[rows.t_us == rows.t_us[first]]
    known = frozen_s[np.isfinite(frozen_s)]
    return float(known.max()) if known.size else np.nan
