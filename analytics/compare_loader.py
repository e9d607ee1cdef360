"""Comparison of runs and burstiness of a run, from the database; excluded intervals are left out, and that is said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec
import numpy as np
import psycopg

from analytics.burstiness import WorthScan
from analytics.clock import worst_clock
from analytics.comparison.alignment import Alignment, Elapsed, whole_sections
from analytics.comparison.effects import Comparison, Effect
from analytics.comparison.packets import compare_packets
from analytics.comparison.streams import compare_streams
from analytics.comparison.units import Drawn, usual_length_s
from analytics.exclusions import stated, total_s
from analytics.legs import Key, Leg, read_leg, read_packets_of, streams_of, waited_words
from analytics.loader import load_exclusions, run_window_us
from analytics.packet_loader import walked
from analytics.requirements import Profile, load_requirements
from analytics.road import road_of
from analytics.waiting_time import waiting_words
from storage.errors import NoDataError
from storage.pairs import get_pair
from storage.reader import link_ids
from storage.runs import RunRecord, get_run

_Ids = Mapping[tuple[str, str], int]
_Pair = tuple[Leg, Leg]


def compare_runs(
    connection: psycopg.Connection, a: RunRecord, b: RunRecord, *, link: str = "", other_link: str = "",
    align: str = "elapsed", profile: str | None = None,
) -> list[Comparison]:  # fmt: skip
    """Compare two runs link by link (or two links, also of one run): b against a, each effect with its interval.

    `align`: "elapsed" pairs the same time since the start (the same instant where both are one run), "distance" the
    same section of the road that `a` drove, all passes of it pooled, "none" draws both sides on their own. Excluded
    intervals are left out of both sides, and packets later than the profile's `lost_after_ms` are lost. Raises
    RequirementError for the profile, NoDataError where a link or a position is missing, or where the two runs have no
    road in common.
    """
    return compare_repetitions(
        connection, [(a, b)], link=link, other_link=other_link, align=align, profile=profile
    )  # fmt: skip


def compare_pair(
    connection: psycopg.Connection, name: str, *, link: str = "", align: str = "elapsed", profile: str | None = None
) -> list[Comparison]:
    """Compare the runs of a pair of the register, all its repetitions together (`compare_repetitions`).

    `link` narrows a pair that is of all links. Raises UnknownPairError for the name, and what `compare_runs` does.
    """
    held = get_pair(connection, name)
    runs = [(get_run(connection, pair.baseline), get_run(connection, pair.changed)) for pair in held]
    found = compare_repetitions(
        connection, runs, link=held[0].link or link, other_link=held[0].other_link, align=align, profile=profile
    )
    return [msgspec.structs.replace(each, pair=name, condition=held[0].condition) for each in found]


def compare_repetitions(
    connection: psycopg.Connection, runs: Sequence[tuple[RunRecord, RunRecord]], *, link: str = "",
    other_link: str = "", align: str = "elapsed", profile: str | None = None,
) -> list[Comparison]:  # fmt: skip
    """Compare the same change measured several times: each repetition's own blocks are paired, and all are drawn from.

    As `compare_runs`; sections are those of the road that the first run drove. A link that a repetition does not have
    on both sides is compared without it, and the note says so.
    """
    requirements = load_requirements(profile)
    ids = {run.run_id: link_ids(connection, run.site, run.devices, run.links) for pair in runs for run in pair}
    found = []
    for key in [key for key in ids[runs[0][0].run_id] if key[1] and link in ("", key[1])]:
        legs, names, missing = [], [], []
        for a, b in runs:
            near, far = _same(ids[a.run_id], key, key[1]), _same(ids[b.run_id], key, other_link or key[1])
            pair = None
            if near is not None and far is not None:
                pair = _read_both(connection, [(a, ids[a.run_id], near), (b, ids[b.run_id], far)], align, requirements)
            if pair is not None and all(leg.has_any for leg in pair):
                legs.append(pair)
                names.append((a.name, b.name))
            else:
                missing.append(f"{a.name} → {b.name}: 測定なし / not measured")
        if not legs:
            continue
        made = _compare(connection, legs, [a for a, _ in names], align, requirements)
        if made is None:
            continue
        effects, note = made
        found.append(Comparison(
            a=_together(a for a, _ in names), b=_together(b for _, b in names), link_a=key[1], link_b=legs[0][1].key[1],
            align=align, effects=effects, note="; ".join([*missing, *note]),
        ))  # fmt: skip
    if not found:
        before, after = _together(a.name for a, _ in runs), _together(b.name for _, b in runs)
        raise NoDataError(
            f"nothing to compare: {before} and {after} have no link with measurements in common; name two links with"
            " --link and --other-link"
        )
    return found


def _read_both(
    connection: psycopg.Connection, sides: Sequence[tuple[RunRecord, _Ids, Key]], align: str, profile: Profile
) -> _Pair:
    a, b = (
        read_leg(
            connection, run.run_id, ids, key, window=run_window_us(run),
            excluded=load_exclusions(connection, run).of(key[1]), clock_limit_us=profile.parameters.clock_limit_us,
            is_placed=align == "distance",
        )
        for run, ids, key in sides
    )  # fmt: skip
    return a, b


def _together(names: Iterable[str]) -> str:
    return " + ".join(dict.fromkeys(names))


def _same(ids: _Ids, key: Key, link: str) -> Key | None:
    """Return the link of this name, that of the same device first."""
    return (key[0], link) if (key[0], link) in ids else next((each for each in ids if each[1] == link), None)


def _compare(
    connection: psycopg.Connection, legs: Sequence[_Pair], names: Sequence[str], align: str, profile: Profile
) -> tuple[list[Effect], list[str]] | None:
    """Return the effects and what must be said of them; None where both sides have nothing in common to compare."""
    if align == "distance":
        section_m = profile.parameters.section_m
        unit_name = f"sections of {section_m:g} m of the road of {names[0]}"
        aligned = _by_place(legs, section_m)
    else:
        sides_s = [sum((leg.extent_us[1] - leg.extent_us[0]) / 1e6 for leg in side) for side in zip(*legs, strict=True)]
        block_s = usual_length_s(*sides_s)
        unit_name = f"blocks of {block_s:g} s"
        aligned = _by_time(legs, block_s)
    is_paired = align != "none"
    effects: list[Effect] = []
    notes = [
        f"{word}: {note}"
        for word, side in zip("AB", zip(*legs, strict=True), strict=True)
        for note in dict.fromkeys(stated(leg.excluded, leg.window) for leg in side)
        if note
    ]
    sides = [[(pair[number], place[number]) for pair, place in zip(legs, aligned, strict=True)] for number in (0, 1)]
    if all(any(leg.sent_us.size for leg, _ in side) for side in sides):
        units = [np.unique(np.concatenate([align_(leg.sent_us) for leg, align_ in side])) for side in sides]
        drawn = Drawn(*(each[each >= 0] for each in units), is_paired=is_paired, unit_name=unit_name)
        kept = []
        for word, side, mine in zip("AB", sides, drawn.units, strict=True):
            packets, waited = read_packets_of(connection, side, mine, profile)
            kept.append(packets)
            notes += waited_words(word, side, waited, profile)
        clocks = [worst_clock([leg.clock for leg, _ in side]) for side in sides]
        effects += compare_packets(
            kept[0], kept[1], drawn, clocks=clocks, clock_limit_us=profile.parameters.clock_limit_us
        )
    streams = [streams_of(side) for side in sides]
    effects += compare_streams(streams[0], streams[1], is_paired=is_paired, unit_name=unit_name)
    return (effects, notes) if effects else None


def _by_time(legs: Sequence[_Pair], block_s: float) -> list[tuple[Alignment, Alignment]]:
    found: list[tuple[Alignment, Alignment]] = []
    for number, (a, b) in enumerate(legs):
        # Two links of one run are at the same instant, not at the same time since each one's own first packet.
        is_one_run = a.run_id == b.run_id
        starts = [min(a.start_us, b.start_us)] * 2 if is_one_run else [a.start_us, b.start_us]
        found.append((Elapsed(starts[0], block_s, number), Elapsed(starts[1], block_s, number)))
    return found


def _by_place(legs: Sequence[_Pair], section_m: float) -> list[tuple[Alignment, Alignment]]:
    first = legs[0][0].path
    if first is None or any(leg.path is None for pair in legs for leg in pair):
        raise NoDataError("no positions to align by distance: use --align elapsed, or collect the gpsd source")
    road = road_of(first)
    aligned = []
    for pair in legs:
        a, b = (
            whole_sections(road, leg.path, leg.sent_us if leg.sent_us.size else leg.path.t_us, section_m)
            for leg in pair
            if leg.path is not None
        )
        aligned.append((a, b))
    a_drove, b_drove = (np.concatenate([each.whole for each in side]) for side in zip(*aligned, strict=True))
    if not np.intersect1d(a_drove, b_drove).size:
        raise NoDataError("the two have no road in common (places within 20 m): use --align elapsed or none")
    return [*aligned]


@dataclass(frozen=True, slots=True)
class Burstiness:
    """Link, worth of a packet (n_eff / n), packets a second, and what was left out."""

    link: str
    worth: float
    rate_per_s: float
    note: str = ""


def burstiness(
    connection: psycopg.Connection, run: RunRecord, link: str = "", profile: str | None = None
) -> Burstiness:  # fmt: skip
    """Return what packets of a run's link are worth: the first link, or the one named; excluded intervals left out.

    By the `lost_after_ms` of the profile packets that came later are lost. Raises NoDataError and RequirementError.
    """
    limit_ms = load_requirements(profile).parameters.lost_after_ms if profile else None
    window, exclusions = run_window_us(run), load_exclusions(connection, run)
    for (_, name), link_id in link_ids(connection, run.site, run.devices, run.links).items():
        if not name or link not in ("", name):
            continue
        excluded = exclusions.of(name)
        scan = walked(connection, link_id, window, excluded, partial(WorthScan, limit_ms))
        if not scan.n:
            continue
        ends = (scan.first_us, scan.last_us)
        span_s = (ends[1] - ends[0]) / 1e6 - total_s(excluded, ends)
        if span_s > 0:
            note = "; ".join(filter(None, [stated(excluded, window), waiting_words(limit_ms, scan.waited)]))
            return Burstiness(name, min(scan.n_eff() / scan.n, 1.0), scan.n / span_s, note)
    raise NoDataError(f"run {run.name} has no probes{f' on link {link}' if link else ''} to take the burstiness from")
