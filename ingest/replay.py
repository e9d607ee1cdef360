"""The quarantine once more: what a newer jissho or contract can read is committed, exactly once, by the same ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

import msgspec

from ingest.pipeline import Message, process, sort_messages
from storage.columnar import RefusedPayload
from storage.quarantine import QuarantineEntry, mark_replayed, read_payload, restate
from storage.writer import Writer

HANDFUL_ENTRIES = 16
"""Entries of one transaction. Payloads have up to 1 MB, and live data of the same device wait for it."""


class ReplayOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the entries tried. `replayed` = `committed` + `duplicates` + life signs of devices.

    `refused` are still in quarantine; `reasons` counts them by today's reason.
    """

    tried: int
    replayed: int
    committed: int
    duplicates: int
    refused: int
    reasons: dict[str, int]
    rows: int


def replay(writer: Writer, entries: Sequence[QuarantineEntry]) -> ReplayOutcome:
    """Decode entries again and commit those that pass; the others stay, with the reason they have now.

    A handful is one transaction with its marks, so that a crash leaves an entry either taken and marked, or neither.
    """
    committed = duplicates = rows = 0
    refused: list[RefusedPayload] = []
    for handful in _handfuls(entries):
        messages = [_message(writer, entry) for entry in handful]
        with writer.connection.transaction():
            # What cannot be decoded must not come by the writer: it would count as one more arrival.
            undecoded = {_name(item): item for item in sort_messages(messages)[1]}
            outcome = process(writer, [message for message in messages if _name(message) not in undecoded]).outcome
            still = {**undecoded, **{_name(item): item for item in outcome.refused}}
            taken = []
            for entry, message in zip(handful, messages, strict=True):
                name = _name(message)
                if item := still.get(name):
                    restate(
                        writer.connection, entry.quarantine_id, reason=item.reason, detail=item.detail,
                        was_filed=name not in undecoded,
                    )  # fmt: skip
                else:
                    taken.append(entry.quarantine_id)
            mark_replayed(writer.connection, taken)
        committed += len(outcome.committed)
        duplicates += len(outcome.duplicates)
        rows += outcome.rows
        refused += still.values()
    return ReplayOutcome(
        tried=len(entries),
        replayed=len(entries) - len(refused),
        committed=committed,
        duplicates=duplicates,
        refused=len(refused),
        reasons=dict(Counter(item.reason for item in refused).most_common()),
        rows=rows,
    )


def _handfuls(entries: Sequence[QuarantineEntry]) -> Iterator[Sequence[QuarantineEntry]]:
    """Cut entries so that one transaction locks one row of the ledger: two could lock ingest out, and it them."""
    ordered = sorted(entries, key=lambda entry: (*_life(entry), entry.quarantine_id))
    for _, group in groupby(ordered, _life):
        alike = list(group)
        for first in range(0, len(alike), HANDFUL_ENTRIES):
            yield alike[first : first + HANDFUL_ENTRIES]


def _life(entry: QuarantineEntry) -> tuple[str, str, str]:
    return entry.site, entry.device, entry.epoch or ""


def _message(writer: Writer, entry: QuarantineEntry) -> Message:
    payload = read_payload(writer.connection, entry.quarantine_id)
    return Message(entry.topic, payload, round(entry.received_at.timestamp() * 1e6))


def _name(item: Message | RefusedPayload) -> tuple[str, bytes]:
    """Return what the quarantine tells its entries apart by."""
    return item.topic, item.payload
