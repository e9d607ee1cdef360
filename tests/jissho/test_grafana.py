"""`jissho grafana`: files for a server of one's own, and an upload over a real socket."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from dashboards.grafana.build import build_dashboard
from jissho.commands.grafana import push, write
from jissho.settings import SettingError


@pytest.fixture
def grafana():
    """A server that takes a dashboard as Grafana does, and remembers the request."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.append((self.path, self.headers["Authorization"], body))
            is_welcome = self.headers["Authorization"] == "Bearer good"
            answer = {"url": "/d/jissho-overview/x", "status": "success"} if is_welcome else {"message": "no"}
            payload = json.dumps(answer).encode()
            self.send_response(200 if is_welcome else 401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_dashboard_is_uploaded_with_the_token(grafana, monkeypatch, capsys):
    """One POST with the whole dashboard; the answer's address is printed, the token never."""
    url, seen = grafana
    monkeypatch.setenv("GRAFANA_TOKEN", "good")
    push(url)

    ((path, authorization, body),) = seen
    assert (path, authorization) == ("/api/dashboards/db", "Bearer good")
    assert body["dashboard"] == json.loads(json.dumps(build_dashboard()))
    printed = capsys.readouterr().out
    assert f"{url}/d/jissho-overview/x" in printed
    assert "good" not in printed


def test_refusal_absence_and_a_missing_token_are_one_line(grafana, monkeypatch):
    """Each says what is wrong."""
    url, _ = grafana
    monkeypatch.delenv("GRAFANA_TOKEN", raising=False)
    with pytest.raises(SettingError, match="GRAFANA_TOKEN"):
        push(url)
    monkeypatch.setenv("GRAFANA_TOKEN", "bad")
    with pytest.raises(SettingError, match="did not take the dashboard"):
        push(url)
    with pytest.raises(SettingError, match="did not take the dashboard"):
        push("http://127.0.0.1:1")


def test_files_are_written_for_a_server_of_ones_own(tmp_path):
    """Dashboard and provisioning lie where the provisioning says they do."""
    write(tmp_path / "grafana")

    assert (tmp_path / "grafana" / "jissho-overview.json").exists()
    assert (tmp_path / "grafana" / "provisioning" / "datasources" / "jissho.yaml").exists()
