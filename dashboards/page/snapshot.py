"""What the page shows at one moment, gathered in a worker thread and shared by everybody who looks at the same."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar, cast

import psycopg
from psycopg_pool import ConnectionPool

from analytics.outage_loader import outages_of_run
from analytics.outage_rows import OutageList, outage_list
from analytics.point_place_loader import located_points
from analytics.points import PointRow
from analytics.results import KpiResult
from analytics.run_loader import evaluate_run
from dashboards.page import queries
from dashboards.page.queries import Picture, Rows
from storage.completeness import Completeness, run_completeness
from storage.errors import StorageError
from storage.exclusions import Exclusion, list_exclusions
from storage.runs import RunRecord, UnknownRunError, get_run, list_runs

LIVE_MINUTES = 10
_KEEP_PICTURE_S = 0.9
_KEEP_KPIS_S = 9.0
_KEEP_TIMES_COST = 5.0
"""What took long to ask is kept at least this many times as long, so that pages never keep a database busy."""

_SHOWN_RUNS = 50
_LOCKS = 32
"""A fixed number, whatever names are asked for; two questions that share one only wait for each other."""

Problem = Literal["", "database_down", "database_slow", "database_failed"]
_T = TypeVar("_T")


@dataclass(slots=True)
class Snapshot:
    """One moment. `problem` and `error` are set where the database gave no answer; everything else is empty then.

    `is_unknown` is set where no run has the name that was asked for. `going_on` are the runs without an end, latest
    first, whatever is shown. `exclusions` are those of a run that was asked for, None for the last minutes.
    """

    run: RunRecord | None = None
    picture: Picture | None = None
    devices: Rows = field(default_factory=list)
    runs: list[RunRecord] = field(default_factory=list)
    completeness: Completeness | None = None
    exclusions: list[Exclusion] | None = None
    is_unknown: bool = False
    problem: Problem = ""
    error: str = ""

    @property
    def going_on(self) -> list[RunRecord]:
        """The runs that have not been ended."""
        return [run for run in self.runs if run.ended_at is None]


class Snapshots:
    """Asks the database, at most once a second for each thing shown, whoever looks."""

    def __init__(self, pool: ConnectionPool, profile: str | None) -> None:
        """Keep the pool and the requirement profile for verdicts."""
        self._pool = pool
        self.profile = profile
        self._lock = threading.Lock()
        self._asking = [threading.Lock() for _ in range(_LOCKS)]
        self._kept: dict[tuple[str, str], tuple[float, Any]] = {}

    def take(self, run_name: str) -> Snapshot:
        """Return what to show of a run, or of the last minutes where the name is empty. Blocks; call in a thread."""
        return self._cached("picture", run_name, _KEEP_PICTURE_S, self._take)

    def kpis(self, run_name: str) -> list[KpiResult] | str:
        """Return the KPIs of a run (or of the last minutes), or why there are none. Blocks; call in a thread."""
        return self._cached("kpis", run_name, _KEEP_KPIS_S, self._kpis)

    def outages(self, run_name: str) -> list[OutageList] | str:
        """Return the outages of the same, or why they cannot be told. Blocks; call in a thread."""
        return self._cached("outages", run_name, _KEEP_KPIS_S, self._outages)

    def points(self, run_name: str) -> list[PointRow] | str:
        """Return the measuring points of the same, or why they cannot be told. Blocks; call in a thread."""
        return self._cached("points", run_name, _KEEP_KPIS_S, self._points)

    def _cached(self, kind: str, run_name: str, keep_s: float, ask: Callable[[str], _T]) -> _T:
        """Return what is kept, or ask; who comes while somebody asks for the same waits for that answer."""
        key = (kind, run_name)
        with self._asking[hash(key) % _LOCKS]:
            began = time.monotonic()
            with self._lock:
                kept = self._kept.get(key)
            if kept is not None and began < kept[0]:
                return cast("_T", kept[1])
            found = ask(run_name)
            now = time.monotonic()
            # A failure is kept briefly, so that the page is back soon after the database.
            kept_s = _KEEP_PICTURE_S if _is_failure(found) else max(keep_s, _KEEP_TIMES_COST * (now - began))
            with self._lock:
                self._kept = {name: entry for name, entry in self._kept.items() if now < entry[0]}
                self._kept[key] = (now + kept_s, found)
            return found

    def _take(self, run_name: str) -> Snapshot:
        try:
            with self._pool.connection() as connection:
                return _snapshot(connection, run_name)
        except (psycopg.Error, StorageError) as error:
            return Snapshot(problem=_problem(error), error=_one_line(error))

    def _kpis(self, run_name: str) -> list[KpiResult] | str:
        return self._of_run(
            run_name, lambda connection, run, is_live: evaluate_run(connection, run, self.profile, is_live=is_live)
        )

    def _outages(self, run_name: str) -> list[OutageList] | str:
        def listed(connection: psycopg.Connection, run: RunRecord, is_live: bool) -> list[OutageList]:
            found = outages_of_run(connection, run, self.profile, is_live=is_live)
            return [outage_list(each) for each in found]

        return self._of_run(run_name, listed)

    def _points(self, run_name: str) -> list[PointRow] | str:
        return self._of_run(run_name, lambda connection, run, _: located_points(connection, run, self.profile))

    def _of_run(
        self, run_name: str, ask: Callable[[psycopg.Connection, RunRecord, bool], list[_T]]
    ) -> list[_T] | str:  # fmt: skip
        try:
            with self._pool.connection() as connection:
                run = _shown_run(connection, run_name)
                return [] if run is None else ask(connection, run, run.ended_at is None or not run_name)
        except (psycopg.Error, StorageError, ValueError) as error:
            return _one_line(error)


def _problem(error: Exception) -> Problem:
    if isinstance(error, psycopg.errors.QueryCanceled):
        return "database_slow"
    # The pool's own timeout, while it waits for a server that is away, is an OperationalError too.
    return "database_down" if isinstance(error, (psycopg.OperationalError, StorageError)) else "database_failed"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _is_failure(found: object) -> bool:
    return isinstance(found, str) or (isinstance(found, Snapshot) and bool(found.problem))


def _shown_run(connection: psycopg.Connection, run_name: str) -> RunRecord | None:
    """Return the run of that name, or a stand-in for the last minutes of the site that is measuring.

    Where a run is going on there, its devices and links are what people are looking at.
    """
    if run_name:
        return get_run(connection, run_name)
    site = queries.latest_site(connection)
    if site is None:
        return None
    now = datetime.now(tz=UTC)
    going_on = [run for run in list_runs(connection, limit=1) if run.site == site and run.ended_at is None]
    devices, links = (going_on[0].devices, going_on[0].links) if going_on else ([], [])
    return RunRecord(
        run_id=0, name="", site=site, devices=devices, links=links, started_at=now - timedelta(minutes=LIVE_MINUTES),
        ended_at=now, purpose="", weather="", note="", tags=[], valid=True,
    )  # fmt: skip


def _snapshot(connection: psycopg.Connection, run_name: str) -> Snapshot:
    shown = Snapshot(devices=queries.devices(connection), runs=list_runs(connection, limit=_SHOWN_RUNS))
    try:
        shown.run = _shown_run(connection, run_name)
    except UnknownRunError:
        shown.is_unknown = True
    if shown.run is not None:
        shown.picture = queries.picture(connection, queries.run_window(connection, shown.run))
        shown.completeness = run_completeness(connection, shown.run)
        if run_name:
            shown.exclusions = list_exclusions(connection, shown.run)
    return shown
