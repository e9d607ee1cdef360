"""Places, conditions and outages of a run in a real database: the same however it is read, and by the same rules."""

from datetime import timedelta
from functools import partial

import pytest

from analytics import packet_loader
from analytics.outage_loader import outages_of_run
from analytics.outages import LinkOutages
from analytics.place_loader import conditions_of_run, route_of_run
from analytics.run_loader import evaluate_run
from storage.exclusions import exclude
from storage.runs import start_run
from tests.api.conftest import batch
from tests.api.test_run_outages import START, T0_US

SECONDS, PARTS = 60, 12


def drive(writer, *, senders, up_only=()):
    """Commit a minute at 20 packets/s in twelve batches; a second sender reports beside the first where there is one.

    Both links fail from 20 to 26 s; every seventh round trip takes 80 ms.
    """
    made, number = [], 0
    for link in ("l5g", "lte"):
        for part in range(PARTS):
            rows = [
                (T0_US + place * 50_000 + sender * 7_000, 9 - sender, place, 20 <= place / 20 < 26)
                for place in range(part * 100, part * 100 + 100) for sender in range(senders)
            ]  # fmt: skip
            number += 1
            us = [None if gone else 80_000 if place % 7 == 0 else 15_000 + place for *_, place, gone in rows]
            delays = {"ul_us": us} if link in up_only else {"rtt_us": us, "ul_us": us}
            made.append(batch(
                number, "probe", [row[0] for row in rows], link=link, session=[row[1] for row in rows],
                seq=[row[2] for row in rows], copy=[int(not row[3]) for row in rows],
                lost=[3 if row[3] else 0 for row in rows], **delays,
            ))  # fmt: skip
    seconds = [T0_US + second * 1_000_000 for second in range(SECONDS)]
    made += [
        batch(number + 1, "position", seconds, lat_deg=[38.25 + second * 1e-4 for second in range(SECONDS)],
              lon_deg=[140.8] * SECONDS, speed_mps=[11.1] * SECONDS, mode=[3] * SECONDS),
        batch(number + 2, "radio", seconds, link="l5g", rsrp_dbm=[-80.0 - second % 30 for second in range(SECONDS)]),
    ]  # fmt: skip
    writer.commit(made)
    return start_run(
        writer.connection, name="drive", site="site-a", started_at=START, ended_at=START + timedelta(seconds=SECONDS)
    )


def everything(connection, run, profile=None):
    return (
        route_of_run(connection, run, "", profile), conditions_of_run(connection, run, profile=profile),
        outages_of_run(connection, run, profile),
    )  # fmt: skip


@pytest.mark.parametrize("senders", [1, 2])
def test_a_run_is_the_same_in_chunks_and_at_once(db, monkeypatch, senders):
    """Chunks of one batch; two senders at once reach from one into the next, and are read again as a whole."""
    writer = db.writer()
    run = drive(writer, senders=senders)
    at_once = everything(writer.connection, run)
    small = partial(packet_loader.iterate_long, chunk_rows=100)
    monkeypatch.setattr(packet_loader, "iterate_long", small)
    assert everything(writer.connection, run) == at_once
    route, conditions, outages = at_once
    assert sum(cell.n for cell in route["l5g"]) == 1200 * senders
    assert conditions[0].rows
    assert [len(each.outages) for each in outages] == [1, 1, 1]
    assert {each.outages[0].failed for each in outages[:2]} == {120}


def test_outages_are_those_that_the_figures_count(db, tmp_path):
    """By a profile with a waiting time and short deadlines: number, total and observed time of links and pairs."""
    writer = db.writer()
    run = drive(writer, senders=1)
    path = tmp_path / "strict.toml"
    path.write_text(
        'name="s"\nja="例"\nen="s"\nstatus=""\n[parameters]\nt_max_ms=50\nsurvival_ms=0\nlost_after_ms=60\n',
        encoding="utf-8",
    )
    listed = {each.link: each for each in outages_of_run(writer.connection, run, str(path))}
    figures = {(each.id, each.statistic, each.link): each.value
               for each in evaluate_run(writer.connection, run, str(path))}  # fmt: skip
    assert len(listed["l5g"].outages) == figures["outage", "count", "l5g"] > 100
    total_s = sum(each.duration_s for each in listed["l5g"].outages)
    assert total_s == pytest.approx(figures["outage", "total", "l5g"])
    assert 1 - total_s / listed["l5g"].observed_s == pytest.approx(figures["availability", "ratio", "l5g"])
    assert "later than 60 ms counted as lost" in listed["l5g"].filter
    assert len(listed["l5g+lte"].outages) == figures["redundant_outage", "count", "l5g+lte"] > 100
    both_s = sum(each.duration_s for each in listed["l5g+lte"].outages)
    assert both_s == pytest.approx(figures["redundant_outage", "total", "l5g+lte"])
    loss = sum(cell.loss * cell.n for cell in route_of_run(writer.connection, run, "l5g", str(path))["l5g"]) / 1200
    assert loss == pytest.approx(figures["loss", "ratio", "l5g"])


