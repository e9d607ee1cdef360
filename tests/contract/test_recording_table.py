"""Tables to samples: own small files, and real ones of a private 5G network and of a drive test."""

import math
import sys
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contract.recording import RecordingError, load_profile, read_recording
from contract.samples import sample_faults
from tests.contract.drive_log import DRIVE

RADIO = """
format = "csv"
stream = "radio"
{top}
[time]
from = ["日付", "時刻"]
timezone = "JST"
[columns]
rsrp_dbm = {{ from = "RSRP" }}
rx_power_dbm = {{ from = "受信電力", unit = "cdB[mW]" }}
bler_ratio = {{ from = "BLER[%]", unit = "%", null = ["***"] }}
rat = {{ from = "方式", values = {{ "5G" = "NR-SA", "4G" = "LTE" }} }}
pci = {{ from = "PCI", optional = true }}
"""
PLAIN = RADIO.format(top="")
HEADER = "日付,時刻,RSRP,受信電力,BLER[%],方式\r\n"
SHORT = "2025/11/27,14:03:05.5,-9"


@pytest.fixture
def read(tmp_path):
    """Write a profile and a CSV file, return (samples, unreadable rows)."""

    def _read(text, profile=PLAIN, written="utf-8", **options):
        (tmp_path / "p.toml").write_text(profile, encoding="utf-8")
        (tmp_path / "file.csv").write_bytes(text.encode(written))
        unreadable = []
        samples = read_recording(tmp_path / "file.csv", tmp_path / "p.toml", options, on_unreadable=unreadable.append)
        return list(samples), unreadable

    return _read


def test_columns_are_renamed_converted_and_mapped_and_nulls_stay_null(read):
    samples, unreadable = read(HEADER + "2025/11/27,14:03:05.5,-95.3,-6550,2.5,5G\r\n2025/11/27,14:03:06,-,,***,4G\r\n")
    first = {"rsrp_dbm": -95.3, "rx_power_dbm": -65.5, "bler_ratio": 0.025, "rat": "NR-SA", "pci": None}
    second = {"rsrp_dbm": None, "rx_power_dbm": None, "bler_ratio": None, "rat": "LTE", "pci": None}
    assert [first, second] == [sample.values for sample in samples]
    assert [1_764_219_785_500_000_000, 1_764_219_786_000_000_000] == [sample.t_ns for sample in samples]
    assert ("radio", None, []) == (*samples[0][1:3], unreadable)


def test_a_japanese_excel_file_is_read_with_the_encoding_named_in_the_error(read):
    text = HEADER + "2025/11/27,14:03:05,-95,-6550,2.5,5G\r\n"
    with pytest.raises(RecordingError, match=r"file.csv is not utf-8-sig: give the option `encoding` \(cp932"):
        read(text, written="cp932")
    [sample], _ = read(text, written="cp932", encoding="cp932")
    assert {"rsrp_dbm": -95, "rat": "NR-SA"}.items() <= sample.values.items()


def test_rows_without_time_or_cut_short_are_told_and_the_others_are_read(read):
    good = "2025/11/27,14:03:05,-95,-6550,2.5,5G\r\n"
    samples, unreadable = read(f"{HEADER}{good},,-95,,,\r\n2025/13/27,14:03:05,-95,,,\r\n\r\n{good}{SHORT}")
    assert 2 == len(samples)
    assert [(3, "the time is missing"), (4, "month must be in 1..12"), (7, "the row has not 6 cells")] == [
        (row.line, row.reason) for row in unreadable
    ]


def test_without_a_place_for_unreadable_rows_the_first_one_is_an_error(tmp_path):
    (tmp_path / "p.toml").write_text(PLAIN, encoding="utf-8")
    (tmp_path / "file.csv").write_text(HEADER + SHORT, encoding="utf-8")
    with pytest.raises(RecordingError, match=r"file.csv, line 2: the row has not 6 cells"):
        list(read_recording(tmp_path / "file.csv", tmp_path / "p.toml"))


