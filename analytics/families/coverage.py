"""Coverage of one link by time, by distance and by mesh. Pure.

Coverage is never a share of samples: a parked car would flood it. Three states are told apart. A sample with a level is
covered or not by the threshold. A sample in which the modem names neither a level nor a cell says that it is out of
service (圏外), which is not covered (`contract.streams`, radio). Where no sample stands, or only one with other
columns, nothing was measured: that is in neither part of the ratio, and how much it was is stated beside it.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from analytics.families.levels import medians_by
from analytics.figures import Figures
from analytics.results import KpiResult
from analytics.series import LONGEST_INTERVALS, Bools, Floats, Series, Times, durations_s
from analytics.track import Track, mesh_codes, places
from contract.streams import SERVED_BY

MESH_M = 125
_QUANTITIES = (("rsrp_dbm", "rsrp", "RSRP"), ("rx_power_dbm", "rx_power", "受信電力"))


def out_of_service(radio: Series) -> Bools:
    """Return the samples that name neither a level nor a cell: the modem answered, and there was no service (圏外)."""
    return np.asarray(~np.logical_or.reduce([np.isfinite(radio.number(name)) for name in SERVED_BY]))


def coverage(radio: Series, path: Track | None, figures: Figures) -> Iterator[KpiResult]:
    """Yield the coverage of each quantity that has a threshold and was measured; out of service throughout is none."""
    parameters = figures.subject.profile.parameters
    thresholds = {"rsrp": parameters.coverage_rsrp_dbm, "rx_power": parameters.coverage_power_dbm}
    if not radio.n:
        return
    unserved = out_of_service(radio)
    for column, quantity, label in _QUANTITIES:
        threshold, level = thresholds[quantity], radio.number(column)
        if threshold is None or not (np.isfinite(level).any() or unserved.all()):
            continue
        known = np.isfinite(level) | unserved
        filters = f"{label} ≧ {threshold:g} dBm" + (
            f" / received power ≧ {threshold:g} dBm" if quantity == "rx_power" else ""
        )
        found = _of_one(radio.t_us[known], np.where(unserved, -np.inf, level)[known], path, figures, threshold, filters)
        for result in found:
            yield msgspec.structs.replace(result, variant=quantity)


def _of_one(  # noqa: PLR0917 - samples, place, and what is asked
    t_us: Times, level: Floats, path: Track | None, figures: Figures, threshold: float, filters: str
) -> Iterator[KpiResult]:
    covered = level >= threshold
    unserved = int(np.isneginf(level).sum())
    service = f"圏外 {unserved} 標本を含む / {unserved} samples out of service" if unserved else ""
    seconds = durations_s(t_us)
    ends = (t_us[[0, -1]], path.t_us[[0, -1]]) if path is not None and path.t_us.size else (t_us[[0, -1]],)
    whole_s = (max(int(each[1]) for each in ends) - min(int(each[0]) for each in ends)) / 1e6
    reason = "; ".join(filter(None, [service, unmeasured(whole_s - float(seconds.sum()), whole_s, "s")]))
    yield figures.share("coverage_time", covered, weights=seconds, level=level, filters=filters, reason=reason)
    if path is None or not path.t_us.size:
        return
    lat, lon, distance, _ = places(path, t_us)
    metres = stretches_m(distance, t_us)
    driven = metres > 0
    missing = unmeasured(path.length_m - float(metres.sum()), path.length_m, "m")
    reason = "; ".join(filter(None, [service, missing]))
    yield figures.share(
        "coverage_distance", covered[driven], weights=metres[driven], level=level[driven], filters=filters,
        reason=reason,
    )  # fmt: skip
    cells = mesh_codes(lat, lon, MESH_M)
    medians = medians_by(cells, level)
    empty = np.setdiff1d(mesh_codes(path.lat_deg, path.lon_deg, MESH_M), np.append(cells, -1)).size
    passed = f"未測定の通過メッシュ {empty} / {empty} meshes passed without a sample" if empty else ""
    yield figures.share(
        "coverage_mesh", medians >= threshold, level=medians,
        filters=f"{filters}; 1/8地域メッシュ(125 m)の中央値 / median of each mesh of 125 m",
        reason="; ".join(filter(None, [service, passed])),
    )  # fmt: skip


def unmeasured(missing: float, whole: float, unit: str) -> str:
    """Say how many seconds or metres of the whole were not measured; nothing where it is less than one."""
    if missing < 1 or whole <= 0:
        return ""
    share = f"{missing:.0f} {unit} ({100 * missing / whole:.3g} %)"
    return f"未測定 {share} / {share} not measured"


def stretches_m(distance_m: Floats, t_us: Times) -> Floats:
    """Return the length of route that each sample stands for: half way to its neighbours, 0 without a place.

    Of a pause in the measurement only the part counts that `durations_s` gives a sample in time, three of the usual
    intervals: through the rest of a dead zone nobody measured.
    """
    lengths = np.zeros(distance_m.size)
    known = np.flatnonzero(np.isfinite(distance_m))
    if known.size < 2:  # noqa: PLR2004 - one place is no way
        return lengths
    steps_m, steps_s = np.diff(distance_m[known]), np.diff(t_us[known]) / 1e6
    longest_s = LONGEST_INTERVALS * float(np.median(np.diff(t_us))) / 1e6
    steps_m *= np.minimum(longest_s / np.maximum(steps_s, 1e-6), 1.0)
    # Between two fixes with unknown ones between them nobody measured.
    steps_m[np.diff(known) > 1] = 0.0
    lengths[known[:-1]] += steps_m / 2
    lengths[known[1:]] += steps_m / 2
    return lengths
