"""Page and Grafana say nothing of the loss of packets that are still under way."""

import pytest

from dashboards.grafana.panels import PANELS
from dashboards.page import queries
from storage.runs import get_run
from tests.api.conftest import batch
from tests.dashboards.page_data import write_drive
from tests.dashboards.test_grafana import substituted


@pytest.fixture
def driving(db):
    """Two links that are probed until now, one of them with a timeout of 15 s."""
    writer = db.writer()
    drive = write_drive(writer, ended_ago_s=0.0)
    t_us = [round(drive.started_at.timestamp() * 1e6)]
    detail = ['{"timeout_s": 15.0}']
    session = batch(
        90, "event", t_us, link="l5g", device="car-1", name=["probe.session"], severity=["info"], message=["x"],
        detail=detail,
    )  # fmt: skip
    writer.commit([session])
    return writer.connection


def test_the_newest_steps_are_not_settled(driving):
    """Of a link with a timeout the last 17 s; of a link without one, none."""
    picture = queries.picture(driving, queries.run_window(driving, get_run(driving, "drive-1")))
    open_steps = {
        name: sum(not row["is_settled"] for row in picture.delay if row["link_id"] == number)
        for number, name in picture.window.links.items()
        if name
    }

    # Less what passed since the data were written.
    assert 10 <= open_steps["l5g"] <= 18
    assert open_steps["lte"] == 0


def test_grafanas_loss_ends_where_packets_are_settled(driving):
    """Its last point lies behind that of the delay on a link with a timeout."""
    last = {}
    for panel in PANELS[:2]:
        sql = panel.sql.replace("$__timeFilter(t)", "t > now() - interval '1 hour'").replace("$__interval", "1 s")
        for row in driving.execute(substituted(sql)).fetchall():
            if row[1] == "l5g":
                last[panel.title.split()[0]] = row[0]

    assert set(last) == {"往復遅延", "パケット損失率"}
    behind_s = (last["往復遅延"] - last["パケット損失率"]).total_seconds()
    assert 10 <= behind_s <= 18
