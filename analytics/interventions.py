"""Interventions and minimal risk manoeuvres one by one, each with its cause, from states, counter and events. Pure.

The counter and the states of the stream `vehicle` say how often; rows of the stream `event` say why: `detail.cause` of
those whose name ends in "intervention" or "mrm" (`vehicle.intervention`). A rise of the counter without an event within
two seconds has the cause 不明; an event without a rise counts as well, for it happened. What happened in time that is
left out does not count: the counter is not differenced over a cut, and a manoeuvre that began in one is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np

from analytics.series import Series
from analytics.spans import Span, crosses

UNKNOWN = "不明"
"""The cause where nobody named one."""

MATCH_US = 2_000_000
"""Counter, state and event are written by different programs: within two seconds they mean the same."""

EVENT_NAMES: dict[str, tuple[str, ...]] = {
    "intervention": ("intervention", "takeover", "override", "介入", "手動介入"),
    "mrm": ("mrm", "minimal_risk_manoeuvre"),
}
"""Last part of the dotted name of an event, by what it tells of."""

_STATES = ("NORMAL", "MRM_OPERATING", "MRM_SUCCEEDED", "MRM_FAILED")
_OUTCOME: dict[str, Outcome] = {"MRM_SUCCEEDED": "succeeded", "MRM_FAILED": "failed"}

Kind = Literal["intervention", "mrm"]
Outcome = Literal["succeeded", "failed", ""]


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """What happened `times` times at `t_us` (Unix microseconds); `outcome` of a manoeuvre, "" where none was seen.

    `is_told_only`: an event says so, and neither counter nor state.
    """

    t_us: int
    kind: Kind
    cause: str
    outcome: Outcome = ""
    times: int = 1
    is_told_only: bool = False


@dataclass(slots=True)
class _Told:
    t_us: int
    cause: str
    is_used: bool = False


def interventions_of(vehicle: Series | None, events: Series | None, cuts: Sequence[Span] = ()) -> list[Happening]:
    """Return the interventions in order of time."""
    told = _told(events, "intervention")
    found = []
    if vehicle is not None:
        counter = vehicle.number("intervention")
        known = np.isfinite(counter)
        t_us, counted = vehicle.t_us[known], counter[known]
        rises = np.where(crosses(t_us, cuts), 0.0, np.maximum(np.diff(counted), 0.0))
        for place in np.flatnonzero(rises).tolist():
            left = int(rises[place])
            mine = _take(told, int(t_us[place]), int(t_us[place + 1]), left)
            found += [Happening(t_us=one.t_us, kind="intervention", cause=one.cause) for one in mine]
            if left > len(mine):
                found.append(
                    Happening(t_us=int(t_us[place + 1]), kind="intervention", cause=UNKNOWN, times=left - len(mine))
                )
    return _with_told(found, told, "intervention")


def mrms_of(vehicle: Series | None, events: Series | None, cuts: Sequence[Span] = ()) -> list[Happening]:
    """Return the minimal risk manoeuvres in order of time.

    One goes from the first state that is not NORMAL to the next NORMAL, MRM_OPERATING after an outcome, or other
    outcome; an outcome that is seen without MRM_OPERATING is one as well.
    """
    told = _told(events, "mrm")
    found = []
    for start_us, end_us, outcome, is_counted in [] if vehicle is None else _manoeuvres(vehicle, cuts):
        mine = _take(told, start_us, end_us, 1)
        if is_counted:
            cause = mine[0].cause if mine else UNKNOWN
            found.append(Happening(t_us=start_us, kind="mrm", cause=cause, outcome=outcome))
    return _with_told(found, told, "mrm")


def _manoeuvres(vehicle: Series, cuts: Sequence[Span]) -> list[tuple[int, int, Outcome, bool]]:
    states = vehicle.text("mrm_state")
    known = np.array([state in _STATES for state in states.tolist()], bool)
    t_us, states = vehicle.t_us[known], states[known]
    if not t_us.size:
        return []
    is_cut = np.concatenate([[False], crosses(t_us, cuts)])
    changes = np.concatenate([[True], np.asarray(states[1:] != states[:-1], bool)])
    found: list[tuple[int, int, Outcome, bool]] = []
    before = "NORMAL"
    places = np.flatnonzero(changes)
    ends_us = t_us[np.append(places[1:], t_us.size) - 1]
    for place, end_us in zip(places.tolist(), ends_us.tolist(), strict=True):
        state = str(states[place])
        if state != "NORMAL":
            outcome = _OUTCOME.get(state, "")
            if before == "MRM_OPERATING":
                found[-1] = (found[-1][0], end_us, outcome, found[-1][3])
            else:
                found.append((int(t_us[place]), end_us, outcome, not is_cut[place]))
        before = state
    return found


def _told(events: Series | None, kind: str) -> list[_Told]:
    if events is None:
        return []
    names, details = events.text("name").tolist(), events.text("detail").tolist()
    return [
        _Told(int(at_us), _cause(detail))
        for at_us, name, detail in zip(events.t_us.tolist(), names, details, strict=True)
        if name is not None and str(name).strip().casefold().rsplit(".", 1)[-1] in EVENT_NAMES[kind]
    ]


def _cause(detail: Any) -> str:
    try:
        cause = msgspec.json.decode(detail)["cause"]
    except (msgspec.DecodeError, KeyError, TypeError, IndexError):
        return UNKNOWN
    # Parts of a filter are set apart by "; ".
    return str(cause).replace(";", ",").strip() or UNKNOWN if isinstance(cause, str | int) else UNKNOWN


def _take(told: list[_Told], start_us: int, end_us: int, most: int) -> list[_Told]:
    """Take the earliest events that belong to some time and to nothing else yet."""
    mine = [
        one for one in told if not one.is_used and start_us - MATCH_US <= one.t_us <= end_us + MATCH_US
    ][:most]  # fmt: skip
    for one in mine:
        one.is_used = True
    return mine


def _with_told(found: list[Happening], told: list[_Told], kind: Kind) -> list[Happening]:
    found += [
        Happening(t_us=one.t_us, kind=kind, cause=one.cause, is_told_only=True) for one in told if not one.is_used
    ]
    return sorted(found, key=lambda one: one.t_us)
