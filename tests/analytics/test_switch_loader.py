"""Link switches and the route of a run in a real database."""

from datetime import UTC, datetime, timedelta

from analytics.place_loader import route_of_run
from analytics.run_loader import evaluate_run
from storage.exclusions import exclude
from storage.runs import start_run
from tests.api.conftest import batch

START = datetime(2026, 6, 10, 1, 0, 0, tzinfo=UTC)
T0_US = round(START.timestamp() * 1e6)


def at(second):
    return T0_US + round(second * 1e6)


def video(number, link, seconds, frozen):
    n = len(seconds)
    return batch(number, "video", [at(each) for each in seconds], link=link, camera=["front"] * n,
                 interval_s=[1.0] * n, freeze_s=frozen)  # fmt: skip


def a_run(writer, batches):
    writer.commit(batches)
    return start_run(writer.connection, name="drive", site="site-a", started_at=START,
                     ended_at=START + timedelta(seconds=60))  # fmt: skip


def test_switches_are_found_with_and_without_excluded_time(db):
    """Two by the events of the device; the second lies in an excluded interval."""
    writer = db.writer()
    run = a_run(writer, [
        video(1, "l5g", [*range(1, 10), *range(31, 60)], [0.0] * 38),
        video(2, "lte", range(10, 31), [0.4] + [0.0] * 20),
        batch(3, "event", [at(9.2), at(30.1)], name=["video.switch"] * 2, severity=["info"] * 2, message=["x"] * 2,
              detail=['{"link": "lte"}', '{"link": "l5g", "interruption_ms": 900}']),
    ])  # fmt: skip

    def found():
        results = {(each.id, each.statistic): each for each in evaluate_run(writer.connection, run, None)}
        count = results["link_switch", "count"]
        assert (count.device, count.link) == ("bus-1", "")
        return count, results["link_switch_time", "max"]

    count, longest = found()
    assert (count.value, longest.value) == (2.0, 0.9)
    exclude(writer.connection, run, started_at=START + timedelta(seconds=29), ended_at=START + timedelta(seconds=33),
            reason="r", excluded_by="lead")  # fmt: skip
    count, longest = found()
    assert (count.value, count.value_of_all, count.excluded) == (1.0, 2.0, 1)
    assert round(longest.value, 6) == 0.4


def test_sections_judged_by_one_way_delays_without_clocks_are_for_reference(db, tmp_path):
    """All packets came within the bound by clocks of which nothing is known: undecided, and the reason says so."""
    n = 600
    profile = tmp_path / "up.toml"
    profile.write_text(
        'name = "up"\nja = "x"\nen = "x"\nstatus = ""\n[[requirement]]\nkpi = "reliability"\ndirection = "up"\n'
        'statistic = "ratio"\nlimit = 0.5\nsource = "test"\n',
        encoding="utf-8",
    )
    writer = db.writer()
    run = a_run(writer, [
        batch(1, "probe", [at(k / 10) for k in range(n)], link="l5g", session=[1] * n, seq=list(range(n)),
              ul_us=[9000] * n, copy=[1] * n, lost=[0] * n),
        batch(2, "position", [at(k) for k in range(60)], lat_deg=[35.6 + k * 1e-4 for k in range(60)],
              lon_deg=[139.7] * 60, speed_mps=[11.1] * 60, mode=[3] * 60),
    ])  # fmt: skip
    cells = route_of_run(writer.connection, run, "", str(profile))["l5g"]
    assert {cell.verdict for cell in cells} == {"判定不能"}
    assert all("参考値" in cell.reason for cell in cells)
