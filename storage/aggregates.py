"""SQL of the aggregates: each stream by second and by minute, under the same names on both servers.

`<stream>_1s` and `<stream>_1min` hold a row for each bucket, link and further key, with counts and sums, so that rows
merge exactly into any longer time: the mean of a column is `x_sum / x_n`, the loss `(sent - delivered) / sent`.
`make docs` rewrites `sql/0008_aggregates.*.sql` until their revision is released.
"""

from __future__ import annotations

from typing import NamedTuple

from contract.columns import NUMERIC_KINDS, Column, Stream
from contract.streams import STREAMS

BUCKETS = {"1s": "1 second", "1min": "1 minute"}
"""Suffix of the view and width of its buckets. On plain PostgreSQL both are in the index of every stream (0007)."""

KEYS: dict[str, tuple[str, ...]] = {
    "throughput": ("direction", "protocol"),
    "command": ("name",),
    "video": ("camera",),
    "event": ("name", "severity"),
    "clock": ("method",),
    "traffic": ("scene", "treatment"),
    "metric": ("name", "unit"),
}
"""What rows are kept apart by beside link and bucket: a mean over both directions or two metrics says nothing."""

IDENTITIES = {"radio": ("pci", "arfcn", "cell_id"), "position": ("mode",)}
"""Numbers that name something: the extremes tell whether it changed in the bucket, a sum means nothing."""

_LEFT_OUT = {
    "position": ("heading_deg",),
    "throughput": ("trial", "lat_deg", "lon_deg"),
    "probe": ("session", "seq", "refl_seq", "copy", "lost"),
}
"""Angles, of which 359 and 1 do not average to 180, numbers that name a test or a place, and what the counts of the
probe stream say better."""

MATERIALIZED_BY_SECOND = ("probe", "position", "vehicle")
"""Streams of many rows a second. In the others a second holds one row or none: a stored aggregate by second would be
larger than the stream itself, so `_1s` is an ordinary view of them, and only `_1min` is stored."""

_PROBE_COUNTS = {
    "sent": "copy <= 1",
    "delivered": "copy = 1",
    "lost_up": "copy <= 1 AND lost = 1",
    "lost_down": "copy <= 1 AND lost = 2",
    "lost_unknown": "copy <= 1 AND lost = 3",
}
_OPEN_BOUND = 1e290
"""Larger values of a column without a bound are left out of count and sum: two of them could overflow the sum, and one
error stops the refresh of a whole aggregate for ever."""


class Measure(NamedTuple):
    """One column of an aggregate: its name and its expression over samples."""

    name: str
    expression: str


def _column_measures(stream: Stream, column: Column) -> list[Measure]:
    name = column.name
    if column.kind == "bool":
        return [Measure(f"{name}_n", f"count({name})"), Measure(f"{name}_true", f"count(*) FILTER (WHERE {name})")]
    # A further copy of a packet is no second measurement.
    where = " FILTER (WHERE copy = 1)" if stream.name == "probe" else ""
    extremes = [Measure(f"{name}_{which}", f"{which}({name}){where}") for which in ("min", "max")]
    if name in IDENTITIES.get(stream.name, ()):
        return extremes
    if column.kind == "f8" and None in column.bounds:
        where = f" FILTER (WHERE abs({name}) <= {_OPEN_BOUND:g})"
    # real would round, and a sum of bigint would be numeric; float8 holds 2^53 of it exactly.
    summed = f"sum({name}::float8)" if column.kind in {"f4", "i8"} else f"sum({name})"
    return [Measure(f"{name}_n", f"count({name}){where}"), Measure(f"{name}_sum", summed + where), *extremes]


def measures(stream: Stream) -> list[Measure]:
    """Return the columns of the aggregates of `stream` that follow bucket, link_id and the keys."""
    found = [Measure("n", "count(*)")]
    if stream.name == "probe":
        found += [Measure(name, f"count(*) FILTER (WHERE {where})") for name, where in _PROBE_COUNTS.items()]
    for column in stream.columns:
        is_measured = column.kind in NUMERIC_KINDS or column.kind == "bool"
        if is_measured and column.name not in _LEFT_OUT.get(stream.name, ()):
            found += _column_measures(stream, column)
    return found


