"""Figures of one link over any window, a month as fast as a minute: merged from parts, exact at any moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import msgspec
import psycopg
from fastapi import APIRouter, Path, Query
from fastapi.responses import Response
from pydantic import AwareDatetime

from analytics.part_figures import Figure, quantile_ms
from analytics.part_loader import series_edges, window_parts
from analytics.part_waiting import window_figures
from analytics.partials import Part
from analytics.requirements import load_requirements
from api.access import Connection, Name, Settings
from api.encoding import JsonResponse, described
from api.problems import PROBLEMS, ProblemError
from storage.reader import link_ids

router = APIRouter(prefix="/v1/links", tags=["links"], responses=PROBLEMS)

Direction = Literal["round_trip", "up", "down"]
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


class SeriesPoint(msgspec.Struct, frozen=True, kw_only=True):
    """Packets sent in one step from `at` on. Quantiles run over all of them: null among the lost, or with none."""

    at: datetime
    sent: int
    lost: int
    loss_ratio: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    p999_ms: float | None


class LinkSeries(msgspec.Struct, frozen=True, kw_only=True):
    """Delay and loss of one link in steps of whole minutes, hours or days; steps without packets are left out."""

    site: str
    device: str
    link: str
    direction: Direction
    step_s: int
    points: list[SeriesPoint]


LinkPart = Annotated[str, Path(pattern=Name)]


Start = Annotated[AwareDatetime | None, Query(description="With time zone; default: a day before the end")]
End = Annotated[AwareDatetime | None, Query(description="With time zone; default: now")]


@router.get("/{site}/{device}/{link}/summary", responses=described(LinkSummary))
def summary(
    *,
    connection: Connection,
    settings: Settings,
    site: LinkPart,
    device: LinkPart,
    link: LinkPart,
    start: Start = None,
    end: End = None,
) -> Response:
    """Return delay quantiles, loss, loss periods, availability and outages of one link over any window."""
    link_id = _link_id(connection, site, device, link)
    start, end = _window(start, end)
    parameters = load_requirements(settings.profile).parameters
    (part,) = window_parts(connection, link_id, [_unix_us(start), _unix_us(end)])
    return JsonResponse(
        LinkSummary(
            site=site, device=device, link=link, start=start, end=end, sent=part.losses.sent,
            figures=window_figures(part, parameters),
        )
    )  # fmt: skip


@router.get("/{site}/{device}/{link}/series", responses=described(LinkSeries))
def series(
    *,
    connection: Connection,
    site: LinkPart,
    device: LinkPart,
    link: LinkPart,
    start: Start = None,
    end: End = None,
    direction: Annotated[Direction, Query(description="Whose delays")] = "round_trip",
    points: Annotated[int, Query(ge=1, le=2000, description="At most about so many steps")] = 400,
) -> Response:
    """Return delay quantiles and loss over time: a month as fast as an hour."""
    link_id = _link_id(connection, site, device, link)
    start, end = _window(start, end)
    edges_us = series_edges(_unix_us(start), _unix_us(end), points)
    parts = window_parts(connection, link_id, edges_us, [direction])
    found = [_point(part, direction) for part in parts if part.losses.sent]
    step_s = (edges_us[1] - edges_us[0]) // 1_000_000
    return JsonResponse(
        LinkSeries(site=site, device=device, link=link, direction=direction, step_s=step_s, points=found)
    )


def _point(part: Part, direction: Direction) -> SeriesPoint:
    losses = part.losses
    p50, p95, p99, p999 = (quantile_ms(part, direction, q) for q in ("0.5", "0.95", "0.99", "0.999"))
    return SeriesPoint(
        at=_EPOCH + timedelta(microseconds=part.start_us), sent=losses.sent, lost=losses.lost,
        loss_ratio=losses.lost / losses.sent, p50_ms=p50, p95_ms=p95, p99_ms=p99, p999_ms=p999,
    )  # fmt: skip


def _link_id(connection: psycopg.Connection, site: str, device: str, link: str) -> int:
    link_id = link_ids(connection, site, [device], [link]).get((device, link))
    if link_id is None:
        raise ProblemError(404, f"no link {device}/{link} at site {site!r}", "ask GET /v1/live for the links there are")
    return link_id


def _window(start: datetime | None, end: datetime | None) -> tuple[datetime, datetime]:
    """Return the window asked for, in UTC. Raises ProblemError where there is none."""
    try:
        until = (end or datetime.now(tz=UTC)).astimezone(UTC)
        since = until - DEFAULT_WINDOW if start is None else start.astimezone(UTC)
    except OverflowError:
        raise ProblemError(422, "the window is out of the calendar", "give times of the years 2 to 9998") from None
    if since >= until:
        raise ProblemError(422, "the window ends before it begins", "give a `start` that is before `end`")
    return since, until


def _unix_us(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND
