"""Radio quality, coverage and mobility of one link. Pure.

Coverage is never a share of samples: a parked car would flood it (samples by time, distance or mesh instead).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from analytics.figures import Figures
from analytics.probes import ProbeArrays
from analytics.results import KpiResult
from analytics.series import Bools, Floats, Series, Times, durations_s
from analytics.track import Track, mesh_codes, places, sections

_LEVELS = {"rsrp": "rsrp_dbm", "rsrq": "rsrq_db", "sinr": "sinr_db", "rx_power": "rx_power_dbm"}
_LONGEST_STEP_S = 10.0
"""Two samples further apart than this do not show a change of cell: what happened between them is not known."""
MESH_M = 125
NO_NEIGHBOURS = "10秒以内に続く標本なし / no two samples within 10 s could show a change"


def evaluate_radio(radio: Series, path: Track | None, probes: ProbeArrays | None, figures: Figures) -> list[KpiResult]:
    """Return the radio KPIs of a link; `path` and `probes` add what needs a place or packets."""
    results: list[KpiResult] = []
    for kpi, column in _LEVELS.items():
        values = radio.number(column)
        if np.isfinite(values).any():
            results += figures.spread(kpi, values)
    results += _coverage(radio, path, figures)
    if path is not None and path.length_m:
        results += _section_medians(radio, path, figures)
    results += _mobility(radio, probes, figures)
    return results


def _coverage(radio: Series, path: Track | None, figures: Figures) -> Iterator[KpiResult]:
    parameters = figures.subject.profile.parameters
    thresholds = (("rsrp_dbm", "RSRP", parameters.coverage_rsrp_dbm),
                  ("rx_power_dbm", "受信電力 received power", parameters.coverage_power_dbm))  # fmt: skip
    for column, label, threshold in thresholds:
        level = radio.number(column)
        if threshold is None or not np.isfinite(level).any():
            continue
        known = radio.where(np.isfinite(level))
        level, filters = known.number(column), f"{label} ≧ {threshold:g} dBm"
        covered = level >= threshold
        yield figures.share("coverage_time", covered, weights=durations_s(known.t_us), level=level, filters=filters)
        if path is None or not path.t_us.size:
            continue
        lat, lon, distance, _ = places(path, known.t_us)
        metres = stretches_m(distance)
        driven = metres > 0
        yield figures.share(
            "coverage_distance", covered[driven], weights=metres[driven], level=level[driven], filters=filters
        )
        cells = mesh_codes(lat, lon, MESH_M)
        medians = medians_by(cells, level)
        yield figures.share(
            "coverage_mesh", medians >= threshold, level=medians,
            filters=f"{filters}, 1/8地域メッシュ 125 m mesh, 中央値 median",
        )  # fmt: skip


def stretches_m(distance_m: Floats) -> Floats:
    """Return the length of route that each sample stands for: half way to its neighbours, 0 without a place."""
    known = np.flatnonzero(np.isfinite(distance_m))
    lengths = np.zeros(distance_m.size)
    if known.size > 1:
        steps = np.diff(distance_m[known])
        # Between two fixes with unknown ones between them nobody measured.
        steps[np.diff(known) > 1] = 0.0
        lengths[known[:-1]] += steps / 2
        lengths[known[1:]] += steps / 2
    return lengths


def medians_by(groups: npt.NDArray[np.int64], values: Floats) -> Floats:
    """Return the median (lower, an order statistic) of the values of each group >= 0, in order of first visit."""
    known = (groups >= 0) & np.isfinite(values)
    keys, first, where = np.unique(groups[known], return_index=True, return_inverse=True)
    if not keys.size:
        return np.empty(0)
    order = np.lexsort((values[known], where))
    counts = np.bincount(where)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    medians = values[known][order][starts + (counts - 1) // 2]
    return np.asarray(medians[np.argsort(first, kind="stable")])


def _section_medians(radio: Series, path: Track, figures: Figures) -> Iterator[KpiResult]:
    level = radio.number("rsrp_dbm")
    section_m = figures.subject.profile.parameters.section_m
    _, _, distance, _ = places(path, radio.t_us)
    medians = medians_by(sections(distance, section_m), level)
    if medians.size:
        yield from figures.spread("rsrp_section", medians, filters=f"短区間 {section_m:g} m sections")


def serving_cells(radio: Series) -> tuple[Times, npt.NDArray[np.int64]]:
    """Return time and identity of the serving cell where it is known: cell id, else PCI with its channel."""
    cell, pci, arfcn = radio.number("cell_id"), radio.number("pci"), radio.number("arfcn")
    identity = np.where(np.isfinite(cell), cell, -1.0 - pci - 1024.0 * np.where(np.isfinite(arfcn), arfcn, 0.0))
    known = np.isfinite(identity)
    return radio.t_us[known], identity[known].astype(np.int64)


def cell_changes(t_us: Times, cells: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    """Return the places of the samples before which the cell changed, between neighbouring samples."""
    steps = np.diff(t_us)
    return np.flatnonzero((np.diff(cells) != 0) & (steps <= _LONGEST_STEP_S * 1e6)) + 1


def _mobility(radio: Series, probes: ProbeArrays | None, figures: Figures) -> Iterator[KpiResult]:
    t_us, cells = serving_cells(radio)
    if not t_us.size:
        return
    changes = cell_changes(t_us, cells)
    hours = float(durations_s(t_us).sum()) / 3600
    rate = f"{changes.size / hours:.3g} 回/h" if hours else ""
    if not (np.diff(t_us) <= _LONGEST_STEP_S * 1e6).any():
        yield figures.make("handover", "count", None, n=0, reason=NO_NEIGHBOURS)
        return
    yield figures.make("handover", "count", float(changes.size), n=t_us.size, filters=rate)
    dwell_s = np.diff(t_us[changes]) / 1e6
    if dwell_s.size:
        yield from figures.spread("cell_dwell", dwell_s, at_least=0.0)
    if changes.size:
        limit_s = figures.subject.profile.parameters.ping_pong_s
        yield figures.share(
            "ping_pong", ping_pongs(t_us, cells, changes, limit_s), filters=f"{limit_s:g} s 以内 within"
        )
    if changes.size and probes is not None and probes.n:
        gaps_ms = interruptions_us(probes, t_us[changes - 1], t_us[changes]) / 1000
        yield from figures.spread("handover_interruption", gaps_ms, filters="上限値 upper bounds")


def ping_pongs(t_us: Times, cells: npt.NDArray[np.int64], changes: npt.NDArray[np.intp], within_s: float) -> Bools:
    """Return for each change of cell whether the vehicle was back in the cell before within `within_s`."""
    before, after_next = cells[changes - 1], np.append(cells[changes[1:]], -1) if changes.size else cells[:0]
    stayed_s = np.append(np.diff(t_us[changes]) / 1e6, np.inf)
    return np.asarray((before == after_next) & (stayed_s <= within_s))


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
