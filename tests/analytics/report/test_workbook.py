"""The workbook as a report writer and a program find it: every sheet reopened with openpyxl."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import openpyxl
import pytest

from analytics.conditions import ConditionRow, LinkConditions
from analytics.definitions import BY_ID, DEFINITIONS
from analytics.report.model import (
    CompletenessFacts,
    EpochFacts,
    EventRow,
    ExclusionRow,
    NumberGap,
    OmittedStream,
    RawStream,
    RunFacts,
    RunReport,
    TimeSpan,
    TruthRow,
)
from analytics.report.series import SeriesBuilder
from analytics.report.sheet import exact_format, fit_text, number_format, scaled
from analytics.report.words import statistic_word
from analytics.report.workbook import write_workbook
from analytics.requirements import Profile, Requirement
from analytics.results import KpiResult
from analytics.unmeasured import with_unmeasured
from contract.streams import STREAMS
from storage.columnar import ArrayColumn

START = datetime(2025, 11, 27, 5, 3, 5, tzinfo=UTC)  # 14:03:05 JST
T0_US = int(START.timestamp()) * 1_000_000 + 123_456
PACKETS = 40


def kpi(kpi_id, statistic, value, **changes):
    definition = BY_ID[kpi_id]
    known = {
        "id": kpi_id, "device": "bus-1", "link": "l5g", "direction": "round_trip", "statistic": statistic,
        "value": value, "unit": definition.unit, "n": 12_000, "definition": definition.citation,
        "name_ja": definition.name_ja, "name_en": definition.name_en, "data_hash": "d41d8cd9",
    }  # fmt: skip
    return KpiResult(**{**known, **changes})


KPIS = [
    kpi("rtt", "mean", 28.9134, ci_low=28.1, ci_high=29.7, n_eff=900, ci_method="Student"),
    kpi("rtt", "p99", 88.123, ci_low=80.1, n_eff=900, ci_method="order", required=100.0,
        required_source="要確認: 例示値", verdict="判定不能", needed_n=40_000),
    kpi("rtt", "p99.9", None, reason="到達せず: この順位は損失パケットに当たる", n_eff=900),
    kpi("loss", "ratio", 0.0101, ci_low=0.008, ci_high=0.0125, n_eff=900, ci_method="Clopper-Pearson", required=0.01,
        required_source="実施計画書 表3", verdict="未達"),
    kpi("reliability", "ratio", 0.99999, ci_low=0.9999, ci_high=1.0, n_eff=900, required=0.99999, verdict="達成",
        filter="所要遅延 100 ms 以内"),
    kpi("owd", "p95", 12.345, direction="up", clock="粗", clock_bound_us=2500.0),
    kpi("jitter_rfc3550", "mean", 0.0345),
    kpi("loss_burst", "count", 3.0),
]  # fmt: skip


def probe_chunk(n=PACKETS, *, first=0):
    """Make n probes at 10 Hz, every tenth of them lost."""
    number = np.arange(first, first + n)
    is_lost = number % 10 == 9
    arrived = ~is_lost
    int32 = {name: ArrayColumn(number.astype(np.int32), arrived) for name in ("refl_seq", "ul_us", "dl_us", "rtt_us")}
    return {
        "t_us": ArrayColumn(T0_US + number * 100_000),
        "link_id": ArrayColumn(np.full(n, 3, np.int32)),
        "session": ArrayColumn(np.full(n, 7, np.int32)),
        "seq": ArrayColumn(number.astype(np.int32)),
        **int32,
        "copy": ArrayColumn(arrived.astype(np.int16)),
        "lost": ArrayColumn(np.where(is_lost, 3, 0).astype(np.int16)),
    }


def probe_stream(*chunks):
    return RawStream(stream=STREAMS["probe"], links={3: ("bus-1", "l5g")}, chunks=chunks)


def series(rows, *, direction="round_trip", link="l5g"):
    chunk = probe_chunk()
    is_lost = chunk["lost"].values > 0
    builder = SeriesBuilder(device="bus-1", link=link, direction=direction, interval_s=1)
    builder.add(
        chunk["t_us"].values[rows], chunk["rtt_us"].values[rows] + 20_000, has_delay=~is_lost[rows],
        is_lost=is_lost[rows],
    )  # fmt: skip
    return builder.finish()


def report(**changes):
    epoch = EpochFacts(
        device="bus-1", epoch="e1", first_seq=1, last_seq=200, taken=200, committed=196, quarantined=1, missing=3,
        missing_ranges=[(5, 5), (9, 10)], pending=1, rows=12_345,
    )  # fmt: skip
    made = RunReport(
        run=RunFacts(
            name="run-1", site="sendai", devices=["bus-1"], started_at=START, ended_at=START + timedelta(minutes=2),
            purpose="回線品質の測定", weather="晴れ", note="=1+1", tags=["平日"],
        ),
        kpis=KPIS,
        definitions=DEFINITIONS,
        completeness=CompletenessFacts(epochs=[epoch], as_of=START + timedelta(hours=1)),
        made_at=START + timedelta(hours=1),
        program="jissho 0",
        profile="遠隔監視の例 [remote_monitoring] 要確認",
        events=[
            EventRow(at=START, device="bus-1", link="", name="marker", severity="info", message="=停車",
                     detail='{"a":1}')
        ],
        series=[series(np.r_[0:10, 30:40])],
        raw=[probe_stream(probe_chunk())],
    )  # fmt: skip
    return replace(made, **changes)


@pytest.fixture
def opened(tmp_path):
    """Write a report and open it again."""

    def write(given, **options):
        path = tmp_path / "run.xlsx"
        names = write_workbook(given, path, **options)
        book = openpyxl.load_workbook(path)
        assert book.sheetnames == names
        return book

    return write


def table(sheet, head):
    """Return the rows below the header row `head` (1-based) as dictionaries by heading, down to the first empty row."""
    headings = [cell.value for cell in sheet[head]]
    rows = []
    for row in sheet.iter_rows(min_row=head + 1):
        if all(cell.value is None for cell in row):
            break
        rows.append(dict(zip(headings, row, strict=True)))
    return rows


def test_sheets_for_people_come_before_sheets_for_programs(opened):
    """Cover first, raw data last."""
    assert opened(report()).sheetnames == [
        "表紙", "KPI", "グラフ", "グラフデータ", "累積分布データ", "通信断一覧", "条件別", "指標の定義", "完全性",
        "事象", "データ項目", "probe",
    ]  # fmt: skip


def test_kpi_numbers_are_numbers_in_customary_units(opened):
    """Ratios are percent, counts are whole, each with a format that shows what the value has."""
    rows = table(opened(report())["KPI"], 2)

    def cell(row, heading):
        return rows[row][heading].value, rows[row][heading].number_format

    assert cell(0, "値") == (28.9134, "#,##0.0")
    assert (rows[0]["評価項目"].value, rows[0]["区分\n(方向)"].value, rows[0]["統計量"].value) == (
        "往復遅延",
        "往復",
        "平均",
    )
    assert cell(1, "95%信頼\n区間 下限") == (80.1, "#,##0.0")
    assert cell(1, "所要値") == (100, '"≦"#,##0')
    assert (cell(3, "値"), cell(3, "所要値")) == ((1.01, "0.000"), (1, '"≦"#,##0'))
    assert rows[3]["単位"].value == "%"
    assert cell(4, "所要値") == (99.999, '"≧"#,##0.000')
    assert cell(6, "値") == (0.0345, "0.000")
    assert cell(7, "値") == (3, "#,##0")
    assert cell(0, "n") == (12_000, "#,##0")
    assert {row["n"].data_type for row in rows} == {"n"}


def test_what_has_no_value_shows_why_and_never_zero(opened):
    """A null is "-" with its reason; an interval that is open at an end says so; one that never was is "-"."""
    rows = table(opened(report())["KPI"], 2)

    assert rows[2]["値"].value == "-"
    assert rows[2]["備考"].value == "値なし: 到達せず: この順位は損失パケットに当たる"
    assert rows[1]["95%信頼\n区間 上限"].value == "定まらず"
    assert rows[6]["95%信頼\n区間 上限"].value == "-"
    assert rows[6]["有効n"].value == "-"
    assert 0 not in [row["値"].value for row in rows]


def test_verdicts_carry_source_clock_and_clause(opened):
    """Nobody has to ask where a required value comes from, or how good the clock was."""
    sheet = opened(report())["KPI"]
    rows = table(sheet, 2)

    assert [row["判定"].value for row in rows] == ["-", "判定不能", "-", "未達", "達成", "-", "-", "-"]
    assert "所要値の出典: 要確認: 例示値。判定に必要なn: 40,000" in rows[1]["備考"].value
    assert "条件: 所要遅延 100 ms 以内" in rows[4]["備考"].value
    assert "所要値の出典: 記載なし" in rows[4]["備考"].value
    assert rows[5]["時刻品質"].value == "粗 ±2.5ms"
    assert rows[0]["定義(条項)"].value == BY_ID["rtt"].citation
    rules = [rule for area in sheet.conditional_formatting for rule in area.rules]
    assert {rule.formula[0] for rule in rules} == {'"達成"', '"未達"', '"判定不能"'}
    # Printed in black and white the three must still differ: in weight, underline or slant.
    assert len({(rule.dxf.font.b, rule.dxf.font.u, rule.dxf.font.i) for rule in rules}) == 3


def test_sheets_are_set_up_for_a4(opened):
    """One page wide, header row repeated and kept in view, page numbers and the run's name below."""
    book = opened(report())
    for sheet in book:
        assert (sheet.page_setup.paperSize, sheet.page_setup.fitToHeight) == (9, 0)
        assert "run-1" in sheet.oddFooter.left.text
        assert "&P / &N" in sheet.oddFooter.right.text
    assert book["表紙"].page_setup.orientation == "portrait"
    assert book["KPI"].page_setup.orientation == "landscape"
    assert (book["KPI"].freeze_panes, book["KPI"].print_title_rows) == ("B3", "$2:$2")


