"""CSV files: bytes as Excel in Japan and every other reader need them."""

import csv
import io

import numpy as np
import pytest

from analytics.report.csv_export import csv_bytes
from analytics.report.model import RawStream
from analytics.report.units import column_heading
from contract.streams import STREAMS
from storage.columnar import NUMPY_DTYPE, ArrayColumn

T0_US = 1_764_219_785_123_456  # 2025-11-27 14:03:05.123456 JST


def chunk(stream, n=1, *, link_id=3, **values):
    """Make a chunk of n rows as the reader yields it; a column that is not given is null."""
    made = {
        "t_us": ArrayColumn(T0_US + np.arange(n, dtype=np.int64) * 10_000),
        "link_id": ArrayColumn(np.full(n, link_id, np.int32)),
    }
    for column in STREAMS[stream].columns:
        given = values.get(column.name, [None] * n)
        valid = np.array([value is not None for value in given])
        array = np.empty(n, NUMPY_DTYPE[column.kind])
        array[:] = given if array.dtype == object else [0 if value is None else value for value in given]
        made[column.name] = ArrayColumn(array, None if valid.all() else valid)
    return made


def exported(stream, *chunks, header="name"):
    raw = RawStream(stream=STREAMS[stream], links={3: ("bus-1", "l5g"), 4: ("bus-1", "")}, chunks=chunks)
    return b"".join(csv_bytes(raw, header=header))


def test_first_lines_are_exactly_these_bytes():
    """BOM, CRLF, one header row of contract names, JST with its offset, and nothing where nothing was measured."""
    rows = chunk(
        "probe", 2, session=[7, 7], seq=[0, 1], refl_seq=[0, None], ul_us=[-12, None], dl_us=[5000, None],
        rtt_us=[4988, None], copy=[1, 0], lost=[0, 1],
    )  # fmt: skip

    assert exported("probe", rows) == (
        b"\xef\xbb\xbft_jst,device,link,session,seq,refl_seq,ul_us,dl_us,rtt_us,copy,lost\r\n"
        b"2025-11-27T14:03:05.123456+09:00,bus-1,l5g,7,0,0,-12,5000,4988,1,0\r\n"
        b"2025-11-27T14:03:05.133456+09:00,bus-1,l5g,7,1,,,,,0,1\r\n"
    )


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            "ja",
            [
                "時刻(JST)",
                "測定端末",
                "回線",
                "方向",
                "プロトコル",
                "測定区間長[s]",
                "転送量[バイト]",
                "スループット[bit/s]",
            ],
        ),
        (
            "en",
            ["Time (JST)", "Device", "Link", "up or down", "tcp or udp", "Length of the interval that ends at t[s]"],
        ),
    ],
)
def test_header_row_can_be_labels_with_units(header, expected):
    """The Japanese and the English header state the unit of every number, in the one header row."""
    first, rest = exported("throughput", header=header).decode("utf-8-sig").split("\r\n")

    assert first.split(",")[: len(expected)] == expected
    assert rest == ""


def test_japanese_headings_survive_shift_jis_and_are_unique():
    """No 機種依存文字 in any heading of any stream, and no two columns of a stream share one."""
    for stream in STREAMS.values():
        headings = [column_heading(column, "ja") for column in stream.columns]
        assert "".join(headings).encode("shift_jis").decode("shift_jis") == "".join(headings)
        assert len(set(headings)) == len(headings), stream.name


def test_short_floats_print_as_they_were_measured():
    """A 4-byte -95.3 is not -95.30000305175781."""
    rows = chunk("radio", 1, rsrp_dbm=[-95.3], rat=["NR-SA"])

    assert b",-95.3," in exported("radio", rows)


def test_text_with_commas_quotes_and_lines_comes_back_unchanged():
    """RFC 4180 quoting round-trips through a CSV reader."""
    message = '停車, "手動"\n介入'
    rows = chunk("event", 1, name=["marker"], severity=["info"], message=[message], detail=['{"a": 1}'])

    parsed = list(csv.DictReader(io.StringIO(exported("event", rows).decode("utf-8-sig"), newline="")))

    assert [message] == [row["message"] for row in parsed]
    assert ['{"a": 1}'] == [row["detail"] for row in parsed]


@pytest.mark.parametrize(
    ("text", "cell"), [("=1+1", "'=1+1"), ("@x", "'@x"), ("-95.3", "-95.3"), ("+81 dB", "'+81 dB"), ("a=b", "a=b")]
)
def test_text_that_excel_would_run_is_defused(text, cell):
    """A device cannot smuggle a formula into a report; a number written as text stays a number."""
    rows = chunk("event", 1, name=["marker"], severity=["info"], message=[text])

    parsed = next(csv.DictReader(io.StringIO(exported("event", rows).decode("utf-8-sig"), newline="")))

    assert parsed["message"] == cell


def test_booleans_and_a_device_without_a_link():
    """true and false are words, and the device's own rows have an empty link."""
    rows = chunk("clock", 3, link_id=4, method=["chrony"] * 3, synced=[True, False, True], bound_us=[12.5, None, 3.0])

    lines = exported("clock", rows).decode().split("\r\n")

    assert [line.split(",")[1:7] for line in lines[1:4]] == [
        ["bus-1", "", "chrony", "true", "", "12.5"],
        ["bus-1", "", "chrony", "false", "", ""],
        ["bus-1", "", "chrony", "true", "", "3.0"],
    ]


def test_rows_are_written_chunk_by_chunk():
    """The first bytes leave before the second chunk is read, so that a long export streams."""
    read = []

    def chunks():
        for number in range(3):
            read.append(number)
            yield chunk("event", 1, name=["n"], severity=["info"], message=[str(number)])

    pieces = csv_bytes(RawStream(stream=STREAMS["event"], links={3: ("bus-1", "l5g")}, chunks=chunks()))

    next(pieces)
    assert read == []
    next(pieces)
    assert read == [0]
    assert len(list(pieces)) == 2
