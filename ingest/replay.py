"""The quarantine once more: what a newer jissho or contract can read is committed, exactly once, by the same ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

import msgspec

from contract.envelope import CONFLICT_EPOCHS
from contract.foreign import ForeignMappings
from contract.topics import parse_topic
from ingest.conflicts import commit_conflicting
from ingest.foreign import process_foreign, sort_foreign
from ingest.pipeline import Message, process, sort_messages
from storage.columnar import RefusedPayload
from storage.quarantine import QuarantineEntry, mark_replayed, read_payload, restate
from storage.writer import CommitOutcome, Writer

HANDFUL_ENTRIES = 16
"""Entries of one transaction. Payloads have up to 1 MB, and live data of the same device wait for it."""


class ReplayOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the entries tried. `replayed` = `committed` + `duplicates` + life signs of devices.

    A message of a foreign device may be several batches, or none that its profile wants. `renumbered` of the committed
    came under the number of another batch, and are in an epoch of their own now.
    `refused` are still in quarantine; `reasons` counts them by today's reason.
    """

    tried: int
    replayed: int
    committed: int
    duplicates: int
    refused: int
    reasons: dict[str, int]
    rows: int
    renumbered: int = 0


CONFLICT = "identity_conflict"
NO_FOREIGN = ForeignMappings()


def replay(
    writer: Writer,
    entries: Sequence[QuarantineEntry],
    foreign: ForeignMappings = NO_FOREIGN,
    *,
    takes_conflicts: bool = False,
) -> ReplayOutcome:
    """Decode entries again and commit those that pass; the others stay, with the reason they have now.

    `foreign` reads the messages of third parties. With `takes_conflicts` entries that are in quarantine as
    `identity_conflict` are committed too, see `ingest.conflicts`: somebody has to know that they are this device's own
    measurements, and not another machine's. A handful is one transaction with its marks, so that a crash leaves
    an entry either taken and marked, or neither.
    """
    committed = duplicates = rows = renumbered = 0
    refused: list[RefusedPayload] = []
    for handful in _handfuls(entries):
        messages = [_message(writer, entry) for entry in handful]
        with writer.connection.transaction():
            # What cannot be decoded must not come by the writer: it would count as one more arrival.
            undecoded = {_name(item): item for item in _undecoded(messages, foreign)}
            conflicting = {
                _name(message)
                for entry, message in zip(handful, messages, strict=True)
                if takes_conflicts and entry.reason == CONFLICT
            }
            good = [message for message in messages if _name(message) not in undecoded]
            outcome = _commit(writer, [message for message in good if _name(message) not in conflicting], foreign)
            outcome = outcome.plus(commit_conflicting(writer, [each for each in good if _name(each) in conflicting]))
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
        renumbered += sum(key.epoch.startswith(CONFLICT_EPOCHS) for key in outcome.committed)
        refused += still.values()
    return ReplayOutcome(
        tried=len(entries),
        replayed=len(entries) - len(refused),
        committed=committed,
        duplicates=duplicates,
        refused=len(refused),
        reasons=dict(Counter(item.reason for item in refused).most_common()),
        rows=rows,
        renumbered=renumbered,
    )


def _undecoded(messages: Sequence[Message], foreign: ForeignMappings) -> list[RefusedPayload]:
    own, others = _by_sender(messages)
    return sort_messages(own)[1] + sort_foreign(others, foreign).refused


def _commit(writer: Writer, messages: Sequence[Message], foreign: ForeignMappings) -> CommitOutcome:
    own, others = _by_sender(messages)
    outcome = process(writer, own).outcome
    return outcome.plus(process_foreign(writer, others, foreign)) if others else outcome


def _by_sender(messages: Sequence[Message]) -> tuple[list[Message], list[Message]]:
    """Return the messages of our own devices and those of others."""
    own = [message for message in messages if parse_topic(message.topic) is not None]
    return own, [message for message in messages if parse_topic(message.topic) is None]


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
