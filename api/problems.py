"""Errors as people can act on them: every answer that is not a success is {error, remedy}."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
import psycopg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from psycopg_pool import PoolClosed, PoolTimeout
from starlette.exceptions import HTTPException

from api.encoding import JsonResponse, described
from storage.errors import NoDataError, StorageError
from storage.pairs import UnknownPairError
from storage.run_links import UnknownLinkError
from storage.runs import UnknownRunError

_log = structlog.get_logger("api")

DATABASE_REMEDY = "check that the database of JISSHO_DATABASE_URL runs and takes connections, then try again"


class Problem(msgspec.Struct, frozen=True):
    """What went wrong, and what to do about it."""

    error: str
    remedy: str


class ProblemError(Exception):
    """Raised by a route to answer with a problem."""

    def __init__(self, status: int, error: str, remedy: str) -> None:
        """Keep the HTTP status and the two sentences."""
        super().__init__(error)
        self.status = status
        self.problem = Problem(error, remedy)


PROBLEMS = {
    **described(Problem, status=404, text="There is no such run, link or page"),
    **described(Problem, status=422, text="The request is not understood"),
    **described(Problem, status=503, text="The database is not available"),
}
"""The `responses` of every route."""


def answer(status: int, error: str, remedy: str) -> JsonResponse:
    """Return the response of a problem."""
    return JsonResponse(Problem(error, remedy), status_code=status)


def one_line(error: Exception) -> str:
    """Return an error's message without line breaks."""
    return " ".join(str(error).split()) or type(error).__name__


def install(app: FastAPI) -> None:
    """Turn every exception that can leave a route into a problem."""
    handlers: dict[type[Exception], Callable[[Request, Exception], Awaitable[JsonResponse]]] = {
        ProblemError: _raised,
        UnknownRunError: _unknown_run,
        UnknownPairError: _unknown_pair,
        NoDataError: _no_data,
        UnknownLinkError: _no_data,
        StorageError: _storage,
        PoolTimeout: _database,
        PoolClosed: _database,
        psycopg.OperationalError: _database,
        RequestValidationError: _invalid,
        HTTPException: _http,
        Exception: _unforeseen,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


async def _raised(_request: Request, error: Exception) -> JsonResponse:
    assert isinstance(error, ProblemError)
    return answer(error.status, error.problem.error, error.problem.remedy)


async def _unknown_run(_request: Request, error: Exception) -> JsonResponse:
    return answer(404, one_line(error), "ask GET /v1/runs for the runs there are")


async def _unknown_pair(_request: Request, error: Exception) -> JsonResponse:
    return answer(404, one_line(error), "ask GET /v1/pairs for the pairs there are")


async def _no_data(_request: Request, error: Exception) -> JsonResponse:
    return answer(404, one_line(error), "ask GET /v1/runs/{run}/kpis for the links and streams that were measured")


async def _storage(request: Request, error: Exception) -> JsonResponse:
    _log.warning("request failed", path=request.url.path, error=one_line(error))
    return answer(503, one_line(error), DATABASE_REMEDY)


async def _database(request: Request, error: Exception) -> JsonResponse:
    _log.warning("database not available", path=request.url.path, error=one_line(error))
    return answer(503, f"the database is not available: {one_line(error)}", DATABASE_REMEDY)


async def _invalid(_request: Request, error: Exception) -> JsonResponse:
    assert isinstance(error, RequestValidationError)
    faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
    return answer(422, faults, "see /docs for what the parameter may be")


async def _http(_request: Request, error: Exception) -> JsonResponse:
    assert isinstance(error, HTTPException)
    response = answer(error.status_code, str(error.detail), "see /docs for the routes and their methods")
    response.headers.update(error.headers or {})
    return response


async def _unforeseen(request: Request, error: Exception) -> JsonResponse:
    _log.error("unforeseen error", path=request.url.path, exc_info=error)
    return answer(500, f"internal error ({type(error).__name__})", "see the server's log, and report it as a fault")
