"""Raw series of a run from the database, in chunks: what the CSV and the raw sheets of the workbook are made of."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from analytics.loader import run_window_us
from analytics.report.model import RawStream
from contract.columns import Stream
from storage.reader import iterate_columns, link_ids
from storage.runs import RunRecord

EXPORT_CHUNK_ROWS = 20_000
"""Rows at a time: 20,000 probe rows are 1.6 MB of CSV, and take 21 MB while they are written."""


def run_links(connection: psycopg.Connection, run: RunRecord) -> dict[int, tuple[str, str]]:
    """Return {link_id: (device, link)} of the run; each device's own entry (link "") is among them."""
    return {link_id: names for names, link_id in link_ids(connection, run.site, run.devices, run.links).items()}


def raw_stream(
    connection: psycopg.Connection, run: RunRecord, stream: Stream, links: dict[int, tuple[str, str]]
) -> RawStream:
    """Return the raw series of one stream; the rows are read while `chunks` is iterated, over `connection`."""
    start_us, end_us = run_window_us(run)
    names = ("link_id", *stream.column_names)
    chunks = iterate_columns(
        connection,
        stream.name,
        names,
        link_ids=list(links),
        start_us=start_us,
        end_us=end_us,
        chunk_rows=EXPORT_CHUNK_ROWS,
    )
    return RawStream(stream=stream, links=links, chunks=chunks)


def count_rows(connection: psycopg.Connection, run: RunRecord, links: Sequence[int]) -> dict[str, int]:
    """Return about how many rows each stream has in the run (whole batches are counted), without reading them."""
    start_us, end_us = run_window_us(run)
    rows = connection.execute(
        "SELECT stream, sum(n)::int8 FROM batch WHERE link_id = ANY(%s)"
        " AND t_first < to_timestamp(%s / 1e6) AND t_last >= to_timestamp(%s / 1e6) GROUP BY stream",
        (list(links), end_us, start_us),
    )
    return {stream: count for stream, count in rows}  # noqa: C416 - a cursor of rows is no mapping
