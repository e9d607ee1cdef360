"""The links of a run by their names, and what is said of one that it does not have."""

from __future__ import annotations

import psycopg

from storage.errors import StorageError
from storage.reader import link_ids
from storage.runs import RunRecord


class UnknownLinkError(StorageError):
    """Raised when a run has no link of the given name."""


def check_links(connection: psycopg.Connection, run: RunRecord, *links: str, remedy: str = "") -> None:
    """Raise UnknownLinkError, with a remedy, for a link that the run does not have; "" is all of them."""
    known = sorted({name for _, name in link_ids(connection, run.site, run.devices, run.links) if name})
    have = f"its links are {', '.join(known)}" if known else "none of its links has sent anything yet"
    for link in filter(None, links):
        if link not in known:
            raise UnknownLinkError(f"run {run.name} has no link {link!r}: {have}{remedy}")
