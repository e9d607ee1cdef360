"""Standing at a measuring point: what may be marked, and which tests get the point."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.field_book import LONGEST_STAY_S, FieldBook, FieldBookError, book_path, check_point
from collectors.stamping import MOVED_M, Stamping, metres_between, metres_from_plan

S = 1_000_000_000
T0 = 1_780_000_000 * S
HERE = {"lat_deg": 35.4437, "lon_deg": 139.638, "mode": 3}


class Site:
    """A field book with both who write to it: a person, and an agent whose outbox takes everything."""

    def __init__(self, folder):
        self.path = book_path(folder / "outbox.sqlite")
        self.now_ns = T0
        self.sent = []
        self.book = FieldBook(self.path)
        self.stamping = Stamping(self.path, now_ns=lambda: self.now_ns)

    def restart(self):
        self.stamping.close()
        self.stamping = Stamping(self.path, now_ns=lambda: self.now_ns)

    def turn(self, *, stored=True):
        """Let the agent take over what the book says."""
        page = self.stamping.pull()
        if page is not None:
            batches, tests = self.stamping.batches(page)
            for batch in batches:
                names = [name for name in batch.columns if name != "t"]
                self.sent += [
                    (batch.stream, batch.t0_ns + t, {name: batch.columns[name][place] for name in names})
                    for place, t in enumerate(batch.columns["t"])
                ]
            if stored:
                self.stamping.done(page, tests)

    def arrive(self, point, at_s, **place):
        self.now_ns = T0 + at_s * S
        stay = self.book.arrive(point, self.now_ns, self.now_ns, **place)
        self.turn()
        return stay

    def leave(self, at_s):
        self.now_ns = T0 + at_s * S
        self.book.leave(self.now_ns, self.now_ns)
        self.turn()

    def test(self, end_s, length_s=10, *, link="l5g", **changes):
        """Measure, as a program on board does; return the point and number that the row gets."""
        self.now_ns = max(self.now_ns, T0 + round(end_s * S))
        sample = {"direction": "down", "protocol": "tcp", "interval_s": length_s, "rate_bps": 1e8, **changes}
        found = self.stamping.stamp(link, T0 + round(end_s * S), sample)
        return found.get("point"), found.get("trial")

    def events(self):
        return [(t_ns, row["name"], row["severity"], json.loads(row["detail"])) for stream, t_ns, row in self.sent
                if stream == "event"]  # fmt: skip


@pytest.fixture
def site(tmp_path):
    """One device."""
    made = Site(tmp_path)
    yield made
    made.book.close()
    made.stamping.close()


def test_a_test_gets_the_point_in_which_all_of_it_lies(site):
    site.arrive("P1", 100)
    assert site.test(105) == (None, None)  # began on the way
    assert site.test(110) == ("P1", 1)
    site.leave(130)
    assert site.test(130) == ("P1", 2)  # told after leaving, but it was over by then
    assert site.test(131) == (None, None)


def test_tests_are_numbered_by_point_link_and_direction_and_go_on_when_the_team_comes_back(site):
    site.arrive("P1", 0)
    assert [site.test(20), site.test(40), site.test(60)] == [("P1", 1), ("P1", 2), ("P1", 3)]
    assert site.test(60, direction="up") == ("P1", 1)
    assert site.test(60, link="lte") == ("P1", 1)
    site.leave(100)
    site.arrive("P2", 200)
    assert site.test(220) == ("P2", 1)
    site.leave(300)
    site.restart()
    site.arrive("P1", 400)
    assert site.test(420) == ("P1", 4)


def test_rows_without_a_pause_are_parts_of_one_test(site):
    """A program that tells each second must not make three tests of three seconds."""
    site.arrive("P1", 0)
    assert [site.test(end, 1) for end in (2, 3.05, 4)] == [("P1", 1)] * 3
    assert [site.test(end, 1) for end in (6, 7)] == [("P1", 2)] * 2
    assert site.test(9, 1, trial=7) == ("P1", 7)
    assert site.test(20, 1) == ("P1", 8)


def test_a_row_that_names_its_point_or_breaks_the_contract_is_left_alone(site):
    site.arrive("P1", 0)
    assert site.test(20, point="P9") == ("P9", None)
    assert site.test(20, direction="sideways") == (None, None)


def test_the_surveyed_place_goes_with_the_test_and_with_the_events(site):
    site.arrive("P1", 0, lat_deg=35.0, lon_deg=139.0)
    sample = {"direction": "up", "protocol": "tcp", "interval_s": 10}
    assert site.stamping.stamp("l5g", T0 + 20 * S, sample)["lon_deg"] == 139.0
    site.leave(60)
    assert site.events() == [
        (T0, "point.arrived", "info", {"point": "P1", "lat_deg": 35.0, "lon_deg": 139.0}),
        (T0 + 60 * S, "point.left", "info", {"point": "P1", "lat_deg": 35.0, "lon_deg": 139.0, "ended_by": "person"}),
    ]


def test_two_points_at_once_and_leaving_nowhere_are_refused_with_the_remedy(site):
    with pytest.raises(FieldBookError, match="jissho point arrive NAME"):
        site.book.leave(T0, T0)
    site.arrive("P1", 100)
    with pytest.raises(FieldBookError, match=r"still at point P1.*P1にいます.*jissho point leave --at TIME"):
        site.book.arrive("P2", T0 + 200 * S, T0 + 200 * S)
    with pytest.raises(FieldBookError, match="before the arrival at P1"):
        site.book.leave(T0, T0 + 200 * S)
    with pytest.raises(FieldBookError, match="still to come"):
        site.book.leave(T0 + 201 * S, T0 + 200 * S)
    site.leave(300)
    with pytest.raises(FieldBookError, match="before the last point was left"):
        site.book.arrive("P2", T0 + 200 * S, T0 + 300 * S)
    assert [stay.point for stay in site.book.stays()] == ["P1"]


def test_whoever_drives_on_has_left_the_point(site):
    """Without a word the tests of the drive would be the point's."""
    site.arrive("P1", 0)
    for second in range(1, 31):
        site.stamping.seen(T0 + second * S, HERE | {"lat_deg": 35.4437 + (second % 2) * 0.0002})  # 22 m: noise
    assert site.test(30) == ("P1", 1)
    site.stamping.seen(T0 + 31 * S, HERE | {"lat_deg": 35.4437 + 0.002})
    assert site.test(45) == (None, None)
    site.turn()
    assert site.events()[-1] == (
        T0 + 30 * S, "point.left", "warning", {"point": "P1", "lat_deg": None, "lon_deg": None, "ended_by": "moved"},
    )  # fmt: skip
    site.arrive("P2", 60)
    assert site.test(80) == ("P2", 1)


