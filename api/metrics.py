"""The server's own metrics for Prometheus: what the ledger holds, how the devices are, how the API answers."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg
from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout
from starlette.types import ASGIApp, Message, Receive, Scope, Send

router = APIRouter(tags=["metrics"])

# One row of the ledger a life of an outbox, so these stay cheap however much was measured.
_LEDGER = """
WITH size AS (
    SELECT site, device, last_at,
           (SELECT coalesce(sum(upper(r) - lower(r)), 0)::int8 FROM unnest(committed) AS r) AS committed,
           (SELECT coalesce(sum(upper(r) - lower(r)), 0)::int8 FROM unnest(quarantined) AS r) AS quarantined,
           coalesce(upper(committed + quarantined), 1) - 1 AS reached,
           announced
    FROM ledger JOIN device USING (device_id))
SELECT site, device, sum(committed)::int8, sum(quarantined)::int8, sum(reached - committed - quarantined)::int8,
       sum(greatest(announced - reached, 0))::int8, extract(epoch FROM now() - max(last_at))::float8
FROM size GROUP BY site, device ORDER BY site, device
"""
_STATUS = (
    "SELECT site, device, state = 'online', pending FROM device_status JOIN device USING (device_id) ORDER BY 1, 2"
)
_GAUGES = (
    ("jissho_committed_batches", "Batches in the database"),
    ("jissho_quarantined_batches", "Batches that were refused and are kept in quarantine"),
    ("jissho_missing_batches", "Batches with a higher sequence number committed, not here themselves"),
    ("jissho_announced_batches", "Batches that the device has announced and that have not come"),
    ("jissho_last_commit_age_seconds", "Since ingest last committed or refused a batch of the device"),
)


class ServerState(Collector):
    """Reads the ledger and the device table each time somebody scrapes."""

    def __init__(self, pool: ConnectionPool, wait_s: float) -> None:
        """Keep the pool, and how long to wait for it."""
        self._pool = pool
        self._wait_s = wait_s

    def collect(self) -> Iterator[Metric]:
        """Yield the gauges; when the database is away only the one that says so."""
        reachable = GaugeMetricFamily("jissho_database_up", "1 when the database answers")
        try:
            with self._pool.connection(timeout=self._wait_s) as connection:
                families = [*_ledger(connection), *_status(connection)]
        except (PoolTimeout, PoolClosed, psycopg.Error):
            # Not logged: the zero is the message, every few seconds, and /healthz has the reason.
            reachable.add_metric([], 0.0)
            yield reachable
            return
        reachable.add_metric([], 1.0)
        yield reachable
        yield from families

    def describe(self) -> list[Metric]:
        """Return nothing, so that registering does not ask the database."""
        return []


def _ledger(connection: psycopg.Connection) -> list[Metric]:
    families = [GaugeMetricFamily(name, text, labels=("site", "device")) for name, text in _GAUGES]
    for site, device, *values in connection.execute(_LEDGER):
        for family, value in zip(families, values, strict=True):
            family.add_metric((site, device), float(value))
    return list(families)


def _status(connection: psycopg.Connection) -> list[Metric]:
    online = GaugeMetricFamily(
        "jissho_device_online", "1 while the device says it is online", labels=("site", "device")
    )
    pending = GaugeMetricFamily(
        "jissho_outbox_pending_batches", "Batches in the device's outbox without a receipt", labels=("site", "device")
    )
    for site, device, is_online, count in connection.execute(_STATUS):
        online.add_metric((site, device), float(is_online))
        pending.add_metric((site, device), float(count))
    return [online, pending]


class Metrics:
    """One registry an app, so that two apps in one process (tests, the demonstration) do not share numbers."""

    def __init__(self, pool: ConnectionPool, wait_s: float) -> None:
        """Register the state of the server and the counters of requests."""
        self.registry = CollectorRegistry()
        self.registry.register(ServerState(pool, wait_s))
        self.requests = Counter(
            "jissho_http_requests", "Requests answered", ("method", "route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "jissho_http_request_seconds", "Time to the end of the answer", ("route",), registry=self.registry
        )


class CountRequests:
    """Middleware that counts by route, not by path: a path for each run would be a time series for each run."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        """Wrap `app`."""
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count one request when it has been answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        began = time.perf_counter()
        try:
            await self._app(scope, receive, watched)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.requests.labels(scope["method"], route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - began)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(request: Request) -> Response:
    """Return the metrics in Prometheus' text format."""
    registry: CollectorRegistry = request.app.state.metrics.registry
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)
