"""Files into a real database: everything once, nothing silently, the same data as the file."""

import json
from datetime import UTC, datetime

import pyarrow.parquet as pq
import pytest

from contract.envelope import MAX_PAYLOAD_BYTES
from contract.recording import ProfileError, RecordingError
from ingest import importer
from ingest.importer import CHUNK_ROWS, import_recording

PLACE = {"site": "kawasaki", "device": "car-1", "link": "local5g"}
HEADER = "t_jst,device,link,session,seq,refl_seq,ul_us,dl_us,rtt_us,copy,lost\n"
FIRST_US = 1_764_219_785_000_000


def row(seq, rtt_us="500", copy=1, lost=0):
    at_us = FIRST_US + seq * 10_000
    at = datetime.fromtimestamp(at_us // 10**6, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{at}.{at_us % 10**6:06d}Z,car-9,lte,7,{seq},{seq},,,{rtt_us},{copy},{lost}\n"


@pytest.fixture
def probe_csv(tmp_path):
    """Write a CSV file of probe rows and return its path."""

    def write(*rows):
        path = tmp_path / "probe.csv"
        path.write_text(HEADER + "".join(rows))
        return path

    return write


def stored(db, columns="seq, rtt_us, copy, lost", table="probe", order="seq, copy"):
    return db.connect().execute(f"SELECT {columns} FROM {table} ORDER BY {order}").fetchall()


def file_event(db):
    [(severity, message, detail)] = (
        db.connect().execute("SELECT severity, message, detail FROM event WHERE name = 'import.file'").fetchall()
    )
    return severity, message, detail


def test_rows_arrive_under_the_given_site_device_and_link(db, probe_csv):
    outcome = import_recording(db.writer(), probe_csv(row(0), row(1, "", 0, 3)), "probe_csv", **PLACE)
    assert [(0, 500, 1, 0), (1, None, 0, 3)] == stored(db)
    assert [("kawasaki", "car-1", "local5g")] == stored(db, "DISTINCT site, device, link", "link_name", "1")
    assert (2, 2, 2, 0, ()) == (
        outcome.samples,
        outcome.batches,
        outcome.committed,
        outcome.duplicates,
        outcome.rejected,
    )
    assert (FIRST_US, FIRST_US + 10_000) == (outcome.first_t_us, outcome.last_t_us)
    assert [("import/1", "event"), ("import/1", "probe")] == stored(db, "source, stream", "batch", "2")


def test_importing_a_file_twice_adds_nothing(db, probe_csv):
    path = probe_csv(*(row(seq) for seq in range(2 * CHUNK_ROWS + 1)))
    first = import_recording(db.writer(), path, "probe_csv", **PLACE)
    again = import_recording(db.writer(), path, "probe_csv", **PLACE)
    assert (4, 4, 0) == (first.batches, first.committed, first.duplicates)
    assert (4, 0, 4) == (again.batches, again.committed, again.duplicates)
    assert (first.epoch, first.samples) == (again.epoch, again.samples)
    assert [(2 * CHUNK_ROWS + 1, 1)] == stored(db, "count(*), count(DISTINCT session)", "probe", "1")
    assert [("{[1,5)}",)] == stored(db, "committed::text", "ledger", "1")


def test_the_same_file_for_another_link_or_with_another_option_is_another_import(db, probe_csv):
    path = probe_csv(row(0))
    epochs = {
        import_recording(db.writer(), path, "probe_csv", **{**PLACE, **change}).epoch
        for change in ({}, {"link": "lte"}, {"device": "car-2"}, {"options": {"time_offset_s": "0.5"}})
    }
    assert 4 == len(epochs)


def test_an_import_that_broke_off_goes_on_where_it_stopped(db, probe_csv, monkeypatch):
    """The second transaction fails; the next import adds exactly what is missing."""
    monkeypatch.setattr(importer, "COMMIT_ROWS", CHUNK_ROWS)
    path = probe_csv(*(row(seq) for seq in range(3 * CHUNK_ROWS)))

    class Breaking:
        def __init__(self, writer):
            self.writer, self.calls = writer, 0

        def commit(self, batches):
            self.calls += 1
            if self.calls == 2:
                raise ConnectionError("the line went dead")
            return self.writer.commit(batches)

    with pytest.raises(ConnectionError):
        import_recording(Breaking(db.writer()), path, "probe_csv", **PLACE)
    assert [(CHUNK_ROWS,)] == stored(db, "count(*)", "probe", "1")
    outcome = import_recording(db.writer(), path, "probe_csv", **PLACE)
    assert (3, 1) == (outcome.committed, outcome.duplicates)
    assert [(3 * CHUNK_ROWS, 3 * CHUNK_ROWS)] == stored(db, "count(*), count(DISTINCT seq)", "probe", "1")


def test_rows_that_the_contract_forbids_are_counted_by_reason_and_returned(db, probe_csv):
    outcome = import_recording(
        db.writer(),
        probe_csv(row(0), row(1, "-5"), row(2, "-6"), row(3, "fast"), row(4, copy=""), "2025-11-27T", row(5)[:40]),
        "probe_csv",
        **PLACE,
    )
    assert [(0, 500, 1, 0)] == stored(db)
    reasons = {rejection.reason: rejection.count for rejection in outcome.rejected}
    assert {
        "rtt_us is outside 0 .. 2000000000 us (storage)": 2,
        "rtt_us must be a number": 1,
        "copy must not be null": 1,
        "row not readable: the row has not 11 cells": 1,
    } == reasons
    assert 5 == outcome.rejected_rows
    assert outcome.rejected[0].example.startswith("rtt_us -5 is outside 0 .. 2000000000 us (storage): {'session': 7")
    severity, message, detail = file_event(db)
    assert ("warning", "probe.csv imported with profile probe_csv; 5 rows rejected") == (severity, message)
    assert reasons == detail["rejected"]
    lines = [rejection.lines for rejection in outcome.rejected]
    assert [[3, 4], [5], [6], [7]] == lines
    assert {rejection.reason: rejection.lines for rejection in outcome.rejected} == detail["rejected_lines"]


def test_the_event_of_the_file_keeps_its_name_size_and_hash(db, probe_csv):
    path = probe_csv(row(0))
    outcome = import_recording(db.writer(), path, "probe_csv", **PLACE)
    severity, _, detail = file_event(db)
    assert {"file": "probe.csv", "bytes": path.stat().st_size, "sha256": outcome.sha256}.items() <= detail.items()
    assert ("info", "probe_csv", 64) == (severity, detail["profile"], len(detail["profile_sha256"]))


def test_a_file_that_fails_in_the_middle_leaves_nothing_behind(db, probe_csv):
    rows = [row(seq) for seq in range(2 * CHUNK_ROWS)]
    with pytest.raises(RecordingError, match="column 'link' holds 'lte' and 'local5g'"):
        import_recording(db.writer(), probe_csv(*rows, row(5000).replace("lte", "local5g")), "probe_csv", **PLACE)
    assert [(0,)] == stored(db, "count(*)", "ledger", "1")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"site": "Kawasaki"}, ValueError, "site 'Kawasaki' is not a valid name"),
        ({"link": "local 5g"}, ValueError, "link 'local 5g' is not a valid name"),
        ({"options": {"begin": "x"}}, ProfileError, "option 'begin' is not one of"),
    ],
)
def test_wrong_names_and_options_are_refused_before_anything_is_read(probe_csv, change, error, message):
    with pytest.raises(error, match=message):
        import_recording(None, probe_csv(row(0)), "probe_csv", **{**PLACE, **change})


