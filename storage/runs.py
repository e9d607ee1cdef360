"""The run register: a run (走行・測定) is a named interval at a site with its conditions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import psycopg
from psycopg.rows import class_row

from contract.topics import NAME
from storage.errors import StorageError

_COLUMNS = "run_id, name, site, devices, links, started_at, ended_at, purpose, weather, note, tags, valid, evidence"


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One run. Empty `devices` or `links` mean all of the site. `ended_at` is None while it goes on.

    `evidence`: retention leaves its raw samples alone.
    """

    run_id: int
    name: str
    site: str
    devices: list[str]
    links: list[str]
    started_at: datetime
    ended_at: datetime | None
    purpose: str
    weather: str
    note: str
    tags: list[str]
    valid: bool
    evidence: bool = False


class UnknownRunError(StorageError):
    """Raised when no run has the given name or number."""


def start_run(
    connection: psycopg.Connection,
    *,
    name: str,
    site: str,
    started_at: datetime,
    ended_at: datetime | None = None,
    devices: list[str] | None = None,
    links: list[str] | None = None,
    **conditions: Any,
) -> RunRecord:
    """Register a run and return it. `conditions`: purpose, weather, note, tags, evidence.

    Raises StorageError if the name is taken or not fit for a file name.
    """
    if not NAME.match(name):
        raise StorageError(f"run name {name!r}: use lower-case letters, digits, '-' and '_' (at most 63)")
    values = {
        "name": name,
        "site": site,
        "devices": devices or [],
        "links": links or [],
        "started_at": started_at,
        "ended_at": ended_at,
        "purpose": "",
        "weather": "",
        "note": "",
        "tags": [],
        "evidence": False,
        **conditions,
    }
    try:
        with connection.cursor(row_factory=class_row(RunRecord)) as cursor:
            record = cursor.execute(
                "INSERT INTO run (name, site, devices, links, started_at, ended_at, purpose, weather, note, tags,"
                " evidence)"
                " VALUES (%(name)s, %(site)s, %(devices)s, %(links)s, %(started_at)s, %(ended_at)s, %(purpose)s,"
                f" %(weather)s, %(note)s, %(tags)s, %(evidence)s) RETURNING {_COLUMNS}".encode(),
                values,
            ).fetchone()
    except psycopg.errors.UniqueViolation as error:
        raise StorageError(
            f"a run named {name!r} exists already: choose another name, or see `jissho run show {name}`"
        ) from error
    assert record is not None
    return record


def stop_run(connection: psycopg.Connection, name: str, *, ended_at: datetime) -> RunRecord:
    """Set the end of a run that goes on. Raises UnknownRunError, or StorageError if it has an end already."""
    record = get_run(connection, name)
    if record.ended_at is not None:
        raise StorageError(f"run {record.name!r} ended at {record.ended_at:%Y-%m-%d %H:%M:%S} UTC already")
    connection.execute("UPDATE run SET ended_at = %s WHERE run_id = %s", (ended_at, record.run_id))
    return get_run(connection, record.name)


def mark_evidence(connection: psycopg.Connection, name: str, *, is_evidence: bool) -> RunRecord:
    """Have retention leave the raw samples of a run alone, or treat them as any other. Raises UnknownRunError."""
    record = get_run(connection, name)
    connection.execute("UPDATE run SET evidence = %s WHERE run_id = %s", (is_evidence, record.run_id))
    return get_run(connection, record.name)


def widen_run(
    connection: psycopg.Connection, name: str, started_at: datetime, ended_at: datetime, *, device: str, link: str
) -> RunRecord:
    """Make a run reach at least from `started_at` to `ended_at` and hold a device's link, as an import into it does."""
    record = get_run(connection, name)
    connection.execute(
        "UPDATE run SET started_at = least(started_at, %(start)s), ended_at = greatest(ended_at, %(end)s),"
        # Empty lists mean all: they hold the device and the link already.
        " devices = CASE WHEN devices = '{}' OR %(device)s = ANY(devices) THEN devices"
        " ELSE devices || %(device)s::text END,"
        " links = CASE WHEN links = '{}' OR %(link)s = ANY(links) THEN links ELSE links || %(link)s::text END"
        " WHERE run_id = %(run)s",
        {"start": started_at, "end": ended_at, "device": device, "link": link, "run": record.run_id},
    )
    return get_run(connection, name)


def get_run(connection: psycopg.Connection, name_or_id: str | int) -> RunRecord:
    """Return the run with this name, or with this number. Raises UnknownRunError that lists what there is."""
    text = str(name_or_id)
    with connection.cursor(row_factory=class_row(RunRecord)) as cursor:
        record = cursor.execute(f"SELECT {_COLUMNS} FROM run WHERE name = %s".encode(), (text,)).fetchone()
        # Nine digits always fit the integer key; a longer number can only be a name.
        if record is None and text.isascii() and text.isdigit() and len(text) < 10:  # noqa: PLR2004
            record = cursor.execute(f"SELECT {_COLUMNS} FROM run WHERE run_id = %s".encode(), (int(text),)).fetchone()
    if record is None:
        names = ", ".join(run.name for run in list_runs(connection, limit=5)) or "none yet"
        raise UnknownRunError(f"no run {text!r}; the latest are: {names} (`jissho run list`)")
    return record


def list_runs(connection: psycopg.Connection, *, limit: int | None = None) -> list[RunRecord]:
    """Return the runs, latest first."""
    with connection.cursor(row_factory=class_row(RunRecord)) as cursor:
        return cursor.execute(
            f"SELECT {_COLUMNS} FROM run ORDER BY started_at DESC, run_id DESC LIMIT %s".encode(), (limit,)
        ).fetchall()
