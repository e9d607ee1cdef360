"""The API over a real database and a real server: what each route answers, and what it says when it cannot."""

import csv
import io
import os
import time
from datetime import datetime, timedelta

import openpyxl
import psycopg
import pytest

from analytics.definitions import DEFINITIONS
from analytics.report.words import INTERVAL
from analytics.requirements import RequirementError
from analytics.unmeasured import NO_MEASUREMENT
from api.app import ApiSettings, create_app
from api.run_report import run_report
from contract.streams import STREAMS
from storage.connect import connect
from storage.runs import get_run
from tests.api.conftest import LOST_EVERY, PACKETS, batch, serving, spread_us


def test_health_tells_mode_and_age_of_the_last_commit(client):
    """A reachable, migrated database is 200."""
    answer = client.get("/healthz")

    assert answer.status_code == 200
    health = answer.json()
    assert (health["status"], health["database"]) == ("ok", "reachable")
    assert health["mode"] in {"plain", "timescale"}
    assert 0 <= health["last_commit_age_s"] < 60


def test_runs_are_found_by_name_and_by_number(client, site):
    """The list, the name and the number give the same record."""
    (run,) = client.get("/v1/runs").json()

    assert run["name"] == "run-1"
    assert datetime.fromisoformat(run["started_at"]) == site.started_at
    assert client.get("/v1/runs/run-1").json() == run
    assert client.get(f"/v1/runs/{run['run_id']}").json() == run


def test_completeness_names_the_missing_batch(client):
    """Batch 5 never came, 8 is in quarantine, 10 was announced."""
    found = client.get("/v1/runs/run-1/completeness").json()

    assert (found["taken"], found["committed"], found["quarantined"], found["missing"]) == (9, 7, 1, 1)
    assert found["epochs"][0]["missing_ranges"] == [[5, 5]]
    assert found["epochs"][0]["pending"] == 1
    listed = [(gap["first_seq"], gap["last_seq"], gap["reason"], gap["edge"]) for gap in found["batch_gaps"]]
    assert [(5, 5, "lost", False), (8, 8, "quarantined", False), (10, 10, "in_outbox", True)] == listed


def test_every_second_of_a_run_is_covered_or_explained(client):
    """Both links are probed all the time; the one host sample leaves the rest of the minute, in which batch 5 is."""
    found = client.get("/v1/runs/run-1/completeness").json()

    covered = {
        (row["link"], row["stream"]): (row["run_s"] - row["covered_s"], row["gap_s"]) for row in found["coverage"]
    }
    assert covered["l5g", "probe"] == covered["carrier", "probe"] == (0, 0)
    gap_s = sum(gap["duration_s"] for gap in found["time_gaps"])
    assert gap_s > 50
    assert covered["", "host"] == (gap_s, gap_s)


def test_two_links_of_one_run_are_compared_at_the_same_instants(client):
    """Each effect has both values, their difference, its interval and how it was drawn."""
    answer = client.get("/v1/compare", params={"a": "run-1", "b": "run-1", "link": "l5g", "other_link": "carrier"})
    assert answer.status_code == 200
    (found,) = answer.json()
    effects = {(effect["id"], effect["statistic"]): effect for effect in found["effects"]}
    median = effects["rtt", "p50"]
    assert median["difference"] == pytest.approx(median["b"] - median["a"])
    assert median["ci_low"] <= median["difference"] <= median["ci_high"]
    assert median["is_paired"]
    assert "block bootstrap" in median["method"]


def test_a_comparison_that_cannot_be_had_says_what_is_missing(client):
    """No such link, no position to align by, no such run."""
    for query, word in (({"link": "nowhere"}, "nothing to compare"), ({"link": "l5g", "align": "distance"}, "")):
        answer = client.get("/v1/compare", params={"a": "run-1", "b": "run-1", **query})
        assert answer.status_code in {200, 404}
        assert word in answer.text
    assert client.get("/v1/compare", params={"a": "run-1", "b": "no-such"}).status_code == 404


