"""What people measured by hand, from the table they filled in to the figure: measuring points, video trials."""

import zipfile

import openpyxl
import pytest

from tests.contract.trials import SETUP
from tests.jissho.tables import BOX_MBPS, g2g_csv, points_csv

PLAN = """
name = "plan"
ja = "実施計画"
en = "plan"
status = ""

[parameters]
required_down_mbps = 30.0

[[requirement]]
kpi = "point_throughput_tcp"
direction = "down"
statistic = "p25"
limit = 1.0
source = "計画書 表2"

[[requirement]]
kpi = "video_g2g"
statistic = "p50"
limit = 200.0
source = "計画書 表3"
"""


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(PLAN, encoding="utf-8")
    return path


def imported(jissho, file, profile, *more):
    arguments = ("--profile", profile, "--run", "survey-1", "--site", "lab", "--device", "laptop", "--link", "l5g")
    outcome = jissho("import", file, *arguments, *more)
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout


def kpis(jissho, *more):
    return {
        (row["id"], row["direction"], row["statistic"]): row for row in jissho.json("kpi", "survey-1", *more)
    }  # fmt: skip


def test_points_from_a_spreadsheet_to_the_box(jissho, tmp_path, plan):
    """Excel's own CSV (Shift_JIS, Japanese headings, no seconds): point by point, and over the points."""
    file = tmp_path / "points.csv"
    file.write_text(points_csv(), encoding="cp932")
    told = imported(jissho, file, "throughput_points", "--option", "encoding=cp932")
    assert "17 samples" in told
    assert "left out 1 (line 19): direction must be one of up, down" in told
    assert "0 new" in imported(jissho, file, "throughput_points", "--option", "encoding=cp932")

    found = kpis(jissho, "--profile", plan)
    box = [found["point_throughput_tcp", "down", name] for name in ("min", "p25", "p50", "p75", "max")]
    assert [row["value"] for row in box] == pytest.approx(BOX_MBPS)
    assert {row["n"] for row in box} == {5}
    assert "P-06(2回)" in box[1]["reason"]
    # Of five points none bounds the quarter from below: neither met nor missed.
    assert box[1]["verdict"] == "判定不能"
    share = found["point_sufficiency", "down", "ratio"]
    assert (share["value"], share["n"], share["variant"]) == (0.8, 5, "tcp")

    rows = {row["point"]: row for row in jissho.json("kpi", "survey-1", "--points", "--profile", plan)}
    assert (rows["P-01"]["mean_mbps"], rows["P-01"]["median_mbps"], rows["P-01"]["is_enough"]) == (97.0, 96.0, True)
    assert (rows["P-01"]["lat_deg"], rows["P-01"]["lon_deg"]) == (35.41, 139.6)
    assert rows["P-03"]["is_enough"] is False
    assert (rows["P-06"]["mean_mbps"], rows["P-06"]["rates_mbps"]) == (None, [60.0, 61.0])
    shown = jissho("kpi", "survey-1", "--points", "--profile", plan).stdout
    assert all(word in shown for word in ("P-01", "充足", "不足", "判定不能"))


