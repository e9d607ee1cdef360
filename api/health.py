"""Whether the server can do its work: for a load balancer, for systemd, and for the person at the site."""

from __future__ import annotations

from typing import Literal

import msgspec
import psycopg
from fastapi import APIRouter
from fastapi.responses import Response
from psycopg_pool import PoolClosed, PoolTimeout

from api.access import Pool, Settings
from api.encoding import JsonResponse, described
from api.problems import DATABASE_REMEDY, Problem, one_line
from storage.migrate import database_mode

router = APIRouter(tags=["health"])


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """State of the server. `last_commit_age_s`: since ingest last committed a batch; None before the first one."""

    status: Literal["ok"]
    database: Literal["reachable"]
    mode: Literal["timescale", "plain"]
    last_commit_age_s: float | None


@router.get(
    "/healthz",
    responses={**described(Health), **described(Problem, status=503, text="The server cannot do its work")},
)
def healthz(pool: Pool, settings: Settings) -> Response:
    """Answer 200 when the database is there and migrated, else 503 with the reason."""
    try:
        with pool.connection(timeout=settings.database_wait_s) as connection:
            mode = database_mode(connection)
            if mode is None:
                return _unfit("the database has no schema yet", "run `jissho db migrate`, or start ingest")
            row = connection.execute(
                "SELECT extract(epoch FROM now() - max(last_at))::float8 FROM ledger WHERE NOT isempty(committed)"
            ).fetchone()
    except (PoolTimeout, PoolClosed, psycopg.OperationalError) as error:
        return _unfit(f"the database is not reachable: {one_line(error)}", DATABASE_REMEDY)
    age_s = None if row is None else row[0]
    return JsonResponse(Health(status="ok", database="reachable", mode=mode, last_commit_age_s=age_s))


def _unfit(error: str, remedy: str) -> JsonResponse:
    return JsonResponse(Problem(error, remedy), status_code=503)
