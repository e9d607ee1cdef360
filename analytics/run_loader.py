"""Every KPI of a run, link by link and pair by pair: pieces of work that read for themselves, here or elsewhere."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol

import psycopg

from analytics.drive_loader import DriveWork
from analytics.families.device import track_of
from analytics.link_loader import LinkWork
from analytics.loader import about_device, load_exclusions, run_window_us
from analytics.pair_loader import PairWork
from analytics.requirements import Profile, load_requirements
from analytics.results import KpiResult
from analytics.standstill import Standstill, standstill, while_moving
from analytics.switch_loader import SwitchWork
from analytics.unmeasured import with_unmeasured
from storage.pending import settle_seconds
from storage.reader import link_ids
from storage.runs import RunRecord
from storage.snapshot import connect_to_snapshot, export_snapshot


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Where the pieces of a run are worked on: an executor whose workers reach the database at `database_url`."""

    executor: Executor
    database_url: str


class _Work(Protocol):
    def run(self, connection: psycopg.Connection) -> list[KpiResult]:
        """Read and evaluate."""


def evaluate_run(
    connection: psycopg.Connection, run: RunRecord, profile: str | None, *, is_live: bool | None = None,
    correct_offset: bool = False, moving_only: bool = False, elsewhere: Elsewhere | None = None,
) -> list[KpiResult]:  # fmt: skip
    """Evaluate every link of a run that has probes, against a requirement profile (name, path, or None).

    A live window (by default a run without an end) ends at the newest packet whose fate is settled: those after it are
    neither absent nor all delivered, they are under way. `correct_offset`: one-way figures are corrected afterwards for
    the offset of the clocks, and say so. `moving_only`: what was measured of the links while the vehicle stood is left
    out as excluded intervals are, and the figures say so, each beside its value with it. `elsewhere`: the pieces are
    worked on by its executor, all in the snapshot of this connection, which must be in autocommit mode; the results are
    the same, in the same order. Requirements that no result answers have a row of their own at the end. Raises
    RequirementError for a profile that cannot be used.
    """
    requirements = load_requirements(profile)
    asked = _How(is_live, correct_offset, moving_only)
    if elsewhere is None:
        works = _works(connection, run, requirements, asked)
        results = [result for work in works for result in work.run(connection)]
        return with_unmeasured(results, requirements, run.started_at, run.ended_at)
    with export_snapshot(connection) as snapshot:
        works = _works(connection, run, requirements, asked)
        # The transaction, and with it the snapshot, stays until the last piece is done.
        waiting = [elsewhere.executor.submit(_work, elsewhere.database_url, snapshot, work) for work in works]
        try:
            results = [result for each in waiting for result in each.result()]
            return with_unmeasured(results, requirements, run.started_at, run.ended_at)
        finally:
            for each in waiting:
                each.cancel()


@dataclass(frozen=True, slots=True)
class _How:
    """How a run is evaluated."""

    is_live: bool | None
    correct_offset: bool
    moving_only: bool


@dataclass(frozen=True, slots=True)
class _WhileMoving:
    """A piece of work whose results are of driving only, and say so."""

    work: _Work
    words: str

    def run(self, connection: psycopg.Connection) -> list[KpiResult]:
        """Read and evaluate."""
        return while_moving(self.work.run(connection), self.words)


def _works(connection: psycopg.Connection, run: RunRecord, profile: Profile, how: _How) -> list[_Work]:
    ids = link_ids(connection, run.site, run.devices, run.links)
    window = run_window_us(run)
    is_open = run.ended_at is None if how.is_live is None else how.is_live
    settle_s = settle_seconds(connection, list(ids.values())) if is_open else {}
    ends_us = {link_id: window[1] - round(settle_s.get(link_id, 0) * 1e6) for link_id in ids.values()}
    by_hand = load_exclusions(connection, run)
    found: list[_Work] = []
    for device in sorted({name for name, _ in ids}):
        own_id = ids.get((device, ""))
        mine = [(link, link_id, ends_us[link_id]) for (name, link), link_id in ids.items() if name == device]
        exclusions, stood = by_hand, Standstill()
        if how.moving_only:
            about = about_device(connection, own_id, window)
            stood = standstill(track_of(about), about.get("vehicle"))
            exclusions = by_hand.and_of([link for link, *_ in mine if link], stood.spans)
        works: list[_Work] = [
            LinkWork(
                device=device, link=link, link_id=link_id, own_id=own_id, window=window, settled_us=settled_us,
                exclusions=exclusions, profile=profile, correct_offset=how.correct_offset,
                others=tuple((name, number) for name, number, _ in mine if name and name != link),
            )
            for link, link_id, settled_us in mine
        ]  # fmt: skip
        links = tuple(each for each in mine if each[0])
        if links and own_id is not None:
            works.append(
                DriveWork(
                    device=device, links=links, own_id=own_id, window=window, exclusions=exclusions, profile=profile
                )
            )
        if len(links) > 1:
            both = tuple((link, link_id) for link, link_id, _ in mine)
            works.append(SwitchWork(device=device, links=both, window=window, exclusions=exclusions, profile=profile))
            works.append(
                PairWork(
                    device=device, links=links, own_id=own_id, window=window, exclusions=exclusions, profile=profile
                )
            )
        if how.moving_only:
            # What the device itself says is of the whole drive: a manoeuvre ends in a halt.
            is_own = [isinstance(work, LinkWork) and not work.link for work in works]
            works = [work if own else _WhileMoving(work, stood.words) for work, own in zip(works, is_own, strict=True)]
        found += works
    return found


def _work(database_url: str, snapshot: str, work: _Work) -> list[KpiResult]:
    """Do one piece in another process, seeing the same rows as all others."""
    with connect_to_snapshot(database_url, snapshot, name="jissho-worker") as connection:
        return work.run(connection)