def test_cover_tells_conditions_results_and_contents(opened):
    """Dates in both calendars and JST, verdicts counted, completeness in a sentence, every sheet linked."""
    sheet = opened(report())["表紙"]
    cover = {row[0].value: row[1].value for row in sheet.iter_rows(max_col=2)}

    assert cover["開始"] == "令和7年(2025年)11月27日(木) 14:03:05"
    assert cover["測定時間"] == "2分00秒"
    assert cover["特記事項"] == "=1+1"
    assert cover["判定"] == "達成 1件、未達 1件、判定不能 1件、判定なし 5件"
    assert cover["データの完全性"] == (
        "測定した200バッチのうち196バッチ(98.000%)がデータベースにある。"
        "未着 3、隔離 1、端末に残留または送信中 1(完全性シート)。"
    )
    assert cover["算出できなかった項目"].startswith("1件")
    assert "時刻は日本標準時(JST)" in sheet["A2"].value
    links = {cell.value: cell.hyperlink.location for (cell,) in sheet.iter_rows(max_col=1) if cell.hyperlink}
    assert links["probe"] == "'probe'!A1"
    assert list(links) == opened(report()).sheetnames[1:]


def test_requirements_that_were_never_measured_are_rows_and_named_on_the_cover(opened):
    """A third of the requirements without a measurement must not look like a report without failures."""
    asked = Requirement(kpi="video_g2g", statistic="p95", limit=300.0, source="実施計画書 表3")
    profile = Profile(name="x", ja="", en="", status="", requirement=(asked,))
    book = opened(report(kpis=with_unmeasured(KPIS, profile, START, None)))

    row = table(book["KPI"], 2)[-1]
    assert [row[name].value for name in ("値", "n", "所要値", "判定", "測定端末")] == ["-", 0, 300, "判定不能", "-"]
    assert "測定なし" in row["備考"].value
    assert "実施計画書 表3" in row["備考"].value
    cover = {row[0].value: row[1].value for row in book["表紙"].iter_rows(max_col=2)}
    assert cover["判定"] == "達成 1件、未達 1件、判定不能 2件、判定なし 5件"
    assert cover["測定のなかった所要値"] == f"1件: {BY_ID['video_g2g'].name_ja}({statistic_word('p95')})"


