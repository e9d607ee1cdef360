"""The API as a server: health, metrics, errors with their remedy, and a database that is away."""

import os

import psycopg
import pytest

from analytics.requirements import RequirementError
from api.app import ApiSettings, create_app
from tests.api.conftest import serving


def test_health_tells_mode_and_age_of_the_last_commit(client):
    """A reachable, migrated database is 200."""
    answer = client.get("/healthz")

    assert answer.status_code == 200
    health = answer.json()
    assert (health["status"], health["database"]) == ("ok", "reachable")
    assert health["mode"] in {"plain", "timescale"}
    assert 0 <= health["last_commit_age_s"] < 60


def test_a_profile_that_cannot_be_used_stops_the_server_at_its_start(site):
    """A typing error in JISSHO_PROFILE is found when the server starts, not by the first evaluator."""
    with pytest.raises(RequirementError, match="no requirement profile 'remote'"):
        create_app(ApiSettings(database_url=site.url, profile="remote"))


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
