"""An outbox seen from outside: its state and its batches, read while the agent that owns it goes on.

Opens the SQLite file read-only and without the owner's lock; in WAL mode a reader neither waits for the writer nor
holds it up. Nothing is ever deleted here: only a receipt may do that.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import msgspec

from collectors.outbox import OutboxError
from collectors.outbox_record import SELECT_OLD_RECORDS, SELECT_RECORDS, read_record
from contract.carry import CarriedBatch, CarryHeader, write_carry

RATE_WINDOW_S = 60
"""Time over which the present rate is taken: longer than a batch's age (0.5 s), short enough to follow a source that
was switched on."""


class DroppedRange(msgspec.Struct, frozen=True, kw_only=True):
    """Batches that were given up, by number; `reason`: quota or damaged, `at_ns` Unix nanoseconds by its clock."""

    first_seq: int
    last_seq: int
    batches: int
    at_ns: int
    reason: str


class OutboxStatus(msgspec.Struct, frozen=True, kw_only=True):
    """State of an outbox. `taken` is the highest seq ever given, `bytes` counts payloads.

    `bytes_per_s` is what came in the last minute and is still here, so it is the rate at which the outbox grows.
    `hours_to_quota` is the time left at that rate; None where it does not grow. `drain_s` is what sending the backlog
    takes at `backlog_batches_per_s`. `oldest_age_s` is None where the outbox is empty.
    """

    path: str
    site: str
    device: str
    epoch: str
    taken: int
    batches: int
    bytes: int
    max_bytes: int
    oldest_age_s: float | None
    bytes_per_s: float
    hours_to_quota: float | None
    drain_s: float
    dropped: int
    dropped_ranges: list[DroppedRange]


class OutboxReader:
    """One outbox file, opened for reading; several may be open beside the owner."""

    def __init__(self, path: Path) -> None:
        """Open the file. Raises OutboxError if there is none, or it is no outbox."""
        self.path = path
        if not path.is_file():
            raise OutboxError(f"outbox {path}: no such file; `jissho collect` makes it, [outbox] path says where")
        try:
            self._db = self._open()
        except sqlite3.Error as error:
            raise OutboxError(f"outbox {path} cannot be read: {error}") from error
        try:
            # One snapshot for everything that is read: numbers that fit together, while the owner writes.
            self._db.execute("BEGIN")
            self._meta = dict(self._db.execute("SELECT name, value FROM meta"))
            self.site, self.device, self.epoch = (self._meta[name] for name in ("site", "device", "epoch"))
            self.taken = int(self._meta["taken"])
        except (sqlite3.Error, KeyError, ValueError) as error:
            self._db.close()
            raise OutboxError(f"{path} is not an outbox of jissho collect: {error}") from error

    def _open(self) -> sqlite3.Connection:
        address = f"file:{quote(str(self.path.absolute()))}?mode=ro"
        # On a medium that cannot be written SQLite has no place for its -shm file. Without a -wal nothing is pending
        # and nobody writes, so the file may be taken as it lies.
        if not os.access(self.path.absolute().parent, os.W_OK) and not Path(f"{self.path}-wal").exists():
            address += "&immutable=1"
        return sqlite3.connect(address, uri=True, isolation_level=None)

    def status(self, *, max_bytes: int, backlog_batches_per_s: float) -> OutboxStatus:
        """Return the state, with the time to the quota and the time to drain."""
        now_ns = time.time_ns()
        batches, size, recent = self._db.execute(
            "SELECT count(*), coalesce(sum(length(payload)), 0),"
            " coalesce(sum(length(payload)) FILTER (WHERE created_ns > ?), 0) FROM batch",
            (now_ns - RATE_WINDOW_S * 1_000_000_000,),
        ).fetchone()
        oldest = self._db.execute("SELECT created_ns FROM batch ORDER BY seq LIMIT 1").fetchone()
        dropped = [
            DroppedRange(first_seq=first, last_seq=last, batches=count, at_ns=at_ns, reason=reason)
            for first, last, count, at_ns, reason in self._db.execute(
                "SELECT first_seq, last_seq, batches, at_ns, reason FROM dropped ORDER BY first_seq"
            )
        ]
        rate = recent / RATE_WINDOW_S
        return OutboxStatus(
            path=str(self.path),
            site=self.site,
            device=self.device,
            epoch=self.epoch,
            taken=self.taken,
            batches=batches,
            bytes=size,
            max_bytes=max_bytes,
            # A device without a clock of its own may have been set back since: no age is below zero.
            oldest_age_s=max(0.0, (now_ns - oldest[0]) / 1e9) if oldest else None,
            bytes_per_s=rate,
            hours_to_quota=max(0, max_bytes - size) / rate / 3600 if rate else None,
            drain_s=batches / backlog_batches_per_s,
            dropped=sum(each.batches for each in dropped),
            dropped_ranges=dropped,
        )

    def batches(self) -> Iterator[CarriedBatch]:
        """Yield what is in the outbox, by number; without what is not as it was written."""
        has_checksums = "checksum" in {row[1] for row in self._db.execute("PRAGMA table_info(batch)")}
        for row in self._db.execute(f"{SELECT_RECORDS if has_checksums else SELECT_OLD_RECORDS} ORDER BY seq"):
            batch = read_record(*row)
            if batch is not None:
                yield CarriedBatch(*batch)

    def count(self) -> int:
        """Return how many records there are, damaged ones too."""
        return int(self._db.execute("SELECT count(*) FROM batch").fetchone()[0])

    def export(self, path: Path) -> CarryHeader:
        """Write all batches to a carry file and return its header; the file appears whole or not at all.

        Raises OutboxError if there is a file of that name, or it cannot be written.
        """
        if path.exists():
            raise OutboxError(f"{path} exists already: choose another name, or remove it once it is imported")
        header = CarryHeader(
            site=self.site,
            device=self.device,
            epoch=self.epoch,
            count=sum(1 for _ in self.batches()),
            taken=self.taken,
            written_ns=time.time_ns(),
        )
        part = path.with_name(f"{path.name}.part")
        try:
            with part.open("wb") as file:
                write_carry(file, header, self.batches())
                file.flush()
                os.fsync(file.fileno())  # sticks are pulled out as soon as the prompt is back
            part.rename(path)
            _sync_folder(path.absolute().parent)
        except (OSError, ValueError, sqlite3.Error) as error:
            part.unlink(missing_ok=True)
            raise OutboxError(f"{path} cannot be written: {error}; nothing was exported") from error
        return header

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