def test_a_plan_takes_the_burstiness_of_a_run(client):
    """The same target takes longer with correlated packets; a target of one cannot be planned."""
    (alone,) = client.get("/v1/plan", params={"target": 0.999, "rate_per_s": 10}).json()[:1]
    assert (alone["packets"], alone["packets_needed"], alone["worth"]) == (2995, 3688, 1.0)
    (measured,) = client.get("/v1/plan", params={"target": 0.999, "run": "run-1", "link": "l5g"}).json()[:1]
    assert measured["rate_per_s"] == pytest.approx(10, rel=0.01)
    assert 0 < measured["worth"] <= 1
    assert client.get("/v1/plan", params={"target": 1.0}).status_code == 422


def test_streams_are_the_contract(client):
    """Every stream with every column, its unit and both labels."""
    streams = {stream["name"]: stream for stream in client.get("/v1/streams").json()}

    assert list(streams) == list(STREAMS)
    rtt = next(column for column in streams["probe"]["columns"] if column["name"] == "rtt_us")
    assert (rtt["unit"], rtt["ja"]) == ("us", "往復遅延")


def test_kpis_carry_interval_n_clause_and_verdict(client):
    """Each link has its delay and its loss, judged by the profile that the request names."""
    kpis = client.get("/v1/runs/run-1/kpis", params={"profile": "remote_monitoring"}).json()
    by_key = {(kpi["link"], kpi["id"], kpi["direction"], kpi["statistic"]): kpi for kpi in kpis}

    loss = by_key["l5g", "loss", "round_trip", "ratio"]
    assert loss["value"] == 11 / 595
    assert loss["ci_low"] < loss["value"] < loss["ci_high"]
    assert (loss["n"], loss["required"], loss["unit"]) == (595, 0.01, "1")
    assert loss["verdict"] in {"未達", "判定不能"}
    assert "RFC 7680" in loss["definition"]
    assert by_key["l5g", "rtt", "round_trip", "p95"]["verdict"] == "達成"
    assert by_key["carrier", "rtt", "round_trip", "p99"]["value"] is None
    assert by_key["carrier", "rtt", "round_trip", "p99"]["reason"]
    assert {kpi["verdict"] for kpi in client.get("/v1/runs/run-1/kpis").json()} == {None}


def test_what_a_profile_asks_for_and_the_run_never_measured_is_told(client):
    """No camera and no commands: the required delays have a row without a value, which nothing else is about."""
    kpis = client.get("/v1/runs/run-1/kpis", params={"profile": "remote_monitoring"}).json()
    rows = {(kpi["id"], kpi["statistic"]): kpi for kpi in kpis if kpi["reason"] == NO_MEASUREMENT}
    assert {kpi_id for kpi_id, _ in rows} >= {"video_g2g", "command_execution"}
    assert {(row["value"], row["n"], row["verdict"], row["device"]) for row in rows.values()} == {
        (None, 0, "判定不能", "")
    }
    assert all(row["required"] is not None and row["required_source"] for row in rows.values())


def test_definitions_are_the_table_behind_the_kpis(client):
    """Every KPI that a run shows is defined, with its clause and both names."""
    definitions = {definition["id"]: definition for definition in client.get("/v1/definitions").json()}

    assert list(definitions) == [definition.id for definition in DEFINITIONS]
    assert definitions["rtt"]["name_ja"] == "往復遅延"
    assert {kpi["id"] for kpi in client.get("/v1/runs/run-1/kpis").json()} <= set(definitions)


def test_two_links_of_a_device_are_judged_together(client):
    """Both lose the same packets here: the pair loses what each loses, and nothing is gained."""
    kpis = {
        (kpi["id"], kpi["statistic"]): kpi
        for kpi in client.get("/v1/runs/run-1/kpis").json()
        if kpi["link"] == "carrier+l5g"
    }
    assert (kpis["redundant_loss", "ratio"]["value"], kpis["redundant_loss", "ratio"]["n"]) == (11 / 595, 595)
    assert kpis["redundant_loss_gain", "ratio"]["value"] == 0.0
    assert kpis["redundant_availability", "ratio"]["value"] == 1.0
    assert kpis["redundant_outage", "count"]["value"] == 0.0
    assert "l5g" in kpis["redundant_delay_gain", "p50"]["filter"]


