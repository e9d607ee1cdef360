"""The field book (野帳): when the device stands at which measuring point, and the tests made there.

A file beside the outbox, since two processes write to it: the command of the person at the site (`jissho point`), and
the agent, which puts into the outbox what the book says and keeps count of the tests. Either works without the other.
SQLite in WAL mode with `synchronous=FULL`, as the outbox.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple, Self

import msgspec

from contract.samples import Sample

LONGEST_STAY_S = 3600
"""Three tests each way take some minutes. Whoever forgot to say that they left would mark a whole drive."""

_JST = timezone(timedelta(hours=9))
_SCHEMA = """
CREATE TABLE IF NOT EXISTS stay (
    number INTEGER PRIMARY KEY, point TEXT NOT NULL, arrived_ns INTEGER NOT NULL, left_ns INTEGER,
    lat_deg REAL, lon_deg REAL, ended_by TEXT NOT NULL DEFAULT '', told INTEGER NOT NULL DEFAULT 0,
    fix_lat_deg REAL, fix_lon_deg REAL
);
CREATE TABLE IF NOT EXISTS test (
    number INTEGER PRIMARY KEY, stay INTEGER NOT NULL, link TEXT NOT NULL, direction TEXT NOT NULL,
    protocol TEXT NOT NULL, trial INTEGER, ended_ns INTEGER NOT NULL, interval_s REAL NOT NULL,
    rate_bps REAL, sample TEXT
);
"""


class FieldBookError(RuntimeError):
    """Raised when a mark cannot stand in the book; the message says what to do."""


class Stay(NamedTuple):
    """A stay at a point, in Unix nanoseconds; `left_ns` is None while it lasts.

    `lat_deg` and `lon_deg` are where the point is, as surveyed (None: the plan does not say). `ended_by` is empty where
    a person ended it, else what the agent noticed: "moved" or "time". `told` counts its events in the outbox.
    `fix_lat_deg` and `fix_lon_deg` are where the device stood, by its first fix (None: none yet).
    """

    number: int
    point: str
    arrived_ns: int
    left_ns: int | None
    lat_deg: float | None
    lon_deg: float | None
    ended_by: str
    told: int
    fix_lat_deg: float | None = None
    fix_lon_deg: float | None = None


class FieldTest(NamedTuple):
    """A test at a point, or a part of one: parts of a test share its number.

    `trial` is None until the agent has numbered it, `rate_bps` where it failed. `sample` is the row of stream
    `throughput` as JSON, as long as it waits for the agent.
    """

    number: int
    stay: int
    link: str
    direction: str
    protocol: str
    trial: int | None
    ended_ns: int
    interval_s: float
    rate_bps: float | None
    sample: str | None


class FieldBook:
    """One book, opened by one thread at a time; other processes may have it open as well."""

    def __init__(self, path: Path) -> None:
        """Open or create the file. Raises FieldBookError where it cannot be used."""
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise FieldBookError(
                f"field book {path} cannot be used: {error}; is the disk full? An unreadable file may be moved away"
            ) from error

    def _write(self, statement: str, values: Sequence[object]) -> int:
        try:
            return int(self._db.execute(statement, values).lastrowid or 0)
        except sqlite3.Error as error:
            raise FieldBookError(f"field book {self.path} cannot be written: {error}; is the disk full?") from error

    def version(self) -> int:
        """Return a number that changes when another process has written: cheap enough to ask ten times a second."""
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def stays(self, since_ns: int = 0) -> list[Stay]:
        """Return the stays in the order in which they were marked, those that ended before `since_ns` left out."""
        rows = self._db.execute(
            "SELECT * FROM stay WHERE coalesce(left_ns, ?) >= ? ORDER BY number", (since_ns, since_ns)
        )
        return [Stay(*row) for row in rows]

    def untold(self) -> list[Stay]:
        """Return the stays of whose beginning or end the outbox has no event yet."""
        rows = self._db.execute("SELECT * FROM stay WHERE told < 1 + (left_ns IS NOT NULL) ORDER BY number")
        return [Stay(*row) for row in rows]

    def open_stay(self) -> Stay | None:
        """Return the stay that lasts, if any."""
        row = self._db.execute("SELECT * FROM stay WHERE left_ns IS NULL ORDER BY number DESC LIMIT 1").fetchone()
        return None if row is None else Stay(*row)

    def arrive(
        self, point: str, at_ns: int, now_ns: int, *, lat_deg: float | None = None, lon_deg: float | None = None
    ) -> Stay:
        """Mark the arrival at a point. Raises FieldBookError while another stay lasts, and for a time that cannot be.

        `now_ns` is the present time: nothing is marked ahead.
        """
        with self._alone():
            before = self.open_stay()
            if before is not None:
                raise FieldBookError(
                    f"still at point {before.point} since {clock_text(before.arrived_ns)} / {before.point}にいます"
                    f": first `jissho point leave`; if you left earlier, `jissho point leave --at TIME`"
                )
            last_ns = self._db.execute("SELECT max(left_ns) FROM stay").fetchone()[0] or 0
            if at_ns < last_ns:
                raise FieldBookError(
                    f"{clock_text(at_ns)} is before the last point was left ({clock_text(last_ns)}): give a later --at"
                )
            _not_ahead(at_ns, now_ns)
            number = self._write(
                "INSERT INTO stay (point, arrived_ns, lat_deg, lon_deg) VALUES (?, ?, ?, ?)",
                (point, at_ns, lat_deg, lon_deg),
            )
        return Stay(number, point, at_ns, None, lat_deg, lon_deg, "", 0)

    def leave(self, at_ns: int, now_ns: int) -> Stay:
        """Mark that the point was left. Raises FieldBookError at no point, and for a time that cannot be."""
        with self._alone():
            stay = self.open_stay()
            if stay is None:
                raise FieldBookError(
                    "at no measuring point / どの測定点にもいません: `jissho point arrive NAME` comes first"
                )
            if at_ns < stay.arrived_ns:
                raise FieldBookError(
                    f"{clock_text(at_ns)} is before the arrival at {stay.point} ({clock_text(stay.arrived_ns)}): "
                    "give a later --at"
                )
            _not_ahead(at_ns, now_ns)
            self.end(stay, at_ns)
        return stay._replace(left_ns=at_ns)

    def end(self, stay: Stay, left_ns: int, ended_by: str = "") -> None:
        """End a stay that lasts; `ended_by` says what the agent noticed."""
        self._write(
            "UPDATE stay SET left_ns = ?, ended_by = ? WHERE number = ? AND left_ns IS NULL",
            (left_ns, ended_by, stay.number),
        )

    def fixed(self, number: int, lat_deg: float, lon_deg: float) -> None:
        """Note where the device stood first during a stay."""
        self._write(
            "UPDATE stay SET fix_lat_deg = ?, fix_lon_deg = ? WHERE number = ? AND fix_lat_deg IS NULL",
            (lat_deg, lon_deg, number),
        )

    def told(self, stay: Stay) -> None:
        """Note that the outbox has the events of a stay as far as this one says."""
        self._write("UPDATE stay SET told = ? WHERE number = ?", (1 + (stay.left_ns is not None), stay.number))

    def add_test(
        self, stay: Stay, link: str, ended_ns: int, sample: Sample, *, trial: int | None = None
    ) -> None:  # fmt: skip
        """Write down a test. Without a number it waits for the agent, with one the agent has it already."""
        waiting = msgspec.json.encode(dict(sample)).decode() if trial is None else None
        self._write(
            "INSERT INTO test (stay, link, direction, protocol, trial, ended_ns, interval_s, rate_bps, sample)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                stay.number, link, sample["direction"], sample["protocol"], trial, ended_ns, sample["interval_s"],
                sample.get("rate_bps"), waiting,
            ),
        )  # fmt: skip

    def waiting(self) -> list[FieldTest]:
        """Return the tests that the agent has not taken yet, in the order in which they were made."""
        return self._tests("WHERE sample IS NOT NULL")

    def tests(self, stay: Stay) -> list[FieldTest]:
        """Return the tests of a stay in the order in which they were made, each part of one by itself."""
        return self._tests("WHERE stay = ?", stay.number)

    def tests_at(self, point: str) -> list[FieldTest]:
        """Return the tests of a point, of all its stays."""
        return self._tests("WHERE stay IN (SELECT number FROM stay WHERE point = ?)", point)

    def _tests(self, which: str, *values: object) -> list[FieldTest]:
        statement = f"SELECT * FROM test {which} ORDER BY ended_ns, number"  # noqa: S608 - `which` is one of those above
        return [FieldTest(*row) for row in self._db.execute(statement, values)]

    def taken(self, test: FieldTest) -> None:
        """Note that the outbox has a test, under its number."""
        self._write("UPDATE test SET trial = ?, sample = NULL WHERE number = ?", (test.trial, test.number))

    def last_trials(self) -> dict[tuple[str, str, str, str], tuple[int, int]]:
        """Return {(point, link, direction, protocol): (highest number, end of its last row in Unix ns)}."""
        rows = self._db.execute(
            "SELECT point, link, direction, protocol, max(trial), max(ended_ns)"
            " FROM test JOIN stay ON stay = stay.number WHERE trial IS NOT NULL GROUP BY 1, 2, 3, 4"
        )
        return {
            (point, link, direction, protocol): (trial, end) for point, link, direction, protocol, trial, end in rows
        }

    def _alone(self) -> _Alone:
        return _Alone(self._db, self.path)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Alone:
    """A transaction that nobody else writes beside: two commands at once must not both arrive."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db, self._path = db, path

    def __enter__(self) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise FieldBookError(f"field book {self._path} cannot be written: {error}; try again") from error

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._db.execute("COMMIT" if kind is None else "ROLLBACK")


def book_path(outbox: Path) -> Path:
    """Return where the field book of a device lies: beside its outbox."""
    return outbox.with_name(f"{outbox.name}.points")


def check_point(name: str) -> str:
    """Return the name of a point without blanks around it; raise ValueError for one that cannot be read or told."""
    name = name.strip()
    if not name or len(name) > 63 or not name.isprintable():  # noqa: PLR2004 - as long as any other name
        raise ValueError(f"{name!r} cannot name a measuring point: use 1 to 63 printable characters, e.g. P-01")
    return name


def _not_ahead(at_ns: int, now_ns: int) -> None:
    if at_ns > now_ns:
        raise FieldBookError(f"{clock_text(at_ns)} is still to come: without offset --at is UTC; leave it out for now")


def clock_text(at_ns: int) -> str:
    """Return Unix nanoseconds as people at the site read them and `--at` takes them: JST, to the second not before."""
    return datetime.fromtimestamp(-(-at_ns // 1_000_000_000), tz=_JST).isoformat()
