"""Halts of a vehicle, and figures of driving only beside those of everything."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.conditions import range_words
from analytics.executors import executor_of
from analytics.place_loader import conditions_of_run, route_of_run
from analytics.run_loader import Elsewhere, evaluate_run
from analytics.standstill import UNKNOWN_SPEED, standstill
from analytics.track import track
from api.app import ApiSettings
from storage.exclusions import exclude
from storage.runs import start_run
from tests.analytics.families.making import make_series
from tests.analytics.making import T0_US
from tests.api.conftest import batch, serving
from tests.api.test_run_outages import START
from tests.api.test_run_outages import T0_US as START_US
from tests.jissho.shell import Shell


def halts(speeds, t_s=None):
    vehicle = make_series(np.arange(len(speeds)) if t_s is None else t_s, speed_mps=speeds)
    return [((low - T0_US) / 1e6, (high - T0_US) / 1e6) for low, high in standstill(None, vehicle).spans]


def test_a_halt_lasts_ten_seconds_and_more():
    """Eleven seconds at a stop are one, nine at a stop line are driving, walking pace is driving."""
    assert halts([5.0] * 10 + [0.1] * 11 + [5.0] * 10 + [0.0] * 9 + [0.6] * 30) == [(10.0, 21.0)]


def test_time_without_a_known_speed_is_no_halt():
    """A tunnel between two halts: each ends where the speed was last known, three usual intervals at most."""
    t_s = [*range(20), *range(60, 80)]
    assert halts([0.0] * 40, t_s) == [(0.0, 22.0), (60.0, 80.0)]
    assert halts([0.0] * 20 + [np.nan] * 30 + [0.0] * 5) == [(0.0, 22.0)]


def test_the_speed_is_that_of_gnss_and_else_the_vehicles_own():
    """Fixes stand for the first 20 s; then the vehicle says that it drives."""
    t_s = np.arange(20)
    path = track(make_series(t_s, lat_deg=[35.0] * 20, lon_deg=[139.0] * 20, speed_mps=[0.0] * 20, mode=[3] * 20))
    vehicle = make_series(np.arange(60), speed_mps=[9.0] * 60)
    (found,) = standstill(path, vehicle).spans
    assert found == (T0_US, T0_US + 22_000_000)


def test_where_no_speed_was_recorded_nothing_is_left_out_and_the_figures_say_so():
    """Neither GNSS nor vehicle."""
    found = standstill(None, None)
    assert (found.spans, found.words) == ((), UNKNOWN_SPEED)


@given(st.lists(st.sampled_from([0.0, 0.4, 0.5, 7.0, np.nan]), max_size=120))
def test_halts_are_made_of_samples_that_stand(speeds):
    """No sample that drives lies in a halt, and each is long enough."""
    found = halts(speeds)
    for low, high in found:
        assert high - low >= 10
        assert not any(speeds[at] >= 0.5 for at in range(int(low), min(int(high), len(speeds))))
    assert found == sorted(found)


@pytest.fixture
def drive(db):
    """A minute: the vehicle stands for its first half, where every fifth packet is lost, and none later."""
    writer = db.writer()
    lost = [number < 300 and number % 5 == 0 for number in range(600)]
    seconds = [START_US + second * 1_000_000 for second in range(60)]
    writer.commit([
        *(batch(
            place + 1, "probe", [START_US + number * 100_000 for number in range(600)], link=link, session=[1] * 600,
            seq=list(range(600)), rtt_us=[None if gone else 20_000 for gone in lost],
            copy=[int(not gone) for gone in lost], lost=[3 if gone else 0 for gone in lost],
        ) for place, link in enumerate(("l5g", "lte"))),
        batch(3, "vehicle", seconds, speed_mps=[0.0] * 30 + [8.0] * 30, mrm_state=["NORMAL"] * 60,
              intervention=[0] * 20 + [1] * 40),
    ])  # fmt: skip
    run = start_run(writer.connection, name="drive", site="site-a", started_at=START,
                    ended_at=START.replace(minute=1))  # fmt: skip
    return db, writer.connection, run


def loss_of(results, link="l5g"):
    return next(each for each in results if (each.id, each.statistic, each.link) == ("loss", "ratio", link))


def test_figures_of_driving_stand_beside_those_of_everything(drive):
    """The losses were at the stop: none while moving, a tenth of all; links, pairs and their filters say so."""
    _, connection, run = drive
    results = evaluate_run(connection, run, None, moving_only=True)
    loss = loss_of(results)
    assert (loss.value, loss.value_of_all, loss.n, loss.excluded) == (0.0, 0.1, 300, 1)
    assert "停車(1.8 km/h 未満が 10 秒以上)1 回 30 s を除外" in loss.filter
    assert "1 halts (below 1.8 km/h for 10 s and more), 30 s" in loss.filter
    assert "moving only" in loss_of([msgspec.structs.replace(each, id="loss") for each in results
                                     if each.id == "redundant_loss"], "l5g+lte").filter  # fmt: skip
    plain = evaluate_run(connection, run, None)
    assert loss_of(plain).value == 0.1
    assert not any("moving only" in each.filter for each in plain)


def test_conditions_of_driving_have_no_class_of_standing(drive):
    """The packets of the halt are in no class, and the link says why."""
    _, connection, run = drive
    (link, _) = conditions_of_run(connection, run, moving_only=True)
    (whole, _) = conditions_of_run(connection, run)
    assert [(range_words(row), row.n, row.loss) for row in link.rows] == [("20 – 35", 300, 0.0)]
    assert [range_words(row) for row in whole.rows] == ["停止 standing", "20 – 35"]
    assert "moving only" in link.filter
    assert not whole.filter


def test_places_of_driving_are_those_of_the_same_packets(drive):
    """A stop line of five seconds and time without a speed are driving, at places too; every cell says what is out."""
    db, connection, run = drive
    speeds = [0.0] * 30 + [8.0] * 10 + [0.0] * 5 + [None] * 5 + [8.0] * 10
    lat = [35 + max(second - 29, 0) * 8.0 / 111_195 for second in range(60)]
    db.writer().commit([
        batch(4, "position", [START_US + second * 1_000_000 for second in range(60)], lat_deg=lat, lon_deg=[139.0] * 60,
              speed_mps=speeds, mode=[3] * 60),
    ])  # fmt: skip
    exclude(connection, run, started_at=START.replace(second=50), ended_at=START.replace(second=55), reason="r",
            excluded_by="lead")  # fmt: skip
    loss = loss_of(evaluate_run(connection, run, None, moving_only=True))
    cells = route_of_run(connection, run, "l5g", None, moving_only=True)["l5g"]
    (conditions, _) = conditions_of_run(connection, run, moving_only=True)
    assert loss.n == sum(cell.n for cell in cells) == 250
    assert sum(cell.loss * cell.n for cell in cells) == loss.value == 0.0
    stated = "除外 1 区間 5 s / 1 intervals excluded"
    assert {cell.filter for cell in cells} == {conditions.filter}
    assert conditions.filter.startswith("走行中のみ: ")
    assert conditions.filter.endswith(stated)
    whole = route_of_run(connection, run, "l5g", None)["l5g"]
    assert (sum(cell.n for cell in whole), {cell.filter for cell in whole}) == (550, {stated})


def test_what_the_device_says_of_itself_is_of_the_whole_drive(drive):
    """An intervention at the stop counts: manoeuvres end in halts."""
    _, connection, run = drive
    results = evaluate_run(connection, run, None, moving_only=True)
    (count,) = [each for each in results if (each.id, each.statistic, each.variant) == ("interventions", "count", "")]
    assert (count.value, count.excluded, "moving only" in count.filter) == (1.0, 0, False)


def test_excluded_intervals_and_halts_add_up(drive):
    """Ten seconds by hand beside the halt: both are left out, in processes too."""
    db, connection, run = drive
    exclude(connection, run, started_at=START.replace(second=40), ended_at=START.replace(second=50), reason="r",
            excluded_by="lead")  # fmt: skip
    results = evaluate_run(connection, run, None, moving_only=True)
    assert (loss_of(results).n, loss_of(results).excluded) == (200, 2)
    with executor_of("processes:2") as pool:
        assert evaluate_run(connection, run, None, moving_only=True, elsewhere=Elsewhere(pool, db.url)) == results


def test_api_and_terminal_take_the_wish(drive, tmp_path):
    """`moving_only=true` and `--moving-only` give the same."""
    db, _, _ = drive
    with serving(ApiSettings(database_url=db.url)) as client:
        given = client.get("/v1/runs/drive/kpis", params={"moving_only": "true"}).json()
    told = Shell(db.url, tmp_path).json("kpi", "drive", "--moving-only")
    assert [each["value"] for each in told] == [each["value"] for each in given]
    (loss,) = [each for each in given if (each["id"], each["statistic"], each["link"]) == ("loss", "ratio", "l5g")]
    assert (loss["value"], loss["value_of_all"]) == (0.0, 0.1)
