"""What the page and Grafana ask of the clocks: the bound of each, and nothing where nobody knows it."""

import pytest

from dashboards.grafana.panels import PANELS
from dashboards.page import queries
from storage.runs import get_run
from tests.api.conftest import batch
from tests.dashboards.page_data import write_drive
from tests.dashboards.test_grafana import substituted


@pytest.fixture
def unsynced(db):
    """A minute with both clocks at 250 us, and ten more samples of the far one, not synchronised."""
    writer = db.writer()
    drive = write_drive(writer)
    t_us = [round(drive.started_at.timestamp() * 1e6) + second * 1_000_000 + 1 for second in range(10, 20)]
    lost = batch(90, "clock", t_us, link="l5g", device="car-1", method=["stamp"] * 10, synced=[False] * 10)
    writer.commit([lost])
    return writer.connection


def test_the_page_breaks_the_line_of_a_clock_that_was_not_synchronised(unsynced):
    """A second with a good sample and a bad one is unknown too."""
    picture = queries.picture(unsynced, queries.run_window(unsynced, get_run(unsynced, "drive-1")))
    found = {}
    for row in picture.clock:
        found.setdefault(picture.window.links[row["link_id"]], []).append(row["bound_us"])
    assert {name: bounds.count(None) for name, bounds in found.items()} == {"": 0, "lte": 0, "l5g": 10}
    assert set(found["l5g"]) == {250.0, None}


def test_grafana_tells_the_clocks_of_both_ends_apart(unsynced):
    """The device's own clock under its name, those of the far ends under their links."""
    panel = next(panel for panel in PANELS if "Clock error" in panel.title)
    sql = panel.sql.replace("$__timeFilter(t)", "t > now() - interval '1 hour'").replace("$__interval", "1 s")
    rows = unsynced.execute(substituted(sql)).fetchall()
    assert {name for _, name, _ in rows} == {"car-1", "l5g", "lte"}
    assert sum(bound is None for _, name, bound in rows if name == "l5g") == 10
    assert all(bound == 250.0 for _, name, bound in rows if name != "l5g")
