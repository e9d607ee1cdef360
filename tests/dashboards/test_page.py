"""The evaluator's page in a real browser, served by the real command over a real database."""

import os
import shutil
import subprocess
import sys
import time
from datetime import timedelta
from zoneinfo import ZoneInfo

import httpx
import pytest
from playwright.sync_api import sync_playwright

from analytics.definitions import BY_ID
from storage.exclusions import exclude, revoke
from storage.runs import get_run, start_run
from tests.api.conftest import site  # noqa: F401 - a fixture
from tests.dashboards.page_data import write_drive
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


def test_main_figures_are_shown_until_all_are_asked_for(browser, serve, site):  # noqa: F811
    """The table says how many of how many it shows; the switch shows the rest and takes it away again."""
    address = serve(site.url)
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.goto(f"{address}/?run=run-1&lang=en")
    page.wait_for_selector(".verdict", timeout=30_000)
    assert "What is required and main figures: " in page.inner_text("body")
    assert "RFC 3550" not in page.inner_text("body")
    page.get_by_text("Show all", exact=True).click()
    page.wait_for_function("document.body.innerText.includes('RFC 3550')", timeout=30_000)
    page.get_by_text("Show all", exact=True).click()
    page.wait_for_function("!document.body.innerText.includes('RFC 3550')", timeout=30_000)


def test_an_evaluator_sees_what_was_left_out_and_what_the_figures_mean(browser, serve, db):
    """Each exclusion with its time in JST, reason, who and when, also one taken back; "none" in words; definitions."""
    writer = db.writer()
    drive = write_drive(writer)
    run, second = get_run(writer.connection, "drive-1"), timedelta(seconds=1)
    start_run(writer.connection, name="whole", site="site-a", started_at=drive.started_at, ended_at=drive.ended_at)
    for number, reason in enumerate(["工事車両の停車", "信号待ち"]):
        start = drive.started_at + (10 + 10 * number) * second
        made = exclude(
            writer.connection, run, started_at=start, ended_at=start + 5.5 * second, reason=reason, link="l5g",
            excluded_by="測定責任者",
        )  # fmt: skip
    revoke(writer.connection, run, made.exclusion_id, revoked_by="site-lead", reason="走行の一部")
    address = serve(db.url)
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.goto(f"{address}/?run=drive-1")
    page.wait_for_selector(".verdict", timeout=30_000)
    holding, revoked = page.query_selector_all(".listing:has(td.in-force) tbody tr")
    cells = [cell.inner_text() for cell in holding.query_selector_all("td")]

    assert [cells[place] for place in (0, 2, 4, 5)] == ["有効", "l5g", "5.5 s", "工事車両の停車"]
    assert (drive.started_at + 10 * second).astimezone(ZoneInfo("Asia/Tokyo")).strftime("%F %T") in cells[3]
    assert "測定責任者" in cells[6]
    assert all(word in revoked.inner_text() for word in ("取消", "信号待ち", "site-lead", "走行の一部"))
    assert "除外しない値" in page.inner_text("body")
    page.click("text=評価指標の定義")
    page.wait_for_selector("td.column-meaning", state="visible", timeout=10_000)
    meanings = "\n".join(cell.inner_text() for cell in page.query_selector_all("td.column-meaning"))
    assert BY_ID["rtt"].meaning_ja in meanings
    assert BY_ID["rtt"].meaning_en in meanings
    page.goto(f"{address}/?run=whole")
    page.wait_for_function("document.body.innerText.includes('有効な除外区間はありません')", timeout=30_000)
    page.goto(f"{address}/?lang=en&run=drive-1")
    page.wait_for_function("document.body.innerText.includes('1 in force · 1 revoked')", timeout=30_000)


def test_an_empty_database_says_what_to_do(browser, serve, db):
    """Before the first data the page names the two commands that bring some."""
    page = browser.new_page()
    page.goto(serve(db.url))
    page.wait_for_function("document.body.innerText.includes('jissho demo')", timeout=30_000)

    assert "jissho collect" in page.inner_text("body")
