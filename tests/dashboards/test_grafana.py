"""Grafana's dashboard: every statement runs on the real database, and the panels fit the grid."""

import json
import re

import pytest

from dashboards.grafana.build import DASHBOARD_FILE, DATASOURCE, build_dashboard
from dashboards.grafana.panels import ANNOTATION_SQL, PANELS, VARIABLES
from tests.storage.test_writer import T0_US, probe_batch, text_batch

MACROS = [
    (r"\$__timeFilter\((\w+)\)", r"\1 BETWEEN '2026-01-01' AND '2027-01-01'"),
    (r"'\$__interval'", "interval '10 s'"),
    (r"\$__timeFrom\(\)", "timestamptz '2026-01-01'"),
    (r"\$__timeTo\(\)", "timestamptz '2027-01-01'"),
    (r"\$\{(\w+):sqlstring\}", "'car-1', 'l5g', ''"),
    (r"\$site", "site-a"),
]


def substituted(sql):
    """Replace Grafana's macros as its PostgreSQL data source does."""
    for pattern, value in MACROS:
        sql = re.sub(pattern, value, sql)
    assert "$" not in sql
    return sql


STATEMENTS = {
    **{panel.title: panel.sql for panel in PANELS},
    **{f"variable {variable.name}": variable.sql for variable in VARIABLES},
    "annotation": ANNOTATION_SQL,
}


@pytest.mark.parametrize("title", STATEMENTS)
def test_every_statement_runs_on_an_empty_database(db, title):
    """No panel breaks before the first data."""
    with db.connect() as connection:
        assert connection.execute(substituted(STATEMENTS[title])).fetchall() == []


def test_panels_show_what_was_written(db):
    """On data, the time series panels give a time, a metric and numbers; losses and delays are right."""
    writer = db.writer()
    writer.commit([
        probe_batch(1, n=10, lost_every=5),
        text_batch(2, "event", name="marker", severity="info", message="停車"),
        text_batch(3, "position", mode=3, lat_deg=36.0, lon_deg=140.0, speed_mps=10.0),
        text_batch(4, "host", outbox_batches=7),
        text_batch(5, "clock", method="chrony", synced=True, bound_us=120.0),
    ])  # fmt: skip
    found = {}
    with db.connect() as connection:
        for panel in PANELS:
            cursor = connection.execute(substituted(panel.sql))
            found[panel.title] = (cursor.description, cursor.fetchall())
            if panel.format == "time_series":
                assert cursor.description[0].name == "time"
    by_word = {title.split()[0]: rows for title, (_, rows) in found.items()}
    assert [float(row[2]) for row in by_word["パケット損失率"]] == [0.2]
    assert by_word["往復遅延"][0][1] == "l5g"
    assert by_word["往復遅延"][0][2:] == (1004, 1009, 1009)
    assert by_word["事象"][0][-1] == "停車"
    assert by_word["位置"][0][2:] == (36.0, 140.0, pytest.approx(36.0))
    assert by_word["端末に残る未達バッチ"][0][2] == 7
    assert by_word["時刻誤差の上限"][0][2] == 120.0
    assert by_word["完全性"][0][2:6] == (5, 0, 5, 0)
    assert T0_US > 0


def test_panels_lie_within_the_grid_without_overlap():
    """24 columns, no two panels on the same cell, each with the provisioned data source."""
    taken = set()
    for panel in build_dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken
        assert panel["datasource"] == DATASOURCE
        taken |= cells


def test_provisioning_names_the_data_source_of_the_dashboard():
    """The uid of the provisioned data source is the one that panels ask for, and no secret is written down."""
    folder = DASHBOARD_FILE.parent / "provisioning"
    source = (folder / "datasources" / "jissho.yaml").read_text(encoding="utf-8")

    assert f"uid: {DATASOURCE['uid']}" in source
    assert "password: ${" in source
    assert json.loads(DASHBOARD_FILE.read_text(encoding="utf-8"))["uid"] == "jissho-overview"
