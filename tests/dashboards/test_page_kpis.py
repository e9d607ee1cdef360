"""Words and numbers of the KPI table."""

import pytest

from analytics.requirements import Profile, Requirement
from analytics.results import KpiResult
from analytics.unmeasured import with_unmeasured
from dashboards.page.kpi_table import in_language, shown_words, sources, table_columns, table_rows, verdict_counts


def kpi(**more):
    given = {
        "id": "loss", "link": "l5g", "direction": "up", "statistic": "ratio", "value": 0.0125, "unit": "1", "n": 12_345,
        "definition": "RFC 7680 2.4; jissho loss rev 1", "name_ja": "パケット損失率", "name_en": "Packet loss", **more,
    }  # fmt: skip
    return KpiResult(**given)


def cell(result, column, language="ja"):
    return table_rows([result], language, everything=True)[0][column]


def test_no_results_are_no_rows():
    """Nothing measured, nothing judged."""
    assert [] == table_rows([], "ja")
    assert not verdict_counts([], "ja")


def test_a_requirement_that_was_never_measured_is_a_row_and_counts():
    """It belongs to no device: the links of a single device keep their names."""
    asked = Requirement(kpi="video_g2g", statistic="p95", limit=300.0, source="要確認")
    profile = Profile(name="x", ja="", en="", status="", requirement=(asked,))
    results = with_unmeasured([kpi(device="car-1", verdict="達成")], profile, None, None)

    rows = table_rows(results, "en")

    assert [(row["link"], row["value"], row["verdict"], row["note"]) for row in rows] == [
        ("l5g", "1.25 %", "Met", ""), ("", "–", "Undecided", "not measured"),
    ]  # fmt: skip
    assert rows[1]["required"] == "≤ 300 ms"
    assert "達成 1 · 未達 0 · 判定不能 1" == verdict_counts(results, "ja")


def test_ratios_are_percent_and_a_clause_stands_beside():
    """0.0125 is 1.25 %; our own revision is left to the report."""
    result = kpi(ci_low=0.01, ci_high=None, required=0.02, verdict="達成", required_source="要確認")

    row = table_rows([result], "ja")[0]

    assert ("1.25 %", "1 – …", "≤ 2 %", "12,345") == (row["value"], row["interval"], row["required"], row["n"])
    assert "RFC 7680 2.4" == row["definition"]
    assert ["要確認"] == sources([result, kpi(), result])


def test_shares_of_other_radios_are_percent_too():
    """A packet error rate is a share in its mean and in its quantiles."""
    for statistic in ("mean", "p95"):
        result = kpi(id="lpwa_per", statistic=statistic, value=0.02, ci_low=0.01, ci_high=0.03)
        assert ("2 %", "1 – 3") == (cell(result, "value"), cell(result, "interval"))


def test_a_limit_says_on_which_side_it_lies():
    """Delays must not be above, availability must not be below."""
    assert "≤ 100 ms" == cell(kpi(id="rtt", statistic="p95", unit="ms", value=20.0, required=100.0), "required")
    assert "≥ 99 %" == cell(kpi(id="availability", value=1.0, required=0.99), "required")
    assert not cell(kpi(), "required")


def test_every_share_is_percent_and_the_statistics_words_are_the_workbooks():
    """A distribution function and the loss elsewhere are shares too; what a ratio is says its KPI."""
    within = kpi(id="delay_cdf", statistic="le_10ms", value=0.985)
    elsewhere = kpi(id="leo_grid_loss", statistic="elsewhere", value=0.01)

    assert ("98.5 %", "1 %") == (cell(within, "value"), cell(elsewhere, "value"))
    assert ["10ms以下", "割合(それ以外)", "95%値", ""] == [
        cell(result, "statistic") for result in (within, elsewhere, kpi(id="rtt", statistic="p95", unit="ms"), kpi())
    ]
    assert ["le_10ms", ""] == [cell(result, "statistic", "en") for result in (within, kpi())]


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [(1.0, "100 %"), (0.99996, "99.996 %"), (0.9999999, "99.9999 %"), (0.999999999999, "99.9999 %"),
     (0.9995, "99.95 %"), (0.0, "0 %"), (1e-7, "0.00001 %")],
)  # fmt: skip
def test_less_than_all_is_never_shown_as_100(ratio, shown):
    """100 % stands only where nothing is missing; and no exponent is shown."""
    assert shown == cell(kpi(value=ratio), "value")


