"""A month of one link on one screen: from its parts, beside grouping its packets.

The parts of 30 days at 50 packets/s (130 M packets) are made without inserting the packets: one day of packets is made
and cut into parts as the refresher does, and its 1,440 minutes, 24 hours and the day are stored 30 times, each moved to
its own day. The peer groups a million packets that are really in the table, and its time is scaled to 130 M.
"""

import dataclasses
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psycopg

from analytics.part_codec import VERSION, pack_delay, pack_head
from analytics.part_figures import figures, quantile_us
from analytics.part_loader import DAY, HOUR, MINUTE, window_parts
from analytics.part_segments import DIRECTIONS, FAILING_US, FIRST_US, LAST_US, NEVER, TIMELY_US, Deadlines, block
from analytics.partials import Part, merge, split
from storage.columnar import ArrayColumn, BatchKey, ColumnBatch
from storage.connect import connect
from storage.embedded import embedded_server
from storage.migrate import migrate
from storage.partials import LEVEL_US, begin_anew, note_changes
from storage.writer import Writer

DAYS = 30
STEP_US = 20_000
HOUR_PACKETS = LEVEL_US[HOUR] // STEP_US
START_US = 1_780_012_800_000_000 // LEVEL_US[DAY] * LEVEL_US[DAY]
RAW_PACKETS = 1_000_000
PACKETS = DAYS * 24 * HOUR_PACKETS
ROUNDS = 7
QUANTILES = ("0.5", "0.95", "0.99", "0.999")


