"""The page's questions to the database: bounded in time, aggregated on the server, cheap enough to ask every second."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row

from storage.pending import WAITING
from storage.reader import link_ids
from storage.runs import RunRecord

MAX_POINTS = 600
"""Points a line: what a chart 700 pixels wide can show."""

_TIMEOUT_MS = 4000
_STEPS_S = (1, 2, 5, 10, 30, 60, 300, 600, 1800, 3600)

_DELAY = f"""
SELECT time_bucket(%(step)s, t) AS at, link_id, count(*) AS n, count(*) FILTER (WHERE lost > 0) AS lost,
       coalesce(max(t) <= now() - max(settle_s) * interval '1 second', true) AS is_settled,
       percentile_disc(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY coalesce(rtt_us, ul_us, dl_us)) AS quantiles_us
FROM probe LEFT JOIN ({WAITING}) AS waiting USING (link_id)
WHERE t >= %(start)s AND t < %(end)s AND link_id = ANY(%(links)s) AND copy <= 1
GROUP BY 1, 2 ORDER BY 1
"""
_RADIO = """
SELECT time_bucket(%(step)s, t) AS at, link_id, percentile_disc(0.5) WITHIN GROUP (ORDER BY rsrp_dbm) AS rsrp_dbm,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY sinr_db) AS sinr_db, max(pci) AS pci
FROM radio WHERE t >= %(start)s AND t < %(end)s AND link_id = ANY(%(links)s)
GROUP BY 1, 2 ORDER BY 1
"""
_POSITION = """
SELECT time_bucket(%(step)s, t) AS at, link_id, avg(lat_deg) AS lat_deg, avg(lon_deg) AS lon_deg
FROM position WHERE t >= %(start)s AND t < %(end)s AND link_id = ANY(%(links)s) AND mode >= 2
GROUP BY 1, 2 ORDER BY 1
"""
_CLOCK = """
SELECT time_bucket(%(step)s, t) AS at, link_id,
       CASE WHEN bool_and(synced AND bound_us IS NOT NULL) THEN max(bound_us) END AS bound_us
FROM clock WHERE t >= %(start)s AND t < %(end)s AND link_id = ANY(%(links)s)
GROUP BY 1, 2 ORDER BY 1
"""
_DEVICES = """
SELECT d.site, d.device, s.state, s.pending, s.received_at, now() AS now,
       (SELECT max(e.last_at) FROM ledger e WHERE e.device_id = d.device_id AND e.committed <> '{}') AS seen_at,
       (SELECT c.bound_us FROM clock c JOIN link l USING (link_id)
        WHERE l.device_id = d.device_id AND l.link = '' AND c.t > now() - interval '10 minutes'
        ORDER BY c.t DESC LIMIT 1) AS bound_us
FROM device d LEFT JOIN device_status s USING (device_id)
ORDER BY s.received_at DESC NULLS LAST, d.site, d.device LIMIT 12
"""
_LATEST_SITE = """
SELECT device.site FROM ledger JOIN device USING (device_id)
WHERE ledger.committed <> '{}' AND ledger.last_at > now() - interval '1 day' ORDER BY ledger.last_at DESC LIMIT 1
"""

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Window:
    """What is shown: a site's links over an interval, as {link_id: name to show} and {link_id: device}."""

    site: str
    links: dict[int, str]
    devices: dict[int, str]
    start: datetime
    end: datetime

    @property
    def step(self) -> timedelta:
        """Width of one point."""
        return timedelta(seconds=step_s((self.end - self.start).total_seconds()))


@dataclass(slots=True)
class Picture:
    """Everything the charts need at one moment."""

    window: Window
    delay: Rows = field(default_factory=list)
    radio: Rows = field(default_factory=list)
    position: Rows = field(default_factory=list)
    clock: Rows = field(default_factory=list)


def step_s(seconds: float) -> int:
    """Return the narrowest step that keeps a window within MAX_POINTS."""
    return next((step for step in _STEPS_S if seconds / step <= MAX_POINTS), _STEPS_S[-1])


def _ask(connection: psycopg.Connection, query: str, parameters: dict[str, Any] | None = None) -> Rows:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.encode(), parameters).fetchall()


def latest_site(connection: psycopg.Connection) -> str | None:
    """Return the site whose data came last, or None within a day."""
    rows = _ask(connection, _LATEST_SITE)
    return rows[0]["site"] if rows else None


def run_window(connection: psycopg.Connection, run: RunRecord) -> Window:
    """Return the interval and links of a run; one that goes on ends now. With several devices, names carry theirs."""
    ids = link_ids(connection, run.site, run.devices, run.links)
    several = len({device for device, _ in ids}) > 1
    return Window(
        run.site,
        links={number: f"{device}/{link}" if several and link else link for (device, link), number in ids.items()},
        devices={number: device for (device, _), number in ids.items()},
        start=run.started_at,
        end=run.ended_at or datetime.now(tz=UTC),
    )


def devices(connection: psycopg.Connection) -> Rows:
    """Return the devices with their last life sign, last data and clock."""
    return _ask(connection, _DEVICES)


def picture(connection: psycopg.Connection, window: Window) -> Picture:
    """Ask for everything the charts show, in one short transaction that gives up rather than hold the page."""
    parameters = {"step": window.step, "start": window.start, "end": window.end, "links": list(window.links)}
    with connection.transaction():
        connection.execute(f"SET LOCAL statement_timeout = {_TIMEOUT_MS}".encode())
        return Picture(
            window,
            delay=_ask(connection, _DELAY, parameters),
            radio=_ask(connection, _RADIO, parameters),
            position=_ask(connection, _POSITION, parameters),
            clock=_ask(connection, _CLOCK, parameters),
        )
