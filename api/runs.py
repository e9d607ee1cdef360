"""The run register, and what is known of one run: its KPIs and its completeness."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from analytics.loader import evaluate_run
from analytics.results import KpiResult
from api.access import Connection, ProfileName, Run, Settings, chosen_profile
from api.encoding import JsonResponse, described
from api.problems import PROBLEMS
from storage.explain import ExplainedCompleteness, explained_completeness
from storage.runs import RunRecord, list_runs

router = APIRouter(prefix="/v1/runs", tags=["runs"], responses=PROBLEMS)


@router.get("", responses=described(list[RunRecord]))
def runs(connection: Connection, limit: Annotated[int, Query(ge=1, le=10_000)] = 1000) -> Response:
    """Return the runs, latest first."""
    return JsonResponse(list_runs(connection, limit=limit))


@router.get("/{run}", responses=described(RunRecord))
def run(run: Run) -> Response:
    """Return one run by its name or its number."""
    return JsonResponse(run)


@router.get("/{run}/kpis", responses=described(list[KpiResult]))
def kpis(
    connection: Connection,
    settings: Settings,
    run: Run,
    profile: ProfileName = None,
) -> Response:
    """Return every KPI of the run with its interval, its n, its verdict and the clause that defines it."""
    return JsonResponse(evaluate_run(connection, run, chosen_profile(settings, profile)))


@router.get("/{run}/completeness", responses=described(ExplainedCompleteness))
def completeness(connection: Connection, run: Run) -> Response:
    """Return what the outboxes took for this run against what the database has, and a reason for every gap."""
    return JsonResponse(explained_completeness(connection, run))