def packets(first: int, n: int, median_us: float, seed: int) -> dict[str, ArrayColumn]:
    """Return probes of one link: log-normal delays around a median, one lost in a hundred, now and then in bursts."""
    rng = np.random.default_rng(seed)
    ul, dl = (rng.lognormal(np.log(median_us), 0.4, n).astype(np.int32) for _ in range(2))
    is_lost = rng.random(n) < 0.01
    is_lost[n // 2 : n // 2 + 200] = True
    seq = np.arange(first, first + n, dtype=np.int32)
    there = ~is_lost
    return {
        "t_us": ArrayColumn(START_US + STEP_US * seq.astype(np.int64)),
        "session": ArrayColumn(np.ones(n, np.int32)),
        "seq": ArrayColumn(seq),
        "refl_seq": ArrayColumn(seq, there),
        "ul_us": ArrayColumn(ul, there),
        "dl_us": ArrayColumn(dl, there),
        "rtt_us": ArrayColumn(ul + dl, there),
        "copy": ArrayColumn(there.astype(np.int16)),
        "lost": ArrayColumn(np.where(is_lost, 3, 0).astype(np.int16)),
    }


def parts_of_a_day() -> list[list[Part]]:
    """Return the minutes, hours and the day of one day's packets."""
    minutes: list[Part] = []
    for hour in range(24):
        columns = packets(hour * HOUR_PACKETS, HOUR_PACKETS, 8_000 + 1_500 * np.sin(hour / 24 * 6.28), hour)
        low_us = START_US + hour * LEVEL_US[HOUR]
        minutes += split(columns, range(low_us, low_us + LEVEL_US[HOUR] + 1, LEVEL_US[MINUTE]), Deadlines())
    hours = [merge(minutes[low : low + 60]) for low in range(0, len(minutes), 60)]
    return [minutes, hours, [merge(hours)]]


def moved(part: Part, days: int) -> Part:
    """Return a part some days later, its sequence numbers going on."""
    by_us, by_seq = days * LEVEL_US[DAY], days * 24 * HOUR_PACKETS
    segments = part.segments.copy()
    for column in (FIRST_US, LAST_US, *(block(name) + at for name in DIRECTIONS for at in (TIMELY_US, FAILING_US))):
        segments[:, column] = np.where(segments[:, column] == NEVER, NEVER, segments[:, column] + by_us)
    pieces = tuple(
        piece._replace(
            first_seq=piece.first_seq + by_seq,
            last_seq=piece.last_seq + by_seq,
            first_known_seq=piece.first_known_seq + by_seq,
            first_known_refl=piece.first_known_refl + by_seq,
            last_known_seq=piece.last_known_seq + by_seq,
            last_known_refl=piece.last_known_refl + by_seq,
        )
        for piece in part.pieces
    )
    return dataclasses.replace(
        part, start_us=part.start_us + by_us, end_us=part.end_us + by_us, segments=segments, pieces=pieces
    )


def store_month(connection: psycopg.Connection) -> None:
    """Fill the table of parts for link 1."""
    by_level = parts_of_a_day()
    begin_anew(connection, VERSION, Deadlines().t_max_us, Deadlines().survival_us)
    names = "link_id, level, start, head, round_trip, up, down"
    with connection.cursor() as cursor, cursor.copy(f"COPY probe_part ({names}) FROM STDIN".encode()) as copy:
        for level, parts in enumerate(by_level):
            for part in parts:
                cells = [pack_delay(part.delays[name]) for name in ("round_trip", "up", "down")]
                for day in range(DAYS):
                    one = moved(part, day)
                    start = np.datetime64(one.start_us, "us").item().isoformat() + "Z"
                    copy.write_row((1, level, start, pack_head(one), *cells))
    connection.execute("VACUUM ANALYZE probe_part")
    note_changes(connection)


def panel(connection: psycopg.Connection, step_us: int) -> int:
    """Return the number of points of a chart of the month; each has four quantiles and the loss ratio."""
    edges_us = list(range(START_US, START_US + DAYS * LEVEL_US[DAY] + 1, step_us))
    points = []
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        for part in window_parts(connection, 1, edges_us, ["round_trip"]):
            delay, losses = part.delays["round_trip"], part.losses
            quantiles = [quantile_us(delay.histogram, losses.lost, q, delay.min_us, delay.max_us) for q in QUANTILES]
            points.append((*quantiles, losses.lost / losses.sent))
    return len(points)


def total(connection: psycopg.Connection) -> int:
    """Return how many packets the month has, with all figures of all directions computed."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        (part,) = window_parts(connection, 1, [START_US, START_US + DAYS * LEVEL_US[DAY]], DIRECTIONS)
    assert figures(part)
    return part.losses.sent


def raw_panel(connection: psycopg.Connection) -> None:
    """Group the packets themselves into 300 points, as a panel without parts would."""
    width_us = RAW_PACKETS * STEP_US // 300
    connection.execute(
        "SELECT time_bucket(%s * interval '1 microsecond', t), percentile_disc(ARRAY[0.5, 0.95, 0.99, 0.999])"
        " WITHIN GROUP (ORDER BY rtt_us), count(*) FILTER (WHERE lost > 0)::float8 / count(*)"
        " FROM probe WHERE copy <= 1 AND link_id = 2 GROUP BY 1 ORDER BY 1",
        (width_us,),
    ).fetchall()


def store_packets(connection: psycopg.Connection) -> None:
    """Insert the peer's packets."""
    columns = packets(0, RAW_PACKETS, 8_000, 1)
    t_us = columns.pop("t_us").values
    key = BatchKey("bench", "car-1", "e1", 1)
    Writer(connection).commit([ColumnBatch(key, "probe", "raw", "bench/1", t_us.size, t_us, columns, int(t_us[-1]))])
    connection.execute("UPDATE probe SET link_id = 2")
    connection.execute("VACUUM ANALYZE probe")


def timed_ms(work: Callable[[], Any]) -> float:
    """Return the median time of some rounds after a first one that is not counted."""
    work()
    taken = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1000


def run() -> Iterator[dict[str, Any]]:
    """Yield `panel_30d` and `total_30d`."""
    home = Path(tempfile.mkdtemp(prefix="jissho-bench-"))
    home.chmod(0o755)
    try:
        with embedded_server(home) as server, connect(server.url) as connection:
            migrate(connection)
            store_packets(connection)
            store_month(connection)
            row = connection.execute("SELECT pg_total_relation_size('probe_part')").fetchone()
            assert row is not None
            assert (panel(connection, 2 * LEVEL_US[HOUR]), total(connection)) == (DAYS * 12, PACKETS)
            by_step = {
                minutes: timed_ms(lambda m=minutes: panel(connection, m * LEVEL_US[MINUTE])) for minutes in (120, 144)
            }
            total_ms = timed_ms(lambda: total(connection))
            raw_ms = timed_ms(lambda: raw_panel(connection)) * PACKETS / RAW_PACKETS
    finally:
        shutil.rmtree(home, ignore_errors=True)
    common = {"unit": "ms", "packets": PACKETS, "cpus": os.cpu_count()}
    peer = {f"GROUP BY with percentile_disc, {RAW_PACKETS:,} packets scaled": round(raw_ms)}
    yield {
        "bench": "panel_30d", "value": round(by_step[120], 1), "peers": peer, "points": DAYS * 12,
        "points_300_of_144_min_ms": round(by_step[144], 1), "bytes_stored": row[0], **common,
    }  # fmt: skip
    yield {"bench": "total_30d", "value": round(total_ms, 1), "peers": peer, **common}
