"""Late packets counted as lost: known answers, a plain loop beside it, and what results say of it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.clock import ClockQuality
from analytics.evaluate import evaluate_link
from analytics.loss import count_losses
from analytics.probes import probe_arrays
from analytics.requirements import NO_REQUIREMENTS, Parameters, Profile, Requirement
from analytics.waiting_time import late_as_lost, waited_out
from tests.analytics.lawful import check_all
from tests.analytics.making import GOOD_CLOCK, UNKNOWN_CLOCK, by_name, probes, round_trips, subject
from tests.analytics.recordings import recordings

LIMIT_US = 100_000
DIRECTIONS = ("round_trip", "up", "down")
UP, DOWN, UNKNOWN = 1, 2, 3


def waiting(limit_ms=100.0, *requirements, **parameters):
    """A profile with a waiting time."""
    stated = Parameters(lost_after_ms=limit_ms, **parameters)
    return Profile(name="t", ja="", en="", status="", parameters=stated, requirement=requirements)


def answered(ul_us, dl_us, **more):
    """A packet of which everything was measured."""
    return {"ul_us": ul_us, "dl_us": dl_us, "rtt_us": ul_us + dl_us, **more}


def test_a_packet_later_than_the_limit_is_lost():
    """The limit itself is in time; a lost one stays lost and is not late."""
    sent, late = late_as_lost(round_trips([50, 100, 100.001, None, 5000]), LIMIT_US)
    assert (late, sent.late, sent.lost.tolist()) == (2, 2, [0, 0, UNKNOWN, UNKNOWN, UNKNOWN])
    assert sent.delays["round_trip"].valid.tolist() == [True, True, False, False, False]


def test_packets_in_time_are_the_same_object():
    """Nothing is copied where nothing is late."""
    sent = round_trips([50, 100, None])
    assert late_as_lost(sent, LIMIT_US) == (sent, 0)
    assert late_as_lost(sent, LIMIT_US)[0] is sent
    assert late_as_lost(probes([]), LIMIT_US)[1] == 0


def test_what_was_measuredis_not_changed():
    """The arrays may be those of the reader."""
    sent = probes([answered(150_000, 5_000, refl_seq=0), answered(5_000, 5_000, refl_seq=1)])
    before = [sent.lost.copy(), *(delay.valid.copy() for delay in sent.delays.values())]
    late_as_lost(sent, LIMIT_US, 100.0)
    assert all(
        (was == now).all()
        for was, now in zip(before, [sent.lost, *(each.valid for each in sent.delays.values())], strict=True)
    )


@pytest.mark.parametrize(
    ("row", "clock_us", "code", "has_up"),
    [
        (answered(150_000, 5_000, refl_seq=0), 100.0, UP, False),
        (answered(100_050, 5_000, refl_seq=0), 100.0, DOWN, True),
        (answered(150_000, 5_000, refl_seq=0), None, DOWN, True),
        (answered(60_000, 60_000, refl_seq=0), 100.0, DOWN, True),
        (answered(60_000, 60_000), 100.0, DOWN, True),
        (answered(60_000, 60_000), None, UNKNOWN, True),
        (answered(99_950, 60_000), 100.0, UNKNOWN, True),
        (answered(100_100, 60_000), 100.0, UNKNOWN, True),
        (answered(100_101, 60_000), 100.0, UP, False),
        ({"rtt_us": 150_000, "refl_seq": 0}, None, DOWN, False),
        ({"rtt_us": 150_000}, 100.0, UNKNOWN, False),
        ({"ul_us": 150_000}, None, UP, False),
        ({"dl_us": 150_000}, None, DOWN, False),
        ({"ul_us": 150_000, "dl_us": 150_000}, None, UP, False),
        ({"ul_us": 50_000, "dl_us": 150_000}, None, DOWN, True),
    ],
)
def test_which_way_a_late_packet_was_lost(row, clock_us, code, has_up):
    """Up where the clocks show it, down where the reflector had it, else unknown; the number stays, no delay down."""
    sent, late = late_as_lost(probes([row]), LIMIT_US, clock_us)
    assert (late, sent.lost.tolist()) == (1, [code])
    assert sent.refl_seq.tolist() == [row.get("refl_seq", -1)]
    assert [bool(sent.delays[way].valid[0]) for way in DIRECTIONS] == [False, has_up, False]


def plain(rows, limit_us, clock_us):
    """The same by a loop over packets."""
    found = []
    for lost, refl, delays in rows:
        trip, up, down = (delays[way] for way in DIRECTIONS)
        judged = (up, down) if trip is None else (trip,)
        is_late = any(delay is not None and delay > limit_us for delay in judged)
        if lost or not is_late:
            found.append((lost, refl, trip, up, down))
            continue
        if trip is None:
            code = UP if up is not None and up > limit_us else DOWN
        elif None not in {clock_us, up} and up > limit_us + clock_us:
            code = UP
        elif refl >= 0 or (None not in {clock_us, up} and up <= limit_us - clock_us):
            code = DOWN
        else:
            code = UNKNOWN
        found.append((code, refl, None, None if code == UP else up, None))
    return found


def as_rows(sent):
    """Packets as plain values."""
    rows = zip(sent.lost.tolist(), sent.refl_seq.tolist(), strict=True)
    return [
        (lost, refl, {way: int(each.us[place]) if each.valid[place] else None for way, each in sent.delays.items()})
        for place, (lost, refl) in enumerate(rows)
    ]


CLOCKS_US = st.sampled_from([None, 0.0, 100.0, 5_000.0])
LIMITS_US = st.one_of(st.integers(1, 60_000), st.integers(1, 3_000_000_000))


@settings(max_examples=100, deadline=None)
@given(recording=recordings(), limit_us=LIMITS_US, clock_us=CLOCKS_US)
def test_any_packets_are_those_of_a_plain_loop(recording, limit_us, clock_us):
    """Packet by packet, so that any cut gives the same; times, numbers and copies stay."""
    measured = probe_arrays(recording[0])
    sent, late = late_as_lost(measured, limit_us, clock_us)
    expected = plain(as_rows(measured), limit_us, clock_us)
    assert [(lost, refl, *(delays[way] for way in DIRECTIONS)) for lost, refl, delays in as_rows(sent)] == expected
    assert late == sent.late == int((sent.lost != measured.lost).sum())
    for name in ("t_us", "session", "seq", "refl_seq", "further", "replicated"):
        assert getattr(sent, name) is getattr(measured, name)
    assert (sent is measured) == (late == 0)


def recorded(rng, n=400):
    """Packets of a stateful reflector with losses each way and slow answers, and the collector's codes of them.

    The codes are what its rule says: up where the reflector counted none of a run, down where all, else unknown.
    """
    went, came = rng.random(n) > 0.1, rng.random(n) > 0.1
    went[[0, -1]] = came[[0, -1]] = True
    numbers = np.cumsum(went) - 1
    ul_us, dl_us = rng.integers(5_000, 60_000, n), rng.integers(5_000, 60_000, n)
    dl_us[[0, -1]] = ul_us[[0, -1]] = 5_000
    return went, came, numbers, ul_us, dl_us


def rows_of(went, came, numbers, ul_us, dl_us):
    """The rows that a collector writes of them."""
    arrived = went & came
    rows = []
    for seq in range(went.size):
        if arrived[seq]:
            rows.append(answered(int(ul_us[seq]), int(dl_us[seq]), seq=seq, refl_seq=int(numbers[seq])))
            continue
        left = seq - 1 - int(np.argmax(arrived[:seq][::-1]))
        right = seq + 1 + int(np.argmax(arrived[seq + 1 :]))
        reached = int(numbers[right] - numbers[left] - 1)
        code = UP if not reached else DOWN if reached == right - left - 1 else UNKNOWN
        rows.append({"seq": seq, "lost": code})
    return rows


@pytest.mark.parametrize("seed", range(20))
def test_losses_by_direction_stay_right(seed):
    """Late packets were at the reflector: they add to the way down, and losses beside them are placed as before.

    A collector that had waited no longer counts the same, though it knows less of each packet.
    """
    went, came, numbers, ul_us, dl_us = recorded(np.random.default_rng(seed))
    sent = probes(rows_of(went, came, numbers, ul_us, dl_us))
    whole = count_losses(sent)
    found, late = late_as_lost(sent, LIMIT_US)
    losses = count_losses(found)
    assert late > 5
    assert (losses.up, losses.down, losses.undecided) == (whole.up, whole.down + late, 0)
    assert (losses.up, losses.down) == (int((~went).sum()), int((went & (~came | (ul_us + dl_us > LIMIT_US))).sum()))
    impatient = count_losses(probes(rows_of(went, came & (ul_us + dl_us <= LIMIT_US), numbers, ul_us, dl_us)))
    assert losses == impatient


@pytest.mark.parametrize("seed", range(5))
def test_losses_of_the_way_up_by_the_clock_are_those_that_were_late_there(seed):
    """With known clocks a packet late at the reflector is lost up, and the undecided stay as they were: none."""
    went, came, numbers, ul_us, dl_us = recorded(np.random.default_rng(seed))
    ul_us[50:60] = 200_000
    sent = probes(rows_of(went, came, numbers, ul_us, dl_us))
    losses = count_losses(late_as_lost(sent, LIMIT_US, 100.0)[0])
    late_up = int((went & came & (ul_us > LIMIT_US + 100)).sum())
    assert late_up > 0
    assert (losses.up - count_losses(sent).up, losses.undecided) == (late_up, 0)


def test_delay_up_of_a_packet_late_on_the_way_down_is_known():
    """It arrived there: its delay counts for the way up, is infinite for the way down and for the round trip."""
    rows = [answered(10_000, 10_000, refl_seq=seq) for seq in range(3)] + [answered(40_000, 90_000, refl_seq=3)]
    results = by_name(evaluate_link(probes(rows), subject(waiting(owd_within_ms=20.0))))
    assert (results["owd", "up", "max"].value, results["owd", "up", "max"].n) == (40.0, 4)
    assert results["owd", "down", "p99"].value is None
    assert results["rtt", "round_trip", "p99"].value is None
    assert results["reliability", "up", "ratio"].value == 0.75
    assert [results["loss", way, "ratio"].value for way in DIRECTIONS] == [0.25, 0.0, 0.25]


def test_delay_up_of_a_packet_late_on_the_way_up_is_infinite():
    """The same with a slow way up and known clocks."""
    rows = [answered(10_000, 10_000, refl_seq=seq) for seq in range(3)] + [answered(140_000, 10_000, refl_seq=3)]
    results = by_name(evaluate_link(probes(rows), subject(waiting())))
    assert results["owd", "up", "p99"].value is None
    assert (results["owd", "down", "p99"].value, results["owd", "down", "p99"].n) == (10.0, 3)
    assert [results["loss", way, "ratio"].value for way in DIRECTIONS] == [0.25, 0.25, 0.0]


def test_every_result_says_what_counted_as_lost_and_how_many():
    """In the filter, beside what else it says."""
    sent = round_trips([50, 100, 101, None, 5000])
    results = evaluate_link(sent, subject(waiting()))
    assert {"loss", "rtt", "reliability", "availability", "loss_burst"} <= {result.id for result in results}
    assert all("2 packets later than 100 ms counted as lost" in result.filter for result in results)
    found = by_name(results)
    assert (found["loss", "round_trip", "ratio"].value, found["loss", "round_trip", "count"].value) == (0.6, 3.0)
    assert (found["rtt", "round_trip", "mean"].value, found["rtt", "round_trip", "max"].n) == (75.0, 2)
    assert found["rtt", "round_trip", "mean"].filter.startswith("到達分 / delivered; ")
    assert found["reliability", "round_trip", "ratio"].value == 0.4
    in_time = evaluate_link(sent, subject(waiting(10_000.0)))
    assert all("0 packets later than 10000 ms counted as lost" in result.filter for result in in_time)


@settings(max_examples=25, deadline=None)
@given(recordings())
def test_without_the_parameter_nothing_changes(recording):
    """The same results as before, and with a waiting time that nothing reaches the same but for the filter."""
    sent = probe_arrays(recording[0])
    assert waited_out(sent, None, GOOD_CLOCK)[0] is sent
    plainly = evaluate_link(sent, subject(NO_REQUIREMENTS))
    assert not any("counted as lost" in result.filter for result in plainly)
    waited = evaluate_link(sent, subject(waiting(1e9)))
    assert [(each.id, each.direction, each.statistic, each.value, each.ci_low, each.reason) for each in plainly] == [
        (each.id, each.direction, each.statistic, each.value, each.ci_low, each.reason) for each in waited
    ]


@settings(max_examples=25, deadline=None)
@given(recording=recordings(), limit_ms=st.sampled_from([0.001, 5.0, 40.0, 2_000.0]))
def test_any_packets_have_lawful_kpis(recording, limit_ms):
    """Every result inside its own interval, shares within 0 and 1, whatever was late, with clocks and without."""
    sent = probe_arrays(recording[0])
    for clock in (GOOD_CLOCK, UNKNOWN_CLOCK):
        limits = [Requirement(kpi="loss", statistic="ratio", limit=0.1, source="test")]
        profile = waiting(
            limit_ms, *limits, ip_unavailable_loss=0.2, ip_interval_s=1.0, ip_least_packets=1, ip_source="test"
        )  # fmt: skip
        results = evaluate_link(sent, subject(profile, clock))
        check_all(results)
        shares = {key: each.value for key, each in by_name(results).items() if key[0] == "replication"}
        assert all(0 <= share <= 1 for share in shares.values())


def test_a_link_whose_every_packet_was_late_has_a_round_trip_of_infinity():
    """Though the delays up are known: all is lost, and no delay is made up."""
    rows = [answered(60_000, 60_000, refl_seq=seq) for seq in range(300)]
    results = by_name(evaluate_link(probes(rows), subject(waiting())))
    assert results["loss", "round_trip", "ratio"].value == 1.0
    assert (results["rtt", "round_trip", "p50"].value, results["rtt", "round_trip", "p50"].n) == (None, 300)
    assert results["availability", "round_trip", "ratio"].value < 1.0
    assert results["owd", "up", "p50"].value == 60.0


def test_a_recording_that_cannot_say_lost_stays_so():
    """Ten numbers are absent: a late packet proves nothing of them, it only adds to both ends of the range."""
    rows = [{"seq": seq, "rtt_us": 150_000 if seq == 50 else 9000} for seq in range(100) if seq % 10 != 5]
    results = by_name(evaluate_link(probes(rows), subject(waiting(ip_unavailable_loss=0.2, ip_interval_s=0.1,
                                                                  ip_least_packets=5, ip_source="test"))))  # fmt: skip
    loss = results["loss", "round_trip", "ratio"]
    assert loss.value is None
    assert "0.01 to 0.11" in loss.reason
    assert results["ip_availability", "round_trip", "ratio"].value is None


def test_packets_that_came_twice_are_not_more_than_those_that_came_in_time():
    """A copy of a late packet is later still: it makes nothing delivered, and how many came stays a fact."""
    rows = [answered(5_000, 5_000), *(answered(90_000, 90_000, seq=seq) for seq in (1, 2))]
    rows += [{**answered(95_000, 95_000), "seq": seq, "copy": 2} for seq in (1, 2)]
    sent, late = late_as_lost(probes(rows), LIMIT_US)
    assert (late, sent.duplicates, sent.replicated.size, sent.copies_us.tolist()) == (2, 2, 2, [190_000, 190_000])
    results = by_name(evaluate_link(probes(rows), subject(waiting())))
    assert (results["duplication", "round_trip", "ratio"].value, results["duplication", "round_trip", "ratio"].n) == (
        2.0, 1,
    )  # fmt: skip
    assert results["replication", "round_trip", "ratio"].value == 1.0


@pytest.mark.parametrize("late_us", [150_000, 50_000])
def test_loss_by_one_way_delays_of_unknown_clocks_is_for_reference(late_us):
    """Late or not was read off a clock that nobody knows: neither met nor missed, though nothing else would stop it."""
    limit = Requirement(kpi="loss", statistic="ratio", limit=0.5, source="test")
    sent = probes([{"ul_us": late_us if seq % 100 == 99 else 50_000} for seq in range(1000)])
    unknown, known, bounded = (
        by_name(evaluate_link(sent, subject(waiting(100.0, limit), clock)))["loss", "round_trip", "ratio"]
        for clock in (UNKNOWN_CLOCK, GOOD_CLOCK, ClockQuality("粗", 5000.0))
    )
    assert (unknown.verdict, unknown.needed_n) == ("判定不能", None)
    assert "参考値" in unknown.reason
    assert (known.verdict, bounded.verdict) == ("達成", "達成")
    assert unknown.value == known.value
    trips = round_trips([10.0] * 1000)
    assert by_name(evaluate_link(trips, subject(waiting(100.0, limit), UNKNOWN_CLOCK)))[
        "loss", "round_trip", "ratio"
    ].verdict == "達成"  # fmt: skip


def test_late_packets_make_an_interval_unavailable():
    """Two seconds at 100 packets/s; in the second, 30 of 100 come too late."""
    trips = [150.0 if 100 <= number < 130 else 10.0 for number in range(200)]
    profile = waiting(ip_unavailable_loss=0.2, ip_interval_s=1.0, ip_least_packets=100, ip_source="test")
    assert by_name(evaluate_link(round_trips(trips), subject(profile)))[
        "ip_availability", "round_trip", "ratio"
    ].value == 0.5  # fmt: skip
