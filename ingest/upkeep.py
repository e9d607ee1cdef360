"""What the database needs once a day while data come in: the retention policies applied.

In a thread and on a connection of its own, since a deletion may take minutes and commits must not wait for it.
"""

from __future__ import annotations

import contextlib
import logging
import threading

import psycopg

from storage.connect import connect
from storage.errors import StorageError, UnreachableError
from storage.retention import RetentionError
from storage.retention_policy import apply_policies

log = logging.getLogger("jissho.ingest")

CHECK_EVERY_S = 600.0
"""How often is asked whether a policy is due: a policy that is set now, or a database that comes back, is seen soon."""
_STOP_WAIT_S = 10.0


class Upkeep:
    """Runs until `stop`. Several ingests may have one each: the database knows when a policy was applied."""

    def __init__(self, database_url: str, *, check_every_s: float = CHECK_EVERY_S) -> None:
        """Prepare, without connecting."""
        self._url = database_url
        self._check_every_s = check_every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jissho-ingest-upkeep", daemon=True)
        self._connection: psycopg.Connection | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End it; a deletion that goes on is broken off, and done again by the next start."""
        self._stopping.set()
        connection = self._connection
        if connection is not None:
            # It may have finished this very moment, and its connection with it.
            with contextlib.suppress(psycopg.Error):
                connection.cancel_safe()
        self._thread.join(timeout=_STOP_WAIT_S)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._check()
            self._stopping.wait(self._check_every_s)

    def _check(self) -> None:
        try:
            with connect(self._url, name="jissho-upkeep") as connection:
                self._connection = connection
                deletions = apply_policies(connection)
        except (UnreachableError, RetentionError):
            return  # the committing thread speaks of the former; with the latter somebody else is at it
        except (StorageError, psycopg.Error) as error:
            if not self._stopping.is_set():
                log.warning("retention: %s; trying again in %.0f s", " ".join(str(error).split()), self._check_every_s)
            return
        finally:
            self._connection = None
        for deletion in deletions:
            if deletion.rows or deletion.busy:
                log.info(
                    "retention: %d rows of %s from before %s deleted, %d chunks busy",
                    deletion.rows, deletion.stream, f"{deletion.before:%Y-%m-%d %H:%M} UTC", deletion.busy,
                )  # fmt: skip
