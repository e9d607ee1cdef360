"""Aggregates by second and by minute: the same questions, the same rows, on both servers, whatever comes late."""

import math
import time

import numpy as np
import pytest

from contract.streams import STREAMS
from storage.aggregates import BUCKETS, KEYS, MATERIALIZED_BY_SECOND, measures
from storage.columnar import ArrayColumn
from storage.migrate import database_mode
from tests.storage.test_writer import probe_batch, text_batch

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
NOW_US = time.time_ns() // 1000
"""Policies work up to now, so these samples are recent."""
T_US = (NOW_US - HOUR_US) // MINUTE_US * MINUTE_US
TOTAL = "SELECT sum(n)::int8, sum(sent)::int8, sum(delivered)::int8, sum(lost_unknown)::int8 FROM {}"


def run_policies(connection):
    """Do what the policies do every minute, now; on plain PostgreSQL there is nothing to do."""
    if database_mode(connection) == "timescale":
        jobs = connection.execute(
            "SELECT job_id FROM timescaledb_information.jobs WHERE proc_name = 'policy_refresh_continuous_aggregate'"
            " ORDER BY job_id"
        ).fetchall()
        for (job,) in jobs:
            connection.execute("SELECT alter_job(%s, scheduled => false)", (job,))
            connection.execute("CALL run_job(%s)", (job,))


def total(connection, view):
    return connection.execute(TOTAL.format(view)).fetchone()


def rows(connection, view, names):
    query = f"SELECT (extract(epoch FROM bucket) * 1e6)::int8, {names} FROM {view} ORDER BY 1, 2, 3"
    return connection.execute(query).fetchall()


def probes(seq, t_us, copies, lost, rtt_us):
    """Make a probe batch from its columns; a negative delay is null. Samples are 400 ms apart."""
    batch = probe_batch(seq, n=len(copies))
    batch.t_us[:] = t_us + np.arange(len(copies)) * 400_000
    batch.columns["copy"] = ArrayColumn(np.array(copies, np.int16))
    batch.columns["lost"] = ArrayColumn(np.array(lost, np.int16))
    for name in ("rtt_us", "ul_us", "dl_us"):
        batch.columns[name] = ArrayColumn(np.array(rtt_us, np.int32), np.array(rtt_us) >= 0)
    return batch


def test_every_stream_has_its_columns_by_second_and_by_minute(db):
    """Both views of each stream hold the keys and measures of the table, with equal types."""
    connection = db.connect()
    for name, stream in STREAMS.items():
        found = {}
        for suffix in BUCKETS:
            found[suffix] = connection.execute(
                "SELECT column_name::text, udt_name::text FROM information_schema.columns WHERE table_name = %s"
                " ORDER BY ordinal_position",
                (f"{name}_{suffix}",),
            ).fetchall()
        expected = ["bucket", "link_id", *KEYS.get(name, ()), *(item.name for item in measures(stream))]
        assert expected == [column for column, _ in found["1s"]]
        assert found["1s"] == found["1min"]


def test_probe_counts_and_delays_by_second_and_minute(db):
    """Losses per direction, further copies and unmeasured delays are counted as the contract means them."""
    writer = db.writer()
    writer.commit([
        # 0 s: answered, its second copy, lost up; 1 s: lost down, answered without a delay; 2 s: lost, answered
        probes(1, T_US, [1, 2, 0, 0, 1, 0, 1], [0, 0, 1, 2, 0, 3, 0], [30, 90, -1, -1, -1, -1, 50]),
        probes(2, T_US + 90_000_000, [1], [0], [10]),
    ])  # fmt: skip
    counts = "n, sent, delivered, lost_up, lost_down, lost_unknown"
    delays = "rtt_us_n, rtt_us_sum, rtt_us_min, rtt_us_max, ul_us_sum, dl_us_max"
    by_second = [
        (T_US, 3, 2, 1, 1, 0, 0, 1, 30, 30, 30, 30, 30),
        (T_US + 1_000_000, 2, 2, 1, 0, 1, 0, 0, None, None, None, None, None),
        (T_US + 2_000_000, 2, 2, 1, 0, 0, 1, 1, 50, 50, 50, 50, 50),
        (T_US + 90_000_000, 1, 1, 1, 0, 0, 0, 1, 10, 10, 10, 10, 10),
    ]
    by_minute = [
        (T_US, 7, 6, 3, 1, 1, 1, 2, 80, 30, 50, 80, 50),
        (T_US + 60_000_000, 1, 1, 1, 0, 0, 0, 1, 10, 10, 10, 10, 10),
    ]
    for _ in range(2):
        assert by_second == rows(writer.connection, "probe_1s", f"{counts}, {delays}")
        assert by_minute == rows(writer.connection, "probe_1min", f"{counts}, {delays}")
        run_policies(writer.connection)


