"""The workbook as a report writer and a program find it, reopened with openpyxl: the book as a whole."""

from datetime import timedelta

from analytics.comparison import Comparison, Effect
from analytics.definitions import BY_ID, DEFINITIONS
from analytics.report.model import CompletenessFacts, ExclusionRow, InterventionRow, LinkBefore, PairRow, RunFacts
from analytics.report.words import statistic_word
from analytics.report.workbook import write_workbook
from analytics.requirements import Profile, Requirement
from analytics.unmeasured import with_unmeasured
from contract.streams import STREAMS
from tests.analytics.report.making import KPIS, START, report, table


def test_sheets_for_people_come_before_sheets_for_programs(opened):
    """Cover first, raw data last."""
    assert opened(report()).sheetnames == [
        "表紙", "主要結果", "KPI", "グラフ", "グラフデータ", "累積分布データ", "通信断一覧", "条件別", "指標の定義",
        "完全性", "事象", "データ項目", "probe",
    ]  # fmt: skip


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


def test_definitions_and_data_items_explain_every_word(opened):
    """Each KPI with its clause and meaning, each raw column with its unit and range."""
    book = opened(report())
    definitions = table(book["指標の定義"], 2)
    items = table(book["データ項目"], 2)

    assert [row["ID"].value for row in definitions] == [definition.id for definition in DEFINITIONS]
    assert definitions[1]["根拠となる条項"].value == BY_ID["rtt"].clause
    assert [row["必要なデータ"].value for row in definitions] == [each.needs_text("ja") for each in DEFINITIONS]
    assert definitions[1]["主な統計量"].value == "中央値, 95%値, 99%値"
    assert [row["項目(英字)"].value for row in items] == [
        "t_jst", "device", "link", *STREAMS["probe"].column_names,
    ]  # fmt: skip
    assert {row["項目(英字)"].value: row["単位"].value for row in items}["rtt_us"] == "μs"
    assert "3=損失(方向不明)" in items[-1]["説明(英語)"].value


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


def test_the_same_report_gives_the_same_file(tmp_path):
    """Nothing of the clock of the machine is in the file."""
    for name in ("a.xlsx", "b.xlsx"):
        write_workbook(report(), tmp_path / name)

    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()


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


def test_interventions_have_a_sheet_where_a_vehicle_was_measured(opened):
    """Time, cause and the links before; a drive without any says so, and without a vehicle there is no sheet."""
    assert "介入一覧" not in opened(report()).sheetnames
    assert "手動介入、MRMはない" in str(list(opened(report(interventions=[]))["介入一覧"].iter_rows(values_only=True)))
    row = InterventionRow(
        at=START, device="bus-1", kind="mrm", cause="=通信断", outcome="succeeded", lat_deg=38.25, lon_deg=140.84,
        speed_mps=10.0, links=[LinkBefore(link="l5g", sinr_db=3.25, sent=50, lost=7), LinkBefore(link="lte")],
    )  # fmt: skip
    sheet = opened(report(interventions=[row]))["介入一覧"]
    (cells,) = [line for line in sheet.iter_rows(values_only=True) if line[0] == 1]
    assert ("bus-1", "MRM", "=通信断", "成功", 36.0) == (cells[1], cells[2], cells[5], cells[6], cells[9])
    assert "l5g: SINR 3.2 dB、損失 7/50\nlte: 測定値なし" == cells[10]


def test_pairs_of_runs_have_a_sheet_with_differences_and_without_verdicts(opened):
    """A run that is in no pair has no such sheet; shares are percent; what has no value says why."""
    assert "比較" not in opened(report()).sheetnames
    known = {"n_a": 3000, "n_b": 2900, "blocks": 60, "is_paired": True,
             "method": "block bootstrap, 1000 replicates of paired blocks of 10 s"}  # fmt: skip
    effects = [
        Effect(id="loss", direction="round_trip", statistic="ratio", unit="1", a=0.01, b=0.03, difference=0.02,
               ci_low=0.011, ci_high=0.029, is_clear=True, name_ja="損失率", **known),
        Effect(id="video_delay", direction="", statistic="p99", variant="カメラ: front", unit="ms", a=120.0, b=None,
               difference=None, reason="片方に値がない / one side has no value", name_ja="映像遅延", **known),
    ]  # fmt: skip
    made = Comparison(
        pair="ai", a="off-1", b="on-1", link_a="l5g", link_b="lte", align="elapsed", effects=effects,
        note="A: 除外 1 区間 5 s / 1 intervals excluded",
    )  # fmt: skip
    row = PairRow(name="ai", condition="=AI なし/あり", repetitions=[("off-1", "on-1")], comparisons=[made])
    nothing = PairRow(name="antenna", condition="", repetitions=[("a", "b")], reason="no link in common")
    sheet = opened(report(pairs=[row, nothing]))["比較"]
    text = "\n".join(str(line[0]) for line in sheet.iter_rows(values_only=True))
    for words in ("組 ai: off-1 → on-1", "条件: =AI なし/あり", "除外 1 区間 5 s", "比較できない: no link in common"):
        assert words in text
    head = next(number for number, line in enumerate(sheet.iter_rows(values_only=True), start=1) if line[0] == "組")
    loss, delay = table(sheet, head)
    assert [loss[name].value for name in ("基準 A", "変更後 B", "差 B-A", "単位")] == [1.0, 3.0, 2.0, "%"]
    assert (loss["回線"].value, loss["抽出単位"].value) == ("l5g → lte", "10 秒のブロック(対)")
    assert (delay["評価項目"].value, delay["差 B-A"].value) == ("映像遅延 カメラ: front", "-")
    assert "片方に値がない" in delay["備考"].value
    assert not any("判定" in str(name) for name in loss)
