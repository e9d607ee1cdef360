"""What the API says of runs: register, completeness, KPIs and what defines them, comparison and plan."""

from datetime import datetime

import pytest

from analytics.definitions import DEFINITIONS
from analytics.unmeasured import NO_MEASUREMENT
from contract.streams import STREAMS
from scripts.render_docs import ROOT
from storage.connect import connect
from storage.pairs import pair_runs
from storage.runs import get_run


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


def test_streams_are_the_contract(client):
    """Every stream with every column, its unit and both labels."""
    streams = {stream["name"]: stream for stream in client.get("/v1/streams").json()}

    assert list(streams) == list(STREAMS)
    rtt = next(column for column in streams["probe"]["columns"] if column["name"] == "rtt_us")
    assert (rtt["unit"], rtt["ja"]) == ("us", "往復遅延")


def test_definitions_are_the_table_behind_the_kpis(client):
    """Every KPI that a run shows is defined, with its clause and both names."""
    definitions = {definition["id"]: definition for definition in client.get("/v1/definitions").json()}

    assert list(definitions) == [definition.id for definition in DEFINITIONS]
    assert definitions["rtt"]["name_ja"] == "往復遅延"
    assert {kpi["id"] for kpi in client.get("/v1/runs/run-1/kpis").json()} <= set(definitions)


def test_main_figures_are_some_of_the_kpis(client):
    """What is required, and the main statistics of the definitions; without being asked for, all."""
    asked = {"profile": "remote_monitoring"}
    every = client.get("/v1/runs/run-1/kpis", params=asked).json()
    main = client.get("/v1/runs/run-1/kpis", params={**asked, "main": "true"}).json()
    statistics = {each["id"]: each["main"] for each in client.get("/v1/definitions").json()}

    assert 0 < len(main) < len(every)
    assert [kpi for kpi in every if kpi in main] == main
    assert all(kpi["verdict"] is not None or kpi["statistic"] in statistics[kpi["id"]] for kpi in main)
    assert [kpi for kpi in every if kpi["verdict"] is not None] == [kpi for kpi in main if kpi["verdict"] is not None]


def test_definitions_are_those_of_the_document(client):
    """Clause, revision and the meaning in both languages are what docs/kpi.md prints, KPI by KPI."""
    document = (ROOT / "docs" / "kpi.md").read_text(encoding="utf-8")
    definitions = client.get("/v1/definitions").json()

    for each in definitions:
        assert f"| {each['clause']} | {each['revision']} |\n" in document
        meaning = f"### `{each['id']}` {each['name_ja']}\n\n{each['meaning_ja']}。\n\n{each['meaning_en']}\n"
        assert meaning in document
    assert document.count("\n### `") == len(definitions)


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


def test_a_link_that_the_run_does_not_have_is_no_empty_list(client):
    """404 with the links there are: an empty list would read as "nothing failed"."""
    for what in ("route", "conditions", "outages", "points"):
        refused = client.get(f"/v1/runs/run-1/{what}", params={"link": "wifi"})
        assert refused.status_code == 404
        assert "run-1 has no link 'wifi': its links are carrier, l5g" in refused.json()["error"]
    assert client.get("/v1/runs/run-1/outages", params={"link": "l5g+wifi"}).status_code == 404


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


def test_a_pair_of_runs_is_listed_and_compared_by_its_name(client, site):
    """The register's pairs with their trail; the comparison names pair and condition; an unknown one is 404."""
    assert client.get("/v1/pairs").json() == []
    with connect(site.url) as connection:
        run = get_run(connection, "run-1")
        pair_runs(connection, "operators", run, run, condition="回線", link="l5g", other_link="carrier")
    (pair,) = client.get("/v1/pairs").json()
    assert (pair["name"], pair["baseline"], pair["revoked_at"]) == ("operators", "run-1", None)
    (found,) = client.get("/v1/pairs/operators/comparison").json()
    assert (found["pair"], found["condition"], found["link_b"]) == ("operators", "回線", "carrier")
    assert next(each for each in found["effects"] if each["statistic"] == "p50")["difference"] == pytest.approx(40.0)
    unknown = client.get("/v1/pairs/antenna/comparison")
    assert unknown.status_code == 404
    assert "GET /v1/pairs" in unknown.json()["remedy"]


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


def test_what_a_profile_asks_for_and_the_run_never_measured_is_told(client):
    """No camera and no commands: the required delays have a row without a value, which nothing else is about."""
    kpis = client.get("/v1/runs/run-1/kpis", params={"profile": "remote_monitoring"}).json()
    rows = {(kpi["id"], kpi["statistic"]): kpi for kpi in kpis if kpi["reason"] == NO_MEASUREMENT}
    assert {kpi_id for kpi_id, _ in rows} >= {"video_g2g", "command_execution"}
    assert {(row["value"], row["n"], row["verdict"], row["device"]) for row in rows.values()} == {
        (None, 0, "判定不能", "")
    }
    assert all(row["required"] is not None and row["required_source"] for row in rows.values())
