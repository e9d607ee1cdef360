"""Comparison of runs and burstiness of a run, from the database; excluded intervals are left out, and that is said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import psycopg

from analytics.comparison import Comparison, Side, compare, section_blocks, time_blocks, usual_block_s
from analytics.exclusions import stated, total_s, without
from analytics.families.device import track_of
from analytics.loader import about_device, load_exclusions, load_probe_columns, load_probes, run_window_us
from analytics.probes import ProbeArrays, probe_arrays
from analytics.requirements import load_requirements
from analytics.road import road_of
from analytics.statistics import effective_n
from analytics.track import Track
from storage.errors import NoDataError
from storage.reader import link_ids
from storage.runs import RunRecord

_Ids = Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class _Measured:
    """One side of a comparison: its packets, when its first one was sent (excluded ones too), where it drove."""

    probes: ProbeArrays
    start_us: int
    path: Track | None
    note: str


def compare_runs(
    connection: psycopg.Connection, a: RunRecord, b: RunRecord, *, link: str = "", other_link: str = "",
    align: str = "elapsed", profile: str | None = None,
) -> list[Comparison]:  # fmt: skip
    """Compare two runs link by link (or two links, also of one run): b against a, each effect with its interval.

    `align`: "elapsed" pairs the same time since the start (the same instant where both are one run), "distance" the
    same section of the road that `a` drove, all passes of it pooled, "none" draws both sides on their own. Excluded
    intervals are left out of both sides. Raises RequirementError for the profile, NoDataError where a link or a
    position is missing, or where the two runs have no road in common.
    """
    section_m, within_ms = (
        getattr(load_requirements(profile).parameters, name) for name in ("section_m", "rtt_within_ms")
    )
    own, other = (link_ids(connection, run.site, run.devices, run.links) for run in (a, b))
    wanted = [key for key in own if key[1] and link in ("", key[1])]
    found = []
    for device, name in wanted:
        far = next((key for key in other if key == (device, other_link or name)), None)
        far = far or next((key for key in other if key[1] == (other_link or name)), None)
        if far is None:
            continue
        is_placed = align == "distance"
        left = _measured(connection, a, own, (device, name), is_placed=is_placed)
        right = _measured(connection, b, other, far, is_placed=is_placed)
        if not left.probes.n or not right.probes.n:
            continue
        if is_placed:
            blocks = _by_place(left, right, section_m)
            unit_name = f"sections of {section_m:g} m of the road of {a.name}"
        else:
            block_s = usual_block_s(left.probes, right.probes)
            starts = [left.start_us, right.start_us]
            if a.run_id == b.run_id:
                starts = [min(starts)] * 2
            blocks = [
                time_blocks(side.probes, block_s, start) for side, start in zip((left, right), starts, strict=True)
            ]
            unit_name = f"blocks of {block_s:g} s"
        notes = [f"{word}: {side.note}" for word, side in (("A", left), ("B", right)) if side.note]
        found.append(Comparison(
            a=a.name, b=b.name, link_a=name, link_b=far[1], align=align, note="; ".join(notes),
            effects=compare(Side(left.probes, blocks[0]), Side(right.probes, blocks[1]), is_paired=align != "none",
                            unit_name=unit_name, within_ms=within_ms),
        ))  # fmt: skip
    if not found:
        raise NoDataError(
            f"nothing to compare: {a.name} and {b.name} have no link with probes in common; name two links with"
            " --link and --other-link"
        )
    return found


def _measured(
    connection: psycopg.Connection, run: RunRecord, ids: _Ids, key: tuple[str, str], *, is_placed: bool
) -> _Measured:
    window, excluded = run_window_us(run), load_exclusions(connection, run).of(key[1])
    columns = load_probe_columns(connection, ids[key], *window)
    times = columns["t_us"].values
    about = about_device(connection, ids.get((key[0], "")), window) if is_placed else {}
    return _Measured(
        probes=probe_arrays(without(columns, excluded)), start_us=int(times.min()) if times.size else window[0],
        path=track_of(about), note=stated(excluded, window),
    )  # fmt: skip


def _by_place(left: _Measured, right: _Measured, section_m: float) -> list[np.ndarray[tuple[int], np.dtype[np.int64]]]:
    if left.path is None or right.path is None:
        raise NoDataError("no positions to align by distance: use --align elapsed, or collect the gpsd source")
    road = road_of(left.path)
    blocks = [section_blocks(side.probes, road, path, section_m) for side, path in
              ((left, left.path), (right, right.path))]  # fmt: skip
    if not np.intersect1d(blocks[0][blocks[0] >= 0], blocks[1][blocks[1] >= 0]).size:
        raise NoDataError("the two have no road in common (places within 20 m): use --align elapsed or none")
    return blocks


@dataclass(frozen=True, slots=True)
class Burstiness:
    """Link, worth of a packet (n_eff / n), packets a second, and what was left out."""

    link: str
    worth: float
    rate_per_s: float
    note: str = ""


def burstiness(connection: psycopg.Connection, run: RunRecord, link: str = "") -> Burstiness:
    """Return what packets of a run's link are worth: the first link, or the one named; excluded intervals left out.

    Raises NoDataError.
    """
    window, exclusions = run_window_us(run), load_exclusions(connection, run)
    for (_, name), link_id in link_ids(connection, run.site, run.devices, run.links).items():
        if not name or link not in ("", name):
            continue
        excluded = exclusions.of(name)
        probes = load_probes(connection, link_id, *window, excluded)
        if not probes.n:
            continue
        ends = (int(probes.t_us.min()), int(probes.t_us.max()))
        span_s = (ends[1] - ends[0]) / 1e6 - total_s(excluded, ends)
        if span_s > 0:
            order = np.argsort(probes.t_us, kind="stable")
            lost = probes.lost[order] > 0
            delay = probes.delays["round_trip"] if probes.has("round_trip") else probes.delays["up"]
            varies = lost.any() and not lost.all()
            worth = effective_n(lost if varies else delay.us[order][delay.valid[order]]) / probes.n
            return Burstiness(name, min(worth, 1.0), probes.n / span_s, stated(excluded, window))
    raise NoDataError(f"run {run.name} has no probes{f' on link {link}' if link else ''} to take the burstiness from")
