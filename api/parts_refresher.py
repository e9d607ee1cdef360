"""Keeps the parts of the probe KPIs up to date beside the API, in a thread and over a connection of its own."""

from __future__ import annotations

import threading
from contextlib import closing

import psycopg
import structlog

from analytics.part_loader import refresh_parts, stored_deadlines
from analytics.part_segments import Deadlines
from api.problems import one_line
from storage.connect import connect
from storage.errors import StorageError

_log = structlog.get_logger("api")
STOP_WAIT_S = 30.0


class PartsRefresher:
    """Refreshes every `every_s` seconds until it is stopped. Several servers on one database take turns."""

    def __init__(self, database_url: str, every_s: float, deadlines: Deadlines) -> None:
        """Keep the settings; `deadlines` are those that new parts are made with."""
        self._url, self._every_s, self._deadlines = database_url, every_s, deadlines
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jissho-parts", daemon=True)
        self._connection: psycopg.Connection | None = None
        self._is_failing = False
        self._is_warned = False

    def start(self) -> None:
        """Begin; a database that is not there yet is waited for."""
        self._thread.start()

    def stop(self) -> None:
        """End after the hour that is being computed."""
        self._stopping.set()
        self._thread.join(STOP_WAIT_S)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._refresh()
                self._is_failing = False
            except (StorageError, psycopg.Error) as error:
                if not self._is_failing:
                    _log.warning("parts are not refreshed, answers take longer until they are", error=one_line(error))
                self._is_failing = True
                self._close()
            self._stopping.wait(self._every_s)
        self._close()

    def _refresh(self) -> None:
        if self._connection is None:
            self._connection = connect(self._url, name="jissho-parts")
        with closing(refresh_parts(self._connection, self._deadlines)) as steps:
            for _ in steps:
                if self._stopping.is_set():
                    break
        if not self._is_warned and stored_deadlines(self._connection) != self._deadlines:
            _log.warning("parts were made with the deadlines of another profile: `jissho parts rebuild` changes them")
            self._is_warned = True

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
