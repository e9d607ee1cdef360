"""The FastAPI app: routers, errors, the connection pool and, where asked for, the built-in page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from analytics.requirements import load_requirements
from api import catalogue, compare, exports, health, live, metrics, problems, runs
from api.settings import ApiSettings
from storage.connect import open_pool

__all__ = ["ApiSettings", "create_app"]


def create_app(settings: ApiSettings) -> FastAPI:
    """Return the app. It starts without a database too: /healthz says so, and it recovers when the database is back.

    Raises RequirementError if the requirement profile of the settings cannot be used.
    """
    load_requirements(settings.profile)
    pool = open_pool(settings.database_url, size=settings.pool_size, name="jissho-api")

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            pool.close()

    app = FastAPI(
        title="jissho",
        summary="Runs, KPIs with their confidence and clause, completeness and exports of field demonstrations.",
        version="1",
        lifespan=lifespan,
    )
    app.state.pool = pool
    app.state.settings = settings
    app.state.metrics = metrics.Metrics(pool, settings.database_wait_s)
    app.add_middleware(metrics.CountRequests, metrics=app.state.metrics)
    problems.install(app)
    for module in (health, catalogue, runs, compare, exports, live, metrics):
        app.include_router(module.router)
    if settings.page:
        from dashboards.page import mount  # noqa: PLC0415 - NiceGUI takes a second to import and the API needs none

        mount(app, settings)
    return app
