"""The sheets of data: events, raw streams over several sheets, and what the charts draw."""

from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from analytics.report.model import OmittedStream
from analytics.report.point_sheet import axis_end
from analytics.report.series import SeriesBuilder
from contract.streams import STREAMS
from tests.analytics.report.making import PACKETS, T0_US, probe_chunk, probe_stream, report, series, table


def test_events_are_text_in_jst(opened):
    """A message that looks like a formula is a message."""
    (row,) = table(opened(report())["事象"], 2)

    assert row["発生時刻"].value == "2025-11-27 14:03:05.000"
    assert (row["内容"].value, row["内容"].data_type) == ("=停車", "s")
    assert (row["重要度"].value, row["回線"].value, row["詳細(JSON)"].value) == ("情報", "-", '{"a":1}')


def test_raw_sheet_is_machine_readable(opened):
    """One header row with units, one value a cell, numbers as numbers, times as ISO 8601 JST, blanks where null."""
    sheet = opened(report())["probe"]
    rows = list(sheet.iter_rows())

    assert [cell.value for cell in rows[0]] == [
        "時刻(JST)", "測定端末", "回線", "測定セッション[-]", "送信順序番号[-]", "反射側順序番号[-]",
        "片方向遅延(上り)[μs]", "片方向遅延(下り)[μs]", "往復遅延[μs]", "何番目の受信か[-]", "損失区分[-]",
    ]  # fmt: skip
    assert [cell.value for cell in rows[1]] == [
        "2025-11-27T14:03:05.123456+09:00", "bus-1", "l5g", 7, 0, 0, 0, 0, 0, 1, 0,
    ]  # fmt: skip
    assert [cell.data_type for cell in rows[1]] == [*"sss", *"nnnnnnnn"]
    assert [cell.value for cell in rows[10]][5:] == [None, None, None, None, 0, 3]
    assert len(rows) == PACKETS + 1
    assert not sheet.merged_cells.ranges


def test_a_stream_longer_than_a_sheet_goes_on_in_the_next(opened):
    """No row is lost or doubled at the seam, each sheet has its header, and the cover says where it goes on."""
    given = report(raw=[probe_stream(probe_chunk(12), probe_chunk(13, first=12))])
    book = opened(given, sheet_rows=11)

    assert [name for name in book.sheetnames if name.startswith("probe")] == ["probe", "probe (2)", "probe (3)"]
    sheets = [book["probe"], book["probe (2)"], book["probe (3)"]]
    assert [sheet.max_row for sheet in sheets] == [11, 11, 6]
    assert {sheet["I1"].value for sheet in sheets} == {"往復遅延[μs]"}
    assert [row[4] for sheet in sheets for row in sheet.iter_rows(min_row=2, values_only=True)] == list(range(25))
    cover = {row[0]: row[1:] for row in book["表紙"].iter_rows(values_only=True)}
    assert cover["probe"][1:] == (10, "「probe (2)」に続く")
    assert cover["probe (2)"][1:] == (10, "「probe」の続き、「probe (3)」に続く")
    assert cover["probe (3)"][1:] == (5, "「probe (2)」の続き")


def test_a_stream_that_fills_its_sheet_exactly_opens_no_second(opened):
    """The header row counts, and no empty sheet follows."""
    book = opened(report(raw=[probe_stream(probe_chunk(10))]), sheet_rows=11)

    assert [name for name in book.sheetnames if name.startswith("probe")] == ["probe"]


def test_charts_draw_the_numbers_beside_them(opened):
    """Delay, loss and distribution refer to their data sheets; where nothing was sent the line breaks."""
    one_way = replace(series(np.r_[0:40], direction="up"), is_reference=True)
    book = opened(report(series=[series(np.r_[0:10, 30:40]), one_way]))
    rows = table(book["グラフデータ"], 1)

    assert rows[0]["時刻(JST)"].value == datetime(2025, 11, 27, 14, 3, 5)  # noqa: DTZ001 - Excel knows no zone
    of_round_trip = [row for row in rows if row["方向"].value == "往復"]
    assert [row["送信数"].value for row in of_round_trip] == [9, 1, 0, 9, 1]
    assert [row["備考"].value for row in of_round_trip][2] == "送信なし"
    assert of_round_trip[2]["遅延中央値[ms]"].value is None
    assert of_round_trip[0]["遅延中央値[ms]"].value == 20.004
    assert all("参考値" in row["備考"].value for row in rows if row["方向"].value == "上り")
    charts = book["グラフ"]._charts
    assert len(charts) == 3
    names = [one.tx.strRef.f if one.tx.strRef else one.tx.v for one in charts[0].series]
    assert names == ["往復 中央値", "往復 95%値", "上り(参考値) 中央値", "上り(参考値) 95%値"]
    assert charts[0].series[0].yVal.numRef.f == "グラフデータ!$H$2:$H$6"
    assert charts[2].series[0].xVal.numRef.f.startswith("累積分布データ!$D$2:$D$")
    assert len({one.graphicalProperties.line.prstDash for one in charts[0].series}) == 2


def test_a_lost_link_still_has_its_loss_chart(opened):
    """Where nothing arrived there is no delay to draw, and 100 % loss to show."""
    builder = SeriesBuilder(device="bus-1", link="l5g", direction="round_trip", interval_s=1)
    builder.add(
        T0_US + np.arange(30) * 100_000, np.zeros(30, np.int32), has_delay=np.zeros(30, bool), is_lost=np.ones(30, bool)
    )
    rows = table(opened(report(series=[builder.finish()]))["グラフデータ"], 1)

    assert {row["損失率[%]"].value for row in rows} == {100}
    assert {row["遅延中央値[ms]"].value for row in rows} == {None}


def test_omitted_streams_are_named_with_their_rows(opened):
    """What is not in the workbook is listed with the way to get it."""
    omitted = OmittedStream(stream=STREAMS["host"], rows=2_000_000, reason="行数が多い")
    book = opened(report(raw=(), omitted=[omitted]))
    cover = {row[0]: row[1:] for row in book["表紙"].iter_rows(values_only=True)}

    assert cover["host"] == ("生データ: 端末状態", 2_000_000, "行数が多い。CSVで取得できる。")
    assert "cpu_ratio" in [row["項目(英字)"].value for row in table(book["データ項目"], 2)]


@pytest.mark.parametrize(
    ("largest", "end"), [(301.0, 400), (238, 250), (250, 250), (0.7, 0.8), (1, 1), (9.1, 10), (0, 1)]
)
def test_the_axis_of_the_boxes_ends_above_their_whiskers(largest, end):
    assert axis_end(largest) == pytest.approx(end)