def test_a_restart_does_not_forget_where_the_stay_began(site):
    """Switched off for the drive, and nobody said that they left: the first fix afterwards is far away."""
    site.arrive("P1", 0)
    site.stamping.seen(T0 + 5 * S, HERE)
    site.turn()
    site.restart()
    site.turn()
    site.stamping.seen(T0 + 600 * S, HERE | {"lat_deg": 35.5})
    assert site.test(620) == (None, None)
    site.turn()
    assert site.events()[-1][1] == "point.left"


def test_standing_far_from_the_surveyed_place_is_known(site):
    site.arrive("P1", 0, lat_deg=35.4437 + 0.01, lon_deg=139.638)
    assert metres_from_plan(site.book.open_stay()) is None  # no fix yet
    site.stamping.seen(T0 + S, HERE)
    site.turn()
    assert metres_from_plan(site.book.open_stay()) == pytest.approx(1113, abs=1)


def test_a_stay_ends_after_an_hour(site):
    site.arrive("P1", 0)
    assert site.test(LONGEST_STAY_S - 10) == ("P1", 1)
    assert site.test(LONGEST_STAY_S + 5) == (None, None)
    site.turn()
    assert site.events()[-1][:3] == (T0 + LONGEST_STAY_S * S, "point.left", "warning")
    assert site.book.open_stay() is None


def test_what_the_command_tested_is_sent_once_and_numbered_with_the_others(site):
    row = {"direction": "down", "protocol": "tcp", "interval_s": 10.0, "rate_bps": 2e8}
    stay = site.arrive("P1", 0)
    assert site.test(20) == ("P1", 1)
    site.book.add_test(stay, "l5g", T0 + 31 * S, row)
    site.book.add_test(stay, "l5g", T0 + 41 * S, row | {"rate_bps": None})
    site.turn(stored=False)  # the disk refused: it is told again, under the same number
    first = [row for stream, _, row in site.sent if stream == "throughput"]
    site.sent.clear()
    site.leave(60)
    told = [row for stream, _, row in site.sent if stream == "throughput"]
    assert [row["trial"] for row in told] == [row["trial"] for row in first] == [2, 3]
    assert [(row["point"], row["rate_bps"]) for row in told] == [("P1", 2e8), ("P1", None)]
    site.sent.clear()
    site.restart()
    site.turn()
    assert site.sent == []
    assert [each.trial for each in site.book.tests(stay)] == [1, 2, 3]


def test_marks_made_while_no_agent_ran_are_sent_when_one_starts(site):
    stay = site.book.arrive("P1", T0, T0)
    site.book.add_test(stay, "l5g", T0 + 20 * S, {"direction": "up", "protocol": "tcp", "interval_s": 10.0})
    site.book.leave(T0 + 60 * S, T0 + 60 * S)
    site.now_ns = T0 + 86_400 * S
    site.turn()
    assert [name for _, name, _, _ in site.events()] == ["point.arrived", "point.left"]
    assert [row["trial"] for stream, _, row in site.sent if stream == "throughput"] == [1]


def test_a_book_that_cannot_be_read_ends_nothing(tmp_path, caplog):
    path = book_path(tmp_path / "outbox.sqlite")
    path.write_bytes(b"no database at all, but long enough to be taken for one" * 10)
    stamping = Stamping(path)
    assert (stamping.pull(), stamping.pull()) == (None, None)
    assert caplog.text.count("tests are sent without their points") == 1
    sample = {"direction": "up", "protocol": "tcp", "interval_s": 10}
    assert stamping.stamp("l5g", T0, sample) is sample


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 64])
def test_a_name_must_be_readable(name):
    with pytest.raises(ValueError, match="cannot name a measuring point"):
        check_point(name)


@given(
    lat=st.floats(-80, 80), lon=st.floats(-179, 179), north=st.floats(-0.01, 0.01), east=st.floats(-0.01, 0.01)
)  # fmt: skip
def test_distances_are_the_same_both_ways_and_grow_with_their_parts(lat, lon, north, east):
    there = metres_between((lat, lon), (lat + north, lon + east))
    assert there == pytest.approx(metres_between((lat + north, lon + east), (lat, lon)), rel=2e-3, abs=1e-6)
    assert there >= abs(north) * 111_000 - 1e-3


def test_a_degree_is_a_degree():
    """One minute of latitude is a nautical mile, 1,852 m; at 60 degrees one of longitude is half of that."""
    assert metres_between((35, 139), (35 + 1 / 60, 139)) == pytest.approx(1852, rel=3e-3)
    assert metres_between((60, 10), (60, 10 + 1 / 60)) == pytest.approx(926, rel=3e-3)
    assert MOVED_M < 1852
