"""The OpenAPI document against the server: whatever fits the schema gets an answer that the schema describes."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.app import ApiSettings
from storage.connect import connect
from storage.pairs import pair_runs
from storage.runs import get_run
from tests.api.conftest import serving

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


# The server runs beside the strategies in this process, and its connection pool draws its pauses from `random`.
@pytest.mark.filterwarnings("ignore:Do not use the .random. module inside strategies")
def test_every_answer_is_one_that_the_schema_describes(site):
    """No request, however odd, is a server error or an answer of another shape."""
    with connect(site.url) as connection:
        run = get_run(connection, "run-1")
        pair_runs(connection, "operators", run, run, link="l5g", other_link="carrier")
    with serving(ApiSettings(database_url=site.url)) as client:
        schema = schemathesis.openapi.from_url(f"{client.base_url}/openapi.json")
        operations = [found.ok() for found in schema.get_all_operations()]
        for operation in operations:
            # schemathesis makes the cases and judges the answers. Its own pytest parametrisation breaks under pytest
            # 9.2, and its own transport where urllib3-future stands in for urllib3; httpx sends them instead.
            @settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
            @given(operation.as_strategy(), st.booleans())
            def probe(case, of_known_run):
                if of_known_run:
                    known = {"run": "run-1", "site": "site-a", "device": "bus-1", "link": "l5g", "pair": "operators"}
                    case.path_parameters |= {name: known[name] for name in case.path_parameters}
                arguments = case.as_transport_kwargs(base_url=str(client.base_url))
                request = {name: arguments.get(name) for name in ("params", "json")}
                # The server closes a connection after a request that it cannot read; the next must not share it.
                request["headers"] = {**(arguments.get("headers") or {}), "Connection": "close"}
                response = client.request(arguments["method"], arguments["url"], **request)
                case.validate_response(response, checks=CHECKS)

            probe()

    assert {operation.path for operation in operations} == {
        "/healthz",
        "/metrics",
        "/v1/compare",
        "/v1/definitions",
        "/v1/links/{site}/{device}/{link}/series",
        "/v1/links/{site}/{device}/{link}/summary",
        "/v1/live",
        "/v1/pairs",
        "/v1/pairs/{pair}/comparison",
        "/v1/plan",
        "/v1/runs",
        "/v1/runs/{run}",
        "/v1/runs/{run}/completeness",
        "/v1/runs/{run}/conditions",
        "/v1/runs/{run}/exclusions",
        "/v1/runs/{run}/export.csv",
        "/v1/runs/{run}/export.xlsx",
        "/v1/runs/{run}/kpis",
        "/v1/runs/{run}/outages",
        "/v1/runs/{run}/points",
        "/v1/runs/{run}/route",
        "/v1/streams",
    }