def test_a_missing_column_is_named_with_those_that_are_there(read):
    with pytest.raises(RecordingError, match=r"has no column '時刻'; it has 日付, RSRP"):
        read("日付,RSRP\r\n")


def test_a_value_that_is_no_number_is_left_for_the_contract_to_refuse(read):
    samples, _ = read(HEADER + "2025/11/27,14:03:05,strong,-6550,inf,5G\r\n")
    faults = sample_faults("radio", samples[0].values)
    assert ["rsrp_dbm must be a number, not 'strong'", "bler_ratio must be finite, not inf"] == faults


def test_a_column_that_may_not_change_stops_the_file_where_it_does(read):
    profile = RADIO.format(top='single_valued = ["方式"]')
    row = "2025/11/27,14:03:05,-95,-6550,2.5,"
    with pytest.raises(RecordingError, match=r"'方式' holds '5G' and '4G' \(line 3\): split the file"):
        read(f"{HEADER}{row}5G\r\n{row}4G\r\n", profile)


COUNTED = """
format = "csv"
stream = "probe"
sort_by = "{sort_by}"
[csv]
delimiter = ";"
skip_lines = 2
names = ["at", "delay"]
[time]
from = "at"
unit = "ms"
relative = true
[columns]
session = {{ number = "content" }}
seq = {{ number = "row" }}
ul_us = {{ from = "delay", unit = "ms", factor = 0.1, offset = -1 }}
copy = {{ const = 1 }}
lost = {{ const = 0 }}
"""


def test_rows_are_numbered_after_sorting_and_relative_times_start_at_the_option(read):
    text = "made by hand\n# ms; 0.1 ms\n20;130\n0;110.005\n10;120\n"
    samples, _ = read(text, COUNTED.format(sort_by="t"), start="2025-11-27T14:00:00+09:00")
    start_ns = 1_764_219_600_000_000_000
    expected = [(start_ns, 0, 10_000), (start_ns + 10_000_000, 1, 11_000), (start_ns + 20_000_000, 2, 12_000)]
    assert expected == [(sample.t_ns, sample.values["seq"], sample.values["ul_us"]) for sample in samples]
    assert [] == sample_faults("probe", samples[0].values)


def test_counts_must_be_whole_and_delays_are_rounded(read):
    profile = COUNTED.replace('seq = {{ number = "row" }}', 'seq = {{ from = "at" }}').format(sort_by="")
    samples, _ = read("\n\n1.5;10\n2.0;10\n", profile, start="2025-01-01T00:00:00Z")
    assert [1.5, 2] == [sample.values["seq"] for sample in samples]
    assert ["seq must be a whole number, not 1.5"] == sample_faults("probe", samples[0].values)


def test_a_large_table_streams_without_being_held(tmp_path):
    """The generator hands out the first sample of 200,000 before the file is read, and closes early without harm."""
    path = tmp_path / "long.csv"
    rows = "".join(f"2025-01-01T00:00:00Z,1,{seq},,,,500,1,0\n" for seq in range(200_000))
    path.write_text(f"t_jst,session,seq,refl_seq,ul_us,dl_us,rtt_us,copy,lost\n{rows}")
    samples = read_recording(path, "probe_csv")
    assert {"session": 1, "seq": 0, "rtt_us": 500, "copy": 1, "lost": 0}.items() <= next(samples).values.items()
    samples.close()


def test_parquet_time_stamps_need_a_zone_and_keep_their_nanoseconds(tmp_path):
    times = pa.array([1_764_219_785_123_456_789], pa.timestamp("ns"))
    pq.write_table(pa.table({"at": times, "v": [72.0], "w": [math.nan]}), tmp_path / "t.parquet")
    profile = tmp_path / "p.toml"
    text = 'format = "parquet"\nstream = "vehicle"\n[time]\nfrom = "at"\nunit = "ns"\n{zone}[columns]\n'
    text += 'speed_mps = {{ from = "v", unit = "km/h" }}\nsteering_deg = {{ from = "w" }}\n'
    profile.write_text(text.format(zone=""))
    with pytest.raises(RecordingError, match=r"column 'at' of t.parquet has times without offset"):
        list(read_recording(tmp_path / "t.parquet", profile))
    profile.write_text(text.format(zone='timezone = "JST"\n'))
    [sample] = read_recording(tmp_path / "t.parquet", profile)
    assert (1_764_219_785_123_456_789 - 9 * 3600 * 10**9) == sample.t_ns
    assert {"speed_mps": 20.0, "steering_deg": None} == sample.values


