"""The evaluator's page in a real browser, served by the real command over a real database."""

import os
import shutil
import subprocess
import sys
import time

import httpx
import pytest
from playwright.sync_api import sync_playwright

from tests.api.conftest import site  # noqa: F401 - a fixture
from tests.fix_broker import free_port

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-quic", "--disable-sync"]


@pytest.fixture
def browser():
    """A headless Chromium."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium: apt install chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def serve():
    """Return a function that serves a database and gives the page's address."""
    started = []

    def start(url):
        port = free_port()
        clean = {name: value for name, value in os.environ.items() if not name.startswith("JISSHO_")}
        environment = {**clean, "JISSHO_DATABASE_URL": url, "JISSHO_PROFILE": "remote_monitoring"}
        started.append(
            subprocess.Popen([sys.executable, "-m", "jissho", "serve", "--port", str(port)], env=environment)
        )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200:
                    return f"http://127.0.0.1:{port}"
            except httpx.TransportError:
                time.sleep(0.1)
        raise TimeoutError("jissho serve did not start")

    yield start
    for process in started:
        process.terminate()
        process.wait(20)


def test_an_evaluator_sees_charts_verdicts_and_exports(browser, serve, site):  # noqa: F811
    """Charts are drawn, verdicts stand in the table, the language changes, a run can be chosen and taken away."""
    address = serve(site.url)
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    errors = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{address}/?run=run-1")
    page.wait_for_selector(".verdict", timeout=30_000)
    page.wait_for_function("document.querySelectorAll('canvas, svg[width]').length >= 4", timeout=30_000)
    words = page.inner_text("body")

    assert {"達成", "判定不能"} & {found.inner_text() for found in page.query_selector_all(".verdict")}
    assert all(word in words for word in ("往復遅延", "パケット損失率", "95%信頼区間", "RFC 2681", "bus-1"))
    assert page.get_attribute("a[href*='export.xlsx']", "href").endswith("/v1/runs/run-1/export.xlsx")
    for path in ("/v1/runs/run-1/export.xlsx", "/v1/runs/run-1/export.csv?stream=probe", "/v1/runs", "/healthz"):
        assert httpx.get(f"{address}{path}", timeout=60).status_code == 200
    page.goto(f"{address}/?lang=en&run=run-1")
    page.wait_for_selector(".verdict", timeout=30_000)
    assert "Packet loss" in page.inner_text("body")
    assert errors == []


def test_an_empty_database_says_what_to_do(browser, serve, db):
    """Before the first data the page names the two commands that bring some."""
    page = browser.new_page()
    page.goto(serve(db.url))
    page.wait_for_function("document.body.innerText.includes('jissho demo')", timeout=30_000)

    assert "jissho collect" in page.inner_text("body")
