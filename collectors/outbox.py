"""The outbox: batches on disk until the database has committed them.

SQLite in WAL mode with `synchronous=FULL`: what `append` returned survives a kill and a power cut. Many batches share
one transaction, since one costs an fsync: 4 k rows/s one a transaction, 234 k at 100, 383 k at 1,000 on a fast disk,
and field storage is fifty times slower. Not thread-safe: the agent calls it from one thread of its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from collectors.outbox_record import SELECT_RECORDS, StoredBatch, read_record, record_checksum
from contract.codec import PayloadFormat, encode_batch
from contract.envelope import Batch, ColumnValues

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batch (
    seq INTEGER PRIMARY KEY, stream TEXT NOT NULL, created_ns INTEGER NOT NULL, n INTEGER NOT NULL,
    payload BLOB NOT NULL, checksum INTEGER
);
CREATE TABLE IF NOT EXISTS dropped (
    first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL, batches INTEGER NOT NULL, at_ns INTEGER NOT NULL,
    reason TEXT NOT NULL, event_seq INTEGER
);
"""
_UNREPORTED = """
FROM dropped WHERE event_seq IS NULL
    OR EXISTS (SELECT 1 FROM dropped AS later WHERE dropped.event_seq BETWEEN later.first_seq AND later.last_seq)
"""
"""Drops that no batch tells of any more: never reported, or the report was dropped in its turn."""


_ROOM_SHARE = 100
_ROOM_BYTES = 4_096
"""A full outbox frees a hundredth of its quota at a time, and room for the event that says so. Freeing only what the
next batch needs would drop, and report, twice a second, and the reports would push out further data."""

_TOLD_RANGES = 100

DropReason = Literal["quota", "damaged"]
"""Why a batch never leaves the outbox: there was no room, or its record is not as it was written."""


class OutboxError(RuntimeError):
    """Raised when an outbox cannot be used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A batch as the batcher makes it; its number is given by the outbox."""

    stream: str
    link: str
    source: str
    n: int
    t0_ns: int
    columns: dict[str, ColumnValues]


class Drop(NamedTuple):
    """Batches given up, by number: the oldest where the quota was reached, or such as are damaged on the disk."""

    first_seq: int
    last_seq: int
    batches: int
    reason: DropReason = "quota"


class OutboxStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """State of an outbox. `taken` is the highest seq ever given; `oldest_ns` when the oldest batch was taken, or 0.

    `damaged` are those of the `dropped` that were damaged on the disk.
    """

    epoch: str
    taken: int
    batches: int
    bytes: int
    oldest_ns: int
    dropped: int
    damaged: int = 0


