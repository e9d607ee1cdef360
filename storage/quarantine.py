"""The quarantine: what was refused, kept whole with its reason, until it can be taken after all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
import psycopg
from psycopg.rows import class_row

from storage.errors import StorageError

_SITE = "CASE WHEN starts_with(topic, 'jissho/') THEN split_part(topic, '/', 3) ELSE '' END"
_DEVICE = "CASE WHEN starts_with(topic, 'jissho/') THEN split_part(topic, '/', 4) ELSE '' END"
_COLUMNS = (
    f"quarantine_id, received_at, topic, {_SITE} AS site, {_DEVICE} AS device,"
    " epoch, seq, reason, detail, octet_length(payload) AS bytes, encode(payload_sha256, 'hex') AS sha256, seen,"
    " replayed_at"
)


class QuarantineEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One refused payload without its bytes. `site` and `device` are those of the topic: who was allowed to send it.

    They are empty for a foreign device, whose topic only a profile can read.

    `epoch` and `seq` are None where the payload does not say whose it is. `seen` counts how often the same bytes came.
    `replayed_at` is None while it is refused.
    """

    quarantine_id: int
    received_at: datetime
    topic: str
    site: str
    device: str
    epoch: str | None
    seq: int | None
    reason: str
    detail: str
    bytes: int
    sha256: str
    seen: int
    replayed_at: datetime | None


class UnknownEntryError(StorageError):
    """Raised when the quarantine has no entry with the given number."""


def list_entries(
    connection: psycopg.Connection,
    *,
    reason: str = "",
    device: str = "",
    limit: int | None = None,
    with_replayed: bool = False,
) -> list[QuarantineEntry]:
    """Return entries, latest first; an empty `reason` or `device` means all."""
    with connection.cursor(row_factory=class_row(QuarantineEntry)) as cursor:
        return cursor.execute(
            f"SELECT {_COLUMNS} FROM quarantine"
            " WHERE (%(reason)s = '' OR reason = %(reason)s)"
            f" AND (%(device)s = '' OR {_DEVICE} = %(device)s)"
            " AND (%(all)s OR replayed_at IS NULL)"
            " ORDER BY quarantine_id DESC LIMIT %(limit)s".encode(),
            {"reason": reason, "device": device, "limit": limit, "all": with_replayed},
        ).fetchall()


def get_entry(connection: psycopg.Connection, quarantine_id: int) -> QuarantineEntry:
    """Return one entry. Raises UnknownEntryError."""
    with connection.cursor(row_factory=class_row(QuarantineEntry)) as cursor:
        entry = cursor.execute(
            f"SELECT {_COLUMNS} FROM quarantine WHERE quarantine_id = %s::int8".encode(), (quarantine_id,)
        ).fetchone()
    if entry is None:
        raise UnknownEntryError(f"no entry {quarantine_id} in quarantine: `jissho quarantine list --all` shows them")
    return entry


def read_payload(connection: psycopg.Connection, quarantine_id: int) -> bytes:
    """Return the bytes of one entry. Raises UnknownEntryError."""
    get_entry(connection, quarantine_id)
    row = connection.execute(
        "SELECT payload FROM quarantine WHERE quarantine_id = %s::int8", (quarantine_id,)
    ).fetchone()
    assert row is not None
    return bytes(row[0])


def mark_replayed(connection: psycopg.Connection, quarantine_ids: Sequence[int]) -> None:
    """Note that entries are taken now; those that were keep their time."""
    connection.execute(
        "UPDATE quarantine SET replayed_at = now() WHERE quarantine_id = ANY(%s::int8[]) AND replayed_at IS NULL",
        (list(quarantine_ids),),
    )


def restate(connection: psycopg.Connection, quarantine_id: int, *, reason: str, detail: str, was_filed: bool) -> None:
    """Give an entry the reason for which it is refused today.

    `was_filed`: trying it again filed it again, which is no arrival and is taken off `seen`.
    """
    connection.execute(
        "UPDATE quarantine SET reason = %s, detail = %s, seen = seen - %s WHERE quarantine_id = %s::int8",
        (reason, detail, int(was_filed), quarantine_id),
    )
