"""The latest of each link, for the page: delay, loss, radio and place over the last seconds."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
import psycopg
from fastapi import APIRouter, Query
from fastapi.responses import Response
from psycopg.rows import dict_row

from api.access import Connection, Name
from api.encoding import JsonResponse, described
from storage.pending import WAITING

router = APIRouter(prefix="/v1", tags=["live"])

_INFINITE_US = 2_147_483_647
"""Stands for the delay of a lost packet while ranks are counted; no measured delay reaches it."""

_RECENT_S = 60
"""Radio and place change slowly and are sampled about once a second; older than a minute they are not live."""

_LOOK_BACK_S = 600
"""How far back a link's last batch is looked for: with ten links found in 2 ms among a day's 864,000 batches."""


class Delay(msgspec.Struct, frozen=True, kw_only=True):
    """Probes of one link: delays of the window that ends now, loss of the one that ended `settled_s` ago.

    A lost packet is known as lost only when its timeout is over: the newest packets can only be delivered ones, and
    their loss would always be zero. `sent`, `lost` and `loss_ratio` are therefore of the last packets whose fate is
    settled, null where there are none. Among the newest, those lost already count as infinite delay: a quantile among
    them is null. `latest_us` is the last delay that was measured, `up_median_us` and `down_median_us` are one way.
    """

    sent: int
    lost: int
    loss_ratio: float | None
    median_us: int | None
    p95_us: int | None
    latest_us: int | None
    up_median_us: int | None
    down_median_us: int | None
    settled_s: float


class Radio(msgspec.Struct, frozen=True, kw_only=True):
    """The last radio sample of a link within a minute."""

    at: datetime
    rat: str | None
    pci: int | None
    rsrp_dbm: float | None
    rsrq_db: float | None
    sinr_db: float | None


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """The last position of a device within a minute. `mode`: 0 unknown, 1 no fix, 2 and 3 dimensions."""

    at: datetime
    lat_deg: float | None
    lon_deg: float | None
    speed_mps: float | None
    heading_deg: float | None
    mode: int


class LiveLink(msgspec.Struct, frozen=True, kw_only=True):
    """One link now. `last_at` is the time of its newest sample, None if none came in the last ten minutes."""

    site: str
    device: str
    link: str
    last_at: datetime | None
    state: str | None
    pending_batches: int | None
    delay: Delay | None
    radio: Radio | None
    place: Place | None


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """All links at the server's time `at`, over the last `window_s` seconds."""

    at: datetime
    window_s: int
    links: list[LiveLink]


_LINKS = """
SELECT link_name.link_id, link_name.device_id, site, device, link, newest.last_at, status.state, status.pending
FROM link_name
LEFT JOIN (SELECT link_id, max(t_last) AS last_at FROM batch
           WHERE received_at > now() - %(look_back_s)s * interval '1 second' GROUP BY link_id) AS newest USING (link_id)
LEFT JOIN device_status AS status ON status.device_id = link_name.device_id
WHERE (%(site)s::text IS NULL OR site = %(site)s)
ORDER BY site, device, link
"""
# A further copy of an answered packet (copy > 1) says nothing about delay or loss.
_DELAYS = f"""
WITH waiting AS ({WAITING}),
recent AS (
    SELECT link_id, t, lost, rtt_us, ul_us, dl_us, coalesce(settle_s, 0) AS settle_s,
           CASE WHEN lost > 0 THEN %(infinite_us)s ELSE rtt_us END AS ranked_us,
           t > now() - %(window_s)s * interval '1 second' AS is_new,
           settle_s IS NULL OR (t <= now() - settle_s * interval '1 second'
               AND t > now() - (settle_s + %(window_s)s) * interval '1 second') AS is_settled
    FROM probe LEFT JOIN waiting USING (link_id)
    WHERE t > now() - (%(window_s)s + (SELECT coalesce(max(settle_s), 0) FROM waiting)) * interval '1 second'
      AND copy <= 1)
SELECT link_id, count(*) FILTER (WHERE is_settled AND (is_new OR settle_s > 0)) AS sent,
       count(*) FILTER (WHERE lost > 0 AND is_settled AND (is_new OR settle_s > 0)) AS lost,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY ranked_us) FILTER (WHERE is_new) AS median_us,
       percentile_disc(0.95) WITHIN GROUP (ORDER BY ranked_us) FILTER (WHERE is_new) AS p95_us,
       (array_agg(rtt_us ORDER BY t DESC) FILTER (WHERE rtt_us IS NOT NULL AND is_new))[1] AS latest_us,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY ul_us) FILTER (WHERE is_new) AS up_median_us,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY dl_us) FILTER (WHERE is_new) AS down_median_us,
       max(settle_s) AS settled_s
FROM recent GROUP BY link_id HAVING bool_or(is_new) OR max(settle_s) > 0
"""  # noqa: S608 - made of this program's own words; every value is a parameter
_RADIO = """
SELECT DISTINCT ON (link_id) link_id, t AS at, rat, pci, rsrp_dbm, rsrq_db, sinr_db FROM radio
WHERE t > now() - %(recent_s)s * interval '1 second' ORDER BY link_id, t DESC
"""
_PLACE = """
SELECT DISTINCT ON (device_id) device_id, t AS at, lat_deg, lon_deg, speed_mps, heading_deg, mode
FROM position JOIN link USING (link_id)
WHERE t > now() - %(recent_s)s * interval '1 second' ORDER BY device_id, t DESC
"""


@router.get("/live", responses=described(Live))
def live(
    connection: Connection,
    site: Annotated[str | None, Query(pattern=Name, description="Only this site")] = None,
    window_s: Annotated[int, Query(ge=1, le=3600, description="Seconds that delay and loss are taken over")] = 10,
) -> Response:
    """Return the newest of every link: delay and loss of the window, radio and place of the last minute."""
    row = connection.execute("SELECT now()").fetchone()
    assert row is not None
    return JsonResponse(Live(at=row[0], window_s=window_s, links=_links(connection, site, window_s)))


def _links(connection: psycopg.Connection, site: str | None, window_s: int) -> list[LiveLink]:
    parameters: dict[str, object] = {
        "site": site,
        "window_s": window_s,
        "recent_s": _RECENT_S,
        "look_back_s": _LOOK_BACK_S,
        "infinite_us": _INFINITE_US,
    }
    delays, radios, places = (_by_first(connection, query, parameters) for query in (_DELAYS, _RADIO, _PLACE))
    found = []
    with connection.cursor(row_factory=dict_row) as cursor:
        for row in cursor.execute(_LINKS.encode(), parameters):
            delay = delays.get(row["link_id"])
            radio, place = radios.get(row["link_id"]), places.get(row["device_id"])
            found.append(
                LiveLink(
                    site=row["site"],
                    device=row["device"],
                    link=row["link"],
                    last_at=row["last_at"],
                    state=row["state"],
                    pending_batches=row["pending"],
                    delay=None if delay is None else _delay(delay),
                    radio=None if radio is None else Radio(**radio),
                    place=None if place is None else Place(**place),
                )
            )
    return found


def _delay(row: dict[str, Any]) -> Delay:
    quantiles = {name: None if row[name] == _INFINITE_US else row[name] for name in ("median_us", "p95_us")}
    return Delay(**{**row, **quantiles, "loss_ratio": row["lost"] / row["sent"] if row["sent"] else None})


def _by_first(connection: psycopg.Connection, query: str, parameters: dict[str, object]) -> dict[int, dict[str, Any]]:
    """Return the rows as {first column: the others by name}."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query.encode(), parameters).fetchall()
    return {row.pop(next(iter(row))): row for row in rows}