@pytest.mark.parametrize(
    ("taken", "committed", "pending", "expected"),
    [
        (200, 200, 0, "測定した全200バッチ(10行)がデータベースにある(100%)。"),
        (200, 200, 4, "測定した200バッチのうち200バッチ(100.000%)がデータベースにある。端末に残留または送信中 4"),
        (1_000_000, 999_999, 0, "測定した1,000,000バッチのうち999,999バッチ(99.999%)がデータベースにある。未着 1"),
        (0, 0, 0, "この測定のデータはデータベースに1件もない。"),
    ],
)
def test_completeness_is_never_rounded_up_to_all(opened, taken, committed, pending, expected):
    """100 % stands only where nothing is missing."""
    missing = taken - committed
    epoch = EpochFacts(
        device="bus-1", epoch="e1", first_seq=1, last_seq=taken, taken=taken, committed=committed, quarantined=0,
        missing=missing, missing_ranges=[(7, 6 + missing)] if missing else [], pending=pending, rows=10,
    )  # fmt: skip
    given = report(completeness=CompletenessFacts(epochs=[epoch], as_of=START), raw=())
    cover = {row[0].value: row[1].value for row in opened(given)["表紙"].iter_rows(max_col=2)}

    assert cover["データの完全性"].startswith(expected)