def test_one_way_figures_are_corrected_for_the_offset_on_request_only(client):
    """Up is 1 ms more than half the round trip, down 1 ms less: an offset of 1 ms, and both medians become alike."""

    def asked(**parameters):
        kpis = client.get("/v1/runs/run-1/kpis", params=parameters).json()
        return {(kpi["id"], kpi["direction"], kpi["statistic"]): kpi for kpi in kpis if kpi["link"] == "l5g"}

    plain, corrected = asked(), asked(correct_offset=True)
    assert ("clock_offset", "", "mean") not in plain
    assert corrected["clock_offset", "", "mean"]["value"] == pytest.approx(1.0, abs=0.001)
    up, down = (corrected["owd", direction, "p50"] for direction in ("up", "down"))
    assert up["value"] == pytest.approx(down["value"], abs=0.01)
    assert plain["owd", "up", "p50"]["value"] - up["value"] == pytest.approx(1.0, abs=0.01)
    assert "offset corrected afterwards" in up["reason"]
    assert "参考値" in up["reason"]
    same = plain["rtt", "round_trip", "p50"] | {"definition_hash": ""}
    assert corrected["rtt", "round_trip", "p50"] | {"definition_hash": ""} == same


def test_the_conditions_of_a_run_say_how_delay_and_loss_depend_on_radio_speed_and_cell(client):
    """All packets of the link were sent at -95.3 dBm in one cell; the other link has no modem, and its speed."""
    found = {each["link"]: each for each in client.get("/v1/runs/run-1/conditions").json()}
    rows = {row["basis"]: row for row in found["l5g"]["rows"]}
    assert set(found) == {"carrier", "l5g"}
    assert (rows["rsrp_dbm"]["low"], rows["rsrp_dbm"]["high"], rows["rsrp_dbm"]["n"]) == (-100.0, -90.0, 595)
    assert rows["rsrp_dbm"]["loss_low"] < rows["rsrp_dbm"]["loss"] == 11 / 595 < rows["rsrp_dbm"]["loss_high"]
    assert (rows["cell"]["cell"], rows["cell"]["n"]) == ("PCI 12", 595)
    assert {row["basis"] for row in found["carrier"]["rows"]} == {"speed_mps"}
    only = client.get("/v1/runs/run-1/conditions", params={"link": "l5g"}).json()
    assert only == [found["l5g"]]


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


def test_a_profile_that_cannot_be_used_stops_the_server_at_its_start(site):
    """A typing error in JISSHO_PROFILE is found when the server starts, not by the first evaluator."""
    with pytest.raises(RequirementError, match="no requirement profile 'remote'"):
        create_app(ApiSettings(database_url=site.url, profile="remote"))


