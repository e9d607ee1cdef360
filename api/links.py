"""Figures of one link over any window, a month as fast as a minute: merged from parts, exact at any moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from fastapi import APIRouter, Path, Query
from fastapi.responses import Response
from pydantic import AwareDatetime

from analytics.part_figures import Figure, figures
from analytics.part_loader import window_parts
from api.access import Connection, Name
from api.encoding import JsonResponse, described
from api.problems import PROBLEMS, ProblemError
from storage.reader import link_ids

router = APIRouter(prefix="/v1/links", tags=["links"], responses=PROBLEMS)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
DEFAULT_WINDOW = timedelta(days=1)
REMARK_JA = "信頼区間と時計品質は測定(run)のKPIにのみ付く"
REMARK_EN = "Confidence intervals and clock quality come with the KPIs of a run"


class LinkSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One link over start <= t < end, by sending time. `figures` is empty where nothing was sent."""

    site: str
    device: str
    link: str
    start: datetime
    end: datetime
    sent: int
    figures: list[Figure]
    remark_ja: str = REMARK_JA
    remark_en: str = REMARK_EN


LinkPart = Annotated[str, Path(pattern=Name)]


@router.get("/{site}/{device}/{link}/summary", responses=described(LinkSummary))
def summary(
    *,
    connection: Connection,
    site: LinkPart,
    device: LinkPart,
    link: LinkPart,
    start: Annotated[AwareDatetime | None, Query(description="With time zone; default: a day before the end")] = None,
    end: Annotated[AwareDatetime | None, Query(description="With time zone; default: now")] = None,
) -> Response:
    """Return delay quantiles, loss, loss periods, availability and outages of one link over any window."""
    link_id = link_ids(connection, site, [device], [link]).get((device, link))
    if link_id is None:
        raise ProblemError(404, f"no link {device}/{link} at site {site!r}", "ask GET /v1/live for the links there are")
    end = end or datetime.now(tz=UTC)
    end_us = (end - _EPOCH) // _MICROSECOND
    start_us = (start - _EPOCH) // _MICROSECOND if start else end_us - DEFAULT_WINDOW // _MICROSECOND
    if start_us >= end_us:
        raise ProblemError(422, "the window ends before it begins", "give a `start` that is before `end`")
    (part,) = window_parts(connection, link_id, [start_us, end_us])
    return JsonResponse(
        LinkSummary(
            site=site, device=device, link=link, start=start or end - DEFAULT_WINDOW, end=end,
            sent=part.losses.sent, figures=figures(part),
        )
    )  # fmt: skip
