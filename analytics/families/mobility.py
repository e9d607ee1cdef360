"""Handovers of one link by radio access technology: how many, how long a cell serves, what they cost. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from analytics.figures import Figures
from analytics.probes import ProbeArrays
from analytics.results import KpiResult
from analytics.series import Bools, Floats, Series, Times, durations_s
from analytics.serving import LONGEST_STEP_US, ServingCells, serving_cells

NO_NEIGHBOURS = "10秒以内に続く標本なし / no two samples within 10 s could show a change"


def mobility(radio: Series, probes: ProbeArrays | None, figures: Figures) -> Iterator[KpiResult]:
    """Yield the mobility KPIs; where the samples name several technologies, those of each, told apart by its name.

    A change of the technology itself is no change of cell in any of them, and is not counted.
    """
    found = serving_cells(radio)
    for serving in found:
        label = serving.rat if len(found) > 1 else ""
        for result in _of_one(serving, label, probes, figures):
            yield msgspec.structs.replace(result, variant=label)


def _of_one(serving: ServingCells, label: str, probes: ProbeArrays | None, figures: Figures) -> Iterator[KpiResult]:
    t_us, changes = serving.t_us, serving.changes

    def said(what: str) -> str:
        return ", ".join(filter(None, [label, what]))

    if not (np.diff(t_us) <= LONGEST_STEP_US).any():
        yield figures.make("handover", "count", None, n=0, reason=NO_NEIGHBOURS, filters=label)
        return
    hours = float(durations_s(t_us).sum()) / 3600
    rate = f"{changes.size / hours:.3g} 回/h" if hours else ""
    yield figures.make("handover", "count", float(changes.size), n=t_us.size, filters=said(rate))
    dwell_s = np.diff(t_us[changes]) / 1e6
    if dwell_s.size:
        yield from figures.spread("cell_dwell", dwell_s, at_least=0.0, filters=label)
    if changes.size:
        limit_s = figures.subject.profile.parameters.ping_pong_s
        yield figures.share("ping_pong", ping_pongs(serving, limit_s), filters=said(f"{limit_s:g} s 以内 within"))
    if changes.size and probes is not None and probes.n:
        gaps_ms = interruptions_us(probes, t_us[changes - 1], t_us[changes]) / 1000
        yield from figures.spread("handover_interruption", gaps_ms, filters=said("上限値 upper bounds"))


def ping_pongs(serving: ServingCells, within_s: float) -> Bools:
    """Return for each change of cell whether the vehicle was back in the cell before within `within_s`."""
    t_us, cells, changes = serving.t_us, serving.cells, serving.changes
    if not changes.size:
        return np.zeros(0, bool)
    is_back = np.zeros(changes.size, bool)
    is_back[:-1] = cells[changes[:-1] - 1] == cells[changes[1:]]
    stayed_s = np.append(np.diff(t_us[changes]) / 1e6, np.inf)
    return np.asarray(is_back & (stayed_s <= within_s))


def interruptions_us(probes: ProbeArrays, start_us: Times, end_us: Times) -> Floats:
    """Return for each interval the longest gap between arrivals that overlaps it, NaN where no packets surround it.

    The change of cell is known only to the interval of the radio samples, so this bounds the interruption from above.
    """
    delay = next((probes.delays[way] for way in ("round_trip", "up", "down") if probes.has(way)), None)
    arrived = probes.delivered if delay is None else probes.delivered & delay.valid
    times = np.sort(probes.t_us[arrived] + (0 if delay is None else delay.us[arrived]))
    gaps = np.full(start_us.size, np.nan)
    for number, (start, end) in enumerate(zip(start_us.tolist(), end_us.tolist(), strict=True)):
        low, high = np.searchsorted(times, start, "right") - 1, np.searchsorted(times, end, "left")
        if low >= 0 and high < times.size and high > low:
            gaps[number] = np.diff(times[low : high + 1]).max()
    return gaps
