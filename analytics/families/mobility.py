"""Handovers of one link by radio access technology: how many, how long a cell serves, what they cost. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from analytics.figures import Figures
from analytics.packet_watch import ArrivalGaps
from analytics.results import KpiResult
from analytics.series import Bools, Series, durations_s
from analytics.serving import LONGEST_STEP_US, ServingCells, serving_cells

NO_NEIGHBOURS = "10秒以内に続く標本なし / no two samples within 10 s could show a change"


def mobility(radio: Series, gaps: ArrivalGaps | None, figures: Figures) -> Iterator[KpiResult]:
    """Yield the mobility KPIs; where the samples name several technologies, those of each, told apart by its name.

    A change of the technology itself is no change of cell in any of them, and is not counted.
    """
    found = serving_cells(radio)
    for serving in found:
        label = serving.rat if len(found) > 1 else ""
        for result in _of_one(serving, label, gaps, figures):
            yield msgspec.structs.replace(result, variant=label)


def _of_one(serving: ServingCells, label: str, gaps: ArrivalGaps | None, figures: Figures) -> Iterator[KpiResult]:
    t_us, changes = serving.t_us, serving.changes

    def said(what: str) -> str:
        return "; ".join(filter(None, [label, what]))

    if not (np.diff(t_us) <= LONGEST_STEP_US).any():
        yield figures.make("handover", "count", None, n=0, reason=NO_NEIGHBOURS, filters=label)
        return
    hours = float(durations_s(t_us).sum()) / 3600
    rate = f"{changes.size / hours:.3g} 回/h / {changes.size / hours:.3g} an hour" if hours else ""
    yield figures.events("handover", int(changes.size), n=t_us.size, filters=said(rate))
    dwell_s = np.diff(t_us[changes]) / 1e6
    if dwell_s.size:
        yield from figures.spread("cell_dwell", dwell_s, at_least=0.0, filters=label)
    if changes.size:
        limit_s = figures.subject.profile.parameters.ping_pong_s
        yield figures.share(
            "ping_pong", ping_pongs(serving, limit_s), filters=said(f"{limit_s:g} s 以内 / within {limit_s:g} s")
        )
    if changes.size and gaps is not None:
        gaps_ms = gaps.longest_us(t_us[changes - 1], t_us[changes]) / 1000
        yield from figures.spread("handover_interruption", gaps_ms, filters=said("上限値 / upper bounds"))


def ping_pongs(serving: ServingCells, within_s: float) -> Bools:
    """Return for each change of cell whether the vehicle was back in the cell before within `within_s`."""
    t_us, cells, changes = serving.t_us, serving.cells, serving.changes
    if not changes.size:
        return np.zeros(0, bool)
    is_back = np.zeros(changes.size, bool)
    is_back[:-1] = cells[changes[:-1] - 1] == cells[changes[1:]]
    stayed_s = np.append(np.diff(t_us[changes]) / 1e6, np.inf)
    return np.asarray(is_back & (stayed_s <= within_s))


def gaps_asked(radio: Series) -> ArrivalGaps | None:
    """Return what must be known of the packets for the interruptions: gaps where the cell changed; None: it did not."""
    found = [(each.t_us[each.changes - 1], each.t_us[each.changes]) for each in serving_cells(radio)]
    nothing = np.empty(0, np.int64)
    start_us, end_us = (np.concatenate([nothing, *(each[end] for each in found)]) for end in (0, 1))
    return ArrivalGaps(start_us, end_us) if start_us.size else None
