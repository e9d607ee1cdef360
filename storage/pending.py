"""Packets that are still under way: until a sender's timeout has passed, a lost packet has no row and nobody knows.

An answered packet is in the database within a second, a lost one only after the timeout (15 s by default). The newest
seconds therefore hold answered packets only: they look free of loss, and the numbers in between look absent. Whoever
counts losses up to "now" must stop at what is settled. Sources without a timeout (imports, replays) settle at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

WRITTEN_S = 2.0
"""From the timeout to the row in the database: batching, sending and committing take one second."""

WAITING = f"""
SELECT DISTINCT ON (link_id) link_id, (detail->'timeout_s')::float8 + {WRITTEN_S} AS settle_s FROM event
WHERE name = 'probe.session' AND jsonb_typeof(detail->'timeout_s') = 'number' AND t > now() - interval '30 days'
ORDER BY link_id, t DESC
"""
"""A table (link_id, settle_s) of the links that are probed with a timeout. Sessions last 24 days at the most."""


def settle_seconds(connection: psycopg.Connection, link_ids: Sequence[int]) -> dict[int, float]:
    """Return {link_id: seconds} after which a packet's fate is in the database; links without a timeout are absent."""
    rows = connection.execute(
        f"SELECT link_id, settle_s FROM ({WAITING}) AS waiting WHERE link_id = ANY(%s)".encode(), (list(link_ids),)
    )
    return {int(link_id): float(settle_s) for link_id, settle_s in rows}