def test_what_retention_deleted_is_said_and_is_no_gap(opened):
    """The cover says that it was committed and is gone, and the sheet has a note."""
    epoch = EpochFacts(
        device="bus-1", epoch="e1", first_seq=1, last_seq=9, taken=9, committed=9, quarantined=0, missing=0,
        missing_ranges=[], pending=0, rows=90, deleted=4,
    )  # fmt: skip
    book = opened(report(completeness=CompletenessFacts(epochs=[epoch], as_of=START), raw=()))
    cover = {row[0].value: row[1].value for row in book["表紙"].iter_rows(max_col=2)}
    notes = [row[0].value for row in book["完全性"].iter_rows(max_col=1) if str(row[0].value).startswith("注5)")]

    assert cover["データの完全性"] == (
        "測定した全9バッチ(90行)がデータベースに登録された(100%)。"
        "うち4バッチの生データは、登録後に保存期間の経過により削除した。"
    )
    assert notes == ["注5) 登録済のうち4バッチの生データは、保存期間の経過により削除した。"]


@pytest.mark.parametrize(
    ("taken", "expected"), [(200, "測定した全200バッチ(10行)がデータベースにある(100%)。"), (0, "")]
)
def test_rows_of_foreign_devices_are_no_part_of_the_proof(opened, taken, expected):
    """The cover says that they are there and that nothing is proven of them."""
    epoch = EpochFacts(
        device="bus-1", epoch="e1", first_seq=1, last_seq=taken, taken=taken, committed=taken, quarantined=0,
        missing=0, missing_ranges=[], pending=0, rows=10,
    )  # fmt: skip
    given = report(completeness=CompletenessFacts(epochs=[epoch], as_of=START, foreign_rows=1200), raw=())
    cover = {row[0].value: row[1].value for row in opened(given)["表紙"].iter_rows(max_col=2)}

    assert cover["データの完全性"] == expected + "他社機器の1,200行は番号を持たず、照合の対象外である。"


def test_completeness_sheet_names_every_missing_batch(opened):
    """One row an outbox life, the gaps by number, and the sum below."""
    rows = table(opened(report())["完全性"], 3)

    assert [row["測定端末"].value for row in rows] == ["bus-1", "合計"]
    assert rows[0]["欠番"].value == "5, 9-10"
    counts = ("測定\n[バッチ]", "登録済\n[バッチ]", "未着\n[バッチ]", "到達率\n[%]")
    assert [rows[0][name].value for name in counts] == [200, 196, 3, 98]


def test_completeness_sheet_gives_each_gap_its_reason(opened):
    """Numbers, times and late data, each with reason and remedy; lists without rows say so."""
    given = report()
    end = START + timedelta(seconds=7)
    facts = replace(
        given.completeness,
        number_gaps=[
            NumberGap(
                device="bus-1", epoch="e1", first_seq=9, last_seq=10, reason="上限による破棄", todo="増やす", edge=True,
                after=START, before=None,
            )
        ],
        time_gaps=[
            TimeSpan(
                device="bus-1", link="l5g", stream="probe", start=START, end=end, duration_s=7, reason="収集停止",
                todo="調べる",
            )
        ],
    )  # fmt: skip
    sheet = opened(replace(given, completeness=facts))["完全性"]
    rows = [[cell for cell in row if cell is not None] for row in sheet.iter_rows(values_only=True)]

    assert ["bus-1", "e1", 9, 10, 2, "11-27 14:03:05 - 不明", "上限による破棄(測定外を含みうる)", "増やす"] in rows
    assert [
        "bus-1", "l5g", "区間測定", "2025-11-27 14:03:05", "2025-11-27 14:03:12", 7, "収集停止", "調べる",
    ] in rows  # fmt: skip
    assert ["遅れて届いたデータはない。"] in rows
    plain = [row[0] for row in opened(given)["完全性"].iter_rows(values_only=True)]
    assert {"登録されていない番号はない。", "データのない時間はない。"} <= set(plain)


