"""Messages in, committed rows and receipts out: the transaction around a handful of MQTT messages.

Knows nothing of MQTT clients or threads; `ingest.service` feeds it, and tests can too.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import psycopg

from contract.codec import PayloadError, salvage_identity
from contract.envelope import Receipt, Refusal, Status, is_server_epoch
from contract.topics import RECEIPT, STATUS, Topic, parse_topic, receipt_topic
from ingest.decode import decode
from storage.columnar import BatchKey, ColumnBatch, RefusedPayload
from storage.writer import SEQ_BITS, CommitOutcome, Writer

REJECTED_BY_DATABASE = "rejected_by_database"
"""Quarantine reason for a batch that passed every check of the contract and that the database still refused."""

VALUE_REFUSED = (psycopg.DataError, psycopg.IntegrityError)
"""Errors that are a batch's own fault. A missing table, a missing right or a read-only server is not: then all wait."""


_GAP_US = 600_000_000
"""Batches further apart in time than 10 min are committed apart. TimescaleDB notes for its aggregates one changed span
a transaction and chunk: with live and 10 h late batches in the same transactions, a minute's refresh took 8.3 s, with
them apart 1.0 s (two links at 100 Hz)."""

_MOST_TRANSACTIONS = 8
"""Bound for batches scattered over time; then the widest gaps separate."""


class Message(NamedTuple):
    """One MQTT message as it arrived; `received_at_us` in microseconds since the Unix epoch.

    `is_retained`: the broker had kept it from before, for whoever subscribes.
    """

    topic: str
    payload: bytes
    received_at_us: int
    is_retained: bool = False


class Handful(NamedTuple):
    """Messages read and checked, and all that a commit needs of them: `groups` are batches by stretches of time."""

    messages: Sequence[Message]
    groups: list[list[ColumnBatch]]
    refused: list[RefusedPayload]
    statuses: list[tuple[Topic, Status]]
    newest_us: int


class Answer(NamedTuple):
    """One receipt to publish."""

    topic: str
    payload: bytes


class Processed(NamedTuple):
    """What became of a handful of messages; `newest_us` is the time of their newest sample, 0 without any."""

    outcome: CommitOutcome
    answers: list[Answer]
    statuses: int
    newest_us: int = 0


def sort_messages(
    messages: Sequence[Message],
) -> tuple[list[ColumnBatch], list[RefusedPayload], list[tuple[Topic, Status]]]:
    """Decode messages into batches, refused payloads and device life signs. Never raises for what it is given."""
    batches: list[ColumnBatch] = []
    refused: list[RefusedPayload] = []
    statuses: list[tuple[Topic, Status]] = []
    for message in messages:
        topic = parse_topic(message.topic)
        if topic is None:
            error = PayloadError("identity_mismatch", f"topic {message.topic!r} is not one of ours")
            refused.append(refuse(message, error))
            continue
        if topic.kind == RECEIPT:
            continue
        try:
            if topic.kind == STATUS:
                statuses += _status(topic, message)
            else:
                batches.append(decode(message.payload, topic=topic, received_at_us=message.received_at_us))
        except PayloadError as error:
            refused.append(refuse(message, error))
    return batches, refused, statuses


def _status(topic: Topic, message: Message) -> list[tuple[Topic, Status]]:
    if not message.payload:  # an emptied retained message
        return []
    try:
        return [(topic, msgspec.json.decode(message.payload, type=Status))]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PayloadError("malformed", f"status: {error}") from error


def refuse(message: Message, error: PayloadError) -> RefusedPayload:
    """Return the quarantine entry for a message, with the batch's identity if it can be read and is credible."""
    topic = parse_topic(message.topic)
    identity = salvage_identity(message.payload)
    key = None
    if topic is not None and identity is not None:
        # Only who may publish on a topic may speak for its device: a foreign identity must not mark its batches.
        is_own = (topic.site, topic.device) == (identity.site, identity.device)
        is_credible = identity.epoch and not is_server_epoch(identity.epoch) and 0 < identity.seq < 2**SEQ_BITS
        if is_own and is_credible:
            key = BatchKey(identity.site, identity.device, identity.epoch, identity.seq)
    return RefusedPayload(
        topic=message.topic,
        payload=message.payload,
        reason=error.reason,
        detail=error.detail,
        received_at_us=message.received_at_us,
        key=key,
    )


def by_time(batches: Sequence[ColumnBatch]) -> list[list[ColumnBatch]]:
    """Split batches where their times leave a wide gap; the newest first, since live data do not wait for a backlog."""
    ordered = sorted(batches, key=lambda batch: batch.first_us)
    starts = [batch.first_us for batch in ordered]
    gaps = sorted(
        ((high - low, index) for index, (low, high) in enumerate(itertools.pairwise(starts), 1)), reverse=True
    )
    cuts = sorted(index for gap, index in gaps[: _MOST_TRANSACTIONS - 1] if gap > _GAP_US)
    return [ordered[start:end] for start, end in reversed([*itertools.pairwise([0, *cuts, len(ordered)])])]


