"""The FastAPI app: routers, errors, the connection pool and, where asked for, the built-in page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from analytics.part_loader import profile_deadlines
from api import catalogue, compare, exports, health, links, live, metrics, problems, runs
from api.parts_refresher import PartsRefresher
from api.settings import ApiSettings
from storage.connect import open_pool

__all__ = ["ApiSettings", "create_app"]


def create_app(settings: ApiSettings) -> FastAPI:
    """Return the app. It starts without a database too: /healthz says so, and it recovers when the database is back.

    Raises RequirementError if the requirement profile of the settings cannot be used.
    """
    deadlines = profile_deadlines(settings.profile)
    pool = open_pool(settings.database_url, size=settings.pool_size, name="jissho-api")

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        refresher = PartsRefresher(settings.database_url, settings.parts_every_s, deadlines)
        if settings.parts_every_s:
            refresher.start()
        try:
            yield
        finally:
            if settings.parts_every_s:
                await asyncio.to_thread(refresher.stop)
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
    for module in (health, catalogue, runs, compare, links, exports, live, metrics):
        app.include_router(module.router)
    if settings.page:
        from dashboards.page import mount  # noqa: PLC0415 - NiceGUI takes a second to import and the API needs none

        mount(app, settings)
    return app
