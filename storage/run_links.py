"""The links of a run by their names, and what is said of one that it does not have."""

from __future__ import annotations

import psycopg

from storage.errors import StorageError
from storage.reader import link_ids
from storage.runs import RunRecord


def check_links(connection: psycopg.Connection, run: RunRecord, *links: str, remedy: str = "") -> None:
    """Raise StorageError for a link that the run does not have, with those it has and a remedy; "" is all of them."""
    known = sorted({name for _, name in link_ids(connection, run.site, run.devices, run.links) if name})
    have = f"its links are {', '.join(known)}" if known else "none of its links has sent anything yet"
    for link in filter(None, links):
        if link not in known:
            raise StorageError(f"run {run.name} has no link {link!r}: {have}{remedy}")
