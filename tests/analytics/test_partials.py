"""Parts merge to the whole wherever time is cut, and the whole says what the packets themselves say."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.availability import availability
from analytics.log_histogram import RELATIVE_ERROR, bucket_of, log_histogram, value_of
from analytics.loss import count_losses, loss_periods, transitions
from analytics.part_codec import PartVersionError, pack_delay, pack_head, unpack_delay, unpack_part
from analytics.part_figures import figures, late_us, lost_in, outages_of, quantile_us
from analytics.part_segments import DIRECTIONS, Deadlines
from analytics.partials import empty_part, merge, part_of, split
from analytics.probes import absent, probe_arrays
from analytics.statistics import histogram, rank
from tests.analytics.making import T0_US, columns
from tests.analytics.recordings import recordings

DEADLINES = Deadlines(t_max_us=30_000, survival_us=25_000)
COLUMN = {"up": "ul_us", "down": "dl_us", "round_trip": "rtt_us"}


def whole_of(cells, edges_us, deadlines=DEADLINES):
    return part_of(probe_arrays(cells), edges_us[0], edges_us[-1], deadlines)


@settings(max_examples=100, deadline=None)
@given(recordings())
def test_parts_merge_to_the_whole_wherever_time_is_cut(recording):
    """Counts, sums, histograms, loss periods, directions of losses, sessions and outages: all are equal."""
    cells, edges_us = recording
    parts = list(split(cells, edges_us, DEADLINES))
    merged, whole = merge(parts), whole_of(cells, edges_us)
    assert whole == merged
    assert figures(whole) == figures(merged)


@settings(max_examples=40, deadline=None)
@given(recordings(), st.data())
def test_it_does_not_matter_how_parts_are_grouped(recording, data):
    """Minutes to hours to days: merging merged parts gives the same as merging all at once, empty ones left out."""
    cells, edges_us = recording
    parts = list(split(cells, edges_us, DEADLINES))
    place = data.draw(st.integers(0, len(parts)))
    groups = [merge(group) for group in (parts[:place], parts[place:]) if group]
    assert merge(parts) == merge(groups)
    some = [part for part in parts if not part.is_empty] or parts[:1]
    assert figures(merge(parts)) == figures(merge(some))


@settings(max_examples=60, deadline=None)
@given(recordings())
def test_the_whole_says_what_the_packets_say(recording):
    """Losses by direction, loss periods, transitions and absent numbers are those of the functions for a run."""
    cells, edges_us = recording
    probes, part = probe_arrays(cells), merge(list(split(cells, edges_us, DEADLINES)))
    counted, periods = count_losses(probes), loss_periods(probes)
    assert (counted.sent, counted.lost, counted.up, counted.down, counted.undecided) == (
        part.losses.sent, part.losses.lost, part.losses.up, part.losses.down, part.losses.unknown,
    )  # fmt: skip
    assert (periods.size, periods.max(initial=0)) == (part.losses.runs, part.losses.longest_run)
    assert transitions(probes) == part.losses.transitions
    assert (absent(probes), probes.duplicates, 0) == (part.absent, part.duplicates, part.losses.overlaps)


def senders_overlap(probes):
    """Tell whether a session begins before the one before it, and the sending interval after it, have ended."""
    sessions = np.unique(probes.session)
    spans = sorted(
        (int(probes.t_us[probes.session == session].min()), int(probes.t_us[probes.session == session].max()))
        for session in sessions
    )
    gaps = np.diff(np.sort(probes.t_us))
    reach_us = int(gaps.max(initial=0)) + DEADLINES.t_max_us
    return any(later[0] <= earlier[1] + reach_us for earlier, later in itertools.pairwise(spans))


@settings(max_examples=60, deadline=None)
@given(recordings(), st.sampled_from(DIRECTIONS))
def test_outages_are_those_of_the_packets(recording, direction):
    """Observed time, number, total and longest of the outages; a sending interval is known to 0.1 %."""
    cells, edges_us = recording
    probes, part = probe_arrays(cells), merge(list(split(cells, edges_us, DEADLINES)))
    if senders_overlap(probes):
        return  # two senders on one link at once are judged together from the packets, and in turn from the parts
    expected = availability(probes, direction, DEADLINES.t_max_us, DEADLINES.survival_us)
    found = outages_of(part, direction)
    lengths = expected.end_us - expected.start_us
    slack_us = 1 + 1_000_000 * RELATIVE_ERROR * max(len(part.segments), 1)
    assert abs(expected.observed_us - found.observed_us) <= slack_us
    assert abs(expected.down_us - found.down_us) <= slack_us
    assert abs(int(lengths.max(initial=0)) - found.longest_us) <= slack_us
    near_nothing = int((lengths <= slack_us).sum()) + len(part.segments)
    assert abs(lengths.size - found.count) <= near_nothing * (part.gaps.n > 0)


@settings(max_examples=60, deadline=None)
@given(recordings(), st.sampled_from(DIRECTIONS), st.sampled_from(["0.5", "0.95", "0.99", "0.999", "0", "1"]))
def test_quantiles_sums_and_late_counts_are_those_of_the_packets(recording, direction, q):
    """Quantiles within 0.1 %, sums exactly, late packets between the two counts."""
    cells, edges_us = recording
    probes, part = probe_arrays(cells), merge(list(split(cells, edges_us, DEADLINES)))
    delay = probes.delays[direction]
    us = delay.us[delay.valid].astype(np.int64)
    assert bool(us.size) == (direction in part.delays)
    if not us.size:
        return
    found, lost = part.delays[direction], lost_in(part, direction)
    assert (sum(map(int, us)), sum(int(value) ** 2 for value in us), us.min(), us.max()) == (
        found.sum_us, found.squares_us2, found.min_us, found.max_us,
    )  # fmt: skip
    exact = histogram(us, lost).at([rank(q, us.size + lost)])[0]
    assert quantile_us(found.histogram, lost, q, found.min_us, found.max_us) == pytest.approx(exact, rel=RELATIVE_ERROR)
    surely, perhaps = late_us(part, direction, 30_000)
    assert surely <= (us > 30_000).sum() <= perhaps


@given(st.integers(-2_000_000_000, 2_000_000_000))
def test_a_bucket_stands_for_its_values_within_a_thousandth(value):
    """Below 1024 exactly, above within 2^-10, negative values as their mirror image."""
    found = int(value_of(bucket_of(np.array([value])))[0])
    assert abs(found - value) <= abs(value) * RELATIVE_ERROR
    assert abs(value) >= 1024 or found == value
    assert -found == int(value_of(bucket_of(np.array([-value])))[0])


def test_buckets_are_in_the_order_of_their_values():
    """Every bucket's value is above the last one's, across zero and at each power of two."""
    buckets = np.unique(bucket_of(np.arange(-5000, 5000)))
    assert (np.diff(value_of(buckets)) > 0).all()
    assert (np.diff(buckets) == 1).all()


def test_an_outage_over_three_parts_is_one_outage():
    """Losses from one minute through the whole next one into a third: one loss period, one outage."""
    n = 150 * 10
    lost = np.isin(np.arange(n), np.arange(550, 1250))
    rtt = [None if gone else 2000 for gone in lost]
    rows = [{"seq": number, "rtt_us": rtt[number], "t_us": T0_US + 100_000 * number} for number in range(n)]
    edges_us = [T0_US, T0_US + 60_000_000, T0_US + 120_000_000, T0_US + 180_000_000]
    parts = list(split(columns(rows), edges_us, DEADLINES))
    assert [50, 600, 50] == [part.losses.lost for part in parts]
    merged = merge(parts)
    assert (1, 700) == (merged.losses.runs, merged.losses.longest_run)
    found = outages_of(merged, "round_trip")
    assert (1, 70_000_000 + 2000 - 55_000) == (found.count, found.longest_us)


def test_pieces_of_a_session_that_overlap_are_counted_and_said():
    """Numbers that go back in time within a session leave counts right, and the loss periods are called approximate."""
    rows = [{"seq": seq, "rtt_us": None, "t_us": T0_US + 1000 * place} for place, seq in enumerate([0, 2, 1, 3])]
    merged = merge(list(split(columns(rows), [T0_US, T0_US + 2000, T0_US + 9000], DEADLINES)))
    assert (4, 4, 1, 0) == (merged.losses.sent, merged.losses.lost, merged.losses.overlaps, merged.absent)
    assert [True] == [
        bool(one.precision) for one in figures(merged) if (one.id, one.statistic) == ("loss_burst", "max")
    ]


def test_a_slow_sender_is_observed_between_its_packets():
    """One packet in ten seconds: gaps above the pause limit of fast senders do not cut what is observed."""
    rows = [{"seq": seq, "rtt_us": 2000, "t_us": T0_US + 10_000_000 * seq} for seq in range(30)]
    edges_us = [T0_US + 60_000_000 * minute for minute in range(6)]
    found = outages_of(merge(list(split(columns(rows), edges_us, DEADLINES))), "round_trip")
    assert (pytest.approx(300_000_000, rel=1e-4), 0) == (found.observed_us, found.count)


def test_nothing_sent_gives_no_figures():
    """An empty interval has an empty part, and empty parts merge to an empty one."""
    parts = [empty_part(T0_US, T0_US + 1, DEADLINES), empty_part(T0_US + 1, T0_US + 5, DEADLINES)]
    assert merge(parts) == empty_part(T0_US, T0_US + 5, DEADLINES)
    assert merge(parts) == whole_of(columns([]), [T0_US, T0_US + 5])
    assert [] == figures(merge(parts))


def test_parts_that_do_not_belong_together_are_refused():
    """Other deadlines, the wrong order, or nothing at all."""
    early, late = empty_part(0, 10, DEADLINES), empty_part(10, 20, DEADLINES)
    other = empty_part(10, 20, Deadlines())
    for parts, message in (([], "nothing"), ([late, early], "follow"), ([early, other], "deadlines")):
        with pytest.raises(ValueError, match=message):
            merge(parts)


def test_a_histogram_of_many_values_is_their_count():
    """A million delays with a tail: the quantiles are within 0.1 % of the sorted values."""
    values = np.random.default_rng(1).lognormal(10, 0.5, 100_000).astype(np.int64)
    counted = log_histogram(values)
    for q in ("0.5", "0.95", "0.99", "0.999"):
        place = rank(q, values.size)
        assert counted.at(place) == pytest.approx(float(np.sort(values)[place - 1]), rel=RELATIVE_ERROR)
    assert counted.n == values.size


@settings(max_examples=60, deadline=None)
@given(recordings())
def test_parts_survive_their_bytes(recording):
    """What is packed is unpacked equal, whatever is in it."""
    part = whole_of(*recording)
    cells = {direction: pack_delay(delay) for direction, delay in part.delays.items()}
    assert part == unpack_part(part.start_us, part.end_us, pack_head(part), cells)


def test_bytes_of_another_version_are_refused():
    """The message names the command that makes the parts anew."""
    part = empty_part(0, 10, DEADLINES)
    with pytest.raises(PartVersionError, match="jissho parts rebuild"):
        unpack_part(0, 10, b"\xff" + pack_head(part)[1:], {})


def head_of_version_1(part):
    """Pack a head as version 1 did: without the four sums of transitions, which stand after the first eight."""
    head = pack_head(part)
    return b"\x01" + head[1 : 18 + 8 * 8] + head[18 + 12 * 8 :]


@settings(max_examples=40, deadline=None)
@given(recordings())
def test_parts_of_version_1_are_read_and_merged(recording):
    """Nothing is lost but the loss model, which says of how many packets it knows nothing, and counts up to a bound."""
    cells, edges_us = recording
    parts = list(split(cells, edges_us, DEADLINES))
    old = []
    for number, part in enumerate(parts):
        delays = {name: pack_delay(dataclasses.replace(delay, within=None)) for name, delay in part.delays.items()}
        head = head_of_version_1(part) if number % 2 else pack_head(part)
        old.append(unpack_part(part.start_us, part.end_us, head, delays))
    merged, whole = merge(old), merge(parts)
    changed = {"loss_model", "delay_cdf", "reliability"}
    assert [one for one in figures(whole) if one.id not in changed] == [
        one for one in figures(merged) if one.id not in changed
    ]
    assert sum(part.losses.sent for part in parts[1::2]) == merged.losses.unpaired
    for direction, delay in merged.delays.items():
        assert delay.within is None
        assert delay == unpack_delay(pack_delay(delay))
        surely, perhaps = delay.at_most(50_000)
        exactly, _ = whole.delays[direction].at_most(50_000)
        assert surely <= exactly <= perhaps
    model = [one for one in figures(merged) if one.id == "loss_model"]
    if merged.losses.unpaired and merged.losses.lost:
        assert [(None, True)] == [(one.value, "jissho parts rebuild" in one.note) for one in model]
