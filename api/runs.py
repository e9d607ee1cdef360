"""The run register, and what is known of one run: its KPIs and its completeness."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from analytics.conditions import LinkConditions
from analytics.main_figures import main_figures
from analytics.outage_loader import outages_of_run
from analytics.outage_rows import OutageList, outage_list
from analytics.place_loader import conditions_of_run, route_of_run
from analytics.point_loader import points_of_run
from analytics.points import PointRow
from analytics.results import KpiResult
from analytics.route_cell import Grid, RouteCell
from analytics.run_loader import evaluate_run
from api.access import Connection, Name, ProfileName, Run, Settings, chosen_profile
from api.encoding import JsonResponse, described
from api.problems import PROBLEMS, ProblemError
from storage.exclusions import Exclusion, list_exclusions
from storage.explain import ExplainedCompleteness, explained_completeness
from storage.run_links import check_links
from storage.runs import RunRecord, list_runs

router = APIRouter(prefix="/v1/runs", tags=["runs"], responses=PROBLEMS)

_LINKS = rf"^$|{Name}|^[a-z0-9][a-z0-9_-]{{0,62}}\+[a-z0-9][a-z0-9_-]{{0,62}}$"
"""No link, one, or a pair of links."""


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
    *,
    correct_offset: Annotated[
        bool, Query(description="Correct one-way figures afterwards for the offset of the clocks; they say so")
    ] = False,
    moving_only: Annotated[
        bool, Query(description="Leave out of the links what was measured while the vehicle stood; the figures say so")
    ] = False,
    main: Annotated[
        bool, Query(description="Only what a requirement asks for and the main statistics (`main` of the definitions)")
    ] = False,
) -> Response:
    """Return every KPI of the run with its interval, its n, its verdict and the clause that defines it."""
    wanted = chosen_profile(settings, profile)
    found = evaluate_run(connection, run, wanted, correct_offset=correct_offset, moving_only=moving_only)
    return JsonResponse(main_figures(found) if main else found)


@router.get("/{run}/exclusions", responses=described(list[Exclusion]))
def exclusions(connection: Connection, run: Run) -> Response:
    """Return the intervals that the run's figures leave out, and those that were taken back, with who, when and why."""
    return JsonResponse(list_exclusions(connection, run))


@router.get("/{run}/route", responses=described(dict[str, list[RouteCell]]))
def route(  # noqa: PLR0917 - query parameters
    connection: Connection, settings: Settings, run: Run, link: Annotated[str, Query(pattern=rf"^$|{Name}")] = "",
    grid: Grid = "section", size_m: Annotated[float | None, Query(gt=0, le=10_000)] = None, *,
    moving_only: bool = False, profile: ProfileName = None,
) -> Response:  # fmt: skip
    """Return delay, loss, radio and verdict of each section of the route or mesh of the area, by link."""
    check_links(connection, run, link)
    try:
        return JsonResponse(
            route_of_run(
                connection,
                run,
                link,
                chosen_profile(settings, profile),
                grid=grid,
                size_m=size_m,
                moving_only=moving_only,
            )
        )
    except ValueError as error:
        raise ProblemError(422, str(error), "meshes have 125, 250, 500, 1000 or 10000 m") from error


@router.get("/{run}/conditions", responses=described(list[LinkConditions]))
def conditions(
    connection: Connection, settings: Settings, run: Run, link: Annotated[str, Query(pattern=rf"^$|{Name}")] = "",
    profile: ProfileName = None, *, moving_only: bool = False,
) -> Response:  # fmt: skip
    """Return delay and loss of each link by class of RSRP, SINR and speed and by cell, each with its interval."""
    check_links(connection, run, link)
    wanted = chosen_profile(settings, profile)
    return JsonResponse(conditions_of_run(connection, run, link, wanted, moving_only=moving_only))


@router.get("/{run}/outages", responses=described(list[OutageList]))
def outages(
    connection: Connection, settings: Settings, run: Run, link: Annotated[str, Query(pattern=_LINKS)] = "",
    profile: ProfileName = None,
) -> Response:  # fmt: skip
    """Return every outage of each link and pair of links, with place, radio and vehicle just before it."""
    check_links(connection, run, *link.split("+"))
    found = outages_of_run(connection, run, chosen_profile(settings, profile), link)
    return JsonResponse([outage_list(each) for each in found])


@router.get("/{run}/points", responses=described(list[PointRow]))
def points(
    connection: Connection, settings: Settings, run: Run, link: Annotated[str, Query(pattern=rf"^$|{Name}")] = "",
    profile: ProfileName = None,
) -> Response:  # fmt: skip
    """Return the measuring points of each link with their tests; a point with too few of them has no value."""
    check_links(connection, run, link)
    return JsonResponse(points_of_run(connection, run, chosen_profile(settings, profile), link))


@router.get("/{run}/completeness", responses=described(ExplainedCompleteness))
def completeness(connection: Connection, run: Run) -> Response:
    """Return what the outboxes took for this run against what the database has, and a reason for every gap."""
    return JsonResponse(explained_completeness(connection, run))