def test_the_interval_is_never_rounded_up_to_100():
    """The same holds for the ends of the interval."""
    assert "99.99 – 99.9999" == cell(kpi(value=0.99995, ci_low=0.9999, ci_high=0.9999999), "interval")


def test_counts_are_shown_in_full():
    """Four significant digits are for measured values, not for counted ones."""
    assert "12,346" == cell(kpi(statistic="count", value=12_346.0), "value")
    assert "23.46 ms" == cell(kpi(id="rtt", statistic="p95", unit="ms", value=23.4567), "value")


def test_a_missing_value_is_a_dash_with_its_reason():
    """A value that does not exist is not 0."""
    result = kpi(value=None, reason="欠番 3/9: 区別できない / not measured or lost: 0 to 0.3")

    assert "–" == cell(result, "value")
    assert "欠番 3/9: 区別できない" == cell(result, "note")
    assert "not measured or lost: 0 to 0.3" == cell(result, "note", "en")


@pytest.mark.parametrize(
    ("reason", "ja", "en"),
    [
        ("", "", ""),
        ("遅延の測定なし / no delay was measured", "遅延の測定なし", "no delay was measured"),
        ("甲 / a; 乙 / b", "甲; 乙", "a; b"),
        ("参考値: 端末側の時刻記録なし / own clock: no record", "参考値: 端末側の時刻記録なし",
         "reference only: own clock: no record"),
        ("plain", "plain", "plain"),
    ],
)  # fmt: skip
def test_a_reason_is_said_in_one_language(reason, ja, en):
    """Each part keeps the reader's half; "for reference" is not lost in English."""
    assert ja == in_language(reason, "ja")
    assert en == in_language(reason, "en")


def test_what_is_too_small_to_show_is_nought():
    """A bound of 1e-79 % is printed as a number, not as "0."."""
    assert cell(kpi(ci_low=9e-81, ci_high=0.372), "interval") == "0 – 37.2"


def test_how_many_more_samples_would_decide():
    """What is undecided says what it would take."""
    result = kpi(verdict="判定不能", needed_n=20_000, reason="甲 / a")

    assert "甲; あと約 20,000 標本" == cell(result, "note")
    assert "a; about 20,000 more samples" == cell(result, "note", "en")


def test_requirements_come_first_and_the_rest_waits_until_asked_for():
    """Verdicts lead; a statistic that nobody asked for is shown on demand."""
    results = [kpi(), kpi(id="ipdv", statistic="mean"), kpi(link="lte", verdict="未達")]

    assert ["lte", "l5g"] == [row["link"] for row in table_rows(results, "ja")]
    assert 3 == len(table_rows(results, "ja", everything=True))
    assert "所要値のあるものと主な指標 2 / 全 3 件" == shown_words(2, 3, "ja", everything=False)
    assert "What is required and main figures: 2 of 3" == shown_words(2, 3, "en", everything=False)
    assert "全 3 件" == shown_words(3, 3, "ja", everything=True)
    assert not shown_words(0, 0, "ja", everything=False)


def test_verdicts_are_counted_and_translated():
    """English readers get English words with the same look."""
    results = [kpi(verdict="達成"), kpi(verdict="達成"), kpi(verdict="判定不能"), kpi()]

    assert "達成 2 · 未達 0 · 判定不能 1" == verdict_counts(results, "ja")
    assert "Met 2 · Missed 0 · Undecided 1" == verdict_counts(results, "en")
    assert ("Met", "verdict verdict-met") == tuple(
        table_rows(results, "en")[0][key] for key in ("verdict", "verdict_class")
    )


def test_links_of_several_devices_are_told_apart():
    """Two cars may both have a link l5g."""
    results = [kpi(device="car-1"), kpi(device="car-2")]

    assert ["car-1/l5g", "car-2/l5g"] == [row["link"] for row in table_rows(results, "ja")]
    assert "l5g" == cell(kpi(device="car-1"), "link")


def test_every_column_has_a_label_and_a_value():
    """The rows have what the columns ask for, in both languages."""
    for language in ("ja", "en"):
        row = table_rows([kpi()], language)[0]
        for column in table_columns(language):
            assert column["label"]
            assert column["field"] in row
