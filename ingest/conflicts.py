"""Batches that came under the number of another one, taken after all: in an epoch that the server numbers.

They lie in quarantine as `identity_conflict`, because a device or its outbox was cloned, or its disk went back in time.
Their own numbers are worth nothing, so they are told apart by their content, as a foreign device's messages are:
the same payload counts once however often it is replayed, and the numbers of the new epoch have no hole, so that the
completeness proof neither misses anything in it nor counts the clone's other batches as missing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from contract.codec import PayloadError
from contract.envelope import CONFLICT_EPOCHS
from ingest.pipeline import REJECTED_BY_DATABASE, VALUE_REFUSED, Message, refuse, sort_messages
from storage.columnar import BatchKey, ColumnBatch, ForeignMessage
from storage.writer import CommitOutcome, Writer

_EPOCH_CHARACTERS = 64


def conflict_epoch(epoch: str) -> str:
    """Return the epoch for what conflicts with batches of `epoch`: one for each life of an outbox."""
    name = f"{CONFLICT_EPOCHS}{epoch}"
    if len(name) <= _EPOCH_CHARACTERS:
        return name
    return f"{CONFLICT_EPOCHS}{hashlib.sha256(epoch.encode(errors='surrogatepass')).hexdigest()[:32]}"


def commit_conflicting(writer: Writer, messages: Sequence[Message]) -> CommitOutcome:
    """Commit each batch under its own number if that is free after all, else in the epoch for conflicts.

    What the database refuses goes to quarantine. Raises any other psycopg.Error.
    """
    total = CommitOutcome()
    for message in messages:
        try:
            outcome = _commit(writer, message)
        except VALUE_REFUSED as error:
            reason = PayloadError(REJECTED_BY_DATABASE, " ".join(str(error).split()))
            outcome = writer.commit([], [refuse(message, reason)])
        total = total.plus(outcome)
    return total


def _commit(writer: Writer, message: Message) -> CommitOutcome:
    batches, _, _ = sort_messages([message])
    outcome = writer.commit(batches)
    if not outcome.conflicts:
        return outcome
    return writer.commit_foreign([_as_foreign(message, batch) for batch in outcome.conflicts])


def _as_foreign(message: Message, batch: ColumnBatch) -> ForeignMessage:
    key = BatchKey(batch.key.site, batch.key.device, conflict_epoch(batch.key.epoch), 0)
    head = f"jissho-conflict-1 {len(message.topic)} {message.topic} ".encode(errors="surrogatepass")
    digest = hashlib.sha256(head + message.payload).digest()
    return ForeignMessage(digest, message.received_at_us, batch.source, (replace(batch, key=key),))
