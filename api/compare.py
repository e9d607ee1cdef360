"""Two runs, two links or a registered pair of runs beside each other, and the plan of a measurement."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from analytics.compare_loader import burstiness, compare_pair, compare_runs
from analytics.comparison import Comparison
from analytics.planner import TARGETS, Plan, PlanError, plan
from api.access import Connection, Name, ProfileName, Settings, chosen_profile
from api.encoding import JsonResponse, described
from api.problems import PROBLEMS, ProblemError
from storage.pairs import RunPair, list_pairs
from storage.runs import get_run

router = APIRouter(prefix="/v1", tags=["compare"], responses=PROBLEMS)

RunName = Annotated[str, Query(pattern=Name, description="Name or number of a run")]
LinkName = Annotated[str, Query(pattern=rf"^$|{Name}", description="Name of a link; empty: all")]


Target = Annotated[float | None, Query(gt=0, le=0.9999999, description="Reliability to show; default: 99 to 99.9999 %")]
"""Seven nines are 30 million packets without a failure; more is no plan for a field demonstration."""


Rate = Annotated[float | None, Query(ge=1e-6, le=1e6, description="Packets a second; default: the run's, or 100")]


Align = Literal["elapsed", "distance", "none"]


@router.get("/compare", responses=described(list[Comparison]))
def compare(  # noqa: PLR0917 - query parameters
    connection: Connection, settings: Settings, a: RunName, b: RunName, link: LinkName = "", other_link: LinkName = "",
    align: Align = "elapsed", profile: ProfileName = None,
) -> Response:  # fmt: skip
    """Return the differences of run b against run a, each with its interval by block bootstrap.

    Excluded intervals are left out of both. `align=distance` pairs the sections of the road that run a drove.
    """
    runs = (get_run(connection, a), get_run(connection, b))
    return JsonResponse(
        compare_runs(
            connection, *runs, link=link, other_link=other_link, align=align, profile=chosen_profile(settings, profile)
        )
    )


@router.get("/pairs", responses=described(list[RunPair]))
def pairs(connection: Connection) -> Response:
    """Return the pairs of runs (baseline and changed), those taken back too, with what differs and their trail."""
    return JsonResponse(list_pairs(connection))


@router.get("/pairs/{pair}/comparison", responses=described(list[Comparison]))
def pair_comparison(  # noqa: PLR0917 - query parameters
    connection: Connection, settings: Settings, pair: Annotated[str, Path(pattern=Name, description="Name of a pair")],
    link: LinkName = "", align: Align = "elapsed", profile: ProfileName = None,
) -> Response:  # fmt: skip
    """Return the differences of the changed runs of a pair against its baselines, all repetitions together."""
    return JsonResponse(
        compare_pair(connection, pair, link=link, align=align, profile=chosen_profile(settings, profile))
    )


@router.get("/plan", responses=described(list[Plan]))
def plans(  # noqa: PLR0917 - query parameters
    connection: Connection, settings: Settings, rate_per_s: Rate = None, run: LinkName = "", link: LinkName = "",
    target: Target = None, profile: ProfileName = None,
) -> Response:  # fmt: skip
    """Return packets and hours that can demonstrate each target, given the burstiness of a measured run.

    `packets` are for the one-sided 95 % bound, all others for the two-sided 95 % interval that a verdict 達成 takes.
    """
    worth, measured_rate = 1.0, 100.0
    if run:
        found = burstiness(connection, get_run(connection, run), link, chosen_profile(settings, profile))
        worth, measured_rate = found.worth, found.rate_per_s
    try:
        return JsonResponse(
            plan(measured_rate if rate_per_s is None else rate_per_s, worth, TARGETS if target is None else (target,))
        )
    except PlanError as error:
        raise ProblemError(422, str(error), "give a rate above 0 and targets between 0 and 1") from error