def prepare(messages: Sequence[Message]) -> Handful:
    """Do what needs no database: decode, check, sort. Never raises for what it is given."""
    batches, refused, statuses = sort_messages(messages)
    newest_us = max((batch.last_us for batch in batches), default=0)
    return Handful(messages, by_time(batches), refused, statuses, newest_us)


def commit(writer: Writer, handful: Handful) -> Processed:
    """Commit a handful, in one transaction for each stretch of time, and return the receipts to be published now.

    A batch that the database refuses is found by committing one by one and goes to quarantine; the others are
    committed. Raises any other psycopg.Error where the database cannot be used now: call again, the ledger knows what
    is done.
    """
    outcome = CommitOutcome()
    *others, last = handful.groups
    try:
        for group in others:
            outcome = _sum(outcome, writer.commit(group))
        outcome = _sum(outcome, writer.commit(last, handful.refused))
    except VALUE_REFUSED:
        outcome = _sum(outcome, _commit_one_by_one(writer, handful.messages, handful.refused))
    if outcome.conflicts:
        _set_aside(writer, handful.messages, outcome)
    for topic, status in handful.statuses:
        writer.announce(topic.site, topic.device, status)
    return Processed(outcome, receipts(outcome), len(handful.statuses), handful.newest_us)


def process(writer: Writer, messages: Sequence[Message]) -> Processed:
    """Prepare and commit messages. Raises as `commit` does."""
    return commit(writer, prepare(messages))


def _set_aside(writer: Writer, messages: Sequence[Message], outcome: CommitOutcome) -> None:
    """File in quarantine what came under the number of another batch: from a cloned device it would be lost unseen."""
    conflicts = {_signature(batch) for batch in outcome.conflicts}
    entries = []
    for message in messages:
        batches, _, _ = sort_messages([message])
        if batches and _signature(batches[0]) in conflicts:
            detail = f"number {batches[0].key.seq} of epoch {batches[0].key.epoch} holds another batch"
            entries.append(refuse(message, PayloadError("identity_conflict", detail)))
    writer.commit([], entries)
    outcome.refused.extend(entries)


def _signature(batch: ColumnBatch) -> tuple[BatchKey, str, str, int, int, int]:
    return batch.key, batch.stream, batch.link, batch.n, batch.first_us, batch.last_us


def _sum(first: CommitOutcome, second: CommitOutcome) -> CommitOutcome:
    """Return both together; what `first` committed is no duplicate when it was offered again."""
    committed = set(first.committed)
    return CommitOutcome(
        committed=first.committed + second.committed,
        duplicates=first.duplicates + [key for key in second.duplicates if key not in committed],
        conflicts=first.conflicts + second.conflicts,
        refused=first.refused + second.refused,
        rows=first.rows + second.rows,
    )


def _commit_one_by_one(writer: Writer, messages: Sequence[Message], refused: list[RefusedPayload]) -> CommitOutcome:
    total = writer.commit([], refused)
    for message in messages:
        batches, _, _ = sort_messages([message])
        try:
            outcome = writer.commit(batches)
        except VALUE_REFUSED as error:
            entry = refuse(message, PayloadError(REJECTED_BY_DATABASE, " ".join(str(error).split())))
            outcome = writer.commit([], [entry])
        total = total.plus(outcome)
    return total


def receipts(outcome: CommitOutcome) -> list[Answer]:
    """Return one receipt for each outbox life that had a batch in `outcome`; duplicates are delivered batches too."""
    delivered: dict[tuple[str, str, str], set[int]] = defaultdict(set)
    refused: dict[tuple[str, str, str], list[Refusal]] = defaultdict(list)
    for key in (*outcome.committed, *outcome.duplicates):
        delivered[key.site, key.device, key.epoch].add(key.seq)
    for item in outcome.refused:
        if item.key is not None:
            refused[item.key[:3]].append(Refusal(seq=item.key.seq, reason=f"{item.reason}: {item.detail}"[:300]))
    answers = []
    for life in delivered.keys() | refused.keys():
        site, device, epoch = life
        receipt = Receipt(epoch=epoch, committed=ranges(delivered[life]), quarantined=refused[life])
        answers.append(Answer(receipt_topic(site, device), msgspec.json.encode(receipt)))
    return answers


def ranges(numbers: set[int]) -> list[tuple[int, int]]:
    """Return the inclusive ranges that `numbers` make up, ascending."""
    found: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found
