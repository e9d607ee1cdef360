"""Life signs of devices: the last one of each, and a log of the changes of state.

The broker speaks for a device that is gone: its will ("lost") was written when the connection began, so it carries
neither the time of the loss nor what the outbox holds. Only its state is taken, and only while the device counts as
online; time and counts stay those of the last life sign.
"""

from __future__ import annotations

import psycopg

from contract.envelope import Status

LOST = "lost"
"""State of a will."""

_SIGN = """
INSERT INTO device_status VALUES (%(device)s, %(state)s, %(at)s, %(epoch)s, %(taken)s, %(pending)s, %(agent)s,
                                  %(sources)s, now())
ON CONFLICT (device_id) DO UPDATE
SET (state, at, epoch, taken, pending, agent, sources, received_at) =
    (excluded.state, excluded.at, excluded.epoch, excluded.taken, excluded.pending, excluded.agent, excluded.sources,
     excluded.received_at)
WHERE device_status.at <= excluded.at
""".replace("%(at)s", "to_timestamp(%(at_ns)s / 1e9)")
_WILL = """
UPDATE device_status SET state = 'lost', received_at = now()
WHERE device_id = %(device)s AND epoch = %(epoch)s AND state = 'online'
"""
_LOG = """
INSERT INTO device_status_log (device_id, state, at, epoch, taken, pending)
SELECT device_id, state, at, epoch, taken, pending FROM device_status AS now
WHERE device_id = %(device)s AND (state, epoch) IS DISTINCT FROM (
    SELECT (before.state, before.epoch) FROM device_status_log AS before
    WHERE before.device_id = now.device_id ORDER BY change_id DESC LIMIT 1)
"""


def note_status(connection: psycopg.Connection, device_id: int, status: Status) -> None:
    """Store a life sign unless a newer one is known, and log it where the state or the outbox life changed."""
    parameters = {
        "device": device_id,
        "state": status.state,
        "at_ns": status.at_ns,
        "epoch": status.epoch,
        "taken": status.taken,
        "pending": status.pending,
        "agent": status.agent,
        "sources": status.sources,
    }
    with connection.transaction():
        # The row's lock keeps two writers from logging one change twice.
        is_known = connection.execute(
            "SELECT 1 FROM device_status WHERE device_id = %(device)s FOR UPDATE", parameters
        ).fetchone()
        connection.execute((_WILL if status.state == LOST and is_known else _SIGN).encode(), parameters)
        connection.execute(_LOG.encode(), parameters)
