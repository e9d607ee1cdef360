"""The completeness proof of a run: what the outboxes took against what the ledger has.

The sequence numbers of an outbox have no hole, so what is missing between the first and the last batch of a run is
known by number, without asking the device. What retention deleted was committed and is no gap: it is counted apart.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import psycopg

from contract.envelope import FOREIGN_EPOCH
from storage.reader import link_ids
from storage.runs import RunRecord


class EpochCompleteness(msgspec.Struct, frozen=True, kw_only=True):
    """What one outbox life contributed to a run.

    `taken` batches lie between `first_seq` and `last_seq`; `committed` + `quarantined` + `missing` make them up.
    `pending` batches after `last_seq` were announced by the device and have not arrived: they may belong to the run.
    `deleted` of the committed ones have lost samples to retention, all or some.
    """

    device: str
    epoch: str
    first_seq: int
    last_seq: int
    taken: int
    committed: int
    quarantined: int
    missing: int
    missing_ranges: list[tuple[int, int]]
    pending: int
    rows: int
    deleted: int = 0


class Completeness(msgspec.Struct, frozen=True, kw_only=True):
    """The completeness of a run. `ratio` is committed / taken; None where nothing was taken.

    `foreign_rows` came from third parties' devices, which number nothing: what of theirs is missing nobody can say, so
    they are no part of the proof.
    """

    run: str
    epochs: list[EpochCompleteness]
    taken: int
    committed: int
    quarantined: int
    missing: int
    pending: int
    rows: int
    foreign_rows: int = 0
    ratio: float | None
    as_of: datetime
    deleted: int = 0


_EPOCHS = """
WITH span AS (
    SELECT epoch_id, min(seq) AS first_seq, max(seq) AS last_seq, sum(n) AS rows, count(*) FILTER (
        WHERE deleted && tstzrange(t_first, t_last, '[]')
          -- What came after the deletion is there.
          AND EXISTS (SELECT FROM retention_log AS log
                      WHERE log.stream = batch.stream AND log.link_id = batch.link_id AND deleted_at >= received_at
                        AND log.deleted && tstzrange(t_first, t_last, '[]'))) AS deleted
    FROM batch LEFT JOIN deleted_period USING (stream, link_id)
    WHERE link_id = ANY(%(links)s) AND t_first < %(end)s AND t_last >= %(start)s
    GROUP BY epoch_id),
cut AS (
    SELECT span.*, ledger.epoch, ledger.announced, device.device,
           int8multirange(int8range(first_seq, last_seq, '[]')) AS whole, committed, quarantined
    FROM span JOIN ledger USING (epoch_id) JOIN device USING (device_id) WHERE epoch <> %(foreign)s)
SELECT device, epoch, first_seq, last_seq, rows,
       (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(whole * committed) AS r),
       (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(whole * quarantined) AS r),
       (SELECT array_agg(ARRAY[lower(r), upper(r) - 1] ORDER BY lower(r))
        FROM unnest(whole - committed - quarantined) AS r),
       greatest(announced - upper(committed + quarantined) + 1, 0), deleted
FROM cut ORDER BY device, epoch
"""

_FOREIGN_ROWS = """
SELECT coalesce(sum(n), 0) FROM batch JOIN ledger USING (epoch_id)
WHERE link_id = ANY(%(links)s) AND t_first < %(end)s AND t_last >= %(start)s AND epoch = %(foreign)s
"""


def run_completeness(connection: psycopg.Connection, run: RunRecord) -> Completeness:
    """Return the completeness of `run` as the ledger has it now."""
    ids = list(link_ids(connection, run.site, run.devices).values())
    now = datetime.now(tz=UTC)
    parameters = {"links": ids, "start": run.started_at, "end": run.ended_at or now, "foreign": FOREIGN_EPOCH}
    epochs = []
    for device, epoch, first, last, rows, committed, quarantined, gaps, pending, deleted in connection.execute(
        _EPOCHS, parameters
    ):
        ranges = [(low, high) for low, high in gaps or []]
        epochs.append(
            EpochCompleteness(
                device=device,
                epoch=epoch,
                first_seq=first,
                last_seq=last,
                taken=last - first + 1,
                committed=int(committed),
                quarantined=int(quarantined),
                missing=sum(high - low + 1 for low, high in ranges),
                missing_ranges=ranges,
                pending=int(pending),
                rows=int(rows),
                deleted=deleted,
            )
        )
    foreign = connection.execute(_FOREIGN_ROWS, parameters).fetchone()
    taken = sum(epoch.taken for epoch in epochs)
    committed_total = sum(epoch.committed for epoch in epochs)
    return Completeness(
        run=run.name,
        epochs=epochs,
        taken=taken,
        committed=committed_total,
        quarantined=sum(epoch.quarantined for epoch in epochs),
        missing=sum(epoch.missing for epoch in epochs),
        pending=sum(epoch.pending for epoch in epochs),
        rows=sum(epoch.rows for epoch in epochs),
        foreign_rows=0 if foreign is None else int(foreign[0]),
        ratio=committed_total / taken if taken else None,
        as_of=now,
        deleted=sum(epoch.deleted for epoch in epochs),
    )
