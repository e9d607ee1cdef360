"""Pairs of runs (比較の組): a baseline and a changed run that differ in one thing, with an audit trail.

Several pairs of one name are repetitions of the same change. Nothing is deleted: a pair taken back stays in the list.
"""

from __future__ import annotations

from datetime import datetime

import msgspec
import psycopg
from psycopg.rows import class_row

from contract.topics import NAME
from storage.errors import StorageError
from storage.run_links import check_links
from storage.runs import RunRecord

_SELECT = """
SELECT pair_id, run_pair.name, condition, a.name AS baseline, b.name AS changed, link, other_link, paired_by, paired_at,
       revoked_by, revoked_at, revoke_reason
FROM run_pair JOIN run a ON a.run_id = baseline_id JOIN run b ON b.run_id = changed_id
"""


class RunPair(msgspec.Struct, frozen=True, kw_only=True):
    """One repetition of a pair: the names of its runs, and what differs between them (`condition`).

    Empty `link`: all links that both have; empty `other_link`: the same link of the changed run. `revoked_at` is None
    while it holds.
    """

    pair_id: int
    name: str
    condition: str
    baseline: str
    changed: str
    link: str
    other_link: str
    paired_by: str
    paired_at: datetime
    revoked_by: str | None
    revoked_at: datetime | None
    revoke_reason: str | None


class UnknownPairError(StorageError):
    """Raised when no pair of the given name holds."""


def pair_runs(
    connection: psycopg.Connection, name: str, baseline: RunRecord, changed: RunRecord, *, condition: str = "",
    link: str = "", other_link: str = "", paired_by: str = "",
) -> RunPair:  # fmt: skip
    """Register a pair, or one more repetition of a pair that there is.

    A repetition has the condition and the links of the first one; they need not be given again. Raises StorageError
    for another condition or link, a run that the pair has already, a link that a run does not have, or a run paired
    with itself without two links.
    """
    if not NAME.match(name):
        raise StorageError(f"pair name {name!r}: use lower-case letters, digits, '-' and '_' (at most 63)")
    held = list_pairs(connection, name, revoked=False)
    if held:
        first = held[0]
        stated = {"condition": (condition, first.condition), "link": (link, first.link),
                  "other-link": (other_link, first.other_link)}  # fmt: skip
        for what, (given, known) in stated.items():
            if given and given != known:
                raise StorageError(
                    f"pair {name} has --{what} {known!r}, not {given!r}: repetitions share it; use another --as name"
                )
        condition, link, other_link = first.condition, first.link, first.other_link
    check_links(connection, baseline, link)
    check_links(connection, changed, other_link or link)
    if baseline.run_id == changed.run_id and (not link or other_link in {"", link}):
        raise StorageError(
            f"run {baseline.name} would be paired with itself: name another run, or two links with --link and"
            " --other-link"
        )
    for pair in held:
        if taken := {pair.baseline, pair.changed} & {baseline.name, changed.name}:
            raise StorageError(
                f"run {min(taken)} is in pair {name} already (number {pair.pair_id}): each repetition has runs of its"
                f" own; `jissho run pairs {name}`"
            )
    row = connection.execute(
        "INSERT INTO run_pair (name, condition, baseline_id, changed_id, link, other_link, paired_by)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING pair_id",
        (name, condition.strip(), baseline.run_id, changed.run_id, link, other_link, paired_by.strip()),
    ).fetchone()
    assert row is not None
    return _one(connection, row[0])


def unpair(connection: psycopg.Connection, pair_id: int, *, revoked_by: str, reason: str) -> RunPair:
    """Take a pair back; it stays in the list.

    Raises StorageError if there is no such one that still holds, or without reason or person.
    """
    for name, text in (("by", revoked_by), ("reason", reason)):
        if not text.strip():
            raise StorageError(f"--{name} must not be empty: a comparison that is taken back leaves its trail")
    row = connection.execute(
        "UPDATE run_pair SET revoked_by = %s, revoked_at = now(), revoke_reason = %s"
        " WHERE pair_id = %s AND revoked_at IS NULL RETURNING pair_id",
        (revoked_by.strip(), reason.strip(), pair_id),
    ).fetchone()
    if row is None:
        raise StorageError(f"no pair has the number {pair_id} and holds: see `jissho run pairs`")
    return _one(connection, row[0])


def list_pairs(connection: psycopg.Connection, name: str = "", *, revoked: bool = True) -> list[RunPair]:
    """Return the pairs (of one name) in the order in which they were made; `revoked`: also those taken back."""
    with connection.cursor(row_factory=class_row(RunPair)) as cursor:
        return cursor.execute(
            f"{_SELECT} WHERE (%s = '' OR run_pair.name = %s) AND (%s OR revoked_at IS NULL)"
            " ORDER BY run_pair.name, pair_id".encode(),
            (name, name, revoked),
        ).fetchall()


def get_pair(connection: psycopg.Connection, name: str) -> list[RunPair]:
    """Return the repetitions of a pair that hold, at least one. Raises UnknownPairError that lists what there is."""
    found = list_pairs(connection, name, revoked=False) if name else []
    if not found:
        names = ", ".join(dict.fromkeys(pair.name for pair in list_pairs(connection, revoked=False))) or "none yet"
        raise UnknownPairError(f"no pair {name!r}; there are: {names} (`jissho run pair A B --as NAME`)")
    return found


def pairs_of_run(connection: psycopg.Connection, run: RunRecord) -> list[str]:
    """Return the names of the pairs that a run is in and that hold."""
    rows = connection.execute(
        "SELECT DISTINCT name FROM run_pair WHERE %s IN (baseline_id, changed_id) AND revoked_at IS NULL ORDER BY name",
        (run.run_id,),
    )
    return [name for (name,) in rows]


def _one(connection: psycopg.Connection, pair_id: int) -> RunPair:
    with connection.cursor(row_factory=class_row(RunPair)) as cursor:
        record = cursor.execute(f"{_SELECT} WHERE pair_id = %s".encode(), (pair_id,)).fetchone()
    assert record is not None
    return record
