"""The sheets of figures: KPIs, truth and conditions, and the number formats they use."""

import pytest

from analytics.conditions import ConditionRow, LinkConditions
from analytics.definitions import BY_ID, is_share
from analytics.dictionary.other_radios import OTHER_RADIOS
from analytics.report.model import TruthRow
from analytics.report.sheet import exact_format, fit_text, number_format, scaled
from tests.analytics.report.making import kpi, report, table


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


def sections(sheet):
    """Return the rows of the main results by the heading above them."""
    found = {}
    for row in table(sheet, 2):
        if row["統計量"].value is None:
            title = row["評価項目"].value
        else:
            found.setdefault(title, []).append(row)
    return found


def test_main_results_are_the_requirements_then_the_main_figures_of_each_family(opened):
    """What is required and main stands in both; a statistic that is neither waits in the sheet of all results."""
    found = sections(opened(report())["主要結果"])

    shown = {title: [(row["評価項目"].value, row["統計量"].value) for row in rows] for title, rows in found.items()}
    assert shown == {
        "1. 所要値と判定": [("往復遅延", "99%値"), ("パケット損失率", "割合"), ("所要遅延内到達率", "割合")],
        "2. 遅延・損失・可用性": [
            ("片方向遅延", "95%値"), ("往復遅延", "99%値"), ("パケット損失率", "割合"), ("所要遅延内到達率", "割合")
        ],
    }  # fmt: skip
    asked = found["1. 所要値と判定"]
    assert [row["判定"].value for row in asked] == ["判定不能", "未達", "達成"]
    for name in ("95%信頼\n区間 下限", "n", "時刻品質", "定義(条項)"):
        assert all(row[name].value not in {None, ""} for row in asked)
    assert found["2. 遅延・損失・可用性"][0]["時刻品質"].value == "粗 ±2.5ms"
    assert (asked[1]["値"].value, asked[1]["値"].number_format) == (1.01, "0.000")


def test_main_results_say_why_in_japanese_and_of_which_device(opened):
    """The method of an interval is left to the sheet of all results."""
    other = kpi("video_delay", "mean", None, device="bus-2", reason="値なし / no values", filter="全数 / all", n=0)
    (row,) = sections(opened(report(kpis=[kpi("loss", "ratio", 0.1, ci_method="Clopper-Pearson on n_eff (Geyer)"),
                                          other]))["主要結果"])["2. 遠隔監視・自動走行"]  # fmt: skip
    assert row["回線"].value == "bus-2/l5g"
    assert row["備考"].value == "値なし: 値なし。条件: 全数"
    (row,) = table(opened(report(kpis=[other]))["KPI"], 2)
    assert row["備考"].value == "値なし: 値なし。条件: 全数"
    rules = [rule for area in opened(report())["主要結果"].conditional_formatting for rule in area.rules]
    assert {rule.formula[0] for rule in rules} == {'"達成"', '"未達"', '"判定不能"'}


def test_a_run_without_results_says_so_in_both_sheets(opened):
    """An empty table is no table."""
    book = opened(report(kpis=[]))
    for name in ("主要結果", "KPI"):
        assert book[name]["A3"].value == "算出した評価項目はない。"


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


def test_conditions_are_a_sheet_with_a_row_a_class(opened):
    """Percent and ms with their intervals, speeds in km/h; what has no value or bound is a dash with its reason."""
    numbers = {f"{name}{end}_ms": 20.5 for name in ("p50", "p95", "p99") for end in ("", "_low", "_high")}
    known = {"n": 400, "n_eff": 80, "loss": 0.025, "loss_low": 0.01, "loss_high": 0.05, **numbers}
    rows = [
        ConditionRow(basis="rsrp_dbm", low=-100.0, high=-90.0, **known),
        ConditionRow(basis="speed_mps", low=35 / 3.6, high=50 / 3.6, **(known | {"p99_ms": None, "reason": "損失"})),
        ConditionRow(basis="cell", cell="PCI 5", **known),
        ConditionRow(basis="rsrp_dbm", high=-120.0, **known),
        ConditionRow(basis="sinr_db", **known),
    ]
    found = [LinkConditions(device="bus-1", link="l5g", direction="round_trip", rows=rows)]
    cells = [row for row in opened(report(conditions=found))["条件別"].iter_rows(values_only=True) if row[0] == "bus-1"]
    assert [row[3:5] for row in cells] == [
        ("RSRP [dBm]", "-100 – -90"), ("速度 [km/h]", "35 – 50"), ("セル", "PCI 5"),
        ("RSRP [dBm]", "-120 未満"), ("SINR [dB]", "不明"),
    ]  # fmt: skip
    assert cells[0][:3] == ("bus-1", "l5g", "往復")
    assert cells[0][5:13] == (400, 80, 2.5, 1.0, 5.0, 20.5, 20.5, 20.5)
    assert (cells[1][16], cells[1][19]) == ("-", "損失")
    assert "いずれも測定していない" in str(list(opened(report())["条件別"].iter_rows(values_only=True)))


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


def test_shares_of_other_radios_are_percent_as_loss_is(opened):
    """Whatever the statistic: a packet error rate of 0.02 is 2 %, and an airtime in milliseconds stays what it is."""
    results = [
        kpi("lpwa_per", "mean", 0.02, ci_low=0.01, ci_high=0.03), kpi("halow_airtime", "p95", 0.0875, required=0.1),
        kpi("lpwa_airtime", "mean", 61.7), kpi("loss_burst", "mean", 2.0),
    ]  # fmt: skip
    rows = table(opened(report(kpis=results))["KPI"], 2)
    assert [(row["単位"].value, row["値"].value) for row in rows] == [("%", 2), ("%", 8.75), ("ms", 61.7), ("-", 2)]
    assert (rows[0]["95%信頼\n区間 下限"].value, rows[1]["所要値"].value) == (1, 10)
    assert all(is_share(each.id, "1", each.statistics[0]) for each in OTHER_RADIOS if each.unit == "1")
