"""What the API says of links while they are measured, and over any window."""

import time
from datetime import timedelta

import psycopg
import pytest

from api.app import ApiSettings
from tests.api.conftest import LOST_EVERY, PACKETS, batch, serving, spread_us


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


def test_a_summary_counts_what_came_after_the_waiting_time_of_the_profile_as_lost(site, tmp_path):
    """Half of the answers came later than 20.3 ms: so many are lost, but for those of the bucket the limit cuts."""
    profile = tmp_path / "strict.toml"
    profile.write_text('name = "strict"\nja = "x"\nen = "x"\nstatus = "test"\n[parameters]\nlost_after_ms = 20.3\n')
    window = {"start": site.started_at.isoformat(), "end": site.ended_at.isoformat()}
    with serving(ApiSettings(database_url=site.url, profile=str(profile))) as client:
        summary = client.get("/v1/links/site-a/bus-1/l5g/summary", params=window).json()
    with psycopg.connect(site.url) as connection:
        ((lost,),) = connection.execute(
            "SELECT count(*) FROM probe p JOIN link l USING (link_id) WHERE l.link = 'l5g' AND t >= %s AND t < %s"
            " AND copy <= 1 AND (lost > 0 OR rtt_us > 20300)", (site.started_at, site.ended_at)
        )  # fmt: skip
    loss = next(one for one in summary["figures"] if (one["id"], one["statistic"]) == ("loss", "count"))
    assert loss["low"] <= lost <= loss["high"] <= loss["low"] + 32
    assert lost > 250
    assert "later than 20.3 ms counted as lost" in loss["note"]


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