def test_events_are_text_in_jst(opened):
    """A message that looks like a formula is a message."""
    (row,) = table(opened(report())["事象"], 2)

    assert row["発生時刻"].value == "2025-11-27 14:03:05.000"
    assert (row["内容"].value, row["内容"].data_type) == ("=停車", "s")
    assert (row["重要度"].value, row["回線"].value, row["詳細(JSON)"].value) == ("情報", "-", '{"a":1}')


def test_definitions_and_data_items_explain_every_word(opened):
    """Each KPI with its clause and meaning, each raw column with its unit and range."""
    book = opened(report())
    definitions = table(book["指標の定義"], 2)
    items = table(book["データ項目"], 2)

    assert [row["ID"].value for row in definitions] == [definition.id for definition in DEFINITIONS]
    assert definitions[1]["根拠となる条項"].value == BY_ID["rtt"].clause
    assert [row["項目(英字)"].value for row in items] == [
        "t_jst", "device", "link", *STREAMS["probe"].column_names,
    ]  # fmt: skip
    assert {row["項目(英字)"].value: row["単位"].value for row in items}["rtt_us"] == "μs"
    assert "3=損失(方向不明)" in items[-1]["説明(英語)"].value


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


def test_truth_sheet_only_for_simulated_runs(opened):
    """Measured against truth, in the same units, or no sheet at all."""
    truth = [
        TruthRow(kpi="loss", link="l5g", direction="up", statistic="ratio", unit="1", measured=0.0101, truth=0.01,
                 difference=0.0001),
        TruthRow(kpi="rtt", link="l5g", direction="round_trip", statistic="p99", unit="ms", measured=None, truth=80.0,
                 difference=None, reason="測定値なし"),
    ]  # fmt: skip
    rows = table(opened(report(truth=truth))["真値との比較"], 2)

    assert [rows[0][name].value for name in ("評価項目", "方向", "単位", "測定値", "真値", "差(測定値-真値)")] == [
        "パケット損失率", "上り", "%", 1.01, 1, 0.01,
    ]  # fmt: skip
    assert [rows[1][name].value for name in ("統計量", "測定値", "真値", "備考")] == ["99%値", "-", 80, "測定値なし"]
    assert "真値との比較" not in opened(report()).sheetnames


def test_a_run_without_anything_is_said_to_be_empty(opened):
    """No data gives a workbook that says so on each sheet, not an error and not zeros."""
    book = opened(
        report(
            kpis=[], events=[], series=[], raw=(), completeness=CompletenessFacts(epochs=[], as_of=START), profile="",
            run=RunFacts(name="run-2", site="sendai", started_at=START, ended_at=None),
        )
    )  # fmt: skip
    cover = {row[0].value: row[1].value for row in book["表紙"].iter_rows(max_col=2)}

    assert cover["判定"] == "評価項目なし"
    assert cover["終了"].startswith("測定中")
    assert cover["所要値の出所"] == "(指定なし。判定は行わない)"
    assert book["KPI"]["A3"].value == "算出した評価項目はない。"
    assert book["事象"]["B3"].value == "事象は記録されていない。"
    assert "データがない" in book["グラフ"]["A2"].value
    assert table(book["完全性"], 3)[0]["到達率\n[%]"].value == "-"


def test_omitted_streams_are_named_with_their_rows(opened):
    """What is not in the workbook is listed with the way to get it."""
    omitted = OmittedStream(stream=STREAMS["host"], rows=2_000_000, reason="行数が多い")
    book = opened(report(raw=(), omitted=[omitted]))
    cover = {row[0]: row[1:] for row in book["表紙"].iter_rows(values_only=True)}

    assert cover["host"] == ("生データ: 端末状態", 2_000_000, "行数が多い。CSVで取得できる。")
    assert "cpu_ratio" in [row["項目(英字)"].value for row in table(book["データ項目"], 2)]


