"""What the numbers mean: the contract's streams and the table of KPI definitions."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from analytics.definitions import DEFINITIONS, KpiDefinition
from api.encoding import JsonResponse, described
from contract.columns import Stream
from contract.streams import STREAMS

router = APIRouter(prefix="/v1", tags=["catalogue"])


@router.get("/streams", responses=described(list[Stream]))
def streams() -> Response:
    """Return the table of streams: every column with its unit, its valid range and its two labels."""
    return JsonResponse(list(STREAMS.values()))


@router.get("/definitions", responses=described(list[KpiDefinition]))
def definitions() -> Response:
    """Return the table of KPIs: names, unit, direction, clause, revision, needs, and meaning in both languages."""
    return JsonResponse(list(DEFINITIONS))
