"""The table of streams: complete, bilingual, and within what storage can hold."""

import math

import pytest

from contract.columns import INTEGER_BOUNDS, NUMERIC_KINDS
from contract.samples import sample_faults
from contract.streams import CONTRACT_REVISION, STREAMS
from contract.topics import ALL_DATA, check_name, data_topic, parse_topic, receipt_topic

COLUMNS = [(stream, column) for stream in STREAMS.values() for column in stream.columns]


@pytest.mark.parametrize(("stream", "column"), COLUMNS, ids=lambda value: getattr(value, "name", ""))
def test_every_column_is_well_defined(stream, column):
    """Labels in both languages, a unit for numbers, a source for a range, and a place for null on the way back."""
    assert column.ja
    assert column.en
    assert column.name not in {"t", "link_id", "batch_id"}
    if column.kind in NUMERIC_KINDS and (stream.name, column.name) != ("metric", "value"):
        assert column.unit
    if column.low is not None or column.high is not None:
        assert column.source
    if column.nullable and column.kind in INTEGER_BOUNDS:
        # The reader marks null with the type's smallest integer.
        assert column.bounds[0] > INTEGER_BOUNDS[column.kind][0]
    assert column.since <= CONTRACT_REVISION
    if column.since > 1:
        assert column.nullable or column.default is not None


def test_the_streams_that_demonstrations_need_are_there():
    """The twelve streams of the design exist, and received power is not RSRP."""
    expected = "probe radio throughput position vehicle command video event clock host traffic metric"

    assert expected == " ".join(STREAMS)
    assert STREAMS["radio"].column("rsrp_dbm").en != STREAMS["radio"].column("rx_power_dbm").en
    assert STREAMS["radio"].column("rsrp_dbm").bounds == (-156, -31)


@pytest.mark.parametrize(
    ("stream", "sample", "fault"),
    [
        ("radio", {"rsrp_dbm": -80.5, "pci": 3}, None),
        ("radio", {"rsrp_dbm": -200.0}, "rsrp_dbm -200.0 is outside -156 .. -31 dB[mW]"),
        ("radio", {"rsrp_dbm": math.nan}, "rsrp_dbm must be finite"),
        ("radio", {"pci": 10**400}, "pci 1000"),
        ("radio", {"pci": 3.0}, "pci must be a whole number"),
        ("radio", {"pci": True}, "pci must be a number"),
        ("radio", {"band": 79}, "band must be text"),
        ("radio", {"colour": "red"}, "colour is not a column of radio"),
        ("event", {"name": "x", "severity": "bad", "message": ""}, "severity must be one of info, warning, error"),
        ("event", {"severity": "info", "message": ""}, "name is missing"),
        ("event", {"name": "x", "severity": "info", "message": "a\0b"}, "message must not hold a NUL character"),
        ("event", {"name": "x", "severity": "info", "message": "", "detail": "{broken"}, "detail must be JSON"),
        ("clock", {"method": "none", "synced": 1}, "synced must be true or false"),
        ("clock", {"method": "none", "synced": None}, "synced must not be null"),
    ],
)
def test_samples_are_checked_where_they_arise(stream, sample, fault):
    """Each kind of fault is found on the edge, in words that name the column."""
    faults = sample_faults(stream, sample)

    assert (fault is None) == (not faults)
    if fault is not None:
        assert faults[0].startswith(fault)


def test_topics_are_built_and_parsed():
    """A topic's parts come back, and what is not ours is None."""
    topic = parse_topic(data_topic("site-a", "car-1", "probe"))

    assert topic == ("1", "site-a", "car-1", "probe")
    assert receipt_topic("a", "b") == "jissho/1/a/b/receipt"
    assert parse_topic("other/1/a/b/c") is None
    assert parse_topic("jissho/1/a/b") is None
    assert ALL_DATA.count("/") == 4


@pytest.mark.parametrize("name", ["", "A", "a/b", "a b", "#", "+", "a" * 64, "拠点"])
def test_names_that_cannot_stand_in_a_topic_are_refused(name):
    """The error says what a name may be made of."""
    with pytest.raises(ValueError, match="lower-case letters"):
        check_name("site", name)