def test_live_gives_the_latest_of_each_link(client):
    """Delay and loss of the window, radio of the link, place of its device, and the device's own state."""
    live = client.get("/v1/live", params={"window_s": 120, "site": "site-a"}).json()
    links = {link["link"]: link for link in live["links"]}

    assert set(links) == {"", "carrier", "l5g"}
    l5g = links["l5g"]
    assert (l5g["site"], l5g["device"], l5g["state"], l5g["pending_batches"]) == ("site-a", "bus-1", "online", 1)
    assert (l5g["delay"]["sent"], l5g["delay"]["lost"]) == (PACKETS, PACKETS // LOST_EVERY)
    assert l5g["delay"]["loss_ratio"] == 1 / LOST_EVERY
    assert l5g["delay"]["latest_us"] == 20_000 + spread_us(PACKETS - 2)
    assert l5g["delay"]["median_us"] < links["carrier"]["delay"]["median_us"]
    assert l5g["radio"]["rsrp_dbm"] == -95.3
    assert links["carrier"]["radio"] is None
    assert l5g["place"]["lat_deg"] == 35.6
    assert links[""]["delay"] is None


@pytest.fixture
def waiting(db, site):
    """Probes of l5g as a sender with a timeout of 15 s leaves them: of the last seconds only answers have rows."""
    writer = db.writer()
    t_us = [round(site.started_at.timestamp() * 1e6)]
    writer.commit([
        batch(20, "event", t_us, link="l5g", name=["probe.session"], severity=["info"], message=["x"],
              detail=['{"timeout_s": 15.0}'])
    ])  # fmt: skip
    writer.connection.execute(
        "DELETE FROM probe USING link WHERE link.link_id = probe.link_id AND link = 'l5g' AND lost > 0"
        " AND t > now() - interval '15 seconds'"
    )
    return writer.connection


def test_live_loss_is_of_packets_whose_fate_is_settled(waiting, client):
    """With a timeout of 15 s, loss is of the window that ended 17 s ago; delays are of the newest."""
    links = {link["link"]: link["delay"] for link in client.get("/v1/live?window_s=20").json()["links"]}

    assert links["l5g"]["settled_s"] == 17
    assert 199 <= links["l5g"]["sent"] <= 201
    assert links["l5g"]["lost"] in {3, 4, 5}
    assert links["l5g"]["latest_us"] == 20_000 + spread_us(PACKETS - 2)
    # A link that states no timeout settles at once.
    assert links["carrier"]["settled_s"] == 0
    assert 100 <= links["carrier"]["sent"] <= 220


def test_a_run_that_goes_on_counts_no_packet_under_way(waiting, client):
    """Its KPIs end where the packets are settled, and none is absent; the finished run has all that came."""

    def counted():
        results = client.get("/v1/runs/run-1/kpis").json()
        lost = {row["link"]: row["n"] for row in results if (row["id"], row["statistic"]) == ("loss", "ratio")}
        return lost, {row["link"]: row["value"] for row in results if row["id"] == "absent"}

    finished, absent = counted()
    waiting.execute("UPDATE run SET ended_at = NULL")
    going_on, none_absent = counted()

    assert absent["l5g"] >= 1
    assert none_absent == {}
    # The made-up data reach a second or two beyond now, and a run that goes on ends now.
    assert finished["carrier"] - going_on["carrier"] < 30
    assert finished["l5g"] - going_on["l5g"] > 100


def test_a_quantile_among_lost_packets_is_null(site):
    """With more than 5 % lost the 95th percentile is no delay."""
    with psycopg.connect(site.url, autocommit=True) as connection:
        connection.execute("UPDATE probe SET lost = 1, copy = 0, rtt_us = NULL WHERE seq % 10 = 0")
    with serving(ApiSettings(database_url=site.url)) as client:
        (delay,) = [
            link["delay"] for link in client.get("/v1/live?window_s=120").json()["links"] if link["link"] == "l5g"
        ]

    assert delay["p95_us"] is None
    assert delay["median_us"] > 0


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


@pytest.mark.parametrize(
    ("path", "status", "part"),
    [
        ("/v1/runs/nowhere", 404, "no run 'nowhere'"),
        ("/v1/runs/nowhere/completeness", 404, "no run"),
        ("/v1/runs/run-1/export.csv", 422, "query.stream"),
        ("/v1/runs/run-1/export.csv?stream=prob", 422, "query.stream"),
        ("/v1/runs/run-1/export.csv?stream=probe&link=sat", 404, "no link */sat"),
        ("/v1/runs/run-1/export.csv?stream=vehicle&link=l5g", 422, "belongs to a device"),
        ("/v1/live?window_s=0", 422, "query.window_s"),
        ("/v1/links/site-a/bus-1/sat/summary", 404, "no link bus-1/sat"),
        ("/v1/links/site-a/bus-1/l5g/summary?start=2026-01-01T00:00:00", 422, "query.start"),
        (
            "/v1/links/site-a/bus-1/l5g/summary?end=2026-01-01T00:00:00Z&start=2026-01-02T00:00:00Z",
            422,
            "before",
        ),
        ("/v1/runs/run-1/kpis?profile=remote", 422, "no requirement profile 'remote'"),
        ("/v1/runs/run-1/kpis?profile=../profile.toml", 422, "query.profile"),
        ("/v2/runs", 404, "Not Found"),
    ],
)
def test_errors_say_what_to_do(client, path, status, part):
    """Whatever goes wrong is {error, remedy}."""
    answer = client.get(path)

    assert answer.status_code == status
    problem = answer.json()
    assert set(problem) == {"error", "remedy"}
    assert part in problem["error"]
    assert problem["remedy"]


def test_the_api_changes_nothing(client):
    """Writing methods are refused by the router."""
    assert client.post("/v1/runs", json={}).status_code == 405
    assert set(client.delete("/v1/runs/run-1").json()) == {"error", "remedy"}


def test_metrics_show_the_ledger_and_the_requests(client):
    """Prometheus gets the batches of each device and a counter by route, not by path."""
    client.get("/v1/runs/run-1")
    client.get("/v1/runs/nowhere")
    text = client.get("/metrics").text

    labels = '{device="bus-1",site="site-a"}'
    for line in (
        "jissho_database_up 1.0",
        f"jissho_committed_batches{labels} 7.0",
        f"jissho_quarantined_batches{labels} 1.0",
        f"jissho_missing_batches{labels} 1.0",
        f"jissho_announced_batches{labels} 1.0",
        f"jissho_device_online{labels} 1.0",
        f"jissho_outbox_pending_batches{labels} 1.0",
        'jissho_http_requests_total{method="GET",route="/v1/runs/{run}",status="200"} 1.0',
        'jissho_http_requests_total{method="GET",route="/v1/runs/{run}",status="404"} 1.0',
    ):
        assert line in text.splitlines()


def test_without_a_database_the_api_starts_and_says_so():
    """503 with the reason on /healthz and on every other route, and a zero in the metrics; then it still stops."""
    url = "postgresql://nobody:secret@127.0.0.1:1/none?connect_timeout=1"
    with serving(ApiSettings(database_url=url, database_wait_s=0.3)) as client:
        health, runs, metrics = client.get("/healthz"), client.get("/v1/runs"), client.get("/metrics")

    assert (health.status_code, runs.status_code, metrics.status_code) == (503, 503, 200)
    assert "database" in health.json()["error"]
    assert "JISSHO_DATABASE_URL" in runs.json()["remedy"]
    assert "secret" not in health.text + runs.text
    assert "jissho_database_up 0.0" in metrics.text


def test_the_api_recovers_when_the_database_comes_back(site):
    """Connections that the server cut are replaced without a restart of the API."""
    with serving(ApiSettings(database_url=site.url)) as client:
        assert client.get("/v1/runs").status_code == 200
        with psycopg.connect(site.url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'jissho-api'"
            )
        assert client.get("/v1/runs").status_code == 200


def test_a_database_without_schema_is_named(database_server):
    """A server that was never migrated is 503 with the command that migrates it."""
    with serving(ApiSettings(database_url=database_server)) as client:
        answer = client.get("/healthz")

    assert answer.status_code == 503
    assert "jissho db migrate" in answer.json()["remedy"]


def test_the_page_shares_the_server_with_the_api(site, database_server):
    """With the page mounted at / the API keeps its routes, and errors of the API stay problems."""
    if database_server == os.environ.get("JISSHO_TEST_TIMESCALE_URL"):
        pytest.skip("NiceGUI can be mounted once in a process: tested on plain PostgreSQL")
    with serving(ApiSettings(database_url=site.url, page=True)) as client:
        page, runs, missing = client.get("/"), client.get("/v1/runs"), client.get("/v1/runs/nowhere")

    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert runs.json()[0]["name"] == "run-1"
    assert (missing.status_code, set(missing.json())) == (404, {"error", "remedy"})


def test_the_route_is_judged_place_by_place(client):
    """Where the run has positions, each section has its own figures; a mesh that is not one is refused."""
    answer = client.get("/v1/runs/run-1/route", params={"profile": "remote_monitoring"})
    assert answer.status_code == 200
    ((place,),) = [cells for link, cells in answer.json().items() if link == "l5g"]
    assert (place["cell"], place["passes"], place["lat_deg"]) == (0, 1, 35.6)
    assert place["n"] > 500
    assert place["verdict"] in {"達成", "未達", "判定不能"}
    refused = client.get("/v1/runs/run-1/route", params={"grid": "mesh", "size_m": 50})
    assert refused.status_code == 422
    assert "125" in refused.json()["remedy"]


def test_a_links_summary_is_that_of_its_packets(site, client):
    """Quantiles, loss and availability of a window with both labels, equal to the run's own KPIs to 0.1 %."""
    window = {"start": site.started_at.isoformat(), "end": site.ended_at.isoformat()}
    summary = client.get("/v1/links/site-a/bus-1/l5g/summary", params=window).json()
    kpis = [kpi for kpi in client.get("/v1/runs/run-1/kpis").json() if kpi["link"] == "l5g"]

    assert (595, "bus-1", "l5g") == (summary["sent"], summary["device"], summary["link"])
    found = {(one["id"], one["direction"], one["statistic"]): one for one in summary["figures"]}
    compared = 0
    for kpi in kpis:
        figure = found.get((kpi["id"], kpi["direction"], kpi["statistic"]))
        if figure is not None:
            expected = kpi["value"] if kpi["value"] is None else pytest.approx(kpi["value"], rel=1e-3)
            assert expected == figure["value"], kpi["id"]
            assert (kpi["n"], kpi["name_ja"], kpi["unit"]) == (figure["n"], figure["name_ja"], figure["unit"])
            compared += 1
    assert compared == len(found)
    assert {"rtt", "owd", "loss", "loss_burst", "availability", "outage"} <= {key[0] for key in found}


def test_a_links_series_has_steps_of_whole_minutes(site, client):
    """Packets and losses of the steps add up, and steps without packets are not there."""
    window = {"start": (site.started_at - timedelta(hours=6)).isoformat(), "end": site.ended_at.isoformat()}
    series = client.get("/v1/links/site-a/bus-1/l5g/series", params={**window, "points": 361}).json()
    days = client.get("/v1/links/site-a/bus-1/l5g/series", params={**window, "points": 1}).json()

    assert (60, 12 * 3600) == (series["step_s"], days["step_s"])
    assert len(series["points"]) in {1, 2}
    assert all(point["at"].endswith(":00Z") for point in series["points"])
    # The last packets are sent after the window's end, and perhaps after its last minute.
    assert PACKETS - 5 <= sum(point["sent"] for point in series["points"]) <= PACKETS
    assert sum(point["lost"] for point in series["points"]) in {PACKETS // LOST_EVERY - 1, PACKETS // LOST_EVERY}
    assert all(20.0 <= point["p50_ms"] <= 20.7 for point in series["points"])


def test_the_server_keeps_the_parts_itself(site):
    """Parts appear beside a running API, the answer stays the same, and the server stops when it is told to."""
    with (
        serving(ApiSettings(database_url=site.url, parts_every_s=0.05)) as client,
        psycopg.connect(site.url, autocommit=True) as connection,
    ):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if connection.execute("SELECT count(DISTINCT level) FROM probe_part").fetchone() == (3,):
                break
            time.sleep(0.05)
        window = {"start": site.started_at.isoformat(), "end": site.ended_at.isoformat()}
        by_parts = client.get("/v1/links/site-a/bus-1/l5g/summary", params=window).json()
        connection.execute("DELETE FROM probe_part_state")
        by_packets = client.get("/v1/links/site-a/bus-1/l5g/summary", params=window).json()
    assert connection.closed
    assert by_packets == by_parts
    assert by_parts["sent"] == 595