def test_a_broken_parquet_file_is_an_error_that_names_it(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(RecordingError, match=r"t.parquet is not readable as Parquet"):
        list(read_recording(tmp_path / "t.parquet", "edaf"))


def test_without_pyarrow_the_error_names_the_extra_to_install(tmp_path, monkeypatch):
    (tmp_path / "t.parquet").touch()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(RecordingError, match=r"pip install 'jissho\[report\]'"):
        list(read_recording(tmp_path / "t.parquet", "edaf"))


@pytest.fixture(scope="module")
def edaf(test_data):
    return list(read_recording(test_data / "edaf_private5g" / "res.parquet", "edaf"))


def test_edaf_rows_are_complete_sorted_and_valid(edaf):
    """2,710 packets of 2,815: the 105 absent numbers stay absent, neither measured nor lost."""
    seqs = [sample.values["seq"] for sample in edaf]
    assert (2710, 0, 2814, 105) == (len(seqs), seqs[0], seqs[-1], len(set(range(2815)) - set(seqs)))
    assert seqs == sorted(set(seqs))
    assert [] == [fault for sample in edaf for fault in sample_faults("probe", sample.values)]
    assert {(1, 0, None)} == {(s.values["copy"], s.values["lost"], s.values.get("rtt_us")) for s in edaf}
    assert 1 == len({sample.values["session"] for sample in edaf})


def test_edaf_delays_and_times_equal_the_authors_columns_to_the_last_digit(edaf, test_data):
    """ul_us is e2e_delay to the nearest microsecond; t keeps every decimal digit of send.timestamp."""
    table = pq.read_table(
        test_data / "edaf_private5g" / "res.parquet", columns=["seqno", "send.timestamp", "e2e_delay"]
    )
    rows = sorted(zip(*(column.to_pylist() for column in table.columns), strict=True))
    for sample, (seqno, sent_s, delay_ms) in zip(edaf, rows, strict=True):
        exact = int(Decimal(repr(sent_s)) * 10**9)
        assert (seqno, exact) == (sample.values["seq"], sample.t_ns)
        assert abs(sample.values["ul_us"] - delay_ms * 1000) <= 0.5 + 1e-9
    delays = sorted(sample.values["ul_us"] for sample in edaf)
    assert (7463, 107_896, 13_380) == (delays[0], delays[-1], delays[math.ceil(0.5 * 2710) - 1])
    assert 15_972.788 == pytest.approx(sum(delays) / 2710, abs=0.5)


def test_a_real_drive_test_log_reads_with_a_profile_of_ten_lines(test_data, tmp_path):
    """University College Cork 5G traces (G-NetTrack Pro): local time, "-" for missing values."""
    (tmp_path / "drive.toml").write_text(DRIVE)
    profile = load_profile(tmp_path / "drive.toml")
    for path in sorted((test_data / "ucc_5gdataset" / "extract").glob("*.csv")):
        samples = list(read_recording(path, profile))
        assert len(path.read_text().splitlines()) - 1 == len(samples)
        assert [] == [fault for sample in samples for fault in sample_faults("radio", sample.values)]
        assert {"5G", "LTE"} >= {sample.values["rat"] for sample in samples} - {"HSPA+"}
    first = next(
        read_recording(test_data / "ucc_5gdataset/extract/Download_Driving_B_2020.02.14_09.38.22.csv", profile)
    )
    assert (1_581_673_102_000_000_000, -89, 87_761_409) == (
        first.t_ns,
        first.values["rsrp_dbm"],
        first.values["cell_id"],
    )