def test_a_pair_is_listed_in_the_direction_that_both_links_have(db):
    """One link knows round trips and the way up, the other the way up only: the pair is of the way up."""
    writer = db.writer()
    run = drive(writer, senders=1, up_only=("lte",))
    found = {each.link: each for each in outages_of_run(writer.connection, run, None)}
    assert {link: each.direction for link, each in found.items()} == {
        "l5g": "round_trip", "lte": "up", "l5g+lte": "up"
    }  # fmt: skip
    figures = {(each.id, each.statistic): each for each in evaluate_run(writer.connection, run, None)}
    count = figures["redundant_outage", "count"]
    assert len(found["l5g+lte"].outages) == count.value == 1
    assert found["l5g+lte"].reason
    assert found["l5g+lte"].reason in count.reason
    assert outages_of_run(writer.connection, run, None, "l5g+lte") == [found["l5g+lte"]]
    assert outages_of_run(writer.connection, run, None, "lte") == [found["lte"]]
    assert isinstance(found["lte"], LinkOutages)
    assert "参考値" in found["lte"].reason


def clocks(writer, *, poor_from_s):
    """Commit the clocks of the device and of both far ends: 0.1 ms each, of l5g 500 ms from some second on."""
    seconds = range(-20, SECONDS + 20, 2)
    writer.commit([
        batch(
            60 + number, "clock", [T0_US + second * 1_000_000 for second in seconds], link=link,
            method=["declared"] * len(seconds), synced=[True] * len(seconds),
            bound_us=[500_000.0 if link == "l5g" and second >= poor_from_s else 100.0 for second in seconds],
        )
        for number, link in enumerate(("", "l5g", "lte"))
    ])  # fmt: skip


def strict(tmp_path):
    path = tmp_path / "strict.toml"
    path.write_text('name="s"\nja="例"\nen="s"\nstatus=""\n[parameters]\nlost_after_ms=60\n', encoding="utf-8")
    return str(path)


def test_time_of_poor_clocks_is_judged_as_for_the_figures_of_the_link(db, tmp_path):
    """Ways up only, the far clock poor for the last 20 s: nothing is for reference, and those packets have no delay."""
    writer = db.writer()
    run = drive(writer, senders=1, up_only=("l5g", "lte"))
    clocks(writer, poor_from_s=40)
    connection, path = writer.connection, strict(tmp_path)
    figures = {(each.id, each.statistic, each.link): each for each in evaluate_run(connection, run, path)}
    lost = figures["loss", "ratio", "l5g"]
    assert "参考値" not in figures["availability", "ratio", "l5g"].reason
    (listed,) = outages_of_run(connection, run, path, "l5g")
    assert listed.reason == ""
    assert listed.filter in lost.filter
    assert len(listed.outages) == figures["outage", "count", "l5g"].value
    assert sum(each.duration_s for each in listed.outages) == pytest.approx(figures["outage", "total", "l5g"].value)
    (cells,) = route_of_run(connection, run, "l5g", path).values()
    (conditions,) = conditions_of_run(connection, run, "l5g", path)
    assert not any("参考値" in each.reason for each in (*cells, *conditions.rows))
    assert sum(cell.loss * cell.n for cell in cells) == pytest.approx(lost.value * lost.n)
    # Those of 22 s, the sample before being held until the next, and 120 that were lost nobody knows where.
    assert sum(cell.unknown for cell in cells) == 22 * 20 + 120
    clouded = [cell for cell in cells if cell.unknown == cell.n]
    assert len(clouded) >= 3
    assert all((cell.within, cell.p50_ms, cell.ci_low) == (None, None, None) for cell in clouded)
    hidden = [row for row in conditions.rows if row.basis == "rsrp_dbm" and "with unknown delay" in row.reason]
    assert hidden
    # Most of the lowest range is hidden: its median lies anywhere.
    assert (hidden[0].p50_low_ms, hidden[0].p50_high_ms) == (0.0, None)


def test_excluded_time_costs_no_place_and_no_pair_its_clocks(db):
    """The time of the poor clock is left out: what remains is not for reference, wherever it is stated."""
    writer = db.writer()
    run = drive(writer, senders=1, up_only=("l5g", "lte"))
    clocks(writer, poor_from_s=40)
    connection = writer.connection
    figures = {(each.id, each.statistic, each.link): each for each in evaluate_run(connection, run, None)}
    assert "440 pairs of packets sent while the clocks were" in figures["redundant_delay", "p99", "l5g+lte"].reason
    exclude(connection, run, started_at=START + timedelta(seconds=36), ended_at=START + timedelta(seconds=SECONDS + 1),
            reason="時刻同期断", excluded_by="lead")  # fmt: skip
    figures = {(each.id, each.statistic, each.link): each for each in evaluate_run(connection, run, None)}
    pair = figures["redundant_delay", "p99", "l5g+lte"]
    assert (pair.clock_bound_us, "while the clocks were" in pair.reason) == (200.0, False)
    route, conditions, outages = everything(connection, run)
    reasons = [
        *(cell.reason for cells in route.values() for cell in cells),
        *(row.reason for each in conditions for row in each.rows), *(each.reason for each in outages),
    ]  # fmt: skip
    assert not any("参考値" in reason for reason in reasons)
