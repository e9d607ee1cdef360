"""What the workbook says of data that are missing, deleted or without a number."""

from dataclasses import replace
from datetime import timedelta

import pytest

from analytics.report.model import CompletenessFacts, EpochFacts, NumberGap, TimeSpan
from tests.analytics.report.making import START, report, table


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
