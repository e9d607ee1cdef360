"""Exclusions of a run (除外区間): intervals that its figures leave out, with an audit trail.

Nothing is deleted: data stay, revoked exclusions stay, and results are stated with and without.
"""

from __future__ import annotations

from datetime import datetime

import msgspec
import psycopg
from psycopg.rows import class_row

from storage.errors import StorageError
from storage.run_links import check_links
from storage.runs import RunRecord

_COLUMNS = (
    "exclusion_id, link, started_at, ended_at, reason, excluded_by, excluded_at, revoked_by, revoked_at, revoke_reason"
)


class Exclusion(msgspec.Struct, frozen=True, kw_only=True):
    """One exclusion. Empty `link` means all links of the run; `revoked_at` is None while it holds."""

    exclusion_id: int
    link: str
    started_at: datetime
    ended_at: datetime
    reason: str
    excluded_by: str
    excluded_at: datetime
    revoked_by: str | None
    revoked_at: datetime | None
    revoke_reason: str | None


def exclude(
    connection: psycopg.Connection, run: RunRecord, *, started_at: datetime, ended_at: datetime, reason: str,
    excluded_by: str, link: str = "",
) -> Exclusion:  # fmt: skip
    """Leave an interval out of a run's figures.

    Raises StorageError for one outside it, without reason or person, or for a link that the run does not have.
    """
    _check_trail(reason=reason, by=excluded_by)
    check_links(connection, run, link, remedy="; without --link all are left out")
    if started_at >= ended_at:
        raise StorageError(f"the exclusion ends at {ended_at.isoformat()}, not after its start: swap --start and --end")
    if ended_at <= run.started_at or (run.ended_at is not None and started_at >= run.ended_at):
        raise StorageError(
            f"the interval lies outside run {run.name} ({run.started_at.isoformat()} to"
            f" {run.ended_at.isoformat() if run.ended_at else 'now'}): see `jissho run show {run.name}`"
        )
    with connection.cursor(row_factory=class_row(Exclusion)) as cursor:
        record = cursor.execute(
            "INSERT INTO exclusion (run_id, link, started_at, ended_at, reason, excluded_by)"
            f" VALUES (%s, %s, %s, %s, %s, %s) RETURNING {_COLUMNS}".encode(),
            (run.run_id, link, started_at, ended_at, reason.strip(), excluded_by.strip()),
        ).fetchone()
    assert record is not None
    return record


def revoke(
    connection: psycopg.Connection, run: RunRecord, exclusion_id: int, *, revoked_by: str, reason: str
) -> Exclusion:
    """Take an exclusion back; it stays in the list.

    Raises StorageError if there is no such one that still holds, or without reason or person.
    """
    _check_trail(reason=reason, by=revoked_by)
    with connection.cursor(row_factory=class_row(Exclusion)) as cursor:
        record = cursor.execute(
            "UPDATE exclusion SET revoked_by = %s, revoked_at = now(), revoke_reason = %s"
            f" WHERE run_id = %s AND exclusion_id = %s AND revoked_at IS NULL RETURNING {_COLUMNS}".encode(),
            (revoked_by.strip(), reason.strip(), run.run_id, exclusion_id),
        ).fetchone()
    if record is None:
        raise StorageError(
            f"run {run.name} has no exclusion {exclusion_id} that holds: see `jissho exclusion list {run.name}`"
        )
    return record


def _check_trail(**texts: str) -> None:
    for name, text in texts.items():
        if not text.strip():
            raise StorageError(f"--{name} must not be empty: an exclusion without it cannot be defended in a report")


def list_exclusions(connection: psycopg.Connection, run: RunRecord, *, revoked: bool = True) -> list[Exclusion]:
    """Return the exclusions of a run in order of time; `revoked`: also those taken back."""
    with connection.cursor(row_factory=class_row(Exclusion)) as cursor:
        return cursor.execute(
            f"SELECT {_COLUMNS} FROM exclusion WHERE run_id = %s AND (%s OR revoked_at IS NULL)"
            " ORDER BY started_at, exclusion_id".encode(),
            (run.run_id, revoked),
        ).fetchall()
