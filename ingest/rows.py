"""Samples, row by row, to the batch of columns that everything else works with."""

from __future__ import annotations

from collections.abc import Sequence

from contract.envelope import Batch
from contract.samples import Sample
from contract.streams import STREAMS
from storage.columnar import BatchKey


def batch_of_rows(key: BatchKey, stream: str, link: str, source: str, rows: Sequence[tuple[int, Sample]]) -> Batch:
    """Return one batch of `rows`: Unix nanoseconds and values. Columns that are null throughout are left out."""
    t0_ns = min(t_ns for t_ns, _ in rows)
    columns = {
        column.name: [values.get(column.name, column.default) for _, values in rows]
        for column in STREAMS[stream].columns
        if not column.nullable or any(values.get(column.name, column.default) is not None for _, values in rows)
    }
    return Batch(
        site=key.site,
        device=key.device,
        epoch=key.epoch,
        seq=key.seq,
        stream=stream,
        link=link,
        source=source,
        n=len(rows),
        t0_ns=t0_ns,
        columns={"t": [t_ns - t0_ns for t_ns, _ in rows], **columns},
    )
