"""Messages of foreign devices to what the writer stores: mapped by their profile, grouped into batches, or refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from contract.codec import PayloadError
from contract.envelope import FOREIGN_EPOCH
from contract.foreign import ForeignMappings, Mapped, message_digest
from contract.samples import Sample
from ingest.decode import to_columns
from ingest.pipeline import REJECTED_BY_DATABASE, VALUE_REFUSED, Message
from ingest.rows import batch_of_rows
from storage.columnar import BatchKey, ColumnBatch, ForeignMessage, RefusedPayload
from storage.writer import CommitOutcome, Writer


class SortedForeign(NamedTuple):
    """What foreign messages are: to be stored, refused, or passed over because nothing in them is for us."""

    messages: list[ForeignMessage]
    refused: list[RefusedPayload]
    ignored: int


def sort_foreign(messages: Sequence[Message], profiles: ForeignMappings) -> SortedForeign:
    """Map messages by the profile that takes their topic. Never raises for what it is given."""
    found: list[ForeignMessage] = []
    refused: list[RefusedPayload] = []
    ignored = 0
    for message in messages:
        try:
            taken = read_message(profiles, message)
        except PayloadError as error:
            refused.append(_refuse(message, error))
            continue
        if taken is None:
            ignored += 1
        else:
            found.append(taken)
    return SortedForeign(found, refused, ignored)


def process_foreign(writer: Writer, messages: Sequence[Message], profiles: ForeignMappings) -> CommitOutcome:
    """Commit messages of foreign devices in one transaction; nobody is answered. Fails as `ingest.pipeline.process`."""
    found = sort_foreign(messages, profiles)
    try:
        return writer.commit_foreign(found.messages, found.refused)
    except VALUE_REFUSED:
        total = writer.commit_foreign([], found.refused)
    for message in messages:
        one = sort_foreign([message], profiles)
        try:
            outcome = writer.commit_foreign(one.messages)
        except VALUE_REFUSED as error:
            refusal = PayloadError(REJECTED_BY_DATABASE, " ".join(str(error).split()))
            outcome = writer.commit_foreign([], [_refuse(message, refusal)])
        total = total.plus(outcome)
    return total


def _refuse(message: Message, error: PayloadError) -> RefusedPayload:
    return RefusedPayload(message.topic, message.payload, error.reason, error.detail, message.received_at_us)


def read_message(profiles: ForeignMappings, message: Message) -> ForeignMessage | None:
    """Return what one message gives; None if it is to be passed over. Raises PayloadError.

    Passed over are a message of which a profile wants nothing, and a retained one without a time of its own: how old
    it is nobody can say, and with the time of its arrival it would be a measurement that never was.
    """
    mapping = profiles.of(message.topic)
    if mapping is None:
        raise PayloadError(
            "nothing_mapped",
            f"no profile takes topic {message.topic!r}: name one in JISSHO_FOREIGN_PROFILES, then replay",
        )
    mapped = mapping.rows(message.topic, message.payload, message.received_at_us)
    if not mapped.rows or (mapped.is_arrival and message.is_retained):
        return None
    digest = message_digest(message.topic, message.payload, message.received_at_us if mapped.is_arrival else None)
    return ForeignMessage(
        digest, message.received_at_us, mapping.source, _batches(mapped, mapping.source, message.received_at_us)
    )


def _batches(mapped: Mapped, source: str, received_at_us: int) -> tuple[ColumnBatch, ...]:
    groups: dict[tuple[str, str, str, str], list[tuple[int, Sample]]] = {}
    for row in mapped.rows:
        groups.setdefault((row.site, row.device, row.stream, row.link), []).append((row.t_ns, row.values))
    return tuple(
        to_columns(
            batch_of_rows(BatchKey(site, device, FOREIGN_EPOCH, 0), stream, link, source, rows),
            received_at_us=received_at_us,
        )
        for (site, device, stream, link), rows in groups.items()
    )
