"""The batcher: columns by stream and link, closed by age or size; a bad sample is an event, never a bad batch."""

import json
import math

import pytest

from collectors.batcher import Batcher


class Clock:
    """A clock that tests turn."""

    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def batcher(clock):
    return Batcher(clock, lambda: 1_000, max_age_s=0.5, max_rows=3)


def test_batches_close_by_age(batcher, clock):
    """Nothing is due before the age is reached; then each stream and link has a batch of its own."""
    batcher.add("radio", "l5g", "feed/1", 10, {"rsrp_dbm": -80.0})
    batcher.add("radio", "lte", "feed/1", 11, {"rsrp_dbm": -90.0})
    batcher.add("radio", "l5g", "feed/1", 30, {"pci": 5})
    assert batcher.due() == []
    clock.now_s += 0.5

    first, second = batcher.due()

    assert (first.link, first.n, first.t0_ns) == ("l5g", 2, 10)
    assert first.columns == {"t": [0, 20], "rsrp_dbm": [-80.0, None], "pci": [None, 5]}
    assert (second.link, second.n) == ("lte", 1)
    assert batcher.due(everything=True) == []


def test_batches_close_by_size(batcher):
    """A full batch is due at once; the next sample begins another."""
    for t_ns in range(4):
        batcher.add("radio", "l5g", "feed/1", t_ns, {"pci": t_ns})

    (full,) = batcher.due()
    assert full.columns["pci"] == [0, 1, 2]
    assert batcher.due(everything=True)[0].columns["pci"] == [3]


def test_times_out_of_order_keep_their_places(batcher):
    """The base is the smallest time, whatever the order of arrival."""
    for t_ns in (50, 20, 70):
        batcher.add("radio", "l5g", "feed/1", t_ns, {"pci": t_ns})

    (batch,) = batcher.due()
    assert batch.t0_ns == 20
    assert batch.columns["t"] == [30, 0, 50]


@pytest.mark.parametrize("sample", [{"rsrp_dbm": math.nan}, {"rsrp_dbm": -300.0}, {"colour": 1}, {"pci": "five"}])
def test_a_bad_sample_becomes_an_event(batcher, sample):
    """It is refused, reported with its raw value, and leaves the batch of the good ones alone."""
    assert batcher.add("radio", "l5g", "feed/1", 1, {"pci": 1})
    assert not batcher.add("radio", "l5g", "feed/1", 2, sample)

    good, event = batcher.due(everything=True)
    assert good.columns["pci"] == [1]
    assert (event.stream, event.link, event.columns["name"]) == ("event", "l5g", ["sample.rejected"])
    detail = json.loads(event.columns["detail"][0])
    assert detail["faults"]
    assert next(iter(sample)) in detail["raw"]


def test_a_broken_sensor_does_not_flood(batcher, clock):
    """One event a minute, which counts the silent ones before it."""
    for _ in range(500):
        batcher.add("radio", "l5g", "feed/1", 1, {"pci": -1})
    clock.now_s += 61
    batcher.add("radio", "l5g", "feed/1", 1, {"pci": -1})

    (events,) = batcher.due(everything=True)
    assert events.n == 2
    assert json.loads(events.columns["detail"][1])["rejected_silently_before"] == 499
    assert batcher.rejected == 501


def test_an_unknown_stream_is_rejected_too(batcher):
    """A source that names a stream that is none does not stop the agent."""
    assert not batcher.add("nonsense", "", "feed/1", 1, {})
    assert batcher.due(everything=True)[0].columns["name"] == ["sample.rejected"]