def test_the_workbook_has_the_box_plot_and_every_point(jissho, tmp_path):
    file = tmp_path / "points.csv"
    file.write_text(points_csv(), encoding="utf-8-sig")
    imported(jissho, file, "throughput_points")
    jissho("export", "survey-1")
    sheet = openpyxl.load_workbook(tmp_path / "survey-1.xlsx")["測定点"]
    rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    (box,) = [row for row in rows if row[:5] == ["laptop", "l5g", "下り", "TCP", 5]]
    assert box[5:10] == pytest.approx(BOX_MBPS)
    assert {row[5] for row in rows} >= {"P-01", "P-02", "P-03", "P-04", "P-05", "P-06"}
    (short,) = [row for row in rows if row[5] == "P-06"]
    assert (short[7], *short[11:16]) == ("-", "判定不能", "-", "-", "不明", "値のある試行が2回(3回必要)")
    (first,) = [row for row in rows if row[5] == "P-01"]
    assert first[12:15] == [35.41, 139.6, "測量・計画"]
    chart, on_map = sheet._charts
    assert [series.errBars is not None for series in chart.series] == [True, False, True]
    # Without a requirement the colours are classes of the median: 97 (96 is its median) and 27 are in the first two.
    names = [series.tx.v for series in on_map.series]
    assert names == ["0〜60 Mbit/s", "60〜120 Mbit/s", "120〜180 Mbit/s", "180〜240 Mbit/s"]
    drawn = [on_the_sheet(sheet, series.yVal.numRef.f) for series in on_map.series]
    assert [[value for value in values if value is not None] for values in drawn] == [
        [35.43], [35.41], [35.44, 35.45], [35.42]
    ]  # fmt: skip
    assert on_the_sheet(sheet, on_map.series[0].xVal.numRef.f) == [139.6] * 5 + [None]
    with zipfile.ZipFile(tmp_path / "survey-1.xlsx") as parts:
        drawings = "".join(parts.read(name).decode() for name in parts.namelist() if "charts/chart" in name)
    assert all(f">{label} (n=3)<" in drawings for label in ("P-01 96.0", "P-03 26.0"))
    (told,) = [row[0] for row in rows if str(row[0]).startswith("図に示せない測定点")]
    assert "laptop l5g 下り TCP: P-06(測量した位置も、試行中の測位の記録もない)" in told


def on_the_sheet(sheet, formula):
    """Return the cells that a series draws."""
    return [cell.value for (cell,) in sheet[formula.split("!")[1].replace("$", "")]]


def test_a_run_without_points_says_how_to_get_them(jissho):
    jissho("run", "start", "empty", "--site", "lab")
    assert jissho.json("kpi", "empty", "--points") == []
    assert "--profile throughput_points" in jissho("kpi", "empty", "--points").stdout.replace("\n", "")


def test_trials_of_the_whole_way_of_a_picture(jissho, tmp_path, plan):
    """How they were recorded travels with them: the figure knows its resolution, and refuses to be finer."""
    profile = tmp_path / "front.toml"
    profile.write_text(SETUP, encoding="utf-8")
    file = tmp_path / "g2g.csv"
    file.write_text(g2g_csv(), encoding="utf-8-sig")
    told = imported(jissho, file, profile)
    assert "20 samples" in told
    assert (
        "left out 1 (line 22): row not readable: delay_ms (遅延[ms], 映像遅延[ms], G2G遅延[ms]) is below 1: check"
        in told
    )

    median = kpis(jissho, "--profile", plan)["video_g2g", "", "p50"]
    assert (median["n"], median["value"], median["ci_low"], median["ci_high"]) == (20, 170.0, 166.0, 175.0)
    assert median["uncertainty"] == pytest.approx(51.0)
    # 175 ms would do, 175 + 51 ms would not.
    assert median["verdict"] == "判定不能"
    assert "分解能が所要値をまたぐ" in median["reason"]
    assert "画面のストップウォッチ" in median["filter"]

    profile.write_text(SETUP.replace('"stopwatch"', '"led"'), encoding="utf-8")
    arguments = ("--profile", profile, "--run", "led", "--site", "lab", "--device", "unit", "--link", "l5g")
    assert jissho("import", file, *arguments).returncode == 0
    (median,) = [row for row in jissho.json("kpi", "led", "--profile", plan)
                 if (row["id"], row["statistic"]) == ("video_g2g", "p50")]  # fmt: skip
    assert (median["verdict"], median["uncertainty"]) == ("達成", 1.0)


def test_a_profile_without_a_record_of_the_trials_is_refused_with_the_remedy(jissho, tmp_path):
    file = tmp_path / "g2g.csv"
    file.write_text(g2g_csv(), encoding="utf-8")
    arguments = ("--profile", "g2g_csv", "--run", "survey-1", "--site", "lab", "--link", "l5g")
    outcome = jissho("import", file, *arguments)
    assert outcome.returncode == 2
    assert 'like = "g2g_csv"' in outcome.stderr
