"""Carry files into the database: batches that came by hand, through the same decoding and ledger as those by MQTT."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from contract.carry import read_carry, read_header, verify_carry
from contract.topics import data_topic
from ingest.pipeline import Message, process
from storage.writer import Writer

HANDFUL_BATCHES = 500
HANDFUL_BYTES = 8_000_000
"""Most of one transaction: a few hundred batches share the cost of a commit, and live data do not wait long for it."""


class CarriedOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What an import of a carry file did, in batches.

    `announced` is what the header says is in the file. `unread` batches are behind a tear (only with `partial`).
    """

    site: str
    device: str
    epoch: str
    announced: int
    committed: int
    duplicates: int
    quarantined: int
    unread: int
    rows: int


def import_carried(
    writer: Writer,
    path: Path,
    *,
    partial: bool = False,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> CarriedOutcome:
    """Commit the batches of a carry file, each once however often and by whatever way it comes.

    Raises CarryError, before anything is written, if the file is not exactly as it was exported. With `partial` the
    records before the first damaged one are taken; each is guarded by a checksum of its own.
    """
    header = read_header(path) if partial else verify_carry(path)
    received_at_us = time.time_ns() // 1000
    done = committed = duplicates = quarantined = rows = size = 0
    waiting: list[Message] = []

    def flush() -> None:
        nonlocal done, committed, duplicates, quarantined, rows, size
        outcome = process(writer, waiting).outcome
        done += len(waiting)
        committed += len(outcome.committed)
        duplicates += len(outcome.duplicates)
        quarantined += len(outcome.refused)
        rows += outcome.rows
        waiting.clear()
        size = 0
        progress(done, header.count)

    for batch in read_carry(path):
        # The topic on which the device would have published it: the envelope is held against it as ever.
        topic = data_topic(header.site, header.device, batch.stream)
        waiting.append(Message(topic, batch.payload, received_at_us))
        size += len(batch.payload)
        if len(waiting) >= HANDFUL_BATCHES or size >= HANDFUL_BYTES:
            flush()
    if waiting:
        flush()
    return CarriedOutcome(
        site=header.site,
        device=header.device,
        epoch=header.epoch,
        announced=header.count,
        committed=committed,
        duplicates=duplicates,
        quarantined=quarantined,
        unread=header.count - done,
        rows=rows,
    )
