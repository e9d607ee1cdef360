"""What is taken away from the API: the workbook with its charts, and CSV."""

import csv
import io
from datetime import datetime

import openpyxl
import psycopg
import pytest

from analytics.report.words import INTERVAL
from api.app import ApiSettings
from api.run_report import run_report
from storage.connect import connect
from storage.runs import get_run
from tests.api.conftest import LOST_EVERY, serving


def test_the_workbook_shows_the_run(client):
    """KPI, completeness, event and raw sheets hold what the database holds; the event's text is no formula."""
    answer = client.get("/v1/runs/run-1/export.xlsx", params={"profile": "remote_monitoring"})

    assert answer.headers["content-disposition"] == 'attachment; filename="run-1.xlsx"'
    book = openpyxl.load_workbook(io.BytesIO(answer.content))
    assert {"probe", "radio", "position", "event", "clock", "host"} <= set(book.sheetnames)
    assert book["probe"].max_row == 1 + 2 * 595
    assert [cell.value for cell in book["事象"][3]][4:7] == ["注意", "link.down", "=回線断"]
    assert book["事象"]["G3"].data_type == "s"
    cover = {row[0].value: row[1].value for row in book["表紙"].iter_rows(max_col=2)}
    assert "未着 1" in cover["データの完全性"]
    assert cover["所要値の出所"] == "遠隔監視(監視のみ)の例 [remote_monitoring] 要確認"
    loss = [row for row in book["KPI"].iter_rows(values_only=True) if row[0] == "パケット損失率" and row[5] == "%"]
    assert [row[6] for row in loss] == [pytest.approx(100 * 11 / 595)] * 2


def test_a_workbook_too_long_to_wait_for_leaves_raw_rows_out_and_says_so(site):
    """Beyond the limit the raw sheets are named with their rows and the way to get them; raw=all has them anyway."""
    with serving(ApiSettings(database_url=site.url, workbook_rows=100)) as client:
        short = client.get("/v1/runs/run-1/export.xlsx").content
        whole = client.get("/v1/runs/run-1/export.xlsx", params={"raw": "all"}).content

    book = openpyxl.load_workbook(io.BytesIO(short))
    assert "probe" not in book.sheetnames
    rows = {row[0]: row[1:] for row in book["表紙"].iter_rows(values_only=True)}
    assert rows["probe"] == (
        "生データ: 区間測定(パケット毎)",
        1200,
        "全ストリームの合計が100行を超えるため収録していない。CSVで取得できる。",
    )
    assert "probe" in openpyxl.load_workbook(io.BytesIO(whole)).sheetnames


def test_one_way_charts_without_known_clocks_are_marked(site):
    """The far end's clock is unknown, so its one-way series are 参考値, and the round trip is not."""
    with connect(site.url) as connection:
        run = get_run(connection, "run-1")
        report = run_report(connection, run, profile=None, made_at=site.ended_at)

    marked = {(one.link, one.direction): one.is_reference for one in report.series}
    assert marked == {
        (link, direction): direction != "round_trip"
        for link in ("l5g", "carrier")
        for direction in ("round_trip", "up", "down")
    }
    assert {one.lost.sum() for one in report.series} == {11}


def test_charts_follow_the_data_not_a_run_left_open(site):
    """A run that nobody stopped for a day still shows its minute of probes second by second."""
    with connect(site.url) as connection:
        connection.execute("UPDATE run SET started_at = started_at - interval '1 day'")
        run = get_run(connection, "run-1")
        report = run_report(connection, run, profile=None, made_at=site.ended_at)

    assert {one.interval_s for one in report.series} == {1}


def test_every_interval_method_of_the_engine_has_its_japanese_words(site):
    """The workbook explains how each interval was made; a new method must get its words."""
    with connect(site.url) as connection:
        report = run_report(connection, get_run(connection, "run-1"), profile=None, made_at=site.ended_at)

    assert {kpi.ci_method for kpi in report.kpis} - {""} <= set(INTERVAL)


def test_csv_is_streamed_for_one_link(client, site):
    """Only the asked link's rows, in the order of time, with a file name that says what it is."""
    answer = client.get("/v1/runs/run-1/export.csv", params={"stream": "probe", "link": "l5g"})

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="run-1_probe_l5g.csv"'
    assert answer.content.startswith(b"\xef\xbb\xbft_jst,device,link,session,")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    inside = [row for row in rows if site.started_at <= datetime.fromisoformat(row["t_jst"]) < site.ended_at]
    assert (len(rows), len(inside)) == (595, 595)
    assert {row["link"] for row in rows} == {"l5g"}
    assert [row["t_jst"] for row in rows] == sorted(row["t_jst"] for row in rows)
    assert [row["rtt_us"] for row in rows if row["lost"] == "3"] == [""] * (595 // LOST_EVERY)


def test_csv_of_all_links_has_japanese_headings_on_request(client):
    """Without a link all of the run's links are in the file."""
    answer = client.get("/v1/runs/run-1/export.csv", params={"stream": "probe", "header": "ja"})

    lines = answer.content.decode("utf-8-sig").split("\r\n")
    assert lines[0].startswith("時刻(JST),測定端末,回線,測定セッション[-]")
    assert {line.split(",")[2] for line in lines[1:-1]} == {"l5g", "carrier"}


def test_a_reader_that_leaves_early_gives_its_connection_back(site):
    """After broken-off downloads over the pool's only connection the API still answers."""
    with psycopg.connect(site.url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO probe SELECT t + n * interval '1 us', link_id, batch_id, session, seq, refl_seq, ul_us, dl_us,"
            " rtt_us, copy, lost FROM probe, generate_series(1, 100) AS n"
        )
    with serving(ApiSettings(database_url=site.url, pool_size=1)) as client:
        for _ in range(4):
            with client.stream("GET", "/v1/runs/run-1/export.csv", params={"stream": "probe"}) as answer:
                next(answer.iter_bytes(1000))
        assert client.get("/v1/runs").status_code == 200