def _check(db: sqlite3.Connection) -> None:
    if (found := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        raise sqlite3.DatabaseError(found)


class Outbox:
    """One outbox file, owned by one process."""

    def __init__(
        self,
        path: Path,
        *,
        site: str,
        device: str,
        max_bytes: int = 2_000_000_000,
        payload_format: PayloadFormat = "msgpack",
    ) -> None:
        """Open or create the file. Raises OutboxError if another process owns it or it belongs to another device.

        A file that SQLite cannot read is moved aside as `NAME.corrupt-TIME` and a new epoch begins; `moved_aside` then
        names it.
        """
        self.path = path
        self.site, self.device = site, device
        self.max_bytes = max_bytes
        self.payload_format = payload_format
        self.moved_aside: Path | None = None
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = self._take_lock()
        try:
            self._db = self._open()
            self._check_owner()
        except BaseException:
            os.close(self._lock)
            raise
        self.epoch = self._meta("epoch")
        self.taken = int(self._meta("taken"))
        self.damaged = 0
        """Records given up as damaged since the file was opened."""
        self._batches = self._bytes = 0
        self._recount()

    def _take_lock(self) -> int:
        handle = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(handle)
            raise OutboxError(
                f"outbox {self.path} is in use by another jissho collect: stop it, or set another [outbox] path"
            ) from error
        return handle

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.DatabaseError:
            self.moved_aside = self.path.with_name(f"{self.path.name}.corrupt-{time.time_ns()}")
            for suffix in ("-wal", "-shm"):
                Path(f"{self.path}{suffix}").unlink(missing_ok=True)
            self.path.rename(self.moved_aside)
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            _check(db)
            db.executescript(_SCHEMA)
            if "event_seq" not in {row[1] for row in db.execute("PRAGMA table_info(dropped)")}:
                db.execute("ALTER TABLE dropped ADD COLUMN event_seq INTEGER")
            if "checksum" not in {row[1] for row in db.execute("PRAGMA table_info(batch)")}:
                # What lies there already stays without: filling 2 GB in takes another 2 GB of journal.
                db.execute("ALTER TABLE batch ADD COLUMN checksum INTEGER")
            first = {"epoch": uuid.uuid4().hex, "taken": "0", "site": self.site, "device": self.device}
            db.executemany("INSERT OR IGNORE INTO meta VALUES (?, ?)", first.items())
        except BaseException:
            db.close()
            raise
        return db

    def _meta(self, name: str) -> str:
        return str(self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()[0])

    def _check_owner(self) -> None:
        owner = (self._meta("site"), self._meta("device"))
        if owner != (self.site, self.device):
            self._db.close()
            raise OutboxError(
                f"outbox {self.path} belongs to {owner[0]}/{owner[1]}, not to {self.site}/{self.device}: "
                "give each device its own [outbox] path"
            )

    def append(
        self, batches: Sequence[NewBatch], *, reporting: Sequence[Drop] = ()
    ) -> tuple[list[StoredBatch], Drop | None]:
        """Store batches durably under the next numbers; all of them or, on error, none.

        `reporting` are the drops of which the last of these batches tells: from now on they count as reported.

        Returns them as stored, and what had to be dropped where the quota was reached. Raises OutboxError when the
        disk is full or broken.
        """
        now_ns = time.time_ns()
        stored = []
        for seq, batch in enumerate(batches, start=self.taken + 1):
            envelope = Batch(
                site=self.site, device=self.device, epoch=self.epoch, seq=seq, stream=batch.stream, link=batch.link,
                source=batch.source, n=batch.n, t0_ns=batch.t0_ns, columns=batch.columns,
            )  # fmt: skip
            stored.append(StoredBatch(seq, batch.stream, encode_batch(envelope, self.payload_format)))
        size = sum(len(batch.payload) for batch in stored)
        try:
            self._db.execute("BEGIN IMMEDIATE")
            taken = self.taken + len(stored)
            for each in reporting:
                self._db.execute(
                    "UPDATE dropped SET event_seq = ? WHERE first_seq BETWEEN ? AND ?",
                    (taken, each.first_seq, each.last_seq),
                )
            drop = self._make_room(size, now_ns)
            self._db.executemany(
                "INSERT INTO batch (seq, stream, created_ns, n, payload, checksum) VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (b.seq, b.stream, now_ns, new.n, b.payload, record_checksum(b))
                    for b, new in zip(stored, batches, strict=True)
                ],
            )
            self._db.execute("UPDATE meta SET value = ? WHERE name = 'taken'", (str(taken),))
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            failed = self._undone(error)
            self._recount()
            raise failed from error
        self.taken = taken
        self._batches += len(stored)
        self._bytes += size
        return stored, drop

    def _make_room(self, size: int, now_ns: int) -> Drop | None:
        if self._bytes + size <= self.max_bytes or not self._batches:
            return None
        room = min(max(self.max_bytes // _ROOM_SHARE, _ROOM_BYTES), self.max_bytes // 4)
        excess = self._bytes + size - self.max_bytes + room
        victims, freed = [], 0
        for seq, length in self._db.execute("SELECT seq, length(payload) FROM batch ORDER BY seq"):
            victims.append(seq)
            freed += length
            if freed >= excess:
                break
        self._db.execute("DELETE FROM batch WHERE seq <= ?", (victims[-1],))
        drop = Drop(victims[0], victims[-1], len(victims))
        self._note(drop, now_ns)
        self._batches -= len(victims)
        self._bytes -= freed
        return drop

    def _note(self, drop: Drop, now_ns: int) -> None:
        """Record a drop. What is dropped in a row is one row: an outage of days must not fill the table."""
        longer = self._db.execute(
            "UPDATE dropped SET last_seq = ?, batches = batches + ?, at_ns = ?, event_seq = NULL"
            " WHERE last_seq = ? AND reason = ?",
            (drop.last_seq, drop.batches, now_ns, drop.first_seq - 1, drop.reason),
        )
        if not longer.rowcount:
            self._db.execute(
                "INSERT INTO dropped (first_seq, last_seq, batches, reason, at_ns) VALUES (?, ?, ?, ?, ?)",
                (*drop, now_ns),
            )

    def _drop_damaged(self, seqs: Sequence[int]) -> None:
        """Give up records that are not as they were written. On an error they stay, and are found again."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for seq in sorted(seqs):
                self._db.execute("DELETE FROM batch WHERE seq = ?", (seq,))
                self._note(Drop(seq, seq, 1, "damaged"), time.time_ns())
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._undone(error) from error
        self.damaged += len(seqs)
        self._recount()

    def unreported(self) -> list[Drop]:
        """Return what was dropped and is told by no batch in the outbox or sent from it; neighbours as one range."""
        found: list[Drop] = []
        for row in self._db.execute(f"SELECT first_seq, last_seq, batches, reason {_UNREPORTED} ORDER BY 4, 1"):
            drop, before = Drop(*row), found[-1] if found else None
            if before and (drop.first_seq, drop.reason) == (before.last_seq + 1, before.reason):
                found[-1] = Drop(before.first_seq, drop.last_seq, before.batches + drop.batches, drop.reason)
            else:
                found.append(drop)
        return found

    def dropped_ranges(self, reason: DropReason = "quota", limit: int = _TOLD_RANGES) -> list[tuple[int, int]]:
        """Return the latest `limit` ranges of seq, inclusive, given up for `reason` in this life of the outbox."""
        rows = self._db.execute(
            "SELECT first_seq, last_seq FROM dropped WHERE reason = ? ORDER BY first_seq DESC LIMIT ?", (reason, limit)
        ).fetchall()
        return [(int(first), int(last)) for first, last in reversed(rows)]

    def delete(self, ranges: Iterable[tuple[int, int]]) -> int:
        """Delete batches by inclusive ranges of seq, in one transaction; return how many there were.

        Raises OutboxError when the disk is full or broken: nothing is deleted then, and the call may be repeated.
        """
        deleted = 0
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for low, high in ranges:
                deleted += self._db.execute("DELETE FROM batch WHERE seq BETWEEN ? AND ?", (low, high)).rowcount
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._undone(error) from error
        self._recount()
        return deleted

    def _undone(self, error: sqlite3.Error) -> OutboxError:
        """End the open transaction, or every later one would fail; return the error to raise."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        return OutboxError(f"outbox {self.path} cannot be written: {error}; is the disk full?")

    def _recount(self) -> None:
        self._batches, self._bytes = self._db.execute(
            "SELECT count(*), coalesce(sum(length(payload)), 0) FROM batch"
        ).fetchone()

    def newest_before(self, seq: int, limit: int) -> list[StoredBatch]:
        """Return at most `limit` batches with a number below `seq`, newest first; none only if there are none.

        A record that is not as it was written is no batch any more: it is given up, as a drop that is owed a report.
        """
        sound: list[StoredBatch] = []
        below: int | None = seq
        while not sound and below is not None:
            rows = self._db.execute(
                f"{SELECT_RECORDS} WHERE seq < ? ORDER BY seq DESC LIMIT ?", (below, limit)
            ).fetchall()
            read = [read_record(*row) for row in rows]
            sound = [batch for batch in read if batch is not None]
            below = rows[-1][0] if rows else None
            damaged = [row[0] for row, batch in zip(rows, read, strict=True) if batch is None]
            if damaged:
                # On a full disk they stay, and are passed over until they can be given up.
                with contextlib.suppress(OutboxError):
                    self._drop_damaged(damaged)
        return sound

    def statistics(self) -> OutboxStatistics:
        """Return the state as of now."""
        oldest = self._db.execute("SELECT created_ns FROM batch ORDER BY seq LIMIT 1").fetchone()
        dropped, damaged = self._db.execute(
            "SELECT coalesce(sum(batches), 0), coalesce(sum(batches) FILTER (WHERE reason = 'damaged'), 0) FROM dropped"
        ).fetchone()
        return OutboxStatistics(
            epoch=self.epoch, taken=self.taken, batches=self._batches, bytes=self._bytes,
            oldest_ns=oldest[0] if oldest else 0, dropped=int(dropped),
            damaged=int(damaged),
        )  # fmt: skip

    def close(self) -> None:
        """Close the file and let go of it."""
        self._db.close()
        os.close(self._lock)