def _select(stream: Stream, suffix: str) -> str:
    keys = ("link_id", *KEYS.get(stream.name, ()))
    columns = [f"time_bucket('{BUCKETS[suffix]}', t) AS bucket", ", ".join(keys)]
    columns += [f"{item.expression} AS {item.name}" for item in measures(stream)]
    listed = ",\n    ".join(columns)
    grouped = ", ".join(str(number + 1) for number in range(len(keys) + 1))
    return f"SELECT\n    {listed}\nFROM {stream.name} GROUP BY {grouped}"


def _view(stream: Stream, suffix: str) -> str:
    return f"CREATE VIEW {stream.name}_{suffix} AS\n{_select(stream, suffix)};\n"


_PLAIN_HEAD = """\
-- Rendered from contract/streams.py by `make docs`. Ordinary views: always complete, late data included. A window of
-- 15 minutes of one link at 100 Hz took 46 ms by second, two years of partitions beside it, where the same question
-- to the table with a condition on t took 35 ms; the losses of 2.9 M rows (four hours, two links) took 0.37 s. A day of
-- a fast link is a matter of seconds, and longer windows are what TimescaleDB is for.

"""

_TIMESCALE_HEAD = """\
-- Rendered from contract/streams.py by `make docs`. Continuous aggregates in real time: what is not yet materialized
-- is computed from the samples, so live data are never missing.
-- Late data: rows older than what is materialized are noted in the invalidation log, which the policies work off every
-- minute. They look back without limit (start_offset NULL), so a backlog appears a minute or two after it came,
-- however old; when nothing changed a run took 3 ms, and rows of 1970 or 2100 cost nothing.
-- buckets_per_batch: its default of 10 makes a transaction of every ten buckets. 96 hours by second took 164 s with
-- it, and 1.0 s with a day a batch.
-- Two links at 100 Hz, all policies together: 0.5 s where nothing came, 1.1 s for a minute of live data, 5 s for six
-- late hours, 10 s for the first 16 hours. A panel over four hours took 0.01 s, and 0.27 s from the samples.
-- What ingest pays, COPY in batches of 10,000: 5 % for live rows (1.28 M to 1.21 M rows/s), a quarter for late ones
-- (1.57 M to 1.19 M).
-- Who adds a retention policy for the samples must limit start_offset to what is kept: dropped chunks count as
-- changed, and the refresh would empty their buckets.

"""


def plain_aggregates_sql() -> str:
    """Return the whole of `0008_aggregates.plain.sql`."""
    return _PLAIN_HEAD + "\n".join(_view(stream, suffix) for stream in STREAMS.values() for suffix in BUCKETS)


BATCH_BUCKETS = {"1s": 86_400, "1min": 10_080}
"""Buckets a transaction of a refresh: a day by second, a week by minute."""

_END_OFFSET = {"1s": "1 minute", "1min": "2 minutes"}
"""How far behind now a refresh ends. A minute is not built from the seconds, though that would read less: a refresh on
top of a real-time aggregate asks for its watermark at every sample, and 2.9 M rows took 25 s instead of 2 s."""

_COLUMNSTORE_AFTER = "30 days"


def _continuous(stream: Stream, suffix: str) -> str:
    name = f"{stream.name}_{suffix}"
    sql = (
        f"CREATE MATERIALIZED VIEW {name} WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS\n"
        f"{_select(stream, suffix)} WITH NO DATA;\n"
        f"SELECT add_continuous_aggregate_policy('{name}', start_offset => NULL,"
        f" end_offset => interval '{_END_OFFSET[suffix]}',\n"
        f"    schedule_interval => interval '1 minute', buckets_per_batch => {BATCH_BUCKETS[suffix]});\n"
    )
    if suffix == "1s":
        sql += (
            f"ALTER MATERIALIZED VIEW {name} SET (timescaledb.enable_columnstore,"
            f" timescaledb.orderby = 'bucket', timescaledb.segmentby = 'link_id');\n"
            f"CALL add_columnstore_policy('{name}', after => interval '{_COLUMNSTORE_AFTER}');\n"
        )
    return sql


def continuous_aggregates_sql() -> str:
    """Return the whole of `0008_aggregates.timescale.sql`."""
    parts = [
        _continuous(stream, suffix)
        if suffix == "1min" or stream.name in MATERIALIZED_BY_SECOND
        else _view(stream, suffix)
        for stream in STREAMS.values()
        for suffix in BUCKETS
    ]
    return _TIMESCALE_HEAD + "\n".join(parts)