def test_progress_counts_rows_while_reading_and_then_rows_committed(db, probe_csv):
    told = []
    path = probe_csv(*(row(seq) for seq in range(2500)))
    import_recording(db.writer(), path, "probe_csv", **PLACE, progress=lambda *step: told.append(step))
    assert [(1000, None), (2000, None), (2501, 2501)] == told


EVENTS = """format = "csv"
stream = "event"
[time]
from = "t"
[columns]
name = { const = "marker" }
severity = { const = "info" }
message = { from = "note" }
detail = { from = "json" }
"""


def test_rows_that_only_the_decoder_refuses_do_not_take_their_batch_with_them(db, tmp_path):
    """NUL characters and broken JSON pass on the edge and not in PostgreSQL; huge texts make a batch too large."""
    (tmp_path / "events.toml").write_text(EVENTS)
    large = MAX_PAYLOAD_BYTES // 4
    notes = ["good", "with\0nul", *[str(number) * large for number in range(6)], "last"]
    (tmp_path / "events.csv").write_text(
        "t;note;json\n"
        + "".join(f"2025-11-27T14:03:05Z;{note};{{}}\n" for note in notes)
        + "2025-11-27T14:03:06Z;x;{\n"
    )
    (tmp_path / "events.toml").write_text(EVENTS + '[csv]\ndelimiter = ";"\n')
    with pytest.raises(RecordingError, match="field larger than field limit"):
        import_recording(db.writer(), tmp_path / "events.csv", tmp_path / "events.toml", **PLACE)
    outcome = None
    shorter = [note[: MAX_PAYLOAD_BYTES // 10] for note in notes]
    (tmp_path / "events.csv").write_text(
        "t;note;json\n"
        + "".join(f"2025-11-27T14:03:05Z;{note};{{}}\n" for note in shorter * 2)
        + "2025-11-27T14:03:06Z;x;{\n"
    )
    outcome = import_recording(db.writer(), tmp_path / "events.csv", tmp_path / "events.toml", **PLACE)
    assert [2, 1] == sorted((rejection.count for rejection in outcome.rejected), reverse=True)
    kept = [message for (message,) in stored(db, "message", "event WHERE name = 'marker'", "1")]
    assert sorted(note for note in shorter * 2 if "\0" not in note) == sorted(kept)


def test_a_ping_log_brings_its_losses_its_copies_and_what_ping_printed(db, test_data):
    """878 sent and 874 received, printed as 0 % loss: both stand in the database."""
    path = test_data / "deterministic6g/ProcessingDelayDistribution1/raw/ORAN_MEC/ping-MEC-ORAN.txt"
    outcome = import_recording(db.writer(), path, "ping", **PLACE, options={"start": "2025-11-27T14:03:05+09:00"})
    assert (878, ()) == (outcome.samples, outcome.rejected)
    assert [(878, 874, 11_051_000)] == stored(
        db, "count(*) FILTER (WHERE copy <= 1), count(*) FILTER (WHERE copy = 1), max(rtt_us)", "probe", "1"
    )
    [(detail,)] = stored(db, "detail", "event WHERE name = 'ping.summary'", "1")
    assert ("0", 4) == (detail["printed"]["loss_percent"], detail["read"]["lost"])
    assert outcome.last_t_us - outcome.first_t_us == 912_141_000


def test_a_private_5g_trace_is_in_the_database_to_the_last_microsecond(db, test_data):
    """EDAF: 2,710 packets; the database's exact sums equal those of the file's own columns."""
    path = test_data / "edaf_private5g" / "res.parquet"
    outcome = import_recording(db.writer(), path, "edaf", **PLACE)
    assert (2710, 4, 4) == (outcome.samples, outcome.batches, outcome.committed)
    [(n, total_us, lowest, highest)] = stored(db, "count(*), sum(ul_us)::int8, min(seq), max(seq)", "probe", "1")
    delays_ms = pq.read_table(path, columns=["e2e_delay"]).column(0).to_pylist()
    assert (2710, sum(round(delay * 1000) for delay in delays_ms), 0, 2814) == (n, total_us, lowest, highest)
    [(first, last)] = stored(db, "min(t), max(t)", "probe", "1")
    assert (datetime(2024, 8, 9, 14, 36, 47, 72379, tzinfo=UTC), outcome.last_t_us) == (
        first,
        round(last.timestamp() * 10**6),
    )


def test_an_empty_recording_imports_nothing(db, tmp_path):
    (tmp_path / "empty.ping").write_text("")
    outcome = import_recording(db.writer(), tmp_path / "empty.ping", "ping", **PLACE)
    assert (0, 0, None) == (outcome.samples, outcome.batches, outcome.first_t_us)
    assert json.loads("[]") == stored(db, "epoch", "ledger", "1")