def test_late_rows_are_in_the_aggregate_after_the_next_run_of_the_policy(db):
    """Backlogs of six hours, three days, two years and of wrong clocks are counted, and so are live rows meanwhile."""
    writer = db.writer()
    writer.commit([probe_batch(1, t0_us=T_US, lost_every=5)])
    run_policies(writer.connection)
    late = [6, 72, 2 * 365 * 24]
    batches = [probe_batch(2 + number, t0_us=NOW_US - hours * HOUR_US) for number, hours in enumerate(late)]
    wrong = [probe_batch(5, t0_us=0), probe_batch(6, t0_us=4_102_444_800_000_000)]
    writer.commit([*batches, *wrong, probe_batch(7, t0_us=NOW_US)])
    run_policies(writer.connection)

    for view in ("probe_1s", "probe_1min"):
        assert total(writer.connection, view) == (70, 70, 68, 2)
    # Live: a policy that ran meanwhile has closed the minutes of when this file was read.
    writer.commit([probe_batch(8, t0_us=time.time_ns() // 1000)])
    for view in ("probe_1s", "probe_1min"):
        assert total(writer.connection, view) == (80, 80, 78, 2)


def test_late_rows_reach_compressed_aggregates(db):
    """A backlog for a time whose samples and whose aggregate are columns already is counted after the refresh."""
    writer = db.writer()
    connection = writer.connection
    writer.commit([probe_batch(seq, t0_us=T_US) for seq in (1, 3)])
    run_policies(connection)
    if database_mode(connection) == "timescale":
        for chunk in connection.execute("SELECT show_chunks('probe') UNION ALL SELECT show_chunks('probe_1s')"):
            connection.execute("CALL convert_to_columnstore(%s::regclass)", (str(chunk[0]),))
    writer.commit([probe_batch(seq, t0_us=T_US) for seq in (1, 2, 3)])
    run_policies(connection)

    assert total(connection, "probe_1s") == total(connection, "probe_1min") == (30, 30, 30, 0)


def test_directions_and_metrics_are_kept_apart(db):
    """Rows with different keys do not average; identities have extremes only, flags are counted."""
    writer = db.writer()
    writer.commit([
        text_batch(1, "throughput", direction="up", protocol="udp", interval_s=1.0, rate_bps=1e6, bytes=2**62),
        text_batch(2, "throughput", direction="up", protocol="udp", interval_s=1.0, rate_bps=3e6, bytes=2**62),
        text_batch(3, "throughput", direction="down", protocol="udp", interval_s=1.0, rate_bps=9e6),
        text_batch(4, "vehicle", odd_inside=True, speed_mps=1.5),
        text_batch(5, "vehicle", odd_inside=False, speed_mps=2.5),
        text_batch(6, "vehicle"),
        text_batch(7, "radio", pci=5, rsrp_dbm=-90.0),
        text_batch(8, "radio", pci=7),
    ])  # fmt: skip
    for _ in range(2):
        for suffix in BUCKETS:
            found = writer.connection.execute(
                f"SELECT direction, n, rate_bps_sum / rate_bps_n, bytes_sum FROM throughput_{suffix} ORDER BY 1"
            ).fetchall()
            assert [("down", 1, 9e6, None), ("up", 2, 2e6, 2.0**63)] == found
            found = writer.connection.execute(
                f"SELECT n, odd_inside_n, odd_inside_true, speed_mps_sum, speed_mps_max FROM vehicle_{suffix}"
            ).fetchall()
            assert [(3, 2, 1, 4.0, 2.5)] == found
            found = writer.connection.execute(
                f"SELECT pci_min, pci_max, rsrp_dbm_n, rsrp_dbm_sum FROM radio_{suffix}"
            ).fetchall()
            assert [(5, 7, 1, -90.0)] == found
        run_policies(writer.connection)


def test_values_that_would_overflow_a_sum_do_not_stop_the_refresh(db):
    """Two of the largest numbers in an open stream leave the mean of the others, and extremes show them."""
    writer = db.writer()
    values = [1e308, 1e308, 4.0]
    writer.commit([
        text_batch(number, "metric", name="x", unit="1", value=value) for number, value in enumerate(values, 1)
    ])  # fmt: skip
    run_policies(writer.connection)
    for suffix in BUCKETS:
        found = writer.connection.execute(f"SELECT n, value_n, value_sum, value_max FROM metric_{suffix}").fetchone()
        assert found[:3] == (3, 1, 4.0)
        assert math.isclose(found[3], 1e308)


def test_every_continuous_aggregate_is_refreshed_every_minute_without_limit_backwards(db):
    """Policies look back over all time, and each transaction of theirs holds many buckets."""
    connection = db.connect()
    if database_mode(connection) != "timescale":
        pytest.skip("plain PostgreSQL has ordinary views")
    found = connection.execute(
        "SELECT user_view_name::text, config ->> 'start_offset', (config ->> 'buckets_per_batch')::int >= 10000,"
        " schedule_interval = interval '1 minute' FROM timescaledb_information.jobs"
        " JOIN _timescaledb_catalog.continuous_agg ON mat_hypertable_id = (config ->> 'mat_hypertable_id')::int"
        " WHERE proc_name = 'policy_refresh_continuous_aggregate' ORDER BY 1"
    ).fetchall()
    names = [f"{name}_1min" for name in STREAMS] + [f"{name}_1s" for name in MATERIALIZED_BY_SECOND]

    assert [(name, None, True, True) for name in sorted(names)] == found


@pytest.mark.parametrize("suffix", BUCKETS)
def test_a_window_of_buckets_is_found_by_the_index_on_plain_postgresql(db, suffix):
    """The views' buckets are in the index of every stream, so a panel does not read the whole table."""
    connection = db.connect()
    if database_mode(connection) != "plain":
        pytest.skip("chunks and stored aggregates are TimescaleDB's way")
    connection.execute("SET enable_seqscan = off")
    for stream in STREAMS:
        plan = connection.execute(
            f"EXPLAIN SELECT bucket, n FROM {stream}_{suffix} WHERE bucket >= now() - interval '1 hour'"
        ).fetchall()
        text = "\n".join(row[0] for row in plan)
        assert "Bitmap Index Scan" in text, stream
        assert "Seq Scan" not in text, stream
