"""How long raw samples are kept: a setting in the database, which ingest applies once a day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import psycopg

from contract.streams import STREAMS
from storage.retention import StreamDeletion, delete_older


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """How long a stream is kept. `stream` is empty for every stream without a policy of its own."""

    stream: str
    older_than: timedelta
    set_at: datetime
    applied_at: datetime | None


def set_policy(connection: psycopg.Connection, stream: str, older_than: timedelta | None) -> None:
    """Keep a stream (empty: all of them) for `older_than`; None takes the policy away."""
    if older_than is None:
        connection.execute("DELETE FROM retention_policy WHERE stream = %s", (stream,))
        return
    connection.execute(
        "INSERT INTO retention_policy (stream, older_than) VALUES (%s, %s) ON CONFLICT (stream) DO UPDATE"
        " SET (older_than, set_at, applied_at) = (excluded.older_than, now(), NULL)",
        (stream, older_than),
    )


def list_policies(connection: psycopg.Connection) -> list[Policy]:
    """Return the policies; the one for every stream comes first."""
    rows = connection.execute("SELECT stream, older_than, set_at, applied_at FROM retention_policy ORDER BY stream")
    return [Policy(stream=s, older_than=o, set_at=at, applied_at=applied) for s, o, at, applied in rows]


def policy_limits(policies: list[Policy], now: datetime) -> dict[str, datetime]:
    """Return before which time each stream is to be deleted; a stream's own policy goes before that for all."""
    ages = {policy.stream: policy.older_than for policy in policies}
    return {stream: now - age for stream in STREAMS if (age := ages.get(stream, ages.get(""))) is not None}


def apply_policies(
    connection: psycopg.Connection, *, every: timedelta = timedelta(days=1), now: datetime | None = None
) -> list[StreamDeletion]:
    """Apply the policies if one of them was not applied for `every`; return what was deleted, nothing if none is due.

    Several ingests may call it: the first one does the work.
    """
    now = now or datetime.now(tz=UTC)
    policies = list_policies(connection)
    if all(policy.applied_at is not None and policy.applied_at > now - every for policy in policies):
        return []
    deleted = delete_older(connection, policy_limits(policies, now), cause="policy")
    connection.execute(
        "UPDATE retention_policy SET applied_at = %s WHERE stream = ANY(%s)",
        (now, [policy.stream for policy in policies]),
    )
    return deleted