def test_the_same_report_gives_the_same_file(tmp_path):
    """Nothing of the clock of the machine is in the file."""
    for name in ("a.xlsx", "b.xlsx"):
        write_workbook(report(), tmp_path / name)

    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()


@pytest.mark.parametrize(
    ("values", "unit", "n", "expected"),
    [
        ([28.9, None], "ms", None, "#,##0.0"),
        ([0.4], "ms", None, "0.000"),
        ([0.004], "ms", None, "0.00000"),
        ([123.4], "Mbps", None, "#,##0"),
        ([12.34], "Mbps", None, "0.0"),
        ([1.234], "Mbps", None, "0.00"),
        ([1.5], "%", 100, "0.0"),
        ([1.5], "%", 1_000_000, "0.00000"),
        ([3.0], "-", None, "#,##0"),
        ([2.5], "-", None, "#,##0.0"),
        ([None], "ms", None, "#,##0.0"),
    ],
)
def test_number_formats_follow_the_habits_of_reports(values, unit, n, expected):
    """One decimal for ms, three significant digits for rates, for percent what n resolves."""
    assert number_format(values, unit, n=n) == expected


@pytest.mark.parametrize(("value", "expected"), [(100.0, "#,##0"), (99.999, "#,##0.000"), (0.5, "#,##0.0")])
def test_limits_show_every_digit(value, expected):
    """A limit is a statement, not a measurement."""
    assert exact_format(value) == expected
    assert scaled(0.99999, 100) == 99.999


def test_texts_beyond_a_cell_are_cut_with_a_mark():
    """Excel drops a text of more than 32,767 characters without a word."""
    assert fit_text("あ" * 32_767) == "あ" * 32_767
    assert fit_text("あ" * 32_768).endswith("…(以下省略)")
    assert len(fit_text("あ" * 40_000)) == 32_767


def test_exclusions_have_a_sheet_only_where_there_are_any(opened):
    """Who, when and why, those taken back too; a run without exclusions has no empty sheet."""
    assert "除外区間" not in opened(report()).sheetnames
    hour = timedelta(hours=1)
    row = ExclusionRow(
        link="", started_at=START, ended_at=START + timedelta(seconds=90), reason="給電断", excluded_by="lead",
        excluded_at=START + hour, revoked_by="evaluator", revoked_at=START + 2 * hour, revoke_reason="再確認",
    )  # fmt: skip
    (line,) = table(opened(report(exclusions=[row]))["除外区間"], 3)
    assert (line["時間[s]"].value, line["理由"].value, line["決定者"].value) == (90, "給電断", "lead")
    assert "evaluator" in line["取消"].value


def test_conditions_are_a_sheet_with_a_row_a_class(opened):
    """Percent and ms with their intervals, speeds in km/h; what has no value or bound is a dash with its reason."""
    numbers = {f"{name}{end}_ms": 20.5 for name in ("p50", "p95", "p99") for end in ("", "_low", "_high")}
    known = {"n": 400, "n_eff": 80, "loss": 0.025, "loss_low": 0.01, "loss_high": 0.05, **numbers}
    rows = [
        ConditionRow(basis="rsrp_dbm", low=-100.0, high=-90.0, **known),
        ConditionRow(basis="speed_mps", low=35 / 3.6, high=50 / 3.6, **(known | {"p99_ms": None, "reason": "損失"})),
        ConditionRow(basis="cell", cell="PCI 5", **known),
    ]
    found = [LinkConditions(device="bus-1", link="l5g", direction="round_trip", rows=rows)]
    cells = [row for row in opened(report(conditions=found))["条件別"].iter_rows(values_only=True) if row[0] == "bus-1"]
    assert [row[3:5] for row in cells] == [
        ("RSRP [dBm]", "-100 – -90"), ("速度 speed [km/h]", "35 – 50"), ("セル cell", "PCI 5")
    ]  # fmt: skip
    assert cells[0][:3] == ("bus-1", "l5g", "往復")
    assert cells[0][5:13] == (400, 80, 2.5, 1.0, 5.0, 20.5, 20.5, 20.5)
    assert (cells[1][16], cells[1][19]) == ("-", "損失")
    assert "いずれも測定していない" in str(list(opened(report())["条件別"].iter_rows(values_only=True)))
